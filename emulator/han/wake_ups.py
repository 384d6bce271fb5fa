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
        self._events: dict[bytes, Event] = {}

    def watch(self) -> None:
        """Somebody can tell the difference from now on."""
        for member in self._network.members:
            self.expect(member)

    def expect(self, member: Member) -> None:
        """Be there when a device wakes up next, if it sleeps and anybody would notice."""
        gas, network = member.device, self._network
        if not network.heeded or not isinstance(gas, GasMeter):
            return
        known = self._events.pop(member.node.eui64, None)
        if known is not None:
            known.cancel()
        gas.settle()
        if gas.next_wake_up != NEVER:
            self._events[member.node.eui64] = gas.clock.schedule(gas.next_wake_up, lambda: self._woke(member))

    def _woke(self, member: Member) -> None:
        self._events.pop(member.node.eui64, None)
        network, gas = self._network, member.device
        if not network.heeded or member not in network.members:
            return
        gas.settle()
        way = network.nodes_between(member.node, network.node)
        if member.on and gas.ready and way is not None:
            network.carrier.poll(way[1], member.node, pending=bool(member.node.waiting))
            application = member.application
            if isinstance(application, Application):
                member.stay_awake(gas.clock.now + network.answer_time)
                for message in application.wake_up_reports():
                    member.send(COORDINATOR, message)
        self.expect(member)
