"""When charges by time fall due: at the boundaries of their periods, by the meter's own clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from emulator.prepayment.charge import Charge, ChargeType
from emulator.time import SECOND
from protocols.dlms import datetime

if TYPE_CHECKING:
    from emulator.meter import Meter

END_OF_DAY = "day"
"""Stands among the charges for the end of each local day."""


class Collections:
    """The next boundary of each charge by time, device UTC in ns.

    Periods of whole days end at local midnight, others at multiples of themselves in UTC. A boundary that was collected
    is not met again when the clock is set back to before it, unless it is set back by more than a period.
    """

    __slots__ = ("_met", "_meter", "due")

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.due: dict[str, int] = {}
        self._met: dict[str, int] = {}
        """The last boundary of each that was collected."""

    def plan(self, charges: Iterable[Charge]) -> None:
        """Find the next boundary of each charge that has none yet, and of the day."""
        for charge in charges:
            if charge.kind is not ChargeType.TIME or not charge.period or not charge.active.amount:
                self.due.pop(charge.name, None)
            elif charge.name not in self.due:
                self.due[charge.name] = self._next(charge.name, charge.period)
        if END_OF_DAY not in self.due:
            self.due[END_OF_DAY] = self._next(END_OF_DAY, datetime.DAY)

    def forget(self, *names: str) -> None:
        """Find the boundaries of these anew, of all without a name: their period or the clock has changed."""
        if not names:
            self.due.clear()
        for name in names:
            self.due.pop(name, None)

    def passed(self, name: str, period: int) -> int:
        """How many boundaries of a charge have passed since it was last asked; then the next one is found."""
        at, utc = self.due[name], self._meter.utc
        if at > utc:
            return 0
        following = self._boundary(period, utc)
        number = self._number(period, utc) - self._number(period, at) + 1
        self.due[name] = following
        self._met[name] = utc
        return number

    def image(self) -> list[dict[str, int]]:
        """What is due, and what was collected."""
        return [dict(self.due), dict(self._met)]

    def restore(self, image: Sequence[dict[str, int]]) -> None:
        """Be what :meth:`image` said."""
        due, met = image
        self.due, self._met = dict(due), dict(met)

    def _next(self, name: str, period: int) -> int:
        """The next boundary of a charge that has not been collected."""
        utc, met = self._meter.utc, self._met.get(name, 0)
        return self._boundary(period, met if utc < met <= utc + period * SECOND else utc)

    def _boundary(self, period: int, utc: int) -> int:
        """The first boundary after ``utc``."""
        following = self._number(period, utc) + 1
        if period % datetime.DAY:
            return following * period * SECOND
        return self._meter.device_clock.utc_of_local(following * period)

    def _number(self, period: int, utc: int) -> int:
        """How many boundaries there were until ``utc``: by local time for whole days, which need not have 24 hours."""
        seconds = utc // SECOND
        if period % datetime.DAY == 0:
            seconds -= self._meter.device_clock.deviation(seconds) * 60
        return seconds // period
