"""``smets1 panel``: the register map of a rig's bench panel, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.table import Table

from rigs.commands.output import console
from rigs.config import ConfigError
from rigs.panel.layout import MOST_PREMISES, entries

if TYPE_CHECKING:
    from rigs.config import RigFile
    from rigs.panel.layout import Entry


def show_panel(file: RigFile, premises: str, *, as_json: bool) -> None:
    """Print the register map of a premises, of the first one where ``premises`` is empty; raises ConfigError.

    In JSON without ``premises`` that of all of them.
    """
    specs = file.specs[:MOST_PREMISES]
    names = [spec.name for spec in specs]
    if premises and premises not in names:
        raise ConfigError(f"{file.name}: {premises}: no such premises on the panel")
    if as_json:
        chosen = [names.index(premises)] if premises else range(len(specs))
        print(json.dumps([entry.json() for number in chosen for entry in entries(number, specs[number])], indent=2))
        return
    number = names.index(premises) if premises else 0
    table = Table("Unit", "Address", "Registers", "Table", "Device", "Name", "Type", "Writable", "What it is")
    for entry in entries(number, specs[number]):
        table.add_row(
            str(entry.unit),
            str(entry.address),
            str(entry.registers),
            entry.table,
            entry.device,
            entry.name,
            f"{entry.type} {entry.measure}".rstrip(),
            _writable(entry),
            entry.text,
        )
    console().print(table)
    if len(specs) > 1 and not premises:
        console().print(f"{len(specs) - 1} more premises: name one, such as {names[1]}, or take --json.")
    if len(file.specs) > len(specs):
        console().print(f"The {len(file.specs) - len(specs)} premises after {names[-1]} have no room on the panel.")


def _writable(entry: Entry) -> str:
    if entry.least is None:
        return ""
    free = "" if entry.free is None else f"; {entry.free}: let go"
    return f"{entry.least} to {entry.most}{free}"
