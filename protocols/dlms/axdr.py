"""A-XDR encoding of COSEM Data (IEC 61334-6 as the Green Book uses it).

Two halves. The functions named after types give encoded octets, tag included, so that a server builds an answer by
joining octets. :func:`decode` and :func:`encode` carry any Data as a tree of :class:`Data` and back, to the same
octets. What comes from outside is bounded: nesting by ``MAX_DEPTH``, the number of elements by the octets that are
there, and elements that take no octets of their own by ``MAX_EMPTY``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias, cast

from protocols.dlms.enums import Tag
from protocols.errors import DecodeError

MAX_DEPTH = 16
MAX_EMPTY = 65_535


class BitString(NamedTuple):
    """``size`` bits, the first in the most significant bit of the first octet."""

    size: int
    octets: bytes

    def __str__(self) -> str:
        return f"{int.from_bytes(self.octets, 'big'):0{len(self.octets) * 8}b}"[: self.size] if self.size else ""

    @classmethod
    def of(cls, bits: str) -> BitString:
        """From text of 0 and 1."""
        octets = -(-len(bits) // 8)
        return cls(len(bits), int(bits.ljust(octets * 8, "0"), 2).to_bytes(octets, "big") if bits else b"")


class CompactArray(NamedTuple):
    """A compact array: one type description (encoded) for all elements, and their contents without tags."""

    description: bytes
    contents: bytes

    def elements(self) -> tuple[Data, ...]:
        """The elements as Data; DecodeError when the contents do not fit the description."""
        found: list[Data] = []
        offset, end = 0, len(self.contents)
        while offset < end:
            item, _, after = _untagged(self.description, 0, self.contents, offset, MAX_DEPTH)
            if after == offset:
                raise DecodeError("compact array of elements that take no octets", offset)
            found.append(item)
            offset = after
        return tuple(found)


Value: TypeAlias = "int | float | bytes | str | BitString | CompactArray | tuple[Data, ...] | None"


class Data(NamedTuple):
    """One value with its tag. A boolean keeps its octet, so that FF is sent back as FF."""

    tag: int
    value: Value

    @property
    def elements(self) -> tuple[Data, ...]:
        """Elements of an array or structure, in order; none for anything else."""
        return cast("tuple[Data, ...]", self.value) if self.tag in _COMPOUND else ()


NULL = b"\x00"


def length(count: int) -> bytes:
    """A length or element count: one octet below 128, else 81, 82, .. and the number."""
    if count < 0x80:
        return bytes((count,))
    octets = -(-count.bit_length() // 8)
    return bytes((0x80 | octets,)) + count.to_bytes(octets, "big")


def fitting(room: int) -> int:
    """How many octets go into ``room`` octets (no more than 65,538) together with their own length; 0 when none do."""
    if room <= 0x80:
        return max(room - 1, 0)
    if room <= 0x101:
        return max(room - 2, 0x7F)
    return max(room - 3, 0xFF)


def sized(part: bytes) -> bytes:
    """Octets after their length, as an A-XDR octet string without a tag."""
    return length(len(part)) + part


def read_sized(buffer: bytes, offset: int) -> tuple[bytes, int]:
    """The octets of a string at ``offset`` that starts with its length, and where it ends; DecodeError."""
    count, start = read_length(buffer, offset)
    end = start + count
    if end > len(buffer):
        raise DecodeError("cut off", start, f"{count} octets")
    return buffer[start:end], end


def boolean(value: object) -> bytes:
    """boolean, 01 for true."""
    return b"\x03\x01" if value else b"\x03\x00"


def i8(value: int) -> bytes:
    """integer, -128 .. 127."""
    return b"\x0f" + value.to_bytes(1, "big", signed=True)


def i16(value: int) -> bytes:
    """long."""
    return b"\x10" + value.to_bytes(2, "big", signed=True)


def i32(value: int) -> bytes:
    """double-long."""
    return b"\x05" + value.to_bytes(4, "big", signed=True)


def i64(value: int) -> bytes:
    """long64."""
    return b"\x14" + value.to_bytes(8, "big", signed=True)


def u8(value: int) -> bytes:
    """unsigned."""
    return b"\x11" + value.to_bytes(1, "big")


def u16(value: int) -> bytes:
    """long-unsigned."""
    return b"\x12" + value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    """double-long-unsigned."""
    return b"\x06" + value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    """long64-unsigned."""
    return b"\x15" + value.to_bytes(8, "big")


def enum_(value: int) -> bytes:
    """enum, 0 .. 255."""
    return b"\x16" + value.to_bytes(1, "big")


def f32(value: float) -> bytes:
    """float32."""
    return b"\x17" + struct.pack(">f", value)


def f64(value: float) -> bytes:
    """float64."""
    return b"\x18" + struct.pack(">d", value)


def bcd(value: int) -> bytes:
    """bcd, one octet of two digits as it stands on the line."""
    return b"\x0d" + value.to_bytes(1, "big")


def octets(value: bytes) -> bytes:
    """octet-string."""
    return b"\x09" + length(len(value)) + value


def visible(value: str) -> bytes:
    """visible-string; ValueError outside ASCII."""
    raw = value.encode("ascii")
    return b"\x0a" + length(len(raw)) + raw


def utf8(value: str) -> bytes:
    """utf8-string."""
    raw = value.encode("utf-8")
    return b"\x0c" + length(len(raw)) + raw


def bits(value: str) -> bytes:
    """bit-string from text of 0 and 1."""
    return b"\x04" + length(len(value)) + BitString.of(value).octets


def array(items: Iterable[bytes]) -> bytes:
    """array of encoded elements."""
    elements = list(items)
    return b"\x01" + length(len(elements)) + b"".join(elements)


def structure(*items: bytes) -> bytes:
    """structure of encoded elements."""
    return b"\x02" + length(len(items)) + b"".join(items)


def date_time(value: bytes) -> bytes:
    """date-time of 12 octets, tag 25."""
    return b"\x19" + value


def date(value: bytes) -> bytes:
    """date of 5 octets, tag 26."""
    return b"\x1a" + value


def time(value: bytes) -> bytes:
    """time of 4 octets, tag 27."""
    return b"\x1b" + value


def compact_array(description: bytes, contents: bytes) -> bytes:
    """compact-array of an encoded type description and the contents of all elements."""
    return b"\x13" + description + length(len(contents)) + contents


def read_length(buffer: bytes, offset: int) -> tuple[int, int]:
    """A length at ``offset`` and where it ends; DecodeError when it is cut off or longer than four octets."""
    try:
        first = buffer[offset]
    except IndexError:
        raise DecodeError("cut off", offset, "a length") from None
    if first < 0x80:
        return first, offset + 1
    count = first & 0x7F
    end = offset + 1 + count
    if not 1 <= count <= 4 or end > len(buffer):
        raise DecodeError(f"length of {count} octets", offset, "1 to 4 octets that are there")
    return int.from_bytes(buffer[offset + 1 : end], "big"), end


def decode(buffer: bytes, offset: int = 0, max_depth: int = MAX_DEPTH) -> tuple[Data, int]:
    """The Data at ``offset`` and where it ends. Raises DecodeError."""
    try:
        tag = buffer[offset]
    except IndexError:
        raise DecodeError("cut off", offset, "a tag") from None
    reader = _READERS.get(tag)
    if reader is None:
        raise DecodeError(f"tag {tag} is no data type", offset)
    value, end = reader(buffer, offset + 1, max_depth)
    return Data(tag, value), end


def decode_all(buffer: bytes) -> Data:
    """The one Data that fills ``buffer``. Raises DecodeError."""
    data, end = decode(buffer)
    if end != len(buffer):
        raise DecodeError(f"{len(buffer) - end} octets after the value", end)
    return data


def skip(buffer: bytes, offset: int) -> int:
    """Where the Data at ``offset`` ends, without building it. Raises DecodeError."""
    tag = buffer[offset] if offset < len(buffer) else -1
    size = _FIXED.get(tag)
    if size is not None:
        end = offset + 1 + size
    elif tag in _COUNTED:
        count, start = read_length(buffer, offset + 1)
        end = start + count
    else:
        return decode(buffer, offset)[1]
    if end > len(buffer):
        raise DecodeError("cut off", offset)
    return end


def encode(data: Data) -> bytes:
    """Encoded octets of a tree that :func:`decode` gave or that was built alike."""
    tag, value = data
    if isinstance(value, tuple) and not isinstance(value, (BitString, CompactArray)):
        return bytes((tag,)) + length(len(value)) + b"".join([encode(item) for item in value])
    return bytes((tag,)) + _contents(tag, value)


def _contents(tag: int, value: Value) -> bytes:
    match value:
        case None:
            return b""
        case BitString(count, raw):
            return length(count) + raw
        case CompactArray(description, contents):
            return description + length(len(contents)) + contents
        case str():
            raw = value.encode("ascii" if tag == Tag.VISIBLE_STRING else "utf-8", "surrogateescape")
            return length(len(raw)) + raw
        case bytes():
            return value if tag in _FIXED else length(len(value)) + value
        case float():
            return struct.pack(">f" if tag == Tag.FLOAT32 else ">d", value)
        case int():
            return value.to_bytes(_FIXED[tag], "big", signed=tag in _SIGNED)
        case _:
            raise TypeError(f"no contents of tag {tag} from {type(value).__name__}")


_FIXED: dict[int, int] = {
    Tag.NULL: 0,
    Tag.BOOLEAN: 1,
    Tag.INT32: 4,
    Tag.UINT32: 4,
    Tag.BCD: 1,
    Tag.INT8: 1,
    Tag.INT16: 2,
    Tag.UINT8: 1,
    Tag.UINT16: 2,
    Tag.INT64: 8,
    Tag.UINT64: 8,
    Tag.ENUM: 1,
    Tag.FLOAT32: 4,
    Tag.FLOAT64: 8,
    Tag.DATE_TIME: 12,
    Tag.DATE: 5,
    Tag.TIME: 4,
}
_COMPOUND = frozenset((Tag.ARRAY, Tag.STRUCTURE))
_COUNTED = frozenset((Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING))
_SIGNED = frozenset((Tag.INT8, Tag.INT16, Tag.INT32, Tag.INT64))

_Reader = Callable[[bytes, int, int], tuple[Value, int]]


def _take(buffer: bytes, offset: int, count: int) -> bytes:
    end = offset + count
    if end > len(buffer):
        raise DecodeError("cut off", offset, f"{count} octets")
    return buffer[offset:end]


def _integer_reader(size: int, signed: bool) -> _Reader:
    def read(buffer: bytes, offset: int, _depth: int) -> tuple[Value, int]:
        end = offset + size
        if end > len(buffer):
            raise DecodeError("cut off", offset, f"{size} octets")
        return int.from_bytes(buffer[offset:end], "big", signed=signed), end

    return read


def _fixed_reader(size: int) -> _Reader:
    return lambda buffer, offset, _depth: (_take(buffer, offset, size), offset + size)


def _float_reader(layout: str) -> _Reader:
    size = struct.calcsize(layout)

    def read(buffer: bytes, offset: int, _depth: int) -> tuple[Value, int]:
        (value,) = struct.unpack(layout, _take(buffer, offset, size))
        return value, offset + size

    return read


def _read_null(_buffer: bytes, offset: int, _depth: int) -> tuple[Value, int]:
    return None, offset


def _read_octets(buffer: bytes, offset: int, _depth: int) -> tuple[Value, int]:
    count, start = read_length(buffer, offset)
    return _take(buffer, start, count), start + count


def _text_reader(encoding: str) -> _Reader:
    """Text; octets outside the encoding are kept as surrogates, so that they come back as they were."""

    def read(buffer: bytes, offset: int, _depth: int) -> tuple[Value, int]:
        count, start = read_length(buffer, offset)
        return _take(buffer, start, count).decode(encoding, "surrogateescape"), start + count

    return read


def _read_bits(buffer: bytes, offset: int, _depth: int) -> tuple[Value, int]:
    count, start = read_length(buffer, offset)
    size = -(-count // 8)
    return BitString(count, _take(buffer, start, size)), start + size


def _read_elements(buffer: bytes, offset: int, depth: int) -> tuple[Value, int]:
    if depth <= 0:
        raise DecodeError(f"nested deeper than {MAX_DEPTH}", offset)
    count, position = read_length(buffer, offset)
    # Every element takes an octet at least, so a count beyond what is left cannot be true.
    if count > len(buffer) - position or count > MAX_EMPTY:
        raise DecodeError(f"{count} elements", offset, f"no more than {min(len(buffer) - position, MAX_EMPTY)}")
    items: list[Data] = []
    for _ in range(count):
        item, position = decode(buffer, position, depth - 1)
        items.append(item)
    return tuple(items), position


def _read_compact(buffer: bytes, offset: int, depth: int) -> tuple[Value, int]:
    end = _description_end(buffer, offset, depth)
    count, start = read_length(buffer, end)
    return CompactArray(buffer[offset:end], _take(buffer, start, count)), start + count


def _description_end(buffer: bytes, offset: int, depth: int) -> int:
    """Where the type description at ``offset`` ends."""
    if depth <= 0:
        raise DecodeError(f"nested deeper than {MAX_DEPTH}", offset)
    tag = _take(buffer, offset, 1)[0]
    if tag == Tag.ARRAY:
        _take(buffer, offset + 1, 2)
        return _description_end(buffer, offset + 3, depth - 1)
    if tag == Tag.STRUCTURE:
        count, position = read_length(buffer, offset + 1)
        if count > len(buffer) - position:
            raise DecodeError(f"{count} elements", offset)
        for _ in range(count):
            position = _description_end(buffer, position, depth - 1)
        return position
    if tag not in _READERS or tag == Tag.COMPACT_ARRAY:
        raise DecodeError(f"tag {tag} in a type description", offset)
    return offset + 1


def _untagged(description: bytes, at: int, contents: bytes, offset: int, depth: int) -> tuple[Data, int, int]:
    """An element without tags: its Data, where its description ends and where its contents end."""
    if depth <= 0:
        raise DecodeError(f"nested deeper than {MAX_DEPTH}", offset)
    tag = description[at]
    if tag == Tag.ARRAY:
        count = int.from_bytes(description[at + 1 : at + 3], "big")
        after = _description_end(description, at + 3, depth)
        if count > len(contents) - offset:
            raise DecodeError(f"{count} elements", offset)
        items: list[Data] = []
        for _ in range(count):
            item, _, offset = _untagged(description, at + 3, contents, offset, depth - 1)
            items.append(item)
        return Data(tag, tuple(items)), after, offset
    if tag == Tag.STRUCTURE:
        count, at = read_length(description, at + 1)
        items = []
        for _ in range(count):
            item, at, offset = _untagged(description, at, contents, offset, depth - 1)
            items.append(item)
        return Data(tag, tuple(items)), at, offset
    value, end = _READERS[tag](contents, offset, depth)
    return Data(tag, value), at + 1, end


_READERS: dict[int, _Reader] = {
    Tag.NULL: _read_null,
    Tag.ARRAY: _read_elements,
    Tag.STRUCTURE: _read_elements,
    Tag.BOOLEAN: _integer_reader(1, signed=False),
    Tag.BIT_STRING: _read_bits,
    Tag.INT32: _integer_reader(4, signed=True),
    Tag.UINT32: _integer_reader(4, signed=False),
    Tag.OCTET_STRING: _read_octets,
    Tag.VISIBLE_STRING: _text_reader("ascii"),
    Tag.UTF8_STRING: _text_reader("utf-8"),
    Tag.BCD: _integer_reader(1, signed=False),
    Tag.INT8: _integer_reader(1, signed=True),
    Tag.INT16: _integer_reader(2, signed=True),
    Tag.UINT8: _integer_reader(1, signed=False),
    Tag.UINT16: _integer_reader(2, signed=False),
    Tag.COMPACT_ARRAY: _read_compact,
    Tag.INT64: _integer_reader(8, signed=True),
    Tag.UINT64: _integer_reader(8, signed=False),
    Tag.ENUM: _integer_reader(1, signed=False),
    Tag.FLOAT32: _float_reader(">f"),
    Tag.FLOAT64: _float_reader(">d"),
    Tag.DATE_TIME: _fixed_reader(12),
    Tag.DATE: _fixed_reader(5),
    Tag.TIME: _fixed_reader(4),
}
