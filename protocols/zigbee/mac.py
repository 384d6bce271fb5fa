"""Frames of the radio's medium access control (IEEE 802.15.4-2006, clause 7.2), as Zigbee uses them.

Zigbee protects nothing at this layer and has no beacon-enabled networks, so frames with MAC security, of 802.15.4-2015
or later, or with guaranteed time slots are refused. A frame ends in its check sequence (FCS): the polynomial of
CRC-16/X.25 with start value 0 and no complement.

Short addresses and PAN ids are 0..0xFFFF; an extended address is ``bytes`` of 8, most significant octet first, which
goes on the air the other way round.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from struct import error as struct_error
from typing import Final, TypeAlias

from protocols.crc import REFLECTED
from protocols.errors import DecodeError, FrameError, LocalProtocolError
from protocols.zigbee.fields import eui_octets

Address: TypeAlias = int | bytes
"""A short address (0..0xFFFF) or an extended one (8 octets, most significant first)."""

MAX_FRAME: Final = 127
"""Longest frame with its check sequence, octets (aMaxPHYPacketSize)."""
BROADCAST: Final = 0xFFFF
"""Short address, or PAN id, of everybody."""
NO_ADDRESS: Final = 0xFFFE
"""Short address of a device that has none: it answers to its extended address only."""
FCS: Final = 2
"""Octets of the check sequence."""


class FrameType(IntEnum):
    """Frame type (802.15.4 table 79)."""

    BEACON = 0
    DATA = 1
    ACKNOWLEDGEMENT = 2
    COMMAND = 3


class Capability(IntFlag):
    """Capability information of a device (802.15.4 clause 7.3.1.2; Zigbee's device announcement has the same)."""

    ALTERNATE_COORDINATOR = 0x01
    FULL_FUNCTION = 0x02
    MAINS = 0x04
    RECEIVER_ON_WHEN_IDLE = 0x08
    SECURITY = 0x40
    ALLOCATE_ADDRESS = 0x80


class AssociationStatus(IntEnum):
    """Answer to an association request (802.15.4 table 83)."""

    SUCCESS = 0
    PAN_AT_CAPACITY = 1
    ACCESS_DENIED = 2


@dataclass(frozen=True, slots=True)
class MacFrame:
    """One frame. ``payload`` is what follows the addressing fields, without the check sequence.

    An address that is None is not in the frame, nor is its PAN id. Where both addresses are there and their PAN ids are
    the same, the second PAN id is left out on the air.
    """

    type: FrameType
    sequence: int
    payload: bytes = b""
    destination_pan: int | None = None
    destination: Address | None = None
    source_pan: int | None = None
    source: Address | None = None
    acknowledge: bool = False
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Beacon:
    """Payload of a beacon frame: whether devices may associate, and what Zigbee says of the network (clause 3.6.7).

    ``depth`` is 0..15, ``extended_pan`` 8 octets, ``update_id`` 0..255, ``transmit_offset`` 0..0xFFFFFF (all ones in a
    network without beacon order).
    """

    permit: bool
    coordinator: bool
    extended_pan: bytes
    depth: int = 0
    router_capacity: bool = True
    end_device_capacity: bool = True
    update_id: int = 0
    stack_profile: int = 2
    version: int = 2
    transmit_offset: int = 0xFFFFFF


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """A device asks to be let on the network."""

    capability: Capability


@dataclass(frozen=True, slots=True)
class AssociationResponse:
    """The parent's answer; ``address`` is 0xFFFF unless ``status`` is SUCCESS. ``status`` 0..255."""

    address: int
    status: int


@dataclass(frozen=True, slots=True)
class Disassociation:
    """One side ends the association: ``reason`` 1 the coordinator's wish, 2 the device's."""

    reason: int


@dataclass(frozen=True, slots=True)
class DataRequest:
    """A sleepy device polls its parent."""


@dataclass(frozen=True, slots=True)
class PanConflict:
    """Another network with the same PAN id is heard."""


@dataclass(frozen=True, slots=True)
class OrphanNotification:
    """A device that lost its parent asks who has it."""


@dataclass(frozen=True, slots=True)
class BeaconRequest:
    """Asks every router in range for a beacon (an active scan)."""


@dataclass(frozen=True, slots=True)
class Realignment:
    """The parent's answer to an orphan, or news of the network's PAN id and channel (0..26) to all.

    ``address`` is the orphan's short address, 0xFFFF to all.
    """

    pan: int
    coordinator: int
    channel: int
    address: int


Command: TypeAlias = (
    AssociationRequest
    | AssociationResponse
    | Disassociation
    | DataRequest
    | PanConflict
    | OrphanNotification
    | BeaconRequest
    | Realignment
)

_SECURITY, _PENDING, _ACKNOWLEDGE, _SAME_PAN = 0x08, 0x10, 0x20, 0x40
_SHORT, _EXTENDED = 2, 3
_TYPES: Final[tuple[FrameType, ...]] = tuple(FrameType)
_SHORT_BOTH = Struct("<HBHHH")
_SHORT_BOTH_CONTROL = 0x8800 | _SAME_PAN
_SUPERFRAME = 0x0FFF  # no beacons, no superframe, contention to the last slot
_COORDINATOR, _PERMIT = 0x4000, 0x8000
_PENDING_ADDRESSES = 0x77
_BEACON = Struct("<HBB")
_ZIGBEE = Struct("<BH8s3sB")
_ROUTERS, _END_DEVICES = 0x0400, 0x8000

_ASSOCIATION_REQUEST, _ASSOCIATION_RESPONSE, _DISASSOCIATION, _DATA_REQUEST = 1, 2, 3, 4
_PAN_CONFLICT, _ORPHAN, _BEACON_REQUEST, _REALIGNMENT = 5, 6, 7, 8
_LENGTHS = {
    _ASSOCIATION_REQUEST: (2,),
    _ASSOCIATION_RESPONSE: (4,),
    _DISASSOCIATION: (2,),
    _DATA_REQUEST: (1,),
    _PAN_CONFLICT: (1,),
    _ORPHAN: (1,),
    _BEACON_REQUEST: (1,),
    _REALIGNMENT: (8, 9),
}


def check_sequence(data: bytes) -> bytes:
    """The two octets of the FCS, low octet first, as they are sent."""
    return crc_hqx(data.translate(REFLECTED), 0).to_bytes(2, "big").translate(REFLECTED)


def encode(frame: MacFrame) -> bytes:
    """The frame with its check sequence. LocalProtocolError for fields out of range or more than 127 octets."""
    control = frame.type | (_PENDING if frame.pending else 0) | (_ACKNOWLEDGE if frame.acknowledge else 0)
    destination, source = frame.destination, frame.source
    try:
        if type(destination) is int and type(source) is int and frame.destination_pan == frame.source_pan:
            head = _SHORT_BOTH.pack(
                control | _SHORT_BOTH_CONTROL, frame.sequence, frame.destination_pan, destination, source
            )
        else:
            same = None not in (destination, source) and frame.destination_pan == frame.source_pan
            control |= _SAME_PAN if same else 0
            first = _addressed(frame.destination_pan, destination)
            second = _addressed(frame.source_pan, source, pan_id=not same)
            control |= _mode(destination) << 10 | _mode(source) << 14
            head = control.to_bytes(2, "little") + frame.sequence.to_bytes(1, "little") + first + second
    except (struct_error, OverflowError) as error:
        raise LocalProtocolError(f"a field of a MAC frame is out of range: {error}") from error
    octets = head + frame.payload
    if len(octets) > MAX_FRAME - FCS:
        raise LocalProtocolError(f"MAC frame of {len(octets) + FCS} octets", expected=f"at most {MAX_FRAME}")
    return octets + check_sequence(octets)


def decode(octets: bytes) -> MacFrame:
    """The frame in ``octets``, which end in its check sequence. FrameError for any that are none."""
    length = len(octets)
    if not 3 + FCS <= length <= MAX_FRAME:
        raise FrameError(f"MAC frame of {length} octets", 0, f"{3 + FCS} to {MAX_FRAME}")
    body = octets[:-FCS]
    if check_sequence(body) != octets[-FCS:]:
        raise FrameError("wrong check sequence", length - FCS, check_sequence(body).hex())
    control = body[0] | body[1] << 8
    if control & 7 > FrameType.COMMAND:
        raise FrameError(f"MAC frame type {control & 7}", 0, "0 to 3")
    if control & _SECURITY:
        raise FrameError("MAC security, which Zigbee does not use", 0, "bit 3 clear")
    if control & 0x3380:
        raise FrameError(f"MAC frame control {control:#06x}", 0, "version 0 or 1 and reserved bits clear")
    pending, acknowledge = bool(control & _PENDING), bool(control & _ACKNOWLEDGE)
    kind = _TYPES[control & 7]
    if control & 0xFC40 == _SHORT_BOTH_CONTROL and length >= 9 + FCS:
        _, sequence, pan, destination, source = _SHORT_BOTH.unpack_from(body)
        return MacFrame(kind, sequence, body[9:], pan, destination, pan, source, acknowledge, pending)
    return _any_addresses(body, control, kind, acknowledge, pending)


def _any_addresses(body: bytes, control: int, kind: FrameType, acknowledge: bool, pending: bool) -> MacFrame:
    modes = control >> 10 & 3, control >> 14 & 3
    if 1 in modes:
        raise FrameError("reserved addressing mode 1", 1, "0, 2 or 3")
    same = bool(control & _SAME_PAN)
    if same and 0 in modes:
        raise FrameError("one PAN id for two addresses of which one is missing", 0, "bit 6 clear")
    destination_pan, destination, at = _address(body, 3, modes[0], pan=True)
    source_pan, source, at = _address(body, at, modes[1], pan=not same)
    if same:
        source_pan = destination_pan
    return MacFrame(kind, body[2], body[at:], destination_pan, destination, source_pan, source, acknowledge, pending)


def acknowledgement(sequence: int, pending: bool = False) -> MacFrame:
    """The acknowledgement of a frame; ``pending`` tells a polling device that something waits for it."""
    return MacFrame(FrameType.ACKNOWLEDGEMENT, sequence, pending=pending)


def beacon_request(sequence: int) -> MacFrame:
    """The broadcast of an active scan."""
    payload = encode_command(BeaconRequest())
    return MacFrame(FrameType.COMMAND, sequence, payload, BROADCAST, BROADCAST)


def encode_beacon(beacon: Beacon) -> bytes:
    """Payload of a beacon frame: superframe specification, no time slots, no pending addresses, Zigbee's part."""
    superframe = _SUPERFRAME | (_COORDINATOR if beacon.coordinator else 0) | (_PERMIT if beacon.permit else 0)
    if not (0 <= beacon.depth <= 15 and 0 <= beacon.stack_profile <= 15 and 0 <= beacon.version <= 15):
        raise LocalProtocolError("depth, stack profile or version of a beacon", expected="0..15")
    network = beacon.stack_profile | beacon.version << 4 | beacon.depth << 11
    network |= (_ROUTERS if beacon.router_capacity else 0) | (_END_DEVICES if beacon.end_device_capacity else 0)
    try:
        offset = beacon.transmit_offset.to_bytes(3, "little")
        update = beacon.update_id.to_bytes(1, "little")
    except OverflowError as error:
        raise LocalProtocolError(f"transmit offset or update id of a beacon: {error}") from error
    head = _BEACON.pack(superframe, 0, 0) + b"\0" + network.to_bytes(2, "little")
    return head + eui_octets(beacon.extended_pan) + offset + update


def decode_beacon(payload: bytes) -> Beacon:
    """What a beacon frame's payload says. DecodeError unless it is that of a Zigbee network without beacon order.

    Addresses for which frames are pending are passed over.
    """
    if len(payload) < _BEACON.size:
        raise DecodeError(f"beacon payload of {len(payload)} octets", 0, f"at least {_BEACON.size}")
    superframe, slots, addresses = _BEACON.unpack_from(payload)
    if slots & 7:
        raise DecodeError("a beacon with guaranteed time slots", 2, "none")
    if addresses & ~_PENDING_ADDRESSES:
        raise DecodeError(f"pending address specification {addresses:#04x}", 3, "reserved bits clear")
    at = _BEACON.size + 2 * (addresses & 7) + 8 * (addresses >> 4)
    if len(payload) != at + _ZIGBEE.size:
        raise DecodeError(f"beacon payload of {len(payload)} octets", at, f"{_ZIGBEE.size} octets from here")
    protocol, network, extended, offset, update = _ZIGBEE.unpack_from(payload, at)
    if protocol:
        raise DecodeError(f"protocol id {protocol} in a beacon", at, "0, Zigbee")
    return Beacon(
        permit=bool(superframe & _PERMIT),
        coordinator=bool(superframe & _COORDINATOR),
        extended_pan=extended[::-1],
        depth=network >> 11 & 15,
        router_capacity=bool(network & _ROUTERS),
        end_device_capacity=bool(network & _END_DEVICES),
        update_id=update,
        stack_profile=network & 15,
        version=network >> 4 & 15,
        transmit_offset=int.from_bytes(offset, "little"),
    )


def encode_command(command: Command) -> bytes:
    """Payload of a command frame (802.15.4 clause 7.3). LocalProtocolError for a field out of range."""
    try:
        match command:
            case AssociationRequest(capability):
                return bytes((_ASSOCIATION_REQUEST, capability))
            case AssociationResponse(address, status):
                return bytes((_ASSOCIATION_RESPONSE, *address.to_bytes(2, "little"), status))
            case Disassociation(reason):
                return bytes((_DISASSOCIATION, reason))
            case DataRequest():
                return bytes((_DATA_REQUEST,))
            case PanConflict():
                return bytes((_PAN_CONFLICT,))
            case OrphanNotification():
                return bytes((_ORPHAN,))
            case BeaconRequest():
                return bytes((_BEACON_REQUEST,))
            case Realignment(pan, coordinator, channel, address):
                head = bytes((_REALIGNMENT, *pan.to_bytes(2, "little"), *coordinator.to_bytes(2, "little"), channel))
                return head + address.to_bytes(2, "little")
    except (ValueError, OverflowError) as error:
        raise LocalProtocolError(f"a field of {command} is out of range: {error}") from error


def decode_command(payload: bytes) -> Command:
    """The command in a command frame's payload. DecodeError for an unknown one or a wrong length."""
    kind = payload[0] if payload else None
    lengths = _LENGTHS.get(kind) if kind is not None else None
    if lengths is None:
        raise DecodeError(f"MAC command {kind}", 0, "1 to 8")
    if len(payload) not in lengths:
        raise DecodeError(f"MAC command {kind} of {len(payload)} octets", 0, " or ".join(map(str, lengths)))
    if kind == _ASSOCIATION_REQUEST:
        return AssociationRequest(Capability(payload[1]))
    if kind == _ASSOCIATION_RESPONSE:
        return AssociationResponse(payload[1] | payload[2] << 8, payload[3])
    if kind == _DISASSOCIATION:
        return Disassociation(payload[1])
    if kind == _REALIGNMENT:
        pan, coordinator, channel, address = _REALIGNED.unpack_from(payload, 1)
        return Realignment(pan, coordinator, channel, address)  # a channel page may follow; Zigbee has page 0 only
    return _BARE[payload[0]]


_REALIGNED = Struct("<HHBH")
_BARE: dict[int, Command] = {
    _DATA_REQUEST: DataRequest(),
    _PAN_CONFLICT: PanConflict(),
    _ORPHAN: OrphanNotification(),
    _BEACON_REQUEST: BeaconRequest(),
}


def _mode(address: Address | None) -> int:
    return 0 if address is None else _SHORT if isinstance(address, int) else _EXTENDED


def _addressed(pan: int | None, address: Address | None, *, pan_id: bool = True) -> bytes:
    if address is None:
        return b""
    if pan is None:
        raise LocalProtocolError("an address without its PAN id")
    octets = address.to_bytes(2, "little") if isinstance(address, int) else eui_octets(address)
    return pan.to_bytes(2, "little") + octets if pan_id else octets


def _address(body: bytes, at: int, mode: int, *, pan: bool) -> tuple[int | None, Address | None, int]:
    """PAN id, address and where what follows them begins."""
    if not mode:
        return None, None, at
    length = 2 if mode == _SHORT else 8
    end = at + length + (2 if pan else 0)
    if end > len(body):
        raise FrameError("the frame ends within its addresses", len(body), f"{end} octets")
    network = body[at] | body[at + 1] << 8 if pan else None
    octets = body[end - length : end]
    return network, int.from_bytes(octets, "little") if mode == _SHORT else octets[::-1], end
