"""A logical device in memory, and a client's hand on its association."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from protocols import obis
from protocols.dlms import axdr, hls
from protocols.dlms.acse import Aare, Aarq
from protocols.dlms.association import Association
from protocols.dlms.enums import DataAccessResult, Mechanism
from protocols.dlms.handshake import REPLY_TO_HLS
from protocols.dlms.initiate import InitiateRequest, InitiateResponse
from protocols.dlms.objects import AccessRefused
from protocols.dlms.requests import ActionNormal
from protocols.dlms.security import AUTHENTICATED_ENCRYPTED, Counters, Envelope, Keys, SecurityContext
from protocols.errors import DecodeError

EK = bytes(range(16))
AK = bytes(range(0xD0, 0xE0))
KEK = b"1" * 16
CLIENT_TITLE = b"Gurux123"
SERVER_TITLE = b"ABCDEFGH"
CHALLENGE = b"server challenge"
SECRET = b"abcdefgh"
PUBLIC, LLS, HLS = 16, 17, 1
EVERYTHING = 0x60FEDF


def attribute(class_id: int, name: str, index: int) -> bytes:
    """The nine octets of a descriptor."""
    return class_id.to_bytes(2, "big") + obis.parse(name) + bytes((index,))


ENERGY = attribute(3, "1-0:1.8.0", 2)
NAME = attribute(1, "0-0:42.0.0", 2)
SETTING = attribute(1, "0-0:96.50.0", 2)
SECOND_SETTING = attribute(1, "0-0:96.50.1", 2)
SECRET_SETTING = attribute(1, "0-0:96.50.2", 2)
PROFILE = attribute(7, "1-0:99.1.0", 2)
ECHO = attribute(9, "0-0:10.0.0", 1)
RESET = attribute(3, "1-0:1.8.0", 1)
ROWS = 200


def _rows(first: int, last: int) -> bytes:
    return axdr.array([axdr.structure(axdr.u32(row), axdr.u16(row * 7 % 65_536)) for row in range(first, last + 1)])


ALL_ROWS = _rows(1, ROWS)


class Memory:
    """COSEM objects in dictionaries. ``association`` is the one that works on them, for what needs authentication."""

    def __init__(self, association: Association) -> None:
        self.association = association
        self.values: dict[bytes, bytes] = {
            ENERGY[:8] + b"\x01": axdr.octets(ENERGY[2:8]),
            ENERGY: axdr.u32(123_456),
            ENERGY[:8] + b"\x03": axdr.structure(axdr.i8(-3), axdr.enum_(30)),
            NAME: axdr.octets(b"GRX0000000012345"),
            SETTING: axdr.u16(7),
            SECOND_SETTING: axdr.octets(b"x"),
            SECRET_SETTING: axdr.u8(1),
            PROFILE: ALL_ROWS,
        }
        self.hidden = {ENERGY[:8] + b"\x03"} if association.client == PUBLIC else set[bytes]()
        self.writable = {SETTING, SECOND_SETTING, SECRET_SETTING, ENERGY}
        self.authenticated = {SECRET_SETTING}
        self.calls: list[tuple[bytes, bytes | None]] = []

    def get(self, descriptor: bytes, selection: bytes | None = None) -> bytes:
        self._check(descriptor, self.hidden)
        if selection is None:
            return self.values[descriptor]
        if descriptor != PROFILE or selection[0] != 2:
            raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
        try:
            parts = axdr.decode_all(selection[1:]).value
            first, last = (int(part.value) for part in parts[:2])
        except (DecodeError, AttributeError, TypeError, ValueError):
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from None
        return _rows(first, min(last, ROWS))

    def attributes(self, descriptor: bytes) -> tuple[int, ...]:
        found = tuple(sorted(name[8] for name in self.values if name[:8] == descriptor[:8]))
        if not found:
            raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)
        return found

    def set(self, descriptor: bytes, selection: bytes | None, data: bytes) -> None:
        self._check(descriptor, set(self.values) - self.writable)
        if selection is not None:
            raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
        try:
            given = axdr.decode_all(data)
        except DecodeError:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from None
        if given.tag != self.values[descriptor][0]:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        self.values[descriptor] = data

    def action(self, descriptor: bytes, parameters: bytes | None) -> bytes | None:
        self.calls.append((descriptor, parameters))
        if descriptor == ECHO:
            return parameters
        if descriptor == RESET:
            return None
        raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)

    def _check(self, descriptor: bytes, denied: set[bytes]) -> None:
        if descriptor not in self.values:
            raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)
        locked = descriptor in self.authenticated and not self.association.message_authenticated
        if descriptor in denied or locked:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)


@dataclass
class Terms:
    """What the device offers to one client SAP; an Offer is made of it for each AARQ."""

    contexts: tuple[int, ...] = (1,)
    mechanism: int = 0
    conformance: int = EVERYTHING
    max_receive_pdu: int = 512
    max_send_pdu: int = 512
    policy: int = 0
    suite: int = 0
    keys: tuple[bytes, bytes] = (EK, AK)
    keyed: bool = False
    secret: bytes = SECRET
    challenge: bytes = CHALLENGE
    counters: Counters = field(default_factory=Counters)
    signing: EllipticCurvePrivateKey | None = None
    verifying: EllipticCurvePublicKey | None = None


class MemoryOffer:
    """One association on offer."""

    def __init__(self, device: MemoryDevice, terms: Terms) -> None:
        self._device = device
        self._terms = terms
        self.contexts = terms.contexts
        self.mechanism = terms.mechanism
        self.conformance = terms.conformance
        self.max_receive_pdu = terms.max_receive_pdu
        self.max_send_pdu = terms.max_send_pdu
        self.security = (
            SecurityContext(
                suite=terms.suite,
                system_title=SERVER_TITLE,
                peer_title=b"",
                keys=Keys(*terms.keys, broadcast=bytes(range(0x40, 0x40 + len(terms.keys[0]))), kek=KEK),
                counters=terms.counters,
                policy=terms.policy,
                signing=terms.signing,
                peer_verifying=terms.verifying,
            )
            if terms.keyed or 3 in terms.contexts or terms.mechanism >= Mechanism.HLS_GMAC
            else None
        )

    def secret(self) -> bytes:
        return self._terms.secret

    def challenge(self) -> bytes:
        return self._terms.challenge

    def open(self, association: Association) -> Memory:
        self._device.objects = Memory(association)
        return self._device.objects

    def opened(self, association: Association) -> None:
        self._device.events.append("opened")

    def closed(self, association: Association) -> None:
        self._device.events.append("closed")

    def refused(self, association: Association, why: str) -> None:
        self._device.events.append(why)


class MemoryDevice:
    """A logical device: terms by client SAP, the objects of the association opened last, and what it was told."""

    def __init__(self) -> None:
        self.terms: dict[int, Terms] = {
            PUBLIC: Terms(),
            LLS: Terms(mechanism=Mechanism.LLS),
            HLS: Terms(contexts=(1, 3), mechanism=Mechanism.HLS_GMAC, policy=3),
        }
        self.objects: Memory | None = None
        self.events: list[str] = []

    def offer(self, client: int) -> MemoryOffer | None:
        terms = self.terms.get(client)
        return None if terms is None else MemoryOffer(self, terms)


class Peer:
    """A client that talks to one association in APDUs, protected as it is told."""

    def __init__(self, device: MemoryDevice, client: int, *, counter: int = 0) -> None:
        self.device = device
        self.sentences: list[str] = []
        self.association = Association(device, client, 1, explain=self.sentences.append)
        terms = device.terms.get(client) or Terms()
        self.terms = terms
        self.security = SecurityContext(
            suite=terms.suite,
            system_title=CLIENT_TITLE,
            peer_title=SERVER_TITLE,
            keys=Keys(*terms.keys, broadcast=bytes(range(0x40, 0x40 + len(terms.keys[0]))), kek=KEK),
            counters=Counters(sent=counter),
        )
        self.challenge = b"client challenge"
        self.dedicated: bytes | None = None
        self.server_challenge = b""
        self.proposed: InitiateResponse | None = None

    def send(self, apdu: bytes) -> bytes:
        """The one answer to an APDU."""
        answers = self.association.handle(apdu)
        assert len(answers) == 1
        return answers[0]

    def aarq(
        self,
        *,
        ciphered: bool = False,
        conformance: int = EVERYTHING,
        max_pdu: int = 0xFFFF,
        envelope: Envelope = Envelope.GLO,
        protection: int = AUTHENTICATED_ENCRYPTED,
        dedicated: bytes | None = None,
        **changes: object,
    ) -> bytes:
        """An AARQ right for the terms; ``changes`` are fields of Aarq that are to be otherwise."""
        information = InitiateRequest(conformance, max_pdu, dedicated).encode()
        if ciphered:
            information = self.security.protect(information, envelope, protection)
        mechanism = self.terms.mechanism
        authentication = {0: None, 1: self.terms.secret}.get(mechanism, self.challenge)
        fields: dict[str, object] = {
            "context": 3 if ciphered else 1,
            "user_information": information,
            "mechanism": mechanism or None,
            "authentication": authentication,
            "title": CLIENT_TITLE if ciphered or mechanism >= Mechanism.HLS_GMAC else None,
        }
        return Aarq(**{**fields, **changes}).encode()

    def open(self, **options: object) -> Aare:
        """Send an AARQ and, for HLS, pass 3; the AARE."""
        aare = Aare.decode(self.send(self.aarq(**options)))
        assert aare.result == 0, self.sentences
        if aare.authentication is not None:
            self.server_challenge = aare.authentication
            reply = self.pass_3()
            if options.get("ciphered"):
                reply = self.security.protect(reply, Envelope.GLO, AUTHENTICATED_ENCRYPTED)
            answer = self.send(reply)
            if options.get("ciphered"):
                answer = self.security.unprotect(answer).plain
            assert answer.startswith(b"\xc7\x01\xc1\x00\x01\x00"), answer.hex()
            returned = axdr.decode_all(answer[6:]).value
            assert hls.verify(
                self.terms.mechanism,
                returned,
                secret=self.terms.secret,
                received=self.server_challenge,
                sent=self.challenge,
                context=self.security,
                titles=(CLIENT_TITLE, SERVER_TITLE),
            )
        return aare

    def pass_3(self) -> bytes:
        """The plain ACTION that answers the server's challenge."""
        reply = hls.respond(
            self.terms.mechanism,
            secret=self.terms.secret,
            received=self.server_challenge,
            sent=self.challenge,
            context=self.security,
            titles=(CLIENT_TITLE, SERVER_TITLE),
        )
        return ActionNormal(0xC1, REPLY_TO_HLS, axdr.octets(reply)).encode()

    def ciphered(self, apdu: bytes, envelope: Envelope = Envelope.GLO, protection: int = 0x30) -> bytes:
        """The plain answer to a protected APDU."""
        answer = self.send(self.security.protect(apdu, envelope, protection))
        opened = self.security.unprotect(answer)
        assert opened.envelope is envelope
        assert opened.protection == protection
        return opened.plain


@pytest.fixture
def device() -> MemoryDevice:
    """A logical device with a public, an LLS and an HLS-GMAC association."""
    return MemoryDevice()


@pytest.fixture
def peer(device: MemoryDevice) -> Callable[..., Peer]:
    """``peer(client, **terms)``: a client of the device, whose terms are changed as told; not yet associated."""

    def make(client: int = PUBLIC, **changes: object) -> Peer:
        if changes:
            device.terms[client] = Terms(**changes)
        return Peer(device, client)

    return make
