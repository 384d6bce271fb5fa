"""The client side of a display's Smart Energy application: it finds meters, has them report, and speaks for people.

Once it is on the network it asks who serves Metering, Price, Messaging and Time (match descriptor, broadcast), looks at
each endpoint that answers (simple descriptor), binds and configures reporting, and asks for what reports do not carry.
Prices, messages and the time it asks for anew from time to time. It looks for meters again while one that it knows is
silent or has not said what it is, for some time after a device has joined, and rarely otherwise. All it knows has come
in messages (:mod:`emulator.display_known`); a loss of power loses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from emulator.device import LAST_TIME
from emulator.display_known import (
    CREDIT,
    KEPT,
    NEVER,
    SCALING,
    SUMMATION,
    SUPPLY,
    At,
    Fuel,
    Known,
    Price,
    Shown,
    scaled,
)
from emulator.display_orders import ACCEPTED, Orders
from emulator.display_speaker import Speaker
from emulator.smart_energy.sources import utc_of
from emulator.time import HOUR, MINUTE, SECOND, Event, stream
from protocols.errors import DecodeError
from protocols.zigbee import zdo
from protocols.zigbee.aps import ZDO_PROFILE
from protocols.zigbee.zcl import foundation
from protocols.zigbee.zcl.clusters import (
    MESSAGING,
    METERING,
    PREPAYMENT,
    PRICE,
    TIME,
    decode_command,
    definition,
)
from protocols.zigbee.zcl.clusters.prepayment import OriginatingDevice
from protocols.zigbee.zcl.foundation import Command, Status
from protocols.zigbee.zcl.header import MANUFACTURER, NO_DEFAULT_RESPONSE, TO_CLIENT, Direction, Frame, FrameType
from protocols.zigbee.zcl.types import INVALID, Type

if TYPE_CHECKING:
    from emulator.display import Display
    from emulator.han.message import Arrival, Port

MOST_METERS: Final = 8
"""Endpoints with a meter that it keeps, and that it looks at in one answer."""
OFF_NETWORK_LOOK: Final = 15 * SECOND
"""How often it looks whether it is on the network."""
LOOK_PERIOD, WELL_PERIOD = 5 * MINUTE, 15 * MINUTE
"""How often it looks whether all is well: while it was not when it looked last, and while it was."""
SHORT_PAUSE, LONG_PAUSE, SEARCH_PERIOD = MINUTE, 35 * MINUTE, 6 * HOUR
"""Before the next search: the first pause while something is missing, the first while nothing is (a gas meter has woken
up by then); each is twice the one before, up to the last."""
CURIOUS_FOR: Final = HOUR
"""How long something is missing once a device has joined: a gas meter's mirror comes with its first wake-up."""
WANTED: Final = [METERING.id, PRICE.id, MESSAGING.id, TIME.id]
CLIENTS: Final = frozenset((*WANTED, PREPAYMENT.id))
"""Clusters of which it is a client. What comes of others is not its business."""
_ANSWERS: Final = frozenset(
    request | zdo.RESPONSE
    for request in (zdo.Cluster.MATCH_DESCRIPTOR, zdo.Cluster.SIMPLE_DESCRIPTOR, zdo.Cluster.BIND)
)
_CURRENT_PRICE, _LAST_MESSAGE, _CONFIRMATION, _PRICE_ACKNOWLEDGEMENT = 0x00, 0x00, 0x01, 0x02
_TIME = 0x0000
_WANTS_ACKNOWLEDGEMENT = 0x01
"""Bit of a price's control."""
_REPORT, _REPORT_CONTROL = int(Command.REPORT), MANUFACTURER | TO_CLIENT | 0x03


