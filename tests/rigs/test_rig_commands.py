"""``smets1 status``, ``power``, ``load``, ``clock`` and ``events`` on a running rig, and ``smets1 up --log json``."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from rigs.cli import main
from rigs.control.client import ControlClient
from rigs.control.server import ControlServer, parse_address
from rigs.running import RunningRig

TABLES: dict[str, object] = {
    "premises": [
        {
            "name": "home",
            "hub": {"ports": {"wan-tcp": "tcp:0"}},
            "electricity": {"prepayment": {"balance_pence": 500}, "load": {"kind": "constant", "value": 0}},
            "gas": {"load": {"kind": "constant", "value": 0}},
        }
    ]
}


@pytest.fixture
def rig(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> Iterator[RunningRig]:
    """A home on a stepped clock, with its control API."""
    running = smets1_rig(TABLES)
    server = ControlServer(running.rig, parse_address("0"), tmp_path)
    running.runner.run(server.start())
    yield running
    if not running.runner.closed:
        running.runner.run(server.stop())


@pytest.fixture
def smets1(
    rig: RunningRig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str]]:
    """Runs a command in the rig's folder: its exit code, and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["smets1", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        code = ended.value.code or 0
        assert isinstance(code, int)
        return code, (out + err).rstrip()

    return run


def test_the_status_is_a_table_or_json(smets1: Callable[..., tuple[int, str]], rig: RunningRig) -> None:
    code, shown = smets1("status")
    assert code == 0
    assert "2026-01-01 00:00:00 UTC, stands still; 3 devices, 1 ports" in shown
    lines = shown.splitlines()
    assert any(line.split()[:4] == ["home/electricity", "electricity-base", "on", "on"] for line in lines), shown
    assert any("Credit 5.00 GBP" in line for line in lines)
    assert any(line.split()[:2] == ["home/hub/wan-tcp", rig.premises["home"].hub.tcp] for line in lines)
    code, shown = smets1("status", "gas")
    assert "home/gas" in shown
    assert "home/hub" not in shown
    code, shown = smets1("status", "--json")
    assert json.loads(shown) == ControlClient(Path()).get("status")
    assert smets1("status", "home/ihd") == (1, "smets1: home/ihd: no such device; there are hub, electricity, gas")


def test_power_is_cut_for_a_while(smets1: Callable[..., tuple[int, str]]) -> None:
    assert smets1("power", "electricity") == (0, "home/electricity: on; 1 starts, 0 power failures")
    code, shown = smets1("power", "home", "off", "--for", "1h30m")
    assert (code, shown.splitlines()) == (
        0,
        [
            "home/hub: off until 2026-01-01 01:30:00; 1 starts, 1 power failures",
            "home/electricity: off until 2026-01-01 01:30:00; 1 starts, 1 power failures",
        ],
    )
    assert smets1("clock", "--advance", "2h") == (0, "2026-01-01 02:00:00 UTC, stands still")
    assert smets1("power", "electricity") == (0, "home/electricity: on; 2 starts, 1 power failures")
    assert smets1("power", "home/hub", "off") == (0, "home/hub: off; 2 starts, 2 power failures")
    code, shown = smets1("power", "hub", "on")
    assert shown.startswith("home/hub: starting until 2026-01-01 02:00:")
    code, shown = smets1("power", "gas", "new-battery")
    assert shown == "home/gas: on; 1 starts, 0 power failures; battery 3650 mV, 3650 days left"
    assert smets1("power", "nowhere", "off") == (1, "smets1: nowhere: no such premises; there are home")


