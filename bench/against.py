"""Sans-I/O work of the emulated meter beside the same work of gurux-dlms, in turn in one run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.figures import Figure, middle, ratios, rounds, spread
from bench.meter import CASES

HERE = Path(__file__).parent
TURNS = {"get-wrapper": 1000, "get-hdlc": 800, "get-ciphered": 40, "association": 20, "profile-row": 2}
"""Operations of the peer in one round; ours makes as many as take about as long."""
QUICKER = {"get-wrapper": 25, "get-hdlc": 25, "get-ciphered": 200, "association": 20, "profile-row": 10}
ROWS = (
    ("get-wrapper", "GET of a register handled sans-I/O, wrapper, full checks", 10, 25),
    ("get-hdlc", "the same over HDLC", 10, 25),
    ("get-ciphered", "ciphered GET, suite 0, auth+enc", 120, 250),
    ("association", "HLS-GMAC association", 50, 80),
)


class Peer:
    """The peer's process, which is asked for one case after the other."""

    def __init__(self) -> None:
        folder = Path(os.environ.get("SMETS1_PEERS", HERE.parent / ".peers"))
        python = folder / "gurux" / "bin" / "python"
        if not python.exists():
            sys.exit(f"{python} is missing: make the peers with .ci/peers, or name their folder in SMETS1_PEERS")
        self._process = subprocess.Popen(
            [python, HERE / "gurux_server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def case(self, name: str, count: int) -> Callable[[], float]:
        """Measures the peer's nanoseconds of one operation."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        write, read = process.stdin, process.stdout

        def run() -> float:
            write.write(f"{name} {count}\n")
            write.flush()
            answer = read.readline()
            if not answer:
                sys.exit("the peer's process has ended; its message is above")
            return float(answer)

        return run

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def figures(count: int) -> Iterator[Figure]:
    """Rows of the table, ``count`` rounds each."""
    peer = Peer()

    def measured(name: str) -> tuple[list[float], list[float]]:
        ours = CASES[name]()
        turns = TURNS[name] * QUICKER[name]
        one, other = rounds(count, lambda: ours(turns), peer.case(name, TURNS[name]))
        return one, other

    for name, work, required, aim in ROWS:
        ours, theirs = measured(name)
        ratio = ratios(theirs, ours)
        text = f"{spread(ratio)}x; {spread(ours, 1e-3, ',.2f')} us against {spread(theirs, 1e-3, ',.0f')} us"
        yield Figure(work, f">= {required}x gurux-py", f"{aim}x", text, middle(ratio) >= required)
    ours, theirs = measured("profile-row")
    ratio = ratios(theirs, ours)
    rate = [1e9 / row for row in ours]
    met = middle(rate) >= 1e6 or middle(ratio) >= 30
    text = f"{spread(rate, 1e-6, ',.2f')} M rows/s; {spread(ratio)}x gurux-py"
    yield Figure("load profile, 1,000 rows x 3, sans-I/O", ">= 1 M rows/s or 30x", "10 M rows/s", text, met)
    peer.close()
