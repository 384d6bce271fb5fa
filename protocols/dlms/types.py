"""A small language for the types of COSEM attributes and method parameters.

============================== ==================================================================
``u8 i32 enum bool f32 ...``   simple types; ``any`` for whatever comes
``oct`` ``oct12``              octet-string of any or of one length
``vis utf8 bcd bits bits8``    strings; ``bits8`` has just eight bits
``date_time date time``        the types of their own, tags 25 to 27
``raw``                        whatever comes, given as its encoded octets in hexadecimal
``arr T``                      array of T
``st{T,T}``                    structure
``T|U``                        either
============================== ==================================================================

A plain value is what a profile file or a program gives: numbers, text of 0 and 1 for bits, lists for arrays and
structures, bytes or text for octet-strings (hexadecimal for those of a fixed length, an OBIS code for ``oct6``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.axdr import BitString, CompactArray, Data
from protocols.dlms.enums import Tag
from protocols.errors import ProtocolError


class DataType:
    """A type: checks decoded Data, encodes plain values, gives plain values back."""

    __slots__ = ("fixed_size", "text")

    def __init__(self, text: str, fixed_size: int | None = None) -> None:
        self.text = text
        self.fixed_size = fixed_size
        """Encoded octets, tag included, where every value has as many; else None."""

    def __repr__(self) -> str:
        return f"DataType({self.text!r})"

    def check(self, data: Data) -> bool:
        """Whether ``data`` is of this type."""
        raise NotImplementedError

    def encode(self, value: Any) -> bytes:
        """Encoded Data of a plain value; ValueError that says what is allowed."""
        raise NotImplementedError

    def decode(self, data: Data) -> Any:
        """The plain value of Data that :meth:`check` accepts."""
        return plain(data)

    def written(self, data: Data) -> Any:
        """The plain value of Data that :meth:`check` accepts as a file holds it: without octets, and never None.

        :meth:`encode` makes the same Data of it. ValueError for what no file can hold, such as null.
        """
        value = self.decode(data)
        if isinstance(value, bytes):
            return value.hex().upper()
        if value is None or not isinstance(value, bool | int | float | str):
            raise ValueError(f"{self.text}: no value that a file can hold")
        return value


def plain(data: Data) -> Any:
    """Any Data as a plain value: numbers, text, octets, text of 0 and 1 for bits, lists."""
    value = data.value
    match value:
        case BitString():
            return str(value)
        case CompactArray():
            return [plain(item) for item in value.elements()]
        case tuple():
            return [plain(item) for item in value]
        case int() if data.tag == Tag.BOOLEAN:
            return bool(value)
        case _:
            return value


class _Integer(DataType):
    __slots__ = ("_high", "_low", "_octets", "_tag")

    def __init__(self, text: str, tag: Tag, octets: int, signed: bool) -> None:
        super().__init__(text, 1 + octets)
        self._tag = int(tag)
        self._octets = octets
        self._low = -(1 << 8 * octets - 1) if signed else 0
        self._high = (1 << 8 * octets - signed) - 1

    def check(self, data: Data) -> bool:
        return data.tag == self._tag

    def encode(self, value: Any) -> bytes:
        if isinstance(value, bool) or not isinstance(value, int) or not self._low <= value <= self._high:
            raise ValueError(f"{value!r}: {self.text} is a whole number from {self._low} to {self._high}")
        return bytes((self._tag,)) + value.to_bytes(self._octets, "big", signed=self._low < 0)


class _Simple(DataType):
    """A type whose encoder exists in :mod:`protocols.dlms.axdr` and takes one kind of plain value."""

    __slots__ = ("_allowed", "_encode", "_tag")

    def __init__(
        self, text: str, tag: Tag, encode: Callable[[Any], bytes], allowed: type | tuple[type, ...], size: int | None
    ) -> None:
        super().__init__(text, size)
        self._tag = int(tag)
        self._encode = encode
        self._allowed = allowed

    def check(self, data: Data) -> bool:
        return data.tag == self._tag

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, self._allowed):
            raise ValueError(f"{value!r}: not a value of {self.text}")
        return self._encode(value)


class _Null(DataType):
    __slots__ = ()

    def check(self, data: Data) -> bool:
        return data.tag == Tag.NULL

    def encode(self, value: Any) -> bytes:
        if value is not None:
            raise ValueError(f"{value!r}: null has no value")
        return axdr.NULL


class _Octets(DataType):
    __slots__ = ("_size",)

    def __init__(self, text: str, size: int | None) -> None:
        super().__init__(text, None if size is None else 1 + len(axdr.length(size)) + size)
        self._size = size

    def check(self, data: Data) -> bool:
        if data.tag != Tag.OCTET_STRING:
            return False
        return self._size is None or len(cast(bytes, data.value)) == self._size

    def encode(self, value: Any) -> bytes:
        raw = self._raw(value)
        if self._size is not None and len(raw) != self._size:
            raise ValueError(f"{value!r}: {self.text} has {self._size} octets, not {len(raw)}")
        return axdr.octets(raw)

    def _raw(self, value: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str):
            raise ValueError(f"{value!r}: {self.text} is octets, or text")
        if value.startswith("hex:"):
            return bytes.fromhex(value[4:])
        if self._size is None:
            return value.encode("utf-8")
        if self._size == obis.OCTETS and ":" in value:
            return obis.parse(value)
        try:
            return bytes.fromhex(value)
        except ValueError:
            return value.encode("utf-8")

    def written(self, data: Data) -> Any:
        octets = cast(bytes, data.value)
        if self._size is not None:
            return octets.hex().upper()
        readable = octets.isascii() and octets.decode("ascii").isprintable() and not octets.startswith(b"hex:")
        return octets.decode("ascii") if readable else f"hex:{octets.hex().upper()}"


class _DateTimeOctets(DataType):
    """date-time, date or time with a tag of its own."""

    __slots__ = ("_size", "_tag")

    def __init__(self, text: str, tag: Tag, size: int) -> None:
        super().__init__(text, 1 + size)
        self._tag = int(tag)
        self._size = size

    def check(self, data: Data) -> bool:
        return data.tag == self._tag

    def encode(self, value: Any) -> bytes:
        raw = bytes.fromhex(value) if isinstance(value, str) else value
        if not isinstance(raw, bytes) or len(raw) != self._size:
            raise ValueError(f"{value!r}: {self.text} has {self._size} octets, as octets or hexadecimal")
        return bytes((self._tag,)) + raw


class _Bits(DataType):
    __slots__ = ("_count",)

    def __init__(self, text: str, count: int | None) -> None:
        super().__init__(text)
        self._count = count

    def check(self, data: Data) -> bool:
        if data.tag != Tag.BIT_STRING:
            return False
        return self._count is None or cast(BitString, data.value).size == self._count

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, str) or value.strip("01"):
            raise ValueError(f"{value!r}: {self.text} is text of 0 and 1")
        if self._count is not None and len(value) != self._count:
            raise ValueError(f"{value!r}: {self.text} has {self._count} bits, not {len(value)}")
        return axdr.bits(value)


class _Array(DataType):
    __slots__ = ("element",)

    def __init__(self, text: str, element: DataType) -> None:
        super().__init__(text)
        self.element = element

    def check(self, data: Data) -> bool:
        return data.tag == Tag.ARRAY and all(map(self.element.check, cast(tuple[Data, ...], data.value)))

    def encode(self, value: Any) -> bytes:
        return axdr.array([_part(self.element, index, item) for index, item in enumerate(_list(self, value))])

    def decode(self, data: Data) -> Any:
        return [self.element.decode(item) for item in cast(tuple[Data, ...], data.value)]

    def written(self, data: Data) -> Any:
        return [self.element.written(item) for item in cast(tuple[Data, ...], data.value)]


class _Structure(DataType):
    __slots__ = ("fields",)

    def __init__(self, text: str, fields: tuple[DataType, ...]) -> None:
        sizes = [field.fixed_size for field in fields]
        known = [size for size in sizes if size is not None]
        super().__init__(text, 2 + sum(known) if len(known) == len(sizes) and len(sizes) < 0x80 else None)
        self.fields = fields

    def check(self, data: Data) -> bool:
        if data.tag != Tag.STRUCTURE:
            return False
        items = cast(tuple[Data, ...], data.value)
        return len(items) == len(self.fields) and all(
            field.check(item) for field, item in zip(self.fields, items, strict=True)
        )

    def encode(self, value: Any) -> bytes:
        items = _list(self, value)
        if len(items) != len(self.fields):
            raise ValueError(f"{value!r}: {self.text} has {len(self.fields)} elements, not {len(items)}")
        return axdr.structure(*[_part(field, index, items[index]) for index, field in enumerate(self.fields)])

    def decode(self, data: Data) -> Any:
        items = cast(tuple[Data, ...], data.value)
        return [field.decode(item) for field, item in zip(self.fields, items, strict=True)]

    def written(self, data: Data) -> Any:
        items = cast(tuple[Data, ...], data.value)
        return [field.written(item) for field, item in zip(self.fields, items, strict=True)]


class _Union(DataType):
    __slots__ = ("options",)

    def __init__(self, text: str, options: tuple[DataType, ...]) -> None:
        super().__init__(text)
        self.options = options

    def check(self, data: Data) -> bool:
        return any(option.check(data) for option in self.options)

    def encode(self, value: Any) -> bytes:
        for option in self.options:
            try:
                return option.encode(value)
            except ValueError:
                continue
        raise ValueError(f"{value!r}: not a value of {self.text}")

    def decode(self, data: Data) -> Any:
        return next(option for option in self.options if option.check(data)).decode(data)

    def written(self, data: Data) -> Any:
        value = next(option for option in self.options if option.check(data)).written(data)
        if self.encode(value) != axdr.encode(data):
            raise ValueError(f"{self.text}: {value!r} would be taken for another of the types")
        return value


class _Any(DataType):
    __slots__ = ()

    def check(self, data: Data) -> bool:
        return True

    def encode(self, value: Any) -> bytes:
        if isinstance(value, Data):
            return axdr.encode(value)
        if value is None:
            return axdr.NULL
        if isinstance(value, dict) and len(cast(dict[str, Any], value)) == 1:
            text, inner = next(iter(cast(dict[str, Any], value).items()))
            return parse_type(text).encode(inner)
        raise ValueError(f"{value!r}: give its type and value, such as {{ u16 = 7 }}")

    def written(self, data: Data) -> Any:
        try:
            data_type = parse_type(type_text(data))
            value = data_type.written(data)
            if data_type.encode(value) == axdr.encode(data):
                return {data_type.text: value}
        except ValueError:
            pass
        return {"raw": axdr.encode(data).hex().upper()}


class _Raw(_Any):
    """Any Data, given as its encoded octets."""

    __slots__ = ()

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, str):
            raise ValueError(f"{value!r}: raw is encoded octets in hexadecimal")
        try:
            return axdr.encode(axdr.decode_all(bytes.fromhex(value)))
        except (ValueError, ProtocolError) as error:
            raise ValueError(f"{value!r}: raw is encoded octets in hexadecimal: {error}") from None

    def written(self, data: Data) -> Any:
        return axdr.encode(data).hex().upper()


def _list(data_type: DataType, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r}: {data_type.text} is a list")
    return list(cast("list[Any]", value))


def _part(data_type: DataType, index: int, value: Any) -> bytes:
    try:
        return data_type.encode(value)
    except ValueError as error:
        raise ValueError(f"element {index}: {error}") from None


_SIMPLE: dict[str, DataType] = {
    "null": _Null("null", 1),
    "any": _Any("any"),
    "raw": _Raw("raw"),
    "bool": _Simple("bool", Tag.BOOLEAN, axdr.boolean, (bool, int), 2),
    "i8": _Integer("i8", Tag.INT8, 1, True),
    "i16": _Integer("i16", Tag.INT16, 2, True),
    "i32": _Integer("i32", Tag.INT32, 4, True),
    "i64": _Integer("i64", Tag.INT64, 8, True),
    "u8": _Integer("u8", Tag.UINT8, 1, False),
    "u16": _Integer("u16", Tag.UINT16, 2, False),
    "u32": _Integer("u32", Tag.UINT32, 4, False),
    "u64": _Integer("u64", Tag.UINT64, 8, False),
    "enum": _Integer("enum", Tag.ENUM, 1, False),
    "bcd": _Integer("bcd", Tag.BCD, 1, False),
    "f32": _Simple("f32", Tag.FLOAT32, axdr.f32, (float, int), 5),
    "f64": _Simple("f64", Tag.FLOAT64, axdr.f64, (float, int), 9),
    "vis": _Simple("vis", Tag.VISIBLE_STRING, axdr.visible, str, None),
    "utf8": _Simple("utf8", Tag.UTF8_STRING, axdr.utf8, str, None),
    "date_time": _DateTimeOctets("date_time", Tag.DATE_TIME, 12),
    "date": _DateTimeOctets("date", Tag.DATE, 5),
    "time": _DateTimeOctets("time", Tag.TIME, 4),
}
_SIMPLE_NAMES: dict[int, str] = {
    Tag.BOOLEAN: "bool",
    Tag.INT8: "i8",
    Tag.INT16: "i16",
    Tag.INT32: "i32",
    Tag.INT64: "i64",
    Tag.UINT8: "u8",
    Tag.UINT16: "u16",
    Tag.UINT32: "u32",
    Tag.UINT64: "u64",
    Tag.ENUM: "enum",
    Tag.BCD: "bcd",
    Tag.FLOAT32: "f32",
    Tag.FLOAT64: "f64",
    Tag.VISIBLE_STRING: "vis",
    Tag.UTF8_STRING: "utf8",
    Tag.OCTET_STRING: "oct",
    Tag.BIT_STRING: "bits",
    Tag.DATE_TIME: "date_time",
    Tag.DATE: "date",
    Tag.TIME: "time",
}


def type_text(data: Data) -> str:
    """The type of Data in this language; ``raw`` for null and for compact arrays."""
    name = _SIMPLE_NAMES.get(data.tag)
    if name is not None:
        return name
    if data.tag == Tag.STRUCTURE and data.value:
        return "st{" + ",".join(type_text(item) for item in data.elements) + "}"
    if data.tag == Tag.ARRAY and data.value:
        elements = {type_text(item) for item in data.elements}
        return f"arr {elements.pop() if len(elements) == 1 else 'any'}"
    return "raw"


_TOKEN = re.compile(r"arr |st\{|[a-z_]+[0-9]*|[{},|]")


@lru_cache(maxsize=1024)
def parse_type(text: str) -> DataType:
    """The type that ``text`` describes; ValueError that says where the text is wrong."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens).replace(" ", "") != text.replace(" ", ""):
        raise ValueError(f"type {text!r}: not a type")
    data_type, rest = _union(tokens, text)
    if rest:
        raise ValueError(f"type {text!r}: unexpected {rest[0]!r}")
    return data_type


