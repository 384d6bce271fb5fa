"""A dwelling: its hub, electricity meter, gas meter and display, who they are, and what they draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Protocol

from emulator.device import Device, Identity
from emulator.display import Display
from emulator.electricity import ElectricityMeter
from emulator.firmware import FirmwareProfile
from emulator.gas import GasMeter
from emulator.hub import Hub
from emulator.load import MICRO, Constant, Load, household_electricity, household_gas, parse_csv
from emulator.meter import Meter
from emulator.prepayment.money import PENNY
from emulator.security import KeyRing
from emulator.time import DAY, Clock, stream

HISTORY_DAYS = 396
"""How long meters have been in place when a rig starts, unless it says otherwise: thirteen months."""
DEFAULT_PROFILES = {
    "hub": "hub-base",
    "electricity": "electricity-base",
    "gas": "gas-base",
    "display": "display-base",
}
MAX_DISTRIBUTOR = 23

_MPAN_WEIGHTS = (3, 5, 7, 13, 17, 19, 23, 29, 31, 37, 41, 43)
RATE = {"electricity": MICRO, "gas": 1000 * MICRO}
"""Millionths of a watt, or of a cubic decimetre an hour, in one unit of a load as a rig gives it (W, m3/h)."""


class PremisesError(ValueError):
    """A premises that cannot be built. ``where`` is the place in its specification, the text what is wrong with it."""

    def __init__(self, where: str, text: str) -> None:
        super().__init__(f"{where}: {text}")
        self.where = where
        self.text = text


class LoadSpec(Protocol):
    """What is drawn through a meter: ``household``, ``constant`` (W, or m3 an hour) or ``csv``."""

    @property
    def kind(self) -> str: ...
    @property
    def value(self) -> float | None: ...
    @property
    def file(self) -> str | None: ...
    @property
    def scale(self) -> float: ...


class PrepaymentSpec(Protocol):
    """A meter that begins in prepayment mode, with that balance."""

    @property
    def balance_pence(self) -> int: ...


class DeviceSpec(Protocol):
    """One device; what is None comes from the seed, or is the default of its kind. ``point``, ``load`` and
    ``prepayment`` are those of a meter."""

    @property
    def profile(self) -> str | None: ...
    @property
    def serial(self) -> str | None: ...
    @property
    def point(self) -> str | None: ...
    @property
    def eui64(self) -> bytes | None: ...
    @property
    def keys(self) -> Mapping[str, bytes]: ...
    @property
    def load(self) -> LoadSpec: ...
    @property
    def prepayment(self) -> PrepaymentSpec | None: ...


class PremisesSpec(Protocol):
    """The devices of a premises, None for one that it does not have."""

    @property
    def hub(self) -> DeviceSpec | None: ...
    @property
    def electricity(self) -> DeviceSpec | None: ...
    @property
    def gas(self) -> DeviceSpec | None: ...
    @property
    def display(self) -> DeviceSpec | None: ...


@dataclass(slots=True)
class Premises:
    """One dwelling and its devices; a device that it does not have is None. ``gas_meters`` counts those it has had."""

    name: str
    hub: Hub | None
    electricity: ElectricityMeter | None
    gas: GasMeter | None
    gas_meters: int = 1
    display: Display | None = None

    def devices(self) -> Iterator[Device]:
        """Those it has, hub first."""
        for device in (self.hub, self.electricity, self.gas, self.display):
            if device is not None:
                yield device


def build_premises(
    name: str,
    spec: PremisesSpec,
    clock: Clock,
    seed: int,
    profiles: Callable[[str], FirmwareProfile],
    *,
    read: Callable[[str], str] | None = None,
    history_days: int = HISTORY_DAYS,
) -> Premises:
    """Build the devices of a premises as they have been for ``history_days``.

    ``profiles`` finds a firmware profile by its name, ``read`` gives the text of a CSV load's file. Who the devices
    are, their keys and what they draw follow from ``seed`` and the names where ``spec`` leaves it open. Raises
    PremisesError for a load that cannot be used, and what ``profiles`` and ``read`` raise.
    """
    installed_at = clock.now - history_days * DAY
    electricity = gas = hub = None
    if spec.electricity is not None:
        firmware, identity, ring = commissioned("electricity", name, spec.electricity, seed, profiles)
        load = _load("electricity", spec.electricity.load, identity.device_id, seed, read)
        electricity = ElectricityMeter(firmware, identity, clock, seed, ring, installed_at, load)
        _begin_account(electricity, spec.electricity.prepayment)
    if spec.gas is not None:
        gas = _gas_meter("gas", name, spec.gas, clock, seed, profiles, installed_at, read)
    if spec.hub is not None:
        firmware, identity, ring = commissioned("hub", name, spec.hub, seed, profiles)
        hub = Hub(firmware, identity, clock, seed, ring, installed_at, electricity, gas)
    display = None
    if spec.display is not None:
        firmware, identity, ring = commissioned("display", name, spec.display, seed, profiles)
        display = Display(firmware, identity, clock, seed, ring, installed_at)
        if hub is not None:
            display.connect(hub.han.place(display, commissioned=True))
    return Premises(name, hub, electricity, gas, display=display)


def replace_gas_meter(
    premises: Premises,
    spec: DeviceSpec,
    clock: Clock,
    seed: int,
    profiles: Callable[[str], FirmwareProfile],
    *,
    read: Callable[[str], str] | None = None,
    number: int | None = None,
) -> GasMeter:
    """Take the gas meter away and put a new one in its place, which counts from now on.

    The hub hears nothing of it: its device log has the old meter, and the mirror shows it as it was, until somebody
    updates the device log (service request 8.11). What the new one is follows from ``seed`` and ``number``, by default
    one more than the premises has had gas meters, where ``spec`` leaves it open. Raises as :func:`build_premises`, and
    ValueError for a premises without a hub.
    """
    hub = premises.hub
    if hub is None:
        raise ValueError(f"{premises.name} has no hub: nothing to join")
    old, number = premises.gas, number or premises.gas_meters + 1
    new = _gas_meter(f"gas-{number}", premises.name, spec, clock, seed, profiles, clock.now, read)
    if old is not None:
        hub.han.take_away(old)
    premises.gas, premises.gas_meters = new, number
    hub.han.place(new)
    return new


def _gas_meter(
    name: str,
    premises: str,
    spec: DeviceSpec,
    clock: Clock,
    seed: int,
    profiles: Callable[[str], FirmwareProfile],
    installed_at: int,
    read: Callable[[str], str] | None,
) -> GasMeter:
    firmware, identity, ring = commissioned("gas", premises, spec, seed, profiles, name)
    load = _load("gas", spec.load, identity.device_id, seed, read)
    gas = GasMeter(firmware, identity, clock, seed, ring, installed_at, load)
    _begin_account(gas, spec.prepayment)
    return gas


def commissioned(
    kind: str,
    premises: str,
    spec: DeviceSpec,
    seed: int,
    profiles: Callable[[str], FirmwareProfile],
    name: str | None = None,
) -> tuple[FirmwareProfile, Identity, KeyRing]:
    """What a device of a premises is before it is one: its firmware, who it is, where its keys come from.

    ``name`` is its own among those of the premises, by default its kind. Raises PremisesError for a profile of another
    kind, and what ``profiles`` raises.
    """
    firmware = profiles(spec.profile or DEFAULT_PROFILES[kind])
    if firmware.kind != kind:
        raise PremisesError(f"{kind}.profile", f"{firmware.name}: is a profile of kind {firmware.kind}, not {kind}")
    device_id = f"{premises}/{name or kind}"
    identity = make_identity(firmware, device_id, seed, spec.serial, spec.point, spec.eui64)
    return firmware, identity, KeyRing(seed, device_id, dict(spec.keys))


def _begin_account(meter: Meter, spec: PrepaymentSpec | None) -> None:
    if spec is None:
        return
    if meter.account is None:
        raise PremisesError(f"{meter.firmware.kind}.prepayment", f"{meter.firmware.name} knows no prepayment")
    meter.account.begin(spec.balance_pence * PENNY)


def make_identity(
    firmware: FirmwareProfile,
    device_id: str,
    seed: int,
    serial: str | None = None,
    point: str | None = None,
    eui64: bytes | None = None,
) -> Identity:
    """Who a device is: given, or from the seed.

    A serial number has 13 digits, so that the logical device name has its 16 octets; the system title is the maker's
    three letters and five octets, the EUI-64 one of local administration. An MPAN or MPRN has right check digits.
    """
    chance = stream(seed, device_id, "identity")
    number = f"{chance.randrange(16, 20)}{chance.randrange(10**11):011}"
    title = firmware.flag_id.encode("ascii") + chance.randbytes(5)
    address = b"\x02SM1" + chance.randbytes(4)
    drawn = {"electricity": _draw_mpan, "gas": _draw_mprn}.get(firmware.kind)
    of_seed = drawn(chance) if drawn else ""
    return Identity(device_id, serial or number, title, eui64 or address, point or of_seed)


def _draw_mpan(chance: Random) -> str:
    digits = f"{chance.randrange(10, MAX_DISTRIBUTOR + 1)}{chance.randrange(10**10):010}"
    return digits + mpan_check(digits)


def _draw_mprn(chance: Random) -> str:
    digits = str(chance.randrange(10**7, 10**8))
    return digits + mprn_check(digits)


def mpan_check(digits: str) -> str:
    """The check digit of an MPAN core's first 12 digits: weighted by primes without 11, modulo 11, modulo 10."""
    return str(sum(int(digit) * weight for digit, weight in zip(digits, _MPAN_WEIGHTS, strict=True)) % 11 % 10)


