"""What all ports share: a name, what is attached, the lines they carry now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rigs.ports.line import Line, LineOptions, Tap, Transport
from rigs.ports.spec import PortError, PortSpec

if TYPE_CHECKING:
    from emulator.ports import Stack
    from rigs.driver import Driver


@dataclass(slots=True)
class Attachment:
    """What a port carries: how to make a stack for a new line, and how the line behaves.

    ``name`` says whose port it is, such as ``home/electricity/optical``. ``tap`` and ``explain`` are given to every
    line made; both may be None.
    """

    name: str
    stack: Callable[[], Stack]
    options: LineOptions = field(default_factory=LineOptions)
    seed: str = ""
    tap: Tap | None = None
    explain: Callable[[str], None] | None = None
    _made: int = 0

    def line(self, transport: Transport, driver: Driver, *, owns_uart: bool = False) -> Line:
        """A new line over ``transport``, with a stack of its own."""
        stack = self.stack()
        stack.explain = self.explain
        self._made += 1
        return Line(
            self.name,
            stack,
            transport,
            driver,
            self.options,
            seed=f"{self.seed}/{self.name}/{self._made}",
            owns_uart=owns_uart,
            tap=self.tap,
            explain=self.explain,
        )


class Port:
    """A port of one device. ``lines`` are those carried now: one for a serial port, one a connection on the network."""

    def __init__(self, spec: PortSpec, attachment: Attachment, driver: Driver) -> None:
        self.spec = spec
        self.attachment = attachment
        self.driver = driver
        self.lines: list[Line] = []
        self.lost = 0
        """Octets that no far end was there to take."""
        self.failed: Callable[[PortError], None] | None = None
        """Called when the port stops working while it is open, as when an adaptor is pulled out."""

    @property
    def name(self) -> str:
        """Whose port it is."""
        return self.attachment.name

    @property
    def address(self) -> str:
        """What a client opens: a path, or ``host:port``."""
        raise NotImplementedError

    async def open(self) -> None:
        """Make the port reachable; raises :class:`PortError`."""
        raise NotImplementedError

    def close(self) -> None:
        """Take it away. Closing twice does no harm."""
        raise NotImplementedError
