"""Premises whose hub has a radio processor for a Zigbee host, and what a test does at them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from emulator.han.member import Member
from rigs.driver import ClockMode
from tests.interop.zigbee_hosts import ZigbeeHost

KINDS = ("electricity", "gas", "display")


class ZigbeeHome:
    """Running premises with a hub of ``profile``, both meters and a display.

    ``print_eui`` is how the host writes an EUI-64. The rig's clock keeps the world's pace unless a ``rate`` is given;
    ``profiles`` are those of the devices that have another than the default one, by kind.
    """

    def __init__(
        self,
        smets1_rig: Any,
        profile: str,
        print_eui: Callable[[bytes], str],
        *,
        rate: float = 1,
        profiles: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        dwelling: dict[str, Any] = {kind: {"profile": profiles[kind]} if kind in profiles else {} for kind in KINDS}
        dwelling |= {"name": "home", "hub": {"profile": profile, "ports": {"radio": "pty:radio"}}}
        mode = ClockMode.REAL if rate == 1 else ClockMode.ACCELERATED
        self.running = smets1_rig({"premises": [dwelling]}, mode=mode, rate=rate)
        self.hub = self.running.premises["home"].hub
        self.print_eui = print_eui

    def call(self, function: Callable[[], Any]) -> Any:
        """What a function gives in the rig's thread."""
        return self.hub.call(function)

    @property
    def port(self) -> str:
        """The radio's port: a path."""
        return self.hub.ports["radio"]

    @property
    def han(self) -> Any:
        """The hub's network."""
        return self.hub.device.han

    @property
    def euis(self) -> dict[str, str]:
        """EUI-64s of the devices by kind, as the host writes them."""
        return {item.device.firmware.kind: self.print_eui(item.device.identity.eui64) for item in self.han.members}

    def member(self, kind: str) -> Member:
        """A device on the network's side."""
        return next(item for item in self.han.members if item.device.firmware.kind == kind)

    def join(self, kind: str) -> Any:
        """Push the button of a device: why it was not let in, None when it was."""
        return self.call(self.member(kind).join)

    def forget(self) -> None:
        """The hub is on no network, and the device log is empty."""
        self.call(self.hub.device.coordinator.leave)

    def code(self, kind: str) -> str:
        """Install code of a device with its CRC, in hexadecimal."""
        return self.call(lambda: self.member(kind).install_code.hex())

    def opened(self, kind: str) -> None:
        """Wait until the host has let a device join."""
        eui64 = self.member(kind).device.identity.eui64
        self.until(lambda: self.han.permitting and eui64 in self.han.log.entries)

    def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        """Wait for a condition, which is looked at in the rig's thread."""
        deadline = time.monotonic() + seconds
        while not self.call(condition):
            assert time.monotonic() < deadline, "it has not come to that"
            time.sleep(0.01)

    def met(self, host: ZigbeeHost, *kinds: str, what: str = "initialised", after: int = 0) -> list[list[Any]]:
        """All that the host has seen since its event number ``after``, once that has happened to these devices."""
        wanted = {self.euis[kind] for kind in kinds}
        deadline = time.monotonic() + 30
        while True:
            seen = host.ask("seen")[after:]
            if wanted <= {event[1] for event in seen if event[0] == what}:
                return seen
            assert time.monotonic() < deadline, seen
            time.sleep(0.02)
