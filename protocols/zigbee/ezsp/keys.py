"""Commands about security: the state a network begins with, keys of the trust centre, the security manager."""

from __future__ import annotations

from typing import Final

from construct import Flag, Int8ul, Int16ul, Int32ul, Struct

from protocols.zigbee.declared import EUI
from protocols.zigbee.ezsp.command import (
    ADDRESS,
    EUI64,
    INDEX,
    KEY,
    KEY_STATUS,
    ONLY_KEY_STATUS,
    STATUS,
    callback,
    fields,
    request,
)

INITIAL_STATE: Final = Struct(
    "options" / Int16ul,
    "preconfigured_key" / KEY,
    "network_key" / KEY,
    "key_sequence" / Int8ul,
    "trust_centre" / EUI,
)
CURRENT_STATE: Final = Struct("options" / Int16ul, "trust_centre" / EUI)
CONTEXT: Final = Struct(
    "kind" / Int8ul,
    INDEX,
    "derived" / Int16ul,
    EUI64,
    "network" / Int8ul,
    "flags" / Int8ul,
    "algorithm" / Int32ul,
)
METADATA: Final = Struct("known" / Int16ul, "outgoing" / Int32ul, "incoming" / Int32ul, "lifetime" / Int16ul)

SET_INITIAL_STATE: Final = request("setInitialSecurityState", 0x0068, "state" / INITIAL_STATE)
GET_CURRENT_STATE: Final = request("getCurrentSecurityState", 0x0069, answer=fields(STATUS, "state" / CURRENT_STATE))
CLEAR_TRANSIENT_KEYS: Final = request("clearTransientLinkKeys", 0x006B, answer=fields())
KEY_SWITCHED: Final = callback("switchNetworkKeyHandler", 0x006E, "sequence" / Int8ul)
BROADCAST_NEXT_KEY: Final = request("broadcastNextNetworkKey", 0x0073, "key" / KEY)
BROADCAST_KEY_SWITCH: Final = request("broadcastNetworkKeySwitch", 0x0074)
FIND_KEY: Final = request("findKeyTableEntry", 0x0075, EUI64, "link_key" / Flag, answer=fields(INDEX))
ERASE_KEY: Final = request("eraseKeyTableEntry", 0x0076, INDEX)
UNICAST_NEXT_KEY: Final = request("unicastNwkKeyUpdate", 0x00A9, ADDRESS, EUI64, "key" / KEY)
CLEAR_KEYS: Final = request("clearKeyTable", 0x00B1)
KEY_INFO: Final = request(
    "getApsKeyInfo", 0x010C, "context" / CONTEXT, answer=fields(EUI64, "about" / METADATA, KEY_STATUS)
)
EXPORT_LINK_KEY: Final = request(
    "exportLinkKeyByEui", 0x010D, EUI64, answer=fields("key" / KEY, INDEX, "about" / METADATA, KEY_STATUS)
)
IMPORT_LINK_KEY: Final = request("importLinkKey", 0x010E, INDEX, EUI64, "key" / KEY, answer=ONLY_KEY_STATUS)
EXPORT_LINK_KEY_AT: Final = request(
    "exportLinkKeyByIndex", 0x010F, INDEX, answer=fields(EUI64, "key" / KEY, "about" / METADATA, KEY_STATUS)
)
IMPORT_TRANSIENT_KEY: Final = request(
    "importTransientKey", 0x0111, EUI64, "key" / KEY, "flags" / Int8ul, answer=ONLY_KEY_STATUS
)
_TRANSIENT: Final = fields("context" / CONTEXT, "key" / KEY, "about" / METADATA, KEY_STATUS)
EXPORT_TRANSIENT_KEY_AT: Final = request("exportTransientKeyByIndex", 0x0112, INDEX, answer=_TRANSIENT)
EXPORT_TRANSIENT_KEY: Final = request("exportTransientKeyByEui", 0x0113, EUI64, answer=_TRANSIENT)
EXPORT_KEY: Final = request("exportKey", 0x0114, "context" / CONTEXT, answer=fields("key" / KEY, KEY_STATUS))
NETWORK_KEY_INFO: Final = request(
    "getNetworkKeyInfo",
    0x0116,
    answer=fields(
        KEY_STATUS,
        "set" / Flag,
        "alternate_set" / Flag,
        "sequence" / Int8ul,
        "alternate_sequence" / Int8ul,
        "frame_counter" / Int32ul,
    ),
)
