"""Commands of TI's ZNP radio processor that Zigbee hosts use, declared with ``construct``.

Source: TI "Z-Stack Monitor and Test API" (Z-Stack 1.2 and 3.0), "CC2530-ZNP Interface Specification". :data:`COMMANDS`
has them by subsystem and id. Values are plain mappings with the names of the declarations: EUI-64s are ``bytes`` of 8
as printed, addresses, statuses and ids numbers, lists lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple

from construct import (
    Construct,
    GreedyBytes,
    Int8sl,
    Int8ul,
    Int16ul,
    Int32ul,
    Prefixed,
    PrefixedArray,
    Struct,
    Terminated,
)

from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee.declared import EUI, Values, build, parse
from protocols.zigbee.mt import Frame, Kind, Subsystem


class Status(IntEnum):
    """Statuses of answers and confirms that the emulated processor gives."""

    SUCCESS = 0x00
    FAILURE = 0x01
    INVALID_PARAMETER = 0x02
    NV_ITEM_CREATED = 0x09
    NV_OPERATION_FAILED = 0x0A
    NV_BAD_LENGTH = 0x0C
    APS_NO_ACK = 0xB7
    NWK_INVALID_REQUEST = 0xC2
    NWK_NO_ROUTE = 0xCD
    MAC_NO_ACK = 0xE9
    MAC_TRANSACTION_EXPIRED = 0xF0


class DeviceState(IntEnum):
    """What a ZDO state change tells (ZDO_STATE_CHANGE_IND)."""

    HOLD = 0
    INITIALISED = 1
    DISCOVERING = 2
    COORDINATOR_STARTING = 8
    COORDINATOR = 9


class AddressMode(IntEnum):
    """How an extended data request names its destination."""

    GROUP = 1
    SHORT = 2
    EXTENDED = 3
    BROADCAST = 15


def fields(*declared: Construct) -> Construct:
    """A layout of these fields and nothing after them."""
    return Struct(*declared, Terminated)


_STATUS: Final = fields("status" / Int8ul)
_SHORT_BYTES: Final = Prefixed(Int8ul, GreedyBytes)
_LONG_BYTES: Final = Prefixed(Int16ul, GreedyBytes)
_CLUSTERS: Final = PrefixedArray(Int8ul, Int16ul)


class Command(NamedTuple):
    """One command: what the host asks and the processor answers, or, of an event (no ``answer``), what it tells."""

    name: str
    subsystem: Subsystem
    id: int
    fields: Construct
    answer: Construct | None


def _request(name: str, subsystem: Subsystem, id: int, *declared: Construct, answer: Construct = _STATUS) -> Command:
    return Command(name, subsystem, id, fields(*declared), answer)


def _event(name: str, subsystem: Subsystem, id: int, *declared: Construct) -> Command:
    return Command(name, subsystem, id, fields(*declared), None)


_SYS: Final = Subsystem.SYS
_AF: Final = Subsystem.AF
_ZDO: Final = Subsystem.ZDO
_SAPI: Final = Subsystem.SAPI
_UTIL: Final = Subsystem.UTIL

RESET_REQUEST: Final = _event("reset", _SYS, 0x00, "type" / Int8ul)
RESET_INDICATION: Final = _event(
    "resetInd",
    _SYS,
    0x80,
    "reason" / Int8ul,
    "transport" / Int8ul,
    "product" / Int8ul,
    "major" / Int8ul,
    "minor" / Int8ul,
    "hardware" / Int8ul,
)
PING: Final = _request("ping", _SYS, 0x01, answer=fields("capabilities" / Int16ul))
VERSION: Final = _request(
    "version",
    _SYS,
    0x02,
    answer=fields(
        "transport" / Int8ul,
        "product" / Int8ul,
        "major" / Int8ul,
        "minor" / Int8ul,
        "maintenance" / Int8ul,
        "revision" / Int32ul,
    ),
)
GET_EXTENDED_ADDRESS: Final = _request("getExtAddr", _SYS, 0x04, answer=fields("eui" / EUI))
NV_INIT: Final = _request("osalNvItemInit", _SYS, 0x07, "id" / Int16ul, "length" / Int16ul, "value" / _SHORT_BYTES)
_NV_READ_ANSWER: Final = fields("status" / Int8ul, "value" / _SHORT_BYTES)
NV_READ: Final = _request("osalNvRead", _SYS, 0x08, "id" / Int16ul, "offset" / Int8ul, answer=_NV_READ_ANSWER)
NV_WRITE: Final = _request("osalNvWrite", _SYS, 0x09, "id" / Int16ul, "offset" / Int8ul, "value" / _SHORT_BYTES)
STACK_TUNE: Final = _request(
    "stackTune", _SYS, 0x0F, "operation" / Int8ul, "value" / Int8sl, answer=fields("value" / Int8ul)
)
NV_DELETE: Final = _request("osalNvDelete", _SYS, 0x12, "id" / Int16ul, "length" / Int16ul)
NV_LENGTH: Final = _request("osalNvLength", _SYS, 0x13, "id" / Int16ul, answer=fields("length" / Int16ul))
NV_READ_LONG: Final = _request("osalNvReadExt", _SYS, 0x1C, "id" / Int16ul, "offset" / Int16ul, answer=_NV_READ_ANSWER)
NV_WRITE_LONG: Final = _request("osalNvWriteExt", _SYS, 0x1D, "id" / Int16ul, "offset" / Int16ul, "value" / _LONG_BYTES)

REGISTER: Final = _request(
    "register",
    _AF,
    0x00,
    "endpoint" / Int8ul,
    "profile" / Int16ul,
    "device" / Int16ul,
    "version" / Int8ul,
    "latency" / Int8ul,
    "inputs" / _CLUSTERS,
    "outputs" / _CLUSTERS,
)
DATA_REQUEST: Final = _request(
    "dataRequest",
    _AF,
    0x01,
    "destination" / Int16ul,
    "destination_endpoint" / Int8ul,
    "source_endpoint" / Int8ul,
    "cluster" / Int16ul,
    "transaction" / Int8ul,
    "options" / Int8ul,
    "radius" / Int8ul,
    "data" / _SHORT_BYTES,
)
DATA_REQUEST_EXTENDED: Final = _request(
    "dataRequestExt",
    _AF,
    0x02,
    "mode" / Int8ul,
    "destination" / EUI,  # a short address or group stands in its last two octets
    "destination_endpoint" / Int8ul,
    "pan" / Int16ul,
    "source_endpoint" / Int8ul,
    "cluster" / Int16ul,
    "transaction" / Int8ul,
    "options" / Int8ul,
    "radius" / Int8ul,
    "data" / _LONG_BYTES,
)
DATA_CONFIRM: Final = _event("dataConfirm", _AF, 0x80, "status" / Int8ul, "endpoint" / Int8ul, "transaction" / Int8ul)
INCOMING_MESSAGE: Final = _event(
    "incomingMsg",
    _AF,
    0x81,
    "group" / Int16ul,
    "cluster" / Int16ul,
    "source" / Int16ul,
    "source_endpoint" / Int8ul,
    "destination_endpoint" / Int8ul,
    "broadcast" / Int8ul,
    "lqi" / Int8ul,
    "secured" / Int8ul,
    "timestamp" / Int32ul,
    "sequence" / Int8ul,
    "data" / _SHORT_BYTES,
    "mac_source" / Int16ul,
    "radius" / Int8ul,
)

NODE_DESCRIPTOR: Final = _request("nodeDescReq", _ZDO, 0x02, "destination" / Int16ul, "about" / Int16ul)
SIMPLE_DESCRIPTOR: Final = _request(
    "simpleDescReq", _ZDO, 0x04, "destination" / Int16ul, "about" / Int16ul, "endpoint" / Int8ul
)
ACTIVE_ENDPOINTS: Final = _request("activeEpReq", _ZDO, 0x05, "destination" / Int16ul, "about" / Int16ul)
PERMIT_JOIN: Final = _request(
    "mgmtPermitJoinReq",
    _ZDO,
    0x36,
    "mode" / Int8ul,
    "destination" / Int16ul,
    "duration" / Int8ul,
    "significance" / Int8ul,
)
CALLBACK_REGISTER: Final = _request("msgCbRegister", _ZDO, 0x3E, "cluster" / Int16ul)
STARTUP: Final = _request("startupFromApp", _ZDO, 0x40, "delay" / Int16ul)
ROUTE_DISCOVERY: Final = _request(
    "extRouteDisc", _ZDO, 0x45, "destination" / Int16ul, "options" / Int8ul, "radius" / Int8ul
)
ROUTE_CHECK: Final = _request("extRouteChk", _ZDO, 0x46, "destination" / Int16ul, "status" / Int8ul, "options" / Int8ul)
FIND_GROUP: Final = _request(
    "extFindGroup",
    _ZDO,
    0x4A,
    "endpoint" / Int8ul,
    "group" / Int16ul,
    answer=fields("status" / Int8ul, "group" / Int16ul, "name" / _SHORT_BYTES),
)
ADD_GROUP: Final = _request("extAddGroup", _ZDO, 0x4B, "endpoint" / Int8ul, "group" / Int16ul, "name" / _SHORT_BYTES)
NETWORK_INFO: Final = _request(
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
PERMIT_JOIN_RESPONSE: Final = _event("mgmtPermitJoinRsp", _ZDO, 0xB6, "source" / Int16ul, "status" / Int8ul)
STATE_CHANGE: Final = _event("stateChangeInd", _ZDO, 0xC0, "state" / Int8ul)
DEVICE_ANNOUNCE: Final = _event(
    "endDeviceAnnceInd", _ZDO, 0xC1, "source" / Int16ul, "short" / Int16ul, "eui" / EUI, "capability" / Int8ul
)
LEAVE: Final = _event(
    "leaveInd",
    _ZDO,
    0xC9,
    "source" / Int16ul,
    "eui" / EUI,
    "request" / Int8ul,
    "remove_children" / Int8ul,
    "rejoin" / Int8ul,
)
TRUST_CENTRE_DEVICE: Final = _event("tcDeviceInd", _ZDO, 0xCA, "short" / Int16ul, "eui" / EUI, "parent" / Int16ul)
PERMIT_JOIN_INDICATION: Final = _event("permitJoinInd", _ZDO, 0xCB, "duration" / Int8ul)
ZDO_MESSAGE: Final = _event(
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

SAPI_DEVICE_INFO: Final = _request(
    "getDeviceInfo", _SAPI, 0x06, "parameter" / Int8ul, answer=fields("parameter" / Int8ul, "value" / EUI)
)
DEVICE_INFO: Final = _request(
    "getDeviceInfo",
    _UTIL,
    0x00,
    answer=fields(
        "status" / Int8ul,
        "eui" / EUI,
        "short" / Int16ul,
        "type" / Int8ul,
        "state" / Int8ul,
        "children" / _CLUSTERS,
    ),
)
LED: Final = _request("ledControl", _UTIL, 0x0A, "led" / Int8ul, "mode" / Int8ul)
FIND_ASSOCIATED: Final = _request(
    "assocFindDevice",
    _UTIL,
    0x49,
    "index" / Int8ul,
    answer=fields(
        "short" / Int16ul,
        "address_index" / Int16ul,
        "relation" / Int8ul,
        "status" / Int8ul,
        "associations" / Int8ul,
        "age" / Int8ul,
        "sent" / Int8ul,
        "cost" / Int8ul,
        "lqi" / Int8ul,
        "key_sequence" / Int8ul,
        "frame_counter" / Int32ul,
        "failures" / Int16ul,
        "end_device_configuration" / Int8ul,
        "device_timeout" / Int32ul,
        "timeout_counter" / Int32ul,
        "keep_alive" / Int8ul,
    ),
)
ADD_INSTALL_CODE: Final = _request(
    "bdbAddInstallCode", Subsystem.APP_CONFIG, 0x04, "format" / Int8ul, "eui" / EUI, "code" / GreedyBytes
)
SET_CHANNEL: Final = _request("bdbSetChannel", Subsystem.APP_CONFIG, 0x08, "primary" / Int8ul, "channels" / Int32ul)

COMMANDS: Final[Mapping[tuple[int, int], Command]] = {
    (each.subsystem, each.id): each for each in tuple(globals().values()) if isinstance(each, Command)
}


def read(frame: Frame) -> tuple[Command, dict[str, Any]]:
    """What a frame says. DecodeError for a command that is not declared, or octets that are not its fields."""
    command = COMMANDS.get((frame.subsystem, frame.command))
    if command is None:
        raise DecodeError(f"the ZNP command {frame.subsystem:02X}.{frame.command:02X}", expected="one declared")
    layout = command.answer if frame.kind is Kind.ANSWER else command.fields
    if layout is None:
        raise DecodeError(f"an answer to {command.name}, which has none")
    return command, parse(layout, frame.data, f"ZNP {command.name}")


def ask(command: Command, values: Values) -> Frame:
    """The request or event with these fields. LocalProtocolError for a field that is missing or out of range."""
    kind = Kind.EVENT if command.answer is None else Kind.REQUEST
    return Frame(kind, command.subsystem, command.id, build(command.fields, values, f"ZNP {command.name}"))


def tell(command: Command, values: Values) -> Frame:
    """The answer to a request with these fields. LocalProtocolError as :func:`ask`, and for an event."""
    if command.answer is None:
        raise LocalProtocolError(f"an answer to {command.name}, which has none")
    return Frame(
        Kind.ANSWER, command.subsystem, command.id, build(command.answer, values, f"answer to ZNP {command.name}")
    )
