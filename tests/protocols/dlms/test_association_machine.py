"""Any octets in any state, and the association as a state machine against a simple model."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.acse import Aare, Release
from protocols.dlms.association import Association, State
from protocols.dlms.enums import Mechanism
from protocols.dlms.handshake import REPLY_TO_HLS
from protocols.dlms.requests import ActionNormal, GetNext, GetNormal, SetBlock, SetFirst, SetNormal, Target
from protocols.dlms.security import Envelope


def _helpers():
    """The device in memory; state machines take no fixtures, so conftest is loaded as a module of its own."""
    name = "memory_for_machines"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("conftest.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


memory = _helpers()
SETTING, PROFILE, ENERGY = memory.SETTING, memory.PROFILE, memory.ENERGY
HIDDEN = b"\x00\x03" + obis.parse("1-0:1.8.0") + b"\x03"
NOT_NOW = bytes.fromhex("d80101")
ANSWERS = {0x61, 0x63, 0x0E, 0xD8, 0xDA, 0xDB, 0xDC, 0xDD, 0xE0, 0xC4, 0xC5, 0xC7, 0xCC, 0xCD, 0xCF, 0xD4, 0xD5, 0xD7}

FIRST = (0x60, 0x62, 0xC0, 0xC1, 0xC3, 0xC8, 0xC9, 0xCB, 0xD0, 0xD9, 0xDB, 0xDC, 0xDD, 0xE0, 0x05, 0x06, 0x0F, 0x16)
octets = st.one_of(
    st.binary(max_size=60),
    st.tuples(st.sampled_from(FIRST), st.integers(0, 6), st.binary(max_size=50)).map(
        lambda made: bytes(made[:2]) + made[2]
    ),
    st.binary(max_size=20).map(lambda rest: b"\xc1\x01\xc1" + SETTING + b"\x00" + rest),
    st.binary(max_size=20).map(lambda rest: b"\xc0\x01\xc1" + PROFILE + b"\x01\x02" + rest),
    st.integers(1, 6).map(lambda depth: b"\xc1\x01\xc1" + SETTING + b"\x00" + b"\x01\x01" * 10**depth),
)


def opened(client: int, ciphered: bool = False, **options: object):
    made = memory.Peer(memory.MemoryDevice(), client)
    made.open(ciphered=ciphered, **options)
    return made


@settings(max_examples=400)
@given(st.sampled_from(("idle", "pending", "open", "small", "ciphered")), st.lists(octets, min_size=1, max_size=4))
def test_any_octets_in_any_state(state: str, apdus: list[bytes]) -> None:
    """Nothing is raised, answers are APDUs of the standard and no longer than agreed; the next client is served."""
    match state:
        case "idle":
            peer = memory.Peer(memory.MemoryDevice(), memory.PUBLIC)
        case "pending":
            peer = memory.Peer(memory.MemoryDevice(), memory.HLS)
            peer.send(peer.aarq(ciphered=True))
        case "open":
            peer = opened(memory.PUBLIC)
        case "small":
            peer = opened(memory.PUBLIC, max_pdu=64)
        case _:
            peer = opened(memory.HLS, ciphered=True)
    for apdu in apdus:
        limit = peer.association.client_max_pdu
        for answer in peer.association.handle(apdu):
            assert answer[0] in ANSWERS
            assert not limit or answer[0] == 0x61 or len(answer) <= limit
    peer.association.lost()
    fresh = memory.Peer(peer.device, memory.PUBLIC)
    fresh.open()
    assert fresh.send(GetNormal(0xC1, Target(ENERGY)).encode())[:4] == bytes.fromhex("c401c100")


@settings(max_examples=150)
@given(st.lists(octets, min_size=1, max_size=3), st.sampled_from(Envelope))
def test_any_octets_under_good_protection(plains: list[bytes], envelope: Envelope) -> None:
    """What an authorised client may send wrong inside a right envelope."""
    peer = opened(memory.HLS, ciphered=True)
    peer.security.keys.dedicated = bytes(16)
    peer.association.handle(peer.aarq(ciphered=True, dedicated=bytes(16)))
    peer.server_challenge = memory.CHALLENGE
    peer.send(peer.security.protect(peer.pass_3(), Envelope.GLO, 0x30))
    assert peer.association.state is State.ASSOCIATED
    for plain in plains:
        if envelope in (Envelope.GLO, Envelope.DED) and plain[:1] not in (b"\xc0", b"\xc1", b"\xc3"):
            continue
        for answer in peer.association.handle(peer.security.protect(plain, envelope, 0x30)):
            assert answer[0] in ANSWERS
            assert len(answer) <= 512
    assert peer.ciphered(GetNormal(0xC1, Target(ENERGY)).encode())[:4] == bytes.fromhex("c401c100")


class AssociationMachine(RuleBasedStateMachine):
    """A client of each kind does whatever comes to mind; the model says what the association must answer."""

    @initialize(kind=st.sampled_from(("public", "lls", "md5", "gmac")))
    def begin(self, kind: str) -> None:
        self.device = memory.MemoryDevice()
        self.client = {"public": 16, "lls": 17, "md5": 18, "gmac": 1}[kind]
        self.device.terms[18] = memory.Terms(mechanism=Mechanism.HLS_MD5)
        self.peer = memory.Peer(self.device, self.client)
        self.ciphered = kind == "gmac"
        self.state = State.IDLE
        self.setting = 7
        self.long_get = 0
        self.long_set = 0
        self.openings = self.closings = 0

    @property
    def association(self) -> Association:
        return self.peer.association

    def exchange(self, apdu: bytes) -> bytes:
        """Send as the association wants it, and take the answer out of its envelope; exceptions come bare."""
        if not self.ciphered:
            return self.peer.send(apdu)
        answer = self.peer.send(self.peer.security.protect(apdu, Envelope.GLO, 0x30))
        return answer if answer[0] == 0xD8 else self.peer.security.unprotect(answer).plain

    def ended(self) -> None:
        self.closings += self.state is State.ASSOCIATED
        self.state = State.IDLE

    def started(self) -> None:
        self.state = State.ASSOCIATED
        self.openings += 1
        self.setting, self.long_get, self.long_set = 7, 0, 0

    @rule(good=st.booleans(), small=st.booleans())
    def aarq(self, good: bool, small: bool) -> None:
        size = 128 if small else 512
        options: dict[str, object] = {} if good else {"context": 4}
        answer = Aare.decode(self.peer.send(self.peer.aarq(ciphered=self.ciphered, max_pdu=size, **options)))
        self.ended()
        assert answer.result == (not good)
        if good and answer.diagnostic == 14:
            self.state = State.PENDING
            self.peer.server_challenge = answer.authentication
        elif good:
            self.started()

    @precondition(lambda self: self.state is not State.IDLE)
    @rule(good=st.booleans())
    def pass_3(self, good: bool) -> None:
        apdu = self.peer.pass_3() if self.client in (1, 18) else ActionNormal(0xC1, REPLY_TO_HLS, b"\x09\x00").encode()
        if not good:
            apdu = apdu[:-1] + bytes((apdu[-1] ^ 1,))
        pending = self.state is State.PENDING
        answer = self.exchange(apdu)
        if not pending:
            assert answer == bytes.fromhex("c701c10400") or answer[0] == 0xD8
        elif good:
            assert answer.startswith(bytes.fromhex("c701c1000100"))
            self.started()
        else:
            assert answer == bytes.fromhex("c701c10300")
            self.state = State.IDLE

    @rule()
    def get(self) -> None:
        answer = self.exchange(GetNormal(0xC1, Target(SETTING)).encode())
        if self.state is State.ASSOCIATED:
            assert answer == b"\xc4\x01\xc1\x00" + axdr.u16(self.setting)
            self.long_get = 0
        else:
            assert answer == NOT_NOW

    @rule()
    def get_long(self) -> None:
        answer = self.exchange(GetNormal(0xC1, Target(PROFILE)).encode())
        if self.state is State.ASSOCIATED:
            assert answer[:8] == bytes.fromhex("c402c10000000001")
            self.long_get = 1
        else:
            assert answer == NOT_NOW

    @rule(number=st.integers(1, 3))
    def get_next(self, number: int) -> None:
        answer = self.exchange(GetNext(0xC1, number).encode())
        if self.state is not State.ASSOCIATED:
            assert answer == NOT_NOW
        elif not self.long_get:
            assert answer == b"\xc4\x02\xc1\x01" + number.to_bytes(4, "big") + b"\x01\x10"
        elif number != self.long_get:
            assert answer == b"\xc4\x02\xc1\x01" + number.to_bytes(4, "big") + b"\x01\x13"
            self.long_get = 0
        else:
            assert answer[4:9] == (number + 1).to_bytes(4, "big") + b"\x00"
            self.long_get = 0 if answer[3] else number + 1

    @rule(value=st.integers(0, 0xFFFF))
    def set(self, value: int) -> None:
        answer = self.exchange(SetNormal(0xC1, Target(SETTING), axdr.u16(value)).encode())
        if self.state is State.ASSOCIATED:
            assert answer == bytes.fromhex("c501c100")
            self.setting = value
        else:
            assert answer == NOT_NOW

    @rule(number=st.sampled_from((1, 1, 2)))
    def set_first(self, number: int) -> None:
        answer = self.exchange(SetFirst(0xC1, (Target(SETTING),), False, False, number, b"\x12").encode())
        if self.state is not State.ASSOCIATED:
            assert answer == NOT_NOW
        elif number == 1:
            assert answer == bytes.fromhex("c502c100000001")
            self.long_set = 1
        else:
            assert answer == bytes.fromhex("c503c11300000002")
            self.long_set = 0

    @rule(number=st.integers(1, 3), value=st.integers(0, 0xFFFF))
    def set_block(self, number: int, value: int) -> None:
        answer = self.exchange(SetBlock(0xC1, True, number, value.to_bytes(2, "big")).encode())
        if self.state is not State.ASSOCIATED:
            assert answer == NOT_NOW
            return
        result = 0x12 if not self.long_set else 0 if number == self.long_set + 1 else 0x13
        assert answer == bytes((0xC5, 3, 0xC1, result)) + number.to_bytes(4, "big")
        if not result:
            self.setting = value
        self.long_set = 0

    @rule()
    def hidden(self) -> None:
        answer = self.exchange(GetNormal(0xC1, Target(HIDDEN)).encode())
        if self.state is not State.ASSOCIATED:
            assert answer == NOT_NOW
            return
        assert (
            answer[:5] == bytes.fromhex("c401c10103") if self.client == 16 else answer[:4] == bytes.fromhex("c401c100")
        )
        self.long_get = 0

    @precondition(lambda self: self.ciphered and self.state is State.ASSOCIATED)
    @rule()
    def replay(self) -> None:
        apdu = self.peer.security.protect(GetNormal(0xC1, Target(SETTING)).encode(), Envelope.GLO, 0x30)
        self.peer.security.unprotect(self.peer.send(apdu))
        self.long_get = 0
        assert self.peer.send(apdu) == b"\xd8\x01\x06" + self.peer.security.counters.sent.to_bytes(4, "big")

    @precondition(lambda self: self.ciphered)
    @rule()
    def unprotected(self) -> None:
        assert self.peer.send(GetNormal(0xC1, Target(SETTING)).encode()) == NOT_NOW

    @rule(apdu=st.sampled_from((b"", b"\xff", b"\xc0", b"\xc0\x09\xc1\x00", b"\xe0\x00", b"\x60\x01")))
    def rubbish(self, apdu: bytes) -> None:
        answers = self.association.handle(apdu)
        assert len(answers) == bool(apdu)
        if apdu[:1] == b"\x60":
            assert Aare.decode(answers[0]).result == 1
            self.ended()

    @rule()
    def release(self) -> None:
        answer = self.peer.send(Release(False).encode())
        assert answer == (NOT_NOW if self.state is State.IDLE else bytes.fromhex("6303800100"))
        self.ended()

    @rule()
    def lose(self) -> None:
        self.association.lost()
        self.ended()

    @invariant()
    def agrees(self) -> None:
        assert self.association.state is self.state
        assert self.device.events.count("opened") == self.openings
        assert self.device.events.count("closed") == self.closings
        assert not self.association.message_authenticated


TestAssociationMachine = AssociationMachine.TestCase
TestAssociationMachine.settings = settings(max_examples=60, stateful_step_count=30)


def test_bomb() -> None:
    """A megabyte of nested arrays is refused without being built."""
    peer = opened(memory.PUBLIC)
    peer.association._offer.max_receive_pdu = 0
    bomb = b"\xc1\x01\xc1" + SETTING + b"\x00" + b"\x01\x01" * 500_000
    assert peer.send(bomb) == bytes.fromhex("d80103")
    wide = b"\xc1\x01\xc1" + SETTING + b"\x00" + b"\x01\x83\x0f\xff\xff" + bytes(1_000_000)
    assert peer.send(wide) == bytes.fromhex("d80103")


@pytest.mark.parametrize("size", [0, 200_000])
def test_values_in_blocks_are_bounded(size: int) -> None:
    """A client that never ends its SET is stopped at the limit, and what was held is let go."""
    peer = opened(memory.PUBLIC)
    peer.association._offer.max_receive_pdu = 0
    answer = peer.send(SetFirst(0xC1, (Target(SETTING),), False, False, 1, bytes(size)).encode())
    number = 1
    while answer[1] == 2 and number < 12:
        number += 1
        answer = peer.send(SetBlock(0xC1, False, number, bytes(size)).encode())
    assert answer[1] == (3 if size else 2)
