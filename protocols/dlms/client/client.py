"""The client side of an application association, without I/O.

A client is told what to do (:meth:`Client.associate`, :meth:`Client.get` ..), each of which gives an
:class:`~protocols.dlms.client.exchange.Exchange`. The owner sends what :meth:`Client.to_send` hands out and passes
each APDU that arrives to :meth:`Client.receive`, until the exchange is done. One exchange is under way at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple, TypeAlias, TypeVar

from protocols import obis
from protocols.dlms import axdr, hls
from protocols.dlms.access import Item
from protocols.dlms.acse import Aare, Aarq, AssociationResult, Release
from protocols.dlms.client.access import Access
from protocols.dlms.client.action import Action, ActMany
from protocols.dlms.client.channel import Channel
from protocols.dlms.client.errors import (
    AssociationRejected,
    AuthenticationFailed,
    ConfirmedServiceError,
    ExceptionAnswer,
    Refused,
    UnexpectedAnswer,
)
from protocols.dlms.client.exchange import Exchange, Limits, Outcome, ServiceExchange
from protocols.dlms.client.get import Get, GetMany
from protocols.dlms.client.references import Attribute, Method
from protocols.dlms.client.set import Set, SetMany
from protocols.dlms.client.settings import ClientSettings
from protocols.dlms.enums import ApduTag, Conformance, InitiateErrorCode, Mechanism, ServiceError
from protocols.dlms.gbt import BlockTransfer
from protocols.dlms.initiate import InitiateResponse, decode_initiate_error
from protocols.dlms.notification import DataNotification, EventNotification
from protocols.dlms.security import PROTECTED_TAGS
from protocols.errors import DecodeError, LocalProtocolError, ProtocolError

R = TypeVar("R")
Notification: TypeAlias = "DataNotification | EventNotification"

REPLY_TO_HLS = Method(15, obis.parse("0-0:40.0.0.255"), 1)
_INVOKED = frozenset((ApduTag.GET_RESPONSE, ApduTag.SET_RESPONSE, ApduTag.ACTION_RESPONSE))
_RESPONSES = _INVOKED | {ApduTag.ACCESS_RESPONSE}
_NOTIFICATIONS = frozenset((ApduTag.DATA_NOTIFICATION, ApduTag.EVENT_NOTIFICATION))
_BLOCK = bytes((ApduTag.GENERAL_BLOCK_TRANSFER,))
_CHALLENGE = range(8, 65)


class ClientState(Enum):
    """Where the association stands."""

    IDLE = "idle"
    OPENING = "opening"
    AUTHENTICATING = "authenticating"
    OPEN = "open"
    RELEASING = "releasing"


class Negotiated(NamedTuple):
    """What an open association has: conformance, octets of the longest APDU the server takes (0: any), its title."""

    conformance: Conformance
    max_send_pdu: int
    server_title: bytes = b""
    quality_of_service: int | None = None


class Client:
    """One client association.

    ``random_octets`` gives challenges and keys: seeded where runs must repeat, otherwise from the system. ``explain``,
    where given, is told in a sentence about each APDU that was not taken; ``counters`` count them.
    """

    def __init__(
        self,
        settings: ClientSettings,
        random_octets: Callable[[int], bytes],
        *,
        explain: Callable[[str], None] | None = None,
    ) -> None:
        self.settings = settings
        self.state = ClientState.IDLE
        self.negotiated: Negotiated | None = None
        self.explain = explain
        self.counters: Counter[str] = Counter()
        self._random = random_octets
        self._channel = Channel(settings, random_octets)
        self._queue: list[bytes] = []
        self._invoke = 0
        self._access = 0
        self._challenge = b""
        self._server_challenge = b""
        self._recovering = False
        self._in_blocks = False
        self._longest = 0
        self._limits = Limits(0, settings.longest_value, False, False)
        self._opening: Exchange[Negotiated] | None = None
        self._releasing: Exchange[None] | None = None
        self._service: ServiceExchange[Any] | None = None
        self._transfer = BlockTransfer(settings.block_window or 1, settings.longest_value)

    # -- what the owner drives ---------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether an exchange is under way."""
        return self._service is not None or self._opening is not None or self._releasing is not None

    def to_send(self) -> list[bytes]:
        """APDUs that are due now; each is handed out once."""
        due, self._queue = self._queue, []
        return due

    def receive(self, apdu: bytes) -> Notification | None:
        """Take one APDU. Gives the notification it is, else None; trouble with it ends the exchange under way."""
        try:
            return self._receive(apdu)
        except ProtocolError as error:
            self._trouble(error)
            return None

    def abandon(self, error: ProtocolError) -> None:
        """Give up the exchange under way, as after a time-out; a late answer to it is then ignored.

        An association that was being opened or released is idle again.
        """
        exchanges = (self._service, self._opening, self._releasing)
        self._service = self._opening = self._releasing = None
        self._transfer.reset()
        self._queue.clear()
        if self.state is not ClientState.OPEN:
            self.state = ClientState.IDLE
            self.negotiated = None
        for exchange in exchanges:
            if exchange is not None:
                exchange.fail(error)

    def stalled(self) -> bool:
        """The server has gone quiet: ask for blocks that may have got lost. Whether there was anything to ask for."""
        try:
            due = self._transfer.timeout() if self.busy else ()
        except ProtocolError as error:
            self._trouble(error)
            return False
        self._queue.extend(due)
        return bool(due)

    def lost(self, error: ProtocolError) -> None:
        """The link or connection has gone, and the association with it."""
        self.state = ClientState.IDLE
        self.abandon(error)

    # -- requests ----------------------------------------------------------------------------------------------------

    def associate(self) -> Exchange[Negotiated]:
        """Open the association: AARQ, and the passes of high level security.

        It ends in AssociationRejected, AuthenticationFailed, ExceptionAnswer or another ProtocolError.
        """
        self._must_be(ClientState.IDLE)
        self._recovering = False
        self._opening = Exchange()
        self._ask()
        return self._opening

    def release(self) -> Exchange[None]:
        """Close the association with an RLRQ. (On HDLC, disconnecting the link closes it as well.)"""
        self._must_be(ClientState.OPEN)
        information = self._channel.initiate() if self._channel.sealing is not None else None
        self.state = ClientState.RELEASING
        self._releasing = Exchange()
        self._queue.append(Release(False, 0, information).encode())
        return self._releasing

    def get(self, attribute: Attribute, selection: bytes | None = None) -> Exchange[bytes]:
        """Read an attribute, or what ``selection`` picks of it; the result is one encoded Data."""
        return self._begin(Get(attribute, selection, self._next_invoke(), self._limits))

    def get_list(self, wanted: Sequence[tuple[Attribute, bytes | None]]) -> Exchange[tuple[Outcome, ...]]:
        """Read several attributes, each with its selection or None."""
        return self._begin(GetMany(wanted, self._next_invoke(), self._limits))

    def set(self, attribute: Attribute, data: bytes, selection: bytes | None = None) -> Exchange[None]:
        """Write an attribute: encoded Data."""
        return self._begin(Set(attribute, data, selection, self._next_invoke(), self._limits))

    def set_list(self, values: Sequence[tuple[Attribute, bytes | None, bytes]]) -> Exchange[tuple[Outcome, ...]]:
        """Write several attributes: each with its selection or None, and encoded Data."""
        return self._begin(SetMany(values, self._next_invoke(), self._limits))

    def action(self, method: Method, parameters: bytes | None = None) -> Exchange[bytes | None]:
        """Run a method with encoded parameters; the result is its encoded return value, None without one."""
        return self._begin(Action(method, parameters, self._next_invoke(), self._limits))

    def action_list(self, calls: Sequence[tuple[Method, bytes | None]]) -> Exchange[tuple[Outcome, ...]]:
        """Run several methods, each with encoded parameters or None."""
        return self._begin(ActMany(calls, self._next_invoke(), self._limits))

    def access(self, items: Sequence[Item]) -> Exchange[tuple[Outcome, ...]]:
        """Read, write and act in one request; see :func:`read_item`, :func:`write_item` and :func:`act_item`."""
        self._access = self._access + 1 & 0x00FFFFFF
        return self._begin(Access(items, self._access, self._limits))

    # -- sending -----------------------------------------------------------------------------------------------------

    def _begin(self, exchange: ServiceExchange[R]) -> ServiceExchange[R]:
        self._must_be(ClientState.OPEN)
        self._send(exchange.start())
        self._service = exchange
        return exchange

    def _must_be(self, state: ClientState) -> None:
        if self.state is not state:
            raise LocalProtocolError(f"the association is {self.state.value}", None, state.value)
        if self.busy:
            raise LocalProtocolError("another exchange is under way")

    def _next_invoke(self) -> int:
        """invoke-id-and-priority: the next id, confirmed, high priority."""
        self._invoke = self._invoke + 1 & 0x0F
        return 0xC0 | self._invoke

    def _agree(self, negotiated: Negotiated) -> None:
        """What was negotiated, and what follows from it for every exchange."""
        self.negotiated = negotiated
        agreed = int(negotiated.conformance)
        self._in_blocks = bool(agreed & Conformance.GENERAL_BLOCK_TRANSFER)
        longest = self._longest = negotiated.max_send_pdu
        # With general block transfer no request is too long.
        self._limits = Limits(
            max(longest - self._channel.overhead, 1) if longest and not self._in_blocks else 0,
            self.settings.longest_value,
            bool(agreed & Conformance.BLOCK_SET),
            bool(agreed & Conformance.BLOCK_ACTION),
        )

    def _send(self, plain: bytes) -> None:
        """A service APDU, protected, and in blocks where it is too long."""
        apdu = self._channel.seal(plain)
        if self._in_blocks and self._longest and len(apdu) > self._longest:
            self._queue.extend(self._transfer.send(apdu, self._longest, answering=False))
        else:
            self._transfer.reset()
            self._queue.append(apdu)

    # -- opening -----------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Queue an AARQ."""
        settings = self.settings
        self.state = ClientState.OPENING
        self.negotiated = None
        self._transfer = BlockTransfer(settings.block_window or 1, settings.longest_value)
        self._channel.restart()
        value: bytes | None = None
        if settings.mechanism is Mechanism.LLS:
            value = settings.secret
        elif settings.mechanism is not Mechanism.NONE:
            value = self._challenge = self._random(settings.challenge_size)
        aarq = Aarq(
            settings.context,
            self._channel.initiate(),
            settings.mechanism if settings.mechanism is not Mechanism.NONE else None,
            value,
            settings.title,
            settings.user_id,
        )
        self._queue.append(aarq.encode())

    def _answered(self, apdu: bytes, opening: Exchange[Negotiated]) -> None:
        """AARE: what the server says to our AARQ."""
        answer = Aare.decode(apdu)
        if answer.title:  # some meters send an empty one where none is needed
            self._channel.learn(answer.title)
        information = answer.user_information
        if answer.result != AssociationResult.ACCEPTED:
            raise AssociationRejected(answer, _initiate_error(information))
        if information is None:
            raise DecodeError("no user-information in an accepted association", None, "an InitiateResponse")
        response = self._initiate_response(information)
        self._agree(
            Negotiated(
                Conformance(response.conformance & self.settings.proposed),
                response.max_pdu,
                answer.title or self._channel.titles[1],
                response.quality_of_service,
            )
        )
        if self.settings.mechanism in (Mechanism.NONE, Mechanism.LLS):
            self._opened(opening)
        else:
            self._prove(answer.authentication)

    def _initiate_response(self, information: bytes) -> InitiateResponse:
        if information[:1] == b"\x0e":
            raise _confirmed_service_error(information)
        if not information or information[0] not in PROTECTED_TAGS:
            self._channel.refuse_plain("the InitiateResponse")
        return InitiateResponse.decode(self._channel.open(information))

    def _prove(self, challenge: bytes | None) -> None:
        """Pass 3 of high level security: answer the server's challenge."""
        if challenge is None or len(challenge) not in _CHALLENGE:
            raise AuthenticationFailed("the server sent no challenge of 8 to 64 octets")
        if challenge == self._challenge:
            raise AuthenticationFailed("the server sent our own challenge back")
        self._server_challenge = challenge
        reply = hls.respond(
            self.settings.mechanism,
            secret=self.settings.secret,
            received=challenge,
            sent=self._challenge,
            context=self._channel.context,
            titles=self._channel.titles,
        )
        self.state = ClientState.AUTHENTICATING
        passing = Action(REPLY_TO_HLS, axdr.octets(reply), self._next_invoke(), self._limits)
        self._send(passing.start())
        self._service = passing

    def _proved(self, returned: bytes | None) -> bool:
        """Pass 4: whether the server answered our challenge rightly."""
        reply = axdr.decode_all(returned).value if returned is not None else None
        return isinstance(reply, bytes) and hls.verify(
            self.settings.mechanism,
            reply,
            secret=self.settings.secret,
            received=self._server_challenge,
            sent=self._challenge,
            context=self._channel.context,
            titles=self._channel.titles,
        )

    def _opened(self, opening: Exchange[Negotiated]) -> None:
        assert self.negotiated is not None
        self._opening = None
        self.state = ClientState.OPEN
        opening.finish(self.negotiated)

    # -- receiving ---------------------------------------------------------------------------------------------------

    def _receive(self, apdu: bytes) -> Notification | None:
        if apdu[:1] == _BLOCK:
            step = self._transfer.receive(apdu)
            self._queue.extend(step.send)
            if step.apdu is None:
                return None
            apdu = step.apdu
        plain = self._channel.open(apdu)
        tag = plain[0] if plain else -1
        if tag in _RESPONSES:
            if plain is apdu and self._service is not None:
                self._channel.refuse_plain("the answer")
            self._response(plain)
        elif tag in _NOTIFICATIONS:
            if plain is apdu:
                self._channel.refuse_plain("a notification")
            return (DataNotification if tag == ApduTag.DATA_NOTIFICATION else EventNotification).decode(plain)
        elif tag == ApduTag.EXCEPTION_RESPONSE:
            self._exception(plain)
        elif tag == ApduTag.CONFIRMED_SERVICE_ERROR:
            raise _confirmed_service_error(plain)
        elif tag == ApduTag.AARE and self._opening is not None and self.state is ClientState.OPENING:
            self._answered(plain, self._opening)
        elif tag == ApduTag.RLRE and self._releasing is not None:
            releasing, self._releasing = self._releasing, None
            self.state = ClientState.IDLE
            self.negotiated = None
            releasing.finish(None)
        else:
            self._ignore("unexpected", f"an APDU of tag {tag:02X} that nobody asked for" if apdu else "an empty APDU")
        return None

    def _response(self, plain: bytes) -> None:
        service = self._service
        if service is None:
            self._ignore("late", "an answer when nothing was asked")
            return
        if plain[0] != service.answer_tag:
            if plain[0] in _INVOKED and len(plain) > 2 and (plain[2] ^ service.invoke) & 0x0F:
                self._ignore("late", "an answer to an earlier request")
                return
            raise UnexpectedAnswer(f"answer {plain[0]:02X}", 0, f"{service.answer_tag:02X}")
        if not service.owns(plain):
            self._ignore("late", "an answer to an earlier request")
            return
        following = service.take(plain)
        if following is not None:
            self._send(following)
            return
        self._service = None
        if self._opening is not None:
            if not self._proved(service.result()):
                raise AuthenticationFailed("the server's answer to our challenge is wrong")
            self._opened(self._opening)

    def _exception(self, plain: bytes) -> None:
        if len(plain) not in (3, 7):
            raise DecodeError(f"exception-response of {len(plain)} octets", None, "3, or 7 with a counter")
        counter = int.from_bytes(plain[3:], "big") if len(plain) == 7 else None
        error = ExceptionAnswer(plain[1], plain[2], counter)
        if error.service == ServiceError.INVOCATION_COUNTER_ERROR and counter is not None and self._recover(counter):
            return
        raise error

    def _recover(self, counter: int) -> bool:
        """Ask once more with the counter the server told; whether that is wanted and possible."""
        security = self.settings.security
        if security is None or not self.settings.recover_counter or self._recovering:
            return False
        if self.state is not ClientState.OPENING:
            return False
        self._recovering = True
        security.counters.sent = counter
        self._ask()
        return True

    def _trouble(self, error: ProtocolError) -> None:
        """End the exchange under way with what went wrong; without one, tell of it."""
        if not self.busy:
            self._ignore("refused", str(error))
            return
        if self.state is ClientState.AUTHENTICATING and isinstance(error, Refused):
            error = AuthenticationFailed(f"to our answer to its challenge {error}")
        self.abandon(error)

    def _ignore(self, counter: str, why: str) -> None:
        self.counters[counter] += 1
        if self.explain is not None:
            self.explain(why)


def _initiate_error(information: bytes | None) -> InitiateErrorCode | None:
    """The Initiate error in the user-information of a refusal, where there is one."""
    if information is None or information[:1] != b"\x0e":
        return None
    try:
        return decode_initiate_error(information)
    except DecodeError:
        return None


def _confirmed_service_error(octets: bytes) -> ProtocolError:
    if len(octets) != 4:
        return DecodeError(f"confirmed-service-error of {len(octets)} octets", None, "4")
    return ConfirmedServiceError(octets[1], octets[2], octets[3])
