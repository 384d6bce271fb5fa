"""Frames of a HAN, one message at a time and now: blocks, acknowledgements, commands, hops, broadcasts.

Every frame that is said counts and can be lost; it becomes octets when somebody listens. A message of more than one
frame goes in blocks, one to a window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from emulator.han.medium import Delivery as Sent
from emulator.han.medium import Link
from emulator.han.message import ALL_DEVICES, Message
from protocols.zigbee import aps, aps_commands, mac, mmo, nwk
from protocols.zigbee.aps import ApsFrame, Block, Delivery
from protocols.zigbee.fragments import fragments
from protocols.zigbee.nwk import NwkFrame
from protocols.zigbee.security import Auxiliary, KeyId

if TYPE_CHECKING:
    from emulator.han.node import Node
    from emulator.han.radio_network import RadioNetwork

APS_TRIES: Final = 4
"""Once and three times again (apscMaxFrameRetries)."""
PLAIN_BLOCK, SECURED_BLOCK = 80, 63
"""Octets of an APS payload that fit in a frame with all its headers, without and with the APS layer's protection."""
RADIUS: Final = 30
_REPLAYED: Final = "a frame of {} is dropped: its counter {} was used by a stranger"
_DERIVED: Final[dict[KeyId, Callable[[bytes], bytes]]] = {
    KeyId.LINK: lambda key: key,
    KeyId.TRANSPORT: mmo.key_transport_key,
    KeyId.LOAD: mmo.key_load_key,
}


def _data(message: Message, counter: int, payload: bytes = b"", block: Block | None = None) -> ApsFrame:
    """The data frame of a message, or of a block of it."""
    return ApsFrame(
        aps.FrameType.DATA,
        counter,
        payload,
        destination_endpoint=message.destination_endpoint,
        cluster=message.cluster,
        profile=message.profile,
        source_endpoint=message.source_endpoint,
        acknowledge=message.acknowledge,
        block=block,
    )