class Client:
    """The client side of one display. ``changed`` is called when there is something new to say about an order."""

    __slots__ = (
        "_content",
        "_curious_until",
        "_display",
        "_event",
        "_message",
        "_messaging",
        "_pause",
        "_prices",
        "_refresh_at",
        "_search_at",
        "_times",
        "_told",
        "orders",
        "speaker",
        "topped_up",
    )

    def __init__(self, display: Display, changed: Callable[[], None]) -> None:
        self._display = display
        self.speaker = Speaker(display)
        self.orders = Orders(display, self.speaker, changed)
        self._event: Event | None = None
        self.forget()

    def connect(self, port: Port) -> None:
        """Speak by that port from now on."""
        self.speaker.port = port
        self._start()

    def forget(self) -> None:
        """Know nothing, as after a loss of power."""
        self._told: dict[tuple[bytes, int], Known] = {}
        """By EUI-64 and endpoint."""
        self._prices: dict[At, Price] = {}
        self._messaging: At | None = None
        self._times: At | None = None
        self._message: Shown | None = None
        self._content = True
        """Whether nothing was missing when it looked last."""
        self._pause = SHORT_PAUSE
        self._search_at = self._refresh_at = self._curious_until = 0
        self.topped_up = 0
        """The last top-up that a meter accepted, millipence."""
        self.orders.forget()
        self._start()

    # --- what it knows

    @property
    def _known(self) -> dict[tuple[bytes, int], Known]:
        """Meters by EUI-64 and endpoint, as they have been told of to this instant."""
        if self.speaker.port is not None:
            self.speaker.port.make_up()
        return self._told

    def receive_late(self, arrival: Arrival, instant: int) -> None:
        """Take a report that arrived at a rig instant that is past."""
        self._reported(arrival, arrival.message.payload, instant)

    @property
    def on(self) -> bool:
        """Whether it is on the network."""
        return self.speaker.on

    @property
    def meters(self) -> list[Known]:
        """Meters, and mirrors of meters, that it has been told of."""
        return list(self._known.values())

    def meter(self, fuel: Fuel) -> Known | None:
        """The meter of a fuel, None before one has said that it is: of several the one that was heard last."""
        found = [known for known in self._known.values() if known.fuel is fuel]
        return max(found, key=lambda known: known.heard_at, default=None)

    def is_stale(self, fuel: Fuel) -> bool:
        """Whether the meter of a fuel has not been heard for some time."""
        known = self.meter(fuel)
        return known is not None and self._silent(known)

    def price(self, fuel: Fuel) -> Price | None:
        """The price in force of a fuel, as it was published; None without one."""
        utc = self._display.utc
        for at, price in self._prices.items():
            known = self._known.get(at)
            told = known.fuel if known is not None and known.fuel is not None else price.fuel
            if told is fuel and (price.until is None or utc < price.until):
                return price
        return None

    @property
    def message(self) -> Shown | None:
        """The message for people that is in force, None without one."""
        message = self._message
        if message is None:
            return None
        utc = self._display.utc
        return message if message.begins <= utc and (message.ends is None or utc < message.ends) else None

    def confirm(self) -> None:
        """People have seen the message in force: tell its sender, if it asked for that and was not told."""
        message = self.message
        if message is None or not message.asks:
            return
        self._message = message._replace(asks=False)
        now = self.speaker.now()
        self.speaker.command(message.server, MESSAGING.id, _CONFIRMATION, message=message.number, time=now)

    # --- what it does by itself

    def _start(self) -> None:
        """Look for meters soon, not all displays of a rig at once."""
        if self.speaker.port is None:
            return
        display = self._display
        chance = stream(display.seed, display.identity.device_id, "client")
        self._schedule(display.clock.now + chance.randrange(display.settings.report_period * SECOND))

    def _schedule(self, due: int) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = self._display.clock.schedule(due, self._attend)

    def _attend(self) -> None:
        self._event = None
        now, settings = self._display.clock.now, self._display.settings
        if not self._display.ready or not self.on:
            self._schedule(now + OFF_NETWORK_LOOK)
            return
        self._display.settle()
        content = now >= self._curious_until and bool(self._known) and not any(map(self._puzzles, self._known.values()))
        if content is not self._content:
            self._content, self._pause = content, LONG_PAUSE if content else SHORT_PAUSE
            self._search_at = now + self._pause if content else now
        if now >= self._search_at:
            self.speaker.search(WANTED)
            self._search_at = now + self._pause
            self._pause = min(2 * self._pause, SEARCH_PERIOD)
        if now >= self._refresh_at:
            self._refresh()
            self._refresh_at = now + settings.refresh_period
        self._schedule(min(self._search_at, self._refresh_at, now + (WELL_PERIOD if content else LOOK_PERIOD)))

    def _look_soon(self) -> None:
        """Something may be missing: look whether all is well before it would have."""
        soon = self._display.clock.now + LOOK_PERIOD
        if self._event is not None and soon < self._event.due:
            self._schedule(soon)

    def _puzzles(self, known: Known) -> bool:
        """Whether a meter is silent, or has not said what it is and what it has counted: a mirror is empty at first."""
        return self._silent(known) or known.fuel is None or known.number(METERING.id, SUMMATION, Type.U48) is None

    def _silent(self, known: Known) -> bool:
        stale_after = self._display.settings.stale_after
        return known.heard_at == NEVER or self._display.clock.now - known.heard_at >= stale_after

    def _refresh(self) -> None:
        speaker = self.speaker
        for at in self._prices:
            speaker.command(at, PRICE.id, _CURRENT_PRICE, options=0)
        if self._messaging is not None:
            speaker.command(self._messaging, MESSAGING.id, _LAST_MESSAGE)
        if self._times is not None:
            speaker.read(self._times, TIME.id, (_TIME,))

    def _found(self, at: At, clusters: list[int]) -> None:
        """An endpoint with servers: use what there is of use."""
        speaker, period = self.speaker, self._display.settings.report_period
        known = self._known.get(at)
        if METERING.id in clusters and (known is None or self._puzzles(known)) and self._has_room_for(at):
            if known is None:
                self._known[at] = Known(at)
                self._look_soon()
            for cluster in KEPT:
                if cluster in clusters:
                    speaker.read(at, cluster, tuple(sorted(KEPT[cluster])))
                    speaker.bind(at, cluster)
                    speaker.configure(at, cluster, period)
        if PRICE.id in clusters:
            speaker.command(at, PRICE.id, _CURRENT_PRICE, options=0)
        if MESSAGING.id in clusters:
            self._messaging = at
            speaker.command(at, MESSAGING.id, _LAST_MESSAGE)
        if TIME.id in clusters:
            self._times = at
            speaker.read(at, TIME.id, (_TIME,))

    def _has_room_for(self, at: At) -> bool:
        """Whether there is room for one more meter; one that is silent gives way."""
        if at in self._known or len(self._known) < MOST_METERS:
            return True
        oldest = min(self._known.values(), key=lambda known: known.heard_at)
        if self._silent(oldest):
            del self._known[oldest.at]
            self._prices.pop(oldest.at, None)
        return len(self._known) < MOST_METERS

    # --- what comes

    def receive(self, arrival: Arrival) -> bool:
        """Take a message if it is for a client: whether it was."""
        message = arrival.message
        payload = message.payload
        if message.profile == ZDO_PROFILE:
            return self._device_answer(arrival)
        if message.cluster not in CLIENTS:
            return False
        if len(payload) >= 3 and payload[2] == _REPORT and payload[0] & _REPORT_CONTROL == TO_CLIENT:
            self._reported(arrival, payload, self._display.clock.now)
            return True
        try:
            frame = Frame.decode(payload)
        except DecodeError:
            return False
        if frame.direction is not Direction.TO_CLIENT or frame.manufacturer is not None:
            return False
        self._take(arrival, frame)
        return True

    def _reported(self, arrival: Arrival, payload: bytes, instant: int) -> None:
        """A report: the one message of which there are very many."""
        message = arrival.message
        cluster = message.cluster
        known = self._told.get((arrival.source_eui64, message.source_endpoint))
        status = Status.SUCCESS
        if known is not None and cluster in KEPT:
            kept, values = KEPT[cluster], known.values[cluster]
            try:
                for attribute, _, value in foundation.decode_records(payload[3:]):
                    if attribute in kept:
                        values[attribute] = value
            except DecodeError:
                status = Status.MALFORMED_COMMAND
            else:
                known.heard_at = instant
        if status or not payload[0] & NO_DEFAULT_RESPONSE:
            self.speaker.default_response(arrival, Frame.decode(payload), status)

    def _take(self, arrival: Arrival, frame: Frame) -> None:
        """Anything else from a server."""
        at = At(arrival.source_eui64, arrival.message.source_endpoint)
        cluster = arrival.message.cluster
        status = Status.SUCCESS
        try:
            if frame.type is FrameType.GLOBAL:
                self._answered(at, cluster, frame)
            elif definition(cluster, Direction.TO_CLIENT, frame.command) is None:
                status = Status.UNSUP_CLUSTER_COMMAND
            else:
                values = decode_command(cluster, Direction.TO_CLIENT, frame.command, frame.payload)
                self._commanded(at, cluster, frame.command, values)
        except DecodeError:
            status = Status.MALFORMED_COMMAND
        if frame.type is FrameType.CLUSTER and (status or frame.wants_default_response):
            self.speaker.default_response(arrival, frame, status)

    def _answered(self, at: At, cluster: int, frame: Frame) -> None:
        """An answer to a command that all clusters have."""
        match frame.command:
            case Command.READ_RESPONSE:
                records = foundation.decode_read_response(frame.payload)
                found = {record.attribute: record.value for record in records if record.status == Status.SUCCESS}
                known = self._known.get(at)
                if cluster == TIME.id:
                    self._set_clock(found.get(_TIME))
                elif known is not None and cluster in KEPT:
                    known.heard_at = self._display.clock.now
                    known.values[cluster].update({id: value for id, value in found.items() if id in KEPT[cluster]})
            case Command.DEFAULT_RESPONSE:
                self.orders.answered(at, cluster, *foundation.decode_default_response(frame.payload))
            case _:
                pass

    def _set_clock(self, seconds: object) -> None:
        """Follow the time of the HAN, to the second in which it is told."""
        display = self._display
        if not isinstance(seconds, int) or seconds == INVALID[Type.UTC]:
            return
        utc = utc_of(seconds)
        if utc < LAST_TIME and abs(utc - display.utc) >= SECOND:
            display.set_clock(utc)

    def _commanded(self, at: At, cluster: int, command: int, values: Mapping[str, Any]) -> None:
        """A command of a server."""
        match cluster, command:
            case PRICE.id, 0x00:  # PublishPrice
                self._priced(at, values)
            case MESSAGING.id, 0x00 | 0x02:  # DisplayMessage, DisplayProtectedMessage
                self._message = Shown.told(values, self._display.utc, at, self._message)
            case MESSAGING.id, 0x01:  # CancelMessage
                if self._message is not None and self._message.number == values["message"]:
                    self._message = None
            case MESSAGING.id, 0x03:  # CancelAllMessages
                self._cancel_all(utc_of(values["implementation"]))
            case PREPAYMENT.id, 0x03:  # ConsumerTopUpResponse
                self._topped_up(at, values)
            case METERING.id, 0x0C:  # SupplyStatusResponse
                if at in self._known:
                    self._known[at].values[METERING.id][SUPPLY] = values["status"]
                self.orders.supply_changed(at, values["status"])
            case _:
                pass

    def _topped_up(self, at: At, values: Mapping[str, Any]) -> None:
        known = self._known.get(at)
        if known is None:
            return
        known.values[PREPAYMENT.id][CREDIT] = values["credit"]
        if values["result"] in ACCEPTED:
            self.topped_up = scaled(values["value"], known.number(PREPAYMENT.id, SCALING, Type.ENUM8))
        if values["source"] == OriginatingDevice.DISPLAY:
            self.orders.topped_up(values["result"])

    def _priced(self, at: At, values: Mapping[str, Any]) -> None:
        if at in self._prices or len(self._prices) < MOST_METERS:
            self._prices[at] = Price.published(values, self._display.utc)
        if (values["control"] or 0) & _WANTS_ACKNOWLEDGEMENT:
            told = {name: values[name] for name in ("provider", "event", "control")}
            self.speaker.command(at, PRICE.id, _PRICE_ACKNOWLEDGEMENT, time=self.speaker.now(), **told)

    def _cancel_all(self, utc: int) -> None:
        message = self._message
        if message is None:
            return
        if utc <= self._display.utc:
            self._message = None
        elif message.ends is None or utc < message.ends:
            self._message = message._replace(ends=utc)

    def _device_answer(self, arrival: Arrival) -> bool:
        """An answer of the device profile to what was asked: whether this is one."""
        cluster = arrival.message.cluster
        if cluster == zdo.Cluster.DEVICE_ANNOUNCE:
            self._curious_until = self._display.clock.now + CURIOUS_FOR
            self._look_soon()
        if cluster not in _ANSWERS:
            return False
        try:
            values = zdo.decode(cluster, arrival.message.payload).values
        except DecodeError:
            return False
        if values["status"] != zdo.Status.SUCCESS:
            return True
        match cluster & ~zdo.RESPONSE:
            case zdo.Cluster.MATCH_DESCRIPTOR:
                source, request = arrival.source, zdo.Cluster.SIMPLE_DESCRIPTOR
                for endpoint in values["endpoints"][:MOST_METERS]:
                    self.speaker.ask(source, request, address=source, endpoint=endpoint)
            case zdo.Cluster.SIMPLE_DESCRIPTOR:
                found = values["descriptor"]
                if found is not None and found["profile"] == self._display.endpoint.profile:
                    self._found(At(arrival.source_eui64, found["endpoint"]), found["input_clusters"])
            case _:
                pass
        return True
