"""Logical names and octets in the text of a profile."""

from __future__ import annotations

from protocols import obis


def logical_name(where: str, text: str) -> bytes:
    """The six octets of an OBIS code; ValueError that begins with ``where``."""
    try:
        return obis.parse(text)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def octets(where: str, text: str, count: int) -> bytes:
    """So many octets in hexadecimal; ValueError that begins with ``where``."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != count:
        raise ValueError(f"{where}: {text!r}: {count} octets in hexadecimal")
    return found
