"""The consensus against a hostile world without sockets: what Raft promises must hold whatever is lost, late, doubled,
out of order, crashed or slow. Invariants are checked after every event."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rigs.services.s1sp.messages import Append, Appended, Consensus, PreVote, PreVoted, TakeOver, Vote, Voted
from rigs.services.s1sp.replica import Replica
from rigs.services.s1sp.state import Batch, Entry, Role, Stored, Timing

RANKS = {"primary": 2, "secondary": 1, "witness": 0}
ROUNDS = 600
TIMING = Timing(heartbeat=2, election=8, stagger=4, settle=12)


@dataclass
class Member:
    """A member and its disk. ``writing`` is a batch that is not durable yet."""

    name: str
    disk: Stored = field(default_factory=Stored)
    replica: Replica | None = None
    writing: Batch | None = None
    lives: int = 0
    checked: int = 0
    truncated: int = 0

    def start(self, seed: int) -> None:
        self.lives += 1
        chance = Random(f"{seed}/{self.name}/{self.lives}")
        self.replica = Replica(self.name, RANKS, deepcopy(self.disk), chance, TIMING)
        self.writing = None
        self.checked = 0

    def write(self) -> None:
        batch = self.writing
        assert batch is not None
        self.disk.term, self.disk.voted_for = batch.term, batch.voted_for
        if batch.entries:
            self.truncated += batch.first <= len(self.disk.log)
            self.disk.log[batch.first - 1 :] = batch.entries
        self.disk.commit = min(batch.commit, batch.last)


class World:
    """Three members and what is on the wires between them. Each round is drawn from ``chance``."""

    def __init__(self, seed: int, *, loss: float, crashes: float) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.loss = loss
        self.crashes = crashes
        self.members = {name: Member(name) for name in RANKS}
        self.wire: list[tuple[str, str, Consensus]] = []
        self.cut: set[tuple[str, str]] = set()
        self.leaders: dict[int, str] = {}
        self.committed: list[Entry] = []
        self.proposed = 0
        self.elections = 0
        # Clocks that run at different rates: how likely each member's is to tick in a round. And disks likewise.
        self.rates = {name: self.chance.choice((0.3, 0.7, 0.7, 0.95)) for name in RANKS}
        self.diligence = {name: self.chance.choice((0.3, 0.9, 1.0)) for name in RANKS}
        for member in self.members.values():
            member.start(seed)

    def step(self) -> None:
        """One round: some members tick, crash, start, work; some messages arrive."""
        chance = self.chance
        if chance.random() < 0.012:
            self.cut_or_heal()
        for member in self.all():
            if member.replica is None:
                if chance.random() < 0.1:
                    member.start(self.seed)
            elif chance.random() < self.crashes:
                self.crash(member)
            elif chance.random() < self.rates[member.name]:
                member.replica.tick()
            if member.replica is not None and member.replica.leading and chance.random() < 0.4:
                self.proposed += 1
                member.replica.propose(f"record {self.proposed}")
            if chance.random() < self.diligence[member.name]:
                self.work(member)
            self.check()
        self.deliver()

    def cut_or_heal(self) -> None:
        """Heal all, or cut a pair, or one member off from both others, in both directions or in one."""
        chance = self.chance
        first, second, third = chance.sample(list(RANKS), 3)
        self.cut = chance.choice(
            (
                set(),
                {(first, second), (second, first)},
                {(first, second), (first, third)},
                {(first, second), (second, first), (first, third), (third, first)},
                {(first, second), (second, first), (first, third), (third, first)},
            )
        )

    def crash(self, member: Member) -> None:
        if member.writing is not None and self.chance.random() < 0.5:
            member.write()  # the transaction made it to the disk, what should have followed did not
        member.replica = member.writing = None

    def work(self, member: Member) -> None:
        """Take a batch, or finish the one that is being written: the two are apart in time."""
        if member.replica is None:
            return
        if member.writing is None:
            if member.replica.dirty:
                member.writing = member.replica.take()
            return
        batch, replica = member.writing, member.replica
        member.write()
        member.writing = None
        self.wire += [(member.name, to, message) for to, message in batch.messages]
        replica.saved(batch)

    def deliver(self) -> None:
        """About half of what is on the wires arrives, in any order; some is lost, some stays to come again."""
        chance = self.chance
        wire, self.wire = self.wire, []
        chance.shuffle(wire)
        for sender, to, message in wire:
            replica = self.members[to].replica
            if chance.random() < 0.5:
                self.wire.append((sender, to, message))
            elif chance.random() >= self.loss and (sender, to) not in self.cut and replica is not None:
                replica.receive(sender, message)
                self.check()
                if chance.random() < 0.05:
                    self.wire.append((sender, to, message))

    def check(self) -> None:
        for member in self.members.values():
            replica = member.replica
            if replica is None:
                continue
            if replica.role is Role.LEADER:
                if replica.term not in self.leaders:
                    self.elections += 1
                assert self.leaders.setdefault(replica.term, member.name) == member.name, "two leaders in a term"
            assert replica.commit <= replica.last
            known = min(replica.commit, len(self.committed))
            for position, entry in replica.entries(member.checked + 1, known):
                assert entry == self.committed[position - 1], f"{member.name} has another record at {position}"
            for _, entry in replica.entries(known + 1, replica.commit):
                self.committed.append(entry)
                self.on_disks(len(self.committed))
            member.checked = replica.commit

    def on_disks(self, position: int) -> None:
        have = sum(member.disk.log[position - 1 : position] == [self.committed[position - 1]] for member in self.all())
        assert have >= 2, f"position {position} was committed with {have} on disk"

    def all(self) -> list[Member]:
        return list(self.members.values())

    def heal(self, ticks: int = 100) -> None:
        """All well again: everybody up, nothing lost, all clocks alike."""
        self.cut.clear()
        self.loss = 0
        for member in self.all():
            if member.replica is None:
                member.start(self.seed)
        for _ in range(ticks):
            for member in self.all():
                assert member.replica is not None
                member.replica.tick()
            for _ in range(6):
                for member in self.all():
                    self.work(member)
                    self.work(member)
                wire, self.wire = self.wire, []
                for sender, to, message in wire:
                    replica = self.members[to].replica
                    assert replica is not None
                    replica.receive(sender, message)
                self.check()


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from((0.0, 0.05, 0.3)),
    crashes=st.sampled_from((0.0, 0.002, 0.01)),
)
def test_nothing_committed_is_ever_lost_or_changed(seed: int, loss: float, crashes: float) -> None:
    world = World(seed, loss=loss, crashes=crashes)
    for _ in range(ROUNDS):
        world.step()
    world.heal()
    primary = world.members["primary"].replica
    assert primary is not None and primary.leading, "the primary leads again once all is well"
    before = len(world.committed)
    assert primary.propose("last") is not None
    world.heal(20)
    assert len(world.committed) > before
    assert all(member.replica and member.replica.commit == len(world.committed) for member in world.all())
    assert all(member.disk.log == world.committed for member in world.all())
    records = Counter(entry.record for entry in world.committed if entry.record.startswith("record"))
    assert all(count == 1 for count in records.values()), "a proposal is committed once at most"


def test_the_simulation_is_hostile_enough() -> None:
    """Elections are held, proposals are lost and logs truncated, or the test above would prove little."""
    elections = committed = proposed = truncated = 0
    for seed in range(20):
        world = World(seed, loss=0.1, crashes=0.004)
        for _ in range(ROUNDS):
            world.step()
        elections += world.elections
        truncated += sum(member.truncated for member in world.all())
        committed += sum(entry.record.startswith("record") for entry in world.committed)
        proposed += world.proposed
    assert elections > 50
    assert committed > 500
    assert proposed > committed + 50
    assert truncated >= 3


# -- single rules -------------------------------------------------------------------------------------------------


def replica(name: str = "primary", stored: Stored | None = None) -> Replica:
    return Replica(name, RANKS, stored or Stored(), Random(1), TIMING)


def flush(member: Replica) -> tuple[tuple[str, Consensus], ...]:
    batch = member.take()
    member.saved(batch)
    return batch.messages


def elected(name: str = "primary") -> Replica:
    """A leader in its first term, with the witness' votes."""
    member = replica(name)
    while member.role is Role.FOLLOWER:
        member.tick()
    flush(member)
    member.receive("witness", PreVoted(1, True))
    member.receive("witness", Voted(1, True))
    assert member.role is Role.LEADER
    return member


