"""ACCESS: several reads, writes and methods in one request (Green Book 9.3.5, 9.5)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from protocols.dlms import axdr
from protocols.dlms.enums import ApduTag, DataAccessResult
from protocols.dlms.objects import AccessRefused, Objects
from protocols.dlms.requests import DESCRIPTOR_OCTETS, encode_values, read_values
from protocols.dlms.services import Refused
from protocols.errors import DecodeError

BREAK_ON_ERROR = 1 << 29
"""processing-option of the long-invoke-id-and-priority: what comes after a failure is not carried out."""


class Kind(IntEnum):
    """access-request-specification."""

    GET = 1
    SET = 2
    ACTION = 3
    GET_SELECTED = 4
    SET_SELECTED = 5


_RESULT_KINDS = {Kind.GET_SELECTED: Kind.GET, Kind.SET_SELECTED: Kind.SET}


class Item(NamedTuple):
    """One thing to do: a nine-octet descriptor, a selector with its parameters, encoded Data (null for none)."""

    kind: Kind
    descriptor: bytes
    selection: bytes | None
    data: bytes

    def encode(self) -> bytes:
        """The specification; the data stand in a list of their own."""
        return bytes((self.kind,)) + self.descriptor + (self.selection or b"")


class AccessRequest(NamedTuple):
    """``invoke_id`` is the 32-bit long-invoke-id-and-priority, ``date_time`` up to 255 octets, mostly none."""

    invoke_id: int
    items: tuple[Item, ...]
    date_time: bytes = b""

    def encode(self) -> bytes:
        """Octets from the tag D9 on."""
        return (
            bytes((ApduTag.ACCESS_REQUEST,))
            + self.invoke_id.to_bytes(4, "big")
            + axdr.sized(self.date_time)
            + axdr.length(len(self.items))
            + b"".join([item.encode() for item in self.items])
            + encode_values(tuple(item.data for item in self.items))
        )

    @classmethod
    def decode(cls, apdu: bytes) -> AccessRequest:
        """Raises DecodeError."""
        if len(apdu) < 5 or apdu[0] != ApduTag.ACCESS_REQUEST:
            raise DecodeError("no access-request", 0, "D9 and at least four octets")
        date_time, offset = axdr.read_sized(apdu, 5)
        count, offset = axdr.read_length(apdu, offset)
        if count * (1 + DESCRIPTOR_OCTETS) > len(apdu) - offset:
            raise DecodeError(f"{count} specifications", offset, "all of them there")
        specifications: list[tuple[Kind, bytes, bytes | None]] = []
        for _ in range(count):
            specification, offset = _specification(apdu, offset)
            specifications.append(specification)
        values, end = read_values(apdu, offset, count)
        if end != len(apdu):
            raise DecodeError(f"{len(apdu) - end} octets too many", end)
        items = tuple(Item(*specification, value) for specification, value in zip(specifications, values, strict=True))
        return cls(int.from_bytes(apdu[1:5], "big"), items, date_time)


class AccessResponse(NamedTuple):
    """Encoded Data (null for none) and a result for each item, with the kind that it had: get, set or action."""

    invoke_id: int
    values: tuple[bytes, ...]
    results: tuple[tuple[Kind, DataAccessResult], ...]
    date_time: bytes = b""

    def encode(self) -> bytes:
        """Octets from the tag DA on, without a repetition of the request's specifications."""
        return (
            bytes((ApduTag.ACCESS_RESPONSE,))
            + self.invoke_id.to_bytes(4, "big")
            + axdr.sized(self.date_time)
            + b"\x00"
            + encode_values(self.values)
            + axdr.length(len(self.results))
            + b"".join([bytes(result) for result in self.results])
        )

    @classmethod
    def decode(cls, apdu: bytes) -> AccessResponse:
        """Raises DecodeError. Specifications that a server repeats are passed over."""
        if len(apdu) < 5 or apdu[0] != ApduTag.ACCESS_RESPONSE:
            raise DecodeError("no access-response", 0, "DA and at least four octets")
        date_time, offset = axdr.read_sized(apdu, 5)
        if offset >= len(apdu):
            raise DecodeError("cut off", offset, "presence of specifications")
        if apdu[offset]:
            count, offset = axdr.read_length(apdu, offset + 1)
            for _ in range(count):
                _, offset = _specification(apdu, offset)
        else:
            offset += 1
        count, _ = axdr.read_length(apdu, offset)
        values, offset = read_values(apdu, offset, count)
        repeated, offset = axdr.read_length(apdu, offset)
        if repeated != count or len(apdu) - offset != 2 * count:
            raise DecodeError(f"{repeated} results for {count} values", offset, "one for each, and nothing more")
        try:
            results = tuple((Kind(apdu[at]), DataAccessResult(apdu[at + 1])) for at in range(offset, len(apdu), 2))
        except ValueError as error:
            raise DecodeError(f"a result that is none: {error}", offset) from None
        return cls(int.from_bytes(apdu[1:5], "big"), values, results, date_time)


def serve(objects: Objects, request: AccessRequest, refused: Refused) -> AccessResponse:
    """Do what is asked, in order; every ACCESS request is answered.

    GB meters answer requests whose service-class bit says unconfirmed (RTDS 4.5.0 has no others), so it is not heeded.
    After a failure with break-on-error the rest gets other-reason.
    """
    values: list[bytes] = []
    results: list[tuple[Kind, DataAccessResult]] = []
    stopped = False
    for item in request.items:
        value, result = axdr.NULL, DataAccessResult.OTHER_REASON
        if not stopped:
            try:
                value, result = _carry_out(objects, item), DataAccessResult.SUCCESS
            except AccessRefused as refusal:
                result = refusal.result
                refused(f"ACCESS {item.kind.name}", item.descriptor, result)
                stopped = bool(request.invoke_id & BREAK_ON_ERROR)
        values.append(value)
        results.append((_RESULT_KINDS.get(item.kind, item.kind), result))
    return AccessResponse(request.invoke_id, tuple(values), tuple(results))


def _carry_out(objects: Objects, item: Item) -> bytes:
    match item.kind:
        case Kind.GET | Kind.GET_SELECTED:
            return objects.get(item.descriptor, item.selection)
        case Kind.SET | Kind.SET_SELECTED:
            objects.set(item.descriptor, item.selection, item.data)
            return axdr.NULL
        case Kind.ACTION:
            returned = objects.action(item.descriptor, None if item.data == axdr.NULL else item.data)
            return axdr.NULL if returned is None else returned


def _specification(apdu: bytes, offset: int) -> tuple[tuple[Kind, bytes, bytes | None], int]:
    end = offset + 1 + DESCRIPTOR_OCTETS
    if end > len(apdu) or not Kind.GET <= apdu[offset] <= Kind.SET_SELECTED:
        raise DecodeError("no access specification", offset, "1 to 5 and a descriptor")
    kind, descriptor = Kind(apdu[offset]), apdu[offset + 1 : end]
    if kind not in _RESULT_KINDS:
        return (kind, descriptor, None), end
    if end >= len(apdu):
        raise DecodeError("cut off", end, "an access selector")
    after = axdr.skip(apdu, end + 1)
    return (kind, descriptor, apdu[end:after]), after
