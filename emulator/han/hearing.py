"""What radios make of octets on the air that none of them sent: a stranger's frames, damaged or replayed ones.

Every radio looks at a frame as far as it concerns it and drops what is not right, in the order in which a receiver
comes to it: check sequence and length, addresses, network header, key, frame counter, MIC, APS layer. Each drop has a
name it is counted by and a sentence. A frame that is right is taken, whoever sent it: who has the keys is on the
network. Its frame counter counts from then on, and the one whose address it bore is not heard until it has come so far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.han.air import LONGEST
from emulator.han.medium import Link
from emulator.han.message import Arrival, Message
from protocols.errors import DecodeError, ProtocolError, SecurityError
from protocols.zigbee import aps, aps_commands, mac, nwk, nwk_commands
from protocols.zigbee.fragments import Reassembly
from protocols.zigbee.security import Auxiliary, KeyId

if TYPE_CHECKING:
    from emulator.han.node import Node
    from emulator.han.radio_network import RadioNetwork


_MOST_MESSAGES, _MOST_OCTETS = 8, 0x4000
_SHORTEST = 3 + mac.FCS
"""Octets of an acknowledgement, the shortest frame."""


class Dropped(Exception):
    """A frame that a radio drops: ``reason`` is the name that it is counted by."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def hear(network: RadioNetwork, octets: bytes, link: Link) -> None:
    """Let every radio of the network whose receiver is on hear a frame from outside."""
    try:
        frame = _frame(octets)
        _of_this_network(network, frame)
    except Dropped as dropped:
        network.air.drop(dropped.reason, f"nobody takes a frame of {len(octets)} octets: {dropped}")
        return
    for node in network.nodes():
        if not network.listens(node) or not _is_for(node, frame):
            continue
        if frame.acknowledge and network.air.listened:
            network.air.emit(mac.encode(mac.acknowledgement(frame.sequence)), network.heard_by_hub(node))
        try:
            _take(network, node, frame, link)
        except Dropped as dropped:
            who = "the hub" if node.member is None else node.member.device.identity.device_id
            network.air.drop(dropped.reason, f"{who} drops a frame of {len(octets)} octets: {dropped}")


def _frame(octets: bytes) -> mac.MacFrame:
    if len(octets) > LONGEST:
        raise Dropped("oversize", f"a frame has {LONGEST} octets at most")
    if len(octets) < _SHORTEST:
        raise Dropped("length", f"a frame has {_SHORTEST} octets at least")
    sent, wanted = octets[-mac.FCS :], mac.check_sequence(octets[: -mac.FCS])
    if sent != wanted:
        raise Dropped("check sequence", f"its check sequence is {sent.hex()} and should be {wanted.hex()}")
    try:
        frame = mac.decode(octets)
    except ProtocolError as error:
        raise Dropped("MAC header", str(error)) from None
    if frame.type is mac.FrameType.COMMAND:
        try:
            mac.decode_command(frame.payload)
        except ProtocolError as error:
            raise Dropped("MAC command", str(error)) from None
    return frame


def _of_this_network(network: RadioNetwork, frame: mac.MacFrame) -> None:
    if frame.destination_pan not in (network.pan_id, mac.BROADCAST, None):
        raise Dropped("PAN", f"it is for PAN {frame.destination_pan:04X}, and this is {network.pan_id:04X}")


def _is_for(node: Node, frame: mac.MacFrame) -> bool:
    """Whether a radio's filter lets a data frame through: its address or that of all."""
    return frame.type is mac.FrameType.DATA and frame.destination in (node.address, nwk.ALL_DEVICES, node.eui64)


def _take(network: RadioNetwork, node: Node, frame: mac.MacFrame, link: Link) -> None:
    try:
        parsed = nwk.parse(frame.payload)
    except ProtocolError as error:
        raise Dropped("network header", str(error)) from None
    auxiliary = parsed.auxiliary
    if auxiliary is None:
        raise Dropped("not protected", "the network key does not protect it")
    opened = _open(network, node, parsed, auxiliary)
    if opened.destination not in (node.address, nwk.ALL_DEVICES, nwk.RECEIVERS_ON, nwk.ROUTERS):
        return  # for somebody else, to be passed on
    if opened.type is nwk.FrameType.COMMAND:
        _network_command(opened)
        return
    _application(network, node, opened, auxiliary, link)


