"""All that happens on a HAN in its life, in a few minutes of test: for captures and traces of its air."""

from __future__ import annotations

from pathlib import Path

from emulator.firmware import RegisteredKey
from emulator.han.member import Member
from emulator.han.message import Message
from emulator.han.network import Refusal
from emulator.hub import Hub
from protocols.zigbee.zcl import foundation
from protocols.zigbee.zcl.header import global_frame
from rigs.config import rig_of
from rigs.driver import ClockMode
from rigs.running import RunningRig

ESTABLISHING = "hub-lima"
"""A hub that makes a new link key with every device that joins (CBKE)."""
HUBS = ("hub-base", ESTABLISHING)
SMART_ENERGY, METERING = 0x0109, 0x0702
KEY = bytes(range(0x20, 0x30))
"""The network key of a network that is formed anew, so that it goes over the air from the first join on."""


def story_rig(folder: Path, hub: str = HUBS[0]) -> RunningRig:
    """The rig that the story is of, with a hub of that profile, with listeners to come and to be started."""
    dwelling = {"name": "home", "hub": {"profile": hub, "ports": {"wan-tcp": "tcp:0"}}, "display": {}}
    return RunningRig(rig_of({"premises": [dwelling]}), folder=folder, mode=ClockMode.STEPPED)


class Story:
    """What happens on the HAN while it is captured."""

    def __init__(self, rig: RunningRig) -> None:
        self.rig = rig
        hub = rig.rig.premises["home"].hub
        assert hub is not None
        self.hub: Hub = hub
        self.han = hub.han
        self.electricity, self.gas, self.display = self.han.members
        assert self.hub.firmware.han is not None
        self._by_code = self.hub.firmware.han.registered_key is RegisteredKey.INSTALL_CODE
        self._kinds = {kind: number for number, kind in self.hub.firmware.han.kinds.items()}
        self.link_keys: list[bytes] = []

    def tell(self) -> None:
        """A new network; all join, the gas meter by way of the electricity meter; reads and reports; keys are changed;
        one leaves and comes back."""
        on = self.rig.runner.call
        on(lambda: self.han.medium.attenuate(self.han.node.radio, self.gas.radio, 200))
        on(lambda: self.han.form(0x1A62, self.hub.identity.eui64, 20, KEY, 0))
        for member in (self.electricity, self.gas, self.display):
            on(lambda member=member: self._join(member))
            self.rig.clock.advance(seconds=20)
        self._read(self.electricity)
        self._note()
        on(lambda: self.han.update_link_key(self.electricity.device.identity.eui64))
        self._note()
        self._read(self.electricity)
        self.rig.clock.advance(minutes=31)  # reports, and the gas meter wakes up
        on(self.han.update_network_key)
        self.rig.clock.advance(minutes=5)  # the gas meter missed it and rejoins
        self._read(self.electricity)
        on(lambda: self.han.unregister(self.electricity.device.identity.eui64))
        self.rig.clock.advance(seconds=5)
        # In the first half of the window its old link key is wanted, which it forgot: the network key comes in vain.
        on(lambda: self._register(self.electricity))
        assert on(self.electricity.join) is Refusal.WRONG_KEY
        self.rig.clock.advance(seconds=50)
        assert self.electricity.on or on(self.electricity.join) is None
        self.rig.clock.advance(seconds=30)
        self._note()
        assert all(member.on for member in self.han.members)

    def _register(self, member: Member) -> None:
        kind = self._kinds[member.device.firmware.kind]
        key = member.install_code[:-2] if self._by_code else member.first_key
        assert self.han.register(member.device.identity.eui64, key, kind)
        self.han.permit(True)

    def _join(self, member: Member) -> None:
        self._register(member)
        assert member.join() is None

    def _read(self, member: Member) -> None:
        ended: list[bool] = []

        def ask() -> None:
            payload = global_frame(1, foundation.Command.READ, foundation.encode_read([0, 0x0301, 0x0302])).encode()
            self.han.send(member.address, Message(SMART_ENERGY, METERING, 1, 1, payload, secured=True), ended.append)

        self.rig.runner.call(ask)
        self.rig.clock.advance(seconds=10)
        assert ended == [True]

    def _note(self) -> None:
        self.link_keys += [member.link_key for member in self.han.members]
