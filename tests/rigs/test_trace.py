"""The live trace: each message in a line, by name, and never a secret."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import obis, wrapper
from protocols.dlms import axdr
from protocols.dlms.access import AccessRequest, AccessResponse, Item, Kind
from protocols.dlms.acse import Aare, Aarq, DiagnosticSource, Release
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.gbt import Block
from protocols.dlms.initiate import InitiateRequest, InitiateResponse
from protocols.dlms.notification import DataNotification, EventNotification
from protocols.dlms.requests import (
    ActionFirst,
    ActionList,
    ActionNext,
    ActionNormal,
    GetList,
    GetNext,
    GetNormal,
    SetBlock,
    SetFirst,
    SetList,
    SetNormal,
    Target,
)
from protocols.dlms.security import Counters, Envelope, Keys, SecurityContext
from protocols.hdlc.frame import Frame, encode, encode_address
from rigs.apdu_text import ApduText
from rigs.opener import Opener
from rigs.ports import parse_port
from rigs.trace import Trace

NAME = "home/electricity/optical"
SERIAL, TCP, UDP = parse_port("pty:./meter"), parse_port("tcp:4059"), parse_port("udp:4059")
NOON = 43_200_000_000_000 + 123_456_789


def descriptor(class_id: int, name: str, index: int) -> bytes:
    return class_id.to_bytes(2, "big") + obis.parse(name) + bytes((index,))


ENERGY = Target(descriptor(3, "1-0:1.8.0", 2))
CLOCK = Target(descriptor(8, "0-0:1.0.0", 2))
BY_ENTRY = b"\x02" + axdr.structure(axdr.u32(1), axdr.u32(2), axdr.u16(1), axdr.u16(0))
INITIATE = InitiateRequest(0x7E1F, 1024).encode()


@pytest.mark.parametrize(
    ("apdu", "text"),
    [
        (Aarq(1, INITIATE).encode(), "AARQ ln, conformance 007E1F, PDU 1024"),
        (
            Aarq(3, INITIATE, 5, b"12345678", b"ABC00001").encode(),
            "AARQ ln-ciphered, hls-gmac, title 4142433030303031, conformance 007E1F, PDU 1024",
        ),
        (
            Aare(1, 0, DiagnosticSource.USER, 0, InitiateResponse(0x10, 512).encode()).encode(),
            "AARE accepted, conformance 000010, PDU 512",
        ),
        (
            Aare(1, 1, DiagnosticSource.USER, 13).encode(),
            "AARE rejected-permanent, authentication-failure",
        ),
        (Aare(1, 1, DiagnosticSource.PROVIDER, 2).encode(), "AARE rejected-permanent, no-common-version"),
        (Release(False).encode(), "RLRQ reason 0"),
        (Release(True, None).encode(), "RLRE"),
        (GetNormal(0xC1, ENERGY).encode(), "GET Register 1-0:1.8.0.255 value"),
        (
            GetNormal(0xC1, Target(descriptor(7, "1-0:99.1.0", 2), BY_ENTRY)).encode(),
            "GET Profile generic 1-0:99.1.0.255 buffer by entry (1, 2, 1, 0)",
        ),
        (
            GetNormal(0xC1, Target(descriptor(9999, "1-0:1.8.0", 7))).encode(),
            "GET class 9999 1-0:1.8.0.255 attribute 7",
        ),
        (GetNext(0xC1, 3).encode(), "GET the block after 3"),
        (GetList(0xC1, (ENERGY,) * 6).encode(), "GET " + "Register 1-0:1.8.0.255 value; " * 4 + "and 2 more"),
        (SetNormal(0xC1, ENERGY, axdr.u32(7)).encode(), "SET Register 1-0:1.8.0.255 value = 7"),
        (
            SetList(0xC1, (ENERGY, CLOCK), (axdr.u32(7), axdr.NULL)).encode(),
            "SET Register 1-0:1.8.0.255 value; Clock 0-0:1.0.0.255 time = 7; -",
        ),
        (
            SetFirst(0xC1, (ENERGY,), False, False, 1, b"xyz").encode(),
            "SET Register 1-0:1.8.0.255 value, block 1, 3 octets",
        ),
        (SetBlock(0xC1, True, 2, b"xyz").encode(), "SET block 2 (last), 3 octets"),
        (
            ActionNormal(0xC1, descriptor(8, "0-0:1.0.0", 6), axdr.i16(5)).encode(),
            "ACTION Clock 0-0:1.0.0.255 shift_time (5)",
        ),
        (ActionNormal(0xC1, descriptor(8, "0-0:1.0.0", 9), None).encode(), "ACTION Clock 0-0:1.0.0.255 method 9 ()"),
        (
            ActionList(0xC1, (descriptor(3, "1-0:1.8.0", 1),), (axdr.NULL,)).encode(),
            "ACTION Register 1-0:1.8.0.255 reset (-)",
        ),
        (
            ActionFirst(0xC1, (descriptor(18, "0-0:44.0.0", 2),), False, False, 1, b"xyz").encode(),
            "ACTION Image transfer 0-0:44.0.0.255 image_block_transfer, block 1, 3 octets",
        ),
        (ActionNext(0xC1, 3).encode(), "ACTION: the block after 3"),
        (b"\xc4\x01\xc1\x00" + axdr.u32(12), "GET response: 12"),
        (b"\xc4\x01\xc1\x01\x03", "GET response: read write denied (3)"),
        (b"\xc4\x02\xc1\x01\x00\x00\x00\x02\x00\x03abc", "GET response: block 2 (last), 3 octets"),
        (b"\xc4\x02\xc1\x01\x00\x00\x00\x02\x01\x13", "GET response: data block number invalid (19)"),
        (b"\xc4\x03\xc1\x02\x00" + axdr.u8(1) + b"\x01\x04", "GET response: 1; object undefined (4)"),
        (b"\xc5\x01\xc1\x00", "SET response: success (0)"),
        (b"\xc5\x02\xc1\x00\x00\x00\x05", "SET response: block 5 taken"),
        (b"\xc5\x03\xc1\x0c\x00\x00\x00\x05", "SET response: type unmatched (12)"),
        (b"\xc5\x05\xc1\x02\x00\x03", "SET response: success (0); read write denied (3)"),
        (b"\xc7\x01\xc1\x00\x00", "ACTION response: success (0)"),
        (b"\xc7\x01\xc1\x00\x01\x00" + axdr.u8(9), "ACTION response: success (0), 9"),
        (b"\xc7\x03\xc1\x02\x00\x00\x04\x00", "ACTION response: success (0); object undefined (4)"),
        (b"\xc7\x04\xc1\x00\x00\x00\x05", "ACTION response: block 5 taken"),
        (b"\xc7\x09\xc1", "ACTION response: choice 9"),
        (b"\xd8\x02\x01", "exception: service-unknown, operation-not-possible"),
        (
            b"\xd8\x01\x06\x00\x00\x23\x2b",
            "exception: service-not-allowed, invocation-counter-error, last counter 9003",
        ),
        (b"\x0e\x01\x06\x02", "confirmed-service-error: service 1, kind 6, value 2"),
        (DataNotification(1, axdr.u8(5)).encode(), "data-notification: 5"),
        (
            EventNotification(ENERGY.descriptor, axdr.u8(5)).encode(),
            "event-notification: Register 1-0:1.8.0.255 value = 5",
        ),
        (
            Block(True, False, 3, 7, 6, b"abc").encode(),
            "general-block-transfer: block 7, acknowledges 6, window 3, last, 3 octets",
        ),
        (
            AccessRequest(
                1,
                (
                    Item(Kind.GET, ENERGY.descriptor, None, axdr.NULL),
                    Item(Kind.SET, CLOCK.descriptor, None, axdr.u8(1)),
                ),
            ).encode(),
            "ACCESS GET Register 1-0:1.8.0.255 value; SET Clock 0-0:1.0.0.255 time = 1",
        ),
        (
            AccessResponse(
                1,
                (axdr.u8(1), axdr.NULL),
                ((Kind.GET, DataAccessResult.SUCCESS), (Kind.SET, DataAccessResult.READ_WRITE_DENIED)),
            ).encode(),
            "ACCESS response: 1; read write denied (3)",
        ),
        (b"\x99\x01", "ApduTag 153, 2 octets"),
        (b"", "empty APDU"),
    ],
)
def test_apdus_by_name(apdu: bytes, text: str) -> None:
    assert ApduText().tell(apdu, True) == text


def test_answers_say_what_was_asked() -> None:
    texts = ApduText()
    texts.tell(GetNormal(0xC1, ENERGY).encode(), True)
    assert texts.tell(b"\xc4\x01\xc1\x00" + axdr.u32(12), False) == "GET response Register 1-0:1.8.0.255 value: 12"
    texts.tell(GetNext(0xC1, 1).encode(), True)
    assert texts.tell(b"\xc4\x01\xc1\x01\x02", False).startswith("GET response Register 1-0:1.8.0.255 value: ")


def test_long_values_are_cut() -> None:
    text = ApduText().tell(b"\xc4\x01\xc1\x00" + axdr.array([axdr.u32(1_000_000)] * 100), False)
    assert len(text) < 250 and text.endswith("(502 octets)")


def test_what_cannot_be_read_says_why() -> None:
    assert ApduText().tell(GetNormal(0xC1, ENERGY).encode()[:8], True).startswith("get-request, malformed: ")


@given(st.lists(st.tuples(st.binary(max_size=40), st.booleans()), max_size=5))
def test_any_apdu_is_one_line(apdus: list[tuple[bytes, bool]]) -> None:
    texts = ApduText(Opener("a/b/c", lambda port, apdu: apdu[1:] or None))
    for apdu, inbound in apdus:
        assert "\n" not in texts.tell(apdu, inbound)


@given(
    st.sampled_from(
        [b"\xc0", b"\xc1", b"\xc3", b"\xc4", b"\xc5", b"\xc7", b"\xc8", b"\xdb", b"\xdd", b"\xd9", b"\x60", b"\x61"]
    ),
    st.binary(max_size=60),
)
def test_any_apdu_of_a_known_tag_is_one_line(tag: bytes, rest: bytes) -> None:
    assert "\n" not in ApduText(Opener("a/b/c", lambda port, apdu: None)).tell(tag + rest, True)


# -- secrets --------------------------------------------------------------------------------------------

PASSWORD = b"hunter22"
SECRET_APDUS = [
    Aarq(1, INITIATE, 1, PASSWORD).encode(),
    SetNormal(0xC1, Target(descriptor(15, "0-0:40.0.0", 7)), axdr.octets(PASSWORD)).encode(),
    SetNormal(0xC1, Target(descriptor(19, "0-0:20.0.0", 8)), axdr.octets(PASSWORD)).encode(),
    SetList(0xC1, (Target(descriptor(15, "0-0:40.0.0", 7)), ENERGY), (axdr.octets(PASSWORD), axdr.u8(1))).encode(),
    SetFirst(0xC1, (Target(descriptor(15, "0-0:40.0.0", 7)),), False, True, 1, axdr.octets(PASSWORD)).encode(),
    ActionNormal(0xC1, descriptor(15, "0-0:40.0.0", 2), axdr.octets(PASSWORD)).encode(),
    ActionNormal(
        0xC1, descriptor(64, "0-0:43.0.0", 2), axdr.array([axdr.structure(axdr.enum_(0), axdr.octets(PASSWORD))])
    ).encode(),
    AccessRequest(
        1,
        (
            Item(Kind.SET, descriptor(15, "0-0:40.0.0", 7), None, axdr.octets(PASSWORD)),
            Item(Kind.GET, ENERGY.descriptor, None, axdr.NULL),
        ),
    ).encode(),
]


@pytest.mark.parametrize("hexadecimal", [False, True])
@pytest.mark.parametrize("number", range(len(SECRET_APDUS)))
@pytest.mark.parametrize("segments", [1, 2])
def test_secrets_are_not_shown(number: int, hexadecimal: bool, segments: int) -> None:
    lines: list[str] = []
    tap = Trace(lines.append, hexadecimal=hexadecimal)(NAME, SERIAL)
    apdu = b"\xe6\xe6\x00" + SECRET_APDUS[number]
    size = len(apdu) if segments == 1 else apdu.index(PASSWORD) + 4
    parts = [apdu[at : at + size] for at in range(0, len(apdu), size)]
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        tap(0, True, encode(Frame(encode_address(1), encode_address(16), index << 1 | 0x10, part, not last)))
    shown = "\n".join(lines)
    assert len(lines) >= len(parts)
    assert "hunter" not in shown and PASSWORD.hex() not in shown.replace(" ", "")
    for half in (PASSWORD[:4], PASSWORD[4:]):
        assert half.hex() not in shown


@pytest.mark.parametrize("hexadecimal", [False, True])
def test_a_secret_that_is_read_is_not_shown(hexadecimal: bool) -> None:
    lines: list[str] = []
    tap = Trace(lines.append, hexadecimal=hexadecimal)("home/hub/wan-tcp", TCP)
    tap(0, True, wrapper.encode(16, 1, GetNormal(0xC1, Target(descriptor(19, "0-0:20.0.0", 7))).encode()))
    tap(0, False, wrapper.encode(1, 16, b"\xc4\x01\xc1\x00" + axdr.octets(PASSWORD)))
    assert "hunter" not in "".join(lines) and PASSWORD.hex() not in "".join(lines)
    # and the next one is
    tap(0, True, wrapper.encode(16, 1, GetNormal(0xC1, ENERGY).encode()))
    tap(0, False, wrapper.encode(1, 16, b"\xc4\x01\xc1\x00" + axdr.octets(PASSWORD)))
    assert ("hunter22" if not hexadecimal else PASSWORD.hex()) in lines[-1]


@pytest.mark.parametrize("hexadecimal", [False, True])
def test_passwords_of_programming_mode(hexadecimal: bool) -> None:
    lines: list[str] = []
    tap = Trace(lines.append, hexadecimal=hexadecimal)(NAME, SERIAL)
    message = b"\x01P1\x02(" + PASSWORD + b")\x03q"
    tap(0, True, message)
    tap(0, True, bytes(octet | 0x80 if octet.bit_count() & 1 else octet for octet in message))
    assert "hunter" not in "".join(lines) and PASSWORD.hex() not in "".join(lines)
    assert re.search("[*]{16}" if hexadecimal else "<SOH>P1<STX>", lines[-1])


# -- lines ----------------------------------------------------------------------------------------------


def test_decoded_lines() -> None:
    lines: list[str] = []
    trace = Trace(lines.append)
    tap = trace(NAME, SERIAL)
    tap(NOON, True, b"/?!\r\n")
    tap(NOON, True, encode(Frame(encode_address(1, 17), encode_address(16), 0x93)))
    tap(
        NOON,
        True,
        encode(Frame(encode_address(1), encode_address(16), 0x10, b"\xe6\xe6\x00" + GetNormal(0xC1, ENERGY).encode())),
    )
    tap(NOON, False, b"\x99\x98")
    trace("home/hub/wan-udp", UDP)(NOON, False, wrapper.encode(1, 16, b"\xc5\x01\xc1\x00"))
    start = f"12:00:00.123456 {NAME}"
    assert lines == [
        f"{start} <- /?!<CR><LF>",
        f"{start} <- 16>1/17 SNRM P/F=1",
        f"{start} <- 16>1 I N(S)=0 N(R)=0 P/F=1, 16 octets | GET Register 1-0:1.8.0.255 value",
        f"{start} -> 2 octets of no message: 99 98",
        "12:00:00.123456 home/hub/wan-udp -> 1>16 | SET response: success (0)",
    ]


def test_hexadecimal_lines() -> None:
    lines: list[str] = []
    tap = Trace(lines.append, hexadecimal=True)(NAME, SERIAL)
    snrm = bytes.fromhex("7EA0070321930F017E")
    tap(NOON, True, b"/?!\r\n" + snrm)
    tap(NOON, False, snrm)
    assert lines == [
        f"# 12:00:00.123456 {NAME}",
        "# RX 2f3f210d0a",
        f"# 12:00:00.123456 {NAME}",
        "RX 7ea0070321930f017e",
        f"# 12:00:00.123456 {NAME}",
        "TX 7ea0070321930f017e",
    ]


def test_ciphered_apdus_are_opened_where_the_keys_are_known() -> None:
    """The keys' holder is told the title that the AARQ announced."""
    keys = Keys(bytes(range(16)), bytes(range(16, 32)))
    client = SecurityContext(suite=0, system_title=b"CLI00001", peer_title=b"", keys=keys, counters=Counters())

    def reveal(port: str, apdu: bytes) -> bytes | None:
        assert port == "home/hub/wan-tcp"
        holder = SecurityContext(
            suite=0, system_title=b"SRV00001", peer_title=b"", keys=keys, counters=Counters(received=-1)
        )
        return holder.unprotect(apdu).plain if apdu[0] == 0xDB else None

    get = client.protect(GetNormal(0xC1, ENERGY).encode(), Envelope.GLO, 0x30)
    lines: list[str] = []
    for trace in (Trace(lines.append, reveal=reveal), Trace(lines.append)):
        tap = trace("home/hub/wan-tcp", TCP)
        tap(0, True, wrapper.encode(16, 1, Aarq(3, INITIATE, 5, b"12345678", b"CLI00001").encode()))
        tap(0, True, wrapper.encode(16, 1, get))
    header = "glo-get-request (authenticated and encrypted, suite 0, counter 1)"
    assert lines[1].endswith(f"{header} [GET Register 1-0:1.8.0.255 value]")
    assert lines[3].endswith(f"{header}, {len(get)} octets")
