"""What can happen to messages and octets on their way: one model for faults of lines and links and for the proxy.

Damage is dealt to messages, not to what happens to arrive at once: the nth message of a direction meets the same fate
in every run, however its octets come. :data:`WRONG` has the ways in which a message can be wrong on purpose; all else
of it stays right, its checks included, so that a receiver finds exactly that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeAlias

from emulator.faults.parameters import ParameterError
from emulator.gate import Blow
from emulator.time import MILLISECOND, SECOND, stream
from protocols.crc import check_sequence
from protocols.hdlc.frame import RNR, RR, SEGMENT, WHOLE, Frame, encode
from protocols.sniffer import SEVEN_BITS, Kind, Message
from protocols.wrapper import HEADER

LONGEST_DELAY: Final = 60 * SECOND
"""A message is held back for so long at most, ns, whatever the distribution says."""
DISTRIBUTIONS: Final = ("constant", "uniform", "normal", "exponential")
_BITS = 8
_NUMBERS = 8  # N(R) and N(S) count modulo this
_MOST_CUT = 8  # octets that a truncated message lacks
_MOST_OFF = 16  # octets that a length is wrong by
_LAST_ADDRESS = 0x7E  # of one octet; the next is everybody's

Delay: TypeAlias = Callable[[Random], int]
"""Draws a delay, ns."""
Wrong: TypeAlias = Callable[[Message, Random], bytes | None]
"""What a message becomes, None for one that has nothing of the kind."""


def distributed(name: str, first: int, second: int) -> Delay:
    """Delays of a distribution of :data:`DISTRIBUTIONS`, each 0 to :data:`LONGEST_DELAY`; all in ns.

    ``first`` and ``second`` are the delay itself, and nothing (constant); the shortest and the longest (uniform); mean
    and standard deviation (normal); the mean, and nothing (exponential). ParameterError for another name, or for a
    longest that is shorter than the shortest.
    """

    def draw(chance: Random) -> float:
        match name:
            case "constant":
                return first
            case "uniform":
                return chance.uniform(first, second)
            case "normal":
                return chance.gauss(first, second)
            case _:
                return chance.expovariate(1.0) * first

    if name not in DISTRIBUTIONS:
        raise ParameterError.unknown("delay", "distribution", DISTRIBUTIONS)
    if name == "uniform" and first > second:
        raise ParameterError(f"delay: uniform from {first} to {second} ns: the longest is shorter than the shortest")
    return lambda chance: min(max(round(draw(chance)), 0), LONGEST_DELAY)


def around(name: str, middle: int, spread: int) -> Delay:
    """The same by what faults are given, ns: ``spread`` is half of the range (uniform) or the deviation (normal)."""
    first, second = (max(middle - spread, 0), middle + spread) if name == "uniform" else (middle, spread)
    return distributed(name, first, second)


def delay_text(delay: int) -> str:
    """A delay of ns in words."""
    return f"{delay / MILLISECOND:.1f} ms late"


# --- messages that are wrong on purpose


def wrong_fcs(message: Message, chance: Random) -> bytes | None:
    """An HDLC frame with a frame check sequence that is not its own."""
    frame = message.frame
    return None if frame is None else _framed(frame, fcs=chance.randrange(1, 0x10000))


def wrong_hcs(message: Message, chance: Random) -> bytes | None:
    """An HDLC frame with a header check sequence that is not its own; one without information has none."""
    frame = message.frame
    if frame is None or not frame.information:
        return None
    return _framed(frame, hcs=chance.randrange(1, 0x10000))


def wrong_receive_number(message: Message, chance: Random) -> bytes | None:
    """An I, RR or RNR frame with another N(R)."""
    frame = message.frame
    if frame is None or (frame.control & 1 and frame.control & 0x0F not in (RR, RNR)):
        return None
    number = (frame.control >> 5) + chance.randrange(1, _NUMBERS) & 7
    return encode(frame._replace(control=frame.control & 0x1F | number << 5))


def wrong_send_number(message: Message, chance: Random) -> bytes | None:
    """An I frame with another N(S)."""
    frame = message.frame
    if frame is None or frame.control & 1:
        return None
    number = (frame.control >> 1) + chance.randrange(1, _NUMBERS) & 7
    return encode(frame._replace(control=frame.control & 0xF1 | number << 1))


def wrong_length(message: Message, chance: Random) -> bytes | None:
    """An HDLC frame or wrapper message of which the length field says more than there is."""
    more = chance.randrange(1, _MOST_OFF + 1)
    if message.frame is not None:
        return _framed(message.frame, longer=more)
    if message.kind is not Kind.WRAPPER:
        return None
    octets = message.octets
    length = int.from_bytes(octets[6:HEADER], "big") + more & 0xFFFF
    return octets[:6] + length.to_bytes(2, "big") + octets[HEADER:]


def wrong_version(message: Message, chance: Random) -> bytes | None:
    """A wrapper message of another version than 1."""
    if message.kind is not Kind.WRAPPER:
        return None
    return chance.randrange(2, 0x10000).to_bytes(2, "big") + message.octets[2:]


def wrong_address(message: Message, chance: Random) -> bytes | None:
    """An HDLC frame to, or a wrapper message for, somebody else: the receiver's address is another one."""
    octets = message.octets
    if message.kind is Kind.WRAPPER:
        port = int.from_bytes(octets[4:6], "big") ^ chance.randrange(1, 0x100)
        return octets[:4] + port.to_bytes(2, "big") + octets[6:]
    frame = message.frame
    if frame is None:
        return None
    there = frame.destination[0] >> 1
    other = chance.choice([address for address in range(1, _LAST_ADDRESS) if address != there])
    return encode(frame._replace(destination=bytes((other << 1 | frame.destination[0] & 1,)) + frame.destination[1:]))


