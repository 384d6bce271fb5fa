from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigs.readers import Readers
from rigs.wheel import TICK, Due, Wheel

from .hand_loop import HandLoop


class Bell(Due):
    """Notes when it was due."""

    def __init__(self, loop: HandLoop, then: Callable[[Bell], None] = lambda bell: None) -> None:
        super().__init__()
        self.loop = loop
        self.then = then
        self.rung: list[float] = []

    def due(self) -> None:
        self.rung.append(self.loop.now)
        self.then(self)


def started() -> tuple[HandLoop, Wheel]:
    loop, wheel = HandLoop(), Wheel()
    wheel.start(loop)  # type: ignore[arg-type]
    return loop, wheel


@given(st.lists(st.floats(-0.01, 0.2), min_size=1, max_size=30))
def test_nothing_comes_early_nor_later_than_a_tick(delays: list[float]) -> None:
    loop, wheel = started()
    bells = [(delay, Bell(loop)) for delay in delays]
    for delay, bell in bells:
        wheel.set(bell, 100.0 + delay)
    loop.run_to(101.0)
    for delay, bell in bells:
        (rung,) = bell.rung
        assert 0 <= rung - (100.0 + max(delay, 0.0)) <= TICK + 1e-9
    assert loop.turns <= len({round(delay, 3) for delay in delays}) + 2
    assert loop.timer is None


def test_a_thousand_at_once_take_one_turn() -> None:
    loop, wheel = started()
    bells = [Bell(loop) for _ in range(1000)]
    for number, bell in enumerate(bells):
        wheel.set(bell, 100.5 + number * TICK / 2000)
    loop.run_to(101.0)
    assert loop.turns == 1
    assert all(len(bell.rung) == 1 for bell in bells)


def test_what_is_set_anew_moves_and_what_is_cleared_never_comes() -> None:
    loop, wheel = started()
    moved, cleared = Bell(loop), Bell(loop)
    wheel.set(moved, 100.1)
    wheel.set(moved, 100.01)
    wheel.set(cleared, 100.02)
    cleared.tick = 0
    loop.run_to(101.0)
    assert len(moved.rung) == 1
    assert moved.rung[0] < 100.02
    assert cleared.rung == []
    wheel.set(moved, 101.1)
    wheel.set(moved, 101.3)
    loop.run_to(102.0)
    assert moved.rung[1:] == [pytest.approx(101.3, abs=1.1 * TICK)]


def test_what_sets_itself_into_the_past_comes_once_a_tick() -> None:
    loop, wheel = started()
    again = Bell(loop, lambda bell: wheel.set(bell, 0.0))
    wheel.set(again, 0.0)
    loop.run_to(100.1)
    assert 90 <= len(again.rung) <= 101


class Slow(Bell):
    """Takes its time, and notes in which order it came."""

    def __init__(self, loop: HandLoop, order: list[Slow], takes: float) -> None:
        super().__init__(loop)
        self.order = order
        self.takes = takes

    def due(self) -> None:
        super().due()
        self.order.append(self)
        self.loop.now += self.takes


class Patient(Slow):
    patient = True


def test_the_patient_let_others_go_first_and_are_never_forgotten() -> None:
    loop, wheel = started()
    order: list[Slow] = []
    patient = [Patient(loop, order, TICK / 4) for _ in range(60)]
    cleared = Patient(loop, order, 0.0)
    others = [Slow(loop, order, 0.0) for _ in range(3)]
    for due in (*patient, cleared):
        wheel.set(due, 100.001)
    for number, due in enumerate(others):
        wheel.set(due, 100.001 + number * 3 * TICK)  # while those that are patient still wait
    loop.run_to(100.0025)
    cleared.tick = 0
    loop.run_to(101.0)
    assert [due for due in order if due.patient] == patient
    assert order[0] is others[0]
    for due in others:
        # Eight of those that are patient may be under way.
        assert due.rung[0] - (100.001 + others.index(due) * 3 * TICK) <= TICK + 8 * TICK / 4 + 1e-6
    assert cleared.rung == []


def test_a_failure_is_told_and_the_others_come() -> None:
    loop, wheel = started()

    def fail(bell: Bell) -> None:
        raise ValueError("broken")

    bells = [Bell(loop), Bell(loop, fail), Bell(loop)]
    for bell in bells:
        wheel.set(bell, 100.01)
    loop.run_to(101.0)
    assert [len(bell.rung) for bell in bells] == [1, 1, 1]
    assert [str(failure) for failure in loop.failures] == ["broken"]


def test_it_may_be_stopped_by_what_is_due() -> None:
    loop, wheel = started()
    stops, after = Bell(loop, lambda bell: wheel.stop()), Bell(loop)
    wheel.set(stops, 100.01)
    wheel.set(after, 100.05)
    loop.run_to(101.0)
    assert after.rung == []
    with pytest.raises(RuntimeError, match="has not been started"):
        Wheel().set(after, 1.0)


def run(story: Callable[[Readers, asyncio.AbstractEventLoop], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        loop, wheel = asyncio.get_running_loop(), Wheel()
        wheel.start(loop)
        await asyncio.wait_for(story(Readers(wheel), loop), 5)
        wheel.stop()

    asyncio.run(whole())


def test_all_descriptors_are_read_and_the_loop_sleeps_when_none_has_anything() -> None:
    async def story(readers: Readers, loop: asyncio.AbstractEventLoop) -> None:
        pipes = [os.pipe() for _ in range(50)]
        heard: dict[int, bytes] = {}
        done = asyncio.Event()

        def reader(descriptor: int) -> Callable[[], None]:
            def read() -> None:
                heard[descriptor] = heard.get(descriptor, b"") + os.read(descriptor, 3)
                if all(heard.get(end) == b"abcdefgh" for end, _ in pipes):
                    done.set()

            return read

        for end, _ in pipes:
            readers.add(loop, end, reader(end))
        for _, start in pipes:
            os.write(start, b"abcd")
        await asyncio.sleep(0.01)
        for _, start in pipes:
            os.write(start, b"efgh")
        await done.wait()
        while readers.tick:  # until nothing more is looked for before the loop is woken
            await asyncio.sleep(TICK)
        os.write(pipes[0][1], b"abc")
        while heard[pipes[0][0]] != b"abcdefghabc":
            await asyncio.sleep(TICK)
        for end, start in pipes:
            readers.remove(end)
            readers.remove(end)
            os.close(end)
            os.close(start)

    run(story)


def test_one_that_fails_or_goes_leaves_the_others() -> None:
    async def story(readers: Readers, loop: asyncio.AbstractEventLoop) -> None:
        failures: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: failures.append(context))
        (broken, feeds_broken), (first, feeds_first), (second, feeds_second) = pipes = [os.pipe() for _ in range(3)]
        heard: list[bytes] = []
        done = asyncio.Event()

        def fail() -> None:
            os.read(broken, 9)
            raise ValueError("broken")

        def either(mine: int, other: int) -> Callable[[], None]:
            def read() -> None:
                heard.append(os.read(mine, 9))
                readers.remove(other)
                done.set()

            return read

        readers.add(loop, broken, fail)
        readers.add(loop, first, either(first, second))
        readers.add(loop, second, either(second, first))
        for start in (feeds_broken, feeds_first, feeds_second):
            os.write(start, b"now")
        await done.wait()
        await asyncio.sleep(3 * TICK)
        assert heard == [b"now"]  # the one that was removed is not read, though it had something
        assert [str(failure["exception"]) for failure in failures] == ["broken"]
        for ends in pipes:
            readers.remove(ends[0])
            for descriptor in ends:
                os.close(descriptor)

    run(story)
