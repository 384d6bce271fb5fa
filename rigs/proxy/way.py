"""The way of one head-end to the meter and back: what holds messages back, and what follows the line's settings."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from emulator.faults.damage import Damager
from emulator.time import SECOND
from protocols.sniffer import SEVEN_BITS, Message, Sniffer
from rigs.client.lines import Line
from rigs.driver import utc_ns
from rigs.ports import PortError, Tap
from rigs.proxy.head_end_side import HeadEnd
from rigs.proxy.meter_side import meter_line
from rigs.proxy.settings import QUIET, Settings, SettingsFollower

if TYPE_CHECKING:
    from rigs.proxy.proxy import Proxy

SILENCE = 0.25
"""Seconds after which octets that make no message yet go on as they are, where there is damage."""
BACKLOG = 1 << 20
"""Octets that one direction of a line holds back at most; what is over is lost."""


class _Lane:
    """One direction of a way: messages and settings in order, each when it is due."""

    def __init__(self, deliver: Callable[[bytes], None], follow: Callable[[Settings], None]) -> None:
        self._deliver = deliver
        self._follow = follow
        self._held: deque[tuple[float, bytes | Settings]] = deque()
        self._octets = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def put(self, item: bytes | Settings, delay: float) -> bool:
        """Hand octets on, or settings, after ``delay`` s, not before those put earlier; False where too many wait."""
        loop = asyncio.get_running_loop()
        octets = len(item) if isinstance(item, bytes) else 0
        if self._octets + octets > BACKLOG:
            return False
        self._due = max(self._due, loop.time() + delay)
        if not self._held and self._due <= loop.time():
            self._hand_on(item)
            return True
        self._held.append((self._due, item))
        self._octets += octets
        if self._timer is None:
            self._timer = loop.call_at(self._due, self._expired)
        return True

    def _expired(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._held and self._held[0][0] <= loop.time():
            _, item = self._held.popleft()
            self._octets -= len(item) if isinstance(item, bytes) else 0
            self._hand_on(item)
        if self._held:
            self._timer = loop.call_at(self._held[0][0], self._expired)

    def _hand_on(self, item: bytes | Settings) -> None:
        if isinstance(item, bytes):
            self._deliver(item)
        else:
            self._follow(item)

    def close(self) -> None:
        """What waits is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._held.clear()
        self._octets = 0


