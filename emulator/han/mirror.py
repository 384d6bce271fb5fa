"""The gas proxy function (GPF) of a hub: the gas meter as it was when it last woke up, and what waits for its next.

A client associates with the mirror as with the meter itself, with the meter's keys and rights. What it reads is the
meter at its last wake-up, the clock included. A change (SET, ACTION) is checked for rights and type at once; what the
client hears then is the profile's choice (``logical.mirror_write``): success, meaning that the hub has taken it for
delivery at the next wake-up, or temporary-failure, and nothing is kept. A method's return value never comes back this
way, and what the meter itself refuses on delivery is only counted. Commands wait in the hub's RAM: a hub that starts
anew has forgotten them. Associations and security setups (classes 15 and 64) are the hub's to keep: what is done to
them takes effect at once.

A value that is delivered late is not corrected for it: a clock that is set through the mirror is slow by what the
command waited.

A mirror that is frozen (:meth:`Mirror.freeze`) shows a copy of the meter as it was then, whatever the meter does.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from emulator.cosem.view import AssociationView
from emulator.device import NEVER
from emulator.firmware import MirrorWrite
from emulator.logical_device import LogicalDevice
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused

if TYPE_CHECKING:
    from emulator.cosem.model import ObjectModel
    from emulator.device import Device
    from emulator.gas import GasMeter
    from emulator.han.link import HanLink
    from emulator.time import Event
    from protocols.dlms.association import Association

KEPT_BY_HUB = frozenset((b"\x00\x0f", b"\x00\x40"))
"""Classes 15 and 64 as they stand at the head of a descriptor."""
MAX_COMMANDS = 4096
MAX_OCTETS = 1 << 20
"""Most that waits for one wake-up: commands, and the octets of their values. An image's blocks fit."""


class Mirror:
    """A hub's mirror of one gas meter."""

    __slots__ = (
        "_event",
        "_octets",
        "_queue",
        "_still",
        "_write",
        "counters",
        "forgets",
        "gas",
        "hub",
        "link",
        "moved",
        "since",
    )

    def __init__(self, hub: Device, gas: GasMeter, link: HanLink, write: MirrorWrite) -> None:
        self.hub = hub
        self.gas = gas
        self.link = link
        self._write = write
        self._queue: deque[tuple[Callable[[], object], int]] = deque()
        self._octets = 0
        self._event: Event | None = None
        self._still: GasMeter | None = None
        self.forgets = False
        """Whether commands are taken and then forgotten."""
        gas.rescheduled.append(self._moved)
        self.counters: Counter[str] = Counter()
        """Commands ``taken``, ``delivered`` (and done) and ``failed`` (the meter refused)."""
        self.since = hub.clock.now
        """Rig instant after which the meter must have been awake for the mirror to show it."""
        self.moved: Callable[[], None] | None = None
        """Called when the meter will wake up at another time than it would have."""

    def logical_device(self) -> LogicalDevice:
        """What stands behind the mirror's server SAP."""
        return LogicalDevice(self._still or self.gas, self._view, self.hub)

    @property
    def frozen(self) -> bool:
        """Whether what the meter says is not taken."""
        return self._still is not None

    def freeze(self, frozen: bool) -> None:
        """Show the meter from now on as it is now, and deliver nothing to it; or show it as it is again, with all that
        was to be delivered forgotten. Its :meth:`logical_device` is another one then."""
        self.clear()
        self._still = self.gas.still() if frozen else None

    @property
    def pending(self) -> int:
        """Commands that wait for the meter to wake up."""
        return len(self._queue)

    @property
    def last_wake_up(self) -> int:
        """Rig instant of the meter's state that clients see, ns."""
        return (self._still or self.gas).last_wake_up

    def take(self, command: Callable[[], object], octets: int) -> None:
        """Keep a change for the next wake-up; AccessRefused(temporary-failure) where the hub keeps none, or no more."""
        full = len(self._queue) == MAX_COMMANDS or self._octets + octets > MAX_OCTETS
        if self._write is MirrorWrite.REFUSED or full:
            raise AccessRefused(DataAccessResult.TEMPORARY_FAILURE)
        self.counters["taken"] += 1
        if self.forgets:
            return
        self._queue.append((command, octets))
        self._octets += octets
        self._expect()

    def clear(self) -> None:
        """The hub lost its RAM: nothing waits any more."""
        self._queue.clear()
        self._octets = 0
        if self._event is not None:
            self._event.cancel()
            self._event = None

    def end(self) -> None:
        """The hub mirrors the meter no more."""
        self.clear()
        self.gas.rescheduled.remove(self._moved)

    def _view(self, device: Device, model: ObjectModel, index: int, session: Association | None) -> AssociationView:
        kind = MirrorView if self._still is None else _FrozenView
        return kind(self, device, model, index, session)

    def _expect(self) -> None:
        """Be there when the meter wakes up next, if it will."""
        self.gas.settle()
        wake_up = self.gas.next_wake_up
        if self._event is None and wake_up != NEVER and not self.frozen:
            self._event = self.hub.clock.schedule(wake_up, self._woke)

    def _moved(self) -> None:
        """The meter will wake up at another time than it would have."""
        if self._event is not None:
            self._event.cancel()
            self._event = None
        if self._queue:
            self._expect()
        if self.moved is not None:
            self.moved()

    def _woke(self) -> None:
        """The meter polls: it hears what waits, in order. One that is not heard is waited for again."""
        self._event = None
        if self.link.reaches(self.gas, self.hub):
            self.link.deliver(self.gas, self.hub, self._answer)
        else:
            self._expect()

    def _answer(self) -> None:
        while self._queue:
            command, octets = self._queue.popleft()
            self._octets -= octets
            self.link.deliver(self.hub, self.gas, lambda command=command: self._execute(command))

    def _execute(self, command: Callable[[], object]) -> None:
        self.gas.wake_up()
        try:
            command()
        except AccessRefused:
            self.counters["failed"] += 1
        else:
            self.counters["delivered"] += 1
            self.gas.commit()


