"""What the log of the service holds: enrolments of meters and reservations of counters. Never a key, never a UTRN.

A record travels and is stored as one line of JSON with its names in order, so that equal records are equal text.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import cast

from protocols.errors import ProtocolError

MAX_PENCE = 819_100
"""The most that 13 bits of whole pounds hold."""
MAX_COUNTER = (1 << 32) - 1
MAX_RECORD = 1024
"""Octets of the longest record."""

_METER = re.compile(r"[0-9A-F]{16}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_SCHEME = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_CHECK = re.compile(r"[0-9a-f]{6}")


class RecordError(ProtocolError):
    """A record, or a part of one, that is none."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A counter of a meter, given to one transaction of one requester for ``pence``; ``time`` is ns of UTC.

    The token of a committed reservation follows from it and the meter's key, at any site, for ever.
    """

    requester: str
    transaction: str
    meter: str
    counter: int
    pence: int
    time: int

    @property
    def key(self) -> tuple[str, str]:
        """What makes it unique: each requester has transaction ids of its own."""
        return self.requester, self.transaction


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A meter that tokens may be issued for, and its first counter. ``check`` tells keys apart without showing them."""

    meter: str
    scheme: str
    check: str
    first_counter: int
    time: int


@dataclass(frozen=True, slots=True)
class Opening:
    """The first record of a leader's term, which commits what came before it."""

    site: str


Record = Reservation | Enrolment | Opening

_KINDS: dict[str, type[Record]] = {"reservation": Reservation, "enrolment": Enrolment, "opening": Opening}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def encode(record: Record) -> str:
    """A record as a line of JSON."""
    return json.dumps({"kind": _NAMES[type(record)], **asdict(record)}, separators=(",", ":"))


def decode(text: str) -> Record:
    """The record of a line; raises RecordError."""
    if len(text) > MAX_RECORD:
        raise RecordError(f"a record of {len(text)} characters", expected=f"at most {MAX_RECORD}")
    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError):
        raise RecordError("a record that is not JSON") from None
    if not isinstance(content, dict):
        raise RecordError("a record that is no JSON object")
    values = cast("dict[str, object]", content)
    kind = _KINDS.get(str(values.pop("kind", None)))
    if kind is None:
        raise RecordError("a record of no known kind", expected=" or ".join(_KINDS))
    wanted = {field.name: field.type for field in fields(kind)}
    if values.keys() != wanted.keys():
        raise RecordError(f"{_NAMES[kind]} with other parts", expected=", ".join(wanted))
    for name, type_name in wanted.items():
        value = values[name]
        if type(value) is not (int if type_name == "int" else str):
            raise RecordError(f"{_NAMES[kind]}: {name} of another type", expected=str(type_name))
    match kind(**values):  # type: ignore[arg-type]
        case Reservation() as record:
            name_of("requester", record.requester)
            name_of("transaction", record.transaction)
            meter_of(record.meter)
            pence_of(record.pence)
            counter_of(record.counter)
            return record
        case Enrolment() as record:
            meter_of(record.meter)
            counter_of(record.first_counter)
            if _SCHEME.fullmatch(record.scheme) is None or _CHECK.fullmatch(record.check) is None:
                raise RecordError("enrolment with a scheme or check value that is none")
            return record
        case Opening() as record:
            name_of("site", record.site)
            return record


def meter_of(text: str) -> str:
    """A meter's EUI-64 in upper case; separators ``:`` and ``-`` may stand in it. Raises RecordError."""
    plain = text.replace(":", "").replace("-", "").upper()
    if _METER.fullmatch(plain) is None:
        raise RecordError(f"meter {text[:40]}", expected="an EUI-64, 16 hexadecimal digits")
    return plain


def name_of(what: str, text: str) -> str:
    """A name or transaction id as it is; raises RecordError."""
    if _NAME.fullmatch(text) is None:
        raise RecordError(f"{what} {text[:40]!r}", expected="1 to 64 letters, digits, . _ : -, a letter or digit first")
    return text


def pence_of(pence: int) -> int:
    """A value as it is; raises RecordError."""
    if not 1 <= pence <= MAX_PENCE:
        raise RecordError(f"value {pence}", expected=f"pence, 1 to {MAX_PENCE}")
    return pence


def counter_of(counter: int) -> int:
    """A counter as it is; raises RecordError."""
    if not 0 <= counter <= MAX_COUNTER:
        raise RecordError(f"counter {counter}", expected=f"0 to {MAX_COUNTER}")
    return counter
