"""Every kind of frame of our air, for those who read it: the dissector, and what tells of it in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from protocols import pcapng
from protocols.zigbee import aps, aps_commands, fragments, install_code, mac, mmo, nwk, nwk_commands, zdo
from protocols.zigbee.aps import ApsFrame, Delivery
from protocols.zigbee.mac import Capability, MacFrame
from protocols.zigbee.nwk import NwkFrame, SourceRoute
from protocols.zigbee.security import Auxiliary, KeyId

from .zdo_samples import SAMPLES

HUB, METER = bytes.fromhex("00DB1234567890A0"), bytes.fromhex("0102030405060708")
PAN, METER_ADDRESS = 0x1A62, 0x3456
LINK_KEY = install_code.link_key(install_code.with_crc(bytes.fromhex("83FED3407A939723A5C639B26916D505")))
NETWORK_KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
LINK, NETWORK, TRANSPORT, LOAD = KeyId.LINK, KeyId.NETWORK, KeyId.TRANSPORT, KeyId.LOAD
KEYS = {LINK: LINK_KEY, TRANSPORT: mmo.key_transport_key(LINK_KEY), LOAD: mmo.key_load_key(LINK_KEY)}
READ = bytes.fromhex("00 07 00 0000")
"""ZCL: read attribute 0."""

BEYOND_THE_DISSECTOR = [
    # A device list of no devices, which ends after its count; Wireshark 4.0 looks for a start index behind it.
    (0x8001, {"status": 0, "eui": HUB, "address": METER_ADDRESS, "associated": {"devices": []}}),
    # A refusal that ends after its status; Wireshark reads a table all the same.
    (0x8031, {"status": 0x84}),
]
"""Messages that are right, and that Wireshark finds fault with."""


class Air:
    """What goes over the air, each frame with a comment of what it is."""

    def __init__(self) -> None:
        self.frames: list[tuple[str, bytes]] = []
        self.counter = 0

    def mac(self, what: str, frame: MacFrame) -> None:
        self.frames.append((what, mac.encode(frame)))

    def nwk(self, what: str, frame: NwkFrame, *, secured: bool = True) -> None:
        """To or from the hub, with the network key unless told otherwise."""
        self.counter += 1
        eui = HUB if frame.source == 0 else METER
        auxiliary = Auxiliary(NETWORK, self.counter, eui, 0)
        octets = nwk.encode(frame, NETWORK_KEY, auxiliary) if secured else nwk.encode(frame)
        place = (PAN, frame.destination, PAN, frame.source)
        data = MacFrame(mac.FrameType.DATA, self.counter & 0xFF, octets, *place, frame.destination < 0xFFF8)
        self.mac(what, data)

    def aps(self, what: str, frame: ApsFrame, key: KeyId | None = None, *, up: bool = True, **how: Any) -> None:
        """From the meter to the hub, or down, with a link key where one is named."""
        self.counter += 1
        auxiliary = None if key is None else Auxiliary(key, self.counter, METER if up else HUB)
        octets = aps.encode(frame, None if key is None else KEYS[key], auxiliary)
        ends = (0, METER_ADDRESS) if up else (METER_ADDRESS, 0)
        self.nwk(what, NwkFrame(nwk.FrameType.DATA, *ends, 30, self.counter & 0xFF, octets), **how)

    def write(self, file: Path) -> None:
        with file.open("wb") as out:
            out.write(pcapng.section("smets1") + pcapng.interface("han", "", pcapng.IEEE802154_TAP))
            for number, (what, octets) in enumerate(self.frames):
                time = 1_767_225_600_000_000_000 + number * 10_000_000
                out.write(pcapng.packet(0, time, pcapng.radio(octets, 20, -61, 200), comments=[what]))


def data(cluster: int, payload: bytes, **fields: Any) -> ApsFrame:
    """A Smart Energy message between endpoints 1."""
    ends: dict[str, Any] = {"destination_endpoint": 1, "source_endpoint": 1, "profile": 0x0109, **fields}
    return ApsFrame(aps.FrameType.DATA, 9, payload, cluster=cluster, **ends)


def join(air: Air) -> None:
    """Beacons, association, and the network key under the key-transport key of the install code."""
    command, kind = mac.encode_command, mac.FrameType.COMMAND
    air.mac("beacon request", mac.beacon_request(1))
    beacon = mac.encode_beacon(mac.Beacon(permit=True, coordinator=True, extended_pan=HUB))
    air.mac("beacon", MacFrame(mac.FrameType.BEACON, 1, beacon, source_pan=PAN, source=0))
    request = command(mac.AssociationRequest(Capability.ALLOCATE_ADDRESS))
    air.mac("association request", MacFrame(kind, 2, request, PAN, 0, 0xFFFF, METER, True))
    air.mac("acknowledgement", mac.acknowledgement(2, pending=True))
    air.mac("data request", MacFrame(kind, 3, command(mac.DataRequest()), PAN, 0, PAN, METER, True))
    answer = command(mac.AssociationResponse(METER_ADDRESS, mac.AssociationStatus.SUCCESS))
    air.mac("association response", MacFrame(kind, 4, answer, PAN, METER, PAN, HUB, True))
    air.mac("orphan", MacFrame(kind, 5, command(mac.OrphanNotification()), 0xFFFF, 0xFFFF, 0xFFFF, METER))
    again = command(mac.Realignment(PAN, 0, 20, METER_ADDRESS))
    air.mac("realignment", MacFrame(kind, 6, again, 0xFFFF, METER, PAN, HUB, True))
    left = command(mac.Disassociation(2))
    air.mac("disassociation", MacFrame(kind, 7, left, PAN, HUB, PAN, METER, True))
    air.mac("PAN conflict", MacFrame(kind, 8, command(mac.PanConflict()), PAN, HUB, PAN, METER, True))
    air.aps("aps 5", trust_centre(aps_commands.TransportNetworkKey(NETWORK_KEY, 0, METER, HUB)), TRANSPORT,
            up=False, secured=False)  # fmt: skip


def trust_centre(command: aps_commands.Command) -> ApsFrame:
    return ApsFrame(aps.FrameType.COMMAND, 3, aps_commands.encode(command))


class Sent(NamedTuple):
    command: aps_commands.Command
    key: KeyId | None


APS_COMMANDS = (
    Sent(aps_commands.TransportLinkKey(LINK_KEY, METER, HUB), LOAD),
    Sent(aps_commands.TransportApplicationKey(LINK_KEY, HUB, True), LOAD),
    Sent(aps_commands.UpdateDevice(METER, METER_ADDRESS, aps_commands.DeviceStatus.UNSECURED_JOIN), LINK),
    Sent(aps_commands.RemoveDevice(METER), LINK),
    Sent(aps_commands.RequestKey(), LINK),
    Sent(aps_commands.RequestKey(METER), LINK),
    Sent(aps_commands.SwitchKey(1), None),
    Sent(aps_commands.VerifyKey(4, METER, mmo.hmac(LINK_KEY, b"\x03")), None),
    Sent(aps_commands.ConfirmKey(0, 4, METER), LINK),
)
NWK_COMMANDS: tuple[nwk_commands.Command, ...] = (
    nwk_commands.RouteRequest(1, 0xFFFC, 0, many_to_one=1),
    nwk_commands.RouteRequest(1, METER_ADDRESS, 3, METER),
    nwk_commands.RouteReply(1, 0, METER_ADDRESS, 3, HUB, METER),
    nwk_commands.NetworkStatus(0x0D, METER_ADDRESS),
    nwk_commands.Leave(request=True, rejoin=True),
    nwk_commands.RouteRecord((0x1111, 0x2222)),
    nwk_commands.RejoinRequest(Capability.ALLOCATE_ADDRESS),
    nwk_commands.RejoinResponse(METER_ADDRESS, 0),
    nwk_commands.LinkStatus((nwk_commands.LinkCost(0, 1, 3),)),
    nwk_commands.TimeoutRequest(8),
    nwk_commands.TimeoutResponse(0, 1),
)


def traffic(air: Air) -> None:
    """One of every kind of network and application frame."""
    for command in NWK_COMMANDS:
        payload = nwk_commands.encode(command)
        euis = {"source_eui": METER, "destination_eui": HUB}
        air.nwk(f"nwk {payload[0]}", NwkFrame(nwk.FrameType.COMMAND, 0, METER_ADDRESS, 1, 1, payload, **euis))
    for sent in APS_COMMANDS:
        frame = trust_centre(sent.command)
        up = isinstance(sent.command, aps_commands.RequestKey | aps_commands.UpdateDevice | aps_commands.VerifyKey)
        air.aps(f"aps {frame.payload[0]}", frame, sent.key, up=up)
    inner = trust_centre(aps_commands.TransportNetworkKey(NETWORK_KEY, 0, METER, HUB))
    octets = aps.encode(inner, KEYS[TRANSPORT], Auxiliary(TRANSPORT, 900, HUB))
    air.aps("aps 14", trust_centre(aps_commands.Tunnel(METER, octets)), up=False)
    for cluster, values in SAMPLES:
        if (cluster, values) in BEYOND_THE_DISSECTOR:
            continue
        payload = zdo.encode(cluster, 7, **values)
        ends = {"destination_endpoint": 0, "source_endpoint": 0, "profile": 0}
        air.aps(f"zdo {cluster}", data(cluster, payload, **ends), up=cluster >= zdo.RESPONSE)
    air.aps("zcl 0", data(0x0000, READ))
    air.aps("zcl 1794", data(0x0702, READ, acknowledge=True), LINK)
    air.aps("zcl 1794", data(0x0702, READ, delivery=Delivery.BROADCAST, destination_endpoint=0xFF), LINK)
    air.aps("zcl 1794", data(0x0702, READ, delivery=Delivery.GROUP, destination_endpoint=None, group=7), LINK)
    air.aps("acknowledgement", aps.acknowledgement(data(0x0702, READ)), LINK)
    air.aps("acknowledgement", aps.acknowledgement(trust_centre(aps_commands.SwitchKey(1))))
    octets = aps.encode(data(0x0702, READ), KEYS[LINK], Auxiliary(LINK, 901, HUB))
    routed = NwkFrame(
        nwk.FrameType.DATA, METER_ADDRESS, 0, 30, 2, octets, source_route=SourceRoute((0x1111, 0x2222), 1)
    )
    air.nwk("zcl 1794", routed)
    long = bytes.fromhex("08 07 01") + b"".join(bytes((n, 0, 0, 0x23, n, 0, 0, 0)) for n in range(20))
    blocks = fragments.fragments(long, 60)
    for block, piece in blocks:
        air.aps(
            "zcl 1794" if block is blocks[-1][0] else "block", data(0x0702, piece, block=block, acknowledge=True), LINK
        )
