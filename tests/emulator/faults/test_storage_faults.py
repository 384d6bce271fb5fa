"""Faults of the non-volatile memory: what is seen of each from outside, and how it is after its end."""

from __future__ import annotations

import pytest

from emulator.electricity import ElectricityMeter
from emulator.faults.parameters import FaultError
from emulator.gas import GasMeter
from emulator.nvm import MemoryNvm, keep
from emulator.premises import build_premises
from emulator.prepayment.money import PENNY
from emulator.prepayment.tokens import Delivery
from emulator.time import HOUR, MINUTE, SECOND, Clock
from firmware_profiles.loader import load
from protocols.dlms.enums import DataAccessResult
from protocols.tokens.scheme import Outcome

from ..conftest import SEED, DeviceSpec, Hand, Load, Prepayment, Spec, account_of, refused
from .conftest import Place, Spot

FILTER, ERRORS, STANDARD, IMPORT = "0-0:97.98.10", "0-0:97.97.0", "0-0:99.98.0", "1-0:1.8.0"
WATTS = 6000
PRICE = 16.85
"""Millipence a Wh, of the profile."""
MEMORY_BIT = 1 << 10
MEMORY_ERROR = 18


class Bench:
    """A prepayment meter that draws 6 kW, kept in a memory as a rig keeps it, or in none."""

    def __init__(self, place: Spot, kept: bool) -> None:
        self.place = place
        meter = place.device("electricity")
        assert isinstance(meter, ElectricityMeter)
        self.meter, self.hand = meter, Hand(meter)
        self.memory = MemoryNvm() if kept else None
        if self.memory is not None:
            keep(meter, self.memory)
            assert meter.keeper is not None and meter.keeper.begin()

    def set(self, value: int) -> None:
        self.hand.set(1, FILTER, 2, "u32", value)

    @property
    def filter(self) -> int:
        return self.hand.get(1, FILTER)

    @property
    def total(self) -> int:
        return self.hand.get(3, IMPORT)

    @property
    def logged(self) -> list[int]:
        return [row[1] for row in self.hand.rows(STANDARD)]

    def token(self, counter: int) -> Outcome:
        """Enter a token of a pound."""
        account = account_of(self.meter)
        rules = account.settings.tokens
        scheme = rules.scheme(
            self.meter.token_secret(rules), self.meter.token_originator(rules), self.meter.identity.eui64
        )
        return account.tokens.enter(scheme.issue(counter, 100), Delivery.MANUAL)

    @property
    def balance(self) -> int:
        self.meter.settle()
        return account_of(self.meter).balance

    def cut(self, length: int = MINUTE) -> None:
        """A power cut."""
        self.meter.power_off()
        self.place.after(length)
        self.meter.power_on()
        self.place.after(self.meter.firmware.boot_time)

    def whole(self) -> None:
        """Nothing of a fault is left: what the memory has is the meter."""
        keeper = self.meter.keeper
        if self.memory is None:
            assert keeper is None
            return
        assert keeper is not None and keeper.commit()
        assert (keeper.nvm, keeper.suspect, keeper.fault) == (self.memory, False, "")
        clock = Clock(self.place.clock.now)
        copy = ElectricityMeter(
            self.meter.firmware,
            self.meter.identity,
            clock,
            self.meter.seed,
            self.meter.ring,
            self.meter.installed_at,
            self.meter.metering.load,
        )
        assert keep(copy, self.memory)
        assert Hand(copy).get(1, FILTER) == self.filter
        assert account_of(copy).balance == self.balance
        assert copy.metering.imported(copy.time) == self.meter.metering.imported(self.meter.time)


@pytest.fixture(params=[True, False], ids=["kept", "of a rig without a store"])
def bench(request: pytest.FixtureRequest, clock: Clock) -> Bench:
    meter = DeviceSpec(profile="electricity-bench", load=Load("constant", WATTS), prepayment=Prepayment(5000))
    spec = Spec(hub=None, gas=None, electricity=meter)
    return Bench(Spot(build_premises("home", spec, clock, SEED, load, history_days=3), clock), request.param)


