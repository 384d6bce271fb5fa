"""The non-volatile memory of a rig's devices: one SQLite file, so that a rig that was killed goes on where it was.

Everything that a device commits is one transaction, on the disk when it ends (write-ahead log, ``synchronous=FULL``).
The file belongs to one rig: its seed, its premises, their devices' profiles, serial numbers, EUI-64 and keys as the rig
file gives them. A gas meter that took another's place is ``premises/gas-2`` and so on; the one before it stays as long
as its hub mirrors it. It holds keys: it is made for its owner's eyes only, and so are the files that SQLite puts beside
it. One process at a time has it open.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from emulator.nvm import NvmFault, Saved, keep
from rigs.config import ConfigError
from rigs.system_errors import reason

if TYPE_CHECKING:
    from emulator.device import Device
    from rigs.config import PremisesSpec

SCHEMA_VERSION = 1
_SCHEMA = (
    "CREATE TABLE rig (version INTEGER NOT NULL, seed TEXT NOT NULL)",
    "CREATE TABLE device (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, profile TEXT NOT NULL,"
    " serial TEXT NOT NULL, eui64 TEXT NOT NULL, keys TEXT NOT NULL, instant INTEGER NOT NULL)",
    "CREATE TABLE part (device INTEGER NOT NULL REFERENCES device(id), name TEXT NOT NULL, image TEXT NOT NULL,"
    " crc INTEGER NOT NULL, PRIMARY KEY (device, name)) WITHOUT ROWID",
)
_STORE = (
    "INSERT INTO part (device, name, image, crc) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (device, name) DO UPDATE SET image = excluded.image, crc = excluded.crc"
)
_OWNER_ONLY = 0o600


class _Write(NamedTuple):
    """What one device stores: its number, the rig instant in ns, images by part."""

    device: int
    instant: int
    parts: Mapping[str, str]


class Storage:
    """The open store of one rig. All calls belong to one thread."""

    def __init__(self, path: Path, seed: int) -> None:
        """Open the store of a rig with that seed, or make one; raises ConfigError when it cannot be used."""
        self.path = path
        self.failed: Callable[[str], None] | None = None
        """Called with a line for the first write of several that fails."""
        self._failing = False
        self._gathered: list[_Write] | None = None
        try:
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY))
            self._database = sqlite3.connect(path, timeout=0, isolation_level=None)
        except OSError as error:
            raise self._refusal(reason(error)) from None
        except sqlite3.Error as error:
            raise self._refusal(str(error)) from None
        try:
            with self._reading():
                self._open(seed)
        except BaseException:
            self._database.close()
            raise

    def _open(self, seed: int) -> None:
        execute = self._database.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        execute("BEGIN IMMEDIATE")
        tables = {name for (name,) in execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            for statement in _SCHEMA:
                execute(statement)
            execute("INSERT INTO rig (version, seed) VALUES (?, ?)", (SCHEMA_VERSION, str(seed)))
        elif "rig" not in tables:
            raise self._refusal("a database of something else; name another file")
        else:
            version, stored = execute("SELECT version, seed FROM rig").fetchone() or (0, "")
            if version != SCHEMA_VERSION:
                raise self._refusal(
                    f"made by another version of this program (schema {version}; this one has {SCHEMA_VERSION});"
                    " name another file, or remove this one to start anew"
                )
            if stored != str(seed):
                raise self._other_rig(f"it has seed {stored}, this rig {seed}")
        execute("COMMIT")

    @property
    def instant(self) -> int:
        """The last rig instant at which anything was stored, ns; 0 for a new store."""
        with self._reading():
            (instant,) = self._database.execute("SELECT coalesce(max(instant), 0) FROM device").fetchone()
        if not isinstance(instant, int):
            raise self._refusal(f"{instant!r} is no instant; remove the file to start anew")
        return instant

    def gas_meters(self, premises: str) -> tuple[int, ...]:
        """Numbers of the gas meters of premises that the store has, the one that is there last; none of a new store.

        Those that are neither there nor mirrored by the hub are forgotten. Raises ConfigError.
        """
        with self._reading():
            names = [name for (name,) in self._database.execute("SELECT name FROM device")]
            numbers = sorted(filter(None, (_gas_number(premises, name) for name in names)))
            if len(numbers) > 1:
                mirrored = self._mirrored(premises)
                over = [number for number in numbers[:-1] if self._eui64(_gas_name(premises, number)) != mirrored]
                self._forget(_gas_name(premises, number) for number in over)
                numbers = [number for number in numbers if number not in over]
        return tuple(numbers)

    def _mirrored(self, premises: str) -> str:
        """EUI-64 of the gas meter that a hub mirrors, in hexadecimal."""
        select = "SELECT image FROM part JOIN device ON device = id WHERE device.name = ? AND part.name = 'han'"
        found = self._database.execute(select, (f"{premises}/hub",)).fetchone()
        try:
            return "" if found is None else Saved.read("han", found[0]).text("mirrored")
        except NvmFault as fault:
            raise self._refusal(f"{premises}/hub: {fault}; remove the file to start anew") from None

    def _eui64(self, name: str) -> str:
        (eui64,) = self._database.execute("SELECT eui64 FROM device WHERE name = ?", (name,)).fetchone()
        return eui64

    def _forget(self, names: Iterable[str]) -> None:
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        for name in names:
            database.execute("DELETE FROM part WHERE device = (SELECT id FROM device WHERE name = ?)", (name,))
            database.execute("DELETE FROM device WHERE name = ?", (name,))
        database.execute("COMMIT")

    def replaced(self, premises: str, old: Device | None, new: Device, snapshot_period: int | None = None) -> None:
        """A new gas meter hangs in the place of an old one: keep it from now on. Raises NvmFault when it cannot be."""
        if old is not None and old.keeper is not None:
            old.keeper.close()
        try:
            with self._reading():
                self._database.execute("BEGIN IMMEDIATE")
                self._enter([(new.identity.device_id, *_marks(new), "", new.clock.now)])
                self._database.execute("COMMIT")
                self.gas_meters(premises)
                select = "SELECT id FROM device WHERE name = ?"
                (number,) = self._database.execute(select, (new.identity.device_id,)).fetchone()
        except ConfigError as error:
            with suppress(sqlite3.Error):
                self._database.rollback()
            raise NvmFault(str(error)) from None
        keep(new, DeviceNvm(self, number), snapshot_period)
        assert new.keeper is not None
        if not new.keeper.begin():
            raise NvmFault(new.keeper.fault)

    def _enter(self, entries: list[tuple[str | int, ...]]) -> None:
        self._database.executemany(
            "INSERT INTO device (name, profile, serial, eui64, keys, instant) VALUES (?, ?, ?, ?, ?, ?)", entries
        )

    def keep(
        self,
        devices: Mapping[str, Device],
        specs: Iterable[PremisesSpec],
        snapshot_period: int | None = None,
        gone: Iterable[Device] = (),
    ) -> None:
        """Restore the rig's devices, just built, and keep them from now on; ``devices`` by ``premises/kind``.

        ``snapshot_period`` (ns) goes before what their profiles say. Devices that are ``gone`` and still mirrored are
        restored, and that is all. Raises ConfigError for a store of other devices, and for one that is damaged.
        """
        keys = {f"{spec.name}/{device.kind}": _digest(device.keys) for spec in specs for device in spec.devices()}
        ghosts = {device.identity.device_id: device for device in gone}
        with self._reading():
            self._admit({**devices, **ghosts}, keys)
            numbers = dict(self._database.execute("SELECT name, id FROM device"))
        restored: list[Device] = []
        for name, device in devices.items():
            try:
                if keep(device, DeviceNvm(self, numbers[name]), snapshot_period):
                    restored.append(device)
            except NvmFault as fault:
                raise self._refusal(f"{name}: {fault}; remove the file to start anew") from None
        for name, device in ghosts.items():
            try:
                keep(device, DeviceNvm(self, numbers[name]))
            except NvmFault as fault:
                raise self._refusal(f"{name}: {fault}; remove the file to start anew") from None
            device.keeper = None
        for device in reversed(restored):  # a hub when what is behind it is there
            device.resume()
        try:
            with self._together():
                for device in devices.values():
                    if device.keeper is not None:
                        device.keeper.begin()
        except NvmFault as fault:
            raise self._refusal(str(fault)) from None

    def _admit(self, devices: Mapping[str, Device], keys: Mapping[str, str]) -> None:
        """Enter the devices in a new store; in another, see that it is of these devices."""
        database = self._database
        rows = database.execute("SELECT name, profile, serial, eui64, keys FROM device").fetchall()
        if not rows:
            database.execute("BEGIN IMMEDIATE")
            self._enter([(name, *_marks(device), keys[name], device.clock.now) for name, device in devices.items()])
            database.execute("COMMIT")
            return
        stored = {name: (marks, given) for name, *marks, given in rows}
        for name, device in devices.items():
            if name not in stored:
                raise self._other_rig(f"it has no {name}")
            marks, given = stored.pop(name)
            for word, theirs, ours in zip(("profile", "serial", "EUI-64"), marks, _marks(device), strict=True):
                if theirs != ours:
                    raise self._other_rig(f"its {name} has {word} {theirs}, this rig's {ours}")
            if given != keys.get(name, ""):
                raise self._other_rig(f"its {name} was made with other keys")
        for name in stored:
            raise self._other_rig(f"it has {name}, which this rig has not")

    def close(self, devices: Iterable[Device] = ()) -> None:
        """Write everything of these devices for the last time, and close the file."""
        with suppress(NvmFault), self._together():  # what cannot be written has been told
            for device in devices:
                if device.keeper is not None:
                    device.keeper.close()
        with suppress(sqlite3.Error):
            self._database.close()

    # -- what one device's memory does ------------------------------------------------------------------------------

    def load(self, device: int) -> dict[str, str]:
        """Images of a device by part. Raises NvmFault."""
        try:
            rows = self._database.execute("SELECT name, image, crc FROM part WHERE device = ?", (device,)).fetchall()
        except sqlite3.Error as error:
            raise NvmFault(str(error)) from None
        for name, image, crc in rows:
            if not isinstance(image, str) or crc32(image.encode()) != crc:
                raise NvmFault(f"part {name} is damaged")
        return {name: image for name, image, _ in rows}

    def store(self, device: int, instant: int, parts: Mapping[str, str]) -> None:
        """Write parts of a device in a transaction of their own. Raises NvmFault."""
        write = _Write(device, instant, parts)
        if self._gathered is None:
            self._write([write])
        else:
            self._gathered.append(write)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """One transaction, at the end, for all that devices write meanwhile. Raises NvmFault."""
        self._gathered = gathered = list[_Write]()
        try:
            yield
        finally:
            self._gathered = None
        self._write(gathered)

    def _write(self, writes: list[_Write]) -> None:
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            for device, instant, parts in writes:
                rows = [(device, name, image, crc32(image.encode())) for name, image in parts.items()]
                database.executemany(_STORE, rows)
                database.execute("UPDATE device SET instant = ? WHERE id = ?", (instant, device))
            database.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                database.rollback()
            if not self._failing and self.failed is not None:
                self.failed(f"{self.path}: {error}: what devices do from now on is not kept")
            self._failing = True
            raise NvmFault(str(error)) from None
        self._failing = False

    # -- refusals ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            text = str(error)
            if "locked" in text:
                text = "another rig has it open; stop that one, or name another file"
            raise self._refusal(text) from None

    def _other_rig(self, difference: str) -> ConfigError:
        return self._refusal(
            f"the store of another rig: {difference}; name another file, or remove this one to start anew"
        )

    def _refusal(self, text: str) -> ConfigError:
        return ConfigError(f"{self.path}: {text}")


class DeviceNvm:
    """The memory of one device in a rig's store."""

    __slots__ = ("_device", "_storage")

    def __init__(self, storage: Storage, device: int) -> None:
        self._storage = storage
        self._device = device

    def load(self) -> Mapping[str, str]:
        return self._storage.load(self._device)

    def store(self, instant: int, parts: Mapping[str, str]) -> None:
        self._storage.store(self._device, instant, parts)


def _gas_name(premises: str, number: int) -> str:
    return f"{premises}/gas" if number == 1 else f"{premises}/gas-{number}"


def _gas_number(premises: str, name: str) -> int | None:
    """The number of a gas meter of these premises among those they have had, None for another device."""
    if name == f"{premises}/gas":
        return 1
    number = name.removeprefix(f"{premises}/gas-")
    return int(number) if number != name and number.isascii() and number.isdigit() else None


def _marks(device: Device) -> tuple[str, str, str]:
    """What a device cannot change: its profile, serial number and EUI-64."""
    return device.firmware.name, device.identity.serial, device.identity.eui64.hex()


def _digest(keys: Mapping[str, bytes]) -> str:
    """A digest of the keys that a rig file gives a device, empty for none."""
    if not keys:
        return ""
    return hashlib.sha256(repr(sorted(keys.items())).encode()).hexdigest()
