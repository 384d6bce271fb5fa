"""Scripts that run at a time of their own: single action schedules (class 22) and schedules (class 10)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from emulator.cosem.encoding import decoded
from emulator.cosem.view import InternalView
from protocols.dlms import datetime
from protocols.dlms.types import parse_type

SINGLE_ACTION_CLASS, SCHEDULE_CLASS = 22, 10
EXECUTION_TIMES = "arr st{oct4,oct5}"
EXECUTED_SCRIPT = "st{oct6,u16}"
ENTRY = "st{u16,bool,oct6,u16,oct4,u16,bits,bits,oct5,oct5}"
ENTRIES = f"arr {ENTRY}"
NO_WINDOW = 0xFFFF
"""validity_window of an entry that is made up for however late."""
_ALWAYS = b"\xff" * 5
_SEARCHED_DAYS = 400

_times, _script, _entries = parse_type(EXECUTION_TIMES), parse_type(EXECUTED_SCRIPT), parse_type(ENTRIES)


SpecialDays = Callable[[int], int | None]
"""Gives the special day id of a local day, None for an ordinary one."""


class Due(NamedTuple):
    """A script that is due at a local second."""

    local: int
    table: bytes
    selector: int


class Entry(NamedTuple):
    """An entry of a schedule (class 10). ``window`` in minutes; weekdays and special days as text of 0 and 1."""

    number: int
    enabled: bool
    table: bytes
    selector: int
    time: bytes
    window: int
    weekdays: str
    special_days: str
    begin: bytes
    end: bytes

    def second(self, day: int, special: int | None) -> int | None:
        """The second of a local day at which it is due, None for not; ``special`` is the day's special day id."""
        if not self.enabled or not (_day_of(self.begin, -1) <= day <= _day_of(self.end, 1)):
            return None
        chosen = self.weekdays[datetime.weekday_of(day) - 1 : datetime.weekday_of(day)] == "1"
        if special is not None and 1 <= special <= len(self.special_days):
            chosen = self.special_days[special - 1] == "1"
        return datetime.first_time(self.time) if chosen else None


def _day_of(date: bytes, side: int) -> int:
    """The day of a date without wildcards; far to one ``side`` when nothing is specified."""
    year, month, day = date[0] << 8 | date[1], date[2], date[3]
    if year == 0xFFFF or not 1 <= month <= 12 or not 1 <= day <= 31:
        return side * 10_000_000
    return datetime.days_of(year, month, day)


@lru_cache(maxsize=1024)
def single_action(script: bytes, times: bytes, after: int) -> Due | None:
    """When a single action schedule with these attributes is next due after a local second; None for never."""
    dates = decoded(_times, times)
    if not dates:
        return None
    found = [at for time, date in dates if (at := datetime.next_match(date, time, after)) is not None]
    if not found:
        return None
    table, selector = decoded(_script, script)
    return Due(min(found), table, selector)


@lru_cache(maxsize=256)
def parse_entries(encoded: bytes) -> tuple[Entry, ...]:
    """Entries of a schedule from attribute 2 of class 10; ValueError for another shape."""
    return tuple(Entry(*fields) for fields in decoded(_entries, encoded))


def next_entry(entries: tuple[Entry, ...], special: SpecialDays, after: int) -> Due | None:
    """The first entry due after a local second; ``special`` gives a day's special day id or None."""
    if not entries:
        return None
    today, second = divmod(after, datetime.DAY)
    for day in range(today, today + _SEARCHED_DAYS):
        special_id = special(day)
        found = [
            Due(day * datetime.DAY + at, entry.table, entry.selector)
            for entry in entries
            if (at := entry.second(day, special_id)) is not None and (day > today or at > second)
        ]
        if found:
            return min(found)
    return None


def missed(entries: tuple[Entry, ...], special: SpecialDays, begin: int, end: int) -> list[Due]:
    """Entries due after local second ``begin`` and until ``end`` that are made up for at ``end``, in order of time.

    An entry is when ``end`` is no later than its validity window after it was due (Blue Book, class 10).
    """
    found: list[Due] = []
    for day in range(max(begin // datetime.DAY, end // datetime.DAY - _SEARCHED_DAYS), end // datetime.DAY + 1):
        special_id = special(day)
        for entry in entries:
            at = entry.second(day, special_id)
            if at is None or not begin < day * datetime.DAY + at <= end:
                continue
            due = day * datetime.DAY + at
            if entry.window == NO_WINDOW or end - due <= entry.window * 60:
                found.append(Due(due, entry.table, entry.selector))
    return sorted(found)


def tables(view: InternalView) -> list[tuple[Entry, ...]]:
    """Entries of each schedule of a device whose scripts run; one with a source is what that part of it goes by."""
    items = view.model.by_class.get(SCHEDULE_CLASS, ())
    prefix = SCHEDULE_CLASS.to_bytes(2, "big")
    return [parse_entries(view.read(prefix + item.logical_name + b"\x02")) for item in items if not item.source]


def next_due(view: InternalView, special: SpecialDays, after: int) -> Due | None:
    """The first script of a device's schedules and single actions that is due after a local second."""
    found: list[Due | None] = [next_entry(entries, special, after) for entries in tables(view)]
    for item in view.model.by_class.get(SINGLE_ACTION_CLASS, ()):
        prefix = SINGLE_ACTION_CLASS.to_bytes(2, "big") + item.logical_name
        found.append(single_action(view.read(prefix + b"\x02"), view.read(prefix + b"\x04"), after))
    return min((due for due in found if due is not None), default=None)
