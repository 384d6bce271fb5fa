"""Whatever the octets: a decoder gives values or raises a ProtocolError, and records come back as they were."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ProtocolError
from protocols.zigbee.zcl import foundation, types
from protocols.zigbee.zcl.clusters import CLUSTERS, decode_command
from protocols.zigbee.zcl.foundation import Record
from protocols.zigbee.zcl.header import Direction, Frame
from protocols.zigbee.zcl.types import SIGNED, UNSIGNED, Type

COMMANDS = [
    (cluster.id, direction, id)
    for cluster in CLUSTERS.values()
    for direction in Direction
    for id in cluster.commands(direction)
]
DECODERS = [
    foundation.decode_read,
    foundation.decode_read_response,
    foundation.decode_records,
    foundation.decode_write_response,
    foundation.decode_configure_reporting,
    foundation.decode_configure_reporting_response,
    foundation.decode_read_reporting,
    foundation.decode_read_reporting_response,
    foundation.decode_default_response,
    foundation.decode_discover,
    foundation.decode_discover_response,
    Frame.decode,
]
UNSIGNED_RECORDS = st.sampled_from(sorted(UNSIGNED)).flatmap(
    lambda type: st.builds(Record, st.integers(0, 0xFFFF), st.just(type), st.integers(0, (1 << 8 * UNSIGNED[type]) - 1))
)
SIGNED_RECORDS = st.sampled_from(sorted(SIGNED)).flatmap(
    lambda type: st.builds(
        Record,
        st.integers(0, 0xFFFF),
        st.just(type),
        st.integers(-(1 << 8 * SIGNED[type] - 1), (1 << 8 * SIGNED[type] - 1) - 1),
    )
)
STRINGS = st.builds(Record, st.integers(0, 0xFFFF), st.just(Type.OCTSTR), st.none() | st.binary(max_size=254))


@given(st.lists(UNSIGNED_RECORDS | SIGNED_RECORDS | STRINGS, max_size=8))
def test_records_come_back(records: list[Record]) -> None:
    assert foundation.decode_records(foundation.encode_records(records)) == records


@pytest.mark.parametrize("decoder", DECODERS)
@given(octets=st.binary(max_size=64))
def test_foundation_raises_only_ours(decoder: object, octets: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        assert callable(decoder) and decoder(octets) is not None


@given(st.sampled_from(COMMANDS), st.binary(max_size=80))
def test_commands_raise_only_ours(command: tuple[int, Direction, int], octets: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        assert isinstance(decode_command(*command, octets), dict)


@given(st.integers(0, 255), st.binary(max_size=64))
def test_types_raise_only_ours(type: int, octets: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        assert types.decode(type, octets)[1] <= len(octets)
