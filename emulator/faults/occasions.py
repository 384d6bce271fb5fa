"""When an injection happens: once, again and again, between times of day, by chance, or on a condition.

Everything is said as data. An injection that begins on a condition waits for it; one that repeats begins anew every
period, at most so many times. Where there is a probability each time that it could begin is left to chance, which is
the injection's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

from emulator.faults.parameters import ParameterError
from emulator.faults.triggers import SECONDS_OF_DAY, Condition, TimeOfDay, parse, seconds_of_day, time_of_day
from emulator.time import DAY, MILLISECOND, SECOND

if TYPE_CHECKING:
    from random import Random

    from emulator.device import Device

LONGEST: Final = 366 * DAY
"""How far ahead a fault can begin, how long it can last, and how long a period can be, ns."""
SHORTEST: Final = MILLISECOND
"""The shortest period, ns."""
MOST_TIMES: Final = 1_000_000
MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Occasions:
    """When an injection begins, beside its first instant.

    ``condition``: it waits for that. ``every``: it begins anew after so long, ns. ``between``: only then does it begin,
    seconds of the day by the device's own local clock, from the first until before the second, over midnight where
    that is earlier. ``times``: it begins no more often; None for no end. ``probability``: of each beginning, in
    millionths.
    """

    condition: Condition | None = None
    every: int | None = None
    between: tuple[int, int] | None = None
    times: int | None = 1
    probability: int = MILLION

    @property
    def repeats(self) -> bool:
        """Whether it can begin more than once."""
        return self.times != 1

    def allows(self, device: Device) -> bool:
        """Whether it may begin now, as far as the device's time of day says."""
        if self.between is None:
            return True
        begin, end = self.between
        second = device.device_clock.local(device.clock.now) % SECONDS_OF_DAY
        return begin <= second < end if begin < end else not end <= second < begin

    def wanted(self, chance: Random) -> bool:
        """Whether chance has it begin."""
        return chance.randrange(MILLION) < self.probability

    def __str__(self) -> str:
        """All of it as people write it; empty for what happens once and at its time."""
        parts: list[str] = []
        if self.condition is not None:
            parts.append(f"when {self.condition}")
        if self.every is not None:
            parts.append(f"every {self.every / SECOND:g} s")
        if self.between is not None:
            parts.append(f"between {between_text(self.between)}")
        if self.repeats and self.times is not None:
            parts.append(f"{self.times} times")
        if self.probability != MILLION:
            parts.append(f"with probability {self.probability / MILLION:g}")
        return ", ".join(parts)


class Timing(TypedDict, total=False):
    """What :func:`occasions` takes by keyword, for those who hand it on."""

    duration: int | None
    when: str | None
    every: int | None
    between: str | None
    times: int | None
    probability: float | None


ONCE: Final = Occasions()
"""Once, at its time."""


def occasions(
    where: str,
    kind: str,
    *,
    duration: int | None = None,
    momentary: bool = False,
    when: str | None = None,
    every: int | None = None,
    between: str | None = None,
    times: int | None = None,
    probability: float | None = None,
) -> tuple[Occasions, int | None]:
    """Occasions of what people write, and how long the fault lasts then, ns.

    ``between`` is such as ``17:00-19:00``. Without ``when`` and ``every`` it is every day, for as long as that is
    unless ``duration`` says otherwise. Without ``times`` what has ``every`` or such a ``between`` has no end, and what
    else there is begins once. Raises ParameterError for what makes no sense.
    """
    if duration is not None and not 0 < duration <= LONGEST:
        raise ParameterError(f"{where}: duration: must be more than 0 and at most {LONGEST // DAY} days")
    if duration is not None and momentary:
        raise ParameterError(f"{where}: duration: it is over as soon as it has begun; leave it out")
    condition = None if when is None else parse(f"{where}: when", when, kind)
    window = None if between is None else _between(where, between)
    if condition is not None and every is not None:
        raise ParameterError(f"{where}: when and every: give one of them; times says how often a condition counts")
    if every is not None and not SHORTEST <= every <= LONGEST:
        raise ParameterError(f"{where}: every: must be from 0.001 s to {LONGEST // DAY} days")
    if times is not None and not 1 <= times <= MOST_TIMES:
        raise ParameterError(f"{where}: times: {times}: must be 1 to {MOST_TIMES}")
    endless = every is not None
    if window is not None and condition is None and every is None:
        begin, end = window
        condition, window, endless = TimeOfDay(begin), None, True
        if duration is None and not momentary:
            duration = ((end - begin) % SECONDS_OF_DAY or SECONDS_OF_DAY) * SECOND
    most = times if times is not None else None if endless else 1
    if most != 1:
        if condition is None and every is None:
            raise ParameterError(f"{where}: times: say what it repeats on: every, between or when")
        if duration is not None and every is not None and duration >= every:
            raise ParameterError(f"{where}: every: must be longer than it lasts each time")
    return Occasions(condition, every, window, most, _millionths(where, probability)), duration


def between_text(window: tuple[int, int]) -> str:
    """``17:00-19:00``."""
    return "-".join(time_of_day(second) for second in window)


def _between(where: str, text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    begin, end = seconds_of_day(first.strip()), seconds_of_day(last.strip())
    if begin is None or end is None or begin == end:
        shown = " ".join(text[:40].split()) or "nothing"
        raise ParameterError(f"{where}: between: {shown}: must be two times of day such as 17:00-19:00")
    return begin, end


def _millionths(where: str, probability: float | None) -> int:
    if probability is None:
        return MILLION
    if not 0 < probability <= 1 or round(probability * MILLION) == 0:
        raise ParameterError(f"{where}: probability: {probability:g}: must be above 0 (0.000001) and at most 1")
    return round(probability * MILLION)
