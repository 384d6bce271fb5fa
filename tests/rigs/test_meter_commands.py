"""``smets1 display``, ``press`` and ``top-up`` as people run them, on a rig that runs in another process."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator.front import ALPHABET
from emulator.meter import Meter
from rigs.building import build
from rigs.cli import main
from rigs.config import load_rig
from rigs.control.client import ControlClient
from rigs.rig import Rig

COMMAND = [sys.executable, "-m", "rigs"]
NAME = "smets1-control.json"
READY = "Ctrl-C stops."
RIG = """\
[[premises]]
name = "home"
[premises.hub.ports]
wan-tcp = "tcp:0"
[premises.electricity]
load = { kind = "constant", value = 0 }
prepayment = { balance_pence = 500 }
[premises.gas]
prepayment = { balance_pence = 500 }
"""


class Running:
    """``smets1 up ...`` in a folder, and what it has printed."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "up", "rig.toml", "--stepped", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.printed = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed += line
            if READY in line:
                return
        raise AssertionError(self.process.communicate()[1])

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Send a signal; the exit code and what was said on stderr."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        self.printed += out
        return self.process.returncode, err


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts the rig of this module."""
    (tmp_path / "rig.toml").write_text(RIG)
    made: list[Running] = []

    def start(*arguments: str) -> Running:
        made.append(Running(tmp_path, *arguments))
        return made[-1]

    yield start
    for running in made:
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate()


@pytest.fixture
def smets1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str]]:
    """Runs a command in the rig's folder: exit code and its one line, of stderr if it failed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["smets1", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        said = out + err
        assert said.count("\n") == 1, said
        code = ended.value.code or 0
        assert isinstance(code, int)
        return code, said.strip()

    return run


def token(folder: Path, counter: int, pence: int) -> str:
    """A token for the electricity meter of the rig file, whose keys follow from its seed."""
    file = load_rig(folder / "rig.toml")
    meter = build(file, file.specs[0], Rig(file).clock).electricity
    assert isinstance(meter, Meter)
    assert meter.account is not None
    tokens = meter.account.settings.tokens
    scheme = tokens.scheme(meter.token_secret(tokens), meter.token_originator(tokens), meter.identity.eui64)
    return scheme.issue(counter, pence)


def test_a_customer_s_day_at_the_meter(
    up: Callable[..., Running], smets1: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    rig = up()
    assert "smets1 display home/electricity" in rig.printed
    assert "the token of the control API is in ./smets1-control.json" in rig.printed
    assert json.loads((tmp_path / NAME).read_text())["token"] not in rig.printed
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    assert smets1("display", "home/electricity") == (0, "Credit 5.00 GBP")
    assert smets1("display", "gas") == (0, "(the display is off)")
    assert smets1("display", "hub") == (0, "hub: it has no display")
    assert smets1("press", "electricity", "7394 3333 4<") == (0, "7394 3333")
    assert smets1("display", "electricity") == (0, "7394 3333")
    assert smets1("press", "electricity", "c>>>>>") == (0, "Supply on")
    digits = token(tmp_path, 1, 10_00)
    groups = [digits[at : at + 4] for at in range(0, 20, 4)]
    code, said = smets1("top-up", "electricity", *groups)
    assert (code, said) == (0, "accepted; balance 15.00 GBP; the display shows: Accepted 10.00 GBP")
    # what an in-home display has sent is not on the meter's own display, which shows what was typed in before
    for arguments, shown in (
        ((digits, "--display"), ""),
        ((*groups, "--display"), ""),
        ((digits,), "; the display shows: Rejected: used already"),
    ):
        code, said = smets1("top-up", "home/electricity", *arguments)
        assert (code, said) == (1, f"duplicate; balance 15.00 GBP{shown}")
    for arguments, words in (
        (("press", "home/electricity", "x"), "smets1: home/electricity: keys: 'x': not a key"),
        (("display", "home/ihd"), "smets1: home/ihd: no such device; there are hub, electricity, gas"),
        (("display", "water"), "smets1: water: no device of that kind in this rig; write PREMISES/KIND"),
        (("display", "../clock"), "smets1: ..: no such premises; there are home"),
        (("top-up", "home/hub", "1"), "smets1: home/hub: has no keypad or display"),
        (("press", "home/gas", "1" * 201), "smets1: keys: String should have at most 200 characters"),
    ):
        code, said = smets1(*arguments)
        assert code == 1
        assert said.startswith(words)
    _watch(tmp_path)
    assert rig.end() == (0, "")
    assert not (tmp_path / NAME).exists()
    code, said = smets1("display", "home/electricity")
    assert code == 1
    assert said.startswith("smets1: smets1-control.json: no rig runs in this folder; start one there")


def _watch(folder: Path) -> None:
    """A display is followed until Ctrl-C, from another folder."""
    watching = subprocess.Popen(
        [*COMMAND, "display", "home/electricity", "--watch", "--folder", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "Rejected: used already\n"
        ControlClient(folder).post("devices", "home", "electricity", "keys", keys="42")
        assert watching.stdout.readline() == "42\n"
        watching.send_signal(signal.SIGINT)
        assert watching.communicate(timeout=20) == ("", "")
        assert watching.returncode == 0
    finally:
        watching.kill()


def test_a_rig_that_was_killed_is_told_and_its_file_replaced(
    up: Callable[..., Running], smets1: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    up().end(signal.SIGKILL)
    code, said = smets1("display", "home/electricity")
    assert (code, said) == (1, "smets1: smets1-control.json: left by a rig that has ended; start it again: smets1 up")
    rig = up()
    assert smets1("display", "home/electricity") == (0, "Credit 5.00 GBP")
    # a second rig in the same folder runs, without control unless that was asked for
    second = up()
    assert f"no control: {NAME}: another rig runs in this folder" in second.printed
    assert second.end() == (0, "")
    code, said = smets1("up", "rig.toml", "--control", "127.0.0.1:0")
    assert code == 1
    assert said.startswith(f"smets1: {NAME}: another rig runs in this folder; start this one in another folder")
    assert (tmp_path / NAME).exists()
    assert smets1("display", "home/electricity") == (0, "Credit 5.00 GBP")
    assert rig.end(signal.SIGTERM) == (0, "")


def test_help_names_every_key(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["smets1", "press", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert ALPHABET in " ".join(capsys.readouterr().out.split()).replace("Digits", "digits")


def test_an_address_that_is_none_is_one_line(smets1: Callable[..., tuple[int, str]]) -> None:
    code, said = smets1("up", "--control", "here")
    assert (code, said) == (1, "smets1: --control here: not a network port; write PORT, HOST:PORT or off")
