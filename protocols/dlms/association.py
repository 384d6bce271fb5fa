"""The server's side of one application association, from AARQ to release (Green Book 9.3.2 to 9.3.4, 9.4.4, 9.4.5).

===========  ==================================================  ==================================================
state        taken                                               leads to
===========  ==================================================  ==================================================
idle         AARQ                                                associated; pending for HLS; idle when rejected
pending      reply_to_HLS_authentication (pass 3), protected     associated when it is right, idle when it is wrong
             as the security policy asks; AARQ, RLRQ
associated   the services negotiated; AARQ (begins again), RLRQ  associated; pending; idle
===========  ==================================================  ==================================================

Everything else gets an exception-response. Octets go in and out; time plays no part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum

from protocols import obis
from protocols.dlms import access, handshake
from protocols.dlms.access import AccessRequest
from protocols.dlms.acse import Release
from protocols.dlms.enums import ApduTag, Conformance, ContextName, DataAccessResult, Mechanism
from protocols.dlms.gbt import BlockTransfer
from protocols.dlms.general_ciphering import GeneralHeader
from protocols.dlms.handshake import Handshake
from protocols.dlms.initiate import InitiateResponse
from protocols.dlms.objects import AccessRefused, LogicalDevice, Objects, Offer
from protocols.dlms.opening import Agreement, RejectedError, agree, check_version, read_aarq
from protocols.dlms.refusals import (
    NotServedError,
    insecure,
    malformed,
    not_associated,
    not_negotiated,
    too_long,
    unanswerable,
    unknown,
    unprotected,
)
from protocols.dlms.security import (
    AUTHENTICATED_ENCRYPTED,
    PROTECTED_TAGS,
    SERVICE_TAGS,
    Envelope,
    Protection,
    SecurityContext,
)
from protocols.dlms.services import Services
from protocols.errors import DecodeError, LocalProtocolError, SecurityError

SERVER_WINDOW = 8
"""Blocks of general block transfer that are taken in one go."""

_EXCEPTION = int(ApduTag.EXCEPTION_RESPONSE)
_GET = int(Conformance.GET)
_AUTHENTICATED = int(Protection.AUTHENTICATED)
_GET_NORMAL = b"\xc0\x01"
_GET_NORMAL_OCTETS = 13
_SEALED_GET_OCTETS = _GET_NORMAL_OCTETS + 19  # tag, length, security header and authentication tag
_GET_RESPONSE_OCTETS = 4
_SHORT_AROUND = _GET_RESPONSE_OCTETS + 19
"""What goes around the Data of a protected GET response that is below 128 octets, where lengths take one octet."""
_SHORT_NAME_SERVICES = {0x05: 5, 0x06: 6}  # read and write requests, and their numbers in a confirmed-service-error
_UNCONFIRMED_WRITE = 0x16
_OVERLONG = 0xFFFF
_SERVICE_TAGS = frozenset((ApduTag.GET_REQUEST, ApduTag.SET_REQUEST, ApduTag.ACTION_REQUEST))
_GENERAL_TAGS = frozenset((ApduTag.GENERAL_GLO_CIPHERING, ApduTag.GENERAL_DED_CIPHERING, ApduTag.GENERAL_CIPHERING))
_GENERAL = frozenset((Envelope.GENERAL_GLO, Envelope.GENERAL_DED, Envelope.GENERAL_CIPHERING))


Between = Callable[[bytes, Callable[[bytes], bytes | None]], bytes | None]
"""Takes a plain request and what serves it, and answers it, mostly by that; None for no answer."""


class State(Enum):
    """How far an association has come; the value is association_status of class 15."""

    IDLE = 0
    PENDING = 1
    ASSOCIATED = 2


class Association:
    """One client SAP's association with one server SAP of a logical device.

    ``handle`` takes whole APDUs (no LLC, no wrapper header) and never raises, whatever they hold. ``explain`` gets a
    sentence for each thing refused, ``counters`` their number by kind; sentences on what was refused for want of
    authentication or protection go to ``explain_security`` where that is set. ``drop`` says that the connection should
    be closed: our invocation counter is used up and nothing can be answered any more.
    """

    __slots__ = (
        "_added",
        "_agreed",
        "_between",
        "_ciphered",
        "_get",
        "_handshake",
        "_limit",
        "_objects",
        "_offer",
        "_read",
        "_required",
        "_room",
        "_security",
        "_services",
        "_short_room",
        "_state",
        "_transfer",
        "client",
        "client_max_pdu",
        "client_title",
        "conformance",
        "counters",
        "device",
        "drop",
        "explain",
        "explain_security",
        "message_authenticated",
        "server",
    )

    def __init__(
        self, device: LogicalDevice, client: int, server: int, *, explain: Callable[[str], None] | None = None
    ) -> None:
        self.device = device
        self.client = client
        self.server = server
        self.explain = explain
        self.explain_security: Callable[[str], None] | None = None
        self.counters: Counter[str] = Counter()
        self.drop = False
        self._transfer: BlockTransfer | None = None
        self._between: Between | None = None
        self._forget()

    def _forget(self) -> None:
        """Be as before the first AARQ."""
        self._state = State.IDLE
        self._offer: Offer | None = None
        self._objects: Objects | None = None
        self._services: Services | None = None
        self._security: SecurityContext | None = None
        self._read: Callable[[bytes], bytes] | None = None
        self._get: Callable[[bytes], bytes] | None = None
        self._agreed: Agreement | None = None
        self._handshake: Handshake | None = None
        self._ciphered = False
        self._required = self._added = 0
        self._limit = self._room = self._short_room = 0
        self.conformance = 0
        self.client_max_pdu = 0
        self.message_authenticated = False
        self.client_title = b""
        self._transfer = None

    @property
    def state(self) -> State:
        """How far the association has come."""
        return self._state

    @property
    def state_code(self) -> int:
        """association_status of class 15: 0 non-associated, 1 pending, 2 associated."""
        return self._state.value

    @property
    def security(self) -> SecurityContext | None:
        """Keys and counters that the association was opened with; None without any, and while it is idle."""
        return self._security

    def lost(self) -> None:
        """The link or connection below has gone."""
        self._close()

    def interpose(self, between: Between | None) -> None:
        """From now on have plain requests go through ``between``, and work on the objects that the offer has now."""
        self._between = between
        if self._state is State.ASSOCIATED and self._offer is not None and self._services is not None:
            self._objects = self._services.objects = self._offer.open(self)
            self._arm()

    def handle(self, apdu: bytes) -> Sequence[bytes]:
        """Answers to one APDU: mostly one, none where none is wanted, several when general block transfer streams."""
        get = self._get
        if get is not None and len(apdu) == _GET_NORMAL_OCTETS and apdu[:2] == _GET_NORMAL and not apdu[12]:
            try:
                data = get(apdu[3:12])
            except AccessRefused as refusal:
                if apdu[11]:
                    return (self._not_got(apdu, refusal.result),)
                # Attribute 0 may stand for all of them.
            else:
                if len(data) <= self._room:
                    return (b"\xc4\x01" + apdu[2:3] + b"\x00" + data,)
                return self._out(self._got(apdu[2], data, self._limit))
        read = self._read
        if read is not None and self._ciphered and len(apdu) == _SEALED_GET_OCTETS and apdu[:1] == b"\xc8":
            answers = self._sealed_get(apdu, read)
            if answers is not None:
                return answers
        if not apdu:
            self._note("malformed", "an empty APDU is ignored")
            return ()
        if self._offer is not None and 0 < self._offer.max_receive_pdu < len(apdu):
            return (self._not_served(too_long(len(apdu), self._offer.max_receive_pdu)),)
        if self._state is not State.IDLE and apdu[0] == ApduTag.GENERAL_BLOCK_TRANSFER:
            return self._block(apdu)
        answer = self._one(apdu, self._limit)
        return () if answer is None else self._out(answer)

    def _sealed_get(self, apdu: bytes, read: Callable[[bytes], bytes]) -> Sequence[bytes] | None:
        """Answer a GET of one attribute that came encrypted and authenticated; None when it is something else."""
        security = self._security
        plain = None if security is None else security.open_short(apdu)
        if security is None or plain is None:
            return None
        self.message_authenticated = True
        try:
            if plain[:2] == _GET_NORMAL and not plain[12]:
                data = read(plain[3:12])
                if len(data) <= self._short_room and not security.exhausted:
                    return (security.seal_short(b"\xc4\x01" + plain[2:3] + b"\x00" + data),)
                answer = self._got(plain[2], data, _inside(self._limit, security.overhead(Envelope.GLO)))
            else:
                answer = self._serve(plain, _inside(self._limit, security.overhead(Envelope.GLO)))
        except AccessRefused as refusal:
            # Attribute 0 may stand for all of them.
            limit = _inside(self._limit, security.overhead(Envelope.GLO))
            answer = self._not_got(plain, refusal.result) if plain[11] else self._dispatched(plain, limit)
        finally:
            self.message_authenticated = False
        sealed = self._seal(security, answer, Envelope.GLO, AUTHENTICATED_ENCRYPTED)
        return () if sealed is None else self._out(sealed)

    def notify(self, apdu: bytes) -> bytes:
        """A data- or event-notification, protected as this association's answers are.

        Raises LocalProtocolError without an open association.
        """
        if self._state is not State.ASSOCIATED:
            raise LocalProtocolError("a notification needs an open association")
        security, sealed = self._security, None if self._agreed is None else self._agreed.sealed
        if security is None or sealed is None:
            return apdu
        protection = sealed.protection | self._added
        general = sealed.envelope in _GENERAL or apdu[:1] != b"\xc2"
        return security.protect(apdu, Envelope.GENERAL_GLO if general else Envelope.GLO, protection)

    # -- whole APDUs in and out -------------------------------------------------------------------------------------

    def _out(self, answer: bytes) -> Sequence[bytes]:
        """An answer as it leaves: in general blocks when it is too long.

        Without them our own limit gives way to an answer that cannot be cut, such as that of pass 4; the client's not.
        What is agreed in an AARE does not bound the AARE.
        """
        if not self._limit or len(answer) <= self._limit or self._state is State.IDLE or answer[0] == ApduTag.AARE:
            return (answer,)
        if not self.conformance & Conformance.GENERAL_BLOCK_TRANSFER:
            if len(answer) <= (self.client_max_pdu or _OVERLONG):
                return (answer,)
            most = self.client_max_pdu
            return (self._not_served(unanswerable(f"an answer of {len(answer)} octets, the client takes {most}")),)
        return self._stream(answer, answering=False)

    def _stream(self, answer: bytes, *, answering: bool) -> Sequence[bytes]:
        if self._transfer is None:
            self._transfer = BlockTransfer(SERVER_WINDOW)
        try:
            return self._transfer.send(answer, self._limit or _OVERLONG, answering=answering)
        except LocalProtocolError as error:
            return (self._not_served(unanswerable(str(error))),)

    def _block(self, apdu: bytes) -> Sequence[bytes]:
        """A block of general block transfer: with the last one the APDU in it is served."""
        if not self.conformance & Conformance.GENERAL_BLOCK_TRANSFER:
            return (self._not_served(not_negotiated("general block transfer")),)
        if self._transfer is None:
            self._transfer = BlockTransfer(SERVER_WINDOW)
        try:
            step = self._transfer.receive(apdu)
        except DecodeError as error:
            return (self._not_served(malformed(f"general block transfer: {error}")),)
        whole = step.apdu
        if whole is None:
            return step.send
        if whole[0] == ApduTag.GENERAL_BLOCK_TRANSFER:
            answer = self._not_served(malformed("general block transfer inside general block transfer"))
        else:
            answer = self._one(whole, 0)
        return () if answer is None else self._stream(answer, answering=True)

    def _one(self, apdu: bytes, limit: int) -> bytes | None:
        """Answer one whole APDU; ``limit`` is the largest answer, 0 for any."""
        tag = apdu[0]
        if tag == ApduTag.AARQ:
            return self._open(apdu)
        try:
            if tag == ApduTag.RLRQ:
                return self._release(apdu)
            if self._state is State.IDLE:
                raise not_associated("a service without an association")
            if tag in PROTECTED_TAGS:
                return self._protected(apdu, limit)
            if self._required:
                raise unprotected("an unprotected request against the security policy")
            return self._answered(apdu, limit)
        except NotServedError as error:
            return self._not_served(error)

    def _answered(self, plain: bytes, limit: int) -> bytes | None:
        """Answer an unprotected request, protecting the answer where the policy asks for that alone."""
        security = self._security
        if security is None or not self._added:
            return self._serve(plain, limit)
        added = self._added
        answer = self._serve(plain, _inside(limit, security.overhead(Envelope.GENERAL_GLO)))
        envelope = Envelope.GLO if answer is not None and answer[0] in SERVICE_TAGS else Envelope.GENERAL_GLO
        return self._seal(security, answer, envelope, added)

    def _protected(self, apdu: bytes, limit: int) -> bytes | None:
        security = self._security
        if security is None or not self._ciphered:
            raise not_negotiated("ciphering")
        if apdu[0] in _GENERAL_TAGS and not self.conformance & Conformance.GENERAL_PROTECTION:
            raise not_negotiated("general protection")
        try:
            plain, envelope, protection, _, header = security.unprotect(apdu)
        except (SecurityError, DecodeError) as error:
            raise insecure(self.client, error) from None
        if not plain:
            raise malformed("nothing in a protected APDU")
        if protection & self._required != self._required:
            raise unprotected("a request protected less than the security policy asks")
        self.message_authenticated = protection & _AUTHENTICATED != 0
        try:
            answer = self._serve(plain, _inside(limit, security.overhead(envelope, header)))
        finally:
            self.message_authenticated = False
        return self._seal(security, answer, envelope, protection | self._added, header)

    def _seal(
        self,
        security: SecurityContext,
        answer: bytes | None,
        envelope: Envelope,
        protection: int,
        header: GeneralHeader | None = None,
    ) -> bytes | None:
        """An answer in the envelope of its request. An exception-response has no form of its own in glo and ded."""
        if answer is None or (answer[0] == _EXCEPTION and envelope not in _GENERAL):
            return answer
        try:
            return security.protect(answer, envelope, protection, header)
        except LocalProtocolError as error:
            self.drop = True
            self._note("counter used up", str(error), security=True)
            return None

    # -- services ---------------------------------------------------------------------------------------------------

    def _serve(self, plain: bytes, limit: int) -> bytes | None:
        """Answer a request that has passed the checks of security."""
        if self._between is not None:
            return self._between(plain, lambda request: self._dispatched(request, limit))
        read = self._read
        if read is not None and len(plain) == _GET_NORMAL_OCTETS and plain[:2] == _GET_NORMAL and not plain[12]:
            try:
                data = read(plain[3:12])
            except AccessRefused as refusal:
                if plain[11]:
                    return self._not_got(plain, refusal.result)
                # Attribute 0 may stand for all of them.
            else:
                return self._got(plain[2], data, limit)
        return self._dispatched(plain, limit)

    def _dispatched(self, plain: bytes, limit: int) -> bytes | None:
        try:
            return self._dispatch(plain, limit)
        except NotServedError as error:
            return self._not_served(error)
        finally:
            if self._services is not None and (self._read is None or self._services.sending):
                self._arm()

    def _dispatch(self, plain: bytes, limit: int) -> bytes | None:
        tag = plain[0]
        if self._state is State.PENDING:
            return self._pass_3(plain)
        services = self._services
        assert services is not None and self._objects is not None
        if tag in _SERVICE_TAGS:
            return services.serve(plain, limit)
        if tag == ApduTag.ACCESS_REQUEST:
            if not self.conformance & Conformance.ACCESS:
                raise not_negotiated("ACCESS")
            try:
                request = AccessRequest.decode(plain)
            except DecodeError as error:
                raise malformed(f"ACCESS: {error}") from None
            return access.serve(self._objects, request, self._refused).encode()
        if tag in _SHORT_NAME_SERVICES:
            self._note("unknown service", "short name referencing in an association with logical names")
            # service, application-reference, application-context-unsupported
            return bytes((ApduTag.CONFIRMED_SERVICE_ERROR, _SHORT_NAME_SERVICES[tag], 0, 4))
        if tag == _UNCONFIRMED_WRITE:
            self._note("unknown service", "an unconfirmed write in an association with logical names")
            return None
        raise unknown(f"APDU of tag {tag:02X}")

    def _got(self, invoke: int, data: bytes, limit: int) -> bytes:
        """The answer to a GET of one attribute that has been read."""
        assert self._services is not None
        answer = self._services.got(invoke, data, limit)
        if self._services.sending:
            self._arm()
        return answer

    def _arm(self) -> None:
        """Let GET requests take the short way, except while another GET is being answered in blocks."""
        services, objects = self._services, self._objects
        ready = self._between is None and services is not None and not services.sending and self.conformance & _GET
        self._read = objects.get if ready and objects is not None else None
        self._get = None if self._required or self._added else self._read

    # -- association ------------------------------------------------------------------------------------------------

    def _open(self, apdu: bytes) -> bytes | None:
        self._close()
        context = int(ContextName.LN)
        try:
            aarq = read_aarq(apdu)
            context = aarq.context
            check_version(aarq)
            offer = self.device.offer(self.client)
            if offer is None:
                raise RejectedError(f"no association is offered to client {self.client}")
            self._offer, self.client_title = offer, aarq.title or b""
            return self._accept(agree(aarq, offer))
        except RejectedError as rejected:
            if rejected.authentication:
                self._warn("authentication")
            answer = rejected.answer(context)
            why = f"association with client {self.client} rejected: {rejected.why}"
            self._note("rejected", why, security=rejected.authentication)
        except (SecurityError, DecodeError) as error:
            answer = self._not_served(insecure(self.client, error))
        self._forget()
        return answer

    def _accept(self, agreed: Agreement) -> bytes | None:
        offer, initiate = agreed.offer, agreed.initiate
        self._agreed, self._security, self._ciphered = agreed, offer.security, agreed.ciphered
        self._required, self._added = agreed.required, agreed.added
        self.conformance, self.client_max_pdu = agreed.conformance, initiate.max_pdu
        self._limit = limit = agreed.limit
        self._room = limit - _GET_RESPONSE_OCTETS if limit else 1 << 62
        self._short_room = min(limit or _OVERLONG, 127) - _SHORT_AROUND
        challenge: bytes | None = None
        if offer.mechanism >= Mechanism.HLS:
            self._state = State.PENDING
            self._handshake = Handshake(offer, self.client_title, agreed.aarq.authentication or b"")
            challenge = self._handshake.challenge
        else:
            self._opened(offer)
        if not initiate.response_allowed:
            return None
        response = InitiateResponse(agreed.conformance, offer.max_receive_pdu, initiate.quality_of_service).encode()
        security, sealed = offer.security, agreed.sealed
        if security is not None and sealed is not None:
            protection = sealed.protection | agreed.added
            protected = self._seal(security, response, sealed.envelope, protection, sealed.header)
            if protected is None:
                self._close()
                return None
            response = protected
        return agreed.accept(response, challenge)

    def _opened(self, offer: Offer) -> None:
        self._state = State.ASSOCIATED
        self._objects = offer.open(self)
        self._services = Services(self._objects, self.conformance, self._refused)
        self._arm()
        offer.opened(self)

    def _pass_3(self, plain: bytes) -> bytes:
        """The client's answer to our challenge; ours to its challenge when it is right (passes 3 and 4)."""
        offer, pending = self._offer, self._handshake
        assert offer is not None and pending is not None
        invoke, reply = handshake.read_reply(plain)
        try:
            answer = pending.answer(reply)
        except LocalProtocolError as error:
            self._note("authentication", f"mechanism {offer.mechanism}: {error}", security=True)
            answer = None
        if answer is None:
            self._warn("authentication")
            self._note("authentication", f"client {self.client} answered the challenge wrongly", security=True)
            self._forget()
            return handshake.failed(invoke)
        self._handshake = None
        self._opened(offer)
        return handshake.passed(invoke, answer)

    def _release(self, apdu: bytes) -> bytes | None:
        """RLRQ: with a protected InitiateRequest in it that is checked, and the RLRE carries a protected answer."""
        try:
            release = Release.decode(apdu)
        except DecodeError as error:
            raise malformed(f"RLRQ: {error}") from None
        if self._state is State.IDLE:
            raise not_associated("a release without an association")
        information: bytes | None = None
        given, security, offer = release.user_information, self._security, self._offer
        if given and given[0] in PROTECTED_TAGS and security is not None and self._ciphered and offer is not None:
            try:
                opened = security.unprotect(given)
            except (SecurityError, DecodeError) as error:
                raise insecure(self.client, error) from None
            response = InitiateResponse(self.conformance, offer.max_receive_pdu).encode()
            protection = opened.protection | self._added
            information = self._seal(security, response, opened.envelope, protection, opened.header)
        self._close()
        return Release(response=True, reason=0, user_information=information).encode()

    def _close(self) -> None:
        """End the association, whoever ended it."""
        offer, state = self._offer, self._state
        self._forget()
        if state is State.ASSOCIATED and offer is not None:
            offer.closed(self)

    # -- refusals ---------------------------------------------------------------------------------------------------

    def _not_served(self, error: NotServedError) -> bytes:
        """The exception-response to a request that is not served, which is counted and told."""
        if error.security:
            self._warn(error.kind)
        self._note(error.kind, error.why, security=error.security)
        return error.encode()

    def _warn(self, why: str) -> None:
        if self._offer is not None:
            self._offer.refused(self, why)

    def _not_got(self, request: bytes, result: DataAccessResult) -> bytes:
        """The answer to the GET of one attribute that was refused."""
        self._refused("GET", request[3:12], result)
        return b"\xc4\x01" + request[2:3] + b"\x01" + bytes((result,))

    def _refused(self, service: str, descriptor: bytes, result: DataAccessResult) -> None:
        self.counters[result.name.lower().replace("_", " ")] += 1
        if self.explain is not None:
            class_id, name, index = int.from_bytes(descriptor[:2], "big"), obis.text(descriptor[2:8]), descriptor[8]
            self.explain(f"{service} of class {class_id} {name} index {index} refused: {result.name}")

    def _note(self, kind: str, sentence: str, *, security: bool = False) -> None:
        self.counters[kind] += 1
        explain = (security and self.explain_security) or self.explain
        if explain is not None:
            explain(sentence)


def _inside(limit: int, overhead: int) -> int:
    """Room for a plain answer when its protected form may have ``limit`` octets; 0 stays no limit."""
    return max(limit - overhead, 1) if limit else 0
