"""The air of a dwelling: strength, loss, interference and ways."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.han.medium import ALL_CHANNELS, NOISE, SILENCE, TRIES, Link, Medium, Place, Radio
from emulator.time import HOUR, SECOND, Clock

HOUSE = 1000  # cm


def radio(name: str, x: int = 0, channel: int = 11, **more: int) -> Radio:
    return Radio(name, name.encode().rjust(8, b"\x00")[:8], Place(x, 0), channel, **more)


def air(*radios: Radio, seed: int = 1) -> tuple[Medium, Clock]:
    clock = Clock(0)
    medium = Medium(clock, seed, "home")
    for item in radios:
        medium.add(item)
    return medium, clock


def test_near_radios_lose_nothing() -> None:
    near, far = radio("hub"), radio("esme", 200)
    medium, _ = air(near, far)
    assert all(medium.send(near, far) == medium.send(far, near) for _ in range(1000))
    assert medium.send(near, far).tries == 1


def test_strength_falls_with_distance_in_the_mean() -> None:
    levels: list[float] = []
    for x in (100, 400, 1600):
        pairs = [(radio(f"hub-{n}"), radio(f"esme-{n}", x)) for n in range(200)]
        medium, _ = air()
        heard = [medium.link(*pair).rssi for pair in pairs]
        levels.append(sum(heard) / len(heard))
    # Twice the distance is 9 dB at exponent 3, so four times is 18; at 16 m the weakest are cut off.
    assert levels[0] == pytest.approx(-37, abs=2)
    assert levels[0] - levels[1] == pytest.approx(18, abs=2)
    assert levels[1] - levels[2] == pytest.approx(18, abs=3)


@settings(deadline=None)
@given(st.integers(0, 1 << 32), st.integers(0, 5000), st.integers(0, 60))
def test_both_ways_are_the_same(seed: int, x: int, decibels: int) -> None:
    one, other = radio("hub"), radio("gsme", x)
    medium, _ = air(one, other, seed=seed)
    medium.attenuate(one, other, decibels)
    assert medium.link(one, other) == medium.link(other, one)


def test_loss_is_as_likely_as_it_says() -> None:
    one, other = radio("hub"), radio("gsme", 300)
    medium, _ = air(one, other)
    while medium.link(one, other).loss < 13_000:
        medium.attenuate(one, other, medium.link(one, other).rssi - NOISE - 2)
    link = medium.link(one, other)
    lost = sum(medium.hears(one, other) is None for _ in range(4000))
    assert lost / 4000 == pytest.approx(link.loss / 65_536, abs=0.04)


def test_repeats_make_up_for_loss() -> None:
    one, other = radio("hub"), radio("gsme", 300)
    medium, _ = air(one, other)
    medium.attenuate(one, other, medium.link(one, other).rssi - NOISE - 3)
    assert 5_000 < medium.link(one, other).loss < 30_000
    deliveries = [medium.send(one, other) for _ in range(500)]
    assert {delivery.tries for delivery in deliveries} >= {1, 2, 3}
    assert sum(delivery.received for delivery in deliveries) > sum(
        medium.hears(one, other) is not None for _ in range(500)
    )


@pytest.mark.parametrize("silent", ["off", "channel", "out of range"])
def test_what_is_not_heard_at_all(silent: str) -> None:
    one, other = radio("hub"), radio("gsme", 300)
    medium, _ = air(one, other)
    match silent:
        case "off":
            other.on = False
        case "channel":
            other.channel = 12
        case _:
            medium.attenuate(one, other, 100)
    assert medium.link(one, other) == SILENCE
    assert medium.hears(one, other) is None
    assert medium.send(one, other) == (SILENCE, TRIES, False)
    assert medium.route(one, other) is None


def test_interference_on_the_channel_alone_and_until_it_ends() -> None:
    one, other = radio("hub"), radio("gsme", 500)
    medium, clock = air(one, other)
    quiet = medium.link(one, other)
    medium.burst(10 * SECOND, channels=1 << 15)
    assert medium.link(one, other) == quiet
    assert (medium.noise(15), medium.noise(11)) == (-60, NOISE)
    burst = medium.burst(10 * SECOND, channels=ALL_CHANNELS, level=-30)
    assert medium.link(one, other).loss > 60_000
    assert medium.link(one, other).rssi == quiet.rssi
    clock.advance_to(10 * SECOND)
    assert medium.link(one, other) == quiet
    burst.end()
    assert medium.noise(11) == NOISE


def test_levels_change_by_the_hour_and_come_back_with_the_seed() -> None:
    def day(seed: int) -> list[Link]:
        one, other = radio("hub"), radio("gsme", 1500)
        medium, clock = air(one, other, seed=seed)
        links: list[Link] = []
        for hour in range(24):
            clock.advance_to(hour * HOUR)
            links.append(medium.link(one, other))
        return links

    assert day(1) == day(1)
    assert day(1) != day(2)
    assert 1 < len(set(day(1))) <= 7


def test_another_radio_leaves_links_as_they_were() -> None:
    one, other, third = radio("hub"), radio("gsme", 900), radio("ppmid", 500)
    assert air(one, other)[0].link(one, other) == air(one, third, other)[0].link(one, other)


def test_a_way_round_a_wall() -> None:
    hub, esme, gsme = radio("hub"), radio("esme", 300), radio("gsme", 600)
    medium, _ = air(hub, esme, gsme)
    assert medium.route(hub, gsme, [esme]) == (hub, gsme)
    medium.attenuate(hub, gsme, 60)
    assert medium.route(hub, gsme) is None
    assert medium.route(hub, gsme, [esme]) == (hub, esme, gsme)
    esme.on = False
    assert medium.route(hub, gsme, [esme]) is None


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1 << 32), st.lists(st.integers(0, 8000), min_size=2, max_size=7))
def test_a_way_is_made_of_usable_links_and_visits_nobody_twice(seed: int, places: list[int]) -> None:
    radios = [radio(f"radio-{number}", x) for number, x in enumerate(places)]
    medium, _ = air(*radios, seed=seed)
    way = medium.route(radios[0], radios[-1], radios[1:-1])
    if way is None:
        assert not medium.link(radios[0], radios[-1]).usable
        return
    assert (way[0], way[-1]) == (radios[0], radios[-1])
    assert len(set(way)) == len(way)
    assert all(medium.link(a, b).usable for a, b in pairwise(way))


def test_a_radio_that_is_taken_away() -> None:
    one, other = radio("hub"), radio("gsme", 300)
    medium, _ = air(one, other)
    medium.remove(other)
    assert medium.radios == [one]


def test_a_channel_that_is_none() -> None:
    with pytest.raises(ValueError, match=r"channel 27: channels of 2\.4 GHz are 11 to 26"):
        radio("hub", channel=27)
