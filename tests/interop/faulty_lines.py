"""A meter and a hub whose lines and frames go wrong by name, and independent clients that stay for many tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import serial

from protocols.hdlc import Frame, encode, encode_address
from protocols.hdlc.frame import SNRM
from protocols.sniffer import Sniffer
from rigs.config import rig_of
from rigs.driver import ClockMode
from rigs.running import RunningRig
from tests.interop.conftest import Meter
from tests.interop.zigbee_hosts import ZigbeeHost

NAME = {"pydlms": ["get", 1, "0.0.42.0.0.255", 2], "gurux": ["read", 1, "0.0.42.0.0.255", 2]}
"""Reads the logical device name, as each client is asked for it."""
IMPATIENT, PATIENT = 0.2, 5.0
"""Seconds without an octet after which a client takes a meter for silent: one with a fault, and one without."""
SCRIPTS = {"pydlms": "pydlms_session.py", "gurux": "gurux_session.py"}
LINK = encode(Frame(encode_address(1), encode_address(16), SNRM | 0x10))
"""SNRM of the public client."""
PORTS = {
    "hub": {"ports": {"wan": "pty:wan", "wan-tcp": "tcp:0"}},
    "gas": None,
    "electricity": {"profile": "electricity-bench", "ports": {"optical": "pty:optical", "local-tcp": "tcp:0"}},
}


class FaultyLines:
    """A dwelling in the world's own time; ``meter`` is its electricity meter."""

    def __init__(self, running: RunningRig, clients: dict[str, ZigbeeHost]) -> None:
        self.running = running
        self.meter = Meter(running.premises["home"].electricity)
        self.hub = Meter(running.premises["home"].hub)
        self._clients = clients

    @contextmanager
    def fault(self, name: str, **parameters: int | str) -> Iterator[str]:
        """Inject a fault into the meter, and end it at the end of the block; its id."""
        id = self.running.start_fault(name, "home/electricity", **parameters).id
        try:
            yield id
        finally:
            self.running.end_fault(id)

    def state(self, id: str) -> str:
        """Where an injection is in its life."""
        return next(fault.state for fault in self.running.faults if fault.id == id)

    def counted(self, name: str) -> int:
        """What the meter's optical port has counted by a name."""
        return self.meter.running.statistics["optical"].get(name, 0)

    def spec(self, client: str, port: str, patience: float, meter: Meter | None = None) -> dict[str, Any]:
        """What a client is told."""
        found = meter or self.meter
        where, network = found.port(port), port.endswith("tcp")
        place: dict[str, Any] = (
            {"transport": "tcp" if network else "serial", "where": where}
            if client == "pydlms"
            else {"framing": "wrapper" if network else "hdlc", "port": f"{'tcp' if network else 'pty'}:{where}"}
        )
        return {**found.client("public"), **place, "timeout": patience}

    def ask(
        self, client: str = "pydlms", port: str = "optical", patience: float = IMPATIENT, meter: Meter | None = None
    ) -> dict[str, Any]:
        """Connect, associate, read the name, release: ``results``, ``error`` (empty for none) and ``seconds``."""
        return self._clients[client].ask("ask", self.spec(client, port, patience, meter), [NAME[client]])

    def keep(self) -> None:
        """Open an association of pydlms that stays."""
        opened = self._clients["pydlms"].ask("open", "one", self.spec("pydlms", "optical", 2 * IMPATIENT))
        assert opened["error"] == "", opened

    def kept(self) -> dict[str, Any]:
        """Read the name on it."""
        return self._clients["pydlms"].ask("do", "one", [NAME["pydlms"]])

    def leave(self) -> None:
        """Close it."""
        self._clients["pydlms"].ask("close", "one")

    def reads_well(self, client: str = "pydlms", port: str = "optical") -> bool:
        """Whether a client reads the meter as if nothing had been."""
        found = self.ask(client, port, PATIENT)
        assert found["error"] == "", found
        return found["results"] == [self.meter.identity]

    @contextmanager
    def terminal(self) -> Iterator[Terminal]:
        """The meter's optical port as pyserial opens it."""
        with serial.Serial(self.meter.port("optical"), 9600, timeout=0.02) as port:
            yield Terminal(port)

    def told(self, id: str) -> str:
        """Sentences of the meter's ports that name an injection, those of ``smets1 why``, with their layers."""
        entries = self.running.runner.call(lambda: self.running.rig.history.entries())
        return "\n".join(f"{entry.layer.value}: {entry.why}" for entry in entries if f"fault {id} " in entry.why)


class Terminal:
    """Octets of pyserial."""

    def __init__(self, port: serial.Serial) -> None:
        self._port = port

    def say(self, octets: bytes) -> None:
        """Write."""
        self._port.write(octets)
        self._port.flush()

    def hear(self, seconds: float, enough: int = 1 << 20) -> bytes:
        """What comes in that time, or until there is enough."""
        heard, end = b"", time.monotonic() + seconds
        while time.monotonic() < end and len(heard) < enough:
            heard += self._port.read(max(1, self._port.in_waiting))
        return heard

    def ask(self, octets: bytes, seconds: float = PATIENT, enough: int = 1) -> bytes:
        """Say something, and what comes of it: at least so many octets, and what is there by then."""
        self.say(octets)
        return self.hear(seconds, enough) + self.hear(0.03)


def frames(octets: bytes) -> list[Frame]:
    """The whole, right frames in octets."""
    return [message.frame for message in Sniffer().see(False, octets) if message.frame is not None]


@contextmanager
def faulty_lines(folder: Path, peers: Any) -> Iterator[FaultyLines]:
    """The dwelling, on a rig of its own, and the clients."""
    clients: dict[str, ZigbeeHost] = {}
    try:
        for name, script in SCRIPTS.items():
            clients[name] = ZigbeeHost.of(peers, name, script, {})
        with RunningRig(
            rig_of({"premises": [{"name": "home", **PORTS}]}), folder=folder, mode=ClockMode.REAL
        ) as running:
            yield FaultyLines(running, clients)
    finally:
        for client in clients.values():
            client.stop()
