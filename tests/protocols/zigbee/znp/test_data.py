"""The hand-written codec of data messages says what the declarations say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError
from protocols.zigbee.mt import Frame, Kind, Receiver
from protocols.zigbee.znp import commands as znp
from protocols.zigbee.znp import data
from protocols.zigbee.znp.command import AddressMode, Command

READERS = (
    (znp.DATA_REQUEST, data.read_request),
    (znp.DATA_REQUEST_EXTENDED, data.read_extended),
    (znp.DATA_REQUEST_ROUTED, data.read_routed),
)
octet, word = st.integers(0, 0xFF), st.integers(0, 0xFFFF)
REQUEST = {
    "destination_endpoint": octet,
    "source_endpoint": octet,
    "cluster": word,
    "transaction": octet,
    "options": octet,
    "radius": octet,
    "data": st.binary(max_size=200),
}


def read(octets: bytes, command: Command) -> dict[str, object]:
    return znp.read(Frame(Kind.REQUEST, command.subsystem, command.id, octets))[1]


@given(st.fixed_dictionaries(REQUEST | {"destination": word}))
def test_a_request(values: dict[str, int | bytes]) -> None:
    found = data.read_request(znp.ask(znp.DATA_REQUEST, values).data)
    assert found._asdict() == values | {"mode": AddressMode.SHORT, "pan": 0}


@given(st.fixed_dictionaries(REQUEST | {"destination": word, "relays": st.lists(word, max_size=9)}))
def test_a_routed_request(values: dict[str, int | bytes]) -> None:
    found = data.read_routed(znp.ask(znp.DATA_REQUEST_ROUTED, values).data)
    assert found._asdict() | {"relays": values["relays"]} == values | {"mode": AddressMode.SHORT, "pan": 0}


@given(st.fixed_dictionaries(REQUEST | {"destination": st.binary(min_size=8, max_size=8), "mode": octet, "pan": word}))
def test_an_extended_request(values: dict[str, int | bytes]) -> None:
    eui = values["destination"]
    assert isinstance(eui, bytes)
    found = data.read_extended(znp.ask(znp.DATA_REQUEST_EXTENDED, values).data)
    short = int.from_bytes(eui[6:], "big")
    assert found._asdict() == values | {"destination": eui if values["mode"] == AddressMode.EXTENDED else short}


@given(st.sampled_from(READERS), st.binary(max_size=40))
def test_any_octets_are_read_by_both_or_by_none(reader: tuple[Command, data.Request], octets: bytes) -> None:
    command, hand = reader
    try:
        declared = read(octets, command)
    except DecodeError:
        with pytest.raises(DecodeError, match=command.name):
            hand(octets)
        return
    assert hand(octets).data == declared["data"]


@given(octet, octet, octet)
def test_a_confirm(status: int, endpoint: int, transaction: int) -> None:
    values = {"status": status, "endpoint": endpoint, "transaction": transaction}
    assert data.confirm(status, endpoint, transaction) == znp.ask(znp.DATA_CONFIRM, values).encode()


MESSAGE = {
    "cluster": word,
    "source": word,
    "source_endpoint": octet,
    "destination_endpoint": octet,
    "broadcast": st.booleans(),
    "lqi": octet,
    "secured": st.booleans(),
    "timestamp": st.integers(0, 0xFFFF_FFFF),
    "sequence": octet,
    "data": st.binary(max_size=data.MAX_INCOMING),
    "radius": octet,
}


@given(st.fixed_dictionaries(MESSAGE))
def test_an_incoming_message(values: dict[str, int]) -> None:
    (frame,) = Receiver().receive(data.incoming(**values))
    command, found = znp.read(frame)
    assert command is znp.INCOMING_MESSAGE
    assert found == values | {"group": 0, "mac_source": values["source"]}


def test_the_longest_incoming_message_fills_a_frame() -> None:
    values = dict.fromkeys(MESSAGE, 0) | {"data": bytes(data.MAX_INCOMING)}
    assert len(data.incoming(**values)) == 255
