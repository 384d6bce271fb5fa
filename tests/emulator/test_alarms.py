"""Error and alarm registers, covers, and what tells of them: logs, the alarm filter, pushes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulator.device import Cover
from emulator.electricity import ElectricityMeter
from emulator.premises import Premises
from emulator.push import MAX_WAITING
from emulator.time import DAY, HOUR, MINUTE, SECOND, Clock
from protocols.dlms import axdr
from protocols.dlms.client import AssociationRejected
from protocols.dlms.datetime import pack_utc

from .conftest import START, Hand, Talker, settings_of

Esme = Callable[..., ElectricityMeter]
Home = Callable[..., Premises]
ERRORS, ALARMS, FILTER, PUSH = "0-0:97.97.0", "0-0:97.98.0", "0-0:97.98.10", "0-0:25.9.0"
STANDARD, FRAUD, COMMUNICATION, SYNC = (f"0-0:99.98.{number}" for number in (0, 1, 5, 30))
CLOCK_INVALID, COVER, TERMINAL, AUTHENTICATION = 1, 1 << 13, 1 << 14, 1 << 15
TO_TCP = axdr.structure(axdr.enum_(0), axdr.octets(b"head-end:4059"), axdr.enum_(0))


def codes(hand: Hand, log: str) -> list[int]:
    return [row[1] for row in hand.rows(log)]


def test_covers_are_logged_once_and_alarmed_until_closed(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme()
    reader = hand(meter)
    meter.open_cover()
    meter.open_cover()
    meter.open_cover(Cover.TERMINAL)
    assert reader.get(1, ALARMS) == COVER | TERMINAL
    meter.close_cover()
    meter.close_cover()
    assert reader.get(1, ALARMS) == TERMINAL
    meter.close_cover(Cover.TERMINAL)
    assert reader.get(1, ALARMS) == 0
    assert codes(reader, FRAUD) == [44, 40, 45, 41]
    assert reader.get(1, "0-0:96.11.1") == 41


def test_only_alarms_in_the_filter_get_into_the_register(esme: Esme, hand: Any) -> None:
    meter = esme()
    reader = hand(meter)
    reader.set(1, FILTER, 2, "u32", TERMINAL)
    meter.open_cover()
    assert reader.get(1, ALARMS) == 0
    meter.open_cover(Cover.TERMINAL)
    assert reader.get(1, ALARMS) == TERMINAL
    assert codes(reader, FRAUD) == [44, 40]


def test_a_client_clears_bits_and_sets_none(esme: Esme, hand: Any) -> None:
    meter = esme()
    keeper = hand(meter)
    meter.watchdog()
    meter.open_cover()
    assert meter.boots == 2
    assert keeper.get(1, ERRORS) == 1 << 12
    keeper.set(1, ALARMS, 2, "u32", 0xFFFF_FFFF ^ COVER)
    assert keeper.get(1, ALARMS) == 1 << 12
    keeper.set(1, ALARMS, 2, "u32", 0)
    keeper.set(1, ERRORS, 2, "u32", 0)
    assert keeper.get(1, ALARMS) == keeper.get(1, ERRORS) == 0
    assert codes(keeper, STANDARD) == [16, 12, 12, 11]


def test_an_invalid_clock_is_an_error_until_it_is_set(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme()
    keeper = hand(meter)
    meter.power_off()
    clock.advance_to(START + 8 * DAY)
    meter.power_on()
    assert keeper.get(1, ERRORS) == keeper.get(1, ALARMS) == CLOCK_INVALID
    keeper.set(8, "0-0:1.0.0", 2, "oct12", pack_utc(clock.now))
    assert keeper.get(1, ERRORS) == keeper.get(1, ALARMS) == 0


def test_a_correction_within_the_shift_limit_only_adjusts(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme()
    meter.device_clock.drift = 0
    keeper = hand(meter)
    for seconds in (10, -10, 11):
        keeper.act(8, "0-0:1.0.0", 6, "i16", seconds)
    assert codes(keeper, SYNC) == [5, 5, 4]
    keeper.set(1, "1-0:0.9.11", 2, "u16", 60)
    keeper.act(8, "0-0:1.0.0", 6, "i16", 60)
    keeper.act(8, "0-0:1.0.0", 6, "i16", -61)
    assert codes(keeper, SYNC)[3:] == [5, 4]


def test_an_adjustment_leaves_no_mark_on_the_profile(new_esme: Esme, hand: Any) -> None:
    def status(seconds: int) -> list[int]:
        own = Clock(START)
        meter = new_esme(own)
        own.advance_to(START + 10 * MINUTE)
        meter.settle()
        meter.set_clock(meter.utc + seconds * SECOND)
        own.advance_to(START + HOUR + MINUTE)
        return [row[2] for row in hand(meter).rows("1-0:99.1.0")]

    assert status(10) == [0, 0]
    assert status(11) == [0x20, 0]


def test_a_clock_that_knows_it_is_wrong_is_set_however_near(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme()
    meter.power_off()
    clock.advance_to(clock.now + meter.firmware.clock.reserve + SECOND)
    meter.power_on()
    meter.set_clock(meter.utc + SECOND)
    assert codes(hand(meter), SYNC) == [4]


def test_voltage_alarms_end_with_the_voltage(esme: Esme, hand: Any) -> None:
    meter = esme()
    seen: list[int] = []
    for decivolts in (1900, 2700, 2300):
        meter.set_voltage(decivolts)
        seen.append(hand(meter).get(1, ALARMS))
    assert seen == [1 << 21, 1 << 20, 0]


def manager(premises: Premises) -> Talker:
    meter = premises.electricity
    assert meter is not None
    return Talker(meter.stacks["local-tcp"](), settings_of(meter, "management"), sap=64).open()


def test_an_alarm_is_pushed_where_a_destination_is_set(home: Home, clock: Clock) -> None:
    premises = home()
    meter = premises.electricity
    assert meter is not None
    keeper = manager(premises)
    listener = Talker(meter.stacks["local-tcp"](), sap=16).open()
    meter.open_cover()
    clock.advance_to(clock.now)
    assert listener.notifications == []
    keeper.set(40, PUSH, 3, TO_TCP)
    meter.open_cover(Cover.TERMINAL)
    assert listener.notifications == []  # not in the middle of whatever raised it
    clock.advance_to(clock.now)
    (notification,) = listener.notifications
    assert axdr.u32(COVER | TERMINAL) in notification.data
    meter.close_cover()
    meter.record("clock_set")  # no alarm
    clock.advance_to(clock.now)
    assert len(listener.notifications) == 1


def test_alarms_that_wait_are_bounded(home: Home, clock: Clock) -> None:
    premises = home()
    meter = premises.electricity
    assert meter is not None
    manager(premises).set(40, PUSH, 3, TO_TCP)
    for _ in range(100):
        meter.open_cover()
        meter.close_cover()
    assert meter.lines is not None and meter.lines.waiting == MAX_WAITING
    clock.advance_to(clock.now)
    assert meter.lines.waiting == 0


def test_an_alarm_at_power_up_is_told_once_the_meter_has_started(home: Home, clock: Clock) -> None:
    premises = home()
    meter = premises.electricity
    assert meter is not None
    manager(premises).set(40, PUSH, 3, TO_TCP)
    meter.power_off()
    clock.advance_to(clock.now + 8 * DAY)
    meter.power_on()
    stack = meter.stacks["local-tcp"]()
    sent: list[bytes] = []
    stack.transmit = sent.append
    clock.advance_to(meter.ready_at - 1)
    assert sent == []
    clock.advance_to(meter.ready_at)
    assert len(sent) == 1 and axdr.u32(CLOCK_INVALID) in sent[0]


def test_associations_and_wrong_secrets_are_logged(home: Home) -> None:
    premises = home()
    meter = premises.electricity
    assert meter is not None
    stack = meter.stacks["local-tcp"]()
    Talker(stack, settings_of(meter, "data_collection"), sap=32).open()
    stack.closed()
    wrong = Talker(stack, settings_of(meter, "data_collection", secret=b"wrong"), sap=32)
    with pytest.raises(AssociationRejected):
        wrong.open()
    hand = Hand(meter)
    assert codes(hand, COMMUNICATION) == [92, 93]
    assert codes(hand, FRAUD) == [46]
    assert hand.get(1, ALARMS) == AUTHENTICATION


def test_a_cover_of_a_gas_meter_wakes_it_up_and_its_alarm_goes_out_by_the_hub(home: Home, clock: Clock) -> None:
    premises = home()
    hub, gas = premises.hub, premises.gas
    assert hub is not None and gas is not None
    clock.advance_to(gas.next_wake_up + MINUTE)
    gas.settle()
    Hand(gas).set(40, PUSH, 3, "st{enum,oct,enum}", [0, b"head-end", 0])
    listener = Talker(hub.stacks["wan-tcp"](), sap=16, server=17).open()
    gas.open_cover()
    assert gas.last_wake_up == clock.now
    assert listener.value(8, "0-0:1.0.0") == gas.device_clock.pack(gas.device_clock.utc(clock.now))
    clock.advance_to(clock.now)
    (notification,) = listener.notifications
    assert axdr.u32(COVER) in notification.data


def test_without_its_battery_a_gas_meter_notices_no_cover(home: Home, clock: Clock) -> None:
    gas = home().gas
    assert gas is not None
    gas.power_off()
    gas.open_cover()
    gas.power_on()
    assert codes(Hand(gas), FRAUD) == []
    gas.close_cover()
    assert codes(Hand(gas), FRAUD) == [45]


def test_a_low_battery_is_an_error_until_it_is_replaced(home: Home, clock: Clock) -> None:
    gas = home().gas
    assert gas is not None
    clock.advance_to(clock.now + 10 * 365 * DAY)
    assert Hand(gas).get(1, ERRORS) == Hand(gas).get(1, ALARMS) == 2
    gas.replace_battery()
    assert Hand(gas).get(1, ERRORS) == Hand(gas).get(1, ALARMS) == 0
