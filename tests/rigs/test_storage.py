"""The store of a rig: what was acknowledged is there after ``kill -9``, and a store that does not fit is refused."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from shutil import copy
from typing import Any

import pytest

from emulator.time import Clock
from protocols import obis
from protocols.dlms import axdr
from rigs.blocking import BlockingClient, options_for, varied
from rigs.building import build
from rigs.client import ClientError, ClientOptions
from rigs.config import ConfigError, load_rig, rig_of
from rigs.driver import ClockMode, utc_ns
from rigs.ports import PortError
from rigs.running import Runner, RunningRig
from rigs.storage import SCHEMA_VERSION, Storage

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0
FILTER = "0-0:97.98.10"
FRAME_COUNTER = obis.parse("0-0:43.1.4.255")
WATTS, RATE, SNAPSHOT = 60_000, 60, 30
"""Load, rig seconds in a second, and seconds of the rig between snapshots."""

PREMISES: Mapping[str, Any] = {
    "name": "home",
    "hub": {"ports": {"wan-tcp": "tcp:0"}},
    "electricity": {"ports": {"local-tcp": "tcp:0"}, "load": {"kind": "constant", "value": WATTS}},
    "gas": {},
}


# -- kill -9 ----------------------------------------------------------------------------------------------------------


class Mortal:
    """``smets1 up`` with a store, and a client that remembers what it was told."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.folder = folder
        (folder / "rig.toml").write_text(
            f"[clock]\nrate = {RATE}\n[storage]\nfile = 'rig.db'\nsnapshot_s = {SNAPSHOT}\n"
            f"[[premises]]\n[premises.electricity]\nload = {{ kind = 'constant', value = {WATTS} }}\n"
            f"[premises.electricity.ports]\nlocal-tcp = 'tcp:{self.port}'\noptical = 'pty:./opened'\n"
        )
        twin = build(load_rig(folder / "rig.toml"), load_rig(folder / "rig.toml").specs[0], Clock(utc_ns())).electricity
        assert twin is not None
        options = replace(options_for(twin, "management", 1), timeout=5.0, frame_counter=FRAME_COUNTER)
        assert options.settings.security is not None
        self.counters = options.settings.security.counters
        """Those of the client; it takes no answer whose invocation counter it has seen."""
        self.counters.received = -1
        self.options = options
        self.runner = Runner()
        self.process: subprocess.Popen[bytes] | None = None
        self.value = 0
        self.register = 0
        self.accepted = 0
        """Highest invocation counter of ours that was answered."""

    def start(self) -> None:
        """Start the rig, and wait until its last port is open: trying the port itself may connect it to itself."""
        opened = self.folder / "opened"
        opened.unlink(missing_ok=True)  # what a killed rig has left
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rigs", "up", "rig.toml"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        give_up = time.monotonic() + PATIENCE
        while not opened.is_symlink():
            assert self.process.poll() is None, self.process.stdout and self.process.stdout.read().decode()
            assert time.monotonic() < give_up, "smets1 up did not open its ports"
            time.sleep(0.02)

    def end(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGKILL)
        self.runner.close()

    def client(self, options: ClientOptions) -> BlockingClient:
        return BlockingClient(self.runner, f"tcp:127.0.0.1:{self.port}", options)

    def check(self) -> None:
        """What was acknowledged is there; counters and registers have not gone back."""
        public = replace(self.options, client=16, settings=type(self.options.settings)(), frame_counter=None)
        with self.client(public) as reader:
            counter = reader.get(1, "0-0:43.1.4").value
        assert isinstance(counter, int) and counter >= self.accepted
        with self.client(self.options) as meter:
            value, register = meter.get(1, FILTER).value, meter.get(3, "1-0:1.8.0").value
        assert value in (self.value, self.value + 1)  # the one that was under way may have been taken
        assert isinstance(value, int) and isinstance(register, int)
        assert register >= self.register - WATTS * SNAPSHOT // 3600 - 1
        self.value, self.register = value, register

    def work(self, chance: Random, stop: Callable[[], None]) -> None:
        """Set and read until the rig dies; ``stop`` begins its end."""
        stop()
        try:
            while True:
                with self.client(self.options) as meter:
                    for _ in range(chance.randrange(1, 30)):
                        if chance.randrange(3):
                            register = meter.get(3, "1-0:1.8.0").value
                            assert isinstance(register, int)
                            self.register = register
                        else:
                            meter.set(1, FILTER, 2, axdr.u32(self.value + 1))
                            self.value += 1
                        self.accepted = self.counters.sent
        except (ClientError, PortError):
            return


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Mortal]:
    made = Mortal(tmp_path)
    try:
        made.start()
        with made.client(made.options) as meter:
            meter.set(1, FILTER, 2, axdr.u32(0))
        yield made
    finally:
        made.close()


