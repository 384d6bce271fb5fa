"""Keypad and display as a customer meets them, and against a simple model of both."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from emulator.front import ALPHABET, Key, parse_keys
from emulator.gas import GasMeter
from emulator.meter import Meter
from emulator.premises import build_premises
from emulator.prepayment import display, money
from emulator.prepayment.passive import PaymentMode
from emulator.supply import ControlState
from emulator.time import HOUR, MINUTE, SECOND, Clock
from firmware_profiles.files import names
from firmware_profiles.loader import load
from protocols.tokens.scheme import Outcome

from ..conftest import SEED, START, DeviceSpec, Load, Prepayment, Spec
from .conftest import Prepaid

Maker = Callable[..., Prepaid]


def wait(meter: Prepaid, nanoseconds: int) -> None:
    """Let time pass; nobody looks at the meter."""
    meter.clock.advance_to(meter.clock.now + nanoseconds)


def text(meter: Prepaid) -> str:
    return meter.meter.keypad.text()


def rest_text(meter: Prepaid) -> str:
    """What the first screen of the base profile shows in prepayment mode."""
    return f"Credit {money.text(meter.account.balance)} GBP"


def outcome_text(meter: Prepaid, outcome: Outcome) -> str:
    return meter.account.settings.tokens.outcomes[outcome].display


def test_digits_stand_in_groups_of_four_and_can_be_taken_back(prepaid: Maker) -> None:
    meter = prepaid(10_00)
    keypad = meter.meter.keypad
    assert keypad.text() == "Credit 10.00 GBP"
    shown: list[str] = []
    for key in "73943<<":
        keypad.type(key)
        shown.append(keypad.text())
    assert shown == ["7", "73", "739", "7394", "7394 3", "7394", "739"]
    keypad.type("c")
    assert keypad.text() == "Credit 10.00 GBP"
    keypad.type("12<<<")
    assert keypad.text() == "Credit 10.00 GBP"
    keypad.type("1234-5678 9012 3456 7890 123")
    assert keypad.text() == "1234 5678 9012 3456 7890"


def test_a_token_is_credited_and_what_became_of_it_is_shown_for_a_while(prepaid: Maker) -> None:
    meter = prepaid(1_00, 0)
    keypad, settings = meter.meter.keypad, meter.account.settings
    keypad.type(meter.token(5_50) + "#")
    assert keypad.text() == "Accepted 5.50 GBP"
    assert meter.account.balance == 6_50 * money.PENNY
    wait(meter, settings.screen_time - 1)
    assert keypad.text() == "Accepted 5.50 GBP"
    wait(meter, 1)
    assert keypad.text() == "Credit 6.50 GBP"
    assert keypad.top_up(meter.token(2_00)) is Outcome.ACCEPTED
    assert keypad.top_up("1234") is Outcome.WRONG_LENGTH
    assert keypad.text() == outcome_text(meter, Outcome.WRONG_LENGTH)
    keypad.type("#")
    assert keypad.text() == "Credit 8.50 GBP"
    assert len(meter.heard("token_accepted")) == 2
    assert len(meter.heard("token_wrong_length")) == 1


def test_an_entry_that_nobody_goes_on_with_is_dropped(prepaid: Maker) -> None:
    meter = prepaid(10_00)
    keypad, patience = meter.meter.keypad, meter.account.settings.entry_timeout
    keypad.type("123")
    wait(meter, patience - 1)
    assert keypad.text() == "123"
    keypad.type("4")  # each key gives the whole time anew
    wait(meter, patience - 1)
    assert keypad.text() == "1234"
    wait(meter, 1)
    keypad.type("56")
    assert keypad.text() == "56"
    wait(meter, patience)
    assert keypad.text() == rest_text(meter)
    assert not meter.heard("token_wrong_length")


def test_wrong_entries_lock_the_keypad_and_it_says_for_how_long(prepaid: Maker) -> None:
    meter = prepaid(10_00)
    keypad, tokens = meter.meter.keypad, meter.account.settings.tokens
    token = meter.token(1_00)
    wrong = token[:5] + str((int(token[5]) + 1) % 10) + token[6:]
    for _ in range(tokens.attempts):
        assert keypad.top_up(wrong) is Outcome.CHECK_DIGIT
    assert keypad.top_up(token) is Outcome.LOCKED
    shown = outcome_text(meter, Outcome.LOCKED)
    assert keypad.text() == shown.format(locked=display.duration(tokens.lock_first))
    wait(meter, 5 * SECOND)
    assert keypad.text() == shown.format(locked=display.duration(tokens.lock_first - 5 * SECOND))
    wait(meter, tokens.lock_first)
    assert keypad.top_up(token) is Outcome.ACCEPTED


def test_scrolling_walks_the_screens_and_ends_by_itself(prepaid: Maker) -> None:
    meter = prepaid(10_00)
    keypad, account = meter.meter.keypad, meter.account
    account.charges["debt_1"].remaining = 12_34 * money.PENNY
    keypad.type(meter.token(7_00) + "#c")
    names = [name for name, _ in account.settings.screens]
    shown: dict[str, str] = {}
    for name in names:
        shown[name] = keypad.text()
        keypad.press(Key.SCROLL)
    assert keypad.text() == shown[names[0]]
    assert shown["balance"] == "Credit 17.00 GBP"
    assert shown["debt"] == "Debt 12.34 GBP"
    assert shown["supply"] == "Supply on"
    assert shown["top_up"] == "Last top-up 7.00 GBP 01/01/26"
    assert shown["clock"] == "01/01/26 00:00"
    price = account.price
    assert shown["rate"] == f"Rate 1: {price // 1000}.{price % 1000 // 10:02} p/kWh"
    keypad.press(Key.SCROLL)
    assert keypad.text() == shown[names[1]]
    wait(meter, account.settings.screen_time)
    assert keypad.text() == rest_text(meter)


def test_in_credit_mode_it_shows_other_screens_and_says_why_it_takes_no_token(prepaid: Maker) -> None:
    meter = prepaid(10_00)
    token = meter.token(5_00)
    meter.account.orders.switch_mode(PaymentMode.CREDIT)
    keypad, settings = meter.meter.keypad, meter.account.settings
    assert keypad.text().startswith("Reading ")
    keypad.type(">" * len(settings.credit_screens))
    assert keypad.text().startswith("Reading ")
    assert keypad.top_up(token) is Outcome.NOT_PREPAYMENT
    assert keypad.text() == outcome_text(meter, Outcome.NOT_PREPAYMENT)
    keypad.type("c" + ">" * (len(settings.credit_screens) - 1))
    meter.account.orders.switch_mode(PaymentMode.PREPAYMENT)  # it has more screens than this mode
    assert keypad.text()


def test_a_power_cut_loses_what_was_typed_and_darkens_the_display(prepaid: Maker) -> None:
    meter = prepaid(10_00)
    token, keypad = meter.token(5_00), meter.meter.keypad
    keypad.type("7394")
    meter.meter.power_off()
    assert keypad.text() == ""
    keypad.type("1")
    assert keypad.top_up(token) is None
    meter.meter.power_on()
    boot = meter.meter.firmware.boot_time
    wait(meter, boot - 1)
    assert keypad.text() == ""
    assert keypad.top_up(token) is None
    wait(meter, 1)
    assert keypad.text() == rest_text(meter)
    keypad.type("1")
    assert keypad.text() == "1"
    meter.meter.reboot()
    wait(meter, boot)
    assert keypad.text() == rest_text(meter)
    assert keypad.top_up(token) is Outcome.ACCEPTED


def test_a_key_wakes_the_gas_meter_up_and_its_display_goes_off_again(prepaid: Maker) -> None:
    meter = prepaid(10_00, gas=2.0)
    gas, keypad = meter.meter, meter.meter.keypad
    assert isinstance(gas, GasMeter)
    wait(meter, 10 * MINUTE)
    assert keypad.text() == ""
    slept = gas.time
    keypad.press(Key.SCROLL)
    assert gas.time == meter.clock.now > slept
    assert keypad.text().startswith("Emergency credit")
    keypad.press(Key.CLEAR)
    assert keypad.text() == ""
    token = meter.token(5_00)
    assert keypad.top_up(token) is Outcome.ACCEPTED
    assert keypad.text() == "Accepted 5.00 GBP"
    wait(meter, meter.account.settings.screen_time)
    assert keypad.text() == ""


def test_emergency_credit_and_the_supply_have_keys(prepaid: Maker) -> None:
    meter = prepaid(3, 1000)
    keypad = meter.meter.keypad
    meter.limits(emergency_limit=50 * money.PENNY, emergency_threshold=100 * money.PENNY, disablement=0)
    meter.advance(hours=1)
    assert meter.meter.switch.state is ControlState.DISCONNECTED
    keypad.press(Key.SUPPLY)
    assert keypad.text() == "Supply off"
    meter.limits(emergency_threshold=-100 * money.PENNY)
    keypad.press(Key.EMERGENCY)
    assert keypad.text() == "Emergency credit 0.50 GBP not available"
    meter.limits(emergency_threshold=100 * money.PENNY)
    keypad.press(Key.EMERGENCY)
    assert keypad.text() == "Emergency credit 0.50 GBP in use"
    assert meter.account.emergency_selected
    keypad.type("c>>>>>")
    assert keypad.text() == "Supply armed"
    keypad.press(Key.SUPPLY)
    assert keypad.text() == "Supply on"


def test_looking_at_the_display_changes_nothing(prepaid: Maker) -> None:
    """Two meters that are the same, one of them looked at all the time, at every screen and at odd instants."""
    watched, alone = prepaid(10_00, 1234), prepaid(10_00, 1234)
    shown: set[str] = set()
    for step in range(200):
        wait(watched, 61_234_567_891)
        for _, template in (*watched.account.settings.screens, *watched.account.settings.credit_screens):
            shown.add(display.show(template, watched.meter))
        shown.add(text(watched))
        if step % 7 == 0:
            watched.meter.keypad.press(Key.SCROLL)
    assert len(shown) > 200
    for meter in (alone, watched):
        meter.meter.settle()
        assert meter.account.books.squared
    assert alone.account.balance == watched.account.balance
    assert alone.account.image() == watched.account.image()
    assert alone.events == watched.events


@pytest.mark.parametrize("sign", ["x", "é", "\0", "٣", "*"])
def test_a_sign_that_is_no_key_presses_none(prepaid: Maker, sign: str) -> None:
    keypad = prepaid(10_00).meter.keypad
    with pytest.raises(ValueError, match="not a key; keys are digits, < back-space"):
        keypad.type("12" + sign)
    assert keypad.text() == "Credit 10.00 GBP"
    with pytest.raises(ValueError, match="not a key"):
        keypad.top_up("12" + sign)
    for digits in ("", "12#", ">"):
        with pytest.raises(ValueError, match="digits 0 to 9"):
            keypad.top_up(digits)


def test_every_key_has_a_sign_that_the_alphabet_names() -> None:
    assert parse_keys("".join(key.value for key in Key).upper() + " \n-") == list(Key)
    assert all(key.value.isdigit() or f"{key.value} " in ALPHABET for key in Key)


@pytest.mark.parametrize("profile", [name for name in names() if load(name).kind in ("electricity", "gas")])
def test_every_make_has_a_display_of_its_own(prepaid: Maker, profile: str) -> None:
    """All screens of both modes and all texts of outcomes can be shown, and a token can be typed in."""
    meter = prepaid(10_00, profile=profile, gas=1.0 if load(profile).kind == "gas" else None)
    keypad, settings = meter.meter.keypad, meter.account.settings
    texts = [display.show(template, meter.meter) for _, template in (*settings.screens, *settings.credit_screens)]
    assert all(texts)
    for outcome, found in settings.tokens.outcomes.items():
        assert display.show(display.check_outcome(outcome, found.display), meter.meter)
    assert set(settings.tokens.outcomes) == set(Outcome)
    assert keypad.top_up(meter.token(1_00)) is Outcome.ACCEPTED
    assert keypad.text() == display.show(outcome_text(meter, Outcome.ACCEPTED), meter.meter)
    keypad.press(Key.ENTER)
    keypad.type("12 34 5")
    assert keypad.text() == "1234 5"


@pytest.mark.parametrize("gas", [None, 1.0])
def test_every_field_can_be_shown(prepaid: Maker, gas: float | None) -> None:
    meter = prepaid(10_00, gas=gas)
    for name in display.FIELDS:
        shown = display.show(display.check(f"<{{{name}}}>"), meter.meter)
        assert shown.isprintable()
        assert len(shown) > 2, name
    assert display.show("{{{mode}}}", meter.meter) == "{prepayment}"
    assert display.show("{last_top_up} {last_top_up_date}", meter.meter) == "- -"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("Credit {money}", "no field 'money'; allowed are balance, available_credit"),
        ("Credit {balance", "braces come in pairs"),
        ("Credit balance}", "braces come in pairs"),
        ("Credit {balance:.2f}", "neither a format nor a conversion"),
        ("Credit {balance!r}", "neither a format nor a conversion"),
        ("Credit {balance.real}", "no field 'balance.real'"),
        ("Credit {}", "no field ''"),
        ("Credit {0}", "no field '0'"),
        (" ", "1 to 80 printable characters"),
        ("x" * 81, "1 to 80 printable characters"),
        ("two\nlines", "1 to 80 printable characters"),
    ],
)
def test_a_template_that_cannot_be_shown_is_refused(template: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        display.check(template)


def test_a_locked_entry_has_to_show_how_long() -> None:
    assert display.check_outcome(Outcome.DUPLICATE, "Used") == "Used"
    with pytest.raises(ValueError, match=r"name the field \{locked\}"):
        display.check_outcome(Outcome.LOCKED, "Locked")


@pytest.mark.parametrize(
    ("nanoseconds", "words"),
    [
        (0, "0:00"),
        (1, "0:01"),
        (59 * SECOND + 1, "1:00"),
        (HOUR - SECOND, "59:59"),
        (HOUR - 1, "1:00:00"),
        (26 * HOUR + 5 * MINUTE, "26:05:00"),
    ],
)
def test_times_that_are_left_are_rounded_up(nanoseconds: int, words: str) -> None:
    assert display.duration(nanoseconds) == words


class KeypadMachine(RuleBasedStateMachine):
    """Digits, back-space, clear, enter, scroll, time and power cuts, on a real meter and on a few variables."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock(START)
        spec = Spec(None, DeviceSpec(load=Load("constant", 0), prepayment=Prepayment(100_00)), None)
        meter = build_premises("home", spec, self.clock, SEED, load).electricity
        assert meter is not None
        self.meter: Meter = meter
        meter.device_clock.drift = 0
        assert meter.account is not None
        self.account = meter.account
        self.rules = meter.account.settings
        self.digits = ""
        self.screen = 0
        self.outcome: Outcome | None = None
        self.last_key: int | None = None
        self.ready_at: int | None = self.clock.now
        self.used: set[str] = set()
        self.wrong = 0
        self.locked_until = 0
        self.next_lock = self.rules.tokens.lock_first
        self.counter = 0

    @initialize()
    def begin(self) -> None:
        self.clock.advance_to(self.clock.now)
        for limit in ("max_credit", "max_balance"):
            self.account.orders.set_limit(limit, money.MOST)
        tokens, meter = self.rules.tokens, self.meter
        self.scheme = tokens.scheme(meter.token_secret(tokens), meter.token_originator(tokens), meter.identity.eui64)
        self.issued: list[str] = []

    @property
    def alive(self) -> bool:
        return self.ready_at is not None and self.clock.now >= self.ready_at

    def rest(self) -> None:
        self.digits, self.screen, self.outcome, self.last_key = "", 0, None, None

    def lapse(self) -> None:
        if self.last_key is not None:
            patience = self.rules.entry_timeout if self.digits else self.rules.screen_time
            if self.clock.now - self.last_key >= patience:
                self.rest()

    def pressed(self) -> bool:
        """Whether the meter takes a key now."""
        self.lapse()
        if self.alive:
            self.last_key = self.clock.now
        return self.alive

    @rule(digits=strategies.text("0123456789", min_size=1, max_size=8))
    def type_digits(self, digits: str) -> None:
        self.meter.keypad.type(digits)
        if self.pressed():
            self.digits = (self.digits + digits)[:20]
            self.screen, self.outcome = 0, None

    @rule(count=strategies.integers(1, 6))
    def back_space(self, count: int) -> None:
        self.meter.keypad.type("<" * count)
        if self.pressed():
            self.digits = self.digits[:-count]
            self.screen, self.outcome = 0, None

    @rule()
    def clear(self) -> None:
        self.meter.keypad.press(Key.CLEAR)
        if self.pressed():
            self.rest()

    @rule()
    def scroll(self) -> None:
        self.meter.keypad.press(Key.SCROLL)
        if self.pressed():
            here = not self.digits and self.outcome is None
            self.screen = (self.screen + 1) % len(self.rules.screens) if here else 0
            self.digits, self.outcome = "", None

    @rule(pence=strategies.integers(1, 20_00))
    def type_a_fresh_token(self, pence: int) -> None:
        self.counter += 1
        self.issued.append(self.scheme.issue(self.counter, pence))
        self.clear()
        for start in range(0, 20, 8):
            self.type_digits(self.issued[-1][start : start + 8])
        self.enter()

    @precondition(lambda self: self.issued)
    @rule(data=strategies.data(), place=strategies.none() | strategies.integers(0, 19))
    def type_an_old_or_altered_token(self, data: strategies.DataObject, place: int | None) -> None:
        token = data.draw(strategies.sampled_from(self.issued))
        if place is not None:
            token = token[:place] + str((int(token[place]) + 1) % 10) + token[place + 1 :]
        self.clear()
        self.type_digits(token)
        self.enter()

    @rule()
    def enter(self) -> None:
        before = self.account.balance
        self.meter.keypad.press(Key.ENTER)
        if not self.pressed():
            return
        entered = self.digits
        self.digits, self.screen = "", 0
        if not entered:
            self.rest()
            return
        self.outcome = self.judged(entered)
        assert (self.account.balance > before) is (self.outcome is Outcome.ACCEPTED)

    def judged(self, entered: str) -> Outcome:
        now, tokens = self.clock.now, self.rules.tokens
        if now < self.locked_until:
            return Outcome.LOCKED
        if entered in self.issued:
            if entered in self.used:
                return Outcome.DUPLICATE
            self.used.add(entered)
            self.wrong, self.next_lock = 0, tokens.lock_first
            return Outcome.ACCEPTED
        self.wrong += 1
        if self.wrong == tokens.attempts:
            self.wrong, self.locked_until = 0, now + self.next_lock
            self.next_lock = min(self.next_lock * tokens.lock_factor, tokens.lock_longest)
        return Outcome.WRONG_LENGTH if len(entered) < 20 else Outcome.CHECK_DIGIT

    @rule(nanoseconds=strategies.sampled_from([1, SECOND, 9 * SECOND, 10 * SECOND, 29 * SECOND, 30 * SECOND, MINUTE]))
    def wait(self, nanoseconds: int) -> None:
        self.clock.advance_to(self.clock.now + nanoseconds)

    @rule()
    def switch_power(self) -> None:
        if self.ready_at is None:
            self.meter.power_on()
            self.ready_at = self.clock.now + self.meter.firmware.boot_time
        else:
            self.meter.power_off()
            self.ready_at = None
            self.rest()

    @invariant()
    def the_display_shows_what_the_model_says(self) -> None:
        shown = self.meter.keypad.text()
        self.lapse()
        if not self.alive:
            assert shown == ""
        elif self.digits:
            assert shown.replace(" ", "") == self.digits
            assert all(len(group) == 4 for group in shown.split(" ")[:-1])
        elif self.outcome is Outcome.LOCKED:
            template = self.rules.tokens.outcomes[Outcome.LOCKED].display
            left = max(0, self.locked_until - self.clock.now)
            assert shown == template.format(locked=display.duration(left))
        elif self.outcome is not None:
            template = self.rules.tokens.outcomes[self.outcome].display
            assert shown == display.show(template, self.meter)
        elif self.screen == 0:
            assert shown == f"Credit {money.text(self.account.balance)} GBP"
        else:
            assert shown == display.show(self.rules.screens[self.screen][1], self.meter)


TestKeypadMachine = KeypadMachine.TestCase
TestKeypadMachine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
