"""What a request is about: an attribute, a method, and which part of an attribute (Green Book 9.3, Blue Book 4.3.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from protocols import obis
from protocols.dlms import axdr

CLOCK = obis.parse("0-0:1.0.0.255")
_BY_RANGE, _BY_ENTRY = b"\x01", b"\x02"


@dataclass(frozen=True, slots=True)
class _Member:
    """What an object has by number."""

    class_id: int
    logical_name: bytes
    index: int

    def encode(self) -> bytes:
        """The nine octets of its descriptor."""
        return self.class_id.to_bytes(2, "big") + self.logical_name + self.index.to_bytes(1, "big", signed=True)


@dataclass(frozen=True, slots=True)
class Attribute(_Member):
    """An attribute of an object: class 0..65535, logical name of six octets, index -128..127 (0: all of them)."""

    def __str__(self) -> str:
        return f"{self.class_id}/{obis.text(self.logical_name)}:{self.index}"


@dataclass(frozen=True, slots=True)
class Method(_Member):
    """A method of an object; its index counts from 1."""

    def __str__(self) -> str:
        return f"{self.class_id}/{obis.text(self.logical_name)}.{self.index}()"


class Column(NamedTuple):
    """A capture object of a profile: an attribute (0: all) of an object, and which of its elements (0: all)."""

    class_id: int
    logical_name: bytes
    attribute: int
    data_index: int = 0

    def encode(self) -> bytes:
        """Its capture object definition, encoded Data."""
        return axdr.structure(
            axdr.u16(self.class_id), axdr.octets(self.logical_name), axdr.i8(self.attribute), axdr.u16(self.data_index)
        )


CLOCK_TIME = Column(8, CLOCK, 2)
"""The column that profiles are most often restricted by."""


def by_range(start: bytes, end: bytes, *, restricting: Column = CLOCK_TIME, columns: Sequence[Column] = ()) -> bytes:
    """Rows whose ``restricting`` column lies from ``start`` to ``end`` (encoded Data, both included).

    ``columns`` are those wanted, none for all. The result is an access selection: selector 1 and its parameters.
    """
    return _BY_RANGE + axdr.structure(
        restricting.encode(), start, end, axdr.array(column.encode() for column in columns)
    )


def by_entry(first: int = 1, last: int = 0, first_column: int = 1, last_column: int = 0) -> bytes:
    """Rows ``first`` to ``last`` and columns likewise, counted from 1; a last of 0 means the highest there is.

    The result is an access selection: selector 2 and its parameters.
    """
    return _BY_ENTRY + axdr.structure(axdr.u32(first), axdr.u32(last), axdr.u16(first_column), axdr.u16(last_column))
