"""A serial line on TCP with its settings: the server side of RFC 2217, on pyserial's telnet logic.

The client sets rate, data bits, parity and stop bits, and the line model sees them: this is the transport that shows
7E1 sign-on, wrong parity and wrong rates truthfully without an adaptor. One client at a time, as on a wire. A break of
the client is heard as NUL, as a UART hears a character without a stop bit. The levels of its RTS and DTR are seen, and
it sees those of CTS, DSR, CD and RI that :meth:`Rfc2217Port.set_modem` sets.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any, cast

from serial import rfc2217

from rigs.driver import Driver
from rigs.ports.port import Attachment
from rigs.ports.spec import PortSpec
from rigs.ports.tcp import Connection, TcpPort
from rigs.ports.wire import Carried

_IAC = 0xFF
_LONGEST_SUBOPTION = 64  # octets; those of RFC 2217 have at most 6


class VirtualUart:
    """The settings of the serial port as pyserial's PortManager reads and writes them.

    ``changing`` is called before a setting changes, so that octets sent under the old ones are judged by them,
    ``broken`` when a break begins.
    """

    def __init__(self, changing: Callable[[], None], broken: Callable[[], None]) -> None:
        self._changing = changing
        self._broken = broken
        self._baudrate = 9600
        self._bytesize = 8
        self._parity = "N"
        self._stopbits: float = 1
        self.cts = self.dsr = self.cd = True
        self.ri = False
        self.dtr = self.rts = True
        self.xonxoff = self.rtscts = False
        self._breaking = False

    @property
    def baudrate(self) -> int:
        return self._baudrate

    @baudrate.setter
    def baudrate(self, baud: int) -> None:
        if not 50 <= baud <= 4_000_000:
            raise ValueError(f"{baud} Bd")
        self._changing()
        self._baudrate = baud

    @property
    def bytesize(self) -> int:
        return self._bytesize

    @bytesize.setter
    def bytesize(self, bits: int) -> None:
        if bits not in (5, 6, 7, 8):
            raise ValueError(f"{bits} data bits")
        self._changing()
        self._bytesize = bits

    @property
    def parity(self) -> str:
        return self._parity

    @parity.setter
    def parity(self, parity: str) -> None:
        self._changing()
        self._parity = parity

    @property
    def stopbits(self) -> float:
        return self._stopbits

    @stopbits.setter
    def stopbits(self, bits: float) -> None:
        self._changing()
        self._stopbits = bits

    @property
    def break_condition(self) -> bool:
        return self._breaking

    @break_condition.setter
    def break_condition(self, on: bool) -> None:
        if on and not self._breaking:
            self._broken()
        self._breaking = on

    @property
    def framing(self) -> str:
        return f"{self._bytesize}{self._parity}{2 if self._stopbits > 1 else 1}"

    def reset_input_buffer(self) -> None:
        """Nothing is buffered here."""

    def reset_output_buffer(self) -> None:
        """Nothing is buffered here."""


class _TelnetConnection(Connection):
    """A TCP connection whose octets are telnet around those of the line."""

    def __init__(self, port: Rfc2217Port) -> None:
        super().__init__(port)
        self._serial_port = port
        self._data = bytearray()
        self._accepted = False
        self._manager: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self.taken_over(transport):
            return
        if self._serial_port.client is not None:
            self._serial_port.refuse("another client is connected, and a line has one far end: refused")
            self.abort()
            return
        self._accepted = True
        self._serial_port.client = self
        self.line = self._serial_port.line
        self.uart = VirtualUart(self._flush, self._break)
        self._serial_port.show_modem(self.uart)
        # Typed for a real serial.Serial; what it uses of one is here.
        self._manager = rfc2217.PortManager(cast("Any", self.uart), cast("Any", _Raw(self._transport)))
        self.line.opened()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._accepted:
            self._serial_port.client = None
            self.line.hung_up()

    def buffer_updated(self, nbytes: int) -> None:
        if not self._accepted:
            return
        data = bytes(self._port.buffer[:nbytes])
        manager = self._manager
        if manager.mode == rfc2217.M_NORMAL and manager.suboption is None and _IAC not in data:
            self.line.arrived(data)
            return
        try:
            for octet in manager.filter(data):
                self._data += octet
            if manager.suboption is not None and len(manager.suboption) > _LONGEST_SUBOPTION:
                raise ValueError("a suboption without end")
        except (ValueError, KeyError, IndexError, TypeError, struct.error) as error:
            # The telnet layer can no longer be followed: the octets after this have no meaning.
            self._data.clear()
            self.line.counters["telnet errors"] += 1
            if self.line.explain is not None:
                self.line.explain(f"telnet from the client cannot be understood ({error}); connection closed")
            self.abort()
            return
        self._flush()

    def modem_changed(self) -> None:
        """Tell the client the levels that have changed."""
        self._manager.check_modem_lines()

    def _break(self) -> None:
        self._flush()
        self.line.counters["breaks"] += 1
        self.line.arrived(b"\0")

    def _flush(self) -> None:
        if self._data:
            data = bytes(self._data)
            self._data.clear()
            self.line.arrived(data)

    def write(self, data: bytes) -> None:
        self._transport.write(data.replace(b"\xff", b"\xff\xff"))


class _Raw:
    """Where PortManager writes its telnet octets."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.write = transport.write


