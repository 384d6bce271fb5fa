"""What every device shares: identity, its own clock, stored values, buffers, logs, keys, power and boot.

A device computes its state when it is looked at. :meth:`Device.settle` brings it from the instant it was last looked
at to the present, doing on the way, in order, what had fallen due. Nothing ticks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, NamedTuple, Protocol

from emulator import alarms
from emulator.buffers import Buffer
from emulator.cosem.view import InternalView
from emulator.device_clock import NEVER as NEVER
from emulator.device_clock import DeviceClock
from emulator.events import EventName
from emulator.firmware import FirmwareProfile, Trigger
from emulator.image_transfer import ImageTransfer
from emulator.nvm import Image, Keeper, Saved, encoded
from emulator.security import KeyRing, SecurityState
from emulator.time import DAY, SECOND, Clock, Event, stream
from emulator.troubles import ClockWrites
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.datetime import days_of
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused

if TYPE_CHECKING:
    from emulator.han.message import Application, Port
    from emulator.lines import Lines
    from emulator.taps import Taps
    from emulator.troubles import Feed, Troubles

LAST_TIME = days_of(2100, 1, 1) * DAY
"""Device UTC, ns, that a clock can no longer be set to."""

STATUS_CLOCK_INVALID = 0x02
STATUS_DAYLIGHT_SAVING = 0x08
STATUS_CLOCK_ADJUSTED = 0x20
STATUS_POWER_DOWN = 0x80
"""Bits of the profile status column (AMR profile status of the companion specifications)."""


SHIFT_LIMIT = b"\x00\x01" + obis.parse("1-0:0.9.11") + b"\x02"
"""The clock shift limit, s: a correction within it is an adjustment and leaves no mark on the profile."""


class Cover(Enum):
    """What of a device can be opened."""

    METER = "meter cover"
    TERMINAL = "terminal cover"


_COVER_EVENTS: dict[Cover, tuple[EventName, EventName]] = {
    Cover.METER: ("cover_opened", "cover_closed"),
    Cover.TERMINAL: ("terminal_cover_opened", "terminal_cover_closed"),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a device is.

    ``serial`` is the number on its plate, ``system_title`` 8 octets (3 of the FLAG id and 5 unique), ``eui64`` 8
    octets, ``point`` the MPAN or MPRN, empty for a hub.
    """

    device_id: str
    serial: str
    system_title: bytes
    eui64: bytes
    point: str = ""


class Kept(Protocol):
    """Something beside the device whose state its non-volatile memory holds."""

    def image(self) -> Image: ...

    def restore(self, saved: Saved) -> None: ...


class _Work(NamedTuple):
    """Something that takes a device time, and what comes of it."""

    duration: int
    call: Callable[[], None]
    event: Event


