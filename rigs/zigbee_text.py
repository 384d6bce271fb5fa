"""Frames of a HAN's air as one line of text for people: who to whom, then network, application and ZCL layer in names.

::

    home/gas > home/hub | Metering 1 > 1, link key, counter 12 | report CurrentSummationDelivered=123456
    home/hub > home/gas | network key 0 for home/gas, under the key-transport key, counter 3

A layer that says nothing new is left out: the network layer's ends where they are those of the radio, profile 0x0109.
What is protected is opened with the keys that :class:`AirKeys` has, and network keys that went over the air before.
Keys are never part of the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from protocols.errors import ProtocolError, SecurityError
from protocols.zigbee import aps, aps_commands, mac, mmo, nwk, nwk_commands, zdo
from protocols.zigbee.aps import ApsFrame
from protocols.zigbee.aps_commands import DeviceStatus
from protocols.zigbee.mac import Address, Capability, MacFrame
from protocols.zigbee.nwk import NwkFrame
from protocols.zigbee.security import Auxiliary, KeyId
from rigs.zcl_text import cluster_text, zcl_text, zdo_name, zdo_text

SMART_ENERGY = 0x0109
MAX_NAMES = 1024
"""EUI-64s that are remembered by their short addresses."""
NETWORK_STATUS = {
    0x00: "no route",
    0x01: "tree link failure",
    0x02: "link failure",
    0x06: "indirect transaction expired",
    0x0B: "source route failure",
    0x0C: "many-to-one route failure",
    0x0D: "address conflict",
    0x0E: "verify addresses",
    0x0F: "PAN id changed",
    0x10: "network address changed",
    0x11: "bad frame counter",
    0x12: "bad key sequence number",
}
"""Codes of a network status command (table 3.42)."""
_GROUPS = {0xFFFF: "everybody", 0xFFFD: "receivers on", 0xFFFC: "routers", 0xFFFE: "nobody"}
_KEYS = {
    KeyId.LINK: "link key",
    KeyId.NETWORK: "network key",
    KeyId.TRANSPORT: "key-transport key",
    KeyId.LOAD: "key-load key",
}


class AirKeys(Protocol):
    """What is known of a network from elsewhere."""

    def network_key(self, sequence: int) -> bytes | None:
        """The network key with that number."""
        ...

    def link_keys(self) -> Iterable[bytes]:
        """All link keys in use, those of install codes included."""
        ...

    def name(self, address: Address) -> str | None:
        """What a device is called, by its short address or EUI-64."""
        ...


class NoKeys:
    """Nothing is known but what goes over the air in the clear."""

    def network_key(self, sequence: int) -> bytes | None:
        """None."""
        return None

    def link_keys(self) -> Iterable[bytes]:
        """None at all."""
        return ()

    def name(self, address: Address) -> str | None:
        """None."""
        return None


class AirText:
    """The frames of one network, told one after the other."""

    __slots__ = ("_euis", "_keys", "_learned")

    def __init__(self, keys: AirKeys | None = None) -> None:
        self._keys = NoKeys() if keys is None else keys
        self._learned: dict[int, bytes] = {}
        self._euis: dict[int, bytes] = {}

    def tell(self, octets: bytes) -> str:
        """A frame with its check sequence as text; one that cannot be read says why."""
        try:
            frame = mac.decode(octets)
        except ProtocolError as error:
            return f"{len(octets)} octets of no frame: {error}"
        try:
            return self._mac(frame)
        except ProtocolError as error:
            return f"{self._ends(frame)}{frame.type.name.lower()}, malformed: {error}"

    # -- medium access ----------------------------------------------------------------------------------------------

    def _mac(self, frame: MacFrame) -> str:
        match frame.type:
            case mac.FrameType.ACKNOWLEDGEMENT:
                return f"acknowledgement of {frame.sequence}{', a frame waits' if frame.pending else ''}"
            case mac.FrameType.BEACON:
                beacon = mac.decode_beacon(frame.payload)
                pan = f"PAN {frame.source_pan or 0:04X} ({beacon.extended_pan.hex().upper()})"
                window = "open" if beacon.permit else "closed"
                return f"{self._who(frame.source)} | beacon of {pan}, {window}, depth {beacon.depth}"
            case mac.FrameType.COMMAND:
                return f"{self._ends(frame)}{self._mac_command(frame, mac.decode_command(frame.payload))}"
            case mac.FrameType.DATA:
                return f"{self._ends(frame)}{self._nwk(frame)}"

    def _mac_command(self, frame: MacFrame, command: mac.Command) -> str:
        match command:
            case mac.AssociationRequest(capability):
                return f"association request of a {_capability(capability)}"
            case mac.AssociationResponse(address, status):
                if status:
                    return f"association refused: {_status(status)}"
                if isinstance(frame.destination, bytes):
                    self._learn(address, frame.destination)
                return f"association response: address {address:04X}"
            case mac.Disassociation(reason):
                return f"disassociation, by the {'parent' if reason == 1 else 'device'}"
            case mac.DataRequest():
                return "poll"
            case mac.PanConflict():
                return "PAN id conflict"
            case mac.OrphanNotification():
                return "orphan looks for its parent"
            case mac.BeaconRequest():
                return "beacon request"
            case mac.Realignment(pan, _, channel, address):
                return f"realignment: PAN {pan:04X}, channel {channel}, address {address:04X}"

    def _ends(self, frame: MacFrame) -> str:
        source = "somebody" if frame.source is None else self._who(frame.source)
        destination = "" if frame.destination is None else f" > {self._who(frame.destination)}"
        return f"{source}{destination} | "

    # -- network layer ----------------------------------------------------------------------------------------------

    def _nwk(self, carrier: MacFrame) -> str:
        parsed = nwk.parse(carrier.payload)
        header, auxiliary = parsed.header, parsed.auxiliary
        if header.source_eui is not None:
            self._learn(header.source, header.source_eui)
        if header.destination_eui is not None:
            self._learn(header.destination, header.destination_eui)
        if auxiliary is not None and auxiliary.source is not None and isinstance(carrier.source, int):
            self._learn(carrier.source, auxiliary.source)
        said: list[str] = []
        if (header.source, header.destination) != (carrier.source, carrier.destination):
            said.append(f"{self._who(header.source)} > {self._who(header.destination)}")
        key = None
        if auxiliary is not None:
            sequence = auxiliary.key_sequence or 0
            key = self._keys.network_key(sequence) or self._learned.get(sequence)
            if key is None:
                return " | ".join([*said, f"{self._cover(auxiliary)}, not known, {len(parsed.rest)} octets"])
        try:
            frame = nwk.open_frame(parsed, key)
        except SecurityError as error:
            cover = "" if auxiliary is None else f"{self._cover(auxiliary)}: "
            return " | ".join([*said, f"{cover}{error}"])
        if frame.type is nwk.FrameType.COMMAND:
            said.append(self._nwk_command(frame))
        else:
            said.append(self._aps(frame.payload, frame))
        return " | ".join(said)

    def _nwk_command(self, frame: NwkFrame) -> str:
        command = nwk_commands.decode(frame.payload)
        match command:
            case nwk_commands.RouteRequest(_, destination, cost, _, many):
                return f"route request for {self._who(destination)}, cost {cost}{', many to one' if many else ''}"
            case nwk_commands.RouteReply(_, originator, responder, cost, _, _):
                return f"route reply: {self._who(originator)} > {self._who(responder)}, cost {cost}"
            case nwk_commands.NetworkStatus(code, destination):
                return f"network status: {NETWORK_STATUS.get(code, f'code {code:02X}')}, {self._who(destination)}"
            case nwk_commands.Leave(request, rejoin, _):
                return f"{'told to leave' if request else 'leaves'}{' and to rejoin' if rejoin else ''}"
            case nwk_commands.RouteRecord(relays):
                return f"route record: {', '.join(self._who(relay) for relay in relays) or 'no relays'}"
            case nwk_commands.RejoinRequest(capability):
                return f"rejoin request of a {_capability(capability)}"
            case nwk_commands.RejoinResponse(address, status):
                return f"rejoin refused: {_status(status)}" if status else f"rejoin response: address {address:04X}"
            case nwk_commands.LinkStatus(links, _, _):
                told = (f"{self._who(link.address)} {link.incoming}/{link.outgoing}" for link in links)
                return f"link status: {', '.join(told) or 'no neighbours'}"
            case nwk_commands.TimeoutRequest(timeout, _):
                return f"asks to be kept for {f'{1 << timeout} min' if timeout else '10 s'}"
            case nwk_commands.TimeoutResponse(status, _):
                return f"keeping {'refused' if status else 'granted'}"

    # -- application support ----------------------------------------------------------------------------------------

    def _aps(self, octets: bytes, carrier: NwkFrame) -> str:
        try:
            parsed = aps.parse(octets)
        except ProtocolError as error:
            return f"APS, malformed: {error}"
        auxiliary = parsed.auxiliary
        frame: ApsFrame | None
        if auxiliary is None:
            frame = aps.open_frame(parsed)
        else:
            source = auxiliary.source or carrier.source_eui or self._euis.get(carrier.source)
            frame = self._opened(parsed, auxiliary, source)
        cover = "" if auxiliary is None else f", {self._cover(auxiliary)}"
        header = parsed.header
        if header.type is aps.FrameType.COMMAND:
            if frame is None:
                return f"APS command{cover}, not known, {len(parsed.rest)} octets"
            return f"{self._aps_command(frame, carrier)}{cover}"
        where = self._where(header)
        if header.type is aps.FrameType.ACKNOWLEDGEMENT:
            return f"{where}{cover} | APS acknowledgement of {header.counter}"
        if frame is None:
            return f"{where}{cover}, not known, {len(parsed.rest)} octets"
        if header.block is not None:
            first = header.block.part is aps.Part.FIRST
            number = f"block 0 of {header.block.number}" if first else f"block {header.block.number}"
            return f"{where}{cover} | {number}, {len(frame.payload)} octets"
        cluster = header.cluster or 0
        if header.profile == aps.ZDO_PROFILE and header.destination_endpoint == aps.ZDO_ENDPOINT:
            self._announced(cluster, frame.payload)
            return f"{zdo_text(cluster, frame.payload)}{cover}"
        return f"{where}{cover} | {zcl_text(cluster, frame.payload)}"

    def _aps_command(self, frame: ApsFrame, carrier: NwkFrame) -> str:
        try:
            command = aps_commands.decode(frame.payload)
        except ProtocolError as error:
            return f"APS command, malformed: {error}"
        match command:
            case aps_commands.TransportNetworkKey(key, sequence, destination, _):
                self._learned[sequence] = key
                whom = self._who(destination) if any(destination) else "everybody"
                return f"network key {sequence} for {whom}"
            case aps_commands.TransportLinkKey(_, destination, _):
                return f"new link key for {self._who(destination)}"
            case aps_commands.TransportApplicationKey(_, partner, _):
                return f"link key with {self._who(partner)}"
            case aps_commands.UpdateDevice(device, address, status):
                self._learn(address, device)
                return f"update device: {self._who(device)} at {address:04X}, {_device_status(status)}"
            case aps_commands.RemoveDevice(device):
                return f"remove device {self._who(device)}"
            case aps_commands.RequestKey(partner):
                return f"request for a link key with {'the trust centre' if partner is None else self._who(partner)}"
            case aps_commands.SwitchKey(sequence):
                return f"switch to network key {sequence}"
            case aps_commands.Tunnel(destination, inner):
                return f"tunnel to {self._who(destination)}: [{self._aps(inner, carrier)}]"
            case aps_commands.VerifyKey(_, source, _):
                return f"verify the link key of {self._who(source)}"
            case aps_commands.ConfirmKey(status, _, destination):
                outcome = f"refused ({status:02X})" if status else "confirmed"
                return f"link key of {self._who(destination)} {outcome}"

    def _where(self, header: ApsFrame) -> str:
        """Cluster, profile where it is not Smart Energy's, and the endpoints."""
        if header.cluster is None or header.profile is None:
            return "APS command"
        if header.profile == aps.ZDO_PROFILE:
            return zdo_name(header.cluster)
        profile = "" if header.profile == SMART_ENERGY else f" of profile {header.profile:04X}"
        target = f"group {header.group:04X}" if header.group is not None else header.destination_endpoint
        return f"{cluster_text(header.cluster)}{profile} {header.source_endpoint} > {target}"

    def _opened(self, parsed: aps.Parsed, auxiliary: Auxiliary, source: bytes | None) -> ApsFrame | None:
        if auxiliary.key_id is KeyId.NETWORK:
            keys = [key for key in (self._keys.network_key(auxiliary.key_sequence or 0),) if key is not None]
        else:
            keys = [_derived(auxiliary.key_id, key) for key in self._keys.link_keys()]
        for key in keys:
            try:
                return aps.open_frame(parsed, key, source)
            except SecurityError:
                continue
        return None

    # -- names ------------------------------------------------------------------------------------------------------

    def _cover(self, auxiliary: Auxiliary) -> str:
        number = "" if auxiliary.key_sequence is None else f" {auxiliary.key_sequence}"
        return f"{_KEYS[auxiliary.key_id]}{number}, counter {auxiliary.counter}"

    def _announced(self, cluster: int, payload: bytes) -> None:
        if cluster == zdo.Cluster.DEVICE_ANNOUNCE:
            try:
                values = zdo.decode(cluster, payload).values
            except ProtocolError:
                return  # the text says what is wrong with it
            self._learn(values["address"], values["eui"])

    def _learn(self, address: int, eui: bytes) -> None:
        if address in _GROUPS:
            return
        self._euis.pop(address, None)
        self._euis[address] = eui
        if len(self._euis) > MAX_NAMES:
            del self._euis[next(iter(self._euis))]

    def _who(self, address: Address | None) -> str:
        if address is None:
            return "nobody"
        if isinstance(address, bytes):
            return self._keys.name(address) or address.hex().upper()
        known = _GROUPS.get(address) or self._keys.name(address)
        if known is None and address in self._euis:
            known = self._keys.name(self._euis[address])
        return known or f"{address:04X}"


@lru_cache(maxsize=4096)
def _derived(kind: KeyId, link_key: bytes) -> bytes:
    match kind:
        case KeyId.TRANSPORT:
            return mmo.key_transport_key(link_key)
        case KeyId.LOAD:
            return mmo.key_load_key(link_key)
        case _:
            return link_key


def _capability(capability: Capability) -> str:
    if capability & Capability.FULL_FUNCTION:
        return "router"
    return "end device" if capability & Capability.RECEIVER_ON_WHEN_IDLE else "sleepy end device"


def _status(status: int) -> str:
    return {1: "PAN at capacity", 2: "access denied"}.get(status, f"status {status:02X}")


def _device_status(status: int) -> str:
    try:
        return DeviceStatus(status).name.lower().replace("_", " ")
    except ValueError:
        return f"status {status}"
