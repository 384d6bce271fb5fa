"""Tables of the processor: children, neighbours and routes as the network is, addresses and multicasts of the host."""

from __future__ import annotations

from collections.abc import Sequence

from emulator.radio.coordinator import Neighbour
from emulator.radio.ezsp_processor import Handlers, Processor
from protocols.zigbee.declared import Values, build, parse
from protocols.zigbee.ezsp import networking as ezsp
from protocols.zigbee.ezsp.enums import Config, NodeType, Status

UNUSED = 0xFFFF
"""Address of an entry of the address table that is not in use, and of a device that is not known."""
NO_EUI = bytes(8)
_NO_CHILD = {"eui": NO_EUI, "kind": 0, "address": UNUSED, "phy": 0, "power": 0, "timeout": 0, "timeout_remaining": 0}
_NO_NEIGHBOUR = {"address": UNUSED, "lqi": 0, "in_cost": 0, "out_cost": 0, "age": 0, "eui": NO_EUI}
_NO_ROUTE = {"destination": UNUSED, "next_hop": UNUSED, "status": 3, "age": 0, "concentrator": 0, "record": 0}
_NO_GROUP = {"group": 0, "endpoint": 0, "network": 0}
_NO_BINDING = {"kind": 0, "local": 0, "cluster": 0, "remote": 0, "partner": NO_EUI, "network": 0}
_NOTHING: Values = {}
_FRESH = 3  # age of a neighbour that is heard


