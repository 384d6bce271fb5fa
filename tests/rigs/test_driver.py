from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigs.driver import ClockMode, Driver


class Alarm:
    """A time-out that goes off at each of its times."""

    def __init__(self, log: list[Any], *times: int) -> None:
        self.times = sorted(times)
        self.log = log

    def next_timeout(self) -> int | None:
        return self.times[0] if self.times else None

    def timeout(self, now: int) -> None:
        self.log.append(("alarm", now, self.times.pop(0)))


class Events:
    """A clock that is no more than a list of events."""

    def __init__(self) -> None:
        self.now = 0
        self.events: list[Any] = []

    def schedule(self, due: int, call: Any) -> None:
        self.events.append((due, call))
        self.events.sort(key=lambda item: item[0])

    def next_due(self) -> int | None:
        return self.events[0][0] if self.events else None

    def advance_to(self, target: int) -> None:
        while self.events and self.events[0][0] <= target:
            self.now, call = self.events.pop(0)
            call()
        self.now = max(self.now, target)


@pytest.fixture
def plain_clock() -> Events:
    return Events()


@given(st.lists(st.integers(1, 1000), max_size=8), st.lists(st.integers(1, 1000), max_size=8), st.integers(1, 400))
def test_stepping_runs_events_and_time_outs_in_order(alarms: list[int], events: list[int], step: int) -> None:
    clock: Any = Events()
    log: list[Any] = []
    driver = Driver(clock, ClockMode.STEPPED)
    alarm = Alarm(log, *alarms)
    for due in events:
        clock.schedule(due, lambda due=due: log.append(("event", clock.now, due)))
    driver.settle(driver.watch(alarm))
    while clock.now < 1000:
        driver.advance(step)
    assert sorted(item[2] for item in log) == sorted(alarms + events)
    seen = [item[1] for item in log]
    assert seen == sorted(seen)
    assert all(now == due for _, now, due in log)


def test_a_time_out_moved_later_waits(plain_clock: Any) -> None:
    log: list[Any] = []
    driver = Driver(plain_clock)
    alarm = Alarm(log, 100)
    entry = driver.watch(alarm)
    driver.settle(entry)
    alarm.times = [250]
    driver.settle(entry)
    driver.advance(200)
    assert log == []
    driver.advance(100)
    assert log == [("alarm", 250, 250)]


def test_a_time_out_moved_earlier_is_not_missed_and_leaves_no_trail(plain_clock: Any) -> None:
    driver = Driver(plain_clock)
    alarm = Alarm([], 10**9)
    entry = driver.watch(alarm)
    for round_ in range(1000):
        alarm.times = [10**9 - round_]
        driver.settle(entry)
    assert len(driver._heap) < 100
    driver.advance(10**9)
    assert alarm.log == [("alarm", 10**9 - 999, 10**9 - 999)]


def test_a_forgotten_line_times_out_no_more(plain_clock: Any) -> None:
    driver = Driver(plain_clock)
    alarm = Alarm([], 10)
    entry = driver.watch(alarm)
    driver.settle(entry)
    driver.forget(entry)
    driver.advance(20)
    assert alarm.log == []


def test_only_a_stepped_clock_is_advanced(plain_clock: Any) -> None:
    with pytest.raises(RuntimeError, match="real"):
        Driver(plain_clock, ClockMode.REAL).advance(1)
    with pytest.raises(ValueError, match="back"):
        Driver(plain_clock).advance(-1)
    with pytest.raises(ValueError, match="rate"):
        Driver(plain_clock, ClockMode.ACCELERATED, 0)


def test_accelerated_clock_runs_events_while_line_time_keeps_the_pace_of_the_world(plain_clock: Any) -> None:
    async def run() -> None:
        driver = Driver(plain_clock, ClockMode.ACCELERATED, 1000)
        done = asyncio.get_running_loop().create_future()
        plain_clock.schedule(10_000_000_000, lambda: done.set_result(plain_clock.now))
        driver.start()
        try:
            assert await asyncio.wait_for(done, 5) >= 10_000_000_000
            line = driver.now()
            assert line < plain_clock.now / 500
        finally:
            driver.stop()

    asyncio.run(run())


def test_a_running_clock_wakes_for_time_outs_and_for_events_scheduled_meanwhile(plain_clock: Any) -> None:
    async def run() -> None:
        driver = Driver(plain_clock, ClockMode.REAL)
        driver.start()
        log: list[Any] = []
        alarm = Alarm(log, 20_000_000)
        entry = driver.watch(alarm)
        driver.settle(entry)
        done = asyncio.get_running_loop().create_future()
        plain_clock.schedule(5_000_000, lambda: done.set_result(True))
        driver.settle(entry)
        try:
            await asyncio.wait_for(done, 5)
            while not log:
                await asyncio.sleep(0.005)
            # Without a line that is looked at, only whoever scheduled something can say so.
            plain_clock.schedule(plain_clock.now + 3_600_000_000_000, lambda: None)
            driver.attend()
            acted = asyncio.get_running_loop().create_future()
            plain_clock.schedule(plain_clock.now + 5_000_000, lambda: acted.set_result(True))
            driver.attend()
            await asyncio.wait_for(acted, 5)
        finally:
            driver.stop()

    asyncio.run(run())


@pytest.mark.parametrize("rates", [(1, 3600, 1, 0.5), (60, 1, 600), (2, 2)])
def test_a_rate_that_changes_leaves_line_time_alone(plain_clock: Any, rates: tuple[float, ...]) -> None:
    """Line time keeps the pace of the world whatever the rig's clock does; neither ever jumps."""
    plain_clock.now = 1_000_000_000_000

    async def run() -> None:
        first, *others = rates
        mode = ClockMode.REAL if first == 1 else ClockMode.ACCELERATED
        driver = Driver(plain_clock, mode, first)
        before = time.monotonic_ns()
        driver.start()
        began = driver.now()
        for rate in others:
            machine = time.monotonic_ns()
            line = driver.now()
            driver.set_rate(rate)
            shown = plain_clock.now
            assert driver.mode is (ClockMode.REAL if rate == 1 else ClockMode.ACCELERATED)
            await asyncio.sleep(0.01)
            later = driver.now()
            passed = time.monotonic_ns() - machine
            assert 10_000_000 <= later - line <= passed
            assert 10_000_000 * rate <= plain_clock.now - shown <= passed * rate + 1
        assert driver.now() - began <= time.monotonic_ns() - before
        driver.stop()

    asyncio.run(run())


def test_what_was_due_late_comes_at_once_when_the_clock_is_faster(plain_clock: Any) -> None:
    async def run() -> None:
        driver = Driver(plain_clock, ClockMode.REAL)
        driver.start()
        happened = asyncio.Event()
        plain_clock.schedule(plain_clock.now + 3600 * 1_000_000_000, happened.set)
        driver.attend()
        await asyncio.sleep(0.01)
        assert not happened.is_set()
        driver.set_rate(1_000_000)
        await asyncio.wait_for(happened.wait(), 10)
        driver.stop()

    asyncio.run(run())


def test_only_a_clock_that_runs_has_a_rate(plain_clock: Any) -> None:
    stepped, stopped = Driver(plain_clock), Driver(plain_clock, ClockMode.REAL)
    for driver in (stepped, stopped):
        with pytest.raises(RuntimeError, match="does not run by itself"):
            driver.set_rate(2)
