"""Captures of lines: what is in the file, when, and what happens when it cannot be written."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from protocols import wrapper
from protocols.dlms.acse import Aarq
from protocols.dlms.initiate import InitiateRequest
from protocols.dlms.security import Counters, Envelope, Keys, SecurityContext
from protocols.hdlc.frame import Frame, encode, encode_address
from rigs.capture import FLUSH_AFTER, Capture, CaptureError
from rigs.ports import parse_port

from ..protocols.pcapng_blocks import Packet, blocks, packets

SNRM = bytes.fromhex("7EA0070321930F017E")
UA = bytes.fromhex("7EA01E210373C37A818012050180060180070400000001080400000001533B7E")
GET = bytes.fromhex("C001C100080000010000FF0200")
SERIAL, TCP, UDP = parse_port("pty:./meter"), parse_port("tcp:4059"), parse_port("udp:4059")
NAME = "home/electricity/optical"


def captured(path: Path) -> list[Packet]:
    return packets(path.read_bytes())


def dissector(packet: Packet) -> str:
    return packet.tags[12].rstrip(b"\0").decode()


def test_frames_with_times_and_directions(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    with Capture(path) as capture:
        tap = capture(NAME, SERIAL)
        tap(1_000_000_001, True, SNRM[:4])
        tap(1_000_000_002, True, SNRM[4:])
        tap(1_000_000_003, False, UA)
        assert capture.packets == 2
    first, second = captured(path)
    assert (first.time, first.payload, dissector(first)) == (1_000_000_002, SNRM, "dlms")
    assert (second.time, second.payload) == (1_000_000_003, UA)
    assert (first.options[2], second.options[2]) == ([b"\1\0\0\0"], [b"\2\0\0\0"])
    assert (first.tags[20], first.tags[21]) == (second.tags[21], second.tags[20])
    interface = blocks(path.read_bytes())[1]
    assert interface.options[2] == [NAME.encode()] and interface.options[3] == [b"pty:./meter"]


def test_each_port_is_an_interface_and_each_line_a_pair_of_addresses(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    message = wrapper.encode(16, 1, GET)
    with Capture(path) as capture:
        taps = [capture(NAME, SERIAL), capture("home/hub/wan-tcp", TCP), capture("home/hub/wan-tcp", TCP)]
        taps[0](1, True, SNRM)
        # two connections at once, their octets in turns
        taps[1](2, True, message[:5])
        taps[2](3, True, message[:9])
        taps[1](4, True, message[5:])
        taps[2](5, True, message[9:])
    found = captured(path)
    assert [(packet.interface, packet.payload) for packet in found] == [(0, SNRM), (1, message), (1, message)]
    assert len({(packet.tags[20], packet.tags[25]) for packet in found}) == 3
    assert len([block for block in blocks(path.read_bytes()) if block.kind == 1]) == 2


def test_datagrams(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    with Capture(path) as capture:
        capture("home/hub/wan-udp", UDP)(0, True, wrapper.encode(16, 1, GET))
    (packet,) = captured(path)
    assert packet.tags[24] == b"\0\0\0\3" and dissector(packet) == "dlms"


def test_sign_on_text_and_noise_are_readable(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    with Capture(path) as capture:
        tap = capture(NAME, SERIAL)
        tap(0, True, bytes((0x2F, 0x3F, 0x21, 0x8D, 0x0A)))
        tap(0, False, b"\x00\x99")
    text, noise = captured(path)
    assert (dissector(text), text.payload) == ("data-text-lines", b"/?!\r\n")
    assert text.tags[33].rstrip(b"\0") == b"62056-21" and text.tags[36].rstrip(b"\0") == b"/?!<CR><LF>"
    assert (dissector(noise), noise.payload) == ("data", b"\x00\x99")
    assert noise.tags[36].startswith(b"2 octets")


def test_long_addresses_are_told_and_the_apdu_follows(tmp_path: Path) -> None:
    """Wireshark misreads HDLC addresses of more than one octet."""
    path = tmp_path / "a.pcapng"
    client, server = encode_address(16), encode_address(1, 17)
    with Capture(path) as capture:
        tap = capture(NAME, SERIAL)
        tap(0, True, encode(Frame(server, client, 0x10, b"\xe6\xe6\x00" + GET[:6], True)))
        tap(0, True, encode(Frame(server, client, 0x12, GET[6:])))
    found = captured(path)
    assert [dissector(packet) for packet in found] == ["data", "data", "dlms"]
    assert found[0].tags[36].startswith(b"16>1/17 I N(S)=0")
    assert found[2].payload == GET


def test_ciphered_apdus_in_clear(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    keys = Keys(bytes(16), bytes(16))
    context = SecurityContext(
        suite=0, system_title=b"ABC00001", peer_title=b"", keys=keys, counters=Counters(), policy=0
    )
    sealed = context.protect(GET, Envelope.GLO, 0x30)
    asked: list[tuple[str, bytes]] = []

    def reveal(port: str, apdu: bytes) -> bytes | None:
        asked.append((port, apdu))
        return GET if apdu == sealed else None

    with Capture(path) as capture:
        capture.reveal = reveal
        tap = capture("home/hub/wan-tcp", TCP)
        tap(0, True, wrapper.encode(16, 1, sealed))
        tap(0, True, wrapper.encode(16, 1, GET))
    assert [packet.payload for packet in captured(path)] == [
        wrapper.encode(16, 1, sealed),
        GET,
        wrapper.encode(16, 1, GET),
    ]
    assert asked == [("home/hub/wan-tcp", sealed)]


TITLED = Aarq(3, InitiateRequest(0x7E1F, 512).encode(), 2, bytes(range(32)), b"ABC00001").encode()


def test_a_title_that_wireshark_misreads_is_told_in_text(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    plain = Aarq(3, InitiateRequest(0x7E1F, 512).encode()).encode()
    apdus = [plain, TITLED, b"\x60\x01\x00", b"\x60\x83"]
    with Capture(path) as capture:
        for apdu in apdus:
            capture("home/hub/wan-tcp", TCP)(0, True, wrapper.encode(16, 1, apdu))
    found = captured(path)
    assert [packet.payload[8:] for packet in found] == apdus
    assert [dissector(packet) for packet in found] == ["dlms", "data", "dlms", "dlms"]
    info = found[1].tags[36].rstrip(b"\0").decode()
    assert info == "16>1 | AARQ ln-ciphered, hls, title 4142433030303031, conformance 007E1F, PDU 512"


def test_segments_of_such_an_apdu_stay_together(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    client, server = encode_address(16), encode_address(1)
    information = b"\xe6\xe6\x00" + TITLED
    parts = [information[at : at + 40] for at in range(0, len(information), 40)]
    with Capture(path) as capture:
        tap = capture(NAME, SERIAL)
        for number, part in enumerate(parts):
            tap(0, True, encode(Frame(server, client, number << 1 | 0x10, part, number < len(parts) - 1)))
        tap(0, True, encode(Frame(server, client, len(parts) << 1 | 0x10, b"\xe6\xe6\x00" + GET)))
    found = captured(path)
    assert [dissector(packet) for packet in found] == ["data"] * len(parts) + ["dlms"]
    assert b"AARQ ln-ciphered" in found[-2].tags[36]


def test_half_a_message_is_shown_when_the_far_end_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    with Capture(path) as capture:
        tap = capture(NAME, SERIAL)
        tap(5, True, SNRM[:4])
        tap(9, True, b"")
    (packet,) = captured(path)
    assert (packet.time, packet.payload, packet.options[1]) == (9, SNRM[:4], [b"unfinished"])


def test_the_file_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"

    async def run() -> None:
        capture = Capture(path)
        tap = capture(NAME, SERIAL)
        tap(0, True, SNRM)
        assert captured(path) == []
        await asyncio.sleep(FLUSH_AFTER * 1.5)
        assert len(captured(path)) == 1
        # what is much is written at once
        for _ in range(1000):
            tap(0, False, UA)
        assert len(captured(path)) > 100
        capture.close()
        assert len(captured(path)) == 1001
        tap(0, False, UA)
        capture.close()

    asyncio.run(run())
    assert len(captured(path)) == 1001


def test_without_a_loop_all_is_written_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    capture = Capture(path)
    capture(NAME, SERIAL)(0, True, SNRM)
    assert len(captured(path)) == 1
    capture.close()


@pytest.mark.parametrize("name", ["", "missing/a.pcapng"])
def test_a_file_that_cannot_be_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(CaptureError) as raised:
        Capture(tmp_path / name)
    assert "\n" not in str(raised.value) and str(tmp_path / name) in str(raised.value)


def test_a_full_disk_is_told_once_and_leaves_whole_packets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pcapng"
    write: Any = os.write
    told: list[str] = []
    capture = Capture(path)
    capture.failed = told.append
    tap = capture(NAME, SERIAL)
    tap(0, True, SNRM)

    def full(file: int, data: bytes) -> int:
        if len(data) <= 10:
            raise OSError(28, "No space left on device")
        return int(write(file, bytes(data[:10])))

    monkeypatch.setattr(os, "write", full)
    for _ in range(3):
        tap(0, False, UA)
    assert told == [f"{path}: the capture ends here: No space left on device"] and capture.error == told[0]
    monkeypatch.undo()
    capture.close()
    assert [packet.payload for packet in captured(path)] == [SNRM]


def test_a_device_that_is_full_from_the_start() -> None:
    with pytest.raises(CaptureError, match="No space left"):
        Capture("/dev/full")
