"""Messaging (Smart Energy annex D.5): a message for the customer, handed out by the hub and shown by a meter.

A device holds one. A meter that has an object for consumer messages (0-0:96.13.0) shows it there too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.han.message import COORDINATOR, Message
from emulator.nvm import Saved
from emulator.smart_energy.request import Answer, Handler, Reply, Request
from emulator.smart_energy.sources import utc_of, zigbee_time
from emulator.time import MINUTE
from protocols import obis
from protocols.dlms import axdr
from protocols.zigbee.zcl.clusters import MESSAGING
from protocols.zigbee.zcl.foundation import Status
from protocols.zigbee.zcl.header import Direction

if TYPE_CHECKING:
    from emulator.smart_energy.application import Application

DISPLAY: Final = 0x00
CONFIRM: Final = 0x01
GET_LAST: Final = 0x00
CONFIRMATION_REQUIRED: Final = 0x80
"""Bit of a message's control: the customer is to confirm it."""
HUB_ENDPOINT: Final = 1
"""Endpoint of a hub's energy service interface."""
_UNTIL_CHANGED: Final = 0xFFFF
_SHOWN_AT: Final = b"\x00\x01" + obis.parse("0-0:96.13.0") + b"\x02"


class Notice(NamedTuple):
    """A message: its number, how urgent it is (control), from when (seconds since 2000, 0 for at once) and for how many
    minutes (65535 for until it is cancelled) it is shown."""

    message: int
    control: int
    start: int
    minutes: int
    text: bytes
    confirmed: int = 0
    """When the customer confirmed it, seconds since 2000; 0 for not yet."""

    @property
    def values(self) -> dict[str, Any]:
        """Fields of DisplayMessage."""
        return {
            "message": self.message,
            "control": self.control,
            "start": self.start,
            "minutes": self.minutes,
            "text": self.text,
        }

    def over(self, utc: int) -> bool:
        """Whether it is shown no more at UTC ``utc``, ns."""
        if self.minutes == _UNTIL_CHANGED or not self.start:
            return False
        return utc >= utc_of(self.start) + self.minutes * MINUTE

    def image(self) -> dict[str, object]:
        """For the non-volatile memory."""
        return {**self._asdict(), "text": self.text.hex()}

    @classmethod
    def restored(cls, saved: Saved) -> Notice:
        """The one that :meth:`image` was of."""
        numbers = {name: saved.number(name) for name in cls._fields if name != "text"}
        return cls(text=saved.octets("text"), **numbers)


def show(application: Application, notice: Notice | None) -> bool:
    """Hold a message, or none: whether that is safe."""
    application.notice = notice
    device = application.device
    if device.firmware.model.find(_SHOWN_AT) is not None:
        device.values[_SHOWN_AT] = axdr.octets(notice.text if notice else b"")
    return application.commit()


def confirm(application: Application) -> bool:
    """The customer confirms the message that is shown, and the hub is told: whether there is one."""
    notice = application.notice
    source = next((each for each in application.endpoints if MESSAGING.id in each.clients), None)
    if notice is None or source is None:
        return False
    now = zigbee_time(application.device.utc)
    application.notice = notice._replace(confirmed=now)
    head = Message(source.profile, MESSAGING.id, source.number, HUB_ENDPOINT, b"", True)
    values = {"message": notice.message, "time": now}
    application.command(COORDINATOR, head, CONFIRM, values, Direction.TO_SERVER)
    application.commit()
    return True


def _shown(application: Application, request: Request) -> Answer:
    values = request.values
    now = zigbee_time(application.device.utc)
    start = values["start"] or now
    notice = Notice(values["message"], values["control"], start, values["minutes"], values["text"])
    if notice.over(application.device.utc):
        return Status.INVALID_VALUE
    return Status.SUCCESS if show(application, notice) else Status.HARDWARE_FAILURE


def _cancelled(application: Application, request: Request) -> Answer:
    notice = application.notice
    if notice is None or notice.message != request.values["message"]:
        return Status.NOT_FOUND
    return Status.SUCCESS if show(application, None) else Status.HARDWARE_FAILURE


def _all_cancelled(application: Application, request: Request) -> Answer:
    """At once: a message that is to be over later says so itself."""
    return Status.SUCCESS if show(application, None) else Status.HARDWARE_FAILURE


def _last(application: Application, request: Request) -> Answer:
    notice = application.notice
    if notice is None or notice.over(application.device.utc):
        return Status.NOT_FOUND
    return Reply(DISPLAY, notice.values)


def _confirmed(application: Application, request: Request) -> Answer:
    notice = application.notice
    if notice is None or notice.message != request.values["message"]:
        return Status.NOT_FOUND
    application.notice = notice._replace(confirmed=request.values["time"])
    return Status.SUCCESS if application.commit() else Status.HARDWARE_FAILURE


HANDLERS: Mapping[tuple[int, bool], Mapping[int, Handler]] = {
    (MESSAGING.id, True): {DISPLAY: _shown, 0x01: _cancelled, 0x02: _shown, 0x03: _all_cancelled},
    (MESSAGING.id, False): {GET_LAST: _last, CONFIRM: _confirmed},
}
