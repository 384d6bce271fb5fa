"""The proxy's ports for head-ends: what they carry is passed on as it is, without a device's protocol stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

from emulator.time import Clock
from rigs.driver import ClockMode, Driver, utc_ns
from rigs.ports import Attachment
from rigs.ports.wire import Transport

if TYPE_CHECKING:
    from emulator.ports import Stack
    from rigs.proxy.settings import Settings


class Side(Protocol):
    """Who takes what comes from a head-end."""

    def opened(self, end: HeadEnd) -> None:
        """A head-end is there."""
        ...

    def arrived(self, end: HeadEnd, data: bytes) -> None:
        """Octets of it came."""
        ...

    def gone(self, end: HeadEnd) -> None:
        """It has gone."""
        ...


class _Set:
    """What a port asks of a stack that is none: how the line is set."""

    def __init__(self, baud: int) -> None:
        self.baud = baud
        self.explain: Callable[[str], None] | None = None


class HeadEnd:
    """One line or connection of a head-end, as :class:`rigs.ports.line.Carried`."""

    def __init__(self, side: Side, transport: Transport, settings: Settings, owns_uart: bool) -> None:
        self.transport = transport
        self.counters: Counter[str] = Counter()
        self.attached = True
        self.explain: Callable[[str], None] | None = None
        self.owns_uart = owns_uart
        self.there = False
        self._side = side
        self._set = _Set(settings.baud)
        self._framing = settings.framing
        self.arrived: Callable[[bytes], None] = self._arrived

    @property
    def stack(self) -> Stack:
        """How the line is set."""
        return cast("Stack", self._set)

    @property
    def listening(self) -> str:
        """Character format of the line."""
        return self._framing

    def statistics(self) -> dict[str, int]:
        """What was counted."""
        return dict(self.counters)

    def opened(self) -> None:
        """The head-end is there; on a line that cannot tell, with its first octets."""
        if not self.there:
            self.there = True
            self._side.opened(self)

    def hung_up(self) -> None:
        """The head-end has gone, the line stays."""
        if self.there:
            self.there = False
            self._side.gone(self)

    def close(self) -> None:
        """The line has gone."""
        self.hung_up()

    def follow(self, settings: Settings) -> None:
        """Set the port's own UART, where it has one."""
        self._set.baud, self._framing = settings
        if self.owns_uart:
            self.transport.follow(*settings)

    def _arrived(self, data: bytes) -> None:
        self.opened()
        self.counters["octets in"] += len(data)
        self._side.arrived(self, data)

    def send(self, data: bytes) -> None:
        """Octets for the head-end; gone where it is."""
        if self.there:
            self.counters["octets out"] += len(data)
            self.transport.write(data)


class HeadEndAttachment(Attachment):
    """What a port for head-ends carries."""

    def __init__(self, side: Side, settings: Settings) -> None:
        super().__init__("proxy", _none)
        self._side = side
        self._settings = settings

    def carry(self, transport: Transport, driver: Driver, *, owns_uart: bool = False) -> HeadEnd:
        """A head-end on ``transport``."""
        return HeadEnd(self._side, transport, self._settings, owns_uart)


def real_driver() -> Driver:
    """The driver of ports that live in the time of the world."""
    return Driver(Clock(utc_ns()), ClockMode.REAL)


def _none() -> Stack:
    raise AssertionError("a head-end is passed on, no stack answers it")
