"""Many faults of one home, begun and ended in any order: what one of them ends must not be what another one needs."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest

from emulator.faults.catalogue import CATALOGUE
from emulator.faults.parameters import FaultError
from emulator.premises import build_premises
from emulator.time import HOUR, MINUTE, Clock
from firmware_profiles.loader import load

from ..conftest import START, DeviceSpec, Spec, Talker, settings_of
from .conftest import ALL, Place

FAULTS, LONGEST = 60, 3 * HOUR
HUBS = ("hub-base", "hub-lima")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_home_is_whole_after_all_of_them(seed: int) -> None:
    chance, clock = Random(seed), Clock(START)
    spec = Spec(hub=DeviceSpec(HUBS[seed % len(HUBS)]), display=DeviceSpec())
    place = Place(build_premises("home", spec, clock, seed, load, history_days=2), clock)
    coming = sorted((START + chance.randrange(20 * HOUR), name) for name in chance.sample(list(CATALOGUE), FAULTS))
    begun = 0
    for at, name in coming:
        clock.advance_to(at)
        fault = CATALOGUE[name]
        duration = None if fault.momentary else chance.randrange(MINUTE, LONGEST)
        with suppress(FaultError):  # another one is in its way
            place.faults.start(name, f"home/{chance.choice(fault.kinds)}", duration=duration)
            begun += 1
    assert begun > FAULTS * 3 // 4
    clock.advance_to(START + 22 * HOUR)
    place.faults.end_all()
    place.after(5 * HOUR)
    assert sorted(place.on) == sorted(place.reporting) == sorted(ALL)
    assert not place.hub.taps and place.hub.mirror is not None and not place.hub.mirror.frozen
    saps = place.hub.firmware.logical
    assert saps is not None
    for kind, sap in (("hub", saps.management), ("electricity", saps.electricity), ("gas", saps.gas)):
        stack = place.hub.stacks["wan-tcp"]()
        assert stack.gate is None
        settings = settings_of(place.device(kind), "management")
        assert Talker(stack, settings, sap=64, server=sap).open().value(1, "0-0:42.0.0")
