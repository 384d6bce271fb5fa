"""A real UTRN service for tests: three processes, their stores on disk, and links that can be cut and delayed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from rigs.services.s1sp.config import RANKS, ServiceFile, address, init_service, load_service
from rigs.services.s1sp.keystore import KeyStore, MeterKey
from rigs.services.s1sp.store import STORE, Store

SITES = ("primary", "secondary")
ORIGINATOR = bytes.fromhex("90B3D51F30010000")
TIMING = "\n[timing]\ntick_ms = 10\nheartbeat = 3\nelection = 14\nsettle = 10\nanswer_s = 1.0\n"
PATIENCE_S = 60
"""Within which a cluster of which two members live has a leader, however busy the machine is."""
_PORTS, _BLOCK, _STEP = range(20_000, 32_000), 400, 20
"""Ports below those that systems give to those who dial; a session of tests has a block of them."""


def meter_key(number: int) -> tuple[str, MeterKey]:
    """A meter and its key, of octets that are found nowhere by chance."""
    secret = bytes((number * 37 + place * 11 + 129) % 256 for place in range(16))
    return f"00DB1234567890{number:02X}", MeterKey("s1sp-symmetric", secret, ORIGINATOR)


class Pipe:
    """The link from one member to another. ``open`` False holds octets back; ``delay`` is in seconds."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.delay = 0.0
        self.seen = bytearray()
        self.port = 0
        self._passing = asyncio.Event()
        self._passing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._joined, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def hold(self) -> None:
        self._passing.clear()

    def heal(self) -> None:
        self.delay = 0.0
        self._passing.set()

    def snap(self) -> None:
        """End the connections that there are."""
        for task in self._tasks:
            task.cancel()

    def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.snap()

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far: asyncio.StreamWriter | None = None
        back: asyncio.Task[None] | None = None
        try:
            answers, far = await asyncio.open_connection(*self.target)
            back = asyncio.create_task(self._pass(answers, writer))
            await self._pass(reader, far)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            if back is not None:
                back.cancel()
            for end in (writer, far):
                if end is not None:
                    end.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._passing.wait()
                self.seen += data
                sink.write(data)
        sink.close()


@dataclass
class Answer:
    """What a site answered: HTTP status (0: it could not be reached) and content."""

    status: int
    content: Any = None


