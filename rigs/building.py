"""From a rig file to emulated premises; whatever is wrong is said with its place in the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from emulator.device import Device
from emulator.firmware import FirmwareProfile
from emulator.gas import GasMeter
from emulator.premises import DEFAULT_PROFILES, Premises, PremisesError, build_premises, replace_gas_meter
from emulator.time import Clock
from firmware_profiles.loader import ProfileError, load
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.enums import Mechanism
from protocols.zigbee.install_code import CODE_OCTETS
from rigs.config import ConfigError, DeviceSpec, PremisesSpec, RigFile, load_rig
from rigs.driver import utc_ns

HDLC_ADDRESS = bytes((0, 23, *obis.parse("0-0:22.0.0"), 9))
SIGN_ON_ADDRESS = bytes((0, 19, *obis.parse("0-0:20.0.0"), 6))
"""Where devices keep their addresses: device_address of classes 23 and 19."""


def build(file: RigFile, spec: PremisesSpec, clock: Clock) -> Premises:
    """Premises of a rig file, in place since before the clock's present; raises :class:`ConfigError`."""
    for device in spec.devices():
        check_device(file, spec, device)
    try:
        made = build_premises(spec.name, spec, clock, file.config.seed, load, read=_text)
    except PremisesError as error:
        raise ConfigError(f"{file.name}: {spec.name}.{error.where}: {error.text}") from None
    except OSError as error:
        raise ConfigError(f"{file.name}: {spec.name}: {error.filename}: {error.strerror}") from None
    for device in spec.devices():
        _address(getattr(made, device.kind), device)
    return made


def _address(device: Device, spec: DeviceSpec) -> None:
    """Have a device answer to the addresses that its rig file gives it, as if a client had set them."""
    if spec.address.hdlc is not None:
        device.values[HDLC_ADDRESS] = axdr.u16(spec.address.hdlc)
    if spec.address.sign_on is not None:
        device.values[SIGN_ON_ADDRESS] = axdr.octets(spec.address.sign_on.encode("ascii"))


def hang_gas_meter(
    file: RigFile, spec: PremisesSpec, premises: Premises, clock: Clock, number: int | None = None
) -> GasMeter:
    """A new gas meter of the same profile in the old one's place, by default the next of its premises; LookupError
    for premises without a gas meter or hub."""
    if spec.gas is None or premises.hub is None:
        raise LookupError(f"{spec.name}/gas: no such device behind a hub")
    fresh = replace(spec.gas, serial=None, eui64=None, keys={})
    return replace_gas_meter(premises, fresh, clock, file.config.seed, load, read=_text, number=number)


def hang_gas_meters(
    file: RigFile, spec: PremisesSpec, premises: Premises, clock: Clock, numbers: tuple[int, ...]
) -> Iterator[GasMeter]:
    """Bring premises that were just built to where they have had gas meters with these numbers, of which the last is
    there and another is mirrored; that one is given, as it is among the devices no longer."""
    for number in numbers:
        meter = premises.gas if number == 1 else hang_gas_meter(file, spec, premises, clock, number)
        if number != numbers[-1] and meter is not None and premises.hub is not None:
            premises.hub.restore_mirror(meter.identity.eui64, filled=True)
            yield meter


def warm_up() -> None:
    """Build the built-in premises once: what all premises share (compiled profiles, load shapes) is there then."""
    file = load_rig()
    build(file, file.specs[0], Clock(utc_ns()))


def key_lengths(profile: FirmwareProfile) -> dict[str, frozenset[int]]:
    """The keys that a device has by name, and how many octets each may have; none of them for any number."""
    return dict(_key_lengths(profile))


def _key_lengths(profile: FirmwareProfile) -> Iterator[tuple[str, frozenset[int]]]:
    yield "master", frozenset((16, 32))
    if profile.joining is not None:
        yield "install_code", frozenset(CODE_OCTETS)
    if profile.prepayment is not None:
        yield "token.secret", frozenset((profile.prepayment.tokens.scheme.secret_octets,))
        yield "token.originator", frozenset((8,))
    for spec in profile.model.associations:
        symmetric = frozenset((32 if spec.suite == 2 else 16,))
        for part in ("encryption", "authentication", "broadcast"):
            yield f"{spec.name}.{part}", symmetric
        yield f"{spec.name}.secret", frozenset()
        if spec.mechanism == Mechanism.HLS_ECDSA:
            yield f"{spec.name}.signing", frozenset((32,))
            yield f"{spec.name}.client_signing", frozenset((32,))
            yield f"{spec.name}.client_verifying", frozenset((96 if spec.suite == 2 else 64,))


def check_device(file: RigFile, premises: PremisesSpec, device: DeviceSpec) -> None:
    """Raises :class:`ConfigError` unless its profile is there and of the right kind, and has a use for its keys."""
    if device.profile is None and not device.keys:
        return
    where = f"{file.name}: {premises.name}.{device.kind}"
    name = device.profile or DEFAULT_PROFILES[device.kind]
    try:
        profile = load(name)
    except ProfileError as error:
        raise ConfigError(f"{where}.profile: {error}") from None
    if profile.kind != device.kind:
        raise ConfigError(f"{where}.profile: {name}: is a profile of kind {profile.kind}, not {device.kind}")
    lengths = key_lengths(profile)
    for key, octets in device.keys.items():
        allowed = lengths.get(key)
        if allowed is None:
            raise ConfigError(f"{where}.keys.{key}: {name} has no such key; allowed are {', '.join(lengths)}")
        if allowed and len(octets) not in allowed:
            counts = " or ".join(str(count) for count in sorted(allowed))
            raise ConfigError(f"{where}.keys.{key}: {len(octets)} octets; this key has {counts}")


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")
