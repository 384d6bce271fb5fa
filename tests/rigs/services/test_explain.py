"""Why a meter would refuse a token, for schemes of both makes, and what a site knows of its way."""

from __future__ import annotations

import pytest

from protocols.tokens.schemes import find
from rigs.services.s1sp.delivery import Fate
from rigs.services.s1sp.explain import describe, explain
from rigs.services.s1sp.records import Reservation

METER, OTHER = "00DB123456789001", "00DB123456789002"
ORIGINATOR = bytes.fromhex("90B3D51F30010000")


def scheme(meter: str, name: str = "s1sp-symmetric"):
    maker = find(name)
    return maker(bytes(range(int(meter[-1]), int(meter[-1]) + maker.secret_octets)), ORIGINATOR, bytes.fromhex(meter))


def issued(meter: str, last: int, first: int = 1) -> list[Reservation]:
    return [Reservation("supplier", f"t{n}", meter, n, 500, 0) for n in range(first, last + 1)]


def verdict(*arguments: object, **known: object) -> dict[str, tuple[str, bool | None]]:
    found = explain(*arguments, **known)  # type: ignore[arg-type]
    assert found[-1].name == "verdict"
    assert (found[-1].fits is True) == all(one.fits is not False for one in found)
    return {one.name: (one.text, one.fits) for one in found}


@pytest.mark.parametrize("name", ["s1sp-symmetric", "sts-ea07", "sts-ea11", "sts-gas-ea07"])
def test_a_good_token_and_another_meters(name: str) -> None:
    mine, other = scheme(METER, name), scheme(OTHER, name)
    token = mine.issue(3, 500)
    good = verdict(token, METER, mine, issued(METER, 3), {OTHER: (other, [])})
    assert good["verdict"][1] is True
    assert good["origin"] == ("transaction t3 of supplier, 500 pence", True)
    wrong = verdict(token, OTHER, other, [], {METER: (mine, issued(METER, 3))})
    assert wrong["MAC"] == (f"does not match this meter: the token is for meter {METER}, counter 3", False)


@pytest.mark.parametrize("name", ["s1sp-symmetric", "sts-ea07"])
def test_limits_are_told_where_they_are_known_and_named_where_not(name: str) -> None:
    mine = scheme(METER, name)
    token = mine.issue(1, 500)
    unknown = verdict(token, METER, mine, issued(METER, 1), {})
    told = "a meter in prepayment mode takes it once, its token and balance limits permitting"
    assert unknown["verdict"] == (told, True)
    assert "limit" not in unknown
    for limit, fits in ((499, False), (500, True)):
        known = verdict(token, METER, mine, issued(METER, 1), {}, token_limit=limit)
        assert known["limit"] == (f"500 pence of at most {limit} in one token", fits)


def test_a_counter_is_found_however_far_back_it_was_issued() -> None:
    mine = scheme(METER)
    token = mine.issue(5, 500)
    found = verdict(token, METER, mine, issued(METER, 3000), {})
    assert found["MAC"][0].endswith("counter 5")
    assert found["counter"][1] is False
    other = verdict(token, OTHER, scheme(OTHER), [], {METER: (mine, issued(METER, 3000))})
    assert "counter 5" in other["MAC"][0]


def test_what_came_of_a_delivery_counts() -> None:
    mine = scheme(METER)
    token = mine.issue(1, 500)
    for fate in Fate:
        found = verdict(token, METER, mine, issued(METER, 1), {}, delivered=lambda _, told=fate: told)
        assert found["delivery"][0].startswith(fate.value)
        assert (found["delivery"][1] is False) == fate.credited == (found["verdict"][1] is False)


def test_a_token_that_nobody_issued_is_told_as_such() -> None:
    mine = scheme(METER)
    found = verdict(mine.issue(7, 500), METER, mine, issued(METER, 3), {})
    assert found["origin"] == ("counter 7 was not issued by this service, as far as this site knows", None)
    assert verdict(mine.issue(2, 700), METER, mine, issued(METER, 3), {})["origin"][1] is False


@pytest.mark.parametrize("digits", ["", "1" * 19, "1" * 21, "x" * 20, "1" * 20, "9" * 20, "٣" * 20])
@pytest.mark.parametrize("name", ["s1sp-symmetric", "sts-ea07"])
def test_digits_that_are_no_token(digits: str, name: str) -> None:
    found = verdict(digits, METER, scheme(METER, name), issued(METER, 3), {OTHER: (scheme(OTHER), [])})
    assert found["verdict"][1] is False
    assert describe(digits)


@pytest.mark.parametrize("place", range(20))
def test_an_altered_digit_is_found(place: int) -> None:
    mine = scheme(METER)
    token = mine.issue(1, 500)
    for digit in "0123456789".replace(token[place], ""):
        altered = token[:place] + digit + token[place + 1 :]
        assert verdict(altered, METER, mine, issued(METER, 1), {})["check digit"][1] is False
