"""Reading the octets of an answer one field after the other."""

from __future__ import annotations

from protocols.dlms import axdr
from protocols.errors import DecodeError


class Reader:
    """A place in an APDU. Every method moves on, or raises DecodeError when the APDU is cut off."""

    __slots__ = ("apdu", "offset")

    def __init__(self, apdu: bytes, offset: int = 0) -> None:
        self.apdu = apdu
        self.offset = offset

    def take(self, count: int) -> bytes:
        """The next ``count`` octets."""
        start = self.offset
        end = start + count
        if end > len(self.apdu):
            raise DecodeError("cut off", start, f"{count} octets")
        self.offset = end
        return self.apdu[start:end]

    def octet(self) -> int:
        """The next octet."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Two octets."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """Four octets."""
        return int.from_bytes(self.take(4), "big")

    def count(self) -> int:
        """A number of elements, each of which takes an octet at least; more than there is room for is an error."""
        start = self.offset
        number, self.offset = axdr.read_length(self.apdu, start)
        left = len(self.apdu) - self.offset
        if number > left:
            raise DecodeError(f"{number} elements", start, f"no more than {left}")
        return number

    def sized(self) -> bytes:
        """A length and as many octets."""
        number, self.offset = axdr.read_length(self.apdu, self.offset)
        return self.take(number)

    def data(self) -> bytes:
        """One encoded Data."""
        start = self.offset
        self.offset = axdr.skip(self.apdu, start)
        return self.apdu[start : self.offset]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self.apdu) - self.offset)

    def end(self) -> None:
        """There must be nothing left."""
        if self.offset != len(self.apdu):
            raise DecodeError(f"{len(self.apdu) - self.offset} octets after the end", self.offset)
