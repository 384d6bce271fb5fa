"""Which objects of a profile stand for the parts of an account, by what they name as their source; and what an account
of that profile begins with. Worked out once a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.cosem.model import ObjectModel
from emulator.monitors import MONITOR_CLASS
from emulator.prepayment.charge import NOTHING, Charge, ChargeType, UnitCharge
from emulator.prepayment.money import SCALE
from protocols.dlms import datetime

if TYPE_CHECKING:
    from emulator.firmware import PrepaymentSettings

CREDIT_CLASS, CHARGE_CLASS, EXTENDED_CLASS = 112, 113, 9000
Configuration = tuple[tuple[bytes, bytes, str], ...]
"""credit_charge_configuration of class 111: logical names of a credit and a charge that it pays, and three bits: it is
collected also while the supply is off, while the load is limited, in friendly hours."""
_FAMILIES = frozenset(("credit", "charge", "limit", "blocks"))


def sources(model: ObjectModel) -> dict[str, bytes]:
    """Class and logical name, as at the head of a descriptor, by source (``credit.balance``, ``limit.low_credit``)."""
    found: dict[str, bytes] | None = model.shared.get("account sources")
    if found is None:
        found = model.shared["account sources"] = {
            item.source: item.class_id.to_bytes(2, "big") + item.logical_name
            for class_id in (CREDIT_CLASS, CHARGE_CLASS, EXTENDED_CLASS, MONITOR_CLASS)
            for item in model.by_class.get(class_id, ())
            if item.source.partition(".")[0] in _FAMILIES
        }
    return found


def references(model: ObjectModel, family: str) -> list[bytes]:
    """Logical names of the objects of a family (``credit``, ``charge``), in the order of the profile."""
    return [key[2:] for source, key in sources(model).items() if source.startswith(f"{family}.")]


def first_configuration(model: ObjectModel, settings: PrepaymentSettings) -> Configuration:
    """What the configuration of an account begins with."""
    found: Configuration | None = model.shared.get("credit charge configuration")
    if found is None:
        known = sources(model)
        found = model.shared["credit charge configuration"] = tuple(
            (known[f"credit.{credit}"][2:], known[f"charge.{charge}"][2:], bits)
            for credit, charge, bits in settings.configuration
        )
    return found


def first_charges(model: ObjectModel, settings: PrepaymentSettings, charged_by: str) -> list[Charge]:
    """The charges of a new account; ``charged_by`` is the source of the register that counts energy."""
    prices: UnitCharge | None = model.shared.get("prices")
    if prices is None:
        table = tuple((bytes((index,)), price) for index, price in enumerate(settings.prices, 1))
        register = next((item for item in model.objects.values() if item.source == charged_by), None)
        commodity = (register.class_id, register.logical_name, 2) if register else NOTHING.commodity
        prices = model.shared["prices"] = UnitCharge(3, SCALE, commodity, table)
    standing = NOTHING._replace(prices=((b"", settings.standing_charge),))
    return [
        Charge("consumption", ChargeType.CONSUMPTION, 1, prices, 0),
        Charge("standing", ChargeType.TIME, 2, standing, settings.standing_period),
        Charge("debt_1", ChargeType.TIME, 3, NOTHING, datetime.DAY),
        Charge("debt_2", ChargeType.TIME, 4, NOTHING, datetime.DAY),
        Charge("debt_payment", ChargeType.PAYMENT, 5, NOTHING, 0),
    ]
