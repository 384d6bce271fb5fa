"""What a display asks of a sleeping meter at its mirror: the hub holds it until the meter is awake.

That is a token, emergency credit and the supply; other commands a mirror does not know. The hub passes them on, as they
came, when the meter has reported to its mirror, and passes what the meter answers on to who asked, from the mirror's
endpoint. A hub that starts anew has forgotten them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from emulator.smart_energy.request import Answer
from protocols.zigbee.zcl.clusters import METERING, PREPAYMENT
from protocols.zigbee.zcl.foundation import Status

if TYPE_CHECKING:
    from emulator.han.message import Arrival, Message
    from emulator.smart_energy.application import Application
    from emulator.smart_energy.request import Request

HELD: Final = frozenset(((PREPAYMENT.id, 0x00), (PREPAYMENT.id, 0x04), (METERING.id, 0x0C)))
"""Clusters and commands: SelectAvailableEmergencyCredit, ConsumerTopUp, LocalChangeSupply."""
MOST: Final = 8
"""Commands that are held at most, and those passed on whose answers are waited for."""


class Held(NamedTuple):
    """A command, who sent it, and its ZCL sequence number."""

    source: bytes
    message: Message
    sequence: int


class Holding:
    """What a hub holds for the meter that it mirrors."""

    __slots__ = ("_passed_on", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[Held] = []
        self._passed_on: list[Held] = []

    def hold(self, request: Request) -> Answer:
        """Keep a command; there is an answer now only where there is no room for it."""
        if len(self._waiting) >= MOST:
            return Status.INSUFFICIENT_SPACE
        arrival = request.arrival
        self._waiting.append(Held(arrival.source_eui64, arrival.message, request.frame.sequence))
        return None

    def pass_on(self, application: Application, awake: Arrival) -> None:
        """The meter is awake, as a report of it shows: it gets what was kept for it."""
        waiting, self._waiting = self._waiting, []
        for held in waiting:
            endpoint = awake.message.source_endpoint
            application.port.send(
                awake.source,
                held.message._replace(source_endpoint=held.message.destination_endpoint, destination_endpoint=endpoint),
            )
        self._passed_on = [*self._passed_on, *waiting][-MOST:]

    def answered(self, application: Application, request: Request) -> bool:
        """Whether this is the meter's answer to what was passed on; it goes to who had asked."""
        message, sequence = request.arrival.message, request.frame.sequence
        for number, held in enumerate(self._passed_on):
            if (held.sequence, held.message.cluster) == (sequence, message.cluster):
                del self._passed_on[number]
                address = application.port.address_of(held.source)
                if address is not None:
                    application.port.send(address, held.message.answer(message.payload))
                return True
        return False

    def forget(self) -> None:
        """RAM is lost: nothing is held, and no answer is waited for."""
        self._waiting.clear()
        self._passed_on.clear()
