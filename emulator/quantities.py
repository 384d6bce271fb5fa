"""What every device offers a profile to put behind its objects: identity, firmware, clock, logs, keys, image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from emulator.alarms import clear_alarms, clear_errors
from emulator.cosem.model import Quantity
from emulator.device import Device
from protocols.dlms import datetime
from protocols.dlms.datetime import DAY, days_of

SECONDS_2000 = days_of(2000, 1, 1) * DAY
LOGICAL_DEVICE_NAME_OCTETS = 16


def logical_device_name(device: Device) -> bytes:
    """COSEM logical device name: the FLAG id and the serial number, 16 octets at most (Blue Book, class 1)."""
    serial = device.identity.serial
    return (device.firmware.flag_id + serial)[:LOGICAL_DEVICE_NAME_OCTETS].encode("ascii")


def _checksum(device: Device) -> bytes:
    """Stands for the checksum of the metrological part: the same for the same make and version."""
    text = f"{device.firmware.make}/{device.firmware.model_name}/{device.version}"
    return hashlib.sha256(text.encode()).digest()[:4]


def _last_set(device: Device) -> bytes:
    at = device.device_clock.last_set
    return device.device_clock.pack(at) if at else datetime.UNSPECIFIED


def _utc_seconds(device: Device) -> int:
    return min(max(0, device.utc // datetime.SECOND - SECONDS_2000), 0xFFFF_FFFF)


def _event(log: str) -> Quantity:
    return Quantity("u16", lambda device: device.event_codes.get(log, 0))


def _counter(association: str) -> Quantity:
    """The highest invocation counter accepted from the client of an association."""

    def read(device: Device) -> int:
        return device.security(device.firmware.model.by_name[association]).counters.received

    return Quantity("u32", read)


QUANTITIES: Mapping[str, Quantity] = {
    "identity.logical_device_name": Quantity("oct", logical_device_name),
    "identity.serial": Quantity("oct", lambda device: device.identity.serial.encode("ascii")),
    "identity.eui64": Quantity("oct", lambda device: device.identity.eui64),
    "identity.point": Quantity("oct", lambda device: device.identity.point.encode("ascii")),
    "identity.make": Quantity("oct", lambda device: device.firmware.make.encode("ascii")),
    "identity.model": Quantity("oct", lambda device: device.firmware.model_name.encode("ascii")),
    "firmware.version": Quantity("oct", lambda device: device.version.encode("ascii")),
    "firmware.checksum": Quantity("oct", _checksum),
    "clock.last_set": Quantity("oct", _last_set),
    "clock.utc_seconds": Quantity("u32", _utc_seconds),
    "errors": Quantity("u32", lambda device: device.errors, clear_errors),
    "alarms": Quantity("u32", lambda device: device.alarms, clear_alarms),
    "power.failures": Quantity("u16", lambda device: device.power_failures & 0xFFFF),
    "uptime": Quantity("u32", lambda device: device.uptime),
    "reboots": Quantity("u16", lambda device: device.boots - 1 & 0xFFFF),
}

QUANTITY_FAMILIES: Mapping[str, Callable[[str], Quantity]] = {"event": _event, "counter": _counter}

COMPONENTS: Mapping[str, Callable[[Device], object]] = {
    "clock": lambda device: device.device_clock,
    "image": lambda device: device.image,
}

COMPONENT_FAMILIES: Mapping[str, Callable[[Device, str], object]] = {
    "buffer": lambda device, name: device.buffer(name),
    "security": lambda device, name: device.security(device.firmware.model.by_name[name]),
}
