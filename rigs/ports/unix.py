"""Unix sockets: COSEM wrapper PDUs, or the octets of a serial line, one stack for each connection.

A socket left by a rig that was killed is replaced; one that a rig still serves, and anything else of that name, is not.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from rigs.driver import Driver
from rigs.ports.claim import claimed
from rigs.ports.port import Attachment
from rigs.ports.spec import LONGEST_SOCKET, PortError, PortSpec, describe_os_error, plain_path
from rigs.ports.tcp import CONNECTIONS, TcpPort


class UnixPort(TcpPort):
    """A listening Unix socket; all else is as on TCP."""

    def __init__(self, spec: PortSpec, attachment: Attachment, driver: Driver, folder: Path) -> None:
        super().__init__(spec, attachment, driver)
        self.path = folder / spec.path
        self._claim: socket.socket | None = None
        self._inode = 0

    @property
    def address(self) -> str:
        """The path that a client connects to."""
        return plain_path(self.path)

    async def open(self) -> None:
        """Make the socket and listen; raises :class:`PortError`."""
        if len(os.fsencode(self.path)) > LONGEST_SOCKET:
            problem = f"a socket's path has at most {LONGEST_SOCKET} octets"
            raise PortError(str(self.spec), problem, "choose a shorter one or start the rig nearer to it")
        self._claim = claimed(self.spec, self.path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._clear()
            listener.bind(os.fsencode(self.path))
            self._inode = self.path.stat(follow_symlinks=False).st_ino
            self._server = await self.driver.loop.create_unix_server(self.protocol, sock=listener, backlog=CONNECTIONS)
        except BaseException as error:
            listener.close()
            self._release()
            if isinstance(error, OSError):
                raise describe_os_error(self.spec, error) from None
            raise

    def _clear(self) -> None:
        """Take away a socket that nobody listens on: as we have the claim, a rig that was killed has left it."""
        try:
            found = self.path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(found.st_mode):
            problem = "something that is no socket is there already"
            raise PortError(str(self.spec), problem, "remove it or choose another path")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(os.fsencode(self.path))
            except ConnectionRefusedError:
                self.path.unlink(missing_ok=True)
                return
            except BlockingIOError:
                pass  # somebody listens, and is busy
        raise PortError(str(self.spec), "another program listens there", "stop it or choose another path")

    def close(self) -> None:
        """Stop listening and take the socket away if it is still ours."""
        super().close()
        self._release()

    def _release(self) -> None:
        if self._claim is None:
            return
        with suppress(OSError):
            if self.path.stat(follow_symlinks=False).st_ino == self._inode:
                self.path.unlink()
        self._claim.close()
        self._claim = None
