"""The lock on manual entry after too many wrong tokens, longer each time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator.firmware import TokenSettings


class LockOut:
    """Counts wrong manual entries and locks. Times are device UTC, ns.

    A lock holds from when it was set until its duration has passed by the device's clock. A clock that shows a time
    before the lock was set has been set back, and the lock is over: it cannot be told how long it has held.
    """

    __slots__ = ("_attempts", "_duration", "_factor", "_first", "_longest", "_next", "_since", "wrong")

    def __init__(self, settings: TokenSettings) -> None:
        self._attempts = settings.attempts
        self._first = settings.lock_first
        self._factor = settings.lock_factor
        self._longest = settings.lock_longest
        self.wrong = 0
        """Wrong entries since the last success or lock."""
        self._next = self._first
        """Duration of the next lock."""
        self._since = 0
        self._duration = 0

    def remaining(self, now: int) -> int:
        """How long entry is still locked, ns; 0 when it is not."""
        passed = now - self._since
        return self._duration - passed if 0 <= passed < self._duration else 0

    def failed(self, now: int) -> None:
        """A wrong entry. When it is one too many, entry is locked from ``now``."""
        if not self._attempts:
            return
        self.wrong += 1
        if self.wrong >= self._attempts:
            self.wrong = 0
            self._since = now
            self._duration = min(self._next, self._longest)
            self._next = min(self._next * self._factor, self._longest)

    def cleared(self) -> None:
        """A token was accepted: nothing is counted against the customer any more, and the next lock is a first one."""
        self.wrong = 0
        self._duration = 0
        self._next = self._first

    def image(self) -> dict[str, object]:
        """All of it as plain values, for the non-volatile memory."""
        return {"wrong": self.wrong, "since": self._since, "duration": self._duration, "next": self._next}

    def restore(self, image: Mapping[str, object]) -> None:
        """Be what :meth:`image` said; ValueError for another mapping."""
        match image:
            case {"wrong": int(wrong), "since": int(since), "duration": int(duration), "next": int(following)}:
                self.wrong, self._since, self._duration, self._next = wrong, since, duration, following
            case _:
                raise ValueError("not the image of a lock-out")
