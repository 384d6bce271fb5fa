"""A meter's serial port on a real adaptor: optical head, RS-232 or RS-485, by device file or USB serial number.

An adaptor that is pulled out while the rig runs is looked for until it is plugged in again, in whatever socket; the
device behind the port notices no more than a cable that was pulled. On a two-wire line (RS-485) the driver is on while
the device speaks: by the system's own RS-485 mode where the adaptor's driver has it, which is exact, or else by RTS,
which is taken back up to 5 ms after the last octet has left.
"""

from __future__ import annotations

import asyncio
import os
import re
import termios
from collections import deque

import serial
from serial.rs485 import RS485Settings
from serial.tools import list_ports

from emulator.uart import character, character_time
from rigs.driver import Driver
from rigs.ports.port import Attachment, Port
from rigs.ports.spec import PortError, PortSpec, describe_os_error
from rigs.ports.wire import Carried

_CHUNK = 4096
_PENDING = 1 << 16  # octets kept for an adaptor that is slow
_LOOK = 0.5  # s between looks for an adaptor that was pulled out
_LATENCY = 0.005  # s from the system's hand to the wire, at most: a USB adaptor's frames and buffer


def find_adaptor(spec: PortSpec) -> str:
    """The device file of a serial spec; raises :class:`PortError` naming the adaptors there are."""
    if not spec.usb:
        return spec.path
    found = [(port.serial_number, port.device) for port in list_ports.comports() if port.serial_number]
    for number, device in found:
        if number == spec.usb:
            return device
    there = ", ".join(f"{number} ({device})" for number, device in found) or "none"
    raise PortError(str(spec), "no adaptor with that serial number is plugged in", f"plugged in now: {there}")


def serial_error(spec: PortSpec, error: OSError | termios.error) -> PortError:
    """What pyserial or the system said about a port: by the system's number, which pyserial hides behind its own."""
    for cause in (error.__context__, error):
        # termios.error is no OSError, but is made of the same two parts.
        known = OSError(*cause.args) if isinstance(cause, termios.error) else cause
        if isinstance(known, OSError) and known.errno is not None:
            return describe_os_error(spec, known)
    return PortError(str(spec), re.split(" ?[:[]", str(error))[0].lower() or "cannot be opened")


