"""The head-end of scenarios: whatever value a scenario gives, it is a value of the type or one line says why not."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_profiles.loader import load
from protocols.dlms import axdr
from protocols.dlms.types import DataType
from rigs.scenario.head_end import HeadEndError, as_type

TYPES: dict[str, DataType] = {
    attribute.type.text: attribute.type
    for name in ("electricity-base", "gas-base", "hub-base")
    for item in load(name).model.objects.values()
    for attribute in item.attributes.values()
}
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["hex:", "hex:00FF", "hex:0", "hex:xy", "0101", "²"]),
    st.datetimes(timezones=st.just(UTC)),
    st.datetimes(),
    st.dates(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=2)),
    max_leaves=8,
)


@given(st.sampled_from(sorted(TYPES)), VALUES)
@settings(max_examples=300, deadline=None)
def test_any_value_of_toml_is_taken_or_refused_in_one_line(name: str, value: object) -> None:
    with suppress(HeadEndError):
        axdr.decode_all(as_type(TYPES[name].encode, value))


def test_dates_and_times_are_twelve_octets_of_utc() -> None:
    encoded = as_type(TYPES["oct12"].encode, datetime(2026, 1, 15, tzinfo=UTC))
    assert encoded == bytes.fromhex("090C 07EA010F04 00000000 000000".replace(" ", ""))
    for value in (datetime(2026, 1, 15), date(2026, 1, 15)):
        with pytest.raises(HeadEndError, match=r"^value: "):
            as_type(TYPES["oct12"].encode, value)
