"""Reports that are made when somebody looks are those that would have been sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.load import MICRO, Constant
from emulator.premises import Premises, build_premises
from emulator.time import MINUTE, SECOND, Clock
from firmware_profiles.loader import load

from ..conftest import SEED, START, DeviceSpec, Prepayment, Spec


def dwelling(clock: Clock, *, listened: bool) -> Premises:
    spec = Spec(electricity=DeviceSpec(prepayment=Prepayment(2000)), display=DeviceSpec())
    made = build_premises("home", spec, clock, SEED, load)
    assert made.hub is not None
    if listened:
        made.hub.han.air.listen(lambda _at, _octets, _link: None)
    return made


def known(premises: Premises) -> Any:
    """All that the display knows, when it heard it, and what its frames have come to."""
    assert premises.display is not None and premises.hub is not None and premises.electricity is not None
    display, han = premises.display, premises.hub.han
    han.make_up()
    meters = [(known.at, known.heard_at, known.values) for known in display.client._known.values()]
    counters = [
        (node.counter, node.link_counter) for node in (han.member(display).node, han.member(premises.electricity).node)
    ]
    return meters, counters, display.text


DURATIONS = st.one_of(
    st.integers(1, 600).map(lambda count: count * SECOND),
    st.integers(1, 2000).map(lambda count: count * SECOND // 2000),
    st.integers(1, 4000 * SECOND),
    st.just(0),
)
DEEDS: dict[str, Callable[[Premises], object]] = {
    "look at the display": lambda premises: premises.display and premises.display.text,
    "look at the meter": lambda premises: premises.electricity and premises.electricity.settle(),
    "another load": lambda premises: (
        premises.electricity
        and premises.electricity.set_load(Constant((1000 + premises.electricity.clock.now % 5000) * MICRO))
    ),
    "meter off": lambda premises: (
        premises.electricity and premises.electricity.mains and premises.electricity.power_off()
    ),
    "meter on": lambda premises: (
        premises.electricity and not premises.electricity.mains and premises.electricity.power_on()
    ),
    "display off": lambda premises: premises.display and premises.display.mains and premises.display.power_off(),
    "display on": lambda premises: premises.display and not premises.display.mains and premises.display.power_on(),
    "ask the time": lambda premises: (
        premises.hub
        and premises.electricity
        and premises.hub.han.member(premises.electricity).application.synchronise()
    ),
    "disturb": lambda premises: premises.hub and premises.hub.han.medium.burst(7 * SECOND, level=20),
    "nothing": lambda premises: None,
}


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(list(DEEDS)), DURATIONS), max_size=8))
def test_nobody_can_tell_whether_a_report_was_sent_or_made_later(done: list[tuple[str, int]]) -> None:
    homes: list[tuple[Clock, Premises]] = []
    for listened in (True, False):
        clock = Clock(START)
        homes.append((clock, dwelling(clock, listened=listened)))
        clock.advance_to(START + 2 * MINUTE)
    for name, duration in done:
        for clock, premises in homes:
            DEEDS[name](premises)
            clock.advance_to(clock.now + duration)
    sent, made = (known(premises) for _, premises in homes)
    assert made == sent


def test_a_report_that_was_put_off_is_as_old_as_it_is(clock: Clock) -> None:
    premises = dwelling(clock, listened=False)
    display, meter = premises.display, premises.electricity
    assert display is not None and meter is not None
    clock.advance_to(START + 30 * MINUTE)
    (shown,) = [item for item in display.client._known.values() if item.fuel is not None and item.heard_at > START]
    assert 0 < clock.now - shown.heard_at <= 10 * SECOND
    assert meter.time <= clock.now


def test_of_reports_that_nobody_looked_at_the_last_is_made(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    premises = dwelling(clock, listened=False)
    display, meter, hub = premises.display, premises.electricity, premises.hub
    assert display is not None and meter is not None and hub is not None
    clock.advance_to(START + 2 * MINUTE)
    assert display.text
    node = hub.han.member(meter).node
    counted = node.counter
    arrived: list[int] = []
    monkeypatch.setattr(type(display.client), "receive_late", lambda _self, _arrival, instant: arrived.append(instant))
    clock.advance_to(START + 2 * MINUTE + 35 * SECOND)
    assert arrived == []
    assert display.text
    assert len(arrived) == 2  # of the Metering cluster, and of Prepayment
    assert node.counter - counted >= 6
