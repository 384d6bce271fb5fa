"""Messages of the Zigbee device profile (specification 2.4), declared with ``construct``.

A message is the payload of an APS data frame of profile 0 between endpoints 0: a sequence number, then what the cluster
says. :data:`MESSAGES` has them by cluster. Values are plain mappings with the names of the declarations: EUI-64s are
``bytes`` of 8 as printed, addresses numbers, lists lists; what a failure leaves out is None, and need not be given.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, NamedTuple

from construct import (
    Array,
    BitsInteger,
    BitStruct,
    Construct,
    Default,
    Error,
    Flag,
    IfThenElse,
    Int8ub,
    Int16ul,
    Int32ul,
    Nibble,
    Padding,
    Prefixed,
    PrefixedArray,
    Rebuild,
    Struct,
    Switch,
    Terminated,
    len_,
    this,
)

from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee.declared import EUI, build, optional, parse, present

RESPONSE: Final = 0x8000
"""Bit of a cluster that answers a request."""


class Status(IntEnum):
    """Status of a response (2.4.5)."""

    SUCCESS = 0x00
    INVALID_REQUEST = 0x80
    DEVICE_NOT_FOUND = 0x81
    INVALID_ENDPOINT = 0x82
    NOT_ACTIVE = 0x83
    NOT_SUPPORTED = 0x84
    TIMEOUT = 0x85
    NO_MATCH = 0x86
    NO_ENTRY = 0x88
    NO_DESCRIPTOR = 0x89
    INSUFFICIENT_SPACE = 0x8A
    NOT_PERMITTED = 0x8B
    TABLE_FULL = 0x8C
    NOT_AUTHORIZED = 0x8D


class Cluster(IntEnum):
    """The requests; the response to each has :data:`RESPONSE` in addition."""

    NWK_ADDRESS = 0x0000
    IEEE_ADDRESS = 0x0001
    NODE_DESCRIPTOR = 0x0002
    POWER_DESCRIPTOR = 0x0003
    SIMPLE_DESCRIPTOR = 0x0004
    ACTIVE_ENDPOINTS = 0x0005
    MATCH_DESCRIPTOR = 0x0006
    DEVICE_ANNOUNCE = 0x0013
    BIND = 0x0021
    UNBIND = 0x0022
    MGMT_LQI = 0x0031
    MGMT_ROUTES = 0x0032
    MGMT_BIND = 0x0033
    MGMT_LEAVE = 0x0034
    MGMT_PERMIT_JOINING = 0x0036
    MGMT_NWK_UPDATE = 0x0038


GROUP_BINDING, UNICAST_BINDING = 1, 3
"""Modes of a binding's destination: a group, or an EUI-64 and an endpoint."""

NODE_DESCRIPTOR: Final[Construct] = Struct(
    "kind"  # 0 coordinator, 1 router, 2 end device
    / BitStruct("reserved" / Default(BitsInteger(3), 0), "user" / Flag, "complex" / Flag, "type" / BitsInteger(3)),
    "band" / BitStruct("frequencies" / BitsInteger(5), "aps_flags" / Default(BitsInteger(3), 0)),
    "capability" / Int8ub,  # mac.Capability
    "manufacturer" / Int16ul,
    "buffer" / Int8ub,
    "incoming_transfer" / Int16ul,
    "server_mask" / Int16ul,
    "outgoing_transfer" / Int16ul,
    "descriptor_capability" / Int8ub,
)
POWER_DESCRIPTOR: Final[Construct] = BitStruct(
    "available_sources" / Nibble,
    "mode" / Nibble,
    "level" / Nibble,  # 0 critical, 4 33 %, 8 66 %, 12 full
    "source" / Nibble,  # 1 mains, 2 rechargeable, 4 disposable battery
)
SIMPLE_DESCRIPTOR: Final[Construct] = Struct(
    "endpoint" / Int8ub,
    "profile" / Int16ul,
    "device" / Int16ul,
    "version" / Int8ub,
    "input_clusters" / PrefixedArray(Int8ub, Int16ul),
    "output_clusters" / PrefixedArray(Int8ub, Int16ul),
    Terminated,
)
BINDING: Final[Construct] = Struct(
    "source" / EUI,
    "source_endpoint" / Int8ub,
    "cluster" / Int16ul,
    "mode" / Int8ub,
    "destination"
    / Switch(
        this.mode,
        {GROUP_BINDING: Struct("group" / Int16ul), UNICAST_BINDING: Struct("eui" / EUI, "endpoint" / Int8ub)},
        default=Error,
    ),
)
NEIGHBOUR: Final[Construct] = Struct(
    "extended_pan" / EUI,
    "eui" / EUI,
    "address" / Int16ul,
    "what"
    / BitStruct(
        "reserved" / Default(BitsInteger(1), 0),
        "relationship" / BitsInteger(3),  # 0 parent, 1 child, 2 sibling, 3 none, 4 former child
        "receiver_on" / BitsInteger(2),  # 0 no, 1 yes, 2 not known
        "type" / BitsInteger(2),  # 0 coordinator, 1 router, 2 end device, 3 not known
    ),
    "permit_joining" / Int8ub,  # 0 no, 1 yes, 2 not known
    "depth" / Int8ub,
    "lqi" / Int8ub,
)
ROUTE: Final[Construct] = Struct("destination" / Int16ul, "state" / Int8ub, "next_hop" / Int16ul)

