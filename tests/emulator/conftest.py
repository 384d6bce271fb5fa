"""Real premises on a clock that tests move, and a client of our own on their stacks, without a line between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from emulator.cosem.view import AssociationView
from emulator.device import Device, Identity
from emulator.electricity import ElectricityMeter
from emulator.load import Constant
from emulator.load import Load as EnergyLoad
from emulator.logical_device import client_signing_key, signing_keys
from emulator.meter import Meter
from emulator.ports import HdlcStack, Stack
from emulator.premises import Premises, build_premises
from emulator.prepayment.account import Account
from emulator.security import KeyRing
from emulator.time import DAY, SECOND, Clock
from firmware_profiles.loader import load
from protocols import obis, wrapper
from protocols.dlms import axdr
from protocols.dlms.axdr import Data
from protocols.dlms.client import (
    Attribute,
    Client,
    ClientSecurity,
    ClientSettings,
    Exchange,
    Method,
    Notification,
    client_counters,
)
from protocols.dlms.enums import DataAccessResult, Mechanism
from protocols.dlms.objects import AccessRefused
from protocols.dlms.security import Keys
from protocols.dlms.types import parse_type, plain
from protocols.hdlc import Disconnected, Event, Notified, Parameters, PrimaryStation, Received

T = TypeVar("T")

START = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z, a Thursday."""
SEED = 7
CLIENT_TITLE = b"CLI\0\0\0\0\1"


@dataclass
class Load:
    """What a device draws, as a rig file has it."""

    kind: str = "household"
    value: float | None = None
    file: str | None = None
    scale: float = 1.0


@dataclass
class Prepayment:
    """A meter that begins in prepayment mode."""

    balance_pence: int = 1000


@dataclass
class DeviceSpec:
    """A device as a rig file has it."""

    profile: str | None = None
    serial: str | None = None
    point: str | None = None
    keys: Mapping[str, bytes] = field(default_factory=dict)
    load: Load = field(default_factory=Load)
    eui64: bytes | None = None
    prepayment: Prepayment | None = None


@dataclass
class Spec:
    """A premises as a rig file has it."""

    hub: DeviceSpec | None = field(default_factory=DeviceSpec)
    electricity: DeviceSpec | None = field(default_factory=DeviceSpec)
    gas: DeviceSpec | None = field(default_factory=DeviceSpec)
    display: DeviceSpec | None = None


class Talker:
    """A client on a stack, over HDLC (``proposal`` is what SNRM asks for) or the wrapper."""

    def __init__(
        self,
        stack: Stack,
        settings: ClientSettings | None = None,
        *,
        sap: int = 16,
        server: int = 1,
        proposal: Parameters | None = None,
    ) -> None:
        self.stack = stack
        self.clock: Clock = stack.device.clock
        self.sap, self.server = sap, server
        self.client = Client(settings or ClientSettings(), Random(1).randbytes)
        self.said: list[str] = []
        self.notifications: list[Notification] = []
        self.sent: list[bytes] = []
        """Octets that the stack sent unasked."""
        stack.explain = self.said.append
        stack.transmit = self._unasked
        self.station = (
            PrimaryStation(sap, server, proposal=proposal or Parameters()) if isinstance(stack, HdlcStack) else None
        )
        self._reader = wrapper.WrapperReader()

    def _unasked(self, data: bytes) -> None:
        self.sent.append(data)
        self._take(data)

    def connect(self) -> None:
        """Set up the HDLC link."""
        assert self.station is not None
        self._pass(self.station.connect(self.clock.now))

    def disconnect(self) -> None:
        """End the HDLC link."""
        assert self.station is not None
        self._pass(self.station.disconnect(self.clock.now))

    def send(self, apdu: bytes) -> None:
        """One APDU to the stack, and its answers to the client."""
        if self.station is not None:
            self._pass(self.station.send(apdu, self.clock.now))
        else:
            self._take(self.stack.receive(wrapper.encode(self.sap, self.server, apdu), self.clock.now))

    def _pass(self, data: bytes) -> None:
        assert self.station is not None
        while data:
            answer = self.stack.receive(data, self.clock.now)
            self._take(answer)
            data = self.station.data_to_send() if answer else b""

    def _take(self, data: bytes) -> None:
        if self.station is None:
            for _, _, apdu in self._reader.receive(data):
                self._got(apdu)
            return
        for event in self.station.receive(data, self.clock.now):
            self._event(event)

    def _event(self, event: Event) -> None:
        match event:
            case Received(apdu) | Notified(apdu):
                self._got(apdu)
            case Disconnected(why):
                self.said.append(why)
            case _:
                pass

    def _got(self, apdu: bytes) -> None:
        notification = self.client.receive(apdu)
        if notification is not None:
            self.notifications.append(notification)

    def run(self, exchange: Exchange[T]) -> T:
        """Carry an exchange through; its result, or the error it ends in."""
        while not exchange.done:
            due = self.client.to_send()
            if not due:
                break
            for apdu in due:
                self.send(apdu)
        return exchange.result()

    def open(self) -> Talker:
        """Connect where there is a link, and associate."""
        if self.station is not None:
            self.connect()
        self.run(self.client.associate())
        return self

    def get(self, class_id: int, name: str, index: int = 2, selection: bytes | None = None) -> Data:
        """An attribute's value."""
        return axdr.decode_all(self.run(self.client.get(Attribute(class_id, obis.parse(name), index), selection)))

    def value(self, class_id: int, name: str, index: int = 2) -> object:
        """An attribute's plain value."""
        return plain(self.get(class_id, name, index))

    def set(self, class_id: int, name: str, index: int, data: bytes) -> None:
        """Set an attribute to encoded Data."""
        self.run(self.client.set(Attribute(class_id, obis.parse(name), index), data))

    def action(self, class_id: int, name: str, index: int, parameters: bytes | None = None) -> bytes | None:
        """Run a method."""
        return self.run(self.client.action(Method(class_id, obis.parse(name), index), parameters))


