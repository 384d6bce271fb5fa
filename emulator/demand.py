"""Average and maximum demand (classes 5 and 4), worked out when they are asked for.

Demand is the average power over ``periods`` demand periods in W. Periods end at multiples of the period in device time.
"""

from __future__ import annotations

from emulator.device_clock import DeviceClock
from emulator.load import MICRO
from emulator.metering import Metering
from emulator.nvm import Image, Saved
from emulator.time import SECOND


class Demand:
    """Demand of active import of one meter, and its maximum since the last reset.

    ``closed`` is the device UTC (ns) of the last period's end, -1 when none was met since the last irregular event.
    """

    __slots__ = ("_amounts", "closed", "last", "maximum", "maximum_at", "period", "periods", "started")

    def __init__(self, period: int, periods: int) -> None:
        """``period`` in seconds; ``periods`` is how many of them the sliding average spans."""
        self.period = period
        self.periods = periods
        self.closed = -1
        self.started = 0
        """Device UTC at which the current period began, 0 for when the meter did."""
        self.last = 0
        self.maximum = 0
        self.maximum_at = 0
        """Device UTC of the end of the period with the maximum, 0 for none."""
        self._amounts = [0] * periods

    def copy(self) -> Demand:
        """The same demand, from here on apart."""
        other = object.__new__(Demand)
        for name in Demand.__slots__:
            setattr(other, name, getattr(self, name))
        other._amounts = self._amounts[:]
        return other

    def image(self) -> Image:
        """All of it but what the profile fixes, for the non-volatile memory."""
        return {
            "closed": self.closed,
            "started": self.started,
            "last": self.last,
            "maximum": [self.maximum, self.maximum_at],
            "amounts": self._amounts[:],
        }

    def restore(self, saved: Saved) -> None:
        """Be what :meth:`image` said; amounts of another number of periods are not taken."""
        self.closed, self.started, self.last = (saved.number(name) for name in ("closed", "started", "last"))
        self.maximum, self.maximum_at = saved.numbers("maximum")
        amounts = saved.numbers("amounts")
        if len(amounts) != self.periods:
            raise ValueError(f"demand: {len(amounts)} periods; this meter's demand spans {self.periods}")
        self._amounts = amounts

    def current(self, metering: Metering, clock: DeviceClock, t: int) -> int:
        """current_average_value at rig instant ``t``, W."""
        self.update(metering, clock, t)
        stuck = metering.wrongs.demand
        return self._average(metering.imported(t)) if stuck is None else stuck

    def update(self, metering: Metering, clock: DeviceClock, t: int) -> None:
        """Close every period that has ended by rig instant ``t``."""
        length = self.period * SECOND
        now = clock.utc(t)
        last = now - now % length
        if last == self.closed:
            return
        boundary = self._next_boundary(metering, clock, length)
        while boundary <= last:
            self._close(boundary, metering, clock.rig(boundary))
            boundary += length

    def reset(self, metering: Metering, clock: DeviceClock, t: int) -> None:
        """Forget the maximum at ``t``. Periods that nobody has asked about are passed over."""
        length = self.period * SECOND
        now = clock.utc(t)
        boundary = self._next_boundary(metering, clock, length)
        passed_over = (now - now % length - boundary) // length - self.periods
        if passed_over > 0:
            boundary += passed_over * length
            self.closed = boundary - length
            self._amounts = [metering.imported(clock.rig(self.closed))] * self.periods
        self.update(metering, clock, t)
        self.maximum = self.maximum_at = 0

    def end_period(self, metering: Metering, clock: DeviceClock, t: int) -> None:
        """next_period of class 5: the current period ends now, before its time."""
        self.update(metering, clock, t)
        closed = self.closed
        self._close(clock.utc(t), metering, t)
        self.closed = closed

    def _next_boundary(self, metering: Metering, clock: DeviceClock, length: int) -> int:
        if self.closed >= 0:
            return self.closed + length
        begun = clock.utc(metering.start)
        return begun - begun % length + length

    def _close(self, boundary: int, metering: Metering, t: int) -> None:
        amount = metering.imported(t)
        average = self._average(amount)
        self._amounts.append(amount)
        del self._amounts[0]
        self.closed = self.started = boundary
        if metering.wrongs.demand is not None:
            return
        self.last = average
        if average > self.maximum:
            self.maximum, self.maximum_at = average, boundary

    def _average(self, amount: int) -> int:
        return (amount - self._amounts[0]) // (self.period * self.periods * SECOND * MICRO)
