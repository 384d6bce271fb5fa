"""Faults of metering: what registers, power, events and alarms show, and what is right again after the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.electricity import ElectricityMeter
from emulator.faults.catalogue import CATALOGUE
from emulator.faults.fault import Layer
from emulator.faults.parameters import FaultError
from emulator.gas import GasMeter, Successive
from emulator.load import MICRO, UNIT, Constant
from emulator.load import Load as EnergyLoad
from emulator.measuring import Distortion, Pulses, Raised, Scaled, Turned, Uncounted
from emulator.meter import Meter
from emulator.nvm import MemoryNvm, keep
from emulator.premises import build_premises
from emulator.time import HOUR, MINUTE, Clock
from firmware_profiles.loader import load

from ..conftest import SEED, START, DeviceSpec, Hand, Load, Prepayment, Spec, account_of, build_esme
from .conftest import Place

IMPORT, EXPORT, DEMAND = "1-0:1.8.0", "1-0:2.8.0", "1-0:1.6.0"
VOLUME = "7-0:1.8.0"
ALARMS, FRAUD, QUALITY = "0-0:97.98.0", "0-0:99.98.1", "0-0:99.98.4"
COVER, TERMINAL, MAGNET, REVERSED, HIGH, LOW = (1 << bit for bit in (13, 14, 16, 18, 20, 21))
WATTS, LITRES = 1200, 600


@pytest.fixture
def place(clock: Clock) -> Place:
    """Where 1,200 W and 600 dm3/h have been drawn for a day, and are, day and night."""
    spec = Spec(
        electricity=DeviceSpec(load=Load("constant", WATTS), prepayment=Prepayment(5000)),
        gas=DeviceSpec(load=Load("constant", LITRES / 1000)),
    )
    return Place(build_premises("home", spec, clock, SEED, load, history_days=1), clock)


@pytest.fixture
def hand(meter: ElectricityMeter) -> Hand:
    return Hand(meter)


def counted(place: Place, device: Meter, register: str, duration: int = HOUR) -> int:
    """What a register gains while time passes; a gas meter is looked at awake."""
    hand = Hand(device)
    device.attend()
    before = hand.get(3, register)
    place.after(duration)
    device.attend()
    gained = hand.get(3, register) - before
    assert isinstance(gained, int)
    return gained


def codes(device: Meter, log: str) -> list[int]:
    """Codes of a log's events."""
    return [row[1] for row in Hand(device).rows(log)]


# --- the measuring element


@pytest.mark.parametrize(
    ("name", "parameters", "shown"),
    [
        ("creep", {"rate": 25}, 1225),
        ("gain-error", {"per_mille": 100}, 1320),
        ("gain-error", {"per_mille": -250}, 900),
        ("bypass", {"per_mille": 750}, 300),
        ("magnetic-field", {"per_mille": 600}, 720),
        ("leakage", {"power": 60}, 1260),
    ],
)
def test_power_and_energy_are_wrong_alike(
    place: Place, meter: ElectricityMeter, hand: Hand, name: str, parameters: dict[str, int], shown: int
) -> None:
    assert counted(place, meter, IMPORT) == WATTS
    fault = place.start(name, "electricity", **parameters)
    assert hand.get(3, "1-0:1.7.0") == shown
    assert counted(place, meter, IMPORT) == shown
    assert meter.metering.drawn.rate(place.clock.now) == WATTS * 1_000_000
    place.end(fault)
    assert hand.get(3, "1-0:1.7.0") == WATTS
    assert counted(place, meter, IMPORT) == WATTS


def test_a_meter_creeps_without_a_load(place: Place, meter: ElectricityMeter) -> None:
    meter.set_load(Constant(0))
    fault = place.start("creep", "electricity", rate=7)
    assert counted(place, meter, IMPORT, 3 * HOUR) == 21
    place.end(fault)
    assert counted(place, meter, IMPORT, 3 * HOUR) == 0


