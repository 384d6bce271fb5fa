"""Messages in blocks over an air that loses, repeats, delays and reorders; `tests/interop/test_fragments.py` asks an
independent reader."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import DecodeError, LocalProtocolError, ProtocolError
from protocols.zigbee.aps import Block, Part
from protocols.zigbee.fragments import MAX_BLOCKS, Reassembly, Sending, fragments

DEEDS = st.sampled_from(["send", "block", "block", "repeat", "lose", "answer", "answer again", "lose answer"])


@settings(max_examples=80)
@given(
    st.binary(min_size=8, max_size=90),
    st.integers(1, 7),
    st.integers(1, 8),
    st.lists(st.tuples(DEEDS, st.integers(0, 999)), max_size=80),
)
def test_a_message_arrives_as_it_was_sent_or_is_not_said_to_have(
    payload: bytes, size: int, window: int, deeds: list[tuple[str, int]]
) -> None:
    """Blocks and answers stay on their way as long as they like, whatever comes before them."""
    sending, coming = Sending(payload, size, window), Reassembly(window)
    blocks: list[tuple[Block, bytes]] = []
    answers: list[Block] = []

    def arrive(block: Block, part: bytes) -> None:
        answer = coming.add(block, part)
        if answer is not None:
            answers.append(answer)

    def check() -> None:
        assert coming.payload in (None, payload)
        assert not sending.done or coming.payload == payload

    for deed, chance in deeds:
        held: list[object] = list(answers if "answer" in deed else blocks)
        place = chance % len(held) if held else 0
        match deed:
            case "send":
                blocks += sending.due()
            case "block" | "repeat" if blocks:
                arrive(*(blocks[place] if deed == "repeat" else blocks.pop(place)))
            case "lose" if blocks:
                del blocks[place]
            case "answer" | "answer again" if answers:
                sending.acknowledged(answers[place] if deed == "answer again" else answers.pop(place))
            case "lose answer" if answers:
                del answers[place]
            case _:
                pass
        check()
    for _ in range(MAX_BLOCKS + 1):  # the air gets better: a window each time
        for block, part in sending.due():
            arrive(block, part)
        while answers:
            sending.acknowledged(answers.pop())
        check()
    assert sending.done and not sending.due() and coming.payload == payload


@settings(max_examples=80)
@given(
    st.integers(1, 8),
    st.lists(st.tuples(st.sampled_from(Part), st.integers(0, 255), st.binary(max_size=40)), max_size=60),
)
def test_whatever_blocks_come_what_is_held_is_bounded(window: int, blocks: list[tuple[Part, int, bytes]]) -> None:
    coming = Reassembly(window, limit=300)
    taken: dict[int, bytes] = {}
    for part, number, payload in blocks:
        try:
            answer = coming.add(Block(part, number), payload)
        except DecodeError:
            continue
        taken.setdefault(0 if part is Part.FIRST else number, payload)
        assert answer is None or (answer.number % window == 0 and answer.received is not None)
    assert sum(map(len, taken.values())) <= 300
    if coming.payload is not None:
        assert coming.payload == b"".join(taken[number] for number in sorted(taken))


def test_blocks_to_the_octet() -> None:
    cut = fragments(b"abcdefg", 3)
    assert cut == [(Block(Part.FIRST, 3), b"abc"), (Block(Part.LATER, 1), b"def"), (Block(Part.LATER, 2), b"g")]
    coming = Reassembly(window=3)
    assert coming.add(*cut[0]) is None
    assert coming.add(*cut[2]) == Block(Part.FIRST, 0, 0b11111101)
    assert coming.payload is None
    assert coming.add(*cut[1]) == Block(Part.FIRST, 0, 0xFF)
    assert coming.payload == b"abcdefg"


def test_blocks_that_are_refused() -> None:
    coming = Reassembly(window=2, limit=10)
    coming.add(Block(Part.FIRST, 3), bytes(6))
    for block, payload in ((Block(Part.FIRST, 4), b""), (Block(Part.LATER, 3), b""), (Block(Part.LATER, 0), b"")):
        with pytest.raises(ProtocolError):
            coming.add(block, payload)
    with pytest.raises(ProtocolError, match="over 10 octets"):
        coming.add(Block(Part.LATER, 1), bytes(5))
    for wrong in (b"", b"abc", bytes(3 * 256)):
        with pytest.raises(LocalProtocolError):
            fragments(wrong, 3)
