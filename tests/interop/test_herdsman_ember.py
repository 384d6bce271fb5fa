"""zigbee-herdsman with its adapter "ember", unmodified, on the hub's radio processor: EZSP over ASH on a terminal.

herdsman speaks the profile of home automation only and drops what comes with another, so the meters here have a profile
that declares it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.interop.perturbed import perturbed
from tests.interop.zigbee_home import ZigbeeHome
from tests.interop.zigbee_hosts import ZigbeeHost

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

METERS = ("electricity", "gas")
PROFILES = {"electricity": "electricity-ha", "gas": "gas-ha"}
NETWORK = {
    "panID": 0x1A62,
    "extendedPanID": list(bytes.fromhex("00DB1234567890A0")),
    "channelList": [20],
    "networkKey": list(bytes.fromhex("000102030405060708090A0B0C0D0E0F")),
}


@pytest.fixture
def home(smets1_rig: Any) -> ZigbeeHome:
    return ZigbeeHome(smets1_rig, "hub-base", lambda eui64: "0x" + eui64.hex(), profiles=PROFILES)


def start(peers: Any, path: str, folder: Path, network: dict[str, Any] = NETWORK) -> ZigbeeHost:
    spec = {"path": path, "adapter": "ember", "folder": str(folder), "network": network}
    return ZigbeeHost.of(peers, "herdsman", "herdsman_host.js", spec)


def own(home: ZigbeeHome) -> dict[str, Any]:
    """The network that the hub has formed, as herdsman is told of it."""
    present = home.call(lambda: home.hub.device.coordinator.parameters)
    return {
        "panID": present.pan_id,
        # herdsman's "ember" has it in the order of the air
        "extendedPanID": list(present.extended_pan_id[::-1]),
        "channelList": [present.channel],
        "networkKey": list(present.network_key),
    }


def admit(home: ZigbeeHome, host: ZigbeeHost, kind: str) -> Any:
    """Register a device's install code with the host and push its button: why it was not let in."""
    host.ask("install_code", home.euis[kind], home.code(kind))
    return home.join(kind)


def test_it_forms_a_network_that_meters_join_and_resumes_it(home: ZigbeeHome, peers: Any, tmp_path: Path) -> None:
    with start(peers, home.port, tmp_path) as host:
        assert host.started["how"] == "reset"
        network = home.call(lambda: home.hub.device.coordinator.parameters)
        assert (network.pan_id, network.channel) == (NETWORK["panID"], 20)
        assert network.network_key == bytes(NETWORK["networkKey"])
        assert home.call(lambda: len(home.han.log.entries)) == 0
        host.ask("permit", 120)
        assert home.join("electricity").name == "UNKNOWN"
        for kind in METERS:
            assert admit(home, host, kind) is None
        seen = home.met(host, *METERS)
        assert [event[1] for event in seen if event[0] == "joined"] == [home.euis[kind] for kind in METERS]
    with start(peers, home.port, tmp_path) as host:
        assert host.started["how"] == "resumed"
        read = host.ask("read", home.euis["electricity"], "seMetering", ["currentSummDelivered", "unitOfMeasure"])
        assert set(read) == {"currentSummDelivered", "unitOfMeasure"}


def test_it_resumes_the_hubs_network_configures_reports_and_sees_a_meter_leave(
    home: ZigbeeHome, peers: Any, tmp_path: Path
) -> None:
    with start(peers, home.port, tmp_path, own(home)) as host:
        assert host.started["how"] == "resumed"
        assert host.started["eui"] == home.print_eui(home.hub.device.identity.eui64)
        meter = home.euis["electricity"]
        assert home.join("electricity") is None  # it rejoins
        home.met(host, "electricity")
        host.ask("report", meter, "seMetering", "instantaneousDemand", 1, 2, 1)
        reports = [event for event in home.met(host, "electricity", what="attribute") if event[0] == "attribute"]
        assert "instantaneousDemand" in reports[0][3]
        home.call(lambda: home.han.leave(home.member("electricity")))
        home.met(host, "electricity", what="left")
        after = len(host.ask("seen"))
        host.ask("permit", 120)
        assert admit(home, host, "electricity") is None
        home.met(host, "electricity", after=after)
        host.ask("remove", meter)
        home.until(lambda: not home.member("electricity").on)


def test_a_line_that_spoils_a_tenth_of_the_frames_loses_nothing(home: ZigbeeHome, peers: Any, tmp_path: Path) -> None:
    # One way only: herdsman looks at its acknowledgement timer when something arrives, so that two frames of its own
    # that are spoilt in a row leave it waiting for ever.
    line = perturbed(home.port, 0.1, 9, to_processor=False)
    with line as (path, seen), start(peers, path, tmp_path, own(home)) as host:
        assert home.join("electricity") is None
        home.met(host, "electricity")
        for _ in range(30):
            read = host.ask("read", home.euis["electricity"], "seMetering", ["unitOfMeasure", "multiplier"])
            assert set(read) == {"unitOfMeasure", "multiplier"}
    assert seen.spoilt > seen.frames / 40