class Way:
    """The way from one head-end to the meter and back."""

    def __init__(self, proxy: Proxy, end: HeadEnd, number: int, tap: Tap | None) -> None:
        options = proxy.options
        self.number = number
        self._proxy = proxy
        self._end = end
        self._tap = tap
        self._sniffer = Sniffer(wrapped=proxy.head_end.wrapped)
        self._damagers = {
            True: Damager(options.to_meter, options.seed, f"proxy {number} to meter"),
            False: Damager(options.to_head_end, options.seed, f"proxy {number} to head-end"),
        }
        self._lanes = {True: _Lane(self._to_meter, self._settle), False: _Lane(end.send, end.follow)}
        self._follower = SettingsFollower(options.settings)
        self._settings = self._said = options.settings
        self._silence: asyncio.TimerHandle | None = None
        self._quiet: asyncio.TimerHandle | None = None
        self._line: Line | None = None
        self._outgoing: asyncio.Queue[bytes | Settings] = asyncio.Queue()
        self._waiting = 0  # octets in it
        self._task = asyncio.get_running_loop().create_task(self._carry())

    # -- from either side --------------------------------------------------------------------------------------------

    def from_head_end(self, data: bytes) -> None:
        """Octets of the head-end."""
        rate = self._end.transport.rate()
        if data[:1].translate(SEVEN_BITS) == b"/" and not self._proxy.head_end.wrapped:
            self._follower.begin()  # at once, not when the whole request has come
            self._follow(self._follower.settings)
        if rate:
            self._set(Settings(rate, self._end.transport.framing() or self._said.framing))
        self._through(True, data)

    def _from_meter(self, data: bytes) -> None:
        self._through(False, data)

    def _through(self, inbound: bool, data: bytes) -> None:
        self._proxy.saw(self.number, inbound, data)
        if self._tap is not None:
            self._tap(utc_ns(), inbound, data)
        messages = self._sniffer.see(inbound, data)
        if self._proxy.cuts:
            self._await_silence()
        else:
            self._put(inbound, data, 0.0)
        for message in messages:
            self._message(message)

    def _message(self, message: Message) -> None:
        if self._proxy.cuts:
            blow = self._damagers[message.inbound].hit(message)
            if blow.remark:
                direction = "to the meter" if message.inbound else "to the head-end"
                self._proxy.counters["damaged"] += 1
                self._proxy.note(self.number, f"{direction}, {len(message.octets)} octets: {blow.remark}")
            for octets in blow.sendings:
                self._put(message.inbound, octets, blow.delay / SECOND)
        self._follow(self._follower.see(message))

    def _put(self, inbound: bool, data: bytes, delay: float) -> None:
        if not self._lanes[inbound].put(data, delay):
            self._proxy.counters["octets lost"] += len(data)
            self._proxy.note(self.number, f"{len(data)} octets lost: more than {BACKLOG} wait to go on")

    def _await_silence(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
        self._silence = asyncio.get_running_loop().call_later(SILENCE, self._silent)

    def _silent(self) -> None:
        self._silence = None
        for message in self._sniffer.flush():
            self._message(message)

    # -- settings ----------------------------------------------------------------------------------------------------

    def _follow(self, settings: Settings) -> None:
        """Set both ends as what was said asks for, if that is something new."""
        if self._proxy.head_end.wrapped:
            return
        if self._quiet is not None:
            self._quiet.cancel()
        self._quiet = asyncio.get_running_loop().call_later(QUIET, self._rest)
        if settings != self._said:
            self._said = settings
            self._set(settings)

    def _rest(self) -> None:
        self._quiet = None
        self._follower.reset()
        self._follow(self._follower.settings)

    def _set(self, settings: Settings) -> None:
        if settings == self._settings:
            return
        self._settings = settings
        self._proxy.note(self.number, f"{settings.baud} Bd {settings.framing}")
        for lane in self._lanes.values():
            lane.put(settings, 0.0)

    # -- the meter's line --------------------------------------------------------------------------------------------

    def _to_meter(self, data: bytes) -> None:
        if self._waiting + len(data) > BACKLOG:
            self._proxy.counters["octets lost"] += len(data)
            return
        self._waiting += len(data)
        self._outgoing.put_nowait(data)

    def _settle(self, settings: Settings) -> None:
        self._outgoing.put_nowait(settings)

    async def _carry(self) -> None:
        """Make the way to the meter, then send what is for it, in order with the line's settings."""
        try:
            line = self._line = meter_line(self._proxy.meter)
            line.baud, line.character = self._settings
            await line.connect(self._proxy.options.timeout)
            line.received = self._from_meter
            line.lost = self._lost
            sent = 0
            while True:
                item = await self._outgoing.get()
                if isinstance(item, bytes):
                    self._waiting -= len(item)
                    line.send(item)
                    sent = len(item)
                elif item != (line.baud, line.character):
                    await line.set(item.baud, item.framing, sent)
                    sent = 0
        except PortError as error:
            self._lost(error)

    def _lost(self, error: PortError) -> None:
        self._proxy.counters["meter lost"] += 1
        self._proxy.note(self.number, f"no way to the meter: {error}")
        end = self._end
        self._proxy.gone(end)
        end.there = False
        end.transport.hang_up()

    def close(self) -> None:
        """Leave the meter."""
        for timer in (self._silence, self._quiet):
            if timer is not None:
                timer.cancel()
        for lane in self._lanes.values():
            lane.close()
        if self._tap is not None:
            self._tap(utc_ns(), True, b"")
        if self._line is not None:
            self._line.close()
        if self._task is not asyncio.current_task():
            self._task.cancel()
