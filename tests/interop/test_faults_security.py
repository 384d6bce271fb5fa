"""Each fault of security as pydlms sees it on a running meter, and that all is well after its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.faulty_meter import NAME, FaultyMeter, faulty_meter
from tests.interop.zigbee_hosts import ZigbeeHost

pytestmark = pytest.mark.interop
GMAC = "ciphered_gmac"
SETUP = "0.0.43.0.14.255"
MESSAGE = [1, "0.0.96.13.0.255", 2]
DECIPHERING, COUNTER = "SERVICE_NOT_ALLOWED/DECIPHERING_ERROR", "SERVICE_NOT_ALLOWED/INVOCATION_COUNTER_ERROR"
NOT_PASSED = "HLS pass 3 rejected by the meter"


@pytest.fixture(scope="module")
def meter(peer: ZigbeeHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyMeter]:
    with faulty_meter(tmp_path_factory.mktemp("security"), peer) as made:
        yield made


def case(name: str, association: str, error: str, **parameters: str) -> Any:
    return pytest.param(name, association, error, parameters, marks=pytest.mark.fault(name), id=f"{name}-{association}")


@pytest.mark.parametrize(
    ("name", "association", "error", "parameters"),
    [
        case("wrong-unicast-key", GMAC, DECIPHERING),
        case("wrong-unicast-key", "hls_gmac", NOT_PASSED),
        case("wrong-unicast-key", "suite2_gmac", DECIPHERING, key="00" * 16),
        case("wrong-authentication-key", "ciphered_lls", DECIPHERING),
        case("wrong-secret", "lls", "result=1 diagnostic=AUTHENTICATION_FAILURE"),
        case("wrong-secret", "hls_sha1", NOT_PASSED),
        case("wrong-secret", "ciphered_sha256", NOT_PASSED),
        case("wrong-challenge", "hls_md5", NOT_PASSED),
        case("wrong-challenge", GMAC, NOT_PASSED),
        case("wrong-challenge-answer", "hls_sha256", "HLS pass 4 failed"),
        case("wrong-challenge-answer", GMAC, "HLS pass 4 failed"),
        case("wrong-tag", GMAC, "GCM authentication tag mismatch", where="everywhere"),
        case("wrong-title", GMAC, "GCM authentication tag mismatch", title="4142434445464748"),
    ],
)
def test_no_association(
    meter: FaultyMeter, name: str, association: str, error: str, parameters: dict[str, str]
) -> None:
    with meter.session(association) as session:
        (right,) = session(NAME)["results"]
        with meter.fault(name, **parameters) as fault:
            if name != "wrong-tag":
                assert session(NAME)["results"] == [right]
            found = meter.ask(NAME, association=association)
            assert found["results"] == [] and error in found["error"]
    assert any(line.startswith(f"fault {fault}: ") for line in meter.said)
    assert meter.well(NAME, association=association) == [right]


@pytest.mark.fault("wrong-tag")
def test_a_wrong_tag_in_an_open_association(meter: FaultyMeter) -> None:
    with meter.session(GMAC) as session:
        (right,) = session(NAME)["results"]
        with meter.fault("wrong-tag", answers=1) as fault:
            assert "GCM authentication tag mismatch" in session(NAME)["error"]
            assert fault in meter.over
        assert session(NAME)["results"] == [right]


@pytest.mark.fault("wrong-master-key")
def test_another_master_key(meter: FaultyMeter) -> None:
    transfer = ["keys", {"1": "00112233445566778899AABBCCDDEEFF"}, SETUP]
    with meter.session(GMAC) as session:
        with meter.fault("wrong-master-key", client=25):
            found = session(NAME, transfer)
            assert len(found["results"]) == 1 and re.search("ACTION 64/.* failed: OTHER_REASON", found["error"])
        assert session(transfer)["results"] == [True]


@pytest.mark.fault("policy-too-strict")
def test_a_policy_that_is_too_strict(meter: FaultyMeter) -> None:
    policy = ["get", 64, "0.0.43.0.12.255", 2]
    weak = {"association": "ciphered_none", "policy": "AUTHENTICATED"}
    with meter.fault("policy-too-strict", client=23):
        assert "diagnostic=AUTHENTICATION_FAILURE" in meter.ask(NAME, **weak)["error"]
        assert meter.well(policy, association="ciphered_none") == [3]
    assert meter.well(policy, **weak) == [0]


@pytest.mark.fault("client-counter-behind")
def test_a_client_whose_counter_is_behind(meter: FaultyMeter) -> None:
    with meter.session(GMAC) as session:
        used = meter.spec(GMAC)["invocation_counter"]
        with meter.fault("client-counter-behind", by=5000, client=25) as fault:
            assert fault in meter.over
            assert COUNTER in session(NAME)["error"]
    behind = meter.ask(NAME, association=GMAC, invocation_counter=used)
    assert f"{COUNTER} (meter expects IC > {used + 5000})" in behind["error"]
    # The client goes on above what the meter names.
    assert meter.well(NAME, association=GMAC, invocation_counter=used, counter_retry=True)
    assert meter.spec(GMAC)["invocation_counter"] > used + 5000


@pytest.mark.fault("own-counter-used-up")
def test_a_counter_that_is_used_up(meter: FaultyMeter) -> None:
    message = ["set", *MESSAGE, ["octet_string", "4142"]]
    with meter.session(GMAC) as session:
        assert session(NAME)["error"] == ""
        with meter.fault("own-counter-used-up"):
            assert "closed the connection" in session(message)["error"]
            assert meter.meter.value(1, "0-0:96.13.0", 2) == b"AB"  # it was served, and not answered
            assert "closed the connection" in meter.ask(NAME, association=GMAC)["error"]
            assert meter.well(NAME, association="lls")
    assert meter.well(NAME, association=GMAC)


@pytest.mark.fault("own-counter-behind")
@pytest.mark.parametrize("counter", ["repeated", "going-back"])
def test_answers_with_counters_that_were_used(meter: FaultyMeter, counter: str) -> None:
    with meter.session(GMAC) as session:
        (right,) = session(NAME)["results"]
        with meter.fault("own-counter-behind", counter=counter, by=2, client=25):
            assert "ReplayError" in session(NAME)["error"]
        assert session(NAME)["results"] == [right]
    assert meter.well(NAME, association=GMAC) == [right]
