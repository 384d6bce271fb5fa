"""The commands of GB's official test data that set up, top up and read a prepayment meter, served by a meter of ours.

What a message asks for is done, and answered as the official success answer has it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.cosem.view import AssociationView
from emulator.electricity import ElectricityMeter
from emulator.load import MICRO, Constant
from emulator.premises import Premises
from emulator.prepayment.passive import AccountStatus, PaymentMode
from emulator.prepayment.tokens import Delivery
from emulator.time import DAY, HOUR, SECOND, Clock
from protocols import obis
from protocols.dlms import access, axdr
from protocols.dlms.access import AccessRequest, AccessResponse
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import parse_type
from protocols.tokens.agreement import shared_secret
from protocols.tokens.scheme import Outcome

from ..conftest import DeviceSpec, Hand, Load, Prepayment, account_of, build_esme, wait

DATA = Path(__file__).parents[2] / "data"
LINES = (DATA / "rtds-dlms-apdus.txt").read_text(encoding="ascii").splitlines()
APDUS = {name: bytes.fromhex(octets) for name, octets in (line.split() for line in LINES if not line.startswith("#"))}

AT_ONCE = "the data set has the device fail at an item of its choice; ours can do what is asked, and does"
TWIN = "it is for a meter with a second element, which ours has not"
SERVED = [
    "CS01a_2.2_SUCCESS",
    "ECS01a_1.1.1_CANCELLATION_TOU_BLOCK_SUCCESS",
    "ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_SUCCESS",
    "ECS01b_1.2.1_CANCELLATION_TOU_BLOCK_SUCCESS",
    "ECS01b_1.2.1_FUTURE_DATED_TOU_BLOCK_SUCCESS",
    "ECS01b_1.2.1_IMMEDIATE_BLOCK_SUCCESS",
    "ECS01b_1.2.1_IMMEDIATE_TOU_SUCCESS",
    "ECS03_1.6_IMMEDIATE_SINGLE_SUCCESS",
    "ECS04a_1.5_SUCCESS",
    "ECS05_1.7_SUCCESS",
    "ECS07_2.3_SUCCESS",
    "ECS08_2.1_CANCELLATION_SUCCESS",
    "ECS08_2.1_IMMEDIATE_SUCCESS",
    "ECS08a_2.1_IMMEDIATE_SUCCESS",
    "ECS09_2.5_ERROR",
    "ECS24_4.11.1_SUCCESS",
    "ECS82_4.18_SUCCESS",
]
NOT_SERVED = {
    "ECS01a_1.1.1_IMMEDIATE_ERROR": AT_ONCE,
    "ECS01b_1.2.1_IMMEDIATE_ERROR": AT_ONCE,
    "ECS02_1.6_IMMEDIATE_SINGLE_ERROR": AT_ONCE,
    "ECS03_1.6_IMMEDIATE_SINGLE_ERROR": AT_ONCE,
    "ECS04a_1.5_ERROR": AT_ONCE,
    "ECS07_2.3_ERROR": AT_ONCE,
    "ECS01c_1.1.2_CANCELLATION_SUCCESS": TWIN,
    "ECS01c_1.1.2_FUTURE_DATED_SUCCESS": TWIN,
    "ECS01c_1.1.2_IMMEDIATE_ERROR": TWIN,
    "ECS01c_1.1.2_IMMEDIATE_SUCCESS": TWIN,
    "ECS02_1.6_CANCELLATION_TWIN_SUCCESS": TWIN,
    "ECS03_1.6_FUTURE_DATED_TWIN_SUCCESS": TWIN,
    "ECS24b_4.11.2_SUCCESS": TWIN,
    "ECS16_3.4_SUCCESS": "0-0:96.13.0 is the consumer message of this generation, of class 1 and not 9000",
}
"""Commands that are not answered as officially, and why."""

NEW_YEAR_2030 = 1_893_456_000 * SECOND
TAKES_OVER = NEW_YEAR_2030 + 14 * DAY + 9 * HOUR
"""Date of the data set's messages to come."""


def prepaid(clock: Clock, millipence: int = 500_000, watts: int = 0) -> ElectricityMeter:
    """A meter in prepayment mode whose clock goes right."""
    meter = build_esme(clock, Constant(watts * MICRO))
    meter.device_clock.drift = 0
    account_of(meter).begin(millipence)
    wait(meter)
    return meter