def kill_and_check(mortal: Mortal, times: int, seed: int) -> None:
    chance = Random(seed)
    for _ in range(times):
        moment = chance.uniform(0.01, 0.6)
        killer = threading.Timer(moment, lambda: mortal.end(signal.SIGKILL))
        mortal.work(chance, killer.start)
        killer.join()
        assert mortal.process is not None and mortal.process.returncode == -signal.SIGKILL
        mortal.start()
        mortal.check()
    assert mortal.value >= times


def test_what_was_acknowledged_survives_kill_9(mortal: Mortal) -> None:
    kill_and_check(mortal, 1, 1)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [2, 3])
def test_what_was_acknowledged_survives_kill_9_many_times(mortal: Mortal, seed: int) -> None:
    kill_and_check(mortal, 25, seed)


# -- in one process ---------------------------------------------------------------------------------------------------


@contextmanager
def running(folder: Path, tables: Mapping[str, Any] | None = None, **options: Any) -> Iterator[RunningRig]:
    file = rig_of(tables or {"premises": [PREMISES]})
    with RunningRig(file, folder=folder, mode=ClockMode.STEPPED, storage=folder / "rig.db", **options) as rig:
        yield rig


def test_a_stopped_rig_goes_on_to_the_octet(tmp_path: Path) -> None:
    with running(tmp_path) as rig:
        rig.clock.advance(hours=5, minutes=7)
        home = rig.premises["home"]
        with home.electricity.client("management") as meter:
            meter.set(1, FILTER, 2, axdr.u32(5))
            register = meter.get(3, "1-0:1.8.0")
        now, counters = rig.clock.ns, vars_of(home.electricity.device.security(3).counters)
    with running(tmp_path) as rig:
        assert rig.clock.ns == now  # a stepped clock begins where it was
        home = rig.premises["home"]
        assert vars_of(home.electricity.device.security(3).counters) == counters
        with home.electricity.client("management") as meter:
            assert meter.get(1, FILTER) == axdr.Data(6, 5)
            assert meter.get(3, "1-0:1.8.0") == register
        for device in (home.hub, home.electricity, home.gas):
            assert device.call(lambda device=device: (device.device.power_failures, device.device.ready)) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["rig.db"]
    assert (tmp_path / "rig.db").stat().st_mode & 0o077 == 0  # it holds keys


def vars_of(counters: Any) -> tuple[int, int, int]:
    return counters.sent, counters.received, counters.broadcast


def test_a_rig_without_a_store_keeps_nothing(tmp_path: Path) -> None:
    with RunningRig(rig_of({"premises": [PREMISES]}), folder=tmp_path, mode=ClockMode.STEPPED) as rig:
        assert rig.premises["home"].electricity.device.keeper is None
    assert not list(tmp_path.iterdir())


def changed(**electricity: Any) -> dict[str, Any]:
    return {"premises": [{**PREMISES, "electricity": {**PREMISES["electricity"], **electricity}}]}


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"seed": 2, "premises": [PREMISES]}, "it has seed 1, this rig 2"),
        (
            changed(profile="electricity-lima-2"),
            "its home/electricity has profile electricity-base, this rig's electricity-lima-2",
        ),
        (changed(serial="1"), "its home/electricity has serial [0-9]{13}, this rig's 1"),
        (changed(keys={"management.encryption": "00" * 16}), "its home/electricity was made with other keys"),
        ({"premises": [{**PREMISES, "name": "away"}]}, "it has no away/hub"),
        ({"premises": [{**PREMISES, "gas": None}]}, "it has home/gas, which this rig has not"),
    ],
)
def test_the_store_of_another_rig_is_refused(tmp_path: Path, tables: dict[str, Any], words: str) -> None:
    with running(tmp_path):
        pass
    before = (tmp_path / "rig.db").read_bytes()
    with pytest.raises(ConfigError, match=words) as refused, running(tmp_path, tables):
        pass
    assert str(refused.value).startswith(f"{tmp_path}/rig.db: the store of another rig: ")
    assert str(refused.value).endswith("; name another file, or remove this one to start anew")
    assert (tmp_path / "rig.db").read_bytes() == before
    with running(tmp_path):
        pass  # it is as good as it was


