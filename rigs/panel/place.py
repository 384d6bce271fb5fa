"""One device on the panel: the device itself, and what the panel's own switches at it stand at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emulator.front import Key
from emulator.hub import Hub
from emulator.meter import Meter
from rigs.control import desk

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.han.medium import Radio
    from emulator.han.network import Network
    from rigs.ports import Port
    from rigs.rig import Rig

ANTENNA_LOSS = 60
"""What a radio lacks while its antenna is off, dB: it hears and is heard across a table."""
OPTICAL = "optical"


@dataclass(slots=True)
class Aerial:
    """Antenna and attenuator of one radio, as the panel has set them."""

    radio: Radio
    antenna: bool = True
    attenuation: int = 0

    def set(self, network: Network, *, antenna: bool, attenuation: int) -> None:
        """Switch it; what else is wrong with the radio stays."""
        self.radio.loss -= self._loss()
        self.antenna, self.attenuation = antenna, attenuation
        self.radio.loss += self._loss()
        network.medium.moved()

    def _loss(self) -> int:
        return self.attenuation + (0 if self.antenna else ANTENNA_LOSS)


@dataclass(slots=True)
class Place:
    """A place of the panel: which device is there, and the buttons that are held down."""

    rig: Rig
    premises: str
    kind: str
    pressed: set[Key] = field(default_factory=set[Key])
    _aerial: Aerial | None = None

    @property
    def name(self) -> str:
        """``premises/kind``."""
        return f"{self.premises}/{self.kind}"

    @property
    def device(self) -> Device:
        """The device that is there now: a gas meter may have been replaced."""
        return getattr(self.rig.premises[self.premises], self.kind)

    @property
    def network(self) -> Network:
        """The HAN of the premises."""
        hub = self.rig.premises[self.premises].hub
        assert hub is not None
        return hub.han

    @property
    def aerial(self) -> Aerial:
        """Antenna and attenuator of the device's radio; a meter that was replaced has taken its own with it."""
        network, device = self.network, self.device
        radio = network.node.radio if isinstance(device, Hub) else network.member(device).radio
        if self._aerial is None or self._aerial.radio is not radio:
            self._aerial = Aerial(radio)
        return self._aerial

    @property
    def head(self) -> Port:
        """The port that an optical head sits on."""
        return self.rig.ports[f"{self.name}/{OPTICAL}"]

    def hold(self, key: Key, down: bool) -> None:
        """Press a button, or let it go: the device acts when it goes down."""
        if not down:
            self.pressed.discard(key)
        elif key not in self.pressed:
            self.pressed.add(key)
            device = self.device
            if isinstance(device, Meter) and device.account is None:
                desk.press_button(device)
            else:
                desk.front_of(device).press(key)
