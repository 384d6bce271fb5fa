"""The communications hub: one WAN line, its own logical device, and those of the meters behind it.

What a head-end sees behind the server SAPs of the profile: the hub's management logical device, the electricity meter
passed through, and the mirror of the gas meter. A premises without one of the meters has no such SAP. Messages to the
electricity meter go through in no time: the delay of the home area network shows only in what the gas meter is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from emulator.cosem.model import DeviceKind, Quantity
from emulator.device import Device, Identity
from emulator.firmware import FirmwareProfile
from emulator.han.link import HanLink, InProcessLink
from emulator.han.mirror import Mirror
from emulator.logical_device import LogicalDevice
from emulator.ports import DISCARDED, RECEIVED, SENT, HdlcStack, Stack, Transport, WrapperStack
from emulator.quantities import (
    COMPONENT_FAMILIES,
    COMPONENTS,
    QUANTITIES,
    QUANTITY_FAMILIES,
    logical_device_name,
)
from emulator.security import KeyRing
from emulator.time import HOUR, Clock, stream
from protocols.dlms import datetime

if TYPE_CHECKING:
    from emulator.electricity import ElectricityMeter
    from emulator.gas import GasMeter

_SIGNAL_DBM = (-105, -60)
_SIGNAL_SWING = 3  # dB up and down from hour to hour
_SIGNAL_STEP = HOUR


class Hub(Device):
    """A hub and what it serves on its WAN line."""

    __slots__ = ("_served", "link", "mirror")

    def __init__(
        self,
        firmware: FirmwareProfile,
        identity: Identity,
        clock: Clock,
        seed: int,
        ring: KeyRing,
        installed_at: int,
        electricity: ElectricityMeter | None = None,
        gas: GasMeter | None = None,
        link: HanLink | None = None,
    ) -> None:
        """``link`` is the home area network, by default one that only takes the profile's delay."""
        super().__init__(firmware, identity, clock, seed, ring, installed_at)
        saps = firmware.logical
        if saps is None:
            raise ValueError(f"{firmware.name} has no [logical] table: a hub needs one")
        self.link: HanLink = link or InProcessLink(clock, saps.han_delay)
        self.mirror: Mirror | None = None
        self._served: dict[int, LogicalDevice] = {saps.management: LogicalDevice(self)}
        if electricity is not None:
            self._served[saps.electricity] = LogicalDevice(electricity)
            electricity.uplink = self
            electricity.reset.append(self._lose_electricity)
        if gas is not None:
            gas.uplink = self
            self.mirror = Mirror(self, gas, self.link, saps.mirror_write)
            self._served[saps.gas] = self.mirror.logical_device()
            self.reset.append(self.mirror.clear)

    @property
    def served(self) -> Mapping[int, LogicalDevice]:
        """Logical devices by server SAP."""
        return self._served

    @property
    def stacks(self) -> Mapping[str, Callable[[], Stack]]:
        """The ports: the WAN as a serial line, on TCP and on UDP; each call makes the stack of a line or connection."""
        wan = self.firmware.wan
        served = self._served
        stacks: dict[str, Callable[[], Stack]] = {
            "wan-tcp": lambda: WrapperStack(self, served, Transport.TCP),
            "wan-udp": lambda: WrapperStack(self, served, Transport.UDP),
        }
        if wan is not None:
            stacks["wan"] = lambda: HdlcStack(self, served, wan)
        return stacks

    @property
    def signal(self) -> int:
        """Strength of the WAN signal at the present, dBm: a level of the place, a little up and down by the hour."""
        level = stream(self.seed, self.identity.device_id, "signal").randint(*_SIGNAL_DBM)
        hour = stream(self.seed, self.identity.device_id, f"signal {self.time // _SIGNAL_STEP}")
        return level + hour.randint(-_SIGNAL_SWING, _SIGNAL_SWING)

    def frames(self, name: str) -> int:
        """Frames of the WAN counted by that name, all lines and connections together."""
        return self.lines.count(name) if self.lines is not None else 0

    def power_off(self) -> None:
        """Cut the mains: the mirror shows the gas meter as it was when the hub heard it last."""
        super().power_off()
        if self.mirror is not None:
            self.mirror.gas.lose_hub()

    def _lose_electricity(self) -> None:
        """The electricity meter has lost its RAM, and with it the associations that go through the hub."""
        if self.lines is not None and self.firmware.logical is not None:
            self.lines.lose(self.firmware.logical.electricity)

    def _boot(self) -> None:
        super()._boot()
        if self.mirror is not None:
            self.mirror.gas.lose_hub()
            self.mirror.gas.find_hub(self.ready_at)


def _sap_assignment(hub: Hub) -> list[list[object]]:
    return [[sap, logical_device_name(logical.device)] for sap, logical in sorted(hub.served.items())]


def _last_wake_up(hub: Hub) -> bytes:
    """By the hub's own clock; not specified without a gas meter."""
    mirror = hub.mirror
    return datetime.pack_utc(hub.device_clock.utc(mirror.last_wake_up)) if mirror else datetime.UNSPECIFIED


HUB = DeviceKind(
    "communications hub",
    quantities={
        **QUANTITIES,
        "sap_assignment": Quantity("arr st{u16,oct}", _sap_assignment),
        "signal": Quantity("i8", lambda hub: hub.signal),
        "frames.received": Quantity("u32", lambda hub: hub.frames(RECEIVED)),
        "frames.sent": Quantity("u32", lambda hub: hub.frames(SENT)),
        "frames.discarded": Quantity("u32", lambda hub: hub.frames(DISCARDED)),
        "mirror.pending": Quantity("u16", lambda hub: hub.mirror.pending if hub.mirror else 0),
        "mirror.last_wake_up": Quantity("oct12", _last_wake_up),
    },
    quantity_families=QUANTITY_FAMILIES,
    components=COMPONENTS,
    component_families=COMPONENT_FAMILIES,
)
"""What a hub's profile can put behind its objects."""
