"""The meter's side: every mode, every way a sign-on and a session can go, whatever octets come."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError
from protocols.iec62056_21 import Command, DataSet, Meter, MeterSettings, Phase, Readout, bcc
from protocols.iec62056_21.meter import MAX_COMMAND

from .conftest import MILLISECOND, SECOND, Registers

IDENTIFICATION = b"/SMT5METER\r\n"
READOUT = b"\x021-0:1.8.0(000123.456*kWh)\r\n0-0:96.1.0(12345678)\r\n0-0:1.0.0(120000)\r\n!\r\n\x03"
READOUT += bytes((bcc(READOUT[1:]),))
P0 = bytes.fromhex("01 50 30 02 28 29 03 60")


def meter(registers: Registers, **settings: Any) -> Meter:
    made = Meter(MeterSettings(**settings), registers)
    made.explain = lambda text: None
    return made


def even(data: bytes) -> bytes:
    """With even parity in bit 7."""
    return bytes(octet | (octet.bit_count() & 1) << 7 for octet in data)


def in_session(registers: Registers, **settings: Any) -> Meter:
    made = meter(registers, **settings)
    made.receive(b"/?!\r\n", 0)
    assert made.receive(b"\x06051\r\n", 0)[:4] == P0[:4]
    return made


def command(name: str, data: str | None = None) -> bytes:
    return Command(name, data).encode()


# -- sign-on --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 2, 3, 99])
def test_mode_c_readout(registers: Registers, cut: int) -> None:
    one = meter(registers)
    assert (one.baud, one.character, one.bauds, one.idle) == (300, "7E1", {300}, True)
    request = b"/?!\r\n"
    answers = [one.receive(request[at : at + cut], 0) for at in range(0, len(request), cut)]
    assert b"".join(answers) == IDENTIFICATION
    assert one.send_baud == 300
    assert one.bauds == {300, 600, 1200, 2400, 4800, 9600}
    assert one.receive(b"\x06050\r\n", 0) == READOUT
    assert one.send_baud == one.baud == 9600
    assert one.receive(b"\x06", 0) == b""
    assert one.idle and one.baud == 300 and one.next_timeout() is None


@pytest.mark.parametrize(
    ("code", "baud"), [("0", 300), ("1", 600), ("2", 1200), ("3", 2400), ("4", 4800), ("5", 9600), ("6", 19200)]
)
def test_rates_of_mode_c(registers: Registers, code: str, baud: int) -> None:
    one = meter(registers, baud_code=code)
    assert one.receive(b"/?!\r\n", 0) == b"/SMT%bMETER\r\n" % code.encode()
    assert one.receive(b"\x060%b0\r\n" % code.encode(), 0) == READOUT
    assert one.send_baud == baud


def test_a_lower_rate_than_offered_is_taken(registers: Registers) -> None:
    one = meter(registers)
    one.receive(b"/?!\r\n", 0)
    assert one.receive(b"\x06030\r\n", 0) == READOUT
    assert one.send_baud == 2400


@pytest.mark.parametrize(
    "option", [b"\x06060\r\n", b"\x060x0\r\n", b"\x06150\r\n", b"\x06057\r\n", b"\x06252\r\n", b"\x06050\r\r"]
)
def test_an_option_that_cannot_be_had_falls_back_to_300(registers: Registers, option: bytes) -> None:
    one = meter(registers)
    one.receive(b"/?!\r\n", 0)
    assert one.receive(option, 0) == READOUT
    assert one.send_baud == 300
    assert one.counters["fall-backs"] == 1


def test_no_option_in_time_falls_back_to_300(registers: Registers) -> None:
    one = meter(registers)
    one.receive(b"/?!\r\n", 7)
    due = one.next_timeout()
    # 12 characters at 300 Bd take 400 ms, the reaction time is 200 ms, the wait 1500 ms.
    assert due == 7 + 2100 * MILLISECOND
    assert one.timeout(due - 1) == b""
    assert one.timeout(due) == READOUT
    assert one.baud == 300 and one.phase is Phase.READ_OUT


def test_a_readout_is_repeated_when_asked_for(registers: Registers) -> None:
    one = meter(registers)
    one.receive(b"/?!\r\n", 0)
    one.receive(b"\x06050\r\n", 0)
    assert one.receive(b"\x15", 0) == READOUT
    assert one.receive(b"\x15", 0) == READOUT
    due = one.next_timeout()
    assert due is not None and one.timeout(due) == b"" and one.idle


def test_sign_on_after_a_readout_is_at_300_again(registers: Registers) -> None:
    one = meter(registers)
    one.receive(b"/?!\r\n", 0)
    one.receive(b"\x06050\r\n", 0)
    assert one.bauds == {300, 9600}
    assert one.receive(b"/?!\r\n", 0) == IDENTIFICATION
    assert one.send_baud == 300


def test_mode_a_reads_out_at_once(registers: Registers) -> None:
    one = meter(registers, mode="A", baud_code="#")
    assert one.receive(b"/?!\r\n", 0) == b"/SMT#METER\r\n" + READOUT
    assert one.send_baud == one.baud == 300
    assert one.receive(command("P1", "(11111111)"), 0) == b"\x06"
    assert one.phase is Phase.PROGRAMMING and one.baud == 300


@pytest.mark.parametrize(
    ("code", "baud"), [("A", 600), ("B", 1200), ("C", 2400), ("D", 4800), ("E", 9600), ("F", 19200)]
)
def test_mode_b_changes_over_by_itself(registers: Registers, code: str, baud: int) -> None:
    one = meter(registers, mode="B", baud_code=code)
    assert one.receive(b"/?!\r\n", 0) == b"/SMT%bMETER\r\n" % code.encode()
    assert one.send_baud == 300
    assert one.baud == baud
    due = one.next_timeout()
    assert due == 800 * MILLISECOND
    assert one.timeout(due) == READOUT
    assert one.baud == baud
    assert one.receive(command("R1", "0-0:96.1.0()"), due) == b"\x02(12345678)\x03" + bytes((bcc(b"(12345678)\x03"),))
    assert one.baud == baud


def test_mode_d_only_sends(registers: Registers) -> None:
    one = meter(registers, mode="D", baud_code="3")
    assert one.baud == 2400
    assert one.receive(b"/?!\r\n", 0) == b""
    assert one.press(0) == b"/SMT3METER\r\n\r\n" + READOUT[1:-2]
    assert one.next_timeout() is None
    with pytest.raises(LocalProtocolError):
        meter(registers).press(0)


def test_mode_e_hands_over(registers: Registers) -> None:
    one = meter(registers, mode_e=True)
    assert one.receive(b"/?!\r\n", 0) == b"/SMT5\\2METER\r\n"
    snrm = bytes.fromhex("7EA0070321930F017E")
    answer = one.receive(even(b"\x06252\r\n") + snrm, 0)
    assert even(answer) == bytes.fromhex("06 B2 35 B2 8D 0A")
    assert one.handed_over and one.leftover == snrm
    assert (one.send_baud, one.baud, one.bauds, one.character) == (9600, 9600, {9600}, "8N1")
    assert one.next_timeout() is None
    assert one.receive(b"\x7e\xa0", 0) == b"" and one.leftover == b"\x7e\xa0"
    one.reset(5)
    assert one.idle and one.baud == 300 and one.character == "7E1" and one.leftover == b""


def test_fast_reaction_is_told(registers: Registers) -> None:
    one = meter(registers, fast_reaction=True, reaction_time=20 * MILLISECOND)
    assert one.turnaround == 20 * MILLISECOND
    assert one.receive(b"/?!\r\n", 0) == b"/SMt5METER\r\n"


@pytest.mark.parametrize(
    ("mine", "asked", "answers"),
    [
        ("", b"", True),
        ("12345678", b"", True),
        ("12345678", b"12345678", True),
        ("12345678", b"00012345678", True),
        ("0012", b"12", True),
        ("12345678", b"87654321", False),
        ("12345678", b"1234567", False),
        ("", b"1", False),
        ("", b"000", True),
    ],
)
def test_address(registers: Registers, mine: str, asked: bytes, answers: bool) -> None:
    one = meter(registers, address=mine)
    assert (one.receive(b"/?%b!\r\n" % asked, 0) == IDENTIFICATION) is answers
    assert one.counters["other addresses"] == (not answers)
    assert one.receive(b"/?!\r\n", 0) == IDENTIFICATION


def test_wake_up_noise_and_parity(registers: Registers) -> None:
    one = meter(registers)
    assert one.receive(bytes(66), 0) == b""
    assert one.counters["wake-up"] == 66
    assert one.receive(b"\xffhello\r\n/garbage\r\n" + even(b"/?!\r\n"), 0) == IDENTIFICATION
    assert one.counters["bad requests"] == 1


@pytest.mark.parametrize("request_", [b"/?\r\n", b"/?!\n", b"/?" + b"1" * 33 + b"!\r\n", b"/!\r\n", b"/\r\n"])
def test_what_is_no_request(registers: Registers, request_: bytes) -> None:
    one = meter(registers)
    assert one.receive(request_, 0) == b""
    assert one.counters["bad requests"]
    assert one.receive(b"/?!\r\n", 0) == IDENTIFICATION


def test_a_request_that_stops_is_forgotten(registers: Registers) -> None:
    one = meter(registers)
    one.receive(b"/?12", 0)
    assert not one.idle
    assert one.receive(b"!\r\n", 1501 * MILLISECOND) == b""
    assert one.counters["gaps"] == 1
    assert one.receive(b"/?!\r\n", 1501 * MILLISECOND) == IDENTIFICATION


def test_half_duplex(registers: Registers) -> None:
    """An option that is sent together with the request cannot have been heard."""
    one = meter(registers)
    assert one.receive(b"/?!\r\n\x06050\r\n", 0) == IDENTIFICATION
    assert one.counters["deaf"] == 1


# -- programming ----------------------------------------------------------------------------------------


def test_programming_session(registers: Registers) -> None:
    one = meter(registers, operand="98765432")
    one.receive(b"/?!\r\n", 0)
    assert one.receive(b"\x06051\r\n", 0) == command("P0", "(98765432)")
    assert one.send_baud == one.baud == 9600 and one.bauds == {9600}
    assert one.receive(command("R1", "1-0:1.8.0(1)"), 0) == data("(000123.456*kWh)")
    assert one.receive(command("R2", "0-0:1.0.0()"), 0) == data("(120000 formatted)")
    assert one.receive(command("R5", "0-0:1.0.0()"), 0) == data("(120000)")
    assert one.receive(command("W1", "0-0:1.0.0(130000)"), 0) == data("(ERR04)")
    assert one.receive(command("P1", "(11111111)"), 0) == b"\x06"
    for name in ("W1", "W2", "W5"):
        assert one.receive(command(name, f"0-0:1.0.0({name})"), 0) == b"\x06"
        assert registers.values["0-0:1.0.0"] == name
    assert one.receive(command("E2", "reset(3)"), 0) == b"\x06"
    assert registers.executed == [("reset", "3")]
    assert one.receive(command("B0"), 0) == b""
    assert one.idle and one.baud == 300
    assert registers.values["1-0:1.8.0"] == "000123.456*kWh"


def data(text: str) -> bytes:
    return b"\x02" + text.encode() + b"\x03" + bytes((bcc(text.encode() + b"\x03"),))


@pytest.mark.parametrize(
    ("octets", "answer"),
    [
        (command("R1", "9.9.9()"), data("(ERR02)")),
        (command("R3", "1-0:1.8.0()"), data("(ERR01)")),
        (command("X1", "1-0:1.8.0()"), data("(ERR01)")),
        (command("R1", "1-0:1.8.0"), data("(ERR06)")),
        (command("R1"), data("(ERR06)")),
        (command("P1", "(wrong)"), data("(ERR05)")),
        (command("E2", "reset()"), data("(ERR04)")),
        (command("R1", "1-0:1.8.0()")[:-1] + b"\x00", b"\x15"),
        (b"\x01R\x03" + bytes((bcc(b"R\x03"),)), b"\x15"),
        (b"\x01R1xx\x03" + bytes((bcc(b"R1xx\x03"),)), b"\x15"),
        (b"\x01R1\x02a(1)\x04" + bytes((bcc(b"R1\x02a(1)\x04"),)), data("(ERR01)")),
        (b"noise", b""),
        (b"\x01" + b"R" * (MAX_COMMAND + 1), b"\x15"),
    ],
)
def test_what_a_session_refuses(registers: Registers, octets: bytes, answer: bytes) -> None:
    one = in_session(registers)
    assert one.receive(octets, 0)[: len(answer)] == answer
    # and the next command is served
    assert one.receive(command("R1", "0-0:96.1.0()"), 0) == data("(12345678)")


def test_a_write_or_command_the_content_refuses(registers: Registers) -> None:
    one = in_session(registers)
    one.receive(command("P2", "(22222222)"), 0)
    assert one.receive(command("W1", "0-0:1.0.0(bad)"), 0) == data("(ERR03)")
    assert one.receive(command("E2", "other()"), 0) == data("(ERR03)")


def test_a_wrong_password_takes_the_level_away_and_ends_the_session(registers: Registers) -> None:
    one = in_session(registers)
    one.receive(command("P1", "(11111111)"), 0)
    wrong = command("P2", "(11111111)")
    assert one.receive(wrong, 0) == data("(ERR05)")
    assert one.receive(command("W1", "0-0:1.0.0(1)"), 0) == data("(ERR04)")
    assert one.receive(wrong, 0) == data("(ERR05)")
    assert one.receive(wrong, 0) == command("B0")
    assert one.idle and one.send_baud == 9600 and one.baud == 300
    assert one.counters["wrong passwords"] == 3


def test_reading_may_need_a_password(registers: Registers) -> None:
    one = in_session(registers, password_to_read=True)
    assert one.receive(command("R1", "0-0:96.1.0()"), 0) == data("(ERR04)")
    one.receive(command("P1", "(11111111)"), 0)
    assert one.receive(command("R1", "0-0:96.1.0()"), 0) == data("(12345678)")


def test_nak_repeats_the_last_answer(registers: Registers) -> None:
    one = in_session(registers)
    assert one.receive(b"\x15", 0) == P0
    answer = one.receive(command("R1", "0-0:96.1.0()"), 0)
    assert one.receive(b"\x15\x06", 0) == answer


@pytest.mark.parametrize("end", [command("B0"), b"\x01B0\r\n", b"\x01B0\x03\r\n", b"\x01B0\x03"])
def test_break_with_or_without_check(registers: Registers, end: bytes) -> None:
    one = in_session(registers)
    assert one.receive(end, 0) == b""
    assert one.phase is Phase.IDLE
    assert one.receive(b"/?!\r\n", 0) == IDENTIFICATION


def test_a_silent_session_ends(registers: Registers) -> None:
    one = in_session(registers)
    assert one.next_timeout() == 90 * SECOND
    one.receive(command("R1", "0-0:96.1.0()"), 60 * SECOND)
    assert one.next_timeout() == 150 * SECOND
    assert one.timeout(150 * SECOND) == b""
    assert one.idle and one.counters["session time-outs"] == 1


def test_content_that_is_no_7_bit_text_does_not_break_messages(registers: Registers) -> None:
    registers.values = {"a(b": "1)2\u20ac*k!"}
    one = meter(registers)
    one.receive(b"/?!\r\n", 0)
    assert Readout.decode(one.receive(b"\x06050\r\n", 0)).content == (DataSet("a?b", "1?2?", "k?"),)


# -- settings, and anything at all ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "X"},
        {"mode": "A", "baud_code": "5"},
        {"mode": "B", "baud_code": "5"},
        {"mode": "C", "baud_code": "A"},
        {"mode": "D", "baud_code": "5"},
        {"mode": "B", "baud_code": "A", "mode_e": True},
        {"flag_id": "AB1"},
        {"flag_id": "AB"},
        {"identification": "x" * 17},
        {"identification": "a/b"},
        {"address": "1!"},
        {"address": "1" * 33},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError):
        MeterSettings(**settings)


PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [
            b"/?!\r\n",
            b"/?1!\r\n",
            b"\x06050\r\n",
            b"\x06051\r\n",
            b"\x06252\r\n",
            b"\x06",
            b"\x15",
            b"\x01B0\r\n",
            command("R1", "0-0:96.1.0()"),
            command("P1", "(11111111)"),
            command("W1", "0-0:1.0.0(1)"),
            command("B0"),
            b"",
        ]
    ),
)
MODES = st.sampled_from([("A", "#", False), ("B", "E", False), ("C", "5", False), ("C", "5", True), ("D", "3", False)])


@given(MODES, st.lists(st.tuples(PIECES, st.integers(0, 3 * SECOND)), max_size=30))
def test_whatever_comes(mode: tuple[str, str, bool], pieces: list[tuple[bytes, int]]) -> None:
    """Nothing is raised, held octets stay few, a deadline is never in the past for long, and a reset brings it back."""
    one = Meter(MeterSettings(mode=mode[0], baud_code=mode[1], mode_e=mode[2]), Registers())
    now = 0
    for octets, passed in pieces:
        now += passed
        answer = one.receive(octets, now)
        assert not any(octet & 0x80 for octet in answer)
        assert len(one._buffer) <= MAX_COMMAND  # pyright: ignore[reportPrivateUsage]
        assert one.baud in one.bauds
        due = one.next_timeout()
        if due is not None and due <= now:
            one.timeout(now)
            after = one.next_timeout()
            assert after is None or after > now
    one.reset(now)
    if mode[0] != "D":
        assert one.receive(b"/?!\r\n", now).startswith(b"/SMT")


@given(st.data())
def test_slices_do_not_matter(data: st.DataObject) -> None:
    """Each message by itself is answered alike however it is cut."""
    whole, cut = (Meter(MeterSettings(mode_e=True), Registers()) for _ in range(2))
    for octets in data.draw(st.lists(PIECES.filter(lambda piece: len(piece) != 5 or piece[:1] == b"/"), max_size=12)):
        if whole.handed_over:
            break
        answer = whole.receive(octets, 0)
        places = sorted(data.draw(st.sets(st.integers(0, len(octets)), max_size=4)) | {0, len(octets)})
        parts = [cut.receive(octets[start:end], 0) for start, end in pairwise(places)]
        if whole.counters["deaf"] or cut.counters["deaf"]:
            return
        if not whole.handed_over:
            assert b"".join(parts) == answer
        assert (cut.phase, cut.baud, cut.bauds) == (whole.phase, whole.baud, whole.bauds)
