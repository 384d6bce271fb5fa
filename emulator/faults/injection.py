"""Faults of one rig: injected at once, at an instant, for a duration; each injection with an id.

Everything happens on the rig's clock and follows from the rig's seed and the order of the injections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from emulator.faults.catalogue import CATALOGUE
from emulator.faults.fault import End, Fault, Site
from emulator.faults.parameters import FaultError, ParameterError, Value
from emulator.time import DAY, Clock, Event, stream

if TYPE_CHECKING:
    from random import Random

    from emulator.device import Device
    from emulator.premises import Premises

LONGEST = 366 * DAY
"""How far ahead a fault can begin, and how long it can last, ns."""
MOST = 1000
"""Injections that wait or are in force at once, and those over that are remembered."""


class UnknownFaultError(FaultError):
    """No such fault, premises, device or injection."""


class State(Enum):
    """Where an injection is in its life."""

    WAITING = "waiting"
    ACTIVE = "active"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(slots=True)
class Injection:
    """One injection of a fault. ``target`` is ``premises/kind``; instants are the rig's, ns.

    ``device`` is the id of the device that has the fault, once it has. ``ends_at`` is None for one that lasts until
    somebody ends it. ``failure`` is why one that waited could not begin.
    """

    id: str
    fault: Fault
    target: str
    values: Mapping[str, Value]
    chance: Random = field(repr=False)
    begins_at: int
    ends_at: int | None = None
    state: State = State.WAITING
    device: str = ""
    blamed: str = ""
    """Id of the device to look at."""
    ended_at: int | None = None
    failure: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing of it is left or will come."""
        return self.state in (State.ENDED, State.FAILED)

    def __str__(self) -> str:
        parameters = "".join(f" {name}={value}" for name, value in self.fault.shown(self.values).items())
        return f"fault {self.id}: {self.fault.name} at {self.target}{parameters}"


