"""Money of an account in integer millipence (1e-5 GBP), the unit of balances in GB meters."""

from __future__ import annotations

PENNY = 1000
POUND = 100_000
SCALE = -5
"""Power of ten of a millipence in pounds, as classes 111 and 113 give it."""
MOST = 0x7FFF_FFFF
LEAST = -0x8000_0000
"""Range of an amount in classes 111 to 113, millipence."""


def text(millipence: int) -> str:
    """An amount for people: ``12.34``, pounds and pence, towards zero."""
    pence = abs(millipence) // PENNY
    sign = "-" if millipence < 0 and pence else ""
    return f"{sign}{pence // 100}.{pence % 100:02}"
