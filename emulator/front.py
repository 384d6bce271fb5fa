"""What a person finds at the front of a device: keys and a display with screens, as on hardware.

The display shows the rest screen. Digits that are typed stand in groups of four; enter hands them on and shows what
became of them; scroll walks the screens of the profile. Everything returns to the rest screen by itself, and what was
typed is dropped, once no key has been pressed for as long as the profile says. Nothing of it is a timer: a time-out is
worked out from the time of the last key when somebody looks.

Keys and display are dead without power and while the device boots, and a cut of the power loses what was typed.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from emulator.device import Device

LENGTH = 20
"""Digits of a token: the keypad takes no more."""
GROUP = 4
REST, SUPPLY_SCREEN, EMERGENCY_SCREEN = 0, "supply", "emergency"
"""The screen at rest is the first of the profile's; those that their buttons turn to, by name."""


class Key(Enum):
    """A key, by its sign in :meth:`Front.type`."""

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


class FrontSettings(Protocol):
    """What a profile says of the front of a device; times in ns."""

    @property
    def entry_timeout(self) -> int: ...
    @property
    def screen_time(self) -> int: ...


class Shows(Enum):
    """What the display is about."""

    SCREEN = "screen"
    ENTRY = "entry"
    OUTCOME = "outcome"


class Front:
    """Keys and display of one device; what they do to it is up to the kind of device."""

    __slots__ = ("_at", "_device", "_digits", "_patience", "_screen", "_shows", "blank", "stuck")

    def __init__(self, device: Device, settings: FrontSettings) -> None:
        self._device = device
        self._patience = settings
        self._at: int | None = None
        """Rig instant of the last key; None at rest."""
        self._shows = Shows.SCREEN
        self._screen = REST
        self._digits = ""
        self.blank = False
        """Whether the display shows nothing though it is on."""
        self.stuck = False
        """Whether a key that is down keeps the keypad from noticing any other."""
        device.reset.append(self._rest)

    # --- what a kind of device makes of it

    def touched(self) -> bool:
        """Somebody is at the device: whether it notices. It comes to the present."""
        raise NotImplementedError

    def screens(self) -> tuple[tuple[str, str], ...]:
        """Names and templates of the screens that there are now, the one at rest first."""
        raise NotImplementedError

    def show(self, template: str) -> str:
        """What a template of a screen shows now."""
        raise NotImplementedError

    def outcome(self) -> str:
        """What became of what was entered last."""
        raise NotImplementedError

    def enter(self, digits: str) -> bool:
        """Take what was typed: whether there is an outcome to show."""
        raise NotImplementedError

    def press_supply(self) -> None:
        """The button of the supply."""
        raise NotImplementedError

    def press_emergency(self) -> None:
        """The key of emergency credit."""
        raise NotImplementedError

    @property
    def takes_digits(self) -> bool:
        """Whether there are keys for digits."""
        return True

    @property
    def dark(self) -> bool:
        """Whether the display is off while it is at rest, as that of a device that sleeps."""
        return self._device.firmware.sleep is not None

    # --- keys

    def press(self, key: Key) -> None:
        """Press a key now. Nothing happens without power or while the device boots."""
        if self.stuck or not self.touched():
            return
        self._time_out()
        self._at = self._device.clock.now
        match key:
            case Key.BACKSPACE:
                self._digits = self._digits[:-1] if self._shows is Shows.ENTRY else ""
                self._show_entry()
            case Key.CLEAR:
                self._rest()
            case Key.ENTER:
                if self._shows is Shows.ENTRY and self.enter(self._digits):
                    self._digits = ""
                    self._shows = Shows.OUTCOME
                else:
                    self._rest()
            case Key.SCROLL:
                screens = self.screens()
                self._turn_to((self._screen + 1) % len(screens) if self._shows is Shows.SCREEN else REST)
            case Key.SUPPLY:
                self._turn_to(self._named(SUPPLY_SCREEN))
                self.press_supply()
            case Key.EMERGENCY:
                self._turn_to(self._named(EMERGENCY_SCREEN))
                self.press_emergency()
            case _:
                if self.takes_digits:
                    self._digits = (self._digits + key.value)[:LENGTH]
                self._show_entry()

    def type(self, text: str) -> None:
        """Press keys one after another; ValueError, with none pressed, for a sign that is not in :data:`ALPHABET`."""
        for key in parse_keys(text):
            self.press(key)

    # --- display

    def text(self) -> str:
        """What the display shows now, in one line or several; empty while it is off."""
        device = self._device
        device.settle()
        if self.blank or not device.ready:
            return ""
        self._time_out()
        if self._at is None and self.dark:
            return ""
        match self._shows:
            case Shows.ENTRY:
                return " ".join(self._digits[at : at + GROUP] for at in range(0, len(self._digits), GROUP))
            case Shows.OUTCOME:
                return self.outcome()
            case Shows.SCREEN:
                screens = self.screens()
                return self.show(screens[self._screen % len(screens)][1])

    def show_outcome(self) -> None:
        """Show the outcome from now on, until its time is over or a key is pressed."""
        self._digits = ""
        self._shows = Shows.OUTCOME
        self._at = self._device.clock.now

    def _named(self, name: str) -> int:
        """The screen of that name; that at rest where there is none."""
        return next((number for number, (found, _) in enumerate(self.screens()) if found == name), REST)

    def _turn_to(self, screen: int) -> None:
        self._digits = ""
        self._shows = Shows.SCREEN
        self._screen = screen

    def _show_entry(self) -> None:
        """Show what is typed; without any digit the rest screen, the display still on."""
        if self._digits:
            self._shows = Shows.ENTRY
        else:
            self._turn_to(REST)

    def _rest(self) -> None:
        self._turn_to(REST)
        self._at = None

    def _time_out(self) -> None:
        """Drop what nobody has gone on with."""
        if self._at is None:
            return
        patience = self._patience.entry_timeout if self._shows is Shows.ENTRY else self._patience.screen_time
        if self._device.clock.now - self._at >= patience:
            self._rest()
