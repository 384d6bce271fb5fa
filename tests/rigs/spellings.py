"""How a secret may be written, for tests that look for it where it must not be."""

from __future__ import annotations

import base64
from collections.abc import Iterable


def spellings(hidden: Iterable[bytes]) -> set[bytes]:
    """Each secret raw, in hexadecimal of either case, in base64 (wherever it begins) and as Python would show it."""
    forms: set[bytes] = set()
    for octets in hidden:
        forms |= {octets, octets.hex().encode(), octets.hex().upper().encode()}
        forms |= {octets.hex(" ").encode(), octets.hex(" ").upper().encode()}
        forms |= {base64.b64encode(octets).rstrip(b"="), base64.urlsafe_b64encode(octets).rstrip(b"=")}
        for before in range(1, 3):  # what follows other octets; a first and a last character depend on those around
            whole = len(octets) - (3 - before)
            middle = octets[3 - before : 3 - before + whole - whole % 3]
            forms |= {base64.b64encode(middle), base64.urlsafe_b64encode(middle)}
        forms.add(repr(octets)[2:-1].encode())
    return forms
