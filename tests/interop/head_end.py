"""A head-end (pydlms in a process of its own, for many tests) at the WAN of one premises whose devices have faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emulator.faults.injection import Injection
from emulator.firmware import RegisteredKey
from rigs.config import rig_of
from rigs.driver import ClockMode
from rigs.running import RunningRig
from tests.interop.conftest import Meter
from tests.interop.zigbee_hosts import ZigbeeHost

KINDS = ["electricity", "gas", "display"]
"""Devices of the HAN, in the order of the device log."""
NAME, CLOCK, SAPS = [1, "0.0.42.0.0.255", 2], [8, "0.0.1.0.0.255", 2], [17, "0.0.41.0.0.255", 2]
LOG, ROWS, PERMIT = [104, "0.0.30.3.0.255"], [104, "0.0.30.3.0.255", 4], [104, "0.0.30.3.0.255", 2]
LAST_WAKE_UP, ALERTS = [1, "0.0.96.2.13.255", 2], [40, "0.2.25.9.0.255", 3]
SHORT, PATIENCE, LONG = 0.4, 1.0, 10.0
"""Seconds after which the head-end takes the hub for silent, which answers at once or not at all: where it will be
silent, where it may be, and where it will answer."""
_JOINED, _REPORTING = 0, 1
"""Places among the eight bits of an entry's status."""


def stranger(number: int, *, here: bool = True) -> list[Any]:
    """The step that puts a device nobody has into the log, or takes it out: the log changes, and the hub says so."""
    eui64 = ["octet_string", number.to_bytes(8, "big").hex()]
    if not here:
        return ["action", *LOG, 2, eui64]
    return ["action", *LOG, 1, ["structure", [eui64, ["enum", 1], ["octet_string", "11" * 16], ["enum", 0]]]]


def destination() -> list[Any]:
    """Where alerts go: any TCP connection of the client."""
    return ["structure", [["enum", 0], ["octet_string", b"head-end:4059".hex()], ["enum", 0]]]


class Row:
    """An entry of the device log as the hub's class 104 gives it."""

    def __init__(self, fields: list[Any]) -> None:
        self.eui64 = bytes.fromhex(fields[0])
        self.joined: bool = fields[1][_JOINED]
        """Whether it is authorised."""
        self.reporting: bool = fields[1][_REPORTING]
        """Whether the hub hears it."""
        self.rssi: int = fields[3]
        """Mean of how strongly it was heard, dBm."""
        self.lowest: int = fields[4]
        """The weakest that was heard, dBm."""
        self.heard: str = fields[8]
        """When it was heard last, twelve octets in hexadecimal."""
        self.hops: int = fields[9]
        self.failures: int = fields[10]
        """Attempts to join that failed."""


