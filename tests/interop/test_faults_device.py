"""Faults of the device itself as a head-end (pydlms) and a client of the bench panel (pymodbus) see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymodbus.client import ModbusTcpClient

from rigs.panel.layout import Entry, entries
from rigs.running import RunningRig
from tests.interop.head_end import KINDS, LONG, SHORT, Home, destination, head_end, home

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

STANDARD, ERRORS, FAILURES = "0.0.99.98.0.255", [1, "0.0.97.97.0.255", 2], [1, "0.0.96.7.0.255", 2]
VOLTAGE, REBOOTS, PUSH = [3, "1.0.32.7.0.255", 2], [1, "0.0.96.15.0.255", 2], [40, "0.1.25.9.0.255", 3]
DAYS_LEFT, BATTERY = [3, "0.0.96.1.52.255", 2], [3, "0.0.96.6.3.255", 2]
POWER_DOWN, POWER_UP, WATCHDOG, RAM, LOW = 1, 2, 16, 17, 14
WATCHDOG_BIT, RAM_BIT, BATTERY_BIT = 1 << 12, 1 << 9, 1 << 1
POWER_HAS_GONE = 0x81A0
SILENCE = "DlmsTimeoutError"
TURN = {"hub": 30, "electricity": 8}
"""Seconds that a start takes."""


class Bench:
    """Premises, a head-end at the WAN of the hub, and another at the local port of the electricity meter."""

    def __init__(self, at: Home) -> None:
        self.at = at

    def meter(self, *steps: list[Any]) -> list[Any]:
        """Results of steps at the electricity meter's own port, in which nothing goes wrong."""
        found = self.at.ask_meter(*steps, patience=LONG)
        assert found["error"] == "", found
        return found["results"]

    @property
    def silent(self) -> bool:
        """Whether the electricity meter says nothing at its own port."""
        return SILENCE in self.at.trouble_at_meter(SHORT)

    @property
    def answers(self) -> bool:
        """Whether it answers there."""
        return self.at.trouble_at_meter(LONG) == ""

    def logged(self) -> list[int]:
        """Codes of the meter's standard log."""
        (rows,) = self.meter(["profile", STANDARD])
        return [row[1] for row in rows]

    def wait(self, seconds: float) -> None:
        self.at.clock.advance(seconds=seconds)


