"""What a line does to octets while something is wrong with it: cable, optical head, adaptor, UART.

Each is a hazard of one line, made by a fault of :mod:`emulator.faults.line`.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, ClassVar, Final
from weakref import WeakSet

from emulator.faults.damage import Damage, Damager
from emulator.faults.parameters import Word
from emulator.gate import SPOILT, WATCHING, Blow, Hazard, unharmed
from emulator.lines import Lines
from emulator.ports import HdlcStack, WrapperStack
from emulator.time import MILLISECOND
from emulator.uart import heard
from protocols.hdlc.frame import FLAG

if TYPE_CHECKING:
    from emulator.faults.fault import End, Site
    from emulator.ports import Stack
    from protocols.sniffer import Message

LINES: Final = Word("lines", "Which lines of the device", ("serial", "network", "all"))
WAY: Final = Word("way", "Which way", ("both", "to-device", "from-device"))
PER_CENT: Final = 100
BURST: Final = 8
"""Octets of noise at a time, at most."""
_TURNS = 1000  # of contact and none that are followed; after a longer silence it begins anew


def on_lines(site: Site, make: Callable[[Stack, Random], Hazard | None], lines: str = "") -> End:
    """A hazard, or none, on each COSEM line of the device that the parameter ``lines`` (or the word given) chooses.

    ``make`` gets the stack of a line and chance of its own, whatever passes the other lines.
    """
    wanted, seed = lines or site.word(LINES.name), site.chance.getrandbits(64)

    def chosen(stack: Stack) -> Hazard | None:
        if not isinstance(stack, HdlcStack | WrapperStack):
            return None
        if wanted not in ("all", "network" if stack.wrapped else "serial"):
            return None
        return make(stack, Random(f"{seed}/{stack.number}"))

    return Lines.of(site.device).endanger(chosen)


def owner_of(site: Site, name: str) -> str:
    """How sentences about what a fault does begin."""
    return f"fault {site.id} ({name})"


def _hits(site: Site, message: Message) -> bool:
    """Whether the parameter ``way`` has this direction."""
    return site.word(WAY.name) != ("from-device" if message.inbound else "to-device")


# --- by chance


class Damaged(Hazard):
    """Octets, as they come, meet their fate by chance."""

    __slots__ = ("_damagers", "_site")

    def __init__(self, site: Site, name: str, damage: Damage, chance: Random) -> None:
        super().__init__(owner_of(site, name))
        self._site = site
        seed = chance.getrandbits(64)
        self._damagers = {
            inbound: Damager(damage, seed, "to the device" if inbound else "from the device")
            for inbound in (True, False)
        }

    def hit(self, message: Message, now: int) -> Blow:
        return self._damagers[message.inbound].hit(message) if _hits(self._site, message) else unharmed(message)


class DamagedMessages(Damaged):
    """Whole messages do."""

    __slots__ = ()

    whole: ClassVar[bool] = True


# --- the cable


class Dead(Hazard):
    """Nothing gets through, one way or both."""

    __slots__ = ("_site",)

    def __init__(self, site: Site) -> None:
        super().__init__(owner_of(site, "line-dead"))
        self._site = site

    def hit(self, message: Message, now: int) -> Blow:
        return Blow(0, (), "lost, the line is dead this way") if _hits(self._site, message) else unharmed(message)


class Break(Hazard):
    """The wire is held at 0: a UART hears that as one NUL, and then nothing more."""

    __slots__ = ("_begun",)

    def __init__(self, site: Site) -> None:
        super().__init__(owner_of(site, "stuck-break"))
        self._begun = False

    def hit(self, message: Message, now: int) -> Blow:
        return Blow(0, (), "lost, the wire is held in a break")

    def next_due(self) -> int | None:
        return None if self._begun else 0

    def due(self, now: int) -> tuple[bytes, bytes]:
        self._begun = True
        return b"\x00", b"\x00"


class Loose(Hazard):
    """Contact and no contact take turns."""

    __slots__ = ("_chance", "_connected", "_times", "_until")

    def __init__(self, site: Site, chance: Random) -> None:
        super().__init__(owner_of(site, "loose-contact"))
        self._chance = chance
        self._times = {True: site.number("contact") * MILLISECOND, False: site.number("no_contact") * MILLISECOND}
        self._connected = True
        self._until: int | None = None  # when it changes; nobody knows before anything passes

    def hit(self, message: Message, now: int) -> Blow:
        if self._until is None or now - self._until > _TURNS * sum(self._times.values()):
            self._connected, self._until = False, now + self._lasts(False)  # it is off when first looked at
        while now >= self._until:
            self._connected = not self._connected
            self._until += self._lasts(self._connected)
        return unharmed(message) if self._connected else Blow(0, (), "lost, there is no contact")

    def _lasts(self, connected: bool) -> int:
        return 1 + round(self._chance.expovariate(1.0) * self._times[connected])


# --- octets that nobody sent


class Echo(Hazard):
    """The client gets its own octets back, as from an optical head that reflects."""

    __slots__ = ()

    def __init__(self, site: Site) -> None:
        super().__init__(owner_of(site, "echoed-octets"))

    def hit(self, message: Message, now: int) -> Blow:
        if not message.inbound:
            return unharmed(message)
        return Blow(0, (message.octets,), "echoed to the client", message.octets)


class Noise(Hazard):
    """Octets turn up at both ends."""

    __slots__ = ("_chance", "_next", "_period")

    def __init__(self, site: Site, chance: Random) -> None:
        super().__init__(owner_of(site, "line-noise"))
        self._chance = chance
        self._period = site.number("period") * MILLISECOND
        self._next = 0

    def next_due(self) -> int | None:
        return self._next

    def due(self, now: int) -> tuple[bytes, bytes]:
        chance = self._chance
        self._next = now + 1 + round(chance.expovariate(1.0) * self._period)
        reaching, leaving = (chance.randbytes(chance.randrange(1, BURST + 1)) for _ in range(2))
        return reaching, leaving


class Overhearing(Hazard):
    """What passes this line turns up on others, as far as it comes across."""

    __slots__ = ("_chance", "_share", "_victims")

    depth: ClassVar[int] = WATCHING

    def __init__(self, chance: Random, share: int, victims: WeakSet[Victim]) -> None:
        super().__init__()
        self._chance = chance
        self._share = share
        self._victims = victims

    def hit(self, message: Message, now: int) -> Blow:
        octets = bytes(octet for octet in message.octets if self._chance.randrange(PER_CENT) < self._share)
        if octets:
            for victim in sorted(self._victims, key=lambda each: each.number):
                victim.hear(octets)
        return unharmed(message)


class Victim(Hazard):
    """The line that hears another."""

    __slots__ = ("__weakref__", "_source", "_stack", "number")

    def __init__(self, site: Site, stack: Stack, source: str) -> None:
        super().__init__(owner_of(site, "crosstalk"))
        self._stack = stack
        self._source = source
        self.number = stack.number

    def hear(self, octets: bytes) -> None:
        """Octets of the other line come across, at both ends of this one."""
        stack = self._stack
        if stack.gate is not None and stack.up:
            text = f"{self.owner}: {len(octets)} octets of {self._source} came across"
            stack.note(SPOILT, text, 1, self.layer)
            stack.gate.turn_up(octets, octets)


# --- the UART


class WrongUart(Hazard):
    """The device's UART runs at another rate or character format than the device believes."""

    __slots__ = ("_chance", "_set", "_stack")

    def __init__(self, site: Site, stack: Stack, chance: Random) -> None:
        super().__init__(owner_of(site, "wrong-baud"))
        self._stack = stack
        self._chance = chance
        self._set = site.number("baud"), site.word("character")

    def hit(self, message: Message, now: int) -> Blow:
        stack, octets, wrong = self._stack, message.octets, self._set
        right = self._sent_at(octets) if message.inbound else (stack.send_baud, stack.send_character)
        if right == wrong:
            return unharmed(message)
        way = (right, wrong) if message.inbound else (wrong, right)
        found = heard(octets, *way[0], *way[1], self._chance, check_parity=message.inbound)
        remark = f"heard as {len(found)}: the UART of the device is set to {wrong[0]} Bd {wrong[1]}"
        return Blow(0, (found,) if found else (), remark)

    def _sent_at(self, octets: bytes) -> tuple[int, str]:
        """Rate and format of a client: those of the port, or of HDLC for a flag that begins it in place of sign-on."""
        stack = self._stack
        if isinstance(stack, HdlcStack) and octets.startswith(FLAG):
            return stack.hdlc_baud, "8N1"
        return stack.baud, stack.character
