"""What a display asks at the gas meter's mirror: held while the meter sleeps, passed on when it has reported."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.han.message import Arrival, Message
from emulator.premises import Premises
from emulator.smart_energy.holding import HELD, MOST
from protocols.zigbee.zcl.clusters import decode_command, encode_command
from protocols.zigbee.zcl.foundation import Command, Status, decode_default_response
from protocols.zigbee.zcl.header import Direction, Frame, cluster_frame

from ..conftest import DeviceSpec, Prepayment
from .conftest import SMART_ENERGY
from .test_mirror import GAS, METERING, PREPAYMENT, Pair

DISPLAY, DISPLAY_EUI = 0x3333, bytes.fromhex("00124B0000000003")


@pytest.fixture
def pair(home: Callable[..., Premises]) -> Pair:
    """A gas meter in prepayment mode and the hub that mirrors it, with a display beside them."""
    made = Pair(home(gas=DeviceSpec(prepayment=Prepayment(500))))
    made.wake_up()
    made.wake_up()
    made.hub.air.known = {DISPLAY_EUI: DISPLAY, made.hub.eui64: GAS}
    return made


def ask(pair: Pair, sequence: int, cluster: int, command: int, **values: object) -> list[Message]:
    """The display asks something at the mirror's endpoint 2; the hub's answers."""
    payload = encode_command(cluster, Direction.TO_SERVER, command, values)
    meter, pair.hub.source, pair.hub.eui64 = (pair.hub.source, pair.hub.eui64), DISPLAY, DISPLAY_EUI
    try:
        frame = cluster_frame(sequence, command, payload).encode()
        return pair.hub.deliver(Message(SMART_ENERGY, cluster, 7, 2, frame, True))
    finally:
        pair.hub.source, pair.hub.eui64 = meter


def report(pair: Pair) -> list[tuple[int, Message]]:
    """The meter wakes up and reports: what the hub sends beside its answers to that, to whom."""
    pair.gas.device.settle()
    before = len(pair.hub.air.sent)
    for message in pair.gas.application.wake_up_reports():
        pair.hub.deliver(message)
    sent = pair.hub.air.sent[before:]
    return [(to, each) for to, each in sent if (each.cluster, Frame.decode(each.payload).command) in HELD]


def answer(pair: Pair, command: Message) -> tuple[int, Message]:
    """What the meter answers to a command, and what the hub makes of that."""
    (said,) = pair.gas.deliver(command)
    before = len(pair.hub.air.sent)
    pair.hub.application.receive(Arrival(pair.hub.source, pair.hub.eui64, said))
    ((to, message),) = pair.hub.air.sent[before:]
    return to, message


def test_a_token_waits_for_the_meter_and_its_result_comes_back(pair: Pair) -> None:
    assert ask(pair, 9, PREPAYMENT, 0x04, device=2, code=b"12345678901234567890") == []
    ((to, command),) = report(pair)
    assert (to, command.source_endpoint, command.destination_endpoint) == (GAS, 2, 1)
    to, message = answer(pair, command)
    frame = Frame.decode(message.payload)
    assert (to, message.source_endpoint, message.destination_endpoint, frame.sequence) == (DISPLAY, 2, 7, 9)
    result = decode_command(PREPAYMENT, Direction.TO_CLIENT, frame.command, frame.payload)
    assert (result["result"], result["source"]) == (1, 2)
    assert report(pair) == []


def test_a_default_response_comes_back_too(pair: Pair) -> None:
    ask(pair, 3, PREPAYMENT, 0x00, time=0, device=2)
    ((_, command),) = report(pair)
    to, message = answer(pair, command)
    frame = Frame.decode(message.payload)
    assert (to, frame.sequence, frame.command) == (DISPLAY, 3, Command.DEFAULT_RESPONSE)
    assert decode_default_response(frame.payload) == (0x00, Status.ACTION_DENIED)


def test_there_is_room_for_so_many_and_the_mirror_knows_no_more(pair: Pair) -> None:
    for sequence in range(MOST):
        assert ask(pair, sequence, METERING, 0x0C, status=1) == []
    (refused,) = ask(pair, 99, METERING, 0x0C, status=1)
    assert decode_default_response(refused.payload[3:]) == (0x0C, Status.INSUFFICIENT_SPACE)
    assert len(report(pair)) == MOST
    (unknown,) = ask(pair, 100, METERING, 0x00, channel=0, end_time=0, periods=1)
    assert decode_default_response(unknown.payload[3:]) == (0x00, Status.UNSUP_CLUSTER_COMMAND)


def test_a_hub_that_starts_anew_has_forgotten(pair: Pair) -> None:
    ask(pair, 4, METERING, 0x0C, status=1)
    hub = pair.hub.device
    hub.reboot()
    hub.clock.advance_to(hub.ready_at)
    assert report(pair) == []
