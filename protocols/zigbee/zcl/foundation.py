"""Commands that all clusters share (ZCL specification 2.5): read, write, report, configure reporting, discover.

Each has a function that makes its payload and one that reads it. What comes from outside is bounded by its own octets.
Reading raises DecodeError only; making raises LocalProtocolError for what does not fit.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee.zcl import types
from protocols.zigbee.zcl.types import ANALOG, PACKERS, SIGNED, UNPACKERS, UNSIGNED, Value


class Command(IntEnum):
    """Ids of the foundation's commands (2.5, table 2-3)."""

    READ = 0x00
    READ_RESPONSE = 0x01
    WRITE = 0x02
    WRITE_UNDIVIDED = 0x03
    WRITE_RESPONSE = 0x04
    WRITE_NO_RESPONSE = 0x05
    CONFIGURE_REPORTING = 0x06
    CONFIGURE_REPORTING_RESPONSE = 0x07
    READ_REPORTING = 0x08
    READ_REPORTING_RESPONSE = 0x09
    REPORT = 0x0A
    DEFAULT_RESPONSE = 0x0B
    DISCOVER = 0x0C
    DISCOVER_RESPONSE = 0x0D
    DISCOVER_EXTENDED = 0x15
    DISCOVER_EXTENDED_RESPONSE = 0x16


class Status(IntEnum):
    """Status of what was asked for (2.6.3)."""

    SUCCESS = 0x00
    FAILURE = 0x01
    NOT_AUTHORIZED = 0x7E
    RESERVED_FIELD_NOT_ZERO = 0x7F
    MALFORMED_COMMAND = 0x80
    UNSUP_CLUSTER_COMMAND = 0x81
    UNSUP_GENERAL_COMMAND = 0x82
    UNSUP_MANUF_CLUSTER_COMMAND = 0x83
    UNSUP_MANUF_GENERAL_COMMAND = 0x84
    INVALID_FIELD = 0x85
    UNSUPPORTED_ATTRIBUTE = 0x86
    INVALID_VALUE = 0x87
    READ_ONLY = 0x88
    INSUFFICIENT_SPACE = 0x89
    DUPLICATE_EXISTS = 0x8A
    NOT_FOUND = 0x8B
    UNREPORTABLE_ATTRIBUTE = 0x8C
    INVALID_DATA_TYPE = 0x8D
    INVALID_SELECTOR = 0x8E
    WRITE_ONLY = 0x8F
    INCONSISTENT_STARTUP_STATE = 0x90
    DEFINED_OUT_OF_BAND = 0x91
    INCONSISTENT = 0x92
    ACTION_DENIED = 0x93
    TIMEOUT = 0x94
    ABORT = 0x95
    INVALID_IMAGE = 0x96
    WAIT_FOR_DATA = 0x97
    NO_IMAGE_AVAILABLE = 0x98
    REQUIRE_MORE_IMAGE = 0x99
    NOTIFICATION_PENDING = 0x9A
    HARDWARE_FAILURE = 0xC0
    SOFTWARE_FAILURE = 0xC1
    CALIBRATION_ERROR = 0xC2
    UNSUPPORTED_CLUSTER = 0xC3


class Record(NamedTuple):
    """An attribute's id, type and value, as reports and writes carry it."""

    attribute: int
    type: int
    value: Value


class ReadRecord(NamedTuple):
    """One answer of a read: ``type`` and ``value`` are None unless ``status`` is success."""

    attribute: int
    status: int
    type: int | None = None
    value: Value = None


class AttributeStatus(NamedTuple):
    """What became of a write to one attribute."""

    attribute: int
    status: int


class Reporting(NamedTuple):
    """How an attribute is to be reported (2.5.7).

    ``direction`` 0: the receiver of the command shall report, with type, the shortest and longest seconds between
    reports and, for analog types, the reportable change. 1: the sender will report, at most ``timeout`` seconds apart.
    """

    direction: int
    attribute: int
    type: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    change: Value = None
    timeout: int | None = None


