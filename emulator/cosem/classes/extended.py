"""GB extended data (class 9000): a value, and one that takes over from it at a time to come."""

from __future__ import annotations

from emulator.cosem.classes.account import for_account
from emulator.cosem.classes.registers import SCALER_UNIT
from emulator.cosem.model import Attribute, Binding, InterfaceClass, Invoker, Method, Setter, attribute_key
from emulator.cosem.view import View
from emulator.prepayment.account import LIMITS, Account
from emulator.prepayment.dates import activation
from protocols.dlms import datetime
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import parse_type
from protocols.errors import DecodeError

BLOCKS = "extended.blocks"
"""Source of the threshold matrix of the blocks, whose reset begins the blocks anew."""
_instant = parse_type("oct12")


def _set_active(binding: Binding) -> Setter:
    """A value that counts from now on."""
    family, _, name = binding.spec.source.rpartition(".")
    if family not in ("limit", "extended") or (family == "limit" and name not in LIMITS):
        known = ", ".join(f"limit.{limit}" for limit in LIMITS)
        raise ValueError(f"{binding.where}: source {binding.spec.source!r}; known: {known}, extended.NAME")
    account = for_account(binding).component(Account)
    key = attribute_key(binding, 2)

    def write(view: View, _value: Data, encoded: bytes) -> None:
        view.device.values[key] = encoded
        account(view).changed()

    return write


def _plan(binding: Binding) -> Setter:
    account = for_account(binding).component(Account)
    key = attribute_key(binding, 6)

    def write(view: View, value: Data, encoded: bytes) -> None:
        try:
            utc = activation(_instant.decode(value), view.device.utc)
        except (ValueError, DecodeError):
            raise AccessRefused(DataAccessResult.OTHER_REASON) from None
        view.device.values[key] = encoded
        account(view).orders.plan_value(key[:-1], utc)

    return write


def _reset(binding: Binding) -> Invoker:
    """The value and its scaler as delivered; for the threshold matrix, the blocks begin anew."""
    account = for_account(binding).component(Account)
    keys = attribute_key(binding, 2), attribute_key(binding, 3)
    blocks = binding.spec.source == BLOCKS

    def invoke(view: View, _parameter: Data | None) -> None:
        if blocks:
            account(view).orders.reset_blocks()
            return
        for key in keys:
            view.device.values.pop(key, None)
        account(view).changed()

    return invoke


def _activate(binding: Binding) -> Invoker:
    account = for_account(binding).component(Account)
    item = attribute_key(binding, 2)[:-1]

    def invoke(view: View, _parameter: Data | None) -> None:
        account(view).orders.activate_value(item)

    return invoke


CLASSES = (
    InterfaceClass(
        9000,
        0,
        "Extended data",
        (
            Attribute(2, "value_active", "any", write=_set_active),
            Attribute(3, "scaler_unit_active", SCALER_UNIT, default=[0, 255]),
            Attribute(4, "value_passive", "any", like="value_active"),
            Attribute(5, "scaler_unit_passive", SCALER_UNIT, default=[0, 255], like="scaler_unit_active"),
            Attribute(6, "activate_passive_value_time", "oct12", write=_plan, default=datetime.UNSPECIFIED),
        ),
        (
            Method(1, "reset", "i8", _reset),
            Method(2, "activate_passive_value", "i8", _activate),
        ),
    ),
)
