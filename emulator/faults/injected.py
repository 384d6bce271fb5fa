"""One injection of a fault: what, where, when, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from emulator.faults.occasions import ONCE, Occasions

if TYPE_CHECKING:
    from random import Random

    from emulator.faults.fault import Fault
    from emulator.faults.parameters import Value


class State(Enum):
    """Where an injection is in its life."""

    WAITING = "waiting"
    ACTIVE = "active"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(slots=True)
class Injection:
    """One injection of a fault. ``target`` is ``premises/kind``; instants are the rig's, ns.

    ``begins_at`` is when it began last or, while it waits for a time, when it will; None while it waits for a condition
    that has not come true yet. ``duration`` is how long it lasts each time; ``ends_at`` is None for one that lasts
    until somebody ends it. ``device`` is the id of the device that has the fault, once it has. ``failure`` is why it
    could not begin when its time had come.
    """

    id: str
    fault: Fault
    target: str
    values: Mapping[str, Value]
    chance: Random = field(repr=False)
    begins_at: int | None
    ends_at: int | None = None
    duration: int | None = None
    occasions: Occasions = ONCE
    state: State = State.WAITING
    occurrences: int = 0
    """How often it has begun."""
    passed: int = 0
    """How often it could have begun and did not: by chance, or outside of its times of day."""
    device: str = ""
    blamed: str = ""
    """Id of the device to look at."""
    ended_at: int | None = None
    failure: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing of it is left or will come."""
        return self.state in (State.ENDED, State.FAILED)

    @property
    def waits_for(self) -> str | None:
        """The condition that it waits for, in words; None for one that waits for a time or not at all."""
        condition = self.occasions.condition
        if condition is None or self.state is not State.WAITING or self.begins_at is not None:
            return None
        return condition.told

    def __str__(self) -> str:
        parameters = "".join(f" {name}={value}" for name, value in self.fault.shown(self.values).items())
        return f"fault {self.id}: {self.fault.name} at {self.target}{parameters}"
