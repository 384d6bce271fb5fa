"""The customer's side of a meter: keypad, buttons and display, as on hardware.

The display shows the rest screen. Digits that are typed stand in groups of four; enter hands them to the token gateway
and shows what became of them; scroll walks the screens of the profile. Everything returns to the rest screen by itself,
and what was typed is dropped, once no key has been pressed for as long as the profile says. Nothing of it is a timer: a
time-out is worked out from the time of the last key when somebody looks.

Keys and display are dead without power and while the meter boots, and a cut of the power loses what was typed. The
display of a meter that sleeps is off until a key wakes it up; that key acts like any other.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from emulator.prepayment import display
from emulator.prepayment.tokens import Delivery
from protocols.tokens.scheme import Outcome

if TYPE_CHECKING:
    from emulator.firmware import PrepaymentSettings
    from emulator.meter import Meter

LENGTH = 20
"""Digits of a token: the keypad takes no more."""
GROUP = 4
REST, SUPPLY_SCREEN, EMERGENCY_SCREEN = 0, "supply", "emergency"
"""The screen at rest is the first of the profile's; those that their buttons turn to, by name."""


class Key(Enum):
    """A key, by its sign in :meth:`Keypad.type`."""

    DIGIT_0 = "0"
    DIGIT_1 = "1"
    DIGIT_2 = "2"
    DIGIT_3 = "3"
    DIGIT_4 = "4"
    DIGIT_5 = "5"
    DIGIT_6 = "6"
    DIGIT_7 = "7"
    DIGIT_8 = "8"
    DIGIT_9 = "9"
    BACKSPACE = "<"
    CLEAR = "c"
    ENTER = "#"
    SCROLL = ">"
    SUPPLY = "s"
    EMERGENCY = "e"


ALPHABET = "digits, < back-space, c clear, # enter, > scroll, s supply button, e emergency credit"
"""The signs of the keys for people. Spaces, ``-`` and line ends between them are no keys."""
_SEPARATORS = frozenset(" -\t\r\n")


def parse_keys(text: str) -> list[Key]:
    """The keys that a text stands for; ValueError naming the first sign that is none, and the alphabet."""
    keys: list[Key] = []
    for sign in text:
        if sign in _SEPARATORS:
            continue
        try:
            keys.append(Key(sign.lower()))
        except ValueError:
            raise ValueError(f"{sign!r}: not a key; keys are {ALPHABET}") from None
    return keys


class _Shows(Enum):
    """What the display is about."""

    SCREEN = "screen"
    ENTRY = "entry"
    OUTCOME = "outcome"


class Keypad:
    """Keypad and display of one meter whose firmware has an account."""

    __slots__ = ("_at", "_digits", "_meter", "_outcome", "_screen", "_settings", "_shows")

    def __init__(self, meter: Meter) -> None:
        """ValueError for a meter whose firmware has no account."""
        settings = meter.firmware.prepayment
        if settings is None:
            raise ValueError(f"{meter.identity.device_id}: {meter.firmware.name} has no [prepayment]: no keypad either")
        self._meter = meter
        self._settings: PrepaymentSettings = settings
        self._at: int | None = None
        """Rig instant of the last key; None at rest."""
        self._shows = _Shows.SCREEN
        self._screen = REST
        self._digits = ""
        self._outcome = Outcome.ACCEPTED
        meter.reset.append(self._rest)

    # --- keys

    def press(self, key: Key) -> None:
        """Press a key now. Nothing happens without power or while the meter boots."""
        meter = self._meter
        if not meter.touched():
            return
        self._time_out()
        self._at = meter.clock.now
        match key:
            case Key.BACKSPACE:
                self._digits = self._digits[:-1] if self._shows is _Shows.ENTRY else ""
                self._show_entry()
            case Key.CLEAR:
                self._rest()
            case Key.ENTER:
                self._enter()
            case Key.SCROLL:
                screens = self._screens()
                self._turn_to((self._screen + 1) % len(screens) if self._shows is _Shows.SCREEN else REST)
            case Key.SUPPLY:
                meter.press_button()
                self._turn_to(self._named(SUPPLY_SCREEN))
            case Key.EMERGENCY:
                if meter.account is not None:
                    meter.account.activate_emergency()
                self._turn_to(self._named(EMERGENCY_SCREEN))
            case _:
                self._digits = (self._digits + key.value)[:LENGTH]
                self._show_entry()

    def type(self, text: str) -> None:
        """Press keys one after another; ValueError, with none pressed, for a sign that is not in :data:`ALPHABET`."""
        for key in parse_keys(text):
            self.press(key)

    def top_up(self, digits: str) -> Outcome | None:
        """Type a token and enter it: what became of it, None without power.

        ValueError for what cannot be typed. Like the keys of the meter it takes 20 digits, and no more.
        """
        keys = parse_keys(digits)
        if not keys or not all(key.value.isdigit() for key in keys):
            raise ValueError("a token is typed with the digits 0 to 9; spaces and - may stand between them")
        for key in (Key.CLEAR, *keys):
            self.press(key)
        if self._shows is not _Shows.ENTRY:
            return None
        self.press(Key.ENTER)
        return self._outcome

    def _enter(self) -> None:
        account = self._meter.account
        if self._shows is not _Shows.ENTRY or account is None:
            self._rest()
            return
        digits = self._digits
        self._outcome = account.tokens.enter(digits, Delivery.MANUAL)
        self._digits = ""
        self._shows = _Shows.OUTCOME

    # --- display

    def text(self) -> str:
        """What the display shows now; empty while it is off."""
        meter = self._meter
        meter.settle()
        if not meter.ready:
            return ""
        self._time_out()
        if self._at is None and meter.firmware.sleep is not None:
            return ""
        match self._shows:
            case _Shows.ENTRY:
                return " ".join(self._digits[at : at + GROUP] for at in range(0, len(self._digits), GROUP))
            case _Shows.OUTCOME:
                return display.show(self._settings.tokens.outcomes[self._outcome].display, meter)
            case _Shows.SCREEN:
                screens = self._screens()
                return display.show(screens[self._screen % len(screens)][1], meter)

    def _screens(self) -> tuple[tuple[str, str], ...]:
        """Names and templates of the screens of the meter's mode."""
        settings, account = self._settings, self._meter.account
        in_credit_mode = account is not None and not account.prepaying
        return settings.credit_screens if in_credit_mode and settings.credit_screens else settings.screens

    def _named(self, name: str) -> int:
        """The screen of that name; that at rest where there is none."""
        return next((number for number, (found, _) in enumerate(self._screens()) if found == name), REST)

    def _turn_to(self, screen: int) -> None:
        self._digits = ""
        self._shows = _Shows.SCREEN
        self._screen = screen

    def _show_entry(self) -> None:
        """Show what is typed; without any digit the rest screen, the display still on."""
        if self._digits:
            self._shows = _Shows.ENTRY
        else:
            self._turn_to(REST)

    def _rest(self) -> None:
        self._turn_to(REST)
        self._at = None

    def _time_out(self) -> None:
        """Drop what nobody has gone on with."""
        if self._at is None:
            return
        settings = self._settings
        patience = settings.entry_timeout if self._shows is _Shows.ENTRY else settings.screen_time
        if self._meter.clock.now - self._at >= patience:
            self._rest()
