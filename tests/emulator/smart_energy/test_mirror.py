"""The gas meter's mirror on the hub: how it comes, what it shows, and who may touch it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from emulator.gas import GasMeter
from emulator.han.message import Message
from emulator.hub import Hub
from emulator.nvm import Saved
from emulator.premises import Premises
from emulator.smart_energy import messaging
from emulator.smart_energy.messaging import Notice
from emulator.smart_energy.mirror import COMMANDS_WAIT, MESSAGE_WAITS
from emulator.time import HOUR, Clock
from protocols.zigbee.zcl import foundation
from protocols.zigbee.zcl.foundation import Command, Record, Status
from protocols.zigbee.zcl.header import Direction, Frame, global_frame
from protocols.zigbee.zcl.types import Type
from protocols.zigbee.zdo import Cluster

from ..conftest import DeviceSpec, Load
from .conftest import Host

METERING, PREPAYMENT, MESSAGING = 0x0702, 0x0705, 0x0703
GAS = 0x2222


class Pair:
    """A gas meter and its hub, with nothing between."""

    def __init__(self, premises: Premises) -> None:
        assert premises.hub is not None and premises.gas is not None
        self.gas, self.hub = Host(premises.gas), Host(premises.hub)
        self.gas.source, self.gas.air.here = 0, GAS
        self.hub.air.here, self.hub.source, self.hub.eui64 = 0, GAS, premises.gas.identity.eui64
        self.gas.eui64 = premises.hub.identity.eui64

    def wake_up(self) -> list[Message]:
        """The meter wakes up, says what it has to say, and hears the answers; what it said."""
        assert isinstance(self.gas.device, GasMeter)
        self.gas.device.wake_up()
        said = self.gas.application.wake_up_reports()
        for message in said:
            self.carry(message)
        return said

    def carry(self, message: Message) -> None:
        """A message to the hub, its answer to the meter, and so on."""
        for answer in self.hub.deliver(message):
            for back in self.gas.deliver(answer):
                self.carry(back)


@pytest.fixture
def pair(home: Callable[..., Premises]) -> Pair:
    """A premises' gas meter and hub."""
    return Pair(home(gas=DeviceSpec(load=Load("constant", 2.0))))


def test_a_mirror_is_asked_for_first(pair: Pair) -> None:
    assert [endpoint.number for endpoint in pair.hub.application.endpoints] == [1]
    (wish,) = pair.wake_up()
    assert Frame.decode(wish.payload)[0::2] == (0x09, 0x01, None)
    assert pair.gas.application.mirror_endpoint == 2
    active = pair.hub.zdo(Cluster.ACTIVE_ENDPOINTS, address=0)
    assert active is not None and active["endpoints"] == [1, 2]


def test_what_the_meter_pushes_is_what_is_read(pair: Pair, clock: Clock) -> None:
    pair.wake_up()
    said = pair.wake_up()
    assert max(len(message.payload) for message in said) < 70, "each goes into one frame"
    shown = pair.hub.value(METERING, 0x0000, to=2)
    assert shown == pair.gas.value(METERING, 0x0000)
    assert pair.hub.value(METERING, 0x0306, to=2) == 128
    assert pair.hub.value(METERING, 0x0308, to=2) == pair.gas.device.identity.serial.encode()
    assert pair.hub.value(PREPAYMENT, 0x0503, to=2) == 826
    clock.advance_to(clock.now + HOUR)
    assert pair.hub.value(METERING, 0x0000, to=2) == shown
    pair.wake_up()
    assert pair.hub.value(METERING, 0x0000, to=2) == pair.gas.value(METERING, 0x0000) > shown


def test_the_simple_descriptor_of_the_mirror(pair: Pair) -> None:
    pair.wake_up()
    pair.wake_up()
    found = pair.hub.zdo(Cluster.SIMPLE_DESCRIPTOR, address=0, endpoint=2)
    assert found is not None
    assert (found["descriptor"]["device"], found["descriptor"]["input_clusters"]) == (0x0501, [METERING, PREPAYMENT])


def test_only_one_meter_is_mirrored(pair: Pair) -> None:
    pair.wake_up()
    pair.wake_up()
    shown = pair.hub.value(METERING, 0x0000, to=2)
    pair.hub.eui64, pair.hub.source = bytes(8), 0x7777
    ask = {"direction": Direction.TO_CLIENT}
    assert pair.hub.command(METERING, 0x01, **ask) == (0x01, {"endpoint": 0xFFFF})
    assert pair.hub.command(METERING, 0x02, **ask) == (Command.DEFAULT_RESPONSE, Status.NOT_AUTHORIZED)
    report = global_frame(1, Command.REPORT, foundation.encode_report([Record(0, Type.U48, 1)]), Direction.TO_CLIENT)
    assert pair.hub.one(METERING, report.encode(), to=2).payload == bytes((Command.REPORT, Status.NOT_AUTHORIZED))
    assert pair.hub.value(METERING, 0x0000, to=2) == shown


