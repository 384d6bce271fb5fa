"""Mirrors (Smart Energy annex D.3.4): a hub shows on an endpoint of its own what a sleeping meter reported last.

The hub has one, for the gas meter that asked first. A meter that has a mirror pushes its attributes to it at each
wake-up; the answer says by flags what waits for the meter on the hub.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from emulator.firmware import EndpointSettings
from emulator.han.message import COORDINATOR, Message
from emulator.nvm import Image, Saved
from emulator.smart_energy.holding import Holding
from emulator.smart_energy.messaging import GET_LAST, HUB_ENDPOINT
from emulator.smart_energy.request import Answer, Handler, Reply, Request
from emulator.smart_energy.table import EndpointTable, Slot, fixed
from protocols.errors import DecodeError
from protocols.zigbee.zcl.clusters import CLUSTERS, MESSAGING, METERING
from protocols.zigbee.zcl.clusters.metering import DeviceType
from protocols.zigbee.zcl.foundation import Command, Record, Status, decode_report, encode_records
from protocols.zigbee.zcl.header import Direction, Frame, FrameType
from protocols.zigbee.zcl.types import Value

if TYPE_CHECKING:
    from emulator.hub import Hub
    from emulator.smart_energy.application import Application

REQUEST, REMOVE = 0x01, 0x02
"""RequestMirror and RemoveMirror, to the hub; to the meter the same numbers answer."""
REPORT_RESPONSE: Final = 0x09
_ANSWERS: Final = frozenset((REQUEST, REMOVE, REPORT_RESPONSE))
NO_MIRROR: Final = 0xFFFF
METERING_DEVICE: Final = 0x0501
SCHEME: Final = 0x01
"""The notification scheme: one word of functional flags (Smart Energy D.3.3.4.1.9)."""
MESSAGE_WAITS, COMMANDS_WAIT = 1 << 16, 1 << 21
"""Functional notification flags: a message to show, and commands for the tunnel."""
_DEVICE_TYPE: Final = 0x0306
_LAST_ENDPOINT: Final = 0xF0
_IN_A_FRAME: Final = 60
"""Octets of attributes in one report, so that it goes into one frame."""


class MirrorTable:
    """What a hub mirrors: of whom, on which endpoint, and the attributes by cluster and id."""

    __slots__ = ("_slots", "_values", "eui64", "holding", "number", "profile")

    def __init__(self, eui64: bytes, number: int, profile: int) -> None:
        self.eui64 = eui64
        self.number = number
        self.profile = profile
        self._slots: dict[int, dict[int, Slot]] = {}
        self._values: dict[int, dict[int, Value]] = {}
        self.holding = Holding()

    @property
    def endpoint(self) -> EndpointTable:
        """As other endpoints are."""
        servers = (METERING.id, *(cluster for cluster in self._slots if cluster != METERING.id))
        settings = EndpointSettings(self.number, self.profile, METERING_DEVICE, 0, servers, ())
        return EndpointTable(settings, {cluster: self.slots(cluster) for cluster in servers}, frozenset())

    def slots(self, cluster: int) -> Mapping[int, Slot]:
        """Attributes of a cluster as they were reported, and what says that they are a mirror's."""
        slots = self._slots.get(cluster, {})
        if cluster != METERING.id:
            return slots
        return {
            **slots,
            _DEVICE_TYPE: Slot(
                _DEVICE_TYPE, METERING.attributes[_DEVICE_TYPE].type, fixed(DeviceType.MIRRORED_GAS), reportable=True
            ),
        }

    def take(self, cluster: int, records: Sequence[Record]) -> None:
        """What its meter reports; attributes that the cluster has not, or of another type, are left out."""
        known = CLUSTERS[cluster].attributes
        for record in records:
            definition = known.get(record.attribute)
            if definition is not None and definition.type == record.type:
                slots = self._slots.setdefault(cluster, {})
                values = self._values.setdefault(cluster, {})
                values[record.attribute] = record.value
                if record.attribute not in slots:
                    slots[record.attribute] = _mirrored(record.attribute, record.type, values)

    def image(self, application: Application) -> Image:
        """For the hub's non-volatile memory: attributes as a report has them, by cluster."""
        reports = {
            str(cluster): encode_records(
                Record(slot.attribute, slot.type, slot.read(application)) for slot in slots.values()
            ).hex()
            for cluster, slots in self._slots.items()
        }
        return {"eui64": self.eui64.hex(), "number": self.number, "profile": self.profile, "reports": reports}

    @classmethod
    def restored(cls, saved: Saved) -> MirrorTable:
        """The one that :meth:`image` was of; ValueError for octets that are no report."""
        mirror = cls(saved.octets("eui64"), saved.number("number"), saved.number("profile"))
        reports = saved.table("reports")
        for name in reports:
            cluster = int(name)
            if cluster in CLUSTERS:
                try:
                    mirror.take(cluster, decode_report(reports.octets(name)))
                except DecodeError as error:
                    raise ValueError(f"mirror: {error}") from None
        return mirror


def _mirrored(attribute: int, type: int, values: Mapping[int, Value]) -> Slot:
    """Reads what came last: who reports an attribute holds on to its slot."""

    def read(_: Application) -> Value:
        return values[attribute]

    return Slot(attribute, type, read, reportable=True)


# --- the hub's side


