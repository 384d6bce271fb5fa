"""Long messages in blocks, put together by Wireshark's dissector: the octets that were sent, whatever the air does."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from protocols.zigbee import fragments
from protocols.zigbee.aps import ApsFrame, FrameType

from ..protocols.zigbee.air_frames import LINK, LINK_KEY, Air, join

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

UNKNOWN = 0xFC77
"""A manufacturer's profile and cluster, of which the dissector shows the octets."""


def blocks_of(payload: bytes, size: int, counter: int) -> list[ApsFrame]:
    return [
        ApsFrame(
            FrameType.DATA,
            counter,
            part,
            destination_endpoint=1,
            source_endpoint=1,
            cluster=UNKNOWN,
            profile=UNKNOWN,
            acknowledge=True,
            block=block,
        )
        for block, part in fragments.fragments(payload, size)
    ]


@pytest.fixture
def put_together(peers: Any, tmp_path: Path) -> Any:
    """The payloads that the dissector has, one a message, and its complaints."""

    def read(air: Air) -> tuple[list[bytes], list[str]]:
        file = tmp_path / "air.pcapng"
        air.write(file)
        key = ":".join(f"{octet:02X}" for octet in LINK_KEY)
        keys = ("-r", str(file), "-o", f'uat:zigbee_pc_keys:"{key}","Normal","link"')
        whole = peers.tshark(*keys, "-Y", "zbee_aps.reassembled.length", "-T", "fields", "-e", "data.data")
        kinds = ("error", "overlap.conflicts", "too_long_fragment")
        faults = " || ".join(f"zbee_aps.fragment.{kind}" for kind in kinds)
        # What may be a ZCL frame is shown without its header too, before the whole.
        return [bytes.fromhex(line.split(",")[-1]) for line in whole], peers.tshark(*keys, "-Y", faults)

    return read


@pytest.mark.parametrize("protected", [False, True])
def test_messages_are_whole_again(put_together: Any, protected: bool) -> None:
    """Of every length around a multiple of the block, up to 255 blocks; in a window's worth of disorder, some lost at
    first and some, before the window is full, sent twice.

    The first block comes first and the last one once: the dissector learns from the first how many there are, and takes
    a last one that is repeated for more than the message has.
    """
    chance = Random(7)
    sizes = [(size, octets) for size in (3, 24, 60) for octets in (size + 1, 2 * size, 2 * size + 1, 16 * size - 1)]
    sent = [(size, b"\0" + chance.randbytes(octets - 1)) for size, octets in (*sizes, (4, 255 * 4))]
    air = Air()
    join(air)
    for counter, (size, payload) in enumerate(sent):
        frames = blocks_of(payload, size, counter)
        for start in range(0, len(frames), 8):
            window = frames[start : start + 8]
            first, window = (window[:1], window[1:]) if start == 0 else ([], window)
            chance.shuffle(window)
            lost = chance.randrange(len(window) + 1)
            twice = [frame for frame in window[lost:] if frame is not frames[-1] and chance.random() < 0.5]
            for frame in (*first, *window[lost:], *twice, *window[:lost]):
                air.aps("block", frame, LINK if protected else None)
    payloads, faults = put_together(air)
    assert faults == []
    assert payloads == [payload for _, payload in sent]


def test_two_messages_at_once_are_told_apart(put_together: Any) -> None:
    one, other = bytes(range(100)), bytes(range(100, 200))
    air = Air()
    join(air)
    for frames in zip(blocks_of(one, 30, 7), blocks_of(other, 30, 8), strict=True):
        for frame in frames:
            air.aps("block", frame, LINK)
    assert put_together(air) == ([one, other], [])


def test_what_lacks_a_block_is_never_whole(put_together: Any) -> None:
    air = Air()
    join(air)
    for number, frame in enumerate(blocks_of(bytes(100), 30, 7)):
        if number != 2:
            air.aps("block", frame, LINK)
    assert put_together(air) == ([], [])
