"""The notation of COSEM types: what it takes, encodes and gives back."""

from __future__ import annotations

import pytest

from protocols.dlms import axdr
from protocols.dlms.types import parse_type, plain


@pytest.mark.parametrize(
    ("text", "value", "octets"),
    [
        ("u8", 5, "1105"),
        ("i32", -5, "05fffffffb"),
        ("enum", 30, "161e"),
        ("bool", True, "0301"),
        ("bcd", 0x12, "0d12"),
        ("oct", b"ab", "09026162"),
        ("oct", "hex:0102", "09020102"),
        ("oct6", "1-0:1.8.0", "09060100010800ff"),
        ("oct12", "07ea0101ff000000ff8000ff", "090c07ea0101ff000000ff8000ff"),
        ("vis", "AB", "0a024142"),
        ("utf8", "\u00a3", "0c02c2a3"),
        ("bits", "101", "0403a0"),
        ("bits8", "10000001", "040881"),
        ("date", "07ea0101ff", "1a07ea0101ff"),
        ("arr u8", [1, 2], "010211011102"),
        ("st{i8,enum}", [-3, 30], "02020ffd161e"),
        ("arr st{u8,oct2}", [[1, "0102"]], "01010202110109020102"),
        ("u8|null", None, "00"),
        ("any", {"u16": 7}, "120007"),
        ("any", None, "00"),
        ("f32", 1.5, "173fc00000"),
    ],
)
def test_encode_check_decode(text: str, value: object, octets: str) -> None:
    kind = parse_type(text)
    assert kind.encode(value).hex() == octets
    data = axdr.decode_all(bytes.fromhex(octets))
    assert kind.check(data)
    assert kind.encode(kind.decode(data) if text not in ("any",) else data).hex() == octets


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("u8", 256),
        ("u8", -1),
        ("u8", True),
        ("u8", "1"),
        ("oct6", b"12345"),
        ("bits8", "1"),
        ("bits", "2"),
        ("arr u8", 1),
        ("arr u8", [1, 300]),
        ("st{u8,u8}", [1]),
        ("date", "0102"),
        ("null", 1),
        ("vis", 3),
        ("u8|u16", 70_000),
        ("any", 3),
    ],
)
def test_values_that_do_not_fit(text: str, value: object) -> None:
    with pytest.raises(ValueError):
        parse_type(text).encode(value)


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("u8", "120001"),
        ("oct6", "090101"),
        ("bits8", "0403a0"),
        ("arr u8", "0101120001"),
        ("arr u8", "02011101"),
        ("st{u8,u8}", "02011101"),
        ("null", "1101"),
        ("u8|u16", "0600000001"),
    ],
)
def test_data_of_another_type(text: str, octets: str) -> None:
    assert not parse_type(text).check(axdr.decode_all(bytes.fromhex(octets)))


@pytest.mark.parametrize(
    ("text", "size"),
    [("u8", 2), ("oct6", 8), ("oct200", 203), ("st{u8,u16}", 7), ("arr u8", None), ("st{u8,oct}", None)],
)
def test_fixed_sizes(text: str, size: int | None) -> None:
    assert parse_type(text).fixed_size == size


@pytest.mark.parametrize("text", ["", "u9", "st{u8", "arr ", "u8 u8", "st{}", "u8|", "u8}", "oct-1"])
def test_no_type(text: str) -> None:
    with pytest.raises(ValueError):
        parse_type(text)


def test_plain_of_anything() -> None:
    array = axdr.compact_array(b"\x12", b"\x00\x01\x00\x02")
    whole = axdr.structure(axdr.boolean(True), axdr.bits("01"), array, axdr.NULL, axdr.octets(b"x"))
    assert plain(axdr.decode_all(whole)) == [True, "01", [1, 2], None, b"x"]
