"""Faults of one rig: injected at once, at an instant, again and again, on a condition; each injection with an id.

Everything happens on the rig's clock and follows from the rig's seed, the order of the injections and what comes to the
devices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from emulator.faults.catalogue import CATALOGUE
from emulator.faults.fault import End, Fault, Site
from emulator.faults.injected import Injection, State
from emulator.faults.occasions import LONGEST, MILLION, occasions
from emulator.faults.parameters import FaultError, ParameterError
from emulator.time import DAY, Clock, Event, stream

if TYPE_CHECKING:
    from random import Random

    from emulator.device import Device
    from emulator.premises import Premises

MOST = 10_000
"""Injections that wait or are in force at once."""
REMEMBERED = 1000
"""Injections that are over and still known, the latest ones."""


class UnknownFaultError(FaultError):
    """No such fault, premises, device or injection."""


class Faults:
    """The faults of one rig, oldest first. ``observers`` hear of each beginning, end and failure, in a sentence."""

    __slots__ = (
        "_clock",
        "_draws",
        "_ends",
        "_events",
        "_held",
        "_live",
        "_made",
        "_premises",
        "_seed",
        "_told",
        "_waits",
        "observers",
    )

    def __init__(self, clock: Clock, seed: int, premises: Mapping[str, Premises]) -> None:
        self._clock = clock
        self._seed = seed
        self._premises = premises
        self._made = 0
        self._live = 0  # those that are not over
        self._told: dict[str, Injection] = {}
        self._ends: dict[str, End] = {}  # of what is in force
        self._events: dict[str, Event] = {}  # the end of what is in force
        self._waits: dict[str, End] = {}  # of waiting for a time or a condition
        self._draws: dict[str, Random] = {}
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
        when: str | None = None,
        every: int | None = None,
        between: str | None = None,
        times: int | None = None,
        probability: float | None = None,
    ) -> Injection:
        """Inject the fault of that name into a device (``premises/kind``), at a rig instant or at once.

        It ends by itself after ``duration`` ns, or by :meth:`end`. ``parameters`` go by their names; each may be a
        number or text. With ``when`` (:mod:`emulator.faults.triggers`) it waits, from ``at`` on, for a condition; with
        ``every`` it begins anew after so many ns; ``between``, ``times`` and ``probability`` say how often
        (:func:`emulator.faults.occasions.occasions`). What would begin while it is in force is passed over. Raises
        UnknownFaultError for names, ParameterError for values, FaultError for what cannot be done; nothing has been
        injected then.
        """
        fault = _named(name)
        now = self._clock.now
        if at is not None and not now <= at <= now + LONGEST:
            raise ParameterError(f"{name}: at: must be within {LONGEST // DAY} days from now")
        _, device = self._device(fault, target)
        plan, duration = occasions(
            name,
            device.firmware.kind,
            duration=duration,
            momentary=fault.momentary,
            when=when,
            every=every,
            between=between,
            times=times,
            probability=probability,
        )
        if self._live >= MOST:
            raise FaultError(f"{name}: {MOST} faults wait or are in force already; end some")
        number = self._made + 1
        chance = stream(self._seed, target, f"fault {number} {name}")
        values = fault.values(parameters or {}, chance)
        injection = Injection(
            f"F{number}", fault, target, values, chance, now if at is None else at, None, duration, plan
        )
        if plan.probability != MILLION:
            self._draws[injection.id] = stream(self._seed, target, f"fault {number} {name} occasions")
        try:
            self._first(injection, device, at)
        except FaultError:
            self._drop(injection)
            raise
        return injection

    def _first(self, injection: Injection, device: Device, at: int | None) -> None:
        """Have a new injection begin, or wait; FaultError where it cannot, with nothing changed."""
        plan = injection.occasions
        if at is not None:
            if plan.condition is None and injection.duration is not None:
                injection.ends_at = at + injection.duration
            self._wait_until(injection, at, lambda: self._come(injection))
        elif plan.condition is not None:
            self._arm(injection)
        elif plan.allows(device) and self._lucky(injection):
            self._begin(injection)
        else:
            injection.passed += 1
        self._made += 1
        self._live += 1
        self._remember(injection)
        begins = injection.state is State.ACTIVE
        if begins:
            self._begun(injection)
        if at is None and plan.every is not None and not injection.over:
            self._await_next(injection)
        if begins:
            return
        if at is None and plan.condition is None and plan.every is None:
            self._miss(injection)
        else:
            self._tell(injection, _waiting(injection))

    def _come(self, injection: Injection) -> None:
        """The first instant of one that was to begin later has come."""
        del self._waits[injection.id]
        plan = injection.occasions
        if plan.condition is not None:
            try:
                self._arm(injection)
            except FaultError as error:
                self._fail(injection, error, for_good=True)
            else:
                self._tell(injection, _waiting(injection))
            return
        if plan.every is not None:
            self._await_next(injection)
        self._due(injection)

    def _arm(self, injection: Injection) -> None:
        fault, target, condition = injection.fault, injection.target, injection.occasions.condition
        assert condition is not None
        self._waits[injection.id] = condition.arm(lambda: self._device(fault, target)[1], lambda: self._due(injection))
        injection.begins_at = None

    def _wait_until(self, injection: Injection, instant: int, call: Callable[[], None]) -> None:
        self._waits[injection.id] = self._clock.schedule(instant, call).cancel

    def _await_next(self, injection: Injection) -> None:
        """Wait for the next instant of one that begins every so often."""
        every = injection.occasions.every
        assert every is not None
        due = self._clock.now + every

        def come() -> None:
            self._await_next(injection)
            self._due(injection)

        self._wait_until(injection, due, come)
        if injection.state is State.WAITING:
            injection.begins_at = due

    def _lucky(self, injection: Injection) -> bool:
        draws = self._draws.get(injection.id)
        return draws is None or injection.occasions.wanted(draws)

    def _due(self, injection: Injection) -> None:
        """It may begin now."""
        if injection.state is not State.WAITING:
            return
        plan = injection.occasions
        _, device = self._device(injection.fault, injection.target)
        if plan.allows(device) and self._lucky(injection):
            self._begin_late(injection)
            return
        injection.passed += 1
        if plan.condition is None and plan.every is None:
            self._miss(injection)

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
        site = Site(premises, device, injection.chance, injection.values, injection.id, lambda: self._over(injection))
        mend = fault.begin(site)
        injection.device = device.identity.device_id
        injection.blamed = injection.device
        if fault.culprit.at_hub and premises.hub is not None:
            injection.blamed = premises.hub.identity.device_id
        injection.state = State.ACTIVE
        injection.occurrences += 1
        injection.begins_at = self._clock.now
        injection.ends_at = None if injection.duration is None else self._clock.now + injection.duration
        injection.failure = ""
        self._held[held] = injection

        def end() -> None:
            del self._held[held]
            mend()

        self._ends[injection.id] = end

    def _begun(self, injection: Injection) -> None:
        self._tell(injection, f"begins ({_times(injection)})" if injection.occasions.repeats else "begins")
        if injection.state is not State.ACTIVE:
            return  # whoever was told has ended it
        if injection.fault.momentary:
            self._pass(injection)
        elif injection.ends_at is not None:
            self._events[injection.id] = self._clock.schedule(injection.ends_at, lambda: self._pass(injection))

    def _begin_late(self, injection: Injection) -> None:
        try:
            self._begin(injection)
        except FaultError as error:
            self._fail(injection, error)
        else:
            self._begun(injection)

    def _miss(self, injection: Injection) -> None:
        """It could only have begun now, and did not."""
        self._close(injection, State.ENDED)
        self._tell(injection, "does not begin, by chance")

    def _fail(self, injection: Injection, error: FaultError, *, for_good: bool = False) -> None:
        """It cannot begin now; one that repeats may later, unless it is ``for_good``."""
        injection.failure = str(error)
        if for_good or not injection.occasions.repeats:
            self._close(injection, State.FAILED)
        self._tell(injection, f"cannot begin: {error}")

    # --- ending

    def end(self, id: str) -> Injection:
        """End an injection for good, or take back one that waits; one that is over is left as it is.

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

    def _over(self, injection: Injection) -> None:
        """The fault itself says that it is over."""
        if injection.state is State.ACTIVE:
            self._pass(injection)

    def _pass(self, injection: Injection) -> None:
        """What is in force ends; one that repeats waits for the next time."""
        plan = injection.occasions
        if plan.times is not None and injection.occurrences >= plan.times:
            self._finish(injection)
            return
        self._mend(injection, State.WAITING)
        if plan.every is None:
            injection.begins_at = None
        else:
            assert injection.begins_at is not None
            gone = self._clock.now - injection.begins_at
            injection.begins_at += (gone // plan.every + 1) * plan.every
        injection.ends_at = None
        self._tell(injection, f"ends ({_times(injection)})")

    def _finish(self, injection: Injection) -> None:
        self._mend(injection, State.ENDED)
        self._tell(injection, "ends")

    def _mend(self, injection: Injection, state: State) -> None:
        mend = self._ends.pop(injection.id, None)
        if state is State.WAITING:
            self._cancel(injection)
            injection.state = state
            injection.ended_at = self._clock.now
        else:
            self._close(injection, state)
        if mend is not None:
            mend()

    def _close(self, injection: Injection, state: State) -> None:
        self._cancel(injection)
        self._drop(injection)
        self._live -= 1
        injection.state = state
        injection.ended_at = self._clock.now

    def _cancel(self, injection: Injection) -> None:
        event = self._events.pop(injection.id, None)
        if event is not None:
            event.cancel()

    def _drop(self, injection: Injection) -> None:
        """Wait for nothing any more."""
        self._draws.pop(injection.id, None)
        wait = self._waits.pop(injection.id, None)
        if wait is not None:
            wait()

    # --- telling

    def _remember(self, injection: Injection) -> None:
        self._told[injection.id] = injection
        if len(self._told) - self._live <= REMEMBERED:
            return
        over = [each.id for each in self._told.values() if each.over]
        for id in over[: max(0, len(over) - REMEMBERED)]:
            del self._told[id]

    def _tell(self, injection: Injection, what: str) -> None:
        for observer in self.observers:
            observer(injection, f"{injection} {what}")


def _named(name: str) -> Fault:
    fault = CATALOGUE.get(name)
    if fault is None:
        close = get_close_matches(name, CATALOGUE, 3)
        some = f"; there is {', '.join(close)}" if close else ""
        raise UnknownFaultError(f"{name}: no such fault{some}; the catalogue has {len(CATALOGUE)}: smets1 fault list")
    return fault


def _times(injection: Injection) -> str:
    most = injection.occasions.times
    return f"time {injection.occurrences}" if most is None else f"time {injection.occurrences} of {most}"


def _waiting(injection: Injection) -> str:
    what = injection.waits_for
    return "waits" if what is None else f"waits for {what}"
