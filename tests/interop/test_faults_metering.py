"""Faults of metering as pydlms sees them through the hub: registers, power, alarms and logs, during and after each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.head_end import Home, head_end, home

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

WATTS, LITRES = 1200, 600
IMPORT, EXPORT, POWER, EXPORTED = (
    [3, name, 2] for name in ("1.0.1.8.0.255", "1.0.2.8.0.255", "1.0.1.7.0.255", "1.0.2.7.0.255")
)
VOLTAGE, CURRENT = [3, "1.0.32.7.0.255", 2], [3, "1.0.31.7.0.255", 2]
DEMAND, LAST_DEMAND = [4, "1.0.1.6.0.255", 2], [5, "1.0.1.4.0.255", 3]
VOLUME, FLOW = [3, "7.0.1.8.0.255", 2], [3, "7.0.43.7.0.255", 2]
RATES = [[3, f"1.0.1.8.{rate}.255", 2] for rate in range(1, 9)]
ALARMS = [1, "0.0.97.98.0.255", 2]
FRAUD, QUALITY = "0.0.99.98.1.255", "0.0.99.98.4.255"
COVER, TERMINAL, MAGNET, REVERSED, HIGH, LOW = (1 << bit for bit in (13, 14, 16, 18, 20, 21))
TOTAL = {"electricity": IMPORT, "gas": VOLUME}
PRESENT = {"electricity": POWER, "gas": FLOW}


class Metered:
    """Premises with steady loads, read by the head-end. A sleeping gas meter is read when it has woken up again."""

    def __init__(self, at: Home) -> None:
        self.at = at

    def read(self, kind: str, *attributes: list[Any]) -> list[Any]:
        """Values as the head-end gets them."""
        return self.at.read(kind, *attributes)

    def wait(self) -> None:
        """An hour; a gas meter wakes up twice in it, always at the same place."""
        self.at.clock.advance(hours=1)

    def gained(self, kind: str) -> int:
        """What the total gains in an hour."""
        (before,) = self.read(kind, TOTAL[kind])
        self.wait()
        (after,) = self.read(kind, TOTAL[kind])
        return after - before

    def alarms(self, kind: str) -> int:
        """The alarm register."""
        return self.read(kind, ALARMS)[0]

    def logged(self, kind: str, log: str) -> list[int]:
        """The codes of a log's last two events."""
        (rows,) = self.at.read(kind, ["profile", log])
        return [row[1] for row in rows[-2:]]

    def load(self, watts: int) -> None:
        """What the electricity meter's premises draw, W."""
        self.at.premises.electricity.load(watts=watts)