class Device:
    """A powered device with a clock of its own.

    ``time`` is the rig instant that its state belongs to; everything that is read belongs to that instant. ``values``
    holds what clients have set, encoded, by class, logical name and attribute index. ``lines`` are those of its ports,
    once there are any. ``reset`` are called when RAM is lost (power cut, reboot), so that ports can drop links and
    associations; ``observers`` for every event recorded.
    """

    __slots__ = (
        "__weakref__",
        "_buffers",
        "_chance",
        "_image",
        "_security",
        "_settling",
        "_watchdog",
        "_work",
        "alarms",
        "boots",
        "clock",
        "device_clock",
        "errors",
        "event_codes",
        "feed",
        "firmware",
        "hung",
        "identity",
        "installed_at",
        "internal",
        "keeper",
        "kept",
        "lines",
        "mains",
        "observers",
        "open_covers",
        "owed",
        "power_failures",
        "ready_at",
        "reset",
        "ring",
        "seed",
        "started_at",
        "switched_off_at",
        "switched_off_local",
        "taps",
        "time",
        "troubles",
        "uplink",
        "values",
        "version",
    )

    def __init__(
        self, firmware: FirmwareProfile, identity: Identity, clock: Clock, seed: int, ring: KeyRing, installed_at: int
    ) -> None:
        """``installed_at`` is the rig instant, now or in the past, at which the device began to count."""
        self.firmware = firmware
        self.identity = identity
        self.clock = clock
        self.seed = seed
        self.ring = ring
        self.installed_at = installed_at
        self.time = installed_at
        spread = firmware.clock.drift_ppb
        drift = stream(seed, identity.device_id, "drift").randint(-spread, spread)
        self.device_clock = DeviceClock(firmware.clock, drift, clock.now)
        self.values: dict[bytes, bytes] = {}
        self.event_codes: dict[str, int] = {}
        self.errors = self.alarms = 0
        """Error and alarm register, 32 bits each."""
        self.open_covers: frozenset[Cover] = frozenset()
        self.lines: Lines | None = None
        self.taps: Taps | None = None
        """What is laid in the way of its APDUs and objects; see :mod:`emulator.taps`."""
        self.troubles: Troubles | None = None
        """What is wrong with its hardware."""
        self.feed: Feed | None = None
        """What reaches it of mains that are not as they should be."""
        self.hung = False
        """Whether its firmware hangs."""
        self.uplink: Device | None = None
        """The hub through which it is reached."""
        self.keeper: Keeper | None = None
        """What holds it to a non-volatile memory, where it has one."""
        self.owed: Callable[[], None] | None = None
        """What it owes somebody from an instant that is past: to be called before it is brought to the present."""
        self.kept: dict[str, Kept] = {}
        """Parts of its non-volatile memory that belong to somebody else, by name."""
        self.internal = InternalView(self, firmware.model)
        self.reset: list[Callable[[], None]] = []
        self.observers: list[Callable[[str], None]] = []
        self._buffers: dict[str, Buffer] = {}
        self._security: dict[int, SecurityState] = {}
        self._chance: Random | None = None
        self._image: ImageTransfer | None = None
        self._settling = False
        self._work: _Work | None = None
        self._watchdog: Event | None = None
        self.version = firmware.version
        self.mains = True
        self.boots = 1
        self.power_failures = 0
        self.started_at = installed_at
        self.ready_at = installed_at
        self.switched_off_at = 0
        self.switched_off_local = 0

    # --- time

    def settle(self) -> None:
        """Bring the device to the present of the rig's clock."""
        if self.time != self.clock.now and not self._settling:
            if self.owed is not None:
                self.owed()
            self.settle_to(self.clock.now)

    def settle_to(self, instant: int) -> None:
        """Bring the device to a rig instant; one before its present leaves it as it is."""
        if instant > self.time:
            self.time = instant

    def zigbee(self, port: Port) -> Application | None:
        """What it makes of messages over the HAN, which it speaks on by ``port``; None for what its profile says."""
        del port

    def materialise(self) -> None:
        """Make the rows of period, day and month buffers that are due up to :attr:`time`."""

    def changed(self) -> None:
        """A setting that bears on what happens by itself (calendar, schedule, script, monitor) has changed."""

    def begin_change(self, status: int = 0) -> None:
        """Something irregular happens at :attr:`time`: to the clock, the load, the supply, the tariff or the power.

        Call it before the change; what was counted until now stays as it was. ``status`` is or-ed into the status of
        the profile interval that is open.
        """

    def reconsider(self) -> None:
        """The load, or what watches it, has changed: look again at what has to happen without anyone asking."""

    @property
    def utc(self) -> int:
        """What the device's own clock shows, ns of UTC."""
        return self.device_clock.utc(self.time)

    @property
    def local(self) -> int:
        """Local seconds of the device's own clock."""
        return self.device_clock.local(self.time)

    def set_clock(self, utc: int) -> None:
        """Set the device's clock to ``utc`` (ns) at the present.

        A valid clock moved by no more than the shift limit has been adjusted, which is logged and no more; otherwise it
        has been set, and the interval under way is marked. ValueError for a time before 1970 or after 2099, which no
        meter takes for the present, and for a clock that cannot be set.
        """
        if not 0 < utc < LAST_TIME:
            raise ValueError("a clock can be set to the years 1970 to 2099")
        if self.troubles is not None and self.troubles.clock_writes is not ClockWrites.TAKEN:
            if self.troubles.clock_writes is ClockWrites.REFUSED:
                raise ValueError(f"{self.identity.device_id}: its clock takes no time")
            return
        self.settle()
        within = abs(utc - self.utc) <= self.setting(SHIFT_LIMIT, 0) * SECOND
        adjusted = within and not self.device_clock.invalid
        self.begin_change(0 if adjusted else STATUS_CLOCK_ADJUSTED)
        self.device_clock.set(self.time, utc)
        if not adjusted:
            self.clock_jumped()
        self.clock_moved()
        self.record("clock_adjusted" if adjusted else "clock_set")

    def clock_moved(self) -> None:
        """The clock shows another time than it would have: called after each adjustment."""

    def clock_jumped(self) -> None:
        """The clock has been set to another time or had stopped: what was due in between is passed over."""

    @property
    def measuring_period(self) -> int:
        """Seconds between captures, by which adjust_to_measuring_period of class 8 goes."""
        periods = [spec.period for spec in self.firmware.buffers.values() if spec.trigger is Trigger.PERIOD]
        return min(periods, default=1800)

    # --- logs and buffers

    def buffer(self, name: str) -> Buffer:
        """The buffer of that name (``load``, ``daily``, ``standard``, ..); KeyError for one the profile has not."""
        found = self._buffers.get(name)
        if found is None:
            found = self._buffers[name] = Buffer(self, self.firmware.buffers[name])
        return found

    def record(self, event: EventName, *, at_once: bool = False) -> None:
        """Log an event, by the emulator's name of it, in every log whose profile has a code for it.

        Bits of the error and alarm registers that go with it are set and cleared. What is to be told of it is told
        ``at_once``, or when its push setups say.
        """
        self.settle()
        reaction = self.firmware.reactions.get(event)
        if reaction is not None:
            for name, code in reaction.logs:
                self.event_codes[name] = code
                self.buffer(name).append()
            alarms.follow(self, reaction, at_once=at_once)
        if self.keeper is not None:
            self.keeper.touch()
        for observer in self.observers:
            observer(event)

    def setting(self, descriptor: bytes, default: int) -> int:
        """A number that clients may set, by attribute descriptor; ``default`` where the profile has no such object."""
        if self.firmware.model.find(descriptor) is None:
            return default
        value = axdr.decode_all(self.internal.read(descriptor)).value
        return value if isinstance(value, int) else default

    # --- covers

    def open_cover(self, cover: Cover = Cover.METER) -> None:
        """Open a cover: an event, once. The device notices without mains too."""
        if cover not in self.open_covers:
            self.open_covers |= {cover}
            self.record(_COVER_EVENTS[cover][0])

    def close_cover(self, cover: Cover = Cover.METER) -> None:
        """Close a cover that is open."""
        if cover in self.open_covers:
            self.open_covers -= {cover}
            self.record(_COVER_EVENTS[cover][1])

    # --- security and chance

    def security(self, association: int) -> SecurityState:
        """Keys and counters of an association by its index; they outlive associations."""
        found = self._security.get(association)
        if found is None:
            spec = self.firmware.model.associations[association]
            found = self._security[association] = SecurityState(spec, self.ring)
            if self.keeper is not None:
                found.keep(self.commit)
        return found

    @property
    def chance(self) -> Random:
        """The device's own stream of chance for challenges."""
        if self._chance is None:
            self._chance = stream(self.seed, self.identity.device_id, "challenge")
        return self._chance

    # --- power

    @property
    def ready(self) -> bool:
        """Powered and booted, and its firmware runs: its ports answer."""
        return self.mains and self.clock.now >= self.ready_at and not self.hung

    @property
    def uptime(self) -> int:
        """Seconds since the last start, 0 without power."""
        return (self.time - self.started_at) // SECOND if self.mains else 0

    def power_off(self) -> None:
        """Cut the mains. RAM is lost; the clock runs on from its reserve."""
        if self.feed is not None:
            self.feed.waits = False
        self.settle()
        self._cut_power()

    def _cut_power(self) -> None:
        if not self.mains:
            return
        self.record("power_down", at_once=self.gasps)
        self.begin_change(STATUS_POWER_DOWN)
        self.mains = False
        self.switched_off_at, self.switched_off_local = self.time, self.local
        self.power_failures += 1
        self._drop_work()
        self._calm_watchdog()
        self.power_changed()
        self._lose_ram()

    @property
    def gasps(self) -> bool:
        """Whether it says that it loses its power while it still can."""
        worn = self.troubles is not None and self.troubles.no_hold_up
        return self.firmware.power.last_gasp and not worn and self.ready

    def power_on(self) -> None:
        """Give the mains back; the device boots. A clock whose reserve ran out stopped then and is invalid.

        Mains that are too low for its power supply start it when they are not any more.
        """
        self.settle()
        if self.mains:
            return
        if self.feed is not None and not self.feed.enough:
            self.feed.waits = True
            return
        if self.keeper is not None and self.keeper.suspect:
            self._take_what_is_kept(self.keeper)
        self.begin_change(STATUS_POWER_DOWN)
        self.mains = True
        reserve = 0 if self.troubles is not None and self.troubles.no_reserve else self.firmware.clock.reserve
        lost = self.time - self.switched_off_at > reserve
        if lost:
            self.device_clock.stopped(self.time, self.device_clock.utc(self.switched_off_at + reserve))
            self.clock_jumped()
        self._boot()
        self.power_changed()
        self.clock_moved()
        self.record("power_up")
        if lost:
            self.record("clock_invalid")

    def resume(self) -> None:
        """Go on at the present from what was restored: the mains were away from :attr:`time`, and are there now.

        Nothing was metered meanwhile; the power failure and the start are counted and logged. It has booted when the
        rig's clock begins to run.
        """
        settling, self._settling = self._settling, True
        try:
            self._cut_power()
        finally:
            self._settling = settling
        self.power_on()
        self.ready_at = self.time

    def power_changed(self) -> None:
        """Mains came or went: called after the change."""

    def reboot(self) -> None:
        """Start the firmware anew, without a power failure: RAM is lost, counting goes on."""
        self.settle()
        if self.mains:
            self._boot()
            self._lose_ram()

    def watchdog(self) -> None:
        """The watchdog finds the firmware stuck and starts it anew."""
        if self.mains:
            self.record("watchdog_reset")
            self.reboot()

    def hang(self) -> None:
        """The firmware stops: the device has power and is silent until its watchdog or somebody starts it anew.

        What was in RAM nobody gets at any more. The metering part counts on.
        """
        self.settle()
        if not self.mains or self.hung:
            return
        self._stop_firmware()
        self._lose_ram()

    def _stop_firmware(self) -> None:
        self.hung = True
        patience = self.firmware.power.watchdog
        troubles = self.troubles
        if patience and not (troubles is not None and (troubles.no_watchdog or troubles.no_start)):
            self._watchdog = self.clock.schedule(max(self.time, self.ready_at) + patience, self.watchdog)

    def _boot(self) -> None:
        self.boots += 1
        self.started_at = self.time
        self.ready_at = self.time + self.firmware.boot_time
        self.hung = False
        self._calm_watchdog()
        troubles = self.troubles
        if troubles is not None:
            self.ready_at += troubles.boot_delay
            if troubles.no_start:
                self._stop_firmware()
        if self._work is not None:
            self._begin_work(self._work.duration, self._work.call)

    def _calm_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None

    def _lose_ram(self) -> None:
        for forget in list(self.reset):
            forget()

    # --- non-volatile memory

    def exchange_buffer(self, buffer: Buffer) -> None:
        """Capture in another buffer from now on where the one of its name captured."""
        self._buffers[buffer.spec.name] = buffer

    def commit(self) -> bool:
        """Write what has changed to the non-volatile memory: whether it is safe, as it is where there is no memory."""
        return self.keeper is None or self.keeper.commit()

    def snapshot_at(self, instant: int) -> int:
        """When to take the snapshot that is due at rig instant ``instant``, not before it."""
        return instant

    def parts(self) -> dict[str, Image]:
        """Images of all that outlives a loss of power, by part, as it is at :attr:`time`.

        Of buffers those whose rows come by event or from the account; rows that come by time are not kept.
        """
        associations = self.firmware.model.associations
        parts: dict[str, Image] = {
            "device": {
                "time": self.time,
                "installed_at": self.installed_at,
                "version": self.version,
                "errors": self.errors,
                "alarms": self.alarms,
                "event_codes": dict(self.event_codes),
                "open_covers": sorted(cover.value for cover in self.open_covers),
                "mains": self.mains,
                "switched_off": [self.switched_off_at, self.switched_off_local],
                "boots": self.boots,
                "power_failures": self.power_failures,
            },
            "values": {key.hex(): value.hex() for key, value in self.values.items()},
            "clock": self.device_clock.image(),
            "security": {associations[index].name: state.image() for index, state in self._security.items()},
        }
        if self._image is not None:
            parts["image"] = self._image.kept()
        parts.update({name: part.image() for name, part in self.kept.items()})
        for name in self._kept_buffers():
            if name in self._buffers:
                parts[f"log.{name}"] = self._buffers[name].image()
        return parts

    def _kept_buffers(self) -> list[str]:
        """Names of the buffers whose rows nothing could make again: logs of events, and those of the account."""
        firmware = self.firmware
        return [
            name for name, spec in firmware.buffers.items() if name in firmware.logs or spec.trigger is Trigger.ACCOUNT
        ]

    def restore(self, parts: Mapping[str, Saved]) -> None:
        """Be what :meth:`parts` said, at the instant at which it said so. For a device that was just built.

        Raises NvmFault, LookupError or ValueError for images that cannot be used. Logs and associations that the
        firmware has no longer are left out.
        """
        saved = parts["device"]
        self.time, self.installed_at = saved.number("time"), saved.number("installed_at")
        self.version, self.mains = saved.text("version"), saved.flag("mains")
        self.errors, self.alarms = saved.number("errors"), saved.number("alarms")
        codes = saved.table("event_codes")
        self.event_codes = {name: codes.number(name) for name in codes}
        self.open_covers = frozenset(Cover(name) for name in saved.texts("open_covers"))
        self.switched_off_at, self.switched_off_local = saved.numbers("switched_off")
        self.boots, self.power_failures = saved.number("boots"), saved.number("power_failures")
        values = parts["values"]
        self.values = {bytes.fromhex(key): values.octets(key) for key in values}
        self.device_clock.restore(parts["clock"], self.time)
        security = parts["security"]
        for name in security:
            index = self.firmware.model.by_name.get(name)
            if index is not None:
                self._restore_security(index, security.table(name))
        if "image" in parts and self.firmware.image is not None:
            self.image.restore(parts["image"])
        for name, part in self.kept.items():
            if name in parts:
                part.restore(parts[name])
        for name in self._kept_buffers():
            if f"log.{name}" in parts:
                self.buffer(name).restore(parts[f"log.{name}"])

    def _restore_security(self, index: int, saved: Saved) -> None:
        state = SecurityState(self.firmware.model.associations[index], self.ring)
        state.restore(saved)
        if self.keeper is not None:
            state.keep(self.commit)
        self._security[index] = state

    def _take_what_is_kept(self, keeper: Keeper) -> None:
        """Go on from what the memory has, where that may be less than what RAM had when the power went.

        What is not in that memory stays: the clock runs on its own, keys and counters are in a secure element, what
        belongs to the radio is in the radio's memory, and covers are where somebody has put them. Nothing was metered
        from the instant that was stored last on, as in :meth:`resume`.
        """
        kept = keeper.read()
        if kept is None:
            return
        self.materialise()
        covers, clock, security = self.open_covers, self.device_clock.copy(), dict(self._security)
        parts = {name: Saved.read(name, encoded(image)) for name, image in self.parts().items()}
        parts.update({name: saved for name, saved in kept.items() if name not in ("clock", "security")})
        self.restore({name: saved for name, saved in parts.items() if name not in self.kept})
        self.open_covers, self.device_clock, self._security = covers, clock, security
        self.reconcile()
        settling, self._settling = self._settling, True
        try:
            self._cut_power()
        finally:
            self._settling = settling
        self.settle_to(self.clock.now)

    def reconcile(self) -> None:
        """Records have been taken from a memory that is not sound: some may be older than others."""

    def release_counters(self) -> None:
        """Let go of invocation counters that are reserved: what comes is the last commit."""
        for state in self._security.values():
            state.release()

    # --- firmware

    @property
    def image(self) -> ImageTransfer:
        """The image transfer; AccessRefused(object-unavailable) for a firmware without one."""
        if self._image is None:
            settings = self.firmware.image
            if settings is None:
                raise AccessRefused(DataAccessResult.OBJECT_UNAVAILABLE)
            self._image = ImageTransfer(settings, self._later, self._activated, self.record)
        return self._image

    def _later(self, duration: int, call: Callable[[], None]) -> None:
        """Call ``call`` after ``duration`` ns of work; a restart of the device starts the work anew."""
        self._begin_work(duration, call)

    def _begin_work(self, duration: int, call: Callable[[], None]) -> None:
        def end() -> None:
            self._work = None
            call()

        self._drop_work()
        self._work = _Work(duration, call, self.clock.schedule(max(self.clock.now, self.ready_at) + duration, end))

    def _drop_work(self) -> None:
        if self._work is not None:
            self._work.event.cancel()

    def _activated(self, version: str | None) -> None:
        self.settle()
        self.version = version or self.version
        self.reboot()
