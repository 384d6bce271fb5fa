"""The link between the members: TCP, each message proved with their shared secret.

Every member dials the others and sends on the connections that it has dialled; it hears on those that it accepts. The
accepting end begins with a challenge; each frame is its length (4 octets), HMAC-SHA-256 over challenge, both names, a
counter of the connection and the message, and the message. So a stranger cannot vote, and nothing recorded can be
played again. Messages are not encrypted: no key and no UTRN is in them. Loss is allowed: what cannot be sent now is
dropped.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress

from rigs.config import ConfigError
from rigs.services.s1sp.messages import Message, MessageError, decode, encode
from rigs.system_errors import reason

_LOG = logging.getLogger("smets1.s1sp.link")
_GREETING = b"S1SP1"
_CHALLENGE = 16
_MAC = 32
_MAX_FRAME = 1024 * 1024
_MAX_WAITING = 4 * 1024 * 1024
"""Octets on their way to a member before more are dropped."""
_STRANGERS = 16
"""Connections that have not proved themselves yet."""
_PATIENCE = 5.0
_REDIAL = 0.1

Received = Callable[[str, Message], None]
Address = tuple[str, int]


class Link:
    """Member ``name`` of those in ``addresses``. ``received`` is called with each message and its proved sender."""

    def __init__(
        self, name: str, addresses: Mapping[str, Address], listen: Address, secret: bytes, received: Received
    ) -> None:
        self._name = name
        self._addresses = {peer: where for peer, where in addresses.items() if peer != name}
        self._listen = listen
        self._secret = secret
        self._received = received
        self._outgoing: dict[str, _Outgoing] = {}
        self._incoming: set[asyncio.Task[None]] = set()
        self._strangers = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen; raises ConfigError."""
        host, port = self._listen
        try:
            self._server = await asyncio.start_server(self._accepted, host, port)
        except OSError as error:
            raise ConfigError(f"link {host}:{port}: {reason(error)}") from None

    async def run(self) -> None:
        """Keep connections to all others until cancelled."""
        async with asyncio.TaskGroup() as group:
            for peer, where in self._addresses.items():
                group.create_task(self._dial(peer, where))

    async def close(self) -> None:
        """Stop listening and drop all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._incoming:
            task.cancel()
        await asyncio.gather(*self._incoming, return_exceptions=True)

    def send(self, peer: str, message: Message) -> None:
        """Send a message if there is a connection with room; else it is lost."""
        outgoing = self._outgoing.get(peer)
        if outgoing is not None:
            outgoing.send(encode(message))

    # -- dialled connections -----------------------------------------------------------------------------------------

    async def _dial(self, peer: str, where: Address) -> None:
        while True:
            writer: asyncio.StreamWriter | None = None
            try:
                async with asyncio.timeout(_PATIENCE):
                    reader, writer = await asyncio.open_connection(*where)
                    greeting = await reader.readexactly(len(_GREETING) + _CHALLENGE)
                if greeting.startswith(_GREETING):
                    outgoing = _Outgoing(writer, self._proof(greeting[len(_GREETING) :], self._name, peer))
                    outgoing.send(self._name.encode())
                    self._outgoing[peer] = outgoing
                    await reader.read(1)  # nothing comes this way but the end
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                pass  # tried again until it is there: this is what a link that is cut looks like
            finally:
                self._outgoing.pop(peer, None)
                if writer is not None:
                    writer.close()
            await asyncio.sleep(_REDIAL)

    def _proof(self, challenge: bytes, sender: str, receiver: str) -> Callable[[int, bytes], bytes]:
        prefix = challenge + f"{sender}>{receiver}:".encode()

        def proof(number: int, message: bytes) -> bytes:
            return hmac.digest(self._secret, prefix + number.to_bytes(8, "big") + message, "sha256")

        return proof

    # -- accepted connections ----------------------------------------------------------------------------------------

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._incoming.add(task)
        try:
            if self._strangers < _STRANGERS:
                with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    await self._hear(reader, writer)
        except asyncio.CancelledError:
            pass  # the link is being closed; nobody waits for this task
        finally:
            self._incoming.discard(task)
            writer.close()

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        challenge = secrets.token_bytes(_CHALLENGE)
        writer.write(_GREETING + challenge)
        self._strangers += 1
        try:
            async with asyncio.timeout(_PATIENCE):
                mac, message = await _frame(reader, 64)
        finally:
            self._strangers -= 1
        sender = message.decode("ascii", "replace")
        if sender not in self._addresses:
            _LOG.warning("link: %s is no member", ascii(sender))
            return
        proof = self._proof(challenge, sender, self._name)
        number = 0
        while hmac.compare_digest(mac, proof(number, message)):
            if number:
                try:
                    self._received(sender, decode(message))
                except MessageError as error:
                    _LOG.warning("link: %s: %s", sender, error)
                    return
            number += 1
            mac, message = await _frame(reader, _MAX_FRAME)
        _LOG.warning("link: %s does not prove that it is a member; have all the same cluster.key?", sender)


class _Outgoing:
    """A connection that was dialled, and the count of its frames."""

    def __init__(self, writer: asyncio.StreamWriter, proof: Callable[[int, bytes], bytes]) -> None:
        self._writer = writer
        self._proof = proof
        self._number = 0

    def send(self, message: bytes) -> None:
        if self._writer.transport.get_write_buffer_size() > _MAX_WAITING:
            return
        mac = self._proof(self._number, message)
        self._number += 1
        self._writer.write((_MAC + len(message)).to_bytes(4, "big") + mac + message)


async def _frame(reader: asyncio.StreamReader, most: int) -> tuple[bytes, bytes]:
    """MAC and message of the next frame; a frame that is too long ends the connection like one that breaks off."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    if not _MAC <= length <= _MAC + most:
        raise asyncio.IncompleteReadError(b"", length)
    octets = await reader.readexactly(length)
    return octets[:_MAC], octets[_MAC:]
