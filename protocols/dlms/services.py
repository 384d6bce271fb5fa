"""GET, SET and ACTION of one open association (Green Book 9.3.6 to 9.3.8, 9.4.6).

Requests come plain and go out plain; protection is the association's work. Each service has at most one long transfer
at a time; a new request of that service gives up the one before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from protocols.dlms import axdr, requests
from protocols.dlms.blocks import Incoming, Outgoing, OverlongError
from protocols.dlms.enums import ApduTag, Conformance, DataAccessResult
from protocols.dlms.objects import AccessRefused, Objects
from protocols.dlms.refusals import malformed, not_negotiated, unanswerable, unknown
from protocols.dlms.requests import (
    ActionBlock,
    ActionFirst,
    ActionList,
    ActionNext,
    ActionNormal,
    GetList,
    GetNext,
    GetNormal,
    SetBlock,
    SetFirst,
    SetList,
    SetNormal,
    Target,
)
from protocols.errors import DecodeError

CONFIRMED = 0x40
"""Bit of the invoke-id-and-priority: an answer is wanted. SET and ACTION without it get none."""
_ID = 0x0F
_GET_BLOCK = 3 + 1 + 4 + 1  # response header, last-block, number and the choice of raw data
_ACTION_BLOCK = 3 + 1 + 4

Refused = Callable[[str, bytes, DataAccessResult], None]
"""Told of each refusal: the service, the descriptor and the result."""


class _LongRequest(NamedTuple):
    """A SET or ACTION that arrives in blocks."""

    invoke: int
    targets: tuple[Target, ...]
    listed: bool
    incoming: Incoming


class Services:
    """GET, SET and ACTION on the objects of one association with its negotiated conformance."""

    __slots__ = ("_action", "_conformance", "_refused", "_returning", "_sending", "_set", "objects")

    def __init__(self, objects: Objects, conformance: int, refused: Refused) -> None:
        self.objects = objects
        """What the services work on."""
        self._conformance = conformance
        self._refused = refused
        self._sending: tuple[int, Outgoing] | None = None
        self._returning: tuple[int, Outgoing] | None = None
        self._set: _LongRequest | None = None
        self._action: _LongRequest | None = None

    @property
    def sending(self) -> bool:
        """Whether a GET is being answered in blocks."""
        return self._sending is not None

    def serve(self, apdu: bytes, room: int) -> bytes | None:
        """Answer a GET, SET or ACTION request; None for one that wants no answer.

        ``room`` is the largest answer in octets, 0 when it may have any length because general block transfer carries
        it. With general block transfer negotiated an answer can be longer than ``room`` when the service's own
        blocks are not negotiated. Raises NotServedError.
        """
        service, needed = _SERVICES[apdu[0]]
        if not self._conformance & needed:
            raise not_negotiated(service)
        try:
            request = requests.decode(apdu)
        except requests.UnknownChoiceError as error:
            raise unknown(str(error)) from None
        except DecodeError as error:
            raise malformed(f"{service}: {error}") from None
        match request:
            case GetNormal():
                return self.get(request.invoke, request.target, room)
            case GetNext():
                self._need(Conformance.BLOCK_GET, "GET in blocks")
                return self._get_next(request, room)
            case GetList():
                self._need(Conformance.MULTIPLE_REFERENCES, "GET with list")
                return self._get_list(request, room)
            case SetNormal(invoke, target, data):
                result = self._set_one(target, data)
                return bytes((ApduTag.SET_RESPONSE, 1, invoke, result)) if invoke & CONFIRMED else None
            case SetList(invoke, targets, values):
                self._need(Conformance.MULTIPLE_REFERENCES, "SET with list")
                results = self._set_many(targets, values)
                return bytes((ApduTag.SET_RESPONSE, 5, invoke)) + results if invoke & CONFIRMED else None
            case SetFirst():
                self._need(Conformance.BLOCK_SET, "SET in blocks")
                if request.listed:
                    self._need(Conformance.MULTIPLE_REFERENCES, "SET with list")
                return self._set_first(request)
            case SetBlock():
                self._need(Conformance.BLOCK_SET, "SET in blocks")
                return self._set_block(request)
            case ActionNormal(invoke, descriptor, parameters):
                answer = self._action_answer(invoke, descriptor, parameters, room)
                return answer if invoke & CONFIRMED else None
            case ActionNext():
                self._need(Conformance.BLOCK_ACTION, "ACTION in blocks")
                return self._action_next(request, room)
            case ActionList(invoke, descriptors, values):
                self._need(Conformance.MULTIPLE_REFERENCES, "ACTION with list")
                answer = self._action_many(invoke, descriptors, values, room)
                return answer if invoke & CONFIRMED else None
            case ActionFirst():
                self._need(Conformance.BLOCK_ACTION, "ACTION in blocks")
                if request.listed:
                    self._need(Conformance.MULTIPLE_REFERENCES, "ACTION with list")
                return self._action_first(request, room)
            case ActionBlock():
                self._need(Conformance.BLOCK_ACTION, "ACTION in blocks")
                return self._action_block(request, room)

    # -- GET --------------------------------------------------------------------------------------------------------

    def get(self, invoke: int, target: Target, room: int) -> bytes:
        """The answer to a GET of one attribute."""
        self._sending = None
        try:
            data = self._read(target)
        except AccessRefused as refusal:
            self._refused("GET", target.descriptor, refusal.result)
            return _get_refused(invoke, refusal.result)
        return self.got(invoke, data, room)

    def got(self, invoke: int, data: bytes, room: int) -> bytes:
        """The answer to a GET of one attribute that has been read: encoded ``data``, in blocks if it must be."""
        if not room or len(data) + 4 <= room:
            return bytes((ApduTag.GET_RESPONSE, 1, invoke, 0)) + data
        if self._conformance & Conformance.BLOCK_GET:
            return self._send(invoke, data, room)
        if self._conformance & Conformance.GENERAL_BLOCK_TRANSFER:
            return bytes((ApduTag.GET_RESPONSE, 1, invoke, 0)) + data
        return _get_refused(invoke, DataAccessResult.DATA_BLOCK_UNAVAILABLE)

    def _read(self, target: Target) -> bytes:
        descriptor, selection = target
        if selection is not None and not self._conformance & Conformance.SELECTIVE_ACCESS:
            raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
        if descriptor[8] or selection is not None or not self._conformance & Conformance.ATTRIBUTE0_GET:
            return self.objects.get(descriptor, selection)
        return axdr.structure(*[self._readable(descriptor, index) for index in self.objects.attributes(descriptor)])

    def _readable(self, descriptor: bytes, index: int) -> bytes:
        """One attribute of those that attribute 0 stands for; null-data where it may not be read."""
        try:
            return self.objects.get(descriptor[:8] + bytes((index,)))
        except AccessRefused:
            return axdr.NULL

    def _get_list(self, request: GetList, room: int) -> bytes:
        self._sending = None
        results: list[bytes] = []
        for target in request.targets:
            try:
                results.append(b"\x00" + self._read(target))
            except AccessRefused as refusal:
                self._refused("GET", target.descriptor, refusal.result)
                results.append(bytes((1, refusal.result)))
        raw = axdr.length(len(results)) + b"".join(results)
        whole = bytes((ApduTag.GET_RESPONSE, 3, request.invoke)) + raw
        if not room or len(whole) <= room:
            return whole
        if self._conformance & Conformance.BLOCK_GET:
            return self._send(request.invoke, raw, room)
        return self._whole_or_not(whole)

    def _send(self, invoke: int, raw: bytes, room: int) -> bytes:
        self._sending = (invoke & _ID, Outgoing(raw))
        return self._get_block(invoke, self._sending[1], room)

    def _get_next(self, request: GetNext, room: int) -> bytes:
        invoke, number = request
        sending = self._sending
        if sending is None or sending[0] != invoke & _ID:
            return _get_block_refused(invoke, number, DataAccessResult.NO_LONG_GET_IN_PROGRESS)
        outgoing = sending[1]
        if number != outgoing.number:
            self._sending = None
            return _get_block_refused(invoke, number, DataAccessResult.DATA_BLOCK_NUMBER_INVALID)
        return self._get_block(invoke, outgoing, room)

    def _get_block(self, invoke: int, outgoing: Outgoing, room: int) -> bytes:
        raw = outgoing.take(axdr.fitting(room - _GET_BLOCK) if room else outgoing.left)
        last = outgoing.exhausted
        if last:
            self._sending = None
        head = bytes((ApduTag.GET_RESPONSE, 2, invoke, last))
        return head + outgoing.number.to_bytes(4, "big") + b"\x00" + axdr.sized(raw)

    # -- SET --------------------------------------------------------------------------------------------------------

    def _set_one(self, target: Target, data: bytes) -> DataAccessResult:
        try:
            self._write(target, data)
        except AccessRefused as refusal:
            self._refused("SET", target.descriptor, refusal.result)
            return refusal.result
        return DataAccessResult.SUCCESS

    def _write(self, target: Target, data: bytes) -> None:
        descriptor, selection = target
        if selection is not None and not self._conformance & Conformance.SELECTIVE_ACCESS:
            raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
        if descriptor[8] or selection is not None or not self._conformance & Conformance.ATTRIBUTE0_SET:
            self.objects.set(descriptor, selection, data)
            return
        for index, value in zip(
            self.objects.attributes(descriptor), _elements(data, self.objects.attributes(descriptor)), strict=True
        ):
            if value != axdr.NULL:
                self.objects.set(descriptor[:8] + bytes((index,)), None, value)

    def _set_many(self, targets: tuple[Target, ...], values: tuple[bytes, ...]) -> bytes:
        """The list of results with its count."""
        return axdr.length(len(targets)) + bytes(map(self._set_one, targets, values))

    def _set_first(self, request: SetFirst) -> bytes:
        self._set = _LongRequest(request.invoke & _ID, request.targets, request.listed, Incoming())
        return self._set_part(self._set, request.invoke, request.last, request.number, request.raw)

    def _set_block(self, request: SetBlock) -> bytes:
        invoke, last, number, raw = request
        long = self._set
        if long is None or long.invoke != invoke & _ID:
            return _set_refused(invoke, number, DataAccessResult.NO_LONG_SET_IN_PROGRESS)
        return self._set_part(long, invoke, last, number, raw)

    def _set_part(self, long: _LongRequest, invoke: int, last: bool, number: int, raw: bytes) -> bytes:
        refusal = _add(long.incoming, number, raw)
        if refusal is not None:
            self._set = None
            result = {_OUT_OF_ORDER: DataAccessResult.DATA_BLOCK_NUMBER_INVALID}.get(
                refusal, DataAccessResult.LONG_SET_ABORTED
            )
            self._refused("SET", long.targets[0].descriptor, result)
            return _set_refused(invoke, number, result)
        if not last:
            return bytes((ApduTag.SET_RESPONSE, 2, invoke)) + number.to_bytes(4, "big")
        self._set = None
        data = long.incoming.octets()
        if not long.listed:
            return _set_refused(invoke, number, self._set_one(long.targets[0], data))
        values = _values(data, len(long.targets))
        if values is None:
            results = axdr.length(len(long.targets)) + bytes((DataAccessResult.TYPE_UNMATCHED,)) * len(long.targets)
        else:
            results = self._set_many(long.targets, values)
        return bytes((ApduTag.SET_RESPONSE, 4, invoke)) + results + number.to_bytes(4, "big")

    # -- ACTION -----------------------------------------------------------------------------------------------------

    def _run(self, descriptor: bytes, parameters: bytes | None) -> tuple[DataAccessResult, bytes | None]:
        """The action-result and encoded return value of one method."""
        try:
            return DataAccessResult.SUCCESS, self.objects.action(descriptor, parameters)
        except AccessRefused as refusal:
            self._refused("ACTION", descriptor, refusal.result)
            return refusal.result, None

    def _action_answer(self, invoke: int, descriptor: bytes, parameters: bytes | None, room: int) -> bytes:
        self._returning = None
        result, returned = self._run(descriptor, parameters)
        head = bytes((ApduTag.ACTION_RESPONSE, 1, invoke, result))
        if returned is None:
            return head + b"\x00"
        whole = head + b"\x01\x00" + returned
        if not room or len(whole) <= room:
            return whole
        if self._conformance & Conformance.BLOCK_ACTION:
            return self._return(invoke, returned, room)
        if self._conformance & Conformance.GENERAL_BLOCK_TRANSFER:
            return whole
        return head + bytes((1, 1, DataAccessResult.DATA_BLOCK_UNAVAILABLE))

    def _action_many(self, invoke: int, descriptors: tuple[bytes, ...], values: tuple[bytes, ...], room: int) -> bytes:
        self._returning = None
        results: list[bytes] = []
        for descriptor, value in zip(descriptors, values, strict=True):
            result, returned = self._run(descriptor, None if value == axdr.NULL else value)
            results.append(bytes((result, 0)) if returned is None else bytes((result, 1, 0)) + returned)
        raw = axdr.length(len(results)) + b"".join(results)
        whole = bytes((ApduTag.ACTION_RESPONSE, 3, invoke)) + raw
        if not room or len(whole) <= room:
            return whole
        if self._conformance & Conformance.BLOCK_ACTION:
            return self._return(invoke, raw, room)
        return self._whole_or_not(whole)

    def _return(self, invoke: int, raw: bytes, room: int) -> bytes:
        """A return value in blocks: of one method the bare Data, of several the list of responses."""
        self._returning = (invoke & _ID, Outgoing(raw))
        return self._action_return_block(invoke, self._returning[1], room)

    def _action_next(self, request: ActionNext, room: int) -> bytes:
        invoke, number = request
        returning = self._returning
        if returning is None or returning[0] != invoke & _ID:
            return _action_refused(invoke, DataAccessResult.NO_LONG_GET_IN_PROGRESS)
        if number != returning[1].number:
            self._returning = None
            return _action_refused(invoke, DataAccessResult.LONG_GET_ABORTED)
        return self._action_return_block(invoke, returning[1], room)

    def _action_return_block(self, invoke: int, outgoing: Outgoing, room: int) -> bytes:
        raw = outgoing.take(axdr.fitting(room - _ACTION_BLOCK) if room else outgoing.left)
        last = outgoing.exhausted
        if last:
            self._returning = None
        return bytes((ApduTag.ACTION_RESPONSE, 2, invoke, last)) + outgoing.number.to_bytes(4, "big") + axdr.sized(raw)

    def _action_first(self, request: ActionFirst, room: int) -> bytes:
        targets = tuple(map(Target, request.descriptors))
        self._action = _LongRequest(request.invoke & _ID, targets, request.listed, Incoming())
        return self._action_part(self._action, request.invoke, request.last, request.number, request.raw, room)

    def _action_block(self, request: ActionBlock, room: int) -> bytes:
        invoke, last, number, raw = request
        long = self._action
        if long is None or long.invoke != invoke & _ID:
            return _action_refused(invoke, DataAccessResult.NO_LONG_GET_IN_PROGRESS)
        return self._action_part(long, invoke, last, number, raw, room)

    def _action_part(self, long: _LongRequest, invoke: int, last: bool, number: int, raw: bytes, room: int) -> bytes:
        if _add(long.incoming, number, raw) is not None:
            self._action = None
            self._refused("ACTION", long.targets[0].descriptor, DataAccessResult.LONG_GET_ABORTED)
            return _action_refused(invoke, DataAccessResult.LONG_GET_ABORTED)
        if not last:
            return bytes((ApduTag.ACTION_RESPONSE, 4, invoke)) + number.to_bytes(4, "big")
        self._action = None
        data = long.incoming.octets()
        if not long.listed:
            return self._action_answer(invoke, long.targets[0].descriptor, data, room)
        values = _values(data, len(long.targets))
        if values is None:
            refused = bytes((DataAccessResult.TYPE_UNMATCHED, 0)) * len(long.targets)
            return bytes((ApduTag.ACTION_RESPONSE, 3, invoke)) + axdr.length(len(long.targets)) + refused
        return self._action_many(invoke, tuple(target.descriptor for target in long.targets), values, room)

    # -- shared -----------------------------------------------------------------------------------------------------

    def _need(self, needed: Conformance, service: str) -> None:
        if not self._conformance & needed:
            raise not_negotiated(service)

    def _whole_or_not(self, whole: bytes) -> bytes:
        """A list that is too long for one APDU, where the service has no blocks of its own."""
        if self._conformance & Conformance.GENERAL_BLOCK_TRANSFER:
            return whole
        raise unanswerable(f"an answer of {len(whole)} octets has no way out")


_SERVICES = {
    int(ApduTag.GET_REQUEST): ("GET", int(Conformance.GET)),
    int(ApduTag.SET_REQUEST): ("SET", int(Conformance.SET)),
    int(ApduTag.ACTION_REQUEST): ("ACTION", int(Conformance.ACTION)),
}
_OUT_OF_ORDER, _TOO_LONG = "out of order", "too long"


def _get_refused(invoke: int, result: int) -> bytes:
    return bytes((ApduTag.GET_RESPONSE, 1, invoke, 1, result))


def _get_block_refused(invoke: int, number: int, result: int) -> bytes:
    return bytes((ApduTag.GET_RESPONSE, 2, invoke, 1)) + number.to_bytes(4, "big") + bytes((1, result))


def _set_refused(invoke: int, number: int, result: int) -> bytes:
    """The answer to the last block of a SET, and to one that ends it early."""
    return bytes((ApduTag.SET_RESPONSE, 3, invoke, result)) + number.to_bytes(4, "big")


def _action_refused(invoke: int, result: int) -> bytes:
    return bytes((ApduTag.ACTION_RESPONSE, 1, invoke, result, 0))


def _add(incoming: Incoming, number: int, raw: bytes) -> str | None:
    """Take a block, or say what is wrong with it."""
    try:
        incoming.add(number, raw)
    except OverlongError:
        return _TOO_LONG
    except DecodeError:
        return _OUT_OF_ORDER
    return None


def _values(data: bytes, count: int) -> tuple[bytes, ...] | None:
    """The list of ``count`` Data that came in blocks; None when it is none."""
    try:
        values, end = requests.read_values(data, 0, count)
    except DecodeError:
        return None
    return values if end == len(data) else None


def _elements(data: bytes, attributes: tuple[int, ...]) -> tuple[bytes, ...]:
    """The elements of the structure that sets all attributes of an object."""
    found = _values(data[1:], len(attributes)) if data[:1] == b"\x02" else None
    if found is None:
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
    return found
