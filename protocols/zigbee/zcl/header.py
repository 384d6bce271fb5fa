"""Frames of the Zigbee Cluster Library (ZCL specification 2.4.1): a header, and a command's payload."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple

from protocols.errors import DecodeError, LocalProtocolError


class FrameType(IntEnum):
    """What a command belongs to: all clusters alike (foundation), or its own cluster."""

    GLOBAL = 0
    CLUSTER = 1


class Direction(IntEnum):
    """Which side of a cluster a frame goes to, as the direction bit has it."""

    TO_SERVER = 0
    TO_CLIENT = 1


MANUFACTURER: Final = 0x04
TO_CLIENT: Final = 0x08
NO_DEFAULT_RESPONSE: Final = 0x10

_WITH_MANUFACTURER = struct.Struct("<BHBB")


class Frame(NamedTuple):
    """One ZCL frame. ``control`` keeps all its bits; ``manufacturer`` is None unless the control announces one."""

    control: int
    sequence: int
    command: int
    payload: bytes
    manufacturer: int | None = None

    @property
    def type(self) -> FrameType:
        """Whether the command is one of all clusters."""
        return FrameType(self.control & 0x03)

    @property
    def direction(self) -> Direction:
        """The side of the cluster that takes it."""
        return Direction.TO_CLIENT if self.control & TO_CLIENT else Direction.TO_SERVER

    @property
    def wants_default_response(self) -> bool:
        """Whether success is to be answered with a default response; failure always is."""
        return not self.control & NO_DEFAULT_RESPONSE

    def encode(self) -> bytes:
        """The octets; LocalProtocolError for a number out of range or a manufacturer at odds with the control octet."""
        if self.control & 0x02 or bool(self.control & MANUFACTURER) is (self.manufacturer is None):
            raise LocalProtocolError(
                f"a ZCL frame control of 0x{self.control:02x} for manufacturer {self.manufacturer}"
            )
        try:
            if self.manufacturer is None:
                return bytes((self.control, self.sequence, self.command)) + self.payload
            head = _WITH_MANUFACTURER.pack(self.control, self.manufacturer, self.sequence, self.command)
        except (ValueError, struct.error) as error:
            raise LocalProtocolError(
                f"a number of a ZCL header is out of range: {self[:3]}, {self.manufacturer}"
            ) from error
        return head + self.payload

    @classmethod
    def decode(cls, octets: bytes) -> Frame:
        """From an APS payload. DecodeError for one too short or of a reserved frame type."""
        if len(octets) < 3:
            raise DecodeError(f"a ZCL frame of {len(octets)} octets", len(octets), "at least 3")
        control = octets[0]
        if control & 0x02:
            raise DecodeError(f"ZCL frame type {control & 0x03} is reserved", 0, "0 or 1")
        if not control & MANUFACTURER:
            return cls(control, octets[1], octets[2], octets[3:])
        if len(octets) < 5:
            raise DecodeError(f"a manufacturer's ZCL frame of {len(octets)} octets", len(octets), "at least 5")
        _, manufacturer, sequence, command = _WITH_MANUFACTURER.unpack_from(octets)
        return cls(control, sequence, command, octets[5:], manufacturer)


def global_frame(
    sequence: int,
    command: int,
    payload: bytes = b"",
    direction: Direction = Direction.TO_SERVER,
    *,
    answer: bool = True,
) -> Frame:
    """A frame of a foundation command; ``answer``: whether success wants a default response."""
    return Frame(direction << 3 | (0 if answer else NO_DEFAULT_RESPONSE), sequence, command, payload)


def cluster_frame(
    sequence: int,
    command: int,
    payload: bytes = b"",
    direction: Direction = Direction.TO_SERVER,
    *,
    answer: bool = True,
) -> Frame:
    """A frame of a cluster's own command; ``answer``: whether success wants a default response."""
    return Frame(
        FrameType.CLUSTER | direction << 3 | (0 if answer else NO_DEFAULT_RESPONSE), sequence, command, payload
    )
