"""Scenarios of a house, written as tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rigs.scenario.runner import Result, play
from rigs.scenario.schema import make_scenario

HOUSE: dict[str, Any] = {
    "seed": 9,
    "clock": {"start": "2026-05-04T10:00:00Z"},
    "premises": [
        {
            "name": "home",
            "electricity": {
                "load": {"kind": "constant", "value": 1000},
                "prepayment": {"balance_pence": 500},
            },
            "gas": {"load": {"kind": "constant", "value": 1.0}, "prepayment": {"balance_pence": 500}},
            "display": {},
        },
        {"name": "flat", "hub": None, "gas": None},
    ],
}


@pytest.fixture
def played() -> Callable[..., Result]:
    """Plays steps: ``played({"at": "1h", "power": {...}}, ...)``."""

    def run(*steps: dict[str, Any], rig: dict[str, Any] | None = None, seed: int | None = None) -> Result:
        tables = {"title": "a test", "rig": rig or HOUSE, "step": list(steps)}
        return play(make_scenario(tables, Path("test.toml"), seed))

    return run


@pytest.fixture
def failure(played: Callable[..., Result]) -> Callable[..., str]:
    """What is said of the last of some steps."""
    return lambda *steps, **more: played(*steps, **more).steps[-1].failure