def statement(path: Path, text: str, *values: object) -> None:
    with sqlite3.connect(path) as database:
        database.execute(text, values)
    database.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b"not a database" * 100), "file is not a database"),
        (lambda path: path.write_bytes(path.read_bytes()[:8192]), "malformed|damaged|no such table|disk"),
        (lambda path: statement(path, "UPDATE rig SET version = 99"), f"schema 99; this one has {SCHEMA_VERSION}"),
        (lambda path: statement(path, "DROP TABLE rig"), "a database of something else"),
        (lambda path: statement(path, "DROP TABLE part"), "no such table: part"),
        (lambda path: statement(path, "UPDATE part SET image = '{}'"), "home/hub: part .* is damaged"),
        (lambda path: statement(path, "DELETE FROM part WHERE name = 'clock'"), "home/hub: part 'clock' is missing"),
        (lambda path: statement(path, "UPDATE device SET instant = 'x'"), "no instant"),
        (lambda path: (path.unlink(), path.mkdir()), "unable to open"),
    ],
)
def test_a_store_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    with running(tmp_path):
        pass
    spoil(tmp_path / "rig.db")
    with pytest.raises(ConfigError, match=words) as refused, running(tmp_path):
        pass
    assert str(refused.value).startswith(f"{tmp_path}/rig.db: ") and "\n" not in str(refused.value)


def test_one_rig_at_a_time_has_a_store(tmp_path: Path) -> None:
    store = Storage(tmp_path / "rig.db", 1)
    with pytest.raises(ConfigError, match="another rig has it open"):
        Storage(tmp_path / "rig.db", 1)
    store.close()
    Storage(tmp_path / "rig.db", 1).close()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere/rig.db: no such file or directory"):
        Storage(tmp_path / "nowhere" / "rig.db", 1)


def test_a_full_disk_is_told_once_and_refused_to_clients(tmp_path: Path) -> None:
    warned: list[str] = []
    with running(tmp_path) as rig:
        rig.rig.warn = warned.append
        meter = rig.premises["home"].electricity
        pages = limit(rig, 1)
        with meter.client("management") as client:
            for number in range(200):
                try:
                    client.set(1, "0-0:96.13.0", 2, axdr.octets(bytes([number]) * 2000))
                except ClientError as error:
                    assert "hardware fault" in str(error)
                    break
            else:
                pytest.fail("the disk never was full")
            with pytest.raises(ClientError, match="hardware fault"):
                client.set(1, "0-0:96.13.0", 2, axdr.octets(b"x" * 90_000))
            assert [text.count("what devices do from now on is not kept") for text in warned] == [1]
            limit(rig, pages)
            client.set(1, "0-0:96.13.0", 2, axdr.octets(b"there is room again"))
    with running(tmp_path) as rig, rig.premises["home"].electricity.client("management") as client:
        assert client.get(1, "0-0:96.13.0").value == b"there is room again"


def limit(rig: RunningRig, pages: int) -> int:
    """Let the store grow to so many pages, or as many as it has; how many it might have had."""
    storage: Any = rig.rig._storage

    def set_limit() -> int:
        (before,) = storage._database.execute("PRAGMA max_page_count").fetchone()
        storage._database.execute(f"PRAGMA max_page_count = {pages}")
        return int(before)

    return rig.runner.call(set_limit)


SLOW_FAULTS = ("memory-fails", "memory-full", "torn-write", "record-damaged")


