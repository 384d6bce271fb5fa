"""Class 104 and the private classes before it: the device log as a client reads and changes it (SRV 8.11)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from emulator.device import Identity
from emulator.gas import GasMeter
from emulator.han.network import Member, Refusal
from emulator.hub import Hub
from emulator.load import Constant
from emulator.nvm import Saved
from emulator.premises import Premises, build_premises
from emulator.security import KeyRing
from emulator.smart_energy.application import Application
from emulator.time import HOUR, SECOND, Clock
from emulator.tunnel_setup import tunnel_setup
from firmware_profiles.loader import load
from protocols.dlms import access, axdr, datetime
from protocols.dlms.access import AccessRequest
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.types import plain
from protocols.zigbee import install_code, mmo
from protocols.zigbee.zcl.foundation import Command, Status

from ..conftest import SEED, DeviceSpec, Hand, Spec, refused
from ..smart_energy.conftest import Host

Home = Callable[..., Premises]
TUNNELING = 0x0704
LOG, JOINING, MANAGEMENT = "0-0:30.3.0", "0-0:30.9.0", "0-0:30.5.0"
REGISTER, RESTORE = "st{oct8,enum,oct16,enum}", "st{oct8,arr st{oct8,oct}}"
ESME, GSME = bytes.fromhex("00DB1234567890A0"), bytes.fromhex("00DB1234567890A1")
NEW = bytes.fromhex("00DB1234567890A2")
ELECTRICITY_KIND, GAS_KIND = 2, 3
SPEC = Spec(electricity=DeviceSpec(eui64=ESME), gas=DeviceSpec(eui64=GSME))
_DATA = Path(__file__).parents[2] / "data" / "rtds-dlms-apdus.txt"
OFFICIAL = dict(line.split() for line in _DATA.read_text("ascii").splitlines() if line and not line.startswith("#"))


class Figures(NamedTuple):
    """A level as the official data have it, where the highest LQI is the lowest number."""

    highest: int
    mean: int
    lowest: int
    count: int = 1


def hub_of(premises: Premises) -> Hub:
    assert premises.hub is not None
    return premises.hub


def run(hub: Hub, message: str) -> str:
    """The access-response of the management association to an official access-request."""
    request = AccessRequest.decode(bytes.fromhex(OFFICIAL[message]))
    return access.serve(Hand(hub).view, request, lambda *_: None).encode().hex()


def new_gas_meter(hub: Hub) -> Member:
    """A gas meter that nobody told the hub of."""
    identity = Identity("new", "7654321", b"GEN\0\0\0\0\2", NEW, "7700000001")
    ring = KeyRing(SEED, "new")
    meter = GasMeter(load("gas-base"), identity, hub.clock, SEED, ring, hub.clock.now, Constant(0))
    return hub.han.place(meter)


def link_key(member: Member) -> bytes:
    return install_code.link_key(member.install_code)


@pytest.fixture
def hub(home: Home) -> Hub:
    return hub_of(home(electricity=DeviceSpec(eui64=ESME), gas=DeviceSpec(eui64=GSME)))


@pytest.fixture
def empty(home: Home) -> Hub:
    return hub_of(home(electricity=None, gas=None))


def test_the_official_update_of_the_log_adds_and_removes(empty: Hub) -> None:
    assert run(empty, "CCS01_8.11_SUCCESS_COMMAND") == OFFICIAL["CCS01_8.11_SUCCESS_RESPONSE"]
    entry = empty.han.log.entries[ESME]
    assert (entry.key, entry.kind) == (b"0123456789ABCDEF", 1)
    assert (Hand(empty).get(104, LOG, 2), Hand(empty).get(104, LOG, 3)) == (True, 90)
    empty.clock.advance_to(empty.clock.now + 90 * SECOND)
    assert Hand(empty).get(104, LOG, 2) is False
    assert run(empty, "CCS02_8.11_SUCCESS_COMMAND") == OFFICIAL["CCS02_8.11_SUCCESS_RESPONSE"]
    assert not empty.han.log.entries


def test_the_official_reading_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [bytes.fromhex(f"07DE0C1F0317{minute}00008000FF") for minute in ("32", "28")]
    clock = Clock(datetime.unpack_utc(times[0]))
    hub = hub_of(build_premises("home", SPEC, clock, SEED, load))
    hub.device_clock.drift = 0
    hub.device_clock.set(clock.now, clock.now)
    monkeypatch.setattr(Hub, "last_heard", lambda *_: 0)
    figures = (
        (Figures(-35, -50, -100), Figures(2, 0x27, 0xF7)),
        (Figures(-34, -54, -77), Figures(1, 0x60, 0xCD)),
    )
    for eui64, time, (rssi, lqi) in zip((ESME, GSME), times, figures, strict=True):
        entry = hub.han.log.entries[eui64]
        entry.heard_at, entry.rssi, entry.lqi = datetime.unpack_utc(time), rssi, lqi  # type: ignore[assignment]
        entry.hops, entry.failures, entry.successes = 1, 0, 100
    assert run(hub, "CCS05CCS04_8.9_SUCCESS_COMMAND") == OFFICIAL["CCS05CCS04_8.9_SUCCESS_RESPONSE"]


def test_an_unknown_device_cannot_be_removed(hub: Hub) -> None:
    assert refused(lambda: Hand(hub).act(104, LOG, 2, "oct8", NEW)) is DataAccessResult.OTHER_REASON


def test_a_full_log_refuses_another_device_and_takes_its_own_again(empty: Hub) -> None:
    hand = Hand(empty)
    devices = [number.to_bytes(8, "big") for number in range(17)]
    for eui64 in devices[:16]:
        hand.act(104, LOG, 1, REGISTER, [eui64, 1, bytes(16), 0])
    assert refused(lambda: hand.act(104, LOG, 1, REGISTER, [devices[16], 1, bytes(16), 0])) == 250
    hand.act(104, LOG, 1, REGISTER, [devices[3], 1, bytes(16), 0])
    assert [row[0] for row in hand.get(104, LOG, 4)] == devices[:16]
    hand.act(104, LOG, 3)
    assert hand.get(104, LOG, 4) == []


def test_a_gas_meter_swapped_for_another_works_after_this_and_not_before(hub: Hub) -> None:
    hand, clock = Hand(hub), hub.clock
    old = hub.han.find(GSME)
    assert old is not None
    hub.han.take_away(old.device)
    new = new_gas_meter(hub)
    assert new.join() is Refusal.CLOSED
    hand.act(104, LOG, 2, "oct8", GSME)
    assert 17 not in hub.served
    assert list(hub.han.log.historic) == [GSME]
    hand.set(104, LOG, 2, "bool", True)
    assert new.join() is Refusal.UNKNOWN
    hand.act(104, LOG, 1, REGISTER, [NEW, GAS_KIND, link_key(new), 0])
    assert new.join() is None
    assert 17 not in hub.served, "the mirror is empty until the first wake-up"
    clock.advance_to(clock.now + HOUR)
    assert hub.served[17].device is new.device
    rows = {row[0]: row for row in hand.get(104, LOG, 4)}
    assert (list(rows), rows[NEW][1]) == ([ESME, NEW], "11001000")


@pytest.mark.parametrize(
    ("kind", "right_key", "expected"),
    [(ELECTRICITY_KIND, True, Refusal.WRONG_KIND), (GAS_KIND, False, Refusal.WRONG_KEY)],
)
def test_a_wrong_type_or_code_keeps_it_out(hub: Hub, kind: int, right_key: bool, expected: Refusal) -> None:
    new = new_gas_meter(hub)
    hand = Hand(hub)
    hand.act(104, LOG, 1, REGISTER, [NEW, kind, link_key(new) if right_key else bytes(16), 0])
    hand.set(104, LOG, 2, "bool", True)
    assert new.join() is expected
    row = next(row for row in hand.get(104, LOG, 4) if row[0] == NEW)
    assert (row[1], row[10]) == ("00100000", 1)
    assert new.network_key == b""


def test_a_shorter_join_timeout_closes_the_window_sooner(hub: Hub) -> None:
    new, hand = new_gas_meter(hub), Hand(hub)
    hand.act(104, LOG, 1, REGISTER, [NEW, GAS_KIND, link_key(new), 0])
    hand.set(104, LOG, 3, "u16", 5)
    hand.set(104, LOG, 2, "bool", True)
    hub.clock.advance_to(hub.clock.now + 5 * SECOND)
    assert new.join() is Refusal.CLOSED


def test_a_backup_has_the_hashes_of_the_link_keys(hub: Hub) -> None:
    backup = Hand(hub).view.action(bytes((0, 104)) + bytes.fromhex("00001E0300FF") + b"\x04", None)
    assert backup is not None
    time, pan, devices = plain(axdr.decode_all(backup))  # type: ignore[misc]
    assert (len(time), pan) == (12, hub.identity.eui64)
    assert devices == [[entry.eui64, mmo.digest(entry.key)] for entry in hub.han.log]


@pytest.mark.parametrize("octets", [1, 5, 15, 17, 200])
def test_a_backup_with_a_key_of_another_length_is_refused(empty: Hub, octets: int) -> None:
    devices = [[ESME, bytes(16)], [GSME, bytes(octets)]]
    assert refused(lambda: Hand(empty).act(104, LOG, 5, RESTORE, [bytes(8), devices])) == 250
    assert not empty.han.log.entries


@pytest.mark.parametrize("pan", [bytes(8), b"\xff" * 8], ids=["zeros", "ones"])
def test_a_backup_of_no_network_is_refused(empty: Hub, pan: bytes) -> None:
    assert refused(lambda: Hand(empty).act(104, LOG, 5, RESTORE, [pan, [[ESME, bytes(16)]]])) == 250
    assert not empty.han.log.entries
    assert empty.han.extended_pan_id == empty.identity.eui64


def test_the_official_restore_takes_over_the_devices(empty: Hub) -> None:
    """There is no official answer to it: the form is that of the one to CCS02, the invocation number the command's."""
    answer = run(empty, "CCS03_8.12.1_SUCCESS_COMMAND")
    assert answer == "da2000051600000100010300"
    assert [entry.eui64 for entry in empty.han.log] == [ESME, GSME]
    assert empty.han.log.entries[GSME].key.hex() == "83fed3407a939723a5c639b26916d505"
    pan = bytes.fromhex("0000000000000140")
    assert Hand(empty).get(101, "0-0:30.0.0", 3) == empty.han.extended_pan_id == pan


