"""Commands about the network: form, resume, leave, permit joining, scan; and the tables of who is on it."""

from __future__ import annotations

from typing import Final

from construct import Flag, Int8sl, Int8ul, Int16ul, Int32ul, Struct

from protocols.zigbee.declared import EUI
from protocols.zigbee.ezsp.command import ADDRESS, EUI64, INDEX, ONLY_STATUS, STATUS, callback, fields, request

PARAMETERS: Final = Struct(
    "extended_pan" / EUI,
    "pan" / Int16ul,
    "power" / Int8sl,  # dBm
    "channel" / Int8ul,
    "join_method" / Int8ul,
    "manager" / Int16ul,
    "update_id" / Int8ul,
    "channels" / Int32ul,
)
CHILD: Final = Struct(
    EUI64,
    "kind" / Int8ul,
    ADDRESS,
    "phy" / Int8ul,
    "power" / Int8ul,
    "timeout" / Int8ul,
    "timeout_remaining" / Int32ul,
)
NEIGHBOUR: Final = Struct(
    ADDRESS,
    "lqi" / Int8ul,
    "in_cost" / Int8ul,
    "out_cost" / Int8ul,
    "age" / Int8ul,
    EUI64,
)
ROUTE: Final = Struct(
    "destination" / Int16ul,
    "next_hop" / Int16ul,
    "status" / Int8ul,  # 0 active, 3 unused
    "age" / Int8ul,
    "concentrator" / Int8ul,
    "record" / Int8ul,
)
BINDING: Final = Struct(
    "kind" / Int8ul,  # 0 unused, 1 unicast
    "local" / Int8ul,
    "cluster" / Int16ul,
    "remote" / Int8ul,
    "partner" / EUI,
    "network" / Int8ul,
)
MULTICAST: Final = Struct("group" / Int16ul, "endpoint" / Int8ul, "network" / Int8ul)

