"""The secondary station: a real exchange, the conformance test items for HDLC, addressing, windows, time-outs."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.errors import LocalProtocolError
from protocols.hdlc import Frame, Parameters, encode, encode_address
from protocols.hdlc.frame import control_name

SECOND = 1_000_000_000
LLC = bytes.fromhex("E6E600")
SERVER_LLC = bytes.fromhex("E6E700")
UA, DM, FRMR, RR = 0x73, 0x1F, 0x97, 0x11
Server = Any  # the fixtures' type, in conftest.py


def controls(frames: list[Frame]) -> list[str]:
    return [control_name(frame.control) for frame in frames]


# -- a real exchange --------------------------------------------------------------------------------------------------

OBJECT_LIST = bytes.fromhex("C401C10001030204 12000F 11020906 0000280000FF 0202010B") + bytes(281)
ANSWERS = {
    "601DA109060760857405080101BE10040E01000000065F1F0400401E5DFFFF": (
        "6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F040000001002000007"
    ),
    "C001C1000F0000280000FF0200": OBJECT_LIST.hex(),
    "C001C1000100002A0000FF0200": "C401C10009114752583030303030303031323334353600",
}
SNRM = "7EA007032193 0F01 7E"
ALL_DEFAULTS = "7EA01E210373 C37A 818012050180060180070400000001080400000001 533B 7E"
AARQ = "7EA02B032110 FBAF E6E600601DA109060760857405080101BE10040E01000000065F1F0400401E5DFFFF 9123 7E"
AARE = (
    "7EA037210330 6C7C E6E7006129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F0400000010"
    "02000007 1CEA 7E"
)
GET_OBJECT_LIST = "7EA019032132 6FD8 E6E600C001C1000F0000280000FF0200 9153 7E"
GET_NAME = "7EA019032194 5318 E6E600C001C1000100002A0000FF0200 1280 7E"
NAME = "7EA023210378 6D03 E6E700C401C10009114752583030303030303031323334353600 7D46 7E"
DISC = "7EA007032153 03C7 7E"


def test_gurux_exchange(make_server: type[Server]) -> None:
    """The public client's session of the fact sheet, to the octet where the trace has them all."""
    server = make_server()
    server.answer = lambda apdu: [bytes.fromhex(ANSWERS[apdu.hex().upper()])]

    def sent(data: str) -> str:
        return server.station.receive(bytes.fromhex(data), 0).hex().upper()

    assert sent(SNRM) == ALL_DEFAULTS.replace(" ", "")
    assert sent(AARQ) == AARE.replace(" ", "")
    # Gurux cuts segments of 125 octets where 128 are allowed; the rest of its headers is as ours.
    segments = [sent(GET_OBJECT_LIST), sent("7EA0070321 51 11E4 7E"), sent("7EA0070321 71 13C5 7E")]
    assert [segment[:12] for segment in segments] == ["7EA889210352", "7EA889210354", "7EA03E210356"]
    theirs = encode(Frame(b"\x21", b"\x03", 0x52, SERVER_LLC + OBJECT_LIST[:122], True)).hex().upper()
    assert theirs.startswith("7EA886210352 7F1B E6E700C401C1000103020412000F11020906".replace(" ", ""))
    assert sent(GET_NAME) == NAME.replace(" ", "")
    assert (
        sent(DISC) == encode(Frame(b"\x21", b"\x03", UA)).hex().upper()
    )  # without information, as the standard has it
    assert [entry[0] for entry in server.log] == ["connected", "received", "received", "received", "disconnected"]
    assert not server.sentences


def test_parameters_asked_for_and_not_granted(make_server: type[Server]) -> None:
    server = make_server()
    snrm = "7EA020032393CDEA 818014 05020200 06020200 070400000007 080400000007 94D2 7E"
    (answer,) = server.hear(snrm)
    assert answer.information.hex() == "818012050180060180070400000001080400000001"
    assert server.station.link(17, 1).parameters == Parameters()


