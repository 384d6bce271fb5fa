"""Values of every ZCL type, and payloads of every command of the foundation, for tests that make them up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from protocols.zigbee.zcl import foundation
from protocols.zigbee.zcl.foundation import (
    AttributeStatus,
    Command,
    Discovered,
    ReadRecord,
    Record,
    Reporting,
    ReportingKey,
    ReportingRecord,
    ReportingStatus,
)
from protocols.zigbee.zcl.types import ANALOG, PACKERS, SIGNED, UNSIGNED, Array, Type, Value

OCTET, SHORT, NOT_SUCCESS = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(1, 0xFF)
COMPOUND = (Type.ARRAY, Type.SET, Type.BAG, Type.STRUCT)
SIMPLE = sorted(set(PACKERS) - {*COMPOUND})
ALL_TYPES = sorted(PACKERS)


def values(type: int, depth: int = 2) -> st.SearchStrategy[Any]:
    """Values of a type, arrays and structures at most ``depth`` inside each other."""
    if type in UNSIGNED:
        return st.integers(0, (1 << 8 * UNSIGNED[type]) - 1)
    if type in SIGNED:
        return st.integers(-(1 << 8 * SIGNED[type] - 1), (1 << 8 * SIGNED[type] - 1) - 1)
    inner = st.sampled_from(ALL_TYPES if depth > 1 else SIMPLE)
    match type:
        case Type.NO_DATA:
            return st.none()
        case Type.SINGLE:
            return st.floats(width=32)
        case Type.DOUBLE:
            return st.floats()
        case Type.OCTSTR | Type.LONG_OCTSTR:
            return st.none() | st.binary(max_size=254)
        case Type.CHARSTR | Type.LONG_CHARSTR:
            # what comes may be no UTF-8 at all
            return st.none() | st.binary(max_size=254).map(lambda octets: octets.decode("utf-8", "surrogateescape"))
        case Type.EUI64:
            return st.binary(min_size=8, max_size=8)
        case Type.KEY128:
            return st.binary(min_size=16, max_size=16)
        case Type.STRUCT:
            field = inner.flatmap(lambda each: st.tuples(st.just(each), values(each, depth - 1)))
            return st.none() | st.lists(field, max_size=3).map(tuple)
        case _:
            return inner.filter(bool).flatmap(
                lambda each: st.builds(
                    Array, st.just(each), st.none() | st.lists(values(each, depth - 1), max_size=3).map(tuple)
                )
            )


TYPED: st.SearchStrategy[tuple[int, Value]] = st.sampled_from(ALL_TYPES).flatmap(
    lambda type: st.tuples(st.just(type), values(type))
)
RECORDS = st.builds(lambda id, typed: Record(id, *typed), SHORT, TYPED)
READ_RECORDS = st.builds(lambda id, typed: ReadRecord(id, 0, *typed), SHORT, TYPED) | st.builds(
    lambda id, status: ReadRecord(id, status), SHORT, NOT_SUCCESS
)
ASKED = st.sampled_from(ALL_TYPES).flatmap(
    lambda type: st.builds(
        Reporting, st.just(0), SHORT, st.just(type), SHORT, SHORT, values(type) if type in ANALOG else st.none()
    )
)
REPORTINGS = ASKED | st.builds(lambda id, timeout: Reporting(1, id, timeout=timeout), SHORT, SHORT)
REPORTING_RECORDS = st.builds(ReportingRecord, st.just(0), REPORTINGS) | st.builds(
    ReportingRecord, NOT_SUCCESS, st.builds(lambda direction, id: Reporting(direction, id), OCTET, SHORT)
)


class Case:
    """How one command's payload is made, read and made up. ``given`` are the arguments of ``encode``."""

    def __init__(
        self, encode: Callable[..., bytes], decode: Callable[[bytes], Any], given: st.SearchStrategy[tuple[Any, ...]]
    ) -> None:
        self.encode, self.decode, self.given = encode, decode, given


def _listed(encode: Callable[..., bytes], decode: Callable[[bytes], Any], each: st.SearchStrategy[Any]) -> Case:
    return Case(encode, decode, st.lists(each, max_size=4).map(lambda found: (found,)))


_records = _listed(foundation.encode_records, foundation.decode_records, RECORDS)
_discover = Case(foundation.encode_discover, foundation.decode_discover, st.tuples(SHORT, OCTET))
CASES: dict[Command, Case] = {
    Command.READ: _listed(foundation.encode_read, foundation.decode_read, SHORT),
    Command.READ_RESPONSE: _listed(foundation.encode_read_response, foundation.decode_read_response, READ_RECORDS),
    Command.WRITE: _records,
    Command.WRITE_UNDIVIDED: _records,
    Command.WRITE_NO_RESPONSE: _records,
    Command.REPORT: _records,
    Command.WRITE_RESPONSE: _listed(
        foundation.encode_write_response,
        foundation.decode_write_response,
        st.builds(AttributeStatus, SHORT, NOT_SUCCESS),
    ),
    Command.CONFIGURE_REPORTING: _listed(
        foundation.encode_configure_reporting, foundation.decode_configure_reporting, REPORTINGS
    ),
    Command.CONFIGURE_REPORTING_RESPONSE: _listed(
        foundation.encode_configure_reporting_response,
        foundation.decode_configure_reporting_response,
        st.builds(ReportingStatus, NOT_SUCCESS, OCTET, SHORT),
    ),
    Command.READ_REPORTING: _listed(
        foundation.encode_read_reporting, foundation.decode_read_reporting, st.builds(ReportingKey, OCTET, SHORT)
    ),
    Command.READ_REPORTING_RESPONSE: _listed(
        foundation.encode_read_reporting_response, foundation.decode_read_reporting_response, REPORTING_RECORDS
    ),
    Command.DEFAULT_RESPONSE: Case(
        foundation.encode_default_response, foundation.decode_default_response, st.tuples(OCTET, OCTET)
    ),
    Command.DISCOVER: _discover,
    Command.DISCOVER_EXTENDED: _discover,
    Command.DISCOVER_RESPONSE: Case(
        foundation.encode_discover_response,
        foundation.decode_discover_response,
        st.tuples(st.booleans(), st.lists(st.builds(lambda id, type: Discovered(id, type), SHORT, OCTET), max_size=4)),
    ),
    Command.DISCOVER_EXTENDED_RESPONSE: Case(
        foundation.encode_discover_response,
        lambda payload: foundation.decode_discover_response(payload, True),
        st.tuples(st.booleans(), st.lists(st.builds(Discovered, SHORT, OCTET, OCTET), max_size=4)),
    ),
}


@st.composite
def spoilt(draw: st.DrawFn, octets: bytes) -> bytes:
    """The octets, or these cut short, with one changed or with some after them."""
    match draw(st.integers(0, 4)):
        case 0:
            return octets[: draw(st.integers(0, len(octets)))]
        case 1 if octets:
            place = draw(st.integers(0, len(octets) - 1))
            return octets[:place] + bytes((draw(OCTET),)) + octets[place + 1 :]
        case 2:
            return octets + draw(st.binary(max_size=4))
        case _:
            return octets
