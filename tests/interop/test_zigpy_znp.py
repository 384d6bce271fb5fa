"""zigpy-znp, unmodified and without a hook for profile 0x0109, on the hub's ZNP radio processor over a terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from emulator.han.message import NOWHERE
from tests.interop.zigbee_home import KINDS, ZigbeeHome
from tests.interop.zigbee_hosts import ZigbeeHost

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

METERING, BASIC = 0x0702, 0x0000
SUMMATION, UNIT, MULTIPLIER, DIVISOR, DEMAND = 0x0000, 0x0300, 0x0301, 0x0302, 0x0400
PATIENCE = 30
"""Seconds to wait for what is not told."""
WINDOW = 1
"""Seconds that zigpy-znp keeps the network open for one install code, and waits for itself."""


def text(eui64: bytes) -> str:
    """An EUI-64 as zigpy writes it."""
    return eui64.hex(":")


@pytest.fixture
def home(smets1_rig: Any) -> ZigbeeHome:
    return ZigbeeHome(smets1_rig, "hub-znp", text)


def zigpy(home: ZigbeeHome, peers: Any, **spec: object) -> ZigbeeHost:
    return ZigbeeHost.of(peers, "zigpy", "zigpy_znp_host.py", {"path": home.port, **spec})


def admit(home: ZigbeeHome, host: ZigbeeHost, kind: str) -> Any:
    """Register a device's install code with the host and push its button: why it was not let in."""
    host.begin("install_code", home.euis[kind], home.code(kind), WINDOW)
    home.opened(kind)
    refusal = home.join(kind)
    host.end()
    return refusal


def announce(home: ZigbeeHome, host: ZigbeeHost, *kinds: str) -> None:
    """Have devices of the network known to the host: as they come back."""
    for kind in kinds:
        assert home.join(kind) is None
    home.met(host, *kinds)


def test_the_network_of_the_hub_is_resumed(home: ZigbeeHome, peers: Any) -> None:
    with zigpy(home, peers) as host:
        network = home.call(lambda: home.hub.device.coordinator.parameters)
        assert host.started["pan"] == network.pan_id
        assert host.started["extended_pan"] == text(network.extended_pan_id)
        assert host.started["channel"] == network.channel
        assert host.started["key"] == network.network_key.hex()
        assert host.started["eui"] == text(home.hub.device.identity.eui64)
        assert host.started["board"][1:] == ["CC2531", "Z-Stack 3.0.x 20190425"]
        announce(home, host, *KINDS)
        for kind in KINDS:
            device = home.member(kind).device
            read = host.ask("read", home.euis[kind], BASIC, [4, 5])
            assert read["read"] == {"4": device.firmware.make, "5": device.firmware.model_name}
        found = host.ask("load")
        assert found["keys"] == home.call(lambda: {text(entry.eui64): entry.key.hex() for entry in home.han.log})
        assert found["children"] == [home.euis["gas"]]
    assert home.call(lambda: home.hub.device.coordinator.formed and not home.hub.device.coordinator.up)


def test_a_network_is_formed_and_devices_join_by_install_code(home: ZigbeeHome, peers: Any, tmp_path: Path) -> None:
    database = str(tmp_path / "zigpy.db")
    home.forget()
    with pytest.raises(pytest.fail.Exception, match="NetworkNotFormed"):
        zigpy(home, peers)
    with zigpy(home, peers, form=True, database=database) as host:
        network = home.call(lambda: home.hub.device.coordinator.parameters)
        assert (host.started["pan"], host.started["channel"]) == (network.pan_id, network.channel)
        assert host.started["key"] == network.network_key.hex()
        assert home.call(lambda: len(home.han.log.entries)) == 0
        host.ask("permit", 60)
        assert home.join("electricity").name == "UNKNOWN"  # nobody has given its install code
        assert [event for event in host.ask("seen") if event[0] == "joined"] == []
        for kind in KINDS:
            assert admit(home, host, kind) is None
        seen = home.met(host, *KINDS)
        assert [event[1] for event in seen if event[0] == "joined"] == [home.euis[kind] for kind in KINDS]
    with zigpy(home, peers, database=database) as host:  # the host comes back, and knows them
        assert set(host.started["devices"]) >= set(home.euis.values())
        read = host.ask("read", home.euis["electricity"], METERING, [SUMMATION, UNIT, MULTIPLIER, DIVISOR])
        assert read["failed"] == {}
        assert len(read["read"]) == 4


