"""Dates and times: against the standard library, and the wildcards."""

from __future__ import annotations

import datetime as stdlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.dlms import datetime
from protocols.dlms.datetime import DAY, SECOND, UNSPECIFIED
from protocols.errors import DecodeError

EPOCH = stdlib.date(1970, 1, 1)
ANY = b"\xff"


def seconds(text: str) -> int:
    return int(stdlib.datetime.fromisoformat(text + "+00:00").timestamp())


@given(st.dates())
def test_days(date: stdlib.date) -> None:
    days = (date - EPOCH).days
    assert datetime.civil(days) == (date.year, date.month, date.day)
    assert datetime.days_of(date.year, date.month, date.day) == days
    assert datetime.weekday_of(days) == date.isoweekday()
    assert datetime.pack_date(days) == date.year.to_bytes(2, "big") + bytes((date.month, date.day, date.isoweekday()))


@given(
    st.datetimes(stdlib.datetime(1971, 1, 1), stdlib.datetime(2200, 1, 1)), st.integers(0, 99), st.integers(-720, 720)
)
def test_instants(when: stdlib.datetime, hundredths: int, deviation: int) -> None:
    local = int(when.replace(microsecond=0, tzinfo=stdlib.UTC).timestamp())
    octets = datetime.pack(local, hundredths, deviation, 0x80)
    assert octets[5:9] == bytes((when.hour, when.minute, when.second, hundredths))
    assert octets[11] == 0x80
    assert datetime.local_seconds(octets) == local
    assert datetime.deviation_of(octets) == deviation
    assert datetime.unpack_utc(octets) == (local + deviation * 60) * SECOND + hundredths * 10_000_000


def test_unspecified() -> None:
    assert datetime.pack_utc(0) == UNSPECIFIED
    assert datetime.unpack_utc(UNSPECIFIED) == 0
    assert datetime.deviation_of(UNSPECIFIED) is None
    without = datetime.pack(seconds("2026-07-01T12:00:00"))[:9] + b"\x80\x00\xff"
    assert datetime.unpack_utc(without, -60) == seconds("2026-07-01T11:00:00") * SECOND


@pytest.mark.parametrize(
    "octets",
    [
        "ffff0101ff000000000000" + "00",
        "07eaff01ff000000000000" + "00",
        "07ea0d01ff000000000000" + "00",
        "07ea021dff000000000000" + "00",
        "07ea0201ff180000000000" + "00",
        "07ea0201ff003c00000000" + "00",
        "07ea0201ff00003c000000" + "00",
        "07ea0201",
    ],
)
def test_no_one_instant(octets: str) -> None:
    with pytest.raises(DecodeError):
        datetime.unpack_utc(bytes.fromhex(octets))


@given(st.binary(min_size=12, max_size=12))
def test_any_octets(octets: bytes) -> None:
    try:
        utc = datetime.unpack_utc(octets)
    except DecodeError:
        return
    if utc:
        assert abs(utc) < 1 << 73


@pytest.mark.parametrize(
    ("pattern", "date", "fits"),
    [
        ("ffffffffff", "2026-02-28", True),
        ("07eaff01ff", "2026-05-01", True),
        ("07ebff01ff", "2026-05-01", False),
        ("fffffffe" + "ff", "2026-02-28", True),
        ("fffffffe" + "ff", "2024-02-28", False),
        ("fffffffd" + "ff", "2024-02-28", True),
        ("ffff0afe07", "2026-10-25", True),
        ("ffff0afe07", "2026-10-18", False),
        ("ffff0afd07", "2026-10-18", True),
        ("ffff0aff07", "2026-10-18", True),
        ("fffffdffff", "2026-10-25", False),
        ("ffff020802", "2026-02-08", False),
    ],
)
def test_date_patterns(pattern: str, date: str, fits: bool) -> None:
    days = (stdlib.date.fromisoformat(date) - EPOCH).days
    assert datetime.date_matches(bytes.fromhex(pattern), days) is fits


pattern_octets = st.one_of(st.just(0xFF), st.integers(0, 23))


@given(pattern_octets, pattern_octets, pattern_octets, st.integers(-1, DAY - 1))
def test_first_time_is_the_first(hour: int, minute: int, second: int, after: int) -> None:
    def fits(at: int) -> bool:
        return all(
            want in (0xFF, have)
            for want, have in zip((hour, minute, second), (at // 3600, at // 60 % 60, at % 60), strict=True)
        )

    found = datetime.first_time(bytes((hour, minute, second, 0xFF)), after)
    if found is not None:
        assert found > after
        assert fits(found)
    for at in range(after + 1, min(after + 200, DAY) if found is None else min(found, after + 200)):
        assert not fits(at)


some_dates = st.tuples(
    st.sampled_from([b"\xff\xff", b"\x07\xea", b"\x07\xec", b"\x07\xd0"]),
    st.sampled_from([0, 1, 2, 12, 13, 0xFD, 0xFE, 0xFF]),
    st.sampled_from([0, 1, 28, 29, 30, 31, 32, 0xFC, 0xFD, 0xFE, 0xFF]),
    st.sampled_from([0, 1, 7, 8, 0xFF]),
).map(lambda fields: fields[0] + bytes(fields[1:]))


@settings(max_examples=40)
@given(some_dates, st.dates(stdlib.date(2025, 1, 1), stdlib.date(2029, 1, 1)))
def test_next_day_is_the_first_that_matches(date: bytes, begin: stdlib.date) -> None:
    first = (begin - EPOCH).days
    found = datetime.next_day(date, first)
    assert found == next((day for day in range(first, first + 366 * 8) if datetime.date_matches(date, day)), None)


def test_next_match() -> None:
    monthly = datetime.next_match(bytes.fromhex("ffffff01ff"), bytes(4), seconds("2026-01-01T00:00:00"))
    assert monthly == seconds("2026-02-01T00:00:00")
    hourly = datetime.next_match(ANY * 5, bytes((0xFF, 30, 0xFF, 0xFF)), seconds("2026-01-01T00:30:00"))
    assert hourly == seconds("2026-01-01T01:30:00")
    assert datetime.next_match(bytes.fromhex("07d0ffffff"), bytes(4), seconds("2026-01-01T00:00:00")) is None


def test_occurrence() -> None:
    """The last Sundays of March and October, 01:00."""
    for month, day in ((3, 29), (10, 25)):
        pattern = bytes((0xFF, 0xFF, month, 0xFE, 7, 1, 0, 0, 0, 0x80, 0, 0))
        assert datetime.occurrence(pattern, 2026) == seconds(f"2026-{month:02}-{day}T01:00:00")
    assert datetime.occurrence(bytes.fromhex("07ea0301ff00000000800000"), 2027) is None
    assert datetime.occurrence(bytes.fromhex("fffffdff0700000000800000"), 2026) is None
    assert datetime.occurrence(bytes.fromhex("ffff0dffff00000000800000"), 2026) is None
