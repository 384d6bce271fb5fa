"""Protection of xDLMS APDUs: AES-GCM of suites 0 to 2 in every envelope (Green Book 9.2, IEC 62056-5-3 5.4).

A protected APDU carries a security control octet and the sender's invocation counter; its nonce is the sender's system
title and that counter. A receiver takes each counter once and only upwards.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, IntEnum, IntFlag
from functools import lru_cache
from hmac import compare_digest
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols.dlms import axdr
from protocols.dlms.enums import ApduTag
from protocols.dlms.general_ciphering import GeneralHeader, read_header
from protocols.dlms.keywrap import unwrap, wrap
from protocols.errors import DecodeError, LocalProtocolError, SecurityError, SecurityFault

TAG_OCTETS = 12
TITLE_OCTETS = 8
COUNTER_MAX = 0xFFFFFFFF
_GCM_TAG = 16
_HEADER = 5  # security control and invocation counter
_LEAST_FULL = 2 + _HEADER + 1 + TAG_OCTETS
_SEALED = 1 + 3 + _HEADER + TAG_OCTETS  # with the length of an APDU that fits in 65,535 octets


class SecuritySuite(IntEnum):
    """Security suites; 0 and 1 use AES-128, 2 AES-256."""

    AES_GCM_128 = 0
    ECDH_P256 = 1
    ECDH_P384 = 2


class Protection(IntFlag):
    """Bits of the security control octet above the suite."""

    NONE = 0
    AUTHENTICATED = 0x10
    ENCRYPTED = 0x20
    BROADCAST = 0x40
    COMPRESSED = 0x80


AUTHENTICATED_ENCRYPTED = int(Protection.AUTHENTICATED | Protection.ENCRYPTED)
# Plain numbers for what is done with each APDU: arithmetic on flags takes ten times as long.
_AUTHENTICATED, _ENCRYPTED = int(Protection.AUTHENTICATED), int(Protection.ENCRYPTED)
_BROADCAST, _COMPRESSED = int(Protection.BROADCAST), int(Protection.COMPRESSED)


class Envelope(Enum):
    """How a protected APDU is marked."""

    GLO = "glo"
    DED = "ded"
    GENERAL_GLO = "general-glo"
    GENERAL_DED = "general-ded"
    GENERAL_CIPHERING = "general-ciphering"


class Counters:
    """Invocation counters of one set of keys: the last one sent, the highest one accepted.

    They belong to the device and outlive associations.
    """

    __slots__ = ("broadcast", "received", "sent")

    def __init__(self, sent: int = 0, received: int = 0) -> None:
        self.sent = sent
        self.received = received
        self.broadcast = 0


class Keys:
    """Keys of one security setup: global unicast encryption, authentication, and others where there are any."""

    __slots__ = ("authentication", "broadcast", "dedicated", "encryption", "kek")

    def __init__(
        self,
        encryption: bytes,
        authentication: bytes,
        *,
        broadcast: bytes | None = None,
        dedicated: bytes | None = None,
        kek: bytes | None = None,
    ) -> None:
        self.encryption = encryption
        self.authentication = authentication
        self.broadcast = broadcast
        self.dedicated = dedicated
        self.kek = kek


class Unprotected(NamedTuple):
    """An APDU that passed its checks: its plain octets and how it had been protected."""

    plain: bytes
    envelope: Envelope
    protection: int
    counter: int
    header: GeneralHeader | None = None


@lru_cache(maxsize=8192)
def cipher(key: bytes) -> AESGCM:
    """The AES-GCM of a key, made once."""
    return AESGCM(key)


def required_protection(policy: int) -> int:
    """Security control bits that a security policy asks of requests (class 64).

    Version 0 counts 1 authenticated, 2 encrypted, 3 both; version 1 has bit 2 authenticated, bit 3 encrypted.
    """
    return (_AUTHENTICATED if policy & 0x05 else 0) | (_ENCRYPTED if policy & 0x0A else 0)


def response_protection(policy: int) -> int:
    """Security control bits that a security policy asks of responses beyond those of their requests (class 64).

    Version 0 asks the same of both; version 1 has bit 5 authenticated, bit 6 encrypted.
    """
    return (_AUTHENTICATED if policy & 0x20 else 0) | (_ENCRYPTED if policy & 0x40 else 0)


class SecurityContext:
    """Both directions of one association's protection.

    ``system_title`` is our own, ``peer_title`` the other side's (8 octets; empty until it is known). ``signing`` and
    ``peer_verifying`` are keys of ECDSA authentication where that is used.

    Two things are written differently by clients in the field. ``header_authenticated`` says whether the tag of
    general-ciphering covers the header too, as in the Green Book, or the content alone; ``gmac_suite`` is the suite in
    the security control of HLS-GMAC, 0 with some clients whatever the suite. Both follow what was last opened or
    verified, so that an answer has the form of its request.
    """

    __slots__ = (
        "counters",
        "dedicated_counters",
        "gmac_suite",
        "header_authenticated",
        "keys",
        "peer_title",
        "peer_verifying",
        "policy",
        "signing",
        "suite",
        "system_title",
    )

    def __init__(
        self,
        *,
        suite: int,
        system_title: bytes,
        peer_title: bytes,
        keys: Keys,
        counters: Counters,
        policy: int = 0,
        signing: EllipticCurvePrivateKey | None = None,
        peer_verifying: EllipticCurvePublicKey | None = None,
    ) -> None:
        self.suite = suite
        self.system_title = system_title
        self.peer_title = peer_title
        self.keys = keys
        self.counters = counters
        self.dedicated_counters = Counters(received=-1)  # a new key: its first counter may be 0
        self.policy = policy
        self.signing = signing
        self.peer_verifying = peer_verifying
        self.header_authenticated = True
        self.gmac_suite = suite

    def next_counter(self) -> int:
        """Take the next invocation counter of the global key."""
        return _next(self.counters)

    def protect(self, plain: bytes, envelope: Envelope, protection: int, header: GeneralHeader | None = None) -> bytes:
        """``plain`` in its envelope.

        Raises LocalProtocolError for a service the envelope has no tag for, and when the counter is used up.
        """
        match envelope:
            case Envelope.GLO:
                content = self._seal(plain, self.keys.encryption, _next(self.counters), protection, b"")
                return _tagged(_GLO, plain) + axdr.length(len(content)) + content
            case Envelope.DED:
                content = self._seal(plain, self._dedicated(), _next(self.dedicated_counters), protection, b"")
                return _tagged(_DED, plain) + axdr.length(len(content)) + content
            case Envelope.GENERAL_GLO:
                content = self._seal(plain, self.keys.encryption, _next(self.counters), protection, b"")
                return b"\xdb" + axdr.sized(self.system_title) + axdr.length(len(content)) + content
            case Envelope.GENERAL_DED:
                content = self._seal(plain, self._dedicated(), _next(self.dedicated_counters), protection, b"")
                return b"\xdc" + axdr.sized(self.system_title) + axdr.length(len(content)) + content
            case Envelope.GENERAL_CIPHERING:
                return self._general(plain, protection, header or GeneralHeader())

    def unprotect(self, apdu: bytes) -> Unprotected:
        """Check and open a protected APDU; its counter is then used up.

        Raises SecurityError (deciphering, counter, title, key) and DecodeError.
        """
        tag = apdu[0] if apdu else -1
        if tag in _GLO_TAGS:
            plain = self.open_short(apdu)
            if plain is not None:
                return Unprotected(plain, Envelope.GLO, AUTHENTICATED_ENCRYPTED, self.counters.received)
        if tag in _GLO_TAGS:
            start, end = _content(apdu, 1)
            opened = self._open(apdu, start, end, Envelope.GLO, self.keys.encryption, self.counters, None)
            return _matching(opened, _GLO, apdu)
        if tag in _DED_TAGS:
            start, end = _content(apdu, 1)
            opened = self._open(apdu, start, end, Envelope.DED, self._dedicated(), self.dedicated_counters, None)
            return _matching(opened, _DED, apdu)
        if tag == ApduTag.GENERAL_GLO_CIPHERING or tag == ApduTag.GENERAL_DED_CIPHERING:
            title, offset = axdr.read_sized(apdu, 1)
            self._check_title(title)
            start, end = _content(apdu, offset)
            if tag == ApduTag.GENERAL_GLO_CIPHERING:
                return self._open(apdu, start, end, Envelope.GENERAL_GLO, self.keys.encryption, self.counters, None)
            counters = self.dedicated_counters
            return self._open(apdu, start, end, Envelope.GENERAL_DED, self._dedicated(), counters, None)
        if tag == ApduTag.GENERAL_CIPHERING:
            return self._open_general(apdu)
        raise DecodeError(f"tag {tag} is no protected APDU", 0)

    def overhead(self, envelope: Envelope, header: GeneralHeader | None = None) -> int:
        """Octets that :meth:`protect` adds to an APDU at most."""
        if envelope is Envelope.GLO or envelope is Envelope.DED:
            return _SEALED
        if envelope is not Envelope.GENERAL_CIPHERING:
            return _SEALED + len(axdr.sized(self.system_title))
        return _SEALED + len(self._own(header or GeneralHeader())[0].encode())

    def authentication_tag(self, counter: int, challenge: bytes, title: bytes, suite: int | None = None) -> bytes:
        """SC, counter and GMAC over a challenge by the holder of ``title``: passes 3 and 4 of HLS-GMAC.

        The security control says ``suite``, or :attr:`gmac_suite` where that is None.
        """
        control = bytes((_AUTHENTICATED | (self.gmac_suite if suite is None else suite),))
        octets = counter.to_bytes(4, "big")
        mac = cipher(self.keys.encryption).encrypt(title + octets, b"", control + self.keys.authentication + challenge)
        return control + octets + mac[:TAG_OCTETS]

    def open_short(self, apdu: bytes) -> bytes | None:
        """The plain octets of the usual: a glo- APDU below 128 octets, encrypted and authenticated with unicast keys.

        None for anything else and for anything amiss; :meth:`unprotect` tells what it is.
        """
        size = len(apdu)
        octets = apdu[3:7]
        counter = int.from_bytes(octets, "big")
        if (
            not _LEAST_FULL <= size < 0x82
            or apdu[1] != size - 2
            or apdu[2] != AUTHENTICATED_ENCRYPTED | self.suite
            or counter <= self.counters.received
            or len(self.peer_title) != TITLE_OCTETS
        ):
            return None
        nonce = self.peer_title + octets
        keys = self.keys
        encrypt = cipher(keys.encryption).encrypt
        plain = encrypt(nonce, apdu[7:-TAG_OCTETS], None)[:-_GCM_TAG]
        made = encrypt(nonce, plain, apdu[2:3] + keys.authentication)
        if not compare_digest(made[-_GCM_TAG:-4], apdu[-TAG_OCTETS:]) or _GLO.get(plain[0]) != apdu[:1]:
            return None
        self.counters.received = counter
        return plain

    def seal_short(self, plain: bytes) -> bytes:
        """What :meth:`protect` makes of a short service APDU in the usual way: glo-, both protections.

        For no more than 108 octets, and only while the counter is not :attr:`exhausted`.
        """
        self.counters.sent = counter = self.counters.sent + 1
        octets = counter.to_bytes(4, "big")
        control = bytes((AUTHENTICATED_ENCRYPTED | self.suite,))
        keys = self.keys
        sealed = cipher(keys.encryption).encrypt(self.system_title + octets, plain, control + keys.authentication)
        return _GLO[plain[0]] + bytes((len(sealed) + 1,)) + control + octets + sealed[:-4]

    @property
    def exhausted(self) -> bool:
        """Whether the invocation counter of the global key is used up."""
        return self.counters.sent >= COUNTER_MAX

    # -- one content ------------------------------------------------------------------------------------------------

    def _seal(self, plain: bytes, key: bytes, counter: int, protection: int, additional: bytes) -> bytes:
        control = bytes((protection | self.suite,))
        octets = counter.to_bytes(4, "big")
        nonce = self.system_title + octets
        if protection & AUTHENTICATED_ENCRYPTED == AUTHENTICATED_ENCRYPTED:
            sealed = cipher(key).encrypt(nonce, plain, control + self.keys.authentication + additional)
            return control + octets + sealed[:-4]
        if protection & _AUTHENTICATED:
            mac = cipher(key).encrypt(nonce, b"", control + self.keys.authentication + additional + plain)
            return control + octets + plain + mac[:TAG_OCTETS]
        if protection & _ENCRYPTED:
            return control + octets + cipher(key).encrypt(nonce, plain, None)[:-_GCM_TAG]
        return control + octets + plain

    def _open(
        self,
        apdu: bytes,
        start: int,
        end: int,
        envelope: Envelope,
        key: bytes,
        counters: Counters,
        header: GeneralHeader | None,
    ) -> Unprotected:
        control = apdu[start]
        protection = control & 0xF0
        if control & 0x0F != self.suite or protection & _COMPRESSED:
            raise SecurityError(
                SecurityFault.DECIPHERING, f"security control {control:02X}: suite {self.suite} is used"
            )
        broadcast = protection & _BROADCAST != 0
        if broadcast:
            if self.keys.broadcast is None or envelope not in (Envelope.GLO, Envelope.GENERAL_GLO):
                raise SecurityError(SecurityFault.KEY, "no broadcast key")
            key = self.keys.broadcast
        octets = apdu[start + 1 : start + _HEADER]
        counter = int.from_bytes(octets, "big")
        last = counters.broadcast if broadcast else counters.received
        if counter <= last:
            raise SecurityError(SecurityFault.COUNTER, f"invocation counter {counter} after {last}", last)
        nonce = self.peer_title + octets
        if len(nonce) != TITLE_OCTETS + 4:
            raise SecurityError(SecurityFault.TITLE, "the sender's system title is not known")
        body = apdu[start + _HEADER : end]
        plain = self._verified(body, protection, key, nonce, bytes((control,)), header)
        if broadcast:
            counters.broadcast = counter
        else:
            counters.received = counter
        return Unprotected(plain, envelope, protection & AUTHENTICATED_ENCRYPTED, counter, header)

    def _verified(
        self, body: bytes, protection: int, key: bytes, nonce: bytes, control: bytes, header: GeneralHeader | None
    ) -> bytes:
        gcm = cipher(key)
        if not protection & _AUTHENTICATED:
            return gcm.encrypt(nonce, body, None)[:-_GCM_TAG] if protection & _ENCRYPTED else body
        if len(body) < TAG_OCTETS:
            raise SecurityError(SecurityFault.DECIPHERING, "shorter than its authentication tag")
        text, tag = body[:-TAG_OCTETS], body[-TAG_OCTETS:]
        known = control + self.keys.authentication
        # GCM counts its key stream alike both ways, and the library refuses tags cut to 12 octets: so the plaintext
        # comes from encrypting the ciphertext, and the tag from encrypting that again.
        plain = gcm.encrypt(nonce, text, None)[:-_GCM_TAG] if protection & _ENCRYPTED else text
        hidden, shown = (plain, b"") if protection & _ENCRYPTED else (b"", text)
        for additional in (b"",) if header is None else (header.additional(), b""):
            made = gcm.encrypt(nonce, hidden, known + additional + shown)[-_GCM_TAG:-4]
            if compare_digest(made, tag):
                if header is not None:
                    self.header_authenticated = additional != b""
                return plain
        raise SecurityError(SecurityFault.DECIPHERING, "wrong authentication tag")

    # -- general-ciphering ------------------------------------------------------------------------------------------

    def _general(self, plain: bytes, protection: int, header: GeneralHeader) -> bytes:
        own, key = self._own(header)
        authenticated = own.additional() if self.header_authenticated else b""
        content = self._seal(plain, key, _next(self.counters), protection, authenticated)
        return b"\xdd" + own.encode() + axdr.length(len(content)) + content

    def _own(self, header: GeneralHeader) -> tuple[GeneralHeader, bytes]:
        """``header`` with us as originator, and the key that it names."""
        own = replace(header, originator=self.system_title, recipient=self.peer_title)
        return own, self.keys.encryption if own.wrapped_key is None else self._unwrapped(own.wrapped_key)

    def _open_general(self, apdu: bytes) -> Unprotected:
        header, offset = read_header(apdu, 1)
        key = self.keys.encryption if header.wrapped_key is None else self._unwrapped(header.wrapped_key)
        self._check_title(header.originator)
        if header.recipient and header.recipient != self.system_title:
            raise SecurityError(SecurityFault.TITLE, f"meant for {header.recipient.hex()}")
        start, end = _content(apdu, offset)
        return self._open(apdu, start, end, Envelope.GENERAL_CIPHERING, key, self.counters, header)

    def wrapped_header(self, key: bytes, transaction_id: bytes = b"") -> GeneralHeader:
        """A header for general-ciphering with a fresh ``key`` wrapped by the KEK."""
        if self.keys.kek is None:
            raise LocalProtocolError("no key encryption key to wrap a key with")
        return GeneralHeader(transaction_id=transaction_id, wrapped_key=wrap(self.keys.kek, key))

    def _unwrapped(self, wrapped: bytes) -> bytes:
        if self.keys.kek is None:
            raise SecurityError(SecurityFault.KEY, "no key encryption key")
        key = unwrap(self.keys.kek, wrapped)
        if len(key) != len(self.keys.encryption):
            raise SecurityError(SecurityFault.KEY, f"a key of {len(key)} octets")
        return key

    def _dedicated(self) -> bytes:
        if self.keys.dedicated is None:
            raise SecurityError(SecurityFault.KEY, "no dedicated key")
        return self.keys.dedicated

    def _check_title(self, title: bytes) -> None:
        """A title in the message is the association's; a context that knows none yet learns it."""
        if not self.peer_title and len(title) == TITLE_OCTETS:
            self.peer_title = title
        elif title and title != self.peer_title:
            raise SecurityError(
                SecurityFault.TITLE, f"from {title.hex()}, the association is with {self.peer_title.hex()}"
            )


