"""Messages over the HAN, in time: what is sent arrives, is held for a sleeping child, or is sent again.

What is simulated is what can be told apart from outside: which way a message goes, what every hop loses and sends
again, how long it all takes, what a parent holds for a sleeping child and for how long, how often the APS layer tries
again, what the frame counters come to. The frames themselves are :mod:`emulator.han.carrier`'s.

Assumed: a frame takes ``hop_time`` from one radio to the next. A parent holds a message for 7.68 s and a child that
polls fast does so every 250 ms, as the host stacks that are known expect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from emulator.han.carrier import APS_TRIES, PLAIN_BLOCK, SECURED_BLOCK
from emulator.han.message import Arrival, Done, Message
from emulator.han.partners import Partners
from emulator.time import MILLISECOND
from protocols.zigbee import aps, nwk
from protocols.zigbee.aps import ApsFrame, Delivery

if TYPE_CHECKING:
    from emulator.han.node import Node
    from emulator.han.radio_network import RadioNetwork, Way

ACK_WAIT: Final = 1600 * MILLISECOND
"""How long the APS layer waits for an acknowledgement (apscAckWaitDuration)."""
HELD: Final = 7680 * MILLISECOND
"""How long a parent holds a message for a child (macTransactionPersistenceTime)."""
CHILD_MESSAGES: Final = 8
"""Messages that a parent holds for one child at most."""
FAST_POLL: Final = 250 * MILLISECOND
"""How often a sleeping device polls while it expects something."""


class Transfer:
    """A message on its way, until it has arrived or been given up.

    ``address`` is the source's when it was sent: the source may have left when the message arrives.
    """

    __slots__ = ("address", "counter", "done", "message", "source", "target", "tries")

    def __init__(self, source: Node, target: Node, message: Message, counter: int, done: Done | None) -> None:
        self.source = source
        self.address = source.address
        self.target = target
        self.message = message
        self.counter = counter
        self.done = done
        self.tries = 0

    def fail(self) -> None:
        """It never will arrive."""
        if self.done is not None:
            self.done(False)


class Transport:
    """Carries the messages of one network."""

    __slots__ = ("_network", "_partners")

    def __init__(self, network: RadioNetwork) -> None:
        self._network = network
        self._partners = Partners(network)

    # --- messages

    def send(self, source: Node, destination: int, message: Message, done: Done | None = None) -> None:
        """Send a message to a short address; ``done`` hears later what became of it."""
        network = self._network
        if destination >= nwk.ROUTERS:
            self._broadcast(source, destination, message)
            if done is not None:
                self._later(network.hop_time, lambda: done(True))
            return
        target = network.node_at(destination)
        if target is None or target is source or not network.awake(source):
            if done is not None:
                self._later(ACK_WAIT, lambda: done(False))
            return
        if message.secured and not self._partners.introduce(source, target):
            if done is not None:
                self._later(ACK_WAIT, lambda: done(False))
            return
        way = network.way_between(source, target)
        if way is not None and way.clear and not network.air.listened and self._is_plain(target, message):
            self._express(source, target, message, way, done)
        else:
            self._attempt(Transfer(source, target, message, source.next_aps(), done))

    def _is_plain(self, target: Node, message: Message) -> bool:
        """Whether nothing stands in the way of a message of one frame to a device that does not sleep."""
        network, member = self._network, target.member
        return (
            not (member is not None and member.sleepy)
            and len(message.payload) <= SECURED_BLOCK
            and not network.disturbed
            and network.awake(target)
        )

    def _express(self, source: Node, target: Node, message: Message, way: Way, done: Done | None) -> None:
        """What :meth:`_attempt` comes to where nothing is lost and nobody listens, without looking at each frame."""
        network = self._network
        self.spend(source, target, secured=message.secured, acknowledged=message.acknowledge)
        self.land(source, target, message, way, network.hub.clock.now + network.hop_time, done)

    def land(
        self, source: Node, target: Node, message: Message, way: Way, instant: int, done: Done | None = None
    ) -> None:
        """A message of one frame that is on the air arrives at a rig instant, if the target is awake then."""
        network = self._network
        address = source.address  # as Transfer has it

        def arrive() -> None:
            if not network.awake(target):
                self._attempt(Transfer(source, target, message, source.next_aps(), done))
                return
            if done is not None:
                self._acknowledge(message, done, network.hop_time)
            network.arrive(target, Arrival(address, source.eui64, message, False, way.rssi, way.lqi))

        network.hub.clock.schedule(instant, arrive)

    def _acknowledge(self, message: Message, done: Done, duration: int) -> None:
        """A message has arrived: where it asks for an acknowledgement the sender knows when that is back."""
        if message.acknowledge:
            self._later(duration, lambda: done(True))
        else:
            done(True)

    def introduce(self, source: Node, target: Node) -> bool:
        """See to it that two nodes have a key to protect their messages by: whether they have."""
        return self._partners.introduce(source, target)

    def spend(self, source: Node, target: Node, *, secured: bool, acknowledged: bool, count: int = 1) -> None:
        """Count what so many messages of one frame take of the frame counters."""
        source.spend(secured=secured, count=count)
        if acknowledged:
            target.spend(secured=secured, count=count)

    def _attempt(self, transfer: Transfer) -> None:
        network, source, target = self._network, transfer.source, transfer.target
        message, counter = transfer.message, transfer.counter
        transfer.tries += 1
        member = target.member
        if member is not None and member.sleepy:
            self._hold(transfer)
            return
        way = network.nodes_between(source, target)
        if way is None or not network.awake(target) or not network.carrier.carry(way, message, counter):
            self._later(ACK_WAIT, lambda: self._again(transfer))
            return
        self._later((len(way) - 1) * network.hop_time, lambda: self._arrive(transfer, way))

    def _again(self, transfer: Transfer) -> None:
        if transfer.message.acknowledge and transfer.tries < APS_TRIES and self._network.awake(transfer.source):
            self._attempt(transfer)
        else:
            transfer.fail()

    def _arrive(self, transfer: Transfer, way: Sequence[Node]) -> None:
        network, target = self._network, transfer.target
        if not network.awake(target):
            self._later(ACK_WAIT, lambda: self._again(transfer))
            return
        if transfer.done is not None:
            self._acknowledge(transfer.message, transfer.done, (len(way) - 1) * network.hop_time)
        link = network.medium.link(way[-2].radio, target.radio)
        network.arrive(target, Arrival(transfer.address, transfer.source.eui64, transfer.message, False, *link[:2]))

    # --- sleeping children

    def _hold(self, transfer: Transfer) -> None:
        """The parent keeps it until the child polls, or for as long as it keeps anything."""
        network, target = self._network, transfer.target
        member = target.member
        assert member is not None
        now = network.hub.clock.now
        poll = member.next_poll(now)
        if target.waiting >= CHILD_MESSAGES:
            self._later(ACK_WAIT, lambda: self._again(transfer))
            return
        target.waiting += 1

        def expired() -> None:
            target.waiting -= 1
            self._again(transfer)

        def polled() -> None:
            target.waiting -= 1
            way = network.nodes_between(transfer.source, target)
            if way is None or not network.awake(target):
                self._again(transfer)
                return
            network.carrier.poll(way[-2], target, pending=True)
            if network.carrier.carry(way, transfer.message, transfer.counter):
                self._arrive(transfer, way)
            else:
                self._again(transfer)

        if poll is None or poll > now + HELD:
            self._later(HELD, expired)
        else:
            self._later(poll - now, polled)

    # --- broadcasts

    def _broadcast(self, source: Node, destination: int, message: Message) -> None:
        """Every router passes it on once; whoever is awake and hears any of them has it."""
        network = self._network
        if not network.awake(source) or len(message.payload) > PLAIN_BLOCK:
            return
        payload = None
        counter = source.next_aps()
        if network.air.listened:
            payload = aps.encode(
                ApsFrame(
                    aps.FrameType.DATA,
                    counter,
                    message.payload,
                    Delivery.BROADCAST,
                    message.destination_endpoint,
                    None,
                    message.cluster,
                    message.profile,
                    message.source_endpoint,
                )
            )
        for target, link in network.carrier.flood(source, destination, payload):
            arrival = Arrival(source.address, source.eui64, message, True, link.rssi, link.lqi)

            def arrive(target: Node = target, arrival: Arrival = arrival) -> None:
                if network.awake(target):
                    network.arrive(target, arrival)

            self._later(network.hop_time, arrive)

    def _later(self, duration: int, call: Callable[[], None]) -> None:
        clock = self._network.hub.clock
        clock.schedule(clock.now + duration, call)
