"""The device log of a hub: the join table of its HAN.

A device that is not in the log cannot communicate over the HAN. An entry is made by registering the device with its
key; while the permit-join window is open, the device may join with it. One that is removed moves, with the key it had,
to the historic log, whose oldest entry makes room. A device that comes back from there must present its old key in the
first half of the window and the key it was registered with in the second (GBCS, use cases CCS01 and CCS02, taken as the
model for SMETS1 hubs, whose own logs are not public).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

from emulator.nvm import Image, NvmFault, Saved
from emulator.time import SECOND
from protocols.zigbee import mmo


class Registration(Enum):
    """What came of registering a device."""

    ADDED = "added"
    KNOWN = "in the log already: the key that was given is dropped"
    FULL = "the log is full"


class Status(Enum):
    """Bits of an entry's status, the first is the most significant (class 104, active_devices)."""

    AUTHORISED = 0x80
    REPORTING = 0x40
    UNAUTHORISED_REPORTED = 0x20
    AFTER_SWAP_OUT = 0x10
    TRANSMITTING = 0x08


MEASUREMENTS = 16
"""Measurements that a level remembers: a working day of a meter that wakes up every half hour."""
RSSI_RANGE, LQI_RANGE = range(-128, 128), range(256)
EUI64_OCTETS, KEY_OCTETS = 8, 16


