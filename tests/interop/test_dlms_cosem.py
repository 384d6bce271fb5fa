"""The dlms-cosem client on a running meter: wrapper, HDLC over TCP and a terminal, LLS, HLS-GMAC with ciphering."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

SCRIPT = "dlms_cosem_client.py"
LOGICAL_DEVICE_NAME = ["get", 1, "0.0.42.0.0.255", 2]
OBJECT_LIST = ["get", 15, "0.0.40.0.0.255", 2]


def place(meter: Any, transport: str) -> dict[str, str]:
    return {"transport": transport, "where": meter.port("local-tcp" if transport == "tcp" else "optical")}


@pytest.mark.parametrize("association", ["public", "lls", "ciphered_gmac"])
@pytest.mark.parametrize("transport", ["tcp", "tcp+hdlc", "serial"])
def test_reads(meters: Any, peers: Any, transport: str, association: str) -> None:
    meter = meters(optical="tcp+hdlc:0" if transport == "tcp+hdlc" else "pty:optical")
    steps = [LOGICAL_DEVICE_NAME, OBJECT_LIST, ["get", 8, "0.0.1.0.0.255", 2]]
    spec = {**meter.client(association), **place(meter, transport), "do": steps}
    outcome = peers.client("dlms-cosem", SCRIPT, spec)
    assert outcome.errors == [], outcome.said
    name, objects, time = outcome.results
    assert name == meter.identity
    assert {1, 8, 15, 17} <= {entry[0] for entry in objects}
    assert time == meter.value(8, "0-0:1.0.0.255", 2).hex()


def test_writes(meters: Any, peers: Any) -> None:
    meter = meters()
    written = ["set", 1, "0.0.96.13.0.255", 2, "0904" + b"note".hex()]
    spec = {**meter.client("ciphered_gmac"), **place(meter, "tcp"), "do": [written]}
    outcome = peers.client("dlms-cosem", SCRIPT, spec)
    assert outcome.errors == [], outcome.said
    assert outcome.results == ["SUCCESS"]
    assert meter.value(1, "0-0:96.13.0.255", 2) == b"note"


def test_counters_keep_going_up(meters: Any, peers: Any) -> None:
    meter = meters()
    for _ in range(3):
        spec = {**meter.client("ciphered_gmac"), **place(meter, "tcp"), "do": [LOGICAL_DEVICE_NAME]}
        outcome = peers.client("dlms-cosem", SCRIPT, spec)
        assert outcome.errors == [], outcome.said