class Rfc2217Port(TcpPort):
    """A serial line offered as RFC 2217; it is the transport of its one line, whoever is connected."""

    def __init__(self, spec: PortSpec, attachment: Attachment, driver: Driver) -> None:
        super().__init__(spec, attachment, driver)
        self.client: _TelnetConnection | None = None
        self.line: Carried
        self._settings = VirtualUart(_nothing, _nothing)
        self._modem = {"cts": True, "dsr": True, "cd": True, "ri": False}

    async def open(self) -> None:
        await super().open()
        self.line = self.add_line(self)

    def close(self) -> None:
        client = self.client
        super().close()
        if client is not None:
            client.abort()
        for line in list(self.lines):
            self.drop_line(line)

    def protocol(self) -> Connection:
        return _TelnetConnection(self)

    @property
    def present(self) -> int:
        """1 while a client is connected."""
        return int(self.client is not None)

    @property
    def control_lines(self) -> dict[str, bool]:
        """Levels of RTS and DTR as the client has set them; none without one."""
        uart = None if self.client is None else self.client.uart
        return {} if uart is None else {"rts": uart.rts, "dtr": uart.dtr}

    def set_modem(self, **levels: bool) -> None:
        """Set the levels of ``cts``, ``dsr``, ``cd`` and ``ri`` that the client sees; raises KeyError for others."""
        for name in levels:
            if name not in self._modem:
                raise KeyError(f"{name}: no such control line; there are {', '.join(self._modem)}")
        self._modem.update(levels)
        if self.client is not None:
            self.show_modem(self.client.uart)
            self.client.modem_changed()

    def show_modem(self, uart: VirtualUart) -> None:
        """Give a client's UART the levels."""
        for name, level in self._modem.items():
            setattr(uart, name, level)

    # -- Transport of the line: whoever is connected ----------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send to the client; with none there the octets are lost."""
        if self.client is None:
            self.lost += len(data)
        else:
            self.client.write(data)

    def rate(self) -> int:
        """The client's setting, bits a second."""
        return self._settings.baudrate if self.client is None else self.client.uart.baudrate

    def framing(self) -> str:
        """The client's setting, such as 7E1."""
        return self._settings.framing if self.client is None else self.client.uart.framing

    def follow(self, baud: int, framing: str) -> None:
        """The settings are the client's."""

    def hang_up(self) -> None:
        """A line cannot be hung up from the meter's side."""


def _nothing() -> None:
    """What a UART without a client calls."""
