"""The driver of :class:`protocols.dlms.client.Client` on asyncio."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TypeVar

from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.access import Item
from protocols.dlms.client import (
    Attribute,
    Client,
    ClientSettings,
    ClientState,
    ExceptionAnswer,
    Exchange,
    Method,
    Negotiated,
    NoAnswer,
    Notification,
    Outcome,
)
from protocols.dlms.enums import ApduTag, ServiceError
from protocols.errors import ProtocolError
from protocols.iec62056_21 import HandedOver, Identification, Wanted
from rigs.client.lines import TcpLine, make_line
from rigs.client.links import DatagramLink, HdlcLink, Link, WrapperLink
from rigs.client.optical import sign_on
from rigs.client.options import ClientError, ClientOptions, ClientPort, parse_client_port
from rigs.ports.spec import PortError, PortKind

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Told octets of the value and blocks received so far."""
_AARE = bytes((ApduTag.AARE,))
_FAREWELL = 3.0
"""Seconds that the answer to a release is waited for before the link is left without it."""
_RESPITE = 0.2
"""Seconds between two sessions on a serial line."""
_KEPT = 1024
"""Notifications kept until they are taken; the oldest go first."""


class DlmsClient:
    """An association with one logical device, over any port::

        async with DlmsClient.open("tcp:127.0.0.1:4059") as meter:
            value = await meter.get(Attribute(3, obis.parse("1-0:1.8.0"), 2))

    Requests wait for one another. All of them raise ClientError, one line that says where, what and why, with the
    ProtocolError behind it as ``__cause__``. A request that is cancelled is given up, and its late answer ignored.
    """

    def __init__(self, port: ClientPort, options: ClientOptions, random_octets: Callable[[int], bytes]) -> None:
        self.port = port
        self.options = options
        self.machine = Client(options.settings, random_octets)
        self.aare = b""
        """The AARE that came last."""
        self._probe: asyncio.Future[bytes] | None = None
        self.longest = 0
        """Octets of the longest APDU that has come."""
        self.identification: Identification | None = None
        """Who the meter said it is, where it was signed on to."""
        self._link: Link | None = None
        self._lock = asyncio.Lock()
        self._stirred: asyncio.Future[None] | None = None
        self._broken: ProtocolError | None = None
        self._notifications: asyncio.Queue[Notification] = asyncio.Queue(_KEPT)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        port: str,
        options: ClientOptions | None = None,
        *,
        associate: bool = True,
        random_octets: Callable[[int], bytes] = secrets.token_bytes,
    ) -> AsyncIterator[DlmsClient]:
        """A client on ``port``, connected and, unless told otherwise, associated; released and closed at the end.

        Raises PortError for the port and ClientError for the meter.
        """
        wanted = options or ClientOptions()
        where = parse_client_port(port)
        if wanted.frame_counter is not None and wanted.settings.security is not None:
            counters = wanted.settings.security.counters
            counters.sent = max(counters.sent, await _frame_counter(port, wanted, random_octets))
            await respite(where)
        client = cls(where, wanted, random_octets)
        try:
            await client.connect()
            if associate:
                await client.associate()
            yield client
        finally:
            await client.close()

    # -- link --------------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Reach the meter: connection, sign-on, HDLC link. Raises PortError and ClientError."""
        try:
            link = self._link = await self._linked()
            link.received = self._received
            link.lost = self._lost
            self._broken = None
            await link.connect()
        except ProtocolError as error:
            raise ClientError(f"{self.port}: {error}") from error

    async def _linked(self) -> Link:
        spec, options = self.port.spec, self.options
        if spec.kind is PortKind.UDP:
            return DatagramLink(spec, options)
        if spec.kind in (PortKind.TCP, PortKind.UNIX):
            return WrapperLink(TcpLine(spec), options)
        line = make_line(spec)
        line.baud = options.baud
        await line.connect(options.timeout)
        try:
            leftover = b""
            if self.port.optical:
                event = await sign_on(line, Wanted.HDLC, options, self._identified)
                leftover = event.leftover if isinstance(event, HandedOver) else b""
            return HdlcLink(line, options, leftover)
        except BaseException:
            line.close()
            raise

    async def close(self) -> None:
        """Release the association if there is one, and leave the link. Raises nothing: the meter may have gone."""
        if self.machine.state is ClientState.OPEN and self._broken is None and not self.machine.busy:
            with suppress(ClientError, TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await self.release()
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    # -- requests ----------------------------------------------------------------------------------------------------

    @property
    def negotiated(self) -> Negotiated | None:
        """What the open association has, None without one."""
        return self.machine.negotiated

    @property
    def hdlc(self) -> HdlcLink | None:
        """The HDLC link, None on the wrapper or without one."""
        return self._link if isinstance(self._link, HdlcLink) else None

    async def associate(self) -> Negotiated:
        """Open the association."""
        async with self._lock:
            return await self._run(self.machine.associate, "association", None)

    async def release(self) -> None:
        """Close the association; the link stays."""
        async with self._lock:
            await self._run(self.machine.release, "release", None)

    async def get(
        self, attribute: Attribute, selection: bytes | None = None, *, progress: Progress | None = None
    ) -> bytes:
        """Encoded Data of an attribute, or of what ``selection`` picks."""
        return await self._request(lambda: self.machine.get(attribute, selection), f"get {attribute}", progress)

    async def get_list(self, wanted: Sequence[tuple[Attribute, bytes | None]]) -> tuple[Outcome, ...]:
        """Several attributes, each with its selection or None."""
        return await self._request(lambda: self.machine.get_list(wanted), f"get {len(wanted)} attributes", None)

    async def set(self, attribute: Attribute, data: bytes, selection: bytes | None = None) -> None:
        """Write encoded Data."""
        await self._request(lambda: self.machine.set(attribute, data, selection), f"set {attribute}", None)

    async def set_list(self, values: Sequence[tuple[Attribute, bytes | None, bytes]]) -> tuple[Outcome, ...]:
        """Write several attributes, each with its selection or None."""
        return await self._request(lambda: self.machine.set_list(values), f"set {len(values)} attributes", None)

    async def action(self, method: Method, parameters: bytes | None = None) -> bytes | None:
        """Run a method; its encoded return value, None without one."""
        return await self._request(lambda: self.machine.action(method, parameters), f"action {method}", None)

    async def action_list(self, calls: Sequence[tuple[Method, bytes | None]]) -> tuple[Outcome, ...]:
        """Run several methods."""
        return await self._request(lambda: self.machine.action_list(calls), f"{len(calls)} actions", None)

    async def access(self, items: Sequence[Item]) -> tuple[Outcome, ...]:
        """Read, write and act in one request."""
        return await self._request(lambda: self.machine.access(items), f"access of {len(items)} items", None)

    async def probe(self, apdu: bytes, patience: float) -> bytes | None:
        """Send an APDU as it is, outside of any association; the first that comes in ``patience`` s, None without."""
        if self._link is None:
            raise ClientError(f"{self.port}: not connected")
        self._probe = asyncio.get_running_loop().create_future()
        try:
            self._link.send(apdu)
            async with asyncio.timeout(patience):
                return await self._probe
        except TimeoutError:
            return None
        finally:
            self._probe = None

    async def notification(self) -> Notification:
        """The next notification that the meter sends, or the oldest not yet taken."""
        return await self._notifications.get()

    # -- between the two ---------------------------------------------------------------------------------------------

    async def _request(self, begin: Callable[[], Exchange[T]], what: str, progress: Progress | None) -> T:
        """A service; where the meter names its invocation counter, associate anew with it and ask once more."""
        async with self._lock:
            try:
                return await self._run(begin, what, progress)
            except ClientError as error:
                if not self._recoverable(error.__cause__):
                    raise
            self.machine.lost(NoAnswer("the invocation counter was refused"))
            await self._run(self.machine.associate, "association", None)
            return await self._run(begin, what, progress)

    def _recoverable(self, error: BaseException | None) -> bool:
        settings = self.options.settings
        if not settings.recover_counter or settings.security is None or not isinstance(error, ExceptionAnswer):
            return False
        if error.service != ServiceError.INVOCATION_COUNTER_ERROR or error.counter is None:
            return False
        settings.security.counters.sent = error.counter
        return True

    async def _run(self, begin: Callable[[], Exchange[T]], what: str, progress: Progress | None) -> T:
        try:
            if self._broken is not None:
                raise self._broken
            exchange = begin()
            try:
                await self._finished(exchange, progress)
            finally:
                if not exchange.done:
                    self.machine.abandon(NoAnswer("given up"))
            return exchange.result()
        except ProtocolError as error:
            raise ClientError(f"{self.port}: {what}: {error}") from error

    async def _finished(self, exchange: Exchange[T], progress: Progress | None) -> None:
        loop = asyncio.get_running_loop()
        self._flush()
        while not exchange.done:
            stirred = self._stirred = loop.create_future()
            try:
                async with asyncio.timeout(self.options.timeout):
                    await stirred
            except TimeoutError:
                if not self.machine.stalled():
                    self.machine.abandon(NoAnswer(f"no answer for {self.options.timeout:g} s{self._doubt}"))
                self._flush()
                continue
            if progress is not None:
                progress(exchange.octets, exchange.blocks)

    @property
    def _doubt(self) -> str:
        """What may be wrong where nothing has been heard yet."""
        if self.negotiated is not None:
            return ""
        return f"; is server SAP {self.options.server} there, and is this the right kind of port?"

    def _flush(self) -> bool:
        """Send what is due; whether there was anything."""
        due = self.machine.to_send()
        if self._link is not None:
            for left, apdu in enumerate(due, 1 - len(due)):
                self._link.send(apdu, answered=left == 0)
        return bool(due)

    def _received(self, apdu: bytes) -> None:
        self.longest = max(self.longest, len(apdu))
        if apdu[:1] == _AARE:
            self.aare = apdu
        if self._probe is not None:
            if not self._probe.done():
                self._probe.set_result(apdu)
            return
        notification = self.machine.receive(apdu)
        if notification is not None:
            if self._notifications.full():
                self._notifications.get_nowait()
            self._notifications.put_nowait(notification)
        if not self._flush() and self.machine.busy and self._link is not None:
            self._link.poll()
        self._stir()

    def _lost(self, error: ProtocolError | PortError) -> None:
        self._broken = error if isinstance(error, ProtocolError) else NoAnswer(error.problem)
        self.machine.lost(self._broken)
        self._stir()

    def _identified(self, identification: Identification) -> None:
        self.identification = identification

    def _stir(self) -> None:
        stirred = self._stirred
        if stirred is not None and not stirred.done():
            stirred.set_result(None)


async def respite(port: ClientPort) -> None:
    """Wait between two sessions at a port until the far end has seen that the first is over.

    A serial line does not tell, and who takes up a pseudo terminal again at once has its first octets thrown away with
    what the one before it left unread.
    """
    if port.spec.kind in (PortKind.PTY, PortKind.SERIAL, PortKind.RFC2217):
        await asyncio.sleep(_RESPITE)


async def _frame_counter(port: str, options: ClientOptions, random_octets: Callable[[int], bytes]) -> int:
    """The invocation counter that the meter shows to a public client."""
    name = options.frame_counter
    assert name is not None
    public = replace(options, client=options.counter_client, settings=ClientSettings(), frame_counter=None)
    async with DlmsClient.open(port, public, random_octets=random_octets) as client:
        encoded = await client.get(Attribute(1, name, 2))
    try:
        counter = axdr.decode_all(encoded).value
    except ProtocolError as error:
        raise ClientError(f"{port}: frame counter {obis.text(name)}: {error}") from error
    if not isinstance(counter, int):
        raise ClientError(f"{port}: frame counter {obis.text(name)} is no number")
    return counter
