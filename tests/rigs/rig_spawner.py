"""Starts the rig of a file again and again, by forking a process that has its modules and profiles loaded.

Its argument is the rig file. For each line that it reads it starts the rig, as ``smets1 up`` runs it, and answers with
the pid. When its input ends, the last rig is killed.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import rigs.storage  # noqa: F401  what all that are forked would load each for itself
from emulator.time import Clock
from rigs.building import build
from rigs.commands import up
from rigs.config import load_rig
from rigs.driver import utc_ns


def main() -> None:
    file = load_rig(Path(sys.argv[1]))
    for spec in file.specs:
        build(file, spec, Clock(utc_ns()))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pid = 0
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with Path(os.devnull).open("r+") as nothing:
                os.dup2(nothing.fileno(), 0)
                os.dup2(nothing.fileno(), 1)
            code = 1
            try:
                code = up.run(file, up.UpOptions(control="off"))
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            finally:
                os._exit(code)
        print(pid, flush=True)
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
