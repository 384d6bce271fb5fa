"""Price (Smart Energy annex D.4): the price in force, of a meter itself or of the electricity meter behind a hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from emulator.meter import Meter
from emulator.smart_energy.request import Answer, Handler, Reply, Request
from emulator.smart_energy.sources import calendar_name, rates, tier, zigbee_time
from protocols.zigbee.zcl.clusters import PRICE
from protocols.zigbee.zcl.foundation import Status

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.hub import Hub
    from emulator.smart_energy.application import Application

PUBLISH: Final = 0x00
POUND_STERLING: Final = 826
_KWH: Final = 0x00
_UNTIL_CHANGED: Final = 0xFFFF
_LONGEST_LABEL: Final = 12
_MOST_TIERS: Final = 15
_RATE_UNIT: Final = 3
"""Power of ten of the energy that a price is for, Wh."""


def priced_meter(device: Device) -> Meter | None:
    """The meter whose price a device publishes: itself, or the electricity meter that a hub serves; None without."""
    if isinstance(device, Meter):
        return device
    logical = device.firmware.logical
    if logical is None:
        return None
    served = cast("Hub", device).served.get(logical.electricity)
    return served.device if served is not None and isinstance(served.device, Meter) else None


def published(meter: Meter) -> dict[str, Any] | None:
    """The fields of PublishPrice for the price in force now; None for a meter without an account."""
    account = meter.account
    if account is None:
        return None
    meter.settle()
    charge = account.charges["consumption"].active
    digits = -charge.price_scale
    price = max(0, account.price)
    if charge.commodity_scale > _RATE_UNIT:  # a price of more than a kWh
        digits += charge.commodity_scale - _RATE_UNIT
    else:
        price *= 10 ** (_RATE_UNIT - charge.commodity_scale)
    now = zigbee_time(meter.utc)
    current, count = min(tier(meter), _MOST_TIERS), min(rates(meter), _MOST_TIERS)
    return {
        "provider": 0,
        "label": calendar_name(meter)[:_LONGEST_LABEL],
        "event": now,
        "time": now,
        "unit": _KWH,
        "currency": POUND_STERLING,
        "digit_and_tier": (digits & 0x0F) << 4 | current,
        "tiers_and_register": count << 4 | current,
        "start": now,
        "minutes": _UNTIL_CHANGED,
        "price": min(price, 0xFFFF_FFFE),
    }


def _current(application: Application, request: Request) -> Answer:
    meter = priced_meter(application.device)
    values = published(meter) if meter is not None else None
    return Status.NOT_FOUND if values is None else Reply(PUBLISH, values)


def _scheduled(application: Application, request: Request) -> Answer:
    """Prices are known as they come into force: there is the present one and no other."""
    meter = priced_meter(application.device)
    if meter is None or request.values["start"] > zigbee_time(meter.utc):
        return Status.NOT_FOUND
    return _current(application, request)


def _acknowledged(application: Application, request: Request) -> Answer:
    return Status.SUCCESS


HANDLERS: Mapping[tuple[int, bool], Mapping[int, Handler]] = {
    (PRICE.id, False): {0x00: _current, 0x01: _scheduled, 0x02: _acknowledged},
    (PRICE.id, True): {PUBLISH: _acknowledged},
}
