"""What a meter's display can show: the fields that the templates of a profile (:mod:`emulator.templates`) may name.

Everything a field shows belongs to the meter's present (:attr:`emulator.device.Device.time`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from emulator import templates
from emulator.load import UNIT
from emulator.prepayment.credit import CreditStatus
from emulator.prepayment.money import PENNY, SCALE, text
from emulator.supply import ControlState
from emulator.time import HOUR, SECOND
from protocols.dlms import datetime
from protocols.tokens.scheme import Outcome

if TYPE_CHECKING:
    from emulator.meter import Meter
    from emulator.prepayment.account import Account

NOTHING = "-"
"""Stands for what there is none of: the last top-up of a new tenancy."""

_THOUSAND = 3  # power of ten of what prices are shown for: 1,000 Wh, 1,000 dm3
_SUPPLY: Mapping[ControlState, str] = {
    ControlState.DISCONNECTED: "off",
    ControlState.CONNECTED: "on",
    ControlState.READY_FOR_RECONNECTION: "armed",
}


def supply(meter: Meter) -> str:
    """State of the supply: ``on``, ``armed`` (the customer's button closes the switch) or ``off``."""
    return _SUPPLY[meter.switch.state]


def duration(nanoseconds: int) -> str:
    """A time that is left, in whole seconds rounded up: ``14:59`` in minutes and seconds, ``2:05:00`` with hours."""
    seconds = -(-nanoseconds // SECOND)
    minutes, second = divmod(seconds, 60)
    if seconds < HOUR // SECOND:
        return f"{minutes}:{second:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


def _reading(meter: Meter) -> str:
    """Three decimals of the unit that is charged for: energy in kWh, volume in cubic metres."""
    whole, thousandths = divmod(meter.metering.present(meter.time) // UNIT, 1000)
    return f"{whole:06}.{thousandths:03}"


def _price(account: Account) -> str:
    """Pence a kWh or cubic metre, two decimals, towards zero."""
    table = account.charges["consumption"].active
    numerator = account.price * 10 ** (table.price_scale - SCALE) * 10**_THOUSAND
    hundredths = numerator // 10**table.commodity_scale * 100 // PENNY
    return f"{hundredths // 100}.{hundredths % 100:02}"


def _day(utc: int, meter: Meter) -> str:
    clock = meter.device_clock
    year, month, day = datetime.civil(clock.local(clock.rig(utc)) // datetime.DAY)
    return f"{day:02}/{month:02}/{year % 100:02}"


def _last_top_up(meter: Meter) -> str:
    accepted = _account(meter).tokens.accepted
    return NOTHING if accepted is None else text(accepted[1])


def _last_top_up_date(meter: Meter) -> str:
    accepted = _account(meter).tokens.accepted
    return NOTHING if accepted is None else _day(accepted[0], meter)


def _rate(meter: Meter) -> str:
    registers = meter.metering.registers
    return str(registers[0] + 1 if registers else 1)


def _account(meter: Meter) -> Account:
    account = meter.account
    if account is None:
        raise LookupError(f"{meter.identity.device_id}: its firmware has no account")
    return account


def _money(amount: Callable[[Account], int]) -> Callable[[Meter], str]:
    return lambda meter: text(amount(_account(meter)))


def _debt(name: str) -> Callable[[Meter], str]:
    return lambda meter: text(_account(meter).charges[name].remaining)


_EMERGENCY = {
    CreditStatus.ENABLED: "not available",
    CreditStatus.SELECTABLE: "available",
    CreditStatus.SELECTED: "activated",
    CreditStatus.IN_USE: "in use",
    CreditStatus.EXHAUSTED: "used up",
}

FIELDS: Mapping[str, Callable[[Meter], str]] = {
    "balance": _money(lambda account: account.balance),
    "available_credit": _money(lambda account: account.statement.available_credit),
    "emergency_credit": _money(lambda account: account.statement.emergency_left),
    "emergency_status": lambda meter: _EMERGENCY[_account(meter).statement.status_of("emergency")],
    "accumulated_debt": _money(lambda account: account.statement.amount_of("accumulated_debt")),
    "amount_to_clear": _money(lambda account: account.statement.amount_to_clear),
    "debt": _money(lambda account: account.statement.aggregated_debt),
    "debt_1": _debt("debt_1"),
    "debt_2": _debt("debt_2"),
    "debt_payment": _debt("debt_payment"),
    "mode": lambda meter: _account(meter).mode.name.lower(),
    "rate": _rate,
    "price": lambda meter: _price(_account(meter)),
    "last_top_up": _last_top_up,
    "last_top_up_date": _last_top_up_date,
    "locked": lambda meter: duration(_account(meter).tokens.locked_for),
    "supply": supply,
    "reading": _reading,
    "date": lambda meter: _day(meter.utc, meter),
    "time": lambda meter: f"{meter.local // 3600 % 24:02}:{meter.local // 60 % 60:02}",
    "serial": lambda meter: meter.identity.serial,
    "point": lambda meter: meter.identity.point,
    "version": lambda meter: meter.version,
}
"""What a template may name. Amounts in pounds and pence; ``price`` in pence a kWh or cubic metre; ``rate`` counts from
1; ``locked`` is how long manual entry is still locked."""


def check(template: str) -> str:
    """The same; ValueError, saying what is wrong and what is allowed, for a template that cannot be shown."""
    return templates.check(template, FIELDS)


def check_outcome(outcome: Outcome, template: str) -> str:
    """The same for the text of a token's outcome: that of a locked entry has to say how long."""
    check(template)
    if outcome is Outcome.LOCKED and "{locked}" not in template:
        raise ValueError(f"{template!r}: a locked entry shows how long it is: name the field {{locked}}")
    return template


def show(template: str, meter: Meter) -> str:
    """What a template that was checked shows of a meter now."""
    return templates.show(template, FIELDS, meter)
