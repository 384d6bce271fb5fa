"""A timing wheel: one timer of the event loop for whatever a thousand lines wait for.

Times are rounded up to a millisecond, so that what is due close together is done in one turn of the loop; nothing is
ever done early. An idle wheel has no timer.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from typing import ClassVar

TICK = 0.001
"""Seconds; the most that a call comes late for being rounded."""
_TICKS = 1000  # a second
_NEVER = 1 << 63
_WAITS = 1  # the tick of what is due and patient
_EARLY = 1e-6  # s; a loop may run a timer that much before its time


class Due:
    """What can be due at one time at a time; setting it anew moves it. It is a base, not a member, of what waits:
    a thousand lines that wait in turn are slow for every object of theirs that is looked at."""

    __slots__ = ("tick",)
    patient: ClassVar[bool] = False
    """Whether all that is due otherwise goes first, as long as that takes less than all the time there is."""

    def __init__(self) -> None:
        self.tick = 0
        """When, in ticks of the loop's time; 0 while it is not set."""

    def due(self) -> None:
        """The time has come."""
        raise NotImplementedError


class Wheel:
    """Runs what is due on the loop given to :meth:`start`; all calls belong to that loop's thread."""

    __slots__ = ("_armed", "_buckets", "_loop", "_passed", "_patient", "_ticks", "_timer", "time")

    def __init__(self) -> None:
        self.time: Callable[[], float] = _not_started
        """The loop's time in seconds; RuntimeError before :meth:`start`."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._buckets: dict[int, list[Due]] = {}
        self._ticks: list[int] = []  # a heap of the buckets' times
        self._patient: deque[Due] = deque()  # what is due and lets others go first
        self._passed = 0  # up to here all has been done
        self._timer: asyncio.TimerHandle | None = None
        self._armed = _NEVER  # the tick the timer is set for

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin."""
        self._loop = loop
        self.time = loop.time
        self._passed = int(loop.time() * _TICKS)

    def stop(self) -> None:
        """End: what was set for later does not come any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = _NEVER
        self._buckets.clear()
        self._ticks.clear()
        self._patient.clear()
        self._loop = None

    def set(self, due: Due, when: float) -> None:
        """Have ``due`` due at the loop's time ``when``, in seconds; soon when that has passed.

        RuntimeError before :meth:`start`.
        """
        tick = int(when * _TICKS) + 1
        if tick <= self._passed:
            tick = self._passed + 1
        due.tick = tick
        bucket = self._buckets.get(tick)
        if bucket is not None:
            bucket.append(due)
            return
        self._buckets[tick] = [due]
        heapq.heappush(self._ticks, tick)
        if tick < self._armed:
            self._arm(tick)

    def _arm(self, tick: int) -> None:
        if self._loop is None:
            raise RuntimeError("the wheel has not been started")
        if self._timer is not None:
            self._timer.cancel()
        self._armed = tick
        self._timer = self._loop.call_at(tick / _TICKS, self._turn)

    def _turn(self) -> None:
        loop = self._loop
        if loop is None:
            return
        self._timer = None
        self._armed = 0  # nothing that is set meanwhile needs a timer of its own
        ticks, patient = self._ticks, self._patient
        self._passed = passed = int((loop.time() + _EARLY) * _TICKS)
        while ticks and ticks[0] <= passed:
            tick = heapq.heappop(ticks)
            for due in self._buckets.pop(tick):
                if due.tick != tick:
                    continue  # set anew, or not to be due any more
                if due.patient:
                    due.tick = _WAITS
                    patient.append(due)
                else:
                    due.tick = 0
                    self._run(due, loop)
        end, count = (passed + 1) / _TICKS, 0
        while patient and (count & 7 or not count or loop.time() < end):
            due = patient.popleft()
            if due.tick == _WAITS:
                due.tick = 0
                self._run(due, loop)
                count += 1
        self._armed = _NEVER
        if self._loop is None:
            return
        if patient:
            self._arm(passed + 1)
        elif ticks:
            self._arm(ticks[0])

    @staticmethod
    def _run(due: Due, loop: asyncio.AbstractEventLoop) -> None:
        try:
            due.due()
        except Exception as error:
            loop.call_exception_handler({"message": "a timed call has failed", "exception": error})


def _not_started() -> float:
    raise RuntimeError("the wheel has not been started")
