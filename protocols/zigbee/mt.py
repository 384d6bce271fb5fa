"""Frames of TI's Monitor and Test protocol (MT), which a host and a ZNP radio processor speak over a serial line.

Source: TI "Z-Stack Monitor and Test API" and "CC2530-ZNP Interface Specification", section on the UART transport:
start 0xFE, length (0..250) of the data, two command octets (type and subsystem, id), the data, and the exclusive or
of all octets from the length on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from protocols.errors import LocalProtocolError

START: Final = 0xFE
MAX_DATA: Final = 250
_OVERHEAD: Final = 5  # start, length, two command octets, check


class Kind(IntEnum):
    """The type of a frame: bits 5..7 of the first command octet. POLL is not used on a UART."""

    POLL = 0
    REQUEST = 1
    """SREQ: wants an answer before anything else is asked."""
    EVENT = 2
    """AREQ: wants none; either side sends it."""
    ANSWER = 3
    """SRSP: answers the request with the same subsystem and id."""


class Subsystem(IntEnum):
    """Whom a command is for: bits 0..4 of the first command octet."""

    ERROR = 0
    SYS = 1
    MAC = 2
    NWK = 3
    AF = 4
    ZDO = 5
    SAPI = 6
    UTIL = 7
    DEBUG = 8
    APP = 9
    APP_CONFIG = 15
    GREEN_POWER = 21


class RequestError(IntEnum):
    """Why a request was not understood: first octet of the answer 60 00."""

    SUBSYSTEM = 1
    COMMAND = 2
    PARAMETER = 3
    LENGTH = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. ``subsystem`` is 0..31, a :class:`Subsystem` or one nobody knows; ``data`` has at most 250 octets."""

    kind: Kind
    subsystem: int
    command: int
    data: bytes = b""

    def encode(self) -> bytes:
        """The frame as octets of the line. LocalProtocolError for a field out of its range."""
        if not 0 <= self.subsystem <= 0x1F or not 0 <= self.command <= 0xFF or len(self.data) > MAX_DATA:
            raise LocalProtocolError(
                f"an MT frame of subsystem {self.subsystem}, command {self.command}, {len(self.data)} octets",
                expected=f"subsystem 0..31, command 0..255, at most {MAX_DATA} octets",
            )
        body = bytes((len(self.data), self.kind << 5 | self.subsystem, self.command)) + self.data
        return bytes((START, *body, check(body)))

    def answer(self, data: bytes) -> Frame:
        """The answer to this request."""
        return Frame(Kind.ANSWER, self.subsystem, self.command, data)

    def refusal(self, reason: RequestError) -> Frame:
        """The answer that tells the host that this request was not understood."""
        return Frame(Kind.ANSWER, Subsystem.ERROR, 0, bytes((reason, self.kind << 5 | self.subsystem, self.command)))


def check(body: bytes) -> int:
    """The exclusive or of the octets from the length to the last of the data: 0..255."""
    total = 0
    for octet in body:
        total ^= octet
    return total


class Receiver:
    """Frames out of a stream of octets, however it is cut.

    What is no frame (octets before a start, a length over 250, a wrong check) is skipped and counted, and the search
    goes on at the octet after the false start, so that a damaged frame never hides the one behind it. Holds less than
    one frame (255 octets) between calls.
    """

    __slots__ = ("_held", "bad_frames", "skipped")

    def __init__(self) -> None:
        self._held = b""
        self.skipped = 0
        """Octets that belonged to no frame."""
        self.bad_frames = 0
        """Starts whose length or check was wrong."""

    def receive(self, octets: bytes) -> list[Frame]:
        """The frames that ``octets`` complete, in order. Raises nothing, whatever the octets."""
        held = self._held + octets
        frames: list[Frame] = []
        at = 0
        while True:
            start = held.find(START, at)
            if start < 0:
                self.skipped += len(held) - at
                at = len(held)
                break
            self.skipped += start - at
            at = start
            if at + 1 >= len(held):
                break
            size = held[at + 1]
            end = at + size + _OVERHEAD
            if size <= MAX_DATA and end > len(held):
                break
            if size > MAX_DATA or check(held[at + 1 : end - 1]) != held[end - 1]:
                self.bad_frames += 1
                self.skipped += 1
                at += 1
                continue
            head = held[at + 2]
            if head >> 5 in (Kind.POLL, Kind.REQUEST, Kind.EVENT, Kind.ANSWER):
                frames.append(Frame(Kind(head >> 5), head & 0x1F, held[at + 3], held[at + 4 : end - 1]))
            else:  # a whole frame of a type nobody defined
                self.bad_frames += 1
                self.skipped += end - at
            at = end
        self._held = held[at:]
        return frames

    def reset(self) -> None:
        """Forget a frame that has begun, as a processor does that restarts, or that waited too long for its end."""
        self._held = b""
