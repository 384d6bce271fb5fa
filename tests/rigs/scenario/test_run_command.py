"""``smets1 run`` as people use it: what it prints, its exit code, the file it writes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from rigs.cli import main

GOOD = """title = "The lights go out"
[[step]]
name = "the mains go"
at = "1h"
power = { device = "home/electricity", state = "off" }
[[step.expect]]
device = "home/electricity"
power = "off"
"""
BAD = GOOD.replace('power = "off"', 'power = "on"').replace("The lights go out", "The lights stay on")


@pytest.fixture
def smets1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["smets1", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code or 0
        assert isinstance(code, int)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_scenarios_that_end_well_and_badly(tmp_path: Path, smets1: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "good.toml").write_text(GOOD)
    (tmp_path / "bad.toml").write_text(BAD)
    assert smets1("run", "good.toml") == (
        0,
        "good.toml: The lights go out\n"
        "  ok   2026-01-01 01:00:00  the mains go\n"
        "good.toml: 1 steps, none failed, seed 1\n",
        "",
    )
    code, printed, _ = smets1("run", "good.toml", "bad.toml", "--junit", "out.xml", "--seed", "5")
    assert code == 1
    assert (
        "  FAIL 2026-01-01 01:00:00  the mains go\n       home/electricity: power: expected on, found off\n" in printed
    )
    root = ET.fromstring((tmp_path / "out.xml").read_bytes())
    assert [(suite.get("name"), suite.get("failures")) for suite in root] == [
        ("The lights go out", "0"),
        ("The lights stay on", "1"),
    ]
    before = (tmp_path / "out.xml").read_bytes()
    smets1("run", "good.toml", "bad.toml", "--junit", "out.xml", "--seed", "5")
    assert (tmp_path / "out.xml").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.toml", "good.toml", "out.xml"]


def test_what_cannot_be_run_is_one_line(tmp_path: Path, smets1: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "good.toml").write_text(GOOD)
    (tmp_path / "wrong.toml").write_text(GOOD.replace("home/", "house/"))
    assert smets1("run", "good.toml", "wrong.toml") == (
        1,
        "",
        "smets1: wrong.toml: step.0.power.device: house/electricity: no such premises; there are home\n",
    )
    code, _, told = smets1("run", "good.toml", "--junit", "nowhere/out.xml")
    assert (code, told) == (1, "smets1: nowhere/out.xml: no such file or directory\n")
    code, _, told = smets1("run")
    assert code == 2 and "at least one scenario" in told


def test_the_schema_is_printed(smets1: Callable[..., tuple[int, str, str]]) -> None:
    code, printed, _ = smets1("run", "--schema")
    assert code == 0 and json.loads(printed)["properties"]["step"]["minItems"] == 1
