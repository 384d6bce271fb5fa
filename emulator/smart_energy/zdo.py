"""The Zigbee device profile of one device: descriptors, bindings, and the management requests that hosts make.

:func:`answer` answers for whoever a :class:`Description` describes: a meter's application, the hub's own, or the
endpoints that the host of a radio processor has registered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, NamedTuple, Protocol

from emulator.han.message import ALL_DEVICES, RECEIVERS_ON, ROUTERS, Message
from protocols.errors import DecodeError
from protocols.zigbee import zdo
from protocols.zigbee.mac import Capability
from protocols.zigbee.zdo import GROUP_BINDING, RESPONSE, Cluster, Status

PROFILE: Final = 0x0000
MAX_BINDINGS: Final = 16
_WILD_PROFILE: Final = 0xFFFF
_BINDINGS_A_PAGE, _NEIGHBOURS_A_PAGE = 3, 3
"""Entries of a table in one message, so that it goes into one frame."""
_BROADCASTS = frozenset((ALL_DEVICES, RECEIVERS_ON, ROUTERS))
_STACK_REVISION = 22
_PRIMARY_TRUST_CENTRE = 0x0001
_SERVER_MASK = _STACK_REVISION << 9
_BAND_2400 = 0x08
_BUFFER = 82
_LAST_ENDPOINT = 254


class Kind(IntEnum):
    """Logical type of a node descriptor."""

    COORDINATOR = 0
    ROUTER = 1
    END_DEVICE = 2


class Binding(NamedTuple):
    """Where what a cluster of an endpoint sends goes: an endpoint of a device, or a group where ``eui64`` is empty."""

    endpoint: int
    cluster: int
    eui64: bytes
    destination: int


class Described(Protocol):
    """An endpoint as its simple descriptor has it; clusters by id."""

    @property
    def number(self) -> int: ...
    @property
    def profile(self) -> int: ...
    @property
    def device(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def servers(self) -> Sequence[int]: ...
    @property
    def clients(self) -> Sequence[int]: ...


@dataclass(slots=True)
class Description:
    """Who is asked.

    ``bindings`` is the table, changed in place; None for a device without one. ``changed`` is called after a change of
    it: whether that is safe. ``leave`` is called, after the answer has been made, when somebody with the right address
    wants the device to leave: whether to rejoin. ``neighbours`` are values of ``protocols.zigbee.zdo.NEIGHBOUR``, None
    where the device keeps no such table. ``associated`` are short addresses of its children.
    """

    address: int
    eui64: bytes
    kind: Kind
    manufacturer: int
    endpoints: Sequence[Described]
    mains: bool = True
    receiver_on: bool = True
    transfer: int = _BUFFER
    bindings: list[Binding] | None = None
    changed: Callable[[], bool] | None = None
    leave: Callable[[bool], None] | None = None
    neighbours: Sequence[Mapping[str, Any]] | None = None
    associated: Sequence[int] = field(default=())

    @property
    def capability(self) -> int:
        """Capability information, as the node descriptor and the device announcement have it."""
        capability = Capability.ALLOCATE_ADDRESS
        if self.kind is not Kind.END_DEVICE:
            capability |= Capability.FULL_FUNCTION
        if self.mains:
            capability |= Capability.MAINS
        if self.receiver_on:
            capability |= Capability.RECEIVER_ON_WHEN_IDLE
        return int(capability)


def announcement(description: Description, sequence: int) -> Message:
    """Device_annce, which a device broadcasts when it is on a network."""
    values = {"address": description.address, "eui": description.eui64, "capability": description.capability}
    payload = zdo.encode(Cluster.DEVICE_ANNOUNCE, sequence, **values)
    return Message(PROFILE, Cluster.DEVICE_ANNOUNCE, 0, 0, payload, acknowledge=False)


def answer(description: Description, message: Message, broadcast: bool = False) -> Message | None:
    """What the device says to a message of the device profile; None for nothing.

    Nothing is said to responses and announcements, to what cannot be read, and to a broadcast that is about another
    device.
    """
    cluster = message.cluster
    if cluster & RESPONSE or not message.payload:
        return None
    handler = _HANDLERS.get(cluster)
    if handler is None:
        if broadcast or cluster == Cluster.DEVICE_ANNOUNCE:
            return None
        return message.answer(bytes((message.payload[0], Status.NOT_SUPPORTED)), cluster | RESPONSE)
    try:
        sequence, values = zdo.decode(cluster, message.payload)
    except DecodeError:
        return None
    found = handler(description, values)
    if found is None or (broadcast and (found["status"] or cluster not in _ANSWERED_BROADCASTS)):
        return None
    return message.answer(zdo.encode(cluster | RESPONSE, sequence, **found), cluster | RESPONSE)


_ANSWERED_BROADCASTS = frozenset((Cluster.NWK_ADDRESS, Cluster.IEEE_ADDRESS, Cluster.MATCH_DESCRIPTOR))

Values = dict[str, Any]


def _addresses(description: Description, values: Values, ours: bool) -> Values:
    found: Values = {"status": Status.SUCCESS, "eui": description.eui64, "address": description.address}
    if not ours:
        return {**found, "status": Status.DEVICE_NOT_FOUND}
    if values["request_type"] == 1:
        rest = list(description.associated[values["start"] :])
        found["associated"] = {"start": values["start"], "devices": rest}
    elif values["request_type"]:
        found["status"] = Status.INVALID_REQUEST
    return found


def _nwk_address(description: Description, values: Values) -> Values:
    found = _addresses(description, values, values["eui"] == description.eui64)
    return found if found["status"] != Status.DEVICE_NOT_FOUND else {**found, "eui": values["eui"]}


def _ieee_address(description: Description, values: Values) -> Values:
    return _addresses(description, values, _is_ours(description, values))


def _is_ours(description: Description, values: Values) -> bool:
    return values["address"] == description.address


def _descriptor(make: Callable[[Description], Values]) -> Callable[[Description, Values], Values]:
    def handle(description: Description, values: Values) -> Values:
        if not _is_ours(description, values):
            return {"status": Status.DEVICE_NOT_FOUND, "address": values["address"]}
        return {"status": Status.SUCCESS, "address": values["address"], "descriptor": make(description)}

    return handle


def _node(description: Description) -> Values:
    trust_centre = _PRIMARY_TRUST_CENTRE if description.kind is Kind.COORDINATOR else 0
    return {
        "kind": {"user": False, "complex": False, "type": int(description.kind)},
        "band": {"frequencies": _BAND_2400},
        "capability": description.capability,
        "manufacturer": description.manufacturer,
        "buffer": _BUFFER,
        "incoming_transfer": description.transfer,
        "server_mask": _SERVER_MASK | trust_centre,
        "outgoing_transfer": description.transfer,
        "descriptor_capability": 0,
    }


def _power(description: Description) -> Values:
    """The receiver is on when idle (mode 0), or comes on periodically (1)."""
    source = 1 if description.mains else 4
    return {
        "available_sources": source,
        "mode": 0 if description.receiver_on else 1,
        "level": 12,
        "source": source,
    }


def _simple(description: Description, values: Values) -> Values:
    address, number = values["address"], values["endpoint"]
    if not _is_ours(description, values):
        return {"status": Status.DEVICE_NOT_FOUND, "address": address}
    if not 1 <= number <= _LAST_ENDPOINT:
        return {"status": Status.INVALID_ENDPOINT, "address": address}
    endpoint = _endpoint(description, number)
    if endpoint is None:
        return {"status": Status.NOT_ACTIVE, "address": address}
    return {
        "status": Status.SUCCESS,
        "address": address,
        "descriptor": {
            "endpoint": number,
            "profile": endpoint.profile,
            "device": endpoint.device,
            "version": endpoint.version,
            "input_clusters": list(endpoint.servers),
            "output_clusters": list(endpoint.clients),
        },
    }


def _endpoint(description: Description, number: int) -> Described | None:
    return next((endpoint for endpoint in description.endpoints if endpoint.number == number), None)


def _active(description: Description, values: Values) -> Values:
    if not _is_ours(description, values):
        return {"status": Status.DEVICE_NOT_FOUND, "address": values["address"], "endpoints": []}
    numbers = [endpoint.number for endpoint in description.endpoints]
    return {"status": Status.SUCCESS, "address": description.address, "endpoints": numbers}


def _match(description: Description, values: Values) -> Values | None:
    """Endpoints of that profile with a server of one of its input clusters, or a client of one of the output ones."""
    if values["address"] not in _BROADCASTS and not _is_ours(description, values):
        return {"status": Status.DEVICE_NOT_FOUND, "address": values["address"], "endpoints": []}
    profile, inputs, outputs = values["profile"], set(values["input_clusters"]), set(values["output_clusters"])
    numbers = [
        endpoint.number
        for endpoint in description.endpoints
        if profile in (endpoint.profile, _WILD_PROFILE)
        and (inputs.intersection(endpoint.servers) or outputs.intersection(endpoint.clients))
    ]
    if not numbers and values["address"] in _BROADCASTS:
        return None
    return {"status": Status.SUCCESS, "address": description.address, "endpoints": numbers}


def _bind(description: Description, values: Values) -> Values:
    bindings, binding = description.bindings, _binding(values)
    status = _binding_status(description, values)
    if status is Status.SUCCESS and bindings is not None and binding not in bindings:
        if len(bindings) >= MAX_BINDINGS:
            return {"status": Status.TABLE_FULL}
        bindings.append(binding)
        if not _kept(description):
            bindings.remove(binding)
            status = Status.TABLE_FULL
    return {"status": status}


def _unbind(description: Description, values: Values) -> Values:
    bindings, binding = description.bindings, _binding(values)
    status = _binding_status(description, values)
    if status is Status.SUCCESS and bindings is not None:
        if binding not in bindings:
            return {"status": Status.NO_ENTRY}
        bindings.remove(binding)
        _kept(description)
    return {"status": status}


def _binding(values: Values) -> Binding:
    target = values["destination"]
    if values["mode"] == GROUP_BINDING:
        return Binding(values["source_endpoint"], values["cluster"], b"", target["group"])
    return Binding(values["source_endpoint"], values["cluster"], target["eui"], target["endpoint"])


def _binding_status(description: Description, values: Values) -> Status:
    if description.bindings is None or values["source"] != description.eui64:
        return Status.NOT_SUPPORTED
    if _endpoint(description, values["source_endpoint"]) is None:
        return Status.INVALID_ENDPOINT
    return Status.SUCCESS


def _kept(description: Description) -> bool:
    return description.changed is None or description.changed()


def _bindings(description: Description, values: Values) -> Values:
    if description.bindings is None:
        return {"status": Status.NOT_SUPPORTED}
    entries: list[Mapping[str, Any]] = []
    for binding in description.bindings:
        target: Values = {"eui": binding.eui64, "endpoint": binding.destination}
        entries.append(
            {
                "source": description.eui64,
                "source_endpoint": binding.endpoint,
                "cluster": binding.cluster,
                "mode": zdo.UNICAST_BINDING if binding.eui64 else GROUP_BINDING,
                "destination": target if binding.eui64 else {"group": binding.destination},
            }
        )
    return _page(entries, values["start"], _BINDINGS_A_PAGE)


def _page(entries: Sequence[Mapping[str, Any]], start: int, most: int) -> Values:
    page = {"total": min(len(entries), 255), "start": start, "entries": list(entries[start : start + most])}
    return {"status": Status.SUCCESS, "page": page}


def _lqi(description: Description, values: Values) -> Values:
    """An end device keeps no such table, and says so; a router that was given none has an empty one."""
    if description.neighbours is None and description.kind is Kind.END_DEVICE:
        return {"status": Status.NOT_SUPPORTED}
    return _page(description.neighbours or (), values["start"], _NEIGHBOURS_A_PAGE)


def _routes(description: Description, values: Values) -> Values:
    """Routers of this network find their routes when they need them; none lasts."""
    if description.kind is Kind.END_DEVICE:
        return {"status": Status.NOT_SUPPORTED}
    return _page((), values["start"], _NEIGHBOURS_A_PAGE)


def _leave(description: Description, values: Values) -> Values:
    if values["eui"] not in (bytes(8), description.eui64):
        return {"status": Status.DEVICE_NOT_FOUND}
    if description.leave is None:
        return {"status": Status.NOT_SUPPORTED}
    description.leave(values["options"]["rejoin"])
    return {"status": Status.SUCCESS}


def _permit_joining(description: Description, values: Values) -> Values:
    """Devices join by the trust centre's leave; what a router says to it makes no difference."""
    return {"status": Status.INVALID_REQUEST if description.kind is Kind.END_DEVICE else Status.SUCCESS}


_HANDLERS: Mapping[int, Callable[[Description, Values], Values | None]] = {
    Cluster.NWK_ADDRESS: _nwk_address,
    Cluster.IEEE_ADDRESS: _ieee_address,
    Cluster.NODE_DESCRIPTOR: _descriptor(_node),
    Cluster.POWER_DESCRIPTOR: _descriptor(_power),
    Cluster.SIMPLE_DESCRIPTOR: _simple,
    Cluster.ACTIVE_ENDPOINTS: _active,
    Cluster.MATCH_DESCRIPTOR: _match,
    Cluster.BIND: _bind,
    Cluster.UNBIND: _unbind,
    Cluster.MGMT_LQI: _lqi,
    Cluster.MGMT_ROUTES: _routes,
    Cluster.MGMT_BIND: _bindings,
    Cluster.MGMT_LEAVE: _leave,
    Cluster.MGMT_PERMIT_JOINING: _permit_joining,
}
