"""ACSE: opening and releasing an application association (IEC 62056-5-3 7.2, BER)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from protocols.errors import DecodeError

CONTEXT_PREFIX = bytes.fromhex("608574050801")
MECHANISM_PREFIX = bytes.fromhex("608574050802")
UNKNOWN = 0
"""A context or mechanism name outside the DLMS tree."""
_CONTEXT_NAME = b"\xa1\x09\x06\x07" + CONTEXT_PREFIX
_RESPONDER = b"\x88\x02\x07\x80\x89\x07" + MECHANISM_PREFIX


class AssociationResult(IntEnum):
    """result of an AARE."""

    ACCEPTED = 0
    REJECTED_PERMANENT = 1
    REJECTED_TRANSIENT = 2


class DiagnosticSource(IntEnum):
    """Who speaks in result-source-diagnostic: its BER tag."""

    USER = 0xA1
    PROVIDER = 0xA2


class UserDiagnostic(IntEnum):
    """acse-service-user diagnostics."""

    NULL = 0
    NO_REASON = 1
    CONTEXT_NOT_SUPPORTED = 2
    CALLING_TITLE_NOT_RECOGNISED = 3
    MECHANISM_NOT_RECOGNISED = 11
    MECHANISM_REQUIRED = 12
    AUTHENTICATION_FAILURE = 13
    AUTHENTICATION_REQUIRED = 14


class ProviderDiagnostic(IntEnum):
    """acse-service-provider diagnostics."""

    NULL = 0
    NO_REASON = 1
    NO_COMMON_VERSION = 2


class Aarq(NamedTuple):
    """A client asks for an association.

    ``context`` and ``mechanism`` are the last arcs of their names, 0 for a name outside the DLMS tree. ``title`` is the
    calling-AP-title, ``authentication`` the calling-authentication-value, ``protocol_version`` the octets of that bit
    string where it is sent.
    """

    context: int
    user_information: bytes
    mechanism: int | None = None
    authentication: bytes | None = None
    title: bytes | None = None
    user_id: int | None = None
    protocol_version: bytes | None = None

    def encode(self) -> bytes:
        """Octets from the tag 60 on."""
        parts: list[bytes] = []
        if self.protocol_version is not None:
            parts.append(tlv(0x80, self.protocol_version))
        parts.append(_CONTEXT_NAME + bytes((self.context,)))
        if self.title is not None:
            parts.append(tlv(0xA6, tlv(0x04, self.title)))
        if self.user_id is not None:
            parts.append(tlv(0xA9, tlv(0x02, bytes((self.user_id,)))))
        if self.mechanism is not None:
            parts.append(b"\x8a\x02\x07\x80" + tlv(0x8B, MECHANISM_PREFIX + bytes((self.mechanism,))))
        if self.authentication is not None:
            parts.append(tlv(0xAC, tlv(0x80, self.authentication)))
        parts.append(tlv(0xBE, tlv(0x04, self.user_information)))
        return tlv(0x60, b"".join(parts))

    @classmethod
    def decode(cls, apdu: bytes) -> Aarq:
        """Raises DecodeError. Fields that have no use here are skipped."""
        context: int | None = None
        user_information: bytes | None = None
        mechanism: int | None = None
        authentication = title = protocol_version = None
        user_id: int | None = None
        for tag, value, offset in fields(apdu, 0x60):
            match tag:
                case 0x80:
                    protocol_version = value
                case 0xA1:
                    context = _arc(inner(value, 0x06, offset), CONTEXT_PREFIX)
                case 0xA6:
                    title = inner(value, 0x04, offset)
                case 0xA9:
                    number = inner(value, 0x02, offset)
                    user_id = int.from_bytes(number[-1:], "big")
                case 0x8B:
                    mechanism = _arc(value, MECHANISM_PREFIX)
                case 0xAC:
                    authentication = inner(value, 0x80, offset)
                case 0xBE:
                    user_information = inner(value, 0x04, offset)
                case _:
                    pass
        if context is None:
            raise DecodeError("no application-context-name", 0, "field A1")
        if user_information is None:
            raise DecodeError("no user-information", 0, "field BE")
        return cls(context, user_information, mechanism, authentication, title, user_id, protocol_version)


class Aare(NamedTuple):
    """A server's answer."""

    context: int
    result: int
    source: DiagnosticSource
    diagnostic: int
    user_information: bytes | None = None
    title: bytes | None = None
    mechanism: int | None = None
    authentication: bytes | None = None

    def encode(self) -> bytes:
        """Octets from the tag 61 on."""
        parts = [
            _CONTEXT_NAME,
            bytes((self.context, 0xA2, 3, 2, 1, self.result, 0xA3, 5, self.source, 3, 2, 1, self.diagnostic)),
        ]
        if self.title is not None:
            parts.append(tlv(0xA4, tlv(0x04, self.title)))
        if self.mechanism is not None:
            parts.append(_RESPONDER + bytes((self.mechanism,)))
        if self.authentication is not None:
            parts.append(tlv(0xAA, tlv(0x80, self.authentication)))
        if self.user_information is not None:
            parts.append(tlv(0xBE, tlv(0x04, self.user_information)))
        return tlv(0x61, b"".join(parts))

    @classmethod
    def decode(cls, apdu: bytes) -> Aare:
        """Raises DecodeError."""
        context, result, diagnostic = UNKNOWN, -1, 0
        source = DiagnosticSource.USER
        user_information = title = authentication = None
        mechanism: int | None = None
        for tag, value, offset in fields(apdu, 0x61):
            match tag:
                case 0xA1:
                    context = _arc(inner(value, 0x06, offset), CONTEXT_PREFIX)
                case 0xA2:
                    result = int.from_bytes(inner(value, 0x02, offset)[-1:], "big")
                case 0xA3:
                    if not value or value[0] not in (DiagnosticSource.USER, DiagnosticSource.PROVIDER):
                        raise DecodeError("no result-source-diagnostic", offset, "A1 or A2")
                    source = DiagnosticSource(value[0])
                    number = inner(inner(value, value[0], offset), 0x02, offset)
                    diagnostic = int.from_bytes(number[-1:], "big")
                case 0xA4:
                    title = inner(value, 0x04, offset)
                case 0x89:
                    mechanism = _arc(value, MECHANISM_PREFIX)
                case 0xAA:
                    authentication = inner(value, 0x80, offset)
                case 0xBE:
                    user_information = inner(value, 0x04, offset)
                case _:
                    pass
        if result < 0:
            raise DecodeError("no result", 0, "field A2")
        return cls(context, result, source, diagnostic, user_information, title, mechanism, authentication)