def _union(tokens: list[str], whole: str) -> tuple[DataType, list[str]]:
    first, tokens = _single(tokens, whole)
    options = [first]
    while tokens and tokens[0] == "|":
        option, tokens = _single(tokens[1:], whole)
        options.append(option)
    if len(options) == 1:
        return first, tokens
    return _Union("|".join(option.text for option in options), tuple(options)), tokens


def _single(tokens: list[str], whole: str) -> tuple[DataType, list[str]]:
    if not tokens:
        raise ValueError(f"type {whole!r}: ends too early")
    head, tokens = tokens[0], tokens[1:]
    if head == "arr ":
        element, tokens = _single(tokens, whole)
        return _Array(f"arr {element.text}", element), tokens
    if head == "st{":
        fields: list[DataType] = []
        while True:
            field, tokens = _union(tokens, whole)
            fields.append(field)
            if not tokens or tokens[0] not in ",}":
                raise ValueError(f"type {whole!r}: a structure is not closed")
            end, tokens = tokens[0], tokens[1:]
            if end == "}":
                return _Structure("st{" + ",".join(item.text for item in fields) + "}", tuple(fields)), tokens
    found = _SIMPLE.get(head)
    if found is not None:
        return found, tokens
    for name, kind in (("oct", _Octets), ("bits", _Bits)):
        if head.startswith(name):
            size = head[len(name) :]
            return kind(head, int(size) if size else None), tokens
    raise ValueError(f"type {whole!r}: no type {head!r}; known: {', '.join(_SIMPLE)}, oct, octN, bits, bitsN, arr, st")
