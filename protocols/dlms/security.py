"""Protection of xDLMS APDUs: AES-GCM of suites 0 to 2 in every envelope (Green Book 9.2, IEC 62056-5-3 5.4).

A protected APDU carries a security control octet and the sender's invocation counter; its nonce is the sender's system
title and that counter. A receiver takes each counter once and only upwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag
from functools import lru_cache
from hmac import compare_digest
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols.dlms import axdr
from protocols.dlms.enums import ApduTag
from protocols.dlms.keywrap import unwrap, wrap
from protocols.errors import DecodeError, LocalProtocolError, SecurityError, SecurityFault

TAG_OCTETS = 12
TITLE_OCTETS = 8
COUNTER_MAX = 0xFFFFFFFF
_GCM_TAG = 16
_HEADER = 5  # security control and invocation counter


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


@dataclass(frozen=True, slots=True)
class GeneralHeader:
    """What general-ciphering carries beside the ciphered content. ``wrapped_key`` is a key wrapped with the KEK."""

    transaction_id: bytes = b""
    originator: bytes = b""
    recipient: bytes = b""
    date_time: bytes = b""
    other_information: bytes = b""
    wrapped_key: bytes | None = None
    identified: bool = False

    def additional(self) -> bytes:
        """What of it is authenticated, each part with its length."""
        return b"".join(
            _sized(part)
            for part in (self.transaction_id, self.originator, self.recipient, self.date_time, self.other_information)
        )


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
    authenticated = Protection.AUTHENTICATED if policy & 0x05 else 0
    encrypted = Protection.ENCRYPTED if policy & 0x0A else 0
    return int(authenticated | encrypted)


class SecurityContext:
    """Both directions of one association's protection.

    ``system_title`` is our own, ``peer_title`` the other side's (8 octets; empty until it is known). ``signing`` and
    ``peer_verifying`` are keys of ECDSA authentication where that is used.
    """

    __slots__ = (
        "counters",
        "dedicated_counters",
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
        self.dedicated_counters = Counters()
        self.policy = policy
        self.signing = signing
        self.peer_verifying = peer_verifying

    def next_counter(self) -> int:
        """Take the next invocation counter of the global key."""
        return _next(self.counters)

    def protect(
        self, plain: bytes, envelope: Envelope, protection: int, header: GeneralHeader | None = None
    ) -> bytes:
        """``plain`` in its envelope. Raises LocalProtocolError for a service the envelope has no tag for."""
        match envelope:
            case Envelope.GLO:
                content = self._seal(plain, self.keys.encryption, _next(self.counters), protection, b"")
                return _tagged(_GLO, plain) + axdr.length(len(content)) + content
            case Envelope.DED:
                content = self._seal(plain, self._dedicated(), _next(self.dedicated_counters), protection, b"")
                return _tagged(_DED, plain) + axdr.length(len(content)) + content
            case Envelope.GENERAL_GLO:
                content = self._seal(plain, self.keys.encryption, _next(self.counters), protection, b"")
                return b"\xdb" + _sized(self.system_title) + axdr.length(len(content)) + content
            case Envelope.GENERAL_DED:
                content = self._seal(plain, self._dedicated(), _next(self.dedicated_counters), protection, b"")
                return b"\xdc" + _sized(self.system_title) + axdr.length(len(content)) + content
            case Envelope.GENERAL_CIPHERING:
                return self._general(plain, protection, header or GeneralHeader())

    def unprotect(self, apdu: bytes) -> Unprotected:
        """Check and open a protected APDU; its counter is then used up.

        Raises SecurityError (deciphering, counter, title, key) and DecodeError.
        """
        tag = apdu[0] if apdu else -1
        if tag in _GLO_TAGS:
            start, end = _content(apdu, 1)
            return self._open(apdu, start, end, Envelope.GLO, self.keys.encryption, self.counters, None)
        if tag in _DED_TAGS:
            start, end = _content(apdu, 1)
            return self._open(apdu, start, end, Envelope.DED, self._dedicated(), self.dedicated_counters, None)
        if tag == ApduTag.GENERAL_GLO_CIPHERING or tag == ApduTag.GENERAL_DED_CIPHERING:
            title, offset = _octets(apdu, 1)
            self._check_title(title)
            start, end = _content(apdu, offset)
            if tag == ApduTag.GENERAL_GLO_CIPHERING:
                return self._open(apdu, start, end, Envelope.GENERAL_GLO, self.keys.encryption, self.counters, None)
            counters = self.dedicated_counters
            return self._open(apdu, start, end, Envelope.GENERAL_DED, self._dedicated(), counters, None)
        if tag == ApduTag.GENERAL_CIPHERING:
            return self._open_general(apdu)
        raise DecodeError(f"tag {tag} is no protected APDU", 0)

    def authentication_tag(self, counter: int, challenge: bytes, title: bytes) -> bytes:
        """SC, counter and GMAC over a challenge by the holder of ``title``: passes 3 and 4 of HLS-GMAC."""
        control = bytes((Protection.AUTHENTICATED | self.suite,))
        octets = counter.to_bytes(4, "big")
        mac = cipher(self.keys.encryption).encrypt(
            title + octets, b"", control + self.keys.authentication + challenge
        )
        return control + octets + mac[:TAG_OCTETS]

    # -- one content ------------------------------------------------------------------------------------------------

    def _seal(self, plain: bytes, key: bytes, counter: int, protection: int, additional: bytes) -> bytes:
        control = bytes((protection | self.suite,))
        octets = counter.to_bytes(4, "big")
        nonce = self.system_title + octets
        if protection & AUTHENTICATED_ENCRYPTED == AUTHENTICATED_ENCRYPTED:
            sealed = cipher(key).encrypt(nonce, plain, control + self.keys.authentication + additional)
            return control + octets + sealed[:-4]
        if protection & Protection.AUTHENTICATED:
            mac = cipher(key).encrypt(nonce, b"", control + self.keys.authentication + additional + plain)
            return control + octets + plain + mac[:TAG_OCTETS]
        if protection & Protection.ENCRYPTED:
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
        if control & 0x0F != self.suite or protection & Protection.COMPRESSED:
            raise SecurityError(SecurityFault.DECIPHERING, f"security control {control:02X}: suite {self.suite} is used")
        broadcast = bool(protection & Protection.BROADCAST)
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
        additional = header.additional() if header is not None else b""
        plain = self._verified(body, protection, key, nonce, bytes((control,)), additional)
        if broadcast:
            counters.broadcast = counter
        else:
            counters.received = counter
        return Unprotected(plain, envelope, protection & AUTHENTICATED_ENCRYPTED, counter, header)

    def _verified(
        self, body: bytes, protection: int, key: bytes, nonce: bytes, control: bytes, additional: bytes
    ) -> bytes:
        gcm = cipher(key)
        if not protection & Protection.AUTHENTICATED:
            return gcm.encrypt(nonce, body, None)[:-_GCM_TAG] if protection & Protection.ENCRYPTED else body
        if len(body) < TAG_OCTETS:
            raise SecurityError(SecurityFault.DECIPHERING, "shorter than its authentication tag")
        text, tag = body[:-TAG_OCTETS], body[-TAG_OCTETS:]
        known = control + self.keys.authentication + additional
        if protection & Protection.ENCRYPTED:
            # GCM counts its key stream alike both ways, and the library refuses tags cut to 12 octets: so the
            # plaintext comes from encrypting the ciphertext, and the tag from encrypting that again.
            plain = gcm.encrypt(nonce, text, None)[:-_GCM_TAG]
            made = gcm.encrypt(nonce, plain, known)[-_GCM_TAG:-4]
        else:
            plain = text
            made = gcm.encrypt(nonce, b"", known + text)[:TAG_OCTETS]
        if not compare_digest(made, tag):
            raise SecurityError(SecurityFault.DECIPHERING, "wrong authentication tag")
        return plain

    # -- general-ciphering ------------------------------------------------------------------------------------------

    def _general(self, plain: bytes, protection: int, header: GeneralHeader) -> bytes:
        header = GeneralHeader(
            header.transaction_id,
            self.system_title,
            self.peer_title,
            header.date_time,
            header.other_information,
            header.wrapped_key,
            header.identified,
        )
        if header.wrapped_key is not None:
            key, info = self._unwrapped(header.wrapped_key), b"\x01\x01\x00" + _sized(header.wrapped_key)
        else:
            key, info = self.keys.encryption, b"\x01\x00\x00" if header.identified else b"\x00"
        content = self._seal(plain, key, _next(self.counters), protection, header.additional())
        return b"\xdd" + header.additional() + info + axdr.length(len(content)) + content

    def _open_general(self, apdu: bytes) -> Unprotected:
        offset = 1
        parts: list[bytes] = []
        for _ in range(5):
            part, offset = _octets(apdu, offset)
            parts.append(part)
        transaction, originator, recipient, date_time, other = parts
        wrapped: bytes | None = None
        key, identified = self.keys.encryption, False
        if offset >= len(apdu):
            raise DecodeError("cut off", offset, "key-info")
        present, offset = apdu[offset], offset + 1
        if present:
            choice, detail = apdu[offset : offset + 1], apdu[offset + 1 : offset + 2]
            offset += 2
            if choice == b"\x00" and detail == b"\x00":
                identified = True
            elif choice == b"\x01" and detail == b"\x00":
                wrapped, offset = _octets(apdu, offset)
                key = self._unwrapped(wrapped)
            else:
                raise SecurityError(SecurityFault.KEY, "a key that is not held: the unicast key or a wrapped one is")
        self._check_title(originator)
        if recipient and recipient != self.system_title:
            raise SecurityError(SecurityFault.TITLE, f"meant for {recipient.hex()}")
        header = GeneralHeader(transaction, originator, recipient, date_time, other, wrapped, identified)
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
            raise SecurityError(SecurityFault.TITLE, f"from {title.hex()}, the association is with {self.peer_title.hex()}")


def _next(counters: Counters) -> int:
    if counters.sent >= COUNTER_MAX:
        raise LocalProtocolError("the invocation counter is used up; the key must be replaced")
    counters.sent += 1
    return counters.sent


def _sized(part: bytes) -> bytes:
    return axdr.length(len(part)) + part


def _octets(apdu: bytes, offset: int) -> tuple[bytes, int]:
    size, start = axdr.read_length(apdu, offset)
    if start + size > len(apdu):
        raise DecodeError("cut off", offset, f"{size} octets")
    return apdu[start : start + size], start + size


def _content(apdu: bytes, offset: int) -> tuple[int, int]:
    """Where the ciphered content starts and ends; it must fill the APDU and hold a security header."""
    size, start = axdr.read_length(apdu, offset)
    if start + size != len(apdu) or size < _HEADER:
        raise DecodeError(f"ciphered content of {size} octets", offset, f"{len(apdu) - start} octets, at least {_HEADER}")
    return start, start + size


def _tagged(tags: dict[int, bytes], plain: bytes) -> bytes:
    tag = tags.get(plain[0])
    if tag is None:
        raise LocalProtocolError(f"APDU of tag {plain[0]:02X} has no service-specific ciphering; use a general envelope")
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
