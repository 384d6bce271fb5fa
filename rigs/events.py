"""What happens in a running rig, in order: the latest of it is kept, and told to whoever listens.

Events are what devices log, why ports and radios refused something, faults as they begin and end, what was done through
the control API, and what went wrong with the rig itself. What was said over the lines is the business of captures and
traces.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.faults.injection import Injection
    from emulator.time import Clock

KEPT = 10_000
"""Events that are kept; older ones are gone."""
ACTIVE = "active"
"""State of an injection that has just begun."""


class Source(Enum):
    """Who an event is from."""

    DEVICE = "device"
    """A device: an event of :mod:`emulator.events`."""
    PORT = "port"
    """A port, or the radios of a HAN: something was discarded or refused."""
    FAULT = "fault"
    """The injection of a fault: ``waiting``, ``active``, ``ended`` or ``failed``."""
    CONTROL = "control"
    """Somebody who did something to the rig."""
    RIG = "rig"
    """The rig itself."""


@dataclass(frozen=True, slots=True)
class RigEvent:
    """One event. Its ``number`` counts from 1; ``at`` is the rig instant, ns of UTC, to which it belongs.

    ``device`` is ``premises/kind``, ``port`` the name of a port (``premises/kind/port``; ``premises/hub/han`` for the
    air of a HAN), ``fault`` the id of an injection, of a refusal the one that it names or the latest that was in force
    there; each is None where the event has nothing to do with one.
    """

    number: int
    at: int
    source: str
    name: str
    device: str | None
    port: str | None
    fault: str | None
    text: str


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events somebody wants: of a premises or device, of a source, of an injection of a fault; None: any."""

    device: str | None = None
    source: str | None = None
    fault: str | None = None

    def __call__(self, event: RigEvent) -> bool:
        return (
            (self.device is None or (event.device is not None and f"{event.device}/".startswith(f"{self.device}/")))
            and (self.source is None or event.source == self.source)
            and (self.fault is None or event.fault == self.fault)
        )


def name_of(device: Device) -> str:
    """What people call a device of a rig: ``premises/kind``."""
    return f"{device.identity.device_id.partition('/')[0]}/{device.firmware.kind}"


class EventLog:
    """The events of one rig. ``listeners`` are called with each as it happens; all belongs to the loop's thread."""

    def __init__(self, clock: Clock, kept: int = KEPT) -> None:
        self.listeners: list[Callable[[RigEvent], None]] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        """How often each device had each of its events, by ``premises/kind`` and name."""
        self.faults: Counter[str] = Counter()
        """How often each fault has begun, by its name."""
        self._clock = clock
        self._kept: deque[RigEvent] = deque(maxlen=kept)
        self._last = 0

    @property
    def last(self) -> int:
        """Number of the latest event, 0 before any."""
        return self._last

    @property
    def first(self) -> int:
        """Number of the oldest event that is kept, one more than :attr:`last` where none is."""
        return self._last - len(self._kept) + 1

    def since(self, number: int, most: int = KEPT) -> list[RigEvent]:
        """Those kept that came after the event with that number, the oldest first, ``most`` of them."""
        start = max(0, number + 1 - self.first)
        return list(islice(self._kept, start, start + most))

    def add(
        self,
        source: Source,
        name: str,
        text: str,
        *,
        device: str | None = None,
        port: str | None = None,
        fault: str | None = None,
        at: int | None = None,
    ) -> RigEvent:
        """Something has happened, now or at the rig instant ``at``."""
        self._last += 1
        event = RigEvent(
            self._last, self._clock.now if at is None else at, source.value, name, device, port, fault, text
        )
        self._kept.append(event)
        for listener in list(self.listeners):
            listener(event)
        return event

    def watch(self, device: Device) -> None:
        """Hear of what a device logs from now on."""
        name_of_device = name_of(device)

        def recorded(name: str) -> None:
            self.counts[name_of_device, name] += 1
            self.add(Source.DEVICE, name, name.replace("_", " "), device=name_of_device, at=device.time)

        device.observers.append(recorded)

    def explained(self, port: str, text: str, fault: str | None = None) -> None:
        """A port, or the air of a HAN, has discarded or refused something, and why; with the fault that may be why."""
        self.add(Source.PORT, "refused", text, device=port.rpartition("/")[0], port=port, fault=fault)

    def injected(self, injection: Injection, text: str) -> None:
        """An injection of a fault waits, has begun, ended or failed."""
        state = injection.state.value
        if state == ACTIVE:
            self.faults[injection.fault.name] += 1
        self.add(Source.FAULT, state, text, device=injection.target, fault=injection.id)
