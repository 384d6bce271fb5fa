"""The clusters that Smart Energy devices speak, by id, and the reading and making of their commands."""

from __future__ import annotations

from typing import Any, Final

from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee.declared import Values, build, parse
from protocols.zigbee.zcl.cluster import AttributeDef, Cluster, CommandDef
from protocols.zigbee.zcl.clusters.basic import BASIC, IDENTIFY, KEEP_ALIVE, TIME
from protocols.zigbee.zcl.clusters.calendar import CALENDAR
from protocols.zigbee.zcl.clusters.management import DEVICE_MANAGEMENT, EVENTS, KEY_ESTABLISHMENT
from protocols.zigbee.zcl.clusters.messaging import MESSAGING, TUNNELING
from protocols.zigbee.zcl.clusters.metering import METERING
from protocols.zigbee.zcl.clusters.prepayment import PREPAYMENT
from protocols.zigbee.zcl.clusters.price import PRICE
from protocols.zigbee.zcl.header import Direction

CLUSTERS: Final[dict[int, Cluster]] = {
    each.id: each
    for each in (
        BASIC,
        IDENTIFY,
        TIME,
        KEEP_ALIVE,
        PRICE,
        METERING,
        MESSAGING,
        TUNNELING,
        PREPAYMENT,
        CALENDAR,
        DEVICE_MANAGEMENT,
        EVENTS,
        KEY_ESTABLISHMENT,
    )
}


def definition(cluster: int, direction: Direction, id: int) -> CommandDef | None:
    """The command of a cluster that goes this way, None when it is not known."""
    known = CLUSTERS.get(cluster)
    return known.commands(direction).get(id) if known else None


def decode_command(cluster: int, direction: Direction, id: int, payload: bytes) -> dict[str, Any]:
    """The fields of a cluster's command. DecodeError for an unknown one, or a payload that is not its own."""
    known = definition(cluster, direction, id)
    if known is None:
        raise DecodeError(f"command 0x{id:02x} of cluster 0x{cluster:04x} {_way(direction)} is not known")
    return parse(known.layout, payload, known.name)


def encode_command(cluster: int, direction: Direction, id: int, values: Values) -> bytes:
    """The payload of a cluster's command. LocalProtocolError for an unknown one, or values that do not fit."""
    known = definition(cluster, direction, id)
    if known is None:
        raise LocalProtocolError(f"command 0x{id:02x} of cluster 0x{cluster:04x} {_way(direction)} is not known")
    return build(known.layout, values, known.name)


def _way(direction: Direction) -> str:
    return "to its client" if direction else "to its server"


__all__ = [
    "BASIC",
    "CALENDAR",
    "CLUSTERS",
    "DEVICE_MANAGEMENT",
    "EVENTS",
    "IDENTIFY",
    "KEEP_ALIVE",
    "KEY_ESTABLISHMENT",
    "MESSAGING",
    "METERING",
    "PREPAYMENT",
    "PRICE",
    "TIME",
    "TUNNELING",
    "AttributeDef",
    "Cluster",
    "CommandDef",
    "decode_command",
    "definition",
    "encode_command",
]
