"""Install codes: the secret printed on a device, from which its first link key follows.

A code has 6, 8, 12 or 16 octets and a CRC-16/X.25 behind them, least significant octet first; the link key is the hash
of both together (Smart Energy profile 5.4.8.1).
"""

from __future__ import annotations

from protocols.crc import check_sequence
from protocols.errors import DecodeError
from protocols.zigbee import mmo

CODE_OCTETS = (6, 8, 12, 16)
"""Octets of a code without its CRC."""
CRC_OCTETS = 2
WITH_CRC_OCTETS = tuple(octets + CRC_OCTETS for octets in CODE_OCTETS)


def with_crc(code: bytes) -> bytes:
    """A code and its CRC. Raises DecodeError for a code of another length than 6, 8, 12 or 16 octets."""
    if len(code) not in CODE_OCTETS:
        raise DecodeError(f"an install code of {len(code)} octets", expected="6, 8, 12 or 16 octets without the CRC")
    return code + check_sequence(code)


def check(octets: bytes) -> bytes:
    """The code in a code with CRC. Raises DecodeError for a wrong length or CRC."""
    if len(octets) not in WITH_CRC_OCTETS:
        raise DecodeError(f"an install code of {len(octets)} octets", expected="8, 10, 14 or 18 octets with the CRC")
    code = octets[:-CRC_OCTETS]
    if with_crc(code) != octets:
        raise DecodeError("an install code with a wrong CRC: a digit is wrong", len(code))
    return code


def link_key(octets: bytes) -> bytes:
    """The link key, 16 octets, of a code with CRC. Raises DecodeError for a wrong length or CRC."""
    check(octets)
    return mmo.digest(octets)
