"""A pseudo terminal as a meter's serial port, behind a symbolic link that stays the same across restarts.

A Linux pseudo terminal is always 8N1 but lets its master see the rate the client sets. The port keeps the client's end
open itself until a client has said something, so that settings made beforehand (``stty``) last, and lets go then, so
that the client's closing is seen. What a client that has gone did not read is thrown away, as on a wire.

A link left by a rig that was killed is replaced; that of a rig that still runs is not (:mod:`rigs.ports.claim`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import termios
import tty
from contextlib import suppress
from pathlib import Path

from rigs.driver import Driver
from rigs.ports.claim import claimed
from rigs.ports.port import Attachment, Port
from rigs.ports.spec import PortError, PortSpec, describe_os_error, plain_path
from rigs.ports.wire import Carried

_TERMINALS = Path("/dev/pts")
_CHUNK = 4096
_SMALL = 448  # octets read at once where they take their time; Python has room for so many at hand
_PENDING = 1 << 20  # octets kept for a client that is slow to read
_TCGETS2 = 0x802C542A  # for rates that have no constant; asm-generic, as on x86, Arm and RISC-V
_NAMES = (name for name in dir(termios) if name[:1] == "B" and name[1:].isdigit() and name != "B0")
_RATES: dict[int, int] = {getattr(termios, name): int(name[1:]) for name in _NAMES}


class PtyPort(Port):
    """One pseudo terminal carrying one line."""

    def __init__(self, spec: PortSpec, attachment: Attachment, driver: Driver, folder: Path) -> None:
        super().__init__(spec, attachment, driver)
        self.path = folder / spec.path
        self.line: Carried
        self._master = -1
        self._slave = -1  # held while no client has been heard
        self._slave_name = ""
        self._pending = bytearray()
        self._chunk = _CHUNK
        self._claim: socket.socket | None = None

    async def open(self) -> None:
        """Create the terminal and its link; raises :class:`PortError`."""
        port = str(self.spec)
        link = self.path
        if link.is_symlink():
            target = link.readlink()
            if target.parent != _TERMINALS:
                raise PortError(port, f"a link to {target} is there already", "remove it or choose another path")
        elif link.exists():
            raise PortError(port, "something that is not a link is there already", "remove it or choose another path")
        self._claim = claimed(self.spec, self.path)
        try:
            self._master, self._slave = os.openpty()
        except OSError as error:
            self._claim.close()
            if error.errno in (errno.ENOSPC, errno.EAGAIN, errno.ENOENT):
                limit = "see /proc/sys/kernel/pty/max"
                raise PortError(port, "the system has no pseudo terminal left", limit) from None
            raise describe_os_error(self.spec, error) from None
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._slave_name = os.ttyname(self._slave)
        try:
            self._link()
        except OSError as error:
            self.close()
            raise describe_os_error(self.spec, error) from None
        self.line = self.add_line(self)
        if self.attachment.options.pacing:
            self._chunk = _SMALL
            self.driver.readers.add(self.driver.loop, self._master, self._readable)
        else:
            self.driver.loop.add_reader(self._master, self._readable)

    @property
    def present(self) -> int:
        """1 from a client's first octet until it closes."""
        return int(self._master >= 0 and self._slave < 0)

    @property
    def address(self) -> str:
        """The path a client opens."""
        return plain_path(self.path)

    def _link(self) -> None:
        link = self.path
        with suppress(FileExistsError):
            link.symlink_to(self._slave_name)
            return
        # A link of an earlier run: take its place in one step, so that no client ever finds nothing there.
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self._slave_name)
        fresh.replace(link)

    def close(self) -> None:
        """Take the terminal away, and the link if it is still ours."""
        if self._master < 0:
            return
        self._unread()
        self.driver.loop.remove_writer(self._master)
        for line in list(self.lines):
            self.drop_line(line)
        os.close(self._master)
        self._master = -1
        if self._slave >= 0:
            os.close(self._slave)
            self._slave = -1
        try:
            if self.path.readlink() == Path(self._slave_name):
                self.path.unlink()
        except OSError:
            pass
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    # -- Transport --------------------------------------------------------------------------------------------------

    def rate(self) -> int:
        """The client's setting, bits a second."""
        speed: int = termios.tcgetattr(self._master)[5]
        return _RATES.get(speed) or self._odd_rate()

    def _odd_rate(self) -> int:
        answer = fcntl.ioctl(self._master, _TCGETS2, bytes(44))
        return int.from_bytes(answer[40:44], "little")

    def framing(self) -> str:
        """A pseudo terminal cannot tell."""
        return ""

    def follow(self, baud: int, framing: str) -> None:
        """There is no UART to set."""

    def hang_up(self) -> None:
        """A line cannot be hung up from the meter's side."""

    def write(self, data: bytes) -> None:
        """Send, keeping what the kernel does not take now."""
        if self._pending:
            self._keep(data)
            return
        try:
            sent = os.write(self._master, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.lost += len(data)
            return
        if sent < len(data):
            self._keep(data[sent:])

    def _keep(self, data: bytes) -> None:
        if self._slave >= 0 or len(self._pending) + len(data) > _PENDING:
            # Nobody reads: on a wire these octets would be gone too.
            self.lost += len(data)
            return
        if not self._pending:
            self.driver.loop.add_writer(self._master, self._writable)
        self._pending += data

    def _writable(self) -> None:
        try:
            sent = os.write(self._master, self._pending)
        except BlockingIOError:
            return
        except OSError:
            self.lost += len(self._pending)
            sent = len(self._pending)
        del self._pending[:sent]
        if not self._pending:
            self.driver.loop.remove_writer(self._master)

    # -- the loop calls ---------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data = os.read(self._master, self._chunk)
        except BlockingIOError:
            return
        except OSError:
            self._client_gone()
            return
        if self._slave >= 0:
            os.close(self._slave)
            self._slave = -1
        self.line.arrived(data)

    def _unread(self) -> None:
        self.driver.readers.remove(self._master)
        self.driver.loop.remove_reader(self._master)

    def _client_gone(self) -> None:
        try:
            self._slave = os.open(self._slave_name, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(self._slave)
            termios.tcflush(self._slave, termios.TCIFLUSH)
        except OSError as error:
            self._unread()
            if self.failed is not None:
                self.failed(describe_os_error(self.spec, error))
        if self._pending:
            self.driver.loop.remove_writer(self._master)
            self.lost += len(self._pending)
            self._pending.clear()
        self.line.hung_up()
