"""Who a client is and what it proposes when it opens an association."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from protocols.dlms.enums import Conformance, ContextName, Mechanism
from protocols.dlms.security import AUTHENTICATED_ENCRYPTED, TITLE_OCTETS, Counters, Envelope, Keys
from protocols.errors import LocalProtocolError

PROPOSED = (
    Conformance.GENERAL_PROTECTION
    | Conformance.ATTRIBUTE0_GET
    | Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_GET
    | Conformance.BLOCK_SET
    | Conformance.BLOCK_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.DATA_NOTIFICATION
    | Conformance.ACCESS
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
)
"""What is proposed unless told otherwise: all that the client can do, except general block transfer."""
_TITLED = (Mechanism.HLS_GMAC, Mechanism.HLS_SHA256, Mechanism.HLS_ECDSA)
_DEDICATED = {Envelope.GLO: Envelope.DED, Envelope.GENERAL_GLO: Envelope.GENERAL_DED}
_CHALLENGE_OCTETS = range(8, 65)
_ECDSA_CHALLENGE = 32


def client_counters(sent: int = 0, received: int = -1) -> Counters:
    """Counters of a client: ``sent`` last by it, ``received`` last from the server, -1 when nothing was.

    Many servers count from 0, so that their first counter is to be taken too.
    """
    return Counters(sent, received)


@dataclass(frozen=True, slots=True)
class ClientSecurity:
    """Keys, title and counters of a client.

    ``system_title`` 8 octets. ``ciphered`` asks for the ciphered application context; without it the keys serve the
    authentication only. ``protection`` are bits of the security control octet (0x10 authenticated, 0x20 encrypted) and
    ``envelope`` the form of protected services; with a ``dedicated`` key, made anew for each association, GLO becomes
    DED and GENERAL_GLO becomes GENERAL_DED. ``wrapped_keys`` puts a fresh key, wrapped with ``keys.kek``, into each
    request of GENERAL_CIPHERING. ``counters`` outlive associations and should be kept between runs. ``server_title`` is
    needed only for servers that do not send theirs. Raises LocalProtocolError for octet counts that do not fit.
    """

    system_title: bytes
    keys: Keys
    suite: int = 0
    ciphered: bool = True
    protection: int = AUTHENTICATED_ENCRYPTED
    envelope: Envelope = Envelope.GLO
    dedicated: bool = False
    wrapped_keys: bool = False
    server_title: bytes = b""
    counters: Counters = field(default_factory=client_counters)
    signing: EllipticCurvePrivateKey | None = None
    peer_verifying: EllipticCurvePublicKey | None = None

    def __post_init__(self) -> None:
        if len(self.system_title) != TITLE_OCTETS:
            raise LocalProtocolError(f"system title of {len(self.system_title)} octets", None, f"{TITLE_OCTETS}")
        wanted = 32 if self.suite == 2 else 16
        for name, key in (("encryption", self.keys.encryption), ("authentication", self.keys.authentication)):
            if len(key) != wanted:
                raise LocalProtocolError(f"{name} key of {len(key)} octets", None, f"{wanted} for suite {self.suite}")

    def service_envelope(self) -> Envelope:
        """The envelope of services once the association is open."""
        if not self.dedicated:
            return self.envelope
        return {Envelope.GLO: Envelope.DED, Envelope.GENERAL_GLO: Envelope.GENERAL_DED}.get(
            self.envelope, self.envelope
        )


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What a client proposes. The defaults are those of a public client without authentication.

    ``secret`` is the LLS password or the HLS secret; ``challenge_octets`` 8..64, with ECDSA at least 32 are sent.
    ``conformance`` has 24 bits.
    ``max_receive_pdu`` is the longest APDU taken, 0 (no limit) or up to 65,535 octets; ``longest_value`` bounds what
    blocks may add up to. ``block_window`` from 1 to 63 proposes general block transfer with that window, 0 does not.
    With ``recover_counter`` an association that is refused for its invocation counter is asked for once more with the
    counter that the server names.
    """

    mechanism: Mechanism = Mechanism.NONE
    secret: bytes = b""
    security: ClientSecurity | None = None
    conformance: int = PROPOSED
    max_receive_pdu: int = 0xFFFF
    longest_value: int = 1 << 24
    block_window: int = 0
    challenge_octets: int = 16
    user_id: int | None = None
    recover_counter: bool = False

    def __post_init__(self) -> None:
        if self.challenge_octets not in _CHALLENGE_OCTETS:
            raise LocalProtocolError(f"challenge of {self.challenge_octets} octets", None, "8 to 64")
        if not 0 <= self.block_window <= 63:
            raise LocalProtocolError(f"block transfer window {self.block_window}", None, "0 to 63")
        if not 0 <= self.max_receive_pdu <= 0xFFFF:
            raise LocalProtocolError(f"longest APDU {self.max_receive_pdu}", None, "0 to 65535")
        if self.mechanism in (Mechanism.HLS_GMAC, Mechanism.HLS_ECDSA, Mechanism.HLS_SHA256) and self.security is None:
            raise LocalProtocolError(f"{self.mechanism.name} needs a system title and keys")

    @property
    def challenge_size(self) -> int:
        """Octets of the challenge sent."""
        least = _ECDSA_CHALLENGE if self.mechanism == Mechanism.HLS_ECDSA else 0
        return max(self.challenge_octets, least)

    @property
    def proposed(self) -> int:
        """The conformance block of the InitiateRequest."""
        gbt = int(Conformance.GENERAL_BLOCK_TRANSFER)
        return self.conformance | gbt if self.block_window else self.conformance & ~gbt

    @property
    def context(self) -> ContextName:
        """The application context asked for."""
        return ContextName.LN_CIPHERED if self.security is not None and self.security.ciphered else ContextName.LN

    @property
    def title(self) -> bytes | None:
        """The calling-AP-title, sent where context or mechanism need it."""
        if self.security is None or not (self.security.ciphered or self.mechanism in _TITLED):
            return None
        return self.security.system_title
