"""Commands of the clusters, and what they do to a meter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulator.electricity import ElectricityMeter
from emulator.load import MICRO, Constant
from emulator.meter import Meter
from emulator.prepayment.account import Account
from emulator.smart_energy import messaging
from emulator.smart_energy.messaging import Notice
from emulator.supply import ControlState
from emulator.time import DAY, HOUR, MINUTE, SECOND, Clock
from protocols.zigbee.zcl.clusters.prepayment import TopUpResult
from protocols.zigbee.zcl.foundation import Command, Status
from protocols.zigbee.zcl.header import Direction, Frame

from .conftest import Host

Esme = Callable[..., ElectricityMeter]
METERING, PRICE, MESSAGING, PREPAYMENT = 0x0702, 0x0700, 0x0703, 0x0705
ZIGBEE_2026 = 820_540_800
DEFAULT = Command.DEFAULT_RESPONSE
SUCCESS = (DEFAULT, Status.SUCCESS)
POUND = 100_000


@pytest.fixture
def meter(esme: Esme) -> Host:
    """An electricity meter that has drawn 500 W for ten days, by a clock without drift."""
    device = esme(Constant(500 * MICRO), days=10)
    device.device_clock.drift = 0
    return Host(device)


def account_of(host: Host) -> Account:
    assert isinstance(host.device, Meter) and host.device.account is not None
    return host.device.account


# --- metering


def test_a_profile_of_half_hours(meter: Host) -> None:
    command, found = meter.command(METERING, 0x00, channel=0, end_time=0, periods=4)
    assert command == 0x00
    assert found == {"end_time": ZIGBEE_2026, "status": 0, "interval": 2, "periods": [250] * 4}


def test_a_profile_of_the_past(meter: Host, clock: Clock) -> None:
    clock.advance_to(clock.now + HOUR + 5 * MINUTE)
    assert isinstance(meter.device, ElectricityMeter)
    meter.device.settle()
    meter.device.set_load(Constant(100 * MICRO))
    clock.advance_to(clock.now + 2 * HOUR)
    _, found = meter.command(METERING, 0x00, channel=0, end_time=ZIGBEE_2026 + 2 * 3600, periods=3)
    assert found == {"end_time": ZIGBEE_2026 + 7200, "status": 0, "interval": 2, "periods": [50, 83, 250]}
    _, found = meter.command(METERING, 0x00, channel=0, end_time=ZIGBEE_2026 + 7300, periods=1)
    assert found["end_time"] == ZIGBEE_2026 + 7200


@pytest.mark.parametrize(
    ("channel", "end", "periods", "status"),
    [
        (7, 0, 1, 1),
        (0, ZIGBEE_2026 + 86_400, 1, 3),
        (0, 0, 100, 4),
        (0, ZIGBEE_2026 - 400 * 86_400, 4, 5),
        (0, 0, 0, 5),
    ],
)
def test_profiles_that_are_not_there(meter: Host, channel: int, end: int, periods: int, status: int) -> None:
    _, found = meter.command(METERING, 0x00, channel=channel, end_time=end, periods=periods)
    assert found["status"] == status
    assert len(found["periods"]) == (24 if status == 4 else 0)


def test_samples_of_the_load_profile(meter: Host) -> None:
    ask = {"sample": 0, "earliest": ZIGBEE_2026 - 86_400, "type": 0, "samples": 5}
    command, found = meter.command(METERING, 0x08, **ask)
    assert command == 0x07
    assert found == {
        "sample": 0,
        "start": ZIGBEE_2026 - 86_400 - 1800,
        "type": 0,
        "interval": 1800,
        "count": 5,
        "samples": [250] * 5,
    }
    assert meter.command(METERING, 0x08, **{**ask, "samples": 500})[1]["count"] == 49
    for change_ in ({"sample": 2}, {"type": 9}, {"earliest": ZIGBEE_2026 + 60}):
        assert meter.command(METERING, 0x08, **{**ask, **change_}) == (DEFAULT, Status.NOT_FOUND)


def test_snapshots_of_days_and_months(meter: Host) -> None:
    ask = {"earliest": 0, "latest": 0, "offset": 1, "cause": 1}
    command, found = meter.command(METERING, 0x06, **ask)
    assert (command, found["found"], found["time"], found["cause"], found["type"]) == (
        0x06,
        10,
        ZIGBEE_2026 - 86_400,
        1,
        0,
    )
    total, tiers = found["content"][:6], found["content"][24:]
    assert int.from_bytes(total, "little") == 108_000
    assert found["content"][6:23] == bytes(17) and found["content"][23] == 4
    assert sum(int.from_bytes(tiers[at : at + 6], "little") for at in range(0, 24, 6)) == 108_000
    _, found = meter.command(METERING, 0x06, **{**ask, "offset": 0, "cause": 2})
    assert (found["found"], found["time"], found["cause"]) == (1, ZIGBEE_2026, 2)
    early = {"latest": ZIGBEE_2026 - 5 * 86_400, "offset": 0}
    assert meter.command(METERING, 0x06, **{**ask, **early})[1]["time"] == ZIGBEE_2026 - 5 * 86_400
    for change_ in ({"offset": 10}, {"cause": 0x10}, {"earliest": ZIGBEE_2026 + 1}, {"cause": 0x6008, "offset": 0}):
        assert meter.command(METERING, 0x06, **{**ask, **change_}) == (DEFAULT, Status.NOT_FOUND)


def test_the_supply_after_a_top_up(prepaid: Host, clock: Clock) -> None:
    device = prepaid.device
    assert isinstance(device, Meter)
    account_of(prepaid).orders.adjust("balance", -20 * POUND)
    clock.advance_to(clock.now + HOUR)
    device.attend()
    assert not device.switch.closed
    _, found = prepaid.command(PREPAYMENT, 0x04, device=2, code=token(prepaid, 1000))
    assert found["result"] in (TopUpResult.SUPPLY_ARMED, TopUpResult.SUPPLY_DISABLED)
    clock.advance_to(clock.now + SECOND)
    assert prepaid.value(METERING, 0x0014) == 1
    assert prepaid.command(METERING, 0x0C, status=2) == SUCCESS
    assert prepaid.value(METERING, 0x0014) == 2


def test_received_energy_has_a_channel_of_its_own(meter: Host) -> None:
    _, found = meter.command(METERING, 0x00, channel=1, end_time=0, periods=2)
    assert (found["status"], found["periods"]) == (0, [0, 0])


def test_fast_poll(meter: Host) -> None:
    told: list[tuple[int, int]] = []
    meter.application.fast_poll = lambda period, until: told.append((period, until))
    _, found = meter.command(METERING, 0x03, period=1, minutes=30)
    assert found == {"period": 2, "end_time": ZIGBEE_2026 + 15 * 60}
    assert told == [(2, meter.device.clock.now + 15 * MINUTE)]
    assert meter.application.fast_polling
    meter.device.clock.advance_to(meter.device.clock.now + 16 * MINUTE)
    assert not meter.application.fast_polling


def change(meter: Host, status: int, **fields: Any) -> tuple[int, Any]:
    ask = {"provider": 9, "event": 4, "requested": 0, "implementation": 0, "status": status, "control": 1}
    return meter.command(METERING, 0x0B, **{**ask, **fields})


def test_the_supplier_changes_the_supply(meter: Host) -> None:
    assert isinstance(meter.device, ElectricityMeter)
    switch = meter.device.switch
    answer, found = change(meter, 0)
    assert (answer, found) == (0x0C, {"provider": 9, "event": 4, "implementation": 0, "status": 0})
    assert switch.state is ControlState.DISCONNECTED
    assert meter.value(METERING, 0x0014) == 0
    assert meter.value(METERING, 0x0200) & 0x40
    assert meter.value(METERING, 0x0400) == 0
    assert change(meter, 2)[1]["status"] == 1, "a remote reconnection arms the switch in this control mode"
    assert meter.command(METERING, 0x0C, status=2) == SUCCESS
    assert switch.closed
    assert change(meter, 1, control=0) == SUCCESS
    assert switch.state is ControlState.READY_FOR_RECONNECTION
    assert change(meter, 3) == (DEFAULT, Status.INVALID_VALUE)


def test_a_change_of_supply_to_come(meter: Host, clock: Clock) -> None:
    assert isinstance(meter.device, ElectricityMeter)
    tomorrow = ZIGBEE_2026 + 86_400
    assert change(meter, 0, implementation=tomorrow)[1]["implementation"] == tomorrow
    clock.advance_to(clock.now + DAY - SECOND)
    assert meter.device.switch.closed
    clock.advance_to(clock.now + SECOND)
    assert not meter.device.switch.closed


def test_a_change_to_come_follows_the_meters_clock(meter: Host, clock: Clock) -> None:
    assert isinstance(meter.device, ElectricityMeter)
    change(meter, 0, implementation=ZIGBEE_2026 + 86_400)
    meter.device.set_clock(meter.device.utc + DAY - MINUTE)
    clock.advance_to(clock.now + MINUTE - SECOND)
    assert meter.device.switch.closed
    clock.advance_to(clock.now + 2 * SECOND)
    assert not meter.device.switch.closed


def test_a_change_that_is_due_without_power_is_made_up_for(meter: Host, clock: Clock) -> None:
    assert isinstance(meter.device, ElectricityMeter)
    change(meter, 0, implementation=ZIGBEE_2026 + 3600)
    meter.device.power_off()
    clock.advance_to(clock.now + 2 * HOUR)
    assert meter.device.switch.closed
    meter.device.power_on()
    clock.advance_to(clock.now + MINUTE)
    assert not meter.device.switch.closed


def test_a_switch_that_may_not(meter: Host) -> None:
    assert isinstance(meter.device, ElectricityMeter)
    meter.device.switch.mode = 0
    assert change(meter, 0) == (DEFAULT, Status.ACTION_DENIED)
    assert meter.command(METERING, 0x0C, status=1) == (DEFAULT, Status.ACTION_DENIED)
    assert meter.device.switch.closed


def test_the_customer_cannot_close_a_supply_that_is_not_armed(meter: Host) -> None:
    change(meter, 0)
    assert meter.command(METERING, 0x0C, status=2) == (DEFAULT, Status.ACTION_DENIED)
    assert meter.command(METERING, 0x0C, status=9) == (DEFAULT, Status.INVALID_VALUE)


# --- price


def test_the_price_in_force(meter: Host, clock: Clock) -> None:
    command, night = meter.command(PRICE, 0x00, options=0)
    assert command == 0x00
    assert (night["price"], night["digit_and_tier"], night["tiers_and_register"]) == (16_850, 0x51, 0x21)
    assert (night["currency"], night["unit"], night["label"], night["minutes"]) == (826, 0, b"BASE01", 0xFFFF)
    clock.advance_to(clock.now + 8 * HOUR)
    _, day = meter.command(PRICE, 0x00, options=0)
    assert (day["price"], day["digit_and_tier"]) == (24_120, 0x52)
    assert day["time"] == ZIGBEE_2026 + 8 * 3600
    assert meter.value(METERING, 0x0020) == 2
    assert meter.command(PRICE, 0x01, start=0, count=0)[1]["price"] == 24_120
    assert meter.command(PRICE, 0x01, start=ZIGBEE_2026 + 86_400 * 2, count=0) == (DEFAULT, Status.NOT_FOUND)


# --- prepayment


@pytest.fixture
def prepaid(meter: Host) -> Host:
    """The same in prepayment mode, with 20 pounds."""
    account_of(meter).begin(20 * POUND)
    return meter


def token(host: Host, pence: int, counter: int = 1) -> bytes:
    """A token of an issuer that shares the meter's secret."""
    account, device = account_of(host), host.device
    assert isinstance(device, Meter)
    tokens = account.settings.tokens
    scheme = tokens.scheme(device.token_secret(tokens), device.token_originator(tokens), device.identity.eui64)
    return scheme.issue(counter, pence).encode()