def test_a_new_network_key_reaches_who_is_awake_and_is_got_by_the_others_anew(hub: Hub) -> None:
    before = hub.han.network_key
    Hand(hub).act(104, LOG, 8)
    assert hub.han.network_key != before
    meter, gas = hub.han.find(ESME), hub.han.find(GSME)
    assert meter is not None and gas is not None
    assert (meter.on, gas.on) == (True, False)
    hub.clock.advance_to(hub.clock.now + 2 * HOUR)
    assert gas.on and gas.network_key == hub.han.network_key


def test_the_private_classes_do_the_same(home: Home) -> None:
    hub = hub_of(home(hub=DeviceSpec(profile="hub-lima"), gas=DeviceSpec(eui64=GSME)))
    hand = Hand(hub)
    hand.set(9904, JOINING, 3, "u16", 20)
    hand.set(9904, JOINING, 2, "bool", True)
    assert (hand.get(104, LOG, 2), hand.get(104, LOG, 3)) == (True, 20)
    hand.act(9900, MANAGEMENT, 5, "oct8", GSME)
    assert hub.mirror is None
    assert refused(lambda: hand.act(9900, MANAGEMENT, 5, "oct8", GSME)) == 250


@pytest.mark.parametrize(
    ("profile", "class_id", "name"), [("hub-base", 101, "0-0:30.0.0"), ("hub-lima", 9901, "0-0:30.6.0")]
)
def test_start_up_shows_the_network_and_no_keys(home: Home, profile: str, class_id: int, name: str) -> None:
    hub = hub_of(home(hub=DeviceSpec(profile=profile)))
    hand = Hand(hub, "data_collection")
    shown = [hand.get(class_id, name, index) for index in range(2, 10)]
    eui64 = hub.identity.eui64
    assert shown == [0, eui64, hub.han.pan_id, 1 << hub.han.channel, 2, 2, 0, eui64]
    for index in (10, 11):
        assert refused(lambda index=index: hand.get(class_id, name, index)) is DataAccessResult.OBJECT_UNDEFINED


