"""Faults of the air: what is seen of each from outside, and how it is after its end."""

from __future__ import annotations

import pytest

from emulator.faults.parameters import FaultError
from emulator.time import HOUR, MINUTE, SECOND
from protocols.zigbee import aps, mac, nwk, zdo

from .conftest import ALL, Place


def test_interference(place: Place) -> None:
    channel = place.han.channel
    quiet = place.han.medium.noise(channel)
    others = place.start("interference", channels="11-26" if channel not in (11, 26) else "12-25", level=-100)
    place.end(others)
    fault = place.start("interference", channels=str(channel), level=0)
    assert place.han.medium.noise(channel) == 0
    assert place.on == []
    place.end(fault)
    assert place.han.medium.noise(channel) == quiet
    place.after(place.longest_pause)
    assert place.on == ALL


def test_interference_elsewhere_hurts_nobody(place: Place) -> None:
    channels = ",".join(str(channel) for channel in range(11, 27) if channel != place.han.channel)
    place.start("interference", channels=channels, level=0)
    assert place.on == ALL
    place.after(MINUTE)
    assert place.says("electricity")


def test_attenuation_adds_up_and_goes(place: Place) -> None:
    before = place.rssi("gas")
    one = place.start("attenuation", "gas", decibels=7)
    other = place.start("attenuation", "hub", to="gas", decibels=5)
    assert place.rssi("gas") == before - 12
    place.end(one)
    assert place.rssi("gas") == before - 5
    place.end(other)
    assert place.rssi("gas") == before
    with pytest.raises(FaultError, match="home/gas: to: gas: is no other device of its premises"):
        place.start("attenuation", "gas", to="gas")


def test_a_wall_around_a_device(place: Place) -> None:
    walls = [place.start("attenuation", "gas", to="hub", decibels=120)]
    place.start("attenuation", "display", to="gas", decibels=120)
    walls.append(place.start("attenuation", "electricity", to="gas", decibels=120))
    assert place.on == ["electricity", "display"]
    for wall in walls:
        place.end(wall)
    place.after(place.longest_pause)
    assert place.on == ALL


@pytest.mark.parametrize(
    ("kind", "left"), [("electricity", ["gas", "display"]), ("hub", []), ("gas", ["electricity", "display"])]
)
def test_a_radio_that_is_off(place: Place, kind: str, left: list[str]) -> None:
    fault = place.start("radio-off", kind)
    place.after(HOUR)
    assert place.on == left == place.reporting
    place.end(fault)
    place.after(place.longest_pause)
    assert place.on == ALL


def test_a_loose_antenna(place: Place) -> None:
    before = place.rssi("display")
    fault = place.start("antenna-off", "display", decibels=9)
    assert place.rssi("display") == before - 9
    other = place.start("antenna-off", "hub", decibels=3)
    assert place.rssi("display") == before - 12
    place.end(fault)
    place.end(other)
    assert place.rssi("display") == before
    fault = place.start("antenna-off", "display", decibels=120)
    assert place.on == ["electricity", "gas"]
    place.end(fault)
    place.after(place.longest_pause)
    assert place.on == ALL


def test_a_second_radio_with_its_eui64(place: Place) -> None:
    heard: list[bytes] = []
    end = place.han.air.listen(lambda _at, octets, _link: heard.append(octets))
    member = place.member("electricity")
    assert place.says("electricity")
    fault = place.start("duplicate-eui64", "electricity", period=60, lead=500)
    announced = aps.parse(nwk.open_frame(nwk.parse(mac.decode(heard[-1]).payload), place.han.network_key).payload)
    fields = zdo.decode(zdo.Cluster.DEVICE_ANNOUNCE, announced.rest).values
    assert fields["eui"] == member.node.eui64
    assert fields["address"] != member.node.address
    assert not place.says("electricity")
    assert place.han.air.dropped["frame counter"] > 0
    assert "electricity" not in place.reporting
    assert any("was used by a stranger" in text for text in place.explained)
    place.end(fault)
    assert place.says("electricity")
    assert place.reporting == ALL
    count = len(heard)
    end()
    place.after(HOUR)
    assert count == len(heard)


def test_the_second_radio_has_the_keys_of_the_device(place: Place) -> None:
    place.start("duplicate-eui64", "electricity", period=30)
    place.han.unregister(place.member("electricity").node.eui64)  # and with it the network key
    place.after(HOUR)
    assert "electricity" not in place.on
    place.start("ghost-gas-meter", "gas")
    with pytest.raises(FaultError, match="home/gas-2: it has not been on the HAN: there are no keys to have"):
        place.start("duplicate-eui64", "gas")


def test_the_second_radio_keeps_ahead(place: Place) -> None:
    fault = place.start("duplicate-eui64", "electricity", period=30, lead=1)
    node = place.member("electricity").node
    for _ in range(5):
        node.counter += 20
        assert "electricity" in place.reporting  # it has overtaken the other one
        place.after(30 * SECOND)
        assert "electricity" not in place.reporting
    place.end(fault)
    assert not place.han.disturbed


def test_a_frame_counter_that_begins_anew(place: Place) -> None:
    node = place.member("gas").node
    assert place.says("gas")
    before = node.counter
    fault = place.start("frame-counter-reset", "gas")
    assert node.counter == 0
    assert not place.says("gas")
    assert 0 < node.counter < 100_000
    assert place.reporting == ["electricity", "display"]
    assert place.on == ALL
    place.end(fault)
    assert node.counter >= before
    assert place.says("gas")
    assert place.reporting == ALL


def test_one_that_has_sent_more_than_others_have_seen_is_heard_again(place: Place) -> None:
    place.start("frame-counter-reset", "gas", seen=40)
    place.member("gas").node.counter = 40
    assert place.says("gas")


def test_two_faults_do_not_have_one_device_s_counters(place: Place) -> None:
    place.start("frame-counter-reset", "gas")
    place.start("frame-counter-reset", "electricity")
    with pytest.raises(FaultError, match=r"home/gas: F1 \(frame-counter-reset\) has that already; end it first"):
        place.start("duplicate-eui64", "gas")
