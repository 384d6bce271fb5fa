"""Prepayment (Smart Energy annex D.7). Attribute types of the debts and the cost history are not checked by a peer."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

from protocols.zigbee.zcl.cluster import (
    OCTSTR,
    S32,
    SNAPSHOT,
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
    tail,
)
from protocols.zigbee.zcl.types import Type


class CreditStatus(IntFlag):
    """Bits of CreditStatus (attribute 0x0003)."""

    OK = 0x01
    LOW = 0x02
    EMERGENCY_ENABLED = 0x04
    EMERGENCY_AVAILABLE = 0x08
    EMERGENCY_SELECTED = 0x10
    EMERGENCY_IN_USE = 0x20
    EXHAUSTED = 0x40


class OriginatingDevice(IntEnum):
    """Where a token or an order of the customer comes from."""

    ESI = 0
    METER = 1
    DISPLAY = 2


class TopUpResult(IntEnum):
    """Results of ConsumerTopUpResponse."""

    ACCEPTED = 0x00
    INVALID = 0x01
    DUPLICATE = 0x02
    ERROR = 0x03
    MAX_CREDIT = 0x04
    KEYPAD_LOCK = 0x05
    TOO_LARGE = 0x06
    SUPPLY_ENABLED = 0x10
    SUPPLY_DISABLED = 0x11
    SUPPLY_ARMED = 0x12


_ORDER = {"provider": U32, "event": U32, "implementation": UTC}
_TOP_UP = (("DateTime", Type.UTC), ("Amount", Type.S32), ("OriginatingDevice", Type.ENUM8), ("Code", Type.OCTSTR))
_DEBT = (
    (0, "Label", Type.OCTSTR),
    (1, "Amount", Type.U32),
    (2, "RecoveryMethod", Type.ENUM8),
    (3, "RecoveryStartTime", Type.UTC),
    (4, "RecoveryCollectionTime", Type.U16),
    (6, "RecoveryFrequency", Type.ENUM8),
    (7, "RecoveryAmount", Type.U32),
    (9, "RecoveryTopUpPercentage", Type.U16),
)

PREPAYMENT: Final = Cluster(
    0x0705,
    "Prepayment",
    attributes(
        AttributeDef(0x0000, "PaymentControlConfiguration", Type.MAP16, False, True),
        AttributeDef(0x0001, "CreditRemaining", Type.S32, False, True),
        AttributeDef(0x0002, "EmergencyCreditRemaining", Type.S32, False, True),
        AttributeDef(0x0003, "CreditStatus", Type.MAP8, False, True),
        AttributeDef(0x0004, "CreditRemainingTimeStamp", Type.UTC, False, True),
        AttributeDef(0x0005, "AccumulatedDebt", Type.S32, False, True),
        AttributeDef(0x0006, "OverallDebtCap", Type.S32, False, True),
        AttributeDef(0x0010, "EmergencyCreditLimitAllowance", Type.U32, False, True),
        AttributeDef(0x0011, "EmergencyCreditThreshold", Type.U32, False, True),
        AttributeDef(0x0020, "TotalCreditAdded", Type.U48, False, True),
        AttributeDef(0x0021, "MaxCreditLimit", Type.U32, False, True),
        AttributeDef(0x0022, "MaxCreditPerTopUp", Type.U32, False, True),
        AttributeDef(0x0031, "LowCreditWarning", Type.U32, False, True),
        AttributeDef(0x0040, "CutOffValue", Type.S32, False, True),
        AttributeDef(0x0080, "TokenCarrierID", Type.OCTSTR),
        *(
            AttributeDef(0x0100 + 0x10 * index + place, f"TopUp{name}{index + 1}", type)
            for index in range(5)
            for place, (name, type) in enumerate(_TOP_UP)
        ),
        *(
            AttributeDef(0x0210 + 0x10 * index + place, f"Debt{name}{index + 1}", type)
            for index in range(3)
            for place, name, type in _DEBT
        ),
        AttributeDef(0x0400, "PrepaymentAlarmStatus", Type.MAP16),
        AttributeDef(0x0401, "PrepayGenericAlarmMask", Type.MAP16),
        AttributeDef(0x0402, "PrepaySwitchAlarmMask", Type.MAP16),
        AttributeDef(0x0403, "PrepayEventAlarmMask", Type.MAP16),
        AttributeDef(0x0500, "HistoricalCostConsumptionFormatting", Type.MAP8),
        AttributeDef(0x0501, "ConsumptionUnitofMeasurement", Type.ENUM8),
        AttributeDef(0x0502, "CurrencyScalingFactor", Type.ENUM8),
        AttributeDef(0x0503, "Currency", Type.U16),
    ),
    commands(
        command(0x00, "SelectAvailableEmergencyCredit", time=UTC, device=U8, **tail(site=OCTSTR, serial_number=OCTSTR)),
        command(
            0x02,
            "ChangeDebt",
            event=U32,
            label=OCTSTR,
            amount=S32,
            method=U8,
            type=U8,
            start=UTC,
            collection_time=U16,
            frequency=U8,
            recovery_amount=S32,
            percentage=U16,
        ),
        command(0x03, "EmergencyCreditSetup", event=U32, start=UTC, limit=U32, threshold=U32),
        command(0x04, "ConsumerTopUp", device=U8, code=OCTSTR),
        command(0x05, "CreditAdjustment", event=U32, start=UTC, type=U8, amount=S32),
        command(0x06, "ChangePaymentMode", **_ORDER, control=U16, cut_off=S32),
        command(0x07, "GetPrepaySnapshot", earliest=UTC, latest=UTC, offset=U8, cause=U32),
        command(0x08, "GetTopUpLog", latest=UTC, count=U8),
        command(0x09, "SetLowCreditWarningLevel", level=U32),
        command(0x0A, "GetDebtRepaymentLog", latest=UTC, count=U8, type=U8),
        command(0x0B, "SetMaximumCreditLimit", **_ORDER, level=U32, per_top_up=U32),
        command(0x0C, "SetOverallDebtCap", **_ORDER, cap=S32),
    ),
    commands(
        command(0x01, "PublishPrepaySnapshot", **SNAPSHOT),
        command(
            0x02,
            "ChangePaymentModeResponse",
            friendly_credit=U8,
            friendly_calendar=U32,
            emergency_limit=U32,
            emergency_threshold=U32,
        ),
        command(0x03, "ConsumerTopUpResponse", result=U8, value=S32, source=U8, credit=S32),
        command(0x05, "PublishTopUpLog", index=U8, total=U8, top_ups=rest_of(group(code=OCTSTR, amount=S32, time=UTC))),
        command(
            0x06,
            "PublishDebtLog",
            index=U8,
            total=U8,
            repayments=rest_of(group(time=UTC, amount=U32, type=U8, outstanding=U32)),
        ),
    ),
)
