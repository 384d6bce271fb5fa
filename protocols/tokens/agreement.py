"""The secret that a token's issuer and a meter share by key agreement: ECDH on P-256, from keys as files hold them."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from protocols.errors import LocalProtocolError


def shared_secret(private: bytes, public: bytes) -> bytes:
    """Z, 32 octets, of a private key (PEM, no password) and the other side's public key (PEM: a key or a certificate).

    LocalProtocolError when either is something else. A certificate is only read: whether to trust it is the caller's.
    """
    ours = _private(private)
    theirs = _public(public)
    return ours.exchange(ec.ECDH(), theirs)


def _private(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _not_that("the private key", "a PEM private key without a password") from None
    if not (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)):
        raise _not_that("the private key", "a key on P-256")
    return key


def _public(pem: bytes) -> ec.EllipticCurvePublicKey:
    try:
        certified = b"BEGIN CERTIFICATE" in pem
        key = load_pem_x509_certificate(pem).public_key() if certified else load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise _not_that("the public key", "a PEM public key or certificate") from None
    if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
        raise _not_that("the public key", "a key on P-256")
    return key


def _not_that(what: str, wanted: str) -> LocalProtocolError:
    return LocalProtocolError(f"{what} cannot be used", expected=wanted)
