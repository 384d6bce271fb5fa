"""The keys of a rig's prepayment meters, as a site holds them, worked out without running the rig."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.premises import DEFAULT_PROFILES, commissioned
from emulator.security import SecurityState
from firmware_profiles.loader import load
from rigs.associations import association_keys
from rigs.building import check_device
from rigs.services.s1sp.keystore import DlmsKey, MeterKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.firmware import TokenSettings
    from rigs.config import DeviceSpec, PremisesSpec, RigFile

SECRET, ORIGINATOR = "token.secret", "token.originator"
ASSOCIATION = "management"
_DIRECT_SERVER = 1


@dataclass(frozen=True, slots=True)
class Enrollable:
    """A meter that takes tokens: its device's name, EUI-64 in hexadecimal, and its keys; ``dlms`` None without any."""

    name: str
    meter: str
    key: MeterKey
    dlms: DlmsKey | None


def prepayment_meters(file: RigFile) -> Iterator[Enrollable]:
    """All meters of a rig whose firmware takes tokens. Raises ConfigError."""
    for premises in file.specs:
        for spec in premises.devices():
            if spec.kind != "hub":
                yield from _meter(file, premises, spec)


def _meter(file: RigFile, premises: PremisesSpec, spec: DeviceSpec) -> Iterator[Enrollable]:
    check_device(file, premises, spec)
    firmware, identity, ring = commissioned(spec.kind, premises.name, spec, file.config.seed, load)
    if firmware.prepayment is None:
        return
    tokens = firmware.prepayment.tokens
    originator = ring.key(ORIGINATOR, 0) or tokens.originator
    key = MeterKey(tokens.scheme_name, ring.key(SECRET, tokens.scheme.secret_octets), originator)
    model = firmware.model
    index = model.by_name.get(ASSOCIATION)
    dlms = None
    if index is not None:
        keys = association_keys(model, index, SecurityState(model.associations[index], ring), identity.system_title)
        dlms = DlmsKey(
            client=keys.client,
            server=_server(file, premises, spec),
            mechanism=keys.mechanism,
            ciphered=keys.ciphered,
            suite=keys.suite,
            secret=keys.secret,
            encryption=keys.encryption,
            authentication=keys.authentication,
            codes=_codes(tokens),
        )
    yield Enrollable(identity.device_id, identity.eui64.hex().upper(), key, dlms)


def _codes(tokens: TokenSettings) -> dict[str, list[str]]:
    codes: dict[str, list[str]] = {}
    for outcome, settings in tokens.outcomes.items():
        codes.setdefault(f"{settings.action_result}/{settings.status}", []).append(outcome.name)
    return codes


def _server(file: RigFile, premises: PremisesSpec, spec: DeviceSpec) -> int:
    """The server SAP of a meter, or of its mirror, behind the hub."""
    hub = premises.hub
    if hub is None:
        return _DIRECT_SERVER
    check_device(file, premises, hub)
    saps = load(hub.profile or DEFAULT_PROFILES["hub"]).logical
    if saps is None:
        return _DIRECT_SERVER
    return saps.gas if spec.kind == "gas" else saps.electricity
