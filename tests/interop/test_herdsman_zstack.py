"""zigbee-herdsman, unmodified, as the host of the hub's ZNP radio processor over a pseudo terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.interop.zigbee_home import KINDS, ZigbeeHome
from tests.interop.zigbee_hosts import ZigbeeHost

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

NETWORK = {
    "panID": 0x1A62,
    "extendedPanID": list(bytes.fromhex("00DB1234567890A0")),
    "channelList": [20],
    "networkKey": list(bytes.fromhex("000102030405060708090A0B0C0D0E0F")),
}


@pytest.fixture
def home(smets1_rig: Any) -> ZigbeeHome:
    return ZigbeeHome(smets1_rig, "hub-znp", lambda eui64: "0x" + eui64.hex())


def start(home: ZigbeeHome, peers: Any, folder: Path, network: dict[str, Any], **spec: object) -> ZigbeeHost:
    given = {"path": home.port, "adapter": "zstack", "folder": str(folder), "network": network, **spec}
    return ZigbeeHost.of(peers, "herdsman", "herdsman_host.js", given)


def admit(home: ZigbeeHome, host: ZigbeeHost, kind: str) -> Any:
    """Register a device's install code with the host and push its button: why it was not let in."""
    host.ask("install_code", home.euis[kind], home.code(kind))
    return home.join(kind)


def test_it_forms_a_network_that_devices_join_by_install_code_and_resumes_it(
    home: ZigbeeHome, peers: Any, tmp_path: Path
) -> None:
    with start(home, peers, tmp_path, NETWORK) as host:
        assert host.started["how"] == "reset"
        network = home.call(lambda: home.hub.device.coordinator.parameters)
        assert (network.pan_id, network.channel) == (NETWORK["panID"], 20)
        assert network.extended_pan_id == bytes(NETWORK["extendedPanID"])
        assert network.network_key == bytes(NETWORK["networkKey"])
        assert host.started["network"]["panID"] == NETWORK["panID"]
        assert host.started["network"]["extendedPanID"] == "0x00db1234567890a0"
        assert home.call(lambda: len(home.han.log.entries)) == 0
        host.ask("permit", 120)
        assert home.join("electricity").name == "UNKNOWN"
        for kind in KINDS:
            assert admit(home, host, kind) is None
        seen = home.met(host, *KINDS)
        assert [event[1] for event in seen if event[0] == "joined"] == [home.euis[kind] for kind in KINDS]
    assert home.call(lambda: not home.hub.device.coordinator.up)
    with start(home, peers, tmp_path, NETWORK) as host:
        assert host.started["how"] == "resumed"
        assert host.started["seconds"] < 5
        assert home.join("electricity") is None  # back by a rejoin: it announces itself
        home.met(host, "electricity", what="announced")
        read = host.ask("read", home.euis["electricity"], "seMetering", ["currentSummDelivered", "unitOfMeasure"])
        assert set(read) == {"currentSummDelivered", "unitOfMeasure"}


def test_it_restores_its_backup_on_a_hub_that_has_lost_its_network(
    home: ZigbeeHome, peers: Any, tmp_path: Path
) -> None:
    with start(home, peers, tmp_path, NETWORK) as host:
        host.ask("permit", 120)
        for kind in ("electricity", "gas"):
            assert admit(home, host, kind) is None
        home.met(host, "electricity", "gas")
        host.ask("backup")
        before = home.call(home.hub.device.coordinator.keys)
    home.forget()
    with start(home, peers, tmp_path, NETWORK) as host:
        assert host.started["how"] == "restored"
        assert {entry[:2] for entry in home.call(home.hub.device.coordinator.keys)} == {entry[:2] for entry in before}
        assert home.call(lambda: home.hub.device.coordinator.frame_counter) >= 2500
        host.ask("permit", 120)
        assert home.join("electricity") is None  # by the link key that it has


def test_it_resumes_the_hubs_own_network_reads_configures_and_sees_devices_leave_and_come_back(
    home: ZigbeeHome, peers: Any, tmp_path: Path
) -> None:
    present = home.call(lambda: home.hub.device.coordinator.parameters)
    network = {
        "panID": present.pan_id,
        "extendedPanID": list(present.extended_pan_id),
        "channelList": [present.channel],
        "networkKey": list(present.network_key),
    }
    with start(home, peers, tmp_path, network) as host:
        assert host.started["how"] == "resumed"
        assert host.started["eui"] == home.print_eui(home.hub.device.identity.eui64)
        meter = home.euis["electricity"]
        host.ask("permit", 120)
        home.call(lambda: home.hub.device.coordinator.remove(home.member("electricity").node.eui64))
        assert admit(home, host, "electricity") is None
        home.met(host, "electricity")
        read = host.ask("read", meter, "genBasic", ["manufacturerName", "modelId"])
        assert read["modelId"].startswith("SSWG")
        host.ask("report", meter, "seMetering", "instantaneousDemand", 1, 2, 1)
        reports = [event for event in home.met(host, "electricity", what="attribute") if event[0] == "attribute"]
        assert reports[0][2] == "seMetering" and "instantaneousDemand" in reports[0][3]
        home.call(lambda: home.han.leave(home.member("electricity")))
        home.met(host, "electricity", what="left")
        seen = len(host.ask("seen"))
        host.ask("permit", 120)
        assert admit(home, host, "electricity") is None
        home.met(host, "electricity", after=seen)
        host.ask("remove", meter)  # herdsman forgets a device that it removes, maybe before it hears that it has left
        home.until(lambda: not home.member("electricity").on)


def test_how_fast_it_reads(home: ZigbeeHome, peers: Any, tmp_path: Path) -> None:
    with start(home, peers, tmp_path, NETWORK) as host:
        host.ask("permit", 120)
        assert admit(home, host, "electricity") is None
        home.met(host, "electricity")
        rate = host.ask("reads", home.euis["electricity"], "seMetering", "currentSummDelivered", 300)
        print(f"{rate:.0f} reads/s, start in {host.started['seconds']:.2f} s")
        assert rate > 20