def test_a_top_up_is_credited(prepaid: Host) -> None:
    code = token(prepaid, 1000)
    command, found = prepaid.command(PREPAYMENT, 0x04, device=2, code=code)
    assert command == 0x03
    assert found == {"result": TopUpResult.ACCEPTED, "value": 10 * POUND, "source": 2, "credit": 30 * POUND}
    assert prepaid.value(PREPAYMENT, 0x0001) == 30 * POUND
    assert [prepaid.value(PREPAYMENT, at) for at in (0x0100, 0x0101, 0x0102)] == [ZIGBEE_2026, 10 * POUND, 2]
    _, again = prepaid.command(PREPAYMENT, 0x04, device=2, code=code)
    assert (again["result"], again["value"], again["credit"]) == (TopUpResult.DUPLICATE, 0, 30 * POUND)
    _, wrong = prepaid.command(PREPAYMENT, 0x04, device=2, code=b"00000000000000000000")
    assert wrong["result"] == TopUpResult.INVALID


def test_a_top_up_in_credit_mode(meter: Host) -> None:
    _, found = meter.command(PREPAYMENT, 0x04, device=0, code=token(meter, 1000))
    assert (found["result"], found["credit"]) == (TopUpResult.ERROR, 0)
    assert meter.command(PREPAYMENT, 0x04, device=0, code=b"0" * 26) == (DEFAULT, Status.INVALID_FIELD)


