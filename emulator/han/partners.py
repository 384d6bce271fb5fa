"""Link keys between two devices of a HAN: the trust centre makes one when it is asked, and sends it to both.

The device that has something protected to say asks first (Request Key), and gets the key together with its partner
(Transport Key, Zigbee specification 4.4.3 and 4.4.5). Both keep it while they keep the link keys with the trust centre
by which it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols.zigbee import aps_commands
from protocols.zigbee.aps_commands import RequestKey, TransportApplicationKey
from protocols.zigbee.security import KeyId

if TYPE_CHECKING:
    from emulator.han.node import Node
    from emulator.han.radio_network import RadioNetwork


class Partners:
    """Which devices of one network have a link key with each other."""

    __slots__ = ("_had_with", "_network")

    def __init__(self, network: RadioNetwork) -> None:
        self._network = network
        self._had_with: dict[frozenset[bytes], frozenset[bytes]] = {}  # link keys with the trust centre, by the pair

    def introduce(self, source: Node, target: Node) -> bool:
        """See to it that two nodes have a link key: whether they have. One of them may be the trust centre itself."""
        one, other = source.member, target.member
        if one is None or other is None:
            return True
        pair = frozenset((source.eui64, target.eui64))
        keys = frozenset((one.link_key, other.link_key))
        if self._had_with.get(pair) == keys:
            return True
        if not self._ask(source, target):
            return False
        self._had_with[pair] = keys
        return True

    def _ask(self, source: Node, target: Node) -> bool:
        network = self._network
        hub, carrier = network.node, network.carrier
        up, down = network.nodes_between(source, hub), network.nodes_between(hub, target)
        if up is None or down is None or not network.awake(hub):
            return False
        if not carrier.command(up, aps_commands.encode(RequestKey(target.eui64)), KeyId.LINK):
            return False
        key = network.link_key(source, target)
        for way, partner, initiator in ((up[::-1], target, True), (down, source, False)):
            command = TransportApplicationKey(key, partner.eui64, initiator)
            if not carrier.command(way, aps_commands.encode(command), KeyId.LOAD):
                return False
        return True
