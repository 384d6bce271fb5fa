"""Commands that are to take effect at a time to come (Smart Energy D.2.3): kept, done then, or cancelled.

A device keeps the last of each command. What falls due without power is done when the device is back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.han.message import Arrival, Message
from emulator.smart_energy.request import Request
from emulator.smart_energy.sources import NO_TIME, utc_of
from emulator.time import Event
from protocols.errors import DecodeError
from protocols.zigbee.zcl.clusters import decode_command
from protocols.zigbee.zcl.header import Direction, Frame

if TYPE_CHECKING:
    from emulator.smart_energy.application import Application
    from emulator.smart_energy.request import Handler

_NOW: Final = 0
_FIELDS: Final = ("implementation", "start")
"""What commands call the time at which they take effect."""


class Order(NamedTuple):
    """A command that waits: until when (device UTC, ns), of whom, and the message it came in."""

    utc: int
    eui64: bytes
    message: Message

    @property
    def key(self) -> tuple[int, int]:
        """Cluster and command."""
        return self.message.cluster, Frame.decode(self.message.payload).command

    def image(self) -> list[Any]:
        """For the non-volatile memory."""
        message = self.message
        return [self.utc, self.eui64.hex(), *message[:4], message.payload.hex(), message.secured]

    @classmethod
    def restored(cls, image: list[Any]) -> Order:
        """The one that :meth:`image` was of; ValueError for octets that are no command."""
        utc, eui64, profile, cluster, source, destination, payload, secured = image
        message = Message(profile, cluster, source, destination, bytes.fromhex(payload), secured)
        try:
            Frame.decode(message.payload)
        except DecodeError as error:
            raise ValueError(f"planned: {error}") from None
        return cls(utc, bytes.fromhex(eui64), message)


class Planned:
    """The commands that wait in one device, by cluster and number."""

    __slots__ = ("_application", "_event", "orders")

    def __init__(self, application: Application) -> None:
        self._application = application
        self.orders: dict[tuple[int, int], Order] = {}
        self._event: Event | None = None

    def keep(self, order: Order) -> None:
        """Let a command wait."""
        self.orders[order.key] = order
        self.look()

    def cancel(self, key: tuple[int, int]) -> None:
        """A command that waits is not wanted any more, if it does."""
        if self.orders.pop(key, None) is not None:
            self.look()

    def look(self) -> None:
        """Be there when the next one is due."""
        if self._event is not None:
            self._event.cancel()
            self._event = None
        device = self._application.device
        if self.orders and device.mains:
            due = device.device_clock.rig(min(order.utc for order in self.orders.values()))
            self._event = device.clock.schedule(max(due, device.clock.now, device.ready_at), self._run)

    def _run(self) -> None:
        self._event = None
        application = self._application
        if not application.device.mains:
            return
        application.attend()
        utc = application.device.utc
        for key, order in sorted(self.orders.items(), key=lambda item: item[1].utc):
            if order.utc <= utc:
                del self.orders[key]
                _do(application, order)
        application.commit()
        self.look()


def is_deferred(application: Application, request: Request) -> bool:
    """Whether a command is not for now: then it waits for its time, or cancels the one that did."""
    when = next((request.values[name] for name in _FIELDS if name in request.values), _NOW)
    if when == NO_TIME:
        if application.planned is not None:
            application.planned.cancel((request.cluster, request.frame.command))
        return True
    if when == _NOW or utc_of(when) <= application.device.utc:
        return False
    if application.planned is None:
        application.planned = Planned(application)
    application.planned.keep(Order(utc_of(when), request.arrival.source_eui64, request.arrival.message))
    return True


def _do(application: Application, order: Order) -> None:
    """Do what a command said, now; nobody waits for an answer."""
    message = order.message
    frame = Frame.decode(message.payload)
    endpoint = application.endpoint(message.destination_endpoint)
    to_client = frame.direction is Direction.TO_CLIENT
    handler: Handler | None = application.handler(message.cluster, to_client=to_client, command=frame.command)
    if endpoint is None or handler is None:
        return
    try:
        values = decode_command(message.cluster, frame.direction, frame.command, frame.payload)
    except DecodeError:
        return
    values.update({name: _NOW for name in _FIELDS if name in values})
    handler(application, Request(Arrival(0, order.eui64, message), endpoint, frame, values))