@pytest.mark.parametrize(
    "name", ["memory-protected", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW_FAULTS)]
)
def test_a_fault_of_the_memory_leaves_the_store_whole(tmp_path: Path, name: str) -> None:
    """The rig is killed in the middle of the fault, as a copy of the store has it, or stopped."""
    tables = {"premises": [{**PREMISES, "hub": None, "gas": None}]}
    path, killed = tmp_path / "state.db", tmp_path / "killed.db"

    def run(store: Path) -> RunningRig:
        return RunningRig(rig_of(tables), folder=tmp_path, mode=ClockMode.STEPPED, storage=store)

    def seen(rig: RunningRig) -> tuple[Any, Any]:
        with rig.premises["home"].electricity.client("management") as client:
            return client.get(1, FILTER).value, client.get(3, "1-0:1.8.0").value

    with run(path) as rig:
        with rig.premises["home"].electricity.client("management") as client:
            client.set(1, FILTER, 2, axdr.u32(5))
        rig.clock.advance(hours=1)
        before = seen(rig)
        rig.start_fault(name, "home/electricity")
        rig.premises["home"].electricity.power_off()
        rig.clock.advance(hours=1)
        rig.premises["home"].electricity.power_on()
        rig.clock.advance(minutes=1)
        for ending in ("", "-wal"):
            copy(f"{path}{ending}", f"{killed}{ending}")
        after = seen(rig)
    assert after[0] == before[0] == 5
    with run(path) as rig:
        assert seen(rig) == after
        assert rig.faults == []
    with run(killed) as rig:
        value, energy = seen(rig)
        assert value == 5 and energy >= before[1]


def test_the_rig_file_names_the_store(tmp_path: Path) -> None:
    (tmp_path / "rig.toml").write_text("[storage]\nfile = 'kept.db'\nsnapshot_s = 60\n[[premises]]\n")
    file = load_rig(tmp_path / "rig.toml")
    assert file.storage() == tmp_path / "kept.db"
    with RunningRig(file, folder=tmp_path / "ports", mode=ClockMode.STEPPED) as rig:
        device = rig.premises["home"].electricity.device
        writes = count(rig)
        rig.clock.advance(minutes=10)
        assert count(rig) > writes + 10 * 60 // 60
        assert device.keeper is not None
    assert (tmp_path / "kept.db").exists()
    with pytest.raises(ConfigError, match=r"storage.snapshot_s: 0: must be greater"):
        rig_of({"storage": {"file": "x", "snapshot_s": 0}})
    assert rig_of({}).storage() is None
    assert rig_of({"storage": {"file": "x.db"}}).storage(tmp_path) == tmp_path / "x.db"


def count(rig: RunningRig) -> int:
    """Rows that the store has written so far."""
    storage: Any = rig.rig._storage
    return rig.runner.call(lambda: int(storage._database.total_changes))


def test_a_real_clock_begins_no_earlier_than_it_was(tmp_path: Path) -> None:
    with running(tmp_path, {"clock": {"start": "2090-01-01T00:00:00Z"}, "premises": [PREMISES]}) as rig:
        rig.clock.advance(hours=1)
        ahead = rig.clock.ns
    file = rig_of({"premises": [PREMISES]})
    with RunningRig(file, folder=tmp_path, mode=ClockMode.REAL, storage=tmp_path / "rig.db") as rig:
        assert rig.clock.ns >= ahead > utc_ns()


def test_many_devices_are_kept_apart(tmp_path: Path) -> None:
    tables = {"premises": [{**PREMISES, "name": "p", "count": 5}]}
    with running(tmp_path, tables) as rig:
        for number in range(5):
            with rig.premises[f"p-{number}"].electricity.client("management") as meter:
                meter.set(1, FILTER, 2, axdr.u32(number))
    with running(tmp_path, tables) as rig:
        for number in range(5):
            with rig.premises[f"p-{number}"].electricity.client("management") as meter:
                assert meter.get(1, FILTER).value == number


def test_a_client_with_its_own_counter_has_to_read_it_after_a_kill(tmp_path: Path) -> None:
    """What is reserved for messages that were never sent is gone: that is what the frame counter object is for."""
    with running(tmp_path) as rig, rig.premises["home"].electricity.client("management") as meter:
        meter.get(3, "1-0:1.8.0")
        stale = varied(meter.options, {})
        copy = (tmp_path / "rig.db").read_bytes(), (tmp_path / "rig.db-wal").read_bytes()
    for name, octets in zip(("rig.db", "rig.db-wal"), copy, strict=True):
        (tmp_path / name).write_bytes(octets)  # as a kill at that moment would have left them
    with running(tmp_path) as rig:
        port = f"tcp:{rig.premises['home'].electricity.tcp}"
        with pytest.raises(ClientError), BlockingClient(rig.runner, port, replace(stale, timeout=1.0)):
            pass
        with BlockingClient(rig.runner, port, replace(stale, frame_counter=FRAME_COUNTER)) as meter:
            assert meter.get(3, "1-0:1.8.0").value
