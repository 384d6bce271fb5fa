"""A prepayment meter against plain arithmetic, through whatever a household, a supplier and the mains do to it.

The model knows a constant load, a price for each rate, a few debts and limits; it works out in fractions when credit
ends. The meter must agree with it to the nanosecond and to the millipence, also after it was killed: then it goes on
from what its memory holds, and whatever was acknowledged is there.
"""

from __future__ import annotations

import json
import math
from copy import deepcopy
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import ClassVar, NamedTuple

from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from emulator.load import MICRO, Constant
from emulator.meter import Meter
from emulator.nvm import MemoryNvm, keep
from emulator.premises import build_premises
from emulator.prepayment.account import Account
from emulator.prepayment.charge import NOTHING, UnitCharge
from emulator.prepayment.money import PENNY, POUND
from emulator.prepayment.passive import PaymentMode
from emulator.prepayment.tokens import Delivery
from emulator.supply import ControlState
from emulator.time import DAY, HOUR, MINUTE, SECOND, Clock
from firmware_profiles.loader import load
from protocols.dlms.objects import AccessRefused
from protocols.tokens.scheme import Outcome, TokenScheme

from ..conftest import SEED, START, DeviceSpec, Hand, Load, Prepayment, Spec

WEEKDAYS, RATE_2_BEGINS = range(5), 7
"""Rate 2 of the base profile holds on weekdays from seven to midnight, UTC."""
WINDOW, REBUILT, ATTEMPTS, LOCK_FIRST, LOCK_LONGEST = 256, 1024, 5, MINUTE, HOUR
"""Of the base profiles' tokens: history, truncated counters, wrong entries until the lock, its first and longest."""
RESERVE = 160 * HOUR
"""A clock runs that long without mains; the model has no clock that stops."""
WRONG = {Outcome.WRONG_LENGTH, Outcome.CHECK_DIGIT, Outcome.NOT_AUTHENTIC}


class Token(NamedTuple):
    """Digits, and what they are: a counter and pence, or what is wrong with them."""

    digits: str
    counter: int
    pence: int
    flaw: Outcome | None = None


@dataclass(frozen=True)
class Terms:
    """What stays the same for a meter: money in millipence, prices a kWh by rate, the standing charge a day."""

    prices: tuple[int, int]
    standing: int
    floor: int
    emergency_limit: int
    emergency_threshold: int
    max_credit: int
    max_balance: int
    cap_pounds: int
    cap_days: int


