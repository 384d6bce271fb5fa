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

from emulator.battery import EMPTY, LOW, Battery
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

    from emulator.events import EventName
    from emulator.ports import Stack

CALORIFIC_VALUE = 395_000
"""Calorific value before a client sets one, 1e-4 MJ/m3: 39.5 MJ/m3, about the British average."""
CORRECTION_FACTOR = 102_264
"""Volume correction before a client sets one, 1e-5: the statutory 1.02264 for temperature and pressure."""

_CONVERSION = 3_600_000_000  # dm3 times 1e-4 MJ/m3 times 1e-5 in one Wh
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
        "_battery_event",
        "_energy",
        "_in_touch",
        "_oversleeps",
        "_phase",
        "_temperature",
        "_volume",
        "battery",
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
        self.battery = Battery(self._sleep.battery_life_days * DAY, installed_at)
        self._battery_event: Event | None = None
        self._mind_battery()
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
            if self.metering.wrong is not None:
                self._forget_what_is_over()

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
        self.next_wake_up = (
            NEVER if self._oversleeps or self.hung else instant - (instant - self._phase) % period + period
        )
        for call in list(self.rescheduled):
            call()

    def _later(self, duration: int, call: Callable[[], None]) -> None:
        def awake() -> None:
            self.wake_up()
            call()

        super()._later(duration, awake)

    def _stop_firmware(self) -> None:
        super()._stop_firmware()
        self._wait_from(self.time)

    def _boot(self) -> None:
        stood = self.hung
        super()._boot()
        if stood and self._in_touch:
            self._wait_from(self.ready_at)

    # --- battery

    def power_off(self) -> None:
        """Take the battery out."""
        self.wake_up()
        super().power_off()
        self.next_wake_up = NEVER

    def power_on(self) -> None:
        """Put the battery back in; one that is dead does nothing."""
        if not self.mains and not self.battery_dead:
            self.settle_to(self.clock.now)
            super().power_on()
            self.last_wake_up = self.time
            if self._in_touch:
                self._wait_from(self.ready_at)

    def still(self) -> GasMeter:
        """A copy of the meter as it was at its last wake-up, with its rows, in which nothing happens any more.

        Keys, counters and chance are the meter's own: who talks to the one has talked to the other.
        """
        self.settle()
        self.materialise()
        load = self.metering.load
        copy = GasMeter(self.firmware, self.identity, Clock(self.time), self.seed, self.ring, self.installed_at, load)
        copy.restore({name: Saved(name, image) for name, image in self.parts().items()})
        copy.use_battery(self.battery_age, 1)
        for name, buffer in self._buffers.items():
            copy.buffer(name).restore(Saved(name, buffer.image()))
        for index in range(len(self.firmware.model.associations)):
            self.security(index)
        copy._security, copy._chance = self._security, self.chance
        return copy

    def replace_battery(self) -> None:
        """A new battery: its life begins anew, and a meter whose battery was dead starts."""
        self.wake_up()
        dead = not self.mains and self.battery_dead
        self.use_battery(0, self.battery.drain)
        if dead:
            self.power_on()
        self.record("battery_replaced")

    def use_battery(self, used: int, drain: int, spared: int = 0) -> None:
        """So much of the battery's life (ns) is used up, and from now on it goes ``drain`` times as fast.

        ``spared`` is what the non-volatile memory is to know nothing of.
        """
        now, battery = self.clock.now, self.battery
        was_low = battery.voltage(now) <= LOW
        battery.use(now, used, drain)
        battery.spared = spared
        self._mind_battery(EMPTY if was_low and battery.voltage(now) <= LOW else LOW)

    def _mind_battery(self, below: int = LOW) -> None:
        """Be there when its voltage has fallen to that."""
        if self._battery_event is not None:
            self._battery_event.cancel()
        call = self._is_low if below == LOW else self._dies
        self._battery_event = self.clock.schedule(self.battery.reaches(below), call)

    def _is_low(self) -> None:
        if self.mains:
            self.wake_up()
            self.record("battery_low")
        self._mind_battery(EMPTY)

    def _dies(self) -> None:
        """The battery is empty: the meter is silent until it has another one."""
        self._battery_event = None
        if self.mains:
            self.power_off()

    @property
    def battery_dead(self) -> bool:
        """Whether the battery is empty."""
        return self.battery.used(self.clock.now) >= self.battery.life

    @property
    def battery_age(self) -> int:
        """How much of the battery's life is used up, ns: how long it has been in use, unless something drains it."""
        return self.battery.used(self.time)

    @property
    def battery_days(self) -> int:
        """Days of the battery's life that are left."""
        return max(0, self._sleep.battery_life_days - self.battery_age // DAY)

    @property
    def battery_voltage(self) -> int:
        """Voltage of the battery, mV: it falls evenly over the battery's life."""
        return self.battery.voltage(self.time)

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
            "battery_at": self.time - self.battery_age + self.battery.spared,
        }
        return parts

    def restore(self, parts: Mapping[str, Saved]) -> None:
        super().restore(parts)
        gas = parts["gas"]
        self._energy, self._volume = gas.number("energy"), gas.number("volume")
        self.calorific_value = gas.number("calorific_value")
        self.correction_factor = gas.number("correction_factor")
        age = max(0, self.time - gas.number("battery_at"))
        self.battery.use(self.time, age + self.battery.spared, self.battery.drain)
        low = self.battery.reaches(LOW) <= self.time  # that has been logged
        self._mind_battery(EMPTY if low else LOW)
        self.last_wake_up = self.time

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

    @property
    def _drawn(self) -> Load:
        load = self.metering.drawn
        return load.parts[-1][1] if isinstance(load, Successive) else load

    def _forget_what_is_over(self) -> None:
        """Of loads that a fault has changed during sleep keep but the present ones, once the meter has come to them."""
        metering = self.metering
        loads = [load for load in (metering.load, metering.drawn) if isinstance(load, Successive)]
        if loads and all(load.parts[-1][0] <= self.time for load in loads):
            self.begin_change()
            super()._use(self._drawn)

    def _use(self, load: Load) -> None:
        """From now on, while the meter's present may be its last wake-up."""
        metering, now, settled = self.metering, self.clock.now, self.time
        if now == settled:
            super()._use(load)
            return
        drawn, counted = Successive.changed(metering.drawn, load, now, settled), self._counting(load)
        if counted is load and metering.load is metering.drawn:
            metering.use(drawn, drawn)
        else:
            metering.use(Successive.changed(metering.load, counted, now, settled), drawn)

    @property
    def flow(self) -> int:
        """Cubic decimetres an hour."""
        return self.metering.rate(self.time) // MICRO

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

    def notice(self, event: EventName) -> None:
        if self._notices():
            super().notice(event)

    def close_armed(self) -> bool:
        """Open a valve that is armed, if the valve test finds nothing open behind it.

        The test lets gas in for ``valve_test`` of the profile; more than its flow means an open tap, and the valve is
        shut again and stays armed.
        """
        if self.mains:
            self.wake_up()
        opened = not self.switch.closed and super().close_armed()
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