class SerialPort(Port):
    """One serial device carrying one line. The port's own UART follows the rate and framing of the stack."""

    def __init__(self, spec: PortSpec, attachment: Attachment, driver: Driver) -> None:
        super().__init__(spec, attachment, driver)
        self.line: Carried
        self.device = spec.path
        self._uart: serial.Serial | None = None
        self._descriptor = -1
        self._setting = (9600, "8N1")
        self._queue: deque[bytes | tuple[int, str]] = deque()
        self._queued = 0
        self._last = self._setting  # the last setting queued or made
        self._clear = 0.0  # loop time at which all that was written has left the UART
        self._timer: asyncio.TimerHandle | None = None
        self._writing = False
        self._by_rts = False  # RTS turns the driver of a two-wire line on
        self._driving = False
        self._looking: asyncio.TimerHandle | None = None

    @property
    def plugged(self) -> bool:
        """Whether the adaptor is there."""
        return self._uart is not None

    @property
    def present(self) -> int:
        """A cable does not show who is at its far end."""
        return 0

    @property
    def address(self) -> str:
        """The device that carries the meter's end; the client is at the other end of the cable."""
        return self.device

    async def open(self) -> None:
        self._plug_in()
        self.line = self.add_line(self, owns_uart=True)
        self._begin()

    def _plug_in(self) -> None:
        """Open the adaptor, for this rig alone; raises :class:`PortError`."""
        self.device = find_adaptor(self.spec)
        self._setting = self._last = 9600, "8N1"
        wanted = self.attachment.adaptor
        uart = serial.Serial(None, self._setting[0], timeout=0, write_timeout=0, exclusive=True)
        uart.port = self.device
        if wanted.rts is not None:
            uart.rts = wanted.rts
        if wanted.dtr is not None:
            uart.dtr = wanted.dtr
        if wanted.rs485:
            uart.rts = False
        try:
            uart.open()
        except (OSError, termios.error) as error:
            raise serial_error(self.spec, error) from None
        self._uart = uart
        self._descriptor = uart.fileno()
        os.set_blocking(self._descriptor, False)

    def _begin(self) -> None:
        """Set the adaptor as the file and the device have it, and listen."""
        uart, wanted = self._uart, self.attachment.adaptor
        assert uart is not None
        if wanted.rs485:
            try:
                uart.rs485_mode = RS485Settings()
            except ValueError:
                uart.rs485_mode = None
                self._by_rts = True
                self._tell(f"{self.device} has no RS-485 mode of the system's: RTS turns its driver on and off")
        if wanted.low_latency:
            try:
                uart.set_low_latency_mode(True)
            except ValueError:
                self._tell(
                    f"{self.device} has no low-latency setting: octets may be gathered before they are handed on"
                )
        self.driver.loop.add_reader(self._descriptor, self._readable)
        self.follow(self.line.stack.baud, self.line.listening)

    def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        self._let_go()
        for line in list(self.lines):
            self.drop_line(line)

    def _let_go(self) -> None:
        """Close the adaptor; what waits to go out is lost."""
        if self._uart is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.driver.loop.remove_reader(self._descriptor)
        self.driver.loop.remove_writer(self._descriptor)
        self._queue.clear()
        self._queued = 0
        self._writing = self._driving = False
        uart, self._uart = self._uart, None
        uart.close()

    # -- Transport --------------------------------------------------------------------------------------------------

    def rate(self) -> int:
        """The far end of a cable cannot be seen: a wrong rate garbles by itself."""
        return 0

    def framing(self) -> str:
        """Nor its framing."""
        return ""

    def hang_up(self) -> None:
        """A line cannot be hung up from the meter's side."""

    def follow(self, baud: int, framing: str) -> None:
        """Set the UART so after what was written before has left it."""
        if self._uart is not None and (baud, framing) != self._last:
            self._last = (baud, framing)
            self._queue.append((baud, framing))
            self._work()

    def write(self, data: bytes) -> None:
        """Send after what is queued."""
        if self._uart is None or self._queued + len(data) > _PENDING:
            self.lost += len(data)
            return
        self._queue.append(data)
        self._queued += len(data)
        self._work()

    def _work(self) -> None:
        """Do what is queued until something has to be waited for."""
        if self._writing or self._timer is not None or self._uart is None:
            return
        while self._queue:
            head = self._queue[0]
            try:
                if isinstance(head, tuple):
                    wait = self._until_clear()
                    if wait > 0:
                        self._timer = self.driver.loop.call_later(wait, self._drained)
                        return
                    self._set(*head)
                    self._queue.popleft()
                    continue
                self._drive(True)
                sent = os.write(self._descriptor, head)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._unplugged()
                return
            self._queued -= sent
            if sent:
                self._clear = max(self._clear, self.driver.loop.time() + _LATENCY) + sent * self._each
            assert isinstance(head, bytes)
            if sent == len(head):
                self._queue.popleft()
            else:
                self._queue[0] = head[sent:]
                self._writing = True
                self.driver.loop.add_writer(self._descriptor, self._writable)
                return
        if self._driving:
            wait = self._until_clear()
            if wait > 0:
                self._timer = self.driver.loop.call_later(wait, self._drained)
            else:
                self._drive(False)

    def _drive(self, on: bool) -> None:
        """Turn the driver of a two-wire line on or off, where RTS does."""
        if self._by_rts and on is not self._driving:
            self._driving = on
            assert self._uart is not None
            try:
                self._uart.rts = on
            except OSError as error:
                self._by_rts = self._driving = False
                self._tell(f"{self.device} has no RTS ({error}): nothing turns the driver of the line on")

    @property
    def _each(self) -> float:
        """Seconds that a character takes as the UART is set now."""
        return character_time(*self._setting) / 1e9

    def _until_clear(self) -> float:
        """Seconds until the last octet has left, 0 or less once it has: a new setting would spoil it.

        What waits in a UART's own buffer the system does not count, so the time it takes is reckoned with.
        """
        assert self._uart is not None
        return max(self._uart.out_waiting * self._each, self._clear - self.driver.loop.time())

    def _drained(self) -> None:
        self._timer = None
        self._work()

    def _writable(self) -> None:
        self._writing = False
        self.driver.loop.remove_writer(self._descriptor)
        self._work()

    def _set(self, baud: int, framing: str) -> None:
        assert self._uart is not None
        bits = character(framing)
        settings = {"baudrate": baud, "bytesize": bits.data_bits, "parity": bits.parity, "stopbits": bits.stop_bits}
        try:
            self._uart.apply_settings(settings)
        except (termios.error, OSError, ValueError) as error:
            # Pseudo terminals and some adaptors have no 7E1: the rate is what matters most.
            self.line.counters["settings refused"] += 1
            self._tell(
                f"{self.device} refuses {baud} Bd {framing} ({error}); it goes on at {baud} Bd 8N1"
                " (software_parity = true adds the parity)"
            )
            try:
                self._uart.apply_settings({"baudrate": baud, "bytesize": 8, "parity": "N", "stopbits": 1})
            except termios.error as worse:
                raise OSError(*worse.args) from None
        self._setting = (baud, framing)

    # -- the loop calls ---------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._unplugged()
            return
        if data:
            self.line.arrived(data)
            return
        # No octets: either nothing was there after all, or the device has gone; asking it tells.
        try:
            assert self._uart is not None
            _ = self._uart.in_waiting
        except (OSError, serial.SerialException):
            self._unplugged()

    def _tell(self, text: str) -> None:
        if self.line.explain is not None:
            self.line.explain(text)

    def _unplugged(self) -> None:
        self._let_go()
        self.line.counters["unplugged"] += 1
        self._tell(f"{self.device} was unplugged; it is waited for until it is plugged in again")
        self.line.hung_up()
        self._looking = self.driver.loop.call_later(_LOOK, self._look)

    def _look(self) -> None:
        """See whether the adaptor is there again."""
        self._looking = None
        try:
            self._plug_in()
        except PortError:
            self._looking = self.driver.loop.call_later(_LOOK, self._look)
            return
        self._begin()
        self._tell(f"plugged in again, as {self.device}")
        self.line.opened()
