"""Cuts of the power of devices from outside that end by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.time import Clock, Event


class Mains:
    """Switches devices on and off. A cut with a duration ends on the rig's clock, unless somebody switches before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._returns: dict[str, Event] = {}

    def off(self, device: Device, duration: int | None = None) -> None:
        """No power from now on, for ``duration`` ns where it is given."""
        self._forget(device)
        device.power_off()
        if duration is not None:
            due = self._clock.now + duration
            self._returns[device.identity.device_id] = self._clock.schedule(due, lambda: self.on(device))

    def on(self, device: Device) -> None:
        """Power again."""
        self._forget(device)
        device.power_on()

    def returns_at(self, device: Device) -> int | None:
        """When a cut ends by itself, ns of UTC; None where there is none, or one that does not."""
        event = self._returns.get(device.identity.device_id)
        return None if event is None else event.due

    def _forget(self, device: Device) -> None:
        event = self._returns.pop(device.identity.device_id, None)
        if event is not None:
            event.cancel()