# -- conformance test items (fact sheet, section 8) -------------------------------------------------------------------


def test_frame_p1_disc_snrm_and_rr(make_server: type[Server]) -> None:
    server = make_server()
    assert controls(server.say(0x53)) == ["DM P/F=1"]
    assert controls(server.say(0x93)) == ["UA P/F=1"]
    assert controls(server.say(0x11)) == ["RR N(R)=0 P/F=1"]
    assert controls(server.say(0x53)) == ["UA P/F=1"]
    assert controls(server.say(0x53)) == ["DM P/F=1"]


def test_frame_p2_missing_fcs_octet(server: Server) -> None:
    assert server.hear(bytes.fromhex(AARQ)[:-2] + b"\x7e") == []
    assert controls(server.hear(AARQ)) == ["I N(S)=0 N(R)=1 P/F=1"]
    assert server.station.counters["frames discarded"] == 1


def test_frame_p3_inactivity(make_server: type[Server]) -> None:
    server = make_server(inactivity_timeout=120 * SECOND)
    assert server.station.next_timeout() is None
    server.say(0x93)
    server.now = 60 * SECOND
    server.say(0x11)
    assert 60 * SECOND < server.station.next_timeout() <= 180 * SECOND
    assert server.station.timeout(179 * SECOND) == b""
    assert server.station.next_timeout() == 180 * SECOND
    assert server.station.timeout(180 * SECOND) == b""
    assert server.log[-1] == ("disconnected", 16, 1, "no frame for 120 s")
    assert server.station.next_timeout() is None
    server.now = 181 * SECOND
    assert controls(server.say(0x11)) == ["DM P/F=1"]


@pytest.mark.parametrize("step", [30, 119])
def test_requests_keep_the_link(make_server: type[Server], step: int) -> None:
    server = make_server(inactivity_timeout=120 * SECOND)
    server.say(0x93)
    for number in range(20):
        server.now += step * SECOND
        due = server.station.next_timeout()
        if due <= server.now:
            assert server.station.timeout(due) == b""
            assert server.station.next_timeout() > due
        turn = number & 7
        assert controls(server.say(0x10 | turn << 5 | turn << 1, LLC + b"x")) == [
            f"I N(S)={turn} N(R)={turn + 1 & 7} P/F=1"
        ]
    assert len(server.requests) == 20


def test_late_octets_find_the_link_gone(make_server: type[Server]) -> None:
    """The time-out counts even when the caller comes to it only with the next octets."""
    server = make_server(inactivity_timeout=120 * SECOND)
    server.say(0x93)
    server.now = 120 * SECOND
    assert controls(server.say(0x10, LLC + b"x")) == ["DM P/F=1"]


def test_frame_n1_garbage_while_disconnected(make_server: type[Server]) -> None:
    server = make_server()
    for garbage in (b"\x00" * 50, b"\x7e" * 9, bytes(range(256)), b"/?!\r\n", b"\x7e\xa0", b"\xa0\x07\x03\x21"):
        assert server.hear(garbage) == []
    assert server.log == []


def test_frame_n2_garbage_then_snrm(make_server: type[Server]) -> None:
    server = make_server()
    for garbage in (b"\x55" * 20, b"\x7e\x7e\x01\x7e", bytes.fromhex("7EA0FF0321"), bytes.fromhex("7EA7FFFEFEFEFE")):
        assert controls(server.hear(garbage + bytes.fromhex(SNRM))) == ["UA P/F=1"]


def test_frame_n3_damaged_snrm(make_server: type[Server]) -> None:
    server = make_server()
    whole = bytes.fromhex(SNRM)
    for place in range(1, len(whole) - 1):
        assert server.hear(whole[:place] + bytes((whole[place] ^ 0x40,)) + whole[place + 1 :]) == []
    assert server.log == []
    assert controls(server.hear(SNRM)) == ["UA P/F=1"]


