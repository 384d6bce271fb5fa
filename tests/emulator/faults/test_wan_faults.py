"""Faults of the WAN on lines of a hub whose far end is the test: what passes, when, and what is left after the end."""

from __future__ import annotations

from statistics import fmean

import pytest

from emulator.faults.wan import FAULTS
from emulator.ports import DISCARDED, SENT
from emulator.premises import build_premises
from emulator.time import MILLISECOND, MINUTE, SECOND, Clock
from firmware_profiles.loader import load
from protocols import wrapper

from ..conftest import SEED, START, Spec
from . import bare_line
from .conftest import Place

REQUEST = wrapper.encode(16, 1, bytes.fromhex("C001C1000100002A0000FF0200"))
"""A GET outside of an association, which is answered with an exception each time."""
PARAMETERS: dict[str, dict[str, int]] = {"wan-loss": {"per_mille": 1000}, "wan-latency": {"mean": 300}}


class Wire(bare_line.Wire):
    """A line of the hub whose far end is there."""

    def __init__(self, place: Place, port: str = "wan-tcp") -> None:
        super().__init__(place.hub.stacks[port]())
        self.stack.opened(self.clock.now)

    def ask(self, duration: int = MINUTE) -> int | None:
        """Send the request and wait so long: how much later the answer came, ns; None without one."""
        now, before = self.clock.now, len(self.late)
        if self.send(REQUEST):
            return 0
        self.wait(duration)
        return START + self.late[before][0] - now if len(self.late) > before else None


def signal(place: Place) -> int:
    """What the hub reads now, dBm."""
    place.hub.settle()
    return place.hub.signal


@pytest.mark.parametrize("name", [fault.name for fault in FAULTS])
@pytest.mark.parametrize("port", ["wan-tcp", "wan-udp"])
def test_nothing_is_left_of_it(place: Place, name: str, port: str) -> None:
    wire = Wire(place, port)
    answer = wire.send(REQUEST)
    assert answer and wire.stack.gate is None
    before = signal(place)
    fault = place.start(name, **PARAMETERS.get(name, {}))
    wire.ask(2 * MINUTE)
    place.end(fault)
    assert wire.stack.gate is None
    assert place.hub.signal_loss == 0 and signal(place) == before
    other = Wire(place, port)
    assert other.stack.way is other.stack and not other.stack.drop
    assert other.send(REQUEST) == answer
    assert wire.send(REQUEST) in (answer, b"")


def test_the_radio_processor_is_on_no_wan(place: Place) -> None:
    radio = place.hub.stacks["radio"]()
    for name in ("wan-down", "wan-unreachable"):
        fault = place.start(name)
        assert radio.gate is None and not radio.drop
        place.end(fault)


@pytest.mark.parametrize("port", ["wan-tcp", "wan-udp"])
def test_nothing_passes_while_it_is_down(place: Place, port: str) -> None:
    wire = Wire(place, port)
    fault = place.start("wan-down")
    late = Wire(place, port)
    assert wire.ask() is None and late.ask() is None
    assert wire.told == [f"fault {fault.id} (wan-down): a request of {len(REQUEST)} octets: lost on the WAN"]
    place.end(fault)
    assert wire.ask() == late.ask() == 0


@pytest.mark.parametrize(("way", "sent"), [("from-hub", 1), ("to-hub", 0)])
def test_one_direction_is_dead(place: Place, way: str, sent: int) -> None:
    wire = Wire(place)
    fault = place.start("wan-one-way", way=way)
    assert wire.ask() is None
    assert place.hub.frames(SENT) == sent
    place.end(fault)
    assert wire.ask() == 0


def test_connections_of_before_lead_nowhere(place: Place) -> None:
    old = Wire(place)
    fault = place.start("wan-half-open")
    new = Wire(place)
    assert old.ask() is None and new.ask() == 0
    place.end(fault)
    assert old.stack.drop and not new.stack.drop


def test_an_address_that_leads_nowhere(place: Place) -> None:
    lines = [Wire(place), Wire(place, "wan-udp")]
    fault = place.start("wan-unreachable")
    lines += [Wire(place), Wire(place, "wan-udp")]
    assert [wire.stack.drop for wire in lines] == [True, False, True, False]
    assert [wire.told for wire in lines[::2]] == [
        [f"fault {fault.id} (wan-unreachable): the address leads nowhere: connection closed"]
    ] * 2
    assert [wire.ask() for wire in lines] == [None] * 4
    place.end(fault)
    assert not Wire(place).stack.drop


