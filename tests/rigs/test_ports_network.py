from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import serial
from serial import rfc2217

from rigs.ports import LineOptions, PortError
from rigs.ports.tcp import CONNECTIONS, PEERS

pytestmark = pytest.mark.filterwarnings("ignore:set:DeprecationWarning:serial")


def until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.002)


def dial(rig: Any) -> socket.socket:
    host, _, number = rig.port.address.rpartition(":")
    return socket.create_connection((host, int(number)), timeout=2)


def receive(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = client.recv(count - len(data))
        if not piece:
            break
        data += piece
    return data


def test_each_connection_has_its_stack(bench: Any) -> None:
    rig = bench("tcp+hdlc:0")
    with dial(rig) as one, dial(rig) as two:
        one.sendall(b"one")
        two.sendall(b"two")
        assert receive(one, 3) == b"ONE"
        assert receive(two, 3) == b"TWO"
        assert len(rig.port.lines) == 2
        one.close()
        until(lambda: len(rig.port.lines) == 1, "hang-up")
    assert rig.stacks[0].events == ["opened", "closed"]
    assert bytes(rig.stacks[1].heard) == b"two"


def test_a_stack_may_drop_its_connection_after_the_answer(bench: Any) -> None:
    rig = bench("tcp:0")
    with dial(rig) as client:
        client.sendall(b"drop")
        assert receive(client, 10) == b"bye"


def test_a_client_that_does_not_read_is_not_read(bench: Any) -> None:
    rig = bench("tcp:0")
    with dial(rig) as client:
        client.settimeout(0.3)
        sent = 0
        with pytest.raises(TimeoutError):
            while True:
                sent += client.send(b"x" * 65536)
        assert len(rig.stack.heard) < sent
        client.settimeout(2)
        assert receive(client, 1000) == b"X" * 1000


def test_too_many_connections_are_refused_and_the_others_served(bench: Any) -> None:
    rig = bench("tcp:0")
    clients = [dial(rig) for _ in range(CONNECTIONS)]
    clients[-1].sendall(b"in")
    assert receive(clients[-1], 2) == b"IN"
    with dial(rig) as extra, contextlib.suppress(ConnectionResetError):
        assert extra.recv(1) == b""
    assert rig.port.statistics()["connections refused"] == 1
    assert any("refused" in text for text in rig.explained)
    clients[0].sendall(b"ok")
    assert receive(clients[0], 2) == b"OK"
    for client in clients:
        client.close()


def test_a_port_in_use_is_one_line(bench: Any) -> None:
    rig = bench("tcp:0")
    number = rig.port.address.rpartition(":")[2]
    with pytest.raises(PortError, match="in use") as caught:
        bench(f"tcp:{number}")
    assert "\n" not in str(caught.value)
    with pytest.raises(PortError, match="address"):
        bench("tcp:203.0.113.1:0")
    with pytest.raises(PortError, match="unknown host"):
        bench("tcp:no-such-host.invalid:0")


def test_udp_peers_are_kept_apart_and_forgotten_in_the_end(bench: Any) -> None:
    rig = bench("udp:0")
    host, _, number = rig.port.address.rpartition(":")
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(PEERS + 3)]
    for client in clients:
        client.settimeout(2)
        client.sendto(b"hello", (host, int(number)))
        assert client.recvfrom(100)[0] == b"HELLO"
    assert len(rig.port.lines) == PEERS
    assert len(rig.stacks) == PEERS + 3
    clients[-1].sendto(b"again", (host, int(number)))
    assert clients[-1].recvfrom(100)[0] == b"AGAIN"
    assert len(rig.stacks) == PEERS + 3
    for client in clients:
        client.close()


def rfc2217_client(rig: Any, **settings: Any) -> serial.SerialBase:
    return serial.serial_for_url(f"rfc2217://{rig.port.address}", timeout=1, **settings)


def test_rfc2217_carries_octets_of_every_value(bench: Any) -> None:
    rig = bench("rfc2217:0")
    with rfc2217_client(rig, baudrate=9600) as client:
        data = bytes(range(256))
        client.write(data)
        assert client.read(256) == data.upper()
    assert bytes(rig.stack.heard) == data


