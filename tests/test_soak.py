"""A thousand premises for thirty simulated days: nothing leaks, no energy is lost or made."""

from __future__ import annotations

import gc
import os
import tracemalloc
from pathlib import Path
from random import Random

import pytest

from emulator.cosem.view import AssociationView
from emulator.device import Device
from emulator.load import UNIT, Constant, Load
from emulator.meter import Meter
from emulator.time import DAY, HOUR, MINUTE, Clock
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.client import Attribute, by_entry
from rigs.building import build
from rigs.config import rig_of
from rigs.rig import STEPPED_START

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

PREMISES = 1000
DAYS = 30
STEP = 30 * MINUTE
RESTLESS = 40
"""Premises whose power fails, whose clocks are set and whose loads change; the others just run."""
SETTLED, TRACED, BASE = 12, 16, 20
"""Days: every kind of event has been and every profile was read; allocations are traced; memory is noted."""
IMPORT = {
    "electricity": Attribute(3, obis.parse("1-0:1.8.0.255"), 2),
    "gas": Attribute(3, obis.parse("7-0:1.8.0.255"), 2),
}
PROFILE = {
    "electricity": Attribute(7, obis.parse("1-0:99.1.0.255"), 2),
    "gas": Attribute(7, obis.parse("7-0:99.1.0.255"), 2),
}
DAILY = Attribute(7, obis.parse("0-0:98.2.0.255"), 2)


class Account:
    """What a meter must have counted: the loads it had one after the other, None while nothing was measured."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.load = meter.metering.load
        self._parts: list[tuple[int, Load | None]] = [(meter.installed_at, self.load)]

    def change(self, now: int, load: Load | None) -> None:
        """From ``now`` on it is another load."""
        self._parts.append((now, load))

    def units(self, until: int) -> int:
        """Whole units (Wh, dm3) until an instant."""
        ends = [begin for begin, _ in self._parts[1:]] + [until]
        amount = 0
        for (begin, load), end in zip(self._parts, ends, strict=True):
            if load is not None and begin < until:
                amount += load.imported(min(end, until)) - load.imported(begin)
        return amount // UNIT


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def register(kind: str, meter: Device) -> int:
    meter.settle()
    value = axdr.decode_all(meter.internal.read(IMPORT[kind].encode())).value
    assert isinstance(value, int)
    return value


def rows(meter: Device, attribute: Attribute, count: int) -> list[list[object]]:
    """The last ``count`` rows of a profile."""
    model = meter.firmware.model
    view = AssociationView(meter, model, model.by_name["management"], None)
    in_use = axdr.decode_all(view.get(Attribute(7, attribute.logical_name, 7).encode())).value
    assert isinstance(in_use, int)
    table = axdr.decode_all(view.get(attribute.encode(), by_entry(max(1, in_use - count + 1), in_use))).value
    assert isinstance(table, tuple)
    return [[cell.value for cell in row.value] for row in table]


def upset(account: Account, clock: Clock, chance: Random) -> None:
    """Something irregular, as it happens to meters."""
    meter, now = account.meter, clock.now
    match chance.randrange(4):
        case 0:
            meter.power_off()
            account.change(now, None)
            clock.advance_to(now + chance.randrange(HOUR))
            meter.power_on()
            account.change(clock.now, account.load)
        case 1:
            meter.settle()
            meter.set_clock(meter.utc + chance.randrange(-20 * MINUTE, 20 * MINUTE))
        case 2:
            account.load = Constant(chance.randrange(3_000_000_000))
            meter.set_load(account.load)
            account.change(now, account.load)
        case _:
            meter.reboot()


def test_a_thousand_premises_for_thirty_days() -> None:
    clock, chance = Clock(STEPPED_START), Random(30)
    file = rig_of({"seed": 30, "premises": [{"name": "p", "count": PREMISES}]})
    premises = [build(file, spec, clock) for spec in file.specs]
    accounts = {(number, kind): Account(getattr(one, kind)) for number, one in enumerate(premises) for kind in IMPORT}
    traced = memory = 0
    for day in range(DAYS):
        end = STEPPED_START + (day + 1) * DAY
        while clock.now < end:
            clock.advance_to(min(end, clock.now + STEP))
            if clock.now < end - HOUR and chance.randrange(8) == 0:
                upset(accounts[chance.randrange(RESTLESS), chance.choice(("electricity", "gas"))], clock, chance)
        for (number, kind), account in accounts.items():
            counted = register(kind, account.meter)  # a gas meter's is that of its last wake-up
            assert counted == account.units(account.meter.time), (number, kind, day)
        for one in premises:
            assert one.hub is not None
            one.hub.settle()
        if day in (SETTLED, BASE - 1, DAYS - 1):
            for number in range(RESTLESS):
                for kind in IMPORT:
                    rows(accounts[number, kind].meter, PROFILE[kind], 48)
        if day == TRACED:
            tracemalloc.start()
        if day == BASE:
            memory, traced = resident(), tracemalloc.get_traced_memory()[0]
    grown = tracemalloc.get_traced_memory()[0] - traced
    tracemalloc.stop()
    assert grown < 4 << 20, f"{grown:,} octets allocated since day {BASE} and kept"
    grown = resident() - memory
    assert grown < 8 << 20, f"{grown:,} octets more in memory than on day {BASE}"

    for number in (*range(RESTLESS), PREMISES - 1):
        meter = accounts[number, "electricity"].meter
        days = rows(meter, DAILY, DAYS - 2)
        halves = rows(meter, PROFILE["electricity"], DAYS * 60)
        begin, finish = days[0], days[-1]
        between = [row[1] for row in halves if begin[0] < row[0] <= finish[0]]  # type: ignore[operator]
        assert sum(between) == finish[1] - begin[1]  # type: ignore[operator, arg-type]
