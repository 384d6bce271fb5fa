"""What the proxy is made of, without ports: damage by seed, settings of a line, what asks the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from emulator.faults.damage import WRONG
from protocols import wrapper
from protocols.hdlc import Frame, decode, encode
from protocols.sniffer import Kind, Message, Sniffer
from rigs.commands.proxy import app
from rigs.proxy.matching import LinkState, answer_now, key
from rigs.proxy.settings import Settings, SettingsFollower

CLIENT, METER = b"\x21", b"\x02\x23"
GET = bytes.fromhex("E6E600C001C10001000060010 0FF0200".replace(" ", ""))
START = Settings(300, "7E1")


def frame(control: int, information: bytes = b"", *, answer: bool = False) -> bytes:
    destination, source = (CLIENT, METER) if answer else (METER, CLIENT)
    return encode(Frame(destination, source, control, information))


def message(octets: bytes, inbound: bool = True, *, wrapped: bool = False) -> Message:
    sniffer = Sniffer(wrapped=wrapped)
    (found,) = sniffer.see(inbound, octets) or sniffer.flush()
    return found


@pytest.mark.parametrize(
    ("mode", "settings", "end"),
    [
        (b"2", Settings(9600, "8N1"), [(True, frame(0x53)), (False, frame(0x73, answer=True))]),
        (b"0", Settings(9600, "7E1"), [(False, b"\x021-0:1.8.0(1)\r\n!\r\n\x03\x2a")]),
        (b"1", Settings(9600, "7E1"), [(True, b"\x01B0\x03q")]),
    ],
)
def test_settings_follow_a_sign_on(mode: bytes, settings: Settings, end: list[tuple[bool, bytes]]) -> None:
    follower = SettingsFollower(START)
    assert follower.see(message(b"/?!\r\n")) == START
    assert follower.see(message(b"/GEN5\\2SSWG-E1\r\n", False)) == START
    assert follower.see(message(b"\x06" + mode + b"5" + mode + b"\r\n")) == settings
    last = settings
    for inbound, octets in end:
        last = follower.see(message(octets, inbound))
    assert last == START


def test_what_counts_requests_is_not_compared() -> None:
    one, two = message(frame(0x10, GET)), message(frame(0x76, GET.replace(b"\xc1", b"\xc5", 1)))
    assert key(one) == key(two)
    assert key(one) != key(message(frame(0x10, GET[:-3] + b"\x03" + GET[-2:])))
    assert key(message(frame(0x31))) == key(message(frame(0xF1)))
    plain = [message(wrapper.encode(16, 1, GET[3:5] + bytes((n,)) + GET[6:]), wrapped=True) for n in (0xC1, 0xC9)]
    assert key(plain[0]) == key(plain[1])
    ciphered = [bytes.fromhex("C8123000000001") + bytes(12), bytes.fromhex("C8123000000009") + bytes(range(12))]
    same = [key(message(wrapper.encode(16, 1, apdu), wrapped=True)) for apdu in ciphered]
    assert same[0] == same[1]


@given(st.integers(0, 7), st.integers(0, 7), st.integers(0, 15))
def test_an_answer_of_then_answers_now(sent: int, received: int, invoke: int) -> None:
    answer = bytes.fromhex("E6E700C401C1001105")
    recorded = message(frame(0x30, answer, answer=True), False)
    request = GET[:5] + bytes((0xC0 | invoke,)) + GET[6:]
    asked = message(frame(0x10 | sent << 1 | received << 5, request))
    assert asked.frame is not None
    links = LinkState()
    links.heard(asked.frame)
    now = decode(answer_now(recorded, asked, links, 0))
    assert (now.control >> 1 & 7, now.control >> 5) == (received, (sent + 1) % 8)
    assert now.information[5] == 0xC0 | invoke
    assert now.information[6:] == answer[6:]
    assert asked.kind is Kind.HDLC


def test_the_command_names_every_way_to_be_wrong() -> None:
    shown = " ".join(CliRunner().invoke(app, ["record", "--help"]).stdout.replace("│", " ").split())
    assert f"Share wrong in a way: {', '.join(WRONG)};" in shown
