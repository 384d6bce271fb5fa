"""``smets1 keys`` and the commands that it and ``smets1 up`` print: each of them is run as it stands."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from protocols import obis
from rigs.associations import AssociationKeys
from rigs.cli import main
from rigs.client import parse_client_port
from rigs.config import load_rig
from rigs.hints import AUTHENTICATION, Place, ours, planned_place, pydlms
from rigs.ports import PortKind, parse_port
from rigs.running import RunningRig

COMMAND = [sys.executable, "-m", "rigs"]
HOME = """\
[premises.hub.ports]
wan = "pty:./{premises}-hub"
wan-tcp = "tcp:%d"
[premises.electricity.ports]
optical = "pty:./{premises}-electricity"
"""
"""The ports of the built-in rig, but for the number."""


@pytest.fixture
def smets1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Runs the command in an empty folder, in this process; gives what it printed, on stderr if ``code`` is not 0."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["smets1", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert (ended.value.code or 0) == code, err
        return err if code else out

    return run


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts ``smets1 up`` in an empty folder; gives what it has printed when its ports are open."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> str:
        command = [*COMMAND, "up", "--control", "off", *arguments]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if "Ctrl-C stops." in line:
                return printed
        raise AssertionError(printed)

    yield start
    for process in running:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.fixture
def rig(tmp_path: Path) -> str:
    """A rig file like the built-in rig, whose TCP port may be taken."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    (tmp_path / "rig.toml").write_text(f"[[premises]]\n{HOME % number}[premises.gas]\n")
    return "rig.toml"


def hints(printed: str) -> list[list[str]]:
    """Commands of ours in what was printed, as a shell takes them apart."""
    return [shlex.split(line) for line in printed.splitlines() if line.startswith("  smets1 read ")]


def test_every_hint_of_up_works(up: Callable[..., str], smets1: Callable[..., str], rig: str) -> None:
    printed = up(rig)
    commands = hints(printed)
    assert len(commands) == 3
    for command in commands:
        assert re.search(r"\d+ objects for client 16", smets1(*command[1:]))
    assert f"smets1 keys {rig}" in printed
    keys = next(shlex.split(line, comments=True) for line in printed.splitlines() if line.startswith("  smets1 keys"))
    secret = json.loads(smets1("keys", rig, "hub", "--json"))[0]["associations"][1]["secret"]
    assert secret in smets1(*keys[1:])
    assert secret not in printed


def test_every_command_of_keys_works(up: Callable[..., str], smets1: Callable[..., str], rig: str) -> None:
    up(rig)
    printed = smets1("keys", rig)
    commands = hints(printed)
    assert len(commands) == 15
    assert printed.count("  pydlms read ") == 15
    shown = [smets1(*command[1:]) for command in commands]
    for command, listed in zip(commands, shown, strict=True):
        client = command[command.index("--client") + 1] if "--client" in command else "16"
        assert re.search(rf"\d+ objects for client {client}\b", listed), command
    # An association sees more than the public client: the command opened the one that it is about.
    assert len(set(map(len, shown))) > 5
    for name in ("encryption", "authentication", "broadcast", "master key"):
        assert name in printed


def test_every_association_of_the_bench_profile_opens(
    smets1: Callable[..., str], smets1_rig: Callable[..., RunningRig], tmp_path: Path
) -> None:
    meter = {"profile": "electricity-bench", "ports": {"local-tcp": "tcp:0"}}
    running = smets1_rig({"premises": [{"name": "home", "hub": None, "gas": None, "electricity": meter}]})
    address = running.premises["home"].electricity.tcp
    (tmp_path / "rig.toml").write_text(
        "[[premises]]\n[premises.electricity]\nprofile = 'electricity-bench'\n"
        f"[premises.electricity.ports]\nlocal-tcp = 'tcp:{address}'\n"
    )
    assert "--pem FOLDER" in smets1("keys", "rig.toml", "electricity")
    (device,) = json.loads(smets1("keys", "rig.toml", "electricity", "--json", "--pem", "."))
    associations = device["associations"]
    assert {found["suite"] for found in associations} == {None, 0, 1, 2}
    assert {found["auth"] for found in associations} == set(AUTHENTICATION)
    assert len(list(tmp_path.glob("home-electricity-*.pem"))) == 4
    assert (tmp_path / "home-electricity-suite1_ecdsa-client.pem").stat().st_mode & 0o777 == 0o600
    for found in associations:
        command = shlex.split(found["commands"][0])
        assert command[:3] == ["smets1", "read", f"tcp:{address}"]
        assert f"objects for client {found['client']}" in smets1(*command[1:]), found["name"]


