"""The check digit against published UTRNs and against the scheme written out one digit at a time."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.tokens import verhoeff

PUBLISHED = ("74301825837596672005", "73943333457189043313", "73947252416745201637", "73946144332040217315")

DIHEDRAL = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
PERMUTATION = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)
INVERSE = "1267583094"


def by_hand(digits: str) -> str:
    """Tables as textbooks print them, with the start row and the inverse table of GBCS."""
    product = "0"
    for place, digit in enumerate(digits):
        product = DIHEDRAL[int(product)][int(PERMUTATION[(4 + place) % 8][int(digit)])]
    return INVERSE[int(product)]


@pytest.mark.parametrize("utrn", PUBLISHED)
def test_published(utrn: str) -> None:
    assert verhoeff.valid(int(utrn))
    assert verhoeff.check_digit(int(utrn[:-1])) == int(utrn[-1])
    assert by_hand(utrn[:-1]) == utrn[-1]


@given(st.integers(0, 10**19 - 1))
@example(0)
@example(10**19 - 1)
@example(1)
def test_as_by_hand(number: int) -> None:
    digit = verhoeff.check_digit(number)
    assert str(digit) == by_hand(f"{number:019}")
    assert [verhoeff.valid(number * 10 + last) for last in range(10)] == [last == digit for last in range(10)]


@given(st.integers(0, 10**19 - 1), st.integers(0, 18))
def test_neighbours_exchanged(number: int, place: int) -> None:
    """Every exchange of two different digits side by side is found."""
    digits = f"{number}{verhoeff.check_digit(number)}".zfill(20)
    swapped = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
    assert verhoeff.valid(int(swapped)) == (swapped == digits)
