"""Objects that only keep what they are given, of whatever class and version.

A profile has them (``source = "stored"``) for what a device is known to show and nothing is known of beyond that: a
make's own classes, and versions of classes that the emulator does not have. Values are given as ``attribute_2`` and so
on, methods as ``methods = [1, 2]``; every attribute that the object has is given, and every call is refused.
"""

from __future__ import annotations

import re
from typing import Any, cast

from emulator.cosem.model import Attribute, Binding, InterfaceClass, Invoker, Method, ObjectSpec
from emulator.cosem.view import View
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused

METHODS = "methods"
_NAME = re.compile(r"attribute_(-?[0-9]{1,3})")


def attribute_name(index: int) -> str:
    """What a profile calls the attribute of that index."""
    return f"attribute_{index}"


def method_name(index: int) -> str:
    """What a profile calls the method of that index."""
    return f"method_{index}"


def stored_class(spec: ObjectSpec) -> InterfaceClass:
    """The interface class of one stored object, from the values that it is given; ValueError for another key."""
    attributes = tuple(Attribute(_index(name), name, "any") for name in spec.values if name != METHODS)
    methods = tuple(Method(index, method_name(index), "", _refused) for index in _methods(spec.values.get(METHODS, [])))
    return InterfaceClass(spec.class_id, spec.version, "Stored", attributes, methods)


def _index(name: str) -> int:
    found = _NAME.fullmatch(name)
    if found is None or int(found[1]) in (0, 1) or not -128 <= int(found[1]) <= 127:
        raise ValueError(f"{name!r}: a stored object has attribute_2 to attribute_127, and methods")
    return int(found[1])


def _methods(given: Any) -> list[int]:
    if not isinstance(given, list):
        raise ValueError(f"methods: {given!r}: a list of numbers such as [1, 2]")
    numbers = cast("list[Any]", given)
    for number in numbers:
        if not isinstance(number, int) or not -128 <= number <= 127:
            raise ValueError(f"methods: {number!r}: a list of numbers such as [1, 2]")
    return numbers


def _refused(_binding: Binding) -> Invoker:
    def invoke(_view: View, _value: Data | None) -> None:
        raise AccessRefused(DataAccessResult.OTHER_REASON)

    return invoke
