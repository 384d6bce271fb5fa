"""Faults of the non-volatile memory: between the device and what keeps it.

What stands in the way of writes is an :class:`~emulator.nvm.Nvm` around the device's own, so that the device meets the
fault where it meets its memory: when it commits, and when it starts after a power cut and goes on from what is stored.
The rig's store is whole all the time, and has all of the device again when the fault ends. A rig that keeps no store
gives the device a memory for as long as the fault lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from emulator.buffers import Buffer
from emulator.faults.device import ALL
from emulator.faults.fault import Culprit, End, Fault, Layer, Site
from emulator.faults.parameters import FaultError, Number, Word
from emulator.nvm import Keeper, MemoryNvm, Nvm, NvmFault, Saved

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.firmware import BufferSpec

_MEMORY: Final = "non-volatile memory"
_RECORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "settings": ("values",),
    "registers": ("metering", "intervals", "demand"),
    "account": ("account",),
    "log": ("log.standard",),
}
_LOGS: Final = ("standard", "fraud", "power_failure", "disconnect", "firmware", "sync", "tariff", "communication")
_LATER: Final = "what it could not keep meanwhile, and has not lost in a power cut, is kept from then on"


class _Broken:
    """A memory that fails: the device notices the first time that it does."""

    __slots__ = ("_device", "_noticed", "inner")

    def __init__(self, device: Device, inner: Nvm) -> None:
        self._device = device
        self._noticed = False
        self.inner = inner

    def load(self) -> Mapping[str, str]:
        return self.inner.load()

    def store(self, instant: int, parts: Mapping[str, str]) -> None:
        self.inner.store(instant, parts)

    def notice(self) -> None:
        """Log an error of the memory, once."""
        if not self._noticed:
            self._noticed = True
            self._device.record("nvm_error")


class _Failing(_Broken):
    """Every write ends in an I/O error."""

    __slots__ = ()

    def store(self, instant: int, parts: Mapping[str, str]) -> None:
        self.notice()
        raise NvmFault("I/O error: the memory takes no writes")


class _Full(_Broken):
    """A memory that has room for so many octets yet: nothing is ever cleared up."""

    __slots__ = ("room",)

    def __init__(self, device: Device, inner: Nvm, room: int) -> None:
        super().__init__(device, inner)
        self.room = room

    def store(self, instant: int, parts: Mapping[str, str]) -> None:
        octets = sum(len(text.encode()) for text in parts.values())
        if octets > self.room:
            self.notice()
            raise NvmFault(f"the memory is full: {self.room} octets are left, and {octets} are needed")
        self.room -= octets
        super().store(instant, parts)


class _Protected(_Broken):
    """A memory that says that it has written, and has not."""

    __slots__ = ()

    def store(self, instant: int, parts: Mapping[str, str]) -> None:
        pass


class _Torn(_Broken):
    """A memory whose writes are whole while there is power; the one that the loss of it asks for is torn."""

    __slots__ = ("_torn",)

    def __init__(self, device: Device, inner: Nvm) -> None:
        super().__init__(device, inner)
        self._torn = False

    def store(self, instant: int, parts: Mapping[str, str]) -> None:
        if not self._device.mains:
            self._torn = True
            return
        super().store(instant, parts)
        if self._torn:
            self._torn = False
            self._device.record("nvm_error")


class _Damaged(_Broken):
    """A memory of which some records cannot be read at a start: the device takes the copies that it made earlier."""

    __slots__ = ("_copies",)

    def __init__(self, device: Device, inner: Nvm, copies: Mapping[str, str]) -> None:
        super().__init__(device, inner)
        self._copies = copies

    def load(self) -> Mapping[str, str]:
        return {**self.inner.load(), **self._copies}


def _laid(site: Site, around: Callable[[Device, Nvm], Nvm]) -> End:
    """Lay something around the device's memory; the end is that the memory has all of the device again."""
    device = site.device
    keeper, lent = device.keeper, device.keeper is None
    if keeper is None:
        keeper = Keeper(device, MemoryNvm(), device.firmware.snapshot_period)
        device.keeper = keeper
        keeper.begin()
    inner = keeper.nvm
    keeper.commit()
    keeper.use(around(device, inner), suspect=True)

    def end() -> None:
        if device.keeper is not keeper:
            return  # the device has been taken away
        keeper.use(inner, suspect=False)
        if lent:
            keeper.close()

    return end


def _fails(site: Site) -> End:
    return _laid(site, _Failing)


def _full(site: Site) -> End:
    room = site.number("room")
    return _laid(site, lambda device, inner: _Full(device, inner, room))


def _protected(site: Site) -> End:
    return _laid(site, _Protected)


def _torn(site: Site) -> End:
    return _laid(site, _Torn)


