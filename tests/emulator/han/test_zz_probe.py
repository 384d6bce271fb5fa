from __future__ import annotations
import pytest
from emulator.han.message import *
from emulator.han.message import Message
from emulator.premises import build_premises, replace_gas_meter
from emulator.time import MINUTE, SECOND, Clock, HOUR
from emulator.nvm import MemoryNvm, keep
from firmware_profiles.loader import load
from ..conftest import SEED, START, DeviceSpec, Prepayment, Spec, Load
from protocols.zigbee import mac, nwk, aps
from protocols.zigbee.security import Auxiliary, KeyId
from emulator.smart_energy.application import Application


def test_swap_mirror(clock):
    p = build_premises("home", Spec(display=DeviceSpec()), clock, SEED, load)
    clock.advance_to(START + 2*HOUR)
    han = p.hub.han
    app = han.application
    print("mirror", app.mirror.eui64.hex(), p.gas.identity.eui64.hex())
    old = p.gas
    new = replace_gas_meter(p, DeviceSpec(), clock, SEED, load)
    han.unregister(old.identity.eui64)
    print("after unregister", app.mirror)
    m = han.member(new)
    han.register(new.identity.eui64, m.first_key, 0)
    han.permit(True)
    clock.advance_to(clock.now + 2*HOUR)
    print("on", m.on, m.refusal)
    assert m.on
    assert app.mirror is not None and app.mirror.eui64 == new.identity.eui64
    assert m.application.mirror_endpoint


def test_taken_away_message(clock):
    p = build_premises("home", Spec(display=DeviceSpec()), clock, SEED, load)
    clock.advance_to(START + 2*HOUR)
    han = p.hub.han
    m = han.member(p.gas)
    got = []
    m._application = type("A", (), {"receive": lambda self, a: got.append(a)})()
    m.stay_awake(clock.now + MINUTE)
    out = []
    han.send(m.node.address, Message(0x109, 0x702, 1, 1, b"\0\1\0\4\0", True), out.append)
    han.take_away(p.gas)
    clock.advance_to(clock.now + 2*MINUTE)
    assert got == [] and out == [False]


def frame(han, sender, destination, counter, key, seq, payload=b"\0\1\0\4\0"):
    data = aps.encode(aps.ApsFrame(aps.FrameType.DATA, 9, payload, aps.Delivery.BROADCAST, 1, None, 0x702, 0x109, 1))
    f = nwk.NwkFrame(nwk.FrameType.DATA, destination, sender.address, 30, 5, data)
    sec = nwk.encode(f, key, Auxiliary(KeyId.NETWORK, counter, sender.eui64, seq))
    return mac.encode(mac.MacFrame(mac.FrameType.DATA, 1, sec, han.pan_id, 0xFFFF, han.pan_id, sender.address))


def test_refused_hears(clock):
    p = build_premises("home", Spec(), clock, SEED, load)
    clock.advance_to(START + 2*HOUR)
    han = p.hub.han
    new = replace_gas_meter(p, DeviceSpec(), clock, SEED, load)
    m = han.member(new)
    han.permit(True)
    m.join()
    print(m.refusal, m.node.address)
    e = han.member(p.electricity)
    han.air.inject(frame(han, e.node, 0xFFFF, e.node.counter + 5, bytes(16), (han.key_sequence - 1) & 0xFF))
    print(han.air.dropped)


def test_sleeping_hears(clock):
    p = build_premises("home", Spec(), clock, SEED, load)
    clock.advance_to(START + 2*HOUR)
    han = p.hub.han
    m = han.member(p.gas)
    got = []
    m._application = type("A", (), {"receive": lambda self, a: got.append(a)})()
    before = p.gas.last_wake_up
    e = han.member(p.electricity)
    han.air.inject(frame(han, e.node, 0xFFFF, e.node.counter + 5, han.network_key, han.key_sequence))
    assert got == [] and p.gas.last_wake_up == before


def test_link_key_kept(clock):
    p = build_premises("home", Spec(), clock, SEED, load)
    nvms = {d.identity.device_id: MemoryNvm() for d in p.devices()}
    for d in p.devices():
        keep(d, nvms[d.identity.device_id]); d.keeper.begin()
    clock.advance_to(START + 2*HOUR)
    han = p.hub.han
    e = han.member(p.electricity)
    assert han.update_link_key(p.electricity.identity.eui64)
    han.update_network_key()
    clock.advance_to(clock.now + SECOND)
    clock2 = Clock(clock.now)
    q = build_premises("home", Spec(), clock2, SEED, load)
    ds = list(q.devices())
    for d in ds:
        assert keep(d, nvms[d.identity.device_id])
    for d in reversed(ds):
        d.resume()
    m = q.hub.han.member(q.electricity)
    print(m.on, m.link_key == e.link_key, m.network_key == e.network_key)
    assert m.link_key == e.link_key and m.network_key == e.network_key
    assert m.on


@pytest.mark.parametrize("listened", (False, True))
def test_express_retries(clock, listened):
    p = build_premises("home", Spec(), clock, SEED, load)
    clock.advance_to(START + 2*HOUR)
    han = p.hub.han
    if listened:
        han.air.listen(lambda *_: None)
    m = han.member(p.electricity)
    out = []
    han.send(m.node.address, Message(0x109, 0x702, 1, 1, b"\0\1\0\4\0", True), lambda ok: out.append((ok, clock.now - START - 2*HOUR)))
    p.electricity.power_off()
    clock.advance_to(clock.now + 2*MINUTE)
    print(out, m.node.counter, han.node.counter)


@pytest.mark.parametrize("listened", (False, True))
def test_cbke(clock, listened):
    p = build_premises("home", Spec(), clock, SEED, load)
    han = p.hub.han
    if listened:
        han.air.listen(lambda *_: None)
    clock.advance_to(START + 26*HOUR)
    new = p.gas
    m = han.member(new)
    han.unregister(new.identity.eui64)
    han.log.historic.clear()
    clock.advance_to(clock.now + 10*SECOND)
    m.join()
    han.register(new.identity.eui64, m.first_key, 0)
    han.permit(True)
    clock.advance_to(clock.now + HOUR)
    print(han.settings.key_establishment, m.on, m.link_key.hex(), m.keyed_at - START, han.node.counter, m.node.counter, m.node.link_counter)


def test_duplicate_gas(clock):
    p = build_premises("home", Spec(display=DeviceSpec()), clock, SEED, load)
    clock.advance_to(START + 2*HOUR)


def test_big_counter(clock):
    p = build_premises("home", Spec(), clock, SEED, load)
    han = p.hub.han
    han.air.listen(lambda *_: None)
    c = p.hub.coordinator
    c.form(c.parameters, 0xFFFFFFFF)
    c.send(0xFFFF, Message(0x109, 0x702, 1, 1, b"\0\1\0\4\0", acknowledge=False))
    c.send(0xFFFF, Message(0x109, 0x702, 1, 1, b"\0\1\0\4\0", acknowledge=False))

def test_silence_twice(clock):
    p = build_premises("home", Spec(), clock, SEED, load)
    han = p.hub.han
    e = han.member(p.electricity).radio
    end = han.medium.silence(e); end(); end()
    assert e.on
