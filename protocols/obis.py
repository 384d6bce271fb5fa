"""Logical names (OBIS codes): six octets on the line, ``A-B:C.D.E.F`` for people (IEC 62056-61)."""

from __future__ import annotations

import re
import sys
from functools import lru_cache

OCTETS = 6
_TEXT = re.compile(r"(\d{1,3})[-.](\d{1,3})[:.](\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:[.*](\d{1,3}))?")


@lru_cache(maxsize=4096)
def parse(text: str) -> bytes:
    """The six octets of ``1-0:1.8.0``, ``1-0:1.8.0.255``, ``1-0:1.8.0*255`` or ``1.0.1.8.0.255``.

    F is 255 when left out. Raises ValueError for anything else.
    """
    found = _TEXT.fullmatch(text.strip())
    groups = [int(group) if group else 255 for group in found.groups()] if found else []
    if not groups or max(groups) > 255:
        raise ValueError(f"logical name {text!r}: six numbers from 0 to 255 such as 1-0:1.8.0.255")
    return bytes(groups)


@lru_cache(maxsize=4096)
def text(logical_name: bytes) -> str:
    """``A-B:C.D.E.F`` of six octets; ValueError for another number of octets."""
    if len(logical_name) != 6:
        raise ValueError(f"logical name {logical_name.hex()}: six octets")
    a, b, c, d, e, f = logical_name
    return sys.intern(f"{a}-{b}:{c}.{d}.{e}.{f}")
