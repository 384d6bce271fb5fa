"""labgrid, as it comes, on the rig and the environment of `examples/labgrid`: it cuts a meter's power and reads it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.timeout(150)]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "labgrid"
PANEL = ("127.0.0.1", 5020)
PATIENCE = 20.0


@pytest.fixture
def up(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The example's rig, as ``smets1 up`` runs it, once its panel is there."""
    with subprocess.Popen(
        [sys.executable, "-m", "rigs", "up", str(EXAMPLE / "rig.toml")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            give_up = time.monotonic() + PATIENCE
            while not listening():
                assert process.poll() is None and time.monotonic() < give_up, "smets1 up did not start"
                time.sleep(0.05)
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def listening() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(PANEL) == 0


def test_the_example(peers: Any, up: subprocess.Popen[str], tmp_path: Path) -> None:
    command = [peers.python("labgrid"), "-m", "pytest", "--lg-env", str(EXAMPLE / "env.yaml"), str(EXAMPLE)]
    # Its own pytest, without the settings and caches of this tree.
    apart = ["-c", os.devnull, "--rootdir", str(tmp_path), "-p", "no:cacheprovider", "-q"]
    done = peers.run(*command, *apart, timeout=120)
    assert re.search(r"^3 passed", done.stdout, re.MULTILINE), done.stdout + done.stderr
    up.send_signal(signal.SIGINT)
    said, _ = up.communicate(timeout=20)
    assert up.returncode == 0, said
    assert "The bench panel speaks Modbus at tcp:127.0.0.1:5020" in said
    assert "bench/electricity/optical: not heard: bench/electricity has no power" in said
    assert "the line does not reach the device" in said
