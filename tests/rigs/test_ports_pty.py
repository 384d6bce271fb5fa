from __future__ import annotations

import fcntl
import os
import select
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import serial

from rigs.ports import LineOptions, PortError

BAUD_OFF = LineOptions(baud=False)


def until(condition: Callable[[], Any], what: str = "condition") -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.002)


def unread(rig: Any) -> int:
    """Octets that the kernel has for the rig."""
    return int.from_bytes(fcntl.ioctl(rig.port._master, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_a_client_is_answered_and_may_close_and_come_back(bench: Any, tmp_path: Path) -> None:
    rig = bench("pty:./meter")
    for _ in range(3):
        with serial.Serial(str(tmp_path / "meter"), 9600, timeout=2) as client:
            client.write(b"hello")
            assert client.read(5) == b"HELLO"
        count = len(rig.stack.events)
        until(lambda count=count: len(rig.stack.events) >= count and rig.stack.events[-1:] == ["closed"], "hang-up")
    assert len(rig.stacks) == 1


def test_what_a_client_did_not_read_is_not_read_by_the_next(bench: Any, tmp_path: Path) -> None:
    rig = bench("pty:./meter", BAUD_OFF)
    path = str(tmp_path / "meter")
    first = os.open(path, os.O_RDWR | os.O_NOCTTY)
    os.write(first, b"left over")
    until(lambda: select.select([first], [], [], 0)[0], "answer")
    os.close(first)
    until(lambda: rig.stack.events == ["closed"], "hang-up")
    second = os.open(path, os.O_RDWR | os.O_NOCTTY)
    os.write(second, b"mine")
    assert select.select([second], [], [], 2)[0]
    assert os.read(second, 100) == b"MINE"
    os.close(second)


def test_settings_made_before_the_first_octet_last(bench: Any, tmp_path: Path) -> None:
    rig = bench("pty:./meter")
    path = str(tmp_path / "meter")
    with serial.Serial(path, 9600):
        pass
    client = os.open(path, os.O_RDWR | os.O_NOCTTY)
    os.write(client, b"x")
    assert select.select([client], [], [], 2)[0]
    assert os.read(client, 10) == b"X"
    os.close(client)
    assert rig.line.statistics()["octets in"] == 1


def test_a_large_answer_comes_whole(bench: Any, tmp_path: Path) -> None:
    rig = bench("pty:./meter", BAUD_OFF)
    with serial.Serial(str(tmp_path / "meter"), 9600, timeout=5) as client:
        client.write(b"hi")
        assert client.read(2) == b"HI"
        text = os.urandom(200_000)
        rig.call(lambda: rig.stack.transmit(text))
        assert client.read(len(text)) == text
    assert rig.port.lost == 0


def test_with_nobody_there_octets_are_lost_and_memory_is_not(bench: Any) -> None:
    rig = bench("pty:./meter", BAUD_OFF)
    for _ in range(50):
        rig.call(lambda: rig.stack.transmit(bytes(10_000)))
    assert rig.port.lost > 300_000


def test_a_stale_link_is_replaced_and_ours_taken_away(bench: Any, tmp_path: Path) -> None:
    link = tmp_path / "meter"
    link.symlink_to("/dev/pts/99999")
    rig = bench("pty:./meter")
    assert link.resolve().exists()
    assert rig.port.address == str(link)
    rig.call(rig.port.close)
    assert not link.is_symlink()
    assert rig.stack.events == ["closed"]


def test_a_link_of_a_rig_that_runs_is_not_taken(bench: Any, tmp_path: Path) -> None:
    old = bench("pty:./meter")
    target = (tmp_path / "meter").readlink()
    (tmp_path / "other").symlink_to(tmp_path)
    for text in ("pty:./meter", "pty:other/meter"):
        with pytest.raises(PortError, match="another rig"):
            bench(text)
    assert (tmp_path / "meter").readlink() == target
    old.call(old.port.close)
    bench("pty:./meter")
    assert (tmp_path / "meter").exists()


def test_a_link_that_is_not_ours_any_more_is_left_alone(bench: Any, tmp_path: Path) -> None:
    rig = bench("pty:./meter")
    (tmp_path / "meter").unlink()
    (tmp_path / "meter").symlink_to("/dev/null")
    rig.call(rig.port.close)
    assert (tmp_path / "meter").readlink() == Path("/dev/null")


def test_a_file_is_not_overwritten(bench: Any, tmp_path: Path) -> None:
    (tmp_path / "meter").write_text("mine")
    with pytest.raises(PortError, match="not a link"):
        bench("pty:./meter")
    assert (tmp_path / "meter").read_text() == "mine"
    (tmp_path / "link").symlink_to(tmp_path / "meter")
    with pytest.raises(PortError, match=r"a link to .*meter is there already"):
        bench("pty:./link")
    assert (tmp_path / "link").read_text() == "mine"
    with pytest.raises(PortError, match="no folder"):
        bench("pty:./no/such/meter")


def test_the_wrong_rate_is_garbage_both_ways_and_the_same_each_time(bench: Any, tmp_path: Path) -> None:
    results: list[tuple[bytes, bytes]] = []
    for name in ("a", "b"):
        rig = bench(f"pty:./{name}")
        with serial.Serial(str(tmp_path / name), 4800, timeout=1) as client:
            client.write(b"hello world")
            until(lambda rig=rig: rig.stack.heard, "garbage")
            client.timeout = 0.4
            answer = client.read(100)
            assert b"hello" not in rig.stack.heard.lower()
            assert b"HELLO" not in answer
            assert any("4800 Bd" in text for text in rig.explained)
            results.append((bytes(rig.stack.heard), answer))
            client.baudrate = 9600
            client.write(b"again")
            assert client.read(5) == b"AGAIN"
        assert rig.line.statistics()["garbled in"] == 11
    assert results[0] == results[1]


def test_an_answer_at_a_new_rate_waits_for_the_client_to_follow(bench: Any, tmp_path: Path) -> None:
    rig = bench("pty:./meter", prepare=lambda stack: stack.set_baud(300))
    with serial.Serial(str(tmp_path / "meter"), 300, timeout=2) as client:
        client.write(b"baud 9600")
        until(lambda: rig.stack.baud == 9600)
        client.baudrate = 9600
        assert client.read(2) == b"ok"
    assert "garbled out" not in rig.line.statistics()


@pytest.mark.parametrize("follows", [True, False])
def test_octets_written_before_the_client_changed_its_rate_are_heard(bench: Any, tmp_path: Path, follows: bool) -> None:
    def silent_after_x(stack: Any) -> None:
        answer = stack.receive

        def receive(data: bytes, now: int) -> bytes:
            if data == b"x":
                return bytes(answer(data, now))
            stack.heard += data
            if follows and b"!" in data:
                stack.set_baud(300)
            return b""

        stack.receive = receive

    rig = bench("pty:./meter", prepare=silent_after_x)
    stack = rig.stack
    with serial.Serial(str(tmp_path / "meter"), 9600, timeout=2) as client:
        client.write(b"x")
        assert client.read(1) == b"X"

        def at_once() -> None:  # on the loop, so that all of it is there when the rig looks
            client.write(b"end!")
            client.baudrate = 300
            client.write(b"anew")
            until(lambda: unread(rig) == 8, "what was written")

        rig.call(at_once)
        until(lambda: len(stack.heard) >= 9, "octets")
        assert bytes(stack.heard) == b"xend!anew"
        if not follows:
            client.write(b"lost")
            until(lambda: rig.line.statistics().get("garbled in") == 4, "garbage")


def test_an_odd_rate_is_seen(bench: Any, tmp_path: Path) -> None:
    rig = bench("pty:./meter", prepare=lambda stack: stack.set_baud(12345))
    with serial.Serial(str(tmp_path / "meter"), 12345, timeout=2) as client:
        client.write(b"odd")
        assert client.read(3) == b"ODD"
        assert rig.call(rig.port.rate) == 12345


def test_bit_seven_is_ignored_during_sign_on_and_parity_can_be_put_there(bench: Any, tmp_path: Path) -> None:
    def seven(stack: Any) -> None:
        stack.set_character("7E1")

    rig = bench("pty:./plain", prepare=seven)
    with serial.Serial(str(tmp_path / "plain"), 9600, timeout=2) as client:
        client.write(bytes([ord("/") | 0x80, ord("?")]))
        assert client.read(2) == b"/?"
        assert rig.stack.heard == b"/?"
    bench("pty:./parity", LineOptions(software_parity=True), prepare=seven)
    with serial.Serial(str(tmp_path / "parity"), 9600, timeout=2) as client:
        client.write(b"/?")
        assert client.read(2) == bytes([ord("/") | 0x80, ord("?")])


def test_echo_gives_a_client_its_own_octets_first(bench: Any, tmp_path: Path) -> None:
    bench("pty:./meter", LineOptions(echo=True))
    with serial.Serial(str(tmp_path / "meter"), 9600, timeout=2) as client:
        client.write(b"abc")
        assert client.read(6) == b"abcABC"


def test_pacing_and_turnaround_take_their_time(bench: Any, tmp_path: Path) -> None:
    def slow(stack: Any) -> None:
        stack.set_baud(1200)
        stack.turnaround = 50_000_000

    rig = bench("pty:./meter", LineOptions(pacing=True, turnaround=True), prepare=slow)
    with serial.Serial(str(tmp_path / "meter"), 1200, timeout=5) as client:
        begun = time.monotonic()
        client.write(b"0123456789")
        assert client.read(10) == b"0123456789"
        # Ten characters of 8.33 ms; the answer to the last comes after the turnaround and takes one character more.
        assert time.monotonic() - begun > 0.0833 + 0.05 + 0.0083
    assert rig.line.statistics()["octets in"] == 10


def test_options_and_tap_change_while_the_line_runs(bench: Any, tmp_path: Path) -> None:
    rig = bench("pty:./meter", BAUD_OFF)
    seen: list[tuple[int, bool, bytes]] = []
    with serial.Serial(str(tmp_path / "meter"), 9600, timeout=2) as client:
        client.write(b"one")
        assert client.read(3) == b"ONE"

        def listen() -> None:
            rig.line.tap = lambda *what: seen.append(what)

        rig.call(listen)
        client.write(b"two")
        assert client.read(3) == b"TWO"
        rig.call(lambda: setattr(rig.line, "tap", None))
        client.write(b"six")
        assert client.read(3) == b"SIX"
    assert seen == [(0, True, b"two"), (0, False, b"TWO")]


def test_time_outs_of_the_stack_send_by_themselves(bench: Any, tmp_path: Path) -> None:
    rig = bench("pty:./meter", BAUD_OFF)
    with serial.Serial(str(tmp_path / "meter"), 9600, timeout=2) as client:
        client.write(b"late1000")
        until(lambda: rig.stack.deadline is not None)
        rig.call(lambda: rig.driver.advance(999))
        assert rig.stack.timeouts == []
        rig.call(lambda: rig.driver.advance(1))
        assert client.read(5) == b"late!"
        assert rig.stack.timeouts == [1000]


def test_many_terminals(bench: Any, tmp_path: Path) -> None:
    for number in range(20):
        bench(f"pty:./m{number}")
    clients = [serial.Serial(str(tmp_path / f"m{number}"), 9600, timeout=2) for number in range(20)]
    for number, client in enumerate(clients):
        client.write(f"n{number:02}".encode())
    for number, client in enumerate(clients):
        assert client.read(3) == f"N{number:02}".encode()
        client.close()
