"""The frame codec and the reader, held against a grammar of the frame and against any slicing of any octets."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import construct as c
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.errors import FrameError, LocalProtocolError
from protocols.hdlc import Frame, FrameReader, decode, decode_address, encode, encode_address
from protocols.hdlc.frame import control_name

# -- the frame of IEC 62056-46, 6.4, as a grammar ---------------------------------------------------------------------


def x25(data: bytes) -> int:
    register = 0xFFFF
    for octet in data:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return register ^ 0xFFFF


ADDRESS = c.ExprAdapter(
    c.ExprValidator(
        c.RepeatUntil(lambda octet, _so_far, _context: octet & 1, c.Byte),
        lambda octets, _context: len(octets) in (1, 2, 4),
    ),
    lambda octets, _context: bytes(octets),
    lambda octets, _context: list(octets),
)
HEADER = c.Struct(
    "format"
    / c.BitStruct("type" / c.Const(0b1010, c.BitsInteger(4)), "segmented" / c.Flag, "length" / c.BitsInteger(11)),
    "destination" / ADDRESS,
    "source" / ADDRESS,
    "control" / c.Byte,
)
GRAMMAR = c.Struct(
    c.Const(b"\x7e"),
    "header" / c.RawCopy(HEADER),
    "left" / c.Computed(c.this.header.value.format.length - c.len_(c.this.header.data)),
    c.Check(lambda context: context.left == 2 or context.left >= 5),
    "body" / c.If(c.this.left > 2, c.Struct("hcs" / c.Int16ul, "information" / c.Bytes(c.this._.left - 4))),
    "fcs" / c.Int16ul,
    c.Const(b"\x7e"),
    c.Terminated,
    c.Check(lambda context: context.body is None or context.body.hcs == x25(context.header.data)),
    c.Check(lambda context: context.fcs == x25(context.header.data + of_body(context.body))),
)


def of_body(body: c.Container | None) -> bytes:
    return b"" if body is None else body.hcs.to_bytes(2, "little") + body.information


def by_grammar(data: bytes) -> Frame | None:
    try:
        found = GRAMMAR.parse(data)
    except c.ConstructError:
        return None
    header = found.header.value
    information = b"" if found.body is None else bytes(found.body.information)
    return Frame(header.destination, header.source, header.control, information, header.format.segmented)


def by_codec(data: bytes) -> Frame | None:
    try:
        return decode(data)
    except FrameError as error:
        assert error.expected
        return None


@st.composite
def addresses(draw: st.DrawFn) -> bytes:
    octets = draw(st.sampled_from((1, 2, 4)))
    each = st.integers(0, 0x7F if octets < 4 else 0x3FFF)
    return encode_address(draw(each), draw(each) if octets > 1 else None, octets)


FRAMES = st.builds(Frame, addresses(), addresses(), st.integers(0, 255), st.binary(max_size=200), st.booleans())
SNRM = bytes.fromhex("7EA00703 2193 0F01 7E")
AARQ = bytes.fromhex("7EA02B032110FBAFE6E600601DA109060760857405080101BE10040E01000000065F1F0400401E5DFFFF91237E")


@given(FRAMES)
def test_round_trip_and_grammar(frame: Frame) -> None:
    data = encode(frame)
    assert decode(data) == frame
    assert by_grammar(data) == frame


@given(FRAMES, st.data())
def test_damaged_frames_are_judged_as_the_grammar_does(frame: Frame, chance: st.DataObject) -> None:
    data = bytearray(encode(frame))
    for _ in range(chance.draw(st.integers(1, 3))):
        place = chance.draw(st.integers(0, len(data) - 1))
        match chance.draw(st.sampled_from(("change", "remove", "insert"))):
            case "change":
                data[place] = chance.draw(st.integers(0, 255))
            case "remove" if len(data) > 1:
                del data[place]
            case _:
                data.insert(place, chance.draw(st.integers(0, 255)))
    assert by_codec(bytes(data)) == by_grammar(bytes(data))


@given(st.integers(0, 255), addresses(), addresses(), st.binary(max_size=12), st.integers(-3, 3), st.booleans())
def test_right_check_sequences_and_wrong_lengths(
    control: int, destination: bytes, source: bytes, rest: bytes, off: int, with_hcs: bool
) -> None:
    """Check sequences that fit, whatever the length field says; also an HCS without information."""
    length = 5 + len(destination) + len(source) + len(rest) + off + 2 * with_hcs
    body = (0xA000 | length & 0x7FF).to_bytes(2, "big") + destination + source + bytes((control,))
    if with_hcs:
        body += x25(body).to_bytes(2, "little")
    body += rest
    data = b"\x7e" + body + x25(body).to_bytes(2, "little") + b"\x7e"
    assert by_codec(data) == by_grammar(data)


@given(st.binary(max_size=60), st.booleans())
def test_any_octets_are_judged_as_the_grammar_does(data: bytes, flags: bool) -> None:
    if flags:
        data = b"\x7e" + data + b"\x7e"
    assert by_codec(data) == by_grammar(data)


def test_fact_sheet_addresses() -> None:
    assert encode_address(1, 17).hex() == "0223"
    assert encode_address(1, 17, 4).hex() == "00020023"
    assert [encode_address(sap).hex() for sap in (16, 1, 17)] == ["21", "03", "23"]
    assert decode_address(bytes.fromhex("00020023")) == (1, 17)
    assert encode_address(1, 0x3FFF) == bytes.fromhex("0002FEFF")


@given(st.integers(0, 0x3FFF), st.integers(0, 0x3FFF))
def test_addresses_round_trip(upper: int, lower: int) -> None:
    octets = encode_address(upper, lower)
    assert len(octets) == (2 if max(upper, lower) < 0x80 else 4)
    assert [octet & 1 for octet in octets] == [0] * (len(octets) - 1) + [1]
    assert decode_address(octets) == (upper, lower)


@pytest.mark.parametrize(
    "wrong", [(128,), (-1,), (1, None, 2), (1, 17, 1), (128, 1, 2), (1, 128, 2), (0x4000, 1), (1, 0x4000), (1, 2, 3)]
)
def test_addresses_that_cannot_be(wrong: tuple[int, ...]) -> None:
    with pytest.raises(LocalProtocolError):
        encode_address(*wrong)


def test_the_longest_frame() -> None:
    frame = Frame(b"\x03", b"\x21", 0x10, bytes(2038))
    assert decode(encode(frame)) == frame
    with pytest.raises(LocalProtocolError):
        encode(frame._replace(information=bytes(2039)))


@pytest.mark.parametrize(
    ("control", "name"),
    [
        (0x32, "I N(S)=1 N(R)=1 P/F=1"),
        (0xE1, "RR N(R)=7 P/F=0"),
        (0x15, "RNR N(R)=0 P/F=1"),
        (0x93, "SNRM P/F=1"),
        (0x1F, "DM P/F=1"),
        (0x63, "UA P/F=0"),
        (0x09, "control 09"),
        (0x33, "control 33"),
    ],
)
def test_control_names(control: int, name: str) -> None:
    assert control_name(control) == name


# -- the reader --------------------------------------------------------------------------------------------------------


class Found:
    """What a reader makes of octets in slices."""

    def __init__(self, pieces: list[bytes], give_up: bool = False) -> None:
        self.reasons: Counter[str] = Counter()
        self.sentences: list[str] = []
        self.most_held = 0
        reader = FrameReader(self._discarded)
        self.frames: list[Frame] = []
        for piece in pieces:
            self.frames += reader.receive(piece)
            self.most_held = max(self.most_held, len(reader.held))
        self.held = reader.held
        if give_up:
            self.frames += reader.give_up()
            assert not reader.held

    def _discarded(self, reason: str, sentence: str) -> None:
        self.reasons[reason] += 1
        self.sentences.append(sentence)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def single(data: bytes) -> list[bytes]:
    return [bytes((octet,)) for octet in data]


NOISE = st.one_of(
    st.binary(max_size=20),
    st.lists(st.sampled_from([0x7E, 0xA0, 0xA7, 0x07, 0x03, 0x21]), max_size=12).map(bytes),
    st.builds(lambda frame, keep: encode(frame)[:keep], FRAMES, st.integers(1, 60)),
    st.builds(lambda frame, at: damaged(encode(frame), at), FRAMES, st.integers(0, 10_000)),
)
STREAM = st.lists(st.one_of(FRAMES.map(encode), NOISE), max_size=6).map(b"".join)


def damaged(data: bytes, bit: int) -> bytes:
    bit %= len(data) * 8
    return data[: bit // 8] + bytes((data[bit // 8] ^ 1 << bit % 8,)) + data[bit // 8 + 1 :]


@given(STREAM, st.lists(st.integers(0, 2000), max_size=10))
@example(SNRM[:-1] + AARQ, [3])
def test_slices_do_not_matter(stream: bytes, places: list[int]) -> None:
    whole = Found([stream])
    for pieces in (cut(stream, places), single(stream)):
        other = Found(pieces)
        assert (other.frames, other.reasons, other.held) == (whole.frames, whole.reasons, whole.held)


@given(st.lists(st.one_of(FRAMES, NOISE), max_size=6), st.lists(st.integers(0, 2000), max_size=10))
def test_noise_costs_no_frame(parts: list[Frame | bytes], places: list[int]) -> None:
    """Whatever stands between them, all right frames come out in order, at the latest when the line falls silent."""
    stream = b"".join(encode(part) if isinstance(part, Frame) else part for part in parts)
    found = iter(Found(cut(stream, places), give_up=True).frames)
    for part in parts:
        if isinstance(part, Frame):
            assert part in found


@given(st.lists(FRAMES, min_size=1, max_size=5), st.lists(st.integers(0, 2000), max_size=10), st.integers(0, 3))
def test_one_flag_between_frames_is_enough(frames: list[Frame], places: list[int], more: int) -> None:
    shared = b"\x7e" + (b"\x7e" * more).join(encode(frame)[1:] for frame in frames)
    found = Found(cut(shared, places))
    assert found.frames == frames
    assert not found.reasons


@given(st.lists(st.binary(max_size=3000), max_size=4))
def test_what_is_held_is_bounded(pieces: list[bytes]) -> None:
    assert Found(pieces).most_held <= 2048


def test_false_starts_do_not_pile_up() -> None:
    header = encode(Frame(b"\x03", b"\x21", 0x10, bytes(2038)))[:8]
    found = Found([header * 1000 + encode(Frame(b"\x03", b"\x21", 0x11))], give_up=True)
    assert found.frames == [Frame(b"\x03", b"\x21", 0x11)]
    assert found.most_held <= 2048


def test_a_wrong_beginning_does_not_delay_the_next_frame() -> None:
    """The length in it asks for 2047 octets, but its HCS shows at once that it is none."""
    assert Found([bytes.fromhex("7EA7FF0321930000") + SNRM]).frames == [decode(SNRM)]


@pytest.mark.parametrize(
    ("data", "reason", "sentence"),
    [
        (SNRM[:-3] + b"\x12\x34\x7e", "wrong FCS", "frame discarded: FCS 1234 wrong, expected 0F01"),
        (AARQ[:6] + b"\x12\x34" + AARQ[8:], "wrong HCS", "frame discarded: HCS 1234 wrong, expected FBAF"),
        (b"\x7e\xa0\x05\x03\x7e", "wrong length", "frame discarded: length 5, expected 7 or more"),
        (
            bytes.fromhex("7EA009 000203 21 93 0000 7E"),
            "wrong address",
            "frame discarded: address without an end in 1, 2 or 4 octets, "
            "expected its lowest bit set in the last octet",
        ),
        (
            SNRM[:-1] + b"\x00\x7e",
            "wrong length",
            "frame discarded: length 7 wrong: octet 00 there, expected the closing flag, 7E",
        ),
    ],
    ids=["FCS", "HCS", "too short", "three-octet address", "no closing flag"],
)
def test_what_is_discarded_is_explained(data: bytes, reason: str, sentence: str) -> None:
    found = Found([data])
    assert not found.frames
    assert found.reasons == {reason: 1}
    assert found.sentences == [sentence]


def test_noise_is_told_in_one_sentence() -> None:
    found = Found(single(b"hello, meter" + SNRM))
    assert found.sentences == ["12 octets that are no frame: 68 65 6C 6C 6F 2C 20 6D .."]
    assert found.frames == [decode(SNRM)]


def test_noise_without_end_is_told_of_too() -> None:
    found = Found([b"U" * 1500, b"U" * 1500, SNRM])
    assert [sentence.split()[0] for sentence in found.sentences] == ["1024", "1024", "952"]
