"""``s1sp-symmetric``: UTRNs under one AES-128 key that the S1SP and the meter share.

The algorithms of SMETS1 meters are not public. This scheme assumes the layout and MAC of GBCS and replaces its key
agreement by a key made known to both sides beforehand.
"""

from __future__ import annotations

from typing import ClassVar, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols.tokens.sealed import SealedTokens, checked

KEY: Final = 16
"""Octets of the key."""


class SymmetricTokens(SealedTokens):
    """The scheme for one meter. ``secret`` is its key, 16 octets; LocalProtocolError for another length."""

    __slots__ = ("_cipher", "_key")
    secret_octets: ClassVar[int] = KEY

    def __init__(self, secret: bytes, originator: bytes, target: bytes) -> None:
        super().__init__(originator, target)
        self._key = checked("a key of s1sp-symmetric", secret, KEY)
        self._cipher: AESGCM | None = None

    def cipher(self, counter: int) -> AESGCM:
        """One cipher for all counters, made when first asked for: it takes 2.5 KB, and few of many meters need it."""
        cipher = self._cipher
        if cipher is None:
            cipher = self._cipher = AESGCM(self._key)
        return cipher
