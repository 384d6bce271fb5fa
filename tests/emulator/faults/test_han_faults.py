"""Faults of the HAN's membership: what is seen of each from outside, and how it is after its end."""

from __future__ import annotations

import pytest

from emulator.faults.parameters import FaultError
from emulator.gas import GasMeter
from emulator.han.admission import Refusal
from emulator.smart_energy.application import Application
from emulator.time import HOUR, MINUTE, SECOND
from protocols.errors import LocalProtocolError

from ..conftest import Talker, settings_of
from .conftest import ALL, Place

NOBODY = "00DB1234567890A0"


def order(place: Place) -> list[bytes]:
    return list(place.han.log.entries)


def test_an_entry_without_a_device(place: Place) -> None:
    before = order(place)
    fault = place.start("entry-without-device", eui64=NOBODY)
    assert order(place) == [*before, bytes.fromhex(NOBODY)]
    assert place.han.log.entries[bytes.fromhex(NOBODY)].key_hash
    place.after(HOUR)
    assert place.reporting == ALL
    place.end(fault)
    assert order(place) == before


def test_an_entry_without_a_device_of_chance_and_a_full_log(place: Place) -> None:
    drawn = place.start("entry-without-device")
    assert len(order(place)) == 4
    place.end(drawn)
    while len(place.han.log.entries) < place.han.log.capacity:
        place.han.register(len(place.han.log.entries).to_bytes(8, "big"), bytes(16), 0)
    with pytest.raises(FaultError, match=r"home/hub: .* the device log has it already, or is full"):
        place.start("entry-without-device")


@pytest.mark.parametrize("kind", ALL)
def test_a_device_without_an_entry(place: Place, kind: str) -> None:
    before = order(place)
    fault = place.start("device-without-entry", kind)
    place.after(3 * HOUR)
    assert kind not in place.on
    assert fault.blamed == "home/hub"
    place.han.permit(True)
    assert place.member(kind).join() is Refusal.UNKNOWN
    place.end(fault)
    place.after(place.longest_pause)
    assert place.on == place.reporting == ALL
    assert order(place) == before


def test_a_truncated_log(place: Place) -> None:
    before = order(place)
    fault = place.start("truncated-device-log", kept=1)
    assert order(place) == before[:1]
    assert place.on == ["electricity"]
    assert sorted(place.hub.served) == [1, 16, 17]  # the mirror stays as it was
    place.end(fault)
    place.after(place.longest_pause)
    assert place.on == ALL
    assert order(place) == before
    with pytest.raises(FaultError, match="home/hub: its device log has 3 entries, none to lose"):
        place.start("truncated-device-log", kept=3)


@pytest.mark.parametrize("kind", ALL)
def test_a_stale_link_key(place: Place, kind: str) -> None:
    fault = place.start("stale-link-key", kind)
    assert kind not in place.on and kind not in place.reporting
    place.han.permit(True)
    assert place.member(kind).join() is Refusal.WRONG_KEY
    place.end(fault)
    place.after(place.longest_pause)
    assert place.on == ALL


def test_a_key_that_was_given_meanwhile_stays(place: Place) -> None:
    member = place.member("electricity")
    fault = place.start("stale-link-key", "electricity")
    assert place.han.unregister(member.node.eui64)
    assert place.han.admit_with(member.node.eui64, member.first_key, 0)
    place.han.permit(True)
    place.after(60 * SECOND)
    assert member.join() is None
    place.end(fault)
    assert place.on == ALL


def test_a_wrong_device_type(place: Place) -> None:
    member = place.member("electricity")
    entry = place.han.log.entries[member.node.eui64]
    kind = entry.kind
    fault = place.start("wrong-device-type", "electricity")
    assert entry.kind != kind
    assert place.on == ALL
    member.leave()
    place.han.log.entries[member.node.eui64].joined = False
    place.han.permit(True)
    assert member.join() is Refusal.WRONG_KIND
    place.end(fault)
    assert entry.kind == kind
    assert member.join() is None


def test_a_ghost_of_the_old_gas_meter(place: Place) -> None:
    old = place.device("gas")
    fault = place.start("ghost-gas-meter", "gas")
    new = place.device("gas")
    assert isinstance(new, GasMeter) and new is not old
    assert (fault.device, fault.blamed) == ("home/gas", "home/gas")
    place.after(2 * HOUR)
    assert place.on == ["electricity", "display"]
    assert place.hub.mirrored == old.identity.eui64
    assert place.hub.filled
    place.han.permit(True)
    assert place.member("gas").join() is Refusal.UNKNOWN
    place.end(fault)
    place.after(HOUR)
    assert place.device("gas") is old
    assert sorted(place.on) == sorted(ALL)
    assert old.time > new.time