def test_frame_n4_too_long(server: Server) -> None:
    """Octets between FCS and closing flag: the length does not fit; the next right frame is answered."""
    data = bytes.fromhex(AARQ)
    assert server.hear(data[:-1] + b"\x00\x00\x7e") == []
    assert controls(server.hear(AARQ)) == ["I N(S)=0 N(R)=1 P/F=1"]


@pytest.mark.parametrize("control", [0x33, 0xD3, 0x19, 0x1D, 0x73, 0x1F, 0x97, 0xF3])
def test_frame_n5_unknown_control(server: Server, control: int) -> None:
    (answer,) = server.say(control)
    assert (answer.control, answer.information) == (FRMR, bytes((control, 0x00, 0x01)))
    assert controls(server.say(0x10, LLC + b"x")) == ["FRMR P/F=1"], "until the client sets the mode anew"
    assert controls(server.say(0x93)) == ["UA P/F=1"]
    assert controls(server.say(0x10, LLC + b"x")) == ["I N(S)=0 N(R)=1 P/F=1"]
    assert server.requests == [b"x"]


def test_unknown_control_while_disconnected(make_server: type[Server]) -> None:
    assert controls(make_server().say(0x94)) == ["DM P/F=1"]
    assert controls(make_server().say(0x33)) == ["DM P/F=1"]


@pytest.mark.parametrize(
    "frame",
    [
        "7E900703219300007E",
        "7EA00503217E",
        "7EA00621930F017E",
        "7E7E",
        "7EA0070321930F01FF",
    ],
)
def test_frame_n7_illegal_frame(server: Server, frame: str) -> None:
    assert server.hear(frame) == []
    assert server.log == []


def test_request_without_closing_flag(server: Server) -> None:
    assert server.hear(bytes.fromhex(AARQ)[:-1] + b"\xff") == []
    assert controls(server.hear(AARQ)) == ["I N(S)=0 N(R)=1 P/F=1"]


def test_frame_n7_wrong_hcs_with_right_fcs(server: Server) -> None:
    data = bytes.fromhex("7EA01E032193 724E 818012050180060180070400000001080400000001 533B 7E")
    assert server.hear(data) == []
    assert server.station.counters["wrong HCS"] == 1


def test_frame_n8_wrong_fcs(server: Server) -> None:
    data = bytearray(bytes.fromhex(AARQ))
    data[-2] ^= 1
    assert server.hear(bytes(data)) == []
    assert server.sentences == ["frame discarded: FCS 9122 wrong, expected 9123"]
    assert server.requests == []


def test_address_n1_two_octet_client(make_server: type[Server]) -> None:
    server = make_server()
    assert server.say(0x93, client=b"\x02\x21") == []
    assert server.sentences == ["frame discarded: SNRM P/F=1: client address of 2 octets, 1 expected"]


def test_address_n4_unknown_destination(make_server: type[Server]) -> None:
    server = make_server()
    assert server.say(0x93, server=encode_address(5)) == []
    assert server.say(0x93, server=encode_address(1, 18)) == []
    assert server.say(0x93, server=encode_address(0)) == []
    assert server.sentences == [
        "frame discarded: SNRM P/F=1: destination upper 5 is not here; here are 1, 16",
        "frame discarded: SNRM P/F=1: destination lower 18 is not here; this is 17",
        "frame discarded: SNRM P/F=1: destination upper 0 is not here; here are 1, 16",
    ]
    assert server.station.counters["unknown destination"] == 3


def test_address_n7_three_octet_server(make_server: type[Server]) -> None:
    server = make_server()
    assert server.say(0x93, server=b"\x00\x02\x23") == []
    assert server.station.counters["wrong address"] == 1


@pytest.mark.parametrize("client", [0, 0x7F])
def test_addresses_no_client_has(make_server: type[Server], client: int) -> None:
    server = make_server()
    assert server.say(0x93, client=encode_address(client)) == []
    assert server.station.counters["wrong client address"] == 1


