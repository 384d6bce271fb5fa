"""What a meter counts: a few integers from which every register follows, at any instant, without ticking.

Amounts are exact integrals of a load's rate (see :mod:`emulator.load`); ``UNIT`` of one is a watt-hour, or a cubic
decimetre. Registers are whole units, floored, so that differences of a register add up to it.
"""

from __future__ import annotations

from dataclasses import replace

from emulator.load import UNIT, Load
from emulator.measuring import RIGHT, Wrong
from emulator.nvm import Image, Saved

_FAR = 1 << 80  # ns; later than anything
CHANNELS = 4
IMPORT, EXPORT, REACTIVE_IMPORT, REACTIVE_EXPORT = range(CHANNELS)
"""Channels of :meth:`Metering.totals`: whole Wh (or dm3), Wh, varh, varh."""


class Metering:
    """Totals of one meter since it was installed, and which tariff registers count.

    Between two irregular events (:meth:`begin`) the load is the same function of time and flows or not, so a total at
    any instant ``t`` is what it was at ``start`` and the integral from there.
    """

    __slots__ = (
        "_amount",
        "_exported",
        "_from",
        "_imported",
        "_in_base",
        "_out_base",
        "_rates",
        "_slope",
        "_switched",
        "_until",
        "billing_count",
        "flowing",
        "load",
        "mask",
        "reactive",
        "registers",
        "start",
        "wrong",
    )

    def __init__(self, load: Load, start: int, tariff_registers: int = 0, reactive: int = 0) -> None:
        """``reactive`` is reactive energy in thousandths of active energy (tan phi)."""
        self.load = load
        """What is counted while the supply is on."""
        self.wrong: Wrong | None = None
        """What is wrong with it, None where nothing is."""
        self.start = start
        self.flowing = True
        self.reactive = reactive
        self.mask = b""
        """Name of the active mask, empty before any was selected."""
        self.registers: tuple[int, ...] = ()
        """Indices of the tariff registers that count."""
        self.billing_count = 0
        """Billing periods closed."""
        self._imported = 0
        self._exported = 0
        self._in_base = load.imported(start)
        self._out_base = load.exported(start)
        self._rates = [0] * tariff_registers
        self._switched = 0
        self._from = self._until = self._amount = self._slope = 0

    def copy(self) -> Metering:
        """The same counts, from here on apart."""
        other = object.__new__(Metering)
        for name in Metering.__slots__:
            setattr(other, name, getattr(self, name))
        other._rates = self._rates[:]
        return other

    def image(self, t: int) -> Image:
        """What was counted until ``t``, for the non-volatile memory; the load is not the meter's."""
        return {
            "amounts": [self.imported(t), self.exported(t)],
            "rates": self.rate_amounts(t),
            "mask": self.mask.hex(),
            "registers": list(self.registers),
            "billing_count": self.billing_count,
            "flowing": self.flowing,
        }

    def restore(self, saved: Saved, t: int) -> None:
        """Go on from ``t`` with what :meth:`image` said of that instant; rates the meter has not are left out."""
        self.flowing = saved.flag("flowing")
        self._imported, self._exported = saved.numbers("amounts")
        count = len(self._rates)
        self._rates = (saved.numbers("rates") + [0] * count)[:count]
        self.mask = saved.octets("mask")
        self.registers = tuple(register for register in saved.numbers("registers") if 0 <= register < count)
        self.billing_count = saved.number("billing_count")
        self._switched = self._imported
        self.start = t
        self.use(self.load, self.drawn)

    def imported(self, t: int) -> int:
        """Amount taken from the network until rig instant ``t`` >= ``start``."""
        return self._imported + self.load.imported(t) - self._in_base if self.flowing else self._imported

    def present(self, t: int) -> int:
        """What the register of import shows: :meth:`imported`, displaced.

        It is quicker when it is asked again before the load's rate changes.
        """
        if self._from <= t < self._until:
            return self._amount + self._slope * (t - self._from)
        amount, wrong = self.imported(t), self.wrong
        if wrong is not None:  # the rate need not be that of what is counted
            return amount + wrong.displaced
        change = self.load.next_change(t) if self.flowing else None
        self._from, self._until = t, _FAR if change is None else change
        self._amount, self._slope = amount, max(self.load.rate(t), 0) if self.flowing else 0
        return amount

    def exported(self, t: int) -> int:
        """Amount given to the network until ``t``."""
        return self._exported + self.load.exported(t) - self._out_base if self.flowing else self._exported

    def rate(self, t: int) -> int:
        """The rate that the meter measures at ``t``, millionths of a unit an hour, negative for what flows out."""
        return self.load.rate(t) if self.flowing else 0

    def total(self, channel: int, t: int) -> int:
        """A channel's register at ``t``, in whole units."""
        match channel:
            case 0:
                return self.present(t) // UNIT
            case 1:
                return self.exported(t) // UNIT
            case 2:
                imported = self.present(t) if self.wrong is None else self.imported(t)
                return imported * self.reactive // (1000 * UNIT)
            case _:
                return self.exported(t) * self.reactive // (1000 * UNIT)

    def totals(self, t: int) -> tuple[int, int, int, int]:
        """All channels' registers at ``t``, in whole units."""
        imported, exported = self.imported(t), self.exported(t)
        reactive = self.reactive
        return (
            imported // UNIT,
            exported // UNIT,
            imported * reactive // (1000 * UNIT),
            exported * reactive // (1000 * UNIT),
        )

    def rate_total(self, register: int, t: int) -> int:
        """Tariff register number ``register`` (from 0) at ``t``, in whole units."""
        amount = self._rates[register]
        if register in self.registers:
            amount += (self.present(t) if self.wrong is None else self.imported(t)) - self._switched
        return amount // UNIT

    def rate_amounts(self, t: int) -> list[int]:
        """All tariff registers at ``t`` as exact amounts."""
        since = self.imported(t) - self._switched
        return [amount + since if i in self.registers else amount for i, amount in enumerate(self._rates)]

    @property
    def rates(self) -> int:
        """How many tariff registers there are."""
        return len(self._rates)

    def switch(self, t: int, mask: bytes, registers: tuple[int, ...]) -> None:
        """From ``t`` on the tariff registers of another mask count, or those that are counted in their place."""
        total = self.imported(t)
        counted = total - self._switched
        if counted:
            rates = self._rates
            for register in self.registers:
                rates[register] += counted
        self._switched = total
        self.mask = mask
        if self.wrong is not None:
            registers = tuple((register + self.wrong.astray) % self.rates for register in registers)
        self.registers = registers

    def begin(self, t: int) -> None:
        """Fold everything until ``t`` into the totals; what follows may be another load, or none."""
        self._imported, self._exported = self.imported(t), self.exported(t)
        self.start = t
        self._until = 0
        self._in_base = self.load.imported(t)
        self._out_base = self.load.exported(t)

    @property
    def drawn(self) -> Load:
        """What flows while the supply is on: what is counted, unless the meter measures wrongly."""
        return self.wrongs.drawn or self.load

    def use(self, load: Load, drawn: Load) -> None:
        """Count another load from ``start`` on, while ``drawn`` flows; :meth:`begin` comes first."""
        self.load = load
        if self.wrong is not None or drawn is not load:
            self.go_wrong(replace(self.wrongs, drawn=None if drawn is load else drawn))
        self._until = 0
        self._in_base = load.imported(self.start)
        self._out_base = load.exported(self.start)

    @property
    def wrongs(self) -> Wrong:
        """All that can be wrong, as it is."""
        return self.wrong or RIGHT

    def go_wrong(self, wrong: Wrong) -> None:
        """Let this be what is wrong; :meth:`begin` comes first."""
        self.wrong = None if wrong == RIGHT else wrong


