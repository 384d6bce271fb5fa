"""What travels on a HAN: messages between the applications of its devices, and what an application has of the network.

A :class:`Message` is what an APS data frame carries. :mod:`emulator.han.network` brings it there, late, lost, or over
relays; applications (:mod:`emulator.smart_energy`, the host of a radio processor) see nothing of that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

COORDINATOR = 0x0000
"""Short address of the hub."""
NOWHERE = 0xFFFE
"""Short address of a device that is on no network."""
ALL_DEVICES, RECEIVERS_ON, ROUTERS = 0xFFFF, 0xFFFD, 0xFFFC
"""Broadcast addresses."""


class Message(NamedTuple):
    """One message: a ZCL frame, or a ZDO message where ``profile`` and both endpoints are 0.

    ``secured`` is whether the APS layer protects it with the link key of sender and receiver; ``acknowledge`` whether
    the sender asks for an acknowledgement of the APS layer, and sends again without one.
    """

    profile: int
    cluster: int
    source_endpoint: int
    destination_endpoint: int
    payload: bytes
    secured: bool = False
    acknowledge: bool = True

    def answer(self, payload: bytes, cluster: int | None = None) -> Message:
        """What goes back to the sender of this message, protected as it was; by default on the same cluster."""
        return Message(
            self.profile,
            self.cluster if cluster is None else cluster,
            self.destination_endpoint,
            self.source_endpoint,
            payload,
            self.secured,
            self.acknowledge,
        )


class Arrival(NamedTuple):
    """A message that has arrived, from whom, and how the last radio on its way was heard (dBm, 0 to 255)."""

    source: int
    source_eui64: bytes
    message: Message
    broadcast: bool = False
    rssi: int = 0
    lqi: int = 255


Done = Callable[[bool], None]
"""Called once with whether a message arrived, or was acknowledged where it asks for that."""


@runtime_checkable
class Late(Protocol):
    """An application that keeps no more of a report than what it was told last, and answers none."""

    def receive_late(self, arrival: Arrival, instant: int) -> None:
        """Take a report that arrived at a rig instant that is past."""
        ...


class Repeated(Protocol):
    """A report of the same attributes every ``period`` ns, protected with a link key where it is ``secured``."""

    @property
    def period(self) -> int: ...

    @property
    def secured(self) -> bool: ...

    def make(self, sequence: int) -> Message:
        """The report with that sequence number, of the device as it is."""
        ...

    def go_on(self, due: int) -> None:
        """It is not repeated any more: the next report, due at a rig instant, has to be sent."""
        ...


class Port(Protocol):
    """What the application of one device has of the network: whom it can send to, and its own address."""

    @property
    def address(self) -> int:
        """Its own short address, NOWHERE off the network."""
        ...

    def send(self, destination: int, message: Message, done: Done | None = None) -> None:
        """Send a message to a short address, broadcast addresses included. Messages to one device keep their order."""
        ...

    def repeat(self, destination: int, report: Repeated) -> int | None:
        """Have a report made and sent to a short address now and each period, as late as somebody looks.

        Returns until which rig instant; None where it has to be sent.
        """
        ...

    def make_up(self) -> None:
        """Make and send what was put off."""
        ...

    def break_off(self) -> None:
        """Do that, and put off nothing of this device any more."""
        ...

    def address_of(self, eui64: bytes) -> int | None:
        """The short address of a device of the network, None for a stranger."""
        ...

    def eui64_of(self, address: int) -> bytes | None:
        """The EUI-64 that goes with a short address, None for a stranger's."""
        ...


class Application(Protocol):
    """What a device makes of messages."""

    def receive(self, arrival: Arrival) -> None:
        """Take a message, with its device awake and settled; answers go by the port."""
        ...
