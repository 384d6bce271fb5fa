from __future__ import annotations

import contextlib
import os
import pty
import select
import shutil
import subprocess
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import serial

from emulator.uart import SEVEN_BITS
from rigs.ports import LineOptions, PortError
from rigs.ports.port import AdaptorOptions
from rigs.ports.serial_adaptor import SerialPort, find_adaptor
from rigs.ports.spec import parse_port
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


def plugged_in(link: Path) -> int:
    """A new pseudo terminal behind a link, as an adaptor that comes under the name it had; the client's end."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    fresh = link.with_name("fresh")
    fresh.symlink_to(os.ttyname(slave))
    fresh.replace(link)
    os.close(slave)
    return master


def electricity(port: str) -> dict[str, object]:
    """A rig of one electricity meter on a port."""
    return {"premises": [{"hub": None, "gas": None, "electricity": {"ports": {"optical": port}}}]}


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_an_adaptor_is_pulled_out_and_plugged_in_again(bench: Any, tmp_path: Path) -> None:
    """The device behind is the same, and its port another terminal; what it says meanwhile is lost."""
    link = tmp_path / "by-id"
    cable = plugged_in(link)
    rig = bench(f"serial:{link}")
    os.write(cable, b"before")
    assert answer(cable, 6) == b"BEFORE"
    failures: list[PortError] = []
    rig.port.failed = failures.append
    os.close(cable)
    until(lambda: not rig.port.plugged and rig.explained)
    assert "was unplugged; it is waited for" in rig.explained[-1]
    assert rig.stack.events == ["closed"]
    rig.call(lambda: rig.stack.transmit(b"lost"))
    assert rig.port.statistics()["octets nobody took"] == 4
    cable = plugged_in(link)
    until(lambda: rig.port.plugged)
    assert rig.explained[-1] == f"plugged in again, as {link}"
    os.write(cable, b"after")
    assert answer(cable, 5) == b"AFTER"
    assert rig.stack.events == ["closed", "opened"]
    assert len(rig.stacks) == 1
    assert failures == []
    os.close(cable)


def test_a_meter_keeps_its_state_while_its_adaptor_is_out(
    smets1_rig: Callable[..., RunningRig], tmp_path: Path
) -> None:
    link = tmp_path / "by-id"
    cable = plugged_in(link)
    rig = smets1_rig(electricity(f"serial:{link}"))
    port = cast("SerialPort", rig.rig.ports["home/electricity/optical"])
    os.write(cable, SNRM)
    assert answer(cable, 9)[:1] == b"\x7e"
    os.close(cable)
    until(lambda: not port.plugged)
    rig.clock.advance(minutes=1)
    cable = plugged_in(link)
    until(lambda: port.plugged and settled(port, 300))
    os.write(cable, b"/?!\r\n")
    assert answer(cable, 4)[:1] == b"/"
    assert rig.premises["home"].electricity.statistics["optical"]["unplugged"] == 1
    os.close(cable)


def test_closing_while_the_adaptor_is_out_ends_the_search(bench: Any, tmp_path: Path) -> None:
    link = tmp_path / "by-id"
    cable = plugged_in(link)
    rig = bench(f"serial:{link}")
    os.close(cable)
    until(lambda: not rig.port.plugged)
    rig.call(rig.port.close)
    assert rig.port._looking is None
    assert rig.port.lines == []


def test_rts_turns_the_driver_of_a_two_wire_line_on(
    bench: Any, cable: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal has no RS-485 mode, as many adaptors: RTS is on from the first octet until the last has left."""
    master, device = cable
    levels: list[tuple[bool, float]] = []
    monkeypatch.setattr(serial.Serial, "_update_dtr_state", lambda uart: None)
    monkeypatch.setattr(
        serial.Serial, "_update_rts_state", lambda uart: levels.append((uart._rts_state, time.monotonic()))
    )
    rig = bench(f"serial:{device}", prepare=lambda stack: stack.set_baud(300), adaptor=AdaptorOptions(rs485=True))
    assert "has no RS-485 mode" in rig.explained[0]
    assert [on for on, _ in levels] == [False]
    os.write(master, b"0123")
    assert answer(master, 4) == b"0123"
    until(lambda: len(levels) == 3)
    assert [on for on, _ in levels] == [False, True, False]
    assert 4 * 10 / 300 <= levels[2][1] - levels[1][1] < 1


def test_an_adaptor_without_rts_says_so_once(bench: Any, cable: tuple[int, str]) -> None:
    master, device = cable
    rig = bench(f"serial:{device}", adaptor=AdaptorOptions(rs485=True, low_latency=True))
    for _ in range(2):
        os.write(master, b"hi")
        assert answer(master, 2) == b"HI"
    assert sum("has no RTS" in text for text in rig.explained) == 1
    assert sum("no low-latency setting" in text for text in rig.explained) == 1


def test_the_lines_that_power_a_head_are_set_when_it_is_opened(
    bench: Any, cable: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    levels: dict[str, bool] = {}
    monkeypatch.setattr(serial.Serial, "_update_rts_state", lambda uart: levels.update(rts=uart._rts_state))
    monkeypatch.setattr(serial.Serial, "_update_dtr_state", lambda uart: levels.update(dtr=uart._dtr_state))
    bench(f"serial:{cable[1]}", adaptor=AdaptorOptions(rts=False, dtr=True))
    assert levels == {"rts": False, "dtr": True}


@pytest.mark.interop
def test_a_client_of_pyserial_reads_through_a_cable_of_socat(
    smets1_rig: Callable[..., RunningRig], tmp_path: Path
) -> None:
    """Two terminals with socat between them: the rig has one end as an adaptor, pyserial the other."""
    if shutil.which("socat") is None:
        pytest.fail("socat is missing: apt-get install socat")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    command = ["socat", f"pty,rawer,link={ours}", f"pty,rawer,link={theirs}"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as cable:
        try:
            until(lambda: ours.exists() and theirs.exists())
            rig = smets1_rig(electricity(f"serial:{ours}"))
            with pytest.raises(serial.SerialException, match="exclusively lock"):
                serial.Serial(str(ours), exclusive=True)
            with serial.Serial(str(theirs), 300, timeout=2) as client:
                client.write(b"/?!\r\n")
                assert client.readline().startswith(b"/")
            assert rig.premises["home"].electricity.statistics["optical"]["sign-ons"] == 1
        finally:
            cable.terminate()


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
