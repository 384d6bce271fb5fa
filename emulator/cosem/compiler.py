"""From the plain specs of a firmware profile to a compiled object model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from emulator.cosem.classes.stored import METHODS, stored_class
from emulator.cosem.model import (
    STORED,
    AssociationSpec,
    Attribute,
    AttributeMode,
    Binding,
    BoundAttribute,
    BoundMethod,
    CosemObject,
    DeviceKind,
    Grant,
    InterfaceClass,
    MethodMode,
    ObjectAccess,
    ObjectModel,
    ObjectSpec,
    attribute_key,
    stored_getter,
    stored_setter,
)
from protocols.dlms import axdr
from protocols.dlms.axdr import Data
from protocols.dlms.types import DataType, parse_type


def compile_model(
    kind: DeviceKind,
    associations: tuple[AssociationSpec, ...],
    specs: list[ObjectSpec],
    groups: Mapping[str, Mapping[str, Grant]],
    classes: Mapping[tuple[int, int], InterfaceClass],
) -> ObjectModel:
    """Compile a logical device.

    ``groups`` maps an access group to what each association (by name) is granted. Raises ValueError that names the
    object and what is allowed for an unknown class, source, attribute or access group, or a value of a wrong type.
    """
    objects: list[CosemObject] = []
    seen: set[bytes] = set()
    for spec in specs:
        binding = Binding(spec, kind, associations)
        if spec.source == STORED:
            interface_class = _stored(binding)
            spec = replace(spec, values={name: value for name, value in spec.values.items() if name != METHODS})
            binding = replace(binding, spec=spec)
        else:
            interface_class = classes.get((spec.class_id, spec.version))
        if interface_class is None:
            known = ", ".join(f"{number} v{version}" for number, version in sorted(classes))
            raise ValueError(f"{binding.where}: no interface class of version {spec.version}; known: {known}")
        if spec.logical_name in seen:
            raise ValueError(f"{binding.where}: this logical name is given twice")
        seen.add(spec.logical_name)
        group = groups.get(spec.access)
        if group is None:
            raise ValueError(
                f"{binding.where}: access group {spec.access!r} is not defined; known: {', '.join(groups)}"
            )
        objects.append(_compile_object(interface_class, binding, group))
    return ObjectModel(kind, associations, objects)


def _stored(binding: Binding) -> InterfaceClass:
    try:
        return stored_class(binding.spec)
    except ValueError as error:
        raise ValueError(f"{binding.where}: {error}") from None


def _compile_object(interface_class: InterfaceClass, binding: Binding, group: Mapping[str, Grant]) -> CosemObject:
    spec = binding.spec
    names = {attribute.name for attribute in interface_class.attributes}
    for name in spec.values:
        if name not in names:
            raise ValueError(f"{binding.where}: no attribute {name!r}; known: {', '.join(sorted(names))}")
    attributes = {1: _logical_name_attribute(spec.logical_name)}
    for attribute in interface_class.attributes:
        attributes[attribute.index] = _compile_attribute(attribute, binding)
    methods = {
        method.index: BoundMethod(
            method.index, method.name, parse_type(method.type) if method.type else None, method.bind(binding)
        )
        for method in interface_class.methods
    }
    access = tuple(
        _object_access(attributes, methods, group.get(association.name)) for association in binding.associations
    )
    return CosemObject(
        interface_class.class_id,
        interface_class.version,
        spec.logical_name,
        spec.title,
        attributes,
        methods,
        access,
        spec.source,
    )


def _logical_name_attribute(logical_name: bytes) -> BoundAttribute:
    encoded = axdr.octets(logical_name)
    return BoundAttribute(1, "logical_name", parse_type("oct6"), lambda _view: encoded, None, None, ())


def _compile_attribute(attribute: Attribute, binding: Binding) -> BoundAttribute:
    spec = binding.spec
    given = spec.values.get(attribute.name, spec.values.get(attribute.like))
    data_type = parse_type(attribute.type)
    select = attribute.select(binding) if attribute.select else None
    backed = attribute.read is not None and (given is None or attribute.write is not None)
    read = attribute.read(binding) if attribute.read is not None and backed else None
    if read is not None and attribute.type == "any":
        data_type = _quantity_type(binding) or data_type
    write = attribute.write(binding) if attribute.write else None
    if read is None:
        if given is None and attribute.default is None and not data_type.check(Data(0, None)):
            raise ValueError(f"{binding.where}: attribute {attribute.name!r} needs a value of type {attribute.type}")
        data_type, encoded = encode_value(attribute, data_type, given, binding)
        key = attribute_key(binding, attribute.index)
        read = stored_getter(key, encoded)
        write = write or stored_setter(key)
    return BoundAttribute(attribute.index, attribute.name, data_type, read, write, select, attribute.selectors)


def _quantity_type(binding: Binding) -> DataType | None:
    """The type of the quantity behind an object, None where a part of the device is."""
    try:
        return parse_type(binding.quantity().type)
    except ValueError:
        return None


def encode_value(attribute: Attribute, data_type: DataType, given: Any, binding: Binding) -> tuple[DataType, bytes]:
    """The type and encoded octets of a profile's value.

    An attribute of any type takes a table of one type and a value, ``{ u16 = 7 }``, and then keeps to that type.
    """
    value = attribute.default if given is None else given
    if value is None:
        return data_type, axdr.NULL
    try:
        if attribute.type == "any":
            if not isinstance(value, dict) or len(cast(dict[str, Any], value)) != 1:
                raise ValueError("give its type and value, such as { u16 = 7 }")
            type_text, value = next(iter(cast(dict[str, Any], value).items()))
            data_type = parse_type(type_text)
        return data_type, data_type.encode(value)
    except ValueError as error:
        raise ValueError(f"{binding.where}: attribute {attribute.name!r}: {error}") from None


def _object_access(
    attributes: Mapping[int, BoundAttribute], methods: Mapping[int, BoundMethod], grant: Grant | None
) -> ObjectAccess:
    if grant is None:
        return ObjectAccess({}, {})
    modes = {index: _attribute_mode(attribute, grant) for index, attribute in attributes.items()}
    allowed = MethodMode.AUTHENTICATED if grant.authenticated else MethodMode.ALLOWED
    method_modes = {
        index: allowed if "*" in grant.action or method.name in grant.action else MethodMode.NONE
        for index, method in methods.items()
    }
    return ObjectAccess(modes, method_modes)


def _attribute_mode(attribute: BoundAttribute, grant: Grant) -> AttributeMode:
    readable = "*" in grant.get or attribute.name in grant.get or (attribute.index == 1 and bool(grant.get | grant.set))
    writable = attribute.write is not None and ("*" in grant.set or attribute.name in grant.set)
    mode = AttributeMode(readable * AttributeMode.READ + writable * AttributeMode.WRITE)
    if grant.authenticated and mode:
        return AttributeMode(mode + 3)
    return mode
