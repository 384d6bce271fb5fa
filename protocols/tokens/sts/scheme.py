"""``sts-ea07`` and its kin: currency tokens of IEC 62055-41 as a token scheme.

Millipence are the unit of these tokens, 1e-5 of the currency. The counter of a token is its identifier: the minute of
its issue since the base date. Management tokens and credit in kWh are told apart and refused: an account holds money.
"""

from __future__ import annotations

from typing import ClassVar, Final

from protocols.errors import LocalProtocolError
from protocols.tokens.scheme import Credit, Outcome, TokenRefused
from protocols.tokens.sts import content, misty1, sta
from protocols.tokens.sts.content import Kind

LAST_IDENTIFIER: Final = 0xFF_FFFF
_NEVER: Final = 255


class StsTokens:
    """The scheme for one electricity meter, with the cipher EA07.

    ``secret`` is its decoder key (:mod:`protocols.tokens.sts.keys`); LocalProtocolError for another length than
    ``secret_octets``. ``originator`` and ``target`` play no part, since the key is the meter's own. ``expiry`` is the
    key expiry number: a token with an identifier whose upper 8 bits are above it is refused; 255 for never.
    """

    __slots__ = ("_key", "expiry")

    secret_octets: ClassVar[int] = sta.KEY
    sparse: ClassVar[bool] = True
    kind: ClassVar[Kind] = Kind.ELECTRICITY_CURRENCY

    def __init__(self, secret: bytes, originator: bytes, target: bytes, expiry: int = _NEVER) -> None:
        if len(secret) != self.secret_octets:
            raise LocalProtocolError(f"a decoder key of {len(secret)} octets", expected=f"{self.secret_octets} octets")
        self._key = secret
        self.expiry = expiry

    def issue(self, counter: int, pence: int) -> str:
        """The 20 digits of a token with the identifier ``counter``.

        What it carries is rounded up to the next amount that there is, as the standard has it: by less than a penny up
        to 182 pounds. LocalProtocolError for an identifier outside 0 to 2**24 - 1 or after the key's expiry, or for
        less than 0 pence or more than a token can carry.
        """
        last = min(LAST_IDENTIFIER, self.expiry << 16 | 0xFFFF)
        if not 0 <= counter <= last:
            raise LocalProtocolError(f"token identifier {counter}", expected=f"0 to {last}")
        return content.encode(self._key, self.kind, content.credit_content(counter, pence * 1000))

    def read(self, digits: str, highest: int) -> Credit:
        """What a token says; TokenRefused. ``highest`` plays no part: tokens carry the whole of their identifier."""
        token = content.decode(self._key, digits)
        identifier = token.identifier
        if token.kind is not self.kind or identifier is None or token.value < 0:
            kind = token.kind.name.lower().replace("_", " ")
            raise TokenRefused(Outcome.NOT_THIS_SCHEME, f"a token for {kind}, which adds no money here")
        if identifier >> 16 > self.expiry:
            raise TokenRefused(Outcome.NOT_AUTHENTIC, "the key had expired when the token was issued")
        return Credit(identifier, token.value)


class StsEa11Tokens(StsTokens):
    """The same with the cipher EA11."""

    __slots__ = ()

    secret_octets: ClassVar[int] = misty1.KEY


class StsGasTokens(StsTokens):
    """The scheme for a gas meter, with EA07."""

    __slots__ = ()

    kind: ClassVar[Kind] = Kind.GAS_CURRENCY


class StsGasEa11Tokens(StsGasTokens):
    """The same with EA11."""

    __slots__ = ()

    secret_octets: ClassVar[int] = misty1.KEY
