"""What stands before the ciphered content of general-ciphering (Green Book 9.2, IEC 62056-5-3 5.4)."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.dlms import axdr
from protocols.errors import DecodeError, SecurityError, SecurityFault


@dataclass(frozen=True, slots=True)
class GeneralHeader:
    """What general-ciphering carries beside the ciphered content. ``wrapped_key`` is a key wrapped with the KEK."""

    transaction_id: bytes = b""
    originator: bytes = b""
    recipient: bytes = b""
    date_time: bytes = b""
    other_information: bytes = b""
    wrapped_key: bytes | None = None
    identified: bool = False

    def additional(self) -> bytes:
        """What of it is authenticated, each part with its length."""
        return b"".join(
            axdr.sized(part)
            for part in (self.transaction_id, self.originator, self.recipient, self.date_time, self.other_information)
        )

    def encode(self) -> bytes:
        """Octets between the tag and the length of the ciphered content."""
        if self.wrapped_key is not None:
            return self.additional() + b"\x01\x01\x00" + axdr.sized(self.wrapped_key)
        return self.additional() + (b"\x01\x00\x00" if self.identified else b"\x00")


def read_header(apdu: bytes, offset: int) -> tuple[GeneralHeader, int]:
    """The header that begins at ``offset``, behind the tag, and where it ends.

    Raises DecodeError, and SecurityError for a key that is neither the unicast key nor a wrapped one.
    """
    parts: list[bytes] = []
    for _ in range(5):
        part, offset = axdr.read_sized(apdu, offset)
        parts.append(part)
    if offset >= len(apdu):
        raise DecodeError("cut off", offset, "key-info")
    wrapped: bytes | None = None
    present, choice = apdu[offset], apdu[offset + 1 : offset + 3]
    offset += 1
    if present:
        offset += 2
        if choice == b"\x01\x00":
            wrapped, offset = axdr.read_sized(apdu, offset)
        elif choice != b"\x00\x00":
            raise SecurityError(SecurityFault.KEY, "a key that is not held: the unicast key or a wrapped one is")
    transaction_id, originator, recipient, date_time, other = parts
    identified = bool(present) and wrapped is None
    return GeneralHeader(transaction_id, originator, recipient, date_time, other, wrapped, identified), offset