def test_faults_add_up_and_end_in_any_order(place: Place, meter: ElectricityMeter) -> None:
    leak = place.start("leakage", "electricity", power=800)
    by_pass = place.start("bypass", "electricity", per_mille=500)
    assert counted(place, meter, IMPORT) == 1000
    place.end(leak)
    assert counted(place, meter, IMPORT) == 600
    meter.set_load(Constant(400_000_000))
    assert counted(place, meter, IMPORT) == 200
    place.end(by_pass)
    assert counted(place, meter, IMPORT) == 400
    assert meter.metering.wrong is None


def test_rows_show_what_was_counted_in_each_half_hour(place: Place, meter: ElectricityMeter, hand: Hand) -> None:
    place.after(HOUR)
    fault = place.start("stuck-register", "electricity")
    place.after(HOUR)
    place.end(fault)
    place.after(HOUR)
    meter.settle()
    assert [row[1] for row in hand.rows("1-0:99.1.0")[-6:]] == pytest.approx([600, 600, 0, 0, 600, 600], abs=1)


def test_a_stuck_register(place: Place, meter: ElectricityMeter, hand: Hand) -> None:
    account = account_of(meter)
    place.after(MINUTE)
    fault = place.start("stuck-register", "electricity")
    account.fold()
    paid = account.charges["consumption"].paid
    assert paid > 0
    assert counted(place, meter, IMPORT) == 0
    assert hand.get(3, "1-0:1.7.0") == WATTS
    account.fold()
    assert account.charges["consumption"].paid == paid
    place.end(fault)
    assert counted(place, meter, IMPORT) == WATTS
    account.fold()
    assert account.charges["consumption"].paid > paid
    assert account.books.squared


def test_connected_the_wrong_way_round(place: Place, meter: ElectricityMeter, hand: Hand) -> None:
    fault = place.start("reverse-energy", "electricity")
    assert hand.get(1, ALARMS) & REVERSED
    assert (hand.get(3, "1-0:1.7.0"), hand.get(3, "1-0:2.7.0")) == (0, WATTS)
    exported = hand.get(3, EXPORT)
    assert counted(place, meter, IMPORT) == 0
    assert hand.get(3, EXPORT) - exported == WATTS
    place.end(fault)
    assert not hand.get(1, ALARMS) & REVERSED
    assert codes(meter, FRAUD)[-2:] == [91, 92]
    assert counted(place, meter, IMPORT) == WATTS


def test_a_magnet_is_noticed(place: Place, meter: ElectricityMeter, gas: GasMeter, hand: Hand) -> None:
    for device in (meter, gas):
        kind = device.firmware.kind
        fault = place.start("magnetic-field", kind, per_mille=0)
        assert Hand(device).get(1, ALARMS) & MAGNET
        assert device.time == place.clock.now  # which wakes the gas meter up
        assert counted(place, device, IMPORT if device is meter else VOLUME) == 0
        place.end(fault)
        assert not Hand(device).get(1, ALARMS) & MAGNET
        assert codes(device, FRAUD)[-2:] == [42, 43]
    gas.power_off()
    place.start("magnetic-field", "gas")
    assert not Hand(gas).get(1, ALARMS) & MAGNET  # without a battery nobody notices


# --- gas


@pytest.mark.parametrize(
    ("name", "parameters", "shown"),
    [
        ("bypass", {"per_mille": 500}, 300),
        ("gain-error", {"per_mille": 50}, 630),
        ("gas-leak", {"flow": 30}, 630),
        ("creep", {"rate": 6}, 606),
        ("stuck-register", {}, 0),
    ],
)
def test_a_sleeping_meter_counts_wrongly_from_the_instant_on(
    place: Place, gas: GasMeter, name: str, parameters: dict[str, int], shown: int
) -> None:
    gas.attend()
    before = gas.metering.imported(gas.time)
    place.after(10 * MINUTE)
    woken = gas.last_wake_up
    fault = place.start(name, "gas", **parameters)
    place.after(20 * MINUTE)
    assert woken <= gas.time < place.clock.now  # nobody has woken it up
    place.end(fault)
    place.after(30 * MINUTE)
    gas.attend()
    assert (gas.metering.imported(gas.time) - before) == (LITRES * 40 + shown * 20) * UNIT // 60


