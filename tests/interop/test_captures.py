"""The dissector of Wireshark reads what a rig captures, without settings and without finding fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rigs.capture import Capture
from rigs.config import rig_of
from rigs.driver import ClockMode
from rigs.running import RunningRig

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]

MALFORMED = "_ws.malformed || _ws.expert.severity == error"
FAULTS = f"{MALFORMED} || dlms.check_sequence"


@contextmanager
def captured(folder: Path, file: Path, optical: str) -> Iterator[RunningRig]:
    """A running meter for every mechanism, every line of it in a capture file."""
    ports = {"optical": optical, "local-tcp": "tcp:0", "local-udp": "udp:0"}
    meter = {"profile": "electricity-bench", "ports": ports}
    tables = {"premises": [{"name": "home", "hub": {"ports": {"wan": "pty:hub"}}, "electricity": meter}]}
    with Capture(file) as capture:
        running = RunningRig(rig_of(tables), folder=folder, mode=ClockMode.STEPPED)
        running.rig.taps.append(capture)
        with running:
            yield running


@pytest.fixture
def dissected(peers: Any) -> Any:
    """What the dissector says of a capture: protocol and information of each packet; it must find no fault.

    One that does not know DLMS sees that the file is whole and its packets are there; the test says so and ends.
    """

    def run(file: Path, least: int) -> list[tuple[str, str]]:
        faults = peers.tshark("-r", str(file), "-Y", FAULTS if peers.knows_dlms else MALFORMED)
        assert faults == []
        columns = ["-T", "fields", "-e", "_ws.col.protocol", "-e", "_ws.col.info"]
        packets = [tuple(line.split("\t", 1)) for line in peers.tshark("-r", str(file), *columns)]
        assert len(packets) > least
        if not peers.knows_dlms:
            pytest.skip(f"this tshark does not know DLMS: {len(packets)} packets whole, what they say is not checked")
        return packets  # type: ignore[return-value]

    return run


@pytest.mark.parametrize("place", ["pty", "tcp+hdlc"])
def test_hdlc(tmp_path: Path, peers: Any, meter_of: Any, dissected: Any, place: str) -> None:
    file = tmp_path / "hdlc.pcapng"
    with captured(tmp_path, file, "pty:optical" if place == "pty" else "tcp+hdlc:0") as running:
        meter = meter_of(running)
        transport = "serial" if place == "pty" else place
        spec = {**meter.client("lls"), "transport": transport, "where": meter.port("optical"), "window": 3}
        outcome = peers.client("pydlms", "pydlms_client.py", {**spec, "do": [["readall"]]})
        assert outcome.errors == [], outcome.said
    packets = dissected(file, 500)
    kinds = {info for _, info in packets}
    assert {"HDLC SNRM", "HDLC UA", "AARQ", "AARE"} <= kinds
    assert any(info.startswith("Get-Response-Normal") for info in kinds)
    assert any("clock.time" in info for info in kinds)


def test_wrapper(tmp_path: Path, peers: Any, meter_of: Any, dissected: Any) -> None:
    file = tmp_path / "wrapper.pcapng"
    with captured(tmp_path, file, "pty:optical") as running:
        meter = meter_of(running)
        for transport, port in (("tcp", "local-tcp"), ("udp", "local-udp")):
            spec = {**meter.client("lls"), "transport": transport, "where": meter.port(port)}
            outcome = peers.client("pydlms", "pydlms_client.py", {**spec, "do": [["readall"]]})
            assert outcome.errors == [], outcome.said
    packets = dissected(file, 1000)
    kinds = {info for _, info in packets}
    assert {"AARQ", "AARE", "RLRQ", "RLRE"} <= kinds
    assert any(info.startswith("Get-Request-Normal") for info in kinds)


def test_ciphered_and_every_envelope(tmp_path: Path, peers: Any, meter_of: Any, dissected: Any) -> None:
    file = tmp_path / "ciphered.pcapng"
    steps = [["get", 1, "0.0.42.0.0.255", 2], ["view"]]
    with captured(tmp_path, file, "pty:optical") as running:
        meter = meter_of(running)
        for protection in ("glo", "general-glo", "general-ciphering"):
            place = {"transport": "tcp", "where": meter.port("local-tcp"), "protection": protection}
            outcome = peers.client(
                "pydlms", "pydlms_client.py", {**meter.client("ciphered_gmac"), **place, "do": steps}
            )
            assert outcome.errors == [], outcome.said
    dissected(file, 30)


def test_sign_on_and_long_addresses(tmp_path: Path, peers: Any, meter_of: Any, dissected: Any) -> None:
    file = tmp_path / "optical.pcapng"
    with captured(tmp_path, file, "pty:optical") as running:
        meter = meter_of(running)
        spec = {"port": meter.port("optical"), "do": [["readout"]]}
        assert peers.client("iec62056", "iec62056_client.py", spec).errors == []
        for transport in ("optical", "serial"):
            place = {"transport": transport, "where": meter.port("optical"), "physical": 16, "address_octets": 4}
            spec = {**meter.client("lls"), **place, "do": [["view"], ["get", 1, "0.0.42.0.0.255", 2]]}
            outcome = peers.client("pydlms", "pydlms_client.py", spec)
            assert outcome.errors == [], outcome.said
    packets = dissected(file, 20)
    text = "\n".join(info for _, info in packets)
    assert "/?!" in text
    assert "BENCH-1" in text
    assert "Get-Response" in text


@pytest.mark.parametrize("octet", [7, 20])
def test_a_wrong_check_sequence_would_be_found(tmp_path: Path, peers: Any, octet: int) -> None:
    if not peers.knows_dlms:
        pytest.skip("this tshark does not know DLMS and so no check sequence of it")
    frame = bytearray.fromhex("7ea0190321326fd8e6e600c001c1000f0000280000ff020091537e")
    frame[octet] ^= 1
    text, file = tmp_path / "frame.txt", tmp_path / "frame.pcapng"
    text.write_text("000000 " + frame.hex(" ") + "\n")
    done = peers.run(peers.program("bin", "text2pcap"), "-q", "-P", "dlms", str(text), str(file))
    assert done.returncode == 0, done.stderr
    assert len(peers.tshark("-r", str(file), "-Y", FAULTS)) == 1
