"""The electricity meter (ESME): energy, demand, instantaneous values, load limiter, local ports."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from math import isqrt
from random import Random

from emulator.cosem.model import DeviceKind, Quantity
from emulator.demand import Demand
from emulator.device import Identity
from emulator.firmware import FirmwareProfile
from emulator.load import MICRO, SLOT, Load
from emulator.logical_device import LogicalDevice
from emulator.meter import (
    METER_COMPONENT_FAMILIES,
    METER_COMPONENTS,
    METER_QUANTITIES,
    Meter,
    interval_quantity,
    rate_family,
    register_quantity,
)
from emulator.metering import EXPORT, IMPORT, REACTIVE_EXPORT, REACTIVE_IMPORT
from emulator.monitors import MONITOR_CLASS, NO_TABLE, RegisterMonitor, integers
from emulator.nvm import Image, Saved
from emulator.optical import OpticalStack
from emulator.ports import HdlcStack, Stack, Transport, WrapperStack
from emulator.quantities import COMPONENT_FAMILIES, COMPONENTS, QUANTITIES, QUANTITY_FAMILIES, logical_device_name
from emulator.security import KeyRing
from emulator.supply import ACTIONS, LIMITER_CLASS, Cause, Crossing, LoadLimiter, Way
from emulator.time import MINUTE, Clock, Event, stream
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import parse_type

MANAGEMENT = 1
"""Server SAP of the meter's one logical device on its own ports."""
_UNDER_VOLTAGE = b"\x00\x01" + obis.parse("1-0:32.31.0") + b"\x02"
_OVER_VOLTAGE = b"\x00\x01" + obis.parse("1-0:32.35.0") + b"\x02"
_MOST = 0xFFFF_FFFF
_DEFAULT_UNDER, _DEFAULT_OVER = 2000, 2640
_GRID_SLOTS = 4999
_LOOK = MINUTE  # how often monitors look at values that change between steps of the load
_actions_type, _monitored_type = parse_type(ACTIONS), parse_type("st{u16,oct6,i8}")