def send(meter: ElectricityMeter, name: str) -> AccessResponse:
    """Serve a command, and let what it brings about happen."""
    model = meter.firmware.model
    view = AssociationView(meter, model, model.by_name["management"], None)
    made = access.serve(view, AccessRequest.decode(APDUS[f"{name}_COMMAND"]), lambda *_: None)
    wait(meter)
    return made


def ok(meter: ElectricityMeter, name: str) -> list[bytes]:
    """Serve a command every item of which succeeds; what it reads."""
    made = send(meter, name)
    assert {result for _, result in made.results} == {DataAccessResult.SUCCESS}
    return list(made.values)


def official(name: str) -> AccessResponse:
    return AccessResponse.decode(APDUS[f"{name}_RESPONSE"])


def prices(meter: ElectricityMeter) -> list[int]:
    return [price for _, price in account_of(meter).charges["consumption"].active.prices]


def test_every_command_of_this_kind_is_served_or_said_why_not() -> None:
    kinds = ("ECS01", "ECS02", "ECS03", "ECS04", "ECS05", "ECS07", "ECS08", "ECS09", "ECS16", "ECS24", "ECS82")
    names = {name.removesuffix("_COMMAND") for name in APDUS if name.endswith("_COMMAND")}
    wanted = {name for name in names if name.startswith(kinds) or name.split("_")[1][:2] in ("1.", "2.")}
    assert wanted == {*SERVED, *NOT_SERVED}


ANSWERED = [name for name in SERVED if f"{name}_RESPONSE" in APDUS and not name.startswith("CS01a")]


def test_one_command_has_no_official_answer() -> None:
    assert set(SERVED) - set(ANSWERED) == {"CS01a_2.2_SUCCESS", "ECS08a_2.1_IMMEDIATE_SUCCESS"}


@pytest.mark.parametrize("name", ANSWERED)
def test_results_are_the_official_ones(clock: Clock, name: str) -> None:
    meter = prepaid(clock)
    made, response = send(meter, name), official(name)
    assert made.results == response.results
    assert [value[0] for value in made.values] == [value[0] for value in response.values]


@pytest.mark.parametrize("name", [name for name, why in NOT_SERVED.items() if why is AT_ONCE])
def test_what_the_data_set_has_fail_can_be_done(clock: Clock, name: str) -> None:
    meter = prepaid(clock)
    assert any(result for _, result in official(name).results)
    ok(meter, name)


@pytest.mark.parametrize("name", [name for name, why in NOT_SERVED.items() if why is not AT_ONCE])
def test_what_the_meter_has_not_is_refused(clock: Clock, name: str) -> None:
    meter = prepaid(clock)
    made = send(meter, name)
    refused = [result for _, result in made.results if result]
    assert refused[0] in {
        DataAccessResult.OBJECT_UNDEFINED,
        DataAccessResult.OBJECT_CLASS_INCONSISTENT,
        DataAccessResult.OTHER_REASON,  # a charge that is named in a configuration
    }
    assert account_of(meter).mode is PaymentMode.PREPAYMENT


# --- tariff and prices


def at_turn_of_2030() -> ElectricityMeter:
    return prepaid(Clock(NEW_YEAR_2030 + 14 * DAY))


def test_a_tariff_to_come_takes_over_on_its_date() -> None:
    meter = at_turn_of_2030()
    view = Hand(meter)
    before = prices(meter)
    ok(meter, "ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_SUCCESS")
    meter.clock.advance_to(TAKES_OVER - SECOND)
    meter.attend()
    assert prices(meter) == before
    assert view.get(21, "0-0:16.0.11") == []
    meter.clock.advance_to(TAKES_OVER + SECOND)
    meter.attend()
    assert (len(prices(meter)), prices(meter)[0]) == (80, 2121)
    assert account_of(meter).charges["standing"].active.amount == 20_000
    assert view.get(21, "0-0:16.0.11") == [10_000, 0xFFFFFFFF]
    assert view.get(21, "0-0:16.0.12") == [40_000, 0xFFFFFFFF]
    assert view.get(21, "0-0:16.0.18") == [0xFFFFFFFF]
    assert [day for _, _, day in view.get(11, "0-0:11.0.0")] == [1, 3]
    assert [name for name, _, _ in view.get(20, "0-0:13.0.0", 3)] == [b"winter", b"summer"]
    assert view.read(113, "0-0:19.20.0", 5) == view.read(113, "0-0:19.20.0", 6)
    assert view.read(113, "0-0:19.20.0", 7) == axdr.octets(bytes.fromhex("FFFFFFFFFFFFFFFFFF8000FF"))
    assert view.get(9000, "0-0:94.44.2.0") is True


