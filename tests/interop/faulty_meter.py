"""A meter on a rig whose faults are injected by name, and pydlms clients of it in one process for many tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rigs.config import rig_of
from rigs.running import RunningRig
from tests.interop.conftest import Meter
from tests.interop.zigbee_hosts import ZigbeeHost

NAME, ENERGY = ["get", 1, "0.0.42.0.0.255", 2], ["get", 3, "1.0.1.8.0.255", 2]
OBJECTS = ["get", 15, "0.0.40.0.0.255", 2]
MESSAGE = [1, "0.0.96.13.0.255", 2]
PATIENCE, LONG = 0.5, 10.0
"""Seconds after which the client takes the meter for silent; it answers at once or not at all."""


class FaultyMeter:
    """An electricity meter of profile ``electricity-bench`` with a TCP and an optical port."""

    def __init__(self, running: RunningRig, peer: ZigbeeHost) -> None:
        self.running = running
        self.peer = peer
        self.meter = Meter(running.premises["home"].electricity)

    @contextmanager
    def fault(self, name: str, **parameters: int | str) -> Iterator[str]:
        """Inject a fault, and end it at the end of the block; its id."""
        id = self.running.start_fault(name, "home/electricity", parameters).id
        try:
            yield id
        finally:
            self.running.end_fault(id)

    @property
    def over(self) -> list[str]:
        """Ids of the injections that are over."""
        return [fault.id for fault in self.running.faults if fault.state == "ended"]

    @property
    def said(self) -> list[str]:
        """What the meter's port explains."""
        return self.meter.running.explained

    def spec(self, association: str = "lls", **changes: Any) -> dict[str, Any]:
        """What the client is told: where the meter is, and what an association needs."""
        port = "optical" if changes.get("transport") == "serial" else "local-tcp"
        where = {"transport": "tcp", "where": self.meter.port(port), "timeout": PATIENCE}
        return {**self.meter.client(association), **where, **changes}

    def ask(self, *steps: list[Any], association: str = "lls", **changes: Any) -> dict[str, Any]:
        """Connect, associate, do steps and close: ``results``, ``error`` (empty for none) and ``seconds``."""
        return self.peer.ask("ask", self.spec(association, **changes), list(steps))

    def well(self, *steps: list[Any], association: str = "lls", **changes: Any) -> list[Any]:
        """The results of steps in which nothing goes wrong."""
        found = self.ask(*steps, association=association, **{"timeout": LONG, **changes})
        assert found["error"] == "", found
        return found["results"]

    @contextmanager
    def session(self, association: str = "lls", **changes: Any) -> Iterator[Session]:
        """An association that stays open. One with ciphering loses count when another is opened meanwhile."""
        opened = self.peer.ask("open", "one", self.spec(association, **changes))
        assert opened["error"] == "", opened
        try:
            yield Session(self.peer)
        finally:
            self.peer.ask("close", "one")


class Session:
    """An open association."""

    def __init__(self, peer: ZigbeeHost) -> None:
        self._peer = peer

    def __call__(self, *steps: list[Any]) -> dict[str, Any]:
        """Do steps: ``results``, ``error`` (empty for none) and ``seconds``."""
        return self._peer.ask("do", "one", list(steps))


@contextmanager
def faulty_meter(
    folder: Path, peer: ZigbeeHost, more: Mapping[str, object] | None = None, **options: Any
) -> Iterator[FaultyMeter]:
    """The meter on a rig of its own; ``more`` is what else its rig file says of it, ``options`` are the rig's."""
    device = {"profile": "electricity-bench", "ports": {"local-tcp": "tcp:0", "optical": "pty:optical"}, **(more or {})}
    tables = {"premises": [{"name": "home", "hub": None, "gas": None, "electricity": device}]}
    with RunningRig(rig_of(tables), folder=folder, **options) as running:
        yield FaultyMeter(running, peer)
