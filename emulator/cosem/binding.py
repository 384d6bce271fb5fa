"""How interface classes tie attributes to quantities and components of a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from emulator.cosem.encoding import encoder
from emulator.cosem.model import Binding, Getter, Invoker, Setter, attribute_key
from emulator.cosem.view import View
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult, Tag
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import parse_type
from protocols.errors import DecodeError

Part = TypeVar("Part")


def quantity_getter(binding: Binding) -> Getter:
    """Reads the quantity behind the object."""
    quantity = binding.quantity()
    encode, read_value = encoder(quantity.type), quantity.read

    def read(view: View) -> bytes:
        return encode(read_value(view.device))

    return read


def quantity_setter(binding: Binding) -> Setter | None:
    """Sets the quantity behind the object, None where it cannot be set."""
    quantity = binding.quantity()
    put = quantity.write
    if put is None:
        return None
    expected = parse_type(quantity.type)

    def write(view: View, value: Data, _encoded: bytes) -> None:
        if not expected.check(value):
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        put(view.device, expected.decode(value))

    return write


def part_getter(expected: type[Part], type_text: str, read_value: Callable[[Part], Any]) -> Callable[[Binding], Getter]:
    """Reads a plain value of the component behind the object and encodes it as ``type_text``."""
    encode = encoder(type_text)

    def bind(binding: Binding) -> Getter:
        part = binding.component(expected)
        return lambda view: encode(read_value(part(view)))

    return bind


def view_getter(expected: type[Part], read: Callable[[View, Part], bytes]) -> Callable[[Binding], Getter]:
    """Reads encoded Data that the component behind the object makes itself."""

    def bind(binding: Binding) -> Getter:
        part = binding.component(expected)
        return lambda view: read(view, part(view))

    return bind


def part_setter(
    expected: type[Part], type_text: str, put: Callable[[View, Part, Any], None]
) -> Callable[[Binding], Setter]:
    """Gives the component behind the object a new plain value; ValueError or DecodeError in ``put`` is other-reason."""
    data_type = parse_type(type_text)

    def bind(binding: Binding) -> Setter:
        part = binding.component(expected)

        def write(view: View, value: Data, _encoded: bytes) -> None:
            try:
                put(view, part(view), data_type.decode(value))
            except (ValueError, DecodeError):
                raise AccessRefused(DataAccessResult.OTHER_REASON) from None

        return write

    return bind


def part_method(
    expected: type[Part], type_text: str, run: Callable[[View, Part, Any], bytes | None]
) -> Callable[[Binding], Invoker]:
    """Runs a method on the component behind the object with its plain parameter; errors as in :func:`part_setter`."""
    data_type = parse_type(type_text) if type_text else None

    def bind(binding: Binding) -> Invoker:
        part = binding.component(expected)

        def invoke(view: View, value: Data | None) -> bytes | None:
            given = None if data_type is None or value is None else data_type.decode(value)
            try:
                return run(view, part(view), given)
            except (ValueError, DecodeError):
                raise AccessRefused(DataAccessResult.OTHER_REASON) from None

        return invoke

    return bind


MAX_ELEMENTS = 255
"""Elements of a table that a device has room for, where its class does not say otherwise."""


def changing_setter(index: int, most: int = MAX_ELEMENTS) -> Callable[[Binding], Setter]:
    """Keeps a new value of attribute ``index`` and tells the device, as it bears on what happens by itself.

    A table of more than ``most`` elements is other-reason.
    """

    def bind(binding: Binding) -> Setter:
        key = attribute_key(binding, index)

        def write(view: View, value: Data, encoded: bytes) -> None:
            if value.tag == Tag.ARRAY and len(value.elements) > most:
                raise AccessRefused(DataAccessResult.OTHER_REASON)
            view.device.values[key] = encoded
            view.device.changed()

        return write

    return bind
