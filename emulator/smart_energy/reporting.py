"""Reports of attributes (ZCL 2.5.7 to 2.5.11): which are due, to whom, and how they survive a restart.

A :class:`Reporter` has what one endpoint reports of one cluster to one device, and one event on the rig's clock, for
what is due next. An attribute is reported at its longest interval, and before that when it has changed enough and its
shortest interval is over: it is looked at that often, but not more often than the profile's ``report_look``. Nothing is
scheduled for a device that is off the network, has no power, or reports nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emulator.smart_energy.table import Slot
from emulator.time import SECOND, Event
from protocols.zigbee.zcl.foundation import Record, Reporting, encode_records
from protocols.zigbee.zcl.types import ANALOG, Value, is_invalid

if TYPE_CHECKING:
    from emulator.smart_energy.application import Application

MAX_REPORTERS: Final = 16
"""Pairs of a cluster of an endpoint and somebody it reports to."""
NO_REPORTS: Final = 0xFFFF
"""A longest interval that ends the reports of an attribute, and a shortest one that asks for the default."""
_NEVER: Final = 1 << 63
_HUNG_LOOK: Final = 10 * SECOND
"""How often it looks whether firmware that hangs runs again."""
_TOGETHER: Final = SECOND // 2
"""What is due within so much goes into one report."""


class Target:
    """Who gets reports: a device and its endpoint, in a profile, protected or not. ``eui64`` is empty for the bindings
    of the cluster."""

    __slots__ = ("endpoint", "eui64", "profile", "secured")

    def __init__(self, eui64: bytes, endpoint: int, profile: int, secured: bool) -> None:
        self.eui64 = eui64
        self.endpoint = endpoint
        self.profile = profile
        self.secured = secured


class Entry:
    """One attribute that is reported. Intervals in ns; ``maximum`` is 0 for reports of changes alone."""

    __slots__ = ("attribute", "change", "due", "last", "maximum", "minimum", "read", "sent", "type", "watched")

    def __init__(self, slot: Slot, minimum: int, maximum: int, change: Value, now: int, look: int) -> None:
        self.attribute = slot.attribute
        self.type = slot.type
        self.read = slot.read
        self.minimum = minimum
        self.maximum = maximum
        self.change = change
        self.last: Value = None
        self.sent = now
        self.due = now + maximum if maximum else _NEVER
        changes = slot.type not in ANALOG or not is_invalid(slot.type, change)
        step = max(minimum, look)
        self.watched = step if changes and (not maximum or step < maximum) else 0
        """How often it is looked at for changes, ns; 0 for never."""

    def moved(self, value: Value) -> bool:
        """Whether a value differs from what was reported last by the reportable change or more."""
        last, change = self.last, self.change
        if value == last:
            return False
        if isinstance(value, (int, float)) and isinstance(last, (int, float)) and isinstance(change, (int, float)):
            return abs(value - last) >= change
        return True

    def configuration(self) -> Reporting:
        """As it was configured."""
        return Reporting(0, self.attribute, self.type, self.minimum // SECOND, self.maximum // SECOND, self.change)


class Reporter:
    """What one endpoint reports of one cluster to one target."""

    __slots__ = (
        "_application",
        "_event",
        "_put_off",
        "cluster",
        "endpoint",
        "entries",
        "period",
        "target",
    )

    def __init__(self, application: Application, endpoint: int, cluster: int, target: Target) -> None:
        self._application = application
        self.endpoint = endpoint
        self.cluster = cluster
        self.target = target
        self.entries: dict[int, Entry] = {}
        self._event: Event | None = None
        self._put_off = False
        """Whether what is due before the event is put off until somebody looks."""
        self.period = 0
        """How often all attributes are reported together whatever they are, ns; 0 where it is not so simple."""

    def configure(self, slot: Slot, minimum: int, maximum: int, change: Value, last: Value = None) -> None:
        """Report an attribute from now on, s; ``last`` is what is known of it, None for nothing: then the first look
        reports it."""
        self.pause()
        application = self._application
        now = application.device.clock.now
        entry = Entry(slot, minimum * SECOND, maximum * SECOND, change, now, application.report_look)
        entry.last = last
        self.entries[slot.attribute] = entry
        self.resume()

    def stop(self, attribute: int) -> bool:
        """Report an attribute no more: whether anything is left to report."""
        self.pause()
        self.entries.pop(attribute, None)
        self.resume()
        return bool(self.entries)

    @property
    def paused(self) -> bool:
        """Whether it waits for the device to be back."""
        return self._event is None

    def pause(self) -> None:
        """Nothing is reported for now."""
        if self._put_off:
            self._application.port.break_off()
        if self._event is not None:
            self._event.cancel()
            self._event = None

    def resume(self) -> None:
        """Report what is due, from now on."""
        self.pause()
        kinds = {(entry.watched, entry.maximum, entry.due // _TOGETHER) for entry in self.entries.values()}
        watched, maximum, _ = next(iter(kinds), (0, 0, 0))
        self.period = maximum if len(kinds) == 1 and not watched else 0
        clock = self._application.device.clock
        due = min((self._next(entry) for entry in self.entries.values()), default=_NEVER)
        if due != _NEVER:
            self._event = clock.schedule(max(due, clock.now), self._fire)

    def _next(self, entry: Entry) -> int:
        """When an attribute is to be looked at next."""
        if not entry.watched:
            return entry.due
        look = self._application.device.clock.now + entry.watched
        return look if look < entry.due else entry.due

    def go_on(self, due: int) -> None:
        """Nothing is put off any more: the next report is due at a rig instant."""
        self._put_off = False
        for entry in self.entries.values():
            entry.sent, entry.due = due - self.period, due
        if self._event is not None:
            self._event.cancel()
        self._event = self._application.device.clock.schedule(due, self._fire)

    def _fire(self) -> None:
        self._event = None
        application = self._application
        if self._put_off:
            application.port.break_off()  # and come back at once
            return
        device = application.device
        if not application.online:
            return  # until it is back
        clock = device.clock
        now = clock.now
        if not device.ready:
            self._event = clock.schedule(now + _HUNG_LOOK if device.hung else device.ready_at, self._fire)
            return
        if self.period and (until := application.repeat(self)) is not None:
            self._put_off = True
            self._event = clock.schedule(until, self._fire)
            return
        soon = now + _TOGETHER
        application.attend()
        records: list[Record] = []
        due = _NEVER
        for entry in self.entries.values():
            watched = entry.watched
            if soon >= entry.due or watched:
                value = entry.read(application)
                if soon >= entry.due or (now >= entry.sent + entry.minimum and entry.moved(value)):
                    records.append(Record(entry.attribute, entry.type, value))
                    entry.last = value
                    entry.sent = now
                    entry.due = now + entry.maximum if entry.maximum else _NEVER
            ahead = entry.due
            if watched and now + watched < ahead:
                ahead = now + watched
            if ahead < due:
                due = ahead
        if due != _NEVER:
            self._event = clock.schedule(due, self._fire)
        if records:
            application.report(self, encode_records(records))

    def records(self) -> bytes:
        """All attributes as they are at the device's present, as attribute records."""
        read = [Record(entry.attribute, entry.type, entry.read(self._application)) for entry in self.entries.values()]
        return encode_records(read)