class Tables:
    """Answers the commands about tables. ``addresses`` is the address table by index: EUI-64 and short address."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self._coordinator = processor.coordinator
        self.addresses: dict[int, tuple[bytes, int]] = {}
        self._multicasts: dict[int, Values] = {}
        self._extended: set[bytes] = set()

    def handlers(self) -> Handlers:
        """By command."""
        return {
            ezsp.GET_CHILD: self._get_child,
            ezsp.SET_CHILD: self._set_child,
            ezsp.CHILD_ADDRESS: self._child_address,
            ezsp.GET_NEIGHBOUR: self._get_neighbour,
            ezsp.NEIGHBOUR_COUNT: self._neighbour_count,
            ezsp.GET_ROUTE: self._get_route,
            ezsp.SOURCE_ROUTES: self._source_routes,
            ezsp.ADDRESS_ACTIVE: self._address_active,
            ezsp.SET_ADDRESS_EUI: self._set_address_eui,
            ezsp.SET_ADDRESS_ID: self._set_address_id,
            ezsp.GET_ADDRESS_EUI: self._get_address_eui,
            ezsp.GET_ADDRESS_ID: self._get_address_id,
            ezsp.REPLACE_ADDRESS: self._replace_address,
            ezsp.LOOK_UP_ADDRESS: self._look_up_address,
            ezsp.LOOK_UP_EUI: self._look_up_eui,
            ezsp.SET_EXTENDED_TIMEOUT: self._set_extended_timeout,
            ezsp.GET_EXTENDED_TIMEOUT: self._get_extended_timeout,
            ezsp.GET_MULTICAST: self._get_multicast,
            ezsp.SET_MULTICAST: self._set_multicast,
            ezsp.CLEAR_BINDINGS: self._clear_bindings,
            ezsp.SET_BINDING: self._set_binding,
            ezsp.GET_BINDING: self._get_binding,
            ezsp.DELETE_BINDING: self._delete_binding,
        }

    # --- who is on the network

    def _children(self) -> Sequence[Neighbour]:
        return [each for each in self._coordinator.neighbours() if each.child and each.sleepy]

    def _routers(self) -> Sequence[Neighbour]:
        return [each for each in self._coordinator.neighbours() if not each.sleepy]

    def _get_child(self, values: Values) -> Values:
        at: int = values["index"]
        children = self._children()
        if at >= len(children):
            return {"status": Status.NOT_JOINED, "child": _NO_CHILD}
        child = children[at]
        found = {"eui": child.eui64, "kind": NodeType.SLEEPY_END_DEVICE, "address": child.address}
        return {"status": Status.SUCCESS, "child": {**_NO_CHILD, **found}}

    def _set_child(self, values: Values) -> Values:
        """Children are those that joined: one that a backup brings is one if it is here."""
        known = any(child.eui64 == values["child"]["eui"] for child in self._children())
        return {"status": Status.SUCCESS if known else Status.INVALID_CALL}

    def _child_address(self, values: Values) -> Values:
        at: int = values["index"]
        children = self._children()
        return {"address": children[at].address if at < len(children) else UNUSED}

    def _get_neighbour(self, values: Values) -> Values:
        at: int = values["index"]
        routers = self._routers()
        if at >= len(routers):
            return {"status": Status.FATAL, "value": _NO_NEIGHBOUR}
        router = routers[at]
        found = {"address": router.address, "lqi": router.lqi, "in_cost": 1, "out_cost": 1, "age": _FRESH}
        return {"status": Status.SUCCESS, "value": {**found, "eui": router.eui64}}

    def _neighbour_count(self, values: Values) -> Values:
        return {"count": min(len(self._routers()), 0xFF)}

    def _get_route(self, values: Values) -> Values:
        inside = values["index"] < self._processor.configuration[Config.ROUTE_TABLE_SIZE]
        return {"status": Status.SUCCESS if inside else Status.INDEX_OUT_OF_RANGE, "value": _NO_ROUTE}

    def _source_routes(self, values: Values) -> Values:
        return {"count": 0}

    def _look_up_address(self, values: Values) -> Values:
        found = self._coordinator.address_of(values["eui"]) if self._processor.up else None
        if found is None:
            found = next((address for eui64, address in self.addresses.values() if eui64 == values["eui"]), UNUSED)
        return {"address": found}

    def _look_up_eui(self, values: Values) -> Values:
        found = self._coordinator.eui64_of(values["address"]) if self._processor.up else None
        if found is None:
            found = next((eui64 for eui64, address in self.addresses.values() if address == values["address"]), None)
        return {"status": Status.FATAL if found is None else Status.SUCCESS, "eui": found or NO_EUI}

    # --- addresses of the host

    def _inside(self, values: Values, table: Config) -> bool:
        return bool(values["index"] < self._processor.configuration[table])

    def _address_active(self, values: Values) -> Values:
        return {"active": values["index"] in self.addresses}

    def _set_address_eui(self, values: Values) -> Values:
        if not self._inside(values, Config.ADDRESS_TABLE_SIZE):
            return {"status": Status.ADDRESS_TABLE_INDEX_OUT_OF_RANGE}
        address = self._coordinator.address_of(values["eui"]) if self._processor.up else None
        before, _ = self.addresses.get(values["index"], (NO_EUI, UNUSED))
        if before != values["eui"]:
            self._extended.discard(before)
        self.addresses[values["index"]] = values["eui"], UNUSED if address is None else address
        return {"status": Status.SUCCESS}

    def _set_address_id(self, values: Values) -> Values:
        if self._inside(values, Config.ADDRESS_TABLE_SIZE):
            eui64, _ = self.addresses.get(values["index"], (NO_EUI, UNUSED))
            self.addresses[values["index"]] = eui64, values["address"]
        return _NOTHING

    def _get_address_eui(self, values: Values) -> Values:
        return {"eui": self.addresses.get(values["index"], (NO_EUI, UNUSED))[0]}

    def _get_address_id(self, values: Values) -> Values:
        return {"address": self.addresses.get(values["index"], (NO_EUI, UNUSED))[1]}

    def _replace_address(self, values: Values) -> Values:
        eui64, address = self.addresses.get(values["index"], (NO_EUI, UNUSED))
        before = {"eui": eui64, "address": address, "extended": eui64 in self._extended}
        if not self._inside(values, Config.ADDRESS_TABLE_SIZE):
            return {"status": Status.ADDRESS_TABLE_INDEX_OUT_OF_RANGE, **before}
        self._extended.discard(eui64)
        self.addresses[values["index"]] = values["eui"], values["address"]
        if values["extended"]:
            self._extended.add(values["eui"])
        return {"status": Status.SUCCESS, **before}

    def _set_extended_timeout(self, values: Values) -> Values:
        """Kept for devices that the processor knows, of which there is a bounded number."""
        known = any(eui64 == values["eui"] for eui64, _ in self.addresses.values())
        known = known or (self._processor.up and self._coordinator.address_of(values["eui"]) is not None)
        if values["extended"] and known:
            self._extended.add(values["eui"])
        else:
            self._extended.discard(values["eui"])
        return _NOTHING

    def _get_extended_timeout(self, values: Values) -> Values:
        return {"extended": values["eui"] in self._extended}

    # --- multicasts and bindings

    def _get_multicast(self, values: Values) -> Values:
        if not self._inside(values, Config.MULTICAST_TABLE_SIZE):
            return {"status": Status.INDEX_OUT_OF_RANGE, "value": _NO_GROUP}
        return {"status": Status.SUCCESS, "value": self._multicasts.get(values["index"], _NO_GROUP)}

    def _set_multicast(self, values: Values) -> Values:
        if not self._inside(values, Config.MULTICAST_TABLE_SIZE):
            return {"status": Status.INDEX_OUT_OF_RANGE}
        self._multicasts[values["index"]] = values["value"]
        return {"status": Status.SUCCESS}

    def _clear_bindings(self, values: Values) -> Values:
        self._processor.memory.bindings.clear()
        self._processor.touch()
        return {"status": Status.SUCCESS}

    def binding(self, index: int) -> Values | None:
        """An entry of the binding table that is in use."""
        octets = self._processor.memory.bindings.get(index)
        return None if octets is None else parse(ezsp.BINDING, octets, "binding")

    def _set_binding(self, values: Values) -> Values:
        if not self._inside(values, Config.BINDING_TABLE_SIZE):
            return {"status": Status.BINDING_INDEX_OUT_OF_RANGE}
        self._processor.memory.bindings[values["index"]] = build(ezsp.BINDING, values["value"], "binding")
        self._processor.touch()
        return {"status": Status.SUCCESS}

    def _get_binding(self, values: Values) -> Values:
        if not self._inside(values, Config.BINDING_TABLE_SIZE):
            return {"status": Status.BINDING_INDEX_OUT_OF_RANGE, "value": _NO_BINDING}
        return {"status": Status.SUCCESS, "value": self.binding(values["index"]) or _NO_BINDING}

    def _delete_binding(self, values: Values) -> Values:
        if not self._inside(values, Config.BINDING_TABLE_SIZE):
            return {"status": Status.BINDING_INDEX_OUT_OF_RANGE}
        self._processor.memory.bindings.pop(values["index"], None)
        self._processor.touch()
        return {"status": Status.SUCCESS}
