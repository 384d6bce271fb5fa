"""ACTION: one method or a list, parameters and return values whole or in blocks (Green Book 9.3.8)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from protocols.dlms import axdr
from protocols.dlms.blocks import Outgoing
from protocols.dlms.client.errors import UnexpectedAnswer
from protocols.dlms.client.exchange import (
    Limits,
    Outcome,
    ServiceExchange,
    T,
    acknowledge,
    block,
    check,
    data_result,
)
from protocols.dlms.client.reading import Reader
from protocols.dlms.client.references import Method
from protocols.dlms.enums import ApduTag, DataAccessResult
from protocols.dlms.requests import (
    ActionBlock,
    ActionFirst,
    ActionList,
    ActionNext,
    ActionNormal,
    encode_values,
)
from protocols.errors import DecodeError, LocalProtocolError


class _LongAction(ServiceExchange[T]):
    """What both kinds of ACTION share: ``raw``, its parameters, goes out in blocks; return values come in blocks."""

    __slots__ = ("_outgoing", "_raw", "_whole")

    answer_tag = int(ApduTag.ACTION_RESPONSE)
    normal: ClassVar[int]
    """Kind of the answer in one APDU."""

    def __init__(self, whole: ActionNormal | ActionList, raw: bytes | None, limits: Limits) -> None:
        super().__init__(whole.invoke, limits)
        self._whole = whole
        self._raw = raw
        self._outgoing: Outgoing | None = None

    def answered(self, reader: Reader) -> None:
        """Finish with what the answer says after its kind and invoke id, or what its blocks added up to."""
        raise NotImplementedError

    def start(self) -> bytes:
        whole = self._whole.encode()
        if not self.limits.send or len(whole) <= self.limits.send:
            return whole
        if not self.limits.block_action or self._raw is None:
            raise LocalProtocolError(
                f"a request of {len(whole)} octets, and ACTION in blocks was not negotiated",
                None,
                f"{self.limits.send}",
            )
        self._outgoing = Outgoing(self._raw)
        if isinstance(self._whole, ActionNormal):
            first = partial(ActionFirst, self.invoke, (self._whole.descriptor,), False)
        else:
            first = partial(ActionFirst, self.invoke, self._whole.descriptors, True)
        return block(self._outgoing, self.limits.send, first)

    def take(self, apdu: bytes) -> bytes | None:
        reader = Reader(apdu, 1)
        kind, _ = reader.octet(), reader.octet()
        outgoing = self._outgoing
        if kind == 4:
            if outgoing is None or outgoing.exhausted:
                raise UnexpectedAnswer("a block asked for that does not exist", 1)
            acknowledge(outgoing, reader.u32())
            reader.end()
            return block(outgoing, self.limits.send, partial(ActionBlock, self.invoke))
        if kind == 1 and self.normal != 1:  # a server that serves no lists refuses all of it at once
            check(reader.octet())
        elif kind == 1 and outgoing is not None and not outgoing.exhausted:
            check(apdu[3] if len(apdu) > 3 else DataAccessResult.OTHER_REASON)
        if outgoing is not None and not outgoing.exhausted:
            raise UnexpectedAnswer("an answer before the last block", 1)
        if kind == 2:
            last, number = reader.octet(), reader.u32()
            raw = reader.sized()
            reader.end()
            if not self.add_block(last, number, raw):
                return ActionNext(self.invoke, number).encode()
            reader = Reader(self.incoming.octets())
        elif kind != self.normal:
            raise UnexpectedAnswer(f"ACTION response of kind {kind}", 1, f"{self.normal}, 2 with a block or 4")
        self.answered(reader)
        return None


class Action(_LongAction[bytes | None]):
    """One method; the result is its encoded return value, None without one."""

    __slots__ = ()

    normal = 1

    def __init__(self, method: Method, parameters: bytes | None, invoke: int, limits: Limits) -> None:
        super().__init__(ActionNormal(invoke, method.encode(), parameters), parameters, limits)

    def answered(self, reader: Reader) -> None:
        outcome = _returned(reader) if self.blocks else _action_result(reader)
        reader.end()
        check(outcome.result)
        self.octets = len(outcome.data or b"")
        self.finish(outcome.data)


class ActMany(_LongAction[tuple[Outcome, ...]]):
    """Several methods at once; the outcome of each, in the order given."""

    __slots__ = ("_count",)

    normal = 3

    def __init__(self, calls: Sequence[tuple[Method, bytes | None]], invoke: int, limits: Limits) -> None:
        values = tuple(axdr.NULL if data is None else data for _, data in calls)
        descriptors = tuple(method.encode() for method, _ in calls)
        super().__init__(ActionList(invoke, descriptors, values), encode_values(values), limits)
        self._count = len(calls)

    def answered(self, reader: Reader) -> None:
        count = reader.count()
        if count != self._count:
            raise UnexpectedAnswer(f"{count} results", None, f"{self._count}")
        outcomes = tuple(_action_result(reader) for _ in range(count))
        reader.end()
        self.finish(outcomes)


def _action_result(reader: Reader) -> Outcome:
    """An action-response-with-optional-data: result, then return parameters where the first octet says so."""
    result = reader.octet()
    present = reader.octet()
    if not present:
        return Outcome(result)
    returned = data_result(reader)
    return Outcome(result or returned.result, returned.data)


def _returned(reader: Reader) -> Outcome:
    """What the blocks of an answer to one method hold.

    Implementations differ: the bare value, return parameters, or the result and return parameters. Blocks are for
    what is long, so only one reading takes all octets: 00 is a null of one octet, 01 00 an array of none.
    """
    whole = reader.rest()
    try:
        if axdr.skip(whole, 0) == len(whole):
            return Outcome(DataAccessResult.SUCCESS, whole)
    except DecodeError:
        pass
    reader.offset = 0
    if whole[:1] == b"\x01":
        reader.offset = 1
        return data_result(reader)
    return _action_result(reader)
