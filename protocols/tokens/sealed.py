"""Tokens in the layout of a UTRN that an AES-128-GCM tag proves (GBCS): all of a scheme but where the key comes from.

The tag is that of no plaintext. Its initialisation vector is the originator's identifier and four octets of zero; its
additional data names originator, target and the full counter and ends with the high double word of the PTUT.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from struct import Struct
from typing import TYPE_CHECKING, Final

from protocols.errors import LocalProtocolError
from protocols.tokens import ptut
from protocols.tokens.counter import HIGHEST, recover
from protocols.tokens.scheme import Credit, Outcome, TokenRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

IDENTIFIER: Final = 8
"""Octets of an originator's and of a meter's identifier (EUI-64)."""
_MAC_OCTETS: Final = 4
_COUNTER_AND_HIGH: Final = Struct(">III").pack
"""The full counter is the counter and 32 bits of zero: as the counter is the upper half of the originator's."""


def checked(name: str, value: bytes, octets: int) -> bytes:
    """``value`` if it has ``octets`` octets, else LocalProtocolError, which does not tell it: it may be secret."""
    if len(value) != octets:
        raise LocalProtocolError(f"{name} of {len(value)} octets", expected=f"{octets} octets")
    return value


class SealedTokens(ABC):
    """Issues and reads UTRNs of one originator for one meter. Identifiers have 8 octets, else LocalProtocolError."""

    __slots__ = ("_additional", "_vector", "originator", "target")

    def __init__(self, originator: bytes, target: bytes) -> None:
        self.originator = checked("an originator", originator, IDENTIFIER)
        self.target = checked("a target", target, IDENTIFIER)
        self._vector = originator + bytes(4)
        self._additional = b"\x11\0\0\0\0\0" + originator + target + b"\x01"

    @abstractmethod
    def cipher(self, counter: int) -> AESGCM:
        """The cipher with the key of the token of that counter, 0 to 2**32 - 1."""

    def issue(self, counter: int, pence: int) -> str:
        """The 20 digits of a token; LocalProtocolError for a counter outside 0 to 2**32 - 1 or an amount that a token
        cannot carry: more than 8191 pence that are not whole pounds, or more than 8191 pounds."""
        if not 0 <= counter <= HIGHEST:
            raise LocalProtocolError(f"counter {counter}", expected=f"0 to {HIGHEST}")
        high = ptut.high_of(counter, pence)
        return ptut.encode(high, self._mac(counter, high))

    def read(self, digits: str, highest: int) -> Credit:
        """What a token says; TokenRefused when the digits are none, or their MAC is not that of the counter nearest to
        ``highest`` (-1 to 2**32 - 1) that they can mean."""
        low, amount, high, mac = ptut.decode(digits)
        counter = recover(low, highest)
        if self._mac(counter, high) != mac:
            raise TokenRefused(Outcome.NOT_AUTHENTIC, "the MAC is not that of this meter, counter and value")
        return Credit(counter, amount)

    def _mac(self, counter: int, high: int) -> int:
        additional = self._additional + _COUNTER_AND_HIGH(counter, 0, high)
        return int.from_bytes(self.cipher(counter).encrypt(self._vector, b"", additional)[-_MAC_OCTETS:], "big")
