"""What one end of an asynchronous serial line hears when the other end is set differently.

The sender's octets are laid out as levels on the wire (a start bit, data bits with the lowest first, parity, stop
bit; idle is 1) and sampled in the middle of each bit as the receiver believes the bits to be, as a UART does. A
frame whose stop bit is not there is heard as NUL, which is what a Linux serial port hands on.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import NamedTuple

LONGEST = 512  # octets worth garbling in one go; garbage needs no more


class Character(NamedTuple):
    """How an octet is framed: 8N1, 7E1, ..."""

    data_bits: int
    parity: str
    stop_bits: int

    @property
    def bits(self) -> int:
        """Bits on the wire for one character, start bit included."""
        return 1 + self.data_bits + (self.parity != "N") + self.stop_bits


@lru_cache(maxsize=64)
def character(text: str) -> Character:
    """The framing written as ``8N1`` or ``7E1``; raises ValueError for anything else."""
    if len(text) == 3 and text[0] in "5678" and text[1] in "NEOMS" and text[2] in "12":
        return Character(int(text[0]), text[1], int(text[2]))
    raise ValueError(f"{text!r}: a character format is 8N1, 7E1 or the like")


@lru_cache(maxsize=256)
def character_time(baud: int, framing: str) -> int:
    """How long one character takes on the wire, ns."""
    return character(framing).bits * 1_000_000_000 // baud


def _parity(value: int, kind: str) -> int:
    match kind:
        case "E":
            return value.bit_count() & 1
        case "O":
            return value.bit_count() & 1 ^ 1
        case "M":
            return 1
        case _:
            return 0


EVEN_PARITY = bytes((value & 0x7F) | _parity(value & 0x7F, "E") << 7 for value in range(256))
"""Translation of 7-bit characters to octets carrying even parity in bit 7."""
SEVEN_BITS = bytes(value & 0x7F for value in range(256))
"""Translation that takes bit 7 away."""


@lru_cache(maxsize=1024)
def _levels(octet: int, framing: Character) -> bytes:
    value = octet & ((1 << framing.data_bits) - 1)
    bits = [0, *(value >> bit & 1 for bit in range(framing.data_bits))]
    if framing.parity != "N":
        bits.append(_parity(value, framing.parity))
    return bytes(bits + [1] * framing.stop_bits)


def heard(
    data: bytes,
    sent_baud: int,
    sent_as: str,
    heard_baud: int,
    heard_as: str,
    chance: Random,
    *,
    check_parity: bool,
) -> bytes:
    """What a receiver at ``heard_baud`` makes of ``data`` sent at ``sent_baud``, both in bits a second.

    ``chance`` gives the phase at which each character is sampled. With ``check_parity`` characters of wrong parity
    are dropped, as a meter does; without it they are handed on, as a computer does.
    """
    sender, receiver = character(sent_as), character(heard_as)
    # Times in units in which a bit of the sender is `step` long and one of the receiver `bit`.
    step, bit = heard_baud, sent_baud
    wire = b"\x01" + b"".join(_levels(octet, sender) for octet in data[:LONGEST])
    length = len(wire)
    out = bytearray()
    at = 0
    while (edge := wire.find(b"\x01\x00", at)) >= 0:
        start = (edge + 1) * step + bit * chance.randrange(4, 13) // 16
        samples: list[int] = []
        for index in range(receiver.bits):
            place = (start + index * bit) // step
            samples.append(wire[place] if place < length else 1)
        if samples[0]:
            at = edge + 1
            continue
        at = min(length, (start + (receiver.bits - 1) * bit) // step)
        value = sum(level << index for index, level in enumerate(samples[1 : 1 + receiver.data_bits]))
        if not samples[-1]:
            out.append(0)
        elif not check_parity or receiver.parity == "N" or samples[-2] == _parity(value, receiver.parity):
            out.append(value)
    return bytes(out)
