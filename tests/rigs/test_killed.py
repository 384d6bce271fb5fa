"""`kill -9` of a rig while a customer tops up: what was accepted stays accepted, and nothing is credited twice."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import median

import pytest

from emulator.meter import Meter
from emulator.prepayment.money import MOST, PENNY
from emulator.time import Clock
from protocols.dlms import axdr
from protocols.dlms.client.errors import Refused
from protocols.dlms.enums import DataAccessResult
from protocols.tokens.scheme import Outcome, TokenScheme
from rigs.blocking import BlockingClient, options_for
from rigs.building import build
from rigs.client import ClientError
from rigs.config import load_rig
from rigs.driver import utc_ns
from rigs.ports import PortError
from rigs.running import Runner

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0
BALANCE = 1000
MAX_BALANCE = "0-0:94.44.2.20"
KILLED = 0.2
"""How many of the top-ups are killed."""
RIG = """
seed = 11
[storage]
file = "rig.db"
[clock]
start = 2026-01-05T08:00:00Z
[[premises]]
[premises.electricity]
profile = "electricity-bench"
load = {{ kind = "constant", value = 0 }}
prepayment = {{ balance_pence = {balance} }}
[premises.electricity.ports]
local-tcp = "tcp:{port}"
"""


class KilledRig:
    """A rig in a process of its own, as ``smets1 up`` runs it, that is killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        path = folder / "rig.toml"
        path.write_text(RIG.format(balance=BALANCE, port=self.port))
        self.file = load_rig(path)
        self.spawner = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("rig_spawner.py")), str(path)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.starts = 0
        self.start()

    def start(self) -> None:
        assert self.spawner.stdin is not None and self.spawner.stdout is not None
        print(file=self.spawner.stdin, flush=True)
        self.pid = int(self.spawner.stdout.readline())
        self.starts += 1
        give_up = time.monotonic() + PATIENCE
        while True:
            assert self.lives and time.monotonic() < give_up, "the rig did not start"
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.002)

    @property
    def lives(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        give_up = time.monotonic() + PATIENCE
        while self.lives:
            assert time.monotonic() < give_up, "the rig did not die"
            time.sleep(0.0005)

    def close(self) -> None:
        self.spawner.communicate(timeout=PATIENCE)


class Customer:
    """Tops up over a connection that is made anew after every death of the rig."""

    def __init__(self, folder: Path) -> None:
        self.rig = KilledRig(folder)
        meter = build(self.rig.file, self.rig.file.specs[0], Clock(utc_ns())).electricity
        assert isinstance(meter, Meter) and meter.account is not None
        tokens = meter.account.settings.tokens
        self.scheme: TokenScheme = tokens.scheme(
            meter.token_secret(tokens), meter.token_originator(tokens), meter.identity.eui64
        )
        self.duplicate = tokens.outcomes[Outcome.DUPLICATE].action_result
        self.options = replace(options_for(meter, "lls", 1), timeout=5.0)
        self.runner = Runner()
        self.connect()

    def connect(self) -> None:
        self.client = BlockingClient(self.runner, f"tcp:127.0.0.1:{self.rig.port}", self.options)
        self.client.__enter__()

    def start_again(self) -> None:
        self.client.__exit__(None, None, None)
        self.rig.start()
        self.connect()

    def enter(self, digits: str) -> int:
        """What the meter answers to a token; raises ClientError when it does not."""
        try:
            self.client.action(115, "0-0:19.40.0", 1, axdr.octets(digits.encode("ascii")))
        except ClientError as error:
            if not isinstance(error.__cause__, Refused):
                raise
            return error.__cause__.result
        return DataAccessResult.SUCCESS

    @property
    def balance(self) -> int:
        value = self.client.get(112, "0-0:19.10.0").value
        assert isinstance(value, int)
        return value

    def close(self) -> None:
        self.client.__exit__(None, None, None)
        self.rig.close()
        self.runner.close()


def top_up_through_kills(folder: Path, top_ups: int, seed: int) -> tuple[int, int]:
    """Enter tokens one after the other: how many the rig was killed after answering, and before it could."""
    chance = Random(seed)
    customer = Customer(folder)
    rig = customer.rig
    try:
        customer.client.set(9000, MAX_BALANCE, 2, axdr.i32(MOST))
        expected = BALANCE * PENNY
        answered = unanswered = 0
        spans = [0.005]
        for number in range(1, top_ups + 1):
            pence = chance.randrange(1, 500)
            digits = customer.scheme.issue(number, pence)
            killed = chance.random() < KILLED
            killer = threading.Timer(chance.random() * 1.5 * median(spans), rig.kill)
            at_random = killed and chance.random() < 0.6
            if at_random:
                killer.start()
            began = time.perf_counter()
            try:
                result = customer.enter(digits)
            except (ClientError, PortError):
                assert at_random, "the rig failed unasked"
                result = None
            else:
                if killed and not at_random:
                    rig.kill()  # the moment it has answered
                assert result == DataAccessResult.SUCCESS, (number, result)
                spans = [*spans[-20:], time.perf_counter() - began]
            if killed:
                if at_random:
                    killer.join()
                customer.start_again()
                found = customer.balance - expected
                assert found == pence * PENNY or (result is None and found == 0), (number, found)
                answered += result is not None
                unanswered += result is None
                again = customer.enter(digits)
                assert again == (customer.duplicate if found else DataAccessResult.SUCCESS), (number, again)
            expected += pence * PENNY
        assert customer.balance == expected
        assert rig.starts - 1 == answered + unanswered
    finally:
        customer.close()
    return answered, unanswered


def test_tokens_survive_kills(tmp_path: Path) -> None:
    assert sum(top_up_through_kills(tmp_path, 60, 5)) > 5


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_top_ups_survive_kills(tmp_path: Path) -> None:
    answered, unanswered = top_up_through_kills(tmp_path, 1000, 6)
    assert answered > 30 and unanswered > 30
