"""What a client of the hub can do to its HAN as a whole (class 104): back it up, restore it, form it, dissolve it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from emulator.han.device_log import KEY_OCTETS
from emulator.han.message import Message
from emulator.smart_energy.application import Application
from emulator.time import stream
from protocols.dlms import datetime
from protocols.zigbee.zcl.clusters import IDENTIFY
from protocols.zigbee.zcl.header import Direction

if TYPE_CHECKING:
    from emulator.han.network import Network

BACKUP = "st{oct12,oct8,arr st{oct8,oct}}"
"""When it was made, the extended PAN id, and EUI-64 and hash of the link key of every device (RTDS, CS14 and CCS07)."""
HISTORIC = "han.historic"
"""What profiles call the HAN behind an object that stands for the historic log."""
_ENDPOINT = 1
"""Of the hub's energy service interface."""
_IDENTIFY, _IDENTIFY_TIME = 0x00, 60  # s
_EXTENDED_PAN_IDS = range(1, 0xFFFF_FFFF_FFFF_FFFF)
"""All zeros and all ones are those of no network (Zigbee specification, 3.5.2)."""


def time_of(utc: int) -> bytes:
    """A date-time as the official data has it here: deviation and clock status are not specified. ``utc`` in ns."""
    return datetime.pack_utc(utc)[:9] + datetime.UNSPECIFIED[9:]


def backup(han: Network, devices: Iterable[tuple[bytes, bytes]]) -> list[object]:
    """The backup of the device log, or of the historic log, as :data:`BACKUP` has it."""
    return [time_of(han.hub.utc), han.extended_pan_id, [list(device) for device in devices]]


def restore(han: Network, extended_pan_id: bytes, devices: list[tuple[bytes, bytes]]) -> bool:
    """Take the place of the hub that made the backup, with its extended PAN id and its devices, by which they find it.

    False, and nothing changed, when the log has no room; ValueError for the extended PAN id of no network.
    """
    if int.from_bytes(extended_pan_id, "big") not in _EXTENDED_PAN_IDS:
        raise ValueError(f"{extended_pan_id.hex()} is not the extended PAN id of a network")
    before, han.extended_pan_id = han.extended_pan_id, extended_pan_id
    if han.restore_backup(devices):
        return True
    han.extended_pan_id = before
    return False


def identify(han: Network, eui64: bytes) -> bool:
    """Tell a device, by the Identify cluster, to show which one it is: False for one that does not hear.

    That is one that is not on the HAN, sleeps, or has no power. The device logs that it was told.
    """
    member = han.find(eui64)
    if member is None or not member.on or member.device.firmware.sleep is not None:
        return False
    settings, application = member.device.firmware.zigbee, han.application
    if settings is None or not isinstance(application, Application) or not han.reaches(han.hub, member.device):
        return False
    endpoint = settings.endpoints[0]
    head = Message(endpoint.profile, IDENTIFY.id, _ENDPOINT, endpoint.number, b"")
    command = application.command_message(head, _IDENTIFY, {"identify_time": _IDENTIFY_TIME}, Direction.TO_SERVER)

    def done(delivered: bool) -> None:
        if delivered:
            member.device.record("device_identified")

    han.send(member.address, command, done)
    return True


def create(han: Network) -> None:
    """Form a HAN anew, with another PAN id and network key, its own EUI-64 for the extended PAN id, and nobody on it.

    ValueError while there is one: it has to be removed first.
    """
    if han.formed:
        raise ValueError("the HAN is there")
    hub = han.hub
    chance = stream(hub.seed, hub.identity.device_id, f"HAN {han.network_key.hex()}")
    han.form(chance.randrange(1, 0xFFFF), hub.identity.eui64, han.channel, chance.randbytes(KEY_OCTETS), 0)
    hub.record("network_key_changed")


def remove(han: Network) -> None:
    """Dissolve the HAN: devices lose it, and the device log is empty. ValueError where there is none."""
    if not han.formed:
        raise ValueError("there is no HAN")
    han.disband()
    han.hub.record("device_log_changed")
