"""AES key wrap (RFC 3394), by which keys travel in key_transfer and general-ciphering."""

from __future__ import annotations

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from protocols.errors import SecurityError, SecurityFault


def wrap(kek: bytes, key: bytes) -> bytes:
    """``key`` (16 or 32 octets) wrapped with the key encryption key; 8 octets longer."""
    return aes_key_wrap(kek, key)


def unwrap(kek: bytes, wrapped: bytes) -> bytes:
    """The key in ``wrapped``; SecurityError when it was not wrapped with ``kek``."""
    try:
        return aes_key_unwrap(kek, wrapped)
    except (InvalidUnwrap, ValueError):
        raise SecurityError(SecurityFault.KEY, "not a key wrapped with this key encryption key") from None
