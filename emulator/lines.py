"""What the lines and connections of a device share: their number, their counts, and the associations on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING
from weakref import WeakSet

from emulator.gate import Gate, Hazard
from emulator.telling import Layer, at
from protocols.dlms.association import Association

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.logical_device import LogicalDevice
    from emulator.ports import Stack

HazardMaker = Callable[["Stack"], "Hazard | None"]
"""Makes the hazard of a line, None for a line that it passes by."""


class Lines:
    """The lines and connections of one device: those there are, and what those that have gone had counted.

    When the device loses its RAM they are told.
    """

    __slots__ = ("_censors", "_gone", "_hazards", "_known", "_made", "_pushed", "waiting")

    def __init__(self, device: Device) -> None:
        self._known: WeakSet[Stack] = WeakSet()
        self._gone: Counter[str] = Counter()
        self._made = 0
        self._pushed = 0
        self._hazards: tuple[HazardMaker, ...] = ()
        self._censors: tuple[Callable[[Stack], bool], ...] = ()
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

    def add(self, stack: Stack) -> None:
        """A stack was made; it gets its number among those of the device, and the hazards that are in force."""
        self._known.add(stack)
        self._made += 1
        stack.number = self._made
        for make in self._hazards:
            _put(stack, make)

    def endanger(self, make: HazardMaker) -> Callable[[], None]:
        """Let all lines of the device, and those that are made later, go by a hazard each, until the call returned.

        ``make`` is called with the stack of each line; the same line is never given two by one call.
        """

        def end() -> None:
            self._hazards = tuple(each for each in self._hazards if each is not once)
            for stack in self._known_in_order():
                if stack.gate is not None:
                    stack.gate.remove(once)

        def once(stack: Stack) -> Hazard | None:
            return make(stack)

        self._hazards = (*self._hazards, once)
        for stack in self._known_in_order():
            _put(stack, once)
        return end

    def _known_in_order(self) -> list[Stack]:
        return sorted(self._known, key=lambda stack: stack.number)

    def censor(self, passes: Callable[[Stack], bool]) -> Callable[[], None]:
        """Ask before anything goes out unasked on a line whether it does, until the call returned. Who has sent it does
        not hear that it was stopped."""

        def end() -> None:
            self._censors = tuple(each for each in self._censors if each is not asked)

        def asked(stack: Stack) -> bool:
            return passes(stack)

        self._censors = (*self._censors, asked)
        return end

    def lets_out(self, stack: Stack) -> bool:
        """Whether something may go out unasked on a line of the device."""
        return all(passes(stack) for passes in self._censors)

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
        for stack in self._known_in_order():
            stack.reset()
            stack.transmit(b"")


def _put(stack: Stack, make: HazardMaker) -> None:
    hazard = make(stack)
    if hazard is not None:
        if stack.gate is None:
            stack.gate = Gate(stack)
        stack.gate.add(make, hazard)


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

    def of(self, speaker: Device) -> list[Association]:
        """Those for which a device answers."""
        return [made for made in self if self._served[made.server].speaker is speaker]

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
