"""What can happen to messages: by seed, in shares that are what they say, and wrong in exactly the way meant."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.faults.damage import DISTRIBUTIONS, LONGEST_DELAY, WRONG, Damage, Damager, distributed
from emulator.faults.parameters import ParameterError
from emulator.gate import Blow
from emulator.time import MILLISECOND, SECOND
from protocols import wrapper
from protocols.crc import check_sequence
from protocols.errors import FrameError
from protocols.hdlc import Frame, decode, encode
from protocols.hdlc.reader import FrameReader
from protocols.iec62056_21.message import bcc, block
from protocols.sniffer import Kind, Message, Sniffer

CLIENT, METER = b"\x21", b"\x02\x23"
GET = bytes.fromhex("E6E600C001C100010000600100FF0200")


def frame(control: int, information: bytes = b"") -> bytes:
    return encode(Frame(METER, CLIENT, control, information))


def message(octets: bytes, *, wrapped: bool = False) -> Message:
    sniffer = Sniffer(wrapped=wrapped)
    (found,) = sniffer.see(True, octets) or sniffer.flush()
    return found


LINE = b"".join(frame(number << 1 | 0x10, GET) for number in range(8)) * 3
I_FRAME = message(frame(0x32, GET))
RR_FRAME = message(frame(0x51))
WRAPPED = message(wrapper.encode(16, 1, GET[3:]), wrapped=True)
READOUT = message(block(b"\x021-0:1.8.0(000001.000*kWh)\r\n!\r\n\x03"))
MIXED = Damage(0.2, 0.2, 0.01, 0.05, {"fcs": 0.2, "ns": 0.1}, distributed("uniform", MILLISECOND, 9 * MILLISECOND))


def blows(slices: list[bytes], seed: int, damage: Damage) -> list[Blow]:
    sniffer, damager = Sniffer(), Damager(damage, seed, "line")
    return [damager.hit(found) for piece in slices for found in sniffer.see(True, piece)]


@settings(max_examples=30)
@given(st.integers(0, 1 << 32), st.integers(1, 50))
def test_damage_does_not_depend_on_how_octets_come(seed: int, size: int) -> None:
    slices = [LINE[at : at + size] for at in range(0, len(LINE), size)]
    assert blows(slices, seed, MIXED) == blows([LINE], seed, MIXED)


def test_one_kind_of_damage_does_not_move_another() -> None:
    alone = [bool(blow.sendings) for blow in blows([LINE], 5, Damage(drop=0.2))]
    among = [bool(blow.sendings) for blow in blows([LINE], 5, MIXED)]
    assert alone == among
    assert 0 < alone.count(False) < len(alone)


def test_shares_are_what_they_say() -> None:
    damage = Damage(drop=0.25, duplicate=0.5, wrong={"nr": 0.1})
    dealt = [blow for seed in range(80) for blow in blows([LINE], seed, damage)]
    dropped = sum(not blow.sendings for blow in dealt) / len(dealt)
    left = [blow for blow in dealt if blow.sendings]
    assert 0.2 < dropped < 0.3
    assert 0.44 < sum(len(blow.sendings) == 2 for blow in left) / len(left) < 0.56
    assert 0.07 < sum("N(R)" in blow.remark for blow in left) / len(left) < 0.13
    octets = b"".join(blow.sendings[0] for blow in blows([LINE] * 20, 3, Damage(lost=0.1)))
    assert 0.88 < len(octets) / (20 * len(LINE)) < 0.92
    whole = blows([LINE] * 20, 3, Damage(bit_errors=0.01))
    wrong = sum((was ^ now).bit_count() for blow in whole for was, now in zip(GET, blow.sendings[0][9:-3], strict=True))
    assert 0.005 < wrong / (8 * len(GET) * len(whole)) < 0.015


@pytest.mark.parametrize("kind", list(WRONG))
def test_nothing_but_what_is_meant_is_wrong(kind: str) -> None:
    """Each way has messages that it knows, and leaves the others as they are."""
    changed = {
        name: [WRONG[kind](each, Random(seed)) for seed in range(50)]
        for name, each in {"I": I_FRAME, "RR": RR_FRAME, "wrapper": WRAPPED, "text": READOUT}.items()
    }
    found = {name for name, octets in changed.items() if None not in octets}
    assert (
        found
        == {
            "fcs": {"I", "RR"},
            "hcs": {"I"},
            "bcc": {"text"},
            "nr": {"I", "RR"},
            "ns": {"I"},
            "length": {"I", "RR", "wrapper"},
            "version": {"wrapper"},
            "address": {"I", "RR", "wrapper"},
            "truncated": {"I", "RR", "wrapper", "text"},
        }[kind]
    )
    assert all(set(octets) == {None} for name, octets in changed.items() if name not in found)
    right = {"I": I_FRAME.octets, "RR": RR_FRAME.octets, "wrapper": WRAPPED.octets, "text": READOUT.octets}
    assert all(right[name] not in changed[name] for name in found)


def _octets(kind: str, given: Message) -> list[bytes]:
    made = [WRONG[kind](given, Random(seed)) for seed in range(200)]
    return [octets for octets in made if octets is not None]


@pytest.mark.parametrize("given_", [I_FRAME, RR_FRAME])
def test_a_wrong_check_is_all_that_is_wrong(given_: Message) -> None:
    for octets in _octets("fcs", given_):
        assert octets[:-3] == given_.octets[:-3]
        with pytest.raises(FrameError, match="FCS"):
            decode(octets)
    for octets in _octets("hcs", given_):
        with pytest.raises(FrameError, match="HCS"):
            decode(octets)
        assert check_sequence(octets[1:-3]) == octets[-3:-1]  # the FCS is right over it


def test_numbers_are_wrong_and_nothing_else() -> None:
    for kind, bits in (("nr", 0xE0), ("ns", 0x0E)):
        frames = [decode(octets) for octets in _octets(kind, I_FRAME)]
        assert I_FRAME.frame is not None
        assert {found.control & ~bits for found in frames} == {I_FRAME.frame.control & ~bits}
        assert len({found.control & bits for found in frames}) == 7
        assert {found._replace(control=0) for found in frames} == {I_FRAME.frame._replace(control=0)}


def test_a_reader_waits_for_what_a_wrong_length_promises() -> None:
    for octets in _octets("length", I_FRAME):
        said: list[str] = []
        reader = FrameReader(lambda reason, _, said=said: said.append(reason))
        assert list(reader.receive(octets)) == []
        assert reader.pending and said == []
    for octets in _octets("length", WRAPPED):
        assert wrapper.WrapperReader().receive(octets) == []
    for octets in _octets("version", WRAPPED):
        with pytest.raises(FrameError, match="version"):
            wrapper.decode(octets)


def test_an_address_is_somebody_elses() -> None:
    assert I_FRAME.frame is not None
    for octets in _octets("address", I_FRAME):
        found = decode(octets)
        assert found.destination[0] >> 1 not in (METER[0] >> 1, 0, 0x7F)
        assert found._replace(destination=METER) == I_FRAME.frame
    for octets in _octets("address", WRAPPED):
        source, destination, apdu = wrapper.decode(octets)
        assert (source, apdu) == (16, GET[3:])
        assert destination != 1


def test_a_block_check_is_wrong() -> None:
    for octets in _octets("bcc", READOUT):
        assert octets[:-1] == READOUT.octets[:-1]
        assert octets[-1] != bcc(octets[1:-1])
        assert octets[-1] < 0x80
    assert READOUT.kind is Kind.TEXT


@settings(max_examples=40)
@given(st.sampled_from(DISTRIBUTIONS), st.integers(0, 99 * SECOND), st.integers(0, 99 * SECOND), st.integers(0, 99))
def test_delays_are_bounded(name: str, first: int, more: int, seed: int) -> None:
    draw = distributed(name, first, first + more)
    assert 0 <= draw(Random(seed)) <= LONGEST_DELAY


def test_delays_are_distributed_as_they_are_called() -> None:
    chance = Random(3)
    drawn = {
        name: [distributed(name, 100 * MILLISECOND, second * MILLISECOND)(chance) / MILLISECOND for _ in range(2000)]
        for name, second in (("constant", 0), ("uniform", 300), ("normal", 20), ("exponential", 0))
    }
    mean = {name: sum(delays) / len(delays) for name, delays in drawn.items()}
    deviation = {
        name: (sum((delay - mean[name]) ** 2 for delay in delays) / len(delays)) ** 0.5
        for name, delays in drawn.items()
    }
    assert mean == pytest.approx({"constant": 100, "uniform": 200, "normal": 100, "exponential": 100}, rel=0.1)
    assert deviation == pytest.approx({"constant": 0, "uniform": 57.7, "normal": 20, "exponential": 100}, rel=0.1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Damage(drop=1.1),
        lambda: Damage(lost=float("nan")),
        lambda: Damage(wrong={"nr": -0.1}),
        lambda: Damage(wrong={"everything": 0.1}),
        lambda: distributed("uniform", 2, 1),
        lambda: distributed("poisson", 2, 1),
    ],
)
def test_what_makes_no_sense_is_one_line(make: object) -> None:
    assert callable(make)
    with pytest.raises(ParameterError) as error:
        make()
    assert "\n" not in str(error.value)
