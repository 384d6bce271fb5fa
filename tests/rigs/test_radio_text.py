"""The line of a radio processor in words."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from protocols.zigbee import ash
from protocols.zigbee.ezsp import keys, networking
from protocols.zigbee.ezsp.frame import CALLBACK, RESPONSE, Frame
from protocols.zigbee.mt import Frame as MtFrame
from protocols.zigbee.mt import Kind
from rigs.capture import Capture
from rigs.ports import parse_port
from rigs.radio_text import RadioText
from rigs.trace import Trace

STATE = {"options": 0x0300, "preconfigured_key": b"P" * 16, "network_key": b"N" * 16, "key_sequence": 0}


def data(control: int, frame: Frame) -> bytes:
    return ash.encode(control, ash.randomise(frame.encode()))


def test_a_start() -> None:
    text = RadioText()
    assert text.see(True, bytes.fromhex("1A1AC038BC7E")) == ["RST"]
    assert text.see(False, bytes.fromhex("C102")) == []
    assert text.see(False, bytes.fromhex("0B0A527E")) == ["RSTACK software"]
    assert text.see(True, bytes.fromhex("004221A850ED2C7E")) == ["DATA 0, ACK 0 | EZSP 0 version(desired 4)"]
    assert text.see(False, bytes.fromhex("8160597E")) == ["ACK 1"]
    assert text.see(False, bytes.fromhex("0142A1A85C2835D8E2587E")) == [
        "DATA 0, ACK 1 | EZSP 0 =version(protocol 8, stack_type 2, stack 27168)"
    ]


def test_callbacks_refusals_and_frames_that_are_spoilt() -> None:
    text = RadioText()
    told = Frame(7, CALLBACK, networking.STACK_STATUS.id, b"\x90")
    assert text.see(False, data(0x58, told)) == ["DATA 5 again, ACK 0 | EZSP 7 callback stackStatusHandler(status 144)"]
    assert text.see(False, data(0x10, Frame(8, RESPONSE, 0x58, b"\x31")))[0].endswith(
        "invalidCommand (invalid frame id)"
    )
    assert text.see(True, data(0x10, Frame(8, 0, 0x0102, b"")))[0].endswith("EZSP 8 command 0102")
    assert text.see(True, b"\x00\x01\x02\x03\x7e")[0].startswith("bad frame: ")
    assert text.see(False, ash.encode(0xC2, b"\x02\x51")) == ["ERROR ack timeouts"]


def test_keys_are_not_shown() -> None:
    octets = keys.SET_INITIAL_STATE.ask({"state": {**STATE, "trust_centre": bytes(8)}})
    (line,) = RadioText().see(True, data(0, Frame(1, 0, keys.SET_INITIAL_STATE.id, octets)))
    assert "preconfigured_key **, network_key **, key_sequence 0" in line
    for key in (b"P" * 16, b"N" * 16):
        assert key.hex() not in line
    answer = Frame(1, RESPONSE, keys.EXPORT_KEY.id, keys.EXPORT_KEY.tell({"key": b"K" * 16, "status": 0}))
    assert RadioText().see(False, data(0, answer)) == ["DATA 0, ACK 0 | EZSP 1 =exportKey(key **, status 0)"]


def test_the_other_protocol() -> None:
    text = RadioText()
    assert text.see(True, MtFrame(Kind.REQUEST, 1, 1).encode()) == ["MT request ping()"]
    assert text.see(False, MtFrame(Kind.ANSWER, 1, 1, b"\x79\x07").encode()) == ["MT answer ping(capabilities 1913)"]
    assert text.see(True, MtFrame(Kind.REQUEST, 1, 0x77, b"\0").encode()) == ["MT request 01.77, 1 octets"]
    assert text.see(True, b"") == []
    assert text.see(True, bytes.fromhex("1AC038BC7E")) == ["RST"]


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=40))))
def test_any_octets(pieces: list[tuple[bool, bytes]]) -> None:
    text = RadioText()
    for inbound, octets in pieces:
        assert all(isinstance(line, str) and "\n" not in line for line in text.see(inbound, octets))


def test_a_trace_of_a_rig_shows_the_radio_port_in_words_and_a_capture_leaves_it_out(tmp_path: Path) -> None:
    lines: list[str] = []
    spec = parse_port("pty:radio")
    Trace(lines.append)("home/hub/radio", spec)(0, True, bytes.fromhex("C038BC7E"))
    Trace(lines.append, hexadecimal=True)("home/hub/radio", spec)(0, False, bytes.fromhex("C1020B0A527E"))
    assert lines[0].endswith(" home/hub/radio <- RST")
    assert lines[1].startswith("# ")
    assert lines[1].endswith(" home/hub/radio -> RSTACK software")
    capture = Capture(tmp_path / "rig.pcapng")
    capture("home/hub/radio", spec)(0, True, bytes.fromhex("C038BC7E"))
    assert capture.packets == 0
    capture.close()