class Intervals:
    """What was counted in the last complete interval of a profile, by one capture period.

    Values are differences of whole registers, so that rows add up to the register exactly. ``closed`` is the device UTC
    (ns) of the last boundary, -1 when none was met since the last irregular event.
    """

    __slots__ = ("closed", "last", "open_status", "period", "status", "totals")

    def __init__(self, period: int) -> None:
        """``period`` in ns."""
        self.period = period
        self.closed = -1
        self.totals = (0, 0, 0, 0)
        self.last = (0, 0, 0, 0)
        self.open_status = 0
        self.status = 0

    def copy(self) -> Intervals:
        """The same interval, from here on apart."""
        other = object.__new__(Intervals)
        for name in Intervals.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    def image(self) -> Image:
        """All of it for the non-volatile memory."""
        return {
            "closed": self.closed,
            "totals": list(self.totals),
            "last": list(self.last),
            "status": [self.status, self.open_status],
        }

    def restore(self, saved: Saved) -> None:
        """Be what :meth:`image` said."""
        self.closed = saved.number("closed")
        self.totals, self.last = _channels(saved, "totals"), _channels(saved, "last")
        self.status, self.open_status = saved.numbers("status")

    def close(self, boundary: int, totals: tuple[int, int, int, int], status: int) -> None:
        """The interval ends at device UTC ``boundary`` with these registers and with ``status`` bits of the clock."""
        before = self.totals
        self.last = (
            totals[0] - before[0],
            totals[1] - before[1],
            totals[2] - before[2],
            totals[3] - before[3],
        )
        self.totals = totals
        self.closed = boundary
        self.status = self.open_status | status
        self.open_status = 0


def _channels(saved: Saved, name: str) -> tuple[int, int, int, int]:
    first, second, third, fourth = saved.numbers(name)
    return first, second, third, fourth
