"""pytest plugin: running premises as a fixture. It is installed with the package.

``premises``
    A fresh dual-fuel premises on ports of its own, its clock stepped: it moves by ``premises.clock.advance(hours=1)``
    only. ``premises.electricity.port`` is the path of the meter's optical port, ``premises.hub.port`` and ``.tcp`` the
    WAN line of the hub; ``premises.electricity.press("7394...")``, ``.top_up(digits)``, ``.display`` and ``.balance``
    are the customer's side of it; ``premises.gas.open_tap(litres_per_hour=400)`` makes the valve test fail.
    See :class:`rigs.running.RunningPremises` and :class:`rigs.running.RunningDevice`.

``smets1_rig``
    ``smets1_rig("rig.toml")`` runs a rig file of the test's own (a path, or a table as TOML would give it) and returns
    a :class:`rigs.running.RunningRig`; it is stopped when the test ends. The clock is stepped unless the file says how
    it runs. ``rig.start_fault("object-refuses", "home/electricity", when="read 1-0:1.8.0", answers=1)`` injects a
    fault, ``rig.faults`` tells what became of it.

Nothing of the emulator is imported unless a test that was collected asks for one of them; then it is before the first
test runs, so that no test's own time holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rigs.driver import ClockMode
    from rigs.running import RunningPremises, RunningRig

_PREMISES: Mapping[str, object] = {
    "name": "home",
    "hub": {"ports": {"wan": "pty:hub", "wan-tcp": "tcp:0"}},
    "electricity": {"ports": {"optical": "pty:electricity", "local-tcp": "tcp:0"}},
    "gas": {},
}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Import the emulator and have what all premises share made if it will be needed."""
    if any({"premises", "smets1_rig"} & set(getattr(item, "fixturenames", ())) for item in session.items):
        from rigs.building import warm_up

        import_module("rigs.running")
        warm_up()


@pytest.fixture
def smets1_rig(tmp_path: Path) -> Iterator[Callable[..., RunningRig]]:
    """Runs rig files: ``smets1_rig("rig.toml")`` or ``smets1_rig({"premises": [...]}, line={"echo": True})``."""
    running = ExitStack()

    def start(
        rig: str | Path | Mapping[str, object],
        *,
        mode: ClockMode | None = None,
        rate: float | None = None,
        line: Mapping[str, bool] | None = None,
    ) -> RunningRig:
        from rigs.config import load_rig, rig_of
        from rigs.driver import ClockMode
        from rigs.running import RunningRig

        file = rig_of(rig) if isinstance(rig, Mapping) else load_rig(Path(rig))
        clock = file.config.clock
        if mode is None and rate is None and clock.mode is None and clock.rate == 1:
            mode = ClockMode.STEPPED
        made = RunningRig(file, folder=tmp_path, mode=mode, rate=rate, line=line)
        made.start()
        running.callback(made.stop)
        return made

    with running:
        yield start


@pytest.fixture
def premises(smets1_rig: Callable[..., RunningRig]) -> RunningPremises:
    """A running dual-fuel premises with a stepped clock."""
    return smets1_rig({"premises": [_PREMISES]}).premises["home"]
