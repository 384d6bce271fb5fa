"""Clock (class 8)."""

from __future__ import annotations

from typing import Any

from emulator.cosem.binding import part_getter, part_method, part_setter, view_getter
from emulator.cosem.model import Attribute, Binding, Getter, InterfaceClass, Invoker, Method
from emulator.cosem.view import View
from emulator.device_clock import CRYSTAL, DeviceClock
from emulator.time import MINUTE, SECOND
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import parse_type
from protocols.errors import DecodeError

MAX_SHIFT = 900
"""shift_time moves the clock by no more seconds either way (Blue Book, class 8)."""
MAX_DST_MINUTES = 120
_PRESET = "st{oct12,oct12,oct12}"
_preset_type = parse_type(_PRESET)
_TIME_HEAD = b"\x09\x0c"


def _time(binding: Binding) -> Getter:
    binding.component(DeviceClock)

    def read(view: View) -> bytes:
        device = view.device
        return _TIME_HEAD + device.device_clock.packed(device.time)

    return read


def _set_time(view: View, clock: DeviceClock, octets: bytes) -> None:
    utc = clock.unpack(octets)
    if not utc:
        raise ValueError("a time of which nothing is specified")
    view.device.set_clock(utc)


def _status(view: View, clock: DeviceClock) -> bytes:
    return bytes((0x11, clock.status(view.device.utc // SECOND)))


def _changed(view: View, clock: DeviceClock) -> None:
    """Zone or daylight saving have changed: what is due by local time is due at another instant."""
    clock.forget_packed()
    view.device.clock_moved()


def _set_zone(view: View, clock: DeviceClock, minutes: int) -> None:
    if not -720 <= minutes <= 840:
        raise ValueError("time_zone is -720 to 840 minutes")
    view.device.begin_change()
    clock.time_zone = minutes
    _changed(view, clock)


def _set_dst_begin(view: View, clock: DeviceClock, pattern: bytes) -> None:
    view.device.begin_change()
    clock.dst_begin = pattern
    _changed(view, clock)


def _set_dst_end(view: View, clock: DeviceClock, pattern: bytes) -> None:
    view.device.begin_change()
    clock.dst_end = pattern
    _changed(view, clock)


def _set_dst_deviation(view: View, clock: DeviceClock, minutes: int) -> None:
    if abs(minutes) > MAX_DST_MINUTES:
        raise ValueError("daylight_savings_deviation is -120 to 120 minutes")
    view.device.begin_change()
    clock.dst_deviation = minutes
    _changed(view, clock)


def _set_dst_enabled(view: View, clock: DeviceClock, enabled: bool) -> None:
    view.device.begin_change()
    clock.dst_enabled = enabled
    _changed(view, clock)


def _to_nearest(view: View, step: int) -> None:
    utc = view.device.utc
    view.device.set_clock((utc + step // 2) // step * step)


def _to_quarter(view: View, _clock: DeviceClock, _value: Any) -> None:
    _to_nearest(view, 15 * MINUTE)


def _to_measuring_period(view: View, _clock: DeviceClock, _value: Any) -> None:
    _to_nearest(view, view.device.measuring_period * SECOND)


def _to_minute(view: View, _clock: DeviceClock, _value: Any) -> None:
    _to_nearest(view, MINUTE)


def _preset_key(binding: Binding) -> bytes:
    return binding.spec.logical_name + b"preset"


def _preset(binding: Binding) -> Invoker:
    """Keep a time to be taken by adjust_to_preset_time while the clock is between two others."""
    key = _preset_key(binding)
    part = binding.component(DeviceClock)

    def invoke(view: View, value: Data | None) -> None:
        assert value is not None
        given = _preset_type.decode(value)
        try:
            for octets in given:
                part(view).unpack(octets)
        except DecodeError:
            raise AccessRefused(DataAccessResult.OTHER_REASON) from None
        view.device.values[key] = b"".join(given)

    return invoke


def _to_preset(binding: Binding) -> Invoker:
    key = _preset_key(binding)
    part = binding.component(DeviceClock)

    def invoke(view: View, _value: Data | None) -> None:
        kept = view.device.values.get(key)
        if kept is None:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        preset, begin, end = (part(view).unpack(kept[at : at + 12]) for at in (0, 12, 24))
        if not preset or not begin <= view.device.utc <= (end or view.device.utc):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        try:
            view.device.set_clock(preset)
        except ValueError:
            raise AccessRefused(DataAccessResult.OTHER_REASON) from None
        del view.device.values[key]

    return invoke


def _shift(view: View, _clock: DeviceClock, seconds: int) -> None:
    if abs(seconds) > MAX_SHIFT:
        raise ValueError(f"shift_time of {seconds} s: {-MAX_SHIFT} to {MAX_SHIFT}")
    view.device.set_clock(view.device.utc + seconds * SECOND)


CLASSES = (
    InterfaceClass(
        8,
        0,
        "Clock",
        (
            Attribute(2, "time", "oct12", _time, part_setter(DeviceClock, "oct12", _set_time)),
            Attribute(
                3,
                "time_zone",
                "i16",
                part_getter(DeviceClock, "i16", lambda part: part.time_zone),
                part_setter(DeviceClock, "i16", _set_zone),
            ),
            Attribute(4, "status", "u8", view_getter(DeviceClock, _status)),
            Attribute(
                5,
                "daylight_savings_begin",
                "oct12",
                part_getter(DeviceClock, "oct12", lambda part: part.dst_begin),
                part_setter(DeviceClock, "oct12", _set_dst_begin),
            ),
            Attribute(
                6,
                "daylight_savings_end",
                "oct12",
                part_getter(DeviceClock, "oct12", lambda part: part.dst_end),
                part_setter(DeviceClock, "oct12", _set_dst_end),
            ),
            Attribute(
                7,
                "daylight_savings_deviation",
                "i8",
                part_getter(DeviceClock, "i8", lambda part: part.dst_deviation),
                part_setter(DeviceClock, "i8", _set_dst_deviation),
            ),
            Attribute(
                8,
                "daylight_savings_enabled",
                "bool",
                part_getter(DeviceClock, "bool", lambda part: part.dst_enabled),
                part_setter(DeviceClock, "bool", _set_dst_enabled),
            ),
            Attribute(9, "clock_base", "enum", part_getter(DeviceClock, "enum", lambda _part: CRYSTAL)),
        ),
        (
            Method(1, "adjust_to_quarter", "i8", part_method(DeviceClock, "i8", _to_quarter)),
            Method(2, "adjust_to_measuring_period", "i8", part_method(DeviceClock, "i8", _to_measuring_period)),
            Method(3, "adjust_to_minute", "i8", part_method(DeviceClock, "i8", _to_minute)),
            Method(4, "adjust_to_preset_time", "i8", _to_preset),
            Method(5, "preset_adjusting_time", _PRESET, _preset),
            Method(6, "shift_time", "i16", part_method(DeviceClock, "i16", _shift)),
        ),
    ),
)
