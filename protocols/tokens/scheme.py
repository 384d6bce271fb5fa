"""What a token scheme is: how credit becomes 20 digits, and how a meter tells that they are genuine and meant for it.

A scheme is a small class that a firmware profile names. It knows one meter's secret and nothing of what that meter has
accepted before: replay windows, limits and lock-outs are the meter's (:mod:`emulator.prepayment`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from protocols.errors import ProtocolError


class Outcome(Enum):
    """What becomes of a token that is entered, with a text for people."""

    ACCEPTED = "accepted"
    WRONG_LENGTH = "wrong length"
    NOT_DIGITS = "not digits"
    CHECK_DIGIT = "check digit does not match"
    NOT_THIS_SCHEME = "not a token of this scheme"
    NOT_AUTHENTIC = "authentication failed: wrong meter, wrong key or an altered digit"
    DUPLICATE = "duplicate"
    TOO_OLD = "too old: its counter is below what the history can tell apart"
    OVER_TOKEN_LIMIT = "value over the limit of one token"
    OVER_BALANCE_LIMIT = "over the maximum balance"
    NOT_PREPAYMENT = "not in prepayment mode"
    LOCKED = "entry locked"
    STORAGE_FAULT = "storage fault: nothing was credited"


@dataclass(frozen=True, slots=True)
class Credit:
    """What a genuine token says. ``counter`` is the issuer's number of it, ``amount`` in millipence."""

    counter: int
    amount: int


class TokenRefused(ProtocolError):
    """Digits that are no genuine token for this meter; ``outcome`` says why."""

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class TokenScheme(Protocol):
    """A scheme with one meter's secret in it.

    Its counters count tokens. One whose counters are far apart, such as times, says so by an attribute ``sparse`` that
    is true: a meter then remembers a number of tokens rather than a span of counters.
    """

    def issue(self, counter: int, pence: int) -> str:
        """The digits of a token of ``pence``; LocalProtocolError for a counter or value that it cannot carry."""
        ...

    def read(self, digits: str, highest: int) -> Credit:
        """What genuine digits say; raises TokenRefused.

        ``highest`` is the highest counter accepted so far, -1 for none, from which a truncated counter is rebuilt.
        """
        ...


class SchemeMaker(Protocol):
    """Makes a scheme for one meter: what a profile's scheme name stands for."""

    @property
    def secret_octets(self) -> int:
        """Length of a meter's secret."""
        ...

    def __call__(self, secret: bytes, originator: bytes, target: bytes) -> TokenScheme:
        """``originator`` and ``target`` are the issuer's and the meter's identifiers, 8 octets each (EUI-64)."""
        ...