class Level:
    """The highest, mean and lowest of the last :data:`MEASUREMENTS` measurements; 0 while there are none.

    They slide: a radio that fades shows after a few frames, however long it has been there, and who reads takes nothing
    from who reads next. The official data do not say over what the three are taken.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Iterable[int] = ()) -> None:
        self._values = tuple(values)[-MEASUREMENTS:]

    def add(self, value: int) -> None:
        """One more measurement."""
        self._values = (*self._values, value)[-MEASUREMENTS:]

    @property
    def count(self) -> int:
        """Measurements that it remembers."""
        return len(self._values)

    @property
    def highest(self) -> int:
        return max(self._values, default=0)

    @property
    def lowest(self) -> int:
        return min(self._values, default=0)

    @property
    def mean(self) -> int:
        """Rounded down."""
        return sum(self._values) // len(self._values) if self._values else 0

    def image(self) -> list[int]:
        """For the non-volatile memory."""
        return list(self._values)

    @classmethod
    def saved(cls, saved: Saved, name: str, possible: range) -> Level:
        """The level of an image; NvmFault for measurements that cannot be."""
        values = saved.numbers(name)
        if len(values) > MEASUREMENTS or any(value not in possible for value in values):
            raise NvmFault(
                f"{saved.where}.{name}: must be at most {MEASUREMENTS} numbers from {possible[0]} to {possible[-1]}"
            )
        return cls(values)


@dataclass(slots=True)
class Entry:
    """One device of the log.

    ``key`` is the link key that it must present, 16 octets; ``joined`` says whether it is on the HAN with it. Instants
    are the rig's, ns; ``heard_at`` is 0 before its first frame. ``kind`` is the number of a device type as it was
    registered.
    """

    eui64: bytes
    key: bytes
    kind: int
    joined: bool = False
    restored: bool = False
    heard_at: int = 0
    hops: int = 0
    failures: int = 0
    successes: int = 0
    rssi: Level = field(default_factory=Level)
    lqi: Level = field(default_factory=Level)

    @property
    def key_hash(self) -> bytes:
        """The hash of the key, empty until the device has joined with one."""
        return mmo.digest(self.key) if self.joined else b""

    def heard(self, instant: int, rssi: int, lqi: int, hops: int) -> None:
        """A frame of the device came in: dBm, 0 to 255, relays in between."""
        self.heard_at, self.hops = instant, hops
        self.rssi.add(rssi)
        self.lqi.add(lqi)

    def image(self) -> Image:
        """For the non-volatile memory."""
        return {
            "key": self.key.hex(),
            "kind": self.kind,
            "joined": self.joined,
            "restored": self.restored,
            "counts": [self.heard_at, self.hops, self.failures, self.successes],
            "rssi": self.rssi.image(),
            "lqi": self.lqi.image(),
        }

    @classmethod
    def saved(cls, eui64: bytes, saved: Saved) -> Entry:
        """The entry of an image; NvmFault for one that is damaged."""
        counts = saved.numbers("counts")
        if len(counts) != _COUNTS:
            raise NvmFault(f"{saved.where}.counts: must be {_COUNTS} whole numbers")
        heard_at, hops, failures, successes = counts
        return cls(
            eui64,
            _octets(saved, "key", KEY_OCTETS),
            saved.number("kind"),
            saved.flag("joined"),
            saved.flag("restored"),
            heard_at,
            hops,
            failures,
            successes,
            Level.saved(saved, "rssi", RSSI_RANGE),
            Level.saved(saved, "lqi", LQI_RANGE),
        )


_COUNTS = 4


def _octets(saved: Saved, name: str, octets: int) -> bytes:
    value = saved.octets(name)
    if len(value) != octets:
        raise NvmFault(f"{saved.where}.{name}: must be {octets} octets")
    return value


def _eui64(table: Saved, name: str) -> bytes:
    """The name of a field that is an EUI-64."""
    with suppress(ValueError):
        if len(eui64 := bytes.fromhex(name)) == EUI64_OCTETS:
            return eui64
    raise NvmFault(f"{table.where}.{name}: must have an EUI-64 for its name, {EUI64_OCTETS} octets in hexadecimal")


class DeviceLog:
    """The log of one hub: entries by EUI-64 in the order they were made, and the historic log, oldest first."""

    __slots__ = ("_closes_at", "_opened_at", "capacity", "entries", "historic", "historic_capacity", "stuck", "used_up")

    def __init__(self, capacity: int, historic_capacity: int) -> None:
        self.capacity = capacity
        self.historic_capacity = historic_capacity
        self.entries: dict[bytes, Entry] = {}
        self.historic: dict[bytes, bytes] = {}
        """Link keys of devices that were removed, by EUI-64."""
        self._opened_at = self._closes_at = 0
        self.stuck: bool | None = None
        """Whether the window is open whatever it is told; None while it does as it is told."""
        self.used_up = False
        """Whether it has no room for another device, whatever its capacity."""

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    # --- the window

    def permit(self, now: int, seconds: int) -> None:
        """Open the permit-join window for ``seconds`` from ``now``; 0 closes it."""
        self._opened_at, self._closes_at = now, now + seconds * SECOND

    def is_open(self, now: int) -> bool:
        """Whether devices may join at ``now``."""
        return self._opened_at <= now < self._closes_at if self.stuck is None else self.stuck

    def open_for(self, now: int) -> int:
        """How long devices may still join, ns; a second at least in a window that does not close."""
        return max(self._closes_at - now, SECOND if self.stuck else 0) if self.is_open(now) else 0

    # --- entries

    def register(self, eui64: bytes, key: bytes, kind: int) -> Registration:
        """Add a device with the link key it is to join with."""
        if eui64 in self.entries:
            return Registration.KNOWN
        if self.used_up or len(self.entries) >= self.capacity:
            return Registration.FULL
        self.entries[eui64] = Entry(eui64, key, kind)
        return Registration.ADDED

    def unregister(self, eui64: bytes) -> bool:
        """Remove a device: whether it was there. One that had joined is remembered with its key."""
        entry = self.entries.pop(eui64, None)
        if entry is not None and entry.joined:
            self.historic.pop(eui64, None)
            self.historic[eui64] = entry.key
            while len(self.historic) > self.historic_capacity:
                del self.historic[next(iter(self.historic))]
        return entry is not None

    def key_for(self, eui64: bytes, now: int) -> bytes | None:
        """The link key that a device which wants to join at ``now`` must have, None where it may not join."""
        entry = self.entries.get(eui64)
        if entry is None or not self.is_open(now):
            return None
        old = self.historic.get(eui64)
        if old is not None and not entry.joined and 2 * (now - self._opened_at) < self._closes_at - self._opened_at:
            return old
        return entry.key

    def join(self, eui64: bytes, key: bytes) -> Entry:
        """A device has joined with that link key; KeyError for one that is not in the log."""
        entry = self.entries[eui64]
        entry.key, entry.joined = key, True
        self.historic.pop(eui64, None)
        return entry

    # --- another hub

    def backup(self) -> list[tuple[bytes, bytes]]:
        """EUI-64 and hash of the link key of every device, for a hub that takes this one's place."""
        return [(entry.eui64, entry.key_hash) for entry in self]

    def historic_backup(self) -> list[tuple[bytes, bytes]]:
        """The same of every device of the historic log, the oldest first (use case CCS07)."""
        return [(eui64, mmo.digest(key)) for eui64, key in self.historic.items()]

    def restore_backup(self, devices: list[tuple[bytes, bytes]]) -> bool:
        """Take over what another hub's :meth:`backup` holds: whether there was room; without it nothing changes.

        The hash of a device's link key is its new link key (Zigbee Smart Energy's swap-out of a trust centre). Devices
        that had no key are left out.
        """
        keyed = {eui64: key for eui64, key in devices if key}
        if len(self.entries.keys() | keyed.keys()) > self.capacity:
            return False
        for eui64, key in keyed.items():
            self.entries[eui64] = Entry(eui64, key, 0, joined=True, restored=True)
        return True

    # --- non-volatile memory

    def image(self) -> Image:
        """All that outlives a loss of power; the window does not."""
        return {
            "entries": {eui64.hex(): entry.image() for eui64, entry in self.entries.items()},
            "historic": {eui64.hex(): key.hex() for eui64, key in self.historic.items()},
        }

    def restore(self, saved: Saved) -> None:
        """Be what :meth:`image` said; NvmFault, and nothing changed, for an image that is damaged."""
        tables, old = saved.table("entries"), saved.table("historic")
        entries = [Entry.saved(_eui64(tables, name), tables.table(name)) for name in tables]
        historic = {_eui64(old, name): _octets(old, name, KEY_OCTETS) for name in old}
        self.entries, self.historic = {entry.eui64: entry for entry in entries}, historic


def status_of(entry: Entry, *, reporting: bool) -> int:
    """The status bits of an entry, 8 bits. ``reporting`` is whether its device is heard now."""
    flags: Mapping[Status, bool] = {
        Status.AUTHORISED: entry.joined,
        Status.REPORTING: entry.joined and reporting,
        Status.UNAUTHORISED_REPORTED: not entry.joined and entry.heard_at > 0,
        Status.AFTER_SWAP_OUT: entry.restored,
        Status.TRANSMITTING: entry.joined and reporting,
    }
    return sum(status.value for status, holds in flags.items() if holds)