def test_it_scans_for_energy_as_it_forms(home: ZigbeeHome, peers: Any) -> None:
    with zigpy(home, peers) as host:
        home.call(lambda: home.han.medium.interfere(channels=1 << 13, level=-40))
        levels = host.ask("scan", 2)
        assert len(levels) == 16
        assert levels["13"] > 200 > levels["12"]


def test_reports_come_as_configured(home: ZigbeeHome, peers: Any) -> None:
    with zigpy(home, peers) as host:
        announce(home, host, "electricity")
        assert "SUCCESS" in host.ask("report", home.euis["electricity"], METERING, DEMAND, 1, 2, 1)[0]
        reports = host.ask("wait", ["attribute"], 2)
        assert {event[1] for event in reports} == {DEMAND}


def test_a_device_rejoins_leaves_and_joins_again(home: ZigbeeHome, peers: Any) -> None:
    member = home.member("electricity")
    with zigpy(home, peers) as host:
        announce(home, host, "electricity")
        eui64, before = home.euis["electricity"], member.address

        def move() -> None:
            member.node.address = NOWHERE
            assert member.join() is None

        home.call(move)
        assert member.address != before
        assert host.ask("wait", ["joined", eui64], 2)[1] == ["joined", eui64, member.address]
        assert host.ask("read", eui64, METERING, [SUMMATION])["failed"] == {}
        host.ask("remove", eui64)
        deadline = time.monotonic() + PATIENCE
        while member.on and time.monotonic() < deadline:  # zigpy may have forgotten it before it hears that it has left
            time.sleep(0.05)
        assert not member.on
        assert admit(home, host, "electricity") is None
        assert host.ask("wait", ["joined", eui64], 3)[2] == ["joined", eui64, member.address]
        home.call(lambda: home.han.leave(member))
        assert host.ask("wait", ["left", eui64])


def test_what_a_device_without_power_does_not_take_fails(home: ZigbeeHome, peers: Any) -> None:
    with zigpy(home, peers) as host:
        announce(home, host, "electricity")
        home.call(home.member("electricity").device.power_off)
        with pytest.raises(pytest.fail.Exception, match=r"DeliveryError|TimeoutError"):
            host.ask("read", home.euis["electricity"], METERING, [SUMMATION])


def test_a_processor_that_restarts_is_started_again(home: ZigbeeHome, peers: Any) -> None:
    with zigpy(home, peers) as host:
        announce(home, host, "electricity")
        stack = next(each for each in home.hub.device.lines)
        home.call(stack.restart)
        assert home.call(lambda: not home.hub.device.coordinator.up)
        with pytest.raises(pytest.fail.Exception, match=r"DeliveryError|NWK_INVALID_REQUEST"):
            host.ask("read", home.euis["electricity"], METERING, [SUMMATION])
    with zigpy(home, peers) as host:
        announce(home, host, "electricity")


def test_how_fast_it_reads(home: ZigbeeHome, peers: Any, record_property: Any) -> None:
    with zigpy(home, peers) as host:
        announce(home, host, "electricity")
        # Fewer than 256: zigpy takes an answer for a duplicate that it has had within 10 s, sequence number included.
        rate = host.ask("reads", home.euis["electricity"], METERING, SUMMATION, 200)
        record_property("reads a second", round(rate))
        record_property("start, s", round(host.started["seconds"], 2))
        print(f"{rate:.0f} reads/s, start in {host.started['seconds']:.2f} s")
        assert rate > 20  # on a machine that has much else to do
