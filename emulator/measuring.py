"""What a meter counts that measures wrongly: loads made of the load that really flows.

A meter without faults counts the load itself. While something is wrong with its measuring element, or with what leads
to it, it counts one of these in its place, from the instant at which that began. Of each, ``rate`` is what the meter
shows as the present power or flow, and the amounts are what its registers gain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from emulator.load import UNIT, Load

Distortion: TypeAlias = Callable[[Load], Load]
"""What is counted in the place of a load."""

_WHOLE = 1000


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with what a meter counts and shows.

    ``drawn`` is the load that flows, where another is counted; ``distortions`` make the one of the other, in order. The
    register of import is ``displaced``, an amount of whole units, and tariff registers so many ``astray``: past the
    right ones. ``demand`` is the average (W) at which the demand register is stuck, None for one that is not.
    ``voltages`` are what the meter has (mV) in the place of the network's, each with its cause; the last one holds.
    """

    drawn: Load | None = None
    distortions: tuple[Distortion, ...] = ()
    displaced: int = 0
    astray: int = 0
    demand: int | None = None
    voltages: tuple[tuple[object, int], ...] = ()


RIGHT = Wrong()


class Scaled:
    """So many thousandths of a load."""

    __slots__ = ("_load", "_per_mille")

    def __init__(self, load: Load, per_mille: int) -> None:
        self._load = load
        self._per_mille = per_mille

    def imported(self, t: int) -> int:
        return self._load.imported(t) * self._per_mille // _WHOLE

    def exported(self, t: int) -> int:
        return self._load.exported(t) * self._per_mille // _WHOLE

    def rate(self, t: int) -> int:
        return self._load.rate(t) * self._per_mille // _WHOLE

    def next_change(self, t: int) -> int | None:
        return self._load.next_change(t)


class Raised:
    """A load, and ``rate`` more that is taken from the network all the time, whichever way the load flows."""

    __slots__ = ("_load", "_rate")

    def __init__(self, load: Load, rate: int) -> None:
        """``rate`` in millionths of a unit an hour, not below 0."""
        self._load = load
        self._rate = rate

    def imported(self, t: int) -> int:
        return self._load.imported(t) + t * self._rate

    def exported(self, t: int) -> int:
        return self._load.exported(t)

    def rate(self, t: int) -> int:
        return self._load.rate(t) + self._rate

    def next_change(self, t: int) -> int | None:
        return self._load.next_change(t)


class Turned:
    """A load through a meter that is connected the wrong way round: what flows in seems to flow out."""

    __slots__ = ("_load",)

    def __init__(self, load: Load) -> None:
        self._load = load

    def imported(self, t: int) -> int:
        return self._load.exported(t)

    def exported(self, t: int) -> int:
        return self._load.imported(t)

    def rate(self, t: int) -> int:
        return -self._load.rate(t)

    def next_change(self, t: int) -> int | None:
        return self._load.next_change(t)


class Uncounted:
    """A load that is measured and not counted: the present power is right, the registers stand still."""

    __slots__ = ("_load",)

    def __init__(self, load: Load) -> None:
        self._load = load

    def imported(self, t: int) -> int:
        return 0

    def exported(self, t: int) -> int:
        return 0

    def rate(self, t: int) -> int:
        return self._load.rate(t)

    def next_change(self, t: int) -> int | None:
        return self._load.next_change(t)


class Pulses:
    """A load that is counted by pulses, of which some do not arrive: of a thousand, ``lost``, evenly spread."""

    __slots__ = ("_load", "_lost", "_pulse")

    def __init__(self, load: Load, pulse: int, lost: int) -> None:
        """``pulse`` is what one stands for, in whole units."""
        self._load = load
        self._pulse = pulse * UNIT
        self._lost = lost

    def imported(self, t: int) -> int:
        return self._counted(self._load.imported(t))

    def exported(self, t: int) -> int:
        return self._counted(self._load.exported(t))

    def rate(self, t: int) -> int:
        return self._load.rate(t)

    def next_change(self, t: int) -> int | None:
        return self._load.next_change(t)

    def _counted(self, amount: int) -> int:
        pulses = amount // self._pulse
        return (pulses - pulses * self._lost // _WHOLE) * self._pulse
