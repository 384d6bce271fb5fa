"""Profile files: finding them by name, laying them over what they extend, checking them against the schema.

A profile is named by its file's stem: ``electricity-base`` is found beside this module, ``./my.toml`` anywhere. What a
file ``extends`` (one name or several, later over earlier) is laid under it table by table, so a make states only what
it does differently; an object, association, log, error or alarm given as ``{ remove = true }`` is taken away. Files
whose names begin with an underscore hold what profiles share and are none themselves.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from firmware_profiles.schema import Profile

FOLDER = Path(__file__).parent


class ProfileError(Exception):
    """A profile that cannot be used: one line that says in which file, where, what and what is allowed."""


def names() -> list[str]:
    """Every profile that comes with the package."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.toml"))


def find(name: str) -> Path:
    """The file of a profile name; raises ProfileError."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(names())
        raise ProfileError(f"profile {name!r}: no such profile; known: {known}, or the path of a .toml file")
    return path


def read(name: str) -> Profile:
    """A profile's tables, checked but not compiled. Raises ProfileError."""
    return validated(str(find(name)), merged(name))


def validated(path: str, tables: Mapping[str, Any]) -> Profile:
    """Tables that stand, or will, in the file ``path``, checked but not compiled. Raises ProfileError."""
    try:
        profile = Profile.model_validate(tables)
    except ValidationError as error:
        raise ProfileError(f"{path}: {_described(error)}") from None
    for key in leaves(tables):
        if provenance_of(profile.provenance, key) is None:
            raise ProfileError(f"{path}: {key}: no provenance; give one for it or a table above it in [provenance]")
    return profile


def _described(error: ValidationError) -> str:
    """The first thing wrong as ``key.path: value: what is allowed``."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in _PATH_NOISE)
    match first["type"]:
        case "missing":
            return f"{where}: missing"
        case "extra_forbidden":
            return f"{where}: unknown key; allowed are {', '.join(sorted(_allowed(first['loc'][:-1])))}"
        case _:
            shown = repr(first["input"])
            message = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
            return f"{where}: {shown if len(shown) < 60 else shown[:57] + '...'}: {message}"


_PATH_NOISE = frozenset(("list[str]", "literal['*']"))
"""What pydantic puts in a path for the branches of a union; no key of a file."""


def _allowed(location: tuple[int | str, ...]) -> Iterable[str]:
    """Keys that the table at ``location`` may have."""
    model: type[BaseModel] = Profile
    for part in location:
        info = model.model_fields.get(str(part))
        if info is not None:
            model = next(_models(info.annotation), model)
    return model.model_fields


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in cast("tuple[object, ...]", getattr(annotation, "__args__", ())):
        yield from _models(argument)


def merged(name: str, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """The tables of a profile with what it extends laid under it; raises ProfileError."""
    path = find(name)
    if name in seen:
        raise ProfileError(f"{path}: extends: {name!r} extends itself through {' -> '.join(seen)}")
    try:
        state = path.stat()
        tables = dict(_parsed(path, state.st_mtime_ns, state.st_size))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: not a TOML file: {error}") from None
    except OSError as error:
        raise ProfileError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    base = tables.pop("extends", [])
    bases = [base] if isinstance(base, str) else base
    if not isinstance(bases, list) or not all(isinstance(item, str) for item in bases):
        raise ProfileError(f"{path}: extends: {base!r}: the name of one profile, or a list of names")
    under: dict[str, Any] = {}
    for item in cast("list[str]", bases):
        under = _lay_over(under, merged(item, (*seen, name)))
    return _without_removed(_lay_over(under, tables))


@lru_cache(maxsize=32)
def _parsed(path: Path, modified: int, size: int) -> Mapping[str, Any]:
    """The tables of a file as it is; profiles share much of what they extend."""
    del modified, size
    return tomllib.loads(path.read_text(encoding="utf-8"))


def leaves(tables: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Key paths of every value; an object's or a table's own values come one by one, arrays whole."""
    for key, value in tables.items():
        if not prefix and key == "provenance":
            continue
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict):
            yield from leaves(cast(dict[str, Any], value), path)
        else:
            yield path


def provenance_of(provenance: Mapping[str, str], key: str) -> str | None:
    """The provenance of a key path: that of the longest path in the table that covers it."""
    path = key
    while path:
        found = provenance.get(path)
        if found is not None:
            return found
        path = path.rpartition(".")[0]
    return None


def _lay_over(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            result[key] = _lay_over(cast(dict[str, Any], below), cast(dict[str, Any], value))
        else:
            result[key] = value
    return result


def _without_removed(tables: dict[str, Any]) -> dict[str, Any]:
    for section in ("object", "association", "log", "error", "alarm"):
        entries = tables.get(section)
        if isinstance(entries, dict):
            tables[section] = {key: value for key, value in entries.items() if not _removed(value)}
    return tables


def _removed(value: object) -> bool:
    return isinstance(value, dict) and cast("dict[str, Any]", value).get("remove") is True
