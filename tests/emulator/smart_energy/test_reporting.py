"""Reports: when they come, to whom, and what ends them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from emulator.electricity import ElectricityMeter
from emulator.firmware import ReportTo
from emulator.han.message import NOWHERE
from emulator.load import MICRO, Constant
from emulator.nvm import Saved
from emulator.time import MINUTE, SECOND, Clock
from protocols.zigbee.zcl import foundation
from protocols.zigbee.zcl.foundation import Command, Record, Reporting, ReportingKey, ReportingStatus, Status
from protocols.zigbee.zcl.header import Frame
from protocols.zigbee.zcl.types import INVALID, Type
from protocols.zigbee.zdo import Cluster

from .conftest import HOST, HOST_EUI, Host

Esme = Callable[..., ElectricityMeter]
METERING = 0x0702
ENERGY, POWER, STATUS, SUPPLY = 0x0000, 0x0400, 0x0200, 0x0014
OTHER_EUI, OTHER = bytes.fromhex("00124B0000000002"), 0x1234


@pytest.fixture
def meter(esme: Esme) -> Host:
    """An electricity meter that draws 3.6 kW: a watt-hour a second."""
    host = Host(esme(Constant(3600 * MICRO), days=1))
    host.air.known[OTHER_EUI] = OTHER
    return host


def configure(meter: Host, *reportings: Reporting) -> list[ReportingStatus]:
    payload = foundation.encode_configure_reporting(reportings)
    answer = meter.general(METERING, Command.CONFIGURE_REPORTING, payload)
    return foundation.decode_configure_reporting_response(answer.payload)


def energy(minimum: int = 10, maximum: int = 10, change: int = 1) -> Reporting:
    return Reporting(0, ENERGY, Type.U48, minimum, maximum, change)


def power(minimum: int = 10, maximum: int = 10, change: int = 1) -> Reporting:
    return Reporting(0, POWER, Type.S24, minimum, maximum, change)


def wait(meter: Host, seconds: float) -> list[tuple[float, list[Record]]]:
    """Let time pass: what was reported to the host, after how many seconds from now."""
    clock = meter.device.clock
    start, found = clock.now, []
    meter.air.sent.clear()
    while clock.now < start + round(seconds * SECOND):
        due = clock.next_due()
        clock.advance_to(min(start + round(seconds * SECOND), due if due is not None else 1 << 62))
        found += [((clock.now - start) / SECOND, records) for records in taken(meter)]
    return found


def taken(meter: Host) -> list[list[Record]]:
    """The reports that were sent to the host, taken away."""
    reports: list[list[Record]] = []
    for destination, message in meter.air.sent:
        frame = Frame.decode(message.payload)
        assert (destination, message.cluster, message.destination_endpoint) == (HOST, METERING, 1)
        assert (frame.control, frame.command) == (0x18, Command.REPORT)
        reports.append(foundation.decode_report(frame.payload))
    meter.air.sent.clear()
    return reports


def test_reports_come_at_their_interval(meter: Host) -> None:
    assert configure(meter, energy(), power()) == []
    start = meter.value(METERING, ENERGY)
    found = wait(meter, 35)
    assert [at for at, _ in found] == [10, 20, 30]
    assert [records for _, records in found] == [
        [Record(ENERGY, Type.U48, start + at), Record(POWER, Type.S24, 3600)] for at in (10, 20, 30)
    ]


def test_nothing_is_scheduled_without_a_configuration(meter: Host) -> None:
    before = meter.device.clock.pending
    assert wait(meter, 3600) == []
    assert meter.device.clock.pending <= before


def test_a_change_is_reported_early(meter: Host) -> None:
    assert configure(meter, power(5, 600, 100)) == []
    assert wait(meter, 60) == []
    assert isinstance(meter.device, ElectricityMeter)
    meter.device.set_load(Constant(3650 * MICRO))
    assert wait(meter, 60) == [], "not enough of a change"
    meter.device.set_load(Constant(3701 * MICRO))
    ((at, records),) = wait(meter, 60)
    assert at <= 5 and records == [Record(POWER, Type.S24, 3701)]
    ((at, _),) = wait(meter, 600)
    assert 540 <= at <= 550, "the longest interval begins anew with each report"


def test_a_change_waits_for_the_shortest_interval(meter: Host) -> None:
    assert configure(meter, energy(60, 3600, 10)) == []
    assert [at for at, _ in wait(meter, 200)] == [60, 120, 180]


def test_bitmaps_are_reported_at_any_change(meter: Host) -> None:
    assert configure(meter, Reporting(0, STATUS, Type.MAP8, 1, 0)) == []
    assert wait(meter, 600) == []
    meter.device.open_cover()
    ((_, records),) = wait(meter, 60)
    assert records == [Record(STATUS, Type.MAP8, 0x04)]


def test_a_change_that_is_not_available_asks_for_the_interval_alone(meter: Host) -> None:
    assert configure(meter, energy(1, 30, INVALID[Type.U48])) == []
    assert [at for at, _ in wait(meter, 70)] == [30, 60]


@pytest.mark.parametrize(
    ("reporting", "status"),
    [
        (Reporting(0, 0x7777, Type.U8, 1, 2, 1), Status.UNSUPPORTED_ATTRIBUTE),
        (Reporting(0, 0x0300, Type.ENUM8, 1, 2), Status.UNREPORTABLE_ATTRIBUTE),
        (Reporting(0, ENERGY, Type.U32, 1, 2, 1), Status.INVALID_DATA_TYPE),
        (energy(20, 10), Status.INVALID_VALUE),
        (power(1, 10, -5), Status.INVALID_VALUE),
        (Reporting(1, ENERGY, timeout=60), Status.UNSUPPORTED_ATTRIBUTE),
    ],
)
def test_refused_configurations(meter: Host, reporting: Reporting, status: Status) -> None:
    failure = ReportingStatus(status, reporting.direction, reporting.attribute)
    assert configure(meter, reporting, Reporting(0, SUPPLY, Type.ENUM8, 10, 10)) == [failure]
    assert [[record.attribute for record in records] for _, records in wait(meter, 10)] == [[SUPPLY]]


def test_a_configuration_is_read_and_taken_back(meter: Host) -> None:
    configure(meter, energy(5, 60, 7))

    def read() -> list[foundation.ReportingRecord]:
        keys = [ReportingKey(0, ENERGY), ReportingKey(0, POWER), ReportingKey(0, 0x0300), ReportingKey(1, ENERGY)]
        answer = meter.general(METERING, Command.READ_REPORTING, foundation.encode_read_reporting(keys))
        return foundation.decode_read_reporting_response(answer.payload)

    wanted = energy(5, 60, 7)
    statuses = [Status.SUCCESS, Status.NOT_FOUND, Status.UNREPORTABLE_ATTRIBUTE, Status.UNSUPPORTED_ATTRIBUTE]
    found = read()
    assert [record.status for record in found] == statuses
    assert found[0].reporting == wanted
    assert configure(meter, energy(0, 0xFFFF)) == []
    assert wait(meter, 600) == []
    assert read()[0].status == Status.NOT_FOUND
    assert meter.application.reporters == {}


def test_each_display_has_reports_of_its_own(meter: Host) -> None:
    configure(meter, energy(10, 10))
    meter.source, meter.eui64, meter.endpoint = OTHER, OTHER_EUI, 3
    configure(meter, energy(15, 15))
    meter.air.sent.clear()
    meter.device.clock.advance_to(meter.device.clock.now + 30 * SECOND)
    to = [(destination, message.destination_endpoint) for destination, message in meter.air.sent]
    assert sorted(to) == [(HOST, 1)] * 3 + [(OTHER, 3)] * 2
    meter.air.known.pop(OTHER_EUI)
    meter.air.sent.clear()
    meter.device.clock.advance_to(meter.device.clock.now + 30 * SECOND)
    assert [destination for destination, _ in meter.air.sent] == [HOST] * 3


def test_there_is_room_for_so_many(meter: Host) -> None:
    for number in range(17):
        meter.endpoint = number + 1
        failures = configure(meter, energy())
    assert failures == [ReportingStatus(Status.INSUFFICIENT_SPACE, 0, ENERGY)]
    assert len(meter.application.reporters) == 16


def test_bound_destinations(esme: Esme, monkeypatch: pytest.MonkeyPatch) -> None:
    device = esme(Constant(3600 * MICRO))
    assert device.firmware.zigbee is not None
    settings = replace(device.firmware.zigbee, report_to=ReportTo.BINDINGS)
    monkeypatch.setattr(device, "firmware", replace(device.firmware, zigbee=settings))
    meter = Host(device)
    configure(meter, energy())
    assert wait(meter, 20) == [], "nobody is bound"
    meter.zdo(
        Cluster.BIND,
        source=device.identity.eui64,
        source_endpoint=1,
        cluster=METERING,
        mode=3,
        destination={"eui": HOST_EUI, "endpoint": 1},
    )
    assert [at for at, _ in wait(meter, 20)] == [10, 20]


def test_silence_off_the_network_and_without_power(meter: Host) -> None:
    configure(meter, energy())
    here, meter.air.here = meter.air.here, NOWHERE
    assert wait(meter, 100) == []
    meter.air.here = here
    meter.application.back()
    assert [at for at, _ in wait(meter, 11)] == [0, 10]
    meter.device.power_off()
    assert wait(meter, 100) == []
    meter.device.power_on()
    boot = (meter.device.ready_at - meter.device.clock.now) / SECOND
    assert [at for at, _ in wait(meter, boot + 10)] == [boot, boot + 10]


def test_reports_survive_in_the_memory(meter: Host, esme: Esme, clock: Clock) -> None:
    configure(meter, energy(5, 60, 7), Reporting(0, STATUS, Type.MAP8, 1, 300))
    image = meter.application.image()
    another = Host(esme(Constant(3600 * MICRO), days=1))
    another.application.restore(Saved("application", image))
    assert another.application.image() == image
    assert [at for at, _ in wait(another, 22)] == [5, 15], "the first look after a start reports"


def test_a_sleeping_meter_wakes_up_to_report(home: Callable[..., object]) -> None:
    gas = home().gas  # type: ignore[attr-defined]
    host = Host(gas)
    host.general(METERING, Command.CONFIGURE_REPORTING, foundation.encode_configure_reporting([energy(300, 300)]))
    before = gas.last_wake_up
    host.air.sent.clear()
    gas.clock.advance_to(gas.clock.now + 5 * MINUTE)
    assert len(host.air.sent) == 1
    assert gas.last_wake_up == gas.clock.now > before
