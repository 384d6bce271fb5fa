"""GET: one attribute or a list, whole or in blocks (Green Book 9.3.6)."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.dlms.client.errors import Refused, UnexpectedAnswer
from protocols.dlms.client.exchange import Limits, Outcome, ServiceExchange, T, data_result, refusal
from protocols.dlms.client.reading import Reader
from protocols.dlms.client.references import Attribute
from protocols.dlms.enums import ApduTag
from protocols.dlms.requests import GetList, GetNext, GetNormal, Target

_NORMAL, _BLOCK = 1, 2


class _LongGet(ServiceExchange[T]):
    """What both kinds of GET share: the answer may come in blocks, each asked for."""

    __slots__ = ()

    answer_tag = int(ApduTag.GET_RESPONSE)

    def _block(self, reader: Reader) -> bytes | None:
        """Take a block; the request of the next one, None after the last."""
        last, number, choice = reader.octet(), reader.u32(), reader.octet()
        if choice != 0:
            raise Refused(refusal(reader))
        raw = reader.sized()
        reader.end()
        if self.add_block(last, number, raw):
            return None
        return GetNext(self.invoke, number).encode()


class Get(_LongGet[bytes]):
    """One attribute; its result is one encoded Data."""

    __slots__ = ("_target",)

    def __init__(self, attribute: Attribute, selection: bytes | None, invoke: int, limits: Limits) -> None:
        super().__init__(invoke, limits)
        self._target = Target(attribute.encode(), selection)

    def start(self) -> bytes:
        return GetNormal(self.invoke, self._target).encode()

    def take(self, apdu: bytes) -> bytes | None:
        reader = Reader(apdu, 1)
        kind, _ = reader.octet(), reader.octet()
        if kind == _BLOCK:
            request = self._block(reader)
            return request if request is not None else self._whole(Reader(self.incoming.octets()))
        if kind != _NORMAL:
            raise UnexpectedAnswer(f"GET response of kind {kind}", 1, "1 normal or 2 with a block")
        choice = reader.octet()
        if choice == 1:
            raise Refused(refusal(reader))
        if choice != 0:
            raise UnexpectedAnswer(f"choice {choice}", 3, "0 data or 1 data-access-result")
        return self._whole(reader)

    def _whole(self, reader: Reader) -> None:
        value = reader.data()
        reader.end()
        self.octets = len(value)
        self.finish(value)


class GetMany(_LongGet[tuple[Outcome, ...]]):
    """Several attributes at once; the outcome of each, in the order asked."""

    __slots__ = ("_targets",)

    def __init__(self, wanted: Sequence[tuple[Attribute, bytes | None]], invoke: int, limits: Limits) -> None:
        super().__init__(invoke, limits)
        self._targets = tuple(Target(attribute.encode(), selection) for attribute, selection in wanted)

    def start(self) -> bytes:
        return GetList(self.invoke, self._targets).encode()

    def take(self, apdu: bytes) -> bytes | None:
        reader = Reader(apdu, 1)
        kind, _ = reader.octet(), reader.octet()
        match kind:
            case 1:  # a server that serves no lists refuses all of it at once
                outcome = data_result(reader)
                raise Refused(outcome.result) if outcome.data is None else UnexpectedAnswer("one value for a list", 1)
            case 2:
                request = self._block(reader)
                if request is not None:
                    return request
                reader = Reader(self.incoming.octets())
            case 3:
                self.octets = len(apdu) - reader.offset
            case _:
                raise UnexpectedAnswer(f"GET response of kind {kind}", 1, "2 with a block or 3 with a list")
        count = reader.count()
        if count != len(self._targets):
            raise UnexpectedAnswer(f"{count} results", None, f"{len(self._targets)}")
        outcomes = tuple(data_result(reader) for _ in range(count))
        reader.end()
        self.finish(outcomes)
        return None
