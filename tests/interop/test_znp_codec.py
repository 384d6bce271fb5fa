"""Our MT frames, ZNP commands and NV items, read by zigpy-znp and by zigbee-herdsman."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protocols.zigbee.mt import Frame
from protocols.zigbee.znp import commands as znp
from protocols.zigbee.znp.nv import Item, build_item, read_item
from tests.interop.conftest import CLIENTS

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

EUI = bytes.fromhex("00DB1234567890A0")
NETWORK = {"channel": 15, "pan": 0x1A62, "short": 0, "extended_pan": EUI.hex(), "update_id": 3}
BASE = read_item(Item.NIB, bytes(110)) | NETWORK | {"extended_pan": EUI}
SPEC = {"nib": build_item(Item.NIB, BASE).hex()}

MESSAGE = {
    "group": 0,
    "cluster": 0x0702,
    "source": 0x1234,
    "source_endpoint": 1,
    "destination_endpoint": 1,
    "broadcast": 0,
    "lqi": 200,
    "secured": 1,
    "timestamp": 7,
    "sequence": 9,
    "data": bytes.fromhex("1801010000"),
    "mac_source": 0x1234,
    "radius": 30,
}
ZDO = {
    "source": 0x1234,
    "broadcast": 1,
    "cluster": 0x0013,
    "secured": 0,
    "sequence": 5,
    "mac_destination": 0xFFFD,
    "data": bytes.fromhex("3412A090785634 12DB008E"),
}
LEAVE = {"source": 0x1234, "eui": EUI, "request": 0, "remove_children": 0, "rejoin": 0}
VERSION = {"transport": 2, "product": 0, "major": 2, "minor": 7, "maintenance": 1, "revision": 20210708}
RESET = {"reason": 0, "transport": 2, "product": 0, "major": 2, "minor": 7, "hardware": 0}

FRAMES: dict[str, Frame] = {
    "ping": znp.tell(znp.PING, {"capabilities": 0x0779}),
    "version": znp.tell(znp.VERSION, VERSION),
    "resetInd": znp.ask(znp.RESET_INDICATION, RESET),
    "osalNvLength": znp.tell(znp.NV_LENGTH, {"length": 110}),
    "osalNvItemInit": znp.tell(znp.NV_INIT, {"status": znp.Status.NV_ITEM_CREATED}),
    "register": znp.tell(znp.REGISTER, {"status": 0}),
    "dataRequestExt": znp.tell(znp.DATA_REQUEST_EXTENDED, {"status": 0}),
    "dataConfirm": znp.ask(znp.DATA_CONFIRM, {"status": 0xB7, "endpoint": 1, "transaction": 9}),
    "incomingMsg": znp.ask(znp.INCOMING_MESSAGE, MESSAGE),
    "stateChangeInd": znp.ask(znp.STATE_CHANGE, {"state": znp.DeviceState.COORDINATOR}),
    "tcDeviceInd": znp.ask(znp.TRUST_CENTRE_DEVICE, {"short": 0x1234, "eui": EUI, "parent": 0}),
    "leaveInd": znp.ask(znp.LEAVE, LEAVE),
    "permitJoinInd": znp.ask(znp.PERMIT_JOIN_INDICATION, {"duration": 60}),
    "msgCbIncoming": znp.ask(znp.ZDO_MESSAGE, ZDO),
}

SEND = {
    "destination_endpoint": 1,
    "source_endpoint": 1,
    "cluster": 0x0702,
    "transaction": 9,
    "options": 0x30,
    "radius": 30,
    "data": bytes.fromhex("0009000000"),
}
REQUESTS: tuple[Frame, ...] = (
    znp.ask(znp.NV_INIT, {"id": Item.CONFIGURED, "length": 1, "value": b"\x55"}),
    znp.ask(znp.NV_READ_LONG, {"id": Item.NIB, "offset": 100}),
    znp.ask(znp.NV_WRITE_LONG, {"id": Item.CONFIGURED, "offset": 0, "value": b"\x55"}),
    znp.ask(
        znp.REGISTER,
        {
            "endpoint": 1,
            "profile": 0x0109,
            "device": 0x0500,
            "version": 0,
            "latency": 0,
            "inputs": [0x0000, 0x0702],
            "outputs": [0x000A],
        },
    ),
    znp.ask(znp.DATA_REQUEST, SEND | {"destination": 0x1234}),
    znp.ask(znp.DATA_REQUEST_EXTENDED, SEND | {"mode": znp.AddressMode.EXTENDED, "destination": EUI, "pan": 0}),
    znp.ask(znp.PERMIT_JOIN, {"mode": 15, "destination": 0xFFFC, "duration": 60, "significance": 0}),
    znp.ask(znp.ROUTE_DISCOVERY, {"destination": 0x1234, "options": 0, "radius": 30}),
)


def test_zigpy_znp_reads_requests_as_we_do(peers: Any) -> None:
    spec = SPEC | {"frames": [frame.encode().hex() for frame in REQUESTS]}
    outcome = peers.client("zigpy", "znp_codec.py", spec)
    assert outcome.errors == [], outcome.said
    assert [[again, rest] for _, again, rest in outcome.results] == [[each, ""] for each in spec["frames"]]


def test_zigpy_znp_reads_what_we_write(peers: Any) -> None:
    spec = SPEC | {"frames": [frame.encode().hex() for frame in FRAMES.values()]}
    outcome = peers.client("zigpy", "znp_codec.py", spec)
    assert outcome.errors == [], outcome.said
    assert [[again, rest] for _, again, rest in outcome.results] == [[each, ""] for each in spec["frames"]]
    assert outcome.facts == {"rest": "", "network": NETWORK}


def test_herdsman_reads_what_we_write(peers: Any) -> None:
    spec = SPEC | {"frames": [frame.encode().hex() for frame in FRAMES.values()]}
    modules = peers.program("herdsman", "node_modules")
    done = peers.run(peers.program("bin", "node"), str(CLIENTS / "herdsman_codec.js"), modules, json.dumps(spec))
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])  # the adapter's own trace comes before it
    assert outcome["errors"] == []
    assert outcome["results"] == [[name, each] for name, each in zip(FRAMES, spec["frames"], strict=True)]
    assert outcome["network"] == NETWORK
