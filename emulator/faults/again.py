"""What comes again and again while a fault lasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from emulator.time import MILLISECOND, Event

if TYPE_CHECKING:
    from emulator.device import Device

_LEAST_PAUSE: Final = MILLISECOND  # between two turns


class Again:
    """Something that comes again and again on a device's clock, after pauses (ns) that ``pause`` gives."""

    __slots__ = ("_call", "_device", "_event", "_pause")

    def __init__(self, device: Device, pause: Callable[[], int], call: Callable[[], None]) -> None:
        self._device = device
        self._pause = pause
        self._call = call
        self._event: Event | None = None
        self._wait()

    def _wait(self) -> None:
        clock = self._device.clock
        self._event = clock.schedule(clock.now + max(self._pause(), _LEAST_PAUSE), self._turn)

    def _turn(self) -> None:
        self._call()
        self._wait()

    def end(self) -> None:
        """It does not come again."""
        if self._event is not None:
            self._event.cancel()
