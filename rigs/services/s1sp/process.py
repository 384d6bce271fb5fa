"""One member as a process: from its configuration to a node that runs, and at a site the API in front of it."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from rigs.config import ConfigError
from rigs.services.s1sp.config import RANKS, SITES, ServiceFile, address
from rigs.services.s1sp.keystore import KeyStore
from rigs.services.s1sp.node import Node
from rigs.services.s1sp.service import UtrnService
from rigs.services.s1sp.store import STORE, Store
from rigs.system_errors import reason

if TYPE_CHECKING:
    from fastapi import FastAPI

    from rigs.services.s1sp.link import Address

_STOP_S = 2
_MOST_CONNECTIONS = 500
_BACKLOG = 128


async def serve(
    file: ServiceFile,
    name: str,
    *,
    ready: Callable[[str], None],
    seed: int = 0,
    new_store: bool = False,
    app: FastAPI | None = None,
    routes: dict[str, Address] | None = None,
) -> None:
    """Run member ``name`` until SIGINT or SIGTERM. ``ready`` is told in one line where it can be reached.

    With ``new_store`` a store that is lost is made anew. ``app`` is the API if it was built before, ``routes`` other
    addresses for the links to the other members. Raises ConfigError, also where the store cannot be written any more.
    """
    member = file.member(name)
    folder = file.folder(name)
    timing = file.config.timing
    if name in SITES and member.http is None:
        raise ConfigError(f"{file.path}: members.{name}.http: missing")
    store = Store(folder / STORE, name, make=new_store)
    addresses = {peer: address(file.member(peer).link) for peer in RANKS} | (routes or {})
    node = Node(name, addresses, address(member.link), file.cluster_key(), store, timing, seed)
    await node.open()
    running = asyncio.create_task(node.run())
    try:
        if member.http is None or name not in SITES:
            ready(f"{name} on link {member.link}")
            await _until_stopped(running)
            return
        service = UtrnService(node, KeyStore(folder))
        with _listening(address(member.http)) as listener:
            ready(f"{name} on http://{member.http} and link {member.link}")
            await _serve_http(service, file, listener, app, running)
    finally:
        running.cancel()
        await _ended(running)


async def _ended(running: asyncio.Task[None]) -> None:
    """Wait for a node's end; raises what ended it, one line where it was its store."""
    try:
        with suppress(asyncio.CancelledError):
            await running
    except BaseExceptionGroup as group:
        told = group.subgroup(ConfigError)
        if told is None:
            raise
        raise ConfigError(str(told.exceptions[0])) from group


async def _until_stopped(running: asyncio.Task[None]) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    waiting = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait((waiting, running), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _serve_http(
    service: UtrnService, file: ServiceFile, listener: socket.socket, app: FastAPI | None, running: asyncio.Task[None]
) -> None:
    import uvicorn

    from rigs.services.s1sp.api import Running, build_app
    from rigs.serving import Server

    app = app or build_app()
    app.state.running = Running(service, dict(file.config.requesters))
    config = uvicorn.Config(
        app,
        limit_concurrency=_MOST_CONNECTIONS,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=_STOP_S,
    )
    server = Server(config)  # signals are ours: they end the member too
    serving = asyncio.create_task(server.serve([listener]))
    stopping = asyncio.create_task(_until_stopped(running))
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving


def _listening(where: Address) -> socket.socket:
    from rigs.serving import listen

    host, port = where
    try:
        return listen(host, port, _BACKLOG)
    except OSError as error:
        raise ConfigError(f"http {host}:{port}: {reason(error)}") from None


def log_to_stderr() -> None:
    """What members have to say while they run goes to standard error."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("smets1").setLevel(logging.INFO)
