"""One request and all it takes until its result is there: the base of GET, SET, ACTION and ACCESS exchanges.

An exchange makes and takes plain APDUs; protection and general block transfer are put around them by the client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from protocols.dlms import axdr
from protocols.dlms.blocks import Incoming, Outgoing
from protocols.dlms.client.errors import Refused, UnexpectedAnswer
from protocols.dlms.client.reading import Reader
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.requests import Request
from protocols.errors import LocalProtocolError, ProtocolError

T = TypeVar("T")


class Outcome(NamedTuple):
    """What became of one item of a list: its data-access-result or action-result, and encoded Data if it has any."""

    result: int
    data: bytes | None = None

    def value(self) -> bytes:
        """The encoded Data; raises Refused when there is none for the result."""
        if self.result != DataAccessResult.SUCCESS or self.data is None:
            raise Refused(self.result)
        return self.data


class Limits(NamedTuple):
    """What bounds an exchange: octets of a plain APDU sent (0: no limit), of a value received; blocks negotiated."""

    send: int
    value: int
    block_set: bool
    block_action: bool


class Exchange(Generic[T]):
    """A request under way.

    ``octets`` of values and ``blocks`` received so far tell of its progress. Once ``done``, :meth:`result` gives the
    value or raises the ProtocolError it ended in.
    """

    __slots__ = ("_error", "_value", "blocks", "done", "octets")

    def __init__(self) -> None:
        self.done = False
        self.octets = 0
        self.blocks = 0
        self._value: T | None = None
        self._error: ProtocolError | None = None

    def result(self) -> T:
        """What came of it. Raises the error it ended in, LocalProtocolError while it is under way."""
        if self._error is not None:
            raise self._error
        if not self.done:
            raise LocalProtocolError("the exchange is still under way")
        return self._value  # type: ignore[return-value] - finish() has set it, and T may allow None

    def finish(self, value: T) -> None:
        """End with a value."""
        self._value = value
        self.done = True

    def fail(self, error: ProtocolError) -> None:
        """End with an error; one that has ended already stays as it is."""
        if not self.done:
            self._error = error
            self.done = True


class ServiceExchange(Exchange[T]):
    """An exchange of a service with a response of its own; ``answer_tag`` is that of the plain response."""

    __slots__ = ("incoming", "invoke", "limits")

    answer_tag: int

    def __init__(self, invoke: int, limits: Limits) -> None:
        super().__init__()
        self.invoke = invoke
        """invoke-id-and-priority, one octet."""
        self.incoming = Incoming(limits.value)
        self.limits = limits

    def start(self) -> bytes:
        """The first APDU to send."""
        raise NotImplementedError

    def owns(self, apdu: bytes) -> bool:
        """Whether an answer with the right tag is to this request rather than to an earlier one given up."""
        return len(apdu) > 2 and apdu[2] & 0x0F == self.invoke & 0x0F

    def take(self, apdu: bytes) -> bytes | None:
        """The next APDU to send after an answer; None when the exchange is done.

        Raises ProtocolError for an answer that cannot be taken; the caller ends the exchange with it.
        """
        raise NotImplementedError

    def add_block(self, last: int, number: int, raw: bytes) -> bool:
        """Take a block of the answer; whether it is the last."""
        if not raw and not last:
            raise UnexpectedAnswer(f"block {number} is empty and not the last")
        self.incoming.add(number, raw)
        self.blocks = number
        self.octets += len(raw)
        return bool(last)


def block(outgoing: Outgoing, room: int, make: Callable[[bool, int, bytes], Request]) -> bytes:
    """The next APDU of a request in blocks, at most ``room`` octets: ``make`` of last-block, number and raw data."""
    size = axdr.fitting(room - len(make(False, 0, b"").encode()) + 1)
    if size < 1:
        raise LocalProtocolError(f"the server takes APDUs of {room} octets only", None, "room for a block")
    raw = outgoing.take(size)
    return make(outgoing.exhausted, outgoing.number, raw).encode()


def acknowledge(outgoing: Outgoing, number: int) -> None:
    """The server has taken a block; UnexpectedAnswer when it is not the one sent last."""
    if number != outgoing.number:
        raise UnexpectedAnswer(f"block {number} acknowledged", None, f"block {outgoing.number}")


def data_result(reader: Reader) -> Outcome:
    """A get-data-result: 00 and Data, or 01 and a data-access-result."""
    choice = reader.octet()
    if choice == 0:
        return Outcome(DataAccessResult.SUCCESS, reader.data())
    if choice != 1:
        raise UnexpectedAnswer(f"choice {choice}", reader.offset - 1, "0 data or 1 data-access-result")
    return Outcome(refusal(reader))


def refusal(reader: Reader) -> int:
    """A data-access-result in the place of data; success without data becomes other-reason."""
    return reader.octet() or DataAccessResult.OTHER_REASON


def check(result: int) -> None:
    """Refused for any result but success."""
    if result != DataAccessResult.SUCCESS:
        raise Refused(result)
