"""Credit, Charge and Token gateway (classes 112, 113 and 115)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.cosem.binding import MAX_ELEMENTS, part_getter, part_method, part_setter, view_getter
from emulator.cosem.classes.account import amount, for_account, packed
from emulator.cosem.encoding import encoder
from emulator.cosem.model import Attribute, Binding, InterfaceClass, Invoker, Method, Setter
from emulator.cosem.view import View
from emulator.prepayment.account import Account
from emulator.prepayment.charge import Charge, UnitCharge
from emulator.prepayment.credit import AccountCredit
from emulator.prepayment.dates import activation
from emulator.prepayment.tokens import Delivery, TokenGateway
from protocols.dlms import datetime
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused

PRICES = "arr st{oct,i16}"
UNIT_CHARGE = f"st{{st{{i8,i8}},st{{u16,oct6,i8}},{PRICES}}}"
CHARGE_BITS = 2
"""Bits of charge_configuration: it collects a percentage of each payment, it stops when nothing remains."""

ChargeChange = Callable[[View, Account, Charge, Any], None]

_unit_charge = encoder(UNIT_CHARGE)


# --- credit


def _credit_parameter(index: int, name: str, parameter: str) -> Attribute:
    """An attribute that is a named parameter of the account; a credit that has none shows 0 and refuses another."""
    return Attribute(
        index,
        name,
        "i32",
        amount(AccountCredit, lambda credit: credit.parameter(parameter)),
        part_setter(AccountCredit, "i32", lambda _view, credit, value: credit.set_parameter(parameter, value)),
    )


def _set_credit_priority(_view: View, credit: AccountCredit, value: int) -> None:
    credit.priority = value


def _update_amount(_view: View, credit: AccountCredit, delta: int) -> None:
    credit.update_amount(delta)


def _set_amount(_view: View, credit: AccountCredit, value: int) -> None:
    credit.set_amount(value)


def _invoke_credit(_view: View, credit: AccountCredit, _parameter: Any) -> None:
    if not credit.invoke():
        raise AccessRefused(DataAccessResult.HARDWARE_FAULT)  # as the official answer to ECS09 has it


CREDIT = InterfaceClass(
    112,
    0,
    "Credit",
    (
        Attribute(2, "current_credit_amount", "i32", amount(AccountCredit, lambda credit: credit.amount)),
        Attribute(3, "credit_type", "enum", part_getter(AccountCredit, "enum", lambda credit: credit.kind)),
        Attribute(
            4,
            "priority",
            "u8",
            part_getter(AccountCredit, "u8", lambda credit: credit.priority),
            part_setter(AccountCredit, "u8", _set_credit_priority),
        ),
        _credit_parameter(5, "warning_threshold", "warning_threshold"),
        _credit_parameter(6, "limit", "limit"),
        Attribute(7, "credit_configuration", "bits5", default="00000"),
        Attribute(8, "credit_status", "enum", part_getter(AccountCredit, "enum", lambda credit: credit.status)),
        _credit_parameter(9, "preset_credit_amount", "preset_amount"),
        _credit_parameter(10, "credit_available_threshold", "available_threshold"),
        Attribute(11, "period", "oct12", default=datetime.UNSPECIFIED),
    ),
    (
        Method(1, "update_amount", "i32", part_method(AccountCredit, "i32", _update_amount)),
        Method(2, "set_amount_to_value", "i32", part_method(AccountCredit, "i32", _set_amount)),
        Method(3, "invoke_credit", "i8", part_method(AccountCredit, "i8", _invoke_credit)),
    ),
)


# --- charge: what changes the course of money goes through the account


def _charge_setter(type_text: str, put: ChargeChange) -> Callable[[Binding], Setter]:
    def bind(binding: Binding) -> Setter:
        account = for_account(binding).component(Account)
        return part_setter(Charge, type_text, lambda view, charge, value: put(view, account(view), charge, value))(
            binding
        )

    return bind


def _charge_method(index: int, name: str, type_text: str, run: ChargeChange) -> Method:
    def bind(binding: Binding) -> Invoker:
        account = for_account(binding).component(Account)
        return part_method(Charge, type_text, lambda view, charge, value: run(view, account(view), charge, value))(
            binding
        )

    return Method(index, name, type_text, bind)


def _charge_field(name: str) -> ChargeChange:
    def put(_view: View, account: Account, charge: Charge, value: Any) -> None:
        account.orders.change_charge(charge, **{name: value})

    return put


def _encoded(unit_charge: UnitCharge) -> bytes:
    return _unit_charge(
        [
            (unit_charge.commodity_scale, unit_charge.price_scale),
            unit_charge.commodity,
            unit_charge.prices,
        ]
    )


def _set_passive(_view: View, account: Account, charge: Charge, value: Any) -> None:
    (commodity_scale, price_scale), commodity, prices = value
    account.orders.set_charge(charge, UnitCharge(commodity_scale, price_scale, tuple(commodity), _prices(prices)))


def _prices(table: list[tuple[bytes, int]]) -> tuple[tuple[bytes, int], ...]:
    """A table of prices; ValueError for one that is too long, or has an index of more than one octet."""
    if len(table) > MAX_ELEMENTS or any(len(index) > 1 for index, _ in table):
        raise ValueError(f"at most {MAX_ELEMENTS} prices, by an index of one octet")
    return tuple((index, price) for index, price in table)


def _plan_charge(view: View, account: Account, charge: Charge, octets: bytes) -> None:
    account.orders.plan_charge(charge, activation(octets, view.device.utc))


def _set_charge_bits(view: View, account: Account, charge: Charge, bits: str) -> None:
    if len(bits) != CHARGE_BITS:
        raise ValueError(f"charge_configuration has {CHARGE_BITS} bits")
    _charge_field("configuration")(view, account, charge, bits)


def _reprice(_view: View, account: Account, charge: Charge, value: Any) -> None:
    account.orders.reprice(charge, list(_prices(value)))


CHARGE = InterfaceClass(
    113,
    0,
    "Charge",
    (
        Attribute(2, "total_amount_paid", "i32", amount(Charge, lambda charge: charge.paid)),
        Attribute(3, "charge_type", "enum", part_getter(Charge, "enum", lambda charge: charge.kind)),
        Attribute(
            4,
            "priority",
            "u8",
            part_getter(Charge, "u8", lambda charge: charge.priority),
            _charge_setter("u8", _charge_field("priority")),
        ),
        Attribute(
            5, "unit_charge_active", UNIT_CHARGE, view_getter(Charge, lambda _view, charge: _encoded(charge.active))
        ),
        Attribute(
            6,
            "unit_charge_passive",
            UNIT_CHARGE,
            view_getter(Charge, lambda _view, charge: _encoded(charge.passive)),
            _charge_setter(UNIT_CHARGE, _set_passive),
        ),
        Attribute(
            7,
            "unit_charge_activation_time",
            "oct12",
            view_getter(Charge, lambda _view, charge: packed(charge.activation)),
            _charge_setter("oct12", _plan_charge),
        ),
        Attribute(
            8,
            "period",
            "u32",
            part_getter(Charge, "u32", lambda charge: charge.period),
            _charge_setter("u32", _charge_field("period")),
        ),
        Attribute(
            9,
            "charge_configuration",
            "bits",
            part_getter(Charge, "bits", lambda charge: charge.configuration),
            _charge_setter("bits", _set_charge_bits),
        ),
        Attribute(
            10, "last_collection_time", "oct12", view_getter(Charge, lambda _view, charge: packed(charge.last_time))
        ),
        Attribute(11, "last_collection_amount", "i32", amount(Charge, lambda charge: charge.last_amount)),
        Attribute(12, "total_amount_remaining", "i32", amount(Charge, lambda charge: charge.remaining)),
        Attribute(
            13,
            "proportion",
            "u16",
            part_getter(Charge, "u16", lambda charge: charge.proportion),
            _charge_setter("u16", _charge_field("proportion")),
        ),
    ),
    (
        _charge_method(1, "update_unit_charge", PRICES, _reprice),
        _charge_method(
            2,
            "activate_passive_unit_charge",
            "i8",
            lambda _view, account, charge, _value: account.orders.activate_charge(charge),
        ),
        _charge_method(3, "collect", "i8", lambda _view, account, charge, _value: account.orders.collect_now(charge)),
        _charge_method(
            4,
            "update_total_amount_remaining",
            "i32",
            lambda _view, account, charge, delta: account.orders.adjust_remaining(charge, delta),
        ),
        _charge_method(
            5,
            "set_total_amount_remaining",
            "i32",
            lambda _view, account, charge, value: account.orders.set_remaining(charge, value),
        ),
    ),
)


# --- token gateway


def _enter(view: View, gateway: TokenGateway, octets: bytes) -> None:
    """A token by an association comes from afar, by a script from the home."""
    delivery = Delivery.LOCAL if view.index is None else Delivery.REMOTE
    settings = view.device.firmware.prepayment
    assert settings is not None  # a device with a gateway has an account
    result = settings.tokens.outcomes[gateway.enter(octets, delivery)].action_result
    if result != DataAccessResult.SUCCESS:
        raise AccessRefused(DataAccessResult(result))


GATEWAY = InterfaceClass(
    115,
    0,
    "Token gateway",
    (
        Attribute(2, "token", "oct", part_getter(TokenGateway, "oct", lambda gateway: gateway.token)),
        Attribute(
            3, "token_time", "oct12", view_getter(TokenGateway, lambda _view, gateway: packed(gateway.token_time))
        ),
        Attribute(
            4,
            "token_description",
            "arr oct",
            part_getter(TokenGateway, "arr oct", lambda gateway: [gateway.description]),
        ),
        Attribute(
            5, "token_delivery_method", "enum", part_getter(TokenGateway, "enum", lambda gateway: gateway.delivery)
        ),
        Attribute(
            6,
            "token_status",
            "st{enum,bits}",
            part_getter(TokenGateway, "st{enum,bits}", lambda gateway: (gateway.status, gateway.passed)),
        ),
    ),
    (Method(1, "enter", "oct", part_method(TokenGateway, "oct", _enter)),),
)

CLASSES = (CREDIT, CHARGE, GATEWAY)