def cut_short(message: Message, chance: Random) -> bytes | None:
    """A message that lacks its last octets."""
    octets = message.octets
    if message.kind is Kind.NOISE or len(octets) < 2:
        return None
    return octets[: -chance.randrange(1, min(_MOST_CUT, len(octets) - 1) + 1)]


def wrong_block_check(message: Message, chance: Random) -> bytes | None:
    """A block of IEC 62056-21 with a block check character that is not its own."""
    octets = message.octets
    if message.kind is not Kind.TEXT or octets[:1].translate(SEVEN_BITS) not in (b"\x01", b"\x02"):
        return None
    return octets[:-1] + bytes((octets[-1] ^ chance.randrange(1, 0x80),))


def _framed(frame: Frame, *, longer: int = 0, hcs: int = 0, fcs: int = 0) -> bytes:
    """A frame that says it is so many octets longer than it is, and of whose checks these bits are wrong."""
    header, information = frame.destination + frame.source, frame.information
    length = len(header) + (len(information) + 7 if information else 5) + longer & 0x7FF
    kind = SEGMENT if frame.segmented else WHOLE
    body = bytes((kind | length >> 8, length & 0xFF)) + header + bytes((frame.control,))
    if information:
        body += _spoilt(check_sequence(body), hcs) + information
    return b"\x7e" + body + _spoilt(check_sequence(body), fcs) + b"\x7e"


def _spoilt(check: bytes, bits: int) -> bytes:
    return (int.from_bytes(check, "big") ^ bits).to_bytes(len(check), "big")


WRONG: Final[Mapping[str, Wrong]] = {
    "fcs": wrong_fcs,
    "hcs": wrong_hcs,
    "bcc": wrong_block_check,
    "nr": wrong_receive_number,
    "ns": wrong_send_number,
    "length": wrong_length,
    "version": wrong_version,
    "address": wrong_address,
    "truncated": cut_short,
}
"""Ways in which a message can be wrong, by short names."""
SAID: Final[Mapping[str, str]] = {
    "fcs": "its FCS is wrong",
    "hcs": "its HCS is wrong",
    "bcc": "its block check is wrong",
    "nr": "its N(R) is wrong",
    "ns": "its N(S) is wrong",
    "length": "its length field is wrong",
    "version": "its wrapper version is wrong",
    "address": "its destination is wrong",
    "truncated": "its end is missing",
}
"""What is said of such a message."""


