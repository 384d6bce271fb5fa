"""What a person does: ``smets1 up`` in one terminal, a peer's own command in another, as the README shows."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

WHAT = ["--obis", "0.0.42.0.0.255", "--class", "1"]
PATIENCE = 20.0
ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def up(tmp_path: Path) -> Iterator[tuple[Path, int, subprocess.Popen[str]]]:
    """``smets1 up --capture`` on a real clock: its folder, the hub's TCP port and its process."""
    port = free_port()
    (tmp_path / "rig.toml").write_text(
        "[[premises]]\n"
        f'[premises.hub.ports]\nwan = "pty:./hub"\nwan-tcp = "tcp:{port}"\n'
        '[premises.electricity.ports]\noptical = "pty:./electricity"\n'
    )
    with subprocess.Popen(
        [sys.executable, "-m", "rigs", "up", "rig.toml", "--capture", "rig.pcapng"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            give_up = time.monotonic() + PATIENCE
            while not (tmp_path / "electricity").exists():
                assert process.poll() is None and time.monotonic() < give_up, "smets1 up did not start"
                time.sleep(0.05)
            yield tmp_path, port, process
        finally:
            if process.poll() is None:
                process.kill()


def test_a_peer_reads_what_smets1_up_offers(peers: Any, up: tuple[Path, int, subprocess.Popen[str]]) -> None:
    folder, port, process = up
    pydlms = peers.program("pydlms", "bin", "pydlms")
    places = [f"tcp://127.0.0.1:{port}", f"serial://{folder}/hub?baud=9600", f"optical://{folder}/electricity"]
    names = []
    for place in places:
        done = peers.run(pydlms, "read", place, *WHAT)
        assert done.returncode == 0, done.stderr
        names.append(done.stdout.strip())
    assert names[0] == names[1] != names[2]
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0, process.stdout and process.stdout.read()
    assert not (folder / "hub").exists()
    lines = peers.tshark("-r", str(folder / "rig.pcapng"), "-T", "fields", "-e", "_ws.col.info")
    assert len([line for line in lines if line.startswith("Get-Response-Normal")]) == len(places)


def pydlms_commands(folder: Path) -> list[list[str]]:
    """Those that ``smets1 keys`` prints for the rig in ``folder``, as a shell takes them apart."""
    done = subprocess.run(
        [sys.executable, "-m", "rigs", "keys", "rig.toml", "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    associations = [found for device in json.loads(done.stdout) for found in device["associations"]]
    commands = [shlex.split(command) for found in associations for command in found["commands"]]
    return [command for command in commands if command[0] == "pydlms"]


def test_a_peer_opens_every_association_as_smets1_keys_says(
    peers: Any, up: tuple[Path, int, subprocess.Popen[str]]
) -> None:
    folder, _, _ = up
    commands = pydlms_commands(folder)
    assert len(commands) == 15
    names = set[str]()
    for command in commands:
        done = peers.run(peers.program("pydlms", "bin", "pydlms"), *command[1:])
        assert done.returncode == 0, (command, done.stderr)
        names.add(done.stdout.strip())
    assert len(names) == 3  # logical device names of the hub and the meters


def test_a_peer_opens_associations_of_every_mechanism(peers: Any, meters: Any, tmp_path: Path) -> None:
    address = meters().port("local-tcp")
    (tmp_path / "rig.toml").write_text(
        "[[premises]]\n[premises.electricity]\nprofile = 'electricity-bench'\n"
        f"[premises.electricity.ports]\nlocal-tcp = 'tcp:{address}'\n[premises.hub]\n"
    )
    commands = [command for command in pydlms_commands(tmp_path) if command[2] == f"tcp://{address}"]
    mechanisms = {command[command.index("--auth") + 1] for command in commands if "--auth" in command}
    assert mechanisms == {"lls", "hls", "md5", "sha1", "gmac", "sha256"}
    names = set[str]()
    for command in commands:
        done = peers.run(peers.program("pydlms", "bin", "pydlms"), *command[1:])
        assert done.returncode == 0, (command, done.stderr)
        names.add(done.stdout.strip())
    assert len(names) == 1
