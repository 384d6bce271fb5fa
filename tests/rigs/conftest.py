"""Small real parts for the tests of ports and lines: a stack that echoes, a clock, a rig of one port."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rigs.driver import ClockMode, Driver
from rigs.ports import Attachment, LineOptions, Port, make_port, parse_port
from rigs.ports.port import AdaptorOptions

T = TypeVar("T")


class EchoStack:
    """Answers each arrival with the same octets, upper case; knows a few words that set it."""

    def __init__(self) -> None:
        self.transmit: Callable[[bytes], None] = lambda data: None
        self.explain: Callable[[str], None] | None = None
        self.counters: Counter[str] = Counter()
        self.baud = self.send_baud = 9600
        self.bauds = frozenset({9600})
        self.character = self.send_character = "8N1"
        self.characters = frozenset({"8N1"})
        self.associations: list[Any] = []
        self.turnaround = 0
        self.drop = False
        self.heard = bytearray()
        self.events: list[str] = []
        self.deadline: int | None = None
        self.timeouts: list[int] = []
        self.line: object = None
        self.gate = None

    @property
    def way(self) -> EchoStack:
        return self

    def receive(self, data: bytes, now: int) -> bytes:
        self.heard += data
        self.counters["received"] += len(data)
        self.send_baud = self.baud
        if data.startswith(b"baud"):
            self.set_baud(int(data[4:]))
            return b"ok"
        if data.startswith(b"late"):
            self.deadline = now + int(data[4:])
            return b""
        if data == b"drop":
            self.drop = True
            return b"bye"
        return data.upper()

    def set_character(self, character: str) -> None:
        self.character = self.send_character = character
        self.characters = frozenset({character})

    def set_baud(self, baud: int) -> None:
        self.baud = self.send_baud = baud
        self.bauds = frozenset({baud})

    def next_timeout(self) -> int | None:
        return self.deadline

    def timeout(self, now: int) -> None:
        self.timeouts.append(now)
        self.deadline = None
        self.transmit(b"late!")

    def opened(self, now: int) -> None:
        self.events.append("opened")

    def closed(self) -> None:
        self.events.append("closed")


class PlainClock:
    """The least a driver needs."""

    def __init__(self, now: int = 0) -> None:
        self.now = now
        self.events: list[tuple[int, Callable[[], None]]] = []

    def next_due(self) -> int | None:
        return min((due for due, _ in self.events), default=None)

    def schedule(self, due: int, call: Callable[[], None]) -> None:
        self.events.append((due, call))

    def advance_to(self, target: int) -> None:
        while (due := self.next_due()) is not None and due <= target:
            event = min(self.events, key=lambda item: item[0])
            self.events.remove(event)
            self.now = max(self.now, due)
            event[1]()
        self.now = max(self.now, target)


class Bench:
    """A port with an echo stack on a loop in a thread of its own; clients of the test block in theirs."""

    def __init__(
        self, text: str, folder: Path, options: LineOptions, mode: ClockMode, prepare: Any, adaptor: AdaptorOptions
    ) -> None:
        self.stacks: list[EchoStack] = []
        self.explained: list[str] = []
        self.clock = PlainClock()
        self.driver = Driver(self.clock, mode)  # type: ignore[arg-type]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

        def stack() -> EchoStack:
            made = EchoStack()
            if prepare is not None:
                prepare(made)
            self.stacks.append(made)
            return made

        attachment = Attachment("test", stack, options, explain=self.explained.append, adaptor=adaptor)  # type: ignore[arg-type]
        self.port: Port = make_port(parse_port(text), attachment, self.driver, folder)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def call(self, function: Callable[[], T]) -> T:
        async def run() -> T:
            return function()

        return self.run(run())

    def open(self) -> None:
        async def start() -> None:
            self.driver.start()
            await self.port.open()

        self.run(start())

    def close(self) -> None:
        async def stop() -> None:
            self.port.close()
            self.driver.stop()
            await asyncio.sleep(0)

        self.run(stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()

    @property
    def stack(self) -> EchoStack:
        return self.stacks[-1]

    @property
    def line(self) -> Any:
        return self.port.lines[0]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Opens a port: ``bench("pty:./p", options, mode, prepare)``."""
    made: list[Bench] = []

    def make(
        text: str,
        options: LineOptions | None = None,
        mode: ClockMode = ClockMode.STEPPED,
        prepare: Callable[[EchoStack], None] | None = None,
        adaptor: AdaptorOptions | None = None,
    ) -> Bench:
        result = Bench(text, tmp_path, options or LineOptions(), mode, prepare, adaptor or AdaptorOptions())
        made.append(result)
        result.open()
        return result

    yield make
    for one in made:
        one.close()


@pytest.fixture
def echo_stack() -> type[EchoStack]:
    """The stack itself, for rigs of several ports."""
    return EchoStack
