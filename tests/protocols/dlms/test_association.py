"""Opening, using and releasing associations: the items of DLMS UA's application tests, and each security rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.acse import Aare, DiagnosticSource, Release
from protocols.dlms.association import State
from protocols.dlms.enums import Conformance as C
from protocols.dlms.enums import Mechanism
from protocols.dlms.initiate import InitiateRequest, InitiateResponse
from protocols.dlms.notification import DataNotification, EventNotification
from protocols.dlms.requests import ActionNormal, GetNext, GetNormal, SetNormal, Target
from protocols.dlms.security import COUNTER_MAX, Envelope
from protocols.errors import LocalProtocolError

if TYPE_CHECKING:
    from tests.protocols.dlms.conftest import MemoryDevice, Peer

MakePeer = Callable[..., "Peer"]
PUBLIC, LLS, HLS = 16, 17, 1
ENERGY = b"\x00\x03" + obis.parse("1-0:1.8.0") + b"\x02"
SECRET_SETTING = b"\x00\x01" + obis.parse("0-0:96.50.2") + b"\x02"
PROFILE = b"\x00\x07" + obis.parse("1-0:99.1.0") + b"\x02"
GET = GetNormal(0xC1, Target(ENERGY)).encode()
GOT = bytes.fromhex("c401c100060001e240")
NOT_NOW, NOT_SUPPORTED, UNKNOWN = bytes.fromhex("d80101"), bytes.fromhex("d80102"), bytes.fromhex("d80202")


def initiate(version: int = 6, conformance: int = 0x001E1D, size: int = 0xFFFF, **options: object) -> bytes:
    return InitiateRequest(conformance, size, version=version, **options).encode()


def rejected(client: Peer, apdu: bytes, result: tuple[DiagnosticSource, int], error: int | None = None) -> None:
    """The AARE refuses with that diagnostic; afterwards the association is idle, and a right AARQ opens it."""
    aare = Aare.decode(client.send(apdu))
    assert (aare.result, aare.source, aare.diagnostic) == (1, *result)
    assert aare.user_information == (None if error is None else bytes((0x0E, 1, 6, error)))
    assert client.association.state is State.IDLE
    assert client.association.counters["rejected"] == 1
    assert "rejected" in client.sentences[-1]
    assert client.send(GET) == NOT_NOW


USER, PROVIDER = DiagnosticSource.USER, DiagnosticSource.PROVIDER


# -- APPL_IDLE, APPL_OPEN, APPL_REL -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "apdu", [GET, bytes.fromhex("C101C10001000060320000FF0200120001"), b"\xd9\xc0\x00\x00\x01\x00\x00\x00", b"\xc8\x00"]
)
def test_idle_n1_service_before_association(peer: MakePeer, apdu: bytes) -> None:
    client = peer()
    assert client.send(apdu) == NOT_NOW
    assert client.association.counters["before association"] == 1
    client.open()
    assert client.send(GET) == GOT


def test_open_1(peer: MakePeer, device: MemoryDevice) -> None:
    """The trace of the public client: the AARE's octets, what was negotiated, and what the objects are told."""
    client = peer(max_receive_pdu=512, conformance=0x10)
    aare = client.send(bytes.fromhex("601DA109060760857405080101BE10040E01000000065F1F0400401E5DFFFF"))
    assert (
        aare.hex().upper()
        == "6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F04000000100200" + "0007"
    )
    association = client.association
    assert (association.state_code, association.conformance, association.client_max_pdu) == (2, 0x10, 0xFFFF)
    assert (association.client, association.server, association.message_authenticated) == (PUBLIC, 1, False)
    assert device.events == ["opened"]
    assert client.send(GET) == GOT


