"""Frames on the air of one dwelling, for those who listen: a capture, a trace, somebody with a sniffer.

Nothing is put into octets unless somebody listens. Frames that are said at one instant of the rig's clock follow each
other by the time that their octets take at 250 kbit/s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from emulator.han.medium import Link
from emulator.time import Clock

OCTET = 32_000
"""Time of an octet on the air, ns."""
PREAMBLE = 6
"""Octets before a frame: preamble, start of frame, length (802.15.4, 2.4 GHz)."""
TURNAROUND = 192_000
"""Between a frame and its acknowledgement, and the least between two frames, ns (aTurnaroundTime)."""
LONGEST = 127
"""Octets of a frame with its check sequence (aMaxPHYPacketSize)."""

NEAR = Link(-50, 200, 0)
"""How a stranger in the same room is heard."""

Tap = Callable[[int, bytes, Link], None]
"""Gets the instant at which a frame begins (ns), its octets with the check sequence, and how it is heard."""


class Air:
    """Who listens to a dwelling's air, and what its radios dropped."""

    __slots__ = ("_clock", "_free_at", "_taps", "dropped", "explain", "hear", "listening")

    def __init__(self, clock: Clock, hear: Callable[[bytes, Link], None]) -> None:
        """``hear`` takes a stranger's frame to every radio in range."""
        self._clock = clock
        self._free_at = 0
        self._taps: tuple[Tap, ...] = ()
        self.hear = hear
        self.dropped: Counter[str] = Counter()
        """Frames that radios of the network dropped, by the reason."""
        self.explain: Callable[[str], None] | None = None
        """Gets a sentence for each dropped frame."""
        self.listening: Callable[[], None] | None = None
        """Called when somebody begins to listen."""

    @property
    def listened(self) -> bool:
        """Whether anybody listens."""
        return bool(self._taps)

    def listen(self, tap: Tap) -> Callable[[], None]:
        """Give every frame to ``tap``, until what is returned is called."""
        self._taps = (*self._taps, tap)
        if self.listening is not None:
            self.listening()

        def end() -> None:
            self._taps = tuple(other for other in self._taps if other is not tap)

        return end

    def emit(self, octets: bytes, link: Link) -> None:
        """A frame is on the air; a listener hears it as ``link`` says."""
        at = max(self._clock.now, self._free_at)
        self._free_at = at + (PREAMBLE + len(octets)) * OCTET + TURNAROUND
        for tap in self._taps:
            tap(at, octets, link)

    def inject(self, octets: bytes, link: Link = NEAR) -> None:
        """A stranger sends any octets, which every radio in the dwelling hears as ``link`` says."""
        self.emit(octets, link)
        self.hear(octets, link)

    def drop(self, reason: str, text: str) -> None:
        """A radio dropped a frame: ``reason`` is what it is counted by, ``text`` the sentence."""
        self.dropped[reason] += 1
        self.tell(text)

    def tell(self, text: str) -> None:
        """A sentence for those who want to know why."""
        if self.explain is not None:
            self.explain(text)
