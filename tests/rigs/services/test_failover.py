"""Whatever dies, no token is lost and no counter used twice: real processes and stores, SIGKILL, links that are cut.

A run starts a service, has requesters ask for tokens at both sites with the same transaction ids until they are
answered, and meanwhile kills sites and cuts, holds back or delays links at instants drawn from the run's seed: during
issue, failover and fallback. Then every answered token is entered into its meter in random order.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from random import Random
from types import MappingProxyType

import pytest

from emulator.firmware import OutcomeSettings, TokenSettings
from emulator.prepayment.tokens import Delivery, TokenGateway
from protocols.tokens.scheme import Outcome
from protocols.tokens.symmetric import SymmetricTokens
from rigs.services.s1sp import records
from rigs.services.s1sp.records import Reservation

RUNS = int(os.environ.get("SMETS1_FAILOVER_RUNS", "1000"))
QUICK = 8
MANY = 100
AT_ONCE = 6
"""Runs side by side: most of a run is waiting."""
METERS = 2
REQUESTERS = 3
TOKENS = 4
"""Tokens that each requester asks for."""
RUN_S = 60.0


@dataclass
class Run:
    """What one run has seen. ``answered`` are the UTRNs by transaction, ``asked`` what was asked for."""

    seed: int
    asked: dict[str, tuple[str, int]] = field(default_factory=dict)
    answered: dict[str, tuple[str, int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    retries: int = 0
    terms: int = 0


async def request(cluster, run: Run, number: int) -> None:
    chance = Random(f"{run.seed}/requester/{number}")
    for place in range(TOKENS):
        transaction = f"r{number}-{place}"
        meter = f"00DB1234567890{chance.randrange(1, METERS + 1):02X}"
        pence = chance.randrange(1, 8192)
        run.asked[transaction] = meter, pence
        content = {"transaction": transaction, "meter": meter, "pence": pence}
        site = chance.choice(("primary", "secondary"))
        while True:
            answer = await cluster.ask(site, "POST", "/utrn", content, timeout=chance.choice((0.1, 0.4, 1.5)))
            if answer.status == 200:
                break
            assert answer.status in (0, 503), answer
            run.retries += 1
            site = "secondary" if site == "primary" else "primary"
            await asyncio.sleep(chance.uniform(0, 0.05))
        assert (answer.content["meter"], answer.content["pence"]) == (meter, pence)
        run.answered[transaction] = answer.content["utrn"], answer.content["counter"]
        await asyncio.sleep(chance.uniform(0, 0.08))


async def break_things(cluster, run: Run) -> None:
    """Two to four faults. A site that was killed starts again after a while: the next fault may meet its fallback."""
    chance = Random(f"{run.seed}/faults")
    starts: list[asyncio.Task[None]] = []

    async def start_later(name: str, after: float) -> None:
        await asyncio.sleep(after)
        cluster.start(name)

    for _ in range(chance.randrange(2, 5)):
        await asyncio.sleep(chance.uniform(0, 0.25))
        kind = chance.choice(
            ("kill primary", "kill primary", "kill secondary", "hold", "snap", "isolate", "delay", "heal")
        )
        run.faults.append(kind)
        match kind.split():
            case ["kill", name]:
                cluster.kill(name)
                starts.append(asyncio.create_task(start_later(name, chance.uniform(0, 0.3))))
            case ["hold"]:
                for pipe in cluster.between("primary", "secondary"):
                    pipe.hold()
            case ["snap"]:
                for pipe in cluster.between("primary", "secondary"):
                    pipe.hold()
                    pipe.snap()
            case ["isolate"]:
                for pipe in cluster.around(chance.choice(("primary", "secondary"))):
                    pipe.hold()
            case ["delay"]:
                for pipe in cluster.between("primary", "secondary"):
                    pipe.delay = chance.uniform(0.005, 0.12)
            case _:
                cluster.heal()
    await asyncio.gather(*starts)
    await asyncio.sleep(chance.uniform(0, 0.15))
    cluster.heal()


async def one_run(make, seed: int, folder: Path) -> Run:
    run = Run(seed)
    async with asyncio.timeout(RUN_S), make(folder, seed, METERS) as cluster:
        async with asyncio.TaskGroup() as group:
            for number in range(REQUESTERS):
                group.create_task(request(cluster, run, number))
            group.create_task(break_things(cluster, run))
        # The same transaction has the same token for ever, at either site.
        chance = Random(f"{seed}/again")
        for transaction in chance.sample(sorted(run.answered), 2):
            meter, pence = run.asked[transaction]
            content = {"transaction": transaction, "meter": meter, "pence": pence}
            for site in ("primary", "secondary"):
                again = await cluster.insist(site, "POST", "/utrn", content)
                assert (again["utrn"], again["counter"]) == run.answered[transaction]
        for name in ("primary", "secondary", "witness"):
            cluster.kill(name)
        await cluster.gone()
        check_stores(cluster, run)
    check_meters(run)
    return run


def check_stores(cluster, run: Run) -> None:
    """Each answered token is in two of three logs, in the same place; no counter was used twice, none left out."""
    stored = []
    for name in ("primary", "secondary", "witness"):
        store = cluster.store(name)
        stored.append(store.load())
        store.close()
    run.terms = max(one.term for one in stored)
    committed = max((one.log[: one.commit] for one in stored), key=len)
    for one in stored:
        assert one.log[: one.commit] == committed[: one.commit]
    places: dict[str, set[int]] = {}
    for position, entry in enumerate(max((one.log for one in stored), key=len), 1):
        record = records.decode(entry.record)
        if isinstance(record, Reservation) and sum(one.log[position - 1 : position] == [entry] for one in stored) >= 2:
            places.setdefault(record.transaction, set()).add(position)
            assert record.transaction not in run.answered or run.answered[record.transaction][1] == record.counter
    for transaction in run.answered:
        assert len(places.get(transaction, ())) == 1, f"{transaction} is durable at {places.get(transaction)}"
    for one in stored:
        found = [record for entry in one.log if isinstance(record := records.decode(entry.record), Reservation)]
        assert max(Counter(record.transaction for record in found).values(), default=1) == 1
        counters: dict[str, list[int]] = {}
        for record in found:
            counters.setdefault(record.meter, []).append(record.counter)
        for used in counters.values():
            assert used == list(range(1, len(used) + 1)), "counters are dense, in order, each used once"


def check_meters(run: Run) -> None:
    """Every answered token is accepted once by its meter, in whatever order they are entered, and never again."""
    chance = Random(f"{run.seed}/customer")
    meters = {meter: gateway(meter) for meter, _ in run.asked.values()}
    entries = sorted(run.answered) * 2
    chance.shuffle(entries)
    entered: set[str] = set()
    for transaction in entries:
        meter, pence = run.asked[transaction]
        token_gateway, credited = meters[meter]
        outcome = token_gateway.enter(run.answered[transaction][0], Delivery.MANUAL)
        assert outcome is (Outcome.DUPLICATE if transaction in entered else Outcome.ACCEPTED), transaction
        if transaction not in entered:
            assert credited[-1] == pence * 1000
        entered.add(transaction)
    total = sum(chain.from_iterable(credited for _, credited in meters.values()))
    assert total == sum(pence * 1000 for _, pence in run.asked.values())


def gateway(meter: str) -> tuple[TokenGateway, list[int]]:
    """A meter's token gateway with its key, and the amounts that it has credited."""
    number = int(meter[-2:], 16)
    secret = bytes((number * 37 + place * 11 + 129) % 256 for place in range(16))
    originator = bytes.fromhex("90B3D51F30010000")
    outcomes = MappingProxyType({outcome: OutcomeSettings(outcome.value, 0, 0) for outcome in Outcome})
    settings = TokenSettings(SymmetricTokens, "s1sp-symmetric", originator, 64, 0, 0, 1, 0, outcomes)
    credited: list[int] = []

    def credit(found) -> Outcome:
        credited.append(found.amount)
        return Outcome.ACCEPTED

    made = TokenGateway(
        SymmetricTokens(secret, originator, bytes.fromhex(meter)),
        settings,
        utc=lambda: 0,
        credit=credit,
        undo=credited.pop,
        commit=lambda: True,
        outcome=lambda _: None,
    )
    return made, credited


