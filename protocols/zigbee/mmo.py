"""The hash of Zigbee and what is made of it: AES-MMO, its HMAC, and the keys derived from a link key.

Matyas-Meyer-Oseas with AES-128, initial value 0 (Zigbee specification, annexes B.1.3, B.1.4 and B.6). It hashes install
codes and certificates and derives keys; messages are tens of octets.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

BLOCK = 16
KEY_OCTETS = 16
_SHORT = 1 << 16
"""Bits of a message from which the padding has a length of four octets, not two."""
_INNER, _OUTER = b"\x36" * BLOCK, b"\x5c" * BLOCK
_FOR_TRANSPORT, _FOR_LOAD = b"\x00", b"\x02"


def digest(message: bytes) -> bytes:
    """The hash of a message of any length below 2**32 bits, 16 octets."""
    state = bytes(BLOCK)
    padded = _padded(message)
    for start in range(0, len(padded), BLOCK):
        block = padded[start : start + BLOCK]
        cipher = Cipher(AES(state), ECB()).encryptor()
        state = _xor(cipher.update(block), block)
    return state


def hmac(key: bytes, message: bytes) -> bytes:
    """The keyed hash (FIPS 198) over :func:`digest`, 16 octets; a key longer than a block is hashed first."""
    if len(key) > BLOCK:
        key = digest(key)
    key = key.ljust(BLOCK, b"\x00")
    return digest(_xor(key, _OUTER) + digest(_xor(key, _INNER) + message))


@lru_cache(maxsize=8192)
def key_transport_key(link_key: bytes) -> bytes:
    """The key that protects a network key on its way to a device (Zigbee specification, 4.5.3)."""
    return hmac(link_key, _FOR_TRANSPORT)


@lru_cache(maxsize=8192)
def key_load_key(link_key: bytes) -> bytes:
    """The key that protects a link key on its way to a device (Zigbee specification, 4.5.3)."""
    return hmac(link_key, _FOR_LOAD)


def _padded(message: bytes) -> bytes:
    bits = 8 * len(message)
    tail = bits.to_bytes(2, "big") if bits < _SHORT else bits.to_bytes(4, "big") + b"\x00\x00"
    zeros = -(len(message) + 1 + len(tail)) % BLOCK
    return message + b"\x80" + bytes(zeros) + tail


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(BLOCK, "big")
