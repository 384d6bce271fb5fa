"""The token gateway with a simple account behind it, and against a model made of sets."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from emulator.firmware import OutcomeSettings, TokenSettings
from emulator.prepayment.lockout import LockOut
from emulator.prepayment.tokens import Delivery, TokenGateway, TokenStatus
from emulator.time import MINUTE, SECOND
from protocols.tokens import verhoeff
from protocols.tokens.scheme import Credit, Outcome, TokenScheme
from protocols.tokens.sts.scheme import StsTokens
from protocols.tokens.symmetric import SymmetricTokens

ORIGINATOR, TARGET = bytes.fromhex("90B3D51F30010000"), bytes.fromhex("00DB1234567890A0")
SCHEME = SymmetricTokens(b"0123456789ABCDEF", ORIGINATOR, TARGET)
START = 1_790_000_000 * SECOND
STATUS = {
    Outcome.ACCEPTED: TokenStatus.EXECUTION_OK,
    Outcome.NOT_AUTHENTIC: TokenStatus.AUTHENTICATION_FAILURE,
    Outcome.STORAGE_FAULT: TokenStatus.EXECUTION_FAILURE,
    Outcome.LOCKED: TokenStatus.RECEIVED,
}
FORMAT = {Outcome.WRONG_LENGTH, Outcome.NOT_DIGITS, Outcome.CHECK_DIGIT, Outcome.NOT_THIS_SCHEME}
GUESSES = FORMAT | {Outcome.NOT_AUTHENTIC}


def status_of(outcome: Outcome) -> int:
    return STATUS.get(outcome, TokenStatus.FORMAT_FAILURE if outcome in FORMAT else TokenStatus.VALIDATION_FAILURE)


def token_settings(history: int = 8, attempts: int = 3) -> TokenSettings:
    return TokenSettings(
        scheme=SymmetricTokens,
        scheme_name="s1sp-symmetric",
        originator=ORIGINATOR,
        history=history,
        attempts=attempts,
        lock_first=MINUTE,
        lock_factor=2,
        lock_longest=5 * MINUTE,
        outcomes=MappingProxyType({one: OutcomeSettings(one.value, 0, status_of(one)) for one in Outcome}),
    )


class Meter:
    """A gateway, an account that only adds, and a non-volatile memory that may fail."""

    def __init__(self, given: TokenSettings, scheme: TokenScheme = SCHEME) -> None:
        self.settings = given
        self.scheme = scheme
        self.now = START
        self.balance = 0
        self.before = 0
        self.prepayment = True
        self.most = 50_000_000
        self.most_balance = 10**12
        self.fails = False
        self.commits = 0
        self.told: list[Outcome] = []
        self.gateway = self.made()
        self.stored = self.image()

    def made(self) -> TokenGateway:
        return TokenGateway(
            self.scheme,
            self.settings,
            utc=lambda: self.now,
            credit=self.credit,
            undo=self.undo,
            commit=self.commit,
            outcome=self.told.append,
        )

    def credit(self, credit: Credit) -> Outcome:
        if not self.prepayment:
            return Outcome.NOT_PREPAYMENT
        if credit.amount > self.most:
            return Outcome.OVER_TOKEN_LIMIT
        if self.balance + credit.amount > self.most_balance:
            return Outcome.OVER_BALANCE_LIMIT
        self.before = self.balance
        self.balance += credit.amount
        return Outcome.ACCEPTED

    def undo(self) -> None:
        self.balance = self.before

    def image(self) -> str:
        return json.dumps([self.balance, self.gateway.image()])

    def commit(self) -> bool:
        self.commits += 1
        if not self.fails:
            self.stored = self.image()
        return not self.fails

    def restart(self) -> None:
        self.gateway = self.made()
        self.balance, image = json.loads(self.stored)
        self.gateway.restore(image)

    def enter(self, digits: bytes | str, delivery: Delivery = Delivery.REMOTE) -> Outcome:
        """What became of it, which must be what was told, once, and what is shown."""
        told = len(self.told)
        outcome = self.gateway.enter(digits, delivery)
        assert self.told[told:] == [outcome]
        entered = digits.encode("latin-1", "replace") if isinstance(digits, str) else digits
        gateway = self.gateway
        assert (gateway.token, gateway.token_time, gateway.delivery) == (entered[:20], self.now, delivery)
        assert gateway.status == status_of(outcome)
        return outcome


@pytest.fixture
def meter() -> Meter:
    return Meter(token_settings())


def altered(digits: str) -> str:
    return digits[:7] + str((int(digits[7]) + 1) % 10) + digits[8:]


def test_credited_once(meter: Meter) -> None:
    token = SCHEME.issue(1, 1000)
    assert meter.enter(token.encode()) is Outcome.ACCEPTED
    assert meter.gateway.description == b"10.00 GBP"
    assert meter.gateway.passed == "1111"
    assert meter.enter(token, Delivery.MANUAL) is Outcome.DUPLICATE
    assert meter.gateway.passed == "1100"
    assert meter.balance == 1_000_000
    assert meter.gateway.accepted == (meter.now, 1_000_000)
    assert json.loads(meter.stored)[0] == 1_000_000


def test_any_order_within_the_window(meter: Meter) -> None:
    tokens = {counter: SCHEME.issue(counter, 100) for counter in range(1, 20)}
    for counter in (9, 4, 2, 8):
        assert meter.enter(tokens[counter]) is Outcome.ACCEPTED
    assert meter.enter(tokens[1]) is Outcome.TOO_OLD
    assert meter.enter(tokens[4]) is Outcome.DUPLICATE
    assert meter.enter(tokens[19]) is Outcome.ACCEPTED
    assert meter.enter(tokens[11]) is Outcome.TOO_OLD
    assert meter.enter(tokens[12]) is Outcome.ACCEPTED
    assert meter.balance == 6 * 100_000


@pytest.mark.parametrize(
    ("digits", "wanted"),
    (
        (b"", Outcome.WRONG_LENGTH),
        (b"7" * 21, Outcome.WRONG_LENGTH),
        (b"7" * 65_000, Outcome.WRONG_LENGTH),
        (b"\xff" * 20, Outcome.NOT_DIGITS),
        ("€" * 20, Outcome.NOT_DIGITS),
        (altered(SCHEME.issue(1, 100)), Outcome.CHECK_DIGIT),
        (f"{0:019}{verhoeff.check_digit(0)}", Outcome.NOT_THIS_SCHEME),
        ("73943333457189043313", Outcome.NOT_AUTHENTIC),
    ),
)
def test_no_token_for_this_meter(meter: Meter, digits: bytes | str, wanted: Outcome) -> None:
    assert meter.enter(digits) is wanted
    assert meter.gateway.description == b""
    assert meter.gateway.passed == ("1000" if wanted is Outcome.NOT_AUTHENTIC else "0000")
    assert meter.balance == 0


def test_refused_for_a_limit_may_be_entered_again(meter: Meter) -> None:
    token = SCHEME.issue(5, 60_000)
    for name, value, wanted in (
        ("prepayment", False, Outcome.NOT_PREPAYMENT),
        ("most", 59_999_999, Outcome.OVER_TOKEN_LIMIT),
        ("most_balance", 59_999_999, Outcome.OVER_BALANCE_LIMIT),
    ):
        usual = {"prepayment": True, "most": 60_000_000, "most_balance": 60_000_000}
        for limit, given in (usual | {name: value}).items():
            setattr(meter, limit, given)
        assert meter.enter(token) is wanted
        assert meter.gateway.description == b"600.00 GBP"
        assert meter.gateway.history.highest == -1
    assert meter.commits == 0
    meter.most_balance = 60_000_000
    assert meter.enter(token) is Outcome.ACCEPTED
    assert meter.enter(token) is Outcome.DUPLICATE, "whether it was used comes before the limits"


def test_storage_fault_credits_nothing_and_forgets_nothing(meter: Meter) -> None:
    for _ in range(2):
        meter.enter("1", Delivery.MANUAL)
    before = meter.gateway.image()
    meter.fails = True
    token = SCHEME.issue(3, 500)
    assert meter.enter(token, Delivery.MANUAL) is Outcome.STORAGE_FAULT
    assert meter.balance == 0
    after = meter.gateway.image()
    assert {name for name in before if before[name] != after[name]} <= {"token", "description", "status", "passed"}
    assert meter.gateway.passed == "1110"
    meter.restart()
    assert meter.balance == 0
    meter.fails = False
    assert meter.enter(token) is Outcome.ACCEPTED
    accepted = meter.gateway.accepted
    meter.restart()
    assert meter.gateway.accepted == accepted == (meter.now, 500_000)
    assert meter.enter(token) is Outcome.DUPLICATE
    assert meter.balance == 500_000


def test_tokens_of_sts_weeks_apart_in_any_order() -> None:
    """Identifiers are minutes: a meter remembers the tokens, not the minutes between them."""
    scheme = StsTokens(bytes(range(8)), ORIGINATOR, TARGET)
    meter = Meter(token_settings(history=4), scheme)
    week = 7 * 24 * 60
    tokens = [scheme.issue(1_000_000 + week * number, 100) for number in range(6)]
    for number in (3, 0, 5, 1):
        assert meter.enter(tokens[number]) is Outcome.ACCEPTED
        meter.restart()
        assert meter.enter(tokens[number]) is Outcome.DUPLICATE
    assert meter.enter(tokens[2]) is Outcome.ACCEPTED
    assert meter.enter(tokens[0]) is Outcome.TOO_OLD
    assert meter.enter(tokens[4]) is Outcome.ACCEPTED
    assert meter.balance == 6 * 100_004


# --- lock-out


def lock(meter: Meter) -> None:
    for _ in range(3):
        assert meter.enter("1", Delivery.MANUAL) is Outcome.WRONG_LENGTH


def test_locked_after_wrong_manual_entries(meter: Meter) -> None:
    for _ in range(10):
        meter.enter("1", Delivery.REMOTE)
        meter.enter("1", Delivery.LOCAL)
    assert meter.gateway.locked_for == 0
    lock(meter)
    assert meter.gateway.locked_for == MINUTE
    assert meter.enter(SCHEME.issue(1, 100), Delivery.MANUAL) is Outcome.LOCKED
    assert meter.balance == 0
    meter.now += MINUTE - 1
    assert meter.gateway.locked_for == 1
    assert meter.enter("1", Delivery.MANUAL) is Outcome.LOCKED
    meter.now += 1
    assert meter.enter(SCHEME.issue(1, 100), Delivery.MANUAL) is Outcome.ACCEPTED


def test_backed_off_and_cleared_by_a_success(meter: Meter) -> None:
    for wanted in (1, 2, 4, 5, 5):
        lock(meter)
        assert meter.gateway.locked_for == wanted * MINUTE
        meter.now += wanted * MINUTE
    lock(meter)
    assert meter.enter(SCHEME.issue(1, 100), Delivery.REMOTE) is Outcome.ACCEPTED
    assert meter.gateway.locked_for == 0
    lock(meter)
    assert meter.gateway.locked_for == MINUTE


def test_a_used_token_neither_counts_nor_clears(meter: Meter) -> None:
    token = SCHEME.issue(1, 100)
    meter.enter(token)
    meter.enter("1", Delivery.MANUAL)
    meter.enter("1", Delivery.MANUAL)
    for _ in range(5):
        assert meter.enter(token, Delivery.MANUAL) is Outcome.DUPLICATE
    assert meter.gateway.locked_for == 0
    meter.enter("1", Delivery.MANUAL)
    assert meter.gateway.locked_for == MINUTE


def test_power_cuts_give_no_attempts_back(meter: Meter) -> None:
    for wrong in range(3):
        assert meter.gateway.lock.wrong == wrong
        meter.enter("1", Delivery.MANUAL)
        meter.restart()
    assert meter.gateway.locked_for == MINUTE
    meter.now += MINUTE
    lock(meter)
    meter.restart()
    assert meter.gateway.locked_for == 2 * MINUTE


def test_a_clock_set_back_locks_no_longer(meter: Meter) -> None:
    lock(meter)
    meter.now += 30 * SECOND
    for back in (10, 30, 31, 86_400):
        now = meter.now
        meter.now -= back * SECOND
        assert meter.gateway.locked_for == max(0, (30 + back) * SECOND if back <= 30 else 0)
        assert meter.gateway.locked_for <= MINUTE
        meter.now = now
    assert meter.gateway.locked_for == 30 * SECOND


def test_no_lock_with_no_attempts() -> None:
    meter = Meter(token_settings(attempts=0))
    for _ in range(100):
        assert meter.enter("1", Delivery.MANUAL) is Outcome.WRONG_LENGTH
    assert meter.gateway.locked_for == 0


def test_longest_lock_keeps_numbers_small() -> None:
    lock = LockOut(token_settings(attempts=1))
    for _ in range(1000):
        lock.failed(START)
    assert lock.image() == {"wrong": 0, "since": START, "duration": 5 * MINUTE, "next": 5 * MINUTE}


# --- images


def test_forget_what_is_shown(meter: Meter) -> None:
    token = SCHEME.issue(1, 100)
    fresh = meter.gateway.image()
    meter.enter(token, Delivery.LOCAL)
    meter.gateway.forget_shown()
    image = meter.gateway.image()
    assert {name for name in fresh if fresh[name] != image[name]} == {"highest", "seen"}
    assert meter.enter(token) is Outcome.DUPLICATE


def test_images_of_something_else(meter: Meter) -> None:
    good = meter.gateway.image()
    for name, wrong in (("token", 5), ("token", "x"), ("delivery", 9), ("since", None), ("seen", "-"), ("time", "1")):
        with pytest.raises(ValueError):
            meter.gateway.restore(good | {name: wrong})
        with pytest.raises(ValueError):
            meter.gateway.restore({key: value for key, value in good.items() if key != name})


# --- against a model


class Model:
    """What a meter remembers, in the plainest way: sets and counts."""

    def __init__(self) -> None:
        self.used: set[int] = set()
        self.balance = 0
        self.wrong = 0
        self.locks = 0
        self.since = -1
        self.duration = 0

    def copy(self) -> Model:
        other = Model()
        other.__dict__.update(self.__dict__ | {"used": set(self.used)})
        return other

    def locked(self, now: int) -> bool:
        return self.since <= now < self.since + self.duration

    def meant(self, counter: int) -> int:
        """The counter with the same low bits that is nearest to the highest used."""
        highest = max(self.used, default=-1)
        return min(range(counter % 1024, 8192, 1024), key=lambda one: (abs(one - highest), -one))


class TokensAndModel(RuleBasedStateMachine):
    """Tokens in any order, more than once, damaged, by keypad and by air; cuts, clock changes, a memory that fails."""

    def __init__(self) -> None:
        super().__init__()
        self.issued: list[tuple[int, int, str]] = []
        self.next = 0

    @initialize(length=st.integers(1, 600), attempts=st.integers(0, 3), first=st.integers(0, 40))
    def start(self, length: int, attempts: int, first: int) -> None:
        self.meter = Meter(token_settings(length, attempts))
        self.meter.most = 5_000_000
        self.model = Model()
        self.durable = self.model.copy()
        self.next = first

    @rule(gap=st.sampled_from((1, 1, 1, 2, 7, 511, 600)), pence=st.integers(1, 600))
    def issue(self, gap: int, pence: int) -> None:
        if self.next + gap < 4096:
            self.next += gap
            self.issued.append((self.next, pence, SCHEME.issue(self.next, pence)))

    @precondition(lambda self: self.issued)
    @rule(data=st.data(), delivery=st.sampled_from(Delivery))
    def enter(self, data: st.DataObject, delivery: Delivery) -> None:
        counter, pence, digits = data.draw(st.sampled_from(self.issued))
        self.check(self.meter.enter(digits, delivery), delivery, self.expected(counter, pence), counter, pence)

    @precondition(lambda self: self.issued)
    @rule(data=st.data())
    def enter_both_ways(self, data: st.DataObject) -> None:
        """Over the air and typed in, one after the other: what the one credits is a duplicate for the other."""
        counter, pence, digits = data.draw(st.sampled_from(self.issued))
        for delivery in data.draw(st.permutations((Delivery.REMOTE, Delivery.MANUAL))):
            self.check(self.meter.enter(digits, delivery), delivery, self.expected(counter, pence), counter, pence)

    @precondition(lambda self: self.issued)
    @rule(data=st.data(), delivery=st.sampled_from(Delivery))
    def enter_altered(self, data: st.DataObject, delivery: Delivery) -> None:
        _, _, digits = data.draw(st.sampled_from(self.issued))
        place = data.draw(st.integers(0, 19))
        digit = data.draw(st.sampled_from([one for one in "0123456789" if one != digits[place]]))
        entered = digits[:place] + digit + digits[place + 1 :]
        self.check(self.meter.enter(entered, delivery), delivery, Outcome.CHECK_DIGIT)

    @rule(length=st.integers(0, 30).filter(lambda length: length != 20), delivery=st.sampled_from(Delivery))
    def enter_another_length(self, length: int, delivery: Delivery) -> None:
        self.check(self.meter.enter("7" * length, delivery), delivery, Outcome.WRONG_LENGTH)

    @rule(seconds=st.sampled_from((1, 30, 59, 60, 61, 300, -1, -59, -60, -4000)))
    def clock(self, seconds: int) -> None:
        self.meter.now += seconds * SECOND

    @rule(fails=st.booleans())
    def memory(self, fails: bool) -> None:
        self.meter.fails = fails

    @rule()
    def restart(self) -> None:
        self.meter.restart()
        self.model = self.durable.copy()

    def expected(self, counter: int, pence: int) -> Outcome:
        model, meter = self.model, self.meter
        if model.meant(counter) != counter:
            return Outcome.NOT_AUTHENTIC
        if counter <= max(model.used, default=-1) - meter.settings.history:
            return Outcome.TOO_OLD
        if counter in model.used:
            return Outcome.DUPLICATE
        if pence * 1000 > meter.most:
            return Outcome.OVER_TOKEN_LIMIT
        return Outcome.STORAGE_FAULT if meter.fails else Outcome.ACCEPTED

    def check(self, got: Outcome, delivery: Delivery, wanted: Outcome, counter: int = 0, pence: int = 0) -> None:
        model, meter = self.model, self.meter
        manual = delivery is Delivery.MANUAL
        if manual and model.locked(meter.now):
            wanted = Outcome.LOCKED
        assert got is wanted
        if wanted is Outcome.ACCEPTED:
            model.used.add(counter)
            model.balance += pence * 1000
            model.wrong = model.locks = model.duration = 0
            self.durable = model.copy()
        elif manual and wanted in GUESSES and meter.settings.attempts:
            model.wrong += 1
            if model.wrong == meter.settings.attempts:
                model.wrong = 0
                model.since = meter.now
                model.duration = min(MINUTE * 2**model.locks, 5 * MINUTE)
                model.locks += 1
            if not meter.fails:
                self.durable = model.copy()

    @invariant()
    def same(self) -> None:
        meter, model = self.meter, self.model
        assert meter.balance == model.balance
        assert meter.gateway.history.highest == max(model.used, default=-1)
        assert (meter.gateway.locked_for > 0) == model.locked(meter.now)
        assert meter.gateway.locked_for <= model.duration


TestTokensAndModel = TokensAndModel.TestCase
TestTokensAndModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
