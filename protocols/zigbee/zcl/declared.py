"""The ZCL frame, its types and the foundation's commands as ``construct`` declarations (specification 2.4, 2.5, 2.6).

What runs for each report and reading is the struct code of :mod:`header`, :mod:`types` and :mod:`foundation`; tests
hold it to these declarations, both ways. They leave out only what the struct code refuses for its own protection:
arrays and structures deeper than :data:`types.MAX_DEPTH`, and arrays of elements that take no octets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from construct import (
    Array,
    BitsInteger,
    BitStruct,
    Bytes,
    BytesInteger,
    Const,
    Construct,
    Error,
    ExprAdapter,
    Flag,
    Float32l,
    Float64l,
    FocusedSeq,
    GreedyBytes,
    GreedyRange,
    If,
    IfThenElse,
    Int8ul,
    Int16ul,
    LazyBound,
    OneOf,
    Padding,
    Pass,
    Rebuild,
    Struct,
    Switch,
    Terminated,
    this,
)

from protocols.zigbee.declared import EUI
from protocols.zigbee.zcl.foundation import Command, Status
from protocols.zigbee.zcl.types import ANALOG, SIGNED, UNSIGNED, Type


def _counted(count: Construct, none: int, content: Callable[[Any], Construct]) -> Construct:
    """A count and as much of ``content``; ``none`` in place of the count says "not available"."""

    def size(context: Any) -> int:
        if context.content is None:
            return none
        if len(context.content) >= none:
            raise ValueError(f"{len(context.content)} elements")
        return len(context.content)

    return FocusedSeq("content", "size" / Rebuild(count, size), "content" / If(this.size != none, content(this.size)))


def _characters(found: bytes | None, _: object) -> str | None:
    return None if found is None else found.decode("utf-8", "surrogateescape")


def _octets(given: str | None, _: object) -> bytes | None:
    return None if given is None else given.encode("utf-8", "surrogateescape")


def _text(octets: Construct) -> Construct:
    """A string of octets as characters."""
    return ExprAdapter(octets, _characters, _octets)


_SHORT_STRING = _counted(Int8ul, 0xFF, Bytes)
_LONG_STRING = _counted(Int16ul, 0xFFFF, Bytes)
_VALUE = LazyBound(lambda: VALUE)
_ELEMENT = LazyBound(lambda: Switch(this._.type, TYPES, Error))
_ELEMENTS: Final[Construct] = Struct(
    "type" / Int8ul,
    "elements" / _counted(Int16ul, 0xFFFF, lambda size: Array(size, _ELEMENT)),
)
"""An array, set or bag: the type of its elements, and these."""
TYPES: Final[dict[int, Construct]] = {
    **{type: BytesInteger(count, swapped=True) for type, count in UNSIGNED.items()},
    **{type: BytesInteger(count, signed=True, swapped=True) for type, count in SIGNED.items()},
    Type.NO_DATA: Pass,
    Type.SINGLE: Float32l,
    Type.DOUBLE: Float64l,
    Type.OCTSTR: _SHORT_STRING,
    Type.CHARSTR: _text(_SHORT_STRING),
    Type.LONG_OCTSTR: _LONG_STRING,
    Type.LONG_CHARSTR: _text(_LONG_STRING),
    Type.EUI64: EUI,
    Type.KEY128: Bytes(16),
    Type.ARRAY: _ELEMENTS,
    Type.SET: _ELEMENTS,
    Type.BAG: _ELEMENTS,
    Type.STRUCT: _counted(Int16ul, 0xFFFF, lambda size: Array(size, Struct("type" / Int8ul, "value" / _VALUE))),
}
"""A value of each type (2.6.2)."""
VALUE: Final[Construct] = Switch(this.type, TYPES, Error)
"""The value of a field ``type`` beside it."""

FRAME: Final[Construct] = Struct(
    "control"
    / BitStruct(
        Padding(3),
        "no_default_response" / Flag,
        "to_client" / Flag,
        "of_manufacturer" / Flag,
        "type" / OneOf(BitsInteger(2), (0, 1)),
    ),
    "manufacturer" / If(this.control.of_manufacturer, Int16ul),
    "sequence" / Int8ul,
    "command" / Int8ul,
    "payload" / GreedyBytes,
)
"""A frame (2.4.1). Bits of the control octet that are reserved are taken as they come and sent as 0."""

_DIRECTION = OneOf(Int8ul, (0, 1))
_KNOWN_TYPE = OneOf(Int8ul, tuple(TYPES))


def _always(_: Any) -> bool:
    return True


def _succeeded(context: Any) -> bool:
    return context.status == Status.SUCCESS


_RECORDS: Final[Construct] = Struct(
    "records" / GreedyRange(Struct("attribute" / Int16ul, "type" / Int8ul, "value" / VALUE)), Terminated
)
_READ: Final[Construct] = Struct("attributes" / GreedyRange(Int16ul), Terminated)
_READ_RESPONSE: Final[Construct] = Struct(
    "records"
    / GreedyRange(
        Struct(
            "attribute" / Int16ul,
            "status" / Int8ul,
            "type" / If(_succeeded, Int8ul),
            "value" / If(_succeeded, VALUE),
        )
    ),
    Terminated,
)


def _failures(record: Construct) -> Construct:
    """The records of what failed, or success alone."""

    def none(context: Any) -> bool:
        return not context.failures

    return Struct("failures" / GreedyRange(record), "success" / If(none, Const(b"\x00")), Terminated)


def _reporting(told: Callable[[Any], bool]) -> tuple[Construct, ...]:
    """What follows the direction of a reporting configuration; only the attribute unless it is ``told``."""

    def asked(context: Any) -> bool:
        return told(context) and context.direction == 0

    def analog(context: Any) -> bool:
        return asked(context) and context.type in ANALOG

    def will(context: Any) -> bool:
        return told(context) and context.direction == 1

    return (
        "attribute" / Int16ul,
        "type" / If(asked, _KNOWN_TYPE),
        "minimum" / If(asked, Int16ul),
        "maximum" / If(asked, Int16ul),
        "change" / If(analog, VALUE),
        "timeout" / If(will, Int16ul),
    )


_KEY = ("direction" / Int8ul, "attribute" / Int16ul)
_DISCOVERED = ("attribute" / Int16ul, "type" / Int8ul)

COMMANDS: Final[dict[Command, Construct]] = {
    Command.READ: _READ,
    Command.READ_RESPONSE: _READ_RESPONSE,
    Command.WRITE: _RECORDS,
    Command.WRITE_UNDIVIDED: _RECORDS,
    Command.WRITE_NO_RESPONSE: _RECORDS,
    Command.WRITE_RESPONSE: _failures(Struct("status" / Int8ul, "attribute" / Int16ul)),
    Command.CONFIGURE_REPORTING: Struct(
        "reportings" / GreedyRange(Struct("direction" / _DIRECTION, *_reporting(_always))), Terminated
    ),
    Command.CONFIGURE_REPORTING_RESPONSE: _failures(Struct("status" / Int8ul, *_KEY)),
    Command.READ_REPORTING: Struct("keys" / GreedyRange(Struct(*_KEY)), Terminated),
    Command.READ_REPORTING_RESPONSE: Struct(
        "records"
        / GreedyRange(
            Struct(
                "status" / Int8ul,
                "direction" / IfThenElse(_succeeded, _DIRECTION, Int8ul),
                *_reporting(_succeeded),
            )
        ),
        Terminated,
    ),
    Command.REPORT: _RECORDS,
    Command.DEFAULT_RESPONSE: Struct("command" / Int8ul, "status" / Int8ul, Terminated),
    Command.DISCOVER: Struct("start" / Int16ul, "maximum" / Int8ul, Terminated),
    Command.DISCOVER_EXTENDED: Struct("start" / Int16ul, "maximum" / Int8ul, Terminated),
    Command.DISCOVER_RESPONSE: Struct("complete" / Flag, "attributes" / GreedyRange(Struct(*_DISCOVERED)), Terminated),
    Command.DISCOVER_EXTENDED_RESPONSE: Struct(
        "complete" / Flag, "attributes" / GreedyRange(Struct(*_DISCOVERED, "access" / Int8ul)), Terminated
    ),
}
"""The payload of each command of the foundation (2.5)."""