def mprn_check(digits: str) -> str:
    """The two check digits of an MPRN without them: digits weighted by their place from the end, modulo 11."""
    weighted = (int(digit) * weight for weight, digit in enumerate(reversed(digits), 1))
    return f"{sum(weighted) % 11:02}"


def _load(kind: str, spec: LoadSpec, device_id: str, seed: int, read: Callable[[str], str] | None) -> Load:
    match spec.kind:
        case "constant":
            if spec.value is None:
                raise PremisesError(f"{kind}.load.value", "a constant load needs a value")
            return Constant(round(spec.value * RATE[kind]))
        case "csv":
            if spec.file is None or read is None:
                raise PremisesError(f"{kind}.load.file", "a csv load needs a file")
            try:
                return _parsed(read(spec.file), RATE[kind])
            except ValueError as error:
                raise PremisesError(f"{kind}.load.file", f"{spec.file}: {error}") from None
        case "household":
            make = household_electricity if kind == "electricity" else household_gas
            return make(seed, device_id, spec.scale)
        case _:
            raise PremisesError(f"{kind}.load.kind", f"{spec.kind}: household, constant or csv")


@lru_cache(maxsize=8)
def _parsed(text: str, micro_units: int) -> Load:
    """One load for all meters that have the same file."""
    return parse_csv(text, micro_units)
