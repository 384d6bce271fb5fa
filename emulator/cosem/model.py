"""The compiled, shared object model of a logical device.

A firmware profile describes a logical device as plain specs (:class:`ObjectSpec`, :class:`AssociationSpec`). Compiling
them once gives an :class:`ObjectModel`: dictionaries from the nine octets of an attribute descriptor, just as they come
in a GET request, to a bound function that answers with encoded Data. Every device of that profile shares the model and
keeps only its own values. The object list that a client reads is made from the same table, so it cannot lie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar, cast

from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.axdr import Data
from protocols.dlms.types import DataType

if TYPE_CHECKING:
    from emulator.cosem.view import View

Getter = Callable[["View"], bytes]
"""Answers one attribute as encoded Data."""
Setter = Callable[["View", Data, bytes], None]
"""Takes a new value, decoded and as it came; its type has been checked already."""
Selector = Callable[["View", int, Data], bytes]
"""Answers one attribute restricted by an access selector and its parameters."""
Invoker = Callable[["View", Data | None], bytes | None]
"""Runs one method; gives encoded return data, or None for a method that returns nothing."""

Component = TypeVar("Component")

STORED = "stored"
"""Source of an object that only keeps what it is given, of whatever class; see :mod:`emulator.cosem.classes.stored`."""

ASSOCIATION_FAMILIES = frozenset(("security", "counter"))
"""Families of parts and quantities of which there is one for each association, by its name."""


class AttributeMode(IntEnum):
    """Access mode of an attribute in the object list of an association, versions 0 to 2 (Blue Book, class 15)."""

    NONE = 0
    READ = 1
    WRITE = 2
    READ_WRITE = 3
    AUTHENTICATED_READ = 4
    AUTHENTICATED_WRITE = 5
    AUTHENTICATED_READ_WRITE = 6

    @property
    def readable(self) -> bool:
        return self in _READABLE

    @property
    def writable(self) -> bool:
        return self in _WRITABLE


_READABLE = frozenset(
    (
        AttributeMode.READ,
        AttributeMode.READ_WRITE,
        AttributeMode.AUTHENTICATED_READ,
        AttributeMode.AUTHENTICATED_READ_WRITE,
    )
)
_WRITABLE = frozenset(
    (
        AttributeMode.WRITE,
        AttributeMode.READ_WRITE,
        AttributeMode.AUTHENTICATED_WRITE,
        AttributeMode.AUTHENTICATED_READ_WRITE,
    )
)


class MethodMode(IntEnum):
    """Access mode of a method in the object list of an association, versions 0 to 2 (Blue Book, class 15)."""

    NONE = 0
    ALLOWED = 1
    AUTHENTICATED = 2


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value that a device computes when it is read.

    ``type`` is its COSEM type in the notation of :mod:`protocols.dlms.types`; ``read`` takes the device and gives a
    plain value of that type; ``write`` and ``reset`` exist where a client may set it or a class's reset applies.
    """

    type: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], None] | None = None
    reset: Callable[[Any], None] | None = None


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """What one kind of device (ESME, GSME, hub) offers a profile to put behind its objects.

    ``quantities`` are single values, ``components`` parts with several (a clock, a switch), both by the name a profile
    uses for them. The ``..._families`` hold those of which a profile has as many as it names: ``buffer.load`` is
    member ``load`` of the family ``buffer``.
    """

    name: str
    quantities: Mapping[str, Quantity]
    quantity_families: Mapping[str, Callable[[str], Quantity]]
    components: Mapping[str, Callable[[Any], object]]
    component_families: Mapping[str, Callable[[Any, str], object]]


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """One object of a logical device as a profile gives it.

    ``source`` names what backs it in the device, empty for an object that only stores. ``values`` are plain values by
    attribute name. ``access`` is the name of one of the profile's access groups.
    """

    class_id: int
    version: int
    logical_name: bytes
    title: str
    access: str
    source: str = ""
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Grant:
    """What one association may do with the objects of an access group: attribute and method names, or ``*``."""

    get: frozenset[str] = frozenset()
    set: frozenset[str] = frozenset()
    action: frozenset[str] = frozenset()
    authenticated: bool = False


