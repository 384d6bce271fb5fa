"""Quantities that Smart Energy shows and COSEM objects do not: clock, supply, tariff, days and money in ZCL's terms.

Money is in millipence (1e-5 GBP). Times are seconds since 2000.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from emulator.cosem.model import Quantity
from emulator.load import MICRO
from emulator.prepayment.money import POUND
from emulator.prepayment.quantities import account_of
from emulator.prepayment.tokens import Delivery
from emulator.quantities import SECONDS_2000
from emulator.supply import ControlState
from emulator.tariff import CALENDAR_CLASS
from emulator.time import SECOND
from protocols.dlms import axdr, datetime
from protocols.zigbee.zcl.clusters.metering import SupplyStatus
from protocols.zigbee.zcl.clusters.prepayment import CreditStatus, OriginatingDevice

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.electricity import ElectricityMeter
    from emulator.gas import GasMeter
    from emulator.meter import Meter

NO_TIME = 0xFFFF_FFFF
"""A time that is not available."""
MASTER, SYNCHRONISED, MASTER_ZONE, SUPERSEDING = 0x01, 0x02, 0x04, 0x08
"""Bits of TimeStatus (ZCL 3.12.2.2.2)."""
DISCONNECTION, PREPAYING, CREDIT, CREDIT_DISPLAY, SWITCH_FITTED = 0x0001, 0x0002, 0x0004, 0x0010, 0x0080
"""Bits of PaymentControlConfiguration (Smart Energy D.7.2.2.1.1)."""
RECOVERY_PERIODS: Mapping[int, int] = {0: 3600, 1: 86_400, 2: 7 * 86_400, 3: 2_629_800, 4: 7_889_400}
"""Seconds between two recoveries of a debt, by RecoveryFrequency: an hour, day, week, month, quarter."""
DEBTS = ("debt_1", "debt_2", "debt_payment")
_LOW_MV = 3_200
_SUPPLY = {
    ControlState.DISCONNECTED: SupplyStatus.OFF,
    ControlState.READY_FOR_RECONNECTION: SupplyStatus.ARMED,
    ControlState.CONNECTED: SupplyStatus.ON,
}
_ORIGIN = {
    Delivery.REMOTE: OriginatingDevice.ESI,
    Delivery.LOCAL: OriginatingDevice.DISPLAY,
    Delivery.MANUAL: OriginatingDevice.METER,
}
_DAYS = 9
_ROLL_OVER = 1 << 32  # of registers, in the rows of profiles
"""Midnights that days and days before them lie between."""
_TAMPER, _LOW_BATTERY, _DISCONNECTED = 0x04, 0x02, 0x40


def zigbee_time(utc: int) -> int:
    """Seconds since 2000 of UTC in ns; "not available" for a time out of range."""
    seconds = utc // SECOND - SECONDS_2000
    return seconds if 0 <= seconds < NO_TIME else NO_TIME


def utc_of(seconds: int) -> int:
    """UTC in ns of seconds since 2000."""
    return (seconds + SECONDS_2000) * SECOND


# --- time


def _time_status(master: int) -> Callable[[Device], int]:
    return lambda device: master | (0 if device.device_clock.invalid else SYNCHRONISED)


def _zone(device: Device) -> int:
    return -60 * device.device_clock.time_zone


def _standard(device: Device) -> int:
    return _shifted(device, _zone(device))


def _local(device: Device) -> int:
    seconds = device.local - SECONDS_2000
    return seconds if 0 <= seconds < NO_TIME else NO_TIME


def _shifted(device: Device, seconds: int) -> int:
    return zigbee_time(device.utc + seconds * SECOND)


def _dst(which: int) -> Callable[[Device], int]:
    def read(device: Device) -> int:
        clock = device.device_clock
        changes = clock.changes(device.utc // SECOND) if clock.dst_enabled else None
        return NO_TIME if changes is None else zigbee_time(changes[which] * SECOND)

    return read


def _last_set(device: Device) -> int:
    at = device.device_clock.last_set
    return zigbee_time(at) if at else NO_TIME


def _clock(master: int) -> dict[str, Quantity]:
    return {
        "time.status": Quantity("u8", _time_status(master)),
        "time.zone": Quantity("i32", _zone),
        "time.dst_start": Quantity("u32", _dst(0)),
        "time.dst_end": Quantity("u32", _dst(1)),
        "time.dst_shift": Quantity("i32", lambda device: 60 * device.device_clock.dst_deviation),
        "time.standard": Quantity("u32", _standard),
        "time.local": Quantity("u32", _local),
        "time.last_set": Quantity("u32", _last_set),
    }


# --- metering


def supply_status(meter: Meter) -> SupplyStatus:
    """Whether the supply is on, off, or off and armed."""
    return _SUPPLY[meter.switch.state]


def tier(meter: Meter) -> int:
    """Number of the tariff register that counts, from 1; 0 for none."""
    registers = meter.metering.registers
    return registers[0] + 1 if registers else 0


def _midnight(meter: Meter, day: int) -> int | None:
    """The register of import at the beginning of a local day since 1970, None where the daily profile has no such row.

    As long as the profile's rows are not made, they are not made for this.
    """
    if "daily" not in meter.firmware.buffers:
        return None
    mark = meter.midnight(day)
    return _rows(meter).get(day) if mark is None else mark


def _rows(meter: Meter) -> dict[int, int]:
    """What the rows of the daily profile say that are made, the newest nine, by local day."""
    buffer, clock = meter.buffer("daily"), meter.device_clock
    newest = buffer.count - 1
    found: dict[int, int] = {}
    for number in range(newest, max(newest - _DAYS, -1), -1):
        at, register, *_ = axdr.decode_all(buffer.row(number)).elements
        if isinstance(at.value, bytes) and isinstance(register.value, int):
            seconds = clock.unpack(at.value) // SECOND
            found[(seconds - clock.deviation(seconds) * 60) // datetime.DAY] = register.value
    return found


def _day(back: int, total: Callable[[Any], int]) -> Quantity:
    """What was counted on this day (0) or one before it; not available where a midnight of it was missed."""

    def read(meter: Meter) -> int:
        day = meter.local // datetime.DAY - back
        begin = _midnight(meter, day)
        end = _midnight(meter, day + 1) if back else total(meter)
        return -1 if begin is None or end is None else (end - begin) % _ROLL_OVER

    return Quantity("i64", read)


def _daily(total: Callable[[Any], int]) -> dict[str, Quantity]:
    return {f"day.{back}": _day(back, total) for back in range(9)}


def _maximum(meter: Meter) -> int:
    demand = meter.demand
    if demand is None:
        return -1
    demand.update(meter.metering, meter.device_clock, meter.time)
    return demand.maximum


def _maximum_at(meter: Meter) -> int:
    return zigbee_time(meter.demand.maximum_at) if _maximum(meter) > 0 and meter.demand else NO_TIME


def _power(meter: ElectricityMeter) -> int:
    return meter.power // MICRO


def _electricity_status(meter: ElectricityMeter) -> int:
    """Status of an electricity meter: tamper, and the supply being disconnected."""
    return (_TAMPER if meter.open_covers else 0) | (0 if meter.switch.closed else _DISCONNECTED)


def _gas_status(meter: GasMeter) -> int:
    """Status of a gas meter: low battery and tamper."""
    return (_LOW_BATTERY if meter.battery_voltage < _LOW_MV else 0) | (_TAMPER if meter.open_covers else 0)


def _battery(meter: GasMeter) -> int:
    life = meter.firmware.sleep.battery_life_days if meter.firmware.sleep else 0
    return 100 * meter.battery_days // life if life else -1


def calendar_name(meter: Meter) -> bytes:
    """Name of the active calendar, no octets without one."""
    items = meter.firmware.model.by_class.get(CALENDAR_CLASS)
    if not items:
        return b""
    name = axdr.decode_all(meter.internal.read(CALENDAR_CLASS.to_bytes(2, "big") + items[0].logical_name + b"\x02"))
    return bytes(cast("bytes", name.value))


# --- money


def _payment_control(meter: Meter) -> int:
    account = account_of(meter)
    mode = PREPAYING | DISCONNECTION if account.prepaying else CREDIT
    return mode | CREDIT_DISPLAY | SWITCH_FITTED


def _credit_status(meter: Meter) -> int:
    """CreditStatus: its bits are those of class 111 in the same order (``prepayment.CreditStatus``)."""
    bits = account_of(meter).statement.credit_status[: len(CreditStatus)]
    return sum(1 << place for place, bit in enumerate(bits) if bit == "1")


def _limit(name: str) -> Quantity:
    return Quantity("i32", lambda meter: account_of(meter).limit(name))


def _debt(name: str) -> Quantity:
    return Quantity("i32", lambda meter: account_of(meter).charges[name].remaining)


def _debt_amount(name: str) -> Quantity:
    return Quantity("i64", lambda meter: account_of(meter).charges[name].active.amount)


def _debt_frequency(name: str) -> Quantity:
    """RecoveryFrequency of a debt that is recovered by time; not available for a period that has no number."""

    def read(meter: Meter) -> int:
        period = account_of(meter).charges[name].period
        return next((number for number, seconds in RECOVERY_PERIODS.items() if seconds == period), 0xFF)

    return Quantity("u8", read)


def _debt_collected(name: str) -> Quantity:
    """The proportion of each payment, hundredths of a per cent."""
    return Quantity("i32", lambda meter: account_of(meter).charges[name].proportion)


def rates(meter: Meter) -> int:
    """How many rates have a price of their own."""
    account = account_of(meter)
    first_block = account.settings.first_block_price
    return sum(index[0] < first_block for index, _ in account.charges["consumption"].active.prices)


def _accumulated(meter: Meter) -> int:
    account = account_of(meter)
    account.fold()
    return account.books.accumulated


def _top_up_time(meter: Meter) -> int:
    accepted = account_of(meter).tokens.accepted
    return zigbee_time(accepted[0]) if accepted else NO_TIME


def _top_up_amount(meter: Meter) -> int:
    accepted = account_of(meter).tokens.accepted
    return accepted[1] if accepted else -(1 << 31)


def _top_up_origin(meter: Meter) -> int:
    tokens = account_of(meter).tokens
    return _ORIGIN[tokens.delivery] if tokens.accepted else 0xFF


_MONEY: dict[str, Quantity] = {
    "account.control": Quantity("u16", _payment_control),
    "account.balance": Quantity("i32", lambda meter: account_of(meter).balance),
    "account.emergency": Quantity("i32", lambda meter: account_of(meter).statement.emergency_left),
    "account.status": Quantity("u8", _credit_status),
    "account.accumulated_debt": Quantity("i32", _accumulated),
    "account.debt_cap": Quantity("i64", lambda meter: account_of(meter).limit("debt_cap") * POUND),
    "account.credited": Quantity("i64", lambda meter: account_of(meter).books.credited),
    "account.emergency_limit": _limit("emergency_limit"),
    "account.emergency_threshold": _limit("emergency_threshold"),
    "account.max_balance": _limit("max_balance"),
    "account.max_credit": _limit("max_credit"),
    "account.low_credit": _limit("low_credit"),
    "account.disablement": _limit("disablement"),
    **{f"account.{name}": _debt(name) for name in DEBTS},
    **{f"account.{name}.amount": _debt_amount(name) for name in DEBTS},
    "account.debt_1.frequency": _debt_frequency("debt_1"),
    "account.debt_2.frequency": _debt_frequency("debt_2"),
    "account.debt_payment.proportion": _debt_collected("debt_payment"),
    "top_up.time": Quantity("u32", _top_up_time),
    "top_up.amount": Quantity("i32", _top_up_amount),
    "top_up.origin": Quantity("u8", _top_up_origin),
}

_METER: dict[str, Quantity] = {
    **_clock(0),
    **_MONEY,
    "supply.status": Quantity("u8", supply_status),
    "tariff.tier": Quantity("u8", tier),
    "tariff.tiers": Quantity("u8", rates),
    "tariff.label": Quantity("oct", calendar_name),
    "price.standing": Quantity("i64", lambda meter: account_of(meter).charges["standing"].active.amount),
}


def _whole(meter: Meter) -> int:
    return meter.metering.total(0, meter.time)


SOURCES: Mapping[str, Mapping[str, Quantity]] = {
    "electricity meter": {
        **_METER,
        **_daily(_whole),
        "demand.maximum": Quantity("i64", _maximum),
        "demand.maximum_at": Quantity("u32", _maximum_at),
        "power.net": Quantity("i64", _power),
        "power_factor.percent": Quantity("i16", lambda meter: meter.power_factor // 10),
        "meter.status": Quantity("u8", _electricity_status),
    },
    "gas meter": {
        **_METER,
        **_daily(_whole),
        "meter.status": Quantity("u8", _gas_status),
        "battery.percent": Quantity("i16", _battery),
    },
    "communications hub": _clock(MASTER | MASTER_ZONE | SUPERSEDING),
}
"""By the name of a kind of device, and of the quantity."""
