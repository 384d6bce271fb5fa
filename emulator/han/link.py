"""How devices of a premises reach each other.

:class:`HanLink` is all that a mirror knows of the network between the devices; :mod:`emulator.han.network` is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

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
