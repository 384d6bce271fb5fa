"""Faults of a device's clock: what is seen of each from outside, and how it is after its end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.device import Device
from emulator.electricity import ElectricityMeter
from emulator.faults.parameters import FaultError
from emulator.nvm import Saved
from emulator.time import DAY, HOUR, MINUTE, SECOND
from protocols.dlms.enums import DataAccessResult

from ..conftest import START, Hand, refused
from .conftest import Spot

CLOCK, LOAD_PROFILE, DAILY = "0-0:1.0.0", "1-0:99.1.0", "1-0:99.2.0"


def wrong(device: Device) -> int:
    """How far a clock is from the true time, ns."""
    device.settle()
    return device.device_clock.utc(device.clock.now) - device.clock.now


@pytest.fixture
def meter(spot: Spot) -> ElectricityMeter:
    found = spot.device("electricity")
    assert isinstance(found, ElectricityMeter)
    found.device_clock.drift = 0
    return found


def restarted(meter: ElectricityMeter) -> ElectricityMeter:
    """The meter as it is when the rig was killed and starts again."""
    new = ElectricityMeter(
        meter.firmware, meter.identity, meter.clock, meter.seed, meter.ring, meter.installed_at, meter.metering.load
    )
    new.restore({name: Saved.read(name, json.dumps(image)) for name, image in meter.parts().items()})
    new.resume()
    return new


@pytest.mark.parametrize("ppm", [500, -500, 500_000])
def test_a_clock_that_drifts(spot: Spot, meter: ElectricityMeter, ppm: int) -> None:
    spot.after(HOUR)
    fault = spot.start("clock-drifts", "electricity", ppm=ppm)
    spot.after(DAY)
    off = DAY * ppm // 1_000_000
    assert wrong(meter) == off
    assert wrong(restarted(meter)) == off
    assert restarted(meter).device_clock.drift == 0
    spot.end(fault)
    spot.after(DAY)
    assert wrong(meter) == off
    meter.set_clock(spot.clock.now)
    assert wrong(meter) == 0


def test_rows_go_by_a_clock_that_drifts(spot: Spot, meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    before = len(hand.rows(LOAD_PROFILE))
    spot.start("clock-drifts", "electricity", ppm=500_000)
    spot.after(4 * HOUR)
    assert hand.get(7, LOAD_PROFILE, 7) == before + 12


def test_a_clock_that_stands(spot: Spot, meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    spot.after(10 * MINUTE)
    stood, rows, total = hand.get(8, CLOCK), hand.get(7, LOAD_PROFILE, 7), hand.get(3, "1-0:1.8.0")
    months = meter.metering.billing_count
    fault = spot.start("clock-stands", "electricity")
    spot.after(40 * DAY)
    assert hand.get(8, CLOCK) == stood
    assert hand.get(7, LOAD_PROFILE, 7) == rows
    assert hand.get(3, "1-0:1.8.0") > total
    assert meter.metering.billing_count == months
    hand.set(8, CLOCK, 2, "oct12", meter.device_clock.pack(spot.clock.now))
    spot.after(HOUR)
    assert wrong(meter) == -HOUR
    spot.end(fault)
    spot.after(HOUR)
    assert wrong(meter) == -HOUR
    assert hand.get(7, LOAD_PROFILE, 7) in (rows + 1, rows + 2)


def test_a_clock_that_jumps(spot: Spot, meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    log, last_set = hand.rows("0-0:99.98.30"), meter.device_clock.last_set
    spot.start("clock-jumps", "electricity", seconds=-7200)
    assert wrong(meter) == -2 * HOUR
    assert hand.rows("0-0:99.98.30") == log
    assert meter.device_clock.last_set == last_set and not meter.device_clock.invalid
    meter.set_clock(spot.clock.now)
    assert wrong(meter) == 0
    with pytest.raises(FaultError, match="would leave the years 1970 to 2099"):
        meter.set_clock(SECOND)
        spot.start("clock-jumps", "electricity", seconds=-3600)


def test_a_clock_without_reserve(spot: Spot, meter: ElectricityMeter) -> None:
    def cut() -> tuple[int, bool]:
        meter.power_off()
        spot.after(HOUR)
        meter.power_on()
        return wrong(meter), meter.device_clock.invalid

    assert cut() == (0, False)
    fault = spot.start("no-clock-reserve", "electricity")
    assert cut() == (-HOUR, True)
    assert cut() == (-2 * HOUR, True)
    assert meter.errors == 1
    spot.end(fault)
    meter.set_clock(spot.clock.now)
    assert cut() == (0, False)
    assert meter.errors == 0


@pytest.mark.parametrize("orders", ["refused", "ignored"])
def test_a_clock_that_cannot_be_set(spot: Spot, meter: ElectricityMeter, orders: str) -> None:
    hand = Hand(meter)

    def order() -> None:
        hand.set(8, CLOCK, 2, "oct12", meter.device_clock.pack(spot.clock.now + HOUR))

    def shift() -> None:
        hand.act(8, CLOCK, 6, "i16", 300)

    fault = spot.start("clock-not-set", "electricity", orders=orders)
    for attempt in (order, shift):
        if orders == "refused":
            assert refused(attempt) is DataAccessResult.OTHER_REASON
        else:
            attempt()
        assert wrong(meter) == 0
    assert meter.device_clock.last_set == 0
    spot.end(fault)
    order()
    assert wrong(meter) == HOUR


def test_a_wrong_time_zone(spot: Spot, meter: ElectricityMeter) -> None:
    meter.settle()
    hand, local = Hand(meter), meter.local
    fault = spot.start("wrong-time-zone", "electricity", minutes=-120)
    assert meter.local == local + 7200
    assert wrong(meter) == 0
    assert hand.get(8, CLOCK, 3) == -120
    assert hand.get(8, CLOCK)[9:11] == (-120).to_bytes(2, "big", signed=True)
    assert restarted(meter).device_clock.time_zone == 0
    spot.end(fault)
    assert (meter.local, hand.get(8, CLOCK, 3)) == (local, 0)
    with pytest.raises(FaultError, match="minutes: 0 is the time zone that its clock has"):
        spot.start("wrong-time-zone", "electricity", minutes=0)


def test_a_time_zone_that_was_set_meanwhile_stays(spot: Spot, meter: ElectricityMeter) -> None:
    fault = spot.start("wrong-time-zone", "electricity")
    Hand(meter).set(8, CLOCK, 3, "i16", 60)
    assert restarted(meter).device_clock.time_zone == 60
    spot.end(fault)
    assert meter.device_clock.time_zone == 60


def test_daylight_saving_that_is_not_followed(spot: Spot, meter: ElectricityMeter) -> None:
    with pytest.raises(FaultError, match="its clock keeps no daylight saving; enable it"):
        spot.start("no-daylight-saving", "electricity")
    hand = Hand(meter)
    hand.set(8, CLOCK, 8, "bool", True)
    spot.clock.advance_to(START + 181 * DAY)

    def seen() -> tuple[int, int, Any]:
        meter.settle()
        return meter.local - meter.utc // SECOND, hand.get(8, CLOCK, 4), hand.get(8, CLOCK, 8)

    assert seen() == (3600, 0x80, True)
    fault = spot.start("no-daylight-saving", "electricity")
    assert seen() == (0, 0, True)
    assert wrong(meter) == 0
    spot.end(fault)
    assert seen() == (3600, 0x80, True)
