"""Protection of NWK and APS frames: CCM* with encryption and a MIC of 4 octets (Zigbee specification 4.3, 4.4, 4.5.1).

That is security level 5, the only one Zigbee PRO uses. The level is part of what is authenticated, but on the air its
three bits are zero, as they are in all octets passed in and out here.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from protocols.errors import DecodeError, LocalProtocolError, SecurityError, SecurityFault

MIC_OCTETS: Final = 4
"""Octets of the message integrity code."""
KEY_OCTETS: Final = 16
EUI_OCTETS: Final = 8
COUNTER_MAX: Final = 0xFFFFFFFF
"""The highest frame counter that the header holds."""
_LEVEL: Final = 5
_LEVEL_BITS: Final = 0x07
_KEY_SHIFT: Final = 3
_EXTENDED: Final = 0x20
"""Extended nonce: the header carries the source's EUI-64."""
_RESERVED: Final = 0xC0
_HEADER: Final = Struct("<BI")
_NONCE: Final = Struct("<8sIB")


class KeyId(IntEnum):
    """Which key protects a frame (4.5.1.1.2): a link key, the network key, or one made from a link key."""

    LINK = 0
    NETWORK = 1
    TRANSPORT = 2
    LOAD = 3


_KEY_IDS: Final = tuple(KeyId)


class Auxiliary(NamedTuple):
    """The auxiliary header of a protected frame (4.5.1).

    ``counter`` is the sender's frame counter, 32 bits. ``source`` is the sender's EUI-64, None where the header leaves
    it out; ``key_sequence`` the number of the network key, an octet, there for :attr:`KeyId.NETWORK` alone.
    """

    key_id: KeyId
    counter: int
    source: bytes | None = None
    key_sequence: int | None = None

    @property
    def length(self) -> int:
        """Octets of the header: 5, 6, 13 or 14."""
        return _HEADER.size + (EUI_OCTETS if self.source is not None else 0) + (self.key_sequence is not None)

    def encode(self) -> bytes:
        """The header as it is sent; LocalProtocolError for values that it cannot hold."""
        key_id, counter, source, key_sequence = self
        if (key_sequence is None) == (key_id is KeyId.NETWORK):
            raise LocalProtocolError("a key sequence number goes with the network key, and with no other")
        if not 0 <= counter <= COUNTER_MAX:
            raise LocalProtocolError(f"frame counter {counter}", expected="32 bits")
        octets = _HEADER.pack(key_id << _KEY_SHIFT | (0 if source is None else _EXTENDED), counter)
        if source is not None:
            octets += _reversed(source)
        if key_sequence is not None:
            if not 0 <= key_sequence <= 0xFF:
                raise LocalProtocolError(f"key sequence number {key_sequence}", expected="0 to 255")
            octets += bytes((key_sequence,))
        return octets

    @classmethod
    def decode(cls, octets: bytes, offset: int = 0) -> tuple[Auxiliary, int]:
        """The header that starts at ``offset``, and where it ends. Whatever level it states is passed over.

        DecodeError when the octets end first, or for reserved bits of the security control.
        """
        end = offset + _HEADER.size
        if len(octets) < end:
            raise DecodeError("an auxiliary security header cut short", len(octets), "5 octets or more")
        control: int
        counter: int
        control, counter = _HEADER.unpack_from(octets, offset)
        if control & _RESERVED:
            raise DecodeError(f"security control {control:02X}", offset, "its two highest bits zero")
        key_id = _KEY_IDS[control >> _KEY_SHIFT & 3]
        source = key_sequence = None
        if control & _EXTENDED:
            source = octets[end : end + EUI_OCTETS][::-1]
            end += EUI_OCTETS
        if key_id is KeyId.NETWORK:
            key_sequence = octets[end] if end < len(octets) else None
            end += 1
        if len(octets) < end:
            raise DecodeError("an auxiliary security header cut short", len(octets), f"{end - offset} octets")
        return cls(key_id, counter, source, key_sequence), end


@lru_cache(maxsize=16384)
def cipher(key: bytes) -> AESCCM:
    """The CCM of a key of 16 octets, made once. LocalProtocolError for another length."""
    if len(key) != KEY_OCTETS:
        raise LocalProtocolError(f"a Zigbee key of {len(key)} octets", expected="16")
    return AESCCM(key, tag_length=MIC_OCTETS)


def secure(key: bytes, auxiliary: Auxiliary, source_eui: bytes, header: bytes, payload: bytes) -> bytes:
    """What follows ``header`` in a protected frame: the auxiliary header, the encrypted payload and the MIC.

    ``source_eui`` is the EUI-64 of the one who secures, also where the auxiliary header leaves it out. ``header`` is
    authenticated as it is. LocalProtocolError for keys or values of wrong lengths.
    """
    sent = auxiliary.encode()
    control = sent[0] | _LEVEL
    authenticated = b"%b%c%b" % (header, control, sent[1:])
    nonce = _NONCE.pack(_reversed(source_eui), auxiliary.counter, control)
    return sent + cipher(key).encrypt(nonce, payload, authenticated)


def unsecure(
    key: bytes, auxiliary: Auxiliary, source_eui: bytes, header_and_aux: bytes, ciphertext_mic: bytes
) -> bytes:
    """The payload of a protected frame whose MIC is right.

    ``header_and_aux`` are the octets before the encrypted payload as they came; they end with the ones that
    ``auxiliary`` was decoded from. SecurityError (DECIPHERING) when the MIC is wrong or there is none. Whether the
    counter is a new one is for the caller to see.
    """
    place = len(header_and_aux) - auxiliary.length
    if place < 0 or len(ciphertext_mic) < MIC_OCTETS:
        raise SecurityError(SecurityFault.DECIPHERING, "a protected frame too short for its header and MIC")
    control = header_and_aux[place] & ~_LEVEL_BITS | _LEVEL
    authenticated = b"%b%c%b" % (header_and_aux[:place], control, header_and_aux[place + 1 :])
    nonce = _NONCE.pack(_reversed(source_eui), auxiliary.counter, control)
    try:
        return cipher(key).decrypt(nonce, ciphertext_mic, authenticated)
    except InvalidTag:
        raise SecurityError(SecurityFault.DECIPHERING, "the MIC is wrong for this key, source and counter") from None


def _reversed(eui: bytes) -> bytes:
    if len(eui) != EUI_OCTETS:
        raise LocalProtocolError(f"an EUI-64 of {len(eui)} octets", expected="8")
    return eui[::-1]
