"""Faults of the hub itself as a head-end on its WAN sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.head_end import (
    ALERTS,
    CLOCK,
    KINDS,
    LAST_WAKE_UP,
    NAME,
    SHORT,
    Home,
    destination,
    home,
    stranger,
)
from tests.interop.zigbee_hosts import ZigbeeHost

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

VOLUME, TIME_ZONE, WAITING = [3, "7.0.1.8.0.255", 2], [8, "0.0.1.0.0.255", 3], [1, "0.0.96.15.10.255", 2]
SENT, EVENTS, PAN_ID = [1, "0.0.96.15.2.255", 2], "0.0.99.98.5.255", [101, "0.0.30.0.0.255", 4]
OTHER_REASON, LOG_CHANGED = 250, 94
ALL = ["hub", "electricity", "gas"]


@pytest.fixture(scope="module")
def shared(peer: ZigbeeHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home(tmp_path_factory.mktemp("hub"), peer) as running:
        yield running


@pytest.fixture
def place(shared: Home) -> Iterator[Home]:
    """The premises, which each test leaves as they were."""
    yield shared
    shared.heal()
    for name in list(shared.opened):
        shared.close(name)


@pytest.mark.fault("hub-forgot-han")
def test_the_hub_has_lost_its_han(place: Home) -> None:
    pan_id = place.read("hub", PAN_ID)
    fault = place.start("hub-forgot-han")
    assert place.log() == {}
    assert place.servers == ["hub"]
    assert place.read("hub", PAN_ID) != pan_id
    assert place.silent("electricity")
    place.wait()
    assert place.log() == {}
    place.end(fault)
    assert place.read("hub", PAN_ID) == pan_id
    place.wait()
    assert place.reporting == KINDS
    assert place.servers == ALL
    assert place.answers("electricity") and place.answers("gas")


@pytest.mark.fault("device-log-full")
def test_there_is_no_room_in_the_log(place: Home) -> None:
    fault = place.start("device-log-full")
    assert place.read("hub", ["refused", stranger(1)]) == [OTHER_REASON]
    assert place.reporting == KINDS
    place.end(fault)
    place.read("hub", stranger(1))
    assert len(place.log()) == len(KINDS) + 1
    place.read("hub", stranger(1, here=False))
    assert list(place.log()) == KINDS


@pytest.mark.fault("hub-without-meter")
def test_the_hub_is_without_its_meter(place: Home) -> None:
    fault = place.start("hub-without-meter", "electricity")
    assert place.servers == ["hub", "gas"]
    assert place.silent("electricity")
    assert "Timeout" in place.trouble_at_meter(SHORT)
    row = place.log()["electricity"]
    assert row.joined and not row.reporting
    place.wait()
    assert place.reporting == ["gas", "display"]
    place.end(fault)
    place.clock.advance(minutes=2)
    assert place.reporting == KINDS
    assert place.answers("electricity") and not place.trouble_at_meter()


@pytest.mark.fault("relay-stuck")
def test_the_hub_does_not_pass_on(place: Home) -> None:
    place.open("kept", "electricity")
    fault = place.start("relay-stuck")
    assert "Timeout" in place.do("kept", ["get", *NAME])["error"]
    assert place.silent("electricity")
    assert place.silent("electricity", port="wan")
    assert not place.trouble_at_meter() and place.answers("gas")
    assert place.servers == ALL
    assert place.reporting == KINDS
    assert sum(f"fault {fault.id} (relay-stuck): " in text for text in place.premises.hub.explained) > 2
    place.end(fault)
    assert place.do("kept", ["get", *NAME])["error"] == ""
    assert place.answers("electricity") and place.answers("electricity", port="wan")


@pytest.mark.fault("mirror-frozen")
def test_the_mirror_is_not_updated(place: Home) -> None:
    def seen() -> list[Any]:
        return place.read("gas", CLOCK, VOLUME) + place.read("hub", LAST_WAKE_UP)

    place.clock.advance(hours=1)
    fault = place.start("mirror-frozen")
    before, heard = seen(), place.log()["gas"].heard
    (zone,) = place.read("gas", TIME_ZONE)
    place.read("gas", ["set", *TIME_ZONE, ["long", zone]])
    place.clock.advance(hours=6)
    assert seen() == before
    assert place.log()["gas"].heard > heard  # unlike a meter that oversleeps
    assert place.read("hub", WAITING) == [1]
    place.end(fault)
    assert place.read("hub", WAITING) == [0]
    assert all(new != old for new, old in zip(seen(), before, strict=True))
    then = seen()
    place.clock.advance(hours=2)
    assert seen() != then


@pytest.mark.fault("commands-forgotten")
def test_commands_for_the_gas_meter_are_forgotten(place: Home) -> None:
    (zone,) = place.read("gas", TIME_ZONE)

    def change(to: int) -> tuple[int, int]:
        """Set the meter's time zone through the mirror: commands that wait then, and the zone after its wake-up."""
        place.read("gas", ["set", *TIME_ZONE, ["long", to]])
        (waiting,) = place.read("hub", WAITING)
        place.clock.advance(hours=1)
        (found,) = place.read("gas", TIME_ZONE)
        return waiting, found

    fault = place.start("commands-forgotten")
    assert change(zone + 60) == (0, zone)
    place.end(fault)
    assert change(zone + 60) == (1, zone + 60)
    assert change(zone) == (1, zone)


@pytest.mark.fault("associations-exhausted")
def test_there_is_no_memory_for_another_association(place: Home) -> None:
    fault = place.start("associations-exhausted", most=1)
    place.open("kept", association="public")
    for kind in ("hub", "gas"):
        trouble = place.trouble(kind, association="management")
        assert trouble and "Timeout" not in trouble  # it is rejected
    assert place.answers("electricity")
    assert place.do("kept", ["get", *NAME])["error"] == ""
    place.close("kept")
    assert place.answers("gas")
    place.end(fault)
    place.open("kept", association="public")
    assert place.answers("hub", association="management") and place.answers("gas")


@pytest.mark.fault("alerts-dropped")
def test_the_hub_does_not_send_its_alerts(place: Home) -> None:
    def changed(number: int) -> tuple[dict[str, Any], int]:
        """Change the device log: what comes of waiting for the alert, and frames sent but the two answers."""
        (before,) = place.do("kept", ["get", *SENT])["results"]
        assert place.do("kept", stranger(number))["error"] == ""
        place.clock.advance(seconds=1)
        pushed = place.do("kept", ["push", 0.3])
        (after,) = place.do("kept", ["get", *SENT])["results"]
        (row,) = place.do("kept", ["profile", EVENTS])["results"][0][-1:]
        assert row[1] == LOG_CHANGED
        return pushed, after - before - 2

    place.open("kept")
    assert place.do("kept", ["set", *ALERTS, destination()])["error"] == ""
    fault = place.start("alerts-dropped")
    pushed, sent = changed(1)
    assert "Timeout" in pushed["error"] and sent == 0
    place.end(fault)
    pushed, sent = changed(2)
    assert pushed["results"][0][0] == 0x8F12 and sent == 1
    for number in (1, 2):
        assert place.do("kept", stranger(number, here=False))["error"] == ""
    place.clock.advance(seconds=1)
