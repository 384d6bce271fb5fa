"""Octets that take their time, on a loop whose time is moved by hand: pieces and the instants they come at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import serial
from hypothesis import given
from hypothesis import strategies as st

from rigs.driver import ClockMode
from rigs.ports import LineOptions
from rigs.ports.outgoing import GRACE, Outgoing
from rigs.ports.pacing import BACKLOG, SLICE, STRETCH, Arrivals
from rigs.wheel import TICK, Wheel

from .hand_loop import HandLoop

START = 100.0
EACH = 10 / 9600
"""Seconds of a character at 9,600 Bd 8N1."""
CLOSE = 2e-6
"""Seconds that sums of times differ by."""


class Way:
    """Something paced, and what has come of it: when, and what."""

    def __init__(self) -> None:
        self.loop = HandLoop()
        wheel = Wheel()
        wheel.start(self.loop)  # type: ignore[arg-type]
        self.driver: Any = SimpleNamespace(wheel=wheel)
        self.pieces: list[tuple[float, bytes]] = []

    def note(self, data: bytes) -> None:
        self.pieces.append((self.loop.now - START, data))

    def all(self) -> bytes:
        return b"".join(data for _, data in self.pieces)


class Inwards(Way):
    """Octets on their way to a device."""

    def __init__(self, fine: bool = False) -> None:
        super().__init__()
        self.fine = fine
        self.bauds: list[int] = []
        self.passed: list[float] = []
        self.arrivals = Arrivals(self.driver, self.arrived, lambda: self.fine)

    def arrived(self, data: bytes, baud: int) -> None:
        self.note(data)
        self.bauds.append(baud)
        self.passed.append(self.arrivals.passed - START)


class Far:
    """A far end set to a rate."""

    def __init__(self, baud: int) -> None:
        self.baud = baud

    def rate(self) -> int:
        return self.baud

    def framing(self) -> str:
        return ""


class Outwards(Way):
    """Octets on their way to a client, which is set to ``far.baud``."""

    def __init__(self, *, pacing: bool = True, stretch: float = STRETCH) -> None:
        super().__init__()
        self.far = Far(9600)
        self.fitted: list[bool] = []
        options = LineOptions(pacing=pacing)
        far: Any = self.far
        self.out = Outgoing(self.driver, far, options, self.written, plain=False, stretch=stretch)

    def written(self, data: bytes, baud: int, framing: str, fits: bool) -> None:
        self.note(data)
        self.fitted.append(fits)


def on_time(came: float, due: float) -> bool:
    """Not before its time, and no more than a tick after it."""
    return -CLOSE <= came - due <= TICK + CLOSE


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4), st.booleans())
def test_octets_arrive_in_order_when_their_last_bit_has_passed(writes: list[bytes], fine: bool) -> None:
    way = Inwards(fine)
    for write in writes:
        assert way.arrivals.add(write, EACH, 9600)
    way.loop.run_to(START + 2.0)
    assert way.all() == b"".join(writes)
    come = 0
    for (when, data), passed in zip(way.pieces, way.passed, strict=True):
        come += len(data)
        assert passed == pytest.approx(come * EACH, abs=CLOSE)
        assert on_time(when, come * EACH)
        assert len(data) * EACH <= (SLICE if fine else STRETCH) + EACH


def test_a_short_frame_arrives_whole() -> None:
    way = Inwards()
    way.arrivals.add(bytes(27), EACH, 9600)
    way.loop.run_to(START + 1.0)
    assert [len(data) for _, data in way.pieces] == [27]
    assert way.loop.turns == 1


def test_the_wire_is_idle_between_writes_that_are_apart_and_each_has_its_rate() -> None:
    way = Inwards()
    way.arrivals.add(b"one", EACH, 9600)
    way.loop.run_to(START + 0.5)
    way.arrivals.add(b"two", 4 * EACH, 2400)
    way.arrivals.add(b"six", EACH, 9600)
    way.loop.run_to(START + 1.0)
    assert [data for _, data in way.pieces] == [b"one", b"two", b"six"]
    assert way.bauds == [9600, 2400, 9600]
    assert way.passed == [pytest.approx(due) for due in (3 * EACH, 0.5 + 12 * EACH, 0.5 + 15 * EACH)]


def test_what_is_on_the_way_can_be_lost_and_is_bounded() -> None:
    way = Inwards()
    assert way.arrivals.add(bytes(BACKLOG + 1), EACH, 9600)
    assert not way.arrivals.add(b"more", EACH, 9600)
    way.loop.run_to(START + 0.1)
    come = len(way.all())
    way.arrivals.clear()
    way.loop.run_to(START + 1.0)
    assert len(way.all()) == come
    assert way.arrivals.add(b"anew", EACH, 9600)
    way.loop.run_to(START + 2.0)
    assert way.pieces[-1][1] == b"anew"
    assert on_time(way.pieces[-1][0], 1.0 + 4 * EACH)


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4), st.sampled_from([SLICE, STRETCH]))
def test_octets_go_out_in_order_when_their_last_bit_has_passed(sent: list[bytes], stretch: float) -> None:
    way = Outwards(stretch=stretch)
    for data in sent:
        assert way.out.add(data, 9600, "8N1", START + 0.02)
    way.loop.run_to(START + 2.0)
    assert way.all() == b"".join(sent)
    assert way.out.octets == 0
    come = 0
    for when, data in way.pieces:
        come += len(data)
        assert on_time(when, 0.02 + come * EACH)
        assert len(data) * EACH <= stretch + EACH
    assert all(way.fitted)


def test_an_answer_waits_for_a_far_end_that_changes_its_rate_and_takes_its_time_from_then() -> None:
    way = Outwards()
    way.far.baud = 300
    way.out.add(b"answer", 9600, "8N1", START)
    way.loop.run_to(START + 0.2)
    assert way.pieces == []
    way.far.baud = 9600
    way.loop.run_to(START + 1.0)
    ((when, data),) = way.pieces
    assert data == b"answer"
    assert 0.2 + 6 * EACH <= when <= 0.21 + 6 * EACH
    assert way.fitted == [True]


@pytest.mark.parametrize("pacing", [False, True])
def test_a_far_end_that_never_changes_its_rate_gets_garbage_in_the_end(pacing: bool) -> None:
    way = Outwards(pacing=pacing)
    way.far.baud = 300
    way.out.add(bytes(60), 9600, "8N1", START)
    way.out.add(b"more", 9600, "8N1", START)
    way.loop.run_to(START + GRACE - 0.01)
    assert way.pieces == []
    way.loop.run_to(START + 3 * GRACE)
    assert way.all() == bytes(60) + b"more"
    assert not any(way.fitted)


def test_what_waits_to_go_out_can_be_lost_and_is_bounded() -> None:
    way = Outwards()
    assert way.out.add(bytes(BACKLOG), 9600, "8N1", START)
    assert not way.out.add(b"m", 9600, "8N1", START)
    way.loop.run_to(START + 0.1)
    come = len(way.all())
    way.out.clear()
    way.loop.run_to(START + 1.0)
    assert len(way.all()) == come
    assert way.out.add(b"anew", 9600, "8N1", START + 1.0)
    way.loop.run_to(START + 2.0)
    assert way.pieces[-1][1] == b"anew"


def test_a_device_does_not_give_up_a_frame_whose_rest_is_coming(bench: Any, tmp_path: Any) -> None:
    """A time-out between octets that is shorter than a stretch."""

    def impatient(stack: Any) -> None:
        answer = stack.receive

        def receive(data: bytes, now: int) -> bytes:
            done = data.endswith(b"!")
            stack.deadline = None if done else now + 25_000_000
            return bytes(answer(data, now)) if done else b""

        stack.receive = receive

    rig = bench("pty:./meter", LineOptions(pacing=True), ClockMode.REAL, impatient)
    with serial.Serial(str(tmp_path / "meter"), 9600, timeout=2) as client:
        client.write(b"begin")
        client.write(b"x" * 80 + b"!")
        assert client.read(1) != b""
    assert rig.stack.timeouts == []