def test_open_3_hls(peer: MakePeer, device: MemoryDevice) -> None:
    """The structure of the ciphered trace: four passes, titles, mechanism and challenge in the AARE."""
    client = peer(HLS)
    client.security.counters.sent = 0x232B
    aarq = client.aarq(ciphered=True)
    assert (aarq[:2].hex(), aarq[-33:-26].hex()) == ("605d", "211f300000232c")
    aare = Aare.decode(client.send(aarq))
    assert (aare.context, aare.result, aare.source, aare.diagnostic) == (3, 0, USER, 14)
    assert (aare.title, aare.mechanism, aare.authentication) == (b"ABCDEFGH", 5, b"server challenge")
    assert client.association.state_code == 1
    assert client.security.unprotect(aare.user_information).plain[:9].hex() == "0800065f1f040060fe"
    client.server_challenge = aare.authentication
    pass_3 = client.security.protect(client.pass_3(), Envelope.GLO, 0x30)
    assert (pass_3[:3].hex(), len(pass_3)) == ("cb3130", 51)
    pass_4 = client.send(pass_3)
    assert (pass_4[:3].hex(), len(pass_4)) == ("cf2a30", 44)
    assert device.events == ["opened"]
    assert client.association.state is State.ASSOCIATED
    assert client.association.client_title == b"Gurux123"
    request = client.security.protect(GET, Envelope.GLO, 0x30)
    assert (request[:3].hex(), len(request)) == ("c81e30", 32)
    answer = client.send(request)
    assert answer[0] == 0xCC
    assert client.security.unprotect(answer).plain == GOT
    info = client.security.protect(initiate(), Envelope.GLO, 0x30)
    rlre = Release.decode(client.send(Release(False, 0, info).encode()))
    assert rlre.response
    assert client.security.unprotect(rlre.user_information).plain == InitiateResponse(0x60FEDF, 512).encode()
    assert device.events == ["opened", "closed"]


@pytest.mark.parametrize("mechanism", [Mechanism.HLS, Mechanism.HLS_MD5, Mechanism.HLS_SHA1, Mechanism.HLS_SHA256])
def test_open_3_hls_without_ciphering(peer: MakePeer, mechanism: Mechanism) -> None:
    client = peer(18, mechanism=mechanism, keyed=mechanism == Mechanism.HLS_SHA256)
    client.open(title=b"Gurux123")
    assert client.send(GET) == GOT


def test_open_3_gmac_without_ciphering(peer: MakePeer, device: MemoryDevice) -> None:
    """Its counters are used up all the same."""
    client = peer(18, mechanism=Mechanism.HLS_GMAC)
    client.open()
    assert client.send(GET) == GOT
    assert device.terms[18].counters.received == client.security.counters.sent == 1


@pytest.mark.parametrize(("suite", "curve"), [(1, ec.SECP256R1()), (2, ec.SECP384R1())])
def test_open_3_ecdsa(peer: MakePeer, suite: int, curve: ec.EllipticCurve) -> None:
    """Suites 1 and 2: signatures on P-256 and P-384, AES-128 and AES-256."""
    ours, theirs = ec.derive_private_key(21, curve), ec.derive_private_key(22, curve)
    size = 32 if suite == 2 else 16
    client = peer(
        2,
        contexts=(3,),
        mechanism=Mechanism.HLS_ECDSA,
        suite=suite,
        policy=3,
        keys=(bytes(range(size)), bytes(range(size, 2 * size))),
        signing=theirs,
        verifying=ours.public_key(),
        challenge=bytes(range(32)),
    )
    client.security.signing, client.security.peer_verifying = ours, theirs.public_key()
    client.challenge = bytes(range(32, 64))
    client.open(ciphered=True)
    assert client.ciphered(GET) == GOT


def test_aare_is_longer_than_an_apdu_may_be(peer: MakePeer) -> None:
    """It is whole all the same, with general block transfer negotiated too."""
    client = peer(HLS)
    assert len(client.open(ciphered=True, max_pdu=64).encode()) > 64


def test_open_3_pass_4_longer_than_what_we_like_to_send(peer: MakePeer) -> None:
    """It cannot be cut, so it goes as it is to a client that takes it, and not to one that does not."""
    client = peer(18, contexts=(1, 3), mechanism=Mechanism.HLS_SHA256, policy=3, max_send_pdu=64)
    plain = 0x60FEDF & ~int(C.GENERAL_BLOCK_TRANSFER)
    assert len(client.open(ciphered=True, conformance=plain).encode()) > 64
    assert client.ciphered(GET) == GOT
    aare = Aare.decode(client.send(client.aarq(ciphered=True, max_pdu=64, conformance=plain)))
    client.server_challenge = aare.authentication
    pass_3 = client.security.protect(client.pass_3(), Envelope.GENERAL_GLO, 0x30)
    assert client.send(pass_3) == bytes.fromhex("d80103")


