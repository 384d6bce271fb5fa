"""Finds frames in a stream of octets that may also hold noise, broken frames and single octets at a time."""

from __future__ import annotations

from collections.abc import Callable

from protocols.errors import FrameError
from protocols.hdlc.frame import FLAG, FLAG_OCTET, Frame, Header

_SHOWN = 8  # octets of noise named in an explanation
_TOLD = 1024  # octets of noise after which it is told of, though it goes on


class FrameReader:
    """Takes octets in any slices and gives the whole, right frames in them; what is wrong is discarded.

    The frames found do not depend on how the octets were sliced. After anything wrong the search goes on at the next
    flag, so that noise, also noise with flags in it, costs no frame behind it; a beginning is given up as soon as its
    header is seen to be wrong. No more than the longest frame is ever held. ``discarded(reason, sentence)`` is told of
    everything that is no frame: a short reason to count by, and what was seen and expected.
    """

    __slots__ = ("_discarded", "_noise", "_noise_head", "_rejecting", "held", "pending", "shared")

    def __init__(self, discarded: Callable[[str, str], None]) -> None:
        self._discarded = discarded
        self.held = b""
        """Octets from a flag on that may be the beginning of a frame; empty between frames."""
        self.pending = False
        """Whether octets are held, or noise is still to be told of, so that the next octets do not stand alone."""
        self.shared = False
        """Whether the octet before the next one was a flag, which may open the next frame."""
        self._rejecting = False  # up to the next flag, octets belong to a frame discarded already
        self._noise = 0
        self._noise_head = b""

    def receive(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes, in order."""
        if self.held:
            data = self.held + data
        elif self.shared:
            data = FLAG + data
        return self._scan(data)

    def give_up(self) -> list[Frame]:
        """No more octets will come for the frame that is held: discard its beginning, look at the rest for frames."""
        frames: list[Frame] = []
        while self.held:
            held = self.held
            self._discarded("half frame", f"frame discarded: nothing came in time after its {len(held) - 1} octets")
            self._rejecting = True
            self.shared = False
            frames += self._scan(held[1:])
        self._end_of_noise()
        return frames

    def clear(self) -> None:
        """Forget what is held: the line has gone."""
        self.held = b""
        self.shared = self._rejecting = self.pending = False
        self._end_of_noise()

    def _scan(self, data: bytes) -> list[Frame]:
        frames: list[Frame] = []
        at, end = 0, len(data)
        self.held = b""
        self.shared = False
        while at < end:
            flag = data.find(FLAG, at)
            if flag != at:
                self._skipped(data[at:] if flag < 0 else data[at:flag])
                if flag < 0:
                    break
            self._rejecting = False
            at = flag + 1
            while at < end and data[at] == FLAG_OCTET:
                at += 1
            if at == end:
                self.shared = True
                break
            try:
                header = Header.read(data, at)
                if header is None or at + header.length >= end:
                    self.held = data[at - 1 :]
                    break
                frame = header.frame(data, at)
            except FrameError as error:
                self._reject(data[at], error)
                continue
            self._end_of_noise()
            frames.append(frame)
            at += header.length  # its closing flag may open the next
        self.pending = bool(self.held) or self._noise > 0
        return frames

    def _reject(self, first: int, error: FrameError) -> None:
        if first >> 4 != 0xA:
            return  # noise after a flag, counted as it is skipped
        self._end_of_noise()
        self._rejecting = True
        reason = error.message.split()[0]  # HCS, FCS, address, length
        self._discarded(f"wrong {reason}", f"frame discarded: {error.message}, expected {error.expected}")

    def _skipped(self, octets: bytes) -> None:
        at = len(octets) if self._rejecting else 0
        while at < len(octets):
            piece = octets[at : at + _TOLD - self._noise]
            at += len(piece)
            self._noise_head += piece[: _SHOWN - len(self._noise_head)]
            self._noise += len(piece)
            if self._noise == _TOLD:
                self._end_of_noise()

    def _end_of_noise(self) -> None:
        if self._noise:
            more = " .." if self._noise > _SHOWN else ""
            count, self._noise = self._noise, 0
            self.pending = False
            shown, self._noise_head = self._noise_head.hex(" ").upper(), b""
            self._discarded("noise", f"{count} octets that are no frame: {shown}{more}")
