"""Install codes against the published vectors, and codes that are wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError
from protocols.zigbee import install_code

VECTORS = [
    ("83FED3407A93", "2B70", "CD4FA064773F46941EC986C09963D1A8"),
    ("83FED3407A939738", "C552", "A833A77434F3BFBD7A7AB97942149287"),
    ("83FED3407A939723A5C639FF", "4C12", "58C1828CF7F1C3FE29E7B1024AD84BFA"),
    ("83FED3407A939723A5C639B26916D505", "C3B5", "66B6900981E1EE3CA4206B6B861C02BB"),
]


@pytest.mark.parametrize(("code", "check", "key"), VECTORS, ids=[f"{len(code) // 2} octets" for code, _, _ in VECTORS])
def test_published(code: str, check: str, key: str) -> None:
    whole = bytes.fromhex(code + check)
    assert install_code.with_crc(bytes.fromhex(code)) == whole
    assert install_code.check(whole) == bytes.fromhex(code)
    assert install_code.link_key(whole).hex().upper() == key


@given(st.sampled_from(VECTORS), st.data())
def test_a_wrong_digit_is_noticed(vector: tuple[str, str, str], data: st.DataObject) -> None:
    whole = bytearray.fromhex(vector[0] + vector[1])
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DecodeError, match="wrong CRC"):
        install_code.link_key(bytes(whole))


@given(st.binary(max_size=24).filter(lambda octets: len(octets) not in install_code.WITH_CRC_OCTETS))
def test_a_wrong_length_is_named(octets: bytes) -> None:
    with pytest.raises(DecodeError, match="8, 10, 14 or 18 octets with the CRC"):
        install_code.link_key(octets)


def test_a_code_of_fourteen_octets_is_one_with_its_crc() -> None:
    with pytest.raises(DecodeError, match="6, 8, 12 or 16"):
        install_code.with_crc(bytes(14))