async def many_runs(make, runs: range, folder: Path, told: Callable[[Run], None]) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> None:
        async with turns:
            place = folder / str(seed)
            place.mkdir()
            try:
                run = await one_run(make, seed, place)
            except BaseException as error:
                error.add_note(f"run with seed {seed}, in {place}")
                raise
            told(run)
            for path in sorted(place.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            place.rmdir()

    async with asyncio.TaskGroup() as group:
        for seed in runs:
            group.create_task(one(seed))


def fail_over(make, runs: range, folder: Path) -> None:
    done: list[Run] = []
    asyncio.run(many_runs(make, runs, folder, done.append))
    assert len(done) == len(runs)
    assert sum(len(run.answered) for run in done) == len(runs) * REQUESTERS * TOKENS
    faults = Counter(chain.from_iterable(run.faults for run in done))
    assert faults.total() > 0
    if len(runs) >= MANY:  # the faults did bite, or the runs would prove little; a few runs may be spared
        assert faults["kill primary"] >= len(runs) // 3
        assert sum(run.retries for run in done) > len(runs)
        assert sum(run.terms for run in done) > 2 * len(runs)
    print(
        f"{len(done)} runs, {sum(len(run.answered) for run in done)} tokens, {dict(faults)},"
        f" {sum(run.retries for run in done)} retries, {sum(run.terms for run in done)} terms"
    )


def test_failover_quickly(cluster, tmp_path: Path) -> None:
    """The first few of the runs below."""
    fail_over(cluster, range(QUICK), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_failover(cluster, tmp_path: Path) -> None:
    """A thousand seeded runs; SMETS1_FAILOVER_RUNS sets another number."""
    fail_over(cluster, range(RUNS), tmp_path)
