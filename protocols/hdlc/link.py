"""A link of a secondary station, and what sits on one (IEC 62056-46; ISO/IEC 13239)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from protocols.hdlc.frame import POLL
from protocols.hdlc.headers import tables
from protocols.hdlc.numbered import Numbered

NOT_QUIET = -1
"""No control octet: something is under way on a link."""


class Upper(Protocol):
    """What sits on a secondary station."""

    def connected(self, link: Link) -> None:
        """A client has set normal response mode; also after ``disconnected`` when it does so anew."""
        ...

    def received(self, link: Link, apdu: bytes) -> Sequence[bytes]:
        """One whole APDU without LLC; each APDU returned is sent in answer, in order."""
        ...

    def unconfirmed(self, client: int, server: int, apdu: bytes) -> None:
        """An APDU in a UI frame, outside any link; ``server`` is 127 when it was broadcast to all logical devices."""
        ...

    def disconnected(self, link: Link, why: str) -> None:
        """The link has ended."""
        ...


class Link(Numbered):
    """A client in normal response mode with one logical device; another object each time the client sets the mode.

    ``client`` is its SAP, ``server`` the upper address of the logical device, ``parameters`` what was negotiated, seen
    by this station.
    """

    __slots__ = (
        "answers",
        "busy",
        "client",
        "expected",
        "heard",
        "open",
        "opening",
        "rejection",
        "requests",
        "server",
        "start",
        "unanswered",
    )

    def __init__(self, client: int, server: int, destination: bytes, source: bytes) -> None:
        super().__init__(source + destination)
        self.client = client
        self.server = server
        self.address(destination, source)
        self.open = True
        self.busy = False  # the client has sent RNR
        self.rejection = b""  # information of the FRMR that is repeated until the client sets the mode or disconnects
        self.unanswered = 0  # I frames taken since this station last sent N(R)
        self.heard = 0  # time of the last frame
        self.expected = NOT_QUIET  # control octet of the next request while nothing else is under way

    def address(self, destination: bytes, source: bytes) -> None:
        """The client writes the two addresses so."""
        self.opening = destination + source
        self.addresses = source + destination
        self.start = len(self.opening) + 6  # of the information in a frame received, from its flag on
        self.requests, self.answers = tables(self.opening, self.addresses)

    def settle(self) -> None:
        """See whether the next request may go the short way."""
        quiet = not (self.queued or self.assembly or self.busy or self.rejection or self.unanswered)
        self.expected = self.vs << 5 | POLL | self.vr << 1 if quiet and self.open else NOT_QUIET

    def __str__(self) -> str:
        return f"client {self.client}, server {self.server}"

    @property
    def acknowledgeable(self) -> str:
        """The N(R) that are right, for people."""
        oldest = self.vs - len(self.sent) & 7
        return str(self.vs) if oldest == self.vs else f"{oldest}..{self.vs}"
