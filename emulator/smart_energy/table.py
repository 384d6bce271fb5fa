"""Endpoints and attributes of a device's Zigbee application, compiled once from its profile and shared by its kind.

An attribute of a profile is a number or text that never changes, or a quantity of the device: one that its COSEM
objects can show too, one of :mod:`emulator.smart_energy.sources`, or one of the application itself
(:data:`APPLICATION`). What a quantity gives goes into the attribute's ZCL type; a number that does not fit, and what
the device cannot say, reads as not available.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from emulator.cosem.model import DeviceKind, Quantity
from emulator.smart_energy.sources import SOURCES
from protocols.dlms.objects import AccessRefused
from protocols.zigbee.zcl.cluster import AttributeDef
from protocols.zigbee.zcl.clusters import CLUSTERS
from protocols.zigbee.zcl.types import INVALID, SIGNED, UNSIGNED, Type, Value

if TYPE_CHECKING:
    from emulator.firmware import EndpointSettings, FirmwareProfile, ZigbeeSettings
    from emulator.smart_energy.application import Application

Read = Callable[["Application"], Value]
Write = Callable[["Application", Any], None]


class Slot(NamedTuple):
    """An attribute of one server. ``stored``: it can be written, and what was written is what is read."""

    attribute: int
    type: int
    read: Read
    write: Write | None = None
    stored: bool = False
    reportable: bool = False

    @property
    def writable(self) -> bool:
        """Whether it takes another value from outside."""
        return self.stored or self.write is not None


class EndpointTable(NamedTuple):
    """An endpoint: its descriptor, and the attributes of its servers by cluster and id."""

    settings: EndpointSettings
    servers: Mapping[int, Mapping[int, Slot]]
    clients: frozenset[int]


class Tables(NamedTuple):
    """All endpoints by number, and the attributes that are pushed to a mirror, by cluster."""

    endpoints: Mapping[int, EndpointTable]
    pushed: Mapping[int, tuple[Slot, ...]]


NO_TABLES: Final = Tables({}, {})

APPLICATION: Final[Mapping[str, Quantity]] = {
    "application.identify": Quantity(
        "u16",
        lambda application: application.identify_time,
        lambda application, value: application.identify(value),
    ),
    "application.fast_poll": Quantity("u8", lambda application: application.fast_poll_period),
}
"""Quantities of the application, beside those of its device."""

_RANGES: Final[Mapping[str, tuple[int, int]]] = {
    **{f"u{bits}": (0, (1 << bits) - 1) for bits in (8, 16, 32, 64)},
    **{f"i{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32, 64)},
    "enum": (0, 255),
    "bool": (0, 1),
}
"""What a quantity of a COSEM type of numbers may give."""
_TEXT: Final = frozenset((Type.OCTSTR, Type.CHARSTR))
LONGEST_TEXT: Final = 32


def tables_of(firmware: FirmwareProfile) -> Tables:
    """The tables of a firmware, compiled when they are asked for first; no endpoints where its profile has none."""
    settings = firmware.zigbee
    if settings is None:
        return NO_TABLES
    shared = firmware.model.shared
    found = shared.get("zigbee")
    if found is None:
        found = shared["zigbee"] = compile_tables(settings, firmware.model.kind)
    return cast("Tables", found)


def compile_tables(settings: ZigbeeSettings, kind: DeviceKind) -> Tables:
    """The tables of settings; ValueError for an attribute of no server, or a source that does not fit its type."""
    servers = {
        cluster: {id: _slot(cluster, id, source, kind) for id, source in attributes.items()}
        for cluster, attributes in settings.attributes.items()
    }
    offered = {cluster for endpoint in settings.endpoints for cluster in endpoint.servers}
    for cluster in servers:
        if cluster not in offered:
            raise ValueError(f"zigbee.attributes: no endpoint has a server of {CLUSTERS[cluster].name}")
    endpoints = {
        endpoint.number: EndpointTable(
            endpoint, {cluster: servers.get(cluster, {}) for cluster in endpoint.servers}, frozenset(endpoint.clients)
        )
        for endpoint in settings.endpoints
    }
    for cluster, attributes in settings.pushed.items():
        missing = [id for id in attributes if id not in servers.get(cluster, {})]
        if missing:
            name = CLUSTERS[cluster].attributes[missing[0]].name
            raise ValueError(f"zigbee.push: {name} of {CLUSTERS[cluster].name} is not among zigbee.attributes")
    pushed = {cluster: tuple(servers[cluster][id] for id in ids) for cluster, ids in settings.pushed.items()}
    return Tables(endpoints, pushed)


def not_available(type: int) -> Value:
    """The value of a type that says that there is none; 0 for bitmaps, which have no such value."""
    if type in UNSIGNED or type in SIGNED:
        return INVALID.get(type, 0)
    return None


def _slot(cluster: int, id: int, source: str | int | bytes, kind: DeviceKind) -> Slot:
    definition = CLUSTERS[cluster].attributes[id]
    where = f"zigbee.attributes: {CLUSTERS[cluster].name}.{definition.name}"
    type, reportable = definition.type, definition.reportable
    if not isinstance(source, str):
        return Slot(id, type, fixed(_constant(where, definition, source)), None, definition.writable, reportable)
    quantity = APPLICATION.get(source)
    if quantity is not None:
        read, put = _fitted(where, type, quantity, own=True), quantity.write
    else:
        quantity = _find(where, source, kind)
        read, put = _fitted(where, type, quantity), _to_device(quantity.write)
    write = put if definition.writable else None
    return Slot(id, type, read, write, False, reportable)


def fixed(value: Value) -> Read:
    """Reads the same value always."""
    return lambda application: value


def _to_device(write: Callable[[Any, Any], None] | None) -> Callable[[Any, Any], None] | None:
    return None if write is None else lambda application, value: write(application.device, value)


def _constant(where: str, definition: AttributeDef, source: int | bytes) -> Value:
    type = definition.type
    if isinstance(source, bytes):
        if type not in _TEXT:
            raise ValueError(f"{where}: text for an attribute of type {type.name}")
        return source.decode("ascii") if type == Type.CHARSTR else source
    if type in _TEXT:
        raise ValueError(f"{where}: {source}: text or a quantity, as {{ text = '..' }} or its name")
    low, high = _range(type)
    if not low <= source <= high:
        raise ValueError(f"{where}: {source}: must be {low} to {high}")
    return source


def _find(where: str, name: str, kind: DeviceKind) -> Quantity:
    """The quantity of that name that the kind of device has; ValueError."""
    found = SOURCES.get(kind.name, {}).get(name) or kind.quantities.get(name)
    if found is not None:
        return found
    family, _, member = name.rpartition(".")
    lookup = kind.quantity_families.get(family)
    if lookup is None:
        known = ", ".join(sorted({*SOURCES.get(kind.name, {}), *kind.quantities, *APPLICATION}))
        raise ValueError(f"{where}: {name!r} is not a quantity of {kind.name}; known: {known}")
    try:
        return lookup(member)
    except ValueError as error:
        raise ValueError(f"{where}: {name!r}: {error}") from None


def _fitted(where: str, type: Type, quantity: Quantity, *, own: bool = False) -> Read:
    """What reads a quantity as a value of a ZCL type; ValueError where one can never be the other.

    It is a quantity of the device, or of the application where it is its ``own``.
    """
    none, read = not_available(type), quantity.read
    given = _RANGES.get(quantity.type)
    if type in _TEXT:
        if quantity.type != "oct":
            raise ValueError(f"{where}: a quantity of type {quantity.type} is no text")
        text = type == Type.CHARSTR

        def read_text(application: Application) -> Value:
            octets: bytes = read(application.device)
            return octets.decode("latin-1") if text else octets

        return read_text
    if given is None or (type not in UNSIGNED and type not in SIGNED):
        raise ValueError(f"{where}: a quantity of type {quantity.type} does not go into {type.name}")
    low, high = _range(type)

    def read_number(application: Application) -> Value:
        try:
            value: int = read(application if own else application.device)
        except AccessRefused:  # a part that this firmware has not
            return none
        return value if low <= value <= high else none

    return read_number


def _range(type: Type) -> tuple[int, int]:
    """Least and greatest number of a type, "not available" left out."""
    if type in SIGNED:
        bits = 8 * SIGNED[type] - 1
        return 1 - (1 << bits), (1 << bits) - 1
    count = UNSIGNED.get(type)
    if count is None:
        raise ValueError(f"attributes of type {type.name} are not for numbers")
    return 0, (1 << 8 * count) - (2 if type in INVALID else 1)
