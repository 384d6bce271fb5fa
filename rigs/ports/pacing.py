"""Octets that take their time: handed on when their last bit has arrived."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

SLICE = 0.002  # s; the shortest stretch of octets handed on at once when pacing
BACKLOG = 1 << 20  # octets a line holds for a far end that is slow; what is over is lost


class Arrivals:
    """Octets on their way, in order; ``arrived`` gets them in slices."""

    __slots__ = ("_arrived", "_free", "_octets", "_pieces", "_timer")

    def __init__(self, arrived: Callable[[bytes], None]) -> None:
        self._arrived = arrived
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._octets = 0
        self._free = 0.0  # loop time at which the wire is idle again
        self._timer: asyncio.TimerHandle | None = None

    def add(self, loop: asyncio.AbstractEventLoop, data: bytes, each: float) -> bool:
        """Octets that are sent after those before, ``each`` seconds for one; False where too many are on the way."""
        if self._octets > BACKLOG:
            return False
        step = max(1, round(SLICE / each))
        at = max(loop.time(), self._free)
        for offset in range(0, len(data), step):
            piece = data[offset : offset + step]
            at += len(piece) * each
            self._pieces.append((at, piece))
        self._octets += len(data)
        self._free = at
        if self._timer is None and self._pieces:
            self._timer = loop.call_at(self._pieces[0][0], self._due, loop)
        return True

    def clear(self) -> None:
        """What is on the way is lost."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pieces.clear()
        self._octets = 0
        self._free = 0.0

    def _due(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time() + 1e-4
        pieces: list[bytes] = []
        while self._pieces and self._pieces[0][0] <= now:
            pieces.append(self._pieces.popleft()[1])
        if self._pieces:
            self._timer = loop.call_at(self._pieces[0][0], self._due, loop)
        data = b"".join(pieces)
        self._octets -= len(data)
        if data:
            self._arrived(data)
