"""The catalogue of faults as a page of Markdown: what `smets1 fault list --markdown` writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from emulator.faults.fault import Layer
from rigs.control.faults import FaultState, ParameterState

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD = """# Faults

What can be wrong on purpose, by layer: `smets1 fault start NAME PREMISES/KIND [PARAMETER=VALUE ...]`. This page is made
by `smets1 fault list --markdown`.
"""


def reference(faults: Sequence[FaultState]) -> str:
    """The page, a line break at its end: for each layer a table of its faults, and what there is to know of each."""
    return "\n".join(_lines(faults)) + "\n"


def _lines(faults: Sequence[FaultState]) -> Iterator[str]:
    yield _HEAD
    yield f"There are {len(faults)} of them."
    for layer in Layer:
        found = [fault for fault in faults if fault.layer == layer.name.lower()]
        if found:
            yield from _section(layer, found)


def _section(layer: Layer, faults: Iterable[FaultState]) -> Iterator[str]:
    yield f"\n## {layer.name.lower()}: {layer.value}\n"
    yield "| fault | of | what is wrong |"
    yield "|---|---|---|"
    faults = list(faults)
    for fault in faults:
        yield f"| [`{fault.name}`](#{fault.name}) | {', '.join(fault.kinds)} | {_cell(fault.text)} |"
    for fault in faults:
        yield from _entry(fault)


def _entry(fault: FaultState) -> Iterator[str]:
    yield f"\n### {fault.name}\n"
    yield f"{fault.text}{'; over as soon as it has begun' if fault.momentary else ''}.\n"
    if fault.parameters:
        yield "| parameter | meaning | allowed | default |"
        yield "|---|---|---|---|"
        yield from map(_parameter, fault.parameters)
        yield ""
    yield from (f"- seen: {symptom}" for symptom in fault.symptoms)
    yield f"- to blame: {fault.culprit}: {fault.truth}"
    yield f"- after it: {fault.ends}"


def _parameter(parameter: ParameterState) -> str:
    default = "of chance" if parameter.default is None else str(parameter.default)
    return f"| `{parameter.name}` | {_cell(parameter.text)} | {_cell(parameter.range)} | {_cell(default)} |"


def _cell(text: str) -> str:
    """Text that stays in its cell."""
    return text.replace("|", "\\|")
