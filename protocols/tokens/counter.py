"""The full counter of a token from the ten bits of it that the token carries."""

from __future__ import annotations

from typing import Final

BITS: Final = 10
"""How many low bits of the counter a token carries (GBCS, PTUT)."""
SPAN: Final = 1 << BITS
HIGHEST: Final = 0xFFFF_FFFF
"""The last counter there is: a counter is the upper 32 bits of the 64-bit originator counter."""


def truncated(counter: int) -> int:
    """The bits of ``counter`` that a token carries."""
    return counter & (SPAN - 1)


def recover(low: int, highest: int) -> int:
    """The counter that ends in the bits ``low`` and is nearest to ``highest``, the highest one accepted so far.

    ``low`` is 0 to 1023, ``highest`` -1 (none accepted) to 2**32 - 1. The result is within 0 to 2**32 - 1; where the
    nearest candidate lies outside, it is the nearest of those inside. Of two as near, 512 below and 512 above, it is
    the one above: a token not seen yet rather than one older than any history can tell. So a token is rebuilt rightly
    while no more than 512 later or 511 earlier counters lie between it and the highest accepted; one from further off
    is taken for another counter, and its authentication fails.
    """
    ahead = (low - highest) & (SPAN - 1)
    counter = highest + ahead if ahead <= SPAN // 2 else highest + ahead - SPAN
    if counter < 0:
        return counter + SPAN
    return counter if counter <= HIGHEST else counter - SPAN
