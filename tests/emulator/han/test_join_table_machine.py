"""The join table under any history, against a model of it, and the way back of every device that is allowed.

The model knows of the device log what GBCS says of it (use cases CCS01 and CCS02) and nothing of frames: who is in it,
with which key and kind, who was removed, until when the window is open. When devices look for the network is their
own affair; the model says whether one that got onto it was allowed to.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from emulator.device import Device, Identity
from emulator.firmware import FirmwareProfile
from emulator.gas import GasMeter
from emulator.han import management
from emulator.han.disagreements import Disagreement, disagree
from emulator.han.network import Network, Refusal
from emulator.hub import Hub
from emulator.load import Constant
from emulator.nvm import Saved
from emulator.premises import build_premises
from emulator.security import KeyRing
from emulator.time import MINUTE, SECOND, Clock
from firmware_profiles.loader import load
from protocols.zigbee import install_code, mmo

from ..conftest import SEED, START, DeviceSpec, Spec

CAPACITY, HISTORIC, JOIN_TIMEOUT = 4, 2, 90
KINDS = {2: "electricity", 3: "gas"}
ANY_KIND = 1
ESME, GSME = bytes.fromhex("00DB1234567890A0"), bytes.fromhex("00DB1234567890A1")
NEWCOMER, CLONE = "newcomer", "clone"
STRANGERS = [number.to_bytes(8, "big") for number in (1, 2)]
NOBODY = bytes(7) + b"\xee"


def small_hub(name: str) -> FirmwareProfile:
    """Profiles as they are, but a hub with little room."""
    firmware = load(name)
    if firmware.han is None:
        return firmware
    return replace(firmware, han=replace(firmware.han, capacity=CAPACITY, historic_capacity=HISTORIC))


@dataclass
class Row:
    """What the model knows of an entry."""

    key: bytes
    kind: int
    joined: bool = False


class Model:
    """The device log in dictionaries."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Row] = {}
        self.gone: dict[bytes, bytes] = {}
        self.opened = self.closes = 0

    def register(self, eui64: bytes, key: bytes, kind: int) -> bool:
        if eui64 in self.rows:
            return True
        if len(self.rows) == CAPACITY:
            return False
        self.rows[eui64] = Row(key, kind)
        return True

    def unregister(self, eui64: bytes) -> bool:
        row = self.rows.pop(eui64, None)
        if row is None:
            return False
        if row.joined:
            self.gone.pop(eui64, None)
            self.gone = dict([*self.gone.items(), (eui64, row.key)][-HISTORIC:])
        return True

    def permit(self, now: int, seconds: int) -> None:
        self.opened, self.closes = now, now + seconds * SECOND

    def was_open(self, since: int, now: int) -> bool:
        return max(since, self.opened) <= now and since < self.closes

    def may_present(self, eui64: bytes, since: int, now: int) -> set[bytes]:
        """Keys that got a device onto the network at some instant from ``since`` to ``now``."""
        row = self.rows[eui64]
        half = (self.opened + self.closes) / 2
        keys: set[bytes] = set()
        if eui64 not in self.gone or now >= half:
            keys.add(row.key)
        if eui64 in self.gone and since < half:
            keys.add(self.gone[eui64])
        return keys


