"""The gas meter: volume, energy, valve and battery of a device that sleeps.

It wakes up every ``sleep.wake_up_period`` to exchange with its hub, each meter at its own moment in the period. In
between nobody can look at it: :meth:`GasMeter.settle` brings it to its last wake-up, and that is what the hub's mirror
shows. What makes it act by itself (a command on delivery, the end of a firmware verification, its battery being taken
out) wakes it up too. Metering goes on all the time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from emulator.cosem.model import DeviceKind, Quantity
from emulator.device import NEVER, Cover, Identity
from emulator.firmware import FirmwareProfile, SleepSettings
from emulator.load import MICRO, UNIT, Load
from emulator.meter import (
    METER_COMPONENT_FAMILIES,
    METER_COMPONENTS,
    METER_QUANTITIES,
    Meter,
    interval_quantity,
    rate_family,
    register_quantity,
)
from emulator.metering import IMPORT
from emulator.nvm import Image, Saved
from emulator.quantities import COMPONENT_FAMILIES, COMPONENTS, QUANTITIES, QUANTITY_FAMILIES
from emulator.security import KeyRing
from emulator.supply import Cause, Way
from emulator.time import DAY, HOUR, SECOND, Clock, Event, stream
from protocols.dlms.objects import AccessRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator.ports import Stack

CALORIFIC_VALUE = 395_000
"""Calorific value before a client sets one, 1e-4 MJ/m3: 39.5 MJ/m3, about the British average."""
CORRECTION_FACTOR = 102_264
"""Volume correction before a client sets one, 1e-5: the statutory 1.02264 for temperature and pressure."""

_CONVERSION = 3_600_000_000  # dm3 times 1e-4 MJ/m3 times 1e-5 in one Wh
_FULL_MV, _EMPTY_MV = 3_650, 3_100
_LOW_MV = 3_200
_TEMPERATURE = 110  # tenths of a degree: the yearly mean of an outside meter box
_SEASONAL_SWING, _DAILY_SWING = 70, 30
_YEAR = 365 * DAY + DAY // 4
_COLDEST = 20 * DAY  # into the year
_COLDEST_HOUR = 5 * HOUR
_SLEEPLESS = SleepSettings(30 * 60 * SECOND, 3650)


class Successive:
    """One load after another: what a meter draws whose load changed while it slept."""

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[tuple[int, Load], ...]) -> None:
        """``parts`` are loads and the instants at which they begin, in order; the first one's does not matter."""
        self.parts = parts

    @classmethod
    def changed(cls, before: Load, after: Load, at: int, settled: int) -> Successive:
        """``before`` until ``at``, then ``after``; of what was over at ``settled`` nothing is kept."""
        parts = before.parts if isinstance(before, Successive) else ((settled, before),)
        begins = [begin for begin, _ in parts[1:]]
        over = sum(begin <= settled for begin in begins)
        return cls((*parts[over:], (at, after)))

    def imported(self, t: int) -> int:
        amount = 0
        for number, (begin, load) in enumerate(self.parts):
            end = self.parts[number + 1][0] if number + 1 < len(self.parts) else NEVER
            amount += load.imported(min(t, end)) - (load.imported(begin) if number else 0)
            if t <= end:
                break
        return amount

    def exported(self, t: int) -> int:
        return 0

    def rate(self, t: int) -> int:
        return self._at(t)[1].rate(t)

    def next_change(self, t: int) -> int | None:
        number, load = self._at(t)
        change = load.next_change(t)
        if number + 1 == len(self.parts):
            return change
        end = self.parts[number + 1][0]
        return end if change is None else min(change, end)

    def _at(self, t: int) -> tuple[int, Load]:
        number = max(0, sum(begin <= t for begin, _ in self.parts[1:]))
        return number, self.parts[number][1]


