"""A bus: one RS-485 line, or current loop, with several devices on it behind one port.

Every station hears everything, the others' answers too, and answers for its own address. Nobody keeps two of them from
answering at once: octets of different stations that overlap in time damage each other, for the client and for those who
listen. So that this is known before they are heard, what stations say is held back for as long as another one's octets
may still overlap with it: 3 ms, or where octets take their time (*pacing*) the time of a slice or of the slowest
station's character. A station does not hear itself; whether the client hears what it said is the *echo* of the bus.

Times matter here as they do on a real line: with *turnaround* and *pacing* stations overlap as their firmware has them
overlap. Without them all answer at the instant of the request, and two that answer the same request always collide.
"""

from __future__ import annotations

import asyncio
import math
from bisect import insort
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from emulator.ports import Stack
from emulator.telling import Layer, Teller
from emulator.uart import character_time
from rigs.driver import Driver
from rigs.ports.line import Line
from rigs.ports.outgoing import SECOND
from rigs.ports.pacing import SLICE, Arrivals
from rigs.ports.port import AdaptorOptions, Attachment, Port
from rigs.ports.spec import PortError, PortSpec
from rigs.ports.wire import LineOptions, Transport
from rigs.wheel import TICK

HOLD = 0.003
"""Seconds that octets are held back where they take no time: answers of one instant."""
_NOT_FOR_ME = (Layer.LINE, Layer.DEVICE, Layer.SIGN_ON, Layer.LINK)
"""Layers at which a station passes over what may be meant for another one."""


@dataclass(slots=True)
class _Said:
    """Octets of one station on the wire; times are the loop's, in seconds."""

    station: _Station
    data: bytearray
    begin: float
    each: float
    due: float
    baud: int
    framing: str

    @property
    def end(self) -> float:
        """When the last octet has passed."""
        return self.begin + len(self.data) * self.each

    def during(self, begin: float, end: float) -> range:
        """The octets that are on the wire in that time."""
        first = max(0, math.floor((begin - self.begin) / self.each + 1e-6))
        last = min(len(self.data), math.ceil((end - self.begin) / self.each - 1e-6))
        return range(first, max(first, last))


class _Station:
    """One device on one line of a bus, as the transport of its own line."""

    def __init__(self, wire: BusLine, drop: DropPort) -> None:
        self._wire = wire
        self.drop = drop
        self.line = drop.join(self)
        if wire.owns_uart:
            # The UART sends as the station is set, and takes the time that it takes.
            self.line.options = replace(self.line.options, baud=False, pacing=False)
        self.setting = self.line.stack.baud, self.line.listening
        """Rate and framing that the device listens or speaks with now."""
        self.teller: Teller | None = None
        explain = self.line.stack.explain
        if isinstance(explain, Teller):
            self.teller = explain
            self.line.explain_by(Teller(self._said))

    def write(self, data: bytes) -> None:
        self._wire.say(self, data, *self.setting)

    def rate(self) -> int:
        return self._wire.rate

    def framing(self) -> str:
        return self._wire.framing

    def follow(self, baud: int, framing: str) -> None:
        if (baud, framing) != self.setting:
            self.setting = baud, framing
            self._wire.followed(self)

    def hang_up(self) -> None:
        """One of many cannot hang up the line."""

    def tell(self, layer: Layer, text: str) -> None:
        """Say something to whoever hears of this device's port."""
        if self.teller is not None:
            self.teller.at(layer)(text)

    def _said(self, layer: Layer, text: str) -> None:
        self._wire.explained(self, layer, text)