class JoinTable(RuleBasedStateMachine):
    """A hub, its two meters, a gas meter that nobody told it of, and one that has the EUI-64 of another."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.since = START
        """When the model was last brought to the present."""
        self.faults: list[Callable[[], None]] = []
        self.build(Clock(START))
        for member in self.han.members[:2]:
            self.model.rows[member.device.identity.eui64] = Row(
                member.link_key, self.kind_of(member.device), joined=True
            )

    def build(self, clock: Clock) -> None:
        self.clock = clock
        spec = Spec(electricity=DeviceSpec(eui64=ESME), gas=DeviceSpec(eui64=GSME))
        premises = build_premises("home", spec, clock, SEED, small_hub)
        assert premises.hub is not None
        self.hub: Hub = premises.hub
        self.han: Network = self.hub.han
        for name, eui64 in ((NEWCOMER, bytes.fromhex("00DB1234567890A2")), (CLONE, GSME)):
            identity = Identity(name, "7654321", b"GEN\0\0\0\0\2", eui64, "7700000001")
            firmware, ring = load("gas-base"), KeyRing(SEED, name)
            self.han.place(GasMeter(firmware, identity, clock, SEED, ring, clock.now, Constant(0)))

    # --- what the rules are made of

    devices = st.integers(0, 3)
    """By their place: electricity, gas, newcomer, clone."""

    @staticmethod
    def first_key(device: Device) -> bytes:
        return install_code.link_key(install_code.with_crc(device.ring.key("install_code", 16)))

    @staticmethod
    def kind_of(device: Device) -> int:
        return next(number for number, kind in KINDS.items() if kind == device.firmware.kind)

    def keys_of(self, place: int) -> set[bytes]:
        """Link keys that a device can present."""
        member = self.han.members[place]
        keys = {self.first_key(member.device)}
        return keys | {member.link_key, mmo.digest(member.link_key)} if member.link_key else keys

    def absorb(self, presented: dict[int, set[bytes]]) -> None:
        """Devices may have joined meanwhile, with keys they could present before: whether they were allowed to."""
        now = self.clock.now
        for eui64, row in self.model.rows.items():
            entry = self.han.log.entries[eui64]
            if entry.joined and not row.joined:
                assert self.model.was_open(self.since, now), "joined while the window was closed"
                allowed = self.model.may_present(eui64, self.since, now)
                came = [
                    place
                    for place, member in enumerate(self.han.members)
                    if member.device.identity.eui64 == eui64 and member.link_key == entry.key
                ]
                assert came, "joined, and no device has that key"
                assert any(allowed & presented[place] for place in came), "joined with a key that is not the one"
                assert any(
                    KINDS.get(row.kind) in (None, self.han.members[place].device.firmware.kind) for place in came
                )
                row.key, row.joined = entry.key, True
                self.model.gone.pop(eui64, None)
            elif eui64 in self.model.gone and eui64 not in self.han.log.historic:
                self.joined_in_vain(eui64, row, entry.key)
        self.since = now

    def joined_in_vain(self, eui64: bytes, row: Row, key: bytes) -> None:
        """It had the network key by its old link key, and then the two could not agree on a new one."""
        assert self.model.was_open(self.since, self.clock.now)
        assert key in (self.model.gone.pop(eui64), row.key)
        row.key = key

    def all_keys(self) -> dict[int, set[bytes]]:
        return {place: self.keys_of(place) for place in range(len(self.han.members))}

    def advance(self, nanoseconds: int) -> None:
        presented = self.all_keys()
        self.clock.advance_to(self.clock.now + nanoseconds)
        self.absorb(presented)

    def adopt(self) -> None:
        """A fault has changed the log behind everybody's back: the model starts from what it is now."""
        log = self.han.log
        self.model.rows = {entry.eui64: Row(entry.key, entry.kind, entry.joined) for entry in log}

    # --- what a client does

    kinds = st.sampled_from(["right", "any", "wrong"])

    @rule(place=devices, whose=devices, kind=kinds)
    def register(self, place: int, whose: int, kind: str) -> None:
        """Register a device with its own key or another's, as what it is or is not."""
        device, other = self.han.members[place].device, self.han.members[whose].device
        right = self.kind_of(device)
        number = {"right": right, "any": ANY_KIND, "wrong": 5 - right}[kind]
        self.registers(device.identity.eui64, self.first_key(other), number)

    @rule(place=devices, others=st.booleans(), kind=kinds, removed=st.booleans(), minutes=st.integers(0, 3))
    def update_the_log(self, place: int, others: bool, kind: str, removed: bool, minutes: int) -> None:
        """Service request 8.11 for a device, with its own key or another's, and its button after a while."""
        if removed:
            self.unregister(place)
        self.register(place, (place + 1) % 4 if others else place, kind)
        self.permit(allowed=True, seconds=2 * JOIN_TIMEOUT)
        self.advance(minutes * MINUTE)
        self.press_the_button(place)

    @rule(eui64=st.sampled_from(STRANGERS))
    def register_a_stranger(self, eui64: bytes) -> None:
        self.registers(eui64, b"K" * 16, ANY_KIND)

    def registers(self, eui64: bytes, key: bytes, kind: int) -> None:
        assert self.han.register(eui64, key, kind) == self.model.register(eui64, key, kind)

    @rule(place=devices)
    def unregister(self, place: int) -> None:
        eui64 = self.han.members[place].device.identity.eui64
        assert self.han.unregister(eui64) == self.model.unregister(eui64)

    @rule(eui64=st.sampled_from(STRANGERS))
    def unregister_a_stranger(self, eui64: bytes) -> None:
        assert self.han.unregister(eui64) == self.model.unregister(eui64)

    @rule(network_too=st.booleans())
    def begin_anew(self, network_too: bool) -> None:
        """Everybody is removed; or the network is, and another formed, which has not even a history."""
        if network_too:
            management.remove(self.han)
            assert not any(member.on for member in self.han.members)
            management.create(self.han)
            self.model.gone.clear()
            self.model.rows.clear()
            self.model.permit(self.clock.now, 0)
            return
        self.han.unregister_all()
        for eui64 in list(self.model.rows):
            self.model.unregister(eui64)

    @rule(allowed=st.booleans(), seconds=st.sampled_from([5, JOIN_TIMEOUT, 600]))
    def permit(self, allowed: bool, seconds: int) -> None:
        self.han.join_timeout = seconds
        self.han.permit(allowed)
        self.model.permit(self.clock.now, seconds if allowed else 0)

    @rule()
    def rotate_the_network_key(self) -> None:
        before = self.han.network_key
        self.han.update_network_key()
        assert self.han.network_key != before

    @rule(place=devices)
    def renew_a_link_key(self, place: int) -> None:
        eui64 = self.han.members[place].device.identity.eui64
        before = {row_eui64: row.key for row_eui64, row in self.model.rows.items()}
        renewed = self.han.update_link_key(eui64)
        assert not renewed or self.model.rows[eui64].joined
        if renewed:
            key = self.han.log.entries[eui64].key
            assert key != before[eui64]
            self.model.rows[eui64].key = key

    @rule()
    def the_backup_goes_to_a_hub_in_its_place(self) -> None:
        """The hub forgets everybody and takes the backup: a device's key is the hash of its old one."""
        backup = self.han.log.backup()
        assert backup == [(eui64, mmo.digest(row.key) if row.joined else b"") for eui64, row in self.model.rows.items()]
        self.han.log.entries.clear()
        assert self.han.restore_backup(backup)
        rows = {eui64: row for eui64, row in self.model.rows.items() if row.joined}
        self.model.rows = {eui64: Row(mmo.digest(row.key), 0, joined=True) for eui64, row in rows.items()}

    # --- what devices do, and what is done to them

    @rule(place=devices)
    def press_the_button(self, place: int) -> None:
        member = self.han.members[place]
        if member.on or not member.device.ready:
            return
        eui64, now = member.device.identity.eui64, self.clock.now
        presented = self.all_keys()
        row = self.model.rows.get(eui64)
        refusal = member.join()
        if refusal in (Refusal.NO_NETWORK, Refusal.LOST, Refusal.NO_KEY):
            self.absorb(presented)
            return
        assert self.hub.ready
        keys = presented[place]
        rejoins = row is not None and row.joined and bool(len(keys) > 1) and row.key in keys
        if rejoins:
            assert refusal is None
        elif not self.model.was_open(now, now):
            assert refusal is Refusal.CLOSED
        elif row is None:
            assert refusal is Refusal.UNKNOWN
        elif KINDS.get(row.kind) not in (None, member.device.firmware.kind):
            assert refusal is Refusal.WRONG_KIND
        else:
            old = self.model.gone.get(eui64)
            first_half = 2 * (now - self.model.opened) < self.model.closes - self.model.opened
            wanted = old if old is not None and not row.joined and first_half else row.key
            assert refusal is (None if wanted in keys else Refusal.WRONG_KEY)
            if refusal is None and row.joined:
                row.key = self.han.log.entries[eui64].key
        self.absorb(presented)

    @rule(place=devices)
    def leave(self, place: int) -> None:
        member = self.han.members[place]
        self.han.leave(member)
        assert not member.on and not member.link_key

    @rule(seconds=st.integers(1, 7200))
    def wait(self, seconds: int) -> None:
        self.advance(seconds * SECOND)

    @rule(minutes=st.integers(0, 90))
    def cut_the_hub(self, minutes: int) -> None:
        self.hub.power_off()
        self.model.permit(self.clock.now, 0)
        self.advance(minutes * MINUTE)
        self.hub.power_on()

    @rule(place=devices, minutes=st.integers(0, 90))
    def cut_a_device(self, place: int, minutes: int) -> None:
        device = self.han.members[place].device
        device.power_off()
        self.advance(minutes * MINUTE)
        device.power_on()

    @rule(minutes=st.integers(1, 120))
    def interfere(self, minutes: int) -> None:
        self.han.medium.burst(minutes * MINUTE, level=0)

    @rule(place=devices, far=st.booleans())
    def fade(self, place: int, far: bool) -> None:
        self.attenuate(place, 100 if far else 0)

    def attenuate(self, place: int, decibels: int) -> None:
        radio = self.han.members[place].radio
        for other in self.han.medium.radios:
            if other is not radio:
                self.han.medium.attenuate(other, radio, decibels)

    @precondition(lambda self: len(self.faults) < 2)
    @rule(kind=st.sampled_from(Disagreement), place=devices)
    def go_wrong(self, kind: Disagreement, place: int) -> None:
        eui64 = NOBODY if kind is Disagreement.ENTRY_WITHOUT_DEVICE else self.han.members[place].device.identity.eui64
        try:
            self.faults.append(disagree(self.han, kind, eui64))
        except (KeyError, ValueError):
            return  # not in the log, in it already, or no room
        self.adopt()

    @precondition(lambda self: bool(self.faults))
    @rule()
    def put_right(self) -> None:
        self.faults.pop()()
        self.adopt()

    @precondition(lambda self: not self.faults)
    @rule()
    def the_rig_starts_again(self) -> None:
        """Everything is built anew and restored from what the devices kept; the window is closed then."""
        devices: list[Device] = [self.hub, *(member.device for member in self.han.members)]
        images = [json.dumps(device.parts()) for device in devices]
        self.build(Clock(self.clock.now))
        again: list[Device] = [self.hub, *(member.device for member in self.han.members)]
        for device, image in zip(again, images, strict=True):
            device.restore({name: Saved.read(name, json.dumps(part)) for name, part in json.loads(image).items()})
        for device in reversed(again):
            device.resume()
        self.model.permit(self.clock.now, 0)

    # --- what always holds

    @invariant()
    def the_log_is_the_model(self) -> None:
        log = self.han.log
        assert [(entry.eui64, entry.key, entry.kind, entry.joined) for entry in log] == [
            (eui64, row.key, row.kind, row.joined) for eui64, row in self.model.rows.items()
        ]
        assert list(log.historic.items()) == list(self.model.gone.items())
        assert len(log.entries) <= CAPACITY
        now = self.clock.now
        assert log.is_open(now) == (self.model.opened <= now < self.model.closes)

    @invariant()
    def who_is_on_is_allowed(self) -> None:
        for member in self.han.members:
            row = self.model.rows.get(member.device.identity.eui64)
            if member.on:
                assert row is not None and row.joined and row.key == member.link_key
                assert member.network_key == self.han.network_key
        electricity = self.han.members[0]
        assert (16 in self.hub.served) == electricity.on
        addresses = [member.address for member in self.han.members if member.on]
        assert len(set(addresses)) == len(addresses)

    # --- the way back

    def teardown(self) -> None:
        """Faults end: who is in the log with its key is back within the longest pause of its profile; the others are
        once the table is put right, which is service request 8.11 for each."""
        while self.faults:
            self.faults.pop()()
        self.adopt()
        for place, member in enumerate(self.han.members):
            self.attenuate(place, 0)
            member.device.power_on()
        self.hub.power_on()
        self.advance(121 * MINUTE)  # the longest burst is over
        allowed = [place for place, member in enumerate(self.han.members) if self.may_rejoin(place) or member.on]
        boot = max(self.hub.firmware.boot_time, *(member.device.firmware.boot_time for member in self.han.members))
        self.advance(self.longest_pause + boot + MINUTE)
        assert all(self.han.members[place].on for place in allowed), f"not back: {allowed}"
        for eui64 in (NOBODY, *STRANGERS):
            self.han.unregister(eui64)
        self.han.take_away(self.han.members[3].device)
        meters = self.han.members
        for member in meters:
            if not member.on:
                self.han.unregister(member.device.identity.eui64)
                assert self.han.register(
                    member.device.identity.eui64, self.first_key(member.device), self.kind_of(member.device)
                )
        # A device that comes back presents its old key in the first half of the window.
        self.han.join_timeout = 2 * (self.longest_pause // SECOND) + 3600
        self.han.permit(True)
        while self.han.permitting and not all(member.on for member in meters):
            self.clock.advance_to(self.clock.now + 5 * MINUTE)
        self.clock.advance_to(self.clock.now + 30 * MINUTE)  # the gas meter wakes up and fills the mirror
        assert [member.on for member in meters] == [True] * 3
        assert sorted(self.hub.served) == [1, 16, 17]

    @property
    def longest_pause(self) -> int:
        pauses = [member.device.firmware.joining for member in self.han.members]
        return max(pause.longest_pause for pause in pauses if pause is not None)

    def may_rejoin(self, place: int) -> bool:
        member = self.han.members[place]
        row = self.model.rows.get(member.device.identity.eui64)
        return row is not None and row.joined and bool(member.link_key) and row.key in self.keys_of(place)


TestJoinTable = JoinTable.TestCase
TestJoinTable.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)


class LongJoinTable(JoinTable):
    """The same for many and long histories."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_long_histories() -> None:
    run_state_machine_as_test(LongJoinTable, settings=settings(max_examples=300, stateful_step_count=50, deadline=None))
