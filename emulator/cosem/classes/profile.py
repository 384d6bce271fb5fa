"""Profile generic (class 7, version 1)."""

from __future__ import annotations

from emulator.buffers import BY_ENTRY, BY_RANGE, CAPTURE_OBJECTS, Buffer
from emulator.cosem.binding import part_getter, part_method, view_getter
from emulator.cosem.model import Attribute, Binding, InterfaceClass, Method, Selector
from emulator.cosem.view import View
from protocols.dlms.axdr import Data


def _select(binding: Binding) -> Selector:
    part = binding.component(Buffer)

    def select(view: View, selector: int, parameters: Data) -> bytes:
        return part(view).selected(selector, parameters)

    return select


def _reset(_view: View, buffer: Buffer, _parameter: object) -> None:
    buffer.reset()


def _capture(_view: View, buffer: Buffer, _parameter: object) -> None:
    buffer.capture()


CLASSES = (
    InterfaceClass(
        7,
        1,
        "Profile generic",
        (
            Attribute(
                2,
                "buffer",
                "arr any",
                view_getter(Buffer, lambda _view, buffer: buffer.encoded()),
                select=_select,
                selectors=(BY_RANGE, BY_ENTRY),
            ),
            Attribute(
                3,
                "capture_objects",
                CAPTURE_OBJECTS,
                view_getter(Buffer, lambda _view, buffer: buffer.capture_objects),
            ),
            Attribute(4, "capture_period", "u32", part_getter(Buffer, "u32", lambda part: part.capture_period)),
            Attribute(5, "sort_method", "enum", part_getter(Buffer, "enum", lambda part: part.spec.sort_method)),
            Attribute(
                6,
                "sort_object",
                "st{u16,oct6,i8,u16}",
                view_getter(Buffer, lambda _view, buffer: buffer.sort_object),
            ),
            Attribute(7, "entries_in_use", "u32", part_getter(Buffer, "u32", lambda part: part.entries_in_use)),
            Attribute(8, "profile_entries", "u32", part_getter(Buffer, "u32", lambda part: part.spec.capacity)),
        ),
        (
            Method(1, "reset", "i8", part_method(Buffer, "i8", _reset)),
            Method(2, "capture", "i8", part_method(Buffer, "i8", _capture)),
        ),
    ),
)
