"""zigpy with bellows, unmodified, on the hub's radio processor: EZSP over ASH on a terminal.

zigpy drops what comes with the profile of Smart Energy, so the host's script hands it on by zigpy's own hook for that;
:func:`test_meters_of_another_profile_need_nothing` is without it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.han.member import Member
from emulator.han.message import NOWHERE
from emulator.radio.ezsp import EzspStack
from protocols.zigbee.ash import ResetCode
from tests.interop.perturbed import perturbed
from tests.interop.zigbee_home import KINDS, ZigbeeHome
from tests.interop.zigbee_hosts import ZigbeeHost

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

METERING, BASIC = 0x0702, 0x0000
SUMMATION, UNIT, MULTIPLIER, DIVISOR = 0x0000, 0x0300, 0x0301, 0x0302
WINDOW = 254
Home = Callable[..., ZigbeeHome]
Failed = pytest.fail.Exception
"""What a host that says what went wrong raises."""


def text(eui64: bytes) -> str:
    """An EUI-64 as zigpy writes it."""
    return eui64.hex(":")


@pytest.fixture
def home(smets1_rig: Any) -> Home:
    """Runs premises; at a rate other than 1 for what takes long, as a scan of all channels does."""

    def run(rate: float = 1, **profiles: str) -> ZigbeeHome:
        return ZigbeeHome(smets1_rig, "hub-base", text, rate=rate, profiles=profiles)

    return run


def zigpy(peers: Any, path: str, **spec: object) -> ZigbeeHost:
    """zigpy with bellows on the port at ``path``; other keys as the script has them."""
    return ZigbeeHost.of(peers, "zigpy", "bellows_host.py", {"path": path, **spec})


def stack(home: ZigbeeHome) -> EzspStack:
    """The stack of the line that is open."""
    return next(each for each in home.hub.device.lines if isinstance(each, EzspStack))


def admit(host: ZigbeeHost, home: ZigbeeHome, member: Member) -> str:
    """Let a device join with its install code, and wait until the host knows what it is."""
    eui64 = text(member.node.eui64)
    host.ask("install_code", eui64, member.install_code.hex(), WINDOW)
    assert home.call(member.join) is None
    host.ask("wait", ["initialised", eui64])
    return eui64


def test_the_network_of_the_hub_is_resumed(peers: Any, home: Home) -> None:
    place = home()
    network = place.han
    with zigpy(peers, place.port) as host:
        assert host.started["pan"] == network.pan_id
        assert host.started["extended_pan"] == text(network.extended_pan_id)
        assert host.started["channel"] == network.channel
        assert host.started["key"] == network.network_key.hex()
        assert host.started["eui"] == text(place.hub.device.identity.eui64)
        assert host.started["board"] == ["smets1-hil", "hub radio", "7.4.4.0 build 0"]
        found = host.ask("load")
        log = {text(entry.eui64): entry.key.hex() for entry in network.log}
        assert found == {"keys": log, "children": [text(place.member("gas").node.eui64)]}
        assert place.hub.device.coordinator.up
    assert not place.hub.device.coordinator.up


def test_a_network_is_formed_and_devices_join(peers: Any, home: Home, tmp_path: Path) -> None:
    place = home(rate=8)
    place.forget()
    database = str(tmp_path / "zigpy.db")
    with pytest.raises(Failed, match="NetworkNotFormed"):
        zigpy(peers, place.port)
    with zigpy(peers, place.port, form=True, database=database) as host:
        network = place.han
        assert host.started["pan"] == network.pan_id
        assert host.started["key"] == network.network_key.hex()
        assert host.started["channel"] == network.channel
        euis = {kind: admit(host, place, place.member(kind)) for kind in KINDS}
        assert {event[1] for event in host.ask("seen") if event[0] == "joined"} == set(euis.values())
        identity = host.ask("read", euis["electricity"], BASIC, [4, 5])
        profile = place.member("electricity").device.firmware
        assert identity["read"] == {"4": profile.make, "5": profile.model_name}
    with zigpy(peers, place.port, database=database) as host:  # the host comes back, and knows them
        assert host.started["devices"] == sorted([text(place.hub.device.identity.eui64), *euis.values()])
        for kind in ("electricity", "gas"):
            found = host.ask("read", euis[kind], METERING, [SUMMATION, UNIT, MULTIPLIER, DIVISOR])
            assert found["failed"] == {}
            assert len(found["read"]) == 4


def test_refused_joined_rejoined_and_left(peers: Any, home: Home) -> None:
    place = home()
    member = place.member("electricity")
    eui64 = text(member.node.eui64)
    with zigpy(peers, place.port) as host:
        place.call(lambda: place.hub.device.coordinator.remove(member.node.eui64))
        assert host.ask("wait", ["came", eui64, 2])  # it has left
        host.ask("permit", WINDOW)
        assert place.call(member.join) is not None  # nobody has given its install code
        assert host.ask("wait", ["came", eui64, 1, 2])
        with pytest.raises(Failed, match="CRC"):
            host.ask("install_code", eui64, member.install_code[:-2].hex() + "0000", WINDOW)
        admit(host, place, member)
        assert host.ask("wait", ["came", eui64, 1, 0])
        assert host.ask("wait", ["joined", eui64]) == [["joined", eui64, member.address]]
        old = member.address
        place.call(lambda: move(member))
        assert host.ask("wait", ["joined", eui64], 2)[1] == ["joined", eui64, member.address]
        assert member.address != old
        assert host.ask("read", eui64, METERING, [SUMMATION])["failed"] == {}
        host.ask("remove", eui64)
        host.ask("wait", ["came", eui64, 2], 2)
        assert not member.on


def move(member: Member) -> None:
    """The device comes back by itself, with another short address."""
    member.node.address = NOWHERE
    assert member.join() is None


def test_reports_come_as_configured(peers: Any, home: Home) -> None:
    place = home(rate=8)
    with zigpy(peers, place.port) as host:
        eui64 = place.euis["electricity"]
        announce(host, place, "electricity")
        result = host.ask("report", eui64, METERING, SUMMATION, 1, 2, 0)
        assert "SUCCESS" in result[0]
        reports = host.ask("wait", ["attribute"], 3)
        assert {event[1] for event in reports} == {SUMMATION}


def announce(host: ZigbeeHost, place: ZigbeeHome, kind: str) -> str:
    """Have a device of the network known to the host: as it comes back."""
    member = place.member(kind)
    eui64 = text(member.node.eui64)
    assert place.call(member.join) is None
    host.ask("wait", ["initialised", eui64])
    return eui64


def test_an_answer_that_comes_in_parts_is_put_together(peers: Any, home: Home) -> None:
    place = home()
    wanted = [*range(0x10), *range(0x200, 0x204), *range(0x300, 0x307), *range(0x400, 0x403)]
    with zigpy(peers, place.port) as host:
        found = host.ask("read", announce(host, place, "electricity"), METERING, wanted)
        assert sorted(int(attribute) for attribute in found["read"] | found["failed"]) == wanted


def test_meters_of_another_profile_need_nothing(peers: Any, home: Home) -> None:
    place = home(electricity="electricity-ha")
    with zigpy(peers, place.port, smart_energy=False) as host:
        eui64 = announce(host, place, "electricity")
        found = host.ask("read", eui64, METERING, [SUMMATION, UNIT])
        assert sorted(found["read"]) == ["0", "768"]


def test_a_line_that_spoils_a_tenth_of_the_frames_loses_nothing(peers: Any, home: Home) -> None:
    place = home()
    with perturbed(place.port, 0.1, 5) as (path, seen), zigpy(peers, path, patience=20) as host:
        eui64 = announce(host, place, "electricity")
        for _ in range(50):
            found = host.ask("read", eui64, METERING, [UNIT, MULTIPLIER, DIVISOR])
            assert (found["failed"], len(found["read"])) == ({}, 3)
    assert seen.spoilt > seen.frames / 20


def test_a_processor_that_fails_or_restarts_is_noticed(peers: Any, home: Home) -> None:
    place = home()
    for fault in (lambda: stack(place).fail(ResetCode.ASSERT), lambda: stack(place).restart(ResetCode.WATCHDOG)):
        with zigpy(peers, place.port) as host:
            place.call(fault)
            assert "NcpFailure" in host.ask("wait", ["lost"])[0][1]
    with zigpy(peers, place.port) as host:
        assert host.started["pan"] == place.han.pan_id


def test_a_delivery_that_fails_is_told(peers: Any, home: Home) -> None:
    place = home(rate=8)  # four waits for an acknowledgement are longer than zigpy's own
    with zigpy(peers, place.port) as host:
        eui64 = announce(host, place, "electricity")
        place.call(place.member("electricity").device.power_off)
        with pytest.raises(Failed, match="DeliveryError"):
            host.ask("read", eui64, METERING, [SUMMATION])
        counters = host.ask("counters")
        assert counters["COUNTER_APS_DATA_TX_UNICAST_FAILED"] >= 1
