"""Device profile messages on their way through a ZNP: what is sent for a request, and the event of a response."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee import zdo as profile
from protocols.zigbee.mt import Frame, Kind
from protocols.zigbee.znp import commands as znp
from protocols.zigbee.znp import zdo
from protocols.zigbee.znp.command import Command

EUI = bytes.fromhex("00DB1234567890A0")
HUB = bytes.fromhex("00DB1234567890FF")
BINDING = {"destination": 0x1234, "source": EUI, "source_endpoint": 1, "cluster": 0x0702}

REQUESTS: list[tuple[Command, dict[str, Any], int, int, str]] = [
    (zdo.NODE_DESCRIPTOR, {"destination": 0x1234, "address": 0x1234}, 0x1234, 0x0002, "07 3412"),
    (zdo.SIMPLE_DESCRIPTOR, {"destination": 0, "address": 0, "endpoint": 6}, 0, 0x0004, "07 0000 06"),
    (zdo.NWK_ADDRESS, {"eui": EUI, "request_type": 0, "start": 0}, 0xFFFD, 0x0000, "07 A09078563412DB00 00 00"),
    (zdo.IEEE_ADDRESS, {"address": 0x1234, "request_type": 0, "start": 0}, 0x1234, 0x0001, "07 3412 00 00"),
    (
        zdo.BIND,
        BINDING | {"mode": 3, "destination_eui": HUB, "destination_endpoint": 6},
        0x1234,
        0x0021,
        "07 A09078563412DB00 01 0207 03 FF9078563412DB00 06",
    ),
    (
        zdo.UNBIND,
        BINDING | {"mode": 1, "destination_eui": bytes(6) + b"\x12\x34", "destination_endpoint": 0},
        0x1234,
        0x0022,
        "07 A09078563412DB00 01 0207 01 3412",
    ),
    (
        zdo.MGMT_NWK_UPDATE,
        {"destination": 0, "mode": 2, "channels": 0x07FFF800, "duration": 3, "count": 1, "manager": 0},
        0,
        0x0038,
        "07 00F8FF07 03 01",
    ),
    (
        zdo.PERMIT_JOIN,
        {"mode": 15, "destination": 0xFFFC, "duration": 60, "significance": 1},
        0xFFFC,
        0x0036,
        "07 3C 01",
    ),
]


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case[0].name)
def test_what_a_request_wants_sent(case: tuple[Command, dict[str, Any], int, int, str]) -> None:
    command, values, destination, cluster, octets = case
    frame = znp.ask(command, values)
    found = zdo.message_of(frame, znp.read(frame)[1], 7)
    assert found == (destination, cluster, bytes.fromhex(octets))
    assert profile.decode(cluster, found[2]).sequence == 7


def test_a_binding_of_no_known_mode_is_refused() -> None:
    values = BINDING | {"mode": 9, "destination_eui": HUB, "destination_endpoint": 6}
    frame = znp.ask(zdo.BIND, values)
    with pytest.raises(LocalProtocolError, match="bind request"):
        zdo.message_of(frame, values, 1)


def test_a_request_that_is_none_of_the_device_profile() -> None:
    frame = znp.ask(zdo.STARTUP, {"delay": 0})
    with pytest.raises(LocalProtocolError, match=r"05\.40"):
        zdo.message_of(frame, {"delay": 0}, 1)


def test_a_response_becomes_an_event() -> None:
    message = profile.encode(0x8005, 7, status=0, address=0x1234, endpoints=[1, 2])
    frame = zdo.event_of(0x1234, 0x8005, message)
    assert frame == Frame(Kind.EVENT, 5, 0x85, bytes.fromhex("3412 00 3412 02 0102"))
    command, values = znp.read(frame)
    assert command.name == "activeEpRsp"
    assert values == {"source": 0x1234, "status": 0, "address": 0x1234, "endpoints": [1, 2]}


@pytest.mark.parametrize("associated", [None, {"start": 2, "devices": [0x0102, 0x0304]}])
def test_an_address_response_counts_after_its_start(associated: dict[str, Any] | None) -> None:
    message = profile.encode(0x8001, 7, status=0, eui=EUI, address=0x1234, associated=associated)
    frame = zdo.event_of(0x1234, 0x8001, message)
    assert frame is not None
    tail = "00 00" if associated is None else "02 02 0201 0403"
    assert frame.data == bytes.fromhex("00 A09078563412DB00 3412" + tail)
    with pytest.raises(DecodeError):
        zdo.event_of(0x1234, 0x8001, message[:5])


def test_what_has_no_event() -> None:
    assert zdo.event_of(0x1234, 0x0005, b"\x01\x34\x12") is None
    assert zdo.event_of(0x1234, 0x8005, b"") is None