@pytest.mark.parametrize("mechanism", [m for m in Mechanism if Mechanism.HLS <= m <= Mechanism.HLS_SHA256])
@pytest.mark.parametrize("what", ["wrong answer", "no octet-string", "another service", "replayed"])
def test_open_3_wrong(peer: MakePeer, device: MemoryDevice, mechanism: Mechanism, what: str) -> None:
    client = peer(18, mechanism=mechanism, keyed=True)
    aare = Aare.decode(client.send(client.aarq(title=b"Gurux123")))
    client.server_challenge = aare.authentication
    reply = client.pass_3()
    if what == "another service":
        assert client.send(GET) == NOT_NOW
        assert client.send(GetNext(0xC1, 1).encode()) == NOT_NOW
        assert client.send(b"\xd9") == NOT_NOW
        assert client.send(ActionNormal(0xC1, b"\x00\x0f" + obis.parse("0-0:40.0.1.255") + b"\x01", b"\x00").encode())
        assert client.association.state is State.PENDING
        assert client.send(reply)[:6] == bytes.fromhex("c701c1000100")
        return
    if what == "no octet-string":
        assert client.send(reply[:13] + b"\x11\x01") == NOT_NOW
        assert client.association.state is State.PENDING
        return
    if what == "replayed":
        client.send(reply)
        client.association.lost()
        device.terms[18].challenge = b"another challenge"
        client.send(client.aarq(title=b"Gurux123"))
    else:
        reply = reply[:-1] + bytes((reply[-1] ^ 1,))
    assert client.send(reply) == bytes.fromhex("c701c10300")
    assert client.association.state is State.IDLE
    assert device.events[-1] == "authentication"
    assert client.association.counters["authentication"] == 1
    assert client.send(GET) == NOT_NOW


def test_open_3_own_challenge_sent_back(peer: MakePeer) -> None:
    """A client that has our challenge as its own could have us answer it."""
    client = peer(18, mechanism=Mechanism.HLS_MD5)
    client.challenge = client.terms.challenge
    aare = Aare.decode(client.send(client.aarq()))
    client.server_challenge = aare.authentication
    assert client.send(client.pass_3()) == bytes.fromhex("c701c10300")


@pytest.mark.parametrize(
    ("version", "accepted"),
    [(b"\x07\x80", True), (b"\x02\x84", True), (b"\x07\x00", False), (b"\x06\x40", False), (b"", False)],
)
def test_open_4_protocol_version(peer: MakePeer, version: bytes, accepted: bool) -> None:
    client = peer()
    if accepted:
        client.open(protocol_version=version)
    else:
        rejected(client, client.aarq(protocol_version=version), (PROVIDER, 2))


@pytest.mark.parametrize("context", [2, 3, 4, 9, 0])
def test_open_5_context_name(peer: MakePeer, context: int) -> None:
    client = peer()
    rejected(client, client.aarq(context=context), (USER, 2))


def test_open_5_name_outside_the_dlms_tree(peer: MakePeer) -> None:
    client = peer()
    rejected(client, client.aarq().replace(bytes.fromhex("6085740508"), bytes.fromhex("6085740509")), (USER, 2))


@pytest.mark.parametrize("title", [b"D", b"CTT0000000", b"", None])
def test_open_6_calling_title(peer: MakePeer, title: bytes | None) -> None:
    """Too short, too long or missing, where it is needed; without ciphering it means nothing."""
    client = peer(HLS)
    rejected(client, client.aarq(ciphered=True, title=title), (USER, 3))
    peer(PUBLIC).open(title=title)


def test_open_7_dummies_in_unused_fields(peer: MakePeer) -> None:
    """Called title, qualifiers and invocation ids, and implementation information."""
    fields = "A109060760857405080101A203040144A303040144A403020100A503020100A70302010A8A020780BD050403010203"
    client = peer()
    apdu = bytes.fromhex(fields + "BE10040E01000000065F1F040060FE9FFFFF")
    assert Aare.decode(client.send(b"\x60" + bytes((len(apdu),)) + apdu)).result == 0
    assert client.send(GET) == GOT


@pytest.mark.parametrize("protection", [None, 0x10])
def test_open_9_dedicated_key_in_the_clear(peer: MakePeer, protection: int | None) -> None:
    key = bytes(range(0x50, 0x60))
    if protection is None:
        client = peer()
        rejected(client, client.aarq(dedicated=key), (USER, 1), 0)
    else:
        client = peer(2, contexts=(3,), policy=0)
        rejected(client, client.aarq(ciphered=True, protection=protection, dedicated=key), (USER, 1), 0)


