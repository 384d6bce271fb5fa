"""Faults of the load switch and the valve: of contact, feedback and button."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from emulator.faults.fault import Culprit, End, Fault, Layer, Site
from emulator.faults.metering import ELECTRICITY, GAS, METERS, meter_of
from emulator.faults.parameters import FaultError, Number
from emulator.meter import Meter
from emulator.supply import Mechanics

_CONTACT = "contact of the supply switch"


def _break(site: Site, breaks: Callable[[Mechanics], Mechanics], mends: Callable[[Mechanics], Mechanics]) -> End:
    meter = meter_of(site)
    if meter.firmware.supply is None:
        profile = meter.firmware.name
        raise FaultError(f"{site.device.identity.device_id}: its profile {profile} has no switch of the supply")
    _change(meter, breaks)
    return lambda: _change(meter, mends)


def _change(meter: Meter, change: Callable[[Mechanics], Mechanics]) -> None:
    """Change the mechanics of the switch; the contact goes where the firmware has it as far as it can be driven.

    What its firmware sees to be wrong then is logged at once.
    """
    meter.come()
    switch, closed = meter.switch, meter.switch.closed
    meter.begin_change()
    mechanics = change(switch.mechanics or Mechanics(closed))
    mechanics.drive(closed)
    switch.mechanics = None if mechanics.whole else mechanics
    meter.follow_switch()
    if mechanics.failing(closed) and meter.mains:
        meter.record("supply_failed")


def _does_not_open(site: Site) -> End:
    return _break(site, lambda was: replace(was, opens=False), lambda was: replace(was, opens=True))


def _does_not_close(site: Site) -> End:
    return _break(site, lambda was: replace(was, closes=False), lambda was: replace(was, closes=True))


def _opens(site: Site) -> End:
    if not meter_of(site).switch.conducts:
        raise FaultError(f"{site.device.identity.device_id}: its switch is open already")
    return _break(site, lambda was: replace(was, closes=False, closed=False), lambda was: replace(was, closes=True))


def _leaks(site: Site) -> End:
    flow = site.number("flow")
    return _break(site, lambda was: replace(was, leak=flow), lambda was: replace(was, leak=0))


def _wrong_feedback(site: Site) -> End:
    return _break(site, lambda was: replace(was, feedback=False), lambda was: replace(was, feedback=True))


def _dead_button(site: Site) -> End:
    return _break(site, lambda was: replace(was, button=False), lambda was: replace(was, button=True))


FAULTS: Final = (
    Fault(
        "welded-contactor",
        Layer.SUPPLY,
        "The contact of the load switch is welded: once closed, it does not open",
        ELECTRICITY,
        _does_not_open,
        Culprit.DEVICE,
        "the meter orders the switch to open, and the contact stays closed",
        (
            "control_state says disconnected, output_state is TRUE, power flows and is counted",
            "event and alarm of a switch that has failed, with the disconnection",
        ),
        "the contact opens if the meter has it open; the alarm stays until a client clears it",
        holds=_CONTACT,
    ),
    Fault(
        "contactor-will-not-close",
        Layer.SUPPLY,
        "The load switch does not close: once open, it stays so",
        ELECTRICITY,
        _does_not_close,
        Culprit.DEVICE,
        "the meter orders the switch to close, and the contact stays open",
        (
            "control_state says connected, output_state is FALSE, and no power flows",
            "event and alarm of a switch that has failed, with the reconnection",
        ),
        "the contact closes if the meter has it closed; the alarm stays until a client clears it",
        holds=_CONTACT,
    ),
    Fault(
        "contactor-opens",
        Layer.SUPPLY,
        "The load switch has opened by itself, and does not hold when it is closed",
        ELECTRICITY,
        _opens,
        Culprit.DEVICE,
        "nobody has ordered it: the latch of the contact does not hold",
        (
            "control_state says connected, output_state is FALSE, and the supply is gone",
            "event and alarm of a switch that has failed",
        ),
        "the contact closes if the meter has it closed; the alarm stays until a client clears it",
        holds=_CONTACT,
    ),
    Fault(
        "valve-stuck-open",
        Layer.SUPPLY,
        "The valve is stuck: once open, it does not shut",
        GAS,
        _does_not_open,
        Culprit.DEVICE,
        "the meter orders the valve to shut, and it stays open",
        (
            "control_state says disconnected, output_state is TRUE, gas flows and is counted",
            "event and alarm of a valve that has failed, with the disconnection",
        ),
        "the valve shuts if the meter has it shut; the alarm stays until a client clears it",
        holds=_CONTACT,
    ),
    Fault(
        "valve-stuck-closed",
        Layer.SUPPLY,
        "The valve is stuck: once shut, it does not open",
        GAS,
        _does_not_close,
        Culprit.DEVICE,
        "the meter orders the valve to open, and it stays shut",
        (
            "control_state says connected, output_state is FALSE, and no gas flows",
            "event and alarm of a valve that has failed, with the reconnection",
        ),
        "the valve opens if the meter has it open; the alarm stays until a client clears it",
        holds=_CONTACT,
    ),
    Fault(
        "valve-leaks",
        Layer.SUPPLY,
        "The valve is not tight: shut, it lets gas through",
        GAS,
        _leaks,
        Culprit.DEVICE,
        "the valve is where it should be, and does not seal",
        (
            "output_state is FALSE, and a small flow is shown and counted",
            "event and alarm of a valve that has failed, with the disconnection or at once when it is shut",
        ),
        "the valve is tight; the alarm stays until a client clears it",
        (Number("flow", "What it lets through", "dm3/h", 1, 1000, 20),),
    ),
    Fault(
        "feedback-contact-wrong",
        Layer.SUPPLY,
        "The feedback of the switch says the contrary of where it is",
        METERS,
        _wrong_feedback,
        Culprit.DEVICE,
        "the switch is where the meter wants it; its feedback contact is wrong",
        (
            "output_state contradicts control_state, and power or flow contradict output_state",
            "event and alarm of a switch that has failed, at once and with each move",
        ),
        "output_state follows; the alarm stays until a client clears it",
    ),
    Fault(
        "dead-supply-button",
        Layer.SUPPLY,
        "The customer's button at the meter does nothing",
        METERS,
        _dead_button,
        Culprit.DEVICE,
        "the supply is armed and waits for a button that does not make contact",
        (
            "the switch stays armed however often the button is pressed",
            "a display that can close it still does",
        ),
        "the button works at its next press",
    ),
)
"""Faults of the load switch and the valve."""
