"""Scripts that run at a time of their own: single action schedules (class 22) and schedules (class 10)."""

from __future__ import annotations

from bisect import bisect_right
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
_ANY = 0xFF
_SEARCHED_DAYS = 400

_HOUR = 3600
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

    @property
    def days(self) -> range:
        """The local days from begin to end; none for an entry that is never due."""
        if not self.enabled or not repeats_hourly_at_most(self.time) or "1" not in self.weekdays + self.special_days:
            return range(0)
        return range(_day_of(self.begin, -1), _day_of(self.end, 1) + 1)

    def seconds(self, day: int, special: int | None) -> range:
        """Seconds of a local day at which it is due, at most 24; ``special`` is the day's special day id."""
        if day not in self.days:
            return range(0)
        chosen = self.weekdays[datetime.weekday_of(day) - 1 : datetime.weekday_of(day)] == "1"
        if special is not None and 1 <= special <= len(self.special_days):
            chosen = self.special_days[special - 1] == "1"
        if not chosen:
            return range(0)
        hour, in_hour = self.time[0], self.time[1] * 60 + self.time[2]
        if hour == _ANY:
            return range(in_hour, datetime.DAY, _HOUR)
        return range(hour * _HOUR + in_hour, hour * _HOUR + in_hour + 1)


def is_exact(time: bytes) -> bool:
    """Whether a time of four octets is one of a day: no wildcard but for the hundredths of a second.

    The execution times of class 22 are (Blue Book: wildcards are allowed in the date).
    """
    return time[0] < 24 and time[1] < 60 and time[2] < 60


def repeats_hourly_at_most(time: bytes) -> bool:
    """Whether a switch time of class 10 is one that a device takes.

    Its wildcards make repetitive entries (Blue Book); a device has the time for one an hour, so that minute and second
    are given.
    """
    return is_exact(time if time[0] != _ANY else b"\0" + time[1:])


def _day_of(date: bytes, side: int) -> int:
    """The day of a date without wildcards; far to one ``side`` when nothing is specified."""
    year, month, day = date[0] << 8 | date[1], date[2], date[3]
    if year == 0xFFFF or not 1 <= month <= 12 or not 1 <= day <= 31:
        return side * 10_000_000
    return datetime.days_of(year, month, day)


def single_action(script: bytes, times: bytes, after: int) -> Due | None:
    """When a single action schedule with these attributes is next due after a local second; None for never."""
    today, now = divmod(after, datetime.DAY)
    found = [
        day * datetime.DAY + second
        for second, date in _dates(times)
        if (day := datetime.next_day(date, today if second > now else today + 1)) is not None
    ]
    if not found:
        return None
    table, selector = decoded(_script, script)
    return Due(min(found), table, selector)


@lru_cache(maxsize=256)
def _dates(times: bytes) -> tuple[tuple[int, bytes], ...]:
    """Seconds of the day and dates of attribute 4 of class 22, without those that no SET can have put there."""
    return tuple(
        (time[0] * _HOUR + time[1] * 60 + time[2], date) for time, date in decoded(_times, times) if is_exact(time)
    )


@lru_cache(maxsize=256)
def parse_entries(encoded: bytes) -> tuple[Entry, ...]:
    """Entries of a schedule from attribute 2 of class 10; ValueError for another shape."""
    return tuple(Entry(*fields) for fields in decoded(_entries, encoded))


def next_entry(entries: tuple[Entry, ...], special: SpecialDays, after: int) -> Due | None:
    """The first entry due after a local second; ``special`` gives a day's special day id or None."""
    if not entries:
        return None
    today = after // datetime.DAY
    # Asked after each script that ran, so what a day holds and what comes after it are found once.
    due = _due_on(entries, special, today)
    place = bisect_right(due, after, key=_instant)
    return due[place] if place < len(due) else _first_from(entries, special, today + 1)


def _instant(due: Due) -> int:
    return due.local


@lru_cache(maxsize=256)
def _due_on(entries: tuple[Entry, ...], special: SpecialDays, day: int) -> tuple[Due, ...]:
    """What is due on a local day, in order of time."""
    special_id = special(day)
    return tuple(
        sorted(
            Due(day * datetime.DAY + second, entry.table, entry.selector)
            for entry in entries
            for second in entry.seconds(day, special_id)
        )
    )


@lru_cache(maxsize=256)
def _first_from(entries: tuple[Entry, ...], special: SpecialDays, first: int) -> Due | None:
    """The first that is due on local day ``first`` or later; None when nothing is in the days that are searched."""
    days = [found for entry in entries if (found := entry.days) and found[-1] >= first]
    if not days:
        return None
    first = max(first, min(found[0] for found in days))
    for day in range(first, min(first + _SEARCHED_DAYS, max(found[-1] for found in days) + 1)):
        if due := _due_on(entries, special, day):
            return due[0]
    return None


def missed(entries: tuple[Entry, ...], special: SpecialDays, begin: int, end: int) -> list[Due]:
    """Entries due after local second ``begin`` and until ``end`` that are made up for at ``end``, in order of time.

    An entry is, once, when ``end`` is no later than its validity window after it was last due (Blue Book, class 10).
    """
    found: list[Due] = []
    last = end // datetime.DAY
    first = max(begin // datetime.DAY, last - _SEARCHED_DAYS)
    specials = [special(day) for day in range(first, last + 1)]
    for entry in entries:
        due = max(
            (
                at
                for day, special_id in enumerate(specials, first)
                for second in entry.seconds(day, special_id)
                if begin < (at := day * datetime.DAY + second) <= end
            ),
            default=None,
        )
        if due is not None and (entry.window == NO_WINDOW or end - due <= entry.window * 60):
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
