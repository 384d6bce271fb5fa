"""What is drawn through a meter, as a function of time whose integral is known without adding up.

A rate is in millionths of a unit an hour, the unit being a watt-hour for electricity (so a rate is in uW) or a cubic
decimetre for gas. An amount is a rate times nanoseconds; ``UNIT`` of amount is one unit. All are integers, and amounts
are exact: ``imported(b) - imported(a)`` is the integral of the rate from ``a`` to ``b`` where energy flows in.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from functools import cache
from itertools import accumulate, pairwise
from random import Random
from typing import Protocol

from emulator.time import HOUR, MINUTE, stream
from protocols.dlms.datetime import days_of

MICRO = 1_000_000
UNIT = HOUR * MICRO
"""Amount of one watt-hour, or one cubic decimetre."""
SLOT = 30 * MINUTE
_SLOTS_A_DAY = 48
_DAYS = 364  # a year of whole weeks, so that weekdays stay in step; the seasons move by 1.25 days a year
_ANCHOR = days_of(2024, 1, 1) * 24 * HOUR  # a Monday
_YEAR_SLOTS = _DAYS * _SLOTS_A_DAY
_NOISE_SLOTS = 4999  # prime, so that shape and noise only meet again after 4999 years


class Load(Protocol):
    """A rate over rig time (ns of UTC); positive flows in through the meter, negative out."""

    def imported(self, t: int) -> int:
        """Amount that has flowed in until ``t``, from an origin of the load's own; never decreases."""
        ...

    def exported(self, t: int) -> int:
        """Amount that has flowed out until ``t``; never decreases."""
        ...

    def rate(self, t: int) -> int:
        """The rate at ``t``, millionths of a unit an hour."""
        ...

    def next_change(self, t: int) -> int | None:
        """The first instant after ``t`` at which the rate may be another; None when it stays for ever."""
        ...


class Constant:
    """The same rate for ever."""

    __slots__ = ("_rate",)

    def __init__(self, rate: int) -> None:
        self._rate = rate

    def imported(self, t: int) -> int:
        return t * self._rate if self._rate > 0 else 0

    def exported(self, t: int) -> int:
        return -t * self._rate if self._rate < 0 else 0

    def rate(self, t: int) -> int:
        return self._rate

    def next_change(self, t: int) -> int | None:
        return None


class Steps:
    """A rate that changes at given instants: 0 before the first, the last one for ever."""

    __slots__ = ("_exported", "_imported", "_rates", "_times")

    def __init__(self, times: list[int], rates: list[int]) -> None:
        """``times`` rise; ``rates[i]`` holds from ``times[i]`` on. ValueError for times that do not rise, or none."""
        if not times or len(times) != len(rates):
            raise ValueError("a load of steps needs at least one step, and a rate for each")
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise ValueError("the times of a load of steps must rise")
        self._times = times
        self._rates = rates
        spans = [later - earlier for earlier, later in pairwise(times)]
        self._imported = list(accumulate((max(r, 0) * s for r, s in zip(rates, spans, strict=False)), initial=0))
        self._exported = list(accumulate((max(-r, 0) * s for r, s in zip(rates, spans, strict=False)), initial=0))

    def imported(self, t: int) -> int:
        step = bisect_right(self._times, t) - 1
        return self._imported[step] + max(self._rates[step], 0) * (t - self._times[step]) if step >= 0 else 0

    def exported(self, t: int) -> int:
        step = bisect_right(self._times, t) - 1
        return self._exported[step] + max(-self._rates[step], 0) * (t - self._times[step]) if step >= 0 else 0

    def rate(self, t: int) -> int:
        step = bisect_right(self._times, t) - 1
        return self._rates[step] if step >= 0 else 0

    def next_change(self, t: int) -> int | None:
        step = bisect_right(self._times, t)
        return self._times[step] if step < len(self._times) else None


class _Shape:
    """Tables that all households of one fuel share: a year of half hours, and the noise of appliances.

    Values are in thousandths of a unit an hour; ``sums[i]`` is the sum of the values before number ``i``.
    """

    __slots__ = ("noise", "noise_sums", "noise_total", "year", "year_sums", "year_total")

    def __init__(self, year: list[int], noise: list[int]) -> None:
        self.year, self.noise = array("q", year), array("q", noise)
        self.year_sums = array("q", accumulate(year, initial=0))
        self.noise_sums = array("q", accumulate(noise, initial=0))
        self.year_total, self.noise_total = self.year_sums[-1], self.noise_sums[-1]


class Household:
    """A dwelling: a shape of season, weekday and time of day, and appliances going on and off, half hour by half hour.

    Households differ in scale and in where they are in the noise. It only draws; nothing flows out.
    """

    __slots__ = ("_phase", "_scale", "_shape")

    def __init__(self, shape: _Shape, scale: int, phase: int) -> None:
        """``scale`` in thousandths of an average household; ``phase`` in half hours."""
        self._shape = shape
        self._scale = scale
        self._phase = phase

    def imported(self, t: int) -> int:
        shape = self._shape
        slot, passed = divmod(t - _ANCHOR, SLOT)
        years, i = divmod(slot, _YEAR_SLOTS)
        rounds, j = divmod(slot + self._phase, _NOISE_SLOTS)
        before = years * shape.year_total + shape.year_sums[i] + rounds * shape.noise_total + shape.noise_sums[j]
        return self._scale * (before * SLOT + (shape.year[i] + shape.noise[j]) * passed)

    def exported(self, t: int) -> int:
        return 0

    def rate(self, t: int) -> int:
        shape = self._shape
        slot = (t - _ANCHOR) // SLOT
        return self._scale * (shape.year[slot % _YEAR_SLOTS] + shape.noise[(slot + self._phase) % _NOISE_SLOTS])

    def next_change(self, t: int) -> int | None:
        return t - (t - _ANCHOR) % SLOT + SLOT