@pytest.mark.parametrize(("name", "stuck"), [("permit-stuck-open", True), ("permit-stuck-closed", False)])
def test_a_window_that_is_stuck(place: Place, name: str, stuck: bool) -> None:
    member = place.member("electricity")
    fault = place.start(name)
    for allowed in (True, False):
        place.han.permit(allowed)
        assert place.han.permitting is stuck
        assert bool(place.han.log.open_for(place.clock.now)) is stuck
    assert place.han.unregister(member.node.eui64)
    assert place.han.admit_with(member.node.eui64, member.first_key, 1)
    assert member.join() is (None if stuck else Refusal.CLOSED)
    with pytest.raises(FaultError, match=rf"home/hub: F1 \({name}\) has that already; end it first"):
        place.start("permit-stuck-open")
    place.end(fault)
    assert not place.han.permitting
    place.han.permit(True)
    assert place.han.permitting
    assert member.on or member.join() is None
    place.after(place.han.join_timeout * SECOND)
    assert not place.han.permitting


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ("another's", "a certificate of"),
        ("unknown-issuer", "a certificate issued by"),
        ("forged", "does not prove"),
        ("without-its-key", "does not prove"),
    ],
)
def test_a_wrong_certificate(keyed: Place, certificate: str, words: str) -> None:
    member = keyed.member("electricity")
    keyed.han.unregister(member.node.eui64)
    keyed.han.admit_with(member.node.eui64, member.first_key, 0)
    keyed.han.permit(True)
    fault = keyed.start("wrong-certificate", "electricity", certificate=certificate)
    assert member.join() is Refusal.NO_KEY
    assert words in member.objection
    assert "electricity" not in keyed.on
    keyed.end(fault)
    assert member.join() is None
    assert "electricity" in keyed.on


def test_a_certificate_needs_a_hub_that_looks_at_it(place: Place) -> None:
    with pytest.raises(FaultError, match="home/gas: its hub's profile hub-base establishes no keys at joining"):
        place.start("wrong-certificate", "gas")


def test_a_meter_that_oversleeps(place: Place) -> None:
    gas, mirror = place.device("gas"), place.hub.mirror
    assert isinstance(gas, GasMeter) and mirror is not None
    place.after(HOUR)
    gas.settle()
    last = gas.last_wake_up
    fault = place.start("oversleeping-meter", "gas")
    mirror.take(lambda: None, 1)
    place.after(6 * HOUR)
    gas.settle()
    assert gas.last_wake_up == last
    assert mirror.pending == 1
    place.end(fault)
    place.after(HOUR)
    gas.settle()
    assert gas.last_wake_up > last + 6 * HOUR
    assert mirror.pending == 0


def test_no_mirror(place: Place) -> None:
    gas, application = place.member("gas"), place.han.application
    assert isinstance(application, Application)
    place.after(2 * HOUR)

    def read() -> object:
        stack = place.hub.stacks["wan-tcp"]()
        return Talker(stack, settings_of(gas.device, "public"), server=17).open().value(1, "0-0:42.0.0")

    name = read()
    assert application.mirror is not None
    mirrored = application.mirror.image(application)
    fault = place.start("mirror-refused")
    with pytest.raises(LocalProtocolError, match="under way"):  # nobody answers
        read()
    place.after(2 * HOUR)
    assert 17 not in place.hub.served
    assert application.mirror.image(application) == mirrored
    place.end(fault)
    place.after(HOUR)
    assert 17 in place.hub.served
    assert application.mirror.image(application) != mirrored
    assert read() == name


def test_a_meter_that_asks_for_a_mirror_gets_none(place: Place) -> None:
    gas, hub = place.member("gas"), place.han.application
    assert isinstance(hub, Application)
    fault = place.start("mirror-refused")
    place.after(2 * HOUR)
    meter = gas.application
    assert isinstance(meter, Application)
    assert (hub.mirror, meter.mirror_endpoint) == (None, 0)
    place.end(fault)
    place.after(HOUR + MINUTE)
    assert hub.mirror is not None and meter.mirror_endpoint == hub.mirror.number
