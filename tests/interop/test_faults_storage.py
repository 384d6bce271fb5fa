"""Faults of a meter's non-volatile memory as pydlms sees them, on a rig that keeps a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocols.tokens.scheme import Outcome
from rigs.driver import ClockMode
from tests.interop.faulty_meter import LONG, FaultyMeter, faulty_meter
from tests.interop.zigbee_hosts import ZigbeeHost

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

FILTER, ENERGY, ERRORS = [1, "0.0.97.98.10.255", 2], [3, "1.0.1.8.0.255", 2], [1, "0.0.97.97.0.255", 2]
CLOCK, IN_USE, CODE = "0.0.1.0.0.255", [7, "0.0.99.98.0.255", 7], [1, "0.0.96.11.0.255", 2]
STANDARD = "0.0.99.98.0.255"
HARDWARE_FAULT, MEMORY_BIT, MEMORY_ERROR = 1, 1 << 10, 18
WATTS = 6000


class Bench:
    """A prepayment meter that draws 6 kW."""

    def __init__(self, meter: FaultyMeter) -> None:
        self.meter = meter
        self.device = meter.meter.running

    def set(self, value: int) -> list[Any]:
        """The step that sets what can be set and does nothing more."""
        return ["set", *FILTER, ["double_long_unsigned", value]]

    def get(self, *attributes: list[Any]) -> list[Any]:
        return self.meter.well(*(["get", *each] for each in attributes))

    def logged(self) -> list[int]:
        (rows,) = self.meter.well(["profile", STANDARD])
        return [row[1] for row in rows]

    def token(self, counter: int) -> Outcome:
        """Enter a token of a pound at the keypad."""

        def issued() -> str:
            meter: Any = self.device.device
            rules = meter.account.settings.tokens
            scheme = rules.scheme(meter.token_secret(rules), meter.token_originator(rules), meter.identity.eui64)
            return scheme.issue(counter, 100)

        return self.device.top_up(self.device.call(issued))

    def cut(self) -> None:
        """A power cut."""
        self.device.power_off()
        self.meter.running.clock.advance(seconds=60)
        self.device.power_on()
        self.meter.running.clock.advance(seconds=1)

    def wait(self, minutes: int) -> None:
        self.meter.running.clock.advance(minutes=minutes)


@pytest.fixture
def bench(peer: ZigbeeHost, tmp_path: Path) -> Iterator[Bench]:
    """At the end the rig is started again on what it has stored: the meter is as it was."""
    device = {"load": {"kind": "constant", "value": WATTS}, "prepayment": {"balance_pence": 5000}}
    options: dict[str, Any] = {"mode": ClockMode.STEPPED, "storage": tmp_path / "state.db"}
    with faulty_meter(tmp_path, peer, device, **options) as meter:
        bench = Bench(meter)
        meter.well(bench.set(5))
        bench.wait(60)
        yield bench
        attributes = [FILTER, ENERGY, ERRORS]
        last, log = bench.get(*attributes), bench.logged()
    with faulty_meter(tmp_path, peer, device, **options) as meter:
        bench = Bench(meter)
        assert bench.get(*attributes) == last
        assert bench.logged()[: len(log)] == log


@pytest.mark.fault("memory-fails")
def test_a_memory_that_fails(bench: Bench) -> None:
    (energy,) = bench.get(ENERGY)
    with bench.meter.fault("memory-fails"):
        assert bench.meter.well(["refused", bench.set(6)]) == [HARDWARE_FAULT]
        assert bench.token(1) is Outcome.STORAGE_FAULT
        assert bench.get(ERRORS) == [MEMORY_BIT]
        assert bench.logged()[-1] == MEMORY_ERROR
        bench.wait(60)
        assert bench.get(ENERGY) == [energy + WATTS]
        bench.cut()
        assert bench.get(FILTER) == [5]
        assert bench.get(ENERGY)[0] <= energy + 2
    assert bench.token(1) is Outcome.ACCEPTED
    bench.meter.well(bench.set(7))
    bench.cut()
    assert bench.get(FILTER) == [7]
    assert bench.token(1) is Outcome.DUPLICATE


@pytest.mark.fault("memory-full")
def test_a_memory_that_fills_up(bench: Bench) -> None:
    with bench.meter.fault("memory-full", room=12_000):
        for value in range(100, 200):
            found = bench.meter.ask(bench.set(value), timeout=LONG)
            if found["error"]:
                break
        assert 102 < value < 199 and "HARDWARE_FAULT" in found["error"].upper().replace("-", "_")
        bench.cut()
        assert bench.get(FILTER) == [value - 1]
    bench.meter.well(bench.set(7))
    bench.cut()
    assert bench.get(FILTER) == [7]


@pytest.mark.fault("memory-protected")
def test_a_memory_that_is_write_protected(bench: Bench) -> None:
    with bench.meter.fault("memory-protected"):
        assert bench.meter.well(bench.set(6), ["get", *FILTER]) == [True, 6]
        bench.cut()
        assert bench.get(FILTER, ERRORS) == [5, 0]
    bench.meter.well(bench.set(6))
    bench.cut()
    assert bench.get(FILTER) == [6]


@pytest.mark.fault("torn-write")
def test_a_write_that_is_torn(bench: Bench) -> None:
    bench.wait(60)
    with bench.meter.fault("torn-write"):
        bench.meter.well(bench.set(6))
        (acknowledged,) = bench.get(ENERGY)
        bench.wait(20)
        (counted,) = bench.get(ENERGY)
        bench.cut()
        energy, errors, value = bench.get(ENERGY, ERRORS, FILTER)
        assert acknowledged <= energy < counted
        assert (errors, value) == (MEMORY_BIT, 6)
        assert bench.logged()[-1] == MEMORY_ERROR
    bench.wait(60)
    (energy,) = bench.get(ENERGY)
    bench.cut()
    assert bench.get(ENERGY)[0] >= energy


@pytest.mark.fault("record-damaged")
@pytest.mark.parametrize("record", ["settings", "registers"])
def test_a_record_that_is_damaged(bench: Bench, record: str) -> None:
    (before,) = bench.get(ENERGY)
    with bench.meter.fault("record-damaged", record=record):
        bench.meter.well(bench.set(6))
        bench.wait(60)
        bench.cut()
        value, energy = bench.get(FILTER, ENERGY)
        assert value == (5 if record == "settings" else 6)
        assert energy == pytest.approx(before + (0 if record == "registers" else WATTS), abs=2)
    bench.meter.well(bench.set(7))
    (energy,) = bench.get(ENERGY)
    bench.cut()
    assert bench.get(FILTER) == [7] and bench.get(ENERGY)[0] >= energy


@pytest.mark.fault("log-full")
def test_a_log_that_is_full(bench: Bench) -> None:
    shift = ["action", 8, CLOCK, 6, ["long", 1]]
    bench.meter.well(shift)
    rows = bench.logged()
    with bench.meter.fault("log-full", log="standard", room=1):
        bench.meter.well(shift, shift, shift)
        assert bench.get(IN_USE, CODE) == [len(rows) + 1, 5]
        bench.cut()
        assert bench.logged() == [*rows, 5]
        assert bench.get(CODE) == [2]
    bench.meter.well(shift)
    assert bench.logged() == [*rows, 5, 5]
