"""``smets1 up``: a rig runs until it is told to stop, and the person who started it sees what goes on."""

from __future__ import annotations

import asyncio
import gc
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table
from rich.text import Text

from rigs.commands.output import console
from rigs.control.server import DEFAULT, OFF, ControlServer, parse_address
from rigs.driver import ClockMode
from rigs.hints import commands
from rigs.json_log import JsonLog
from rigs.known_keys import KnownKeys
from rigs.ports.spec import PortError, plain_path
from rigs.rig import Rig
from rigs.status import Log, Status

if TYPE_CHECKING:
    from rigs.config import RigFile
    from rigs.ports import Port

LIVE_PERIOD = 0.5
"""Seconds between looks at the rig for the live table, and for lines where there is no terminal."""
SHOWN = 12
"""Ports that the table at the start names; a rig may have thousands."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the command line says beside the rig file; ``line`` is as :class:`rigs.rig.Rig` takes it.

    ``seed`` is the one given instead of the file's, for what is printed only. ``control`` is where the control API
    listens, ``[host:]port`` or ``off``; by default a free port of the loopback interface, if the folder can be written.
    ``air`` is whether captures and traces have the HANs beside the ports. With ``log_json`` all that is printed is a
    JSON object a line.
    """

    rate: float | None = None
    stepped: bool = False
    capture: Path | None = None
    air: bool = True
    storage: Path | None = None
    trace: bool = False
    trace_hex: bool = False
    line: Mapping[str, bool] = field(default_factory=dict)
    seed: int | None = None
    control: str | None = None
    log_json: bool = False


def run(file: RigFile, options: UpOptions) -> int:
    """Run a rig until SIGINT, SIGTERM or SIGHUP; the exit code: 1 when a port failed meanwhile, else 0.

    Raises ConfigError, PortError and the like when the rig cannot start; nothing is left behind then either.
    """
    return asyncio.run(_Session(file, options).run())


