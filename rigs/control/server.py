"""Serves the control API of a rig on the rig's own event loop."""

from __future__ import annotations

import asyncio
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from rigs.control.desk import Desk
from rigs.control.place import NAME, Claim, Place
from rigs.ports import PortError
from rigs.ports.spec import PortKind, PortSpec, describe_os_error, network_address, parse_port

if TYPE_CHECKING:
    from rigs.rig import Rig
    from rigs.serving import Server

OFF = "off"
DEFAULT = "127.0.0.1:0"
"""Loopback, and a port number that the system chooses: clients find it in the file."""
_CONNECTIONS = 64
_STOP_S = 1
_TOKEN_OCTETS = 32
_LONGEST_MESSAGE = 4096  # octets that a WebSocket client may say; there is nothing to say


def parse_address(text: str) -> PortSpec:
    """Where to listen, ``[host:]port``; raises PortError."""
    try:
        return parse_port(f"{PortKind.TCP.value}:{text}")
    except PortError as error:
        raise PortError(f"--control {text}", error.problem, f"write PORT, HOST:PORT or {OFF}") from None


class ControlServer:
    """The control API of one rig while it is served. All calls belong to the loop's thread."""

    def __init__(self, rig: Rig, address: PortSpec, folder: Path) -> None:
        """``folder`` is where ``smets1-control.json`` is written: URL and token, for its owner only."""
        self.rig = rig
        rig.remembers = True
        self.address = address
        self.folder = folder
        self.place: Place
        """Where it is reached, once it has been started."""
        self._claim: Claim | None = None
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def path(self) -> Path:
        """The file with URL and token."""
        return self.folder / NAME

    async def start(self) -> None:
        """Listen, and write the file; raises PortError with nothing left behind."""
        import uvicorn

        from rigs.control.api import make_app
        from rigs.control.guard import Guard
        from rigs.serving import Server

        listener = self._listening()
        try:
            host, port = listener.getsockname()[:2]
            token = secrets.token_urlsafe(_TOKEN_OCTETS)
            self.place = Place(f"http://{network_address(host, port)}", token)
            self._claim = Claim(self.folder, self.place)
        except BaseException:
            listener.close()
            raise
        config = uvicorn.Config(
            Guard(make_app(Desk(self.rig)), token),
            http="h11",
            ws="websockets-sansio",
            ws_max_size=_LONGEST_MESSAGE,
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_STOP_S,
        )
        self._server = Server(config)
        self._serving = asyncio.create_task(self._server.serve([listener]))

    async def stop(self) -> None:
        """Take the file away, and end."""
        if self._claim is not None:
            self._claim.release()
            self._claim = None
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._server = self._serving = None

    def _listening(self) -> socket.socket:
        from rigs.serving import listen

        host, port = self.address.host, self.address.port
        try:
            return listen(host, port, _CONNECTIONS)
        except OSError as error:
            told = describe_os_error(self.address, error)
            where = f"--control {network_address(host, port)}"
            raise PortError(where, told.problem, told.advice) from None
