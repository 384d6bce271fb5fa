"""Items of a ZNP radio processor's non-volatile memory that hosts read and write, declared with ``construct``.

Source: TI Z-Stack 1.2 and 3.0.2 (``ZComDef.h`` for the numbers, ``nwk.h`` for the network information base). Layouts
are those of processors that do not align their structures (CC253x): the network information base has 110 octets, and
hosts refuse one more.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any, Final

from construct import Bytes, GreedyBytes, GreedyRange, Int8ul, Int16ul, Int32ul, PrefixedArray, Struct

from protocols.zigbee.declared import EUI, Values, build, parse
from protocols.zigbee.znp.command import fields


class Item(IntEnum):
    """Numbers of items."""

    EXTENDED_ADDRESS = 0x01
    STARTUP_OPTION = 0x03
    NIB = 0x21
    ADDRESS_MANAGER = 0x23
    EXTENDED_PAN = 0x2D
    BROADCAST_RETRIES = 0x2E
    PASSIVE_ACK_TIMEOUT = 0x2F
    BROADCAST_DELIVERY_TIME = 0x30
    CONCENTRATOR_ENABLE = 0x32
    CONCENTRATOR_DISCOVERY = 0x33
    CONCENTRATOR_RADIUS = 0x34
    CONCENTRATOR_ROUTE_CACHE = 0x36
    SOURCE_ROUTE_EXPIRY = 0x38
    ACTIVE_KEY = 0x3A
    ALTERNATE_KEY = 0x3B
    CHILD_AGEING = 0x3E
    PREFERRED_EXTENDED_PAN = 0x47
    """Extended PAN id of the network to be formed (apsUseExtendedPANID)."""
    APS_LINK_KEYS = 0x4C
    ON_A_NETWORK = 0x55
    """Whether the processor is on a network (bdbNodeIsOnANetwork)."""
    MIGRATION = 0x5F
    """zigpy-znp's own."""
    CONFIGURED = 0x60
    """0x55 once a host has set up a Z-Stack 3 processor; a Z-Stack 1.2 has it in 0x0F00."""
    SECURITY_LEVEL = 0x61
    PRECONFIGURED_KEY = 0x62
    PRECONFIGURED_KEYS_ENABLE = 0x63
    SECURITY_MATERIAL = 0x75
    """First of the table of network frame counters, by extended PAN id."""
    NWK_KEY_INFO = 0x82
    PAN = 0x83
    CHANNEL_LIST = 0x84
    LOGICAL_TYPE = 0x87
    ZDO_DIRECT_CALLBACK = 0x8F
    TRUST_CENTRE_SEED = 0x0101
    TRUST_CENTRE_LINK_KEYS = 0x0111
    """First of the table of link keys that follow from the seed."""
    APS_LINK_KEY_DATA = 0x0201
    """First of the table of link keys as they are."""


class Clear(IntFlag):
    """What a processor forgets when it starts next: item STARTUP_OPTION."""

    CONFIGURATION = 1
    STATE = 2


class Use(IntFlag):
    """What an entry of the address manager is there for."""

    CHILD = 1
    LINK_KEY = 2


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

ADDRESS_MANAGER: Final = fields("entries" / GreedyRange(Struct("use" / Int8ul, "short" / Int16ul, "eui" / EUI)))
"""Devices that the processor knows: item ADDRESS_MANAGER, 11 octets an entry; a free one has an EUI-64 of ones."""

APS_LINK_KEYS: Final = fields(
    "keys" / PrefixedArray(Int16ul, Struct("address_index" / Int16ul, "item" / Int16ul, "authenticated" / Int8ul)),
    "free" / GreedyBytes,
)
"""Which link key is whose: item APS_LINK_KEYS, 2 octets and 5 an entry."""

APS_LINK_KEY_DATA: Final = fields("key" / Bytes(16), "sent" / Int32ul, "received" / Int32ul)
"""A link key and its frame counters: items from APS_LINK_KEY_DATA on, 24 octets; zeros when free."""

TRUST_CENTRE_LINK_KEY: Final = fields(
    "sent" / Int32ul,
    "received" / Int32ul,
    "eui" / EUI,  # zeros when free
    "attributes" / Int8ul,
    "type" / Int8ul,
    "shift" / Int8ul,
)
"""A link key that follows from the seed: items from TRUST_CENTRE_LINK_KEYS on, 19 octets."""

SECURITY_MATERIAL: Final = fields("frame_counter" / Int32ul, "extended_pan" / EUI)
"""The outgoing frame counter of a network: items from SECURITY_MATERIAL on, 12 octets."""

LAYOUTS: Final = {
    Item.NIB: NETWORK_INFORMATION,
    Item.ADDRESS_MANAGER: ADDRESS_MANAGER,
    Item.APS_LINK_KEYS: APS_LINK_KEYS,
    Item.APS_LINK_KEY_DATA: APS_LINK_KEY_DATA,
    Item.TRUST_CENTRE_LINK_KEYS: TRUST_CENTRE_LINK_KEY,
    Item.SECURITY_MATERIAL: SECURITY_MATERIAL,
    Item.ACTIVE_KEY: KEY_DESCRIPTOR,
    Item.ALTERNATE_KEY: KEY_DESCRIPTOR,
    Item.NWK_KEY_INFO: KEY_INFO,
    Item.EXTENDED_ADDRESS: fields("eui" / EUI),
    Item.EXTENDED_PAN: fields("extended_pan" / EUI),
    Item.PREFERRED_EXTENDED_PAN: fields("extended_pan" / EUI),
    Item.PAN: fields("pan" / Int16ul),
    Item.CHANNEL_LIST: fields("channels" / Int32ul),
    Item.LOGICAL_TYPE: fields("type" / Int8ul),
}
"""Items with more to them than octets; of a table, its first stands for all."""


def read_item(item: Item, octets: bytes) -> dict[str, Any]:
    """The fields of an item of :data:`LAYOUTS`. DecodeError unless the octets are exactly these."""
    return parse(LAYOUTS[item], octets, f"ZNP item {item.name}")


def build_item(item: Item, values: Values) -> bytes:
    """An item of :data:`LAYOUTS`. LocalProtocolError for a field that is missing or out of range."""
    return build(LAYOUTS[item], values, f"ZNP item {item.name}")


def key_of(seed: bytes, eui: bytes, shift: int) -> bytes:
    """The link key of a device that follows from a seed of 16 octets, shifted 0 to 15 octets to the left."""
    turned = seed[shift:] + seed[:shift]
    return bytes(one ^ other for one, other in zip(turned, eui[::-1] * 2, strict=True))
