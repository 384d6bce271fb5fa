"""Commands that all clusters share: read, write, discover; and who is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from emulator.electricity import ElectricityMeter
from emulator.firmware import Accept
from emulator.load import MICRO, Constant
from emulator.time import HOUR, SECOND, Clock
from protocols.zigbee.zcl import foundation
from protocols.zigbee.zcl.foundation import AttributeStatus, Command, Discovered, ReadRecord, Record, Status
from protocols.zigbee.zcl.header import Frame, global_frame
from protocols.zigbee.zcl.types import Type

from .conftest import HOME_AUTOMATION, Host

Esme = Callable[..., ElectricityMeter]
BASIC, IDENTIFY, TIME, METERING, PREPAYMENT = 0x0000, 0x0003, 0x000A, 0x0702, 0x0705
MESSAGING = 0x0703
ZIGBEE_2026 = 820_540_800
"""2026-01-01 in seconds since 2000."""


@pytest.fixture
def meter(esme: Esme) -> Host:
    """An electricity meter that has drawn 500 W for ten days."""
    return Host(esme(Constant(500 * MICRO), days=10))


def status(answer: Frame) -> tuple[int, int]:
    """The command and status of a default response."""
    assert answer.command == Command.DEFAULT_RESPONSE
    return foundation.decode_default_response(answer.payload)


def test_read_as_octets(meter: Host) -> None:
    # 120 kWh is 0x01D4C0 in Wh; Multiplier 1, Divisor 1000; one attribute that is not there
    answer = meter.one(METERING, bytes.fromhex("00 2a 00 0000 0103 0203 0123"))
    assert answer.encode().hex() == "182a01" + "00000025c0d401000000" + "01030022010000" + "02030022e80300" + "012386"


def test_values_are_those_of_the_instant(meter: Host, clock: Clock) -> None:
    assert meter.value(METERING, 0x0000) == 120_000
    assert meter.value(TIME, 0x0000) == ZIGBEE_2026
    clock.advance_to(clock.now + 2 * HOUR)
    assert meter.value(METERING, 0x0000) == 121_000
    assert meter.value(METERING, 0x0400) == 500
    assert meter.value(TIME, 0x0000) == pytest.approx(ZIGBEE_2026 + 7200, abs=1)
    assert sum(meter.value(METERING, 0x0100 + 2 * tier) for tier in range(8)) == 121_000


def test_days_are_those_of_the_daily_profile(meter: Host, clock: Clock) -> None:
    assert [meter.value(METERING, at) for at in (0x0401, 0x0403, 0x0420, 0x042C)] == [0, 12_000, 12_000, 12_000]
    clock.advance_to(clock.now + 3 * HOUR)
    assert meter.value(METERING, 0x0401) == pytest.approx(1500, abs=1)


def test_what_a_meter_does_not_remember_is_not_available(esme: Esme) -> None:
    young = Host(esme(Constant(500 * MICRO), days=1.5))
    assert [young.value(METERING, at) for at in (0x0403, 0x0420)] == [12_000, 0xFFFFFF]
    assert young.value(METERING, 0x0008) == 0xFFFFFFFF


def test_texts_are_the_devices_own(meter: Host) -> None:
    assert meter.value(BASIC, 0x0004) == "Generic"
    assert meter.value(METERING, 0x0308) == meter.device.identity.serial.encode()
    assert meter.value(METERING, 0x0307) == b"1200000000001"


def test_a_read_takes_no_more_than_the_device_sends(meter: Host) -> None:
    answer = meter.general(METERING, Command.READ, foundation.encode_read([0x000A] + [0x0307] * 60))
    assert len(answer.encode()) <= 512
    records = foundation.decode_read_response(answer.payload)
    assert {record.status for record in records} == {Status.SUCCESS, Status.INSUFFICIENT_SPACE}
    assert len(records) > 25


# --- discovery


def test_discovery_comes_in_parts(meter: Host) -> None:
    def discover(start: int, most: int) -> tuple[bool, list[Discovered]]:
        answer = meter.general(METERING, Command.DISCOVER, foundation.encode_discover(start, most))
        return foundation.decode_discover_response(answer.payload)

    known = sorted(meter.application.tables.endpoints[1].servers[METERING])
    found: list[int] = []
    complete = False
    while not complete:
        complete, part = discover(found[-1] + 1 if found else 0, 7)
        found += [each.attribute for each in part]
    assert found == known
    assert discover(0x0301, 2) == (False, [Discovered(0x0301, Type.U24), Discovered(0x0302, Type.U24)])
    assert discover(0xFFF0, 5) == (True, [])


def test_extended_discovery_says_what_can_be_done(meter: Host) -> None:
    answer = meter.general(IDENTIFY, Command.DISCOVER_EXTENDED, foundation.encode_discover(0, 255))
    assert foundation.decode_discover_response(answer.payload, extended=True) == (True, [Discovered(0, Type.U16, 3)])
    answer = meter.general(METERING, Command.DISCOVER_EXTENDED, foundation.encode_discover(0, 1))
    assert foundation.decode_discover_response(answer.payload, extended=True) == (False, [Discovered(0, Type.U48, 5)])


# --- writing


def write(meter: Host, cluster: int, *records: Record, command: int = Command.WRITE) -> list[AttributeStatus]:
    answer = meter.general(cluster, command, foundation.encode_write(records))
    assert answer.command == Command.WRITE_RESPONSE
    return foundation.decode_write_response(answer.payload)


LOCATION = Record(0x0010, Type.CHARSTR, "Hall cupboard")


def test_what_may_be_written_is(meter: Host) -> None:
    assert write(meter, BASIC, LOCATION, Record(0x0011, Type.ENUM8, 0x0D)) == []
    assert meter.read(BASIC, 0x0010, 0x0011) == [
        ReadRecord(0x0010, 0, Type.CHARSTR, "Hall cupboard"),
        ReadRecord(0x0011, 0, Type.ENUM8, 0x0D),
    ]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (Record(0x0004, Type.CHARSTR, "Mine"), Status.READ_ONLY),
        (Record(0x4000, Type.CHARSTR, "?"), Status.UNSUPPORTED_ATTRIBUTE),
        (Record(0x0010, Type.OCTSTR, b"?"), Status.INVALID_DATA_TYPE),
        (Record(0x0010, Type.CHARSTR, "x" * 33), Status.INVALID_VALUE),
        (Record(0x0012, Type.BOOL, 2), Status.INVALID_VALUE),
        (Record(0x0011, Type.ENUM8, 0xFF), Status.INVALID_VALUE),
    ],
)
def test_what_may_not_be_written_is_refused(meter: Host, record: Record, expected: Status) -> None:
    good = Record(0x0013, Type.MAP8, 1) if record.attribute == 0x0010 else LOCATION
    before = meter.read(BASIC, good.attribute, record.attribute)
    undivided = write(meter, BASIC, good, record, command=Command.WRITE_UNDIVIDED)
    assert undivided == [AttributeStatus(record.attribute, expected)]
    assert meter.read(BASIC, good.attribute, record.attribute) == before
    assert write(meter, BASIC, record, good) == [AttributeStatus(record.attribute, expected)]
    after = meter.read(BASIC, good.attribute, record.attribute)
    assert after == [ReadRecord(good.attribute, 0, good.type, good.value), before[1]]


def test_a_register_is_not_written(meter: Host) -> None:
    assert write(meter, METERING, Record(0, Type.U48, 0)) == [AttributeStatus(0, Status.READ_ONLY)]
    assert write(meter, TIME, Record(0, Type.UTC, 1)) == [AttributeStatus(0, Status.READ_ONLY)]
    assert meter.value(METERING, 0) == 120_000


def test_writing_without_a_response(meter: Host) -> None:
    payload = foundation.encode_write([LOCATION])
    assert meter.zcl(BASIC, global_frame(1, Command.WRITE_NO_RESPONSE, payload).encode()) == []
    assert meter.value(BASIC, 0x0010) == "Hall cupboard"


def test_factory_defaults(meter: Host) -> None:
    write(meter, BASIC, LOCATION)
    assert meter.command(BASIC, 0x00) == (Command.DEFAULT_RESPONSE, Status.SUCCESS)
    assert meter.value(BASIC, 0x0010) == ""


def test_identify_counts_down(meter: Host, clock: Clock) -> None:
    assert meter.command(IDENTIFY, 0x00, identify_time=60) == (Command.DEFAULT_RESPONSE, Status.SUCCESS)
    clock.advance_to(clock.now + 20 * SECOND)
    assert meter.value(IDENTIFY, 0) == 40
    assert meter.command(IDENTIFY, 0x01) == (0x00, {"timeout": 40})
    clock.advance_to(clock.now + 41 * SECOND)
    assert meter.value(IDENTIFY, 0) == 0
    assert meter.command(IDENTIFY, 0x01) == (Command.DEFAULT_RESPONSE, Status.SUCCESS)
    assert write(meter, IDENTIFY, Record(0, Type.U16, 5)) == []
    assert meter.value(IDENTIFY, 0) == 5


# --- refusals


@pytest.mark.parametrize(
    ("cluster", "frame", "command", "expected"),
    [
        (0x0006, "000100 0000", 0x00, Status.UNSUPPORTED_CLUSTER),
        (METERING, "080100 0000", 0x00, Status.UNSUPPORTED_CLUSTER),
        (METERING, "000111", 0x11, Status.UNSUP_GENERAL_COMMAND),
        (METERING, "0101f0", 0xF0, Status.UNSUP_CLUSTER_COMMAND),
        (METERING, "04dec0 0100 0000", 0x00, Status.UNSUP_MANUF_GENERAL_COMMAND),
        (METERING, "05dec0 0100", 0x00, Status.UNSUP_MANUF_CLUSTER_COMMAND),
        (METERING, "000100 00", 0x00, Status.MALFORMED_COMMAND),
        (METERING, "010100 0102", 0x00, Status.MALFORMED_COMMAND),
        (METERING, "000102 0000", 0x02, Status.MALFORMED_COMMAND),
        (METERING, "10010c 00", 0x0C, Status.MALFORMED_COMMAND),
    ],
)
def test_refusals(meter: Host, cluster: int, frame: str, command: int, expected: Status) -> None:
    octets = bytes.fromhex(frame)
    answer = meter.one(cluster, octets)
    assert status(answer) == (command, expected)
    assert answer.direction is not Frame.decode(octets).direction
    assert answer.manufacturer == Frame.decode(octets).manufacturer
    assert len(meter.said) == sum(meter.application.counters.values()) == 1
    assert meter.zcl(cluster, octets, broadcast=True) == []


def test_a_default_response_gets_none(meter: Host) -> None:
    for cluster, frame in ((METERING, "18010b 0000"), (METERING, "18010b 00"), (0x0006, "08010b 0a01")):
        assert meter.zcl(cluster, bytes.fromhex(frame)) == []


def test_octets_that_are_no_frame_are_dropped(meter: Host) -> None:
    for frame in ("", "00", "0001", "030100", "0401"):
        assert meter.zcl(METERING, bytes.fromhex(frame)) == []
    assert meter.application.counters == {"malformed": 5}


def test_success_is_confirmed_only_where_that_is_wanted(meter: Host) -> None:
    assert status(meter.one(METERING, bytes.fromhex("080101"))) == (0x01, Status.UNSUPPORTED_CLUSTER)
    assert status(meter.one(IDENTIFY, bytes.fromhex("010100 0a00"))) == (0x00, Status.SUCCESS)
    assert meter.zcl(IDENTIFY, bytes.fromhex("110100 0a00")) == []
    assert meter.zcl(IDENTIFY, bytes.fromhex("010100 0a00"), broadcast=True) == []


def test_lenient_devices_answer_any_profile_as_they_were_asked(meter: Host) -> None:
    meter.profile, meter.secured = HOME_AUTOMATION, False
    assert meter.value(METERING, 0) == 120_000


def test_every_endpoint_is_the_one_that_has_the_cluster(meter: Host) -> None:
    (answer,) = meter.zcl(METERING, bytes.fromhex("000100 0000"), to=0xFF)
    assert answer.source_endpoint == 1
    assert meter.zcl(0x0006, bytes.fromhex("000100 0000"), to=0xFF) == []


def test_no_endpoint_no_answer(meter: Host) -> None:
    assert meter.zcl(METERING, bytes.fromhex("000100 0000"), to=9) == []
    assert meter.application.counters == {"no endpoint": 1}


def test_without_power_nothing_is_said(meter: Host) -> None:
    meter.device.power_off()
    assert meter.zcl(METERING, bytes.fromhex("000100 0000")) == []
    meter.device.power_on()
    assert meter.zcl(METERING, bytes.fromhex("000100 0000")) == []
    meter.device.clock.advance_to(meter.device.ready_at)
    assert meter.value(METERING, 0x0300) == 0


def test_home_automation_profiles(esme: Esme) -> None:
    meter = Host(esme(profile="electricity-ha"), HOME_AUTOMATION)
    assert meter.application.endpoints[0].profile == HOME_AUTOMATION
    assert meter.value(METERING, 0x0300) == 0


def test_strict_devices(esme: Esme, monkeypatch: pytest.MonkeyPatch) -> None:
    device = esme()
    assert device.firmware.zigbee is not None
    strict = replace(device.firmware, zigbee=replace(device.firmware.zigbee, accept=Accept.STRICT))
    monkeypatch.setattr(device, "firmware", strict)
    meter = Host(device)
    assert meter.value(METERING, 0x0300) == 0
    meter.secured = False
    assert status(meter.one(METERING, bytes.fromhex("000100 0003"))) == (0x00, Status.FAILURE)
    assert meter.value(BASIC, 0x0007) == 1
    meter.profile = HOME_AUTOMATION
    assert meter.zcl(BASIC, bytes.fromhex("000100 0700")) == []
    assert meter.application.counters == {"unsecured": 1, "wrong profile": 1}