class ElectricityMeter(Meter):
    """A single-phase electricity meter."""

    __slots__ = (
        "_event",
        "_limiter",
        "_logical",
        "_monitors",
        "_voltage",
        "_voltage_offset",
        "_voltage_phase",
        "over_voltage_count",
        "under_voltage_count",
    )

    def __init__(
        self,
        firmware: FirmwareProfile,
        identity: Identity,
        clock: Clock,
        seed: int,
        ring: KeyRing,
        installed_at: int,
        load: Load,
    ) -> None:
        """Its reactive power (tan phi 0.15 to 0.35) and its place in the network's voltage come from the seed."""
        chance = stream(seed, identity.device_id, "network")
        super().__init__(firmware, identity, clock, seed, ring, installed_at, load, chance.randint(150, 350))
        self._voltage_offset = chance.randint(-4000, 4000)
        self._voltage_phase = chance.randrange(_GRID_SLOTS)
        self._voltage: int | None = None
        self.under_voltage_count = 0
        self.over_voltage_count = 0
        self._limiter: LoadLimiter | None = None
        self._monitors: dict[bytes, RegisterMonitor] = {}
        self._event: Event | None = None
        self._logical: LogicalDevice | None = None
        if firmware.supply and firmware.supply.limit:
            self.reconsider()

    # --- ports

    @property
    def served(self) -> Mapping[int, LogicalDevice]:
        """Its logical device by server SAP, as on its own ports."""
        if self._logical is None:
            self._logical = LogicalDevice(self)
        return {MANAGEMENT: self._logical}

    @property
    def stacks(self) -> Mapping[str, Callable[[], Stack]]:
        """The ports: optical, and a local one on TCP and UDP; each call makes the stack of a line or connection."""
        served = self.served
        stacks: dict[str, Callable[[], Stack]] = {
            "local-tcp": lambda: WrapperStack(self, served, Transport.TCP),
            "local-udp": lambda: WrapperStack(self, served, Transport.UDP),
        }
        local, optical = self.firmware.local, self.firmware.optical
        if local is not None:
            stacks["optical"] = (
                (lambda: OpticalStack(self, served, local, optical))
                if optical is not None
                else (lambda: HdlcStack(self, served, local))
            )
        return stacks

    # --- instantaneous values

    @property
    def power(self) -> int:
        """Active power of the present in uW, negative when it flows out."""
        return self.metering.rate(self.time)

    @property
    def voltage(self) -> int:
        """RMS voltage of the present, mV: the half hour's level and a ripple of 0.4 V that comes to nothing over it."""
        if not self.mains:
            return 0
        if (held := self._held) is not None:
            return held
        return self._level(self.time // SLOT) + _RIPPLE[self.time // MINUTE % len(_RIPPLE)]

    @property
    def average_voltage(self) -> int:
        """Average RMS voltage of the last complete interval, mV."""
        if (held := self._held) is not None:
            return held
        return self._level((self.time - SLOT // 2) // SLOT)

    @property
    def _held(self) -> int | None:
        """What holds the voltage, mV: what is wrong with it before what was set."""
        wrong = self.metering.wrong
        return self._voltage if wrong is None or not wrong.voltages else wrong.voltages[-1][1]

    def _level(self, slot: int) -> int:
        return _grid()[(slot + self._voltage_phase) % _GRID_SLOTS] + self._voltage_offset

    @property
    def current(self) -> int:
        """RMS current of the present, mA: apparent power over voltage."""
        voltage = self.voltage
        return abs(self.power) * self._apparent // (1000 * voltage) if voltage else 0

    @property
    def _apparent(self) -> int:
        """Apparent power in thousandths of active power."""
        return isqrt(1_000_000 + self.metering.reactive**2)

    @property
    def power_factor(self) -> int:
        """Thousandths; 1000 without a load."""
        return 1_000_000 // self._apparent if self.power else 1000

    @property
    def frequency(self) -> int:
        """Hundredths of Hz: 50 Hz and what the grid does around it, the same for all meters."""
        return 5000 + _grid()[self.time // MINUTE % _GRID_SLOTS] % 11 - 5 if self.mains else 0

    def set_voltage(self, decivolts: int | None) -> None:
        """Hold the voltage, or let it go with the network again; crossing a threshold is counted and logged.

        In tenths of V, 0 to 6553; ValueError for another.
        """
        if decivolts is not None and not 0 <= decivolts <= 6553:
            raise ValueError(f"a voltage of {decivolts} tenths of V: 0 to 6553")
        with self._voltage_changes():
            self._voltage = None if decivolts is None else decivolts * 100

    def disturb_voltage(self, cause: object, millivolts: int | None) -> None:
        """Let the meter have another voltage for this cause than there would be, or let that be over (None).

        Of several causes the last one holds. A threshold that is crossed is noticed as by :meth:`set_voltage`.
        """
        with self._voltage_changes():
            self.begin_change()
            wrongs = self.metering.wrongs
            others = tuple(each for each in wrongs.voltages if each[0] is not cause)
            voltages = others if millivolts is None else (*others, (cause, millivolts))
            self.metering.go_wrong(replace(wrongs, voltages=voltages))

    @contextmanager
    def _voltage_changes(self) -> Generator[None]:
        self.settle()
        self.materialise()
        low, high = self.setting(_UNDER_VOLTAGE, _DEFAULT_UNDER), self.setting(_OVER_VOLTAGE, _DEFAULT_OVER)
        before = self.voltage // 100
        yield
        after = self.voltage // 100
        if after < low <= before:
            self.under_voltage_count += 1
            self.record("voltage_low")
        elif after > high >= before:
            self.over_voltage_count += 1
            self.record("voltage_high")
        elif low <= after <= high and not low <= before <= high:
            self.record("voltage_normal")

    # --- limiter and monitors

    @property
    def limiter(self) -> LoadLimiter:
        """The load limiter."""
        if self._limiter is None:
            supply = self.firmware.supply
            self._limiter = (
                LoadLimiter(supply.limit, supply.min_over, supply.min_under) if supply else LoadLimiter(0, 0, 0)
            )
        return self._limiter

    @property
    def limited(self) -> bool:
        return self.limiter.acting

    def changed(self) -> None:
        super().changed()
        self.reconsider()

    def supply_switched(self, closed: bool) -> None:
        self.reconsider()

    def clock_moved(self) -> None:
        super().clock_moved()
        self.reconsider()

    def reconsider(self) -> None:
        """Look at limiter and monitors at the next advance of the rig's clock; at nothing while nothing is watched."""
        if self._event is not None:
            self._event.cancel()
            self._event = None
        if self.mains and (self.limiter.watching or any(True for _ in self._watched())):
            self._event = self.clock.schedule(self.clock.now, self._look)

    def _watched(self) -> list[tuple[bytes, bytes]]:
        """Monitors that have thresholds: their class and logical name, and the encoded thresholds."""
        prefix = MONITOR_CLASS.to_bytes(2, "big")
        found: list[tuple[bytes, bytes]] = []
        for item in self.firmware.model.by_class.get(MONITOR_CLASS, ()):
            thresholds = self.internal.read(prefix + item.logical_name + b"\x02")
            if not item.source and integers(thresholds):
                found.append((prefix + item.logical_name, thresholds))
        return found

    def _look(self) -> None:
        """Act on what the load is now, and come again when it may be another."""
        self._event = None
        self.settle()
        limiter, now = self.limiter, self.time
        crossing = limiter.observe(now, self.utc, max(self.power, 0) // MICRO)
        if crossing is not None:
            self._limit(crossing)
        watched = self._watched()
        for key, thresholds in watched:
            self._observe(key, thresholds)
        if self._event is not None:  # something was switched, which looks again at once
            return
        times = [limiter.due, self._rig_of(limiter.next_turn(self.utc)), now + _LOOK if watched else None]
        if (limiter.watching or watched) and self.metering.flowing:
            times.append(self.metering.load.next_change(now))
        ahead = [at for at in times if at is not None and at > now]
        if ahead:
            self._event = self.clock.schedule(min(ahead), self._look)

    def _rig_of(self, utc: int | None) -> int | None:
        return None if utc is None else self.device_clock.rig(utc)

    def _limit(self, crossing: Crossing) -> None:
        """Run the limiter's script for a crossing; without one open the supply, and arm it once the time is over."""
        table, selector = self._limiter_action(crossing)
        if table != NO_TABLE:
            self.run_script(table, selector)
        elif crossing is Crossing.OVER:
            self._trip()
        else:
            self.switch.release(Cause.LIMIT)
        if crossing is Crossing.OVER:
            self.record("supply_limited")

    def _trip(self) -> None:
        try:
            self.switch.disconnect(Way.LOCAL, Cause.LIMIT)
        except AccessRefused:
            return  # a control mode that knows no local disconnection

    def _limiter_action(self, crossing: Crossing) -> tuple[bytes, int]:
        items = self.firmware.model.by_class.get(LIMITER_CLASS)
        if not items:
            return NO_TABLE, 0
        encoded = self.internal.read(LIMITER_CLASS.to_bytes(2, "big") + items[0].logical_name + b"\x0b")
        over, under = _actions_type.decode(axdr.decode_all(encoded))
        table, selector = over if crossing is Crossing.OVER else under
        return table, selector

    def _observe(self, key: bytes, thresholds: bytes) -> None:
        class_id, logical_name, index = _monitored_type.decode(axdr.decode_all(self.internal.read(key + b"\x03")))
        descriptor = class_id.to_bytes(2, "big") + logical_name + bytes((index & 0xFF,))
        try:
            value = self.internal.read(descriptor)
        except AccessRefused:
            return
        monitor = self._monitors.setdefault(key, RegisterMonitor())
        for table, selector in monitor.observe(value, thresholds, self.internal.read(key + b"\x04")):
            self.run_script(table, selector)

    # --- non-volatile memory

    def parts(self) -> dict[str, Image]:
        """Those of a meter, the counts of voltages out of range, and what the limiter is set to."""
        parts = super().parts()
        parts["voltage"] = {"under": self.under_voltage_count, "over": self.over_voltage_count}
        if self._limiter is not None:
            parts["limiter"] = self._limiter.image()
        return parts

    def restore(self, parts: Mapping[str, Saved]) -> None:
        super().restore(parts)
        counts = parts["voltage"]
        self.under_voltage_count, self.over_voltage_count = counts.number("under"), counts.number("over")
        if "limiter" in parts:
            self.limiter.restore(parts["limiter"])

    # --- demand

    def demand_of(self, member: str) -> Demand:
        """The demand of a quantity; AccessRefused(object-unavailable) for another than ``import``."""
        if member != "import" or self.demand is None:
            raise AccessRefused(DataAccessResult.OBJECT_UNAVAILABLE)
        return self.demand


_RIPPLE = (0, 200, 400, 200, 0, -200, -400, -200, 0, 0)
"""mV, minute by minute; it divides a half hour and adds up to nothing."""


@cache
def _grid() -> array[int]:
    """The voltage of an average connection in mV, half hour by half hour: a walk between 236 and 248 V."""
    chance = Random("network voltage")
    levels = array("l")
    level = 242_000
    for _ in range(_GRID_SLOTS):
        level = min(248_000, max(236_000, level + chance.randint(-900, 900)))
        levels.append(level)
    return levels


def _demand(meter: ElectricityMeter, member: str) -> Demand:
    return meter.demand_of(member)


def _limiter(meter: ElectricityMeter) -> LoadLimiter:
    return meter.limiter


def _power_import(meter: ElectricityMeter) -> int:
    return min(max(meter.power, 0) // MICRO, _MOST)


def _power_export(meter: ElectricityMeter) -> int:
    return min(max(-meter.power, 0) // MICRO, _MOST)


ELECTRICITY = DeviceKind(
    "electricity meter",
    quantities={
        **QUANTITIES,
        **METER_QUANTITIES,
        "sap_assignment": Quantity("arr st{u16,oct}", lambda meter: [[MANAGEMENT, logical_device_name(meter)]]),
        "energy.import": register_quantity(IMPORT),
        "energy.export": register_quantity(EXPORT),
        "energy.reactive_import": register_quantity(REACTIVE_IMPORT),
        "energy.reactive_export": register_quantity(REACTIVE_EXPORT),
        "interval.import": interval_quantity(IMPORT),
        "interval.export": interval_quantity(EXPORT),
        "interval.reactive_import": interval_quantity(REACTIVE_IMPORT),
        "interval.reactive_export": interval_quantity(REACTIVE_EXPORT),
        "power.import": Quantity("u32", _power_import),
        "power.export": Quantity("u32", _power_export),
        "voltage": Quantity("u16", lambda meter: meter.voltage // 100),
        "voltage.average": Quantity("u16", lambda meter: meter.average_voltage // 100),
        "voltage.under_count": Quantity("u16", lambda meter: meter.under_voltage_count & 0xFFFF),
        "voltage.over_count": Quantity("u16", lambda meter: meter.over_voltage_count & 0xFFFF),
        "current": Quantity("u32", lambda meter: min(meter.current, _MOST)),
        "power_factor": Quantity("u16", lambda meter: meter.power_factor),
        "frequency": Quantity("u16", lambda meter: meter.frequency),
    },
    quantity_families={**QUANTITY_FAMILIES, "energy.import.tou": rate_family},
    components={
        **COMPONENTS,
        **METER_COMPONENTS,
        "limiter": _limiter,
    },
    component_families={**COMPONENT_FAMILIES, **METER_COMPONENT_FAMILIES, "demand": _demand, "maximum": _demand},
)
"""What an electricity meter's profile can put behind its objects."""
