"""Reports that nobody has looked at: they are on time, but what is in them is worked out when somebody looks.

A meter that reports every ten seconds to a display which nobody reads would spend its time on numbers that the next
report replaces. As a device's state at an instant follows from what it was before, a report can be made later, before
its device is brought beyond its instant; it is the same then as it would have been. That is done where the same
attributes are reported each period, a report goes its way at once and for certain, nobody listens, and the receiver
keeps no more than what it was told last (:class:`~emulator.han.message.Late`). Such reports need no event on the rig's
clock: how many there were follows from the time. Of several only the last is made, and those still on the air.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.device import NEVER
from emulator.han.message import Arrival, Late, Repeated

if TYPE_CHECKING:
    from emulator.han.member import Member
    from emulator.han.node import Node
    from emulator.han.radio_network import RadioNetwork, Way


class _Standing:
    """One thing that a device reports to another each period, acknowledged and in one frame; ``due`` is the instant of
    the next report that is not counted yet, ``taker`` who it is for."""

    __slots__ = ("due", "period", "report", "taker", "target", "way")

    def __init__(self, report: Repeated, target: Node, taker: Late, way: Way, due: int) -> None:
        self.report = report
        self.target = target
        self.taker = taker
        self.way = way
        self.due = due
        self.period = report.period

    def until(self, instant: int) -> int:
        """How many are due by an instant."""
        return (instant - self.due) // self.period + 1 if instant >= self.due else 0


class Round:
    """All that one device reports so. It holds until :meth:`break_off`, which whatever bears on it calls."""

    __slots__ = ("_due", "_network", "_source", "_standings", "_until")

    def __init__(self, network: RadioNetwork, source: Member) -> None:
        self._network = network
        self._source = source
        self._standings: list[_Standing] = []
        self._due = self._until = NEVER

    def add(self, report: Repeated, target: Node, taker: Late, way: Way) -> int:
        """Report from now on, until the rig instant that is returned, at which a report is due that is not one of
        these: the ways of the network are worked out anew before it."""
        network, now = self._network, self._network.hub.clock.now
        if not self._standings:
            network.rounds.append(self)
            self._source.device.owed = self.catch_up
        standings, self._until = self._standings, network.ways_until
        standings.append(_Standing(report, target, taker, way, now))
        standings.sort(key=lambda item: -item.period)  # those that began longer ago are first where two are due at once
        self._due = min(self._due, now)
        return now + -((now - self._until) // report.period) * report.period

    def catch_up(self) -> None:
        """Count what was due by now; make what the receivers know or will have next, as the device was by then."""
        network, source = self._network, self._source
        now, hop = network.hub.clock.now, network.hop_time
        if now < self._due:
            return
        end = min(now, self._until - 1)
        standings = self._standings
        counts = [standing.until(end) for standing in standings]
        made: list[tuple[int, int, _Standing]] = []
        for standing, count in zip(standings, counts, strict=True):
            on_the_air = count - standing.until(now - hop)
            last = standing.due + (count - 1) * standing.period
            for back in range(min(count, on_the_air + 1)):
                instant = last - back * standing.period
                made.append((instant, self._rank(standing, instant), standing))
        sequence = source.spend_sequences(sum(counts))
        for standing, count in zip(standings, counts, strict=True):
            standing.due += count * standing.period
        self._due = min(standing.due for standing in standings)
        device, node = source.device, source.node
        for instant, rank, standing in sorted(made, key=lambda item: item[:2]):
            device.settle_to(instant)
            message, way = standing.report.make(sequence + rank & 0xFF), standing.way
            if instant + hop > now:
                network.transport.land(node, standing.target, message, way, instant + hop)
            else:
                arrival = Arrival(node.address, node.eui64, message, False, way.rssi, way.lqi)
                standing.taker.receive_late(arrival, instant + hop)
        for standing, count in zip(standings, counts, strict=True):
            secured = standing.report.secured
            network.transport.spend(node, standing.target, secured=secured, acknowledged=True, count=count)

    def _rank(self, standing: _Standing, instant: int) -> int:
        """How many reports the device has sent with that one, since it was caught up with last."""
        before = True
        rank = 0
        for other in self._standings:
            rank += other.until(instant if before else instant - 1)
            before = before and other is not standing
        return rank

    def break_off(self) -> None:
        """Catch up, and have each report sent when it is due again."""
        self.catch_up()
        standings, self._standings = self._standings, []
        self._due = NEVER
        if standings:
            self._network.rounds.remove(self)
            self._source.device.owed = None
        for standing in standings:
            standing.report.go_on(standing.due)


def repeat(network: RadioNetwork, source: Member, destination: int, report: Repeated) -> int | None:
    """Have a device report to a short address each period from now on, when somebody looks: until which rig instant.
    None where its reports have to be sent."""
    if network.watched or network.disturbed:
        return None
    target = network.node_at(destination)
    member = None if target is None else target.member
    if target is None or member is None or member.sleepy or member.late is None or not member.device.ready:
        return None
    way = network.way_between(source.node, target)
    if way is None or not way.clear:
        return None
    if report.secured and not network.transport.introduce(source.node, target):
        return None
    return source.round.add(report, target, member.late, way)
