"""The non-volatile items of the hub's radio processor when it is a ZNP.

Hosts of a ZNP set a network up by writing items. What belongs to the network (its information base, keys, counters,
the tables of devices and their link keys) is made of what the :class:`~emulator.radio.coordinator.Coordinator` has
whenever it is read. What a host writes there takes effect when the processor starts next, as in the real one: a network
other than the present one is formed then, and link keys are taken over. All other items are kept as they were written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from emulator.nvm import Image, Saved
from emulator.radio.coordinator import Parameters
from emulator.time import stream
from protocols.errors import DecodeError
from protocols.zigbee.znp.command import Status
from protocols.zigbee.znp.nv import Clear, Item, Use, build_item, key_of, read_item

if TYPE_CHECKING:
    from emulator.hub import Hub
    from emulator.radio.coordinator import Coordinator

KEPT: Final = "znp"
"""Its name among the parts of the hub's non-volatile memory."""
CAPACITY: Final = 20
"""Devices that the tables have room for."""
MAX_ITEM, MAX_ITEMS = 512, 64
"""Octets of an item, and items, that a host may make."""
SET_UP: Final = b"\x55"
NOBODY, NOTHING = bytes([0xFF] * 8), bytes(8)
NO_KEY: Final = bytes(16)
NO_ADDRESS: Final = 0xFFFE
_MATERIALS: Final = 4
_CHILD_LIMIT: Final = 20

DEFAULTS: Final[Mapping[int, bytes]] = {
    Item.STARTUP_OPTION: b"\x00",
    Item.BROADCAST_RETRIES: b"\x02",
    Item.PASSIVE_ACK_TIMEOUT: b"\x05",
    Item.BROADCAST_DELIVERY_TIME: b"\x1e",
    Item.CONCENTRATOR_ENABLE: b"\x01",
    Item.CONCENTRATOR_DISCOVERY: b"\x78",
    Item.CONCENTRATOR_RADIUS: b"\x0a",
    Item.CONCENTRATOR_ROUTE_CACHE: b"\x01",
    Item.SOURCE_ROUTE_EXPIRY: b"\xff",
    Item.CHILD_AGEING: b"\x00",
    Item.PREFERRED_EXTENDED_PAN: NOTHING,
    Item.EXTENDED_PAN: NOBODY,
    Item.SECURITY_LEVEL: b"\x05",
    Item.PRECONFIGURED_KEY: NO_KEY,
    Item.PRECONFIGURED_KEYS_ENABLE: b"\x00",
    Item.PAN: b"\xff\xff",
    Item.CHANNEL_LIST: b"\x00\xf8\xff\x07",
    Item.LOGICAL_TYPE: b"\x00",
    Item.ZDO_DIRECT_CALLBACK: b"\x00",
}
"""Settings that are always there, and what they are when nobody has written them; the stack's own, not the hosts'."""

_TABLES: Final = {
    Item.TRUST_CENTRE_LINK_KEYS: CAPACITY,
    Item.APS_LINK_KEY_DATA: CAPACITY,
    Item.SECURITY_MATERIAL: _MATERIALS,
}
"""Tables of one item an entry, by their first item."""
_NO_LINK_KEY: Final = bytes.fromhex("feff000000")