@dataclass(frozen=True, slots=True)
class AssociationSpec:
    """One application association that a logical device offers.

    ``client`` is the client SAP. ``mechanism`` and ``contexts`` are the numbers of the standard (0 none .. 7 ECDSA;
    1 LN plain, 3 LN ciphered). ``security_setup`` is the logical name of the class 64 object whose keys it uses.
    """

    name: str
    client: int
    logical_name: bytes
    contexts: tuple[int, ...]
    mechanism: int
    conformance: int
    max_receive_pdu: int
    max_send_pdu: int
    security_setup: bytes | None = None
    policy: int = 0
    suite: int = 0
    challenge_octets: int = 16


@dataclass(frozen=True, slots=True)
class Binding:
    """What an interface class sees while one of its objects is compiled."""

    spec: ObjectSpec
    kind: DeviceKind
    associations: tuple[AssociationSpec, ...]

    def quantity(self) -> Quantity:
        """The quantity behind the object; ValueError when the profile names one that the device kind has not."""
        name = self.spec.source
        found = self.kind.quantities.get(name)
        if found is not None:
            return found
        family, _, member = name.rpartition(".")
        self._check_association(family, member)
        lookup = self.kind.quantity_families.get(family)
        if lookup is None:
            raise ValueError(
                f"{self.where}: source {name!r} is not a quantity of {self.kind.name}; "
                f"known: {_names(self.kind.quantities, self.kind.quantity_families)}"
            )
        try:
            return lookup(member)
        except ValueError as error:
            raise ValueError(f"{self.where}: source {name!r}: {error}") from None

    def component(self, expected: type[Component]) -> Callable[[View], Component]:
        """A function from a view to the part of the device behind the object.

        ``expected`` is the part's type, for the reader and the type checker; a profile that names a part of another
        type is refused with ValueError when the first device is built.
        """
        name = self.spec.source
        plain = self.kind.components.get(name)
        if plain is not None:
            return lambda view: cast(Component, plain(view.device))
        family, _, member = name.rpartition(".")
        self._check_association(family, member)
        lookup = self.kind.component_families.get(family)
        if lookup is None or not member:
            raise ValueError(
                f"{self.where}: source {name!r} is not a part of {self.kind.name}; "
                f"known: {_names(self.kind.components, self.kind.component_families)}"
            )
        return lambda view: cast(Component, lookup(view.device, member))

    def _check_association(self, family: str, member: str) -> None:
        """Families whose members are associations only have those of the profile."""
        known = [association.name for association in self.associations]
        if family in ASSOCIATION_FAMILIES and member not in known:
            raise ValueError(
                f"{self.where}: source {self.spec.source!r}: no such association; known: {', '.join(known)}"
            )

    @property
    def where(self) -> str:
        return f"object {obis.text(self.spec.logical_name)} (class {self.spec.class_id})"


def _names(plain: Iterable[str], families: Iterable[str]) -> str:
    return ", ".join([*sorted(plain), *(f"{family}.NAME" for family in sorted(families))])


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of an interface class.

    Without ``read``, or where that gives None for an object, it is stored: the profile's value (or ``default``), until
    a client sets another. ``write`` is needed only where a new value does more than be stored; an attribute with
    ``read`` and no ``write`` is read-only. Where the profile gives no value, that of the attribute ``like`` holds.
    """

    index: int
    name: str
    type: str
    read: Callable[[Binding], Getter | None] | None = None
    write: Callable[[Binding], Setter | None] | None = None
    select: Callable[[Binding], Selector] | None = None
    selectors: tuple[int, ...] = ()
    default: Any = None
    like: str = ""


@dataclass(frozen=True, slots=True)
class Method:
    """A method of an interface class; ``type`` is its parameter's type, empty when it takes none."""

    index: int
    name: str
    type: str
    bind: Callable[[Binding], Invoker]


@dataclass(frozen=True, slots=True)
class InterfaceClass:
    """An interface class of the Blue Book: its attributes from index 2 on, and its methods."""

    class_id: int
    version: int
    name: str
    attributes: tuple[Attribute, ...]
    methods: tuple[Method, ...] = ()


@dataclass(frozen=True, slots=True)
class BoundAttribute:
    """An attribute of one object: what reads, writes and restricts it."""

    index: int
    name: str
    type: DataType
    read: Getter
    write: Setter | None
    select: Selector | None
    selectors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BoundMethod:
    """A method of one object."""

    index: int
    name: str
    type: DataType | None
    invoke: Invoker


@dataclass(frozen=True, slots=True)
class ObjectAccess:
    """Modes of one object in one association, by attribute and method index."""

    attributes: Mapping[int, AttributeMode]
    methods: Mapping[int, MethodMode]

    def __bool__(self) -> bool:
        return any(self.attributes.values()) or any(self.methods.values())


