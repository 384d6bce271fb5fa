"""Single values: Data, Register, Extended register and Demand register (classes 1, 3, 4, 5)."""

from __future__ import annotations

from emulator.cosem.binding import part_getter, part_method, quantity_getter, quantity_setter
from emulator.cosem.encoding import encoder
from emulator.cosem.model import Attribute, Binding, Getter, InterfaceClass, Invoker, Method, Setter, stored_getter
from emulator.cosem.view import View
from emulator.demand import DemandRegister, Maximum
from protocols.dlms import axdr
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused

SCALER_UNIT = "st{i8,enum}"


def _value_getter(binding: Binding) -> Getter:
    """A quantity of the device, or a stored value where the profile names none."""
    if binding.spec.source:
        return quantity_getter(binding)
    return stored_getter(_value_key(binding), axdr.NULL)


def _value_setter(binding: Binding) -> Setter | None:
    return quantity_setter(binding) if binding.spec.source else None


def _value_key(binding: Binding) -> bytes:
    return binding.spec.class_id.to_bytes(2, "big") + binding.spec.logical_name + b"\x02"


def _reset_quantity(binding: Binding) -> Invoker:
    reset = binding.quantity().reset if binding.spec.source else None

    def invoke(view: View, _parameter: Data | None) -> None:
        if reset is None:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        reset(view.device)

    return invoke


def _reset_maximum(_view: View, maximum: Maximum, _parameter: object) -> None:
    maximum.reset()


def _reset_demand(view: View, demand: DemandRegister, _parameter: object) -> None:
    demand.reset(view.device.time)


def _next_period(view: View, demand: DemandRegister, _parameter: object) -> None:
    demand.close_period(view.device.time)


_u32 = encoder("u32")

CLASSES = (
    InterfaceClass(1, 0, "Data", (Attribute(2, "value", "any", _value_getter, _value_setter),)),
    InterfaceClass(
        3,
        0,
        "Register",
        (
            Attribute(2, "value", "any", _value_getter, _value_setter),
            Attribute(3, "scaler_unit", SCALER_UNIT),
        ),
        (Method(1, "reset", "i8", _reset_quantity),),
    ),
    InterfaceClass(
        4,
        0,
        "Extended register",
        (
            Attribute(2, "value", "any", part_getter(Maximum, "u32", lambda part: part.value)),
            Attribute(3, "scaler_unit", SCALER_UNIT),
            Attribute(4, "status", "any", part_getter(Maximum, "u8", lambda part: part.status)),
            Attribute(5, "capture_time", "oct12", part_getter(Maximum, "oct12", lambda part: part.capture_time)),
        ),
        (Method(1, "reset", "i8", part_method(Maximum, "i8", _reset_maximum)),),
    ),
    InterfaceClass(
        5,
        0,
        "Demand register",
        (
            Attribute(2, "current_average_value", "any", part_getter(DemandRegister, "u32", lambda part: part.current)),
            Attribute(3, "last_average_value", "any", part_getter(DemandRegister, "u32", lambda part: part.last)),
            Attribute(4, "scaler_unit", SCALER_UNIT),
            Attribute(5, "status", "any", part_getter(DemandRegister, "u8", lambda part: part.status)),
            Attribute(6, "capture_time", "oct12", part_getter(DemandRegister, "oct12", lambda part: part.capture_time)),
            Attribute(
                7, "start_time_current", "oct12", part_getter(DemandRegister, "oct12", lambda part: part.start_time)
            ),
            Attribute(8, "period", "u32", part_getter(DemandRegister, "u32", lambda part: part.period)),
            Attribute(9, "number_of_periods", "u16", part_getter(DemandRegister, "u16", lambda part: part.periods)),
        ),
        (
            Method(1, "reset", "i8", part_method(DemandRegister, "i8", _reset_demand)),
            Method(2, "next_period", "i8", part_method(DemandRegister, "i8", _next_period)),
        ),
    ),
)