def test_which_devices(smets1: Callable[..., str], tmp_path: Path) -> None:
    def devices(*arguments: str) -> list[str]:
        return [found["device"] for found in json.loads(smets1("keys", *arguments, "--json"))]

    assert devices() == devices("home") == ["home/hub", "home/electricity", "home/gas", "home/display"]
    assert devices("gas") == devices("home/gas") == ["home/gas"]
    (tmp_path / "road.toml").write_text(
        "[[premises]]\nname = 'road'\ncount = 9\nhub = { ports = { wan-tcp = 'tcp:0' } }\n"
    )
    assert devices("road.toml") == devices("road.toml", "road-0")
    assert devices("road.toml", "road-8/gas") == ["road-8/gas"]
    assert "8 more premises" in smets1("keys", "road.toml")
    said = smets1("keys", "road.toml", "road-9", code=1)
    assert said.count("\n") == 1
    assert "road-9: no such device; there are road-0/hub" in said
    assert "and 15 more" in said
    assert "no such profile" in smets1("keys", _other(tmp_path, "profile = 'hub-9000'"), code=1)
    assert "no such file" in smets1("keys", "nothing.toml", code=1)


def _other(folder: Path, hub: str) -> str:
    (folder / "other.toml").write_text(f"[[premises]]\n[premises.hub]\n{hub}\n")
    return "other.toml"


def test_keys_follow_the_seed_and_the_file(
    smets1: Callable[..., str], smets1_rig: Callable[..., RunningRig], tmp_path: Path
) -> None:
    def management(*arguments: str) -> dict[str, Any]:
        (device,) = json.loads(smets1("keys", *arguments, "hub", "--json"))
        return next(found for found in device["associations"] if found["name"] == "management")

    assert management() == management("--seed", str(load_rig().config.seed))
    assert management()["encryption"] != management("--seed", "7")["encryption"]
    given = {"management.encryption": "00112233445566778899aabbccddeeff", "data_collection.secret": "ff00"}
    file = _other(tmp_path, f"keys = {{ {', '.join(f'{name!r} = {key!r}' for name, key in given.items())} }}")
    assert management(file)["encryption"] == given["management.encryption"]
    (device,) = json.loads(smets1("keys", file, "hub", "--json"))
    assert device["associations"][1]["secret"] == "hex:ff00"
    # A running rig says the same.
    hub = smets1_rig({"premises": [{"hub": {"ports": {"wan-tcp": "tcp:0"}}}], "seed": 7}).premises["home"].hub
    seeded = management("--seed", "7")
    keys = hub.keys("management")
    assert keys.encryption.hex() == seeded["encryption"]
    assert keys.broadcast.hex() == seeded["broadcast"]
    assert obis.text(keys.counter_object or b"") == f"{seeded['counter_object']}.255"


def test_secrets_can_be_typed(smets1: Callable[..., str]) -> None:
    secrets = {
        found["secret"]
        for seed in range(20)
        for device in json.loads(smets1("keys", "--seed", str(seed), "--json"))
        for found in device["associations"]
        if found["secret"]
    }
    assert len(secrets) == 60
    assert all(re.fullmatch("[A-Z0-9]{16}", secret) for secret in secrets)


@pytest.mark.parametrize(
    ("name", "port", "our_name", "endpoint"),
    [
        ("optical", "pty:meter", "optical:./meter", "optical://{}/meter"),
        ("optical", "pty:/tmp/meter", "optical:/tmp/meter", "optical:///tmp/meter"),
        ("optical", "tcp+hdlc:4061", "optical:tcp+hdlc:127.0.0.1:4061", None),
        ("optical", "rfc2217:4062", "optical:rfc2217:127.0.0.1:4062", None),
        ("optical", "serial:usb:A50285BI", "optical:serial:DEVICE", "optical://DEVICE"),
        ("wan", "pty:./hub", "pty:./hub", "'serial://{}/hub?baud=9600'"),
        ("wan", "tcp+hdlc:[::1]:4061", "tcp+hdlc:[::1]:4061", "'tcp+hdlc://[::1]:4061'"),
        ("wan-tcp", "tcp:0", "tcp:127.0.0.1:PORT", "tcp://127.0.0.1:PORT"),
        ("wan-udp", "udp:4059", "udp:127.0.0.1:4059", "udp://127.0.0.1:4059"),
    ],
)
def test_places(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, port: str, our_name: str, endpoint: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    place = planned_place(name, parse_port(port))
    command = ours(place)
    assert command is not None
    assert shlex.split(command) == ["smets1", "read", our_name, "list"]
    theirs = pydlms(place)
    assert (theirs is None) == (endpoint is None)
    if theirs is not None and endpoint is not None:
        assert theirs.startswith(f"pydlms read {endpoint.format(tmp_path)} ")
    if "PORT" not in our_name:
        found = parse_client_port(our_name)
        assert (found.spec.kind, found.optical) == (place.kind, place.optical)


def test_a_secret_that_is_no_text_is_for_our_client_only() -> None:
    keys = AssociationKeys("lls", 17, 1, False, 0, 0, b"", b"", b"", b"", b"\x01\xff", bytes(8), None)
    place = Place(PortKind.TCP, "127.0.0.1:4059")
    assert ours(place, keys) == "smets1 read tcp:127.0.0.1:4059 --client 17 --auth lls --password hex:01ff list"
    assert pydlms(place, keys) is None
