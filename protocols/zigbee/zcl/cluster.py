"""What a definition of a cluster is made of, and the fields that its commands are declared with in ``construct``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from construct import (
    BytesInteger,
    Construct,
    GreedyBytes,
    GreedyRange,
    Int8ul,
    Int16ul,
    Int32sl,
    Int32ul,
    Prefixed,
    Struct,
    Terminated,
)

from protocols.zigbee.declared import optional, present
from protocols.zigbee.zcl.header import Direction
from protocols.zigbee.zcl.types import Type

U8: Final[Construct] = Int8ul
U16: Final[Construct] = Int16ul
U24: Final[Construct] = BytesInteger(3, swapped=True)
U32: Final[Construct] = Int32ul
U48: Final[Construct] = BytesInteger(6, swapped=True)
S32: Final[Construct] = Int32sl
UTC: Final[Construct] = Int32ul
OCTSTR: Final[Construct] = Prefixed(Int8ul, GreedyBytes)
REST: Final[Construct] = GreedyBytes
SNAPSHOT: Final[dict[str, Construct]] = {
    "snapshot": U32,
    "time": UTC,
    "found": U8,
    "index": U8,
    "total": U8,
    "cause": U32,
    "type": U8,
    "content": REST,
}
"""Fields of a snapshot that is published, of registers (Metering) and of the account (Prepayment) alike."""


class AttributeDef(NamedTuple):
    """An attribute of a cluster's server."""

    id: int
    name: str
    type: Type
    writable: bool = False
    reportable: bool = False


class CommandDef(NamedTuple):
    """A command of a cluster; ``layout`` takes its whole payload."""

    id: int
    name: str
    layout: Construct


class Cluster(NamedTuple):
    """A cluster as data: attributes by id, and the commands that go to its server and to its client, by id."""

    id: int
    name: str
    attributes: dict[int, AttributeDef]
    to_server: dict[int, CommandDef]
    to_client: dict[int, CommandDef]

    def commands(self, direction: Direction) -> dict[int, CommandDef]:
        """The commands that go this way."""
        return self.to_client if direction else self.to_server


def attributes(*defs: AttributeDef) -> dict[int, AttributeDef]:
    """A table of attributes by id."""
    return {each.id: each for each in defs}


def command(id: int, name: str, /, **fields: Construct) -> CommandDef:
    """A command of these fields in this order and nothing after them."""
    return CommandDef(id, name, layout(**fields))


def layout(**fields: Construct) -> Construct:
    """Named fields in this order, and then the end."""
    return Struct(*(name / field for name, field in fields.items()), Terminated)


def group(**fields: Construct) -> Construct:
    """Named fields in this order, as an element of a list."""
    return Struct(*(name / field for name, field in fields.items()))


def commands(*defs: CommandDef) -> dict[int, CommandDef]:
    """A table of commands by id."""
    return {each.id: each for each in defs}


def rest_of(element: Construct) -> Construct:
    """As many elements as there are octets for."""
    return GreedyRange(element)


def tail(**fields: Construct) -> dict[str, Any]:
    """Last fields that older devices leave out: None when they are not there."""
    return {name: optional(present(name), field) for name, field in fields.items()}


def numbered(start: int, step: int, names: Iterable[str], type: Type, reportable: bool = False) -> list[AttributeDef]:
    """Attributes of one type at regular ids."""
    return [AttributeDef(start + step * index, name, type, False, reportable) for index, name in enumerate(names)]
