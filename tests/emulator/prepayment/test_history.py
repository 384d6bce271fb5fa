"""The replay window: each counter once, in any order, in little memory."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emulator.prepayment.history import LONGEST, LONGEST_LIST, TokenHistory, TokenList
from protocols.tokens.scheme import Outcome

TOP = 2**32 - 1


def outlives_a_restart(before: TokenHistory | TokenList, after: TokenHistory | TokenList) -> None:
    """What was stored as JSON comes back the same."""
    after.restore(json.loads(json.dumps(before.image())))
    assert after.image() == before.image()


@given(st.integers(1, 12), st.lists(st.integers(0, 30) | st.integers(TOP - 30, TOP), max_size=80))
@example(1, [5, 5, 4, 6])
@example(3, [5, 6, 7, 5, 4])
@example(3, [0, TOP, 0, TOP - 2, TOP - 3])
def test_against_a_set(length: int, counters: list[int]) -> None:
    history, used = TokenHistory(length), set[int]()
    for counter in counters:
        if counter in used and counter > max(used) - length:
            wanted = Outcome.DUPLICATE
        elif used and counter <= max(used) - length:
            wanted = Outcome.TOO_OLD
        else:
            wanted = Outcome.ACCEPTED
        assert history.judge(counter) is wanted
        if wanted is Outcome.ACCEPTED:
            history.add(counter)
            used.add(counter)
        assert history.highest == max(used, default=-1)
        outlives_a_restart(history, TokenHistory(length))


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.lists(st.integers(0, 80), unique=True, max_size=40),
    st.lists(st.integers(0, 80), max_size=40),
)
def test_another_length_never_accepts_twice(before: int, after: int, counters: list[int], again: list[int]) -> None:
    """A firmware with a longer or shorter window takes over what was used; what it cannot know counts as used."""
    old, used = TokenHistory(before), set[int]()
    for counter in counters:
        if old.judge(counter) is Outcome.ACCEPTED:
            old.add(counter)
            used.add(counter)
    new = TokenHistory(after)
    new.restore(old.image())
    for counter in again:
        if new.judge(counter) is Outcome.ACCEPTED:
            assert counter not in used
            new.add(counter)
            used.add(counter)


@given(st.integers(1, 6), st.lists(st.integers(0, 30) | st.integers(TOP - 30, TOP), max_size=60))
@example(2, [10, 20, 30, 20, 10, 15, 25, 25])
def test_list_against_a_set(length: int, counters: list[int]) -> None:
    """A list takes each counter once, and refuses only what was used or is not above all it has dropped."""
    kept, used = TokenList(length), set[int]()
    for counter in counters:
        dropped = sorted(used)[:-length]
        if counter in sorted(used)[-length:]:
            wanted = Outcome.DUPLICATE
        elif counter <= max(dropped, default=-1):
            wanted = Outcome.TOO_OLD
        else:
            wanted = Outcome.ACCEPTED
        assert kept.judge(counter) is wanted
        if wanted is Outcome.ACCEPTED:
            kept.add(counter)
            used.add(counter)
        assert kept.highest == max(used, default=-1)
        outlives_a_restart(kept, TokenList(length))


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.lists(st.integers(0, 30), unique=True, max_size=20),
    st.lists(st.integers(0, 30), max_size=20),
)
def test_list_of_another_length_never_accepts_twice(
    before: int, after: int, counters: list[int], again: list[int]
) -> None:
    old, used = TokenList(before), set[int]()
    for counter in counters:
        if old.judge(counter) is Outcome.ACCEPTED:
            old.add(counter)
            used.add(counter)
    new = TokenList(after)
    new.restore(old.image())
    for counter in again:
        if new.judge(counter) is Outcome.ACCEPTED:
            assert counter not in used
            new.add(counter)
            used.add(counter)


def test_memory_of_the_longest_list() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = TokenList(LONGEST)
        for counter in range(TOP - 1000, TOP + 1):
            kept.add(counter)
        assert kept.length == LONGEST_LIST
        assert 800 < tracemalloc.get_traced_memory()[0] - before <= 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("image", ({}, {"floor": 1, "kept": 5}, {"floor": "1", "kept": ""}, {"floor": 1, "kept": "x"}))
def test_list_images_of_something_else(image: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        TokenList(8).restore(image)


def test_empty_list() -> None:
    with pytest.raises(ValueError, match="a list of 0 counters: at least 1"):
        TokenList(0)


def test_memory_of_the_longest() -> None:
    """At most 1 KiB with every bit set and the highest counter, and as much after a step over the whole range."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        history = TokenHistory(LONGEST)
        for counter in range(TOP - LONGEST, TOP + 1):
            history.add(counter)
        held = tracemalloc.get_traced_memory()[0] - before
        assert 512 < held <= 1024
        tracemalloc.reset_peak()
        far = TokenHistory(LONGEST)
        far.add(0)
        far.add(TOP)
        assert tracemalloc.get_traced_memory()[1] - before < 4096
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("length", (0, -1, LONGEST + 1))
def test_lengths_that_there_are_not(length: int) -> None:
    with pytest.raises(ValueError, match=f"a history of {length} counters: 1 to 4096"):
        TokenHistory(length)


@pytest.mark.parametrize(
    "image",
    (
        {},
        {"length": 3, "highest": 2, "seen": 7},
        {"length": 3, "highest": 2, "seen": "no"},
        {"length": "3", "highest": 2, "seen": "7"},
        {"length": -3, "highest": 2, "seen": "7"},
    ),
)
def test_images_of_something_else(image: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        TokenHistory(8).restore(image)
