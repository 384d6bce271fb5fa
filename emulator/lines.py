"""What the lines and connections of a device share: their number, their counts, and the associations on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING
from weakref import WeakSet

from emulator.telling import Layer, at
from protocols.dlms.association import Association

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.logical_device import LogicalDevice
    from emulator.ports import Stack


class Lines:
    """The lines and connections of one device: those there are, and what those that have gone had counted.

    When the device loses its RAM they are told.
    """

    __slots__ = ("_gone", "_known", "_made", "_pushed", "waiting")

    def __init__(self, device: Device) -> None:
        self._known: WeakSet[Stack] = WeakSet()
        self._gone: Counter[str] = Counter()
        self._made = 0
        self._pushed = 0
        self.waiting = 0
        """Pushes that wait for their time."""
        device.reset.append(self._reset)

    @classmethod
    def of(cls, device: Device) -> Lines:
        """Those of a device."""
        if device.lines is None:
            device.lines = cls(device)
        return device.lines

    def __iter__(self) -> Iterator[Stack]:
        """Open ones, in the order they were made."""
        return iter(sorted((stack for stack in self._known if stack.up), key=lambda stack: stack.number))

    def add(self, stack: Stack) -> int:
        """A stack was made; its number among those of the device."""
        self._known.add(stack)
        self._made += 1
        return self._made

    def next_push(self) -> int:
        """Long invoke id of the next data-notification: 24 bits that count."""
        self._pushed = self._pushed + 1 & 0xFFFFFF
        return self._pushed

    def settle(self, counters: Mapping[str, int]) -> None:
        """Take over what a stack had counted when it closed."""
        self._gone.update(counters)

    def count(self, name: str) -> int:
        """Frames counted by this name, all lines together."""
        return self._gone[name] + sum(stack.frames(name) for stack in self._known)

    def lose(self, server: int) -> None:
        """What answers at a server SAP has forgotten its associations; links with it stay."""
        for stack in self._known:
            for association in stack.associations:
                if association.server == server:
                    association.lost()

    def forget(self, server: int) -> None:
        """What answered at a server SAP is there no longer."""
        for stack in self._known:
            stack.associations.forget(server)

    def _reset(self) -> None:
        for stack in sorted(self._known, key=lambda stack: stack.number):
            stack.reset()
            stack.transmit(b"")


class Associations:
    """The application associations of one line or connection, by client and server SAP.

    A client for which a logical device offers nothing is answered and forgotten, so that what is kept is bounded by
    what is offered.
    """

    __slots__ = ("_counters", "_made", "_served", "explain")

    def __init__(self, served: Mapping[int, LogicalDevice], counters: Counter[str]) -> None:
        self._served = served
        self._counters = counters
        self._made: dict[tuple[int, int], Association] = {}
        self.explain: Callable[[str], None] | None = None

    def __iter__(self) -> Iterator[Association]:
        return iter(self._made.values())

    @property
    def saps(self) -> Collection[int]:
        """Server SAPs that are here."""
        return self._served.keys()

    def sap_of(self, device: Device) -> int | None:
        """The server SAP that a device has here, None for a meter that its hub cannot reach."""
        return next((sap for sap, logical in self._served.items() if logical.device is device), None)

    def find(self, client: int, server: int) -> Association | None:
        """The association of a pair of SAPs, made when there is none; None for a server SAP that is not here."""
        found = self._made.get((client, server))
        if found is not None:
            return found
        device = self._served.get(server)
        if device is None:
            self._counters["unknown servers"] += 1
            here = ", ".join(str(sap) for sap in sorted(self._served))
            self._say(f"server SAP {server} is not here: no answer; here are {here}")
            return None
        made = Association(device, client, server, explain=self._say)
        made.counters = self._counters
        made.explain_security = at(Layer.SECURITY, self.explain)
        if device.serves(client):
            self._made[client, server] = made
        return made

    def known(self, client: int, server: int) -> Association | None:
        """The association of a pair of SAPs if there is one."""
        return self._made.get((client, server))

    def speaker(self, server: int) -> Device:
        """The device that answers at a server SAP that is here."""
        return self._served[server].speaker

    def lose(self, client: int, server: int) -> None:
        """The link of a pair has gone."""
        found = self._made.pop((client, server), None)
        if found is not None:
            found.lost()

    def forget(self, server: int) -> None:
        """The associations of a server SAP end, and the next ones are with whoever is there by then."""
        for client, sap in list(self._made):
            if sap == server:
                self.lose(client, sap)

    def lost(self) -> None:
        """The line or connection has gone: all associations end."""
        made, self._made = self._made, {}
        for association in made.values():
            association.lost()

    def _say(self, text: str) -> None:
        if self.explain is not None:
            self.explain(text)
