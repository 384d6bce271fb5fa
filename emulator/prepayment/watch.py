"""What an account does about its balance by itself: it warns, offers emergency credit, cuts and restores the supply."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from emulator.firmware import Reconnection
from emulator.supply import Cause, Way
from protocols.dlms.objects import AccessRefused

if TYPE_CHECKING:
    from emulator.prepayment.account import Account


class Watch:
    """The watch over one account: what it has told already, so that each thing is told once."""

    __slots__ = ("_account", "_available", "_exhausted", "_low", "friendly")

    def __init__(self, account: Account) -> None:
        self._account = account
        self.friendly: bool | None = None
        """Whether it was in friendly hours when it looked last, None in credit mode."""
        self._low = self._available = self._exhausted = False

    def look(self) -> None:
        """Warn, offer, cut and arm as the balance of the meter's present says."""
        account = self._account
        meter, books = account.meter, account.books
        if not account.prepaying:
            self.friendly = None
            self._low = self._available = self._exhausted = False
            self._restore()
            return
        if not meter.mains:
            return
        self._look_at_calendar()
        was_low, self._low = self._low, books.balance <= account.limit("low_credit")
        if self._low and not was_low:
            meter.record("low_credit")
        if account.emergency_selected and not books.emergency and not books.borrowed:
            account.emergency_selected = False
        was_available, self._available = self._available, account.selectable
        if self._available and not was_available:
            meter.record("emergency_available")
        if not account.exhausted:
            self._exhausted = False
            self._restore()
        elif not self.friendly and Cause.CREDIT not in meter.switch.causes:
            self._cut()

    def _look_at_calendar(self) -> None:
        before, self.friendly = self.friendly, self._account.friendly
        if before is not None and before is not self.friendly:
            self._account.meter.record("friendly_began" if self.friendly else "friendly_ended")

    def _cut(self) -> None:
        """Nothing is left: open the switch."""
        account = self._account
        if not self._exhausted:
            self._exhausted = True
            account.meter.record("emergency_exhausted" if account.emergency_selected else "credit_exhausted")
        account.meter.cut_supply()

    def _restore(self) -> None:
        """There is credit: a switch that was open for want of it only may be closed again."""
        meter = self._account.meter
        switch = meter.switch
        if Cause.CREDIT not in switch.causes:
            return
        meter.record("credit_restored")
        if self._account.settings.reconnection is Reconnection.AUTOMATIC and len(switch.causes) == 1:
            with suppress(AccessRefused):  # a control mode that leaves it to the customer's button
                switch.reconnect(Way.LOCAL)
        switch.release(Cause.CREDIT)

    def image(self) -> list[bool | None]:
        """What was told: low credit, emergency credit, nothing left; and whether hours are friendly."""
        return [self._low, self._available, self._exhausted, self.friendly]

    def restore(self, image: Sequence[bool | None]) -> None:
        """Be what :meth:`image` said."""
        low, available, exhausted, self.friendly = image
        self._low, self._available, self._exhausted = bool(low), bool(available), bool(exhausted)
