"""GET, SET and ACTION requests with logical name referencing, to and from octets (Green Book 9.3.6 to 9.3.8, 9.5).

``invoke`` is the invoke-id-and-priority octet. A descriptor is the nine octets of class, logical name and index; a
selection the access selector and its encoded parameters; data are encoded Data. Nothing is decoded further than its
boundaries require.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from protocols.dlms import axdr
from protocols.dlms.enums import ApduTag
from protocols.errors import DecodeError

DESCRIPTOR_OCTETS = 9
_START = 3  # tag, choice, invoke-id-and-priority


class UnknownChoiceError(DecodeError):
    """A service that exists, in a form that does not."""


class Target(NamedTuple):
    """An attribute, or with a selection a part of it."""

    descriptor: bytes
    selection: bytes | None = None

    def encode(self) -> bytes:
        """As it stands in GET and SET requests."""
        return self.descriptor + (b"\x00" if self.selection is None else b"\x01" + self.selection)


class GetNormal(NamedTuple):
    """GET of one attribute."""

    invoke: int
    target: Target

    def encode(self) -> bytes:
        """Octets from the tag C0 on."""
        return bytes((ApduTag.GET_REQUEST, 1, self.invoke)) + self.target.encode()


class GetNext(NamedTuple):
    """GET of the block after block ``number``."""

    invoke: int
    number: int

    def encode(self) -> bytes:
        """Octets from the tag C0 on."""
        return bytes((ApduTag.GET_REQUEST, 2, self.invoke)) + self.number.to_bytes(4, "big")


class GetList(NamedTuple):
    """GET of several attributes."""

    invoke: int
    targets: tuple[Target, ...]

    def encode(self) -> bytes:
        """Octets from the tag C0 on."""
        return bytes((ApduTag.GET_REQUEST, 3, self.invoke)) + _encode_targets(self.targets)


class SetNormal(NamedTuple):
    """SET of one attribute."""

    invoke: int
    target: Target
    data: bytes

    def encode(self) -> bytes:
        """Octets from the tag C1 on."""
        return bytes((ApduTag.SET_REQUEST, 1, self.invoke)) + self.target.encode() + self.data


class SetList(NamedTuple):
    """SET of several attributes, a value for each."""

    invoke: int
    targets: tuple[Target, ...]
    values: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Octets from the tag C1 on."""
        head = bytes((ApduTag.SET_REQUEST, 4, self.invoke))
        return head + _encode_targets(self.targets) + encode_values(self.values)


class SetFirst(NamedTuple):
    """First block of a SET of one attribute, or with ``listed`` of several."""

    invoke: int
    targets: tuple[Target, ...]
    listed: bool
    last: bool
    number: int
    raw: bytes

    def encode(self) -> bytes:
        """Octets from the tag C1 on."""
        head = bytes((ApduTag.SET_REQUEST, 5 if self.listed else 2, self.invoke))
        targets = _encode_targets(self.targets) if self.listed else self.targets[0].encode()
        return head + targets + _encode_block(self.last, self.number, self.raw)


class SetBlock(NamedTuple):
    """A further block of a SET."""

    invoke: int
    last: bool
    number: int
    raw: bytes

    def encode(self) -> bytes:
        """Octets from the tag C1 on."""
        return bytes((ApduTag.SET_REQUEST, 3, self.invoke)) + _encode_block(self.last, self.number, self.raw)


class ActionNormal(NamedTuple):
    """ACTION of one method."""

    invoke: int
    descriptor: bytes
    parameters: bytes | None

    def encode(self) -> bytes:
        """Octets from the tag C3 on."""
        parameters = b"\x00" if self.parameters is None else b"\x01" + self.parameters
        return bytes((ApduTag.ACTION_REQUEST, 1, self.invoke)) + self.descriptor + parameters


class ActionNext(NamedTuple):
    """ACTION: the block of the return value after block ``number``."""

    invoke: int
    number: int

    def encode(self) -> bytes:
        """Octets from the tag C3 on."""
        return bytes((ApduTag.ACTION_REQUEST, 2, self.invoke)) + self.number.to_bytes(4, "big")


