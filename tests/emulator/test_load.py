"""Loads: integrals that are exact, whatever the pieces they are asked for in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.load import MICRO, SLOT, UNIT, Constant, Steps, household_electricity, household_gas, parse_csv
from emulator.time import DAY, HOUR, MINUTE, SECOND

START = 1_767_225_600 * SECOND


@given(st.integers(-20_000, 20_000), st.integers(0, 400 * DAY))
def test_a_constant_load_is_power_times_time(watts: int, span: int) -> None:
    load = Constant(watts * MICRO)
    assert load.imported(START + span) - load.imported(START) == max(watts, 0) * MICRO * span
    assert load.exported(START + span) - load.exported(START) == max(-watts, 0) * MICRO * span


@given(
    st.lists(st.tuples(st.integers(1, 3 * HOUR), st.integers(-9_000_000, 9_000_000)), min_size=1, max_size=12),
    st.integers(-HOUR, 40 * HOUR),
    st.integers(0, 40 * HOUR),
)
def test_steps_are_the_sum_of_their_rectangles(steps: list[tuple[int, int]], begin: int, span: int) -> None:
    times, rates, at = [], [], START
    for gap, rate in steps:
        at += gap
        times.append(at)
        rates.append(rate)
    load = Steps(times, rates)
    expected = [0, 0]
    for time, rate, until in zip(times, rates, [*times[1:], START + 100 * HOUR], strict=True):
        overlap = max(0, min(until, START + begin + span) - max(time, START + begin))
        expected[rate < 0] += abs(rate) * overlap
    a, b = START + begin, START + begin + span
    assert [load.imported(b) - load.imported(a), load.exported(b) - load.exported(a)] == expected


@pytest.mark.parametrize("make", [household_electricity, household_gas])
def test_a_household_is_the_sum_of_its_half_hours(make: object) -> None:
    load = make(1, "a")  # type: ignore[operator]
    slot = START - START % SLOT
    total = sum(load.rate(slot + n * SLOT) * SLOT for n in range(3 * 17_472 // 2))
    end = slot + 3 * 17_472 // 2 * SLOT
    assert load.imported(end) - load.imported(slot) == total
    inside = slot + 7 * MINUTE
    assert load.imported(inside) - load.imported(slot) == load.rate(slot) * 7 * MINUTE
    assert load.next_change(inside) == load.next_change(slot) == slot + SLOT


def test_households_are_of_the_size_of_dwellings_and_differ() -> None:
    year = 365 * DAY
    electric = [
        (load.imported(START + year) - load.imported(START)) // UNIT // 1000
        for load in (household_electricity(1, f"m{n}") for n in range(40))
    ]
    gas = [
        (load.imported(START + year) - load.imported(START)) // UNIT // 1000
        for load in (household_gas(1, f"m{n}") for n in range(40))
    ]
    assert all(1500 < kwh < 5000 for kwh in electric) and len(set(electric)) > 30
    assert all(500 < cubic_metres < 1800 for cubic_metres in gas) and len(set(gas)) > 30
    warm = household_gas(1, "x")
    july, january = START + 190 * DAY, START + 5 * DAY
    assert warm.imported(january + 10 * DAY) - warm.imported(january) > 5 * (
        warm.imported(july + 10 * DAY) - warm.imported(july)
    )


def test_the_same_seed_gives_the_same_household() -> None:
    assert household_electricity(3, "a").imported(START) == household_electricity(3, "a").imported(START)
    assert household_electricity(3, "a").imported(START) != household_electricity(4, "a").imported(START)


def test_csv() -> None:
    load = parse_csv("time,watts\n# a comment\n2026-01-01T00:00:00Z,1000\n\n2026-01-01 01:00,-250.5\n")
    assert load.rate(START - 1) == 0
    assert load.rate(START) == 1000 * MICRO
    assert load.imported(START + 2 * HOUR) - load.imported(START) == 1000 * UNIT
    assert load.exported(START + 2 * HOUR) * 2 == 501 * UNIT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-01-01T00:00:00Z,1\n2026-01-01T00:00:00Z,2", "line 2"),
        ("time,watts\n2026-01-01,x", "line 2"),
        ("2026-13-01,1", "line 1"),
        ("2026-01-01,1,2", "line 1"),
        ("2026-01-01,inf", "line 1"),
        ("", "at least one step"),
    ],
)
def test_a_csv_that_is_wrong_names_the_line(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_csv(text)
