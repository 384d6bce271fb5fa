"""The programs in `examples/` tell the story that they promise."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
LINE = re.compile(r"(?P<time>\d\d:\d\d)  supply (?P<supply>\w+) +\[(?P<display>.*?) *\]  (?P<what>.+)")
STORY = [
    ("on", "Credit 3.00 GBP", "a little credit"),
    ("on", "Credit 1.97 GBP", "credit is low"),
    ("on", "Credit 0.94 GBP", "emergency credit is on offer"),
    ("on", "Emergency credit 3.00 GBP activated", "presses the key"),
    ("on", "Credit 0.00 GBP", "emergency credit is in use"),
    ("off", "Credit 0.00 GBP", "cuts the supply"),
    ("off", "Error: check digits", "mistyped"),
    ("armed", "Accepted 10.00 GBP", "it is taken"),
    ("armed", "Accepted 10.00 GBP", "the supply is armed"),
    ("on", "Supply on", "presses the button"),
    ("on", "Rejected: used already", "does not work a second time"),
    ("on", "Rejected: used already", "the gas meter"),
]
"""State of the supply, display and a part of what is told, by the prices of the profile: 3 kW at 24.12 pence."""


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "prepayment_demo.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def told(done: subprocess.CompletedProcess[str]) -> list[re.Match[str]]:
    assert done.returncode == 0, done.stderr
    lines = [LINE.fullmatch(line) for line in done.stdout.splitlines()]
    assert all(lines), done.stdout
    return [line for line in lines if line]


def test_the_prepayment_demo_in_steps() -> None:
    lines = told(demo("--stepped"))
    assert [(line["supply"], line["display"]) for line in lines] == [(supply, shown) for supply, shown, _ in STORY]
    assert all(part in line["what"] for line, (_, _, part) in zip(lines, STORY, strict=True))
    # 2.00, 1.00 and 0.00 pounds, then 3.00 of emergency credit, at 0.7236 pounds an hour, seen every 5 minutes
    assert [line["time"] for line in lines[:6]] == ["12:00", "13:25", "14:50", "14:50", "16:10", "20:20"]


@pytest.mark.slow
def test_the_prepayment_demo_on_its_accelerated_clock() -> None:
    began = time.monotonic()
    lines = told(demo())
    assert time.monotonic() - began < 60
    assert [line["supply"] for line in lines] == [supply for supply, _, _ in STORY]
    for line, (_, shown, _) in zip(lines[6:], STORY[6:], strict=True):
        # What the display says of a token gives way to the credit after some of the meter's seconds: soon, here.
        assert line["display"] == shown or line["display"].startswith("Credit "), line


def test_a_demo_that_does_not_happen_fails(tmp_path: Path) -> None:
    rig = (EXAMPLES / "prepayment.toml").read_text(encoding="utf-8").replace("value = 3000", "value = 0")
    (tmp_path / "idle.toml").write_text(rig, encoding="utf-8")
    done = demo("--stepped", str(tmp_path / "idle.toml"))
    assert done.returncode == 1
    assert "this did not happen: the meter warns: credit is low; the display shows: Credit 2.80 GBP" in done.stderr
