"""EZSP frames: octets of a real start, both forms, and whatever octets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee.ezsp import configuration as ezsp
from protocols.zigbee.ezsp.frame import CALLBACK, OVERFLOW, RESPONSE, Frame


def test_a_host_begins_in_the_older_form_and_is_answered_in_it() -> None:
    frame = Frame.decode(bytes.fromhex("00 00 00 04"))
    assert (frame.id, frame.parameters, frame.legacy) == (ezsp.VERSION.id, b"\x04", True)
    answer = frame.response(ezsp.VERSION.tell({"protocol": 8, "stack_type": 2, "stack": 0x6A20}))
    assert answer.encode() == bytes.fromhex("00 80 00 08 02 20 6A")


def test_then_in_the_one_of_version_8_and_later() -> None:
    frame = Frame.decode(bytes.fromhex("01 00 01 00 00 08"))
    assert (frame.sequence, frame.id, frame.parameters, frame.legacy) == (1, ezsp.VERSION.id, b"\x08", False)
    assert frame.encode() == bytes.fromhex("01 00 01 00 00 08")
    assert frame.response(b"\x0d", flags=OVERFLOW).encode() == bytes.fromhex("01 81 01 00 00 0D")
    assert Frame(7, CALLBACK, 0x0116, b"\x01").encode() == bytes.fromhex("07 90 01 16 01 01")


@pytest.mark.parametrize("text", ["", "01", "0100", "010002", "0100030000", "0100010000"[:8]])
def test_frames_too_short_or_of_no_known_form(text: str) -> None:
    with pytest.raises(DecodeError):
        Frame.decode(bytes.fromhex(text))


@given(st.binary(max_size=140))
def test_any_octets_come_back_or_are_refused(octets: bytes) -> None:
    try:
        frame = Frame.decode(octets)
    except DecodeError:
        return
    again = frame.encode()
    assert again[:2] == octets[:2]
    assert Frame.decode(again) == frame


def test_numbers_out_of_range_are_our_fault() -> None:
    for frame in (Frame(256, RESPONSE, 1, b""), Frame(0, RESPONSE, 0x10000, b"")):
        with pytest.raises(LocalProtocolError):
            frame.encode()
