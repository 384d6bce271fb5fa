"""Faults of a meter's clock as pydlms sees them, during and after each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from rigs.driver import ClockMode
from tests.interop.faulty_meter import FaultyMeter, faulty_meter
from tests.interop.head_end import head_end

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

NAME = "0.0.1.0.0.255"
TIME, ZONE, STATUS, ENABLED = ([8, NAME, index] for index in (2, 3, 4, 8))
LOAD = "1.0.99.1.0.255"
ENERGY, IN_USE, ERRORS = [3, "1.0.1.8.0.255", 2], [7, LOAD, 7], [1, "0.0.97.97.0.255", 2]
LAST_SET = [1, "0.0.96.2.12.255", 2]
LOG = "0.0.99.98.30.255"
INVALID, SUMMER = 0x01, 0x80
OTHER_REASON = 250


class Clock:
    """The meter's clock, whose error is told in seconds, and the rig's."""

    def __init__(self, meter: FaultyMeter) -> None:
        self.meter = meter
        self.rig = meter.running.clock

    @property
    def now(self) -> datetime:
        """The true time, UTC."""
        return self.rig.now.replace(tzinfo=None)

    def get(self, *attributes: list[Any]) -> list[Any]:
        return self.meter.well(*(["get", *each] for each in attributes))

    @property
    def local(self) -> datetime:
        """What the meter shows."""
        return decoded(self.get(TIME)[0])

    @property
    def wrong(self) -> float:
        """How far what it shows is from the true time, s."""
        return (self.local - self.now).total_seconds()

    def newest(self) -> list[Any]:
        """The last row of the load profile, of thirteen months, which take the meter a while to make."""
        (count,) = self.meter.well(["get", *IN_USE])
        return self.meter.well(["entries", LOAD, count, count])[0]

    def set(self, when: datetime) -> list[Any]:
        """The step that sets it."""
        return ["set", *TIME, ["octet_string", encoded(when)]]

    def right(self) -> None:
        """Set it to the true time."""
        self.meter.well(self.set(self.now))
        assert abs(self.wrong) < 1

    def cut(self, seconds: float) -> None:
        """A power cut of the meter."""
        self.meter.meter.running.power_off()
        self.rig.advance(seconds=seconds)
        self.meter.meter.running.power_on()


def decoded(octets: str) -> datetime:
    """A date-time of twelve octets, as it is shown."""
    field = bytes.fromhex(octets)
    return datetime(int.from_bytes(field[:2], "big"), field[2], field[3], *field[5:8], field[8] * 10_000)


def encoded(when: datetime) -> str:
    """The same the other way round, in UTC."""
    octets = bytes((when.month, when.day, 0xFF, when.hour, when.minute, when.second, when.microsecond // 10_000))
    return (when.year.to_bytes(2, "big") + octets + b"\0\0\0").hex()


@pytest.fixture(scope="module")
def meter(peers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyMeter]:
    folder, device = tmp_path_factory.mktemp("clock"), {"load": {"kind": "constant", "value": 6000}}
    with head_end(peers) as peer, faulty_meter(folder, peer, device, mode=ClockMode.STEPPED) as made:
        yield made


@pytest.fixture
def clock(meter: FaultyMeter) -> Iterator[Clock]:
    """A clock that is right, before each test and after it."""
    clock = Clock(meter)
    clock.right()
    yield clock
    clock.right()


@pytest.mark.fault("clock-drifts")
def test_a_clock_that_drifts(clock: Clock) -> None:
    with clock.meter.fault("clock-drifts", ppm=10_000):
        clock.rig.advance(hours=10)
        assert clock.wrong == pytest.approx(360, abs=2)
    clock.rig.advance(hours=10)
    assert clock.wrong == pytest.approx(360, abs=3)
    clock.right()
    clock.rig.advance(hours=10)
    assert abs(clock.wrong) < 2


@pytest.mark.fault("clock-stands")
def test_a_clock_that_stands(clock: Clock) -> None:
    newest, (energy,) = clock.newest(), clock.get(ENERGY)
    with clock.meter.fault("clock-stands"):
        stood = clock.local
        clock.rig.advance(hours=5)
        assert clock.local == stood
        assert (clock.newest(), clock.get(ENERGY)) == (newest, [energy + 30_000])
    clock.rig.advance(hours=1)
    assert clock.wrong == pytest.approx(-5 * 3600, abs=2)
    clock.right()
    clock.rig.advance(hours=1)
    assert clock.newest() != newest


@pytest.mark.fault("clock-jumps")
def test_a_clock_that_jumps(clock: Clock) -> None:
    def logged() -> int:
        (rows,) = clock.meter.well(["profile", LOG])
        return len(rows)

    before, last_set = logged(), clock.get(LAST_SET)
    with clock.meter.fault("clock-jumps", seconds=-7200):
        assert clock.wrong == pytest.approx(-7200, abs=1)
        assert (logged(), clock.get(LAST_SET)) == (before, last_set)
    clock.right()
    assert logged() == before + 1


@pytest.mark.fault("no-clock-reserve")
def test_a_clock_without_reserve(clock: Clock) -> None:
    clock.cut(3600)
    assert abs(clock.wrong) < 1
    with clock.meter.fault("no-clock-reserve"):
        clock.cut(3600)
        assert clock.wrong == pytest.approx(-3600, abs=1)
        status, errors = clock.get(STATUS, ERRORS)
        assert status & INVALID and errors & 1
        clock.right()
        status, errors = clock.get(STATUS, ERRORS)
        assert not status & INVALID and not errors & 1
    clock.cut(3600)
    assert abs(clock.wrong) < 1


@pytest.mark.fault("clock-not-set")
@pytest.mark.parametrize("orders", ["refused", "ignored"])
def test_a_clock_that_cannot_be_set(clock: Clock, orders: str) -> None:
    later, shift = clock.set(clock.now + timedelta(hours=1)), ["action", 8, NAME, 6, ["long", 300]]
    with clock.meter.fault("clock-not-set", orders=orders):
        if orders == "refused":
            assert clock.meter.well(["refused", later], ["refused", shift]) == [OTHER_REASON, OTHER_REASON]
        else:
            assert clock.meter.well(later, shift)[0] is True
        assert abs(clock.wrong) < 1
    clock.meter.well(later)
    assert clock.wrong == pytest.approx(3600, abs=1)


@pytest.mark.fault("wrong-time-zone")
def test_a_wrong_time_zone(clock: Clock) -> None:
    with clock.meter.fault("wrong-time-zone", minutes=-120):
        assert clock.wrong == pytest.approx(7200, abs=1)
        shown, zone = clock.get(TIME, ZONE)
        assert zone == int.from_bytes(bytes.fromhex(shown)[9:11], "big", signed=True) == -120
    assert abs(clock.wrong) < 1
    assert clock.get(ZONE) == [0]


@pytest.mark.fault("no-daylight-saving")
def test_daylight_saving_that_is_not_followed(clock: Clock) -> None:
    clock.meter.well(["set", *ENABLED, ["boolean", True]])
    clock.rig.advance(days=120)
    clock.meter.well(clock.set(clock.now))
    assert clock.wrong == pytest.approx(3600, abs=1)
    with clock.meter.fault("no-daylight-saving"):
        assert abs(clock.wrong) < 1
        status, enabled = clock.get(STATUS, ENABLED)
        assert not status & SUMMER and enabled is True
    assert clock.wrong == pytest.approx(3600, abs=1)
    assert clock.get(STATUS)[0] & SUMMER
    clock.meter.well(["set", *ENABLED, ["boolean", False]])