_STATUS = "status" / Int8ub
_SUCCESS = this.status == Status.SUCCESS
_ADDRESS_REQUEST_TAIL = ("request_type" / Int8ub, "start" / Int8ub)  # type 0 one device, 1 with those joined to it
_ADDRESS_RESPONSE = Struct(
    _STATUS,
    "eui" / EUI,
    "address" / Int16ul,
    "associated"
    / optional(
        present("associated"),
        Struct(
            "count" / Rebuild(Int8ub, len_(this.devices)),
            "start" / optional(this.count > 0, Int8ub),
            "devices" / Array(this.count, Int16ul),
        ),
    ),
)
_INTEREST = Struct("address" / Int16ul)
_START = Struct("start" / Int8ub)
_STATUS_ONLY = Struct(_STATUS)
_ENDPOINTS = Struct(_STATUS, "address" / Int16ul, "endpoints" / PrefixedArray(Int8ub, Int8ub))


def _table(entry: Construct) -> Construct:
    page = Struct("total" / Int8ub, "start" / Int8ub, "entries" / PrefixedArray(Int8ub, entry))
    return Struct(_STATUS, "page" / optional(_SUCCESS, page))


_ENERGY_SCAN_MAX = 5
"""Scan durations up to this ask for an energy scan; 0xFE changes the channel, 0xFF channel mask and manager."""
_UPDATES = (0xFE, 0xFF)