@pytest.mark.parametrize(
    ("asked", "limits", "granted"),
    [
        (Parameters(2030, 2030), Parameters(2030, 2030), Parameters(2030, 2030)),
        (Parameters(2030, 2030), Parameters(200, 240), Parameters(200, 240)),
        (Parameters(window_transmit=4, window_receive=4), Parameters(128, 128, 7, 3), Parameters(128, 128, 4, 3)),
        (Parameters(64, 500, 1, 7), Parameters(2030, 2030, 7, 7), Parameters(500, 64, 7, 1)),
    ],
    ids=["NDM2NRM_P1", "P1 smaller limits", "NDM2NRM_P2", "directions"],
)
def test_ndm2nrm(make_server: type[Server], asked: Parameters, limits: Parameters, granted: Parameters) -> None:
    server = make_server(limits=limits)
    (answer,) = server.say(0x93, asked.encode())
    assert answer.information == granted.encode()
    assert server.station.link(16, 1).parameters == granted


def test_snrm_with_parameters_that_cannot_be_read(make_server: type[Server]) -> None:
    server = make_server()
    assert controls(server.say(0x93, b"\x81\x80\x12\x05")) == ["DM P/F=1"]
    assert server.log == []
    assert "refused: parameter 80 is longer than its field" in server.sentences[0]


def test_info_p1_whole_and_segmented(make_server: type[Server]) -> None:
    """The AARQ in one frame, then in segments, each acknowledged by RR but the last, which is answered."""
    server = make_server()
    apdu = bytes(range(100))
    server.say(0x93)
    (whole,) = server.say(0x10, LLC + apdu)
    server.say(0x93)
    message = LLC + apdu
    for number, start in enumerate(range(0, 90, 30)):
        answer = server.say(0x10 | number << 1, message[start : start + 30], segmented=True)
        assert controls(answer) == [f"RR N(R)={number + 1} P/F=1"]
    (last,) = server.say(0x16, message[90:])
    assert control_name(last.control) == "I N(S)=0 N(R)=4 P/F=1"
    assert last.information == whole.information
    assert server.requests == [apdu, apdu]


def test_info_n1_longer_than_negotiated(server: Server) -> None:
    (answer,) = server.say(0x10, LLC + bytes(126))
    assert (answer.control, answer.information) == (FRMR, bytes.fromhex("100004"))
    assert server.requests == []
    server.say(0x93)
    assert controls(server.say(0x10, LLC + bytes(125))) == ["I N(S)=0 N(R)=1 P/F=1"]


def test_info_n2_wrong_acknowledgement(server: Server) -> None:
    server.say(0x10, LLC + b"a")
    (answer,) = server.say(0x10 | 5 << 5 | 1 << 1, LLC + b"b")
    assert answer.control == FRMR
    assert answer.information == bytes((0x10 | 5 << 5 | 1 << 1, 1 << 5 | 1 << 1, 0x08))
    assert server.requests == [b"a"]
    assert "N(R)=5, 0..1 expected" in server.sentences[-1]


def test_info_n3_wrong_sequence_number(server: Server) -> None:
    server.say(0x10, LLC + b"a")
    assert controls(server.say(0x10 | 1 << 5 | 3 << 1, LLC + b"b")) == ["RR N(R)=1 P/F=1"]
    assert controls(server.say(0x10 | 1 << 5 | 1 << 1, LLC + b"c")) == ["I N(S)=1 N(R)=2 P/F=1"]
    assert server.requests == [b"a", b"c"]


def test_ndmop_n1_request_before_snrm(make_server: type[Server]) -> None:
    server = make_server()
    assert controls(server.say(0x10, LLC + b"a")) == ["DM P/F=1"]
    assert controls(server.say(0x11)) == ["DM P/F=1"]
    assert server.say(0x00, LLC + b"a") == [], "no turn, no answer"
    assert server.log == []


