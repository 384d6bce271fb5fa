"""The protected side of a client's association: what goes out is sealed, what comes in is opened and checked."""

from __future__ import annotations

from collections.abc import Callable

from protocols.dlms.client.settings import ClientSecurity, ClientSettings
from protocols.dlms.general_ciphering import GeneralHeader
from protocols.dlms.initiate import InitiateRequest
from protocols.dlms.security import (
    AUTHENTICATED_ENCRYPTED,
    PROTECTED_TAGS,
    SERVICE_TAGS,
    TITLE_OCTETS,
    Envelope,
    Keys,
    SecurityContext,
)
from protocols.errors import DecodeError, SecurityError, SecurityFault

_GENERAL_FORM = {Envelope.GLO: Envelope.GENERAL_GLO, Envelope.DED: Envelope.GENERAL_DED}
_SEALED = 1 + 3 + 5 + 12
"""Tag, length, security header and authentication tag."""
_TITLED = 1 + TITLE_OCTETS
_TRANSACTION_OCTETS = 8
_GENERAL = 1 + _TRANSACTION_OCTETS + 2 * _TITLED + 2 + 4
"""transaction-id, both titles, empty date-time and other-information, key-info without a wrapped key."""


class Channel:
    """Protection of one association after another, with counters that last."""

    __slots__ = ("_random", "_settings", "_transaction", "context")

    def __init__(self, settings: ClientSettings, random_octets: Callable[[int], bytes]) -> None:
        self._settings = settings
        self._random = random_octets
        self._transaction = 0
        self.context: SecurityContext | None = None
        self.restart()

    def restart(self) -> None:
        """Begin a new association: the server's title is to be learned again, a dedicated key is made anew."""
        security = self._settings.security
        if security is None:
            return
        keys = security.keys
        self.context = SecurityContext(
            suite=security.suite,
            system_title=security.system_title,
            peer_title=security.server_title,
            keys=Keys(
                keys.encryption,
                keys.authentication,
                broadcast=keys.broadcast,
                dedicated=self._random(len(keys.encryption)) if security.dedicated else None,
                kek=keys.kek,
            ),
            counters=security.counters,
            signing=security.signing,
            peer_verifying=security.peer_verifying,
        )

    @property
    def sealing(self) -> ClientSecurity | None:
        """How APDUs are protected; None when they go as they are."""
        security = self._settings.security
        return security if security is not None and security.ciphered and security.protection else None

    @property
    def titles(self) -> tuple[bytes, bytes]:
        """Our system title and the server's, empty where unknown."""
        context = self.context
        return (b"", b"") if context is None else (context.system_title, context.peer_title)

    @property
    def overhead(self) -> int:
        """Octets that protection adds to a service APDU at most."""
        security = self.sealing
        if security is None:
            return 0
        match security.envelope:
            case Envelope.GLO | Envelope.DED:
                return _SEALED
            case Envelope.GENERAL_GLO | Envelope.GENERAL_DED:
                return _SEALED + _TITLED
            case Envelope.GENERAL_CIPHERING:
                wrapped = 8 + len(security.keys.encryption) if security.wrapped_keys else 0
                return _SEALED + _GENERAL + wrapped

    def learn(self, title: bytes) -> None:
        """The title the server gives in its AARE; DecodeError for other than 8 octets."""
        if len(title) != TITLE_OCTETS:
            raise DecodeError(f"responding-AP-title of {len(title)} octets", None, f"{TITLE_OCTETS} octets")
        if self.context is not None:
            self.context.peer_title = title

    def initiate(self) -> bytes:
        """The InitiateRequest for an AARQ or RLRQ, protected as services are; with a dedicated key always encrypted."""
        settings, security, context = self._settings, self.sealing, self.context
        dedicated = context.keys.dedicated if context is not None else None
        plain = InitiateRequest(settings.proposed, settings.max_receive_pdu, dedicated).encode()
        if security is None or context is None:
            return plain
        protection = security.protection if dedicated is None else AUTHENTICATED_ENCRYPTED
        return context.protect(plain, Envelope.GLO, protection)

    def seal(self, plain: bytes) -> bytes:
        """A service APDU as it is sent. Services without glo- and ded- forms go in the general envelope."""
        security, context = self.sealing, self.context
        if security is None or context is None:
            return plain
        envelope = security.service_envelope()
        if plain[0] not in SERVICE_TAGS:
            envelope = _GENERAL_FORM.get(envelope, envelope)
        if envelope is not Envelope.GENERAL_CIPHERING:
            return context.protect(plain, envelope, security.protection)
        self._transaction += 1
        transaction = self._transaction.to_bytes(_TRANSACTION_OCTETS, "big")
        header = GeneralHeader(transaction_id=transaction, identified=True)
        if security.wrapped_keys:
            header = context.wrapped_header(self._random(len(security.keys.encryption)), transaction)
        return context.protect(plain, envelope, security.protection, header)

    def open(self, apdu: bytes) -> bytes:
        """The plain APDU in one that came in, protected at least as ours are; one that is not protected as it is.

        Raises SecurityError and DecodeError.
        """
        if not apdu or apdu[0] not in PROTECTED_TAGS:
            return apdu
        context = self.context
        if context is None:
            raise SecurityError(SecurityFault.KEY, "a protected APDU, and no keys")
        opened = context.unprotect(apdu)
        if not opened.plain:
            raise DecodeError("a protected APDU with nothing in it")
        security = self.sealing
        if security is not None and security.protection & ~opened.protection:
            raise SecurityError(
                SecurityFault.POLICY,
                f"protection {opened.protection:02X} of what came in is less than our {security.protection:02X}",
            )
        return opened.plain

    def refuse_plain(self, what: str) -> None:
        """SecurityError where ``what`` came in plain although services are protected."""
        if self.sealing is not None:
            raise SecurityError(SecurityFault.POLICY, f"{what} is not protected")
