"""What a meter at an optical port is made of: how it signs on, and what it has to say (IEC 62056-21)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from protocols.errors import LocalProtocolError
from protocols.iec62056_21.message import (
    BAUD_CODES,
    INITIAL_BAUD,
    MAX_ADDRESS,
    MAX_IDENTIFICATION,
    MODE_B_CODES,
    MODE_D_BAUD,
    Identification,
    printable,
)

MILLISECOND = 1_000_000
SECOND = 1_000_000_000


class Content(Protocol):
    """What a meter has to say; asked when a reader does. Text holds printable ASCII without ``( ) / !``."""

    def readout(self) -> Iterable[tuple[str, str]]:
        """Address and ``value`` or ``value*unit`` of each register of the data readout, in order."""
        ...

    def read(self, address: str, formatted: bool) -> str | None:
        """``value`` or ``value*unit`` for R1 (R2 when ``formatted``); None for an unknown address."""
        ...

    def write(self, address: str, value: str, level: int) -> bool:
        """W1, W2 or W5 after a password of ``level`` (0 without one) was given; False when it is refused."""
        ...

    def password(self, level: int, given: str) -> bool:
        """Whether ``given`` is the password of P1 or P2."""
        ...

    def execute(self, address: str, value: str) -> bool:
        """E2; False when it is refused."""
        ...


@dataclass(frozen=True, slots=True)
class MeterSettings:
    """How a meter signs on. Times in nanoseconds.

    ``mode`` is A, B, C or D; ``mode_e`` adds the switch to HDLC to mode C. ``flag_id`` is three letters,
    ``identification`` at most 16 characters. ``baud_code`` is the character Z: 0..6 in mode C, A..F in mode B, 3 in
    mode D, anything else printable in mode A. ``address`` is what a request may name, empty for a meter that
    answers any. ``operand`` goes into P0. ``reaction_time`` is tr, ``option_timeout`` how long an option is waited for,
    ``session_timeout`` (60..120 s in the standard) ends a silent programming session; after ``password_attempts``
    wrong passwords the meter breaks it off. Raises LocalProtocolError for what cannot be.
    """

    mode: str = "C"
    flag_id: str = "SMT"
    identification: str = "METER"
    baud_code: str = "5"
    mode_e: bool = False
    fast_reaction: bool = False
    reaction_time: int = 200 * MILLISECOND
    address: str = ""
    operand: str = ""
    initial_baud: int = INITIAL_BAUD
    option_timeout: int = 1500 * MILLISECOND
    session_timeout: int = 90 * SECOND
    password_attempts: int = 3
    password_to_read: bool = False

    def __post_init__(self) -> None:
        codes = {"A": None, "B": MODE_B_CODES, "C": BAUD_CODES, "D": {"3": MODE_D_BAUD}}
        if self.mode not in codes:
            raise LocalProtocolError(f"mode {self.mode!r}: A, B, C or D")
        allowed = codes[self.mode]
        if allowed is None:
            if len(self.baud_code) != 1 or not " " < self.baud_code <= "~" or self.baud_code in "/!0123456789ABCDEFGHI":
                raise LocalProtocolError(f"baud code {self.baud_code!r}: mode A has a printable one outside 0..9, A..I")
        elif self.baud_code not in allowed:
            raise LocalProtocolError(f"baud code {self.baud_code!r}: mode {self.mode} has {', '.join(allowed)}")
        if self.mode_e and self.mode != "C":
            raise LocalProtocolError("mode E needs the sign-on of mode C")
        if len(self.flag_id) != 3 or not (self.flag_id.isascii() and self.flag_id.isalpha()):
            raise LocalProtocolError(f"maker {self.flag_id!r}: three letters")
        text = self.identification
        if len(text) > MAX_IDENTIFICATION or printable(text) != text:
            raise LocalProtocolError(
                f"identification {text!r}: at most {MAX_IDENTIFICATION} characters, none of ( ) / !"
            )
        if len(self.address) > MAX_ADDRESS or printable(self.address) != self.address:
            raise LocalProtocolError(f"address {self.address!r}: at most {MAX_ADDRESS} characters, none of ( ) / !")

    @property
    def message(self) -> Identification:
        """The identification message."""
        last = self.flag_id[2].lower() if self.fast_reaction else self.flag_id[2].upper()
        return Identification(self.flag_id[:2].upper() + last, self.baud_code, self.identification, self.mode_e)
