"""Schedule and Single action schedule (classes 10 and 22)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.cosem.binding import changing_setter
from emulator.cosem.model import Attribute, Binding, InterfaceClass, Invoker, Method, Setter, attribute_key
from emulator.cosem.view import View
from emulator.schedules import (
    ENTRIES,
    ENTRY,
    EXECUTED_SCRIPT,
    EXECUTION_TIMES,
    is_exact,
    repeats_hourly_at_most,
)
from protocols.dlms import axdr
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import parse_type

MAX_ENTRIES = 64
MAX_TIMES = 32
_ENABLE_DISABLE = "st{u16,u16,u16,u16}"
_DELETE = "st{u16,u16}"
_entries_type, _entry_type, _times_type = parse_type(ENTRIES), parse_type(ENTRY), parse_type(EXECUTION_TIMES)
_range_type, _delete_type = parse_type(_ENABLE_DISABLE), parse_type(_DELETE)

_Change = Callable[[list[Any], Data], list[Any]]


def _method(change: _Change) -> Callable[[Binding], Invoker]:
    """Runs a method that makes new entries from old ones and the parameter; ValueError is other-reason."""

    def bind(binding: Binding) -> Invoker:
        key = attribute_key(binding, 2)
        given = _entries_type.encode(binding.spec.values.get("entries", []))

        def invoke(view: View, value: Data | None) -> None:
            assert value is not None
            entries = _entries_type.decode(axdr.decode_all(view.device.values.get(key, given)))
            try:
                entries = change(entries, value)
            except ValueError:
                raise AccessRefused(DataAccessResult.OTHER_REASON) from None
            view.device.values[key] = _entries_type.encode(entries)
            view.device.changed()

        return invoke

    return bind


def _enable_disable(entries: list[Any], value: Data) -> list[Any]:
    """Disable entries of the first range of indices, enable those of the second; a range from 0 to 0 is empty."""
    first_off, last_off, first_on, last_on = _range_type.decode(value)
    for entry in entries:
        if first_off <= entry[0] <= last_off:
            entry[1] = False
        if first_on <= entry[0] <= last_on:
            entry[1] = True
    return entries


def _insert(entries: list[Any], value: Data) -> list[Any]:
    """Insert an entry, in place of one with the same index."""
    entry = _entry_type.decode(value)
    if not repeats_hourly_at_most(entry[4]):
        raise ValueError("a switch time without a minute or second of its own")
    entries = [item for item in entries if item[0] != entry[0]]
    if len(entries) >= MAX_ENTRIES:
        raise ValueError("the schedule is full")
    return sorted([*entries, entry], key=lambda item: item[0])


def _delete(entries: list[Any], value: Data) -> list[Any]:
    first, last = _delete_type.decode(value)
    left = [item for item in entries if not first <= item[0] <= last]
    if len(left) == len(entries):
        raise ValueError("no entry in this range")
    return left


def _set_entries(binding: Binding) -> Setter:
    """Sets all entries; a switch time that repeats within the hour is other-reason."""
    keep = changing_setter(2, MAX_ENTRIES)(binding)

    def write(view: View, value: Data, encoded: bytes) -> None:
        if not all(repeats_hourly_at_most(entry[4]) for entry in _entries_type.decode(value)):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        keep(view, value, encoded)

    return write


def _set_execution_time(binding: Binding) -> Setter:
    """Sets execution times; one with a wildcard in its time is other-reason."""
    keep = changing_setter(4, MAX_TIMES)(binding)

    def write(view: View, value: Data, encoded: bytes) -> None:
        if not all(is_exact(time) for time, _ in _times_type.decode(value)):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        keep(view, value, encoded)

    return write


CLASSES = (
    InterfaceClass(
        10,
        0,
        "Schedule",
        (Attribute(2, "entries", ENTRIES, write=_set_entries, default=[]),),
        (
            Method(1, "enable/disable", _ENABLE_DISABLE, _method(_enable_disable)),
            Method(2, "insert", ENTRY, _method(_insert)),
            Method(3, "delete", _DELETE, _method(_delete)),
        ),
    ),
    InterfaceClass(
        22,
        0,
        "Single action schedule",
        (
            Attribute(2, "executed_script", EXECUTED_SCRIPT, write=changing_setter(2)),
            Attribute(3, "type", "enum", default=1),
            Attribute(4, "execution_time", EXECUTION_TIMES, write=_set_execution_time, default=[]),
        ),
    ),
)
