"""Faults of frames: wrong as they say and not otherwise, so often, and over by themselves."""

from __future__ import annotations

import pytest

from emulator.faults.fault import Layer
from emulator.faults.injection import State
from emulator.faults.link import FAULTS as LINK_FAULTS
from emulator.time import SECOND
from protocols import wrapper
from protocols.hdlc import Frame, decode, encode, encode_address
from protocols.hdlc.frame import DM, FRMR, RNR, RR
from protocols.iec62056_21 import bcc

from .bare_line import AARQ, CLIENT, LLC, METER, NAME, Desk, Wire, frames


def _is_wrong(name: str, answer: bytes, right: bytes) -> bool:
    """Whether an answer is wrong as the fault says, and not otherwise."""
    found = frames(answer)
    (good,) = frames(right)
    match name:
        case "wrong-fcs" | "wrong-hcs" | "wrong-frame-length":
            return not found and len(answer) == len(right)
        case "truncated-frame":
            return not found and right.startswith(answer)
        case "wrong-receive-number":
            return found[0].control & 0x1F == good.control & 0x1F and found[0].control != good.control
        case "wrong-send-number":
            return found[0].control & 0xF1 == good.control & 0xF1 and found[0].control != good.control
        case "wrong-frame-address":
            return found[0].destination != CLIENT and found[0].source == METER
        case "unanswered-poll":
            return answer == b""
        case "spurious-dm":
            return [frame.control & ~0x10 for frame in found] == [DM]
        case "frame-reject":
            return [frame.control & ~0x10 for frame in found] == [FRMR] and found[0].information == b"\x32\x22\x01"
        case "receiver-not-ready":
            return [frame.control for frame in found] == [RNR | 0x10 | 1 << 5]
        case _:
            raise AssertionError(name)


@pytest.mark.parametrize(
    "name",
    [
        "wrong-fcs",
        "wrong-hcs",
        "wrong-receive-number",
        "wrong-send-number",
        "wrong-frame-length",
        "truncated-frame",
        "wrong-frame-address",
        "spurious-dm",
        "frame-reject",
        "receiver-not-ready",
        "unanswered-poll",
    ],
)
def test_so_many_frames_are_wrong_and_then_it_is_over(desk: Desk, name: str) -> None:
    other = desk.wire().open()
    right = other.frame(0x32, NAME)
    other.stack.closed()
    wire = desk.wire().open()
    injection = desk.start(name, frames=2)
    for left in (1, 0):
        assert injection.state is State.ACTIVE
        answer = wire.frame(0x32, NAME)
        assert _is_wrong(name, answer, right) or not left, answer.hex()
    assert injection.state is State.ENDED
    assert wire.stack.gate is None
    said = [text for text in wire.told if text.startswith(f"fault F1 ({name}): ")]
    assert len(said) == 2
    assert wire.stack.counters["spoilt by faults"] == 2
    assert desk.sentences[-1] == f"{injection} ends"


def test_a_request_that_was_refused_was_not_carried_out(desk: Desk) -> None:
    for name, taken in (("spurious-dm", 0), ("frame-reject", 0), ("receiver-not-ready", 0), ("unanswered-poll", 1)):
        wire = desk.wire().open()
        before = wire.stack.counters["frames received"]
        desk.start(name)
        wire.frame(0x32, NAME)
        assert wire.stack.counters["frames received"] == before + taken
        assert decode(wire.frame(0x32, NAME)).information[3:6] == b"\xc4\x01\xc1"
        wire.stack.closed()


def test_a_busy_device_goes_on_with_what_it_has_to_say(desk: Desk) -> None:
    wire = desk.wire().open()
    objects = LLC + bytes.fromhex("C001C1000F0000280000FF0200")
    assert decode(wire.frame(0x32, objects)).segmented
    desk.start("receiver-not-ready", frames=0)
    assert decode(wire.frame(RR | 0x10 | 2 << 5)).control == 0x54  # the next segment
    assert decode(wire.frame(0x54, NAME)).control == RNR | 0x10 | 2 << 5
    wire.stack.closed()
    wire.open_link()
    assert decode(wire.frame(RR | 0x10)).control == RNR | 0x10


