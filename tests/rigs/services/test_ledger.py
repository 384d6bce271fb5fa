"""What the log means, against a simple model; and the store that keeps it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigs.config import ConfigError
from rigs.services.s1sp.ledger import Ledger, Refusal
from rigs.services.s1sp.records import Enrolment, Opening, Record, Reservation
from rigs.services.s1sp.state import Batch, Entry, Stored
from rigs.services.s1sp.store import AuditRow, Store

METERS = ("00DB123456789001", "00DB123456789002")


def wish(transaction: str, meter: str = METERS[0], pence: int = 100) -> Reservation:
    return Reservation("supplier", transaction, meter, 0, pence, 0)


def enrolment(meter: str, first: int = 1) -> Enrolment:
    return Enrolment(meter, "s1sp-symmetric", "abcdef", first, 0)


# Steps of a leader's life: a wish, some commits, or a new leader that has lost some of the uncommitted tail.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wish"), st.integers(0, 12), st.integers(0, 1)),
        st.tuples(st.just("commit"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("lose"), st.integers(0, 3), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(0, 5))
def test_counters_are_dense_and_each_transaction_has_one(steps: list[tuple[str, int, int]], first: int) -> None:
    ledger = Ledger()
    log: list[Record] = [Opening("primary"), *(enrolment(meter, first) for meter in METERS)]
    ledger.lead(iter(log))
    for kind, number, which in steps:
        if kind == "wish":
            wanted = wish(f"t{number}", METERS[which])
            known = next((one for one in log if isinstance(one, Reservation) and one.key == wanted.key), None)
            if known is not None and known.meter != wanted.meter:
                with pytest.raises(Refusal, match="is there already, with meter") as refused:
                    ledger.wish(wanted, 5)
                assert refused.value.status == 409
                continue
            record = ledger.wish(wanted, 5)
            assert (record is None) == (known is not None)
            if record is not None:
                log.append(record)
                ledger.proposed(record)
        elif kind == "commit":
            for record in log[ledger.position : ledger.position + number]:
                ledger.commit(ledger.position + 1, record)
                ledger.settle(record)
        else:
            del log[max(ledger.position, len(log) - number) :]
            ledger.lead(iter(log[ledger.position :]))
            log.append(Opening("secondary"))
            if not all(any(isinstance(one, Enrolment) and one.meter == meter for one in log) for meter in METERS):
                return
        for meter in METERS:
            used = [one.counter for one in log if isinstance(one, Reservation) and one.meter == meter]
            assert used == list(range(first, first + len(used)))


def test_a_meter_that_is_not_enrolled_has_no_token() -> None:
    with pytest.raises(Refusal, match="not enrolled") as refused:
        Ledger().wish(wish("a"), 0)
    assert refused.value.status == 404


def test_an_enrolment_is_not_changed_by_another() -> None:
    ledger = Ledger()
    ledger.lead(iter([enrolment(METERS[0])]))
    assert ledger.wish(enrolment(METERS[0]), 9) is None
    for other in (enrolment(METERS[0], 2), Enrolment(METERS[0], "s1sp-symmetric", "000000", 1, 0)):
        with pytest.raises(Refusal) as refused:
            ledger.wish(other, 9)
        assert refused.value.status == 409


@pytest.mark.parametrize(
    "record",
    [
        Reservation("s", "a", METERS[0], 2, 5, 0),
        Reservation("s", "b", METERS[0], 1, 5, 0),
        Reservation("s", "b", METERS[0], 3, 5, 0),
        Reservation("s", "b", METERS[1], 1, 5, 0),
        enrolment(METERS[0]),
    ],
)
def test_a_log_that_contradicts_itself_stops_the_member(record: Record) -> None:
    ledger = Ledger()
    ledger.commit(1, enrolment(METERS[0]))
    ledger.commit(2, Reservation("s", "a", METERS[0], 1, 5, 0))
    with pytest.raises(RuntimeError, match="position 3"):
        ledger.commit(3, record)


# -- the store --------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "s.db", "primary", make=True)
    yield made
    made.close()


def batch(first: int, *terms: int, commit: int = 0, term: int = 1) -> Batch:
    return Batch(term, "primary", commit, first, tuple(Entry(one, f"r{one}") for one in terms), (), True)


def test_a_store_is_what_was_saved_last(store: Store) -> None:
    store.save(batch(1, 1, 1, 1), [])
    store.save(batch(2, 2, commit=9, term=2), [])
    assert store.load() == Stored(2, "primary", 2, [Entry(1, "r1"), Entry(2, "r2")])


def test_a_step_is_saved_as_a_whole_or_not_at_all(store: Store) -> None:
    store.save(batch(1, 1), [])
    broken = AuditRow(1, 1, "", "", "", "step", None)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        store.save(batch(1, 5, 5), [broken])
    assert store.load() == Stored(1, "primary", 0, [Entry(1, "r1")])


def test_the_audit_is_found_by_transaction_and_requester(store: Store) -> None:
    rows = [AuditRow(n, 1, f"s{n % 2}", f"t{n % 3}", "", "step", str(n)) for n in range(12)]
    store.save(batch(1), rows)
    assert [row for _, row in store.audit()] == rows
    assert [row for _, row in store.audit(limit=2)] == rows[-2:]
    assert [row.time for _, row in store.audit("t1", "s1")] == [1, 7]


def test_stores_that_cannot_be_used_say_why(tmp_path: Path, store: Store) -> None:
    with pytest.raises(ConfigError, match="not there"):
        Store(tmp_path / "none.db", "primary")
    with pytest.raises(ConfigError, match=r"s\.db: not usable as the store of primary: database is locked"):
        Store(tmp_path / "s.db", "primary", patience=0)
    (tmp_path / "text.db").write_text("no database" * 100)
    with pytest.raises(ConfigError, match="file is not a database"):
        Store(tmp_path / "text.db", "primary")
    with pytest.raises(ConfigError, match=r"is the store of primary, version 1; secondary needs one of its own"):
        store.close()
        Store(tmp_path / "s.db", "secondary")


def test_a_store_that_was_emptied_is_lost_and_not_made_anew_unasked(tmp_path: Path) -> None:
    """It has forgotten what it acknowledged, as one has that is not there."""
    empty = tmp_path / "empty.db"
    empty.touch()
    with pytest.raises(ConfigError, match=r"empty\.db: is no store; .* Where it is lost"):
        Store(empty, "primary")
    Store(empty, "primary", make=True).close()
    Store(empty, "primary").close()


def test_the_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(ConfigError, match=r"other\.db: is no store"):
        Store(other, "primary", make=True)
    with sqlite3.connect(other) as connection:
        assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master")] == ["theirs"]
    connection.close()


def test_a_log_with_a_gap_is_not_taken(tmp_path: Path) -> None:
    made = Store(tmp_path / "gap.db", "primary", make=True)
    made.save(batch(2, 1), [])
    with pytest.raises(ConfigError, match="the log has gaps"):
        made.load()
    made.close()
