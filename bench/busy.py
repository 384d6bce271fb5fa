"""A thousand lines at 9,600 Bd, all busy: what share of a core the rig takes, and when answers come.

The meters run as a user runs them, by ``smets1 up``, with octets that take their time and devices that wait before they
answer. A client on each line asks for a register, the shortest request that reads anything, and asks again as soon as
it has the answer: the line is idle only while the meter waits. The clients are plain reads and writes of prepared
frames, in a process of their own.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from bench.figures import Figure, spread
from bench.lines import CLIENT, LINES, PATIENCE, SECRET, Line, rig
from bench.meter import SERVER, Frames, get_request
from protocols.dlms.client import Client, ClientSettings
from protocols.dlms.enums import Mechanism

OCTET = 10 / 9600
"""Seconds that a character takes at 9,600 Bd 8N1."""
TURNAROUND = 0.02
"""Seconds that a meter of ``electricity-base`` waits before it answers."""
SECONDS = 4.0
SETTLING = 2.0
"""Seconds of the same work before the first that is measured: the lines open together and drift apart."""
SHARE = 0.6
"""Most of one core that the rig may take."""
LATE = 1.5
"""Most of the profile's turnaround that 99 of 100 answers may take."""
FAIR = 0.9
"""Least of the middle line's answers that any line must have had."""
LINE = "[line]\npacing = true\nturnaround = true\n"


@dataclass(slots=True)
class Round:
    """What one stretch of time showed; times in seconds."""

    waits: list[float] = field(default_factory=list[float])
    """From the last octet of a request at the device to the first of its answer."""
    answers: list[int] = field(default_factory=list[int])
    """By line."""
    passed: float = 0.0
    used: float = 0.0
    """Processor time of the rig."""
    kept: float = 0.0
    """Time that it could have run, but other work had the processor."""

    @property
    def each(self) -> float:
        """Processor time of one answer."""
        return self.used / sum(self.answers)

    @property
    def late(self) -> float:
        """What 99 of 100 waits were within."""
        return quantiles(self.waits, n=100)[98]


class Talker:
    """A client that opens an association and then asks without end."""

    __slots__ = ("count", "due", "ending", "exchange", "got", "line", "sent", "turn", "waits")

    def __init__(self, link: Path, opening: list[bytes], frames: list[bytes]) -> None:
        self.line = Line(link, frames)
        self.due = list(opening)
        self.got = bytearray()
        self.sent = 0  # octets of the latest request
        self.exchange = 0  # those of the latest that was answered, and of its answer
        self.turn = 0
        self.count = 0
        self.ending = 0.0  # when the last octet of the request reaches the device
        self.waits: list[float] | None = None

    def ask(self) -> None:
        """Write the next frame."""
        if self.due:
            frame = self.due.pop(0)
        else:
            frame = self.line.frames[self.turn & 7]
            self.turn += 1
        os.write(self.line.fd, frame)
        self.sent = len(frame)
        self.ending = time.monotonic() + len(frame) * OCTET

    def hear(self) -> None:
        """Octets have come: once they are a whole frame, ask again."""
        now = time.monotonic()
        data = os.read(self.line.fd, 4096)
        if not self.got and self.waits is not None:
            self.waits.append(now - len(data) * OCTET - self.ending)
        self.got += data
        got = self.got
        if len(got) > 2 and len(got) >= 2 + ((got[1] & 7) << 8 | got[2]):
            self.check()
            self.exchange = self.sent + len(got)
            got.clear()
            self.count += 1
            self.ask()

    def check(self) -> None:
        """A request that was not answered with data would make the measure worthless."""
        if self.turn and self.got[11:12] != b"\xc4":
            sys.exit(f"not an answer to a GET: {self.got.hex()}")


