"""Dates and times of COSEM: 12, 5 and 4 octets, with wildcards (Blue Book, 4.1.6).

Instants are integers: nanoseconds of UTC since the Unix epoch, or seconds of local time counted from the same epoch as
if it were UTC ("local seconds"). A date-time's deviation is in minutes and is what is added to local time to give UTC.
"""

from __future__ import annotations

from functools import lru_cache

from protocols.errors import DecodeError

SECOND = 1_000_000_000
DAY = 86_400
UNSPECIFIED = bytes.fromhex("FFFFFFFFFFFFFFFFFF8000FF")
"""A date-time of which nothing is specified."""
AT_ONCE = bytes(9)
"""Date and time, without deviation and status, of what takes over now (GBCS)."""
DEVIATION_UNSPECIFIED = -0x8000
STATUS_INVALID = 0x01
STATUS_DOUBTFUL = 0x02
STATUS_DIFFERENT_BASE = 0x04
STATUS_DAYLIGHT_SAVING = 0x80
_ANY = 0xFF
_ANY_YEAR = 0xFFFF
_MONTH_DST_END, _MONTH_DST_BEGIN = 0xFD, 0xFE
_SECOND_LAST_DAY, _LAST_DAY = 0xFD, 0xFE
_EPOCH_DAYS = 719_468  # days from 0000-03-01 to 1970-01-01
_SEARCHED_DAYS = 366 * 8 + 2


def civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of a day counted from 1970-01-01."""
    days += _EPOCH_DAYS
    era, day_of_era = divmod(days, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


def days_of(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - _EPOCH_DAYS


def weekday_of(days: int) -> int:
    """1 Monday .. 7 Sunday."""
    return (days + 3) % 7 + 1


def days_in_month(year: int, month: int) -> int:
    """28 to 31."""
    return days_of(year + (month == 12), month % 12 + 1, 1) - days_of(year, month, 1)


@lru_cache(maxsize=4096)
def pack_date(days: int) -> bytes:
    """The five octets of a date."""
    year, month, day = civil(days)
    return bytes((year >> 8, year & 0xFF, month, day, weekday_of(days)))


def pack(local: int, hundredths: int = 0, deviation: int = 0, status: int = 0) -> bytes:
    """The twelve octets of an instant in local seconds; ``deviation`` in minutes, local + deviation = UTC."""
    days, second = divmod(local, DAY)
    minutes, second = divmod(second, 60)
    return pack_date(days) + bytes(
        (minutes // 60, minutes % 60, second, hundredths, deviation >> 8 & 0xFF, deviation & 0xFF, status)
    )


def pack_utc(utc: int) -> bytes:
    """The twelve octets of a UTC instant in ns, with deviation 0; 0 is packed as not specified."""
    if utc == 0:
        return UNSPECIFIED
    seconds, rest = divmod(utc, SECOND)
    return pack(seconds, rest // 10_000_000)


def local_seconds(octets: bytes) -> int:
    """Local seconds of a date-time without wildcards in date, hour and minute; DecodeError otherwise."""
    year, month, day = octets[0] << 8 | octets[1], octets[2], octets[3]
    hour, minute, second = octets[5], octets[6], octets[7]
    if year == _ANY_YEAR or not 1 <= month <= 12 or hour > 23 or minute > 59:
        raise DecodeError(f"date-time {octets.hex()} is not one instant", 0, "no wildcards")
    if not 1 <= day <= days_in_month(year, month):
        raise DecodeError(f"date-time {octets.hex()} has no such day", 3)
    if second == _ANY:
        second = 0
    if second > 59:
        raise DecodeError(f"date-time {octets.hex()} has no such second", 7)
    return days_of(year, month, day) * DAY + hour * 3600 + minute * 60 + second


def deviation_of(octets: bytes) -> int | None:
    """Minutes that are added to local time to give UTC; None when not specified."""
    deviation = int.from_bytes(octets[9:11], "big", signed=True)
    return None if deviation == DEVIATION_UNSPECIFIED else deviation


def unpack_utc(octets: bytes, deviation: int = 0) -> int:
    """UTC in ns of a date-time, with ``deviation`` for one that does not specify it; 0 when nothing is specified.

    Raises DecodeError for other wildcards and for dates that do not exist.
    """
    if len(octets) != 12:
        raise DecodeError(f"date-time of {len(octets)} octets", None, "12 octets")
    if octets[:8] == UNSPECIFIED[:8]:
        return 0
    given = deviation_of(octets)
    minutes = deviation if given is None else given
    hundredths = octets[8] if octets[8] < 100 else 0
    return (local_seconds(octets) + minutes * 60) * SECOND + hundredths * 10_000_000


def date_matches(pattern: bytes, days: int) -> bool:
    """Whether a day fits a date pattern of five octets (FF: any; day FD second last, FE last of its month).

    With a weekday given, day FE means the last such weekday of the month and FD the second last. The months FD and FE
    (DST end and begin) fit no day.
    """
    year, month, day = civil(days)
    want_year, want_month, want_day, want_weekday = pattern[0] << 8 | pattern[1], pattern[2], pattern[3], pattern[4]
    if want_year not in (_ANY_YEAR, year) or want_month not in (_ANY, month):
        return False
    if want_weekday not in (_ANY, weekday_of(days)):
        return False
    if want_day in (_ANY, day):
        return True
    left = days_in_month(year, month) - day
    step = 1 if want_weekday == _ANY else 7
    if want_day == _LAST_DAY:
        return left < step
    return want_day == _SECOND_LAST_DAY and step <= left < 2 * step


def first_time(pattern: bytes, after: int = -1) -> int | None:
    """The first second of a day, later than ``after``, that fits a time pattern of four octets; None without one."""
    hour, minute, second = pattern[0], pattern[1], pattern[2]
    found = after + 1
    while found < DAY:
        hours, rest = divmod(found, 3600)
        minutes, seconds = divmod(rest, 60)
        if hour not in (_ANY, hours):
            if hours > hour:
                return None
            found = hour * 3600
        elif minute not in (_ANY, minutes):
            found = hours * 3600 + minute * 60 if minutes < minute else (hours + 1) * 3600
        elif second not in (_ANY, seconds):
            found = hours * 3600 + minutes * 60 + second if seconds < second else hours * 3600 + (minutes + 1) * 60
        else:
            return found
    return None


@lru_cache(maxsize=4096)
def next_day(date: bytes, first: int) -> int | None:
    """The first day from ``first`` on that fits a date pattern; None when none does in the eight years to come."""
    want_year, want_month, want_day = date[0] << 8 | date[1], date[2], date[3]
    if not (1 <= want_day <= 31 or want_day in (_ANY, _LAST_DAY, _SECOND_LAST_DAY)):
        return None
    if not (1 <= want_month <= 12 or want_month == _ANY) or not (1 <= date[4] <= 7 or date[4] == _ANY):
        return None
    last = first + _SEARCHED_DAYS
    this_year = civil(first)[0]
    for year in range(this_year, civil(last)[0] + 1):
        if want_year not in (_ANY_YEAR, year):
            continue
        for month in range(1, 13) if want_month == _ANY else (want_month,):
            begin = days_of(year, month, 1)
            for days in range(max(begin, first), min(begin + days_in_month(year, month), last)):
                if date_matches(date, days):
                    return days
    return None


def next_match(date: bytes, time: bytes, after: int) -> int | None:
    """The first instant later than ``after``, in local seconds, that fits both patterns.

    A second that the time pattern leaves open counts as 0. None when nothing fits in the eight years to come.
    """
    if time[2] == _ANY:
        time = time[:2] + b"\0" + time[3:]
    today, second = divmod(after, DAY)
    day = next_day(date, today)
    if day == today:
        found = first_time(time, second)
        if found is not None:
            return today * DAY + found
        day = next_day(date, today + 1)
    found = first_time(time)
    return None if day is None or found is None else day * DAY + found


def occurrence(pattern: bytes, year: int) -> int | None:
    """Local seconds at which a yearly date-time pattern of 12 octets falls in ``year``; None when it does not.

    A month, day or time that is left open counts as the first there is.
    """
    if (pattern[0] << 8 | pattern[1]) not in (_ANY_YEAR, year):
        return None
    month = pattern[2]
    if month in (_MONTH_DST_BEGIN, _MONTH_DST_END):
        return None
    first = days_of(year, 1 if month == _ANY else month, 1) if month == _ANY or 1 <= month <= 12 else None
    if first is None:
        return None
    time = bytes(0 if octet == _ANY else octet for octet in pattern[5:8])
    for days in range(first, first + 366):
        if date_matches(pattern[:5], days):
            return days * DAY + time[0] * 3600 + time[1] * 60 + time[2]
    return None
