"""The catalogue and injections: names, values, instants, ids, conflicts, ends; and a HAN that is whole afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.faults import injection
from emulator.faults.catalogue import CATALOGUE
from emulator.faults.fault import Fault, Layer
from emulator.faults.injection import LONGEST, Faults, State, UnknownFaultError
from emulator.faults.parameters import Channels, FaultError, Number, Octets, Parameter, ParameterError, Word
from emulator.premises import Premises, build_premises
from emulator.time import HOUR, MINUTE, SECOND, Clock
from firmware_profiles.loader import load

from ..conftest import SEED, START, DeviceSpec, Spec
from .conftest import ALL, Place

Home = Callable[..., Premises]
KINDS = ("hub", *ALL)
WITHOUT_HAN = ("oversleeping-meter",)
"""Faults of devices that need no network for it."""


# --- the catalogue


@pytest.mark.parametrize("fault", CATALOGUE.values(), ids=CATALOGUE)
def test_each_says_all_that_one_wants_to_know(fault: Fault) -> None:
    assert fault.name == fault.name.lower() and " " not in fault.name
    assert set(fault.kinds) <= set(KINDS) and fault.kinds
    assert fault.symptoms and fault.truth and fault.ends and fault.culprit.value
    for text in (fault.text, fault.truth, fault.ends, *fault.symptoms):
        assert text == text.strip() and not text.endswith(".")
    for parameter in fault.parameters:
        assert parameter.text and parameter.range
        if parameter.default is not None:
            assert parameter.show(parameter.read("", parameter.default)) == parameter.default


@pytest.mark.parametrize(
    ("parameter", "value", "meant"),
    [
        (Number("n", "", "dB", 0, 9, 1), "7", 7),
        (Number("n", "", "dB", -9, 9, 1), "-9", -9),
        (Word("w", "", ("a", "b")), "b", "b"),
        (Octets("o", "", 2), "0aF1", b"\x0a\xf1"),
        (Channels("c", ""), "11", 1 << 11),
        (Channels("c", ""), 26, 1 << 26),
        (Channels("c", ""), "11-13, 20", 0b111 << 11 | 1 << 20),
    ],
)
def test_values_are_read(parameter: Parameter, value: object, meant: object) -> None:
    read = parameter.read("", value)
    assert read == meant
    assert parameter.read("", parameter.show(read)) == meant


@pytest.mark.parametrize(
    ("parameter", "value", "words"),
    [
        (Number("n", "", "dB", 0, 9, 1), "10", "f: n: 10: must be 0 to 9 dB"),
        (Number("n", "", "dB", 0, 9, 1), True, "f: n: True: must be"),
        (Number("n", "", "dB", 0, 9, 1), "", "f: n: nothing: must be"),
        (Number("n", "", "dB", 0, 9, 1), 1.5, "f: n: 1.5: must be"),
        (Number("n", "", "dB", 0, 9, 1), "9" * 5000, "f: n: 9999"),
        (Word("w", "", ("a", "b", "c")), "d", "f: n: d: must be a, b or c"),
        (Octets("o", "", 2), "0a", "f: n: 0a: must be 2 octets in hexadecimal"),
        (Octets("o", "", 2), 10, "f: n: 10: must be 2 octets"),
        (Channels("c", ""), "10-12", "f: n: 10-12: must be channels from 11 to 26"),
        (Channels("c", ""), "13-12", "f: n: 13-12: must be"),
        (Channels("c", ""), "11,,12", "f: n: 11,,12: must be"),
        (Channels("c", ""), "11," * 10_000, "must be channels"),
    ],
)
def test_bad_values_are_one_line(parameter: Parameter, value: object, words: str) -> None:
    with pytest.raises(ParameterError) as told:
        parameter.read("f: n", value)
    assert words in str(told.value)
    assert "\n" not in str(told.value) and len(str(told.value)) < 150


@given(value=st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.integers())))
def test_any_value_is_read_or_refused(value: object) -> None:
    for fault in CATALOGUE.values():
        for parameter in fault.parameters:
            try:
                parameter.show(parameter.read("x", value))
            except ParameterError as error:
                assert "\n" not in str(error)


# --- injections


def test_ids_and_what_is_told(place: Place) -> None:
    one = place.start("radio-off", "gas")
    two = place.start("interference", level=-90)
    place.end(one)
    assert [each.id for each in place.faults] == [one.id, two.id] == ["F1", "F2"]
    assert place.told == [
        "fault F1: radio-off at home/gas begins",
        "fault F2: interference at home/hub channels=11-26 level=-90 begins",
        "fault F1: radio-off at home/gas ends",
    ]
    assert [each.state for each in place.faults] == [State.ENDED, State.ACTIVE]
    place.end(one)
    assert len(place.told) == 3
    place.faults.end_all()
    assert all(each.over for each in place.faults)


def test_it_begins_and_ends_at_its_time(place: Place) -> None:
    at = place.clock.now + HOUR
    fault = place.faults.start("radio-off", "home/electricity", at=at, duration=10 * SECOND)
    assert (fault.state, fault.begins_at, fault.ends_at) == (State.WAITING, at, at + 10 * SECOND)
    place.after(HOUR - 1)
    assert place.on == ALL
    place.after(1)
    assert fault.state is State.ACTIVE
    assert "electricity" not in place.on
    place.after(10 * SECOND)
    assert (fault.state, fault.ended_at) == (State.ENDED, at + 10 * SECOND)
    place.after(place.longest_pause)
    assert place.on == ALL


def test_one_that_waits_is_taken_back(place: Place) -> None:
    fault = place.faults.start("radio-off", "home/electricity", at=place.clock.now + HOUR)
    place.end(fault)
    place.after(2 * HOUR)
    assert (place.on, fault.state) == (ALL, State.ENDED)


def test_one_that_cannot_begin_when_its_time_comes(place: Place) -> None:
    place.faults.start("stale-link-key", "home/gas", at=place.clock.now + HOUR)
    place.han.unregister(place.device("gas").identity.eui64)
    place.after(2 * HOUR)
    (fault,) = place.faults
    assert fault.state is State.FAILED
    assert fault.failure.startswith("home/gas: the device log has no entry of it")
    assert place.told[-1].startswith("fault F1: stale-link-key at home/gas cannot begin: home/gas")
    place.end(fault)
    assert fault.state is State.FAILED


@pytest.mark.parametrize(
    ("kind", "name", "target", "parameters", "more", "words"),
    [
        (UnknownFaultError, "nothing", "home/gas", {}, {}, "nothing: no such fault; the catalogue has "),
        (UnknownFaultError, "radio-of", "home/gas", {}, {}, "radio-of: no such fault; there is radio-off"),
        (UnknownFaultError, "radio-off", "away/gas", {}, {}, "away/gas: no such premises; write PREMISES/KIND"),
        (UnknownFaultError, "radio-off", "gas", {}, {}, "gas: no such premises"),
        (UnknownFaultError, "radio-off", "home/ihd", {}, {}, "home/ihd: no such device; there are hub, electricity"),
        (ParameterError, "mirror-refused", "home/gas", {}, {}, "home/gas: mirror-refused is a fault of: hub"),
        (ParameterError, "radio-off", "home/gas", {"x": 1}, {}, "radio-off: x: no such parameter; there are none"),
        (ParameterError, "interference", "home/hub", {"level": 20}, {}, "interference: level: 20: must be -100 to 10"),
        (ParameterError, "radio-off", "home/gas", {}, {"at": START - 1}, "radio-off: at: must be within 366 days"),
        (ParameterError, "radio-off", "home/gas", {}, {"at": START + LONGEST + 1}, "radio-off: at: must be within"),
        (ParameterError, "radio-off", "home/gas", {}, {"duration": 0}, "radio-off: duration: must be more than 0"),
    ],
)
def test_what_cannot_be_is_one_line_and_changes_nothing(
    place: Place, kind: type[FaultError], name: str, target: str, parameters: dict[str, object], more: Any, words: str
) -> None:
    with pytest.raises(kind) as told:
        place.faults.start(name, target, parameters, **more)
    assert words in str(told.value) and "\n" not in str(told.value)
    assert list(place.faults) == [] and place.told == [] and place.on == ALL
    assert place.start("radio-off", "gas").id == "F1"


def test_there_is_no_other_injection(place: Place) -> None:
    for id in ("F1", "", "f0"):
        with pytest.raises(UnknownFaultError, match="no such injection of a fault"):
            place.faults.end(id)


def test_a_fault_is_of_premises_with_a_hub(home: Home, clock: Clock) -> None:
    premises = home(hub=None)
    faults = Faults(clock, SEED, {"home": premises})
    for fault in CATALOGUE.values():
        needs_han = fault.layer in (Layer.HAN, Layer.AIR) and fault.name not in WITHOUT_HAN
        for kind in set(fault.kinds) - {"hub", "display"} if needs_han else ():
            with pytest.raises(FaultError, match="home: has no hub, and so no HAN"):
                faults.start(fault.name, f"home/{kind}")


def test_what_one_has_another_cannot_have(place: Place) -> None:
    first = place.start("device-without-entry", "gas")
    with pytest.raises(FaultError, match=r"home/hub: F1 \(device-without-entry\) has that already; end it first"):
        place.start("truncated-device-log")
    place.end(first)
    place.start("truncated-device-log")


def test_it_does_not_grow_without_bound(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (injection.MOST, injection.REMEMBERED) == (10_000, 1000)
    monkeypatch.setattr(injection, "MOST", 20)
    monkeypatch.setattr(injection, "REMEMBERED", 20)
    for _ in range(25):
        place.end(place.start("permit-stuck-open"))
    assert len(list(place.faults)) == 21
    with pytest.raises(UnknownFaultError):
        place.faults.find("F1")
    for _ in range(20):
        place.faults.start("permit-stuck-open", "home/hub", at=place.clock.now + HOUR)
    with pytest.raises(FaultError, match="20 faults wait or are in force already; end some"):
        place.faults.start("permit-stuck-open", "home/hub")


# --- whatever happens, the HAN is whole afterwards


STEP = st.tuples(
    st.sampled_from(sorted(CATALOGUE)),
    st.sampled_from(KINDS),
    st.integers(0, 5),  # which of those there are is ended
    st.sampled_from((0, SECOND, MINUTE, HOUR)),
    st.sampled_from((None, SECOND, HOUR)),
    st.sampled_from((None, None, None, *KINDS)),  # which device is without power meanwhile
)
Steps: TypeAlias = list[tuple[str, str, int, int, int | None, str | None]]


def story(steps: Steps, hub: str | None = None) -> tuple[Place, list[Any]]:
    """Inject, let time pass, end; then end all. What there was to see on the way."""
    clock = Clock(START)
    premises = build_premises("home", Spec(hub=DeviceSpec(hub), display=DeviceSpec()), clock, SEED, load)
    place = Place(premises, clock)
    seen: list[Any] = []
    for name, kind, which, pause, duration, dark in steps:
        fault = CATALOGUE[name]
        lasting = None if fault.momentary else duration
        try:
            place.faults.start(name, f"home/{kind if kind in fault.kinds else fault.kinds[0]}", duration=lasting)
        except FaultError as error:
            seen.append(str(error))
        if dark is not None:
            place.device(dark).power_off()
        place.after(pause)
        if dark is not None:
            place.device(dark).power_on()
        there = list(place.faults)
        if which < len(there):
            place.faults.end(there[which].id)
        seen.append((place.on, list(place.han.log.entries), dict(place.han.air.dropped)))
    place.faults.end_all()
    return place, seen


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEP, max_size=6), hub=st.sampled_from((None, "hub-znp", "hub-lima")))
def test_every_allowed_device_is_back_once_all_have_ended(steps: Steps, hub: str | None) -> None:
    place, _ = story(steps, hub)
    place.after(place.longest_pause)
    assert sorted(place.on) == sorted(place.reporting) == sorted(ALL)
    assert sorted(entry.eui64 for entry in place.han.log) == sorted(item.node.eui64 for item in place.han.members)
    assert not place.han.permitting
    assert not place.han.disturbed
    assert place.han.medium.noise(place.han.channel) == -95
    place.after(HOUR)
    assert place.hub.filled
    for kind in ALL:
        assert place.says(kind)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEP, min_size=1, max_size=6))
def test_the_same_again_is_the_same(steps: Steps) -> None:
    (one, first), (other, second) = story(steps), story(steps)
    assert (first, one.told) == (second, other.told)
