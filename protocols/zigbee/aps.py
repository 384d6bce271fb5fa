"""Frames of Zigbee's application support layer (specification 2.2.5) and their protection (4.4).

A receiver reads in two steps, as on the network layer: :func:`parse`, then :func:`open_frame` with the key that the
auxiliary header asks for: the link key with the sender, or the key-transport or key-load key made of it
(:mod:`protocols.zigbee.mmo`). What command frames carry is in :mod:`protocols.zigbee.aps_commands`; cutting long
payloads into blocks is in :mod:`protocols.zigbee.fragments`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from struct import error as struct_error
from typing import Final

from protocols.errors import DecodeError, FrameError, LocalProtocolError, SecurityError, SecurityFault
from protocols.zigbee.fields import Reader, octet
from protocols.zigbee.security import Auxiliary, secure, unsecure

ALL_ENDPOINTS: Final = 0xFF
ZDO_ENDPOINT: Final = 0
ZDO_PROFILE: Final = 0


class FrameType(IntEnum):
    """APS frame type (table 2.20)."""

    DATA = 0
    COMMAND = 1
    ACKNOWLEDGEMENT = 2


class Delivery(IntEnum):
    """Delivery mode (table 2.21)."""

    UNICAST = 0
    BROADCAST = 2
    GROUP = 3


class Part(IntEnum):
    """Which part of a message a frame is (extended frame control, table 2.22)."""

    FIRST = 1
    LATER = 2


@dataclass(frozen=True, slots=True)
class Block:
    """The extended header. ``number`` is 0..255: in the first part how many blocks the message has, else which it is.

    In an acknowledgement ``number`` is the first block of the window that it answers and ``received`` a bit for each
    of the window's eight, the lowest for the first.
    """

    part: Part
    number: int
    received: int | None = None


@dataclass(frozen=True, slots=True)
class ApsFrame:
    """One frame, in the clear.

    A data frame, and the acknowledgement of one, has ``cluster``, ``profile``, ``source_endpoint`` and a destination:
    ``destination_endpoint``, or ``group`` where the delivery mode says so. A command, and the acknowledgement of one,
    has none of them (the acknowledgement's bit "ack format" tells which it is). ``counter`` is 0..255.
    """

    type: FrameType
    counter: int
    payload: bytes = b""
    delivery: Delivery = Delivery.UNICAST
    destination_endpoint: int | None = None
    group: int | None = None
    cluster: int | None = None
    profile: int | None = None
    source_endpoint: int | None = None
    acknowledge: bool = False
    block: Block | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """A frame whose payload may still be encrypted: ``head`` are header and auxiliary header as they came."""

    header: ApsFrame
    auxiliary: Auxiliary | None
    head: bytes
    rest: bytes


_ACK_FORMAT, _SECURED, _ACKNOWLEDGE, _EXTENDED = 0x10, 0x20, 0x40, 0x80
_UNICAST = Struct("<BBHHBB")
_GROUP = Struct("<BHHHBB")
_TYPES: Final[tuple[FrameType, ...]] = tuple(FrameType)
_DELIVERIES = {int(delivery): delivery for delivery in Delivery}
_PARTS = {int(part): part for part in Part}


def encode(
    frame: ApsFrame, key: bytes | None = None, auxiliary: Auxiliary | None = None, source_eui: bytes | None = None
) -> bytes:
    """The octets of a frame, protected where a key is given.

    ``auxiliary`` then names the kind of key and our counter; our EUI-64 comes from it or, where the header is not to
    carry it, from ``source_eui``. LocalProtocolError for fields that are missing or out of range.
    """
    header = _head(frame, secured=key is not None)
    if key is None:
        return header + frame.payload
    source = None if auxiliary is None else auxiliary.source or source_eui
    if auxiliary is None or source is None:
        raise LocalProtocolError("a protected APS frame takes an auxiliary header and the sender's EUI-64")
    return header + secure(key, auxiliary, source, header, frame.payload)


def parse(octets: bytes) -> Parsed:
    """Header and auxiliary header of a frame. FrameError or DecodeError for octets that are no APS frame."""
    if len(octets) < 2:
        raise FrameError(f"APS frame of {len(octets)} octets", 0, "at least 2")
    control = octets[0]
    delivery = _DELIVERIES.get(control >> 2 & 3)
    if control & 3 > FrameType.ACKNOWLEDGEMENT or delivery is None:
        raise FrameError(f"APS frame control {control:#04x}", 0, "frame type 0 to 2, delivery mode 0, 2 or 3")
    kind = _TYPES[control & 3]
    bare = kind is FrameType.COMMAND or bool(kind is FrameType.ACKNOWLEDGEMENT and control & _ACK_FORMAT)
    endpoint = group = cluster = profile = source = None
    if bare:
        counter, at = octets[1], 2
    else:
        layout = _GROUP if delivery is Delivery.GROUP else _UNICAST
        if len(octets) < layout.size:
            raise FrameError(f"APS frame of {len(octets)} octets", len(octets), f"a header of {layout.size}")
        _, destination, cluster, profile, source, counter = layout.unpack_from(octets)
        if delivery is Delivery.GROUP:
            group = destination
        else:
            endpoint = destination
        at = layout.size
    block = None
    if control & _EXTENDED:
        reader = Reader(octets, at)
        block = _block(reader, acknowledgement=kind is FrameType.ACKNOWLEDGEMENT)
        at = reader.at
    acknowledge = bool(control & _ACKNOWLEDGE)
    header = ApsFrame(kind, counter, b"", delivery, endpoint, group, cluster, profile, source, acknowledge, block)
    auxiliary = None
    if control & _SECURED:
        auxiliary, at = Auxiliary.decode(octets, at)
    return Parsed(header, auxiliary, octets[:at], octets[at:])


def open_frame(parsed: Parsed, key: bytes | None = None, source_eui: bytes | None = None) -> ApsFrame:
    """The frame in the clear.

    ``source_eui`` is the sender's EUI-64 where the auxiliary header does not carry it. SecurityError when the MIC is
    wrong, or a protected frame comes without a key or EUI-64 for it.
    """
    auxiliary = parsed.auxiliary
    if auxiliary is None:
        return with_payload(parsed.header, parsed.rest)
    source = auxiliary.source or source_eui
    if key is None or source is None:
        raise SecurityError(SecurityFault.KEY, "a protected APS frame and no key, or no EUI-64, for it")
    return with_payload(parsed.header, unsecure(key, auxiliary, source, parsed.head, parsed.rest))


def acknowledgement(frame: ApsFrame, block: Block | None = None) -> ApsFrame:
    """The acknowledgement of a data or command frame; ``block`` answers a window of blocks."""
    return ApsFrame(
        FrameType.ACKNOWLEDGEMENT,
        frame.counter,
        destination_endpoint=frame.source_endpoint,
        cluster=frame.cluster,
        profile=frame.profile,
        source_endpoint=frame.destination_endpoint,
        block=block,
    )


def with_payload(header: ApsFrame, payload: bytes) -> ApsFrame:
    """``header`` with another payload; faster than ``dataclasses.replace``."""
    return ApsFrame(
        header.type,
        header.counter,
        payload,
        header.delivery,
        header.destination_endpoint,
        header.group,
        header.cluster,
        header.profile,
        header.source_endpoint,
        header.acknowledge,
        header.block,
    )


def _head(frame: ApsFrame, *, secured: bool) -> bytes:
    control = frame.type | frame.delivery << 2
    if secured:
        control |= _SECURED
    if frame.acknowledge:
        control |= _ACKNOWLEDGE
    more = b""
    if frame.block is not None:
        control |= _EXTENDED
        more = _block_octets(frame.block, acknowledgement=frame.type is FrameType.ACKNOWLEDGEMENT)
    fields = frame.cluster, frame.profile, frame.source_endpoint
    if frame.type is FrameType.COMMAND or (frame.type is FrameType.ACKNOWLEDGEMENT and frame.cluster is None):
        if fields != (None, None, None) or (frame.destination_endpoint, frame.group) != (None, None):
            raise LocalProtocolError("endpoints, group, cluster or profile in a frame that has none")
        control |= _ACK_FORMAT if frame.type is FrameType.ACKNOWLEDGEMENT else 0
        return bytes((control,)) + octet(frame.counter) + more
    grouped = frame.delivery is Delivery.GROUP
    layout, destination = (_GROUP, frame.group) if grouped else (_UNICAST, frame.destination_endpoint)
    if (frame.destination_endpoint if grouped else frame.group) is not None:
        raise LocalProtocolError("a destination that the delivery mode has no place for")
    try:
        return layout.pack(control, destination, *fields, frame.counter) + more
    except struct_error as error:
        raise LocalProtocolError(f"a field of an APS frame is missing or out of range: {error}") from error


def _block_octets(block: Block, *, acknowledgement: bool) -> bytes:
    if acknowledgement != (block.received is not None):
        raise LocalProtocolError("the bits of received blocks go with acknowledgements, and with no other frame")
    octets = bytes((block.part,)) + octet(block.number)
    return octets if block.received is None else octets + octet(block.received)


def _block(reader: Reader, *, acknowledgement: bool) -> Block:
    at = reader.at
    part = _PARTS.get(reader.octet())
    if part is None:
        raise DecodeError("extended frame control", at, "1, the first block, or 2, a later one")
    return Block(part, reader.octet(), reader.octet() if acknowledgement else None)
