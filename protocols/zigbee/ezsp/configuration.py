"""Commands about the processor itself: version, configuration, values, policies, tokens, counters."""

from __future__ import annotations

from typing import Final

from construct import Array, Bytes, Flag, Int8ul, Int16ul, Int32ul, this

from protocols.zigbee.ezsp.command import BYTES, STATUS, callback, fields, request
from protocols.zigbee.ezsp.enums import COUNTERS

_NOTHING: Final = fields()
_COUNTERS: Final = fields("values" / Array(COUNTERS, Int16ul))
_STATUS_BYTES: Final = fields(STATUS, "value" / BYTES)

VERSION: Final = request(
    "version",
    0x0000,
    "desired" / Int8ul,
    answer=fields("protocol" / Int8ul, "stack_type" / Int8ul, "stack" / Int16ul),
)
ADD_ENDPOINT: Final = request(
    "addEndpoint",
    0x0002,
    "endpoint" / Int8ul,
    "profile" / Int16ul,
    "device" / Int16ul,
    "version" / Int8ul,
    "input_count" / Int8ul,
    "output_count" / Int8ul,
    "inputs" / Array(this.input_count, Int16ul),
    "outputs" / Array(this.output_count, Int16ul),
)
GET_EXTENDED_VALUE: Final = request(
    "getExtendedValue", 0x0003, "id" / Int8ul, "characteristics" / Int32ul, answer=_STATUS_BYTES
)
NOP: Final = request("nop", 0x0005, answer=_NOTHING)
CALLBACK: Final = request("callback", 0x0006, answer=_NOTHING)
NO_CALLBACKS: Final = callback("noCallbacks", 0x0007)
SET_TOKEN: Final = request("setToken", 0x0009, "id" / Int8ul, "value" / Bytes(8))
GET_TOKEN: Final = request("getToken", 0x000A, "id" / Int8ul, answer=fields(STATUS, "value" / Bytes(8)))
GET_MFG_TOKEN: Final = request("getMfgToken", 0x000B, "id" / Int8ul, answer=fields("value" / BYTES))
SET_MFG_TOKEN: Final = request("setMfgToken", 0x000C, "id" / Int8ul, "value" / BYTES)
SET_MANUFACTURER_CODE: Final = request("setManufacturerCode", 0x0015, "code" / Int16ul, answer=_NOTHING)
SET_POWER_DESCRIPTOR: Final = request("setPowerDescriptor", 0x0016, "descriptor" / Int16ul, answer=_NOTHING)
CUSTOM_FRAME: Final = request("customFrame", 0x0047, "payload" / BYTES, answer=_STATUS_BYTES)
RANDOM_NUMBER: Final = request("getRandomNumber", 0x0049, answer=fields(STATUS, "value" / Int16ul))
GET_CONFIGURATION: Final = request(
    "getConfigurationValue", 0x0052, "id" / Int8ul, answer=fields(STATUS, "value" / Int16ul)
)
SET_CONFIGURATION: Final = request("setConfigurationValue", 0x0053, "id" / Int8ul, "value" / Int16ul)
SET_POLICY: Final = request("setPolicy", 0x0055, "id" / Int8ul, "decision" / Int8ul)
GET_POLICY: Final = request("getPolicy", 0x0056, "id" / Int8ul, answer=fields(STATUS, "decision" / Int8ul))
INVALID_COMMAND: Final = callback("invalidCommand", 0x0058, STATUS)
READ_AND_CLEAR_COUNTERS: Final = request("readAndClearCounters", 0x0065, answer=_COUNTERS)
TOKEN_FACTORY_RESET: Final = request(
    "tokenFactoryReset", 0x0077, "keep_frame_counters" / Flag, "keep_boot_counter" / Flag, answer=_NOTHING
)
ECHO: Final = request("echo", 0x0081, "value" / BYTES, answer=fields("value" / BYTES))
SET_CCA_MODE: Final = request("setRadioIeee802154CcaMode", 0x0095, "mode" / Int8ul)
GET_VALUE: Final = request("getValue", 0x00AA, "id" / Int8ul, answer=_STATUS_BYTES)
SET_VALUE: Final = request("setValue", 0x00AB, "id" / Int8ul, "value" / BYTES)
READ_COUNTERS: Final = request("readCounters", 0x00F1, answer=_COUNTERS)
RESET_NODE: Final = request("resetNode", 0x0104, answer=_NOTHING)