@dataclass
class Model:
    """The meter as it ought to be at ``now``."""

    terms: Terms
    now: int
    balance: int
    watts: Fraction
    boot: int
    one_rate: bool
    prepaying: bool = True
    mains: bool = True
    off_since: int = 0
    ready_at: int = 0
    switch: ControlState = ControlState.CONNECTED
    cut: bool = False
    carry: Fraction = Fraction(0)
    selected: bool = False
    emergency: int = 0
    borrowed: int = 0
    accumulated: int = 0
    credited: int = 0
    midnight: int = 0
    daily: dict[str, int] = field(default_factory=lambda: {"debt_1": 0, "debt_2": 0})
    remaining: dict[str, int] = field(default_factory=lambda: {"debt_1": 0, "debt_2": 0, "debt_payment": 0})
    share: int = 0
    cap_from: int = 0
    cap_used: int = 0
    used: dict[int, int] = field(default_factory=dict)
    """Counters of accepted tokens, and how often each credited."""
    wrong: int = 0
    locked_until: int = 0
    next_lock: int = LOCK_FIRST

    # --- time

    def advance(self, target: int) -> None:
        """Live until ``target``. What was done just before has its consequences a nanosecond after it."""
        while self.now < target:
            midnight = max(self.midnight, self.now + 1) if self.mains else target
            step = min(target, self._rate_ends, self.empty_at or target, midnight)
            self._burn(step)
            self.now = step
            self._collect()
            self.look()

    @property
    def _price(self) -> int:
        day, second = divmod(self.now // SECOND, 86_400)
        second_rate = (day + 3) % 7 in WEEKDAYS and second >= RATE_2_BEGINS * 3600
        return self.terms.prices[second_rate and not self.one_rate]

    @property
    def _rate_ends(self) -> int:
        start = self.now - self.now % DAY
        return next(at for at in (start + RATE_2_BEGINS * HOUR, start + DAY) if at > self.now)

    @property
    def _millipence_a_ns(self) -> Fraction:
        flows = self.mains and self.switch is ControlState.CONNECTED
        return self.watts * self._price / (1000 * HOUR) if flows else Fraction(0)

    @property
    def empty_at(self) -> int | None:
        """When what energy is taken from now ends, if prices stay; None for never."""
        pace = self._millipence_a_ns
        left = max(0, self.balance - self.terms.floor) or (self.emergency if self.selected else 0)
        return self.now + math.ceil((left - self.carry) / pace) if pace and left and self.prepaying else None

    def _burn(self, until: int) -> None:
        self.carry += self._millipence_a_ns * (until - self.now)
        due = math.floor(self.carry)
        self.carry -= due
        self.balance -= self._lend(due) if self.prepaying else due

    def _lend(self, amount: int) -> int:
        """Take from emergency credit what the balance has not; the rest."""
        short = amount - min(amount, max(0, self.balance - self.terms.floor))
        lent = min(short, self.emergency) if self.selected else 0
        self.emergency -= lent
        self.borrowed += lent
        return amount - lent

    def _collect(self) -> None:
        """Take what every midnight until now has made due, once there is power."""
        while self.mains and self.midnight <= self.now:
            self.midnight += DAY
            self._charge(self.terms.standing)
            for debt, amount in self.daily.items():
                if self.prepaying:
                    taken = min(amount, self.remaining[debt])
                    self.remaining[debt] -= taken
                    self._charge(taken)

    def _charge(self, amount: int) -> None:
        if self.prepaying:
            rest = self._lend(amount)
            at_hand = min(rest, max(0, self.balance - self.terms.floor))
            self.accumulated += rest - at_hand
            self.balance -= at_hand
        else:
            self.balance -= amount

    @property
    def exhausted(self) -> bool:
        return self.balance <= self.terms.floor and not (self.selected and self.emergency)

    def look(self) -> None:
        """Cut and arm as the balance says."""
        if not self.mains:
            return
        if self.prepaying and self.selected and not self.emergency and not self.borrowed:
            self.selected = False
        if self.prepaying and self.exhausted:
            if self.switch is not ControlState.DISCONNECTED:
                self.switch, self.cut = ControlState.DISCONNECTED, True
        elif self.cut:
            self.switch, self.cut = ControlState.READY_FOR_RECONNECTION, False

    # --- what is done to it

    def enter(self, token: Token, manual: bool, broken: bool) -> Outcome:
        """Enter a token; ``broken`` is whether the memory is."""
        if manual and self.now < self.locked_until:
            return Outcome.LOCKED
        outcome = self._judge(token)
        if outcome is Outcome.ACCEPTED:
            if broken:
                return Outcome.STORAGE_FAULT
            self._credit(token)
            self.look()
        elif manual and outcome in WRONG:
            self.wrong += 1
            if self.wrong == ATTEMPTS:
                self.wrong = 0
                self.locked_until = self.now + self.next_lock
                self.next_lock = min(2 * self.next_lock, LOCK_LONGEST)
        return outcome

    @property
    def highest(self) -> int:
        return max(self.used, default=-1)

    def _judge(self, token: Token) -> Outcome:
        if token.flaw:
            return token.flaw
        low = token.counter % REBUILT
        meant = min(range(low, token.counter + 2 * REBUILT, REBUILT), key=lambda c: (abs(c - self.highest), -c))
        if meant != token.counter:
            return Outcome.NOT_AUTHENTIC
        if self.highest - token.counter >= WINDOW:
            return Outcome.TOO_OLD
        if token.counter in self.used:
            return Outcome.DUPLICATE
        if not self.prepaying:
            return Outcome.NOT_PREPAYMENT
        if token.pence * PENNY > self.terms.max_credit:
            return Outcome.OVER_TOKEN_LIMIT
        if self.balance + self._split(token)[3] > self.terms.max_balance:
            return Outcome.OVER_BALANCE_LIMIT
        return Outcome.ACCEPTED

    def _split(self, token: Token) -> tuple[int, int, int, int]:
        """To the payment-based debt, accumulated debt, emergency credit that was used, and the balance."""
        amount = token.pence * PENNY
        fresh = self.now >= self.cap_from + self.terms.cap_days * DAY
        room = self.terms.cap_pounds * POUND - (0 if fresh else self.cap_used) if self.terms.cap_days else amount
        debt = min(amount * self.share // 10_000, self.remaining["debt_payment"], room)
        accumulated = min(amount - debt, self.accumulated)
        emergency = min(amount - debt - accumulated, self.borrowed)
        return debt, accumulated, emergency, amount - debt - accumulated - emergency

    def _credit(self, token: Token) -> None:
        debt, accumulated, emergency, balance = self._split(token)
        if debt and self.now >= self.cap_from + self.terms.cap_days * DAY:
            self.cap_from, self.cap_used = self.now, 0
        self.cap_used += debt
        self.remaining["debt_payment"] -= debt
        self.accumulated -= accumulated
        self.borrowed -= emergency
        self.balance += balance
        self.credited += token.pence * PENNY
        if self.selected and not self.borrowed:
            self.selected, self.emergency = False, 0
        self.used[token.counter] = self.used.get(token.counter, 0) + 1
        self.wrong, self.locked_until, self.next_lock = 0, 0, LOCK_FIRST

    def activate_emergency(self) -> bool:
        """The customer wants emergency credit; whether there is any to be had."""
        terms = self.terms
        if not self.prepaying or self.selected or self.borrowed or not terms.emergency_limit:
            return False
        if self.balance > terms.emergency_threshold:
            return False
        self.selected, self.emergency = True, terms.emergency_limit
        self.look()
        return True

    def press_button(self) -> None:
        if self.mains and self.switch is ControlState.READY_FOR_RECONNECTION:
            self.switch = ControlState.CONNECTED

    def power_off(self) -> None:
        self.mains, self.off_since = False, self.now

    def power_on(self) -> None:
        self.mains, self.ready_at = True, self.now + self.boot

    def die(self, until: int) -> None:
        """The rig is killed, and started again at ``until``; nothing was metered meanwhile."""
        self.now, self.mains, self.ready_at = until, True, until

    @property
    def money(self) -> dict[str, object]:
        """What the account's books must show."""
        return {
            "balance": self.balance,
            "emergency": self.emergency,
            "borrowed": self.borrowed,
            "accumulated": self.accumulated,
            "credited": self.credited,
            "selected": self.selected,
            **self.remaining,
        }

    @property
    def decisions(self) -> tuple[object, ...]:
        """What somebody was told was done, which no restart may forget."""
        return self.used, self.wrong, self.locked_until, self.prepaying, self.daily, self.share, self.selected


def money_of(account: Account) -> dict[str, object]:
    books = account.books
    return {
        "balance": account.balance,
        "emergency": books.emergency,
        "borrowed": books.borrowed,
        "accumulated": books.accumulated,
        "credited": books.credited,
        "selected": account.emergency_selected,
        **{name: charge.remaining for name, charge in account.charges.items() if charge.is_debt},
    }


spans = st.one_of(
    st.integers(0, 5 * MINUTE),
    st.integers(0, 2 * DAY),
    st.integers(1, 50).map(lambda hours: hours * HOUR),
    st.integers(0, 2).map(lambda days: days * DAY),
)
amounts = st.one_of(st.integers(1, 8000), st.integers(1, 300))
ways = st.sampled_from(Delivery)


class PrepaymentMachine(RuleBasedStateMachine):
    """One meter and its model."""

    kind: ClassVar[str]
    tokens = Bundle("tokens")

    @initialize(
        pence=st.integers(-200, 3000),
        load_=st.integers(0, 9000),
        prices=st.tuples(st.integers(0, 60_000), st.integers(0, 60_000)),
        standing=st.sampled_from((0, 1, 30_000, 777_777)),
        floor=st.sampled_from((0, 0, 0, -12_345, 50_000)),
        emergency=st.tuples(st.sampled_from((0, 100_000, 765_432)), st.sampled_from((-77_777, 50_000, 2_500_000))),
        most=st.tuples(st.sampled_from((15, 100)), st.sampled_from((40, 200))),
        cap=st.tuples(st.integers(0, 12), st.integers(0, 3)),
    )
    def install(
        self,
        pence: int,
        load_: int,
        prices: tuple[int, int],
        standing: int,
        floor: int,
        emergency: tuple[int, int],
        most: tuple[int, int],
        cap: tuple[int, int],
    ) -> None:
        terms = Terms(prices, standing, floor, *emergency, most[0] * POUND, most[1] * POUND, *cap)
        self.spec = DeviceSpec(load=Load("constant", self._drawn(load_)), prepayment=Prepayment(pence))
        self.memory = MemoryNvm()
        self.unkept = False
        self.issued = 0
        self._build(START)
        meter, account = self.meter, self.account
        meter.device_clock.drift = 0
        energy, fixed = account.charges["consumption"], account.charges["standing"]
        table = tuple((bytes((index,)), price) for index, price in enumerate(prices, 1))
        account.orders.set_charge(energy, UnitCharge(3, -5, energy.active.commodity, table))
        account.orders.activate_charge(energy)
        account.orders.set_charge(fixed, NOTHING._replace(prices=((b"", standing),)))
        account.orders.activate_charge(fixed)
        for name, value in (
            ("disablement", floor),
            ("emergency_limit", terms.emergency_limit),
            ("emergency_threshold", terms.emergency_threshold),
            ("max_credit", terms.max_credit),
            ("max_balance", terms.max_balance),
            ("debt_cap", terms.cap_pounds),
            ("debt_cap_period", terms.cap_days * 86_400),
        ):
            account.orders.set_limit(name, value)
        one_rate = self.kind == "gas"
        boot = meter.firmware.boot_time
        self.model = Model(terms, START, pence * PENNY, self._power(load_), boot, one_rate, midnight=START + DAY)
        self._settled()
        self.model.advance(self.clock.now)
        assert meter.commit()
        self.stored = deepcopy(self.model)
        self.writes = self.memory.writes

    # --- the meter

    def _drawn(self, load_: int) -> float:
        """A load as a rig file has it: W, or m3 an hour."""
        return float(load_) if self.kind == "electricity" else load_ / 1000

    def _power(self, load_: int) -> Fraction:
        """W; of gas, what its volume holds: 1e-4 MJ/m3 times 1e-5, 3600 J in a Wh."""
        if self.kind == "electricity":
            return Fraction(load_)
        conversion = self.meter.calorific_value * self.meter.correction_factor  # type: ignore[attr-defined]
        return Fraction(load_, 1000) * Fraction(conversion, 10**9) * 10**6 / 3600

    def _build(self, now: int) -> None:
        """The meter as a rig makes it when it starts, with what its memory holds."""
        self.clock = Clock(now)
        premises = build_premises("home", self._spec(self.spec), self.clock, SEED, load, history_days=0)
        meter: Meter | None = getattr(premises, self.kind)
        assert meter is not None and meter.account is not None
        self.meter, self.account = meter, meter.account
        if keep(meter, self.memory):
            meter.resume()
        assert meter.keeper is not None and meter.keeper.begin()
        self.scheme = self._scheme(meter)

    def _spec(self, device: DeviceSpec) -> Spec:
        devices: dict[str, DeviceSpec | None] = {"hub": None, "electricity": None, "gas": None, self.kind: device}
        return Spec(**devices)

    def _scheme(self, meter: Meter) -> TokenScheme:
        assert meter.firmware.prepayment is not None
        settings_ = meter.firmware.prepayment.tokens
        return settings_.scheme(meter.token_secret(settings_), meter.token_originator(settings_), meter.identity.eui64)

    def _settled(self) -> None:
        """What follows happens, as it does on a rig before anybody else gets a turn."""
        self.clock.advance_to(self.clock.now + 1)
        self.meter.attend()
        self.clock.advance_to(self.clock.now)

    def _done(self, before: Model | None = None) -> None:
        """Something has been done: what of it has come to the memory, by now or by the last instant that it holds."""
        before = before or deepcopy(self.model)
        self._settled()
        self.model.advance(self.clock.now)
        self._remember(before)

    def _remember(self, before: Model) -> None:
        """What the memory holds is ``before`` as it was at that instant, if it has been written since."""
        if self.memory.writes == self.writes:
            return
        self.writes = self.memory.writes
        self.stored = before
        self.stored.advance(json.loads(self.memory.parts["device"])["time"])
        self.unkept = self.memory.broken

    def _doing(self) -> None:
        """Something is about to be done, which a memory that is broken cannot keep."""
        self.meter.attend()
        self.unkept = self.unkept or self.memory.broken

    # --- the customer

    @rule(target=tokens, pence=amounts, ahead=st.one_of(st.just(1), st.integers(1, 250)))
    def buy(self, pence: int, ahead: int) -> Token:
        """Buy a token, to be entered some time, or never."""
        self.issued += ahead
        return Token(self.scheme.issue(self.issued, pence), self.issued, pence)

    @rule(token=tokens, way=ways)
    def enter(self, token: Token, way: Delivery) -> None:
        """A fresh token, or one that was entered before, perhaps long ago."""
        self._enter(token, way)

    @rule(pence=amounts, way=ways, target=tokens)
    def top_up(self, pence: int, way: Delivery) -> Token:
        """Buy and enter at once."""
        token = self.buy_one(pence)
        self._enter(token, way)
        return token

    @rule(pence=amounts, way=ways, gap=spans, flawed=st.booleans())
    def die_having_answered(self, pence: int, way: Delivery, gap: int, flawed: bool) -> None:
        """The rig is killed the moment it has taken a token, or counted one against the customer."""
        token = self.buy_one(pence)
        if flawed:
            token = Token(token.digits[:-1], 0, 0, Outcome.WRONG_LENGTH)
        self._doing()
        self._answered(token, way)
        self._remember(deepcopy(self.model))
        if not flawed or way is Delivery.MANUAL:
            self._kill(gap)

    @rule(pence=amounts, way=ways, gap=spans, die=st.booleans())
    def top_up_when_nothing_can_be_stored(self, pence: int, way: Delivery, gap: int, die: bool) -> None:
        """What could not be stored credited nothing, and can be entered once there is a memory again."""
        token = self.buy_one(pence)
        self.memory.broken = True
        self._enter(token, way)
        if die:
            self._kill(gap)
        self.memory.broken = False
        self._enter(token, way)

    @rule(token=tokens, place=st.integers(0, 19), other=st.integers(1, 9), way=ways)
    def mistype(self, token: Token, place: int, other: int, way: Delivery) -> None:
        digits = list(token.digits)
        digits[place] = str((int(digits[place]) + other) % 10)
        self._enter(Token("".join(digits), 0, 0, Outcome.CHECK_DIGIT), way)

    @rule(token=tokens, length=st.integers(1, 19), way=ways)
    def type_too_little(self, token: Token, length: int, way: Delivery) -> None:
        self._enter(Token(token.digits[:length], 0, 0, Outcome.WRONG_LENGTH), way)

    @rule(pence=amounts, way=ways, times=st.integers(1, ATTEMPTS + 1))
    def enter_a_neighbours(self, pence: int, way: Delivery, times: int) -> None:
        """A token of another meter, tried again and again."""
        assert self.meter.firmware.prepayment is not None
        settings_ = self.meter.firmware.prepayment.tokens
        eui64 = bytes(8)
        other = settings_.scheme(self.meter.token_secret(settings_), self.meter.token_originator(settings_), eui64)
        for _ in range(times):
            self._enter(Token(other.issue(self.issued, pence), 0, 0, Outcome.NOT_AUTHENTIC), way)

    @rule(die=st.booleans(), gap=spans)
    def activate_emergency(self, die: bool, gap: int) -> None:
        self._doing()
        if self.meter.ready:
            assert self.account.activate_emergency() is self.model.activate_emergency()
        self._done()
        if die:
            self._kill(gap)

    @rule()
    def press_button(self) -> None:
        self._doing()
        self.model.press_button()
        assert self.meter.press_button() is (self.model.switch is ControlState.CONNECTED)
        self._done()

    @rule(load_=st.integers(0, 9000))
    def draw(self, load_: int) -> None:
        """Another load, to which a rig file returns when it is read again."""
        self.meter.set_load(Constant(round(self._drawn(load_) * (1 if self.kind == "electricity" else 1000) * MICRO)))
        self.model.watts = self._power(load_)
        self._done()

    def buy_one(self, pence: int) -> Token:
        self.issued += 1
        return Token(self.scheme.issue(self.issued, pence), self.issued, pence)

    def _enter(self, token: Token, way: Delivery) -> None:
        self._doing()
        self._answered(token, way)
        self._done()

    def _answered(self, token: Token, way: Delivery) -> None:
        """A token is entered, at the keypad or by its other ways, and answered as it ought to be."""
        manual = way is Delivery.MANUAL
        if not self.model.mains or self.clock.now < self.model.ready_at:
            assert self.meter.keypad.top_up(token.digits) is None
            return
        expected = self.model.enter(token, manual, self.memory.broken)
        found = self.meter.keypad.top_up(token.digits) if manual else self.account.tokens.enter(token.digits, way)
        assert found is expected, (found, expected)

    # --- the supplier

    @rule(pence=st.integers(-4000, 4000))
    def adjust(self, pence: int) -> None:
        if not self.model.mains:
            return
        self._doing()
        try:
            Hand(self.meter).act(112, "0-0:19.10.0", 1, "i32", pence * PENNY)
        except AccessRefused:
            assert self.memory.broken
        else:
            assert not self.memory.broken
        self.model.balance += pence * PENNY
        self._done()

    @rule(prepaying=st.booleans())
    def switch_mode(self, prepaying: bool) -> None:
        if not self.model.mains:
            return
        self._doing()
        self.account.orders.switch_mode(PaymentMode.PREPAYMENT if prepaying else PaymentMode.CREDIT)
        self.model.prepaying = prepaying
        self._kept()

    @rule(debt=st.sampled_from(("debt_1", "debt_2")), daily=st.integers(0, 90_000), pence=st.integers(0, 900))
    def owe_by_the_day(self, debt: str, daily: int, pence: int) -> None:
        if not self.model.mains:
            return
        self._doing()
        charge = self.account.charges[debt]
        self.account.orders.set_charge(charge, NOTHING._replace(prices=((b"", daily),)))
        self.account.orders.activate_charge(charge)
        self.account.orders.set_remaining(charge, pence * PENNY)
        self.model.daily[debt], self.model.remaining[debt] = daily, pence * PENNY
        self._kept()

    @rule(share=st.integers(0, 10_000), pence=st.integers(0, 5000))
    def owe_by_the_payment(self, share: int, pence: int) -> None:
        if not self.model.mains:
            return
        self._doing()
        charge = self.account.charges["debt_payment"]
        self.account.orders.change_charge(charge, proportion=share)
        self.account.orders.set_remaining(charge, pence * PENNY)
        self.model.share, self.model.remaining["debt_payment"] = share, pence * PENNY
        self._kept()

    def _kept(self) -> None:
        """A client is answered once that is kept; a broken memory does no harm where it holds all of it already."""
        if self.meter.commit():
            held = {name: json.loads(text) for name, text in self.memory.parts.items()}
            assert held == json.loads(json.dumps(self.meter.parts()))
        else:
            assert self.memory.broken
        self._done()

    # --- time, power, and the end of the rig

    @rule(span=spans)
    def advance(self, span: int) -> None:
        self._advance(self.clock.now + span)

    @precondition(lambda self: self.model.empty_at is not None)
    @rule(aside=st.integers(-1, 1))
    def advance_to_the_end_of_credit(self, aside: int) -> None:
        at = self.model.empty_at
        assert at is not None
        self._advance(min(max(at + aside, self.clock.now), self.clock.now + 20 * DAY))

    @precondition(lambda self: self.model.locked_until > self.clock.now)
    @rule(aside=st.integers(-1, 1))
    def wait_for_the_lock(self, aside: int) -> None:
        assert self.account.tokens.locked_for == self.model.locked_until - self.clock.now or not self.model.mains
        self._advance(max(self.model.locked_until + aside, self.clock.now))

    def _advance(self, target: int) -> None:
        if not self.model.mains:
            target = max(self.clock.now, min(target, self.model.off_since + RESERVE))
        before = deepcopy(self.model)
        self.clock.advance_to(target)
        self.model.advance(target)
        self._done(before)

    @rule()
    def cut_the_mains(self) -> None:
        if self.model.mains:
            self.meter.power_off()
            self.model.power_off()
            self._done()

    @precondition(lambda self: not self.model.mains)
    @rule()
    def give_the_mains_back(self) -> None:
        self.meter.power_on()
        self.model.power_on()
        self._done()

    @rule()
    def start_anew(self) -> None:
        """The watchdog."""
        if self.model.mains:
            self.meter.watchdog()
            self.model.ready_at = self.clock.now + self.model.boot
            self._done()

    @rule(broken=st.booleans())
    def break_the_memory(self, broken: bool) -> None:
        self.memory.broken = broken

    @rule(gap=spans)
    def kill(self, gap: int) -> None:
        """`kill -9`, and a new start later."""
        self._kill(gap)

    def _kill(self, gap: int) -> None:
        stored = self.stored
        since = stored.off_since if not stored.mains else stored.now
        assume(self.clock.now - since <= RESERVE)
        if not self.unkept:
            assert stored.decisions == self.model.decisions
        self.memory.broken = False
        until = min(self.clock.now + gap, since + RESERVE)
        self._build(until)
        self.model = replace(stored, watts=self._power_of_file)
        self.model.die(until)
        self._done()
        self.unkept = False

    @property
    def _power_of_file(self) -> Fraction:
        assert self.spec.load.value is not None
        return self._power(round(self.spec.load.value * (1 if self.kind == "electricity" else 1000)))

    # --- always

    @invariant()
    def agrees(self) -> None:
        model, account = self.model, self.account
        assert money_of(account) == model.money
        assert self.meter.switch.state is model.switch
        assert self.meter.mains is model.mains
        assert account.prepaying is model.prepaying
        assert account.tokens.history.highest == model.highest
        assert account.tokens.lock.wrong == model.wrong
        assert self.meter.keypad.text() or not model.mains or self.clock.now < model.ready_at or self.kind == "gas"

    @invariant()
    def books_are_squared(self) -> None:
        books = self.account.books
        assert books.squared
        assert books.paid == sum(charge.paid for charge in self.account.charges.values())

    @invariant()
    def no_token_credits_twice(self) -> None:
        assert all(times == 1 for times in self.model.used.values())


class Electricity(PrepaymentMachine):
    kind = "electricity"


class Gas(PrepaymentMachine):
    kind = "gas"


TestElectricity, TestGas = Electricity.TestCase, Gas.TestCase
TestElectricity.settings = TestGas.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
