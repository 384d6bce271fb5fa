"""Each fault of the application layer as pydlms sees it on a running meter, and that all is well after its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocols.dlms.enums import Conformance
from tests.interop.faulty_meter import ENERGY, MESSAGE, NAME, OBJECTS, PATIENCE, FaultyMeter, faulty_meter
from tests.interop.head_end import home
from tests.interop.zigbee_hosts import ZigbeeHost

pytestmark = pytest.mark.interop
PLAIN, CIPHERED = "lls", "ciphered_gmac"
SILENCE = r"DlmsTimeoutError\('no wrapper PDU within 0.5s'\)"
ENDS_EARLY = r"DecodeError\('need \d+ octets at offset \d+, only \d+ remain'\)"


@pytest.fixture(scope="module")
def meter(peer: ZigbeeHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyMeter]:
    with faulty_meter(tmp_path_factory.mktemp("application"), peer) as made:
        yield made


def both(*names: str) -> list[Any]:
    """Each fault in an association that is plain and in one that is ciphered."""
    return [
        pytest.param(name, association, marks=pytest.mark.fault(name), id=f"{name}-{association}")
        for name in names
        for association in (PLAIN, CIPHERED)
    ]


WRONG = {
    "request-ignored": ({}, SILENCE, "the request is ignored"),
    "exception-response": (
        {"state": "service-unknown", "error": "pdu-too-long"},
        "ServiceError.*SERVICE_UNKNOWN/PDU_TOO_LONG",
        "the answer is an exception-response (service-unknown, pdu-too-long)",
    ),
    "wrong-answer-tag": ({}, "DecodeError.*SET_RESPONSE", "the answer has the tag of another service"),
    "wrong-invoke-id": ({"more": 3}, SILENCE, "the answer's invoke-id is the request's and 3 more"),
    "truncated-answer": ({"octets": 2}, ENDS_EARLY, "octets missing at the end of the answer: 2"),
    "wrong-value-length": ({}, ENDS_EARLY, "the value says that it is longer, by 1, than it is"),
}
"""Parameters of faults, what pydlms says of a GET, and what the rig does."""


@pytest.mark.parametrize(("name", "association"), both(*WRONG))
def test_a_wrong_answer(meter: FaultyMeter, name: str, association: str) -> None:
    parameters, error, told = WRONG[name]
    with meter.session(association) as session:
        right = session(NAME)["results"]
        with meter.fault(name, **parameters, answers=1) as fault:
            found = session(NAME)
            assert found["results"] == [] and re.search(error, found["error"])
            assert fault in meter.over
        assert session(NAME)["results"] == right
    assert [line for line in meter.said if line.startswith(f"fault {fault}:")] == [f"fault {fault}: {told}"]
    with meter.fault(name, **parameters):
        found = meter.ask(NAME, association=association)
        assert found["results"] == [] and re.search(error, found["error"])
    assert meter.well(NAME, association=association) == right


@pytest.mark.fault("object-refuses")
@pytest.mark.parametrize("association", [PLAIN, CIPHERED])
def test_an_object_that_refuses(meter: FaultyMeter, association: str) -> None:
    (right,) = meter.well(NAME, association=association)
    with meter.fault("object-refuses", object="1-0:1.8.0", result="hardware-fault", access="get"):
        assert meter.well(["refused", ENERGY], NAME, association=association) == [1, right]
    assert isinstance(meter.well(ENERGY, association=association)[0], int)


@pytest.mark.fault("wrong-value-type")
@pytest.mark.parametrize("association", [PLAIN, CIPHERED])
def test_a_value_of_another_type(meter: FaultyMeter, association: str) -> None:
    (right,) = meter.well(NAME, association=association)
    with meter.fault("wrong-value-type", object="1-0:1.8.0", type="octet-string"):
        energy, same = meter.well(ENERGY, NAME, association=association)
    assert bytes.fromhex(energy)[0] == 6 and len(energy) == 10  # a double-long-unsigned, as octets
    assert same == right
    assert meter.well(ENERGY, association=association)[0] >= int(energy[2:], 16)


@pytest.mark.fault("slow-object")
def test_a_slow_object(meter: FaultyMeter) -> None:
    with meter.fault("slow-object", object="1-0:1.8.0", delay=300):
        found = meter.ask(ENERGY)
        assert (found["error"], found["seconds"] >= 0.3) == ("", True)
        assert meter.ask(NAME)["seconds"] < 0.3
    with meter.fault("slow-object", object="1-0:1.8.0", delay=5000):
        assert re.search(SILENCE, meter.ask(ENERGY)["error"])
    assert meter.ask(ENERGY)["seconds"] < 0.3


@pytest.mark.fault("association-refused")
def test_associations_that_are_refused(meter: FaultyMeter) -> None:
    refused = meter.fault("association-refused", result="transient", diagnostic="authentication-failure")
    with meter.session() as session, refused:
        assert "result=2 diagnostic=AUTHENTICATION_FAILURE" in meter.ask(NAME)["error"]
        assert session(NAME)["error"] == ""
    assert meter.well(NAME)


@pytest.mark.fault("association-dropped")
def test_associations_that_are_dropped(meter: FaultyMeter) -> None:
    with meter.fault("association-dropped", requests=2):
        found = meter.ask(NAME, NAME, NAME)
        assert len(found["results"]) == 2
        assert "SERVICE_NOT_ALLOWED/OPERATION_NOT_POSSIBLE" in found["error"]
        assert len(meter.well(NAME, NAME)) == 2
    assert len(meter.well(NAME, NAME, NAME, NAME)) == 4


@pytest.mark.fault("release-unanswered")
def test_a_release_that_is_not_answered(meter: FaultyMeter) -> None:
    with meter.fault("release-unanswered"):
        found = meter.ask(NAME, association=CIPHERED)
    assert len(found["results"]) == 1 and found["seconds"] >= PATIENCE
    assert "the RLRE was not verified" in found["error"]
    assert meter.well(NAME, association=CIPHERED)


@pytest.mark.fault("conformance-shrinks")
@pytest.mark.parametrize("feature", ["multiple-references", "selective-access"])
def test_a_conformance_that_shrinks(meter: FaultyMeter, feature: str) -> None:
    bit = Conformance[feature.replace("-", "_").upper()]
    with meter.fault("conformance-shrinks", without=feature):
        (conformance,) = meter.well(["conformance"])
    assert not conformance & bit and conformance & Conformance.GET
    assert meter.well(["conformance"]) == [conformance | bit]


@pytest.mark.fault("stale-answer")
def test_answers_of_the_request_before(meter: FaultyMeter) -> None:
    name, energy = meter.well(NAME, ENERGY)
    with meter.fault("stale-answer", **{"invoke-id": "current"}):
        assert meter.well(NAME, ENERGY, NAME)[:2] == [name, name]
    with meter.fault("stale-answer", **{"invoke-id": "previous"}):
        found = meter.ask(NAME, ENERGY)
    assert found["results"] == [name] and re.search(SILENCE, found["error"])
    assert meter.well(NAME, ENERGY)[1] >= energy


LONG = ["set", *MESSAGE, ["octet_string", bytes(2500).hex()]]


@pytest.mark.fault("wrong-block-number")
def test_blocks_with_wrong_numbers(meter: FaultyMeter) -> None:
    whole = meter.well(OBJECTS, max_pdu=200)
    with meter.fault("wrong-block-number", more=2):
        assert "GET block 3 out of sequence (expected 1)" in meter.ask(OBJECTS, max_pdu=200)["error"]
        assert meter.ask(LONG)["error"]
        assert meter.well(NAME)
    assert meter.well(OBJECTS, LONG, max_pdu=200) == [*whole, True]


@pytest.mark.fault("block-transfer-aborted")
def test_a_transfer_that_is_aborted(meter: FaultyMeter) -> None:
    short = ["set", *MESSAGE, ["octet_string", "4142"]]
    whole, _ = meter.well(OBJECTS, short, max_pdu=200)
    with meter.fault("block-transfer-aborted", blocks=2):
        assert "block 2 failed: LONG_GET_ABORTED" in meter.ask(OBJECTS, max_pdu=200)["error"]
        assert "LONG_SET_ABORTED" in meter.ask(LONG)["error"]
        assert meter.well(["get", *MESSAGE]) == ["4142"]
    assert meter.well(OBJECTS, LONG, ["get", *MESSAGE], max_pdu=200) == [whole, True, bytes(2500).hex()]


@pytest.mark.fault("exception-response")
def test_over_hdlc(meter: FaultyMeter) -> None:
    with meter.session(transport="serial") as session:
        right = session(NAME, OBJECTS)["results"]
        with meter.fault("exception-response"):
            assert "OPERATION_NOT_POSSIBLE" in session(NAME)["error"]
        with meter.fault("slow-object", object="0-0:42.0.0", delay=200):
            found = session(NAME)
            assert (found["error"], found["seconds"] >= 0.2) == ("", True)
        assert session(NAME, OBJECTS)["results"] == right


@pytest.mark.fault("request-ignored")
def test_through_the_hub(peer: ZigbeeHost, tmp_path: Path) -> None:
    with home(tmp_path, peer) as dwelling:
        fault = dwelling.start("request-ignored", "electricity", client=16)
        assert re.search("DlmsTimeoutError", dwelling.trouble("electricity"))
        assert dwelling.trouble("hub") == dwelling.trouble("gas") == ""
        assert dwelling.read("electricity", NAME)
        dwelling.end(fault)
        assert dwelling.trouble("electricity") == ""
