"""The credits of an account as class 112 shows them: the meter balance, emergency credit, and accumulated debt."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator.prepayment.account import Account


class CreditType(IntEnum):
    """credit_type of class 112."""

    TOKEN = 0
    RESERVED = 1
    EMERGENCY = 2
    TIME = 3
    CONSUMPTION = 4


class CreditStatus(IntEnum):
    """credit_status of class 112."""

    ENABLED = 0
    SELECTABLE = 1
    SELECTED = 2
    IN_USE = 3
    EXHAUSTED = 4


CREDITS: dict[str, CreditType] = {
    "balance": CreditType.TOKEN,
    "emergency": CreditType.EMERGENCY,
    "accumulated_debt": CreditType.CONSUMPTION,
}
"""The credits of a GB meter by the name profiles use, and their type."""

_LIMITS = {
    "balance": {"warning_threshold": "low_credit", "limit": "disablement"},
    "emergency": {"preset_amount": "emergency_limit", "available_threshold": "emergency_threshold"},
    "accumulated_debt": {},
}
"""Attributes of class 112 that are named parameters of the account."""


class AccountCredit:
    """One credit, made anew when somebody asks. Amounts in millipence."""

    __slots__ = ("_account", "name")

    def __init__(self, account: Account, name: str) -> None:
        """KeyError for a credit that no account has."""
        self._account = account
        self.name = name
        self.kind  # noqa: B018  a wrong name is told here

    @property
    def kind(self) -> CreditType:
        """credit_type."""
        return CREDITS[self.name]

    @property
    def amount(self) -> int:
        """current_credit_amount."""
        return self._account.statement.amount_of(self.name)

    @property
    def status(self) -> CreditStatus:
        """credit_status."""
        return self._account.statement.status_of(self.name)

    @property
    def priority(self) -> int:
        """priority, 1 the first."""
        return self._account.priorities[self.name]

    @priority.setter
    def priority(self, value: int) -> None:
        self._account.priorities[self.name] = value

    def parameter(self, attribute: str) -> int:
        """``warning_threshold``, ``limit``, ``preset_amount`` or ``available_threshold``; 0 where it has none."""
        limit = _LIMITS[self.name].get(attribute)
        return 0 if limit is None else self._account.limit(limit)

    def set_parameter(self, attribute: str, value: int) -> None:
        """Set one of them; ValueError where this credit has none."""
        limit = _LIMITS[self.name].get(attribute)
        if limit is None:
            raise ValueError(f"{self.name} has no {attribute}")
        self._account.orders.set_limit(limit, value)

    def update_amount(self, delta: int) -> None:
        """Method 1."""
        self._account.orders.adjust(self.name, delta)

    def set_amount(self, value: int) -> None:
        """Method 2."""
        self._account.orders.adjust(self.name, value - self.amount)

    def invoke(self) -> bool:
        """Method 3: the credit is activated; whether it could be."""
        return self.name == "emergency" and self._account.activate_emergency()
