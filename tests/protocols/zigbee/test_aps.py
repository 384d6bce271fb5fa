"""APS frames, the trust centre's commands and messages in blocks."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError, ProtocolError, SecurityError
from protocols.zigbee import aps, aps_commands, fragments
from protocols.zigbee.aps import ApsFrame, Block, Delivery, FrameType, Part
from protocols.zigbee.security import Auxiliary, KeyId

EUI, OTHER = bytes.fromhex("00DB1234567890A0"), bytes.fromhex("0102030405060708")
KEY = bytes(range(16))

OCTETS, SHORTS = st.integers(0, 255), st.integers(0, 0xFFFF)
EUIS, KEYS = st.binary(min_size=8, max_size=8), st.binary(min_size=16, max_size=16)
BLOCKS = st.none() | st.builds(Block, st.sampled_from(Part), OCTETS)
DATA = st.builds(
    ApsFrame,
    st.just(FrameType.DATA),
    OCTETS,
    st.binary(max_size=70),
    st.sampled_from([Delivery.UNICAST, Delivery.BROADCAST]),
    OCTETS,
    st.none(),
    SHORTS,
    SHORTS,
    OCTETS,
    st.booleans(),
    BLOCKS,
)
GROUPED = st.builds(
    ApsFrame,
    st.just(FrameType.DATA),
    OCTETS,
    st.binary(max_size=70),
    st.just(Delivery.GROUP),
    st.none(),
    SHORTS,
    SHORTS,
    SHORTS,
    OCTETS,
)
COMMANDED = st.builds(ApsFrame, st.just(FrameType.COMMAND), OCTETS, st.binary(max_size=70), acknowledge=st.booleans())
ACKNOWLEDGED = st.builds(
    aps.acknowledgement, DATA | COMMANDED, st.none() | st.builds(Block, st.sampled_from(Part), OCTETS, OCTETS)
)
FRAMES = st.one_of(DATA, GROUPED, COMMANDED, ACKNOWLEDGED)
AUXILIARIES = st.builds(
    Auxiliary,
    st.sampled_from([KeyId.LINK, KeyId.TRANSPORT, KeyId.LOAD]),
    st.integers(0, 0xFFFFFFFF),
    st.none() | EUIS,
    st.none(),
)
COMMANDS = st.one_of(
    st.builds(aps_commands.TransportNetworkKey, KEYS, OCTETS, EUIS, EUIS),
    st.builds(aps_commands.TransportLinkKey, KEYS, EUIS, EUIS),
    st.builds(aps_commands.TransportApplicationKey, KEYS, EUIS, st.booleans()),
    st.builds(aps_commands.UpdateDevice, EUIS, SHORTS, OCTETS),
    st.builds(aps_commands.RemoveDevice, EUIS),
    st.builds(aps_commands.RequestKey, st.none() | EUIS),
    st.builds(aps_commands.SwitchKey, OCTETS),
    st.builds(aps_commands.Tunnel, EUIS, st.binary(max_size=60)),
    st.builds(aps_commands.VerifyKey, OCTETS, EUIS, KEYS),
    st.builds(aps_commands.ConfirmKey, OCTETS, OCTETS, EUIS),
)


@pytest.mark.parametrize(
    ("frame", "octets"),
    [
        (
            ApsFrame(FrameType.DATA, 5, b"hi", Delivery.UNICAST, 1, None, 0x702, 0x109, 2, acknowledge=True),
            "40 01 0207 0901 02 05 6869",
        ),
        (ApsFrame(FrameType.DATA, 5, b"hi", Delivery.GROUP, None, 3, 0x702, 0x109, 2), "0C 0300 0207 0901 02 05 6869"),
        (ApsFrame(FrameType.COMMAND, 6, b"\x09\x01"), "01 06 09 01"),
        (ApsFrame(FrameType.ACKNOWLEDGEMENT, 6), "12 06"),
        (
            ApsFrame(FrameType.ACKNOWLEDGEMENT, 5, b"", Delivery.UNICAST, 2, None, 0x702, 0x109, 1),
            "02 02 0207 0901 01 05",
        ),
        (
            ApsFrame(FrameType.DATA, 5, b"x", Delivery.UNICAST, 1, None, 0x704, 0x109, 2, True, Block(Part.FIRST, 3)),
            "C0 01 0407 0901 02 05 01 03 78",
        ),
    ],
)
def test_known_octets(frame: ApsFrame, octets: str) -> None:
    assert aps.encode(frame) == bytes.fromhex(octets)
    assert aps.open_frame(aps.parse(bytes.fromhex(octets))) == frame


def test_transport_key_to_the_octet() -> None:
    """As the facts of the standard have it: 05, 01, key, sequence, destination, source."""
    command = aps_commands.TransportNetworkKey(KEY, 3, OTHER, EUI)
    assert aps_commands.encode(command) == b"\x05\x01" + KEY + b"\x03" + OTHER[::-1] + EUI[::-1]
    assert KEY.hex() not in repr(command) and repr(KEY) not in repr(command)


@given(FRAMES, AUXILIARIES)
def test_round_trip(frame: ApsFrame, auxiliary: Auxiliary) -> None:
    plain = aps.parse(aps.encode(frame))
    assert plain.auxiliary is None and aps.open_frame(plain) == frame
    source = auxiliary.source or EUI
    secured = aps.parse(aps.encode(frame, KEY, auxiliary, source))
    assert secured.auxiliary == auxiliary and secured.header == aps.with_payload(frame, b"")
    assert aps.open_frame(secured, KEY, source) == frame
    with pytest.raises(SecurityError):
        aps.open_frame(secured, bytes(16), source)
    with pytest.raises(SecurityError):
        aps.open_frame(secured, None, source)


@pytest.mark.parametrize(
    "frame",
    [
        ApsFrame(FrameType.DATA, 5, destination_endpoint=1, cluster=1, profile=1),
        ApsFrame(FrameType.DATA, 5, destination_endpoint=1, group=1, cluster=1, profile=1, source_endpoint=1),
        ApsFrame(FrameType.COMMAND, 5, cluster=1),
        ApsFrame(FrameType.COMMAND, 256),
        ApsFrame(FrameType.COMMAND, 5, block=Block(Part.FIRST, 3, 255)),
        ApsFrame(FrameType.ACKNOWLEDGEMENT, 5, block=Block(Part.FIRST, 3)),
    ],
)
def test_frames_that_cannot_be_sent(frame: ApsFrame) -> None:
    with pytest.raises(LocalProtocolError):
        aps.encode(frame)


@given(COMMANDS)
def test_commands(command: aps_commands.Command) -> None:
    octets = aps_commands.encode(command)
    assert aps_commands.decode(octets) == command
    if not isinstance(command, aps_commands.Tunnel):
        for wrong in (octets[:-1], octets + b"\0"):
            with pytest.raises(ProtocolError):
                aps_commands.decode(wrong)


@given(st.binary(max_size=80))
def test_any_octets(octets: bytes) -> None:
    try:
        aps.open_frame(aps.parse(octets), KEY, EUI)
    except ProtocolError as error:
        assert not isinstance(error, LocalProtocolError)
    try:
        aps_commands.decode(octets)
    except ProtocolError as error:
        assert not isinstance(error, LocalProtocolError)


@given(st.binary(min_size=11, max_size=600), st.integers(5, 10), st.integers(1, 8), st.integers(0, 2**32))
def test_blocks_over_a_lossy_link(payload: bytes, size: int, window: int, seed: int) -> None:
    """A third of blocks and acknowledgements is lost and blocks come in any order: the message arrives once, whole."""
    chance = random.Random(seed)
    sending, coming = fragments.Sending(payload, size, window), fragments.Reassembly(window)
    for _ in range(2000):
        if sending.done:
            break
        due = sending.due()
        assert 0 < len(due) <= window
        chance.shuffle(due)
        for block, piece in due:
            answer = coming.add(block, piece) if chance.random() > 0.33 else None
            if answer is not None and chance.random() > 0.33:
                sending.acknowledged(answer)
    assert sending.done and coming.payload == payload


def test_blocks_to_the_octet() -> None:
    cut = fragments.fragments(b"abcdefg", 3)
    assert cut == [(Block(Part.FIRST, 3), b"abc"), (Block(Part.LATER, 1), b"def"), (Block(Part.LATER, 2), b"g")]
    coming = fragments.Reassembly(window=3)
    assert coming.add(*cut[0]) is None
    assert coming.add(*cut[2]) == Block(Part.FIRST, 0, 0b11111101)
    assert coming.payload is None
    assert coming.add(*cut[1]) == Block(Part.FIRST, 0, 0xFF)
    assert coming.payload == b"abcdefg"


def test_blocks_that_are_refused() -> None:
    coming = fragments.Reassembly(window=2, limit=10)
    coming.add(Block(Part.FIRST, 3), bytes(6))
    for block, payload in ((Block(Part.FIRST, 4), b""), (Block(Part.LATER, 3), b""), (Block(Part.LATER, 0), b"")):
        with pytest.raises(ProtocolError):
            coming.add(block, payload)
    with pytest.raises(ProtocolError, match="over 10 octets"):
        coming.add(Block(Part.LATER, 1), bytes(5))
    for wrong in (b"", b"abc", bytes(3 * 256)):
        with pytest.raises(LocalProtocolError):
            fragments.fragments(wrong, 3)
