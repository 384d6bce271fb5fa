"""What every scheme keeps to, how schemes are found by name, and what is refused, with which message."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError
from protocols.tokens import ptut, verhoeff
from protocols.tokens.agreement import shared_secret
from protocols.tokens.gbcs import GbcsTokens
from protocols.tokens.scheme import Credit, Outcome, SchemeMaker, TokenRefused, TokenScheme
from protocols.tokens.schemes import find
from protocols.tokens.symmetric import SymmetricTokens

from .conftest import CERTIFICATE, ORIGINATOR, PRIVATE, TARGET, vectors

SYMMETRIC = SymmetricTokens(b"A key that is 16", ORIGINATOR, TARGET)
BY_NAME: dict[str, TokenScheme] = {
    "s1sp-symmetric": SYMMETRIC,
    "gbcs": GbcsTokens(shared_secret(PRIVATE, CERTIFICATE), ORIGINATOR, TARGET),
}
COUNTERS = st.integers(0, 2**32 - 1)
PENCE = st.integers(0, 8191) | st.integers(82, 8191).map(lambda pounds: pounds * 100)
GENUINE = vectors()[0].utrn
ALLOWED = "s1sp-symmetric, gbcs, sts-ea07, sts-ea11, sts-gas-ea07, sts-gas-ea11 or package.module:Class"


def refusal(digits: str, scheme: TokenScheme = SYMMETRIC, highest: int = -1) -> TokenRefused:
    with pytest.raises(TokenRefused) as caught:
        scheme.read(digits, highest)
    return caught.value


@pytest.mark.parametrize("name", BY_NAME)
@given(counter=COUNTERS, pence=PENCE, step=st.integers(-512, 511))
@example(counter=0, pence=0, step=-1)
@example(counter=2**32 - 1, pence=819100, step=0)
def test_issued_is_read(name: str, counter: int, pence: int, step: int) -> None:
    """What was issued is read, with any highest counter accepted near it."""
    scheme = BY_NAME[name]
    digits = scheme.issue(counter, pence)
    highest = min(max(-1, counter + step), 2**32 - 1)
    assert len(digits) == 20
    assert scheme.read(digits, highest) == Credit(counter, pence * 1000)


@given(st.text(max_size=25) | st.integers(0, 10**20 - 1).map(lambda number: f"{number:020}"), COUNTERS)
@example("+7394333345718904331", 0)
@example("7394_3334_5718_90433", 0)
@example("", 0)
def test_anything_entered(digits: str, highest: int) -> None:
    """Nothing but TokenRefused comes of what is entered, and its field by field description has the same reason."""
    outcome = refusal(digits, highest=highest).outcome
    reasons = [field.fault for field in ptut.describe(digits) if field.fault]
    assert reasons[:1] == ([] if outcome is Outcome.NOT_AUTHENTIC else [outcome])


@given(st.integers(ptut.OFFSET - 2**58, ptut.OFFSET + 2**58))
def test_only_the_range_of_a_utrn(body: int) -> None:
    digits = f"{body:019}{verhoeff.check_digit(body)}"
    content = body - ptut.OFFSET
    possible = 0 <= content < 2**57 and content >> 45 & 3 < 2
    assert refusal(digits).outcome is (Outcome.NOT_AUTHENTIC if possible else Outcome.NOT_THIS_SCHEME)


def test_order_of_refusals() -> None:
    """Length, then digits, then check digit, then range, then MAC: the first that fails is the outcome."""
    cases = {
        "": Outcome.WRONG_LENGTH,
        "x": Outcome.WRONG_LENGTH,
        GENUINE + "0": Outcome.WRONG_LENGTH,
        GENUINE[:-1] + "x": Outcome.NOT_DIGITS,
        GENUINE.translate({digit: digit + 0xFEE0 for digit in b"0123456789"}): Outcome.NOT_DIGITS,  # full width
        "²" * 20: Outcome.NOT_DIGITS,
        "00000000000000000000": Outcome.CHECK_DIGIT,
        f"{0:019}{verhoeff.check_digit(0)}": Outcome.NOT_THIS_SCHEME,
        GENUINE: Outcome.NOT_AUTHENTIC,
    }
    assert {digits: refusal(digits).outcome for digits in cases} == cases


def test_messages_of_refusals() -> None:
    assert str(refusal("123")) == "3 characters, where a token has 20"
    assert str(refusal(GENUINE[:4] + " " + GENUINE[5:])) == "character 5 is not a digit"


def test_value_class() -> None:
    assert ptut.decode(SYMMETRIC.issue(1, 8191)).high >> 13 & 3 == 0
    assert ptut.decode(SYMMETRIC.issue(1, 8200)).high >> 13 & 3 == 1


@pytest.mark.parametrize("pence", (-1, -100, 8192, 8250, 819_101, 819_200))
def test_amounts_that_no_token_carries(pence: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"a token cannot carry {pence} pence; expected 0 to 8191 pence"):
        SYMMETRIC.issue(1, pence)


@pytest.mark.parametrize("counter", (-1, 2**32))
def test_counters_that_there_are_not(counter: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"counter {counter}; expected 0 to 4294967295"):
        SYMMETRIC.issue(counter, 100)


def test_description_of_a_good_one() -> None:
    assert [(field.name, field.text, field.fault) for field in ptut.describe(vectors()[1].utrn)] == [
        ("check digit", "7, fits", None),
        ("counter", "4, the low 10 bits of it", None),
        ("value", "12.34 GBP, in pence", None),
        ("MAC", "3855d663, which takes the meter's key to check", None),
    ]


def test_description_goes_on_after_a_wrong_check_digit() -> None:
    fields = ptut.describe(GENUINE[:-1] + "4")
    assert fields[0] == ("check digit", "4, but 3 would fit", Outcome.CHECK_DIGIT)
    assert fields[2].text == "100.00 GBP, in whole pounds"


# --- secrets


@pytest.mark.parametrize(
    ("maker", "secret", "wanted"),
    (
        (SymmetricTokens, bytes(15), "a key of s1sp-symmetric of 15 octets; expected 16 octets"),
        (GbcsTokens, bytes(16), "a shared secret of gbcs of 16 octets; expected 32 octets"),
    ),
)
def test_secrets_of_the_wrong_length(maker: SchemeMaker, secret: bytes, wanted: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        maker(secret, ORIGINATOR, TARGET)
    assert str(caught.value) == wanted


@pytest.mark.parametrize("maker", (SymmetricTokens, GbcsTokens))
def test_identifiers_of_the_wrong_length(maker: SchemeMaker) -> None:
    secret = bytes(maker.secret_octets)
    with pytest.raises(LocalProtocolError, match="an originator of 7 octets; expected 8 octets"):
        maker(secret, ORIGINATOR[1:], TARGET)
    with pytest.raises(LocalProtocolError, match="a target of 9 octets; expected 8 octets"):
        maker(secret, ORIGINATOR, TARGET + b"\0")


def test_both_sides_share_a_secret() -> None:
    def pem(key: ec.EllipticCurvePrivateKey) -> tuple[bytes, bytes]:
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), public

    issuer, meter = (pem(ec.derive_private_key(number, ec.SECP256R1())) for number in (1001, 1002))
    assert shared_secret(issuer[0], meter[1]) == shared_secret(meter[0], issuer[1])
    other_curve = pem(ec.derive_private_key(7, ec.SECP384R1()))
    other_kind = rsa.generate_private_key(65537, 2048)
    for private in (b"", b"no key", meter[1], other_curve[0], _pem(other_kind), PRIVATE[:100]):
        with pytest.raises(LocalProtocolError, match="the private key cannot be used; expected a "):
            shared_secret(private, meter[1])
    for public in (b"", b"no key", meter[0], other_curve[1], CERTIFICATE[:200]):
        with pytest.raises(LocalProtocolError, match="the public key cannot be used; expected a "):
            shared_secret(issuer[0], public)


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


# --- by name


def test_found_by_name() -> None:
    assert find("s1sp-symmetric") is SymmetricTokens
    assert find("gbcs") is GbcsTokens


FOREIGN = '''
from protocols.tokens.scheme import Credit, Outcome, TokenRefused

class PlainTokens:
    """Counter and pence in clear: enough to show that any class with these methods will do."""

    secret_octets = 0

    def __init__(self, secret, originator, target):
        self.target = target

    def issue(self, counter, pence):
        return f"{counter:010}{pence:010}"

    def read(self, digits, highest):
        if len(digits) != 20:
            raise TokenRefused(Outcome.WRONG_LENGTH, "not 20")
        return Credit(int(digits[:10]), int(digits[10:]) * 1000)

nothing = 5
'''


def test_a_third_party_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foreign_tokens.py").write_text(FOREIGN)
    (tmp_path / "broken_tokens.py").write_text("raise RuntimeError('not\\ntoday')")
    monkeypatch.syspath_prepend(tmp_path)
    scheme = find("foreign_tokens:PlainTokens")(b"", ORIGINATOR, TARGET)
    assert scheme.read(scheme.issue(7, 500), -1) == Credit(7, 500_000)
    for name, wanted in {
        "foreign_tokens:nothing": "is no class with issue, read, secret_octets",
        "foreign_tokens:Credit": "is no class with issue, read, secret_octets",
        "foreign_tokens:Absent": "cannot be imported: module 'foreign_tokens' has no attribute 'Absent'",
        "absent_tokens:PlainTokens": "cannot be imported: No module named 'absent_tokens'",
        "broken_tokens:PlainTokens": "cannot be imported: not",
        ":": "cannot be imported: Empty module name",
    }.items():
        with pytest.raises(LocalProtocolError) as caught:
            find(name)
        assert str(caught.value) == f"token scheme {name!r} {wanted}; expected {ALLOWED}"
    sys.modules.pop("foreign_tokens")


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        find("sts")
    assert str(caught.value) == f"no token scheme 'sts'; expected {ALLOWED}"