def test_reports_of_another_shape_change_nothing(pair: Pair) -> None:
    pair.wake_up()
    shown = pair.hub.value(METERING, 0x0000, to=2)
    records = [Record(0x0000, Type.U32, 5), Record(0x7777, Type.U8, 5), Record(0x0200, Type.MAP8, 2)]
    report = global_frame(1, Command.REPORT, foundation.encode_report(records), Direction.TO_CLIENT)
    pair.hub.one(METERING, report.encode(), to=2)
    statuses = [record.status for record in pair.hub.read(METERING, 0x0000, 0x7777, 0x0200, to=2)]
    assert statuses == [0, Status.UNSUPPORTED_ATTRIBUTE, 0]
    assert pair.hub.value(METERING, 0x0000, to=2) == shown != 5
    assert pair.hub.value(METERING, 0x0200, to=2) == 2


def test_a_mirror_is_no_meter(pair: Pair) -> None:
    pair.wake_up()
    pair.wake_up()
    order = {"provider": 0, "event": 0, "requested": 0, "implementation": 0, "status": 0, "control": 0}
    refused = (Command.DEFAULT_RESPONSE, Status.UNSUP_CLUSTER_COMMAND)
    assert pair.hub.command(METERING, 0x0B, to=2, **order) == refused
    assert pair.hub.command(METERING, 0x00, to=2, channel=0, end_time=0, periods=1) == refused
    assert pair.hub.command(PREPAYMENT, 0x0C, to=2, provider=0, event=0, implementation=0, cap=0) == refused


def test_only_the_hub_tells_a_meter_of_its_mirror(pair: Pair) -> None:
    pair.gas.source = 0x7777
    refused = (Command.DEFAULT_RESPONSE, Status.NOT_AUTHORIZED)
    assert pair.gas.command(METERING, 0x01, endpoint=5) == refused
    assert pair.gas.command(METERING, 0x09, scheme=1, flags=[MESSAGE_WAITS]) == refused
    assert (pair.gas.application.mirror_endpoint, pair.gas.application.flags) == (0, ())


def test_a_mirror_is_removed(pair: Pair) -> None:
    pair.wake_up()
    ask = {"direction": Direction.TO_CLIENT}
    assert pair.hub.command(METERING, 0x02, **ask) == (0x02, {"endpoint": 2})
    assert pair.hub.zcl(METERING, bytes.fromhex("000100 0000"), to=2) == []
    gone = Message(0x0109, METERING, 1, 1, bytes.fromhex("010102 0200"), True)
    pair.gas.deliver(gone)
    assert pair.gas.application.mirror_endpoint == 0


def test_the_mirror_says_that_a_message_waits_and_the_meter_fetches_it(pair: Pair) -> None:
    pair.wake_up()
    pair.wake_up()
    assert pair.gas.application.flags == (0,)
    messaging.show(pair.hub.application, Notice(9, 0, 0, 0xFFFF, b"Gas check due"))
    pair.wake_up()
    assert pair.gas.application.flags == (MESSAGE_WAITS,)
    notice = pair.gas.application.notice
    assert notice is not None and (notice.message, notice.text) == (9, b"Gas check due")


def test_the_mirror_says_that_commands_wait(pair: Pair) -> None:
    pair.wake_up()
    hub = pair.hub.device
    assert isinstance(hub, Hub) and hub.mirror is not None
    hub.mirror.take(lambda: None, 10)
    pair.wake_up()
    assert pair.gas.application.flags[0] & COMMANDS_WAIT


def test_the_mirror_survives_in_the_memory(pair: Pair, home: Callable[..., Premises]) -> None:
    pair.wake_up()
    pair.wake_up()
    image = pair.hub.application.image()
    again = Host(home("again").hub)  # type: ignore[arg-type]
    again.application.restore(Saved("application", image))
    assert again.application.image() == image
    assert again.value(METERING, 0x0308, to=2) == pair.gas.device.identity.serial.encode()


def test_hubs_without_a_mirror_say_so(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    firmware = pair.hub.device.firmware
    assert firmware.zigbee is not None
    monkeypatch.setattr(pair.hub.device, "firmware", replace(firmware, zigbee=replace(firmware.zigbee, mirror=0)))
    pair.wake_up()
    assert pair.gas.application.mirror_endpoint == 0
    assert pair.hub.application.mirror is None


def test_reports_to_a_meter_are_no_mirrors(pair: Pair) -> None:
    report = global_frame(1, Command.REPORT, foundation.encode_report([Record(0, Type.U48, 1)]), Direction.TO_CLIENT)
    assert pair.gas.one(METERING, report.encode()).payload == bytes((Command.REPORT, Status.UNSUPPORTED_CLUSTER))
