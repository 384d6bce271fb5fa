"""``smets1 panel`` prints the register map."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rigs.commands.panel import show_panel
from rigs.config import ConfigError, rig_of
from rigs.ports import PortError
from rigs.running import RunningRig

STREET = {"premises": [{"name": "street", "count": 3, "gas": None}]}


def test_the_table_of_the_built_in_rig() -> None:
    command = [sys.executable, "-m", "rigs", "panel"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines() if "home/" in line]
    assert ["1", "128", "1", "coil", "home/electricity", "mains", "bit", "0 to 1", "mains: 1 on, 0 off"] in rows
    assert rows[0][4] == "home/hub"
    assert {row[4] for row in rows} == {"home/hub", "home/electricity", "home/gas", "home/display"}


def test_json_has_all_premises_and_what_is_there_only(capsys: pytest.CaptureFixture[str]) -> None:
    file = rig_of(STREET)
    show_panel(file, "", as_json=True)
    entries = json.loads(capsys.readouterr().out)
    assert {entry["device"] for entry in entries} == {
        f"street-{number}/{kind}" for number in range(3) for kind in ("hub", "electricity")
    }
    (load,) = [entry for entry in entries if (entry["device"], entry["name"]) == ("street-2/electricity", "load")]
    assert load == {
        "unit": 1,
        "device": "street-2/electricity",
        "table": "holding register",
        "address": 2 * 512 + 128,
        "registers": 2,
        "name": "load",
        "type": "int32",
        "measure": "W",
        "text": "load behind the meter, negative: generated",
        "least": -100_000,
        "most": 100_000,
    }
    show_panel(file, "street-1", as_json=True)
    assert json.loads(capsys.readouterr().out) == [e for e in entries if e["device"].startswith("street-1/")]


def test_one_premises_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    show_panel(rig_of(STREET), "street-1", as_json=False)
    shown = capsys.readouterr().out
    assert "street-1/hub" in shown and "street-0/hub" not in shown
    with pytest.raises(ConfigError, match="street-3: no such premises on the panel"):
        show_panel(rig_of(STREET), "street-3", as_json=False)


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    rig = {"premises": [{"name": "home", "hub": None, "gas": None}]}
    with RunningRig(rig_of({**rig, "panel": {"tcp": "tcp:0"}}), folder=tmp_path) as first:
        port = first.panel["tcp"].rpartition(":")[2]
        with pytest.raises(PortError, match=f"tcp:127.0.0.1:{port}: "):
            RunningRig(rig_of({**rig, "panel": {"tcp": f"tcp:{port}"}}), folder=tmp_path).start()
