"""What a payment does to an account: it recovers debt, pays back what was lent, and adds the rest to the balance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.firmware import OverBalance
from emulator.prepayment.money import MOST, POUND
from emulator.time import SECOND
from protocols.tokens.scheme import Credit, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.events import EventName
    from emulator.prepayment.account import Account

OUTCOME_EVENTS: dict[Outcome, EventName] = {
    Outcome.ACCEPTED: "token_accepted",
    Outcome.WRONG_LENGTH: "token_wrong_length",
    Outcome.NOT_DIGITS: "token_not_digits",
    Outcome.CHECK_DIGIT: "token_check_digit",
    Outcome.NOT_THIS_SCHEME: "token_not_this_scheme",
    Outcome.NOT_AUTHENTIC: "token_not_authentic",
    Outcome.DUPLICATE: "token_duplicate",
    Outcome.TOO_OLD: "token_too_old",
    Outcome.OVER_TOKEN_LIMIT: "token_over_token_limit",
    Outcome.OVER_BALANCE_LIMIT: "token_over_balance_limit",
    Outcome.NOT_PREPAYMENT: "token_not_prepayment",
    Outcome.LOCKED: "token_locked",
    Outcome.STORAGE_FAULT: "token_storage_fault",
}


class _Before(NamedTuple):
    """What a payment moves, as it was before."""

    books: list[int]
    debt: dict[str, Any]
    cap: tuple[int, int]
    emergency_selected: bool


class Payments:
    """Payments into one account, as its token gateway makes them: credited, perhaps taken back, then followed up."""

    __slots__ = ("_account", "_before", "_cap_from", "_cap_used", "_debt_paid")

    def __init__(self, account: Account) -> None:
        self._account = account
        self._cap_from = self._cap_used = 0
        self._before: _Before | None = None
        self._debt_paid = False

    def credit(self, token: Credit) -> Outcome:
        """Enter a genuine token in the books, or say why not."""
        account = self._account
        if not account.prepaying:
            return Outcome.NOT_PREPAYMENT
        if token.amount > account.limit("max_credit"):
            return Outcome.OVER_TOKEN_LIMIT
        account.fold()
        debt = account.charges["debt_payment"]
        parts = account.books.split(token.amount, debt, self._debt_room(), account.settings.recovery)
        over = max(0, account.books.balance + parts.balance - account.limit("max_balance"))
        if over and account.settings.over_balance is OverBalance.REFUSE:
            return Outcome.OVER_BALANCE_LIMIT
        self._before = _Before(
            account.books.image(), debt.image(), (self._cap_from, self._cap_used), account.emergency_selected
        )
        self._debt_paid = parts.debt > 0
        account.books.add(parts, debt, min(over, parts.balance))
        if parts.debt:
            now = account.meter.utc
            debt.last_time, debt.last_amount = now, parts.debt
            if not self._capped(now):
                self._cap_from, self._cap_used = now, 0
            self._cap_used += parts.debt
        if account.emergency_selected and not account.books.borrowed:
            account.emergency_selected = False
            account.books.emergency = 0
        return Outcome.ACCEPTED

    def undo(self) -> None:
        """What :meth:`credit` did could not be stored."""
        account = self._account
        before = self._before
        if before is not None:
            account.books.restore(before.books)
            account.charges["debt_payment"].restore(before.debt)
            self._cap_from, self._cap_used = before.cap
            account.emergency_selected = before.emergency_selected

    def entered(self, outcome: Outcome) -> None:
        """A token was entered: log it, and do what follows from credit."""
        account = self._account
        meter = account.meter
        meter.record(OUTCOME_EVENTS[outcome])
        if outcome is not Outcome.ACCEPTED:
            return
        account.log("credit_log")
        if self._debt_paid:
            account.log("debt_log")
        account.look()
        meter.money_changed()

    def _debt_room(self) -> int:
        """How much payments may still recover of debt; a period of the cap begins with the first that recovers any."""
        account = self._account
        if account.limit("debt_cap_period") <= 0:
            return MOST
        used = self._cap_used if self._capped(account.meter.utc) else 0
        return max(0, account.limit("debt_cap") * POUND - used)

    def _capped(self, utc: int) -> bool:
        """Whether a period of the cap is under way."""
        return self._cap_from <= utc < self._cap_from + self._account.limit("debt_cap_period") * SECOND

    def image(self) -> list[int]:
        """When the period of the debt cap began, device UTC in ns, and what was recovered in it."""
        return [self._cap_from, self._cap_used]

    def restore(self, image: Sequence[int]) -> None:
        """Be what :meth:`image` said."""
        self._cap_from, self._cap_used = image
