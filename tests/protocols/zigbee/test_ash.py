"""ASH: known octets, and nothing lost, doubled or reordered when frames are damaged."""

from __future__ import annotations

import contextlib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import FrameError, LocalProtocolError
from protocols.zigbee import ash
from protocols.zigbee.ash import AshHost, AshNcp, Connected, Discarded, Failed, Received, ResetRequested, State
from protocols.zigbee.ash_frames import CANCEL, FLAG, SUBSTITUTE, XOFF, XON, decode, encode, randomise

MS = 1_000_000
RST = bytes.fromhex("C038BC7E")


def started(settings: ash.Settings | None = None) -> AshNcp:
    ncp = AshNcp(settings)
    assert ncp.receive(b"\x1a" * 32 + RST, 0) == [ResetRequested()]
    ncp.start()
    assert ncp.output() == bytes.fromhex("C1020B0A527E")
    return ncp


def test_a_recorded_start() -> None:
    ncp = started()
    assert ncp.receive(bytes.fromhex("004221A850ED2C7E"), 0) == [Received(bytes.fromhex("00000004"))]
    assert ncp.output() == bytes.fromhex("8160597E")
    ncp.send(bytes.fromhex("0080000802206A"), 0)
    assert ncp.output() == bytes.fromhex("0142A1A85C2835D8E2587E")
    assert ncp.receive(bytes.fromhex("7D314221A9542A1D8CDF7E"), 0) == [Received(bytes.fromhex("000001000008"))]


@given(st.binary(min_size=3, max_size=128), st.integers(0, 0x7F))
def test_round_trip_and_no_reserved_octet_inside(data: bytes, control: int) -> None:
    raw = encode(control, randomise(data))
    assert not set(raw[:-1]) & {FLAG, XON, XOFF, SUBSTITUTE, CANCEL}
    assert decode(raw[:-1]) == (control, randomise(data))
    assert randomise(randomise(data)) == data


@given(st.binary(max_size=600))
def test_any_octets_are_taken_quietly(octets: bytes) -> None:
    ncp, host = started(), AshHost()
    host.connect(0)
    ncp.receive(octets, 0)
    host.receive(octets, 0)
    with contextlib.suppress(FrameError):
        decode(octets)


def test_damage_is_explained_and_refused_once() -> None:
    ncp = started()
    (event,) = ncp.receive(bytes.fromhex("004221A850ED2D7E"), 0)
    assert event == Discarded("an ASH frame with control 00 whose CRC is wrong")
    assert ncp.output() == encode(0xA0)
    ncp.receive(b"\x01\x02\x18\x7e", 0)
    assert ncp.output() == b""  # it rejects already
    assert ncp.counters.bad == 2
    assert [type(each) for each in ncp.receive(bytes.fromhex("00422111A850ED2C7E"), 0)] == [Received]  # raw XON ignored


def test_an_acknowledgement_of_nothing_is_refused() -> None:
    ncp = started()
    assert ncp.receive(encode(0x83), 0) == [Discarded("an ASH acknowledgement of 3, which was not sent")]


def test_window_holds_back_and_not_ready_pauses() -> None:
    ncp = started(ash.Settings(window=2))
    for index in range(3):
        ncp.send(bytes((index, 0, 0)), 0)
    assert ncp.output().count(FLAG) == 2
    ncp.receive(encode(0x81 | 0x08), 10 * MS)
    assert ncp.output() == b""
    assert ncp.next_timeout == 1010 * MS
    ncp.timeout(1010 * MS)
    assert ncp.output() == encode(0x20, randomise(b"\x02\x00\x00"))


def test_waits_grow_and_end_in_an_error_frame() -> None:
    ncp = started()
    ncp.send(b"abc", 0)
    first = ncp.output()
    waits, now, events = [], 0, []
    while not events:
        due = ncp.next_timeout
        assert due is not None
        waits.append((due - now) // MS)
        now = due
        events = ncp.timeout(now)
        last = ncp.output()
    assert waits == [1600, 3200, 3200, 3200]
    assert events == [Failed(0x51, "no acknowledgement in 4 waits")]
    assert last == encode(0xC2, b"\x02\x51")
    ncp.receive(first, now)
    assert ncp.output() == encode(0xC2, b"\x02\x51")
    with pytest.raises(LocalProtocolError, match="failed"):
        ncp.send(b"abc", now)
    assert ncp.receive(RST, now) == [ResetRequested()]


def test_host_asks_again_and_sees_restarts_and_errors() -> None:
    host = AshHost()
    host.connect(0)
    assert host.output() == b"\x1a" + RST
    host.timeout(3200 * MS)
    assert host.output() == b"\x1a" + RST
    assert host.receive(encode(0xC1, b"\x02\x0b"), 0) == [Connected(0x0B)]
    assert [type(each) for each in host.receive(encode(0xC1, b"\x02\x03"), 0)] == [Failed]
    assert host.state is State.FAILED


def test_limits() -> None:
    ncp = started(ash.Settings(queue=2, window=1))
    for data in (b"ab", bytes(129)):
        with pytest.raises(LocalProtocolError, match="octets"):
            ncp.send(data, 0)
    for _ in range(3):
        ncp.send(b"abc", 0)
    with pytest.raises(LocalProtocolError, match="wait already"):
        ncp.send(b"abc", 0)
    with pytest.raises(LocalProtocolError, match="window"):
        ash.Settings(window=8)


@pytest.mark.parametrize("window", [1, 3, 7])
@pytest.mark.parametrize("seed", range(8))
def test_ten_per_cent_damage_loses_doubles_and_reorders_nothing(seed: int, window: int) -> None:
    chance = Random(f"{seed}/{window}")
    settings = ash.Settings(window=window, timeouts=20)
    host, ncp = AshHost(settings), AshNcp(settings)
    host.connect(0)
    ncp.receive(host.output(), 0)
    ncp.start()
    host.receive(ncp.output(), 0)
    sent = {end: [chance.randbytes(chance.randint(3, 40)) for _ in range(100)] for end in (host, ncp)}
    for end, payloads in sent.items():
        for data in payloads:
            end.send(data, 0)
    got: dict[AshHost | AshNcp, list[bytes]] = {host: [], ncp: []}
    now = damaged = 0
    for _ in range(20_000):
        busy = False
        for source, sink in ((host, ncp), (ncp, host)):
            for frame in source.output().split(b"\x7e")[:-1]:
                busy = True
                octets = bytearray(frame + b"\x7e")
                if chance.random() < 0.1:
                    octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
                    damaged += 1
                events = sink.receive(octets, now)
                got[sink] += [event.data for event in events if isinstance(event, Received)]
        if not busy:
            due = [end.next_timeout for end in (host, ncp) if end.next_timeout is not None]
            if not due:
                break
            now = min(due)
            for end in (host, ncp):
                end.timeout(now)
        now += MS
    assert damaged > 10
    assert got[ncp] == sent[host]
    assert got[host] == sent[ncp]