def test_it_is_read_back_as_it_was_set() -> None:
    meter = at_turn_of_2030()
    ok(meter, "ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_SUCCESS")
    meter.clock.advance_to(TAKES_OVER + SECOND)
    meter.attend()
    request = AccessRequest.decode(APDUS["ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_SUCCESS_COMMAND"])
    was_set = {item.descriptor: item.data for item in request.items}
    read = ok(meter, "ECS24_4.11.1_SUCCESS")
    assert read[2:5] == [was_set[b"\0\x14\0\0\x0d\0\0\xff" + bytes((index,))] for index in (7, 8, 9)]
    assert read[6:14] == [was_set[b"\0\x15\0\0\x10\x01" + bytes((c, 255, 2))] for c in range(11, 19)]
    assert read[15] == was_set[b"\0\x71\0\0\x13\x14\x04\xff\x06"]
    assert read[16] == was_set[b"\0\x71\0\0\x13\x14\0\xff\x06"]
    assert read[1] == official("ECS24_4.11.1_SUCCESS").values[1]
    table = account_of(meter).charges["consumption"].active
    assert parse_type("u32").decode(axdr.decode_all(read[0])) == account_of(meter).price == table.price(0xA1)


def test_rates_with_and_without_blocks_follow_the_official_calendar() -> None:
    """The season that began last holds, that of 2015: weekdays by blocks, rate 1 from six to eleven at night; weekends
    at rate 1's own price, without blocks."""
    meter = prepaid(Clock(NEW_YEAR_2030 + 14 * DAY), 100_000_000, watts=2000)
    ok(meter, "ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_SUCCESS")
    tuesday = NEW_YEAR_2030 + 14 * DAY
    for at, price in (
        (tuesday + 10 * HOUR, 2289),  # rate 1, block 1
        (tuesday + 13 * HOUR, 2289),  # 8 kWh since nine
        (tuesday + 15 * HOUR, 3546),  # 12 kWh: block 2 of rate 1
        (tuesday + 25 * HOUR, 4002),  # rate 2, block 1
        (tuesday + 4 * DAY + 12 * HOUR, 2121),  # Saturday
        (tuesday + 6 * DAY + 12 * HOUR, 3546),  # Monday
    ):
        meter.clock.advance_to(at + SECOND)
        meter.attend()
        assert account_of(meter).price == price, (at - tuesday) // HOUR


def test_a_tariff_that_is_cancelled_never_takes_over() -> None:
    meter = at_turn_of_2030()
    before = prices(meter)
    ok(meter, "ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_SUCCESS")
    ok(meter, "ECS01a_1.1.1_CANCELLATION_TOU_BLOCK_SUCCESS")
    meter.clock.advance_to(TAKES_OVER + DAY)
    meter.attend()
    assert prices(meter) == before
    assert Hand(meter).get(21, "0-0:16.0.11") == []


def test_a_tariff_of_now_takes_over_at_once(clock: Clock) -> None:
    meter = prepaid(clock)
    ok(meter, "ECS01a_1.1.1_IMMEDIATE_ERROR")
    assert prices(meter)[:3] == [2121, 3127, 4744]
    view = Hand(meter)
    assert [name for name, _, _ in view.get(20, "0-0:13.0.0", 3)] == [b"winter", b"summer"]
    assert account_of(meter).price == 3127  # its summer of 2015 has rate 2 from eleven at night


def test_prices_of_now_hold_at_once(clock: Clock) -> None:
    meter = prepaid(clock)
    ok(meter, "ECS01b_1.2.1_IMMEDIATE_TOU_SUCCESS")
    assert prices(meter)[:3] == [3221, 4327, 5744]
    assert account_of(meter).price == 3221  # rate 1 at midnight


