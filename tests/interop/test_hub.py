"""Independent clients on the hub's WAN: the hub itself, the electricity meter and the gas meter's mirror behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]

SERVERS = {"hub": 1, "electricity": 16, "gas": 17}
NAME = [1, "0.0.42.0.0.255", 2]


@pytest.fixture
def running(smets1_rig: Any) -> Any:
    """Running dual-fuel premises that are reached by the hub's WAN only."""
    ports = {"wan": "pty:wan", "wan-tcp": "tcp:0", "wan-udp": "udp:0"}
    return smets1_rig({"premises": [{"name": "home", "hub": {"ports": ports}, "electricity": {}, "gas": {}}]})


@pytest.fixture
def home(running: Any, meter_of: Any) -> Callable[[str], Any]:
    """Its devices by kind."""
    return lambda kind: meter_of(running, kind)


@pytest.mark.parametrize("association", ["data_collection", "management"])
@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("framing", ["wrapper", "hdlc"])
def test_gurux_reads_all(home: Any, peers: Any, framing: str, kind: str, association: str) -> None:
    wan = home("hub")
    port = f"tcp:{wan.port('wan-tcp')}" if framing == "wrapper" else f"pty:{wan.port('wan')}"
    spec = {**home(kind).client(association), "server": SERVERS[kind], "port": port, "framing": framing}
    steps = [["read", *NAME], ["readall"]]
    outcome = peers.client("gurux", "gurux_client.py", {**spec, "do": steps}, timeout=230)
    assert outcome.errors == [], outcome.said
    name, everything = outcome.results
    assert name == home(kind).identity
    assert everything["objects"] > 30


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("transport", ["tcp", "udp", "serial"])
def test_pydlms_reads_all(home: Any, peers: Any, transport: str, kind: str) -> None:
    wan = home("hub")
    where = wan.port({"tcp": "wan-tcp", "udp": "wan-udp", "serial": "wan"}[transport])
    spec = {**home(kind).client("management"), "server": SERVERS[kind], "transport": transport, "where": where}
    outcome = peers.client("pydlms", "pydlms_client.py", {**spec, "do": [["readall"], ["get", *NAME]]}, timeout=230)
    assert outcome.errors == [], outcome.said
    everything, name = outcome.results
    assert everything["objects"] > 30
    assert name == home(kind).identity


def test_the_hub_names_what_is_behind_it(home: Any, peers: Any) -> None:
    wan = home("hub")
    spec = {**wan.client("public"), "transport": "tcp", "where": wan.port("wan-tcp")}
    outcome = peers.client("pydlms", "pydlms_client.py", {**spec, "do": [["get", 17, "0.0.41.0.0.255", 2]]})
    assert outcome.errors == [], outcome.said
    assert outcome.results == [[[sap, home(kind).identity] for kind, sap in SERVERS.items()]]


def test_gas_is_as_it_was_at_its_last_wake_up(running: Any, home: Any, peers: Any) -> None:
    gas = home("gas")
    place = {"server": SERVERS["gas"], "transport": "tcp", "where": home("hub").port("wan-tcp")}
    steps = [["get", 3, "7.0.1.8.0.255", 2], ["get", 8, "0.0.1.0.0.255", 2]]

    def read() -> Any:
        outcome = peers.client("pydlms", "pydlms_client.py", {**gas.client("data_collection"), **place, "do": steps})
        assert outcome.errors == [], outcome.said
        return outcome.results

    asleep = read()
    wait = gas.running.call(lambda: gas.running.device.next_wake_up) - running.clock.ns
    running.clock.advance(nanoseconds=wait - 1_000_000_000)
    assert read() == asleep
    running.clock.advance(seconds=2)
    awake = read()
    assert awake[0] >= asleep[0]
    assert awake[1] > asleep[1]
