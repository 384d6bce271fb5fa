"""What an application was told outlives the end of the rig."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulator.electricity import ElectricityMeter
from emulator.nvm import NvmFault, Saved
from emulator.time import DAY, MINUTE, Clock
from protocols.zigbee.zcl import foundation
from protocols.zigbee.zcl.foundation import Command, Record, Reporting
from protocols.zigbee.zcl.header import Direction
from protocols.zigbee.zcl.types import Type
from protocols.zigbee.zdo import Cluster

from .conftest import HOST_EUI, Host

Esme = Callable[..., ElectricityMeter]
BASIC, METERING, MESSAGING = 0x0000, 0x0702, 0x0703
TOMORROW = 820_540_800 + 86_400


@pytest.fixture
def told(esme: Esme) -> Host:
    """A meter that was told a bit of everything."""
    meter = Host(esme(days=1))
    target = {"mode": 3, "destination": {"eui": HOST_EUI, "endpoint": 1}}
    meter.zdo(Cluster.BIND, source=meter.device.identity.eui64, source_endpoint=1, cluster=METERING, **target)
    written = [Record(0x0010, Type.CHARSTR, "Höhle \udcff"), Record(0x0011, Type.ENUM8, 3)]
    meter.general(BASIC, Command.WRITE, foundation.encode_write(written))
    reports = [Reporting(0, 0x0000, Type.U48, 1, 300, 5), Reporting(0, 0x0200, Type.MAP8, 1, 600)]
    meter.general(METERING, Command.CONFIGURE_REPORTING, foundation.encode_configure_reporting(reports))
    notice = {"message": 1, "control": 0, "start": 0, "minutes": 0xFFFF, "text": b"Hello", "extended_control": None}
    meter.command(MESSAGING, 0x00, direction=Direction.TO_CLIENT, **notice)
    order = {"provider": 9, "event": 4, "requested": 0, "implementation": TOMORROW, "status": 0, "control": 0}
    meter.command(METERING, 0x0B, **order)
    meter.application.mirror_endpoint = 2
    return meter


def again(esme: Esme, image: dict[str, Any]) -> Host:
    """Another meter that has this in its memory."""
    meter = Host(esme(days=1))
    meter.application.restore(Saved("application", image))
    return meter


def test_all_of_it_comes_back(told: Host, esme: Esme, clock: Clock) -> None:
    image = told.application.image()
    assert all(image[name] for name in ("bindings", "reports", "written", "planned", "notice", "mirror_endpoint"))
    meter = again(esme, image)
    assert meter.application.image() == image
    assert meter.value(BASIC, 0x0010) == "Höhle \udcff"
    clock.advance_to(clock.now + DAY + MINUTE)
    assert isinstance(meter.device, ElectricityMeter)
    assert not meter.device.switch.closed, "the order that waited was done"


def test_what_the_firmware_has_no_longer_is_left_out(told: Host, esme: Esme) -> None:
    image = told.application.image()
    reports: Any = image["reports"]
    reports.append([9, METERING, HOST_EUI.hex(), 1, 0x0109, True, 0, 1, 10, 1])
    reports.append([1, METERING, HOST_EUI.hex(), 1, 0x0109, True, 0x0300, 1, 10, None])
    written: Any = image["written"]
    written.append([1, BASIC, "0400420141"])
    meter = again(esme, image)
    assert len(meter.application.reporters) == 1
    assert meter.value(BASIC, 0x0004) == "Generic"


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("bindings", [[1, 2, "zz", 3]]),
        ("bindings", [[1]]),
        ("written", [[1, 0, "0000"]]),
        ("planned", [[1, "00", 0, 0, 1, 1, "00", True]]),
        ("notice", {"message": 1}),
        ("notice", 7),
        ("mirror_endpoint", "two"),
        ("mirror", {"eui64": "00", "number": 2, "profile": 1, "reports": {"1794": "0000"}}),
    ],
)
def test_images_of_another_shape_are_refused(told: Host, esme: Esme, part: str, value: object) -> None:
    with pytest.raises((NvmFault, ValueError)):
        again(esme, {**told.application.image(), part: value})
