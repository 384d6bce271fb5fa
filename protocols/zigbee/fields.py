"""Small fields that Zigbee's commands are made of: little-endian numbers, reversed EUI-64s, keys as they are."""

from __future__ import annotations

from protocols.errors import DecodeError, LocalProtocolError


def octet(value: int) -> bytes:
    """A number of 0..255. LocalProtocolError for another."""
    return number(value, 1)


def short(value: int) -> bytes:
    """A number of 0..65535, low octet first. LocalProtocolError for another."""
    return number(value, 2)


def number(value: int, size: int) -> bytes:
    """An unsigned number of ``size`` octets, low octet first. LocalProtocolError where it does not fit."""
    try:
        return value.to_bytes(size, "little")
    except OverflowError as error:
        raise LocalProtocolError(f"the number {value}", expected=f"0..{(1 << 8 * size) - 1}") from error


def eui_octets(eui: bytes) -> bytes:
    """An EUI-64 or extended PAN id as it goes on the air. LocalProtocolError unless it has 8 octets."""
    return fixed(eui, 8)[::-1]


def fixed(octets: bytes, size: int) -> bytes:
    """``octets``, which must be ``size`` long: a key of 16, say. LocalProtocolError otherwise."""
    if len(octets) != size:
        raise LocalProtocolError(f"a field of {len(octets)} octets", expected=str(size))
    return octets


class Reader:
    """Takes fields from octets one after the other; each raises DecodeError where the octets end within it."""

    __slots__ = ("_octets", "at")

    def __init__(self, octets: bytes, at: int = 0) -> None:
        self._octets = octets
        self.at = at

    def take(self, size: int) -> bytes:
        """The next ``size`` octets."""
        end = self.at + size
        if end > len(self._octets):
            raise DecodeError("the octets end too soon", len(self._octets), f"{end} octets")
        octets, self.at = self._octets[self.at : end], end
        return octets

    def octet(self) -> int:
        """A number of one octet."""
        return self.take(1)[0]

    def short(self) -> int:
        """A number of two octets."""
        return int.from_bytes(self.take(2), "little")

    def eui(self) -> bytes:
        """An EUI-64, most significant octet first."""
        return self.take(8)[::-1]

    def key(self) -> bytes:
        """A key."""
        return self.take(16)

    def rest(self) -> bytes:
        """All that is left."""
        octets, self.at = self._octets[self.at :], len(self._octets)
        return octets

    def end(self) -> None:
        """DecodeError if anything is left."""
        if self.at != len(self._octets):
            raise DecodeError(f"{len(self._octets) - self.at} octets too many", self.at, "the end")
