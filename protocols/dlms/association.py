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
from protocols.dlms import access, axdr, hls, requests
from protocols.dlms.access import AccessRequest
from protocols.dlms.acse import (
    Aare,
    Aarq,
    AssociationResult,
    DiagnosticSource,
    ProviderDiagnostic,
    Release,
    UserDiagnostic,
)
from protocols.dlms.enums import (
    ApduTag,
    Conformance,
    ContextName,
    DataAccessResult,
    InitiateErrorCode,
    Mechanism,
    ServiceError,
    StateError,
)
from protocols.dlms.gbt import BlockTransfer
from protocols.dlms.initiate import InitiateRequest, InitiateResponse
from protocols.dlms.objects import AccessRefused, LogicalDevice, Objects, Offer
from protocols.dlms.opening import (
    TITLED_MECHANISMS,
    RejectedError,
    check_initiate,
    check_names,
    check_secret,
    check_version,
)
from protocols.dlms.requests import ActionNormal
from protocols.dlms.security import (
    AUTHENTICATED_ENCRYPTED,
    PROTECTED_TAGS,
    SERVICE_TAGS,
    Envelope,
    GeneralHeader,
    Protection,
    SecurityContext,
    Unprotected,
    required_protection,
    response_protection,
)
from protocols.dlms.services import NotServedError, Services, malformed, not_negotiated, unknown
from protocols.errors import DecodeError, LocalProtocolError, SecurityError, SecurityFault

REPLY_TO_HLS = b"\x00\x0f" + obis.parse("0-0:40.0.0.255") + b"\x01"
"""Method descriptor of reply_to_HLS_authentication of the current association."""
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
_INITIATE_TAGS = frozenset((ApduTag.GLO_INITIATE_REQUEST, ApduTag.GENERAL_GLO_CIPHERING, ApduTag.GENERAL_CIPHERING))
_SECURITY_ERRORS = {
    SecurityFault.COUNTER: ("counter", ServiceError.INVOCATION_COUNTER_ERROR),
    SecurityFault.POLICY: ("policy", ServiceError.OPERATION_NOT_POSSIBLE),
}
_DECIPHERING = ("deciphering", ServiceError.DECIPHERING_ERROR)


class State(Enum):
    """How far an association has come; the value is association_status of class 15."""

    IDLE = 0
    PENDING = 1
    ASSOCIATED = 2


