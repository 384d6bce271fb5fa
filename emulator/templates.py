"""Templates of displays: text of a firmware profile with fields in braces, such as ``Balance {balance} GBP``.

``{{`` and ``}}`` are braces themselves. What a field shows is worked out when somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from string import Formatter
from typing import TypeVar

Subject = TypeVar("Subject")

LONGEST = 80
"""Characters that a template may have."""


def check(template: str, fields: Mapping[str, object]) -> str:
    """The same; ValueError, saying what is wrong and what is allowed, for a template that cannot be shown.

    ``fields`` has the names that a template may use.
    """
    if not template.strip() or len(template) > LONGEST or not template.isprintable():
        raise ValueError(f"{template!r}: a display text has 1 to {LONGEST} printable characters")
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{template!r}: {error}; braces come in pairs, {{{{ and }}}} are braces themselves") from None
    for _, field, form, conversion in parts:
        if field is None:
            continue
        if form or conversion:
            raise ValueError(f"{template!r}: {{{field}}} takes neither a format nor a conversion")
        if field not in fields:
            raise ValueError(f"{template!r}: no field {field!r}; allowed are {', '.join(fields)}")
    return template


def show(template: str, fields: Mapping[str, Callable[[Subject], str]], subject: Subject) -> str:
    """What a template that was checked shows of ``subject`` now."""
    return "".join(
        literal if field is None else literal + fields[field](subject) for literal, field in _parts(template)
    )


@lru_cache(maxsize=512)
def _parts(template: str) -> tuple[tuple[str, str | None], ...]:
    return tuple((literal, field) for literal, field, _, _ in Formatter().parse(template))
