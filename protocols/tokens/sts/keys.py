"""Decoder keys from vending keys (IEC 62055-41, DKGA02 and DKGA04): a meter's key of STS, from the supply group's.

A key belongs to a meter (its PAN of 18 digits: issuer, account, check digit), a supply group code of 6 digits, a tariff
index of 2, a key type (2 unique, 3 common) and a key revision. LocalProtocolError for anything else.
"""

from __future__ import annotations

import hmac
from typing import Final, NamedTuple

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB

from protocols.errors import LocalProtocolError
from protocols.tokens.sts import misty1, sta

DES_KEY: Final = 8
"""Octets of a vending key for DKGA02."""
HMAC_KEY: Final = 20
"""Octets of a vending key for DKGA04."""
_EA07, _EA11 = "07", "11"


class Allocation(NamedTuple):
    """What a decoder key is for: meter PAN, supply group code, tariff index (digits), key type, key revision."""

    pan: str
    group: str
    tariff: str
    key_type: int
    revision: int


def dkga02(vending: bytes, allocation: Allocation) -> bytes:
    """A key for EA07, 8 octets, made by DES from a vending key of 8 octets."""
    pan, group, tariff, key_type, revision = _checked(allocation)
    if len(vending) != DES_KEY:
        raise LocalProtocolError(f"a vending key of {len(vending)} octets", expected=f"{DES_KEY} octets for DKGA02")
    account = bytes.fromhex(pan[1:17])
    control = bytes.fromhex(f"{key_type}{group}{tariff}{revision}FFFFFF")
    mixed = _xor(account, control)
    # Three times the same key is single DES, which the library offers in no other way.
    enciphered = Cipher(TripleDES(vending * 3), ECB()).encryptor().update(mixed)
    return _xor(_xor(enciphered, mixed), vending)[::-1]


def dkga04(vending: bytes, allocation: Allocation, base_year: int, octets: int = sta.KEY) -> bytes:
    """A key for EA07 (8 octets) or EA11 (16 octets), made by HMAC-SHA-256 from a vending key of 20 octets.

    ``base_year`` is that of token identifiers: 1993, 2014 or 2035.
    """
    pan, group, tariff, key_type, revision = _checked(allocation)
    if len(vending) != HMAC_KEY:
        raise LocalProtocolError(f"a vending key of {len(vending)} octets", expected=f"{HMAC_KEY} octets for DKGA04")
    if octets not in (sta.KEY, misty1.KEY) or not 1993 <= base_year <= 2092:
        raise LocalProtocolError(f"a key of {octets} octets with base {base_year}", expected="8 or 16, from 1993")
    algorithm = _EA07 if octets == sta.KEY else _EA11
    before = b"".join(_with_length(text) for text in ("04", f"{base_year % 100:02}", algorithm, tariff))
    after = b"".join(_with_length(text) for text in (group, str(key_type), str(revision), pan))
    message = b"\x04" + before + b"\x00\x04" + after + (8 * octets).to_bytes(4, "big")
    derived = hmac.digest(vending, message, "sha256")[:octets]
    return derived[::-1] if octets == sta.KEY else derived


def _with_length(text: str) -> bytes:
    return bytes((len(text),)) + text.encode("ascii")


def _checked(allocation: Allocation) -> Allocation:
    for name, text, digits in (
        ("PAN", allocation.pan, 18),
        ("supply group code", allocation.group, 6),
        ("tariff index", allocation.tariff, 2),
    ):
        if len(text) != digits or not (text.isascii() and text.isdigit()):
            raise LocalProtocolError(f"{name} {text!r}", expected=f"{digits} digits")
    for name, number in (("key type", allocation.key_type), ("key revision", allocation.revision)):
        if not 0 <= number <= 9:
            raise LocalProtocolError(f"{name} {number}", expected="0 to 9")
    return allocation


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))