class Talkers:
    """All clients, and what they do for a while."""

    def __init__(self, links: list[Path]) -> None:
        frames = Frames(SERVER, CLIENT)
        client = Client(ClientSettings(mechanism=Mechanism.LLS, secret=SECRET), bytes)
        client.associate()
        opening = frames.opening(client.to_send()[0])
        eight = frames.eight(get_request())
        self.all = [Talker(link, opening, eight) for link in links]
        self._by_fd = {talker.line.fd: talker.hear for talker in self.all}
        self._poll = select.epoll()
        for fd in self._by_fd:
            self._poll.register(fd, select.EPOLLIN)

    def begin(self) -> None:
        """Open every association, one line after another within the time of one exchange."""
        for talker in self.all:
            talker.ask()
            self.run(0.0)
        give_up = time.monotonic() + 3 * PATIENCE
        while not all(talker.turn for talker in self.all):
            if time.monotonic() > give_up:
                sys.exit(f"{sum(not talker.turn for talker in self.all)} lines did not open")
            self.run(0.1)

    def run(self, seconds: float) -> None:
        """Talk for so long."""
        poll, by_fd, clock = self._poll, self._by_fd, time.monotonic
        end = clock() + seconds
        while True:
            for fd, _ in poll.poll(max(0.0, end - clock())):
                by_fd[fd]()
            if clock() >= end:
                return

    def measured(self, pid: int, seconds: float) -> Round:
        """Talk for so long, and see what the process takes meanwhile."""
        seen = Round()
        before = [talker.count for talker in self.all]
        for talker in self.all:
            talker.waits = seen.waits
        gc.collect()
        gc.disable()
        begun, times = time.monotonic(), _times(pid)
        self.run(seconds)
        seen.passed = time.monotonic() - begun
        seen.used, seen.kept = (after - earlier for after, earlier in zip(_times(pid), times, strict=True))
        gc.enable()
        seen.answers = [talker.count - count for talker, count in zip(self.all, before, strict=True)]
        return seen

    def full(self) -> float:
        """Answers a second of all lines that their octets and the meters' turnaround leave room for."""
        exchange = max(talker.exchange for talker in self.all) * OCTET + TURNAROUND
        return len(self.all) / exchange

    def close(self) -> None:
        self._poll.close()
        for talker in self.all:
            talker.line.close()


def _times(pid: int) -> tuple[float, float]:
    """Seconds that a process has run, and that it was ready to run and did not."""
    ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    return int(ran) / 1e9, int(waited) / 1e9


def figures(count: int) -> Iterator[Figure]:
    """Rows of the table, ``count`` rounds each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * LINES)), hard))
    with rig(LINES, LINE) as (links, pid):
        talkers = Talkers(links)
        talkers.begin()
        talkers.run(SETTLING)
        seen = [talkers.measured(pid, SECONDS) for _ in range(count)]
        full = talkers.full()
        talkers.close()
    whole = [one.each * full for one in seen]
    shares = spread([one.used / one.passed for one in seen], 100)
    rate = median(sum(one.answers) / one.passed for one in seen)
    text = (
        f"{spread(whole, 100)} % at the {full:,.0f} GET/s that fill the lines; {shares} % at {rate:,.0f} GET/s; "
        f"{spread([one.each for one in seen], 1e6)} us of the process each"
    )
    yield Figure(f"{LINES:,} busy lines at 9,600 Bd: share of a core", "<= 60 %", "45 %", text, median(whole) <= SHARE)
    late = [one.late for one in seen]
    text = (
        f"{spread(late, 1e3)} ms, half within {spread([median(one.waits) for one in seen], 1e3)} ms; "
        f"the rig was kept from running for {spread([one.kept / one.passed for one in seen], 100, '.0f')} % of the time"
    )
    met = median(late) <= LATE * TURNAROUND
    yield Figure("their turnaround, 99 of 100 within (20 ms in the profile)", "<= 30 ms", "22 ms", text, met)
    least = [min(one.answers) / median(one.answers) for one in seen]
    text = f"{spread(least, 100, '.0f')} % of the answers of the middle line"
    yield Figure("the line with the fewest answers", ">= 90 %", "97 %", text, median(least) >= FAIR)
