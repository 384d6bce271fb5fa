"""The check digit of a UTRN: Verhoeff's scheme in the variant of GBCS, at the speed of table look-ups.

Each digit goes through a permutation that its place chooses and all are multiplied in the dihedral group of order ten;
with the check digit last, the product is the identity. GBCS takes digits from left to right and starts with the fourth
power of the permutation, so that the twentieth digit has the seventh, the inverse of the first. The group is
associative, so four digits at once are one look-up.
"""

from __future__ import annotations

from typing import Final

_PERMUTATION: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
_FIRST_POWER: Final = 4
"""Power of the permutation for the leftmost digit; one more for each digit to the right, modulo 8."""


def _product(left: int, right: int) -> int:
    """Multiplication in the dihedral group: 0 to 4 are rotations, 5 to 9 reflections."""
    turn = (left - right if left >= 5 else left + right) % 5
    return turn if (left >= 5) == (right >= 5) else turn + 5


def _powers() -> list[tuple[int, ...]]:
    """The permutation to the power of 0 to 7."""
    powers = [tuple(range(10))]
    for _ in range(7):
        powers.append(tuple(_PERMUTATION[digit] for digit in powers[-1]))
    return powers


_POWERS: Final = _powers()
_TIMES: Final = tuple(tuple(_product(left, right) for right in range(10)) for left in range(10))


def _four(power: int) -> bytes:
    """Products of four permuted digits, by the number that they form; ``power`` is that of the first."""
    products = (0,)
    for place in range(4):
        permuted = _POWERS[(power + place) % 8]
        products = tuple(_TIMES[product][digit] for product in products for digit in permuted)
    return bytes(products)


_ODD: Final = _four(_FIRST_POWER)
"""Digits 1 to 4, 9 to 12 and 17 to 20."""
_EVEN: Final = _four(_FIRST_POWER + 4)
"""Digits 5 to 8 and 13 to 16."""


def _residue(number: int) -> int:
    """The product over the 20 digits of ``number``; 0 when the last is the right check digit."""
    twelve, eight = divmod(number, 100_000_000)
    first, second = divmod(twelve, 100_000_000)
    product = _TIMES[_TIMES[_ODD[first]][_EVEN[second // 10_000]]][_ODD[second % 10_000]]
    return _TIMES[_TIMES[product][_EVEN[eight // 10_000]]][_ODD[eight % 10_000]]


_CHECK_DIGIT: Final = bytes(
    next(digit for digit in range(10) if _TIMES[product][_POWERS[7][digit]] == 0) for product in range(10)
)
"""The last digit that makes the product the identity, by the product of the 19 digits before it."""
_WITHOUT_ZERO: Final = bytes(
    next(product for product in range(10) if _TIMES[product][_POWERS[7][0]] == residue) for residue in range(10)
)
"""The product of 19 digits, by the residue that a last digit of 0 gives."""
_NEEDED: Final = bytes(_CHECK_DIGIT[product] for product in _WITHOUT_ZERO)


def check_digit(number: int) -> int:
    """The check digit of the 19 digits of ``number`` (0 to 10**19 - 1, leading zeros counted)."""
    return _NEEDED[_residue(number * 10)]


def valid(number: int) -> bool:
    """Whether the last of the 20 digits of ``number`` (0 to 10**20 - 1, leading zeros counted) is its check digit."""
    return not _residue(number)
