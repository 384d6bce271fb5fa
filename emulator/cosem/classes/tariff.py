"""Tariff switching: Register activation, Special days table and Activity calendar (classes 6, 11 and 20)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.cosem.binding import MAX_ELEMENTS, changing_setter
from emulator.cosem.model import Attribute, Binding, Getter, InterfaceClass, Invoker, Method, Setter, attribute_key
from emulator.cosem.view import View
from emulator.meter import Meter
from emulator.tariff import ASSIGNMENT, DAYS, MASKS, SEASONS, SPECIAL_DAYS, WEEKS
from protocols.dlms import axdr, datetime
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import DataType, parse_type

_OBJECT, _MASK, _SPECIAL_DAY = "st{u16,oct6}", "st{oct,arr u8}", "st{u16,oct5,u8}"
_octets = parse_type("oct")


def _active_mask(binding: Binding) -> Getter:
    part = binding.component(Meter)
    delivered = binding.spec.values.get("active_mask", "")
    first = _octets.encode(delivered)

    def read(view: View) -> bytes:
        mask = part(view).metering.mask
        return axdr.octets(mask) if mask else first

    return read


def _select_mask(binding: Binding) -> Setter:
    part = binding.component(Meter)

    def write(view: View, value: Data, _encoded: bytes) -> None:
        try:
            part(view).select_mask(_octets.decode(value))
        except ValueError:
            raise AccessRefused(DataAccessResult.OTHER_REASON) from None

    return write


def _element_method(
    index: int, list_text: str, change: Callable[[list[Any], Any], list[Any]], parameter: str
) -> Callable[[Binding], Invoker]:
    """Runs a method that changes the list in attribute ``index``; ValueError is other-reason."""
    list_type, parameter_type = parse_type(list_text), parse_type(parameter)

    def bind(binding: Binding) -> Invoker:
        key = attribute_key(binding, index)
        default = _given(binding, index, list_type)

        def invoke(view: View, value: Data | None) -> None:
            assert value is not None
            elements = list_type.decode(axdr.decode_all(view.device.values.get(key, default)))
            try:
                elements = change(elements, parameter_type.decode(value))
                if len(elements) > MAX_ELEMENTS:
                    raise ValueError("the table is full")
            except ValueError:
                raise AccessRefused(DataAccessResult.OTHER_REASON) from None
            view.device.values[key] = list_type.encode(elements)
            view.device.changed()

        return invoke

    return bind


def _given(binding: Binding, index: int, list_type: DataType) -> bytes:
    name = _LISTS[binding.spec.class_id, index]
    return list_type.encode(binding.spec.values.get(name, []))


_LISTS = {(6, 2): "register_assignment", (6, 3): "mask_list", (11, 2): "entries"}


def _add(elements: list[Any], element: Any) -> list[Any]:
    """Add an element, in place of one with the same first part (a mask of that name, a special day of that index)."""
    return [*(item for item in elements if item[0] != element[0]), element]


def _add_register(elements: list[Any], element: Any) -> list[Any]:
    if element in elements:
        raise ValueError("this register is assigned already")
    return [*elements, element]


def _delete(elements: list[Any], name: Any) -> list[Any]:
    left = [item for item in elements if item[0] != name]
    if len(left) == len(elements):
        raise ValueError("no such element")
    return left


def _activate(binding: Binding) -> Invoker:
    part = binding.component(Meter)

    def invoke(view: View, _value: Data | None) -> None:
        part(view).activate_calendar()

    return invoke


def _plan_passive(binding: Binding) -> Setter:
    """When the passive calendar takes over: now for all zeros."""
    part, put = binding.component(Meter), changing_setter(10)(binding)

    def write(view: View, value: Data, encoded: bytes) -> None:
        if _octets.decode(value)[:9] == datetime.AT_ONCE:
            part(view).activate_calendar()
        else:
            put(view, value, encoded)

    return write


def _calendar_tables(first: int, suffix: str) -> tuple[Attribute, ...]:
    """The four attributes of the active or the passive calendar; changes of the active one are heard at once."""
    active = suffix == "active"
    texts = (
        (f"calendar_name_{suffix}", "oct"),
        (f"season_profile_{suffix}", SEASONS),
        (f"week_profile_table_{suffix}", WEEKS),
        (f"day_profile_table_{suffix}", DAYS),
    )
    return tuple(
        Attribute(
            index, name, text, write=changing_setter(index) if active else None, default=b"" if text == "oct" else []
        )
        for index, (name, text) in enumerate(texts, first)
    )


CLASSES = (
    InterfaceClass(
        6,
        0,
        "Register activation",
        (
            Attribute(2, "register_assignment", ASSIGNMENT, write=changing_setter(2), default=[]),
            Attribute(3, "mask_list", MASKS, write=changing_setter(3), default=[]),
            Attribute(4, "active_mask", "oct", _active_mask, _select_mask),
        ),
        (
            Method(1, "add_register", _OBJECT, _element_method(2, ASSIGNMENT, _add_register, _OBJECT)),
            Method(2, "add_mask", _MASK, _element_method(3, MASKS, _add, _MASK)),
            Method(3, "delete_mask", "oct", _element_method(3, MASKS, _delete, "oct")),
        ),
    ),
    InterfaceClass(
        11,
        0,
        "Special days table",
        (Attribute(2, "entries", SPECIAL_DAYS, write=changing_setter(2), default=[]),),
        (
            Method(1, "insert", _SPECIAL_DAY, _element_method(2, SPECIAL_DAYS, _add, _SPECIAL_DAY)),
            Method(2, "delete", "u16", _element_method(2, SPECIAL_DAYS, _delete, "u16")),
        ),
    ),
    InterfaceClass(
        20,
        0,
        "Activity calendar",
        (
            *_calendar_tables(2, "active"),
            *_calendar_tables(6, "passive"),
            Attribute(
                10,
                "activate_passive_calendar_time",
                "oct12",
                write=_plan_passive,
                default=datetime.UNSPECIFIED,
            ),
        ),
        (Method(1, "activate_passive_calendar", "i8", _activate),),
    ),
)
