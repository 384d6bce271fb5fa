"""Protection of APDUs: published vectors, every envelope there and back, replays and forgeries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.dlms import keywrap
from protocols.dlms.enums import ApduTag
from protocols.dlms.security import (
    COUNTER_MAX,
    PROTECTED_TAGS,
    Counters,
    Envelope,
    Keys,
    SecurityContext,
    required_protection,
    response_protection,
)
from protocols.errors import DecodeError, LocalProtocolError, ProtocolError, SecurityError, SecurityFault

EK = bytes(range(16))
AK = bytes(range(0xD0, 0xE0))
TITLE = bytes.fromhex("4D4D4D0000BC614E")
PEER = bytes.fromhex("4D4D4D0000000001")
COUNTER = 0x01234567
GET = bytes.fromhex("C0010000080000010000FF0200")


def side(
    title: bytes = TITLE, peer: bytes = PEER, *, sent: int = 0, received: int = 0, suite: int = 0, **extra: bytes
) -> SecurityContext:
    size = 32 if suite == 2 else 16
    keys = Keys(
        bytes(range(size)),
        bytes(range(0xD0, 0xD0 + size)),
        dedicated=bytes(range(0x20, 0x20 + size)),
        broadcast=extra.get("broadcast"),
        kek=extra.get("kek", bytes(range(0x60, 0x60 + size))),
    )
    counters = Counters(sent, received)
    return SecurityContext(suite=suite, system_title=title, peer_title=peer, keys=keys, counters=counters)


@pytest.mark.parametrize(
    ("plain", "protection", "octets"),
    [
        (GET, 0x10, "C81E1001234567C0010000080000010000FF020006725D910F9221D263877516"),
        (GET, 0x20, "C8122001234567411312FF935A47566827C467BC"),
        (GET, 0x30, "C81E3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B"),
        (
            bytes.fromhex("01011000112233445566778899AABBCCDDEEFF0000065F1F0400007E1F04B0"),
            0x30,
            "21303001234567801302FF8A7874133D414CED25B42534D28DB0047720606B175BD52211BE6841DB204D39EE6FDB8E356855",
        ),
        (
            bytes.fromhex("0800065F1F0400007C1F04000007"),
            0x30,
            "281F3001234567891214A0845E475714383F65BC19745CA235906525E4F3E1C893",
        ),
    ],
)
def test_vectors(plain: bytes, protection: int, octets: str) -> None:
    sender = side(sent=COUNTER - 1)
    assert sender.protect(plain, Envelope.GLO, protection).hex().upper() == octets
    opened = side(PEER, TITLE).unprotect(bytes.fromhex(octets))
    assert opened[:4] == (plain, Envelope.GLO, protection, COUNTER)
    if protection == 0x30 and plain == GET:
        sender.counters.sent = COUNTER - 1
        assert sender.seal_short(plain).hex().upper() == octets


def test_gmac_vectors() -> None:
    """Passes 3 and 4 of HLS-GMAC (Green Book, table of examples for suite 0)."""
    client = side(PEER, TITLE)
    assert client.authentication_tag(1, bytes.fromhex("503677524A323146"), PEER) == bytes.fromhex(
        "10000000011A52FE7DD3E72748973C1E28"
    )
    assert client.authentication_tag(COUNTER, bytes.fromhex("4B35366956616759"), TITLE) == bytes.fromhex(
        "1001234567FE1466AFB3DBCD4F9389E2B7"
    )


def test_key_wrap_vector() -> None:
    key, wrapped = bytes.fromhex("00112233445566778899AABBCCDDEEFF"), bytes.fromhex(
        "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"
    )  # fmt: skip
    assert keywrap.wrap(EK, key) == wrapped
    assert keywrap.unwrap(EK, wrapped) == key
    for wrong in (wrapped[:-1] + b"\0", wrapped[:-1], b"", wrapped + bytes(8)):
        with pytest.raises(SecurityError) as caught:
            keywrap.unwrap(EK, wrong)
        assert caught.value.fault is SecurityFault.KEY


@given(
    plain=st.sampled_from((0xC0, 0xC1, 0xC3, 0xC4)).flatmap(
        lambda tag: st.binary(max_size=300).map(lambda rest: bytes((tag,)) + rest)
    ),
    envelope=st.sampled_from(Envelope),
    protection=st.sampled_from((0x00, 0x10, 0x20, 0x30)),
    suite=st.sampled_from((0, 1, 2)),
)
def test_round_trip(plain: bytes, envelope: Envelope, protection: int, suite: int) -> None:
    sender, receiver = side(suite=suite), side(PEER, TITLE, suite=suite)
    apdu = sender.protect(plain, envelope, protection)
    assert len(apdu) <= len(plain) + sender.overhead(envelope)
    opened = receiver.unprotect(apdu)
    assert opened[:4] == (plain, envelope, protection, 1)
    with pytest.raises(SecurityError) as caught:
        receiver.unprotect(apdu)
    assert caught.value.fault is SecurityFault.COUNTER
    assert caught.value.last_counter == 1
    assert receiver.unprotect(sender.protect(plain, envelope, protection)).counter == 2


@given(at=st.integers(0, 1000), bit=st.integers(0, 7), envelope=st.sampled_from(Envelope))
def test_every_flipped_bit_is_noticed(at: int, bit: int, envelope: Envelope) -> None:
    """Bits of the title, the control, the counter, the text and the tag; a lower counter and another envelope too."""
    sender, receiver = side(sent=0x80), side(PEER, TITLE)
    apdu = bytearray(sender.protect(GET, envelope, 0x30))
    apdu[at % len(apdu)] ^= 1 << bit
    try:
        opened = receiver.unprotect(bytes(apdu))
    except ProtocolError:
        return
    # The control octet can be made to claim less, which the security policy is there to refuse.
    assert opened.protection == 0x20


@given(st.sampled_from(sorted(PROTECTED_TAGS)), st.binary(max_size=120))
def test_any_octets(tag: int, rest: bytes) -> None:
    """Without the keys nothing gets through that claims to be authenticated."""
    receiver = side(PEER, TITLE)
    try:
        opened = receiver.unprotect(bytes((tag,)) + rest)
    except (SecurityError, DecodeError):
        return
    assert not opened.protection & 0x10


def test_wrapped_key_of_general_ciphering() -> None:
    sender, receiver = side(), side(PEER, TITLE)
    fresh = bytes(range(0x90, 0xA0))
    header = sender.wrapped_header(fresh, b"\x00" * 7 + b"\x09")
    apdu = sender.protect(GET, Envelope.GENERAL_CIPHERING, 0x30, header)
    opened = receiver.unprotect(apdu)
    assert opened.plain == GET
    assert opened.header is not None
    assert opened.header.transaction_id == b"\x00" * 7 + b"\x09"
    assert len(apdu) <= len(GET) + sender.overhead(Envelope.GENERAL_CIPHERING, header)
    answer = receiver.protect(b"\xc4\x01\xc1\x00\x00", Envelope.GENERAL_CIPHERING, 0x30, opened.header)
    assert sender.unprotect(answer).plain == b"\xc4\x01\xc1\x00\x00"
    with pytest.raises(SecurityError):
        side(PEER, TITLE, kek=bytes(16)).unprotect(sender.protect(GET, Envelope.GENERAL_CIPHERING, 0x30, header))


def general(content: str, title: bytes = TITLE, recipient: bytes = b"") -> bytes:
    """A general-ciphering APDU around ciphered content, with no parts but the titles and no key-info."""
    octets = bytes.fromhex(content)
    titles = b"".join(bytes((len(part),)) + part for part in (title, recipient))
    return b"\xdd\x00" + titles + b"\x00\x00\x00" + bytes((len(octets),)) + octets


@pytest.mark.parametrize("protection", [0x10, 0x30])
@pytest.mark.parametrize("recipient", [b"", PEER])
def test_general_ciphering_with_the_content_alone_authenticated(protection: int, recipient: bytes) -> None:
    """Some clients leave the header out of the tag: their ciphered content is that of the glo- vector."""
    content = {
        0x10: "1001234567C0010000080000010000FF020006725D910F9221D263877516",
        0x30: "3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B",
    }[protection]
    receiver = side(PEER, TITLE, sent=6)
    opened = receiver.unprotect(general(content, recipient=recipient))
    assert opened[:4] == (GET, Envelope.GENERAL_CIPHERING, protection, COUNTER)
    assert not receiver.header_authenticated
    # The answer has the same form, ..
    answer = b"\xc4\x01\xc1\x00\x11\x07"
    sealed = receiver.protect(answer, Envelope.GENERAL_CIPHERING, protection, opened.header)
    alike = side(PEER, TITLE, sent=6).protect(answer, Envelope.GLO, protection)
    assert sealed == general(alike[2:].hex(), PEER, TITLE)
    # .. until a request comes in the other one again.
    sender = side(sent=COUNTER)
    assert receiver.unprotect(sender.protect(GET, Envelope.GENERAL_CIPHERING, protection)).plain == GET
    assert receiver.header_authenticated
    assert sender.unprotect(receiver.protect(answer, Envelope.GENERAL_CIPHERING, protection)).plain == answer
    assert sender.header_authenticated


def test_a_header_that_is_authenticated_cannot_be_changed() -> None:
    apdu = side().protect(GET, Envelope.GENERAL_CIPHERING, 0x30)
    assert apdu.count(PEER) == 1
    for spoiled in (apdu.replace(b"\x08" + PEER, b"\x00"), apdu.replace(b"\x00\x08" + TITLE, b"\x01\x07\x08" + TITLE)):
        assert spoiled != apdu
        receiver = side(PEER, TITLE)
        with pytest.raises(SecurityError) as caught:
            receiver.unprotect(spoiled)
        assert caught.value.fault is SecurityFault.DECIPHERING
        assert (receiver.header_authenticated, receiver.counters.received) == (True, 0)


def test_broadcast_key() -> None:
    broadcast = bytes(range(0x40, 0x50))
    sender, receiver = side(), side(PEER, TITLE, broadcast=broadcast)
    sender.keys.encryption = broadcast
    apdu = sender.protect(GET, Envelope.GLO, 0x70)
    assert receiver.unprotect(apdu)[:3] == (GET, Envelope.GLO, 0x30)
    assert (receiver.counters.received, receiver.counters.broadcast) == (0, 1)
    with pytest.raises(SecurityError) as caught:
        side(PEER, TITLE).unprotect(apdu)
    assert caught.value.fault is SecurityFault.KEY


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda context: setattr(context, "peer_title", b""), SecurityFault.TITLE),
        (lambda context: setattr(context, "suite", 1), SecurityFault.DECIPHERING),
        (lambda context: setattr(context.keys, "encryption", AK), SecurityFault.DECIPHERING),
        (lambda context: setattr(context.keys, "authentication", EK), SecurityFault.DECIPHERING),
        (lambda context: setattr(context, "peer_title", b"MMM\0\0\0\0\2"), SecurityFault.DECIPHERING),
        (lambda context: setattr(context.counters, "received", 5), SecurityFault.COUNTER),
    ],
)
def test_what_differs(change: Callable[[SecurityContext], None], fault: SecurityFault) -> None:
    receiver = side(PEER, TITLE)
    change(receiver)
    before = receiver.counters.received
    with pytest.raises(SecurityError) as caught:
        receiver.unprotect(side(sent=3).protect(GET, Envelope.GLO, 0x30))
    assert caught.value.fault is fault
    assert receiver.counters.received == before


def test_titles_of_general_envelopes() -> None:
    receiver = side(PEER, b"")
    assert receiver.unprotect(side().protect(GET, Envelope.GENERAL_GLO, 0x30)).plain == GET
    assert receiver.peer_title == TITLE
    with pytest.raises(SecurityError) as caught:
        receiver.unprotect(side(b"XXX\0\0\0\0\1", sent=9).protect(GET, Envelope.GENERAL_GLO, 0x30))
    assert caught.value.fault is SecurityFault.TITLE


def test_no_dedicated_key() -> None:
    receiver = side(PEER, TITLE)
    receiver.keys.dedicated = None
    with pytest.raises(SecurityError) as caught:
        receiver.unprotect(side().protect(GET, Envelope.DED, 0x30))
    assert caught.value.fault is SecurityFault.KEY


def test_first_counter_of_a_dedicated_key_may_be_zero() -> None:
    sender = side()
    sender.dedicated_counters.sent = -1
    assert side(PEER, TITLE).unprotect(sender.protect(GET, Envelope.DED, 0x30)).counter == 0


def test_service_under_the_tag_of_another() -> None:
    sender = side()
    apdu = sender.protect(GET, Envelope.GLO, 0x30)
    with pytest.raises(DecodeError):
        side(PEER, TITLE).unprotect(bytes((ApduTag.GLO_SET_REQUEST,)) + apdu[1:])


def test_counter_used_up() -> None:
    sender = side(sent=COUNTER_MAX - 1)
    sender.protect(GET, Envelope.GLO, 0x30)
    assert sender.exhausted
    with pytest.raises(LocalProtocolError):
        sender.protect(GET, Envelope.GLO, 0x30)
    with pytest.raises(LocalProtocolError):
        side().protect(b"\xda", Envelope.GLO, 0x30)


@pytest.mark.parametrize(
    ("policy", "required", "added"),
    [
        (0, 0x00, 0x00),
        (1, 0x10, 0x00),
        (2, 0x20, 0x00),
        (3, 0x30, 0x00),
        (0x04, 0x10, 0x00),
        (0x08, 0x20, 0x00),
        (0x0C, 0x30, 0x00),
        (0x20, 0x00, 0x10),
        (0x60, 0x00, 0x30),
        (0x6C, 0x30, 0x30),
    ],
)
def test_policies(policy: int, required: int, added: int) -> None:
    """Version 0 of class 64 counts to 3; version 1 has a bit for each, requests from 2 and responses from 5 on."""
    assert required_protection(policy) == required
    assert response_protection(policy) == added