@dataclass(frozen=True, slots=True)
class CosemObject:
    """One compiled object, shared by all devices of the profile."""

    class_id: int
    version: int
    logical_name: bytes
    title: str
    attributes: Mapping[int, BoundAttribute]
    methods: Mapping[int, BoundMethod]
    access: tuple[ObjectAccess, ...]
    source: str = ""


class ObjectModel:
    """All objects of one logical device, and what each association may do with them.

    ``by_class`` has the objects that behave as their class does: those that are only stored are left out.
    ``shared`` holds what else is compiled once for all devices of the profile (tariff plans, buffer layouts), each kind
    under keys of its own.
    """

    __slots__ = (
        "_object_lists",
        "_readers",
        "associations",
        "by_class",
        "by_name",
        "kind",
        "objects",
        "objects_by_name",
        "shared",
    )

    def __init__(self, kind: DeviceKind, associations: tuple[AssociationSpec, ...], objects: list[CosemObject]) -> None:
        self.kind = kind
        self.associations = associations
        self.objects = {_object_key(item.class_id, item.logical_name): item for item in objects}
        self.objects_by_name = {item.logical_name: item for item in objects}
        self.by_name = {spec.name: index for index, spec in enumerate(associations)}
        self.by_class: dict[int, list[CosemObject]] = {}
        for item in objects:
            if item.source == STORED:
                continue
            self.by_class.setdefault(item.class_id, []).append(item)
        self.shared: dict[object, Any] = {}
        self._readers = tuple(self._compile_readers(index) for index in range(len(associations)))
        self._object_lists: dict[int, bytes] = {}

    def readers(self, association: int) -> Mapping[bytes, Getter]:
        """Attribute descriptor (9 octets) to getter, for what the association may read without authentication."""
        return self._readers[association]

    def find(self, descriptor: bytes) -> CosemObject | None:
        """The object of an attribute or method descriptor (class, logical name, index), or None."""
        return self.objects.get(descriptor[:8])

    def association_of(self, client: int) -> int | None:
        """Index of the association that a client SAP opens, or None."""
        for index, spec in enumerate(self.associations):
            if spec.client == client:
                return index
        return None

    def object_list(self, association: int) -> bytes:
        """Encoded attribute 2 of class 15: the objects that this association can see, with its rights."""
        found = self._object_lists.get(association)
        if found is None:
            seen = [item for item in self.objects.values() if item.access[association]]
            found = axdr.array([_list_element(item, item.access[association]) for item in seen])
            self._object_lists[association] = found
        return found

    def _compile_readers(self, association: int) -> dict[bytes, Getter]:
        return {
            key + bytes((index,)): item.attributes[index].read
            for key, item in self.objects.items()
            for index, mode in item.access[association].attributes.items()
            if mode in (AttributeMode.READ, AttributeMode.READ_WRITE)
        }


def _object_key(class_id: int, logical_name: bytes) -> bytes:
    return class_id.to_bytes(2, "big") + logical_name


def _list_element(item: CosemObject, access: ObjectAccess) -> bytes:
    attributes = [
        axdr.structure(axdr.i8(index), axdr.enum_(mode), _selectors(item.attributes[index].selectors))
        for index, mode in access.attributes.items()
    ]
    methods = [axdr.structure(axdr.i8(index), axdr.enum_(mode)) for index, mode in access.methods.items()]
    return axdr.structure(
        axdr.u16(item.class_id),
        axdr.u8(item.version),
        axdr.octets(item.logical_name),
        axdr.structure(axdr.array(attributes), axdr.array(methods)),
    )


def _selectors(selectors: tuple[int, ...]) -> bytes:
    return axdr.array([axdr.i8(selector) for selector in selectors]) if selectors else axdr.NULL


def stored_getter(key: bytes, default: bytes) -> Getter:
    """Reads the device's own value under the attribute descriptor ``key``, else the profile's."""

    def read(view: View) -> bytes:
        return view.device.values.get(key, default)

    return read


def stored_setter(key: bytes) -> Setter:
    """Keeps a new value in the device under the attribute descriptor ``key``."""

    def write(view: View, _value: Data, encoded: bytes) -> None:
        view.device.values[key] = encoded

    return write


def attribute_key(binding: Binding, index: int) -> bytes:
    """The attribute descriptor under which a device keeps a stored attribute of the object."""
    return binding.spec.class_id.to_bytes(2, "big") + binding.spec.logical_name + bytes((index,))
