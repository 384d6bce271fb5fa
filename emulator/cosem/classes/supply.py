"""Disconnect control and Limiter (classes 70 and 71)."""

from __future__ import annotations

from typing import Any

from emulator.cosem.binding import part_getter, part_method, part_setter, view_getter
from emulator.cosem.encoding import encoder
from emulator.cosem.model import Attribute, InterfaceClass, Method
from emulator.cosem.view import View
from emulator.device import LAST_TIME
from emulator.supply import ACTIONS, MODES, LoadLimiter, SupplySwitch, Way
from protocols.dlms import axdr, datetime

MONITORED_VALUE = "st{u16,oct6,i8}"
EMERGENCY_PROFILE = "st{u16,oct12,u32}"


def _set_mode(_view: View, switch: SupplySwitch, mode: int) -> None:
    if mode not in MODES:
        raise ValueError(f"control mode {mode}: 0 to 6")
    switch.mode = mode


def _disconnect(_view: View, switch: SupplySwitch, _parameter: Any) -> None:
    switch.disconnect(Way.REMOTE)


def _reconnect(_view: View, switch: SupplySwitch, _parameter: Any) -> None:
    switch.reconnect(Way.REMOTE)


_u32 = encoder("u32")


def _threshold_active(view: View, limiter: LoadLimiter) -> bytes:
    return _u32(limiter.threshold(view.device.utc))


def _emergency_active(view: View, limiter: LoadLimiter) -> bytes:
    return axdr.boolean(limiter.emergency(view.device.utc))


def _emergency_profile(_view: View, limiter: LoadLimiter) -> bytes:
    return axdr.structure(
        axdr.u16(limiter.emergency_id),
        axdr.octets(datetime.pack_utc(limiter.emergency_activation)),
        axdr.u32(limiter.emergency_duration),
    )


def _set_threshold_normal(view: View, limiter: LoadLimiter, value: int) -> None:
    limiter.threshold_normal = value
    view.device.reconsider()


def _set_threshold_emergency(view: View, limiter: LoadLimiter, value: int) -> None:
    limiter.emergency_threshold = value
    view.device.reconsider()


def _set_min_over(view: View, limiter: LoadLimiter, value: int) -> None:
    limiter.min_over = value
    view.device.reconsider()


def _set_min_under(view: View, limiter: LoadLimiter, value: int) -> None:
    limiter.min_under = value
    view.device.reconsider()


def _set_emergency_profile(view: View, limiter: LoadLimiter, value: Any) -> None:
    profile_id, begin, duration = value
    if limiter.group_ids and profile_id not in limiter.group_ids:
        raise ValueError(f"emergency profile {profile_id} is not in the group list")
    activation = datetime.unpack_utc(begin)
    if not 0 <= activation < LAST_TIME:
        raise ValueError("an emergency profile begins in the years 1970 to 2099")
    limiter.emergency_id = profile_id
    limiter.emergency_activation = activation
    limiter.emergency_duration = duration
    view.device.reconsider()


def _set_group_ids(_view: View, limiter: LoadLimiter, value: Any) -> None:
    limiter.group_ids = tuple(value)


CLASSES = (
    InterfaceClass(
        70,
        0,
        "Disconnect control",
        (
            Attribute(2, "output_state", "bool", part_getter(SupplySwitch, "bool", lambda part: part.output)),
            Attribute(3, "control_state", "enum", part_getter(SupplySwitch, "enum", lambda part: part.state)),
            Attribute(
                4,
                "control_mode",
                "enum",
                part_getter(SupplySwitch, "enum", lambda part: part.mode),
                part_setter(SupplySwitch, "enum", _set_mode),
            ),
        ),
        (
            Method(1, "remote_disconnect", "i8", part_method(SupplySwitch, "i8", _disconnect)),
            Method(2, "remote_reconnect", "i8", part_method(SupplySwitch, "i8", _reconnect)),
        ),
    ),
    InterfaceClass(
        71,
        0,
        "Limiter",
        (
            Attribute(2, "monitored_value", MONITORED_VALUE),
            Attribute(3, "threshold_active", "u32", view_getter(LoadLimiter, _threshold_active)),
            Attribute(
                4,
                "threshold_normal",
                "u32",
                part_getter(LoadLimiter, "u32", lambda part: part.threshold_normal),
                part_setter(LoadLimiter, "u32", _set_threshold_normal),
            ),
            Attribute(
                5,
                "threshold_emergency",
                "u32",
                part_getter(LoadLimiter, "u32", lambda part: part.emergency_threshold),
                part_setter(LoadLimiter, "u32", _set_threshold_emergency),
            ),
            Attribute(
                6,
                "min_over_threshold_duration",
                "u32",
                part_getter(LoadLimiter, "u32", lambda part: part.min_over),
                part_setter(LoadLimiter, "u32", _set_min_over),
            ),
            Attribute(
                7,
                "min_under_threshold_duration",
                "u32",
                part_getter(LoadLimiter, "u32", lambda part: part.min_under),
                part_setter(LoadLimiter, "u32", _set_min_under),
            ),
            Attribute(
                8,
                "emergency_profile",
                EMERGENCY_PROFILE,
                view_getter(LoadLimiter, _emergency_profile),
                part_setter(LoadLimiter, EMERGENCY_PROFILE, _set_emergency_profile),
            ),
            Attribute(
                9,
                "emergency_profile_group_id_list",
                "arr u16",
                part_getter(LoadLimiter, "arr u16", lambda part: list(part.group_ids)),
                part_setter(LoadLimiter, "arr u16", _set_group_ids),
            ),
            Attribute(10, "emergency_profile_active", "bool", view_getter(LoadLimiter, _emergency_active)),
            Attribute(11, "actions", ACTIONS, default=[[bytes(6), 0], [bytes(6), 0]]),
        ),
    ),
)