class GasMeter(Meter):
    """A gas meter behind a hub; ``time`` is that of its last wake-up."""

    __slots__ = (
        "_battery_at",
        "_battery_low",
        "_energy",
        "_in_touch",
        "_oversleeps",
        "_phase",
        "_temperature",
        "_volume",
        "calorific_value",
        "correction_factor",
        "last_wake_up",
        "next_wake_up",
        "open_tap",
        "rescheduled",
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
        self.calorific_value = CALORIFIC_VALUE
        self.correction_factor = CORRECTION_FACTOR
        self._energy = self._volume = 0
        super().__init__(firmware, identity, clock, seed, ring, installed_at, load)
        self._phase = stream(seed, identity.device_id, "wake-up").randrange(self._sleep.wake_up_period)
        self.rescheduled: list[Callable[[], None]] = []
        """Called when ``next_wake_up`` has become another than the period gives."""
        self._in_touch = True
        self._oversleeps = False
        self.next_wake_up = NEVER
        """Rig instant at which it will wake up by itself, NEVER without battery or while its hub cannot be reached."""
        self._wait_from(clock.now)
        self.last_wake_up = self.next_wake_up - self._sleep.wake_up_period
        """Rig instant at which it was last awake, ns."""
        self.open_tap = 0
        """What flows through an appliance that is open while nobody watches it, dm3 an hour: the valve test sees it."""
        self._battery_at = installed_at
        self._battery_low = self._expect_low_battery()
        self._temperature: int | None = None

    # --- sleep

    @property
    def _sleep(self) -> SleepSettings:
        return self.firmware.sleep or _SLEEPLESS

    def settle(self) -> None:
        """Bring the meter to its last wake-up."""
        if self._settling:
            return
        now = self.clock.now
        if now >= self.next_wake_up:
            period = self._sleep.wake_up_period
            self.last_wake_up = now - (now - self._phase) % period
            self.next_wake_up = self.last_wake_up + period
        if self.time < self.last_wake_up:
            self.settle_to(self.last_wake_up)

    def wake_up(self) -> None:
        """Wake up out of turn: it is brought to the present, and its hub hears."""
        self.settle()
        self.last_wake_up = self.clock.now
        self.settle_to(self.clock.now)

    def lose_hub(self) -> None:
        """The hub cannot be reached: until it can, the mirror shows what it heard last."""
        self.settle()
        self._in_touch = False
        self.next_wake_up = NEVER

    def find_hub(self, ready_at: int) -> None:
        """The hub can be reached from rig instant ``ready_at`` on: the next wake-up after that is heard."""
        self._in_touch = True
        if self.mains:
            self._wait_from(max(ready_at, self.clock.now))

    def oversleep(self, oversleeps: bool) -> None:
        """Do not wake up by itself any more, or wake up as before."""
        self.settle()
        self._oversleeps = oversleeps
        if self.mains and self._in_touch:
            self._wait_from(max(self.ready_at, self.clock.now))

    def _wait_from(self, instant: int) -> None:
        period = self._sleep.wake_up_period
        self.next_wake_up = NEVER if self._oversleeps else instant - (instant - self._phase) % period + period
        for call in list(self.rescheduled):
            call()

    def _later(self, duration: int, call: Callable[[], None]) -> None:
        def awake() -> None:
            self.wake_up()
            call()

        super()._later(duration, awake)

    # --- battery

    def power_off(self) -> None:
        """Take the battery out."""
        self.wake_up()
        super().power_off()
        self.next_wake_up = NEVER

    def power_on(self) -> None:
        """Put the battery back in."""
        if not self.mains:
            self.settle_to(self.clock.now)
            super().power_on()
            self.last_wake_up = self.time
            if self._in_touch:
                self._wait_from(self.ready_at)

    def replace_battery(self) -> None:
        """A new battery: its life begins anew."""
        self.wake_up()
        self._battery_at = self.time
        self._battery_low.cancel()
        self._battery_low = self._expect_low_battery()
        self.record("battery_replaced")

    def _expect_low_battery(self) -> Event:
        life = self._sleep.battery_life_days * DAY
        low_after = life * (_FULL_MV - _LOW_MV) // (_FULL_MV - _EMPTY_MV)
        return self.clock.schedule(self._battery_at + low_after, self._is_low)

    def _is_low(self) -> None:
        self.wake_up()
        self.record("battery_low")

    @property
    def battery_age(self) -> int:
        """How long the battery has been in use, ns."""
        return self.time - self._battery_at

    @property
    def battery_days(self) -> int:
        """Days of the battery's life that are left."""
        return max(0, self._sleep.battery_life_days - self.battery_age // DAY)

    @property
    def battery_voltage(self) -> int:
        """Voltage of the battery, mV: it falls evenly over the battery's life."""
        used = min(self.battery_age, self._sleep.battery_life_days * DAY)
        return _FULL_MV - used * (_FULL_MV - _EMPTY_MV) // (self._sleep.battery_life_days * DAY)

    # --- non-volatile memory

    def snapshot_at(self, instant: int) -> int:
        """At a wake-up, as nothing that can be looked at changes in between: the last one by then, else the next."""
        period = self._sleep.wake_up_period
        last = instant - (instant - self._phase) % period
        return last if last > self.clock.now else last + period

    def parts(self) -> dict[str, Image]:
        """Those of a meter, what energy is worked out with, and how old the battery is."""
        parts = super().parts()
        parts["gas"] = {
            "energy": self._energy,
            "volume": self._volume,
            "calorific_value": self.calorific_value,
            "correction_factor": self.correction_factor,
            "battery_at": self._battery_at,
        }
        return parts

    def restore(self, parts: Mapping[str, Saved]) -> None:
        super().restore(parts)
        gas = parts["gas"]
        self._energy, self._volume = gas.number("energy"), gas.number("volume")
        self.calorific_value = gas.number("calorific_value")
        self.correction_factor = gas.number("correction_factor")
        self._battery_at = gas.number("battery_at")
        self.last_wake_up = self.time
        self._battery_low.cancel()
        low = self._expect_low_battery()
        if low.due <= self.time:
            low.cancel()  # that has been logged
        self._battery_low = low

    # --- covers: opening one wakes the meter up, unless its battery is out, when nobody notices

    def open_cover(self, cover: Cover = Cover.METER) -> None:
        if self._notices():
            super().open_cover(cover)
        else:
            self.open_covers |= {cover}

    def close_cover(self, cover: Cover = Cover.METER) -> None:
        if self._notices():
            super().close_cover(cover)
        else:
            self.open_covers -= {cover}

    def _notices(self) -> bool:
        if self.mains:
            self.wake_up()
        return self.mains

    # --- gas

    def set_load(self, load: Load) -> None:
        """Draw another load from now on, whether the meter is awake or not."""
        self.settle()
        self.begin_change()
        self.metering.use(Successive.changed(self.metering.load, load, self.clock.now, self.time))
        self.money_changed()

    @property
    def flow(self) -> int:
        """Cubic decimetres an hour."""
        metering = self.metering
        return metering.load.rate(self.time) // MICRO if metering.flowing else 0

    @property
    def energy(self) -> int:
        """Wh since it was installed: volume times calorific value times correction, each with what held at its time."""
        return self.consumed(self.time) // (UNIT * _CONVERSION)

    def convert_by(self, calorific_value: int, correction_factor: int) -> None:
        """Work out energy from now on with these (1e-4 MJ/m3, 1e-5)."""
        self.materialise()
        self._energy = self.consumed(self.time)
        self._volume = self.metering.imported(self.time)
        self.calorific_value, self.correction_factor = calorific_value, correction_factor
        self.money_changed()

    # --- money

    charged_by = "energy"

    @property
    def consumption_unit(self) -> int:
        return UNIT * _CONVERSION

    def consumed(self, t: int) -> int:
        """Energy until rig instant ``t``, exact, by the conversion that holds now."""
        volume = self.metering.imported(t) - self._volume
        return self._energy + volume * self.calorific_value * self.correction_factor

    def attend(self) -> None:
        self.wake_up()

    def press_button(self) -> bool:
        """The button at the meter: opens a valve that is armed, if the valve test finds nothing open behind it.

        The test lets gas in for ``valve_test`` of the profile; more than its flow means an open tap, and the valve is
        shut again and stays armed.
        """
        if self.mains:
            self.wake_up()
        opened = not self.switch.closed and super().press_button()
        prepayment = self.firmware.prepayment
        if opened and prepayment and self.open_tap > prepayment.valve_test_flow:
            self.clock.schedule(self.clock.now + prepayment.valve_test, self._fail_valve_test)
        return self.switch.closed

    def _fail_valve_test(self) -> None:
        self.wake_up()
        if self.switch.closed:
            self.record("valve_test_failed")
            with suppress(AccessRefused):
                self.switch.disconnect(Way.LOCAL, Cause.TEST)
                self.switch.release(Cause.TEST)

    @property
    def temperature(self) -> int:
        """Of the gas, tenths of a degree Celsius: by the season and the time of day, the same for all meters."""
        if self._temperature is not None:
            return self._temperature
        season = _wave(self.time - _COLDEST, _YEAR, _SEASONAL_SWING)
        return _TEMPERATURE + season + _wave(self.time - _COLDEST_HOUR, DAY, _DAILY_SWING)

    def set_temperature(self, decidegrees: int | None) -> None:
        """Hold the temperature of the gas, or let it go with the season again.

        In tenths of a degree Celsius, -1000 to 1000; ValueError for another.
        """
        if decidegrees is not None and not -1000 <= decidegrees <= 1000:
            raise ValueError(f"a temperature of {decidegrees} tenths of a degree: -1000 to 1000")
        self.settle()
        self.materialise()
        self._temperature = decidegrees

    @property
    def stacks(self) -> Mapping[str, Callable[[], Stack]]:
        """It has no port of its own."""
        return {}


def _wave(t: int, period: int, swing: int) -> int:
    """From -swing at ``t`` = 0 to +swing half a period later and back, in straight lines."""
    phase = t % period
    return swing * 4 * min(phase, period - phase) // period - swing


GAS = DeviceKind(
    "gas meter",
    quantities={
        **QUANTITIES,
        **METER_QUANTITIES,
        "volume": register_quantity(IMPORT),
        "interval.volume": interval_quantity(IMPORT),
        "flow": Quantity("u32", lambda meter: meter.flow),
        "energy": Quantity("u32", lambda meter: meter.energy & 0xFFFF_FFFF),
        "calorific_value": Quantity(
            "u32",
            lambda meter: meter.calorific_value,
            lambda meter, value: meter.convert_by(value, meter.correction_factor),
        ),
        "correction_factor": Quantity(
            "u32",
            lambda meter: meter.correction_factor,
            lambda meter, value: meter.convert_by(meter.calorific_value, value),
        ),
        "temperature": Quantity("i16", lambda meter: meter.temperature),
        "battery.days": Quantity("u16", lambda meter: min(meter.battery_days, 0xFFFF)),
        "battery.hours_used": Quantity("u32", lambda meter: meter.battery_age // HOUR),
        "battery.voltage": Quantity("u16", lambda meter: meter.battery_voltage),
    },
    quantity_families={**QUANTITY_FAMILIES, "volume.tou": rate_family},
    components={**COMPONENTS, **METER_COMPONENTS},
    component_families={**COMPONENT_FAMILIES, **METER_COMPONENT_FAMILIES},
)
"""What a gas meter's profile can put behind its objects."""
