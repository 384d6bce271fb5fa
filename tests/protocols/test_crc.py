"""CRC-16/X.25 against its check value, frames of a real exchange, and the polynomial division written out."""

from __future__ import annotations

from binascii import crc_hqx

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.crc import CHECKED, REFLECTED, START, check_sequence


def is_checked(data: bytes, register: int = START) -> bool:
    """As the frame readers check: the register after octets that end in their own check sequence."""
    return crc_hqx(data.translate(REFLECTED), register) == CHECKED


def by_the_bit(data: bytes) -> int:
    """The polynomial 8408 (1021 reflected), one bit after the other."""
    register = 0xFFFF
    for octet in data:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return register ^ 0xFFFF


def test_check_value() -> None:
    assert check_sequence(b"123456789") == bytes.fromhex("6E90")


@pytest.mark.parametrize(
    "text",
    ["A0070321 93 0F01", "A0070321 51 11E4", "A0070321 71 13C5", "A0070321 53 03C7"],
)
def test_frames_of_a_gurux_exchange(text: str) -> None:
    assert is_checked(bytes.fromhex(text))


@given(st.binary(max_size=300))
def test_is_the_division(data: bytes) -> None:
    assert check_sequence(data) == by_the_bit(data).to_bytes(2, "little")
    assert is_checked(data + check_sequence(data))


@given(st.binary(max_size=40), st.binary(max_size=300))
def test_goes_on_after_a_check_sequence(head: bytes, rest: bytes) -> None:
    head += check_sequence(head)
    assert check_sequence(rest, CHECKED) == check_sequence(head + rest)
    assert is_checked(rest + check_sequence(rest, CHECKED), CHECKED)


@given(st.binary(min_size=1, max_size=64), st.data())
def test_one_wrong_bit_shows(data: bytes, chance: st.DataObject) -> None:
    whole = bytearray(data + check_sequence(data))
    bit = chance.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    assert not is_checked(bytes(whole))
