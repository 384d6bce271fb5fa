"""``smets1 ports``: the serial adaptors here, who uses them, and what rig files ask for."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from rigs.adaptors import Adaptor, adaptors, users
from rigs.commands.output import console
from rigs.config import RigFile
from rigs.ports.serial_adaptor import find_adaptor
from rigs.ports.spec import PortError, PortKind, PortSpec


def run(files: list[RigFile]) -> None:
    """Print the table of adaptors, and one for each rig file."""
    out = console()
    here = adaptors()
    if here:
        table = Table("Device", "In a rig file", "What it is", "Now", title="Serial adaptors", title_justify="left")
        for adaptor in here:
            table.add_row(adaptor.device, adaptor.spec, adaptor.description, _state(adaptor))
        out.print(table)
    else:
        out.print("No serial adaptor is plugged in.")
    for file in files:
        table = Table("Port", "Where", "Now", title=f"Ports of {file.name}", title_justify="left")
        for name, spec in _ports(file):
            table.add_row(name, str(spec), _now(spec))
        out.print(table)


def _ports(file: RigFile) -> Iterator[tuple[str, PortSpec]]:
    for premises in file.specs:
        for device in premises.devices():
            for name, spec in device.ports.items():
                yield f"{premises.name}/{device.kind}/{name}", spec


def _state(adaptor: Adaptor) -> str:
    busy = users(adaptor.device)
    if busy:
        return f"used by {', '.join(busy)}"
    return "free" if adaptor.permitted else "no permission; join the group that owns it (often dialout)"


def _now(spec: PortSpec) -> str:
    if spec.kind is not PortKind.SERIAL:
        return ""
    try:
        device = find_adaptor(spec)
    except PortError as error:
        return error.problem
    known = next((adaptor for adaptor in adaptors() if adaptor.device == device), Adaptor(device, "", ""))
    return f"{device}: {_state(known)}"