class Memory:
    """Items by number, 0 to 0xFFFF, for one hub."""

    __slots__ = ("_coordinator", "_hub", "_items", "_pending", "formed")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._items: dict[int, bytes] = {}
        self._pending: dict[int, bytes | None] = {}  # of the network, None for one that was deleted
        self.formed = 0
        """Networks that were formed with values that the processor chose."""

    @classmethod
    def of(cls, hub: Hub) -> Memory:
        """That of a hub, which has it among the parts of its non-volatile memory from then on."""
        found = hub.kept.get(KEPT)
        if not isinstance(found, Memory):
            found = hub.kept[KEPT] = cls(hub)
        return found

    # --- what hosts do

    def get(self, coordinator: Coordinator, number: int) -> bytes | None:
        """An item whole, None when it is not there."""
        if number in self._pending:
            return self._pending[number]
        maker = _maker(number)
        if maker is not None:
            return maker(coordinator, number)
        if number in self._items:
            return self._items[number]
        if coordinator.formed and number in _FOLLOWING:
            return _FOLLOWING[number](coordinator.parameters)
        if number == Item.TRUST_CENTRE_SEED:
            return stream(self._hub.seed, self._hub.identity.device_id, "znp trust centre seed").randbytes(16)
        return DEFAULTS.get(number)

    def create(self, coordinator: Coordinator, number: int, length: int, value: bytes) -> Status:
        """Make an item of ``length`` octets, unless it is there: ``value`` is what it begins with, ones follow."""
        present = self.get(coordinator, number)
        if present is not None:
            return Status.SUCCESS if len(present) == length else Status.NV_OPERATION_FAILED
        if not 0 < length <= MAX_ITEM or len(value) > length or len(self._items) + len(self._pending) >= MAX_ITEMS:
            return Status.NV_OPERATION_FAILED
        self._put(number, value.ljust(length, b"\xff"))
        return Status.NV_ITEM_CREATED

    def write(self, coordinator: Coordinator, number: int, offset: int, value: bytes) -> Status:
        """Write into an item that is there; what does not fit into it is refused whole."""
        present = self.get(coordinator, number)
        if present is None:
            return Status.NV_OPERATION_FAILED
        if offset + len(value) > len(present):
            return Status.NV_BAD_LENGTH
        if number == Item.EXTENDED_ADDRESS:  # the hub's own, on its label
            return Status.SUCCESS if present[offset : offset + len(value)] == value else Status.NV_OPERATION_FAILED
        self._put(number, present[:offset] + value + present[offset + len(value) :])
        return Status.SUCCESS

    def delete(self, coordinator: Coordinator, number: int, length: int) -> Status:
        """Delete an item of that length. Settings of the stack are as they were when nobody had written them."""
        present = self.get(coordinator, number)
        if present is None:
            return Status.NV_ITEM_CREATED
        if len(present) != length:
            return Status.NV_BAD_LENGTH
        if number != Item.EXTENDED_ADDRESS:
            self._put(number, None)
        return Status.SUCCESS

    def _put(self, number: int, value: bytes | None) -> None:
        """None deletes it."""
        if _maker(number) is not None:
            self._pending[number] = value
        elif value is not None:
            self._items[number] = value
        else:
            self._items.pop(number, None)
        if self._hub.keeper is not None:
            self._hub.keeper.touch()

    # --- what comes of it

    def settle(self, coordinator: Coordinator) -> str:
        """The processor starts: what was written takes effect. Returns why it cannot, no text when it has."""
        option = (self.get(coordinator, Item.STARTUP_OPTION) or b"\x00")[0]
        self._items.pop(Item.STARTUP_OPTION, None)
        if option & Clear.CONFIGURATION:
            for number in DEFAULTS:
                self._items.pop(number, None)
        pending, self._pending = self._pending, {}
        if option & Clear.STATE or (Item.NIB in pending and pending[Item.NIB] is None):
            if coordinator.formed:
                coordinator.leave()
            return ""
        if not pending:
            return ""
        try:
            self._form(coordinator, pending)
            self._take_keys(coordinator, pending)
        except (DecodeError, ValueError) as error:
            return f"what the host wrote is no network: {error}"
        return ""

    def _form(self, coordinator: Coordinator, pending: Mapping[int, bytes | None]) -> None:
        """Form the network that items tell of, if it is another than there is."""
        nib = pending.get(Item.NIB) or self.get(coordinator, Item.NIB)
        key = pending.get(Item.ACTIVE_KEY) or self.get(coordinator, Item.ACTIVE_KEY)
        if nib is None or key is None:
            return
        base, active = read_item(Item.NIB, nib), read_item(Item.ACTIVE_KEY, key)
        wanted = Parameters(base["pan"], base["extended_pan"], base["channel"], active["key"], active["sequence"])
        if coordinator.formed and coordinator.parameters == wanted:
            return
        counter = 0
        for found in _entries(pending, Item.SECURITY_MATERIAL):
            if found["extended_pan"] in (wanted.extended_pan_id, NOBODY):
                counter = max(counter, found["frame_counter"])
        coordinator.form(wanted, counter)
        coordinator.stop()

    def _take_keys(self, coordinator: Coordinator, pending: Mapping[int, bytes | None]) -> None:
        """Take over the link keys that a host has written."""
        seed = pending.get(Item.TRUST_CENTRE_SEED) or self.get(coordinator, Item.TRUST_CENTRE_SEED) or NO_KEY
        for entry in _entries(pending, Item.TRUST_CENTRE_LINK_KEYS):
            owner: bytes = entry["eui"]
            if owner not in (NOTHING, NOBODY):
                coordinator.add_key(owner, key_of(seed, owner, entry["shift"] & 0x0F))
        devices, listed = pending.get(Item.ADDRESS_MANAGER), pending.get(Item.APS_LINK_KEYS)
        if not devices or not listed:
            return
        known: list[dict[str, Any]] = read_item(Item.ADDRESS_MANAGER, devices)["entries"]
        keys: list[dict[str, int]] = read_item(Item.APS_LINK_KEYS, listed)["keys"]
        for key in keys:
            at, data = key["address_index"], pending.get(key["item"])
            if data is not None and at < len(known):
                coordinator.add_key(known[at]["eui"], read_item(Item.APS_LINK_KEY_DATA, data)["key"])

    def choose(self, coordinator: Coordinator, channels: int) -> Parameters:
        """A network to form as the settings say; what they leave open is drawn, and the quietest channel taken.

        ``channels`` (bit n is channel n) are those to choose from, 0 for those of the settings. ValueError when there
        is none among them.
        """
        self.formed += 1
        chance = stream(self._hub.seed, self._hub.identity.device_id, f"znp network {self.formed}")
        mask = channels or self._number(coordinator, Item.CHANNEL_LIST)
        offered = [channel for channel in range(11, 27) if mask >> channel & 1]
        if not offered:
            raise ValueError(f"no channel of 2.4 GHz is among {mask:#010x}")
        channel = min(offered, key=coordinator.energy)
        pan = self._number(coordinator, Item.PAN)
        key = self.get(coordinator, Item.PRECONFIGURED_KEY) or NO_KEY
        extended = self.get(coordinator, Item.PREFERRED_EXTENDED_PAN) or NOTHING
        if extended in (NOTHING, NOBODY):
            extended = self.get(coordinator, Item.EXTENDED_PAN) or NOBODY
        if extended in (NOTHING, NOBODY):
            extended = coordinator.eui64[::-1]
        return Parameters(
            pan if pan < NO_ADDRESS else chance.randrange(1, NO_ADDRESS),
            extended[::-1],
            channel,
            key if key != NO_KEY else chance.randbytes(16),
        )

    def _number(self, coordinator: Coordinator, number: int) -> int:
        return int.from_bytes(self.get(coordinator, number) or b"", "little")

    # --- the hub's non-volatile memory

    def image(self) -> Image:
        """For the hub's non-volatile memory."""
        pending = {f"{number:04X}": "" if value is None else value.hex() for number, value in self._pending.items()}
        items = {f"{number:04X}": value.hex() for number, value in self._items.items()}
        return {"formed": self.formed, "items": items, "pending": pending}

    def restore(self, saved: Saved) -> None:
        """Be what :meth:`image` said."""
        items, pending = saved.table("items"), saved.table("pending")
        self.formed = saved.number("formed")
        self._items = {int(name, 16): items.octets(name) for name in items}
        self._pending = {int(name, 16): pending.octets(name) or None for name in pending}


