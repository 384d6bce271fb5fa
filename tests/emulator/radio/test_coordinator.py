"""The coordinator that hosts drive, apart from what they speak."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.premises import Premises
from emulator.radio.coordinator import MOST_COUNTER


def test_a_frame_counter_has_to_leave_room(home: Callable[..., Premises]) -> None:
    hub = home().hub
    assert hub is not None
    coordinator = hub.coordinator
    before = coordinator.parameters
    for counter in (MOST_COUNTER + 1, -1):
        with pytest.raises(ValueError, match="frame counter"):
            coordinator.form(before._replace(pan_id=1), counter)
    assert coordinator.parameters == before
    coordinator.form(before, MOST_COUNTER)
    assert coordinator.frame_counter == MOST_COUNTER
