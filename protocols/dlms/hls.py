"""High level security: answers to challenges, passes 3 and 4 (Green Book 9.2.7.4).

The answer to a challenge is the same function on both sides, seen from the one who answers: ``received`` is the
challenge the other side sent, ``sent`` our own.
"""

from __future__ import annotations

import hashlib
from hmac import compare_digest

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from protocols.dlms.enums import Mechanism
from protocols.dlms.security import TAG_OCTETS, SecurityContext
from protocols.errors import LocalProtocolError

_GMAC_REPLY = 1 + 4 + TAG_OCTETS
_BLOCK = 16


def respond(
    mechanism: int,
    *,
    secret: bytes,
    received: bytes,
    sent: bytes,
    context: SecurityContext | None = None,
    titles: tuple[bytes, bytes] = (b"", b""),
) -> bytes:
    """Our answer to the challenge ``received``.

    ``titles`` are our and the other side's system title, for SHA-256 and ECDSA; GMAC and ECDSA take keys and
    counter from ``context``. Raises LocalProtocolError when what the mechanism needs is not there.
    """
    match mechanism:
        case Mechanism.HLS_GMAC:
            known = _needed(context)
            return known.authentication_tag(known.next_counter(), received, known.system_title)
        case Mechanism.HLS_ECDSA:
            known = _needed(context)
            if known.signing is None:
                raise LocalProtocolError("no signing key for ECDSA")
            return _sign(known.signing, titles[0] + titles[1] + received + sent)
        case _:
            return _digest(mechanism, secret, received, sent, titles)


def verify(
    mechanism: int,
    reply: bytes,
    *,
    secret: bytes,
    received: bytes,
    sent: bytes,
    context: SecurityContext | None = None,
    titles: tuple[bytes, bytes] = (b"", b""),
) -> bool:
    """Whether ``reply`` is the other side's right answer to the challenge ``sent``; a GMAC's counter is then used up.

    ``titles`` are our and the other side's system title. The security control of a GMAC may say the suite or 0, as it
    does with some clients; the tag is over what it says, and our own answer then says the same.
    """
    match mechanism:
        case Mechanism.HLS_GMAC:
            known = _needed(context)
            if len(reply) != _GMAC_REPLY or len(known.peer_title) != 8:
                return False
            counter, suite = int.from_bytes(reply[1:5], "big"), reply[0] & 0x0F
            if suite not in (known.suite, 0):
                return False
            if not compare_digest(known.authentication_tag(counter, sent, known.peer_title, suite), reply):
                return False
            known.gmac_suite = suite
            known.counters.received = max(known.counters.received, counter)
            return True
        case Mechanism.HLS_ECDSA:
            known = _needed(context)
            if known.peer_verifying is None:
                return False
            return _verify(known.peer_verifying, reply, titles[1] + titles[0] + sent + received)
        case _:
            return compare_digest(_digest(mechanism, secret, sent, received, (titles[1], titles[0])), reply)


def _digest(mechanism: int, secret: bytes, challenge: bytes, other: bytes, titles: tuple[bytes, bytes]) -> bytes:
    match mechanism:
        case Mechanism.HLS:
            return _manufacturer(secret, challenge)
        case Mechanism.HLS_MD5:
            return hashlib.md5(challenge + secret, usedforsecurity=False).digest()
        case Mechanism.HLS_SHA1:
            return hashlib.sha1(challenge + secret, usedforsecurity=False).digest()
        case Mechanism.HLS_SHA256:
            return hashlib.sha256(secret + titles[0] + titles[1] + challenge + other).digest()
        case _:
            raise LocalProtocolError(f"mechanism {mechanism} has no challenge to answer")


def _manufacturer(secret: bytes, challenge: bytes) -> bytes:
    """Mechanism 2 is the manufacturer's choice; customary is AES-128-ECB with secret and challenge padded by zeros."""
    key = secret[:_BLOCK].ljust(_BLOCK, b"\0")
    padded = challenge.ljust(-(-len(challenge) // _BLOCK) * _BLOCK, b"\0")
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(padded) + encryptor.finalize()


def _needed(context: SecurityContext | None) -> SecurityContext:
    if context is None:
        raise LocalProtocolError("this mechanism needs a security context")
    return context


def _curve_hash(curve: ec.EllipticCurve) -> hashes.HashAlgorithm:
    return hashes.SHA256() if curve.key_size <= 256 else hashes.SHA384()


def _sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """A signature as r and s side by side; deterministic (RFC 6979), so that runs repeat."""
    octets = -(-key.curve.key_size // 8)
    made = key.sign(message, ec.ECDSA(_curve_hash(key.curve), deterministic_signing=True))
    r, s = decode_dss_signature(made)
    return r.to_bytes(octets, "big") + s.to_bytes(octets, "big")


def _verify(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    octets = -(-key.curve.key_size // 8)
    if len(signature) != 2 * octets:
        return False
    r, s = int.from_bytes(signature[:octets], "big"), int.from_bytes(signature[octets:], "big")
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(_curve_hash(key.curve)))
    except InvalidSignature:
        return False
    return True
