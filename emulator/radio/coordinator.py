"""What a radio processor does for its host, whatever protocol the host speaks: the coordinator of the hub's HAN.

:mod:`emulator.radio.ezsp` and :mod:`emulator.radio.znp` turn the commands of a host into calls of a
:class:`Coordinator`, and its events into callbacks. The devices are those of the hub's premises, the keys and the table
of who may join are the hub's device log, the frames go over the same air: what the host does is what the hub would have
done. While the host has the network up, messages to the coordinator are for the host and not for the hub's own Smart
Energy application. The hub keeps the network in its non-volatile memory: a host that comes back finds it formed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from emulator.han.joining import Joining
from emulator.han.medium import FIRST_CHANNEL, LAST_CHANNEL
from emulator.han.message import COORDINATOR, ROUTERS, Arrival, Message
from emulator.smart_energy import zdo
from emulator.time import SECOND

if TYPE_CHECKING:
    from emulator.han.member import Member
    from emulator.han.node import Node
    from emulator.hub import Hub

UNTIL_TOLD = 255
"""Seconds of a permit-join window that stays open until it is closed."""
NO_MANUFACTURER = 0x0000
MOST_COUNTER = 0xFF00_0000
"""The highest frame counter that a host may have a network begin with: 16 million frames are left then."""
_EVER = 100 * 365 * 24 * 3600
_ANY_KIND = 0


class Parameters(NamedTuple):
    """A network: ``pan_id`` 0 to 0xFFFE, ``extended_pan_id`` 8 octets, ``channel`` 11 to 26, ``network_key`` 16 octets
    and its sequence number."""

    pan_id: int
    extended_pan_id: bytes
    channel: int
    network_key: bytes
    key_sequence: int = 0


class Neighbour(NamedTuple):
    """A device that is on the network. ``sleepy``: its receiver is off between polls; ``child``: the coordinator is its
    parent; ``mains`` and ``router`` are its capabilities. Levels as the coordinator hears it."""

    address: int
    eui64: bytes
    sleepy: bool
    child: bool
    rssi: int
    lqi: int
    kind: str


class Joined(NamedTuple):
    """A device asked for the network; ``admitted`` says whether it was given the network key. ``parent`` is the short
    address it came through. Its Device_annce follows as :class:`Received` when it was admitted."""

    address: int
    eui64: bytes
    parent: int
    how: Joining
    admitted: bool
    sleepy: bool


class Left(NamedTuple):
    """A device left the network, or was told to."""

    address: int
    eui64: bytes


class Received(NamedTuple):
    """A message for the host."""

    arrival: Arrival


class Sent(NamedTuple):
    """What became of a message that the host sent with that ``tag``."""

    tag: int
    destination: int
    message: Message
    delivered: bool


class KeyChanged(NamedTuple):
    """The network has another network key."""

    key_sequence: int


class Changed(NamedTuple):
    """The network went up or down without the host having asked for it (power, the hub's own software)."""

    up: bool


Event = Joined | Left | Received | Sent | KeyChanged | Changed


class Endpoint(NamedTuple):
    """An endpoint that the host registers."""

    number: int
    profile: int
    device: int
    version: int
    servers: tuple[int, ...]
    clients: tuple[int, ...]


class Coordinator:
    """The coordinator of one hub's HAN. One host at a time drives it; ``listener`` gets its events, on the rig's clock,
    never from within a call that the host made: what a command causes comes after its answer."""

    __slots__ = ("_bindings", "_hub", "_network", "endpoints", "listener")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._network = hub.han
        self._bindings: list[zdo.Binding] = []
        self.listener: Callable[[Event], None] | None = None
        self.endpoints: dict[int, Endpoint] = {}
        """Of the host, by number; the coordinator answers ZDO questions about them."""

    # --- the network

    @property
    def eui64(self) -> bytes:
        """Its own EUI-64."""
        return self._hub.identity.eui64

    @property
    def formed(self) -> bool:
        """Whether there is a network in the memory, up or not."""
        return self._network.formed

    @property
    def up(self) -> bool:
        """Whether the host has the network up."""
        return self._network.host is self

    @property
    def parameters(self) -> Parameters:
        """Of the network in the memory; LookupError where none is formed."""
        network = self._network
        if not network.formed:
            raise LookupError("no network is formed")
        return Parameters(
            network.pan_id, network.extended_pan_id, network.channel, network.network_key, network.key_sequence
        )

    @property
    def frame_counter(self) -> int:
        """Outgoing frame counter of the network layer."""
        return self._network.node.counter

    def start(self) -> bool:
        """Bring the network in the memory up: False where none is formed."""
        if self._network.formed:
            self._network.host = self
        return self._network.formed

    def stop(self) -> None:
        """The host is gone or has reset us: the hub's own application answers again; the network stays."""
        if self._network.host is self:
            self._network.host = None

    def form(self, parameters: Parameters, frame_counter: int = 0) -> None:
        """Form another network, with an empty device log, and bring it up. ValueError for values out of range."""
        pan_id, extended, channel, key, sequence = parameters
        if not 0 <= pan_id < 0xFFFF or len(extended) != 8 or len(key) != 16 or not 0 <= sequence <= 0xFF:
            raise ValueError(f"network {pan_id:04X} {extended.hex()}: PAN id, extended PAN id or key out of range")
        if not 0 <= frame_counter <= MOST_COUNTER:
            raise ValueError(f"frame counter {frame_counter}: 0 to {MOST_COUNTER} can be begun with")
        if not FIRST_CHANNEL <= channel <= LAST_CHANNEL:
            raise ValueError(f"channel {channel}: channels of 2.4 GHz are {FIRST_CHANNEL} to {LAST_CHANNEL}")
        self._network.form(pan_id, extended, channel, key, sequence)
        self._network.node.counter = max(self._network.node.counter, frame_counter)
        self._network.host = self

    def leave(self) -> None:
        """Forget the network: devices lose it, and the device log is empty."""
        self._network.disband()
        self.stop()

    def set_network_key(self, key: bytes, sequence: int) -> None:
        """Change the network key: routers are told, sleeping devices miss it."""
        self._network.change_network_key(key, sequence)

    def energy(self, channel: int) -> int:
        """Noise on a channel, dBm."""
        return self._network.medium.noise(channel)

    # --- who may join

    def permit(self, seconds: int) -> None:
        """Let devices join for so long; 0 closes, 255 or more is until told otherwise."""
        self._network.log.permit(self._hub.clock.now, _EVER if seconds >= UNTIL_TOLD else seconds)

    @property
    def open_for(self) -> int:
        """Seconds that devices may still join."""
        return -(-self._network.log.open_for(self._hub.clock.now) // SECOND)

    def add_key(self, eui64: bytes, key: bytes) -> bool:
        """Let a device join with that link key (of 16 octets); False when the table is full.

        A device that is on the network keeps the key that it has.
        """
        network = self._network
        entry = network.log.entries.get(eui64)
        if entry is not None:
            member = network.find(eui64)
            if not (member is not None and member.on):
                entry.key, entry.joined = key, False
                self._hub.commit()
            return True
        network.log.historic.pop(eui64, None)
        return network.admit_with(eui64, key, _ANY_KIND)

    def remove_key(self, eui64: bytes) -> bool:
        """Forget the link key of a device, which is then no longer on the network; False for a stranger."""
        return self._network.unregister(eui64)

    def keys(self) -> Sequence[tuple[bytes, bytes, bool]]:
        """EUI-64, link key and whether it has joined, for every device of the log."""
        return [(entry.eui64, entry.key, entry.joined) for entry in self._network.log]

    def remove(self, eui64: bytes) -> bool:
        """Tell a device to leave the network and forget it: False for a stranger."""
        return self._network.unregister(eui64)

    # --- devices

    def neighbours(self) -> Sequence[Neighbour]:
        """Devices that are on the network."""
        network = self._network
        found: list[Neighbour] = []
        for member in network.members:
            if member.on:
                way = network.nodes_between(member.node, network.node)
                link = network.heard_by_hub(member.node)
                child = member.sleepy and way is not None and len(way) == 2
                kind = member.device.firmware.kind
                found.append(
                    Neighbour(member.address, member.node.eui64, member.sleepy, child, link.rssi, link.lqi, kind)
                )
        return found

    def address_of(self, eui64: bytes) -> int | None:
        """The short address of a device that is on the network, the coordinator's own included."""
        return self._network.address_of(eui64)

    def eui64_of(self, address: int) -> bytes | None:
        """The EUI-64 behind a short address."""
        return self._network.eui64_of(address)

    # --- messages

    def send(self, destination: int, message: Message, tag: int = 0) -> None:
        """Send to a short address (0 is ourselves: ZDO questions about our endpoints); :class:`Sent` follows for each
        that is not a broadcast."""
        if destination == COORDINATOR:
            self._send_to_ourselves(message, tag)
        elif destination >= ROUTERS:
            self._network.send(destination, message)
        else:
            self._network.send(
                destination, message, lambda delivered: self._tell(Sent(tag, destination, message, delivered))
            )

    def _send_to_ourselves(self, message: Message, tag: int) -> None:
        answer = zdo.answer(self.description(), message) if message.profile == zdo.PROFILE else None
        self._tell_later(Sent(tag, COORDINATOR, message, answer is not None))
        if answer is not None:
            self._tell_later(Received(Arrival(COORDINATOR, self.eui64, answer)))

    def description(self) -> zdo.Description:
        """What ZDO questions about the coordinator are answered from: its node and the host's endpoints."""
        children = tuple(item.address for item in self.neighbours() if item.child)
        return zdo.Description(
            COORDINATOR,
            self.eui64,
            zdo.Kind.COORDINATOR,
            NO_MANUFACTURER,
            tuple(self.endpoints.values()),
            bindings=self._bindings,
            associated=children,
        )

    # --- the network tells

    def asked(self, member: Member, how: Joining, parent: Node, *, admitted: bool) -> None:
        """A device asked for the network."""
        eui64 = member.device.identity.eui64
        self._tell_later(Joined(member.node.address, eui64, parent.address, how, admitted, member.sleepy))

    def left(self, eui64: bytes, address: int) -> None:
        """A device has left the network."""
        self._tell_later(Left(address, eui64))

    def receive(self, arrival: Arrival) -> None:
        """A message for the coordinator has arrived: ZDO questions are answered, the rest is the host's."""
        message = arrival.message
        if message.profile == zdo.PROFILE and not arrival.broadcast:
            answer = zdo.answer(self.description(), message)
            if answer is not None:
                self._network.send(arrival.source, answer)
        self._tell(Received(arrival))

    def rekeyed(self) -> None:
        """The network has another network key."""
        self._tell_later(KeyChanged(self._network.key_sequence))

    def _tell(self, event: Event) -> None:
        if self.listener is not None:
            self.listener(event)

    def _tell_later(self, event: Event) -> None:
        clock = self._hub.clock
        clock.schedule(clock.now, lambda: self._tell(event))
