"""Faults of what a device has its power from: the mains of its premises, its power supply, its battery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from emulator.battery import EMPTY, LOW
from emulator.electricity import ElectricityMeter
from emulator.faults.again import Again
from emulator.faults.fault import Culprit, End, Fault, Layer, Site
from emulator.faults.parameters import Number
from emulator.gas import GasMeter
from emulator.time import MILLISECOND
from emulator.troubles import SOUND, Feed, beset

if TYPE_CHECKING:
    from emulator.device import Device

ON_MAINS: Final = ("hub", "electricity", "display")
GAS: Final = ("gas",)
_MAINS, _BATTERY = "mains", "battery"


class _Mains:
    """The mains of some devices, which are not as they should be."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self._devices = devices
        for device in devices:
            device.feed = Feed(device)

    def set(self, millivolts: int) -> None:
        """Give them that much; a meter sees it while it has power."""
        for device in self._devices:
            if isinstance(device, ElectricityMeter):
                device.disturb_voltage(self, millivolts)
            assert device.feed is not None
            device.feed.set(millivolts)

    def good(self) -> None:
        """They are as they should be."""
        for device in self._devices:
            if device.feed is not None:
                device.feed.set(None)
            if isinstance(device, ElectricityMeter):
                device.disturb_voltage(self, None)

    def end(self) -> None:
        """They are and stay so."""
        self.good()
        for device in self._devices:
            device.feed = None


def _on_mains(site: Site) -> list[Device]:
    return [device for device in site.premises.devices() if not isinstance(device, GasMeter)]


def _brown_out(site: Site) -> End:
    mains = _Mains(_on_mains(site))
    mains.set(site.number("volts") * 1000)
    return mains.end


def _flicker(site: Site) -> End:
    mains, chance = _Mains(_on_mains(site)), site.chance
    lengths = {False: site.number("off") * MILLISECOND, True: site.number("on") * MILLISECOND}
    on = True

    def turn() -> None:
        nonlocal on
        on = not on
        if on:
            mains.good()
        else:
            mains.set(0)

    def pause() -> int:
        return lengths[on] * chance.randint(500, 1500) // 1000

    again = Again(site.device, pause, turn)

    def end() -> None:
        again.end()
        mains.end()

    return end


def _no_hold_up(site: Site) -> End:
    return beset(site.device, SOUND, no_hold_up=True)


# --- battery


def _gas(site: Site) -> GasMeter:
    gas = site.device
    assert isinstance(gas, GasMeter)
    return gas


def _battery_leaks(site: Site) -> End:
    gas = _gas(site)
    gas.settle()
    gas.use_battery(gas.battery.used(gas.clock.now), site.number("times"))

    def end() -> None:
        gas.settle()
        gas.use_battery(gas.battery.used(gas.clock.now), 1)

    return end


def _worn(site: Site, millivolts: int) -> End:
    """The battery has fallen to a voltage; the end is that it has what it would have had, unless it was replaced."""
    gas = _gas(site)
    battery = gas.battery
    at, before = gas.clock.now, battery.used(gas.clock.now)
    used = max(before, battery.used_at(millivolts))
    gas.use_battery(used, battery.drain, used - before)
    gas.wake_up()

    def end() -> None:
        now = gas.clock.now
        if battery.used(now) < used:
            return  # somebody has put in another one
        dead = gas.battery_dead
        gas.use_battery(min(before + now - at, battery.life), battery.drain)
        if dead:
            gas.power_on()
        gas.record("battery_replaced")

    return end


def _battery_low(site: Site) -> End:
    return _worn(site, LOW)


def _battery_dead(site: Site) -> End:
    return _worn(site, EMPTY)


FAULTS: Final = (
    Fault(
        "brown-out",
        Layer.DEVICE,
        "The voltage of the mains falls, for all devices of the premises that are on them",
        ON_MAINS,
        _brown_out,
        Culprit.NETWORK_OPERATOR,
        "there is less voltage than there should be; below the profile's minimum_v a power supply fails",
        (
            "the meter shows a low voltage, and logs it",
            "below minimum_v for longer than hold_up_ms a device is off, as in a power cut",
        ),
        "the voltage is what it was, and devices that went off start",
        (Number("volts", "What there is", "V", 0, 230, 90),),
        holds=_MAINS,
        wide=True,
    ),
    Fault(
        "flickering-mains",
        Layer.DEVICE,
        "The mains go off and on, for all devices of the premises that are on them",
        ON_MAINS,
        _flicker,
        Culprit.NETWORK_OPERATOR,
        "a joint before the meter is loose",
        (
            "devices go off and start again and again; gaps shorter than hold_up_ms nobody notices",
            "many power failures in the log, and counted",
        ),
        "the mains stay on, and devices that were off start",
        (
            Number("off", "How long they are off, half as long to half as long again", "ms", 1, 86_400_000, 2000),
            Number("on", "How long they are on in between, likewise", "ms", 1, 86_400_000, 60_000),
        ),
        holds=_MAINS,
        wide=True,
    ),
    Fault(
        "no-hold-up",
        Layer.DEVICE,
        "Nothing bridges the loss of the mains: the device is off at once",
        ON_MAINS,
        _no_hold_up,
        Culprit.DEVICE,
        "the capacitor of its power supply is worn out",
        (
            "no last gasp arrives when the power goes, where the profile has one",
            "the shortest gap of the mains is a power cut",
        ),
        "it bridges gaps and says when its power goes, as before",
        holds="hold-up",
    ),
    Fault(
        "battery-leaks",
        Layer.DEVICE,
        "The battery is used up many times as fast as it should",
        GAS,
        _battery_leaks,
        Culprit.DEVICE,
        "something draws current from the battery all the time",
        ("voltage and days left fall fast", "battery low long before its time, and then the death of the meter"),
        "it goes on at the pace of the profile from where it is",
        (Number("times", "How much faster", "times", 2, 100_000, 100),),
        holds=f"pace of the {_BATTERY}",
    ),
    Fault(
        "battery-low",
        Layer.DEVICE,
        "The battery is nearly empty",
        GAS,
        _battery_low,
        Culprit.DEVICE,
        f"the battery has fallen to {LOW} mV before its time",
        ("battery low in the log, bit 1 of the error and alarm registers", "few days left"),
        "it has a battery as old as its own would have been",
        holds=_BATTERY,
    ),
    Fault(
        "battery-dead",
        Layer.DEVICE,
        "The battery is empty",
        GAS,
        _battery_dead,
        Culprit.DEVICE,
        "the battery has nothing left: the meter is off",
        ("the mirror shows the meter as it was last, the clock included", "what is sent to it is not delivered"),
        "it has a battery as old as its own would have been, and starts",
        holds=_BATTERY,
    ),
)
"""Faults of power."""
