"""Faults of the air: what a head-end on the hub's WAN reads of them in the device log, and what a dissector hears."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rigs.air import dissector_option
from rigs.capture import Capture
from tests.interop.head_end import KINDS, Home, home
from tests.interop.zigbee_hosts import ZigbeeHost

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

MEASUREMENTS = 17
"""As many as the device log takes a mean over, and one."""
ANNOUNCEMENT = "zbee_aps.zdp_cluster == 0x0013"


class Heard:
    """What was captured of the air, for tshark with the keys of the HAN."""

    def __init__(self, capture: Capture, peers: Any) -> None:
        self._capture = capture
        self._peers = peers

    def fields(self, place: Home, condition: str, *names: str) -> list[list[str]]:
        """Fields of the frames that a display filter lets through, in order."""
        place.call(self._capture.flush)
        han = place.premises.hub.device.han
        keys = place.call(lambda: [han.network_key, *(member.link_key for member in han.members)])
        words = [word for key in keys for word in shlex.split(dissector_option("HAN", key))]
        wanted = [word for name in names for word in ("-e", name)]
        file = str(self._capture.path)
        lines = self._peers.tshark("-r", file, *words, "-Y", condition, "-T", "fields", *wanted)
        return [line.split("\t") for line in lines]


@pytest.fixture(scope="module")
def shared(peer: ZigbeeHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home(tmp_path_factory.mktemp("radio"), peer) as running:
        yield running


@pytest.fixture
def place(shared: Home) -> Iterator[Home]:
    """The premises, which each test leaves as they were."""
    yield shared
    shared.heal()
    shared.wait()


@pytest.fixture
def heard(tmp_path: Path, peer: ZigbeeHost, peers: Any) -> Iterator[tuple[Home, Heard]]:
    """Premises of their own whose air is captured."""
    with Capture(tmp_path / "air.pcapng") as capture, home(tmp_path, peer, air=capture.air) as running:
        yield running, Heard(capture, peers)


def listen(place: Home) -> None:
    """Read the log so often that what was heard before does not count any more."""
    for _ in range(MEASUREMENTS):
        place.clock.advance(seconds=1)
        place.log()


@pytest.mark.fault("interference")
def test_something_else_sends_on_the_channel(place: Home) -> None:
    fault = place.start("interference", level=0)
    log = place.log()
    assert list(log) == KINDS and all(row.joined for row in log.values())
    assert place.reporting == []
    assert place.servers == ["hub", "gas"]
    assert place.silent("electricity")
    place.end(fault)
    place.wait()
    assert place.reporting == KINDS
    assert place.answers("electricity")


@pytest.mark.fault("attenuation")
def test_something_stands_between_hub_and_meter(place: Home) -> None:
    listen(place)
    before = place.log()["electricity"]
    assert before.hops == 0
    fault = place.start("attenuation", "electricity", to="hub", decibels=20)
    listen(place)
    assert place.log()["electricity"].rssi == before.rssi - 20
    place.end(fault)
    fault = place.start("attenuation", "electricity", to="hub", decibels=120)
    listen(place)
    assert place.log()["electricity"].hops == 1  # by way of the display
    assert place.answers("electricity")
    place.end(fault)
    listen(place)
    after = place.log()["electricity"]
    assert (after.hops, after.rssi) == (0, before.rssi)


@pytest.mark.fault("radio-off")
def test_a_radio_does_not_work(place: Home) -> None:
    fault = place.start("radio-off", "electricity")
    row = place.log()["electricity"]
    assert row.joined and not row.reporting
    assert place.servers == ["hub", "gas"]
    assert place.silent("electricity")
    place.end(fault)
    place.wait()
    assert place.reporting == KINDS
    assert place.answers("electricity")


@pytest.mark.fault("antenna-off")
def test_an_antenna_is_loose(place: Home) -> None:
    listen(place)
    before = place.log()
    fault = place.start("antenna-off", "hub", decibels=10)
    listen(place)
    weak = place.log()
    for kind in ("electricity", "display"):  # the hub's own: it hears all alike
        assert weak[kind].rssi == before[kind].rssi - 10
    place.end(fault)
    listen(place)
    assert {kind: row.rssi for kind, row in place.log().items() if kind != "gas"} == {
        kind: row.rssi for kind, row in before.items() if kind != "gas"
    }
    fault = place.start("antenna-off", "display", decibels=120)
    assert not place.log()["display"].reporting
    place.end(fault)
    place.wait()
    assert place.reporting == KINDS


@pytest.mark.fault("duplicate-eui64")
def test_a_second_radio_has_the_address_of_the_meter(heard: tuple[Home, Heard]) -> None:
    place, air = heard
    eui64 = place.premises.electricity.device.identity.eui64.hex(":")
    fault = place.start("duplicate-eui64", "electricity", period=20)
    place.clock.advance(seconds=50)
    assert place.reporting == ["gas", "display"]
    said = air.fields(place, f"zbee.sec.src64 == {eui64} && {ANNOUNCEMENT}", "zbee_nwk.src", "zbee.sec.counter")
    assert len(said) == 3
    strangers = {source for source, _ in said}
    assert len(strangers) == 1
    others = air.fields(place, f"zbee.sec.src64 == {eui64} && !({ANNOUNCEMENT})", "zbee_nwk.src")
    assert others and strangers.isdisjoint(source for (source,) in others)
    place.end(fault)
    assert place.reporting == KINDS
    place.clock.advance(minutes=2)
    assert len(air.fields(place, f"zbee.sec.src64 == {eui64} && {ANNOUNCEMENT}", "zbee_nwk.src")) == 3


@pytest.mark.fault("frame-counter-reset")
def test_a_meter_has_lost_its_frame_counter(heard: tuple[Home, Heard]) -> None:
    place, air = heard
    eui64 = place.premises.electricity.device.identity.eui64.hex(":")
    place.clock.advance(minutes=6)
    begin = place.clock.ns
    fault = place.start("frame-counter-reset", "electricity", seen=100_000)
    assert place.reporting == ["gas", "display"]
    place.clock.advance(minutes=6)
    assert place.reporting == ["gas", "display"]
    end = place.clock.ns
    place.end(fault)
    assert place.reporting == KINDS
    place.clock.advance(minutes=6)
    condition = f"zbee.sec.src64 == {eui64} && zbee.sec.key_id == 1"
    said = air.fields(place, condition, "frame.time_epoch", "zbee.sec.counter")
    counters = [(round(float(time) * 1e9), int(counter.split(",")[0])) for time, counter in said]
    before = [counter for time, counter in counters if time <= begin]
    during = [counter for time, counter in counters if begin < time <= end]
    after = [counter for time, counter in counters if time > end]
    assert during[0] == 0 < before[-1]
    assert min(after) > max(before)
    assert all(part == sorted(part) for part in (before, during, after))
