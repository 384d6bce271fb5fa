"""``gbcs``: UTRNs as GBCS has them, each under a key of its own that both sides derive from a shared secret.

The secret Z comes from key agreement on P-256 between the originator's prepayment key and the meter's
(:func:`protocols.tokens.agreement.shared_secret`). The key of a token is the first half of the SHA-256 of
00000001 | Z | 60857406080300 | originator | 09 | 01 | full counter | target (the single step KDF of NIST SP 800-56A).
"""

from __future__ import annotations

from hashlib import sha256
from typing import ClassVar, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols.tokens.sealed import SealedTokens, checked

SHARED_SECRET: Final = 32
"""Octets of a shared secret of P-256."""
_AES_128_GCM: Final = bytes.fromhex("60857406080300")
"""Algorithm identifier of the KDF, as DLMS names AES-GCM-128."""


class GbcsTokens(SealedTokens):
    """The scheme for one meter. ``secret`` is Z, 32 octets; LocalProtocolError for another length."""

    __slots__ = ("_before",)
    secret_octets: ClassVar[int] = SHARED_SECRET

    def __init__(self, secret: bytes, originator: bytes, target: bytes) -> None:
        super().__init__(originator, target)
        z = checked("a shared secret of gbcs", secret, SHARED_SECRET)
        self._before = b"\0\0\0\x01" + z + _AES_128_GCM + originator + b"\x09\x01"

    def key(self, counter: int) -> bytes:
        """The AES-128 key of the token of that counter, 0 to 2**32 - 1."""
        return sha256(self._before + counter.to_bytes(4, "big") + bytes(4) + self.target).digest()[:16]

    def cipher(self, counter: int) -> AESGCM:
        """A cipher with the key of that counter."""
        return AESGCM(self.key(counter))