def test_open_9_dedicated_key_of_another_size(peer: MakePeer) -> None:
    client = peer(2, contexts=(3,))
    rejected(client, client.aarq(ciphered=True, dedicated=bytes(15)), (USER, 1), 0)


def test_open_11_quality_of_service(peer: MakePeer) -> None:
    client = peer()
    aare = client.open(user_information=initiate(quality_of_service=1))
    assert InitiateResponse.decode(aare.user_information).quality_of_service == 1


@pytest.mark.parametrize("version", [5, 7])
def test_open_12_dlms_version(peer: MakePeer, version: int) -> None:
    client = peer()
    rejected(client, client.aarq(user_information=initiate(version=version)), (USER, 1), 1)


def test_open_13_conformance(peer: MakePeer) -> None:
    client = peer()
    rejected(client, client.aarq(conformance=0x000100), (USER, 1), 2)
    assert client.open(conformance=0xFFFFFF).result == 0
    assert client.association.conformance == 0x60FEDF


@pytest.mark.parametrize(
    ("size", "accepted"), [(0, True), (1, False), (11, False), (63, False), (64, True), (65, True)]
)
def test_open_14_pdu_size(peer: MakePeer, size: int, accepted: bool) -> None:
    client = peer()
    if accepted:
        client.open(max_pdu=size)
        assert client.association.client_max_pdu == size
    else:
        rejected(client, client.aarq(max_pdu=size), (USER, 1), 3)


def test_rel_p1(peer: MakePeer, device: MemoryDevice) -> None:
    """Release, with the reasons there are, with user-information and without; then the client may come again."""
    for apdu in ("6203800100", "6200", "620380011E", "6215800100BE10040E01000000065F1F0400401E5DFFFF"):
        client = peer()
        client.open()
        assert client.send(bytes.fromhex(apdu)).hex() == "6303800100"
        assert client.association.state is State.IDLE
        assert client.send(GET) == NOT_NOW
        client.open()
        assert client.send(GET) == GOT
    assert device.events == ["opened", "closed", "opened"] * 4


def test_release_that_is_none(peer: MakePeer) -> None:
    client = peer()
    assert client.send(bytes.fromhex("6203800100")) == NOT_NOW
    client.open()
    assert client.send(bytes.fromhex("62038001")) == bytes.fromhex("d80103")
    assert client.send(GET) == GOT


# -- APPL_DATA --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("apdu", "answer"),
    [
        ("C0", "d80103"),
        ("C001", "d80103"),
        ("C001C1", "d80103"),
        ("C000C1" + ENERGY.hex() + "00", "d80202"),
        ("C004C1" + ENERGY.hex() + "00", "d80202"),
        ("C001C1" + ENERGY.hex(), "d80103"),
        ("C001C1" + ENERGY.hex() + "02", "d80103"),
        ("C001C1" + ENERGY.hex() + "0000", "d80103"),
        ("C001C1" + ENERGY.hex() + "0101", "d80103"),
        ("C001C1" + ENERGY[:-1].hex(), "d80103"),
        ("C002C1000001", "d80103"),
        ("C003C100", "d80103"),
        ("C003C102" + ENERGY.hex() + "00", "d80103"),
        ("C100C1" + ENERGY.hex() + "001101", "d80202"),
        ("C106C1" + ENERGY.hex() + "001101", "d80202"),
        ("C101C1" + ENERGY.hex() + "00", "d80103"),
        ("C101C1" + ENERGY.hex() + "0012", "d80103"),
        ("C101C1" + ENERGY.hex() + "00ff00", "d80103"),
        ("C104C101" + ENERGY.hex() + "0002110111", "d80103"),
        ("C102C1" + ENERGY.hex() + "000000000001", "d80103"),
        ("C300C1" + ENERGY.hex() + "00", "d80202"),
        ("C307C1" + ENERGY.hex() + "00", "d80202"),
        ("C301C1" + ENERGY.hex(), "d80103"),
        ("C301C1" + ENERGY.hex() + "01", "d80103"),
        ("C301C1" + ENERGY.hex() + "03", "d80103"),
        ("D9C00000", "d80103"),
        ("D9C000000100010600", "d80103"),
        ("C401C10000", "d80202"),
        ("DF00", "d80202"),
        ("FF", "d80202"),
        ("00", "d80202"),
        ("0F00000001000000", "d80202"),
        ("050102FA00", "0e050004"),
        ("060102FA00011101", "0e060004"),
    ],
)
def test_data_ln_n1_n3_malformed(peer: MakePeer, apdu: str, answer: str) -> None:
    """Unknown choices and services are unknown; what misses elements or has too many is not possible."""
    client = peer()
    client.open()
    assert client.send(bytes.fromhex(apdu)).hex() == answer
    assert sum(client.association.counters.values()) == 1
    assert len(client.sentences) == 1
    assert client.send(GET) == GOT


