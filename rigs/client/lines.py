"""Octets to and from a meter: TCP, serial devices and pseudo terminals, serial ports behind RFC 2217."""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
import threading
from collections.abc import Callable
from pathlib import Path

import serial
from serial import rfc2217

from emulator.uart import character, character_time
from rigs.ports.serial_adaptor import find_adaptor, serial_error
from rigs.ports.spec import PortError, PortKind, PortSpec, describe_os_error, network_address

_CHUNK = 65_536
_SECOND = 1_000_000_000


class Line:
    """A line to one meter.

    ``received`` is called with octets as they arrive, ``lost`` once when the line breaks off by itself.
    """

    def __init__(self, spec: PortSpec) -> None:
        self.spec = spec
        self.baud = 9600
        self.character = "8N1"
        self.received: Callable[[bytes], None] = _nowhere
        self.lost: Callable[[PortError], None] = _nowhere
        self.open = False

    async def connect(self, timeout: float) -> None:
        """Open it within ``timeout`` seconds; raises PortError."""
        raise NotImplementedError

    def send(self, data: bytes) -> None:
        """Send octets after those sent before; on a closed line they are gone."""
        raise NotImplementedError

    async def set(self, baud: int, framing: str, sent: int = 0) -> None:
        """Use other settings once ``sent`` octets, sent just now, have left."""
        if sent:
            await asyncio.sleep(sent * character_time(self.baud, self.character) / _SECOND)
        self.baud, self.character = baud, framing

    def close(self) -> None:
        """Close it. Closing twice does no harm."""
        self.open = False

    def _break_off(self, error: PortError) -> None:
        if self.open:
            self.close()
            self.lost(error)


class TcpLine(Line, asyncio.Protocol):
    """Octets on a TCP connection, or on that of a Unix socket."""

    def __init__(self, spec: PortSpec) -> None:
        super().__init__(spec)
        self._transport: asyncio.Transport | None = None

    async def connect(self, timeout: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                if self.spec.path:
                    await loop.create_unix_connection(lambda: self, str(Path(self.spec.path).expanduser()))
                else:
                    await loop.create_connection(lambda: self, self.spec.host, self.spec.port)
        except TimeoutError:
            raise PortError(str(self.spec), "no connection in time", "is the host right?") from None
        except OSError as error:
            raise describe_os_error(self.spec, error) from None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.open = True

    def data_received(self, data: bytes) -> None:
        self.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        why = "the connection was closed" if exc is None else str(exc) or type(exc).__name__
        self._break_off(PortError(str(self.spec), why))

    def send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        super().close()
        if self._transport is not None:
            self._transport.close()


class SerialLine(Line):
    """A serial device, or a pseudo terminal, which is always 8N1 whatever is asked of it."""

    def __init__(self, spec: PortSpec) -> None:
        super().__init__(spec)
        self._uart: serial.Serial | None = None
        self._descriptor = -1
        self._terminal = False
        self._pending = bytearray()

    async def connect(self, timeout: float) -> None:
        loop = asyncio.get_running_loop()
        path = Path(find_adaptor(self.spec)).expanduser()
        self._terminal = path.resolve().is_relative_to("/dev/pts")
        try:
            # A pseudo terminal cannot be locked by one client: the rig holds its other end.
            self._uart = serial.Serial(
                str(path), self.baud, timeout=0, write_timeout=0, exclusive=None if self._terminal else True
            )
            self._frame(self.character)
        except (OSError, termios.error) as error:
            raise serial_error(self.spec, error) from None
        self._descriptor = self._uart.fileno()
        os.set_blocking(self._descriptor, False)
        loop.add_reader(self._descriptor, self._readable)
        self.open = True

    async def set(self, baud: int, framing: str, sent: int = 0) -> None:
        await super().set(baud, framing, sent)
        if self._uart is None:
            return
        try:
            if sent and not self._terminal:
                await asyncio.get_running_loop().run_in_executor(None, termios.tcdrain, self._descriptor)
            if self._uart.baudrate != baud:
                self._uart.baudrate = baud
            self._frame(framing)
        except (OSError, termios.error) as error:
            raise serial_error(self.spec, error) from None

    def _frame(self, framing: str) -> None:
        if self._terminal or self._uart is None:
            return
        self._uart.bytesize, self._uart.parity, self._uart.stopbits = character(framing)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._break_off(describe_os_error(self.spec, error))
            return
        if data:
            self.received(data)
        else:
            self._break_off(PortError(str(self.spec), "the device has gone", "plug it in and start again"))

    def send(self, data: bytes) -> None:
        if self._uart is None:
            return
        self._pending += data
        self._writable()

    def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            del self._pending[: os.write(self._descriptor, self._pending)]
        except BlockingIOError:
            pass
        except OSError as error:
            self._break_off(describe_os_error(self.spec, error))
            return
        if self._pending:
            loop.add_writer(self._descriptor, self._writable)
        else:
            loop.remove_writer(self._descriptor)

    def close(self) -> None:
        super().close()
        if self._uart is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._descriptor)
        loop.remove_writer(self._descriptor)
        uart, self._uart = self._uart, None
        uart.close()


