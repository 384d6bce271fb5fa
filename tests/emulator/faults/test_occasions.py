"""When faults begin: conditions, schedules, times of day, chance; against a simple model of each, and repeatable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.device import Device
from emulator.faults import injection
from emulator.faults.fault import Culprit, End, Fault, Layer, Site, nothing_to_mend
from emulator.faults.injection import Faults, Injection, State
from emulator.faults.occasions import LONGEST
from emulator.faults.parameters import FaultError, ParameterError
from emulator.faults.triggers import TRIGGERS, parse
from emulator.premises import Premises, build_premises
from emulator.taps import tap
from emulator.time import DAY, HOUR, MINUTE, SECOND, Clock, stream
from firmware_profiles.loader import load
from protocols import wrapper
from protocols.dlms.enums import ApduTag

from ..conftest import SEED, START, DeviceSpec, Load, Prepayment, Spec, Talker, settings_of

KINDS = ("hub", "electricity", "gas", "display")
METER = "home/electricity"
LONDON = ZoneInfo("Europe/London")


class Bench:
    """A home, and a fault that does no more than say when it begins and ends."""

    def __init__(self, patch: pytest.MonkeyPatch | None = None, **devices: DeviceSpec) -> None:
        self.clock = Clock(START)
        self.premises: Premises = build_premises("home", Spec(**devices), self.clock, SEED, load)
        self.faults = Faults(self.clock, SEED, {"home": self.premises})
        self.told: list[str] = []
        self.faults.observers.append(lambda _, text: self.told.append(text))
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.refuses = False
        self.effect: Callable[[Site], End] = lambda _: nothing_to_mend
        if patch is not None:
            patch.setattr(injection, "CATALOGUE", self.catalogue)

    @property
    def catalogue(self) -> dict[str, Fault]:
        said = ("something is wrong",)
        lasting = Fault("probe", Layer.DEVICE, "A", KINDS, self._begin, Culprit.DEVICE, "b", said, "c")
        brief = Fault("blip", Layer.DEVICE, "A", KINDS, self._begin, Culprit.DEVICE, "b", said, "c", momentary=True)
        return {"probe": lasting, "blip": brief}

    def _begin(self, site: Site) -> End:
        if self.refuses:
            raise FaultError(f"{site.device.identity.device_id}: not now")
        mend = self.effect(site)
        self.begun.append(self.clock.now - START)

        def end() -> None:
            mend()
            self.ended.append(self.clock.now - START)

        return end

    @property
    def meter(self) -> Device:
        assert self.premises.electricity is not None
        return self.premises.electricity

    def start(self, target: str = METER, name: str = "probe", **timing: Any) -> Injection:
        return self.faults.start(name, target, **timing)

    def to(self, instant: int) -> None:
        """Time moves on to so long after the start."""
        self.clock.advance_to(START + instant)

    def talker(self, port: str = "local-tcp", association: str = "management") -> Talker:
        """A client of the meter."""
        stacks = self.meter.stacks  # type: ignore[attr-defined]
        sap = self.meter.firmware.model.associations[self.meter.firmware.model.by_name[association]].client
        return Talker(stacks[port](), settings_of(self.meter, association), sap=sap)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


# --- how it is written


@pytest.mark.parametrize(
    ("text", "kind", "again", "told"),
    [
        ("frame 5", "hub", "frame 5", "the 5th frame that comes to it"),
        ("request 1", "electricity", "request 1", "the next request that comes to it"),
        ("request 112", "electricity", "request 112", "the 112th request that comes to it"),
        (" request  22 ", "electricity", "request 22", "the 22nd request that comes to it"),
        ("read 1-0:1.8.0", "hub", "read 1-0:1.8.0.255", "somebody to read any attribute of 1-0:1.8.0.255"),
        (
            "write 8/0-0:1.0.0 2",
            "electricity",
            "write 8/0-0:1.0.0.255 2",
            "somebody to write attribute 2 of 8/0-0:1.0.0.255",
        ),
        (
            "action 0-0:96.3.10 1",
            "electricity",
            "action 0-0:96.3.10.255 1",
            "somebody to run method 1 of 0-0:96.3.10.255",
        ),
        ("time 6:05", "display", "time 06:05", "its clock to show 06:05"),
        ("time 18:30:15", "gas", "time 18:30:15", "its clock to show 18:30:15"),
        ("balance below 5", "gas", "balance below 5.00", "its balance to be below 5.00 GBP"),
        ("balance below -0.5", "electricity", "balance below -0.50", "its balance to be below -0.50 GBP"),
    ],
)
def test_conditions_are_read(text: str, kind: str, again: str, told: str) -> None:
    condition = parse("x", text, kind)
    assert (str(condition), condition.told) == (again, told)
    assert parse("x", again, kind) == condition


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("", "hub", "f: when: nothing: no such condition; there are frame N; request N; read [CLASS/]OBJECT"),
        ("noon", "hub", "f: when: noon: no such condition"),
        ("frame", "hub", "f: when: frame: must be frame N: the Nth frame, 1 to 1000000"),
        ("frame 0", "hub", "f: when: frame 0: must be frame N"),
        ("frame 1000001", "hub", "must be frame N"),
        ("frame 5 6", "hub", "must be frame N"),
        ("frame 5", "gas", "f: when: frame 5: is a condition of: hub, electricity"),
        ("read 1.8", "electricity", "must be read [CLASS/]OBJECT [ATTRIBUTE]"),
        ("read x/1-0:1.8.0", "electricity", "must be read"),
        ("read 70000/1-0:1.8.0", "electricity", "must be read"),
        ("read 1-0:1.8.0 128", "electricity", "must be read"),
        ("time 24:00", "hub", "f: when: time 24:00: must be time HH:MM[:SS]"),
        ("balance 5", "gas", "f: when: balance 5: must be balance below POUNDS"),
        ("balance below 5", "hub", "is a condition of: electricity, gas"),
        ("x" * 5000, "hub", "no such condition"),
    ],
)
def test_bad_conditions_are_one_line(bench: Bench, text: str, kind: str, words: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse("f: when", text, kind)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@given(text=st.text() | st.sampled_from(sorted(TRIGGERS)).flatmap(lambda word: st.text().map(lambda t: f"{word} {t}")))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        condition = parse("x", text, "electricity")
    except ParameterError as error:
        assert "\n" not in str(error)
    else:
        assert parse("x", str(condition), "electricity") == condition


@pytest.mark.parametrize(
    ("timing", "words"),
    [
        ({"when": "frame 1", "every": HOUR}, "probe: when and every: give one of them"),
        ({"every": 0}, "probe: every: must be from 0.001 s to 366 days"),
        ({"every": LONGEST + 1}, "probe: every: must be"),
        ({"every": HOUR, "duration": HOUR}, "probe: every: must be longer than it lasts"),
        ({"times": 0, "every": HOUR}, "probe: times: 0: must be 1 to 1000000"),
        ({"times": 3}, "probe: times: say what it repeats on"),
        ({"between": "5"}, "probe: between: 5: must be two times of day such as 17:00-19:00"),
        ({"between": "17:00-17:00"}, "probe: between: 17:00-17:00: must be"),
        ({"probability": 0}, "probe: probability: 0: must be above 0"),
        ({"probability": 1.01}, "probe: probability: 1.01: must be"),
        ({"probability": float("nan")}, "probe: probability: nan: must be"),
        ({"when": "balance below 5"}, "home/electricity: it has no prepayment balance"),
        ({"when": "read 1-0:99.99.99"}, "home/electricity: it has no object 1-0:99.99.99.255 to wait for"),
        ({"when": "read 8/1-0:1.8.0"}, "home/electricity: it has no object 8/1-0:1.8.0.255 to wait for"),
    ],
)
def test_timing_that_makes_no_sense_changes_nothing(bench: Bench, timing: dict[str, Any], words: str) -> None:
    if "balance" in str(timing):
        bench.meter.account = None  # type: ignore[attr-defined]
    with pytest.raises(FaultError) as caught:
        bench.start(**timing)
    assert str(caught.value).startswith(words) and "\n" not in str(caught.value)
    assert list(bench.faults) == bench.told == bench.begun == []
    assert bench.meter.taps is None
    bench.to(2 * DAY)
    assert bench.start().id == "F1"


# --- again and again


def test_it_repeats(bench: Bench) -> None:
    fault = bench.start(every=HOUR, duration=MINUTE, times=3)
    assert (fault.state, fault.occurrences, fault.ends_at) == (State.ACTIVE, 1, START + MINUTE)
    bench.to(2 * MINUTE)
    assert (fault.state, fault.begins_at, fault.ends_at) == (State.WAITING, START + HOUR, None)
    bench.to(DAY)
    assert bench.begun == [0, HOUR, 2 * HOUR]
    assert bench.ended == [MINUTE, HOUR + MINUTE, 2 * HOUR + MINUTE]
    assert (fault.state, fault.occurrences, fault.waits_for) == (State.ENDED, 3, None)
    assert bench.told == [
        "fault F1: probe at home/electricity begins (time 1 of 3)",
        "fault F1: probe at home/electricity ends (time 1 of 3)",
        "fault F1: probe at home/electricity begins (time 2 of 3)",
        "fault F1: probe at home/electricity ends (time 2 of 3)",
        "fault F1: probe at home/electricity begins (time 3 of 3)",
        "fault F1: probe at home/electricity ends",
    ]


def test_ending_it_ends_what_was_to_come(bench: Bench) -> None:
    fault = bench.start(every=HOUR, duration=MINUTE)
    bench.to(HOUR + SECOND)
    bench.faults.end(fault.id)
    bench.to(DAY)
    assert (bench.begun, bench.ended, fault.state) == ([0, HOUR], [MINUTE, HOUR + SECOND], State.ENDED)
    waiting = bench.start(when="time 12:00")
    bench.faults.end(waiting.id)
    bench.to(3 * DAY)
    assert (len(bench.begun), waiting.state) == (2, State.ENDED)
    assert bench.clock.next_due() is None or len(list(bench.faults)) == 2


def test_what_has_no_end_passes_over_the_rest(bench: Bench) -> None:
    """Without a duration the first one lasts; one that knows itself when it is over comes again."""
    fault = bench.start(every=HOUR)
    bench.to(5 * HOUR)
    assert (bench.begun, fault.occurrences) == ([0], 1)
    bench.faults.end(fault.id)
    sites: list[Site] = []
    bench.effect = lambda site: (sites.append(site), nothing_to_mend)[1]
    again = bench.start("home/gas", every=HOUR, times=2)
    sites[0].over()
    assert again.state is State.WAITING
    bench.to(6 * HOUR)
    sites[1].over()
    assert (again.state, again.occurrences) == (State.ENDED, 2)


def test_one_that_cannot_begin_tries_again(bench: Bench) -> None:
    fault = bench.start(every=HOUR, duration=MINUTE, at=START + HOUR)
    bench.refuses = True
    bench.to(2 * HOUR)
    assert (fault.state, fault.occurrences, fault.failure) == (State.WAITING, 0, f"{METER}: not now")
    assert bench.told[-1] == f"fault F1: probe at {METER} cannot begin: {METER}: not now"
    bench.refuses = False
    bench.to(3 * HOUR)
    assert (fault.state, fault.occurrences, fault.failure) == (State.ACTIVE, 1, "")
    later = bench.start(at=bench.clock.now + HOUR, when="balance below 5", times=3)
    bench.meter.account = None  # type: ignore[attr-defined]
    bench.to(5 * HOUR)
    assert (later.state, later.failure) == (State.FAILED, f"{METER}: it has no prepayment balance to wait for")
    once = bench.start("home/gas", when="time 12:00")
    bench.refuses = True
    bench.to(DAY)
    assert (once.state, once.failure) == (State.FAILED, "home/gas: not now")


def test_momentary_faults_repeat(bench: Bench) -> None:
    fault = bench.start(name="blip", every=HOUR, times=3)
    bench.to(DAY)
    assert (bench.begun, fault.state) == ([0, HOUR, 2 * HOUR], State.ENDED)
    assert [text.rsplit("electricity ", 1)[1] for text in bench.told][:3] == [
        "begins (time 1 of 3)",
        "ends (time 1 of 3)",
        "begins (time 2 of 3)",
    ]
    with pytest.raises(ParameterError, match="blip: duration: it is over as soon as it has begun"):
        bench.start(name="blip", every=HOUR, duration=1)


def test_chance_that_is_never_lucky(bench: Bench) -> None:
    fault = bench.start(probability=0.000001)
    assert (fault.state, fault.occurrences, fault.passed) == (State.ENDED, 0, 1)
    assert bench.told == [f"fault F1: probe at {METER} does not begin, by chance"]
    late = bench.start(probability=0.000001, at=START + HOUR)
    bench.to(HOUR)
    assert (late.state, late.passed, bench.begun) == (State.ENDED, 1, [])


PERIODS = st.sampled_from((10 * MINUTE, 37 * MINUTE, HOUR, 5 * HOUR, DAY))
WINDOWS = st.sampled_from((None, (8, 9), (9, 17), (22, 6), (0, 1), (23, 0)))
PROBABILITIES = st.sampled_from((None, 1.0, 0.5, 0.1))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    every=PERIODS,
    window=WINDOWS,
    times=st.none() | st.integers(1, 6),
    probability=PROBABILITIES,
    first=st.none() | st.integers(0, 3 * HOUR),
    steps=st.lists(st.integers(1, 2 * DAY), max_size=4),
)
def test_schedules_are_as_a_simple_model_has_them(
    every: int,
    window: tuple[int, int] | None,
    times: int | None,
    probability: float | None,
    first: int | None,
    steps: list[int],
) -> None:
    def play() -> list[int]:
        with pytest.MonkeyPatch.context() as patch:
            bench = Bench(patch)
            bench.start(
                every=every,
                duration=every // 2,
                between=None if window is None else "{:02}:00-{:02}:00".format(*window),
                times=times,
                probability=probability,
                at=None if first is None else START + first,
            )
            for step in steps:
                bench.to(bench.clock.now - START + step)
            return bench.begun

    chance = stream(SEED, METER, "fault 1 probe occasions")
    expected: list[int] = []
    for instant in range(first or 0, sum(steps) + 1, every):
        if times is not None and len(expected) == times:
            break
        hour = (START + instant) // HOUR % 24  # January: local time is UTC, and the meter's clock is right for days
        close = abs((START + instant) % HOUR - HOUR / 2) > HOUR / 2 - SECOND
        if window is not None and close and instant > 0:
            return  # within what its clock has drifted of a full hour
        inside = (
            window is None or hour in range(window[0], window[1]) or (window[0] > window[1] and _night(hour, window))
        )
        if inside and (probability in (None, 1.0) or chance.randrange(1_000_000) < probability * 1_000_000):
            expected.append(instant)
    assert play() == expected == play()


def _night(hour: int, window: tuple[int, int]) -> bool:
    return hour >= window[0] or hour < window[1]


# --- times of day


def test_between_times_of_day(bench: Bench) -> None:
    fault = bench.start(between="22:00-06:00")
    assert (fault.waits_for, str(fault.occasions)) == ("its clock to show 22:00", "when time 22:00")
    bench.to(2 * DAY + 12 * HOUR)
    begun, ended = [round(each / HOUR) for each in bench.begun], [round(each / HOUR) for each in bench.ended]
    assert (begun, ended) == ([22, 46], [30, 54])
    assert fault.state is State.WAITING


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(second=st.integers(0, 86_399), days=st.integers(80, 100))
def test_a_local_time_of_day_through_the_change_to_summer(second: int, days: int) -> None:
    """By Python's own zone; the meter's clock drifts a few seconds a day, and 01:00 to 02:00 is left out one night."""
    with pytest.MonkeyPatch.context() as patch:
        bench = Bench(patch)
        bench.meter.device_clock.dst_enabled = True
        clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        bench.start(when=f"time {clock}", duration=SECOND, times=1000)
        bench.to(days * DAY)
        slack = 5 * days * SECOND
        expected = [_utc(datetime(2026, 1, 1) + timedelta(days=day, seconds=second)) for day in range(days + 1)]
        expected = [each for each in expected if slack < each - START < days * DAY - slack]
        begun = [START + each for each in bench.begun if slack < each < days * DAY - slack]
        assert len(begun) == len(expected)
        for found, wanted in zip(begun, expected, strict=True):
            gap = HOUR + MINUTE if 3600 <= second < 7200 else 0
            assert abs(found - wanted) <= slack + gap


def _utc(local: datetime) -> int:
    return int(local.replace(tzinfo=LONDON).astimezone(UTC).timestamp()) * SECOND


def test_a_clock_that_is_set(bench: Bench) -> None:
    fault = bench.start(when="time 12:00", duration=SECOND, times=10)
    bench.to(HOUR)
    bench.meter.set_clock(START + 11 * HOUR)  # ten hours ahead
    bench.to(3 * HOUR)
    assert fault.occurrences == 1 and 2 * HOUR <= bench.begun[0] <= 3 * HOUR
    bench.meter.set_clock(START + 2 * HOUR)  # back: the same day again
    bench.to(14 * HOUR)
    assert fault.occurrences == 2


# --- what comes to the device


def test_the_nth_frame(bench: Bench) -> None:
    fault = bench.start(when="frame 3", name="blip", times=2)
    stack = bench.meter.stacks["local-tcp"]()  # type: ignore[attr-defined]
    message = wrapper.encode(16, 1, b"\x62\x00")
    for number in range(1, 9):
        stack.way.receive(message[:5], bench.clock.now)
        before = fault.occurrences
        stack.way.receive(message[5:], bench.clock.now)
        assert (fault.occurrences > before) == (number in (3, 6))
    assert fault.state is State.ENDED and stack.gate is None


def test_the_nth_request_of_all_lines(bench: Bench) -> None:
    fault = bench.start(when="request 3", duration=MINUTE, times=2)
    assert fault.waits_for == "the 3rd request that comes to it"
    one, other = bench.talker("optical").open(), bench.talker(association="public").open()
    assert fault.occurrences == 1, "two AARQ and an answer to a challenge"
    bench.to(MINUTE)
    for number in range(1, 4):
        assert fault.occurrences == 1
        (one, other)[number % 2].get(1, "0-0:42.0.0")
    assert fault.occurrences == 2
    assert bench.meter.taps is not None
    bench.to(2 * MINUTE)
    assert (fault.state, bench.meter.taps) == (State.ENDED, None)


@pytest.mark.parametrize(
    ("when", "deeds"),
    [
        ("read 1-0:1.8.0", "read read_scaler"),
        ("read 1-0:1.8.0 2", "read"),
        ("read 3/1-0:1.8.0 3", "read_scaler"),
        ("read 8/0-0:1.0.0 2", "clock"),
        ("write 8/0-0:1.0.0", "set_clock"),
        ("action 8/0-0:1.0.0 6", "shift"),
    ],
)
def test_an_access_to_an_object(bench: Bench, when: str, deeds: str) -> None:
    fault = bench.start(when=when, duration=1, times=100)
    client = bench.talker().open()
    for name, deed in {
        "read": lambda: client.get(3, "1-0:1.8.0"),
        "read_scaler": lambda: client.get(3, "1-0:1.8.0", 3),
        "other": lambda: client.get(3, "1-0:2.8.0"),
        "clock": lambda: client.get(8, "0-0:1.0.0"),
        "set_clock": lambda: client.set(
            8, "0-0:1.0.0", 2, b"\x09\x0c" + bytes.fromhex("07ea0101040000000000003c")[:12]
        ),
        "shift": lambda: client.action(8, "0-0:1.0.0", 6, b"\x10\x00\x00"),
    }.items():
        before = fault.occurrences
        try:
            deed()
        except Exception as error:  # refused or not: it was attempted
            assert "AccessRefused" in type(error).__name__ or "Refused" in type(error).__name__, error
        assert (fault.occurrences > before) == (name in deeds.split()), name
        bench.to(bench.clock.now - START + SECOND)


def test_it_acts_on_the_request_that_it_waits_for(bench: Bench) -> None:
    """A fault that lays taps has them in the way of that very request, or access; one that cuts power silences it."""
    hits: list[str] = []

    def apdus(site: Site) -> End:
        return tap(site.device, apdus=lambda stack, association, apdu, go: (hits.append("apdu"), go(apdu))[1])

    def objects(site: Site) -> End:
        return tap(site.device, objects=lambda attempt, go: (hits.append("object"), go())[1])

    def dark(site: Site) -> End:
        site.device.power_off()
        return site.device.power_on

    client = bench.talker().open()
    for when, effect, hit in (
        ("request 1", apdus, "apdu"),
        ("request 1", objects, "object"),
        ("read 1-0:1.8.0", objects, "object"),
    ):
        bench.effect = effect
        fault = bench.start(when=when)
        client.get(3, "1-0:1.8.0")
        assert hits.count(hit) == 1 and fault.state is State.ACTIVE
        hits.clear()
        bench.faults.end(fault.id)
        client.get(3, "1-0:1.8.0")
        assert hits == [] and bench.meter.taps is None
    bench.effect = dark
    request = bytes((ApduTag.GET_REQUEST, 1, 0xC1, 0, 3)) + bytes.fromhex("0100010800ff") + b"\x02\x00"
    for when, port in product(("frame 1", "request 1", "read 1-0:1.8.0"), ("local-tcp", "optical")):
        client = bench.talker(port, "public").open()
        fault = bench.start(when=when)
        octets = wrapper.encode(16, 1, request)
        if client.station is not None:
            octets = client.station.send(request, bench.clock.now)
        assert client.stack.way.receive(octets, bench.clock.now) == b""
        assert fault.state is State.ACTIVE
        bench.faults.end(fault.id)
        bench.to(bench.clock.now - START + HOUR)
        assert bench.talker().open().get(3, "1-0:1.8.0")


# --- the balance


def test_a_balance_below(monkeypatch: pytest.MonkeyPatch) -> None:
    prepaid = DeviceSpec(load=Load("constant", 1000.0), prepayment=Prepayment(1000))
    bench = Bench(monkeypatch, electricity=prepaid)
    account = bench.meter.account  # type: ignore[attr-defined]
    bench.meter.settle()
    fault = bench.start(when="balance below 5.00", duration=MINUTE, times=2)
    assert fault.waits_for == "its balance to be below 5.00 GBP"
    bench.to(HOUR)
    assert (account.balance >= 500_000, fault.occurrences) == (True, 0)
    while account.balance >= 500_000:
        bench.to(bench.clock.now - START + MINUTE)
        bench.meter.settle()
    bench.to(bench.clock.now - START + MINUTE)
    assert fault.occurrences == 1
    bench.to(bench.clock.now - START + HOUR)
    assert fault.occurrences == 1, "it is below all the time"
    account.books.balance += 200_000
    bench.to(bench.clock.now - START + 2 * MINUTE)
    while account.balance >= 500_000:
        bench.to(bench.clock.now - START + MINUTE)
        bench.meter.settle()
    bench.to(bench.clock.now - START + 2 * MINUTE)
    assert (fault.occurrences, fault.state) == (2, State.ENDED)


# --- the same again


STEP = st.tuples(st.sampled_from(("request", "frame", "wait")), st.integers(1, 5))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    nth=st.integers(1, 7),
    word=st.sampled_from(("request", "frame")),
    times=st.integers(1, 5),
    probability=PROBABILITIES,
    steps=st.lists(STEP, max_size=12),
)
def test_counted_conditions_are_as_a_simple_model_has_them(
    nth: int, word: str, times: int, probability: float | None, steps: list[tuple[str, int]]
) -> None:
    """Every nth counts, in force or not; what begins while it is in force is passed over."""

    def play() -> list[int]:
        with pytest.MonkeyPatch.context() as patch:
            bench = Bench(patch)
            bench.start(when=f"{word} {nth}", duration=2 * SECOND, times=times, probability=probability)
            stack = bench.meter.stacks["local-tcp"]()  # type: ignore[attr-defined]
            for what, number in steps:
                for _ in range(number):
                    if what == "wait":
                        bench.to(bench.clock.now - START + SECOND)
                    else:  # a frame to a server that is not here is no request
                        server = 1 if what == "request" else 77
                        stack.way.receive(wrapper.encode(16, server, b"\x62\x00"), bench.clock.now)
            return bench.begun

    chance = stream(SEED, METER, "fault 1 probe occasions")
    now = seen = 0
    free, expected = 0, list[int]()
    for what, number in steps:
        for _ in range(number):
            if what == "wait":
                now += SECOND
                continue
            if len(expected) == times or (word == "request" and what == "frame"):
                continue
            seen += 1
            lucky = seen % nth == 0 and now >= free
            if lucky and probability not in (None, 1.0):
                lucky = chance.randrange(1_000_000) < probability * 1_000_000
            if lucky:
                expected.append(now)
                free = now + 2 * SECOND
    assert play() == expected == play()