def test_repeated_request_is_executed_once(server: Server) -> None:
    """The client has missed the answer and shows it by the N(R) it repeats: it gets the same answer again."""
    (first,) = server.say(0x10, LLC + b"a")
    for _ in range(3):
        assert server.say(0x10, LLC + b"a") == [first]
    assert server.requests == [b"a"]
    assert controls(server.say(0x30, LLC + b"a")) == ["RR N(R)=1 P/F=1"], "it has the answer: only acknowledged"
    assert controls(server.say(0x32, LLC + b"b")) == ["I N(S)=1 N(R)=2 P/F=1"]
    assert server.requests == [b"a", b"b"]


def test_rr_that_shows_a_missed_answer(server: Server) -> None:
    (first,) = server.say(0x10, LLC + b"a")
    assert server.say(0x11) == [first]
    assert controls(server.say(0x31)) == ["RR N(R)=1 P/F=1"]


# -- turns, windows, flow ---------------------------------------------------------------------------------------------


def connected(make_server: type[Server], parameters: Parameters) -> Server:
    server = make_server(limits=Parameters(2030, 2030, 7, 7))
    server.say(0x93, parameters.encode())
    return server


def test_window_of_requests(make_server: type[Server]) -> None:
    server = connected(make_server, Parameters(window_transmit=3))
    assert server.say_all((0x00, LLC + b"a"), (0x02, LLC + b"b"), (0x14, LLC + b"c"))[-1].control >> 5 == 3
    assert server.requests == [b"a", b"b", b"c"]


def test_window_of_segments_both_ways(make_server: type[Server]) -> None:
    server = connected(make_server, Parameters(40, 40, 7, 7))
    apdu = bytes(range(200))
    message = LLC + apdu
    pieces = [message[at : at + 40] for at in range(0, len(message), 40)]
    stream = b"".join(
        encode(Frame(b"\x03", b"\x21", number << 1 | (0x10 if number == 5 else 0), piece, number < 5))
        for number, piece in enumerate(pieces)
    )
    answer = server.hear(stream)
    assert server.requests == [apdu]
    assert [frame.control >> 1 & 7 for frame in answer] == [0, 1, 2, 3, 4, 5]
    assert [frame.control >> 4 & 1 for frame in answer] == [0, 0, 0, 0, 0, 1]
    assert [frame.segmented for frame in answer] == [True] * 5 + [False]
    assert b"".join(frame.information for frame in answer)[3:] == bytes(octet ^ 0xFF for octet in apdu)


def test_long_answer_in_windows_of_two(make_server: type[Server]) -> None:
    server = connected(make_server, Parameters(128, 50, 1, 2))
    server.answer = lambda _apdu: [bytes(197)]
    assert controls(server.say(0x10, LLC + b"a")) == ["I N(S)=0 N(R)=1 P/F=0", "I N(S)=1 N(R)=1 P/F=1"]
    again = server.say(0x31)
    assert controls(again) == ["I N(S)=1 N(R)=1 P/F=0", "I N(S)=2 N(R)=1 P/F=1"], "1 was lost"
    assert controls(server.say(0x71)) == ["I N(S)=3 N(R)=1 P/F=1"]
    assert controls(server.say(0x91)) == ["RR N(R)=1 P/F=1"]


def test_lost_frame_of_a_window(make_server: type[Server]) -> None:
    server = connected(make_server, Parameters(window_transmit=3))
    assert controls(server.say_all((0x00, LLC + b"a"), (0x14, LLC + b"c")))[-1].endswith("N(R)=1 P/F=1")
    server.say_all((0x22, LLC + b"b"), (0x34, LLC + b"c"))
    assert server.requests == [b"a", b"b", b"c"]


def test_more_frames_than_the_window(make_server: type[Server]) -> None:
    server = connected(make_server, Parameters(window_transmit=2))
    server.say_all((0x00, LLC + b"a"), (0x02, LLC + b"b"), (0x14, LLC + b"c"))
    assert server.requests == [b"a", b"b"]
    assert "beyond the window of 2" in server.sentences[0]


def test_no_answer_without_the_turn(server: Server) -> None:
    assert server.say(0x00, LLC + b"a") == []
    assert server.say(0x01) == []
    assert controls(server.say(0x11)) == ["I N(S)=0 N(R)=1 P/F=1"]