class MirrorView(AssociationView):
    """The gas meter's objects as the mirror shows them to one association."""

    __slots__ = ("_mirror",)

    def __init__(
        self, mirror: Mirror, device: Device, model: ObjectModel, index: int, session: Association | None
    ) -> None:
        super().__init__(device, model, index, session)
        self._mirror = mirror

    def set(self, descriptor: bytes, selection: bytes | None, data: bytes) -> None:
        """Check a new value and keep it for the meter."""
        if descriptor[:2] in KEPT_BY_HUB:
            super().set(descriptor, selection, data)
            return
        write, value = self.settable(descriptor, selection, data)
        self._mirror.take(lambda: write(self, value, data), len(data))

    def action(self, descriptor: bytes, parameters: bytes | None) -> bytes | None:
        """Check a method call and keep it for the meter."""
        if descriptor[:2] in KEPT_BY_HUB:
            return super().action(descriptor, parameters)
        method, value = self.runnable(descriptor, parameters)
        self._mirror.take(lambda: method.invoke(self, value), len(parameters or b""))
        return None


class _FrozenView(MirrorView):
    """The objects of a mirror that is frozen. What is the hub's to keep is as ever."""

    __slots__ = ("_kept",)

    def __init__(
        self, mirror: Mirror, device: Device, model: ObjectModel, index: int, session: Association | None
    ) -> None:
        super().__init__(mirror, device, model, index, session)
        self._kept = AssociationView(mirror.gas, model, index, session)

    def get(self, descriptor: bytes, selection: bytes | None = None) -> bytes:
        if descriptor[:2] in KEPT_BY_HUB:
            return self._kept.get(descriptor, selection)
        return super().get(descriptor, selection)

    def set(self, descriptor: bytes, selection: bytes | None, data: bytes) -> None:
        if descriptor[:2] in KEPT_BY_HUB:
            self._kept.set(descriptor, selection, data)
        else:
            super().set(descriptor, selection, data)

    def action(self, descriptor: bytes, parameters: bytes | None) -> bytes | None:
        if descriptor[:2] in KEPT_BY_HUB:
            return self._kept.action(descriptor, parameters)
        return super().action(descriptor, parameters)
