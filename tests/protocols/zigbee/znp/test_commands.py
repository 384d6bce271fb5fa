"""ZNP commands: octets written out by hand, and whatever octets. `tests/interop/test_znp_codec.py` asks real hosts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee.mt import Frame, Kind
from protocols.zigbee.znp import commands as znp
from protocols.zigbee.znp import zdo

EUI = bytes.fromhex("00124B0001020304")


def test_version_of_a_processor() -> None:
    frame = Frame(Kind.ANSWER, 1, 2, bytes.fromhex("02 00 02 07 01 D1 1F 35 01"))
    command, values = znp.read(frame)
    assert command is znp.VERSION
    assert values == {"transport": 2, "product": 0, "major": 2, "minor": 7, "maintenance": 1, "revision": 0x01351FD1}
    assert znp.tell(command, values) == frame


def test_a_trust_centre_indication_reverses_the_eui() -> None:
    frame = znp.ask(zdo.TRUST_CENTRE_DEVICE, {"short": 0x1234, "eui": EUI, "parent": 0})
    assert frame == Frame(Kind.EVENT, 5, 0xCA, bytes.fromhex("3412 0403020100 4B1200 0000"))
    assert znp.read(frame)[1]["eui"] == EUI


def test_an_associated_device_has_28_octets() -> None:
    frame = Frame(Kind.ANSWER, 7, 0x49, bytes.fromhex("3412") + bytes(26))
    assert znp.read(frame)[1]["short"] == 0x1234
    for size in (27, 29):
        with pytest.raises(DecodeError):
            znp.read(Frame(Kind.ANSWER, 7, 0x49, bytes(size)))


def test_an_unknown_command_is_told() -> None:
    with pytest.raises(DecodeError, match=r"07\.77"):
        znp.read(Frame(Kind.REQUEST, 7, 0x77))


def test_octets_left_over_are_told() -> None:
    with pytest.raises(DecodeError, match="ping"):
        znp.read(Frame(Kind.REQUEST, 1, 1, b"\x00"))


def test_an_event_has_no_answer() -> None:
    with pytest.raises(DecodeError, match="has none"):
        znp.read(Frame(Kind.ANSWER, 5, 0xC0, b"\x09"))
    with pytest.raises(LocalProtocolError, match="has none"):
        znp.tell(zdo.STATE_CHANGE, {"state": 9})


@given(st.sampled_from(sorted(znp.COMMANDS)), st.sampled_from(Kind), st.binary(max_size=64))
def test_any_octets_are_read_back_or_refused(key: tuple[int, int], kind: Kind, octets: bytes) -> None:
    frame = Frame(kind, *key, octets)
    try:
        command, values = znp.read(frame)
    except DecodeError:
        return
    again = znp.tell(command, values) if kind is Kind.ANSWER else znp.ask(command, values)
    assert again.data == octets


def test_a_field_out_of_range_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError, match="stateChangeInd"):
        znp.ask(zdo.STATE_CHANGE, {"state": 256})