@dataclass
class Cluster:
    """Three members in a folder. ``pipes`` are by sender and receiver."""

    file: ServiceFile
    token: str
    spawner: Spawner
    seed: int
    pipes: dict[tuple[str, str], Pipe] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)
    dying: dict[str, int] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.file.path.parent

    def start(self, name: str) -> None:
        if name in self.pids:
            return
        while (dying := self.dying.get(name)) is not None and _alive(dying):
            time.sleep(0.001)  # its ports and its store are not free before
        routes = {peer: self.pipes[name, peer].port for peer in RANKS if peer != name}
        log = str(self.folder / f"{name}.log")
        self.pids[name] = self.spawner.start(
            config=str(self.file.path), name=name, routes=routes, seed=self.seed, log=log
        )

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        pid = self.pids.pop(name, None)
        if pid is not None:
            self.dying[name] = pid
            os.kill(pid, number)

    async def gone(self) -> None:
        """Until the system has taken what was killed, and its locks on the stores."""
        while any(_alive(pid) for pid in self.dying.values()):
            await asyncio.sleep(0.001)

    def between(self, first: str, second: str) -> list[Pipe]:
        return [self.pipes[first, second], self.pipes[second, first]]

    def around(self, name: str) -> list[Pipe]:
        return [pipe for pair, pipe in self.pipes.items() if name in pair]

    def heal(self) -> None:
        for pipe in self.pipes.values():
            pipe.heal()

    def store(self, name: str) -> Store:
        return Store(self.file.folder(name) / STORE, name)

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    async def ask(
        self, site: str, method: str, path: str, content: object = None, timeout: float = 15.0, token: str | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        where = self.file.member(site).http
        assert where is not None
        body = b"" if content is None else json.dumps(content).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {where}\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.token if token is None else token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await asyncio.open_connection(*address(where))
                writer.write(head.encode() + body)
                status, _, rest = (await reader.read(1 << 24)).partition(b"\r\n")
                while data := await reader.read(1 << 24):
                    rest += data
        except (OSError, TimeoutError):
            return Answer(0)
        finally:
            if writer is not None:
                writer.transport.abort()
        if not status.startswith(b"HTTP/1.1 "):
            return Answer(0)
        with suppress(ValueError):
            return Answer(int(status.split()[1]), json.loads(rest.partition(b"\r\n\r\n")[2]))
        return Answer(0)

    async def answer(self, site: str, method: str, path: str, content: object = None) -> Answer:
        """Ask again while it answers 503 or not at all: on a busy machine the members may be holding an election."""
        async with asyncio.timeout(PATIENCE_S):
            while (answer := await self.ask(site, method, path, content)).status in (0, 503):
                await asyncio.sleep(0.02)
        return answer

    async def insist(self, site: str, method: str, path: str, content: object = None) -> Any:
        """What it says when it says yes."""
        answer = await self.answer(site, method, path, content)
        assert answer.status == 200, answer
        return answer.content

    async def led_by(self, name: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await self.ask(name, "GET", "/status")
                if answer.status == 200 and answer.content["leader"] == name and answer.content["issuing"]:
                    return
                await asyncio.sleep(0.02)


class Spawner:
    """The process that forks members, and the ports that they may have."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("spawner.py")
        root = str(Path(__file__).parents[3])
        self._process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": root},
        )
        self._claim = _claim()
        self._block = self._claim.getsockname()[1] + 1
        self._port = self._block

    def start(self, **order: object) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def ports(self) -> int:
        """The first of twenty ports, of which nobody has those that a service needs."""
        while True:
            self._port += _STEP
            if self._port + _STEP > self._block + _BLOCK:
                self._port = self._block
            if all(_free(self._port + offset) for offset in (0, 1, 2, 10, 11)):
                return self._port

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._claim.close()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _claim() -> socket.socket:
    """A socket on the first port of a block that no other session has claimed."""
    for port in _PORTS[:: _BLOCK + _STEP]:
        with suppress(OSError):
            return socket.create_server(("127.0.0.1", port))
    raise AssertionError(f"all blocks of ports in {_PORTS} are claimed")


def _free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def spawner() -> Iterator[Spawner]:
    made = Spawner()
    yield made
    made.close()


MakeCluster = Callable[..., AbstractAsyncContextManager[Cluster]]


@pytest.fixture
def cluster(spawner: Spawner) -> MakeCluster:
    """Makes a cluster in a folder, with keys of ``meters`` meters, started and all of them enrolled if ``enrolled``."""

    @asynccontextmanager
    async def make(folder: Path, seed: int = 0, meters: int = 2, enrolled: bool = True) -> AsyncIterator[Cluster]:
        path = init_service(folder, port=spawner.ports())
        with path.open("a") as stream:
            stream.write(TIMING)
        file = load_service(path)
        keys = dict(meter_key(number) for number in range(1, meters + 1))
        for site in SITES:
            KeyStore(file.folder(site)).write(keys, {})
        made = Cluster(file, (folder / "supplier.token").read_text().strip(), spawner, seed)
        try:
            for sender, receiver in permutations(RANKS, 2):
                pipe = made.pipes[sender, receiver] = Pipe(address(file.member(receiver).link))
                await pipe.open()
            for name in RANKS:
                made.start(name)
            if enrolled:
                for meter in keys:
                    await made.insist("primary", "POST", "/meters", {"meter": meter})
            yield made
        finally:
            for name in RANKS:
                made.kill(name)
            for pipe in made.pipes.values():
                pipe.close()

    return make
