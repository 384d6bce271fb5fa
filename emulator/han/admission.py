"""Who gets onto the HAN: what the trust centre makes of a device that asks for the network, and what comes of it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from emulator.han.joining import Attempt, Joining
from emulator.han.key_establishment import establish
from emulator.time import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.han.device_log import Entry
    from emulator.han.member import Member
    from emulator.han.network import Network
    from emulator.han.node import Node

_AFTER_JOINING = 60 * SECOND
"""How long a sleeping device polls fast after it has joined, while it is read and set up."""


class Refusal(Enum):
    """Why a device did not get onto the network."""

    NO_NETWORK = "no network in range"
    LOST = "a frame of it was lost"
    CLOSED = "the permit-join window is closed"
    UNKNOWN = "the device log does not have it"
    WRONG_KEY = "its key is not the one in the device log"
    WRONG_KIND = "it is not what the device log says"
    NO_KEY = "no link key could be established"


class Admission:
    """The trust centre's decisions, for one network."""

    __slots__ = ("_network",)

    def __init__(self, network: Network) -> None:
        self._network = network

    def admit(self, member: Member) -> Refusal | None:
        """A device asks for the network: None when it was given the network key."""
        network = self._network
        way = network.nodes_between(member.node, network.node)
        if not (member.device.ready and network.hub.ready and network.formed) or way is None:
            return Refusal.NO_NETWORK
        attempt = Attempt(network, member, way)
        now, eui64 = network.hub.clock.now, member.device.identity.eui64
        entry = network.log.entries.get(eui64)
        if entry is not None and entry.joined and member.link_key and entry.key in member.keys:
            return self._readmit(member, entry, attempt, way[1])
        if not attempt.scan():
            return Refusal.LOST
        if not network.log.is_open(now):
            return Refusal.CLOSED
        if not attempt.associate(network.give_address(member)) or not attempt.report(Joining.ASSOCIATION):
            return Refusal.LOST
        wanted = network.log.key_for(eui64, now)
        refusal = self._objection(member, entry, wanted)
        if refusal is not None:
            self._tell_host(member, Joining.ASSOCIATION, way[1], admitted=refusal is Refusal.WRONG_KEY)
            if wanted is not None and refusal is Refusal.WRONG_KEY:
                attempt.transport_key(wanted)
            return self._refuse(member, refusal)
        assert wanted is not None
        if not attempt.transport_key(wanted):
            return Refusal.LOST
        entry = network.log.join(eui64, wanted)
        self._give(member, entry, wanted)
        self._settled_in(member, attempt, Joining.ASSOCIATION, way[1])
        if network.settings.key_establishment and network.host is None and not self._establish_key(member, entry, way):
            return self._refuse(member, Refusal.NO_KEY)
        member.ask_the_time()
        network.record("device_joined", member)
        network.hub.record("device_log_changed")
        return None

    def _establish_key(self, member: Member, entry: Entry, way: Sequence[Node]) -> bool:
        """The two make a link key of their own (CBKE); without one the device is told to leave."""
        network = self._network
        key, member.objection = establish(network, member, way)
        if key is None:
            entry.joined = False
            network.say_leave(member)
            network.review(member)
            return False
        entry.key = member.link_key = key
        member.keyed_at = network.hub.clock.now
        network.hub.commit()
        member.device.commit()
        return True

    def _objection(self, member: Member, entry: Entry | None, wanted: bytes | None) -> Refusal | None:
        """What the trust centre, or the device, has against its being on the network."""
        network = self._network
        if entry is None or wanted is None:
            return Refusal.UNKNOWN
        if not network.is_kind(member, entry):
            return Refusal.WRONG_KIND
        return None if wanted in member.keys else Refusal.WRONG_KEY

    def _readmit(self, member: Member, entry: Entry, attempt: Attempt, parent: Node) -> Refusal | None:
        """A rejoin, which needs no window."""
        network = self._network
        how = Joining.REJOIN if member.network_key == network.network_key else Joining.TRUST_CENTRE_REJOIN
        if not attempt.scan() or not attempt.rejoin(network.give_address(member), how) or not attempt.report(how):
            return Refusal.LOST
        if how is Joining.TRUST_CENTRE_REJOIN and not attempt.transport_key(entry.key):
            return Refusal.LOST
        self._give(member, entry, entry.key)
        self._settled_in(member, attempt, how, parent)
        member.device.commit()
        return None

    def _give(self, member: Member, entry: Entry, key: bytes) -> None:
        network = self._network
        if member.link_key != key:
            member.keyed_at = network.hub.clock.now
        member.link_key, member.network_key = key, network.network_key
        network.note_heard(member, entry)
        entry.successes = min(entry.successes + 1, 0xFF)

    def _settled_in(self, member: Member, attempt: Attempt, how: Joining, parent: Node) -> None:
        """It has the network key: it says so to everybody, and a sleeping one stays awake for what comes next."""
        network = self._network
        self._tell_host(member, how, parent, admitted=True)
        member.stay_awake(network.hub.clock.now + _AFTER_JOINING)
        network.review(member)
        attempt.announce()

    def _tell_host(self, member: Member, how: Joining, parent: Node, *, admitted: bool) -> None:
        network = self._network
        if network.host is not None:
            network.host.asked(member, how, parent, admitted=admitted)

    def _refuse(self, member: Member, refusal: Refusal) -> Refusal:
        network = self._network
        entry = network.log.entries.get(member.device.identity.eui64)
        if entry is not None:
            entry.failures = min(entry.failures + 1, 0xFF)
            network.note_heard(member, entry)
        network.record("join_failed", member)
        return refusal
