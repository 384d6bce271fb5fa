"""What is overheard on a line comes out whole, in order and as what it is, however it was cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import wrapper
from protocols.hdlc.frame import Frame, encode, encode_address
from protocols.sniffer import MAX_HELD, MAX_LINKS, Kind, Sniffer

CLIENT, SERVER = encode_address(16), encode_address(1)
SNRM = bytes.fromhex("7EA0070321930F017E")
UA = bytes.fromhex("7EA01E210373C37A818012050180060180070400000001080400000001533B7E")
AARQ = bytes.fromhex("7EA02B032110FBAFE6E600601DA109060760857405080101BE10040E01000000065F1F0400401E5DFFFF91237E")


def i_frame(number: int, information: bytes, *, segmented: bool = False, answer: bool = False) -> bytes:
    ends = (CLIENT, SERVER) if answer else (SERVER, CLIENT)
    return encode(Frame(*ends, number << 1 | 0x10, information, segmented))


def seen(sniffer: Sniffer, inbound: bool, data: bytes) -> list[tuple[Kind, bytes]]:
    return [(message.kind, message.octets) for message in sniffer.see(inbound, data)]


def test_hdlc_frames_and_apdus() -> None:
    sniffer = Sniffer()
    messages = sniffer.see(True, SNRM + AARQ[1:])  # the flag between them is shared
    assert [message.octets for message in messages] == [SNRM, AARQ]
    assert messages[0].frame is not None and str(messages[0].frame).startswith("SNRM")
    assert messages[0].apdu is None
    assert messages[1].apdu is not None and messages[1].apdu.startswith(b"\x60\x1d")
    assert seen(sniffer, False, UA) == [(Kind.HDLC, UA)]


@pytest.mark.parametrize("cut", [1, 2, 7, 40])
def test_cut_frames(cut: int) -> None:
    sniffer = Sniffer()
    data = SNRM + b"\x7e\x7e" + AARQ
    found = [item for at in range(0, len(data), cut) for item in seen(sniffer, True, data[at : at + cut])]
    assert found == [(Kind.HDLC, SNRM), (Kind.HDLC, AARQ)]


def test_segments_are_put_together_in_each_direction() -> None:
    sniffer = Sniffer()
    apdus = [
        message.apdu
        for inbound, frame in [
            (True, i_frame(0, b"\xe6\xe6\x00\xc0\x01", segmented=True)),
            (False, i_frame(0, b"\xe6\xe7\x00\xc4", segmented=True, answer=True)),
            (True, i_frame(1, b"\xc1\x00")),
            (False, i_frame(1, b"\x01\xc1", answer=True)),
        ]
        for message in sniffer.see(inbound, frame)
    ]
    assert apdus == [None, None, b"\xc0\x01\xc1\x00", b"\xc4\x01\xc1"]


def test_a_repeated_frame_is_no_second_apdu() -> None:
    sniffer = Sniffer()
    frame = i_frame(0, b"\xe6\xe6\x00\xc0")
    assert [m.apdu for m in sniffer.see(True, frame)] == [b"\xc0"]
    again = sniffer.see(True, frame)[0]
    assert again.apdu is None and again.remark == "repeated"
    assert sniffer.see(True, i_frame(3, b"\xe6\xe6\x00\xc0"))[0].remark == "out of sequence"
    # a new link begins at 0
    sniffer.see(True, SNRM)
    assert [m.apdu for m in sniffer.see(True, frame)] == [b"\xc0"]


def test_unnumbered_information() -> None:
    frame = encode(Frame(CLIENT, SERVER, 0x13, b"\xe6\xe7\x00\x0f\x00"))
    assert Sniffer().see(False, frame)[0].apdu == b"\x0f\x00"


def test_broken_frames() -> None:
    sniffer = Sniffer()
    broken = bytearray(AARQ)
    broken[20] ^= 1
    messages = sniffer.see(True, b"\x99\x99" + bytes(broken) + SNRM)
    assert [message.kind for message in messages] == [Kind.NOISE, Kind.NOISE, Kind.HDLC]
    assert "FCS" in messages[1].remark
    assert b"".join(message.octets for message in messages) == b"\x99\x99" + bytes(broken[:-1]) + SNRM
    # half a frame, then silence, then a whole one
    messages = sniffer.see(True, AARQ[:20])
    assert messages == []
    messages = sniffer.see(True, SNRM * 4)
    assert messages[-1].octets == SNRM and messages[0].kind is Kind.NOISE


def test_sign_on_and_readout() -> None:
    sniffer = Sniffer()
    parity = bytes(octet | (octet.bit_count() & 1) << 7 for octet in b"/?!\r\n")
    assert seen(sniffer, True, bytes(3)) == [(Kind.NOISE, bytes(3))]
    first = sniffer.see(True, parity)[0]
    assert (first.kind, first.text) == (Kind.TEXT, "/?!<CR><LF>")
    assert seen(sniffer, False, b"/SMT5\\2METER\r\n") == [(Kind.TEXT, b"/SMT5\\2METER\r\n")]
    assert seen(sniffer, True, b"\x0605") == []
    assert seen(sniffer, True, b"0\r\n") == [(Kind.TEXT, b"\x06050\r\n")]
    readout = b"\x021.8.0(1*kWh)\r\n!\r\n\x03\x55"
    assert seen(sniffer, False, readout[:-1]) == []
    assert seen(sniffer, False, readout[-1:]) == [(Kind.TEXT, readout)]
    # an acknowledgement alone is known to be one when the other side goes on
    assert seen(sniffer, True, b"\x06") == []
    messages = sniffer.see(False, b"\x15")
    assert [(m.inbound, m.octets, m.remark) for m in messages] == [(True, b"\x06", ""), (False, b"\x15", "")]


def test_mode_e() -> None:
    """Text, then frames, on one line and in one piece."""
    found = seen(Sniffer(), True, b"\x06252\r\n" + SNRM + b"/?!\r\n")
    assert found == [(Kind.TEXT, b"\x06252\r\n"), (Kind.HDLC, SNRM), (Kind.TEXT, b"/?!\r\n")]


def test_programming() -> None:
    sniffer = Sniffer()
    commands = [b"\x01P1\x02(1)\x03\x55", b"\x06", b"\x01R1\x02a()\x03\x03", b"\x01B0\r\n", b"\x01B0\x03q", b"\x15"]
    assert seen(sniffer, True, b"".join(commands)) == [(Kind.TEXT, command) for command in commands]


def test_wrapper() -> None:
    sniffer = Sniffer(wrapped=True)
    data = wrapper.encode(16, 1, b"\xc0\x01\xc1") + wrapper.encode(16, 1, b"\x62\x00")
    messages = [m for octet in data for m in sniffer.see(True, bytes((octet,)))]
    assert [(m.ports, m.apdu) for m in messages] == [((16, 1), b"\xc0\x01\xc1"), ((16, 1), b"\x62\x00")]
    assert sniffer.see(True, b"\x00\x02\x00")[:1] == []
    (bad,) = sniffer.see(True, b"\x10\x00\x01\x00\x01\x00")
    assert bad.kind is Kind.NOISE and bad.remark
    assert seen(sniffer, True, data) == [(Kind.NOISE, data)]
    assert seen(sniffer, False, data[:11]) == [(Kind.WRAPPER, data[:11])]


def test_datagrams() -> None:
    sniffer = Sniffer(wrapped=True, datagrams=True)
    data = wrapper.encode(16, 1, b"\xc0\x01\xc1")
    assert seen(sniffer, True, data) == [(Kind.WRAPPER, data)]
    assert seen(sniffer, True, data + b"\x00") == [(Kind.NOISE, data + b"\x00")]
    assert seen(sniffer, True, data) == [(Kind.WRAPPER, data)]


def test_flush_shows_what_is_left() -> None:
    sniffer = Sniffer()
    sniffer.see(True, SNRM[:4])
    sniffer.see(False, b"\x021.8.0")
    left = {message.inbound: message for message in sniffer.flush()}
    # the frame that had begun is not text, so the other side's words do not end it
    assert left[True].octets == SNRM[:4] and left[True].kind is Kind.NOISE
    assert left[False].kind is Kind.TEXT and left[False].remark == "unfinished"
    assert sniffer.flush() == []
    sniffer.see(True, SNRM)
    assert sniffer.flush() == []  # its closing flag might have opened another


PIECES = st.one_of(
    st.binary(max_size=24),
    st.sampled_from(
        [SNRM, UA, AARQ, b"/?!\r\n", b"\x06050\r\n", b"\x06", b"\x7e", b"\x021.8.0(1)\x03\x00", b"\x01B0\r\n"]
    ),
)


@given(st.lists(st.tuples(st.booleans(), PIECES), max_size=30), st.booleans(), st.booleans())
def test_nothing_is_lost_but_shared_flags(pieces: list[tuple[bool, bytes]], wrapped: bool, datagrams: bool) -> None:
    sniffer = Sniffer(wrapped=wrapped, datagrams=datagrams)
    messages = [message for inbound, data in pieces for message in sniffer.see(inbound, data)] + sniffer.flush()
    for direction in (True, False):
        sent = b"".join(data for inbound, data in pieces if inbound is direction)
        shown = b"".join(message.octets for message in messages if message.inbound is direction)
        assert shown.replace(b"\x7e", b"") == sent.replace(b"\x7e", b"")


@given(st.binary(max_size=200), st.sets(st.integers(0, 200), max_size=5), st.booleans())
def test_slices_do_not_matter_for_frames(noise: bytes, places: set[int], after: bool) -> None:
    data = AARQ + noise + SNRM if after else SNRM + AARQ + noise
    cuts = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    sniffer, whole = Sniffer(), Sniffer()
    parts = [m for start, end in pairwise(cuts) for m in sniffer.see(True, data[start:end])]
    expected = whole.see(True, data)
    frames = [m.octets for m in parts if m.kind is Kind.HDLC]
    assert frames == [m.octets for m in expected if m.kind is Kind.HDLC]


def test_memory_is_bounded() -> None:
    sniffer = Sniffer()
    for _ in range(100):
        sniffer.see(True, b"\x02" + b"x" * 1000)
        sniffer.see(True, b"y" * 1000)
    assert sum(len(m.octets) for m in sniffer.flush()) <= MAX_HELD
    for server in range(300):
        address = encode_address(server, 17, 4)
        sniffer.see(True, encode(Frame(address, CLIENT, 0x10, b"x", True)))
    assert len(sniffer._links) <= MAX_LINKS  # pyright: ignore[reportPrivateUsage]
