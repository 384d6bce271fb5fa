"""When charges by time fall due: at the boundaries of their periods, by the meter's own clock."""

from __future__ import annotations

from collections.abc import Iterable
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

    Periods of whole days end at local midnight, others at multiples of themselves in UTC.
    """

    __slots__ = ("_meter", "due")

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.due: dict[str, int] = {}

    def plan(self, charges: Iterable[Charge]) -> None:
        """Find the next boundary of each charge that has none yet, and of the day."""
        for charge in charges:
            if charge.kind is not ChargeType.TIME or not charge.period or not charge.active.amount:
                self.due.pop(charge.name, None)
            elif charge.name not in self.due:
                self.due[charge.name] = self._boundary(charge.period)
        if END_OF_DAY not in self.due:
            self.due[END_OF_DAY] = self._boundary(datetime.DAY)

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
        self.due[name] = self._boundary(period)
        return self._number(period, utc) - self._number(period, at) + 1

    def _boundary(self, period: int) -> int:
        """The next boundary of ``period`` seconds."""
        meter = self._meter
        following = self._number(period, meter.utc) + 1
        if period % datetime.DAY:
            return following * period * SECOND
        return meter.device_clock.utc_of_local(following * period)

    def _number(self, period: int, utc: int) -> int:
        """How many boundaries there were until ``utc``: by local time for whole days, which need not have 24 hours."""
        seconds = utc // SECOND
        if period % datetime.DAY == 0:
            seconds -= self._meter.device_clock.deviation(seconds) * 60
        return seconds // period