class ActionList(NamedTuple):
    """ACTION of several methods, parameters for each (null-data for none)."""

    invoke: int
    descriptors: tuple[bytes, ...]
    values: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Octets from the tag C3 on."""
        head = bytes((ApduTag.ACTION_REQUEST, 3, self.invoke))
        return head + _encode_descriptors(self.descriptors) + encode_values(self.values)


class ActionFirst(NamedTuple):
    """First block of the parameters of one method, or with ``listed`` of several."""

    invoke: int
    descriptors: tuple[bytes, ...]
    listed: bool
    last: bool
    number: int
    raw: bytes

    def encode(self) -> bytes:
        """Octets from the tag C3 on."""
        head = bytes((ApduTag.ACTION_REQUEST, 5 if self.listed else 4, self.invoke))
        descriptors = _encode_descriptors(self.descriptors) if self.listed else self.descriptors[0]
        return head + descriptors + _encode_block(self.last, self.number, self.raw)


class ActionBlock(NamedTuple):
    """A further block of parameters."""

    invoke: int
    last: bool
    number: int
    raw: bytes

    def encode(self) -> bytes:
        """Octets from the tag C3 on."""
        return bytes((ApduTag.ACTION_REQUEST, 6, self.invoke)) + _encode_block(self.last, self.number, self.raw)


Request: TypeAlias = (
    GetNormal
    | GetNext
    | GetList
    | SetNormal
    | SetList
    | SetFirst
    | SetBlock
    | ActionNormal
    | ActionNext
    | ActionList
    | ActionFirst
    | ActionBlock
)


def decode(apdu: bytes) -> Request:
    """The request that fills ``apdu``. Raises DecodeError, UnknownChoiceError for a tag or choice that is none."""
    if len(apdu) < _START:
        raise DecodeError("cut off", len(apdu), "tag, choice and invoke-id-and-priority")
    parser = _PARSERS.get((apdu[0], apdu[1]))
    if parser is None:
        raise UnknownChoiceError(f"choice {apdu[1]} of APDU {apdu[0]:02X}", 1)
    return parser(apdu)


def read_values(buffer: bytes, offset: int, count: int) -> tuple[tuple[bytes, ...], int]:
    """The list of just ``count`` Data at ``offset``, each still encoded, and where it ends. Raises DecodeError."""
    found, position = axdr.read_length(buffer, offset)
    if found != count:
        raise DecodeError(f"{found} values", offset, f"{count}, one for each item")
    values: list[bytes] = []
    for _ in range(count):
        end = axdr.skip(buffer, position)
        values.append(buffer[position:end])
        position = end
    return tuple(values), position


def encode_values(values: tuple[bytes, ...]) -> bytes:
    """A list of encoded Data with its count."""
    return axdr.length(len(values)) + b"".join(values)


def _encode_targets(targets: tuple[Target, ...]) -> bytes:
    return axdr.length(len(targets)) + b"".join([target.encode() for target in targets])


def _encode_descriptors(descriptors: tuple[bytes, ...]) -> bytes:
    return axdr.length(len(descriptors)) + b"".join(descriptors)


def _encode_block(last: bool, number: int, raw: bytes) -> bytes:
    return bytes((last,)) + number.to_bytes(4, "big") + axdr.sized(raw)


def _descriptor(apdu: bytes, offset: int) -> tuple[bytes, int]:
    end = offset + DESCRIPTOR_OCTETS
    if end > len(apdu):
        raise DecodeError("cut off", offset, "a descriptor of nine octets")
    return apdu[offset:end], end


def _target(apdu: bytes, offset: int) -> tuple[Target, int]:
    descriptor, offset = _descriptor(apdu, offset)
    if not _flag(apdu, offset):
        return Target(descriptor), offset + 1
    start = offset + 1
    if start >= len(apdu):
        raise DecodeError("cut off", start, "an access selector")
    end = axdr.skip(apdu, start + 1)
    return Target(descriptor, apdu[start:end]), end


def _targets(apdu: bytes, offset: int) -> tuple[tuple[Target, ...], int]:
    count, offset = _count(apdu, offset, DESCRIPTOR_OCTETS + 1)
    targets: list[Target] = []
    for _ in range(count):
        target, offset = _target(apdu, offset)
        targets.append(target)
    return tuple(targets), offset


def _descriptors(apdu: bytes, offset: int) -> tuple[tuple[bytes, ...], int]:
    count, offset = _count(apdu, offset, DESCRIPTOR_OCTETS)
    descriptors: list[bytes] = []
    for _ in range(count):
        descriptor, offset = _descriptor(apdu, offset)
        descriptors.append(descriptor)
    return tuple(descriptors), offset


def _count(apdu: bytes, offset: int, least: int) -> tuple[int, int]:
    """A number of items that take ``least`` octets each, at the least."""
    count, start = axdr.read_length(apdu, offset)
    if not 1 <= count * least <= len(apdu) - start:
        raise DecodeError(f"{count} items", offset, "at least one, and all of them there")
    return count, start


def _flag(apdu: bytes, offset: int) -> bool:
    if offset >= len(apdu) or apdu[offset] > 1:
        raise DecodeError("no presence flag", offset, "00 or 01")
    return apdu[offset] == 1


def _number(apdu: bytes, offset: int) -> tuple[int, int]:
    end = offset + 4
    if end > len(apdu):
        raise DecodeError("cut off", offset, "a block number of four octets")
    return int.from_bytes(apdu[offset:end], "big"), end


def _block(apdu: bytes, offset: int) -> tuple[bool, int, bytes]:
    """last-block (any value but 0 is true), number and raw data that fill what is left."""
    if offset >= len(apdu):
        raise DecodeError("cut off", offset, "last-block")
    number, start = _number(apdu, offset + 1)
    raw, end = axdr.read_sized(apdu, start)
    _finished(apdu, end)
    return apdu[offset] != 0, number, raw


def _finished(apdu: bytes, end: int) -> None:
    if end != len(apdu):
        raise DecodeError(f"{len(apdu) - end} octets too many", end)


def _get_normal(apdu: bytes) -> Request:
    target, end = _target(apdu, _START)
    _finished(apdu, end)
    return GetNormal(apdu[2], target)


def _get_next(apdu: bytes) -> Request:
    number, end = _number(apdu, _START)
    _finished(apdu, end)
    return GetNext(apdu[2], number)


def _get_list(apdu: bytes) -> Request:
    targets, end = _targets(apdu, _START)
    _finished(apdu, end)
    return GetList(apdu[2], targets)


def _set_normal(apdu: bytes) -> Request:
    target, start = _target(apdu, _START)
    _finished(apdu, axdr.skip(apdu, start))
    return SetNormal(apdu[2], target, apdu[start:])


def _set_list(apdu: bytes) -> Request:
    targets, offset = _targets(apdu, _START)
    values, end = read_values(apdu, offset, len(targets))
    _finished(apdu, end)
    return SetList(apdu[2], targets, values)


def _set_first(apdu: bytes) -> Request:
    target, offset = _target(apdu, _START)
    return SetFirst(apdu[2], (target,), False, *_block(apdu, offset))


def _set_block(apdu: bytes) -> Request:
    return SetBlock(apdu[2], *_block(apdu, _START))


def _set_list_first(apdu: bytes) -> Request:
    targets, offset = _targets(apdu, _START)
    return SetFirst(apdu[2], targets, True, *_block(apdu, offset))


def _action_normal(apdu: bytes) -> Request:
    descriptor, offset = _descriptor(apdu, _START)
    if not _flag(apdu, offset):
        _finished(apdu, offset + 1)
        return ActionNormal(apdu[2], descriptor, None)
    _finished(apdu, axdr.skip(apdu, offset + 1))
    return ActionNormal(apdu[2], descriptor, apdu[offset + 1 :])


def _action_next(apdu: bytes) -> Request:
    number, end = _number(apdu, _START)
    _finished(apdu, end)
    return ActionNext(apdu[2], number)


def _action_list(apdu: bytes) -> Request:
    descriptors, offset = _descriptors(apdu, _START)
    values, end = read_values(apdu, offset, len(descriptors))
    _finished(apdu, end)
    return ActionList(apdu[2], descriptors, values)


def _action_first(apdu: bytes) -> Request:
    descriptor, offset = _descriptor(apdu, _START)
    return ActionFirst(apdu[2], (descriptor,), False, *_block(apdu, offset))


def _action_list_first(apdu: bytes) -> Request:
    descriptors, offset = _descriptors(apdu, _START)
    return ActionFirst(apdu[2], descriptors, True, *_block(apdu, offset))


def _action_block(apdu: bytes) -> Request:
    return ActionBlock(apdu[2], *_block(apdu, _START))


_PARSERS: dict[tuple[int, int], Callable[[bytes], Request]] = {
    (ApduTag.GET_REQUEST, 1): _get_normal,
    (ApduTag.GET_REQUEST, 2): _get_next,
    (ApduTag.GET_REQUEST, 3): _get_list,
    (ApduTag.SET_REQUEST, 1): _set_normal,
    (ApduTag.SET_REQUEST, 2): _set_first,
    (ApduTag.SET_REQUEST, 3): _set_block,
    (ApduTag.SET_REQUEST, 4): _set_list,
    (ApduTag.SET_REQUEST, 5): _set_list_first,
    (ApduTag.ACTION_REQUEST, 1): _action_normal,
    (ApduTag.ACTION_REQUEST, 2): _action_next,
    (ApduTag.ACTION_REQUEST, 3): _action_list,
    (ApduTag.ACTION_REQUEST, 4): _action_first,
    (ApduTag.ACTION_REQUEST, 5): _action_list_first,
    (ApduTag.ACTION_REQUEST, 6): _action_block,
}