class Home:
    """Running premises as their head-end has them, and the faults of the rig.

    Devices are named by kind, ``hub``, ``electricity``, ``gas`` and ``display``.
    """

    def __init__(self, running: RunningRig, peer: ZigbeeHost) -> None:
        self.running = running
        self.clock = running.clock
        self.premises = running.premises["home"]
        self._peer = peer
        self.opened: set[str] = set()
        """Names of connections that are open."""

    @property
    def saps(self) -> dict[str, int]:
        """Server SAPs by kind."""
        saps = self.premises.hub.device.firmware.logical
        assert saps is not None
        return {"hub": saps.management, "electricity": saps.electricity, "gas": saps.gas}

    def meter(self, kind: str) -> Meter:
        """A device and what a client must know of it."""
        return Meter(getattr(self.premises, kind))

    def call(self, function: Callable[[], Any]) -> Any:
        """What a function gives in the rig's thread."""
        return self.running.runner.call(function)

    # --- faults

    def start(self, name: str, kind: str = "hub", **parameters: Any) -> Injection:
        """Inject a fault at once, until it is ended."""
        return self.call(lambda: self.running.rig.faults.start(name, f"home/{kind}", parameters))

    def end(self, injection: Injection) -> None:
        """End it."""
        self.call(lambda: self.running.rig.faults.end(injection.id))

    def heal(self) -> None:
        """End all faults that a test has left."""
        self.call(self.running.rig.faults.end_all)

    # --- what the head-end asks

    def spec(
        self, kind: str = "hub", association: str = "management", port: str = "wan-tcp", patience: float = PATIENCE
    ) -> dict[str, Any]:
        """How to reach a device through the WAN."""
        transport = {"wan-tcp": "tcp", "wan-udp": "udp", "wan": "serial"}[port]
        place = {"server": self.saps[kind], "transport": transport, "where": self.meter("hub").port(port)}
        place["abandon"] = self.meter(kind).running.device.firmware.quirks.ignores_release
        return {**self.meter(kind).client(association), **place, "timeout": patience}

    def ask(self, kind: str, *steps: list[Any], **options: Any) -> dict[str, Any]:
        """Results, error and seconds of steps on a connection of their own."""
        return self._peer.ask("ask", self.spec(kind, **options), list(steps))

    def read(self, kind: str, *steps: list[Any], **options: Any) -> list[Any]:
        """Results of steps that all succeed; those that have no verb are attributes to get."""
        wanted = [each if isinstance(each[0], str) else ["get", *each] for each in steps]
        found = self.ask(kind, *wanted, **{"patience": LONG, **options})
        assert found["error"] == "", found
        return found["results"]

    def trouble(self, kind: str = "hub", *, association: str = "public", **options: Any) -> str:
        """What goes wrong when a device's name is asked for, empty where nothing does."""
        return self.ask(kind, ["get", *NAME], association=association, **options)["error"]

    def answers(self, kind: str = "hub", **options: Any) -> bool:
        """Whether a device says its name."""
        return self.trouble(kind, **{"patience": LONG, **options}) == ""

    def silent(self, kind: str = "hub", **options: Any) -> bool:
        """Whether nothing comes back when a device's name is asked for."""
        return "Timeout" in self.trouble(kind, **{"patience": SHORT, **options})

    def trouble_at_meter(self, patience: float = PATIENCE) -> str:
        """What goes wrong when the electricity meter's name is asked for at its own port, empty where nothing does."""
        return self.ask_meter(["get", *NAME], association="public", patience=patience)["error"]

    def ask_meter(
        self, *steps: list[Any], association: str = "management", patience: float = PATIENCE
    ) -> dict[str, Any]:
        """As :meth:`ask`, at the electricity meter's own port."""
        meter = self.meter("electricity")
        spec = {**meter.client(association), "transport": "tcp", "where": meter.port("local-tcp"), "timeout": patience}
        return self._peer.ask("ask", spec, list(steps))

    def open(self, name: str, kind: str = "hub", **options: Any) -> dict[str, Any]:
        """Open a connection that stays."""
        self.opened.add(name)
        return self._peer.ask("open", name, self.spec(kind, **options))

    def do(self, name: str, *steps: list[Any]) -> dict[str, Any]:
        """Results, error and seconds of steps on a connection that is open."""
        return self._peer.ask("do", name, list(steps))

    def close(self, name: str) -> dict[str, Any]:
        """Close it."""
        self.opened.remove(name)
        return self._peer.ask("close", name)

    def log(self) -> dict[str, Row]:
        """The device log as the hub tells it: by kind, by EUI-64 for what nobody has installed."""
        kinds = {getattr(self.premises, kind).device.identity.eui64: kind for kind in ("electricity", "gas", "display")}
        (rows,) = self.read("hub", ROWS)
        return {kinds.get(row.eui64, row.eui64.hex()): row for row in map(Row, rows)}

    @property
    def reporting(self) -> list[str]:
        """Those that the hub hears, as its device log says."""
        return [kind for kind, row in self.log().items() if row.reporting]

    @property
    def servers(self) -> list[str]:
        """What the hub says is behind it."""
        (saps,) = self.read("hub", SAPS, association="public")
        return [kind for kind, sap in self.saps.items() if sap in [row[0] for row in saps]]

    # --- the device log, and the button at a device

    def open_window(self, is_open: bool = True) -> None:
        """Open the permit-join window, or close it."""
        self.read("hub", ["set", *PERMIT, ["boolean", is_open]])

    def register(self, kind: str, key: bytes | None = None) -> None:
        """Put a device into the log, with the link key of its install code or another, or with the code itself where
        the hub takes that."""
        self.read("hub", self.registration(kind, key))

    def registration(self, kind: str, key: bytes | None = None) -> list[Any]:
        """The step that does so."""
        han = self.premises.hub.device.han
        member = self.call(lambda: han.member(getattr(self.premises, kind).device))
        if key is None:
            takes_codes = han.settings.registered_key is RegisteredKey.INSTALL_CODE
            key = member.install_code[:-2] if takes_codes else member.first_key
        (number,) = (number for number, name in han.settings.kinds.items() if name == kind)
        octets = ["octet_string", member.node.eui64.hex()], ["enum", number], ["octet_string", key.hex()], ["enum", 0]
        return ["action", *LOG, 1, ["structure", list(octets)]]

    def unregister(self, kind: str) -> None:
        """Take a device out of the log."""
        eui64 = getattr(self.premises, kind).device.identity.eui64
        self.read("hub", ["action", *LOG, 2, ["octet_string", eui64.hex()]])

    def join(self, kind: str) -> str | None:
        """Press the button at a device: why it is not on the HAN, None when it is."""
        return getattr(self.premises, kind).join()

    def wait(self) -> None:
        """As long as the longest pause in which devices look for a network they lost, and until the next report."""
        self.clock.advance(hours=1, minutes=35)


@contextmanager
def head_end(peers: Any) -> Iterator[ZigbeeHost]:
    """The head-end's process."""
    with ZigbeeHost.of(peers, "pydlms", "pydlms_session.py", {}) as peer:
        yield peer


@contextmanager
def home(folder: Path, peer: ZigbeeHost, **options: Any) -> Iterator[Home]:
    """Premises with all devices, stepped, and their head-end; ``options``: the hub's profile, the rig's mode, and what
    listens to the air."""
    mode, air = options.pop("mode", ClockMode.STEPPED), options.pop("air", None)
    ports = {"wan": "pty:wan", "wan-tcp": "tcp:0", "wan-udp": "udp:0"}
    dwelling: dict[str, Any] = {"name": "home", "hub": {"ports": ports, **options}, "gas": {}, "display": {}}
    dwelling["electricity"] = {"ports": {"local-tcp": "tcp:0"}}
    made = RunningRig(rig_of({"premises": [dwelling]}), folder=folder, mode=mode)
    if air is not None:
        made.rig.air.append(air)
    with made as running:
        yield Home(running, peer)