class BusLine:
    """The stations of a bus on one line or connection: what a port carries in place of the line of one device."""

    def __init__(self, bus: Bus, transport: Transport, driver: Driver, *, owns_uart: bool) -> None:
        self.counters: Counter[str] = Counter()
        self._bus = bus
        self._transport = transport
        self._driver = driver
        self.owns_uart = owns_uart
        self._pacing = bus.options.pacing and not owns_uart
        self._uart = (9600, "8N1")  # what the port's own UART is set to
        self._arrivals = Arrivals(driver, self._pass_in, lambda: True)
        self._held: list[_Said] = []
        self._timer: asyncio.TimerHandle | None = None
        self._speaking: _Station | None = None  # whose octets the others hear now
        self._asking: list[tuple[_Station, Layer, str]] | None = None  # sentences while all hear the client
        self._chance = Random(f"{bus.seed}/{bus.name}/collisions")
        self._octets = Counter[str]()
        self._stations = [_Station(self, drop) for drop in bus.drops]
        self._listening = self._stations[0]  # who has spoken last
        self._uart = self._listening.setting

    # -- what a port asks of what it carries ------------------------------------------------------------------------

    @property
    def stack(self) -> Stack:
        """That of the station that has spoken last."""
        return self._listening.line.stack

    @property
    def listening(self) -> str:
        """Character format that this station's end hears with."""
        return self._listening.line.listening

    @property
    def attached(self) -> bool:
        """Whether the line reaches any station."""
        return any(station.line.attached for station in self._stations)

    @attached.setter
    def attached(self, attached: bool) -> None:
        for station in self._stations:
            station.line.attached = attached

    @property
    def explain(self) -> Callable[[str], None] | None:
        """What is wrong with the port's end is said at the port of every station."""
        return self._tell_all

    def statistics(self) -> dict[str, int]:
        """Octets, and what the bus did to them."""
        return {**self._octets, **self.counters}

    def opened(self) -> None:
        """The far end is there."""
        for station in self._stations:
            station.line.opened()

    def hung_up(self) -> None:
        """The far end has gone, the line stays."""
        self._forget()
        for station in self._stations:
            station.line.hung_up()

    def close(self) -> None:
        """The line has gone."""
        self._forget()
        for station in self._stations:
            station.drop.drop_line(station.line)

    def arrived(self, data: bytes) -> None:
        """Octets from the far end."""
        if not self._pacing:
            self._hear(data)
            return
        rate = self.rate
        each = character_time(rate or self.stack.baud, self.framing or "8N1") / SECOND
        if not self._arrivals.add(data, each, rate):
            self.counters["overrun"] += len(data)

    def _forget(self) -> None:
        self._arrivals.clear()
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- towards the stations ---------------------------------------------------------------------------------------

    @property
    def rate(self) -> int:
        """Bits a second that the far end, or the port's own UART, is set to; 0 where that is not to be seen."""
        return self._uart[0] if self.owns_uart else self._transport.rate()

    @property
    def framing(self) -> str:
        """The character format likewise."""
        return self._uart[1] if self.owns_uart else self._transport.framing()

    def _pass_in(self, data: bytes, _baud: int) -> None:
        self._hear(data)

    def _hear(self, data: bytes) -> None:
        self._octets["octets in"] += len(data)
        if self._bus.options.echo:
            self._transport.write(data)
            self.counters["echoed"] += len(data)
        before = [station.line.octets_out for station in self._stations]
        self._asking = []
        for station in self._stations:
            if self.owns_uart:
                station.line.overhear(data, *self._heard_as(*self._uart))
            else:
                station.line.deliver(data)
        sentences, self._asking = self._asking, None
        answered = [
            station for station, out in zip(self._stations, before, strict=True) if station.line.octets_out > out
        ]
        lost = not answered and len({id(station) for station, _, _ in sentences}) == len(self._stations)
        for station, layer, text in sentences:
            # Whoever passes over what another one takes has nothing to explain.
            if lost or station in answered:
                station.tell(layer, text)

    def _heard_as(self, baud: int, framing: str) -> tuple[int, str]:
        return (baud if self._bus.options.baud else 0), framing

    def explained(self, station: _Station, layer: Layer, text: str) -> None:
        """A station has dropped or refused something."""
        if self._speaking is not None:
            return  # what another station said was not meant for it
        if self._asking is not None and layer in _NOT_FOR_ME:
            self._asking.append((station, layer, text))
        else:
            station.tell(layer, text)

    def _tell_all(self, text: str) -> None:
        for station in self._stations:
            station.tell(Layer.LINE, text)

    # -- from the stations ------------------------------------------------------------------------------------------

    def say(self, station: _Station, data: bytes, baud: int, framing: str) -> None:
        """A station sends octets at these settings, now; those that took their time have just passed."""
        now = self._driver.loop.time()
        each = character_time(baud, framing) / SECOND
        begin = station.line.passed - len(data) * each if self._pacing else self._unpaced(station, now)
        said = _Said(station, bytearray(data), begin, each, now + self._patience(), baud, framing)
        for other in self._held:
            if other.station is not station and other.begin < said.end and said.begin < other.end:
                self._collide(said, other)
        insort(self._held, said, key=lambda held: held.end)
        if self._timer is None:
            self._timer = self._driver.loop.call_at(self._held[0].due, self._pass_on)

    def _unpaced(self, station: _Station, now: float) -> float:
        """When octets begin that take no time: what is held back is of one instant, however long it took to reckon."""
        mine = [said.end for said in self._held if said.station is station]
        return mine[-1] if mine else self._held[0].begin if self._held else now

    def followed(self, station: _Station) -> None:
        """A station has other settings; a UART of the port's own follows the one that changed last."""
        self._listening = station
        if not self._held:
            self._set(*station.setting)

    def _set(self, baud: int, framing: str) -> None:
        """Set the port's own UART, where it has one, after what was written before."""
        if self.owns_uart:
            self._uart = baud, framing
            self._transport.follow(baud, framing)

    def _patience(self) -> float:
        if not self._pacing:
            return HOLD
        slowest = max(character_time(*station.setting) for station in self._stations) / SECOND
        return max(SLICE, slowest) + TICK + HOLD

    def _collide(self, one: _Said, other: _Said) -> None:
        """Two drivers against each other: where their bits differ, chance has it which one wins."""
        begin, end = max(one.begin, other.begin), min(one.end, other.end)
        before = [bytes(said.data) for said in (one, other)]
        for said, octets, against in ((one, before[0], before[1]), (other, before[1], before[0])):
            damaged = said.during(begin, end)
            for number, index in enumerate(damaged):
                difference = octets[index] ^ against[number % len(against)]
                said.data[index] ^= difference & self._chance.randrange(256) or 1 << self._chance.randrange(8)
            said.station.line.counters["collisions"] += len(damaged)
            self.counters["collisions"] += len(damaged)
        for said, name in ((one, other.station.drop.name), (other, one.station.drop.name)):
            said.station.tell(Layer.LINE, f"collision: {name} spoke at the same time, and octets of both are damaged")

    def _pass_on(self) -> None:
        loop = self._driver.loop
        self._timer = None
        while self._held and self._held[0].due <= loop.time() + 1e-4:
            said = self._held.pop(0)
            data = bytes(said.data)
            self._octets["octets out"] += len(data)
            self._set(said.baud, said.framing)
            self._transport.write(data)
            self._speaking = said.station
            try:
                for station in self._stations:
                    if station is not said.station:
                        station.line.overhear(data, *self._heard_as(said.baud, said.framing))
            finally:
                self._speaking = None
        if self._held:
            self._timer = loop.call_at(self._held[0].due, self._pass_on)
        else:
            self._set(*self._listening.setting)


