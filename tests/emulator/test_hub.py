"""The hub: its own logical device, what it passes on, its diagnostics, and what it pushes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.premises import Premises
from emulator.push import MAX_WAITING, PushSetup
from emulator.time import DAY, HOUR, SECOND, Clock
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.client import ExceptionAnswer, Refused
from protocols.dlms.notification import DataNotification
from protocols.dlms.types import plain

from .conftest import DeviceSpec, Talker, settings_of

Home = Callable[..., Premises]


def talker(premises: Premises, association: str, sap: int, server: int = 1, port: str = "wan-tcp") -> Talker:
    hub = premises.hub
    assert hub is not None
    device = {1: hub, 16: premises.electricity, 17: premises.gas}[server]
    assert device is not None
    return Talker(hub.stacks[port](), settings_of(device, association), sap=sap, server=server).open()


def name_of(flag: str, serial: str) -> bytes:
    return (flag + serial).encode()


@pytest.mark.parametrize("absent", [(), ("gas",), ("electricity",), ("gas", "electricity")])
def test_sap_assignment_lists_what_is_there(home: Home, absent: tuple[str, ...]) -> None:
    premises = home(**dict.fromkeys(absent))
    public = talker(premises, "public", 16)
    expected = [
        [sap, name_of("GEN", device.identity.serial)]
        for sap, device in ((1, premises.hub), (16, premises.electricity), (17, premises.gas))
        if device is not None
    ]
    assert public.value(17, "0-0:41.0.0") == expected
    assert [sap for sap, _ in expected] == sorted(premises.hub.served)  # type: ignore[union-attr]


def test_diagnostics_tell_uptime_reboots_and_signal(home: Home, clock: Clock) -> None:
    premises = home()
    hub = premises.hub
    assert hub is not None
    reader = talker(premises, "data_collection", 32)
    assert reader.value(3, "0-0:96.8.0") == 396 * DAY // SECOND
    assert reader.value(1, "0-0:96.15.0") == 0
    signals = set[object]()
    for _ in range(48):
        clock.advance_to(clock.now + HOUR)
        signals.add(reader.value(3, "0-0:96.12.5"))
    assert len(signals) > 3
    assert all(isinstance(signal, int) and -108 <= signal <= -57 for signal in signals)
    hub.power_off()
    clock.advance_to(clock.now + HOUR)
    hub.power_on()
    clock.advance_to(hub.ready_at + 5 * SECOND)
    reader = talker(premises, "data_collection", 32)
    assert reader.value(3, "0-0:96.8.0") == hub.firmware.boot_time // SECOND + 5
    assert reader.value(1, "0-0:96.15.0") == 1
    assert reader.value(1, "0-0:96.7.0") == 1
    rows = reader.value(7, "0-0:99.97.0")
    assert isinstance(rows, list)
    assert [row[1] for row in rows] == [1, 2]


def test_the_same_meter_answers_at_the_hub_and_at_its_own_port(home: Home, clock: Clock) -> None:
    premises = home()
    electricity = premises.electricity
    assert electricity is not None
    through_hub = talker(premises, "data_collection", 32, 16)
    at_meter = Talker(electricity.stacks["optical"](), settings_of(electricity, "data_collection"), sap=32).open()
    for _ in range(3):
        clock.advance_to(clock.now + 100 * SECOND)
        assert through_hub.value(3, "1-0:1.8.0") == at_meter.value(3, "1-0:1.8.0")


def test_link_events_go_into_the_hubs_communication_log(home: Home) -> None:
    premises = home()
    over_hdlc = talker(premises, "public", 16, port="wan")
    over_hdlc.disconnect()
    rows = talker(premises, "data_collection", 32).value(7, "0-0:99.98.5")
    assert isinstance(rows, list)
    assert [row[1] for row in rows] == [90, 92, 93, 91, 92]  # link, association, both ended; the reader's own


def test_hdlc_set_up_shows_the_profiles_limits(home: Home) -> None:
    premises = home(electricity=DeviceSpec(profile="electricity-lima-2"))
    manager = talker(premises, "management", 64)
    assert [manager.value(23, "0-0:22.0.0", index) for index in range(2, 10)] == [5, 1, 1, 128, 128, 25, 120, 16]
    manager = talker(premises, "management", 64, 16)
    assert [manager.value(23, "0-0:22.0.0", index) for index in range(2, 7)] == [5, 7, 7, 512, 240]


# -- push -------------------------------------------------------------------------------------------------------------

PUSH = "0-0:25.9.0"


def test_a_push_goes_out_on_connections_that_are_open(home: Home) -> None:
    premises = home()
    hub = premises.hub
    assert hub is not None
    listener = talker(premises, "public", 16)
    on_hdlc = talker(premises, "public", 16, port="wan")
    manager = talker(premises, "management", 64)
    manager.action(40, PUSH, 1, axdr.i8(0))
    (octets,) = listener.sent
    assert octets[:6] == bytes.fromhex("000100010010")
    values = plain(axdr.decode_all(DataNotification.decode(octets[8:]).data))
    assert values[0] == name_of("GEN", hub.identity.serial)
    assert values[2] == 0
    assert on_hdlc.sent == []
    manager.set(40, PUSH, 3, axdr.structure(axdr.enum_(5), axdr.octets(b""), axdr.enum_(0)))
    manager.action(40, PUSH, 1, axdr.i8(0))
    assert len(on_hdlc.sent) == 1 and len(on_hdlc.notifications) == 1
    assert len(listener.sent) == 1


def test_a_meters_push_goes_through_the_hub_and_out_of_its_own_port(home: Home) -> None:
    premises = home()
    electricity = premises.electricity
    assert electricity is not None
    listener = talker(premises, "public", 16, 16)
    at_port = Talker(electricity.stacks["local-tcp"](), sap=16).open()
    talker(premises, "management", 64, 16).action(40, PUSH, 1, axdr.i8(0))
    assert [given.sent[0][:6].hex() for given in (listener, at_port)] == ["000100100010", "000100010010"]
    for given in (listener, at_port):
        (notification,) = given.notifications
        assert name_of("GEN", electricity.identity.serial) in notification.data


def test_a_push_to_a_client_with_a_security_policy_is_protected(home: Home, tmp_path: Path) -> None:
    """Associated or not, and with counters that go on; the client refuses what is not protected."""
    path = tmp_path / "meter.toml"
    path.write_text('extends = "electricity-base"\n[object."0-0:25.9.0"]\nversion = 1\npush_client_SAP = 64\n')
    premises = home(electricity=DeviceSpec(profile=str(path)))
    electricity = premises.electricity
    assert electricity is not None
    name = name_of("GEN", electricity.identity.serial)
    listener = Talker(electricity.stacks["local-tcp"](), settings_of(electricity, "management"), sap=64)
    setup = PushSetup(obis.parse(PUSH))
    setup.push(electricity)
    (octets,) = listener.sent
    assert octets[:9] == bytes.fromhex("000100010040") + octets[6:8] + b"\xdb"
    assert name not in octets
    counter = electricity.security(electricity.firmware.model.by_name["management"]).counters.sent
    assert counter == 1
    manager = Talker(listener.stack, settings_of(electricity, "management"), sap=64).open()
    setup.push(electricity)
    (notification,) = manager.notifications
    assert name in notification.data
    assert manager.sent[0][8:9] == b"\xdb"


def test_associations_through_the_hub_end_when_the_meter_starts_anew(home: Home, clock: Clock) -> None:
    premises = home()
    electricity = premises.electricity
    assert electricity is not None
    lines = [talker(premises, "public", 16, 16, port) for port in ("wan", "wan-tcp")]
    own = talker(premises, "public", 16)
    electricity.reboot()
    clock.advance_to(electricity.ready_at)
    for line in lines:
        with pytest.raises(ExceptionAnswer):
            line.value(1, "0-0:96.1.0")
        Talker(line.stack, server=16).open().value(1, "0-0:96.1.0")
    assert own.value(1, "0-0:96.1.0")


def test_a_push_with_nothing_to_go_out_on_is_refused_or_tried_again(home: Home, clock: Clock) -> None:
    premises = home()
    manager = talker(premises, "management", 64)
    manager.set(40, PUSH, 3, axdr.structure(axdr.enum_(5), axdr.octets(b""), axdr.enum_(0)))
    with pytest.raises(Refused):
        manager.action(40, PUSH, 1, axdr.i8(0))
    manager.set(40, PUSH, 6, axdr.u8(3))
    manager.set(40, PUSH, 7, axdr.u16(60))
    manager.action(40, PUSH, 1, axdr.i8(0))
    clock.advance_to(clock.now + 100 * SECOND)
    late = talker(premises, "public", 16, port="wan")
    clock.advance_to(clock.now + 19 * SECOND)
    assert late.notifications == []
    clock.advance_to(clock.now + SECOND)
    assert len(late.notifications) == 1
    clock.advance_to(clock.now + HOUR)
    assert len(late.notifications) == 1


def test_pushes_that_wait_are_bounded(home: Home, clock: Clock) -> None:
    premises = home()
    listener = talker(premises, "public", 16)
    manager = talker(premises, "management", 64)
    manager.set(40, PUSH, 5, axdr.u16(600))
    for _ in range(MAX_WAITING):
        manager.action(40, PUSH, 1, axdr.i8(0))
    with pytest.raises(Refused):
        manager.action(40, PUSH, 1, axdr.i8(0))
    clock.advance_to(clock.now + 600 * SECOND)
    assert (len(listener.sent), manager.sent) == (MAX_WAITING, [])
    manager.action(40, PUSH, 1, axdr.i8(0))


def test_a_push_that_cannot_be_collected_is_refused(home: Home) -> None:
    premises = home()
    listener = talker(premises, "public", 16)
    manager = talker(premises, "management", 64)
    missing = axdr.structure(axdr.u16(3), axdr.octets(obis.parse("1-0:1.8.0")), axdr.i8(2), axdr.u16(0))
    for row in (missing, axdr.structure(axdr.u16(1), axdr.octets(obis.parse("0-0:42.0.0")), axdr.i8(2), axdr.u16(3))):
        manager.set(40, PUSH, 2, axdr.array([row]))
        with pytest.raises(Refused):
            manager.action(40, PUSH, 1, axdr.i8(0))
    whole = axdr.structure(axdr.u16(3), axdr.octets(obis.parse("0-0:96.8.0")), axdr.i8(0), axdr.u16(0))
    part = axdr.structure(axdr.u16(3), axdr.octets(obis.parse("0-0:96.8.0")), axdr.i8(3), axdr.u16(2))
    manager.set(40, PUSH, 2, axdr.array([whole, part]))
    manager.action(40, PUSH, 1, axdr.i8(0))
    assert len(listener.sent) == 1
    manager.set(40, PUSH, 3, axdr.structure(axdr.enum_(0), axdr.octets(b""), axdr.enum_(1)))
    with pytest.raises(Refused):
        manager.action(40, PUSH, 1, axdr.i8(0))
