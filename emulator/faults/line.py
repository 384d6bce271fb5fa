"""Faults of the line to a device: cable, optical head, adaptor.

They act between the device and whoever listens in on its line: a trace or capture shows what the client says and gets.
Times are those of the line, which keep the pace of the world where the rig's clock is accelerated.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from emulator.faults.damage import DISTRIBUTIONS, Damage, around
from emulator.faults.fault import Culprit, End, Fault, Layer, Site
from emulator.faults.parameters import FaultError, Number, Word
from emulator.faults.wire import (
    BURST,
    LINES,
    PER_CENT,
    WAY,
    Break,
    Damaged,
    DamagedMessages,
    Dead,
    Echo,
    Loose,
    Noise,
    Overhearing,
    Victim,
    WrongUart,
    on_lines,
)
from emulator.time import MILLISECOND

if TYPE_CHECKING:
    from emulator.gate import Hazard
    from emulator.ports import Stack

DEVICES: Final = ("electricity", "hub")
"""Kinds of devices that have lines of their own."""
_PER_MILLE, _PER_MILLION = 1000, 1_000_000
_CLEAN = "the line is as it was"


def _damaged(name: str, kind: type[Damaged], damage: Callable[[Site], Damage]) -> Callable[[Site], End]:
    def begin(site: Site) -> End:
        dealt = damage(site)
        return on_lines(site, lambda _, chance: kind(site, name, dealt, chance))

    return begin


def _delay(site: Site) -> Damage:
    delay, spread = site.number("delay") * MILLISECOND, site.number("spread") * MILLISECOND
    return Damage(delay=around(site.word("distribution"), delay, spread))


def _crosstalk(site: Site) -> End:
    kind = site.word("from")
    other = next((device for device in site.premises.devices() if device.firmware.kind == kind), None)
    if other is None or other is site.device:
        raise FaultError(f"{site.device.identity.device_id}: from: {kind}: is no other device of its premises")
    victims = WeakSet[Victim]()

    def victim(stack: Stack, _: Random) -> Hazard:
        made = Victim(site, stack, other.identity.device_id)
        victims.add(made)
        return made

    share = site.number("per_cent")
    hears = on_lines(site, victim)
    beside = Site(site.premises, other, site.chance)
    told = on_lines(beside, lambda _, chance: Overhearing(chance, share, victims), "all")

    def end() -> None:
        told()
        hears()

    return end


FAULTS: Final = (
    Fault(
        "bit-errors",
        Layer.LINE,
        "Bits of octets on the line are wrong",
        DEVICES,
        _damaged("bit-errors", Damaged, lambda site: Damage(bit_errors=site.number("per_million") / _PER_MILLION)),
        Culprit.LINE,
        "the line is noisy; the device is right",
        ("frames with a wrong check at both ends", "requests without an answer until they are sent again"),
        _CLEAN,
        (Number("per_million", "Bits of a million that are wrong", "ppm", 1, 500_000, 1000), WAY, LINES),
    ),
    Fault(
        "lost-octets",
        Layer.LINE,
        "Octets on the line are lost",
        DEVICES,
        _damaged("lost-octets", Damaged, lambda site: Damage(lost=site.number("per_mille") / _PER_MILLE)),
        Culprit.LINE,
        "an adaptor or head loses octets; the device is right",
        ("frames that are shorter than they say", "requests without an answer until they are sent again"),
        _CLEAN,
        (Number("per_mille", "Octets of a thousand that are lost", "per mille", 1, _PER_MILLE, 10), WAY, LINES),
    ),
    Fault(
        "dropped-messages",
        Layer.LINE,
        "Whole frames or messages are lost on the line",
        DEVICES,
        _damaged("dropped-messages", DamagedMessages, lambda site: Damage(drop=site.number("per_cent") / PER_CENT)),
        Culprit.LINE,
        "the line loses messages; the device is right",
        ("requests without an answer", "a request sent again may be answered as a repeated one"),
        _CLEAN,
        (Number("per_cent", "Messages of a hundred that are lost", "per cent", 1, PER_CENT, 20), WAY, LINES),
    ),
    Fault(
        "duplicated-messages",
        Layer.LINE,
        "Frames or messages come twice",
        DEVICES,
        _damaged(
            "duplicated-messages", DamagedMessages, lambda site: Damage(duplicate=site.number("per_cent") / PER_CENT)
        ),
        Culprit.LINE,
        "something on the way sends messages twice; the device is right",
        ("answers that come twice", "the device finds requests repeated"),
        _CLEAN,
        (Number("per_cent", "Messages of a hundred that come twice", "per cent", 1, PER_CENT, 20), WAY, LINES),
    ),
    Fault(
        "delayed-messages",
        Layer.LINE,
        "Frames or messages are held back on the line, their order stays",
        DEVICES,
        _damaged("delayed-messages", DamagedMessages, _delay),
        Culprit.LINE,
        "the way to the device is slow; the device is right",
        ("answers come late", "clients give up that wait less"),
        f"{_CLEAN}; what is held back comes in its time",
        (
            Word("distribution", "How delays are distributed", DISTRIBUTIONS),
            Number("delay", "Each delay, the middle or the mean of them", "ms", 0, 60_000, 500),
            Number("spread", "Deviation (normal), or half of the range (uniform)", "ms", 0, 60_000, 0),
            WAY,
            LINES,
        ),
    ),
    Fault(
        "line-dead",
        Layer.LINE,
        "The line is dead, one way or both",
        DEVICES,
        lambda site: on_lines(site, lambda _stack, _chance: Dead(site)),
        Culprit.LINE,
        "a wire is cut or a diode of the head is blind; the device is right",
        ("no answer to anything", "to-device: the device hears nothing; from-device: it counts requests and answers"),
        _CLEAN,
        (WAY, LINES),
        holds="cable",
    ),
    Fault(
        "stuck-break",
        Layer.LINE,
        "The line is held in a break",
        DEVICES,
        lambda site: on_lines(site, lambda _stack, _chance: Break(site)),
        Culprit.LINE,
        "the wire is held at 0, by a short circuit or by light on the head; the device is right",
        ("one NUL is heard, then nothing", "no answer to anything"),
        _CLEAN,
        (LINES,),
        holds="cable",
    ),
    Fault(
        "loose-contact",
        Layer.LINE,
        "The line is cut and whole by turns",
        DEVICES,
        lambda site: on_lines(site, lambda _, chance: Loose(site, chance)),
        Culprit.LINE,
        "a contact is loose, or the optical head has slipped; the device is right",
        ("answers are missing for a while, then not", "links time out"),
        _CLEAN,
        (
            Number("contact", "Mean time of contact", "ms", 1, 3_600_000, 2000),
            Number("no_contact", "Mean time without", "ms", 1, 3_600_000, 500),
            LINES,
        ),
        holds="cable",
    ),
    Fault(
        "echoed-octets",
        Layer.LINE,
        "The client gets its own octets back",
        DEVICES,
        lambda site: on_lines(site, lambda _stack, _chance: Echo(site)),
        Culprit.LINE,
        "the optical head reflects, or a two-wire adaptor does not turn its receiver off; the device is right",
        ("each request comes back before its answer",),
        _CLEAN,
        (LINES,),
    ),
    Fault(
        "line-noise",
        Layer.LINE,
        "Octets turn up on the line that nobody sent",
        DEVICES,
        lambda site: on_lines(site, lambda _, chance: Noise(site, chance)),
        Culprit.LINE,
        "light or radio gets into the line; the device is right",
        ("octets between and inside of messages", "the device counts noise"),
        _CLEAN,
        (Number("period", f"Mean time between bursts of 1 to {BURST} octets", "ms", 20, 3_600_000, 1000), LINES),
    ),
    Fault(
        "crosstalk",
        Layer.LINE,
        "What passes the lines of another device turns up on this one's",
        DEVICES,
        _crosstalk,
        Culprit.LINE,
        "two cables run side by side; both devices are right",
        ("octets of somebody else's messages", "the device discards frames for addresses that are not here"),
        _CLEAN,
        (
            Word("from", "The other device", DEVICES[::-1]),
            Number("per_cent", "Octets of a hundred that come across", "per cent", 1, PER_CENT, PER_CENT),
            LINES,
        ),
        wide=True,
    ),
    Fault(
        "wrong-baud",
        Layer.LINE,
        "The device's UART runs at another rate or character format than it should",
        DEVICES,
        lambda site: on_lines(site, lambda stack, chance: WrongUart(site, stack, chance), "serial"),
        Culprit.DEVICE,
        "the UART's clock or format is wrong; the line is right",
        ("what it says is garbage", "it hears garbage, and answers nothing"),
        "the UART is set right",
        (
            Number("baud", "Its rate", "Bd", 300, 115_200, 4800),
            Word("character", "Its character format", ("8N1", "7E1", "8E1", "8O1", "7O1")),
        ),
        holds="UART of the device",
    ),
)
"""Faults of the line."""
