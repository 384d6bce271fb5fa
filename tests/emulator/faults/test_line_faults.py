"""Faults of lines, on stacks whose line is the test."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from emulator.faults.injection import Faults
from emulator.premises import Premises
from emulator.time import MILLISECOND, SECOND, Clock
from protocols import wrapper
from protocols.hdlc import Frame, decode, encode
from protocols.hdlc.frame import SNRM

from ..conftest import START, DeviceSpec, Talker, build_esme
from .bare_line import AARQ, CLIENT, METER, NAME, Desk, Wire, frames


def test_bits_are_wrong_as_often_as_it_says(desk: Desk) -> None:
    wire = desk.wire().open()
    right = wire.frame(0x32, NAME)
    injection = desk.start("bit-errors", per_million=20_000, way="from-device")
    wrong = 0
    for _ in range(60):
        answer = wire.frame(0x32, NAME)  # a request repeated is answered with the same frame
        wrong += sum((was ^ now).bit_count() for was, now in zip(right, answer, strict=True))
    assert 0.012 < wrong / (60 * 8 * len(right)) < 0.028
    desk.faults.end(injection.id)
    assert wire.frame(0x32, NAME) == right


def test_octets_are_lost(desk: Desk) -> None:
    wire = desk.wire().open()
    right = wire.frame(0x32, NAME)
    desk.start("lost-octets", per_mille=100, way="from-device")
    answers = [wire.frame(0x32, NAME) for _ in range(50)]
    assert 0.87 < sum(map(len, answers)) / (50 * len(right)) < 0.93


def test_messages_are_lost_and_come_twice(desk: Desk) -> None:
    wire = desk.wire().open()
    lost = desk.start("dropped-messages", per_cent=100, way="to-device")
    received = wire.stack.counters["frames received"]
    assert wire.frame(0x32, NAME) == b""
    assert wire.stack.counters["frames received"] == received
    desk.faults.end(lost.id)
    desk.start("duplicated-messages", per_cent=100, way="from-device")
    assert [frame.control for frame in frames(wire.frame(0x32, NAME))] == [0x52, 0x52]


def test_messages_come_late_and_in_order(desk: Desk) -> None:
    wire = desk.wire("local-tcp")
    wire.send(wrapper.encode(16, 1, AARQ[3:]))
    injection = desk.start(
        "delayed-messages", lines="network", distribution="uniform", delay=300, spread=200, way="from-device"
    )
    sent = [NAME[3:5] + bytes((0xC0 | number,)) + NAME[6:] for number in range(10)]
    for apdu in sent:
        assert wire.send(wrapper.encode(16, 1, apdu)) == b""
        wire.wait(10 * MILLISECOND)
    desk.faults.end(injection.id)  # what is held back comes in its time
    assert wire.stack.gate is not None
    wire.wait(SECOND)
    assert [wrapper.decode(data)[2][2] & 0x0F for _, data in wire.late] == list(range(10))
    assert all(100 * MILLISECOND <= at <= 600 * MILLISECOND for at, _ in wire.late)
    assert len({at for at, _ in wire.late}) > 1
    assert wire.stack.gate is None


@pytest.mark.parametrize(
    ("name", "parameters", "hears"),
    [
        ("line-dead", {"way": "both"}, False),
        ("line-dead", {"way": "to-device"}, False),
        ("line-dead", {"way": "from-device"}, True),
        ("stuck-break", {}, False),
    ],
)
def test_a_dead_line(desk: Desk, name: str, parameters: dict[str, str], hears: bool) -> None:
    wire = desk.wire().open()
    injection = desk.start(name, **parameters)
    before = wire.stack.counters["frames received"]
    assert wire.frame(0x32, NAME).strip(b"\0") == b""
    assert wire.stack.counters["frames received"] == before + hears
    assert any(text.startswith(f"fault F1 ({name}): ") for text in wire.told)
    desk.faults.end(injection.id)
    assert decode(wire.frame(0x32, NAME)).control == 0x52


def test_a_break_is_heard_once(desk: Desk) -> None:
    wire = desk.wire().open()
    desk.start("stuck-break")
    assert wire.wait(MILLISECOND) == [b"\0"]
    assert wire.wait(SECOND) == []


def test_a_loose_contact_comes_and_goes(desk: Desk) -> None:
    wire = desk.wire().open()
    right = wire.frame(0x32, NAME)
    desk.start("loose-contact", contact=20, no_contact=20)
    answers: list[bool] = []
    for _ in range(300):
        answers.append(wire.frame(0x32, NAME) == right)
        wire.wait(20 * MILLISECOND)
    assert 90 < sum(answers) < 210
    changes = sum(one != other for one, other in pairwise(answers))
    assert 60 < changes < 160


def test_octets_are_echoed(desk: Desk) -> None:
    wire = desk.wire().open()
    request = encode(Frame(METER, CLIENT, 0x32, NAME))
    desk.start("echoed-octets")
    assert wire.send(request).startswith(request)
    assert frames(wire.send(request)[len(request) :])


def test_noise_turns_up_at_both_ends(desk: Desk) -> None:
    wire = desk.wire().open()
    desk.start("line-noise", period=100)
    came = wire.wait(10 * SECOND)
    assert 60 < len(came) < 150
    assert all(1 <= len(octets) <= 8 for octets in came)
    assert wire.stack.counters["noise"] > 0
    desk.faults.end_all()
    assert wire.wait(10 * SECOND) == []


def test_a_uart_at_a_wrong_rate_says_garbage(desk: Desk) -> None:
    wire = desk.wire().open()
    right = wire.frame(0x32, NAME)
    injection = desk.start("wrong-baud", baud=9600, character="8N1")
    assert wire.frame(0x32, NAME) == right  # that is what it should be
    desk.faults.end(injection.id)
    injection = desk.start("wrong-baud", baud=2400)
    assert frames(wire.frame(0x32, NAME)) == []
    assert any("the UART of the device is set to 2400 Bd 8N1" in text for text in wire.told)
    desk.faults.end(injection.id)
    assert wire.frame(0x32, NAME) == right


def test_another_line_comes_across(home: Callable[..., Premises], clock: Clock) -> None:
    desk = Desk(home(gas=None, electricity=DeviceSpec(profile="electricity-bench")), clock)
    mine, other = desk.wire(), desk.wire("wan", "hub")
    desk.start("crosstalk", from_="hub")
    answer = other.frame(SNRM | 0x10)
    assert answer
    came = b"".join(data for _, data in mine.late)
    assert answer in came
    assert encode(Frame(METER, CLIENT, SNRM | 0x10)) in came
    assert any("octets of home/hub came across" in text for text in mine.told)
    desk.faults.end_all()
    assert (mine.stack.gate, other.stack.gate) == (None, None)


def test_a_line_hears_no_device_that_is_not_there(desk: Desk) -> None:
    with pytest.raises(ValueError, match="is no other device of its premises"):
        desk.start("crosstalk", from_="hub")
    assert desk.wire().stack.gate is None


def test_the_same_seed_does_the_same(home: Callable[..., Premises]) -> None:
    def run(seed: int) -> list[bytes]:
        meter = build_esme(Clock(START), profile="electricity-bench")
        premises = Premises("home", None, meter, None)
        faults = Faults(meter.clock, seed, {"home": premises})
        wire = Wire(meter.stacks["optical"]()).open()
        faults.start("bit-errors", "home/electricity", {"per_million": 5000})
        faults.start("dropped-messages", "home/electricity", {"per_cent": 20})
        faults.start("line-noise", "home/electricity", {"period": 200})
        return [wire.frame(0x32, NAME) + b"".join(wire.wait(100 * MILLISECOND)) for _ in range(30)]

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_a_client_goes_on_when_it_is_over(desk: Desk) -> None:
    talker = Talker(desk.wire().stack).open()
    name = talker.value(1, "0-0:42.0.0")
    for fault in ("line-dead", "wrong-baud", "bit-errors"):
        desk.faults.end(desk.start(fault).id)
        assert talker.value(1, "0-0:42.0.0") == name
