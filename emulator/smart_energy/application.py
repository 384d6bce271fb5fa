"""The Zigbee application of one device: what it makes of messages, and what it sends of itself.

It answers the device profile (:mod:`emulator.smart_energy.zdo`), the commands that all clusters share
(:mod:`emulator.smart_energy.general`), and those of its clusters (:mod:`emulator.smart_energy.commands`), and it
reports attributes (:mod:`emulator.smart_energy.reporting`). Endpoints and attributes are those of the profile, shared
by all devices of it; an application has no more than what its own device was told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from emulator.firmware import EndpointSettings, ReportTo
from emulator.han.message import NOWHERE, Arrival, Message, Port
from emulator.meter import Meter
from emulator.nvm import Image, Saved
from emulator.smart_energy import clock, memory, receiving, zdo
from emulator.smart_energy.commands import HANDLERS
from emulator.smart_energy.messaging import Notice
from emulator.smart_energy.mirror import MirrorTable, take_report, wake_up_messages
from emulator.smart_energy.planned import Planned
from emulator.smart_energy.reporting import MAX_REPORTERS, Reporter, Target
from emulator.smart_energy.request import Answer, Handler, Request
from emulator.smart_energy.table import EndpointTable, Slot, Tables, tables_of
from emulator.smart_energy.tunnels import Tunnels
from emulator.time import MINUTE, SECOND
from protocols.zigbee.zcl.clusters import METERING, PREPAYMENT, TIME, encode_command
from protocols.zigbee.zcl.foundation import Command, ReadRecord, Record, Status
from protocols.zigbee.zcl.header import (
    NO_DEFAULT_RESPONSE,
    TO_CLIENT,
    Direction,
    cluster_frame,
)
from protocols.zigbee.zcl.types import Value

if TYPE_CHECKING:
    from emulator.device import Device

_REPORT_HEAD: Final = bytes((TO_CLIENT | NO_DEFAULT_RESPONSE,))
_REPORT: Final = bytes((Command.REPORT,))
_SEQUENCES: Final = tuple(bytes((number,)) for number in range(256))
_OF_METERS: Final = frozenset((METERING.id, PREPAYMENT.id))
MAX_FAST_POLL: Final = 15
"""Minutes that a fast poll lasts at most (Smart Energy D.3.2.3.1.4)."""


def _report(reporter: Reporter, endpoint: int, sequence: int, records: bytes) -> Message:
    """The report of a reporter's attributes to an endpoint."""
    target = reporter.target
    payload = _REPORT_HEAD + _SEQUENCES[sequence] + _REPORT + records
    return Message(target.profile, reporter.cluster, reporter.endpoint, endpoint, payload, target.secured)


class _Repeated:
    """All attributes of a reporter, reported to one endpoint each period."""

    __slots__ = ("_endpoint", "_reporter", "period", "secured")

    def __init__(self, reporter: Reporter, endpoint: int) -> None:
        self._reporter = reporter
        self._endpoint = endpoint
        self.period = reporter.period
        self.secured = reporter.target.secured

    def make(self, sequence: int) -> Message:
        """The report with that sequence number, of the device as it is."""
        return _report(self._reporter, self._endpoint, sequence, self._reporter.records())

    def go_on(self, due: int) -> None:
        """The next report has to be sent."""
        self._reporter.go_on(due)