# --- by chance


@dataclass(frozen=True, slots=True)
class Damage:
    """What is done to messages by chance.

    ``drop`` and ``duplicate`` are shares of all messages, and each of ``wrong`` is, by the names of :data:`WRONG`;
    ``lost`` is that of all octets and ``bit_errors`` that of all bits; all 0 to 1, ParameterError for another.
    ``delay`` draws how long each message is held back; their order stays.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    bit_errors: float = 0.0
    lost: float = 0.0
    wrong: Mapping[str, float] = field(default_factory=dict[str, float])
    delay: Delay | None = None

    def __post_init__(self) -> None:
        shares = {"drop": self.drop, "duplicate": self.duplicate, "bit errors": self.bit_errors, "lost": self.lost}
        for name, share in (shares | {f"wrong {kind}": share for kind, share in self.wrong.items()}).items():
            if not 0 <= share <= 1:
                raise ParameterError(f"{name}: {share}: must be a share from 0 to 1")
        for kind in self.wrong:
            if kind not in WRONG:
                raise ParameterError.unknown(f"wrong {kind}", "way to be wrong", WRONG)

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return bool(self.drop or self.duplicate or self.bit_errors or self.lost or self.delay) or any(
            self.wrong.values()
        )


class Damager:
    """Deals damage to one direction of one line. Each kind has chance of its own: one does not move another's."""

    def __init__(self, damage: Damage, seed: int, owner: str) -> None:
        self._damage = damage
        kinds = ("drop", "duplicate", "delay", "bits", "lost")
        self._drop, self._duplicate, self._delay, self._bits, self._lost = (stream(seed, owner, kind) for kind in kinds)
        self._wrong = {kind: stream(seed, owner, f"wrong {kind}") for kind in damage.wrong}

    def hit(self, message: Message) -> Blow:
        """What becomes of the next message."""
        damage = self._damage
        dropped = self._drop.random() < damage.drop
        doubled = self._duplicate.random() < damage.duplicate
        delay = damage.delay(self._delay) if damage.delay is not None else 0
        done: list[str] = [delay_text(delay)] if delay else []
        octets, said = self._made_wrong(message)
        if said:
            done.append(said)
        octets, lost = without_some(octets, damage.lost, self._lost)
        if lost:
            done.append(f"{lost} octets lost")
        octets, flipped = flipped_bits(octets, damage.bit_errors, self._bits)
        if flipped:
            done.append(f"{flipped} bits wrong")
        if dropped:
            return Blow(delay, (), "dropped")
        if doubled:
            done.append("sent twice")
        return Blow(delay, (octets, octets) if doubled else (octets,), ", ".join(done))

    def _made_wrong(self, message: Message) -> tuple[bytes, str]:
        """The message, wrong in the first of the ways that chance has for it."""
        found, said = message.octets, ""
        for kind, share in self._damage.wrong.items():
            chance = self._wrong[kind]
            meant = chance.random() < share
            octets = WRONG[kind](message, Random(chance.getrandbits(64))) if meant and not said else None
            if octets is not None:
                found, said = octets, SAID[kind]
        return found, said


def flipped_bits(octets: bytes, share: float, chance: Random) -> tuple[bytes, int]:
    """The octets with a share of all bits flipped, and how many were."""
    if not share:
        return octets, 0
    found = bytearray(octets)
    flipped = 0
    for at in range(len(found)):
        for bit in range(_BITS):
            if chance.random() < share:
                found[at] ^= 1 << bit
                flipped += 1
    return bytes(found) if flipped else octets, flipped


def without_some(octets: bytes, share: float, chance: Random) -> tuple[bytes, int]:
    """The octets without a share of them, and how many went."""
    if not share:
        return octets, 0
    left = bytes(octet for octet in octets if chance.random() >= share)
    lost = len(octets) - len(left)
    return left if lost else octets, lost
