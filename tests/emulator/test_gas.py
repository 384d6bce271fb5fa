"""The gas meter: volume and energy, battery, temperature, valve."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.gas import GasMeter, Successive
from emulator.load import UNIT, Constant, Load, household_gas
from emulator.premises import Premises
from emulator.time import DAY, HOUR, MINUTE, Clock
from protocols.dlms import axdr

from .conftest import START, DeviceSpec, Talker, settings_of
from .conftest import Load as LoadSpec

Home = Callable[..., Premises]


def meter(premises: Premises) -> GasMeter:
    assert premises.gas is not None
    return premises.gas


def reader(premises: Premises, association: str = "data_collection", sap: int = 32) -> Talker:
    assert premises.hub is not None
    return Talker(
        premises.hub.stacks["wan-tcp"](), settings_of(meter(premises), association), sap=sap, server=17
    ).open()


def number(value: object) -> int:
    assert isinstance(value, int)
    return value


def test_a_year_of_a_household_is_plausible(home: Home) -> None:
    premises = home()
    gas = meter(premises)
    gas.settle()
    talker = reader(premises)
    volume = number(talker.value(3, "7-0:1.8.0"))
    assert 600_000 < volume * 365 // 396 < 1_800_000
    assert number(talker.value(3, "7-0:1.8.1")) == volume
    assert [talker.value(3, f"7-0:1.8.{rate}") for rate in (2, 3, 4)] == [0, 0, 0]
    energy = number(talker.value(3, "7-0:33.8.0"))
    assert energy == pytest.approx(volume * 39.5 * 1.02264 / 3.6, rel=1e-3)


def test_volume_flow_and_profile_of_a_constant_load(home: Home, clock: Clock) -> None:
    premises = home(gas=DeviceSpec(load=LoadSpec("constant", 1.5)))
    gas = meter(premises)
    talker = reader(premises)
    start = number(talker.value(3, "7-0:1.8.0"))
    clock.advance_to(START + DAY)
    assert talker.value(3, "7-0:43.7.0") == 1500
    shown = number(talker.value(3, "7-0:1.8.0"))
    assert shown == (gas.last_wake_up - gas.installed_at) * 1500 // HOUR
    assert shown - start == pytest.approx(36_000, abs=1500)
    rows = talker.value(7, "7-0:99.1.0")
    assert isinstance(rows, list)
    assert len(rows) == number(talker.value(7, "7-0:99.1.0", 7)) > 18_900
    # The meter's clock drifts by some milliseconds a row, which now and then moves a litre.
    assert {row[1] for row in rows[1:]} <= {749, 750, 751}


def test_rows_add_up_to_the_register(home: Home, clock: Clock) -> None:
    premises = home()
    gas = meter(premises)
    clock.advance_to(START + 3 * DAY)
    gas.settle()
    talker = reader(premises)
    rows = talker.value(7, "7-0:99.1.0")
    assert isinstance(rows, list)
    register = number(talker.value(3, "7-0:1.8.0"))
    last_boundary = gas.metering.imported(gas.device_clock.rig(gas.utc - gas.utc % (30 * MINUTE))) // UNIT
    before = gas.buffer("load").spec.capacity
    assert len(rows) == before
    first = gas.device_clock.rig(gas.utc - gas.utc % (30 * MINUTE) - len(rows) * 30 * MINUTE)
    assert sum(row[1] for row in rows) == last_boundary - gas.metering.imported(first) // UNIT
    assert register >= last_boundary


def test_energy_is_worked_out_with_what_held_at_its_time(home: Home, clock: Clock) -> None:
    premises = home(gas=DeviceSpec(load=LoadSpec("constant", 1.0)))
    gas = meter(premises)
    gas.wake_up()
    before, at = gas.energy, gas.metering.imported(gas.time)
    gas.convert_by(2 * gas.calorific_value, gas.correction_factor)
    assert gas.energy == before
    clock.advance_to(START + 10 * HOUR)
    gas.wake_up()
    used = gas.metering.imported(gas.time) - at
    exact = used / UNIT * 2 * 39.5 * 1.02264 / 3.6
    assert gas.energy - before == pytest.approx(exact, abs=1)


def test_battery_runs_down_and_is_replaced(home: Home, clock: Clock) -> None:
    premises = home()
    gas = meter(premises)
    talker = reader(premises)
    assert number(talker.value(3, "0-0:96.1.52")) in (3650 - 396, 3650 - 395)
    full = number(talker.value(3, "0-0:96.6.3"))
    assert number(talker.value(3, "0-0:96.1.50")) // 24 in (395, 396)
    clock.advance_to(START + 2900 * DAY)
    assert gas.event_codes["standard"] == 14
    talker = reader(premises)
    assert number(talker.value(3, "0-0:96.6.3")) < 3200 < full
    clock.advance_to(START + 4000 * DAY)
    assert reader(premises).value(3, "0-0:96.1.52") == 0
    gas.replace_battery()
    talker = reader(premises)
    assert (talker.value(3, "0-0:96.1.52"), talker.value(3, "0-0:96.6.3")) == (3650, 3650)
    rows = talker.value(7, "0-0:99.98.0")
    assert isinstance(rows, list) and [row[1] for row in rows] == [14, 1, 2, 15]


def test_an_empty_battery_is_the_meter_s_death(home: Home, clock: Clock) -> None:
    gas = meter(home())
    dies_at = gas.installed_at + 3650 * DAY
    clock.advance_to(dies_at - 1)
    assert gas.mains
    clock.advance_to(dies_at)
    assert not gas.mains and gas.battery_voltage == 3100
    heard = gas.last_wake_up
    gas.power_on()
    clock.advance_to(dies_at + DAY)
    gas.settle()
    assert not gas.mains and gas.last_wake_up == heard
    gas.replace_battery()
    assert gas.mains and gas.battery_days == 3650
    clock.advance_to(dies_at + 2 * DAY)
    gas.settle()
    assert gas.last_wake_up > dies_at + DAY


def test_without_its_battery_it_neither_counts_nor_wakes(home: Home, clock: Clock) -> None:
    premises = home(gas=DeviceSpec(load=LoadSpec("constant", 1.0)))
    gas = meter(premises)
    gas.power_off()
    volume, heard = gas.metering.imported(gas.time), gas.last_wake_up
    clock.advance_to(START + DAY)
    gas.settle()
    assert gas.last_wake_up == heard == START
    gas.power_on()
    assert gas.metering.imported(gas.time) == volume
    assert gas.next_wake_up > gas.ready_at
    clock.advance_to(START + 2 * DAY)
    gas.settle()
    assert gas.metering.imported(gas.time) - volume == (gas.last_wake_up - START - DAY) * 1_000_000_000
    rows = reader(premises).value(7, "0-0:99.97.0")
    assert isinstance(rows, list) and [row[1:] for row in rows] == [[1, 0], [2, 1]]


def test_temperature_follows_season_and_hour(home: Home, clock: Clock) -> None:
    premises = home()
    gas = meter(premises)
    seen: list[int] = []
    for day in range(0, 366, 3):
        clock.advance_to(START + day * DAY)
        gas.settle()
        seen.append(gas.temperature)
    assert -10 <= min(seen) < 60 < 150 < max(seen) <= 250
    assert seen.index(min(seen)) < 20 < seen.index(max(seen)) < 90


def test_a_temperature_is_held_and_let_go(home: Home, clock: Clock) -> None:
    gas = meter(home())
    gas.settle()
    own = gas.temperature
    gas.set_temperature(-205)
    assert gas.temperature == -205
    clock.advance_to(START + 30 * DAY)
    assert gas.temperature == -205
    gas.set_temperature(None)
    assert gas.temperature != -205 != own
    for wrong in (-1001, 1001):
        with pytest.raises(ValueError, match="-1000 to 1000"):
            gas.set_temperature(wrong)


def test_an_unknown_calorific_value_type_is_refused_by_the_profile(home: Home) -> None:
    gas = meter(home())
    gas.wake_up()
    gas.internal.write(b"\x00\x03\x07\x00\x36\x00\x00\xff\x02", axdr.u32(400_000))
    assert gas.calorific_value == 400_000
    with pytest.raises(Exception, match="TYPE_UNMATCHED"):
        gas.internal.write(b"\x00\x03\x07\x00\x36\x00\x00\xff\x02", axdr.u16(4))


# -- one load after another ---------------------------------------------------------------------------------------


loads = st.one_of(st.integers(0, 10**10).map(Constant), st.integers(1, 5).map(lambda seed: household_gas(seed, "any")))


@settings(max_examples=200)
@given(
    first=loads,
    changes=st.lists(st.tuples(st.integers(1, 3 * HOUR), st.booleans(), loads), max_size=6),
    ahead=st.integers(0, 5 * HOUR),
)
def test_successive_loads_are_the_sum_of_their_parts(
    first: Load, changes: list[tuple[int, bool, Load]], ahead: int
) -> None:
    """Also when what is over has been settled and dropped: only differences from there on are asked for."""
    now = settled = START
    load, parts = first, [(START, first)]
    for later, settle, after in changes:
        now += later
        if settle:
            settled = now
        load = Successive.changed(load, after, now, settled)
        parts.append((now, after))
    end = now + ahead
    ends = [*(at for at, _ in parts[1:]), end]
    expected = sum(
        part.imported(max(stop, settled)) - part.imported(max(at, settled))
        for (at, part), stop in zip(parts, ends, strict=True)
    )
    assert load.imported(end) - load.imported(settled) == expected
    assert load.rate(end) == parts[-1][1].rate(end)
    change = load.next_change(settled)
    assert change is None or change > settled
