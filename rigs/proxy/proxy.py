"""Stands between a head-end and a meter, passes on what they say, records it, and damages it where it is told to.

Each line or connection of a head-end has a way of its own to the meter, made when the head-end says something and left
when it goes. A meter on a serial line has one way only: a second head-end is turned away unless the first leaves.

Without damage octets go on as they come. With it, messages are put together first: octets that make no message go on
after a short silence. Where the head-end's end of a line shows its settings (a pseudo terminal, RFC 2217) the meter's
end follows them; otherwise what is said does (:mod:`rigs.proxy.settings`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from emulator.faults.damage import Damage
from rigs.capture import CaptureError
from rigs.client import parse_client_port
from rigs.ports import PortError, PortKind, PortSpec, Tap, make_port, parse_port
from rigs.proxy.head_end_side import HeadEnd, HeadEndAttachment, real_driver
from rigs.proxy.recording import Recorder
from rigs.proxy.settings import Settings
from rigs.proxy.way import BACKLOG, Way

START = Settings(9600, "8N1")
"""How a line begins unless it is told."""
PATIENCE = 0.5
"""Seconds that a head-end waits for one before it to leave the meter's line, before it is turned away."""
_ONE_WAY = (PortKind.PTY, PortKind.SERIAL, PortKind.RFC2217)


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """``to_meter`` and ``to_head_end`` damage each direction, by chance of ``seed``; ``settings`` are those that a line
    begins with; ``timeout`` is how long the way to the meter may take, s."""

    to_meter: Damage = field(default_factory=Damage)
    to_head_end: Damage = field(default_factory=Damage)
    seed: int = 0
    settings: Settings = START
    timeout: float = 10.0


class Proxy:
    """A proxy from ``head_end``, where it listens, to ``meter``::

        async with Proxy("pty:./meter", "serial:/dev/ttyUSB0", recorder=recorder) as proxy:
            ...

    ``tap`` makes a listener of each line, as :class:`rigs.capture.Capture` is; ``told`` hears in a sentence each what
    happens. Raises PortError for ports that do not go together or cannot be opened.
    """

    def __init__(
        self,
        head_end: str,
        meter: str,
        options: ProxyOptions | None = None,
        *,
        recorder: Recorder | None = None,
        tap: Callable[[str, PortSpec], Tap] | None = None,
        told: Callable[[str], None] | None = None,
        folder: Path = Path(),
    ) -> None:
        self.options = options or ProxyOptions()
        self.head_end = parse_port(head_end)
        self.meter = parse_client_port(meter).spec
        if meter.startswith("optical:"):
            raise PortError(meter, "the head-end signs on, not the proxy", "write the port without optical:")
        if self.head_end.wrapped != self.meter.wrapped:
            raise PortError(head_end, f"does not go with {meter}", "both are tcp: or udp:, or neither is")
        self.counters: Counter[str] = Counter()
        self.recorder = recorder
        self._tap = tap
        self._told = told
        self._driver = real_driver()
        self._port = make_port(self.head_end, HeadEndAttachment(self, self.options.settings), self._driver, folder)
        self._ways: dict[HeadEnd, Way] = {}
        self._newcomers: dict[HeadEnd, _Newcomer] = {}
        self._numbers = 0
        self._begun = 0.0

    @property
    def address(self) -> str:
        """What the head-end opens: a path, or ``host:port``."""
        return self._port.address

    @property
    def cuts(self) -> bool:
        """Whether messages are put together before they go on: for damage, and for datagrams."""
        damaged = self.options.to_meter.any or self.options.to_head_end.any
        return damaged or PortKind.UDP in (self.head_end.kind, self.meter.kind)

    async def open(self) -> None:
        """Listen for head-ends; raises PortError."""
        self._driver.start()
        self._begun = asyncio.get_running_loop().time()
        await self._port.open()

    async def close(self) -> None:
        """Leave everything. Closing twice does no harm."""
        self._port.close()
        for end in [*self._newcomers, *self._ways]:
            self.gone(end)
        self._driver.stop()
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- what head-ends do -------------------------------------------------------------------------------------------

    def opened(self, end: HeadEnd) -> None:
        """A head-end is there: it gets a way of its own, or is turned away."""
        self._numbers += 1
        if self._ways and self.meter.kind in _ONE_WAY:
            timer = asyncio.get_running_loop().call_later(PATIENCE, self._turn_away, end)
            self._newcomers[end] = _Newcomer(timer)
            return
        self._let_in(end)

    def _let_in(self, end: HeadEnd) -> None:
        self.counters["lines"] += 1
        tap = None if self._tap is None else self._tap(f"proxy {self._numbers}", self.head_end)
        way = self._ways[end] = Way(self, end, self._numbers, tap)
        self.note(way.number, "the head-end is there")

    def _turn_away(self, end: HeadEnd) -> None:
        del self._newcomers[end]
        self.note(self._numbers, f"turned away: {self.meter} has one line, which another head-end has")
        self.counters["turned away"] += 1
        end.transport.hang_up()

    def arrived(self, end: HeadEnd, data: bytes) -> None:
        """Octets of a head-end."""
        way, newcomer = self._ways.get(end), self._newcomers.get(end)
        if way is not None:
            way.from_head_end(data)
        elif newcomer is not None and len(newcomer.said) + len(data) <= BACKLOG:
            newcomer.said += data

    def gone(self, end: HeadEnd) -> None:
        """A head-end has gone; the next that waits for its line gets it."""
        newcomer = self._newcomers.pop(end, None)
        if newcomer is not None:
            newcomer.timer.cancel()
        way = self._ways.pop(end, None)
        if way is None:
            return
        way.close()
        self.note(way.number, "the head-end has gone")
        for end, newcomer in list(self._newcomers.items()):
            del self._newcomers[end]
            newcomer.timer.cancel()
            self._let_in(end)
            self._ways[end].from_head_end(bytes(newcomer.said))
            break

    # -- what is kept ------------------------------------------------------------------------------------------------

    def saw(self, number: int, inbound: bool, data: bytes) -> None:
        """Octets came."""
        self.counters["octets to the meter" if inbound else "octets from the meter"] += len(data)
        self._keep(lambda recorder, at: recorder.octets(at, number, inbound, data))

    def note(self, number: int, text: str) -> None:
        """Something happened on a line."""
        self._keep(lambda recorder, at: recorder.remark(at, number, text))
        if self._told is not None:
            self._told(f"line {number}: {text}")

    def _keep(self, write: Callable[[Recorder, float], None]) -> None:
        if self.recorder is None:
            return
        try:
            write(self.recorder, asyncio.get_running_loop().time() - self._begun)
        except CaptureError as error:
            self.recorder = None
            if self._told is not None:
                self._told(str(error))


class _Newcomer:
    """A head-end that waits for another to leave the meter's one line."""

    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self.timer = timer
        self.said = bytearray()
