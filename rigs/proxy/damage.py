"""What a bad line does to messages: loses, delays, repeats and garbles them, the same for the same seed.

Damage is dealt to messages, not to what happens to arrive at once: the nth message of a direction meets the same fate
in every run, however its octets come.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from emulator.time import stream
from protocols.sniffer import SEVEN_BITS, Kind, Message
from rigs.ports.spec import PortError

LONGEST_DELAY = 60.0
"""Seconds that a message is held back at most, whatever the distribution says."""
DELAYS = "50, uniform:10..200, normal:100,20 or exponential:50, in ms"
_NUMBER = r"([0-9]{1,5}(?:\.[0-9]{1,3})?)"
_FORMS: tuple[tuple[re.Pattern[str], Callable[[Random, list[float]], float]], ...] = (
    (re.compile(_NUMBER), lambda _chance, given: given[0]),
    (re.compile(rf"uniform:{_NUMBER}\.\.{_NUMBER}"), lambda chance, given: chance.uniform(given[0], given[1])),
    (re.compile(rf"normal:{_NUMBER},{_NUMBER}"), lambda chance, given: chance.gauss(given[0], given[1])),
    (re.compile(rf"exponential:{_NUMBER}"), lambda chance, given: chance.expovariate(1.0) * given[0]),
)
Delay = Callable[[Random], float]
"""Draws a delay, s."""


def parse_delay(text: str) -> Delay:
    """The distribution that ``text`` names; raises PortError that says what is allowed."""
    for form, draw in _FORMS:
        found = form.fullmatch(text)
        if found is None:
            continue
        given = [float(number) for number in found.groups()]
        if text.startswith("uniform") and given[0] > given[1]:
            break
        return lambda chance: min(max(draw(chance, given) / 1000, 0.0), LONGEST_DELAY)
    raise PortError(f"--delay {text}", "no delay", f"write {DELAYS}")


@dataclass(frozen=True, slots=True)
class Damage:
    """What is done to messages. ``drop``, ``duplicate`` and ``wrong_fcs`` are shares of all messages, 0 to 1, and
    ``bit_errors`` is that of all bits. ``delay`` draws how long each is held back; their order stays."""

    drop: float = 0.0
    duplicate: float = 0.0
    bit_errors: float = 0.0
    wrong_fcs: float = 0.0
    delay: Delay | None = None

    def __post_init__(self) -> None:
        for name in ("drop", "duplicate", "bit_errors", "wrong_fcs"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise PortError(f"--{name.replace('_', '-')} {share}", "no share", "write a number from 0 to 1")

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return bool(self.drop or self.duplicate or self.bit_errors or self.wrong_fcs or self.delay)


class Blow(NamedTuple):
    """What became of a message: octets to send after ``delay`` seconds (twice if they are there twice), and in words
    what was done."""

    delay: float
    sendings: tuple[bytes, ...]
    remark: str


class Damager:
    """Deals damage to one direction of one line. Each kind has chance of its own: one does not move another's."""

    def __init__(self, damage: Damage, seed: int, owner: str) -> None:
        self._damage = damage
        kinds = ("drop", "duplicate", "delay", "bits", "fcs")
        self._drop, self._duplicate, self._delay, self._bits, self._fcs = (stream(seed, owner, kind) for kind in kinds)

    def hit(self, message: Message) -> Blow:
        """What becomes of the next message."""
        damage = self._damage
        dropped = self._drop.random() < damage.drop
        doubled = self._duplicate.random() < damage.duplicate
        delay = damage.delay(self._delay) if damage.delay is not None else 0.0
        broken = self._fcs.random() < damage.wrong_fcs
        change = self._fcs.randrange(1, 0x10000)
        octets, flipped = self._garbled(message.octets)
        done: list[str] = []
        if delay:
            done.append(f"{delay * 1000:.1f} ms late")
        if flipped:
            done.append(f"{flipped} bits wrong")
        if broken and (wrong := _wrong_check(message, octets, change)) is not None:
            octets = wrong
            done.append("check wrong")
        if dropped:
            return Blow(delay, (), "dropped")
        if doubled:
            done.append("sent twice")
        return Blow(delay, (octets, octets) if doubled else (octets,), ", ".join(done))

    def _garbled(self, octets: bytes) -> tuple[bytes, int]:
        share = self._damage.bit_errors
        if not share:
            return octets, 0
        chance = self._bits
        found = bytearray(octets)
        flipped = 0
        for at in range(len(found)):
            for bit in range(8):
                if chance.random() < share:
                    found[at] ^= 1 << bit
                    flipped += 1
        return bytes(found), flipped


def _wrong_check(message: Message, octets: bytes, change: int) -> bytes | None:
    """The message with a check that is not its own; None for one without: the wrapper has none, nor a line of text."""
    match message.kind:
        case Kind.HDLC:
            at, check = len(octets) - 3, change.to_bytes(2, "big")
        case Kind.TEXT if message.octets[:1].translate(SEVEN_BITS) in (b"\x01", b"\x02"):
            at, check = len(octets) - 1, bytes((change & 0x7F or 1,))
        case _:
            return None
    wrong = bytes(octet ^ mask for octet, mask in zip(octets[at:], check, strict=False))
    return octets[:at] + wrong + octets[at + len(wrong) :]
