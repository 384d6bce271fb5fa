"""ZigBee network control (class 104), and the private classes 9900 and 9904 that meters of the time before it had.

Payloads of the methods are those of GB's official test data. What a method cannot do is other-reason (250).
"""

from __future__ import annotations

from typing import Any

from emulator.cosem.binding import part_getter, part_method, part_setter, view_getter
from emulator.cosem.encoding import encoder
from emulator.cosem.model import Attribute, InterfaceClass, Method
from emulator.cosem.view import View
from emulator.han.device_log import status_of
from emulator.han.network import Network
from protocols.dlms import datetime

ACTIVE_DEVICES = "arr st{oct8,bits8,i8,i8,i8,u8,u8,u8,oct12,u8,u8,u8,u8,u8}"
REGISTER = "st{oct8,enum,oct16,enum}"
BACKUP = "st{oct12,oct8,arr st{oct8,oct}}"
RESTORE = "st{oct8,arr st{oct8,oct}}"
_MINIMUM_RSSI = -128
_KEY_OCTETS = 16
_active_devices = encoder(ACTIVE_DEVICES)
_backup_data = encoder(BACKUP)


def _time(utc: int) -> bytes:
    """A date-time as the official data has it here: deviation and clock status are not specified."""
    return datetime.pack_utc(utc)[:9] + datetime.UNSPECIFIED[9:]


def _devices(view: View, han: Network) -> bytes:
    hub = view.device
    major = int(hub.version.split(".")[0]) if hub.version[:1].isdigit() else 0
    rows: list[list[object]] = []
    for entry in han.log:
        reporting = han.refresh(entry)
        heard = hub.device_clock.utc(entry.heard_at) if entry.heard_at else None
        rssi = (entry.rssi.highest, entry.rssi.mean, entry.rssi.lowest) if entry.rssi.count else (_MINIMUM_RSSI,) * 3
        rows.append(
            [
                entry.eui64,
                f"{status_of(entry, reporting=reporting):08b}",
                *rssi,
                entry.lqi.highest,
                entry.lqi.mean,
                entry.lqi.lowest,
                datetime.UNSPECIFIED if heard is None else _time(heard),
                entry.hops,
                entry.failures,
                entry.successes,
                major & 0xFF,
                1,
            ]
        )
    return _active_devices(rows)


def _permit(_view: View, han: Network, allowed: bool) -> None:
    han.permit(allowed)


def _set_join_timeout(_view: View, han: Network, seconds: int) -> None:
    han.join_timeout = seconds


def _register(_view: View, han: Network, value: Any) -> None:
    eui64, kind, key, _ = value
    if not han.register(eui64, key, kind):
        raise ValueError("the device log is full")


def _unregister(_view: View, han: Network, eui64: bytes) -> None:
    if not han.unregister(eui64):
        raise ValueError(f"{eui64.hex()} is not in the device log")


def _unregister_all(_view: View, han: Network, _parameter: Any) -> None:
    han.unregister_all()


def _backup(view: View, han: Network, _parameter: Any) -> bytes:
    hub = view.device
    devices = [[eui64, key_hash] for eui64, key_hash in han.log.backup()]
    return _backup_data([_time(hub.utc), hub.identity.eui64, devices])


def _restore(_view: View, han: Network, value: Any) -> None:
    _, devices = value
    if any(len(key_hash) not in (0, _KEY_OCTETS) for _, key_hash in devices):
        raise ValueError("a hash of a link key has 16 octets, or none where there is no key")
    if not han.restore_backup([(eui64, key_hash) for eui64, key_hash in devices]):
        raise ValueError("the device log is full")


def _remove_mirror(_view: View, han: Network, eui64: bytes) -> None:
    if han.hub.mirrored != eui64:
        raise ValueError(f"no mirror of {eui64.hex()}")
    han.hub.remove_mirror(eui64)


def _update_network_key(_view: View, han: Network, _parameter: Any) -> None:
    han.update_network_key()


def _update_link_key(_view: View, han: Network, eui64: bytes) -> None:
    if not han.update_link_key(eui64):
        raise ValueError(f"{eui64.hex()} cannot be reached")


_JOINING = (
    Attribute(
        2,
        "enable_disable_joining",
        "bool",
        part_getter(Network, "bool", lambda han: han.permitting),
        part_setter(Network, "bool", _permit),
    ),
    Attribute(
        3,
        "join_timeout",
        "u16",
        part_getter(Network, "u16", lambda han: han.join_timeout),
        part_setter(Network, "u16", _set_join_timeout),
    ),
)

CLASSES = (
    InterfaceClass(
        104,
        0,
        "ZigBee network control",
        (*_JOINING, Attribute(4, "active_devices", ACTIVE_DEVICES, view_getter(Network, _devices))),
        (
            Method(1, "register_device", REGISTER, part_method(Network, REGISTER, _register)),
            Method(2, "unregister_device", "oct8", part_method(Network, "oct8", _unregister)),
            Method(3, "unregister_all_devices", "i8", part_method(Network, "i8", _unregister_all)),
            Method(4, "backup_PAN", "", part_method(Network, "", _backup)),
            Method(5, "restore_PAN", RESTORE, part_method(Network, RESTORE, _restore)),
            Method(7, "remove_mirror", "oct8", part_method(Network, "oct8", _remove_mirror)),
            Method(8, "update_network_key", "i8", part_method(Network, "i8", _update_network_key)),
            Method(9, "update_link_key", "oct8", part_method(Network, "oct8", _update_link_key)),
        ),
    ),
    InterfaceClass(
        9900,
        0,
        "HAN management",
        (),
        (
            Method(1, "backup", "", part_method(Network, "", _backup)),
            Method(2, "restore", RESTORE, part_method(Network, RESTORE, _restore)),
            Method(5, "remove_mirror", "oct8", part_method(Network, "oct8", _remove_mirror)),
            Method(6, "update_network_keys", "i8", part_method(Network, "i8", _update_network_key)),
            Method(7, "update_link_keys", "oct8", part_method(Network, "oct8", _update_link_key)),
        ),
    ),
    InterfaceClass(9904, 0, "SETC control", _JOINING, ()),
)
