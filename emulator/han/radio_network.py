"""The radios of one HAN and what they have in common: a PAN, a network key, addresses, and the ways between them.

A :class:`RadioNetwork` knows no device log and lets nobody in; that is :mod:`emulator.han.network`, which is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING, NamedTuple, Protocol

from emulator.firmware import HanSettings
from emulator.han.air import Air
from emulator.han.carrier import Carrier
from emulator.han.hearing import Blocks, hear
from emulator.han.medium import FIRST_CHANNEL, LAST_CHANNEL, Link, Medium, Place, Radio
from emulator.han.message import COORDINATOR, NOWHERE, Application, Arrival, Done, Message, Repeated
from emulator.han.node import Node
from emulator.han.put_off import Round
from emulator.han.transport import Transport
from emulator.han.wake_ups import WakeUps
from emulator.nvm import Image, Saved
from emulator.smart_energy.application import Application as SmartEnergy
from emulator.time import HOUR, SECOND, stream
from protocols.zigbee import nwk
from protocols.zigbee.security import Auxiliary, KeyId

if TYPE_CHECKING:
    from emulator.han.joining import Joining
    from emulator.han.member import Member
    from emulator.hub import Hub

_HUB = Place(0, 0)
_FIRST_ADDRESS, _LAST_ADDRESS = 0x0001, 0xFFF7
_BESIDE = Link(-30, 255, 0)
_ANSWERED = 2 * SECOND
MOST_FLOORS = 256
"""Pairs of a radio and a sender, real or not, whose frame counters it remembers."""


class Host(Protocol):
    """Who has taken the coordinator's place: the host of the hub's radio processor."""

    def asked(self, member: Member, how: Joining, parent: Node, *, admitted: bool) -> None:
        """A device asked for the network."""
        ...

    def left(self, eui64: bytes, address: int) -> None:
        """A device has left the network."""
        ...

    def receive(self, arrival: Arrival) -> None:
        """A message for the coordinator has arrived."""
        ...

    def rekeyed(self) -> None:
        """The network has another network key."""
        ...


class Way(NamedTuple):
    """A way between two nodes: those on it, both ends included; whether it is ``clear``, one hop on which nothing is
    ever lost; how its last hop is heard."""

    nodes: tuple[Node, ...]
    clear: bool
    rssi: int
    lqi: int


class RadioNetwork:
    """The radios around one hub. It is the :class:`~emulator.han.message.Port` of the hub's application."""

    __slots__ = (
        "_application",
        "_floors",
        "_host",
        "_nodes",
        "_ways",
        "air",
        "blocks",
        "carrier",
        "extended_pan_id",
        "formed",
        "hub",
        "key_sequence",
        "keyed_at",
        "medium",
        "members",
        "network_key",
        "node",
        "pan_id",
        "rounds",
        "settings",
        "transport",
        "wake_ups",
        "ways_until",
    )

    def __init__(self, hub: Hub, settings: HanSettings) -> None:
        identity = hub.identity
        self.hub = hub
        self.settings = settings
        chance = self.chance("han")
        self.formed = True
        """Whether there is a network."""
        self.pan_id = chance.randrange(1, 0xFFFF)
        self.extended_pan_id = identity.eui64
        self.network_key = chance.randbytes(16)
        self.key_sequence = 0
        self.keyed_at = hub.installed_at
        """Rig instant since which the network key is in use."""
        self.medium = Medium(hub.clock, hub.seed, identity.device_id)
        radio = Radio(identity.device_id, identity.eui64, _HUB, chance.randint(FIRST_CHANNEL, LAST_CHANNEL))
        self.node = Node(radio, hub.commit)
        """The coordinator."""
        self.node.address = COORDINATOR
        self.medium.add(radio)
        self.members: list[Member] = []
        self._nodes: dict[int, Node] = {COORDINATOR: self.node}
        self.blocks = Blocks()
        self._floors: dict[tuple[Node, bytes], int] = {}
        self._ways: dict[tuple[Node, Node], Way | None] = {}
        self.ways_until = 0
        self.air = Air(hub.clock, lambda octets, link: hear(self, octets, link))
        self.carrier = Carrier(self)
        self.transport = Transport(self)
        self.wake_ups = WakeUps(self)
        self.rounds: list[Round] = []
        """Of devices that put off reports."""
        self.air.listening = self._listened_to
        self._host: Host | None = None
        self._application: Application | None = None

    def chance(self, purpose: str) -> Random:
        """Chance of the network's own for one purpose."""
        return stream(self.hub.seed, self.hub.identity.device_id, purpose)

    @property
    def channel(self) -> int:
        """Its channel, 11 to 26."""
        return self.node.radio.channel

    @property
    def host(self) -> Host | None:
        """Who has taken the coordinator's place, None while the hub has it itself."""
        return self._host

    @host.setter
    def host(self, host: Host | None) -> None:
        self._host = host
        self.changed()
        if host is not None:
            self.wake_ups.watch()

    def _listened_to(self) -> None:
        self.changed()
        self.wake_ups.watch()

    @property
    def watched(self) -> bool:
        """Whether anybody could tell what is said as it is said."""
        return self._host is not None or self.air.listened

    @property
    def heeded(self) -> bool:
        """Whether anybody could tell what sleeping devices say at their wake-ups."""
        return self.watched or any(member.device.firmware.display is not None for member in self.members)

    @property
    def answer_time(self) -> int:
        """How long a device stays awake for answers to what it said, ns."""
        return _ANSWERED

    @property
    def hop_time(self) -> int:
        """What a frame takes from one radio to the next, ns."""
        return self.settings.hop_time

    def find(self, eui64: bytes) -> Member | None:
        """The device with that EUI-64, None where none is here; of two, one that is on the network."""
        found = None
        for member in self.members:
            if member.device.identity.eui64 == eui64:
                if member.on:
                    return member
                found = found or member
        return found

    # --- nodes

    def nodes(self) -> Iterator[Node]:
        """The coordinator, and the devices that have an address."""
        return iter(tuple(self._nodes.values()))

    def node_at(self, address: int) -> Node | None:
        """The node with a short address, where it is on the network."""
        node = self._nodes.get(address)
        return node if node is None or node.member is None or node.member.on else None

    def address_of(self, eui64: bytes) -> int | None:
        """The short address of the coordinator or of a device that is on the network."""
        if eui64 == self.node.eui64:
            return COORDINATOR
        member = self.find(eui64)
        return member.node.address if member is not None and member.on else None

    def node_of(self, eui64: bytes) -> Node | None:
        """The node with an EUI-64, the coordinator included."""
        return next((node for node in self.nodes() if node.eui64 == eui64), None)

    def expected_counter(self, receiver: Node, sender: bytes) -> int:
        """The least frame counter that ``receiver`` takes from a sender: what it is at, or what a stranger used."""
        self.make_up()
        node = self.node_of(sender)
        return max(self._floors.get((receiver, sender), 0), 0 if node is None else node.counter)

    def note_counter(self, receiver: Node, sender: bytes, counter: int) -> None:
        """A stranger used a sender's frame counter: what is at or below it is not taken from it any more, as long as
        :data:`MOST_FLOORS` others were not heard since."""
        self._floors.pop((receiver, sender), None)
        self._floors[receiver, sender] = counter + 1
        while len(self._floors) > MOST_FLOORS:
            del self._floors[next(iter(self._floors))]
        self.changed()

    def forgive_counters(self, sender: bytes) -> None:
        """What others have seen of a sender's frame counters, beyond what it is at, is forgotten."""
        self._floors = {known: floor for known, floor in self._floors.items() if known[1] != sender}
        self.changed()

    @property
    def disturbed(self) -> bool:
        """Whether a stranger has used somebody's frame counters, so that frames may be taken for replayed ones."""
        return bool(self._floors)

    def takes(self, receiver: Node, sender: Node, counter: int) -> bool:
        """Whether a frame counter of a sender is one that ``receiver`` has not seen."""
        return not self._floors or counter >= self._floors.get((receiver, sender.eui64), 0)

    def awake(self, node: Node) -> bool:
        """Whether it is on the network, has power and has started; the coordinator, whether it has a network."""
        member = node.member
        return self.formed and self.hub.ready if member is None else member.on and member.device.ready

    def listens(self, node: Node) -> bool:
        """Whether it is awake and its receiver is on now, as that of a sleeping device is while it polls fast."""
        member = node.member
        return self.awake(node) and node.radio.on and (member is None or not member.sleepy or member.polls_fast)

    def heard_by_hub(self, node: Node) -> Link:
        """How the coordinator hears a node; itself as one beside it would."""
        return _BESIDE if node is self.node else self.medium.link(node.radio, self.node.radio)

    def protect(self, frame: nwk.NwkFrame, sender: Node, counter: int) -> bytes:
        """A network frame as ``sender`` protects it: with the network key that it has."""
        member = sender.member
        key, sequence = self.network_key, self.key_sequence
        if member is not None and member.network_key != key:
            key, sequence = member.network_key, sequence - 1 & 0xFF
        return nwk.encode(frame, key, Auxiliary(KeyId.NETWORK, counter, sender.eui64, sequence))

    def link_key(self, one: Node, other: Node) -> bytes:
        """The key by which two nodes protect what they say to each other: of two devices, the one of their trust
        centre's making."""
        if one.member is not None and other.member is not None:
            pair = " ".join(sorted((one.eui64.hex(), other.eui64.hex())))
            return self.chance(f"link key {pair}").randbytes(16)
        member = one.member or other.member
        assert member is not None
        return member.link_key or member.first_key

    def give_address(self, member: Member) -> int:
        """The short address of a device; a new one where it has none, or another device has it."""
        node = member.node
        found = self._nodes.get(node.address)
        if node.address == NOWHERE or (found is not None and found is not node):
            chance = stream(self.hub.seed, member.device.identity.device_id, f"address {len(self._nodes)}")
            while node.address in self._nodes or node.address == NOWHERE:
                node.address = chance.randint(_FIRST_ADDRESS, _LAST_ADDRESS)
        self._nodes[node.address] = node
        return node.address

    def move_to(self, member: Member, address: int) -> None:
        """A device has another address, as its memory says."""
        self.free_address(member)
        member.node.address = address
        if address != NOWHERE:
            self.give_address(member)

    def free_address(self, member: Member) -> None:
        """The address of a device is nobody's any more."""
        if self._nodes.get(member.node.address) is member.node:
            del self._nodes[member.node.address]

    # --- ways

    def nodes_between(self, source: Node, target: Node) -> tuple[Node, ...] | None:
        """The nodes that a frame goes through, both ends included; None where there is no way."""
        way = self.way_between(source, target)
        return None if way is None else way.nodes

    def way_between(self, source: Node, target: Node) -> Way | None:
        """The best way between two nodes, None where there is none; worked out anew by the hour."""
        if self.hub.clock.now >= self.ways_until:
            now = self.hub.clock.now
            self.ways_until = now - now % HOUR + HOUR
            self._ways.clear()
        try:
            return self._ways[source, target]
        except KeyError:
            nodes = self._work_out(source, target)
            found = self._ways[source, target] = None if nodes is None else self._way_of(nodes)
            return found

    def _way_of(self, nodes: tuple[Node, ...]) -> Way:
        one, other = nodes[0].radio, nodes[1].radio
        clear = not self.medium.link(one, other).loss and not self.medium.link(other, one).loss
        heard = self.medium.link(nodes[-2].radio, nodes[-1].radio)
        return Way(nodes, len(nodes) == 2 and clear, heard.rssi, heard.lqi)

    def _work_out(self, source: Node, target: Node) -> tuple[Node, ...] | None:
        relays = {id(other.radio): other.node for other in self.members if other.on and not other.sleepy}
        relays[id(self.node.radio)] = self.node
        relays.pop(id(source.radio), None)
        relays.pop(id(target.radio), None)
        way = self.medium.route(source.radio, target.radio, [node.radio for node in relays.values()])
        if way is None:
            return None
        return (source, *(relays[id(radio)] for radio in way[1:-1]), target)

    def forget_ways(self) -> None:
        """Something has changed on which ways depend."""
        self.changed()
        self._ways.clear()

    def way(self, member: Member) -> int | None:
        """Relays between a device and the hub on the best way there is, None where there is none."""
        way = self.nodes_between(member.node, self.node)
        return None if way is None else len(way) - 2

    # --- messages

    def arrive(self, node: Node, arrival: Arrival) -> None:
        """A message has arrived at a node."""
        if node.member is not None:
            node.member.receive(arrival)
        elif self.host is not None:
            self.host.receive(arrival)
        else:
            self.hub.settle()
            self.application.receive(arrival)
            self.hub.commit()

    @property
    def application(self) -> Application:
        """The hub's own; made when it is first needed."""
        if self._application is None:
            self._application = self.hub.zigbee(self) or SmartEnergy(self.hub, self)
            if isinstance(self._application, SmartEnergy):
                name = self.hub.identity.device_id
                self._application.explain = lambda text: self.air.tell(f"{name}: {text}")
        return self._application

    def drop_mirror(self, eui64: bytes) -> None:
        """The hub's application mirrors the device with that EUI-64 no more."""
        application = self._application
        if isinstance(application, SmartEnergy) and application.mirror and application.mirror.eui64 == eui64:
            application.drop_mirror()

    def application_image(self) -> Image:
        """What the hub's application was told, for the hub's non-volatile memory."""
        return self._application.image() if isinstance(self._application, SmartEnergy) else {}

    def restore_application(self, saved: Saved) -> None:
        """Have the hub's application know what :meth:`application_image` said."""
        if saved.fields and isinstance(self.application, SmartEnergy):
            self.application.restore(saved)

    @property
    def address(self) -> int:
        """The short address of the coordinator."""
        return COORDINATOR

    def send(self, destination: int, message: Message, done: Done | None = None) -> None:
        """Send a message from the coordinator."""
        self.transport.send(self.node, destination, message, done)

    def repeat(self, destination: int, report: Repeated) -> None:
        """What the coordinator reports it sends at once."""
        del destination, report

    def make_up(self) -> None:
        """Make and send what devices put off."""
        for each in self.rounds:
            each.catch_up()

    def break_off(self) -> None:
        """The coordinator has put off nothing."""

    def changed(self) -> None:
        """Something has changed that bears on how messages go: what devices put off is made, and they put off nothing
        until they have looked at how things are."""
        for each in tuple(self.rounds):
            each.break_off()

    def eui64_of(self, address: int) -> bytes | None:
        """The EUI-64 that goes with a short address, None for a stranger's."""
        node = self.node_at(address)
        return None if node is None else node.eui64
