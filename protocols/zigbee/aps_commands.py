"""Commands of Zigbee's application support layer (specification 4.4.9), by which the trust centre handles keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from protocols.errors import DecodeError
from protocols.zigbee.fields import Reader, eui_octets, fixed, octet, short


class KeyType(IntEnum):
    """Kind of a key in a command (table 4.9)."""

    NETWORK = 1
    APPLICATION_LINK = 3
    TRUST_CENTRE_LINK = 4


class RequestedKey(IntEnum):
    """Kind of a key in a request (4.4.9.4)."""

    APPLICATION_LINK = 2
    TRUST_CENTRE_LINK = 4


class DeviceStatus(IntEnum):
    """What a router reports of a device in Update Device (table 4.15)."""

    SECURED_REJOIN = 0
    UNSECURED_JOIN = 1
    LEFT = 2
    UNSECURED_REJOIN = 3


@dataclass(frozen=True, slots=True)
class TransportNetworkKey:
    """The network key number ``sequence``, from the trust centre ``source`` to ``destination``."""

    key: bytes = field(repr=False)
    sequence: int
    destination: bytes
    source: bytes


@dataclass(frozen=True, slots=True)
class TransportLinkKey:
    """A new link key between the trust centre ``source`` and ``destination``."""

    key: bytes = field(repr=False)
    destination: bytes
    source: bytes


@dataclass(frozen=True, slots=True)
class TransportApplicationKey:
    """A link key with ``partner``; ``initiator`` when the receiver asked for it."""

    key: bytes = field(repr=False)
    partner: bytes
    initiator: bool


@dataclass(frozen=True, slots=True)
class UpdateDevice:
    """A router tells the trust centre of a device; ``status`` is one of :class:`DeviceStatus` or another octet."""

    device: bytes
    address: int
    status: int


@dataclass(frozen=True, slots=True)
class RemoveDevice:
    """The trust centre has a router remove its child."""

    device: bytes


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A device asks for a link key: with ``partner``, or with the trust centre when that is None."""

    partner: bytes | None = None


@dataclass(frozen=True, slots=True)
class SwitchKey:
    """From now on the network key number ``sequence`` is in use."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A protected APS frame for a joining device that has no network key yet; its parent passes it on."""

    destination: bytes
    frame: bytes


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A device shows that it has the new link key: ``proof`` is HMAC-MMO(key, 03)."""

    type: int
    source: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class ConfirmKey:
    """The trust centre's answer to Verify Key; ``status`` 0 is success."""

    status: int
    type: int
    destination: bytes


Command: TypeAlias = (
    TransportNetworkKey
    | TransportLinkKey
    | TransportApplicationKey
    | UpdateDevice
    | RemoveDevice
    | RequestKey
    | SwitchKey
    | Tunnel
    | VerifyKey
    | ConfirmKey
)

_TRANSPORT, _UPDATE, _REMOVE, _REQUEST, _SWITCH = 5, 6, 7, 8, 9
_TUNNEL, _VERIFY, _CONFIRM = 0x0E, 0x0F, 0x10


def encode(command: Command) -> bytes:
    """Payload of a command frame. LocalProtocolError for a field out of range."""
    match command:
        case TransportNetworkKey(key, sequence, destination, source):
            head = bytes((_TRANSPORT, KeyType.NETWORK)) + fixed(key, 16) + octet(sequence)
            return head + eui_octets(destination) + eui_octets(source)
        case TransportLinkKey(key, destination, source):
            head = bytes((_TRANSPORT, KeyType.TRUST_CENTRE_LINK)) + fixed(key, 16)
            return head + eui_octets(destination) + eui_octets(source)
        case TransportApplicationKey(key, partner, initiator):
            head = bytes((_TRANSPORT, KeyType.APPLICATION_LINK)) + fixed(key, 16)
            return head + eui_octets(partner) + octet(initiator)
        case UpdateDevice(device, address, status):
            return bytes((_UPDATE,)) + eui_octets(device) + short(address) + octet(status)
        case RemoveDevice(device):
            return bytes((_REMOVE,)) + eui_octets(device)
        case RequestKey(partner):
            if partner is None:
                return bytes((_REQUEST, RequestedKey.TRUST_CENTRE_LINK))
            return bytes((_REQUEST, RequestedKey.APPLICATION_LINK)) + eui_octets(partner)
        case SwitchKey(sequence):
            return bytes((_SWITCH,)) + octet(sequence)
        case Tunnel(destination, frame):
            return bytes((_TUNNEL,)) + eui_octets(destination) + frame
        case VerifyKey(kind, source, proof):
            return bytes((_VERIFY,)) + octet(kind) + eui_octets(source) + fixed(proof, 16)
        case ConfirmKey(status, kind, destination):
            return bytes((_CONFIRM,)) + octet(status) + octet(kind) + eui_octets(destination)


def decode(payload: bytes) -> Command:
    """The command in an APS command frame. DecodeError for an unknown one, a wrong length or an unknown key type."""
    reader = Reader(payload)
    kind = reader.octet()
    read = _READ.get(kind)
    if read is None:
        raise DecodeError(f"APS command {kind:#04x}", 0, "one of the trust centre's")
    command = read(reader)
    reader.end()
    return command


def _transport(reader: Reader) -> Command:
    kind, key = reader.octet(), reader.key()
    if kind == KeyType.NETWORK:
        return TransportNetworkKey(key, reader.octet(), reader.eui(), reader.eui())
    if kind == KeyType.TRUST_CENTRE_LINK:
        return TransportLinkKey(key, reader.eui(), reader.eui())
    if kind != KeyType.APPLICATION_LINK:
        raise DecodeError(f"key type {kind}", 1, "1, 3 or 4")
    partner, at, initiator = reader.eui(), reader.at, reader.octet()
    if initiator > 1:
        raise DecodeError(f"initiator flag {initiator}", at, "0 or 1")
    return TransportApplicationKey(key, partner, bool(initiator))


def _request(reader: Reader) -> Command:
    kind = reader.octet()
    if kind == RequestedKey.TRUST_CENTRE_LINK:
        return RequestKey()
    if kind != RequestedKey.APPLICATION_LINK:
        raise DecodeError(f"requested key type {kind}", 1, "2 or 4")
    return RequestKey(reader.eui())


_READ: dict[int, Callable[[Reader], Command]] = {
    _TRANSPORT: _transport,
    _UPDATE: lambda reader: UpdateDevice(reader.eui(), reader.short(), reader.octet()),
    _REMOVE: lambda reader: RemoveDevice(reader.eui()),
    _REQUEST: _request,
    _SWITCH: lambda reader: SwitchKey(reader.octet()),
    _TUNNEL: lambda reader: Tunnel(reader.eui(), reader.rest()),
    _VERIFY: lambda reader: VerifyKey(reader.octet(), reader.eui(), reader.take(16)),
    _CONFIRM: lambda reader: ConfirmKey(reader.octet(), reader.octet(), reader.eui()),
}
