"""Power is cut, and storage fails, at seeded instants: nothing that was acknowledged is lost.

Three ways to fail. ``kill -9`` of a process. Torn writes: of what was being written, some sectors are on the disk and
some are not, and a sector at the end of the log may be rubbish; SQLite's files are put together that way from how they
were before and after a write, and a rig starts from them. Writes that fail: the system lets files grow up to a limit
somewhere in the middle of what is to be written (a full disk), or refuses to write at all (an I/O error).
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict
from json import dumps
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from .power_story import Ledger, Life, ledger_of

ROOT = Path(__file__).resolve().parents[2]
SECTOR = 512
LOG_HEADER = 32
PATIENCE = 30.0


class Files(NamedTuple):
    """A store on the disk: the database and its write-ahead log."""

    database: bytes
    log: bytes

    @classmethod
    def of(cls, store: Path) -> Files:
        log = store.with_name(f"{store.name}-wal")
        return cls(store.read_bytes(), log.read_bytes() if log.exists() else b"")

    def put(self, folder: Path) -> Path:
        """Lay them down in a folder; where the database is."""
        folder.mkdir(exist_ok=True)
        store = folder / "cut.db"
        for path in folder.iterdir():
            path.unlink()
        store.write_bytes(self.database)
        if self.log:
            (folder / "cut.db-wal").write_bytes(self.log)
        return store


def torn(before: bytes, after: bytes, chance: Random, *, log: bool) -> bytes:
    """A file that was being changed: any of the sectors that differ are written, and it may be shorter.

    Of a ``log`` the part that is new may be rubbish too, as a sector that was half written. The header of one that
    begins anew is on the disk before the rest: SQLite waits for that.
    """
    size = chance.choice((len(after), max(len(before), chance.randrange(len(after) + 1))))
    made = bytearray(before[:size].ljust(size, b"\0"))
    if log and before[:LOG_HEADER] != after[:LOG_HEADER]:
        if size < LOG_HEADER or chance.random() < 0.2:
            return before
        made[:LOG_HEADER] = after[:LOG_HEADER]
    differing = [at for at in range(0, size, SECTOR) if before[at : at + SECTOR] != after[at : at + SECTOR]]
    written = chance.choice((1.0, chance.random()))
    up_to = chance.choice((size, chance.randrange(size + 1)))
    for at in differing:
        if at < up_to and chance.random() < written:
            made[at : at + SECTOR] = after[at : min(at + SECTOR, size)]
    if log and differing and chance.random() < 0.3:
        first = next(at for at in range(differing[0], len(after)) if before[at : at + 1] != after[at : at + 1])
        at = max(first, LOG_HEADER, chance.choice(differing) + chance.randrange(SECTOR))
        made[at : at + 64] = chance.randbytes(len(made[at : at + 64]))
    return bytes(made)


def in_between(before: Files, after: Files, chance: Random) -> tuple[str, Files]:
    """A store that lost its power somewhere in a write, and what was going on.

    SQLite appends to its log and lets it reach the disk. Then what was written is durable; from time to time it goes
    on to bring the database up to the log, which is not written anew before the database has reached the disk.
    """
    if before.database != after.database and chance.random() < 0.5:
        return "checkpoint", Files(torn(before.database, after.database, chance, log=False), after.log)
    return "log", Files(before.database, torn(before.log, after.log, chance, log=True))


def checked(files: Files, ledger: Ledger, folder: Path) -> None:
    """A rig that starts from these files has all that was acknowledged, and goes on."""
    life = Life(files.put(folder), deepcopy(ledger))
    try:
        life.check()
        for seed in range(3):
            assert life.do(Random(seed))
    finally:
        life.cut()


class Camera:
    """Looks at a store before and after each write of a life, and cuts the power in some of them."""

    def __init__(self, life: Life, store: Path, folder: Path, chance: Random, rate: float) -> None:
        self.cuts: Counter[str] = Counter()
        self._life = life
        self._store = store
        self._folder = folder
        self._chance = chance
        self._rate = rate
        storage: Any = life.storage
        self._write = storage._write
        storage._write = self._watched

    def _watched(self, writes: Any) -> None:
        before = Files.of(self._store)  # a gas meter that is replaced writes more than goes this way
        self._write(writes)
        after = Files.of(self._store)
        if self._chance.random() < self._rate:
            what, files = in_between(before, after, self._chance)
            self._cut(what, files)

    def look(self) -> None:
        """The power may go right after something was acknowledged."""
        if self._chance.random() < self._rate:
            self._cut("acknowledged", Files.of(self._store))

    def _cut(self, what: str, files: Files) -> None:
        self.cuts[what] += 1
        checked(files, self._life.ledger, self._folder)


def tear(folder: Path, seed: int, cuts: int, checkpoint: int, rate: float) -> Counter[str]:
    """Live until the power was cut so many times; how many times what was going on."""
    chance = Random(seed)
    store = folder / "rig.db"
    life = Life(store, Ledger())
    storage: Any = life.storage
    storage._database.execute(f"PRAGMA wal_autocheckpoint = {checkpoint}")
    life.prepare()
    camera = Camera(life, store, folder / "cut", chance, rate)
    while camera.cuts.total() < cuts:
        assert life.do(chance)
        camera.look()
    life.cut()
    return camera.cuts


def test_torn_writes(tmp_path: Path) -> None:
    cuts = tear(tmp_path, 1, 30, checkpoint=8, rate=0.4)
    assert min(cuts[what] for what in ("log", "checkpoint", "acknowledged")) >= 3, cuts


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(10, 14))
def test_torn_writes_at_a_thousand_instants(tmp_path: Path, seed: int) -> None:
    cuts = tear(tmp_path, seed, 300, checkpoint=(4, 10, 40, 1000)[seed - 10], rate=0.5)
    assert cuts["log"] >= 50 and cuts["acknowledged"] >= 50, cuts


# --- writes that fail


@contextmanager
def no_room_beyond(octets: int) -> Iterator[None]:
    """No file of this process may grow beyond so many octets: the write that would ends short, the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Failing:
    """A database one of whose next statements ends in an I/O error."""

    def __init__(self, database: sqlite3.Connection, after: int) -> None:
        self._database = database
        self._left = after
        self.failed = False

    def _fails(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.failed = True
            raise sqlite3.OperationalError("disk I/O error")

    def execute(self, *given: Any) -> Any:
        self._fails()
        return self._database.execute(*given)

    def executemany(self, *given: Any) -> Any:
        self._fails()
        return self._database.executemany(*given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


@contextmanager
def failing(life: Life, store: Path, chance: Random) -> Iterator[str]:
    """One of the two ways to fail for a while; which."""
    storage: Any = life.storage
    log = store.with_name(f"{store.name}-wal")
    if chance.random() < 0.5:
        # Where SQLite writes next is not told; a log that has been begun anew has room before its end.
        with no_room_beyond(chance.randrange(max(1, log.stat().st_size + 8192))):
            yield "full"
    else:
        database = storage._database
        storage._database = Failing(database, chance.randrange(1, 12))
        try:
            yield "error"
        finally:
            storage._database = database


def fail_to_write(folder: Path, seed: int, failures: int) -> Counter[str]:
    """Live while now and then nothing can be written, and cut the power after some of it; what happened how often."""
    chance = Random(seed)
    store = folder / "rig.db"
    life = Life(store, Ledger())
    life.prepare()
    told: Counter[str] = Counter()
    while told["full"] + told["error"] < failures:
        with failing(life, store, chance) as how:
            refused = sum(not life.do(chance) for _ in range(chance.randrange(1, 4)))
        told[how] += 1
        told["refused"] += refused
        lives_on = chance.random()
        if lives_on < 0.6:
            for _ in range(chance.randrange(1, 4)):
                life.do(chance)
        if lives_on < 0.8:
            checked(Files.of(store), life.ledger, folder / "cut")
            told["cut"] += 1
        else:
            life.cut()
            life = Life(store, life.ledger)
            life.check()
            told["started again"] += 1
    life.cut()
    return told


def test_writes_that_fail(tmp_path: Path) -> None:
    told = fail_to_write(tmp_path, 2, 16)
    assert min(told[what] for what in ("full", "error", "refused", "cut", "started again")) >= 2, told


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(20, 23))
def test_writes_that_fail_many_times(tmp_path: Path, seed: int) -> None:
    told = fail_to_write(tmp_path, seed, 150)
    assert told["refused"] >= 30 and told["cut"] >= 50, told


# --- kill -9


class Killer:
    """Starts lives on one store in processes of their own, and kills them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.rigs.power_story"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()

    def live_and_die(self, number: int, deeds: int, moment: float) -> None:
        """One life of at least so many lines, killed ``moment`` seconds after them; the ledger is as told last."""
        assert self.process.stdin is not None
        order = f"{self.folder / 'rig.db'}\t{number}\t{dumps(asdict(self.ledger))}\n"
        self.process.stdin.write(order.encode())
        self.process.stdin.flush()
        lines = self._read(deeds + 1)
        pid = next(int(line) for line in lines if line.isdigit())
        time.sleep(moment)
        os.kill(pid, signal.SIGKILL)
        lines += self._read_the_rest(pid)
        told = [line for line in lines if line.startswith("{")]
        assert not [line for line in lines if line.startswith("!")], lines[-1]
        if told:
            self.ledger = ledger_of(told[-1])

    def _read(self, count: int) -> list[str]:
        """At least so many whole lines."""
        found, give_up = "", time.monotonic() + PATIENCE
        while found.count("\n") < count and "!" not in found:
            assert time.monotonic() < give_up, found
            found += self._some(0.2)
        return self._whole(found)

    def _read_the_rest(self, pid: int) -> list[str]:
        give_up = time.monotonic() + PATIENCE
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < give_up
            time.sleep(0.0005)
        found = self._left
        while more := self._some(0):
            found += more
        self._left = ""
        return found.split("\n")[:-1]  # what has no end of line was being told as it died

    def _whole(self, text: str) -> list[str]:
        *lines, self._left = text.split("\n")
        return lines

    def _some(self, wait: float) -> str:
        assert self.process.stdout is not None
        ready: Sequence[Any] = select.select([self.process.stdout], [], [], wait)[0]
        return (self.process.stdout.read() or b"").decode() if ready else ""


def kill(folder: Path, seed: int, times: int) -> None:
    chance = Random(seed)
    killer = Killer(folder)
    try:
        for number in range(times):
            killer.live_and_die(seed * 1000 + number, chance.randrange(25), chance.random() * 0.02)
        life = Life(folder / "rig.db", killer.ledger)
        life.check()
        life.cut()
        assert len(killer.ledger.tokens) >= times / 4 and killer.ledger.setting >= times / 4
    finally:
        killer.close()


def test_kill_9(tmp_path: Path) -> None:
    kill(tmp_path, 1, 10)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kill_9_many_times(tmp_path: Path) -> None:
    kill(tmp_path, 2, 300)
