"""The Smart Energy application of a display: its client side, and the servers that every device has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.smart_energy.application import Application

if TYPE_CHECKING:
    from emulator.display import Display
    from emulator.han.message import Arrival, Port


class DisplayApplication(Application):
    """Messages go to the display's client side, and what that has no use for to its servers."""

    __slots__ = ("_client",)

    def __init__(self, display: Display, port: Port) -> None:
        super().__init__(display, port)
        self._client = display.client

    def receive_late(self, arrival: Arrival, instant: int) -> None:
        """Take a report that arrived at a rig instant that is past."""
        self._client.receive_late(arrival, instant)

    def receive(self, arrival: Arrival) -> None:
        """Take a message."""
        if not self._client.receive(arrival):
            super().receive(arrival)