SET_CONCENTRATOR: Final = request(
    "setConcentrator",
    0x0010,
    "on" / Flag,
    "kind" / Int16ul,
    "least" / Int16ul,
    "most" / Int16ul,
    "route_errors" / Int8ul,
    "failures" / Int8ul,
    "hops" / Int8ul,
)
NETWORK_INIT: Final = request("networkInit", 0x0017, "options" / Int16ul)
NETWORK_STATE: Final = request("networkState", 0x0018, answer=ONLY_STATUS)
STACK_STATUS: Final = callback("stackStatusHandler", 0x0019, STATUS)
START_SCAN: Final = request("startScan", 0x001A, "kind" / Int8ul, "channels" / Int32ul, "duration" / Int8ul)
SCAN_COMPLETE: Final = callback("scanCompleteHandler", 0x001C, "channel" / Int8ul, STATUS)
STOP_SCAN: Final = request("stopScan", 0x001D)
FORM_NETWORK: Final = request("formNetwork", 0x001E, "parameters" / PARAMETERS)
LEAVE_NETWORK: Final = request("leaveNetwork", 0x0020)
PERMIT_JOINING: Final = request("permitJoining", 0x0022, "duration" / Int8ul)
CHILD_JOIN: Final = callback("childJoinHandler", 0x0023, INDEX, "joining" / Flag, ADDRESS, EUI64, "kind" / Int8ul)
TRUST_CENTRE_JOIN: Final = callback(
    "trustCenterJoinHandler",
    0x0024,
    ADDRESS,
    EUI64,
    STATUS,
    "decision" / Int8ul,
    "parent" / Int16ul,
)
GET_EUI64: Final = request("getEui64", 0x0026, answer=fields(EUI64))
GET_NODE_ID: Final = request("getNodeId", 0x0027, answer=fields(ADDRESS))
GET_PARAMETERS: Final = request(
    "getNetworkParameters", 0x0028, answer=fields(STATUS, "kind" / Int8ul, "parameters" / PARAMETERS)
)
PARENT_AND_CHILDREN: Final = request(
    "getParentChildParameters",
    0x0029,
    answer=fields("children" / Int8ul, "parent" / EUI, "parent_address" / Int16ul),
)
CLEAR_BINDINGS: Final = request("clearBindingTable", 0x002A)
SET_BINDING: Final = request("setBinding", 0x002B, INDEX, "value" / BINDING)
GET_BINDING: Final = request("getBinding", 0x002C, INDEX, answer=fields(STATUS, "value" / BINDING))
DELETE_BINDING: Final = request("deleteBinding", 0x002D, INDEX)
ENERGY_RESULT: Final = callback("energyScanResultHandler", 0x0048, "channel" / Int8ul, "rssi" / Int8sl)
GET_CHILD: Final = request("getChildData", 0x004A, INDEX, answer=fields(STATUS, "child" / CHILD))
SOURCE_ROUTE_DISCOVERY: Final = request(
    "setSourceRouteDiscoveryMode", 0x005A, "mode" / Int8ul, answer=fields("remaining" / Int32ul)
)
ADDRESS_ACTIVE: Final = request("addressTableEntryIsActive", 0x005B, INDEX, answer=fields("active" / Flag))
SET_ADDRESS_EUI: Final = request("setAddressTableRemoteEui64", 0x005C, INDEX, EUI64)
SET_ADDRESS_ID: Final = request("setAddressTableRemoteNodeId", 0x005D, INDEX, ADDRESS, answer=fields())
GET_ADDRESS_EUI: Final = request("getAddressTableRemoteEui64", 0x005E, INDEX, answer=fields(EUI64))
GET_ADDRESS_ID: Final = request("getAddressTableRemoteNodeId", 0x005F, INDEX, answer=fields(ADDRESS))
LOOK_UP_ADDRESS: Final = request("lookupNodeIdByEui64", 0x0060, EUI64, answer=fields(ADDRESS))
LOOK_UP_EUI: Final = request("lookupEui64ByNodeId", 0x0061, ADDRESS, answer=fields(STATUS, EUI64))
GET_MULTICAST: Final = request("getMulticastTableEntry", 0x0063, INDEX, answer=fields(STATUS, "value" / MULTICAST))
SET_MULTICAST: Final = request("setMulticastTableEntry", 0x0064, INDEX, "value" / MULTICAST)
GET_NEIGHBOUR: Final = request("getNeighbor", 0x0079, INDEX, answer=fields(STATUS, "value" / NEIGHBOUR))
NEIGHBOUR_COUNT: Final = request("neighborCount", 0x007A, answer=fields("count" / Int8ul))
GET_ROUTE: Final = request("getRouteTableEntry", 0x007B, INDEX, answer=fields(STATUS, "value" / ROUTE))
SET_EXTENDED_TIMEOUT: Final = request("setExtendedTimeout", 0x007E, EUI64, "extended" / Flag, answer=fields())
GET_EXTENDED_TIMEOUT: Final = request("getExtendedTimeout", 0x007F, EUI64, answer=fields("extended" / Flag))
REPLACE_ADDRESS: Final = request(
    "replaceAddressTableEntry",
    0x0082,
    INDEX,
    EUI64,
    ADDRESS,
    "extended" / Flag,
    answer=fields(STATUS, EUI64, ADDRESS, "extended" / Flag),
)
SET_POWER: Final = request("setRadioPower", 0x0099, "power" / Int8sl)
SET_CHANNEL: Final = request("setRadioChannel", 0x009A, "channel" / Int8ul)
REMOVE_DEVICE: Final = request("removeDevice", 0x00A8, ADDRESS, "parent" / EUI, EUI64)
SET_CHILD: Final = request("setChildData", 0x00AC, INDEX, "child" / CHILD)
SET_LOGICAL_CHANNEL: Final = request("setLogicalAndRadioChannel", 0x00B9, "channel" / Int8ul)
GET_CHANNEL: Final = request("getLogicalChannel", 0x00BA, answer=fields("channel" / Int8ul))
SOURCE_ROUTES: Final = request("getSourceRouteTableFilledSize", 0x00C2, answer=fields("count" / Int8ul))
CHILD_ADDRESS: Final = request("childId", 0x0106, INDEX, answer=fields(ADDRESS))
