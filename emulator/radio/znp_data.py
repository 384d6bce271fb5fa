"""Data messages of a ZNP host (subsystem AF): its endpoints, what it sends, and what arrives for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from emulator.han.message import ROUTERS, Arrival, Message
from emulator.radio import znp_zdo
from emulator.radio.coordinator import Endpoint, Sent
from emulator.time import MILLISECOND
from protocols.zigbee.declared import Values
from protocols.zigbee.mt import Frame
from protocols.zigbee.znp import commands as znp
from protocols.zigbee.znp import data
from protocols.zigbee.znp.command import AddressMode, Command, Status, TransmitOption

if TYPE_CHECKING:
    from emulator.radio.znp import Handler, ZnpStack

EVERY_ENDPOINT: Final = 0xFF
RADIUS: Final = 30
MAX_HELD: Final = 8
"""Long messages that wait to be fetched; the oldest goes first."""
MAX_RETRIEVED: Final = 240
_CONFIRMED: Final = 1 << 16
"""Bit of a tag: the host waits for the confirm."""


# --- endpoints


def _register(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    endpoints, number = stack.coordinator.endpoints, asked["endpoint"]
    if not 0 < number < EVERY_ENDPOINT:
        return {"status": Status.INVALID_PARAMETER}
    if number in endpoints:
        return {"status": Status.APS_DUPLICATE_ENTRY}
    servers, clients = tuple(asked["inputs"]), tuple(asked["outputs"])
    endpoints[number] = Endpoint(number, asked["profile"], asked["device"], asked["version"], servers, clients)
    return {"status": Status.SUCCESS}


def _delete(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    known = stack.coordinator.endpoints.pop(asked["endpoint"], None)
    return {"status": Status.INVALID_PARAMETER if known is None else Status.SUCCESS}


def _inter_pan(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"status": Status.INVALID_PARAMETER}  # no inter-PAN messages: there is nobody but this network


# --- sending


def _send_short(stack: ZnpStack, octets: bytes) -> int:
    return _send(stack, data.read_request(octets))


def _send_extended(stack: ZnpStack, octets: bytes) -> int:
    return _send(stack, data.read_extended(octets))


def _send_routed(stack: ZnpStack, octets: bytes) -> int:
    return _send(stack, data.read_routed(octets))


def _send(stack: ZnpStack, request: data.Request) -> int:
    coordinator = stack.coordinator
    if not coordinator.up:
        return Status.NWK_INVALID_REQUEST
    if request.pan:
        return Status.INVALID_PARAMETER
    endpoint = coordinator.endpoints.get(request.source_endpoint)
    if request.source_endpoint and endpoint is None:
        return Status.INVALID_PARAMETER
    options, destination = request.options, request.destination
    tag = _CONFIRMED | request.source_endpoint << 8 | request.transaction
    if request.mode == AddressMode.GROUP:
        # No device of a HAN is in a group: nobody would take it.
        stack.send(data.confirm(Status.SUCCESS, request.source_endpoint, request.transaction))
        return Status.SUCCESS
    if isinstance(destination, bytes):
        found = coordinator.address_of(destination)
        if found is None:
            stack.send(data.confirm(Status.NWK_NO_ROUTE, request.source_endpoint, request.transaction))
            return Status.SUCCESS
        destination = found
    if endpoint is None or request.destination_endpoint == 0:
        profile = 0
        tag &= ~_CONFIRMED  # messages of the device profile have no confirm
    else:
        profile = endpoint.profile if stack.profile is None else stack.profile
    if profile == 0 and znp_zdo.scanned(stack, destination, request.cluster, request.data):
        return Status.SUCCESS
    message = Message(
        profile,
        request.cluster,
        request.source_endpoint,
        request.destination_endpoint,
        request.data,
        bool(options & TransmitOption.SECURE),
        bool(options & TransmitOption.ACKNOWLEDGE),
    )
    coordinator.send(destination, message, tag)
    if destination >= ROUTERS and tag & _CONFIRMED:
        stack.send(data.confirm(Status.SUCCESS, request.source_endpoint, request.transaction))
    return Status.SUCCESS


def sent(stack: ZnpStack, event: Sent) -> None:
    """What became of a message that the host sent."""
    if event.tag & _CONFIRMED and event.destination < ROUTERS:
        status = Status.SUCCESS if event.delivered else _failure(stack, event)
        stack.send(data.confirm(status, event.tag >> 8 & 0xFF, event.tag & 0xFF))


def _failure(stack: ZnpStack, event: Sent) -> Status:
    for neighbour in stack.coordinator.neighbours():
        if neighbour.address == event.destination:
            if neighbour.sleepy and neighbour.child:
                return Status.MAC_TRANSACTION_EXPIRED
            return Status.APS_NO_ACK if event.message.acknowledge else Status.MAC_NO_ACK
    return Status.NWK_NO_ROUTE


# --- receiving


def arrived(stack: ZnpStack, arrival: Arrival) -> None:
    """A message for an endpoint of the host, or for all of them: one that takes it has it."""
    message = arrival.message
    number = _receiver(stack, message)
    if number is None:
        stack.remark(
            f"no endpoint takes profile {message.profile:#06x} at {message.destination_endpoint}: message dropped"
        )
        return
    timestamp = stack.device.clock.now // MILLISECOND & 0xFFFFFFFF
    sequence = stack.session.next()
    if len(message.payload) > data.MAX_INCOMING:
        _announce(stack, arrival, number, timestamp, sequence)
        return
    stack.send(
        data.incoming(
            message.cluster,
            arrival.source,
            message.source_endpoint,
            number,
            arrival.broadcast,
            arrival.lqi,
            message.secured,
            timestamp,
            sequence,
            message.payload,
            RADIUS,
        )
    )


def _receiver(stack: ZnpStack, message: Message) -> int | None:
    endpoints, wanted = stack.coordinator.endpoints, message.destination_endpoint
    offered = sorted(endpoints) if wanted == EVERY_ENDPOINT else [wanted]
    for number in offered:
        endpoint = endpoints.get(number)
        if endpoint is not None and message.profile in (endpoint.profile, stack.profile):
            return number
    return None


def _announce(stack: ZnpStack, arrival: Arrival, number: int, timestamp: int, sequence: int) -> None:
    held, message = stack.session.held, arrival.message
    while timestamp in held:  # by which the host asks for it
        timestamp = timestamp + 1 & 0xFFFFFFFF
    if len(held) >= MAX_HELD:
        del held[next(iter(held))]
        stack.remark("a long message that the host has not fetched is dropped for another")
    held[timestamp] = message.payload
    values = {
        "group": 0,
        "cluster": message.cluster,
        "mode": AddressMode.SHORT,
        "source": arrival.source.to_bytes(8, "big"),
        "source_endpoint": message.source_endpoint,
        "source_pan": stack.coordinator.parameters.pan_id,
        "destination_endpoint": number,
        "broadcast": arrival.broadcast,
        "lqi": arrival.lqi,
        "secured": message.secured,
        "timestamp": timestamp,
        "sequence": sequence,
        "length": len(message.payload),
        "mac_source": arrival.source,
        "radius": RADIUS,
    }
    stack.tell(znp.INCOMING_LONG, values)


def _retrieve(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    held, timestamp, index, length = stack.session.held, asked["timestamp"], asked["index"], asked["length"]
    whole = held.get(timestamp)
    if whole is None:
        return {"status": Status.FAILURE, "data": b""}
    if length == 0:
        del held[timestamp]
        return {"status": Status.SUCCESS, "data": b""}
    if length > MAX_RETRIEVED or index + length > len(whole):
        return {"status": Status.INVALID_PARAMETER, "data": b""}
    return {"status": Status.SUCCESS, "data": whole[index : index + length]}


REQUESTS: Final[Mapping[tuple[int, int], Callable[[ZnpStack, bytes], int]]] = {
    znp.DATA_REQUEST.key: _send_short,
    znp.DATA_REQUEST_EXTENDED.key: _send_extended,
    znp.DATA_REQUEST_ROUTED.key: _send_routed,
}
"""Those that are read by hand, and answered with a status."""
HANDLERS: Final[tuple[tuple[Command, Handler], ...]] = (
    (znp.REGISTER, _register),
    (znp.DELETE, _delete),
    (znp.INTER_PAN, _inter_pan),
    (znp.DATA_RETRIEVE, _retrieve),
)
