"""Reading many descriptors in one turn of the event loop.

Where octets take their time nobody minds when they are read a millisecond late, and a thousand busy lines would wake
the loop for each request. Once one of them has something to read all are looked at once a tick, until none has
anything.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import TYPE_CHECKING

from rigs.wheel import TICK, Due

if TYPE_CHECKING:
    import asyncio

    from rigs.wheel import Wheel


_LOOKS = 20  # looks in vain before the loop watches again: to have it watch a thousand terminals takes its time


class Readers(Due):
    """Descriptors that are read together, each by a call when it has something to read; all in the loop's thread."""

    __slots__ = ("_calls", "_looks", "_loop", "_poll", "_watching", "_wheel")

    def __init__(self, wheel: Wheel) -> None:
        super().__init__()
        self._wheel = wheel
        self._calls: dict[int, Callable[[], None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._poll: select.epoll | None = None
        self._looks = 0  # before the loop is to wake again
        self._watching = False  # the loop wakes when there is something to read

    def add(self, loop: asyncio.AbstractEventLoop, descriptor: int, call: Callable[[], None]) -> None:
        """Call ``call`` within a tick whenever ``descriptor`` has something to read, or its far end has gone."""
        if self._poll is None:
            self._loop, self._poll = loop, select.epoll()
            loop.add_reader(self._poll.fileno(), self.due)
            self._watching = True
        self._poll.register(descriptor, select.EPOLLIN)
        self._calls[descriptor] = call

    def remove(self, descriptor: int) -> None:
        """Call no more. Removing what is not there does no harm."""
        if self._calls.pop(descriptor, None) is None or self._poll is None or self._loop is None:
            return
        self._poll.unregister(descriptor)
        if not self._calls:
            self.tick = 0
            self._loop.remove_reader(self._poll.fileno())
            self._poll.close()
            self._loop = self._poll = None

    def due(self) -> None:
        """Read what there is; while there is any the wheel looks again, and the loop does not."""
        poll, loop, calls = self._poll, self._loop, self._calls
        if poll is None or loop is None:
            return
        ready = poll.poll(0)
        for descriptor, _ in ready:
            call = calls.get(descriptor)
            if call is None:
                continue  # removed by one before it
            try:
                call()
            except Exception as error:
                loop.call_exception_handler({"message": "reading has failed", "exception": error})
        if self._poll is not poll:
            return
        self._looks = _LOOKS if ready else max(0, self._looks - 1)
        if self._looks:
            self._wheel.set(self, self._wheel.time() + TICK / 2)
            if self._watching:
                self._watching = False
                loop.remove_reader(poll.fileno())
        elif not self._watching:
            self._watching = True
            loop.add_reader(poll.fileno(), self.due)
