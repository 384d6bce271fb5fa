"""APDUs to and from one logical device: in the wrapper, or on HDLC."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable

from protocols import wrapper
from protocols.dlms.client import NoAnswer
from protocols.errors import FrameError, ProtocolError
from protocols.hdlc import Connected, Disconnected, Event, Notified, PrimaryStation, Received
from rigs.client.lines import Line, TcpLine
from rigs.client.options import ClientOptions
from rigs.ports.spec import PortError, PortSpec, describe_os_error

_SECOND = 1_000_000_000
_WAITS = 256


class Link:
    """A way to one logical device. ``received`` is called with each APDU, ``lost`` once when the way is cut off."""

    def __init__(self) -> None:
        self.received: Callable[[bytes], None] = _nowhere
        self.lost: Callable[[ProtocolError | PortError], None] = _nowhere

    async def connect(self) -> None:
        """Make the way; raises PortError and ProtocolError."""
        raise NotImplementedError

    def send(self, apdu: bytes, *, answered: bool = True) -> None:
        """Send one APDU; ``answered`` False when more of ours follow before the meter says anything."""
        raise NotImplementedError

    def poll(self) -> None:
        """More is awaited from the meter, which may have to be asked for it."""

    async def close(self) -> None:
        """Leave in good order."""
        raise NotImplementedError


class WrapperLink(Link):
    """The wrapper on TCP (IEC 62056-47)."""

    def __init__(self, line: TcpLine, options: ClientOptions) -> None:
        super().__init__()
        self._line = line
        self._options = options
        self._reader = wrapper.WrapperReader()

    async def connect(self) -> None:
        self._line.received = self._octets
        self._line.lost = lambda error: self.lost(error)
        await self._line.connect(self._options.timeout)

    def send(self, apdu: bytes, *, answered: bool = True) -> None:
        self._line.send(wrapper.encode(self._options.client, self._options.server, apdu))

    async def close(self) -> None:
        self._line.close()

    def _octets(self, data: bytes) -> None:
        try:
            messages = self._reader.receive(data)
        except FrameError as error:
            self._line.close()
            self.lost(error)
            return
        for source, destination, apdu in messages:
            if (source, destination) == (self._options.server, self._options.client):
                self.received(apdu)


class DatagramLink(Link, asyncio.DatagramProtocol):
    """The wrapper on UDP."""

    def __init__(self, spec: PortSpec, options: ClientOptions) -> None:
        super().__init__()
        self._spec = spec
        self._options = options
        self._transport: asyncio.DatagramTransport | None = None

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: self, remote_addr=(self._spec.host, self._spec.port)
            )
        except OSError as error:
            raise describe_os_error(self._spec, error) from None

    def send(self, apdu: bytes, *, answered: bool = True) -> None:
        if self._transport is not None:
            self._transport.sendto(wrapper.encode(self._options.client, self._options.server, apdu))

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: object) -> None:
        with contextlib.suppress(FrameError):  # a datagram that is no wrapper PDU is not for us
            source, destination, apdu = wrapper.decode(data)
            if (source, destination) == (self._options.server, self._options.client):
                self.received(apdu)

    def error_received(self, exc: Exception) -> None:
        self.lost(
            describe_os_error(self._spec, exc) if isinstance(exc, OSError) else PortError(str(self._spec), str(exc))
        )


class HdlcLink(Link):
    """HDLC on a line that is connected, and has signed on where that is needed. ``leftover`` came in before."""

    def __init__(self, line: Line, options: ClientOptions, leftover: bytes = b"") -> None:
        super().__init__()
        self._line = line
        self._leftover = leftover
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._failed: ProtocolError | None = None
        self._timeout = options.timeout
        self._sent = (0, 0)  # when octets were sent last that nothing has come for yet, and how many
        self.waits: deque[tuple[int, int]] = deque(maxlen=_WAITS)
        """Of the latest frames sent: how long until the first octet of an answer came, ns, and octets sent."""
        self.station = PrimaryStation(
            options.client,
            options.server,
            options.physical,
            address_octets=options.address_octets,
            proposal=options.hdlc,
            response_timeout=int(options.timeout * _SECOND) // (options.retries + 1),
            retries=options.retries,
        )

    async def connect(self) -> None:
        self._line.received = self._octets
        self._line.lost = self._cut_off
        self._waiting = asyncio.get_running_loop().create_future()
        self._send(self.station.connect(time.monotonic_ns()))
        if self._leftover:
            self._octets(self._leftover)
        await self._waiting
        if self._failed is not None:
            raise self._failed

    def send(self, apdu: bytes, *, answered: bool = True) -> None:
        if self.station.connected:
            self._send(self.station.send(apdu, time.monotonic_ns(), answered))

    def poll(self) -> None:
        if self.station.connected:
            self._send(self.station.poll(time.monotonic_ns()))

    async def close(self) -> None:
        if self._line.open and self.station.connected:
            left = self._waiting = asyncio.get_running_loop().create_future()
            self._send(self.station.disconnect(time.monotonic_ns()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await left
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._line.close()

    def _octets(self, data: bytes) -> None:
        now = time.monotonic_ns()
        at, octets = self._sent
        if octets:
            self.waits.append((now - at, octets))
            self._sent = (0, 0)
        self._happened(self.station.receive(data, now))

    def _expired(self) -> None:
        self._timer = None
        self._happened(self.station.timeout(time.monotonic_ns()))

    def _happened(self, events: list[Event]) -> None:
        self._send(self.station.data_to_send())
        for event in events:
            match event:
                case Connected():
                    self._done(None)
                case Received(apdu) | Notified(apdu):
                    self.received(apdu)
                case Disconnected(why, expected):
                    error = NoAnswer(f"no HDLC link: {why}")
                    if not self._done(None if expected else error):
                        self.lost(error)

    def _cut_off(self, error: PortError) -> None:
        if not self._done(NoAnswer(error.problem)):
            self.lost(error)

    def _done(self, error: ProtocolError | None) -> bool:
        """Let who waits for the link go on; whether anyone does."""
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.done():
            return False
        self._failed = error
        waiting.set_result(None)
        return True

    def _send(self, data: bytes) -> None:
        if data:
            self._sent = (time.monotonic_ns(), len(data))
            self._line.send(data)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.station.next_timeout()
        if due is not None:
            delay = max(0, due - time.monotonic_ns()) / _SECOND
            self._timer = asyncio.get_running_loop().call_later(delay, self._expired)


def _nowhere(_what: object) -> None:
    """Where APDUs and losses go before anyone listens."""
