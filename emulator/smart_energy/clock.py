"""The Time client (ZCL 3.12): a meter that goes by the hub's clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from emulator.han.message import COORDINATOR, Message
from emulator.smart_energy.messaging import HUB_ENDPOINT
from emulator.smart_energy.request import Answer, Request
from emulator.smart_energy.sources import MASTER, SUPERSEDING, SYNCHRONISED, utc_of
from protocols.zigbee.zcl.clusters import TIME
from protocols.zigbee.zcl.foundation import Command, ReadRecord, Status, encode_read
from protocols.zigbee.zcl.header import global_frame

if TYPE_CHECKING:
    from emulator.smart_energy.application import Application

_TIME, _TIME_STATUS = 0x0000, 0x0001
_TRUSTED: Final = MASTER | SYNCHRONISED | SUPERSEDING


def ask(application: Application) -> bool:
    """Ask the hub for the time; False for a device that has no Time client."""
    source = next((each for each in application.endpoints if TIME.id in each.clients), None)
    if source is None:
        return False
    sequence = application.time_asked = application.next_sequence()
    frame = global_frame(sequence, Command.READ, encode_read((_TIME, _TIME_STATUS)), answer=False)
    message = Message(source.profile, TIME.id, source.number, HUB_ENDPOINT, frame.encode(), True)
    application.port.send(COORDINATOR, message)
    return True


def take(application: Application, request: Request, records: Sequence[ReadRecord]) -> Answer:
    """The hub's answer: its time is taken if it is sure of it. Only what was asked for is, and only once."""
    if request.arrival.source != COORDINATOR or request.frame.sequence != application.time_asked:
        return Status.SUCCESS
    application.time_asked = None
    values = {record.attribute: record.value for record in records if record.status == Status.SUCCESS}
    time, status = values.get(_TIME), values.get(_TIME_STATUS)
    if isinstance(time, int) and isinstance(status, int) and status & _TRUSTED:
        try:
            application.device.set_clock(utc_of(time))
        except ValueError:
            return Status.INVALID_VALUE
    return Status.SUCCESS
