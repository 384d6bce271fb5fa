"""Tables as the TOML text of a profile file; what :mod:`tomllib` reads of it are the same tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(tables: Mapping[str, Any]) -> str:
    """TOML of tables that hold text, numbers, bool, lists and tables.

    Tables up to two deep have headings, deeper ones and those in lists stand in braces. ValueError for anything else,
    None included.
    """
    return "\n".join(_lines(tables)) + "\n"


def _lines(tables: Mapping[str, Any]) -> Iterator[str]:
    values, sections = _parted(tables)
    yield from _pairs(values)
    for name, section in sections.items():
        own, inner = _parted(section)
        if own or not inner:
            yield from ("", f"[{_key(name)}]", *_pairs(own))
        for key, table in inner.items():
            yield from ("", f"[{_key(name)}.{_key(key)}]", *_pairs(table))


def _parted(table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    sections = {key: cast("dict[str, Any]", value) for key, value in table.items() if isinstance(value, dict)}
    return {key: value for key, value in table.items() if key not in sections}, sections


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{_key(key)} = {_value(value)}"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _text(value)
        case list() | tuple():
            return f"[{', '.join(_value(item) for item in cast('list[Any]', value))}]"
        case dict():
            pairs = [f"{_key(key)} = {_value(item)}" for key, item in cast("dict[str, Any]", value).items()]
            return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
        case _:
            raise ValueError(f"{value!r}: no value of a TOML file")


def _text(text: str) -> str:
    """A basic string; JSON writes all of it as TOML does but DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