def _damaged(site: Site) -> End:
    names = _RECORDS[site.word("record")]
    if names[0] not in site.device.parts():
        raise FaultError(f"{site.device.identity.device_id}: record: {site.word('record')}: it has none to keep yet")

    def around(device: Device, inner: Nvm) -> Nvm:
        stored = inner.load()
        return _Damaged(device, inner, {name: stored[name] for name in names if name in stored})

    return _laid(site, around)


class _FullLog(Buffer):
    """A log that takes no more rows than it may; the oldest do not give way."""

    __slots__ = ("_most",)

    def __init__(self, device: Device, spec: BufferSpec, most: int) -> None:
        super().__init__(device, spec)
        self._most = most

    def append(self) -> None:
        if self.count < self._most:
            super().append()


def _full_log(site: Site) -> End:
    device, name = site.device, site.word("log")
    if name not in device.firmware.logs:
        known = ", ".join(log for log in device.firmware.logs if log in _LOGS)
        raise FaultError(f"{device.identity.device_id}: log: it has no log {name}; it has {known}")
    device.settle()
    buffer = device.buffer(name)
    full = _FullLog(device, buffer.spec, min(buffer.count + site.number("room"), buffer.spec.capacity))
    _swap(device, full)

    def end() -> None:
        _swap(device, Buffer(device, buffer.spec))

    return end


def _swap(device: Device, buffer: Buffer) -> None:
    """Put another buffer, with the same rows, in the place of one."""
    name = buffer.spec.name
    buffer.restore(Saved(name, device.buffer(name).image()))
    device.exchange_buffer(buffer)


FAULTS: Final = (
    Fault(
        "memory-fails",
        Layer.STORAGE,
        "The memory takes no writes (I/O error)",
        ALL,
        _fails,
        Culprit.DEVICE,
        "its non-volatile memory is broken: what it is told is in RAM only",
        (
            "what sets or does something is answered with hardware-fault, a token with a storage fault",
            "a memory error in the log, bit 10 of the error register",
            "after a power cut it is as it was before the fault, registers included",
        ),
        f"the memory works; {_LATER}",
        holds=_MEMORY,
    ),
    Fault(
        "memory-full",
        Layer.STORAGE,
        "The memory is nearly full, and nothing is cleared up in it",
        ALL,
        _full,
        Culprit.DEVICE,
        "its firmware does not free what is stale in its flash",
        ("it works as ever until there is no room any more", "then as a memory that takes no writes"),
        f"there is room; {_LATER}",
        (Number("room", "What can be written yet", "octets", 0, 1_000_000_000, 20_000),),
        holds=_MEMORY,
    ),
    Fault(
        "memory-protected",
        Layer.STORAGE,
        "The memory is locked: it says that it has written, and has not",
        ALL,
        _protected,
        Culprit.DEVICE,
        "its memory is write-protected, and its firmware does not look at what it has written",
        (
            "what is set is acknowledged, and reads back as it was set",
            "after a power cut it is as it was before the fault, registers included; no error is logged",
        ),
        f"the memory works; {_LATER}",
        holds=_MEMORY,
    ),
    Fault(
        "torn-write",
        Layer.STORAGE,
        "What it writes when the power goes is torn",
        ALL,
        _torn,
        Culprit.DEVICE,
        "the capacitor of its power supply does not last for a write",
        (
            "after a power cut registers are as at the last write before it, at most the profile's snapshot_s back",
            "the power failure is logged at that time; a memory error in the log, bit 10 of the error register",
            "nothing that was acknowledged is lost",
        ),
        "its writes are whole",
        holds=_MEMORY,
    ),
    Fault(
        "record-damaged",
        Layer.STORAGE,
        "A record of the memory cannot be read at the next starts",
        ("hub", "electricity", "gas"),
        _damaged,
        Culprit.DEVICE,
        "a page of its flash does not hold what is written; there is a copy of what was there when the fault began",
        (
            "after a power cut the record is as it was when the fault began, the rest as it was when the power went",
            "an account has forgotten what was paid in meanwhile",
        ),
        "the record is written anew, as it is by then, to another page",
        (Word("record", "Which record", tuple(_RECORDS)),),
        holds=_MEMORY,
    ),
    Fault(
        "log-full",
        Layer.STORAGE,
        "A log is full, and the oldest rows do not give way",
        ("hub", "electricity", "gas"),
        _full_log,
        Culprit.DEVICE,
        "its firmware does not turn the log over",
        ("new events are not in the log; its number of entries in use stays", "the event code of the last one changes"),
        "new events are logged; those in between are not",
        (
            Word("log", "Which log", _LOGS),
            Number("room", "Rows that it still takes", "rows", 0, 65_535, 0),
        ),
        holds="log",
    ),
)
"""Faults of the non-volatile memory."""
