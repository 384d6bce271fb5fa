"""The HAN of a premises as people see it: the hub's device log, who is there, and what to do with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.hub import Hub
from emulator.nvm import NvmFault
from emulator.time import SECOND
from rigs.associations import association_keys
from rigs.control.desk import Desk, DeskError, NotThereError

if TYPE_CHECKING:
    from emulator.device import Device
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
    """A device within range and what it knows.

    ``refused`` is why its last attempt to join failed; ``link_key`` is the one that its install code (with CRC) gives,
    by which it is registered, and ``present_link_key`` the one that it has on this network, None where it has none.
    ``parent`` is the device that it speaks through, by which it is heard with ``rssi`` (dBm) and ``lqi`` (0 to 255);
    None where there is no way. ``waiting`` counts the messages that the parent holds for it. ``keyed_at`` is since when
    it has its link key, ``polls_at`` when it asks its parent next, ns of UTC. ``counter`` and ``link_counter`` are its
    next frame counters.
    """

    device: str
    eui64: str
    kind: str
    on: bool
    refused: str | None
    address: int | None
    sleepy: bool
    parent: str | None
    hops: int | None
    rssi: int | None
    lqi: int | None
    waiting: int
    polls_at: int | None
    counter: int
    link_counter: int
    knows_network_key: bool
    keyed_at: int
    install_code: str
    link_key: str
    present_link_key: str | None


@dataclass(frozen=True, slots=True)
class HanState:
    """A HAN: its PAN, what is in the log, who is there.

    ``open_seconds`` is how long devices may still join. ``now`` and ``keyed_at``, since when the network key is in use,
    are ns of UTC. ``pending`` counts commands that wait in the mirror for the gas meter. ``counter`` and
    ``link_counter`` are the hub's next frame counters. ``dropped`` counts frames that radios dropped, by the reason.
    """

    hub: str
    now: int
    formed: bool
    pan_id: int
    extended_pan_id: str
    channel: int
    network_key: str
    key_sequence: int
    keyed_at: int
    counter: int
    link_counter: int
    open_seconds: int
    capacity: int
    mirrored: str | None
    pending: int
    dropped: dict[str, int]
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
    han.make_up()
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
        hub.identity.device_id,
        now,
        han.formed,
        han.pan_id,
        han.extended_pan_id.hex().upper(),
        han.channel,
        han.network_key.hex().upper(),
        han.key_sequence,
        han.keyed_at,
        han.node.counter,
        han.node.link_counter,
        -(-han.log.open_for(now) // SECOND),
        han.log.capacity,
        hub.mirrored.hex().upper() or None,
        hub.mirror.pending if hub.mirror is not None else 0,
        dict(sorted(han.air.dropped.items())),
        entries,
        [_device(hub, member) for member in han.members],
    )


def _device(hub: Hub, member: Member) -> HanDevice:
    han, identity, node = hub.han, member.device.identity, member.node
    way = han.nodes_between(node, han.node)
    parent = rssi = lqi = None
    if way is not None:
        above = way[1]
        parent = hub.identity.device_id if above.member is None else above.member.device.identity.device_id
        rssi, lqi, _ = han.medium.link(node.radio, above.radio)
    return HanDevice(
        identity.device_id,
        identity.eui64.hex().upper(),
        member.device.firmware.kind,
        member.on,
        None if member.refusal is None else member.refusal.value,
        node.address if member.on else None,
        member.sleepy,
        parent,
        None if way is None else len(way) - 2,
        rssi,
        lqi,
        node.waiting,
        member.next_poll(hub.clock.now) if member.sleepy and member.on else None,
        node.counter,
        node.link_counter,
        member.network_key == han.network_key,
        member.keyed_at,
        member.install_code.hex().upper(),
        member.first_key.hex().upper(),
        member.link_key.hex().upper() or None,
    )


def join(hub: Hub, device: Device) -> str | None:
    """Press the button by which a device looks for its network: why it is not on it, None when it is."""
    try:
        member = hub.han.member(device)
    except KeyError:
        raise DeskError(f"{device.identity.device_id}: has no such button; meters and displays have") from None
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

    DeskError when the rig's store cannot be written: the new meter will be gone when the rig starts again.
    """
    hub = hub_of(desk, premises)
    try:
        meter = desk.rig.replace_gas_meter(premises)
    except LookupError as error:
        raise NotThereError(str(error.args[0])) from None
    except NvmFault as fault:
        raise DeskError(f"{premises}/gas: replaced, but it cannot be kept: {fault}") from None
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
