"""Official UTRNs: issued and read exactly, and refused with any digit altered."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocols.dlms import axdr
from protocols.dlms.access import AccessRequest
from protocols.tokens import verhoeff
from protocols.tokens.counter import truncated
from protocols.tokens.gbcs import GbcsTokens
from protocols.tokens.ptut import decode
from protocols.tokens.scheme import Credit, Outcome, TokenRefused
from protocols.tokens.symmetric import SymmetricTokens

from .conftest import ORIGINATOR, TARGET, Vector, vectors

VECTORS = vectors()
WITH_KEY = [vector for vector in VECTORS if vector.key]
APDUS = Path(__file__).parents[2] / "data" / "rtds-dlms-apdus.txt"
each = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.utrn)


def outcome(scheme: GbcsTokens, digits: str, highest: int) -> Outcome:
    with pytest.raises(TokenRefused) as refusal:
        scheme.read(digits, highest)
    return refusal.value.outcome


@each
def test_read(gbcs: GbcsTokens, vector: Vector) -> None:
    wanted = Credit(vector.counter, vector.pence * 1000)
    assert gbcs.read(vector.utrn, -1) == wanted
    assert gbcs.read(vector.utrn, vector.counter) == wanted
    assert gbcs.read(vector.utrn, vector.counter + 500) == wanted
    assert outcome(gbcs, vector.utrn, vector.counter + 1024) is Outcome.NOT_AUTHENTIC


@pytest.mark.parametrize("vector", WITH_KEY, ids=lambda vector: vector.utrn)
def test_issue(gbcs: GbcsTokens, vector: Vector) -> None:
    """The key of the counter and the digits, from the shared secret and from the published key alone."""
    assert gbcs.key(vector.counter) == vector.key
    assert gbcs.issue(vector.counter, vector.pence) == vector.utrn
    assert SymmetricTokens(gbcs.key(vector.counter), ORIGINATOR, TARGET).issue(vector.counter, vector.pence) == (
        vector.utrn
    )


def test_there_are_three() -> None:
    assert len(VECTORS) == 3
    assert len(WITH_KEY) == 2


def test_top_up_of_cs01a(gbcs: GbcsTokens) -> None:
    """The UTRN in the command of CS01a is proved by the data set's keys, with the command's own originator counter.

    That the counter is no chance hit: of all 2**22 counters that end in the token's ten bits, this alone has the MAC
    (counted once, in 25 s; the 64 nearest are counted here). Its 10 pounds are of the class of whole pounds, where we
    would issue pence.
    """
    lines = (line.split() for line in APDUS.read_text(encoding="ascii").splitlines() if not line.startswith("#"))
    command = next(
        AccessRequest.decode(bytes.fromhex(octets)) for name, octets in lines if name.startswith("CS01a_2.2")
    )
    entered = axdr.decode_all(command.items[0].data).value
    assert isinstance(entered, bytes)
    digits = entered.decode("ascii")
    assert digits == VECTORS[2].utrn
    assert gbcs.read(digits, -1) == Credit(counter=3, amount=10 * 100_000)
    low = truncated(3)
    proved = 0
    for step in range(64):
        try:
            proved += gbcs.read(digits, low + 1024 * step).counter == low + 1024 * step
        except TokenRefused as refusal:
            assert refusal.outcome is Outcome.NOT_AUTHENTIC
    assert proved == 1


@each
def test_any_digit_altered(gbcs: GbcsTokens, vector: Vector) -> None:
    """Each of the 20 places with each of the 9 other digits: the check digit finds them all."""
    tried = 0
    for place in range(20):
        for digit in set("0123456789") - {vector.utrn[place]}:
            altered = vector.utrn[:place] + digit + vector.utrn[place + 1 :]
            assert outcome(gbcs, altered, vector.counter - 1) is Outcome.CHECK_DIGIT
            tried += 1
    assert tried == 180


@each
def test_any_digit_altered_and_the_check_digit_made_to_fit(gbcs: GbcsTokens, vector: Vector) -> None:
    """Who knows how the check digit is made meets the range of a UTRN and then the MAC."""
    found = {Outcome.NOT_AUTHENTIC: 0, Outcome.NOT_THIS_SCHEME: 0}
    for place in range(19):
        for digit in set("0123456789") - {vector.utrn[place]}:
            body = int(vector.utrn[:place] + digit + vector.utrn[place + 1 : 19])
            found[outcome(gbcs, f"{body:019}{verhoeff.check_digit(body)}", vector.counter - 1)] += 1
    assert sum(found.values()) == 171
    assert min(found.values()) > 0


def test_of_another_meter_or_key(gbcs: GbcsTokens) -> None:
    digits = VECTORS[0].utrn
    key = gbcs.key(1)
    for other in (
        SymmetricTokens(key, ORIGINATOR, TARGET[:-1] + b"\xa1"),
        SymmetricTokens(key, ORIGINATOR[:-1] + b"\x01", TARGET),
        SymmetricTokens(key[:-1] + bytes((key[-1] ^ 1,)), ORIGINATOR, TARGET),
    ):
        with pytest.raises(TokenRefused) as refusal:
            other.read(digits, -1)
        assert refusal.value.outcome is Outcome.NOT_AUTHENTIC
    assert decode(digits).low == 1
