"""GET over pseudo terminals: one line beside an asyncio echo, and a thousand lines of one process together.

The meters run as a user runs them, by ``smets1 up``; the clients are plain reads and writes of prepared frames.
"""

from __future__ import annotations

import os
import resource
import select
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figures import Figure, folder, middle, ratios, rounds, spread
from bench.meter import READER, SERVER, Frames, get_request
from protocols.dlms.client import Client, ClientSettings
from protocols.dlms.enums import Mechanism

LINES = 1000
SECONDS = 0.5
SLICES = 10
PATIENCE = 60.0
SECRET = b"12345678"
CLIENT = 32
"""SAP of the association with a password."""
HERE = Path(__file__).parent


class Line:
    """A client's end of a terminal, set to 9,600 Bd, and where it is in its eight frames."""

    __slots__ = ("awaited", "fd", "frames", "turn")

    def __init__(self, path: Path | str, frames: list[bytes]) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.fd)
        settings = termios.tcgetattr(self.fd)
        settings[4] = settings[5] = termios.B9600
        termios.tcsetattr(self.fd, termios.TCSANOW, settings)
        self.frames = frames
        self.turn = 0
        self.awaited = 0

    def ask(self, frame: bytes, size: int | None = None) -> bytes:
        """The answer to a frame: ``size`` octets, or one whole frame."""
        os.write(self.fd, frame)
        answer = b""
        while True:
            ready, _, _ = select.select([self.fd], [], [], PATIENCE)
            if not ready:
                sys.exit(f"no answer to {frame.hex()} after {PATIENCE:.0f} s, only {answer.hex()!r}")
            answer += os.read(self.fd, 4096)
            wanted = size
            if wanted is None and len(answer) > 2:
                wanted = 2 + ((answer[1] & 7) << 8 | answer[2])
            if wanted is not None and len(answer) >= wanted:
                return answer

    def close(self) -> None:
        os.close(self.fd)


def round_trips(line: Line, size: int, seconds: float) -> float:
    """Round trips a second on one line, one request under way at a time."""
    read, write, fd, frames, clock = os.read, os.write, line.fd, line.frames, time.perf_counter
    count, begin = 0, clock()
    end = begin + seconds
    while (now := clock()) < end:
        write(fd, frames[count & 7])
        got = len(read(fd, 4096))
        while got < size:
            got += len(read(fd, 4096))
        count += 1
    while count & 7:  # the next round begins with the first frame
        line.ask(frames[count & 7], size)
        count += 1
    return count / (now - begin)


def used_by(pid: int) -> int:
    """Nanoseconds that a process has run."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def together(lines: list[Line], size: int, seconds: float) -> tuple[float, int]:
    """Round trips a second of all lines, one request under way on each, and how many there were in all.

    Every line ends where it began.
    """
    poll = select.epoll()
    by_fd = {line.fd: line for line in lines}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    read, write, clock = os.read, os.write, time.perf_counter
    for line in lines:
        line.awaited = size
        write(line.fd, line.frames[0])
    count, busy, begin = 0, len(lines), clock()
    end, measured, counted = begin + seconds, 0.0, 0
    while busy:
        for fd, _ in poll.poll():
            line = by_fd[fd]
            line.awaited -= len(read(fd, 4096))
            if line.awaited > 0:
                continue
            count += 1
            line.turn = (line.turn + 1) & 7
            if not measured or line.turn:
                line.awaited = size
                write(fd, line.frames[line.turn])
            else:
                busy -= 1
        if not measured and (now := clock()) >= end:
            measured, counted = now - begin, count
    poll.close()
    return counted / measured, count


@contextmanager
def rig(count: int, extra: str = "") -> Iterator[tuple[list[Path], int]]:
    """``smets1 up`` with so many electricity meters on terminals; their links and the process.

    ``extra`` is more of the rig file.
    """
    with folder() as place:
        (place / "rig.toml").write_text(
            f'seed = 1\n[[premises]]\nname = "p"\ncount = {count}\n'
            f'[premises.electricity.keys]\n"{READER}.secret" = "{SECRET.hex()}"\n'
            f'[premises.electricity.ports]\noptical = "pty:./{{premises}}"\n{extra}'
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "rigs", "up", "rig.toml"],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
            stdout=subprocess.DEVNULL,
        )
        links = [place / "p"] if count == 1 else [place / f"p-{number}" for number in range(count)]
        give_up = time.monotonic() + PATIENCE
        while not all(link.exists() for link in links):
            if process.poll() is not None or time.monotonic() > give_up:
                sys.exit(f"smets1 up did not open its {count} terminals; its message is above")
            time.sleep(0.05)
        try:
            yield links, process.pid
        finally:
            process.terminate()
            process.wait(PATIENCE)


@contextmanager
def echo(request: int, reply: int) -> Iterator[str]:
    """The floor, with requests and replies of these sizes; the path of its terminal."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "echo.py"), str(request), str(reply)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def opened(link: Path, frames: Frames) -> Line:
    """An association on a terminal."""
    client = Client(ClientSettings(mechanism=Mechanism.LLS, secret=SECRET), bytes)
    opening = client.associate()
    snrm, aarq = frames.opening(client.to_send()[0])
    line = Line(link, frames.eight(get_request()))
    line.ask(snrm)
    client.receive(frames.apdu(line.ask(aarq)))
    opening.result()
    return line


def warmed(line: Line) -> int:
    """Each of the eight requests once; the size of their answers."""
    sizes = {len(line.ask(frame)) for frame in line.frames}
    if len(sizes) != 1:
        sys.exit(f"answers of different sizes: {sizes}")
    return sizes.pop()


def figures(count: int) -> Iterator[Figure]:
    """Rows of the table, ``count`` rounds each."""
    frames = Frames(SERVER, CLIENT)
    with rig(1) as ((link,), _):
        line = opened(link, frames)
        size = warmed(line)
        with echo(len(line.frames[0]), size) as path:
            floor = Line(path, line.frames)
            ours, least = [], []
            for _ in range(count):
                # Where the scheduler puts both ends lasts for a while: many short stretches in turn meet the same luck.
                parts = rounds(
                    SLICES, *(lambda end=end: round_trips(end, size, SECONDS / SLICES) for end in (line, floor))
                )
                ours.append(SLICES / sum(1 / rate for rate in parts[0]))
                least.append(SLICES / sum(1 / rate for rate in parts[1]))
            floor.close()
        line.close()
    ratio = ratios(ours, least)
    text = f"{spread(ratio, form='.2f')}; {spread(ours, form=',.0f')}/s against {spread(least, form=',.0f')}/s"
    yield Figure("GET round trips on one pty", ">= 0.7 of asyncio echo", "0.85", text, middle(ratio) >= 0.7)

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * LINES)), hard))
    with rig(LINES) as (links, pid):
        lines = [opened(link, Frames(SERVER, CLIENT)) for link in links]
        size = warmed(lines[0])
        for each in lines[1:]:
            warmed(each)
        used: list[float] = []

        def one_round() -> float:
            before = used_by(pid)
            rate, count_of = together(lines, size, 2 * SECONDS)
            used.append((used_by(pid) - before) / count_of)
            return rate

        (rate,) = rounds(count, one_round)
        for each in lines:
            each.close()
    text = f"{spread(rate, form=',.0f')}/s; {spread(used, 1e-3)} us of the process each"
    yield Figure(f"GET/s over {LINES:,} ptys, one process", ">= 20,000", "40,000", text, middle(rate) >= 20_000)