class Rfc2217Line(Line):
    """A serial port behind RFC 2217, by pyserial's client, which reads in a thread of its own."""

    def __init__(self, spec: PortSpec) -> None:
        super().__init__(spec)
        self._uart: rfc2217.Serial | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def connect(self, timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                self._uart = await self._loop.run_in_executor(None, self._opened)
        except TimeoutError:
            raise PortError(str(self.spec), "no connection in time", "is it an RFC 2217 port?") from None
        except OSError as error:
            raise serial_error(self.spec, error) from None
        self.open = True
        threading.Thread(target=self._listen, args=(self._uart, self._loop), daemon=True).start()

    def _opened(self) -> rfc2217.Serial:
        wanted = character(self.character)
        return rfc2217.Serial(
            f"rfc2217://{network_address(self.spec.host, self.spec.port)}",
            baudrate=self.baud,
            bytesize=wanted.data_bits,
            parity=wanted.parity,
            timeout=0.2,
        )

    def _listen(self, uart: rfc2217.Serial, loop: asyncio.AbstractEventLoop) -> None:
        """The thread: hands octets to the loop until the line is closed."""
        try:
            while self.open:
                data = uart.read(1)
                if data:
                    data += uart.read(uart.in_waiting)
                    loop.call_soon_threadsafe(self._arrived, data)
        except OSError:
            with contextlib.suppress(RuntimeError):  # the loop may have ended before the thread
                loop.call_soon_threadsafe(self._break_off, PortError(str(self.spec), "the connection was closed"))

    def _arrived(self, data: bytes) -> None:
        if self.open:
            self.received(data)

    async def set(self, baud: int, framing: str, sent: int = 0) -> None:
        await super().set(baud, framing, sent)
        uart, loop = self._uart, self._loop
        if uart is None or loop is None:
            return
        wanted = character(framing)
        settings = {
            "baudrate": baud,
            "bytesize": wanted.data_bits,
            "parity": wanted.parity,
            "stopbits": wanted.stop_bits,
        }
        try:
            await loop.run_in_executor(None, uart.apply_settings, settings)
        except (OSError, ValueError) as error:
            raise PortError(str(self.spec), f"settings {baud} Bd {framing} were refused: {error}") from None

    def send(self, data: bytes) -> None:
        if self._uart is None:
            return
        try:
            self._uart.write(data)
        except OSError as error:
            self._break_off(serial_error(self.spec, error))

    def close(self) -> None:
        super().close()
        uart, self._uart = self._uart, None
        if uart is not None and self._loop is not None:
            self._loop.run_in_executor(None, uart.close)


def make_line(spec: PortSpec) -> Line:
    """A line to ``spec``, not yet connected."""
    match spec.kind:
        case PortKind.PTY | PortKind.SERIAL:
            return SerialLine(spec)
        case PortKind.RFC2217:
            return Rfc2217Line(spec)
        case _:
            return TcpLine(spec)


def _nowhere(_what: object) -> None:
    """Where octets and losses go before anyone listens."""
