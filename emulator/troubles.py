"""What is wrong with a device's hardware beside its parts that have state of their own: laid on it by faults.

A device with nothing wrong has no :class:`Troubles`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeVar

from emulator.time import Event

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from emulator.device import Device

Wrong = TypeVar("Wrong", bound="DataclassInstance")


class Troubled(Protocol[Wrong]):
    """Something that has None for its troubles while nothing is wrong with it."""

    troubles: Wrong | None


def beset(something: Troubled[Wrong], sound: Wrong, **wrong: object) -> Callable[[], None]:
    """Lay troubles, by the names of their fields, on something; the call that is returned takes them away.

    ``sound`` is what its troubles are where nothing is wrong.
    """
    something.troubles = replace(something.troubles or sound, **wrong)

    def mend() -> None:
        left = replace(something.troubles or sound, **{name: getattr(sound, name) for name in wrong})
        something.troubles = None if left == sound else left

    return mend


class ClockWrites(Enum):
    """What becomes of an order to set the clock."""

    TAKEN = "taken"
    REFUSED = "refused"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Troubles:
    """``boot_delay`` is what each start takes longer, ns; with ``no_start`` the firmware does not come up at all.

    ``no_watchdog``: nothing starts firmware anew that hangs. ``no_hold_up``: nothing bridges a gap of the mains, and
    there is no last gasp. ``no_reserve``: the clock stops with the mains.
    """

    boot_delay: int = 0
    no_start: bool = False
    no_watchdog: bool = False
    no_hold_up: bool = False
    no_reserve: bool = False
    clock_writes: ClockWrites = ClockWrites.TAKEN


SOUND = Troubles()
"""Of a device with nothing wrong."""


class Feed:
    """What reaches a device of the mains while they are not as they should be: too low, or flickering.

    Made when that begins; a device whose mains are either good or switched off has none. A power supply that has less
    than the profile's ``minimum`` for longer than its ``hold_up`` fails, and works again from ``restart`` on. While it
    has failed the mains may be switched on and off as ever: what holds is seen when the voltage is back.
    """

    __slots__ = ("_device", "_failing", "millivolts", "waits")

    def __init__(self, device: Device) -> None:
        self._device = device
        self._failing: Event | None = None
        self.millivolts: int | None = None
        """What there is, None for what there should be."""
        self.waits = False
        """Whether the device comes up when the power supply has enough."""

    @property
    def enough(self) -> bool:
        """Whether a power supply that has failed works again."""
        return self.millivolts is None or self.millivolts >= self._device.firmware.power.restart

    def set(self, millivolts: int | None) -> None:
        """Give the power supply that much from now on, None for as much as it should have."""
        device, power = self._device, self._device.firmware.power
        self.millivolts = millivolts
        if millivolts is not None and millivolts < power.minimum:
            if self._failing is None and device.mains:
                worn = device.troubles is not None and device.troubles.no_hold_up
                lasts = 0 if worn else power.hold_up
                self._failing = device.clock.schedule(device.clock.now + lasts, self._fail)
            return
        if self._failing is not None:
            self._failing.cancel()
            self._failing = None
        if self.waits and self.enough:
            self.waits = False
            device.power_on()

    def _fail(self) -> None:
        self._failing = None
        if self._device.mains:
            self._device.power_off()
            self.waits = True
