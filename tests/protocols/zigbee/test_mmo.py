"""AES-MMO and its HMAC against the vectors of the Zigbee specification, and a second, plain implementation."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st

from protocols.zigbee import mmo


def octets(first: int, last: int) -> bytes:
    return bytes(range(first, last + 1))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"\xc0", "AE3A102A28D43EE0D4A09E22788B206C"),
        (octets(0xC0, 0xCF), "A7977E88BC0B61E8210827109A228F2D"),
        (bytes(i & 0xFF for i in range(8191)), "24EC2FE75BBFFCB34789BC0610E7F165"),
    ],
    ids=["one octet", "one block", "8191 octets"],
)
def test_digest(message: bytes, expected: str) -> None:
    assert mmo.digest(message).hex().upper() == expected


def test_hmac() -> None:
    assert mmo.hmac(octets(0x40, 0x4F), b"\xc0").hex().upper() == "4512807BF94CB3400F0E2C25FB76E999"
    long_key = octets(0x40, 0x5F)
    assert mmo.hmac(long_key, octets(0xC0, 0xCF)).hex().upper() == "A3B0079984BF1557F74A0D6387E0A11A"


def test_keys_of_the_well_known_link_key() -> None:
    assert mmo.key_transport_key(b"ZigBeeAlliance09").hex().upper() == "4BAB0F173E1434A2D572E1C1EF478782"
    assert mmo.key_load_key(b"ZigBeeAlliance09").hex().upper() == "C5A47035C332CCBF251571D8BADED188"


def plain(message: bytes) -> bytes:
    """The annex read once more: bits, padded until 16 (or 48) of a block are left for the length."""
    bits = 8 * len(message)
    long = bits >= 1 << 16
    message += b"\x80"
    while len(message) % 16 != (10 if long else 14):
        message += b"\x00"
    message += bits.to_bytes(4, "big") + b"\x00\x00" if long else bits.to_bytes(2, "big")
    state = bytes(16)
    while message:
        block, message = message[:16], message[16:]
        sealed = Cipher(AES(state), ECB()).encryptor().update(block)
        state = bytes(a ^ b for a, b in zip(sealed, block, strict=True))
    return state


@given(st.binary(max_size=70) | st.integers(8189, 8210).map(bytes))
def test_digest_is_what_the_annex_says(message: bytes) -> None:
    assert mmo.digest(message) == plain(message)
