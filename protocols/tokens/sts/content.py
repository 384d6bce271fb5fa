"""What 20 digits of STS hold (IEC 62055-41, 6.2 and 6.3): 66 bits, of which 64 are enciphered and 2 are the class.

Deciphered they are a subclass of 4 bits, 44 bits of content and a CRC of 16 bits over class, subclass and content.
Credit and most management tokens have a random number of 4 bits, the token identifier (minutes since the base date, 24
bits) and a value of 16 bits as content. Tokens of class 1, for tests and displays of any meter, are not enciphered.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from protocols.errors import LocalProtocolError
from protocols.tokens.scheme import Outcome, TokenRefused
from protocols.tokens.sts import misty1, sta

DIGITS: Final = 20
_CLASS_PLACE: Final = 27
_TOKEN_BITS: Final = 66
_CONTENT: Final = (1 << 44) - 1
_CLEAR: Final = 1
"""The class that is not enciphered."""


class Kind(Enum):
    """A token by its class and subclass."""

    ELECTRICITY = (0, 0)
    WATER = (0, 1)
    GAS = (0, 2)
    TIME = (0, 3)
    ELECTRICITY_CURRENCY = (0, 4)
    WATER_CURRENCY = (0, 5)
    GAS_CURRENCY = (0, 6)
    TIME_CURRENCY = (0, 7)
    TEST_OR_DISPLAY = (1, 0)
    TEST_OR_DISPLAY_LONG_MAKER = (1, 1)
    MAXIMUM_POWER = (2, 0)
    CLEAR_CREDIT = (2, 1)
    KEY_FIRST_SECTION = (2, 3)
    KEY_SECOND_SECTION = (2, 4)
    CLEAR_TAMPER = (2, 5)
    MAXIMUM_UNBALANCE = (2, 6)


CURRENCY: Final = frozenset({Kind.ELECTRICITY_CURRENCY, Kind.WATER_CURRENCY, Kind.GAS_CURRENCY, Kind.TIME_CURRENCY})
_CURRENCY_KINDS: Final = frozenset(kind.value for kind in CURRENCY)
_UNITS: Final = frozenset(
    {Kind.ELECTRICITY, Kind.WATER, Kind.GAS, Kind.TIME, Kind.MAXIMUM_POWER, Kind.MAXIMUM_UNBALANCE}
)
_WITHOUT_IDENTIFIER: Final = frozenset(
    {Kind.TEST_OR_DISPLAY, Kind.TEST_OR_DISPLAY_LONG_MAKER, Kind.KEY_FIRST_SECTION, Kind.KEY_SECOND_SECTION}
)


class StsToken(NamedTuple):
    """A token in clear. ``content`` are its 44 bits after the subclass.

    ``identifier`` is in minutes, None for the kinds without. ``value`` is a credit in tenths of kWh, kl, m3 or minutes,
    or in 1e-5 of the currency, which may be negative; a power in W; the register to clear; and 0 for other kinds.
    """

    kind: Kind
    identifier: int | None
    value: int
    content: int


class NewKey(NamedTuple):
    """What the two sections of a key change say: the key for EA07, its expiry, revision, type and tariff index."""

    key: bytes
    expiry: int
    revision: int
    key_type: int
    tariff: str
    rollover: bool


def expanded(exponent: int, mantissa: int) -> int:
    """The value of a mantissa of 14 bits: steps of ten to the exponent, from where the exponent below ends."""
    step: int = 10**exponent
    return step * mantissa + (step - 1) // 9 * (1 << 14)


def compressed(value: int, exponents: int) -> tuple[int, int]:
    """Exponent (below ``exponents``) and mantissa of a value from 0, rounded up to the next that there is.

    LocalProtocolError for more than the largest.
    """
    for exponent in range(exponents):
        start = expanded(exponent, 0)
        mantissa = -((start - value) // 10**exponent)
        if 0 <= mantissa < 1 << 14:
            return exponent, mantissa
    raise LocalProtocolError(f"a token cannot carry {value}", expected=f"0 to {expanded(exponents - 1, (1 << 14) - 1)}")


def decode(key: bytes, digits: str) -> StsToken:
    """The token that digits are under a decoder key of 8 (EA07) or 16 octets (EA11); TokenRefused for any other."""
    if len(digits) != DIGITS:
        raise TokenRefused(Outcome.WRONG_LENGTH, f"{len(digits)} characters, where a token has {DIGITS}")
    if not (digits.isascii() and digits.isdigit()):
        raise TokenRefused(Outcome.NOT_DIGITS, "not all characters are digits")
    number = int(digits)
    token_class = number >> _CLASS_PLACE & 3
    if number >> _TOKEN_BITS or token_class == 3:
        raise TokenRefused(Outcome.NOT_THIS_SCHEME, "the digits are no token of STS")
    block = _exchanged(number, number >> 64) & (1 << 64) - 1
    if token_class != _CLEAR:
        block = _decipher(key, block)
    subclass, content = block >> 60, block >> 16 & _CONTENT
    if _crc((token_class, subclass), content) != block & 0xFFFF:
        raise TokenRefused(Outcome.NOT_AUTHENTIC, "the CRC is not that of a token for this meter's key")
    try:
        kind = Kind((token_class, subclass))
    except ValueError:
        raise TokenRefused(
            Outcome.NOT_THIS_SCHEME, f"a token of class {token_class}, subclass {subclass}, which is not known"
        ) from None
    return _token(kind, content)


def encode(key: bytes, kind: Kind, content: int) -> str:
    """The 20 digits of a kind of token with a content of 44 bits."""
    token_class, subclass = kind.value
    block = (subclass << 44 | content) << 16 | _crc(kind.value, content)
    if token_class != _CLEAR:
        block = _encipher(key, block)
    return f"{_exchanged(block, token_class) | (block >> _CLASS_PLACE & 3) << 64:0{DIGITS}}"


def credit_content(identifier: int, value: int) -> int:
    """The content of a currency token of ``value`` (1e-5 of the currency, from 0), rounded up."""
    exponent, mantissa = compressed(value, 32)
    return (exponent >> 2) << 40 | identifier << 16 | (exponent & 3) << 14 | mantissa


def new_key(first: StsToken, second: StsToken) -> NewKey:
    """The new decoder key for EA07 of the two sections of a key change; LocalProtocolError for other tokens."""
    if (first.kind, second.kind) != (Kind.KEY_FIRST_SECTION, Kind.KEY_SECOND_SECTION):
        raise LocalProtocolError("not the first and the second section of a key change")
    high, low = first.content, second.content
    return NewKey(
        key=((high & 0xFFFF_FFFF) << 32 | low & 0xFFFF_FFFF).to_bytes(sta.KEY, "little"),
        expiry=high >> 40 << 4 | low >> 40,
        revision=high >> 36 & 15,
        key_type=high >> 32 & 3,
        tariff=f"{low >> 32 & 0xFF:02}",
        rollover=bool(high >> 35 & 1),
    )


def _token(kind: Kind, content: int) -> StsToken:
    if kind in _WITHOUT_IDENTIFIER:
        return StsToken(kind, None, 0, content)
    value = content & 0xFFFF
    exponent, mantissa = value >> 14, value & 0x3FFF
    if kind in CURRENCY:
        # The random number of these is the sign and the upper three bits of an exponent of five.
        random = content >> 40
        size = expanded((random & 7) << 2 | exponent, mantissa)
        value = -size if random & 8 else size
    elif kind in _UNITS:
        value = expanded(exponent, mantissa)
    return StsToken(kind, content >> 16 & 0xFF_FFFF, value, content)


def _exchanged(block: int, bits: int) -> int:
    """``block`` with two bits in the place where a token has its class."""
    return block & ~(3 << _CLASS_PLACE) | bits << _CLASS_PLACE


def _encipher(key: bytes, block: int) -> int:
    return (misty1.encrypt if len(key) == misty1.KEY else sta.encrypt)(key, block)


def _decipher(key: bytes, block: int) -> int:
    return (misty1.decrypt if len(key) == misty1.KEY else sta.decrypt)(key, block)


def _crc(kind: tuple[int, int], content: int) -> int:
    """CRC of class, subclass and content, with polynomial A001 (reflected) from FFFF, low octet first.

    That of a currency token goes over an octet of 01 more (CRC_C).
    """
    token_class, subclass = kind
    message = (token_class << 48 | subclass << 44 | content).to_bytes(7, "big")
    if kind in _CURRENCY_KINDS:
        message += b"\x01"
    register = 0xFFFF
    for octet in message:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ 0xA001 * (register & 1)
    return register >> 8 | (register & 0xFF) << 8
