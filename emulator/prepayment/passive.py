"""The passive copy of an account (0-1:19.0.0 of class 111): what the account will be at a time to come."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator.prepayment.account import Account
    from emulator.prepayment.sources import Configuration


class PaymentMode(IntEnum):
    """mode of class 111, attribute 2."""

    CREDIT = 1
    PREPAYMENT = 2


class AccountStatus(IntEnum):
    """account_status of class 111, attribute 2."""

    NEW = 1
    ACTIVE = 2
    CLOSED = 3


class PassiveAccount:
    """Mode, status and configuration to come. ``activation`` is device UTC in ns, None for never."""

    __slots__ = ("_account", "activation", "configuration", "mode", "status")

    def __init__(self, account: Account) -> None:
        self._account = account
        self.mode = account.mode
        self.status = account.status
        self.configuration = account.configuration
        self.activation: int | None = None

    def set_mode(self, mode: int, status: int) -> None:
        """Mode and status to come; ValueError for numbers that class 111 does not have."""
        self.mode, self.status = PaymentMode(mode), AccountStatus(status)

    def set_configuration(self, configuration: Configuration) -> None:
        """Which credit will pay which charge."""
        self.configuration = configuration

    def plan(self, utc: int | None) -> None:
        """Let it take over at device UTC ``utc``, ns; at once for a time that is past, never for None."""
        self.activation = utc
        self._account.changed()
