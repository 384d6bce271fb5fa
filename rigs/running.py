"""A rig on an event loop in a thread of its own, for those who write plain functions: tests, scripts, notebooks.

Every call from outside is carried to the thread of the loop and waits for its result, so a test may read a meter with a
blocking client and move the clock without a thought about threads. ``rigs.pytest_plugin`` hands such rigs to tests.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from rigs.associations import AssociationKeys, association_keys
from rigs.config import DEVICE_KINDS
from rigs.control import desk
from rigs.driver import SECOND, ClockMode
from rigs.ports import Port, PortKind
from rigs.rig import Builder, Rig

if TYPE_CHECKING:
    from emulator.device import Device
    from protocols.tokens.scheme import Outcome
    from rigs.blocking import BlockingClient
    from rigs.config import RigFile

T = TypeVar("T")
DEVICE_SAP = 1
"""Server SAP of the management logical device, which every device has."""
PATIENCE = 60.0
"""Seconds that a call waits for the loop before it is taken to hang."""
_EXPLANATIONS = 1000  # the latest kept
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Runner:
    """An event loop in a thread, and the way to it."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        """What was raised where nobody waited for it: faults of the emulator that a test must not miss."""
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._note)
        self._thread = threading.Thread(target=self._loop.run_forever, name="smets1 rig", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether the thread has ended."""
        return self._loop.is_closed()

    def call(self, function: Callable[[], T]) -> T:
        """What ``function()`` gives in the thread of the loop; raises what it raises."""
        if threading.current_thread() is self._thread:
            return function()
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(function())
            except BaseException as error:
                result.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return result.result(PATIENCE)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns, run on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def close(self) -> None:
        """End the thread."""
        self.run(_let_go())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.errors.append(error if isinstance(error, BaseException) else RuntimeError(str(context.get("message"))))


async def _let_go() -> None:
    """Let transports say to their protocols that they were closed: a few rounds of the loop; then end its threads."""
    for _ in range(5):
        await asyncio.sleep(0)
    await asyncio.get_running_loop().shutdown_default_executor()


class RunningClock:
    """The rig's clock from outside. ``ns`` is UTC in nanoseconds since the Unix epoch."""

    def __init__(self, runner: Runner, rig: Rig) -> None:
        self._runner = runner
        self._rig = rig

    @property
    def ns(self) -> int:
        """The time now."""
        return self._runner.call(self._read)

    @property
    def now(self) -> datetime:
        """The time now, in UTC, to the microsecond."""
        return _EPOCH + timedelta(microseconds=self.ns // 1000)

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0, nanoseconds: int = 0
    ) -> datetime:
        """Move a stepped clock on, with all that falls due on the way; the new time.

        Raises RuntimeError when the clock runs by itself and ValueError for a time that is past.
        """
        step = nanoseconds + round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * SECOND)
        self._runner.call(lambda: self._rig.driver.advance(step))
        return self.now

    def advance_to(self, instant: datetime) -> datetime:
        """Move a stepped clock on to an instant, which must have a zone."""
        since = instant - _EPOCH
        target = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
        self._runner.call(lambda: self._rig.driver.advance(target - self._rig.clock.now))
        return self.now

    def _read(self) -> int:
        self._rig.driver.now()
        return self._rig.clock.now


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
        return BlockingClient(self._running.runner, _client_port(name, found), varied(chosen, options))

    def load(self, *, watts: float | None = None, cubic_metres_per_hour: float | None = None) -> None:
        """What is drawn through this meter from now on: ``watts`` of an electricity meter (negative: exported)."""
        from emulator.load import MICRO, Constant
        from emulator.meter import Meter

        device = self.device
        value, micro = (watts, MICRO) if self.kind == "electricity" else (cubic_metres_per_hour, 1000 * MICRO)
        if value is None or not isinstance(device, Meter):
            raise ValueError("give an electricity meter watts=..., a gas meter cubic_metres_per_hour=...")
        rate = round(value * micro)
        self._at_desk(lambda: device.set_load(Constant(rate)))

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

    def power_off(self) -> None:
        """Mains (or battery) gone: silent, RAM lost."""
        self._at_desk(self.device.power_off)

    def power_on(self) -> None:
        """Power again: it boots, and is silent for the boot time of its firmware."""
        self._at_desk(self.device.power_on)

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
        self.desk = desk.Desk(self.rig)
        self.explained: deque[tuple[str, str]] = deque(maxlen=_EXPLANATIONS)
        """Port names and sentences on what was discarded or refused there, and why; the latest ones."""
        self.rig.explain = lambda name, text: self.explained.append((name, text))
        self.premises: dict[str, RunningPremises] = {}
        self.runner = Runner()
        self.clock = RunningClock(self.runner, self.rig)

    def ports_of(self, device: str) -> dict[str, Port]:
        """Ports of a device (``premises/kind``) by their names there."""
        prefix = f"{device}/"
        return {name.removeprefix(prefix): port for name, port in self.rig.ports.items() if name.startswith(prefix)}

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
