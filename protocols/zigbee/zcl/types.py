"""Attribute types of the ZCL (specification 2.6.2): values to octets and back by type id.

Numbers, bitmaps, enumerations and times are ``int``; booleans ``int`` too (0, 1, FF not available), so that what came
is sent back. An EUI-64 is ``bytes`` of 8 as printed. Octet strings are ``bytes``, character strings ``str`` (UTF-8; an
octet that is none is kept as a surrogate), both None when not available. An array, set or bag is :class:`Array`, a
structure a tuple of (type, value).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias, cast

from protocols.errors import DecodeError, LocalProtocolError

MAX_DEPTH: Final = 8
"""Most arrays and structures inside each other; the specification allows 15."""


class Type(IntEnum):
    """Type ids (2.6.2, table 2-10)."""

    NO_DATA = 0x00
    DATA8 = 0x08
    DATA16 = 0x09
    DATA24 = 0x0A
    DATA32 = 0x0B
    DATA40 = 0x0C
    DATA48 = 0x0D
    DATA56 = 0x0E
    DATA64 = 0x0F
    BOOL = 0x10
    MAP8 = 0x18
    MAP16 = 0x19
    MAP24 = 0x1A
    MAP32 = 0x1B
    MAP40 = 0x1C
    MAP48 = 0x1D
    MAP56 = 0x1E
    MAP64 = 0x1F
    U8 = 0x20
    U16 = 0x21
    U24 = 0x22
    U32 = 0x23
    U40 = 0x24
    U48 = 0x25
    U56 = 0x26
    U64 = 0x27
    S8 = 0x28
    S16 = 0x29
    S24 = 0x2A
    S32 = 0x2B
    S40 = 0x2C
    S48 = 0x2D
    S56 = 0x2E
    S64 = 0x2F
    ENUM8 = 0x30
    ENUM16 = 0x31
    SINGLE = 0x39
    DOUBLE = 0x3A
    OCTSTR = 0x41
    CHARSTR = 0x42
    LONG_OCTSTR = 0x43
    LONG_CHARSTR = 0x44
    ARRAY = 0x48
    STRUCT = 0x4C
    SET = 0x50
    BAG = 0x51
    TIME_OF_DAY = 0xE0
    DATE = 0xE1
    UTC = 0xE2
    CLUSTER_ID = 0xE8
    ATTRIBUTE_ID = 0xE9
    EUI64 = 0xF0
    KEY128 = 0xF1


class Array(NamedTuple):
    """Elements of one type. ``elements`` is None when the array is not available."""

    element: int
    elements: tuple[Value, ...] | None


Value: TypeAlias = "int | float | bytes | str | Array | tuple[tuple[int, Value], ...] | None"

Pack: TypeAlias = Callable[[Value], bytes]
Unpack: TypeAlias = Callable[[bytes, int], tuple[Value, int]]

UNSIGNED: Final[dict[int, int]] = {
    **{start + count - 1: count for start in (0x08, 0x18, 0x20) for count in range(1, 9)},
    Type.BOOL: 1,
    Type.ENUM8: 1,
    Type.ENUM16: 2,
    Type.TIME_OF_DAY: 4,
    Type.DATE: 4,
    Type.UTC: 4,
    Type.CLUSTER_ID: 2,
    Type.ATTRIBUTE_ID: 2,
}
"""Octets of each type that is an unsigned number on the air."""
SIGNED: Final[dict[int, int]] = {0x28 + count - 1: count for count in range(1, 9)}
"""Octets of each signed type."""
ANALOG: Final = frozenset((*range(0x20, 0x30), 0x39, 0x3A, 0xE0, 0xE1, 0xE2))
"""Types whose reports are ruled by a reportable change; the others are reported at any change."""

INVALID: Final[dict[int, int]] = {
    **{
        type: (1 << 8 * count) - 1
        for type, count in UNSIGNED.items()
        if not 0x08 <= type < 0x10 and not 0x18 <= type < 0x20
    },
    **{type: -(1 << 8 * count - 1) for type, count in SIGNED.items()},
}
"""The number that stands for "not available", of types that have one. Bitmaps and general data have none."""


def is_invalid(type: int, value: Value) -> bool:
    """Whether a value of this type says "not available"."""
    if isinstance(value, float):
        return value != value
    if isinstance(value, Array):
        return value.elements is None
    if isinstance(value, bytes):
        return type == Type.EUI64 and value == b"\xff" * 8
    return value is None or value == INVALID.get(type)


def encode(type: int, value: Value) -> bytes:
    """The octets of a value, without its type. LocalProtocolError for a wrong value or an unknown type."""
    pack = PACKERS.get(type)
    if pack is None:
        raise LocalProtocolError(f"ZCL type 0x{type:02x} is not known")
    try:
        return pack(value)
    except (ValueError, TypeError, AttributeError, OverflowError, struct.error, RecursionError) as error:
        raise LocalProtocolError(f"{value!r} is no value of ZCL type 0x{type:02x}") from error


def decode(type: int, octets: bytes, offset: int = 0) -> tuple[Value, int]:
    """A value and where it ends. DecodeError for an unknown type or octets that end early."""
    unpack = UNPACKERS.get(type)
    return _compound(type, octets, offset, MAX_DEPTH) if unpack is None else unpack(octets, offset)


def _cut(offset: int, wanted: int) -> DecodeError:
    return DecodeError("a ZCL value is cut off", offset, f"{wanted} octets")


def _number(count: int, signed: bool) -> tuple[Pack, Unpack]:
    def pack(value: Value) -> bytes:
        return cast("int", value).to_bytes(count, "little", signed=signed)

    def unpack(octets: bytes, offset: int) -> tuple[Value, int]:
        end = offset + count
        if end > len(octets):
            raise _cut(offset, count)
        return int.from_bytes(octets[offset:end], "little", signed=signed), end

    return pack, unpack


def _real(code: str) -> tuple[Pack, Unpack]:
    layout = struct.Struct(code)

    def unpack(octets: bytes, offset: int) -> tuple[Value, int]:
        if offset + layout.size > len(octets):
            raise _cut(offset, layout.size)
        return layout.unpack_from(octets, offset)[0], offset + layout.size

    return layout.pack, unpack


def _string(count: int, text: bool) -> tuple[Pack, Unpack]:
    none = (1 << 8 * count) - 1

    def pack(value: Value) -> bytes:
        if value is None:
            return none.to_bytes(count, "little")
        octets = cast("str", value).encode("utf-8", "surrogateescape") if text else bytes(cast("bytes", value))
        if isinstance(value, int) or len(octets) >= none:
            raise ValueError(f"{len(octets)} octets")
        return len(octets).to_bytes(count, "little") + octets

    def unpack(octets: bytes, offset: int) -> tuple[Value, int]:
        start = offset + count
        if start > len(octets):
            raise _cut(offset, count)
        size = int.from_bytes(octets[offset:start], "little")
        if size == none:
            return None, start
        end = start + size
        if end > len(octets):
            raise _cut(start, size)
        part = octets[start:end]
        return part.decode("utf-8", "surrogateescape") if text else part, end

    return pack, unpack


def _fixed(count: int, turned: bool) -> tuple[Pack, Unpack]:
    step = -1 if turned else 1

    def pack(value: Value) -> bytes:
        if not isinstance(value, bytes) or len(value) != count:
            raise ValueError(f"not {count} octets")
        return value[::step]

    def unpack(octets: bytes, offset: int) -> tuple[Value, int]:
        end = offset + count
        if end > len(octets):
            raise _cut(offset, count)
        return octets[offset:end][::step], end

    return pack, unpack


def _nothing(value: Value) -> bytes:
    if value is not None:
        raise ValueError("no data")
    return b""


def _array(value: Value) -> bytes:
    element, elements = cast("Array", value)
    if elements is None:
        return bytes((element,)) + b"\xff\xff"
    if element not in PACKERS or element == Type.NO_DATA or len(elements) >= 0xFFFF:
        raise ValueError(f"{len(elements)} elements of type {element}")
    return struct.pack("<BH", element, len(elements)) + b"".join([PACKERS[element](each) for each in elements])


def _structure(value: Value) -> bytes:
    if value is None:
        return b"\xff\xff"
    fields = cast("tuple[tuple[int, Value], ...]", value)
    if len(fields) >= 0xFFFF:
        raise ValueError(f"{len(fields)} fields")
    parts = [bytes((type,)) + encode(type, each) for type, each in fields]
    return len(fields).to_bytes(2, "little") + b"".join(parts)


def _compound(type: int, octets: bytes, offset: int, depth: int) -> tuple[Value, int]:
    """An array or structure; every element takes an octet, so that a count cannot ask for more than is there."""
    if type in UNPACKERS:
        return UNPACKERS[type](octets, offset)
    if type not in (Type.ARRAY, Type.SET, Type.BAG, Type.STRUCT):
        raise DecodeError(f"ZCL type 0x{type:02x} is not known", offset)
    if not depth:
        raise DecodeError("ZCL arrays and structures too deep", offset, f"at most {MAX_DEPTH}")
    start = offset if type == Type.STRUCT else offset + 1
    if start + 2 > len(octets):
        raise _cut(offset, start + 2 - offset)
    count, element = int.from_bytes(octets[start : start + 2], "little"), octets[offset]
    if type != Type.STRUCT and element == Type.NO_DATA:
        raise DecodeError("a ZCL array of elements without octets", offset)
    offset = start + 2
    if count == 0xFFFF:
        return (None if type == Type.STRUCT else Array(element, None)), offset
    values: list[Value] = []
    fields: list[tuple[int, Value]] = []
    for _ in range(count):
        if offset >= len(octets):
            raise _cut(offset, 1)
        if type == Type.STRUCT:
            value, end = _compound(octets[offset], octets, offset + 1, depth - 1)
            fields.append((octets[offset], value))
        else:
            value, end = _compound(element, octets, offset, depth - 1)
            values.append(value)
        offset = end
    return (tuple(fields) if type == Type.STRUCT else Array(element, tuple(values))), offset


_SIMPLE: dict[int, tuple[Pack, Unpack]] = {
    **{type: _number(count, False) for type, count in UNSIGNED.items()},
    **{type: _number(count, True) for type, count in SIGNED.items()},
    Type.NO_DATA: (_nothing, lambda octets, offset: (None, offset)),
    Type.SINGLE: _real("<f"),
    Type.DOUBLE: _real("<d"),
    Type.OCTSTR: _string(1, False),
    Type.CHARSTR: _string(1, True),
    Type.LONG_OCTSTR: _string(2, False),
    Type.LONG_CHARSTR: _string(2, True),
    Type.EUI64: _fixed(8, True),
    Type.KEY128: _fixed(16, False),
}
UNPACKERS: Final[dict[int, Unpack]] = {type: unpack for type, (_, unpack) in _SIMPLE.items()}
"""What reads a value of each type but the compound ones."""
PACKERS: Final[dict[int, Pack]] = {
    **{type: pack for type, (pack, _) in _SIMPLE.items()},
    Type.ARRAY: _array,
    Type.SET: _array,
    Type.BAG: _array,
    Type.STRUCT: _structure,
}
"""What writes a value of each type; raises what Python raises for a wrong value (:func:`encode` turns it)."""
