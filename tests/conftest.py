"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says nothing on a busy machine; a test that hangs meets pytest's time-out.
settings.register_profile("smets1", deadline=None)
settings.load_profile("smets1")
