"""A meter in prepayment mode lives as a real one does: it spends, warns, lends, cuts the supply and arms it again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.device import LAST_TIME
from emulator.electricity import ElectricityMeter
from emulator.gas import GasMeter
from emulator.prepayment.charge import NOTHING, UnitCharge
from emulator.prepayment.credit import CreditStatus
from emulator.prepayment.money import MOST, PENNY, POUND
from emulator.prepayment.passive import AccountStatus, PaymentMode
from emulator.prepayment.sources import sources
from emulator.supply import Cause, ControlState, Way
from emulator.time import DAY, HOUR, SECOND
from protocols.dlms.objects import AccessRefused
from protocols.tokens.scheme import Outcome

from .conftest import Prepaid

Maker = Callable[..., Prepaid]


def priced(meter: Prepaid, *prices: int, standing: int = 0) -> Prepaid:
    """The same price for each rate given, millipence a kWh, and a standing charge a day."""
    account = meter.account
    energy, fixed = account.charges["consumption"], account.charges["standing"]
    table = tuple((bytes((index,)), price) for index, price in enumerate(prices, 1))
    account.orders.set_charge(energy, UnitCharge(3, -5, energy.active.commodity, table))
    account.orders.activate_charge(energy)
    account.orders.set_charge(fixed, NOTHING._replace(prices=((b"", standing),)))
    account.orders.activate_charge(fixed)
    meter.limits(
        low_credit=0, emergency_limit=0, emergency_threshold=0, disablement=0, max_credit=MOST, max_balance=MOST
    )
    meter.events.clear()
    return meter


def test_energy_costs_what_its_rate_costs(prepaid: Maker) -> None:
    meter = priced(prepaid(10_00), 20_000, 10_000)
    before = meter.account.balance
    meter.advance(hours=7)  # rate 1 until seven, rate 2 after it
    meter.advance(hours=3)
    assert before - meter.account.balance == 7 * 20_000 + 3 * 10_000
    assert meter.account.charges["consumption"].paid >= 170_000


def test_blocks_cost_more_as_they_are_used(prepaid: Maker) -> None:
    meter = prepaid(100_00, 2000)
    account = meter.account
    energy = account.charges["consumption"]
    prices = [0] * 255
    settings = account.settings
    prices[1] = 1  # what rate 2 would cost without blocks
    for block, price in enumerate((10_000, 20_000, 30_000)):
        prices[settings.first_block_price - 1 + block * settings.block_step] = price
    priced(meter, *prices)
    item = next(item for item in meter.meter.firmware.model.by_class[21] if item.source == "blocks.1")
    kilowatt_hours_1_and_3 = bytes.fromhex("010206000003E80600000BB8")
    meter.meter.values[b"\x00\x15" + item.logical_name + b"\x02"] = kilowatt_hours_1_and_3
    meter.meter.select_mask(b"B1")
    before = account.balance
    meter.advance(hours=3)  # 6 kWh of rate 1
    assert before - account.balance == 1 * 10_000 + 2 * 20_000 + 3 * 30_000
    account.orders.reset_blocks()
    before = account.balance
    meter.advance(hours=0.5)
    assert before - account.balance == 10_000
    assert energy.paid


def test_the_standing_charge_is_taken_at_local_midnight(prepaid: Maker) -> None:
    meter = priced(prepaid(10_00, 0), 0, standing=20_000)
    meter.advance(hours=23.5)
    assert meter.account.balance == 10 * POUND
    meter.advance(hours=1)
    assert meter.account.balance == 10 * POUND - 20_000
    meter.advance(days=3)
    assert meter.account.balance == 10 * POUND - 80_000


def test_it_warns_offers_lends_cuts_and_arms(prepaid: Maker) -> None:
    meter = priced(prepaid(1_00), 10_000, 10_000)  # ten pence an hour
    meter.limits(low_credit=50_000, emergency_threshold=20_000, emergency_limit=30_000)
    account = meter.account
    meter.advance(hours=4)
    assert account.statement.status_of("emergency") is CreditStatus.ENABLED
    assert not account.activate_emergency()
    meter.advance(hours=5)
    assert meter.heard("low_credit", "emergency_available") == [(5.0, "low_credit"), (8.0, "emergency_available")]
    assert account.statement.status_of("emergency") is CreditStatus.SELECTABLE
    assert account.activate_emergency()
    assert account.statement.status_of("emergency") is CreditStatus.SELECTED
    meter.advance(hours=2)
    assert account.balance == 0
    assert account.statement.status_of("emergency") is CreditStatus.IN_USE
    assert account.statement.emergency_left == 20_000
    assert account.statement.status_of("balance") is CreditStatus.EXHAUSTED
    meter.advance(hours=5)
    assert meter.heard("emergency_exhausted", "supply_disabled") == [
        (13.0, "emergency_exhausted"),
        (13.0, "supply_disabled"),
    ]
    assert account.statement.status_of("emergency") is CreditStatus.EXHAUSTED
    assert meter.meter.switch.state is ControlState.DISCONNECTED
    assert not meter.meter.press_button()
    assert meter.top_up(20) is Outcome.ACCEPTED  # pays the loan back, in part
    assert meter.meter.switch.state is ControlState.DISCONNECTED
    assert meter.top_up(2_00) is Outcome.ACCEPTED
    assert account.balance == 2_20 * PENNY - 30_000
    assert meter.meter.switch.state is ControlState.READY_FOR_RECONNECTION
    assert meter.meter.press_button()
    assert account.statement.status_of("emergency") is CreditStatus.ENABLED
    assert account.books.squared


def test_the_cut_comes_at_the_instant_at_which_the_balance_is_used_up(prepaid: Maker) -> None:
    meter = priced(prepaid(50, 777), 16_850, 16_850)
    consumed = meter.meter.consumed(meter.clock.now)
    meter.advance(days=1)
    at = next(hour for hour, event in meter.events if event == "credit_exhausted")
    cut = meter.meter.consumed(meter.clock.now) - consumed
    cost = cut * 16_850 // (1000 * meter.meter.consumption_unit)
    assert cost in (49_999, 50_000)
    assert abs(at - 50_000 / (0.777 * 16_850)) < 0.001
    assert meter.account.balance == 0


def test_nothing_is_cut_in_friendly_hours(prepaid: Maker) -> None:
    meter = priced(prepaid(60), 10_000, 10_000)
    meter.friendly((4, 10))
    meter.advance(hours=9)
    assert meter.meter.switch.closed
    assert meter.account.balance == -30_000
    meter.advance(hours=2)
    assert meter.heard("friendly_began", "friendly_ended", "credit_exhausted", "supply_disabled") == [
        (4.0, "friendly_began"),
        (10.0, "friendly_ended"),
        (10.0, "credit_exhausted"),
        (10.0, "supply_disabled"),
    ]
    assert meter.account.balance == -40_000


def test_debts_by_time_are_paid_until_nothing_remains(prepaid: Maker) -> None:
    meter = priced(prepaid(10_00, 0), 0)
    account, debt = meter.account, meter.account.charges["debt_1"]
    account.orders.set_charge(debt, NOTHING._replace(prices=((b"", 25_000),)))
    account.orders.activate_charge(debt)
    account.orders.set_remaining(debt, 60_000)
    meter.advance(days=1.1)
    assert (debt.remaining, account.balance) == (35_000, 10 * POUND - 25_000)
    meter.advance(days=5)
    assert (debt.remaining, debt.paid, account.balance) == (0, 60_000, 10 * POUND - 60_000)
    assert account.books.squared


def test_debt_waits_while_emergency_credit_is_used_but_the_standing_charge_does_not(prepaid: Maker) -> None:
    meter = priced(prepaid(0, 0), 0, standing=5_000)
    meter.limits(emergency_limit=30_000)
    account, debt = meter.account, meter.account.charges["debt_1"]
    names = sources(meter.meter.firmware.model)
    pair = names["credit.emergency"][2:], names["charge.debt_1"][2:]
    account.configuration = tuple(entry for entry in account.configuration if entry[:2] != pair)
    account.orders.set_charge(debt, NOTHING._replace(prices=((b"", 7_000),)))
    account.orders.activate_charge(debt)
    account.orders.set_remaining(debt, 60_000)
    assert account.activate_emergency()
    meter.advance(days=1.1)
    assert account.statement.emergency_left == 25_000
    assert debt.remaining == 60_000


def test_charges_by_time_become_accumulated_debt_when_there_is_nothing_to_take_them_from(prepaid: Maker) -> None:
    meter = priced(prepaid(0, 0), 0, standing=5_000)
    meter.advance(days=2.1)
    account = meter.account
    assert (account.balance, account.books.accumulated, account.statement.aggregated_debt) == (0, 10_000, 10_000)
    assert meter.top_up(1_00) is Outcome.ACCEPTED
    assert (account.balance, account.books.accumulated) == (90_000, 0)


def test_a_payment_recovers_debt_within_the_cap_of_its_period(prepaid: Maker) -> None:
    meter = priced(prepaid(0, 0), 0)
    account, debt = meter.account, meter.account.charges["debt_payment"]
    account.orders.change_charge(debt, proportion=2_500)
    account.orders.set_remaining(debt, 10 * POUND)
    meter.limits(debt_cap=3, debt_cap_period=7 * 86_400)
    assert meter.top_up(8_00) is Outcome.ACCEPTED
    assert (debt.remaining, account.balance) == (8 * POUND, 6 * POUND)
    assert meter.top_up(8_00) is Outcome.ACCEPTED
    assert (debt.remaining, account.balance) == (7 * POUND, 13 * POUND)
    assert meter.top_up(8_00) is Outcome.ACCEPTED
    assert debt.remaining == 7 * POUND
    meter.advance(days=8)
    assert meter.top_up(8_00) is Outcome.ACCEPTED
    assert debt.remaining == 5 * POUND
    assert account.books.squared


@pytest.mark.parametrize(
    ("limits", "pence", "outcome"),
    [
        ({"max_credit": 10 * POUND}, 10_01, Outcome.OVER_TOKEN_LIMIT),
        ({"max_credit": 10 * POUND}, 10_00, Outcome.ACCEPTED),
        ({"max_balance": 12 * POUND}, 11_01, Outcome.OVER_BALANCE_LIMIT),
        ({"max_balance": 12 * POUND}, 11_00, Outcome.ACCEPTED),
    ],
)
def test_limits_of_a_token_and_of_the_balance(
    prepaid: Maker, limits: dict[str, int], pence: int, outcome: Outcome
) -> None:
    meter = priced(prepaid(1_00, 0), 0)
    meter.limits(**limits)
    digits = meter.token(pence)
    assert meter.enter(digits) is outcome
    assert meter.account.balance == POUND + (pence * PENNY if outcome is Outcome.ACCEPTED else 0)
    meter.limits(max_credit=MOST, max_balance=MOST)  # one that was refused for its value can be used later
    assert meter.enter(digits) is (Outcome.DUPLICATE if outcome is Outcome.ACCEPTED else Outcome.ACCEPTED)


def test_a_token_that_cannot_be_stored_credits_nothing_and_can_be_entered_again(
    prepaid: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = priced(prepaid(1_00, 0), 0)
    digits = meter.token(5_00)
    gateway = meter.account.tokens
    monkeypatch.setattr(gateway, "_commit", lambda: False)
    assert meter.enter(digits) is Outcome.STORAGE_FAULT
    assert meter.account.balance == POUND
    monkeypatch.setattr(gateway, "_commit", lambda: True)
    assert meter.enter(digits) is Outcome.ACCEPTED
    assert meter.account.balance == 6 * POUND


def test_credit_does_not_arm_what_the_supplier_has_switched_off(prepaid: Maker) -> None:
    meter = priced(prepaid(0), 10_000)
    meter.advance(hours=1)
    switch = meter.meter.switch
    assert switch.causes == {Cause.CREDIT}
    switch.disconnect(Way.REMOTE)
    assert meter.top_up(5_00) is Outcome.ACCEPTED
    meter.advance(hours=1)
    assert (switch.state, switch.causes) == (ControlState.DISCONNECTED, {Cause.SUPPLIER})
    switch.reconnect(Way.REMOTE)
    assert switch.state is ControlState.READY_FOR_RECONNECTION


def test_an_exhausted_meter_is_armed_by_nobody_and_told_of_whatever_opened_its_switch(prepaid: Maker) -> None:
    meter = priced(prepaid(10, 0), 0, standing=6_000)
    switch = meter.meter.switch
    switch.disconnect(Way.REMOTE)
    meter.advance(days=2.1)
    assert meter.heard("credit_exhausted") == [(48.0, "credit_exhausted")]
    with pytest.raises(AccessRefused):
        switch.reconnect(Way.REMOTE)
    assert not meter.meter.press_button()
    assert meter.top_up(5_00) is Outcome.ACCEPTED
    assert switch.state is ControlState.READY_FOR_RECONNECTION


def test_the_limiter_arms_only_what_it_opened_itself(prepaid: Maker) -> None:
    meter = priced(prepaid(100_00, 4000), 0)
    electricity = meter.meter
    assert isinstance(electricity, ElectricityMeter)
    electricity.limiter.threshold_normal, electricity.limiter.min_over, electricity.limiter.min_under = 3000, 60, 600
    electricity.reconsider()
    meter.advance(hours=0.1)
    assert electricity.switch.causes == {Cause.LIMIT}
    electricity.switch.disconnect(Way.REMOTE)
    meter.advance(hours=1)
    assert (electricity.switch.state, electricity.switch.causes) == (ControlState.DISCONNECTED, {Cause.SUPPLIER})


def test_emergency_credit_that_does_not_pay_for_energy_does_not_keep_the_supply_on(prepaid: Maker) -> None:
    """The supplier has set a configuration by which it pays charges by time only."""
    meter = priced(prepaid(1_00), 10_000, 10_000)
    meter.limits(emergency_limit=5 * POUND, emergency_threshold=POUND)
    account = meter.account
    energy = account.reference("credit.emergency"), account.reference("charge.consumption")
    account.configuration = tuple(entry for entry in account.configuration if entry[:2] != energy)
    assert account.activate_emergency()
    meter.advance(hours=9)
    assert meter.meter.switch.closed
    meter.advance(hours=2)
    assert meter.meter.switch.state is ControlState.DISCONNECTED
    assert account.balance == 0 and account.books.emergency == 5 * POUND


def test_in_credit_mode_a_balance_runs_down_and_nothing_is_cut(prepaid: Maker) -> None:
    meter = priced(prepaid(1_00), 10_000, 10_000, standing=5_000)
    meter.account.orders.switch_mode(PaymentMode.CREDIT)
    assert meter.top_up(5_00) is Outcome.NOT_PREPAYMENT
    meter.advance(days=2.5)
    assert meter.account.balance == POUND - 600_000 - 10_000
    assert meter.meter.switch.closed


def test_prepayment_begins_at_its_time_and_cuts_at_once_when_there_is_nothing(prepaid: Maker) -> None:
    meter = priced(prepaid(-5_00), 0, 0)
    account = meter.account
    account.orders.switch_mode(PaymentMode.CREDIT)
    meter.advance(hours=1)
    account.passive.set_mode(PaymentMode.PREPAYMENT, AccountStatus.ACTIVE)
    account.passive.plan(meter.meter.utc + 5 * HOUR)
    meter.advance(hours=4)
    assert account.mode is PaymentMode.CREDIT
    meter.advance(hours=2)
    assert meter.heard("mode_prepayment")[0][0] == pytest.approx(6.0, abs=0.01)
    assert meter.meter.switch.state is ControlState.DISCONNECTED
    account.orders.switch_mode(PaymentMode.CREDIT)
    meter.advance(hours=1)
    assert meter.meter.switch.state is ControlState.READY_FOR_RECONNECTION


@pytest.mark.parametrize("first", [1, 2])
def test_charges_that_are_due_together_are_taken_by_their_priority(prepaid: Maker, first: int) -> None:
    """Emergency credit pays no debt here: what the first debt leaves nothing for has to wait."""
    meter = priced(prepaid(8, 0), 0)
    meter.limits(emergency_limit=POUND, emergency_threshold=POUND)
    account = meter.account
    assert account.activate_emergency()
    emergency = account.reference("credit.emergency")
    account.configuration = tuple(entry for entry in account.configuration if entry[0] != emergency)
    for number in (1, 2):
        debt = account.charges[f"debt_{number}"]
        account.orders.set_charge(debt, NOTHING._replace(prices=((b"", 8_000),)))
        account.orders.activate_charge(debt)
        account.orders.set_remaining(debt, 60_000)
        account.orders.change_charge(debt, priority=2 if number == first else 9)
    meter.advance(days=1.1)
    remaining = {number: account.charges[f"debt_{number}"].remaining for number in (1, 2)}
    assert remaining == {first: 52_000, 3 - first: 60_000}


def test_a_plan_is_kept_in_credit_mode_though_nobody_looks(prepaid: Maker) -> None:
    meter = priced(prepaid(100_00), 10_000, 10_000)
    account, energy = meter.account, meter.account.charges["consumption"]
    account.orders.switch_mode(PaymentMode.CREDIT)
    account.orders.plan_charge(energy, meter.meter.utc + 5 * HOUR)
    meter.events.clear()
    begin = meter.clock.now
    told: list[int] = []
    meter.meter.observers.append(lambda _event: told.append(meter.clock.now))
    meter.advance(hours=12)
    assert told[0] - begin == pytest.approx(5 * HOUR, abs=SECOND)


def test_a_price_changes_at_its_time(prepaid: Maker) -> None:
    meter = priced(prepaid(100_00), 10_000, 10_000)
    account, energy = meter.account, meter.account.charges["consumption"]
    account.orders.set_charge(energy, energy.active._replace(prices=((b"\x01", 30_000), (b"\x02", 30_000))))
    account.orders.plan_charge(energy, meter.meter.utc - meter.meter.utc % HOUR + 10 * HOUR)
    before = account.balance
    meter.advance(hours=12)
    assert before - account.balance == pytest.approx(10 * 10_000 + 2 * 30_000, abs=30)
    assert meter.heard("prices_changed")[-1][0] == pytest.approx(10.0, abs=0.01)


def test_without_power_nothing_is_used_and_what_time_made_due_is_made_up_for(prepaid: Maker) -> None:
    meter = priced(prepaid(100_00), 10_000, 10_000, standing=5_000)
    meter.advance(hours=1)
    before = meter.account.balance
    meter.meter.power_off()
    meter.advance(days=3)
    assert meter.account.balance == before
    meter.meter.power_on()
    meter.advance(hours=1)
    assert before - meter.account.balance == 3 * 5_000 + 10_000


def test_a_day_of_25_hours_without_power_is_one_day(prepaid: Maker) -> None:
    meter = priced(prepaid(100_00, 0), 0, standing=5_000)
    meter.meter.device_clock.dst_enabled = True
    meter.advance(days=296.5)  # the 24th of October; the clocks go back on the 25th
    before = meter.account.balance
    meter.meter.power_off()
    meter.advance(hours=35.5)  # half past eleven at night, 24 and a half hours after the midnight before
    meter.meter.power_on()
    meter.advance(hours=0.1)
    assert before - meter.account.balance == 5_000


@pytest.mark.parametrize("hours", [0.4, 1, 23, 24.4])
def test_a_clock_that_is_set_back_over_midnight_meets_it_once(prepaid: Maker, hours: float) -> None:
    meter = priced(prepaid(100_00, 0), 0, standing=5_000)
    meter.advance(hours=24.5)
    assert meter.account.balance == 100 * POUND - 5_000
    meter.meter.set_clock(meter.meter.utc - round(hours * HOUR))
    meter.advance(hours=hours)
    assert meter.account.balance == 100 * POUND - 5_000
    meter.advance(hours=24)
    assert meter.account.balance == 100 * POUND - 10_000


@pytest.mark.parametrize("move", [-400 * DAY, -DAY, 400 * DAY, DAY])
def test_a_clock_that_is_set_makes_no_charge_twice_and_none_for_what_was_skipped(prepaid: Maker, move: int) -> None:
    meter = priced(prepaid(100_00, 0), 0, standing=5_000)
    meter.advance(hours=1)
    meter.meter.set_clock(meter.meter.utc + move)
    assert 0 < meter.meter.utc < LAST_TIME
    meter.advance(hours=22)
    assert meter.account.balance == 100 * POUND
    meter.advance(hours=2)
    assert meter.account.balance == 100 * POUND - 5_000


def test_a_new_tenant_owes_nothing_and_sees_nothing(prepaid: Maker) -> None:
    meter = priced(prepaid(1_00), 10_000, 10_000)
    account = meter.account
    account.orders.set_remaining(account.charges["debt_1"], 60_000)
    meter.top_up(3_00)
    assert account.tokens.token
    account.orders.begin_tenancy()
    assert account.books.squared
    assert account.tokens.token == b""
    cleared = account.settings.clears
    assert (account.charges["debt_1"].remaining == 0) is ("debts" in cleared)
    assert (account.balance == 0) is ("balance" in cleared)
    assert account.tenancy_began == meter.meter.utc


def test_gas_is_charged_by_energy_and_its_valve_is_opened_at_the_meter(prepaid: Maker) -> None:
    meter = priced(prepaid(1_00, gas=2.0), 4_250)
    gas = meter.meter
    assert isinstance(gas, GasMeter)
    energy = gas.energy
    before = meter.account.balance
    meter.advance(hours=1)
    used = (before - meter.account.balance) / 4_250 * 1000
    assert used == pytest.approx(gas.energy - energy, abs=1.5)
    meter.advance(days=2)
    assert gas.switch.state is ControlState.DISCONNECTED
    assert meter.top_up(10_00) is Outcome.ACCEPTED
    assert gas.switch.state is ControlState.READY_FOR_RECONNECTION
    gas.open_tap = 400
    assert gas.press_button()
    meter.advance(hours=0.1)
    assert gas.switch.state is ControlState.READY_FOR_RECONNECTION
    assert meter.heard("valve_test_failed")
    gas.open_tap = 0
    assert gas.press_button()
    meter.advance(hours=0.1)
    assert gas.switch.closed


def test_the_image_brings_everything_back(prepaid: Maker) -> None:
    meter = priced(prepaid(1_00), 10_000, 10_000, standing=5_000)
    meter.limits(emergency_threshold=90_000, emergency_limit=30_000)
    meter.advance(hours=2)
    meter.account.activate_emergency()
    meter.account.passive.set_mode(PaymentMode.CREDIT, AccountStatus.ACTIVE)
    meter.account.passive.plan(meter.meter.utc + 90 * DAY)
    meter.top_up(2)
    image = meter.account.image()
    meter.advance(days=1)
    assert meter.account.image() != image
    meter.account.restore(image)
    assert meter.account.image() == image
