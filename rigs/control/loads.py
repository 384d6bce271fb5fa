"""What is drawn through the meters of a running rig."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from emulator.gas import Successive
from emulator.load import Constant, Household, household_electricity, household_gas, parse_csv
from emulator.meter import Meter
from emulator.premises import RATE
from rigs.control.desk import BadInputError, Desk, DeskError
from rigs.events import Source, name_of

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.load import Load

UNITS = {"electricity": "W", "gas": "m3/h"}
MOST = {"electricity": 1_000_000, "gas": 1000}
"""The largest constant load of each kind of meter, in its unit."""
LEAST = {"electricity": -1_000_000, "gas": 0}
"""And the smallest: what is below 0 is exported."""
LARGEST_DWELLING = 1000
"""In average ones."""
FAR = 1 << 80
"""An instant before which nothing changes is as far back, ns."""


@dataclass(frozen=True, slots=True)
class LoadState:
    """What is drawn through a meter now.

    ``kind`` is ``household``, ``constant`` or ``csv``; ``rate`` in ``unit``, W or m3/h, is below 0 for what is
    exported, and what the premises asks for: nothing of it flows while ``flowing`` is false.
    """

    device: str
    kind: str
    rate: float
    unit: str
    flowing: bool


def look(desk: Desk, device: Device) -> LoadState:
    """The load of a meter now; DeskError for what is no meter."""
    meter = _meter(device)
    return desk.act(lambda: _look(meter))


def draw_constant(desk: Desk, device: Device, value: float) -> LoadState:
    """The same from now on: W of an electricity meter, negative where it is exported, or m3/h of a gas meter."""
    kind = _meter(device).firmware.kind
    if not (isfinite(value) and LEAST[kind] <= value <= MOST[kind]):
        unit, where = UNITS[kind], device.identity.device_id
        raise BadInputError(f"{where}: value: {value:g}: {LEAST[kind]} to {MOST[kind]} {unit}")
    return _draw(desk, device, Constant(round(value * RATE[kind])), f"{value:g} {UNITS[kind]}")


def draw_household(desk: Desk, device: Device, scale: float = 1.0) -> LoadState:
    """A dwelling ``scale`` times as large as the one that the seed gives."""
    meter = _meter(device)
    if not (isfinite(scale) and 0 < scale <= LARGEST_DWELLING):
        where = device.identity.device_id
        raise BadInputError(f"{where}: scale: {scale:g}: more than 0, at most {LARGEST_DWELLING}")
    make = household_electricity if meter.firmware.kind == "electricity" else household_gas
    load = make(desk.rig.file.config.seed, meter.identity.device_id, scale)
    return _draw(desk, device, load, f"household, scale {scale:g}")


def draw_csv(desk: Desk, device: Device, text: str) -> LoadState:
    """What lines of ``time,rate`` say (:func:`emulator.load.parse_csv`), W or m3/h."""
    meter = _meter(device)
    kind, where = meter.firmware.kind, meter.identity.device_id
    try:
        load = parse_csv(text, RATE[kind])
    except ValueError as error:
        raise BadInputError(f"{where}: csv: {error}") from None
    step = load.next_change(-FAR)
    while step is not None:
        if not LEAST[kind] * RATE[kind] <= load.rate(step) <= MOST[kind] * RATE[kind]:
            raise BadInputError(f"{where}: csv: a rate is not within {LEAST[kind]} to {MOST[kind]} {UNITS[kind]}")
        step = load.next_change(step)
    return _draw(desk, device, load, "csv")


def _draw(desk: Desk, device: Device, load: Load, text: str) -> LoadState:
    meter = _meter(device)

    def do() -> LoadState:
        desk.rig.events.add(Source.CONTROL, "load", text, device=name_of(meter))
        meter.set_load(load)
        return _look(meter)

    return desk.act(do)


def _look(meter: Meter) -> LoadState:
    meter.settle()
    kind, metering = meter.firmware.kind, meter.metering
    rate = metering.drawn.rate(meter.clock.now) / RATE[kind]
    return LoadState(name_of(meter), _kind(metering.drawn), rate, UNITS[kind], metering.flowing)


def _kind(load: Load) -> str:
    match load:
        case Constant():
            return "constant"
        case Household():
            return "household"
        case Successive():
            return _kind(load.parts[-1][1])
        case _:
            return "csv"


def _meter(device: Device) -> Meter:
    if not isinstance(device, Meter):
        raise DeskError(f"{device.identity.device_id}: draws no load; electricity and gas meters do")
    return device
