"""Faults of frames as independent clients meet them: on a serial line, on TCP and in IEC 62056-21."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.faulty_lines import FaultyLines, faulty_lines
from tests.interop.test_iec62056 import SCRIPT, SERIAL, password

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def place(peers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyLines]:
    """Each test leaves it as it was."""
    with faulty_lines(tmp_path_factory.mktemp("link"), peers) as found:
        yield found


def case(name: str, client: str, error: str, told: str, port: str = "optical") -> Any:
    """A fault, what a client comes to by it, and what the meter says of it."""
    return pytest.param(name, client, error, told, port, marks=pytest.mark.fault(name), id=f"{name}-{client}")


SILENT = "silent|timed out|no UA|no HDLC response|no wrapper PDU"


@pytest.mark.parametrize(
    ("name", "client", "error", "told", "port"),
    [
        case("wrong-fcs", "gurux", "Wrong CRC", "its FCS is wrong"),
        case("wrong-fcs", "pydlms", SILENT, "its FCS is wrong"),
        case("wrong-hcs", "gurux", SILENT, "its HCS is wrong"),
        case("wrong-hcs", "pydlms", SILENT, "its HCS is wrong"),
        case("wrong-receive-number", "pydlms", r"invalid N\(R\)=", r"its N(R) is wrong"),
        case("wrong-send-number", "pydlms", "out-of-sequence I-frame", "its N(S) is wrong"),
        case("repeated-frame", "pydlms", SILENT, "the frame before it is sent again in its place"),
        case("repeated-frame", "gurux", SILENT, "the frame before it is sent again in its place"),
        case("wrong-frame-length", "pydlms", SILENT, "its length field is wrong"),
        case("truncated-frame", "gurux", SILENT, "its end is missing"),
        case("wrong-frame-address", "pydlms", SILENT, "its destination is wrong"),
        case("spurious-dm", "pydlms", r"dropped the HDLC link \(DM\)", "not taken, DM is the answer"),
        case("spurious-dm", "gurux", "error -4", "not taken, DM is the answer"),
        case("frame-reject", "pydlms", r"rejected a frame \(FRMR\)", "not taken, FRMR is the answer"),
        case("frame-reject", "gurux", "error -1", "not taken, FRMR is the answer"),
        case("receiver-not-ready", "gurux", "error -3", "not taken, RNR is the answer"),
        case("receiver-not-ready", "pydlms", SILENT, "RNR in place of RR"),
        case("unanswered-poll", "pydlms", SILENT, "it is not sent"),
        case("wrong-wrapper-length", "pydlms", SILENT, "its length field is wrong", "local-tcp"),
        case("wrong-wrapper-length", "gurux", SILENT, "its length field is wrong", "local-tcp"),
        case("wrong-wrapper-version", "pydlms", SILENT, "its wrapper version is wrong", "local-tcp"),
        case("wrong-wrapper-version", "gurux", "Source addresses do not match", "its wrapper version", "local-tcp"),
    ],
)
def test_a_client_meets_bad_frames(
    place: FaultyLines, name: str, client: str, error: str, told: str, port: str
) -> None:
    with place.fault(name, frames=0) as id:
        found = place.ask(client, port)
        assert found["results"] == []
        assert re.search(error, found["error"]), found["error"]
        assert f"link: fault {id} ({name}): " in place.told(id)
        assert told in place.told(id)
        assert place.state(id) == "active"
    assert place.reads_well(client, port)


@pytest.mark.parametrize(
    "name", ["wrong-fcs", "wrong-hcs", "wrong-frame-address", "truncated-frame", "unanswered-poll"]
)
def test_one_bad_frame_on_demand(place: FaultyLines, name: str) -> None:
    """The client asks again, and the meter sends its frame again: the value comes, and the fault is over by itself."""
    place.keep()
    again = place.counted("retransmitted")
    with place.fault(name) as id:
        found = place.kept()
        assert (found["error"], found["results"]) == ("", [place.meter.identity])
        assert place.state(id) == "ended"
        assert place.told(id).count(f"fault {id} ({name})") == 1
    assert place.counted("retransmitted") == again + 1
    place.leave()


@pytest.mark.parametrize("name", ["spurious-dm", "frame-reject"])
def test_one_refusal_on_demand(place: FaultyLines, name: str) -> None:
    """Whoever connects anew goes on; what was asked for has not been done."""
    place.keep()
    received = place.counted("frames received")
    with place.fault(name) as id:
        assert place.kept()["error"]
        assert place.state(id) == "ended"
    assert place.counted("frames received") == received
    assert place.reads_well()


@pytest.fixture
def reader(place: FaultyLines, peers: Any) -> Any:
    """Runs the IEC 62056-21 client."""

    def run(*steps: list[Any]) -> Any:
        spec = {"port": place.meter.port("optical"), "do": list(steps)}
        return peers.client("iec62056", SCRIPT, spec)

    return run


@pytest.mark.fault("wrong-block-check")
def test_a_readout_with_a_wrong_block_check(place: FaultyLines, reader: Any) -> None:
    """The reader asks for it again, by NAK, until the block check is right; it cannot put a second block together."""
    repeats = place.counted("repeats")
    with place.fault("wrong-block-check", frames=2) as id:
        assert reader(["readout"]).errors == ["IndexError('No SOH or STX found i message')"]
        assert place.counted("repeats") == repeats + 2
        assert f"link: fault {id} (wrong-block-check): an answer of " in place.told(id)
        assert place.state(id) == "ended"
    (readout,) = reader(["readout"]).results
    assert readout[SERIAL][0] == place.meter.value(1, "0-0:96.1.0.255", 2).decode()
    assert place.counted("repeats") == repeats + 2


@pytest.mark.fault("command-nak")
def test_commands_are_not_taken(place: FaultyLines, reader: Any) -> None:
    session = ["program", password(place.meter, 1), [["read", SERIAL]]]
    with place.fault("command-nak") as id:
        outcome = reader(["program", password(place.meter, 1), []])
        assert outcome.results == [["NAK"]], outcome.said
        assert place.state(id) == "ended"
        assert "not taken, NAK is the answer" in place.told(id)
    assert reader(session).results[0][0] == "ACK"
