"""The device's own clock: drift, setting and adjusting (class 8), daylight saving, reserve."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.device_clock import DeviceClock
from emulator.electricity import ElectricityMeter
from emulator.firmware import ClockSettings
from emulator.time import DAY, HOUR, MINUTE, SECOND, Clock
from protocols.dlms.datetime import pack_utc
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused

START = 1_767_225_600 * SECOND
CLOCK = "0-0:1.0.0"
LONDON = ClockSettings(
    0, 0, bytes.fromhex("FFFF03FE0701000000000000"), bytes.fromhex("FFFF0AFE0701000000000080"), 60, True, 0
)
BERLIN = ClockSettings(
    0, -60, bytes.fromhex("FFFF03FE070200000080 00FF"), bytes.fromhex("FFFF0AFE07030000008000FF"), 60, True, 0
)
SOUTHERN = ClockSettings(
    0, -600, bytes.fromhex("FFFF09FE07020000008000FF"), bytes.fromhex("FFFF03FE07030000008000FF"), 60, True, 0
)

Esme = Callable[..., ElectricityMeter]


@given(st.integers(-500_000, 500_000), st.integers(-400 * DAY, 400 * DAY), st.integers(0, 400 * DAY))
def test_drift_and_its_inverse(drift: int, utc_offset: int, later: int) -> None:
    clock = DeviceClock(LONDON, drift, START)
    clock.set(START, START + utc_offset)
    assert clock.utc(START) == START + utc_offset
    utc = START + utc_offset + later
    rig = clock.rig(utc)
    assert clock.utc(rig) >= utc > clock.utc(rig - 1)
    assert abs(clock.utc(START + later) - (START + utc_offset + later + later * drift // 10**9)) <= 1
    assert clock.utc(START - later) == START + utc_offset - later


@pytest.mark.parametrize(("settings", "zone"), [(LONDON, "Europe/London"), (BERLIN, "Europe/Berlin")])
def test_daylight_saving_is_that_of_the_zone(settings: ClockSettings, zone: str) -> None:
    clock = DeviceClock(settings, 0, START)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for hour in range(24 * 365 * 2):
        moment = at + timedelta(hours=hour)
        local = moment.astimezone(ZoneInfo(zone))
        seconds = int(moment.timestamp())
        offset = local.utcoffset()
        assert offset is not None
        assert clock.deviation(seconds) * 60 == -offset.total_seconds()
        assert clock.daylight_saving(seconds) == bool(local.dst())
        wall = seconds + int(offset.total_seconds())
        if local.fold == 0:
            assert clock.utc_of_local(wall) == seconds * SECOND


def test_time_attribute(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme()
    meter.device_clock.drift = 0
    keeper = hand(meter)
    assert keeper.get(8, CLOCK) == pack_utc(START)
    given_time = datetime_octets("07EA0101FF0C2238FF8000FF")
    keeper.set(8, CLOCK, 2, "oct12", given_time)
    noon = START + 12 * HOUR + 34 * MINUTE + 56 * SECOND
    assert keeper.get(8, CLOCK) == pack_utc(noon)
    assert keeper.get(1, "0-0:96.2.12") == pack_utc(noon)
    assert [row[1] for row in keeper.rows("0-0:99.98.30")] == [4]
    clock.advance_to(START + HOUR)
    assert keeper.get(8, CLOCK)[:8] == pack_utc(noon + HOUR)[:8]
    for wrong in ("FFFFFFFFFFFFFFFFFF8000FF", "07EA0D01FF000000008000FF", "07EA021EFF000000008000FF"):
        with pytest.raises(AccessRefused):
            keeper.set(8, CLOCK, 2, "oct12", datetime_octets(wrong))


def datetime_octets(text: str) -> bytes:
    return bytes.fromhex(text)


@pytest.mark.parametrize(
    ("method", "after", "expected"),
    [
        (1, 7 * MINUTE + 29 * SECOND, 0),
        (1, 7 * MINUTE + 30 * SECOND, 15 * MINUTE),
        (2, 14 * MINUTE, 0),
        (2, 16 * MINUTE, 30 * MINUTE),
        (3, 29 * SECOND, 0),
        (3, 31 * SECOND, MINUTE),
    ],
)
def test_adjusting_methods(esme: Esme, clock: Clock, hand: Any, method: int, after: int, expected: int) -> None:
    meter = esme()
    meter.device_clock.drift = 0
    keeper = hand(meter)
    clock.advance_to(START + after)
    keeper.act(8, CLOCK, method)
    assert keeper.get(8, CLOCK) == pack_utc(START + expected)


def test_shift_time(esme: Esme, hand: Any) -> None:
    keeper = hand(esme())
    for seconds, total in ((900, 900), (-900, 0), (7, 7)):
        keeper.act(8, CLOCK, 6, "i16", seconds)
        assert keeper.get(8, CLOCK) == pack_utc(START + total * SECOND)
    for seconds in (901, -901):
        with pytest.raises(AccessRefused) as refused:
            keeper.act(8, CLOCK, 6, "i16", seconds)
        assert refused.value.result is DataAccessResult.OTHER_REASON


def test_preset_time(esme: Esme, clock: Clock, hand: Any) -> None:
    keeper = hand(esme())
    with pytest.raises(AccessRefused):
        keeper.act(8, CLOCK, 4)
    preset = [pack_utc(START + 9 * HOUR), pack_utc(START + HOUR), pack_utc(START + 2 * HOUR)]
    keeper.act(8, CLOCK, 5, "st{oct12,oct12,oct12}", preset)
    with pytest.raises(AccessRefused):
        keeper.act(8, CLOCK, 4)
    clock.advance_to(START + 90 * MINUTE)
    keeper.act(8, CLOCK, 4)
    assert keeper.get(8, CLOCK) == pack_utc(START + 9 * HOUR)
    with pytest.raises(AccessRefused):
        keeper.act(8, CLOCK, 4)


def test_zone_and_daylight_saving_can_be_set(esme: Esme, clock: Clock, hand: Any) -> None:
    clock.advance_to(START + 181 * DAY)  # the first of July
    meter = esme()
    keeper = hand(meter)
    keeper.set(8, CLOCK, 8, "bool", True)
    assert keeper.get(8, CLOCK) == bytes.fromhex("07EA070103" + "01000000" + "FFC4" + "80")
    assert keeper.get(8, CLOCK, 4) == 0x80
    keeper.set(8, CLOCK, 3, "i16", -60)
    assert keeper.get(8, CLOCK) == bytes.fromhex("07EA070103" + "02000000" + "FF88" + "80")
    keeper.set(8, CLOCK, 7, "i8", 30)
    assert keeper.get(8, CLOCK)[5:11] == bytes.fromhex("011E0000" + "FFA6")
    keeper.set(8, CLOCK, 5, "oct12", bytes.fromhex("FFFF0801FF00000000800000"))
    assert keeper.get(8, CLOCK, 4) == 0
    assert [keeper.get(8, CLOCK, index) for index in (3, 7, 8, 9)] == [-60, 30, True, 1]
    for index, type_text, value in ((3, "i16", 841), (7, "i8", 121)):
        with pytest.raises(AccessRefused):
            keeper.set(8, CLOCK, index, type_text, value)


def test_a_day_of_daylight_saving_has_its_hours(esme: Esme, clock: Clock, hand: Any) -> None:
    """The last Sunday of March has 46 half hours and a day row at local midnight."""
    meter = esme()
    meter.device_clock.drift = 0
    keeper = hand(meter)
    keeper.set(8, CLOCK, 8, "bool", True)
    clock.advance_to(START + 88 * DAY)  # Monday, the 30th
    rows = keeper.rows("0-0:98.2.0")
    assert [row[0][3:7] for row in rows[-2:]] == [bytes((29, 7, 0, 0)), bytes((30, 1, 0, 0))]
    assert rows[-1][0][9:] == bytes.fromhex("FFC480")
    day = [row for row in keeper.rows("1-0:99.1.0") if row[0][:4] == bytes.fromhex("07EA031D")]
    assert len(day) == 46
    assert [row[2] for row in day[:5]] == [0, 0, 8, 8, 8]


def test_a_southern_summer_spans_the_new_year() -> None:
    clock = DeviceClock(SOUTHERN, 0, START)
    assert clock.daylight_saving(START // SECOND)
    assert not clock.daylight_saving((START + 181 * DAY) // SECOND)
    assert clock.daylight_saving((START + 300 * DAY) // SECOND)


def test_reserve(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme()
    meter.device_clock.drift = 0
    reserve = meter.firmware.clock.reserve
    keeper = hand(meter)
    meter.power_off()
    clock.advance_to(START + reserve)
    meter.power_on()
    assert keeper.get(8, CLOCK) == pack_utc(START + reserve)
    meter.power_off()
    clock.advance_to(START + 3 * reserve)
    meter.power_on()
    shown = keeper.get(8, CLOCK)
    assert shown[:8] == pack_utc(START + 2 * reserve)[:8]
    assert shown[11] == 0x01 == keeper.get(8, CLOCK, 4)
    keeper.set(8, CLOCK, 2, "oct12", pack_utc(clock.now))
    assert keeper.get(8, CLOCK) == pack_utc(clock.now)
    codes = [row[1] for row in keeper.rows("0-0:99.98.0")]
    assert codes == [1, 2, 1, 2, 6, 4]
