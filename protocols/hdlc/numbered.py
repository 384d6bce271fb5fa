"""What both ends of an HDLC link do with numbered frames: send segments in a window, put received ones together.

Only one station may send at a time, and gives the turn to the other with P/F = 1 (normal response mode). So whatever is
unacknowledged when the turn comes back was lost, and is sent again.
"""

from __future__ import annotations

from collections import deque

from protocols.hdlc.frame import POLL, SEGMENT, WHOLE, encode_parts
from protocols.hdlc.parameters import DEFAULTS, Parameters

MAX_MESSAGE = 0x1_0000 + 0x100
"""Longest APDU with its LLC that is put together from segments, octets: the longest APDU, protected."""


class Numbered:
    """State variables, window and queues of one end of a link; not connected until :meth:`reset`.

    ``parameters`` are those in force, seen from this end. ``addresses`` are the octets of destination and source in the
    frames sent.
    """

    __slots__ = ("_message", "_offset", "_queue", "_queued", "addresses", "assembly", "parameters", "sent", "vr", "vs")

    def __init__(self, addresses: bytes) -> None:
        self.addresses = addresses
        self.sent: list[tuple[int, bytes]] = []  # kind and information of I frames not acknowledged, oldest first
        self.assembly = bytearray()
        self._queue: deque[bytes] = deque()
        self._message: bytes = b""  # being cut into segments from _offset on
        self.reset(DEFAULTS)

    def reset(self, parameters: Parameters) -> None:
        """As SNRM and UA leave it: both state variables 0, nothing queued or half received."""
        self.parameters = parameters
        self.vs = 0
        self.vr = 0
        self.sent = []
        self.assembly.clear()
        self._queue.clear()
        self._queued = 0
        self._message = b""
        self._offset = 0

    # -- sending ------------------------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """Octets waiting that have not been sent for the first time."""
        return self._queued

    @property
    def outgoing(self) -> bool:
        """Whether anything is unacknowledged or waiting."""
        return bool(self.sent or self._queued)

    def enqueue(self, message: bytes) -> None:
        """Send ``message``, an APDU with its LLC, when the turn comes."""
        self._queue.append(message)
        self._queued += len(message)

    def valid(self, nr: int) -> bool:
        """Whether N(R) acknowledges only what has been sent."""
        return (self.vs - nr) & 7 <= len(self.sent)

    def acknowledge(self, nr: int) -> None:
        """The other end has everything before N(R), which is valid."""
        outstanding = (self.vs - nr) & 7
        if outstanding < len(self.sent):
            del self.sent[: len(self.sent) - outstanding]

    def burst(self) -> list[bytes]:
        """I frames for one turn: what is unacknowledged, then new segments up to the window; P/F = 1 on the last."""
        sent, window = self.sent, self.parameters.window_transmit
        while self._queued and len(sent) < window:
            self._cut()
        if not sent:
            return []
        number = self.vs - len(sent)
        acknowledged = self.vr << 5
        frames = [
            encode_parts(kind, self.addresses, acknowledged | (number + index & 7) << 1, information)
            for index, (kind, information) in enumerate(sent[:-1])
        ]
        kind, information = sent[-1]
        frames.append(encode_parts(kind, self.addresses, acknowledged | POLL | (self.vs - 1 & 7) << 1, information))
        return frames

    def supervise(self, control: int) -> bytes:
        """An RR or RNR with the present N(R) and P/F = 1."""
        return encode_parts(WHOLE, self.addresses, self.vr << 5 | POLL | control)

    def _cut(self) -> None:
        """Take the next segment, which then has the next number."""
        if self._offset == len(self._message):
            self._message = self._queue.popleft()
            self._offset = 0
        start = self._offset
        information = self._message[start : start + self.parameters.max_info_transmit]
        self._offset = start + len(information)
        self._queued -= len(information)
        self.sent.append((SEGMENT if self._offset < len(self._message) else WHOLE, information))
        self.vs = self.vs + 1 & 7
        if not self._queued:
            self._message = b""
            self._offset = 0

    # -- receiving ----------------------------------------------------------------------------------------------------

    def take(self, information: bytes, segmented: bool) -> bytes | None:
        """The I frame with N(S) = V(R): count it; the whole message when this was its last segment."""
        self.vr = self.vr + 1 & 7
        if segmented:
            self.assembly += information
            return None
        if self.assembly:
            message = bytes(self.assembly + information)
            self.assembly.clear()
            return message
        return information
