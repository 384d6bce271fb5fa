"""GB extended data (class 9000): what is set, what takes over and when, and what goes with it."""

from __future__ import annotations

import pytest

from emulator.electricity import ElectricityMeter
from emulator.time import DAY, HOUR, SECOND, Clock
from protocols import obis
from protocols.dlms import datetime
from protocols.dlms.enums import DataAccessResult

from ..conftest import START, Hand, account_of, build_esme, refused, wait

LOW_CREDIT, CURRENCY, MATRIX, DAYS = "0-0:94.44.128.9", "0-0:94.44.2.0", "0-0:63.1.1", "0-0:94.44.128.29"
NOW = bytes.fromhex("0000000000000000008000FF")


@pytest.fixture
def meter(clock: Clock) -> ElectricityMeter:
    made = build_esme(clock)
    made.device_clock.drift = 0
    wait(made)
    return made


def test_a_value_that_is_set_counts_at_once(meter: ElectricityMeter) -> None:
    Hand(meter).set(9000, LOW_CREDIT, 2, "i32", 77)
    assert account_of(meter).limit("low_credit") == 77
    assert Hand(meter).get(9000, LOW_CREDIT, 4) == 200_000


def test_a_passive_value_takes_over_with_its_scaler_on_its_date(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    hand.set(9000, LOW_CREDIT, 4, "i32", 55)
    hand.set(9000, LOW_CREDIT, 5, "st{i8,enum}", [-3, 10])
    hand.set(9000, LOW_CREDIT, 6, "oct12", datetime.pack_utc(START + HOUR))
    assert hand.get(9000, LOW_CREDIT, 6)[:9] == datetime.pack_utc(START + HOUR)[:9]
    wait(meter, HOUR - 2 * SECOND)
    assert (hand.get(9000, LOW_CREDIT), hand.get(9000, LOW_CREDIT, 3)) == (200_000, [-5, 10])
    wait(meter, 2 * SECOND)
    assert (hand.get(9000, LOW_CREDIT), hand.get(9000, LOW_CREDIT, 3)) == (55, [-3, 10])


@pytest.mark.parametrize("later", [datetime.UNSPECIFIED, datetime.pack_utc(START + 40 * DAY)])
def test_a_date_is_cancelled_or_put_off(meter: ElectricityMeter, later: bytes) -> None:
    hand = Hand(meter)
    hand.set(9000, LOW_CREDIT, 4, "i32", 55)
    hand.set(9000, LOW_CREDIT, 6, "oct12", datetime.pack_utc(START + HOUR))
    hand.set(9000, LOW_CREDIT, 6, "oct12", later)
    wait(meter, DAY)
    assert hand.get(9000, LOW_CREDIT) == 200_000


def test_methods_activate_and_reset(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    hand.set(9000, LOW_CREDIT, 4, "i32", 55)
    hand.set(9000, LOW_CREDIT, 5, "st{i8,enum}", [-3, 10])
    hand.act(9000, LOW_CREDIT, 2)
    assert account_of(meter).limit("low_credit") == 55
    hand.act(9000, LOW_CREDIT, 1)
    assert account_of(meter).limit("low_credit") == 200_000
    assert hand.get(9000, LOW_CREDIT, 3) == [-5, 10]


def test_a_value_keeps_its_type(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    for index in (2, 4):
        assert refused(lambda: hand.set(9000, LOW_CREDIT, index, "u32", 1)) is DataAccessResult.TYPE_UNMATCHED  # noqa: B023
        assert refused(lambda: hand.set(9000, CURRENCY, index, "i32", 1)) is DataAccessResult.TYPE_UNMATCHED  # noqa: B023
        hand.set(9000, CURRENCY, index, "bool", False)
    bad = bytes.fromhex("07EAFF01FF000000008000FF")
    assert refused(lambda: hand.set(9000, LOW_CREDIT, 6, "oct12", bad)) is DataAccessResult.OTHER_REASON
    assert hand.get(9000, LOW_CREDIT, 6) == datetime.UNSPECIFIED


def test_what_goes_with_a_value_takes_over_with_it(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    hand.set(21, "0-0:16.1.12", 2, "arr u32", [1234])
    hand.set(11, "0-1:11.0.0", 2, "arr st{u16,oct5,u8}", [[1, b"\x07\xea\x01\x02\xff", 2]])
    assert hand.get(21, "0-0:16.0.12") == hand.get(11, "0-0:11.0.0") == []
    hand.act(9000, MATRIX, 2)
    assert (hand.get(21, "0-0:16.0.12"), hand.get(11, "0-0:11.0.0")) == ([1234], [])
    hand.set(9000, DAYS, 6, "oct12", NOW)
    wait(meter)
    assert hand.get(11, "0-0:11.0.0") == [[1, b"\x07\xea\x01\x02\xff", 2]]


def test_only_the_tariffs_own_special_days_bear_on_the_tariff(meter: ElectricityMeter) -> None:
    """Day profile 2 of the base's calendar has one rate all day; on an ordinary weekday rate 2 begins at seven."""
    hand = Hand(meter)
    for name in ("0-1:11.0.0", "0-0:11.0.2", "0-1:11.0.2"):
        hand.set(11, name, 2, "arr st{u16,oct5,u8}", [[1, b"\x07\xea\x01\x01\xff", 2]])
    wait(meter, 8 * HOUR)
    assert hand.get(6, "0-0:14.0.1", 4) == b"R2"
    hand.set(11, "0-0:11.0.0", 2, "arr st{u16,oct5,u8}", [[1, b"\x07\xea\x01\x02\xff", 2]])
    wait(meter, DAY)
    assert hand.get(6, "0-0:14.0.1", 4) == b"R1"


def test_the_schedule_of_friendly_hours_runs_no_scripts(meter: ElectricityMeter) -> None:
    """One that would open the supply is a mark and no more; in the schedule proper it opens it."""
    hand = Hand(meter)
    always = b"\xff" * 5
    entry = [1, True, obis.parse("0-0:10.0.106"), 52, bytes((2, 0, 0, 0)), 0xFFFF, "1111111", "", always, always]
    text = "arr st{u16,bool,oct6,u16,oct4,u16,bits,bits,oct5,oct5}"
    for name in ("0-0:12.0.1", "0-1:12.0.1"):
        hand.set(10, name, 2, text, [entry])
    wait(meter, DAY)
    assert meter.switch.closed
    hand.set(10, "0-0:12.0.0", 2, text, [entry])
    wait(meter, DAY)
    assert not meter.switch.closed
