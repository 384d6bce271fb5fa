"""From what a device shows of an object to the object of a profile.

An object that the emulator knows of at that place *lives*: what stands behind it there stands behind it here. Where
nothing is known of it, or the device's is of another make, it is *static*: of its class, with the values that were
read. An object whose class or version the emulator does not have, or whose values are not those of its class, is only
*stored*. The compiler is the judge of what fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from emulator.cosem.classes import CLASSES
from emulator.cosem.classes.stored import METHODS, attribute_name
from emulator.cosem.model import STORED, AssociationSpec, Binding, CosemObject, InterfaceClass, ObjectSpec
from firmware_profiles import files, loader
from firmware_profiles.schema import Object
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.axdr import Data
from protocols.dlms.client import Attribute
from protocols.dlms.enums import Tag
from protocols.dlms.types import parse_type
from rigs.learning.survey import ASSOCIATION_CLASS, PROFILE_CLASS, Key
from rigs.reader import Listed

_NULL = {"raw": axdr.NULL.hex()}
_CAPTURED, _PERIOD, _SORT, _CAPACITY = 3, 4, 5, 8
_ACCESS = "access"
_PERIODS = {"day": 86_400, "event": 0, "account": 0}
"""What a profile shows as its period, s, by what makes its rows."""


class Form(Enum):
    """How much of an object is known."""

    LIVE = "live"
    STATIC = "static"
    STORED = "stored"


@dataclass(frozen=True, slots=True)
class Draft:
    """One object of the profile that is being written, still without its access group."""

    key: Key
    form: Form
    table: dict[str, Any]
    compiled: CosemObject
    access: str
    """What the base calls the access group of such an object."""

    @property
    def text(self) -> str:
        """Its logical name as profiles write it."""
        return name_text(self.key.logical_name)


def name_text(name: bytes) -> str:
    """A logical name as profiles write it: without a last group of 255."""
    return obis.text(name).removesuffix(".255")


class Drafter:
    """Drafts objects for a profile of one kind that offers ``associations``; what is known comes from ``base`` first,
    then from the other profiles of that kind."""

    def __init__(self, base: str, associations: Sequence[AssociationSpec], values: Mapping[Attribute, Data]) -> None:
        self.kind = files.read(base).identity.kind
        self._associations = associations
        self._values = values
        self._known: dict[Key, Object] = {}
        for name in (base, *files.names()):
            profile = files.read(name)
            if profile.identity.kind != self.kind:
                continue
            for text, item in loader.expanded(profile.object):
                self._known.setdefault(Key(item.class_id, obis.parse(text)), item)

    def draft(self, key: Key, listed: Sequence[Listed]) -> Draft:
        """The object as its clients see it."""
        known = self._known.get(key)
        version = listed[0].version
        if key.class_id == ASSOCIATION_CLASS and (key.class_id, version) not in CLASSES:
            version = max(number for class_id, number in CLASSES if class_id == key.class_id)
        interface = CLASSES.get((key.class_id, version))
        indices = sorted({index for item in listed for index in item.attributes} | {1})
        methods = sorted({index for item in listed for index in item.methods})
        if interface is not None and _covers(interface, indices, methods):
            for form, item in ((Form.LIVE, known), (Form.STATIC, None)):
                if form is Form.LIVE and item is None:
                    continue
                try:
                    table = self._table(key, interface, item)
                    compiled = self._compiled(key, table)
                    self._check(key, compiled, {index for item in listed for index in item.writable} - {1})
                except ValueError:
                    continue
                return Draft(key, form, table, compiled, _ACCESS if item is None else item.access)
        return self.stored(key, version, indices, methods)

    def stored(self, key: Key, version: int, indices: Sequence[int], methods: Sequence[int]) -> Draft:
        """The object with no more than what was read of it."""
        known = self._known.get(key)
        table: dict[str, Any] = {
            "class": key.class_id,
            "version": version,
            "title": f"Class {key.class_id}" if known is None else known.title,
            "access": _ACCESS,
            "source": STORED,
        }
        for index in indices:
            if index not in (0, 1):
                data = self._values.get(key.attribute(index))
                table[attribute_name(index)] = _NULL if data is None else parse_type("any").written(data)
        if methods:
            table[METHODS] = list(methods)
        return Draft(key, Form.STORED, table, self._compiled(key, table), _ACCESS if known is None else known.access)

    def reduced(self, draft: Draft) -> Draft:
        """A draft that does not fit with the others, as one that is only stored."""
        compiled = draft.compiled
        return self.stored(draft.key, compiled.version, sorted(compiled.attributes), sorted(compiled.methods))

    def _table(self, key: Key, interface: InterfaceClass, known: Object | None) -> dict[str, Any]:
        """The object's table; ValueError where a value is not of its class. ``known``: it lives as that does."""
        table: dict[str, Any] = {
            "class": key.class_id,
            "version": interface.version,
            "title": interface.name if known is None else known.title,
            "access": _ACCESS,
        }
        if known is not None:
            table |= {"source": known.source} if known.source else {}
            table |= {"copies": [list(entry) for entry in known.copies]} if known.copies else {}
        if key.class_id == PROFILE_CLASS:
            table |= self._buffer(key, known)
        given = {} if known is None else known.values
        binding = self._binding(key, interface, table)
        for attribute in interface.attributes:
            lives = known is not None and attribute.read is not None and attribute.read(binding) is not None
            if lives and attribute.name not in given:
                continue
            data = self._values.get(key.attribute(attribute.index))
            if data is None:
                if attribute.name in given:
                    table[attribute.name] = given[attribute.name]
            elif data.tag != Tag.NULL or attribute.default is not None:
                data_type = parse_type(attribute.type)
                if not data_type.check(data):
                    raise ValueError(f"{attribute.name}: not of type {attribute.type}")
                table[attribute.name] = data_type.written(data)
        return table

    def _buffer(self, key: Key, known: Object | None) -> dict[str, Any]:
        """What class 7 has beside its attributes; ValueError where it does not say what it captures."""
        columns = self._values.get(key.attribute(_CAPTURED))
        period = self._number(key, _PERIOD, 0)
        if known is None or columns is None:
            raise ValueError("nothing is known of this profile")
        captured = [_column(item) for item in columns.elements]
        trigger = known.trigger
        if period and period != _PERIODS.get(trigger or "", period):
            trigger = "period"
        elif not period and trigger == "period":
            trigger = "event"
        return {
            "trigger": trigger,
            "period_s": period if trigger == "period" else known.period_s,
            "capacity": max(1, self._number(key, _CAPACITY, known.capacity)),
            "sort_method": self._number(key, _SORT, known.sort_method),
            "columns": captured,
        }

    def _number(self, key: Key, index: int, otherwise: int) -> int:
        data = self._values.get(key.attribute(index))
        return data.value if data is not None and isinstance(data.value, int) else otherwise

    def _binding(self, key: Key, interface: InterfaceClass, table: Mapping[str, Any]) -> Binding:
        spec = ObjectSpec(key.class_id, interface.version, key.logical_name, "", "", table.get("source", ""))
        return Binding(spec, loader.KINDS[self.kind], tuple(self._associations))

    def _compiled(self, key: Key, table: Mapping[str, Any]) -> CosemObject:
        return loader.compiled_alone(obis.text(key.logical_name), table, self.kind, self._associations)

    def _check(self, key: Key, compiled: CosemObject, writable: set[int]) -> None:
        """ValueError where an attribute would be of another type than what was read, or a right could not be given."""
        for index in writable:
            if compiled.attributes[index].write is None:
                raise ValueError(f"{compiled.attributes[index].name}: cannot be written")
        for index, attribute in compiled.attributes.items():
            data = self._values.get(key.attribute(index))
            if data is not None and data.tag != Tag.NULL and not attribute.type.check(data):
                raise ValueError(f"{attribute.name}: not of type {attribute.type.text}")


def _covers(interface: InterfaceClass, indices: Sequence[int], methods: Sequence[int]) -> bool:
    """Whether the class has all attributes and methods that were listed."""
    attributes = {1, *(attribute.index for attribute in interface.attributes)}
    return attributes.issuperset(indices) and {method.index for method in interface.methods}.issuperset(methods)


def _column(data: Data) -> list[Any]:
    match [item.value for item in data.elements]:
        case [int() as class_id, bytes() as name, int() as attribute, int() as index]:
            return [class_id, name_text(name), attribute, *([index] if index else [])]
        case _:
            raise ValueError("capture objects that cannot be read")


def unfit(drafts: Mapping[Key, Draft]) -> Iterator[Draft]:
    """Drafts that need another object as it is not: profiles of what is not there."""
    for draft in drafts.values():
        if draft.key.class_id != PROFILE_CLASS or draft.form is Form.STORED:
            continue
        for class_id, text, index, *_ in draft.table["columns"]:
            captured = drafts.get(Key(class_id, obis.parse(text)))
            if captured is None or index not in captured.compiled.attributes:
                yield draft
                break
