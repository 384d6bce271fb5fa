"""One command that has arrived, and what may be answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from protocols.zigbee.zcl.foundation import Status
from protocols.zigbee.zcl.header import TO_CLIENT, Frame

if TYPE_CHECKING:
    from emulator.han.message import Arrival
    from emulator.smart_energy.application import Application
    from emulator.smart_energy.table import EndpointTable


class Request(NamedTuple):
    """A ZCL command for one endpoint; ``values`` are the fields of a command of the cluster."""

    arrival: Arrival
    endpoint: EndpointTable
    frame: Frame
    values: Mapping[str, Any]

    @property
    def cluster(self) -> int:
        """The cluster's id."""
        return self.arrival.message.cluster

    @property
    def to_client(self) -> bool:
        """Whether the client's side is meant."""
        return bool(self.frame.control & TO_CLIENT)


class Payload(NamedTuple):
    """A command that answers one of the same kind, general or of the cluster."""

    command: int
    payload: bytes


class Reply(NamedTuple):
    """A command of the cluster that answers, by its fields."""

    command: int
    values: Mapping[str, Any]


Answer = Payload | Reply | Status | None
"""What a command comes to: an answer of its own, a status for the default response, or nothing at all."""

Handler = Callable[["Application", Request], Answer]
