"""A sleeping meter on the network: it goes on waking up, and what the hub mirrors is the right meter."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.device import Device
from emulator.han.network import Network
from emulator.premises import Premises, replace_gas_meter
from emulator.smart_energy.application import Application
from emulator.smart_energy.mirror import MirrorTable
from emulator.time import HOUR, MINUTE, SECOND, Clock
from firmware_profiles.loader import load

from ..conftest import SEED, DeviceSpec

Home = Callable[..., Premises]
WINDOW = 3600
"""Seconds that devices may join in these tests."""


def application(han: Network) -> Application:
    """The hub's own."""
    assert isinstance(han.application, Application)
    return han.application


def mirror(han: Network) -> MirrorTable | None:
    """What it mirrors."""
    return application(han).mirror


def let_join(han: Network, device: Device) -> None:
    """Register a device by the key that follows from its install code, and open the window."""
    assert han.register(device.identity.eui64, han.member(device).first_key, 0)
    han.join_timeout = WINDOW
    han.permit(True)


@pytest.fixture
def shown(home: Home, clock: Clock) -> Premises:
    """A dwelling with a display, whose gas meter has its mirror."""
    premises = home(display=DeviceSpec())
    clock.advance_to(clock.now + HOUR)
    assert premises.hub is not None and mirror(premises.hub.han) is not None
    return premises


@pytest.mark.parametrize("kind", ["gas", "hub"])
def test_it_reports_again_after_a_loss_of_power(shown: Premises, clock: Clock, kind: str) -> None:
    assert shown.hub is not None and shown.gas is not None
    device: Device = shown.hub if kind == "hub" else shown.gas
    device.power_off()
    clock.advance_to(clock.now + 2 * HOUR)
    device.power_on()
    node = shown.hub.han.member(shown.gas).node
    before = node.counter
    clock.advance_to(clock.now + HOUR)
    assert node.counter > before


def test_it_is_asleep_without_its_battery(shown: Premises, clock: Clock) -> None:
    assert shown.hub is not None and shown.gas is not None
    node = shown.hub.han.member(shown.gas).node
    shown.gas.power_off()
    before = node.counter
    clock.advance_to(clock.now + 2 * HOUR)
    assert node.counter == before


def test_the_mirror_becomes_that_of_the_new_gas_meter(shown: Premises, clock: Clock) -> None:
    assert shown.hub is not None and shown.gas is not None
    han, old = shown.hub.han, shown.gas
    new = replace_gas_meter(shown, DeviceSpec(), clock, SEED, load)
    found = mirror(han)
    assert found is not None and found.eui64 == old.identity.eui64
    han.unregister(old.identity.eui64)
    assert mirror(han) is None
    let_join(han, new)
    clock.advance_to(clock.now + HOUR)
    found = mirror(han)
    assert found is not None and found.eui64 == new.identity.eui64


def test_with_the_mirror_goes_what_it_reported(shown: Premises) -> None:
    assert shown.hub is not None and shown.gas is not None
    hub = application(shown.hub.han)
    assert hub.mirror is not None
    number = hub.mirror.number
    assert [key for key in hub.reporters if key[0] == number]
    assert [binding for binding in hub.bindings if binding.endpoint == number]
    shown.hub.han.unregister(shown.gas.identity.eui64)
    assert [key for key in hub.reporters if key[0] == number] == []
    assert [binding for binding in hub.bindings if binding.endpoint == number] == []


def test_the_mirror_of_a_gas_meter_that_comes_back(shown: Premises, clock: Clock) -> None:
    """It was asleep when it was removed, and does not know that its mirror went."""
    assert shown.hub is not None and shown.gas is not None
    han, gas = shown.hub.han, shown.gas
    shown.hub.refuse_mirror(True)
    clock.advance_to(clock.now + HOUR)
    shown.hub.refuse_mirror(False)
    han.unregister(gas.identity.eui64)
    let_join(han, gas)
    clock.advance_to(clock.now + HOUR)
    member = han.member(gas)
    assert member.on and isinstance(member.application, Application)
    found = mirror(han)
    assert found is not None and found.eui64 == gas.identity.eui64
    assert member.application.mirror_endpoint == found.number


def test_an_unanswered_report_has_the_meter_ask_again(shown: Premises, clock: Clock) -> None:
    assert shown.hub is not None and shown.gas is not None
    application(shown.hub.han).drop_mirror()
    clock.advance_to(clock.now + 31 * MINUTE)
    assert mirror(shown.hub.han) is None
    clock.advance_to(clock.now + 31 * MINUTE)
    found = mirror(shown.hub.han)
    assert found is not None and found.eui64 == shown.gas.identity.eui64


def test_it_reports_more_often_for_as_long_as_it_was_told(shown: Premises, clock: Clock) -> None:
    assert shown.hub is not None and shown.gas is not None
    member = shown.hub.han.member(shown.gas)
    table = mirror(shown.hub.han)
    assert table is not None and isinstance(member.application, Application)
    end = member.application.begin_fast_poll(5, 2)
    reports = []
    while clock.now < end + MINUTE:
        before = member.node.counter
        clock.advance_to(clock.now + 5 * SECOND)
        reports.append(member.node.counter > before)
    assert all(reports[1:23])
    assert sum(reports[26:]) <= 1  # a wake-up of its own may fall into the minute after


def test_a_meter_that_joins_goes_by_the_hubs_clock(home: Home, clock: Clock) -> None:
    premises = home()
    hub, old = premises.hub, premises.gas
    assert hub is not None and old is not None
    new = replace_gas_meter(premises, DeviceSpec(), clock, SEED, load)
    new.wake_up()
    new.set_clock(new.utc - 12 * MINUTE)
    hub.han.unregister(old.identity.eui64)
    let_join(hub.han, new)
    clock.advance_to(clock.now + 5 * MINUTE)
    assert hub.han.member(new).on
    hub.settle()
    new.wake_up()
    assert abs(new.utc - hub.utc) < 3 * SECOND
