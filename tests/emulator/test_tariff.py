"""What switches by itself: activity calendar, special days, register activation, schedules, scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulator.electricity import ElectricityMeter
from emulator.load import MICRO, Constant
from emulator.time import DAY, HOUR, MINUTE, SECOND, Clock
from protocols import obis
from protocols.dlms.datetime import pack_utc
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import parse_type

START = 1_767_225_600 * SECOND  # a Thursday
CALENDAR, SPECIAL, ACTIVATION, SCRIPTS = "0-0:13.0.0", "0-0:11.0.0", "0-0:14.0.1", "0-0:10.0.100"
SCHEDULE, SINGLE, BILLING = "0-0:12.0.0", "0-0:15.0.0", "0-0:10.0.1"
TARIFF_SCRIPTS = obis.parse(SCRIPTS)
DAY_PROFILES = "arr st{u8,arr st{oct4,oct6,u16}}"
SEASONS, WEEKS = "arr st{oct,oct12,oct}", "arr st{oct,u8,u8,u8,u8,u8,u8,u8}"
ENTRY = "st{u16,bool,oct6,u16,oct4,u16,bits,bits,oct5,oct5}"
ENTRIES = f"arr {ENTRY}"
ANY_DAY, ALWAYS = "1111111", b"\xff" * 5

Esme = Callable[..., ElectricityMeter]


@pytest.fixture
def meter(esme: Esme) -> ElectricityMeter:
    """1 kW, and a clock that is right."""
    built = esme(Constant(1000 * MICRO))
    built.device_clock.drift = 0
    return built


def rates(reader: Any) -> list[int]:
    """The tariff registers in Wh."""
    return [reader.get(3, f"1-0:1.8.{rate}") for rate in range(1, 9)]


def at(time: str, selector: int) -> list[Any]:
    return [bytes.fromhex(time), TARIFF_SCRIPTS, selector]


def test_the_calendar_of_the_profile(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    """Rate 2 from 7:00 on working days, rate 1 at night and at the weekend."""
    reader = hand(meter)
    clock.advance_to(START + 8 * HOUR)
    assert rates(reader)[:2] == [7000, 1000]
    assert reader.get(6, ACTIVATION, 4) == b"R2"
    clock.advance_to(START + 7 * DAY)
    assert rates(reader) == [(5 * 7 + 2 * 24) * 1000, 5 * 17 * 1000, 0, 0, 0, 0, 0, 0]
    assert reader.get(3, "1-0:1.8.0") == 7 * 24_000


def test_a_special_day_goes_before_the_week(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    keeper = hand(meter)
    keeper.act(11, SPECIAL, 1, "st{u16,oct5,u8}", [1, bytes.fromhex("07EA0102FF"), 2])
    clock.advance_to(START + 2 * DAY)
    assert rates(keeper)[:2] == [31_000, 17_000]
    keeper.act(11, SPECIAL, 2, "u16", 1)
    assert keeper.get(11, SPECIAL) == []
    with pytest.raises(AccessRefused):
        keeper.act(11, SPECIAL, 2, "u16", 1)


def test_a_new_calendar_is_followed_at_once(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    keeper = hand(meter)
    clock.advance_to(START + 12 * HOUR)
    keeper.set(20, CALENDAR, 5, DAY_PROFILES, [[1, [at("00000000", 3), at("0D000000", 4)]], [2, []]])
    clock.advance_to(START + 14 * HOUR)
    assert rates(keeper)[:4] == [7000, 5000, 1000, 1000]


def test_seasons(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    keeper = hand(meter)
    keeper.set(20, CALENDAR, 5, DAY_PROFILES, [[1, [at("00000000", 1)]], [2, [at("00000000", 2)]]])
    keeper.set(20, CALENDAR, 4, WEEKS, [[b"W", *[1] * 7], [b"V", *[2] * 7]])
    winter = [b"winter", bytes.fromhex("FFFF0A01FF000000000000FF"), b"W"]
    summer = [b"summer", bytes.fromhex("FFFF0201FF000000000000FF"), b"V"]
    keeper.set(20, CALENDAR, 3, SEASONS, [winter, summer])
    clock.advance_to(START + 41 * DAY)
    assert rates(keeper)[:2] == [31 * 24_000, 10 * 24_000]


def test_a_season_of_one_year_holds_until_another_begins(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    keeper = hand(meter)
    keeper.set(20, CALENDAR, 5, DAY_PROFILES, [[1, [at("00000000", 1)]], [2, [at("00000000", 2)]]])
    keeper.set(20, CALENDAR, 4, WEEKS, [[b"W", *[1] * 7], [b"V", *[2] * 7]])
    years_ago = [b"long", bytes.fromhex("07DF0301FF000000000000FF"), b"W"]
    before = [b"longer", bytes.fromhex("07DE0A01FF000000000000FF"), b"V"]
    coming = [b"coming", bytes.fromhex("07EA0111FF000000000000FF"), b"V"]
    keeper.set(20, CALENDAR, 3, SEASONS, [years_ago, before, coming])
    clock.advance_to(START + 20 * DAY)
    assert rates(keeper)[:2] == [16 * 24_000, 4 * 24_000]


def test_the_passive_calendar_takes_over_at_once(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    keeper = hand(meter)
    keeper.set(20, CALENDAR, 6, "oct", b"NEXT")
    keeper.set(20, CALENDAR, 10, "oct12", bytes.fromhex("0000000000000000008000FF"))
    assert keeper.get(20, CALENDAR, 2) == b"NEXT"
    assert [row[1] for row in keeper.rows("0-0:99.98.31")] == [10]


def test_the_passive_calendar_takes_over_at_its_time(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    keeper = hand(meter)
    keeper.set(20, CALENDAR, 6, "oct", b"NEXT")
    keeper.set(20, CALENDAR, 7, SEASONS, [[b"S", bytes.fromhex("FFFF0101FF000000000000FF"), b"W"]])
    keeper.set(20, CALENDAR, 8, WEEKS, [[b"W", *[1] * 7]])
    keeper.set(20, CALENDAR, 9, DAY_PROFILES, [[1, [at("00000000", 8)]]])
    keeper.set(20, CALENDAR, 10, "oct12", bytes.fromhex("07EA0102FF09000000800000"))
    assert keeper.get(20, CALENDAR, 2) == b"BASE01"
    clock.advance_to(START + DAY + 10 * HOUR)
    assert keeper.get(20, CALENDAR, 2) == b"NEXT"
    assert rates(keeper) == [14_000, 19_000, 0, 0, 0, 0, 0, 1000]
    assert [row[1] for row in keeper.rows("0-0:99.98.31")] == [10]
    assert keeper.rows("0-0:99.98.31")[0][0] == pack_utc(START + DAY + 9 * HOUR)


def test_the_passive_calendar_can_be_activated_by_hand(meter: ElectricityMeter, hand: Any) -> None:
    keeper = hand(meter)
    keeper.set(20, CALENDAR, 6, "oct", b"NOW")
    keeper.act(20, CALENDAR, 1)
    assert keeper.get(20, CALENDAR, 2) == b"NOW"


def test_a_mask_chosen_by_hand_holds_until_the_next_switching(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    keeper = hand(meter)
    clock.advance_to(START + HOUR)
    keeper.set(6, ACTIVATION, 4, "oct", b"R5")
    clock.advance_to(START + 8 * HOUR)
    assert rates(keeper) == [1000, 1000, 0, 0, 6000, 0, 0, 0]
    with pytest.raises(AccessRefused) as refused:
        keeper.set(6, ACTIVATION, 4, "oct", b"R9")
    assert refused.value.result is DataAccessResult.OTHER_REASON


def test_masks_and_registers_can_be_added(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    keeper = hand(meter)
    keeper.act(6, ACTIVATION, 2, "st{oct,arr u8}", [b"both", [0, 7, 200]])
    keeper.set(6, ACTIVATION, 4, "oct", b"both")
    clock.advance_to(START + HOUR)
    assert rates(keeper) == [1000, 0, 0, 0, 0, 0, 0, 1000]
    keeper.act(6, ACTIVATION, 3, "oct", b"both")
    assert [b"both"] not in [mask[:1] for mask in keeper.get(6, ACTIVATION, 3)]
    with pytest.raises(AccessRefused):
        keeper.act(6, ACTIVATION, 1, "st{u16,oct6}", [3, obis.parse("1-0:1.8.1")])


def test_the_clock_decides_what_is_in_force(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    keeper = hand(meter)
    clock.advance_to(START + HOUR)
    keeper.set(8, "0-0:1.0.0", 2, "oct12", pack_utc(START + 12 * HOUR))
    clock.advance_to(START + 2 * HOUR)
    assert rates(keeper)[:2] == [1000, 1000]
    keeper.set(8, "0-0:1.0.0", 2, "oct12", pack_utc(START + 6 * HOUR + 30 * MINUTE))
    clock.advance_to(START + 3 * HOUR)
    assert rates(keeper)[:2] == [1500, 1500]


def test_a_single_action_runs_its_script_each_time(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    """Every day at 6:00 a billing row, whether anyone looks or not."""
    keeper = hand(meter)
    keeper.set(22, SINGLE, 4, "arr st{oct4,oct5}", [[bytes.fromhex("06000000"), ALWAYS]])
    clock.advance_to(START + 3 * DAY)
    rows = keeper.rows("0-0:98.1.0")
    assert [row[0] for row in rows] == [pack_utc(START + n * DAY + 6 * HOUR) for n in range(3)]
    assert [row[1] for row in rows] == [6000, 30_000, 54_000]


def test_a_single_action_of_one_day(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    keeper = hand(meter)
    keeper.set(22, SINGLE, 4, "arr st{oct4,oct5}", [[bytes.fromhex("06000000"), bytes.fromhex("07EA0102FF")]])
    clock.advance_to(START + 9 * DAY)
    assert [row[1] for row in keeper.rows("0-0:98.1.0")] == [30_000]


def entry(number: int, time: str, window: int = 0xFFFF, days: str = ANY_DAY, enabled: bool = True) -> list[Any]:
    table = obis.parse("0-0:10.0.106")
    return [number, enabled, table, number, bytes.fromhex(time), window, days, "", ALWAYS, ALWAYS]


def test_a_schedule_switches_the_supply(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    """Off at 1:00 and on at 3:00, on Thursdays and Fridays; control mode 3 arms the switch only."""
    meter.switch.mode = 4  # a remote reconnection closes the switch
    keeper = hand(meter)
    keeper.act(10, SCHEDULE, 2, ENTRY, entry(1, "01000000", days="0001100"))
    keeper.act(10, SCHEDULE, 2, ENTRY, entry(2, "03000000", days="0001100"))
    clock.advance_to(START + 2 * HOUR)
    assert keeper.get(70, "0-0:96.3.10", 2) is False
    clock.advance_to(START + 4 * DAY)
    assert keeper.get(3, "1-0:1.8.0") == 92_000
    assert [row[1] for row in keeper.rows("0-0:99.98.2")] == [61, 62, 61, 62]
    keeper.act(10, SCHEDULE, 1, "st{u16,u16,u16,u16}", [1, 1, 0, 0])
    assert [item[1] for item in keeper.get(10, SCHEDULE)] == [False, True]
    keeper.act(10, SCHEDULE, 3, "st{u16,u16}", [1, 9])
    assert keeper.get(10, SCHEDULE) == []


def test_an_entry_with_a_wildcard_hour_repeats(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    keeper = hand(meter)
    billing = [1, True, obis.parse(BILLING), 1, bytes.fromhex("FF1E0000"), 0, "1000000", "", ALWAYS, ALWAYS]
    keeper.act(10, SCHEDULE, 2, ENTRY, billing)
    clock.advance_to(START + 9 * DAY)  # from a Thursday on, over one Monday
    rows = keeper.rows("0-0:98.1.0")
    assert [row[0] for row in rows] == [pack_utc(START + 4 * DAY + n * HOUR + 30 * MINUTE) for n in range(24)][
        -len(rows) :
    ]
    assert len(rows) > 12


@pytest.mark.parametrize("time", ["FF000000", "06FF0000", "0600FF00", "18000000", "063C0000", "06003C00", "FFFFFFFF"])
def test_wildcards_of_a_single_action_are_in_its_date(meter: ElectricityMeter, hand: Any, time: str) -> None:
    keeper = hand(meter)
    kept = [[bytes.fromhex("060000FF"), ALWAYS]]
    keeper.set(22, SINGLE, 4, "arr st{oct4,oct5}", kept)
    with pytest.raises(AccessRefused) as refused:
        keeper.set(22, SINGLE, 4, "arr st{oct4,oct5}", [*kept, [bytes.fromhex(time), ALWAYS]])
    assert refused.value.result is DataAccessResult.OTHER_REASON
    assert keeper.get(22, SINGLE, 4) == kept


@pytest.mark.parametrize("time", ["06FF0000", "0600FF00", "FFFF0000", "18000000"])
def test_entries_that_repeat_within_the_hour_are_refused(meter: ElectricityMeter, hand: Any, time: str) -> None:
    keeper = hand(meter)
    for put in (
        lambda: keeper.act(10, SCHEDULE, 2, ENTRY, entry(1, time)),
        lambda: keeper.set(10, SCHEDULE, 2, ENTRIES, [entry(1, time)]),
    ):
        with pytest.raises(AccessRefused) as refused:
            put()
        assert refused.value.result is DataAccessResult.OTHER_REASON
    assert keeper.get(10, SCHEDULE) == []


@pytest.mark.timeout(30)
def test_full_tables_cost_little_however_far_time_goes(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    """Three months of everything that may be scheduled, most of it never due, some each day."""
    keeper = hand(meter)
    never = bytes.fromhex("FFFF021EFF")
    keeper.set(11, SPECIAL, 2, "arr st{u16,oct5,u8}", [[n, never, 1] for n in range(255)])
    times = [[bytes((n % 24, 0, 0, 0)), ALWAYS if n < 24 else never] for n in range(32)]
    keeper.set(22, SINGLE, 4, "arr st{oct4,oct5}", times)
    rare = [
        [n, True, obis.parse(BILLING), 2, bytes((1, n, 0, 0)), 0xFFFF, "0000000", "1", ALWAYS, ALWAYS]
        for n in range(60)
    ]
    keeper.set(10, SCHEDULE, 2, ENTRIES, [*rare, entry(60, "FF1E0000"), entry(61, "01000000")])
    clock.advance_to(START + 45 * DAY)
    meter.power_off()
    clock.advance_to(START + 90 * DAY)
    meter.power_on()
    assert keeper.get(22, SINGLE, 4) == times


@pytest.mark.parametrize(("window", "made_up"), [(0xFFFF, True), (90, True), (30, False)])
def test_what_was_missed_without_power_is_made_up_within_its_window(
    meter: ElectricityMeter, clock: Clock, hand: Any, window: int, made_up: bool
) -> None:
    keeper = hand(meter)
    keeper.act(10, SCHEDULE, 2, ENTRY, entry(1, "01000000", window))
    meter.power_off()
    clock.advance_to(START + 2 * HOUR)
    meter.power_on()
    assert keeper.get(70, "0-0:96.3.10", 2) is not made_up


def test_scripts_that_call_themselves_come_to_an_end(meter: ElectricityMeter, hand: Any) -> None:
    keeper = hand(meter)
    call = [2, 9, obis.parse(BILLING), 1, {"u16": 1}]
    keeper.set(9, BILLING, 2, "arr st{u16,arr st{enum,u16,oct6,i8,any}}", [[1, [call] * 4]])
    with pytest.raises(AccessRefused) as refused:
        keeper.act(9, BILLING, 1, "u16", 1)
    assert refused.value.result is DataAccessResult.OTHER_REASON
    with pytest.raises(AccessRefused) as refused:
        keeper.act(9, BILLING, 1, "u16", 2)
    assert refused.value.result is DataAccessResult.OBJECT_UNDEFINED


def test_a_script_writes_and_runs(meter: ElectricityMeter, hand: Any) -> None:
    keeper = hand(meter)
    write = [1, 1, obis.parse("0-0:96.13.0"), 2, {"oct": "hello"}]
    run = [2, 70, obis.parse("0-0:96.3.10"), 1, {"i8": 0}]
    keeper.set(9, BILLING, 2, "arr st{u16,arr st{enum,u16,oct6,i8,any}}", [[7, [write, run]]])
    keeper.act(9, BILLING, 1, "u16", 7)
    assert keeper.get(1, "0-0:96.13.0") == b"hello"
    assert keeper.get(70, "0-0:96.3.10", 3) == 0
    with pytest.raises(AccessRefused):
        keeper.set(9, BILLING, 2, "arr st{u16,arr st{enum,u16,oct6,i8,any}}", [[7, [[9, *write[1:]]]]])


def test_a_tariff_script_that_does_more_than_choose_a_mask(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    keeper = hand(meter)
    open_switch = [2, 70, obis.parse("0-0:96.3.10"), 1, {"i8": 0}]
    keeper.set(9, SCRIPTS, 2, "arr st{u16,arr st{enum,u16,oct6,i8,any}}", [[1, [open_switch]]])
    clock.advance_to(START + DAY + HOUR)
    assert keeper.get(70, "0-0:96.3.10", 2) is False
    assert keeper.get(3, "1-0:1.8.0") == 24_000


def test_a_calendar_of_nonsense_switches_nothing(meter: ElectricityMeter, clock: Clock, hand: Any) -> None:
    keeper = hand(meter)
    keeper.set(20, CALENDAR, 5, DAY_PROFILES, [[1, [[b"\x63\x63\x00\x00", bytes(6), 9]]]])
    keeper.set(20, CALENDAR, 3, SEASONS, [[b"", b"\xfe" * 12, b"none"]])
    keeper.set(11, SPECIAL, 2, "arr st{u16,oct5,u8}", [[1, b"\xfd" * 5, 9]])
    clock.advance_to(START + 40 * DAY)
    assert keeper.get(3, "1-0:1.8.0") == 960_000
    assert sum(rates(keeper)) == 960_000


def test_switching_far_ahead_is_found_without_walking_there(meter: ElectricityMeter, hand: Any) -> None:
    keeper = hand(meter)
    times = parse_type("arr st{oct4,oct5}").encode([[bytes.fromhex("06000000"), bytes.fromhex("07EF0102FF")]])
    meter.values[b"\x00\x16" + obis.parse(SINGLE) + b"\x04"] = times
    meter.changed()
    assert keeper.get(3, "1-0:1.8.0") == 0


@pytest.mark.parametrize("zone", [0, -60])
def test_switching_through_the_days_of_daylight_saving(new_esme: Esme, hand: Any, zone: int) -> None:
    """Rates change every half hour of the night; registers read as time goes are those of the day's rows."""

    def prepared() -> ElectricityMeter:
        built = new_esme(Clock(START), Constant(1000 * MICRO))
        built.device_clock.drift = 0
        keeper = hand(built)
        keeper.set(8, "0-0:1.0.0", 8, "bool", True)
        keeper.set(8, "0-0:1.0.0", 3, "i16", zone)
        night = [at(f"{half // 2:02X}{half % 2 * 30:02X}0000", 1 + half % 4) for half in range(8)]
        keeper.set(20, CALENDAR, 5, DAY_PROFILES, [[1, night], [2, night]])
        return built

    watched, left_alone = prepared(), prepared()
    seen: list[list[int]] = []
    shown = watched.device_clock
    for day in range(watched.local // 86_400 + 1, watched.local // 86_400 + 331):
        midnight = shown.rig(shown.utc_of_local(day * 86_400))
        for instant in (midnight - 22 * HOUR - 15 * MINUTE, midnight):
            watched.clock.advance_to(instant)
            watched.settle()
        seen.append(rates(hand(watched))[:4])
    left_alone.clock.advance_to(watched.clock.now)
    rows = [row[3:] for row in hand(left_alone).rows("0-0:98.2.0")]
    assert rows == seen
    assert rates(hand(left_alone)) == rates(hand(watched))
    assert sum(rates(hand(watched))) == hand(watched).get(3, "1-0:1.8.0")
    spring, autumn = (bytes((7, 0xEA, month, day)) for month, day in ((3, 29), (10, 25)))
    days = [row[0][:4] for row in hand(watched).rows("0-0:98.2.0")]
    of_day = {
        day: [b - a for a, b in zip(before, after, strict=True)]
        for day, before, after in zip(days[:-1], rows[:-1], rows[1:], strict=True)
    }
    # an hour is skipped: with it rates 3 and 4 from 1:00 (or 1 and 2 from 2:00) to the hour's end; then an hour twice
    first, second = ((2, 3), (2, 3)) if zone == 0 else ((0, 1), (0, 1))
    ordinary = of_day[days[5]]
    assert [of_day[spring][rate] - ordinary[rate] for rate in first] == [-500, -500]
    assert sum(of_day[spring]) == 23_000 and sum(of_day[autumn]) == 25_000
    assert of_day[autumn][second[1]] - ordinary[second[1]] == 1000


def test_tables_have_an_end(meter: ElectricityMeter, hand: Any) -> None:
    keeper = hand(meter)
    always = [bytes.fromhex("06000000"), ALWAYS]
    with pytest.raises(AccessRefused):
        keeper.set(22, SINGLE, 4, "arr st{oct4,oct5}", [always] * 33)
    for number in range(64):
        keeper.act(10, SCHEDULE, 2, ENTRY, entry(number, "01000000", enabled=False))
    keeper.act(10, SCHEDULE, 2, ENTRY, entry(63, "02000000", enabled=False))
    with pytest.raises(AccessRefused):
        keeper.act(10, SCHEDULE, 2, ENTRY, entry(64, "01000000", enabled=False))
    with pytest.raises(AccessRefused):
        keeper.set(11, SPECIAL, 2, "arr st{u16,oct5,u8}", [[n, ALWAYS, 1] for n in range(256)])


def test_nothing_is_made_up_of_the_time_in_which_the_clock_stood_still(
    meter: ElectricityMeter, clock: Clock, hand: Any
) -> None:
    keeper = hand(meter)
    clock.advance_to(START + 30 * MINUTE)
    reserve = meter.firmware.clock.reserve
    keeper.act(10, SCHEDULE, 2, ENTRY, entry(1, "00140000"))  # 0:20
    keeper.act(10, SCHEDULE, 1, "st{u16,u16,u16,u16}", [0, 9, 0, 0])
    meter.power_off()
    clock.advance_to(clock.now + reserve + HOUR)
    keeper.act(10, SCHEDULE, 1, "st{u16,u16,u16,u16}", [0, 0, 1, 1])
    meter.power_on()
    assert meter.switched_off_local == START // SECOND + 1800
    assert meter.local == START // SECOND + 1800 + reserve // SECOND
    assert keeper.get(70, "0-0:96.3.10", 2) is False
