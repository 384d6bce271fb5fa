"""The tables prepayment, display and token of a profile: what makes differ in, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.firmware import FirmwareProfile, OverBalance, PrepaymentSettings, Reconnection, Recovery, Trigger
from emulator.prepayment.tokens import WRONG_ENTRIES
from emulator.time import MINUTE, SECOND
from firmware_profiles import files, loader
from protocols import obis
from protocols.dlms.enums import DataAccessResult
from protocols.tokens.scheme import Outcome
from protocols.tokens.sts.scheme import StsTokens
from protocols.tokens.symmetric import SymmetricTokens

from .test_loader import BASE, refusal, written

METERS = [name for name in files.names() if name.startswith(("electricity", "gas"))]
OBJECTS = """
[object."1-0:9.9.9"]
class = {class_id}
title = "x"
access = "settings"
source = "{source}"
"""


def settings(name: str) -> PrepaymentSettings:
    found = loader.load(name).prepayment
    assert found is not None
    return found


@pytest.mark.parametrize("name", METERS)
def test_every_meter_has_an_account_and_begins_in_credit_mode(name: str) -> None:
    found = settings(name)
    assert not found.prepayment
    assert found.balance == 0
    assert set(found.tokens.outcomes) == set(Outcome)
    assert found.tokens.scheme is (StsTokens if "lima" in name else SymmetricTokens)
    results = {outcome: text.action_result for outcome, text in found.tokens.outcomes.items()}
    assert [outcome for outcome, result in results.items() if result == DataAccessResult.SUCCESS] == [Outcome.ACCEPTED]
    assert found.screens[0][0] == "balance"
    assert found.standing_charge > 0
    assert all(price > 0 for price in found.prices)


def test_refusals_of_the_common_profile_are_told_apart() -> None:
    found = loader.load("gas-base")
    assert found.prepayment is not None
    codes = {outcome: text.action_result for outcome, text in found.prepayment.tokens.outcomes.items()}
    one_code = [outcome for outcome, code in codes.items() if code == DataAccessResult.OTHER_REASON]
    assert set(one_code) == WRONG_ENTRIES
    assert len({code for outcome, code in codes.items() if outcome not in WRONG_ENTRIES}) == len(codes) - len(one_code)
    prepayment = {"low_credit", "credit_exhausted", "emergency_exhausted", "token_not_authentic", "entry_locked"}
    bits = [found.reactions[name].alarm for name in (*prepayment, "valve_test_failed")]
    assert all(bits) and len(set(bits)) == len(bits)


def test_a_hub_has_none() -> None:
    assert loader.load("hub-base").prepayment is None


@pytest.mark.parametrize("name", METERS)
def test_the_scheme_is_assumed_and_says_so(name: str) -> None:
    provenance = files.read(name).provenance
    for key in ("token.scheme", "token.outcome.duplicate.display", "display.screen.balance", "prepayment.prices_mp"):
        assert files.provenance_of(provenance, key) == "assumed"


def test_makes_differ_in_what_the_customer_meets() -> None:
    makes = [settings(name) for name in ("electricity-base", "electricity-as300p", "electricity-lima-1", "gas-bk-g4e")]
    makes.append(settings("electricity-lima-2"))
    for aspect in (
        lambda found: found.screens,
        lambda found: found.tokens.history,
        lambda found: tuple(text.display for text in found.tokens.outcomes.values()),
        lambda found: (found.tokens.attempts, found.tokens.lock_first, found.tokens.lock_factor),
    ):
        assert len({aspect(found) for found in makes}) == len(makes)
    assert settings("electricity-lima-2").reconnection is Reconnection.AUTOMATIC
    assert settings("electricity-lima-1").reconnection is Reconnection.ARM
    assert settings("electricity-lima-2").over_balance is OverBalance.CLIP
    assert settings("electricity-lima-2").recovery[0] is Recovery.EMERGENCY_CREDIT
    assert len({tuple(text.action_result for text in found.tokens.outcomes.values()) for found in makes}) > 2
    assert settings("gas-bk-g4e").valve_test > 0


def test_times_and_copies_are_compiled() -> None:
    found = settings("electricity-as300p")
    assert found.tokens.lock_first == found.tokens.lock_longest == 15 * MINUTE
    assert (found.entry_timeout, found.screen_time) == (60 * SECOND, 5 * SECOND)
    key = (9000).to_bytes(2, "big") + obis.parse("0-0:94.44.128.28")
    begin, end = (b"\x00\x0a" + obis.parse(name) + b"\x02" for name in ("0-1:12.0.1", "0-0:12.0.1"))
    assert found.copies[key] == ((begin, end),)
    matrix = (9000).to_bytes(2, "big") + obis.parse("0-0:63.1.1")
    assert len(found.copies[matrix]) == 8


@pytest.mark.parametrize("name", METERS)
def test_the_account_writes_its_own_logs(name: str) -> None:
    profile = loader.load(name)
    written_by_it = {spec.name for spec in profile.buffers.values() if spec.trigger is Trigger.ACCOUNT}
    assert written_by_it == {"credit_log", "debt_log", "mode_log", "prepay_daily"}
    assert {"prepayment", "tenancy"} <= set(profile.logs)


@pytest.mark.parametrize("name", METERS)
def test_every_event_of_an_account_is_logged(name: str) -> None:
    profile: FirmwareProfile = loader.load(name)
    codes = {**profile.logs["prepayment"].codes, **profile.logs["tenancy"].codes}
    wanted = {f"token_{outcome.name.lower()}" for outcome in Outcome}
    wanted |= {"low_credit", "credit_exhausted", "emergency_activated", "mode_prepayment", "tenancy_changed"}
    assert wanted <= set(codes)
    assert len(set(codes.values())) == len(codes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[token]\nscheme = "magic"\n', "token.scheme: no token scheme 'magic'; expected s1sp-symmetric, gbcs, "),
        ('[token]\nscheme = "nowhere:At"\n', "token.scheme: token scheme 'nowhere:At' cannot be imported: "),
        ('[token]\noriginator = "12"\n', "token.originator: '12': "),
        ("[token]\nhistory = 0\n", "token.history: 0: must be greater than or equal to 1"),
        ("[token]\nspeed = 1\n", "token.speed: unknown key; allowed are attempts, history, lock_factor, "),
        ("[token]\nlock_longest_s = 1\n", "token.lock_longest_s: 1: at least lock_first_s, 60"),
        (
            "[token.outcome]\nlost = { display = 'x', action_result = 250, status = 4 }\n",
            "token.outcome: no outcome 'lost'; known: accepted, wrong_length, ",
        ),
        (
            "[token.outcome.duplicate]\naction_result = 8\n",
            "token.outcome.duplicate.action_result: 8: must be one of 0, 1, 2, ",
        ),
        (
            "[token.outcome.duplicate]\naction_result = 0\n",
            "token.outcome.duplicate.action_result: 0: 0 is for what is accepted, and only that",
        ),
        (
            "[token.outcome.accepted]\naction_result = 1\n",
            "token.outcome.accepted.action_result: 1: 0 is for what is accepted, and only that",
        ),
        ("[token.outcome.duplicate]\ndisplay = '{x}'\n", "token.outcome.duplicate.display: '{x}': no field 'x'; "),
        ("[token.outcome.locked]\ndisplay = 'Locked'\n", "token.outcome.locked.display: 'Locked': a locked entry "),
        ("[display.screen]\nbalance = 'GBP {money}'\n", "display.screen.balance: 'GBP {money}': no field 'money'; "),
        ("[display]\nscreens = 1\n", "display.screens: unknown key; allowed are credit_screen, entry_timeout_s, "),
        (
            "[display.credit_screen]\n"
            + "".join(f'{name} = ""\n' for name in ("reading", "balance", "rate", "supply", "clock")),
            "display.credit_screen: all screens are empty; the display needs one at rest",
        ),
        ("[prepayment]\nmode = 'free'\n", "prepayment.mode: 'free': must be 'credit' or 'prepayment'"),
        ("[prepayment]\nprices_mp = [40000]\n", "prepayment.prices_mp.0: 40000: must be less than or equal to 32767"),
        ("[prepayment]\nprices_mp = []\n", "prepayment.prices_mp: []: "),
        ("[prepayment]\nfirst_block_price = 2\n", "prepayment.first_block_price: 2: must be over the 2 prices of "),
        ("[prepayment]\nblocks = 8\n", "prepayment.blocks: the price of block 8 would have index 273 of 255"),
        ("[prepayment]\nrecovery = ['luck']\n", "prepayment.recovery.0: 'luck': must be 'payment_debt', "),
        (
            "[prepayment]\nrecovery = ['payment_debt', 'payment_debt']\n",
            "prepayment.recovery: ['payment_debt', 'payment_debt']: each of them once at most",
        ),
        (
            "[prepayment]\nreconnection = 'automatic'\n",
            "prepayment.reconnection: 'automatic' needs supply.control_mode 5 or 6, not 3",
        ),
        (
            "[prepayment]\ncollections = [['balance', 'tea', '111']]\n",
            "prepayment.collections: entry 1: no object has ",
        ),
        ("[prepayment]\ncollections = [['balance', 'standing', '11']]\n", "prepayment.collections.0.2: '11': "),
        (
            OBJECTS.format(class_id=112, source="credit.luck"),
            "object 1-0:9.9.9.255 (class 112): source 'credit.luck' is none of credit.balance, credit.emergency, ",
        ),
        (
            OBJECTS.format(class_id=113, source="charge.tea"),
            "object 1-0:9.9.9.255 (class 113): source 'charge.tea' is none of charge.consumption, charge.standing, ",
        ),
        (
            OBJECTS.format(class_id=9000, source="limit.patience") + "value_active = { u8 = 1 }\n",
            "object 1-0:9.9.9.255 (class 9000): source 'limit.patience'; known: limit.low_credit, ",
        ),
        (
            OBJECTS.format(class_id=9000, source="extended.x")
            + 'value_active = { u8 = 1 }\ncopies = [[11, "0-1:11.0.9", "0-0:11.0.0", 2]]\n',
            "object.1-0:9.9.9.copies: no attribute 2 of an object 0-1:11.0.9 of class 11",
        ),
        (
            OBJECTS.format(class_id=9000, source="extended.x")
            + 'value_active = { u8 = 1 }\ncopies = [[11, "0-1:11.0.0", "0-0:11.0.0", 3]]\n',
            "object.1-0:9.9.9.copies: no attribute 3 of an object 0-1:11.0.0 of class 11",
        ),
        (
            '[object."0-0:98.2.0"]\ncolumns = [[8, "0-0:1.0.0", 2], [112, "0-0:19.10.0", 2]]\n',
            "object.0-0:98.2.0.columns: 'Meter balance' is money, which a buffer with trigger 'day' cannot capture; ",
        ),
        (
            '[object."1-0:99.1.0"]\ncolumns = [[8, "0-0:1.0.0", 2], [3, "0-0:94.44.1.7", 2]]\n',
            "object.1-0:99.1.0.columns: 'Active tariff price' is money, which a buffer with trigger 'period' cannot ",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    assert refusal(tmp_path, BASE + text).startswith(said)


def test_a_table_that_is_missing_is_named(tmp_path: Path) -> None:
    text = 'extends = "hub-base"\n[provenance]\n"display" = "assumed"\n'
    text += '[display]\nentry_timeout_s = 1\nscreen_time_s = 1\n[display.screen]\na = "x"\n'
    assert refusal(tmp_path, text) == "prepayment: missing; a profile with [display] needs prepayment, display, token"


def test_a_profile_with_a_scheme_of_a_third_party(tmp_path: Path) -> None:
    name = "protocols.tokens.gbcs:GbcsTokens"
    profile = loader.check(written(tmp_path, f'{BASE}[token]\nscheme = "{name}"\n'))
    assert profile.prepayment is not None
    assert (profile.prepayment.tokens.scheme_name, profile.prepayment.tokens.scheme.__name__) == (name, "GbcsTokens")
