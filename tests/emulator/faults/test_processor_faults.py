"""Faults of the radio processor, as hosts on its line see them, and how the HAN is after their end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from emulator.faults.parameters import FaultError, ParameterError
from emulator.firmware import FirmwareProfile
from emulator.premises import Premises, build_premises
from emulator.radio.ezsp import EzspStack
from emulator.radio.znp import ZnpStack
from emulator.time import MINUTE, SECOND, Clock
from firmware_profiles.loader import load
from protocols.zigbee.ash import ResetCode
from protocols.zigbee.ezsp import configuration
from protocols.zigbee.ezsp.frame import Frame
from protocols.zigbee.mt import Receiver
from protocols.zigbee.znp import commands as znp

from ..conftest import SEED, DeviceSpec, Spec
from ..radio.host import Host
from .conftest import ALL, Place

Home = Callable[..., Premises]
NOP = Frame(77, 0, configuration.NOP.id, b"").encode()


def host_of(place: Place) -> Host:
    """A host that has the network of the hub up."""
    stack = place.hub.stacks["radio"]()
    assert isinstance(stack, EzspStack)
    made = Host(stack)
    made.start()
    return made


def test_a_processor_that_starts_anew(place: Place) -> None:
    host = host_of(place)
    assert place.hub.coordinator.up
    fault = place.start("ncp-reset")
    assert host.failed == [ResetCode.SOFTWARE]
    assert fault.over and fault.ended_at == place.clock.now
    assert not place.hub.coordinator.up
    host.start()
    assert place.hub.coordinator.up
    assert place.on == ALL


def test_without_a_host_nobody_hears_it(place: Place) -> None:
    stack = place.hub.stacks["radio"]()
    sent: list[bytes] = []
    stack.transmit = sent.append
    place.start("ncp-reset")
    assert sent == []
    with pytest.raises(FaultError, match=r"home/hub: no host is at a radio port that has error frames \(EZSP\)"):
        place.start("ncp-asserts")


def test_a_processor_that_stops_with_an_error(place: Place) -> None:
    host = host_of(place)
    place.start("ncp-asserts")
    assert host.failed == [ResetCode.ASSERT]
    assert not place.hub.coordinator.up
    host.start()
    assert place.hub.coordinator.up


def test_a_processor_that_is_stuck(place: Place) -> None:
    host = host_of(place)
    late = place.hub.stacks["radio"]
    fault = place.start("ncp-stuck")
    host.octets(NOP)
    assert 77 not in host.answers
    assert late().receive(bytes.fromhex("1AC038BC7E"), place.clock.now) == b""
    assert place.on == []
    assert not place.says("electricity")
    place.end(fault)
    assert host.failed == [ResetCode.SOFTWARE]
    host.start()
    place.after(place.longest_pause)
    assert place.on == ALL
    assert late().receive(bytes.fromhex("1AC038BC7E"), place.clock.now)


def test_a_stuck_processor_stays_so_when_power_comes_back(place: Place) -> None:
    host = host_of(place)
    fault = place.start("ncp-stuck")
    place.hub.power_off()
    place.hub.power_on()
    host.run(2 * MINUTE)
    assert host.failed == []
    place.end(fault)
    host.run(2 * MINUTE)
    host.start()


def test_a_line_that_is_unplugged(place: Place) -> None:
    host = host_of(place)
    fault = place.start("ncp-unplugged")
    assert host.stack.drop
    assert not place.hub.coordinator.up
    host.octets(NOP)
    assert 77 not in host.answers
    other = place.hub.stacks["radio"]()
    other.opened(place.clock.now)
    assert other.drop
    assert place.on == ALL
    assert place.says("electricity")
    place.end(fault)
    assert not host.stack.drop
    host.start()
    assert place.hub.coordinator.up


@pytest.mark.parametrize("way", ["both", "to-host", "from-host"])
def test_octets_that_are_corrupted(place: Place, way: str) -> None:
    host = host_of(place)
    fault = place.start("ncp-corrupted-octets", per_mille=8, way=way)
    for number in range(60):
        host.ash.send(Frame(number, 0, configuration.NOP.id, b"").encode(), place.clock.now)
        for _ in range(200):
            host.run(SECOND // 20)
            if number in host.answers:
                break
            host.ash.timeout(place.clock.now)
    assert sorted(host.answers) == list(range(60))
    assert host.failed == []
    spoiled = host.stack.counters["radio frames discarded"]
    assert bool(spoiled) is (way != "to-host")
    place.end(fault)
    host.answers.clear()
    host.sequence = 100
    for _ in range(50):
        host.ask(configuration.NOP)
    assert host.stack.counters["radio frames discarded"] == spoiled


def test_mt_has_no_retransmissions(clock: Clock) -> None:
    place = Place(build_premises("home", Spec(hub=DeviceSpec("hub-znp")), clock, SEED, load), clock)
    stack = place.hub.stacks["radio"]()
    assert isinstance(stack, ZnpStack)
    ping = znp.ask(znp.PING, {}).encode()

    def answered(times: int) -> int:
        return sum(bool(Receiver().receive(stack.receive(ping, clock.now))) for _ in range(times))

    assert answered(50) == 50
    fault = place.start("ncp-corrupted-octets", per_mille=50)
    assert 0 < answered(50) < 50
    place.end(fault)
    receiver = Receiver()
    octets = b"".join(stack.receive(ping, clock.now) for _ in range(50))
    assert len(receiver.receive(octets)) >= 49  # the first one may be the end of a frame that never came
    told: list[bytes] = []
    stack.transmit = told.append
    place.start("ncp-reset")
    assert [znp.read(frame)[1]["reason"] for frame in Receiver().receive(b"".join(told))] == [2]
    with pytest.raises(FaultError, match="error frames"):
        place.start("ncp-asserts")
    fault = place.start("ncp-stuck")
    assert answered(1) == 0
    place.end(fault)
    assert answered(2) == 2
    fault = place.start("ncp-unplugged")
    assert stack.drop and answered(1) == 0
    place.end(fault)
    assert answered(2) == 2


def test_a_hub_without_a_radio_port(clock: Clock) -> None:
    def without(name: str) -> FirmwareProfile:
        return replace(load(name), radio=None)

    place = Place(build_premises("home", Spec(), clock, SEED, without), clock)
    with pytest.raises(FaultError, match=r"home/hub: its profile hub-base has no \[radio\] table"):
        place.start("ncp-stuck")


def test_one_that_is_over_at_once_has_no_duration(place: Place) -> None:
    with pytest.raises(ParameterError, match="ncp-reset: duration: it is over as soon as it has begun"):
        place.faults.start("ncp-reset", "home/hub", duration=SECOND)
