"""Items of a ZNP processor's memory: sizes that hosts insist on, and where fields stand."""

from __future__ import annotations

import pytest

from protocols.errors import DecodeError
from protocols.zigbee.znp.nv import LAYOUTS, Item, build_item, key_of, read_item

SIZES = {
    Item.NIB: 110,
    Item.ACTIVE_KEY: 17,
    Item.ALTERNATE_KEY: 17,
    Item.NWK_KEY_INFO: 21,
    Item.EXTENDED_ADDRESS: 8,
    Item.EXTENDED_PAN: 8,
    Item.PREFERRED_EXTENDED_PAN: 8,
    Item.APS_LINK_KEY_DATA: 24,
    Item.TRUST_CENTRE_LINK_KEYS: 19,
    Item.SECURITY_MATERIAL: 12,
    Item.PAN: 2,
    Item.CHANNEL_LIST: 4,
    Item.LOGICAL_TYPE: 1,
}


TABLES = {Item.ADDRESS_MANAGER, Item.APS_LINK_KEYS}
"""Of no fixed size."""


def test_every_layout_has_a_size_here() -> None:
    assert SIZES.keys() == LAYOUTS.keys() - TABLES


@pytest.mark.parametrize("item", SIZES)
def test_items_have_their_size_and_no_other(item: Item) -> None:
    size = SIZES[item]
    octets = bytes(range(size))
    assert build_item(item, read_item(item, octets)) == octets
    for wrong in (size - 1, size + 1):
        with pytest.raises(DecodeError, match=item.name):
            read_item(item, bytes(wrong))


def test_where_the_network_stands_in_its_information_base() -> None:
    values = read_item(Item.NIB, bytes(range(110)))
    assert values["short"] == 0x1514
    assert values["channel"] == 0x16
    assert values["coordinator_eui"] == bytes(range(0x20, 0x18, -1))
    assert values["pan"] == 0x2221
    assert values["extended_pan"] == bytes(range(0x3C, 0x34, -1))
    assert values["update_id"] == 109


def test_tables_have_entries_of_the_size_that_hosts_know() -> None:
    entry = {"use": 2, "short": 0x1234, "eui": bytes(range(8))}
    assert build_item(Item.ADDRESS_MANAGER, {"entries": [entry]}).hex() == "0234120706050403020100"
    key = {"address_index": 1, "item": 0x0201, "authenticated": 1}
    assert build_item(Item.APS_LINK_KEYS, {"keys": [key], "free": b""}).hex() == "01000100010201"
    seed = bytes(range(16))
    assert key_of(seed, bytes(8), 3) == seed[3:] + seed[:3]
    assert key_of(bytes(16), bytes(range(8)), 15) == bytes(range(7, -1, -1)) * 2
