"""Every fault of device, clock, memory and firmware, at every kind of device that it can be at: it leaves nothing."""

from __future__ import annotations

import pytest

from emulator.device import Device
from emulator.faults import clock, device, firmware, storage
from emulator.faults.fault import Fault
from emulator.premises import build_premises
from emulator.time import MINUTE, Clock
from firmware_profiles.loader import load

from ..conftest import SEED, START, DeviceSpec, Spec
from .conftest import ALL, Place

ENTRIES = [*device.FAULTS, *clock.FAULTS, *storage.FAULTS, *firmware.FAULTS]
PARAMETERS = {"log-full": {"log": "standard"}, "record-damaged": {"record": "settings"}}


def fits(fault: Fault, at: Device) -> bool:
    """Whether the device has what the fault is about."""
    if fault.name == "no-daylight-saving":
        return at.device_clock.dst_enabled
    return fault not in firmware.FAULTS or at.firmware.image is not None


def loose_ends(at: Device) -> list[str]:
    """What a fault could have left."""
    ends = {
        "no power": not at.ready,
        "troubles": at.troubles is not None,
        "mains": at.feed is not None,
        "memory": at.keeper is not None,
        "clock": at.device_clock.sound is not None or at.device_clock.dst_ignored,
        "images": at.firmware.image is not None and at.image.troubles is not None,
    }
    return [name for name, is_so in ends.items() if is_so]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ENTRIES, ids=lambda fault: fault.name)
def test_it_leaves_nothing(fault: Fault) -> None:
    for kind in fault.kinds:
        rig = Clock(START)
        place = Place(build_premises("home", Spec(display=DeviceSpec()), rig, SEED, load, history_days=2), rig)
        at = place.device(kind)
        if not fits(fault, at):
            continue
        drift = at.device_clock.drift
        injection = place.start(fault.name, kind, **PARAMETERS.get(fault.name, {}))
        place.after(10 * MINUTE)
        at.power_off()
        place.after(MINUTE)
        at.power_on()
        place.after(10 * MINUTE)
        place.end(injection)
        place.after(place.longest_pause)
        assert loose_ends(at) == [], kind
        assert at.device_clock.drift == drift
        assert sorted(place.on) == sorted(ALL), kind
        assert place.faults.find(injection.id).over