def test_a_frame_is_repeated_in_place_of_the_next(desk: Desk) -> None:
    wire = desk.wire().open()
    injection = desk.start("repeated-frame")
    first = wire.frame(0x32, NAME)
    assert injection.state is State.ACTIVE
    assert wire.frame(0x54, NAME) == first
    assert injection.state is State.ENDED
    assert decode(wire.frame(0x76, NAME)).control == 0x96


def test_the_answer_to_every_third_frame_is_wrong(desk: Desk) -> None:
    """A fault that begins with a frame hits its answer already."""
    wire = desk.wire().open()
    right = wire.frame(0x32, NAME)
    injection = desk.faults.start("wrong-fcs", "home/electricity", when="frame 3", times=2)
    assert [wire.frame(0x32, NAME) == right for _ in range(9)] == [True, True, False, True, True, False] + [True] * 3
    assert (injection.state, injection.occurrences) == (State.ENDED, 2)
    assert wire.stack.gate is None


def test_another_stations_frames_are_left_alone(desk: Desk) -> None:
    wire = desk.wire().open()
    injection = desk.start("spurious-dm")
    assert wire.send(encode(Frame(encode_address(1, 17, 2), CLIENT, 0x32, NAME))) == b""
    assert injection.state is State.ACTIVE


def test_a_device_without_power_does_nothing_wrong(desk: Desk) -> None:
    wire = desk.wire().open()
    injection = desk.start("spurious-dm", frames=0)
    assert wire.frame(0x32, NAME)
    wire.stack.device.power_off()
    assert wire.frame(0x32, NAME) == b""
    desk.faults.end(injection.id)


@pytest.mark.parametrize("name", ["wrong-wrapper-length", "wrong-wrapper-version", "truncated-frame"])
def test_wrapper_messages_are_wrong(desk: Desk, name: str) -> None:
    wire = desk.wire("local-tcp")
    right = wire.send(wrapper.encode(16, 1, AARQ[3:]))
    injection = desk.start(name, **({"lines": "network"} if name == "truncated-frame" else {}))
    answer = wire.send(wrapper.encode(16, 1, NAME[3:]))
    length, version = int.from_bytes(answer[6:8], "big"), answer[:2]
    assert {
        "wrong-wrapper-length": version == b"\0\1" and length > len(answer) - 8,
        "wrong-wrapper-version": version != b"\0\1" and length == len(answer) - 8,
        "truncated-frame": version == b"\0\1" and length > len(answer) - 8,
    }[name]
    assert injection.state is State.ENDED
    assert right[:2] == b"\0\1"
    assert wrapper.decode(wire.send(wrapper.encode(16, 1, NAME[3:])))[2][:2] == b"\xc4\x01"


def _programming(wire: Wire) -> None:
    """Sign on as far as programming mode."""
    assert wire.send(b"/?!\r\n") or wire.wait(SECOND)
    assert wire.send(b"\x06051\r\n") or wire.wait(SECOND)


def test_text_is_wrong(desk: Desk) -> None:
    wire = desk.wire()
    injection = desk.start("wrong-block-check")
    assert wire.send(b"/?!\r\n").startswith(b"/") or wire.wait(SECOND)
    block = wire.send(b"\x06050\r\n") or b"".join(wire.wait(10 * SECOND))
    assert block.startswith(b"\x02")
    assert block[-1] != bcc(block[1:-1])
    assert injection.state is State.ENDED


def test_commands_are_answered_with_nak(desk: Desk) -> None:
    wire = desk.wire()
    _programming(wire)
    injection = desk.start("command-nak")
    command = b"\x01R1\x020-0:96.1.0()\x03"
    command += bytes((bcc(command[1:]),))
    assert wire.send(command) == b"\x15"
    assert injection.state is State.ENDED
    assert any("NAK is the answer" in text for text in wire.told)


def test_every_fault_of_frames_is_of_the_link_and_of_the_device() -> None:
    assert len(LINK_FAULTS) >= 8
    for fault in LINK_FAULTS:
        assert fault.layer is Layer.LINK
        assert fault.parameters[0].name == "frames"
