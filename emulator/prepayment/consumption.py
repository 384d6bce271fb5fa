"""What a meter's energy costs: the price in force by rate and block, and what has become due."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from emulator.cosem.encoding import decoded
from emulator.prepayment.accrual import Accrual
from emulator.prepayment.charge import Charge
from emulator.prepayment.sources import sources
from protocols.dlms.types import parse_type

if TYPE_CHECKING:
    from emulator.firmware import PrepaymentSettings
    from emulator.meter import Meter

NO_BLOCK = 0xFFFF_FFFF
"""A block threshold that is never reached."""
_thresholds = parse_type("arr u32")


class Consumption:
    """Energy as an account charges for it. Under a block mask, a rate whose blocks have thresholds costs what its block
    costs; other masks leave the blocks alone."""

    __slots__ = ("_accrual", "_block_used", "_charge", "_meter", "_settings")

    def __init__(self, meter: Meter, settings: PrepaymentSettings, charge: Charge) -> None:
        self._meter = meter
        self._settings = settings
        self._charge = charge
        self._accrual = Accrual(meter.consumption_unit)
        self._block_used: dict[int, int] = {}

    def start(self) -> None:
        """Charge for what the meter counts from its present on."""
        self._accrual.start(self._meter.consumed(self._meter.time))
        self.reprice()

    def fold(self) -> int:
        """Millipence that have become due until the meter's present."""
        meter = self._meter
        amount = meter.consumed(meter.time)
        if self.in_blocks:
            self._block_used[self._rate] = self._used + amount - self._accrual.base
        return self._accrual.fold(amount)

    def count_again(self) -> None:
        """The meter may have lost some of what it had counted: that is neither credited nor charged for again."""
        amount = self._meter.consumed(self._meter.time)
        if amount < self._accrual.base:
            self._accrual.start(amount)

    def reprice(self) -> None:
        """Take the price that is in force now; what was counted before must have been folded."""
        table = self._charge.active
        self._accrual.price(table.price(self._price_index()), table.commodity_scale, table.price_scale)

    @property
    def in_blocks(self) -> bool:
        """Whether the rate in force is charged by blocks."""
        return bool(self._blocks)

    @property
    def price(self) -> int:
        """The price in force, as the charge's table has it."""
        return self._charge.active.price(self._price_index())

    def needed(self, cost: int) -> int | None:
        """What the meter will have counted when ``cost`` more millipence are due; None while energy is free."""
        return self._accrual.needed(cost)

    def next_block(self) -> int | None:
        """What the meter will have counted when the next block begins, None when none does."""
        used, unit = self._used, self._meter.consumption_unit
        ahead = [threshold * unit - used for threshold in self._blocks if threshold * unit > used]
        return self._accrual.base + min(ahead) if ahead else None

    def reset_blocks(self) -> None:
        """The blocks of every rate begin anew."""
        self._block_used = dict.fromkeys(self._block_used, 0)

    def image(self) -> list[Any]:
        """The carry and what was used of each block."""
        return [self._accrual.image(), sorted(self._block_used.items())]

    def restore(self, image: list[Any]) -> None:
        """Be what :meth:`image` said; the charge and the meter's rate come first."""
        accrual, blocks = image
        self._accrual.restore(accrual)
        self._block_used = dict(blocks)
        self.reprice()

    @property
    def _rate(self) -> int:
        registers = self._meter.metering.registers
        return registers[0] if registers else 0

    def _price_index(self) -> int:
        """Index of the price in force: of the rate, or of the block that its consumption has reached."""
        rate, settings, thresholds = self._rate, self._settings, self._blocks
        if not thresholds:
            return rate + 1
        block = sum(self._used >= threshold * self._meter.consumption_unit for threshold in thresholds)
        return settings.first_block_price + rate + min(block, settings.blocks - 1) * settings.block_step

    @property
    def _used(self) -> int:
        """What was consumed of the blocks of the rate in force."""
        return self._block_used.get(self._rate, 0)

    @property
    def _blocks(self) -> tuple[int, ...]:
        """Where the blocks of the rate in force end, Wh, rising; none while it is not charged by blocks."""
        meter = self._meter
        if meter.metering.mask not in self._settings.block_masks:
            return ()
        item = sources(meter.firmware.model).get(f"blocks.{self._rate + 1}")
        return () if item is None else _parsed(meter.internal.read(item + b"\x02"))


@lru_cache(maxsize=256)
def _parsed(encoded: bytes) -> tuple[int, ...]:
    """Thresholds that can be reached; none of a table of another shape."""
    try:
        found: list[int] = decoded(_thresholds, encoded)
    except ValueError:
        return ()
    return tuple(sorted(threshold for threshold in found if threshold != NO_BLOCK))