def test_a_memory_that_fails(bench: Bench) -> None:
    bench.place.after(HOUR)
    bench.set(5)
    total = bench.total
    fault = bench.place.start("memory-fails", "electricity")
    assert refused(lambda: bench.set(6)) is DataAccessResult.HARDWARE_FAULT
    assert bench.token(1) is Outcome.STORAGE_FAULT
    assert bench.hand.get(1, ERRORS) == MEMORY_BIT
    assert bench.logged == [MEMORY_ERROR]
    bench.place.after(HOUR)
    assert bench.total == total + WATTS
    bench.cut()
    assert bench.filter == 5
    assert total <= bench.total <= total + WATTS // 30
    bench.place.end(fault)
    bench.set(7)
    assert bench.token(1) is Outcome.ACCEPTED
    bench.cut()
    assert bench.filter == 7
    bench.whole()


def test_what_a_failing_memory_missed_is_kept_after_it(bench: Bench) -> None:
    fault = bench.place.start("memory-fails", "electricity")
    assert refused(lambda: bench.set(6)) is DataAccessResult.HARDWARE_FAULT
    bench.place.after(HOUR)
    total = bench.total
    bench.place.end(fault)
    bench.whole()
    bench.cut()
    assert bench.total >= total


def test_a_memory_that_is_nearly_full(bench: Bench) -> None:
    fault = bench.place.start("memory-full", "electricity", room=5_000)
    written = 0
    while written < 1000:
        try:
            bench.set(written)
        except Exception:
            break
        written += 1
    assert 3 < written < 1000
    assert refused(lambda: bench.set(0)) is DataAccessResult.HARDWARE_FAULT
    bench.cut()
    assert bench.filter == written - 1
    bench.place.end(fault)
    bench.set(5)
    bench.whole()


def test_a_memory_that_is_protected(bench: Bench) -> None:
    bench.set(5)
    fault = bench.place.start("memory-protected", "electricity")
    bench.set(6)
    assert bench.token(1) is Outcome.ACCEPTED
    assert bench.filter == 6
    bench.cut()
    assert bench.filter == 5
    assert bench.hand.get(1, ERRORS) == 0
    assert bench.token(1) is Outcome.ACCEPTED  # it has forgotten that it was used
    bench.place.end(fault)
    assert bench.token(1) is Outcome.DUPLICATE
    bench.cut()
    assert bench.token(1) is Outcome.DUPLICATE
    bench.whole()


def test_a_write_that_is_torn(bench: Bench) -> None:
    bench.place.after(HOUR)
    bench.set(5)
    assert bench.token(1) is Outcome.ACCEPTED
    acknowledged, balance = bench.total, bench.balance
    fault = bench.place.start("torn-write", "electricity")
    bench.place.after(10 * MINUTE)
    lost = bench.total
    bench.cut()
    bench.place.after(1)
    assert acknowledged <= bench.total < lost
    assert bench.filter == 5
    assert balance - bench.balance == pytest.approx((bench.total - acknowledged) * PRICE, abs=PRICE)
    assert bench.token(1) is Outcome.DUPLICATE
    assert bench.logged[-1] == MEMORY_ERROR and bench.hand.get(1, ERRORS) == MEMORY_BIT
    bench.set(6)
    bench.cut()
    assert bench.filter == 6
    bench.place.end(fault)
    total = bench.total
    bench.cut()
    assert bench.total >= total
    bench.whole()