def test_connections_are_closed_by_chance(place: Place) -> None:
    place.start("wan-resets", per_mille=200)
    lives: list[int] = []
    for _ in range(100):
        wire = Wire(place)
        lives.append(0)
        while wire.ask(0) is not None and not wire.stack.drop:
            lives[-1] += 1
        assert wire.stack.drop
        wire.stack.closed()
    # Two messages in an exchange, each of which gets through in four of five cases: 0.64 / 0.36 of them on average.
    assert 1.2 < fmean(lives) < 2.6
    assert Wire(place, "wan-udp").ask() == 0


@pytest.mark.parametrize("how", ["silent", "closed"])
def test_a_connection_is_forgotten_when_it_is_idle(place: Place, how: str) -> None:
    wire, idle = Wire(place), Wire(place)
    fault = place.start("wan-idle-timeout", seconds=90, how=how)
    for _ in range(3):
        assert wire.ask() == 0
        wire.wait(80 * SECOND)
    idle.wait(0)
    assert idle.stack.drop is (how == "closed")
    assert idle.ask(0) is None
    wire.wait(9 * SECOND)
    assert wire.ask() == 0
    wire.wait(90 * SECOND)
    assert wire.stack.drop is (how == "closed")
    place.end(fault)
    assert wire.stack.drop and idle.stack.drop


@pytest.mark.parametrize("distribution", ["constant", "uniform", "normal", "exponential"])
def test_how_late_messages_are(place: Place, distribution: str) -> None:
    def times() -> list[int]:
        wire = Wire(place)
        found = [wire.ask(5 * SECOND) for _ in range(100)]
        return [each for each in found if each is not None]

    place.start("wan-latency", distribution=distribution, mean=400, spread=100)
    late = times()
    assert len(late) == 100
    assert 700 * MILLISECOND < fmean(late) < 900 * MILLISECOND
    spread = max(late) - min(late)
    assert spread == 0 if distribution == "constant" else spread > 200 * MILLISECOND
    if distribution == "uniform":
        assert min(late) >= 600 * MILLISECOND and max(late) <= 1000 * MILLISECOND
    assert min(late) >= 0


def test_the_same_seed_gives_the_same_delays(clock: Clock) -> None:
    def times() -> list[int | None]:
        then = Clock(clock.now)
        place = Place(build_premises("home", Spec(), then, SEED, load), then)
        place.start("wan-latency", distribution="exponential")
        wire = Wire(place)
        return [wire.ask() for _ in range(20)]

    assert times() == times()


def test_what_is_sent_over_a_narrow_wan_takes_its_time(place: Place) -> None:
    wire = Wire(place)
    answer = len(wire.send(REQUEST))
    place.start("wan-bandwidth", rate=100)
    there, back = (octets * 8 * SECOND // 100 for octets in (len(REQUEST), answer))
    assert wire.ask() == there + back
    before = len(wire.late)
    for _ in range(3):  # one after the other, before the first is through
        assert wire.send(REQUEST) == b""
    wire.wait(MINUTE)
    came = [at for at, _ in wire.late[before:]]
    assert len(came) == 3 and came[1] - came[0] == came[2] - came[1] == max(there, back)


def test_lost_datagrams_are_lost(place: Place) -> None:
    wire = Wire(place, "wan-udp")
    place.start("wan-loss", per_mille=300)
    answered = sum(wire.ask(0) is not None for _ in range(200))
    assert 70 < answered < 130  # half: both ways must get through, 0.7 each
    assert wire.stack.counters[DISCARDED] == 0


def test_tcp_sends_again_what_is_lost_and_gives_up_at_last(place: Place) -> None:
    wire = Wire(place)
    fault = place.start("wan-loss", per_mille=300, resend=100)
    found = [wire.ask(20 * SECOND) for _ in range(25)]
    assert None not in found
    assert {each % (SECOND // 10) for each in found if each is not None} == {0}
    assert any(found) and not all(found)
    place.end(fault)
    place.start("wan-loss", per_mille=1000, resend=1000)
    assert wire.ask(126 * SECOND) is None
    assert not wire.stack.drop
    wire.wait(SECOND)
    assert wire.stack.drop
    assert any("TCP gives up" in text for text in wire.told)


def test_a_weak_signal_is_read_and_loses_packets(place: Place) -> None:
    before = signal(place)
    fault = place.start("wan-weak-signal", decibels=1)
    wire = Wire(place, "wan-udp")
    assert before > -100 and all(wire.ask(0) == 0 for _ in range(20))
    assert signal(place) == before - 1
    place.end(fault)
    place.start("wan-weak-signal", decibels=60)
    assert signal(place) == max(before - 60, -128)
    assert any(wire.ask(0) is None for _ in range(20))
