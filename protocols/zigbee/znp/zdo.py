"""ZDO commands of a ZNP: requests that hosts make of the device profile, and what the processor tells of it.

Source: TI "Z-Stack Monitor and Test API", chapter MT_ZDO. A request is the device profile's message
(:mod:`protocols.zigbee.zdo`) without its sequence number and behind a destination; an event that brings a response is
that message without its sequence number and behind its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from construct import Bytes, Construct, GreedyBytes, Int8ul, Int16ul, Int32ul, PrefixedArray

from protocols.errors import LocalProtocolError
from protocols.zigbee import zdo
from protocols.zigbee.declared import EUI, Values, build
from protocols.zigbee.mt import Frame, Kind, Subsystem
from protocols.zigbee.zdo import RESPONSE, Cluster
from protocols.zigbee.znp.command import SHORT_BYTES, Command, event, fields, request

_ZDO: Final = Subsystem.ZDO
_SENT_TO: Final = "destination" / Int16ul
_RECEIVED_FROM: Final = "source" / Int16ul


def _message(cluster: int) -> tuple[Construct, ...]:
    """The fields of a device profile message, without its sequence number and its end."""
    return tuple(zdo.MESSAGES[cluster].layout.subcons[1:-1])


NWK_ADDRESS: Final = request("nwkAddrReq", _ZDO, 0x00, *_message(Cluster.NWK_ADDRESS))
IEEE_ADDRESS: Final = request("ieeeAddrReq", _ZDO, 0x01, *_message(Cluster.IEEE_ADDRESS))
NODE_DESCRIPTOR: Final = request("nodeDescReq", _ZDO, 0x02, _SENT_TO, *_message(Cluster.NODE_DESCRIPTOR))
POWER_DESCRIPTOR: Final = request("powerDescReq", _ZDO, 0x03, _SENT_TO, *_message(Cluster.POWER_DESCRIPTOR))
SIMPLE_DESCRIPTOR: Final = request("simpleDescReq", _ZDO, 0x04, _SENT_TO, *_message(Cluster.SIMPLE_DESCRIPTOR))
ACTIVE_ENDPOINTS: Final = request("activeEpReq", _ZDO, 0x05, _SENT_TO, *_message(Cluster.ACTIVE_ENDPOINTS))
MATCH_DESCRIPTOR: Final = request("matchDescReq", _ZDO, 0x06, _SENT_TO, *_message(Cluster.MATCH_DESCRIPTOR))
_BINDING: Final = (
    _SENT_TO,
    "source" / EUI,
    "source_endpoint" / Int8ul,
    "cluster" / Int16ul,
    "mode" / Int8ul,
    "destination_eui" / EUI,  # a group stands in its last two octets
    "destination_endpoint" / Int8ul,
)
BIND: Final = request("bindReq", _ZDO, 0x21, *_BINDING)
UNBIND: Final = request("unbindReq", _ZDO, 0x22, *_BINDING)
SET_LINK_KEY: Final = request("setLinkKey", _ZDO, 0x23, "short" / Int16ul, "eui" / EUI, "key" / Bytes(16))
REMOVE_LINK_KEY: Final = request("removeLinkKey", _ZDO, 0x24, "eui" / EUI)
GET_LINK_KEY: Final = request(
    "getLinkKey", _ZDO, 0x25, "eui" / EUI, answer=fields("status" / Int8ul, "eui" / EUI, "key" / Bytes(16))
)
MGMT_LQI: Final = request("mgmtLqiReq", _ZDO, 0x31, _SENT_TO, *_message(Cluster.MGMT_LQI))
MGMT_ROUTES: Final = request("mgmtRtgReq", _ZDO, 0x32, _SENT_TO, *_message(Cluster.MGMT_ROUTES))
MGMT_BIND: Final = request("mgmtBindReq", _ZDO, 0x33, _SENT_TO, *_message(Cluster.MGMT_BIND))
MGMT_LEAVE: Final = request("mgmtLeaveReq", _ZDO, 0x34, _SENT_TO, *_message(Cluster.MGMT_LEAVE))
PERMIT_JOIN: Final = request(
    "mgmtPermitJoinReq",
    _ZDO,
    0x36,
    "mode" / Int8ul,
    "destination" / Int16ul,
    "duration" / Int8ul,
    "significance" / Int8ul,
)
MGMT_NWK_UPDATE: Final = request(
    "mgmtNwkUpdateReq",
    _ZDO,
    0x37,
    _SENT_TO,
    "mode" / Int8ul,
    "channels" / Int32ul,
    "duration" / Int8ul,
    "count" / Int8ul,
    "manager" / Int16ul,
)
CALLBACK_REGISTER: Final = request("msgCbRegister", _ZDO, 0x3E, "cluster" / Int16ul)
CALLBACK_REMOVE: Final = request("msgCbRemove", _ZDO, 0x3F, "cluster" / Int16ul)
STARTUP: Final = request("startupFromApp", _ZDO, 0x40, "delay" / Int16ul)
ADD_LINK_KEY: Final = request("secAddLinkKey", _ZDO, 0x42, "short" / Int16ul, "eui" / EUI, "key" / Bytes(16))
ROUTE_DISCOVERY: Final = request(
    "extRouteDisc", _ZDO, 0x45, "destination" / Int16ul, "options" / Int8ul, "radius" / Int8ul
)
ROUTE_CHECK: Final = request("extRouteChk", _ZDO, 0x46, "destination" / Int16ul, "status" / Int8ul, "options" / Int8ul)
REMOVE_GROUP: Final = request("extRemoveGroup", _ZDO, 0x47, "endpoint" / Int8ul, "group" / Int16ul)
FIND_GROUPS: Final = request(
    "extFindAllGroupsEndpoint",
    _ZDO,
    0x49,
    "endpoint" / Int8ul,
    answer=fields("groups" / PrefixedArray(Int8ul, Int16ul)),
)
FIND_GROUP: Final = request(
    "extFindGroup",
    _ZDO,
    0x4A,
    "endpoint" / Int8ul,
    "group" / Int16ul,
    answer=fields("status" / Int8ul, "group" / Int16ul, "name" / SHORT_BYTES),
)
ADD_GROUP: Final = request("extAddGroup", _ZDO, 0x4B, "endpoint" / Int8ul, "group" / Int16ul, "name" / SHORT_BYTES)
UPDATE_NETWORK_KEY: Final = request(
    "extUpdateNwkKey", _ZDO, 0x4E, "destination" / Int16ul, "sequence" / Int8ul, "key" / Bytes(16)
)
SWITCH_NETWORK_KEY: Final = request("extSwitchNwkKey", _ZDO, 0x4F, "destination" / Int16ul, "sequence" / Int8ul)
NETWORK_INFO: Final = request(
    "extNwkInfo",
    _ZDO,
    0x50,
    answer=fields(
        "short" / Int16ul,
        "state" / Int8ul,
        "pan" / Int16ul,
        "parent" / Int16ul,
        "extended_pan" / EUI,
        "parent_eui" / EUI,
        "channel" / Int8ul,
    ),
)
STATE_CHANGE: Final = event("stateChangeInd", _ZDO, 0xC0, "state" / Int8ul)
DEVICE_ANNOUNCE: Final = event("endDeviceAnnceInd", _ZDO, 0xC1, _RECEIVED_FROM, *_message(Cluster.DEVICE_ANNOUNCE))
LEAVE: Final = event(
    "leaveInd",
    _ZDO,
    0xC9,
    "source" / Int16ul,
    "eui" / EUI,
    "request" / Int8ul,
    "remove_children" / Int8ul,
    "rejoin" / Int8ul,
)
TRUST_CENTRE_DEVICE: Final = event("tcDeviceInd", _ZDO, 0xCA, "short" / Int16ul, "eui" / EUI, "parent" / Int16ul)
PERMIT_JOIN_INDICATION: Final = event("permitJoinInd", _ZDO, 0xCB, "duration" / Int8ul)
ZDO_MESSAGE: Final = event(
    "msgCbIncoming",
    _ZDO,
    0xFF,
    "source" / Int16ul,
    "broadcast" / Int8ul,
    "cluster" / Int16ul,
    "secured" / Int8ul,
    "sequence" / Int8ul,
    "mac_destination" / Int16ul,
    "data" / GreedyBytes,
)

_ADDRESS_RESPONSE: Final = (
    "status" / Int8ul,
    "eui" / EUI,
    "address" / Int16ul,
    "start" / Int8ul,  # before the count, unlike in the device profile's own message
    "devices" / PrefixedArray(Int8ul, Int16ul),
)
NWK_ADDRESS_RESPONSE: Final = event("nwkAddrRsp", _ZDO, 0x80, *_ADDRESS_RESPONSE)
IEEE_ADDRESS_RESPONSE: Final = event("ieeeAddrRsp", _ZDO, 0x81, *_ADDRESS_RESPONSE)

REQUESTS: Final[Mapping[int, tuple[Command, Cluster]]] = {
    command.id: (command, cluster)
    for command, cluster in (
        (NODE_DESCRIPTOR, Cluster.NODE_DESCRIPTOR),
        (POWER_DESCRIPTOR, Cluster.POWER_DESCRIPTOR),
        (SIMPLE_DESCRIPTOR, Cluster.SIMPLE_DESCRIPTOR),
        (ACTIVE_ENDPOINTS, Cluster.ACTIVE_ENDPOINTS),
        (MATCH_DESCRIPTOR, Cluster.MATCH_DESCRIPTOR),
        (MGMT_LQI, Cluster.MGMT_LQI),
        (MGMT_ROUTES, Cluster.MGMT_ROUTES),
        (MGMT_BIND, Cluster.MGMT_BIND),
        (MGMT_LEAVE, Cluster.MGMT_LEAVE),
    )
}
"""By id: requests that are a destination and then a message of that cluster, without its sequence number."""


def _response(name: str, id: int, cluster: Cluster) -> Command:
    return event(name, _ZDO, id, _RECEIVED_FROM, *_message(cluster | RESPONSE))


RESPONSES: Final[Mapping[int, Command]] = {
    Cluster.NODE_DESCRIPTOR | RESPONSE: _response("nodeDescRsp", 0x82, Cluster.NODE_DESCRIPTOR),
    Cluster.POWER_DESCRIPTOR | RESPONSE: _response("powerDescRsp", 0x83, Cluster.POWER_DESCRIPTOR),
    Cluster.SIMPLE_DESCRIPTOR | RESPONSE: _response("simpleDescRsp", 0x84, Cluster.SIMPLE_DESCRIPTOR),
    Cluster.ACTIVE_ENDPOINTS | RESPONSE: _response("activeEpRsp", 0x85, Cluster.ACTIVE_ENDPOINTS),
    Cluster.MATCH_DESCRIPTOR | RESPONSE: _response("matchDescRsp", 0x86, Cluster.MATCH_DESCRIPTOR),
    Cluster.BIND | RESPONSE: _response("bindRsp", 0xA1, Cluster.BIND),
    Cluster.UNBIND | RESPONSE: _response("unbindRsp", 0xA2, Cluster.UNBIND),
    Cluster.MGMT_LQI | RESPONSE: _response("mgmtLqiRsp", 0xB1, Cluster.MGMT_LQI),
    Cluster.MGMT_ROUTES | RESPONSE: _response("mgmtRtgRsp", 0xB2, Cluster.MGMT_ROUTES),
    Cluster.MGMT_BIND | RESPONSE: _response("mgmtBindRsp", 0xB3, Cluster.MGMT_BIND),
    Cluster.MGMT_LEAVE | RESPONSE: _response("mgmtLeaveRsp", 0xB4, Cluster.MGMT_LEAVE),
    Cluster.MGMT_PERMIT_JOINING | RESPONSE: _response("mgmtPermitJoinRsp", 0xB6, Cluster.MGMT_PERMIT_JOINING),
    Cluster.MGMT_NWK_UPDATE | RESPONSE: _response("mgmtNwkUpdateNotify", 0xB8, Cluster.MGMT_NWK_UPDATE),
    Cluster.DEVICE_ANNOUNCE: DEVICE_ANNOUNCE,
}
"""By cluster: events that are a source and then the message, without its sequence number."""

_ADDRESS_RESPONSES: Final = {
    Cluster.NWK_ADDRESS | RESPONSE: NWK_ADDRESS_RESPONSE,
    Cluster.IEEE_ADDRESS | RESPONSE: IEEE_ADDRESS_RESPONSE,
}


def event_of(source: int, cluster: int, message: bytes) -> Frame | None:
    """The event that brings a device profile message from a short address; None where there is no event for it.

    The message is not looked into, but for the two address responses, which an event lays out otherwise: DecodeError
    for one of these that is not well formed.
    """
    command = _ADDRESS_RESPONSES.get(cluster)
    if command is not None:
        values = zdo.decode(cluster, message).values
        listed: dict[str, Any] = values["associated"] or {}
        values |= {"start": listed.get("start") or 0, "devices": listed.get("devices", [])}
        return Frame(Kind.EVENT, command.subsystem, command.id, build(command.fields, values, f"ZNP {command.name}"))
    command = RESPONSES.get(cluster)
    if command is None or not message:
        return None
    return Frame(Kind.EVENT, command.subsystem, command.id, source.to_bytes(2, "little") + message[1:])


def message_of(frame: Frame, values: Values, sequence: int) -> tuple[int, int, bytes]:
    """What a request of the device profile wants sent: destination, cluster and message, with this sequence number.

    ``values`` are its fields as read. LocalProtocolError for a frame that is no such request.
    """
    known = REQUESTS.get(frame.command)
    if known is not None:
        return values["destination"], known[1], bytes((sequence,)) + frame.data[2:]
    match frame.command:
        case NWK_ADDRESS.id:
            return 0xFFFD, Cluster.NWK_ADDRESS, bytes((sequence,)) + frame.data
        case IEEE_ADDRESS.id:
            return values["address"], Cluster.IEEE_ADDRESS, bytes((sequence,)) + frame.data
        case BIND.id | UNBIND.id:
            cluster = Cluster.BIND if frame.command == BIND.id else Cluster.UNBIND
            return values["destination"], cluster, _binding(cluster, values, sequence)
        case PERMIT_JOIN.id:
            octets = bytes((sequence, values["duration"], values["significance"]))
            return values["destination"], Cluster.MGMT_PERMIT_JOINING, octets
        case MGMT_NWK_UPDATE.id:
            return values["destination"], Cluster.MGMT_NWK_UPDATE, _update(values, sequence)
        case _:
            raise LocalProtocolError(f"the ZNP command 05.{frame.command:02X} is no request of the device profile")


def _binding(cluster: Cluster, values: Values, sequence: int) -> bytes:
    eui, endpoint = values["destination_eui"], values["destination_endpoint"]
    group = values["mode"] == zdo.GROUP_BINDING
    destination = {"group": int.from_bytes(eui[6:], "big")} if group else {"eui": eui, "endpoint": endpoint}
    named = {name: values[name] for name in ("source", "source_endpoint", "cluster", "mode")}
    return zdo.encode(cluster, sequence, **named, destination=destination)


def _update(values: Values, sequence: int) -> bytes:
    named = {name: values[name] for name in ("channels", "duration", "count", "manager")}
    return zdo.encode(Cluster.MGMT_NWK_UPDATE, sequence, **named, update_id=0)
