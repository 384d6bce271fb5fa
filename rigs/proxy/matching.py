"""Whether two messages ask the same, and how a recorded answer becomes that of a request of now.

What counts requests is not compared where it is plain: N(S) and N(R) of HDLC, invoke-ids of services. Of a ciphered
APDU only the tag, its security control and its length can be compared.
"""

from __future__ import annotations

from typing import NamedTuple

from protocols import wrapper
from protocols.dlms.security import PROTECTED_TAGS
from protocols.hdlc import Frame, encode
from protocols.hdlc.frame import CLIENT_LLC, POLL, RNR, RR, SERVER_LLC, SNRM
from protocols.sniffer import SEVEN_BITS, Kind, Message

_INVOKED = frozenset((*range(0xC0, 0xC8), 0xD9, 0xDA))
"""Tags of services with an invoke-id: GET, SET, event, ACTION; ACCESS with a long one."""
_LONG = frozenset((0xD9, 0xDA))


class Key(NamedTuple):
    """What a message asks, by what carries it."""

    kind: Kind
    route: bytes
    service: bytes
    content: bytes


def key(message: Message) -> Key:
    """The same for messages that ask the same."""
    frame = message.frame
    if frame is not None:
        control = frame.control & ~POLL
        route = frame.destination + frame.source
        if not control & 1:
            return Key(message.kind, route, b"I", _content(frame.information) + bytes((frame.segmented,)))
        if control & 0x0F in (RR, RNR):
            return Key(message.kind, route, bytes((control & 0x0F,)), b"")
        # The limits that a client proposes do not change what it asks.
        information = b"" if control == SNRM else frame.information
        return Key(message.kind, route, bytes((control,)), information)
    if message.apdu is not None:
        return Key(message.kind, message.octets[2:6], b"", _content(message.apdu))
    return Key(message.kind, b"", b"", message.octets.translate(SEVEN_BITS))


def _content(octets: bytes) -> bytes:
    """An APDU, LLC in front or not, without what counts it."""
    llc = octets[:3] if octets[:3] in (CLIENT_LLC, SERVER_LLC) else b""
    apdu = octets[len(llc) :]
    if not apdu:
        return octets
    if apdu[0] in PROTECTED_TAGS:
        return llc + apdu[:1] + len(apdu).to_bytes(4, "big")
    at, size = _invoke_id(apdu)
    return llc + apdu[:at] + bytes(size) + apdu[at + size :]


def _invoke_id(apdu: bytes) -> tuple[int, int]:
    """Where the invoke-id of an APDU stands, and how many octets it has: none where it has none."""
    if apdu[0] not in _INVOKED or len(apdu) < 5:
        return 0, 0
    return (1, 4) if apdu[0] in _LONG else (2, 1)


def _numbered(octets: bytes, asked: bytes) -> bytes:
    """An APDU of an answer with the invoke-id of the request it answers now, LLC in front of both or not."""
    llc = octets[:3] if octets[:3] in (CLIENT_LLC, SERVER_LLC) else b""
    apdu = octets[len(llc) :]
    request = asked[3:] if asked[:3] in (CLIENT_LLC, SERVER_LLC) else asked
    if not apdu or not request:
        return octets
    at, size = _invoke_id(apdu)
    there, same = _invoke_id(request)
    if not size or size != same:
        return octets
    return llc + apdu[:at] + request[there : there + size] + apdu[at + size :]


class LinkState:
    """N(R) of one side of the HDLC links of a line, by the addresses of what the other side sends."""

    def __init__(self) -> None:
        self._received: dict[bytes, int] = {}

    def heard(self, frame: Frame) -> None:
        """The other side has sent a frame."""
        route = frame.destination + frame.source
        if frame.control & ~POLL == SNRM:
            self._received[route] = 0
        elif not frame.control & 1:
            self._received[route] = (frame.control >> 1 & 7) + 1 & 7

    def expected(self, frame: Frame) -> int:
        """N(R) for an answer to ``frame``."""
        return self._received.get(frame.destination + frame.source, 0)


def answer_now(recorded: Message, asked: Message, links: LinkState, place: int) -> bytes:
    """The octets of a recorded answer, the ``place``th of them from 0, as they answer what was asked just now."""
    frame, request = recorded.frame, asked.frame
    if frame is not None and request is not None:
        control = frame.control
        if control & 1 == 0:
            sent = (request.control >> 5) + place & 7 if request.control & 3 != 3 else place & 7
            control = control & POLL | sent << 1 | links.expected(request) << 5
        elif control & 0x0F in (RR, RNR):
            control = control & 0x1F | links.expected(request) << 5
        information = _numbered(frame.information, request.information)
        return encode(Frame(frame.destination, frame.source, control, information, frame.segmented))
    if recorded.apdu is not None and asked.apdu is not None and recorded.ports is not None:
        return wrapper.encode(*recorded.ports, _numbered(recorded.apdu, asked.apdu))
    return recorded.octets


def request_now(recorded: Message, answered: Frame | None, links: LinkState) -> bytes:
    """The octets of a recorded request with the N(R) of the answers that have come now."""
    frame = recorded.frame
    if frame is None or answered is None or frame.control & 3 == 3:
        return recorded.octets
    expected = links.expected(answered)
    return encode(frame._replace(control=frame.control & 0x1F | expected << 5))
