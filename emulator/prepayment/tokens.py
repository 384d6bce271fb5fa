"""What a meter does with a token that is entered: the token gateway (class 115), its history and its lock-out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING

from emulator.prepayment.history import history_for
from emulator.prepayment.lockout import LockOut
from emulator.prepayment.money import text as pounds
from protocols.tokens.scheme import Credit, Outcome, TokenRefused, TokenScheme

if TYPE_CHECKING:
    from emulator.firmware import TokenSettings

KEPT = 20
"""Characters of an entry that the gateway keeps; more are no token."""


class Delivery(IntEnum):
    """token_delivery_method of class 115: by the head-end, by a device in the home, typed in at the meter."""

    REMOTE = 0
    LOCAL = 1
    MANUAL = 2


class TokenStatus(IntEnum):
    """status_code of class 115, attribute 6 (Blue Book)."""

    FORMAT_OK = 0
    AUTHENTICATION_OK = 1
    VALIDATION_OK = 2
    EXECUTION_OK = 3
    FORMAT_FAILURE = 4
    AUTHENTICATION_FAILURE = 5
    VALIDATION_FAILURE = 6
    EXECUTION_FAILURE = 7
    RECEIVED = 8


WRONG_ENTRIES = frozenset(
    {
        Outcome.WRONG_LENGTH,
        Outcome.NOT_DIGITS,
        Outcome.CHECK_DIGIT,
        Outcome.NOT_THIS_SCHEME,
        Outcome.NOT_AUTHENTIC,
    }
)
"""Outcomes that count towards the lock-out: digits that may have been guessed. A genuine token that is refused for
another reason neither counts nor clears what was counted."""

_NOTHING_PASSED = "0000"
_PASSED: Mapping[Outcome, str] = {
    Outcome.ACCEPTED: "1111",
    Outcome.STORAGE_FAULT: "1110",
    Outcome.DUPLICATE: "1100",
    Outcome.TOO_OLD: "1100",
    Outcome.OVER_TOKEN_LIMIT: "1100",
    Outcome.OVER_BALANCE_LIMIT: "1100",
    Outcome.NOT_PREPAYMENT: "1100",
    Outcome.NOT_AUTHENTIC: "1000",
}
"""Which of format, authentication, validation and execution an outcome has passed."""


class TokenGateway:
    """Takes tokens, and shows the last one as class 115 does. It needs no device, only what its constructor is given.

    A token is checked for the lock-out (manual entry only), length, digits, check digit, scheme, authenticity, and
    whether it was used; then the account credits or refuses it. It is used once it is credited and committed; one that
    is refused may be entered again.
    """

    __slots__ = (
        "_commit",
        "_credit",
        "_outcome",
        "_scheme",
        "_settings",
        "_undo",
        "_utc",
        "accepted",
        "delivery",
        "description",
        "history",
        "lock",
        "passed",
        "status",
        "token",
        "token_time",
    )

    def __init__(
        self,
        scheme: TokenScheme,
        settings: TokenSettings,
        *,
        utc: Callable[[], int],
        credit: Callable[[Credit], Outcome],
        undo: Callable[[], None],
        commit: Callable[[], bool],
        outcome: Callable[[Outcome], None],
    ) -> None:
        """``utc`` is the device's clock, ns. ``credit`` credits and answers ACCEPTED, or refuses and says why; ``undo``
        takes the last credit back. ``commit`` stores the device's image, this gateway's included, and answers whether
        that is durable. ``outcome`` is told what became of each entry, once, when it is settled.
        """
        self._scheme = scheme
        self._settings = settings
        self._utc = utc
        self._credit = credit
        self._undo = undo
        self._commit = commit
        self._outcome = outcome
        self.history = history_for(scheme, settings.history)
        self.lock = LockOut(settings)
        self.accepted: tuple[int, int] | None = None
        """The last token that was accepted: device UTC in ns, and its worth in millipence; None without one."""
        self.token = b""
        """Attribute 2: what was entered last, no more than 20 octets of it."""
        self.token_time = 0
        """Attribute 3: when that was, device UTC in ns, 0 for never."""
        self.description = b""
        """Attribute 4, its one element: what a genuine token is worth, as text; empty after any other."""
        self.delivery = Delivery.REMOTE
        """Attribute 5."""
        self.status: int = TokenStatus.FORMAT_OK
        """Attribute 6, status_code, as the firmware has it for each outcome."""
        self.passed = _NOTHING_PASSED
        """Attribute 6, data_value: bits for format, authentication, validation and execution passed."""

    @property
    def locked_for(self) -> int:
        """How long manual entry is still locked, ns; 0 when it is not."""
        return self.lock.remaining(self._utc())

    def enter(self, digits: bytes | str, delivery: Delivery) -> Outcome:
        """A token, in ASCII, came in this way (method 1): what became of it."""
        now = self._utc()
        entered = digits if isinstance(digits, str) else digits.decode("latin-1")
        self.token = entered[:KEPT].encode("latin-1", "replace")
        self.token_time = now
        self.delivery = delivery
        self.description = b""
        manual = delivery is Delivery.MANUAL
        outcome = Outcome.LOCKED if manual and self.lock.remaining(now) else self._take(entered)
        if outcome is not Outcome.ACCEPTED:  # the status of an accepted one was committed with it
            self._show(outcome)
        wrong = manual and outcome in WRONG_ENTRIES
        if wrong:
            self.lock.failed(now)
        self._outcome(outcome)
        if wrong:  # or a cut of the mains would give the attempts back
            self._commit()
        return outcome

    def forget_shown(self) -> None:
        """Show no token any more, as after a change of tenancy; what was used and what is locked stays."""
        self.token = self.description = b""
        self.token_time = 0
        self.accepted = None
        self.delivery = Delivery.REMOTE
        self.status = TokenStatus.FORMAT_OK
        self.passed = _NOTHING_PASSED

    def _take(self, digits: str) -> Outcome:
        try:
            credit = self._scheme.read(digits, self.history.highest)
        except TokenRefused as refused:
            return refused.outcome
        self.description = f"{pounds(credit.amount)} GBP".encode()
        verdict = self.history.judge(credit.counter)
        if verdict is Outcome.ACCEPTED:
            verdict = self._credit(credit)
        return self._used(credit) if verdict is Outcome.ACCEPTED else verdict

    def _used(self, credit: Credit) -> Outcome:
        """A credited token is remembered and all is committed, or all is taken back."""
        history, lock, accepted = self.history.image(), self.lock.image(), self.accepted
        self.history.add(credit.counter)
        self.accepted = self.token_time, credit.amount
        self.lock.cleared()
        self._show(Outcome.ACCEPTED)
        if self._commit():
            return Outcome.ACCEPTED
        self._undo()
        self.history.restore(history)
        self.lock.restore(lock)
        self.accepted = accepted
        return Outcome.STORAGE_FAULT

    def _show(self, outcome: Outcome) -> None:
        self.status = self._settings.outcomes[outcome].status
        self.passed = _PASSED.get(outcome, _NOTHING_PASSED)

    def image(self) -> dict[str, object]:
        """All of it as plain values, for the non-volatile memory."""
        return {
            **self.history.image(),
            **self.lock.image(),
            "token": self.token.hex(),
            "time": self.token_time,
            "accepted_time": self.accepted[0] if self.accepted else 0,
            "accepted_amount": self.accepted[1] if self.accepted else 0,
            "description": self.description.decode(),
            "delivery": int(self.delivery),
            "status": self.status,
            "passed": self.passed,
        }

    def restore(self, image: Mapping[str, object]) -> None:
        """Be what :meth:`image` said; ValueError for another mapping."""
        match image:
            case {
                "token": str(token),
                "time": int(time),
                "accepted_time": int(accepted),
                "accepted_amount": int(amount),
                "description": str(description),
                "delivery": int(delivery),
                "status": int(status),
                "passed": str(passed),
            }:
                self.history.restore(image)
                self.lock.restore(image)
                self.token = bytes.fromhex(token)
                self.token_time = time
                self.accepted = (accepted, amount) if accepted else None
                self.description = description.encode()
                self.delivery = Delivery(delivery)
                self.status = status
                self.passed = passed
            case _:
                raise ValueError("not the image of a token gateway")
