"""Faults of the hub's radio processor and of the line that leads to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emulator.faults.fault import Culprit, End, Fault, Layer, Site, nothing_to_mend
from emulator.faults.han import HUB
from emulator.faults.parameters import FaultError, Number, Word

if TYPE_CHECKING:
    from random import Random

    from emulator.radio.port import RadioPort

_LINE = "line to the radio processor"
_BITS = 8
_PER_MILLE = 1000


def _port(site: Site) -> RadioPort:
    port = site.hub.radio
    if port is None:
        raise FaultError(f"{site.device.identity.device_id}: its profile {site.hub.firmware.name} has no [radio] table")
    return port


def _reset(site: Site) -> End:
    _port(site).restart()
    return nothing_to_mend


def _asserts(site: Site) -> End:
    if not _port(site).fail():
        raise FaultError(f"{site.device.identity.device_id}: no host is at a radio port that has error frames (EZSP)")
    return nothing_to_mend


def _stuck(site: Site) -> End:
    port, network = _port(site), site.network
    port.stick()
    heard_again = network.medium.silence(network.node.radio)

    def end() -> None:
        heard_again()
        port.release()

    return end


def _unplugged(site: Site) -> End:
    port = _port(site)
    port.unplug()
    return port.plug


def _corrupted(site: Site) -> End:
    port = _port(site)
    spoil = _Spoiler(site.chance, site.number("per_mille"))
    way = site.word("way")
    port.disturb(spoil if way != "from-host" else None, spoil if way != "to-host" else None)
    return lambda: port.disturb(None, None)


class _Spoiler:
    """Flips a bit of some octets."""

    __slots__ = ("_chance", "_per_mille")

    def __init__(self, chance: Random, per_mille: int) -> None:
        self._chance = chance
        self._per_mille = per_mille

    def __call__(self, octets: bytes) -> bytes:
        chance = self._chance
        return bytes(
            octet ^ 1 << chance.randrange(_BITS) if chance.randrange(_PER_MILLE) < self._per_mille else octet
            for octet in octets
        )


FAULTS: Final = (
    Fault(
        "ncp-reset",
        Layer.HUB,
        "The radio processor starts anew without having been asked",
        HUB,
        _reset,
        Culprit.RADIO_PROCESSOR,
        "its watchdog has reset it; the network is in its memory",
        ("the host hears RSTACK (EZSP) or SYS_RESET_IND (ZNP)", "commands fail until the host has started it again"),
        "over at once: the host starts the network again",
        momentary=True,
    ),
    Fault(
        "ncp-asserts",
        Layer.HUB,
        "The radio processor stops with an ERROR frame (EZSP only)",
        HUB,
        _asserts,
        Culprit.RADIO_PROCESSOR,
        "its firmware has found itself wrong and has stopped",
        ("the host hears an ASH ERROR frame", "nothing is answered until the host resets it"),
        "over at once: the host resets it and starts the network again",
        momentary=True,
    ),
    Fault(
        "ncp-stuck",
        Layer.HUB,
        "The radio processor neither hears nor says anything, on its line and on the air",
        HUB,
        _stuck,
        Culprit.RADIO_PROCESSOR,
        "its firmware hangs",
        ("a host gets no answer to anything, a reset included", "every device of the HAN loses its hub"),
        "its watchdog resets it, and a host that was there hears that; the devices are back within the longest pause "
        "of their profiles' [joining]",
        holds=_LINE,
    ),
    Fault(
        "ncp-unplugged",
        Layer.HUB,
        "The line to the radio processor is unplugged",
        HUB,
        _unplugged,
        Culprit.RADIO_PROCESSOR,
        "the line leads nowhere",
        (
            "connections are closed, and new ones too; a pseudo terminal cannot hang up and is silent",
            "the hub's own software has the HAN meanwhile",
        ),
        "a host that connects and resets the processor finds the network",
        holds=_LINE,
    ),
    Fault(
        "ncp-corrupted-octets",
        Layer.HUB,
        "Octets on the line to the radio processor are corrupted: a bit each",
        HUB,
        _corrupted,
        Culprit.RADIO_PROCESSOR,
        "the line is noisy",
        (
            "ASH (EZSP): frames are rejected and sent again, and nothing is lost",
            "MT (ZNP): requests get no answer",
        ),
        "the line is clean",
        (
            Number("per_mille", "Octets of a thousand that are hit", "per mille", 1, _PER_MILLE, 10),
            Word("way", "Which octets", ("both", "to-host", "from-host")),
        ),
        holds="octets on the line to the radio processor",
    ),
)
"""Faults of the radio processor."""
