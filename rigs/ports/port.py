"""What all ports share: a name, what is attached, the lines they carry now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from rigs.ports.latency import Latency
from rigs.ports.line import Line
from rigs.ports.spec import PortError, PortSpec
from rigs.ports.wire import Carried, LineOptions, Tap, Transport

if TYPE_CHECKING:
    from emulator.ports import Stack
    from emulator.telling import Teller
    from rigs.driver import Driver


AnyCarried = TypeVar("AnyCarried", bound=Carried)


@dataclass(frozen=True, slots=True)
class AdaptorOptions:
    """What a serial adaptor is set to beside rate and framing; see :class:`rigs.config.AdaptorConfig`."""

    rs485: bool = False
    rts: bool | None = None
    dtr: bool | None = None
    low_latency: bool = False


@dataclass(slots=True)
class Attachment:
    """What a port carries: how to make a stack for a new line, and how the line behaves.

    ``name`` says whose port it is, such as ``home/electricity/optical``. ``tap`` makes a listener for each new
    line and ``explain`` is given to it; both may be None. ``latency``, if any, counts the answers of all lines.
    ``adaptor`` is for ports on an adaptor of this machine. ``teller``, if any, makes for each line who takes its
    sentences, instead of ``explain``, which has then what the port itself refuses.
    """

    name: str
    stack: Callable[[], Stack]
    options: LineOptions = field(default_factory=LineOptions)
    seed: str = ""
    tap: Callable[[], Tap] | None = None
    explain: Callable[[str], None] | None = None
    latency: Latency | None = None
    teller: Callable[[Line], Teller] | None = None
    adaptor: AdaptorOptions = field(default_factory=AdaptorOptions)
    _made: int = 0

    def carry(self, transport: Transport, driver: Driver, *, owns_uart: bool = False) -> Carried:
        """What a port carries over ``transport``: a new line."""
        return self.line(transport, driver, owns_uart=owns_uart)

    def line(self, transport: Transport, driver: Driver, *, owns_uart: bool = False, shares_uart: bool = False) -> Line:
        """A new line over ``transport``, with a stack of its own.

        One that ``shares_uart`` tells the transport its settings, as one that owns it, and is modelled all the same.
        """
        stack = self.stack()
        stack.explain = self.explain
        self._made += 1
        line = Line(
            self.name,
            stack,
            transport,
            driver,
            self.options,
            seed=f"{self.seed}/{self.name}/{self._made}",
            owns_uart=owns_uart,
            shares_uart=shares_uart,
            tap=None if self.tap is None else self.tap(),
            explain=self.explain,
            latency=self.latency,
        )
        if self.teller is not None:
            line.explain_by(self.teller(line))
        return line


class Port:
    """A port of one device. ``lines`` are those carried now: one for a serial port, one a connection on the network."""

    def __init__(self, spec: PortSpec, attachment: Attachment, driver: Driver) -> None:
        self.spec = spec
        self.attachment = attachment
        self.driver = driver
        self.lines: list[Carried] = []
        self.opened = 0
        """Lines made since the port was opened."""
        self.lost = 0
        """Octets that no far end was there to take."""
        self._past: Counter[str] = Counter()
        self._attached = True
        self.failed: Callable[[PortError], None] | None = None
        """Called when the port stops working while it is open, as when an adaptor is pulled out."""

    @property
    def name(self) -> str:
        """Whose port it is."""
        return self.attachment.name

    @property
    def attached(self) -> bool:
        """Whether what is at the far end reaches the device; an optical head that is off does not."""
        return self._attached

    @attached.setter
    def attached(self, attached: bool) -> None:
        self._attached = attached
        for line in self.lines:
            line.attached = attached

    def add_line(self, transport: Transport, *, owns_uart: bool = False) -> Carried:
        """A new line over ``transport``, with a stack of its own."""
        return self.keep_line(self.attachment.carry(transport, self.driver, owns_uart=owns_uart))

    def keep_line(self, line: AnyCarried) -> AnyCarried:
        """A line was made for this port."""
        if not self._attached:
            line.attached = False
        self.lines.append(line)
        self.opened += 1
        return line

    def drop_line(self, line: Carried) -> None:
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
