"""A-XDR: every type there and back, and what is not one."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.dlms import axdr
from protocols.dlms.axdr import BitString, CompactArray, Data
from protocols.dlms.enums import Tag
from protocols.errors import DecodeError

OCTETS = {
    Tag.INT8: (1, True),
    Tag.INT16: (2, True),
    Tag.INT32: (4, True),
    Tag.INT64: (8, True),
    Tag.UINT8: (1, False),
    Tag.UINT16: (2, False),
    Tag.UINT32: (4, False),
    Tag.UINT64: (8, False),
    Tag.ENUM: (1, False),
    Tag.BCD: (1, False),
    Tag.BOOLEAN: (1, False),
}


def integers(tag: Tag) -> st.SearchStrategy[Data]:
    size, signed = OCTETS[tag]
    low = -(1 << 8 * size - 1) if signed else 0
    return st.integers(low, low + (1 << 8 * size) - 1).map(lambda value: Data(tag, value))


def bits() -> st.SearchStrategy[Data]:
    return st.text("01", max_size=40).map(lambda text: Data(Tag.BIT_STRING, BitString.of(text)))


def scalars() -> st.SearchStrategy[Data]:
    return st.one_of(
        st.just(Data(Tag.NULL, None)),
        *[integers(tag) for tag in OCTETS],
        bits(),
        st.binary(max_size=300).map(lambda value: Data(Tag.OCTET_STRING, value)),
        st.text(st.characters(max_codepoint=127), max_size=140).map(lambda value: Data(Tag.VISIBLE_STRING, value)),
        st.text(max_size=40).map(lambda value: Data(Tag.UTF8_STRING, value)),
        st.floats(width=32, allow_nan=False).map(lambda value: Data(Tag.FLOAT32, value)),
        st.floats(allow_nan=False).map(lambda value: Data(Tag.FLOAT64, value)),
        st.binary(min_size=12, max_size=12).map(lambda value: Data(Tag.DATE_TIME, value)),
        st.binary(min_size=5, max_size=5).map(lambda value: Data(Tag.DATE, value)),
        st.binary(min_size=4, max_size=4).map(lambda value: Data(Tag.TIME, value)),
        st.lists(st.integers(0, 0xFFFF), max_size=20).map(
            lambda values: Data(
                Tag.COMPACT_ARRAY, CompactArray(b"\x12", b"".join(value.to_bytes(2, "big") for value in values))
            )
        ),
    )


def trees() -> st.SearchStrategy[Data]:
    return st.recursive(
        scalars(),
        lambda inner: st.tuples(st.sampled_from((Tag.ARRAY, Tag.STRUCTURE)), st.lists(inner, max_size=5)).map(
            lambda made: Data(made[0], tuple(made[1]))
        ),
        max_leaves=30,
    )


@given(trees())
def test_round_trip(data: Data) -> None:
    octets = axdr.encode(data)
    assert axdr.decode_all(octets) == data
    assert axdr.encode(axdr.decode_all(octets)) == octets
    assert axdr.skip(b"\xff" + octets + b"\xff", 1) == len(octets) + 1


@given(trees(), st.integers(0, 1000))
def test_every_cut_is_refused(data: Data, at: int) -> None:
    octets = axdr.encode(data)
    cut = octets[: at % len(octets)]
    for read in (axdr.decode_all, lambda buffer: axdr.skip(buffer, 0)):
        with pytest.raises(DecodeError):
            read(cut)


@given(st.binary(max_size=200))
def test_any_octets(octets: bytes) -> None:
    """Decoding succeeds, and then gives the same octets again, or raises DecodeError; skip agrees with it."""
    try:
        data, end = axdr.decode(octets)
    except DecodeError:
        return
    assert axdr.skip(octets, 0) == end
    again = axdr.encode(data)
    assert axdr.encode(axdr.decode_all(again)) == again
    if data.tag == Tag.COMPACT_ARRAY and isinstance(data.value, CompactArray):
        with contextlib.suppress(DecodeError):
            data.value.elements()


@pytest.mark.parametrize(
    ("made", "octets"),
    [
        (axdr.boolean(True), "0301"),
        (axdr.i8(-3), "0ffd"),
        (axdr.i16(-2), "10fffe"),
        (axdr.i32(250_000), "050003d090"),
        (axdr.i64(-1), "14ffffffffffffffff"),
        (axdr.u8(255), "11ff"),
        (axdr.u16(512), "120200"),
        (axdr.u32(123_456), "060001e240"),
        (axdr.u64(1), "150000000000000001"),
        (axdr.enum_(30), "161e"),
        (axdr.bcd(0x42), "0d42"),
        (axdr.f32(1.5), "173fc00000"),
        (axdr.f64(-2.0), "18c000000000000000"),
        (axdr.octets(b"GRX"), "0903475258"),
        (axdr.octets(bytes(200)), "0981c8" + "00" * 200),
        (axdr.visible("AB"), "0a024142"),
        (axdr.utf8("\u00a3"), "0c02c2a3"),
        (axdr.bits("101"), "0403a0"),
        (axdr.structure(axdr.i8(-3), axdr.enum_(30)), "02020ffd161e"),
        (axdr.array([axdr.NULL] * 2), "01020000"),
        (axdr.compact_array(b"\x12", b"\x00\x01\x00\x02"), "13120400010002"),
        (axdr.date_time(bytes(12)), "19" + "00" * 12),
        (axdr.date(bytes(5)), "1a" + "00" * 5),
        (axdr.time(bytes(4)), "1b" + "00" * 4),
    ],
)
def test_known_octets(made: bytes, octets: str) -> None:
    assert made.hex() == octets
    assert axdr.encode(axdr.decode_all(made)) == made


def test_true_keeps_its_octet() -> None:
    """GB's data has FF for true."""
    assert axdr.decode_all(b"\x03\xff") == Data(Tag.BOOLEAN, 0xFF)
    assert axdr.encode(Data(Tag.BOOLEAN, 0xFF)) == b"\x03\xff"


