"""A charge of an account (class 113): what is taken for energy, by time, or from each payment."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from emulator.prepayment.money import SCALE

WHOLE = 10_000
"""A proportion (attribute 13) of all of a payment: hundredths of a per cent."""


CHARGES = ("consumption", "standing", "debt_1", "debt_2", "debt_payment")
"""The charges of an account by the name profiles use."""


class ChargeType(IntEnum):
    """charge_type of class 113."""

    CONSUMPTION = 0
    TIME = 1
    PAYMENT = 2


class UnitCharge(NamedTuple):
    """unit_charge of class 113: a price for each index, in ``10 ** price_scale`` pounds.

    A price is of ``10 ** commodity_scale`` Wh for a consumption charge, of one period for a charge by time.
    ``commodity`` is (class, logical name, attribute) of the register that counts.
    """

    commodity_scale: int
    price_scale: int
    commodity: tuple[int, bytes, int]
    prices: tuple[tuple[bytes, int], ...]

    def price(self, index: int) -> int:
        """The price of number ``index`` (from 1) as the table has it; 0 for one that is not there."""
        prices = self.prices
        if 0 < index <= len(prices) and prices[index - 1][0] == bytes((index,)):
            return prices[index - 1][1]
        wanted = bytes((index,))
        return next((price for key, price in prices if key == wanted), 0)

    @property
    def amount(self) -> int:
        """What one period costs, millipence: the first price of the table."""
        return self.prices[0][1] * 10 ** (self.price_scale - SCALE) if self.prices else 0


NOTHING = UnitCharge(0, SCALE, (0, bytes(6), 0), ())


def check(unit_charge: UnitCharge) -> UnitCharge:
    """The same; ValueError for scales that have no whole millipence or no sense."""
    if not SCALE <= unit_charge.price_scale <= 3:
        raise ValueError(f"price scale {unit_charge.price_scale}: -5 to 3")
    if not 0 <= unit_charge.commodity_scale <= 6:
        raise ValueError(f"commodity scale {unit_charge.commodity_scale}: 0 to 6")
    return unit_charge


class Charge:
    """One charge. Amounts in millipence; times are device UTC in ns, ``period`` in seconds."""

    __slots__ = (
        "activation",
        "active",
        "configuration",
        "kind",
        "last_amount",
        "last_time",
        "name",
        "paid",
        "passive",
        "period",
        "priority",
        "proportion",
        "remaining",
    )

    def __init__(self, name: str, kind: ChargeType, priority: int, active: UnitCharge, period: int) -> None:
        self.name = name
        self.kind = kind
        self.priority = priority
        self.active = active
        self.passive = active
        self.activation: int | None = None
        """When the passive unit charge takes over, None for never."""
        self.period = period
        self.configuration = "00"
        """charge_configuration: bit 0 collects a percentage of each payment, bit 1 stops when nothing remains."""
        self.last_time = 0
        self.last_amount = 0
        """The last collection; nothing for energy, which is collected all the time."""
        self.paid = 0
        """total_amount_paid since the account began."""
        self.remaining = 0
        """total_amount_remaining of a debt."""
        self.proportion = 0

    @property
    def is_debt(self) -> bool:
        """Whether it ends once nothing remains."""
        return self.name.startswith("debt")

    def activate(self) -> None:
        """The passive unit charge takes over (method 2)."""
        self.active = self.passive
        self.activation = None

    def image(self) -> dict[str, Any]:
        """All of it as plain values, for the non-volatile memory."""
        return {
            "priority": self.priority,
            "active": _plain(self.active),
            "passive": _plain(self.passive),
            "activation": self.activation,
            "period": self.period,
            "configuration": self.configuration,
            "last_time": self.last_time,
            "last_amount": self.last_amount,
            "paid": self.paid,
            "remaining": self.remaining,
            "proportion": self.proportion,
        }

    def restore(self, image: dict[str, Any]) -> None:
        """Be what :meth:`image` said."""
        for name, value in image.items():
            setattr(self, name, _unit_charge(value) if name in ("active", "passive") else value)


def _plain(unit_charge: UnitCharge) -> list[Any]:
    class_id, logical_name, attribute = unit_charge.commodity
    prices = [[index.hex(), price] for index, price in unit_charge.prices]
    return [unit_charge.commodity_scale, unit_charge.price_scale, [class_id, logical_name.hex(), attribute], prices]


def _unit_charge(plain: list[Any]) -> UnitCharge:
    commodity_scale, price_scale, (class_id, logical_name, attribute), prices = plain
    return UnitCharge(
        commodity_scale,
        price_scale,
        (class_id, bytes.fromhex(logical_name), attribute),
        tuple((bytes.fromhex(index), price) for index, price in prices),
    )
