"""Messages over the HAN: how long they take, what sleeps, what is lost, and the frames that a listener hears."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random
from types import MappingProxyType

import pytest

from emulator.device import Device
from emulator.han.member import Member
from emulator.han.message import ALL_DEVICES, Arrival, Message, Port
from emulator.han.network import Network
from emulator.hub import Hub
from emulator.nvm import Saved
from emulator.premises import Premises
from emulator.time import MINUTE, SECOND, Clock
from protocols.errors import ProtocolError
from protocols.zigbee import aps, aps_commands, mac, mmo, nwk
from protocols.zigbee.fragments import Reassembly, fragments
from protocols.zigbee.security import Auxiliary, KeyId

Home = Callable[..., Premises]
MILLISECOND = SECOND // 1000


class Listener:
    """An application that keeps what it is sent."""

    def __init__(self) -> None:
        self.heard: list[Arrival] = []

    def receive(self, arrival: Arrival) -> None:
        self.heard.append(arrival)


class Air:
    """What a sniffer heard, and the keys to read it with: the link keys alone, as the network key is on the air."""

    def __init__(self, network: Network) -> None:
        self.frames: list[tuple[int, bytes]] = []
        self._network = network
        self.end = network.air.listen(lambda at, octets, _link: self.frames.append((at, octets)))

    def opened(self) -> list[tuple[nwk.NwkFrame, aps.ApsFrame | None]]:
        """Network frames in the clear, and the APS frames in them."""
        keys = {self._network.key_sequence: self._network.network_key}
        found: list[tuple[nwk.NwkFrame, aps.ApsFrame | None]] = []
        for _, octets in self.frames:
            frame = mac.decode(octets)
            if frame.type is not mac.FrameType.DATA:
                continue
            parsed = nwk.parse(frame.payload)
            key = None if parsed.auxiliary is None else keys[parsed.auxiliary.key_sequence or 0]
            opened = nwk.open_frame(parsed, key)
            data = None
            if opened.type is nwk.FrameType.DATA:
                inner = aps.parse(opened.payload)
                data = aps.open_frame(inner, self._key(inner), self._network.node.eui64)
            found.append((opened, data))
        return found

    def _key(self, inner: aps.Parsed) -> bytes | None:
        if inner.auxiliary is None:
            return None
        network = self._network
        member = next(member for member in network.members if member.link_key)
        if inner.auxiliary.key_id is KeyId.TRANSPORT:
            return mmo.key_transport_key(member.link_key)
        other = next((item for item in network.members if item.node.eui64 == inner.auxiliary.source), member)
        return network.link_key(other.node, network.node)


class Place:
    """One premises whose devices have applications that only listen."""

    def __init__(self, premises: Premises, clock: Clock) -> None:
        assert premises.hub is not None and premises.electricity is not None and premises.gas is not None
        self.clock = clock
        self.hub: Hub = premises.hub
        self.han = premises.hub.han
        self.esme = self.han.member(premises.electricity)
        self.gsme = self.han.member(premises.gas)
        self.gas = premises.gas
        self.listeners: dict[Device, Listener] = {}
        self.outcomes: list[bool] = []

    def heard(self, device: Device) -> list[Arrival]:
        return self.listeners[device].heard

    def message(self, payload: bytes = b"\x00\x01\x00\x04\x00", *, secured: bool = False, ack: bool = True) -> Message:
        return Message(0x0109, 0x0702, 1, 1, payload, secured, ack)

    def send(self, member: Member, message: Message) -> None:
        self.han.send(member.node.address, message, self.outcomes.append)

    def after(self, duration: int) -> None:
        self.clock.advance_to(self.clock.now + duration)


@pytest.fixture
def place(home: Home, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(home(), clock)

    def listener(device: Device, _port: Port) -> Listener:
        return made.listeners.setdefault(device, Listener())

    monkeypatch.setattr(Device, "zigbee", listener)
    for device in (made.hub, made.esme.device, made.gas):
        made.listeners[device] = Listener()
    return made


def test_a_message_takes_a_hop_and_its_acknowledgement_another(place: Place) -> None:
    place.send(place.esme, place.message())
    place.after(place.han.hop_time - 1)
    assert place.heard(place.esme.device) == []
    place.after(1)
    (arrival,) = place.heard(place.esme.device)
    assert (arrival.source, arrival.source_eui64, arrival.message) == (0, place.hub.identity.eui64, place.message())
    assert place.outcomes == []
    place.after(place.han.hop_time)
    assert place.outcomes == [True]


def test_nobody_has_that_address(place: Place) -> None:
    free = next(address for address in range(1, 9) if place.han.node_at(address) is None)
    place.han.send(free, place.message(), place.outcomes.append)
    place.after(2 * SECOND)
    assert place.outcomes == [False]


def test_a_device_without_power_is_tried_four_times(place: Place) -> None:
    place.esme.device.power_off()
    place.send(place.esme, place.message())
    place.after(4 * 1600 * MILLISECOND - 1)
    assert place.outcomes == []
    place.after(SECOND)
    assert (place.outcomes, place.heard(place.esme.device)) == ([False], [])


def test_a_sleeping_device_misses_what_is_not_fetched_in_time(place: Place) -> None:
    """Its parent holds a message for 7.68 s; the sender tries four times."""
    place.gas.settle()
    place.clock.advance_to(place.gas.next_wake_up + MINUTE)
    place.send(place.gsme, place.message())
    place.after(7 * SECOND)
    assert place.gsme.node.waiting == 1
    place.after(4 * 7680 * MILLISECOND - 7 * SECOND)
    assert (place.outcomes, place.heard(place.gas), place.gsme.node.waiting) == ([False], [], 0)


def test_a_sleeping_device_fetches_at_its_wake_up(place: Place) -> None:
    place.gas.settle()
    place.clock.advance_to(place.gas.next_wake_up - 5 * SECOND)
    place.send(place.gsme, place.message())
    place.after(5 * SECOND - 1)
    assert place.heard(place.gas) == []
    place.after(2 * place.han.hop_time)
    assert len(place.heard(place.gas)) == 1
    assert place.outcomes == [True]


def test_a_device_that_polls_fast_answers_at_once(place: Place) -> None:
    place.gsme.stay_awake(place.clock.now + MINUTE)
    place.send(place.gsme, place.message())
    place.after(SECOND)
    assert (len(place.heard(place.gas)), place.outcomes) == (1, [True])


def test_a_parent_holds_eight_messages(place: Place) -> None:
    place.gas.settle()
    place.clock.advance_to(place.gas.next_wake_up - 5 * SECOND)
    for number in range(10):
        place.send(place.gsme, place.message(bytes((0, number, 0)), ack=False))
    assert place.gsme.node.waiting == 8
    place.after(6 * SECOND)
    assert [arrival.message.payload[1] for arrival in place.heard(place.gas)] == list(range(8))
    assert place.outcomes.count(False) == 2


def test_messages_keep_their_order(place: Place) -> None:
    for number in range(50):
        place.send(place.esme, place.message(bytes((0, number, 0))))
    place.after(SECOND)
    assert [arrival.message.payload[1] for arrival in place.heard(place.esme.device)] == list(range(50))


def test_a_broadcast_reaches_those_who_are_awake(place: Place) -> None:
    place.han.send(ALL_DEVICES, Message(0x0109, 0x0700, 1, 0xFF, b"\x09\x01\x00", acknowledge=False))
    place.after(SECOND)
    assert [arrival.broadcast for arrival in place.heard(place.esme.device)] == [True]
    assert place.heard(place.gas) == []
    place.esme.send(ALL_DEVICES, place.message())
    place.after(SECOND)
    assert [arrival.source for arrival in place.heard(place.hub)] == [place.esme.address]


def test_interference_is_got_over_by_trying_again(place: Place) -> None:
    place.han.medium.burst(2 * SECOND, level=20)
    assert place.esme.on is False
    place.han.send(place.esme.node.address, place.message(), place.outcomes.append)
    place.after(2 * SECOND)
    assert place.outcomes == [False]  # the network knows no way
    place.after(5 * MINUTE)
    place.send(place.esme, place.message())
    place.after(SECOND)
    assert place.outcomes == [False, True]


@pytest.mark.parametrize("secured", [False, True])
@pytest.mark.parametrize("length", [3, 63, 64, 80, 81, 200, 1500])
def test_what_is_on_the_air_is_what_was_sent(place: Place, secured: bool, length: int) -> None:
    air = Air(place.han)
    payload = bytes(number & 0xFF for number in range(length))
    place.send(place.esme, place.message(payload, secured=secured))
    place.after(SECOND)
    assert place.heard(place.esme.device)[0].message.payload == payload
    assert all(len(octets) <= 127 for _, octets in air.frames)
    assert all(late > early for (early, _), (late, _) in pairwise(air.frames))
    data = [frame for _, frame in air.opened() if frame is not None and frame.type is aps.FrameType.DATA]
    assert b"".join(frame.payload for frame in data) == payload
    if len(data) > 1:
        whole = Reassembly()
        for frame in data:
            assert frame.block is not None
            whole.add(frame.block, frame.payload)
        assert whole.payload == payload


def test_a_join_can_be_read_from_the_link_key_alone(place: Place) -> None:
    place.esme.leave()
    place.han.review(place.esme)
    air = Air(place.han)
    place.han.permit(True)
    assert place.esme.join() is None
    place.after(SECOND)
    kinds = [mac.decode(octets).type for _, octets in air.frames]
    assert kinds[:2] == [mac.FrameType.COMMAND, mac.FrameType.BEACON]
    frames = air.opened()
    transported = aps_commands.decode(next(data for _, data in frames if data is not None).payload)
    assert isinstance(transported, aps_commands.TransportNetworkKey)
    assert (transported.key, transported.destination) == (place.han.network_key, place.esme.node.eui64)
    announced = [data for _, data in frames if data is not None and data.cluster == 0x0013]
    assert announced and place.heard(place.hub)[-1].message.payload == announced[0].payload
    assert {frame.source for frame, data in frames if data in announced} == {place.esme.address}


def test_frame_counters_never_repeat_over_a_loss_of_power(place: Place) -> None:
    air = Air(place.han)
    for _ in range(3):
        place.send(place.esme, place.message())
    place.after(SECOND)
    saved = place.han.node.image()
    used = place.han.node.counter
    place.han.node.restore(Saved("node", saved))
    assert place.han.node.counter >= used
    place.send(place.esme, place.message())
    place.after(SECOND)
    counters = [
        parsed.auxiliary.counter
        for _, octets in air.frames
        if (frame := mac.decode(octets)).type is mac.FrameType.DATA
        and (parsed := nwk.parse(frame.payload)).auxiliary is not None
        and parsed.auxiliary.source == place.hub.identity.eui64
    ]
    assert counters == sorted(set(counters))


# --- strangers


def last_data(air: Air, source: bytes) -> bytes:
    """The last data frame that a node sent."""
    for _, octets in reversed(air.frames):
        frame = mac.decode(octets)
        if frame.type is mac.FrameType.DATA:
            parsed = nwk.parse(frame.payload)
            if parsed.auxiliary is not None and parsed.auxiliary.source == source:
                return octets
    raise AssertionError("nothing was sent")


def resealed(octets: bytes) -> bytes:
    """A frame that was changed, with the check sequence that it has now."""
    return octets[:-2] + mac.check_sequence(octets[:-2])


def flipped(octets: bytes, at: int) -> bytes:
    changed = bytearray(octets)
    changed[at] ^= 0x01
    return resealed(bytes(changed))


SPOILED = MappingProxyType(
    {
        "check sequence": lambda octets: octets[:-1] + bytes((octets[-1] ^ 1,)),
        "oversize": lambda octets: resealed(octets[:-2] + bytes(60) + b"\0\0"),
        "frame counter": lambda octets: octets,
        "network header": lambda octets: resealed(octets[:12] + b"\0\0"),
        "key sequence": lambda octets: flipped(octets, 9 + 8 + 13),
        "not protected": lambda octets: (
            flipped(octets, 10)[:0] + resealed(octets[:10] + bytes((octets[10] & ~2,)) + octets[11:])
        ),
    }
)


@pytest.mark.parametrize("reason", list(SPOILED))
def test_a_bad_frame_is_dropped_counted_and_explained(place: Place, reason: str) -> None:
    said: list[str] = []
    air = Air(place.han)
    place.han.air.explain = said.append
    place.send(place.esme, place.message(bytes(40)))
    place.after(SECOND)
    heard = len(place.heard(place.esme.device))
    place.han.air.inject(SPOILED[reason](last_data(air, place.hub.identity.eui64)))
    place.after(SECOND)
    assert place.han.air.dropped[reason] == 1
    assert len(said) == 1
    assert "drops" in said[0] or "nobody takes" in said[0]
    assert len(place.heard(place.esme.device)) == heard


def forged(
    place: Place, counter: int, payload: bytes, key: bytes | None = None, block: aps.Block | None = None
) -> bytes:
    """A frame as the hub would send it, with a frame counter of choice."""
    data = aps.ApsFrame(
        aps.FrameType.DATA,
        9,
        payload,
        destination_endpoint=1,
        cluster=0x0702,
        profile=0x0109,
        source_endpoint=1,
        acknowledge=block is not None,
        block=block,
    )
    frame = nwk.NwkFrame(nwk.FrameType.DATA, place.esme.address, 0, 30, 200, aps.encode(data))
    auxiliary = Auxiliary(KeyId.NETWORK, counter, place.hub.identity.eui64, place.han.key_sequence)
    sent = nwk.encode(frame, key or place.han.network_key, auxiliary)
    pan = place.han.pan_id
    return mac.encode(mac.MacFrame(mac.FrameType.DATA, 7, sent, pan, place.esme.address, pan, 0))


def test_a_strangers_blocks_are_put_together_and_acknowledged(place: Place) -> None:
    air = Air(place.han)
    payload = bytes(number & 0xFF for number in range(200))
    counter = place.han.node.counter
    for number, (block, part) in enumerate(fragments(payload, 80)):
        place.han.air.inject(forged(place, counter + number, part, block=block))
        assert bool(place.heard(place.esme.device)) is (number == 2)
    assert place.heard(place.esme.device)[0].message.payload == payload
    acknowledged = [
        data.block.number
        for _, data in air.opened()
        if data is not None and data.type is aps.FrameType.ACKNOWLEDGEMENT and data.block is not None
    ]
    assert acknowledged == [0, 1, 2]
    place.han.air.inject(forged(place, counter + 9, b"", block=aps.Block(aps.Part.FIRST, 1)))
    assert place.han.air.dropped["block"] == 1


def test_who_has_the_key_is_heard_and_his_counter_counts(place: Place) -> None:
    ahead = place.han.node.counter + 100
    place.han.air.inject(forged(place, ahead, b"\x00\x01\x00\x04\x00"))
    assert [arrival.source for arrival in place.heard(place.esme.device)] == [0]
    place.han.air.inject(forged(place, ahead, b"\x00\x01\x00\x04\x00"))
    assert place.han.air.dropped["frame counter"] == 1
    # The hub itself is not heard until its counter has come so far.
    place.send(place.esme, place.message())
    place.after(20 * SECOND)
    assert (len(place.heard(place.esme.device)), place.outcomes) == (1, [False])
    place.han.node.counter = ahead + 1
    place.send(place.esme, place.message())
    place.after(SECOND)
    assert place.outcomes == [False, True]


def test_another_key_is_a_wrong_mic(place: Place) -> None:
    place.han.air.inject(forged(place, place.han.node.counter, b"\x00\x01\x00\x04\x00", bytes(16)))
    assert place.han.air.dropped["MIC"] == 1
    assert place.heard(place.esme.device) == []


def test_frames_of_another_pan_are_nobodys(place: Place) -> None:
    frame = mac.decode(forged(place, place.han.node.counter, b"\0"))
    other = mac.MacFrame(frame.type, 1, frame.payload, place.han.pan_id ^ 1, frame.destination, place.han.pan_id ^ 1, 0)
    place.han.air.inject(mac.encode(other))
    assert place.han.air.dropped == {"PAN": 1}
    assert place.heard(place.esme.device) == []


def test_any_octets_are_got_over(place: Place) -> None:
    chance = Random(5)
    good = forged(place, place.han.node.counter + 5, b"\x00\x01\x00\x04\x00")
    for _ in range(500):
        octets = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        place.han.air.inject(resealed(bytes(octets[: chance.randint(2, len(octets))])))
    place.after(SECOND)
    with pytest.raises(ProtocolError):
        mac.decode(b"\1")
