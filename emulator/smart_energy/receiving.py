"""How an application takes a message: to whom it goes, who refuses it, and how it is answered (ZCL 2.4 and 2.5.12).

A command that succeeds is answered by its own response, or by the default response where it wants one; one that fails
always, unless it came by broadcast. What cannot be read at all is dropped and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emulator.firmware import Accept
from emulator.smart_energy import general, zdo
from emulator.smart_energy.holding import HELD
from emulator.smart_energy.request import Answer, Payload, Reply, Request
from emulator.smart_energy.table import EndpointTable
from protocols.errors import DecodeError
from protocols.zigbee.zcl.clusters import KEY_ESTABLISHMENT, decode_command, definition, encode_command
from protocols.zigbee.zcl.foundation import Command, Status, encode_default_response
from protocols.zigbee.zcl.header import MANUFACTURER, NO_DEFAULT_RESPONSE, TO_CLIENT, Direction, Frame, FrameType

if TYPE_CHECKING:
    from emulator.han.message import Arrival
    from emulator.smart_energy.application import Application

EVERY_ENDPOINT: Final = 0xFF
SECURED_CLUSTERS: Final = frozenset((0x000A, *range(0x0700, 0x070B)))
"""Clusters that Smart Energy wants protected by the APS layer (Smart Energy 5.4.6)."""


def receive(application: Application, arrival: Arrival) -> None:
    """Take a message for one endpoint, for all of them, or for the device profile."""
    message = arrival.message
    number = message.destination_endpoint
    if not application.device.ready:
        application.drop("not ready", "a message came to a device that has no power or is starting")
    elif number == 0:
        _receive_zdo(application, arrival)
    elif number != EVERY_ENDPOINT:
        endpoint = application.endpoint(number)
        if endpoint is None:
            application.drop("no endpoint", f"a message for endpoint {number}, which is not there")
        else:
            _receive_zcl(application, arrival, endpoint)
    else:
        for settings in application.endpoints:
            endpoint = application.endpoint(settings.number)
            if endpoint is not None and message.cluster in (*settings.servers, *settings.clients):
                aimed = message._replace(destination_endpoint=settings.number)
                _receive_zcl(application, arrival._replace(message=aimed, broadcast=True), endpoint)


def _receive_zdo(application: Application, arrival: Arrival) -> None:
    message = arrival.message
    if message.profile != zdo.PROFILE:
        application.drop("wrong profile", f"a message of profile 0x{message.profile:04x} for endpoint 0")
        return
    said = zdo.answer(application.description, message, arrival.broadcast)
    if said is not None:
        application.port.send(arrival.source, said)
    elif not message.cluster & zdo.RESPONSE and not arrival.broadcast:
        application.drop("unanswered ZDO", f"a device profile message of cluster 0x{message.cluster:04x} got no answer")


def _receive_zcl(application: Application, arrival: Arrival, endpoint: EndpointTable) -> None:
    message = arrival.message
    settings = application.device.firmware.zigbee
    strict = settings is not None and settings.accept is Accept.STRICT
    if strict and message.profile != endpoint.settings.profile:
        application.drop(
            "wrong profile", f"a message of profile 0x{message.profile:04x} on endpoint {endpoint.settings.number}"
        )
        return
    try:
        frame = Frame.decode(message.payload)
    except DecodeError as error:
        application.drop("malformed", str(error))
        return
    request = Request(arrival, endpoint, frame, {})
    if strict and not message.secured and message.cluster in SECURED_CLUSTERS:
        _refuse(application, request, Status.FAILURE, "unsecured", "it came without the protection of the APS layer")
        return
    try:
        _conclude(application, request, _handle(application, request))
    except DecodeError as error:
        _refuse(application, request, Status.MALFORMED_COMMAND, "malformed", str(error))


def _handle(application: Application, request: Request) -> Answer:
    frame, endpoint, cluster = request.frame, request.endpoint, request.cluster
    known = cluster in (endpoint.clients if request.to_client else endpoint.servers)
    general_frame = frame.type is FrameType.GLOBAL
    mirror = application.mirror if application.mirrors(endpoint) else None
    of_its_meter = mirror is not None and request.to_client and mirror.eui64 == request.arrival.source_eui64
    if mirror is not None and of_its_meter and mirror.holding.answered(application, request):
        return None
    if not known and not (general_frame and _may_come_from_either(application, request)):
        return Status.UNSUPPORTED_CLUSTER
    if frame.manufacturer is not None:
        return Status.UNSUP_MANUF_GENERAL_COMMAND if general_frame else Status.UNSUP_MANUF_CLUSTER_COMMAND
    if general_frame:
        return general.handle(application, request)
    if mirror is not None and not request.to_client and (cluster, frame.command) in HELD:
        return mirror.holding.hold(request)
    if cluster == KEY_ESTABLISHMENT.id and application.key_establishment is not None:
        application.key_establishment(request.arrival)
        return None
    handler = application.handler(cluster, to_client=request.to_client, command=frame.command)
    direction = Direction(request.to_client)
    if handler is None or definition(cluster, direction, frame.command) is None:
        return Status.UNSUP_CLUSTER_COMMAND
    values = decode_command(cluster, direction, frame.command, frame.payload)
    return handler(application, request._replace(values=values))


def _may_come_from_either(application: Application, request: Request) -> bool:
    """Whether a general command makes sense though the side it is for is not here.

    That is a default response, or a report to the mirror, whose own side is the server's.
    """
    if request.frame.command == Command.DEFAULT_RESPONSE:
        return True
    return application.mirrors(request.endpoint) and request.frame.command == Command.REPORT


def _conclude(application: Application, request: Request, answer: Answer) -> None:
    """Answer a command as it wants to be answered."""
    match answer:
        case None:
            return
        case Payload(command, payload):
            _respond(application, request, request.frame.control & 0x03, command, payload)
        case Reply(command, values):
            direction = Direction(not request.to_client)
            payload = encode_command(request.cluster, direction, command, values)
            _respond(application, request, FrameType.CLUSTER, command, payload)
        case Status.SUCCESS:
            if request.frame.wants_default_response:
                _default_response(application, request, Status.SUCCESS)
        case Status.NOT_FOUND:  # there is no price, no message: an answer like any other
            _default_response(application, request, answer)
        case _:
            _refuse(application, request, answer, "refused", answer.name.lower().replace("_", " "))


def _refuse(application: Application, request: Request, status: Status, counter: str, why: str) -> None:
    frame = request.frame
    what = "general" if frame.type is FrameType.GLOBAL else f"cluster 0x{request.cluster:04x}"
    application.drop(counter, f"{what} command 0x{frame.command:02x} was refused: {why}")
    if frame.type is not FrameType.GLOBAL or frame.command != Command.DEFAULT_RESPONSE:
        _default_response(application, request, status)


def _default_response(application: Application, request: Request, status: Status) -> None:
    if not request.arrival.broadcast:
        payload = encode_default_response(request.frame.command, status)
        _respond(application, request, FrameType.GLOBAL, Command.DEFAULT_RESPONSE, payload, 0)


def _respond(
    application: Application,
    request: Request,
    type: int,
    command: int,
    payload: bytes,
    wants: int = NO_DEFAULT_RESPONSE,
) -> None:
    """Send a command back: same sequence number, other direction, nothing wanted in return.

    A default response never gets one; it says so no more than those of GB's official test data do.
    """
    frame, arrival = request.frame, request.arrival
    control = type | wants | (0 if request.to_client else TO_CLIENT)
    if frame.manufacturer is not None:
        control |= MANUFACTURER
    answer = Frame(control, frame.sequence, command, payload, frame.manufacturer)
    application.port.send(arrival.source, arrival.message.answer(answer.encode()))
