"""The gate that octets go through while something watches or spoils them."""

from __future__ import annotations

import gc
from contextlib import suppress
from weakref import ref

from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.faults.injection import Faults
from emulator.faults.line import FAULTS as LINE_FAULTS
from emulator.faults.link import FAULTS as LINK_FAULTS
from emulator.faults.parameters import FaultError
from emulator.gate import BACKLOG, SILENCE, Blow, Hazard
from emulator.lines import Lines
from emulator.premises import Premises
from emulator.time import MILLISECOND, MINUTE, SECOND, Clock
from protocols import wrapper
from protocols.hdlc import Frame, Parameters, decode, encode
from protocols.hdlc.frame import SNRM
from protocols.sniffer import Message

from ..conftest import START, build_esme
from .bare_line import AARQ, CLIENT, LLC, METER, NAME, SESSION, Desk, Wire, frames


def test_there_is_no_gate_without_a_fault(desk: Desk) -> None:
    wire = desk.wire()
    assert wire.stack.gate is None and wire.stack.way is wire.stack
    injection = desk.start("bit-errors")
    later, network = desk.wire(), desk.wire("local-tcp")
    assert wire.stack.gate is not None and later.stack.gate is not None
    assert network.stack.gate is None  # bit errors are of serial lines unless told otherwise
    desk.faults.end(injection.id)
    assert [each.stack.gate for each in (wire, later, desk.wire())] == [None, None, None]


def test_lines_that_have_gone_are_not_kept(desk: Desk) -> None:
    desk.start("dropped-messages", lines="network")
    gone = [ref(desk.wire("local-tcp").stack) for _ in range(50)]
    gc.collect()
    assert [each for each in gone if each() is not None] == []


class _Mirror(Hazard):
    """Looks at whole messages and leaves them as they are."""

    __slots__ = ("seen",)
    whole = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Message] = []

    def hit(self, message: Message, now: int) -> Blow:
        self.seen.append(message)
        return super().hit(message, now)


def _said_to(octets: list[bytes], watched: bool) -> tuple[bytes, int]:
    """All that a meter says to octets in these pieces, and how many whole messages went by."""
    meter = build_esme(Clock(START), profile="electricity-bench")
    wire = Wire(meter.stacks["optical"]())
    mirror = _Mirror()
    if watched:
        end = Lines.of(meter).endanger(lambda _: mirror)
    out = b"".join([wire.send(piece) for piece in octets])
    out += b"".join(wire.wait(SECOND))
    if watched:
        end()
        assert wire.stack.gate is None
    return out, len(mirror.seen)


@settings(max_examples=40)
@given(st.lists(st.integers(0, len(SESSION)), max_size=8))
def test_a_gate_with_nothing_to_do_changes_nothing(cuts: list[int]) -> None:
    ends = [*sorted(cuts), len(SESSION)]
    pieces = [SESSION[begin:end] for begin, end in zip([0, *ends], ends, strict=False) if end > begin]
    said, seen = _said_to(pieces, watched=True)
    assert said == _said_to([SESSION], watched=False)[0]
    assert seen == 10


def test_a_burst_of_frames_goes_by_one_by_one(desk: Desk) -> None:
    window = Parameters(max_info_receive=64, window_receive=7).encode()
    objects = LLC + bytes.fromhex("C001C1000F0000280000FF0200")
    said: list[bytes] = []
    for name in ("", "wrong-block-check", "wrong-fcs"):
        wire = desk.wire()
        assert wire.send(encode(Frame(METER, CLIENT, SNRM | 0x10, window)))
        wire.frame(0x10, AARQ)
        if name:
            desk.start(name)
        said.append(wire.frame(0x32, objects))
        wire.stack.closed()
    plain, watched, spoilt = said
    assert watched == plain
    assert len(frames(plain)) == 7
    assert len(spoilt) == len(plain)
    assert frames(spoilt) == frames(plain)[1:]


