"""Account (class 111), and what the other classes of payment share with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from emulator.cosem.binding import MAX_ELEMENTS, part_getter, part_method, part_setter, view_getter
from emulator.cosem.encoding import encoder
from emulator.cosem.model import Attribute, Binding, Getter, InterfaceClass, Invoker, Method, Setter
from emulator.cosem.view import View
from emulator.prepayment.account import Account
from emulator.prepayment.dates import activation
from emulator.prepayment.money import LEAST, MOST
from emulator.prepayment.orders import Orders
from emulator.prepayment.passive import PassiveAccount
from emulator.prepayment.sources import references
from protocols.dlms import axdr, datetime
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused

MODE_AND_STATUS = "st{enum,enum}"
CONFIGURATION = "arr st{oct6,oct6,bits3}"
ALL = 100
"""token_proportion of class 111, attribute 12: per cent of a token that go to a credit."""

Part = TypeVar("Part")

_i32 = encoder("i32")


def for_account(binding: Binding) -> Binding:
    """The same object as one whose part of the device is the account."""
    return replace(binding, spec=replace(binding.spec, source="account"))


def money(value: int) -> bytes:
    """An amount, as far as 32 bits go."""
    return _i32(max(LEAST, min(MOST, value)))


def packed(utc: int | None) -> bytes:
    """A date-time of UTC in ns; not specified for None."""
    return axdr.octets(datetime.pack_utc(utc or 0))


def amount(expected: type[Part], read_value: Callable[[Part], int]) -> Callable[[Binding], Getter]:
    """Reads an amount of the part behind the object."""
    return view_getter(expected, lambda _view, part: money(read_value(part)))


# --- account, and its passive copy, which has mode, configuration and activation of its own


def _is_passive(binding: Binding) -> bool:
    return binding.spec.source == "account.passive"


def _of_account(bind: Callable[[Binding], Getter]) -> Callable[[Binding], Getter]:
    """Reads what the account has, for the passive copy too."""
    return lambda binding: bind(for_account(binding))


def _plain(type_text: str, read_value: Callable[[Account], Any]) -> Callable[[Binding], Getter]:
    return _of_account(part_getter(Account, type_text, read_value))


def _total(read_value: Callable[[Account], int]) -> Callable[[Binding], Getter]:
    return _of_account(amount(Account, read_value))


def _of_either(type_text: str, read_value: Callable[[Account | PassiveAccount], Any]) -> Callable[[Binding], Getter]:
    passive, account = (part_getter(part, type_text, read_value) for part in (PassiveAccount, Account))
    return lambda binding: passive(binding) if _is_passive(binding) else account(binding)


def _tokens_go_to(account: Account) -> list[tuple[bytes, int]]:
    """The meter balance, where the profile shows it."""
    balance = account.reference("credit.balance")
    return [] if balance is None else [(balance, ALL)]


def _activation_time(binding: Binding) -> Getter:
    """When the passive copy takes over; of the account itself, when the meter was installed."""
    if _is_passive(binding):
        return view_getter(PassiveAccount, lambda _view, passive: packed(passive.activation))(binding)
    return lambda view: packed(view.device.device_clock.utc(view.device.installed_at))


def _passive_setter(
    type_text: str, put: Callable[[View, PassiveAccount, Any], None]
) -> Callable[[Binding], Setter | None]:
    """Sets what is to come; the account itself changes only by what takes over."""
    setter = part_setter(PassiveAccount, type_text, put)
    return lambda binding: setter(binding) if _is_passive(binding) else None


def _limit_setter(name: str) -> Callable[[Binding], Setter]:
    """Sets a named parameter of the account, for the passive copy too."""
    setter = part_setter(Account, "i32", lambda _view, account, value: account.orders.set_limit(name, value))
    return lambda binding: setter(for_account(binding))


def _set_mode(_view: View, passive: PassiveAccount, value: Any) -> None:
    passive.set_mode(*value)


def _set_configuration(view: View, passive: PassiveAccount, value: Any) -> None:
    if len(value) > MAX_ELEMENTS:
        raise ValueError("the table is full")
    credits, charges = (references(view.model, family) for family in ("credit", "charge"))
    if not all(credit in credits and charge in charges for credit, charge, _ in value):
        raise ValueError("a credit or charge that this account has not")
    passive.set_configuration(tuple((credit, charge, bits) for credit, charge, bits in value))


def _plan_account(view: View, passive: PassiveAccount, octets: bytes) -> None:
    passive.plan(activation(octets, view.device.utc))


def _account_method(index: int, name: str, run: Callable[[Orders], None]) -> Method:
    """A method of the account; its passive copy has none that does anything."""
    bind = part_method(Account, "i8", lambda _view, account, _parameter: run(account.orders))

    def refuse(_view: View, _value: object) -> None:
        raise AccessRefused(DataAccessResult.OBJECT_UNAVAILABLE)

    def invoker(binding: Binding) -> Invoker:
        return refuse if _is_passive(binding) else bind(binding)

    return Method(index, name, "i8", invoker)


CLASSES = (
    InterfaceClass(
        111,
        0,
        "Account",
        (
            Attribute(
                2,
                "account_mode_and_status",
                MODE_AND_STATUS,
                _of_either(MODE_AND_STATUS, lambda part: [part.mode, part.status]),
                _passive_setter(MODE_AND_STATUS, _set_mode),
            ),
            Attribute(3, "current_credit_in_use", "u8", _plain("u8", lambda account: account.statement.current_credit)),
            Attribute(
                4, "current_credit_status", "bits8", _plain("bits8", lambda account: account.statement.credit_status)
            ),
            Attribute(5, "available_credit", "i32", _total(lambda account: account.statement.available_credit)),
            Attribute(6, "amount_to_clear", "i32", _total(lambda account: account.statement.amount_to_clear)),
            Attribute(
                7,
                "clearance_threshold",
                "i32",
                _total(lambda account: account.limit("disablement")),
                _limit_setter("disablement"),
            ),
            Attribute(8, "aggregated_debt", "i32", _total(lambda account: account.statement.aggregated_debt)),
            Attribute(
                9, "credit_reference_list", "arr oct6", _plain("arr oct6", lambda account: account.references("credit"))
            ),
            Attribute(
                10,
                "charge_reference_list",
                "arr oct6",
                _plain("arr oct6", lambda account: account.references("charge")),
            ),
            Attribute(
                11,
                "credit_charge_configuration",
                CONFIGURATION,
                _of_either(CONFIGURATION, lambda part: part.configuration),
                _passive_setter(CONFIGURATION, _set_configuration),
            ),
            Attribute(
                12,
                "token_gateway_configuration",
                "arr st{oct6,u8}",
                _plain("arr st{oct6,u8}", _tokens_go_to),
            ),
            Attribute(
                13, "account_activation_time", "oct12", _activation_time, _passive_setter("oct12", _plan_account)
            ),
            Attribute(
                14,
                "account_closure_time",
                "oct12",
                _of_account(view_getter(Account, lambda _view, account: packed(account.closure))),
            ),
            Attribute(15, "currency", "st{utf8,i8,enum}"),
            Attribute(
                16,
                "low_credit_threshold",
                "i32",
                _total(lambda account: account.limit("low_credit")),
                _limit_setter("low_credit"),
            ),
            Attribute(
                17,
                "next_credit_available_threshold",
                "i32",
                _total(lambda account: account.limit("emergency_threshold")),
                _limit_setter("emergency_threshold"),
            ),
            Attribute(18, "max_provision", "u16", _plain("u16", lambda account: account.limit("debt_cap") & 0xFFFF)),
            Attribute(19, "max_provision_period", "i32", _total(lambda account: account.limit("debt_cap_period"))),
        ),
        (
            _account_method(1, "activate_account", Orders.activate),
            _account_method(2, "close_account", Orders.close),
            _account_method(3, "reset_account", Orders.reset),
        ),
    ),
)
