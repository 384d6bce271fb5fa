"""What all ports share: a name, what is attached, the lines they carry now."""

from __future__ import annotations

from collections import Counter
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

    ``name`` says whose port it is, such as ``home/electricity/optical``. ``tap`` makes a listener for each new
    line and ``explain`` is given to it; both may be None.
    """

    name: str
    stack: Callable[[], Stack]
    options: LineOptions = field(default_factory=LineOptions)
    seed: str = ""
    tap: Callable[[], Tap] | None = None
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
            tap=None if self.tap is None else self.tap(),
            explain=self.explain,
        )


class Port:
    """A port of one device. ``lines`` are those carried now: one for a serial port, one a connection on the network."""

    def __init__(self, spec: PortSpec, attachment: Attachment, driver: Driver) -> None:
        self.spec = spec
        self.attachment = attachment
        self.driver = driver
        self.lines: list[Line] = []
        self.opened = 0
        """Lines made since the port was opened."""
        self.lost = 0
        """Octets that no far end was there to take."""
        self._past: Counter[str] = Counter()
        self.failed: Callable[[PortError], None] | None = None
        """Called when the port stops working while it is open, as when an adaptor is pulled out."""

    @property
    def name(self) -> str:
        """Whose port it is."""
        return self.attachment.name

    def add_line(self, transport: Transport, *, owns_uart: bool = False) -> Line:
        """A new line over ``transport``, with a stack of its own."""
        line = self.attachment.line(transport, self.driver, owns_uart=owns_uart)
        self.lines.append(line)
        self.opened += 1
        return line

    def drop_line(self, line: Line) -> None:
        """A line has gone for good; what it counted stays."""
        self.lines.remove(line)
        line.close()
        self._past.update(line.statistics())

    def statistics(self) -> Counter[str]:
        """Octets, frames and errors of all lines there are and were."""
        total = self._past.copy()
        for line in self.lines:
            total.update(line.statistics())
        if self.lost:
            total["octets nobody took"] = self.lost
        return total

    @property
    def present(self) -> int:
        """Far ends there are now, as far as the port can see them."""
        return len(self.lines)

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