def _requested(application: Application, request: Request) -> Answer:
    settings = application.device.firmware.zigbee
    mirror, eui64 = application.mirror, request.arrival.source_eui64
    others = mirror is not None and mirror.eui64 != eui64
    if settings is None or not settings.mirror or others or cast("Hub", application.device).refuses_mirror:
        return Reply(REQUEST, {"endpoint": NO_MIRROR})
    if mirror is None:
        application.mirror = MirrorTable(eui64, settings.mirror, request.endpoint.settings.profile)
        if not application.commit():
            application.mirror = None
            return Reply(REQUEST, {"endpoint": NO_MIRROR})
    return Reply(REQUEST, {"endpoint": settings.mirror})


def _removed(application: Application, request: Request) -> Answer:
    mirror = application.mirror
    if mirror is None or mirror.eui64 != request.arrival.source_eui64:
        return Status.NOT_AUTHORIZED
    application.drop_mirror()
    application.commit()
    return Reply(REMOVE, {"endpoint": mirror.number})


def take_report(application: Application, request: Request, records: Sequence[Record]) -> Answer:
    """A report came to the mirror's endpoint: only its own meter's is taken."""
    mirror = application.mirror
    hub = cast("Hub", application.device)
    if mirror is None or mirror.eui64 != request.arrival.source_eui64 or hub.refuses_mirror:
        return Status.NOT_AUTHORIZED
    if hub.mirror is None or not hub.mirror.frozen:
        mirror.take(request.cluster, records)
    mirror.holding.pass_on(application, request.arrival)
    if request.cluster != METERING.id:
        return Status.SUCCESS
    return Reply(REPORT_RESPONSE, {"scheme": SCHEME, "flags": [_flags(application)]})


def _flags(application: Application) -> int:
    notice = application.notice
    shows = notice is not None and not notice.over(application.device.utc)
    pending = cast("Hub", application.device).mirror
    return (MESSAGE_WAITS if shows else 0) | (COMMANDS_WAIT if pending is not None and pending.pending else 0)


# --- the meter's side


def is_answer(message: Message) -> bool:
    """Whether a message only answers what a meter said to its mirror, or to ask for one: nothing to wake up for."""
    try:
        frame = Frame.decode(message.payload)
    except DecodeError:
        return False
    if frame.type is FrameType.GLOBAL:
        return frame.command == Command.DEFAULT_RESPONSE
    return message.cluster == METERING.id and frame.command in _ANSWERS and frame.direction is Direction.TO_SERVER


def _granted(application: Application, request: Request) -> Answer:
    if request.arrival.source != COORDINATOR:
        return Status.NOT_AUTHORIZED
    number = request.values["endpoint"]
    application.mirror_endpoint = number if 1 <= number <= _LAST_ENDPOINT else 0
    if not application.commit():
        return Status.HARDWARE_FAILURE
    if application.mirror_endpoint:  # it is awake: the mirror need not wait for the next time
        application.mirror_answers = True
        for message in wake_up_messages(application):
            application.port.send(COORDINATOR, message)
    return Status.SUCCESS


def _gone(application: Application, request: Request) -> Answer:
    if request.arrival.source != COORDINATOR or request.values["endpoint"] != application.mirror_endpoint:
        return Status.NOT_AUTHORIZED
    application.mirror_endpoint = 0
    return Status.SUCCESS if application.commit() else Status.HARDWARE_FAILURE


def _reported(application: Application, request: Request) -> Answer:
    """The mirror has taken a report, and says what waits: a message is fetched at once."""
    if request.arrival.source != COORDINATOR or not application.mirror_endpoint:
        return Status.NOT_AUTHORIZED
    flags = tuple(request.values["flags"])
    application.flags, application.mirror_answers = flags, True
    if flags and flags[0] & MESSAGE_WAITS:
        source = request.arrival.message
        message = Message(source.profile, MESSAGING.id, source.destination_endpoint, HUB_ENDPOINT, b"", source.secured)
        application.command(COORDINATOR, message, GET_LAST, {}, Direction.TO_SERVER)
    return Status.SUCCESS


def wake_up_messages(application: Application) -> list[Message]:
    """What a meter says to its hub at a wake-up: its attributes for its mirror; the wish for a mirror without one.

    A mirror that left the last report unanswered may be gone, as that of a hub which another replaced: the meter wishes
    for it anew.
    """
    tables = application.tables
    source = next((table for table in tables.endpoints.values() if METERING.id in table.servers), None)
    if source is None:
        return []
    settings = source.settings
    if not (application.mirror_endpoint and application.mirror_answers):
        wish = Message(settings.profile, METERING.id, settings.number, HUB_ENDPOINT, b"", True)
        return [application.command_message(wish, REQUEST, {}, Direction.TO_CLIENT)]
    application.mirror_answers = False
    found: list[Message] = []
    for cluster, slots in tables.pushed.items():
        head = Message(settings.profile, cluster, settings.number, application.mirror_endpoint, b"", True)
        records = b""
        for slot in slots:
            record = encode_records((Record(slot.attribute, slot.type, slot.read(application)),))
            if records and len(records) + len(record) > _IN_A_FRAME:
                found.append(application.report_message(head, records))
                records = b""
            records += record
        if records:
            found.append(application.report_message(head, records))
    return found


HANDLERS: Mapping[tuple[int, bool], Mapping[int, Handler]] = {
    (METERING.id, True): {REQUEST: _requested, REMOVE: _removed},
    (METERING.id, False): {REQUEST: _granted, REMOVE: _gone, REPORT_RESPONSE: _reported},
}
