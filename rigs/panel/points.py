"""What there is at each device: every switch, contact, gauge and display, with its place in the device's block.

A :class:`Point` is a line of the table :data:`POINTS`. The register map that is published is made of the same table
that requests are served by. Offsets count from the beginning of a device's block and are kept for good: new points take
free ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from emulator.device import Cover
from emulator.electricity import ElectricityMeter
from emulator.front import Key
from emulator.gas import GasMeter
from emulator.load import MICRO, UNIT, Constant
from emulator.meter import Meter
from emulator.metering import EXPORT, IMPORT
from emulator.time import SECOND
from rigs.control import desk
from rigs.panel.forms import TEXT_REGISTERS, Form, Table
from rigs.panel.place import ANTENNA_LOSS

if TYPE_CHECKING:
    from rigs.panel.place import Place

BLOCK = 128
"""Addresses of one device, in each table."""
FLASH = SECOND // 25
"""How long the LED is lit for each pulse, ns."""
Read: TypeAlias = "Callable[[Place], int | str]"
Write: TypeAlias = "Callable[[Place, int], None]"


class Fitted(NamedTuple):
    """What bears on which points a device has: its kind, display and keys, an optical port, a HAN."""

    kind: str
    front: bool
    head: bool
    han: bool


@dataclass(frozen=True, slots=True)
class Point:
    """One entry of a device's block.

    ``kinds`` are those of devices that have it, where ``needs`` (``front``, ``head`` or ``han`` of :class:`Fitted`) is
    there too. ``write`` takes ``least`` to ``most``; ``free``, where there is such a number, is written to let a value
    go its own way again, which ``release`` does.
    """

    name: str
    table: Table
    offset: int
    form: Form
    kinds: tuple[str, ...]
    text: str
    read: Read
    write: Write | None = None
    unit: str = ""
    least: int = 0
    most: int = 1
    free: int | None = None
    release: Callable[[Place], None] | None = None
    needs: str = ""

    def at(self, fitted: Fitted) -> bool:
        """Whether a device has it."""
        return fitted.kind in self.kinds and (not self.needs or bool(getattr(fitted, self.needs)))

    def accepts(self, number: int) -> bool:
        """Whether it can be set to this."""
        return self.least <= number <= self.most or number == self.free

    def set(self, place: Place, number: int) -> None:
        """Set it to what it accepts."""
        if number == self.free and self.release is not None:
            self.release(place)
        elif self.write is not None:
            self.write(place, number)


HUB, ELECTRICITY, GAS, DISPLAY = ("hub",), ("electricity",), ("gas",), ("display",)
_METERS = (*ELECTRICITY, *GAS)
_ALL = (*HUB, *_METERS, *DISPLAY)
_KEYS = 16


def _switch(
    name: str, offset: int, kinds: tuple[str, ...], text: str, read: Read, write: Write, needs: str = ""
) -> Point:
    return Point(name, Table.COIL, offset, Form.BIT, kinds, text, read, write, needs=needs)


def _contact(name: str, offset: int, kinds: tuple[str, ...], text: str, read: Read, needs: str = "") -> Point:
    return Point(name, Table.DISCRETE, offset, Form.BIT, kinds, text, read, needs=needs)


def _counter(
    name: str, offset: int, kinds: tuple[str, ...], text: str, unit: str, read: Read, form: Form = Form.U32
) -> Point:
    return Point(name, Table.INPUT, offset, form, kinds, text, read, unit=unit)


# --- devices


def _meter(place: Place) -> Meter:
    device = place.device
    assert isinstance(device, Meter)
    return device


def _electricity(place: Place) -> ElectricityMeter:
    device = place.device
    assert isinstance(device, ElectricityMeter)
    return device


def _gas(place: Place) -> GasMeter:
    device = place.device
    assert isinstance(device, GasMeter)
    return device


# --- switches


def _powered(place: Place) -> int:
    return place.device.mains


def _power(place: Place, on: int) -> None:
    mains = place.rig.mains
    (mains.on if on else mains.off)(place.device)


def _cover(name: str, offset: int, kinds: tuple[str, ...], cover: Cover) -> Point:
    def write(place: Place, opened: int) -> None:
        device = place.device
        (device.open_cover if opened else device.close_cover)(cover)

    text = f"tamper switch of the {cover.value}: 1 open"
    return _switch(name, offset, kinds, text, lambda place: cover in place.device.open_covers, write)


def _button(name: str, offset: int, kinds: tuple[str, ...], text: str, key: Key, needs: str = "") -> Point:
    return _switch(
        name,
        offset,
        kinds,
        f"{text}: 1 held down",
        lambda place: key in place.pressed,
        lambda place, down: place.hold(key, bool(down)),
        needs,
    )


def _set_head(place: Place, on: int) -> None:
    place.head.attached = bool(on)


def _set_antenna(place: Place, on: int) -> None:
    aerial = place.aerial
    aerial.set(place.network, antenna=bool(on), attenuation=aerial.attenuation)


def _set_attenuation(place: Place, decibels: int) -> None:
    aerial = place.aerial
    aerial.set(place.network, antenna=aerial.antenna, attenuation=decibels)


# --- gauges


def _pulses(meter: Meter, t: int) -> int:
    """Watt-hours that went through, either way, until ``t``."""
    metering = meter.metering
    return metering.imported(t) // UNIT + metering.exported(t) // UNIT


def _lit(place: Place) -> int:
    meter = _meter(place)
    before = max(meter.time - FLASH, meter.metering.start)
    return _pulses(meter, meter.time) > _pulses(meter, before)


def _whole(micro: int) -> int:
    """Whole units of a rate, towards zero."""
    return micro // MICRO if micro >= 0 else -(-micro // MICRO)


def _rate(place: Place) -> int:
    """What is drawn where the supply is on, W or dm3 an hour: of a meter that sleeps too, as of now."""
    meter = _meter(place)
    return _whole(meter.metering.drawn.rate(meter.clock.now))


def _draw(place: Place, rate: int) -> None:
    _meter(place).set_load(Constant(rate * MICRO))


def _register(channel: int) -> Read:
    return lambda place: _meter(place).metering.total(channel, place.device.time)


def _count_pulses(place: Place) -> int:
    return _pulses(_meter(place), place.device.time)


def _supply(place: Place) -> int:
    return _meter(place).switch.conducts


def _on_han(place: Place) -> int:
    return place.network.member(place.device).on


POINTS: tuple[Point, ...] = (
    _switch("mains", 0, (*HUB, *ELECTRICITY, *DISPLAY), "mains: 1 on, 0 off", _powered, _power),
    _switch("battery", 1, GAS, "battery: 1 in, 0 taken out", _powered, _power),
    _cover("cover", 2, (*HUB, *_METERS), Cover.METER),
    _cover("terminal_cover", 3, ELECTRICITY, Cover.TERMINAL),
    _button("supply_button", 4, _METERS, "supply button", Key.SUPPLY),
    _switch(
        "head",
        5,
        ELECTRICITY,
        "relay of the optical head: 1 on the meter, 0 off it",
        lambda place: place.head.attached,
        _set_head,
        "head",
    ),
    _switch(
        "antenna",
        6,
        _ALL,
        f"antenna of the HAN radio: 1 on, 0 off ({ANTENNA_LOSS} dB less)",
        lambda place: place.aerial.antenna,
        _set_antenna,
        "han",
    ),
    *(
        _button(
            f"key_{key.name.lower().removeprefix('digit_')}",
            _KEYS + number,
            (*_METERS, *DISPLAY),
            f"key {key.value} of the keypad",
            key,
            "front",
        )
        for number, key in enumerate(Key)
    ),
    _contact("supply", 0, ELECTRICITY, "contact of the supply: 1 closed", _supply),
    _contact("valve", 1, GAS, "valve: 1 open", _supply),
    _contact("alarm", 2, _ALL, "1 while a bit of the alarm register is set", lambda place: place.device.alarms != 0),
    _contact(
        "pulse_led", 3, ELECTRICITY, f"metering LED: lit for {FLASH // 1_000_000} ms each Wh, 1,000 imp/kWh", _lit
    ),
    _contact("power_led", 4, _ALL, "power LED: 1 with power and started", lambda place: place.device.ready),
    _contact("on_han", 5, (*_METERS, *DISPLAY), "1 while it is on the HAN", _on_han, "han"),
    Point(
        "load",
        Table.HOLDING,
        0,
        Form.I32,
        ELECTRICITY,
        "load behind the meter, negative: generated",
        _rate,
        _draw,
        "W",
        -100_000,
        100_000,
    ),
    Point(
        "gas_flow",
        Table.HOLDING,
        0,
        Form.U32,
        GAS,
        "gas drawn through the meter while its valve is open",
        _rate,
        _draw,
        "l/h",
        most=100_000,
    ),
    Point(
        "voltage",
        Table.HOLDING,
        2,
        Form.U16,
        ELECTRICITY,
        "voltage of the mains",
        lambda place: _electricity(place).voltage // 100,
        lambda place, decivolts: _electricity(place).set_voltage(decivolts),
        "0.1 V",
        most=6553,
        free=0xFFFF,
        release=lambda place: _electricity(place).set_voltage(None),
    ),
    Point(
        "temperature",
        Table.HOLDING,
        2,
        Form.I16,
        GAS,
        "temperature of the gas",
        lambda place: _gas(place).temperature,
        lambda place, decidegrees: _gas(place).set_temperature(decidegrees),
        "0.1 degC",
        -1000,
        1000,
        free=-0x8000,
        release=lambda place: _gas(place).set_temperature(None),
    ),
    Point(
        "attenuation",
        Table.HOLDING,
        3,
        Form.U16,
        _ALL,
        "attenuator between HAN radio and antenna",
        lambda place: place.aerial.attenuation,
        _set_attenuation,
        "dB",
        most=120,
        needs="han",
    ),
    _counter("energy_import", 0, ELECTRICITY, "energy imported", "Wh", _register(IMPORT)),
    _counter("energy_export", 2, ELECTRICITY, "energy exported", "Wh", _register(EXPORT)),
    _counter("pulses", 4, ELECTRICITY, "flashes of the metering LED, 1,000 imp/kWh", "imp", _count_pulses),
    _counter(
        "power",
        6,
        ELECTRICITY,
        "active power through the meter, negative: exported",
        "W",
        lambda place: _whole(_electricity(place).power),
        Form.I32,
    ),
    _counter("volume", 0, GAS, "volume, as of the last wake-up", "dm3", _register(IMPORT)),
    _counter("energy", 2, GAS, "energy of the gas, as of the last wake-up", "Wh", lambda place: _gas(place).energy),
    _counter("flow", 4, GAS, "flow through the meter, as of the last wake-up", "l/h", lambda place: _gas(place).flow),
    _counter(
        "battery_voltage", 6, GAS, "voltage of the battery", "mV", lambda place: _gas(place).battery_voltage, Form.U16
    ),
    _counter("alarm_register", 8, _ALL, "alarm register", "", lambda place: place.device.alarms),
    Point(
        "display",
        Table.INPUT,
        BLOCK - TEXT_REGISTERS,
        Form.TEXT,
        (*_METERS, *DISPLAY),
        "what the display shows, ISO 8859-1, lines apart by 10, filled up with 0; empty while it is off",
        lambda place: desk.front_of(place.device).text(),
        needs="front",
    ),
)
"""Every point of every kind of device."""


@lru_cache(maxsize=64)
def points_of(fitted: Fitted) -> tuple[Point, ...]:
    """The points that a device has, in the order of the table."""
    return tuple(point for point in POINTS if point.at(fitted))


@lru_cache(maxsize=64)
def block(fitted: Fitted) -> dict[tuple[Table, int], tuple[Point, int]]:
    """The block of a device: point and number of its register by table and offset."""
    return {
        (point.table, point.offset + word): (point, word)
        for point in points_of(fitted)
        for word in range(point.form.words)
    }
