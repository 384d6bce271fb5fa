"""The durable store of one member: its copy of the log, its term and vote, and the audit of what it did.

One SQLite file, write-ahead logging, ``synchronous=FULL``: what :meth:`Store.save` has returned from survives SIGKILL
and loss of power. The store is used by one thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rigs.config import ConfigError
from rigs.services.s1sp.state import Batch, Entry, Stored
from rigs.system_errors import reason

STORE = "utrn.db"
"""Name of the file in a member's folder."""
VERSION = 1
_SCHEMA = """
CREATE TABLE about (version INTEGER NOT NULL, member TEXT NOT NULL);
CREATE TABLE log (position INTEGER PRIMARY KEY, term INTEGER NOT NULL, record TEXT NOT NULL);
CREATE TABLE state (term INTEGER NOT NULL, voted_for TEXT, committed INTEGER NOT NULL);
CREATE TABLE audit (
    number INTEGER PRIMARY KEY, time INTEGER NOT NULL, term INTEGER NOT NULL, requester TEXT NOT NULL,
    "transaction" TEXT NOT NULL, meter TEXT NOT NULL, step TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX audit_transaction ON audit ("transaction", requester);
INSERT INTO state VALUES (0, NULL, 0);
"""


_LOST = "`smets1 utrn init` makes it. Where it is lost, read `smets1 utrn site --help`"


class AuditRow(NamedTuple):
    """One step: when (ns of UTC), in which term, for whom, and what happened. What does not apply is empty."""

    time: int
    term: int
    requester: str
    transaction: str
    meter: str
    step: str
    detail: str


class Store:
    """The file of member ``name``. Raises ConfigError where it cannot be used.

    It must be there, unless ``make``: a member that has lost what it has acknowledged must not go on unnoticed.
    """

    def __init__(self, path: Path, name: str, *, make: bool = False, patience: float = 2.0) -> None:
        """``patience`` is how long, in seconds, a process that still has the file is waited for."""
        self.path = path
        if not make and not path.is_file():
            raise ConfigError(f"{path}: not there; {_LOST}")
        try:
            path.touch(0o600)
            # Steps are written by a worker thread, one at a time.
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=patience)
            try:
                self._prepare(name, make)
            except BaseException:
                self._connection.close()
                raise
        except OSError as error:
            raise ConfigError(f"{path}: {reason(error)}") from None
        except sqlite3.Error as error:
            raise ConfigError(f"{path}: not usable as the store of {name}: {error}") from None

    def _prepare(self, name: str, make: bool) -> None:
        execute = self._connection.execute
        # One process a store: a second one is told so instead of both going on with halves.
        execute("PRAGMA locking_mode=EXCLUSIVE")
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=FULL")
        execute("BEGIN IMMEDIATE")
        tables = {table for (table,) in execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "about" not in tables:
            if tables or not make:
                raise ConfigError(f"{self.path}: is no store; {_LOST}")
            for statement in _SCHEMA.split(";"):
                execute(statement)
            execute("INSERT INTO about VALUES (?, ?)", (VERSION, name))
        version, member = execute("SELECT version, member FROM about").fetchone() or (0, "nobody")
        execute("COMMIT")
        if (version, member) != (VERSION, name):
            raise ConfigError(f"{self.path}: is the store of {member}, version {version}; {name} needs one of its own")

    def load(self) -> Stored:
        """All that the replica of this member has on disk; raises ConfigError for a log with gaps."""
        execute = self._connection.execute
        term, voted_for, commit = execute("SELECT term, voted_for, committed FROM state").fetchone()
        rows = execute("SELECT position, term, record FROM log ORDER BY position").fetchall()
        if rows and rows[-1][0] != len(rows):
            raise ConfigError(f"{self.path}: the log has gaps: the store is damaged; read `smets1 utrn site --help`")
        return Stored(term, voted_for, commit, [Entry(*row[1:]) for row in rows])

    def save(self, batch: Batch, audit: Sequence[AuditRow]) -> None:
        """Write a batch and audit rows in one transaction, durable on return. Raises sqlite3.Error: then stop."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            if batch.entries:
                connection.execute("DELETE FROM log WHERE position >= ?", (batch.first,))
                rows = ((position, *entry) for position, entry in enumerate(batch.entries, batch.first))
                connection.executemany("INSERT INTO log VALUES (?, ?, ?)", rows)
            state = (batch.term, batch.voted_for, min(batch.commit, batch.last))
            connection.execute("UPDATE state SET term = ?, voted_for = ?, committed = ?", state)
            if audit:
                connection.executemany("INSERT INTO audit VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", audit)
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise

    def audit(self, transaction: str = "", requester: str = "", limit: int = 200) -> Iterator[tuple[int, AuditRow]]:
        """The latest rows, oldest first, with their numbers; of one transaction or requester where given."""
        rows = self._connection.execute(
            'SELECT * FROM audit WHERE (?1 = "" OR "transaction" = ?1) AND (?2 = "" OR requester = ?2)'
            " ORDER BY number DESC LIMIT ?3".replace('""', "''"),
            (transaction, requester, limit),
        ).fetchall()
        for number, *values in reversed(rows):
            yield number, AuditRow(*values)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
