"""What a meter must have counted: from what flowed, when it had power and a closed contact, and what its faults took.

It has figures of its own for all of that, and takes of the meter but its events, and when they happened. What a meter
forgets that goes on from an older state of its memory, it forgets too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from emulator.faults.injection import Injection, State
from emulator.load import MICRO, UNIT
from emulator.meter import Meter

_WHOLE = 1000
_STAYS_CLOSED = frozenset(("welded-contactor", "valve-stuck-open"))
_STAYS_OPEN = frozenset(("contactor-will-not-close", "valve-stuck-closed", "contactor-opens"))


@dataclass(slots=True)
class _Course:
    """How a meter is at one time of its course."""

    mains: bool = True
    wanted: bool = True
    """Whether the firmware has the supply on."""
    closed: bool = True
    """Whether the contact, or valve, is closed, or open to gas."""
    faults: dict[str, Injection] = field(default_factory=dict)
    """Those in force by id, in the order of their beginning."""

    def drive(self) -> None:
        """The contact goes where the firmware has it, as far as its faults let it."""
        names = {injection.fault.name for injection in self.faults.values()}
        if "contactor-opens" in names:
            self.closed = False
        if not names & (_STAYS_OPEN if self.wanted else _STAYS_CLOSED):
            self.closed = self.wanted

    def values(self, name: str) -> list[int]:
        """The first parameter of each fault of that name."""
        return [
            number
            for injection in self.faults.values()
            if injection.fault.name == name
            for number in list(injection.values.values())[:1]
            if isinstance(number, int)
        ]


Change = Callable[[_Course], None]


class Ledger:
    """The course of one meter from the rig's present on."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        meter.come()
        self._begin = meter.time
        self._base = self._counted()
        self._changes: list[tuple[int, str, Change]] = []
        self._pulses = 0
        meter.observers.append(self._hear)

    def _counted(self) -> tuple[int, int]:
        metering, now = self.meter.metering, self.meter.time
        return metering.imported(now), metering.exported(now)

    def _hear(self, event: str) -> None:
        match event:
            case "power_down":
                self._power(False)
            case "power_up":
                self._power(True)
                self._supply(self.meter.switch.closed)  # which it may have of its memory
            case "supply_enabled":
                self._supply(True)
            case "supply_disabled" | "supply_armed":
                self._supply(False)
            case _:
                pass

    def _power(self, on: bool) -> None:
        now = self.meter.time
        if not on:
            self._changes = [each for each in self._changes if each[0] <= now or each[1] != "power"]

        def change(course: _Course) -> None:
            course.mains = on

        self._changes.append((now, "power", change))

    def _supply(self, on: bool) -> None:
        def change(course: _Course) -> None:
            course.wanted = on

        self._changes.append((self.meter.time, "supply", change))

    def fault(self, injection: Injection) -> None:
        """A fault of this meter has begun or ended."""
        begins = injection.state is State.ACTIVE
        if begins and injection.fault.name == "lost-pulses":
            pulse = injection.values["pulse"]
            assert isinstance(pulse, int)
            self._pulses += 2 * pulse

        def change(course: _Course) -> None:
            if begins:
                course.faults[injection.id] = injection
            else:
                course.faults.pop(injection.id, None)

        self._changes.append((self.meter.clock.now, "fault", change))

    def difference(self) -> Fraction:
        """By how many units the meter is off from what it must have counted, import and export together."""
        self.meter.come()
        now, course, at = self.meter.time, _Course(), self._begin
        imported = exported = Fraction(0)
        for instant, _, change in [*sorted(self._changes, key=lambda each: each[0]), (now, "end", lambda _: None)]:
            gained, given = self._between(course, at, min(instant, now))
            imported, exported, at = imported + gained, exported + given, min(instant, now)
            change(course)
            course.drive()
        counted = self._counted()
        off = abs(counted[0] - self._base[0] - imported), abs(counted[1] - self._base[1] - exported)
        return sum(off, Fraction(0)) / UNIT

    @property
    def tolerance(self) -> int:
        """Units that rounding, and the pulses under way when some were lost, may make up."""
        return 1 + self._pulses

    def _between(self, course: _Course, begin: int, end: int) -> tuple[Fraction, Fraction]:
        """What is counted from one instant to another while nothing changes."""
        leak, load, time = sum(course.values("valve-leaks")), self.meter.metering.drawn, end - begin
        if not course.mains or not (course.closed or leak):
            return Fraction(0), Fraction(0)
        imported = Fraction(load.imported(end) - load.imported(begin) if course.closed else leak * MICRO * time)
        exported = Fraction(load.exported(end) - load.exported(begin) if course.closed else 0)
        for injection in course.faults.values():
            first = next(iter(injection.values.values()), 0)
            number = first if isinstance(first, int) else 0
            share = Fraction(1)
            match injection.fault.name:
                case "creep" | "leakage" | "gas-leak":
                    imported += number * MICRO * time
                case "gain-error":
                    share = Fraction(_WHOLE + number, _WHOLE)
                case "bypass" | "lost-pulses":
                    share = Fraction(_WHOLE - number, _WHOLE)
                case "magnetic-field" | "neutral-disturbance":
                    share = Fraction(number, _WHOLE)
                case "stuck-register":
                    share = Fraction(0)
                case "reverse-energy":
                    imported, exported = exported, imported
                case _:
                    pass
            imported, exported = imported * share, exported * share
        return imported, exported
