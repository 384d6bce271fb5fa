"""What a display of the HAN has been told: values of meters, a price, a message. Raw, as they came, and when."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from emulator.smart_energy.sources import utc_of
from emulator.time import MINUTE
from protocols.zigbee.zcl.clusters import METERING, PREPAYMENT
from protocols.zigbee.zcl.clusters.metering import DeviceType
from protocols.zigbee.zcl.types import INVALID, Type, Value

NEVER: Final = -1
"""Stands for the instant at which somebody was heard who never was."""
_UNTIL_CHANGED: Final = 0xFFFF
"""Minutes that a price or a message lasts until another comes."""
_ASKS: Final = 0x80
"""Bit of a message's control: its sender wants to know that it was seen."""


class Fuel(Enum):
    """What a meter measures."""

    ELECTRICITY = "electricity"
    GAS = "gas"


class At(NamedTuple):
    """A server that others of the HAN find: its device and endpoint."""

    eui64: bytes
    endpoint: int


# Attributes that a display keeps; whatever else it is told it forgets.
SUMMATION, SUPPLY, UNIT, MULTIPLIER, DIVISOR, DEVICE_TYPE, DEMAND = (
    0x0000,
    0x0014,
    0x0300,
    0x0301,
    0x0302,
    0x0306,
    0x0400,
)
CREDIT, EMERGENCY, STATUS, SCALING = 0x0001, 0x0002, 0x0003, 0x0502
KEPT: Final[dict[int, frozenset[int]]] = {
    METERING.id: frozenset((SUMMATION, SUPPLY, UNIT, MULTIPLIER, DIVISOR, DEVICE_TYPE, DEMAND)),
    PREPAYMENT.id: frozenset((CREDIT, EMERGENCY, STATUS, SCALING)),
}
REPORTED: Final[dict[int, tuple[int, ...]]] = {
    METERING.id: (SUMMATION, DEMAND, SUPPLY),
    PREPAYMENT.id: (CREDIT, EMERGENCY, STATUS),
}
"""Those that it asks meters to report."""
_FUELS = {
    DeviceType.ELECTRICITY: Fuel.ELECTRICITY,
    DeviceType.MIRRORED_ELECTRICITY: Fuel.ELECTRICITY,
    DeviceType.GAS: Fuel.GAS,
    DeviceType.MIRRORED_GAS: Fuel.GAS,
}
_UNITS = {0: Fuel.ELECTRICITY, 1: Fuel.GAS}
_BCD = 0x80
"""Bit of a unit of measure: numbers are shown in decimal digits."""
_MILLIPENCE_SCALE = 1
"""CurrencyScalingFactor of amounts in 1e-5 of a pound; the factor counts up from 1e-6."""


class Known:
    """What is known of one meter, or of its mirror. ``values`` are by cluster and attribute, as they came last."""

    __slots__ = ("at", "heard_at", "values")

    def __init__(self, at: At) -> None:
        self.at = at
        self.heard_at = NEVER
        """Rig instant of its last report or answer."""
        self.values: dict[int, dict[int, Value]] = {METERING.id: {}, PREPAYMENT.id: {}}

    def number(self, cluster: int, attribute: int, type: Type) -> int | None:
        """The value of a number, None where it is not known, not available or no number."""
        value = self.values[cluster].get(attribute)
        return value if isinstance(value, int) and value != INVALID.get(type) else None

    @property
    def fuel(self) -> Fuel | None:
        """What it measures, None as long as it has not said so."""
        kind = self.number(METERING.id, DEVICE_TYPE, Type.ENUM8)
        unit = self.number(METERING.id, UNIT, Type.ENUM8)
        found = _FUELS.get(DeviceType(kind)) if kind in _DEVICE_TYPES else None
        return found if found is not None or unit is None else _UNITS.get(unit & ~_BCD)

    def thousandths(self, attribute: int, type: Type) -> int | None:
        """A quantity of the Metering cluster in thousandths of its unit: Wh or W, dm3."""
        value = self.number(METERING.id, attribute, type)
        if value is None:
            return None
        multiplier = self.number(METERING.id, MULTIPLIER, Type.U24) or 1
        divisor = self.number(METERING.id, DIVISOR, Type.U24) or 1
        return value * multiplier * 1000 // divisor

    def money(self, attribute: int) -> int | None:
        """An amount of the Prepayment cluster in millipence (1e-5 GBP)."""
        value = self.number(PREPAYMENT.id, attribute, Type.S32)
        if value is None:
            return None
        return scaled(value, self.number(PREPAYMENT.id, SCALING, Type.ENUM8))

    @property
    def supply(self) -> int | None:
        """State of the supply, :class:`protocols.zigbee.zcl.clusters.metering.SupplyStatus`."""
        return self.number(METERING.id, SUPPLY, Type.ENUM8)

    @property
    def credit_status(self) -> int | None:
        """Bits of :class:`protocols.zigbee.zcl.clusters.prepayment.CreditStatus`."""
        return self.number(PREPAYMENT.id, STATUS, Type.MAP8)


_DEVICE_TYPES = frozenset(DeviceType)


def scaled(amount: int, factor: int | None) -> int:
    """An amount in millipence; without a known scaling factor (0 to 11) it is in millipence already."""
    if factor is None or not 0 <= factor <= 11:
        return amount
    power = factor - _MILLIPENCE_SCALE
    return amount * 10**power if power >= 0 else amount // 10**-power


class Price(NamedTuple):
    """A price that was published: ``amount`` with ``digits`` after its point, pounds a unit of ``fuel`` (None: another
    unit); ``tier`` from 1, 0 for none; ``until`` is device UTC, ns, None until changed."""

    amount: int
    digits: int
    tier: int
    fuel: Fuel | None
    until: int | None

    @classmethod
    def published(cls, values: Mapping[str, Any], utc: int) -> Price:
        """Of PublishPrice, at device UTC ``utc``."""
        return cls(
            values["price"],
            values["digit_and_tier"] >> 4,
            values["digit_and_tier"] & 0x0F,
            _UNITS.get(values["unit"] & ~_BCD),
            _span(values, utc)[1],
        )

    @property
    def hundredths(self) -> int:
        """Hundredths of a penny, towards zero."""
        return self.amount * 10_000 // 10**self.digits


class Shown(NamedTuple):
    """A message for the customer, from device UTC ``begins`` (ns) to ``ends``, None until changed. ``asks`` is whether
    its sender still waits for a confirmation; ``server`` is where that goes."""

    number: int
    text: str
    begins: int
    ends: int | None
    asks: bool
    server: At

    @classmethod
    def told(cls, values: Mapping[str, Any], utc: int, server: At, before: Shown | None) -> Shown:
        """Of DisplayMessage, at device UTC ``utc``; one that is told again is as confirmed as it was ``before``."""
        begins, ends = _span(values, utc)
        number, asks = values["message"], bool(values["control"] & _ASKS)
        if before is not None and (before.number, before.server) == (number, server):
            asks = before.asks
            if not values["start"]:  # it began when it was told first
                begins, ends = before.begins, before.ends
        text = values["text"].decode("utf-8", "replace")
        return cls(number, "".join(sign if sign.isprintable() else " " for sign in text), begins, ends, asks, server)


def _span(values: Mapping[str, Any], utc: int) -> tuple[int, int | None]:
    """Device UTC at which a price or message begins, and ends; 0 begins now."""
    start, minutes = values["start"], values["minutes"]
    begins = utc_of(start) if start else utc
    return begins, None if minutes == _UNTIL_CHANGED else begins + minutes * MINUTE
