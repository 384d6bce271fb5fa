"""What a display of the HAN can show: the fields that templates of its profile (:mod:`emulator.templates`) may name.

Those of a meter come once for each fuel: ``electricity_power``, ``gas_balance``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from emulator.display_known import CREDIT, DEMAND, EMERGENCY, SUMMATION, Fuel
from emulator.prepayment import money
from emulator.prepayment.display import NOTHING
from protocols.dlms import datetime
from protocols.zigbee.zcl.clusters.metering import SupplyStatus
from protocols.zigbee.zcl.clusters.prepayment import CreditStatus
from protocols.zigbee.zcl.types import Type

if TYPE_CHECKING:
    from emulator.display import Display
    from emulator.display_known import Known

Field = Callable[["Display"], str]

_SUPPLY = {SupplyStatus.OFF: "off", SupplyStatus.ARMED: "armed", SupplyStatus.ON: "on"}
_CREDIT = ((CreditStatus.EXHAUSTED, "none"), (CreditStatus.LOW, "low"), (CreditStatus.OK, "ok"))
_EMERGENCY = (
    (CreditStatus.EMERGENCY_IN_USE, "in use"),
    (CreditStatus.EMERGENCY_SELECTED, "activated"),
    (CreditStatus.EMERGENCY_AVAILABLE, "available"),
)


def _reading(meter: Known) -> str:
    """Three decimals of a kWh or cubic metre."""
    value = meter.thousandths(SUMMATION, Type.U48)
    return NOTHING if value is None else f"{value // 1000:06}.{value % 1000:03}"


def _power(meter: Known) -> str:
    """Whole watts, or cubic decimetres an hour."""
    value = meter.thousandths(DEMAND, Type.S24)
    return NOTHING if value is None else str(value)


def _amount(attribute: int) -> Callable[[Known], str]:
    def text(meter: Known) -> str:
        amount = meter.money(attribute)
        return NOTHING if amount is None else money.text(amount)

    return text


def _state(states: tuple[tuple[CreditStatus, str], ...], otherwise: str) -> Callable[[Known], str]:
    def text(meter: Known) -> str:
        status = meter.credit_status
        if status is None:
            return NOTHING
        return next((word for bit, word in states if status & bit), otherwise)

    return text


def _supply(meter: Known) -> str:
    return next((word for state, word in _SUPPLY.items() if state == meter.supply), NOTHING)


_OF_METER: Mapping[str, Callable[[Known], str]] = {
    "reading": _reading,
    "power": _power,
    "balance": _amount(CREDIT),
    "emergency": _amount(EMERGENCY),
    "emergency_status": _state(_EMERGENCY, "not available"),
    "credit": _state(_CREDIT, NOTHING),
    "supply": _supply,
}
"""Of a meter that has been heard."""


def _of_meter(fuel: Fuel, show: Callable[[Known], str]) -> Field:
    def text(display: Display) -> str:
        meter = display.client.meter(fuel)
        return NOTHING if meter is None else show(meter)

    return text


def _price(fuel: Fuel) -> Field:
    """Pence a unit, two decimals."""

    def text(display: Display) -> str:
        price = display.client.price(fuel)
        return NOTHING if price is None else f"{price.hundredths // 100}.{price.hundredths % 100:02}"

    return text


def _rate(fuel: Fuel) -> Field:
    def text(display: Display) -> str:
        price = display.client.price(fuel)
        return NOTHING if price is None or not price.tier else str(price.tier)

    return text


def _stale(fuel: Fuel) -> Field:
    def text(display: Display) -> str:
        return display.settings.stale_mark if display.client.is_stale(fuel) else ""

    return text


def _date(display: Display) -> str:
    year, month, day = datetime.civil(display.local // datetime.DAY)
    return f"{day:02}/{month:02}/{year % 100:02}"


def _fields() -> dict[str, Field]:
    fields: dict[str, Field] = {}
    for fuel in Fuel:
        for name, show in _OF_METER.items():
            fields[f"{fuel.value}_{name}"] = _of_meter(fuel, show)
        fields[f"{fuel.value}_price"] = _price(fuel)
        fields[f"{fuel.value}_rate"] = _rate(fuel)
        fields[f"{fuel.value}_stale"] = _stale(fuel)
    fields["top_up"] = lambda display: money.text(display.client.topped_up)
    fields["network"] = lambda display: "on" if display.client.on else "off"
    fields["date"] = _date
    fields["time"] = lambda display: f"{display.local // 3600 % 24:02}:{display.local // 60 % 60:02}"
    fields["serial"] = lambda display: display.identity.serial
    fields["version"] = lambda display: display.version
    return fields


FIELDS: Mapping[str, Field] = _fields()
"""What a template may name. Amounts in pounds and pence; ``top_up`` is that of the last top-up that was accepted;
``..._stale`` is the profile's mark while the meter has not been heard for some time, and nothing else."""
