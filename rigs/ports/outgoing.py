"""Octets of a device on their way to the far end that cannot go at once.

They wait the device's turnaround, for a far end that is about to change its rate to theirs, as sign-on asks of it, and
where octets take their time they pass in stretches (:mod:`rigs.ports.pacing`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from emulator.uart import character_time
from rigs.ports.pacing import BACKLOG, together
from rigs.wheel import Due

if TYPE_CHECKING:
    from rigs.driver import Driver
    from rigs.ports.wire import LineOptions, Transport

SECOND = 1e9
GRACE = 0.3
"""Seconds that octets wait for a far end that is about to change its rate to theirs."""
_POLL = 0.005  # s between looks at the far end's rate during that wait


class Outgoing(Due):
    """What one line has still to send, in order; all times are the loop's, in seconds.

    ``write(data, baud, framing, fits)`` gets octets when they have passed, at the device's settings when it sent them;
    ``fits`` says whether the far end is set so. Where the transport need not be told the settings, ``plain``, it gets
    what fits itself. ``stretch`` is how long octets are handed on together for at most.
    """

    __slots__ = (
        "_baud",
        "_data",
        "_each",
        "_framing",
        "_given_up",
        "_later",
        "_plain",
        "_ready",
        "_step",
        "_stretch",
        "_transport",
        "_waits",
        "_wheel",
        "_write",
        "octets",
        "options",
        "passed",
    )

    def __init__(
        self,
        driver: Driver,
        transport: Transport,
        options: LineOptions,
        write: Callable[[bytes, int, str, bool], None],
        *,
        plain: bool,
        stretch: float,
    ) -> None:
        super().__init__()
        self._wheel = driver.wheel
        self._transport = transport
        self._write = write
        self._plain = plain
        self._stretch = stretch
        # What the device sent at one time and goes now, its settings then, and when the first octet begins.
        self._data = b""
        self._baud, self._framing = 0, ""
        self._ready = 0.0
        self._each = 0.0  # seconds of one octet, 0 where they take no time
        self._step = 0  # octets that go next
        self._waits = False  # for the far end to change its rate
        self._given_up = False  # it had its time to do so
        self._later: deque[tuple[bytes, int, str, float]] | None = None  # what was sent meanwhile
        self.options = options
        self.octets = 0
        """Octets that wait."""
        self.passed = 0.0
        """When the octets that are written now have passed, where they take their time."""

    def add(self, data: bytes, baud: int, framing: str, ready: float) -> bool:
        """Octets sent after those before, the first not before ``ready``; False where too many wait already."""
        octets = self.octets + len(data)
        if octets > BACKLOG:
            return False
        self.octets = octets
        if not self._data:
            self._begin(data, baud, framing, ready)
        elif self._later is None:
            self._later = deque(((data, baud, framing, ready),))
        else:
            self._later.append((data, baud, framing, ready))
        return True

    def clear(self) -> None:
        """What is on the way is lost."""
        self.tick = 0
        self._data, self._later = b"", None
        self.octets = 0

    def rate_fits(self, baud: int) -> bool:
        """Whether the far end is set to hear this rate, as far as can be seen and matters."""
        if not self.options.baud:
            return True
        far = self._transport.rate()
        return far == baud or not far

    def framing_fits(self, framing: str) -> bool:
        """The same of the character format."""
        if not self.options.baud:
            return True
        far = self._transport.framing()
        return not far or far == framing

    def _begin(self, data: bytes, baud: int, framing: str, ready: float) -> None:
        self._data, self._baud, self._framing, self._ready = data, baud, framing, ready
        self._waits = self._given_up = False
        self._plan()

    def _plan(self) -> None:
        octets = len(self._data)
        if self.options.pacing:
            # An octet is there when its last bit is.
            self._each = each = character_time(self._baud, self._framing) / SECOND
            self._step = step = together(octets, each, self._stretch)
            self._wheel.set(self, self._ready + step * each)
        else:
            self._each = 0.0
            self._step = octets
            self._wheel.set(self, self._ready)

    def due(self) -> None:
        """Octets have passed, or the far end's rate is to be looked at again."""
        fits = self.rate_fits(self._baud)
        if self._waits or not (fits or self._given_up):
            now = self._wheel.time()
            if not fits and now < self._ready + GRACE:
                self._waits = True
                self._wheel.set(self, now + _POLL)
                return
            self._waits, self._given_up = False, not fits
            self._ready = now
            if self._each:
                self._plan()
                return
        data, step = self._data, self._step
        self.octets -= step
        self.passed = self._ready = passed = self._ready + step * self._each
        self._data = data[step:]
        baud, framing = self._baud, self._framing
        if self._data:
            data = data[:step]
            self._plan()
        elif self._later:
            following = self._later.popleft()
            self._begin(*following[:3], max(following[3], passed))
        if fits and self._plain and self.framing_fits(framing):
            self._transport.write(data)
        else:
            self._write(data, baud, framing, fits and self.framing_fits(framing))
