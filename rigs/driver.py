"""What moves a rig's clock: the only place of the product that reads the time of the machine.

Two times run in a rig. The *rig's clock* is what the devices live by: it may run at the pace of the world, faster, or
only when told. *Line time* is what link and sign-on time-outs are measured in. They are the same, save that line time
keeps the pace of the world when the rig's clock is accelerated, because a client at the other end of a line does: a
link must not drop after a thirtieth of a second of silence because a month passes in a quarter of an hour.

One timer of the event loop stands for all that is due, whatever the number of devices.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from enum import Enum
from fractions import Fraction
from itertools import count
from typing import TYPE_CHECKING, Protocol

from rigs.readers import Readers
from rigs.wheel import Wheel

if TYPE_CHECKING:
    from emulator.time import Clock

SECOND = 1_000_000_000
NEVER = 1 << 63
_RETRY = 1_000_000  # ns until a time-out that did not move is asked again
_CALLS = 64  # time-outs of one stack that may be due at one instant
_LONGEST_SLEEP = 3600.0  # s; a timer further away is set in steps


def utc_ns() -> int:
    """The machine's UTC, ns since the Unix epoch: where a clock that is given no start begins."""
    return time.time_ns()


class ClockMode(Enum):
    """How the rig's clock runs."""

    REAL = "real"
    ACCELERATED = "accelerated"
    STEPPED = "stepped"


class Timed(Protocol):
    """What has time-outs in line time: the protocol stack of a line."""

    def next_timeout(self) -> int | None: ...

    def timeout(self, now: int) -> None: ...


class Entry:
    """A stack's place among the time-outs; ``due`` is when the driver will look at it next, line time in ns."""

    __slots__ = ("due", "next_timeout", "timeout")

    def __init__(self, timed: Timed) -> None:
        self.due = NEVER
        self.next_timeout = timed.next_timeout
        self.timeout = timed.timeout


