"""What a fault is: a name, a layer, parameters, what is seen of it, who is to blame, and how it ends.

A fault is a line of a table, :class:`Fault`. What it does is a function of its :class:`Site`, which breaks something
there and returns the call that mends it. The functions stand in modules by layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from emulator.faults.parameters import FaultError, Parameter, Value

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.han.member import Member
    from emulator.han.network import Network
    from emulator.hub import Hub
    from emulator.premises import Premises

End: TypeAlias = Callable[[], None]
"""Mends what a fault broke."""


class Layer(Enum):
    """Where a fault strikes."""

    LINE = "the cable, the optical head, the adaptor: octets that are lost, late, spoilt or not there"
    LINK = "frames: HDLC, the wrapper, IEC 62056-21"
    APPLICATION = "APDUs: associations, services, blocks, what is answered"
    SECURITY = "keys, counters, titles, tags"
    DEVICE = "the device itself: its power, its start, its firmware as it runs"
    METERING = "what is counted, and what is done to the meter"
    SUPPLY = "the load switch or the valve"
    CLOCK = "the device's own clock"
    STORAGE = "the non-volatile memory"
    FIRMWARE = "images of firmware and their activation"
    HAN = "who is on the HAN, with which keys, and what is mirrored"
    AIR = "the radios of the HAN and the air between them"
    HUB = "the communications hub itself"
    WAN = "the way from the SMETS1 CSP to the hub"


class Culprit(Enum):
    """Who is to blame, as DCC divides a premises: a device, a function of the hub, or what lies between."""

    DEVICE = "the device: ESME, GSME, PPMID or IHD"
    AIR = "the HAN between the communications hub and the device"
    CHF = "the communications hub function (CHF)"
    GPF = "the gas proxy function (GPF)"
    DEVICE_LOG = "the device log of the CHF, which SRV 8.11 updates"
    RADIO_PROCESSOR = "the radio processor of the communications hub"
    INSTALLER = "the installer, whose work at the premises no SRV 8.11 followed"
    LINE = "the line to the device: cable, optical head or adaptor"
    CREDENTIALS = "whoever keeps the keys: what the device holds is not what the S1SP has"
    WAN = "the SMETS1 CSP: the WAN as far as the communications hub"
    CUSTOMER = "somebody at the premises"
    NETWORK_OPERATOR = "the network operator: the supply up to the meter"

    @property
    def at_hub(self) -> bool:
        """Whether the hub has to be looked at, whatever device the fault was injected into."""
        return self in _AT_HUB


_AT_HUB = frozenset((Culprit.CHF, Culprit.GPF, Culprit.DEVICE_LOG, Culprit.RADIO_PROCESSOR))


@dataclass(frozen=True, slots=True)
class Site:
    """Where one injection acts: a device of a premises; with what values, and with chance of its own.

    ``id`` is that of the injection, for sentences. ``over`` is for a fault that knows itself when it is over, such as
    after a number of frames: it ends the injection, once it is in force.
    """

    premises: Premises
    device: Device
    chance: Random
    values: Mapping[str, Value] = field(default_factory=dict[str, Value])
    id: str = ""
    over: End = field(default=lambda: None)

    @property
    def hub(self) -> Hub:
        """The hub of the premises; FaultError where there is none."""
        hub = self.premises.hub
        if hub is None:
            raise FaultError(f"{self.premises.name}: has no hub, and so no HAN")
        return hub

    @property
    def network(self) -> Network:
        """The HAN of the premises."""
        return self.hub.han

    @property
    def member(self) -> Member:
        """The device as one of the HAN; FaultError for one that is not in the dwelling."""
        try:
            return self.network.member(self.device)
        except KeyError:
            raise FaultError(f"{self.device.identity.device_id}: is not within range of its hub") from None

    def number(self, name: str) -> int:
        """The value of a parameter that is a number, or of channels, a bit each."""
        value = self.values[name]
        assert isinstance(value, int)
        return value

    def word(self, name: str) -> str:
        """The value of a parameter that is a word."""
        value = self.values[name]
        assert isinstance(value, str)
        return value

    def octets(self, name: str) -> bytes:
        """The value of a parameter that is octets."""
        value = self.values[name]
        assert isinstance(value, bytes)
        return value


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the catalogue.

    ``kinds`` are those of devices that it can be injected into. ``begin`` breaks something and returns what mends it;
    it raises FaultError where it cannot be done now, with nothing changed. ``symptoms`` are what is seen from outside,
    ``truth`` why, ``ends`` how it is after the end. What it ``holds`` (by default what it is called) only one
    injection at a time can have of a device, or of all devices of a premises for a ``wide`` one. A ``momentary`` fault
    is over as soon as it has begun.
    """

    name: str
    layer: Layer
    text: str
    kinds: tuple[str, ...]
    begin: Callable[[Site], End]
    culprit: Culprit
    truth: str
    symptoms: tuple[str, ...]
    ends: str
    parameters: Sequence[Parameter] = ()
    holds: str = ""
    wide: bool = False
    momentary: bool = False

    def values(self, given: Mapping[str, object], chance: Random) -> dict[str, Value]:
        """Values of all parameters: those that are given, read and checked, and the defaults.

        Raises ParameterError for one that is unknown or out of range.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                raise FaultError.unknown(f"{self.name}: {name}", "parameter", known)
        return {
            name: parameter.read(f"{self.name}: {name}", given[name]) if name in given else parameter.otherwise(chance)
            for name, parameter in known.items()
        }

    def shown(self, values: Mapping[str, Value]) -> dict[str, int | str]:
        """Values as people write them."""
        return {parameter.name: parameter.show(values[parameter.name]) for parameter in self.parameters}


def nothing_to_mend() -> None:
    """The end of what is over already."""