def test_the_log_of_top_ups(prepaid: Host, clock: Clock) -> None:
    assert prepaid.command(PREPAYMENT, 0x08, latest=0, count=5) == (DEFAULT, Status.NOT_FOUND)
    for number, pence in enumerate((500, 1000, 1500), 1):
        prepaid.command(PREPAYMENT, 0x04, device=2, code=token(prepaid, pence, number))
        clock.advance_to(clock.now + HOUR)
    _, found = prepaid.command(PREPAYMENT, 0x08, latest=0, count=2)
    assert [each["amount"] for each in found["top_ups"]] == [15 * POUND, 10 * POUND]
    assert [each["time"] for each in found["top_ups"]] == [ZIGBEE_2026 + 7200, ZIGBEE_2026 + 3600]
    _, early = prepaid.command(PREPAYMENT, 0x08, latest=ZIGBEE_2026 + 1800, count=0)
    assert [each["amount"] for each in early["top_ups"]] == [5 * POUND]


def test_the_log_of_debts(prepaid: Host) -> None:
    assert prepaid.command(PREPAYMENT, 0x0A, latest=0, count=5, type=0) == (DEFAULT, Status.NOT_FOUND)
    debt = {"event": 1, "label": b"", "amount": 50 * POUND, "method": 1, "type": 4, "start": 0, "collection_time": 0}
    recovery = {"frequency": 0, "recovery_amount": 0, "percentage": 2500}
    assert prepaid.command(PREPAYMENT, 0x02, **debt, **recovery) == SUCCESS
    prepaid.command(PREPAYMENT, 0x04, device=2, code=token(prepaid, 2000))
    _, found = prepaid.command(PREPAYMENT, 0x0A, latest=0, count=5, type=0)
    (repayment,) = found["repayments"]
    assert (repayment["amount"], repayment["outstanding"], repayment["time"]) == (5 * POUND, 45 * POUND, ZIGBEE_2026)
    assert prepaid.command(PREPAYMENT, 0x02, **{**debt, "type": 6}, **recovery) == (DEFAULT, Status.INVALID_FIELD)


