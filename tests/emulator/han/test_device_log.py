"""The device log by itself: entries, the historic log, the window, and a model of it under any history."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from emulator.han.device_log import MEASUREMENTS, DeviceLog, Entry, Level, Registration, status_of
from emulator.nvm import NvmFault, Saved
from emulator.time import SECOND
from protocols.zigbee import mmo

KEY, OTHER = b"K" * 16, b"O" * 16


def eui(number: int) -> bytes:
    return number.to_bytes(8, "big")


def restarted(log: DeviceLog) -> DeviceLog:
    again = DeviceLog(log.capacity, log.historic_capacity)
    again.restore(Saved.read("han", json.dumps(log.image())))
    return again


def test_who_is_in_the_log_already_keeps_the_key() -> None:
    log = DeviceLog(2, 1)
    assert log.register(eui(1), KEY, 2) is Registration.ADDED
    assert log.register(eui(1), OTHER, 3) is Registration.KNOWN
    assert (log.entries[eui(1)].key, log.entries[eui(1)].kind) == (KEY, 2)


def test_a_full_log_takes_no_more() -> None:
    log = DeviceLog(2, 1)
    log.register(eui(1), KEY, 0)
    log.register(eui(2), KEY, 0)
    assert log.register(eui(3), KEY, 0) is Registration.FULL
    assert log.register(eui(2), KEY, 0) is Registration.KNOWN
    log.unregister(eui(1))
    assert log.register(eui(3), KEY, 0) is Registration.ADDED


def test_the_window_ends_by_itself_and_on_demand() -> None:
    log = DeviceLog(2, 1)
    log.register(eui(1), KEY, 0)
    assert log.key_for(eui(1), 5 * SECOND) is None
    log.permit(5 * SECOND, 90)
    assert log.key_for(eui(1), 5 * SECOND) == KEY
    assert log.key_for(eui(1), 95 * SECOND - 1) == KEY
    assert log.key_for(eui(1), 95 * SECOND) is None
    assert log.key_for(eui(2), 5 * SECOND) is None
    log.permit(6 * SECOND, 0)
    assert not log.is_open(6 * SECOND)


def test_one_that_comes_back_presents_its_old_key_first() -> None:
    log = DeviceLog(2, 2)
    log.register(eui(1), KEY, 0)
    log.join(eui(1), KEY)
    assert log.unregister(eui(1))
    log.register(eui(1), OTHER, 0)
    log.permit(0, 90)
    assert [log.key_for(eui(1), second * SECOND) for second in (0, 44, 45, 89)] == [KEY, KEY, OTHER, OTHER]
    log.join(eui(1), OTHER)
    assert eui(1) not in log.historic


def test_one_that_never_joined_leaves_no_trace() -> None:
    log = DeviceLog(2, 2)
    log.register(eui(1), KEY, 0)
    assert log.unregister(eui(1))
    assert not log.unregister(eui(1))
    assert not log.historic


def test_the_oldest_of_the_historic_log_makes_room() -> None:
    log = DeviceLog(16, 15)
    for number in range(20):
        log.register(eui(number), KEY, 0)
        log.join(eui(number), KEY)
        log.unregister(eui(number))
    assert list(log.historic) == [eui(number) for number in range(5, 20)]


def test_another_hub_takes_over() -> None:
    log = DeviceLog(4, 0)
    log.register(eui(1), KEY, 0)
    log.register(eui(2), KEY, 0)
    log.join(eui(1), KEY)
    assert log.backup() == [(eui(1), mmo.digest(KEY)), (eui(2), b"")]
    new = DeviceLog(1, 0)
    assert new.restore_backup(log.backup())
    entry = new.entries[eui(1)]
    assert list(new.entries) == [eui(1)]
    assert (entry.key, entry.joined) == (mmo.digest(KEY), True)
    assert status_of(entry, reporting=False) == 0x90
    assert not new.restore_backup([(eui(3), KEY)])
    assert list(new.entries) == [eui(1)]


@given(st.lists(st.integers(-128, 127), max_size=3 * MEASUREMENTS))
def test_a_level_is_that_of_the_last_measurements(values: list[int]) -> None:
    level = Level()
    for value in values:
        level.add(value)
    last = values[-MEASUREMENTS:]
    assert level.count == len(last)
    if last:
        assert (level.highest, level.lowest) == (max(last), min(last))
        assert level.mean == sum(last) // len(last)
    assert Level(level.image()).image() == last


def test_levels_and_status() -> None:
    entry = Entry(eui(1), KEY, 0)
    assert status_of(entry, reporting=False) == 0
    for rssi in (-50, -35, -65):
        entry.heard(7, rssi, 100 + rssi, 1)
    assert status_of(entry, reporting=False) == 0x20
    assert (entry.rssi.highest, entry.rssi.mean, entry.rssi.lowest) == (-35, -50, -65)
    assert (entry.lqi.highest, entry.lqi.mean, entry.lqi.lowest) == (65, 50, 35)
    entry.joined = True
    assert status_of(entry, reporting=True) == 0xC8


@settings(max_examples=60, stateful_step_count=40, deadline=None)
class AgainstAModel(RuleBasedStateMachine):
    """A log of three entries, two historic, against dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.log = DeviceLog(3, 2)
        self.keys: dict[bytes, bytes] = {}
        self.joined: set[bytes] = set()
        self.gone: list[tuple[bytes, bytes]] = []
        self.now = self.opened = self.closes = 0

    devices = st.integers(1, 5).map(eui)
    some_keys = st.sampled_from([KEY, OTHER])

    @rule(device=devices, key=some_keys)
    def register(self, device: bytes, key: bytes) -> None:
        outcome = self.log.register(device, key, 0)
        if device in self.keys:
            assert outcome is Registration.KNOWN
        elif len(self.keys) == 3:
            assert outcome is Registration.FULL
        else:
            assert outcome is Registration.ADDED
            self.keys[device] = key

    @rule(device=devices)
    def unregister(self, device: bytes) -> None:
        assert self.log.unregister(device) == (device in self.keys)
        key = self.keys.pop(device, None)
        if key is not None and device in self.joined:
            self.gone = [*((eui64, old) for eui64, old in self.gone if eui64 != device), (device, key)][-2:]
            self.joined.discard(device)

    @rule(seconds=st.integers(0, 60))
    def permit(self, seconds: int) -> None:
        self.log.permit(self.now, seconds)
        self.opened, self.closes = self.now, self.now + seconds * SECOND

    @rule(seconds=st.integers(1, 30))
    def wait(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule(device=devices, key=some_keys)
    def try_to_join(self, device: bytes, key: bytes) -> None:
        wanted = self.log.key_for(device, self.now)
        if device not in self.keys or not self.opened <= self.now < self.closes:
            assert wanted is None
            return
        old = dict(self.gone).get(device)
        early = self.now < (self.opened + self.closes) / 2
        assert wanted == (old if old and early and device not in self.joined else self.keys[device])
        if key == wanted:
            self.log.join(device, key)
            self.keys[device] = key
            self.joined.add(device)
            self.gone = [pair for pair in self.gone if pair[0] != device]

    @rule()
    def restart(self) -> None:
        self.log = restarted(self.log)
        self.opened = self.closes = 0

    @invariant()
    def same(self) -> None:
        assert {entry.eui64: entry.key for entry in self.log} == self.keys
        assert {entry.eui64 for entry in self.log if entry.joined} == self.joined
        assert list(self.log.historic.items()) == self.gone
        assert all(bool(entry.key_hash) == entry.joined for entry in self.log)


TestAgainstAModel = AgainstAModel.TestCase


def damaged(**changes: object) -> dict[str, object]:
    """An image of one entry, with these fields of it other than they should be, or away (None)."""
    log = DeviceLog(1, 1)
    log.register(eui(1), KEY, 2)
    log.entries[eui(1)].heard(5, -40, 200, 0)
    fields = {**log.entries[eui(1)].image(), **changes}
    there = {name: value for name, value in fields.items() if value is not None}
    return {"entries": {eui(1).hex(): there}, "historic": {}}


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ({}, r"^han\.entries: missing$"),
        ({"entries": {}}, r"^han\.historic: missing$"),
        ({"entries": {"00": {}}, "historic": {}}, r"^han\.entries\.00: must have an EUI-64 for its name"),
        ({"entries": {"zz" * 8: {}}, "historic": {}}, r"^han\.entries\.zzzzzzzzzzzzzzzz: must have an EUI-64"),
        ({"entries": {"00" * 8: 3}, "historic": {}}, r"^han\.entries\.0{16}: not a table$"),
        (damaged(key=None), r"\.key: missing$"),
        (damaged(key="00"), r"\.key: must be 16 octets$"),
        (damaged(kind=None), r"\.kind: missing$"),
        (damaged(joined=None), r"\.joined: missing$"),
        (damaged(counts=None), r"\.counts: missing$"),
        (damaged(counts=[1, 2, 3]), r"\.counts: must be 4 whole numbers$"),
        (damaged(rssi=None), r"\.rssi: missing$"),
        (damaged(rssi=[-4000]), r"\.rssi: must be at most 16 numbers from -128 to 127$"),
        (damaged(lqi=[1] * 17), r"\.lqi: must be at most 16 numbers from 0 to 255$"),
        (damaged(lqi=["1"]), r"\.lqi: must be whole numbers$"),
        ({"entries": {}, "historic": {"00" * 8: "11"}}, r"^han\.historic\.0{16}: must be 16 octets$"),
    ],
)
def test_a_damaged_image_is_refused_in_a_line_and_changes_nothing(image: dict[str, object], words: str) -> None:
    log = DeviceLog(1, 1)
    log.register(eui(9), OTHER, 1)
    with pytest.raises(NvmFault, match=words):
        log.restore(Saved.read("han", json.dumps(image)))
    assert list(log.entries) == [eui(9)]
