"""Basic, Identify, Time and Keep-Alive (ZCL 3.2, 3.5, 3.12; Smart Energy annex A.5)."""

from __future__ import annotations

from typing import Final

from protocols.zigbee.zcl.cluster import U16, AttributeDef, Cluster, attributes, command, commands
from protocols.zigbee.zcl.types import Type

BASIC: Final = Cluster(
    0x0000,
    "Basic",
    attributes(
        AttributeDef(0x0000, "ZCLVersion", Type.U8),
        AttributeDef(0x0001, "ApplicationVersion", Type.U8),
        AttributeDef(0x0002, "StackVersion", Type.U8),
        AttributeDef(0x0003, "HWVersion", Type.U8),
        AttributeDef(0x0004, "ManufacturerName", Type.CHARSTR),
        AttributeDef(0x0005, "ModelIdentifier", Type.CHARSTR),
        AttributeDef(0x0006, "DateCode", Type.CHARSTR),
        AttributeDef(0x0007, "PowerSource", Type.ENUM8),
        AttributeDef(0x0010, "LocationDescription", Type.CHARSTR, True),
        AttributeDef(0x0011, "PhysicalEnvironment", Type.ENUM8, True),
        AttributeDef(0x0012, "DeviceEnabled", Type.BOOL, True),
        AttributeDef(0x0013, "AlarmMask", Type.MAP8, True),
        AttributeDef(0x0014, "DisableLocalConfig", Type.MAP8, True),
    ),
    commands(command(0x00, "ResetToFactoryDefaults")),
    {},
)
IDENTIFY: Final = Cluster(
    0x0003,
    "Identify",
    attributes(AttributeDef(0x0000, "IdentifyTime", Type.U16, True)),
    commands(command(0x00, "Identify", identify_time=U16), command(0x01, "IdentifyQuery")),
    commands(command(0x00, "IdentifyQueryResponse", timeout=U16)),
)
TIME: Final = Cluster(
    0x000A,
    "Time",
    attributes(
        AttributeDef(0x0000, "Time", Type.UTC, True),
        AttributeDef(0x0001, "TimeStatus", Type.MAP8, True),
        AttributeDef(0x0002, "TimeZone", Type.S32, True),
        AttributeDef(0x0003, "DstStart", Type.U32, True),
        AttributeDef(0x0004, "DstEnd", Type.U32, True),
        AttributeDef(0x0005, "DstShift", Type.S32, True),
        AttributeDef(0x0006, "StandardTime", Type.U32),
        AttributeDef(0x0007, "LocalTime", Type.U32),
        AttributeDef(0x0008, "LastSetTime", Type.UTC),
        AttributeDef(0x0009, "ValidUntilTime", Type.UTC, True),
    ),
    {},
    {},
)
KEEP_ALIVE: Final = Cluster(
    0x0025,
    "KeepAlive",
    attributes(AttributeDef(0x0000, "TCKeepAliveBase", Type.U8), AttributeDef(0x0001, "TCKeepAliveJitter", Type.U16)),
    {},
    {},
)
