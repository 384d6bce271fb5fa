"""Radio frames as IEEE 802.15.4 and Zigbee lay them out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import FrameError, LocalProtocolError, ProtocolError
from protocols.zigbee import mac
from protocols.zigbee.mac import FrameType, MacFrame

EUI = bytes.fromhex("00DB1234567890A0")
KINDS = st.sampled_from([FrameType.BEACON, FrameType.DATA, FrameType.COMMAND])
SHORTS = st.integers(0, 0xFFFF)
ADDRESSES = st.one_of(SHORTS, st.binary(min_size=8, max_size=8))
PLACES = st.one_of(st.just((None, None)), st.tuples(SHORTS, ADDRESSES))
COMMANDS = st.one_of(
    st.builds(mac.AssociationRequest, st.integers(0, 255).map(mac.Capability)),
    st.builds(mac.AssociationResponse, SHORTS, st.integers(0, 255)),
    st.builds(mac.Disassociation, st.integers(0, 255)),
    st.sampled_from([mac.DataRequest(), mac.PanConflict(), mac.OrphanNotification(), mac.BeaconRequest()]),
    st.builds(mac.Realignment, SHORTS, SHORTS, st.integers(0, 26), SHORTS),
)


def test_check_sequence() -> None:
    """CRC-16/KERMIT, whose check value is 2189."""
    assert mac.check_sequence(b"123456789") == bytes.fromhex("8921")


@pytest.mark.parametrize(
    ("frame", "octets"),
    [
        (mac.beacon_request(5), "0308 05 FFFF FFFF 07"),
        (mac.acknowledgement(0x2A), "0200 2A"),
        (mac.acknowledgement(0x2A, pending=True), "1200 2A"),
        (
            MacFrame(FrameType.DATA, 9, b"hi", 0x1A62, 0, 0x1A62, 0x3456, acknowledge=True),
            "6188 09 621A 0000 5634 6869",
        ),
        (
            MacFrame(FrameType.COMMAND, 1, b"\x01\x8e", 0x1A62, 0, 0xFFFF, EUI, acknowledge=True),
            "23C8 01 621A 0000 FFFF A090785634 12DB00 018E",
        ),
        (
            MacFrame(FrameType.COMMAND, 2, b"\x04", 0x1A62, 0, 0x1A62, EUI, acknowledge=True),
            "63C8 02 621A 0000 A09078563412DB00 04",
        ),
    ],
)
def test_known_octets(frame: MacFrame, octets: str) -> None:
    body = bytes.fromhex(octets)
    assert mac.encode(frame) == body + mac.check_sequence(body)
    assert mac.decode(mac.encode(frame)) == frame


def test_beacon_to_the_octet() -> None:
    beacon = mac.Beacon(permit=True, coordinator=True, extended_pan=EUI)
    octets = bytes.fromhex("FFCF 00 00 00 2284 A09078563412DB00 FFFFFF 00")
    assert mac.encode_beacon(beacon) == octets
    assert mac.decode_beacon(octets) == beacon
    waiting = octets[:3] + b"\x11" + bytes(10) + octets[4:]
    assert mac.decode_beacon(waiting) == beacon


@pytest.mark.parametrize(
    "octets",
    ["", "0200", "0900 01", "0400 01", "0004 01 0000", "4008 01 0000 0000", "0120 01", "0108 01 62", "61881234"],
)
def test_frames_that_are_refused(octets: str) -> None:
    body = bytes.fromhex(octets)
    with pytest.raises(FrameError):
        mac.decode(body + mac.check_sequence(body))


def test_every_flipped_bit_is_seen() -> None:
    octets = mac.encode(MacFrame(FrameType.DATA, 9, b"abc", 1, 2, 1, 3))
    for bit in range(8 * len(octets)):
        changed = bytearray(octets)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FrameError, match="check sequence"):
            mac.decode(bytes(changed))


@pytest.mark.parametrize(
    "frame",
    [
        MacFrame(FrameType.DATA, 256),
        MacFrame(FrameType.DATA, 0, b"", 1, 0x10000, 1, 2),
        MacFrame(FrameType.DATA, 0, b"", None, 1, None, 2),
        MacFrame(FrameType.DATA, 0, b"", 1, b"short", 2, 2),
        MacFrame(FrameType.DATA, 0, bytes(117), 1, 1, 1, 2),
    ],
)
def test_frames_that_cannot_be_sent(frame: MacFrame) -> None:
    with pytest.raises(LocalProtocolError):
        mac.encode(frame)


@given(KINDS, st.integers(0, 255), st.binary(max_size=90), PLACES, PLACES, st.booleans(), st.booleans())
def test_round_trip(
    kind: FrameType,
    sequence: int,
    payload: bytes,
    destination: tuple[int, mac.Address],
    source: tuple[int, mac.Address],
    acknowledge: bool,
    pending: bool,
) -> None:
    frame = MacFrame(kind, sequence, payload, *destination, *source, acknowledge, pending)
    assert mac.decode(mac.encode(frame)) == frame


@given(COMMANDS)
def test_commands(command: mac.Command) -> None:
    octets = mac.encode_command(command)
    assert mac.decode_command(octets) == command
    with pytest.raises(ProtocolError):
        mac.decode_command(octets[:-1])
    with pytest.raises(ProtocolError):
        mac.decode_command(octets + bytes(3))


@given(st.binary(max_size=140))
def test_any_octets(octets: bytes) -> None:
    for read, data in (
        (mac.decode, octets),
        (mac.decode, octets + mac.check_sequence(octets)),
        (mac.decode_beacon, octets),
        (mac.decode_command, octets),
    ):
        try:
            read(data)
        except ProtocolError as error:
            assert not isinstance(error, LocalProtocolError)
