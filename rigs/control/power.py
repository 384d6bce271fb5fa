"""The power of the devices of a running rig: mains on and off, and the battery of a gas meter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.gas import GasMeter
from rigs.control.desk import BadInputError, Desk, DeskError, NotThereError, power_word
from rigs.driver import SECOND
from rigs.events import Source, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emulator.device import Device

LONGEST_CUT = 366 * 86_400
"""How long a cut that ends by itself can last, s."""


@dataclass(frozen=True, slots=True)
class PowerState:
    """The power of a device. ``power`` is ``on``, ``starting``, ``hangs`` or ``off``.

    Instants are the rig's, ns of UTC: ``ready_at`` is when a device that is starting answers, ``returns_at`` when a cut
    ends by itself. ``boots`` counts starts, ``failures`` cuts. ``battery_days`` and ``battery_millivolts`` are those of
    a gas meter's battery, whose days of life are left.
    """

    device: str
    power: str
    ready_at: int | None
    returns_at: int | None
    boots: int
    failures: int
    battery_days: int | None = None
    battery_millivolts: int | None = None


def look(desk: Desk, device: Device) -> PowerState:
    """The power of a device now."""
    return desk.act(lambda: _look(desk, device))


def _look(desk: Desk, device: Device) -> PowerState:
    device.settle()
    word = power_word(device)
    battery = device if isinstance(device, GasMeter) else None
    return PowerState(
        device=name_of(device),
        power=word,
        ready_at=device.ready_at if word == "starting" else None,
        returns_at=desk.rig.mains.returns_at(device),
        boots=device.boots,
        failures=device.power_failures,
        battery_days=None if battery is None else battery.battery_days,
        battery_millivolts=None if battery is None else battery.battery_voltage,
    )


def switch(desk: Desk, devices: Iterable[Device], on: bool, seconds: float | None = None) -> list[PowerState]:
    """Give the devices power, or cut it, all at one instant; a cut lasts for ``seconds`` of the rig, where given.

    The power of a gas meter is its battery: taken out and put in. A device that is so already stays as it is, but when
    the cut of one that is off ends follows the last word.
    """
    found = list(devices)
    if seconds is not None and on:
        raise BadInputError("seconds: how long a cut lasts; leave it out to switch on")
    if seconds is not None and not 0 < seconds <= LONGEST_CUT:
        raise BadInputError(f"seconds: {seconds:g}: more than 0, at most {LONGEST_CUT}")
    duration = None if seconds is None else round(seconds * SECOND)

    def do() -> list[PowerState]:
        rig = desk.rig
        for device in found:
            text = "power on" if on else "power off" if seconds is None else f"power off for {seconds:g} s"
            rig.events.add(Source.CONTROL, "power", text, device=name_of(device))
            if on:
                rig.mains.on(device)
            else:
                rig.mains.off(device, duration)
        return [_look(desk, device) for device in found]

    return desk.act(do)


def mains_of(desk: Desk, premises: str) -> list[Device]:
    """The devices of a premises that go out in a power cut: all but the gas meter. NotThereError without any."""
    devices = [device for device in desk.premises(premises).devices() if not isinstance(device, GasMeter)]
    if not devices:
        raise NotThereError(f"{premises}: has no device on the mains")
    return devices


def replace_battery(desk: Desk, device: Device) -> PowerState:
    """Put a new battery into a gas meter; DeskError for another device, and while its battery has been taken out."""
    if not isinstance(device, GasMeter):
        raise DeskError(f"{device.identity.device_id}: has no battery; gas meters have")
    if not device.mains and not device.battery_dead:
        raise DeskError(f"{device.identity.device_id}: its battery is out; switch its power on first")

    def do() -> PowerState:
        desk.rig.events.add(Source.CONTROL, "battery", "new battery", device=name_of(device))
        device.replace_battery()
        return _look(desk, device)

    return desk.act(do)