def test_the_counters_of_blocks_are_reset(clock: Clock) -> None:
    """After 2 kWh the second block is reached; ECS05 begins with the first again."""
    meter = prepaid(clock, 100_000_000, watts=1000)
    ok(meter, "ECS01b_1.2.1_IMMEDIATE_BLOCK_SUCCESS")
    Hand(meter).set(21, "0-0:16.0.11", 2, "arr u32", [1500, 0xFFFFFFFF])
    assert account_of(meter).price == 0  # the calendar has rate 1 without its blocks
    Hand(meter).act(9, "0-0:10.0.100", 1, "u16", 101)
    wait(meter, HOUR)
    assert account_of(meter).price == 2361
    wait(meter, HOUR)
    assert account_of(meter).price == 4289
    ok(meter, "ECS05_1.7_SUCCESS")
    assert account_of(meter).price == 2361


# --- mode, balance, debts, limits


def test_to_prepayment_and_back(clock: Clock) -> None:
    meter = build_esme(clock)
    account, hand = account_of(meter), Hand(meter)
    assert account.mode is PaymentMode.CREDIT
    ok(meter, "ECS03_1.6_IMMEDIATE_SINGLE_SUCCESS")
    assert (account.mode, account.status) == (PaymentMode.PREPAYMENT, AccountStatus.NEW)
    assert account.limit("disablement") == hand.get(9000, "0-0:94.44.128.22") == 556_677
    assert len(hand.get(111, "0-0:19.0.0", 11)) == 13
    ok(meter, "ECS02_1.6_IMMEDIATE_SINGLE_ERROR")
    assert account.mode is PaymentMode.CREDIT
    assert [pair[:2] for pair in hand.get(111, "0-0:19.0.0", 11)] == [
        [obis.parse("0-0:19.10.0"), obis.parse("0-0:19.20.0")],
        [obis.parse("0-0:19.10.0"), obis.parse("0-0:19.20.4")],
    ]


def test_the_balance_is_adjusted(clock: Clock) -> None:
    meter = prepaid(clock, 100_000)
    ok(meter, "ECS04a_1.5_SUCCESS")
    assert account_of(meter).balance == 100_000 + 1_200_000
    (read,) = ok(meter, "ECS82_4.18_SUCCESS")
    assert read == axdr.i32(1_300_000)


def test_debts_are_set(clock: Clock) -> None:
    meter = prepaid(clock)
    ok(meter, "ECS07_2.3_SUCCESS")
    charges = account_of(meter).charges
    assert [charges[name].remaining for name in ("debt_1", "debt_2", "debt_payment")] == [30_000, 15_000, 50_000]
    assert charges["debt_1"].active.amount == 3 * 10_000  # tenths of a pound
    assert charges["debt_2"].active.amount == 15 * 10_000
    assert (charges["debt_1"].period, charges["debt_payment"].proportion) == (86_400, 1000)
    assert account_of(meter).statement.aggregated_debt == 95_000
    before = account_of(meter).balance
    wait(meter, DAY)
    assert (charges["debt_1"].remaining, charges["debt_2"].remaining) == (0, 0)
    assert account_of(meter).balance == before - 45_000 - charges["standing"].active.amount


@pytest.mark.parametrize(
    ("name", "max_balance"), [("ECS08_2.1_IMMEDIATE_SUCCESS", 25_000_000), ("ECS08a_2.1_IMMEDIATE_SUCCESS", 5_000_000)]
)
def test_limits_and_friendly_hours_are_set(clock: Clock, name: str, max_balance: int) -> None:
    """Only the second one sets the maximum balance; with the first, the value to come takes over as delivered."""
    meter = prepaid(clock)
    account, hand = account_of(meter), Hand(meter)
    for limit in (
        *("max_credit", "max_balance", "low_credit", "emergency_limit", "emergency_threshold"),
        *("debt_cap", "debt_cap_period"),
    ):
        account.orders.set_limit(limit, 1)
    ok(meter, name)
    assert {
        limit: account.limit(limit) for limit in ("max_credit", "max_balance", "low_credit", "emergency_limit")
    } == {
        "max_credit": 1_000_000,
        "max_balance": max_balance,
        "low_credit": 200_000,
        "emergency_limit": 300_000,
    }
    assert (account.limit("emergency_threshold"), account.limit("debt_cap")) == (100_000, 30)
    assert account.limit("debt_cap_period") == 604_800
    assert hand.get(112, "0-0:19.10.1", 9) == 300_000
    assert hand.get(111, "0-0:19.0.0", 16) == 200_000
    assert hand.read(10, "0-0:12.0.1") == hand.read(10, "0-1:12.0.1") != axdr.array([])
    assert [day for _, _, day in hand.get(11, "0-0:11.0.2")] == [1, 2, 3, 4, 5]