class ReportingStatus(NamedTuple):
    """What became of one reporting configuration."""

    status: int
    direction: int
    attribute: int


class ReportingKey(NamedTuple):
    """Which configuration is asked for."""

    direction: int
    attribute: int


class ReportingRecord(NamedTuple):
    """One answer of read reporting configuration; ``reporting`` has no more than direction and attribute on failure."""

    status: int
    reporting: Reporting


class Discovered(NamedTuple):
    """An attribute that a cluster has; ``access`` (bit 0 read, 1 write, 2 report) in extended discovery only."""

    attribute: int
    type: int
    access: int | None = None


_ONE = struct.Struct("<B")
_TWO = struct.Struct("<BB")
_U16 = struct.Struct("<H")
_U16_U16 = struct.Struct("<HH")
_ID_STATUS = struct.Struct("<HB")
_STATUS_ID = struct.Struct("<BH")
_STATUS_DIRECTION_ID = struct.Struct("<BBH")

_CODES = {1: "b", 2: "h", 4: "i", 8: "q"}
_WHOLE: dict[int, Callable[[int, int, Value], bytes]] = {
    type: struct.Struct("<HB" + (code if type in SIGNED else code.upper())).pack
    for table in (UNSIGNED, SIGNED)
    for type, count in table.items()
    if (code := _CODES.get(count))
}
"""Attribute id, type and value in one step, for the types that allow it."""


def encode_records(records: Iterable[Record]) -> bytes:
    """Payload of a report or write: for each attribute its id, type and value."""
    parts: list[bytes] = []
    try:
        for attribute, type, value in records:
            pack = _WHOLE.get(type)
            parts.append(
                _ID_STATUS.pack(attribute, type) + PACKERS[type](value)
                if pack is None
                else pack(attribute, type, value)
            )
    except KeyError as error:
        raise LocalProtocolError(f"ZCL type {error} is not known") from error
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, struct.error) as error:
        raise LocalProtocolError(f"attribute records that cannot be encoded: {error}") from error
    return b"".join(parts)


def decode_records(payload: bytes) -> list[Record]:
    """The attributes of a report or write; DecodeError."""
    records: list[Record] = []
    offset, end = 0, len(payload)
    while offset < end:
        if offset + 3 > end:
            raise DecodeError("an attribute record is cut off", offset, "3 octets and a value")
        attribute, type = _ID_STATUS.unpack_from(payload, offset)
        unpack = UNPACKERS.get(type)
        value, offset = types.decode(type, payload, offset + 3) if unpack is None else unpack(payload, offset + 3)
        records.append(Record(attribute, type, value))
    return records


encode_report = encode_records
decode_report = decode_records
encode_write = encode_records
decode_write = decode_records


def encode_read(attributes: Sequence[int]) -> bytes:
    """Payload of Read Attributes."""
    try:
        return struct.pack(f"<{len(attributes)}H", *attributes)
    except struct.error as error:
        raise LocalProtocolError(f"attribute ids out of range: {list(attributes)}") from error


def decode_read(payload: bytes) -> tuple[int, ...]:
    """The attribute ids asked for; DecodeError."""
    if len(payload) % 2:
        raise DecodeError(f"Read Attributes of {len(payload)} octets", len(payload), "an even number")
    return struct.unpack(f"<{len(payload) // 2}H", payload)


def encode_read_response(records: Iterable[ReadRecord]) -> bytes:
    """Payload of the response to a read."""
    parts: list[bytes] = []
    for attribute, status, type, value in records:
        parts.append(_packed(_ID_STATUS, attribute, status))
        if status == Status.SUCCESS:
            if type is None:
                raise LocalProtocolError(f"attribute 0x{attribute:04x} read with success but without a type")
            parts.append(bytes((type,)) + types.encode(type, value))
    return b"".join(parts)


