"""What a server sends unasked: data-notification and event-notification (Green Book 9.3.9 and 9.3.10)."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.dlms import axdr
from protocols.dlms.enums import ApduTag
from protocols.errors import DecodeError

DESCRIPTOR_OCTETS = 9
DATE_TIME_OCTETS = 12


@dataclass(frozen=True, slots=True)
class DataNotification:
    """A push of data.

    ``invoke_id`` is the 32-bit long-invoke-id-and-priority, ``data`` encoded Data, ``date_time`` 12 octets or none.
    """

    invoke_id: int
    data: bytes
    date_time: bytes = b""

    def encode(self) -> bytes:
        """Octets from the tag 0F on."""
        return b"\x0f" + self.invoke_id.to_bytes(4, "big") + axdr.sized(self.date_time) + self.data

    @classmethod
    def decode(cls, apdu: bytes) -> DataNotification:
        """Raises DecodeError."""
        if len(apdu) < 6 or apdu[0] != ApduTag.DATA_NOTIFICATION:
            raise DecodeError("no data-notification", 0, "0F and at least five octets")
        date_time, offset = axdr.read_sized(apdu, 5)
        if len(date_time) not in (0, DATE_TIME_OCTETS):
            raise DecodeError(f"date-time of {len(date_time)} octets", 5, "12 or none")
        return cls(int.from_bytes(apdu[1:5], "big"), _rest(apdu, offset), date_time)


@dataclass(frozen=True, slots=True)
class EventNotification:
    """A change of one attribute: its nine-octet descriptor, its value as encoded Data, and when, if that is told."""

    descriptor: bytes
    data: bytes
    date_time: bytes | None = None

    def encode(self) -> bytes:
        """Octets from the tag C2 on."""
        time = b"\x00" if self.date_time is None else b"\x01" + axdr.sized(self.date_time)
        return b"\xc2" + time + self.descriptor + self.data

    @classmethod
    def decode(cls, apdu: bytes) -> EventNotification:
        """Raises DecodeError."""
        if len(apdu) < 2 or apdu[0] != ApduTag.EVENT_NOTIFICATION:
            raise DecodeError("no event-notification", 0, "C2 and what follows")
        date_time: bytes | None = None
        offset = 2
        if apdu[1] == 1:
            date_time, offset = axdr.read_sized(apdu, offset)
        elif apdu[1]:
            raise DecodeError(f"presence {apdu[1]:02X}", 1, "00 or 01")
        descriptor = apdu[offset : offset + DESCRIPTOR_OCTETS]
        if len(descriptor) != DESCRIPTOR_OCTETS:
            raise DecodeError("cut off", offset, "an attribute descriptor")
        return cls(descriptor, _rest(apdu, offset + DESCRIPTOR_OCTETS), date_time)


def _rest(apdu: bytes, offset: int) -> bytes:
    """The one Data that fills what is left."""
    end = axdr.skip(apdu, offset)
    if end != len(apdu):
        raise DecodeError(f"{len(apdu) - end} octets after the value", end)
    return apdu[offset:]
