"""Device Management (Smart Energy annex D.10): a meter is told of another tenant, or of another supplier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from emulator.meter import Meter
from emulator.prepayment.quantities import MAX_SUPPLIER
from emulator.smart_energy.planned import is_deferred
from emulator.smart_energy.request import Answer, Handler, Request
from emulator.smart_energy.sources import NO_TIME, utc_of
from protocols.zigbee.zcl.clusters import DEVICE_MANAGEMENT
from protocols.zigbee.zcl.foundation import Status

if TYPE_CHECKING:
    from emulator.prepayment.account import Account
    from emulator.smart_energy.application import Application

_TENANCY, _SUPPLIER = 0x00, 0x01
_NOW: Final = 0


def _account(application: Application) -> Account | None:
    device = application.device
    return device.account if isinstance(device, Meter) else None


def _tenancy(application: Application, request: Request) -> Answer:
    """New people move in, now or at a date; or nobody does after all."""
    account, when = _account(application), request.values["implementation"]
    if account is None:
        return Status.HARDWARE_FAILURE
    if when == NO_TIME:
        account.orders.plan_tenancy(None)
    elif when == _NOW or utc_of(when) <= application.device.utc:
        account.orders.begin_tenancy()
    else:
        account.orders.plan_tenancy(utc_of(when))
    return Status.SUCCESS if application.commit() else Status.HARDWARE_FAILURE


def _supplier(application: Application, request: Request) -> Answer:
    """Another supplier takes over, now or at a date."""
    account, name = _account(application), request.values["name"]
    if account is None:
        return Status.HARDWARE_FAILURE
    if len(name) > MAX_SUPPLIER:
        return Status.INVALID_FIELD
    if not is_deferred(application, request):
        account.orders.begin_supply(name)
    return Status.SUCCESS if application.commit() else Status.HARDWARE_FAILURE


HANDLERS: Mapping[tuple[int, bool], Mapping[int, Handler]] = {
    (DEVICE_MANAGEMENT.id, True): {_TENANCY: _tenancy, _SUPPLIER: _supplier}
}
