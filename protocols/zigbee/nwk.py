"""Frames of Zigbee's network layer (specification 3.3) and their protection by the network key (4.3).

A receiver reads a frame in two steps: :func:`parse` gives header and auxiliary header, from which it finds the key,
whether the counter is new and whom the frame is for; :func:`open_frame` checks and decrypts. What command frames carry
is in :mod:`protocols.zigbee.nwk_commands`.

Short addresses are 0..0xFFFF, EUI-64s ``bytes`` of 8 as printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from struct import error as struct_error
from typing import Final

from protocols.errors import DecodeError, FrameError, LocalProtocolError, SecurityError, SecurityFault
from protocols.zigbee.fields import Reader, eui_octets, octet, short
from protocols.zigbee.security import Auxiliary, KeyId, secure, unsecure

VERSION: Final = 2
"""Protocol version of Zigbee PRO."""
ALL_DEVICES: Final = 0xFFFF
RECEIVERS_ON: Final = 0xFFFD
"""Broadcast address of those whose receiver is on when idle."""
ROUTERS: Final = 0xFFFC
"""Broadcast address of coordinator and routers."""
MAX_RELAYS: Final = 32
"""Longest source route taken; more cannot be in a frame with any payload."""


class FrameType(IntEnum):
    """Network frame type (table 3.40)."""

    DATA = 0
    COMMAND = 1


@dataclass(frozen=True, slots=True)
class SourceRoute:
    """The relays that the sender chose, the one nearest to the destination first; ``index`` is the next to use."""

    relays: tuple[int, ...]
    index: int = 0


@dataclass(frozen=True, slots=True)
class NwkFrame:
    """One frame, in the clear. ``radius`` and ``sequence`` are 0..255; ``payload`` is an APS frame or a command.

    ``end_device_initiator`` is the bit of Zigbee 3.0 that an end device sets; zero in Smart Energy 1.x.
    """

    type: FrameType
    destination: int
    source: int
    radius: int
    sequence: int
    payload: bytes = b""
    destination_eui: bytes | None = None
    source_eui: bytes | None = None
    discover_route: bool = False
    source_route: SourceRoute | None = None
    end_device_initiator: bool = False


@dataclass(frozen=True, slots=True)
class Parsed:
    """A frame whose payload may still be encrypted.

    ``header`` has no payload; ``auxiliary`` is None in an unprotected frame; ``head`` are the octets of header and
    auxiliary header as they came, ``rest`` those after them.
    """

    header: NwkFrame
    auxiliary: Auxiliary | None
    head: bytes
    rest: bytes


_VERSION_BITS = VERSION << 2
_DISCOVER, _SECURED, _ROUTED, _DESTINATION_EUI, _SOURCE_EUI, _END_DEVICE = 0x40, 0x200, 0x400, 0x800, 0x1000, 0x2000
_REFUSED = 0xC182  # frame types 2 and 3, the reserved route discovery bit, multicast, reserved bits
_OPTIONAL = _ROUTED | _DESTINATION_EUI | _SOURCE_EUI
_HEADER = Struct("<HHHBB")
_TYPES: Final[tuple[FrameType, ...]] = tuple(FrameType)


def encode(frame: NwkFrame, key: bytes | None = None, auxiliary: Auxiliary | None = None) -> bytes:
    """The octets of a frame, protected where a key is given.

    ``auxiliary`` then names the network key, our counter and our own EUI-64 (which need not be that of the frame's
    source: every hop protects anew). LocalProtocolError for fields out of range.
    """
    header = _head(frame, secured=key is not None)
    if key is None:
        return header + frame.payload
    if auxiliary is None or auxiliary.source is None or auxiliary.key_id != KeyId.NETWORK:
        raise LocalProtocolError("a network frame is protected by the network key, with the source in the header")
    return header + secure(key, auxiliary, auxiliary.source, header, frame.payload)


def parse(octets: bytes) -> Parsed:
    """Header and auxiliary header of a frame. FrameError or DecodeError for octets that are no Zigbee PRO frame."""
    if len(octets) < _HEADER.size:
        raise FrameError(f"network frame of {len(octets)} octets", 0, f"at least {_HEADER.size}")
    control, destination, source, radius, sequence = _HEADER.unpack_from(octets)
    if control & _REFUSED or control & 0x3C != _VERSION_BITS:
        raise FrameError(f"network frame control {control:#06x}", 0, "data or command, version 2, no multicast")
    at = _HEADER.size
    destination_eui = source_eui = route = None
    if control & _OPTIONAL:
        reader = Reader(octets, at)
        destination_eui = reader.eui() if control & _DESTINATION_EUI else None
        source_eui = reader.eui() if control & _SOURCE_EUI else None
        route = _source_route(reader) if control & _ROUTED else None
        at = reader.at
    header = NwkFrame(
        _TYPES[octets[0] & 1],
        destination,
        source,
        radius,
        sequence,
        b"",
        destination_eui,
        source_eui,
        bool(control & _DISCOVER),
        route,
        bool(control & _END_DEVICE),
    )
    auxiliary = None
    if control & _SECURED:
        auxiliary, end = Auxiliary.decode(octets, at)
        if auxiliary.key_id != KeyId.NETWORK or auxiliary.source is None:
            raise DecodeError("a network frame not protected by the network key", at, "key id 1 and the source")
        at = end
    return Parsed(header, auxiliary, octets[:at], octets[at:])


def open_frame(parsed: Parsed, key: bytes | None = None) -> NwkFrame:
    """The frame in the clear. SecurityError when the MIC is wrong, or a protected frame comes without a key for it."""
    if parsed.auxiliary is None:
        return with_payload(parsed.header, parsed.rest)
    if key is None or parsed.auxiliary.source is None:
        raise SecurityError(SecurityFault.KEY, "a protected network frame and no key for it")
    payload = unsecure(key, parsed.auxiliary, parsed.auxiliary.source, parsed.head, parsed.rest)
    return with_payload(parsed.header, payload)


def with_payload(header: NwkFrame, payload: bytes) -> NwkFrame:
    """``header`` with another payload; faster than ``dataclasses.replace``."""
    return NwkFrame(
        header.type,
        header.destination,
        header.source,
        header.radius,
        header.sequence,
        payload,
        header.destination_eui,
        header.source_eui,
        header.discover_route,
        header.source_route,
        header.end_device_initiator,
    )


def _head(frame: NwkFrame, *, secured: bool) -> bytes:
    control = frame.type | _VERSION_BITS
    if frame.discover_route:
        control |= _DISCOVER
    if secured:
        control |= _SECURED
    if frame.end_device_initiator:
        control |= _END_DEVICE
    more = b""
    if frame.destination_eui is not None:
        control |= _DESTINATION_EUI
        more = eui_octets(frame.destination_eui)
    if frame.source_eui is not None:
        control |= _SOURCE_EUI
        more += eui_octets(frame.source_eui)
    if frame.source_route is not None:
        control |= _ROUTED
        more += _route_octets(frame.source_route)
    try:
        return _HEADER.pack(control, frame.destination, frame.source, frame.radius, frame.sequence) + more
    except struct_error as error:
        raise LocalProtocolError(f"a field of a network frame is out of range: {error}") from error


def _route_octets(route: SourceRoute) -> bytes:
    count = len(route.relays)
    if not 0 < count <= MAX_RELAYS or not 0 <= route.index < count:
        raise LocalProtocolError(f"a source route of {count} relays, index {route.index}", expected="1..32 relays")
    return octet(count) + octet(route.index) + b"".join(map(short, route.relays))


def _source_route(reader: Reader) -> SourceRoute:
    start = reader.at
    count, index = reader.octet(), reader.octet()
    if not 0 < count <= MAX_RELAYS or index >= count:
        raise DecodeError(f"a source route of {count} relays, index {index}", start, "1..32 relays, index below them")
    return SourceRoute(tuple(reader.short() for _ in range(count)), index)
