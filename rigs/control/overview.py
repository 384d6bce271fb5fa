"""A running rig at a glance: its clock, its devices, and their ports with all that was counted at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.faults.injection import State
from rigs.control import desk as verbs
from rigs.control.desk import Desk, DeviceState
from rigs.events import name_of

if TYPE_CHECKING:
    from emulator.device import Device
    from rigs.ports import Port

ASSOCIATED = 2
"""state_code of an association that is open."""


@dataclass(frozen=True, slots=True)
class PortState:
    """A port now.

    ``clients`` are the associations that are open, such as ``client 16 at 1``; ``connected`` counts far ends, as far as
    the port can see them, ``lines`` the lines and connections there have been. ``counters`` are those of
    :meth:`rigs.ports.port.Port.statistics`.
    """

    name: str
    spec: str
    address: str
    connected: int
    lines: int
    clients: list[str]
    counters: dict[str, int]


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A device as a person finds it, and its ports."""

    device: DeviceState
    ports: list[PortState]


@dataclass(frozen=True, slots=True)
class RigStatus:
    """A rig: how many devices and open ports it has, its clock (``now`` in ns of UTC), the number of its latest event,
    how many faults are in force, and some of its devices."""

    rig: str
    now: int
    mode: str
    rate: float
    device_count: int
    port_count: int
    last_event: int
    faults: int
    devices: list[DeviceStatus]


def clients_of(port: Port) -> list[str]:
    """The associations that are open at a port, each once."""
    found = (
        f"client {association.client} at {association.server}"
        for line in port.lines
        for association in line.stack.associations
        if association.state_code == ASSOCIATED
    )
    return list(dict.fromkeys(found))


def port_state(name: str, port: Port) -> PortState:
    """A port now, by its name."""
    counted = {what: count for what, count in port.statistics().items() if count}
    return PortState(name, str(port.spec), port.address, port.present, port.opened, clients_of(port), counted)


def status(desk: Desk, first: int = 0, most: int = 100) -> RigStatus:
    """The rig, with ``most`` of its devices, ``first`` passed over."""
    return desk.act(lambda: _status(desk, first, most))


def device_status(desk: Desk, device: Device) -> DeviceStatus:
    """A device and its ports."""
    return desk.act(lambda: _device_status(desk, device))


def _status(desk: Desk, first: int, most: int) -> RigStatus:
    rig = desk.rig
    devices = list(desk.devices())
    ports: dict[str, list[PortState]] = {}
    chosen = devices[first : first + most]
    names = {name_of(device) for device in chosen}
    for name, port in rig.ports.items():
        owner = name.rpartition("/")[0]
        if owner in names:
            ports.setdefault(owner, []).append(port_state(name, port))
    return RigStatus(
        rig=rig.file.name,
        now=rig.clock.now,
        mode=rig.driver.mode.value,
        rate=rig.driver.rate,
        device_count=len(devices),
        port_count=len(rig.ports),
        last_event=rig.events.last,
        faults=sum(injection.state is State.ACTIVE for injection in rig.faults),
        devices=[DeviceStatus(verbs.look(device), ports.get(name_of(device), [])) for device in chosen],
    )


def _device_status(desk: Desk, device: Device) -> DeviceStatus:
    prefix = name_of(device) + "/"
    found = [port_state(name, port) for name, port in desk.rig.ports.items() if name.startswith(prefix)]
    return DeviceStatus(verbs.look(device), found)
