"""Script table (class 9)."""

from __future__ import annotations

from emulator.cosem.model import Attribute, Binding, InterfaceClass, Invoker, Method, Setter, attribute_key
from emulator.cosem.view import View
from emulator.scripts import SCRIPTS, execute, parse_scripts
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import parse_type

_selector = parse_type("u16")


def _set_scripts(binding: Binding) -> Setter:
    key = attribute_key(binding, 2)

    def write(view: View, _value: Data, encoded: bytes) -> None:
        try:
            parse_scripts(encoded)
        except ValueError:
            raise AccessRefused(DataAccessResult.OTHER_REASON) from None
        view.device.values[key] = encoded
        view.device.changed()

    return write


def _execute(binding: Binding) -> Invoker:
    table = binding.spec.logical_name

    def invoke(view: View, value: Data | None) -> None:
        assert value is not None
        execute(view.device.internal, table, _selector.decode(value))

    return invoke


CLASSES = (
    InterfaceClass(
        9,
        0,
        "Script table",
        (Attribute(2, "scripts", SCRIPTS, write=_set_scripts),),
        (Method(1, "execute", "u16", _execute),),
    ),
)