def test_a_leader_commits_only_what_is_on_its_own_disk_and_another() -> None:
    leader = elected()
    leader.receive("witness", Appended(1, True, 1))
    assert leader.commit == 0
    flush(leader)
    assert leader.commit == 1
    assert leader.leading


def test_a_leader_does_not_commit_records_of_earlier_terms_by_counting() -> None:
    stored = Stored(term=2, log=[Entry(1, "a"), Entry(2, "b")])
    leader = replica(stored=stored)
    while leader.role is Role.FOLLOWER:
        leader.tick()
    leader.receive("secondary", PreVoted(3, True))
    leader.receive("secondary", Voted(3, True))
    flush(leader)
    leader.receive("secondary", Appended(3, True, 2))
    assert leader.commit == 0
    leader.receive("secondary", Appended(3, True, 3))
    assert leader.commit == 3


def test_a_member_votes_once_a_term_and_remembers_it_on_disk_first() -> None:
    voter = replica("witness")
    voter.receive("primary", Vote(5, 0, 0, False))
    batch = voter.take()
    assert (batch.term, batch.voted_for, batch.changed) == (5, "primary", True)
    assert batch.messages == (("primary", Voted(5, True)),)
    restarted = replica("witness", Stored(term=batch.term, voted_for=batch.voted_for))
    restarted.receive("secondary", Vote(5, 0, 0, False))
    assert flush(restarted) == (("secondary", Voted(5, False)),)


