"""EA07, the standard transfer algorithm (IEC 62055-41): a block cipher of 64 bits with a decoder key of 64 bits.

Each of 16 rounds replaces the 16 nibbles by one of two tables and then moves the bits. Which table is a bit of the key,
four further on from nibble to nibble and one down from round to round. The first octet of a key is its least
significant.
"""

from __future__ import annotations

from typing import Final

KEY: Final = 8
"""Octets of a key."""
_ROUNDS: Final = 16
_NIBBLES: Final = 16
_SUBSTITUTIONS: Final = (
    (12, 8, 2, 13, 7, 6, 1, 3, 11, 5, 9, 15, 0, 4, 10, 14),
    (14, 10, 7, 9, 12, 3, 2, 5, 13, 0, 15, 1, 4, 8, 6, 11),
)
"""For a key bit of 0 and of 1."""
_PLACES: Final = bytes.fromhex(
    "372a0a1218152c230216382b1b3a093206240c3d252635103e03070420143f19"
    "3334362131132e1d301f171e291c0d05283c270b0f11010039223b082f0e2d1a"
)
"""Where each bit goes, from the least significant."""


def _spread(places: bytes) -> tuple[tuple[int, ...], ...]:
    """What each value of each nibble becomes when its bits are moved."""
    return tuple(
        tuple(sum((value >> bit & 1) << places[4 * nibble + bit] for bit in range(4)) for value in range(16))
        for nibble in range(_NIBBLES)
    )


_MOVED: Final = _spread(_PLACES)
_MOVED_BACK: Final = _spread(bytes(_PLACES.index(place) for place in range(64)))
_REPLACED_BACK: Final = tuple(tuple(table.index(value) for value in range(16)) for table in _SUBSTITUTIONS)


def encrypt(key: bytes, block: int) -> int:
    """The cipher text of a block of 64 bits; ``key`` has 8 octets."""
    bits = int.from_bytes(key, "little")
    for step in range(_ROUNDS):
        moved = 0
        for nibble in range(_NIBBLES):
            table = _SUBSTITUTIONS[bits >> (4 * nibble + 15 - step) % 64 & 1]
            moved |= _MOVED[nibble][table[block >> 4 * nibble & 15]]
        block = moved
    return block


def decrypt(key: bytes, block: int) -> int:
    """The block of 64 bits that a cipher text stands for; ``key`` has 8 octets."""
    bits = int.from_bytes(key, "little")
    for step in range(_ROUNDS):
        moved = 0
        for nibble in range(_NIBBLES):
            moved |= _MOVED_BACK[nibble][block >> 4 * nibble & 15]
        block = 0
        for nibble in range(_NIBBLES):
            table = _REPLACED_BACK[bits >> (4 * nibble + step) % 64 & 1]
            block |= table[moved >> 4 * nibble & 15] << 4 * nibble
    return block
