"""Faults of the WAN as a head-end meets them: on TCP and UDP, and on the hub's serial line."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from rigs.driver import ClockMode
from tests.interop.head_end import ALERTS, LONG, NAME, PERMIT, ROWS, Home, destination, home, stranger
from tests.interop.zigbee_hosts import ZigbeeHost

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

SIGNAL, SENT = [3, "0.0.96.12.5.255", 2], [1, "0.0.96.15.2.255", 2]
PORTS = ("wan-tcp", "wan-udp", "wan")
GET = ["get", *NAME]


@pytest.fixture(scope="module")
def shared(peer: ZigbeeHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Premises in the world's own time, in which a head-end waits."""
    with home(tmp_path_factory.mktemp("wan"), peer, mode=ClockMode.REAL) as running:
        yield running


@pytest.fixture
def place(shared: Home) -> Iterator[Home]:
    """The premises, which each test leaves as they were."""
    yield shared
    shared.heal()
    for name in list(shared.opened):
        shared.close(name)


@pytest.mark.fault("wan-down")
def test_nothing_passes(place: Home) -> None:
    assert place.open("kept", association="public")["error"] == ""
    fault = place.start("wan-down")
    assert "Timeout" in place.do("kept", GET)["error"]
    for port in PORTS:
        assert place.silent(port=port)
    assert f"fault {fault.id} (wan-down): " in place.premises.hub.explained[-1]
    place.end(fault)
    assert place.do("kept", GET)["results"] == [place.meter("hub").identity]  # the connection has outlived it
    for port in PORTS:
        assert place.answers(port=port)


@pytest.mark.fault("wan-one-way")
def test_one_direction_is_dead(place: Home) -> None:
    for way, done in (("from-hub", True), ("to-hub", False)):
        place.open_window(False)
        place.open(way)
        fault = place.start("wan-one-way", way=way)
        assert "Timeout" in place.do(way, ["set", *PERMIT, ["boolean", True]])["error"]
        assert place.silent()
        place.end(fault)
        assert place.read("hub", PERMIT) == [done]
    place.open_window(False)


@pytest.mark.fault("wan-half-open")
def test_connections_lead_nowhere(place: Home) -> None:
    place.open("kept", association="public")
    fault = place.start("wan-half-open")
    assert "Timeout" in place.do("kept", GET)["error"]
    assert place.answers()
    place.open("new", association="public")
    place.end(fault)
    assert_closed(place, "kept")
    assert place.do("new", GET)["error"] == ""


def assert_closed(place: Home, name: str) -> None:
    """A connection has been closed by the other end: that is seen at once."""
    error = place.do(name, GET)["error"]
    assert error and "Timeout" not in error


@pytest.mark.fault("wan-unreachable")
def test_the_address_leads_nowhere(place: Home) -> None:
    place.open("kept", association="public")
    fault = place.start("wan-unreachable")
    assert_closed(place, "kept")
    refused = place.trouble()
    assert refused and "Timeout" not in refused
    for port in PORTS[1:]:
        assert place.silent(port=port)
    place.end(fault)
    for port in PORTS:
        assert place.answers(port=port)


@pytest.mark.fault("wan-resets")
def test_connections_are_closed_at_random(place: Home) -> None:
    fault = place.start("wan-resets")
    found = [place.trouble(patience=LONG) for _ in range(20)]
    assert 0 < found.count("") < 20
    assert not any("Timeout" in each for each in found)
    assert place.answers(port="wan-udp") and place.answers(port="wan")
    place.end(fault)
    assert all(place.answers() for _ in range(20))


