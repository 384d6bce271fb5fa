"""The gurux-dlms client reads, authenticates, writes and acts on a running meter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]

SCRIPT = "gurux_client.py"
LOGICAL_DEVICE_NAME = ["read", 1, "0.0.42.0.0.255", 2]
IMPORT = ["read", 3, "1.0.1.8.0.255", 2]
OCTET_STRING, INT16 = 9, 16
MADE = ("electricity-base", "electricity-as300p", "electricity-lima-1", "electricity-lima-2", "electricity-bench")


@pytest.fixture
def ask(peers: Any) -> Callable[..., Any]:
    """Runs the client; its errors fail the test."""

    def run(spec: dict[str, Any], *steps: list[Any]) -> Any:
        outcome = peers.client("gurux", SCRIPT, {**spec, "do": list(steps)}, timeout=230)
        assert outcome.errors == [], outcome.said
        return outcome

    return run


@pytest.mark.parametrize("profile", MADE)
def test_reads_all_that_the_object_list_offers(meters: Any, ask: Any, profile: str) -> None:
    meter = meters(profile)
    spec = {**meter.client("management"), "port": f"tcp:{meter.port('local-tcp')}", "framing": "wrapper"}
    (everything,) = ask(spec, ["readall"]).results
    assert everything["objects"] > 80
    assert everything["attributes"] > 250
    assert everything["rows"] >= 48


@pytest.mark.parametrize("client", ["public", "data_collection", "extended", "firmware"])
def test_reads_all_that_each_client_may(meters: Any, ask: Any, client: str) -> None:
    meter = meters("electricity-base")
    spec = {**meter.client(client), "port": f"tcp:{meter.port('local-tcp')}", "framing": "wrapper"}
    (everything,) = ask(spec, ["readall"]).results
    assert everything["objects"] >= 10


@pytest.mark.parametrize(("frame", "window"), [(128, 1), (512, 1), (128, 7), (512, 7)])
@pytest.mark.parametrize("where", ["pty", "tcp+hdlc", "mode-e"])
def test_reads_all_over_hdlc(meters: Any, ask: Any, where: str, frame: int, window: int) -> None:
    meter = meters(optical="tcp+hdlc:0" if where == "tcp+hdlc" else "pty:optical")
    path = meter.port("optical")
    spec = {
        **meter.client("lls"),
        "port": f"tcp:{path}" if where == "tcp+hdlc" else f"pty:{path}",
        "framing": "mode-e" if where == "mode-e" else "hdlc",
        "frame": frame,
        "window": window,
    }
    outcome = ask(spec, LOGICAL_DEVICE_NAME, ["readall"])
    assert outcome.results[0] == meter.identity
    assert outcome.results[1]["objects"] > 80
    # The meter receives at most 240 octets, for the sake of this client's long frames, and 7 frames.
    assert outcome.facts["link"] == [min(frame, 240), frame, window, window]
    assert outcome.facts["identification"] == ("/BEn5\\2BENCH-1" if where == "mode-e" else "")


@pytest.mark.parametrize("octets", [1, 2, 4])
def test_hdlc_addresses(meters: Any, ask: Any, octets: int) -> None:
    meter = meters()
    spec = {**meter.client("public"), "port": f"pty:{meter.port('optical')}"}
    if octets > 1:
        spec |= {"physical": 16, "address_octets": octets}
    assert ask(spec, LOGICAL_DEVICE_NAME).results == [meter.identity]


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
    ],
)
@pytest.mark.parametrize("framing", ["wrapper", "hdlc"])
def test_authenticates(meters: Any, ask: Any, association: str, framing: str) -> None:
    meter = meters()
    port = f"tcp:{meter.port('local-tcp')}" if framing == "wrapper" else f"pty:{meter.port('optical')}"
    outcome = ask({**meter.client(association), "port": port, "framing": framing}, LOGICAL_DEVICE_NAME)
    assert outcome.results == [meter.identity]


@pytest.mark.parametrize("security", [0x10, 0x20, 0x30])
def test_protection_that_the_client_chooses(meters: Any, ask: Any, security: int) -> None:
    meter = meters()
    spec = {**meter.client("ciphered_none"), "port": f"tcp:{meter.port('local-tcp')}", "framing": "wrapper"}
    assert ask({**spec, "security": security}, LOGICAL_DEVICE_NAME).results == [meter.identity]


def test_reads_the_frame_counter_first(meters: Any, ask: Any) -> None:
    meter = meters("electricity-base")
    spec = {**meter.client("management"), "port": f"tcp:{meter.port('local-tcp')}", "framing": "wrapper"}
    for _ in range(2):
        assert ask({**spec, "counter": "0.0.43.1.4.255"}, LOGICAL_DEVICE_NAME).results == [meter.identity]


def test_a_counter_used_before_is_refused(meters: Any, peers: Any) -> None:
    meter = meters()
    spec = {**meter.client("ciphered_gmac"), "port": f"tcp:{meter.port('local-tcp')}", "framing": "wrapper"}
    spec["do"] = [LOGICAL_DEVICE_NAME]
    assert peers.client("gurux", SCRIPT, spec).errors == []
    again = peers.client("gurux", SCRIPT, spec)
    assert again.results == []
    assert len(again.errors) == 1
    assert "counter" in again.errors[0].lower()


def test_a_wrong_password_is_refused_and_the_right_one_then_taken(meters: Any, peers: Any, ask: Any) -> None:
    meter = meters()
    spec = {**meter.client("lls"), "port": f"pty:{meter.port('optical')}"}
    refused = peers.client("gurux", SCRIPT, {**spec, "password": b"wrong".hex(), "do": [LOGICAL_DEVICE_NAME]})
    assert refused.results == []
    assert "authentication" in refused.errors[0].lower()
    assert ask(spec, LOGICAL_DEVICE_NAME).results == [meter.identity]


def test_lists_selections_and_blocks(meters: Any, ask: Any) -> None:
    meter = meters()
    spec = {**meter.client("lls"), "port": f"tcp:{meter.port('local-tcp')}", "framing": "wrapper", "max_pdu": 300}
    wanted = [[1, "0.0.42.0.0.255", 2], [3, "1.0.1.8.0.255", 2], [3, "1.0.2.8.0.255", 2]]
    outcome = ask(
        spec,
        ["list", wanted],
        ["entries", "1.0.99.1.0.255", 1, 10],
        ["range", "1.0.99.1.0.255", "2025-12-30T00:00:00", "2025-12-31T00:00:00"],
        ["objects"],
    )
    values, by_entry, by_range, objects = outcome.results
    assert values == [
        meter.identity,
        meter.value(3, "1-0:1.8.0.255", 2),
        meter.value(3, "1-0:2.8.0.255", 2),
    ]
    assert len(by_entry) == 10
    assert len(by_range) == 49
    assert [15, "0.0.40.0.0.255"] in [[entry[0], entry[2]] for entry in objects]
    assert [7, 1, "1.0.99.1.0.255"] in objects


# Ciphered, this client's blocks are longer than the meter takes: it leaves the system title out of account.
@pytest.mark.parametrize(("association", "octets"), [("lls", 2850), ("ciphered_gmac", 900)])
def test_writes_and_acts(meters: Any, ask: Any, association: str, octets: int) -> None:
    meter = meters()
    spec = {**meter.client(association), "port": f"tcp:{meter.port('local-tcp')}", "framing": "wrapper"}
    message = bytes(32 + number % 95 for number in range(octets))
    before = meter.value(8, "0-0:1.0.0.255", 2)
    ask(
        spec,
        ["write", 1, "0.0.96.13.0.255", 2, OCTET_STRING, message.hex()],
        ["method", 8, "0.0.1.0.0.255", 6, INT16, 300],
    )
    assert meter.value(1, "0-0:96.13.0.255", 2) == message
    after = meter.value(8, "0-0:1.0.0.255", 2)
    assert after[:5] == before[:5]
    assert (after[5] * 60 + after[6]) - (before[5] * 60 + before[6]) == 5
