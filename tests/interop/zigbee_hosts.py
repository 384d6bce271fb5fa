"""A Zigbee host in a process of its own: one line of JSON in for each verb, one out for what came of it."""

from __future__ import annotations

import json
import select
import subprocess
from collections import deque
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import IO, Any

import pytest

from tests.interop.conftest import CLIENTS


class ZigbeeHost:
    """A running host; ``started`` is what it answered to its start, ``said`` the end of its standard error."""

    def __init__(self, *command: str, patience: float = 60.0) -> None:
        """``command`` runs it; a first line must come within ``patience`` seconds."""
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        self.said: deque[str] = deque(maxlen=400)
        assert self._process.stderr is not None
        self._reader = Thread(target=self._listen, args=(self._process.stderr,), daemon=True)
        self._reader.start()
        try:
            self.started: Any = self._answer(patience)
        except BaseException:
            self.kill()
            raise

    @classmethod
    def of(cls, peers: Any, peer: str, script: str, spec: dict[str, object]) -> ZigbeeHost:
        """One of ``clients/`` with the environment of ``peer``."""
        if script.endswith(".js"):
            modules = peers.program(peer, "node_modules")
            return cls(peers.program("bin", "node"), str(CLIENTS / script), modules, json.dumps(spec))
        return cls(peers.python(peer), str(CLIENTS / script), json.dumps(spec))

    def _listen(self, stream: IO[str]) -> None:
        for line in stream:
            self.said.append(line)

    def ask(self, verb: str, *arguments: object, patience: float = 60.0) -> Any:
        """What came of a verb; the test fails where it went wrong."""
        self.begin(verb, *arguments)
        return self._answer(patience)

    def begin(self, verb: str, *arguments: object) -> None:
        """Ask, and let :meth:`end` wait for what comes of it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([verb, *arguments]) + "\n")
        self._process.stdin.flush()

    def end(self, patience: float = 60.0) -> Any:
        """What came of what was begun."""
        return self._answer(patience)

    def _answer(self, patience: float) -> Any:
        stream = self._process.stdout
        assert stream is not None
        while True:
            ready, _, _ = select.select([stream], [], [], patience)
            line = stream.readline() if ready else ""
            if not line:
                pytest.fail("the host said nothing:\n" + "".join(self.said))
            if line.startswith("{"):
                break
        answer = json.loads(line)
        if "error" in answer:
            pytest.fail(f"{answer['error']}\n" + "".join(self.said))
        return answer["result"]

    def stop(self) -> None:
        """Let it end as a host does: it resets the radio processor and closes the port."""
        with suppress(BrokenPipeError):
            self.begin("stop")
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait(10)

    def __enter__(self) -> ZigbeeHost:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.stop() if kind is None else self.kill()
