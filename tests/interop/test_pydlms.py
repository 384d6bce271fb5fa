"""The pydlms client on a running meter: every transport, envelope and service it has."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from emulator.image_transfer import build_image
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.client import Attribute

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

SCRIPT = "pydlms_client.py"
NAME = [1, "0.0.42.0.0.255", 2]
IMPORT = [3, "1.0.1.8.0.255", 2]
MESSAGE = [1, "0.0.96.13.0.255", 2]
PROFILE = "1.0.99.1.0.255"


@pytest.fixture
def ask(peers: Any) -> Callable[..., list[Any]]:
    """Runs the client; its errors fail the test."""

    def run(spec: dict[str, Any], *steps: list[Any]) -> list[Any]:
        outcome = peers.client("pydlms", SCRIPT, {**spec, "do": list(steps)}, timeout=170)
        assert outcome.errors == [], outcome.said
        return outcome.results

    return run


def place(meter: Any, transport: str = "tcp") -> dict[str, str]:
    ports = {"tcp": "local-tcp", "udp": "local-udp"}
    return {"transport": transport, "where": meter.port(ports.get(transport, "optical"))}


@pytest.mark.parametrize("association", ["lls", "ciphered_gmac"])
@pytest.mark.parametrize("transport", ["tcp", "udp", "tcp+hdlc", "serial", "optical"])
def test_reads_everything(meters: Any, ask: Any, transport: str, association: str) -> None:
    meter = meters(optical="tcp+hdlc:0" if transport == "tcp+hdlc" else "pty:optical")
    spec = {**meter.client(association), **place(meter, transport)}
    everything, name = ask(spec, ["readall"], ["get", *NAME])
    assert everything["objects"] > 80
    assert everything["attributes"] > 250
    assert name == meter.identity


@pytest.mark.parametrize(("frame", "window"), [(128, 1), (512, 1), (128, 7), (512, 7), (32, 1), (2030, 7)])
def test_frame_sizes_and_windows(meters: Any, ask: Any, frame: int, window: int) -> None:
    meter = meters()
    spec = {**meter.client("lls"), **place(meter, "serial"), "frame": frame, "window": window}
    long = bytes(range(32, 127)) * 20
    _, _, read, view = ask(
        spec, ["get", *NAME], ["set", *MESSAGE, ["octet_string", long.hex()]], ["get", *MESSAGE], ["view"]
    )
    assert read == long.hex()
    assert len(view) > 80


@pytest.mark.parametrize("octets", [1, 2, 4])
def test_hdlc_addresses(meters: Any, ask: Any, octets: int) -> None:
    meter = meters()
    spec = {**meter.client("public"), **place(meter, "serial")}
    if octets > 1:
        spec |= {"physical": 16, "address_octets": octets}
    assert ask(spec, ["get", *NAME]) == [meter.identity]


@pytest.mark.parametrize(
    "association",
    [
        "public",
        "lls",
        "hls",
        "hls_md5",
        "hls_sha1",
        "hls_gmac",
        "hls_sha256",
        "ciphered_none",
        "ciphered_lls",
        "ciphered_gmac",
        "ciphered_sha256",
        "suite1_gmac",
        "suite2_gmac",
    ],
)
def test_authenticates(meters: Any, ask: Any, association: str) -> None:
    meter = meters()
    assert ask({**meter.client(association), **place(meter)}, ["get", *NAME]) == [meter.identity]


# What general-ciphering authenticates besides the content: implementations differ, and a meter takes either.
@pytest.mark.parametrize("dedicated", [False, True])
@pytest.mark.parametrize(
    ("protection", "general_aad"),
    [("glo", ""), ("general-glo", ""), ("general-ciphering", "with-header"), ("general-ciphering", "sc-ak")],
)
def test_envelopes(meters: Any, ask: Any, protection: str, general_aad: str, dedicated: bool) -> None:
    meter = meters()
    spec = {**meter.client("ciphered_gmac"), **place(meter), "protection": protection, "dedicated": dedicated}
    if general_aad:
        spec["general_aad"] = general_aad
    name, _, message = ask(spec, ["get", *NAME], ["set", *MESSAGE, ["octet_string", b"note".hex()]], ["get", *MESSAGE])
    assert name == meter.identity
    assert message == b"note".hex()


@pytest.mark.parametrize("association", ["lls", "ciphered_gmac"])
@pytest.mark.parametrize("max_pdu", [128, 300])
def test_blocks_of_every_service(meters: Any, ask: Any, max_pdu: int, association: str) -> None:
    meter = meters()
    spec = {**meter.client(association), **place(meter), "max_pdu": max_pdu}
    long = bytes(range(32, 127)) * 40
    wanted = [NAME, IMPORT, MESSAGE, *[[3, f"1.0.1.8.{rate}.255", 2] for rate in range(1, 9)]]
    view, rows, _, read, several = ask(
        spec,
        ["view"],
        ["entries", PROFILE, 1, 200],
        ["set", *MESSAGE, ["octet_string", long.hex()]],
        ["get", *MESSAGE],
        ["list", wanted],
    )
    assert len(view) > 80
    assert len(rows) == 200
    assert read == long.hex()
    assert several[:3] == [meter.identity, meter.value(3, "1-0:1.8.0.255", 2), long.hex()]
    assert len(several) == len(wanted)


@pytest.mark.parametrize("association", ["lls", "ciphered_gmac"])
@pytest.mark.parametrize("window", [1, 5])
def test_general_block_transfer(meters: Any, ask: Any, window: int, association: str) -> None:
    meter = meters()
    spec = {**meter.client(association), **place(meter), "max_pdu": 200, "gbt_window": window}
    long = bytes(range(32, 127)) * 40
    view, _, read = ask(spec, ["view"], ["set", *MESSAGE, ["octet_string", long.hex()]], ["get", *MESSAGE])
    assert len(view) > 80
    assert read == long.hex()


@pytest.mark.parametrize("association", ["lls", "ciphered_gmac"])
def test_access(meters: Any, ask: Any, association: str) -> None:
    meter = meters()
    spec = {**meter.client(association), **place(meter), "access": True}
    operations = [
        ["get", *NAME],
        ["set", *MESSAGE, ["octet_string", b"by ACCESS".hex()]],
        ["get", *MESSAGE],
        ["action", 8, "0.0.1.0.0.255", 6, ["long", 60]],
        ["get", 3, "1.0.99.99.99.255", 2],
        ["set", 3, "1.0.1.8.0.255", 2, ["double_long_unsigned", 0]],
    ]
    (outcomes,) = ask(spec, ["access", operations])
    assert [result for result, _ in outcomes] == [0, 0, 0, 0, 4, 3]
    assert outcomes[0][1] == meter.identity
    assert outcomes[2][1] == b"by ACCESS".hex()


def test_lists_are_written_and_run(meters: Any, ask: Any) -> None:
    meter = meters()
    spec = {**meter.client("lls"), **place(meter)}
    minute = ["long", 60]
    written, _ = ask(
        spec,
        ["setlist", [[*MESSAGE, ["octet_string", "4142"]], [*IMPORT, ["double_long_unsigned", 1]]]],
        ["actionlist", [[8, "0.0.1.0.0.255", 6, minute], [8, "0.0.1.0.0.255", 6, minute]]],
    )
    assert written == [0, 3]
    assert meter.value(1, "0-0:96.13.0.255", 2) == b"AB"


def test_selection(meters: Any, ask: Any) -> None:
    meter = meters()
    spec = {**meter.client("lls"), **place(meter)}
    by_entry, by_range = ask(
        spec, ["entries", PROFILE, 2, 5], ["range", PROFILE, "2025-12-30T00:00:00", "2025-12-31T00:00:00"]
    )
    assert len(by_entry) == 4
    assert len(by_range) == 49


def test_optical_readout(meters: Any, peers: Any) -> None:
    meter = meters()
    outcome = peers.client("pydlms", SCRIPT, {"transport": "readout", "where": meter.port("optical")})
    assert outcome.errors == [], outcome.said
    readout = dict(outcome.results)
    assert readout["0-0:96.1.0"] == meter.value(1, "0-0:96.1.0.255", 2).decode()


@pytest.mark.parametrize("transport", ["serial", "optical"])
def test_rfc2217(meters: Any, ask: Any, transport: str) -> None:
    meter = meters(optical="rfc2217:0")
    spec = {**meter.client("lls"), "transport": transport, "where": f"rfc2217://{meter.port('optical')}"}
    assert ask(spec, ["get", *NAME]) == [meter.identity]


@pytest.mark.parametrize(("transport", "port", "service"), [("tcp", "local-tcp", 0), ("serial", "optical", 5)])
def test_a_push_is_heard(meters: Any, ask: Any, transport: str, port: str, service: int) -> None:
    meter = meters()
    device = meter.running.device
    setup = Attribute(40, obis.parse("0-0:25.9.0.255"), 3)
    destination = axdr.structure(axdr.enum_(service), axdr.octets(b""), axdr.enum_(0))
    meter.running.call(lambda: device.internal.write(setup.encode(), destination))
    spec = {**meter.client("public"), **place(meter, transport)}
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(ask, spec, ["get", *NAME], ["push"])
        give_up = time.monotonic() + 20
        while meter.running.statistics[port].get("frames sent", 0) < (2 if transport == "tcp" else 3):
            assert time.monotonic() < give_up, "the client never read"
            time.sleep(0.02)
        push = Attribute(40, setup.logical_name, 1)
        meter.running.call(lambda: device.internal.execute(push.encode(), axdr.i8(0)))
        name, pushed = reading.result()
    assert name == meter.identity
    assert pushed[:2] == [meter.identity, meter.value(8, "0-0:1.0.0.255", 2).hex()]


def test_a_stale_counter_is_told_and_recovered(meters: Any, ask: Any, peers: Any) -> None:
    meter = meters()
    spec = {**meter.client("ciphered_gmac"), **place(meter)}
    assert ask(spec, ["get", *NAME]) == [meter.identity]
    refused = peers.client("pydlms", SCRIPT, {**spec, "do": [["get", *NAME]]})
    assert "InvocationCounterError" in refused.errors[0]
    assert ask({**spec, "counter_retry": True}, ["get", *NAME]) == [meter.identity]


def test_keys_are_replaced(meters: Any, ask: Any, peers: Any) -> None:
    meter = meters()
    fresh = bytes(range(16)).hex()
    ask({**meter.client("ciphered_gmac"), **place(meter)}, ["keys", {"0": fresh}, "0.0.43.0.14.255"])
    old = {**meter.client("ciphered_gmac"), **place(meter)}
    assert old["encryption"] == fresh
    assert ask(old, ["get", *NAME]) == [meter.identity]


def test_an_image_is_transferred_and_activated(meters: Any, peers: Any, ask: Any) -> None:
    meter = meters(rate=600)
    device = meter.running.device
    image = meter.running.call(lambda: build_image(device.firmware.image, "9.9.9", bytes(1000)))
    ask({**meter.client("firmware"), **place(meter)}, ["image", image.hex(), "NEWER"])
    assert device.version == "1.0.0"
    activate = ["action", 18, "0.0.44.0.0.255", 4, ["integer", 0]]
    begun = peers.client("pydlms", SCRIPT, {**meter.client("firmware"), **place(meter), "do": [activate]})
    assert "TEMPORARY_FAILURE" in begun.errors[0]  # it takes its time
    give_up = time.monotonic() + 20
    while device.version != "9.9.9":
        assert time.monotonic() < give_up, "the new version never ran"
        time.sleep(0.05)
    assert ask({**meter.client("lls"), **place(meter)}, ["get", 1, "1.0.0.2.0.255", 2]) == [b"9.9.9".hex()]


@pytest.mark.parametrize("association", ["suite1_ecdsa", "suite2_ecdsa"])
def test_ecdsa(meters: Any, ask: Any, association: str) -> None:
    meter = meters()
    assert ask({**meter.client(association), **place(meter)}, ["get", *NAME]) == [meter.identity]


def test_a_client_that_vanishes_leaves_the_port_to_the_next(meters: Any, ask: Any, peers: Any) -> None:
    meter = meters()
    spec = {**meter.client("lls"), **place(meter, "serial"), "abandon": True}
    peers.client("pydlms", SCRIPT, {**spec, "do": [["get", *NAME]]})
    assert ask({**spec, "abandon": False}, ["get", *NAME]) == [meter.identity]
