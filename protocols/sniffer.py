"""Makes messages again of what is overheard on a line: HDLC frames, wrapper messages, IEC 62056-21 text.

A :class:`Sniffer` listens to both directions of one line or connection. It takes part in nothing, takes any octets in
any slices, raises nothing, and shows all of them: what belongs to no message comes out as noise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from protocols import wrapper
from protocols.errors import FrameError
from protocols.hdlc.frame import CLIENT_LLC, FLAG_OCTET, POLL, SERVER_LLC, SNRM, UA, UI, Frame, Header, decode_address
from protocols.iec62056_21.message import ACK, EOT, ETX, NAK, SOH, STX

MAX_HELD = 16_384
"""Octets of text or noise held until they are shown unfinished."""
MAX_APDU = 1 << 20
"""Octets of an APDU put together from segments; a longer one is not shown as a whole."""
MAX_LINKS = 64
"""Pairs of HDLC addresses followed at once."""

SEVEN_BITS = bytes(value & 0x7F for value in range(256))
"""Translation that takes parity bits away."""

_SLASH, _LINE_FEED, _RETURN = 0x2F, 0x0A, 0x0D
_OPTION_OCTETS = 6


class Kind(Enum):
    """What a :class:`Message` is."""

    HDLC = "HDLC"
    WRAPPER = "wrapper"
    TEXT = "62056-21"
    NOISE = "noise"


@dataclass(slots=True)
class Message:
    """One frame, message or stretch of noise, as it was on the line.

    ``frame`` is that of an HDLC frame, ``ports`` are the source and destination of a wrapper message. ``apdu`` is the
    whole APDU that this message completes, without LLC, where it completes one. ``remark`` tells what is not as it
    should be.
    """

    kind: Kind
    inbound: bool
    octets: bytes
    frame: Frame | None = None
    ports: tuple[int, int] | None = None
    apdu: bytes | None = None
    remark: str = ""

    @property
    def text(self) -> str:
        """Its characters without parity bits, control characters by name: ``/?!<CR><LF>``."""
        return "".join(_CHARACTERS[octet & 0x7F] for octet in self.octets)

    @property
    def route(self) -> str:
        """Sender and receiver as ``16>1``, with lower addresses as ``16>1/17``; empty for what names none."""
        if self.frame is not None:
            return f"{_address_text(self.frame.source)}>{_address_text(self.frame.destination)}"
        return "" if self.ports is None else f"{self.ports[0]}>{self.ports[1]}"


class Sniffer:
    """Listens to one line. ``wrapped`` lines carry wrapper messages, ``datagrams`` one whole message at a time."""

    __slots__ = ("_datagrams", "_directions", "_links")

    def __init__(self, *, wrapped: bool = False, datagrams: bool = False) -> None:
        self._datagrams = datagrams
        self._directions: dict[bool, _Stream | _WrapperStream] = {
            inbound: _WrapperStream(inbound) if wrapped else _Stream(inbound) for inbound in (True, False)
        }
        self._links: dict[tuple[bool, bytes, bytes], _Link] = {}

    def see(self, inbound: bool, data: bytes) -> list[Message]:
        """The messages that ``data`` completes; ``inbound`` is whether it goes towards the device."""
        if self._datagrams:
            return [_datagram(inbound, data)]
        # A line is half duplex: who speaks now has waited for the other's last character.
        messages = self._directions[not inbound].unfinished_text()
        messages += self._directions[inbound].take(data)
        for message in messages:
            if message.frame is not None:
                self._assemble(message, message.frame)
        return messages

    @property
    def waiting(self) -> bool:
        """Whether octets are held that make no message yet."""
        return any(stream.waiting for stream in self._directions.values())

    def flush(self) -> list[Message]:
        """What is left unfinished; the line is at its end."""
        return [message for stream in self._directions.values() for message in stream.flush()]

    def _assemble(self, message: Message, frame: Frame) -> None:
        kind = frame.control & ~POLL
        if kind in (SNRM, UA):
            for key in [key for key in self._links if {key[1], key[2]} == {frame.destination, frame.source}]:
                del self._links[key]
        elif kind == UI:
            message.apdu = without_llc(frame.information)
        elif not frame.control & 1 and frame.information:
            key = message.inbound, frame.destination, frame.source
            link = self._links.get(key)
            if link is None:
                while len(self._links) >= MAX_LINKS:
                    del self._links[next(iter(self._links))]
                link = self._links[key] = _Link()
            link.take(message, frame)


class _Link:
    """Segments of one direction of a link."""

    __slots__ = ("number", "octets")

    def __init__(self) -> None:
        self.number = -1
        self.octets: bytearray | None = bytearray()  # None: too long, wait for the next APDU

    def take(self, message: Message, frame: Frame) -> None:
        number = frame.control >> 1 & 7
        if self.number >= 0 and number != (self.number + 1) % 8:
            message.remark = "repeated" if number == self.number else "out of sequence"
            return
        self.number = number
        if self.octets is not None:
            self.octets += frame.information
            if len(self.octets) > MAX_APDU:
                self.octets = None
        if frame.segmented:
            return
        if self.octets:
            message.apdu = without_llc(bytes(self.octets))
        self.octets = bytearray()


class _Stream:
    """One direction of a line that carries HDLC and text."""

    __slots__ = ("_buffer", "_flag_used", "_inbound")

    def __init__(self, inbound: bool) -> None:
        self._inbound = inbound
        self._buffer = b""
        self._flag_used = False  # the flag in front has closed a frame already

    @property
    def waiting(self) -> bool:
        """Whether octets are held, other than a flag that has closed a frame."""
        return self._buffer != b"" and not (self._flag_used and self._buffer == b"\x7e")

    def take(self, data: bytes) -> list[Message]:
        """Messages completed by ``data``."""
        self._buffer += data
        found: list[Message] = []
        while self._buffer:
            message = self._hdlc() if self._buffer[0] == FLAG_OCTET else self._text()
            if message is None:
                break
            if message.octets:
                found.append(message)
        return found

    def unfinished_text(self) -> list[Message]:
        """Text that waits for a character which will not come, as the other side speaks."""
        return [] if self._buffer[:1] == b"\x7e" else self.flush()

    def flush(self) -> list[Message]:
        """All that waits."""
        octets = self._cut(len(self._buffer))
        if self._flag_used and octets[:1] == b"\x7e":
            octets = octets[1:]
        self._flag_used = False
        if not octets:
            return []
        kind = Kind.TEXT if octets[0] != FLAG_OCTET and _readable(octets) else Kind.NOISE
        alone = len(octets) == 1 and kind is Kind.TEXT
        return [Message(kind, self._inbound, octets, remark="" if alone else "unfinished")]

    def _cut(self, count: int) -> bytes:
        octets, self._buffer = self._buffer[:count], self._buffer[count:]
        return octets

    def _hdlc(self) -> Message | None:
        """The frame in front; a message without octets where only a used flag was taken away."""
        buffer = self._buffer
        at = 1
        while at < len(buffer) and buffer[at] == FLAG_OCTET:
            at += 1
        if at > 1:
            self._buffer = buffer = buffer[at - 1 :]
            self._flag_used = False
        if len(buffer) == 1:
            return None
        remark = ""
        try:
            header = Header.read(buffer, 1)
            if header is None or len(buffer) < header.length + 2:
                return None
            frame = header.frame(buffer, 1)
        except FrameError as error:
            if self._flag_used:
                self._flag_used = False
                self._buffer = buffer[1:]
                return Message(Kind.NOISE, self._inbound, b"")
            remark = str(error)
        else:
            octets = buffer[: header.length + 2]
            self._buffer = buffer[header.length + 1 :]
            self._flag_used = True
            return Message(Kind.HDLC, self._inbound, octets, frame=frame)
        self._flag_used = True  # what follows a broken frame is its end, or the next one
        end = buffer.find(b"\x7e", 1)
        return Message(Kind.NOISE, self._inbound, self._cut(len(buffer) if end < 0 else end), remark=remark)

    def _text(self) -> Message | None:
        """The text message or noise in front; None while more of it may come."""
        buffer = self._buffer
        self._flag_used = False
        match buffer[0] & 0x7F:
            case 0x06:
                end = self._acknowledgement(buffer)
            case 0x15:
                end = 1
            case 0x01 | 0x02:
                end = _block_end(buffer)
            case first if 0x20 <= first <= 0x7E or first in (_RETURN, _LINE_FEED):
                end = _line_end(buffer)
            case _:
                end = 1
                while end < len(buffer) and not _begins(buffer[end]):
                    end += 1
                return Message(Kind.NOISE, self._inbound, self._cut(end))
        if not end:
            if len(buffer) < MAX_HELD:
                return None
            return Message(Kind.TEXT, self._inbound, self._cut(len(buffer)), remark="unfinished")
        octets = self._cut(end)
        return Message(Kind.TEXT if _readable(octets) else Kind.NOISE, self._inbound, octets)

    @staticmethod
    def _acknowledgement(buffer: bytes) -> int:
        """ACK alone, or the option select that begins with it; 0 while that is open."""
        if len(buffer) == 1:
            return 0
        if not 0x30 <= buffer[1] & 0x7F <= 0x39:
            return 1
        for index in range(2, min(len(buffer), _OPTION_OCTETS)):
            if buffer[index] & 0x7F == _LINE_FEED:
                return index + 1
        return _OPTION_OCTETS if len(buffer) >= _OPTION_OCTETS else 0


class _WrapperStream:
    """One direction of a TCP connection with wrapper messages."""

    __slots__ = ("_buffer", "_inbound", "_lost")

    def __init__(self, inbound: bool) -> None:
        self._inbound = inbound
        self._buffer = b""
        self._lost = False  # a wrong header: where messages begin is not known any more

    @property
    def waiting(self) -> bool:
        """Whether octets are held."""
        return self._buffer != b""

    def take(self, data: bytes) -> list[Message]:
        """Messages completed by ``data``."""
        if self._lost:
            return [Message(Kind.NOISE, self._inbound, data)]
        buffer = self._buffer + data
        found: list[Message] = []
        at = 0
        while len(buffer) - at >= wrapper.HEADER:
            end = at + wrapper.HEADER + int.from_bytes(buffer[at + 6 : at + 8], "big")
            if buffer[at : at + 2] == b"\x00\x01" and len(buffer) < end:
                break
            message = _datagram(self._inbound, buffer[at:end])
            if message.kind is Kind.NOISE:
                self._lost = True
                message.octets = buffer[at:]
                at = len(buffer)
            else:
                at = end
            found.append(message)
        self._buffer = buffer[at:]
        return found

    def unfinished_text(self) -> list[Message]:
        """None: the directions of a connection do not wait for each other."""
        return []

    def flush(self) -> list[Message]:
        """All that waits."""
        octets, self._buffer = self._buffer, b""
        return [Message(Kind.NOISE, self._inbound, octets, remark="unfinished")] if octets else []


def _datagram(inbound: bool, data: bytes) -> Message:
    try:
        source, destination, apdu = wrapper.decode(data)
    except FrameError as error:
        return Message(Kind.NOISE, inbound, data, remark=str(error))
    return Message(Kind.WRAPPER, inbound, data, ports=(source, destination), apdu=apdu)


def _address_text(octets: bytes) -> str:
    upper, lower = decode_address(octets)
    return str(upper) if lower is None else f"{upper}/{lower}"


def without_llc(information: bytes) -> bytes:
    """The information of a frame without the three LLC octets that begin each APDU."""
    return information[3:] if information[:3] in (CLIENT_LLC, SERVER_LLC) else information


def _begins(octet: int) -> bool:
    """Whether a message may begin with ``octet``."""
    return octet == FLAG_OCTET or octet & 0x7F in (_SLASH, SOH, STX, ACK, NAK)


def _block_end(buffer: bytes) -> int:
    """Where a message from SOH or STX to its check ends; 0 while it is open. A break may do without a check."""
    seven = buffer.translate(SEVEN_BITS)
    if seven.startswith(b"\x01B0\r") and len(seven) >= 5:
        return 5 if seven[4] == _LINE_FEED else 4
    ends = [end for end in (seven.find(bytes((ETX,)), 1), seven.find(bytes((EOT,)), 1)) if end > 0]
    return min(ends) + 2 if ends and len(buffer) >= min(ends) + 2 else 0


def _line_end(buffer: bytes) -> int:
    """Where a line of text ends: behind LF, or before what begins something else; 0 while it is open."""
    found = _LINE_STOP.search(buffer, 0 if buffer[0] & 0x7F == _LINE_FEED else 1)
    if found is None:
        return 0
    return found.end() if found[0][0] & 0x7F == _LINE_FEED else found.start()


def _readable(octets: bytes) -> bool:
    """Whether these are the characters of text: nothing but printable ones and those that frame messages."""
    return all(octet in _TEXT for octet in octets.translate(SEVEN_BITS)[:-1]) or len(octets) == 1


_TEXT = frozenset({SOH, STX, ETX, EOT, ACK, NAK, _RETURN, _LINE_FEED, *range(0x20, 0x7F)})
_LINE_STOP = re.compile(rb"[\x0A\x8A]|[\x01\x02\x06\x15\x81\x82\x86\x95]|\x7E[\xA0-\xAF]", re.DOTALL)
_NAMES = """
    NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US
"""
_CHARACTERS = [f"<{name}>" for name in _NAMES.split()] + [chr(value) for value in range(0x20, 0x7F)] + ["<DEL>"]
