"""Dates at which something takes over, as suppliers give them (class 9000, 111, 113; GBCS)."""

from __future__ import annotations

from emulator.device import LAST_TIME
from protocols.dlms import datetime


def activation(octets: bytes, now: int) -> int | None:
    """When something takes over, UTC in ns, by a date-time: ``now`` for all zeros, None (never) for nothing specified.

    ValueError for a time that no device reaches, DecodeError for one that is none.
    """
    if octets[:9] == datetime.AT_ONCE:
        return now
    utc = datetime.unpack_utc(octets)
    if not 0 <= utc < LAST_TIME:
        raise ValueError("something takes over in the years 1970 to 2099")
    return utc or None