def _entries(pending: Mapping[int, bytes | None], first: Item) -> list[dict[str, Any]]:
    """Entries of a table that were written."""
    written = (pending.get(number) for number in range(first, first + _TABLES[first]))
    return [read_item(first, octets) for octets in written if octets is not None]


# --- items that are made of what the coordinator has

Maker = Callable[["Coordinator", int], "bytes | None"]


def _maker(number: int) -> Maker | None:
    """What makes an item of the network, None for any other item."""
    maker = _MAKERS.get(number)
    if maker is not None:
        return maker
    for first, entries in _TABLES.items():
        if first <= number < first + entries:
            return _TABLE_MAKERS[first]
    return None


def _address(coordinator: Coordinator, number: int) -> bytes:
    return coordinator.eui64[::-1]


def _base(coordinator: Coordinator, number: int) -> bytes | None:
    if not coordinator.formed:
        return None
    network = coordinator.parameters
    values = {
        **_BASE,
        "coordinator_eui": coordinator.eui64,
        "pan": network.pan_id,
        "channel": network.channel,
        "channels": 1 << network.channel,
        "extended_pan": network.extended_pan_id,
    }
    return build_item(Item.NIB, values)


def _active_key(coordinator: Coordinator, number: int) -> bytes:
    network = coordinator.parameters if coordinator.formed else _NO_NETWORK
    return build_item(Item.ACTIVE_KEY, {"sequence": network.key_sequence, "key": network.network_key})


def _key_info(coordinator: Coordinator, number: int) -> bytes:
    counter = coordinator.frame_counter if coordinator.formed else 0
    return _active_key(coordinator, number) + counter.to_bytes(4, "little")


def _on_a_network(coordinator: Coordinator, number: int) -> bytes:
    return bytes((coordinator.formed,))


def _material(coordinator: Coordinator, number: int) -> bytes:
    if number != Item.SECURITY_MATERIAL or not coordinator.formed:
        return bytes(12)
    values = {"frame_counter": coordinator.frame_counter, "extended_pan": coordinator.parameters.extended_pan_id}
    return build_item(Item.SECURITY_MATERIAL, values)


