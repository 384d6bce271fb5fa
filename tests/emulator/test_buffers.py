"""Profile generic: rows, capacity, and what range and entry selection give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.buffers import Buffer
from emulator.electricity import ElectricityMeter
from emulator.load import MICRO, Constant, household_electricity
from emulator.time import DAY, HOUR, MINUTE, SECOND, Clock
from protocols import obis
from protocols.dlms import axdr, datetime
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import parse_type, plain

START = 1_767_225_600 * SECOND
PERIOD = 1800 * SECOND
LOAD = "1-0:99.1.0"
CLOCK = [8, obis.parse("0-0:1.0.0"), 2, 0]
UTC = [1, obis.parse("0-0:94.44.100"), 2, 0]
IMPORT = [3, obis.parse("1-0:1.29.0"), 2, 0]
COLUMN = "st{u16,oct6,i8,u16}"

Esme = Callable[..., ElectricityMeter]


def by_range(column: list[Any], begin: Any, end: Any, columns: Sequence[Any] = (), kind: str = "oct12") -> bytes:
    text = f"st{{{COLUMN},{kind},{kind},arr {COLUMN}}}"
    return b"\x01" + parse_type(text).encode([column, begin, end, list(columns)])


def by_entry(*numbers: int) -> bytes:
    return b"\x02" + parse_type("st{u32,u32,u16,u16}").encode(list(numbers))


def stamp(ns: int) -> bytes:
    """Local time without deviation and status, as clients send it."""
    return datetime.pack_utc(ns)[:9] + bytes.fromhex("8000FF")


@pytest.fixture
def meter(esme: Esme, clock: Clock) -> ElectricityMeter:
    """A meter with 96 half-hourly rows of 500 Wh and a clock that is right."""
    built = esme(Constant(1000 * MICRO))
    built.device_clock.drift = 0
    clock.advance_to(START + 2 * DAY)
    return built


def test_attributes(meter: ElectricityMeter, hand: Any) -> None:
    reader = hand(meter)
    assert [row[1] for row in reader.rows(LOAD)] == [500] * 96
    assert reader.get(7, LOAD, 3) == [CLOCK, IMPORT, [1, obis.parse("0-0:96.10.1"), 2, 0]]
    assert [reader.get(7, LOAD, index) for index in (4, 5, 6, 7, 8)] == [1800, 1, CLOCK, 96, 19_056]
    assert [reader.get(7, name, 4) for name in ("0-0:98.2.0", "0-0:98.1.0", "0-0:99.98.0")] == [86_400, 0, 0]


def test_a_row_is_captured_at_its_boundary(meter: ElectricityMeter, hand: Any) -> None:
    assert [row[0] for row in hand(meter).rows(LOAD)][:2] == [
        bytes.fromhex("07EA01010400" + "1E0000" + "000000"),
        bytes.fromhex("07EA01010401" + "000000" + "000000"),
    ]


@given(begin=st.integers(-50, 150), length=st.integers(0, 150))
def test_a_range_is_what_lies_in_it(new_esme: Esme, hand: Any, begin: int, length: int) -> None:
    clock = Clock(START)
    meter = new_esme(clock, household_electricity(1, "a"))
    meter.device_clock.drift = 0
    clock.advance_to(START + 2 * DAY)
    low, high = START + begin * 20 * MINUTE, START + (begin + length) * 20 * MINUTE
    reader = hand(meter)
    rows = reader.rows(LOAD)
    expected = [rows[n] for n in range(96) if low <= START + (n + 1) * PERIOD <= high]
    assert reader.get(7, LOAD, 2, by_range(CLOCK, stamp(low), stamp(high))) == expected
    tagged = by_range(CLOCK, stamp(low), stamp(high), kind="date_time")
    assert reader.get(7, LOAD, 2, tagged) == expected
    seconds = [at // SECOND - datetime.days_of(2000, 1, 1) * datetime.DAY for at in (low, high)]
    assert reader.get(7, LOAD, 2, by_range(UTC, *seconds, kind="u32")) == expected
    assert reader.get(7, LOAD, 2, by_range(CLOCK, stamp(low), stamp(high), [IMPORT])) == [[row[1]] for row in expected]


def test_a_bound_left_open_is_as_far_as_can_be(meter: ElectricityMeter, hand: Any) -> None:
    reader, middle = hand(meter), START + DAY
    open_ended = datetime.UNSPECIFIED
    assert len(reader.get(7, LOAD, 2, by_range(CLOCK, open_ended, open_ended))) == 96
    assert len(reader.get(7, LOAD, 2, by_range(CLOCK, stamp(middle), open_ended))) == 49
    assert len(reader.get(7, LOAD, 2, by_range(CLOCK, open_ended, stamp(middle)))) == 48


def test_a_range_in_another_deviation_is_the_same_instant(meter: ElectricityMeter, hand: Any) -> None:
    local = datetime.pack((START + DAY) // SECOND + 3600, 0, -60)
    found = hand(meter).get(7, LOAD, 2, by_range(CLOCK, local, local))
    assert [row[0] for row in found] == [datetime.pack_utc(START + DAY)]


def test_a_range_over_time_that_went_back(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Constant(1000 * MICRO))
    meter.device_clock.drift = 0
    clock.advance_to(START + 4 * HOUR)
    meter.settle()
    meter.set_clock(START + HOUR)
    clock.advance_to(START + 8 * HOUR)
    reader = hand(meter)
    found = reader.get(7, LOAD, 2, by_range(CLOCK, stamp(START + 2 * HOUR), stamp(START + 3 * HOUR)))
    assert len(found) == 6
    assert sum(row[1] for row in reader.rows(LOAD)) == 8000


def test_a_range_of_a_captured_number(meter: ElectricityMeter, hand: Any) -> None:
    meter.set_load(Constant(2000 * MICRO))
    meter.clock.advance_to(START + 3 * DAY)
    found = hand(meter).get(7, LOAD, 2, by_range(IMPORT, 600, 2000, kind="u32"))
    assert [row[1] for row in found] == [1000] * 48


@given(first=st.integers(1, 120), last=st.integers(0, 120), columns=st.tuples(st.integers(0, 4), st.integers(0, 4)))
def test_entries(new_esme: Esme, hand: Any, first: int, last: int, columns: tuple[int, int]) -> None:
    clock = Clock(START)
    meter = new_esme(clock, household_electricity(1, "a"))
    clock.advance_to(START + 2 * DAY + HOUR)
    reader = hand(meter)
    rows = reader.rows(LOAD)
    low, high = max(columns[0], 1), min(columns[1] or 3, 3)
    if (last and last < first) or low > high:
        with pytest.raises(AccessRefused):
            reader.get(7, LOAD, 2, by_entry(first, last, *columns))
        return
    expected = [row[low - 1 : high] for row in rows[first - 1 : last or None]]
    assert reader.get(7, LOAD, 2, by_entry(first, last, *columns)) == expected


@pytest.mark.parametrize(
    ("selection", "result"),
    [
        (by_entry(0, 0, 1, 0), DataAccessResult.OTHER_REASON),
        (b"\x03" + axdr.NULL, DataAccessResult.SCOPE_OF_ACCESS_VIOLATED),
        (b"\x01" + axdr.NULL, DataAccessResult.TYPE_UNMATCHED),
        (b"\x02\x02\x04", DataAccessResult.TYPE_UNMATCHED),
        (b"\x01", DataAccessResult.TYPE_UNMATCHED),
        (by_range([3, obis.parse("1-0:9.9.9"), 2, 0], 0, 1, kind="u32"), DataAccessResult.SCOPE_OF_ACCESS_VIOLATED),
        (by_range(CLOCK, stamp(START), stamp(START), [UTC]), DataAccessResult.SCOPE_OF_ACCESS_VIOLATED),
        (by_range(CLOCK, b"\xff" * 5 + bytes(7), stamp(START)), DataAccessResult.OTHER_REASON),
        (by_range(CLOCK, 5, 6, kind="u8"), DataAccessResult.TYPE_UNMATCHED),
        (by_range(IMPORT, b"a", b"b", kind="oct"), DataAccessResult.TYPE_UNMATCHED),
    ],
)
def test_selections_that_cannot_be(
    meter: ElectricityMeter, hand: Any, selection: bytes, result: DataAccessResult
) -> None:
    with pytest.raises(AccessRefused) as refused:
        hand(meter).get(7, LOAD, 2, selection)
    assert refused.value.result is result


def test_a_full_buffer_forgets_its_oldest_rows(esme: Esme, new_esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(household_electricity(1, "a"))
    meter.device_clock.drift = 0
    clock.advance_to(START + 30 * DAY)
    meter.settle()
    meter.materialise()  # rows are made piece by piece, and in one go with those overwritten passed over
    clock.advance_to(START + 100 * DAY)
    other_clock = Clock(START)
    twin = new_esme(other_clock, household_electricity(1, "a"))
    twin.device_clock.drift = 0
    other_clock.advance_to(START + 100 * DAY)
    reader = hand(meter)
    rows = reader.rows("1-0:99.14.0")
    assert len(rows) == 4320 == reader.get(7, "1-0:99.14.0", 7)
    assert rows[0][0] == datetime.pack_utc(START + 10 * DAY + PERIOD)
    assert rows == hand(twin).rows("1-0:99.14.0")
    picked = by_range(CLOCK, stamp(START + 50 * DAY), stamp(START + 51 * DAY))
    assert reader.get(7, "1-0:99.14.0", 2, picked) == rows[40 * 48 - 1 : 41 * 48]
    assert reader.get(7, "1-0:99.14.0", 2, by_entry(4320, 0, 1, 1)) == [[datetime.pack_utc(START + 100 * DAY)]]


def test_reset_and_capture(meter: ElectricityMeter, hand: Any) -> None:
    keeper = hand(meter)
    keeper.act(7, LOAD, 1)
    assert keeper.rows(LOAD) == []
    keeper.act(7, LOAD, 2)
    assert len(keeper.rows(LOAD)) == 1
    meter.clock.advance_to(START + 2 * DAY + HOUR)
    assert len(keeper.rows(LOAD)) == 3


def test_a_buffer_that_captures_when_it_is_read(meter: ElectricityMeter, hand: Any) -> None:
    reader = hand(meter)
    first = reader.rows("0-0:21.0.6")
    meter.clock.advance_to(meter.clock.now + MINUTE)
    second = reader.rows("0-0:21.0.6")
    assert len(first) == len(second) == 1
    assert first[0][0] != second[0][0]
    assert second[0][1] == 1000


@pytest.mark.parametrize("method", [1, 2])
def test_rows_of_different_size_in_either_order(esme: Esme, clock: Clock, hand: Any, method: int) -> None:
    """A log whose rows hold a message of any length; sort method 1 gives the oldest first, 2 the newest."""
    meter = esme()
    standard = meter.buffer("standard")
    columns = ((8, obis.parse("0-0:1.0.0"), 2, 0), (1, obis.parse("0-0:96.13.0"), 2, 0))
    log = Buffer(meter, replace(standard.spec, columns=columns, capacity=3, sort_method=method))
    keeper = hand(meter)
    for text in (b"two", b"one", b"a third", b"four", b"the fifth of them"):
        clock.advance_to(clock.now + MINUTE)
        keeper.set(1, "0-0:96.13.0", 2, "oct", text)
        log.append()
    order = slice(None, None, 1 if method == 1 else -1)
    held = [b"a third", b"four", b"the fifth of them"][order]
    assert [row[1] for row in plain(axdr.decode_all(log.encoded()))] == held
    selected = log.selected(2, axdr.decode_all(by_entry(2, 0, 2, 2)[1:]))
    assert plain(axdr.decode_all(selected)) == [[text] for text in held[1:]]
    everything = by_range(CLOCK, datetime.UNSPECIFIED, datetime.UNSPECIFIED)[1:]
    assert log.selected(1, axdr.decode_all(everything)) == log.encoded()


def test_data_index_picks_an_element(esme: Esme) -> None:
    meter = esme()
    buffer = meter.buffer("standard")
    columns = ((3, obis.parse("1-0:1.8.0"), 3, 2),)
    log = Buffer(meter, replace(buffer.spec, columns=columns))
    log.append()
    assert list(log.rows()) == [axdr.structure(axdr.enum_(30))]
