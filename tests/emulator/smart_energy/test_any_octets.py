"""Whatever comes, nothing is raised, and nothing that is kept changes but by a right write or command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from construct import SizeofError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.electricity import ElectricityMeter
from emulator.han.message import Message
from emulator.load import MICRO, Constant
from emulator.premises import build_premises
from emulator.time import Clock
from firmware_profiles.loader import load
from protocols.errors import DecodeError
from protocols.zigbee.zcl.clusters import CLUSTERS
from protocols.zigbee.zcl.foundation import Command
from protocols.zigbee.zcl.header import Direction, Frame, FrameType, cluster_frame

from ..conftest import SEED, START, Spec, build_esme
from .conftest import Host

CLUSTER_IDS = st.sampled_from(sorted(CLUSTERS)) | st.integers(0, 0xFFFF)
ENDPOINTS = st.sampled_from([0, 1, 1, 1, 2, 255])
FRAMES = st.binary(max_size=40) | st.builds(
    lambda control, sequence, command, rest: bytes((control, sequence, command)) + rest,
    st.sampled_from([0x00, 0x01, 0x08, 0x09, 0x11, 0x18, 0x19]),
    st.integers(0, 255),
    st.integers(0, 0x17),
    st.binary(max_size=40),
)
WRITES = frozenset((Command.WRITE, Command.WRITE_UNDIVIDED, Command.WRITE_NO_RESPONSE, Command.CONFIGURE_REPORTING))


@pytest.fixture(scope="module", params=["hub", "electricity", "gas"])
def host(request: pytest.FixtureRequest) -> Host:
    """One device of a premises."""
    premises = build_premises("home", Spec(), Clock(START), SEED, load, history_days=2)
    return Host(getattr(premises, request.param))


def may_change(endpoint: int, cluster: int, octets: bytes) -> bool:
    """Whether octets are a write, a configuration, or a command of a cluster."""
    if endpoint == 0:
        return True
    try:
        frame = Frame.decode(octets)
    except DecodeError:
        return False
    return frame.type is FrameType.CLUSTER or frame.command in WRITES or frame.command == Command.REPORT


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(endpoint=ENDPOINTS, cluster=CLUSTER_IDS, octets=FRAMES, broadcast=st.booleans(), secured=st.booleans())
def test_any_octets_to_any_endpoint(
    host: Host, endpoint: int, cluster: int, octets: bytes, broadcast: bool, secured: bool
) -> None:
    profile = 0 if endpoint == 0 else 0x0109
    before = host.application.image()
    for answer in host.deliver(Message(profile, cluster, 1, endpoint, octets, secured), broadcast=broadcast):
        if endpoint:
            frame = Frame.decode(answer.payload)
            assert frame.sequence == Frame.decode(octets).sequence
            assert not broadcast or frame.command != Command.DEFAULT_RESPONSE or frame.type is not FrameType.GLOBAL
    if not may_change(endpoint, cluster, octets):
        assert host.application.image() == before


def exact(cluster: int, direction: Direction, command: int) -> st.SearchStrategy[tuple[int, bytes]]:
    """Frames of one command, of the length that it has where that is fixed."""
    layout = CLUSTERS[cluster].commands(direction)[command].layout
    try:
        size = layout.sizeof()
        payloads = st.binary(min_size=size, max_size=size)
    except SizeofError:
        payloads = st.binary(min_size=4, max_size=60)
    small = payloads.map(lambda octets: bytes(octet if place % 4 < 2 else 0 for place, octet in enumerate(octets)))
    frames = (payloads | small).map(lambda payload: cluster_frame(3, command, payload, direction).encode())
    return frames.map(lambda octets: (cluster, octets))


COMMANDS = st.sampled_from(
    [
        (cluster.id, direction, command)
        for cluster in CLUSTERS.values()
        for direction in Direction
        for command in cluster.commands(direction)
    ]
).flatmap(lambda chosen: exact(*chosen))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=COMMANDS)
def test_any_command_with_any_fields(host: Host, asked: tuple[int, bytes]) -> None:
    cluster, octets = asked
    before = host.application.image()
    account = getattr(host.device, "account", None)
    money = account.image() if account else None
    for answer in host.zcl(cluster, octets):
        frame = Frame.decode(answer.payload)
        refused = frame.type is FrameType.GLOBAL and frame.command == Command.DEFAULT_RESPONSE and frame.payload[1]
        if refused:
            assert host.application.image() == before
            assert not account or account.image() == money


@settings(max_examples=60, deadline=None)
@given(cluster=st.integers(0, 0x40), octets=st.binary(max_size=30))
def test_any_octets_to_the_device_profile(cluster: int, octets: bytes) -> None:
    host = Host(build_esme(Clock(START), Constant(500 * MICRO)))
    said = host.deliver(Message(0, cluster, 0, 0, octets))
    assert len(said) <= 1
    assert all(answer.cluster == cluster | 0x8000 and answer.payload[0] == octets[0] for answer in said)


def test_a_firmware_without_zigbee_has_no_endpoints(
    esme: Callable[..., ElectricityMeter], monkeypatch: pytest.MonkeyPatch
) -> None:

    device = esme()
    monkeypatch.setattr(device, "firmware", replace(device.firmware, zigbee=None))
    host = Host(device)
    assert host.application.endpoints == []
    assert host.zcl(0, bytes.fromhex("000100 0400")) == []
