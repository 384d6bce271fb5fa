"""CRC-16/X.25: the check sequence of HDLC frames (ISO/IEC 13239, 16-bit FCS), at the speed of the standard library.

The polynomial is 1021 hexadecimal with reflected octets, start value and final complement FFFF; the check value of
``123456789`` is 906E. ``binascii.crc_hqx`` runs the same polynomial without reflection, so octets are reflected by a
translation table before it, and its result after it.
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

REFLECTED: Final = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
"""Translation table that turns the bits of each octet round."""

INVERTED: Final = bytes(octet ^ 0xFF for octet in REFLECTED)
"""Translation table that gives the octets of a check sequence from a register of :data:`REFLECTED` octets."""

START: Final = 0xFFFF
"""Register before the first octet."""

CHECKED: Final = 0x1D0F
"""Register after octets that end in their own right check sequence; what follows may be checked from here on."""


def check_sequence(data: bytes, register: int = START) -> bytes:
    """The two octets of the check sequence, low octet first, as they are sent.

    ``register`` is :data:`CHECKED` to go on after octets that already ended in their check sequence, as the FCS of a
    frame does after its HCS.
    """
    return crc_hqx(data.translate(REFLECTED), register).to_bytes(2, "big").translate(INVERTED)
