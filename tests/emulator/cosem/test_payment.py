"""Account, Credit, Charge and Token gateway over an association: types, rights, what they change, what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.cosem.view import AssociationView
from emulator.device import LAST_TIME
from emulator.electricity import ElectricityMeter
from emulator.load import MICRO, Constant
from emulator.prepayment.money import LEAST, MOST
from emulator.prepayment.passive import AccountStatus, PaymentMode
from emulator.time import DAY, HOUR, SECOND, Clock
from firmware_profiles.loader import load
from protocols import obis
from protocols.dlms import axdr, datetime
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.tokens.scheme import Outcome, TokenRefused

from ..conftest import START, Hand, account_of, build_esme, refused, wait
from ..test_objects_robust import some

ACCOUNT, PASSIVE = "0-0:19.0.0", "0-1:19.0.0"
BALANCE, EMERGENCY, ACCUMULATED = "0-0:19.10.0", "0-0:19.10.1", "0-0:19.10.2"
PRICES, DEBT_1, DEBT_PAYMENT, STANDING = "0-0:19.20.0", "0-0:19.20.1", "0-0:19.20.3", "0-0:19.20.4"
GATEWAY = "0-0:19.40.0"
MODEL = load("electricity-base").model
UNIT_CHARGE = "st{st{i8,i8},st{u16,oct6,i8},arr st{oct,i16}}"
CONFIGURATION = "arr st{oct6,oct6,bits3}"
NOW = bytes.fromhex("0000000000000000008000FF")
NEVER = datetime.UNSPECIFIED
FREE = [[0, -5], [0, "0-0:0.0.0.0", 0]]


def utc(text: str) -> bytes:
    """Twelve octets of ``2026-01-02 03:04`` in UTC."""
    day, time = text.split()
    year, month, date = map(int, day.split("-"))
    hour, minute = map(int, time.split(":"))
    local = datetime.days_of(year, month, date) * datetime.DAY + hour * 3600 + minute * 60
    return datetime.pack_utc(local * SECOND)


@pytest.fixture
def meter(clock: Clock) -> ElectricityMeter:
    """In prepayment mode with 5 pounds and no load; its clock goes right."""
    made = build_esme(clock)
    made.device_clock.drift = 0
    account_of(made).begin(500_000)
    wait(made)
    return made


# --- rights


@pytest.mark.parametrize(
    ("association", "reads", "changes"),
    [
        ("public", False, False),
        ("data_collection", False, False),
        ("extended", True, False),
        ("management", True, True),
    ],
)
def test_who_may_do_what(meter: ElectricityMeter, association: str, reads: bool, changes: bool) -> None:
    hand = Hand(meter, association)
    for call, allowed in (
        (lambda: hand.get(112, BALANCE), reads),
        (lambda: hand.get(113, PRICES, 5), reads),
        (lambda: hand.set(113, DEBT_PAYMENT, 13, "u16", 100), changes),
        (lambda: hand.act(112, BALANCE, 1, "i32", 1), changes),
    ):
        if allowed:
            call()
        else:
            assert refused(call) is DataAccessResult.READ_WRITE_DENIED


def test_only_the_supplier_sees_tokens(meter: ElectricityMeter) -> None:
    for association in ("public", "data_collection", "extended"):
        hand = Hand(meter, association)
        assert refused(lambda: hand.get(115, GATEWAY)) is DataAccessResult.READ_WRITE_DENIED  # noqa: B023
        assert refused(lambda: hand.act(115, GATEWAY, 1, "oct", "0")) is DataAccessResult.READ_WRITE_DENIED  # noqa: B023


# --- account


def test_the_account_as_it_begins(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    assert hand.get(111, ACCOUNT, 2) == [PaymentMode.PREPAYMENT, AccountStatus.ACTIVE]
    assert hand.get(111, ACCOUNT, 3) == 0
    assert hand.get(111, ACCOUNT, 4) == "10100000"  # in credit; the next credit can be had
    assert hand.get(111, ACCOUNT, 5) == hand.get(112, BALANCE) == 500_000
    assert hand.get(111, ACCOUNT, 6) == 0
    assert hand.get(111, ACCOUNT, 9) == [obis.parse(name) for name in (BALANCE, EMERGENCY, ACCUMULATED)]
    assert len(hand.get(111, ACCOUNT, 10)) == 5
    assert hand.get(111, ACCOUNT, 12) == [[obis.parse(BALANCE), 100]]
    assert hand.get(111, ACCOUNT, 15) == ["GBP", -5, 2]
    assert [hand.get(111, ACCOUNT, index) for index in (7, 16, 17, 18, 19)] == [0, 200_000, 100_000, 30, 604_800]
    assert hand.get(111, ACCOUNT, 13)[:4] == bytes.fromhex("07EA0101")
    assert hand.get(111, ACCOUNT, 14) == NEVER


def test_an_account_without_an_object_for_its_balance_can_be_read(tmp_path: Path, clock: Clock) -> None:
    """References are those that the profile has, and nothing stands for the one that it has not."""
    profile = tmp_path / "bare.toml"
    profile.write_text(
        'extends = "electricity-base"\n[prepayment]\ncollections = []\n[provenance]\n'
        '"prepayment.collections" = "assumed"\n'
        + "".join(f'[object."{name}"]\nremove = true\n' for name in (BALANCE, "0-0:98.1.2", "0-0:98.1.8", "0-0:98.1.5"))
    )
    bare = build_esme(clock, profile=str(profile))
    account_of(bare).begin(-1)
    wait(bare)
    assert account_of(bare).activate_emergency()
    hand = Hand(bare)
    assert hand.get(111, ACCOUNT, 9) == [obis.parse(EMERGENCY), obis.parse(ACCUMULATED)]
    assert hand.get(111, ACCOUNT, 3) == 0, "emergency credit"
    assert hand.get(111, ACCOUNT, 12) == []


def test_the_account_changes_only_by_what_takes_over(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    for index, text, value in ((2, "st{enum,enum}", [1, 2]), (11, CONFIGURATION, []), (13, "oct12", NOW)):
        assert refused(lambda: hand.set(111, ACCOUNT, index, text, value)) is DataAccessResult.READ_WRITE_DENIED  # noqa: B023


def test_the_time_of_closure_is_that_of_a_closed_account_only(meter: ElectricityMeter) -> None:
    """However it was closed, and whether a new one follows or it is activated again."""
    hand = Hand(meter)
    closes = utc("2026-01-02 12:00")
    hand.set(111, PASSIVE, 2, "st{enum,enum}", [2, 3])
    hand.set(111, PASSIVE, 13, "oct12", closes)
    wait(meter, 2 * DAY)
    assert hand.get(111, ACCOUNT, 2) == [2, 3] and hand.get(111, ACCOUNT, 14)[:8] == closes[:8]
    hand.act(111, ACCOUNT, 1)
    assert hand.get(111, ACCOUNT, 2) == [2, 2] and hand.get(111, ACCOUNT, 14) == NEVER


def test_a_change_of_mode_waits_for_its_date(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    pair = [BALANCE, STANDING, "101"]
    hand.set(111, PASSIVE, 2, "st{enum,enum}", [1, 2])
    hand.set(111, PASSIVE, 11, CONFIGURATION, [pair])
    hand.set(111, PASSIVE, 13, "oct12", utc("2026-01-02 12:00"))
    assert hand.get(111, PASSIVE, 2) == [1, 2]
    assert hand.get(111, PASSIVE, 13)[:9] == utc("2026-01-02 12:00")[:9]
    wait(meter, 36 * HOUR - 2 * SECOND)
    assert hand.get(111, ACCOUNT, 2) == [2, 2]
    wait(meter, 2 * SECOND)
    assert hand.get(111, ACCOUNT, 2) == [1, 2]
    assert hand.get(111, ACCOUNT, 11) == [[obis.parse(BALANCE), obis.parse(STANDING), "101"]]
    assert hand.get(111, PASSIVE, 13) == NEVER
    assert len(hand.rows("0-0:98.1.2")) >= 1


@pytest.mark.parametrize(
    ("index", "text", "value"),
    [
        (2, "st{enum,enum}", [3, 1]),
        (2, "st{enum,enum}", [1, 4]),
        (11, CONFIGURATION, [["0-0:19.10.9", STANDING, "111"]]),
        (11, CONFIGURATION, [[BALANCE, "0-0:19.20.5", "111"]]),
        (11, CONFIGURATION, [[STANDING, BALANCE, "111"]]),
        (11, CONFIGURATION, [[BALANCE, STANDING, "111"]] * 256),
        (13, "oct12", bytes.fromhex("07EAFF0FFF090000008000FF")),
        (13, "oct12", bytes.fromhex("07EA0D0FFF090000008000FF")),
        (13, "oct12", datetime.pack_utc(LAST_TIME)),
    ],
)
def test_what_an_account_cannot_be(meter: ElectricityMeter, index: int, text: str, value: object) -> None:
    hand = Hand(meter)
    before = hand.read(111, PASSIVE, index)
    assert refused(lambda: hand.set(111, PASSIVE, index, text, value)) is DataAccessResult.OTHER_REASON
    assert hand.read(111, PASSIVE, index) == before


def test_parameters_of_the_account_are_those_of_class_9000(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    for index, name, value in (
        (7, "0-0:94.44.128.22", -100),
        (16, "0-0:94.44.128.9", 123),
        (17, "0-0:94.44.128.3", 45),
    ):
        hand.set(111, ACCOUNT, index, "i32", value)
        assert hand.get(9000, name) == hand.get(111, PASSIVE, index) == value


def test_an_account_is_closed_reset_and_opened_again(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    assert refused(lambda: hand.act(111, ACCOUNT, 3)) is DataAccessResult.OTHER_REASON
    hand.act(111, ACCOUNT, 2)
    assert hand.get(111, ACCOUNT, 2)[1] == AccountStatus.CLOSED
    assert hand.get(111, ACCOUNT, 14)[:4] == bytes.fromhex("07EA0101")
    hand.act(111, ACCOUNT, 3)
    assert hand.get(111, ACCOUNT, 2)[1] == AccountStatus.NEW
    hand.act(111, ACCOUNT, 1)
    assert hand.get(111, ACCOUNT, 2)[1] == AccountStatus.ACTIVE
    assert refused(lambda: hand.act(111, PASSIVE, 1)) is DataAccessResult.OBJECT_UNAVAILABLE


# --- credit


def test_credits_as_they_are(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    assert [hand.get(112, name, 3) for name in (BALANCE, EMERGENCY, ACCUMULATED)] == [0, 2, 4]
    assert [hand.get(112, name, 4) for name in (BALANCE, EMERGENCY, ACCUMULATED)] == [1, 2, 3]
    assert [hand.get(112, name, 8) for name in (BALANCE, EMERGENCY, ACCUMULATED)] == [3, 0, 0]
    assert [hand.get(112, BALANCE, index) for index in (5, 6)] == [200_000, 0]
    assert [hand.get(112, EMERGENCY, index) for index in (2, 9, 10)] == [300_000, 300_000, 100_000]
    assert hand.get(112, BALANCE, 11) == NEVER


def test_credits_are_adjusted(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    hand.act(112, BALANCE, 1, "i32", -700_000)
    assert hand.get(112, BALANCE) == -200_000
    hand.act(112, BALANCE, 2, "i32", 42)
    assert hand.get(112, BALANCE) == 42
    hand.act(112, ACCUMULATED, 1, "i32", 1000)
    assert (hand.get(112, ACCUMULATED), hand.get(111, ACCOUNT, 6)) == (1000, 1000)
    hand.set(112, EMERGENCY, 9, "i32", 1234)
    assert hand.get(9000, "0-0:94.44.128.2") == hand.get(112, EMERGENCY) == 1234
    hand.set(112, BALANCE, 4, "u8", 9)
    assert hand.get(112, BALANCE, 4) == 9


def test_what_credits_refuse(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    hand.act(112, BALANCE, 2, "i32", MOST)
    other = DataAccessResult.OTHER_REASON
    assert refused(lambda: hand.act(112, BALANCE, 1, "i32", 1)) is other
    assert refused(lambda: hand.act(112, EMERGENCY, 1, "i32", 1)) is other
    assert refused(lambda: hand.set(112, BALANCE, 9, "i32", 1)) is other
    assert refused(lambda: hand.act(112, BALANCE, 1, "u32", 1)) is DataAccessResult.TYPE_UNMATCHED
    for name in (BALANCE, EMERGENCY, ACCUMULATED):
        assert refused(lambda: hand.act(112, name, 3)) is DataAccessResult.HARDWARE_FAULT  # noqa: B023
    assert hand.get(112, BALANCE) == MOST


def test_emergency_credit_can_be_had_when_the_balance_is_low(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    hand.act(112, BALANCE, 2, "i32", 100_000)
    wait(meter)
    assert hand.get(112, EMERGENCY, 8) == 1
    hand.act(112, EMERGENCY, 3)
    assert hand.get(112, EMERGENCY, 8) == 2
    assert hand.get(111, ACCOUNT, 5) == 400_000
    assert refused(lambda: hand.act(112, EMERGENCY, 3)) is DataAccessResult.HARDWARE_FAULT


# --- charge


def test_charges_as_they_begin(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    assert hand.get(113, PRICES, 5) == [
        [3, -5],
        [3, obis.parse("1-0:1.8.0"), 2],
        [[b"\x01", 16_850], [b"\x02", 24_120]],
    ]
    assert hand.get(113, STANDING, 5) == [[0, -5], [0, bytes(6), 0], [[b"", 20_000]]]
    assert [hand.get(113, name, 3) for name in (PRICES, STANDING, DEBT_1, DEBT_PAYMENT)] == [0, 1, 1, 2]
    assert [hand.get(113, STANDING, index) for index in (2, 8, 11, 12, 13)] == [0, 86_400, 0, 0, 0]
    assert hand.get(3, "0-0:94.44.1.7") == 16_850


def test_prices_to_come_take_over_on_their_date(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    coming = [[3, -5], [3, "1-0:1.8.0", 2], [[b"\x01", 9], [b"\x02", 8]]]
    hand.set(113, PRICES, 6, UNIT_CHARGE, coming)
    hand.set(113, PRICES, 7, "oct12", utc("2026-01-01 06:00"))
    wait(meter, 6 * HOUR - 2 * SECOND)
    assert hand.get(3, "0-0:94.44.1.7") == 16_850
    wait(meter, 2 * SECOND)
    assert hand.get(3, "0-0:94.44.1.7") == 9
    assert hand.read(113, PRICES, 5) == hand.read(113, PRICES, 6)
    assert hand.get(113, PRICES, 7) == NEVER
    hand.act(113, PRICES, 1, "arr st{oct,i16}", [[b"\x01", 7]])
    assert hand.get(3, "0-0:94.44.1.7") == 7
    assert hand.get(113, PRICES, 6)[2][0] == [b"\x01", 9]
    hand.act(113, PRICES, 2)
    assert hand.get(3, "0-0:94.44.1.7") == 9


def test_a_date_is_cancelled(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    hand.set(113, PRICES, 6, UNIT_CHARGE, [[3, -5], [3, "1-0:1.8.0", 2], [[b"\x01", 9]]])
    hand.set(113, PRICES, 7, "oct12", utc("2026-01-01 06:00"))
    hand.set(113, PRICES, 7, "oct12", NEVER)
    wait(meter, DAY)
    assert len(hand.get(113, PRICES, 5)[2]) == 2


def test_debts_and_fields_of_charges(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    hand.act(113, DEBT_1, 5, "i32", 5000)
    hand.act(113, DEBT_1, 4, "i32", -2000)
    assert (hand.get(113, DEBT_1, 12), hand.get(111, ACCOUNT, 8)) == (3000, 3000)
    hand.set(113, DEBT_1, 6, UNIT_CHARGE, [*FREE, [[b"", 1000]]])
    hand.act(113, DEBT_1, 2)
    hand.act(113, DEBT_1, 3)
    assert [hand.get(113, DEBT_1, index) for index in (2, 11, 12)] == [1000, 1000, 2000]
    assert hand.get(113, DEBT_1, 10)[:4] == bytes.fromhex("07EA0101")
    assert hand.get(112, BALANCE) == 499_000
    for index, text, value in ((4, "u8", 7), (8, "u32", 3600), (9, "bits", "11"), (13, "u16", 10_000)):
        hand.set(113, DEBT_PAYMENT, index, text, value)
        assert hand.get(113, DEBT_PAYMENT, index) == value
    hand.act(113, DEBT_1, 4, "i32", -9999)
    assert hand.get(113, DEBT_1, 12) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda hand: hand.set(113, PRICES, 6, UNIT_CHARGE, [[3, -6], [3, "1-0:1.8.0", 2], []]),
        lambda hand: hand.set(113, PRICES, 6, UNIT_CHARGE, [[9, -5], [3, "1-0:1.8.0", 2], []]),
        lambda hand: hand.set(113, PRICES, 6, UNIT_CHARGE, [[3, -5], [3, "1-0:1.8.0", 2], [[b"ab", 1]]]),
        lambda hand: hand.set(113, PRICES, 6, UNIT_CHARGE, [[3, -5], [3, "1-0:1.8.0", 2], [[b"a", 1]] * 256]),
        lambda hand: hand.set(113, PRICES, 7, "oct12", bytes.fromhex("07EA0220FF090000008000FF")),
        lambda hand: hand.set(113, DEBT_PAYMENT, 13, "u16", 10_001),
        lambda hand: hand.set(113, DEBT_PAYMENT, 9, "bits", "1"),
        lambda hand: hand.act(113, PRICES, 1, "arr st{oct,i16}", [[b"\x03", 1]]),
        lambda hand: hand.act(113, PRICES, 3),
        lambda hand: hand.act(113, DEBT_1, 5, "i32", -1),
        lambda hand: hand.act(113, STANDING, 5, "i32", 1),
    ],
)
def test_what_charges_refuse(meter: ElectricityMeter, call: Callable[[Hand], object]) -> None:
    hand = Hand(meter)
    before = [hand.read(113, name, index) for name in (PRICES, DEBT_1, DEBT_PAYMENT) for index in range(2, 14)]
    assert refused(lambda: call(hand)) is DataAccessResult.OTHER_REASON
    assert before == [hand.read(113, name, index) for name in (PRICES, DEBT_1, DEBT_PAYMENT) for index in range(2, 14)]


def test_types_are_checked(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    assert refused(lambda: hand.set(113, DEBT_1, 8, "u16", 60)) is DataAccessResult.TYPE_UNMATCHED
    wrong = "st{st{i8,i8},st{u16,oct6,i8},arr st{oct,i32}}"
    assert refused(lambda: hand.set(113, DEBT_1, 6, wrong, [*FREE, [[b"", 1]]])) is DataAccessResult.TYPE_UNMATCHED
    assert refused(lambda: hand.act(113, DEBT_1, 4, "u32", 1)) is DataAccessResult.TYPE_UNMATCHED
    assert refused(lambda: hand.act(115, GATEWAY, 1, "vis", "1")) is DataAccessResult.TYPE_UNMATCHED


# --- token gateway


@pytest.mark.parametrize("profile", ["electricity-base", "electricity-as300p", "electricity-lima-2"])
def test_enter_answers_with_the_result_of_the_make(clock: Clock, profile: str) -> None:
    meter = build_esme(clock, profile=profile)
    hand, prepayment = Hand(meter), meter.firmware.prepayment
    assert prepayment is not None
    tokens = prepayment.tokens
    scheme = tokens.scheme(meter.token_secret(tokens), meter.token_originator(tokens), meter.identity.eui64)
    good = scheme.issue(7, 500)
    results = {outcome: tokens.outcomes[outcome].action_result for outcome in Outcome}
    assert refused(lambda: hand.act(115, GATEWAY, 1, "oct", good)) == results[Outcome.NOT_PREPAYMENT]
    account_of(meter).begin(0)
    wait(meter)
    altered = good[:-1] + str((int(good[-1]) + 1) % 10)
    with pytest.raises(TokenRefused) as wrong:
        scheme.read(altered, -1)
    for digits, outcome in (
        ("7394", Outcome.WRONG_LENGTH),
        ("739433334571890433AB", Outcome.NOT_DIGITS),
        (altered, wrong.value.outcome),
        (scheme.issue(8, 10_100), Outcome.OVER_TOKEN_LIMIT),
    ):
        assert refused(lambda: hand.act(115, GATEWAY, 1, "oct", digits)) == results[outcome]  # noqa: B023
        assert hand.get(115, GATEWAY, 6)[0] == tokens.outcomes[outcome].status
    assert hand.act(115, GATEWAY, 1, "oct", good) is None
    worth = scheme.read(good, -1).amount
    assert hand.get(112, BALANCE) == worth
    assert [hand.get(115, GATEWAY, index) for index in (2, 4, 5)] == [good.encode(), [b"5.00 GBP"], 0]
    assert hand.get(115, GATEWAY, 3)[:4] == bytes.fromhex("07EA0101")
    assert hand.get(115, GATEWAY, 6) == [tokens.outcomes[Outcome.ACCEPTED].status, "1111"]
    assert refused(lambda: hand.act(115, GATEWAY, 1, "oct", good)) == results[Outcome.DUPLICATE]
    assert hand.get(112, BALANCE) == worth


def test_what_a_script_enters_comes_from_the_home(meter: ElectricityMeter) -> None:
    with pytest.raises(AccessRefused):
        meter.internal.execute(b"\x00\x73" + obis.parse(GATEWAY) + b"\x01", axdr.octets(b"1" * 20))
    assert Hand(meter).get(115, GATEWAY, 5) == 1


def test_a_flood_of_octets_is_kept_short(meter: ElectricityMeter) -> None:
    hand = Hand(meter)
    refused(lambda: hand.act(115, GATEWAY, 1, "oct", b"9" * 60_000))
    assert len(hand.get(115, GATEWAY, 2)) == 20


# --- tenancy and supplier


def test_a_change_of_tenancy(meter: ElectricityMeter) -> None:
    hand, date = Hand(meter), "0-0:94.44.3.2"
    hand.act(113, DEBT_1, 5, "i32", 5000)
    assert hand.get(1, date) == NEVER
    wildcards = bytes.fromhex("07EAFF01FF000000008000FF")
    assert refused(lambda: hand.set(1, date, 2, "oct12", wildcards)) is DataAccessResult.OTHER_REASON
    hand.set(1, date, 2, "oct12", utc("2026-02-01 00:00"))
    assert hand.get(1, date)[:4] == bytes.fromhex("07EA0201")
    hand.set(1, date, 2, "oct12", NEVER)
    assert hand.get(1, date) == NEVER
    wait(meter, 40 * DAY)
    assert hand.get(113, DEBT_1, 12) == 5000
    hand.set(1, date, 2, "oct12", utc("2026-03-01 00:00"))
    before = hand.get(112, BALANCE)
    wait(meter, 30 * DAY)
    assert hand.get(1, date)[:4] == bytes.fromhex("07EA0301")
    assert hand.get(113, DEBT_1, 12) == 0
    assert hand.get(112, BALANCE) <= before  # the base keeps it: it is the customer's until it is settled
    assert [row[1] for row in hand.rows("0-0:99.98.11")] == [240]


def test_a_change_of_supplier(meter: ElectricityMeter) -> None:
    hand, supplier = Hand(meter), "0-0:65.1.1"
    hand.set(1, supplier, 2, "oct", b"E-ON")
    assert hand.get(1, supplier) == b"E-ON"
    assert refused(lambda: hand.set(1, supplier, 2, "oct", b"x" * 33)) is DataAccessResult.OTHER_REASON
    assert [row[1] for row in hand.rows("0-0:99.98.11")] == [241]


# --- anything


PAYMENT = (111, 112, 113, 115, 9000, 21)
DEEDS = [
    (descriptor, data_type, attribute)
    for key, item in MODEL.objects.items()
    if item.class_id in PAYMENT
    for descriptor, data_type, attribute in [
        *((key + bytes((n,)), bound.type, True) for n, bound in item.attributes.items() if bound.write is not None),
        *((key + bytes((n,)), bound.type, False) for n, bound in item.methods.items()),
    ]
]


@st.composite
def deeds(draw: st.DrawFn) -> tuple[bytes, bytes, bool] | int:
    if draw(st.integers(0, 4)) == 0:
        return draw(st.integers(1, 3 * DAY))
    descriptor, data_type, attribute = draw(st.sampled_from(DEEDS))
    assert data_type is not None
    return descriptor, data_type.encode(draw(some(data_type))), attribute


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(deeds(), min_size=1, max_size=12))
def test_money_adds_up_whatever_a_supplier_does(done: list[Any]) -> None:
    supplied(done)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(deeds(), min_size=1, max_size=20))
def test_money_adds_up_whatever_suppliers_do(done: list[Any]) -> None:
    supplied(done)


def supplied(done: list[Any]) -> None:
    """Nothing but a refusal comes out of it, the books are square, and everything can be read after it."""
    meter = build_esme(Clock(START), Constant(800 * MICRO))
    account_of(meter).begin(500_000)
    model = meter.firmware.model
    view = AssociationView(meter, model, model.by_name["management"], None)
    wait(meter)
    for deed in done:
        try:
            match deed:
                case int(nanoseconds):
                    wait(meter, nanoseconds)
                case (descriptor, data, True):
                    view.set(descriptor, None, data)
                case (descriptor, data, _):
                    view.action(descriptor, data)
        except AccessRefused:
            pass
    wait(meter, DAY)
    assert account_of(meter).books.squared
    for item in model.objects.values():
        for index, attribute in item.attributes.items():
            assert attribute.type.check(axdr.decode_all(attribute.read(view))), f"{item.title} attribute {index}"


def test_amounts_beyond_32_bits_are_shown_as_far_as_they_go(meter: ElectricityMeter) -> None:
    account_of(meter).books.balance = 10 * LEAST
    assert Hand(meter).get(112, BALANCE) == LEAST
    account_of(meter).charges["standing"].paid = 10 * MOST
    assert Hand(meter).get(113, STANDING, 2) == MOST
