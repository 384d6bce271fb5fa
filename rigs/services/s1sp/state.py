"""What a replica keeps on disk, what it has its driver do, and its times."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from rigs.services.s1sp.messages import Consensus


class Entry(NamedTuple):
    """A record of the log and the term of the leader that put it there. Positions count from 1."""

    term: int
    record: str


class Role(Enum):
    """What a replica is at present."""

    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class Timing:
    """In ticks of the driver. ``election`` is the least time without a leader after which the highest rank stands;
    each rank below waits ``stagger`` longer, and each time a random part of ``stagger`` is added. ``settle`` is how
    long a member of a higher rank must have been heard without a break before the leader hands over to it."""

    heartbeat: int = 3
    election: int = 20
    stagger: int = 10
    settle: int = 30


@dataclass(slots=True)
class Stored:
    """What a replica has on disk; a new one has nothing."""

    term: int = 0
    voted_for: str | None = None
    commit: int = 0
    log: list[Entry] = field(default_factory=list[Entry])


@dataclass(frozen=True, slots=True)
class Batch:
    """What to do, in this order: write ``term``, ``voted_for``, ``commit`` and the entries from position ``first`` on
    in place of all that is there, in one transaction; then send ``messages``; then call :meth:`Replica.saved`."""

    term: int
    voted_for: str | None
    commit: int
    first: int
    entries: tuple[Entry, ...]
    messages: tuple[tuple[str, Consensus], ...]
    changed: bool
    """Whether there is anything to write that the messages rest on; ``commit`` alone can wait for the next time."""

    @property
    def last(self) -> int:
        """The last position that it writes; ``first - 1`` without entries."""
        return self.first + len(self.entries) - 1
