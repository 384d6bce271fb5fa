"""The secondary station as a rule-based state machine, held against a model that is simple because it is slow.

The model keeps the answer as a list of segments and thinks in frames; the station gets octets, whole or in slices.
Both have windows of one frame, so each turn of the server is one frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from protocols.hdlc import Frame, FrameReader, Link, Parameters, SecondaryStation, encode

LLC = bytes.fromhex("E6E600")
SERVER_LLC = bytes.fromhex("E6E700")
SECOND = 1_000_000_000
LIMIT = 40
POLL = 0x10
CLIENTS = st.sampled_from((0x21, 0x03))


def answer_to(apdu: bytes) -> list[bytes]:
    """Nothing, one answer of 0..125 octets, or two."""
    number = apdu[0] if apdu else 0
    answers = [bytes(octet + 1 & 0xFF for octet in apdu) * (number % 6), b"second" * (number % 3)]
    return answers[: number % 3]


@dataclass
class Modelled:
    """A client in normal response mode."""

    heard: int
    vs: int = 0
    vr: int = 0
    unacknowledged: tuple[bool, bytes] | None = None
    waiting: list[tuple[bool, bytes]] = field(default_factory=list)
    assembly: bytes = b""
    reject: bytes = b""
    busy: bool = False
    taken: int = 0  # I frames since the last turn


class Station(RuleBasedStateMachine):
    """Clients that behave, misbehave, and fall silent."""

    def __init__(self) -> None:
        super().__init__()
        self.station = SecondaryStation(
            self,
            logical={1},
            physical_address=17,
            limits=Parameters(LIMIT, LIMIT),
            inactivity_timeout=120 * SECOND,
        )
        self.now = 0
        self.delivered: list[tuple[int, bytes]] = []
        self.expected: list[tuple[int, bytes]] = []
        self.clients: dict[int, Modelled] = {}
        self.slices = 1

    # -- upper layer of the station

    def connected(self, link: Link) -> None:
        pass

    def received(self, link: Link, apdu: bytes) -> Sequence[bytes]:
        self.delivered.append((link.client, apdu))
        return answer_to(apdu)

    def unconfirmed(self, client: int, server: int, apdu: bytes) -> None:
        self.delivered.append((-client, apdu))

    def disconnected(self, link: Link, why: str) -> None:
        pass

    # -- both together

    def say(self, client: int, control: int, information: bytes = b"", segmented: bool = False) -> None:
        data = encode(Frame(b"\x03", bytes((client,)), control, information, segmented))
        step = -(-len(data) // self.slices)
        answer = b"".join(self.station.receive(data[at : at + step], self.now) for at in range(0, len(data), step))
        found = FrameReader(lambda reason, sentence: self.fail(reason + sentence)).receive(answer)
        right = self.model(client, control, information, segmented)
        assert found == ([] if right is None else [Frame(bytes((client,)), b"\x03", *right)])

    @staticmethod
    def fail(sentence: str) -> None:
        raise AssertionError(sentence)

    def model(self, client: int, control: int, information: bytes, segmented: bool) -> tuple[int, bytes, bool] | None:
        """Control, information and segmentation bit of the frame that answers; None without one."""
        poll, kind = control & POLL, control & ~POLL
        one = self.clients.get(client)
        if one is not None and self.now - one.heard >= 120 * SECOND:
            del self.clients[client]
            one = None
        if kind == 0x03 and information.startswith(LLC) and not segmented and len(information) <= LIMIT:
            self.expected.append((-(client >> 1), information[3:]))
        if kind == 0x83:
            self.clients[client] = Modelled(self.now)
            return (0x73, Parameters(LIMIT, LIMIT).encode(), False) if poll else None
        if one is None:
            return (0x1F, b"", False) if poll else None
        one.heard = self.now
        if kind == 0x43:
            del self.clients[client]
            return (0x73, b"", False) if poll else None
        if not one.reject:
            self.numbered(client >> 1, one, control, information, segmented)
        return self.turn(one) if poll else None

    def numbered(self, client: int, one: Modelled, control: int, information: bytes, segmented: bool) -> None:
        nr = control >> 5
        carries, supervises = not control & 1, control & 0x0F in (0x01, 0x05)
        right_nr = {one.vs} | ({(one.vs - 1) % 8} if one.unacknowledged else set())
        reason = 0
        if carries and len(information) > LIMIT:
            reason = 4
        elif supervises and information:
            reason = 3
        elif (carries or supervises) and nr not in right_nr:
            reason = 8
        elif not carries and not supervises and control & ~POLL != 0x03:
            reason = 1
        if reason:
            one.reject = bytes((control, one.vr << 5 | one.vs << 1, reason))
            return
        if not carries and not supervises:
            return
        if nr == one.vs:
            one.unacknowledged = None
        one.busy = control & 0x0F == 0x05
        if not carries or control >> 1 & 7 != one.vr or one.taken:
            return
        one.taken = 1
        one.vr = (one.vr + 1) % 8
        one.assembly += information
        if segmented:
            return
        message, one.assembly = one.assembly, b""
        if message.startswith(LLC):
            self.expected.append((client, message[3:]))
            for answer in answer_to(message[3:]):
                whole = SERVER_LLC + answer
                starts = range(0, len(whole), LIMIT)
                one.waiting += [(at + LIMIT < len(whole), whole[at : at + LIMIT]) for at in starts]

    @staticmethod
    def turn(one: Modelled) -> tuple[int, bytes, bool]:
        one.taken = 0
        if one.reject:
            return 0x97, one.reject, False
        if not one.busy:
            if one.unacknowledged is None and one.waiting:
                one.unacknowledged = one.waiting.pop(0)
                one.vs = (one.vs + 1) % 8
            if one.unacknowledged is not None:
                segmented, information = one.unacknowledged
                return one.vr << 5 | POLL | (one.vs - 1) % 8 << 1, information, segmented
        return one.vr << 5 | 0x11, b"", False

    # -- what clients do

    def of(self, client: int) -> Modelled:
        return self.clients.get(client, Modelled(0))

    @rule(client=CLIENTS)
    def connect(self, client: int) -> None:
        self.say(client, 0x93)

    @rule(client=CLIENTS)
    def disconnect(self, client: int) -> None:
        self.say(client, 0x53)

    @rule(
        client=CLIENTS,
        apdu=st.binary(max_size=LIMIT - 3),
        poll=st.sampled_from((POLL, POLL, POLL, 0)),
        segmented=st.sampled_from((False, False, True)),
    )
    def request(self, client: int, apdu: bytes, poll: int, segmented: bool) -> None:
        one = self.of(client)
        self.say(client, one.vs << 5 | poll | one.vr << 1, apdu if one.assembly else LLC + apdu, segmented)

    @rule(client=CLIENTS, back=st.integers(0, 1), apdu=st.binary(min_size=1, max_size=20))
    def repeat(self, client: int, back: int, apdu: bytes) -> None:
        """The last request again, having missed the answer or not."""
        one = self.of(client)
        self.say(client, (one.vs - back) % 8 << 5 | POLL | (one.vr - 1) % 8 << 1, LLC + apdu)

    @rule(client=CLIENTS, back=st.integers(0, 1), kind=st.sampled_from((0x11, 0x11, 0x01, 0x15)))
    def supervise(self, client: int, back: int, kind: int) -> None:
        self.say(client, (self.of(client).vs - back) % 8 << 5 | kind)

    @rule(
        client=CLIENTS,
        control=st.integers(0, 255),
        information=st.one_of(st.binary(max_size=LIMIT + 2), st.binary(max_size=LIMIT).map(LLC.__add__)),
        segmented=st.booleans(),
    )
    def anything(self, client: int, control: int, information: bytes, segmented: bool) -> None:
        if control & ~POLL != 0x83 or not information:
            self.say(client, control, information, segmented)

    @rule(client=CLIENTS, poll=st.sampled_from((0x13, 0x03)), apdu=st.binary(max_size=5))
    def unnumbered(self, client: int, poll: int, apdu: bytes) -> None:
        self.say(client, poll, LLC + apdu)

    @rule(noise=st.binary(max_size=30).filter(lambda octets: b"\x7e" not in octets))
    def noise(self, noise: bytes) -> None:
        assert self.station.receive(noise, self.now) == b""

    @rule(seconds=st.sampled_from((1, 60, 119, 120)), punctual=st.booleans())
    def silence(self, seconds: int, punctual: bool) -> None:
        self.now += seconds * SECOND
        due = self.station.next_timeout()
        if punctual and due is not None and due <= self.now:
            assert self.station.timeout(self.now) == b""
            later = self.station.next_timeout()
            assert later is None or later > self.now

    @rule(slices=st.integers(1, 40))
    def slice(self, slices: int) -> None:
        self.slices = slices

    @invariant()
    def each_once_and_in_order(self) -> None:
        assert self.delivered == self.expected

    @invariant()
    def no_link_unknown_to_the_model(self) -> None:
        for client in (0x21, 0x03):
            if client not in self.clients:
                assert self.station.link(client >> 1, 1) is None


TestStation = Station.TestCase
TestStation.settings = settings(max_examples=40, stateful_step_count=40)
