"""APS frames, the trust centre's commands and messages in blocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError, ProtocolError, SecurityError
from protocols.zigbee import aps, aps_commands
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
