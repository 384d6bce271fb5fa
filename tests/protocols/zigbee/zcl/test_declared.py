"""The struct code of frames, types and foundation commands, held to their declarations in ``construct``, both ways."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from construct import Construct, ConstructError, Struct, Tell
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.errors import DecodeError, LocalProtocolError, ProtocolError
from protocols.zigbee.declared import build, parse
from protocols.zigbee.zcl import declared, types
from protocols.zigbee.zcl.foundation import Command
from protocols.zigbee.zcl.header import MANUFACTURER, NO_DEFAULT_RESPONSE, TO_CLIENT, Direction, Frame
from protocols.zigbee.zcl.types import PACKERS, Array, Type, Value

from .zcl_values import ALL_TYPES, CASES, TYPED, spoilt

SELF_DEFENCE = ("too deep", "without octets")
"""What the struct code refuses of what the declarations take."""


def shown(type: int | None, value: Value) -> Any:
    """A value as the declarations give it."""
    if isinstance(value, Array):
        if value.elements is None:
            return {"type": value.element, "elements": None}
        return {"type": value.element, "elements": [shown(value.element, each) for each in value.elements]}
    if type == Type.STRUCT and isinstance(value, tuple):
        return [{"type": each, "value": shown(each, field)} for each, field in value]
    return value


def comparable(value: Any) -> Any:
    """Floats by their octets, as what is no number equals nothing; no fields that are not there."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, dict):
        return {name: comparable(each) for name, each in value.items() if name != "success" and each is not None}
    if isinstance(value, list | tuple):
        return [comparable(each) for each in value]
    return value


def fields(record: Any) -> dict[str, Any]:
    """A record of the foundation as the declarations give it."""
    found = dict(record._asdict())
    if "reporting" in found:
        found |= found.pop("reporting")._asdict()
    for name in ("value", "change"):
        if name in found:
            found[name] = shown(found.get("type"), found[name])
    return found


def as_declared(command: Command, found: Any) -> dict[str, Any]:
    """What the struct code reads of a command's payload, as the declarations give it."""
    match command:
        case Command.READ:
            return {"attributes": list(found)}
        case Command.DEFAULT_RESPONSE:
            return dict(zip(("command", "status"), found, strict=True))
        case Command.DISCOVER | Command.DISCOVER_EXTENDED:
            return dict(zip(("start", "maximum"), found, strict=True))
        case Command.DISCOVER_RESPONSE | Command.DISCOVER_EXTENDED_RESPONSE:
            return {"complete": found[0], "attributes": [fields(each) for each in found[1]]}
        case Command.WRITE_RESPONSE | Command.CONFIGURE_REPORTING_RESPONSE:
            name = "failures"
        case Command.CONFIGURE_REPORTING:
            name = "reportings"
        case Command.READ_REPORTING:
            name = "keys"
        case _:
            name = "records"
    return {name: [fields(each) for each in found]}


def arguments(command: Command, found: Any) -> tuple[Any, ...]:
    """What the struct code has read, as it is given to what makes it."""
    several = (Command.DEFAULT_RESPONSE, Command.DISCOVER, Command.DISCOVER_EXTENDED)
    several += (Command.DISCOVER_RESPONSE, Command.DISCOVER_EXTENDED_RESPONSE)
    return found if command in several else (found,)


def test_all_are_declared() -> None:
    assert set(declared.TYPES) == set(PACKERS)
    assert set(declared.COMMANDS) == set(CASES) == set(Command)


@settings(max_examples=100)
@given(TYPED)
def test_values_of_all_types_come_back_both_ways(typed: tuple[int, Value]) -> None:
    type, value = typed
    octets = types.encode(type, value)
    again, end = types.decode(type, octets)
    assert end == len(octets)
    assert comparable(shown(type, again)) == comparable(shown(type, value))
    layout = Struct("value" / declared.TYPES[type])
    assert build(layout, {"value": shown(type, value)}, "value") == octets
    assert comparable(parse(layout, octets, "value")) == comparable({"value": shown(type, value)})


