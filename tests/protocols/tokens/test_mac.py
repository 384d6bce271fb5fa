"""How often a token with a valid form but a guessed MAC is accepted: as 32 bits of MAC let one expect."""

from __future__ import annotations

from random import Random

import pytest

from protocols.tokens import ptut
from protocols.tokens.scheme import Credit, Outcome, TokenRefused
from protocols.tokens.symmetric import SymmetricTokens

BITS = 32
TOKENS = 20_000
ORIGINATOR = bytes.fromhex("90B3D51F30010000")


def accepted(scheme: SymmetricTokens, digits: str, highest: int) -> Credit | None:
    try:
        return scheme.read(digits, highest)
    except TokenRefused as refusal:
        assert refusal.outcome is Outcome.NOT_AUTHENTIC
        return None


@pytest.mark.parametrize("shift", (0, 16))
def test_exactly_one_mac_is_right(shift: int) -> None:
    """Of the 65,536 MACs that differ from the right one in the lower or in the upper 16 bits at most, one is accepted.

    Together: no bit of the MAC is ignored and none makes another acceptable, so that a guess at random has one chance
    in 2**32.
    """
    scheme = SymmetricTokens(bytes(range(16)), ORIGINATOR, bytes(8))
    right = ptut.decode(scheme.issue(5, 2000))
    hits = [
        difference
        for difference in range(1 << 16)
        if accepted(scheme, ptut.encode(right.high, right.mac ^ difference << shift), 4)
    ]
    assert hits == [0]


def test_macs_are_uniform_and_guesses_agree_by_chance() -> None:
    """20,000 tokens, each of its own meter, key, counter and value, against guessed MACs (seeded, so always the same).

    The bits of the MACs: chi-square of the 32 positions, and of the 256 values of each octet, within the central 99.9 %
    of their distributions. The guesses: none is accepted, where 5e-6 are expected; as that alone would show little, how
    many agree in 4, 8 and 12 of the bits is within 4 standard deviations of what chance has (1,250, 78 and 5).
    """
    chance = Random("guessed MACs")
    ones = [0] * BITS
    octets = [[0] * 256 for _ in range(4)]
    agreeing = {4: 0, 8: 0, 12: 0}
    for _ in range(TOKENS):
        scheme = SymmetricTokens(chance.randbytes(16), ORIGINATOR, chance.randbytes(8))
        counter, pence = chance.getrandbits(32), chance.randrange(1, 8192)
        right = ptut.decode(scheme.issue(counter, pence))
        for bit in range(BITS):
            ones[bit] += right.mac >> bit & 1
        for place, octet in enumerate(right.mac.to_bytes(4, "big")):
            octets[place][octet] += 1
        guess = chance.getrandbits(BITS)
        for bits in agreeing:
            agreeing[bits] += (guess ^ right.mac) >> BITS - bits == 0
        assert accepted(scheme, ptut.encode(right.high, guess), counter) is None
    positions = sum((count - TOKENS / 2) ** 2 / (TOKENS / 4) for count in ones)
    assert 10.0 < positions < 65.0, "chi-square, 32 degrees of freedom"
    for counts in octets:
        statistic = sum((count - TOKENS / 256) ** 2 / (TOKENS / 256) for count in counts)
        assert 185.0 < statistic < 340.0, "chi-square, 255 degrees of freedom"
    for bits, count in agreeing.items():
        expected = TOKENS / 2**bits
        assert abs(count - expected) < 4 * expected**0.5, f"agreement in {bits} bits"