def _next(counters: Counters) -> int:
    if counters.sent >= COUNTER_MAX:
        raise LocalProtocolError("the invocation counter is used up; the key must be replaced")
    counters.sent += 1
    return counters.sent


def _content(apdu: bytes, offset: int) -> tuple[int, int]:
    """Where the ciphered content starts and ends; it must fill the APDU and hold a security header."""
    size, start = axdr.read_length(apdu, offset)
    if start + size != len(apdu) or size < _HEADER:
        raise DecodeError(
            f"ciphered content of {size} octets", offset, f"{len(apdu) - start} octets, at least {_HEADER}"
        )
    return start, start + size


def _matching(opened: Unprotected, tags: dict[int, bytes], apdu: bytes) -> Unprotected:
    """A glo- or ded- tag names the service inside; another one there is refused."""
    plain = opened.plain
    if not plain or tags.get(plain[0]) != apdu[:1]:
        raise DecodeError(f"an APDU of tag {plain[:1].hex()} under tag {apdu[0]:02X}", 0)
    return opened


def _tagged(tags: dict[int, bytes], plain: bytes) -> bytes:
    tag = tags.get(plain[0])
    if tag is None:
        raise LocalProtocolError(
            f"APDU of tag {plain[0]:02X} has no service-specific ciphering; use a general envelope"
        )
    return tag


_GLO = {
    0x01: b"\x21",
    0x08: b"\x28",
    **{tag: bytes((tag + 8,)) for tag in (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC7)},
}
_DED = {tag: bytes((tag + 0x10,)) for tag in (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC7)}
_GLO_TAGS = frozenset(tag[0] for tag in _GLO.values())
_DED_TAGS = frozenset(tag[0] for tag in _DED.values())
SERVICE_TAGS = frozenset(_DED)
"""Tags of plain APDUs that have a glo- and a ded- form."""
PROTECTED_TAGS = _GLO_TAGS | _DED_TAGS | {0xDB, 0xDC, 0xDD}
"""First octets of protected APDUs."""
