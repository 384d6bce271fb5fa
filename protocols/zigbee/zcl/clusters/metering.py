"""Metering (Smart Energy annex D.3)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from construct import Array, PrefixedArray, this

from protocols.zigbee.zcl.cluster import (
    SNAPSHOT,
    U8,
    U16,
    U24,
    U32,
    UTC,
    AttributeDef,
    Cluster,
    attributes,
    command,
    commands,
    group,
    numbered,
    rest_of,
)
from protocols.zigbee.zcl.types import Type


class SupplyStatus(IntEnum):
    """State of a supply: attribute 0x0014, and what ChangeSupply and LocalChangeSupply ask for."""

    OFF = 0
    ARMED = 1
    ON = 2


class DeviceType(IntEnum):
    """Values of MeteringDeviceType (0x0306) that GB meters and their mirrors have."""

    ELECTRICITY = 0
    GAS = 1
    MIRRORED_ELECTRICITY = 127
    MIRRORED_GAS = 128


def _periods(start: int, period: str, last: int, type: Type) -> list[AttributeDef]:
    """Consumption of the current and earlier weeks or months, delivered and received in turn."""
    names = [f"Current{period}", f"Previous{period}", *(f"Previous{period}{index}" for index in range(2, last + 1))]
    return numbered(start, 1, [f"{name}Consumption{way}" for name in names for way in _WAYS], type)


_WAYS = ("Delivered", "Received")

METERING: Final = Cluster(
    0x0702,
    "Metering",
    attributes(
        AttributeDef(0x0000, "CurrentSummationDelivered", Type.U48, False, True),
        AttributeDef(0x0001, "CurrentSummationReceived", Type.U48, False, True),
        AttributeDef(0x0002, "CurrentMaxDemandDelivered", Type.U48, False, True),
        AttributeDef(0x0003, "CurrentMaxDemandReceived", Type.U48, False, True),
        AttributeDef(0x0006, "PowerFactor", Type.S8, False, True),
        AttributeDef(0x0007, "ReadingSnapShotTime", Type.UTC, False, True),
        AttributeDef(0x0008, "CurrentMaxDemandDeliveredTime", Type.UTC, False, True),
        AttributeDef(0x0009, "CurrentMaxDemandReceivedTime", Type.UTC, False, True),
        AttributeDef(0x000A, "DefaultUpdatePeriod", Type.U8),
        AttributeDef(0x000B, "FastPollUpdatePeriod", Type.U8),
        AttributeDef(0x000C, "CurrentBlockPeriodConsumptionDelivered", Type.U48, False, True),
        AttributeDef(0x000D, "DailyConsumptionTarget", Type.U24),
        AttributeDef(0x000E, "CurrentBlock", Type.ENUM8, False, True),
        AttributeDef(0x000F, "ProfileIntervalPeriod", Type.ENUM8),
        AttributeDef(0x0014, "SupplyStatus", Type.ENUM8, False, True),
        AttributeDef(0x0020, "ActiveRegisterTierDelivered", Type.ENUM8, False, True),
        AttributeDef(0x0021, "ActiveRegisterTierReceived", Type.ENUM8, False, True),
        *numbered(0x0100, 2, [f"CurrentTier{tier}SummationDelivered" for tier in range(1, 49)], Type.U48, True),
        *numbered(0x0101, 2, [f"CurrentTier{tier}SummationReceived" for tier in range(1, 49)], Type.U48, True),
        AttributeDef(0x0200, "Status", Type.MAP8, False, True),
        AttributeDef(0x0201, "RemainingBatteryLife", Type.U8, False, True),
        AttributeDef(0x0202, "HoursInOperation", Type.U24, False, True),
        AttributeDef(0x0203, "HoursInFault", Type.U24, False, True),
        AttributeDef(0x0207, "AmbientConsumptionIndicator", Type.ENUM8, False, True),
        AttributeDef(0x0300, "UnitofMeasure", Type.ENUM8),
        AttributeDef(0x0301, "Multiplier", Type.U24),
        AttributeDef(0x0302, "Divisor", Type.U24),
        AttributeDef(0x0303, "SummationFormatting", Type.MAP8),
        AttributeDef(0x0304, "DemandFormatting", Type.MAP8),
        AttributeDef(0x0305, "HistoricalConsumptionFormatting", Type.MAP8),
        AttributeDef(0x0306, "MeteringDeviceType", Type.MAP8),
        AttributeDef(0x0307, "SiteID", Type.OCTSTR),
        AttributeDef(0x0308, "MeterSerialNumber", Type.OCTSTR),
        AttributeDef(0x0400, "InstantaneousDemand", Type.S24, False, True),
        AttributeDef(0x0401, "CurrentDayConsumptionDelivered", Type.U24, False, True),
        AttributeDef(0x0402, "CurrentDayConsumptionReceived", Type.U24, False, True),
        AttributeDef(0x0403, "PreviousDayConsumptionDelivered", Type.U24, False, True),
        AttributeDef(0x0404, "PreviousDayConsumptionReceived", Type.U24, False, True),
        AttributeDef(0x0405, "CurrentPartialProfileIntervalStartTimeDelivered", Type.UTC),
        AttributeDef(0x0406, "CurrentPartialProfileIntervalStartTimeReceived", Type.UTC),
        AttributeDef(0x0407, "CurrentPartialProfileIntervalValueDelivered", Type.U24, False, True),
        AttributeDef(0x0408, "CurrentPartialProfileIntervalValueReceived", Type.U24, False, True),
        *numbered(0x0420, 1, [f"PreviousDay{day}Consumption{way}" for day in range(2, 9) for way in _WAYS], Type.U24),
        *_periods(0x0430, "Week", 5, Type.U24),
        *_periods(0x0440, "Month", 13, Type.U32),
    ),
    commands(
        command(0x00, "GetProfile", channel=U8, end_time=UTC, periods=U8),
        command(0x01, "RequestMirrorResponse", endpoint=U16),
        command(0x02, "MirrorRemoved", endpoint=U16),
        command(0x03, "RequestFastPollMode", period=U8, minutes=U8),
        command(
            0x04,
            "ScheduleSnapshot",
            event=U32,
            index=U8,
            total=U8,
            schedules=rest_of(group(id=U8, start=UTC, schedule=U24, type=U8, cause=U32)),
        ),
        command(0x05, "TakeSnapshot", cause=U32),
        command(0x06, "GetSnapshot", earliest=UTC, latest=UTC, offset=U8, cause=U32),
        command(0x07, "StartSampling", event=U32, start=UTC, type=U8, interval=U16, maximum=U16),
        command(0x08, "GetSampledData", sample=U16, earliest=UTC, type=U8, samples=U16),
        command(0x09, "MirrorReportAttributeResponse", scheme=U8, flags=rest_of(U32)),
        command(0x0A, "ResetLoadLimitCounter", provider=U32, event=U32),
        command(
            0x0B, "ChangeSupply", provider=U32, event=U32, requested=UTC, implementation=UTC, status=U8, control=U8
        ),
        command(0x0C, "LocalChangeSupply", status=U8),
        command(0x0D, "SetSupplyStatus", event=U32, tamper=U8, depletion=U8, uncontrolled_flow=U8, load_limit=U8),
        command(
            0x0E,
            "SetUncontrolledFlowThreshold",
            provider=U32,
            event=U32,
            threshold=U16,
            unit=U8,
            multiplier=U16,
            divisor=U16,
            stabilisation=U8,
            measurement=U16,
        ),
    ),
    commands(
        command(0x00, "GetProfileResponse", end_time=UTC, status=U8, interval=U8, periods=PrefixedArray(U8, U24)),
        command(0x01, "RequestMirror"),
        command(0x02, "RemoveMirror"),
        command(0x03, "RequestFastPollModeResponse", period=U8, end_time=UTC),
        command(0x04, "ScheduleSnapshotResponse", event=U32, schedules=rest_of(group(id=U8, confirmation=U8))),
        command(0x05, "TakeSnapshotResponse", snapshot=U32, confirmation=U8),
        command(0x06, "PublishSnapshot", **SNAPSHOT),
        command(
            0x07,
            "GetSampledDataResponse",
            sample=U16,
            start=UTC,
            type=U8,
            interval=U16,
            count=U16,
            samples=Array(this.count, U24),
        ),
        command(0x08, "ConfigureMirror", event=U32, interval=U24, notify=U8, scheme=U8),
        command(0x09, "ConfigureNotificationScheme", event=U32, scheme=U8, order=U32),
        command(
            0x0A,
            "ConfigureNotificationFlags",
            event=U32,
            scheme=U8,
            attribute=U16,
            cluster=U16,
            manufacturer=U16,
            commands=PrefixedArray(U8, U8),
        ),
        command(0x0B, "GetNotifiedMessage", scheme=U8, attribute=U16, flags=U32),
        command(0x0C, "SupplyStatusResponse", provider=U32, event=U32, implementation=UTC, status=U8),
        command(0x0D, "StartSamplingResponse", sample=U16),
    ),
)
