"""Frames of ASH (see :mod:`protocols.zigbee.ash`): control octet, data, CRC, stuffing and the randomiser.

Source: UG101, sections 4 and 5. A control octet below 0x80 is a DATA frame: sequence in bits 4..6, bit 3 for one sent
again, what is acknowledged in bits 0..2. 0x80 is ACK and 0xA0 NAK, with the same number and bit 3 for "not ready".
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

from protocols.errors import FrameError

FLAG: Final = 0x7E
ESCAPE: Final = 0x7D
XON: Final = 0x11
XOFF: Final = 0x13
SUBSTITUTE: Final = 0x18
CANCEL: Final = 0x1A
MIN_DATA: Final = 3
MAX_DATA: Final = 128
MAX_RAW: Final = 2 * (1 + MAX_DATA + 2)
"""Octets of the longest frame on the line, all of them stuffed."""
ACK: Final = 0x80
NAK: Final = 0xA0
RST: Final = 0xC0
RSTACK: Final = 0xC1
ERROR: Final = 0xC2
RETRANSMITTED: Final = 0x08
NOT_READY: Final = 0x08


def _mask() -> bytes:
    register, octets = 0x42, bytearray()
    for _ in range(MAX_DATA):
        octets.append(register)
        register = register >> 1 ^ (0xB8 if register & 1 else 0)
    return bytes(octets)


_MASK: Final = _mask()
_FLAG: Final = bytes((FLAG,))
_RESERVED: Final = frozenset((FLAG, ESCAPE, XON, XOFF, SUBSTITUTE, CANCEL))
_STUFFED: Final = {
    octet: bytes((ESCAPE, octet ^ 0x20)) if octet in _RESERVED else bytes((octet,)) for octet in range(256)
}


def randomise(data: bytes) -> bytes:
    """``data`` (at most 128 octets) under the randomiser; the same again takes it off."""
    size = len(data)
    return (int.from_bytes(data, "big") ^ int.from_bytes(_MASK[:size], "big")).to_bytes(size, "big")


def encode(control: int, data: bytes = b"") -> bytes:
    """A frame as it is on the line, with CRC, stuffing and flag. ``data`` of a DATA frame is randomised before."""
    body = bytes((control,)) + data
    body += crc_hqx(body, 0xFFFF).to_bytes(2, "big")
    if _RESERVED.isdisjoint(body):
        return body + _FLAG
    return b"".join([_STUFFED[octet] for octet in body]) + _FLAG


def decode(raw: bytes) -> tuple[int, bytes]:
    """Control octet and data of what stood before a flag. FrameError for length, stuffing or CRC."""
    body = raw
    if ESCAPE in raw:
        first, *rest = raw.split(bytes((ESCAPE,)))
        if not all(rest):
            raise FrameError("an ASH escape with nothing behind it")
        body = first + b"".join(bytes((part[0] ^ 0x20,)) + part[1:] for part in rest)
    if not 3 <= len(body) <= 1 + MAX_DATA + 2:
        raise FrameError(f"an ASH frame of {len(body)} octets", expected="3..131")
    if crc_hqx(body, 0xFFFF):
        raise FrameError(f"an ASH frame with control {body[0]:02X} whose CRC is wrong")
    return body[0], body[1:-2]
