"""Faults of the device's own clock. The rig's clock is right; what the device makes of it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emulator.device import LAST_TIME
from emulator.device_clock import STANDSTILL
from emulator.faults.device import ALL
from emulator.faults.fault import Culprit, End, Fault, Layer, Site, nothing_to_mend
from emulator.faults.parameters import FaultError, Number, Word
from emulator.time import SECOND
from emulator.troubles import SOUND, ClockWrites, beset

if TYPE_CHECKING:
    from emulator.device import Device

SET: Final = ("hub", "electricity", "gas")
"""Kinds of devices whose clocks clients set."""
_PER_PPM = 1000
_PACE = "pace of the clock"
_UNTIL_SET = "the time stays wrong until somebody sets it"


def _run(site: Site, drift: int) -> End:
    """Let the clock run with another drift; the end is that of its crystal."""
    device = site.device
    crystal = device.device_clock.drift

    def run(drift: int, sound: int | None) -> None:
        device.settle()
        device.begin_change()
        device.device_clock.run(device.time, drift)
        _keep(device, "crystal", sound)
        device.clock_moved()

    run(max(STANDSTILL, drift), crystal)
    return lambda: run(crystal, None)


def _keep(device: Device, name: str, sound: object) -> None:
    """What the memory is given in place of what a fault has changed; None for what there is again."""
    clock = device.device_clock
    kept = {each: value for each, value in (clock.sound or {}).items() if each != name}
    clock.sound = (kept or None) if sound is None else {**kept, name: sound}


def _drifts(site: Site) -> End:
    return _run(site, site.device.device_clock.drift + site.number("ppm") * _PER_PPM)


def _stands(site: Site) -> End:
    return _run(site, STANDSTILL)


def _jumps(site: Site) -> End:
    device = site.device
    device.settle()
    utc = device.utc + site.number("seconds") * SECOND
    if not 0 < utc < LAST_TIME:
        raise FaultError(f"{device.identity.device_id}: seconds: its clock would leave the years 1970 to 2099")
    device.begin_change()
    device.device_clock.move(device.time, utc)
    device.clock_jumped()
    device.clock_moved()
    return nothing_to_mend


def _no_reserve(site: Site) -> End:
    return beset(site.device, SOUND, no_reserve=True)


def _not_settable(site: Site) -> End:
    return beset(site.device, SOUND, clock_writes=ClockWrites(site.word("orders")))


def _wrong_zone(site: Site) -> End:
    device = site.device
    clock, wrong = device.device_clock, site.number("minutes")
    right = clock.time_zone
    if wrong == right:
        raise FaultError(f"{device.identity.device_id}: minutes: {wrong} is the time zone that its clock has")

    def use(minutes: int) -> None:
        device.settle()
        device.begin_change()
        device.device_clock.time_zone = minutes
        device.device_clock.forget_packed()
        device.clock_moved()

    use(wrong)
    _keep(device, "zone", [right, clock.dst_deviation])

    def end() -> None:
        untouched = "zone" in (device.device_clock.sound or {})
        _keep(device, "zone", None)
        if untouched:
            use(right)

    return end


def _no_daylight_saving(site: Site) -> End:
    device = site.device
    if not device.device_clock.dst_enabled:
        raise FaultError(
            f"{device.identity.device_id}: its clock keeps no daylight saving; enable it (class 8, attribute 8)"
        )

    def ignore(ignored: bool) -> None:
        device.settle()
        device.begin_change()
        device.device_clock.dst_ignored = ignored
        device.device_clock.move(device.time, device.utc)
        device.clock_moved()

    ignore(True)
    return lambda: ignore(False)


FAULTS: Final = (
    Fault(
        "clock-drifts",
        Layer.CLOCK,
        "The clock runs fast or slow",
        ALL,
        _drifts,
        Culprit.DEVICE,
        "its crystal is off",
        (
            "its time goes away from the true one, second by second",
            "rows, tariff switching and end of billing come at other instants",
        ),
        f"it runs as it did; {_UNTIL_SET}",
        (Number("ppm", "How much faster, negative: slower", "ppm", -500_000, 500_000, 500),),
        holds=_PACE,
    ),
    Fault(
        "clock-stands",
        Layer.CLOCK,
        "The clock stands still",
        ALL,
        _stands,
        Culprit.DEVICE,
        "its crystal does not swing",
        (
            "the time that it shows does not change; registers count on",
            "no row of a profile comes, no tariff is switched, no billing period ends",
        ),
        f"it runs on from where it stood; {_UNTIL_SET}",
        holds=_PACE,
    ),
    Fault(
        "clock-jumps",
        Layer.CLOCK,
        "The clock shows another time all of a sudden",
        ALL,
        _jumps,
        Culprit.DEVICE,
        "a register of its clock has lost a bit",
        ("its time is off by a constant; no log has an event of it", "time stamps of rows leap, or go back"),
        f"over at once: {_UNTIL_SET}",
        (Number("seconds", "How far, negative: back", "s", -315_360_000, 315_360_000, 3600),),
        momentary=True,
    ),
    Fault(
        "no-clock-reserve",
        Layer.CLOCK,
        "The clock has no reserve of power",
        ALL,
        _no_reserve,
        Culprit.DEVICE,
        "the cell or capacitor of its clock is empty: the clock stops with the mains",
        ("after each power cut the clock is late by as long as it lasted, and its status is invalid",),
        f"it has its reserve; {_UNTIL_SET}",
        holds="reserve of the clock",
    ),
    Fault(
        "clock-not-set",
        Layer.CLOCK,
        "The clock cannot be set",
        SET,
        _not_settable,
        Culprit.DEVICE,
        "the register of its clock does not take what is written",
        ("setting or shifting the time is refused (other-reason), or is answered with success and changes nothing",),
        "it can be set",
        (Word("orders", "What becomes of orders to set it", ("refused", "ignored")),),
        holds="setting of the clock",
    ),
    Fault(
        "wrong-time-zone",
        Layer.CLOCK,
        "The clock has another time zone than that of the premises",
        ALL,
        _wrong_zone,
        Culprit.INSTALLER,
        "it was configured for somewhere else; its UTC is right",
        ("local time and deviation (class 8, attributes 2 and 3) are off", "tariffs are switched early or late"),
        "it has the time zone that it had, unless another was set meanwhile",
        (Number("minutes", "Local time and this are UTC", "min", -720, 840, -60),),
        holds="time zone",
    ),
    Fault(
        "no-daylight-saving",
        Layer.CLOCK,
        "The clock does not go by its own rules of daylight saving",
        ALL,
        _no_daylight_saving,
        Culprit.DEVICE,
        "its firmware does not apply the rules that it has (class 8, attributes 5 to 8)",
        ("in summer local time is an hour early, and the status has no daylight saving bit",),
        "it goes by its rules",
        holds="daylight saving",
    ),
)
"""Faults of the device's clock."""
