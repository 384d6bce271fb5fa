"""The display of a HAN (PPMID, IHD): a mains-powered device with no meter of its own.

What it shows it was told over the network, and what it does to meters goes there: :mod:`emulator.display_client`. A
prepayment interface (PPMID) takes tokens, arms the supply and selects emergency credit; an in-home display (IHD) does
nothing of it. Which of them a display is, its profile says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from emulator import templates
from emulator.cosem.model import DeviceKind
from emulator.device import Device, Identity
from emulator.display_client import Client
from emulator.display_known import Fuel
from emulator.display_text import FIELDS
from emulator.firmware import Ability, DisplaySettings, EndpointSettings, FirmwareProfile
from emulator.front import Front, Key
from emulator.quantities import COMPONENT_FAMILIES, COMPONENTS, QUANTITIES, QUANTITY_FAMILIES
from emulator.security import KeyRing
from emulator.time import Clock

if TYPE_CHECKING:
    from emulator.han.message import Application, Port
    from emulator.ports import Stack


class Display(Device):
    """A display. ``client`` is its side of the conversation with the meters, ``front`` what is in front of people."""

    __slots__ = ("client", "endpoint", "front", "settings")

    def __init__(
        self, firmware: FirmwareProfile, identity: Identity, clock: Clock, seed: int, ring: KeyRing, installed_at: int
    ) -> None:
        """ValueError for a profile without the tables that a display needs."""
        super().__init__(firmware, identity, clock, seed, ring, installed_at)
        settings, zigbee = firmware.display, firmware.zigbee
        if settings is None or zigbee is None or not zigbee.endpoints:
            raise ValueError(f"{firmware.name} has no [in_home] table or no Zigbee endpoint: a display needs both")
        self.settings: DisplaySettings = settings
        self.endpoint: EndpointSettings = zigbee.endpoints[0]
        """The endpoint that its clients speak from."""
        self.front = DisplayFront(self)
        self.client = Client(self, self.front.show_outcome)
        self.reset.append(self.client.forget)

    def connect(self, port: Port) -> None:
        """It has been brought to a HAN, which it speaks on by ``port``: it looks for meters as soon as it is on it."""
        self.client.connect(port)

    def zigbee(self, port: Port) -> Application:
        from emulator.display_application import DisplayApplication  # which builds on all kinds of devices

        return DisplayApplication(self, port)

    @property
    def text(self) -> str:
        """What it shows now, in one line or several; empty while it is off."""
        return self.front.text()

    @property
    def stacks(self) -> Mapping[str, Callable[[], Stack]]:
        """None: it has no port."""
        return {}


class DisplayFront(Front):
    """Keys and screens of a display. A message for the customer stands below every screen while it is in force; any
    key confirms it. What keys do, they do to the meter that the screen is about."""

    __slots__ = ("_display", "_fuel")

    def __init__(self, display: Display) -> None:
        super().__init__(display, display.settings)
        self._display = display
        self._fuel = Fuel.ELECTRICITY

    def touched(self) -> bool:
        self._display.settle()
        return self._display.ready

    def press(self, key: Key) -> None:
        if not self.touched():
            return
        self._time_out()
        screens = self.screens()
        on_gas = screens[self._screen % len(screens)][0] in self._display.settings.gas_screens
        self._fuel = Fuel.GAS if on_gas else Fuel.ELECTRICITY
        self._display.client.confirm()
        super().press(key)

    def screens(self) -> tuple[tuple[str, str], ...]:
        return self._display.settings.screens

    def show(self, template: str) -> str:
        text = templates.show(template, FIELDS, self._display)
        message = self._display.client.message
        return text if message is None else f"{text}\n{message.text}"

    def outcome(self) -> str:
        notice = self._display.settings.notices[self._display.client.orders.notice]
        return templates.show(notice, FIELDS, self._display)

    @property
    def takes_digits(self) -> bool:
        return Ability.TOP_UP in self._display.settings.abilities

    def enter(self, digits: str) -> bool:
        client = self._display.client
        client.orders.top_up(client.meter(self._fuel), digits)
        return True

    def press_supply(self) -> None:
        if Ability.ARM in self._display.settings.abilities:
            client = self._display.client
            client.orders.arm(client.meter(self._fuel))
            self.show_outcome()

    def press_emergency(self) -> None:
        if Ability.EMERGENCY_CREDIT in self._display.settings.abilities:
            client = self._display.client
            client.orders.select_emergency_credit(client.meter(self._fuel))
            self.show_outcome()


DISPLAY = DeviceKind(
    "display",
    quantities=QUANTITIES,
    quantity_families=QUANTITY_FAMILIES,
    components=COMPONENTS,
    component_families=COMPONENT_FAMILIES,
)
"""What a display's profile can put behind its objects."""
