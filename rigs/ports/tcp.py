"""TCP and UDP ports: COSEM wrapper PDUs, or the octets of a serial line, one stack for each connection or peer."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, OrderedDict
from typing import Any

from rigs.driver import Driver
from rigs.ports.port import Attachment, Port
from rigs.ports.spec import PortError, PortKind, PortSpec, describe_os_error, network_address
from rigs.ports.wire import Carried

CONNECTIONS = 64  # served at once by one port
PEERS = 64  # UDP peers remembered by one port; the one silent for longest is forgotten
_HIGH_WATER = 1 << 18  # octets a client may leave unread before it is not listened to any more


class Connection(asyncio.BufferedProtocol):
    """One TCP connection: the octets of one line."""

    def __init__(self, port: TcpPort) -> None:
        self._port = port
        self._transport: asyncio.Transport
        self.line: Carried

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.taken_over(transport):
            self.line = self._port.add_line(self)
            self._port.joined(self)
            self.line.opened()

    def taken_over(self, transport: asyncio.BaseTransport) -> bool:
        """Set the connection up; False where the port was closed while it was made, and it is closed too."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._port.listening:
            transport.abort()
            return False
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        raw: socket.socket = transport.get_extra_info("socket")
        if raw.family != socket.AF_UNIX:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._port.left(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        # One buffer for all connections: the loop fills it and calls buffer_updated at once.
        return self._port.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.line.arrived(bytes(self._port.buffer[:nbytes]))

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    # -- Transport of the line --------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send, or keep until the client reads."""
        self._transport.write(data)

    def rate(self) -> int:
        """TCP has no rate."""
        return 0

    def framing(self) -> str:
        """Nor a character format."""
        return ""

    def follow(self, baud: int, framing: str) -> None:
        """There is no UART to set."""

    def hang_up(self) -> None:
        """Close when what was written has gone."""
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()


class TcpPort(Port):
    """A listening TCP port."""

    def __init__(self, spec: PortSpec, attachment: Attachment, driver: Driver) -> None:
        super().__init__(spec, attachment, driver)
        self.buffer = memoryview(bytearray(1 << 16))
        self.refused = 0
        self._connections: list[Connection] = []
        self._server: asyncio.Server | None = None
        self._number = spec.port

    @property
    def listening(self) -> bool:
        """Whether the port is open."""
        return self._server is not None

    def protocol(self) -> Connection:
        """What serves a new connection."""
        return Connection(self)

    @property
    def address(self) -> str:
        return network_address(self.spec.host, self._number)

    async def open(self) -> None:
        try:
            self._server = await self.driver.loop.create_server(
                self.protocol, self.spec.host, self.spec.port, backlog=CONNECTIONS
            )
        except OSError as error:
            raise describe_os_error(self.spec, error) from None
        self._number = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for connection in list(self._connections):
            connection.abort()

    def joined(self, connection: Connection) -> None:
        """A connection was made; the one that is too many is closed."""
        self._connections.append(connection)
        if len(self._connections) > CONNECTIONS:
            self.refuse(f"{CONNECTIONS} clients are connected already: one more was refused")
            connection.abort()

    def refuse(self, why: str) -> None:
        """Count a connection that is refused, and say why."""
        self.refused += 1
        if self.attachment.explain is not None:
            self.attachment.explain(why)

    def statistics(self) -> Counter[str]:
        total = super().statistics()
        if self.refused:
            total["connections refused"] = self.refused
        return total

    def left(self, connection: Connection) -> None:
        """A connection has gone; one that never joined has no line."""
        if connection in self._connections:
            self._connections.remove(connection)
            self.drop_line(connection.line)


class _Peer:
    """A UDP peer as the transport of a line."""

    def __init__(self, port: UdpPort, address: tuple[Any, ...]) -> None:
        self._port = port
        self._address = address
        self.line = port.add_line(self)

    def write(self, data: bytes) -> None:
        self._port.send(data, self._address)

    def rate(self) -> int:
        return 0

    def framing(self) -> str:
        return ""

    def follow(self, baud: int, framing: str) -> None: ...

    def hang_up(self) -> None:
        self._port.forget(self._address)


class UdpPort(Port, asyncio.DatagramProtocol):
    """A UDP port: one datagram, one wrapper PDU; associations are kept apart by the peer's address."""

    def __init__(self, spec: PortSpec, attachment: Attachment, driver: Driver) -> None:
        super().__init__(spec, attachment, driver)
        self._transport: asyncio.DatagramTransport | None = None
        self._peers: OrderedDict[tuple[Any, ...], _Peer] = OrderedDict()
        self._number = spec.port

    @property
    def address(self) -> str:
        return network_address(self.spec.host, self._number)

    async def open(self) -> None:
        try:
            self._transport, _ = await self.driver.loop.create_datagram_endpoint(
                lambda: self, local_addr=(self.spec.host, self.spec.port)
            )
        except OSError as error:
            raise describe_os_error(self.spec, error) from None
        self._number = self._transport.get_extra_info("sockname")[1]

    def close(self) -> None:
        if self._transport is None:
            return
        self._transport.close()
        self._transport = None
        for address in list(self._peers):
            self.forget(address)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        peer = self._peers.get(addr)
        if peer is None:
            while len(self._peers) >= PEERS:
                self.forget(next(iter(self._peers)))
            peer = self._peers[addr] = _Peer(self, addr)
            peer.line.opened()
        else:
            self._peers.move_to_end(addr)
        peer.line.arrived(data)

    def error_received(self, exc: Exception) -> None:
        """An ICMP refusal: the peer has gone; the next datagram tells."""
        self.lost += 1

    def send(self, data: bytes, address: tuple[Any, ...]) -> None:
        """Send one datagram."""
        if self._transport is not None:
            self._transport.sendto(data, address)

    def forget(self, address: tuple[Any, ...]) -> None:
        """Drop what is remembered of a peer."""
        peer = self._peers.pop(address, None)
        if peer is not None:
            self.drop_line(peer.line)


def network_port(spec: PortSpec, attachment: Attachment, driver: Driver) -> Port:
    """The port for a network spec; raises :class:`PortError` for a kind that is not one."""
    match spec.kind:
        case PortKind.TCP | PortKind.TCP_HDLC:
            return TcpPort(spec, attachment, driver)
        case PortKind.UDP:
            return UdpPort(spec, attachment, driver)
        case _:
            raise PortError(str(spec), "not a plain network port")