def test_client_not_ready(make_server: type[Server]) -> None:
    server = connected(make_server, Parameters(128, 50))
    server.answer = lambda _apdu: [bytes(80)]
    server.say(0x10, LLC + b"a")
    assert controls(server.say(0x35)) == ["RR N(R)=1 P/F=1"]
    assert controls(server.say(0x31)) == ["I N(S)=1 N(R)=1 P/F=1"]
    assert controls(server.say(0x55)) == ["RR N(R)=1 P/F=1"]
    assert controls(server.say(0x52, LLC + b"b")) == ["I N(S)=2 N(R)=2 P/F=1"], "a request says it is ready"


def test_several_answers_and_none(server: Server) -> None:
    server.answer = lambda _apdu: [b"one", b"two"]
    assert [frame.information for frame in server.say(0x10, LLC + b"a")] == [SERVER_LLC + b"one"]
    assert [frame.information for frame in server.say(0x31)] == [SERVER_LLC + b"two"]
    server.answer = lambda _apdu: []
    assert controls(server.say(0x52, LLC + b"b")) == ["RR N(R)=2 P/F=1"]


def test_request_amid_a_long_answer(server: Server) -> None:
    """What was being sent goes on; the new request's answer follows."""
    server.answer = lambda apdu: [apdu * 150]
    server.say(0x10, LLC + b"a")
    second = server.say(0x32, LLC + b"b")
    third = server.say(0x51)
    fourth = server.say(0x71)
    got = b"".join(frame.information for frame in [*second, *third, *fourth])
    assert got.endswith(SERVER_LLC + b"b" * 150)
    assert server.requests == [b"a", b"b"]


def test_answers_nobody_fetches_are_bounded(make_server: type[Server]) -> None:
    server = connected(make_server, Parameters(32, 32))
    server.answer = lambda _apdu: [bytes(60_000)]
    for number in range(1000):
        (answer,) = server.say(0x10 | (number & 7) << 5 | min(number, 7 if number > 7 else number) << 1, LLC + b"a")
        if answer.control >> 5 != number + 1 & 7:
            break
    assert len(server.requests) <= 3
    assert server.station.link(16, 1).queued <= 3 * 60_003
    assert "octets of answers wait to be fetched" in server.sentences[-1]


def test_apdu_without_end_is_rejected(server: Server) -> None:
    for number in range(10_000):
        (answer,) = server.say(0x10 | (number & 7) << 1, bytes(128), segmented=True)
        if answer.control == FRMR:
            assert answer.information[2] == 0x04
            break
    assert number == (0x1_0000 + 0x100) // 128
    assert server.requests == []


def test_wrong_llc(server: Server) -> None:
    for wrong in (SERVER_LLC + b"a", b"\x00", b""):
        number = server.station.link(16, 1).vr
        assert controls(server.say(0x10 | number << 1, wrong)) == [f"RR N(R)={number + 1} P/F=1"]
    assert server.requests == []
    assert server.sentences[0] == "client 16, server 1: LLC E6E700 wrong, expected E6E600"


def test_rr_with_information(server: Server) -> None:
    (answer,) = server.say(0x11, b"x")
    assert (answer.control, answer.information[2]) == (FRMR, 0x03)


def test_second_snrm_resets(server: Server) -> None:
    server.answer = lambda _apdu: [bytes(300)]
    server.say(0x10, LLC + b"a")
    assert controls(server.say(0x93)) == ["UA P/F=1"]
    assert controls(server.say(0x11)) == ["RR N(R)=0 P/F=1"]
    assert [entry[0] for entry in server.log] == ["received", "disconnected", "connected"]


# -- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [encode_address(1), encode_address(1, 17), encode_address(1, 17, 4), encode_address(1, 0x7E), b"\x00\x02\xfe\xfd"],
    ids=["1", "2", "4", "calling 2", "calling 4"],
)
def test_answers_come_from_the_address_used(make_server: type[Server], address: bytes) -> None:
    server = make_server()
    for control, information in (
        (0x93, b""),
        (0x10, LLC + b"a"),
        (0x32, LLC + b"b"),
        (0x11 | 2 << 5, b""),
        (0x53, b""),
    ):
        (answer,) = server.say(control, information, server=address)
        assert (answer.destination, answer.source) == (b"\x21", address)
    assert server.requests == [b"a", b"b"]


