"""Logical names, octets and templates of displays in the text of a profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from protocols import obis


def logical_name(where: str, text: str) -> bytes:
    """The six octets of an OBIS code; ValueError that begins with ``where``."""
    try:
        return obis.parse(text)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def octets(where: str, text: str, count: int) -> bytes:
    """So many octets in hexadecimal; ValueError that begins with ``where``."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != count:
        raise ValueError(f"{where}: {text!r}: {count} octets in hexadecimal")
    return found


def checked(where: str, check: Callable[[str], str], template: str) -> str:
    """A template that ``check`` takes; ValueError that begins with ``where``."""
    try:
        return check(template)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def screens(
    where: str, templates: Mapping[str, str | Sequence[str]], check: Callable[[str], str]
) -> tuple[tuple[str, str], ...]:
    """Names and templates of screens, those of several lines with line ends; ValueError where none is left."""
    found = tuple(
        (name, "\n".join(checked(f"{where}.{name}", check, line) for line in _lines(template)))
        for name, template in templates.items()
        if template
    )
    if templates and not found:
        raise ValueError(f"{where}: all screens are empty; the display needs one at rest")
    return found


def _lines(template: str | Sequence[str]) -> Sequence[str]:
    return (template,) if isinstance(template, str) else template
