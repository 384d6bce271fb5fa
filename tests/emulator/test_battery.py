"""A battery: what is left of it, its voltage, and when that is down to what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emulator.battery import EMPTY, FULL, LOW, Battery
from emulator.time import DAY, HOUR


def test_a_life() -> None:
    battery = Battery(100 * DAY, 0)
    assert [battery.voltage(day * DAY) for day in (0, 50, 100, 200)] == [FULL, 3375, EMPTY, EMPTY]
    assert battery.used(200 * DAY) == battery.life
    battery.use(50 * DAY, battery.used(50 * DAY), 10)
    assert battery.used(54 * DAY) == 90 * DAY
    assert battery.reaches(EMPTY) == 55 * DAY


@given(
    life=st.integers(1, 10_000).map(lambda days: days * DAY),
    used=st.floats(0, 1),
    drain=st.integers(1, 100_000),
    millivolts=st.sampled_from((LOW, EMPTY)),
)
def test_it_reaches_a_voltage_at_the_first_instant_at_which_it_has_it(
    life: int, used: float, drain: int, millivolts: int
) -> None:
    battery = Battery(life, 0)
    battery.use(HOUR, round(life * used), drain)
    at = battery.reaches(millivolts)
    if at > HOUR:
        assert battery.voltage(at) == millivolts < battery.voltage(at - drain)
    else:
        assert battery.voltage(HOUR) <= millivolts