class _BusAttachment(Attachment):
    """What the port of a bus carries."""

    __slots__ = ("_bus",)

    def __init__(self, bus: Bus) -> None:
        super().__init__(f"bus {bus.name}", _no_stack)
        self._bus = bus

    def carry(self, transport: Transport, driver: Driver, *, owns_uart: bool = False) -> BusLine:
        return BusLine(self._bus, transport, driver, owns_uart=owns_uart)


class Bus:
    """Devices on one line, and the port that carries it."""

    def __init__(
        self,
        spec: PortSpec,
        options: LineOptions,
        driver: Driver,
        make: Callable[[PortSpec, Attachment, Driver, Path], Port],
        *,
        seed: str = "",
        folder: Path = Path(),
        adaptor: AdaptorOptions | None = None,
    ) -> None:
        self.name = spec.bus
        self.options = options
        self.seed = seed
        self.drops: list[DropPort] = []
        attachment = _BusAttachment(self)
        attachment.adaptor = adaptor or AdaptorOptions()
        self.port = make(replace(spec, bus=""), attachment, driver, folder)
        self._open = False

    async def open(self) -> None:
        """Open the port, once; raises :class:`rigs.ports.spec.PortError`."""
        if not self._open:
            self._open = True
            self.port.failed = self._failed
            await self.port.open()

    def close(self) -> None:
        """Close the port. Closing twice does no harm."""
        if self._open:
            self._open = False
            self.port.close()

    def _failed(self, error: PortError) -> None:
        for drop in self.drops:
            if drop.failed is not None:
                drop.failed(error)


class DropPort(Port):
    """The port of one device on a bus: it carries the device's line, the bus has the port that clients open."""

    def __init__(
        self, bus: Bus, spec: PortSpec, attachment: Attachment, driver: Driver, hdlc: int | None, sign_on: str
    ) -> None:
        super().__init__(spec, attachment, driver)
        self.bus = bus
        self.hdlc = hdlc
        """Lower HDLC address that the device was delivered with, None for that of its profile."""
        self.sign_on = sign_on
        """Its device address of IEC 62056-21, empty for none."""
        # Octets take their time on the bus, and it gives the client its own back.
        attachment.options = replace(bus.options, echo=False)
        bus.drops.append(self)

    def join(self, station: Transport) -> Line:
        """The device's line on a line of the bus."""
        return self.keep_line(self.attachment.line(station, self.driver, shares_uart=True))

    @property
    def address(self) -> str:
        """What a client opens."""
        return self.bus.port.address

    @property
    def present(self) -> int:
        """Far ends of the bus."""
        return self.bus.port.present

    async def open(self) -> None:
        await self.bus.open()

    def close(self) -> None:
        self.bus.close()


def _no_stack() -> Stack:
    raise AssertionError("a bus has a stack for each station")
