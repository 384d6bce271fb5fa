"""Commands and callbacks that carry messages.

Those that run for every report and reading have ``struct`` code beside their declaration, which tests hold against it.
"""

from __future__ import annotations

from struct import Struct as Packer
from struct import error as struct_error
from typing import Final, NamedTuple

from construct import Int8sl, Int8ul, Int16ul, Struct

from protocols.errors import DecodeError
from protocols.zigbee.ezsp.command import ADDRESS, BYTES, STATUS, callback, fields, request

APS: Final = Struct(
    "profile" / Int16ul,
    "cluster" / Int16ul,
    "source_endpoint" / Int8ul,
    "destination_endpoint" / Int8ul,
    "options" / Int16ul,
    "group" / Int16ul,
    "sequence" / Int8ul,
)
_ACCEPTED: Final = fields(STATUS, "sequence" / Int8ul)
_APS: Final = "aps" / APS
_TAG: Final = "tag" / Int8ul
_CONTENTS: Final = "contents" / BYTES

MAXIMUM_PAYLOAD: Final = request("maximumPayloadLength", 0x0033, answer=fields("octets" / Int8ul))
SEND_UNICAST: Final = request(
    "sendUnicast", 0x0034, "kind" / Int8ul, "destination" / Int16ul, _APS, _TAG, _CONTENTS, answer=_ACCEPTED
)
SEND_BROADCAST: Final = request(
    "sendBroadcast", 0x0036, "destination" / Int16ul, _APS, "radius" / Int8ul, _TAG, _CONTENTS, answer=_ACCEPTED
)
PROXY_BROADCAST: Final = request(
    "proxyBroadcast",
    0x0037,
    "source" / Int16ul,
    "destination" / Int16ul,
    "nwk_sequence" / Int8ul,
    _APS,
    "radius" / Int8ul,
    _TAG,
    _CONTENTS,
    answer=_ACCEPTED,
)
SEND_MULTICAST: Final = request(
    "sendMulticast", 0x0038, _APS, "hops" / Int8ul, "outside" / Int8ul, _TAG, _CONTENTS, answer=_ACCEPTED
)
SEND_REPLY: Final = request("sendReply", 0x0039, ADDRESS, _APS, _CONTENTS)
MESSAGE_SENT: Final = callback(
    "messageSentHandler", 0x003F, "kind" / Int8ul, "destination" / Int16ul, _APS, _TAG, STATUS, _CONTENTS
)
MANY_TO_ONE: Final = request("sendManyToOneRouteRequest", 0x0041, "kind" / Int16ul, "radius" / Int8ul)
INCOMING_MESSAGE: Final = callback(
    "incomingMessageHandler",
    0x0045,
    "kind" / Int8ul,
    _APS,
    "lqi" / Int8ul,
    "rssi" / Int8sl,
    "sender" / Int16ul,
    "binding" / Int8ul,
    "address" / Int8ul,
    _CONTENTS,
)
SEND_RAW: Final = request("sendRawMessage", 0x0096, _CONTENTS)

MAX_CONTENTS: Final = 82
"""Octets of contents that one APS frame carries: no longer ones are sent, and those that come do so in parts."""
NOTHING: Final = 0xFF
"""Index of no binding and of no entry of the address table."""

_UNICAST: Final = Packer("<BHHHBBHHBBB")
_SENT: Final = Packer("<BHHHBBHHBBBB")
_INCOMING: Final = Packer("<BHHBBHHBBbHBBB")


class ApsFrame(NamedTuple):
    """An APS frame as EZSP describes it: ``options`` are :class:`~protocols.zigbee.ezsp.enums.Aps`."""

    profile: int
    cluster: int
    source_endpoint: int
    destination_endpoint: int
    options: int
    group: int
    sequence: int


class Unicast(NamedTuple):
    """What a host sends: ``kind`` says whether ``destination`` is a short address or an index."""

    kind: int
    destination: int
    aps: ApsFrame
    tag: int
    contents: bytes


def read_unicast(parameters: bytes) -> Unicast:
    """The parameters of sendUnicast. DecodeError where they end too soon."""
    try:
        kind, destination, *aps, tag, size = _UNICAST.unpack_from(parameters)
    except struct_error as error:
        raise DecodeError(f"EZSP sendUnicast of {len(parameters)} octets", len(parameters), "15 or more") from error
    contents = parameters[_UNICAST.size : _UNICAST.size + size]
    if len(contents) < size:
        raise DecodeError("EZSP sendUnicast ends within its contents", len(parameters), f"{size} octets of them")
    return Unicast(kind, destination, ApsFrame(*aps), tag, contents)


def message_sent(kind: int, destination: int, aps: ApsFrame, tag: int, status: int, contents: bytes) -> bytes:
    """Parameters of messageSentHandler."""
    return _SENT.pack(kind, destination, *aps, tag, status, len(contents)) + contents


def incoming_message(kind: int, aps: ApsFrame, lqi: int, rssi: int, sender: int, contents: bytes) -> bytes:
    """Parameters of incomingMessageHandler for at most :data:`MAX_CONTENTS` of contents."""
    return _INCOMING.pack(kind, *aps, lqi, rssi, sender, NOTHING, NOTHING, len(contents)) + contents
