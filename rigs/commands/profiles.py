"""``smets1 profiles``: list, show and check firmware profiles."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from firmware_profiles import files, loader
from rigs.client import ClientError
from rigs.commands.output import console
from rigs.system_errors import reason

if TYPE_CHECKING:
    from rigs.read_options import ReadOptions


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


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """What ``smets1 profiles learn`` is told: ``keys`` None for the public client alone; empty texts: to be found."""

    keys: Path | None
    kind: str
    base: str
    common: ReadOptions


def learn_profile(port: str, file: Path, options: LearnOptions) -> None:
    """Read the device at ``port`` and write its profile; raises ClientError, PortError and ProfileError."""
    from rigs.learning import clients, learn, survey

    if options.kind and options.kind not in loader.KINDS:
        raise ClientError(f"--kind {options.kind}: one of {', '.join(loader.KINDS)}")
    if file.suffix != ".toml":
        raise ClientError(f"{file}: name a file that ends in .toml, as a profile's must")
    if file.exists():
        raise ClientError(f"{file}: is there already; name another file")
    if options.base:
        files.read(options.base)
    screen = Console(stderr=True)
    found = asyncio.run(
        survey(port, clients(options.keys, options.common), lambda what: screen.print(f"reading as {what}"))
    )
    learnt = learn(str(file), found, options.kind, options.base)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(learnt.text)
    except OSError as error:
        raise ClientError(f"{file}: {reason(error)}") from None
    counts = ", ".join(f"{count} {form.value}" for form, count in learnt.forms.items())
    console().print(f"{file}: {learnt.kind}, {sum(learnt.forms.values())} objects ({counts}), good", soft_wrap=True)
    for note in learnt.notes:
        console().print(f"  {note}", soft_wrap=True, markup=False)


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