class Release(NamedTuple):
    """RLRQ and RLRE. ``reason`` 0 normal, 1 urgent (request) or not finished (response), 30 user defined."""

    response: bool
    reason: int | None = 0
    user_information: bytes | None = None

    def encode(self) -> bytes:
        """Octets from the tag 62 or 63 on."""
        reason = b"" if self.reason is None else bytes((0x80, 1, self.reason))
        information = b"" if self.user_information is None else tlv(0xBE, tlv(0x04, self.user_information))
        return tlv(0x63 if self.response else 0x62, reason + information)

    @classmethod
    def decode(cls, apdu: bytes) -> Release:
        """Raises DecodeError."""
        response = apdu[:1] == b"\x63"
        reason: int | None = None
        user_information: bytes | None = None
        for tag, value, offset in fields(apdu, 0x63 if response else 0x62):
            if tag == 0x80:
                reason = int.from_bytes(value[-1:], "big")
            elif tag == 0xBE:
                user_information = inner(value, 0x04, offset)
        return cls(response, reason, user_information)


def tlv(tag: int, value: bytes) -> bytes:
    """A BER field; lengths from 128 octets on in the long form."""
    size = len(value)
    if size < 0x80:
        return bytes((tag, size)) + value
    octets = -(-size.bit_length() // 8)
    return bytes((tag, 0x80 | octets)) + size.to_bytes(octets, "big") + value


def fields(apdu: bytes, tag: int) -> list[tuple[int, bytes, int]]:
    """Tag, value and offset of each field of a constructed BER value that fills ``apdu``. Raises DecodeError."""
    if not apdu or apdu[0] != tag:
        raise DecodeError(f"tag {apdu[:1].hex() or 'missing'}", 0, f"{tag:02X}")
    size, position = _length(apdu, 1)
    if position + size != len(apdu):
        raise DecodeError(f"{len(apdu) - position} octets", position, f"{size}")
    found: list[tuple[int, bytes, int]] = []
    while position < len(apdu):
        size, start = _length(apdu, position + 1)
        end = start + size
        if end > len(apdu):
            raise DecodeError("cut off", position, f"{size} octets")
        found.append((apdu[position], apdu[start:end], position))
        position = end
    return found


def inner(value: bytes, tag: int, offset: int) -> bytes:
    """The value of the one field of that tag in ``value``; ``offset`` is where that stands. Raises DecodeError."""
    size, start = _length(value, 1)
    if value[0] != tag or start + size != len(value):
        raise DecodeError(f"tag {value[0]:02X} of {len(value)} octets", offset, f"one field {tag:02X}")
    return value[start:]


def _length(octets: bytes, offset: int) -> tuple[int, int]:
    """The length at ``offset`` and where it ends."""
    if offset >= len(octets):
        raise DecodeError("cut off", offset, "a length")
    size = octets[offset]
    if size < 0x80:
        return size, offset + 1
    end = offset + 1 + (size & 0x7F)
    if not 1 <= size & 0x7F <= 3 or end > len(octets):
        raise DecodeError(f"length of {size & 0x7F} octets", offset, "1 to 3 octets that are there")
    return int.from_bytes(octets[offset + 1 : end], "big"), end


def _arc(name: bytes, prefix: bytes) -> int:
    return name[-1] if len(name) == len(prefix) + 1 and name.startswith(prefix) else UNKNOWN
