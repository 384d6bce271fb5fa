"""What clients set for tunnels of the HAN (class 105, ZigBee tunnel setup), and what holds where they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from protocols import obis

if TYPE_CHECKING:
    from emulator.device import Device

CLOSE_TIMEOUT: Final = 0xFFFF
TRANSFER_SIZE: Final = 1500
"""What the Tunneling cluster's attributes have by default: s, and octets (Smart Energy, D.6.2)."""
LOGICAL_NAME: Final = obis.parse("0-0:30.4.0")
_HEAD: Final = b"\x00\x69" + LOGICAL_NAME
_INCOMING, _OUTGOING, _TIMEOUT = b"\x02", b"\x03", b"\x05"


class TunnelSetup(NamedTuple):
    """Most octets of one transfer that a device takes and sends, and how long a tunnel may be idle, s."""

    incoming: int
    outgoing: int
    close_timeout: int


def tunnel_setup(device: Device) -> TunnelSetup:
    """What clients have set; the Tunneling cluster's own values where the profile has no class 105."""
    return TunnelSetup(
        device.setting(_HEAD + _INCOMING, TRANSFER_SIZE),
        device.setting(_HEAD + _OUTGOING, TRANSFER_SIZE),
        device.setting(_HEAD + _TIMEOUT, CLOSE_TIMEOUT),
    )
