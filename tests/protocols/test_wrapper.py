"""The TCP-UDP wrapper: messages of a real exchange, any slicing, wrong headers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import wrapper
from protocols.errors import FrameError, LocalProtocolError
from protocols.wrapper import HEADER, WrapperReader

PORT = st.integers(0, 0xFFFF)
MESSAGE = st.tuples(PORT, PORT, st.binary(min_size=1, max_size=60))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def outcome(pieces: list[bytes]) -> tuple[list[tuple[int, int, bytes]], bool]:
    """Messages found, and whether the connection broke."""
    reader = WrapperReader()
    found: list[tuple[int, int, bytes]] = []
    for piece in pieces:
        try:
            found += reader.receive(piece)
        except FrameError:
            assert reader.broken is not None
            break
    return found, reader.broken is not None


def test_release_of_a_gurux_exchange() -> None:
    assert wrapper.encode(16, 1, bytes.fromhex("6203800100")).hex() == "00010010000100056203800100"
    assert wrapper.decode(bytes.fromhex("00010001001000056303800100")) == (1, 16, bytes.fromhex("6303800100"))


@given(MESSAGE)
def test_datagram_round_trip(message: tuple[int, int, bytes]) -> None:
    assert wrapper.decode(wrapper.encode(*message)) == message


@given(st.lists(MESSAGE, max_size=5), st.lists(st.integers(0, 1000), max_size=8))
def test_stream_in_any_slices(messages: list[tuple[int, int, bytes]], places: list[int]) -> None:
    stream = b"".join(wrapper.encode(*message) for message in messages)
    assert outcome(cut(stream, places)) == (messages, False)
    assert outcome([bytes((octet,)) for octet in stream]) == (messages, False)


@given(st.lists(MESSAGE, max_size=2), st.binary(max_size=200), st.lists(st.integers(0, 1000), max_size=8))
def test_any_octets_whole_or_cut(messages: list[tuple[int, int, bytes]], rest: bytes, places: list[int]) -> None:
    stream = b"".join(wrapper.encode(*message) for message in messages) + rest
    assert outcome([stream]) == outcome(cut(stream, places))


@given(st.binary(max_size=100))
def test_any_datagram_is_read_or_a_frame_error(datagram: bytes) -> None:
    try:
        assert wrapper.encode(*wrapper.decode(datagram)) == datagram
    except FrameError as error:
        assert error.expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("0002001000010005", "0001"),
        ("0101001000010005", "0001"),
        ("0001001000010000", "1..100"),
        ("0001001000010065", "1..100"),
    ],
)
def test_wrong_header_breaks_the_connection(header: str, expected: str) -> None:
    reader = WrapperReader(limit=100)
    assert reader.receive(wrapper.encode(1, 2, b"good") + bytes.fromhex(header)) == [(1, 2, b"good")]
    assert reader.broken is not None
    with pytest.raises(FrameError) as raised:
        reader.receive(wrapper.encode(1, 2, b"too late"))
    assert raised.value.expected == expected


def test_datagram_holds_exactly_one_message() -> None:
    whole = wrapper.encode(1, 2, b"apdu")
    for wrong in (whole[:-1], whole + b"x", whole * 2, whole[: HEADER - 1], b""):
        with pytest.raises(FrameError):
            wrapper.decode(wrong)


def test_held_octets_are_bounded() -> None:
    reader = WrapperReader(limit=50)
    reader.receive(bytes.fromhex("0001001000010032") + bytes(49))
    assert reader.partial
    assert reader.receive(b"\0") == [(16, 1, bytes(50))]
    assert not reader.partial


@pytest.mark.parametrize(("source", "destination", "length"), [(1, 2, 0), (1, 2, 65536), (-1, 2, 1), (1, 65536, 1)])
def test_what_does_not_fit_is_our_fault(source: int, destination: int, length: int) -> None:
    with pytest.raises(LocalProtocolError):
        wrapper.encode(source, destination, bytes(length))
