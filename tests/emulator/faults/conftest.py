"""A home with a display, its faults, and messages between its devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulator.device import Device
from emulator.electricity import ElectricityMeter
from emulator.faults.injection import Faults, Injection
from emulator.gas import GasMeter
from emulator.han.member import Member
from emulator.han.message import COORDINATOR, Message
from emulator.han.network import Network
from emulator.hub import Hub
from emulator.premises import Premises, build_premises
from emulator.time import MINUTE, Clock
from firmware_profiles.loader import load

from ..conftest import SEED, DeviceSpec, Load, Spec
from .bare_line import Desk

READ = Message(0x0109, 0x0000, 1, 1, b"\x00\x01\x00\x05\x00")
"""Read the model of a device (Basic cluster)."""


class Spot:
    """One premises and its faults; ``told`` are the sentences about them."""

    def __init__(self, premises: Premises, clock: Clock) -> None:
        self.premises = premises
        self.clock = clock
        self.faults = Faults(clock, SEED, {premises.name: premises})
        self.told: list[str] = []
        self.faults.observers.append(lambda _, text: self.told.append(text))

    def start(self, name: str, kind: str = "hub", /, **parameters: Any) -> Injection:
        """Inject a fault at once, until it is ended."""
        return self.faults.start(name, f"home/{kind}", {key.rstrip("_"): value for key, value in parameters.items()})

    def end(self, injection: Injection) -> None:
        self.faults.end(injection.id)

    def after(self, duration: int) -> None:
        self.clock.advance_to(self.clock.now + duration)

    def device(self, kind: str) -> Device:
        return next(device for device in self.premises.devices() if device.firmware.kind == kind)


class Place(Spot):
    """Premises with a HAN; ``explained`` are the sentences of the air."""

    def __init__(self, premises: Premises, clock: Clock) -> None:
        super().__init__(premises, clock)
        assert premises.hub is not None
        self.hub: Hub = premises.hub
        self.han: Network = premises.hub.han
        self.explained: list[str] = []
        self.han.air.explain = self.explained.append

    def member(self, kind: str) -> Member:
        return self.han.member(self.device(kind))

    @property
    def on(self) -> list[str]:
        """Kinds of the devices that communicate."""
        return [member.device.firmware.kind for member in self.han.members if member.on]

    @property
    def reporting(self) -> list[str]:
        """Kinds of the devices that the hub hears, as the device log has them."""
        found: list[str] = []
        for entry in self.han.log:
            member = self.han.find(entry.eui64)
            if self.han.refresh(entry) and member is not None:
                found.append(member.device.firmware.kind)
        return found

    @property
    def longest_pause(self) -> int:
        """Within which every device looks for the network it belongs to, and a minute."""
        pauses = [member.device.firmware.joining for member in self.han.members]
        return max(joining.longest_pause for joining in pauses if joining is not None) + MINUTE

    def says(self, kind: str) -> bool:
        """Whether a message of a device to the hub is acknowledged."""
        outcomes: list[bool] = []
        self.member(kind).send(COORDINATOR, READ, outcomes.append)
        self.after(MINUTE)
        (outcome,) = outcomes
        return outcome

    def rssi(self, kind: str) -> int:
        """How the hub hears a device, dBm."""
        return self.han.medium.link(self.member(kind).radio, self.han.node.radio).rssi


ALL = ["electricity", "gas", "display"]


@pytest.fixture
def spot(clock: Clock) -> Spot:
    """An electricity meter with nothing beside it, three days old, which draws 60 kW."""
    spec = Spec(hub=None, gas=None, electricity=DeviceSpec(load=Load("constant", 60_000)))
    return Spot(build_premises("home", spec, clock, SEED, load, history_days=3), clock)


@pytest.fixture
def young(clock: Clock) -> Place:
    """A home without a display, whose reports would take most of the time; three days old."""
    return Place(build_premises("home", Spec(), clock, SEED, load, history_days=3), clock)


@pytest.fixture
def place(home: Callable[..., Premises], clock: Clock) -> Place:
    return Place(home(display=DeviceSpec()), clock)


@pytest.fixture
def keyed(home: Callable[..., Premises], clock: Clock) -> Place:
    """Where the hub's profile establishes keys at joining."""
    return Place(home(hub=DeviceSpec(profile="hub-lima"), display=DeviceSpec()), clock)


@pytest.fixture
def desk(home: Callable[..., Premises], clock: Clock) -> Desk:
    """A meter with the fullest profile, alone."""
    return Desk(home(hub=None, gas=None, electricity=DeviceSpec(profile="electricity-bench")), clock)


@pytest.fixture
def meter(place: Place) -> ElectricityMeter:
    found = place.device("electricity")
    assert isinstance(found, ElectricityMeter)
    return found


@pytest.fixture
def gas(place: Place) -> GasMeter:
    found = place.device("gas")
    assert isinstance(found, GasMeter)
    return found
