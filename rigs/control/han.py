"""The HAN of a premises as people see it: the hub's device log, who is there, and what to do with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emulator.hub import Hub
from emulator.meter import Meter
from emulator.premises import replace_gas_meter
from emulator.time import SECOND
from firmware_profiles.loader import load
from rigs.associations import association_keys
from rigs.control.desk import Desk, DeskError, NotThereError

if TYPE_CHECKING:
    from emulator.han.network import Member


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of the device log and who it is about.

    ``device`` is the device with that EUI-64, None where none is there. ``heard`` is when the hub last heard it, ns of
    UTC by the hub's clock, None for never. ``rssi`` in dBm and ``lqi`` (0 to 255) are means.
    """

    eui64: str
    device: str | None
    joined: bool
    reporting: bool
    heard: int | None
    rssi: int | None
    lqi: int | None
    hops: int
    failures: int
    successes: int


@dataclass(frozen=True, slots=True)
class HanDevice:
    """A device within range and what it knows. ``refused`` is why its last attempt to join failed; ``link_key`` is
    the one that its install code (with CRC) gives, by which it is registered."""

    device: str
    eui64: str
    on: bool
    refused: str | None
    hops: int | None
    install_code: str
    link_key: str


@dataclass(frozen=True, slots=True)
class HanState:
    """A HAN: its PAN, what is in the log, who is there. ``open_seconds`` is how long devices may still join."""

    pan_id: int
    channel: int
    key_sequence: int
    open_seconds: int
    capacity: int
    mirrored: str | None
    pending: int
    log: list[LogEntry]
    devices: list[HanDevice]


def hub_of(desk: Desk, premises: str) -> Hub:
    """The hub of a premises; NotThereError without one."""
    device = desk.device(premises, "hub")
    assert isinstance(device, Hub)
    return device


def look(hub: Hub) -> HanState:
    """The HAN that a hub formed, as it is now."""
    han = hub.han
    now = hub.clock.now
    entries: list[LogEntry] = []
    for entry in han.log:
        reporting = han.refresh(entry)
        member = han.find(entry.eui64)
        measured = entry.rssi.count > 0
        entries.append(
            LogEntry(
                entry.eui64.hex().upper(),
                None if member is None else member.device.identity.device_id,
                entry.joined,
                reporting,
                hub.device_clock.utc(entry.heard_at) if entry.heard_at else None,
                entry.rssi.mean if measured else None,
                entry.lqi.mean if measured else None,
                entry.hops,
                entry.failures,
                entry.successes,
            )
        )
    return HanState(
        han.pan_id,
        han.channel,
        han.key_sequence,
        -(-han.log.open_for(now) // SECOND),
        han.log.capacity,
        hub.mirrored.hex().upper() or None,
        hub.mirror.pending if hub.mirror is not None else 0,
        entries,
        [_device(hub, member) for member in han.members],
    )


def _device(hub: Hub, member: Member) -> HanDevice:
    identity = member.device.identity
    return HanDevice(
        identity.device_id,
        identity.eui64.hex().upper(),
        member.on,
        None if member.refusal is None else member.refusal.value,
        hub.han.way(member),
        member.install_code.hex().upper(),
        member.first_key.hex().upper(),
    )


def join(hub: Hub, device: Meter) -> str | None:
    """Press the button by which a device looks for its network: why it is not on it, None when it is."""
    member = hub.han.member(device)
    if not device.ready:
        raise DeskError(f"{device.identity.device_id}: has no power or is starting")
    refusal = None if member.on else member.join()
    return None if refusal is None else refusal.value


@dataclass(frozen=True, slots=True)
class NewMeter:
    """A gas meter that took another's place: who it is, its label, and the secrets of its associations (hexadecimal,
    by association and ``secret``, ``encryption``, ``authentication``)."""

    device: str
    serial: str
    eui64: str
    install_code: str
    link_key: str
    keys: dict[str, dict[str, str]]


def replace_gas(desk: Desk, premises: str) -> NewMeter:
    """Take the gas meter of a premises away and put a new one of the same profile in its place.

    DeskError for a rig that keeps its state in a file: the new meter would be gone when the rig starts again.
    """
    hub = hub_of(desk, premises)
    rig = desk.rig
    if rig.storage is not None:
        raise DeskError(f"{premises}/gas: this rig keeps state in {rig.storage}; replace meters in one without storage")
    spec = next(item for item in rig.file.specs if item.name == premises).gas
    if spec is None:
        raise NotThereError(f"{premises}/gas: no such device")
    fresh = replace(spec, serial=None, eui64=None, keys={})
    found = rig.premises[premises]
    meter = replace_gas_meter(found, fresh, rig.clock, rig.file.config.seed, load)
    member = hub.han.member(meter)
    model = meter.firmware.model
    keys = {
        association.name: association_keys(model, index, meter.security(index), meter.identity.system_title)
        for index, association in enumerate(model.associations)
    }
    return NewMeter(
        meter.identity.device_id,
        meter.identity.serial,
        meter.identity.eui64.hex().upper(),
        member.install_code.hex().upper(),
        member.first_key.hex().upper(),
        {
            name: {
                "secret": secrets.secret.hex().upper(),
                "encryption": secrets.encryption.hex().upper(),
                "authentication": secrets.authentication.hex().upper(),
            }
            for name, secrets in keys.items()
        },
    )
