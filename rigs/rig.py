"""A rig: premises built from a rig file, their ports open, their clock running, on one event loop."""

from __future__ import annotations

import asyncio
import gc
import resource
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from emulator.telling import Layer
from rigs.air import AirMaker, air_name, listen
from rigs.config import ConfigError, DeviceSpec, PremisesSpec, RigFile
from rigs.driver import SECOND, ClockMode, Driver, utc_ns
from rigs.events import EventLog, Source
from rigs.explanations import History
from rigs.in_force import InForce, shows_on_air
from rigs.mains import Mains
from rigs.ports import Attachment, LineOptions, Port, PortError, PortKind, PortSpec, Tap, make_port
from rigs.ports.latency import Latency
from rigs.ports.spec import LINE_NEEDED

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.faults.injection import Faults, Injection
    from emulator.gas import GasMeter
    from emulator.ports import Stack
    from emulator.premises import Premises
    from emulator.time import Clock
    from rigs.panel.panel import Panel
    from rigs.panel.relays import RelayBoard
    from rigs.ports.bus import Bus
    from rigs.storage import Storage

STEPPED_START = 1_767_225_600_000_000_000
"""First instant of a stepped clock that is given none: 2026-01-01T00:00:00Z, so that runs repeat to the octet."""

WRAPPED_LINE = LineOptions(baud=False)
"""A network has nothing of a serial line."""

FILES_PER_PORT = 4
"""Both ends of a pseudo terminal, its claim, and a client in the same process; or a few connections."""

WRAPPED_PORTS = {"-tcp": (PortKind.TCP, PortKind.UNIX), "-udp": (PortKind.UDP,)}
"""How the names of ports that carry wrapper PDUs end, and the kinds of port that they can be."""


