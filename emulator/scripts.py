"""Script tables (class 9): parsed once a table, executed with the device's own rights."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from emulator.cosem.view import InternalView
from protocols.dlms import axdr
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import parse_type

SCRIPTS = "arr st{u16,arr st{enum,u16,oct6,i8,any}}"
SCRIPT_TABLE_CLASS = 9
MAX_DEPTH = 8
MAX_ACTIONS = 1000

_scripts_type = parse_type(SCRIPTS)


class ServiceId(IntEnum):
    """service_id of a script action (Blue Book, class 9)."""

    WRITE = 1
    EXECUTE = 2


class Action(NamedTuple):
    """One step of a script: what to do to which attribute or method, with encoded Data."""

    service: ServiceId
    descriptor: bytes
    parameter: bytes


@lru_cache(maxsize=256)
def parse_scripts(encoded: bytes) -> dict[int, tuple[Action, ...]]:
    """Actions by script identifier from attribute 2 of class 9; ValueError for a table of another shape."""
    table = axdr.decode_all(encoded)
    if not _scripts_type.check(table):
        raise ValueError("not a script table")
    return {_number(script): tuple(_action(item) for item in script.elements[1].elements) for script in table.elements}


def _number(script: Data) -> int:
    value = script.elements[0].value
    assert isinstance(value, int)
    return value


def _action(item: Data) -> Action:
    service, class_id, logical_name, index, parameter = item.elements
    descriptor = _octets(axdr.encode(class_id))[1:] + _octets(logical_name.value) + _octets(axdr.encode(index))[1:]
    return Action(ServiceId(_integer(service.value)), descriptor, axdr.encode(parameter))


def _octets(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value


def _integer(value: object) -> int:
    assert isinstance(value, int)
    return value


def execute(view: InternalView, table: bytes, selector: int) -> None:
    """Run script ``selector`` of the table with logical name ``table``.

    AccessRefused(object-undefined) when there is no such table or script; the first action that is refused ends it.
    Scripts that run scripts may do so ``MAX_DEPTH`` deep, and ``MAX_ACTIONS`` actions in all; what goes beyond is
    refused with other-reason.
    """
    descriptor = SCRIPT_TABLE_CLASS.to_bytes(2, "big") + table + b"\x02"
    try:
        actions = parse_scripts(view.read(descriptor))[selector]
    except (KeyError, ValueError):
        raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED) from None
    if view.depth == 0:
        view.actions = 0
    elif view.depth >= MAX_DEPTH:
        raise AccessRefused(DataAccessResult.OTHER_REASON)
    view.depth += 1
    try:
        for action in actions:
            view.actions += 1
            if view.actions > MAX_ACTIONS:
                raise AccessRefused(DataAccessResult.OTHER_REASON)
            match action.service:
                case ServiceId.WRITE:
                    view.write(action.descriptor, action.parameter)
                case ServiceId.EXECUTE:
                    view.execute(action.descriptor, action.parameter)
    finally:
        view.depth -= 1