def test_rfc2217_shows_rate_and_parity_to_the_line(bench: Any) -> None:
    def sign_on(stack: Any) -> None:
        stack.set_baud(300)
        stack.set_character("7E1")

    rig = bench("rfc2217:0", prepare=sign_on)
    with rfc2217_client(rig, baudrate=300, bytesize=7, parity="E") as client:
        client.write(b"/?!")
        assert client.read(3) == b"/?!"
        client.parity = "N"
        client.bytesize = 8
        client.write(b"ABC")
        client.timeout = 0.15
        assert client.read(3) == bytes([0x41, 0x42])  # C has odd parity and is dropped by the meter
        client.baudrate = 9600
        client.write(b"/?!")
        assert b"/?!" not in client.read(3)
    assert rig.stack.heard.startswith(b"/?!AB")
    assert any("300 Bd 7E1" in text for text in rig.explained)


def test_rfc2217_answers_at_seven_bits_reach_an_eight_bit_client_with_parity(bench: Any) -> None:
    def sign_on(stack: Any) -> None:
        stack.set_character("7E1")

    rig = bench("rfc2217:0", prepare=sign_on)
    with rfc2217_client(rig, baudrate=9600) as client:
        rig.call(lambda: rig.stack.transmit(b"\x06252\r\n"))
        assert client.read(6) == bytes.fromhex("06b235b28d0a")


def test_rfc2217_takes_one_client_at_a_time(bench: Any) -> None:
    rig = bench("rfc2217:0")
    with rfc2217_client(rig, baudrate=9600) as client:
        with dial(rig) as second, contextlib.suppress(ConnectionResetError):
            assert second.recv(1) == b""
        client.write(b"still")
        assert client.read(5) == b"STILL"
    until(lambda: rig.port.client is None, "hang-up")
    with rfc2217_client(rig, baudrate=9600) as client:
        client.write(b"next")
        assert client.read(4) == b"NEXT"
    assert len(rig.stacks) == 1
    assert rig.port.refused == 1


def test_rfc2217_break_and_control_lines_go_both_ways(bench: Any) -> None:
    rig = bench("rfc2217:0")
    rig.call(lambda: rig.port.set_modem(cts=False))
    assert rig.port.control_lines == {}
    with rfc2217_client(rig, baudrate=9600) as client:
        client.write(b"before")
        assert client.read(6) == b"BEFORE"
        client.send_break(0.01)
        assert client.read(1) == b"\0"
        assert bytes(rig.stack.heard) == b"before\0"
        assert rig.port.statistics()["breaks"] == 1
        client.rts, client.dtr = False, True
        until(lambda: rig.port.control_lines == {"rts": False, "dtr": True}, "control lines")
        client.dtr = False
        until(lambda: rig.port.control_lines == {"rts": False, "dtr": False}, "control lines")
        assert (client.cts, client.dsr, client.cd, client.ri) == (False, True, True, False)
        rig.call(lambda: rig.port.set_modem(cts=True, cd=False, ri=True))
        until(lambda: (client.cts, client.dsr, client.cd, client.ri) == (True, True, False, True), "modem lines")
        client.write(b"after")
        assert client.read(5) == b"AFTER"
    with pytest.raises(KeyError, match="no such control line"):
        rig.call(lambda: rig.port.set_modem(dtr=True))


JUNK = (
    rfc2217.IAC + rfc2217.SE,
    rfc2217.IAC + rfc2217.SB + rfc2217.COM_PORT_OPTION + rfc2217.SET_BAUDRATE + b"\x01" + rfc2217.IAC + rfc2217.SE,
    rfc2217.IAC + rfc2217.SB + rfc2217.COM_PORT_OPTION + rfc2217.SET_PARITY + b"\x77" + rfc2217.IAC + rfc2217.SE,
    rfc2217.IAC + rfc2217.SB + rfc2217.COM_PORT_OPTION + b"\x0a" + rfc2217.IAC + rfc2217.SE,
    rfc2217.IAC + rfc2217.SB + bytes(1000),
)


def test_rfc2217_telnet_that_makes_no_sense_ends_the_connection_only(bench: Any) -> None:
    rig = bench("rfc2217:0")
    for number, junk in enumerate(JUNK, 1):
        with dial(rig) as client, contextlib.suppress(ConnectionResetError):
            client.sendall(junk)
            while client.recv(100):
                pass
        assert sum("telnet" in text for text in rig.explained) == number
        until(lambda: rig.port.client is None, "hang-up")
    with rfc2217_client(rig, baudrate=9600) as client:
        client.write(b"next")
        assert client.read(4) == b"NEXT"


def test_everything_off_costs_one_call(bench: Any) -> None:
    rig = bench("tcp+hdlc:0", LineOptions())
    with dial(rig) as client:
        client.sendall(b"x")
        assert receive(client, 1) == b"X"
        assert rig.line.arrived.__qualname__.endswith("_direct.<locals>.arrived")
