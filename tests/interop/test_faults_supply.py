"""Faults of the load switch and the valve as pydlms sees them through the hub: state, output, power, alarm and log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.head_end import Home, head_end, home

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

WATTS, LITRES = 1200, 600
SWITCH = "0.0.96.3.10.255"
OUTPUT, STATE, ALARMS = [70, SWITCH, 2], [70, SWITCH, 3], [1, "0.0.97.98.0.255", 2]
OFF, ARM = (["action", 70, SWITCH, method, ["integer", 0]] for method in (1, 2))
CLEAR = ["set", *ALARMS, ["double_long_unsigned", 0]]
EVENTS = "0.0.99.98.2.255"
FLOW = {"electricity": [3, "1.0.1.7.0.255", 2], "gas": [3, "7.0.43.7.0.255", 2]}
TOTAL = {"electricity": [3, "1.0.1.8.0.255", 2], "gas": [3, "7.0.1.8.0.255", 2]}
FAILED, FAILURE = 1 << 19, 68
DISCONNECTED, CONNECTED, ARMED = range(3)


class Supplied:
    """A meter whose supply the head-end switches; what it orders of a gas meter happens at the next wake-up."""

    def __init__(self, at: Home, kind: str) -> None:
        self.at = at
        self.kind = kind
        self.drawn = WATTS if kind == "electricity" else LITRES

    def wait(self) -> None:
        """Until a gas meter has woken up."""
        if self.kind == "gas":
            self.at.clock.advance(minutes=31)

    def order(self, *steps: list[Any]) -> None:
        """Steps at the meter, and what they bring about."""
        self.at.read(self.kind, *steps)
        self.wait()

    def turn_on(self) -> None:
        """Arm the supply and press the customer's button."""
        self.order(ARM)
        getattr(self.at.premises, self.kind).press_button()

    def shown(self) -> tuple[bool, int, int, bool]:
        """output_state, control_state, power or flow, and whether the alarm of the switch is there; it is cleared."""
        output, state, flow, alarms = self.at.read(self.kind, OUTPUT, STATE, FLOW[self.kind], ALARMS)
        if alarms:
            self.order(CLEAR)
        return output, state, flow, alarms == FAILED

    def gained(self) -> int:
        """What is counted in an hour."""
        (before,) = self.at.read(self.kind, TOTAL[self.kind])
        self.at.clock.advance(hours=1)
        (after,) = self.at.read(self.kind, TOTAL[self.kind])
        return after - before

    def last_events(self, count: int) -> list[int]:
        """Codes of the last events of the disconnect log."""
        (rows,) = self.at.read(self.kind, ["profile", EVENTS])
        return [row[1] for row in rows[-count:]]


@pytest.fixture(scope="module")
def running(peers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with head_end(peers) as peer, home(tmp_path_factory.mktemp("supply"), peer) as at:
        at.premises.electricity.load(watts=WATTS)
        at.premises.gas.load(cubic_metres_per_hour=LITRES / 1000)
        yield at


@pytest.fixture
def supplied(running: Home, request: pytest.FixtureRequest) -> Iterator[Supplied]:
    """The meter of the kind that the test names, its supply on before and after."""
    found = Supplied(running, request.param)
    running.clock.advance(hours=1)
    yield found
    running.heal()
    found.turn_on()
    found.wait()
    assert found.shown()[:3] == (True, CONNECTED, found.drawn)


def of(name: str, kind: str) -> Any:
    """A fault and the kind of meter that has it."""
    return pytest.param(name, kind, marks=pytest.mark.fault(name), id=f"{name}-{kind}")


@pytest.mark.parametrize(
    ("name", "supplied"),
    [of("welded-contactor", "electricity"), of("valve-stuck-open", "gas")],
    indirect=["supplied"],
)
def test_it_does_not_open(supplied: Supplied, name: str) -> None:
    fault = supplied.at.start(name, supplied.kind)
    assert supplied.shown() == (True, CONNECTED, supplied.drawn, False)
    supplied.order(OFF)
    assert supplied.shown() == (True, DISCONNECTED, supplied.drawn, True)
    assert supplied.last_events(1) == [FAILURE]
    assert supplied.gained() == pytest.approx(supplied.drawn, abs=1)
    supplied.at.end(fault)
    supplied.wait()
    assert supplied.shown() == (False, DISCONNECTED, 0, False)


@pytest.mark.parametrize(
    ("name", "supplied"),
    [of("contactor-will-not-close", "electricity"), of("valve-stuck-closed", "gas")],
    indirect=["supplied"],
)
def test_it_does_not_close(supplied: Supplied, name: str) -> None:
    fault = supplied.at.start(name, supplied.kind)
    supplied.order(OFF)
    assert supplied.shown() == (False, DISCONNECTED, 0, False)
    supplied.turn_on()
    supplied.wait()
    assert supplied.shown() == (False, CONNECTED, 0, True)
    assert supplied.gained() == 0
    supplied.at.end(fault)
    supplied.wait()
    assert supplied.shown() == (True, CONNECTED, supplied.drawn, False)
    assert supplied.gained() == pytest.approx(supplied.drawn, abs=1)


@pytest.mark.parametrize(("name", "supplied"), [of("contactor-opens", "electricity")], indirect=["supplied"])
def test_it_opens_by_itself(supplied: Supplied, name: str) -> None:
    fault = supplied.at.start(name, supplied.kind)
    assert supplied.shown() == (False, CONNECTED, 0, True)
    assert supplied.last_events(1) == [FAILURE]
    supplied.at.end(fault)
    assert supplied.shown() == (True, CONNECTED, supplied.drawn, False)


@pytest.mark.parametrize(("name", "supplied"), [of("valve-leaks", "gas")], indirect=["supplied"])
def test_a_valve_that_leaks(supplied: Supplied, name: str) -> None:
    fault = supplied.at.start(name, supplied.kind, flow=24)
    supplied.order(OFF)
    assert supplied.shown() == (False, DISCONNECTED, 24, True)
    assert supplied.gained() == pytest.approx(24, abs=1)
    supplied.at.end(fault)
    supplied.wait()
    assert supplied.shown() == (False, DISCONNECTED, 0, False)


@pytest.mark.parametrize(
    ("name", "supplied"),
    [of("feedback-contact-wrong", "electricity"), of("feedback-contact-wrong", "gas")],
    indirect=["supplied"],
)
def test_the_feedback_is_wrong(supplied: Supplied, name: str) -> None:
    fault = supplied.at.start(name, supplied.kind)
    assert supplied.shown() == (False, CONNECTED, supplied.drawn, True)
    supplied.order(OFF)
    assert supplied.shown() == (True, DISCONNECTED, 0, True)
    supplied.at.end(fault)
    supplied.wait()
    assert supplied.shown() == (False, DISCONNECTED, 0, False)


@pytest.mark.parametrize(
    ("name", "supplied"),
    [of("dead-supply-button", "electricity"), of("dead-supply-button", "gas")],
    indirect=["supplied"],
)
def test_the_button_is_dead(supplied: Supplied, name: str) -> None:
    fault = supplied.at.start(name, supplied.kind)
    supplied.order(OFF)
    supplied.turn_on()
    assert supplied.shown() == (False, ARMED, 0, False)
    supplied.at.end(fault)
    getattr(supplied.at.premises, supplied.kind).press_button()
    supplied.wait()
    assert supplied.shown() == (True, CONNECTED, supplied.drawn, False)
