"""Device Management, Events and Key Establishment (Smart Energy annexes D.10, D.11 and C.3)."""

from __future__ import annotations

from typing import Final

from construct import Bytes

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
    rest_of,
)
from protocols.zigbee.zcl.types import Type

DEVICE_MANAGEMENT: Final = Cluster(
    0x0708,
    "DeviceManagement",
    attributes(
        AttributeDef(0x0100, "ProviderID", Type.U32),
        AttributeDef(0x0101, "ProviderName", Type.OCTSTR),
        AttributeDef(0x0102, "ProviderContactDetails", Type.OCTSTR),
    ),
    commands(
        command(0x00, "GetChangeOfTenancy"),
        command(0x01, "GetChangeOfSupplier"),
        command(0x02, "RequestNewPassword", type=U8),
        command(0x03, "GetSiteID"),
        command(
            0x04, "ReportEventConfiguration", index=U8, total=U8, events=rest_of(group(event=U16, configuration=U8))
        ),
        command(0x05, "GetCIN"),
    ),
    commands(
        command(
            0x00,
            "PublishChangeOfTenancy",
            provider=U32,
            event=U32,
            tariff_type=U8,
            implementation=UTC,
            control=U32,
        ),
        command(
            0x01,
            "PublishChangeOfSupplier",
            provider=U32,
            event=U32,
            tariff_type=U8,
            proposed=U32,
            implementation=UTC,
            control=U32,
            name=OCTSTR,
            contact=OCTSTR,
        ),
        command(
            0x02, "RequestNewPasswordResponse", event=U32, implementation=UTC, minutes=U16, type=U8, password=OCTSTR
        ),
        command(0x03, "UpdateSiteID", event=U32, implementation=UTC, provider=U32, site=OCTSTR),
        command(0x04, "SetEventConfiguration", event=U32, start=UTC, configuration=U8, control=U8, events=REST),
        command(0x05, "GetEventConfiguration", event=U16),
        command(0x06, "UpdateCIN", event=U32, implementation=UTC, provider=U32, customer=OCTSTR),
    ),
)
EVENTS: Final = Cluster(
    0x0709,
    "Events",
    {},
    commands(
        command(0x00, "GetEventLog", log_and_control=U8, event=U16, start=UTC, end=UTC, count=U8, offset=U16),
        command(0x01, "ClearEventLogRequest", log=U8),
    ),
    commands(
        command(0x00, "PublishEvent", log=U8, event=U16, time=UTC, control=U8, data=OCTSTR),
        command(
            0x01,
            "PublishEventLog",
            matching=U16,
            index=U8,
            total=U8,
            log_and_count=U8,
            events=rest_of(group(event=U16, time=UTC, data=OCTSTR)),
        ),
        command(0x02, "ClearEventLogResponse", cleared=U8),
    ),
)

_INITIATE = {"suite": U16, "ephemeral_time": U8, "confirm_time": U8, "certificate": Bytes(48)}
_TERMINATE = {"status": U8, "wait": U8, "suite": U16}
KEY_ESTABLISHMENT: Final = Cluster(
    0x0800,
    "KeyEstablishment",
    attributes(AttributeDef(0x0000, "KeyEstablishmentSuite", Type.ENUM16)),
    commands(
        command(0x00, "InitiateKeyEstablishmentRequest", **_INITIATE),
        command(0x01, "EphemeralDataRequest", ephemeral=Bytes(22)),
        command(0x02, "ConfirmKeyDataRequest", mac=Bytes(16)),
        command(0x03, "TerminateKeyEstablishment", **_TERMINATE),
    ),
    commands(
        command(0x00, "InitiateKeyEstablishmentResponse", **_INITIATE),
        command(0x01, "EphemeralDataResponse", ephemeral=Bytes(22)),
        command(0x02, "ConfirmKeyDataResponse", mac=Bytes(16)),
        command(0x03, "TerminateKeyEstablishment", **_TERMINATE),
    ),
)
