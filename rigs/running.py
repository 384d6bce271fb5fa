"""A rig on an event loop in a thread of its own, for those who write plain functions: tests, scripts, notebooks.

Every call from outside is carried to the thread of the loop and waits for its result, so a test may read a meter with a
blocking client and move the clock without a thought about threads. ``rigs.pytest_plugin`` hands such rigs to tests.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from rigs.associations import AssociationKeys, association_keys
from rigs.config import DEVICE_KINDS
from rigs.control import desk, faults, han, loads, overview, power
from rigs.driver import ClockMode
from rigs.events import EventFilter, RigEvent
from rigs.ports import Port, PortKind
from rigs.ports.bus import DropPort
from rigs.rig import Builder, Rig
from rigs.runner import Runner, RunningClock

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.hub import Hub
    from protocols.tokens.scheme import Outcome
    from rigs.blocking import BlockingClient
    from rigs.config import RigFile

T = TypeVar("T")
DEVICE_SAP = 1
"""Server SAP of the management logical device, which every device has."""
_EXPLANATIONS = 1000  # the latest kept


class RunningDevice:
    """One device of running premises."""

    def __init__(self, running: RunningRig, premises: str, kind: str, device: Device) -> None:
        self.kind = kind
        self.device = device
        """The emulated device itself; use it inside :meth:`call` only."""
        self.premises = premises
        self._running = running
        self._prefix = f"{premises}/{kind}/"

    def call(self, function: Callable[[], T]) -> T:
        """What ``function()`` gives in the thread of the rig."""
        return self._running.runner.call(function)

    @property
    def ports(self) -> dict[str, str]:
        """Addresses by port name: a path, or ``host:port``."""
        return {name: port.address for name, port in self._ports().items()}

    @property
    def port(self) -> str:
        """The path of the device's serial line: the hub's WAN line, the electricity meter's optical port."""
        return self._one("serial line", PortKind.PTY, PortKind.SERIAL)

    @property
    def tcp(self) -> str:
        """``host:port`` where the device speaks the COSEM wrapper over TCP."""
        return self._one("TCP port", PortKind.TCP)

    @property
    def udp(self) -> str:
        """``host:port`` where the device speaks the COSEM wrapper over UDP."""
        return self._one("UDP port", PortKind.UDP)

    @property
    def statistics(self) -> dict[str, dict[str, int]]:
        """Octets, frames and errors by port name."""
        return self.call(lambda: {name: dict(port.statistics()) for name, port in self._ports().items()})

    @property
    def explained(self) -> list[str]:
        """The latest sentences on what was discarded or refused at this device's ports, and why."""
        return [text for name, text in list(self._running.explained) if name.startswith(self._prefix)]

    @property
    def system_title(self) -> bytes:
        """Eight octets."""
        return self.device.identity.system_title

    def keys(self, association: str) -> AssociationKeys:
        """The keys that an association of this device has now; raises KeyError naming those it has."""
        model = self.device.firmware.model
        index = model.by_name.get(association)
        if index is None:
            raise KeyError(f"{association}: no such association; this device has {', '.join(model.by_name)}")
        return self.call(lambda: association_keys(model, index, self.device.security(index), self.system_title))

    def client(self, association: str = "public", *, port: str | None = None, **options: object) -> BlockingClient:
        """A client that opens an association of this device with its keys: ``with meter.client("management") as m:``.

        It goes to the device's own serial line, or to ``port`` (a name of :attr:`ports`); to one behind the hub it
        goes through the hub, over ``port`` of that. ``hub/NAME`` is a port of the hub for any device. What else
        :class:`rigs.client.ClientOptions` holds, its settings or their security, may be given too, such as
        ``timeout=2`` or ``envelope=Envelope.GENERAL_GLO``. Raises KeyError for an association that the device
        does not have, LookupError for a port.
        """
        from rigs.blocking import BlockingClient, options_for, varied

        own = self._ports()
        through_hub = not own or (port or "").startswith("hub/")
        server = DEVICE_SAP
        if through_hub and self.kind != "hub":
            own = self._running.ports_of(f"{self.premises}/hub")
            server = self.call(self._sap_at_hub)
        name = port.removeprefix("hub/") if port is not None else next(iter(own), "")
        found = own.get(name)
        if found is None:
            raise LookupError(f"{self.premises}/{self.kind}: no port {name!r}; there are {', '.join(own) or 'none'}")
        chosen = self.call(lambda: options_for(self.device, association, server))
        if isinstance(found, DropPort):
            chosen = replace(chosen, physical=found.hdlc, meter_address=found.sign_on)
        return BlockingClient(self._running.runner, _client_port(name, found), varied(chosen, options))

    def load(
        self,
        *,
        watts: float | None = None,
        cubic_metres_per_hour: float | None = None,
        household: float | None = None,
        csv: str | None = None,
    ) -> loads.LoadState:
        """What is drawn through this meter from now on; one of them, or none to look.

        ``watts`` of an electricity meter (negative: exported) or ``cubic_metres_per_hour`` of a gas meter; a
        ``household`` so many times as large as the seed's; or the text of a ``csv`` load, lines of time and rate.
        Raises :class:`rigs.control.desk.DeskError` for what cannot be drawn.
        """
        given = {"watts": watts, "cubic_metres_per_hour": cubic_metres_per_hour, "household": household, "csv": csv}
        chosen = [name for name, value in given.items() if value is not None]
        constant = {"electricity": watts, "gas": cubic_metres_per_hour}.get(self.kind)
        others = {"electricity": cubic_metres_per_hour, "gas": watts}.get(self.kind)
        if len(chosen) > 1 or others is not None:
            raise ValueError("give an electricity meter watts=..., a gas meter cubic_metres_per_hour=...")
        at = self._running.desk
        if constant is not None:
            return self.call(lambda: loads.draw_constant(at, self.device, constant))
        if household is not None:
            return self.call(lambda: loads.draw_household(at, self.device, household))
        if csv is not None:
            return self.call(lambda: loads.draw_csv(at, self.device, csv))
        return self.call(lambda: loads.look(at, self.device))

    def press(self, keys: str) -> str:
        """Press keys of this meter or display; what it shows after the last one.

        ``keys`` are digits, ``<`` back-space, ``c`` clear, ``#`` enter, ``>`` scroll, ``s`` supply button and ``e``
        emergency credit; spaces and ``-`` between them are none. Raises :class:`rigs.control.desk.DeskError` for other
        signs, with no key pressed, and where there is no keypad.
        """
        return self._at_desk(lambda: desk.press(self.device, keys))

    @property
    def display(self) -> str:
        """What this display, or that of this meter, shows now, empty while it is off; DeskError where there is none."""
        return self._at_desk(lambda: desk.front_of(self.device).text())

    def top_up(self, digits: str, *, at_display: bool = False) -> Outcome:
        """Enter a token at the keypad of this meter, or at an in-home display; what became of it.

        Raises :class:`rigs.control.desk.DeskError` when it has no power, and for what a keypad cannot type.
        """
        way = desk.TokenWay.DISPLAY if at_display else desk.TokenWay.KEYPAD
        return self._at_desk(lambda: desk.top_up(self.device, digits, way))

    def press_button(self) -> str:
        """Press the supply button: it closes a switch that is armed. ``on``, ``armed`` or ``off`` after it."""
        return self._at_desk(lambda: desk.press_button(self.device))

    def open_tap(self, *, litres_per_hour: int) -> None:
        """Leave an appliance behind this gas meter open, or close it (0): while one is open, its valve test fails.

        Raises :class:`rigs.control.desk.DeskError` for another device, and for what is not 0 to 100,000.
        """
        self._at_desk(lambda: desk.open_tap(self.device, litres_per_hour))

    def activate_emergency_credit(self) -> bool:
        """Press the key of emergency credit; whether it is activated after that."""
        return self._at_desk(lambda: desk.activate_emergency_credit(self.device))

    @property
    def balance(self) -> int:
        """The meter balance in millipence (1e-5 GBP), a gas meter's as of its last wake-up."""
        return self._at_desk(lambda: desk.settled_account_of(self.device).balance)

    @property
    def state(self) -> desk.DeviceState:
        """Display, supply, mode, balance, alarms, power: the device as a person finds it."""
        return self._at_desk(lambda: desk.look(self.device))

    @property
    def status(self) -> overview.DeviceStatus:
        """The device with its ports, their clients and counters."""
        return self.call(lambda: overview.device_status(self._running.desk, self.device))

    @property
    def power(self) -> power.PowerState:
        """Whether it has power, how often it has started, and how its battery is."""
        return self.call(lambda: power.look(self._running.desk, self.device))

    def power_off(self, *, seconds: float | None = None) -> power.PowerState:
        """Mains (or battery) gone, for ``seconds`` of the rig's clock where given: silent, RAM lost."""
        return self._switch(False, seconds)

    def power_on(self) -> power.PowerState:
        """Power again: it boots, and is silent for the boot time of its firmware."""
        return self._switch(True, None)

    def replace_battery(self) -> power.PowerState:
        """Put a new battery into this gas meter; :class:`rigs.control.desk.DeskError` for another device."""
        return self.call(lambda: power.replace_battery(self._running.desk, self.device))

    def join(self) -> str | None:
        """Press the button by which the device looks for its network: why it is not on it, None when it is."""
        return self._at_desk(lambda: han.join(han.hub_of(self._running.desk, self.premises), self.device))

    def _switch(self, on: bool, seconds: float | None) -> power.PowerState:
        return self.call(lambda: power.switch(self._running.desk, [self.device], on, seconds)[0])

    def _at_desk(self, act: Callable[[], T]) -> T:
        """What ``act()`` gives in the thread of the rig, at the present of its clock."""
        return self.call(lambda: self._running.desk.act(act))

    def _ports(self) -> dict[str, Port]:
        return self._running.ports_of(self._prefix[:-1])

    def _sap_at_hub(self) -> int:
        saps = self._running.premises[self.premises].hub.device.firmware.logical
        if saps is None:
            raise LookupError(f"{self.premises}/{self.kind}: the hub's profile has no logical devices")
        return saps.gas if self.kind == "gas" else saps.electricity

    def _one(self, what: str, *kinds: PortKind) -> str:
        for port in self._ports().values():
            if port.spec.kind in kinds:
                return port.address
        raise LookupError(f"{self._prefix[:-1]} has no {what}; its ports: {', '.join(self.ports) or 'none'}")


