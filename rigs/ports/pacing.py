"""Octets that take their time: handed on when their last bit has arrived.

They are handed on in stretches, as the buffer of a USB adaptor does with those of a real line, and never before their
time: a frame that takes no longer than a stretch comes in one piece at the instant its last octet has passed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from rigs.wheel import Due

if TYPE_CHECKING:
    from rigs.driver import Driver

STRETCH = 0.03
"""Seconds of octets that are handed on at once at most."""
SLICE = 0.002
"""Seconds of them where somebody looks at single octets: others on a bus, or a device that waits for the rest."""
BACKLOG = 1 << 20
"""Octets a line holds for a far end that is slow; what is over is lost."""


def together(octets: int, each: float, stretch: float) -> int:
    """How many of so many octets, ``each`` seconds for one, are handed on at once."""
    return octets if octets * each <= stretch else max(1, round(stretch / each))


class Arrivals(Due):
    """Octets on their way, in order; ``arrived`` gets them and the rate they were sent at, in bits a second.

    ``fine`` says whether whoever gets them minds when single octets come. All times are the loop's, in seconds.
    """

    __slots__ = (
        "_baud",
        "_begin",
        "_data",
        "_each",
        "_fine",
        "_free",
        "_later",
        "_octets",
        "_step",
        "_wheel",
        "arrived",
        "passed",
    )
    patient = True  # what a device says to octets leaves after its turnaround, however late they were looked at

    def __init__(self, driver: Driver, arrived: Callable[[bytes, int], None], fine: Callable[[], bool]) -> None:
        super().__init__()
        self._wheel = driver.wheel
        self.arrived = arrived
        self._fine = fine
        # What was written at one time and is on the wire now: where its first octet begins, how many pass next.
        self._data = b""
        self._begin = self._each = 0.0
        self._baud = self._step = 0
        self._later: deque[tuple[bytes, float, float, int]] | None = None  # what was written while that was under way
        self._octets = 0
        self._free = 0.0  # when the wire is idle again
        self.passed = 0.0
        """When the octets that arrive now have passed, however late they are looked at."""

    def add(self, data: bytes, each: float, baud: int) -> bool:
        """Octets that are sent after those before, ``each`` seconds for one; False where too many are on the way."""
        if self._octets > BACKLOG:
            return False
        begin = self._wheel.time()
        if begin < self._free:
            begin = self._free
        octets = len(data)
        self._free = begin + octets * each
        self._octets += octets
        if self._data:
            if self._later is None:
                self._later = deque()
            self._later.append((data, begin, each, baud))
        else:
            self._data, self._begin, self._each, self._baud = data, begin, each, baud
            self._plan()
        return True

    def clear(self) -> None:
        """What is on the way is lost."""
        self.tick = 0
        self._data, self._later = b"", None
        self._octets = 0
        self._free = 0.0

    def _plan(self) -> None:
        each = self._each
        self._step = step = together(len(self._data), each, SLICE if self._fine() else STRETCH)
        self._wheel.set(self, self._begin + step * each)

    def due(self) -> None:
        """Octets have passed."""
        data, step = self._data, self._step
        self._octets -= step
        self.passed = self._begin = self._begin + step * self._each
        self._data = data[step:]
        baud = self._baud
        later = self._later
        if not self._data and later:
            self._data, self._begin, self._each, self._baud = later.popleft()
        try:
            self.arrived(data if step == len(data) else data[:step], baud)
        finally:
            if self._data and not self.tick:
                self._plan()
