"""General block transfer: two sides with a line between them that loses blocks."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.dlms.blocks import OverlongError
from protocols.dlms.gbt import ABORT, MAX_RECOVERIES, Block, BlockTransfer
from protocols.errors import DecodeError, LocalProtocolError

REQUEST = b"\xc0\x01\xc1" + bytes(range(10))


def cut(blocks: Iterable[bytes]) -> list[Block]:
    return [Block.decode(block) for block in blocks]


def test_windows_and_numbers() -> None:
    """A request in one block, an answer of five in windows of two: numbers, acknowledgements and flags."""
    client, server = BlockTransfer(2), BlockTransfer(8)
    (asked,) = client.send(REQUEST, 64, answering=False)
    assert asked.hex() == "e0" + "82" + "0001" + "0000" + "0d" + REQUEST.hex()
    step = server.receive(asked)
    assert step == (REQUEST, ())
    answer = bytes(range(200)) + bytes(range(50))
    first = server.send(answer, 64, answering=True)
    assert [block[:5] for block in cut(first)] == [(False, True, 8, 1, 1), (False, False, 8, 2, 1)]
    assert all(len(block) == 64 for block in first)
    assert client.receive(first[0]) == (None, ())
    (acknowledgement,) = client.receive(first[1]).send
    assert Block.decode(acknowledgement) == (True, False, 2, 2, 2, b"")
    second = server.receive(acknowledgement).send
    assert [block[:5] for block in cut(second)] == [(False, True, 8, 3, 2), (False, False, 8, 4, 2)]
    client.receive(second[0])
    third = server.receive(client.receive(second[1]).send[0]).send
    assert [block[:5] for block in cut(third)] == [(True, False, 8, 5, 3)]
    assert client.receive(third[0]) == (answer, ())
    assert not client.receiving


def test_lost_blocks_are_sent_again() -> None:
    client, server = BlockTransfer(4), BlockTransfer()
    server.receive(client.send(REQUEST, 64, answering=False)[0])
    answer = bytes(400)
    window = server.send(answer, 64, answering=True)
    assert len(window) == 4
    assert client.receive(window[0]) == (None, ())
    assert client.receive(window[2]) == (None, ())  # 2 is lost
    (asked,) = client.receive(window[3]).send
    assert Block.decode(asked).acknowledged == 1
    again = server.receive(asked).send
    assert [block.number for block in cut(again)] == [2, 3, 4, 5]
    whole = None
    for block in again:
        step = client.receive(block)
    for block in server.receive(step.send[0]).send:
        whole = client.receive(block).apdu
    assert whole == answer


def exchange(request: bytes, answer: bytes, windows: tuple[int, int], sizes: tuple[int, int], lost: list[bool]) -> None:
    """One request and its answer over a line that loses the blocks that ``lost`` says; time-outs mend it."""
    client, server = BlockTransfer(windows[0]), BlockTransfer(windows[1])
    drops = iter(lost)

    def line(blocks: Iterable[bytes]) -> list[bytes]:
        return [block for block in blocks if not next(drops, False)]

    to_server = line(client.send(request, sizes[0], answering=False))
    for _ in range(4 * (len(request) // (sizes[0] - 9) + len(answer) // (sizes[1] - 9)) + 4 * len(lost) + 40):
        to_client: list[bytes] = []
        for block in to_server:
            step = server.receive(block)
            if step.apdu is not None:
                assert step.apdu == request
                to_client += server.send(answer, sizes[1], answering=True)
            to_client += step.send
        to_client = line(to_client)
        to_server = []
        for block in to_client:
            step = client.receive(block)
            if step.apdu is not None:
                assert step.apdu == answer
                return
            to_server += step.send
        to_server = line(to_server) or line(client.timeout())
    pytest.fail("the exchange does not end")


@settings(max_examples=150)
@given(
    st.binary(min_size=1, max_size=300),
    st.binary(min_size=1, max_size=900),
    st.tuples(st.integers(1, 10), st.integers(1, 10)),
    st.tuples(st.integers(20, 200), st.integers(20, 200)),
    st.lists(st.booleans(), max_size=12),
)
def test_any_exchange_ends(
    request: bytes, answer: bytes, windows: tuple[int, int], sizes: tuple[int, int], lost: list[bool]
) -> None:
    exchange(request, answer, windows, sizes, lost)


def test_second_exchange_starts_at_one() -> None:
    client, server = BlockTransfer(), BlockTransfer()
    for request in (REQUEST, REQUEST, REQUEST[:-1]):
        (asked,) = client.send(request, 64, answering=False)
        assert server.receive(asked).apdu == request
        (answered,) = server.send(b"\xc4\x01\xc1\x00\x00", 64, answering=True)
        assert Block.decode(answered)[3:5] == (1, 1)
        assert client.receive(answered).apdu == b"\xc4\x01\xc1\x00\x00"


def test_protected_request_that_comes_again() -> None:
    """Its answer got lost: it is sent again, and the request, whose counter is used up, is not served twice."""
    server = BlockTransfer()
    (asked,) = BlockTransfer().send(b"\xc8" + REQUEST, 64, answering=False)
    assert server.receive(asked).apdu == b"\xc8" + REQUEST
    answered = server.send(b"\xcc", 64, answering=True)
    assert server.receive(asked) == (None, answered)


def test_request_in_blocks_given_up_and_begun_again() -> None:
    server = BlockTransfer()
    client = BlockTransfer()
    server.receive(client.send(bytes(100), 64, answering=False)[0])
    assert server.receiving
    for block in BlockTransfer().send(REQUEST, 64, answering=False):
        assert server.receive(block).apdu == REQUEST


def test_answer_in_blocks_to_a_plain_request() -> None:
    client, server = BlockTransfer(3), BlockTransfer()
    (first,) = server.send(bytes(150), 64, answering=False)
    assert Block.decode(first)[3:5] == (1, 0)
    (acknowledgement,) = client.receive(first).send
    second, third = server.receive(acknowledgement).send
    client.receive(second)
    assert client.receive(third).apdu == bytes(150)


def test_abort() -> None:
    server = BlockTransfer()
    server.receive(BlockTransfer().send(bytes(100), 64, answering=False)[0])
    assert server.receive(ABORT) == (None, ())
    assert not server.receiving


def test_what_is_refused() -> None:
    server = BlockTransfer(limit=150)
    blocks = BlockTransfer().send(bytes(300), 64, answering=False)
    server.receive(blocks[0])
    with pytest.raises(OverlongError):
        server.receive(Block(False, False, 1, 2, 0, bytes(120)).encode())
    assert not server.receiving
    server.send(bytes(200), 64, answering=False)
    with pytest.raises(DecodeError):
        server.receive(Block(True, False, 1, 1, 9, b"").encode())
    with pytest.raises(LocalProtocolError):
        server.send(bytes(70_000), 8, answering=False)
    for wrong in (b"", b"\xe0", b"\xe0\x81\x00\x01\x00\x00", b"\xe0\x81\x00\x01\x00\x00\x02x", b"\xc0" + bytes(9)):
        with pytest.raises(DecodeError):
            server.receive(wrong)


def test_no_progress_is_given_up() -> None:
    client = BlockTransfer()
    client.send(REQUEST, 64, answering=False)
    for _ in range(MAX_RECOVERIES):
        assert len(client.timeout()) == 1
    with pytest.raises(DecodeError, match="no progress"):
        client.timeout()
    server = BlockTransfer()
    server.receive(BlockTransfer().send(bytes(100), 64, answering=False)[0])
    with pytest.raises(DecodeError, match="no progress"):
        for _ in range(MAX_RECOVERIES + 1):
            server.receive(Block(False, False, 1, 5, 0, b"x").encode())


@given(st.lists(st.binary(max_size=12).map(lambda rest: b"\xe0" + rest), max_size=20))
def test_any_blocks(blocks: list[bytes]) -> None:
    server = BlockTransfer(limit=100)
    for block in blocks:
        try:
            step = server.receive(block)
        except DecodeError:
            assert not server.receiving
            continue
        if step.apdu is not None:
            server.send(b"\xd8\x01\x01" * 40, 20, answering=True)
