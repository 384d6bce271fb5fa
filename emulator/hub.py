"""The communications hub: one WAN line, its own logical device, and those of the meters behind it.

What a head-end sees behind the server SAPs of the profile: the hub's management logical device, the electricity meter
passed through, and the mirror of the gas meter. A meter that is not on the HAN has no such SAP, but a mirror stays, as
it was, until it is removed or its meter is back. Messages to the electricity meter go through in no time: the delay of
the HAN shows only in what the gas meter is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from emulator.cosem.model import DeviceKind, Quantity
from emulator.device import NEVER, Device, Identity
from emulator.firmware import FirmwareProfile
from emulator.gas import GasMeter
from emulator.han.management import BACKUP, HISTORIC, backup
from emulator.han.mirror import Mirror
from emulator.han.network import Network
from emulator.logical_device import LogicalDevice
from emulator.meter import Meter
from emulator.ports import DISCARDED, RECEIVED, SENT, HdlcStack, Stack, Transport, WrapperStack
from emulator.quantities import (
    COMPONENT_FAMILIES,
    COMPONENTS,
    QUANTITIES,
    QUANTITY_FAMILIES,
    logical_device_name,
)
from emulator.radio.coordinator import Coordinator
from emulator.radio.port import radio_port
from emulator.security import KeyRing
from emulator.time import HOUR, Clock, Event, stream
from emulator.tunnel_setup import tunnel_setup
from protocols.dlms import datetime

if TYPE_CHECKING:
    from emulator.electricity import ElectricityMeter
    from emulator.firmware import LogicalDevices

_SIGNAL_DBM = (-105, -60)
_SIGNAL_SWING = 3  # dB up and down from hour to hour
_SIGNAL_STEP = HOUR
_NO_SIGNAL = -128


class Hub(Device):
    """A hub and what it serves on its WAN line."""

    __slots__ = (
        "_coordinator",
        "_filling",
        "_forgets_commands",
        "_refuses_mirror",
        "_saps",
        "_served",
        "han",
        "mirror",
        "radio",
        "signal_loss",
    )

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
    ) -> None:
        """The meters have been on its HAN since they are in place; others can be brought later (:attr:`han`)."""
        super().__init__(firmware, identity, clock, seed, ring, installed_at)
        saps, han = firmware.logical, firmware.han
        if saps is None or han is None:
            raise ValueError(f"{firmware.name} has no [logical] or no [han] table: a hub needs both")
        self._saps: LogicalDevices = saps
        self.mirror: Mirror | None = None
        self._filling: Event | None = None
        """The wake-up that fills the mirror."""
        self._refuses_mirror = self._forgets_commands = False
        self.signal_loss = 0
        """How much weaker than the place has it the WAN signal is, dB."""
        self._coordinator: Coordinator | None = None
        self._served: dict[int, LogicalDevice] = {saps.management: LogicalDevice(self)}
        self.han = Network(self, han, saps.han_delay)
        self.kept["han"] = self.han
        self.radio = radio_port(self, firmware.radio) if firmware.radio is not None else None
        """The port of its radio processor, None where the profile has none."""
        self.reset.append(self._forget_han)
        if electricity is not None:
            self.han.place(electricity, commissioned=True)
            self._serve_electricity(electricity)
        if gas is not None:
            self.han.place(gas, commissioned=True)
            gas.uplink = self
            self._fill(self._mirror_gas(gas))

    @property
    def served(self) -> Mapping[int, LogicalDevice]:
        """Logical devices by server SAP."""
        return self._served

    @property
    def stacks(self) -> Mapping[str, Callable[[], Stack]]:
        """The ports: the WAN as a serial line, on TCP and on UDP, and the radio processor.

        Each call makes the stack of a line or connection.
        """
        wan = self.firmware.wan
        served = self._served
        stacks: dict[str, Callable[[], Stack]] = {
            "wan-tcp": lambda: WrapperStack(self, served, Transport.TCP),
            "wan-udp": lambda: WrapperStack(self, served, Transport.UDP),
        }
        if wan is not None:
            stacks["wan"] = lambda: HdlcStack(self, served, wan)
        if self.radio is not None:
            stacks["radio"] = self.radio
        return stacks

    @property
    def coordinator(self) -> Coordinator:
        """What its radio processor does for a host in the hub's place; made when the first host comes."""
        if self._coordinator is None:
            self._coordinator = Coordinator(self)
        return self._coordinator

    @property
    def signal(self) -> int:
        """Strength of the WAN signal at the present, dBm: a level of the place, a little up and down by the hour."""
        level = stream(self.seed, self.identity.device_id, "signal").randint(*_SIGNAL_DBM)
        hour = stream(self.seed, self.identity.device_id, f"signal {self.time // _SIGNAL_STEP}")
        return max(level + hour.randint(-_SIGNAL_SWING, _SIGNAL_SWING) - self.signal_loss, _NO_SIGNAL)

    def frames(self, name: str) -> int:
        """Frames of the WAN counted by that name, all lines and connections together."""
        return self.lines.count(name) if self.lines is not None else 0

    def power_off(self) -> None:
        """Cut the mains: the mirror shows the gas meter as it was when the hub heard it last."""
        super().power_off()
        for gas in self._gas_meters():
            gas.lose_hub()

    def _stop_firmware(self) -> None:
        super()._stop_firmware()
        for gas in self._gas_meters():
            gas.lose_hub()

    def _lose_electricity(self) -> None:
        """The electricity meter has lost its RAM, and with it the associations that go through the hub."""
        if self.lines is not None:
            self.lines.lose(self._saps.electricity)

    def _forget_han(self) -> None:
        """RAM is lost: the commands that wait, and the permit-join window."""
        self.han.permit(False)
        if self.mirror is not None:
            self.mirror.clear()

    def _boot(self) -> None:
        super()._boot()
        for gas in self._gas_meters():
            gas.lose_hub()
            if not self.hung:
                gas.find_hub(self.ready_at)

    def _gas_meters(self) -> list[GasMeter]:
        """Those on the HAN."""
        return [member.device for member in self.han.members if member.on and isinstance(member.device, GasMeter)]

    # --- the HAN tells

    def gained(self, device: Device) -> None:
        """A device is on the HAN."""
        if isinstance(device, GasMeter):
            self._gained_gas(device)
        elif isinstance(device, Meter):
            self._serve_electricity(device)

    def _gained_gas(self, meter: GasMeter) -> None:
        meter.uplink = self
        meter.find_hub(self.ready_at)
        mirror = self.mirror or self._mirror_gas(meter)
        if mirror.gas is meter and self._saps.gas not in self._served:
            self._await_filling(mirror, self.clock.now)

    def lost(self, device: Device) -> None:
        """A device is not on the HAN, or not any more."""
        if isinstance(device, GasMeter):
            device.lose_hub()
            return
        served = self._served.get(self._saps.electricity)
        if served is not None and served.device is device:
            self._withdraw(self._saps.electricity)

    def last_heard(self, device: Device) -> int:
        """Rig instant at which the hub last heard a device that is on the HAN."""
        if not isinstance(device, GasMeter):
            return self.clock.now
        device.settle()
        return device.last_wake_up

    @property
    def mirrored(self) -> bytes:
        """EUI-64 of the gas meter that it mirrors, no octets without one."""
        return self.mirror.gas.identity.eui64 if self.mirror is not None else b""

    @property
    def filled(self) -> bool:
        """Whether clients find the mirror: its meter has woken up since it is there."""
        return self._saps.gas in self._served

    @property
    def refuses_mirror(self) -> bool:
        """Whether it mirrors no gas meter."""
        return self._refuses_mirror

    def refuse_mirror(self, refuses: bool) -> None:
        """Mirror no gas meter, or as before: then clients find the mirror once its meter has woken up."""
        self._refuses_mirror = refuses
        mirror = self.mirror
        if mirror is None:
            return
        if refuses:
            mirror.clear()
            self._forget_filling()
            self._withdraw(self._saps.gas)
        else:
            self._await_filling(mirror, self.clock.now)

    def freeze_mirror(self, mirror: Mirror, frozen: bool) -> None:
        """Show the gas meter of a mirror as it is now, or as it is again; clients that talk to it have to begin anew.

        A mirror that is not the hub's any more is left as it is.
        """
        if self.mirror is not mirror:
            return
        mirror.freeze(frozen)
        if self.filled:
            self._withdraw(self._saps.gas)
            self._fill(mirror)

    def forget_commands(self, forgets: bool) -> None:
        """Take commands for the gas meter and deliver none of them, or deliver them again: those that come then."""
        self._forgets_commands = forgets
        if self.mirror is not None:
            self.mirror.clear()
            self.mirror.forgets = forgets

    def restore_mirror(self, eui64: bytes, *, filled: bool) -> None:
        """Mirror the gas meter with that EUI-64 as it was before the hub lost power; no octets for no mirror."""
        if self.mirrored != eui64:
            self._drop_mirror()
            member = self.han.find(eui64)
            if member is not None and isinstance(member.device, GasMeter):
                self._mirror_gas(member.device)
        if self.mirror is None or filled == self.filled:
            return
        if filled:
            self._fill(self.mirror)
        else:
            self._withdraw(self._saps.gas)
            self._await_filling(self.mirror, self.clock.now)

    def _drop_mirror(self) -> None:
        if self.mirror is not None:
            self.mirror.end()
            self.mirror = None
            self._forget_filling()
            self._withdraw(self._saps.gas)

    def remove_mirror(self, eui64: bytes) -> None:
        """Remove the mirror of the gas meter with that EUI-64, if there is one; another gas meter may have it then."""
        if not eui64 or self.mirrored != eui64:
            return
        self._drop_mirror()
        for gas in self._gas_meters():
            if gas.identity.eui64 != eui64 and self.mirror is None:
                self._gained_gas(gas)

    def _serve_electricity(self, meter: Meter) -> None:
        self._served[self._saps.electricity] = LogicalDevice(meter)
        meter.uplink = self
        if self._lose_electricity not in meter.reset:
            meter.reset.append(self._lose_electricity)

    def _mirror_gas(self, gas: GasMeter) -> Mirror:
        self.mirror = mirror = Mirror(self, gas, self.han, self._saps.mirror_write)
        mirror.moved = lambda: self._expect_filling(mirror)
        mirror.forgets = self._forgets_commands
        return mirror

    def _fill(self, mirror: Mirror) -> None:
        if self._refuses_mirror:
            return
        self._served[self._saps.gas] = mirror.logical_device()

    def _await_filling(self, mirror: Mirror, since: int) -> None:
        """A new mirror is there for clients once its meter has woken up for the first time after ``since``."""
        mirror.since = since
        self._expect_filling(mirror)

    def _expect_filling(self, mirror: Mirror) -> None:
        """Be there when the meter wakes up next, if it will."""
        gas = mirror.gas
        if self.mirror is not mirror or self.filled or self._refuses_mirror:
            return
        self._forget_filling()

        def woke() -> None:
            self._filling = None
            gas.settle()
            if gas.last_wake_up > mirror.since:
                self._fill(mirror)
            else:
                self._expect_filling(mirror)

        gas.settle()
        if gas.next_wake_up != NEVER:
            self._filling = self.clock.schedule(gas.next_wake_up, woke)

    def _forget_filling(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
            self._filling = None

    def _withdraw(self, sap: int) -> None:
        if self._served.pop(sap, None) is not None and self.lines is not None:
            self.lines.forget(sap)


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
        "tunnel.close_timeout": Quantity("u16", lambda hub: tunnel_setup(hub).close_timeout),
        "han.backup": Quantity(BACKUP, lambda hub: backup(hub.han, hub.han.log.backup())),
    },
    quantity_families=QUANTITY_FAMILIES,
    components={**COMPONENTS, "han": lambda hub: hub.han, HISTORIC: lambda hub: hub.han},
    component_families=COMPONENT_FAMILIES,
)
"""What a hub's profile can put behind its objects."""
