"""The rig's clock: integer nanoseconds of UTC, one heap of events; streams of chance that leave each other alone."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from random import Random

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND
DAY = 86_400 * SECOND


def stream(seed: int, owner: str, purpose: str) -> Random:
    """Chance of its own for one purpose of one device, the same for the same seed whatever else the rig holds."""
    return Random(f"{seed}/{owner}/{purpose}")


class Event:
    """A call that is due; :meth:`cancel` takes it back."""

    __slots__ = ("call", "due")

    def __init__(self, due: int, call: Callable[[], None]) -> None:
        self.due = due
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """It will not happen. Cancelling twice, or after the event, does no harm."""
        self.call = None


_ROOMY = 1024
"""Events, cancelled ones among them, that a clock holds before it looks for those that were cancelled."""


class Clock:
    """Time of one rig. ``now`` is ns of UTC since the Unix epoch and moves only by :meth:`advance_to`."""

    __slots__ = ("_heap", "_order", "_roomy", "now")

    def __init__(self, now: int) -> None:
        self.now = now
        self._heap: list[tuple[int, int, Event]] = []
        self._order = count()
        self._roomy = _ROOMY

    def schedule(self, due: int, call: Callable[[], None]) -> Event:
        """Call ``call`` when the clock reaches ``due``; one that is past falls due at the next advance."""
        event = Event(due, call)
        heap = self._heap
        if len(heap) >= self._roomy:
            heap[:] = [entry for entry in heap if entry[2].call is not None]
            heapq.heapify(heap)
            self._roomy = max(_ROOMY, 2 * len(heap))
        heapq.heappush(heap, (due, next(self._order), event))
        return event

    @property
    def pending(self) -> int:
        """How many events it holds, counting cancelled ones that it has not come to yet."""
        return len(self._heap)

    def next_due(self) -> int | None:
        """When the next event is due, None without one."""
        heap = self._heap
        while heap and heap[0][2].call is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def advance_to(self, target: int) -> None:
        """Move on to ``target``, running what falls due in order of time; events see ``now`` at their own instant."""
        heap = self._heap
        while heap and heap[0][0] <= target:
            due, _, event = heapq.heappop(heap)
            call, event.call = event.call, None
            if call is not None:
                if due > self.now:
                    self.now = due
                call()
        if target > self.now:
            self.now = target
