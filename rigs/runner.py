"""An event loop in a thread of its own, the way to it, and a rig's clock from outside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from rigs.control.desk import Desk
from rigs.driver import SECOND, ClockMode

if TYPE_CHECKING:
    from rigs.rig import Rig

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds that a call waits for the loop before it is taken to hang."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Runner:
    """An event loop in a thread, and the way to it."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        """What was raised where nobody waited for it: faults of the emulator that a test must not miss."""
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._note)
        self._thread = threading.Thread(target=self._loop.run_forever, name="smets1 rig", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether the thread has ended."""
        return self._loop.is_closed()

    def call(self, function: Callable[[], T]) -> T:
        """What ``function()`` gives in the thread of the loop; raises what it raises."""
        if threading.current_thread() is self._thread:
            return function()
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(function())
            except BaseException as error:
                result.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return result.result(PATIENCE)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns, run on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def close(self) -> None:
        """End the thread."""
        self.run(_let_go())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.errors.append(error if isinstance(error, BaseException) else RuntimeError(str(context.get("message"))))


async def _let_go() -> None:
    """Let transports say to their protocols that they were closed: a few rounds of the loop; then end its threads."""
    for _ in range(5):
        await asyncio.sleep(0)
    await asyncio.get_running_loop().shutdown_default_executor()


class RunningClock:
    """The rig's clock from outside. ``ns`` is UTC in nanoseconds since the Unix epoch."""

    def __init__(self, runner: Runner, rig: Rig) -> None:
        self._runner = runner
        self._rig = rig

    @property
    def ns(self) -> int:
        """The time now."""
        return self._runner.call(self._read)

    @property
    def now(self) -> datetime:
        """The time now, in UTC, to the microsecond."""
        return _EPOCH + timedelta(microseconds=self.ns // 1000)

    @property
    def rate(self) -> float:
        """Seconds of it in one of the world, 0 for a stepped one; may be set where it runs by itself."""
        driver = self._rig.driver
        return 0.0 if driver.mode is ClockMode.STEPPED else driver.rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._runner.call(lambda: Desk(self._rig).set_rate(rate))

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0, nanoseconds: int = 0
    ) -> datetime:
        """Move a stepped clock on, with all that falls due on the way; the new time.

        Raises RuntimeError when the clock runs by itself and ValueError for a time that is past.
        """
        step = nanoseconds + round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * SECOND)
        self._runner.call(lambda: self._rig.driver.advance(step))
        return self.now

    def advance_to(self, instant: datetime) -> datetime:
        """Move a stepped clock on to an instant, which must have a zone."""
        since = instant - _EPOCH
        target = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
        self._runner.call(lambda: self._rig.driver.advance(target - self._rig.clock.now))
        return self.now

    def _read(self) -> int:
        self._rig.driver.now()
        return self._rig.clock.now
