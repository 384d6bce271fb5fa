"""Faults of the HAN's membership as a head-end on the WAN sees them: device log, mirror, meters behind the hub."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from emulator.han.admission import Refusal
from tests.interop.head_end import CLOCK, KINDS, LAST_WAKE_UP, NAME, PERMIT, Home, home
from tests.interop.zigbee_hosts import ZigbeeHost

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

VOLUME, TIME_ZONE, WAITING = [3, "7.0.1.8.0.255", 2], [8, "0.0.1.0.0.255", 3], [1, "0.0.96.15.10.255", 2]
NOBODY = "00DB1234567890A0"


@pytest.fixture(scope="module")
def shared(peer: ZigbeeHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home(tmp_path_factory.mktemp("han"), peer) as running:
        yield running


@pytest.fixture
def place(shared: Home) -> Iterator[Home]:
    """The premises, which each test leaves as they were."""
    yield shared
    shared.heal()


# --- the device log


@pytest.mark.fault("entry-without-device")
def test_the_log_has_a_device_that_is_nowhere(place: Home) -> None:
    fault = place.start("entry-without-device", eui64=NOBODY)
    place.clock.advance(hours=1)
    log = place.log()
    assert list(log) == [*KINDS, NOBODY.lower()]
    assert log[NOBODY.lower()].joined and not log[NOBODY.lower()].reporting
    assert place.reporting == KINDS
    place.end(fault)
    assert list(place.log()) == KINDS


@pytest.mark.fault("device-without-entry")
def test_a_device_is_not_in_the_log(place: Home) -> None:
    assert place.servers == ["hub", "electricity", "gas"]
    fault = place.start("device-without-entry", "electricity")
    assert list(place.log()) == ["gas", "display"]
    assert place.servers == ["hub", "gas"]
    assert place.silent("electricity")
    place.wait()
    place.open_window()
    assert place.join("electricity") is not None
    assert place.servers == ["hub", "gas"]
    place.end(fault)
    place.wait()
    assert place.reporting == KINDS
    assert place.answers("electricity")


@pytest.mark.fault("truncated-device-log")
def test_the_log_ends_early(place: Home) -> None:
    fault = place.start("truncated-device-log", kept=0)
    assert place.log() == {}
    assert place.servers == ["hub", "gas"]  # the mirror stays as it was
    place.end(fault)
    place.wait()
    assert place.reporting == KINDS
    assert place.servers == ["hub", "electricity", "gas"]


@pytest.mark.fault("stale-link-key")
def test_an_entry_has_a_stale_key(place: Home) -> None:
    failures = place.log()["electricity"].failures
    fault = place.start("stale-link-key", "electricity")
    row = place.log()["electricity"]
    assert row.joined and not row.reporting
    assert place.servers == ["hub", "gas"]
    place.open_window()
    assert place.join("electricity") == Refusal.WRONG_KEY.value
    assert place.log()["electricity"].failures == failures + 1
    place.end(fault)
    place.wait()
    assert place.reporting == KINDS
    assert place.answers("electricity")


@pytest.mark.fault("wrong-device-type")
def test_a_device_was_registered_as_what_it_is_not(place: Home) -> None:
    fault = place.start("wrong-device-type", "display")
    assert place.reporting == KINDS  # it stays on
    place.end(fault)
    place.unregister("display")
    place.register("display")
    place.open_window()
    fault = place.start("wrong-device-type", "display")
    assert place.join("display") == Refusal.WRONG_KIND.value
    row = place.log()["display"]
    assert not row.joined and row.failures == 1
    place.end(fault)
    place.clock.advance(seconds=46)  # in the first half of the window the key that it forgot is wanted
    assert place.join("display") is None
    assert place.reporting == KINDS


@pytest.mark.fault("ghost-gas-meter")
def test_the_mirror_shows_a_meter_that_has_gone(place: Home) -> None:
    def read() -> list[Any]:
        return place.read("gas", NAME, VOLUME, CLOCK)

    place.clock.advance(hours=1)
    before = read()
    fault = place.start("ghost-gas-meter", "gas")
    place.clock.advance(hours=3)
    assert read() == before  # with the old meter's keys
    log = place.log()
    assert list(log) == KINDS  # the new meter is not in it
    assert not log["gas"].reporting
    place.end(fault)
    place.clock.advance(hours=1)
    name, volume, clock = read()
    assert name == before[0] and volume >= before[1] and clock > before[2]
    assert place.log()["gas"].reporting


# --- joining


@pytest.mark.parametrize(
    ("name", "stuck"),
    [
        pytest.param("permit-stuck-open", True, marks=pytest.mark.fault("permit-stuck-open")),
        pytest.param("permit-stuck-closed", False, marks=pytest.mark.fault("permit-stuck-closed")),
    ],
)
def test_the_window_is_stuck(place: Home, name: str, stuck: bool) -> None:
    place.clock.advance(minutes=5)
    fault = place.start(name)
    for wanted in (True, False):
        place.open_window(wanted)
        assert place.read("hub", PERMIT) == [stuck]
    place.unregister("display")
    place.register("display")
    place.open_window(not stuck)
    assert place.join("display") == (None if stuck else Refusal.CLOSED.value)
    place.end(fault)
    for wanted in (False, True):
        place.open_window(wanted)
        assert place.read("hub", PERMIT) == [wanted]
    place.clock.advance(seconds=46)
    assert place.join("display") is None
    place.clock.advance(seconds=60)
    assert place.read("hub", PERMIT) == [False]
    assert place.reporting == KINDS


@pytest.mark.fault("wrong-certificate")
def test_a_certificate_is_not_good(peer: ZigbeeHost, tmp_path_factory: pytest.TempPathFactory) -> None:
    with home(tmp_path_factory.mktemp("certificates"), peer, profile="hub-lima") as place:
        place.unregister("electricity")
        place.register("electricity")
        place.open_window()
        for number, kind in enumerate(("another's", "unknown-issuer", "forged", "without-its-key"), 1):
            fault = place.start("wrong-certificate", "electricity", certificate=kind)
            assert place.join("electricity") == Refusal.NO_KEY.value
            row = place.log()["electricity"]
            assert not row.joined and row.failures == number
            assert place.servers == ["hub", "gas"]
            place.end(fault)
        assert place.join("electricity") is None
        assert sorted(place.reporting) == sorted(KINDS)
        assert place.servers == ["hub", "electricity", "gas"]


# --- the gas meter and its mirror


@pytest.mark.fault("oversleeping-meter")
def test_the_gas_meter_does_not_wake_up(place: Home) -> None:
    def seen() -> list[Any]:
        return place.read("gas", CLOCK, VOLUME) + place.read("hub", LAST_WAKE_UP) + [place.log()["gas"].heard]

    place.clock.advance(hours=1)
    fault = place.start("oversleeping-meter", "gas")
    before = seen()
    (zone,) = place.read("gas", TIME_ZONE)
    place.read("gas", ["set", *TIME_ZONE, ["long", zone]])
    place.clock.advance(hours=6)
    assert seen() == before
    assert place.read("hub", WAITING) == [1]
    place.end(fault)
    place.clock.advance(hours=1)
    assert place.read("hub", WAITING) == [0]
    assert all(new != old for new, old in zip(seen(), before, strict=True))


@pytest.mark.fault("mirror-refused")
def test_the_hub_mirrors_no_gas_meter(place: Home) -> None:
    fault = place.start("mirror-refused")
    place.clock.advance(hours=2)
    assert place.servers == ["hub", "electricity"]
    assert place.silent("gas")
    assert place.log()["gas"].reporting
    place.end(fault)
    place.clock.advance(hours=1)
    assert place.servers == ["hub", "electricity", "gas"]
    assert place.read("gas", NAME) == [place.meter("gas").identity]