def test_no_answer_at_all(peer: MakePeer) -> None:
    """An empty APDU, and an unconfirmed write of short name referencing."""
    client = peer()
    client.open()
    assert client.association.handle(b"") == ()
    assert client.association.handle(bytes.fromhex("160102FA00011101")) == ()


@pytest.mark.parametrize(
    ("missing", "apdu"),
    [
        (C.GET, GET),
        (C.SET, SetNormal(0xC1, Target(ENERGY), axdr.u32(1)).encode()),
        (C.ACTION, ActionNormal(0xC1, ENERGY, None).encode()),
        (C.ACCESS, bytes.fromhex("d9c000000100000000")),
        (C.GENERAL_BLOCK_TRANSFER, bytes.fromhex("e081000100000100")),
    ],
)
def test_data_ln_n4_service_not_negotiated(peer: MakePeer, missing: C, apdu: bytes) -> None:
    client = peer()
    client.open(conformance=0x60FEDF & ~int(missing))
    assert client.send(apdu) == NOT_SUPPORTED
    assert client.association.counters["not negotiated"] == 1


def test_request_too_long(peer: MakePeer) -> None:
    client = peer(max_receive_pdu=128)
    client.open()
    whole = SetNormal(0xC1, Target(ENERGY), axdr.octets(bytes(128 - 15))).encode()
    assert len(whole) == 128
    assert client.send(whole)[:3] == bytes.fromhex("c501c1")
    assert client.send(whole + b"\0") == bytes.fromhex("d80104")
    assert client.association.counters["too long"] == 1


# -- names, secrets, clients ------------------------------------------------------------------------------------------


def test_unknown_client(peer: MakePeer) -> None:
    client = peer(99)
    rejected(client, client.aarq(), (USER, 1))


@pytest.mark.parametrize(
    ("client", "named", "diagnostic"), [(PUBLIC, 1, 11), (LLS, None, 12), (LLS, 2, 11), (LLS, 0, 11), (HLS, None, 12)]
)
def test_mechanism(peer: MakePeer, client: int, named: int | None, diagnostic: int) -> None:
    made = peer(client)
    rejected(made, made.aarq(mechanism=named), (USER, diagnostic))


def test_password(peer: MakePeer, device: MemoryDevice) -> None:
    client = peer(LLS)
    right = client.open()
    assert right.encode().hex() == (
        "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040060fedf02000007"
    )
    for wrong in (b"Gurux", b"", None, b"abcdefgh\0"):
        apdu = client.aarq(authentication=wrong)
        assert client.send(apdu).hex() == "6117a109060760857405080101a203020101a305a10302010d"
        assert client.send(GET) == NOT_NOW
    assert device.events == ["opened", "closed", *["authentication"] * 4]


@pytest.mark.parametrize("size", [0, 7, 65])
def test_challenge_of_a_wrong_size(peer: MakePeer, size: int) -> None:
    client = peer(18, mechanism=Mechanism.HLS_MD5)
    rejected(client, client.aarq(authentication=bytes(size)), (USER, 13))


def test_aarq_that_is_none(peer: MakePeer) -> None:
    client = peer()
    for apdu in ("60", "6000", "601DA109060760857405080101BE10040E01000000065F1F0400001E1DFF"):
        assert client.send(bytes.fromhex(apdu)).hex() == "6117a109060760857405080101a203020101a305a203020101"
    rejected(peer(), peer().aarq(user_information=b"\x01\x00"), (USER, 1), 4)
    rejected(peer(), peer().aarq(user_information=b""), (USER, 1), 4)
    rejected(peer(), peer().aarq(user_information=initiate() + b"\0"), (USER, 1), 4)


