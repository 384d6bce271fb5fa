"""Single values of an account that a profile may put behind an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from emulator.cosem.model import Quantity
from emulator.prepayment.dates import activation
from protocols.dlms import datetime
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.errors import DecodeError

if TYPE_CHECKING:
    from emulator.meter import Meter
    from emulator.prepayment.account import Account

MAX_SUPPLIER = 32
"""Octets of a supplier's name."""


def account_of(meter: Meter) -> Account:
    """The account; AccessRefused(object-unavailable) for a firmware without one."""
    if meter.account is None:
        raise AccessRefused(DataAccessResult.OBJECT_UNAVAILABLE)
    return meter.account


def _price(meter: Meter) -> int:
    return max(0, account_of(meter).price)


def _tenancy(meter: Meter) -> bytes:
    """When the next tenancy begins, else when this one began."""
    account = account_of(meter)
    return datetime.pack_utc(account.tenancy_begins or account.tenancy_began or 0)


def _plan_tenancy(meter: Meter, octets: bytes) -> None:
    try:
        begins = activation(octets, meter.utc)
    except (ValueError, DecodeError):
        raise AccessRefused(DataAccessResult.OTHER_REASON) from None
    account_of(meter).orders.plan_tenancy(begins)


def _supplier(meter: Meter) -> bytes:
    return account_of(meter).supplier


def _begin_supply(meter: Meter, name: bytes) -> None:
    if len(name) > MAX_SUPPLIER:
        raise AccessRefused(DataAccessResult.OTHER_REASON)
    account_of(meter).orders.begin_supply(name)


ACCOUNT_QUANTITIES: Mapping[str, Quantity] = {
    "price.active": Quantity("u32", _price),
    "tenancy.began": Quantity("oct12", _tenancy, _plan_tenancy),
    "supplier": Quantity("oct", _supplier, _begin_supply),
}
"""The price in force as the consumption charge has it; when a tenancy begins or began, which can be set; who supplies,
setting which is a change of supplier."""
