"""The fast parsers of APDU headers against a declarative grammar, which is the executable specification."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from construct import (
    BitsInteger,
    BitStruct,
    Bytes,
    Check,
    Const,
    Construct,
    ConstructError,
    ExprAdapter,
    Flag,
    GreedyBytes,
    If,
    Int8ub,
    Int16ub,
    Int32ub,
    OneOf,
    Prefixed,
    PrefixedArray,
    Struct,
    Switch,
    Terminated,
    this,
)
from hypothesis import given
from hypothesis import strategies as st

from protocols.dlms import axdr, gbt, requests
from protocols.dlms.access import AccessRequest, Item, Kind
from protocols.dlms.notification import DataNotification, EventNotification
from protocols.dlms.requests import (
    ActionBlock,
    ActionFirst,
    ActionList,
    ActionNext,
    ActionNormal,
    GetList,
    GetNext,
    GetNormal,
    SetBlock,
    SetFirst,
    SetList,
    SetNormal,
)
from protocols.errors import DecodeError


class _Length(Construct):
    """A-XDR length: below 128 in one octet, else 81, 82 .. and the number."""

    def _parse(self, stream, context, path):
        first = Int8ub.parse_stream(stream)
        if first < 0x80:
            return first
        if not 1 <= first - 0x80 <= 4:
            raise ConstructError("length of too many octets")
        return int.from_bytes(Bytes(first - 0x80).parse_stream(stream), "big")

    def _build(self, obj, stream, context, path):
        stream.write(axdr.length(obj))
        return obj


class _Data(Construct):
    """One A-XDR Data, kept encoded."""

    def _parse(self, stream, context, path):
        start = stream.tell()
        rest = stream.read()
        try:
            end = axdr.decode(rest)[1]
        except axdr.DecodeError as error:
            raise ConstructError(str(error)) from None
        stream.seek(start + end)
        return rest[:end]

    def _build(self, obj, stream, context, path):
        stream.write(obj)
        return obj


Length, Data = _Length(), _Data()
Presence = OneOf(Int8ub, (0, 1))
Sized = Prefixed(Length, GreedyBytes)
Descriptor = Bytes(9)
Selection = Struct("present" / Presence, "selector" / If(this.present, Int8ub), "parameters" / If(this.present, Data))
Target = Struct("descriptor" / Descriptor, "selection" / Selection)
Block = Struct("last" / Int8ub, "number" / Int32ub, "raw" / Sized)


def some(item: Construct) -> Construct:
    """A list of at least one."""
    return ExprAdapter(PrefixedArray(Length, item), lambda found, _: _filled(found), lambda found, _: found)


def _filled(found: list) -> list:
    if not found:
        raise ConstructError("an empty list")
    return found


def a_value_for(items: str) -> Construct:
    """As many values as items."""
    return Check(lambda found: len(found[items]) == len(found["values"]))


Request = Struct(
    "tag" / OneOf(Int8ub, (0xC0, 0xC1, 0xC3)),
    "choice" / Int8ub,
    "invoke" / Int8ub,
    "body"
    / Switch(
        lambda this: (this.tag, this.choice),
        {
            (0xC0, 1): Struct("target" / Target),
            (0xC0, 2): Struct("number" / Int32ub),
            (0xC0, 3): Struct("targets" / some(Target)),
            (0xC1, 1): Struct("target" / Target, "data" / Data),
            (0xC1, 2): Struct("target" / Target, "block" / Block),
            (0xC1, 3): Struct("block" / Block),
            (0xC1, 4): Struct("targets" / some(Target), "values" / PrefixedArray(Length, Data), a_value_for("targets")),
            (0xC1, 5): Struct("targets" / some(Target), "block" / Block),
            (0xC3, 1): Struct("method" / Descriptor, "present" / Presence, "data" / If(this.present, Data)),
            (0xC3, 2): Struct("number" / Int32ub),
            (0xC3, 3): Struct(
                "methods" / some(Descriptor), "values" / PrefixedArray(Length, Data), a_value_for("methods")
            ),
            (0xC3, 4): Struct("method" / Descriptor, "block" / Block),
            (0xC3, 5): Struct("methods" / some(Descriptor), "block" / Block),
            (0xC3, 6): Struct("block" / Block),
        },
        default=Struct(Const(b"no such choice, which no APDU holds")),
    ),
    Terminated,
)

GeneralBlock = Struct(
    Const(b"\xe0"),
    "control" / BitStruct("last" / Flag, "streaming" / Flag, "window" / BitsInteger(6)),
    "number" / Int16ub,
    "acknowledged" / Int16ub,
    "data" / Sized,
    Terminated,
)

Specification = Struct(
    "kind" / OneOf(Int8ub, (1, 2, 3, 4, 5)),
    "descriptor" / Descriptor,
    "selector" / If(this.kind > 3, Int8ub),
    "parameters" / If(this.kind > 3, Data),
)
Access = Struct(
    Const(b"\xd9"),
    "invoke" / Int32ub,
    "date_time" / Sized,
    "specifications" / PrefixedArray(Length, Specification),
    "values" / PrefixedArray(Length, Data),
    a_value_for("specifications"),
    Terminated,
)


def spelt(request: requests.Request) -> dict[str, Any]:
    """A parsed request in the words of the grammar."""
    match request:
        case GetNormal(_, target):
            return {"target": _target(target)}
        case GetNext(_, number) | ActionNext(_, number):
            return {"number": number}
        case GetList(_, targets):
            return {"targets": [_target(target) for target in targets]}
        case SetNormal(_, target, data):
            return {"target": _target(target), "data": data}
        case SetList(_, targets, values):
            return {"targets": [_target(target) for target in targets], "values": list(values)}
        case SetFirst(_, targets, listed, last, number, raw):
            named = {"targets": [_target(target) for target in targets]} if listed else {"target": _target(targets[0])}
            return {**named, "block": _block(last, number, raw)}
        case SetBlock(_, last, number, raw) | ActionBlock(_, last, number, raw):
            return {"block": _block(last, number, raw)}
        case ActionNormal(_, method, parameters):
            return {"method": method, "present": int(parameters is not None), "data": parameters}
        case ActionList(_, methods, values):
            return {"methods": list(methods), "values": list(values)}
        case ActionFirst(_, methods, listed, last, number, raw):
            named = {"methods": list(methods)} if listed else {"method": methods[0]}
            return {**named, "block": _block(last, number, raw)}


def _target(target: requests.Target) -> dict[str, Any]:
    descriptor, selection = target
    if selection is None:
        return {"descriptor": descriptor, "selection": {"present": 0, "selector": None, "parameters": None}}
    found = {"present": 1, "selector": selection[0], "parameters": selection[1:]}
    return {"descriptor": descriptor, "selection": found}


def _block(last: bool, number: int, raw: bytes) -> dict[str, Any]:
    return {"last": last, "number": number, "raw": raw}


def plain(found: Any) -> Any:
    """What construct parsed, without its own types; last-block as true or false."""
    if isinstance(found, dict):
        return {key: bool(value) if key == "last" else plain(value) for key, value in found.items() if key != "_io"}
    return [plain(item) for item in found] if isinstance(found, list) else found


octet = st.integers(0, 255)
descriptors = st.binary(min_size=9, max_size=9)
values = st.one_of(
    st.integers(0, 0xFFFF).map(axdr.u16),
    st.binary(max_size=40).map(axdr.octets),
    st.lists(octet.map(axdr.u8), max_size=4).map(lambda items: axdr.structure(*items)),
    st.just(axdr.NULL),
)
selections = st.tuples(octet, values).map(lambda made: bytes((made[0],)) + made[1])
targets = st.builds(requests.Target, descriptors, st.none() | selections)
blocks = (st.booleans(), st.integers(0, 0xFFFFFFFF), st.binary(max_size=200))


def together(items: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[tuple[Any, ...], tuple[bytes, ...]]]:
    """Some items with a value for each."""
    return st.lists(st.tuples(items, values), min_size=1, max_size=5).map(lambda made: tuple(zip(*made, strict=True)))


all_requests = st.one_of(
    st.builds(GetNormal, octet, targets),
    st.builds(GetNext, octet, st.integers(0, 0xFFFFFFFF)),
    st.builds(GetList, octet, st.lists(targets, min_size=1, max_size=6).map(tuple)),
    st.builds(SetNormal, octet, targets, values),
    st.builds(lambda invoke, made: SetList(invoke, *made), octet, together(targets)),
    st.builds(SetFirst, octet, targets.map(lambda one: (one,)), st.just(False), *blocks),
    st.builds(SetFirst, octet, st.lists(targets, min_size=1, max_size=4).map(tuple), st.just(True), *blocks),
    st.builds(SetBlock, octet, *blocks),
    st.builds(ActionNormal, octet, descriptors, st.none() | values),
    st.builds(ActionNext, octet, st.integers(0, 0xFFFFFFFF)),
    st.builds(lambda invoke, made: ActionList(invoke, *made), octet, together(descriptors)),
    st.builds(ActionFirst, octet, descriptors.map(lambda one: (one,)), st.just(False), *blocks),
    st.builds(ActionFirst, octet, st.lists(descriptors, min_size=1, max_size=4).map(tuple), st.just(True), *blocks),
    st.builds(ActionBlock, octet, *blocks),
)


@given(all_requests)
def test_requests_as_the_grammar_has_them(request: requests.Request) -> None:
    apdu = request.encode()
    assert requests.decode(apdu) == request
    parsed = Request.parse(apdu)
    assert (parsed.tag, parsed.choice, parsed.invoke) == (apdu[0], apdu[1], apdu[2])
    assert plain(parsed.body) == spelt(request)
    assert Request.build(parsed) == apdu


def agree(apdu: bytes, fast: Callable[[bytes], object], grammar: Construct) -> None:
    """Both take the octets, or both refuse them."""
    try:
        grammar.parse(apdu)
        taken = True
    except ConstructError:
        taken = False
    try:
        fast(apdu)
    except DecodeError:
        assert not taken, f"refused, but right by the grammar: {apdu.hex()}"
    else:
        assert taken, f"taken, but wrong by the grammar: {apdu.hex()}"


@given(all_requests, st.integers(0, 500), octet, st.integers(-3, 3))
def test_both_refuse_the_same_requests(request: requests.Request, at: int, value: int, longer: int) -> None:
    apdu = bytearray(request.encode())
    apdu[at % len(apdu)] = value
    spoiled = bytes(apdu) + bytes(longer) if longer >= 0 else bytes(apdu[:longer])
    agree(spoiled, requests.decode, Request)


@given(st.sampled_from((b"\xc0", b"\xc1", b"\xc3")), st.integers(0, 7), st.binary(max_size=40))
def test_both_refuse_the_same_octets(tag: bytes, choice: int, rest: bytes) -> None:
    agree(tag + bytes((choice,)) + rest, requests.decode, Request)


general_blocks = st.builds(
    gbt.Block,
    st.booleans(),
    st.booleans(),
    st.integers(0, 63),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.binary(max_size=300),
)


@given(general_blocks)
def test_general_blocks(block: gbt.Block) -> None:
    apdu = block.encode()
    assert gbt.Block.decode(apdu) == block
    parsed = GeneralBlock.parse(apdu)
    assert (
        parsed.control.last,
        parsed.control.streaming,
        parsed.control.window,
        parsed.number,
        parsed.acknowledged,
        parsed.data,
    ) == tuple(block)


@given(st.binary(max_size=20))
def test_both_refuse_the_same_general_blocks(rest: bytes) -> None:
    agree(b"\xe0" + rest, gbt.Block.decode, GeneralBlock)


items = st.one_of(
    st.builds(Item, st.sampled_from((Kind.GET, Kind.SET, Kind.ACTION)), descriptors, st.none(), values),
    st.builds(Item, st.sampled_from((Kind.GET_SELECTED, Kind.SET_SELECTED)), descriptors, selections, values),
)
accesses = st.builds(
    AccessRequest, st.integers(0, 0xFFFFFFFF), st.lists(items, max_size=5).map(tuple), st.binary(max_size=12)
)


@given(accesses)
def test_access_requests(request: AccessRequest) -> None:
    apdu = request.encode()
    assert AccessRequest.decode(apdu) == request
    parsed = Access.parse(apdu)
    assert (parsed.invoke, parsed.date_time, list(parsed["values"])) == (
        request.invoke_id,
        request.date_time,
        [item.data for item in request.items],
    )
    assert [(item.kind, item.descriptor) for item in parsed.specifications] == [item[:2] for item in request.items]


@given(accesses, st.integers(0, 500), octet)
def test_both_refuse_the_same_access_requests(request: AccessRequest, at: int, value: int) -> None:
    apdu = bytearray(request.encode())
    apdu[at % len(apdu)] = value
    agree(bytes(apdu), AccessRequest.decode, Access)


@given(
    st.integers(0, 0xFFFFFFFF), values, st.sampled_from((b"", bytes(12))), descriptors, st.none() | st.just(bytes(12))
)
def test_notifications(invoke: int, data: bytes, time: bytes, descriptor: bytes, event_time: bytes | None) -> None:
    push = DataNotification(invoke, data, time)
    assert DataNotification.decode(push.encode()) == push
    event = EventNotification(descriptor, data, event_time)
    assert EventNotification.decode(event.encode()) == event
    for octets, decode in ((push.encode(), DataNotification.decode), (event.encode(), EventNotification.decode)):
        for wrong in (octets[:-1], octets + b"\0", b"\xc0" + octets[1:], octets[:5], b""):
            with pytest.raises(DecodeError):
                decode(wrong)


@given(st.binary(max_size=40))
def test_notifications_of_any_octets(rest: bytes) -> None:
    for tag, decode in ((b"\x0f", DataNotification.decode), (b"\xc2", EventNotification.decode)):
        try:
            decoded = decode(tag + rest)
        except DecodeError:
            continue
        assert decode(decoded.encode()) == decoded
