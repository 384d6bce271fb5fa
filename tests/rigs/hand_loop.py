"""An event loop for what keeps time by one timer, moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class HandLoop:
    """``turns`` counts how often the timer ran, ``failures`` has what was raised meanwhile."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timer: tuple[float, Callable[[], None]] | None = None
        self.turns = 0
        self.failures: list[BaseException] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> HandLoop:
        assert self.timer is None
        self.timer = when, call
        return self

    def cancel(self) -> None:
        self.timer = None

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(context["exception"])

    def run_to(self, end: float) -> None:
        while self.timer is not None and self.timer[0] <= end:
            when, call = self.timer
            self.timer = None
            self.now = max(self.now, when)
            self.turns += 1
            call()
        self.now = max(self.now, end)
