"""Plays one side of a recording: the meter's to a head-end, or the head-end's to a meter."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from protocols.hdlc import Frame
from protocols.sniffer import SEVEN_BITS, Kind, Message, Sniffer
from rigs.capture import CaptureError
from rigs.client import parse_client_port
from rigs.ports import PortError, PortSpec, make_port, parse_port
from rigs.proxy.head_end_side import HeadEnd, HeadEndAttachment, real_driver
from rigs.proxy.matching import Key, LinkState, answer_now, key, request_now
from rigs.proxy.meter_side import meter_line
from rigs.proxy.proxy import START
from rigs.proxy.recording import Recording
from rigs.proxy.settings import Settings, SettingsFollower

LONGEST_WAIT = 30.0
"""Seconds that a recorded pause is kept to at most."""
MAX_HEARD = 65_536
"""Messages of a meter that are kept for one request at most, and pieces that wait to be looked at."""
MAX_TIMERS = 4096
"""Answers to one head-end that may wait for their time; what is over is lost."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A message of the head-end and the meter's answers to it, each with how long after it they came, s.

    ``pause`` is how long the head-end waited before it, from the answers to the one before on, s.
    """

    key: Key
    request: Message
    answers: tuple[tuple[float, Message], ...]
    pause: float


def exchanges(recording: Recording) -> list[Exchange]:
    """What was asked, in order, and answered; raises CaptureError where nothing was."""
    found: list[Exchange] = []
    begun = last = 0.0
    answers: list[tuple[float, Message]] = []
    request: Message | None = None
    pause = 0.0
    for entry, message in recording.messages():
        if message.inbound:
            if request is not None:
                found.append(Exchange(key(request), request, tuple(answers), pause))
            request, answers, pause, begun = message, [], max(0.0, entry.at - last) if found else 0.0, entry.at
        elif request is not None:
            answers.append((max(0.0, entry.at - begun), message))
        last = entry.at
    if request is None:
        raise CaptureError("the recording has no octets of a head-end")
    return [*found, Exchange(key(request), request, tuple(answers), pause)]


def _check(recording: Recording, spec: PortSpec) -> None:
    if spec.wrapped != recording.wrapped:
        carried, wanted = ("wrapper messages", "tcp: or udp:") if recording.wrapped else ("a line", "a line's port")
        raise PortError(str(spec), f"the recording is of {carried}", f"use {wanted}")


class MeterReplay:
    """Answers head-ends at ``port`` as the meter of a recording did.

    A request is looked for from the one that was answered last on, then from the beginning. With ``pace`` answers take
    the time that they took. ``told`` hears in a sentence of requests that are not in the recording, which get no
    answer. Raises PortError, and CaptureError for a recording without requests.
    """

    def __init__(
        self,
        recording: Recording,
        port: str,
        *,
        pace: bool = False,
        settings: Settings = START,
        told: Callable[[str], None] | None = None,
        folder: Path = Path(),
    ) -> None:
        self.counters: Counter[str] = Counter()
        spec = parse_port(port)
        _check(recording, spec)
        self._wrapped = recording.wrapped
        self._exchanges = exchanges(recording)
        self._places: dict[Key, list[int]] = {}
        for place, exchange in enumerate(self._exchanges):
            self._places.setdefault(exchange.key, []).append(place)
        self._pace = pace
        self._told = told
        self._driver = real_driver()
        self._port = make_port(spec, HeadEndAttachment(self, settings), self._driver, folder)
        self._settings = settings
        self._ends: dict[HeadEnd, _Player] = {}

    @property
    def address(self) -> str:
        """What a head-end opens."""
        return self._port.address

    async def __aenter__(self) -> Self:
        self._driver.start()
        await self._port.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._port.close()
        self._driver.stop()
        await asyncio.sleep(0)

    def opened(self, end: HeadEnd) -> None:
        """A head-end is there."""
        self._ends[end] = _Player(Sniffer(wrapped=self._wrapped), LinkState(), SettingsFollower(self._settings))

    def gone(self, end: HeadEnd) -> None:
        """It has gone."""
        player = self._ends.pop(end, None)
        if player is not None:
            for timer in player.timers:
                timer.cancel()

    def arrived(self, end: HeadEnd, data: bytes) -> None:
        """Octets of it."""
        player = self._ends[end]
        for message in player.sniffer.see(True, data):
            self._answer(end, player, message)
            end.follow(player.follower.see(message))

    def _answer(self, end: HeadEnd, player: _Player, message: Message) -> None:
        if message.frame is not None:
            player.links.heard(message.frame)
        places = self._places.get(key(message))
        if places is None:
            self.counters["not in the recording"] += 1
            if self._told is not None:
                shown = message.apdu or message.octets
                self._told(f"not in the recording, so unanswered: {message.route} {shown[:24].hex().upper()}".strip())
            return
        place = next((place for place in places if place >= player.place), places[0])
        player.place = place + 1
        self.counters["answered" if self._exchanges[place].answers else "unanswered as recorded"] += 1
        loop = asyncio.get_running_loop()
        now = [timer for timer in player.timers if not timer.cancelled() and timer.when() > loop.time()]
        player.timers = now
        for number, (after, answer) in enumerate(self._exchanges[place].answers):
            octets = answer_now(answer, message, player.links, number)
            if self._pace and len(player.timers) < MAX_TIMERS:
                player.timers.append(loop.call_later(min(after, LONGEST_WAIT), end.send, octets))
            elif not self._pace:
                end.send(octets)


class _Player:
    """Where one head-end is in the recording."""

    def __init__(self, sniffer: Sniffer, links: LinkState, follower: SettingsFollower) -> None:
        self.sniffer = sniffer
        self.links = links
        self.follower = follower
        self.place = 0
        self.timers: list[asyncio.TimerHandle] = []


@dataclass(slots=True)
class Outcome:
    """What came of playing a head-end: requests sent, answered as then, answered otherwise, and not at all."""

    sent: int = 0
    same: int = 0
    different: int = 0
    unanswered: int = 0


class HeadEndReplay:
    """Says to the meter at ``port`` what the head-end of a recording said, request by request.

    Each waits for as many answers as were recorded, ``timeout`` seconds at most for each. With ``pace`` it also waits
    as long before a request as the head-end did. Raises PortError and CaptureError.
    """

    def __init__(
        self,
        recording: Recording,
        port: str,
        *,
        pace: bool = False,
        timeout: float = 5.0,
        settings: Settings = START,
    ) -> None:
        self._settings = settings
        self._spec = parse_client_port(port).spec
        _check(recording, self._spec)
        self._recording = recording
        self._exchanges = exchanges(recording)
        self._pace = pace
        self._timeout = timeout

    async def run(self, told: Callable[[str], None] | None = None) -> Outcome:
        """Play it all; ``told`` hears in a sentence of each answer that is not as it was."""
        outcome = Outcome()
        line = meter_line(self._spec)
        follower = SettingsFollower(self._settings)
        line.baud, line.character = self._settings
        await line.connect(self._timeout)
        arrived: asyncio.Queue[bytes | PortError] = asyncio.Queue(MAX_HEARD)

        def keep(what: bytes | PortError) -> None:
            if not arrived.full():
                arrived.put_nowait(what)

        line.received = keep
        line.lost = keep
        sniffer = Sniffer(wrapped=self._recording.wrapped)
        links = LinkState()
        last: Frame | None = None
        try:
            for number, exchange in enumerate(self._exchanges, 1):
                if self._pace:
                    await asyncio.sleep(min(max(0.0, exchange.pause), LONGEST_WAIT))
                octets = request_now(exchange.request, last, links)
                sniffer.see(True, octets)
                settings = follower.see(exchange.request)
                if exchange.request.octets[:1].translate(SEVEN_BITS) == b"/":
                    await line.set(*settings)
                line.send(octets)
                outcome.sent += 1
                if settings != (line.baud, line.character):
                    await line.set(*settings, len(octets))
                heard = await self._heard(sniffer, arrived, len(exchange.answers))
                for message in heard:
                    if message.frame is not None:
                        links.heard(message.frame)
                        last = message.frame
                self._judge(number, exchange, heard, outcome, told)
        finally:
            line.close()
        return outcome

    async def _heard(self, sniffer: Sniffer, arrived: asyncio.Queue[bytes | PortError], wanted: int) -> list[Message]:
        """So many messages of the meter, fewer when no more come in time."""
        found: list[Message] = []
        while len(found) < min(wanted, MAX_HEARD):
            try:
                async with asyncio.timeout(self._timeout):
                    data = await arrived.get()
            except TimeoutError:
                return found + sniffer.flush()
            if isinstance(data, PortError):
                raise data
            found += sniffer.see(False, data)
        return found

    def _judge(
        self,
        number: int,
        exchange: Exchange,
        heard: list[Message],
        outcome: Outcome,
        told: Callable[[str], None] | None,
    ) -> None:
        before = [key(message) for _, message in exchange.answers]
        after = [key(message) for message in heard if message.kind is not Kind.NOISE]
        if before == after:
            outcome.same += 1
            return
        if before and not after:
            outcome.unanswered += 1
            text = "not answered"
        else:
            outcome.different += 1
            text = f"answered otherwise: {' '.join(message.octets.hex().upper() for message in heard)[:120]}"
        if told is not None:
            told(f"request {number}, {exchange.request.octets[:24].hex().upper()}: {text}")