def test_compact_array_of_structures() -> None:
    """One description, then contents without tags: structures of a number, an octet-string and two short numbers."""
    description = bytes.fromhex("02031209") + b"\x01\x00\x02\x11"
    contents = bytes.fromhex("0001 02 6162 0708") + bytes.fromhex("0002 00 090a")
    array = CompactArray(description, contents)
    assert array.elements() == (
        Data(2, (Data(18, 1), Data(9, b"ab"), Data(1, (Data(17, 7), Data(17, 8))))),
        Data(2, (Data(18, 2), Data(9, b""), Data(1, (Data(17, 9), Data(17, 10))))),
    )
    with pytest.raises(DecodeError):
        CompactArray(description, contents[:-1]).elements()


@pytest.mark.parametrize("opening", [b"\x01\x01", b"\x02\x01", b"\x13" + b"\x01\x00\x01"])
def test_nesting_is_bounded(opening: bytes) -> None:
    with pytest.raises(DecodeError, match="nested deeper"):
        axdr.decode(b"\x13" + opening[1:] * 100_000 if opening[0] == 0x13 else opening * 100_000 + axdr.NULL)


def test_as_deep_as_is_allowed() -> None:
    assert axdr.decode_all(b"\x01\x01" * axdr.MAX_DEPTH + axdr.NULL)
    with pytest.raises(DecodeError):
        axdr.decode_all(b"\x01\x01" * (axdr.MAX_DEPTH + 1) + axdr.NULL)


@pytest.mark.parametrize("tag", [1, 2])
def test_counts_that_cannot_be_true(tag: int) -> None:
    for octets in (b"\x84\xff\xff\xff\xff", b"\x83\x01\x00\x00" + bytes(70_000), b"\x85" + bytes(5), b"\x80"):
        with pytest.raises(DecodeError):
            axdr.decode(bytes((tag,)) + octets)


def test_empty_elements_of_a_compact_array_do_not_multiply() -> None:
    with pytest.raises(DecodeError):
        CompactArray(b"\x00", b"\x01").elements()
    with pytest.raises(DecodeError):
        CompactArray(b"\x01\xff\xff\x00", b"\x01").elements()


@given(st.integers(0, 1 << 32 - 1))
def test_lengths(value: int) -> None:
    octets = axdr.length(value)
    assert axdr.read_length(octets, 0) == (value, len(octets))
    assert len(octets) == (1 if value < 0x80 else 1 + -(-value.bit_length() // 8))


@given(st.integers(1, 65_538))
def test_what_fits(room: int) -> None:
    size = axdr.fitting(room)
    assert size + len(axdr.length(size)) <= room
    assert size + 1 + len(axdr.length(size + 1)) > room


@given(st.binary(max_size=300), st.binary(max_size=5))
def test_sized(part: bytes, rest: bytes) -> None:
    octets = axdr.sized(part)
    assert axdr.read_sized(octets + rest, 0) == (part, len(octets))
    with pytest.raises(DecodeError):
        axdr.read_sized(octets[:-1], 0)


def test_floats_are_those_of_ieee_754() -> None:
    assert axdr.decode_all(axdr.f64(0.1)).value == struct.unpack(">d", struct.pack(">d", 0.1))[0]
