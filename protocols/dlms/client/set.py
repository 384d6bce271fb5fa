"""SET: one attribute or a list, whole or in blocks (Green Book 9.3.7)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from protocols.dlms import requests
from protocols.dlms.blocks import Outgoing
from protocols.dlms.client.errors import UnexpectedAnswer
from protocols.dlms.client.exchange import Limits, Outcome, ServiceExchange, T, acknowledge, block, check
from protocols.dlms.client.reading import Reader
from protocols.dlms.client.references import Attribute
from protocols.dlms.enums import ApduTag
from protocols.dlms.requests import SetFirst, SetList, SetNormal, Target
from protocols.errors import LocalProtocolError


class _LongSet(ServiceExchange[T]):
    """What both kinds of SET share: ``raw``, its values, is cut into blocks when the request is too long."""

    __slots__ = ("_outgoing", "_raw", "_whole")

    answer_tag = int(ApduTag.SET_RESPONSE)

    def __init__(self, whole: SetNormal | SetList, raw: bytes, limits: Limits) -> None:
        super().__init__(whole.invoke, limits)
        self._whole = whole
        self._raw = raw
        self._outgoing: Outgoing | None = None

    def start(self) -> bytes:
        whole = self._whole.encode()
        if not self.limits.send or len(whole) <= self.limits.send:
            return whole
        if not self.limits.block_set:
            raise LocalProtocolError(
                f"a request of {len(whole)} octets, and SET in blocks was not negotiated", None, f"{self.limits.send}"
            )
        self._outgoing = Outgoing(self._raw)
        if isinstance(self._whole, SetNormal):
            first = partial(SetFirst, self.invoke, (self._whole.target,), False)
        else:
            first = partial(SetFirst, self.invoke, self._whole.targets, True)
        return block(self._outgoing, self.limits.send, first)

    def next_block(self, reader: Reader) -> bytes:
        """The next block after an acknowledgement."""
        outgoing = self.acknowledged(reader)
        if outgoing.exhausted:
            raise UnexpectedAnswer("a block asked for after the last", 1)
        return block(outgoing, self.limits.send, partial(requests.SetBlock, self.invoke))

    def acknowledged(self, reader: Reader) -> Outgoing:
        """The blocks, of which the server has taken the one sent last."""
        if self._outgoing is None:
            raise UnexpectedAnswer("a block acknowledged, and none was sent", 1)
        acknowledge(self._outgoing, reader.u32())
        reader.end()
        return self._outgoing

    @property
    def sent(self) -> bool:
        """Whether all of the request is with the server."""
        return self._outgoing is None or self._outgoing.exhausted


class Set(_LongSet[None]):
    """One attribute gets a new value."""

    __slots__ = ()

    def __init__(self, attribute: Attribute, data: bytes, selection: bytes | None, invoke: int, limits: Limits) -> None:
        super().__init__(SetNormal(invoke, Target(attribute.encode(), selection), data), data, limits)

    def take(self, apdu: bytes) -> bytes | None:
        reader = Reader(apdu, 1)
        kind, _ = reader.octet(), reader.octet()
        match kind:
            case 1:
                check(reader.octet())
                reader.end()
            case 2:
                return self.next_block(reader)
            case 3:
                check(reader.octet())
                self.acknowledged(reader)
            case _:
                raise UnexpectedAnswer(f"SET response of kind {kind}", 1, "1 normal, 2 block or 3 last block")
        if not self.sent:
            raise UnexpectedAnswer("success before the last block", 1)
        self.finish(None)
        return None


class SetMany(_LongSet[tuple[Outcome, ...]]):
    """Several attributes at once; the outcome of each, in the order given."""

    __slots__ = ("_count",)

    def __init__(self, values: Sequence[tuple[Attribute, bytes | None, bytes]], invoke: int, limits: Limits) -> None:
        targets = tuple(Target(attribute.encode(), selection) for attribute, selection, _ in values)
        data = tuple(data for _, _, data in values)
        super().__init__(SetList(invoke, targets, data), requests.encode_values(data), limits)
        self._count = len(values)

    def take(self, apdu: bytes) -> bytes | None:
        reader = Reader(apdu, 1)
        kind, _ = reader.octet(), reader.octet()
        match kind:
            case 1 | 3:  # a server that serves no lists refuses all of it at once
                check(reader.octet())
                raise UnexpectedAnswer("one result for a list", 1)
            case 2:
                return self.next_block(reader)
            case 4 | 5:
                count = reader.count()
                if count != self._count:
                    raise UnexpectedAnswer(f"{count} results", None, f"{self._count}")
                outcomes = tuple(Outcome(result) for result in reader.take(count))
                if kind == 4:
                    self.acknowledged(reader)
                if not self.sent:
                    raise UnexpectedAnswer("results before the last block", 1)
                reader.end()
                self.finish(outcomes)
                return None
            case _:
                raise UnexpectedAnswer(f"SET response of kind {kind}", 1, "2 block, 4 last block or 5 with a list")
