"""What an account shows of itself: the read-only attributes of class 111, and the amounts and states of its credits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.prepayment.credit import CreditStatus

if TYPE_CHECKING:
    from emulator.prepayment.account import Account


class Statement:
    """The state of one account at its meter's present; made anew when somebody asks. Amounts in millipence."""

    __slots__ = ("_account",)

    def __init__(self, account: Account) -> None:
        self._account = account

    @property
    def emergency_left(self) -> int:
        """What is left of emergency credit: of what was activated, else what would be there."""
        account = self._account
        account.fold()
        return account.books.emergency if account.emergency_selected else account.emergency_offer

    @property
    def available_credit(self) -> int:
        """What can be used before the supply is cut (class 111, attribute 5)."""
        account = self._account
        return max(0, account.balance - account.limit("disablement")) + (
            account.books.emergency if account.emergency_selected else 0
        )

    @property
    def amount_to_clear(self) -> int:
        """What has to be paid before the balance is above the disablement threshold again."""
        account = self._account
        short = max(0, account.limit("disablement") - account.balance)
        return short + account.books.accumulated + account.books.borrowed

    @property
    def aggregated_debt(self) -> int:
        """All debts and what is owed beyond them."""
        account = self._account
        account.fold()
        return (
            sum(charge.remaining for charge in account.charges.values() if charge.is_debt) + account.books.accumulated
        )

    def status_of(self, credit: str) -> CreditStatus:
        """credit_status of class 112."""
        account = self._account
        account.fold()
        books, floor = account.books, account.limit("disablement")
        match credit:
            case "balance":
                return CreditStatus.IN_USE if books.balance > floor or not account.prepaying else CreditStatus.EXHAUSTED
            case "emergency":
                if not account.emergency_selected:
                    return CreditStatus.SELECTABLE if account.selectable else CreditStatus.ENABLED
                if books.emergency == 0:
                    return CreditStatus.EXHAUSTED
                return CreditStatus.IN_USE if books.balance <= floor else CreditStatus.SELECTED
            case _:
                return CreditStatus.IN_USE if books.accumulated else CreditStatus.ENABLED

    @property
    def credit_status(self) -> str:
        """current_credit_status of class 111: eight bits, in credit, low, next credit enabled, selectable, selected,
        selectable credit in use, out of credit."""
        account = self._account
        emergency = self.status_of("emergency")
        out = account.prepaying and account.exhausted
        bits = (
            not out,
            account.books.balance <= account.limit("low_credit"),
            emergency is CreditStatus.ENABLED,
            emergency is CreditStatus.SELECTABLE,
            emergency is CreditStatus.SELECTED,
            emergency is CreditStatus.IN_USE,
            out,
            False,
        )
        return "".join("01"[bit] for bit in bits)

    @property
    def current_credit(self) -> int:
        """Index, from 0, of the credit in use among the references (class 111, attribute 3)."""
        account = self._account
        references = account.references("credit")
        in_use = account.reference(f"credit.{account.in_use}")
        return references.index(in_use) if in_use in references else 0

    def amount_of(self, credit: str) -> int:
        """current_credit_amount of class 112."""
        account = self._account
        match credit:
            case "balance":
                return account.balance
            case "emergency":
                return self.emergency_left
            case _:
                account.fold()
                return account.books.accumulated
