"""The books of an account: where every millipence of credit is, and in which order charges and payments move it.

What came in is always what is there and what went out::

    credited + adjusted == balance - borrowed - accumulated + paid + lost

``paid`` is the sum of what all charges took. Emergency credit is a loan: what was used of it is ``borrowed`` until it
is paid back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from emulator.firmware import Recovery
from emulator.prepayment.charge import WHOLE, Charge


class Split(NamedTuple):
    """Where a payment goes, millipence each: to the payment-based debt, to accumulated debt, to emergency credit that
    was used, and to the balance."""

    debt: int
    accumulated: int
    emergency: int
    balance: int


class Books:
    """Amounts of one account, millipence.

    ``emergency`` is what is left of the emergency credit that is selected; ``accumulated`` what charges by time could
    not take; ``adjusted`` what the supplier has added or taken; ``lost`` credit that the maximum balance cut off.
    """

    __slots__ = ("accumulated", "adjusted", "balance", "borrowed", "credited", "emergency", "lost", "paid")

    def __init__(self, balance: int) -> None:
        self.balance = balance
        self.adjusted = balance
        self.emergency = 0
        self.borrowed = 0
        self.accumulated = 0
        self.credited = 0
        self.lost = 0
        self.paid = 0

    @property
    def squared(self) -> bool:
        """Whether what came in is what is there and what went out."""
        there = self.balance - self.borrowed - self.accumulated
        return self.credited + self.adjusted == there + self.paid + self.lost

    def take(self, charge: Charge, amount: int, floor: int, lend: bool, accumulate: bool) -> None:
        """Collect ``amount`` for a charge: from the balance down to ``floor``, then from emergency credit if ``lend``.

        What neither holds is owed as accumulated debt, or goes from the balance all the same.
        """
        at_hand = min(amount, max(0, self.balance - floor))
        lent = min(amount - at_hand, self.emergency) if lend else 0
        rest = amount - at_hand - lent
        self.balance -= at_hand
        self.emergency -= lent
        self.borrowed += lent
        if accumulate:
            self.accumulated += rest
        else:
            self.balance -= rest
        charge.paid += amount
        self.paid += amount

    def split(self, amount: int, debt: Charge, debt_most: int, order: Sequence[Recovery]) -> Split:
        """Where a payment would go, in the order of the profile.

        The payment-based debt gets its proportion of what is left when it is its turn, at most ``debt_most``.
        """
        rest, to_debt, accumulated, emergency = amount, 0, 0, 0
        for step in order:
            match step:
                case Recovery.PAYMENT_DEBT:
                    to_debt = min(rest * debt.proportion // WHOLE, debt.remaining, debt_most)
                    rest -= to_debt
                case Recovery.ACCUMULATED_DEBT:
                    accumulated = min(rest, self.accumulated)
                    rest -= accumulated
                case Recovery.EMERGENCY_CREDIT:
                    emergency = min(rest, self.borrowed)
                    rest -= emergency
        return Split(to_debt, accumulated, emergency, rest)

    def add(self, parts: Split, debt: Charge, lost: int) -> None:
        """Enter a payment; ``lost`` of what would go to the balance is cut off."""
        self.credited += sum(parts)
        self.accumulated -= parts.accumulated
        self.borrowed -= parts.emergency
        self.balance += parts.balance - lost
        self.lost += lost
        debt.paid += parts.debt
        debt.remaining -= parts.debt
        self.paid += parts.debt

    def adjust(self, delta: int) -> None:
        """The supplier adds to the balance, or takes from it."""
        self.balance += delta
        self.adjusted += delta

    def write_off(self) -> None:
        """Nothing is owed any more: neither emergency credit that was used, nor accumulated debt."""
        self.adjusted += self.borrowed + self.accumulated
        self.borrowed = self.accumulated = self.emergency = 0

    def image(self) -> list[int]:
        """All amounts, in the order of the names."""
        return [getattr(self, name) for name in Books.__slots__]

    def restore(self, image: Sequence[int]) -> None:
        """Be what :meth:`image` said."""
        for name, amount in zip(Books.__slots__, image, strict=True):
            setattr(self, name, amount)
