"""Faults of security: what clients meet, that the device has lost nothing after them, and no counter goes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from emulator.device import Device
from emulator.electricity import ElectricityMeter
from emulator.faults.catalogue import CATALOGUE
from emulator.faults.fault import Layer
from emulator.faults.injection import Faults, Injection
from emulator.faults.parameters import FaultError
from emulator.nvm import Saved
from emulator.premises import Premises
from emulator.security import KeyId, ReservedCounters, SecurityState
from emulator.taps import associations_of
from emulator.time import Clock
from protocols import obis, wrapper
from protocols.dlms import axdr
from protocols.dlms.client import (
    AssociationRejected,
    AuthenticationFailed,
    ClientSettings,
    ExceptionAnswer,
    Method,
    Refused,
)
from protocols.dlms.keywrap import wrap
from protocols.dlms.security import COUNTER_MAX, Envelope, Protection
from protocols.errors import LocalProtocolError, ProtocolError, SecurityError

from ..conftest import START, DeviceSpec, Talker, settings_of
from .conftest import Place

SAPS = {"lls": 21, "hls": 17, "hls_gmac": 22, "ciphered_none": 23, "ciphered_lls": 24, "ciphered_gmac": 25}
KEY = "000102030405060708090A0B0C0D0E0F"


@pytest.fixture
def place(home: Callable[..., Premises], clock: Clock) -> Place:
    return Place(home(electricity=DeviceSpec(profile="electricity-bench")), clock)


def start(place: Place, name: str, **parameters: object) -> Injection:
    return place.start(name, "electricity", **parameters)


def meter_of(place: Place) -> Device:
    return place.device("electricity")


def state_of(place: Place, association: str = "ciphered_gmac") -> SecurityState:
    meter = meter_of(place)
    return meter.security(meter.firmware.model.by_name[association])


def settings(place: Place, association: str = "ciphered_gmac", **changes: object) -> ClientSettings:
    """What a client of an association knows; take it before a fault."""
    return settings_of(meter_of(place), association, **changes)


def talker(place: Place, known: ClientSettings, association: str = "ciphered_gmac") -> Talker:
    meter = meter_of(place)
    model = meter.firmware.model
    sap = model.associations[model.by_name[association]].client
    return Talker(meter.stacks["local-tcp"](), known, sap=sap)  # type: ignore[attr-defined]


def reads(client: Talker) -> bool:
    return bool(client.value(1, "0-0:42.0.0"))


@pytest.mark.parametrize("association", ["ciphered_none", "ciphered_gmac", "suite2_gmac"])
@pytest.mark.parametrize("name", ["wrong-unicast-key", "wrong-authentication-key"])
def test_a_key_that_is_another(place: Place, name: str, association: str) -> None:
    known = settings(place, association)
    before = state_of(place, association).image()
    stays = talker(place, known, association).open()
    fault = start(place, name)
    assert reads(stays)  # it was opened with the right key
    with pytest.raises(ExceptionAnswer, match="deciphering"):
        talker(place, known, association).open()
    assert {k: v for k, v in state_of(place, association).image().items() if k != "counters"} == {
        k: v for k, v in before.items() if k not in ("counters", "client_title")
    } | {"client_title": state_of(place, association).client_title.hex()}
    place.end(fault)
    assert reads(talker(place, known, association).open())
    assert state_of(place, association).mistaken is None


def test_a_device_goes_by_the_key_that_is_said(place: Place) -> None:
    fault = start(place, "wrong-unicast-key", key=KEY, client=25)
    assert reads(talker(place, settings(place), "ciphered_gmac").open())  # a client with what the device goes by
    assert settings(place).security.keys.encryption == bytes.fromhex(KEY)  # type: ignore[union-attr]
    with pytest.raises(FaultError, match=r"F1 \(wrong-unicast-key\) has that already; end it first"):
        start(place, "wrong-unicast-key", client=24)
    place.end(fault)
    assert reads(talker(place, settings(place)).open())
    true = state_of(place).encryption.hex()
    with pytest.raises(FaultError, match="home/electricity: has that unicast key already; give it another"):
        start(place, "wrong-unicast-key", key=true, client=25)


def test_a_key_that_is_transferred_puts_it_right(place: Place) -> None:
    known, state = settings(place), state_of(place)
    stays = talker(place, known).open()
    fault = start(place, "wrong-unicast-key", client=25)
    fresh = bytes(range(16))
    wrapped = axdr.array([axdr.structure(axdr.enum_(KeyId.GLOBAL_UNICAST), axdr.octets(wrap(state.master, fresh)))])
    stays.run(stays.client.action(Method(64, obis.parse("0-0:43.0.14"), 2), wrapped))
    assert state.encryption == fresh and state.mistaken is not None and state.mistaken.encryption is None
    assert reads(talker(place, settings(place)).open())
    place.end(fault)
    assert state.encryption == fresh and state.mistaken is None
    assert reads(talker(place, settings(place)).open())


def test_another_master_key(place: Place) -> None:
    known, state = settings(place), state_of(place)
    client = talker(place, known).open()
    key = bytes(range(16))
    wrapped = axdr.array([axdr.structure(axdr.enum_(KeyId.GLOBAL_BROADCAST), axdr.octets(wrap(state.master, key)))])
    transfer = Method(64, obis.parse("0-0:43.0.14"), 2)
    fault = start(place, "wrong-master-key")
    with pytest.raises(Refused, match="other reason"):
        client.run(client.client.action(transfer, wrapped))
    assert state.broadcast != key
    place.end(fault)
    client.run(client.client.action(transfer, wrapped))
    assert state.broadcast == key


def test_another_password(place: Place) -> None:
    known = settings(place, "lls")
    stays = talker(place, known, "lls").open()
    fault = start(place, "wrong-secret")
    with pytest.raises(AssociationRejected):
        talker(place, known, "lls").open()
    assert reads(stays)
    stays.set(15, "0-0:40.0.10", 7, axdr.octets(b"a new password"))
    with pytest.raises(AssociationRejected):
        talker(place, known, "lls").open()
    assert reads(talker(place, settings(place, "lls"), "lls").open())
    place.end(fault)
    assert reads(talker(place, settings(place, "lls"), "lls").open())
    assert state_of(place, "lls").secret == b"a new password"


def test_another_secret_of_hls(place: Place) -> None:
    known = settings(place, "hls")
    fault = start(place, "wrong-secret", client=SAPS["hls"])
    with pytest.raises((AuthenticationFailed, Refused)):
        talker(place, known, "hls").open()
    place.end(fault)
    assert reads(talker(place, known, "hls").open())


@pytest.mark.parametrize(("asks", "given"), [("both", 0x10), ("encrypted", 0x10), ("authenticated", 0x20)])
def test_a_policy_that_is_too_strict(place: Place, asks: str, given: int) -> None:
    known = settings(place, "ciphered_lls")
    weak = replace(known, security=replace(known.security, protection=Protection(given)))  # type: ignore[type-var]
    stays = talker(place, weak, "ciphered_lls").open()
    fault = start(place, "policy-too-strict", asks=asks, client=24)
    assert reads(stays)
    with pytest.raises(AssociationRejected):
        talker(place, weak, "ciphered_lls").open()
    strong = talker(place, settings(place, "ciphered_lls"), "ciphered_lls").open()
    policy = strong.value(64, "0-0:43.0.13", 2)
    assert policy != state_of(place, "ciphered_lls").policy == 0
    assert state_of(place, "ciphered_lls").image()["policy"] == 0
    known.security.counters.sent = state_of(place, "ciphered_lls").counters.received  # type: ignore[union-attr]
    place.end(fault)
    assert reads(talker(place, weak, "ciphered_lls").open())


def test_a_policy_that_asks_for_that_already(place: Place) -> None:
    with pytest.raises(FaultError, match="the security policy asks for that already"):
        start(place, "policy-too-strict", client=33)
    with pytest.raises(FaultError, match="no association of client 21 has anything to do with that"):
        start(place, "policy-too-strict", client=21)
    assert meter_of(place).taps is None


def test_a_client_whose_counter_is_behind(place: Place) -> None:
    known = settings(place)
    client = talker(place, known).open()
    before = state_of(place).counters.received
    fault = start(place, "client-counter-behind", by=5000)
    assert fault.over
    assert state_of(place).counters.received == before + 5000
    with pytest.raises(ExceptionAnswer, match=f"invocation counter error.*{before + 5000}"):
        reads(client)
    known.security.counters.sent = before + 5000  # type: ignore[union-attr]
    assert reads(client)


def test_a_counter_that_is_used_up(place: Place) -> None:
    known = settings(place)
    client = talker(place, known).open()
    sent, received = state_of(place).counters.sent, state_of(place).counters.received
    fault = start(place, "own-counter-used-up")
    with pytest.raises(ProtocolError):
        reads(client)
    assert client.stack.drop
    with pytest.raises(ProtocolError):
        talker(place, known).open()
    assert state_of(place).counters.sent == sent
    association = associations_of(meter_of(place))[0]
    with pytest.raises(LocalProtocolError, match="used up"):
        association.notify(b"\xc2\x00")
    place.end(fault)
    assert state_of(place).counters.received > received  # what was accepted meanwhile stays so
    again = talker(place, known).open()
    assert reads(again)
    assert state_of(place).counters.sent > sent
    assert any("fault F1: there is no answer: the invocation counter is used up" in line for line in client.said)


@pytest.mark.parametrize("counter", ["repeated", "going-back"])
def test_counters_that_were_used_before(place: Place, counter: str) -> None:
    known = settings(place)
    client = talker(place, known).open()
    for _ in range(5):
        assert reads(client)
    sent = state_of(place).counters.sent
    fault = start(place, "own-counter-behind", counter=counter, by=3)
    with pytest.raises(ProtocolError, match="invocation counter"):
        reads(client)
    for _ in range(5):  # with a client that does not look
        known.security.counters.received = 0  # type: ignore[union-attr]
        assert reads(client)
    used = state_of(place).counters.sent
    assert used == (sent if counter == "repeated" else sent + 3)
    place.end(fault)
    known.security.counters.received = used  # type: ignore[union-attr]
    assert reads(client)
    assert state_of(place).counters.sent == used + 1


@settings_of_hypothesis(max_examples=25)
@given(
    back=st.integers(1, 20),
    repeated=st.booleans(),
    before=st.integers(0, 6),
    during=st.integers(0, 6),
    after=st.integers(1, 4),
)
def test_no_counter_is_used_again_after_the_end(
    new_esme: Callable[..., ElectricityMeter], back: int, repeated: bool, before: int, during: int, after: int
) -> None:
    meter = new_esme(Clock(START), profile="electricity-bench")
    premises = Premises("home", hub=None, electricity=meter, gas=None)
    faults = Faults(meter.clock, 7, {"home": premises})
    known = settings_of(meter, "ciphered_none")
    client = Talker(meter.stacks["local-tcp"](), known, sap=23).open()
    heard: list[int] = []

    def read(times: int) -> None:
        for _ in range(times):
            known.security.counters.received = 0  # type: ignore[union-attr]
            assert client.value(1, "0-0:42.0.0")
            heard.append(known.security.counters.received)  # type: ignore[union-attr]

    read(before)
    fault = faults.start(
        "own-counter-behind", "home/electricity", {"counter": "repeated" if repeated else "going-back", "by": back}
    )
    read(during)
    faults.end(fault.id)
    used = max(heard, default=0)
    read(after)
    assert heard[-after] > used
    assert heard[-after:] == list(range(heard[-after], heard[-after] + after))


def test_counters_reserved_in_the_memory_stay_reserved(place: Place) -> None:
    state = state_of(place)
    state.keep(lambda: True)
    known = settings(place)
    client = talker(place, known).open()
    fault = start(place, "own-counter-used-up")
    with pytest.raises(ProtocolError):
        reads(client)
    counters = state.counters
    assert isinstance(counters, ReservedCounters)
    assert counters.reserved["sent"] < 1000 and counters.sent < COUNTER_MAX
    place.end(fault)
    start(place, "client-counter-behind", by=100_000)
    assert counters.reserved["received"] > 100_000


def test_a_rig_that_dies_meanwhile_has_lost_nothing(place: Place) -> None:
    meter, state = meter_of(place), state_of(place)
    known = settings(place)
    talker(place, known).open()
    before = state.image()
    for name in ("unicast-key", "authentication-key", "master-key", "secret"):
        start(place, f"wrong-{name}")
    start(place, "policy-too-strict", client=25)
    start(place, "own-counter-used-up")
    spec = meter.firmware.model.associations[meter.firmware.model.by_name["ciphered_gmac"]]
    again = SecurityState(spec, meter.ring)
    again.restore(Saved("security", state.image()))
    assert again.image() == before
    keys, wrong = again.context(b"TITLE678").keys, state.context(b"TITLE678").keys
    assert keys.encryption == known.security.keys.encryption != wrong.encryption  # type: ignore[union-attr]
    assert keys.authentication == known.security.keys.authentication != wrong.authentication  # type: ignore[union-attr]
    assert again.context(b"TITLE678").counters.sent == state.counters.sent < COUNTER_MAX


@pytest.mark.parametrize("where", ["services", "everywhere"])
def test_a_wrong_tag(place: Place, where: str) -> None:
    known = settings(place)
    stays = talker(place, known).open()
    fault = start(place, "wrong-tag", where=where)
    with pytest.raises(SecurityError, match="authentication tag"):
        reads(stays)
    fresh = talker(place, known)
    with pytest.raises(ProtocolError, match="authentication tag"):
        reads(fresh.open())
    place.end(fault)
    assert reads(talker(place, known).open())


def test_a_tag_is_only_wrong_where_there_is_one(place: Place) -> None:
    fault = start(place, "wrong-tag", where="everywhere", answers=1)
    assert reads(talker(place, settings(place, "lls"), "lls").open())
    assert not fault.over


@pytest.mark.parametrize("envelope", ["GENERAL_GLO", "GENERAL_CIPHERING"])
def test_a_wrong_tag_in_general_envelopes(place: Place, envelope: str) -> None:
    known = settings(place)
    known = replace(known, security=replace(known.security, envelope=Envelope[envelope]))  # type: ignore[type-var]
    client = talker(place, known).open()
    fault = start(place, "wrong-tag")
    with pytest.raises(SecurityError, match="authentication tag"):
        reads(client)
    place.end(fault)
    assert reads(talker(place, known).open())


def test_a_wrong_title(place: Place) -> None:
    known = settings(place)
    fault = start(place, "wrong-title", title="4142434445464748", answers=1)
    with pytest.raises(ProtocolError):
        talker(place, known).open()
    assert fault.over
    assert reads(talker(place, known).open())


@pytest.mark.parametrize("association", ["hls", "hls_gmac", "ciphered_gmac", "ciphered_sha256"])
@pytest.mark.parametrize("name", ["wrong-challenge", "wrong-challenge-answer"])
def test_challenges_that_go_wrong(place: Place, name: str, association: str) -> None:
    known = settings(place, association)
    fault = start(place, name)
    with pytest.raises((AuthenticationFailed, Refused)):
        talker(place, known, association).open()
    place.end(fault)
    assert reads(talker(place, known, association).open())


RUBBISH = [
    *("00", "C0", "C001", "C0020100000000", "C00281FFFFFFFF", "C10381FF7FFFFFFF0141", "C30281FFFFFFFF", "C400", "D8"),
    *("D9", "E0", "E081000100000000", "C8", "C800", "DB", "DB08", "DD", "DD0000000000", "FF"),
    *("62", "6200", "21", "61", "6103A20100", "60", "6000"),
]
"""What breaks off too early, says that it is longer than it is, or makes no sense; from the first 6 on all is over."""


@pytest.mark.parametrize("association", ["lls", "ciphered_gmac"])
def test_no_rubbish_is_too_much(place: Place, association: str) -> None:
    for fault in CATALOGUE.values():
        if fault.layer in (Layer.APPLICATION, Layer.SECURITY):
            client = talker(place, settings(place, association), association).open()
            injection = start(place, fault.name)
            for text in RUBBISH:
                client.stack.receive(wrapper.encode(client.sap, 1, bytes.fromhex(text)), place.clock.now)
            place.end(injection)
            assert meter_of(place).taps is None, fault.name
    assert reads(talker(place, settings(place, association), association).open())


def test_what_is_not_authenticated_is_not_hit(place: Place) -> None:
    for name in ("wrong-challenge", "wrong-challenge-answer", "wrong-title"):
        start(place, name)
    assert reads(talker(place, settings(place, "lls"), "lls").open())