def test_join_values_are_kept(hub: Hub) -> None:
    hand = Hand(hub)
    assert [hand.get(102, "0-0:30.1.0", index) for index in range(2, 6)] == [5, 100, 60, 3600]
    hand.set(102, "0-0:30.1.0", 4, "u16", 120)
    assert hand.get(102, "0-0:30.1.0", 4) == 120


def test_a_device_shows_which_one_it_is(hub: Hub) -> None:
    hand, meter = Hand(hub), hub.han.find(ESME)
    assert meter is not None
    seen: list[str] = []
    meter.device.observers.append(seen.append)
    hand.act(104, LOG, 6, "oct8", ESME)
    hub.clock.advance_to(hub.clock.now + SECOND)
    assert seen == ["device_identified"]
    assert isinstance(meter.application, Application) and meter.application.identify_time in (59, 60)
    assert refused(lambda: hand.act(104, LOG, 6, "oct8", NEW)) == 250
    assert refused(lambda: hand.act(104, LOG, 6, "oct8", GSME)) == 250, "it sleeps"
    meter.device.power_off()
    assert refused(lambda: hand.act(104, LOG, 6, "oct8", ESME)) == 250


def test_a_pan_is_removed_and_formed_anew(hub: Hub) -> None:
    hand, han = Hand(hub), hub.han
    pan_id, key = han.pan_id, han.network_key
    meter = han.find(ESME)
    assert meter is not None
    assert refused(lambda: hand.act(104, LOG, 10)) == 250, "there is one"
    hand.act(104, LOG, 11)
    assert not meter.on and hand.get(104, LOG, 4) == [] and sorted(hub.served) == [1]
    assert meter.join() is Refusal.NO_NETWORK
    for method in (8, 11):
        assert refused(lambda method=method: hand.act(104, LOG, method)) == 250, "there is none"
    assert refused(lambda: hand.set(104, LOG, 2, "bool", True)) is DataAccessResult.OTHER_REASON
    assert refused(lambda: hand.act(104, LOG, 1, REGISTER, [ESME, ELECTRICITY_KIND, meter.first_key, 0])) == 250
    hand.act(104, LOG, 10)
    assert (han.pan_id, han.network_key) != (pan_id, key)
    assert (han.extended_pan_id, han.key_sequence) == (hub.identity.eui64, 0)
    hub.clock.advance_to(hub.clock.now + HOUR)
    assert not meter.on
    hand.act(104, LOG, 1, REGISTER, [ESME, ELECTRICITY_KIND, meter.first_key, 0])
    hand.set(104, LOG, 2, "bool", True)
    assert meter.join() is None
    assert meter.on and hub.served[16].device is meter.device


