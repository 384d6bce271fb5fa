"""Starts members of a UTRN service by forking a process that has all modules loaded: a thousand runs start
thousands.

Reads a JSON object a line: ``config`` and ``name`` as of ``smets1 utrn site``, ``routes`` (ports of the links to the
others), ``seed`` and the ``log`` file. Answers with the pid. When its input ends, all that it has started ends.
"""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401  what all that are forked would load each for itself
import gc
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import uvicorn

from rigs.services.s1sp.api import build_app
from rigs.services.s1sp.config import load_service
from rigs.services.s1sp.process import log_to_stderr, serve

APP = build_app()
uvicorn.Config(APP, lifespan="off", ws="none").load()


def run(order: dict[str, object]) -> None:
    with Path(str(order["log"])).open("ab", buffering=0) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    log_to_stderr()
    routes = {peer: ("127.0.0.1", int(port)) for peer, port in order["routes"].items()}  # type: ignore[attr-defined]
    file = load_service(Path(str(order["config"])))
    name, seed = str(order["name"]), int(str(order["seed"]))
    asyncio.run(serve(file, name, ready=print, seed=seed, app=APP, routes=routes))


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    started: list[int] = []
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            code = 1
            try:
                run(json.loads(line))
                code = 0
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            finally:
                os._exit(code)
        started.append(pid)
        print(pid, flush=True)
    for pid in started:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
