"""Who is on the HAN and who is not: joining, refusals, removal, keys, the air, and a gas meter that is replaced."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.device import NEVER, Device
from emulator.electricity import ElectricityMeter
from emulator.gas import GasMeter
from emulator.han.network import Network, Refusal
from emulator.hub import Hub
from emulator.load import Constant
from emulator.nvm import Saved
from emulator.premises import Premises, build_premises, replace_gas_meter
from emulator.security import KeyRing
from emulator.time import HOUR, MINUTE, SECOND, Clock
from firmware_profiles.loader import load
from protocols.zigbee import install_code

from ..conftest import SEED, DeviceSpec, Spec

Home = Callable[..., Premises]
GAS_KIND, ELECTRICITY_KIND, ANY_KIND = 3, 2, 1


def parts(premises: Premises) -> tuple[Hub, ElectricityMeter, GasMeter]:
    hub, electricity, gas = premises.hub, premises.electricity, premises.gas
    assert hub is not None and electricity is not None and gas is not None
    return hub, electricity, gas


def link_key(device: Device) -> bytes:
    return install_code.link_key(install_code.with_crc(device.ring.key("install_code", 16)))


def watched(device: Device) -> list[str]:
    events: list[str] = []
    device.observers.append(events.append)
    return events


def swapped(premises: Premises, clock: Clock) -> GasMeter:
    return replace_gas_meter(premises, DeviceSpec(), clock, SEED, load)


def register(han: Network, device: Device, kind: int = GAS_KIND, key: bytes | None = None) -> bool:
    return han.register(device.identity.eui64, key or link_key(device), kind)


def test_premises_have_been_commissioned(home: Home) -> None:
    hub, electricity, gas = parts(home())
    assert [entry.eui64 for entry in hub.han.log] == [electricity.identity.eui64, gas.identity.eui64]
    assert all(entry.joined for entry in hub.han.log)
    assert all(member.on for member in hub.han.members)
    assert hub.mirrored == gas.identity.eui64
    assert sorted(hub.served) == [1, 16, 17]


def test_a_replaced_gas_meter_works_after_the_device_log_was_updated_and_not_before(home: Home, clock: Clock) -> None:
    premises = home()
    hub, _, old = parts(premises)
    events = watched(hub)
    old.settle()
    seen = old.time
    new = swapped(premises, clock)
    member = hub.han.member(new)
    clock.advance_to(clock.now + 2 * HOUR)
    # Nobody told the hub: it shows the old meter as it was, and the new one finds no open network.
    assert hub.served[17].device is old
    assert (old.time, member.on, member.refusal) == (seen, False, Refusal.CLOSED)
    # Registered, but no window.
    assert hub.han.unregister(old.identity.eui64)
    assert 17 not in hub.served
    assert register(hub.han, new)
    clock.advance_to(clock.now + HOUR)
    assert not member.on
    hub.han.permit(True)
    clock.advance_to(clock.now + 20 * SECOND)
    assert member.on
    assert 17 not in hub.served
    # The mirror is there once it has woken up.
    clock.advance_to(new.next_wake_up - 1)
    assert 17 not in hub.served
    clock.advance_to(new.next_wake_up + SECOND)
    assert hub.served[17].device is new
    assert events == [
        "removal_unheard",
        "device_log_changed",
        "device_log_changed",
        "device_joined",
        "device_log_changed",
    ]


def test_a_ghost_keeps_the_only_mirror(home: Home, clock: Clock) -> None:
    premises = home()
    hub, _, old = parts(premises)
    new = swapped(premises, clock)
    register(hub.han, new)
    hub.han.permit(True)
    clock.advance_to(clock.now + HOUR)
    assert hub.han.member(new).on
    assert hub.served[17].device is old
    hub.remove_mirror(old.identity.eui64)
    clock.advance_to(clock.now + HOUR)
    assert hub.served[17].device is new


@pytest.mark.parametrize(
    ("kind", "key", "known", "refusal"),
    [
        (GAS_KIND, b"\x01" * 16, True, Refusal.WRONG_KEY),
        (ELECTRICITY_KIND, None, True, Refusal.WRONG_KIND),
        (GAS_KIND, None, False, Refusal.UNKNOWN),
    ],
    ids=["wrong install code", "wrong kind", "not in the log"],
)
def test_refusals_are_logged_at_both_ends(
    home: Home, clock: Clock, kind: int, key: bytes | None, known: bool, refusal: Refusal
) -> None:
    premises = home()
    hub, _, old = parts(premises)
    hub.han.unregister(old.identity.eui64)
    new = swapped(premises, clock)
    at_hub, at_meter = watched(hub), watched(new)
    if known:
        register(hub.han, new, kind, key)
    hub.han.permit(True)
    member = hub.han.member(new)
    assert member.join() is refusal
    assert not member.on
    assert "join_failed" in at_hub and at_meter == ["join_failed"]
    if known:
        assert hub.han.log.entries[new.identity.eui64].failures == 1


def test_a_kind_that_says_nothing_is_not_checked(home: Home, clock: Clock) -> None:
    premises = home()
    hub, *_ = parts(premises)
    new = swapped(premises, clock)
    register(hub.han, new, ANY_KIND)
    hub.han.permit(True)
    assert hub.han.member(new).join() is None


def test_one_that_is_removed_hears_it_and_needs_the_log_again(home: Home, clock: Clock) -> None:
    hub, electricity, _ = parts(home())
    member = hub.han.member(electricity)
    assert hub.han.unregister(electricity.identity.eui64)
    assert 16 not in hub.served
    assert not member.network_key
    clock.advance_to(clock.now + HOUR)
    assert not member.on
    register(hub.han, electricity, ELECTRICITY_KIND)
    hub.han.permit(True)
    clock.advance_to(clock.now + 80 * SECOND)
    assert member.on
    assert hub.served[16].device is electricity


def test_a_hub_that_starts_again_is_found_again(home: Home, clock: Clock) -> None:
    hub, _, gas = parts(home())
    hub.han.permit(True)
    hub.power_off()
    clock.advance_to(clock.now + HOUR)
    assert hub.han.log.is_open(clock.now) is False
    hub.power_on()
    clock.advance_to(clock.now + HOUR)
    assert all(member.on for member in hub.han.members)
    assert clock.now - hub.last_heard(gas) <= 30 * MINUTE


def test_a_new_network_key_is_missed_by_who_sleeps(home: Home, clock: Clock) -> None:
    hub, electricity, gas = parts(home())
    before = hub.han.network_key
    hub.han.update_network_key()
    assert hub.han.network_key != before and hub.han.key_sequence == 1
    assert hub.han.member(electricity).on
    assert not hub.han.member(gas).on
    clock.advance_to(clock.now + 2 * MINUTE)
    assert hub.han.member(gas).on
    assert hub.han.member(gas).network_key == hub.han.network_key


def test_a_new_link_key_is_for_who_hears_it(home: Home, clock: Clock) -> None:
    hub, electricity, gas = parts(home())
    before = hub.han.member(electricity).link_key
    assert hub.han.update_link_key(electricity.identity.eui64)
    assert hub.han.member(electricity).link_key == hub.han.log.entries[electricity.identity.eui64].key != before
    assert not hub.han.update_link_key(gas.identity.eui64)
    assert not hub.han.update_link_key(bytes(8))
    hub.han.update_network_key()
    hub.power_off()
    hub.power_on()
    clock.advance_to(clock.now + HOUR)
    assert all(member.on for member in hub.han.members)


def test_a_fade_makes_the_mirror_stale_and_ends(home: Home, clock: Clock) -> None:
    hub, _, gas = parts(home())
    member = hub.han.member(gas)
    clock.advance_to(clock.now + HOUR)
    hub_radio = hub.han.medium.radios[0]
    for radio in hub.han.medium.radios[:2]:
        hub.han.medium.attenuate(radio, member.radio, 100)
    seen = hub.last_heard(gas)
    clock.advance_to(clock.now + 5 * HOUR)
    assert not member.on and member.refusal is Refusal.NO_NETWORK
    assert hub.served[17].device is gas and hub.last_heard(gas) == seen
    hub.han.medium.attenuate(hub_radio, member.radio, 0)
    clock.advance_to(clock.now + HOUR)
    assert member.on and hub.last_heard(gas) > seen


def test_a_battery_does_not_bring_a_meter_onto_the_han(home: Home, clock: Clock) -> None:
    premises = home()
    hub, *_ = parts(premises)
    new = swapped(premises, clock)
    new.power_off()
    new.power_on()
    assert new.next_wake_up == NEVER
    assert not hub.han.member(new).on


def test_a_way_over_the_electricity_meter(home: Home) -> None:
    hub, electricity, gas = parts(home())
    member = hub.han.member(gas)
    assert hub.han.way(member) == 0
    hub.han.medium.attenuate(hub.han.medium.radios[0], member.radio, 100)
    assert hub.han.way(member) == 1
    assert member.on
    hub.han.medium.attenuate(hub.han.member(electricity).radio, member.radio, 100)
    assert hub.han.way(member) is None


def test_another_hub_takes_over_from_the_backup(home: Home, clock: Clock) -> None:
    first = home()
    hub, electricity, gas = parts(first)
    devices = hub.han.log.backup()
    other = home("other").hub
    assert other is not None
    other.han.unregister_all()
    hub.power_off()
    for meter in (electricity, gas):
        member = hub.han.member(meter)
        hub.han.take_away(meter)
        other.han.adopt(member)
    assert other.han.restore_backup(devices)
    clock.advance_to(clock.now + 2 * HOUR)
    for meter in (electricity, gas):
        assert other.han.log.entries[meter.identity.eui64].joined
        assert other.han.member(meter).on


def test_it_outlives_a_restart(home: Home, clock: Clock) -> None:
    premises = home()
    hub, electricity, gas = parts(premises)
    hub.han.update_network_key()
    clock.advance_to(clock.now + HOUR)
    hub.han.unregister(electricity.identity.eui64)
    images = {device: device.parts() for device in premises.devices()}
    again = build_premises(premises.name, Spec(), clock, SEED, load)
    new_hub, new_electricity, new_gas = parts(again)
    for new, old in zip(again.devices(), premises.devices(), strict=True):
        new.restore({name: Saved.read(name, json.dumps(image)) for name, image in images[old].items()})
    assert new_hub.han.network_key == hub.han.network_key
    assert new_hub.han.log.image() == hub.han.log.image()
    assert new_hub.han.member(new_gas).on and new_hub.mirrored == gas.identity.eui64
    assert not new_hub.han.member(new_electricity).on
    assert sorted(new_hub.served) == [1, 17]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["power", "fade", "burst", "key", "stale", "wait"]), st.integers(1, 180))))
def test_after_any_history_everyone_is_back(home: Home, clock: Clock, history: list[tuple[str, int]]) -> None:
    """Once the air is clear, power is there and the log is right, every device is back within its longest pause."""
    hub, electricity, gas = parts(home())
    han = hub.han
    gas_radio = han.member(gas).radio
    for what, minutes in history:
        match what:
            case "power":
                hub.power_off()
                clock.advance_to(clock.now + minutes * MINUTE)
                hub.power_on()
            case "fade":
                for radio in han.medium.radios[:2]:
                    han.medium.attenuate(radio, gas_radio, 100)
            case "burst":
                han.medium.burst(minutes * MINUTE, level=0)
            case "key":
                han.update_network_key()
            case "stale":
                han.log.entries[electricity.identity.eui64].key = b"stale".ljust(16)
                han.review_all()
            case _:
                clock.advance_to(clock.now + minutes * MINUTE)
    clock.advance_to(clock.now + 180 * MINUTE)
    for radio in han.medium.radios[:2]:
        han.medium.attenuate(radio, gas_radio, 0)
    han.log.entries[electricity.identity.eui64].key = han.member(electricity).link_key
    han.review_all()
    assert gas.firmware.joining is not None
    clock.advance_to(clock.now + gas.firmware.joining.longest_pause + MINUTE)
    assert [member.device for member in han.members if member.on] == [electricity, gas]
    assert sorted(hub.served) == [1, 16, 17]


def test_a_mirror_is_filled_though_the_battery_was_out(home: Home, clock: Clock) -> None:
    """The battery goes at the very moment of joining: the first wake-up is the one after it is back."""
    premises = home()
    hub, _, old = parts(premises)
    hub.han.unregister(old.identity.eui64)
    new = swapped(premises, clock)
    register(hub.han, new)
    hub.han.permit(True)
    assert hub.han.member(new).join() is None
    new.power_off()
    clock.advance_to(clock.now + HOUR)
    assert 17 not in hub.served
    new.power_on()
    clock.advance_to(new.next_wake_up + SECOND)
    assert hub.served[17].device is new


def test_of_two_with_one_eui64_the_one_that_joined_is_removed(home: Home, clock: Clock) -> None:
    premises = home()
    hub, _, gas = parts(premises)
    identity = replace(gas.identity, device_id="clone")
    clone = GasMeter(gas.firmware, identity, clock, SEED, KeyRing(SEED, "clone"), clock.now, Constant(0))
    member = hub.han.place(clone)
    hub.han.permit(True)
    assert member.join() is Refusal.WRONG_KEY
    hub.han.unregister(gas.identity.eui64)
    gas.power_off()
    register(hub.han, clone)
    assert member.join() is Refusal.WRONG_KEY, "in the first half of the window it is the old one's key"
    clock.advance_to(clock.now + MINUTE)
    assert member.on and not hub.han.member(gas).on
    assert hub.han.address_of(identity.eui64) == member.address
    assert hub.han.unregister(identity.eui64)
    assert not member.on


def test_a_weak_link_comes_and_goes_with_the_hours(home: Home, clock: Clock) -> None:
    """Only while fading can decide does anybody look every hour."""
    premises = home(electricity=None)
    hub, gas = premises.hub, premises.gas
    assert hub is not None and gas is not None
    han, member = hub.han, hub.han.member(gas)
    link = han.medium.link(member.radio, han.node.radio)
    han.medium.attenuate(member.radio, han.node.radio, link.rssi + 92)
    states = set()
    for _ in range(48):
        clock.advance_to(clock.now + HOUR)
        states.add(member.on)
    assert states == {True, False}
    han.medium.attenuate(member.radio, han.node.radio, 0)
    clock.advance_to(clock.now + 5 * HOUR)
    assert member.on
    assert han._fading is None