def decode_read_response(payload: bytes) -> list[ReadRecord]:
    """What was read; DecodeError."""
    records: list[ReadRecord] = []
    offset = 0
    while offset < len(payload):
        attribute, status = _unpacked(_ID_STATUS, payload, offset)
        offset += 3
        if status != Status.SUCCESS:
            records.append(ReadRecord(attribute, status))
            continue
        type, offset = _octet(payload, offset)
        value, offset = types.decode(type, payload, offset)
        records.append(ReadRecord(attribute, status, type, value))
    return records


def encode_write_response(failures: Iterable[AttributeStatus]) -> bytes:
    """Payload of the response to a write: the attributes that failed, or success alone."""
    return b"".join([_packed(_STATUS_ID, status, id) for id, status in failures]) or b"\x00"


def decode_write_response(payload: bytes) -> list[AttributeStatus]:
    """The attributes that were not written, none when all were; DecodeError."""
    if payload == b"\x00":
        return []
    found = [_unpacked(_STATUS_ID, payload, offset) for offset in range(0, len(payload), 3)]
    if not found:
        raise DecodeError("an empty Write Attributes Response", 0, "a status")
    return [AttributeStatus(attribute, status) for status, attribute in found]


def encode_configure_reporting(reportings: Iterable[Reporting]) -> bytes:
    """Payload of Configure Reporting."""
    return b"".join([_reporting(reporting) for reporting in reportings])


def decode_configure_reporting(payload: bytes) -> list[Reporting]:
    """What is to be reported; DecodeError."""
    found: list[Reporting] = []
    offset = 0
    while offset < len(payload):
        reporting, offset = _read_reporting(payload, offset)
        found.append(reporting)
    return found


def encode_configure_reporting_response(failures: Iterable[ReportingStatus]) -> bytes:
    """Payload of the response: the configurations that failed, or success alone."""
    return b"".join([_packed(_STATUS_DIRECTION_ID, *failure) for failure in failures]) or b"\x00"


def decode_configure_reporting_response(payload: bytes) -> list[ReportingStatus]:
    """The configurations that were refused, none when all were taken; DecodeError."""
    if payload == b"\x00":
        return []
    if not payload:
        raise DecodeError("an empty Configure Reporting Response", 0, "a status")
    return [ReportingStatus(*_unpacked(_STATUS_DIRECTION_ID, payload, offset)) for offset in range(0, len(payload), 4)]


def encode_read_reporting(keys: Iterable[ReportingKey]) -> bytes:
    """Payload of Read Reporting Configuration."""
    return b"".join([_packed(_STATUS_ID, *key) for key in keys])


def decode_read_reporting(payload: bytes) -> list[ReportingKey]:
    """Which configurations are asked for; DecodeError."""
    return [ReportingKey(*_unpacked(_STATUS_ID, payload, offset)) for offset in range(0, len(payload), 3)]


def encode_read_reporting_response(records: Iterable[ReportingRecord]) -> bytes:
    """Payload of the response: configurations, or why there is none."""
    return b"".join(
        [
            _packed(_STATUS_DIRECTION_ID, status, reporting.direction, reporting.attribute)
            if status
            else b"\x00" + _reporting(reporting)
            for status, reporting in records
        ]
    )


def decode_read_reporting_response(payload: bytes) -> list[ReportingRecord]:
    """The configurations; DecodeError."""
    found: list[ReportingRecord] = []
    offset = 0
    while offset < len(payload):
        status = payload[offset]
        if status:
            _, direction, attribute = _unpacked(_STATUS_DIRECTION_ID, payload, offset)
            reporting, offset = Reporting(direction, attribute), offset + 4
        else:
            reporting, offset = _read_reporting(payload, offset + 1)
        found.append(ReportingRecord(status, reporting))
    return found


def encode_default_response(command: int, status: int) -> bytes:
    """Payload of a default response to a command."""
    return _packed(_TWO, command, status)