class Driver:
    """Runs one clock and the time-outs of the lines on one event loop.

    ``now`` is a function: it brings the rig's clock to the present, running what fell due, and returns line time. A
    port calls it when octets arrive. ``settle(entry)`` after each exchange keeps the timer right. All calls belong to
    the thread of the loop.
    """

    def __init__(self, clock: Clock, mode: ClockMode = ClockMode.STEPPED, rate: float = 1.0) -> None:
        if rate <= 0:
            raise ValueError(f"rate {rate}: must be above 0")
        self.clock = clock
        self.mode = mode
        self.rate = rate if mode is ClockMode.ACCELERATED else 1.0
        self._heap: list[tuple[int, int, Entry]] = []
        self._order = count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed = NEVER  # machine time in ns the timer is set for; NEVER while there is none
        self._clock_armed = NEVER  # what next_due() was when it was set
        self._entries = 0
        self.wheel = Wheel()
        """What octets of lines wait by, for as long as the loop runs; it keeps the pace of the world."""
        self.readers = Readers(self.wheel)
        """What is read together."""
        self._begun = 0  # machine time at which the clock began to run
        self._origin = 0  # and what it showed then
        self._line = 0  # line time less machine time, ns
        self._pace = Fraction(1)
        self.now: Callable[[], int] = self._stepped_now

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop the driver runs on; raises RuntimeError before :meth:`start`."""
        if self._loop is None:
            raise RuntimeError("the driver has not been started")
        return self._loop

    def start(self) -> None:
        """Begin; called on the running loop."""
        self._loop = asyncio.get_running_loop()
        self.wheel.start(self._loop)
        match self.mode:
            case ClockMode.STEPPED:
                self.now = self._stepped_now
            case ClockMode.REAL | ClockMode.ACCELERATED:
                begun = time.monotonic_ns()
                self._line = self.clock.now - begun
                self._run(begun)
        self._arm()

    @property
    def line_time(self) -> int:
        """Line time of the present, ns; the rig's clock stays where it is."""
        return self.clock.now if self.mode is ClockMode.STEPPED else time.monotonic_ns() + self._line

    def set_rate(self, rate: float) -> None:
        """Let a clock that runs by itself run at another rate from now on: 1 is the pace of the world.

        RuntimeError for a stepped clock, or before :meth:`start`.
        """
        if self.mode is ClockMode.STEPPED or self._loop is None:
            raise RuntimeError("the clock does not run by itself: it has no rate")
        if rate <= 0:
            raise ValueError(f"rate {rate}: must be above 0")
        begun = self.now() - self._line
        self.mode = ClockMode.REAL if rate == 1 else ClockMode.ACCELERATED
        self.rate = rate
        self._run(begun)
        self._armed = NEVER  # what it was set for comes at another time now
        self._arm()

    def stop(self) -> None:
        """End: no timer is left behind."""
        self.wheel.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = NEVER
        self._heap.clear()
        self._loop = None
        self.now = self._stepped_now

    def watch(self, timed: Timed) -> Entry:
        """A new entry for the time-outs of ``timed``; :meth:`settle` it after everything that may move them."""
        self._entries += 1
        return Entry(timed)

    def forget(self, entry: Entry) -> None:
        """The line has gone: its time-outs do not matter any more."""
        entry.due = NEVER
        entry.next_timeout = _never
        self._entries -= 1

    def settle(self, entry: Entry) -> None:
        """Look at what ``entry`` and the clock have due next, and set the timer earlier where that is sooner."""
        due = entry.next_timeout()
        if due is not None and due < entry.due:
            self._push(entry, due)
            if self._loop is not None and self.mode is not ClockMode.STEPPED:
                self._arm()
        elif self._clock_armed != NEVER and self.clock_due() < self._clock_armed:
            self._arm()

    def attend(self) -> None:
        """Set the timer by what the rig's clock has due; after anything done to a device other than over a line."""
        self._arm()

    def clock_due(self) -> int:
        """When the rig's clock has its next event, ns UTC; NEVER when it has none."""
        due = self.clock.next_due()
        return NEVER if due is None else due

    def advance(self, nanoseconds: int) -> int:
        """Move a stepped clock on, running events and time-outs in the order of their times; returns the new time."""
        if self.mode is not ClockMode.STEPPED:
            raise RuntimeError(f"the clock runs by itself (mode {self.mode.value}); only a stepped one can be advanced")
        if nanoseconds < 0:
            raise ValueError(f"{nanoseconds} ns: time does not go back")
        clock = self.clock
        target = clock.now + nanoseconds
        heap = self._heap
        while True:
            # One event at a time where there are lines: an event may send something and so set a time-out.
            line_due = heap[0][0] if heap else NEVER
            clock_due = self.clock_due()
            stop = min(target, line_due, clock_due) if self._entries else target
            if stop > clock.now or clock_due <= clock.now:
                clock.advance_to(max(stop, clock.now))
            self._time_out(clock.now)
            if stop == target and self.clock_due() > target:
                return target

    # -- paces ------------------------------------------------------------------------------------------------------

    def _stepped_now(self) -> int:
        return self.clock.now

    def _run(self, begun: int) -> None:
        """Go on at :attr:`rate` from what the clock shows at machine time ``begun``."""
        self._begun, self._origin = begun, self.clock.now
        self._pace = Fraction(self.rate).limit_denominator(1_000_000)
        self.now = self._paced_now()

    def _paced_now(self) -> Callable[[], int]:
        monotonic = time.monotonic_ns
        advance_to = self.clock.advance_to
        origin, begun = self._origin, self._begun
        numerator, denominator = self._pace.numerator, self._pace.denominator
        offset = self._line
        if self._pace == 1 and origin - begun == offset:

            def real() -> int:
                now = monotonic() + offset
                advance_to(now)
                return now

            return real

        def accelerated() -> int:
            machine = monotonic()
            advance_to(origin + (machine - begun) * numerator // denominator)
            return machine + offset

        return accelerated

    # -- the one timer ----------------------------------------------------------------------------------------------

    def _push(self, entry: Entry, due: int) -> None:
        entry.due = due
        heapq.heappush(self._heap, (due, next(self._order), entry))
        if len(self._heap) > 4 * self._entries + 64:
            # Time-outs that moved earlier leave their old places behind: drop those.
            self._heap[:] = [item for item in self._heap if item[2].due == item[0]]
            heapq.heapify(self._heap)

    def _time_out(self, now: int) -> None:
        """Run every time-out due by ``now``, line time."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, _, entry = heapq.heappop(heap)
            if entry.due != due:
                continue
            entry.due = NEVER
            again = entry.next_timeout()
            calls = 0
            while again is not None and again <= now:
                if calls == _CALLS:
                    again = now + _RETRY
                    break
                entry.timeout(now)
                calls += 1
                again = entry.next_timeout()
            if again is not None:
                self._push(entry, again)

    def _arm(self) -> None:
        if self.mode is ClockMode.STEPPED or self._loop is None:
            return
        clock_due = self.clock_due()
        machine = NEVER
        if clock_due != NEVER:
            # Rounded up: a timer that is early by a nanosecond would find nothing due.
            machine = self._begun + -((self._origin - clock_due) * self._pace.denominator // self._pace.numerator)
        if self._heap:
            machine = min(machine, self._heap[0][0] - self._line)
        self._clock_armed = clock_due if clock_due != NEVER else NEVER - 1
        if machine >= self._armed:
            return
        if self._timer is not None:
            self._timer.cancel()
        delay = min(max(0, machine - time.monotonic_ns()) / SECOND, _LONGEST_SLEEP)
        self._armed = machine
        self._timer = self._loop.call_later(delay, self._fire)

    def _fire(self) -> None:
        self._armed = NEVER
        self._timer = None
        try:
            self._time_out(self.now())
        finally:
            self._arm()


def _never() -> None:
    return None
