"""Faults of the load switch and the valve: what state, feedback, power and alarms say, and how it is after the end."""

from __future__ import annotations

import pytest

from emulator.electricity import ElectricityMeter
from emulator.faults.catalogue import CATALOGUE
from emulator.faults.fault import Fault, Layer
from emulator.faults.parameters import FaultError
from emulator.gas import GasMeter
from emulator.meter import Meter
from emulator.nvm import Saved
from emulator.premises import build_premises
from emulator.supply import Cause, ControlState, SupplySwitch, Way
from emulator.time import HOUR, MINUTE, Clock
from firmware_profiles.loader import load

from ..conftest import SEED, DeviceSpec, Hand, Load, Prepayment, Spec, account_of
from .conftest import Place

SWITCH, ALARMS, DISCONNECTS = "0-0:96.3.10", "0-0:97.98.0", "0-0:99.98.2"
FAILED = 1 << 19
WATTS, LITRES = 1200, 600
SUPPLY = [fault for fault in CATALOGUE.values() if fault.layer is Layer.SUPPLY]


@pytest.fixture
def place(clock: Clock) -> Place:
    """Where 1,200 W and 600 dm3/h are drawn while the supplies are on; gas is prepaid."""
    spec = Spec(
        electricity=DeviceSpec(load=Load("constant", WATTS)),
        gas=DeviceSpec(load=Load("constant", LITRES / 1000), prepayment=Prepayment(5000)),
    )
    return Place(build_premises("home", spec, clock, SEED, load, history_days=1), clock)


def shown(meter: Meter) -> tuple[bool, int, bool]:
    """output_state, control_state, and whether the meter says that power or gas flows."""
    meter.attend()
    hand, register = Hand(meter), "1-0:1.7.0" if isinstance(meter, ElectricityMeter) else "7-0:43.7.0"
    return hand.get(70, SWITCH), hand.get(70, SWITCH, 3), hand.get(3, register) > 0


def switch(meter: Meter, on: bool) -> None:
    """As the supplier does: off, or on by arming it and pressing the button."""
    meter.attend()
    if on:
        meter.switch.reconnect(Way.REMOTE)
        meter.press_button()
    else:
        meter.switch.disconnect(Way.REMOTE)


def alarmed(meter: Meter) -> bool:
    """Whether the alarm of the switch is there; it is cleared as a client clears it."""
    hand = Hand(meter)
    there = bool(hand.get(1, ALARMS) & FAILED)
    hand.set(1, ALARMS, 2, "u32", 0)
    return there


def gained(place: Place, meter: Meter, duration: int = HOUR) -> int:
    """Whole units that are counted while time passes."""
    meter.attend()
    before = meter.metering.total(0, meter.time)
    place.after(duration)
    meter.attend()
    return meter.metering.total(0, meter.time) - before


ON, OFF, ARMED = ControlState.CONNECTED, ControlState.DISCONNECTED, ControlState.READY_FOR_RECONNECTION


@pytest.mark.parametrize(("name", "kind"), [("welded-contactor", "electricity"), ("valve-stuck-open", "gas")])
def test_it_does_not_open(place: Place, name: str, kind: str) -> None:
    device = place.device(kind)
    assert isinstance(device, Meter)
    fault = place.start(name, kind)
    assert shown(device) == (True, ON, True) and not alarmed(device)
    switch(device, False)
    assert shown(device) == (True, OFF, True) and alarmed(device)
    assert Hand(device).rows(DISCONNECTS)[-1][1] == 68
    assert gained(place, device) == (WATTS if kind == "electricity" else LITRES)
    place.end(fault)
    assert shown(device) == (False, OFF, False) and not alarmed(device)
    assert gained(place, device) == 0
    switch(device, True)
    assert shown(device) == (True, ON, True)


@pytest.mark.parametrize(("name", "kind"), [("contactor-will-not-close", "electricity"), ("valve-stuck-closed", "gas")])
def test_it_does_not_close(place: Place, name: str, kind: str) -> None:
    device = place.device(kind)
    assert isinstance(device, Meter)
    fault = place.start(name, kind)
    assert shown(device) == (True, ON, True) and not alarmed(device)
    switch(device, False)
    assert shown(device) == (False, OFF, False) and not alarmed(device)
    switch(device, True)
    assert shown(device) == (False, ON, False) and alarmed(device)
    assert gained(place, device) == 0
    place.end(fault)
    assert shown(device) == (True, ON, True)
    assert gained(place, device) == (WATTS if kind == "electricity" else LITRES)


def test_it_opens_by_itself(place: Place, meter: ElectricityMeter) -> None:
    fault = place.start("contactor-opens", "electricity")
    assert shown(meter) == (False, ON, False) and alarmed(meter)
    with pytest.raises(FaultError, match="has that already"):
        place.start("welded-contactor", "electricity")
    switch(meter, False)
    switch(meter, True)
    assert shown(meter) == (False, ON, False) and alarmed(meter)
    place.end(fault)
    assert shown(meter) == (True, ON, True) and not alarmed(meter)
    switch(meter, False)
    with pytest.raises(FaultError, match="home/electricity: its switch is open already"):
        place.start("contactor-opens", "electricity")
    assert meter.switch.mechanics is None


