"""MT frames: known octets, whatever way they are cut, and rubbish between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError
from protocols.zigbee.mt import MAX_DATA, Frame, Kind, Receiver, RequestError, Subsystem

PING = bytes.fromhex("FE 00 21 01 20")
PONG = bytes.fromhex("FE 02 61 01 79 07 1C")

frames = st.builds(
    Frame, st.sampled_from(Kind), st.integers(0, 0x1F), st.integers(0, 0xFF), st.binary(max_size=MAX_DATA)
)


def test_ping_and_its_answer() -> None:
    request = Frame(Kind.REQUEST, Subsystem.SYS, 1)
    assert request.encode() == PING
    assert request.answer(bytes.fromhex("7907")).encode() == PONG
    assert Receiver().receive(PING + PONG) == [request, request.answer(bytes.fromhex("7907"))]


def test_refusal_names_the_request() -> None:
    answer = Frame(Kind.REQUEST, Subsystem.UTIL, 0x77).refusal(RequestError.COMMAND)
    assert answer == Frame(Kind.ANSWER, Subsystem.ERROR, 0, bytes.fromhex("022777"))
    assert answer.encode()[:4] == bytes.fromhex("FE036000")


@given(st.lists(frames, max_size=5), st.integers(1, 40))
def test_frames_survive_any_cut(sent: list[Frame], size: int) -> None:
    octets = b"".join(frame.encode() for frame in sent)
    receiver = Receiver()
    got = [frame for at in range(0, len(octets), size) for frame in receiver.receive(octets[at : at + size])]
    assert got == sent
    assert receiver.skipped == receiver.bad_frames == 0


@given(st.binary(max_size=600), st.integers(1, 60))
def test_rubbish_is_counted_never_raised_and_never_kept(octets: bytes, size: int) -> None:
    receiver = Receiver()
    taken = 0
    for at in range(0, len(octets), size):
        taken += sum(len(frame.encode()) for frame in receiver.receive(octets[at : at + size]))
    held = len(octets) - taken - receiver.skipped
    assert 0 <= held < MAX_DATA + 5


def test_a_damaged_frame_does_not_hide_the_next() -> None:
    receiver = Receiver()
    damaged = PONG[:-1] + bytes((PONG[-1] ^ 1,))
    assert receiver.receive(b"\x00\x55" + damaged + PING) == [Frame(Kind.REQUEST, Subsystem.SYS, 1)]
    assert receiver.skipped == 2 + len(damaged)
    assert receiver.bad_frames == 1


def test_a_length_over_the_limit_is_no_frame() -> None:
    receiver = Receiver()
    assert receiver.receive(b"\xfe\xfb" + PING) == [Frame(Kind.REQUEST, Subsystem.SYS, 1)]
    assert receiver.bad_frames == 1


def test_an_unknown_type_is_counted() -> None:
    receiver = Receiver()
    assert receiver.receive(bytes.fromhex("FE 00 81 01 80")) == []
    assert (receiver.bad_frames, receiver.skipped) == (1, 5)


def test_reset_drops_the_begun_frame() -> None:
    receiver = Receiver()
    assert receiver.receive(PONG[:4]) == []
    receiver.reset()
    assert receiver.receive(PING) == [Frame(Kind.REQUEST, Subsystem.SYS, 1)]


@pytest.mark.parametrize(
    "frame",
    [Frame(Kind.EVENT, 32, 0), Frame(Kind.EVENT, 1, 256), Frame(Kind.EVENT, 1, 0, bytes(MAX_DATA + 1))],
)
def test_fields_out_of_range_are_our_fault(frame: Frame) -> None:
    with pytest.raises(LocalProtocolError):
        frame.encode()
