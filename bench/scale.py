"""Many premises in one process, what one more meter costs, and how soon a user sees something.

Each measure runs in a process of its own: ``python -m bench.scale MEASURE`` writes its figures.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import ClassVar

from bench.figures import Figure, folder, middle, spread

PREMISES = 1000
METERS = 1000
DAYS = 30
REPORTED = 600
"""Seconds of simulated time with reports."""
HERE = Path(__file__).parent


def memory() -> list[float]:
    """Octets of one more electricity meter, a register of it read: growth of what the process has resident."""
    from bench.meter import READER, WrapperLine, get_request, premises, reader_of, sap_of

    def read(device: object) -> None:
        line = WrapperLine(device, sap_of(device, READER))  # type: ignore[arg-type]
        line.associated(reader_of(device))  # type: ignore[arg-type]
        assert line.ask(get_request())[3] == 0, "the register is not read"
        line.stack.closed()

    first = premises(50, hub=False, gas=False)[1]
    for one in first:
        read(one.electricity)
    gc.collect()
    before = resident()
    more = premises(METERS, hub=False, gas=False)[1]
    for one in more:
        read(one.electricity)
    gc.collect()
    return [(resident() - before) / METERS, len(first)]


def resident() -> int:
    """Octets of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def start() -> list[float]:
    """Seconds until a rig of premises with hub, electricity and gas is built and its WAN and optical ports are open."""
    import asyncio

    from rigs.config import rig_of
    from rigs.rig import Rig

    with folder() as place:
        dwelling = {
            "name": "p",
            "count": PREMISES,
            "hub": {"ports": {"wan": "pty:hub-{n}"}},
            "electricity": {"ports": {"optical": "pty:meter-{n}"}},
        }
        begin = time.perf_counter()
        rig = Rig(rig_of({"seed": 1, "clock": {"mode": "stepped"}, "premises": [dwelling]}), folder=place)

        async def run() -> float:
            await rig.start()
            done = time.perf_counter() - begin
            await rig.stop()
            return done

        return [asyncio.run(run())]


def simulated() -> list[float]:
    """Seconds of simulated time in one of the world: days stepped by half hours, every register looked at each day."""
    from bench.meter import IMPORT, premises

    clock, dwellings = premises(PREMISES)
    descriptor = IMPORT.encode()
    halves = DAYS * 48
    step = 1800 * 1_000_000_000
    begin = time.perf_counter()
    for half in range(halves):
        clock.advance_to(clock.now + step)
        if half % 48 == 47:
            for one in dwellings:
                one.hub.settle()
                one.gas.settle()
                one.electricity.settle()
                one.electricity.internal.read(descriptor)
    return [DAYS * 86_400 / (time.perf_counter() - begin)]


def reporting() -> list[float]:
    """Seconds of simulated time in one of the world, while each electricity meter reports to a display every 10 s."""
    from bench.meter import premises

    second = 1_000_000_000
    clock, dwellings = premises(PREMISES, display=True)
    clock.advance_to(clock.now + 120 * second)  # displays have found their meters
    begin = time.perf_counter()
    clock.advance_to(clock.now + REPORTED * second)
    spent = time.perf_counter() - begin
    for one in dwellings:
        assert "kWh" in one.display.text, f"{one.name}: its display shows {one.display.text!r}"
        assert max(known.heard_at for known in one.display.client.meters) > clock.now - 11 * second, "no report"
    return [REPORTED / spent]


def fixture() -> list[float]:
    """Seconds that pytest takes to set up a test that asks for running premises; the first imports everything."""
    import pytest

    class Recorder:
        spent: ClassVar[list[float]] = []

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.when == "setup":
                assert report.passed, report.longreprtext
                self.spent.append(report.duration)

    with folder() as place:
        tests = place / "test_fixture.py"
        tests.write_text("".join(f"def test_{number}(premises): pass\n" for number in range(6)))
        with redirect_stdout(sys.stderr):
            pytest.main(
                ["-q", "-n", "0", "--rootdir", str(place), "-p", "no:cacheprovider", str(tests)], plugins=[Recorder()]
            )
    return Recorder.spent


def help_text() -> list[float]:
    """Seconds of ``smets1 --help`` as a whole process."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-m", "rigs", "--help"], check=True, stdout=subprocess.DEVNULL, cwd=HERE.parent)
    return [time.perf_counter() - begin]


MEASURES: dict[str, Callable[[], list[float]]] = {
    "memory": memory,
    "start": start,
    "simulated": simulated,
    "reporting": reporting,
    "fixture": fixture,
}


def apart(measure: str) -> list[float]:
    """A measure in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.scale", measure], cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"bench.scale {measure} failed; its message is above")
    return [float(word) for word in done.stdout.split()]


def figures(count: int) -> Iterator[Figure]:
    """Rows of the table, each measure in ``count`` processes, the fixture in one."""
    sizes = [apart("memory")[0] / 1024 for _ in range(max(1, count // 2))]
    text = f"{spread(sizes)} KiB (growth of resident memory, {METERS:,} meters)"
    yield Figure("one more ESME, full object list, no rows read", "<= 16 KiB", "8 KiB", text, middle(sizes) <= 16)
    seconds = [apart("start")[0] for _ in range(count)]
    text = f"{spread(seconds, form='.2f')} s"
    yield Figure(f"rig of {PREMISES:,} premises: start", "<= 3 s", "2 s", text, middle(seconds) <= 3)
    rate = [apart("simulated")[0] for _ in range(max(1, count // 2))]
    text = f"{spread(rate, form=',.0f')}x"
    yield Figure(f"the same: simulated time, {DAYS} days", ">= 2,000x", "20,000x", text, middle(rate) >= 2000)
    rate = [apart("reporting")[0] for _ in range(max(1, count // 2))]
    text = f"{spread(rate, form=',.0f')}x"
    work = f"{PREMISES:,} premises of 4 devices, reports every 10 s to displays"
    yield Figure(work, ">= 500x", "1,000x", text, middle(rate) >= 500)
    seconds = [help_text()[0] for _ in range(count)]
    text = f"{spread(seconds, form='.2f')} s"
    yield Figure("smets1 --help", "<= 0.3 s", "", text, middle(seconds) <= 0.3)
    seconds = apart("fixture")
    text = f"{spread(seconds[1:], form='.3f')} s; the first of a session, which imports, {seconds[0]:.2f} s"
    yield Figure("pytest fixture", "<= 0.2 s", "", text, middle(seconds) <= 0.2)


if __name__ == "__main__":
    print(*MEASURES[sys.argv[1]]())
