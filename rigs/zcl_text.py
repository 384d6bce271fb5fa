"""What Zigbee applications say, as text for people: ZCL frames and messages of the device profile (ZDO), in names.

Numbers are decimal; identifiers that have no name here, EUI-64s and octets are in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import cast

from protocols.errors import ProtocolError
from protocols.zigbee import zdo
from protocols.zigbee.zcl import foundation
from protocols.zigbee.zcl.clusters import CLUSTERS, decode_command, definition
from protocols.zigbee.zcl.foundation import Command, Status
from protocols.zigbee.zcl.header import Direction, Frame, FrameType
from protocols.zigbee.zcl.types import Array

_PRINTED = frozenset(range(0x20, 0x7F))
MAX_VALUE = 160
"""Characters of the values of one message that are shown."""
MAX_RECORDS = 12
"""Attributes of one message that are named."""
_SECRET_FIELDS = frozenset(("password",))
_HEXADECIMAL = frozenset(
    (
        "address",
        "channels",
        "cluster",
        "device",
        "devices",
        "group",
        "input_clusters",
        "manager",
        "manufacturer",
        "next_hop",
        "output_clusters",
        "profile",
    )
)
"""Fields of the device profile that are identifiers."""


def cluster_text(cluster: int) -> str:
    """A cluster by name, or its number."""
    known = CLUSTERS.get(cluster)
    return f"cluster {cluster:04X}" if known is None else known.name


def zcl_text(cluster: int, octets: bytes) -> str:
    """A ZCL frame on a cluster: its command, and the attributes or fields with their values. Says what is malformed."""
    try:
        frame = Frame.decode(octets)
    except ProtocolError as error:
        return f"malformed: {error}"
    name = _command_name(cluster, frame)
    if frame.manufacturer is not None:
        return f"{name} of manufacturer {frame.manufacturer:04X}, {len(frame.payload)} octets"
    try:
        told = _told(cluster, frame)
    except ProtocolError as error:
        return f"{name}, malformed: {error}"
    return f"{name} {told}" if told else name


def zdo_name(cluster: int) -> str:
    """A cluster of the device profile by name, or its number."""
    known = zdo.MESSAGES.get(cluster)
    if cluster == zdo.Cluster.DEVICE_ANNOUNCE:
        return "ZDO device announce"  # which asks for nothing
    return f"ZDO {cluster:04X}" if known is None else f"ZDO {known.name.replace('_', ' ')}"


def zdo_text(cluster: int, octets: bytes) -> str:
    """A message of the device profile: its name and what it says. Says what is malformed."""
    if cluster not in zdo.MESSAGES:
        return f"{zdo_name(cluster)}, {len(octets)} octets"
    name = zdo_name(cluster)
    try:
        values = zdo.decode(cluster, octets).values
    except ProtocolError as error:
        return f"{name}, malformed: {error}"
    status = values.pop("status", None)
    outcome = [] if status is None else [_named(zdo.Status, status)]
    return " ".join([name, *outcome, _fields(values, _HEXADECIMAL)]).rstrip()


def _command_name(cluster: int, frame: Frame) -> str:
    if frame.type is FrameType.GLOBAL:
        return _named(Command, frame.command)
    known = None if frame.manufacturer is not None else definition(cluster, frame.direction, frame.command)
    to = "client" if frame.direction is Direction.TO_CLIENT else "server"
    return f"command {frame.command:02X} to the {to}" if known is None else known.name


def _told(cluster: int, frame: Frame) -> str:
    payload = frame.payload
    if frame.type is FrameType.CLUSTER:
        if definition(cluster, frame.direction, frame.command) is None:
            return f"{len(payload)} octets"
        return _fields(decode_command(cluster, frame.direction, frame.command, payload))
    tell = _FOUNDATION.get(frame.command)
    if tell is not None:
        return tell(cluster, payload)
    if frame.command == Command.DEFAULT_RESPONSE:
        command, status = foundation.decode_default_response(payload)
        # It goes the way back: what it answers is a command to the other side.
        return f"to {_answered(cluster, frame.direction, command)}: {_named(Status, status)}"
    return f"{len(payload)} octets"


def _answered(cluster: int, direction: Direction, command: int) -> str:
    back = Direction.TO_SERVER if direction is Direction.TO_CLIENT else Direction.TO_CLIENT
    known = definition(cluster, back, command)
    return _named(Command, command) if known is None else known.name


def _records(cluster: int, payload: bytes) -> str:
    found = foundation.decode_records(payload)
    return _few(f"{_attribute(cluster, record.attribute)}={_value(record.value)}" for record in found)


def _asked(cluster: int, payload: bytes) -> str:
    return _few(_attribute(cluster, attribute) for attribute in foundation.decode_read(payload))


def _read(cluster: int, payload: bytes) -> str:
    return _few(
        f"{_attribute(cluster, record.attribute)}"
        + (f": {_named(Status, record.status)}" if record.status else f"={_value(record.value)}")
        for record in foundation.decode_read_response(payload)
    )


def _written(cluster: int, payload: bytes) -> str:
    failed = foundation.decode_write_response(payload)
    return _few(f"{_attribute(cluster, each.attribute)}: {_named(Status, each.status)}" for each in failed) or "success"


def _configured(cluster: int, payload: bytes) -> str:
    return _few(_reporting(cluster, each) for each in foundation.decode_configure_reporting(payload))


def _configuration_taken(cluster: int, payload: bytes) -> str:
    failed = foundation.decode_configure_reporting_response(payload)
    return _few(f"{_attribute(cluster, each.attribute)}: {_named(Status, each.status)}" for each in failed) or "success"


def _configuration(cluster: int, payload: bytes) -> str:
    return _few(
        f"{_attribute(cluster, each.reporting.attribute)}: {_named(Status, each.status)}"
        if each.status
        else _reporting(cluster, each.reporting)
        for each in foundation.decode_read_reporting_response(payload)
    )


def _discover(cluster: int, payload: bytes) -> str:
    start, most = foundation.decode_discover(payload)
    return f"from {_attribute(cluster, start)}, {most} at most"


def _discovered(cluster: int, payload: bytes) -> str:
    complete, found = foundation.decode_discover_response(payload)
    return _few(_attribute(cluster, each.attribute) for each in found) + ("" if complete else ", and more")


def _reporting(cluster: int, reporting: foundation.Reporting) -> str:
    name = _attribute(cluster, reporting.attribute)
    if reporting.direction:
        return f"{name} within {reporting.timeout} s"
    change = "" if reporting.change is None else f" or a change of {_value(reporting.change)}"
    return f"{name} every {reporting.minimum} to {reporting.maximum} s{change}"


_FOUNDATION: dict[int, Callable[[int, bytes], str]] = {
    Command.READ: _asked,
    Command.READ_RESPONSE: _read,
    Command.WRITE: _records,
    Command.WRITE_UNDIVIDED: _records,
    Command.WRITE_NO_RESPONSE: _records,
    Command.WRITE_RESPONSE: _written,
    Command.REPORT: _records,
    Command.CONFIGURE_REPORTING: _configured,
    Command.CONFIGURE_REPORTING_RESPONSE: _configuration_taken,
    Command.READ_REPORTING_RESPONSE: _configuration,
    Command.DISCOVER: _discover,
    Command.DISCOVER_RESPONSE: _discovered,
}


def _attribute(cluster: int, attribute: int) -> str:
    known = CLUSTERS.get(cluster)
    found = None if known is None else known.attributes.get(attribute)
    return f"attribute {attribute:04X}" if found is None else found.name


def _named(kind: type, number: int) -> str:
    try:
        return str(kind(number).name).lower().replace("_", " ")
    except ValueError:
        return f"{kind.__name__.lower()} {number:02X}"


def _fields(values: Mapping[str, object], hexadecimal: Container[str] = ()) -> str:
    """``name=value`` of each field that is there, cut to :data:`MAX_VALUE` characters."""
    shown = [
        f"{name}={'(not shown)' if name in _SECRET_FIELDS else _value(value, name in hexadecimal, hexadecimal)}"
        for name, value in values.items()
        if value is not None and name != "reserved"
    ]
    return _cut(" ".join(shown))


def _value(value: object, identifier: bool = False, hexadecimal: Container[str] = ()) -> str:
    """A value for people; ``identifier`` is whether numbers in it are identifiers, ``hexadecimal`` names more."""
    match value:
        case None:
            return "not available"
        case bytes():
            return repr(value.decode("ascii")) if set(value) <= _PRINTED else value.hex().upper()
        case str():
            return repr(value)
        case Array():
            return f"[{', '.join(_value(each) for each in value.elements or ())}]"
        case Mapping():
            return f"({_fields(cast('Mapping[str, object]', value), hexadecimal)})"
        case list() | tuple():
            each = (_value(each, identifier, hexadecimal) for each in cast("Iterable[object]", value))
            return f"[{', '.join(each)}]"
        case bool():
            return "yes" if value else "no"
        case int() if identifier:
            return f"{value:04X}"
        case _:
            return str(value)


def _few(texts: Iterable[str]) -> str:
    every = list(texts)
    more = f", and {len(every) - MAX_RECORDS} more" if len(every) > MAX_RECORDS else ""
    return _cut(", ".join(every[:MAX_RECORDS])) + more


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}.."
