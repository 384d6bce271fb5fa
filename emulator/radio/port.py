"""The port of a hub's radio processor, by the protocol that its profile names, and what can go wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakSet

from emulator.firmware import RadioProtocol, RadioSettings
from emulator.radio.ezsp import EzspStack
from emulator.radio.ezsp_memory import RadioMemory
from emulator.radio.znp import Version, ZnpStack
from emulator.radio.znp_memory import Memory
from emulator.time import stream

if TYPE_CHECKING:
    from emulator.hub import Hub

RadioStack: TypeAlias = EzspStack | ZnpStack
Spoiler: TypeAlias = "Callable[[bytes], bytes] | None"
"""What a line makes of octets, None for nothing."""


class RadioPort:
    """Makes the stack of each line to the processor. What is wrong with it is wrong with every line."""

    __slots__ = ("_from_host", "_make", "_stacks", "_stuck", "_to_host", "_unplugged")

    def __init__(self, make: Callable[[], RadioStack]) -> None:
        self._make = make
        self._stacks: WeakSet[RadioStack] = WeakSet()
        self._stuck = self._unplugged = False
        self._to_host: Spoiler = None
        self._from_host: Spoiler = None

    def __call__(self) -> RadioStack:
        """The stack of one more line."""
        stack = self._make()
        self._stacks.add(stack)
        self._apply(stack)
        return stack

    def __iter__(self) -> Iterator[RadioStack]:
        """The stacks of the lines there are, in the order they were made."""
        return iter(sorted(self._stacks, key=lambda stack: stack.number))

    def _apply(self, stack: RadioStack) -> None:
        stack.stuck = self._stuck or self._unplugged
        stack.drop = self._unplugged
        stack.to_host, stack.from_host = self._to_host, self._from_host

    def restart(self) -> None:
        """The processor starts anew without having been asked; a host that is there hears it."""
        for stack in self:
            if stack.hosted:
                stack.restart()

    def fail(self) -> bool:
        """The processor stops with an error frame: False where no host is there that would know one."""
        hosted = [stack for stack in self if isinstance(stack, EzspStack) and stack.hosted]
        for stack in hosted:
            stack.fail()
        return bool(hosted)

    def stick(self) -> None:
        """The processor neither hears nor says anything."""
        self._stuck = True
        for stack in self:
            self._apply(stack)

    def release(self) -> None:
        """The watchdog has found the processor stuck and starts it anew."""
        self._stuck = False
        for stack in self:
            self._apply(stack)
        self.restart()

    def unplug(self) -> None:
        """Cut the lines: hosts are gone, and those that come are hung up on."""
        self._unplugged = True
        for stack in self:
            stack.closed()
            self._apply(stack)
            stack.transmit(b"")

    def plug(self) -> None:
        """Lines lead to the processor again."""
        self._unplugged = False
        for stack in self:
            self._apply(stack)

    def disturb(self, to_host: Spoiler, from_host: Spoiler) -> None:
        """Spoil what goes over the lines, each way as given."""
        self._to_host, self._from_host = to_host, from_host
        for stack in self:
            self._apply(stack)


def radio_port(hub: Hub, settings: RadioSettings) -> RadioPort:
    """The port of a hub's radio processor; the processor's memory becomes a part of the hub's."""
    if settings.protocol is RadioProtocol.ZNP:
        Memory.of(hub)
        major, minor, maintenance = settings.version
        version = Version(major=major, minor=minor, maintenance=maintenance)
        profile, baud = settings.profile, settings.baud
        return RadioPort(lambda: ZnpStack(hub, hub.coordinator, profile=profile, version=version, baud=baud))
    chance = stream(hub.seed, hub.identity.device_id, "radio")
    memory = RadioMemory(chance, settings.manufacturer, settings.board)
    hub.kept["radio"] = memory
    return RadioPort(lambda: EzspStack(hub, hub.coordinator, memory, settings))