class RunningPremises:
    """Premises that run. ``hub``, ``electricity``, ``gas`` and ``display`` raise LookupError where there is none."""

    def __init__(self, running: RunningRig, name: str) -> None:
        self.name = name
        self.rig = running
        self.clock = running.clock
        self._devices: dict[str, RunningDevice] = {}
        premises = running.rig.premises[name]
        for kind in DEVICE_KINDS:
            device = getattr(premises, kind)
            if device is not None:
                self._devices[kind] = RunningDevice(running, name, kind, device)

    @property
    def hub(self) -> RunningDevice:
        """The communications hub."""
        return self._device("hub")

    @property
    def electricity(self) -> RunningDevice:
        """The electricity meter."""
        return self._device("electricity")

    @property
    def gas(self) -> RunningDevice:
        """The gas meter."""
        return self._device("gas")

    @property
    def display(self) -> RunningDevice:
        """The display of the HAN."""
        return self._device("display")

    @property
    def han(self) -> han.HanState:
        """The hub's device log, and the devices within range."""
        return self._at_hub(han.look)

    def power_off(self, *, seconds: float | None = None) -> list[power.PowerState]:
        """A power cut: all devices on the mains at one instant, for ``seconds`` of the rig's clock where given."""
        return self._switch(False, seconds)

    def power_on(self) -> list[power.PowerState]:
        """The end of a power cut."""
        return self._switch(True, None)

    def replace_gas(self) -> han.NewMeter:
        """Put a new gas meter in the old one's place; :attr:`gas` is the new one from then on."""
        desk = self.rig.desk
        new = self.rig.runner.call(lambda: desk.act(lambda: han.replace_gas(desk, self.name)))
        self._devices["gas"] = RunningDevice(self.rig, self.name, "gas", desk.device(self.name, "gas"))
        return new

    def _switch(self, on: bool, seconds: float | None) -> list[power.PowerState]:
        desk = self.rig.desk
        return self.rig.runner.call(lambda: power.switch(desk, power.mains_of(desk, self.name), on, seconds))

    def _at_hub(self, look: Callable[[Hub], T]) -> T:
        desk = self.rig.desk
        return self.rig.runner.call(lambda: desk.act(lambda: look(han.hub_of(desk, self.name))))

    def _device(self, kind: str) -> RunningDevice:
        found = self._devices.get(kind)
        if found is None:
            raise LookupError(f"premises {self.name} have no {kind}; they have {', '.join(self._devices)}")
        return found


