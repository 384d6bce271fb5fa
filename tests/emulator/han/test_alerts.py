"""What is told of a HAN: events at both ends, and alerts that a head-end's connection receives (RTDS, CS14)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.device import Device
from emulator.hub import Hub
from emulator.premises import Premises
from emulator.push import MAX_WAITING
from emulator.time import MINUTE, SECOND, Clock
from protocols.dlms import access, axdr, datetime
from protocols.dlms.access import AccessRequest
from protocols.dlms.client.errors import Refused
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.notification import DataNotification
from protocols.dlms.types import parse_type, plain
from protocols.zigbee import mmo

from ..conftest import DeviceSpec, Hand, Talker, refused, settings_of

Home = Callable[..., Premises]
LOG, HISTORIC, ALERTS, LOG_ALERTS = "0-0:30.3.0", "0-0:30.3.1", "0-1:25.9.0", "0-2:25.9.0"
REGISTER = "st{oct8,enum,oct16,enum}"
CHANGED, JOINED, JOIN_FAILED, JOIN_SUCCEEDED, LEAVE_FAILED, LEFT = 0x8F12, 0x8183, 0x8F48, 0x8F49, 0x8F4A, 0x8F4B
PLAIN, WITH_LOG = parse_type("st{u16,oct12}"), parse_type("st{u16,oct12,st{oct12,oct8,arr st{oct8,oct}}}")
TO_TCP = axdr.structure(axdr.enum_(0), axdr.octets(b"head-end:4059"), axdr.enum_(0))
HUB, ESME, GSME = (bytes.fromhex(text) for text in ("0001020304050607", "00DB1234567890A0", "00DB1234567890A1"))
STRANGER = bytes(7) + b"\x01"
_DATA = Path(__file__).parents[2] / "data" / "rtds-dlms-apdus.txt"
OFFICIAL = dict(line.split() for line in _DATA.read_text("ascii").splitlines() if line and not line.startswith("#"))


class HeadEnd:
    """A head-end that manages the hub and waits for alerts on the same connection."""

    def __init__(self, premises: Premises) -> None:
        assert premises.hub is not None
        self.hub: Hub = premises.hub
        self.han = self.hub.han
        self.talker = Talker(self.hub.stacks["wan-tcp"](), settings_of(self.hub, "management"), sap=64).open()
        for setup in (ALERTS, LOG_ALERTS):
            self.talker.set(40, setup, 3, TO_TCP)

    def alerts(self) -> list[list[object]]:
        """What has come since the last time, as plain values."""
        clock = self.hub.clock
        clock.advance_to(clock.now)
        found = [axdr.decode_all(notification.data) for notification in self.talker.notifications]
        self.talker.notifications.clear()
        assert all(PLAIN.check(data) or WITH_LOG.check(data) for data in found)
        return [plain(data) for data in found]  # type: ignore[misc]

    def codes(self) -> list[int]:
        return [alert[0] for alert in self.alerts()]  # type: ignore[misc]


def events(device: Device) -> list[str]:
    seen: list[str] = []
    device.observers.append(seen.append)
    return seen


@pytest.fixture
def head_end(home: Home) -> HeadEnd:
    made = HeadEnd(home(hub=DeviceSpec(eui64=HUB), electricity=DeviceSpec(eui64=ESME), gas=DeviceSpec(eui64=GSME)))
    assert made.codes() == []
    return made


def test_the_alert_of_a_changed_log_is_the_official_one(head_end: HeadEnd) -> None:
    official = axdr.decode_all(DataNotification.decode(bytes.fromhex(OFFICIAL["CS14_NA_8F12_ALERT"])).data)
    assert WITH_LOG.check(official)
    _, _, (_, pan, devices) = plain(official)  # type: ignore[misc]
    head_end.talker.action(104, LOG, 1, parse_type(REGISTER).encode([STRANGER, 1, b"K" * 16, 0]))
    ((code, time, (made, ours, log)),) = head_end.alerts()  # type: ignore[misc]
    assert (code, ours, [eui64 for eui64, _ in log][:2]) == (CHANGED, pan, [eui64 for eui64, _ in devices])
    assert log == [
        [ESME, mmo.digest(head_end.han.log.entries[ESME].key)],
        [GSME, mmo.digest(head_end.han.log.entries[GSME].key)],
        [STRANGER, b""],
    ]
    clock = head_end.hub.device_clock.utc(head_end.hub.clock.now)
    assert [datetime.unpack_utc(each) // SECOND for each in (time, made)] == [clock // SECOND] * 2
    assert made[9:] == bytes.fromhex("8000FF")


def test_an_alert_is_protected_as_its_client_wants_it(head_end: HeadEnd) -> None:
    head_end.han.unregister(GSME)
    head_end.hub.clock.advance_to(head_end.hub.clock.now)
    assert head_end.talker.sent
    assert all(
        GSME not in octets and mmo.digest(head_end.han.log.entries[ESME].key) not in octets
        for octets in head_end.talker.sent
    )


def test_a_device_that_is_removed_and_comes_back(head_end: HeadEnd) -> None:
    hub, han = head_end.hub, head_end.han
    member = han.find(ESME)
    assert member is not None
    at_hub, at_meter = events(hub), events(member.device)
    assert han.unregister(ESME)
    assert head_end.codes() == [LEFT, CHANGED]
    assert at_hub == ["device_removed", "device_log_changed"] and at_meter == ["device_removed"]
    assert han.register(ESME, member.first_key, 3)
    han.permit(True)
    member.join()
    assert head_end.codes() == [CHANGED, JOIN_FAILED]
    assert at_hub[2:] == ["device_log_changed", "join_failed"] and at_meter[1:] == ["join_failed"]
    assert han.unregister(ESME)
    assert han.register(ESME, member.first_key, 2)
    assert head_end.codes() == [CHANGED, CHANGED]
    member.join()
    alerts = head_end.alerts()
    assert [alert[0] for alert in alerts] == [JOINED, JOIN_SUCCEEDED, CHANGED]
    assert [ESME, mmo.digest(member.first_key)] in alerts[2][2][2]  # type: ignore[index]
    assert at_meter[2:] == ["device_joined"]
    codes = [row[1] for row in Hand(hub).rows("0-0:99.98.5")]
    assert codes[-8:] == [99, 94, 94, 96, 94, 94, 95, 94]
    assert [row[1] for row in Hand(member.device).rows("0-0:99.98.0")][-3:] == [99, 96, 95]


def test_one_that_does_not_hear_of_its_removal(head_end: HeadEnd) -> None:
    member = head_end.han.find(ESME)
    assert member is not None
    at_meter = events(member.device)
    head_end.han.take_away(member.device)
    head_end.han.unregister(ESME)
    assert head_end.codes() == [LEAVE_FAILED, CHANGED]
    assert at_meter == []


def test_a_device_that_leaves_by_itself(head_end: HeadEnd) -> None:
    member = head_end.han.find(ESME)
    assert member is not None
    at_meter = events(member.device)
    head_end.han.leave(member)
    assert (head_end.codes(), at_meter) == ([LEFT], ["device_left"])
    assert not member.on
    assert head_end.han.log.entries[ESME].joined
    head_end.han.permit(True)
    head_end.hub.clock.advance_to(head_end.hub.clock.now + 80 * SECOND)
    assert member.on


def test_one_that_leaves_out_of_range_is_not_heard(head_end: HeadEnd) -> None:
    member = head_end.han.find(ESME)
    assert member is not None
    head_end.hub.power_off()
    at_hub, at_meter = events(head_end.hub), events(member.device)
    head_end.han.leave(member)
    assert (at_hub, at_meter) == ([], ["device_left"])


def test_a_key_that_changes_is_told_of(head_end: HeadEnd) -> None:
    assert head_end.han.update_link_key(ESME)
    ((code, _, (_, _, log)),) = head_end.alerts()  # type: ignore[misc]
    assert code == CHANGED and [ESME, mmo.digest(head_end.han.log.entries[ESME].key)] in log


def test_everything_at_once_is_told_of_with_the_last_state(head_end: HeadEnd) -> None:
    head_end.talker.action(104, LOG, 3, axdr.i8(0))
    alerts = head_end.alerts()
    assert [alert[0] for alert in alerts] == [LEFT, LEFT, CHANGED]
    assert alerts[-1][2][2] == []  # type: ignore[index]


def test_alerts_have_room_for_a_whole_log(home: Home) -> None:
    end = HeadEnd(home(electricity=None, gas=None))
    for number in range(16):
        end.han.register(number.to_bytes(8, "big"), b"K" * 16, 1)
        end.han.log.join(number.to_bytes(8, "big"), b"K" * 16)
    assert len(end.codes()) == 16
    end.han.unregister_all()
    assert end.codes() == [LEAVE_FAILED] * 16 + [CHANGED]
    assert MAX_WAITING > 17


def test_a_restored_log_is_told_of_with_its_extended_pan_id(home: Home) -> None:
    end = HeadEnd(home(electricity=None, gas=None))
    restore, pan = parse_type("st{oct8,arr st{oct8,oct}}"), bytes.fromhex("0000000000000140")
    end.talker.action(104, LOG, 5, restore.encode([pan, [[ESME, b"K" * 16]]]))
    ((code, _, (_, told, devices)),) = end.alerts()  # type: ignore[misc]
    assert (code, told, devices) == (CHANGED, pan, [[ESME, mmo.digest(b"K" * 16)]])
    too_many = [[number.to_bytes(8, "big"), b"K" * 16] for number in range(17)]
    with pytest.raises(Refused):
        end.talker.action(104, LOG, 5, restore.encode([bytes(7) + b"\x01", too_many]))
    assert (end.han.extended_pan_id, end.alerts()) == (pan, [])


def test_no_alert_without_a_destination(home: Home, clock: Clock) -> None:
    hub = home().hub
    assert hub is not None
    listener = Talker(hub.stacks["wan-tcp"](), settings_of(hub, "management"), sap=64).open()
    hub.han.unregister(hub.mirrored)
    clock.advance_to(clock.now + MINUTE)
    assert listener.notifications == []
    assert Hand(hub).get(1, "0-0:96.11.20") == CHANGED


def test_a_meter_that_is_off_the_han_pushes_by_its_own_port(home: Home, clock: Clock) -> None:
    premises = home()
    hub, meter = premises.hub, premises.electricity
    assert hub is not None and meter is not None
    upstream = Talker(hub.stacks["wan-tcp"](), sap=16).open()
    own = Talker(meter.stacks["local-tcp"](), sap=16).open()
    Hand(meter).set(40, "0-0:25.9.0", 3, "st{enum,oct,enum}", [0, b"head-end", 0])
    hub.han.unregister(meter.identity.eui64)
    meter.open_cover()
    clock.advance_to(clock.now)
    assert (len(upstream.notifications), len(own.notifications)) == (0, 1)


def test_both_logs_are_backed_up_by_the_official_command(head_end: HeadEnd) -> None:
    """CCS07: one ACCESS request for the device log and the historic log."""
    key = head_end.han.log.entries[GSME].key
    head_end.han.unregister(GSME)
    request = AccessRequest.decode(bytes.fromhex(OFFICIAL["CCS07_8.9_ERROR_COMMAND"]))
    answer = access.serve(Hand(head_end.hub).view, request, lambda *_: None)
    current, historic = (plain(axdr.decode_all(data)) for data in answer.values)
    assert [pan for _, pan, _ in (current, historic)] == [HUB] * 2  # type: ignore[misc]
    assert [eui64 for eui64, _ in current[2]] == [ESME]  # type: ignore[index]
    assert historic[2] == [[GSME, mmo.digest(key)]]  # type: ignore[index]
    row = Hand(head_end.hub).get(104, HISTORIC, 4)[0]
    assert (row[0], row[1], row[8]) == (GSME, "00000000", datetime.UNSPECIFIED)
    assert refused(lambda: Hand(head_end.hub).act(104, HISTORIC, 3)) is DataAccessResult.READ_WRITE_DENIED
