"""What a display says on the HAN: requests of the device profile, and ZCL frames from its clients to servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from emulator.display_known import REPORTED, At
from emulator.han.message import NOWHERE, RECEIVERS_ON, Message
from emulator.smart_energy.sources import zigbee_time
from protocols.zigbee import zdo
from protocols.zigbee.aps import ZDO_PROFILE
from protocols.zigbee.zcl import foundation
from protocols.zigbee.zcl.clusters import BASIC, CLUSTERS, IDENTIFY, KEY_ESTABLISHMENT, encode_command
from protocols.zigbee.zcl.foundation import Command, Reporting, Status
from protocols.zigbee.zcl.header import Direction, Frame, cluster_frame, global_frame
from protocols.zigbee.zcl.types import ANALOG

if TYPE_CHECKING:
    from emulator.display import Display
    from emulator.han.message import Arrival, Done, Port

PLAIN: Final = frozenset((BASIC.id, IDENTIFY.id, KEY_ESTABLISHMENT.id))
"""Clusters that go without the protection of the APS layer."""


class Speaker:
    """Sends for one display, by the port that it was given; without one, or off the network, nothing gets anywhere."""

    __slots__ = ("_display", "_sequence", "port")

    def __init__(self, display: Display) -> None:
        self._display = display
        self.port: Port | None = None
        self._sequence = 0

    @property
    def on(self) -> bool:
        """Whether it is on a network."""
        return self.port is not None and self.port.address != NOWHERE

    def now(self) -> int:
        """The present in seconds since 2000, by the display's own clock."""
        return zigbee_time(self._display.utc)

    # --- device profile

    def ask(self, address: int, request: zdo.Cluster, /, **values: object) -> None:
        """A request of the device profile to a short address."""
        payload = zdo.encode(request, self._next(), **values)
        acknowledge = address < RECEIVERS_ON
        self._put(address, Message(ZDO_PROFILE, request, 0, 0, payload, acknowledge=acknowledge))

    def search(self, clusters: list[int]) -> None:
        """Ask everybody who is awake who serves one of these clusters."""
        self.ask(
            RECEIVERS_ON,
            zdo.Cluster.MATCH_DESCRIPTOR,
            address=RECEIVERS_ON,
            profile=self._display.endpoint.profile,
            input_clusters=clusters,
            output_clusters=[],
        )

    def bind(self, at: At, cluster: int) -> None:
        """Have a server's reports come here."""
        address = self._address_of(at)
        if address is not None:
            self.ask(
                address,
                zdo.Cluster.BIND,
                source=at.eui64,
                source_endpoint=at.endpoint,
                cluster=cluster,
                mode=zdo.UNICAST_BINDING,
                destination={"eui": self._display.identity.eui64, "endpoint": self._display.endpoint.number},
            )

    # --- ZCL

    def configure(self, at: At, cluster: int, period: int) -> None:
        """Have a server report what a display wants of a cluster every ``period`` seconds."""
        attributes = CLUSTERS[cluster].attributes
        wanted = [
            Reporting(0, id, attributes[id].type, period, period, 0 if attributes[id].type in ANALOG else None)
            for id in REPORTED[cluster]
        ]
        payload = foundation.encode_configure_reporting(wanted)
        self._send(at, cluster, global_frame(self._next(), Command.CONFIGURE_REPORTING, payload))

    def read(self, at: At, cluster: int, attributes: tuple[int, ...]) -> None:
        """Read attributes of a server."""
        self._send(at, cluster, global_frame(self._next(), Command.READ, foundation.encode_read(attributes)))

    def command(self, at: At, cluster: int, command: int, done: Done | None = None, /, **values: object) -> None:
        """A command of a cluster to its server; ``done`` hears whether it got there."""
        payload = encode_command(cluster, Direction.TO_SERVER, command, values)
        self._send(at, cluster, cluster_frame(self._next(), command, payload), done)

    def default_response(self, arrival: Arrival, frame: Frame, status: Status) -> None:
        """Say what became of a frame that has arrived."""
        payload = foundation.encode_default_response(frame.command, status)
        answer = global_frame(frame.sequence, Command.DEFAULT_RESPONSE, payload, answer=False)
        self._put(arrival.source, arrival.message.answer(answer.encode()))

    def _next(self) -> int:
        self._sequence = self._sequence + 1 & 0xFF
        return self._sequence

    def _address_of(self, at: At) -> int | None:
        """Where a device is now."""
        return None if self.port is None else self.port.address_of(at.eui64)

    def _send(self, at: At, cluster: int, frame: Frame, done: Callable[[bool], None] | None = None) -> None:
        address, own = self._address_of(at), self._display.endpoint
        if address is None:
            if done is not None:
                done(False)
            return
        secured = cluster not in PLAIN
        self._put(address, Message(own.profile, cluster, own.number, at.endpoint, frame.encode(), secured), done)

    def _put(self, address: int, message: Message, done: Callable[[bool], None] | None = None) -> None:
        if self.port is not None:
            self.port.send(address, message, done)
