"""Items of a ZNP radio processor's non-volatile memory that hosts read and write, declared with ``construct``.

Source: TI Z-Stack 1.2 and 3.0.2 (``ZComDef.h`` for the numbers, ``nwk.h`` for the network information base). Layouts
are those of processors that do not align their structures (CC253x): the network information base has 110 octets, and
hosts refuse one more.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

from construct import Bytes, Int8ul, Int16ul, Int32ul

from protocols.zigbee.declared import EUI, Values, build, parse
from protocols.zigbee.znp.commands import fields


class Item(IntEnum):
    """Numbers of items."""

    EXTENDED_ADDRESS = 0x01
    STARTUP_OPTION = 0x03
    NIB = 0x21
    ADDRESS_MANAGER = 0x23
    EXTENDED_PAN = 0x2D
    POLL_RATE = 0x24
    QUEUED_POLL_RATE = 0x25
    RESPONSE_POLL_RATE = 0x26
    BROADCAST_RETRIES = 0x2E
    PASSIVE_ACK_TIMEOUT = 0x2F
    BROADCAST_DELIVERY_TIME = 0x30
    NODE_DESCRIPTOR = 0x32
    CONCENTRATOR_ENABLE = 0x33
    CONCENTRATOR_DISCOVERY = 0x36
    ROUTE_EXPIRY_TIME = 0x38
    ACTIVE_KEY = 0x3A
    ALTERNATE_KEY = 0x3B
    ROUTER_OFF_ASSOCIATION = 0x3E
    PRECONFIGURED_KEY = 0x62
    PRECONFIGURED_KEYS_ENABLE = 0x63
    NWK_KEY_INFO = 0x82
    PAN = 0x83
    CHANNEL_LIST = 0x84
    LOGICAL_TYPE = 0x87
    ZDO_DIRECT_CALLBACK = 0x8F
    CONFIGURED = 0x0F00
    """Which host set this processor up; 0x55 when zigpy-znp or herdsman did."""


KEY_DESCRIPTOR: Final = fields("sequence" / Int8ul, "key" / Bytes(16))
"""A network key: items ACTIVE_KEY and ALTERNATE_KEY, 17 octets."""

KEY_INFO: Final = fields("sequence" / Int8ul, "key" / Bytes(16), "frame_counter" / Int32ul)
"""The network key in use and its outgoing frame counter: item NWK_KEY_INFO, 21 octets."""

NETWORK_INFORMATION: Final = fields(
    "sequence" / Int8ul,
    "passive_ack_timeout" / Int8ul,
    "broadcast_retries" / Int8ul,
    "max_children" / Int8ul,
    "max_depth" / Int8ul,
    "max_routers" / Int8ul,
    "dummy_neighbours" / Int8ul,
    "broadcast_delivery_time" / Int8ul,
    "report_constant_cost" / Int8ul,
    "route_discovery_retries" / Int8ul,
    "dummy_routes" / Int8ul,
    "secure_all_frames" / Int8ul,
    "security_level" / Int8ul,
    "symmetric_links" / Int8ul,
    "capability" / Int8ul,
    "transaction_persistence" / Int16ul,
    "protocol_version" / Int8ul,
    "route_discovery_time" / Int8ul,
    "route_expiry_time" / Int8ul,
    "short" / Int16ul,
    "channel" / Int8ul,
    "coordinator" / Int16ul,
    "coordinator_eui" / EUI,
    "pan" / Int16ul,
    "state" / Int8ul,
    "channels" / Int32ul,
    "beacon_order" / Int8ul,
    "superframe_order" / Int8ul,
    "scan_duration" / Int8ul,
    "battery_life_extension" / Int8ul,
    "router_addresses" / Int32ul,
    "end_device_addresses" / Int32ul,
    "depth" / Int8ul,
    "extended_pan" / EUI,
    "key_loaded" / Int8ul,
    "spare_keys" / Bytes(34),
    "spare" / Bytes(2),
    "link_status_period" / Int8ul,
    "router_age_limit" / Int8ul,
    "multicast" / Int8ul,
    "concentrator" / Int8ul,
    "concentrator_discovery_time" / Int8ul,
    "concentrator_radius" / Int8ul,
    "all_fresh" / Int8ul,
    "manager" / Int16ul,
    "transmissions" / Int16ul,
    "update_id" / Int8ul,
)
"""The network information base: item NIB, 110 octets."""

LAYOUTS: Final = {
    Item.NIB: NETWORK_INFORMATION,
    Item.ACTIVE_KEY: KEY_DESCRIPTOR,
    Item.ALTERNATE_KEY: KEY_DESCRIPTOR,
    Item.NWK_KEY_INFO: KEY_INFO,
    Item.EXTENDED_ADDRESS: fields("eui" / EUI),
    Item.EXTENDED_PAN: fields("extended_pan" / EUI),
    Item.PAN: fields("pan" / Int16ul),
    Item.CHANNEL_LIST: fields("channels" / Int32ul),
    Item.LOGICAL_TYPE: fields("type" / Int8ul),
}
"""Items with more to them than octets."""


def read_item(item: Item, octets: bytes) -> dict[str, Any]:
    """The fields of an item of :data:`LAYOUTS`. DecodeError unless the octets are exactly these."""
    return parse(LAYOUTS[item], octets, f"ZNP item {item.name}")


def build_item(item: Item, values: Values) -> bytes:
    """An item of :data:`LAYOUTS`. LocalProtocolError for a field that is missing or out of range."""
    return build(LAYOUTS[item], values, f"ZNP item {item.name}")
