"""Network frames and commands: octets, round trips, protection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError, ProtocolError, SecurityError
from protocols.zigbee import nwk, nwk_commands
from protocols.zigbee.mac import Capability
from protocols.zigbee.nwk import FrameType, NwkFrame, SourceRoute
from protocols.zigbee.security import Auxiliary, KeyId

EUI = bytes.fromhex("00DB1234567890A0")
KEY = bytes(range(16))
AUXILIARY = Auxiliary(KeyId.NETWORK, 0x01020304, EUI, 7)

OCTETS, SHORTS = st.integers(0, 255), st.integers(0, 0xFFFF)
EUIS = st.binary(min_size=8, max_size=8)
MAYBE = st.none() | EUIS
ROUTES = st.lists(SHORTS, min_size=1, max_size=32).flatmap(
    lambda relays: st.builds(SourceRoute, st.just(tuple(relays)), st.integers(0, len(relays) - 1))
)
FRAMES = st.builds(
    NwkFrame,
    st.sampled_from(FrameType),
    SHORTS,
    SHORTS,
    OCTETS,
    OCTETS,
    st.binary(max_size=80),
    MAYBE,
    MAYBE,
    st.booleans(),
    st.none() | ROUTES,
    st.booleans(),
)
COSTS = st.integers(0, 7)
COMMANDS = st.one_of(
    st.builds(nwk_commands.RouteRequest, OCTETS, SHORTS, OCTETS, MAYBE, st.integers(0, 2)),
    st.builds(nwk_commands.RouteReply, OCTETS, SHORTS, SHORTS, OCTETS, MAYBE, MAYBE),
    st.builds(nwk_commands.NetworkStatus, OCTETS, SHORTS),
    st.builds(nwk_commands.Leave, st.booleans(), st.booleans(), st.booleans()),
    st.builds(nwk_commands.RouteRecord, st.lists(SHORTS, max_size=30).map(tuple)),
    st.builds(nwk_commands.RejoinRequest, OCTETS.map(Capability)),
    st.builds(nwk_commands.RejoinResponse, SHORTS, OCTETS),
    st.builds(
        nwk_commands.LinkStatus,
        st.lists(st.builds(nwk_commands.LinkCost, SHORTS, COSTS, COSTS), max_size=31).map(tuple),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(nwk_commands.TimeoutRequest, OCTETS, OCTETS),
    st.builds(nwk_commands.TimeoutResponse, OCTETS, OCTETS),
)


def test_header_to_the_octet() -> None:
    frame = NwkFrame(FrameType.DATA, 0, 0x3456, 30, 0x11, b"hi", discover_route=True)
    assert nwk.encode(frame) == bytes.fromhex("4800 0000 5634 1E 11 6869")
    secured = nwk.encode(frame, KEY, AUXILIARY)
    assert secured[:22] == bytes.fromhex("4802 0000 5634 1E 11 28 04030201 A09078563412DB00 07")
    assert len(secured) == 22 + 2 + 4


@given(FRAMES)
def test_round_trip(frame: NwkFrame) -> None:
    plain = nwk.parse(nwk.encode(frame))
    assert plain.auxiliary is None and nwk.open_frame(plain) == frame
    secured = nwk.parse(nwk.encode(frame, KEY, AUXILIARY))
    assert secured.auxiliary == AUXILIARY and secured.header == nwk.with_payload(frame, b"")
    assert nwk.open_frame(secured, KEY) == frame


def test_wrong_key_changed_header_and_no_key() -> None:
    frame = NwkFrame(FrameType.DATA, 0, 0x3456, 30, 0x11, b"hi")
    octets = nwk.encode(frame, KEY, AUXILIARY)
    with pytest.raises(SecurityError):
        nwk.open_frame(nwk.parse(octets), bytes(16))
    with pytest.raises(SecurityError):
        nwk.open_frame(nwk.parse(octets))
    for at in range(2, len(octets)):
        changed = octets[:at] + bytes((octets[at] ^ 8,)) + octets[at + 1 :]
        with pytest.raises(ProtocolError):
            nwk.open_frame(nwk.parse(changed), KEY)


@pytest.mark.parametrize(
    ("auxiliary", "frame"),
    [
        (None, NwkFrame(FrameType.DATA, 0, 0, 1, 0)),
        (Auxiliary(KeyId.LINK, 1, EUI), NwkFrame(FrameType.DATA, 0, 0, 1, 0)),
        (AUXILIARY, NwkFrame(FrameType.DATA, 0x10000, 0, 1, 0)),
        (AUXILIARY, NwkFrame(FrameType.DATA, 0, 0, 1, 0, source_eui=b"12")),
        (AUXILIARY, NwkFrame(FrameType.DATA, 0, 0, 1, 0, source_route=SourceRoute(()))),
    ],
)
def test_frames_that_cannot_be_sent(auxiliary: Auxiliary | None, frame: NwkFrame) -> None:
    with pytest.raises(LocalProtocolError):
        nwk.encode(frame, KEY, auxiliary)


@pytest.mark.parametrize(
    ("command", "octets"),
    [
        (nwk_commands.Leave(request=True, rejoin=True), "04 60"),
        (nwk_commands.RejoinRequest(Capability(0x80)), "06 80"),
        (nwk_commands.RejoinResponse(0x1234, 0), "07 3412 00"),
        (nwk_commands.NetworkStatus(0x0D, 0x1234), "03 0D 3412"),
        (nwk_commands.LinkStatus((nwk_commands.LinkCost(0x1234, 1, 3),)), "08 61 3412 31"),
        (nwk_commands.RouteRequest(9, 0xFFFC, 0, many_to_one=1), "01 08 09 FCFF 00"),
    ],
)
def test_commands_to_the_octet(command: nwk_commands.Command, octets: str) -> None:
    assert nwk_commands.encode(command) == bytes.fromhex(octets)


@given(COMMANDS)
def test_commands(command: nwk_commands.Command) -> None:
    octets = nwk_commands.encode(command)
    assert nwk_commands.decode(octets) == command
    for wrong in (octets[:-1], octets + b"\0"):
        with pytest.raises(ProtocolError):
            nwk_commands.decode(wrong)


@given(st.binary(max_size=80))
def test_any_octets(octets: bytes) -> None:
    for head in (b"", b"\x48\x02", b"\x09\x3e"):
        try:
            nwk.open_frame(nwk.parse(head + octets), KEY)
        except ProtocolError as error:
            assert not isinstance(error, LocalProtocolError)
    try:
        nwk_commands.decode(octets)
    except ProtocolError as error:
        assert not isinstance(error, LocalProtocolError)
