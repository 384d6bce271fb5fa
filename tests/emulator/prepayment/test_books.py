"""Money is exact: what comes in is what is there and what went out, and cost does not depend on when one looks."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from emulator.firmware import Recovery
from emulator.load import UNIT
from emulator.prepayment.accrual import Accrual
from emulator.prepayment.books import Books
from emulator.prepayment.charge import NOTHING, Charge, ChargeType
from emulator.prepayment.money import POUND, text

amounts = st.integers(0, 50 * POUND)


def debt(remaining: int = 0, proportion: int = 0) -> Charge:
    found = Charge("debt_payment", ChargeType.PAYMENT, 5, NOTHING, 0)
    found.remaining, found.proportion = remaining, proportion
    return found


def test_text() -> None:
    assert [text(amount) for amount in (1_234_567, -250_000, -999, 0)] == ["12.34", "-2.50", "0.00", "0.00"]


@given(
    st.lists(st.tuples(amounts, st.integers(-POUND, POUND), st.booleans(), st.booleans()), max_size=20),
    amounts,
    amounts,
    st.permutations(list(Recovery)),
)
def test_books_stay_square(
    moves: list[tuple[int, int, bool, bool]], begin: int, emergency: int, order: list[Recovery]
) -> None:
    books, owed = Books(begin), debt(7 * POUND, 2_500)
    energy = Charge("consumption", ChargeType.CONSUMPTION, 1, NOTHING, 0)
    books.emergency = emergency
    paid = 0
    for amount, floor, lend, accumulate in moves:
        books.take(energy, amount, floor, lend, accumulate)
        paid += amount
        assert books.squared
        assert books.emergency >= 0 and books.accumulated >= 0 and books.borrowed >= 0
        parts = books.split(amount, owed, 3 * POUND, order)
        assert sum(parts) == amount and min(parts) >= 0
        books.add(parts, owed, parts.balance // 3)
        assert books.squared
    assert energy.paid == paid
    assert owed.paid + owed.remaining == 7 * POUND
    books.write_off()
    assert books.squared and not books.borrowed


def test_emergency_credit_is_used_after_the_balance_and_paid_back_first() -> None:
    books, owed = Books(1 * POUND), debt()
    energy = Charge("consumption", ChargeType.CONSUMPTION, 1, NOTHING, 0)
    books.emergency = 5 * POUND
    books.take(energy, 3 * POUND, 0, lend=True, accumulate=False)
    assert (books.balance, books.emergency, books.borrowed) == (0, 3 * POUND, 2 * POUND)
    parts = books.split(10 * POUND, owed, POUND, (Recovery.EMERGENCY_CREDIT, Recovery.PAYMENT_DEBT))
    assert parts.emergency == 2 * POUND and parts.balance == 8 * POUND


def test_a_payment_recovers_debt_by_proportion_up_to_what_is_owed_and_the_cap() -> None:
    books, owed = Books(0), debt(50_000, 1_000)
    assert books.split(4 * POUND, owed, 30_000, (Recovery.PAYMENT_DEBT,)).debt == 30_000
    assert books.split(4 * POUND, owed, POUND, (Recovery.PAYMENT_DEBT,)).debt == 40_000
    assert books.split(9 * POUND, owed, POUND, (Recovery.PAYMENT_DEBT,)).debt == 50_000


@given(
    st.lists(st.tuples(st.integers(0, 10 * UNIT), st.integers(0, 32_767)), min_size=1, max_size=12),
    st.integers(0, 6),
    st.integers(-5, 0),
)
def test_cost_is_the_floor_of_the_exact_sum(steps: list[tuple[int, int]], commodity: int, scale: int) -> None:
    accrual, amount, exact, due = Accrual(UNIT), 0, Fraction(0), 0
    accrual.start(0)
    for flow, price in steps:
        accrual.price(price, commodity, scale)
        needed = accrual.needed(1)
        amount += flow
        exact += Fraction(flow * price * 10 ** (scale + 5), UNIT * 10**commodity)
        cost = accrual.fold(amount)
        assert (cost >= 1) == (needed is not None and amount >= needed)
        due += cost
        assert accrual.fold(amount) == 0
    assert due == exact.__floor__()
