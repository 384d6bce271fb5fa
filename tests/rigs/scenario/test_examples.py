"""The worked scenarios in `examples/scenarios` end well, always the same way, and fail when the house is another."""

from __future__ import annotations

import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from rigs.scenario.junit import document
from rigs.scenario.runner import play
from rigs.scenario.schema import load_scenario, make_scenario

FOLDER = Path(__file__).parents[3] / "examples" / "scenarios"
SCENARIOS = sorted(FOLDER.glob("*.toml"))
TITLES = {
    "faults_at_their_time": "Faults come in the evening and with low credit",
    "gas_meter_swapped": "A gas meter is swapped, with SRV 8.11, and read again",
    "hub_replaced": "A hub is replaced by backup and restore",
    "network_key_rotated": "The network key is rotated while the gas meter sleeps",
    "power_cut_at_price_change": "The power is cut as the price changes",
    "runs_out_and_tops_up": "A prepayment customer runs out and tops up",
}


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_step_ends_well_and_again_to_the_octet(path: Path) -> None:
    first, again = (play(load_scenario(path)) for _ in range(2))
    assert [step.failure for step in first.steps] == [""] * len(first.steps)
    assert first.title == TITLES[path.stem]
    assert document([first]) == document([again])


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_they_hold_for_another_seed(path: Path) -> None:
    result = play(load_scenario(path, 4711))
    assert [step.failure for step in result.steps] == [""] * len(result.steps)


def test_all_of_them_are_there() -> None:
    assert [path.stem for path in SCENARIOS] == sorted(TITLES)


@pytest.mark.parametrize(
    ("name", "deed", "failure"),
    [
        ("runs_out_and_tops_up", "press", "expected to contain 'Emergency credit 3.00', found Credit 0.94 GBP;"),
        ("faults_at_their_time", "fault", "; on the HAN: expected no, found yes (within 18h)"),
        ("gas_meter_swapped", "device_log", "home/gas-2: in the hub's device log: expected yes, found no"),
        ("hub_replaced", "restore", "home/electricity: on the HAN: expected yes, found no"),
        ("network_key_rotated", "network_key", "home/hub: log: expected network_key_changed, found "),
        ("power_cut_at_price_change", "price", "log: expected prices_changed, found power_down, power_up (within 2m)"),
    ],
)
def test_one_deed_left_out_is_found(name: str, deed: str, failure: str) -> None:
    path = FOLDER / f"{name}.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    for step in tables["step"]:
        step.pop(deed, None)
    result = play(make_scenario(tables, path))
    failures = [step.failure for step in result.steps if step.failure]
    assert any(failure in text for text in failures), failures
    root = ET.fromstring(document([result]))
    assert int(root.get("failures", "0")) + int(root.get("errors", "0")) == len(failures)
