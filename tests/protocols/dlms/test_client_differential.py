"""Our client against our server: what comes of every service is what the objects themselves say, however it travels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.dlms import axdr
from protocols.dlms.association import Association
from protocols.dlms.client import (
    Attribute,
    Client,
    ClientSecurity,
    ClientSettings,
    ClientState,
    Exchange,
    Method,
    NoAnswer,
    Outcome,
    Refused,
    act_item,
    by_entry,
    client_counters,
    read_item,
    write_item,
)
from protocols.dlms.enums import Mechanism
from protocols.dlms.objects import AccessRefused
from protocols.dlms.security import Envelope, Keys
from protocols.errors import ProtocolError

from .conftest import (
    AK,
    CLIENT_TITLE,
    ECHO,
    EK,
    ENERGY,
    KEK,
    NAME,
    PROFILE,
    RESET,
    SECOND_SETTING,
    SECRET,
    SETTING,
    Memory,
    MemoryDevice,
    Terms,
)

SAP = 33
ROUNDS = 5000
ABSENT = ENERGY[:8] + b"\x09"
ATTRIBUTES = [ENERGY, NAME, SETTING, SECOND_SETTING, PROFILE, ABSENT]
METHODS = [ECHO, RESET, ABSENT]
CURVE = {0: ec.SECP256R1, 1: ec.SECP256R1, 2: ec.SECP384R1}


def attribute(descriptor: bytes) -> Attribute:
    return Attribute(int.from_bytes(descriptor[:2], "big"), descriptor[2:8], descriptor[8])


def method(descriptor: bytes) -> Method:
    return Method(int.from_bytes(descriptor[:2], "big"), descriptor[2:8], descriptor[8])


@dataclass
class Pair:
    """A client and the association it talks to; ``lose`` says which APDUs do not arrive."""

    client: Client
    association: Association
    device: MemoryDevice
    lose: Callable[[bytes], bool] = lambda _apdu: False

    def run(self, exchange: Exchange[object]) -> object:
        """Carry APDUs to and fro until the exchange is done; what came of it."""
        for _ in range(ROUNDS):
            due = self.client.to_send()
            if not due and not exchange.done and not self.client.stalled():
                self.client.abandon(NoAnswer("quiet"))
            for apdu in due:
                if not self.lose(apdu):
                    for answer in self.association.handle(apdu):
                        if not self.lose(answer):
                            self.client.receive(answer)
            if exchange.done and not due:
                return exchange.result()
        raise AssertionError("the exchange does not end")

    def associate(self) -> None:
        self.run(self.client.associate())
        assert self.client.state is ClientState.OPEN
        assert self.association.state_code == 2
        assert self.client.negotiated is not None
        assert self.client.negotiated.conformance == self.association.conformance


@dataclass(frozen=True)
class Setup:
    """How the two sides agree to talk."""

    mechanism: Mechanism = Mechanism.NONE
    suite: int = 0
    ciphered: bool = False
    envelope: Envelope = Envelope.GLO
    protection: int = 0x30
    dedicated: bool = False
    wrapped_keys: bool = False
    server_pdu: int = 512
    server_sends: int = 512
    client_pdu: int = 0xFFFF
    block_window: int = 0
    conformance: int = 0x60FEDF

    def pair(self) -> Pair:
        keys = (EK, AK) if self.suite < 2 else (EK * 2, AK * 2)
        ours, theirs = (ec.derive_private_key(number, CURVE[self.suite]()) for number in (20_011, 20_021))
        device = MemoryDevice()
        device.terms[SAP] = Terms(
            contexts=(3,) if self.ciphered else (1,),
            mechanism=self.mechanism,
            conformance=self.conformance,
            max_receive_pdu=self.server_pdu,
            max_send_pdu=self.server_sends,
            suite=self.suite,
            keys=keys,
            challenge=bytes(range(100, 132)),
            signing=theirs,
            verifying=ours.public_key(),
        )
        security = ClientSecurity(
            CLIENT_TITLE,
            Keys(*keys, kek=KEK),
            suite=self.suite,
            ciphered=self.ciphered,
            protection=self.protection,
            envelope=self.envelope,
            dedicated=self.dedicated and self.ciphered,
            wrapped_keys=self.wrapped_keys,
            counters=client_counters(),
            signing=ours,
            peer_verifying=theirs.public_key(),
        )
        wanted = ClientSettings(
            self.mechanism,
            SECRET,
            security,
            max_receive_pdu=self.client_pdu,
            block_window=self.block_window,
            challenge_octets=32,
        )
        client = Client(wanted, Random(7).randbytes)
        return Pair(client, Association(device, SAP, 1), device)


setups = st.builds(
    Setup,
    mechanism=st.sampled_from(Mechanism),
    suite=st.integers(0, 2),
    ciphered=st.booleans(),
    envelope=st.sampled_from([Envelope.GLO, Envelope.GENERAL_GLO, Envelope.GENERAL_CIPHERING]),
    protection=st.sampled_from([0x10, 0x20, 0x30]),
    dedicated=st.booleans(),
    wrapped_keys=st.booleans(),
    server_pdu=st.integers(192, 1024),  # pass 3 of ECDSA on P-384 has no blocks
    server_sends=st.integers(128, 1024),
    client_pdu=st.one_of(st.just(0), st.integers(128, 1024)),
    block_window=st.one_of(st.just(0), st.integers(1, 63)),
)
names = st.sampled_from(ATTRIBUTES)
data = st.one_of(
    st.integers(0, 0xFFFF).map(axdr.u16), st.integers(0, 9).map(axdr.u8), st.binary(max_size=900).map(axdr.octets)
)
selections = st.one_of(st.none(), st.integers(1, 100).map(lambda first: by_entry(first, first + 60)))
operations = st.one_of(
    st.tuples(st.just("get"), names, selections),
    st.tuples(st.just("set"), names, data),
    st.tuples(st.just("action"), st.sampled_from(METHODS), st.one_of(st.none(), data)),
    st.tuples(st.just("get_list"), st.lists(st.tuples(names, selections), min_size=1, max_size=5)),
    st.tuples(st.just("set_list"), st.lists(st.tuples(names, data), min_size=1, max_size=5)),
    st.tuples(st.just("action_list"), st.lists(st.tuples(st.sampled_from(METHODS), data), min_size=1, max_size=5)),
    st.tuples(st.just("access"), st.lists(st.tuples(st.integers(0, 2), st.sampled_from(METHODS), data), max_size=4)),
)


class Model:
    """The objects of an association asked directly."""

    def __init__(self, association: Association) -> None:
        self.objects = Memory(association)

    def get(self, descriptor: bytes, selection: bytes | None = None) -> Outcome:
        return _outcome(lambda: self.objects.get(descriptor, selection))

    def set(self, descriptor: bytes, value: bytes) -> Outcome:
        return _outcome(lambda: self.objects.set(descriptor, None, value))

    def action(self, descriptor: bytes, parameters: bytes | None) -> Outcome:
        return _outcome(lambda: self.objects.action(descriptor, parameters))


def _outcome(call: Callable[[], bytes | None]) -> Outcome:
    try:
        return Outcome(0, call())
    except AccessRefused as refused:
        return Outcome(refused.result)


def _single(pair: Pair, exchange: Exchange[object]) -> Outcome:
    try:
        value = pair.run(exchange)
    except Refused as refused:
        return Outcome(refused.result)
    assert value is None or isinstance(value, bytes)
    return Outcome(0, value)


def perform(pair: Pair, model: Model, operation: tuple[object, ...]) -> None:
    """Do one thing through the client and to the model, and compare."""
    client = pair.client
    match operation:
        case ("get", bytes() as name, selection):
            assert _single(pair, client.get(attribute(name), selection)) == model.get(name, selection)
        case ("set", bytes() as name, value):
            assert _single(pair, client.set(attribute(name), value)) == model.set(name, value)
        case ("action", bytes() as name, parameters):
            assert _single(pair, client.action(method(name), parameters)) == model.action(name, parameters)
        case ("get_list", items):
            got = pair.run(client.get_list([(attribute(name), selection) for name, selection in items]))
            assert got == tuple(model.get(*item) for item in items)
        case ("set_list", items):
            got = pair.run(client.set_list([(attribute(name), None, value) for name, value in items]))
            assert got == tuple(model.set(*item) for item in items)
        case ("action_list", items):
            got = pair.run(client.action_list([(method(name), value) for name, value in items]))
            assert got == tuple(model.action(*item) for item in items)
        case ("access", items):
            access(pair, model, items)
        case _:
            raise AssertionError(operation)


def access(pair: Pair, model: Model, items: list[tuple[int, bytes, bytes]]) -> None:
    asked, expected = [read_item(attribute(ENERGY))], [model.get(ENERGY)]
    for kind, name, value in items:
        match kind:
            case 0:
                asked.append(read_item(attribute(PROFILE), by_entry(1, 9)))
                expected.append(model.get(PROFILE, by_entry(1, 9)))
            case 1:
                asked.append(write_item(attribute(SECOND_SETTING), value))
                expected.append(model.set(SECOND_SETTING, value))
            case _:
                asked.append(act_item(method(name), value))
                expected.append(model.action(name, value))
    got = pair.run(pair.client.access(asked))
    # An ACCESS response has null-data where there is none, and what no APDU holds is refused as a whole.
    assert got == tuple(Outcome(outcome.result, outcome.data or axdr.NULL) for outcome in expected)


def fits(setup: Setup, operation: tuple[object, ...]) -> bool:
    """Whether an operation can be carried: ACCESS has no blocks of its own."""
    if operation[0] != "access":
        return True
    return setup.block_window > 0


@settings(max_examples=60)
@given(setups, st.lists(operations, min_size=1, max_size=5))
def test_services_however_they_travel(setup: Setup, wanted: list[tuple[object, ...]]) -> None:
    pair = setup.pair()
    pair.associate()
    model = Model(pair.association)
    for operation in wanted:
        if fits(setup, operation):
            perform(pair, model, operation)
    pair.run(pair.client.release())
    assert pair.client.state is ClientState.IDLE
    assert pair.association.state_code == 0


@pytest.mark.parametrize("mechanism", Mechanism)
@pytest.mark.parametrize("ciphered", [False, True])
@pytest.mark.parametrize("suite", [0, 1, 2])
def test_every_mechanism(mechanism: Mechanism, ciphered: bool, suite: int) -> None:
    pair = Setup(mechanism, suite, ciphered).pair()
    pair.associate()
    assert pair.run(pair.client.get(attribute(ENERGY))) == axdr.u32(123_456)
    again = pair.client
    pair.run(again.release())
    pair.associate()
    assert pair.run(again.get(attribute(ENERGY))) == axdr.u32(123_456)


@pytest.mark.parametrize("envelope", [Envelope.GLO, Envelope.GENERAL_GLO, Envelope.GENERAL_CIPHERING])
@pytest.mark.parametrize("protection", [0x10, 0x20, 0x30])
@pytest.mark.parametrize("keys", ["global", "dedicated", "wrapped"])
def test_every_envelope(envelope: Envelope, protection: int, keys: str) -> None:
    pair = Setup(
        Mechanism.HLS_GMAC,
        ciphered=True,
        envelope=envelope,
        protection=protection,
        dedicated=keys == "dedicated",
        wrapped_keys=keys == "wrapped",
    ).pair()
    pair.associate()
    model = Model(pair.association)
    perform(pair, model, ("get", PROFILE, None))
    perform(pair, model, ("set", SECOND_SETTING, axdr.octets(bytes(2000))))
    perform(pair, model, ("action", ECHO, axdr.octets(bytes(2000))))


@settings(max_examples=40)
@given(st.integers(1, 10), st.integers(0, 2**32), st.booleans())
def test_general_block_transfer_over_a_lossy_line(window: int, seed: int, ciphered: bool) -> None:
    """Every value arrives whole, or the exchange ends in an error; what is protected is carried out once.

    A plain request whose answer got lost cannot be told from the same request made anew.
    """
    pair = Setup(
        Mechanism.LLS, ciphered=ciphered, server_pdu=128, server_sends=128, client_pdu=128, block_window=window
    ).pair()
    pair.associate()
    chance = Random(seed)
    pair.lose = lambda apdu: apdu[0] == 0xE0 and chance.random() < 0.1
    value = axdr.octets(bytes(range(256)) * 3)
    for _ in range(3):
        objects = pair.device.objects
        assert objects is not None
        before = len(objects.calls)
        try:
            assert pair.run(pair.client.action(method(ECHO), value)) == value
        except ProtocolError:
            break
        done = objects.calls[before:]
        assert done == [(ECHO, value)] * (1 if ciphered else len(done))
        assert done


@settings(max_examples=60)
@given(st.data(), st.booleans())
def test_damaged_answers_end_the_exchange_or_change_nothing(chosen: st.DataObject, ciphered: bool) -> None:
    """Damage on the way back is never taken for an answer where the answers are authenticated."""
    pair = Setup(Mechanism.LLS, ciphered=ciphered, server_sends=200).pair()
    pair.associate()
    exchange = pair.client.get(attribute(PROFILE))
    damaged = False
    while not exchange.done:
        for apdu in pair.client.to_send():
            for answer in pair.association.handle(apdu):
                octets = bytearray(answer)
                if chosen.draw(st.integers(0, 3)) == 0:
                    at = chosen.draw(st.integers(0, len(octets) - 1))
                    octets[at] ^= chosen.draw(st.integers(1, 255))
                    damaged = True
                pair.client.receive(bytes(octets))
        if not exchange.done and damaged:
            pair.client.abandon(NoAnswer("quiet"))
    try:
        value = exchange.result()
    except ProtocolError:
        assert damaged
    else:
        assert value == Model(pair.association).objects.values[PROFILE] or not ciphered
