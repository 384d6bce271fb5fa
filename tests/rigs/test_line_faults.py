"""Faults of lines and frames on a running rig: on a bus, in stepped time, on connections of later."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.hdlc import Frame, encode, encode_address
from protocols.hdlc.frame import DM, POLL, RR, SNRM, UA
from rigs.running import RunningDevice, RunningRig
from tests.rigs.test_ports_bus import frames, heard, street, terminal

SNRM_FRAME = encode(Frame(encode_address(1), encode_address(16), SNRM | POLL))


def connect(meter: RunningDevice, timeout: float = 5.0) -> socket.socket:
    host, _, port = meter.ports["optical"].rpartition(":")
    return socket.create_connection((host, int(port)), timeout=timeout)


def asked(client: socket.socket, octets: bytes, timeout: float) -> bytes:
    """What comes of octets within a time, nothing where nothing does."""
    client.settimeout(timeout)
    client.sendall(octets)
    try:
        return client.recv(1000)
    except TimeoutError:
        return b""


@pytest.fixture
def rig(smets1_rig: Callable[..., RunningRig]) -> RunningRig:
    meter = {"profile": "electricity-bench", "ports": {"optical": "tcp+hdlc:0"}}
    return smets1_rig({"premises": [{"name": "home", "hub": None, "gas": None, "electricity": meter}]})


def test_what_is_held_back_in_stepped_time_comes_when_that_has_come(rig: RunningRig) -> None:
    with connect(rig.premises["home"].electricity) as client:
        right = asked(client, SNRM_FRAME, 5)
        fault = rig.start_fault("delayed-messages", "home/electricity", delay=400, way="from-device")
        assert asked(client, SNRM_FRAME, 0.05) == b""
        rig.end_fault(fault.id)  # it comes all the same
        rig.clock.advance(seconds=0.5)
        client.settimeout(5)
        assert client.recv(1000) == right


def test_connections_of_later_have_it_too(rig: RunningRig) -> None:
    meter = rig.premises["home"].electricity
    with connect(meter) as first:
        right = asked(first, SNRM_FRAME, 5)
        fault = rig.start_fault("wrong-fcs", "home/electricity", frames=2)
        with connect(meter) as second:
            answers = [asked(client, SNRM_FRAME, 5) for client in (first, second, first, second)]
    assert [answer[:-3] for answer in answers] == [right[:-3]] * 4
    assert [answer == right for answer in answers] == [False, False, True, True]
    assert [found.state for found in rig.faults] == ["ended"]
    said = [text for text in meter.explained if text.startswith(f"fault {fault.id} (wrong-fcs)")]
    assert said == [f"fault {fault.id} (wrong-fcs): an answer of {len(right)} octets: its FCS is wrong"] * 2
    assert meter.statistics["optical"]["spoilt by faults"] == 2


def test_a_station_of_a_bus_is_wrong_alone(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> None:
    """Every station hears the frames of all; the one with the fault answers for itself only."""
    rig = smets1_rig(street(meters=2))
    rig.start_fault("spurious-dm", "no-1/electricity", frames=0)
    polled: list[int] = []
    with terminal(tmp_path / "street") as client:
        for lower in (16, 17):
            for control in (SNRM | POLL, RR | POLL):
                os.write(client, encode(Frame(encode_address(1, lower, 4), encode_address(16), control)))
                (answer,) = frames(heard(client, 0.05))
                assert answer.source == encode_address(1, lower, 4)
                polled.append(answer.control)
    assert polled == [UA | POLL, RR | POLL, UA | POLL, DM | POLL]
