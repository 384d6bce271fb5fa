"""``smets1 keys``: secrets and keys of every association of a rig's devices, and commands that use them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from emulator.logical_device import client_signing_key, signing_keys
from emulator.premises import DEFAULT_PROFILES, commissioned
from emulator.security import SecurityState
from firmware_profiles.loader import load
from protocols.dlms.enums import Mechanism
from rigs.associations import AssociationKeys, association_keys
from rigs.building import check_device
from rigs.commands.output import console
from rigs.config import DEVICE_KINDS, ConfigError, DeviceSpec, PremisesSpec, RigFile
from rigs.hints import (
    AUTHENTICATION,
    DEVICE,
    PORT,
    KeyFiles,
    Place,
    counter_text,
    ours,
    planned_place,
    pydlms,
    secret_text,
)
from rigs.system_errors import reason

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from emulator.firmware import FirmwareProfile, LogicalDevices
    from emulator.premises import Identity
    from emulator.security import KeyRing

_NAMED = 12
"""Devices that an error names; a rig may have thousands."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """One device, its associations as it starts with them, and where clients reach it (None: nowhere)."""

    name: str
    firmware: FirmwareProfile
    identity: Identity
    ring: KeyRing
    associations: tuple[AssociationKeys, ...]
    place: Place | None

    @property
    def master(self) -> bytes:
        """The key encryption key."""
        return self.ring.key("master")


def run(file: RigFile, device: str, *, as_json: bool = False, folder: Path | None = None) -> None:
    """Print the keys of a device, or of all devices of the first premises where ``device`` is empty.

    ``folder`` is where key files of ECDSA associations are written, if given. Raises ConfigError.
    """
    keyrings = [_keyring(file, premises, spec) for premises, spec in _chosen(file, device)]
    if as_json:
        print(json.dumps([_json(keyring, folder) for keyring in keyrings], indent=2))
        return
    for keyring in keyrings:
        _print(keyring, folder)
    others = len(file.specs) - 1
    if others and not device:
        console().print(f"{others} more premises: name one, or a device such as {file.specs[1].name}/electricity.")


def _chosen(file: RigFile, wanted: str) -> list[tuple[PremisesSpec, DeviceSpec]]:
    """Devices by ``premises/kind``, by kind (of the first premises that has one) or by premises."""
    every = [(premises, spec) for premises in file.specs for spec in premises.devices()]
    if wanted in DEVICE_KINDS:
        found = [pair for pair in every if pair[1].kind == wanted][:1]
    else:
        name = wanted or file.specs[0].name
        found = [pair for pair in every if name in (pair[0].name, f"{pair[0].name}/{pair[1].kind}")]
    if not found:
        names = [f"{premises.name}/{spec.kind}" for premises, spec in every]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise ConfigError(f"{file.name}: {wanted}: no such device; there are {', '.join(names[:_NAMED])}{more}")
    return found


def _keyring(file: RigFile, premises: PremisesSpec, spec: DeviceSpec) -> Keyring:
    check_device(file, premises, spec)
    firmware, identity, ring = commissioned(spec.kind, premises.name, spec, file.config.seed, load)
    model, title = firmware.model, identity.system_title
    associations = tuple(
        association_keys(model, index, SecurityState(association, ring), title)
        for index, association in enumerate(model.associations)
    )
    return Keyring(identity.device_id, firmware, identity, ring, associations, _place(file, premises, spec))


def _place(file: RigFile, premises: PremisesSpec, spec: DeviceSpec) -> Place | None:
    """The device's own port, else the hub's; one whose address is known before others."""
    hub = premises.hub
    if spec.ports or hub is None or hub is spec:
        places = [planned_place(name, port, answers_to=spec.address) for name, port in spec.ports.items()]
    else:
        check_device(file, premises, hub)
        saps = load(hub.profile or DEFAULT_PROFILES["hub"]).logical
        places = (
            [planned_place(name, port, _sap(saps, spec.kind), hub.address) for name, port in hub.ports.items()]
            if saps
            else []
        )
    return min(places, key=lambda place: place.address.endswith((PORT, DEVICE)), default=None)


def _sap(saps: LogicalDevices, kind: str) -> int:
    return saps.gas if kind == "gas" else saps.electricity


# -- commands and key files -----------------------------------------------------------------------------------------


def _commands(keyring: Keyring, keys: AssociationKeys, folder: Path | None) -> Iterator[str]:
    if keyring.place is None:
        return
    files = _key_files(keyring, keys, folder)
    for command in (ours(keyring.place, keys, files), pydlms(keyring.place, keys)):
        if command is not None:
            yield command


def _key_files(keyring: Keyring, keys: AssociationKeys, folder: Path | None) -> KeyFiles | None:
    """Write the files of an ECDSA association; None where it needs none, or the client's key is not the rig's."""
    spec = keyring.firmware.model.associations[keyring.firmware.model.by_name[keys.association]]
    if folder is None or keys.mechanism != Mechanism.HLS_ECDSA:
        return None
    device_key, client_public = signing_keys(keyring.ring, spec)
    client_key = client_signing_key(keyring.ring, spec)
    if client_key.public_key() != client_public:
        return None
    stem = f"{keyring.name.replace('/', '-')}-{keys.association}"
    files = KeyFiles(folder / f"{stem}-client.pem", folder / f"{stem}-meter.pem")
    _write(files.signing, _private_pem(client_key), 0o600)
    _write(files.meter, _public_pem(device_key), 0o644)
    return files


def _write(path: Path, content: bytes, mode: int) -> None:
    try:
        path.touch(mode)
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"--pem: {path}: {reason(error)}") from None


def _private_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


# -- what is printed ------------------------------------------------------------------------------------------------


def _print(keyring: Keyring, folder: Path | None) -> None:
    out = console()
    title = (
        f"{keyring.name}: {keyring.firmware.name}, system title {keyring.identity.system_title.hex()},"
        f" master key {keyring.master.hex()}"
    )
    if not keyring.associations:
        out.print(Text(f"{title}; it speaks no DLMS"), soft_wrap=True)
        return
    table = Table(title=Text(title), title_justify="left")
    for heading in ("Association", "Client", "Auth", "Context", "Suite", "Counter", "Secret", "Keys"):
        table.add_column(heading, overflow="fold")
    for keys in keyring.associations:
        table.add_row(*(Text(cell) for cell in _cells(keys)))
    out.print(table)
    for keys in keyring.associations:
        for command in _commands(keyring, keys, folder):
            out.print(Text(f"  {command}"), soft_wrap=True)
    out.print("".join(f"{note}\n" for note in _notes(keyring, folder)), soft_wrap=True)


def _cells(keys: AssociationKeys) -> tuple[str, ...]:
    symmetric = {"encryption": keys.encryption, "authentication": keys.authentication, "broadcast": keys.broadcast}
    return (
        keys.association,
        str(keys.client),
        AUTHENTICATION[keys.mechanism],
        "ciphered" if keys.ciphered else "plain",
        str(keys.suite) if keys.uses_keys else "",
        _counter(keys) or "",
        _secret(keys) or "",
        "\n".join(f"{name:<14} {key.hex()}" for name, key in symmetric.items()) if keys.uses_keys else "",
    )


def _notes(keyring: Keyring, folder: Path | None) -> Iterator[str]:
    place = keyring.place
    if place is None:
        yield "  This device has no port, and no hub with one."
    elif place.address.endswith(PORT):
        yield f"  {PORT} is the number that `smets1 up` shows."
    elif place.address == DEVICE:
        yield f"  {DEVICE} is the serial device at the client's end of the cable."
    if folder is None and any(keys.mechanism == Mechanism.HLS_ECDSA for keys in keyring.associations):
        yield "  With --pem FOLDER the key files for ecdsa are written, and the commands that use them printed."


def _json(keyring: Keyring, folder: Path | None) -> dict[str, object]:
    return {
        "device": keyring.name,
        "profile": keyring.firmware.name,
        "serial": keyring.identity.serial,
        "system_title": keyring.identity.system_title.hex(),
        "master": keyring.master.hex(),
        "associations": [
            {
                "name": keys.association,
                "client": keys.client,
                "auth": AUTHENTICATION[keys.mechanism],
                "context": "ciphered" if keys.ciphered else "plain",
                "suite": keys.suite if keys.uses_keys else None,
                "policy": keys.policy if keys.uses_keys else None,
                "counter_object": _counter(keys),
                "secret": _secret(keys),
                "encryption": keys.encryption.hex() if keys.uses_keys else None,
                "authentication": keys.authentication.hex() if keys.uses_keys else None,
                "broadcast": keys.broadcast.hex() if keys.uses_keys else None,
                "commands": list(_commands(keyring, keys, folder)),
            }
            for keys in keyring.associations
        ],
    }


def _counter(keys: AssociationKeys) -> str | None:
    if keys.counter_object is None or not keys.uses_keys:
        return None
    return counter_text(keys.counter_object)


def _secret(keys: AssociationKeys) -> str | None:
    return secret_text(keys.secret) if keys.uses_secret else None
