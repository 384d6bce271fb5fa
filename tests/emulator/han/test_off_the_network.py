"""Devices that are not on the network, or sleep, hear nothing and get nothing."""

from __future__ import annotations

from collections.abc import Callable

from emulator.han.member import Member
from emulator.han.message import Arrival, Message
from emulator.han.network import Network
from emulator.han.node import Node
from emulator.han.radio_network import MOST_FLOORS
from emulator.hub import Hub
from emulator.premises import Premises, replace_gas_meter
from emulator.time import MINUTE, Clock
from firmware_profiles.loader import load
from protocols.zigbee import aps, mac, nwk
from protocols.zigbee.security import Auxiliary, KeyId

from ..conftest import SEED, DeviceSpec

Home = Callable[..., Premises]
READ = Message(0x0109, 0x0702, 1, 1, b"\0\1\0\4\0", True)


def to_all(han: Network, sender: Node, key: bytes, sequence: int) -> bytes:
    """A frame to everybody, protected by a network key of that number."""
    data = aps.ApsFrame(aps.FrameType.DATA, 9, READ.payload, aps.Delivery.BROADCAST, 1, None, 0x0702, 0x0109, 1)
    frame = nwk.NwkFrame(nwk.FrameType.DATA, nwk.ALL_DEVICES, sender.address, 30, 5, aps.encode(data))
    sealed = nwk.encode(frame, key, Auxiliary(KeyId.NETWORK, sender.counter + 5, sender.eui64, sequence))
    everybody = nwk.ALL_DEVICES
    return mac.encode(mac.MacFrame(mac.FrameType.DATA, 1, sealed, han.pan_id, everybody, han.pan_id, sender.address))


def parts(premises: Premises) -> tuple[Hub, Network, Member, Node]:
    """Hub, network, the gas meter's member, and the node of the electricity meter."""
    hub, electricity, gas = premises.hub, premises.electricity, premises.gas
    assert hub is not None and electricity is not None and gas is not None
    return hub, hub.han, hub.han.member(gas), hub.han.member(electricity).node


class Listener:
    """An application that keeps what it is sent."""

    def __init__(self, member: Member) -> None:
        self.heard: list[Arrival] = []
        member._application = self

    def receive(self, arrival: Arrival) -> None:
        self.heard.append(arrival)


def test_what_is_held_for_a_device_that_is_taken_away_never_arrives(home: Home, clock: Clock) -> None:
    premises = home()
    _, han, gas, _ = parts(premises)
    listener, outcomes = Listener(gas), list[bool]()
    gas.stay_awake(clock.now + MINUTE)
    han.send(gas.node.address, READ, outcomes.append)
    han.take_away(gas.device)
    clock.advance_to(clock.now + 2 * MINUTE)
    assert (listener.heard, outcomes) == ([], [False])


def test_a_refused_device_has_no_key_to_hear_with(home: Home, clock: Clock) -> None:
    premises = home()
    _, han, _, sender = parts(premises)
    replace_gas_meter(premises, DeviceSpec(), clock, SEED, load)
    _, _, stranger, _ = parts(premises)
    han.permit(True)
    stranger.join()
    assert not stranger.on and not stranger.network_key
    listener = Listener(stranger)
    for key, sequence in ((han.network_key, han.key_sequence), (bytes(16), han.key_sequence - 1 & 0xFF)):
        han.air.inject(to_all(han, sender, key, sequence))
    assert listener.heard == []


def test_a_sleeping_device_does_not_hear_the_air(home: Home, clock: Clock) -> None:
    premises = home()
    _, han, gas, sender = parts(premises)
    listener, awake = Listener(gas), premises.gas and premises.gas.last_wake_up
    octets = to_all(han, sender, han.network_key, han.key_sequence)
    han.air.inject(octets)
    assert (listener.heard, premises.gas and premises.gas.last_wake_up) == ([], awake)
    gas.stay_awake(clock.now + MINUTE)
    han.air.inject(octets)
    assert len(listener.heard) == 1


def test_a_radio_is_back_once_however_often_its_silence_ends(home: Home) -> None:
    _, han, gas, _ = parts(home())
    first, second = han.medium.silence(gas.radio), han.medium.silence(gas.radio)
    first()
    first()
    assert not gas.radio.on
    second()
    assert gas.radio.on


def test_strangers_with_the_key_fill_no_memory(home: Home) -> None:
    _, han, _, sender = parts(home())
    for number in range(2 * MOST_FLOORS):
        han.note_counter(han.node, number.to_bytes(8, "big"), number)
    assert len(han._floors) == MOST_FLOORS
    assert han.expected_counter(han.node, (2 * MOST_FLOORS - 1).to_bytes(8, "big")) == 2 * MOST_FLOORS
    assert han.expected_counter(han.node, sender.eui64) == sender.counter