@pytest.mark.fault("wan-idle-timeout")
@pytest.mark.parametrize("how", ["silent", "closed"])
def test_a_connection_does_not_outlive_a_pause(place: Home, how: str) -> None:
    fault = place.start("wan-idle-timeout", seconds=1, how=how)
    place.open("kept", association="public")
    for _ in range(3):
        time.sleep(0.4)
        assert place.do("kept", GET)["error"] == ""
    place.open("other", association="public")
    time.sleep(1.1)
    if how == "silent":
        assert "Timeout" in place.do("kept", GET)["error"]
    else:
        assert_closed(place, "kept")
    assert place.answers()
    place.end(fault)
    assert_closed(place, "other")
    place.open("new", association="public")
    time.sleep(1.1)
    assert place.do("new", GET)["error"] == ""


@pytest.mark.fault("wan-latency")
def test_messages_take_long(place: Home) -> None:
    place.open("kept", association="public", patience=LONG)
    fault = place.start("wan-latency", mean=150)
    late = place.do("kept", GET)
    assert late["error"] == "" and late["seconds"] >= 0.3
    assert place.silent(patience=0.2)
    place.end(fault)
    soon = place.do("kept", GET)
    assert soon["results"] == late["results"] and soon["seconds"] < 0.3


@pytest.mark.fault("wan-bandwidth")
def test_the_wan_is_narrow(place: Home) -> None:
    place.open("kept", patience=LONG)
    rows = place.do("kept", ["get", *ROWS])
    fault = place.start("wan-bandwidth", rate=4800)
    name, more = place.do("kept", GET), place.do("kept", ["get", *ROWS])
    assert name["error"] == more["error"] == ""
    assert 0.05 < name["seconds"] < more["seconds"]
    octets = 8 * len(rows["results"][0]) * 14  # a row has more than fourteen octets in each of its eight columns or so
    assert more["seconds"] > octets / 4800
    place.end(fault)
    assert place.do("kept", ["get", *ROWS])["seconds"] < octets / 4800


@pytest.mark.fault("wan-loss")
def test_packets_are_lost(place: Home) -> None:
    place.open("kept", association="public", patience=LONG)
    fault = place.start("wan-loss", per_mille=300, resend=60)
    found = [place.do("kept", GET) for _ in range(10)]
    assert [each["error"] for each in found] == [""] * 10
    assert any(each["seconds"] >= 0.06 for each in found)  # sent again by TCP
    assert any(place.trouble(port="wan-udp", patience=0.15) for _ in range(10))
    place.end(fault)
    assert all(place.answers(port="wan-udp") for _ in range(5))


@pytest.mark.fault("wan-weak-signal")
def test_the_signal_is_weak(place: Home) -> None:
    (before,) = place.read("hub", SIGNAL)
    weaker = 110 + before  # 10 dB below where packets begin to be lost
    fault = place.start("wan-weak-signal", decibels=weaker, resend=60)
    assert any(place.trouble(port="wan-udp", patience=0.1) for _ in range(10))
    (during,) = place.read("hub", SIGNAL, patience=LONG)
    assert abs(before - during - weaker) <= 6  # by which it swings from hour to hour
    place.end(fault)
    assert all(place.answers(port="wan-udp") for _ in range(5))
    (after,) = place.read("hub", SIGNAL)
    assert abs(after - before) <= 6


@pytest.mark.fault("wan-lost-pushes")
def test_an_alert_is_lost_on_its_way(place: Home) -> None:
    place.open("kept")
    assert place.do("kept", ["set", *ALERTS, destination()])["error"] == ""
    fault = place.start("wan-lost-pushes")
    (before,) = place.do("kept", ["get", *SENT])["results"]
    assert place.do("kept", stranger(1))["error"] == ""
    assert "Timeout" in place.do("kept", ["push", 0.3])["error"]
    (after,) = place.do("kept", ["get", *SENT])["results"]
    assert after == before + 3  # two answers, and the alert
    place.end(fault)
    assert place.do("kept", stranger(2))["error"] == ""
    ((code, _, backup),) = place.do("kept", ["push", 2.0])["results"]
    assert code == 0x8F12
    assert len(backup[2]) == 5
