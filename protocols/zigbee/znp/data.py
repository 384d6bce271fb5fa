"""Data messages between host and ZNP, which run for each reading and report: hand-written, as they are declared.

:mod:`protocols.zigbee.znp.commands` has the declarations (DATA_REQUEST and so on); a test holds the two against each
other.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from protocols.errors import DecodeError
from protocols.zigbee.mt import MAX_DATA, START, check
from protocols.zigbee.znp.command import AddressMode

_REQUEST: Final = Struct("<HBBHBBBB")
_EXTENDED: Final = Struct("<B8sBHBHBBBH")
_ROUTED: Final = Struct("<HBBHBBBB")
_CONFIRM: Final = b"\x03\x44\x80"
_CONFIRMED: Final = Struct("<BBB")
_INCOMING: Final = Struct("<HHHBBBBBIBB")
_TAIL: Final = Struct("<HB")
MAX_INCOMING: Final = MAX_DATA - _INCOMING.size - _TAIL.size
"""Octets of data that an incoming message can carry; longer ones are announced and fetched."""


class Request(NamedTuple):
    """Send ``data``. ``destination`` is a short address or group, or by mode EXTENDED an EUI-64 as 8 octets.

    ``pan`` is not 0 for a message to another PAN (inter-PAN); ``options`` are :class:`TransmitOption` flags.
    """

    mode: int
    destination: int | bytes
    destination_endpoint: int
    pan: int
    source_endpoint: int
    cluster: int
    transaction: int
    options: int
    radius: int
    data: bytes


def read_request(octets: bytes) -> Request:
    """A data request (AF 01). DecodeError unless the octets are one, whole."""
    if len(octets) < _REQUEST.size:
        raise _wrong("dataRequest", octets)
    destination, endpoint, source, cluster, transaction, options, radius, length = _REQUEST.unpack_from(octets)
    data = octets[_REQUEST.size :]
    if len(data) != length:
        raise _wrong("dataRequest", octets)
    short = AddressMode.SHORT
    return Request(short, destination, endpoint, 0, source, cluster, transaction, options, radius, data)


def read_extended(octets: bytes) -> Request:
    """An extended data request (AF 02). DecodeError unless the octets are one, whole."""
    if len(octets) < _EXTENDED.size:
        raise _wrong("dataRequestExt", octets)
    mode, address, endpoint, pan, source, cluster, transaction, options, radius, length = _EXTENDED.unpack_from(octets)
    data = octets[_EXTENDED.size :]
    if len(data) != length:
        raise _wrong("dataRequestExt", octets)
    destination = address[::-1] if mode == AddressMode.EXTENDED else int.from_bytes(address[:2], "little")
    return Request(mode, destination, endpoint, pan, source, cluster, transaction, options, radius, data)


def read_routed(octets: bytes) -> Request:
    """A data request over relays (AF 03), whose relays are left out. DecodeError unless the octets are one, whole."""
    if len(octets) < _ROUTED.size:
        raise _wrong("dataRequestSrcRtg", octets)
    destination, endpoint, source, cluster, transaction, options, radius, relays = _ROUTED.unpack_from(octets)
    at = _ROUTED.size + 2 * relays
    data = octets[at + 1 :]
    if at >= len(octets) or len(data) != octets[at]:
        raise _wrong("dataRequestSrcRtg", octets)
    short = AddressMode.SHORT
    return Request(short, destination, endpoint, 0, source, cluster, transaction, options, radius, data)


def confirm(status: int, endpoint: int, transaction: int) -> bytes:
    """The octets of the frame that confirms a data request (AF 80)."""
    body = _CONFIRM + _CONFIRMED.pack(status, endpoint, transaction)
    return bytes((START, *body, check(body)))


def incoming(
    cluster: int,
    source: int,
    source_endpoint: int,
    destination_endpoint: int,
    broadcast: bool,
    lqi: int,
    secured: bool,
    timestamp: int,
    sequence: int,
    data: bytes,
    radius: int,
) -> bytes:
    """The octets of the frame that brings a message (AF 81) of at most MAX_INCOMING octets."""
    head = _INCOMING.pack(
        0,
        cluster,
        source,
        source_endpoint,
        destination_endpoint,
        broadcast,
        lqi,
        secured,
        timestamp,
        sequence,
        len(data),
    )
    body = b"".join((bytes((len(head) + len(data) + 3, 0x44, 0x81)), head, data, _TAIL.pack(source, radius)))
    return b"".join((b"\xfe", body, bytes((check(body),))))


def _wrong(name: str, octets: bytes) -> DecodeError:
    return DecodeError(f"ZNP {name} of {len(octets)} octets", expected="its fields, with as much data as it says")