def decode_default_response(payload: bytes) -> tuple[int, int]:
    """Which command, and its status; DecodeError."""
    if len(payload) != 2:
        raise DecodeError(f"a Default Response of {len(payload)} octets", 0, "2")
    return payload[0], payload[1]


def encode_discover(start: int, maximum: int) -> bytes:
    """Payload of Discover Attributes (Extended): the first id, and how many at most."""
    return _packed(_ID_STATUS, start, maximum)


def decode_discover(payload: bytes) -> tuple[int, int]:
    """The first attribute id and how many at most; DecodeError."""
    if len(payload) != 3:
        raise DecodeError(f"Discover Attributes of {len(payload)} octets", 0, "3")
    start, maximum = _ID_STATUS.unpack(payload)
    return start, maximum


def encode_discover_response(complete: bool, attributes: Iterable[Discovered]) -> bytes:
    """Payload of the response; extended where ``access`` is given."""
    parts = [b"\x01" if complete else b"\x00"]
    for attribute, type, access in attributes:
        parts.append(_packed(_ID_STATUS, attribute, type) + (b"" if access is None else _packed(_ONE, access)))
    return b"".join(parts)


def decode_discover_response(payload: bytes, extended: bool = False) -> tuple[bool, list[Discovered]]:
    """Whether that was all, and the attributes; DecodeError."""
    complete, offset = _octet(payload, 0)
    found: list[Discovered] = []
    while offset < len(payload):
        attribute, type = _unpacked(_ID_STATUS, payload, offset)
        offset += 3
        access = None
        if extended:
            access, offset = _octet(payload, offset)
        found.append(Discovered(attribute, type, access))
    return bool(complete), found


def _packed(layout: struct.Struct, *values: int) -> bytes:
    try:
        return layout.pack(*values)
    except struct.error as error:
        raise LocalProtocolError(f"a number of a ZCL command is out of range: {values}") from error


def _unpacked(layout: struct.Struct, payload: bytes, offset: int) -> tuple[int, ...]:
    try:
        return layout.unpack_from(payload, offset)
    except struct.error:
        raise DecodeError("a ZCL command is cut off", offset, f"{layout.size} octets") from None


def _octet(payload: bytes, offset: int) -> tuple[int, int]:
    if offset >= len(payload):
        raise DecodeError("a ZCL command is cut off", offset, "1 octet")
    return payload[offset], offset + 1


def _reporting(reporting: Reporting) -> bytes:
    head = _packed(_STATUS_ID, reporting.direction, reporting.attribute)
    if reporting.direction:
        return head + _packed(_U16, _given(reporting.timeout, reporting))
    type = _given(reporting.type, reporting)
    times = _packed(_U16_U16, _given(reporting.minimum, reporting), _given(reporting.maximum, reporting))
    return head + _packed(_ONE, type) + times + (types.encode(type, reporting.change) if type in ANALOG else b"")


def _given(value: int | None, reporting: Reporting) -> int:
    if value is None:
        raise LocalProtocolError(f"a field is missing in {reporting}")
    return value


def _read_reporting(payload: bytes, offset: int) -> tuple[Reporting, int]:
    direction, attribute = _unpacked(_STATUS_ID, payload, offset)
    offset += 3
    if direction > 1:
        raise DecodeError(f"reporting direction {direction}", offset - 3, "0 or 1")
    if direction:
        (timeout,) = _unpacked(_U16, payload, offset)
        return Reporting(direction, attribute, timeout=timeout), offset + 2
    type, offset = _octet(payload, offset)
    minimum, maximum = _unpacked(_U16_U16, payload, offset)
    offset += 4
    change: Value = None
    if type in ANALOG:
        change, offset = types.decode(type, payload, offset)
    elif type not in PACKERS:
        raise DecodeError(f"ZCL type 0x{type:02x} is not known", offset - 5)
    return Reporting(direction, attribute, type, minimum, maximum, change), offset
