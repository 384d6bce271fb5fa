"""Link keys between two devices: who asks for them, when, and what becomes of a message while there is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.device import Device
from emulator.han.member import Member
from emulator.han.message import Arrival, Message
from emulator.han.network import Network
from emulator.premises import Premises
from emulator.time import SECOND, Clock
from protocols.zigbee import aps, aps_commands, mac, mmo, nwk
from protocols.zigbee.aps_commands import Command, RequestKey, TransportApplicationKey
from protocols.zigbee.security import KeyId

Home = Callable[..., Premises]
READ = Message(0x0109, 0x0702, 1, 1, b"\x00\x01\x00\x04\x00", secured=True)


class Silent:
    """An application that says nothing."""

    def __init__(self) -> None:
        self.heard: list[Arrival] = []

    def receive(self, arrival: Arrival) -> None:
        self.heard.append(arrival)


class Pair:
    """An electricity meter and a gas meter kept awake, and the APS commands that go over their air."""

    def __init__(self, premises: Premises, clock: Clock) -> None:
        assert premises.hub is not None and premises.electricity is not None and premises.gas is not None
        self.clock = clock
        self.han: Network = premises.hub.han
        self.esme = self.han.member(premises.electricity)
        self.gsme = self.han.member(premises.gas)
        self.commands: list[Command] = []
        self.outcomes: list[bool] = []
        self.han.air.listen(lambda _at, octets, _link: self._hear(octets))

    def _hear(self, octets: bytes) -> None:
        frame = mac.decode(octets)
        if frame.type is not mac.FrameType.DATA:
            return
        opened = nwk.open_frame(nwk.parse(frame.payload), self.han.network_key)
        parsed = aps.parse(opened.payload)
        if parsed.header.type is not aps.FrameType.COMMAND or parsed.auxiliary is None:
            return
        device = next(
            member for member in (self.esme, self.gsme) if member.address in (opened.source, opened.destination)
        )
        key = device.link_key if parsed.auxiliary.key_id is KeyId.LINK else mmo.key_load_key(device.link_key)
        self.commands.append(aps_commands.decode(aps.open_frame(parsed, key).payload))

    def send(self, source: Member, target: Member, message: Message = READ) -> None:
        source.send(target.address, message, self.outcomes.append)
        self.clock.advance_to(self.clock.now + 10 * SECOND)


@pytest.fixture
def pair(home: Home, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Pair:
    monkeypatch.setattr(Device, "zigbee", lambda _device, _port: Silent())
    return Pair(home(), clock)


def test_the_first_protected_message_asks_for_a_key(pair: Pair) -> None:
    pair.send(pair.gsme, pair.esme)
    key = pair.han.link_key(pair.gsme.node, pair.esme.node)
    gas, electricity = pair.gsme.node.eui64, pair.esme.node.eui64
    assert pair.commands == [
        RequestKey(electricity),
        TransportApplicationKey(key, electricity, True),
        TransportApplicationKey(key, gas, False),
    ]
    assert pair.outcomes == [True]
    pair.send(pair.gsme, pair.esme)
    assert (len(pair.commands), pair.outcomes) == (3, [True, True])


def test_plain_messages_and_those_of_the_hub_need_none(pair: Pair) -> None:
    pair.send(pair.gsme, pair.esme, READ._replace(secured=False))
    pair.han.send(pair.esme.address, READ, pair.outcomes.append)
    pair.clock.advance_to(pair.clock.now + SECOND)
    assert (pair.commands, pair.outcomes) == ([], [True, True])


def test_it_is_asked_for_again_after_another_link_key(pair: Pair) -> None:
    pair.send(pair.gsme, pair.esme)
    assert pair.han.update_link_key(pair.esme.node.eui64)
    del pair.commands[:]
    pair.send(pair.gsme, pair.esme)
    assert len(pair.commands) == 3 and pair.outcomes == [True, True]


def test_without_the_trust_centre_there_is_no_key_and_nothing_is_said(pair: Pair) -> None:
    heard = pair.esme.application
    assert isinstance(heard, Silent)
    pair.han.hub.power_off()
    address = pair.esme.node.address
    pair.gsme.send(address, READ._replace(secured=False), pair.outcomes.append)
    pair.gsme.send(address, READ, pair.outcomes.append)
    pair.clock.advance_to(pair.clock.now + 10 * SECOND)
    assert sorted(pair.outcomes) == [False, True]
    assert [arrival.message.secured for arrival in heard.heard] == [False]