def settings_of(device: Device, association: str, **changes: object) -> ClientSettings:
    """What a client needs to open an association of a device, out of the device's own keys."""
    model = device.firmware.model
    index = model.by_name[association]
    spec, state = model.associations[index], device.security(index)
    security = None
    if 3 in spec.contexts or spec.mechanism >= Mechanism.HLS_GMAC:
        ecdsa = spec.mechanism == Mechanism.HLS_ECDSA
        offer = state.context(device.identity.system_title)
        security = ClientSecurity(
            CLIENT_TITLE,
            Keys(offer.keys.encryption, offer.keys.authentication, kek=offer.keys.kek),
            suite=spec.suite,
            ciphered=3 in spec.contexts,
            counters=client_counters(state.counters.received, state.counters.sent or -1),
            signing=client_signing_key(device.ring, spec) if ecdsa else None,
            peer_verifying=_device_key(device, association) if ecdsa else None,
        )
    values: dict[str, object] = {
        "mechanism": Mechanism(spec.mechanism),
        "secret": state.secret,
        "security": security,
        "challenge_octets": 32,
    }
    return ClientSettings(**{**values, **changes})  # type: ignore[arg-type]


def _device_key(device: Device, association: str) -> EllipticCurvePublicKey:
    spec = device.firmware.model.associations[device.firmware.model.by_name[association]]
    return signing_keys(device.ring, spec)[0].public_key()


@pytest.fixture
def clock() -> Clock:
    """A rig's clock at the start of 2026."""
    return Clock(START)


@pytest.fixture
def home(clock: Clock) -> Callable[..., Premises]:
    """Builds a premises; give ``electricity=None`` and the like to leave a device out."""

    def build(
        name: str = "home", *, read: Callable[[str], str] | None = None, **devices: DeviceSpec | None
    ) -> Premises:
        return build_premises(name, Spec(**devices), clock, SEED, load, read=read)

    return build


class Hand:
    """One association's hand on a device's objects, without protocols between; values come and go as plain values."""

    def __init__(self, device: Device, association: str = "management") -> None:
        model = device.firmware.model
        self.device = device
        self.view = AssociationView(device, model, model.by_name[association], None)

    def read(self, class_id: int, name: str, index: int = 2, selection: bytes | None = None) -> bytes:
        """An attribute, encoded."""
        return self.view.get(class_id.to_bytes(2, "big") + obis.parse(name) + bytes((index,)), selection)

    def get(self, class_id: int, name: str, index: int = 2, selection: bytes | None = None) -> Any:
        """An attribute's plain value."""
        return plain(axdr.decode_all(self.read(class_id, name, index, selection)))

    def set(self, class_id: int, name: str, index: int, type_text: str, value: object) -> None:
        """Give an attribute a value of a type."""
        descriptor = class_id.to_bytes(2, "big") + obis.parse(name) + bytes((index,))
        self.view.set(descriptor, None, parse_type(type_text).encode(value))

    def act(self, class_id: int, name: str, index: int, type_text: str = "i8", value: object = 0) -> bytes | None:
        """Run a method."""
        descriptor = class_id.to_bytes(2, "big") + obis.parse(name) + bytes((index,))
        return self.view.action(descriptor, parse_type(type_text).encode(value))

    def rows(self, name: str) -> list[Any]:
        """The rows of a profile object as plain values, the times as octets."""
        return self.get(7, name)


def build_esme(
    clock: Clock,
    load_: EnergyLoad | None = None,
    *,
    days: float = 0,
    profile: str = "electricity-base",
    device_id: str = "esme",
    seed: int = SEED,
) -> ElectricityMeter:
    """An electricity meter that was installed ``days`` ago; without a load of its own nothing flows."""
    firmware = load(profile)
    identity = Identity(device_id, "1234567890123", b"GEN\0\0\0\0\1", b"\x02SM1\0\0\0\1", "1200000000001")
    ring = KeyRing(seed, device_id)
    installed_at = clock.now - round(days * DAY)
    return ElectricityMeter(firmware, identity, clock, seed, ring, installed_at, load_ or Constant(0))


def account_of(meter: Meter) -> Account:
    """The account of a meter that has one."""
    assert meter.account is not None
    return meter.account


def wait(meter: Meter, nanoseconds: int = SECOND) -> None:
    """Let time pass, and look at the meter as it is then."""
    meter.clock.advance_to(meter.clock.now + nanoseconds)
    meter.attend()


def refused(call: Callable[[], object]) -> DataAccessResult:
    """With which result the device refuses."""
    with pytest.raises(AccessRefused) as caught:
        call()
    return caught.value.result


@pytest.fixture
def esme(clock: Clock) -> Callable[..., ElectricityMeter]:
    """Builds an electricity meter on the test's clock; see :func:`build_esme`."""
    return partial(build_esme, clock)


@pytest.fixture(scope="session")
def new_esme() -> Callable[..., ElectricityMeter]:
    """Builds an electricity meter on a given clock, for tests that hypothesis runs many times."""
    return build_esme


@pytest.fixture(scope="session")
def hand() -> type[Hand]:
    """A hand on a device's objects."""
    return Hand
