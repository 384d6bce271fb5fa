"""Messaging and Tunneling (Smart Energy annexes D.5 and D.6)."""

from __future__ import annotations

from typing import Final

from construct import PrefixedArray

from protocols.zigbee.zcl.cluster import (
    OCTSTR,
    REST,
    U8,
    U16,
    U32,
    UTC,
    AttributeDef,
    Cluster,
    attributes,
    command,
    commands,
    group,
    tail,
)
from protocols.zigbee.zcl.types import Type

_MESSAGE = {"message": U32, "control": U8, "start": UTC, "minutes": U16, "text": OCTSTR}

MESSAGING: Final = Cluster(
    0x0703,
    "Messaging",
    {},
    commands(
        command(0x00, "GetLastMessage"),
        command(0x01, "MessageConfirmation", message=U32, time=UTC, **tail(control=U8, response=OCTSTR)),
        command(0x02, "GetMessageCancellation", earliest=UTC),
    ),
    commands(
        command(0x00, "DisplayMessage", **_MESSAGE, **tail(extended_control=U8)),
        command(0x01, "CancelMessage", message=U32, control=U8),
        command(0x02, "DisplayProtectedMessage", **_MESSAGE, **tail(extended_control=U8)),
        command(0x03, "CancelAllMessages", implementation=UTC),
    ),
)
TUNNELING: Final = Cluster(
    0x0704,
    "Tunneling",
    attributes(AttributeDef(0x0000, "CloseTunnelTimeout", Type.U16)),
    commands(
        command(0x00, "RequestTunnel", protocol=U8, manufacturer=U16, flow_control=U8, maximum=U16),
        command(0x01, "CloseTunnel", tunnel=U16),
        command(0x02, "TransferData", tunnel=U16, data=REST),
        command(0x03, "TransferDataError", tunnel=U16, status=U8),
        command(0x04, "AckTransferData", tunnel=U16, octets=U16),
        command(0x05, "ReadyData", tunnel=U16, octets=U16),
        command(0x06, "GetSupportedTunnelProtocols", offset=U8),
    ),
    commands(
        command(0x00, "RequestTunnelResponse", tunnel=U16, status=U8, maximum=U16),
        command(0x01, "TransferData", tunnel=U16, data=REST),
        command(0x02, "TransferDataError", tunnel=U16, status=U8),
        command(0x03, "AckTransferData", tunnel=U16, octets=U16),
        command(0x04, "ReadyData", tunnel=U16, octets=U16),
        command(
            0x05,
            "SupportedTunnelProtocolsResponse",
            complete=U8,
            protocols=PrefixedArray(U8, group(manufacturer=U16, protocol=U8)),
        ),
        command(0x06, "TunnelClosureNotification", tunnel=U16),
    ),
)