def _devices(coordinator: Coordinator) -> list[tuple[bytes, bytes]]:
    """EUI-64 and link key of those that have joined, as many as there is room for."""
    log = coordinator.keys()
    return [(eui64, key) for eui64, key, joined in log if joined][:CAPACITY]


def _address_manager(coordinator: Coordinator, number: int) -> bytes:
    children = {neighbour.eui64 for neighbour in coordinator.neighbours() if neighbour.child}
    entries: list[dict[str, int | bytes]] = []
    for eui64, _ in _devices(coordinator):
        use = Use.LINK_KEY | (Use.CHILD if eui64 in children else 0)
        short = coordinator.address_of(eui64)
        entries.append({"use": use, "short": NO_ADDRESS if short is None else short, "eui": eui64})
    free = {"use": 0, "short": 0xFFFF, "eui": NOBODY}
    entries += [free] * (CAPACITY - len(entries))
    return build_item(Item.ADDRESS_MANAGER, {"entries": entries})


def _link_keys(coordinator: Coordinator, number: int) -> bytes:
    count = len(_devices(coordinator))
    keys = [{"address_index": at, "item": Item.APS_LINK_KEY_DATA + at, "authenticated": 1} for at in range(count)]
    return build_item(Item.APS_LINK_KEYS, {"keys": keys, "free": _NO_LINK_KEY * (CAPACITY - count)})


def _link_key(coordinator: Coordinator, number: int) -> bytes:
    devices, at = _devices(coordinator), number - Item.APS_LINK_KEY_DATA
    key = devices[at][1] if at < len(devices) else NO_KEY
    return build_item(Item.APS_LINK_KEY_DATA, {"key": key, "sent": 0, "received": 0})


def _seeded_key(coordinator: Coordinator, number: int) -> bytes:
    return bytes(19)  # keys of this hub come from install codes: none follows from the seed


_NO_NETWORK: Final = Parameters(0xFFFF, NOBODY, 0, NO_KEY)
_BASE: Final[Mapping[str, int | bytes]] = {
    **read_item(Item.NIB, bytes(110)),
    "passive_ack_timeout": 5,
    "broadcast_retries": 2,
    "max_children": _CHILD_LIMIT,
    "max_depth": 20,
    "max_routers": _CHILD_LIMIT,
    "broadcast_delivery_time": 30,
    "route_discovery_retries": 2,
    "secure_all_frames": 1,
    "security_level": 5,
    "symmetric_links": 1,
    "capability": 0x8F,
    "transaction_persistence": 7,
    "protocol_version": 2,
    "route_discovery_time": 5,
    "route_expiry_time": 30,
    "state": 8,
    "beacon_order": 15,
    "superframe_order": 15,
    "scan_duration": 4,
    "key_loaded": 1,
    "link_status_period": 15,
    "router_age_limit": 3,
    "multicast": 1,
    "concentrator": 1,
    "concentrator_discovery_time": 120,
    "concentrator_radius": 10,
    "all_fresh": 1,
}
_MAKERS: Final[Mapping[int, Maker]] = {
    Item.EXTENDED_ADDRESS: _address,
    Item.NIB: _base,
    Item.ACTIVE_KEY: _active_key,
    Item.ALTERNATE_KEY: _active_key,
    Item.NWK_KEY_INFO: _key_info,
    Item.ON_A_NETWORK: _on_a_network,
    Item.ADDRESS_MANAGER: _address_manager,
    Item.APS_LINK_KEYS: _link_keys,
}
_TABLE_MAKERS: Final[Mapping[int, Maker]] = {
    Item.TRUST_CENTRE_LINK_KEYS: _seeded_key,
    Item.APS_LINK_KEY_DATA: _link_key,
    Item.SECURITY_MATERIAL: _material,
}
_FOLLOWING: Final[Mapping[int, Callable[[Parameters], bytes]]] = {
    Item.CONFIGURED: lambda network: SET_UP,
    Item.PRECONFIGURED_KEY: lambda network: network.network_key,
    Item.EXTENDED_PAN: lambda network: network.extended_pan_id[::-1],
    Item.PREFERRED_EXTENDED_PAN: lambda network: network.extended_pan_id[::-1],
    Item.PAN: lambda network: network.pan_id.to_bytes(2, "little"),
    Item.CHANNEL_LIST: lambda network: (1 << network.channel).to_bytes(4, "little"),
}
"""Settings that nobody has written are those of the network that the hub has formed itself."""
