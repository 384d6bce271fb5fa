"""What holds for all tests."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from pathlib import Path

import pytest
import pytest_timeout
from _pytest.faulthandler import fault_handler_stderr_fd_key
from hypothesis import settings

# How long an example takes says nothing on a busy machine; a test that hangs meets pytest's time-out.
settings.register_profile("smets1", deadline=None)
settings.load_profile("smets1")

if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    # Nothing compiled is wanted among the sources, but a hundred processes that each compile all of them take a minute.
    os.environ["PYTHONPYCACHEPREFIX"] = str(Path(__file__).parent.parent / "build" / "pycache")

_AGAIN, _AT_LAST = 10, 60
"""Seconds after which a test that goes on in spite of its time-out is told again, and after which its process ends."""


class TimedOut(BaseException):
    """A test's time is over. Not what pytest-timeout raises, which hypothesis takes for a failure: it would shrink the
    example, each try of it as long as the time-out was, and without a time-out by then."""


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: some tests wait, for a process to start or for an instant on a line."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl
def pytest_timeout_set_timer(item: pytest.Item, settings: pytest_timeout.Settings) -> bool | None:
    """Raise TimedOut in the test, again and again; end the process if that does nothing (xdist then starts another)."""
    if settings.method != "signal" or threading.current_thread() is not threading.main_thread():
        return None
    watched = not settings.disable_debugger_detection

    def handler(*_: object) -> None:
        __tracebackhide__ = True
        if not (watched and pytest_timeout.is_debugging()):
            raise TimedOut(f"no end after {settings.timeout:g} s")

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        faulthandler.cancel_dump_traceback_later()

    item.cancel_timeout = cancel  # type: ignore[attr-defined]  where pytest-timeout looks for it
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, _AGAIN)
    if not (watched and pytest_timeout.is_debugging()):
        errors = item.config.stash.get(fault_handler_stderr_fd_key, 2)
        faulthandler.dump_traceback_later(settings.timeout + _AT_LAST, exit=True, file=errors)
    return True


def pytest_enter_pdb() -> None:
    """Whoever looks at a test has all the time there is."""
    faulthandler.cancel_dump_traceback_later()
