"""The reader's side against our meter in every mode, against strings of other meters, and against anything at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError
from protocols.iec62056_21 import (
    Accepted,
    Command,
    DataSet,
    Ended,
    Failed,
    HandedOver,
    Identification,
    Identified,
    Meter,
    MeterSettings,
    Prompted,
    Reader,
    ReaderSettings,
    ReadOut,
    Refused,
    Values,
    Wanted,
)
from protocols.iec62056_21.message import MAX_MESSAGE, block

from .conftest import MILLISECOND, SECOND, Line, Registers

CONTENT = (
    DataSet("1-0:1.8.0", "000123.456", "kWh"),
    DataSet("0-0:96.1.0", "12345678"),
    DataSet("0-0:1.0.0", "120000"),
)
MODES = [("A", "#"), ("A", "%"), ("B", "A"), ("B", "F"), ("C", "0"), ("C", "3"), ("C", "5"), ("C", "6")]


def line(registers: Registers, wanted: Wanted, reader: dict[str, Any] | None = None, **meter: Any) -> Line:
    made = Line(Reader(ReaderSettings(wanted, **reader or {})), Meter(MeterSettings(**meter), registers))
    made.reader.start(0)
    return made


@pytest.mark.parametrize(("mode", "code"), MODES)
def test_readout_in_every_mode(registers: Registers, mode: str, code: str) -> None:
    one = line(registers, Wanted.READOUT, mode=mode, baud_code=code)
    identified, read_out = one.run()
    assert identified == Identified(Identification("SMT", code, "METER"), one.reader.baud)
    assert read_out == ReadOut(CONTENT)
    assert one.lost == 0
    assert one.meter.idle


@pytest.mark.parametrize(("mode", "code"), MODES)
def test_programming_in_every_mode(registers: Registers, mode: str, code: str) -> None:
    one = line(registers, Wanted.PROGRAMMING, mode=mode, baud_code=code)
    assert isinstance(one.run(SECOND)[-1], Prompted)
    reader = one.reader
    steps = [
        (lambda: reader.read("1-0:1.8.0", one.now), Values((DataSet("", "000123.456", "kWh"),))),
        (lambda: reader.read("0-0:96.1.0", one.now, formatted=True), Values((DataSet("", "12345678 formatted"),))),
        (lambda: reader.read("9.9", one.now, count=2), Refused("ERR02")),
        (lambda: reader.write("0-0:1.0.0", "1", one.now), Refused("ERR04")),
        (lambda: reader.password(1, "11111111", one.now), Accepted()),
        (lambda: reader.write("0-0:1.0.0", "1", one.now, formatted=True), Accepted()),
        (lambda: reader.command("E2", "reset()", one.now), Accepted()),
    ]
    for step, event in steps:
        assert reader.ready
        step()
        assert not reader.ready
        with pytest.raises(LocalProtocolError):
            reader.read("x", one.now)
        assert one.run(SECOND) == [event]
    assert registers.values["0-0:1.0.0"] == "1"
    reader.end()
    one.run()
    assert one.meter.idle and one.lost == 0


def test_the_meter_ends_the_session(registers: Registers) -> None:
    one = line(registers, Wanted.PROGRAMMING, password_attempts=1)
    one.run(SECOND)
    one.reader.password(2, "wrong", one.now)
    assert one.run(SECOND) == [Ended()]
    with pytest.raises(LocalProtocolError):
        one.reader.read("x", one.now)


def test_mode_e(registers: Registers) -> None:
    one = line(registers, Wanted.HDLC, mode_e=True)
    events = one.run()
    assert events == [Identified(Identification("SMT", "5", "METER", mode_e=True), 9600), HandedOver(b"", True)]
    assert one.meter.handed_over
    assert (one.reader.baud, one.reader.character) == (one.meter.baud, one.meter.character) == (9600, "8N1")


def test_mode_e_without_confirmation() -> None:
    """Some meters do not repeat the option: HDLC begins after a while, or with the first flag."""
    for heard, leftover in ((b"", b""), (b"\x7e\xa0\x1e", b"\x7e\xa0\x1e")):
        reader = Reader(ReaderSettings(Wanted.HDLC))
        reader.start(0)
        reader.receive(b"/GRX512345678\r\n", 0)
        events = reader.receive(heard, 1)
        due = reader.next_timeout()
        events += [] if due is None else reader.timeout(due)
        assert events == [HandedOver(leftover, False)]
        assert reader.character == "8N1"


def test_mode_e_with_parity_and_a_frame_at_once() -> None:
    reader = Reader(ReaderSettings(Wanted.HDLC))
    reader.start(0)
    reader.receive(b"/GRX512345678\r\n", 0)
    events = reader.receive(bytes.fromhex("06 B2 35 B2 8D 0A 7E A0 07"), 1)
    assert events == [HandedOver(bytes.fromhex("7E A0 07"), True)]


@pytest.mark.parametrize("settings", [{"mode": "C"}, {"mode": "A", "baud_code": "#"}, {"mode": "B", "baud_code": "E"}])
def test_no_hdlc_there(registers: Registers, settings: dict[str, Any]) -> None:
    one = line(registers, Wanted.HDLC, **settings)
    events = one.run()
    if settings["mode"] == "C":
        # It reads out at 300 Bd, which a reader that has gone over to 9600 Bd cannot hear.
        assert events[-1] == HandedOver(b"", False) and one.lost
    else:
        assert isinstance(events[-1], Failed)


@pytest.mark.parametrize(("highest", "baud"), [(19200, 9600), (4800, 4800), (1, 300)])
def test_highest_rate(registers: Registers, highest: int, baud: int) -> None:
    one = line(registers, Wanted.READOUT, {"max_baud": highest})
    assert one.run()[1:] == [ReadOut(CONTENT)]
    assert one.reader.baud == baud


def test_wake_up(registers: Registers) -> None:
    one = line(registers, Wanted.READOUT, {"wake_up": True})
    assert one.run()[-1] == ReadOut(CONTENT)
    assert one.meter.counters["wake-up"] == 66


def test_address(registers: Registers) -> None:
    assert line(registers, Wanted.READOUT, {"address": "42"}, address="0042").run()[-1] == ReadOut(CONTENT)
    events = line(registers, Wanted.READOUT, {"address": "43"}, address="0042").run()
    assert [type(event) for event in events] == [Failed]
    with pytest.raises(LocalProtocolError):
        ReaderSettings(address="1" * 33)


def test_an_optical_head_that_echoes(registers: Registers) -> None:
    one = line(registers, Wanted.PROGRAMMING)
    one.echo = True
    assert isinstance(one.run(SECOND)[-1], Prompted)
    one.reader.password(1, "11111111", one.now)
    assert one.run(SECOND) == [Accepted()]
    one.reader.read("0-0:96.1.0", one.now)
    assert one.run(SECOND) == [Values((DataSet("", "12345678"),))]


@pytest.mark.parametrize("place", [14, 30, 60])
def test_a_damaged_readout_is_asked_for_again(registers: Registers, place: int) -> None:
    one = line(registers, Wanted.READOUT)
    one.garble = {place: 1}
    assert one.run()[-1] == ReadOut(CONTENT)
    assert one.meter.counters["repeats"] == 1


def test_a_readout_damaged_each_time_fails(registers: Registers) -> None:
    one = line(registers, Wanted.READOUT)
    one.garble = dict.fromkeys(range(20, 2000, 10), 1)
    assert isinstance(one.run()[-1], Failed)
    assert one.meter.counters["repeats"] == 2
    one.garble.clear()
    one.run()
    one.reader.start(one.now)
    assert one.run()[-1] == ReadOut(CONTENT)


def test_a_damaged_answer_in_a_session(registers: Registers) -> None:
    one = line(registers, Wanted.PROGRAMMING)
    one.run(SECOND)
    one.garble = {one.sent + 3: 4}
    one.reader.read("0-0:96.1.0", one.now)
    assert one.run(SECOND) == [Values((DataSet("", "12345678"),))]


def test_a_meter_that_asks_for_repetition() -> None:
    reader = in_session()
    reader.read("1.8.0", 0)
    sent = reader.data_to_send()
    for _ in range(2):
        assert reader.receive(b"\x15", 0) == []
        assert reader.data_to_send() == sent
    assert isinstance(reader.receive(b"\x15", 0)[0], Failed)


def in_session() -> Reader:
    reader = Reader(ReaderSettings(Wanted.PROGRAMMING))
    reader.start(0)
    reader.receive(b"/GRX512345678\r\n" + Command("P0", "(7)").encode(), 0)
    assert reader.ready
    while reader.data_to_send() is not None:
        pass
    return reader


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        (block(b"\x021.8.0(12*kWh)\x03"), Values((DataSet("1.8.0", "12", "kWh"),))),
        (block(b"\x02(12)(13)\x03"), Values((DataSet("", "12"), DataSet("", "13")))),
        (block(b"\x02(ER23)\x03"), Refused("ER23")),
        (block(b"\x02(ERROR)\x03"), Refused("ERROR")),
        (b"\x06", Accepted()),
    ],
)
def test_answers_of_other_meters(answer: bytes, event: object) -> None:
    reader = in_session()
    reader.read("1.8.0", 0)
    assert reader.receive(answer, 0) == [event]


def test_no_answer_is_asked_for_again_and_given_up() -> None:
    reader = Reader()
    reader.start(0)
    sent = []
    events: list[object] = []
    while (due := reader.next_timeout()) is not None:
        while (out := reader.data_to_send()) is not None:
            sent.append(out)
        assert reader.timeout(due - 1) == []
        events += reader.timeout(due)
    assert [out.data for out in sent] == [b"/?!\r\n"] * 3
    assert due is None and [type(event) for event in events] == [Failed]


def test_a_readout_that_stops_fails() -> None:
    reader = Reader()
    reader.start(0)
    reader.receive(b"/GRX512345678\r\n\x021.8.0(1", 10 * MILLISECOND)
    due = reader.next_timeout()
    assert due is not None
    reader.receive(b"2", due - 1)
    assert reader.timeout(due) == []
    assert reader.next_timeout() == due - 1 + reader.settings.response_timeout
    assert isinstance(reader.timeout(due + 2 * SECOND)[0], Failed)


PIECES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [
            b"/GRX512345678\r\n",
            b"/GRXA1\r\n",
            b"/GRX#1\r\n",
            b"/GRX5\\2x\r\n",
            b"\x06252\r\n",
            b"\x06",
            b"\x15",
            Command("P0", "(7)").encode(),
            Command("B0").encode(),
            block(b"\x021.8.0(1*kWh)\r\n!\r\n\x03"),
            block(b"\x02(1)\x03"),
        ]
    ),
)


@given(st.sampled_from(Wanted), st.booleans(), st.lists(st.tuples(PIECES, st.integers(0, 2 * SECOND)), max_size=30))
def test_whatever_comes(wanted: Wanted, wake_up: bool, pieces: list[tuple[bytes, int]]) -> None:
    reader = Reader(ReaderSettings(wanted, wake_up=wake_up))
    reader.start(0)
    now = 0
    for octets, passed in pieces:
        now += passed
        reader.receive(octets, now)
        if reader.ready:
            reader.read("1.8.0", now)
        due = reader.next_timeout()
        if due is not None and due <= now:
            reader.timeout(now)
        assert len(reader._buffer) <= MAX_MESSAGE  # pyright: ignore[reportPrivateUsage]
        queued = 0
        while reader.data_to_send() is not None:
            queued += 1
        assert queued <= 2 * len(octets) + 4


def test_a_message_without_end_is_given_up() -> None:
    reader = Reader()
    reader.start(0)
    reader.receive(b"/GRX512345678\r\n\x02", 0)
    events = reader.receive(b"x" * (MAX_MESSAGE + 1), 0)
    assert [type(event) for event in events] == [Failed]
