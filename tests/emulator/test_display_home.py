"""A display in a whole dwelling: what meters report over the HAN is shown, and what people do at it reaches them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import pytest

from emulator.display import Display
from emulator.display_known import Fuel
from emulator.meter import Meter
from emulator.premises import Premises
from emulator.smart_energy.application import Application
from emulator.smart_energy.messaging import Notice
from emulator.supply import ControlState, Way
from emulator.time import HOUR, MINUTE, SECOND, Clock

from .conftest import DeviceSpec, Load, Prepayment, account_of

Home = Callable[..., Premises]


@dataclass
class House:
    """A dwelling with a display."""

    premises: Premises
    clock: Clock

    @property
    def display(self) -> Display:
        assert self.premises.display is not None
        return self.premises.display

    @property
    def electricity(self) -> Meter:
        assert self.premises.electricity is not None
        return self.premises.electricity

    def wait(self, nanoseconds: int) -> None:
        self.clock.advance_to(self.clock.now + nanoseconds)

    def type(self, keys: str) -> str:
        """Press keys, wait for what comes of it over the HAN, and look."""
        self.display.front.type(keys)
        self.wait(2 * SECOND)
        return self.display.text

    def token(self, pence: int, counter: int = 1, meter: Meter | None = None) -> str:
        """A token for the electricity meter, or another."""
        meter = meter or self.electricity
        settings = account_of(meter).settings.tokens
        secret, originator = meter.token_secret(settings), meter.token_originator(settings)
        return settings.scheme(secret, originator, meter.identity.eui64).issue(counter, pence)


@pytest.fixture
def house(home: Home, clock: Clock) -> Callable[..., House]:
    """A dwelling whose electricity meter is in prepayment mode and draws 500 W, seen for half a minute."""

    def make(profile: str | None = None) -> House:
        spec = DeviceSpec(load=Load("constant", 500), prepayment=Prepayment(1000))
        gas = DeviceSpec(prepayment=Prepayment(500))
        premises = home(electricity=spec, gas=gas, display=DeviceSpec(profile=profile))
        made = House(premises, clock)
        made.wait(30 * SECOND)
        return made

    return make


def test_usage_money_and_price_come_over_the_han(house: Callable[..., House]) -> None:
    at = house()
    reading = at.electricity.metering.present(at.electricity.time)
    assert at.display.text.startswith("500 W\nElectricity ")
    at.wait(HOUR)
    assert at.type(">") == "Electricity credit 9.91 GBP\nEmergency credit 3.00 GBP not available"
    assert at.type(">") == "Supply on"
    assert at.type(">") == "Rate 1: 16.85 p/kWh"
    at.electricity.settle()
    assert at.electricity.metering.present(at.electricity.time) > reading
    known = at.display.client.meter(Fuel.ELECTRICITY)
    assert known is not None and at.clock.now - known.heard_at <= 10 * SECOND


def test_a_meter_without_power_is_stale_and_comes_back(house: Callable[..., House]) -> None:
    at = house()
    at.electricity.power_off()
    at.wait(3 * MINUTE)
    assert at.display.text.startswith("500 W (old)")
    at.electricity.power_on()
    at.wait(5 * MINUTE)
    assert at.display.text.startswith("500 W\n")


def test_a_token_typed_at_the_display_tops_the_meter_up(house: Callable[..., House]) -> None:
    at = house()
    before = account_of(at.electricity).balance
    assert at.type(at.token(2000) + "#").startswith("Accepted 20.00 GBP")
    assert account_of(at.electricity).balance - before > 1_990_000
    assert at.type(at.token(2000) + "#") == "Rejected: used already"
    assert at.type("12345678901234567890#") == "Rejected: not valid"


def test_the_supply_is_armed_from_the_display_and_closed_at_the_meter(house: Callable[..., House]) -> None:
    at = house()
    at.electricity.attend()
    at.electricity.switch.disconnect(Way.REMOTE)
    at.wait(20 * SECOND)
    assert at.type(">>") == "Supply off"
    assert at.type("s") == "Supply armed"
    assert at.electricity.switch.state is ControlState.READY_FOR_RECONNECTION
    assert at.electricity.press_button()
    at.wait(20 * SECOND)
    assert at.type(">>") == "Supply on"


def test_emergency_credit_is_refused_as_long_as_there_is_credit(house: Callable[..., House]) -> None:
    at = house()
    assert at.type("e") == "Refused"
    account = account_of(at.electricity)
    account.orders.adjust("balance", 50_000 - account.balance)
    at.wait(20 * SECOND)
    assert at.type("e") == "Done"
    assert account.emergency_selected
    at.wait(20 * SECOND)
    assert at.type(">").endswith("activated")


def test_the_gas_meter_is_shown_by_its_mirror_and_takes_a_token_when_it_wakes_up(house: Callable[..., House]) -> None:
    at = house()
    assert at.type(">>>>") == "Gas - m3\nValve -"
    at.wait(75 * MINUTE)
    gas = at.premises.gas
    assert gas is not None
    shown = at.type("c>>>>")
    assert shown.startswith("Gas 0") and shown.endswith(" m3\nValve on")
    assert at.type(">").startswith("Gas credit 4.9")
    assert at.type(at.token(1000, meter=gas) + "#") == "Please wait"
    assert account_of(gas).tokens.accepted is None
    woke_up = gas.next_wake_up
    at.wait(woke_up - at.clock.now + 2 * SECOND)
    assert at.display.text.startswith("Accepted 10.00 GBP")
    at.wait(31 * MINUTE)
    assert at.type(">>>>>").startswith("Gas credit 14.")


def test_a_message_of_the_hub_is_shown_and_confirmed(house: Callable[..., House]) -> None:
    at = house()
    hub = at.premises.hub
    assert hub is not None
    application = cast("Application", hub.han.application)
    application.notice = Notice(7, 0x80, 0, 0xFFFF, b"Works on Monday")
    at.wait(at.display.settings.refresh_period)
    assert at.display.text.endswith("\nWorks on Monday")
    assert at.type("c").endswith("\nWorks on Monday")
    assert application.notice is not None and application.notice.confirmed


def test_an_in_home_display_shows_the_same(house: Callable[..., House]) -> None:
    at = house("display-ihd")
    assert at.display.text.startswith("500 W\n")
    assert at.type(at.token(2000) + "#").startswith("500 W\n")
    assert account_of(at.electricity).tokens.accepted is None


def test_a_display_that_is_removed_from_the_device_log_goes_silent(house: Callable[..., House]) -> None:
    at = house()
    hub = at.premises.hub
    assert hub is not None
    assert hub.han.unregister(at.display.identity.eui64)
    at.wait(3 * MINUTE)
    assert at.display.text.startswith("500 W (old)")
    assert at.type(">>>>>>").endswith("Network off")


def test_a_display_joins_by_its_install_code(home: Home, clock: Clock) -> None:
    premises = home(electricity=DeviceSpec(load=Load("constant", 500)), display=DeviceSpec())
    hub, display = premises.hub, premises.display
    assert hub is not None and display is not None
    eui64 = display.identity.eui64
    hub.han.unregister(eui64)
    clock.advance_to(clock.now + MINUTE)
    member = hub.han.member(display)
    assert not member.on
    assert hub.han.register(eui64, member.first_key, 5)
    hub.han.permit(True)
    clock.advance_to(clock.now + MINUTE)
    assert member.on and display.event_codes["communication"] == 95
    assert display.text.startswith("500 W\n")