def test_second_aarq_begins_again(peer: MakePeer, device: MemoryDevice) -> None:
    client = peer()
    client.open(max_pdu=64)
    client.send(GetNormal(0xC1, Target(PROFILE)).encode())
    client.open(conformance=0x1010)
    assert client.association.conformance == 0x1010
    assert client.send(GetNext(0xC1, 1).encode()).hex() == "c402c101000000010110"
    assert device.events == ["opened", "closed", "opened"]
    assert Aare.decode(client.send(client.aarq(context=2))).result == 1
    assert client.send(GET) == NOT_NOW
    assert device.events[-1] == "closed"


def test_association_without_answers(peer: MakePeer) -> None:
    client = peer()
    apdu = client.aarq(user_information=initiate(response_allowed=False))
    assert client.association.handle(apdu) == ()
    assert client.send(GET) == GOT


def test_lost_link(peer: MakePeer, device: MemoryDevice) -> None:
    client = peer()
    client.association.lost()
    client.open()
    client.association.lost()
    client.association.lost()
    assert device.events == ["opened", "closed"]
    assert client.send(GET) == NOT_NOW
    client.open()
    assert client.send(GET) == GOT


def test_two_clients_at_once(device: MemoryDevice, peer: MakePeer) -> None:
    """Each has its own state, transfers and rights."""
    public, secure = peer(PUBLIC), peer(HLS)
    public.open(max_pdu=64)
    secure.open(ciphered=True)
    public.send(GetNormal(0xC1, Target(PROFILE)).encode())
    assert secure.ciphered(GET) == GOT
    assert secure.ciphered(GetNext(0xC1, 1).encode()).hex() == "c402c101000000010110"
    assert public.send(GetNext(0xC1, 1).encode())[:4].hex() == "c402c100"
    secure.association.lost()
    assert public.send(GET) == GOT


# -- protection -------------------------------------------------------------------------------------------------------


@pytest.fixture
def secure(peer: MakePeer) -> Peer:
    """A client with an open ciphered association, a dedicated key and policy 3."""
    client = peer(HLS)
    client.security.keys.dedicated = bytes(range(0x50, 0x60))
    client.open(ciphered=True, dedicated=bytes(range(0x50, 0x60)))
    return client


@pytest.mark.parametrize("envelope", Envelope)
def test_answer_in_the_envelope_of_the_request(secure: Peer, envelope: Envelope) -> None:
    assert secure.ciphered(GET, envelope) == GOT
    assert secure.ciphered(GetNormal(0xC1, Target(SECRET_SETTING)).encode(), envelope) == bytes.fromhex("c401c1001101")


@pytest.mark.parametrize("envelope", Envelope)
def test_wrapped_key_and_transaction_come_back(secure: Peer, envelope: Envelope) -> None:
    header = secure.security.wrapped_header(bytes(range(0x70, 0x80)), b"12345678")
    apdu = secure.security.protect(GET, Envelope.GENERAL_CIPHERING, 0x30, header)
    opened = secure.security.unprotect(secure.send(apdu))
    assert (opened.plain, opened.header.transaction_id, opened.header.wrapped_key) == (
        GOT,
        b"12345678",
        header.wrapped_key,
    )
    assert secure.ciphered(GET, envelope) == GOT


@pytest.mark.parametrize("envelope", Envelope)
def test_blocks_fit_when_they_are_protected(peer: MakePeer, envelope: Envelope) -> None:
    client = peer(HLS)
    client.security.keys.dedicated = bytes(range(0x50, 0x60))
    client.open(ciphered=True, dedicated=bytes(range(0x50, 0x60)), max_pdu=128)
    apdu, raw, number = GetNormal(0xC1, Target(PROFILE)).encode(), b"", 0
    while True:
        number += 1
        sealed = client.send(client.security.protect(apdu, envelope, 0x30))
        assert len(sealed) <= 128
        answer = client.security.unprotect(sealed).plain
        raw += axdr.read_sized(answer, 9)[0]
        if answer[3]:
            break
        apdu = GetNext(0xC1, number).encode()
    assert len(axdr.decode_all(raw).value) == 200


