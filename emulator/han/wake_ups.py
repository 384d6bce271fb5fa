"""The wake-ups of sleeping devices, as frames: a poll, and what the device says to its hub.

A wake-up costs nothing while nobody could tell the difference. Only while somebody listens to the air, a host has
taken the coordinator's place, or there is a display, which shows what the hub mirrors, does a sleeping device really
wake up on the network at its time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.device import NEVER
from emulator.gas import GasMeter
from emulator.han.message import COORDINATOR
from emulator.smart_energy.application import Application

if TYPE_CHECKING:
    from emulator.han.member import Member
    from emulator.han.radio_network import RadioNetwork
    from emulator.time import Event


class WakeUps:
    """Those of one network."""

    __slots__ = ("_events", "_network")

    def __init__(self, network: RadioNetwork) -> None:
        self._network = network
        self._events: dict[Member, Event] = {}

    def watch(self) -> None:
        """Somebody can tell the difference from now on."""
        for member in self._network.members:
            self.expect(member)

    def expect(self, member: Member) -> None:
        """Be there when a device wakes up next, if it sleeps and anybody would notice."""
        gas, network = member.device, self._network
        if not network.heeded or not isinstance(gas, GasMeter) or member not in network.members:
            return
        self.forget(member)
        gas.settle()
        if gas.next_wake_up != NEVER:
            self._events[member] = gas.clock.schedule(gas.next_wake_up, lambda: self._woke(member))

    def forget(self, member: Member) -> None:
        """A device that is taken away, or that wakes up at another time than it would have."""
        known = self._events.pop(member, None)
        if known is not None:
            known.cancel()

    def more_often(self, member: Member, period: int, until: int) -> None:
        """A device was told to report every ``period`` ns until a rig instant, beside its own wake-ups."""
        clock = member.device.clock

        def again() -> None:
            if member in self._network.members and member.on and member.device.ready:
                member.attend()
                self._report(member)
                self.more_often(member, period, until)

        if period > 0 and clock.now + period <= until:
            clock.schedule(clock.now + period, again)

    def _report(self, member: Member) -> None:
        """What a device says to its hub while it is awake."""
        application = member.application
        if isinstance(application, Application):
            member.stay_awake(member.device.clock.now + self._network.answer_time)
            for message in application.wake_up_reports():
                member.send(COORDINATOR, message)

    def _woke(self, member: Member) -> None:
        self._events.pop(member, None)
        network, gas = self._network, member.device
        if not network.heeded or not isinstance(gas, GasMeter):
            return
        gas.settle()
        now = gas.clock.now
        way = network.nodes_between(member.node, network.node)
        if member.on and gas.ready and gas.last_wake_up == now and way is not None:
            network.carrier.poll(way[1], member.node, pending=bool(member.node.waiting))
            self._report(member)
        self.expect(member)
