"""One life of an EZSP radio processor, from a reset to the next: its RAM, and the way from commands to what they do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from emulator.radio.coordinator import Coordinator
from emulator.radio.ezsp_memory import RadioMemory
from emulator.time import Clock, Event
from protocols.zigbee.declared import Values
from protocols.zigbee.ezsp.enums import COUNTERS, Config, Counter, Policy, Status
from protocols.zigbee.ezsp.networking import STACK_STATUS

if TYPE_CHECKING:
    from emulator.firmware import RadioSettings
    from protocols.zigbee.ezsp.command import Command

CALLBACKS = 200
"""Callbacks that wait for the line; what is over is lost, and the next response says so."""
_MOST = 0xFFFF

Handler: TypeAlias = Callable[[Values], Values]
"""What a command does: its fields in, those of its answer out."""
Handlers: TypeAlias = Mapping["Command", Handler]

CONFIGURATION: Mapping[Config, int] = {
    Config.PACKET_BUFFER_COUNT: 255,
    Config.NEIGHBOR_TABLE_SIZE: 26,
    Config.APS_UNICAST_MESSAGE_COUNT: 20,
    Config.BINDING_TABLE_SIZE: 32,
    Config.ADDRESS_TABLE_SIZE: 8,
    Config.MULTICAST_TABLE_SIZE: 8,
    Config.ROUTE_TABLE_SIZE: 16,
    Config.DISCOVERY_TABLE_SIZE: 8,
    Config.STACK_PROFILE: 2,
    Config.SECURITY_LEVEL: 5,
    Config.MAX_HOPS: 30,
    Config.MAX_END_DEVICE_CHILDREN: 32,
    Config.INDIRECT_TRANSMISSION_TIMEOUT: 7680,
    Config.END_DEVICE_POLL_TIMEOUT: 8,
    Config.TX_POWER_MODE: 0,
    Config.DISABLE_RELAY: 0,
    Config.TRUST_CENTER_ADDRESS_CACHE_SIZE: 2,
    Config.SOURCE_ROUTE_TABLE_SIZE: 200,
    Config.FRAGMENT_WINDOW_SIZE: 1,
    Config.FRAGMENT_DELAY_MS: 0,
    Config.KEY_TABLE_SIZE: 16,
    Config.APS_ACK_TIMEOUT: 1600,
    Config.PAN_ID_CONFLICT_REPORT_THRESHOLD: 1,
    Config.REQUEST_KEY_TIMEOUT: 0,
    Config.CERTIFICATE_TABLE_SIZE: 1,
    Config.APPLICATION_ZDO_FLAGS: 0,
    Config.BROADCAST_TABLE_SIZE: 15,
    Config.SUPPORTED_NETWORKS: 1,
    Config.RETRY_QUEUE_SIZE: 16,
    Config.NEW_BROADCAST_ENTRY_THRESHOLD: 2,
    Config.TRANSIENT_KEY_TIMEOUT_S: 300,
    Config.BROADCAST_MIN_ACKS_NEEDED: 0xFF,
    Config.TC_REJOINS_USING_WELL_KNOWN_KEY_TIMEOUT_S: 300,
}
"""After a reset."""
POLICIES: Mapping[Policy, int] = {
    Policy.TRUST_CENTER: 0x01,
    Policy.BINDING_MODIFICATION: 0x10,
    Policy.UNICAST_REPLIES: 0x20,
    Policy.POLL_HANDLER: 0x30,
    Policy.MESSAGE_CONTENTS_IN_CALLBACK: 0x40,
    Policy.TC_KEY_REQUEST: 0x51,
    Policy.APP_KEY_REQUEST: 0x60,
    Policy.PACKET_VALIDATE_LIBRARY: 0x62,
    Policy.ZLL: 0x00,
    Policy.TC_REJOINS_USING_WELL_KNOWN_KEY: 0x00,
}
"""After a reset."""


class Processor:
    """What the parts of a processor share. ``wake`` is called when a callback waits that no command has caused."""

    __slots__ = (
        "_events",
        "callbacks",
        "chance",
        "clock",
        "configuration",
        "coordinator",
        "counters",
        "memory",
        "overflow",
        "policies",
        "settings",
        "touch",
        "wake",
    )

    def __init__(
        self,
        settings: RadioSettings,
        coordinator: Coordinator,
        memory: RadioMemory,
        clock: Clock,
        chance: Random,
        wake: Callable[[], None],
        touch: Callable[[], None],
    ) -> None:
        """``touch`` is called when ``memory`` has changed."""
        self.settings = settings
        self.coordinator = coordinator
        self.memory = memory
        self.clock = clock
        self.chance = chance
        self.wake = wake
        self.touch = touch
        self.configuration = dict(CONFIGURATION)
        self.policies = dict(POLICIES)
        self.counters = [0] * COUNTERS
        self.callbacks: deque[tuple[int, bytes]] = deque()
        self.overflow = False
        self._events: set[Event] = set()

    @property
    def up(self) -> bool:
        """Whether the network is up."""
        return self.coordinator.up

    def tell(self, command: Command, values: Values) -> None:
        """Queue a callback."""
        self.tell_octets(command.id, command.ask(values))

    def tell_octets(self, command: int, parameters: bytes) -> None:
        """Queue a callback that is encoded already."""
        if len(self.callbacks) >= CALLBACKS:
            self.overflow = True
            return
        self.callbacks.append((command, parameters))
        self.wake()

    def status(self, status: Status) -> None:
        """Queue a stackStatusHandler."""
        self.tell(STACK_STATUS, {"status": status})

    def count(self, counter: Counter) -> None:
        """One more of what a counter counts; it stops at its greatest value."""
        self.counters[counter] = min(self.counters[counter] + 1, _MOST)

    def later(self, delay: int, call: Callable[[], None]) -> Event:
        """Call it after ``delay`` ns of the rig's clock, unless this life ends before."""

        def due() -> None:
            self._events.discard(event)
            call()

        event = self.clock.schedule(self.clock.now + delay, due)
        self._events.add(event)
        return event

    def cancel(self, event: Event | None) -> None:
        """Take a call back that :meth:`later` promised, if there is one."""
        if event is not None:
            event.cancel()
            self._events.discard(event)

    def end(self) -> None:
        """This life ends: nothing of it happens any more."""
        for event in self._events:
            event.cancel()
        self._events.clear()
        self.callbacks.clear()
