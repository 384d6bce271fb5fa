"""What a mobile network does to the lines of a hub: the ways in which the WAN fails.

Each function breaks the WAN of a site and returns what mends it; the faults are those of :mod:`emulator.faults.wan`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import ref

from emulator import telling
from emulator.device import NEVER
from emulator.faults.damage import Delay, around, delay_text
from emulator.faults.wire import on_lines, owner_of
from emulator.gate import Blow, Hazard, unharmed
from emulator.lines import Lines
from emulator.ports import SENT, Transport
from emulator.time import MILLISECOND, SECOND

if TYPE_CHECKING:
    from random import Random

    from emulator.faults.fault import End, Site
    from emulator.ports import Stack
    from protocols.sniffer import Message

WEAK: Final = -100
"""dBm below which packets are lost."""
PER_MILLE: Final = 1000
_LOST_PER_DECIBEL = 25
"""Of a thousand packets, for each decibel below that."""
_LINE: Final = telling.Layer.LINE
_ALL = "all"  # lines of the hub
_BITS = 8
_TRIES = 6
"""How often TCP sends a segment anew, each time after twice as long, before it gives up."""


class _Wan(Hazard):
    """What the WAN does on one line of the hub; it does not keep a connection from being forgotten."""

    __slots__ = ("_stack", "closes")

    def __init__(self, site: Site, name: str, stack: Stack) -> None:
        super().__init__(owner_of(site, name))
        self._stack = ref(stack)
        self.closes = stack.transport is Transport.TCP
        """Whether there is a connection that can be closed."""

    @property
    def gone(self) -> bool:
        """Whether the connection is closed, or about to be."""
        stack = self._stack()
        return stack is None or stack.drop or not stack.up

    def close(self) -> None:
        """Have the connection closed once this call is over."""
        stack = self._stack()
        if self.closes and stack is not None:
            stack.drop = True

    def hang_up(self, why: str) -> None:
        """Have the connection closed now."""
        stack = self._stack()
        if self.closes and stack is not None and stack.up:
            stack.note("connections closed", f"{self.owner}: {why}", layer=_LINE)
            stack.drop = True
            stack.transmit(b"")


# --- nothing passes


class _Lost(_Wan):
    """Nothing passes, in one direction or in both."""

    __slots__ = ("_from_hub", "_to_hub")

    def __init__(self, site: Site, name: str, stack: Stack, *, to_hub: bool = True, from_hub: bool = True) -> None:
        super().__init__(site, name, stack)
        self._to_hub = to_hub
        self._from_hub = from_hub

    def hit(self, message: Message, now: int) -> Blow:
        """It is lost, or passes."""
        return Blow(0, (), "lost on the WAN") if self._lost(message.inbound) else unharmed(message)

    def _lost(self, inbound: bool) -> bool:
        return self._to_hub if inbound else self._from_hub


def down(site: Site) -> End:
    """Nothing passes."""
    return on_lines(site, lambda stack, _: _Lost(site, "wan-down", stack), _ALL)


def one_way(site: Site) -> End:
    """Nothing passes in one direction, the parameter ``way``."""
    to_hub = site.word("way") == "to-hub"

    def make(stack: Stack, _: Random) -> Hazard:
        return _Lost(site, "wan-one-way", stack, to_hub=to_hub, from_hub=not to_hub)

    return on_lines(site, make, _ALL)


def half_open(site: Site) -> End:
    """TCP connections that are open lead nowhere; when it ends they are closed."""
    forgotten: list[_Wan] = []
    begun = False

    def make(stack: Stack, _: Random) -> Hazard | None:
        if begun or not stack.up or stack.transport is not Transport.TCP:
            return None
        forgotten.append(_Lost(site, "wan-half-open", stack))
        return forgotten[-1]

    safe = on_lines(site, make, _ALL)
    begun = True

    def end() -> None:
        safe()
        for each in forgotten:
            each.hang_up("the connection was forgotten: closed")

    return end


class _Unreachable(_Lost):
    """Connections are closed before a word."""

    __slots__ = ()

    def opened(self, now: int) -> None:
        """Turn the connection away."""
        self.hang_up("the address leads nowhere: connection closed")


def unreachable(site: Site) -> End:
    """TCP connections are closed, those to come too; nothing else passes."""

    def make(stack: Stack, _: Random) -> Hazard:
        found = _Unreachable(site, "wan-unreachable", stack)
        if stack.line is not None:  # which was there before
            found.opened(stack.line.line_time())
        return found

    return on_lines(site, make, _ALL)


# --- connections that are closed or forgotten


class _Resetting(_Wan):
    """Closes the connection in place of passing a message on, by chance."""

    __slots__ = ("_chance", "_per_mille")

    def __init__(self, site: Site, stack: Stack, chance: Random) -> None:
        super().__init__(site, "wan-resets", stack)
        self._chance = chance
        self._per_mille = site.number("per_mille")

    def hit(self, message: Message, now: int) -> Blow:
        """It passes, or the connection is closed."""
        if self.gone:
            return Blow(0, (), "lost: the connection is closed")
        if self._chance.randrange(PER_MILLE) >= self._per_mille:
            return unharmed(message)
        self.close()
        return Blow(0, (), "lost, and the connection closed")


def resets(site: Site) -> End:
    """TCP connections are closed by chance, ``per_mille`` of the messages."""

    def make(stack: Stack, chance: Random) -> Hazard | None:
        return _Resetting(site, stack, chance) if stack.transport is Transport.TCP else None

    return on_lines(site, make, _ALL)


class _Forgetful(_Wan):
    """What the network translates addresses by forgets a connection on which nothing has passed for so long."""

    __slots__ = ("_closing", "_idle", "_last", "forgotten")

    def __init__(self, site: Site, stack: Stack) -> None:
        super().__init__(site, "wan-idle-timeout", stack)
        self._idle = site.number("seconds") * SECOND
        self._closing = site.word("how") == "closed"
        self._last = NEVER if stack.line is None else stack.line.line_time()
        self.forgotten = False

    def opened(self, now: int) -> None:
        """From now on nothing passes until something does."""
        self._last = now

    def hit(self, message: Message, now: int) -> Blow:
        """It passes, unless it comes too late."""
        if self.forgotten or now - self._last >= self._idle:
            self.forgotten = True
            return Blow(0, (), "lost: the network has forgotten the connection")
        self._last = now
        return unharmed(message)

    def next_due(self) -> int | None:
        """When it forgets the connection."""
        return None if self.forgotten or self._last == NEVER else self._last + self._idle

    def due(self, now: int) -> tuple[bytes, bytes]:
        """It forgets the connection, and may say so."""
        self.forgotten = True
        if self._closing:
            self.close()
        return b"", b""


def idle_timeout(site: Site) -> End:
    """TCP connections are forgotten after ``seconds`` without a message; ``how`` is what is seen of it."""
    made: list[_Forgetful] = []

    def make(stack: Stack, _: Random) -> Hazard | None:
        if stack.transport is not Transport.TCP:
            return None
        made[:] = [each for each in made if not each.gone]
        made.append(_Forgetful(site, stack))
        return made[-1]

    safe = on_lines(site, make, _ALL)

    def end() -> None:
        safe()
        for each in made:
            if each.forgotten:
                each.hang_up("the connection was forgotten: closed")

    return end


# --- late and lost


class _Late(_Wan):
    """Messages come late."""

    __slots__ = ("_chance", "_delay")

    def __init__(self, site: Site, stack: Stack, delay: Delay, chance: Random) -> None:
        super().__init__(site, "wan-latency", stack)
        self._delay = delay
        self._chance = chance

    def hit(self, message: Message, now: int) -> Blow:
        """It passes later."""
        delay = self._delay(self._chance)
        return Blow(delay, (message.octets,), delay_text(delay))


def latency(site: Site) -> End:
    """Messages come later, by a ``distribution`` of ``mean`` and ``spread`` ms."""
    mean, spread = site.number("mean") * MILLISECOND, site.number("spread") * MILLISECOND
    delay = around(site.word("distribution"), mean, spread)
    return on_lines(site, lambda stack, chance: _Late(site, stack, delay, chance), _ALL)


class _Narrow(_Wan):
    """So many bits a second, in each direction."""

    __slots__ = ("_busy", "_rate")

    def __init__(self, site: Site, stack: Stack) -> None:
        super().__init__(site, "wan-bandwidth", stack)
        self._rate = site.number("rate")
        self._busy = {True: 0, False: 0}

    def hit(self, message: Message, now: int) -> Blow:
        """It passes once all before it has, and its own octets."""
        begin = max(now, self._busy[message.inbound])
        end = begin + len(message.octets) * _BITS * SECOND // self._rate
        self._busy[message.inbound] = end
        return Blow(end - now, (message.octets,), delay_text(end - now))


def bandwidth(site: Site) -> End:
    """Messages pass at ``rate`` bit/s."""
    return on_lines(site, lambda stack, _: _Narrow(site, stack), _ALL)


class _Lossy(_Wan):
    """Packets are lost: datagrams and octets of a serial line for good, on TCP until they are sent again."""

    __slots__ = ("_chance", "_gives_up", "_per_mille", "_resend")

    def __init__(self, site: Site, name: str, stack: Stack, chance: Random, per_mille: int) -> None:
        super().__init__(site, name, stack)
        self._gives_up: int | None = None
        self._chance = chance
        self._per_mille = per_mille
        self._resend = site.number("resend") * MILLISECOND

    def hit(self, message: Message, now: int) -> Blow:
        """It passes, is lost, or comes later."""
        if self._gives_up is not None:
            return Blow(0, (), "lost on the WAN: what came before it is not through")
        times = 0
        while times <= _TRIES and self._chance.randrange(PER_MILLE) < self._per_mille:
            times += 1
        if not times:
            return unharmed(message)
        if not self.closes:
            return Blow(0, (), "lost on the WAN")
        late = self._resend * ((1 << times) - 1)
        if times > _TRIES:
            self._gives_up = now + late
            return Blow(0, (), f"lost on the WAN {times} times: TCP gives up")
        return Blow(late, (message.octets,), f"lost on the WAN {times} times and sent again")

    def next_due(self) -> int | None:
        """When TCP has given up."""
        return None if self.gone else self._gives_up

    def due(self, now: int) -> tuple[bytes, bytes]:
        """TCP has given up."""
        self.close()
        return b"", b""


def _lossy(site: Site, name: str, per_mille: int) -> End:
    return on_lines(site, lambda stack, chance: _Lossy(site, name, stack, chance, per_mille), _ALL)


def loss(site: Site) -> End:
    """``per_mille`` of the packets are lost."""
    return _lossy(site, "wan-loss", site.number("per_mille"))


def weak_signal(site: Site) -> End:
    """The signal is so many ``decibels`` weaker, and packets are lost accordingly."""
    hub, decibels = site.hub, site.number("decibels")
    hub.settle()
    hub.signal_loss += decibels
    lost = min(max((WEAK - hub.signal) * _LOST_PER_DECIBEL, 0), PER_MILLE - 1)
    safe = _lossy(site, "wan-weak-signal", lost)

    def end() -> None:
        safe()
        hub.signal_loss -= decibels

    return end


# --- what the hub says unasked


def lost_pushes(site: Site) -> End:
    """``per_mille`` of what is sent unasked is lost."""
    chance, per_mille, owner = site.chance, site.number("per_mille"), owner_of(site, "wan-lost-pushes")

    def passes(stack: Stack) -> bool:
        lost = chance.randrange(PER_MILLE) < per_mille
        if lost:
            stack.note(SENT, f"{owner}: what was sent unasked is lost on the WAN", layer=_LINE)
        return not lost

    return Lines.of(site.device).censor(passes)
