"""One of the three copies of the log: a sans-I/O state machine of Raft (Ongaro 2014) with pre-vote and ranks.

It is told of time (:meth:`Replica.tick`), messages and proposals, and says what to write to disk and what to send
(:meth:`Replica.take`). The one rule of its driver: what a batch holds is durable BEFORE its messages are sent and
before :meth:`Replica.saved` is called with it. Any message may be lost, doubled, late or out of order.

Fencing is the term: each has at most one leader, a record is committed when a majority has it on disk in the leader's
own term, and whoever has heard of a later term takes nothing from an earlier one. A leader that hears no majority for
an election time-out steps down by itself.

Ranks say who should lead. A leader hands over to a member of a higher rank that has been heard steadily and has all
records: so the primary takes over again when it is back, and a witness leads only until a site has what it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random

from rigs.services.s1sp.messages import (
    MAX_ENTRIES,
    Append,
    Appended,
    Consensus,
    PreVote,
    PreVoted,
    TakeOver,
    Vote,
    Voted,
)
from rigs.services.s1sp.records import Opening, encode
from rigs.services.s1sp.state import Batch, Entry, Role, Stored, Timing

_MAX_OCTETS = 256 * 1024
"""Octets of records in one message."""


@dataclass(slots=True)
class _Peer:
    """What a leader knows of another: the next position to send, up to where it has the log, when it was heard."""

    next: int
    match: int = 0
    heard: int = 0
    since: int | None = None
    """Since when it has been heard without a break of an election time-out."""


class Replica:
    """A copy of the log. ``ranks`` are those of all members, this one among them; the highest should lead.

    ``chance`` spreads elections, so that two members seldom stand at once.
    """

    def __init__(
        self, name: str, ranks: Mapping[str, int], stored: Stored, chance: Random, timing: Timing | None = None
    ) -> None:
        self.name = name
        self.role = Role.FOLLOWER
        self.leader: str | None = None
        self.term = stored.term
        self.commit = stored.commit
        self._ranks = dict(ranks)
        self._voted_for = stored.voted_for
        self._log = list(stored.log)
        self._chance = chance
        self.timing = timing or Timing()
        self._now = 0
        self._quiet_since = 0
        self._patience = 0
        self._votes: set[str] = set()
        self._before_vote = False
        self._peers: dict[str, _Peer] = {}
        self._opening = 0
        self._beat = 0
        self._successor: str | None = None
        self._hand_over_until = 0
        self._taken = self._durable = len(self._log)
        self._written = (self.term, self._voted_for)
        self._outbox: list[tuple[str, Consensus]] = []
        self._wait_anew()

    # -- what can be seen --------------------------------------------------------------------------------------------

    @property
    def last(self) -> int:
        """The last position of the log, 0 when it is empty."""
        return len(self._log)

    @property
    def majority(self) -> int:
        """How many members make one."""
        return len(self._ranks) // 2 + 1

    @property
    def leading(self) -> bool:
        """Whether it leads, with everything of earlier terms committed, and takes proposals."""
        return self.role is Role.LEADER and self.commit >= self._opening and self._successor is None

    @property
    def dirty(self) -> bool:
        """Whether :meth:`take` has anything to give."""
        return bool(self._outbox) or self._taken < self.last or self._written != (self.term, self._voted_for)

    def entries(self, first: int, last: int) -> Iterable[tuple[int, Entry]]:
        """Positions ``first`` to ``last``, both included, with their entries."""
        return zip(range(first, last + 1), self._log[first - 1 : last], strict=True)

    def behind(self, peer: str) -> int | None:
        """How many entries of the leader's log ``peer`` is not known to have; None on those that do not lead."""
        known = self._peers.get(peer)
        return None if known is None else self.last - known.match

    # -- what goes in ------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """A tick of the driver's clock has passed. Clocks of the members need not agree, nor run alike."""
        self._now += 1
        if self.role is Role.LEADER:
            self._tick_leader()
        elif self._now - self._quiet_since >= self._patience:
            self._stand(asked=False)

    def propose(self, record: str) -> int | None:
        """Put a record at the end of the log; its position, or None where this replica may not (see ``leading``).

        It is committed once :attr:`commit` has come to its position and the term there is still this one.
        """
        if not self.leading:
            return None
        return self._add(record)

    def receive(self, sender: str, message: Consensus) -> None:
        """Take a message of another member. What strangers send must not come here."""
        if sender not in self._ranks or sender == self.name:
            return
        match message:
            case PreVote():
                self._asked_before(sender, message)
            case PreVoted():
                self._answered_before(sender, message)
            case Vote():
                self._asked(sender, message)
            case Voted():
                if self._current(message.term) and self.role is Role.CANDIDATE and not self._before_vote:
                    self._count(sender, message.granted)
            case Append():
                self._append(sender, message)
            case Appended():
                if self._current(message.term) and self.role is Role.LEADER:
                    self._appended(sender, message)
            case TakeOver():
                if self._current(message.term) and self.role is Role.FOLLOWER and self.leader == sender:
                    self._stand(asked=True)

    # -- what comes out ----------------------------------------------------------------------------------------------

    def take(self) -> Batch:
        """What is to be written and sent since the last call; see :class:`Batch`. One batch at a time."""
        first = self._taken + 1
        entries = tuple(self._log[self._taken :])
        self._taken = self.last
        changed = bool(entries) or self._written != (self.term, self._voted_for)
        self._written = (self.term, self._voted_for)
        messages, self._outbox = tuple(self._outbox), []
        return Batch(self.term, self._voted_for, self.commit, first, entries, messages, changed)

    def saved(self, batch: Batch) -> None:
        """A batch is on disk. What has changed in the log meanwhile does not count as written."""
        self._durable = max(self._durable, min(batch.last, self._taken))
        if self.role is Role.LEADER:
            self._advance()

    # -- elections ---------------------------------------------------------------------------------------------------

    def _wait_anew(self) -> None:
        """A leader was heard or a vote given: be patient again, the more so the lower the rank."""
        timing = self.timing
        above = sum(rank > self._ranks[self.name] for rank in self._ranks.values())
        self._quiet_since = self._now
        self._patience = timing.election + above * timing.stagger + self._chance.randrange(timing.stagger + 1)

    def _stand(self, *, asked: bool) -> None:
        """Ask whether an election would be won, and hold one if so; at once where the leader wants it."""
        self.role = Role.CANDIDATE
        self.leader = None
        self._peers.clear()
        self._wait_anew()
        self._votes = {self.name}
        self._before_vote = not asked
        last_term = self._last_term
        if asked:
            self.term += 1
            self._voted_for = self.name
            self._broadcast(Vote(self.term, self.last, last_term, True))
        else:
            self._broadcast(PreVote(self.term + 1, self.last, last_term))

    def _hold_election(self) -> None:
        self.term += 1
        self._voted_for = self.name
        self._votes = {self.name}
        self._before_vote = False
        self._broadcast(Vote(self.term, self.last, self._last_term, False))

    def _asked_before(self, sender: str, message: PreVote) -> None:
        granted = message.term > self.term and not self._led and self._not_behind(message.last, message.last_term)
        self._send(sender, PreVoted(message.term if granted else self.term, granted))

    def _answered_before(self, sender: str, message: PreVoted) -> None:
        if not message.granted:
            self._current(message.term)
        elif self.role is Role.CANDIDATE and self._before_vote and message.term == self.term + 1:
            self._votes.add(sender)
            if len(self._votes) >= self.majority:
                self._hold_election()

    def _asked(self, sender: str, message: Vote) -> None:
        if self._led and not message.asked and message.term > self.term:
            return  # the leader is well: whoever cannot hear it does not depose it
        if message.term > self.term:
            self._follow(message.term, None)
        granted = (
            message.term == self.term
            and self._voted_for in (None, sender)
            and self._not_behind(message.last, message.last_term)
        )
        if granted:
            self._voted_for = sender
            self._wait_anew()
        self._send(sender, Voted(self.term, granted))

    def _count(self, sender: str, granted: bool) -> None:
        if granted:
            self._votes.add(sender)
            if len(self._votes) >= self.majority:
                self._lead()

    def _lead(self) -> None:
        self.role = Role.LEADER
        self.leader = self.name
        self._successor = None
        self._peers = {name: _Peer(self.last + 1, heard=self._now) for name in self._ranks if name != self.name}
        self._opening = self._add(encode(Opening(self.name)))

    def _follow(self, term: int, leader: str | None) -> None:
        if term > self.term:
            self.term = term
            self._voted_for = None
        if self.role is Role.LEADER:
            self._wait_anew()
        self.role = Role.FOLLOWER
        self.leader = leader
        self._successor = None
        self._peers.clear()

    def _current(self, term: int) -> bool:
        """Whether a message is of this term; one of a later term makes a follower of us."""
        if term > self.term:
            self._follow(term, None)
            return False
        return term == self.term

    @property
    def _led(self) -> bool:
        """Whether there is a leader that was heard of late, this one included."""
        if self.role is Role.LEADER:
            return True
        return self.leader is not None and self._now - self._quiet_since < self.timing.election

    @property
    def _last_term(self) -> int:
        return self._log[-1].term if self._log else 0

    def _not_behind(self, last: int, last_term: int) -> bool:
        return (last_term, last) >= (self._last_term, self.last)

    # -- the leader --------------------------------------------------------------------------------------------------

    def _add(self, record: str) -> int:
        self._log.append(Entry(self.term, record))
        self._replicate()
        return self.last

    def _replicate(self) -> None:
        for name in self._peers:
            self._feed(name)
        self._beat = self._now + self.timing.heartbeat

    def _feed(self, name: str) -> None:
        """Send a peer what it lacks, as much as a message holds; with nothing to send it is the heartbeat."""
        peer = self._peers[name]
        previous = peer.next - 1
        entries: list[Entry] = []
        octets = 0
        for entry in self._log[previous : previous + MAX_ENTRIES]:
            octets += len(entry.record)
            if entries and octets > _MAX_OCTETS:
                break
            entries.append(entry)
        self._send(
            name,
            Append(
                self.term,
                previous,
                self._log[previous - 1].term if previous else 0,
                tuple(entry.term for entry in entries),
                tuple(entry.record for entry in entries),
                self.commit,
            ),
        )
        # What is on its way is not sent again with each proposal; the heartbeat goes back to what is known to be there.
        peer.next += len(entries)

    def _appended(self, sender: str, message: Appended) -> None:
        peer = self._peers[sender]
        if self._now - peer.heard >= self.timing.election or peer.since is None:
            peer.since = self._now
        peer.heard = self._now
        if message.match > self.last:
            return
        if not message.ok:
            peer.next = max(peer.match, min(peer.next - 1, message.match)) + 1
            self._feed(sender)
            return
        peer.match = max(peer.match, message.match)
        peer.next = max(peer.next, peer.match + 1)
        self._advance()
        if peer.next <= self.last:
            self._feed(sender)
        if sender == self._successor and peer.match == self.last:
            self._send(sender, TakeOver(self.term))

    def _advance(self) -> None:
        """Commit what a majority has on disk, if it is of this term."""
        reached = sorted([self._durable, *(peer.match for peer in self._peers.values())], reverse=True)
        position = reached[self.majority - 1]
        if position > self.commit and self._log[position - 1].term == self.term:
            self.commit = position
            self._replicate()

    def _tick_leader(self) -> None:
        timing = self.timing
        heard = 1 + sum(self._now - peer.heard < timing.election for peer in self._peers.values())
        if heard < self.majority:
            self._follow(self.term, None)
            return
        if self._successor is not None and self._now >= self._hand_over_until:
            # It did not take over: see it settle anew before it is asked again.
            self._peers[self._successor].since = None
            self._successor = None
        if self._now >= self._beat:
            for peer in self._peers.values():
                peer.next = peer.match + 1 if peer.match else peer.next
            self._replicate()
        if self.leading:
            self._hand_over()

    def _hand_over(self) -> None:
        """Begin to hand over to the highest rank above this one that has been heard steadily and is all but level."""
        # The lowest rank leads in nobody's interest: it waits for no one to settle.
        settle = self.timing.settle if self._ranks[self.name] > min(self._ranks.values()) else 0
        settled = [
            name
            for name, peer in self._peers.items()
            if self._ranks[name] > self._ranks[self.name]
            and peer.since is not None
            and self._now - peer.heard < self.timing.election
            and self._now - peer.since >= settle
            and self.last - peer.match <= MAX_ENTRIES
        ]
        if not settled:
            return
        self._successor = max(settled, key=lambda name: self._ranks[name])
        self._hand_over_until = self._now + self.timing.election
        if self._peers[self._successor].match == self.last:
            self._send(self._successor, TakeOver(self.term))

    # -- the follower ------------------------------------------------------------------------------------------------

    def _append(self, sender: str, message: Append) -> None:
        if message.term < self.term:
            self._send(sender, Appended(self.term, False, 0))
            return
        self._follow(message.term, sender)
        self._wait_anew()
        previous = message.previous
        if previous > self.last or (previous and self._log[previous - 1].term != message.previous_term):
            # All up to the commit position is alike in all logs; a conflict goes back over the whole of its term.
            match = min(previous - 1, self.last)
            if previous <= self.last:
                conflicting = self._log[previous - 1].term
                while match > self.commit and self._log[match - 1].term == conflicting:
                    match -= 1
            self._send(sender, Appended(self.term, False, match))
            return
        for position, entry in enumerate(map(Entry, message.terms, message.records), previous + 1):
            if position > self.last:
                self._log.append(entry)
            elif self._log[position - 1].term != entry.term:
                self._truncate(position)
                self._log.append(entry)
        match = previous + len(message.terms)
        self.commit = max(self.commit, min(message.commit, match))
        self._send(sender, Appended(self.term, True, match))

    def _truncate(self, position: int) -> None:
        if position <= self.commit:
            raise RuntimeError(f"{self.name}: term {self.term} would take back position {position}, which is committed")
        del self._log[position - 1 :]
        self._taken = min(self._taken, position - 1)
        self._durable = min(self._durable, position - 1)

    # -- sending -----------------------------------------------------------------------------------------------------

    def _send(self, to: str, message: Consensus) -> None:
        self._outbox.append((to, message))

    def _broadcast(self, message: Consensus) -> None:
        for name in self._ranks:
            if name != self.name:
                self._send(name, message)