def test_emergency_credit_is_selected(prepaid: Host, clock: Clock) -> None:
    select: dict[str, Any] = {"time": ZIGBEE_2026, "device": 2, "site": None, "serial_number": None}
    assert prepaid.command(PREPAYMENT, 0x00, **select) == (DEFAULT, Status.ACTION_DENIED)
    assert prepaid.command(PREPAYMENT, 0x05, event=1, start=0, type=1, amount=POUND // 2) == SUCCESS
    assert prepaid.command(PREPAYMENT, 0x00, **select) == SUCCESS
    assert prepaid.value(PREPAYMENT, 0x0002) == 3 * POUND
    assert prepaid.value(PREPAYMENT, 0x0003) & 0x10
    assert prepaid.command(PREPAYMENT, 0x05, event=1, start=0, type=2, amount=1) == (DEFAULT, Status.INVALID_FIELD)
    assert prepaid.command(PREPAYMENT, 0x05, event=1, start=0, type=0, amount=POUND) == SUCCESS
    assert prepaid.value(PREPAYMENT, 0x0001) == POUND * 3 // 2


def test_parameters(prepaid: Host) -> None:
    assert prepaid.command(PREPAYMENT, 0x09, level=3 * POUND) == SUCCESS
    assert prepaid.command(PREPAYMENT, 0x03, event=1, start=0, limit=7 * POUND, threshold=POUND) == SUCCESS
    order = {"provider": 1, "event": 2, "implementation": 0}
    assert prepaid.command(PREPAYMENT, 0x0B, **order, level=200 * POUND, per_top_up=100 * POUND) == SUCCESS
    assert prepaid.command(PREPAYMENT, 0x0C, **order, cap=5 * POUND) == SUCCESS
    shown = [prepaid.value(PREPAYMENT, at) for at in (0x0031, 0x0010, 0x0011, 0x0021, 0x0022, 0x0006)]
    assert shown == [3 * POUND, 7 * POUND, POUND, 200 * POUND, 100 * POUND, 5 * POUND]


def test_parameters_that_do_not_fit_change_nothing(prepaid: Host) -> None:
    before = [prepaid.value(PREPAYMENT, at) for at in (0x0021, 0x0022)]
    order = {"provider": 1, "event": 2, "implementation": 0, "level": POUND, "per_top_up": 0xFFFF_FFFE}
    assert prepaid.command(PREPAYMENT, 0x0B, **order) == (DEFAULT, Status.INVALID_VALUE)
    assert [prepaid.value(PREPAYMENT, at) for at in (0x0021, 0x0022)] == before


def test_a_snapshot_of_a_day(prepaid: Host, clock: Clock) -> None:
    ask = {"earliest": 0, "latest": 0, "offset": 0, "cause": 0xFFFF_FFFF}
    assert prepaid.command(PREPAYMENT, 0x07, **ask) == (DEFAULT, Status.NOT_FOUND)
    clock.advance_to(clock.now + 2 * DAY + HOUR)
    command, found = prepaid.command(PREPAYMENT, 0x07, **ask)
    assert (command, found["found"], found["time"], found["type"]) == (0x01, 2, ZIGBEE_2026 + 2 * 86_400, 0)
    words = [int.from_bytes(found["content"][at : at + 4], "little", signed=True) for at in range(0, 24, 4)]
    # 24 kWh, seven hours of each day at the night rate, and two days' standing charge
    assert words[:5] == [0, 0, 0, 0, 3 * POUND]
    assert words[5] == 20 * POUND - 2 * (7 * 16_850 + 17 * 24_120) // 2 - 2 * 20_000
    assert prepaid.command(PREPAYMENT, 0x07, **{**ask, "offset": 1})[1]["time"] == ZIGBEE_2026 + 86_400
    assert prepaid.command(PREPAYMENT, 0x07, **{**ask, "offset": 2}) == (DEFAULT, Status.NOT_FOUND)


# --- device management

MANAGEMENT = 0x0708


def test_a_change_of_tenancy_to_come(prepaid: Host, clock: Clock) -> None:
    tenancy = {"direction": Direction.TO_CLIENT, "provider": 1, "event": 2, "tariff_type": 0, "control": 0}
    tomorrow = ZIGBEE_2026 + 86_400
    assert prepaid.command(MANAGEMENT, 0x00, **tenancy, implementation=tomorrow) == SUCCESS
    assert account_of(prepaid).tenancy_begins is not None
    assert prepaid.command(MANAGEMENT, 0x00, **tenancy, implementation=0xFFFF_FFFF) == SUCCESS
    assert account_of(prepaid).tenancy_begins is None
    prepaid.command(MANAGEMENT, 0x00, **tenancy, implementation=tomorrow)
    clock.advance_to(clock.now + DAY + SECOND)
    assert account_of(prepaid).tenancy_began is not None


def test_a_change_of_supplier(prepaid: Host, clock: Clock) -> None:
    change_ = {
        "direction": Direction.TO_CLIENT,
        "provider": 1,
        "event": 2,
        "tariff_type": 0,
        "proposed": 5,
        "control": 0,
    }
    assert prepaid.command(MANAGEMENT, 0x01, **change_, implementation=0, name=b"Bright", contact=b"") == SUCCESS
    assert prepaid.value(MANAGEMENT, 0x0101) == b"Bright"
    later = {"implementation": ZIGBEE_2026 + 3600, "name": b"Brighter", "contact": b""}
    assert prepaid.command(MANAGEMENT, 0x01, **change_, **later) == SUCCESS
    assert prepaid.value(MANAGEMENT, 0x0101) == b"Bright"
    clock.advance_to(clock.now + HOUR + SECOND)
    assert prepaid.value(MANAGEMENT, 0x0101) == b"Brighter"
    long = {"implementation": 0, "name": b"x" * 33, "contact": b""}
    assert prepaid.command(MANAGEMENT, 0x01, **change_, **long) == (DEFAULT, Status.INVALID_FIELD)


# --- messages

NOTICE = {"message": 77, "control": 0x80, "start": 0, "minutes": 60, "text": b"Meter visit at ten"}


def show(meter: Host, **fields: Any) -> tuple[int, Any]:
    values = {**NOTICE, "extended_control": None, **fields}
    return meter.command(MESSAGING, 0x00, direction=Direction.TO_CLIENT, **values)


def test_a_message_is_shown_and_confirmed(meter: Host, hand: Any) -> None:
    assert show(meter) == SUCCESS
    assert hand(meter.device).get(1, "0-0:96.13.0") == b"Meter visit at ten"
    assert messaging.confirm(meter.application)
    destination, said = meter.air.sent[-1]
    frame = Frame.decode(said.payload)
    assert (destination, said.cluster, frame.command, frame.direction) == (0, MESSAGING, 0x01, Direction.TO_SERVER)
    assert frame.payload == (77).to_bytes(4, "little") + ZIGBEE_2026.to_bytes(4, "little")
    assert meter.command(MESSAGING, 0x01, direction=Direction.TO_CLIENT, message=78, control=0) == (
        DEFAULT,
        Status.NOT_FOUND,
    )
    assert meter.command(MESSAGING, 0x01, direction=Direction.TO_CLIENT, message=77, control=0) == SUCCESS
    assert hand(meter.device).get(1, "0-0:96.13.0") == b""
    assert not messaging.confirm(meter.application)


def test_a_message_that_is_over_is_not_shown(meter: Host) -> None:
    assert show(meter, start=ZIGBEE_2026 - 7200) == (DEFAULT, Status.INVALID_VALUE)
    assert meter.application.notice is None


def test_all_messages_are_cancelled(meter: Host) -> None:
    show(meter)
    assert meter.command(MESSAGING, 0x03, direction=Direction.TO_CLIENT, implementation=0) == SUCCESS
    assert meter.application.notice is None


def test_a_hub_hands_out_its_message(home: Callable[..., Any], clock: Clock) -> None:
    hub = Host(home().hub)
    assert hub.command(MESSAGING, 0x00) == (DEFAULT, Status.NOT_FOUND)
    now = hub.value(0x000A, 0x0000)
    assert messaging.show(hub.application, Notice(5, 0x80, now, 30, b"Hello"))
    command, found = hub.command(MESSAGING, 0x00)
    assert (command, found["message"], found["text"]) == (0x00, 5, b"Hello")
    assert hub.command(MESSAGING, 0x01, message=5, time=now, control=None, response=None) == SUCCESS
    assert hub.application.notice is not None and hub.application.notice.confirmed == now
    clock.advance_to(clock.now + HOUR)
    assert hub.command(MESSAGING, 0x00) == (DEFAULT, Status.NOT_FOUND)


def test_a_hub_publishes_the_price_of_its_electricity_meter(home: Callable[..., Any]) -> None:
    premises = home()
    hub = Host(premises.hub)
    assert hub.command(PRICE, 0x00, options=0)[1]["price"] == 16_850
    assert Host(home("second", electricity=None).hub).command(PRICE, 0x00, options=0) == (DEFAULT, Status.NOT_FOUND)


def test_the_hub_is_the_master_of_time(home: Callable[..., Any]) -> None:
    premises = home()
    hub, meter = Host(premises.hub), Host(premises.electricity)
    assert hub.value(0x000A, 0x0001) & 0x01
    assert not meter.value(0x000A, 0x0001) & 0x01
    premises.electricity.set_clock(premises.electricity.utc + 90 * SECOND)
    assert meter.application.synchronise()
    _, question = meter.air.sent[-1]
    (answer,) = hub.deliver(question)
    assert meter.deliver(answer) == []
    assert abs(premises.electricity.utc - premises.hub.utc) < 2 * SECOND
    premises.electricity.set_clock(premises.electricity.utc + 90 * SECOND)
    meter.deliver(answer)
    assert premises.electricity.utc - premises.hub.utc > 80 * SECOND, "an answer counts once"
