"""How a device gets onto the HAN: the frames of one attempt, in order (Zigbee specification 4.6.3, Smart Energy 5.4).

The attempt is worked out at one instant of the rig's clock; each frame of it can be lost, and then it has failed. A new
device scans, associates with a parent, is given the network key under the key-transport key of its link key, and
announces itself; where the hub's profile says so it then establishes a new link key (CBKE). A device that knows the
network rejoins: protected by the network key while it has the present one, else by its link key alone. Behind a router
the trust centre hears of the device by Update Device and sends its key in a tunnel.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from emulator.han.message import RECEIVERS_ON, Message
from protocols.zigbee import aps, aps_commands, mac, mmo, nwk, nwk_commands, zdo
from protocols.zigbee.aps import ApsFrame
from protocols.zigbee.mac import Capability, MacFrame
from protocols.zigbee.security import Auxiliary, KeyId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.han.member import Member
    from emulator.han.network import Network
    from emulator.han.node import Node

NO_ADDRESS = 0xFFFF


class Joining(Enum):
    """How a device came onto the network."""

    ASSOCIATION = "association"
    REJOIN = "secured rejoin"
    TRUST_CENTRE_REJOIN = "unsecured rejoin"


_STATUS = {
    Joining.ASSOCIATION: aps_commands.DeviceStatus.UNSECURED_JOIN,
    Joining.REJOIN: aps_commands.DeviceStatus.SECURED_REJOIN,
    Joining.TRUST_CENTRE_REJOIN: aps_commands.DeviceStatus.UNSECURED_REJOIN,
}


class Attempt:
    """One attempt of ``member`` over ``way``, its own node first and the coordinator last."""

    __slots__ = ("_child", "_hub", "_member", "_network", "_parent", "_up")

    def __init__(self, network: Network, member: Member, way: Sequence[Node]) -> None:
        self._network = network
        self._member = member
        self._child = way[0]
        self._parent = way[1]
        self._hub = way[-1]
        self._up = way[1:]
        """From the parent to the coordinator; the parent alone where that is the coordinator."""

    @property
    def capability(self) -> Capability:
        """What the device says it is."""
        mains = self._member.device.firmware.sleep is None
        powered = Capability.MAINS | Capability.RECEIVER_ON_WHEN_IDLE | Capability.FULL_FUNCTION
        return (powered if mains else Capability(0)) | Capability.ALLOCATE_ADDRESS

    # --- MAC layer

    def scan(self) -> bool:
        """Ask for beacons and hear the parent's, which says whether devices may join."""
        network, child, parent = self._network, self._child, self._parent
        medium, air = network.medium, network.air
        if air.listened:
            air.emit(mac.encode(mac.beacon_request(child.next_mac())), network.heard_by_hub(child))
        if medium.hears(child.radio, parent.radio) is None:
            return False
        link = medium.hears(parent.radio, child.radio)
        if link is None:
            return False
        if air.listened:
            beacon = mac.Beacon(
                network.permitting,
                parent is self._hub,
                network.extended_pan_id,
                depth=len(self._up) - 1,
            )
            frame = MacFrame(
                mac.FrameType.BEACON,
                parent.next_mac(),
                mac.encode_beacon(beacon),
                source_pan=network.pan_id,
                source=parent.address,
            )
            air.emit(mac.encode(frame), network.heard_by_hub(parent))
        return True

    def associate(self, address: int) -> bool:
        """Become the parent's child, with that short address."""
        child, parent = self._child, self._parent
        request = mac.AssociationRequest(self.capability)
        if not self._command(child, parent, request, source=child.eui64, destination=parent.address, own_pan=False):
            return False
        if not self._command(child, parent, mac.DataRequest(), source=child.eui64, destination=parent.address):
            return False
        response = mac.AssociationResponse(address, mac.AssociationStatus.SUCCESS)
        return self._command(parent, child, response, source=parent.eui64, destination=child.eui64)

    def _command(
        self,
        sender: Node,
        receiver: Node,
        command: mac.Command,
        *,
        source: bytes | int,
        destination: bytes | int,
        own_pan: bool = True,
    ) -> bool:
        network = self._network
        delivery = network.medium.send(sender.radio, receiver.radio)
        if network.air.listened:
            frame = MacFrame(
                mac.FrameType.COMMAND,
                sender.next_mac(),
                mac.encode_command(command),
                network.pan_id,
                destination,
                network.pan_id if own_pan else NO_ADDRESS,
                source,
                acknowledge=True,
            )
            network.carrier.emit(frame, delivery.link, delivery.tries, delivery.received)
        return delivery.received

    # --- network layer

    def rejoin(self, address: int, how: Joining) -> bool:
        """Come back to the parent with that address."""
        child, parent, secured = self._child, self._parent, how is Joining.REJOIN
        hop = self._network.carrier.hop
        ask = nwk_commands.encode(nwk_commands.RejoinRequest(self.capability))
        child.address = address
        kind = nwk.FrameType.COMMAND
        if not hop((child, parent), ask, kind, secured=secured, euis=True):
            return False
        answer = nwk_commands.encode(nwk_commands.RejoinResponse(address, 0))
        return hop((parent, child), answer, kind, secured=secured, euis=True)

    # --- trust centre

    def report(self, how: Joining) -> bool:
        """A router tells the trust centre of its new child."""
        if self._parent is self._hub:
            return True
        child = self._child
        command = aps_commands.encode(aps_commands.UpdateDevice(child.eui64, child.address, _STATUS[how]))
        return self._network.carrier.command(self._up, command, KeyId.LINK)

    def transport_key(self, key: bytes) -> bool:
        """The trust centre sends the network key, under what follows from the device's link key ``key``."""
        network, child, hub = self._network, self._child, self._hub
        command = aps_commands.TransportNetworkKey(network.network_key, network.key_sequence, child.eui64, hub.eui64)
        counter = hub.next_link_counter()
        frame = None
        if network.air.listened:
            protected = ApsFrame(aps.FrameType.COMMAND, hub.next_aps(), aps_commands.encode(command))
            auxiliary = Auxiliary(KeyId.TRANSPORT, counter, hub.eui64)
            frame = aps.encode(protected, mmo.key_transport_key(key), auxiliary)
        if self._parent is not hub:
            tunnel = None if frame is None else aps_commands.encode(aps_commands.Tunnel(child.eui64, frame))
            if not network.carrier.command(self._up[::-1], tunnel, None):
                return False
        return network.carrier.hop((self._parent, child), frame, secured=False)

    # --- and then

    def announce(self) -> None:
        """The device tells everybody its addresses (Device_annce)."""
        child = self._child
        payload = zdo.encode(
            zdo.Cluster.DEVICE_ANNOUNCE,
            child.next_aps(),
            address=child.address,
            eui=child.eui64,
            capability=int(self.capability),
        )
        message = Message(aps.ZDO_PROFILE, zdo.Cluster.DEVICE_ANNOUNCE, 0, 0, payload, acknowledge=False)
        self._network.transport.send(child, RECEIVERS_ON, message)
