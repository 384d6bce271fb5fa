"""Demand against the plain definition: every period averaged, the highest kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emulator.demand import Demand
from emulator.device_clock import DeviceClock
from emulator.firmware import ClockSettings
from emulator.load import MICRO, Steps
from emulator.metering import Metering
from emulator.time import DAY, HOUR, MINUTE, SECOND

START = 1_767_225_600 * SECOND
SETTINGS = ClockSettings(0, 0, bytes(12), bytes(12), 0, False, 0)

steps = st.lists(st.tuples(st.integers(1, 5 * HOUR), st.integers(0, 9_000)), min_size=1, max_size=10)
looks = st.lists(st.integers(1, 9 * HOUR), min_size=1, max_size=6)


@given(steps, looks, st.sampled_from([300, 900, 1800]), st.integers(1, 4), st.integers(-100_000, 100_000))
def test_demand_is_what_its_definition_says(
    drawn: list[tuple[int, int]], gaps: list[int], period: int, periods: int, drift: int
) -> None:
    times, rates, at = [], [], START
    for gap, rate in drawn:
        times.append(at)
        rates.append(rate * MICRO)
        at += gap
    load, clock = Steps(times, rates), DeviceClock(SETTINGS, drift, START)
    metering, demand = Metering(load, START), Demand(period, periods)
    length, now = period * SECOND, START
    reset_at = START
    for number, gap in enumerate(gaps):
        now += gap
        ends = range(START + length, clock.utc(now) + 1, length)
        averages = {end: average(load, clock, end, length, periods) for end in ends}
        demand.update(metering, clock, now)
        since_reset = {end: value for end, value in averages.items() if end > reset_at}
        highest = max(since_reset.values(), default=0)
        assert demand.maximum == highest
        first = min((end for end, value in since_reset.items() if value == highest and value), default=0)
        assert demand.maximum_at == first
        assert demand.last == (averages[ends[-1]] if averages else 0)
        begun = load.imported(clock.rig(max(START, clock.utc(now) // length * length - (periods - 1) * length)))
        assert demand.current(metering, clock, now) == (load.imported(now) - begun) // (length * periods * MICRO)
        if number % 3 == 2:
            demand.reset(metering, clock, now)
            reset_at = clock.utc(now)


def average(load: Steps, clock: DeviceClock, end: int, length: int, periods: int) -> int:
    """Average power over the periods up to device UTC ``end``, as far as the meter was there; W."""
    begin = max(START, end - periods * length)
    return (load.imported(clock.rig(end)) - load.imported(clock.rig(begin))) // (length * periods * MICRO)


@given(steps, st.integers(0, 40 * DAY), st.integers(1, 4))
def test_a_reset_passes_over_what_nobody_asked_for(drawn: list[tuple[int, int]], span: int, periods: int) -> None:
    times = [START + n * 7 * HOUR + 11 * MINUTE for n in range(len(drawn))]
    load = Steps(times, [rate * MICRO for _, rate in drawn])
    clock = DeviceClock(SETTINGS, 0, START)
    quick, slow, metering = Demand(1800, periods), Demand(1800, periods), Metering(load, START)
    slow.update(metering, clock, START + span)
    for demand in (quick, slow):
        demand.reset(metering, clock, START + span)
    later = START + span + 3 * HOUR
    for demand in (quick, slow):
        demand.update(metering, clock, later)
    seen = [(d.last, d.maximum, d.maximum_at, d.closed, d.current(metering, clock, later)) for d in (quick, slow)]
    assert seen[0] == seen[1]


@given(steps, st.integers(0, 40 * DAY), st.integers(1, 4))
def test_the_last_average_is_known_after_a_reset(drawn: list[tuple[int, int]], span: int, periods: int) -> None:
    load = Steps([START + n * 50 * HOUR for n in range(len(drawn))], [rate * MICRO for _, rate in drawn])
    clock = DeviceClock(SETTINGS, 0, START)
    demand = Demand(1800, periods)
    demand.reset(Metering(load, START), clock, START + span)
    length = 1800 * SECOND
    end = (START + span) // length * length
    assert demand.last == (average(load, clock, end, length, periods) if end > START else 0)
