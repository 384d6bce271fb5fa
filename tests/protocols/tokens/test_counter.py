"""A counter from its low ten bits: the nearest of all that it can be."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from protocols.tokens.counter import HIGHEST, SPAN, recover, truncated

COUNTERS = st.integers(0, HIGHEST) | st.integers(0, 2 * SPAN) | st.integers(HIGHEST - 2 * SPAN, HIGHEST)
ACCEPTED = st.just(-1) | COUNTERS


@given(st.integers(0, SPAN - 1), ACCEPTED)
@example(600, -1)
@example(1023, 0)
@example(0, HIGHEST)
@example(511, HIGHEST)
@example(512, 0)
@example(512, 1024)
def test_nearest_within_the_range(low: int, highest: int) -> None:
    """Against all candidates near ``highest`` one by one; of two as near, the one above."""
    first = max(0, highest // SPAN - 3) * SPAN + low
    candidates = [first + SPAN * step for step in range(7) if first + SPAN * step <= HIGHEST]
    nearest = min(candidates, key=lambda counter: (abs(counter - highest), -counter))
    assert recover(low, highest) == nearest


@given(COUNTERS, st.integers(-511, 512))
def test_near_counters_come_back(highest: int, step: int) -> None:
    counter = highest + step
    if 0 <= counter <= HIGHEST:
        assert recover(truncated(counter), highest) == counter


def test_before_the_first() -> None:
    assert [recover(low, -1) for low in range(SPAN)] == list(range(SPAN))


def test_wrap_of_the_low_bits() -> None:
    assert recover(0, 1023) == 1024
    assert recover(1023, 1024) == 1023
    assert recover(5, HIGHEST) == HIGHEST - SPAN + 6