@pytest.fixture(scope="module")
def running(peers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with head_end(peers) as peer, home(tmp_path_factory.mktemp("metering"), peer) as at:
        yield at


@pytest.fixture
def at(running: Home) -> Iterator[Metered]:
    running.premises.electricity.load(watts=WATTS)
    running.premises.gas.load(cubic_metres_per_hour=LITRES / 1000)
    running.clock.advance(hours=1)
    yield Metered(running)
    running.heal()


@pytest.mark.parametrize(
    ("name", "kind", "parameters", "wrong", "right"),
    [
        pytest.param(name, kind, parameters, wrong, right, marks=pytest.mark.fault(name), id=f"{name}-{kind}")
        for name, kind, parameters, wrong, right in (
            ("creep", "electricity", {"rate": 25}, WATTS + 25, WATTS),
            ("gain-error", "electricity", {"per_mille": -100}, 1080, WATTS),
            ("bypass", "electricity", {"per_mille": 750}, 300, WATTS),
            ("bypass", "gas", {"per_mille": 500}, 300, LITRES),
            ("leakage", "electricity", {"power": 60}, 1260, WATTS),
            ("gas-leak", "gas", {"flow": 30}, 630, LITRES),
        )
    ],
)
def test_more_or_less_than_flows(
    at: Metered, name: str, kind: str, parameters: dict[str, int], wrong: int, right: int
) -> None:
    fault = at.at.start(name, kind, **parameters)
    at.wait()
    assert at.gained(kind) == pytest.approx(wrong, abs=1)
    assert at.read(kind, PRESENT[kind]) == [wrong]
    at.at.end(fault)
    at.wait()
    assert at.gained(kind) == pytest.approx(right, abs=1)
    assert at.read(kind, PRESENT[kind]) == [right]
    assert at.alarms(kind) == 0


@pytest.mark.fault("stuck-register")
def test_a_stuck_register(at: Metered) -> None:
    fault = at.at.start("stuck-register", "electricity")
    assert at.gained("electricity") == 0
    assert at.read("electricity", POWER) == [WATTS]
    at.at.end(fault)
    assert at.gained("electricity") == WATTS


@pytest.mark.fault("register-roll-over")
def test_a_register_rolls_over(at: Metered) -> None:
    (before,) = at.read("electricity", IMPORT)
    fault = at.at.start("register-roll-over", "electricity", within=200)
    assert at.read("electricity", IMPORT) == [(1 << 32) - 200]
    at.wait()
    assert at.read("electricity", IMPORT) == [WATTS - 200]
    at.at.end(fault)
    assert at.read("electricity", IMPORT) == [before + WATTS]


@pytest.mark.fault("wrong-tariff-register")
def test_the_wrong_tariff_register_counts(at: Metered) -> None:
    def counting() -> dict[int, int]:
        before = at.read("electricity", *RATES)
        at.wait()
        after = at.read("electricity", *RATES)
        return {rate: now - was for rate, (was, now) in enumerate(zip(before, after, strict=True), 1) if now != was}

    ((right, _),) = counting().items()
    fault = at.at.start("wrong-tariff-register", "electricity", by=3)
    assert counting() == {(right + 2) % 8 + 1: WATTS}
    at.at.end(fault)
    assert counting() == {right: WATTS}


@pytest.mark.fault("stuck-demand")
def test_a_demand_register_is_stuck(at: Metered) -> None:
    fault = at.at.start("stuck-demand", "electricity")
    before = at.read("electricity", DEMAND, LAST_DEMAND)
    at.load(4 * WATTS)
    assert at.gained("electricity") == 4 * WATTS
    assert at.read("electricity", DEMAND, LAST_DEMAND) == before
    at.at.end(fault)
    at.wait()
    assert at.read("electricity", DEMAND, LAST_DEMAND) == pytest.approx([4 * WATTS] * 2, abs=2)


@pytest.mark.fault("lost-pulses")
def test_pulses_are_lost(at: Metered) -> None:
    fault = at.at.start("lost-pulses", "gas", per_mille=250, pulse=10)
    at.wait()
    assert at.gained("gas") == 450
    assert at.read("gas", FLOW) == [LITRES]
    at.at.end(fault)
    at.wait()
    assert at.gained("gas") == LITRES


@pytest.mark.fault("reverse-energy")
def test_connected_the_wrong_way_round(at: Metered) -> None:
    fault = at.at.start("reverse-energy", "electricity")
    (before,) = at.read("electricity", EXPORT)
    assert at.gained("electricity") == 0
    assert at.read("electricity", EXPORT, POWER, EXPORTED) == [before + WATTS, 0, WATTS]
    assert at.alarms("electricity") == REVERSED
    at.at.end(fault)
    assert at.gained("electricity") == WATTS
    assert at.alarms("electricity") == 0
    assert at.logged("electricity", FRAUD) == [91, 92]


@pytest.mark.fault("magnetic-field")
@pytest.mark.parametrize("kind", ["electricity", "gas"])
def test_a_magnet(at: Metered, kind: str) -> None:
    right = WATTS if kind == "electricity" else LITRES
    fault = at.at.start("magnetic-field", kind, per_mille=500)
    at.wait()
    assert at.gained(kind) == right // 2
    assert at.alarms(kind) == MAGNET
    at.at.end(fault)
    at.wait()
    assert at.gained(kind) == right
    assert at.alarms(kind) == 0
    assert at.logged(kind, FRAUD) == [42, 43]


@pytest.mark.parametrize(
    ("name", "kind", "bit", "codes"),
    [
        pytest.param("cover-opened", "hub", COVER, [44, 45], marks=pytest.mark.fault("cover-opened")),
        pytest.param("cover-opened", "gas", COVER, [44, 45], marks=pytest.mark.fault("cover-opened")),
        pytest.param(
            "terminal-cover-opened",
            "electricity",
            TERMINAL,
            [40, 41],
            marks=pytest.mark.fault("terminal-cover-opened"),
        ),
    ],
)
def test_covers(at: Metered, name: str, kind: str, bit: int, codes: list[int]) -> None:
    fault = at.at.start(name, kind)
    assert at.alarms(kind) == bit
    at.at.end(fault)
    assert at.alarms(kind) == 0
    assert at.logged(kind, FRAUD) == codes


@pytest.mark.parametrize(
    ("name", "parameters", "decivolts", "bit", "code"),
    [
        pytest.param("over-voltage", {"voltage": 280}, 2800, HIGH, 80, marks=pytest.mark.fault("over-voltage")),
        pytest.param("under-voltage", {"voltage": 180}, 1800, LOW, 81, marks=pytest.mark.fault("under-voltage")),
    ],
)
def test_the_voltage_is_wrong(
    at: Metered, name: str, parameters: dict[str, int], decivolts: int, bit: int, code: int
) -> None:
    fault = at.at.start(name, "electricity", **parameters)
    assert at.read("electricity", VOLTAGE, ALARMS) == [decivolts, bit]
    at.at.end(fault)
    voltage, alarms = at.read("electricity", VOLTAGE, ALARMS)
    assert 2250 < voltage < 2560 and alarms == 0
    assert at.logged("electricity", QUALITY) == [code, 82]


@pytest.mark.fault("neutral-disturbance")
def test_a_disturbed_neutral(at: Metered) -> None:
    right, current = at.read("electricity", VOLTAGE, CURRENT)
    fault = at.at.start("neutral-disturbance", "electricity", per_mille=500)
    voltage, same, alarms, power = at.read("electricity", VOLTAGE, CURRENT, ALARMS, POWER)
    assert (voltage, alarms, power) == (pytest.approx(right / 2, abs=1), LOW, WATTS // 2)
    assert same == pytest.approx(current, rel=0.01)
    assert at.gained("electricity") == WATTS // 2
    at.at.end(fault)
    assert at.gained("electricity") == WATTS
    assert at.alarms("electricity") == 0
