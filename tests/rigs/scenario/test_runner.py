"""Steps do what they say at the time they say it, and what is not so is told in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from emulator.time import HOUR, MINUTE, SECOND
from rigs.scenario.junit import document
from rigs.scenario.runner import Result, StepResult
from rigs.scenario.schema import load_scenario

METER, GAS, HUB, DISPLAY, FLAT = "home/electricity", "home/gas", "home/hub", "home/display", "flat/electricity"
Played = Callable[..., Result]
Failure = Callable[..., str]


def expect(device: str, **more: Any) -> dict[str, Any]:
    return {"expect": [{"device": device, **more}]}


def reading(device: str, name: str, **more: Any) -> dict[str, Any]:
    return expect(device, reading={"object": name, **more})


def good(result: Result) -> None:
    assert [step.failure for step in result.steps] == [""] * len(result.steps)


# -- time --------------------------------------------------------------------------------------------------------------


def test_steps_go_by_time(played: Played) -> None:
    on = expect(METER, power="on")
    result = played(
        on,
        {"at": "1h", **on},
        {"after": "90s", **on},
        {"at": "2026-05-04T12:00:00Z", **on} | {"at": "2h"},
        {"after": "0s", **on},
        {"within": "3h", **expect(METER, supply="off")},
    )
    assert [step.began - result.began for step in result.steps] == [
        0,
        HOUR,
        HOUR + 90 * SECOND,
        2 * HOUR,
        2 * HOUR,
        2 * HOUR,
    ]
    assert result.ended - result.began == 5 * HOUR and result.failures == 1
    assert [step.broken for step in result.steps] == [False] * 6


def test_a_step_that_comes_too_late_is_told_and_not_done(played: Played) -> None:
    result = played({"at": "2h"}, {"at": "1h", "power": {"device": METER, "state": "off"}}, expect(METER, power="on"))
    assert result.steps[1].failure == "at 2026-05-04 11:00:00: it is 2026-05-04 12:00:00 already; steps go by time"
    assert result.steps[1].broken and not result.steps[2].failure


def test_what_is_to_come_true_is_looked_at_every_so_often(played: Played) -> None:
    result = played(
        {"power": {"device": METER, "state": "off"}},
        {"after": "1m", "power": {"device": METER, "state": "on"}},
        {"within": "10m", "every": "1s", **expect(METER, power="on")},
    )
    good(result)
    assert 0 < result.steps[2].ended - result.steps[2].began < MINUTE


# -- verbs -------------------------------------------------------------------------------------------------------------


def test_loads_are_metered(played: Played) -> None:
    good(
        played(
            {"load": {"device": METER, "watts": 2000}},
            {"load": {"device": GAS, "cubic_metres_per_hour": 0}},
            {"at": "1h"},
            reading(METER, "1-0:1.7.0", between=[2000, 2000]),
            {"load": {"device": FLAT, "watts": -500}},
            reading(FLAT, "1-0:2.7.0", between=[500, 500]),
        )
    )


def test_a_load_in_the_wrong_unit(failure: Failure) -> None:
    assert failure({"load": {"device": GAS, "watts": 5}}) == f"{GAS}: its load is given in cubic_metres_per_hour"
    assert failure({"load": {"device": HUB, "watts": 5}}).startswith(f"{HUB}: has no load")


def test_tokens_are_taken_once(played: Played) -> None:
    good(
        played(
            {"top_up": {"device": METER, "pence": 100, "token": "A"}, **expect(METER, event="token_accepted")},
            {"top_up": {"device": METER, "token": "A", "outcome": "duplicate"}},
            {"top_up": {"device": METER, "pence": 50, "token": "B", "mistyped": True, "outcome": "check_digit"}},
            {"top_up": {"device": METER, "token": "B"}, **expect(METER, balance_pence=[650, 650])},
            {"top_up": {"device": METER, "pence": 50, "way": "display"}, **expect(METER, balance_pence=[700, 700])},
            {"top_up": {"device": METER, "token": "A", "outcome": "duplicate", "way": "display"}},
        )
    )


def test_what_becomes_of_a_token_is_told(failure: Failure) -> None:
    said = failure({"top_up": {"device": METER, "pence": 100, "outcome": "locked"}})
    assert re.fullmatch(rf"{METER}: token \d{{20}}: expected locked, found accepted", said)
    assert failure({"top_up": {"device": METER, "token": "X"}}).startswith("token 'X': not bought yet")
    assert failure({"top_up": {"device": HUB, "pence": 1}}).startswith(f"{HUB}: has no account")


def test_gas_taps_fail_the_valve_test(played: Played) -> None:
    good(
        played(
            {"tap": {"device": GAS, "litres_per_hour": 400}},
            {"load": {"device": GAS, "cubic_metres_per_hour": 100}},
            {"within": "2d", "every": "10m", **expect(GAS, supply="off")},
            {"load": {"device": GAS, "cubic_metres_per_hour": 0}},
            {"top_up": {"device": GAS, "pence": 50_00}},
            {"after": "40m", "press": {"device": GAS, "keys": "s"}},
            {"after": "5m", **expect(GAS, event="valve_test_failed")},
        )
    )


def test_a_clock_is_wrong_until_it_is_set(played: Played) -> None:
    good(
        played(
            {"clock": {"device": METER, "forward": "2h"}, **expect(METER, event="clock_set")},
            {"clock": {"device": METER, "back": "2h"}, **expect(METER, power="on")},
        )
    )


def test_a_clock_that_cannot_be_set(failure: Failure) -> None:
    thrice = [{"clock": {"device": METER, "back": "400d"}}] * 60
    assert failure(*thrice) == f"{METER}: a clock can be set to the years 1970 to 2099"


def test_attributes_are_set_and_methods_run_by_the_head_end(played: Played) -> None:
    good(
        played(
            {"set": {"device": METER, "object": "0-0:97.98.10", "value": 7}},
            reading(METER, "1/0-0:97.98.10", equals="7"),
            {"set": {"device": METER, "object": "0-0:96.13.0", "value": "hex:00FF"}},
            reading(METER, "0-0:96.13.0", equals="00 FF"),
            {
                "set": {"device": METER, "object": "1-0:1.8.0", "value": 7, "refused": "read write denied"},
            },
            {
                "action": {
                    "device": HUB,
                    "object": "104/0-0:30.3.0",
                    "method": 2,
                    "value": "hex:0102030405060708",
                    "refused": "other reason",
                },
            },
            {"set": {"device": FLAT, "object": "0-0:97.98.10", "value": 3}},
            reading(FLAT, "0-0:97.98.10", between=[3, 3]),
            reading(FLAT, "1-0:1.8.0", association="public", refused="denied"),
        )
    )


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            {"set": {"device": METER, "object": "0-0:97.98.10", "value": "x"}},
            f"{METER}: set 0-0:97.98.10:2: expected success, found: value: 'x': u32 is a whole number",
        ),
        (
            {"set": {"device": METER, "object": "0-0:97.98.10", "attribute": 9, "value": 1}},
            f"{METER}: set 0-0:97.98.10:9: expected success, found: electricity-base has no 1/0-0:97.98.10.255:9",
        ),
        (
            {"action": {"device": METER, "object": "0-0:97.98.10", "method": 9}},
            f"{METER}: method 9 of 0-0:97.98.10: expected success, found: electricity-base has no method 9",
        ),
        (
            {"set": {"device": METER, "object": "0-0:97.98.10", "value": 1, "refused": "denied"}},
            f"{METER}: set 0-0:97.98.10:2: expected denied, found: success",
        ),
        (
            {"set": {"device": METER, "object": "0-0:97.98.10", "value": 1, "association": "secret"}},
            f"{METER}: set 0-0:97.98.10:2: expected success, found: secret: no such association",
        ),
        (
            reading(DISPLAY, "0-0:1.0.0", equals="x"),
            f"{DISPLAY}: 0-0:1.0.0:2: expected x, found no value: {DISPLAY}: a display has no logical device",
        ),
        ({"price": {"device": METER, "pence": 0.00001}}, f"{METER}: price: 1e-05 pence a kWh has no place"),
    ],
)
def test_what_the_head_end_is_refused_is_told(failure: Failure, step: dict[str, Any], words: str) -> None:
    assert failure(step).startswith(words), failure(step)


def test_a_price_at_once(played: Played) -> None:
    good(
        played(
            {
                "price": {"device": METER, "pence": 50.5},
                **expect(METER, event="prices_changed", balance_pence=[500, 500]),
            },
            {"at": "1h", **expect(METER, balance_pence=[449.5, 449.6])},
        )
    )


def test_faults_begin_and_end(played: Played) -> None:
    mute = {"device": DISPLAY, "name": "radio-off"}
    good(
        played(
            {"fault": {**mute, "label": "mute"}},
            {"after": "1m", **expect(DISPLAY, on_han=False)},
            {"at": "10h", "end_fault": {"label": "mute"}},
            {"within": "2h", **expect(DISPLAY, on_han=True)},
            {"fault": {**mute, "lasts": "1h"}},
            {"after": "59m", **expect(DISPLAY, on_han=False)},
            {"within": "2h", **expect(DISPLAY, on_han=True)},
            {"fault": {"device": HUB, "name": "truncated-device-log", "parameters": {"kept": 1}}},
            expect(METER, in_log=True),
            expect(GAS, in_log=False),
        )
    )


def test_faults_that_wait_and_come_again(played: Played) -> None:
    at_noon = {"device": METER, "name": "radio-off", "when": "time 12:00", "lasts": "1h", "times": 2}
    good(
        played(
            {"fault": at_noon},
            {"at": "1h 59m", **expect(METER, on_han=True)},
            {"at": "2h 1m", **expect(METER, on_han=False)},
            {"at": "1d 1h 59m", **expect(METER, on_han=True)},
            {"at": "1d 2h 1m", **expect(METER, on_han=False)},
            {"at": "2d 2h 1m", **expect(METER, on_han=True)},
        )
    )


def test_a_gas_meter_that_a_fault_brings(played: Played) -> None:
    ghost = {"fault": {"device": GAS, "name": "ghost-gas-meter", "label": "ghost"}}
    good(
        played(
            ghost,
            {"after": "1h", **expect(GAS, on_han=False, in_log=False, no_event="device_joined")},
            {"end_fault": {"label": "ghost"}},
            {"after": "2h", **expect(GAS, in_log=True)},
        )
    )


def test_faults_that_cannot_be(failure: Failure) -> None:
    assert failure({"end_fault": {"label": "mute"}}) == "mute: no fault of that label; a fault step gives it one"
    bad = {"fault": {"device": GAS, "name": "radio-off", "when": "noon"}}
    assert failure(bad).startswith("radio-off: when: noon: no such condition; there are frame N")
    step = {"fault": {"device": GAS, "name": "radio-off", "parameters": {"colour": "red"}}}
    assert failure(step).startswith("radio-off: colour: no such parameter")
    assert failure({"fault": {"device": HUB, "name": "stale-link-key"}}).startswith(
        f"{HUB}: stale-link-key is a fault of"
    )


# -- what is expected --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (expect(METER, power="off"), f"{METER}: power: expected off, found on"),
        (expect(METER, supply="armed"), f"{METER}: supply: expected armed, found on"),
        (expect(HUB, supply="on"), f"{HUB}: supply: expected on, found none: it has none"),
        (expect(METER, mode="credit"), f"{METER}: mode: expected credit, found prepayment"),
        (expect(METER, display="Debit"), f"{METER}: display: expected to contain 'Debit', found Credit 5.00 GBP"),
        (expect(METER, display=""), f"{METER}: display: expected , found Credit 5.00 GBP"),
        (expect(METER, balance_pence=[1, 2]), f"{METER}: balance: expected 1 to 2 pence, found 500"),
        (expect(HUB, balance_pence=[1, 2]), f"{HUB}: has no account; electricity and gas meters have"),
        (expect(METER, event="power_down"), f"{METER}: log: expected power_down, found none"),
        (expect(GAS, on_han=False), f"{GAS}: on the HAN: expected no, found yes"),
        (expect(GAS, in_log=False), f"{GAS}: in the hub's device log: expected no, found yes"),
        (expect(METER, mirrored=True), f"{METER}: mirrored by the hub: expected yes, found no"),
        (expect(FLAT, on_han=True), f"{FLAT}: its premises have no hub, and so no HAN"),
        (reading(METER, "1-0:1.7.0", between=[1, 2]), f"{METER}: 1-0:1.7.0:2: expected 1 to 2, found 1000"),
        (reading(METER, "1-0:1.7.0", equals="5"), f"{METER}: 1-0:1.7.0:2: expected 5, found 1000"),
        (reading(METER, "1-0:1.7.0", refused="x"), f"{METER}: 1-0:1.7.0:2: expected no value (x), found 1000"),
        (
            reading(METER, "1-0:99.99.99", equals="5"),
            f"{METER}: 1-0:99.99.99:2: expected 5, found no value: the server answered object undefined (4)",
        ),
        (expect(METER, power="off", supply="off"), f"{METER}: power: expected off, found on; supply: expected off, f"),
    ],
)
def test_what_is_otherwise_is_told(failure: Failure, step: dict[str, Any], words: str) -> None:
    said = failure(step)
    assert said.startswith(words), said
    assert "\n" not in said


def test_what_was_logged_before_is_no_news(played: Played) -> None:
    off = {"power": {"device": METER, "state": "off"}}
    result = played(expect(METER, no_event="power_down"), off, expect(METER, no_event="power_down"))
    assert [step.failure for step in result.steps] == [
        "",
        "",
        f"{METER}: log: expected no power_down, found power_down",
    ]


def test_joining_that_ends_otherwise(failure: Failure, played: Played) -> None:
    assert failure({"join": {"device": GAS, "refused": "x"}}) == (
        f"{GAS}: join: expected to be refused (x), found: it is on the HAN"
    )
    swapped = {"replace_gas": {"premises": "home"}}
    assert failure(swapped, {"join": {"device": GAS}}).startswith(f"{GAS}: join: expected to be on the HAN, found: the")
    assert failure({"replace_gas": {"premises": "flat"}}).startswith("flat/hub: no such device")
    log = {"device_log": {"premises": "home", "add": [GAS]}}
    assert failure(swapped, log) == f"{GAS}: is not within range of the hub"
    assert failure({"restore": {"premises": "home"}}) == "home: nothing to restore; back_up comes first"
    assert failure({"network_key": {"premises": "flat"}}) == "flat: has no hub, and so no HAN"


# -- the result --------------------------------------------------------------------------------------------------------


def test_the_result_as_junit(played: Played) -> None:
    result = played(
        {"name": "fine & <good>", **expect(METER, power="on")},
        {"at": "1h", "name": "bad\x00", **expect(METER, power="off")},
        {"at": "30m"},
        {"after": "1m", "power": {"device": METER, "state": "off"}},
    )
    root = ET.fromstring(document([result, result]))
    assert (root.tag, root.get("tests"), root.get("failures"), root.get("errors")) == ("testsuites", "8", "2", "2")
    suite = root[0]
    assert (suite.get("name"), suite.get("time"), suite.get("timestamp")) == (
        "a test",
        "3660.000",
        "2026-05-04T10:00:00",
    )
    assert [case.get("name") for case in suite.iter("testcase")] == [
        "001 2026-05-04T10:00:00 fine & <good>",
        "002 2026-05-04T11:00:00 bad?",
        "003 2026-05-04T11:00:00 time passes",
        "004 2026-05-04T11:01:00 home/electricity: power is switched",
    ]
    assert {case.get("classname") for case in suite.iter("testcase")} == {"test"}
    failed, broken = suite.find(".//failure"), suite.find(".//error")
    assert failed is not None and failed.get("message") == f"{METER}: power: expected off, found on"
    assert broken is not None and "already" in str(broken.get("message"))
    seed = suite.find("properties/property[@name='seed']")
    assert seed is not None and seed.get("value") == "9"


def test_nothing_of_it_depends_on_the_machine(played: Played) -> None:
    steps = [
        {"top_up": {"device": METER, "pence": 100}},
        {"at": "3h", **expect(METER, display="x", balance_pence=[0, 0])},
        {"network_key": {"premises": "home"}},
        {"within": "2h", **expect(GAS, on_han=True)},
    ]
    first = document([played(*steps)])
    assert first == document([played(*steps)])
    assert first != document([played(*steps, seed=10)])
    assert b"found " in first


def test_steps_are_told_as_they_end(tmp_path: Path) -> None:
    from rigs.scenario.runner import play

    (tmp_path / "s.toml").write_text("title = 'x'\n[[step]]\n[[step]]\nat = '1h'\n")
    told: list[StepResult] = []
    result = play(load_scenario(tmp_path / "s.toml"), told.append)
    assert tuple(told) == result.steps and result.scenario == "s.toml"
