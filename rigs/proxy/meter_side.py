"""The proxy's way to a meter, by any port: what the client's lines are, and datagrams."""

from __future__ import annotations

import asyncio

from rigs.client.lines import Line, make_line
from rigs.ports.spec import PortError, PortKind, PortSpec, describe_os_error


class UdpLine(Line, asyncio.DatagramProtocol):
    """Datagrams, one wrapper message each."""

    def __init__(self, spec: PortSpec) -> None:
        super().__init__(spec)
        self._transport: asyncio.DatagramTransport | None = None

    async def connect(self, timeout: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                self._transport, _ = await loop.create_datagram_endpoint(
                    lambda: self, remote_addr=(self.spec.host, self.spec.port)
                )
        except TimeoutError:
            raise PortError(str(self.spec), "no address in time", "is the host right?") from None
        except OSError as error:
            raise describe_os_error(self.spec, error) from None
        self.open = True

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(data)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.received(data)

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError):
            self._break_off(describe_os_error(self.spec, exc))

    def close(self) -> None:
        super().close()
        if self._transport is not None:
            self._transport.close()


def meter_line(spec: PortSpec) -> Line:
    """A line to a meter at ``spec``, not yet connected."""
    return UdpLine(spec) if spec.kind is PortKind.UDP else make_line(spec)
