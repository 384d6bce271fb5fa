"""Tunnels: DLMS through ZCL."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from emulator.electricity import ElectricityMeter
from emulator.load import MICRO, Constant
from emulator.premises import Premises
from emulator.time import MINUTE, SECOND, Clock
from protocols import obis, wrapper
from protocols.dlms import axdr
from protocols.dlms.client import Attribute, Client, ClientSettings, Exchange
from protocols.zigbee.zcl.clusters import decode_command, encode_command
from protocols.zigbee.zcl.foundation import Command, Status
from protocols.zigbee.zcl.header import Direction, Frame, FrameType, cluster_frame

from .conftest import Host

Esme = Callable[..., ElectricityMeter]
TUNNELING = 0x0704
ASK = {"protocol": 0, "manufacturer": 0xFFFF, "flow_control": 0, "maximum": 300}


@pytest.fixture
def meter(esme: Esme) -> Host:
    """An electricity meter."""
    return Host(esme(Constant(500 * MICRO), days=1))


def transfer(host: Host, tunnel: int, data: bytes) -> bytes:
    """Octets into a tunnel; what comes out of it."""
    payload = encode_command(TUNNELING, Direction.TO_SERVER, 0x02, {"tunnel": tunnel, "data": data})
    back = b""
    for message in host.zcl(TUNNELING, cluster_frame(7, 0x02, payload).encode()):
        frame = Frame.decode(message.payload)
        if frame.type is FrameType.GLOBAL:
            assert frame.payload == b"\x02\x00"
            continue
        assert frame.command == 0x01
        found = decode_command(TUNNELING, Direction.TO_CLIENT, frame.command, frame.payload)
        assert found["tunnel"] == tunnel
        back += found["data"]
    return back


def run(host: Host, tunnel: int, client: Client, exchange: Exchange[Any], wrapped: bool) -> Any:
    """A DLMS exchange through a tunnel."""
    while not exchange.done:
        due = client.to_send()
        assert due
        for apdu in due:
            said = transfer(host, tunnel, wrapper.encode(16, 1, apdu) if wrapped else apdu)
            client.receive(said[8:] if wrapped else said)
    return exchange.result()


@pytest.mark.parametrize("wrapped", [True, False])
def test_the_register_is_read_through_a_tunnel(meter: Host, wrapped: bool) -> None:
    command, opened = meter.command(TUNNELING, 0x00, **ASK)
    assert (command, opened["status"], opened["maximum"]) == (0x00, 0, 512)
    client = Client(ClientSettings(), Random(1).randbytes)
    run(meter, opened["tunnel"], client, client.associate(), wrapped)
    name = run(meter, opened["tunnel"], client, client.get(Attribute(1, obis.parse("0-0:42.0.0"), 2)), wrapped)
    assert axdr.decode_all(name).value == b"GEN1234567890123"
    assert meter.command(TUNNELING, 0x01, tunnel=opened["tunnel"]) == (Command.DEFAULT_RESPONSE, Status.SUCCESS)
    closed = meter.command(TUNNELING, 0x01, tunnel=opened["tunnel"])
    assert closed == (Command.DEFAULT_RESPONSE, Status.NOT_FOUND)


def test_a_gas_meter_is_reached_too(home: Callable[..., Premises]) -> None:
    gas = Host(home().gas)  # type: ignore[arg-type]
    _, opened = gas.command(TUNNELING, 0x00, **{**ASK, "maximum": 20})
    client = Client(ClientSettings(), Random(1).randbytes)
    run(gas, opened["tunnel"], client, client.associate(), True)
    serial = run(gas, opened["tunnel"], client, client.get(Attribute(1, obis.parse("0-0:42.0.0"), 2)), True)
    assert axdr.decode_all(serial).value == b"GEN" + gas.device.identity.serial.encode()


@pytest.mark.parametrize(
    ("change", "status"), [({"protocol": 1}, 3), ({"manufacturer": 5}, 3), ({"flow_control": 1}, 4)]
)
def test_tunnels_of_another_kind(meter: Host, change: dict[str, int], status: int) -> None:
    _, found = meter.command(TUNNELING, 0x00, **{**ASK, **change})
    assert (found["tunnel"], found["status"]) == (0xFFFF, status)


def test_there_is_room_for_four(meter: Host) -> None:
    opened = [meter.command(TUNNELING, 0x00, **ASK)[1] for _ in range(5)]
    assert [each["status"] for each in opened] == [0, 0, 0, 0, 2]
    assert len({each["tunnel"] for each in opened[:4]}) == 4


def test_a_tunnel_is_its_owners(meter: Host) -> None:
    _, opened = meter.command(TUNNELING, 0x00, **ASK)
    tunnel = opened["tunnel"]
    meter.eui64 = bytes(8)
    answer = meter.command(TUNNELING, 0x02, tunnel=tunnel, data=b"\x60")
    assert answer == (0x02, {"tunnel": tunnel, "status": 1})
    assert meter.command(TUNNELING, 0x01, tunnel=tunnel)[1] == Status.NOT_AUTHORIZED
    assert meter.command(TUNNELING, 0x02, tunnel=99, data=b"")[1] == {"tunnel": 99, "status": 0}


def test_a_transfer_that_is_too_long(meter: Host) -> None:
    _, opened = meter.command(TUNNELING, 0x00, **ASK)
    answer = meter.command(TUNNELING, 0x02, tunnel=opened["tunnel"], data=bytes(600))
    assert answer == (0x02, {"tunnel": opened["tunnel"], "status": 2})


def test_a_silent_tunnel_is_closed(meter: Host, clock: Clock) -> None:
    _, opened = meter.command(TUNNELING, 0x00, **ASK)
    clock.advance_to(clock.now + 9 * MINUTE)
    transfer(meter, opened["tunnel"], b"\x00")
    meter.air.sent.clear()
    clock.advance_to(clock.now + 10 * MINUTE - SECOND)
    assert meter.air.sent == []
    clock.advance_to(clock.now + SECOND)
    ((_, said),) = meter.air.sent
    frame = Frame.decode(said.payload)
    assert (frame.command, frame.direction) == (0x06, Direction.TO_CLIENT)
    assert frame.payload == opened["tunnel"].to_bytes(2, "little")


def test_power_loss_forgets_tunnels(meter: Host, clock: Clock) -> None:
    _, opened = meter.command(TUNNELING, 0x00, **ASK)
    meter.device.power_off()
    meter.device.power_on()
    clock.advance_to(meter.device.ready_at)
    assert meter.command(TUNNELING, 0x02, tunnel=opened["tunnel"], data=b"")[1]["status"] == 0
    meter.air.sent.clear()
    clock.advance_to(clock.now + 20 * MINUTE)
    assert meter.air.sent == []


def test_protocols(meter: Host) -> None:
    _, found = meter.command(TUNNELING, 0x06, offset=0)
    assert found == {"complete": 1, "protocols": [{"manufacturer": 0xFFFF, "protocol": 0}]}
