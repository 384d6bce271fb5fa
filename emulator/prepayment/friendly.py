"""Friendly hours: when a meter does not cut the supply for want of credit (non-disablement calendar).

They are the entries of a schedule (class 10) whose scripts mark their begin and end, and a special days table (class
11) of their own (GBCS, "Non-Disablement Calendar").
"""

from __future__ import annotations

from functools import lru_cache

from emulator.cosem.encoding import decoded
from emulator.cosem.view import InternalView
from emulator.schedules import SCHEDULE_CLASS, Entry, parse_entries
from emulator.tariff import SPECIAL_DAYS, SPECIAL_DAYS_CLASS
from protocols.dlms import datetime
from protocols.dlms.types import parse_type

SCHEDULE, DAYS = "friendly.schedule", "friendly.days"
"""Sources of the schedule and its special days in a profile."""
BEGIN, END = 32, 33
"""Selectors of the scripts that mark begin and end."""
_SEARCHED_DAYS = 15
"""A week, and special days on either side."""

_special_days = parse_type(SPECIAL_DAYS)


class FriendlyHours:
    """A non-disablement calendar; shared by all meters with the same entries."""

    __slots__ = ("_days", "_entries")

    def __init__(self, entries: tuple[Entry, ...], days: tuple[tuple[bytes, int], ...]) -> None:
        self._entries = tuple(entry for entry in entries if entry.selector in (BEGIN, END))
        self._days = days

    def now(self, local: int) -> bool:
        """Whether a local second lies in friendly hours."""
        today = local // datetime.DAY
        for day in range(today, today - _SEARCHED_DAYS, -1):
            marks = [mark for mark in self._marks(day) if mark[0] <= local]
            if marks:
                return max(marks)[1]
        return False

    def next_change(self, local: int) -> int | None:
        """The first local second after ``local`` at which they may begin or end; None when there is none in sight."""
        today = local // datetime.DAY
        for day in range(today, today + _SEARCHED_DAYS):
            later = [at for at, _ in self._marks(day) if at > local]
            if later:
                return min(later)
        return None

    def _marks(self, day: int) -> list[tuple[int, bool]]:
        """Begins (True) and ends of a local day; of two at the same second the begin counts."""
        if not self._entries:
            return []
        special = next((number for date, number in self._days if datetime.date_matches(date, day)), None)
        return [
            (day * datetime.DAY + second, entry.selector == BEGIN)
            for entry in self._entries
            for second in entry.seconds(day, special)
        ]


@lru_cache(maxsize=256)
def _parsed(entries: bytes, days: bytes) -> FriendlyHours:
    return FriendlyHours(
        parse_entries(entries), tuple((date, number) for _, date, number in decoded(_special_days, days))
    )


NONE = FriendlyHours((), ())


def current(view: InternalView) -> FriendlyHours:
    """The calendar of a device as it is set now; one that makes no sense has no friendly hours."""
    entries = _attribute(view, SCHEDULE_CLASS, SCHEDULE)
    if entries is None:
        return NONE
    try:
        return _parsed(entries, _attribute(view, SPECIAL_DAYS_CLASS, DAYS) or b"\x01\x00")
    except ValueError:
        return NONE


def _attribute(view: InternalView, class_id: int, source: str) -> bytes | None:
    """Attribute 2 of the object of a class with that source, encoded."""
    for item in view.model.by_class.get(class_id, ()):
        if item.source == source:
            return view.read(class_id.to_bytes(2, "big") + item.logical_name + b"\x02")
    return None