def test_the_load_changes_while_a_sleeping_meter_counts_wrongly(place: Place, gas: GasMeter) -> None:
    gas.attend()
    before = gas.metering.imported(gas.time)
    fault = place.start("bypass", "gas", per_mille=500)
    place.after(6 * MINUTE)
    gas.set_load(Constant(60_000_000))
    place.after(6 * MINUTE)
    gas.attend()
    assert gas.metering.imported(gas.time) - before == (30 + 3) * UNIT
    place.after(MINUTE)
    place.end(fault)
    assert isinstance(gas.metering.load, Successive)
    place.after(HOUR)
    gas.settle()
    assert gas.metering.wrong is None  # nothing is kept of what was wrong once the meter has woken up


def test_pulses_are_lost(place: Place, gas: GasMeter) -> None:
    fault = place.start("lost-pulses", "gas", per_mille=200, pulse=10)
    gas.attend()
    assert gas.flow == LITRES
    begun = gas.metering.imported(gas.time) // UNIT
    seen: set[int] = set()
    for _ in range(60):
        place.after(MINUTE)
        gas.attend()
        seen.add(gas.metering.imported(gas.time) // UNIT - begun)
    assert max(seen) == 480
    assert all(gained % 10 == 0 for gained in seen) and len(seen) > 40
    place.end(fault)
    assert counted(place, gas, VOLUME) == LITRES


def test_a_leak_behind_the_meter_fails_the_valve_test(place: Place, gas: GasMeter) -> None:
    fault = place.start("gas-leak", "gas", flow=30)
    assert gas.open_tap == 30
    place.end(fault)
    assert gas.open_tap == 0


# --- registers


@pytest.mark.parametrize(("kind", "register"), [("electricity", IMPORT), ("gas", VOLUME)])
def test_a_register_rolls_over(place: Place, kind: str, register: str) -> None:
    device = place.device(kind)
    assert isinstance(device, Meter)
    device.attend()
    hand = Hand(device)
    rates = [hand.get(3, f"{register[:-1]}{rate}") for rate in (1, 2)]
    before = hand.get(3, register)
    fault = place.start("register-roll-over", kind, within=100)
    assert hand.get(3, register) == (1 << 32) - 100
    place.after(HOUR)
    device.attend()
    gained = WATTS if kind == "electricity" else LITRES
    assert hand.get(3, register) == gained - 100
    assert sum(hand.get(3, f"{register[:-1]}{rate}") for rate in (1, 2)) - sum(rates) == gained
    place.end(fault)
    assert hand.get(3, register) == before + gained


def test_intervals_demand_and_reactive_energy_know_nothing_of_the_roll_over(
    place: Place, meter: ElectricityMeter, hand: Hand
) -> None:
    reactive = hand.get(3, "1-0:3.8.0")
    place.start("register-roll-over", "electricity", within=1)
    place.after(2 * HOUR)
    meter.settle()
    assert [row[1] for row in hand.rows("1-0:99.1.0")[-4:]] == pytest.approx([600] * 4, abs=1)
    assert hand.get(4, DEMAND) == pytest.approx(WATTS, abs=1)
    assert 0 < hand.get(3, "1-0:3.8.0") - reactive < 2 * WATTS


def test_the_wrong_tariff_register_counts(place: Place, meter: ElectricityMeter, hand: Hand) -> None:
    meter.settle()
    (right,) = meter.metering.registers
    fault = place.start("wrong-tariff-register", "electricity", by=2)

    def all_rates() -> list[int]:
        return [hand.get(3, f"1-0:1.8.{rate}") for rate in range(1, 9)]

    before = all_rates()
    place.after(HOUR)
    meter.settle()
    gained = [after - was for after, was in zip(all_rates(), before, strict=True)]
    assert gained == [WATTS if rate == (right + 2) % 8 else 0 for rate in range(8)]
    place.end(fault)
    before = all_rates()
    place.after(HOUR)
    meter.settle()
    assert all_rates()[right] - before[right] == WATTS
    assert account_of(meter).books.squared


def test_a_demand_register_is_stuck(place: Place, meter: ElectricityMeter, hand: Hand) -> None:
    place.after(HOUR)
    fault = place.start("stuck-demand", "electricity")
    before = hand.get(4, DEMAND), hand.get(5, "1-0:1.4.0")
    meter.set_load(Constant(5000 * 1_000_000))
    place.after(HOUR)
    meter.settle()
    assert (hand.get(4, DEMAND), hand.get(5, "1-0:1.4.0")) == before
    place.end(fault)
    place.after(HOUR)
    meter.settle()
    assert hand.get(4, DEMAND) == pytest.approx(5000, rel=1e-3)  # the meter's clock drifts
    assert hand.get(5, "1-0:1.4.0", 3) == pytest.approx(5000, rel=1e-3)


# --- covers and voltage


@pytest.mark.parametrize(
    ("name", "kind", "bit", "logged"),
    [
        ("cover-opened", "electricity", COVER, [44, 45]),
        ("cover-opened", "gas", COVER, [44, 45]),
        ("cover-opened", "hub", COVER, [44, 45]),
        ("terminal-cover-opened", "electricity", TERMINAL, [40, 41]),
    ],
)
def test_covers(place: Place, name: str, kind: str, bit: int, logged: list[int]) -> None:
    hand = Hand(place.device(kind))
    fault = place.start(name, kind)
    assert hand.get(1, ALARMS) & bit
    with pytest.raises(FaultError):
        place.start(name, kind)
    place.after(MINUTE)
    place.end(fault)
    assert not hand.get(1, ALARMS) & bit
    assert [row[1] for row in hand.rows(FRAUD)[-2:]] == logged


def test_a_cover_that_somebody_has_opened_already(place: Place, meter: ElectricityMeter) -> None:
    meter.open_cover()
    with pytest.raises(FaultError, match="home/electricity: its meter cover is open already"):
        place.start("cover-opened", "electricity")


@pytest.mark.parametrize(
    ("name", "volts", "bit", "code"), [("over-voltage", 280, HIGH, 80), ("under-voltage", 180, LOW, 81)]
)
def test_the_voltage_is_wrong(
    place: Place, meter: ElectricityMeter, hand: Hand, name: str, volts: int, bit: int, code: int
) -> None:
    meter.set_voltage(2400)
    fault = place.start(name, "electricity")
    assert hand.get(3, "1-0:32.7.0") == volts * 10
    assert hand.get(1, ALARMS) & (HIGH | LOW) == bit
    meter.set_voltage(2350)  # what the network has does not arrive
    assert hand.get(3, "1-0:32.7.0") == volts * 10
    place.end(fault)
    assert hand.get(3, "1-0:32.7.0") == 2350
    assert not hand.get(1, ALARMS) & (HIGH | LOW)
    assert codes(meter, QUALITY)[-2:] == [code, 82]


def test_a_disturbed_neutral(place: Place, meter: ElectricityMeter, hand: Hand) -> None:
    meter.set_voltage(2400)
    current = hand.get(3, "1-0:31.7.0")
    fault = place.start("neutral-disturbance", "electricity", per_mille=500)
    assert hand.get(3, "1-0:32.7.0") == 1200
    assert hand.get(3, "1-0:31.7.0") == current
    assert hand.get(1, ALARMS) & LOW
    assert counted(place, meter, IMPORT) == WATTS // 2
    with pytest.raises(FaultError, match="has that already"):
        place.start("over-voltage", "electricity")
    place.end(fault)
    assert (hand.get(3, "1-0:32.7.0"), hand.get(1, ALARMS) & LOW) == (2400, 0)
    assert counted(place, meter, IMPORT) == WATTS


def test_the_mains_fail_while_the_voltage_is_wrong(place: Place, meter: ElectricityMeter, hand: Hand) -> None:
    low = place.start("under-voltage", "electricity", voltage=180)
    brown_out = place.start("brown-out", "electricity", volts=150)
    place.end(low)
    assert hand.get(3, "1-0:32.7.0") == 1500
    high = place.start("over-voltage", "electricity", voltage=270)
    place.end(brown_out)
    assert hand.get(3, "1-0:32.7.0") == 2700
    place.end(high)
    place.after(MINUTE)
    assert hand.get(3, "1-0:32.7.0") > 2250


# --- what every fault of the layer keeps


METERING = [fault for fault in CATALOGUE.values() if fault.layer is Layer.METERING]


@pytest.mark.parametrize("name", [fault.name for fault in METERING])
def test_everything_is_as_before_after_the_end(place: Place, name: str) -> None:
    for kind in CATALOGUE[name].kinds:
        device = place.device(kind)
        fault = place.start(name, kind)
        place.after(HOUR)
        place.end(fault)
        place.after(MINUTE)
        device.settle()
        if not isinstance(device, Meter):
            continue
        device.attend()
        register = IMPORT if kind == "electricity" else VOLUME
        assert counted(place, device, register) == (WATTS if kind == "electricity" else LITRES)
        assert Hand(device).get(1, ALARMS) == 0
        device.set_load(device.metering.drawn)
        assert device.metering.wrong is None


@pytest.mark.parametrize("name", [fault.name for fault in METERING if "electricity" in fault.kinds])
def test_a_power_cut_while_it_lasts(place: Place, meter: ElectricityMeter, name: str) -> None:
    fault = place.start(name, "electricity")
    place.after(MINUTE)
    meter.power_off()
    stands = counted(place, meter, IMPORT), counted(place, meter, EXPORT)
    assert stands == (0, 0)
    place.end(fault)
    meter.power_on()
    assert counted(place, meter, IMPORT) == WATTS


STAGES: dict[str, tuple[Distortion, Callable[[int], int]]] = {
    "scaled": (lambda load: Scaled(load, 250), lambda rate: rate // 4),
    "raised": (lambda load: Raised(load, 48), lambda rate: rate + 48),
    "stuck": (Uncounted, lambda rate: 0),
}


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(1, 90), st.integers(0, 50), st.sets(st.sampled_from(sorted(STAGES)), max_size=2)),
        min_size=1,
        max_size=12,
    )
)
def test_the_register_is_the_sum_of_what_was_counted_at_each_time(
    parts: list[tuple[int, int, set[str]]],
) -> None:
    clock = Clock(START)
    meter = build_esme(clock)
    wanted = 0
    for minutes, kilowatts, names in parts:
        meter.set_load(Constant(kilowatts * 1_000_000_000))
        rate = kilowatts * 1_000_000_000
        ends: list[Any] = []
        for name in sorted(names):
            distortion, exact = STAGES[name]
            ends.append(meter.distort(distortion))
            rate = exact(rate)
        clock.advance_to(clock.now + minutes * MINUTE)
        for end in ends:
            end()
        wanted += rate * minutes * MINUTE
    meter.settle()
    assert meter.metering.imported(clock.now) == wanted
    assert meter.metering.total(0, clock.now) == wanted // UNIT


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from(["scaled", "raised", "stuck", "turned", "pulses"]))
def test_amounts_never_fall(first: int, second: int, name: str) -> None:
    drawn: EnergyLoad = Constant(1234567)
    made: dict[str, Distortion] = {
        **{stage: distortion for stage, (distortion, _) in STAGES.items()},
        "turned": Turned,
        "pulses": lambda load: Pulses(load, 10, 333),
    }
    wrong = made[name](drawn)
    early, late = sorted((START + first * 10**9, START + second * 10**9))
    assert wrong.imported(early) <= wrong.imported(late)
    assert wrong.exported(early) <= wrong.exported(late)
    assert wrong.next_change(early) is None


@pytest.mark.parametrize("name", ["register-roll-over", "wrong-tariff-register", "stuck-demand", "under-voltage"])
def test_what_is_stored_while_it_lasts_is_what_was_counted(place: Place, meter: ElectricityMeter, name: str) -> None:
    memory = MemoryNvm()
    keep(meter, memory)
    assert meter.keeper is not None and meter.keeper.begin()
    place.start(name, "electricity")
    place.after(HOUR)
    counted_so_far = meter.metering.imported(place.clock.now)
    assert meter.commit()
    again = build_esme(Clock(place.clock.now), Constant(WATTS * MICRO), device_id="home/electricity")
    assert keep(again, memory)
    again.resume()
    assert again.metering.wrong is None
    assert again.metering.total(0, again.time) == counted_so_far // UNIT
    again.clock.advance_to(again.clock.now + MINUTE)
    again.settle()
    assert again.metering.registers == again.plan.masks[again.metering.mask]
