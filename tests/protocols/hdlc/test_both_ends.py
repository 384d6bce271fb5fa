"""Primary and secondary against each other on a line that loses, repeats and damages frames."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.hdlc import (
    Connected,
    Disconnected,
    FrameReader,
    Link,
    Parameters,
    PrimaryStation,
    Received,
    SecondaryStation,
    encode,
)

PARAMETERS = st.builds(Parameters, st.integers(32, 90), st.integers(32, 90), st.integers(1, 7), st.integers(1, 7))


class Line:
    """Two stations and what is between them. ``trouble`` is the chance, per frame, of each kind of fault."""

    def __init__(self, client: PrimaryStation, limits: Parameters, seed: int, trouble: float) -> None:
        self.client = client
        self.station = SecondaryStation(
            self, logical={1}, physical_address=17, limits=limits, inter_octet_timeout=25_000_000
        )
        self.chance = Random(seed)
        self.trouble = trouble
        self.now = 0
        self.server_got: list[bytes] = []
        self.client_got: list[bytes] = []
        self.ended: list[Disconnected] = []

    def connected(self, link: Link) -> None:
        pass

    def received(self, link: Link, apdu: bytes) -> Sequence[bytes]:
        self.server_got.append(apdu)
        return [apdu[::-1]]

    def unconfirmed(self, client: int, server: int, apdu: bytes) -> None:
        raise AssertionError("nobody sends UI here")

    def disconnected(self, link: Link, why: str) -> None:
        pass

    def carry(self, data: bytes) -> bytes:
        """What of the frames in ``data`` comes out at the other end."""
        out = b""
        for frame in FrameReader(lambda _reason, _sentence: None).receive(data):
            octets = encode(frame)
            fate = self.chance.random()
            if fate < self.trouble:
                continue
            if fate < 2 * self.trouble:
                octets += octets
            elif fate < 3 * self.trouble:
                place = self.chance.randrange(len(octets))
                octets = octets[:place] + bytes((octets[place] ^ 1 << self.chance.randrange(8),)) + octets[place + 1 :]
            elif fate < 4 * self.trouble:
                octets = octets[: self.chance.randrange(len(octets))]
            out += octets
        return out

    def run(self, data: bytes) -> None:
        """Until neither end has anything to say or wait for."""
        for _ in range(20_000):
            while data:
                answer = self.carry(self.station.receive(self.carry(data), self.now))
                self.happened(self.client.receive(answer, self.now))
                data = self.client.data_to_send()
            due = self.client.next_timeout()
            if due is None:
                return
            half = self.station.next_timeout()
            if half is not None and half < due:
                self.now = half
                self.happened(self.client.receive(self.carry(self.station.timeout(half)), half))
            else:
                self.now = due
                self.happened(self.client.timeout(due))
            data = self.client.data_to_send()
        raise AssertionError("no end to it")

    def happened(self, events: Sequence[object]) -> None:
        for event in events:
            match event:
                case Received(apdu):
                    self.client_got.append(apdu)
                case Disconnected():
                    self.ended.append(event)
                case Connected():
                    pass
                case _:
                    raise AssertionError(event)


def exchange(
    proposal: Parameters, limits: Parameters, apdus: list[bytes], seed: int, trouble: float, octets: int
) -> Line:
    client = PrimaryStation(
        16, 1, 17, address_octets=octets, proposal=proposal, retries=100, response_timeout=1_000_000_000
    )
    line = Line(client, limits, seed, trouble)
    line.run(client.connect(0))
    assert client.connected
    for apdu in apdus:
        line.run(client.send(apdu, line.now))
    return line


@given(
    PARAMETERS,
    PARAMETERS,
    st.lists(st.binary(min_size=1, max_size=700), min_size=1, max_size=12),
    st.integers(0, 2**32),
    st.sampled_from((0.0, 0.02, 0.1)),
    st.sampled_from((1, 2, 4)),
)
def test_every_apdu_arrives_exactly_once(
    proposal: Parameters, limits: Parameters, apdus: list[bytes], seed: int, trouble: float, octets: int
) -> None:
    line = exchange(proposal, limits, apdus, seed, trouble, octets)
    assert line.server_got == apdus
    assert line.client_got == [apdu[::-1] for apdu in apdus]
    assert line.ended == []
    assert line.client.idle
    line.run(line.client.disconnect(line.now))
    assert line.ended == [Disconnected("the client has disconnected", expected=True)]


@settings(max_examples=40)
@given(
    PARAMETERS,
    st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=8),
    st.integers(0, 2**32),
    st.sampled_from((0.0, 0.05)),
)
def test_requests_sent_ahead(parameters: Parameters, apdus: list[bytes], seed: int, trouble: float) -> None:
    """All requests are handed over at once; windows may carry several of them and of the answers."""
    line = exchange(parameters, parameters, [], seed, trouble, 1)
    data = b"".join(line.client.send(apdu, line.now) for apdu in apdus)
    line.run(data)
    while len(line.client_got) < len(apdus) and line.client.connected:
        line.run(line.client.poll(line.now))
    assert line.server_got == apdus
    assert line.client_got == [apdu[::-1] for apdu in apdus]


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_a_line_too_bad_ends_the_link(seed: int) -> None:
    """With nothing getting through any more the client gives up in its time; the next one is served at once."""
    line = exchange(Parameters(), Parameters(), [b"request"], seed, 0.0, 1)
    line.trouble = 1.0
    line.client.retries = 3
    line.run(line.client.send(b"lost", line.now))
    assert line.ended == [Disconnected("no answer in 4 attempts")]
    line.trouble = 0.0
    line.run(line.client.connect(line.now))
    line.run(line.client.send(b"found", line.now))
    assert line.client_got[-1] == b"dnuof"