class Faults:
    """The faults of one rig, oldest first. ``observers`` hear of each beginning, end and failure, in a sentence."""

    __slots__ = ("_clock", "_ends", "_events", "_held", "_made", "_premises", "_seed", "_told", "observers")

    def __init__(self, clock: Clock, seed: int, premises: Mapping[str, Premises]) -> None:
        self._clock = clock
        self._seed = seed
        self._premises = premises
        self._made = 0
        self._told: dict[str, Injection] = {}
        self._ends: dict[str, End] = {}
        self._events: dict[str, Event] = {}
        self._held: dict[tuple[str, str], Injection] = {}
        self.observers: list[Callable[[Injection, str], None]] = []

    def __iter__(self) -> Iterator[Injection]:
        return iter(list(self._told.values()))

    def find(self, id: str) -> Injection:
        """The injection with that id; UnknownFaultError without one."""
        found = self._told.get(id)
        if found is None:
            raise UnknownFaultError(f"{id}: no such injection of a fault; look at those there are")
        return found

    # --- beginning

    def start(
        self,
        name: str,
        target: str,
        parameters: Mapping[str, object] | None = None,
        *,
        at: int | None = None,
        duration: int | None = None,
    ) -> Injection:
        """Inject the fault of that name into a device (``premises/kind``), at a rig instant or at once.

        It ends by itself after ``duration`` ns, or by :meth:`end`. ``parameters`` go by their names; each may be a
        number or text. Raises UnknownFaultError for names, ParameterError for values, FaultError for what cannot be
        done; nothing has been injected then.
        """
        fault = _named(name)
        now = self._clock.now
        begins_at = now if at is None else at
        if not now <= begins_at <= now + LONGEST:
            raise ParameterError(f"{name}: at: must be within {LONGEST // DAY} days from now")
        if duration is not None and not 0 < duration <= LONGEST:
            raise ParameterError(f"{name}: duration: must be more than 0 and at most {LONGEST // DAY} days")
        if duration is not None and fault.momentary:
            raise ParameterError(f"{name}: duration: it is over as soon as it has begun; leave it out")
        self._device(fault, target)
        if sum(not each.over for each in self._told.values()) >= MOST:
            raise FaultError(f"{name}: {MOST} faults wait or are in force already; end some")
        number = self._made + 1
        chance = stream(self._seed, target, f"fault {number} {name}")
        values = fault.values(parameters or {}, chance)
        ends_at = None if duration is None else begins_at + duration
        injection = Injection(f"F{number}", fault, target, values, chance, begins_at, ends_at)
        if at is None:
            self._begin(injection)
        self._made = number
        self._remember(injection)
        if at is None:
            self._begun(injection)
        else:
            self._events[injection.id] = self._clock.schedule(begins_at, lambda: self._begin_late(injection))
            self._tell(injection, "waits")
        return injection

    def _device(self, fault: Fault, target: str) -> tuple[Premises, Device]:
        name, _, kind = target.rpartition("/")
        premises = self._premises.get(name)
        if premises is None:
            raise UnknownFaultError(f"{target}: no such premises; write PREMISES/KIND, such as home/electricity")
        devices = {device.firmware.kind: device for device in premises.devices()}
        if kind not in devices:
            raise UnknownFaultError(f"{target}: no such device; there are {', '.join(devices)}")
        if kind not in fault.kinds:
            raise ParameterError(f"{target}: {fault.name} is a fault of: {', '.join(fault.kinds)}")
        return premises, devices[kind]

    def _begin(self, injection: Injection) -> None:
        """Put it in force; FaultError where it cannot be, with nothing changed."""
        fault = injection.fault
        premises, device = self._device(fault, injection.target)
        held = premises.name if fault.wide else injection.target, fault.holds or fault.name
        other = self._held.get(held)
        if other is not None:
            raise FaultError(f"{injection.target}: {other.id} ({other.fault.name}) has that already; end it first")
        mend = fault.begin(Site(premises, device, injection.chance, injection.values))
        injection.device = device.identity.device_id
        injection.blamed = injection.device
        if fault.culprit.at_hub and premises.hub is not None:
            injection.blamed = premises.hub.identity.device_id
        injection.state = State.ACTIVE
        self._held[held] = injection

        def end() -> None:
            del self._held[held]
            mend()

        self._ends[injection.id] = end

    def _begun(self, injection: Injection) -> None:
        self._tell(injection, "begins")
        if injection.fault.momentary:
            self._finish(injection)
        elif injection.ends_at is not None:
            self._events[injection.id] = self._clock.schedule(injection.ends_at, lambda: self._finish(injection))

    def _begin_late(self, injection: Injection) -> None:
        try:
            self._begin(injection)
        except FaultError as error:
            injection.failure = str(error)
            self._close(injection, State.FAILED)
            self._tell(injection, f"cannot begin: {error}")
        else:
            self._begun(injection)

    # --- ending

    def end(self, id: str) -> Injection:
        """End an injection, or take back one that waits; one that is over is left as it is.

        Raises UnknownFaultError for an id that there is not.
        """
        injection = self.find(id)
        if not injection.over:
            self._finish(injection)
        return injection

    def end_all(self) -> None:
        """End all, the latest first."""
        for injection in reversed(list(self._told.values())):
            self.end(injection.id)

    def _finish(self, injection: Injection) -> None:
        mend = self._ends.pop(injection.id, None)
        self._close(injection, State.ENDED)
        if mend is not None:
            mend()
        self._tell(injection, "ends")

    def _close(self, injection: Injection, state: State) -> None:
        event = self._events.pop(injection.id, None)
        if event is not None:
            event.cancel()
        injection.state = state
        injection.ended_at = self._clock.now

    # --- telling

    def _remember(self, injection: Injection) -> None:
        self._told[injection.id] = injection
        over = [each.id for each in self._told.values() if each.over]
        for id in over[: max(0, len(over) - MOST)]:
            del self._told[id]

    def _tell(self, injection: Injection, what: str) -> None:
        for observer in self.observers:
            observer(injection, f"{injection} {what}")


def _named(name: str) -> Fault:
    fault = CATALOGUE.get(name)
    if fault is None:
        raise UnknownFaultError(f"{name}: no such fault; there are {', '.join(CATALOGUE)}")
    return fault
