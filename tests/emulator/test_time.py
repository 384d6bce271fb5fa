"""The rig's clock: order, cancelling, and streams of chance."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emulator.time import Clock, stream


@given(st.lists(st.tuples(st.integers(-5, 50), st.booleans()), max_size=40), st.integers(0, 60))
def test_events_come_in_order_at_their_instant(events: list[tuple[int, bool]], target: int) -> None:
    clock = Clock(0)
    seen: list[tuple[int, int, int]] = []
    for number, (due, cancelled) in enumerate(events):
        event = clock.schedule(due, lambda due=due, number=number: seen.append((clock.now, due, number)))
        if cancelled:
            event.cancel()
    wanted = [(due, number) for number, (due, cancelled) in enumerate(events) if not cancelled]
    expected = sorted(item for item in wanted if item[0] <= target)
    clock.advance_to(target)
    assert [(due, number) for _, due, number in seen] == expected
    assert all(now == max(due, 0) for now, due, _ in seen)
    assert clock.now == target
    left = [due for due, cancelled in events if not cancelled and due > target]
    assert clock.next_due() == min(left, default=None)


def test_an_event_may_schedule_others() -> None:
    clock = Clock(0)
    seen: list[int] = []

    def again() -> None:
        seen.append(clock.now)
        for _ in range(700):
            clock.schedule(clock.now + 1_000_000, again).cancel()
        clock.schedule(clock.now + 10, again)

    clock.schedule(5, again)
    clock.advance_to(100)
    assert seen == list(range(5, 101, 10))


def test_cancelled_events_do_not_pile_up() -> None:
    clock = Clock(0)
    kept = [clock.schedule(1_000_000 + n, lambda: None) for n in range(10)]
    for _ in range(100_000):
        clock.schedule(2_000_000, lambda: None).cancel()
    assert clock.pending <= 1100
    assert clock.next_due() == kept[0].due


def test_streams_of_chance_are_of_their_own() -> None:
    assert stream(1, "a", "x").random() == stream(1, "a", "x").random()
    others = {stream(seed, owner, use).random() for seed in (1, 2) for owner in ("a", "b") for use in ("x", "y")}
    assert len(others) == 8
