"""Reports that nobody has looked at: they are on time, but what is in them is worked out when somebody looks.

A meter that reports every ten seconds to a display which nobody reads would spend its time on numbers that the next
report replaces. As a device's state at an instant follows from what it was before, a report can be made later, before
its device is brought beyond its instant; it is the same then as it would have been. That is done where a report goes
its way at once and for certain, nobody listens, and the receiver keeps no more than what it was told last
(:class:`~emulator.han.message.Late`). Of several reports of one thing only the last is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emulator.han.message import Arrival, Late, Message

if TYPE_CHECKING:
    from emulator.han.member import Member
    from emulator.han.node import Node
    from emulator.han.radio_network import RadioNetwork, Way


class Standing:
    """One thing that one device reports to another, acknowledged and in one frame, as long as nothing changes."""

    __slots__ = (
        "_make",
        "_network",
        "_secured",
        "_sequence",
        "_source",
        "_taker",
        "_target",
        "_until",
        "_version",
        "_way",
        "instant",
        "waits",
    )

    def __init__(
        self,
        network: RadioNetwork,
        source: Member,
        target: Node,
        taker: Late,
        way: Way,
        make: Callable[[int], Message],
        *,
        secured: bool,
    ) -> None:
        self._network = network
        self._source = source
        self._target = target
        self._taker = taker
        self._way = way
        self._secured = secured
        self._version = network.version
        self._until = network.ways_until
        self._make = make
        self._sequence = 0
        self.instant = 0
        """When the report that was not made was due."""
        self.waits = False
        """Whether there is one."""

    def put_off(self, sequence: int) -> bool:
        """Put off what is due now, in place of what was before: False where things are not as they were."""
        network, source, target = self._network, self._source, self._target
        now = network.hub.clock.now
        member = target.member
        if network.version != self._version or now >= self._until or member is None or not member.device.ready:
            return False
        network.transport.spend(source.node, target, secured=self._secured, acknowledged=True)
        if not self.waits:
            self.waits = True
            network.unmade.append(self)
            source.device.owed = network.make_up
        self.instant = now
        self._sequence = sequence
        return True

    def deliver(self) -> None:
        """Make it, as its device was when it was due, and have it arrive when it did."""
        self.waits = False
        device, way = self._source.device, self._way
        device.owed = None
        device.settle_to(self.instant)
        arrival = Arrival(
            self._source.node.address, device.identity.eui64, self._make(self._sequence), False, way.rssi, way.lqi
        )
        self._taker.receive_late(arrival, self.instant + self._network.hop_time)


def standing(
    network: RadioNetwork, source: Member, destination: int, make: Callable[[int], Message], *, secured: bool
) -> Standing | None:
    """What reports to a short address can be put off with; None where they have to be sent."""
    if network.watched or network.disturbed:
        return None
    target = network.node_at(destination)
    member = None if target is None else target.member
    if target is None or member is None or member.sleepy or member.late is None:
        return None
    way = network.way_between(source.node, target)
    if way is None or not way.clear or (secured and not network.transport.introduce(source.node, target)):
        return None
    return Standing(network, source, target, member.late, way, make, secured=secured)
