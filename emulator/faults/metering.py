"""Faults of metering: elements and registers that are wrong, tampering, and a supply or installation that is wrong."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from emulator.device import Cover
from emulator.electricity import ElectricityMeter
from emulator.faults.fault import Culprit, End, Fault, Layer, Site
from emulator.faults.parameters import FaultError, Number
from emulator.gas import GasMeter
from emulator.load import MICRO, UNIT
from emulator.measuring import Pulses, Raised, Scaled, Turned, Uncounted
from emulator.meter import Meter

if TYPE_CHECKING:
    from emulator.events import EventName
    from emulator.measuring import Distortion

ELECTRICITY: Final = ("electricity",)
GAS: Final = ("gas",)
METERS: Final = (*ELECTRICITY, *GAS)
_COVERED = ("hub", *METERS)
_VOLTAGE = "voltage at the meter"
_ROLL_OVER = 1 << 32  # of a register of 32 bits
_WHOLE = 1000
_DECIVOLT, _VOLT = 100, 1000  # mV


def meter_of(site: Site) -> Meter:
    """The meter at which a fault of ``METERS`` acts."""
    assert isinstance(site.device, Meter)
    return site.device


def _electricity_meter(site: Site) -> ElectricityMeter:
    assert isinstance(site.device, ElectricityMeter)
    return site.device


# --- the measuring element


def _distort(site: Site, distortion: Distortion) -> End:
    return meter_of(site).distort(distortion)


def _creep(site: Site) -> End:
    rate = site.number("rate") * MICRO
    return _distort(site, lambda load: Raised(load, rate))


def _gain(site: Site) -> End:
    per_mille = _WHOLE + site.number("per_mille")
    return _distort(site, lambda load: Scaled(load, per_mille))


def _bypass(site: Site) -> End:
    per_mille = _WHOLE - site.number("per_mille")
    return _distort(site, lambda load: Scaled(load, per_mille))


def _lost_pulses(site: Site) -> End:
    pulse, lost = site.number("pulse"), site.number("per_mille")
    return _distort(site, lambda load: Pulses(load, pulse, lost))


def _reversed(site: Site) -> End:
    return _noticed(site, Turned, "current_reversed", "current_forward")


def _magnet(site: Site) -> End:
    per_mille = site.number("per_mille")
    return _noticed(site, lambda load: Scaled(load, per_mille), "magnetic_field", "magnetic_field_gone")


def _noticed(site: Site, distortion: Distortion, begins: EventName, ends: EventName) -> End:
    """A distortion whose beginning and end the meter notices."""
    meter = meter_of(site)
    mend = meter.distort(distortion)
    meter.notice(begins)

    def end() -> None:
        mend()
        meter.notice(ends)

    return end


# --- registers


def _stuck_register(site: Site) -> End:
    return _distort(site, Uncounted)


def _roll_over(site: Site) -> End:
    meter = meter_of(site)

    def displace(units: int) -> None:
        meter.come()
        meter.begin_change()
        meter.metering.go_wrong(replace(meter.metering.wrongs, displaced=units * UNIT))

    meter.come()
    counted = meter.metering.imported(meter.time) // UNIT
    displace((-site.number("within") - counted) % _ROLL_OVER)
    return lambda: displace(0)


def _wrong_tariff_register(site: Site) -> End:
    meter = meter_of(site)
    meter.come()
    if meter.metering.rates < 2 or not meter.metering.registers:
        raise FaultError(f"{site.device.identity.device_id}: none of several tariff registers counts at present")

    def lead_astray(by: int) -> None:
        meter.come()
        meter.begin_change()
        meter.metering.go_wrong(replace(meter.metering.wrongs, astray=by))
        with suppress(ValueError):  # its plan has the mask no longer: the next one that comes into force counts right
            meter.select_mask(meter.metering.mask)
        meter.money_changed()

    lead_astray(site.number("by"))
    return lambda: lead_astray(0)


def _stuck_demand(site: Site) -> End:
    meter = meter_of(site)
    demand = meter.demand
    if demand is None:
        raise FaultError(f"{site.device.identity.device_id}: its profile {meter.firmware.name} has no demand register")

    def stick(average: int | None) -> None:
        meter.settle()
        meter.begin_change()
        meter.metering.go_wrong(replace(meter.metering.wrongs, demand=average))

    meter.settle()
    stick(demand.current(meter.metering, meter.device_clock, meter.time))
    return lambda: stick(None)


# --- covers


def _open_cover(site: Site) -> End:
    return _open(site, Cover.METER)


def _open_terminal_cover(site: Site) -> End:
    return _open(site, Cover.TERMINAL)


def _open(site: Site, cover: Cover) -> End:
    device = site.device
    if cover in device.open_covers:
        raise FaultError(f"{device.identity.device_id}: its {cover.value} is open already")
    device.settle()
    device.open_cover(cover)

    def end() -> None:
        device.settle()
        device.close_cover(cover)

    return end


# --- the supply up to the meter, and the installation behind it


def _voltage(site: Site) -> End:
    return _disturb(_electricity_meter(site), site.number("voltage") * _VOLT)


def _disturb(meter: ElectricityMeter, millivolts: int) -> End:
    cause = object()
    meter.disturb_voltage(cause, millivolts)
    return lambda: meter.disturb_voltage(cause, None)


def _neutral(site: Site) -> End:
    meter, per_mille = _electricity_meter(site), site.number("per_mille")
    meter.settle()
    calm = _disturb(meter, meter.voltage * per_mille // _WHOLE // _DECIVOLT * _DECIVOLT)
    mend = meter.distort(lambda load: Scaled(load, per_mille))

    def end() -> None:
        mend()
        calm()

    return end


def _leakage(site: Site) -> End:
    rate = site.number("power") * MICRO
    return _distort(site, lambda load: Raised(load, rate))


def _gas_leak(site: Site) -> End:
    meter, flow = site.device, site.number("flow")
    assert isinstance(meter, GasMeter)
    meter.open_tap += flow
    mend = meter.distort(lambda load: Raised(load, flow * MICRO))

    def end() -> None:
        meter.open_tap = max(0, meter.open_tap - flow)
        mend()

    return end


_NOT_COUNTED = "it counts what flows; what was counted wrongly stays so"

FAULTS: Final = (
    Fault(
        "creep",
        Layer.METERING,
        "The meter counts although nothing is drawn",
        METERS,
        _creep,
        Culprit.DEVICE,
        "the meter counts more than flows: so much all the time while the supply is on",
        ("import rises and power (flow) is shown without a load", "a prepayment meter takes money for it"),
        _NOT_COUNTED,
        (Number("rate", "What it counts too much", "W, or dm3 an hour", 1, 1000, 25),),
    ),
    Fault(
        "gain-error",
        Layer.METERING,
        "The meter counts too much or too little in proportion to the load",
        METERS,
        _gain,
        Culprit.DEVICE,
        "the meter's measuring element is out of its accuracy class",
        ("registers, power (flow) and demand are all off by the same proportion",),
        _NOT_COUNTED,
        (Number("per_mille", "What it counts too much, or too little below 0", "per mille", -999, 1000, 50),),
    ),
    Fault(
        "stuck-register",
        Layer.METERING,
        "The registers stand still while power is shown",
        METERS,
        _stuck_register,
        Culprit.DEVICE,
        "the meter measures and does not count",
        (
            "power (flow) is right; registers, demand and the rows of profiles show that nothing was taken",
            "a prepayment meter takes no money for it",
        ),
        "it counts on from where it stood; what flowed meanwhile was never counted",
    ),
    Fault(
        "register-roll-over",
        Layer.METERING,
        "The register of import is about to roll over",
        METERS,
        _roll_over,
        Culprit.DEVICE,
        "the register has 32 bits and has come to their end; intervals, tariff registers and money go on as ever",
        ("the register goes from 4294967295 to 0", "its rows in daily and monthly profiles fall"),
        "the register shows what was counted; rows made meanwhile stay",
        (Number("within", "What is left until it rolls over", "Wh, or dm3", 1, 1_000_000, 100),),
    ),
    Fault(
        "wrong-tariff-register",
        Layer.METERING,
        "What belongs into one tariff register is counted in another",
        METERS,
        _wrong_tariff_register,
        Culprit.DEVICE,
        "the mask in force counts in the wrong register, and energy costs what that rate costs",
        ("another tariff register rises than the calendar says", "their sum is right"),
        "the right register counts; what was counted in the wrong one stays there",
        (Number("by", "How many registers past the right one", "registers", 1, 3, 1),),
    ),
    Fault(
        "stuck-demand",
        Layer.METERING,
        "The demand register stands still",
        ELECTRICITY,
        _stuck_demand,
        Culprit.DEVICE,
        "the meter closes its demand periods and does not enter what they had",
        ("average, last and maximum demand stay while the load changes", "energy is right"),
        "it follows from the period under way; a maximum that it missed stays missed",
    ),
    Fault(
        "lost-pulses",
        Layer.METERING,
        "Pulses between the meter's movement and its electronics are lost",
        GAS,
        _lost_pulses,
        Culprit.DEVICE,
        "the index on the movement is ahead of the register",
        ("the volume rises in steps of a pulse, and by less than what flows", "the flow is right"),
        "every pulse is counted; those that were lost stay lost",
        (
            Number("per_mille", "Pulses of a thousand that are lost", "per mille", 1, _WHOLE, 100),
            Number("pulse", "Volume of one", "dm3", 1, 1000, 10),
        ),
    ),
    Fault(
        "reverse-energy",
        Layer.METERING,
        "The meter is connected the wrong way round",
        ELECTRICITY,
        _reversed,
        Culprit.INSTALLER,
        "mains and load are exchanged at its terminals",
        ("export rises while energy is taken, import stands", "event and alarm of a reversed current"),
        "it counts import again, and the alarm is over; what was counted as export stays there",
        holds="direction of the current",
    ),
    Fault(
        "bypass",
        Layer.METERING,
        "Part of the load goes round the meter",
        METERS,
        _bypass,
        Culprit.CUSTOMER,
        "somebody has led a part of what the premises draw past the meter",
        ("registers and power (flow) show less than is drawn", "no event: the meter cannot know"),
        "all goes through the meter; what went round it was never counted",
        (Number("per_mille", "Part of the load that is not measured", "per mille", 1, _WHOLE, 500),),
    ),
    Fault(
        "magnetic-field",
        Layer.METERING,
        "A strong magnet is at the meter",
        METERS,
        _magnet,
        Culprit.CUSTOMER,
        "somebody holds a magnet at the meter, which counts but part of what flows",
        ("event and alarm of a magnetic field", "registers and power (flow) show less than is drawn"),
        "the field is gone, which is logged, and the alarm is over; what was not counted never will be",
        (Number("per_mille", "Part of the load that is still measured", "per mille", 0, _WHOLE, 600),),
    ),
    Fault(
        "cover-opened",
        Layer.METERING,
        "The cover of a meter or hub is open",
        _COVERED,
        _open_cover,
        Culprit.CUSTOMER,
        "somebody has opened it",
        ("an event in the fraud log", "the alarm of the cover"),
        "it is closed, which is logged, and the alarm is over",
        holds="cover",
    ),
    Fault(
        "terminal-cover-opened",
        Layer.METERING,
        "The terminal cover is open",
        ELECTRICITY,
        _open_terminal_cover,
        Culprit.CUSTOMER,
        "somebody has opened it",
        ("an event in the fraud log", "the alarm of the terminal cover"),
        "it is closed, which is logged, and the alarm is over",
        holds="terminal cover",
    ),
    Fault(
        "neutral-disturbance",
        Layer.METERING,
        "The meter's neutral is disturbed, and the load returns another way",
        ELECTRICITY,
        _neutral,
        Culprit.CUSTOMER,
        "the meter measures the right current with a part of the voltage",
        ("voltage, power and energy are low by the same proportion", "event and alarm of a low voltage"),
        "the voltage is right, which is logged, and the alarm is over; what was not counted never will be",
        (Number("per_mille", "Part of the voltage that the meter has", "per mille", 300, 800, 500),),
        holds=_VOLTAGE,
    ),
    Fault(
        "over-voltage",
        Layer.METERING,
        "The network's voltage is too high",
        ELECTRICITY,
        _voltage,
        Culprit.NETWORK_OPERATOR,
        "the meter is right; the voltage that arrives is too high",
        ("the voltage is above its threshold", "its event, counter and alarm"),
        "the voltage is right, which is logged, and the alarm is over",
        (Number("voltage", "RMS voltage", "V", 254, 440, 280),),
        holds=_VOLTAGE,
    ),
    Fault(
        "under-voltage",
        Layer.METERING,
        "The network's voltage is too low",
        ELECTRICITY,
        _voltage,
        Culprit.NETWORK_OPERATOR,
        "the meter is right; the voltage that arrives is too low",
        ("the voltage is below its threshold", "its event, counter and alarm"),
        "the voltage is right, which is logged, and the alarm is over",
        (Number("voltage", "RMS voltage", "V", 110, 215, 180),),
        holds=_VOLTAGE,
    ),
    Fault(
        "leakage",
        Layer.METERING,
        "Current leaks to earth in the installation behind the meter",
        ELECTRICITY,
        _leakage,
        Culprit.CUSTOMER,
        "the meter is right; the installation takes so much all the time while the supply is on",
        ("power does not fall below it when all appliances are off", "import rises, day and night"),
        "the installation is mended; what leaked has been counted and is owed",
        (Number("power", "What leaks", "W", 1, 10_000, 60),),
    ),
    Fault(
        "gas-leak",
        Layer.METERING,
        "Gas leaks in the installation behind the meter",
        GAS,
        _gas_leak,
        Culprit.CUSTOMER,
        "the meter is right; the installation takes so much all the time while the valve is open",
        ("the flow does not fall below it, day and night", "the valve test fails, and the valve shuts again"),
        "the installation is mended; what leaked has been counted and is owed",
        (Number("flow", "What leaks", "dm3/h", 1, 10_000, 30),),
    ),
)
"""Faults of metering."""
