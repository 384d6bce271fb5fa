"""A running member: the replica driven by real time, its store, its link, and the ledger of what is committed."""

from __future__ import annotations

import asyncio
import itertools
import logging
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from protocols.errors import ProtocolError
from rigs.config import ConfigError
from rigs.services.s1sp import records
from rigs.services.s1sp.config import RANKS, SITES, TimingConfig
from rigs.services.s1sp.ledger import Ledger, Refusal, agree
from rigs.services.s1sp.link import Address, Link
from rigs.services.s1sp.messages import Ask, Message, Told
from rigs.services.s1sp.records import Enrolment, Opening, Reservation
from rigs.services.s1sp.replica import Replica
from rigs.services.s1sp.state import Role
from rigs.services.s1sp.store import AuditRow, Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LOG = logging.getLogger("smets1.s1sp")
_CATCH_UP = 3
"""Ticks made up for at once when the process was held up: time that it slept through is no silence of the leader."""
_MOST_ASKED = 1024
"""Wishes that wait at a site at once."""

Wish = Reservation | Enrolment


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """What a member knows of another: whether it is heard, and how many records it lacks; None: not known here."""

    heard: bool | None
    behind: int | None


class Node:
    """Member ``name`` of the cluster whose links are at ``addresses``, listening at ``listen``.

    ``seed`` spreads elections; it need not differ between members.
    """

    def __init__(
        self,
        name: str,
        addresses: Mapping[str, Address],
        listen: Address,
        cluster_key: bytes,
        store: Store,
        timing: TimingConfig,
        seed: int,
    ) -> None:
        self.name = name
        self.timing = timing
        self.ledger = Ledger()
        stored = store.load()
        self.replica = Replica(name, RANKS, stored, Random(f"{seed}/{name}/election"), timing.replica())
        self._store = store
        self._told_before = stored.commit
        self._link = Link(name, addresses, listen, cluster_key, self._received)
        self._dirty = asyncio.Event()
        self._rows: list[AuditRow] = []
        self._flushes: list[asyncio.Future[None]] = []
        self._commits: dict[tuple[str, str], list[asyncio.Future[None]]] = {}
        self._asked: dict[int, asyncio.Future[Told]] = {}
        self._numbers = itertools.count(1)
        self._tail_term = 0
        self._ticks = 0
        self._heard: dict[str, int] = {}
        self._writer = ThreadPoolExecutor(1, f"{name}-store")

    async def open(self) -> None:
        """Take in what was committed when it last ran, and listen; raises ConfigError."""
        self._apply()
        await self._link.open()

    async def run(self) -> None:
        """Be a member until cancelled. An error of the store ends it: what is not durable must not be said."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._link.run())
                group.create_task(self._tick())
                group.create_task(self._flush())
        finally:
            await self._link.close()
            self._writer.shutdown()
            self._store.close()

    # -- time, messages and the store --------------------------------------------------------------------------------

    async def _tick(self) -> None:
        tick_s = self.timing.tick_ms / 1000
        due = time.monotonic()
        while True:
            due = max(due + tick_s, time.monotonic() - _CATCH_UP * tick_s)
            await asyncio.sleep(due - time.monotonic())
            self._ticks += 1
            role = self.replica.role
            self.replica.tick()
            self._noticed(role)
            if self._rows and self._ticks % self.timing.heartbeat == 0:
                self._dirty.set()

    def _received(self, sender: str, message: Message) -> None:
        self._heard[sender] = self._ticks
        match message:
            case Ask():
                self._link.send(sender, self._answer(message))
            case Told():
                waiting = self._asked.pop(message.number, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
            case _:
                role = self.replica.role
                self.replica.receive(sender, message)
                self._noticed(role)

    def _noticed(self, before: Role) -> None:
        role = self.replica.role
        if role is not before and Role.LEADER in (role, before):
            step = "leads" if role is Role.LEADER else "leads no more"
            self.note(step)
            _LOG.info("%s: %s, term %d", self.name, step, self.replica.term)
        if self.replica.dirty or self.replica.commit > self.ledger.position:
            self._dirty.set()

    async def _flush(self) -> None:
        """Write, then send, then go on: all that has come meanwhile goes into the next transaction."""
        loop = asyncio.get_running_loop()
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            batch = self.replica.take()
            rows, self._rows = self._rows, []
            flushes, self._flushes = self._flushes, []
            if batch.changed or rows:
                try:
                    await loop.run_in_executor(self._writer, self._store.save, batch, rows)
                except sqlite3.Error as error:
                    raise ConfigError(
                        f"{self._store.path}: cannot be written, so {self.name} stops: {error}"
                    ) from error
            for peer, message in batch.messages:
                self._link.send(peer, message)
            self.replica.saved(batch)
            for waiting in flushes:
                if not waiting.done():
                    waiting.set_result(None)
            self._apply()
            if self.replica.dirty:
                self._dirty.set()

    def _apply(self) -> None:
        """Take newly committed records into the ledger and tell those who wait for them."""
        first = self.ledger.position + 1
        for position, entry in self.replica.entries(first, self.replica.commit):
            record = records.decode(entry.record)
            self.ledger.commit(position, record)
            self.ledger.settle(record)
            match record:
                case Reservation():
                    key = record.key
                    if position > self._told_before:
                        self.note("committed", record, f"counter {record.counter}, position {position}")
                case Enrolment():
                    key = "", record.meter
                    if position > self._told_before:
                        self.note("enrolled", meter=record.meter, detail=f"first counter {record.first_counter}")
                case _:
                    continue
            for waiting in self._commits.pop(key, ()):
                if not waiting.done():
                    waiting.set_result(None)

    # -- the audit ---------------------------------------------------------------------------------------------------

    def note(self, step: str, about: Reservation | None = None, detail: str = "", meter: str = "") -> None:
        """Add a step to the audit; it is written with the next transaction, a heartbeat from now at the latest."""
        whom = (about.requester, about.transaction, about.meter) if about is not None else ("", "", meter)
        self._rows.append(AuditRow(time.time_ns(), self.replica.term, *whom, step, detail))

    async def noted(self) -> None:
        """Wait until all steps so far are durable."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushes.append(waiting)
        self._dirty.set()
        await waiting

    async def audit(self, transaction: str, requester: str, limit: int) -> list[tuple[int, AuditRow]]:
        """Rows of the audit; see :meth:`Store.audit`."""

        def read() -> list[tuple[int, AuditRow]]:
            return list(self._store.audit(transaction, requester, limit))

        return await asyncio.get_running_loop().run_in_executor(self._writer, read)

    # -- wishes ------------------------------------------------------------------------------------------------------

    async def fulfil(self, wish: Wish) -> Reservation | Enrolment:
        """The committed record that meets a wish, whoever leads; asked again until it is there or time is up.

        Raises Refusal: 404, 409 for good; 503 where it cannot be made durable at two members now. It may become so
        later: who asks again with the same transaction gets the same answer, never a second token.
        """
        if len(self._asked) + len(self._commits) >= _MOST_ASKED:
            raise Refusal(503, f"more than {_MOST_ASKED} requests wait here; ask again with the same transaction id")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timing.answer_s
        patience = self.timing.tick_ms / 1000 * self.timing.election
        reason = ""
        while (known := self._committed(wish)) is None:
            left = deadline - loop.time()
            if left <= 0:
                raise Refusal(503, reason or self._why_not())
            pause = min(left, patience)
            try:
                asked = await self._ask(wish, pause)
                reason = ""
            except Refusal as refusal:
                if refusal.status != 503:
                    raise
                asked, reason = False, refusal.text
            if asked:
                await self._wait_committed(wish, min(pause, deadline - loop.time()))
            else:
                await asyncio.sleep(min(pause, self.timing.heartbeat * self.timing.tick_ms / 1000))
        agree(known, wish)
        return known

    def _committed(self, wish: Wish) -> Wish | None:
        match wish:
            case Reservation():
                return self.ledger.reservation(*wish.key)
            case Enrolment():
                return self.ledger.enrolment(wish.meter)

    async def _ask(self, wish: Wish, patience: float) -> bool:
        """Put a wish to the leader; whether it says that the record is in its log. Raises its Refusal."""
        leader = self.replica.leader
        if leader == self.name:
            self._grant(wish)
            return True
        if leader is None:
            return False
        told = await self._put(leader, wish, patience)
        if told is not None and told.status != 200:
            raise Refusal(told.status, told.text)
        return told is not None

    async def _put(self, leader: str, what: records.Record, patience: float) -> Told | None:
        """Put something to the leader; its answer, None without one."""
        number = next(self._numbers)
        waiting = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._link.send(leader, Ask(number, records.encode(what)))
            async with asyncio.timeout(patience):
                return await waiting
        except TimeoutError:
            return None
        finally:
            self._asked.pop(number, None)

    async def catch_up(self, patience: float) -> None:
        """Take in all that the leader knew to be committed when it was asked, within ``patience`` seconds.

        Raises Refusal (503) without a leader that answers.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        pause = self.timing.heartbeat * self.timing.tick_ms / 1000
        wanted: int | None = None
        while wanted is None or self.ledger.position < wanted:
            if loop.time() >= deadline:
                raise Refusal(503, self._why_not())
            leader = self.replica.leader
            if leader == self.name and self.replica.leading:
                wanted = self.replica.commit
                self._dirty.set()
            elif wanted is None and leader not in (None, self.name):
                told = await self._put(leader, Opening(self.name), patience / 4)
                if told is not None and told.status == 200 and told.text.isdecimal():
                    wanted = int(told.text)
                    continue
            await asyncio.sleep(pause)

    async def _wait_committed(self, wish: Wish, patience: float) -> None:
        key = wish.key if isinstance(wish, Reservation) else ("", wish.meter)
        if self._committed(wish) is not None:
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._commits.setdefault(key, [])
        waiters.append(waiting)
        try:
            async with asyncio.timeout(max(0.0, patience)):
                await waiting
        except TimeoutError:
            pass  # the caller asks again
        finally:
            if waiting in waiters:
                waiters.remove(waiting)
            if not waiters and self._commits.get(key) is waiters:
                del self._commits[key]

    def _answer(self, ask: Ask) -> Told:
        try:
            wish = records.decode(ask.record)
            if isinstance(wish, Opening):
                self._must_lead()
                return Told(ask.number, 200, str(self.replica.commit))
            self._grant(wish)
        except Refusal as refusal:
            return Told(ask.number, refusal.status, refusal.text)
        except ProtocolError as error:
            return Told(ask.number, 422, str(error))
        return Told(ask.number, 200, "")

    def _grant(self, wish: Wish) -> None:
        """Put the record that meets a wish in the log, unless it is there. Raises Refusal."""
        self._must_lead()
        replica = self.replica
        if self._tail_term != replica.term:
            self._tail_term = replica.term
            self.ledger.lead(self._tail())
        record = self.ledger.wish(wish, time.time_ns())
        if record is None:
            return
        replica.propose(records.encode(record))
        self.ledger.proposed(record)
        if isinstance(record, Reservation):
            self.note("reserved", record, f"counter {record.counter}, position {replica.last}")
        self._dirty.set()

    def _must_lead(self) -> None:
        if not self.replica.leading or self.name not in SITES:
            raise Refusal(503, f"{self.name} is handing over to another member; ask again with the same transaction id")

    def _tail(self) -> Iterator[records.Record]:
        for _, entry in self.replica.entries(self.ledger.position + 1, self.replica.last):
            yield records.decode(entry.record)

    # -- status ------------------------------------------------------------------------------------------------------

    def members(self) -> dict[str, MemberStatus]:
        """What is known here of the others. Followers hear one another only while there is no leader."""
        return {name: self._member(name) for name in RANKS if name != self.name}

    def _member(self, name: str) -> MemberStatus:
        timing = self.replica.timing
        long = 2 * (timing.election + 2 * timing.stagger)
        heard = self._ticks - self._heard[name] <= long if name in self._heard else False
        if self.replica.role is Role.FOLLOWER and self.replica.leader not in (None, name):
            return MemberStatus(heard or None, None)
        return MemberStatus(heard, self.replica.behind(name))

    def _why_not(self) -> str:
        reached = [name for name, status in self.members().items() if status.heard]
        again = "ask again with the same transaction id"
        if not reached:
            return (
                f"only this site ({self.name}) can be reached: a token must be durable at two of"
                f" {', '.join(RANKS)}; {again}"
            )
        return f"{self.name} reaches {' and '.join(reached)}, but no leader has made it durable in time; {again}"