def test_a_contact_that_welds_when_it_closes_next(place: Place, meter: ElectricityMeter) -> None:
    switch(meter, False)
    fault = place.start("welded-contactor", "electricity")
    assert shown(meter) == (False, OFF, False)
    switch(meter, True)
    switch(meter, False)
    assert shown(meter) == (True, OFF, True)
    place.end(fault)
    assert shown(meter) == (False, OFF, False)


def test_a_valve_that_leaks(place: Place, gas: GasMeter) -> None:
    fault = place.start("valve-leaks", "gas", flow=20)
    assert gained(place, gas) == LITRES and not alarmed(gas)
    switch(gas, False)
    assert shown(gas) == (False, OFF, True) and alarmed(gas)
    assert gained(place, gas) == 20
    switch(gas, True)
    assert gained(place, gas) == LITRES
    switch(gas, False)
    place.end(fault)
    assert shown(gas) == (False, OFF, False)
    assert gained(place, gas) == 0
    assert place.start("valve-leaks", "gas").blamed == "home/gas"
    assert alarmed(gas) and gained(place, gas) == 20
    assert account_of(gas).books.squared


@pytest.mark.parametrize("kind", ["electricity", "gas"])
def test_the_feedback_is_wrong(place: Place, kind: str) -> None:
    device = place.device(kind)
    assert isinstance(device, Meter)
    fault = place.start("feedback-contact-wrong", kind)
    assert shown(device) == (False, ON, True) and alarmed(device)
    switch(device, False)
    assert shown(device) == (True, OFF, False) and alarmed(device)
    place.end(fault)
    assert shown(device) == (False, OFF, False) and not alarmed(device)


def test_the_button_is_dead(place: Place, meter: ElectricityMeter, gas: GasMeter) -> None:
    for device in (meter, gas):
        fault = place.start("dead-supply-button", device.firmware.kind)
        switch(device, False)
        switch(device, True)
        device.keypad.press_supply()
        assert shown(device) == (False, ARMED, False) and not alarmed(device)
        assert device.close_armed()  # a display closes it
        switch(device, False)
        switch(device, True)
        place.end(fault)
        assert device.press_button()
        assert shown(device) == (True, ON, True)


def test_several_things_are_wrong_at_once(place: Place, meter: ElectricityMeter) -> None:
    welded = place.start("welded-contactor", "electricity")
    wrong = place.start("feedback-contact-wrong", "electricity")
    dead = place.start("dead-supply-button", "electricity")
    switch(meter, False)
    assert shown(meter) == (False, OFF, True)  # the two faults hide one another
    place.end(wrong)
    assert shown(meter) == (True, OFF, True)
    place.end(welded)
    assert shown(meter) == (False, OFF, False)
    switch(meter, True)
    assert shown(meter) == (False, ARMED, False)
    place.end(dead)
    assert meter.press_button()
    assert meter.switch.mechanics is None


def test_a_valve_is_stuck_open_when_the_credit_is_used_up(place: Place, gas: GasMeter) -> None:
    account = account_of(gas)
    place.start("valve-stuck-open", "gas")
    gas.attend()
    account.books.adjust(-account.balance + 100)
    account.changed()
    place.after(6 * HOUR)
    gas.attend()
    assert shown(gas) == (True, OFF, True) and alarmed(gas)
    assert Cause.CREDIT in gas.switch.causes
    assert account.balance < 0 and account.books.squared


@pytest.mark.parametrize("fault", SUPPLY, ids=lambda fault: fault.name)
def test_power_cuts_while_it_lasts(place: Place, fault: Fault) -> None:
    device = place.device(fault.kinds[0])
    assert isinstance(device, Meter)
    injection = place.start(fault.name, fault.kinds[0])
    place.after(MINUTE)
    device.power_off()
    device.settle_to(place.clock.now)
    assert not device.metering.flowing
    device.power_on()
    place.after(MINUTE)
    assert device.metering.flowing is (fault.name != "contactor-opens")
    device.power_off()
    place.end(injection)
    assert not device.metering.flowing
    device.power_on()
    place.after(MINUTE)
    assert shown(device) == (True, ON, True)


def test_what_is_stored_is_what_the_firmware_wants(place: Place, meter: ElectricityMeter) -> None:
    place.start("welded-contactor", "electricity")
    switch(meter, False)
    image = meter.switch.image()
    moved: list[ControlState] = []
    other = SupplySwitch(3, moved.append)
    other.restore(Saved("supply", image))
    assert (other.state, other.conducts, moved) == (OFF, False, [])
