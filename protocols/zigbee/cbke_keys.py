"""Keys and certificates of key establishment suite 1 (Smart Energy specification, annex C; SEC 1, SEC 4).

Certificates are implicit (ECQV over sect163k1): they hold a point from which, with the authority's public key, the
device's public key follows. The shared secret is that of ECMQV with cofactor (SEC 1, 6.2); see
:mod:`protocols.zigbee.curve` for what may be entrusted to it. EUI-64 are 8 octets as printed, keys 16, public keys and
ephemeral data compressed points of 22 octets; private keys are numbers from 1 to the order of the curve less 1.
"""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

from protocols.errors import DecodeError, LocalProtocolError, SecurityError, SecurityFault
from protocols.zigbee import curve, mmo
from protocols.zigbee.curve import ORDER, Point
from protocols.zigbee.security import EUI_OCTETS

CERTIFICATE_OCTETS: Final = 48
PROFILE: Final = bytes.fromhex("01090006000000000000")
"""Profile attribute data of the certificates of annex C.5: profile 0109 and the rest as there."""
_PROFILE_OCTETS: Final = 10
_SUBJECT: Final = slice(22, 30)
_ISSUER: Final = slice(30, 38)
_HALF: Final = 82
"""Bits of an associate value: half of those of the order (SEC 1, 3.4)."""
_INITIATORS: Final = b"\x02"
_RESPONDERS: Final = b"\x03"


class Certificate(NamedTuple):
    """An implicit certificate (48 octets): the public key's reconstruction point, subject, issuer and profile."""

    point: bytes
    subject: bytes
    issuer: bytes
    profile: bytes

    def encode(self) -> bytes:
        """The 48 octets of it."""
        return self.point + self.subject + self.issuer + self.profile

    @classmethod
    def decode(cls, octets: bytes) -> Certificate:
        """The fields of a certificate; DecodeError for another length than 48. The point is not looked at."""
        if len(octets) != CERTIFICATE_OCTETS:
            raise DecodeError(f"a certificate of {len(octets)} octets", expected=f"{CERTIFICATE_OCTETS}")
        return cls(octets[: _SUBJECT.start], octets[_SUBJECT], octets[_ISSUER], octets[_ISSUER.stop :])


class Credentials(NamedTuple):
    """What a device holds: its certificate and the private key that belongs to it."""

    certificate: Certificate
    private: int


class Authority:
    """One who issues certificates: ``issuer``, 8 octets as certificates name it, and its private key."""

    __slots__ = ("_private", "issuer", "public")

    def __init__(self, issuer: bytes, private: int) -> None:
        if len(issuer) != EUI_OCTETS:
            raise LocalProtocolError(f"an issuer of {len(issuer)} octets", expected="8")
        self.issuer = issuer
        self._private = private
        self.public: bytes = ephemeral_public(private)
        """Its public key, 22 octets."""

    @classmethod
    def of_chance(cls, issuer: bytes, chance: Random) -> Authority:
        """An authority with a private key from ``chance``."""
        return cls(issuer, private_key(chance))

    def issue(self, subject: bytes, chance: Random, profile: bytes = PROFILE) -> Credentials:
        """A certificate for the EUI-64 ``subject`` with its private key; the same for the same state of ``chance``."""
        if len(subject) != EUI_OCTETS or len(profile) != _PROFILE_OCTETS:
            raise LocalProtocolError("a certificate takes an EUI-64 of 8 octets and a profile of 10")
        while True:
            ephemeral = private_key(chance)
            certificate = Certificate(ephemeral_public(ephemeral), subject, self.issuer, profile)
            private = (_hash(certificate) * ephemeral + self._private) % ORDER
            if private:
                return Credentials(certificate, private)


def private_key(chance: Random) -> int:
    """A private key, of a device for good or for one exchange."""
    return chance.randrange(1, ORDER)


def ephemeral_public(private: int) -> bytes:
    """The public key, 22 octets, of a private key; LocalProtocolError for a number that cannot be one."""
    if not 0 < private < ORDER:
        raise LocalProtocolError("a private key out of range", expected="1 to the order of sect163k1 less 1")
    return curve.encode_point(_finite(curve.multiply(private, curve.GENERATOR)))


def public_key(certificate: Certificate, authority_public: bytes) -> bytes:
    """The public key, 22 octets, that a certificate of this authority stands for (SEC 4, 3.5).

    DecodeError when the certificate's point or the authority's is not one. Any 48 octets with a point give *some* key:
    that the certificate is genuine shows only when its owner proves to have the private key.
    """
    return curve.encode_point(_certified(certificate, authority_public))


def shared_secret(
    private: int, ephemeral_private: int, peer_certificate: Certificate, peer_ephemeral: bytes, authority_public: bytes
) -> bytes:
    """Z, 21 octets, of our two private keys and the other side's certificate and ephemeral public key.

    DecodeError when a point of the other side is none; SecurityError (KEY) when they would make Z infinite.
    """
    ephemeral = curve.multiply(ephemeral_private, curve.GENERATOR)
    peer_point = curve.decode_point(peer_ephemeral)
    signature = (ephemeral_private + _associate(_finite(ephemeral)) * private) % ORDER
    scale = curve.COFACTOR * signature
    terms = (scale, peer_point), (scale * _associate(peer_point), _certified(peer_certificate, authority_public))
    return curve.x_octets(_finite(curve.combine(terms)))


def keys(secret: bytes) -> tuple[bytes, bytes]:
    """The MAC key and the link key that Z makes (ANSI X9.63 KDF over AES-MMO)."""
    return mmo.digest(secret + b"\0\0\0\1"), mmo.digest(secret + b"\0\0\0\2")


def confirm_initiator(
    mac_key: bytes, initiator: bytes, responder: bytes, initiator_ephemeral: bytes, responder_ephemeral: bytes
) -> bytes:
    """MAC(U): the initiator's proof, of both EUI-64 and both ephemeral public keys."""
    return mmo.hmac(mac_key, _INITIATORS + initiator + responder + initiator_ephemeral + responder_ephemeral)


def confirm_responder(
    mac_key: bytes, initiator: bytes, responder: bytes, initiator_ephemeral: bytes, responder_ephemeral: bytes
) -> bytes:
    """MAC(V): the responder's proof, of the same; arguments in the same order as :func:`confirm_initiator`."""
    return mmo.hmac(mac_key, _RESPONDERS + responder + initiator + responder_ephemeral + initiator_ephemeral)


def _hash(certificate: Certificate) -> int:
    return int.from_bytes(mmo.digest(certificate.encode()), "big")


def _certified(certificate: Certificate, authority_public: bytes) -> Point:
    point, authority = curve.decode_point(certificate.point), curve.decode_point(authority_public)
    return _finite(curve.combine(((_hash(certificate), point), (1, authority))))


def _associate(point: Point) -> int:
    return curve.x_number(point) & (1 << _HALF) - 1 | 1 << _HALF


def _finite(point: Point | None) -> Point:
    if point is None:
        raise SecurityError(SecurityFault.KEY, "keys that make the point at infinity")
    return point
