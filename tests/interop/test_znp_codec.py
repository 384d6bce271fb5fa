"""Our MT frames, ZNP commands and NV items, read by zigpy-znp and by zigbee-herdsman."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protocols.zigbee import zdo as profile
from protocols.zigbee.mt import Frame
from protocols.zigbee.zdo import Cluster
from protocols.zigbee.znp import commands as znp
from protocols.zigbee.znp import zdo
from protocols.zigbee.znp.command import AddressMode, DeviceState, Status
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


def event(cluster: int, **values: Any) -> Frame:
    """The event of a device profile message from 0x1234."""
    found = zdo.event_of(0x1234, cluster, profile.encode(cluster, 7, **values))
    assert found is not None
    return found


NODE = {
    "kind": {"user": False, "complex": False, "type": 1},
    "band": {"frequencies": 8},
    "capability": 0x8E,
    "manufacturer": 0,
    "buffer": 82,
    "incoming_transfer": 82,
    "server_mask": 0,
    "outgoing_transfer": 82,
    "descriptor_capability": 0,
}
ENDPOINT = {
    "endpoint": 1,
    "profile": 0x0109,
    "device": 0x0501,
    "version": 0,
    "input_clusters": [0, 0x0702],
    "output_clusters": [0x000A],
}
FRAMES: dict[str, Frame] = {
    "ping": znp.tell(znp.PING, {"capabilities": 0x0779}),
    "version": znp.tell(znp.VERSION, VERSION),
    "resetInd": znp.ask(znp.RESET_INDICATION, RESET),
    "osalNvLength": znp.tell(znp.NV_LENGTH, {"length": 110}),
    "osalNvItemInit": znp.tell(znp.NV_INIT, {"status": Status.NV_ITEM_CREATED}),
    "register": znp.tell(znp.REGISTER, {"status": 0}),
    "dataRequestExt": znp.tell(znp.DATA_REQUEST_EXTENDED, {"status": 0}),
    "dataConfirm": znp.ask(znp.DATA_CONFIRM, {"status": 0xB7, "endpoint": 1, "transaction": 9}),
    "incomingMsg": znp.ask(znp.INCOMING_MESSAGE, MESSAGE),
    "stateChangeInd": znp.ask(zdo.STATE_CHANGE, {"state": DeviceState.COORDINATOR}),
    "tcDeviceInd": znp.ask(zdo.TRUST_CENTRE_DEVICE, {"short": 0x1234, "eui": EUI, "parent": 0}),
    "leaveInd": znp.ask(zdo.LEAVE, LEAVE),
    "permitJoinInd": znp.ask(zdo.PERMIT_JOIN_INDICATION, {"duration": 60}),
    "msgCbIncoming": znp.ask(zdo.ZDO_MESSAGE, ZDO),
    "endDeviceAnnceInd": event(Cluster.DEVICE_ANNOUNCE, address=0x1234, eui=EUI, capability=0x8E),
    "activeEpRsp": event(0x8005, status=0, address=0x1234, endpoints=[1, 2]),
    "nodeDescRsp": event(0x8002, status=0, address=0x1234, descriptor=NODE),
    "simpleDescRsp": event(0x8004, status=0, address=0x1234, descriptor=ENDPOINT),
    "ieeeAddrRsp": event(0x8001, status=0, eui=EUI, address=0x1234),
    "bindRsp": event(0x8021, status=0),
    "mgmtLeaveRsp": event(0x8034, status=0),
    "mgmtPermitJoinRsp": event(0x8036, status=0),
    "mgmtNwkUpdateNotify": event(
        0x8038, status=0, channels=1 << 15 | 1 << 20, transmissions=0, failures=0, energies=[7, 9]
    ),
    "bdbAddInstallCode": znp.tell(znp.ADD_INSTALL_CODE, {"status": 0}),
    "bdbStartCommissioning": znp.tell(znp.START_COMMISSIONING, {"status": 0}),
    "bdbComissioningNotifcation": znp.ask(znp.COMMISSIONING, {"status": 8, "mode": 4, "remaining": 0}),
    "readConfiguration": znp.tell(znp.READ_CONFIGURATION, {"status": 0, "id": 0x62, "value": bytes(16)}),
    "dataRetrieve": znp.tell(znp.DATA_RETRIEVE, {"status": 0, "data": b"12345"}),
    "extFindGroup": znp.tell(zdo.FIND_GROUP, {"status": 1, "group": 0x0B84, "name": b""}),
    "getLinkKey": znp.tell(zdo.GET_LINK_KEY, {"status": 0, "eui": EUI, "key": bytes(range(16))}),
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
    znp.ask(znp.DATA_REQUEST_EXTENDED, SEND | {"mode": AddressMode.EXTENDED, "destination": EUI, "pan": 0}),
    znp.ask(zdo.PERMIT_JOIN, {"mode": 15, "destination": 0xFFFC, "duration": 60, "significance": 0}),
    znp.ask(zdo.ROUTE_DISCOVERY, {"destination": 0x1234, "options": 0, "radius": 30}),
    znp.ask(
        zdo.MGMT_NWK_UPDATE,
        {"destination": 0, "mode": 2, "channels": 0x07FFF800, "duration": 3, "count": 1, "manager": 0},
    ),
    znp.ask(zdo.SIMPLE_DESCRIPTOR, {"destination": 0x1234, "address": 0x1234, "endpoint": 1}),
    znp.ask(zdo.UPDATE_NETWORK_KEY, {"destination": 0xFFFF, "sequence": 1, "key": bytes(range(16))}),
    znp.ask(zdo.SWITCH_NETWORK_KEY, {"destination": 0xFFFF, "sequence": 1}),
    znp.ask(zdo.SET_LINK_KEY, {"short": 0x1234, "eui": EUI, "key": bytes(range(16))}),
    znp.ask(znp.ADD_INSTALL_CODE, {"format": 2, "eui": EUI, "code": bytes(range(16))}),
    znp.ask(znp.START_COMMISSIONING, {"mode": 4}),
    znp.ask(znp.SET_CHANNEL, {"primary": 1, "channels": 1 << 20}),
    znp.ask(znp.GET_ASSOCIATED, {"eui": EUI, "short": 0}),
    znp.ask(znp.SET_POWER, {"power": -3}),
    znp.ask(znp.DATA_REQUEST_ROUTED, SEND | {"destination": 0x1234, "relays": [0x0102, 0x0304], "data": bytes(9)}),
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
