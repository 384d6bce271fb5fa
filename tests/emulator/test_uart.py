from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.uart import EVEN_PARITY, character, character_time, heard


@given(st.binary(max_size=64), st.sampled_from([300, 1200, 9600]), st.integers())
def test_same_settings_hear_the_same(data: bytes, baud: int, seed: int) -> None:
    assert heard(data, baud, "8N1", baud, "8N1", Random(seed), check_parity=True) == data


@given(st.binary(max_size=64), st.integers())
def test_rates_two_percent_apart_hear_the_same(data: bytes, seed: int) -> None:
    assert heard(data, 9600, "8N1", 9792, "8N1", Random(seed), check_parity=True) == data


@given(st.binary(min_size=1, max_size=64))
def test_seven_bits_even_parity_heard_as_eight_bits_has_parity_in_bit_seven(data: bytes) -> None:
    assert heard(data, 300, "7E1", 300, "8N1", Random(1), check_parity=False) == data.translate(EVEN_PARITY)


def test_mode_e_echo_as_an_eight_bit_listener_hears_it() -> None:
    # IEC 62056-21 mode E: ACK 2 5 2 CR LF at 7E1 on an 8N1 listener.
    result = heard(b"\x06252\r\n", 9600, "7E1", 9600, "8N1", Random(1), check_parity=False)
    assert result == bytes.fromhex("06b235b28d0a")


def test_a_meter_drops_characters_of_wrong_parity() -> None:
    assert heard(b"AC", 300, "8N1", 300, "7E1", Random(1), check_parity=True) == b"A"  # C has three bits set
    assert heard(b"AC", 300, "8N1", 300, "7E1", Random(1), check_parity=False) == b"AC"


@given(st.binary(min_size=1, max_size=64), st.sampled_from([(300, 9600), (9600, 300), (9600, 4800), (1200, 2400)]))
def test_wrong_rate_is_garbage_that_repeats(data: bytes, rates: tuple[int, int]) -> None:
    first = heard(data, rates[0], "8N1", rates[1], "8N1", Random(7), check_parity=True)
    assert first == heard(data, rates[0], "8N1", rates[1], "8N1", Random(7), check_parity=True)
    assert len(first) <= len(data) * 10 * (1 + rates[1] // rates[0])


def test_wrong_rate_is_not_what_was_sent() -> None:
    text = b"/?!\r\n"
    for sent, received in ((300, 9600), (9600, 300), (2400, 1200)):
        assert text not in heard(text, sent, "8N1", received, "8N1", Random(3), check_parity=True)


def test_character_time() -> None:
    assert character_time(9600, "8N1") == 1_041_666
    assert character_time(300, "7E1") == 33_333_333
    assert character("8E2").bits == 12
    with pytest.raises(ValueError, match="8N1"):
        character("9N1")
