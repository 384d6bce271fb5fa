"""Energy in is energy in registers is the sum of profile rows, whatever happens to load, clock, supply and power."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.electricity import ElectricityMeter
from emulator.load import MICRO, UNIT, Constant, Steps, household_electricity
from emulator.supply import Way
from emulator.time import DAY, HOUR, MINUTE, SECOND, Clock
from protocols.dlms import axdr
from protocols.dlms.types import plain

START = 1_767_225_600 * SECOND
PERIOD = 1800 * SECOND
FIRMWARE = st.sampled_from(["electricity-base", "electricity-lima-2"])
"""The second captures its import profile hourly and the other one every half hour."""

advance = st.tuples(st.just("advance"), st.integers(1, 2 * DAY))
short = st.tuples(st.just("advance"), st.integers(1, 40 * MINUTE))
long = st.tuples(st.just("advance"), st.integers(1, 40 * DAY))
watts = st.tuples(st.just("load"), st.integers(-5_000_000, 20_000_000))
steps = st.tuples(st.just("steps"), st.lists(st.integers(-3_000, 9_000), min_size=1, max_size=6))
clock_by = st.tuples(st.just("clock"), st.integers(-3 * HOUR, 3 * HOUR) | st.integers(-40 * DAY, 40 * DAY))
power = st.tuples(st.sampled_from(["off", "on"]), st.just(0))
supply = st.tuples(st.sampled_from(["open", "close"]), st.just(0))
mask = st.tuples(st.just("mask"), st.integers(1, 4))
events = st.lists(st.one_of(advance, short, long, watts, steps, clock_by, power, supply, mask), min_size=1, max_size=25)


class Ledger:
    """The energy there was, added up rectangle by rectangle in another way than the meter does."""

    def __init__(self) -> None:
        self.rates: list[tuple[int, int]] = [(START, 0)]
        self.flowing = True
        self.imported = self.exported = 0

    def advance(self, begin: int, end: int) -> None:
        if not self.flowing:
            return
        for number, (since, rate) in enumerate(self.rates):
            until = self.rates[number + 1][0] if number + 1 < len(self.rates) else end
            overlap = max(0, min(until, end) - max(since, begin))
            if rate > 0:
                self.imported += rate * overlap
            else:
                self.exported -= rate * overlap


def play(meter: ElectricityMeter, ledger: Ledger, event: tuple[str, Any]) -> None:
    clock = meter.clock
    what, value = event
    match what:
        case "advance":
            ledger.advance(clock.now, clock.now + value)
            clock.advance_to(clock.now + value)
        case "load":
            meter.set_load(Constant(value * 1000))
            ledger.rates = [(clock.now, value * 1000)]
        case "steps":
            times = [clock.now + n * 13 * MINUTE for n in range(len(value))]
            rates = [rate * MICRO for rate in value]
            meter.set_load(Steps(times, rates))
            ledger.rates = list(zip(times, rates, strict=True))
        case "clock":
            meter.settle()
            meter.set_clock(meter.utc + value)
        case "off":
            meter.power_off()
        case "on":
            meter.power_on()
        case "open":
            meter.settle()
            meter.switch.disconnect(Way.REMOTE)
        case "close":
            meter.settle()
            meter.switch.reconnect(Way.REMOTE)
            meter.switch.reconnect(Way.MANUAL)
        case "mask":
            meter.settle()
            meter.select_mask(f"R{value}".encode())
    ledger.flowing = meter.mains and meter.switch.closed


def to_boundary(meter: ElectricityMeter, ledger: Ledger) -> None:
    """Go on, with power, to an instant at which the profile captures."""
    play(meter, ledger, ("on", 0))
    play(meter, ledger, ("advance", 1))
    meter.settle()
    boundary = meter.utc // HOUR * HOUR + HOUR
    play(meter, ledger, ("advance", meter.device_clock.rig(boundary) - meter.clock.now))


def column(meter: ElectricityMeter, buffer: str, number: int) -> list[Any]:
    return [row[number] for row in plain(axdr.decode_all(meter.buffer(buffer).encoded()))]


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(happens=events, profile=FIRMWARE)
def test_energy_is_conserved(
    new_esme: Callable[..., ElectricityMeter], happens: list[tuple[str, Any]], profile: str
) -> None:
    meter, ledger = settled(new_esme(Clock(START), profile=profile)), Ledger()
    for event in happens:
        play(meter, ledger, event)
        meter.settle()
        assert meter.metering.imported(meter.time) == ledger.imported
        assert meter.metering.exported(meter.time) == ledger.exported
    to_boundary(meter, ledger)
    meter.settle()
    totals = meter.metering.totals(meter.time)
    assert totals[:2] == (ledger.imported // UNIT, ledger.exported // UNIT)
    assert sum(column(meter, "load", 1)) == totals[0]
    summed = [sum(column(meter, "load2", number)) for number in (1, 2, 3)]
    if meter.buffer("load2").count < meter.buffer("load2").spec.capacity:  # 93 days, then rows are overwritten
        assert summed == list(totals[1:])
    else:
        assert all(some <= total for some, total in zip(summed, totals[1:], strict=True))
    assert sum(meter.metering.rate_amounts(meter.time)) == ledger.imported


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(happens=events, profile=FIRMWARE, looked_at=st.sets(st.integers(0, 25)))
def test_when_a_profile_is_read_makes_no_difference_to_its_rows(
    new_esme: Callable[..., ElectricityMeter], happens: list[tuple[str, Any]], profile: str, looked_at: set[int]
) -> None:
    lazy, eager = (settled(new_esme(Clock(START), profile=profile)) for _ in range(2))
    ledgers = Ledger(), Ledger()
    for number, event in enumerate(happens):
        play(lazy, ledgers[0], event)
        play(eager, ledgers[1], event)
        if number in looked_at:
            eager.settle()
            eager.materialise()
    for meter, ledger in zip((lazy, eager), ledgers, strict=True):
        to_boundary(meter, ledger)
        meter.settle()
    for name in set(lazy.firmware.buffers) - set(lazy.firmware.logs) - {"instantaneous"}:
        assert lazy.buffer(name).encoded() == eager.buffer(name).encoded(), name
    assert lazy.metering.rate_amounts(lazy.time) == eager.metering.rate_amounts(eager.time)
    assert lazy.metering.billing_count == eager.metering.billing_count


def settled(meter: ElectricityMeter) -> ElectricityMeter:
    meter.settle()
    return meter


def test_thirteen_months_of_history(esme: Callable[..., ElectricityMeter]) -> None:
    load = household_electricity(7, "esme")
    meter = esme(load, days=400)
    meter.settle()
    drawn = load.imported(START) - load.imported(START - 400 * DAY)
    assert meter.metering.imported(meter.time) == drawn
    rows = plain(axdr.decode_all(meter.buffer("load").encoded()))
    assert len(rows) == 19_056
    first = START - 19_055 * PERIOD
    assert (
        sum(row[1] for row in rows)
        == meter.metering.total(0, START) - (load.imported(first - PERIOD) - load.imported(START - 400 * DAY)) // UNIT
    )
    assert rows[0][0] == meter.device_clock.pack(first)
    assert rows[-1][0] == meter.device_clock.pack(START)
    daily = plain(axdr.decode_all(meter.buffer("daily").encoded()))
    assert len(daily) == 400
    assert [row[1] for row in daily] == sorted(row[1] for row in daily)
    assert 0 <= daily[-1][1] - (daily[-1][3] + daily[-1][4]) <= 1
    assert meter.metering.billing_count == 14


def test_flags_of_the_interval_that_was_disturbed(esme: Callable[..., ElectricityMeter], clock: Clock) -> None:
    meter = esme(Constant(1000 * MICRO))
    clock.advance_to(START + 40 * MINUTE)
    meter.power_off()
    clock.advance_to(START + 100 * MINUTE)
    meter.power_on()
    clock.advance_to(START + 160 * MINUTE)
    meter.settle()
    meter.set_clock(meter.utc - 45 * MINUTE)
    clock.advance_to(START + 240 * MINUTE)
    meter.settle()
    rows = plain(axdr.decode_all(meter.buffer("load").encoded()))
    found = [(row[1], row[2]) for row in rows]
    # 0:30; without power from 0:40 to 1:40, so that 2:00 ends an interval of 90 minutes; 2:30; 2:40 becomes 1:55
    assert found == [(500, 0), (500, 0x80), (500, 0), (250, 0x20), (500, 0), (500, 0)]


def test_a_boundary_met_twice_ends_two_intervals(esme: Callable[..., ElectricityMeter], clock: Clock) -> None:
    """At 0:40 the clock is put back to 0:20, so 0:30 comes again after 20 minutes."""
    meter = esme(Constant(1200 * MICRO))
    meter.device_clock.drift = 0
    clock.advance_to(START + 40 * MINUTE)
    meter.settle()
    meter.set_clock(START + 20 * MINUTE)
    clock.advance_to(START + 80 * MINUTE)
    meter.settle()
    rows = plain(axdr.decode_all(meter.buffer("load").encoded()))
    assert [(row[0][5:7], row[1], row[2]) for row in rows] == [
        (bytes((0, 30)), 600, 0),
        (bytes((0, 30)), 400, 0x20),
        (bytes((1, 0)), 600, 0),
    ]


def test_monthly_rows_hold_the_maximum_of_their_month(esme: Callable[..., ElectricityMeter], clock: Clock) -> None:
    load = household_electricity(7, "esme")
    meter = esme(load)
    clock.advance_to(START + 70 * DAY)
    meter.settle()
    rows = plain(axdr.decode_all(meter.buffer("monthly").encoded()))
    begin = START
    for row, days in zip(rows, (31, 28), strict=True):
        end = begin + days * DAY
        demands = [
            (load.imported(at) - load.imported(at - PERIOD)) // (PERIOD * MICRO)
            for at in map(meter.device_clock.rig, range(begin + PERIOD, end + PERIOD, PERIOD))
        ]
        # the clock drifts by less than a second here, which is less than a watt in a half hour
        assert abs(row[5] - max(demands)) <= 1
        at = begin + PERIOD * (1 + demands.index(max(demands)))
        assert row[6] == meter.device_clock.pack(at)
        begin = end
    assert [row[7] for row in rows] == [1, 2]
