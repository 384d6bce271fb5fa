"""A rig: premises built from a rig file, their ports open, their clock running, on one event loop."""

from __future__ import annotations

import asyncio
import gc
import resource
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rigs.air import AirMaker, air_name, listen
from rigs.config import ConfigError, DeviceSpec, PremisesSpec, RigFile
from rigs.driver import SECOND, ClockMode, Driver, utc_ns
from rigs.ports import Attachment, LineOptions, Port, PortError, PortKind, PortSpec, Tap, make_port

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.gas import GasMeter
    from emulator.ports import Stack
    from emulator.premises import Premises
    from emulator.time import Clock
    from rigs.storage import Storage

STEPPED_START = 1_767_225_600_000_000_000
"""First instant of a stepped clock that is given none: 2026-01-01T00:00:00Z, so that runs repeat to the octet."""

WRAPPED_LINE = LineOptions(baud=False)
"""A network has nothing of a serial line."""

FILES_PER_PORT = 4
"""Both ends of a pseudo terminal, its claim, and a client in the same process; or a few connections."""

WRAPPED_PORTS = {"-tcp": PortKind.TCP, "-udp": PortKind.UDP}
"""How the names of ports that carry wrapper PDUs end, and the kind of port they need."""


class PortedDevice(Protocol):
    """What a rig asks of a device."""

    @property
    def stacks(self) -> Mapping[str, Callable[[], Stack]]: ...


Builder = Callable[[RigFile, PremisesSpec, "Clock"], "Premises"]
TapMaker = Callable[[str, PortSpec], Tap]
"""Makes a listener for a new line or connection of the named port."""


