"""Challenges and their answers: vectors, and both sides of every mechanism."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from protocols.dlms import hls
from protocols.dlms.enums import Mechanism
from protocols.dlms.security import Counters, Keys, SecurityContext
from protocols.errors import LocalProtocolError

CLIENT, SERVER = bytes.fromhex("4D4D4D0000000001"), bytes.fromhex("4D4D4D0000BC614E")
C_TO_S, S_TO_C = bytes.fromhex("4B35366956616759"), bytes.fromhex("503677524A323146")
SECRET = b"12345678"
SIGNING = {suite: (ec.derive_private_key(11, curve), ec.derive_private_key(12, curve)) for suite, curve in (
    (1, ec.SECP256R1()), (2, ec.SECP384R1()),
)}  # fmt: skip


def context(title: bytes, peer: bytes, sent: int = 0, suite: int = 0) -> SecurityContext:
    keys = Keys(bytes(range(16)), bytes(range(0xD0, 0xE0)))
    return SecurityContext(suite=suite, system_title=title, peer_title=peer, keys=keys, counters=Counters(sent))


def test_gmac_vectors() -> None:
    client, server = context(CLIENT, SERVER), context(SERVER, CLIENT, 0x01234566)
    pass_3 = hls.respond(Mechanism.HLS_GMAC, secret=b"", received=S_TO_C, sent=C_TO_S, context=client)
    assert pass_3 == bytes.fromhex("10000000011A52FE7DD3E72748973C1E28")
    assert hls.verify(Mechanism.HLS_GMAC, pass_3, secret=b"", received=C_TO_S, sent=S_TO_C, context=server)
    assert server.counters.received == 1
    pass_4 = hls.respond(Mechanism.HLS_GMAC, secret=b"", received=C_TO_S, sent=S_TO_C, context=server)
    assert pass_4 == bytes.fromhex("1001234567FE1466AFB3DBCD4F9389E2B7")
    assert hls.verify(Mechanism.HLS_GMAC, pass_4, secret=b"", received=S_TO_C, sent=C_TO_S, context=client)


def test_gmac_that_says_suite_0_in_suite_1() -> None:
    """Suite 1 has keys like suite 0, so the vectors are those of a client that writes 0; our answer says 0 as well."""
    server = context(SERVER, CLIENT, 0x01234566, suite=1)
    pass_3 = bytes.fromhex("10000000011A52FE7DD3E72748973C1E28")
    assert hls.verify(Mechanism.HLS_GMAC, pass_3, secret=b"", received=C_TO_S, sent=S_TO_C, context=server)
    pass_4 = hls.respond(Mechanism.HLS_GMAC, secret=b"", received=C_TO_S, sent=S_TO_C, context=server)
    assert pass_4 == bytes.fromhex("1001234567FE1466AFB3DBCD4F9389E2B7")


@pytest.mark.parametrize("suite", [1, 2])
def test_gmac_says_its_suite(suite: int) -> None:
    client, server = context(CLIENT, SERVER, suite=suite), context(SERVER, CLIENT, suite=suite)
    pass_3 = hls.respond(Mechanism.HLS_GMAC, secret=b"", received=S_TO_C, sent=C_TO_S, context=client)
    assert pass_3[0] == 0x10 | suite
    # Neither another suite nor other bits in the control are taken, and the tag is over the control that was sent.
    for control in {0x10, 0x11, 0x12, 0x13, 0x30 | suite} - {pass_3[0]}:
        spoiled = bytes((control,)) + pass_3[1:]
        assert not hls.verify(Mechanism.HLS_GMAC, spoiled, secret=b"", received=C_TO_S, sent=S_TO_C, context=server)
    other = client.authentication_tag(2, S_TO_C, CLIENT, 3 - suite)
    assert not hls.verify(Mechanism.HLS_GMAC, other, secret=b"", received=C_TO_S, sent=S_TO_C, context=server)
    assert hls.verify(Mechanism.HLS_GMAC, pass_3, secret=b"", received=C_TO_S, sent=S_TO_C, context=server)
    pass_4 = hls.respond(Mechanism.HLS_GMAC, secret=b"", received=C_TO_S, sent=S_TO_C, context=server)
    assert pass_4[0] == 0x10 | suite


@pytest.mark.parametrize(
    ("mechanism", "answer"),
    [
        (Mechanism.HLS_MD5, hashlib.md5(S_TO_C + SECRET).digest()),
        (Mechanism.HLS_SHA1, hashlib.sha1(S_TO_C + SECRET).digest()),
        (Mechanism.HLS_SHA256, hashlib.sha256(SECRET + CLIENT + SERVER + S_TO_C + C_TO_S).digest()),
        # AES-128-ECB of the challenge and the secret, both padded by zeros; made with openssl enc -aes-128-ecb -nopad.
        (Mechanism.HLS, bytes.fromhex("581b1129ee22c77fe02aeb1798c158b9")),
    ],
)
def test_digests(mechanism: Mechanism, answer: bytes) -> None:
    made = hls.respond(mechanism, secret=SECRET, received=S_TO_C, sent=C_TO_S, titles=(CLIENT, SERVER))
    assert made == answer


@given(
    mechanism=st.sampled_from([m for m in Mechanism if m >= Mechanism.HLS]),
    suite=st.sampled_from((1, 2)),
    challenges=st.tuples(st.binary(min_size=8, max_size=64), st.binary(min_size=8, max_size=64)),
    spoiled=st.integers(0, 500),
)
def test_both_sides(mechanism: Mechanism, suite: int, challenges: tuple[bytes, bytes], spoiled: int) -> None:
    to_server, to_client = challenges
    client, server = context(CLIENT, SERVER), context(SERVER, CLIENT)
    (client.signing, server.signing) = SIGNING[suite]
    client.peer_verifying, server.peer_verifying = server.signing.public_key(), client.signing.public_key()
    answer = hls.respond(
        mechanism, secret=SECRET, received=to_client, sent=to_server, context=client, titles=(CLIENT, SERVER)
    )

    def right(reply: bytes, secret: bytes = SECRET) -> bool:
        return hls.verify(
            mechanism, reply, secret=secret, received=to_server, sent=to_client, context=server, titles=(SERVER, CLIENT)
        )

    assert right(answer)
    wrong = bytearray(answer)
    wrong[spoiled % len(wrong)] ^= 0x40
    assert not right(bytes(wrong))
    assert not right(answer[:-1])
    assert not right(b"")
    if mechanism not in (Mechanism.HLS_GMAC, Mechanism.HLS_ECDSA):
        assert not right(answer, b"another secret")


def test_what_is_missing() -> None:
    for mechanism in (Mechanism.NONE, Mechanism.LLS):
        with pytest.raises(LocalProtocolError):
            hls.respond(mechanism, secret=SECRET, received=S_TO_C, sent=C_TO_S)
    for mechanism in (Mechanism.HLS_GMAC, Mechanism.HLS_ECDSA):
        with pytest.raises(LocalProtocolError):
            hls.verify(mechanism, b"x", secret=SECRET, received=S_TO_C, sent=C_TO_S)
    bare = context(CLIENT, SERVER)
    with pytest.raises(LocalProtocolError):
        hls.respond(Mechanism.HLS_ECDSA, secret=b"", received=S_TO_C, sent=C_TO_S, context=bare)
    assert not hls.verify(Mechanism.HLS_ECDSA, bytes(64), secret=b"", received=S_TO_C, sent=C_TO_S, context=bare)