def test_a_load_is_shown_and_changed(smets1: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    assert smets1("load", "electricity", "2500") == (0, "home/electricity: constant, now 2500 W")
    assert smets1("load", "electricity", "-300.5") == (0, "home/electricity: constant, now -300.5 W")
    assert smets1("load", "electricity") == (0, "home/electricity: constant, now -300.5 W")
    _, shown = smets1("load", "gas", "--household", "2")
    assert shown.startswith("home/gas: household, now ")
    (tmp_path / "load.csv").write_text("time,W\n2025-01-01T00:00:00Z,125\n")
    assert smets1("load", "electricity", "--csv", "load.csv") == (0, "home/electricity: csv, now 125 W")
    assert smets1("load", "electricity", "--csv", "none.csv") == (1, "smets1: none.csv: no such file or directory")
    (tmp_path / "load.csv").write_bytes(b"\xff")
    assert smets1("load", "electricity", "--csv", "load.csv") == (1, "smets1: load.csv: not UTF-8 text")
    (tmp_path / "load.csv").write_text("1" * 60_001)
    assert smets1("load", "electricity", "--csv", "load.csv")[1].startswith("smets1: load.csv: more than 60000 octets")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("power", "home/hub", "sleep"), "sleep: show, on, off or new-battery"),
        (("power", "home", "new-battery"), "of a premises: on or off"),
        (("power", "hub", "on", "--for", "5"), "a cut lasts so long"),
        (("power", "hub", "off", "--for", "soon"), "soon: write seconds, or a time such as 1h30m"),
        (("clock", "--advance", "1h 5"), "1h 5: write seconds, or a time such as 1h30m"),
        (("load", "gas", "1", "--household", "2"), "one of VALUE, --household and --csv"),
    ],
)
def test_what_makes_no_sense_is_told(
    smets1: Callable[..., tuple[int, str]], arguments: tuple[str, ...], words: str
) -> None:
    code, shown = smets1(*arguments)
    assert code == 2
    assert words in " ".join(shown.split())


def test_a_stepped_clock_has_no_rate(smets1: Callable[..., tuple[int, str]]) -> None:
    assert smets1("clock") == (0, "2026-01-01 00:00:00 UTC, stands still")
    code, shown = smets1("clock", "--rate", "5")
    assert (code, shown[:50]) == (1, "smets1: clock: it is stepped and has no rate; advance it"[:50])


def test_events_are_shown_and_followed(smets1: Callable[..., tuple[int, str]], rig: RunningRig, tmp_path: Path) -> None:
    smets1("power", "electricity", "off")
    code, shown = smets1("events")
    assert shown.splitlines() == [
        "2026-01-01 00:00:00 home/electricity control: power off",
        "2026-01-01 00:00:00 home/electricity device: power down",
    ]
    assert smets1("events", "gas") == (0, "")
    code, shown = smets1("events", "electricity", "--last", "1", "--json")
    assert json.loads(shown)["name"] == "power_down"
    code, shown = smets1("events", "--source", "nobody")
    assert (code, shown[:40]) == (1, "smets1: source: Input should be 'device'"[:40])
    followed = subprocess.Popen(
        [sys.executable, "-m", "rigs", "events", "home/gas", "--follow", "--last", "0", "--folder", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        patience = threading.Event()
        while not rig.runner.call(lambda: list(rig.rig.events.listeners)):
            assert followed.poll() is None
            patience.wait(0.02)
        rig.premises["home"].gas.replace_battery()
        assert followed.stdout is not None
        assert followed.stdout.readline() == "2026-01-01 00:00:00 home/gas control: new battery\n"
        assert followed.stdout.readline() == "2026-01-01 00:00:00 home/gas device: battery replaced\n"
        followed.send_signal(signal.SIGINT)
        assert followed.wait(20) == 0
    finally:
        followed.kill()
        followed.communicate()


def test_a_rig_logs_json(tmp_path: Path) -> None:
    (tmp_path / "rig.toml").write_text(
        '[[premises]]\nname = "home"\ndisplay = {}\n[premises.hub.ports]\nwan-tcp = "tcp:0"\n'
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "rigs", "up", "rig.toml", "--stepped", "--trace", "--log", "json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines: list[dict[str, object]] = []

        def until(event: str) -> dict[str, object]:
            assert process.stdout is not None
            for text in process.stdout:
                lines.append(json.loads(text))
                if lines[-1]["event"] == event:
                    return lines[-1]
            raise AssertionError(lines)

        until("started")
        assert [line["event"] for line in lines] == ["open", "control", "started"]
        assert (lines[0]["port"], lines[0]["device"]) == ("home/hub/wan-tcp", "home/hub")
        client = ControlClient(tmp_path)
        client.post("devices", "home", "electricity", "power", on=False)
        assert until("power_down")["device"] == "home/electricity"
        injection = client.post("faults", fault="device-without-entry", device="home/gas")
        begun = until("active")
        assert (begun["fault"], begun["device"], begun["source"]) == (injection["id"], "home/gas", "fault")
        process.send_signal(signal.SIGINT)
        until("stopped")
        assert process.wait(20) == 0
        for line in lines:
            assert {"time", "written", "rig", "source", "event", "text"} <= line.keys()
            assert line["rig"] == "rig.toml"
            assert datetime.fromisoformat(str(line["time"])).year == 2026
        assert any(line["source"] == "trace" for line in lines), "the fault is told on the air"
    finally:
        process.kill()
        process.communicate()
