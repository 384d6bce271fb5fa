"""Non-volatile memory: what of a device outlives the end of the rig, and when it is written.

A device's state falls into parts (clock, metering, keys, each event log, ..), each with an image of plain values. A
:class:`Keeper` holds a device to an :class:`Nvm`: it writes the parts that have changed, all at once, at the points
where real firmware commits: before a client or a customer is told that something was done, after every event,
before an invocation counter leaves what is reserved, and every snapshot period. Rows of profiles that are captured by
time are not kept, nor is a firmware image on its way; a device without an Nvm has no keeper and pays nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

from emulator.time import Event, stream

if TYPE_CHECKING:
    from emulator.device import Device

Image = dict[str, object]
"""One part as plain values: integers, strings, lists and dictionaries of them; octets in hexadecimal."""


def encoded(image: Image) -> str:
    """An image as the JSON text that is stored."""
    return json.dumps(image, separators=(",", ":"))


class NvmFault(Exception):
    """What should have been kept could not be, or what was kept cannot be used; the text says what and why."""


class Nvm(Protocol):
    """The non-volatile memory of one device. A part is its name and its image as JSON text."""

    def load(self) -> Mapping[str, str]:
        """All parts as they were stored last, none for a device that is new. Raises NvmFault."""
        ...

    def store(self, instant: int, parts: Mapping[str, str]) -> None:
        """Replace these parts at rig instant ``instant`` (ns), all or none, durable on return. Raises NvmFault."""
        ...


class MemoryNvm:
    """An Nvm that lasts as long as the process. ``broken`` makes it fail, ``writes`` counts what was stored."""

    __slots__ = ("broken", "instant", "parts", "writes")

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}
        self.instant = 0
        """Rig instant of the last store, ns."""
        self.writes = 0
        self.broken = False

    def load(self) -> Mapping[str, str]:
        return dict(self.parts)

    def store(self, instant: int, parts: Mapping[str, str]) -> None:
        if self.broken:
            raise NvmFault("the memory is broken")
        self.parts.update(parts)
        self.instant = instant
        self.writes += 1


class Saved:
    """An image that is read back. Every field must be there and of its type: NvmFault says which one is not."""

    __slots__ = ("_fields", "where")

    def __init__(self, where: str, image: object) -> None:
        self.where = where
        """The part's name, with that of the table in it."""
        if not isinstance(image, dict):
            raise NvmFault(f"{where}: not a table")
        self._fields = cast("dict[str, object]", image)

    @classmethod
    def read(cls, name: str, text: str) -> Saved:
        """The image of part ``name`` from its JSON text."""
        try:
            return cls(name, json.loads(text))
        except (ValueError, RecursionError) as error:
            raise NvmFault(f"{name}: {error}") from None

    def __iter__(self) -> Iterator[str]:
        """Names of the fields."""
        return iter(self._fields)

    @property
    def fields(self) -> Image:
        """All fields as they are."""
        return self._fields

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def number(self, name: str) -> int:
        value = self._field(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else self._wrong(name, "a whole number")

    def within(self, name: str, least: int, most: int) -> int:
        """A number from ``least`` to ``most``."""
        value = self.number(name)
        return value if least <= value <= most else self._wrong(name, f"a whole number from {least} to {most}")

    def sized(self, name: str, *sizes: int) -> bytes:
        """As many octets as one of ``sizes``."""
        value = self.octets(name)
        return value if len(value) in sizes else self._wrong(name, f"{' or '.join(map(str, sizes))} octets")

    def flag(self, name: str) -> bool:
        value = self._field(name)
        return value if isinstance(value, bool) else self._wrong(name, "true or false")

    def text(self, name: str) -> str:
        value = self._field(name)
        return value if isinstance(value, str) else self._wrong(name, "text")

    def octets(self, name: str) -> bytes:
        try:
            return bytes.fromhex(self.text(name))
        except ValueError:
            return self._wrong(name, "octets in hexadecimal")

    def numbers(self, name: str) -> list[int]:
        values = self._list(name)
        found = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
        return found if len(found) == len(values) else self._wrong(name, "whole numbers")

    def texts(self, name: str) -> list[str]:
        values = self._list(name)
        found = [value for value in values if isinstance(value, str)]
        return found if len(found) == len(values) else self._wrong(name, "texts")

    def table(self, name: str) -> Saved:
        return Saved(f"{self.where}.{name}", self._field(name))

    def _list(self, name: str) -> list[object]:
        value = self._field(name)
        return cast("list[object]", value) if isinstance(value, list) else self._wrong(name, "a list")

    def _field(self, name: str) -> object:
        try:
            return self._fields[name]
        except KeyError:
            raise NvmFault(f"{self.where}.{name}: missing") from None

    def _wrong(self, name: str, expected: str) -> NoReturn:
        raise NvmFault(f"{self.where}.{name}: must be {expected}")


class Keeper:
    """Keeps one device in an Nvm.

    ``fault`` is the reason why the last commit was not kept, empty when it was; the device goes on with what it has in
    RAM, and every later commit tries again.
    """

    __slots__ = ("_device", "_nvm", "_snapshot", "_snapshot_period", "_soon", "_stored", "fault", "suspect")

    def __init__(self, device: Device, nvm: Nvm, snapshot_period: int) -> None:
        """``snapshot_period`` in ns of the rig's clock."""
        self._device = device
        self._nvm = nvm
        self._snapshot_period = snapshot_period
        self._stored: dict[str, str] = {}
        self._soon: Event | None = None
        self._snapshot: Event | None = None
        self.fault = ""
        self.suspect = False
        """Whether the device goes by what the memory has when it gets its power back: it may be less than it had."""

    @property
    def nvm(self) -> Nvm:
        """The memory."""
        return self._nvm

    def use(self, nvm: Nvm, *, suspect: bool) -> bool:
        """Keep the device in another memory from now on, or in the same one through something else: as :meth:`commit`.

        What that has is looked at, and what it has not is written.
        """
        self._nvm, self.suspect = nvm, suspect
        try:
            self._stored = dict(nvm.load())
        except NvmFault:
            self._stored = {}
        return self.commit()

    def read(self) -> dict[str, Saved] | None:
        """What the memory has now; None when it has nothing, or it cannot be read, and :attr:`fault` says why."""
        try:
            stored = dict(self._nvm.load())
            found = {name: Saved.read(name, text) for name, text in stored.items()}
        except NvmFault as fault:
            self.fault = str(fault)
            return None
        self._stored = stored
        return found or None

    def restore(self) -> bool:
        """Give the device what is stored; False for a device of which nothing is. Raises NvmFault."""
        parts = self._nvm.load()
        if not parts:
            return False
        saved = {name: Saved.read(name, text) for name, text in parts.items()}
        try:
            self._device.restore(saved)
        except LookupError as error:
            raise NvmFault(f"part {error} is missing") from None
        except (AttributeError, TypeError, ValueError) as error:
            raise NvmFault(str(error)) from None
        self._stored = dict(parts)
        return True

    def begin(self) -> bool:
        """Write everything for the first time, and a snapshot every period from now on; False as :meth:`commit`.

        Devices do not take theirs at the same moment: each has its own in the period.
        """
        device, period = self._device, self._snapshot_period
        now = device.clock.now
        phase = stream(device.seed, device.identity.device_id, "snapshot").randrange(period)
        self._expect(now + period - (now - phase) % period)
        return self.commit()

    def commit(self) -> bool:
        """Write the parts that are not as they were written last; whether they are safe now."""
        device = self._device
        device.settle()
        stored = self._stored
        changed = {name: text for name, image in device.parts().items() if stored.get(name) != (text := encoded(image))}
        if changed:
            try:
                self._nvm.store(device.clock.now, changed)
            except NvmFault as fault:
                self.fault = str(fault)
                return False
            stored.update(changed)
        self.fault = ""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        return True

    def touch(self) -> None:
        """Something has happened: commit as soon as what is going on is over, once for all that happens until then."""
        if self._soon is None:
            self._soon = self._device.clock.schedule(self._device.clock.now, self._commit_soon)

    def close(self) -> bool:
        """Write everything for the last time, as :meth:`commit`, and let go of the device."""
        device = self._device
        device.release_counters()
        kept = self.commit()
        for event in (self._soon, self._snapshot):
            if event is not None:
                event.cancel()
        device.keeper = None
        return kept

    def _commit_soon(self) -> None:
        self._soon = None
        self.commit()

    def _expect(self, instant: int) -> None:
        device = self._device
        self._snapshot = device.clock.schedule(device.snapshot_at(instant), self._take_snapshot)

    def _take_snapshot(self) -> None:
        self.commit()
        self._expect(self._device.clock.now + self._snapshot_period)


def keep(device: Device, nvm: Nvm, snapshot_period: int | None = None) -> bool:
    """Let ``nvm`` keep a device that was just built, by default with its firmware's snapshot period (ns).

    What is stored already becomes the device's state, at the rig instant at which it was stored; :meth:`Device.resume`
    then brings it to the present, and :meth:`Keeper.begin` writes it. Whether there was anything; raises NvmFault.
    """
    keeper = Keeper(device, nvm, snapshot_period or device.firmware.snapshot_period)
    device.keeper = keeper
    try:
        return keeper.restore()
    except NvmFault:
        device.keeper = None
        raise
