"""ZigBee network control (class 104), and the private classes 9900 and 9904 that meters of the time before it had.

Payloads of the methods are those of GB's official test data. What a method cannot do is other-reason (250). A second
object of class 104 may stand for the historic log (source ``han.historic``, 0-0:30.3.1 in use case CCS07): its active
devices are those that were removed, its backup theirs; a profile grants nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from emulator.cosem.binding import part_getter, part_method, part_setter, view_getter
from emulator.cosem.encoding import encoder
from emulator.cosem.model import Attribute, Binding, InterfaceClass, Method
from emulator.cosem.view import View
from emulator.han import management
from emulator.han.device_log import KEY_OCTETS, status_of
from emulator.han.management import BACKUP, HISTORIC
from emulator.han.network import Network
from protocols.dlms import datetime

Bound = TypeVar("Bound")

ACTIVE_DEVICES = "arr st{oct8,bits8,i8,i8,i8,u8,u8,u8,oct12,u8,u8,u8,u8,u8}"
REGISTER = "st{oct8,enum,oct16,enum}"
RESTORE = "st{oct8,arr st{oct8,oct}}"
_MINIMUM_RSSI = -128
_STACK_VERSION = 1
_UNHEARD = (*(_MINIMUM_RSSI,) * 3, *(0,) * 3, datetime.UNSPECIFIED, *(0,) * 5)
"""Fields of a device that no frame has come from, after its status."""
_active_devices = encoder(ACTIVE_DEVICES)
_backup_data = encoder(BACKUP)


def _either(current: Callable[[Binding], Bound], historic: Callable[[Binding], Bound]) -> Callable[[Binding], Bound]:
    """One way to bind an object of the device log, another for one of the historic log."""
    return lambda binding: (historic if binding.spec.source == HISTORIC else current)(binding)


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
                datetime.UNSPECIFIED if heard is None else management.time_of(heard),
                entry.hops,
                entry.failures,
                entry.successes,
                major & 0xFF,
                _STACK_VERSION,
            ]
        )
    return _active_devices(rows)


def _historic_devices(_view: View, han: Network) -> bytes:
    """Of these the hub knows the key and nothing else."""
    return _active_devices([[eui64, f"{0:08b}", *_UNHEARD] for eui64 in han.log.historic])


def _check_formed(han: Network) -> None:
    if not han.formed:
        raise ValueError("there is no HAN")


def _permit(_view: View, han: Network, allowed: bool) -> None:
    _check_formed(han)
    han.permit(allowed)


def _set_join_timeout(_view: View, han: Network, seconds: int) -> None:
    han.join_timeout = seconds


def _register(_view: View, han: Network, value: Any) -> None:
    _check_formed(han)
    eui64, kind, key, _ = value
    if not han.register(eui64, key, kind):
        raise ValueError("the device log is full")


def _unregister(_view: View, han: Network, eui64: bytes) -> None:
    if not han.unregister(eui64):
        raise ValueError(f"{eui64.hex()} is not in the device log")


def _unregister_all(_view: View, han: Network, _parameter: Any) -> None:
    han.unregister_all()


def _backup(_view: View, han: Network, _parameter: Any) -> bytes:
    return _backup_data(management.backup(han, han.log.backup()))


def _historic_backup(_view: View, han: Network, _parameter: Any) -> bytes:
    return _backup_data(management.backup(han, han.log.historic_backup()))


def _restore(_view: View, han: Network, value: Any) -> None:
    _check_formed(han)
    extended_pan_id, devices = value
    if any(len(key_hash) not in (0, KEY_OCTETS) for _, key_hash in devices):
        raise ValueError("a hash of a link key has 16 octets, or none where there is no key")
    if not management.restore(han, extended_pan_id, [(eui64, key_hash) for eui64, key_hash in devices]):
        raise ValueError("the device log is full")


def _identify(_view: View, han: Network, eui64: bytes) -> None:
    if not management.identify(han, eui64):
        raise ValueError(f"{eui64.hex()} cannot be reached")


def _remove_mirror(_view: View, han: Network, eui64: bytes) -> None:
    if han.hub.mirrored != eui64:
        raise ValueError(f"no mirror of {eui64.hex()}")
    han.hub.remove_mirror(eui64)


def _update_network_key(_view: View, han: Network, _parameter: Any) -> None:
    _check_formed(han)
    han.update_network_key()


def _update_link_key(_view: View, han: Network, eui64: bytes) -> None:
    if not han.update_link_key(eui64):
        raise ValueError(f"{eui64.hex()} cannot be reached")


def _create(_view: View, han: Network, _parameter: Any) -> None:
    management.create(han)


def _remove(_view: View, han: Network, _parameter: Any) -> None:
    management.remove(han)


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
        (
            *_JOINING,
            Attribute(
                4,
                "active_devices",
                ACTIVE_DEVICES,
                _either(view_getter(Network, _devices), view_getter(Network, _historic_devices)),
            ),
        ),
        (
            Method(1, "register_device", REGISTER, part_method(Network, REGISTER, _register)),
            Method(2, "unregister_device", "oct8", part_method(Network, "oct8", _unregister)),
            Method(3, "unregister_all_devices", "i8", part_method(Network, "i8", _unregister_all)),
            Method(
                4,
                "backup_PAN",
                "",
                _either(part_method(Network, "", _backup), part_method(Network, "", _historic_backup)),
            ),
            Method(5, "restore_PAN", RESTORE, part_method(Network, RESTORE, _restore)),
            Method(6, "identify_device", "oct8", part_method(Network, "oct8", _identify)),
            Method(7, "remove_mirror", "oct8", part_method(Network, "oct8", _remove_mirror)),
            Method(8, "update_network_key", "i8", part_method(Network, "i8", _update_network_key)),
            Method(9, "update_link_key", "oct8", part_method(Network, "oct8", _update_link_key)),
            Method(10, "create_PAN", "", part_method(Network, "", _create)),
            Method(11, "remove_PAN", "", part_method(Network, "", _remove)),
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
            Method(3, "create_HAN", "", part_method(Network, "", _create)),
            Method(4, "identify_device", "oct8", part_method(Network, "oct8", _identify)),
            Method(5, "remove_mirror", "oct8", part_method(Network, "oct8", _remove_mirror)),
            Method(6, "update_network_keys", "i8", part_method(Network, "i8", _update_network_key)),
            Method(7, "update_link_keys", "oct8", part_method(Network, "oct8", _update_link_key)),
            Method(8, "remove_HAN", "", part_method(Network, "", _remove)),
        ),
    ),
    InterfaceClass(9904, 0, "SETC control", _JOINING, ()),
)
