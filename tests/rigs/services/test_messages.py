"""Records and messages as text: they come back as they were, and nothing else is taken for one."""

from __future__ import annotations

import json
import string
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigs.services.s1sp import messages, records
from rigs.services.s1sp.messages import MessageError
from rigs.services.s1sp.records import Enrolment, Opening, RecordError, Reservation

NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:-]{0,63}\Z")
METERS = st.text("0123456789ABCDEF", min_size=16, max_size=16)
NUMBERS = st.integers(0, (1 << 63) - 1)
COUNTERS = st.integers(0, records.MAX_COUNTER)
RECORDS = st.one_of(
    st.builds(Reservation, NAMES, NAMES, METERS, COUNTERS, st.integers(1, records.MAX_PENCE), NUMBERS),
    st.builds(Enrolment, METERS, NAMES, st.text("0123456789abcdef", min_size=6, max_size=6), COUNTERS, NUMBERS),
    st.builds(Opening, NAMES),
)
BOOLEANS = st.booleans()
TEXTS = st.text(max_size=50)


def appends(entries: list[tuple[int, str]]) -> messages.Append:
    return messages.Append(3, 2, 1, tuple(term for term, _ in entries), tuple(text for _, text in entries), 9)


MESSAGES = st.one_of(
    st.builds(messages.PreVote, NUMBERS, NUMBERS, NUMBERS),
    st.builds(messages.PreVoted, NUMBERS, BOOLEANS),
    st.builds(messages.Vote, NUMBERS, NUMBERS, NUMBERS, BOOLEANS),
    st.builds(messages.Voted, NUMBERS, BOOLEANS),
    st.lists(st.tuples(NUMBERS, TEXTS), max_size=4).map(appends),
    st.builds(messages.Appended, NUMBERS, BOOLEANS, NUMBERS),
    st.builds(messages.TakeOver, NUMBERS),
    st.builds(messages.Ask, NUMBERS, TEXTS),
    st.builds(messages.Told, NUMBERS, NUMBERS, TEXTS),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(string.ascii_letters, max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
)
KINDS = ("PreVote", "PreVoted", "Vote", "Voted", "Append", "Appended", "TakeOver", "Ask", "Told")


@given(RECORDS)
def test_a_record_comes_back(record: records.Record) -> None:
    text = records.encode(record)
    assert records.decode(text) == record
    assert len(text) <= records.MAX_RECORD
    assert "\n" not in text


@given(MESSAGES)
def test_a_message_comes_back(message: messages.Message) -> None:
    assert messages.decode(messages.encode(message)) == message


@given(st.one_of(st.binary(max_size=60), JSON.map(lambda value: json.dumps(value).encode())))
def test_other_octets_are_no_message(octets: bytes) -> None:
    with pytest.raises(MessageError):
        messages.decode(octets)


@given(st.sampled_from(KINDS), st.lists(JSON, max_size=6))
def test_a_message_with_other_parts_is_refused_or_of_its_types(kind: str, parts: list[object]) -> None:
    try:
        message = messages.decode(json.dumps([kind, *parts]).encode())
    except MessageError:
        return
    for part in fields(message):
        value = getattr(message, part.name)
        assert type(value).__name__ == str(part.type).partition("[")[0]


@given(RECORDS, st.data())
def test_a_record_with_another_part_is_refused(record: records.Record, data: st.DataObject) -> None:
    content = json.loads(records.encode(record))
    name = data.draw(st.sampled_from(sorted(content)))
    content[name] = data.draw(
        st.sampled_from((None, True, [], {}, 1.5, "", "x y", -1, 1 << 40 if name != "time" else -1))
    )
    if name == "time" and isinstance(content[name], int) and not isinstance(content[name], bool):
        return
    with pytest.raises(RecordError):
        records.decode(json.dumps(content))


def test_what_is_too_long_is_refused() -> None:
    many = appends([(1, "x")] * (messages.MAX_ENTRIES + 1))
    with pytest.raises(MessageError, match="257"):
        messages.decode(messages.encode(many))
    with pytest.raises(RecordError, match="1025 characters"):
        records.decode(" " * 1025)
    with pytest.raises(MessageError):
        messages.decode(b"[" * 100_000)