class Rig:
    """Running premises; all calls belong to the loop's thread.

    Set ``taps``, ``air`` and ``explain`` before :meth:`start`.
    """

    def __init__(
        self,
        file: RigFile,
        *,
        mode: ClockMode | None = None,
        rate: float | None = None,
        line: Mapping[str, bool] | None = None,
        folder: Path = Path(),
        storage: Path | None = None,
        build: Builder | None = None,
    ) -> None:
        """``mode``, ``rate``, ``line`` and ``storage`` go before what the file says.

        Links of ptys are made below ``folder``; devices keep their state in the file ``storage``; ``line`` holds those
        of the :class:`LineOptions` that are set for every port, by name.
        """
        from emulator.time import Clock

        self.file = file
        self.folder = folder
        config = file.config.clock
        if mode is None:
            mode = config.runs if rate is None else (ClockMode.REAL if rate == 1 else ClockMode.ACCELERATED)
        start = config.start_ns
        if start is None:
            start = STEPPED_START if mode is ClockMode.STEPPED else utc_ns()
        self.clock = Clock(start)
        self.driver = Driver(self.clock, mode, config.rate if rate is None else rate)
        self.premises: dict[str, Premises] = {}
        self.ports: dict[str, Port] = {}
        """Open ports by name: ``premises/device/port``."""
        self.taps: list[TapMaker] = []
        self.air: list[AirMaker] = []
        """What listens to the air of every premises' HAN; without any, no frame of it is put into octets."""
        self.explain: Callable[[str, str], None] | None = None
        """Called with a port's name and a sentence for each thing a line or stack discarded or refused.

        For frames that a radio dropped the name is that of the HAN, ``premises/hub/han``.
        """
        self.failed: Callable[[PortError], None] | None = None
        self.warn: Callable[[str], None] | None = None
        """Called with a line when what devices do cannot be kept any more."""
        self.storage = storage or file.storage(folder)
        """The file that devices keep their state in, None for a rig that forgets."""
        self._storage: Storage | None = None
        self._listening: list[Callable[[], None]] = []  # ends of it, for every HAN
        self._line = line or {}
        self._build = build

    async def start(self) -> None:
        """Build the premises and open the ports; raises :class:`PortError` or :class:`ConfigError`, all undone."""
        allow_open_files(sum(len(device.ports) for spec in self.file.specs for device in spec.devices()))
        collecting = gc.isenabled()
        gc.disable()  # nothing of what a start makes is garbage, and looking for some takes a tenth of it
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        finally:
            if collecting:
                gc.enable()

    async def _start(self) -> None:
        from emulator.hub import Hub

        build = self._build
        if build is None:
            from rigs.building import build
        storage = self._open_storage()
        gone: list[Device] = []
        try:
            for spec in self.file.specs:
                self.premises[spec.name] = build(self.file, spec, self.clock)
                if storage is not None:
                    gone += self._hang_gas_meters(spec, storage.gas_meters(spec.name))
            if storage is not None:
                storage.keep(self._devices(), self.file.specs, self._snapshot_period, gone)
        except BaseException:
            if storage is not None:
                storage.close()  # as it was: what was built so far is of no account
            raise
        self._storage = storage
        if self.air or self.explain is not None:
            self._listening.extend(
                listen(air_name(name), premises.hub, self.air, self.explain)
                for name, premises in self.premises.items()
                if isinstance(premises.hub, Hub)
            )
        self.driver.start()
        for spec in self.file.specs:
            premises = self.premises[spec.name]
            for device in spec.devices():
                self._make_ports(spec.name, device, getattr(premises, device.kind))
        for port in self.ports.values():
            await port.open()

    @property
    def _snapshot_period(self) -> int | None:
        config = self.file.config.storage
        return config.snapshot_s * SECOND if config and config.snapshot_s else None

    def _hang_gas_meters(self, spec: PremisesSpec, numbers: tuple[int, ...]) -> Iterable[Device]:
        """The gas meters that took another's place before; gives those that are gone and still mirrored."""
        if numbers in ((), (1,)):
            return ()
        from rigs.building import hang_gas_meters

        return list(hang_gas_meters(self.file, spec, self.premises[spec.name], self.clock, numbers))

    def replace_gas_meter(self, premises: str) -> GasMeter:
        """A new gas meter in the place of the old one of these premises, kept where the rig keeps its devices.

        LookupError for premises without one, or without a hub; NvmFault when the new one cannot be kept.
        """
        from rigs.building import hang_gas_meter

        spec = next(item for item in self.file.specs if item.name == premises)
        found = self.premises[premises]
        old = found.gas
        new = hang_gas_meter(self.file, spec, found, self.clock)
        if self._storage is not None:
            self._storage.replaced(premises, old, new, self._snapshot_period)
        return new

    def _open_storage(self) -> Storage | None:
        """The store, where there is one; the clock begins no earlier than what it holds."""
        if self.storage is None:
            return None
        from rigs.storage import Storage

        storage = Storage(self.storage, self.file.config.seed)
        storage.failed = self._not_kept
        self.clock.advance_to(storage.instant)
        return storage

    def _devices(self) -> dict[str, Device]:
        """All devices by their ids, ``premises/kind``, a hub before those behind it."""
        found = [
            getattr(self.premises[spec.name], device.kind) for spec in self.file.specs for device in spec.devices()
        ]
        return {device.identity.device_id: device for device in found}

    def _make_ports(self, premises: str, spec: DeviceSpec, device: PortedDevice) -> None:
        stacks = device.stacks
        for name, port_spec in spec.ports.items():
            where = f"{self.file.name}: {premises}.{spec.kind}.ports.{name}"
            factory = stacks.get(name)
            if factory is None:
                allowed = ", ".join(stacks) or "none: it is reached through the hub"
                raise ConfigError(f"{where}: this device has no such port; allowed are {allowed}")
            needed = next((kind for ending, kind in WRAPPED_PORTS.items() if name.endswith(ending)), None)
            if port_spec.wrapped and needed is None:
                raise ConfigError(f"{where}: {port_spec}: octets of a line; use pty, serial, tcp+hdlc or rfc2217")
            if needed is not None and port_spec.kind is not needed:
                raise ConfigError(f"{where}: {port_spec}: carries wrapper PDUs; use {needed.value}:PORT")
            full_name = f"{premises}/{spec.kind}/{name}"
            port = make_port(port_spec, self._attachment(full_name, port_spec, spec, factory), self.driver, self.folder)
            port.failed = self._port_failed
            self.ports[full_name] = port

    def _attachment(self, name: str, port_spec: PortSpec, spec: DeviceSpec, factory: Callable[[], Stack]) -> Attachment:
        explain, makers = self.explain, tuple(self.taps)
        return Attachment(
            name,
            factory,
            WRAPPED_LINE if port_spec.wrapped else replace(spec.line, **self._line),
            seed=str(self.file.config.seed),
            tap=(lambda: _together([make(name, port_spec) for make in makers])) if makers else None,
            explain=None if explain is None else (lambda text: explain(name, text)),
        )

    async def stop(self) -> None:
        """Close every port, stop the clock, and let devices keep all of their state."""
        for _ in range(2):
            await asyncio.sleep(0)  # asyncio loses a connection that was accepted and not yet made when a port closes
        for port in self.ports.values():
            with suppress(OSError):
                port.close()
        self.ports.clear()
        if self._storage is not None:
            self.driver.now()
        self.driver.stop()
        for end in self._listening:
            end()
        self._listening.clear()
        if self._storage is not None:
            self._storage.close(self._devices().values())
            self._storage = None

    def _not_kept(self, text: str) -> None:
        if self.warn is not None:
            self.warn(text)

    def _port_failed(self, error: PortError) -> None:
        if self.failed is not None:
            self.failed(error)


def allow_open_files(ports: int) -> None:
    """Raise this process's limit of open files, as far as the system lets it, to what so many ports may need."""
    needed = 128 + FILES_PER_PORT * ports
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def _together(taps: list[Tap]) -> Tap:
    match taps:
        case [tap]:
            return tap
        case _:

            def all_of_them(now: int, inbound: bool, data: bytes) -> None:
                for tap in taps:
                    tap(now, inbound, data)

            return all_of_them
