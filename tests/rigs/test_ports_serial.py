from __future__ import annotations

import contextlib
import os
import pty
import select
import time
import tty
from collections.abc import Iterator
from typing import Any

import pytest

from rigs.ports import PortError
from rigs.ports.serial_adaptor import find_adaptor
from rigs.ports.spec import parse_port


@pytest.fixture
def cable() -> Iterator[tuple[int, str]]:
    """A pseudo terminal as the cable: the client's end, and the device the adaptor is."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    for descriptor in (master, slave):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def answer(master: int, count: int) -> bytes:
    data = b""
    while len(data) < count and select.select([master], [], [], 2)[0]:
        data += os.read(master, count - len(data))
    return data


def test_an_adaptor_carries_a_line_and_follows_its_rate(bench: Any, cable: tuple[int, str]) -> None:
    master, device = cable
    rig = bench(f"serial:{device}", prepare=lambda stack: stack.set_baud(300))
    os.write(master, b"hi")
    assert answer(master, 2) == b"HI"
    assert rig.port._uart.baudrate == 300
    os.write(master, b"baud 9600")
    assert answer(master, 2) == b"ok"
    assert rig.port._uart.baudrate == 9600
    os.write(master, b"there")
    assert answer(master, 5) == b"THERE"


def test_an_adaptor_that_refuses_seven_bits_goes_on(bench: Any, cable: tuple[int, str]) -> None:
    master, device = cable

    def seven(stack: Any) -> None:
        stack.set_baud(300)
        stack.set_character("7E1")

    rig = bench(f"serial:{device}", prepare=seven)
    os.write(master, b"/?")
    assert answer(master, 2) == b"/?"
    os.write(master, b"baud 9600")
    assert answer(master, 2) == b"ok"
    assert rig.port._uart.baudrate == 9600


def test_pulling_the_adaptor_out_is_told_in_one_line(bench: Any) -> None:
    master, slave = pty.openpty()
    rig = bench(f"serial:{os.ttyname(slave)}")
    os.close(slave)
    failures: list[PortError] = []
    rig.port.failed = failures.append
    os.close(master)
    end = time.monotonic() + 5
    while not failures and time.monotonic() < end:
        time.sleep(0.005)
    assert "unplugged" in str(failures[0])
    assert rig.stack.events == ["closed"]


def test_errors_are_one_line(bench: Any, cable: tuple[int, str]) -> None:
    _, device = cable
    bench(f"serial:{device}")
    for text, words in (
        (f"serial:{device}", "another program"),
        ("serial:/dev/no-such-adaptor", "no such device"),
        ("serial:/dev/null", "not a serial device"),
    ):
        with pytest.raises(PortError, match=words) as caught:
            bench(text)
        assert "\n" not in str(caught.value)


def test_an_adaptor_is_found_by_its_usb_number(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plugged:
        serial_number = "A50285BI"
        device = "/dev/ttyUSB7"

    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [Plugged()])
    assert find_adaptor(parse_port("serial:usb:A50285BI")) == "/dev/ttyUSB7"
    with pytest.raises(PortError, match=r"A50285BI \(/dev/ttyUSB7\)"):
        find_adaptor(parse_port("serial:usb:OTHER"))