def test_a_candidate_that_lacks_records_is_refused() -> None:
    voter = replica("witness", Stored(term=3, log=[Entry(1, "a"), Entry(3, "b")]))
    voter.receive("secondary", Vote(4, 5, 2, False))
    voter.receive("secondary", Vote(4, 1, 3, False))
    assert [message for _, message in flush(voter)] == [Voted(4, False), Voted(4, False)]
    voter.receive("secondary", Vote(4, 2, 3, False))
    assert flush(voter)[0][1] == Voted(4, True)


def test_who_cannot_hear_the_leader_does_not_depose_it() -> None:
    follower = replica("secondary")
    follower.receive("primary", Append(1, 0, 0, (), (), 0))
    flush(follower)
    follower.receive("witness", PreVote(9, 9, 9))
    follower.receive("witness", Vote(9, 9, 9, False))
    assert follower.term == 1
    assert [getattr(message, "granted", None) for _, message in flush(follower)] == [False]


def test_a_leader_that_hears_no_majority_steps_down_and_takes_nothing() -> None:
    leader = elected()
    flush(leader)
    leader.receive("witness", Appended(1, True, 1))
    assert leader.propose("x") == 2
    for _ in range(TIMING.election + 1):
        leader.tick()
    assert leader.role is not Role.LEADER
    assert leader.propose("y") is None


def test_the_secondary_hands_over_only_after_the_primary_has_settled_with_all_records() -> None:
    leader = elected("secondary")
    flush(leader)
    leader.receive("witness", Appended(1, True, 1))
    for tick in range(TIMING.settle - 1):
        leader.receive("witness", Appended(1, True, 1))
        leader.receive("primary", Appended(1, True, 0 if tick < 3 else 1))
        leader.tick()
        assert not any(isinstance(message, TakeOver) for _, message in flush(leader))
    leader.receive("primary", Appended(1, True, 1))
    for _ in range(2):
        leader.tick()
    assert ("primary", TakeOver(1)) in flush(leader)
    assert leader.propose("x") is None, "nothing is taken while it hands over"
    for _ in range(TIMING.election + 1):
        leader.receive("witness", Appended(1, True, 1))
        leader.tick()
    assert leader.propose("x") is not None, "the primary did not take over: go on"


def test_an_answer_to_an_earlier_term_does_not_count() -> None:
    leader = elected()
    flush(leader)
    leader.receive("witness", Appended(0, True, 1))
    assert leader.commit == 0
    leader.receive("witness", Appended(1, True, 99))
    assert leader.commit == 0, "nor does one about records that the leader does not have"


def test_committed_records_are_never_taken_back() -> None:
    follower = replica("secondary", Stored(term=2, commit=2, log=[Entry(1, "a"), Entry(2, "b")]))
    with pytest.raises(RuntimeError, match="position 2, which is committed"):
        follower.receive("primary", Append(3, 1, 1, (3,), ("other",), 2))


def test_strangers_are_not_heard() -> None:
    member = replica()
    member.receive("mallory", Append(9, 0, 0, (9,), ("x",), 1))
    member.receive("primary", Append(9, 0, 0, (9,), ("x",), 1))
    assert (member.term, member.last, member.dirty) == (0, 0, False)
