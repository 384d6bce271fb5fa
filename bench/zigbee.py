"""A Zigbee host on a hub's radio processor: how long zigpy takes to start, and how fast it reads, over a terminal.

The host is the peer that the interop tests run (`.ci/peers`), in a process of its own; the premises run in this one.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figures import Figure, folder, middle, spread
from rigs.config import rig_of
from rigs.driver import ClockMode
from rigs.running import RunningRig

ROOT = Path(__file__).parent.parent
CLIENT = ROOT / "tests" / "interop" / "clients" / "bellows_host.py"
PEERS = Path(os.environ.get("SMETS1_PEERS", ROOT / ".peers"))
READS, TOGETHER = 300, 4
BASIC, TIME, METERING = 0x0000, 0x000A, 0x0702
WANTED = (
    *((BASIC, attribute) for attribute in (0x0000, 0x0004, 0x0005, 0x0007)),
    *((METERING, attribute) for attribute in (0x0000, 0x0200, 0x0300, 0x0301, 0x0302, 0x0303, 0x0306, 0x0400)),
    (TIME, 0x0000),
)
"""Clusters and attributes that are read in turn; their number and 256 have no common divisor."""
LONGEST_START, LEAST_READS = 0.3, 250
AIRS = (("hub-bench", ""), ("hub-base", ", frames taking 1 ms a hop"))
"""Hubs, and what is to be said of their air."""


class Host:
    """zigpy with bellows; ``started`` is what it says of its start."""

    def __init__(self, path: str, database: Path | None = None) -> None:
        spec = json.dumps({"path": path, "database": None if database is None else str(database), "log": "ERROR"})
        command = [str(PEERS / "zigpy" / "bin" / "python"), str(CLIENT), spec]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.started = self._answer()

    def ask(self, verb: str, *arguments: object) -> Any:
        """What comes of a verb; RuntimeError with what went wrong."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([verb, *arguments]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the host has ended"}
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def stop(self) -> None:
        self.ask("stop")
        self._process.wait()


@contextmanager
def premises(hub: str) -> Iterator[tuple[RunningRig, str, Path]]:
    """Premises whose network the hub has formed, the port of its radio processor, and a place for the host's files."""
    home = {
        "name": "home",
        "hub": {"profile": hub, "ports": {"radio": "pty:radio"}},
        "electricity": {},
        "gas": {},
    }
    with folder() as place, RunningRig(rig_of({"premises": [home]}), folder=place, mode=ClockMode.REAL) as running:
        yield running, running.premises["home"].hub.ports["radio"], place


def measured(profile: str, count: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds of each start, and reads a second in turn and several at a time, with a hub of that profile."""
    starts: list[float] = []
    reads: list[float] = []
    together: list[float] = []
    with premises(profile) as (running, port, place):
        home = running.premises["home"]
        hub, meter = home.hub, home.electricity.device
        eui64 = meter.identity.eui64.hex(":")
        for turn in range(count + 1):
            host = Host(port, place / "zigpy.db")
            starts.append(host.started["seconds"])
            host.stop()
            host = Host(port)  # whose database does not take part
            hub.call(lambda: hub.device.han.member(meter).join())  # the meter comes back: the host gets to know it
            host.ask("wait", ["initialised", eui64])
            if turn:
                reads.append(host.ask("reads_in_turn", eui64, WANTED, READS))
                together.append(host.ask("reads_in_turn", eui64, WANTED, READS, TOGETHER))
            host.stop()
    return starts[1:], reads, together


def figures(count: int) -> Iterator[Figure]:
    """Rows of the table, ``count`` rounds each."""
    for profile, air in AIRS:
        starts, reads, together = measured(profile, count)
        if not air:
            yield Figure(
                "zigpy's start on a formed network (EZSP)",
                f"<= {LONGEST_START} s",
                "0.1 s",
                f"{spread(starts, form='.3f')} s",
                middle(starts) <= LONGEST_START,
            )
        for work, rates in (("one after the other", reads), (f"{TOGETHER} at a time", together)):
            required = "" if air else f">= {LEAST_READS}/s"
            met = bool(air) or middle(rates) >= LEAST_READS
            name = f"zigpy's reads of an attribute, {work} (EZSP{air})"
            yield Figure(name, required, "" if air else "500/s", f"{spread(rates, form=',.0f')}/s", met)