def test_limits_that_are_cancelled_stay_as_they_were(clock: Clock) -> None:
    meter = prepaid(clock)
    account_of(meter).orders.set_limit("low_credit", 1)
    ok(meter, "ECS08_2.1_IMMEDIATE_SUCCESS")
    account_of(meter).orders.set_limit("low_credit", 1)
    ok(meter, "ECS08_2.1_CANCELLATION_SUCCESS")
    wait(meter, DAY)
    assert account_of(meter).limit("low_credit") == 1


def test_emergency_credit_is_activated_when_it_is_needed(clock: Clock) -> None:
    """The data set's answer is hardware-fault: there is none to be had by a meter with enough credit."""
    meter = prepaid(clock, 500_000)
    made = send(meter, "ECS09_2.5_ERROR")
    assert made.results == official("ECS09_2.5_ERROR").results
    account_of(meter).orders.adjust("balance", -450_000)
    wait(meter)
    ok(meter, "ECS09_2.5_ERROR")
    assert account_of(meter).emergency_selected
    assert Hand(meter).get(112, "0-0:19.10.1", 8) == 2  # selected


# --- tokens


@pytest.fixture
def official_meter(home: Callable[..., Premises], tmp_path: Path) -> ElectricityMeter:
    """A meter that has the identifier and the key of the data set's, and the scheme ``gbcs``."""
    profile = tmp_path / "gbcs.toml"
    profile.write_text('extends = "electricity-base"\n[token]\nscheme = "gbcs"\n', encoding="utf-8")
    folder = DATA / "tokens"
    secret = shared_secret(
        (folder / "90b3d51f30010000-pp-ka.key").read_bytes(), (folder / "00db1234567890a0-ka.pem").read_bytes()
    )
    spec = DeviceSpec(
        profile=str(profile),
        keys={"token.secret": secret},
        load=Load("constant", 0),
        eui64=bytes.fromhex("00DB1234567890A0"),
        prepayment=Prepayment(0),
    )
    meter = home(electricity=spec, gas=None, hub=None).electricity
    assert meter is not None
    wait(meter)
    return meter


def test_the_official_top_up_credits_exactly(official_meter: ElectricityMeter) -> None:
    meter = official_meter
    made = send(meter, "CS01a_2.2_SUCCESS")
    assert made.results == official("CS01a_2.2_SUCCESS").results
    assert account_of(meter).balance == 10 * 100_000
    assert Hand(meter).get(115, "0-0:19.40.0") == b"73946144332040217315"
    assert len(Hand(meter).rows("0-0:98.1.5")) == 1
    again = send(meter, "CS01a_2.2_SUCCESS")
    assert [result for _, result in again.results] == [DataAccessResult.READ_WRITE_DENIED]  # as the profile has it
    assert account_of(meter).balance == 10 * 100_000


def test_official_tokens_entered_in_any_order_credit_exactly(official_meter: ElectricityMeter) -> None:
    """Counters 4, 1 and 3: by the head-end, typed in, and from a device in the home."""
    meter, account = official_meter, account_of(official_meter)
    enter = account.tokens.enter
    account.orders.set_limit("max_credit", 1_000_000)
    with pytest.raises(AccessRefused):  # 12.34 pounds are over the limit of one token
        Hand(meter).act(115, "0-0:19.40.0", 1, "oct", "73947252416745201637")
    assert account.balance == 0
    account.orders.set_limit("max_credit", 10_000_000)
    account.orders.set_limit("max_balance", 20_000_000)
    Hand(meter).act(115, "0-0:19.40.0", 1, "oct", "73947252416745201637")
    assert enter("73943333457189043313", Delivery.MANUAL) is Outcome.ACCEPTED
    assert enter("73946144332040217315", Delivery.LOCAL) is Outcome.ACCEPTED
    assert account.balance == 1_234_000 + 10_000_000 + 1_000_000
    assert enter("73943333457189043313", Delivery.MANUAL) is Outcome.DUPLICATE
    assert account.balance == 12_234_000