@settings(max_examples=40)
@given(st.binary(max_size=60), st.integers(1, 9))
def test_a_gate_takes_anything(noise: bytes, size: int) -> None:
    pieces = [noise[at : at + size] for at in range(0, len(noise), size)]
    _said_to([*pieces, SESSION], watched=True)


def test_what_is_never_finished_goes_on_after_a_silence(desk: Desk) -> None:
    wire = desk.wire().open()
    desk.start("wrong-fcs", frames=0)
    request = encode(Frame(METER, CLIENT, 0x32, NAME))
    wire.send(request[:9])
    assert wire.stack.way.next_timeout() == desk.clock.now + SILENCE
    assert wire.wait(SILENCE) == []
    assert frames(wire.send(request))[:1] == []  # it was the end of a frame by then: HDLC drops both
    desk.faults.end_all()
    assert wire.frame(0x32, NAME)


def test_a_fault_that_ends_lets_go_of_what_is_unfinished(desk: Desk) -> None:
    wire = desk.wire().open()
    injection = desk.start("wrong-fcs", frames=0)
    request = encode(Frame(METER, CLIENT, 0x32, NAME))
    assert wire.send(request[:9]) == b""
    desk.faults.end(injection.id)
    assert [frame.control for frame in frames(wire.send(request[9:]))] == [0x52]
    assert wire.stack.gate is None


def test_a_far_end_that_goes_takes_what_is_on_the_way(desk: Desk) -> None:
    wire = desk.wire().open()
    desk.start("delayed-messages", delay=1000)
    wire.frame(0x32, NAME)
    wire.stack.closed()
    wire.stack.opened(desk.clock.now)
    assert wire.wait(5 * SECOND) == []


def test_a_gate_holds_no_more_than_it_says(desk: Desk) -> None:
    wire = desk.wire("local-tcp")
    desk.start("delayed-messages", lines="network", delay=60_000, way="to-device")
    message = wrapper.encode(16, 1, bytes(60_000))
    for _ in range(BACKLOG // len(message) + 3):
        wire.send(message)
    assert wire.stack.counters["octets lost"] == 3 * len(message)
    assert any("too many wait" in text for text in wire.told)


_NAMES = [fault.name for fault in (*LINE_FAULTS, *LINK_FAULTS) if fault.name != "crosstalk"]
_DONE = st.one_of(
    st.tuples(st.just("start"), st.sampled_from(_NAMES)),
    st.tuples(st.just("end"), st.integers(1, 6)),
    st.tuples(st.just("send"), st.sampled_from([SESSION, NAME, b"/?!\r\n", b"\x7e\xa0", b"\x01R1\x02x()\x03"])),
    st.tuples(st.just("wait"), st.sampled_from([0, MILLISECOND, SILENCE, 3 * SECOND])),
)


@settings(max_examples=60)
@given(st.lists(_DONE, max_size=12), st.integers(0, 99))
def test_whatever_was_wrong_nothing_of_it_is_left(done: list[tuple[str, object]], seed: int) -> None:
    """Faults of any kind, together and one after the other, on one line; then the meter is as it was."""
    meter = build_esme(Clock(START), profile="electricity-bench")
    faults = Faults(meter.clock, seed, {"home": Premises("home", None, meter, None)})
    wire = Wire(meter.stacks["optical"]())
    for act, what in done:
        match what:
            case str():
                with suppress(FaultError):  # another one has that already
                    faults.start(what, "home/electricity")
            case bytes():
                wire.send(what)
            case int() if act == "wait":
                wire.wait(what)
            case _:
                with suppress(FaultError):
                    faults.end(f"F{what}")
    faults.end_all()
    wire.wait(MINUTE)
    assert wire.stack.gate is None
    wire.stack.closed()
    wire.stack.opened(wire.clock.now)
    wire.open()
    assert decode(wire.frame(0x32, NAME)).information[3:6] == b"\xc4\x01\xc1"
