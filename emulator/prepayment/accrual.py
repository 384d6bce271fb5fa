"""What energy costs, exactly: the integral of a price over the amount that flows, in whole millipence with a carry.

The cost until any instant is the floor of an exact quotient, so it does not matter when, or how often, one looks.
"""

from __future__ import annotations

from collections.abc import Sequence

from emulator.prepayment.money import SCALE

_FINEST = 6
"""Commodity scales up to this one (MWh) have an exact carry."""


class Accrual:
    """The cost of what one meter has counted since the last :meth:`fold`.

    Amounts are the meter's exact ones, ``unit`` of which is one watt-hour. A price is of ``10 ** commodity_scale`` Wh,
    in ``10 ** price_scale`` pounds.
    """

    __slots__ = ("_carry", "_denominator", "_factor", "base")

    def __init__(self, unit: int) -> None:
        self._denominator = unit * 10**_FINEST
        self.base = 0
        """What the meter had counted at the last fold."""
        self._carry = 0
        self._factor = 0

    def start(self, amount: int) -> None:
        """Count from this amount on; what was there before has been paid for elsewhere."""
        self.base = amount

    def price(self, price: int, commodity_scale: int, price_scale: int) -> None:
        """From the last fold on energy costs this much."""
        self._factor = max(price, 0) * 10 ** (price_scale - SCALE) * 10 ** (_FINEST - commodity_scale)

    def fold(self, amount: int) -> int:
        """Millipence that have become due since the last fold."""
        cost, self._carry = divmod(self._carry + (amount - self.base) * self._factor, self._denominator)
        self.base = amount
        return cost

    def needed(self, cost: int) -> int | None:
        """The amount at which ``cost`` more millipence will be due; None when energy costs nothing."""
        if self._factor == 0:
            return None
        return self.base - (self._carry - cost * self._denominator) // self._factor

    def image(self) -> list[int]:
        """Base and carry."""
        return [self.base, self._carry]

    def restore(self, image: Sequence[int]) -> None:
        """Be what :meth:`image` said; :meth:`price` comes after it."""
        self.base, self._carry = image
