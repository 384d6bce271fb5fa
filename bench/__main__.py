"""``python -m bench``: the table of figures. ``--rounds N`` (default 9); words choose parts."""

from __future__ import annotations

import argparse
import platform
import sys
from importlib import import_module

from bench.figures import heading, row

PARTS = {
    "sansio": "bench.against",
    "lines": "bench.lines",
    "busy": "bench.busy",
    "scale": "bench.scale",
    "tokens": "bench.tokens",
    "zigbee": "bench.zigbee",
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Figures of the emulator, required and measured."
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which parts: {', '.join(PARTS)}; all without")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each measure; medians are shown")
    given = parser.parse_args()
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"no part {unknown[0]}; there are {', '.join(PARTS)}")
    print(
        f"Python {platform.python_version()}, {platform.machine()}; median [least..greatest] of {given.rounds} rounds\n"
    )
    print(heading(), flush=True)
    missed = 0
    for part in given.parts or PARTS:
        for figure in import_module(PARTS[part]).figures(given.rounds):
            missed += not figure.met
            print(row(figure), flush=True)
    if missed:
        print(f"\n{missed} missed what is required", file=sys.stderr)
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
