"""The layout of a UTRN (GBCS, prepayment top up token): 20 decimal digits round a PTUT of 64 bits.

Most significant first a PTUT is 7 bits of zero, the low 10 bits of the counter, 2 bits for the class of the value (0
pence, 1 pounds), 13 bits of value and 32 bits of MAC; all before the MAC is its high double word. 19 digits are the
PTUT with an offset added, the 20th is the check digit.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from protocols.errors import LocalProtocolError
from protocols.tokens import verhoeff
from protocols.tokens.counter import BITS, truncated
from protocols.tokens.scheme import Outcome, TokenRefused

DIGITS: Final = 20
OFFSET: Final = 7394156990786306048
MOST: Final = 0x1FFF
"""The highest value of a token, in pence or in whole pounds."""
_MILLIPENCE: Final = (1_000, 100_000)
"""Worth of one, by value class."""
_MAC_BITS: Final = 32
_VALUE_BITS: Final = 13
_CLASS_BITS: Final = 2
_USED_BITS: Final = BITS + _CLASS_BITS + _VALUE_BITS + _MAC_BITS
_PENCE, _POUNDS = 0, 1


class Ptut(NamedTuple):
    """What a PTUT holds: ``low`` is the counter's low bits, ``high`` the high double word that the MAC covers,
    ``amount`` the value in millipence."""

    low: int
    amount: int
    high: int
    mac: int


class Field(NamedTuple):
    """One field of a token for people. ``fault`` is why a meter would refuse the token for it, None for no reason."""

    name: str
    text: str
    fault: Outcome | None = None


def high_of(counter: int, pence: int) -> int:
    """The high double word of a token: up to 8191 pence as pence, more as whole pounds up to 8191.

    LocalProtocolError for an amount that neither can express.
    """
    if 0 <= pence <= MOST:
        return (truncated(counter) << _CLASS_BITS | _PENCE) << _VALUE_BITS | pence
    pounds, rest = divmod(pence, 100)
    if rest or not 0 <= pounds <= MOST:
        raise LocalProtocolError(
            f"a token cannot carry {pence} pence",
            expected=f"0 to {MOST} pence, or whole pounds up to {MOST}",
        )
    return (truncated(counter) << _CLASS_BITS | _POUNDS) << _VALUE_BITS | pounds


def encode(high: int, mac: int) -> str:
    """The 20 digits of a high double word (25 bits) and a MAC (32 bits)."""
    number = OFFSET + (high << _MAC_BITS | mac)
    return f"{number}{verhoeff.check_digit(number)}"


def decode(digits: str) -> Ptut:
    """What 20 digits hold, as far as that can be told without a key; TokenRefused for others than a UTRN's."""
    number = _number(digits)
    if not verhoeff.valid(number):
        raise TokenRefused(Outcome.CHECK_DIGIT, "the last digit is not the check digit of the others")
    content = number // 10 - OFFSET
    if content < 0 or content >> _USED_BITS:
        raise TokenRefused(Outcome.NOT_THIS_SCHEME, "the digits are outside the range of a UTRN")
    high = content >> _MAC_BITS
    kind = high >> _VALUE_BITS & 3
    if kind > _POUNDS:
        raise TokenRefused(Outcome.NOT_THIS_SCHEME, f"value class {kind}, where 0 is pence and 1 pounds")
    return Ptut(high >> _VALUE_BITS + _CLASS_BITS, (high & MOST) * _MILLIPENCE[kind], high, content & 0xFFFF_FFFF)


def describe(digits: str) -> tuple[Field, ...]:
    """Field by field what digits hold, without a key. It goes on after a fault as far as the rest makes sense."""
    try:
        number = _number(digits)
    except TokenRefused as refused:
        return (Field("digits", refused.message, refused.outcome),)
    body, check = divmod(number, 10)
    fitting = verhoeff.check_digit(body)
    if fitting == check:
        found = [Field("check digit", f"{check}, fits")]
    else:
        found = [Field("check digit", f"{check}, but {fitting} would fit", Outcome.CHECK_DIGIT)]
    try:
        ptut = decode(f"{body:019}{fitting}")
    except TokenRefused as refused:
        return (*found, Field("layout", refused.message, refused.outcome))
    pounds, pence = divmod(ptut.amount // _MILLIPENCE[_PENCE], 100)
    value_class = "pence" if ptut.high >> _VALUE_BITS & 3 == _PENCE else "whole pounds"
    return (
        *found,
        Field("counter", f"{ptut.low}, the low {BITS} bits of it"),
        Field("value", f"{pounds}.{pence:02} GBP, in {value_class}"),
        Field("MAC", f"{ptut.mac:08x}, which takes the meter's key to check"),
    )


def _number(digits: str) -> int:
    if len(digits) != DIGITS:
        raise TokenRefused(Outcome.WRONG_LENGTH, f"{len(digits)} characters, where a token has {DIGITS}")
    if not (digits.isascii() and digits.isdigit()):
        place = next(place for place, character in enumerate(digits, 1) if character not in "0123456789")
        raise TokenRefused(Outcome.NOT_DIGITS, f"character {place} is not a digit")
    return int(digits)