FORMS_OF = {PortKind.TCP: "tcp:PORT", PortKind.UDP: "udp:PORT", PortKind.UNIX: "unix:./path"}
"""How ports of these kinds are written."""


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
        self.events = EventLog(self.clock)
        self.mains = Mains(self.clock)
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
        self.in_force = InForce()
        """The faults in force, by where they may show."""
        self.fault_observers: list[Callable[[int, Injection, str], None]] = []
        """Called with the time as an injection waits, begins or ends, unless :attr:`air` hears of it."""
        self.history = History(self.clock, self.in_force.labels)
        """The latest of these sentences, with the layer and what had come."""
        self.remembers = False
        """Whether the history has the HANs too when there is no ``explain``; set it before :meth:`start`."""
        self.reasons: list[Callable[[str, Layer, str], None]] = []
        """Called as ``explain``, with the layer between name and sentence; not for the HANs."""
        self.failed: Callable[[PortError], None] | None = None
        self.warn: Callable[[str], None] | None = None
        """Called with a line when what devices do cannot be kept any more, or a fault of the file came too late."""
        self.timed = False
        """Whether the time that devices take over answers is counted, at every port; set it before :meth:`start`."""
        self.storage = storage or file.storage(folder)
        """The file that devices keep their state in, None for a rig that forgets."""
        self.panel: Panel | None = None
        """The bench panel, once it is started; None where the file has none."""
        self._relays: RelayBoard | None = None
        self._storage: Storage | None = None
        self._listening: list[Callable[[], None]] = []  # ends of it, for every HAN
        self._line = line or {}
        self._buses: dict[str, Bus] = {}
        self._build = build
        self._faults: Faults | None = None
        self._fault_is_told = False

    @property
    def faults(self) -> Faults:
        """The faults of its devices; told to ``explain`` and on the air of a HAN as they begin and end."""
        if self._faults is None:
            from emulator.faults.injection import Faults

            self._faults = Faults(self.clock, self.file.config.seed, self.premises)
            self._faults.observers.append(self._fault_told)
        return self._faults

    def _fault_told(self, injection: Injection, text: str) -> None:
        self.events.injected(injection, text)
        self.in_force.told(injection)
        hub = self.premises[injection.target.rpartition("/")[0]].hub
        on_air = hub is not None and shows_on_air(injection)
        if not (on_air and self.air):
            for observer in self.fault_observers:
                observer(self.clock.now, injection, text)
        if hub is not None and on_air:
            self._fault_is_told = True
            try:
                hub.han.air.tell(text)
            finally:
                self._fault_is_told = False
        elif self.explain is not None:
            self.explain(injection.target, text)

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
        from emulator.device import Device
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
        for device in self._devices_of_specs():
            if isinstance(device, Device):
                self.events.watch(device)
        explain = self._dropped_on_air if self.remembers or self.explain is not None else None
        if self.air or explain is not None:
            self._listening.extend(
                listen(air_name(name), premises.hub, self.air, explain)
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
        await self._open_bench()
        if self.file.faults:
            self._inject()

    def _inject(self) -> None:
        """The faults of the rig file, at the present; raises ConfigError for one that cannot begin."""
        from emulator.faults.parameters import FaultError
        from rigs.times import nanoseconds, utc_of

        self.driver.now()
        for spec in self.file.faults:
            table, now = spec.table, self.clock.now
            at = None if table.after is None else now + nanoseconds(table.after)
            timing = table.timing()
            if table.at is not None:
                at = utc_of(table.at)
                every = timing.get("every")
                if every is not None and at < now:
                    at += -(-(now - at) // every) * every
            if at is not None and at < now:
                self._passed(f"{spec.where}: {table.fault} at {spec.target}: its time is past; nothing was injected")
                continue
            try:
                self.faults.start(table.fault, spec.target, table.parameters, at=at, **timing)
            except FaultError as error:
                raise ConfigError(f"{spec.where}: {error}") from None
        self.driver.attend()

    def _passed(self, text: str) -> None:
        self.events.add(Source.RIG, "fault_past", text)
        if self.warn is not None:
            self.warn(text)

    async def _open_bench(self) -> None:
        config = self.file.config
        if config.panel is not None:
            from rigs.panel.panel import Panel

            self.panel = Panel(self, config.panel)
            await self.panel.open()
        if config.relay_board is not None:
            from rigs.panel.relays import RelayBoard

            self._relays = RelayBoard(self, config.relay_board)
            await self._relays.open()

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
        self.events.watch(new)
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
        return {device.identity.device_id: device for device in self._devices_of_specs()}

    def _devices_of_specs(self) -> Iterator[Device]:
        for spec in self.file.specs:
            for device in spec.devices():
                yield getattr(self.premises[spec.name], device.kind)

    def _make_ports(self, premises: str, spec: DeviceSpec, device: PortedDevice) -> None:
        stacks = device.stacks
        for name, port_spec in spec.ports.items():
            where = f"{self.file.name}: {premises}.{spec.kind}.ports.{name}"
            factory = stacks.get(name)
            if factory is None:
                allowed = ", ".join(stacks) or "none: it is reached through the hub"
                raise ConfigError(f"{where}: this device has no such port; allowed are {allowed}")
            needed = next((kinds for ending, kinds in WRAPPED_PORTS.items() if name.endswith(ending)), None)
            if port_spec.wrapped and needed is None:
                raise ConfigError(f"{where}: {port_spec}: {LINE_NEEDED}")
            if needed is not None and port_spec.kind not in needed:
                allowed = " or ".join(FORMS_OF[kind] for kind in needed)
                raise ConfigError(f"{where}: {port_spec}: carries wrapper PDUs; use {allowed}")
            full_name = f"{premises}/{spec.kind}/{name}"
            port = self._make_port(port_spec, self._attachment(full_name, port_spec, spec, factory), spec)
            port.failed = self._port_failed
            self.ports[full_name] = port

    def _make_port(self, spec: PortSpec, attachment: Attachment, device: DeviceSpec) -> Port:
        if not spec.bus:
            return make_port(spec, attachment, self.driver, self.folder)
        from rigs.ports.bus import Bus, DropPort

        bus = self._buses.get(spec.bus)
        if bus is None:
            options = replace(self.file.bus_line(spec.bus), **self._line)
            seed = str(self.file.config.seed)
            adaptor = self.file.config.bus[spec.bus].adaptor.options()
            bus = Bus(spec, options, self.driver, make_port, seed=seed, folder=self.folder, adaptor=adaptor)
            self._buses[spec.bus] = bus
        return DropPort(bus, spec, attachment, self.driver, device.address.hdlc, device.address.sign_on or "")

    def _attachment(self, name: str, port_spec: PortSpec, spec: DeviceSpec, factory: Callable[[], Stack]) -> Attachment:
        makers = tuple(self.taps)
        return Attachment(
            name,
            factory,
            WRAPPED_LINE if port_spec.wrapped else replace(spec.line, **self._line),
            seed=str(self.file.config.seed),
            tap=(lambda: _together([make(name, port_spec) for make in makers])) if makers else None,
            explain=lambda text: self._turned_away(name, text),
            adaptor=spec.adaptor,
            teller=self.history.teller(name, port_spec, self._refused),
            latency=Latency() if self.timed else None,
        )

    async def stop(self) -> None:
        """End all faults, close every port, stop the clock, and let devices keep all of their state."""
        if self._faults is not None:
            self._faults.end_all()
        for _ in range(2):
            await asyncio.sleep(0)  # asyncio loses a connection that was accepted and not yet made when a port closes
        for port in self.ports.values():
            with suppress(OSError):
                port.close()
        self.ports.clear()
        self._buses.clear()
        if self.panel is not None:
            self.panel.close()
        if self._relays is not None:
            await self._relays.close()
        if self._storage is not None:
            self.driver.now()
        self.driver.stop()
        for end in self._listening:
            end()
        self._listening.clear()
        if self._storage is not None:
            self._storage.close(self._devices().values())
            self._storage = None

    def _turned_away(self, name: str, text: str) -> None:
        """A port has refused somebody before there was a line."""
        self.history.note(name, Layer.PORT, text)
        self._refused(name, Layer.PORT, text)

    def _refused(self, name: str, layer: Layer, text: str) -> None:
        """A port has dropped or refused something."""
        for tell in self.reasons:
            tell(name, layer, text)
        self._explained(name, text)

    def _dropped_on_air(self, name: str, text: str) -> None:
        """A radio has dropped a frame, or its device refused what was in it; or a fault has begun or ended."""
        self.history.note(name, Layer.HAN, text)
        self._explained(name, text)

    def _explained(self, name: str, text: str) -> None:
        if not self._fault_is_told:  # which is an event of its own
            self.events.explained(name, text, self.in_force.blamed(name, text))
        if self.explain is not None:
            self.explain(name, text)

    def _not_kept(self, text: str) -> None:
        self.events.add(Source.RIG, "not_kept", text)
        if self.warn is not None:
            self.warn(text)

    def _port_failed(self, error: PortError) -> None:
        self.events.add(Source.RIG, "port_failed", str(error))
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
