"""What is wrong with a file, in one line: file, key path, value, what is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from pydantic import BaseModel, ValidationError


class ConfigError(Exception):
    """A rig file that cannot be used. The text is one line: file, key path, value, what is allowed."""


_SECRETS = "keys"
"""The table whose values no message shows."""


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """The first thing wrong as ``key.path: value: what is allowed``; without the value where it may be a key."""
    errors = error.errors()
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"]) or "(file)"
    message = first["msg"].removeprefix("Value error, ").replace("Input should be ", "must be ")
    match first["type"]:
        case "extra_forbidden":
            parent = _model_at(model, first["loc"][:-1])
            allowed = ", ".join(sorted(parent.model_fields)) if parent else "none"
            text = f"{where}: unknown key; allowed are {allowed}"
        case "missing":
            text = f"{where}: missing"
        case _:
            value = first["input"]
            secret = _SECRETS in first["loc"]
            shown = f"{_line(value)}: " if isinstance(value, str | int | float) and not secret else ""
            text = f"{where}: {shown if len(shown) < 60 else shown[:57] + '...: '}{message}"
    # A list is called too short when the entry in it is wrong: that is no fault of its own.
    more = sum(error["loc"] != first["loc"][: len(error["loc"])] for error in errors)
    return text + (f" (and {more} more)" if more else "")


def _line(value: str | float) -> str:
    """A value on one line, quoted where it would break it."""
    text = str(value)
    return text if text.isprintable() else repr(text)


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model whose table is at ``location``."""
    for part in location:
        if isinstance(part, int):
            continue
        info = model.model_fields.get(part)
        found = next(_models_in(info.annotation), None) if info is not None else None
        if found is None:
            return None
        model = found
    return model


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in cast("tuple[object, ...]", getattr(annotation, "__args__", ())):
        yield from _models_in(argument)