class RunningRig:
    """A rig that runs until :meth:`stop` or the end of a ``with`` block.

    ``mode``, ``rate`` and ``storage`` go before what the file says; pty links are made below ``folder``.
    """

    def __init__(
        self,
        file: RigFile,
        *,
        folder: Path = Path(),
        mode: ClockMode | None = None,
        rate: float | None = None,
        line: Mapping[str, bool] | None = None,
        storage: Path | None = None,
        build: Builder | None = None,
    ) -> None:
        self.rig = Rig(file, mode=mode, rate=rate, line=line or {}, folder=folder, storage=storage, build=build)
        self.rig.timed = True
        self.desk = desk.Desk(self.rig)
        self.explained: deque[tuple[str, str]] = deque(maxlen=_EXPLANATIONS)
        """Port names and sentences on what was discarded or refused there, and why; the latest ones."""
        self.rig.explain = lambda name, text: self.explained.append((name, text))
        self.premises: dict[str, RunningPremises] = {}
        self.runner = Runner()
        self.clock = RunningClock(self.runner, self.rig)

    @property
    def status(self) -> overview.RigStatus:
        """The rig, all its devices and ports, with what was counted."""
        return self.runner.call(lambda: overview.status(self.desk, most=sys.maxsize))

    @property
    def metrics(self) -> str:
        """What was counted, as Prometheus scrapes it."""
        from rigs.metrics import exposition

        return self.runner.run(exposition(self.rig))[0].decode()

    def events(
        self, after: int = 0, *, device: str | None = None, source: str | None = None, fault: str | None = None
    ) -> list[RigEvent]:
        """What has happened since event number ``after``, as far as it is kept, the oldest first.

        ``device`` is a premises or ``premises/kind``, ``source`` one of :class:`rigs.events.Source` by value, ``fault``
        the id of an injection.
        """
        wanted = EventFilter(device, source, fault)
        return self.runner.call(lambda: [event for event in self.rig.events.since(after) if wanted(event)])

    def fault_catalogue(self) -> list[faults.FaultState]:
        """The faults there are to inject."""
        return faults.catalogue()

    @property
    def faults(self) -> list[faults.InjectionState]:
        """The injections that wait or are in force, and the latest of those that are over."""
        return self.runner.call(lambda: faults.injections(self.desk))

    def fault_conditions(self) -> list[faults.ConditionState]:
        """The kinds of conditions that a fault can wait for: ``when`` of :meth:`start_fault`."""
        return faults.conditions()

    def start_fault(
        self,
        fault: str,
        device: str,
        values: Mapping[str, int | str] | None = None,
        *,
        seconds: float | None = None,
        after_seconds: float | None = None,
        when: str | None = None,
        every_seconds: float | None = None,
        between: str | None = None,
        times: int | None = None,
        probability: float | None = None,
        **parameters: int | str,
    ) -> faults.InjectionState:
        """Inject a fault into a device (``premises/kind``), at once or ``after_seconds``, for ``seconds`` where given.

        ``when`` is a condition to wait for, such as ``frame 5`` or ``read 1-0:1.8.0``; ``every_seconds`` has it begin
        anew, ``between`` (``17:00-19:00``) at some times of day only, ``times`` and ``probability`` say how often.
        Parameters of the fault that are called as one of these go into ``values``. Raises
        :class:`rigs.control.desk.DeskError` for what is not there, makes no sense or cannot be done.
        """
        return self.runner.call(
            lambda: faults.start(
                self.desk,
                fault,
                device,
                {**(values or {}), **parameters},
                after_seconds=after_seconds,
                seconds=seconds,
                when=when,
                every_seconds=every_seconds,
                between=between,
                times=times,
                probability=probability,
            )
        )

    def end_fault(self, id: str) -> faults.InjectionState:
        """End an injection, or take back one that waits."""
        return self.runner.call(lambda: faults.end(self.desk, id))

    def ports_of(self, device: str) -> dict[str, Port]:
        """Ports of a device (``premises/kind``) by their names there."""
        prefix = f"{device}/"
        return {name.removeprefix(prefix): port for name, port in self.rig.ports.items() if name.startswith(prefix)}

    @property
    def panel(self) -> dict[str, str]:
        """Addresses of the bench panel by what it speaks there, ``tcp`` or ``rtu``; none where there is none."""
        panel = self.rig.panel
        return {} if panel is None else {name: port.address for name, port in panel.ports.items()}

    def start(self) -> Self:
        """Build and open everything; raises ConfigError or PortError with all undone."""
        try:
            self.runner.run(self.rig.start())
        except BaseException:
            self.runner.close()
            raise
        self.premises = {name: RunningPremises(self, name) for name in self.rig.premises}
        return self

    def stop(self) -> None:
        """Close everything; raises the first thing that went wrong inside the rig unnoticed. Once is enough."""
        if self.runner.closed:
            return
        self.runner.run(self.rig.stop())
        self.runner.close()
        if self.runner.errors:
            raise self.runner.errors[0]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _client_port(name: str, port: Port) -> str:
    """A port as a client names it."""
    kind = "optical:pty" if name == "optical" and port.spec.kind is PortKind.PTY else port.spec.kind.value
    return f"{kind}:{port.address}"
