"""Commands of Zigbee's network layer (specification 3.4), the payload of network command frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee.fields import Reader, eui_octets, octet, short
from protocols.zigbee.mac import Capability

MAX_ENTRIES: Final = 31
"""Most entries of one link status command."""


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """Looks for a route to ``destination``; ``cost`` is that of the path so far, ``many_to_one`` 0..2."""

    identifier: int
    destination: int
    cost: int
    destination_eui: bytes | None = None
    many_to_one: int = 0


@dataclass(frozen=True, slots=True)
class RouteReply:
    """The route from ``originator`` to ``responder`` that a request found."""

    identifier: int
    originator: int
    responder: int
    cost: int
    originator_eui: bytes | None = None
    responder_eui: bytes | None = None


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """A failure of forwarding: ``code`` is one of table 3.42 (0x02 tree link failure, 0x0D address conflict, ...)."""

    code: int
    destination: int


@dataclass(frozen=True, slots=True)
class Leave:
    """The sender leaves, or with ``request`` tells the receiver to; ``rejoin`` and come back."""

    request: bool = False
    rejoin: bool = False
    remove_children: bool = False


@dataclass(frozen=True, slots=True)
class RouteRecord:
    """The relays that the frame passed on its way."""

    relays: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RejoinRequest:
    """A device that was on the network comes back, to a parent it chose."""

    capability: Capability


@dataclass(frozen=True, slots=True)
class RejoinResponse:
    """The parent's answer; ``status`` as in an association response."""

    address: int
    status: int


@dataclass(frozen=True, slots=True)
class LinkCost:
    """What a router says of a neighbour; costs are 0 (not known) to 7."""

    address: int
    incoming: int
    outgoing: int


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """A router's neighbours, at most 31, in the order of their addresses; ``first`` and ``last`` frame of the list."""

    links: tuple[LinkCost, ...]
    first: bool = True
    last: bool = True


@dataclass(frozen=True, slots=True)
class TimeoutRequest:
    """An end device asks its parent to keep it for 2**``timeout`` minutes without a poll (0: ten seconds; to 14)."""

    timeout: int
    configuration: int = 0


@dataclass(frozen=True, slots=True)
class TimeoutResponse:
    """The parent's answer: ``status`` 0 success, ``parent`` the ways of keeping alive that it takes, bits."""

    status: int
    parent: int


Command: TypeAlias = (
    RouteRequest
    | RouteReply
    | NetworkStatus
    | Leave
    | RouteRecord
    | RejoinRequest
    | RejoinResponse
    | LinkStatus
    | TimeoutRequest
    | TimeoutResponse
)

_ROUTE_REQUEST, _ROUTE_REPLY, _STATUS, _LEAVE, _RECORD = 1, 2, 3, 4, 5
_REJOIN_REQUEST, _REJOIN_RESPONSE, _LINKS, _TIMEOUT_REQUEST, _TIMEOUT_RESPONSE = 6, 7, 8, 0x0B, 0x0C
_MANY_TO_ONE, _REQUEST_EUI = 0x18, 0x20
_ORIGINATOR_EUI, _RESPONDER_EUI = 0x10, 0x20
_REJOIN, _REQUEST, _CHILDREN = 0x20, 0x40, 0x80
_COUNT, _FIRST, _LAST = 0x1F, 0x20, 0x40


def encode(command: Command) -> bytes:
    """Payload of a command frame. LocalProtocolError for a field out of range."""
    match command:
        case RouteRequest(identifier, destination, cost, eui, many):
            if not 0 <= many <= 2:
                raise LocalProtocolError(f"many-to-one {many}", expected="0..2")
            options = many << 3 | (_REQUEST_EUI if eui is not None else 0)
            head = bytes((_ROUTE_REQUEST, options)) + octet(identifier) + short(destination) + octet(cost)
            return head + _optional(eui)
        case RouteReply(identifier, originator, responder, cost, originator_eui, responder_eui):
            options = (_ORIGINATOR_EUI if originator_eui is not None else 0) | (
                _RESPONDER_EUI if responder_eui is not None else 0
            )
            head = bytes((_ROUTE_REPLY, options)) + octet(identifier) + short(originator) + short(responder)
            return head + octet(cost) + _optional(originator_eui) + _optional(responder_eui)
        case NetworkStatus(code, destination):
            return bytes((_STATUS,)) + octet(code) + short(destination)
        case Leave(request, rejoin, children):
            options = (_REJOIN if rejoin else 0) | (_REQUEST if request else 0) | (_CHILDREN if children else 0)
            return bytes((_LEAVE, options))
        case RouteRecord(relays):
            return bytes((_RECORD,)) + octet(len(relays)) + b"".join(map(short, relays))
        case RejoinRequest(capability):
            return bytes((_REJOIN_REQUEST,)) + octet(capability)
        case RejoinResponse(address, status):
            return bytes((_REJOIN_RESPONSE,)) + short(address) + octet(status)
        case LinkStatus(links, first, last):
            if len(links) > MAX_ENTRIES:
                raise LocalProtocolError(f"{len(links)} links", expected=f"at most {MAX_ENTRIES}")
            options = len(links) | (_FIRST if first else 0) | (_LAST if last else 0)
            return bytes((_LINKS, options)) + b"".join(map(_link, links))
        case TimeoutRequest(timeout, configuration):
            return bytes((_TIMEOUT_REQUEST,)) + octet(timeout) + octet(configuration)
        case TimeoutResponse(status, parent):
            return bytes((_TIMEOUT_RESPONSE,)) + octet(status) + octet(parent)


