"""Capture blocks as the pcapng draft lays them out."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import pcapng

from .pcapng_blocks import blocks, packet

CLIENT, DEVICE = (IPv4Address("10.128.0.1"), 50000), (IPv4Address("10.0.0.1"), 4059)


def test_section_to_the_octet() -> None:
    """An empty section header of the draft: type, length, byte order, version 1.0, unknown length, one option."""
    assert pcapng.section("ab") == bytes.fromhex(
        "0A0D0D0A 28000000 4D3C2B1A 0100 0000 FFFFFFFFFFFFFFFF 0400 0200 61620000 0000 0000 28000000"
    )


def test_interface_has_name_and_resolution() -> None:
    (block,) = blocks(pcapng.interface("home/electricity/optical", "pty:./meter"))
    assert block.kind == 1
    assert block.body[:8] == bytes.fromhex("FC00 0000 00000400")
    assert block.options == {2: [b"home/electricity/optical"], 3: [b"pty:./meter"], 9: [b"\x09"]}


@pytest.mark.parametrize(("inbound", "flags"), [(True, [b"\1\0\0\0"]), (False, [b"\2\0\0\0"]), (None, None)])
def test_packet(inbound: bool | None, flags: list[bytes] | None) -> None:
    time = 1_767_225_600_123_456_789
    octets = pcapng.exported("dlms", b"\x7e\xa0\x07", CLIENT, DEVICE)
    (block,) = blocks(pcapng.packet(3, time, octets, inbound=inbound, comments=("one", "two")))
    found = packet(block)
    assert (found.interface, found.time, found.octets) == (3, time, octets)
    assert found.options.get(1) == [b"one", b"two"] and found.options.get(2) == flags
    assert found.tags == {
        12: b"dlms",
        20: bytes((10, 128, 0, 1)),
        21: bytes((10, 0, 0, 1)),
        24: b"\0\0\0\2",
        25: (50000).to_bytes(4, "big"),
        26: (4059).to_bytes(4, "big"),
    }
    assert found.payload == b"\x7e\xa0\x07"


def test_columns() -> None:
    octets = pcapng.exported("data", b"x", CLIENT, DEVICE, udp=True, protocol="62056-21", info="\u00e9" * 2000)
    found = packet(blocks(pcapng.packet(0, 0, octets))[0])
    assert found.tags[24] == b"\0\0\0\3"
    assert found.tags[33] == b"62056-21"
    assert len(found.tags[36]) == pcapng.MAX_COLUMN


def test_too_much_is_cut_off() -> None:
    (block,) = blocks(pcapng.packet(0, 0, bytes(pcapng.SNAP_LENGTH + 5), comments=["\u20ac" * 30_000]))
    (comment,) = block.options[1]
    assert comment.decode() == "\u20ac" * 21845
    assert int.from_bytes(block.body[12:16], "little") == pcapng.SNAP_LENGTH
    assert int.from_bytes(block.body[16:20], "little") == pcapng.SNAP_LENGTH + 5


def test_radio_frames_to_the_octet() -> None:
    """TAP header of the link type's specification: version, length, FCS of 16 bits, channel and page, RSS, LQI."""
    head = "0000 2400 0000 0100 01000000 0300 0300 14000000"
    measured = "0100 0400 000074C2 0A00 0100 C8000000"
    assert pcapng.radio(b"frame", 20, -61, 200) == bytes.fromhex(head + measured) + b"frame"
    assert pcapng.radio(b"frame", 20) == bytes.fromhex(head.replace("2400", "1400")) + b"frame"


@given(st.text(max_size=20), st.binary(max_size=20), st.integers(0, (1 << 64) - 1), st.booleans())
def test_any_content_is_laid_out_rightly(text: str, octets: bytes, time: int, inbound: bool) -> None:
    data = (
        pcapng.section(text, text)
        + pcapng.interface(text, text)
        + pcapng.packet(0, time, pcapng.exported("dlms", octets), inbound=inbound, comments=(text,))
    )
    found = blocks(data)
    assert [block.kind for block in found] == [0x0A0D0D0A, 1, 6]
    assert (packet(found[2]).time, packet(found[2]).payload) == (time, octets)
