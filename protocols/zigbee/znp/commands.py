"""Commands of TI's ZNP radio processor that Zigbee hosts use, declared with ``construct``; :data:`COMMANDS` has all.

Source: TI "Z-Stack Monitor and Test API" (Z-Stack 1.2 and 3.0), "CC2530-ZNP Interface Specification". Those of the ZDO
subsystem are in :mod:`protocols.zigbee.znp.zdo`, the codec of data messages that runs for each of them is in
:mod:`protocols.zigbee.znp.data`. Values are plain mappings with the names of the declarations: EUI-64s are ``bytes`` of
8 as printed, addresses, statuses and ids numbers, lists lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from construct import GreedyBytes, Int8sl, Int8ul, Int16ul, Int32ul

from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee.declared import EUI, Values, build, parse
from protocols.zigbee.mt import Frame, Kind, Subsystem
from protocols.zigbee.znp import zdo
from protocols.zigbee.znp.command import LONG_BYTES, SHORT_BYTES, SHORT_LIST, Command, event, fields, request

_SYS: Final = Subsystem.SYS
_AF: Final = Subsystem.AF
_SAPI: Final = Subsystem.SAPI
_UTIL: Final = Subsystem.UTIL
_APP_CONFIG: Final = Subsystem.APP_CONFIG

RESET_REQUEST: Final = event("reset", _SYS, 0x00, "type" / Int8ul)
RESET_INDICATION: Final = event(
    "resetInd",
    _SYS,
    0x80,
    "reason" / Int8ul,  # 0 power, 1 reset pin, 2 watchdog
    "transport" / Int8ul,
    "product" / Int8ul,
    "major" / Int8ul,
    "minor" / Int8ul,
    "hardware" / Int8ul,
)
PING: Final = request("ping", _SYS, 0x01, answer=fields("capabilities" / Int16ul))
VERSION: Final = request(
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
GET_EXTENDED_ADDRESS: Final = request("getExtAddr", _SYS, 0x04, answer=fields("eui" / EUI))
NV_INIT: Final = request("osalNvItemInit", _SYS, 0x07, "id" / Int16ul, "length" / Int16ul, "value" / SHORT_BYTES)
_NV_READ_ANSWER: Final = fields("status" / Int8ul, "value" / SHORT_BYTES)
NV_READ: Final = request("osalNvRead", _SYS, 0x08, "id" / Int16ul, "offset" / Int8ul, answer=_NV_READ_ANSWER)
NV_WRITE: Final = request("osalNvWrite", _SYS, 0x09, "id" / Int16ul, "offset" / Int8ul, "value" / SHORT_BYTES)
RANDOM: Final = request("random", _SYS, 0x0C, answer=fields("value" / Int16ul))
STACK_TUNE: Final = request(
    "stackTune", _SYS, 0x0F, "operation" / Int8ul, "value" / Int8sl, answer=fields("value" / Int8ul)
)
NV_DELETE: Final = request("osalNvDelete", _SYS, 0x12, "id" / Int16ul, "length" / Int16ul)
NV_LENGTH: Final = request("osalNvLength", _SYS, 0x13, "id" / Int16ul, answer=fields("length" / Int16ul))
SET_POWER: Final = request("setTxPower", _SYS, 0x14, "power" / Int8sl, answer=fields("power" / Int8sl))
NV_READ_LONG: Final = request("osalNvReadExt", _SYS, 0x1C, "id" / Int16ul, "offset" / Int16ul, answer=_NV_READ_ANSWER)
NV_WRITE_LONG: Final = request("osalNvWriteExt", _SYS, 0x1D, "id" / Int16ul, "offset" / Int16ul, "value" / LONG_BYTES)

REGISTER: Final = request(
    "register",
    _AF,
    0x00,
    "endpoint" / Int8ul,
    "profile" / Int16ul,
    "device" / Int16ul,
    "version" / Int8ul,
    "latency" / Int8ul,
    "inputs" / SHORT_LIST,
    "outputs" / SHORT_LIST,
)
DATA_REQUEST: Final = request(
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
    "data" / SHORT_BYTES,
)
DATA_REQUEST_EXTENDED: Final = request(
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
    "data" / LONG_BYTES,
)
DATA_REQUEST_ROUTED: Final = request(
    "dataRequestSrcRtg",
    _AF,
    0x03,
    "destination" / Int16ul,
    "destination_endpoint" / Int8ul,
    "source_endpoint" / Int8ul,
    "cluster" / Int16ul,
    "transaction" / Int8ul,
    "options" / Int8ul,
    "radius" / Int8ul,
    "relays" / SHORT_LIST,
    "data" / SHORT_BYTES,
)
DELETE: Final = request("delete", _AF, 0x04, "endpoint" / Int8ul)
INTER_PAN: Final = request("interPanCtl", _AF, 0x10, "command" / Int8ul, "data" / GreedyBytes)
DATA_RETRIEVE: Final = request(
    "dataRetrieve",
    _AF,
    0x12,
    "timestamp" / Int32ul,
    "index" / Int16ul,
    "length" / Int8ul,  # 0: forget the message
    answer=fields("status" / Int8ul, "data" / SHORT_BYTES),
)
DATA_CONFIRM: Final = event("dataConfirm", _AF, 0x80, "status" / Int8ul, "endpoint" / Int8ul, "transaction" / Int8ul)
INCOMING_MESSAGE: Final = event(
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
    "data" / SHORT_BYTES,
    "mac_source" / Int16ul,
    "radius" / Int8ul,
)
INCOMING_LONG: Final = event(
    "incomingMsgExt",
    _AF,
    0x82,
    "group" / Int16ul,
    "cluster" / Int16ul,
    "mode" / Int8ul,
    "source" / EUI,  # a short address stands in its last two octets
    "source_endpoint" / Int8ul,
    "source_pan" / Int16ul,
    "destination_endpoint" / Int8ul,
    "broadcast" / Int8ul,
    "lqi" / Int8ul,
    "secured" / Int8ul,
    "timestamp" / Int32ul,
    "sequence" / Int8ul,
    "length" / Int16ul,  # of the data, which is fetched by its timestamp
    "mac_source" / Int16ul,
    "radius" / Int8ul,
)

READ_CONFIGURATION: Final = request(
    "readConfiguration",
    _SAPI,
    0x04,
    "id" / Int8ul,
    answer=fields("status" / Int8ul, "id" / Int8ul, "value" / SHORT_BYTES),
)
WRITE_CONFIGURATION: Final = request("writeConfiguration", _SAPI, 0x05, "id" / Int8ul, "value" / SHORT_BYTES)
SAPI_DEVICE_INFO: Final = request(
    "getDeviceInfo", _SAPI, 0x06, "parameter" / Int8ul, answer=fields("parameter" / Int8ul, "value" / EUI)
)
DEVICE_INFO: Final = request(
    "getDeviceInfo",
    _UTIL,
    0x00,
    answer=fields(
        "status" / Int8ul,
        "eui" / EUI,
        "short" / Int16ul,
        "type" / Int8ul,
        "state" / Int8ul,
        "children" / SHORT_LIST,
    ),
)
LED: Final = request("ledControl", _UTIL, 0x0A, "led" / Int8ul, "mode" / Int8ul)
FIND_SHORT: Final = request("addrmgrExtAddrLookup", _UTIL, 0x40, "eui" / EUI, answer=fields("short" / Int16ul))
FIND_EUI: Final = request("addrmgrNwkAddrLookup", _UTIL, 0x41, "short" / Int16ul, answer=fields("eui" / EUI))
COUNT_ASSOCIATED: Final = request(
    "assocCount", _UTIL, 0x48, "first" / Int8ul, "last" / Int8ul, answer=fields("count" / Int16ul)
)
_ASSOCIATED: Final = fields(
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
)
FIND_ASSOCIATED: Final = request("assocFindDevice", _UTIL, 0x49, "index" / Int8ul, answer=_ASSOCIATED)
GET_ASSOCIATED: Final = request(
    "assocGetWithAddress",
    _UTIL,
    0x4A,
    "eui" / EUI,  # zeros: by the short address
    "short" / Int16ul,
    answer=_ASSOCIATED,
)

ADD_INSTALL_CODE: Final = request(
    "bdbAddInstallCode",
    _APP_CONFIG,
    0x04,
    "format" / Int8ul,  # 1 an install code with its CRC, 2 the link key made of one
    "eui" / EUI,
    "code" / GreedyBytes,
)
START_COMMISSIONING: Final = request("bdbStartCommissioning", _APP_CONFIG, 0x05, "mode" / Int8ul)
JOIN_BY_INSTALL_CODE: Final = request("bdbSetJoinUsesInstallCodeKey", _APP_CONFIG, 0x06, "required" / Int8ul)
SET_CHANNEL: Final = request("bdbSetChannel", _APP_CONFIG, 0x08, "primary" / Int8ul, "channels" / Int32ul)
REQUIRE_KEY_EXCHANGE: Final = request("bdbSetTcRequireKeyExchange", _APP_CONFIG, 0x09, "required" / Int8ul)
COMMISSIONING: Final = event(
    "bdbComissioningNotifcation", _APP_CONFIG, 0x80, "status" / Int8ul, "mode" / Int8ul, "remaining" / Int8ul
)

COMMANDS: Final[Mapping[tuple[int, int], Command]] = {
    each.key: each
    for each in (*globals().copy().values(), *vars(zdo).values(), *zdo.RESPONSES.values())
    if isinstance(each, Command)
}
"""By subsystem and id."""


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