class Application:
    """What one device makes of messages.

    ``leave`` is called when somebody tells the device to leave the network (whether to rejoin), ``key_establishment``
    with what arrives for that cluster, ``fast_poll`` when a meter is to wake up every so many seconds until a rig
    instant; ``explain`` hears a sentence for each message that was dropped or refused. ``counters`` has how many, by a
    word or two for why.
    """

    __slots__ = (
        "_fast_poll_until",
        "_identify_until",
        "_sequence",
        "_settings",
        "attend",
        "bindings",
        "counters",
        "device",
        "explain",
        "fast_poll",
        "fast_poll_period",
        "flags",
        "key_establishment",
        "leave",
        "mirror",
        "mirror_answers",
        "mirror_endpoint",
        "neighbours",
        "notice",
        "planned",
        "port",
        "report_look",
        "reporters",
        "tables",
        "time_asked",
        "transfer",
        "tunnels",
        "written",
    )

    def __init__(self, device: Device, port: Port) -> None:
        settings = self._settings = device.firmware.zigbee
        self.device = device
        self.port = port
        self.attend: Callable[[], None] = device.attend if isinstance(device, Meter) else device.settle
        """Brings the device to the present, awake."""
        self.report_look = settings.report_look if settings else SECOND
        self.transfer = settings.transfer if settings else 0
        """Longest message that it sends or takes, octets."""
        self.tables: Tables = tables_of(device.firmware)
        self._sequence = 0
        self.bindings: list[zdo.Binding] = []
        self.reporters: dict[tuple[int, int, bytes, int], Reporter] = {}
        self.written: dict[tuple[int, int, int], Value] = {}
        self._identify_until = self._fast_poll_until = 0
        self.fast_poll_period = 0
        self.counters: Counter[str] = Counter()
        self.explain: Callable[[str], None] | None = None
        self.leave: Callable[[bool], None] | None = None
        self.key_establishment: Callable[[Arrival], None] | None = None
        self.fast_poll: Callable[[int, int], None] | None = None
        self.neighbours: Callable[[], Sequence[Mapping[str, Any]]] | None = None
        """Gives entries of Mgmt_Lqi (``protocols.zigbee.zdo.NEIGHBOUR``); None for a device that keeps no table."""
        self.notice: Notice | None = None
        """The message for the customer that it holds: to show (meter), or to hand out (hub)."""
        self.time_asked: int | None = None
        """Sequence number of a question for the time that was not answered yet."""
        self.planned: Planned | None = None
        """Commands that wait for their time."""
        self.tunnels: Tunnels | None = None
        self.mirror: MirrorTable | None = None
        """What a hub mirrors of a gas meter, None for nothing."""
        self.mirror_endpoint = 0
        """Endpoint on the hub that mirrors this meter, 0 for none."""
        self.mirror_answers = True
        """Whether the mirror has answered the last report; one that has not may be gone."""
        self.flags: tuple[int, ...] = ()
        """Notification flags that the mirror answered the last report with."""
        device.reset.append(self._forget)
        device.observers.append(self._observe)

    # --- what there is

    @property
    def endpoints(self) -> Sequence[EndpointSettings]:
        """Active endpoints."""
        found = [table.settings for table in self.tables.endpoints.values()]
        if self.mirror is not None:
            found.append(self.mirror.endpoint.settings)
        return found

    def endpoint(self, number: int) -> EndpointTable | None:
        """An active endpoint, None for another."""
        if self.mirror is not None and number == self.mirror.number:
            return self.mirror.endpoint
        return self.tables.endpoints.get(number)

    @property
    def description(self) -> zdo.Description:
        """Who the device is, for the device profile."""
        device, settings = self.device, self._settings
        kind = device.firmware.kind
        sleeps = device.firmware.sleep is not None
        logical = zdo.Kind.COORDINATOR if kind == "hub" else zdo.Kind.END_DEVICE if sleeps else zdo.Kind.ROUTER
        return zdo.Description(
            address=self.port.address,
            eui64=device.identity.eui64,
            kind=logical,
            manufacturer=settings.manufacturer if settings else 0,
            endpoints=self.endpoints,
            mains=not sleeps,
            receiver_on=not sleeps,
            transfer=self.transfer,
            bindings=self.bindings,
            changed=self._bound,
            leave=self.leave,
            neighbours=None if self.neighbours is None else self.neighbours(),
        )

    @property
    def online(self) -> bool:
        """Whether the device is on the network, and has power."""
        return self.device.mains and self.port.address != NOWHERE

    def _bound(self) -> bool:
        """Bindings have changed: whether they are safe."""
        self.port.break_off()
        return self.commit()

    def commit(self) -> bool:
        """Keep what has changed: whether it is safe."""
        return self.device.commit()

    def receive(self, arrival: Arrival) -> None:
        """Take a message, with its device awake and settled; answers go by the port."""
        receiving.receive(self, arrival)

    def drop(self, counter: str, text: str) -> None:
        """Count a message that was dropped or refused, and explain."""
        self.counters[counter] += 1
        if self.explain is not None:
            self.explain(text)

    def handler(self, cluster: int, *, to_client: bool, command: int) -> Handler | None:
        """What does a command of a cluster, None for one that is not served.

        A mirror answers what all clusters share; what is asked of a meter only a meter does.
        """
        if cluster in _OF_METERS and not to_client and not isinstance(self.device, Meter):
            return None
        return HANDLERS.get((cluster, to_client), {}).get(command)

    def mirrors(self, endpoint: EndpointTable) -> bool:
        """Whether an endpoint is the one that mirrors a meter."""
        return self.mirror is not None and endpoint.settings.number == self.mirror.number

    # --- attributes

    def slots(self, endpoint: EndpointTable, cluster: int) -> Mapping[int, Slot]:
        """The attributes of a server by id, none where the endpoint has no such server."""
        return endpoint.servers.get(cluster, {})

    def value(self, endpoint: EndpointTable, cluster: int, slot: Slot) -> Value:
        """An attribute as it is at the device's present."""
        if slot.stored:
            written = self.written.get((endpoint.settings.number, cluster, slot.attribute))
            if written is not None:
                return written
        return slot.read(self)

    def number(self, endpoint: EndpointTable, cluster: int, attribute: int, default: int) -> int:
        """An attribute that is a number; ``default`` where there is none."""
        slot = self.slots(endpoint, cluster).get(attribute)
        value = None if slot is None else self.value(endpoint, cluster, slot)
        return value if isinstance(value, int) else default

    def put(self, endpoint: EndpointTable, cluster: int, slot: Slot, value: Value) -> None:
        """Give a writable attribute another value."""
        if slot.write is not None:
            slot.write(self, value)
        else:
            self.written[endpoint.settings.number, cluster, slot.attribute] = value

    def forget_written(self) -> bool:
        """Attributes are as delivered again, and nothing is reported: whether that is safe."""
        self.written.clear()
        for reporter in self.reporters.values():
            reporter.pause()
        self.reporters.clear()
        return self.commit()

    def drop_mirror(self) -> None:
        """Mirror nobody: with the endpoint goes what it reports, and to whom."""
        mirror, self.mirror = self.mirror, None
        if mirror is None:
            return
        for key in [key for key in self.reporters if key[0] == mirror.number]:
            self.reporters.pop(key).pause()
        self.bindings[:] = [binding for binding in self.bindings if binding.endpoint != mirror.number]

    def take_report(self, request: Request, records: Sequence[Record]) -> Answer:
        """Somebody reports attributes."""
        if self.mirrors(request.endpoint):
            return take_report(self, request, records)
        return Status.SUCCESS

    def take_values(self, request: Request, records: Sequence[ReadRecord]) -> Answer:
        """Attributes that were asked for: the time is taken, other values are not wanted."""
        return clock.take(self, request, records) if request.cluster == TIME.id else Status.SUCCESS

    # --- identify and fast poll

    @property
    def identify_time(self) -> int:
        """Seconds that it still shows which one it is."""
        return max(0, -((self.device.clock.now - self._identify_until) // SECOND))

    def identify(self, seconds: int) -> None:
        """Show which one it is for so long."""
        self._identify_until = self.device.clock.now + seconds * SECOND if seconds else 0

    def begin_fast_poll(self, period: int, minutes: int) -> int:
        """Wake up every ``period`` seconds for so long: until which rig instant."""
        end = self._fast_poll_until = self.device.clock.now + min(minutes, MAX_FAST_POLL) * MINUTE
        self.fast_poll_period = period
        if self.fast_poll is not None:
            self.fast_poll(period, end)
        return end

    @property
    def fast_polling(self) -> bool:
        """Whether it wakes up more often than its profile says."""
        return self.device.clock.now < self._fast_poll_until

    # --- reporting

    def reporter(self, request: Request) -> Reporter | None:
        """What reports the attributes of the request's cluster to who asks; None where there is no room for one."""
        found = self.find_reporter(request)
        if found is not None:
            return found
        if len(self.reporters) >= MAX_REPORTERS:
            return None
        key = self._reporter_key(request)
        message = request.arrival.message
        target = Target(key[2], key[3], message.profile, message.secured)
        reporter = self.reporters[key] = Reporter(self, key[0], key[1], target)
        return reporter

    def find_reporter(self, request: Request) -> Reporter | None:
        """What reports them already."""
        return self.reporters.get(self._reporter_key(request))

    def stop_reporting(self, request: Request, slot: Slot) -> None:
        """Report an attribute no more to who asks."""
        reporter = self.find_reporter(request)
        if reporter is not None and not reporter.stop(slot.attribute):
            del self.reporters[self._reporter_key(request)]

    def _reporter_key(self, request: Request) -> tuple[int, int, bytes, int]:
        """Endpoint and cluster; and who configures, where reports go there."""
        number = request.endpoint.settings.number
        if self._settings is not None and self._settings.report_to is ReportTo.BINDINGS:
            return number, request.cluster, b"", 0
        return number, request.cluster, request.arrival.source_eui64, request.arrival.message.source_endpoint

    def report(self, reporter: Reporter, records: bytes) -> None:
        """Send a report of these attribute records."""
        sequence = self.next_sequence()
        for address, endpoint in self._receivers(reporter):
            self.port.send(address, _report(reporter, endpoint, sequence, records))

    def repeat(self, reporter: Reporter) -> int | None:
        """Have all attributes of a reporter reported now and each period, as late as somebody looks, where that can be
        and they have one receiver: until which rig instant."""
        receivers = self._receivers(reporter)
        if len(receivers) != 1:
            return None
        ((address, endpoint),) = receivers
        return self.port.repeat(address, _Repeated(reporter, endpoint))

    def _receivers(self, reporter: Reporter) -> list[tuple[int, int]]:
        """Short addresses and endpoints of those on the network that a report goes to."""
        target, address_of = reporter.target, self.port.address_of
        if target.eui64:
            address = address_of(target.eui64)
            return [] if address is None else [(address, target.endpoint)]
        return [
            (address, binding.destination)
            for binding in self.bindings
            if binding.endpoint == reporter.endpoint and binding.cluster == reporter.cluster and binding.eui64
            if (address := address_of(binding.eui64)) is not None
        ]

    def back(self) -> None:
        """The device is on the network, or has power, again: it goes on reporting, and does what fell due."""
        if self.planned is not None:
            self.planned.look()
        if self.online:
            for reporter in self.reporters.values():
                if reporter.paused:
                    reporter.resume()

    def _observe(self, event: str) -> None:
        if event == "power_up":
            self.back()
        elif self.planned is not None and event in ("clock_set", "clock_adjusted"):
            self.planned.look()

    def _forget(self) -> None:
        """RAM is lost: what was only for a while is over."""
        self._identify_until = self._fast_poll_until = self.fast_poll_period = 0
        self.flags = ()
        if self.tunnels is not None:
            self.tunnels.forget()
        if self.mirror is not None:
            self.mirror.holding.forget()

    # --- sending of its own accord

    def next_sequence(self) -> int:
        """Sequence number of the next frame."""
        if self.device.owed is not None:
            self.device.owed()  # what was put off comes before
        return self.spend_sequences(1) + 1 & 0xFF

    def spend_sequences(self, count: int) -> int:
        """Count so many frames: the sequence number of the one before them."""
        before = self._sequence
        self._sequence = before + count & 0xFF
        return before

    def command_message(self, head: Message, command: int, values: Mapping[str, Any], direction: Direction) -> Message:
        """A command of the cluster of ``head``, from and to its endpoints."""
        payload = encode_command(head.cluster, direction, command, values)
        frame = cluster_frame(self.next_sequence(), command, payload, direction)
        return head._replace(payload=frame.encode())

    def command(
        self, destination: int, head: Message, command: int, values: Mapping[str, Any], direction: Direction
    ) -> None:
        """Send such a command to a short address."""
        self.port.send(destination, self.command_message(head, command, values, direction))

    def report_message(self, head: Message, records: bytes) -> Message:
        """A report of attribute records of the cluster of ``head``, from and to its endpoints, that wants an answer."""
        return head._replace(payload=bytes((TO_CLIENT, self.next_sequence(), Command.REPORT)) + records)

    def synchronise(self) -> bool:
        """Ask the hub for the time, if this device goes by another's: whether it does."""
        return clock.ask(self)

    def wake_up_reports(self) -> list[Message]:
        """What a sleeping meter says to its hub (short address 0) at a wake-up; none for a device that does not."""
        return wake_up_messages(self)

    # --- non-volatile memory

    def image(self) -> Image:
        """What it was told: bindings, reports, written attributes, its message, its mirror or whom it mirrors."""
        return memory.image(self)

    def restore(self, saved: Saved) -> None:
        """Be what :meth:`image` said; NvmFault or ValueError for an image of another shape."""
        memory.restore(self, saved)
