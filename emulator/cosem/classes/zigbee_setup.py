"""ZigBee SAS set-up of a hub (classes 101 to 103, 105), and the private classes 9901 to 9903 that came before them.

Start-up shows the HAN that the hub formed. The link key and network key (attributes 10 and 11 of class 101) are not
there: a hub does not give them away. Join and fragmentation are values that a client may keep; a hub joins no network.
Tunnel setup is what the hub's Tunneling cluster goes by (:mod:`emulator.tunnel_setup`); the protocol address is kept.
"""

from __future__ import annotations

from emulator.cosem.binding import part_getter
from emulator.cosem.model import Attribute, InterfaceClass
from emulator.han.network import Network
from emulator.tunnel_setup import CLOSE_TIMEOUT, TRANSFER_SIZE

_COORDINATOR = 0x0000
"""Short address of the trust centre (Zigbee specification, 3.6.1.2)."""
_PROTOCOL_VERSION = 2
_STACK_PROFILE = 2  # Zigbee PRO
_FORMED = 0  # start_up_control: the device considers itself part of the network (ZCL, Commissioning cluster)

_STARTUP = (
    Attribute(2, "short_address", "u16", part_getter(Network, "u16", lambda _han: _COORDINATOR)),
    Attribute(3, "extended_pan_id", "oct8", part_getter(Network, "oct8", lambda han: han.extended_pan_id)),
    Attribute(4, "pan_id", "u16", part_getter(Network, "u16", lambda han: han.pan_id)),
    Attribute(5, "channel_mask", "u32", part_getter(Network, "u32", lambda han: 1 << han.channel)),
    Attribute(6, "protocol_version", "u8", part_getter(Network, "u8", lambda _han: _PROTOCOL_VERSION)),
    Attribute(7, "stack_profile", "enum", part_getter(Network, "enum", lambda _han: _STACK_PROFILE)),
    Attribute(8, "start_up_control", "u8", part_getter(Network, "u8", lambda _han: _FORMED)),
    Attribute(9, "trust_centre_address", "oct8", part_getter(Network, "oct8", lambda han: han.hub.identity.eui64)),
    Attribute(12, "use_insecure_join", "bool", part_getter(Network, "bool", lambda _han: False)),
)
_JOIN = (
    Attribute(2, "scan_attempts", "u8", default=5),
    Attribute(3, "time_between_scans", "u16", default=100),
    Attribute(4, "rejoin_interval", "u16", default=60),
    Attribute(5, "rejoin_retry_interval", "u16", default=3600),
)
_FRAGMENTATION = (
    Attribute(2, "aps_interframe_delay", "u16", default=50),
    Attribute(3, "aps_max_window_size", "u16", default=1),
)
_TUNNEL = (
    Attribute(2, "max_incoming_transfer_size", "u16", default=TRANSFER_SIZE),
    Attribute(3, "max_outgoing_transfer_size", "u16", default=TRANSFER_SIZE),
    Attribute(4, "protocol_address", "oct", default=b""),
    Attribute(5, "close_tunnel_timeout", "u16", default=CLOSE_TIMEOUT),
)

CLASSES = tuple(
    InterfaceClass(class_id, 0, name, attributes)
    for ids, name, attributes in (
        ((101, 9901), "ZigBee SAS startup", _STARTUP),
        ((102, 9902), "ZigBee SAS join", _JOIN),
        ((103, 9903), "ZigBee SAS APS fragmentation", _FRAGMENTATION),
        ((105,), "ZigBee tunnel setup", _TUNNEL),
    )
    for class_id in ids
)
