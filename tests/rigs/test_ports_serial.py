from __future__ import annotations

import contextlib
import os
import pty
import select
import time
import tty
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from rigs.ports import LineOptions, PortError
from rigs.ports.serial_adaptor import SerialPort, find_adaptor
from rigs.ports.spec import parse_port
from rigs.ports.uart import SEVEN_BITS
from rigs.running import RunningRig

SNRM, DISC = bytes.fromhex("7ea0070321930f017e"), bytes.fromhex("7ea00703215303c77e")


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


def settled(port: Any, baud: int, framing: str = "8N1") -> bool:
    """Whether the UART comes to be set so; octets under way go first."""
    end = time.monotonic() + 5
    while (port._setting, port._uart.baudrate) != ((baud, framing), baud):
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def test_an_adaptor_carries_a_line_and_follows_its_rate(bench: Any, cable: tuple[int, str]) -> None:
    master, device = cable
    rig = bench(f"serial:{device}", prepare=lambda stack: stack.set_baud(300))
    os.write(master, b"hi")
    assert answer(master, 2) == b"HI"
    assert rig.port._uart.baudrate == 300
    os.write(master, b"baud 9600")
    assert answer(master, 2) == b"ok"
    assert settled(rig.port, 9600)
    os.write(master, b"there")
    assert answer(master, 5) == b"THERE"


def test_the_rate_changes_when_the_last_octet_has_left(bench: Any, cable: tuple[int, str]) -> None:
    """The system calls its queue empty while a UART still holds octets: ten characters at 300 Bd take 333 ms."""
    master, device = cable
    rig = bench(f"serial:{device}", prepare=lambda stack: stack.set_baud(300))
    os.write(master, b"0123456789")
    assert answer(master, 10) == b"0123456789"
    sent = time.monotonic()
    rig.call(lambda: rig.port.follow(9600, "8N1"))
    assert settled(rig.port, 9600)
    assert time.monotonic() - sent > 0.3


@pytest.mark.parametrize("parity", [False, True])
def test_an_adaptor_that_refuses_seven_bits_goes_on(bench: Any, cable: tuple[int, str], parity: bool) -> None:
    master, device = cable

    def seven(stack: Any) -> None:
        stack.set_baud(300)
        stack.set_character("7E1")

    rig = bench(f"serial:{device}", LineOptions(software_parity=parity), prepare=seven)
    os.write(master, b"/?")
    assert answer(master, 2) == (b"\xaf\x3f" if parity else b"/?")
    assert "refuses 300 Bd 7E1" in rig.explained[0]
    os.write(master, b"baud 9600")
    assert answer(master, 2).translate(SEVEN_BITS) == b"ok"
    assert settled(rig.port, 9600, "7E1")


@pytest.mark.parametrize("options", [{}, {"turnaround": True}, {"pacing": True, "echo": True}])
def test_a_meter_on_an_adaptor_goes_over_to_hdlc_and_back(
    smets1_rig: Callable[..., RunningRig],
    cable: tuple[int, str],
    options: dict[str, bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the UART is set to while octets go out, and where it is left: by a release, by silence, by a power cut."""
    master, device = cable
    rig = smets1_rig({"premises": [{"electricity": {"ports": {"optical": f"serial:{device}"}}}]}, line=options)
    meter, port = rig.premises["home"].electricity, cast("SerialPort", rig.rig.ports["home/electricity/optical"])
    used: list[tuple[int, str]] = []
    write = port.write

    def noted(data: bytes) -> None:
        used.append(port._last)
        write(data)

    monkeypatch.setattr(port, "write", noted)

    def ask(request: bytes, end: bytes) -> bytes:
        """The answer, which ends so; where the line echoes, the request comes back before it."""
        used.clear()
        os.write(master, request)
        said, least = b"", 2 + (len(request) if options.get("echo") else 0)
        while len(said) < least or not said.endswith(end):
            more = answer(master, 1)
            assert more, f"no answer to {request!r}, only {said!r}"
            said += more
        return said[least - 2 :]

    def hand_over() -> None:
        assert settled(port, 300)  # a port that takes HDLC at once listens to eight bits
        assert ask(b"/?!\r\n", b"\r\n")[:1] == b"/"
        assert used[-1] == (300, "7E1")
        assert settled(port, 300, "7E1")
        assert ask(b"\x06252\r\n", b"\r\n") == b"\x06252\r\n"
        assert used[-1] == (9600, "7E1")
        assert settled(port, 9600)

    hand_over()
    assert len(ask(SNRM, b"\x7e")) > 8
    assert used[-1] == (9600, "8N1")
    assert len(ask(DISC, b"\x7e")) > 8
    assert used[-1] == (9600, "8N1")
    hand_over()
    rig.clock.advance(minutes=5)
    hand_over()
    meter.power_off()
    assert settled(port, 300)


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
