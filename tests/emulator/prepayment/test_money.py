"""Whatever happens to a meter, no millipence is lost or made, and when one looks makes no difference."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.load import MICRO, Constant
from emulator.meter import Meter
from emulator.premises import build_premises
from emulator.prepayment.charge import NOTHING
from emulator.prepayment.money import PENNY, POUND
from emulator.prepayment.passive import PaymentMode
from emulator.prepayment.tokens import Delivery
from emulator.time import HOUR, MINUTE, Clock
from firmware_profiles.loader import load

from ..conftest import START, DeviceSpec, Load, Prepayment, Spec

Step = tuple[str, int, int]
"""What happens, a number for it, and how many minutes pass after it."""

ACTIONS = (
    "token",
    "duplicate",
    "adjust",
    "debt_1",
    "debt_2",
    "debt_payment",
    "mode",
    "emergency",
    "prices",
    "planned price",
    "standing",
    "limits",
    "load",
    "power",
    "clock",
    "button",
    "tenancy",
    "configuration",
)
steps = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, 10_000), st.integers(0, 3 * 24 * 60)), min_size=1, max_size=25
)


class Life:
    """A meter to which things happen."""

    def __init__(self, profile: str, balance: int) -> None:
        self.clock = Clock(START)
        kind = profile.partition("-")[0]
        spec = DeviceSpec(profile=profile, load=Load("household"), prepayment=Prepayment(balance))
        premises = build_premises("home", Spec(**{kind: spec}), self.clock, 3, load, history_days=2)
        self.meter: Meter = getattr(premises, kind)
        assert self.meter.account is not None
        self.account = self.meter.account
        tokens = self.account.settings.tokens
        self.scheme = tokens.scheme(
            self.meter.token_secret(tokens), self.meter.token_originator(tokens), self.meter.identity.eui64
        )
        self.issued: list[str] = []
        self.events: list[tuple[int, str]] = []
        self.meter.observers.append(lambda event: self.events.append((self.meter.time, event)))

    def happen(self, what: str, number: int) -> None:
        meter, account = self.meter, self.account
        meter.attend()
        match what:
            case "token":
                self.issued.append(self.scheme.issue(len(self.issued) + 1, number % 8000 + 1))
                account.tokens.enter(self.issued[-1], Delivery.MANUAL)
            case "duplicate" if self.issued:
                account.tokens.enter(self.issued[number % len(self.issued)], Delivery.REMOTE)
            case "adjust":
                account.orders.adjust("balance", (number - 5_000) * PENNY)
            case "debt_1" | "debt_2":
                charge = account.charges[what]
                account.orders.set_charge(charge, NOTHING._replace(prices=((b"", number),)))
                account.orders.activate_charge(charge)
                account.orders.change_charge(charge, period=86_400 if number % 2 else 3_600)
                account.orders.set_remaining(charge, number * PENNY)
            case "debt_payment":
                account.orders.change_charge(account.charges[what], proportion=number)
                account.orders.set_remaining(account.charges[what], number * PENNY)
            case "mode":
                account.orders.switch_mode(PaymentMode.CREDIT if number % 2 else PaymentMode.PREPAYMENT)
            case "emergency":
                account.activate_emergency()
            case "prices" | "planned price":
                energy = account.charges["consumption"]
                table = tuple((index, (price + number) % 32_000) for index, price in energy.active.prices)
                account.orders.set_charge(energy, energy.active._replace(prices=table))
                if what == "prices":
                    account.orders.activate_charge(energy)
                else:
                    account.orders.plan_charge(energy, meter.utc + number * MINUTE)
            case "standing":
                charge = account.charges["standing"]
                account.orders.set_charge(charge, NOTHING._replace(prices=((b"", number),)))
                account.orders.activate_charge(charge)
            case "limits":
                account.orders.set_limit("disablement", (number - 5_000) * 10)
                account.orders.set_limit("emergency_threshold", number * 50)
                account.orders.set_limit("emergency_limit", number * 100)
                account.orders.set_limit("low_credit", number * 70)
                account.orders.set_limit("max_balance", 20 * POUND + number * PENNY)
            case "load":
                meter.set_load(Constant(number * MICRO))
            case "power" if meter.mains:
                meter.power_off()
            case "power":
                meter.power_on()
            case "clock":
                meter.set_clock(meter.utc + (number - 5_000) * MINUTE * 30)
            case "button":
                meter.press_button()
            case "tenancy":
                account.orders.begin_tenancy()
            case "configuration":
                account.configuration = account.configuration[: number % 8]
            case _:
                pass

    def pass_time(self, minutes: int, looks: Random | None) -> None:
        """Let time pass; somebody looks at the meter now and then, or nobody does."""
        end = self.clock.now + minutes * MINUTE
        while looks is not None and self.clock.now < end:
            self.clock.advance_to(min(end, self.clock.now + looks.randrange(1, 9 * HOUR)))
            self.meter.settle()
            assert self.account.balance == self.account.books.balance
        self.clock.advance_to(end)
        self.meter.settle()

    def image(self) -> dict[str, Any]:
        self.meter.attend()
        self.account.look()
        return self.account.image()


@pytest.mark.parametrize("profile", ["electricity-base", "electricity-lima-2", "gas-base"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(history=steps, balance=st.integers(-500, 5000), seed=st.integers(0, 99))
def test_money_is_conserved_and_looking_changes_nothing(
    profile: str, history: list[Step], balance: int, seed: int
) -> None:
    lives = [Life(profile, balance), Life(profile, balance)]
    looks = Random(seed)
    for what, number, minutes in history:
        for life in lives:
            life.happen(what, number)
            life.pass_time(minutes, looks if life is lives[1] and life.meter.firmware.sleep is None else None)
            account, books = life.account, life.account.books
            account.fold()
            assert books.squared, (what, number)
            assert books.paid == sum(charge.paid for charge in account.charges.values())
            assert books.emergency >= 0 and books.borrowed >= 0 and books.accumulated >= 0
    first, second = lives
    assert first.image() == second.image()
    assert first.events == second.events
    assert first.meter.switch.state is second.meter.switch.state
    spent = first.account.charges["consumption"].paid + first.account.charges["standing"].paid
    debts = sum(charge.paid for charge in first.account.charges.values() if charge.is_debt)
    books = first.account.books
    there = books.balance - books.borrowed - books.accumulated
    assert there + spent + debts + books.lost == books.credited + books.adjusted