_LAYOUTS: dict[int, Construct] = {
    Cluster.NWK_ADDRESS: Struct("eui" / EUI, *_ADDRESS_REQUEST_TAIL),
    Cluster.NWK_ADDRESS | RESPONSE: _ADDRESS_RESPONSE,
    Cluster.IEEE_ADDRESS: Struct("address" / Int16ul, *_ADDRESS_REQUEST_TAIL),
    Cluster.IEEE_ADDRESS | RESPONSE: _ADDRESS_RESPONSE,
    Cluster.NODE_DESCRIPTOR: _INTEREST,
    Cluster.NODE_DESCRIPTOR | RESPONSE: Struct(
        _STATUS, "address" / Int16ul, "descriptor" / optional(_SUCCESS, NODE_DESCRIPTOR)
    ),
    Cluster.POWER_DESCRIPTOR: _INTEREST,
    Cluster.POWER_DESCRIPTOR | RESPONSE: Struct(
        _STATUS, "address" / Int16ul, "descriptor" / optional(_SUCCESS, POWER_DESCRIPTOR)
    ),
    Cluster.SIMPLE_DESCRIPTOR: Struct("address" / Int16ul, "endpoint" / Int8ub),
    Cluster.SIMPLE_DESCRIPTOR | RESPONSE: Struct(
        _STATUS,
        "address" / Int16ul,
        "descriptor" / Default(IfThenElse(_SUCCESS, Prefixed(Int8ub, SIMPLE_DESCRIPTOR), Padding(1)), None),
    ),
    Cluster.ACTIVE_ENDPOINTS: _INTEREST,
    Cluster.ACTIVE_ENDPOINTS | RESPONSE: _ENDPOINTS,
    Cluster.MATCH_DESCRIPTOR: Struct(
        "address" / Int16ul,
        "profile" / Int16ul,
        "input_clusters" / PrefixedArray(Int8ub, Int16ul),
        "output_clusters" / PrefixedArray(Int8ub, Int16ul),
    ),
    Cluster.MATCH_DESCRIPTOR | RESPONSE: _ENDPOINTS,
    Cluster.DEVICE_ANNOUNCE: Struct("address" / Int16ul, "eui" / EUI, "capability" / Int8ub),
    Cluster.BIND: BINDING,
    Cluster.BIND | RESPONSE: _STATUS_ONLY,
    Cluster.UNBIND: BINDING,
    Cluster.UNBIND | RESPONSE: _STATUS_ONLY,
    Cluster.MGMT_LQI: _START,
    Cluster.MGMT_LQI | RESPONSE: _table(NEIGHBOUR),
    Cluster.MGMT_ROUTES: _START,
    Cluster.MGMT_ROUTES | RESPONSE: _table(ROUTE),
    Cluster.MGMT_BIND: _START,
    Cluster.MGMT_BIND | RESPONSE: _table(BINDING),
    Cluster.MGMT_LEAVE: Struct(
        "eui" / EUI,  # zeros: the device that is asked
        "options" / BitStruct("rejoin" / Flag, "remove_children" / Flag, "reserved" / Default(BitsInteger(6), 0)),
    ),
    Cluster.MGMT_LEAVE | RESPONSE: _STATUS_ONLY,
    Cluster.MGMT_PERMIT_JOINING: Struct("duration" / Int8ub, "trust_centre" / Int8ub),
    Cluster.MGMT_PERMIT_JOINING | RESPONSE: _STATUS_ONLY,
    Cluster.MGMT_NWK_UPDATE: Struct(
        "channels" / Int32ul,
        "duration" / Int8ub,
        "count" / optional(this.duration <= _ENERGY_SCAN_MAX, Int8ub),
        "update_id" / optional(this.duration >= _UPDATES[0], Int8ub),
        "manager" / optional(this.duration == _UPDATES[1], Int16ul),
    ),
    Cluster.MGMT_NWK_UPDATE | RESPONSE: Struct(
        _STATUS,
        "channels" / Int32ul,
        "transmissions" / Int16ul,
        "failures" / Int16ul,
        "energies" / PrefixedArray(Int8ub, Int8ub),
    ),
}


def _name(cluster: int) -> str:
    return f"{Cluster(cluster & ~RESPONSE).name.lower()} {'response' if cluster & RESPONSE else 'request'}"


class Declaration(NamedTuple):
    """What a cluster's messages are called and how they are laid out, sequence number first."""

    name: str
    layout: Construct


MESSAGES: Final[dict[int, Declaration]] = {
    int(cluster): Declaration(_name(cluster), Struct("sequence" / Int8ub, *layout.subcons, Terminated))
    for cluster, layout in _LAYOUTS.items()
}


class Message(NamedTuple):
    """A message read: its sequence number and the other values by name."""

    sequence: int
    values: dict[str, Any]


def encode(cluster: int, sequence: int, /, **values: Any) -> bytes:
    """A message of ``cluster`` with the values that its declaration names. LocalProtocolError where they do not fit."""
    declaration = MESSAGES.get(cluster)
    if declaration is None:
        raise LocalProtocolError(f"device profile cluster {cluster:#06x} is not one of those declared")
    return build(declaration.layout, {"sequence": sequence, **values}, declaration.name)


def decode(cluster: int, octets: bytes) -> Message:
    """The message in ``octets``. DecodeError for an unknown cluster or octets that are not laid out so."""
    declaration = MESSAGES.get(cluster)
    if declaration is None:
        raise DecodeError(f"device profile cluster {cluster:#06x}", expected="one of those declared")
    values = parse(declaration.layout, octets, declaration.name)
    return Message(values.pop("sequence"), values)
