"""EZSP frames: sequence, frame control, command, parameters.

Source: Silicon Labs UG100 "EZSP Reference Guide". Since version 8 a frame is the sequence, two octets of frame control,
the id of its command and the parameters. The first ``version`` of a host comes in the older form with one octet each,
since the host does not know yet whom it speaks to, and is answered in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocols.errors import DecodeError
from protocols.zigbee.fields import number, octet

VERSION: Final = 13
"""Of the protocol."""
VERSION_COMMAND: Final = 0x0000
INVALID_COMMAND: Final = 0x0058
OVERFLOW: Final = 0x01
"""Frame control of a response: callbacks were lost since the one before."""
RESPONSE: Final = 0x80
CALLBACK: Final = 0x90
"""A response, and of the kind that no command asked for."""
_NEW_FORM: Final = 0x01


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. ``control`` is the low octet of frame control; ``legacy`` says that it has the older form."""

    sequence: int
    control: int
    id: int
    parameters: bytes
    legacy: bool = False

    def encode(self) -> bytes:
        """The frame as ASH carries it. LocalProtocolError for numbers out of range."""
        if self.legacy:
            return octet(self.sequence) + octet(self.control) + octet(self.id) + self.parameters
        head = octet(self.sequence) + octet(self.control) + bytes((_NEW_FORM,))
        return head + number(self.id, 2) + self.parameters

    def response(self, parameters: bytes, id: int | None = None, flags: int = 0) -> Frame:
        """What answers this command, with its sequence and in its form."""
        return Frame(self.sequence, RESPONSE | flags, self.id if id is None else id, parameters, self.legacy)

    @classmethod
    def decode(cls, octets: bytes) -> Frame:
        """The frame in ``octets``. DecodeError where they are too few, or in a form that is neither."""
        if len(octets) < 3:
            raise DecodeError(f"an EZSP frame of {len(octets)} octets", expected="3 or more")
        if octets[2] == VERSION_COMMAND:
            return cls(octets[0], octets[1], octets[2], octets[3:], legacy=True)
        if octets[2] & 0x03 != _NEW_FORM:
            raise DecodeError(f"an EZSP frame of form {octets[2] & 0x03}", 2, str(_NEW_FORM))
        if len(octets) < 5:
            raise DecodeError(f"an EZSP frame of {len(octets)} octets", expected="5 or more")
        return cls(octets[0], octets[1], octets[3] | octets[4] << 8, octets[5:])
