"""From plain values to encoded Data, one function a type, picked once when an object is compiled; and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from protocols.dlms import axdr
from protocols.dlms.types import DataType, parse_type
from protocols.errors import DecodeError

Encoder = Callable[[Any], bytes]


def encoder(type_text: str) -> Encoder:
    """The quickest encoder of a type in the notation of :mod:`protocols.dlms.types`."""
    return _SCALARS.get(type_text) or parse_type(type_text).encode


def decoded(data_type: DataType, encoded: bytes) -> Any:
    """The plain value of encoded Data of that type; ValueError for another shape."""
    try:
        data = axdr.decode_all(encoded)
    except DecodeError as error:
        raise ValueError(str(error)) from None
    if not data_type.check(data):
        raise ValueError(f"not of type {data_type.text}")
    return data_type.decode(data)


def _integer(tag: int, octets: int, signed: bool = False) -> Encoder:
    prefix = bytes((tag,))

    def encode(value: int) -> bytes:
        return prefix + value.to_bytes(octets, "big", signed=signed)

    return encode


_SCALARS: dict[str, Encoder] = {
    "u8": _integer(17, 1),
    "u16": _integer(18, 2),
    "u32": _integer(6, 4),
    "u64": _integer(21, 8),
    "i8": _integer(15, 1, signed=True),
    "i16": _integer(16, 2, signed=True),
    "i32": _integer(5, 4, signed=True),
    "i64": _integer(20, 8, signed=True),
    "enum": _integer(22, 1),
    "bool": axdr.boolean,
    "oct": axdr.octets,
    "oct4": axdr.octets,
    "oct5": axdr.octets,
    "oct6": axdr.octets,
    "oct8": axdr.octets,
    "oct12": axdr.octets,
    "oct16": axdr.octets,
}
