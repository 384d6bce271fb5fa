"""The customer's side of a meter (:mod:`emulator.front`): enter hands digits to the token gateway.

The display of a meter that sleeps is off until a key wakes it up; that key acts like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.front import Front, Key, Shows, parse_keys
from emulator.prepayment import display
from emulator.prepayment.tokens import Delivery
from protocols.tokens.scheme import Outcome

if TYPE_CHECKING:
    from emulator.firmware import PrepaymentSettings
    from emulator.meter import Meter


class Keypad(Front):
    """Keypad and display of one meter whose firmware has an account."""

    __slots__ = ("_meter", "_outcome", "_settings")

    def __init__(self, meter: Meter) -> None:
        """ValueError for a meter whose firmware has no account."""
        settings = meter.firmware.prepayment
        if settings is None:
            raise ValueError(f"{meter.identity.device_id}: {meter.firmware.name} has no [prepayment]: no keypad either")
        super().__init__(meter, settings)
        self._meter = meter
        self._settings: PrepaymentSettings = settings
        self._outcome = Outcome.ACCEPTED

    def touched(self) -> bool:
        return self._meter.touched()

    def top_up(self, digits: str) -> Outcome | None:
        """Type a token and enter it: what became of it, None without power.

        ValueError for what cannot be typed. Like the keys of the meter it takes 20 digits, and no more.
        """
        keys = parse_keys(digits)
        if not keys or not all(key.value.isdigit() for key in keys):
            raise ValueError("a token is typed with the digits 0 to 9; spaces and - may stand between them")
        for key in (Key.CLEAR, *keys):
            self.press(key)
        if self._shows is not Shows.ENTRY:
            return None
        self.press(Key.ENTER)
        return self._outcome

    def enter(self, digits: str) -> bool:
        account = self._meter.account
        if account is None:
            return False
        self._outcome = account.tokens.enter(digits, Delivery.MANUAL)
        return True

    def press_supply(self) -> None:
        self._meter.press_button()

    def press_emergency(self) -> None:
        if self._meter.account is not None:
            self._meter.account.activate_emergency()

    def outcome(self) -> str:
        return self.show(self._settings.tokens.outcomes[self._outcome].display)

    def show(self, template: str) -> str:
        return display.show(template, self._meter)

    def screens(self) -> tuple[tuple[str, str], ...]:
        """Those of the meter's mode."""
        settings, account = self._settings, self._meter.account
        in_credit_mode = account is not None and not account.prepaying
        return settings.credit_screens if in_credit_mode and settings.credit_screens else settings.screens