class Association:
    """One client SAP's association with one server SAP of a logical device.

    ``handle`` takes whole APDUs (no LLC, no wrapper header) and never raises, whatever they hold. ``explain`` gets a
    sentence for each thing refused, ``counters`` their number by kind. ``drop`` says that the connection should be
    closed: our invocation counter is used up and nothing can be answered any more.
    """

    __slots__ = (
        "_added",
        "_asked",
        "_ciphered",
        "_get",
        "_initiate",
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
        "client_challenge",
        "client_max_pdu",
        "client_title",
        "conformance",
        "counters",
        "device",
        "drop",
        "explain",
        "message_authenticated",
        "server",
        "server_challenge",
    )

    def __init__(
        self, device: LogicalDevice, client: int, server: int, *, explain: Callable[[str], None] | None = None
    ) -> None:
        self.device = device
        self.client = client
        self.server = server
        self.explain = explain
        self.counters: Counter[str] = Counter()
        self.drop = False
        self._transfer: BlockTransfer | None = None
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
        self._asked: Aarq | None = None
        self._initiate: Unprotected | None = None
        self._ciphered = False
        self._required = self._added = 0
        self._limit = self._room = self._short_room = 0
        self.conformance = 0
        self.client_max_pdu = 0
        self.message_authenticated = False
        self.client_title = self.client_challenge = self.server_challenge = b""
        self._transfer = None

    @property
    def state(self) -> State:
        """How far the association has come."""
        return self._state

    @property
    def state_code(self) -> int:
        """association_status of class 15: 0 non-associated, 1 pending, 2 associated."""
        return self._state.value

    def lost(self) -> None:
        """The link or connection below has gone."""
        self._close()

    def handle(self, apdu: bytes) -> Sequence[bytes]:
        """Answers to one APDU: mostly one, none where none is wanted, several when general block transfer streams."""
        get = self._get
        if get is not None and len(apdu) == _GET_NORMAL_OCTETS and apdu[:2] == _GET_NORMAL and not apdu[12]:
            try:
                data = get(apdu[3:12])
            except AccessRefused as refusal:
                if apdu[11]:
                    self._refused("GET", apdu[3:12], refusal.result)
                    return (b"\xc4\x01" + apdu[2:3] + b"\x01" + bytes((refusal.result,)),)
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
            self._note("too long", f"a request of {len(apdu)} octets, {self._offer.max_receive_pdu} are taken")
            return (_exception(StateError.SERVICE_NOT_ALLOWED, ServiceError.PDU_TOO_LONG),)
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
        except AccessRefused:
            # Told and answered by the long way, where attribute 0 may stand for all of them.
            answer = self._serve(plain, _inside(self._limit, security.overhead(Envelope.GLO)))
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
        initiate, security = self._initiate, self._security
        if security is None or initiate is None:
            return apdu
        protection = initiate.protection | self._added
        general = initiate.envelope in _GENERAL or apdu[:1] != b"\xc2"
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
            self._note("answer too long", f"an answer of {len(answer)} octets, the client takes {self.client_max_pdu}")
            return (_exception(StateError.SERVICE_NOT_ALLOWED, ServiceError.OTHER_REASON),)
        return self._stream(answer, answering=False)

    def _stream(self, answer: bytes, *, answering: bool) -> Sequence[bytes]:
        if self._transfer is None:
            self._transfer = BlockTransfer(SERVER_WINDOW)
        try:
            return self._transfer.send(answer, self._limit or _OVERLONG, answering=answering)
        except LocalProtocolError as error:
            self._note("answer too long", str(error))
            return (_exception(StateError.SERVICE_NOT_ALLOWED, ServiceError.OTHER_REASON),)

    def _block(self, apdu: bytes) -> Sequence[bytes]:
        """A block of general block transfer: with the last one the APDU in it is served."""
        if not self.conformance & Conformance.GENERAL_BLOCK_TRANSFER:
            self._note("not negotiated", "general block transfer was not negotiated")
            return (_exception(StateError.SERVICE_NOT_ALLOWED, ServiceError.SERVICE_NOT_SUPPORTED),)
        if self._transfer is None:
            self._transfer = BlockTransfer(SERVER_WINDOW)
        try:
            step = self._transfer.receive(apdu)
        except DecodeError as error:
            self._note("malformed", f"general block transfer: {error}")
            return (_exception(StateError.SERVICE_NOT_ALLOWED, ServiceError.OTHER_REASON),)
        whole = step.apdu
        if whole is None:
            return step.send
        if whole[0] == ApduTag.GENERAL_BLOCK_TRANSFER:
            self._note("malformed", "general block transfer inside general block transfer")
            answer: bytes | None = _exception(StateError.SERVICE_NOT_ALLOWED, ServiceError.OTHER_REASON)
        else:
            answer = self._one(whole, 0)
        return () if answer is None else self._stream(answer, answering=True)

    def _one(self, apdu: bytes, limit: int) -> bytes | None:
        """Answer one whole APDU; ``limit`` is the largest answer, 0 for any."""
        tag = apdu[0]
        if tag == ApduTag.AARQ:
            return self._open(apdu)
        if tag == ApduTag.RLRQ:
            return self._release(apdu)
        try:
            if self._state is State.IDLE:
                raise _not_now("before association", "a service without an association")
            if tag in PROTECTED_TAGS:
                return self._protected(apdu, limit)
            if self._required:
                self._warn("policy")
                raise _not_now("policy", "an unprotected request against the security policy")
            return self._answered(apdu, limit)
        except NotServedError as error:
            self._note(error.kind, error.why)
            return error.encode()

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
            return self._insecure(error)
        if not plain:
            raise malformed("nothing in a protected APDU")
        if protection & self._required != self._required:
            self._warn("policy")
            raise _not_now("policy", "a request protected less than the security policy asks")
        added = self._added
        self.message_authenticated = protection & _AUTHENTICATED != 0
        try:
            answer = self._serve(plain, _inside(limit, security.overhead(envelope, header)))
        finally:
            self.message_authenticated = False
        return self._seal(security, answer, envelope, protection | added, header)

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
            self._note("counter used up", str(error))
            return None

    # -- services ---------------------------------------------------------------------------------------------------

    def _serve(self, plain: bytes, limit: int) -> bytes | None:
        """Answer a request that has passed the checks of security."""
        read = self._read
        if read is not None and len(plain) == _GET_NORMAL_OCTETS and plain[:2] == _GET_NORMAL and not plain[12]:
            try:
                data = read(plain[3:12])
            except AccessRefused:
                pass  # Told and answered by the long way, where attribute 0 may stand for all of them.
            else:
                return self._got(plain[2], data, limit)
        try:
            return self._dispatch(plain, limit)
        except NotServedError as error:
            self._note(error.kind, error.why)
            return error.encode()
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
        ready = services is not None and not services.sending and self.conformance & _GET
        self._read = objects.get if ready and objects is not None else None
        self._get = None if self._required or self._added else self._read

    # -- association ------------------------------------------------------------------------------------------------

    def _open(self, apdu: bytes) -> bytes | None:
        self._close()
        context = int(ContextName.LN)
        try:
            try:
                aarq = Aarq.decode(apdu)
            except DecodeError as error:
                raise RejectedError(
                    f"AARQ: {error}", ProviderDiagnostic.NO_REASON, source=DiagnosticSource.PROVIDER
                ) from None
            context = aarq.context
            check_version(aarq)
            offer = self.device.offer(self.client)
            if offer is None:
                raise RejectedError(f"no association is offered to client {self.client}")
            check_names(aarq, offer)
            return self._negotiate(aarq, offer)
        except RejectedError as rejected:
            if rejected.authentication and self._offer is not None:
                self._offer.refused(self, "authentication")
            self._forget()
            self._note("rejected", f"association with client {self.client} rejected: {rejected.why}")
            return rejected.answer(context)

    def _negotiate(self, aarq: Aarq, offer: Offer) -> bytes | None:
        self._asked, self._offer, self._security = aarq, offer, offer.security
        self._ciphered = aarq.context == ContextName.LN_CIPHERED
        self.client_title = aarq.title or b""
        security = offer.security
        if security is not None and len(self.client_title) == 8:
            security.peer_title = self.client_title
        information = aarq.user_information
        if self._ciphered and information[:1] and information[0] in _INITIATE_TAGS and security is not None:
            try:
                opened = security.unprotect(information)
            except (SecurityError, DecodeError) as error:
                answer = self._insecure(error)
                self._forget()
                return answer
            information = opened.plain
            self._initiate = opened
        protection = 0 if self._initiate is None else self._initiate.protection
        if security is not None and self._ciphered:
            self._required = required_protection(security.policy)
            self._added = response_protection(security.policy)
            if protection & self._required != self._required:
                raise RejectedError(
                    "an InitiateRequest protected less than the security policy asks",
                    UserDiagnostic.AUTHENTICATION_FAILURE,
                )
        check_secret(aarq, offer)
        try:
            initiate = InitiateRequest.decode(information)
        except DecodeError as error:
            raise RejectedError(f"InitiateRequest: {error}", error=InitiateErrorCode.REFUSED) from None
        self.conformance = check_initiate(initiate, offer, self._ciphered, protection)
        if initiate.dedicated_key is not None and security is not None:
            security.keys.dedicated = initiate.dedicated_key
        self.client_max_pdu = initiate.max_pdu
        limits = [size for size in (initiate.max_pdu, offer.max_send_pdu) if size]
        self._limit = min(limits, default=0)
        self._room = self._limit - _GET_RESPONSE_OCTETS if self._limit else 1 << 62
        self._short_room = min(self._limit or _OVERLONG, 127) - _SHORT_AROUND
        return self._accept(aarq, offer, initiate)

    def _accept(self, aarq: Aarq, offer: Offer, initiate: InitiateRequest) -> bytes | None:
        hls_mechanism = offer.mechanism >= Mechanism.HLS
        if hls_mechanism:
            self._state = State.PENDING
            self.client_challenge = aarq.authentication or b""
            self.server_challenge = offer.challenge()
        else:
            self._opened(offer)
        if not initiate.response_allowed:
            return None
        response = InitiateResponse(self.conformance, offer.max_receive_pdu, initiate.quality_of_service).encode()
        security, protected = self._security, self._initiate
        titled = security is not None and (self._ciphered or offer.mechanism in TITLED_MECHANISMS)
        if security is not None and protected is not None:
            protection = protected.protection | self._added
            protected_response = self._seal(security, response, protected.envelope, protection, protected.header)
            if protected_response is None:
                self._close()
                return None
            response = protected_response
        return Aare(
            context=aarq.context,
            result=AssociationResult.ACCEPTED,
            source=DiagnosticSource.USER,
            diagnostic=UserDiagnostic.AUTHENTICATION_REQUIRED if hls_mechanism else UserDiagnostic.NULL,
            user_information=response,
            title=security.system_title if titled and security is not None else None,
            mechanism=offer.mechanism if hls_mechanism else None,
            authentication=self.server_challenge if hls_mechanism else None,
        ).encode()

    def _opened(self, offer: Offer) -> None:
        self._state = State.ASSOCIATED
        self._objects = offer.open(self)
        self._services = Services(self._objects, self.conformance, self._refused)
        self._arm()
        offer.opened(self)

    def _pass_3(self, plain: bytes) -> bytes | None:
        """The client's answer to our challenge; ours to its challenge when it is right (passes 3 and 4)."""
        offer, challenge = self._offer, None
        assert offer is not None
        try:
            request = requests.decode(plain)
        except DecodeError as error:
            raise _not_now("before association", f"while authentication is pending: {error}") from None
        if isinstance(request, ActionNormal) and request.descriptor == REPLY_TO_HLS and request.parameters is not None:
            challenge = _octet_string(request.parameters)
        if challenge is None or not isinstance(request, ActionNormal):
            raise _not_now("before association", "a service while authentication is pending")
        answer = self._authenticate(offer, challenge)
        if answer is None:
            offer.refused(self, "authentication")
            self._note("authentication", f"client {self.client} answered the challenge wrongly")
            self._forget()
            return bytes((ApduTag.ACTION_RESPONSE, 1, request.invoke, DataAccessResult.READ_WRITE_DENIED, 0))
        self._opened(offer)
        return bytes((ApduTag.ACTION_RESPONSE, 1, request.invoke, 0, 1, 0)) + axdr.octets(answer)

    def _authenticate(self, offer: Offer, reply: bytes) -> bytes | None:
        """Our answer to the client's challenge, None when its answer to ours is wrong."""
        security = self._security
        titles = (security.system_title if security is not None else b"", self.client_title)
        received, sent = self.client_challenge, self.server_challenge
        secret = offer.secret()
        if received == sent:
            return None
        try:
            if not hls.verify(
                offer.mechanism, reply, secret=secret, received=received, sent=sent, context=security, titles=titles
            ):
                return None
            return hls.respond(
                offer.mechanism, secret=secret, received=received, sent=sent, context=security, titles=titles
            )
        except LocalProtocolError as error:
            self._note("authentication", f"mechanism {offer.mechanism}: {error}")
            return None

    def _release(self, apdu: bytes) -> bytes | None:
        """RLRQ: with a protected InitiateRequest in it that is checked, and the RLRE carries a protected answer."""
        try:
            release = Release.decode(apdu)
        except DecodeError as error:
            self._note("malformed", f"RLRQ: {error}")
            return _exception(StateError.SERVICE_NOT_ALLOWED, ServiceError.OTHER_REASON)
        if self._state is State.IDLE:
            self._note("before association", "a release without an association")
            return _exception(StateError.SERVICE_NOT_ALLOWED, ServiceError.OPERATION_NOT_POSSIBLE)
        information: bytes | None = None
        given, security, offer = release.user_information, self._security, self._offer
        if given and given[0] in PROTECTED_TAGS and security is not None and self._ciphered and offer is not None:
            try:
                opened = security.unprotect(given)
            except (SecurityError, DecodeError) as error:
                return self._insecure(error)
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

    def _insecure(self, error: SecurityError | DecodeError) -> bytes:
        """The exception-response to an APDU that fails the checks of security."""
        why, service = _DECIPHERING
        if isinstance(error, SecurityError):
            why, service = _SECURITY_ERRORS.get(error.fault, _DECIPHERING)
        self._warn(why)
        self._note(why, f"client {self.client}: {error}")
        answer = _exception(StateError.SERVICE_NOT_ALLOWED, service)
        if isinstance(error, SecurityError) and error.last_counter is not None:
            answer += max(error.last_counter, 0).to_bytes(4, "big")
        return answer

    def _warn(self, why: str) -> None:
        if self._offer is not None:
            self._offer.refused(self, why)

    def _refused(self, service: str, descriptor: bytes, result: DataAccessResult) -> None:
        self.counters[result.name.lower().replace("_", " ")] += 1
        if self.explain is not None:
            class_id, name, index = int.from_bytes(descriptor[:2], "big"), obis.text(descriptor[2:8]), descriptor[8]
            self.explain(f"{service} of class {class_id} {name} index {index} refused: {result.name}")

    def _note(self, kind: str, sentence: str) -> None:
        self.counters[kind] += 1
        if self.explain is not None:
            self.explain(sentence)


def _not_now(kind: str, why: str) -> NotServedError:
    return NotServedError(kind, ServiceError.OPERATION_NOT_POSSIBLE, why)


def _exception(state: StateError, service: ServiceError) -> bytes:
    return bytes((ApduTag.EXCEPTION_RESPONSE, state, service))


def _octet_string(data: bytes) -> bytes | None:
    try:
        value = axdr.decode_all(data)
    except DecodeError:
        return None
    return value.value if value.tag == 9 and isinstance(value.value, bytes) else None


def _inside(limit: int, overhead: int) -> int:
    """Room for a plain answer when its protected form may have ``limit`` octets; 0 stays no limit."""
    return max(limit - overhead, 1) if limit else 0