@settings(max_examples=120)
@given(st.data())
def test_values_of_any_octets_are_the_same(data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        type, octets = data.draw(st.sampled_from(ALL_TYPES)), data.draw(st.binary(max_size=24))
    else:
        type, value = data.draw(TYPED)
        octets = data.draw(spoilt(types.encode(type, value)))
    layout = Struct("value" / declared.TYPES[type], "end" / Tell)
    try:
        value, end = types.decode(type, octets)
    except DecodeError as error:
        if not any(text in str(error) for text in SELF_DEFENCE):
            with pytest.raises(ConstructError):
                layout.parse(octets)
        return
    assert comparable(parse(layout, octets, "value")) == comparable({"value": shown(type, value), "end": end})


WRONG = [
    (Type.U8, 256),
    (Type.U24, -1),
    (Type.S16, 0x8000),
    (Type.U8, "x"),
    (Type.OCTSTR, b"x" * 255),
    (Type.CHARSTR, "é" * 128),
    (Type.LONG_OCTSTR, b"x" * 0xFFFF),
    (Type.EUI64, b"x" * 7),
    (Type.KEY128, b"x" * 17),
    (Type.ARRAY, Array(Type.U8, (1, 256))),
    (Type.ARRAY, Array(0x07, (1,))),
    (Type.STRUCT, ((0x07, 1),)),
]


@pytest.mark.parametrize(("type", "value"), WRONG)
def test_what_is_no_value_is_refused_both_ways(type: Type, value: Value) -> None:
    with pytest.raises(LocalProtocolError):
        types.encode(type, value)
    with pytest.raises(LocalProtocolError):
        build(Struct("value" / declared.TYPES[type]), {"value": shown(type, value)}, "value")


@pytest.mark.parametrize("command", Command)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_commands_of_the_foundation_both_ways(command: Command, data: st.DataObject) -> None:
    case, layout = CASES[command], declared.COMMANDS[command]
    made = data.draw(case.given)
    payload = case.encode(*made)
    told = as_declared(command, made if len(made) > 1 else made[0])
    assert comparable(parse(layout, payload, "payload")) == comparable(told)
    assert build(layout, told, "payload") == payload
    same(command, layout, data.draw(spoilt(payload) | st.binary(max_size=24)))


def same(command: Command, layout: Construct, payload: bytes) -> None:
    """Both read the same of a payload, and make the same of it again, or both refuse it."""
    case = CASES[command]
    try:
        found = case.decode(payload)
    except ProtocolError as error:
        if not any(text in str(error) for text in SELF_DEFENCE):
            with pytest.raises(DecodeError):
                parse(layout, payload, "payload")
        return
    read = parse(layout, payload, "payload")
    assert comparable(read) == comparable(as_declared(command, found))
    assert build(layout, read, "payload") == case.encode(*arguments(command, found))


@given(st.binary(max_size=12))
def test_headers_both_ways(octets: bytes) -> None:
    try:
        frame = Frame.decode(octets)
    except DecodeError:
        with pytest.raises(DecodeError):
            parse(declared.FRAME, octets, "frame")
        return
    read = parse(declared.FRAME, octets, "frame")
    assert read == {
        "control": {
            "no_default_response": not frame.wants_default_response,
            "to_client": frame.direction is Direction.TO_CLIENT,
            "of_manufacturer": frame.manufacturer is not None,
            "type": frame.type,
        },
        "manufacturer": frame.manufacturer,
        "sequence": frame.sequence,
        "command": frame.command,
        "payload": frame.payload,
    }
    known = frame.control & (NO_DEFAULT_RESPONSE | TO_CLIENT | MANUFACTURER | 0x03)
    assert build(declared.FRAME, read, "frame") == frame._replace(control=known).encode()
