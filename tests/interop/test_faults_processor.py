"""Faults of the hub's radio processor as zigpy with bellows meets them, and what a head-end hears of them meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from rigs.config import rig_of
from rigs.driver import ClockMode
from rigs.running import RunningRig
from tests.interop.head_end import KINDS, Home, head_end
from tests.interop.zigbee_hosts import ZigbeeHost

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

METERING, MULTIPLIER = 0x0702, 0x0301
RATE = 8
PATIENCE = 4
"""How often the host sends a frame before it gives up."""
Failed = pytest.fail.Exception
"""What a host that says what went wrong raises."""


@pytest.fixture(scope="module")
def place(peers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Premises whose radio processor is on a TCP connection, which can be closed; their clock goes fast."""
    ports = {"wan-tcp": "tcp:0", "wan-udp": "udp:0", "radio": "tcp+hdlc:0"}
    dwelling = {"name": "home", "hub": {"ports": ports}, "electricity": {}, "gas": {}, "display": {}}
    folder = tmp_path_factory.mktemp("processor")
    made = RunningRig(rig_of({"premises": [dwelling]}), folder=folder, mode=ClockMode.ACCELERATED, rate=RATE)
    with made as running, head_end(peers) as peer:
        yield Home(running, peer)


@pytest.fixture(scope="module")
def host(place: Home, peers: Any) -> Iterator[ZigbeeHost]:
    """A host that has the network of the hub up."""
    path = f"socket://{place.meter('hub').port('radio')}"
    with ZigbeeHost.of(peers, "zigpy", "bellows_host.py", {"path": path, "patience": PATIENCE}) as running:
        yield running


@pytest.fixture(autouse=True)
def healed(host: ZigbeeHost, place: Home) -> Iterator[None]:
    """The host has the network at the beginning of each test, and no fault is left at its end."""
    if not up(place):
        start_again(host, place)
    yield
    place.heal()


def start_again(host: ZigbeeHost, place: Home) -> None:
    """The host comes back, and the network is there."""
    assert host.ask("start_again")["pan"] == place.premises.hub.device.han.pan_id
    assert place.call(lambda: place.premises.hub.device.coordinator.up)


def reads(host: ZigbeeHost, place: Home) -> bool:
    """Whether the host reads the electricity meter over the air, which comes back to the network for it."""
    member = place.premises.hub.device.han.members[0]
    known = ["initialised", member.node.eui64.hex(":")]
    before = sum(event[:2] == known for event in host.ask("seen"))
    assert place.call(member.join) is None
    host.ask("wait", known, before + 1)
    return host.ask("read", known[1], METERING, [MULTIPLIER])["failed"] == {}


def lost(host: ZigbeeHost) -> int:
    """How often the host has lost its processor."""
    return sum(event[0] == "lost" for event in host.ask("seen"))


def up(place: Home) -> bool:
    """Whether a host has the network."""
    return place.call(lambda: place.premises.hub.device.coordinator.up)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("ncp-reset", marks=pytest.mark.fault("ncp-reset")),
        pytest.param("ncp-asserts", marks=pytest.mark.fault("ncp-asserts")),
    ],
)
def test_the_processor_starts_anew_or_stops(host: ZigbeeHost, place: Home, name: str) -> None:
    before = lost(host)
    fault = place.start(name)
    assert "NcpFailure" in host.ask("wait", ["lost"], before + 1)[-1][1]
    assert fault.over and not up(place)
    start_again(host, place)


@pytest.mark.fault("ncp-stuck")
def test_the_processor_hangs(host: ZigbeeHost, place: Home) -> None:
    before = lost(host)
    fault = place.start("ncp-stuck")
    with pytest.raises(Failed):
        host.ask("permit", 10)
    assert place.reporting == []
    assert place.servers == ["hub", "gas"]
    place.end(fault)
    host.ask("wait", ["lost"], before + 1)
    start_again(host, place)
    assert reads(host, place)
    place.clock.rate = 2000
    deadline = time.monotonic() + 10
    while place.reporting != KINDS:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    place.clock.rate = RATE


@pytest.mark.fault("ncp-unplugged")
def test_the_line_to_the_processor_is_unplugged(host: ZigbeeHost, place: Home) -> None:
    before = lost(host)
    fault = place.start("ncp-unplugged")
    host.ask("wait", ["lost"], before + 1)
    assert not up(place)
    assert place.reporting == KINDS  # the hub's own software has them
    with pytest.raises(Failed):
        host.ask("start_again")
    place.end(fault)
    start_again(host, place)


@pytest.mark.fault("ncp-corrupted-octets")
def test_octets_are_corrupted(host: ZigbeeHost, place: Home) -> None:
    def discarded() -> int:
        return place.premises.hub.statistics["radio"].get("radio frames discarded", 0)

    before = discarded()
    fault = place.start("ncp-corrupted-octets", per_mille=20, way="from-host")
    for _ in range(15):
        host.ask("counters")  # all of them are answered: ASH sends again what was spoilt
    after = discarded()
    assert after > before
    place.end(fault)
    for _ in range(10):
        host.ask("counters")
    assert discarded() == after
