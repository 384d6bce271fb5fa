"""A secondary station given any octets: it never raises, never grows, and does not care how they were sliced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.hdlc import Frame, Link, Parameters, SecondaryStation, encode, encode_address

LLC = bytes.fromhex("E6E600")
DESTINATIONS = st.sampled_from(
    [encode_address(1), encode_address(16), encode_address(1, 17), encode_address(1, 17, 4), encode_address(5), b"\xff"]
)
CLIENTS = st.sampled_from([encode_address(16), encode_address(1), encode_address(0), b"\x02\x21"])
PARAMETERS = st.builds(
    Parameters, st.integers(32, 2030), st.integers(32, 2030), st.integers(1, 7), st.integers(1, 7)
).map(Parameters.encode)
INFORMATION = st.one_of(st.just(b""), st.binary(max_size=150), st.binary(max_size=40).map(LLC.__add__), PARAMETERS)
CONTROLS = st.one_of(st.sampled_from((0x93, 0x93, 0x10, 0x32, 0x54, 0x30, 0x11, 0x31)), st.integers(0, 255))
FRAMES = st.builds(Frame, DESTINATIONS, CLIENTS, CONTROLS, INFORMATION, st.booleans()).map(encode)
COMMON = st.builds(
    lambda control, apdu: encode(Frame(b"\x03", b"\x21", control, LLC + apdu)),
    st.integers(0, 127).map(lambda number: 0x10 | number << 1 & 0xEE),
    st.binary(max_size=30),
)
SNRM = encode(Frame(b"\x03", b"\x21", 0x93))
STREAM = st.lists(
    st.one_of(
        COMMON, FRAMES, st.just(SNRM), st.binary(max_size=30), FRAMES.map(lambda frame: frame[:-3]), st.just(b"\x7e")
    ),
    max_size=12,
).map(lambda pieces: SNRM + b"".join(pieces))


class Meter:
    """A station and what its upper layer was told."""

    def __init__(self) -> None:
        self.log: list[object] = []
        self.station = SecondaryStation(
            self,
            logical={1, 16},
            physical_address=17,
            limits=Parameters(200, 200, 3, 3),
            inter_octet_timeout=25_000_000,
        )
        self.sentences: Counter[str] = Counter()
        self.station.explain = lambda sentence: self.sentences.update([sentence])

    def connected(self, link: Link) -> None:
        self.log.append(("connected", link.client, link.server, link.parameters))

    def received(self, link: Link, apdu: bytes) -> Sequence[bytes]:
        self.log.append((link.client, link.server, apdu))
        return [apdu * count for count in (3, 2, 1)][: len(apdu) % 3]

    def unconfirmed(self, client: int, server: int, apdu: bytes) -> None:
        self.log.append(("unconfirmed", client, server, apdu))

    def disconnected(self, link: Link, why: str) -> None:
        self.log.append(("disconnected", link.client, link.server, why))

    def hear(self, pieces: list[bytes]) -> tuple[bytes, list[object], Counter[str], Counter[str]]:
        """Answers, log, sentences and counters after pieces and silence."""
        answers = b"".join(self.station.receive(piece, 5) for piece in pieces)
        while (due := self.station.next_timeout()) is not None:
            answers += self.station.timeout(due)
        return answers, self.log, self.sentences, self.station.counters


@given(STREAM, st.lists(st.integers(0, 3000), max_size=10))
def test_whole_and_cut_are_the_same(stream: bytes, places: list[int]) -> None:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    whole = Meter().hear([stream])
    assert Meter().hear([stream[start:end] for start, end in pairwise(edges)]) == whole
    assert Meter().hear([bytes((octet,)) for octet in stream]) == whole


@settings(max_examples=50)
@given(STREAM)
def test_the_next_client_is_served(stream: bytes) -> None:
    meter = Meter()
    meter.hear([stream])
    wide = encode_address(16, 17)
    answer = meter.station.receive(encode(Frame(wide, b"\x41", 0x93)), 10)
    assert answer == encode(Frame(b"\x41", wide, 0x73, Parameters().encode()))
