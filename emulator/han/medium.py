"""The air of one dwelling: how strongly its radios hear each other, what gets lost, and which way a frame can go.

What is assumed. A radio sends at its ``power`` and attenuation follows the distance with exponent 3, as through the
walls of a house, from 40 dB at a metre (2.4 GHz). Every pair has its own shadowing, normal with 6 dB, and a slow fading
of up to 3 dB that changes by the hour; both ways are the same, as they are in air. Noise is at -95 dBm. Whoever
interferes adds its power to the noise on its channels. Of frames at 2 dB above the noise half are lost; 1.5 dB more
or less changes the odds by ten. Below the sensitivity of -97 dBm nothing is heard. The link quality (LQI) goes evenly
from 0 at 2 dB above the noise to 255 at 38 dB.

Levels are whole dB and dBm. Nothing ticks: a link is worked out when a frame is sent over it, and kept until the hour,
the attenuation or the interference changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from random import Random
from typing import NamedTuple

from emulator.time import HOUR, Clock, stream

FIRST_CHANNEL, LAST_CHANNEL = 11, 26
"""Channels of 2.4 GHz."""
ALL_CHANNELS = sum(1 << channel for channel in range(FIRST_CHANNEL, LAST_CHANNEL + 1))
NOISE, SENSITIVITY = -95, -97
TRIES = 4
"""How often the MAC layer sends a frame that is not acknowledged: macMaxFrameRetries is 3 (IEEE 802.15.4, 7.4.2)."""

_AT_A_METRE, _EXPONENT = 40, 30  # dB; dB a decade
_SHADOWING, _FADING = 6.0, 3  # dB
_HALF_LOST, _DECADE = 2.0, 1.5  # dB above the noise; dB for odds of ten
_USABLE = 3  # dB above the noise at which nine of ten frames are lost no longer
_BEST = 38  # dB above the noise with the best LQI
_CERTAIN = 1 << 16
_NEAREST = 10  # cm


class Place(NamedTuple):
    """Where a radio is in the dwelling, cm."""

    x: int
    y: int
    z: int = 0


class Radio:
    """One radio on the air. It hears and is heard while ``on``; ``power`` in dBm, ``loss`` of its antenna in dB."""

    __slots__ = ("channel", "eui64", "loss", "name", "on", "place", "power", "silenced")

    def __init__(self, name: str, eui64: bytes, place: Place, channel: int, power: int = 3) -> None:
        """``name`` is that of its device, by which chance is drawn; ``eui64`` has 8 octets."""
        if not FIRST_CHANNEL <= channel <= LAST_CHANNEL:
            raise ValueError(f"channel {channel}: channels of 2.4 GHz are {FIRST_CHANNEL} to {LAST_CHANNEL}")
        self.name = name
        self.eui64 = eui64
        self.place = place
        self.channel = channel
        self.power = power
        self.loss = 0
        self.on = True
        self.silenced = 0
        """How many keep it from the air."""


class Link(NamedTuple):
    """How one radio hears another: ``rssi`` in dBm, ``lqi`` 0 to 255, ``loss`` of 65,536 frames."""

    rssi: int
    lqi: int
    loss: int

    @property
    def usable(self) -> bool:
        """Whether at least one frame of ten gets through."""
        return self.loss * 10 <= _CERTAIN * 9


class Delivery(NamedTuple):
    """What became of a frame: ``link`` as it was, ``tries`` on the air, whether one was ``received``."""

    link: Link
    tries: int
    received: bool


class Interference:
    """Something else that sends on ``channels`` (a bit each) at ``level`` dBm until :meth:`end`."""

    __slots__ = ("_ended", "channels", "level")

    def __init__(self, channels: int, level: int, ended: Callable[[Interference], None]) -> None:
        self.channels = channels
        self.level = level
        self._ended = ended

    def end(self) -> None:
        """It is quiet again. Ending twice does no harm."""
        self._ended(self)


SILENCE = Link(-128, 0, _CERTAIN)
"""A link over which nothing is heard."""


class Medium:
    """The air of one dwelling; ``name`` is the dwelling's."""

    __slots__ = (
        "_attenuation",
        "_chance",
        "_clock",
        "_interference",
        "_links",
        "_name",
        "_seed",
        "_until",
        "changed",
        "radios",
    )

    def __init__(self, clock: Clock, seed: int, name: str) -> None:
        self._clock = clock
        self._seed = seed
        self._name = name
        self._chance: Random | None = None
        self._attenuation: dict[frozenset[str], int] = {}
        self._interference: list[Interference] = []
        self._links: dict[tuple[Radio, Radio], Link] = {}
        self._until = 0
        self.radios: list[Radio] = []
        self.changed: Callable[[], None] | None = None
        """Called when links have become other than they were, but for what the hour changes."""

    def add(self, radio: Radio) -> None:
        """A radio is brought into the dwelling."""
        self.radios.append(radio)

    def remove(self, radio: Radio) -> None:
        """A radio is taken away."""
        self.radios.remove(radio)
        self._links.clear()

    def moved(self) -> None:
        """Radios are elsewhere, or on another channel."""
        self._changed()

    # --- what makes it worse

    def attenuate(self, one: Radio, other: Radio, decibels: int) -> None:
        """Put something between two radios that takes ``decibels`` from both ways; 0 takes it away."""
        self._attenuation[frozenset((one.name, other.name))] = decibels
        self._changed()

    def attenuation(self, one: Radio, other: Radio) -> int:
        """What stands between two radios, dB."""
        return self._attenuation.get(frozenset((one.name, other.name)), 0)

    def silence(self, radio: Radio) -> Callable[[], None]:
        """Keep a radio from the air until what is returned is called, once or more; of several, until the last is."""
        silenced = True

        def end() -> None:
            nonlocal silenced
            if silenced:
                silenced = False
                silence(-1)

        def silence(more: int) -> None:
            radio.silenced += more
            radio.on = not radio.silenced
            self._changed()

        silence(1)
        return end

    def interfere(self, channels: int = ALL_CHANNELS, level: int = -60) -> Interference:
        """Begin to interfere at ``level`` dBm, as every radio hears it, on ``channels`` (bit n is channel n)."""
        interference = Interference(channels, level, self._quieter)
        self._interference.append(interference)
        self._changed()
        return interference

    def burst(self, duration: int, channels: int = ALL_CHANNELS, level: int = -60) -> Interference:
        """Interfere for ``duration`` ns from now on."""
        interference = self.interfere(channels, level)
        self._clock.schedule(self._clock.now + duration, interference.end)
        return interference

    def _quieter(self, interference: Interference) -> None:
        if interference in self._interference:
            self._interference.remove(interference)
            self._changed()

    def _changed(self) -> None:
        self._links.clear()
        if self.changed is not None:
            self.changed()

    def noise(self, channel: int) -> int:
        """Noise and interference on a channel, dBm: what an energy scan finds."""
        levels = [item.level for item in self._interference if item.channels >> channel & 1]
        return round(10 * math.log10(sum(10 ** (level / 10) for level in (NOISE, *levels))))

    # --- links

    def link(self, sender: Radio, receiver: Radio) -> Link:
        """How ``receiver`` hears ``sender`` now."""
        if self._clock.now >= self._until:
            self._until = self._clock.now - self._clock.now % HOUR + HOUR
            self._links.clear()
        if not (sender.on and receiver.on) or sender.channel != receiver.channel or sender is receiver:
            return SILENCE
        pair = sender, receiver
        found = self._links.get(pair)
        if found is None:
            found = self._links[pair] = self._work_out(sender, receiver)
        return found

    def is_marginal(self, sender: Radio, receiver: Radio) -> bool:
        """Whether fading alone can make the link usable, or not, from one hour to the next."""
        if not (sender.on and receiver.on) or sender.channel != receiver.channel or sender is receiver:
            return False
        limit = max(SENSITIVITY, self.noise(receiver.channel) + _USABLE)
        return abs(self._level(sender, receiver) - limit) <= 2 * _FADING

    def _level(self, sender: Radio, receiver: Radio) -> int:
        """How strongly ``receiver`` hears ``sender`` in this hour, dBm."""
        names = frozenset((sender.name, receiver.name))
        between = "/".join(sorted(names))
        shadowing = stream(self._seed, between, "shadowing").gauss(0.0, _SHADOWING)
        hour = stream(self._seed, between, f"fading {self._until // HOUR}")
        metres = max(math.dist(sender.place, receiver.place), _NEAREST) / 100
        path = _AT_A_METRE + _EXPONENT * math.log10(metres) + shadowing + hour.randint(-_FADING, _FADING)
        return min(0, round(sender.power - path - sender.loss - receiver.loss - self._attenuation.get(names, 0)))

    def _work_out(self, sender: Radio, receiver: Radio) -> Link:
        rssi = self._level(sender, receiver)
        if rssi < SENSITIVITY:
            return SILENCE
        above = rssi - self.noise(receiver.channel)
        loss = round(_CERTAIN / (1 + 10 ** ((above - _HALF_LOST) / _DECADE)))
        lqi = round(255 * (above - _HALF_LOST) / (_BEST - _HALF_LOST))
        return Link(rssi, max(0, min(255, lqi)), loss)

    def hears(self, sender: Radio, receiver: Radio) -> Link | None:
        """Send one frame that nobody acknowledges: the link it came over, None when it was lost."""
        link = self.link(sender, receiver)
        return link if self._survives(link) else None

    def send(self, sender: Radio, receiver: Radio, tries: int = TRIES) -> Delivery:
        """Send one frame until it is acknowledged, ``tries`` times at most.

        An acknowledgement may be lost as well: the frame has been received then, and is sent again all the same.
        """
        forth, back = self.link(sender, receiver), self.link(receiver, sender)
        received = False
        for count in range(1, tries + 1):
            if self._survives(forth):
                received = True
                if self._survives(back):
                    return Delivery(forth, count, True)
        return Delivery(forth, tries, received)

    def _survives(self, link: Link) -> bool:
        if not 0 < link.loss < _CERTAIN:
            return not link.loss
        if self._chance is None:  # a quiet dwelling needs none, and there may be thousands
            self._chance = stream(self._seed, self._name, "air")
        return self._chance.randrange(_CERTAIN) >= link.loss

    # --- ways

    def route(self, source: Radio, target: Radio, relays: Iterable[Radio] = ()) -> tuple[Radio, ...] | None:
        """The radios that a frame goes through from ``source`` to ``target``, both included; None if there is none.

        Of the ways over ``relays`` it is the one that needs the fewest frames in the mean; of equals, the one with
        fewer hops, then the one whose relays come first.
        """
        stations = (*relays, target)
        heap: list[tuple[int, int, int, tuple[Radio, ...]]] = [(0, 0, 0, (source,))]
        done: set[int] = set()
        order = 0
        while heap:
            cost, _, _, way = heappop(heap)
            here = way[-1]
            if here is target:
                return way
            if id(here) in done:
                continue
            done.add(id(here))
            for station in stations:
                link = self.link(here, station)
                if link.usable and id(station) not in done:
                    order += 1
                    frames = _CERTAIN * _CERTAIN // (_CERTAIN - link.loss)
                    heappush(heap, (cost + frames, len(way), order, (*way, station)))
        return None
