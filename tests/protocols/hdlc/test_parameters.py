"""Negotiation of information lengths and windows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import FrameError
from protocols.hdlc.parameters import DEFAULTS, Parameters, decode

PARAMETERS = st.builds(Parameters, st.integers(32, 2030), st.integers(32, 2030), st.integers(1, 7), st.integers(1, 7))


def test_all_defaults_as_gurux_sends_them() -> None:
    assert DEFAULTS.encode().hex() == "818012050180060180070400000001080400000001"


@given(PARAMETERS)
def test_round_trip(parameters: Parameters) -> None:
    assert decode(parameters.encode()) == parameters


@given(PARAMETERS, PARAMETERS)
def test_both_ends_agree(client: Parameters, server: Parameters) -> None:
    """The server's UA, taken by the client, gives the server's values with the directions exchanged."""
    at_server = server.agreed(decode(client.encode()))
    at_client = client.agreed(decode(at_server.encode()))
    assert at_client.max_info_transmit == at_server.max_info_receive <= server.max_info_receive
    assert at_client.max_info_receive == at_server.max_info_transmit <= client.max_info_receive
    assert (at_client.window_transmit, at_client.window_receive) == (
        at_server.window_receive,
        at_server.window_transmit,
    )


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", DEFAULTS),
        ("818000", DEFAULTS),
        ("818003 050140", Parameters(max_info_transmit=64)),
        ("818014 05020200 06020200 070400000007 080400000007", Parameters(512, 512, 7, 7)),
        ("81800E 05020080 06020080 070107 080103", Parameters(window_transmit=7, window_receive=3)),
        ("818009 050400000100 060140", Parameters(256, 64)),
        ("81800A 07080000000000000005", Parameters(window_transmit=5)),
        ("818006 0502FFFF 4100", Parameters(max_info_transmit=2030)),
        ("81 820100 8003050140 F0112233", Parameters(max_info_transmit=64)),
    ],
    ids=["none", "empty", "one", "gurux 512/7", "short windows", "long length", "long window", "beyond", "groups"],
)
def test_fields_as_clients_write_them(field: str, expected: Parameters) -> None:
    assert decode(bytes.fromhex(field)) == expected


@pytest.mark.parametrize(
    "field",
    [
        "80",
        "8180",
        "818003",
        "81800305",
        "818003050140FF",
        "81800305021F",
        "818003070100",
        "818003 05011F",
        "8180020500",
    ],
)
def test_fields_that_cannot_be_read(field: str) -> None:
    with pytest.raises(FrameError):
        decode(bytes.fromhex(field))


@given(st.binary(max_size=60))
def test_any_field_is_read_or_a_frame_error(field: bytes) -> None:
    for data in (field, b"\x81" + field, b"\x81\x80" + bytes((len(field),)) + field):
        try:
            assert decode(decode(data).encode()) == decode(data)
        except FrameError as error:
            assert error.offset is not None


@pytest.mark.parametrize("values", [(31,), (2031,), (128, 31), (128, 128, 0), (128, 128, 8), (128, 128, 1, 0)])
def test_limits_out_of_range(values: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        Parameters(*values)
