"""Single values: Data, Register, Extended register and Demand register (classes 1, 3, 4, 5)."""

from __future__ import annotations

from collections.abc import Callable

from emulator.cosem.binding import part_getter, part_method, quantity_getter, quantity_setter, view_getter
from emulator.cosem.encoding import encoder
from emulator.cosem.model import Attribute, Binding, Getter, InterfaceClass, Invoker, Method, Setter
from emulator.cosem.view import View
from emulator.demand import Demand
from emulator.meter import Meter
from protocols.dlms import axdr, datetime
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused

SCALER_UNIT = "st{i8,enum}"


def _value_getter(binding: Binding) -> Getter | None:
    """A quantity of the device; where the profile names none the value is stored."""
    return quantity_getter(binding) if binding.spec.source else None


def _value_setter(binding: Binding) -> Setter | None:
    return quantity_setter(binding) if binding.spec.source else None


def _reset_quantity(binding: Binding) -> Invoker:
    reset = binding.quantity().reset if binding.spec.source else None

    def invoke(view: View, _parameter: Data | None) -> None:
        if reset is None:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        reset(view.device)

    return invoke


def _reset_demand(view: View, _demand: Demand, _parameter: object) -> None:
    """Forget the maximum, and end the current period."""
    meter = _meter(view)
    meter.begin_change()
    if meter.demand:
        meter.demand.reset(meter.metering, meter.device_clock, meter.time)


def _next_period(view: View, _demand: Demand, _parameter: object) -> None:
    meter = _meter(view)
    meter.begin_change()
    if meter.demand:
        meter.demand.end_period(meter.metering, meter.device_clock, meter.time)


def _meter(view: View) -> Meter:
    """Only meters have demand."""
    device = view.device
    assert isinstance(device, Meter)
    return device


def _updated(read: Callable[[Demand, View], int], type_text: str) -> Callable[[Binding], Getter]:
    """Reads a number of the demand brought up to the present."""
    encode = encoder(type_text)

    def value(view: View, demand: Demand) -> bytes:
        meter = _meter(view)
        demand.update(meter.metering, meter.device_clock, meter.time)
        return encode(read(demand, view))

    return view_getter(Demand, value)


def _instant(read: Callable[[Demand], int]) -> Callable[[Binding], Getter]:
    """Reads an instant of the demand brought up to the present as a date-time, not specified for 0."""

    def value(view: View, demand: Demand) -> bytes:
        meter = _meter(view)
        demand.update(meter.metering, meter.device_clock, meter.time)
        at = read(demand)
        return axdr.octets(meter.device_clock.pack(at) if at else datetime.UNSPECIFIED)

    return view_getter(Demand, value)


def _current(demand: Demand, view: View) -> int:
    meter = _meter(view)
    return demand.current(meter.metering, meter.device_clock, meter.time)


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
            Attribute(2, "value", "any", _updated(lambda demand, _view: demand.maximum, "u32")),
            Attribute(3, "scaler_unit", SCALER_UNIT),
            Attribute(4, "status", "any", default={"u8": 0}),
            Attribute(5, "capture_time", "oct12", _instant(lambda demand: demand.maximum_at)),
        ),
        (Method(1, "reset", "i8", part_method(Demand, "i8", _reset_demand)),),
    ),
    InterfaceClass(
        5,
        0,
        "Demand register",
        (
            Attribute(2, "current_average_value", "any", _updated(_current, "u32")),
            Attribute(3, "last_average_value", "any", _updated(lambda demand, _view: demand.last, "u32")),
            Attribute(4, "scaler_unit", SCALER_UNIT),
            Attribute(5, "status", "any", default={"u8": 0}),
            Attribute(6, "capture_time", "oct12", _instant(lambda demand: demand.started)),
            Attribute(7, "start_time_current", "oct12", _instant(lambda demand: demand.started)),
            Attribute(8, "period", "u32", part_getter(Demand, "u32", lambda part: part.period)),
            Attribute(9, "number_of_periods", "u16", part_getter(Demand, "u16", lambda part: part.periods)),
        ),
        (
            Method(1, "reset", "i8", part_method(Demand, "i8", _reset_demand)),
            Method(2, "next_period", "i8", part_method(Demand, "i8", _next_period)),
        ),
    ),
)