def decode(payload: bytes) -> Command:
    """The command in a network command frame. DecodeError for an unknown one, a wrong length or reserved values."""
    reader = Reader(payload)
    kind = reader.octet()
    read = _READ.get(kind)
    if read is None:
        raise DecodeError(f"network command {kind:#04x}", 0, "one that Zigbee PRO has")
    command = read(reader)
    reader.end()
    return command


def _optional(eui: bytes | None) -> bytes:
    return b"" if eui is None else eui_octets(eui)


def _link(link: LinkCost) -> bytes:
    if not (0 <= link.incoming <= 7 and 0 <= link.outgoing <= 7):
        raise LocalProtocolError(f"link costs {link.incoming} and {link.outgoing}", expected="0..7")
    return short(link.address) + bytes((link.incoming | link.outgoing << 4,))


def _options(reader: Reader, allowed: int) -> int:
    at = reader.at
    options = reader.octet()
    if options & ~allowed:
        raise DecodeError(f"command options {options:#04x}", at, f"bits of {allowed:#04x} only")
    return options


def _route_request(reader: Reader) -> Command:
    options = _options(reader, _MANY_TO_ONE | _REQUEST_EUI)
    identifier, destination, cost = reader.octet(), reader.short(), reader.octet()
    many = (options & _MANY_TO_ONE) >> 3
    if many > 2:
        raise DecodeError(f"many-to-one {many}", 1, "0..2")
    return RouteRequest(identifier, destination, cost, reader.eui() if options & _REQUEST_EUI else None, many)


def _route_reply(reader: Reader) -> Command:
    options = _options(reader, _ORIGINATOR_EUI | _RESPONDER_EUI)
    identifier, originator, responder, cost = reader.octet(), reader.short(), reader.short(), reader.octet()
    originator_eui = reader.eui() if options & _ORIGINATOR_EUI else None
    responder_eui = reader.eui() if options & _RESPONDER_EUI else None
    return RouteReply(identifier, originator, responder, cost, originator_eui, responder_eui)


def _leave(reader: Reader) -> Command:
    options = _options(reader, _REJOIN | _REQUEST | _CHILDREN)
    return Leave(bool(options & _REQUEST), bool(options & _REJOIN), bool(options & _CHILDREN))


def _links(reader: Reader) -> Command:
    options = _options(reader, _COUNT | _FIRST | _LAST)
    links: list[LinkCost] = []
    for _ in range(options & _COUNT):
        address, costs = reader.short(), _options(reader, 0x77)
        links.append(LinkCost(address, costs & 7, costs >> 4))
    return LinkStatus(tuple(links), bool(options & _FIRST), bool(options & _LAST))


_READ: dict[int, Callable[[Reader], Command]] = {
    _ROUTE_REQUEST: _route_request,
    _ROUTE_REPLY: _route_reply,
    _STATUS: lambda reader: NetworkStatus(reader.octet(), reader.short()),
    _LEAVE: _leave,
    _RECORD: lambda reader: RouteRecord(tuple(reader.short() for _ in range(reader.octet()))),
    _REJOIN_REQUEST: lambda reader: RejoinRequest(Capability(reader.octet())),
    _REJOIN_RESPONSE: lambda reader: RejoinResponse(reader.short(), reader.octet()),
    _LINKS: _links,
    _TIMEOUT_REQUEST: lambda reader: TimeoutRequest(reader.octet(), reader.octet()),
    _TIMEOUT_RESPONSE: lambda reader: TimeoutResponse(reader.octet(), reader.octet()),
}