class Carrier:
    """Says the frames of one network."""

    __slots__ = ("_network",)

    def __init__(self, network: RadioNetwork) -> None:
        self._network = network

    # --- application layer

    def carry(self, way: Sequence[Node], message: Message, counter: int) -> bool:
        """Take a message over a way, and its acknowledgement back: whether it got there."""
        size = SECURED_BLOCK if message.secured else PLAIN_BLOCK
        payload = message.payload
        if len(payload) <= size:
            if not self._one(way, message, counter, payload, None):
                return False
            return not message.acknowledge or self.acknowledge(way[::-1], message, counter)
        if not message.acknowledge or len(payload) > 255 * size:
            return False  # blocks are acknowledged, and counted in an octet
        back = way[::-1]
        for number, (block, part) in enumerate(fragments(payload, size)):
            answer = Block(aps.Part.FIRST if number == 0 else aps.Part.LATER, number, 0xFF)
            if not any(
                self._one(way, message, counter, part, block) and self.acknowledge(back, message, counter, answer)
                for _ in range(APS_TRIES)
            ):
                return False
        return True

    def _one(self, way: Sequence[Node], message: Message, counter: int, payload: bytes, block: Block | None) -> bool:
        frame = _data(message, counter, payload, block) if self._network.air.listened else None
        return self._say(way, frame, secured=message.secured)

    def acknowledge(self, back: Sequence[Node], message: Message, counter: int, block: Block | None = None) -> bool:
        """The APS layer's acknowledgement of a message or of a block of it, over the way back: whether it got there."""
        frame = aps.acknowledgement(_data(message, counter), block) if self._network.air.listened else None
        return self._say(back, frame, secured=message.secured)

    def _say(self, way: Sequence[Node], frame: ApsFrame | None, *, secured: bool) -> bool:
        """An APS frame over a way, protected by the link key of its ends if it is to be; None while nobody listens."""
        source = way[0]
        auxiliary = key = None
        if secured:
            key = self._network.link_key(source, way[-1])
            auxiliary = Auxiliary(KeyId.LINK, source.next_link_counter(), source.eui64)
        return self.hop(way, None if frame is None else aps.encode(frame, key, auxiliary))

    def command(self, way: Sequence[Node], payload: bytes | None, key_id: KeyId | None) -> bool:
        """An APS command over a way, protected by what follows from the link key of its ends, or by the network key
        alone; ``payload`` may be None while nobody listens."""
        network, source = self._network, way[0]
        counter = source.next_link_counter() if key_id is not None else 0
        if network.air.listened and payload is not None:
            frame = ApsFrame(aps.FrameType.COMMAND, source.next_aps(), payload)
            if key_id is None:
                return self.hop(way, aps.encode(frame))
            key = _DERIVED[key_id](network.link_key(source, way[-1]))
            return self.hop(way, aps.encode(frame, key, Auxiliary(key_id, counter, source.eui64)))
        return self.hop(way, None)

    def switch_key(self, source: Node, sequence: int) -> None:
        """Tell all that the network key of that number is in use from now on."""
        payload = None
        if self._network.air.listened:
            command = aps_commands.encode(aps_commands.SwitchKey(sequence))
            payload = aps.encode(ApsFrame(aps.FrameType.COMMAND, source.next_aps(), command, Delivery.BROADCAST))
        self.flood(source, nwk.RECEIVERS_ON, payload)

    # --- network layer

    def hop(
        self,
        way: Sequence[Node],
        payload: bytes | None,
        kind: nwk.FrameType = nwk.FrameType.DATA,
        *,
        secured: bool = True,
        euis: bool = False,
    ) -> bool:
        """Take a network frame over a way: whether it got there. ``payload`` is None while nobody listens."""
        network = self._network
        medium, air = network.medium, network.air
        source, target = way[0], way[-1]
        frame = None
        if air.listened and payload is not None:
            frame = NwkFrame(
                kind,
                target.address,
                source.address,
                RADIUS,
                source.next_nwk(),
                payload,
                target.eui64 if euis else None,
                source.eui64 if euis else None,
            )
        for sender, receiver in pairwise(way):
            counter = sender.next_counter() if secured else 0
            if receiver is not target and not network.awake(receiver):
                return False
            delivery = medium.send(sender.radio, receiver.radio)
            if frame is not None:
                self._emit_data(frame, sender, receiver, counter, delivery, secured=secured)
            if not delivery.received:
                return False
            if secured and not network.takes(receiver, sender, counter):
                network.air.drop("frame counter", _REPLAYED.format(sender.eui64.hex().upper(), counter))
                return False
        return True

    def _emit_data(
        self, frame: NwkFrame, sender: Node, receiver: Node, counter: int, delivery: Sent, *, secured: bool
    ) -> None:
        network = self._network
        sent = network.protect(frame, sender, counter) if secured else nwk.encode(frame)
        pan = network.pan_id
        data = mac.MacFrame(
            mac.FrameType.DATA,
            sender.next_mac(),
            sent,
            pan,
            receiver.address,
            pan,
            sender.address,
            acknowledge=True,
        )
        self.emit(data, delivery.link, delivery.tries, delivery.received)

    def emit(self, frame: mac.MacFrame, link: Link, tries: int, received: bool, pending: bool = False) -> None:
        """A frame as it was sent, ``tries`` times, and its acknowledgement."""
        air = self._network.air
        octets = mac.encode(frame)
        for _ in range(tries):
            air.emit(octets, link)
        if received:
            air.emit(mac.encode(mac.acknowledgement(frame.sequence, pending)), link)

    # --- broadcasts and polls

    def flood(
        self, source: Node, destination: int, payload: bytes | None, kind: nwk.FrameType = nwk.FrameType.DATA
    ) -> list[tuple[Node, Link]]:
        """Broadcast a network frame: who heard it, and how. Sleeping devices do not, unless they poll fast."""
        network = self._network
        frame = None
        if payload is not None and network.air.listened:
            frame = NwkFrame(kind, destination, source.address, RADIUS, source.next_nwk(), payload)
        heard: dict[int, tuple[Node, Link]] = {}
        reached = [source]
        for sender in reached:
            counter = sender.next_counter()
            if frame is not None:
                self._emit_broadcast(frame, sender, counter)
            for node in network.nodes():
                member = node.member
                if node is source or id(node) in heard or not network.awake(node):
                    continue
                sleepy = member is not None and member.sleepy
                if member is not None and sleepy and not (destination == ALL_DEVICES and member.polls_fast):
                    continue
                link = network.medium.hears(sender.radio, node.radio)
                if link is not None:
                    heard[id(node)] = node, link
                    if not sleepy:
                        reached.append(node)
        return list(heard.values())

    def _emit_broadcast(self, frame: NwkFrame, sender: Node, counter: int) -> None:
        network = self._network
        data = mac.MacFrame(
            mac.FrameType.DATA,
            sender.next_mac(),
            network.protect(frame, sender, counter),
            network.pan_id,
            nwk.ALL_DEVICES,
            network.pan_id,
            sender.address,
        )
        network.air.emit(mac.encode(data), network.heard_by_hub(sender))

    def poll(self, parent: Node, child: Node, *, pending: bool) -> None:
        """The data request of a child; its parent acknowledges it, and says whether something is ``pending``."""
        delivery = self._network.medium.send(child.radio, parent.radio)
        if self._network.air.listened:
            frame = mac.MacFrame(
                mac.FrameType.COMMAND,
                child.next_mac(),
                mac.encode_command(mac.DataRequest()),
                self._network.pan_id,
                parent.address,
                self._network.pan_id,
                child.address,
                acknowledge=True,
            )
            self.emit(frame, delivery.link, delivery.tries, delivery.received, pending=pending)
