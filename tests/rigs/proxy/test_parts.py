"""What the proxy is made of, without ports: damage by seed, settings of a line, what asks the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import wrapper
from protocols.errors import FrameError
from protocols.hdlc import Frame, decode, encode
from protocols.sniffer import Kind, Message, Sniffer
from rigs.proxy.damage import Blow, Damage, Damager, parse_delay
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


LINE = b"".join(frame(number << 1 | 0x10, GET) for number in range(8)) * 6


def blows(slices: list[bytes], seed: int, damage: Damage) -> list[Blow]:
    sniffer, damager = Sniffer(), Damager(damage, seed, "line")
    return [damager.hit(found) for piece in slices for found in sniffer.see(True, piece)]


@given(st.integers(0, 1 << 32), st.integers(1, 50))
def test_damage_does_not_depend_on_how_octets_come(seed: int, size: int) -> None:
    damage = Damage(0.2, 0.2, 0.01, 0.2, parse_delay("uniform:1..9"))
    slices = [LINE[at : at + size] for at in range(0, len(LINE), size)]
    assert blows(slices, seed, damage) == blows([LINE], seed, damage)


def test_one_kind_of_damage_does_not_move_another() -> None:
    alone = [bool(blow.sendings) for blow in blows([LINE], 5, Damage(drop=0.3))]
    among = [bool(blow.sendings) for blow in blows([LINE], 5, Damage(0.3, 0.5, 0.01, 0.5, parse_delay("normal:9,3")))]
    assert alone == among
    assert 0 < alone.count(False) < len(alone)


def test_shares_are_what_they_say() -> None:
    dealt = [blow for seed in range(40) for blow in blows([LINE], seed, Damage(drop=0.25, duplicate=0.5))]
    dropped = sum(not blow.sendings for blow in dealt) / len(dealt)
    doubled = sum(len(blow.sendings) == 2 for blow in dealt) / sum(bool(blow.sendings) for blow in dealt)
    assert 0.2 < dropped < 0.3
    assert 0.44 < doubled < 0.56


def test_a_wrong_fcs_is_wrong_and_nothing_else_is() -> None:
    for blow in blows([LINE], 1, Damage(wrong_fcs=1.0)):
        (octets,) = blow.sendings
        assert blow.remark == "check wrong"
        with pytest.raises(FrameError):
            decode(octets)
    (whole,) = Sniffer(wrapped=True).see(True, wrapper.encode(16, 1, GET[3:]))
    assert Damager(Damage(wrong_fcs=1.0), 1, "line").hit(whole).sendings == (whole.octets,)  # it has none


@given(st.sampled_from(["50", "uniform:10..200", "normal:100,20", "exponential:50"]), st.integers(0, 1 << 32))
def test_delays_are_bounded(text: str, seed: int) -> None:
    damager = Damager(Damage(delay=parse_delay(text)), seed, "line")
    assert 0 <= damager.hit(message(frame(0x10, GET))).delay <= 60


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
