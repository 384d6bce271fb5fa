"""Commands of real clients that read a port, ready to be copied: what ``smets1 up`` and ``smets1 keys`` print."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from protocols import obis
from protocols.dlms.enums import Mechanism
from rigs.associations import AssociationKeys
from rigs.ports.bus import DropPort
from rigs.ports.port import Port
from rigs.ports.spec import PortKind, PortSpec, network_address, plain_path

if TYPE_CHECKING:
    from rigs.config import AddressConfig

PUBLIC = 16
"""Client SAP of the public client."""
MANAGEMENT = 1
"""Server SAP of the management logical device, which every device has."""
PORT, DEVICE = "PORT", "DEVICE"
"""What stands for a network port that the system chooses, and for the far end of a serial cable."""
AUTHENTICATION = ("none", "lls", "hls", "md5", "sha1", "gmac", "sha256", "ecdsa")
"""What our client and pydlms call the mechanisms 0 to 7."""
_PYDLMS_TITLE = "5059444C4D533031"
_WHAT = ("--obis", "0.0.42.0.0.255", "--class", "1")
"""The logical device name, which every meter shows to every client."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client reaches a logical device: kind of port, path or ``host:port``, server SAP.

    ``optical`` asks for the sign-on of IEC 62056-21. On a bus ``hdlc`` and ``sign_on`` are the device's addresses.
    """

    kind: PortKind
    address: str
    optical: bool = False
    server: int = MANAGEMENT
    hdlc: int | None = None
    sign_on: str = ""

    @property
    def ours(self) -> str:
        """The port as ``smets1 read`` names it."""
        if self.optical and self.kind is PortKind.PTY:
            return f"optical:{self.address}"
        return f"{'optical:' if self.optical else ''}{self.kind.value}:{self.address}"

    @property
    def pydlms(self) -> str | None:
        """The endpoint as pydlms names it, None where it cannot go."""
        if self.hdlc is not None:
            return None
        match self.kind:
            case PortKind.PTY | PortKind.SERIAL:
                path = self.address if self.address == DEVICE else str(Path(self.address).absolute())
                return f"optical://{path}" if self.optical else f"serial://{path}?baud=9600"
            case PortKind.RFC2217 | PortKind.UNIX | PortKind.UNIX_HDLC:
                return None
            case PortKind.TCP_HDLC if self.optical:
                return None
            case _:
                return f"{self.kind.value}://{self.address}"


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """PEM files for an association with ECDSA: the client's private key, the meter's public key."""

    signing: Path
    meter: Path


def place_of(port: Port, server: int = MANAGEMENT) -> Place:
    """Where an open port is reached."""
    address = DEVICE if port.spec.kind is PortKind.SERIAL else port.address
    place = Place(port.spec.kind, address, port.name.endswith("/optical"), server)
    return replace(place, hdlc=port.hdlc, sign_on=port.sign_on) if isinstance(port, DropPort) else place


def planned_place(
    name: str, spec: PortSpec, server: int = MANAGEMENT, answers_to: AddressConfig | None = None
) -> Place:
    """Where the port ``name`` of a device will be reached when a rig opens it in this folder.

    ``answers_to`` is what the device answers to where the port is that of a bus.
    """
    match spec.kind:
        case PortKind.PTY | PortKind.UNIX | PortKind.UNIX_HDLC:
            address = plain_path(Path(spec.path))
        case PortKind.SERIAL:
            address = DEVICE
        case _:
            address = network_address(spec.host, spec.port or PORT)
    place = Place(spec.kind, address, name == "optical", server)
    if not spec.bus or answers_to is None:
        return place
    return replace(place, hdlc=answers_to.hdlc, sign_on=answers_to.sign_on or "")


def commands(port: Port) -> list[str]:
    """Commands of the public client for a port, ours first; none where the far end of a cable is somewhere else."""
    place = place_of(port)
    if place.kind is PortKind.SERIAL:
        return []
    return [command for command in (ours(place), pydlms(place)) if command is not None]


def ours(place: Place, keys: AssociationKeys | None = None, files: KeyFiles | None = None) -> str | None:
    """``smets1 read`` of the object list; without ``keys`` as the public client.

    None for ECDSA without its key ``files``.
    """
    options = _common(place, keys)
    if keys is not None:
        if keys.mechanism == Mechanism.HLS_ECDSA:
            if files is None:
                return None
            options += ["--signing-key", str(files.signing), "--meter-key", str(files.meter)]
        if keys.uses_secret:
            options += ["--password", secret_text(keys.secret)]
        if keys.suite:
            options += ["--suite", str(keys.suite)]
        if keys.uses_keys:
            options += ["--key", keys.encryption.hex(), "--auth-key", keys.authentication.hex()]
            if not keys.ciphered:
                options.append("--plain")
            if keys.counter_object is not None:
                options += ["--counter-object", counter_text(keys.counter_object)]
    return shlex.join(["smets1", "read", place.ours, *options, "list"])


def pydlms(place: Place, keys: AssociationKeys | None = None) -> str | None:
    """The command of pydlms that reads the logical device name; without ``keys`` as the public client.

    None where its command line cannot do it: suites 1 and 2, GMAC without ciphering, secrets that are no text, optical
    ports on a network.
    """
    endpoint = place.pydlms
    if endpoint is None:
        return None
    options = _common(place, keys)
    if keys is not None:
        if keys.suite or keys.mechanism == Mechanism.HLS_ECDSA or (keys.uses_keys and not keys.ciphered):
            return None
        if keys.uses_secret:
            password = secret_text(keys.secret)
            if password.startswith("hex:"):
                return None
            options += ["--password", password]
        if keys.uses_keys:
            options += ["--key", keys.encryption.hex(), "--auth-key", keys.authentication.hex(), "--ic-retry"]
        elif keys.mechanism == Mechanism.HLS_SHA256:
            options += ["--system-title", _PYDLMS_TITLE]
    return shlex.join(["pydlms", "read", endpoint, *options, *_WHAT])


def _common(place: Place, keys: AssociationKeys | None) -> list[str]:
    options: list[str] = []
    if keys is not None and keys.client != PUBLIC:
        options += ["--client", str(keys.client)]
    if place.server != MANAGEMENT:
        options += ["--server", str(place.server)]
    if place.hdlc is not None:
        options += ["--physical", str(place.hdlc)]
    if place.optical and place.sign_on:
        options += ["--meter-address", place.sign_on]
    if keys is not None and keys.mechanism != Mechanism.NONE:
        options += ["--auth", AUTHENTICATION[keys.mechanism]]
    return options


def secret_text(secret: bytes) -> str:
    """A secret as ``smets1 read --password`` takes it: as it is, or ``hex:`` and hexadecimal where it is no text."""
    text = secret.decode("ascii", "replace")
    return text if text.isascii() and text.isprintable() and not text.startswith("hex:") else f"hex:{secret.hex()}"


def counter_text(logical_name: bytes) -> str:
    """A logical name as people write it, without the last part where that is 255."""
    return obis.text(logical_name).removesuffix(".255")
