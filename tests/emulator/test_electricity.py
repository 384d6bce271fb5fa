"""The electricity meter as a whole: every object, demand, voltage, limiter, monitor, power, size."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from emulator.cosem.view import AssociationView
from emulator.electricity import ElectricityMeter
from emulator.load import MICRO, UNIT, Constant, Steps, household_electricity
from emulator.time import DAY, HOUR, MINUTE, SECOND, Clock
from firmware_profiles.loader import load, names
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.datetime import UNSPECIFIED, pack_utc
from protocols.dlms.objects import AccessRefused

START = 1_767_225_600 * SECOND
KILOWATT = 1000 * MICRO
SWITCH, LIMITER, MONITOR = "0-0:96.3.10", "0-0:17.0.0", "0-0:16.0.0"
TWO_ACTIONS = "st{st{oct6,u16},st{oct6,u16}}"

Esme = Callable[..., ElectricityMeter]


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("electricity")])
def test_every_attribute_is_of_its_type(new_esme: Esme, name: str) -> None:
    meter = new_esme(Clock(START), household_electricity(1, "a"), days=40, profile=name)
    meter.settle()
    for key, item in meter.firmware.model.objects.items():
        for index, attribute in item.attributes.items():
            data = axdr.decode_all(attribute.read(AssociationView(meter, meter.firmware.model, 0, None)))
            assert attribute.type.check(data), f"{item.title} {key.hex()} attribute {index}: {data}"


def test_the_same_seed_makes_the_same_meter(new_esme: Esme) -> None:
    def everything(seed: int) -> list[bytes]:
        meter = new_esme(Clock(START), household_electricity(seed, "a"), days=40, seed=seed)
        meter.settle()
        model = meter.firmware.model
        view = AssociationView(meter, model, 0, None)
        return [attribute.read(view) for item in model.objects.values() for attribute in item.attributes.values()]

    assert everything(1) == everything(1)
    assert everything(1) != everything(2)


def test_size_of_one_more_meter(new_esme: Esme) -> None:
    """Thirteen months of history, one register read, no profile row read: at most 8 KiB."""
    clock = Clock(START)
    descriptor = b"\0\x03" + obis.parse("1-0:1.8.0") + b"\x02"

    def one(number: int) -> tuple[ElectricityMeter, AssociationView]:
        meter = new_esme(clock, household_electricity(1, f"m{number}"), days=396, device_id=f"m{number}")
        view = AssociationView(meter, meter.firmware.model, 1, None)
        view.get(descriptor)
        return meter, view

    kept = [one(0)]
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept += [one(number) for number in range(1, 9)]
    gc.collect()
    each = (tracemalloc.get_traced_memory()[0] - before) / 8
    tracemalloc.stop()
    assert each <= 8192


def test_instantaneous_values_belong_together(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Constant(2300 * MICRO))
    reader = hand(meter)
    power, volts, amperes = (reader.get(3, name) for name in ("1-0:1.7.0", "1-0:32.7.0", "1-0:31.7.0"))
    factor = reader.get(3, "1-0:13.7.0")
    assert power == 2300
    assert 2300 <= volts <= 2530
    assert abs(volts / 10 * amperes / 1000 * factor / 1000 - power) < 10
    assert 4990 <= reader.get(3, "1-0:14.7.0") <= 5010
    meter.set_load(Constant(-700 * MICRO))
    assert [reader.get(3, name) for name in ("1-0:1.7.0", "1-0:2.7.0")] == [0, 700]
    clock.advance_to(START + HOUR)
    assert [reader.get(3, name) for name in ("1-0:1.8.0", "1-0:2.8.0")] == [0, 700]


def test_a_register_of_a_megawatt_rolls_over(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Constant(1_000_000 * KILOWATT))
    clock.advance_to(START + 5 * HOUR)
    assert hand(meter).get(3, "1-0:1.8.0") == 5_000_000_000 % 2**32


def test_demand(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Steps([START, START + 30 * MINUTE, START + 60 * MINUTE], [KILOWATT, 3 * KILOWATT, 2 * KILOWATT]))
    meter.device_clock.drift = 0
    reader = hand(meter)
    clock.advance_to(START + 75 * MINUTE)
    demand = "1-0:1.4.0"
    assert [reader.get(5, demand, index) for index in (2, 3, 8, 9)] == [1000, 3000, 1800, 1]
    assert reader.get(5, demand, 7) == pack_utc(START + HOUR)
    assert [reader.get(4, "1-0:1.6.0", index) for index in (2, 5)] == [3000, pack_utc(START + HOUR)]
    reader.act(4, "1-0:1.6.0", 1)
    assert [reader.get(4, "1-0:1.6.0", index) for index in (2, 5)] == [0, UNSPECIFIED]
    clock.advance_to(START + 90 * MINUTE)
    assert reader.get(4, "1-0:1.6.0") == 2000
    clock.advance_to(START + 100 * MINUTE)
    reader.act(5, demand, 2)
    assert reader.get(5, demand, 3) == 2000 * 10 // 30
    clock.advance_to(START + 105 * MINUTE)
    assert reader.get(5, demand, 2) == 2000 * 5 // 30


def test_demand_follows_a_clock_that_is_set(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Constant(KILOWATT))
    meter.device_clock.drift = 0
    clock.advance_to(START + 40 * MINUTE)
    reader = hand(meter)
    assert reader.get(5, "1-0:1.4.0", 3) == 1000
    meter.set_clock(START + 10 * MINUTE)
    clock.advance_to(START + HOUR)
    assert reader.get(5, "1-0:1.4.0", 3) == 1000  # 10 minutes before it was set, 20 after
    assert reader.get(4, "1-0:1.6.0", 5) == pack_utc(START + 30 * MINUTE)


def test_voltage_is_watched(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Constant(KILOWATT))
    reader = hand(meter)
    meter.set_voltage(1800)
    meter.set_voltage(1700)
    assert reader.get(3, "1-0:32.7.0") == 1700
    meter.set_voltage(2700)
    meter.set_voltage(None)
    assert [reader.get(1, f"1-0:32.{value}.0") for value in (32, 36)] == [1, 1]
    assert [row[1] for row in reader.rows("0-0:99.98.4")] == [81, 80, 82]
    reader.set(1, "1-0:32.35.0", 2, "u16", 2300)
    meter.set_voltage(2250)
    meter.set_voltage(2350)
    assert reader.get(1, "1-0:32.36.0") == 2


def test_voltage_of_a_half_hour_is_its_average(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Constant(KILOWATT))
    meter.device_clock.drift = 0
    reader = hand(meter)
    seen: list[int] = []
    for minute in range(30):
        clock.advance_to(START + minute * MINUTE)
        meter.settle()
        seen.append(meter.voltage)
    clock.advance_to(START + 30 * MINUTE)
    assert reader.rows("1-0:99.14.0")[0][1] == sum(seen) // len(seen) // 100


def test_supply_switch(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Constant(KILOWATT))
    keeper = hand(meter)
    clock.advance_to(START + HOUR)
    keeper.act(70, SWITCH, 1)
    assert [keeper.get(70, SWITCH, index) for index in (2, 3, 4)] == [False, 0, 3]
    assert keeper.get(3, "1-0:1.7.0") == 0
    assert not meter.press_button()
    clock.advance_to(START + 2 * HOUR)
    keeper.act(70, SWITCH, 2)  # control mode 3 arms the switch; the customer closes it
    assert [keeper.get(70, SWITCH, index) for index in (2, 3)] == [False, 2]
    clock.advance_to(START + 3 * HOUR)
    assert meter.press_button()
    clock.advance_to(START + 4 * HOUR)
    assert keeper.get(3, "1-0:1.8.0") == 2000
    assert [row[1] for row in keeper.rows("0-0:99.98.2")] == [61, 59, 62]
    with pytest.raises(AccessRefused):
        keeper.set(70, SWITCH, 4, "enum", 7)


def test_limiter_cuts_and_arms_by_itself(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Constant(KILOWATT))
    meter.device_clock.drift = 0
    keeper = hand(meter)
    for index, value in ((4, 2000), (6, 60), (7, 120)):
        keeper.set(71, LIMITER, index, "u32", value)
    clock.advance_to(START + HOUR)
    assert meter.switch.closed
    meter.set_load(Constant(3 * KILOWATT))
    clock.advance_to(START + HOUR + 59 * SECOND)
    meter.settle()
    assert meter.switch.closed
    clock.advance_to(START + HOUR + 61 * SECOND)  # nobody looks at the meter before it acts
    assert not meter.switch.closed
    clock.advance_to(START + 2 * HOUR)
    assert keeper.get(70, SWITCH, 3) == 2
    log = keeper.rows("0-0:99.98.2")
    assert [row[1] for row in log] == [61, 64, 59]
    assert [row[0] for row in log] == [pack_utc(START + HOUR + s * SECOND) for s in (60, 60, 180)]
    assert keeper.get(3, "1-0:1.8.0") == 1000 + 3000 // 60


def test_limiter_follows_a_load_by_steps_and_an_emergency(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Steps([START, START + 3 * HOUR], [KILOWATT, 4 * KILOWATT]))
    meter.device_clock.drift = 0
    keeper = hand(meter)
    keeper.set(71, LIMITER, 4, "u32", 5000)
    keeper.set(71, LIMITER, 5, "u32", 500)
    keeper.set(71, LIMITER, 8, "st{u16,oct12,u32}", [1, pack_utc(START + 4 * HOUR), 600])
    clock.advance_to(START + 4 * HOUR - SECOND)
    assert meter.switch.closed
    assert [keeper.get(71, LIMITER, index) for index in (3, 10)] == [5000, False]
    clock.advance_to(START + 4 * HOUR + SECOND)
    assert not meter.switch.closed
    assert [keeper.get(71, LIMITER, index) for index in (3, 10)] == [500, True]
    keeper.set(71, LIMITER, 9, "arr u16", [4, 5])
    with pytest.raises(AccessRefused):
        keeper.set(71, LIMITER, 8, "st{u16,oct12,u32}", [1, pack_utc(START), 600])


def test_limiter_runs_the_scripts_it_is_given(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Constant(KILOWATT))
    keeper = hand(meter)
    billing = obis.parse("0-0:10.0.1")
    keeper.set(71, LIMITER, 11, TWO_ACTIONS, [[billing, 1], [billing, 1]])
    keeper.set(71, LIMITER, 4, "u32", 500)
    clock.advance_to(START + MINUTE)
    meter.set_load(Constant(0))
    clock.advance_to(START + 2 * MINUTE)
    assert meter.switch.closed
    assert len(keeper.rows("0-0:98.1.0")) == 2


def test_a_monitor_acts_both_ways(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Steps([START, START + HOUR, START + 2 * HOUR], [KILOWATT, 4 * KILOWATT, KILOWATT]))
    keeper = hand(meter)
    supply, nothing = obis.parse("0-0:10.0.106"), bytes(6)
    keeper.set(21, MONITOR, 4, f"arr {TWO_ACTIONS}", [[[obis.parse("0-0:10.0.1"), 1], [supply, 1]], [[nothing, 0]] * 2])
    keeper.set(21, MONITOR, 2, "arr u32", [3000, 9000])
    clock.advance_to(START + HOUR + MINUTE)
    assert meter.switch.closed
    assert len(keeper.rows("0-0:98.1.0")) == 1
    clock.advance_to(START + 3 * HOUR)
    assert not meter.switch.closed
    assert keeper.get(3, "1-0:1.8.0") == 5000


def test_a_monitor_of_a_register_is_looked_at_each_minute(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Constant(6 * KILOWATT))
    keeper = hand(meter)
    keeper.set(21, MONITOR, 3, "st{u16,oct6,i8}", [3, obis.parse("1-0:1.8.0"), 2])
    keeper.set(21, MONITOR, 4, f"arr {TWO_ACTIONS}", [[[obis.parse("0-0:10.0.106"), 1], [bytes(6), 0]]])
    keeper.set(21, MONITOR, 2, "arr u32", [1000])
    clock.advance_to(START + HOUR)
    assert 1000 <= keeper.get(3, "1-0:1.8.0") <= 1200
    assert not meter.switch.closed


def test_power_cuts(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Constant(KILOWATT))
    forgotten: list[int] = []
    meter.reset.append(lambda: forgotten.append(clock.now))
    seen: list[str] = []
    meter.observers.append(seen.append)
    reader = hand(meter)
    clock.advance_to(START + HOUR)
    meter.power_off()
    meter.power_off()
    assert not meter.ready and meter.uptime == 0 and forgotten == [START + HOUR]
    clock.advance_to(START + 2 * HOUR)
    meter.power_on()
    assert not meter.ready
    clock.advance_to(START + 2 * HOUR + meter.firmware.boot_time)
    assert meter.ready
    clock.advance_to(START + 3 * HOUR)
    assert reader.get(3, "1-0:1.8.0") == 2000
    assert reader.get(1, "0-0:96.7.0") == 1
    assert [row[1] for row in reader.rows("0-0:99.97.0")] == [1, 2]
    assert (meter.boots, meter.uptime) == (2, 3600)
    assert seen == ["power_down", "power_up"]
    meter.reboot()
    assert (meter.boots, meter.uptime, len(forgotten)) == (3, 0, 2)
    assert reader.get(1, "0-0:96.7.0") == 1


def test_logs_keep_their_newest_entries(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme()
    for _ in range(120):
        clock.advance_to(clock.now + MINUTE)
        meter.record("replayed")
    rows = hand(meter).rows("0-0:99.98.1")
    assert len(rows) == 100
    assert rows[-1][1] == 50 == hand(meter).get(1, "0-0:96.11.1")
    assert load("electricity-base").logs["fraud"].codes["replayed"] == 50


def test_a_load_set_at_run_time_is_metered_from_then_on(esme: Esme, clock: Clock, hand: Any) -> None:
    household = household_electricity(1, "a")
    meter = esme(household, days=3)
    before = (household.imported(START) - household.imported(START - 3 * DAY)) // UNIT
    reader = hand(meter)
    assert reader.get(3, "1-0:1.8.0") == before
    meter.set_load(Constant(5 * KILOWATT))
    clock.advance_to(START + HOUR)
    assert reader.get(3, "1-0:1.8.0") - before in (5000, 5001)
