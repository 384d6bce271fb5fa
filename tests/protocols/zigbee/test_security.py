"""Protection of frames: the form of the auxiliary header, and that nothing changed is taken.

That the octets are those of others is shown by tshark, which decrypts our captures (tests/interop).
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, LocalProtocolError, ProtocolError, SecurityError, SecurityFault
from protocols.zigbee import security
from protocols.zigbee.security import Auxiliary, KeyId

EUI = bytes.fromhex("0807060504030201")
KEY = bytes(range(16))

euis = st.binary(min_size=8, max_size=8)
keys = st.binary(min_size=16, max_size=16)


@st.composite
def auxiliaries(draw: st.DrawFn) -> Auxiliary:
    key_id = draw(st.sampled_from(KeyId))
    sequence = draw(st.integers(0, 255)) if key_id is KeyId.NETWORK else None
    return Auxiliary(key_id, draw(st.integers(0, (1 << 32) - 1)), draw(st.none() | euis), sequence)


def test_header_of_a_network_frame() -> None:
    auxiliary = Auxiliary(KeyId.NETWORK, 0x11223344, EUI, 7)
    assert auxiliary.encode().hex() == "28" + "44332211" + "0102030405060708" + "07"


@pytest.mark.parametrize("key_id", [KeyId.LINK, KeyId.TRANSPORT, KeyId.LOAD])
def test_header_without_source(key_id: KeyId) -> None:
    assert Auxiliary(key_id, 1).encode().hex() == f"{key_id << 3:02x}" + "01000000"


def test_recipe_of_the_standard() -> None:
    """Nonce, covered octets and code put together by hand."""
    auxiliary = Auxiliary(KeyId.NETWORK, 0x11223344, EUI, 7)
    nonce = bytes.fromhex("0102030405060708" + "44332211" + "2D")
    covered = b"header" + bytes.fromhex("2D" + "44332211" + "0102030405060708" + "07")
    by_hand = AESCCM(KEY, tag_length=4).encrypt(nonce, b"payload", covered)
    assert security.secure(KEY, auxiliary, EUI, b"header", b"payload") == auxiliary.encode() + by_hand


@given(auxiliaries(), keys, euis, st.binary(max_size=30), st.binary(max_size=90))
def test_round_trip(auxiliary: Auxiliary, key: bytes, source: bytes, header: bytes, payload: bytes) -> None:
    octets = header + security.secure(key, auxiliary, source, header, payload)
    found, end = Auxiliary.decode(octets, len(header))
    assert found == auxiliary
    assert end == len(header) + auxiliary.length
    assert security.unsecure(key, found, source, octets[:end], octets[end:]) == payload


@given(auxiliaries(), keys, st.binary(max_size=8), st.binary(max_size=20), st.data())
def test_a_flipped_bit_is_refused(
    auxiliary: Auxiliary, key: bytes, header: bytes, payload: bytes, data: st.DataObject
) -> None:
    """Any but those of the level, which is taken to be 5 whatever they say."""
    octets = bytearray(header + security.secure(key, auxiliary, EUI, header, payload))
    level = {8 * len(header), 8 * len(header) + 1, 8 * len(header) + 2}
    bit = data.draw(st.integers(0, 8 * len(octets) - 1).filter(lambda bit: bit not in level))
    octets[bit // 8] ^= 1 << bit % 8
    changed = bytes(octets)
    with pytest.raises((SecurityError, DecodeError)) as refused:
        found, end = Auxiliary.decode(changed, len(header))
        security.unsecure(key, found, EUI, changed[:end], changed[end:])
    if isinstance(refused.value, SecurityError):
        assert refused.value.fault is SecurityFault.DECIPHERING


def test_another_key_or_source_is_refused() -> None:
    auxiliary = Auxiliary(KeyId.LINK, 5)
    protected = security.secure(KEY, auxiliary, EUI, b"h", b"p")
    head, rest = b"h" + protected[:5], protected[5:]
    assert security.unsecure(KEY, auxiliary, EUI, head, rest) == b"p"
    for key, source in ((bytes(16), EUI), (KEY, bytes(8))):
        with pytest.raises(SecurityError, match="MIC is wrong"):
            security.unsecure(key, auxiliary, source, head, rest)


@given(st.binary(max_size=30), st.integers(0, 31))
def test_any_octets(octets: bytes, offset: int) -> None:
    with pytest.raises(ProtocolError):
        auxiliary, end = Auxiliary.decode(octets, offset)
        security.unsecure(KEY, auxiliary, EUI, octets[:end], octets[end:])


def test_refusals_say_why() -> None:
    with pytest.raises(DecodeError, match="14 octets"):
        Auxiliary.decode(Auxiliary(KeyId.NETWORK, 1, EUI, 0).encode()[:-1])
    with pytest.raises(DecodeError, match="two highest bits"):
        Auxiliary.decode(b"\xa8" + bytes(13))
    with pytest.raises(LocalProtocolError, match="sequence number"):
        Auxiliary(KeyId.NETWORK, 1, EUI).encode()
    with pytest.raises(LocalProtocolError, match="sequence number"):
        Auxiliary(KeyId.LINK, 1, EUI, 0).encode()
    with pytest.raises(LocalProtocolError, match="32 bits"):
        Auxiliary(KeyId.LINK, 1 << 32).encode()
    with pytest.raises(LocalProtocolError, match="key of 15 octets"):
        security.secure(KEY[1:], Auxiliary(KeyId.LINK, 1), EUI, b"", b"")
    with pytest.raises(LocalProtocolError, match="EUI-64 of 7 octets"):
        security.secure(KEY, Auxiliary(KeyId.LINK, 1), EUI[1:], b"", b"")
