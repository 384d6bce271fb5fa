"""Whether a server takes an association that a client asks for, and what of it is agreed (Green Book 9.3.2, 9.4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest

from protocols.dlms.acse import (
    UNKNOWN,
    Aare,
    Aarq,
    AssociationResult,
    DiagnosticSource,
    ProviderDiagnostic,
    UserDiagnostic,
)
from protocols.dlms.enums import ApduTag, ContextName, InitiateErrorCode, Mechanism
from protocols.dlms.initiate import DLMS_VERSION, InitiateRequest, initiate_error
from protocols.dlms.objects import Offer
from protocols.dlms.security import (
    TITLE_OCTETS,
    Protection,
    Unprotected,
    required_protection,
    response_protection,
)
from protocols.errors import DecodeError

LEAST_PDU = 64
"""Octets that a client must take in an APDU, unless it says 0 for no limit."""
CHALLENGE_OCTETS = range(8, 65)
ECDSA_CHALLENGE_OCTETS = range(32, 65)
TITLED_MECHANISMS = frozenset((Mechanism.HLS_GMAC, Mechanism.HLS_SHA256, Mechanism.HLS_ECDSA))
"""Mechanisms that reckon with the system titles of both sides."""
_VERSION_1 = 0x80
_PROTECTED = frozenset((ApduTag.GLO_INITIATE_REQUEST, ApduTag.GENERAL_GLO_CIPHERING, ApduTag.GENERAL_CIPHERING))
"""Tags of an InitiateRequest that comes protected."""


class RejectedError(Exception):
    """An association that is not opened. ``why`` is for people; ``authentication`` says that a secret was wrong.

    ``result`` is that of the AARE, ``diagnostic`` what ``source`` says with it.
    """

    def __init__(
        self,
        why: str,
        diagnostic: int = UserDiagnostic.NO_REASON,
        *,
        source: DiagnosticSource = DiagnosticSource.USER,
        error: InitiateErrorCode | None = None,
        result: AssociationResult = AssociationResult.REJECTED_PERMANENT,
    ) -> None:
        super().__init__(why)
        self.why = why
        self.result = result
        self.diagnostic = diagnostic
        self.source = source
        self.error = error

    @property
    def authentication(self) -> bool:
        """Whether the client failed to show that it knows the secret."""
        return self.source is DiagnosticSource.USER and self.diagnostic == UserDiagnostic.AUTHENTICATION_FAILURE

    def answer(self, context: int) -> bytes:
        """The AARE that says so; ``context`` is the application context asked for."""
        return Aare(
            context=ContextName.LN if context == UNKNOWN else context,
            result=self.result,
            source=self.source,
            diagnostic=self.diagnostic,
            user_information=None if self.error is None else initiate_error(self.error),
        ).encode()


@dataclass(frozen=True, slots=True)
class Agreement:
    """What is agreed between a client and an offer.

    ``initiate`` is the client's InitiateRequest and ``sealed`` how that came, None in the clear. ``conformance`` is the
    block negotiated, 24 bits; ``required`` and ``added`` are the security control bits that the policy asks of
    requests, and of responses beyond those of their requests.
    """

    aarq: Aarq
    offer: Offer
    initiate: InitiateRequest
    sealed: Unprotected | None
    conformance: int
    required: int
    added: int

    @property
    def ciphered(self) -> bool:
        """Whether the application context allows ciphered APDUs."""
        return self.aarq.context == ContextName.LN_CIPHERED

    @property
    def limit(self) -> int:
        """Longest answer, octets; 0 for no limit."""
        return min((size for size in (self.initiate.max_pdu, self.offer.max_send_pdu) if size), default=0)

    def accept(self, information: bytes, challenge: bytes | None) -> bytes:
        """The AARE: ``information`` is the InitiateResponse, ``challenge`` ours where HLS is still to be passed."""
        security, mechanism = self.offer.security, self.offer.mechanism
        titled = self.ciphered or mechanism in TITLED_MECHANISMS
        return Aare(
            context=self.aarq.context,
            result=AssociationResult.ACCEPTED,
            source=DiagnosticSource.USER,
            diagnostic=UserDiagnostic.NULL if challenge is None else UserDiagnostic.AUTHENTICATION_REQUIRED,
            user_information=information,
            title=security.system_title if titled and security is not None else None,
            mechanism=None if challenge is None else mechanism,
            authentication=challenge,
        ).encode()


def read_aarq(apdu: bytes) -> Aarq:
    """An AARQ; raises RejectedError when it cannot be read."""
    try:
        return Aarq.decode(apdu)
    except DecodeError as error:
        raise RejectedError(f"AARQ: {error}", ProviderDiagnostic.NO_REASON, source=DiagnosticSource.PROVIDER) from None


def agree(aarq: Aarq, offer: Offer) -> Agreement:
    """What an AARQ and an offer come to; the offer's security then knows the client's title and dedicated key.

    Raises RejectedError, and SecurityError or DecodeError for a protected InitiateRequest that cannot be opened.
    """
    check_names(aarq, offer)
    security, information = offer.security, aarq.user_information
    sealed: Unprotected | None = None
    required = added = protection = 0
    if security is not None:
        if aarq.title is not None and len(aarq.title) == TITLE_OCTETS:
            security.peer_title = aarq.title
        if aarq.context == ContextName.LN_CIPHERED:
            if information[:1] and information[0] in _PROTECTED:
                sealed = security.unprotect(information)
                information, protection = sealed.plain, sealed.protection
            required, added = required_protection(security.policy), response_protection(security.policy)
            if protection & required != required:
                raise RejectedError(
                    "an InitiateRequest protected less than the security policy asks",
                    UserDiagnostic.AUTHENTICATION_FAILURE,
                )
    check_secret(aarq, offer)
    try:
        initiate = InitiateRequest.decode(information)
    except DecodeError as error:
        raise RejectedError(f"InitiateRequest: {error}", error=InitiateErrorCode.REFUSED) from None
    conformance = check_initiate(initiate, offer, aarq.context == ContextName.LN_CIPHERED, protection)
    if initiate.dedicated_key is not None and security is not None:
        security.keys.dedicated = initiate.dedicated_key
    return Agreement(aarq, offer, initiate, sealed, conformance, required, added)


def check_version(aarq: Aarq) -> None:
    """Raises RejectedError unless version 1 of ACSE is offered, in words or by silence."""
    version = aarq.protocol_version
    if version is not None and not (len(version) >= 2 and version[1] & _VERSION_1):
        raise RejectedError(
            f"ACSE protocol version {version.hex()} asked for",
            ProviderDiagnostic.NO_COMMON_VERSION,
            source=DiagnosticSource.PROVIDER,
        )


def check_names(aarq: Aarq, offer: Offer) -> None:
    """Raises RejectedError unless context, mechanism and title are those of the offer."""
    if aarq.context not in offer.contexts:
        raise RejectedError(f"application context {aarq.context} asked for", UserDiagnostic.CONTEXT_NOT_SUPPORTED)
    mechanism = aarq.mechanism or Mechanism.NONE
    if mechanism != offer.mechanism:
        if aarq.mechanism is None:
            raise RejectedError("no authentication mechanism named", UserDiagnostic.MECHANISM_REQUIRED)
        raise RejectedError(f"authentication mechanism {mechanism} asked for", UserDiagnostic.MECHANISM_NOT_RECOGNISED)
    titled = aarq.context == ContextName.LN_CIPHERED or mechanism in TITLED_MECHANISMS
    if titled and len(aarq.title or b"") != TITLE_OCTETS:
        raise RejectedError(
            f"calling-AP-title {(aarq.title or b'').hex() or 'missing'}", UserDiagnostic.CALLING_TITLE_NOT_RECOGNISED
        )


def check_secret(aarq: Aarq, offer: Offer) -> None:
    """Raises RejectedError for a wrong password, or a challenge of a length that is not allowed."""
    given = aarq.authentication or b""
    match offer.mechanism:
        case Mechanism.NONE:
            return
        case Mechanism.LLS:
            if not compare_digest(given, offer.secret()):
                raise RejectedError("wrong password", UserDiagnostic.AUTHENTICATION_FAILURE)
        case mechanism:
            lengths = ECDSA_CHALLENGE_OCTETS if mechanism == Mechanism.HLS_ECDSA else CHALLENGE_OCTETS
            if len(given) not in lengths:
                raise RejectedError(f"a challenge of {len(given)} octets", UserDiagnostic.AUTHENTICATION_FAILURE)


def check_initiate(initiate: InitiateRequest, offer: Offer, ciphered: bool, protection: int) -> int:
    """The conformance agreed; raises RejectedError with a confirmed-service-error.

    ``ciphered`` tells of the application context, ``protection`` how the InitiateRequest came.
    """
    if initiate.version != DLMS_VERSION:
        raise _refused(f"DLMS version {initiate.version}", InitiateErrorCode.VERSION_TOO_LOW)
    if 0 < initiate.max_pdu < LEAST_PDU:
        raise _refused(f"the client takes {initiate.max_pdu} octets only", InitiateErrorCode.PDU_SIZE_TOO_SHORT)
    key = initiate.dedicated_key
    if key is not None:
        if not ciphered or not protection & Protection.ENCRYPTED:
            raise _refused("a dedicated key that travels in the clear", InitiateErrorCode.OTHER)
        if offer.security is None or len(key) != len(offer.security.keys.encryption):
            raise _refused(f"a dedicated key of {len(key)} octets", InitiateErrorCode.OTHER)
    agreed = initiate.conformance & int(offer.conformance)  # a plain number: flags are slow to test
    if not agreed:
        raise _refused(f"conformance {initiate.conformance:06X}", InitiateErrorCode.INCOMPATIBLE_CONFORMANCE)
    return agreed


def _refused(why: str, error: InitiateErrorCode) -> RejectedError:
    return RejectedError(why, error=error)