def test_the_form_may_change_on_a_link(server: Server) -> None:
    wide = encode_address(1, 17, 4)
    (answer,) = server.say(0x10, LLC + b"a", server=wide)
    assert (answer.source, answer.control) == (wide, 0x30)
    (answer,) = server.say(0x32, LLC + b"b")
    assert (answer.source, answer.control) == (b"\x03", 0x52)


def test_two_clients_and_two_logical_devices(make_server: type[Server]) -> None:
    server = make_server()
    pairs = [(b"\x21", b"\x03"), (b"\x03", b"\x03"), (b"\x21", b"\x21")]
    for client, logical in pairs:
        assert controls(server.say(0x93, client=client, server=logical)) == ["UA P/F=1"]
    for turn in range(10):
        control = 0x10 | (turn & 7) << 5 | (turn & 7) << 1
        for client, logical in pairs:
            (answer,) = server.say(control, LLC + bytes((turn,)), client=client, server=logical)
            assert (answer.destination, answer.source, answer.information) == (
                client,
                logical,
                SERVER_LLC + bytes((turn ^ 0xFF,)),
            )
    assert controls(server.say(0x53)) == ["UA P/F=1"]
    assert controls(server.say(0x11 | 2 << 5, client=b"\x03")) == ["RR N(R)=2 P/F=1"], "the others stay"
    server.station.lost()
    assert {entry[1:3] for entry in server.log if entry[0] == "disconnected"} == {(16, 1), (1, 1), (16, 16)}


@pytest.mark.parametrize(
    ("address", "logical"),
    [(b"\xff", 127), (encode_address(0x7F, 0x7F), 127), (encode_address(0x3FFF, 0x3FFF), 127), (b"\x02\xff", 1)],
    ids=["1 octet", "2 octets", "4 octets", "all physical devices"],
)
def test_broadcast(server: Server, address: bytes, logical: int) -> None:
    assert server.say(0x13, LLC + b"a", server=address) == []
    assert server.say(0x03, LLC + b"b", server=address) == []
    assert server.log == [("unconfirmed", 16, logical, b"a"), ("unconfirmed", 16, logical, b"b")]
    for control in (0x93, 0x53, 0x11):
        assert server.say(control, server=address) == []
    assert server.station.counters["broadcast"] == 3
    assert controls(server.say(0x11)) == ["RR N(R)=0 P/F=1"], "the link is as it was"


def test_unnumbered_information(make_server: type[Server]) -> None:
    server = make_server()
    assert server.say(0x03, LLC + b"a") == []
    assert controls(server.say(0x13, LLC + b"b")) == ["DM P/F=1"]
    server.say(0x93)
    assert controls(server.say(0x13, LLC + b"c")) == ["RR N(R)=0 P/F=1"]
    assert server.say(0x03, LLC + bytes(126)) == []
    assert server.say(0x03, b"xyz") == []
    assert [entry[3] for entry in server.log if entry[0] == "unconfirmed"] == [b"a", b"b", b"c"]


# -- pushes, half frames, lost lines ----------------------------------------------------------------------------------


def test_push(make_server: type[Server], server: Server) -> None:
    fresh = make_server()
    assert fresh.station.push(16, 1, b"news") == encode(Frame(b"\x21", b"\x03", 0x13, SERVER_LLC + b"news"))
    wide = encode_address(1, 17, 4)
    server.say(0x93, server=wide)
    assert server.station.push(16, 1, b"news") == encode(Frame(b"\x21", wide, 0x13, SERVER_LLC + b"news"))
    assert server.station.push(32, 1, b"news") == encode(Frame(b"\x41", wide, 0x13, SERVER_LLC + b"news"))
    assert controls(server.say(0x11, server=wide)) == ["RR N(R)=0 P/F=1"], "numbered frames do not notice"
    with pytest.raises(LocalProtocolError):
        server.station.push(300, 1, b"news")


