"""How people write spans of time in files: ``90s``, ``1h 30m``, ``2d``; and how instants are shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from emulator.time import DAY, HOUR, MINUTE, SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}
_SPAN = re.compile(r"(?:[0-9]{1,6} ?[dhms] ?)+", re.ASCII)
_PART = re.compile(r"([0-9]+) ?([dhms])", re.ASCII)
LONGEST = 400 * DAY
"""The longest span that a file may name, ns."""


def nanoseconds(text: str) -> int:
    """The span that a text means, ns; ValueError for a text that means none, or one of more than 400 days."""
    parts = [(int(number), unit) for number, unit in _PART.findall(text)] if _SPAN.fullmatch(text) else []
    units = [unit for _, unit in parts]
    if not parts or units != sorted(set(units), key="dhms".index):
        raise ValueError("a span of time such as 90s, 1h 30m or 2d")
    span = sum(number * _UNITS[unit] for number, unit in parts)
    if span > LONGEST:
        raise ValueError(f"at most {LONGEST // DAY}d")
    return span


def _checked(text: str) -> str:
    nanoseconds(text)
    return text


Span = Annotated[str, AfterValidator(_checked)]
"""A span of time as text."""


def zoned(instant: datetime) -> datetime:
    """The same instant; ValueError for one without a zone."""
    if instant.tzinfo is None:
        raise ValueError("a date and time with its zone, such as 2026-01-01T00:00:00Z")
    return instant


def _moment(value: object) -> str | datetime:
    match value:
        case str():
            return _checked(value)
        case datetime():
            return zoned(value)
        case _:
            raise ValueError("a span of time such as 1h 30m, or a date and time")


Moment = Annotated[
    str | datetime,
    PlainValidator(_moment),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "string", "format": "date-time"}]}),
]
"""A span of time since the beginning, or a date and time with its zone."""


def utc_of(instant: datetime) -> int:
    """UTC of an instant, ns since the Unix epoch."""
    since = instant - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def shown(utc: int) -> str:
    """``2026-01-12 15:45:00``, UTC; whole seconds."""
    return f"{_EPOCH + timedelta(seconds=utc // SECOND):%Y-%m-%d %H:%M:%S}"
