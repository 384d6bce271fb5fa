"""How devices of a premises reach each other.

:class:`HanLink` is all that devices know of the network between them. The radio network implements it with joins, keys,
polls and losses; :class:`InProcessLink` is a wire that only takes time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from emulator.time import Clock

if TYPE_CHECKING:
    from emulator.device import Device


class HanLink(Protocol):
    """Carries messages between the devices of one premises."""

    def reaches(self, source: Device, target: Device) -> bool:
        """Whether a message sent now would find its way: both have power and have started, and the network is there."""
        ...

    def deliver(self, source: Device, target: Device, arrived: Callable[[], None]) -> None:
        """Send a message; ``arrived`` runs on the rig's clock when it is at the target, never when it is lost.

        Messages from one device to another arrive in the order they were sent.
        """
        ...


class InProcessLink:
    """Every message arrives after ``delay`` ns, unless its target has no power by then."""

    __slots__ = ("_clock", "delay")

    def __init__(self, clock: Clock, delay: int) -> None:
        self._clock = clock
        self.delay = delay

    def reaches(self, source: Device, target: Device) -> bool:
        """Whether both have power and have started."""
        return source.ready and target.ready

    def deliver(self, source: Device, target: Device, arrived: Callable[[], None]) -> None:
        """Run ``arrived`` after the delay."""
        if not source.ready:
            return

        def due() -> None:
            if target.ready:
                arrived()

        self._clock.schedule(self._clock.now + self.delay, due)