def household_electricity(seed: int, device_id: str, scale: float = 1.0) -> Household:
    """The electricity of a British dwelling: 2,900 kWh a year, times 0.6 to 1.6 by the seed, times ``scale``."""
    return _household(_electricity_shape(), seed, device_id, scale)


def household_gas(seed: int, device_id: str, scale: float = 1.0) -> Household:
    """The gas of a British dwelling: 1,050 cubic metres a year, times 0.6 to 1.6 by the seed, times ``scale``."""
    return _household(_gas_shape(), seed, device_id, scale)


def _household(shape: _Shape, seed: int, device_id: str, scale: float) -> Household:
    chance = stream(seed, device_id, "load")
    return Household(shape, max(1, round(chance.randint(600, 1600) * scale)), chance.randrange(_NOISE_SLOTS))


def parse_csv(text: str, micro_units: int = MICRO) -> Steps:
    """A load from lines of ``time,rate``; empty lines, a header line and lines that start with ``#`` are passed over.

    A time is ISO 8601 with ``Z`` or none (UTC): ``2026-01-01T00:30:00``, or with a blank in the middle. A rate is in
    units an hour (W; cubic decimetres an hour) times ``micro_units`` / 1,000,000. ValueError names the line.
    """
    times: list[int] = []
    rates: list[int] = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = [field.strip() for field in line.split(",")]
        if not line.strip() or line.startswith("#") or (not times and number == 1 and not fields[0][:1].isdigit()):
            continue
        if len(fields) != 2:
            raise ValueError(f"line {number}: {line!r}: a time and a rate, with a comma between")
        try:
            times.append(_instant(fields[0]))
            rates.append(round(float(fields[1]) * micro_units))
        except (ValueError, OverflowError):
            raise ValueError(f"line {number}: {line!r}: a time such as 2026-01-01T00:30:00Z and a number") from None
        if len(times) > 1 and times[-1] <= times[-2]:
            raise ValueError(f"line {number}: {line!r}: not later than the line before it")
    return Steps(times, rates)


def _instant(text: str) -> int:
    date, _, time = text.removesuffix("Z").replace("T", " ").partition(" ")
    year, month, day = (int(part) for part in date.split("-"))
    hour, minute, *rest = (int(part) for part in (time or "0:0").split(":"))
    second = rest[0] if rest else 0
    if not (1 <= month <= 12 and 1 <= day <= 31 and 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        raise ValueError(text)
    return ((days_of(year, month, day) * 24 + hour) * 60 + minute) * MINUTE + second * (MINUTE // 60)


_WORKDAY = (8, 7, 6, 6, 6, 7, 10, 16, 16, 12, 11, 11, 12, 12, 11, 12, 15, 22, 26, 25, 22, 19, 15, 11)
_WEEKEND = (9, 8, 7, 6, 6, 6, 7, 10, 15, 18, 18, 18, 19, 19, 17, 16, 18, 22, 25, 24, 21, 19, 16, 12)
_HEATING = (1, 1, 1, 1, 2, 8, 20, 22, 14, 7, 6, 5, 6, 6, 7, 10, 16, 20, 20, 18, 16, 12, 5, 2)
"""Rate by hour of the day: tens of W on top of the rest, and relative gas flow. Assumed, after published averages."""


def _season(day: int, summer: int, winter: int) -> int:
    """A parabola over the year in thousandths: ``winter`` in mid-January, ``summer`` half a year on."""
    from_summer = abs((day - 14) % _DAYS - _DAYS // 2)
    return summer + (winter - summer) * from_summer * from_summer // (_DAYS // 2) ** 2


@cache
def _electricity_shape() -> _Shape:
    chance = Random("household electricity")
    year: list[int] = []
    for day in range(_DAYS):
        season, hours = _season(day, 850, 1250), _WEEKEND if day % 7 >= 5 else _WORKDAY
        for half in range(_SLOTS_A_DAY):
            here, after = hours[half // 2], hours[(half // 2 + 1) % 24]
            level = 30_000 + 12_500 * (2 * here + (after - here) * (half % 2)) // 2
            year.append(level * season * chance.randint(850, 1150) // 1_000_000)
    noise = [chance.randint(20_000, 90_000) + _appliance(chance, 12, 1_600_000) for _ in range(_NOISE_SLOTS)]
    return _Shape(year, noise)


@cache
def _gas_shape() -> _Shape:
    chance = Random("household gas")
    year: list[int] = []
    for day in range(_DAYS):
        season = max(0, _season(day, -300, 2600))
        for half in range(_SLOTS_A_DAY):
            year.append(14_000 * _HEATING[half // 2] * season * chance.randint(700, 1300) // 1_000_000)
    return _Shape(year, [_appliance(chance, 10, 400_000) for _ in range(_NOISE_SLOTS)])


def _appliance(chance: Random, one_in: int, most: int) -> int:
    """What something big takes in a half hour: mostly nothing."""
    return chance.randint(most // 8, most) if chance.randrange(one_in) == 0 else 0
