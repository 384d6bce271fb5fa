"""Device profile messages: octets, round trips, anything else refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee import zdo

from .zdo_samples import EUI, SAMPLES


def holds(found: Any, wanted: Any) -> bool:
    """Whether all that ``wanted`` names is so in ``found``."""
    if isinstance(wanted, dict):
        return all(holds(found[name], value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(holds, found, wanted))
    return found == wanted


def test_every_message_has_a_sample() -> None:
    assert {cluster for cluster, _ in SAMPLES} == set(zdo.MESSAGES)
    assert len(zdo.MESSAGES) == 31


@pytest.mark.parametrize(("cluster", "values"), SAMPLES)
def test_round_trip(cluster: int, values: dict[str, Any]) -> None:
    octets = zdo.encode(cluster, 0x5A, **values)
    message = zdo.decode(cluster, octets)
    assert message.sequence == 0x5A and holds(message.values, values)
    assert zdo.encode(cluster, 0x5A, **message.values) == octets
    with pytest.raises(DecodeError):
        zdo.decode(cluster, octets + b"\0\0")
    with pytest.raises(DecodeError):
        zdo.decode(cluster, octets[:1])


@pytest.mark.parametrize(
    ("cluster", "values", "octets"),
    [
        (0x0013, {"address": 0x3456, "eui": EUI, "capability": 0x80}, "05 5634 A09078563412DB00 80"),
        (0x8005, {"status": 0, "address": 0x3456, "endpoints": [1]}, "05 00 5634 01 01"),
        (0x0036, {"duration": 60, "trust_centre": 1}, "05 3C 01"),
        (0x8004, {"status": 0x82, "address": 0x3456}, "05 82 5634 00"),
        (0x0034, {"eui": EUI, "options": {"rejoin": True, "remove_children": False}}, "05 A09078563412DB00 80"),
    ],
)
def test_known_octets(cluster: int, values: dict[str, Any], octets: str) -> None:
    assert zdo.encode(cluster, 5, **values) == bytes.fromhex(octets)


def test_node_descriptor_to_the_octet() -> None:
    (values,) = (values for cluster, values in SAMPLES if cluster == 0x8002 and values["status"] == 0)
    expected = bytes.fromhex("05 00 5634 02 40 80 3412 52 FF00 0000 FF00 00")
    assert zdo.encode(0x8002, 5, **values) == expected


@pytest.mark.parametrize(
    ("cluster", "values"),
    [
        (0x0013, {}),
        (0x0013, {"address": 0x10000, "eui": EUI, "capability": 0}),
        (0x0013, {"address": 1, "eui": EUI[1:], "capability": 0}),
        (0x0021, {"source": EUI, "source_endpoint": 1, "cluster": 6, "mode": 2, "destination": None}),
        (0x8031, {"status": 0}),
        (0x7777, {}),
    ],
)
def test_values_that_do_not_fit(cluster: int, values: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        zdo.encode(cluster, 5, **values)
    assert "\n" not in str(caught.value)


@given(st.sampled_from([*zdo.MESSAGES, 0x7777]), st.binary(max_size=60))
def test_any_octets(cluster: int, octets: bytes) -> None:
    try:
        message = zdo.decode(cluster, octets)
    except DecodeError as error:
        assert "\n" not in str(error)
    else:
        assert zdo.decode(cluster, zdo.encode(cluster, message.sequence, **message.values)) == message