class _Session:
    """One run of a rig in the foreground."""

    def __init__(self, file: RigFile, options: UpOptions) -> None:
        self.console = console()
        mode = ClockMode.STEPPED if options.stepped else None
        self.rig = Rig(file, mode=mode, rate=options.rate, line=options.line, storage=options.storage)
        self.options = options
        self.status = Status(self.rig)
        self.log = Log(self.status)
        self.ending = asyncio.Event()
        self.failures: list[PortError] = []
        self.control = self._make_control()
        self.rig.timed = self.control is not None
        self.json = JsonLog(self.rig, _print_line) if options.log_json else None

    async def run(self) -> int:
        rig = self.rig
        rig.failed = self._failed
        rig.warn = _warn
        live = self.console.is_terminal or self.json is not None
        rig.explain = self.status.explained if live else self.log.explained
        if self.json is not None:
            rig.events.listeners.append(self.json.event)
        with ExitStack() as listeners:
            self._listen_in(listeners)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                    loop.add_signal_handler(number, self.ending.set)
            await rig.start()
            await self._start_control()
            # What a rig is made of lives as long as it does: the collector need not look at it again and again.
            gc.collect()
            gc.freeze()
            try:
                if self.json is not None:
                    await self._log(self.json)
                else:
                    self._introduce()
                    await (self._show() if self.console.is_terminal else self._print())
            finally:
                if self.control is not None:
                    await self.control.stop()
                await rig.stop()
        if self.json is not None:
            self.json.say("rig", "stopped", "stopped")
        else:
            print("stopped", flush=True)
        return 1 if self.failures else 0

    def _make_control(self) -> ControlServer | None:
        wanted = self.options.control or DEFAULT
        return None if wanted == OFF else ControlServer(self.rig, parse_address(wanted), self.rig.folder)

    async def _start_control(self) -> None:
        """Offer control; where nobody asked for it, a rig that cannot offer it runs all the same, and says so."""
        if self.control is None:
            return
        try:
            await self.control.start()
        except PortError as error:
            self.control = None
            if self.options.control is not None:
                await self.rig.stop()
                raise
            self._say(f"  no control: {error}")

    def _listen_in(self, listeners: ExitStack) -> None:
        options = self.options
        keys = KnownKeys(self.rig.premises)
        if options.capture is not None:
            from rigs.capture import Capture

            capture = listeners.enter_context(Capture(options.capture))
            capture.reveal = keys
            capture.failed = _warn
            capture.attach(self.rig, air=options.air)
        if options.trace:
            from rigs.trace import Trace

            trace = Trace(self._trace, hexadecimal=options.trace_hex, reveal=keys)
            trace.attach(self.rig, air=options.air)

    def _failed(self, error: PortError) -> None:
        """A port is gone. The others go on; without any the rig ends."""
        self.failures.append(error)
        _warn(error)
        if len(self.failures) == len(self.rig.ports):
            self.ending.set()

    def _say(self, line: str) -> None:
        if self.json is not None:
            self.json.say("rig", "said", line.strip())
        else:
            self.console.print(Text(line), soft_wrap=True)

    def _trace(self, line: str) -> None:
        if self.json is not None:
            self.json.say("trace", "message", line)
        else:
            self._say(line)

    # -- what is seen -----------------------------------------------------------------------------------------------

    def _introduce(self) -> None:
        """The ports, and commands that read them."""
        table = Table(title=self.rig.file.name, title_justify="left")
        for heading in ("Port", "Profile", "Where"):
            table.add_column(heading, overflow="fold")
        rows = list(self._port_rows())
        for row in rows[:SHOWN]:
            table.add_row(*(Text(cell) for cell in row))
        if len(rows) > SHOWN:
            table.caption = f"and {len(rows) - SHOWN} more"
        self.console.print(table)
        first = self.rig.file.specs[0].name
        for name, port in self.rig.ports.items():
            if name.startswith(f"{first}/"):
                for command in commands(port):
                    self._say(f"  {command}")
        self._say(f"  {self._keys_command()}  # secrets and keys, and commands that use them")
        if self.rig.storage is not None:
            self._say(f"Devices keep their state in {self.rig.storage}.")
        if self.control is not None:
            self._say("  smets1 status  # power, load, clock, events, fault, why: what goes on, and what is done to it")
            self._say(f"  smets1 display {first}/electricity  # press, top-up: control at {self.control.place.url}")
            self._say(f"  the token of the control API is in {plain_path(self.control.path)}")
        if self.rig.file.faults:
            self._say(
                f"Faults of the file: {len(self.rig.file.faults)}. smets1 fault show: what waits, what is in force"
            )
        if self.rig.panel is not None:
            where = " and ".join(_where(port) for port in self.rig.panel.ports.values())
            self._say(f"The bench panel speaks Modbus at {where}; smets1 panel lists its registers.")
        self._say(f"{len(self.rig.ports)} ports open. {self.status.headline()}. Ctrl-C stops.")

    def _keys_command(self) -> str:
        """The command that shows the keys of this rig."""
        words = ["smets1", "keys"]
        if self.rig.file.path is not None:
            words.append(str(self.rig.file.path))
        if self.options.seed is not None:
            words += ["--seed", str(self.options.seed)]
        return shlex.join(words)

    def _port_rows(self) -> Iterator[tuple[str, str, str]]:
        """Every port, and every device without one: its name, the profile, where clients find it."""
        for spec in self.rig.file.specs:
            for device in spec.devices():
                prefix = f"{spec.name}/{device.kind}"
                profile = getattr(self.rig.premises[spec.name], device.kind).firmware.name
                names = [name for name in self.rig.ports if name.startswith(f"{prefix}/")]
                if not names:
                    yield prefix, profile, "on the HAN" if device.kind == "display" else "behind the hub"
                for name in names:
                    yield name, profile, _where(self.rig.ports[name])

    async def _show(self) -> None:
        """A live table below whatever else is printed."""
        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            while not self.ending.is_set():
                live.update(self.status.view(self.console), refresh=True)
                await self._pause()

    async def _print(self) -> None:
        """Lines, each when there is something new."""
        while not self.ending.is_set():
            for line in self.log.lines():
                self._say(line)
            await self._pause()

    async def _log(self, log: JsonLog) -> None:
        """Events as they happen, and clients as they come and go, as JSON."""
        for name, port in self.rig.ports.items():
            log.say("port", "open", _where(port), port=name)
        if self.control is not None:
            log.say("rig", "control", self.control.place.url)
        log.say("rig", "started", f"{len(self.rig.ports)} ports open")
        while not self.ending.is_set():
            for name, text in self.log.clients():
                log.say("port", "client", text, port=name)
            await self._pause()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self.ending.wait(), LIVE_PERIOD)
        except TimeoutError:
            return


def _print_line(line: str) -> None:
    print(line, flush=True)


def _warn(problem: object) -> None:
    print(f"smets1: {problem}", file=sys.stderr, flush=True)


def _where(port: Port) -> str:
    """A port as the rig file names it, and what the system made of that where it is something else."""
    spec = str(port.spec)
    return spec if spec.endswith(port.address) else f"{spec} ({port.address})"
