"""xDLMS Initiate: what both sides can do, and how long an APDU may be (IEC 62056-5-3 7.2, A-XDR)."""

from __future__ import annotations

from typing import NamedTuple

from protocols.dlms import axdr
from protocols.dlms.enums import ApduTag, InitiateErrorCode
from protocols.errors import DecodeError

DLMS_VERSION = 6
VAA_NAME_LN = 0x0007
_CONFORMANCE = b"\x5f\x1f\x04\x00"
_USUAL = b"\x01\x00\x00\x00" + bytes((DLMS_VERSION,)) + _CONFORMANCE  # no key, an answer wanted, no quality of service
_CONFORMANCE_SHORT = b"\x5f\x04\x00"  # as some implementations shorten the application tag


class InitiateRequest(NamedTuple):
    """What a client proposes. ``conformance`` 24 bits; ``max_pdu`` in octets, 0 for no limit."""

    conformance: int
    max_pdu: int
    dedicated_key: bytes | None = None
    response_allowed: bool = True
    quality_of_service: int | None = None
    version: int = DLMS_VERSION

    def encode(self) -> bytes:
        """Octets from the tag 01 on."""
        dedicated = (
            b"\x00"
            if self.dedicated_key is None
            else b"\x01" + axdr.length(len(self.dedicated_key)) + self.dedicated_key
        )
        allowed = b"\x00" if self.response_allowed else b"\x01\x00"
        quality = b"\x00" if self.quality_of_service is None else bytes((1, self.quality_of_service & 0xFF))
        return (
            b"\x01"
            + dedicated
            + allowed
            + quality
            + bytes((self.version,))
            + _CONFORMANCE
            + self.conformance.to_bytes(3, "big")
            + self.max_pdu.to_bytes(2, "big")
        )

    @classmethod
    def decode(cls, octets: bytes) -> InitiateRequest:
        """Raises DecodeError."""
        if len(octets) == len(_USUAL) + 5 and octets.startswith(_USUAL):
            return cls(int.from_bytes(octets[-5:-2], "big"), int.from_bytes(octets[-2:], "big"))
        offset = _expect(octets, 0, ApduTag.INITIATE_REQUEST)
        dedicated: bytes | None = None
        present, offset = _octet(octets, offset)
        if present:
            size, offset = axdr.read_length(octets, offset)
            dedicated, offset = _slice(octets, offset, size)
        present, offset = _octet(octets, offset)
        allowed = True
        if present:
            value, offset = _octet(octets, offset)
            allowed = value != 0
        present, offset = _octet(octets, offset)
        quality: int | None = None
        if present:
            quality, offset = _octet(octets, offset)
        version, offset = _octet(octets, offset)
        conformance, offset = _conformance(octets, offset)
        size_octets, end = _slice(octets, offset, 2)
        _finished(octets, end)
        return cls(conformance, int.from_bytes(size_octets, "big"), dedicated, allowed, quality, version)


class InitiateResponse(NamedTuple):
    """What was negotiated. ``max_pdu`` is the largest APDU that the server takes."""

    conformance: int
    max_pdu: int
    quality_of_service: int | None = None
    version: int = DLMS_VERSION
    vaa_name: int = VAA_NAME_LN

    def encode(self) -> bytes:
        """Octets from the tag 08 on."""
        quality = b"\x00" if self.quality_of_service is None else bytes((1, self.quality_of_service & 0xFF))
        return (
            b"\x08"
            + quality
            + bytes((self.version,))
            + _CONFORMANCE
            + self.conformance.to_bytes(3, "big")
            + self.max_pdu.to_bytes(2, "big")
            + self.vaa_name.to_bytes(2, "big")
        )

    @classmethod
    def decode(cls, octets: bytes) -> InitiateResponse:
        """Raises DecodeError."""
        offset = _expect(octets, 0, ApduTag.INITIATE_RESPONSE)
        present, offset = _octet(octets, offset)
        quality: int | None = None
        if present:
            quality, offset = _octet(octets, offset)
        version, offset = _octet(octets, offset)
        conformance, offset = _conformance(octets, offset)
        rest, end = _slice(octets, offset, 4)
        _finished(octets, end)
        return cls(conformance, int.from_bytes(rest[:2], "big"), quality, version, int.from_bytes(rest[2:], "big"))


def initiate_error(code: InitiateErrorCode) -> bytes:
    """confirmed-service-error of Initiate: 0E 01 06 and the code."""
    return bytes((ApduTag.CONFIRMED_SERVICE_ERROR, 1, 6, code))


def decode_initiate_error(octets: bytes) -> InitiateErrorCode:
    """The code of a confirmed-service-error of Initiate; DecodeError for anything else."""
    if len(octets) != 4 or octets[:3] != b"\x0e\x01\x06" or octets[3] > max(InitiateErrorCode):
        raise DecodeError(f"{octets.hex()} is no error of Initiate", 0, "0E 01 06 and 0 to 4")
    return InitiateErrorCode(octets[3])


def _octet(octets: bytes, offset: int) -> tuple[int, int]:
    if offset >= len(octets):
        raise DecodeError("cut off", offset, "an octet")
    return octets[offset], offset + 1


def _slice(octets: bytes, offset: int, size: int) -> tuple[bytes, int]:
    if offset + size > len(octets):
        raise DecodeError("cut off", offset, f"{size} octets")
    return octets[offset : offset + size], offset + size


def _finished(octets: bytes, end: int) -> None:
    if end != len(octets):
        raise DecodeError(f"{len(octets) - end} octets too many", end)


def _expect(octets: bytes, offset: int, tag: int) -> int:
    found, offset = _octet(octets, offset)
    if found != tag:
        raise DecodeError(f"tag {found:02X}", offset - 1, f"{tag:02X}")
    return offset


def _conformance(octets: bytes, offset: int) -> tuple[int, int]:
    for prefix in (_CONFORMANCE, _CONFORMANCE_SHORT):
        if octets.startswith(prefix, offset):
            value, end = _slice(octets, offset + len(prefix), 3)
            return int.from_bytes(value, "big"), end
    raise DecodeError("no conformance block", offset, "5F 1F 04 00 and three octets")
