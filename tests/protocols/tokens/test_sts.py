"""STS against the compliance tests of the STS Association, as two independent sources publish them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError
from protocols.tokens.scheme import Outcome, TokenRefused
from protocols.tokens.sts import misty1, sta
from protocols.tokens.sts.content import CURRENCY, Kind, NewKey, compressed, decode, encode, expanded, new_key
from protocols.tokens.sts.keys import Allocation, dkga02, dkga04
from protocols.tokens.sts.scheme import StsEa11Tokens, StsGasTokens, StsTokens

DES, HMAC = bytes.fromhex("ab" * 8), bytes.fromhex("abababababababab949494949494949401234567")
PUBLISHED = Path(__file__).parents[2] / "data" / "tokens" / "sts.txt"
METER = Allocation("600727000000000009", "123456", "01", 2, 1)
OTHER = METER._replace(pan="000001000000000082")


class Published(NamedTuple):
    key: bytes
    generation: tuple[str, str]
    kind: Kind
    issued: datetime
    base: int
    value: int
    digits: str

    @property
    def identifier(self) -> int:
        """Minutes since the base date; the second minute of a day is kept for special tokens, so the third is taken."""
        minutes = int((self.issued - datetime(self.base, 1, 1)).total_seconds()) // 60
        return minutes + (minutes % 1440 == 1)


def published() -> list[Published]:
    found: list[Published] = []
    for line in PUBLISHED.read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            dkga, ea, base, pan, group, tariff, revision, kind, issued, value, digits = line.split()
            allocation = Allocation(pan, group, tariff, 2, int(revision))
            octets = 16 if ea == "11" else 8
            key = dkga02(DES, allocation) if dkga == "02" else dkga04(HMAC, allocation, int(base), octets)
            when = datetime.fromisoformat(issued)
            found.append(Published(key, (dkga, ea), Kind[kind], when, int(base), int(value), digits))
    return found


TOKENS = published()
each = pytest.mark.parametrize("token", TOKENS, ids=lambda token: token.digits)


def refusal(key: bytes, digits: str) -> Outcome:
    with pytest.raises(TokenRefused) as caught:
        decode(key, digits)
    return caught.value.outcome


def test_they_cover_keys_and_ciphers() -> None:
    counted = {generation: sum(token.generation == generation for token in TOKENS) for generation in
               (("02", "07"), ("04", "07"), ("04", "11"))}  # fmt: skip
    assert counted == {("02", "07"): 37, ("04", "07"): 42, ("04", "11"): 24}
    assert {token.kind for token in TOKENS} == set(Kind) - {
        Kind.KEY_FIRST_SECTION,
        Kind.KEY_SECOND_SECTION,
        Kind.TEST_OR_DISPLAY,
        Kind.TEST_OR_DISPLAY_LONG_MAKER,
    }


@each
def test_decoded(token: Published) -> None:
    found = decode(token.key, token.digits)
    assert (found.kind, found.identifier) == (token.kind, token.identifier)
    if token.value < 0:
        assert 0 <= found.value - token.value < -token.value / 1000
    elif token.kind in (Kind.CLEAR_CREDIT, Kind.CLEAR_TAMPER):
        assert found.value == token.value
    else:
        assert found.value == expanded(*compressed(token.value, 32))


@each
def test_encoded(token: Published) -> None:
    assert encode(token.key, token.kind, decode(token.key, token.digits).content) == token.digits


def test_published_decoder_key() -> None:
    assert dkga02(DES, METER).hex() == "6ff35b9d1f3453e6"


@pytest.mark.parametrize(
    ("before", "after", "first", "second"),
    (
        (METER, METER._replace(tariff="02"), "51638423060042734509", "15361891762113502242"),
        (METER._replace(tariff="02"), METER, "26553210520543055412", "00943705441908264439"),
        (OTHER, OTHER._replace(tariff="02"), "36495265416911568628", "35908059266238070883"),
    ),
)
def test_key_change(before: Allocation, after: Allocation, first: str, second: str) -> None:
    """The two sections, under the old key, carry the key that the derivation gives for the new tariff index."""
    old = dkga02(DES, before)
    parts = [decode(old, digits) for digits in (first, second)]
    assert [part.kind for part in parts] == [Kind.KEY_FIRST_SECTION, Kind.KEY_SECOND_SECTION]
    assert new_key(*parts) == NewKey(dkga02(DES, after), 255, 1, 2, after.tariff, False)
    with pytest.raises(LocalProtocolError, match="not the first and the second section"):
        new_key(*reversed(parts))


@pytest.mark.parametrize(
    ("digits", "kind", "content"),
    (
        ("56493153725450313471", Kind.TEST_OR_DISPLAY, (1 << 36) - 1 << 8),
        ("02305843005052951967", Kind.TEST_OR_DISPLAY_LONG_MAKER, (1 << 28) - 1 << 16),
    ),
)
def test_for_any_meter(digits: str, kind: Kind, content: int) -> None:
    """All control bits and maker 0, published for two meters; any key reads them."""
    for key in (bytes(8), dkga02(DES, METER), bytes(16)):
        found = decode(key, digits)
        assert (found.kind, found.identifier, found.content) == (kind, None, content)


def test_another_keys_tokens_are_refused() -> None:
    other = dkga02(DES, METER._replace(group="123499"))
    for token in TOKENS:
        assert refusal(other, token.digits) in (Outcome.NOT_AUTHENTIC, Outcome.NOT_THIS_SCHEME)


@pytest.mark.parametrize("token", TOKENS[::12], ids=lambda token: token.digits)
def test_any_digit_altered(token: Published) -> None:
    """STS has no check digit: what finds an altered one is the CRC of 16 bits."""
    for place in range(20):
        for digit in set("0123456789") - {token.digits[place]}:
            altered = token.digits[:place] + digit + token.digits[place + 1 :]
            assert refusal(token.key, altered) in (Outcome.NOT_AUTHENTIC, Outcome.NOT_THIS_SCHEME)


@given(st.text(max_size=22) | st.integers(0, 10**20 - 1).map(lambda number: f"{number:020}"))
def test_anything_entered(digits: str) -> None:
    try:
        decode(bytes(8), digits)
    except TokenRefused as refused:
        if len(digits) != 20:
            assert refused.outcome is Outcome.WRONG_LENGTH
        elif not (digits.isascii() and digits.isdigit()):
            assert refused.outcome is Outcome.NOT_DIGITS


@pytest.mark.parametrize("number", (10**20 - 1, 1 << 66, 3 << 27, (1 << 66) - 1))
def test_beyond_66_bits_or_of_the_class_kept_back(number: int) -> None:
    assert refusal(bytes(8), f"{number:020}") is Outcome.NOT_THIS_SCHEME


# --- ciphers


@pytest.mark.parametrize(
    ("plain", "cipher"),
    ((0x0123456789ABCDEF, 0x8B1DA5F56AB3D07C), (0xFEDCBA9876543210, 0x04B68240B13BE95D)),
)
def test_misty1_of_rfc_2994(plain: int, cipher: int) -> None:
    key = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert misty1.encrypt(key, plain) == cipher
    assert misty1.decrypt(key, cipher) == plain


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1))
def test_ciphers_come_back(short: bytes, long: bytes, block: int) -> None:
    assert sta.decrypt(short, sta.encrypt(short, block)) == block
    assert misty1.decrypt(long, misty1.encrypt(long, block)) == block


# --- values


@given(st.integers(0, expanded(31, 2**14 - 1)))
def test_values_are_rounded_up_to_the_next(value: int) -> None:
    exponent, mantissa = compressed(value, 32)
    there = expanded(exponent, mantissa)
    assert 0 <= there - value < 10**exponent
    assert compressed(there, 32) == (exponent, mantissa)


def test_values_that_no_token_carries() -> None:
    with pytest.raises(LocalProtocolError, match="a token cannot carry 18201625; expected 0 to 18201624"):
        compressed(18201625, 4)
    with pytest.raises(LocalProtocolError, match="a token cannot carry -1"):
        compressed(-1, 4)


@pytest.mark.parametrize(
    ("allocation", "vending", "wanted"),
    (
        (METER._replace(pan="60072700000000000"), DES, "PAN '60072700000000000'; expected 18 digits"),
        (METER._replace(group="12345x"), DES, "supply group code '12345x'; expected 6 digits"),
        (METER._replace(tariff="1"), DES, "tariff index '1'; expected 2 digits"),
        (METER._replace(revision=10), DES, "key revision 10; expected 0 to 9"),
        (METER, HMAC, "a vending key of 20 octets; expected 8 octets for DKGA02"),
    ),
)
def test_keys_of_nothing(allocation: Allocation, vending: bytes, wanted: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        dkga02(vending, allocation)
    assert str(caught.value) == wanted


def test_keys_by_hmac_of_nothing() -> None:
    for vending, year, octets in ((DES, 2014, 8), (HMAC, 1992, 8), (HMAC, 2014, 12)):
        with pytest.raises(LocalProtocolError):
            dkga04(vending, METER, year, octets)


# --- as a scheme


@given(identifier=st.integers(0, 2**24 - 1), pence=st.integers(0, 5_000_000))
def test_issued_is_read(identifier: int, pence: int) -> None:
    for scheme in (StsTokens(bytes(range(8)), b"", b""), StsEa11Tokens(bytes(range(16)), b"", b"")):
        credit = scheme.read(scheme.issue(identifier, pence), -1)
        assert credit.counter == identifier
        assert 0 <= credit.amount - pence * 1000 < (1000 if pence <= 18_200 else pence)


def test_published_currency_tokens_are_credit() -> None:
    for token in TOKENS:
        scheme = StsTokens(token.key, b"", b"") if len(token.key) == 8 else StsEa11Tokens(token.key, b"", b"")
        if token.kind is Kind.ELECTRICITY_CURRENCY and token.value > 0:
            credit = scheme.read(token.digits, -1)
            assert credit.counter == token.identifier
            assert 0 <= credit.amount - token.value <= token.value // 10_000
        else:
            with pytest.raises(TokenRefused) as caught:
                scheme.read(token.digits, -1)
            assert caught.value.outcome is Outcome.NOT_THIS_SCHEME
    gas = [token for token in TOKENS if token.kind is Kind.GAS_CURRENCY]
    assert len(gas) == 4
    assert all(StsGasTokens(token.key, b"", b"").read(token.digits, -1).amount >= token.value for token in gas)
    assert {token.kind for token in TOKENS} >= CURRENCY


def test_issued_after_the_key_expired() -> None:
    early, late = 0x54FFFF, 0x550000
    key = bytes(range(8))
    seller, meter = StsTokens(key, b"", b""), StsTokens(key, b"", b"", expiry=0x54)
    assert meter.read(seller.issue(early, 100), -1).counter == early
    with pytest.raises(TokenRefused, match="the key had expired") as caught:
        meter.read(seller.issue(late, 100), -1)
    assert caught.value.outcome is Outcome.NOT_AUTHENTIC
    with pytest.raises(LocalProtocolError, match=f"token identifier {late}; expected 0 to {early}"):
        meter.issue(late, 100)


def test_decoder_keys_of_the_wrong_length() -> None:
    with pytest.raises(LocalProtocolError, match="a decoder key of 16 octets; expected 8 octets"):
        StsTokens(bytes(16), b"", b"")
