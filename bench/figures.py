"""What a row of the table is, and how it is printed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

_BUILD = Path(__file__).parent.parent / "build"
WIDTHS = (58, 24, 14, 58, 9)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. ``met`` says whether what is required holds; the aim is only shown."""

    work: str
    required: str
    aim: str
    measured: str
    met: bool


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for a rig's links: below the checkout, as a user's is, since temporary ones may be on a slow disk."""
    _BUILD.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=_BUILD) as name:
        yield Path(name)


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def spread(values: Sequence[float], scale: float = 1.0, form: str = ",.1f") -> str:
    """Median and, in brackets, least and greatest."""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle * scale:{form}} [{least * scale:{form}}..{most * scale:{form}}]"


def line(cells: Iterable[str]) -> str:
    """One line of a Markdown table, padded so that it can be read as it is."""
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)) + " |"


def heading() -> str:
    """The first two lines of the table."""
    return f"{line(('work', 'required', 'aim', 'measured', ''))}\n{line('-' * width for width in WIDTHS)}"


def row(figure: Figure) -> str:
    """A figure as a line of the table."""
    verdict = ("met" if figure.met else "MISSED") if figure.required else ""
    return line((figure.work, figure.required, figure.aim, figure.measured, verdict))


def rounds(count: int, *measures: Callable[[], float]) -> list[list[float]]:
    """Each measure once a round, in turn, so that what disturbs the machine disturbs them alike; results by measure.

    One round goes before, uncounted.
    """
    for measure in measures:
        measure()
    results: list[list[float]] = [[] for _ in measures]
    for _ in range(count):
        for measure, result in zip(measures, results, strict=True):
            result.append(measure())
    return results


def ratios(of: Sequence[float], to: Sequence[float]) -> list[float]:
    """Ratios of figures measured in the same rounds."""
    return [one / other for one, other in zip(of, to, strict=True)]