def _open(network: RadioNetwork, node: Node, parsed: nwk.Parsed, auxiliary: Auxiliary) -> nwk.NwkFrame:
    source, counter = auxiliary.source, auxiliary.counter
    assert source is not None  # nwk.parse takes no other
    member = node.member
    key = network.network_key if member is None else member.network_key
    current = network.key_sequence if key == network.network_key else network.key_sequence - 1 & 0xFF
    if auxiliary.key_sequence != current:
        raise Dropped("key sequence", f"network key {auxiliary.key_sequence} protects it, where {current} is in use")
    expected = network.expected_counter(node, source)
    if counter < expected:
        raise Dropped(
            "frame counter", f"its counter {counter} from {source.hex().upper()} was used: {expected} is the next"
        )
    try:
        opened = nwk.open_frame(parsed, key)
    except SecurityError as error:
        raise Dropped("MIC", f"{error}") from None
    network.note_counter(node, source, counter)
    return opened


class Blocks:
    """Messages that strangers send in blocks, until all of one is there. The oldest gives way to a new one."""

    __slots__ = ("_coming",)

    def __init__(self) -> None:
        self._coming: dict[tuple[Node, int, int], Reassembly] = {}

    def add(
        self, node: Node, source: int, counter: int, block: aps.Block, part: bytes
    ) -> tuple[bytes | None, aps.Block | None]:
        """Take a block: the message once it is whole, and what to acknowledge; Dropped for one that cannot be."""
        key = node, source, counter
        coming = self._coming.setdefault(key, Reassembly(limit=_MOST_OCTETS))
        while len(self._coming) > _MOST_MESSAGES:
            del self._coming[next(iter(self._coming))]
        try:
            answer = coming.add(block, part)
        except DecodeError as error:
            raise Dropped("block", str(error)) from None
        if coming.payload is not None:
            del self._coming[key]
        return coming.payload, answer


def _network_command(frame: nwk.NwkFrame) -> None:
    try:
        nwk_commands.decode(frame.payload)
    except DecodeError as error:
        raise Dropped("network command", str(error)) from None


def _application(network: RadioNetwork, node: Node, frame: nwk.NwkFrame, outer: Auxiliary, link: Link) -> None:
    try:
        parsed = aps.parse(frame.payload)
    except ProtocolError as error:
        raise Dropped("APS header", str(error)) from None
    source = outer.source if parsed.auxiliary is None else parsed.auxiliary.source or outer.source
    assert source is not None
    key = None
    if parsed.auxiliary is not None:
        if parsed.auxiliary.key_id is not KeyId.LINK:
            raise Dropped("APS key", f"key {parsed.auxiliary.key_id.name.lower()} does not protect messages")
        sender = network.node_of(source)
        if sender is None or sender is node:
            raise Dropped("APS key", f"no link key with {source.hex().upper()}")
        key = network.link_key(sender, node)
    try:
        opened = aps.open_frame(parsed, key, source)
    except SecurityError as error:
        raise Dropped("APS MIC", str(error)) from None
    if opened.type is aps.FrameType.COMMAND:
        _aps_command(opened)
    elif opened.type is aps.FrameType.DATA:
        _message(network, node, frame, opened, secured=parsed.auxiliary is not None, link=link)


def _aps_command(frame: aps.ApsFrame) -> None:
    try:
        aps_commands.decode(frame.payload)
    except DecodeError as error:
        raise Dropped("APS command", str(error)) from None


def _message(
    network: RadioNetwork, node: Node, frame: nwk.NwkFrame, data: aps.ApsFrame, *, secured: bool, link: Link
) -> None:
    sender = network.node_at(frame.source)
    if sender is None:
        raise Dropped("source", f"no device has the short address {frame.source:04X}")
    if data.destination_endpoint is None or data.cluster is None or data.profile is None:
        raise Dropped("APS group", "no device here is in a group")
    message = Message(
        data.profile,
        data.cluster,
        data.source_endpoint or 0,
        data.destination_endpoint,
        data.payload,
        secured,
        data.acknowledge,
    )
    broadcast = frame.destination >= nwk.ROUTERS
    block = None
    if data.block is not None:
        whole, block = network.blocks.add(node, frame.source, data.counter, data.block, data.payload)
        message = message._replace(payload=whole or b"")
    way = network.nodes_between(node, sender)
    if data.acknowledge and not broadcast and way is not None:
        network.carrier.acknowledge(way, message, data.counter, block)
    if data.block is not None and not message.payload:
        return  # there is more to come
    network.arrive(node, Arrival(frame.source, sender.eui64, message, broadcast, link.rssi, link.lqi))