def test_long_push_is_segmented(make_server: type[Server]) -> None:
    server = make_server()
    apdu = bytes(range(250)) + bytes(3)
    pushed = server.sent(server.station.push(16, 1, apdu))
    assert [frame.segmented for frame in pushed] == [True, False]
    assert b"".join(frame.information for frame in pushed) == SERVER_LLC + apdu


def test_half_frame_then_silence(make_server: type[Server]) -> None:
    server = make_server(inter_octet_timeout=25_000_000)
    data = bytes.fromhex(AARQ)
    server.say(0x93)
    assert server.station.next_timeout() is None
    server.hear(data[:20])
    assert server.station.next_timeout() == 25_000_000
    assert server.station.timeout(25_000_000) == b""
    assert server.station.next_timeout() is None
    assert server.sentences == ["frame discarded: nothing came in time after its 19 octets"]
    server.now = SECOND
    assert server.hear(data[20:]) == []
    assert controls(server.hear(data)) == ["I N(S)=0 N(R)=1 P/F=1"]


def test_half_frame_that_the_caller_forgot_about(make_server: type[Server]) -> None:
    server = make_server(inter_octet_timeout=25_000_000)
    data = bytes.fromhex(SNRM)
    server.hear(data[:5])
    server.now = 26_000_000
    assert server.hear(data[5:]) == []
    assert controls(server.hear(data)) == ["UA P/F=1"]


def test_slow_octets_within_the_limit(make_server: type[Server]) -> None:
    server = make_server(inter_octet_timeout=25_000_000, inactivity_timeout=SECOND)
    answer: list[Frame] = []
    for octet in bytes.fromhex(SNRM):
        server.now += 24_000_000
        answer += server.hear(bytes((octet,)))
    assert controls(answer) == ["UA P/F=1"]
    assert server.station.next_timeout() == server.now + SECOND


def test_a_frame_hidden_behind_a_half_one_is_answered(make_server: type[Server]) -> None:
    """A client vanished amid a long frame; the next one's SNRM lies within the length that was announced."""
    server = make_server(inter_octet_timeout=25_000_000)
    assert server.hear(bytes.fromhex(AARQ)[:15] + bytes.fromhex(SNRM)) == []
    assert controls(server.sent(server.station.timeout(25_000_000))) == ["UA P/F=1"]


def test_line_lost(server: Server) -> None:
    server.hear(bytes.fromhex(AARQ)[:10])
    server.station.lost()
    assert server.log == [("disconnected", 16, 1, "the line has gone")]
    assert server.hear(bytes.fromhex(AARQ)[10:]) == []
    assert controls(server.hear(SNRM)) == ["UA P/F=1"]


def test_line_lost_while_a_request_is_served(server: Server) -> None:
    """A device that loses power in the middle says nothing more."""

    def power_cut(_apdu: bytes) -> list[bytes]:
        server.station.lost()
        return [b"too late"]

    server.answer = power_cut
    assert server.say(0x10, LLC + b"a") == []
    assert controls(server.say(0x11)) == ["DM P/F=1"]
    server.say(0x93)
    assert server.say(0x10, LLC + b"a", segmented=True)
    assert server.say(0x12, b"b") == []


def test_idle_station_wants_no_time(make_server: type[Server]) -> None:
    server = make_server(inactivity_timeout=SECOND, inter_octet_timeout=SECOND)
    assert server.station.next_timeout() is None
    server.hear(b"noise")
    assert server.station.timeout(SECOND) == b""
    assert server.sentences == ["5 octets that are no frame: 6E 6F 69 73 65"]
    assert server.station.next_timeout() is None
    server.say(0x93)
    server.say(0x53)
    server.station.timeout(5 * SECOND)
    assert server.station.next_timeout() is None