@pytest.mark.parametrize(
    ("apdu", "plain"),
    [
        (GetNormal(0xC1, Target(ENERGY[:-1] + b"\x09")).encode(), "c401c10104"),
        (GetNormal(0xC1, Target(ENERGY[:-1] + b"\x00")).encode(), "c401c1000203"),
        (SetNormal(0xC1, Target(ENERGY), axdr.u32(5)).encode(), "c501c100"),
    ],
)
def test_other_services_protected(secure: Peer, apdu: bytes, plain: str) -> None:
    assert secure.ciphered(apdu)[: len(plain) // 2].hex() == plain


def test_exception_in_a_protected_association(secure: Peer) -> None:
    """It has no form of its own under glo- and goes as it is; a general envelope protects it."""
    assert secure.send(secure.security.protect(b"\xc0\x09\xc1", Envelope.GLO, 0x30)) == UNKNOWN
    assert secure.ciphered(b"\xc0\x09\xc1", Envelope.GENERAL_GLO) == UNKNOWN
    assert secure.ciphered(bytes.fromhex("050102FA00"), Envelope.GENERAL_GLO) == bytes.fromhex("0e050004")
    assert secure.send(secure.security.protect(b"", Envelope.GENERAL_GLO, 0x30)) == bytes.fromhex("d80103")


@pytest.mark.parametrize("envelope", Envelope)
def test_replay(secure: Peer, device: MemoryDevice, envelope: Envelope) -> None:
    apdu = secure.security.protect(GET, envelope, 0x30)
    secure.send(apdu)
    counter = secure.security.dedicated_counters if envelope.value.endswith("ded") else secure.security.counters
    assert secure.send(apdu) == b"\xd8\x01\x06" + counter.sent.to_bytes(4, "big")
    assert device.events[-1] == "counter"
    assert secure.association.counters["counter"] == 1
    assert secure.ciphered(GET) == GOT


def test_replayed_aarq(peer: MakePeer, device: MemoryDevice) -> None:
    """The trace: a stale counter is refused with the last one accepted, and the client comes with the next."""
    client = peer(HLS)
    device.terms[HLS].counters.received = 0x232B
    assert client.send(client.aarq(ciphered=True)).hex() == "d801060000232b"
    assert device.events == ["counter"]
    assert client.association.state is State.IDLE
    client.security.counters.sent = 0x232B
    client.open(ciphered=True)
    assert client.ciphered(GET) == GOT


def test_damaged(secure: Peer, device: MemoryDevice) -> None:
    apdu = bytearray(secure.security.protect(GET, Envelope.GLO, 0x30))
    for at in (7, len(apdu) - 1):
        apdu[at] ^= 1
        assert secure.send(bytes(apdu)) == bytes.fromhex("d80105")
    assert secure.send(bytes(apdu[:10])) == bytes.fromhex("d80105")
    assert device.events == ["opened", "deciphering", "deciphering", "deciphering"]
    assert secure.ciphered(GET) == GOT


def test_damaged_aarq_and_rlrq(peer: MakePeer) -> None:
    client = peer(HLS)
    assert client.send(client.aarq(ciphered=True)[:-1] + b"\xff") == bytes.fromhex("d80105")
    client.open(ciphered=True)
    info = client.security.protect(initiate(), Envelope.GLO, 0x30)
    assert client.send(Release(False, 0, info[:-1] + b"\xff").encode()) == bytes.fromhex("d80105")
    assert client.ciphered(GET) == GOT
    assert client.send(Release(False, 0, info).encode()).hex() == "d80106" + f"{client.security.counters.sent:08x}"
    assert client.send(Release(False, 0, initiate()).encode()).hex() == "6303800100"


@pytest.mark.parametrize(
    ("policy", "protection", "served"),
    [
        (0, None, True),
        (0, 0x10, True),
        (0, 0x20, True),
        (1, None, False),
        (1, 0x20, False),
        (1, 0x10, True),
        (2, 0x10, False),
        (2, 0x20, True),
        (3, 0x10, False),
        (3, 0x20, False),
        (3, 0x30, True),
        (0x04, None, False),
        (0x04, 0x10, True),
        (0x0C, 0x10, False),
        (0x0C, 0x30, True),
    ],
)
def test_policy(peer: MakePeer, device: MemoryDevice, policy: int, protection: int | None, served: bool) -> None:
    client = peer(2, contexts=(3,), policy=policy)
    client.open(ciphered=True)
    if protection is None:
        assert client.send(GET) == (GOT if served else NOT_NOW)
    elif served:
        assert client.ciphered(GET, Envelope.GLO, protection) == GOT
    else:
        assert client.send(client.security.protect(GET, Envelope.GLO, protection)) == NOT_NOW
    assert device.events[1:] == ([] if served else ["policy"])
    assert client.association.counters["policy"] == (not served)


@pytest.mark.parametrize(("policy", "request_", "answer"), [(0x60, None, 0x30), (0x20, 0x20, 0x30), (0x40, 0x10, 0x30)])
def test_policy_of_answers(peer: MakePeer, policy: int, request_: int | None, answer: int) -> None:
    """Version 1 can ask more of answers than of requests."""
    client = peer(2, contexts=(3,), policy=policy)
    client.open(ciphered=True)
    apdu = GET if request_ is None else client.security.protect(GET, Envelope.GLO, request_)
    opened = client.security.unprotect(client.send(apdu))
    assert opened[:3] == (GOT, Envelope.GLO, answer)
    if request_ is None:
        access = client.security.unprotect(client.send(bytes.fromhex("d9c0000001000000")))
        assert access[:3] == (bytes.fromhex("dac000000100000000"), Envelope.GENERAL_GLO, answer)


@pytest.mark.parametrize("ciphered", [False, True])
def test_policy_of_the_initiate_request(peer: MakePeer, ciphered: bool) -> None:
    client = peer(2, contexts=(3,), policy=3)
    apdu = client.aarq(ciphered=True, protection=0x10) if ciphered else client.aarq(context=3, title=b"Gurux123")
    rejected(client, apdu, (USER, 13))
    peer(2, contexts=(3,), policy=0).open(context=3, title=b"Gurux123")


def test_what_needs_authentication(peer: MakePeer, device: MemoryDevice) -> None:
    """message_authenticated holds for the one request that came with a tag."""
    client = peer(2, contexts=(3,), policy=0)
    client.open(ciphered=True)
    secret = GetNormal(0xC1, Target(SECRET_SETTING)).encode()
    for protection, answer in ((0x10, "c401c1001101"), (0x20, "c401c10103"), (0x30, "c401c1001101")):
        assert client.ciphered(secret, Envelope.GLO, protection).hex() == answer
        assert not client.association.message_authenticated
        assert client.send(secret).hex() == "c401c10103"


def test_ciphering_that_was_not_negotiated(peer: MakePeer) -> None:
    client = peer(2, contexts=(1, 3), policy=0)
    client.open()
    assert client.send(client.security.protect(GET, Envelope.GLO, 0x30)) == NOT_SUPPORTED
    client.open(ciphered=True, conformance=0x60FEDF & ~int(C.GENERAL_PROTECTION))
    for envelope in (Envelope.GENERAL_GLO, Envelope.GENERAL_DED, Envelope.GENERAL_CIPHERING):
        client.security.keys.dedicated = bytes(16)
        assert client.send(client.security.protect(GET, envelope, 0x30)) == NOT_SUPPORTED
    assert client.send(client.security.protect(GET, Envelope.DED, 0x30)) == bytes.fromhex("d80105")
    assert client.ciphered(GET) == GOT


def test_initiate_in_a_general_envelope(peer: MakePeer) -> None:
    client = peer(HLS)
    aare = client.open(ciphered=True, envelope=Envelope.GENERAL_GLO)
    assert aare.user_information[0] == 0xDB
    push = DataNotification(1, axdr.u8(1)).encode()
    assert client.security.unprotect(client.association.notify(push))[:2] == (push, Envelope.GENERAL_GLO)


def test_counter_used_up(peer: MakePeer, device: MemoryDevice) -> None:
    """Nothing can be protected any more, so the connection is to be closed."""
    client = peer(HLS)
    client.open(ciphered=True)
    device.terms[HLS].counters.sent = COUNTER_MAX - 1
    assert client.ciphered(GET) == GOT
    assert not client.association.drop
    assert client.association.handle(client.security.protect(GET, Envelope.GLO, 0x30)) == ()
    assert client.association.drop
    again = peer(HLS)
    again.security.counters.sent = client.security.counters.sent
    assert again.association.handle(again.aarq(ciphered=True)) == ()
    assert again.association.drop


def test_notifications(peer: MakePeer, secure: Peer) -> None:
    event = EventNotification(ENERGY, axdr.u32(1)).encode()
    push = DataNotification(1, axdr.u32(1)).encode()
    public = peer()
    with pytest.raises(LocalProtocolError):
        public.association.notify(event)
    public.open()
    assert public.association.notify(event) == event
    opened = secure.security.unprotect(secure.association.notify(event))
    assert opened[:3] == (event, Envelope.GLO, 0x30)
    assert secure.security.unprotect(secure.association.notify(push))[:3] == (push, Envelope.GENERAL_GLO, 0x30)
