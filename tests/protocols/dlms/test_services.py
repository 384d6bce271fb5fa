"""GET, SET, ACTION and ACCESS of an open association: whole, listed and in blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from protocols import obis
from protocols.dlms import axdr, requests
from protocols.dlms.access import BREAK_ON_ERROR, AccessRequest, AccessResponse, Item, Kind
from protocols.dlms.blocks import MAX_LONG
from protocols.dlms.enums import Conformance as C
from protocols.dlms.gbt import Block, BlockTransfer
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
    Target,
)

if TYPE_CHECKING:
    from tests.protocols.dlms.conftest import MemoryDevice, Peer

MakePeer = Callable[..., "Peer"]
EVERYTHING = 0x60FEDF
PLAIN = EVERYTHING & ~int(C.GENERAL_BLOCK_TRANSFER)


def attribute(class_id: int, name: str, index: int) -> bytes:
    return class_id.to_bytes(2, "big") + obis.parse(name) + bytes((index,))


ENERGY = attribute(3, "1-0:1.8.0", 2)
NAME = attribute(1, "0-0:42.0.0", 2)
SETTING = attribute(1, "0-0:96.50.0", 2)
SECOND = attribute(1, "0-0:96.50.1", 2)
UNKNOWN = attribute(1, "0-0:96.99.0", 2)
PROFILE = attribute(7, "1-0:99.1.0", 2)
ECHO = attribute(9, "0-0:10.0.0", 1)
RESET = attribute(3, "1-0:1.8.0", 1)
LAST = b"\x02\x02\x06\x00\x00\x00\xc8\x12\x05\x78"
"""The last row of the profile."""


def get(target: bytes, selection: bytes | None = None) -> bytes:
    return GetNormal(0xC1, Target(target, selection)).encode()


@pytest.fixture
def open_peer(peer: MakePeer) -> MakePeer:
    """A client with an open association; options of AARQ and terms alike."""

    def make(client: int = 16, *, max_pdu: int = 0xFFFF, conformance: int = EVERYTHING, **terms: object) -> Peer:
        made = peer(client, **terms)
        made.open(max_pdu=max_pdu, conformance=conformance)
        return made

    return make


# -- GET --------------------------------------------------------------------------------------------------------------


def test_get_normal(open_peer: MakePeer) -> None:
    client = open_peer()
    assert client.send(bytes.fromhex("C001C1000301000108 00FF0200")).hex() == "c401c100060001e240"
    assert client.send(get(NAME)) == bytes.fromhex("c401c1000910") + b"GRX0000000012345"
    assert client.send(bytes.fromhex("C00147000100002A0000FF0200"))[:4] == bytes.fromhex("c4014700")


@pytest.mark.parametrize(
    ("descriptor", "result"),
    [
        (UNKNOWN, 4),
        (attribute(3, "1-0:1.8.0", 9), 4),
        (attribute(3, "1-0:1.8.0", 3), 3),
        (attribute(1, "0-0:96.50.2", 2), 3),
        (attribute(1, "0-0:96.99.0", 0), 4),
    ],
)
def test_get_refused(open_peer: MakePeer, descriptor: bytes, result: int) -> None:
    client = open_peer()
    assert client.send(get(descriptor)) == bytes((0xC4, 1, 0xC1, 1, result))
    assert sum(client.association.counters.values()) == 1
    assert "refused" in client.sentences[-1]
    assert obis.text(descriptor[2:8]) in client.sentences[-1]


def test_get_selected(open_peer: MakePeer) -> None:
    entries = b"\x02" + axdr.structure(axdr.u32(3), axdr.u32(4), axdr.u16(1), axdr.u16(0))
    two = b"\x01\x02\x02\x02\x06\x00\x00\x00\x03\x12\x00\x15\x02\x02\x06\x00\x00\x00\x04\x12\x00\x1c"
    assert open_peer().send(get(PROFILE, entries)) == b"\xc4\x01\xc1\x00" + two
    assert open_peer().send(get(PROFILE, b"\x07" + axdr.NULL)) == bytes.fromhex("c401c1010d")
    assert open_peer().send(get(PROFILE, b"\x02" + axdr.NULL)) == bytes.fromhex("c401c1010c")
    plain = open_peer(conformance=EVERYTHING & ~int(C.SELECTIVE_ACCESS))
    assert plain.send(get(PROFILE, entries)) == bytes.fromhex("c401c1010d")


def test_attribute_0_is_all_of_them(open_peer: MakePeer) -> None:
    """A structure in the order of the attributes; null-data for the one that the public client may not read."""
    energy = attribute(3, "1-0:1.8.0", 0)
    whole = axdr.structure(axdr.octets(energy[2:8]), axdr.u32(123_456), axdr.NULL)
    assert open_peer().send(get(energy)) == b"\xc4\x01\xc1\x00" + whole
    plain = open_peer(conformance=EVERYTHING & ~int(C.ATTRIBUTE0_GET))
    assert plain.send(get(energy)) == bytes.fromhex("c401c10104")


def read_blocks(client: Peer, first: bytes) -> tuple[bytes, int]:
    """What a GET in blocks adds up to, and the number of blocks; each as the grammar has it, none too long."""
    raw, number, answer = b"", 0, first
    while True:
        number += 1
        assert len(answer) <= client.association.client_max_pdu
        assert answer[:3] == b"\xc4\x02\xc1"
        assert int.from_bytes(answer[4:8], "big") == number
        assert answer[8] == 0
        part, end = axdr.read_sized(answer, 9)
        assert end == len(answer)
        raw += part
        if answer[3]:
            return raw, number
        answer = client.send(GetNext(0xC1, number).encode())


@pytest.mark.parametrize("size", [64, 100, 137, 138, 139, 140, 141, 265, 266, 267, 268, 269, 512])
def test_get_in_blocks(open_peer: MakePeer, size: int) -> None:
    client = open_peer(max_pdu=size)
    raw, count = read_blocks(client, client.send(get(PROFILE)))
    assert axdr.decode_all(raw).value[-1] == axdr.decode_all(LAST)
    assert count == -(-len(raw) // axdr.fitting(size - 9))
    assert client.send(get(NAME))[:4] == bytes.fromhex("c401c100")


def test_get_blocks_exactly_full(open_peer: MakePeer, device: MemoryDevice) -> None:
    client = open_peer(max_pdu=64)
    for size, blocks in ((60 - 2, 0), (60 - 1, 2), (54, 0), (108 - 2, 2), (109 - 2, 3)):
        device.objects.values[NAME] = axdr.octets(bytes(size))
        answer = client.send(get(NAME))
        if blocks:
            assert read_blocks(client, answer) == (axdr.octets(bytes(size)), blocks)
        else:
            assert answer == b"\xc4\x01\xc1\x00" + axdr.octets(bytes(size))


def test_next_blocks_that_are_wrong(open_peer: MakePeer) -> None:
    client = open_peer(max_pdu=64)
    assert client.send(GetNext(0xC1, 1).encode()) == bytes.fromhex("c402c101000000010110")
    client.send(get(PROFILE))
    assert client.send(GetNext(0xC2, 1).encode()) == bytes.fromhex("c402c201000000010110")
    assert client.send(GetNext(0xC1, 2).encode()) == bytes.fromhex("c402c101000000020113")
    assert client.send(GetNext(0xC1, 1).encode()) == bytes.fromhex("c402c101000000010110")
    client.send(get(PROFILE))
    assert client.send(get(NAME))[:4] == bytes.fromhex("c401c100")
    assert client.send(GetNext(0xC1, 1).encode()) == bytes.fromhex("c402c101000000010110")


def test_long_answer_without_blocks(open_peer: MakePeer) -> None:
    client = open_peer(max_pdu=64, conformance=PLAIN & ~int(C.BLOCK_GET))
    assert client.send(get(PROFILE)) == bytes.fromhex("c401c1010e")
    assert client.send(GetNext(0xC1, 1).encode()) == bytes.fromhex("d80102")
    many = GetList(0xC1, (Target(PROFILE), Target(PROFILE))).encode()
    assert client.send(many) == bytes.fromhex("d80103")
    assert client.association.counters["answer too long"] == 1


def test_client_without_a_limit(open_peer: MakePeer) -> None:
    client = open_peer(max_pdu=0, max_send_pdu=0)
    answer = client.send(get(PROFILE))
    assert len(answer) == 4 + 3 + 200 * 10
    assert answer.endswith(LAST)


def test_get_list(open_peer: MakePeer) -> None:
    client = open_peer()
    targets = (Target(ENERGY), Target(UNKNOWN), Target(SETTING))
    assert client.send(GetList(0xC1, targets).encode()).hex() == "c403c103" + "00060001e240" + "0104" + "00120007"
    small = open_peer(max_pdu=64)
    raw, _ = read_blocks(small, small.send(GetList(0xC1, (Target(PROFILE), Target(UNKNOWN))).encode()))
    assert raw[:3] == b"\x02\x00\x01"
    assert raw[-2:] == b"\x01\x04"
    alone = open_peer(conformance=EVERYTHING & ~int(C.MULTIPLE_REFERENCES))
    assert alone.send(GetList(0xC1, targets).encode()) == bytes.fromhex("d80102")


# -- SET --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("descriptor", "data", "result"),
    [
        (SETTING, axdr.u16(9), 0),
        (SETTING, axdr.u32(9), 12),
        (NAME, axdr.octets(b"x"), 3),
        (UNKNOWN, axdr.u16(9), 4),
    ],
)
def test_set_normal(open_peer: MakePeer, device: MemoryDevice, descriptor: bytes, data: bytes, result: int) -> None:
    client = open_peer()
    before = dict(device.terms), device.objects.values[SETTING]
    assert client.send(SetNormal(0xC1, Target(descriptor), data).encode()) == bytes((0xC5, 1, 0xC1, result))
    assert device.objects.values[SETTING] == (before[1] if result else data)


def test_set_selected(open_peer: MakePeer) -> None:
    target = Target(SETTING, b"\x01" + axdr.NULL)
    assert open_peer().send(SetNormal(0xC1, target, axdr.u16(1)).encode()) == bytes.fromhex("c501c10d")
    plain = open_peer(conformance=EVERYTHING & ~int(C.SELECTIVE_ACCESS))
    assert plain.send(SetNormal(0xC1, target, axdr.u16(1)).encode()) == bytes.fromhex("c501c10d")


def test_set_unconfirmed_gets_no_answer(open_peer: MakePeer, device: MemoryDevice) -> None:
    client = open_peer()
    assert client.association.handle(SetNormal(0x81, Target(SETTING), axdr.u16(9)).encode()) == ()
    assert client.association.handle(ActionNormal(0x81, RESET, None).encode()) == ()
    assert device.objects.values[SETTING] == axdr.u16(9)
    assert device.objects.calls == [(RESET, None)]


def test_set_list(open_peer: MakePeer, device: MemoryDevice) -> None:
    client = open_peer()
    request = SetList(0xC1, (Target(SETTING), Target(NAME)), (axdr.u16(5), axdr.NULL))
    assert client.send(request.encode()) == bytes.fromhex("c505c1020003")
    assert device.objects.values[SETTING] == axdr.u16(5)


def test_set_attribute_0(open_peer: MakePeer, device: MemoryDevice) -> None:
    """A structure sets all attributes; null-data leaves one as it is."""
    energy = attribute(3, "1-0:1.8.0", 0)
    device.terms[16].conformance |= int(C.ATTRIBUTE0_SET)
    client = open_peer(conformance=0xFFFFFF)
    value = axdr.structure(axdr.NULL, axdr.u32(1), axdr.NULL)
    assert client.send(SetNormal(0xC1, Target(energy), value).encode()) == bytes.fromhex("c501c100")
    assert device.objects.values[ENERGY] == axdr.u32(1)
    for wrong in (axdr.structure(axdr.NULL), axdr.u32(1), axdr.array([axdr.NULL] * 3)):
        assert client.send(SetNormal(0xC1, Target(energy), wrong).encode()) == bytes.fromhex("c501c10c")


def test_set_in_blocks(open_peer: MakePeer, device: MemoryDevice) -> None:
    client = open_peer()
    data = axdr.octets(bytes(range(200)))
    first = SetFirst(0xC1, (Target(SECOND),), False, False, 1, data[:90]).encode()
    assert client.send(first) == bytes.fromhex("c502c100000001")
    assert client.send(SetBlock(0xC1, False, 2, data[90:180]).encode()) == bytes.fromhex("c502c100000002")
    assert device.objects.values[SECOND] == axdr.octets(b"x")
    assert client.send(SetBlock(0xC1, True, 3, data[180:]).encode()) == bytes.fromhex("c503c10000000003")
    assert device.objects.values[SECOND] == data
    assert client.send(SetBlock(0xC1, True, 4, b"").encode()) == bytes.fromhex("c503c11200000004")


def test_set_in_one_block(open_peer: MakePeer, device: MemoryDevice) -> None:
    client = open_peer()
    assert client.send(SetFirst(0xC1, (Target(SETTING),), False, True, 1, axdr.u16(8)).encode()) == bytes.fromhex(
        "c503c10000000001"
    )
    assert client.send(SetFirst(0xC1, (Target(SETTING),), False, True, 1, axdr.u16(8)[:2]).encode()) == bytes.fromhex(
        "c503c10c00000001"
    )
    assert device.objects.values[SETTING] == axdr.u16(8)


def test_set_list_in_blocks(open_peer: MakePeer, device: MemoryDevice) -> None:
    client = open_peer()
    targets = (Target(SETTING), Target(SECOND))
    values = requests.encode_values((axdr.u16(3), axdr.octets(bytes(40))))
    assert client.send(SetFirst(0xC1, targets, True, False, 1, values[:20]).encode()) == bytes.fromhex("c502c100000001")
    assert client.send(SetBlock(0xC1, True, 2, values[20:]).encode()) == bytes.fromhex("c504c102000000000002")
    assert device.objects.values[SETTING] == axdr.u16(3)
    assert client.send(SetFirst(0xC1, targets, True, True, 1, values[:-1]).encode()) == bytes.fromhex(
        "c504c1020c0c00000001"
    )
    assert client.send(SetFirst(0xC1, targets, True, True, 1, values + b"\0").encode()) == bytes.fromhex(
        "c504c1020c0c00000001"
    )


def test_set_blocks_that_are_wrong(open_peer: MakePeer) -> None:
    client = open_peer(max_receive_pdu=0)
    first = SetFirst(0xC1, (Target(SECOND),), False, False, 1, b"\x09").encode()
    assert client.send(SetBlock(0xC1, True, 2, b"").encode()) == bytes.fromhex("c503c11200000002")
    client.send(first)
    assert client.send(SetBlock(0xC1, True, 3, b"").encode()) == bytes.fromhex("c503c11300000003")
    client.send(first)
    assert client.send(SetBlock(0xC2, True, 2, b"").encode()) == bytes.fromhex("c503c21200000002")
    assert client.send(SetFirst(0xC1, (Target(SECOND),), False, False, 2, b"\x09").encode()) == bytes.fromhex(
        "c503c11300000002"
    )
    client.send(first)
    assert client.send(SetBlock(0xC1, False, 2, bytes(MAX_LONG)).encode()) == bytes.fromhex("c503c11100000002")
    without = open_peer(conformance=EVERYTHING & ~int(C.BLOCK_SET))
    assert without.send(first) == bytes.fromhex("d80102")
    alone = open_peer(conformance=EVERYTHING & ~int(C.MULTIPLE_REFERENCES))
    assert alone.send(SetFirst(0xC1, (Target(SECOND),), True, False, 1, b"").encode()) == bytes.fromhex("d80102")


# -- ACTION -----------------------------------------------------------------------------------------------------------


def test_action_normal(open_peer: MakePeer, device: MemoryDevice) -> None:
    client = open_peer()
    assert client.send(ActionNormal(0xC1, RESET, axdr.i8(0)).encode()) == bytes.fromhex("c701c10000")
    assert client.send(ActionNormal(0xC1, ECHO, axdr.u16(7)).encode()) == bytes.fromhex("c701c1000100120007")
    assert client.send(ActionNormal(0xC1, UNKNOWN, None).encode()) == bytes.fromhex("c701c10400")
    assert device.objects.calls == [(RESET, axdr.i8(0)), (ECHO, axdr.u16(7)), (UNKNOWN, None)]


def test_action_list(open_peer: MakePeer, device: MemoryDevice) -> None:
    client = open_peer()
    request = ActionList(0xC1, (RESET, ECHO, UNKNOWN), (axdr.NULL, axdr.u8(7), axdr.NULL))
    assert client.send(request.encode()).hex() == "c703c103" + "0000" + "0001001107" + "0400"
    assert device.objects.calls[0] == (RESET, None)


def returned(client: Peer, answer: bytes) -> bytes:
    """What a return value in blocks adds up to."""
    raw, number = b"", 0
    while True:
        number += 1
        assert answer[:3] == b"\xc7\x02\xc1"
        assert len(answer) <= client.association.client_max_pdu
        assert int.from_bytes(answer[4:8], "big") == number
        part, end = axdr.read_sized(answer, 8)
        assert end == len(answer)
        raw += part
        if answer[3]:
            return raw
        answer = client.send(ActionNext(0xC1, number).encode())


def test_action_in_blocks_both_ways(open_peer: MakePeer) -> None:
    client = open_peer(max_pdu=64)
    data = axdr.octets(bytes(range(250)))
    assert client.send(ActionFirst(0xC1, (ECHO,), False, False, 1, data[:100]).encode()) == bytes.fromhex(
        "c704c100000001"
    )
    assert client.send(ActionBlock(0xC1, False, 2, data[100:200]).encode()) == bytes.fromhex("c704c100000002")
    answer = client.send(ActionBlock(0xC1, True, 3, data[200:]).encode())
    assert returned(client, answer) == data


def test_action_list_in_blocks_both_ways(open_peer: MakePeer) -> None:
    client = open_peer(max_pdu=64)
    values = requests.encode_values((axdr.octets(bytes(80)), axdr.NULL))
    assert client.send(ActionFirst(0xC1, (ECHO, UNKNOWN), True, False, 1, values[:60]).encode()) == bytes.fromhex(
        "c704c100000001"
    )
    answer = client.send(ActionBlock(0xC1, True, 2, values[60:]).encode())
    assert returned(client, answer) == b"\x02\x00\x01\x00" + axdr.octets(bytes(80)) + b"\x04\x00"
    wrong = client.send(ActionFirst(0xC1, (ECHO, UNKNOWN), True, True, 1, values[:-1]).encode())
    assert wrong == bytes.fromhex("c703c1020c000c00")


def test_action_blocks_that_are_wrong(open_peer: MakePeer) -> None:
    client = open_peer(max_pdu=64)
    first = ActionFirst(0xC1, (ECHO,), False, False, 1, axdr.octets(bytes(100))).encode()
    assert client.send(ActionBlock(0xC1, True, 2, b"").encode()) == bytes.fromhex("c701c11000")
    assert client.send(ActionNext(0xC1, 1).encode()) == bytes.fromhex("c701c11000")
    client.send(first)
    assert client.send(ActionBlock(0xC1, True, 3, b"").encode()) == bytes.fromhex("c701c10f00")
    client.send(first)
    client.send(ActionBlock(0xC1, True, 2, b"").encode())
    assert client.send(ActionNext(0xC1, 7).encode()) == bytes.fromhex("c701c10f00")
    assert client.send(ActionNext(0xC1, 1).encode()) == bytes.fromhex("c701c11000")
    without = open_peer(max_pdu=64, conformance=PLAIN & ~int(C.BLOCK_ACTION))
    assert without.send(first) == bytes.fromhex("d80102")
    long = ActionNormal(0xC1, ECHO, axdr.octets(bytes(100))).encode()
    assert without.send(long) == bytes.fromhex("c701c10001010e")


# -- ACCESS -----------------------------------------------------------------------------------------------------------


def test_access(open_peer: MakePeer, device: MemoryDevice) -> None:
    client = open_peer()
    entries = b"\x02" + axdr.structure(axdr.u32(1), axdr.u32(1), axdr.u16(1), axdr.u16(0))
    items = (
        Item(Kind.GET, ENERGY, None, axdr.NULL),
        Item(Kind.SET, SETTING, None, axdr.u16(77)),
        Item(Kind.ACTION, ECHO, None, axdr.u8(1)),
        Item(Kind.GET_SELECTED, PROFILE, entries, axdr.NULL),
        Item(Kind.SET_SELECTED, SETTING, entries, axdr.u16(1)),
        Item(Kind.GET, UNKNOWN, None, axdr.NULL),
        Item(Kind.ACTION, RESET, None, axdr.NULL),
    )
    answer = AccessResponse.decode(client.send(AccessRequest(0xC0000001, items).encode()))
    assert [tuple(result) for result in answer.results] == [(1, 0), (2, 0), (3, 0), (1, 0), (2, 13), (1, 4), (3, 0)]
    assert answer.values[:3] == (axdr.u32(123_456), axdr.NULL, axdr.u8(1))
    assert answer.invoke_id == 0xC0000001
    assert device.objects.calls[-1] == (RESET, None)
    stopped = AccessResponse.decode(client.send(AccessRequest(0xC0000002 | BREAK_ON_ERROR, items).encode()))
    assert [tuple(result) for result in stopped.results][4:] == [(2, 13), (1, 250), (3, 250)]
    assert client.send(AccessRequest(0xC0000001, items).encode()[:-1]) == bytes.fromhex("d80103")
    without = open_peer(conformance=EVERYTHING & ~int(C.ACCESS))
    assert without.send(AccessRequest(0xC0000001, items).encode()) == bytes.fromhex("d80102")


def test_access_answer_too_long(open_peer: MakePeer) -> None:
    request = AccessRequest(0xC0000001, (Item(Kind.GET, PROFILE, None, axdr.NULL),)).encode()
    client = open_peer(max_pdu=64, conformance=PLAIN)
    assert client.send(request) == bytes.fromhex("d80103")
    assert transferred(open_peer(max_pdu=64), request, in_blocks=False).startswith(b"\xda")


# -- general block transfer -------------------------------------------------------------------------------------------


def transferred(client: Peer, request: bytes, *, in_blocks: bool = True, window: int = 5, size: int = 64) -> bytes:
    """The answer to a request, both (or the answer alone) in general blocks."""
    side = BlockTransfer(window)
    waiting = list(side.send(request, size, answering=False)) if in_blocks else [request]
    for _ in range(1000):
        answers = [answer for apdu in waiting for answer in client.association.handle(apdu)]
        assert answers
        assert all(len(answer) <= client.association.client_max_pdu for answer in answers)
        waiting = []
        for answer in answers:
            step = side.receive(answer)
            if step.apdu is not None:
                return step.apdu
            waiting += step.send
    raise AssertionError("no end")


def test_general_blocks_both_ways(open_peer: MakePeer) -> None:
    client = open_peer(max_pdu=64)
    assert transferred(client, get(ENERGY)).hex() == "c401c100060001e240"
    assert transferred(client, get(PROFILE)).endswith(LAST)
    data = axdr.octets(bytes(range(256)) * 2)
    answer = transferred(client, ActionNormal(0xC1, ECHO, data).encode(), size=40)
    assert answer == b"\xc7\x01\xc1\x00\x01\x00" + data


def test_general_blocks_of_an_answer_alone(open_peer: MakePeer) -> None:
    """Where GET in blocks was not negotiated, a long answer starts general block transfer."""
    client = open_peer(max_pdu=64, conformance=EVERYTHING & ~int(C.BLOCK_GET | C.BLOCK_ACTION))
    assert transferred(client, get(PROFILE), in_blocks=False).endswith(LAST)
    many = GetList(0xC1, (Target(PROFILE), Target(UNKNOWN))).encode()
    assert transferred(client, many, in_blocks=False).endswith(b"\x01\x04")
    data = axdr.octets(bytes(100))
    assert transferred(client, ActionNormal(0xC1, ECHO, data).encode(), in_blocks=False).endswith(data)
    several = ActionList(0xC1, (ECHO, ECHO), (data, data)).encode()
    assert transferred(client, several, in_blocks=False).endswith(data)


def test_general_blocks_stream(open_peer: MakePeer) -> None:
    client = open_peer(max_pdu=64)
    (request,) = BlockTransfer(5).send(get(PROFILE), 64, answering=False)
    answers = [Block.decode(answer) for answer in client.association.handle(request)]
    assert [block.streaming for block in answers] == [True] * 4 + [False]
    assert client.association.handle(Block(True, False, 5, 2, 5, b"").encode()) != ()


def test_general_blocks_that_are_wrong(open_peer: MakePeer) -> None:
    client = open_peer(max_pdu=64)
    assert client.send(b"\xe0\x81\x00\x01") == bytes.fromhex("d80103")
    inner = Block(True, False, 1, 1, 0, get(ENERGY)).encode()
    answer = Block.decode(client.send(Block(True, False, 1, 1, 0, inner).encode()))
    assert answer.data == bytes.fromhex("d80103")
    without = open_peer(conformance=PLAIN)
    assert without.send(inner) == bytes.fromhex("d80102")
    assert open_peer().association.counters["malformed"] == 0
    assert client.association.counters["malformed"] == 2
    assert client.send(get(ENERGY)).hex() == "c401c100060001e240"