def test_a_hub_without_a_network_stays_so(hub: Hub) -> None:
    Hand(hub).act(104, LOG, 11)
    again = hub_of(build_premises("home", SPEC, hub.clock, SEED, load))
    again.restore({name: Saved.read(name, json.dumps(image)) for name, image in hub.parts().items()})
    assert not again.han.formed and not again.han.log.entries
    assert not any(member.on for member in again.han.members)


def test_the_private_class_identifies_removes_and_creates(home: Home) -> None:
    hub = hub_of(home(hub=DeviceSpec(profile="hub-lima"), electricity=DeviceSpec(eui64=ESME)))
    hand, meter = Hand(hub), hub.han.find(ESME)
    assert meter is not None
    seen: list[str] = []
    meter.device.observers.append(seen.append)
    hand.act(9900, MANAGEMENT, 4, "oct8", ESME)
    hub.clock.advance_to(hub.clock.now + SECOND)
    assert seen == ["device_identified"]
    hand.act(9900, MANAGEMENT, 8)
    assert not hub.han.formed
    hand.act(9900, MANAGEMENT, 3)
    assert hub.han.formed and not hub.han.log.entries


@pytest.mark.parametrize(("profile", "size", "timeout"), [("hub-base", 1500, 0xFFFF), ("hub-lima", 500, 3600)])
def test_tunnels_go_by_what_clients_set(home: Home, profile: str, size: int, timeout: int) -> None:
    hub = hub_of(home(hub=DeviceSpec(profile=profile)))
    assert tunnel_setup(hub) == (size, size, timeout)
    hand = Hand(hub)
    assert [hand.get(105, "0-0:30.4.0", index) for index in range(2, 6)] == [size, size, b"", timeout]
    hand.set(105, "0-0:30.4.0", 2, "u16", 64)
    hand.set(105, "0-0:30.4.0", 5, "u16", 30)
    assert tunnel_setup(hub) == (64, size, 30)


def test_a_tunnel_to_the_hub_takes_and_waits_as_class_105_says(hub: Hub) -> None:
    device = Host(hub)
    ask = {"protocol": 0, "manufacturer": 0xFFFF, "flow_control": 0, "maximum": 300}
    assert device.command(TUNNELING, 0x00, **ask)[1]["maximum"] == 512
    hand = Hand(hub)
    hand.set(105, "0-0:30.4.0", 2, "u16", 64)
    hand.set(105, "0-0:30.4.0", 5, "u16", 30)
    assert device.value(TUNNELING, 0x0000) == 30
    _, opened = device.command(TUNNELING, 0x00, **ask)
    assert opened["maximum"] == 64
    too_long = {"tunnel": opened["tunnel"], "data": bytes(65)}
    assert device.command(TUNNELING, 0x02, **too_long) == (0x02, {"tunnel": opened["tunnel"], "status": 2})
    hub.clock.advance_to(hub.clock.now + 31 * SECOND)
    assert device.command(TUNNELING, 0x01, tunnel=opened["tunnel"]) == (Command.DEFAULT_RESPONSE, Status.NOT_FOUND)
