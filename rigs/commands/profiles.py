"""``smets1 profiles``: list, show and check firmware profiles."""

from __future__ import annotations

import sys
from typing import Any

from rich.table import Table

from firmware_profiles import files, loader
from rigs.commands.output import console


def list_profiles() -> None:
    """Print every profile that comes with the package, with who made what it stands for."""
    table = Table("Profile", "Kind", "Make and model", "Firmware")
    for name in files.names():
        identity = files.read(name).identity
        table.add_row(name, identity.kind, f"{identity.make} {identity.model}", identity.version)
    console().print(table)


def show_profile(name: str, origin: bool) -> None:
    """Print a profile as ``key.path = value``, one a line; with ``origin`` each with its provenance.

    Raises ProfileError.
    """
    profile = files.read(name)
    tables = files.merged(name)
    for path in files.leaves(tables):
        line = f"{path} = {_text(_at(tables, path))}"
        print(f"{line}  # {files.provenance_of(profile.provenance, path)}" if origin else line)


def check_profiles(names: list[str]) -> int:
    """Check profiles by name or file, all of the package without one; 1 when one has a fault, else 0."""
    code = 0
    for name in names or files.names():
        try:
            loader.check(name)
        except files.ProfileError as error:
            code = 1
            print(f"smets1: {' '.join(str(error).split())}", file=sys.stderr)
        else:
            print(f"{name}: good")
    return code


def _at(tables: dict[str, Any], path: str) -> Any:
    """The value at a key path; keys may hold dots themselves, as logical names do."""
    found: Any = tables
    rest = path
    while rest:
        key = max((key for key in found if rest == key or rest.startswith(f"{key}.")), key=len)
        found = found[key]
        rest = rest[len(key) + 1 :]
    return found


def _text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case list():
            return f"[{', '.join(_text(item) for item in value)}]"
        case dict():
            return f"{{ {', '.join(f'{key} = {_text(item)}' for key, item in value.items())} }}"
        case _:
            return str(value)
