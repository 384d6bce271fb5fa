"""What is wrong with a scenario is said in one line: file, place, value, what is allowed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.time import DAY, HOUR, MINUTE, SECOND
from rigs.config import ConfigError
from rigs.scenario.schema import VERBS, Step, load_scenario, make_scenario, schema
from rigs.times import nanoseconds

from .conftest import HOUSE

METER = "home/electricity"
NOW: dict[str, Any] = {"expect": [{"device": METER, "power": "on"}]}


def refusal(*steps: dict[str, Any], **more: Any) -> str:
    tables = {"title": "x", "rig": HOUSE, "step": list(steps), **more}
    with pytest.raises(ConfigError) as refused:
        make_scenario(tables, Path("s.toml"))
    text = str(refused.value)
    assert "\n" not in text and text.startswith("s.toml: ")
    return text.removeprefix("s.toml: ")


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"jump": 1}, "step.0.jump: unknown key; allowed are action, after, at, back_up, "),
        ({"load": {"device": METER, "watts": "many"}}, "step.0.load.watts: many: must be a valid number"),
        ({"load": {"device": METER, "watt": 1}}, "step.0.load.watt: unknown key; allowed are cubic_metres_per_hour, "),
        ({"load": {"device": METER}}, "step.0.load: either watts or cubic_metres_per_hour"),
        ({"power": {"device": METER, "state": "gone"}}, "step.0.power.state: gone: must be 'on' or 'off'"),
        ({"power": {"device": "meter", "state": "on"}}, "step.0.power.device: meter: String should match pattern"),
        (
            {"power": {"device": "house/gas", "state": "on"}},
            "step.0.power.device: house/gas: no such premises; there are home, flat",
        ),
        (
            {"power": {"device": "home/kettle", "state": "on"}},
            "step.0.power.device: home/kettle: no such device; there are hub, electricity, gas, display",
        ),
        (
            {"power": {"device": "home/electricity-2", "state": "on"}},
            "step.0.power.device: home/electricity-2: no such device",
        ),
        ({"join": {"device": "flat/gas"}}, "step.0.join.device: flat/gas: no such device; there are electricity"),
        ({"network_key": {"premises": "house"}}, "step.0.network_key.premises: house: no such premises"),
        ({"device_log": {"premises": "home", "add": ["home/tv"]}}, "step.0.device_log.add.0: home/tv: no such device"),
        ({"device_log": {"premises": "home", "permit": False}}, "step.0.device_log: something to remove, to add"),
        ({"press": {"device": METER, "keys": "12x"}}, "step.0.press.keys: 'x': not a key; keys are digits, "),
        ({"top_up": {"device": METER}}, "step.0.top_up: pence for a new token"),
        ({"top_up": {"device": METER, "pence": 0}}, "step.0.top_up.pence: 0: must be greater than or equal to 1"),
        ({"top_up": {"device": METER, "pence": 5, "outcome": "eaten"}}, "step.0.top_up.outcome: eaten: one of accep"),
        ({"clock": {"device": METER}}, "step.0.clock: either forward or back"),
        ({"clock": {"device": METER, "back": "soon"}}, "step.0.clock.back: soon: a span of time such as 90s, 1h 30m"),
        ({"at": 5, **NOW}, "step.0.at: 5: a span of time such as 1h 30m, or a date and time"),
        ({"at": "5 o'clock", **NOW}, "step.0.at: 5 o'clock: a span of time such as"),
        ({"at": "1h", "after": "1h", **NOW}, "step.0: either at or after"),
        ({"at": "401d", **NOW}, "step.0.at: 401d: at most 400d"),
        ({"within": "1h"}, "step.0: within needs something to expect"),
        ({"every": "0s", "within": "1h", **NOW}, "step.0: every must be more than 0s"),
        ({"every": "1s", "within": "2d", **NOW}, "step.0: within is more than 100000 times every; look less often"),
        ({"expect": [{"device": METER}]}, "step.0.expect.0: something to expect of it"),
        ({"expect": [{"device": METER, "event": "party"}]}, "step.0.expect.0.event: party: must be 'a"),
        ({"expect": [{"device": METER, "supply": "half"}]}, "step.0.expect.0.supply: half: String should match"),
        (
            {"expect": [{"device": METER, "reading": {"object": "1.8", "equals": "1"}}]},
            "step.0.expect.0.reading.object: 1.8: ",
        ),
        (
            {"expect": [{"device": METER, "reading": {"object": "1-0:1.8.0"}}]},
            "step.0.expect.0.reading: one of between, equals and refused",
        ),
        ({"fault": {"device": METER, "name": "gremlins"}}, "step.0.fault.name: gremlins: no such fault; `smets1 fault"),
        (
            {"power": {"device": METER, "state": "on"}, "back_up": {"premises": "home"}},
            "step.0: power and back_up: a step does one thing",
        ),
    ],
)
def test_a_step_that_makes_no_sense(step: dict[str, Any], words: str) -> None:
    assert refusal(step).startswith(words), refusal(step)


def test_the_rest_of_the_file() -> None:
    assert refusal().startswith("step: Tuple should have at least 1 item")
    assert refusal(NOW, rig_file="x.toml") == "(file): either rig_file or a [rig] table"
    assert refusal(NOW, rig={"seed": -1}).startswith("rig.seed: -1: must be greater than or equal to 0")
    assert refusal(NOW, rig={"premises": [{"nam": "x"}]}).startswith("rig.premises.0.nam: unknown key; allowed are ")
    assert refusal(NOW, title="").startswith("title: ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for content, words in ((b"\xff", "not UTF-8"), (b"[", "not TOML: "), (b"title = 'x'\n", "step: missing")):
        (tmp_path / "s.toml").write_bytes(content)
        with pytest.raises(ConfigError, match=re.escape(f"{tmp_path}/s.toml: {words}")):
            load_scenario(tmp_path / "s.toml")
    with pytest.raises(ConfigError, match="no such file or directory"):
        load_scenario(tmp_path / "t.toml")
    (tmp_path / "s.toml").write_text("title = 'x'\nrig_file = 'r.toml'\n[[step]]\n")
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path}/r.toml: no such file")):
        load_scenario(tmp_path / "s.toml")
    (tmp_path / "r.toml").write_text("seed = 5\n[storage]\nfile = 'x.db'\n[panel]\ntcp = 'tcp:0'\n")
    scenario = load_scenario(tmp_path / "s.toml")
    assert scenario.rig.config.seed == 5 and scenario.rig.storage() is None and scenario.rig.config.panel is None
    assert not [port for spec in scenario.rig.specs for device in spec.devices() for port in device.ports]
    assert load_scenario(tmp_path / "s.toml", 6).rig.config.seed == 6


def test_the_schema_names_every_verb() -> None:
    step = json.loads(json.dumps(schema()))["$defs"]["Step"]
    assert set(VERBS) <= set(step["properties"]) == set(Step.model_fields)
    assert all(step["properties"][name].get("description") or "anyOf" in step["properties"][name] for name in VERBS)


KEYS = [*Step.model_fields, "device", "premises", "state", "keys", "pence", "object", "value", "reading", "between"]
ANYTHING = st.recursive(
    st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=9), st.datetimes(), st.just(METER)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=3), max_size=3))
@settings(max_examples=200, deadline=None)
def test_any_steps_are_taken_or_refused_in_one_line(steps: list[dict[str, Any]]) -> None:
    try:
        make_scenario({"title": "x", "rig": HOUSE, "step": steps}, Path("s.toml"))
    except ConfigError as error:
        text = str(error)
        assert text.startswith("s.toml: ") and text.isprintable()


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0s", 0),
        ("90s", 90 * SECOND),
        ("1h 30m", 90 * MINUTE),
        ("1h30m", 90 * MINUTE),
        ("2d 1h 1s", 2 * DAY + HOUR + SECOND),
    ],
)
def test_spans_of_time(text: str, span: int) -> None:
    assert nanoseconds(text) == span


@pytest.mark.parametrize("text", ["", "5", "h", "1m 1h", "1h 1h", "-1s", "1.5h", "1w", "9999999s", "401d", "٣s"])
def test_no_spans_of_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"a span of time|at most"):
        nanoseconds(text)
