"""Faults of the device itself: what is seen of each from outside, and how it is after its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from emulator.device import Device
from emulator.electricity import ElectricityMeter
from emulator.faults.parameters import FaultError
from emulator.gas import GasMeter
from emulator.hub import Hub
from emulator.premises import Premises, build_premises
from emulator.time import DAY, HOUR, MINUTE, SECOND, Clock
from firmware_profiles.loader import load
from protocols.errors import LocalProtocolError

from ..conftest import SEED, DeviceSpec, Spec, Talker, settings_of
from .conftest import Place, Spot

METERS = ["electricity", "gas"]
STANDARD, ERRORS, FAILURES, NAME = "0-0:99.98.0", "0-0:97.97.0", "0-0:96.7.0", "0-0:42.0.0"
WATCHDOG_BIT, RAM_BIT = 1 << 12, 1 << 9
POWER_DOWN, POWER_UP, WATCHDOG, RAM, BATTERY_LOW = 1, 2, 16, 17, 14


def talker(device: Device) -> Talker:
    """A client of a device on TCP that may read everything."""
    assert isinstance(device, Hub | ElectricityMeter)
    port = "wan-tcp" if isinstance(device, Hub) else "local-tcp"
    return Talker(device.stacks[port](), settings_of(device, "management"), sap=64)


def answers(device: Device) -> bool:
    """Whether a client that comes now hears anything."""
    try:
        talker(device).open()
    except LocalProtocolError:
        return False
    return True


def codes(device: Device, log: str = "standard") -> list[int]:
    """Codes of the rows of a log, as a client reads them."""
    rows = talker(device).open().value(7, STANDARD if log == "standard" else log)
    assert isinstance(rows, list)
    return [row[1] for row in rows]


def electricity(spot: Spot) -> ElectricityMeter:
    found = spot.device("electricity")
    assert isinstance(found, ElectricityMeter)
    return found


@pytest.fixture
def meter(spot: Spot) -> ElectricityMeter:
    """One with nothing beside it."""
    return electricity(spot)


@pytest.fixture
def gas(young: Place) -> GasMeter:
    found = young.device("gas")
    assert isinstance(found, GasMeter)
    return found


# --- firmware


def test_it_hangs_until_its_watchdog_finds_it(spot: Spot, meter: ElectricityMeter) -> None:
    stack = meter.stacks["local-tcp"]()
    client = Talker(stack, settings_of(meter, "management"), sap=64).open()
    total = meter.metering.imported(meter.time)
    spot.start("hangs", "electricity")
    with pytest.raises(LocalProtocolError):
        client.value(1, NAME)
    assert client.said[-1].endswith("does not answer: its firmware hangs")
    assert not stack.drop
    spot.after(meter.firmware.power.watchdog - 1)
    assert not answers(meter)
    spot.after(1 + meter.firmware.boot_time)
    assert codes(meter)[-1] == WATCHDOG
    client = talker(meter).open()
    assert client.value(1, ERRORS) == WATCHDOG_BIT
    assert meter.metering.imported(meter.time) > total
    assert client.value(1, FAILURES) == 0


def test_a_watchdog_that_fails_leaves_it_to_somebody(spot: Spot, meter: ElectricityMeter) -> None:
    fault = spot.start("hangs", "electricity", watchdog="fails")
    spot.after(DAY)
    assert not answers(meter)
    with pytest.raises(FaultError, match=r"home/electricity: F1 \(hangs\) has that already"):
        spot.start("reset-loop", "electricity")
    meter.power_off()
    spot.after(SECOND)
    meter.power_on()
    spot.after(meter.firmware.boot_time)
    assert answers(meter)
    boots = meter.boots
    spot.end(fault)
    assert meter.boots == boots
    assert meter.troubles is None
    again = spot.start("hangs", "electricity", watchdog="fails")
    spot.end(again)
    spot.after(meter.firmware.boot_time)
    assert codes(meter)[-1] == WATCHDOG


def test_a_hub_that_hangs_is_gone_from_the_han(young: Place, gas: GasMeter) -> None:
    young.after(HOUR)
    fault = young.start("hangs", "hub", watchdog="fails")
    assert not answers(young.hub)
    heard = young.hub.last_heard(gas)
    young.after(2 * HOUR)
    assert young.hub.last_heard(gas) == heard
    assert not young.says("electricity")
    young.end(fault)
    young.after(young.longest_pause)
    assert young.hub.last_heard(gas) > heard
    assert young.on == METERS
    assert answers(young.hub)


def test_a_gas_meter_that_hangs_does_not_wake_up(young: Place, gas: GasMeter) -> None:
    young.start("hangs", "gas", watchdog="fails")
    young.after(3 * HOUR)
    gas.settle()
    heard = gas.last_wake_up
    assert young.clock.now - heard >= 3 * HOUR
    young.faults.end_all()
    young.after(young.longest_pause)
    gas.settle()
    assert gas.last_wake_up > heard + 3 * HOUR


def test_nothing_hangs_without_power(spot: Spot, meter: ElectricityMeter) -> None:
    meter.power_off()
    with pytest.raises(FaultError, match="home/electricity: has no power"):
        spot.start("hangs", "electricity")


def test_a_watchdog_resets_it_again_and_again(spot: Spot, meter: ElectricityMeter) -> None:
    turn = 30 * SECOND + meter.firmware.boot_time
    fault = spot.start("reset-loop", "electricity")
    spot.after(30 * SECOND - 1)
    assert meter.ready and meter.boots == 1
    spot.after(1)
    assert not answers(meter)
    spot.after(9 * turn)
    assert meter.boots == 11
    spot.after(meter.firmware.boot_time)
    assert answers(meter)
    spot.end(fault)
    spot.after(HOUR)
    assert meter.boots == 11
    assert codes(meter) == [WATCHDOG] * 10
    assert meter.power_failures == 0


def test_a_reset_loop_waits_for_the_power(spot: Spot, meter: ElectricityMeter) -> None:
    spot.start("reset-loop", "electricity", runs=0)
    meter.power_off()
    spot.after(MINUTE)
    assert meter.boots < 4 and not meter.mains
    meter.power_on()
    boots = meter.boots
    spot.after(MINUTE)
    assert meter.boots > boots + 2


def test_ram_that_does_not_hold(spot: Spot, meter: ElectricityMeter) -> None:
    fault = spot.start("spontaneous-resets", "electricity", mean=3600)
    spot.after(2 * DAY)
    resets = meter.boots - 1
    assert 20 < resets < 90
    spot.end(fault)
    spot.after(DAY)
    assert meter.boots == resets + 1
    assert codes(meter) == [RAM] * resets
    assert talker(meter).open().value(1, ERRORS) == RAM_BIT
    assert meter.power_failures == 0


def test_it_takes_longer_to_start(spot: Spot, meter: ElectricityMeter) -> None:
    fault = spot.start("slow-boot", "electricity", seconds=100)
    assert answers(meter)
    meter.reboot()
    spot.after(meter.firmware.boot_time + 100 * SECOND - 1)
    assert not answers(meter)
    spot.after(1)
    assert answers(meter)
    meter.reboot()
    spot.after(SECOND)
    spot.end(fault)
    spot.after(meter.firmware.boot_time - SECOND)
    assert answers(meter)


def test_it_does_not_start(spot: Spot, meter: ElectricityMeter) -> None:
    fault = spot.start("no-start", "electricity")
    assert answers(meter)
    meter.reboot()
    spot.after(DAY)
    meter.power_off()
    meter.power_on()
    spot.after(DAY)
    assert not answers(meter)
    spot.end(fault)
    spot.after(meter.firmware.boot_time)
    assert answers(meter)


# --- mains


@pytest.mark.parametrize(("volts", "length", "off"), [(130, HOUR, False), (119, 150, False), (119, 250, True)])
def test_how_deep_and_how_long_a_brown_out_must_be(young: Place, volts: int, length: int, off: bool) -> None:
    meter = electricity(young)
    fault = young.start("brown-out", "electricity", volts=volts)
    assert meter.voltage == volts * 1000
    young.after(length * 1_000_000 if length < SECOND else length)
    assert meter.mains is not off
    assert young.hub.mains  # its capacitor lasts for a second
    young.end(fault)
    assert meter.mains and meter.power_failures == off
    assert meter.voltage > 230_000
    assert meter.feed is None and young.hub.feed is None
    assert meter.under_voltage_count == 1


def test_a_brown_out_takes_all_but_the_gas_meter(young: Place) -> None:
    meter = electricity(young)
    fault = young.start("brown-out", "hub", volts=0)
    young.after(HOUR)
    assert [device.mains for device in young.premises.devices()] == [False, False, True]
    meter.power_off()  # the switch, which is before it
    young.end(fault)
    assert [device.mains for device in young.premises.devices()] == [True, False, True]
    meter.power_on()
    young.after(young.longest_pause)
    assert sorted(young.on) == METERS


def test_mains_that_are_too_low_start_nothing(spot: Spot, meter: ElectricityMeter) -> None:
    meter.power_off()
    fault = spot.start("brown-out", "electricity", volts=149)
    meter.power_on()
    assert not meter.mains
    spot.end(fault)
    assert meter.mains


def test_mains_that_flicker(young: Place) -> None:
    meter = electricity(young)
    fault = young.start("flickering-mains", "electricity", off=2000, on=20_000)
    young.after(10 * MINUTE)
    cuts = meter.power_failures
    assert 15 < cuts < 45
    young.end(fault)
    young.after(HOUR)
    assert meter.mains and meter.power_failures == cuts == young.hub.power_failures
    assert codes(meter)[-2:] == [POWER_DOWN, POWER_UP]


def test_gaps_that_a_power_supply_bridges(spot: Spot, meter: ElectricityMeter) -> None:
    flicker = {"off": 100, "on": 10_000}
    spot.start("flickering-mains", "electricity", **flicker)
    spot.after(10 * MINUTE)
    assert meter.power_failures == 0
    worn = spot.start("no-hold-up", "electricity")
    spot.after(10 * MINUTE)
    cuts = meter.power_failures
    assert cuts > 20
    spot.end(worn)
    spot.after(10 * MINUTE)
    assert meter.power_failures <= cuts + 1


def test_a_last_gasp(young: Place) -> None:
    def cut() -> int:
        """Notifications that a client hears when the hub loses its power."""
        client = talker(young.hub).open()
        client.set(40, "0-1:25.9.0", 3, bytes.fromhex("020316000904010203041600"))
        young.hub.power_off()
        heard = len(client.notifications)
        young.after(MINUTE)
        assert len(client.notifications) == heard
        young.hub.power_on()
        young.after(young.hub.firmware.boot_time)
        return heard

    assert cut() == 1
    fault = young.start("no-hold-up", "hub")
    assert cut() == 0
    young.end(fault)
    assert cut() == 1


# --- battery


def test_a_battery_that_leaks(young: Place, gas: GasMeter) -> None:
    days = gas.battery_days
    fault = young.start("battery-leaks", "gas", times=100)
    young.after(10 * DAY)
    gas.settle()
    assert gas.battery_days == pytest.approx(days - 1000, abs=3)
    young.end(fault)
    before = gas.battery_days
    young.after(10 * DAY)
    gas.settle()
    assert gas.battery_days == before - 10
    young.start("battery-leaks", "gas", times=1000)
    young.after(3 * DAY)
    assert not gas.mains
    assert gas.event_codes["standard"] == POWER_DOWN
    gas.replace_battery()
    assert gas.mains and gas.battery_days == 3650


def test_a_battery_that_is_low(young: Place, gas: GasMeter) -> None:
    gas.settle()
    days = gas.battery_days
    fault = young.start("battery-low", "gas")
    young.after(HOUR)
    assert gas.event_codes["standard"] == BATTERY_LOW
    assert gas.errors == gas.alarms == 2
    assert gas.battery_voltage <= 3200
    young.end(fault)
    assert gas.errors == 0
    young.after(DAY)
    gas.settle()
    assert gas.battery_days in (days - 2, days - 1)


def test_a_battery_that_is_dead(young: Place, gas: GasMeter) -> None:
    young.after(HOUR)
    fault = young.start("battery-dead", "gas")
    young.after(SECOND)
    assert not gas.mains
    heard = young.hub.last_heard(gas)
    gas.power_on()
    young.after(3 * HOUR)
    assert not gas.mains and young.hub.last_heard(gas) == heard
    young.end(fault)
    young.after(young.longest_pause)
    assert gas.mains and young.hub.last_heard(gas) > heard
    assert young.on == METERS


def test_a_battery_that_was_replaced_meanwhile_stays(young: Place, gas: GasMeter) -> None:
    fault = young.start("battery-dead", "gas")
    young.after(SECOND)
    gas.replace_battery()
    assert gas.mains
    young.end(fault)
    assert gas.battery_days == 3650


# --- keys and display


@pytest.mark.parametrize("kind", ["electricity", "display"])
def test_a_display_that_is_blank(home: Callable[..., Premises], clock: Clock, kind: str) -> None:
    place = Place(home(display=DeviceSpec()), clock)
    device = place.device(kind)
    front = device.keypad if isinstance(device, ElectricityMeter) else device.front  # type: ignore[attr-defined]
    fault = place.start("display-blank", kind)
    front.type("123")
    assert front.text() == ""
    place.end(fault)
    assert front.text() == "123"


def test_a_key_that_is_stuck(spot: Spot, meter: ElectricityMeter) -> None:
    front = meter.keypad
    fault = spot.start("key-stuck", "electricity", key="7")
    assert front.text() == "7"
    front.type("12#>")
    assert front.text() == "7"
    spot.end(fault)
    front.type("12")
    assert front.text() == "712"


def test_a_meter_without_a_keypad(clock: Clock) -> None:
    spec = Spec(hub=None, gas=None)
    spot = Spot(build_premises("home", spec, clock, SEED, lambda name: replace(load(name), prepayment=None)), clock)
    with pytest.raises(FaultError, match="home/electricity: its profile electricity-base has no keypad and no display"):
        spot.start("display-blank", "electricity")
