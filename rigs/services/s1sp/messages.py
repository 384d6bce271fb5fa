"""Messages between the three stores, and their text on the link.

``Ask`` and ``Told`` pass a requester's wish from a site to the leader; all others are those of the consensus (Ongaro,
"Consensus: Bridging Theory and Practice", 2014: sections 3, 6.2, 9.6 and 3.10).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import cast

from protocols.errors import ProtocolError

MAX_ENTRIES = 256
"""Entries in one message."""


class MessageError(ProtocolError):
    """Text that is no message."""


@dataclass(frozen=True, slots=True)
class PreVote:
    """Would you vote for me in ``term``? The last entry of the log stands for how far it goes."""

    term: int
    last: int
    last_term: int


@dataclass(frozen=True, slots=True)
class Vote:
    """Vote for me in ``term``. ``asked``: the leader itself has asked me to take over."""

    term: int
    last: int
    last_term: int
    asked: bool


@dataclass(frozen=True, slots=True)
class PreVoted:
    """The answer to PreVote; ``term`` is the one voted on, or the voter's own, later one where it says no."""

    term: int
    granted: bool


@dataclass(frozen=True, slots=True)
class Voted:
    """The answer to Vote, likewise."""

    term: int
    granted: bool


@dataclass(frozen=True, slots=True)
class Append:
    """The leader's entries that follow position ``previous``; ``commit`` is how far all is committed."""

    term: int
    previous: int
    previous_term: int
    terms: tuple[int, ...]
    records: tuple[str, ...]
    commit: int


@dataclass(frozen=True, slots=True)
class Appended:
    """The answer: the log is the leader's up to ``match``, or (``ok`` false) goes no further than ``match`` alike."""

    term: int
    ok: bool
    match: int


@dataclass(frozen=True, slots=True)
class TakeOver:
    """The leader of ``term`` wants you to stand for election at once."""

    term: int


Consensus = PreVote | PreVoted | Vote | Voted | Append | Appended | TakeOver


@dataclass(frozen=True, slots=True)
class Ask:
    """A wish for the leader: a record with nothing allotted yet (counter 0, time 0), or an opening, which asks how far
    the log is committed. ``number`` ties the answer to it."""

    number: int
    record: str


@dataclass(frozen=True, slots=True)
class Told:
    """The leader's answer: ``status`` 200 for a record that is in its log (or the position as ``text``), else that of
    HTTP and why not."""

    number: int
    status: int
    text: str


Message = Consensus | Ask | Told

_KINDS: dict[str, type[Message]] = {
    kind.__name__: kind for kind in (PreVote, PreVoted, Vote, Voted, Append, Appended, TakeOver, Ask, Told)
}


def encode(message: Message) -> bytes:
    """A message as JSON: its kind and its parts in order."""
    values = [getattr(message, field.name) for field in fields(message)]
    return json.dumps([type(message).__name__, *values], separators=(",", ":")).encode("ascii")


def decode(data: bytes) -> Message:
    """The message of JSON octets; raises MessageError."""
    try:
        content: object = json.loads(data)
    except (ValueError, RecursionError):
        raise MessageError("a message that is not JSON") from None
    if not isinstance(content, list) or not content:
        raise MessageError("a message that is no JSON array")
    name, *values = cast("list[object]", content)
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise MessageError("a message of no known kind", expected=", ".join(_KINDS))
    wanted = fields(kind)
    if len(values) != len(wanted):
        raise MessageError(f"{name} with {len(values)} parts", expected=str(len(wanted)))
    parts = [_part(f"{name}.{field.name}", str(field.type), value) for field, value in zip(wanted, values, strict=True)]
    message = kind(*parts)  # type: ignore[arg-type]
    if isinstance(message, Append) and not len(message.terms) == len(message.records) <= MAX_ENTRIES:
        raise MessageError(f"Append of {len(message.records)} records", expected=f"with as many terms, {MAX_ENTRIES}")
    return message


def _part(where: str, type_name: str, value: object) -> object:
    match type_name, value:
        case "bool", bool():
            return value
        case "int", int() if not isinstance(value, bool) and 0 <= value < 1 << 63:
            return value
        case "str", str():
            return value
        case "tuple[int, ...]", list():
            return tuple(cast("int", _part(where, "int", item)) for item in cast("list[object]", value))
        case "tuple[str, ...]", list():
            return tuple(cast("str", _part(where, "str", item)) for item in cast("list[object]", value))
        case _:
            raise MessageError(f"{where} of another type", expected=type_name)