@pytest.mark.parametrize("record", ["settings", "registers", "account", "log"])
def test_a_record_that_is_damaged(bench: Bench, record: str) -> None:
    bench.meter.record("clock_set")
    bench.place.after(HOUR)
    bench.set(5)
    was = {"settings": bench.filter, "registers": bench.total, "account": bench.balance, "log": bench.logged}
    fault = bench.place.start("record-damaged", "electricity", record=record)
    bench.place.after(HOUR)
    bench.set(6)
    bench.token(1)
    bench.meter.record("clock_set")
    now = {"settings": bench.filter, "registers": bench.total, "account": bench.balance, "log": bench.logged}
    assert all(now[name] != was[name] for name in was)
    bench.cut(SECOND)
    assert (bench.filter == 5) is (record == "settings")
    assert (bench.total < now["registers"]) is (record == "registers")
    paid = bench.balance - now["account"]
    assert -PENNY < paid <= 0 if record != "account" else paid == -100 * PENNY
    assert bench.logged == ([4, 2] if record == "log" else [4, 4, 1, 2])
    bench.place.end(fault)
    bench.set(8)
    total = bench.total
    bench.cut()
    assert bench.filter == 8 and bench.total >= total
    bench.whole()


def test_a_record_that_it_does_not_keep(young: Place) -> None:
    with pytest.raises(FaultError, match="home/hub: record: registers: it has none to keep yet"):
        young.start("record-damaged", "hub", record="registers")


@pytest.mark.parametrize("room", [0, 2])
def test_a_log_that_is_full(bench: Bench, room: int) -> None:
    bench.meter.record("clock_set")
    fault = bench.place.start("log-full", "electricity", log="standard", room=room)
    for _ in range(5):
        bench.meter.record("clock_adjusted")
    assert bench.logged == [4] + [5] * room
    assert bench.meter.event_codes["standard"] == 5
    bench.cut()
    assert len(bench.logged) == 1 + room
    bench.place.end(fault)
    bench.meter.record("clock_set")
    assert bench.logged == [4] + [5] * room + [4]
    bench.whole()


def test_a_log_that_there_is_not(young: Place) -> None:
    with pytest.raises(FaultError, match="home/hub: log: it has no log disconnect; it has standard"):
        young.start("log-full", "hub", log="disconnect")


def test_keys_and_counters_are_kept_elsewhere(bench: Bench) -> None:
    state = bench.meter.security(bench.meter.firmware.model.by_name["management"])
    fault = bench.place.start("memory-protected", "electricity")
    state.counters.received, state.encryption = 7, bytes(16)
    bench.cut()
    state = bench.meter.security(bench.meter.firmware.model.by_name["management"])
    assert (state.counters.received, state.encryption) == (7, bytes(16))
    bench.place.end(fault)
    bench.whole()


def test_a_gas_meter_s_memory(young: Place) -> None:
    gas = young.device("gas")
    assert isinstance(gas, GasMeter)
    young.after(HOUR)
    fault = young.start("memory-protected", "gas")
    young.after(24 * HOUR)
    gas.settle()
    volume = gas.metering.imported(gas.time)
    gas.power_off()
    young.after(MINUTE)
    gas.power_on()
    assert gas.metering.imported(gas.time) < volume
    young.end(fault)
    young.after(young.longest_pause)
    assert young.on == ["electricity", "gas"]
    gas.settle()
    assert gas.last_wake_up > young.clock.now - HOUR


def test_a_gas_meter_that_has_been_replaced_meanwhile(young: Place) -> None:
    fault = young.start("memory-fails", "gas")
    gas = young.device("gas")
    assert gas.keeper is not None
    gas.keeper.close()
    young.end(fault)
    assert gas.keeper is None


def test_a_hub_keeps_its_han_in_its_radio(young: Place) -> None:
    fault = young.start("memory-protected", "hub")
    entry = bytes.fromhex("00DB1234567890A1")
    young.han.register(entry, bytes(16), 0)
    young.hub.power_off()
    young.after(MINUTE)
    young.hub.power_on()
    young.after(young.longest_pause)
    assert entry in young.han.log.entries
    assert young.on == ["electricity", "gas"]
    young.end(fault)
    assert young.hub.keeper is None