@pytest.fixture(scope="module")
def shared(peers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with head_end(peers) as peer, home(tmp_path_factory.mktemp("device"), peer) as running:
        yield running


@pytest.fixture
def bench(shared: Home) -> Iterator[Bench]:
    """The premises, which each test leaves as they were."""
    yield Bench(shared)
    shared.heal()
    for name in list(shared.opened):
        shared.close(name)
    shared.clock.advance(seconds=60)


@pytest.mark.fault("hangs")
def test_the_firmware_hangs(bench: Bench) -> None:
    before = len(bench.logged())
    fault = bench.at.start("hangs", "electricity")
    assert bench.silent
    assert bench.at.silent("electricity")
    assert bench.at.answers("hub")
    bench.wait(15)
    assert bench.silent
    bench.wait(1 + TURN["electricity"])  # the watchdog has found it
    assert bench.logged()[before:] == [WATCHDOG]
    assert bench.meter(["get", *ERRORS]) == [WATCHDOG_BIT]
    bench.at.end(fault)
    hung = bench.at.start("hangs", "hub", watchdog="fails")
    assert bench.at.premises.hub.state.power == "hangs"
    bench.wait(600)
    assert bench.at.silent("hub")
    assert bench.answers
    bench.at.end(hung)
    assert bench.at.silent("hub")
    bench.wait(TURN["hub"])
    assert bench.at.answers("hub")
    bench.at.wait()
    assert bench.at.reporting == KINDS
    bench.meter(["set", *ERRORS, ["double_long_unsigned", 0]])


@pytest.mark.fault("reset-loop")
def test_the_watchdog_resets_it_again_and_again(bench: Bench) -> None:
    (reboots,) = bench.at.read("hub", REBOOTS)
    fault = bench.at.start("reset-loop", "hub", runs=10)
    assert bench.at.answers("hub")
    bench.wait(10)
    assert bench.at.silent("hub")
    bench.wait(4 * (10 + TURN["hub"]) + TURN["hub"] + 5)
    (more,) = bench.at.read("hub", REBOOTS)
    assert more == reboots + 5
    bench.at.end(fault)
    bench.wait(600)
    assert bench.at.read("hub", REBOOTS) == [more]


@pytest.mark.fault("spontaneous-resets")
def test_ram_that_does_not_hold(bench: Bench) -> None:
    before = len(bench.logged())
    (failures,) = bench.meter(["get", *FAILURES])
    fault = bench.at.start("spontaneous-resets", "electricity", mean=300)
    bench.wait(3600)
    bench.at.end(fault)
    bench.wait(TURN["electricity"])
    logged = bench.logged()[before:]
    assert 4 <= len(logged) <= 30 and set(logged) == {RAM}
    assert bench.meter(["get", *ERRORS], ["get", *FAILURES]) == [RAM_BIT, failures]
    bench.wait(3600)
    assert bench.logged()[before:] == logged
    bench.meter(["set", *ERRORS, ["double_long_unsigned", 0]])


@pytest.mark.fault("slow-boot")
def test_a_start_that_takes_longer(bench: Bench) -> None:
    fault = bench.at.start("slow-boot", "electricity", seconds=300)
    assert bench.answers
    cut(bench, 10)
    bench.wait(TURN["electricity"] + 299)
    assert bench.silent
    bench.wait(1)
    assert bench.answers
    bench.at.end(fault)
    cut(bench, 10)
    bench.wait(TURN["electricity"])
    assert bench.answers


@pytest.mark.fault("no-start")
def test_it_does_not_start(bench: Bench) -> None:
    fault = bench.at.start("no-start", "electricity")
    assert bench.answers
    cut(bench, 10)
    bench.wait(3600)
    assert bench.silent
    assert bench.at.silent("electricity")
    bench.at.end(fault)
    bench.wait(TURN["electricity"])
    assert bench.answers


def cut(bench: Bench, seconds: float) -> None:
    """A power cut of the electricity meter."""
    bench.at.premises.electricity.power_off()
    bench.wait(seconds)
    bench.at.premises.electricity.power_on()


@pytest.mark.fault("brown-out")
def test_a_brown_out(bench: Bench) -> None:
    (failures,) = bench.meter(["get", *FAILURES])
    shallow = bench.at.start("brown-out", "electricity", volts=130)
    assert bench.meter(["get", *VOLTAGE]) == [1300]
    bench.wait(60)
    assert bench.meter(["get", *VOLTAGE], ["get", *FAILURES]) == [1300, failures]
    bench.at.end(shallow)
    assert bench.meter(["get", *VOLTAGE])[0] > 2300
    deep = bench.at.start("brown-out", "hub", volts=90)
    assert bench.answers  # its power supply has some left
    bench.wait(0.5)
    assert bench.silent
    assert bench.at.answers("hub")
    bench.wait(0.6)
    assert bench.at.silent("hub")
    bench.at.end(deep)
    bench.wait(TURN["hub"])
    assert bench.meter(["get", *FAILURES]) == [failures + 1]
    bench.at.wait()
    assert bench.at.reporting == KINDS


@pytest.mark.fault("flickering-mains")
def test_mains_that_flicker(bench: Bench) -> None:
    (failures,) = bench.meter(["get", *FAILURES])
    fault = bench.at.start("flickering-mains", "electricity", off=3000, on=60_000)
    bench.wait(600)
    bench.at.end(fault)
    bench.wait(TURN["hub"])
    (more,) = bench.meter(["get", *FAILURES])
    assert failures + 5 <= more <= failures + 20
    assert bench.logged()[-2:] == [POWER_DOWN, POWER_UP]
    bench.at.wait()
    assert bench.meter(["get", *FAILURES]) == [more]
    assert bench.at.reporting == KINDS


@pytest.mark.fault("no-hold-up")
def test_a_last_gasp_and_none(bench: Bench) -> None:
    at = bench.at

    def heard() -> list[Any]:
        """What a head-end that waits hears when the hub loses its power."""
        at.open("gasp", "hub")
        assert at.do("gasp", ["set", *PUSH, destination()])["error"] == ""
        at.premises.hub.power_off()
        found = at.do("gasp", ["push", 2.0])["results"]
        at.premises.hub.power_on()
        bench.wait(TURN["hub"])
        at.close("gasp")
        return found

    assert heard()[0][0] == POWER_HAS_GONE
    fault = at.start("no-hold-up", "hub")
    assert heard() == []
    at.end(fault)
    assert heard()[0][0] == POWER_HAS_GONE
    at.wait()


# --- battery: a sleeping meter shows itself at its wake-ups


@pytest.mark.fault("battery-leaks")
def test_a_battery_that_leaks(bench: Bench) -> None:
    at = bench.at
    before, full = at.read("gas", DAYS_LEFT, BATTERY)
    fault = at.start("battery-leaks", "gas", times=1000)
    at.clock.advance(hours=4)
    after, less = at.read("gas", DAYS_LEFT, BATTERY)
    assert 125 <= before - after <= 170 and less < full
    at.end(fault)
    at.clock.advance(hours=4)
    assert at.read("gas", DAYS_LEFT)[0] >= after - 25
    at.premises.gas.replace_battery()
    at.clock.advance(hours=1)
    assert at.read("gas", DAYS_LEFT)[0] >= 3649


@pytest.mark.fault("battery-low")
def test_a_battery_that_is_low(bench: Bench) -> None:
    at = bench.at
    (before,) = at.read("gas", DAYS_LEFT)
    fault = at.start("battery-low", "gas")
    at.clock.advance(hours=1)
    errors, volts, rows = at.read("gas", ERRORS, BATTERY, ["profile", STANDARD])
    assert errors & BATTERY_BIT and volts <= 3200 and rows[-1][1] == LOW
    at.end(fault)
    at.clock.advance(hours=1)
    errors, days = at.read("gas", ERRORS, DAYS_LEFT)
    assert not errors & BATTERY_BIT and before - 1 <= days <= before


@pytest.mark.fault("battery-dead")
def test_a_battery_that_is_dead(bench: Bench) -> None:
    at = bench.at
    fault = at.start("battery-dead", "gas")
    at.clock.advance(hours=3)
    first = at.read("gas", [8, "0.0.1.0.0.255", 2])
    at.clock.advance(hours=3)
    assert at.read("gas", [8, "0.0.1.0.0.255", 2]) == first  # the mirror, as it was
    assert "gas" not in at.reporting
    at.end(fault)
    at.wait()
    assert at.read("gas", [8, "0.0.1.0.0.255", 2]) != first
    assert at.reporting == KINDS
    again = at.start("battery-dead", "gas")
    bench.wait(1)
    assert at.premises.gas.state.power == "off"
    at.premises.gas.replace_battery()
    at.wait()
    assert at.read("gas", DAYS_LEFT)[0] >= 3649
    at.end(again)
    assert at.premises.gas.state.power == "on"


# --- keys and display, at the bench panel


class Panel:
    """The electricity meter's keys and display through a Modbus client."""

    def __init__(self, running: RunningRig) -> None:
        host, _, port = running.panel["tcp"].rpartition(":")
        self.client = ModbusTcpClient(host, port=int(port), timeout=5, retries=0)
        assert self.client.connect()
        found: list[Entry] = list(entries(0, running.rig.file.specs[0]))
        self._entries = {entry.name: entry for entry in found if entry.device == "home/electricity"}

    def press(self, *keys: str) -> None:
        """Press keys and let them go."""
        for key in keys:
            entry = self._entries[f"key_{key}"]
            for down in (True, False):
                assert not self.client.write_coil(entry.address, down, device_id=entry.unit).isError()

    @property
    def shows(self) -> str:
        """What the display shows."""
        entry = self._entries["display"]
        answer = self.client.read_input_registers(entry.address, count=entry.registers, device_id=entry.unit)
        return b"".join(word.to_bytes(2, "big") for word in answer.registers).rstrip(b"\0").decode("latin-1")


@pytest.fixture
def fronted(smets1_rig: Callable[..., RunningRig]) -> Iterator[tuple[RunningRig, Panel]]:
    running = smets1_rig({"premises": [{"name": "home", "hub": None, "gas": None}], "panel": {"tcp": "tcp:0"}})
    panel = Panel(running)
    yield running, panel
    panel.client.close()


@pytest.mark.fault("display-blank")
def test_a_display_that_is_blank(fronted: tuple[RunningRig, Panel]) -> None:
    running, panel = fronted
    at_rest = panel.shows
    assert at_rest
    fault = running.start_fault("display-blank", "home/electricity")
    assert panel.shows == ""
    panel.press("1", "2")
    assert panel.shows == ""
    running.end_fault(fault.id)
    assert panel.shows == "12"


@pytest.mark.fault("key-stuck")
def test_a_key_that_is_stuck(fronted: tuple[RunningRig, Panel]) -> None:
    running, panel = fronted
    fault = running.start_fault("key-stuck", "home/electricity", {"key": "5"})
    panel.press("1", "2")
    assert panel.shows == "5"
    running.end_fault(fault.id)
    panel.press("1", "2")
    assert panel.shows == "512"
