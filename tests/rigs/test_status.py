from __future__ import annotations

import io
import os
import re
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from rigs.config import rig_of
from rigs.driver import ClockMode
from rigs.hints import commands
from rigs.running import RunningRig
from rigs.status import Log, Status


@pytest.fixture
def echoing(tmp_path: Path, echo_stack: type[Any]) -> Iterator[RunningRig]:
    """Three premises whose devices echo, on terminals and TCP."""

    def build(*_: object) -> Any:
        stacks = {"wan": echo_stack, "wan-tcp": echo_stack}
        return SimpleNamespace(hub=SimpleNamespace(stacks=stacks), electricity=None, gas=None, display=None)

    file = rig_of(
        {
            "premises": [
                {
                    "name": "road",
                    "count": 3,
                    "hub": {"ports": {"wan": "pty:hub{n}", "wan-tcp": "tcp:0"}},
                    "electricity": None,
                    "gas": None,
                }
            ]
        }
    )
    rig = RunningRig(file, folder=tmp_path, mode=ClockMode.STEPPED, build=build)
    status = Status(rig.rig)
    rig.rig.explain = status.explained
    rig.table = status  # type: ignore[attr-defined]
    with rig:
        yield rig


def drawn(rig: Any, width: int = 80, height: int = 24) -> str:
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(rig.runner.call(lambda: rig.table.view(console)))
    return console.export_text()


def talk(path: Path, data: bytes) -> int:
    client = os.open(path, os.O_RDWR | os.O_NOCTTY)
    os.write(client, data)
    select.select([client], [], [], 2)
    return client


def test_the_table_shows_what_went_by_and_why_nothing_came(echoing: Any, tmp_path: Path) -> None:
    client = talk(tmp_path / "hub1", b"hello")
    os.close(client)
    rows = {row.name: row for row in echoing.runner.call(echoing.table.rows)}
    assert len(rows) == 6
    row = rows["road-1/hub/wan"]
    # The client's terminal is at the rate it was made with, not the device's: garbage, and the row says so.
    assert row.octets_in == 5
    assert row.refused["garbled in"] == 5
    assert "38400 Bd" in row.said
    for width in (80, 120):
        text = drawn(echoing, width)
        assert "2026-01-01 00:00:00 UTC, stands still" in text
        assert re.search(r"road-1/hub/wan: \d octets .* 38400 Bd.* \[garbled in 5", text.replace("\n", " "))
        for name in rows:
            assert f"\u2502 {name} " in text
        assert max(map(len, text.splitlines())) <= width
        assert len(text.splitlines()) <= 24


def test_a_table_with_little_room_shows_where_something_happened_last(echoing: Any, tmp_path: Path) -> None:
    drawn(echoing, height=6)
    for name in ("hub1", "hub2"):
        os.close(talk(tmp_path / name, b"hello"))
    text = drawn(echoing, height=6)
    assert "\u2502 road-2/hub/wan " in text
    assert "and 3 more ports" in text
    # One sentence is all there is room for: the last.
    assert re.search(r"road-2/hub/wan: \d octets ", text)
    assert "road-1/hub/wan: " not in text


def test_a_sentence_is_not_driven_out_by_what_follows_from_it(echoing: Any) -> None:
    status = Status(echoing.rig)
    for text in ("no frame", "the client is set to 300 Bd", "the client is set to 300 Bd", "noise"):
        status.explained("road-0/hub/wan", text)
    row = echoing.runner.call(status.rows)[0]
    assert (row.name, row.said) == ("road-0/hub/wan", "the client is set to 300 Bd; noise")


def test_counts_outlive_connections(echoing: Any) -> None:
    host, _, port = echoing.premises["road-0"].hub.tcp.rpartition(":")
    for _ in range(2):
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"abc")
            assert client.recv(3) == b"ABC"
    counted = echoing.premises["road-0"].hub.statistics["wan-tcp"]
    assert counted["octets in"] == counted["octets out"] == 6


def test_lines_come_once_and_only_when_something_is_new(echoing: Any) -> None:
    status = Status(echoing.rig)
    log = Log(status)
    assert log.lines() == []
    for _ in range(3):
        log.explained("road-0/hub/wan", "wrong check sequence")
    host, _, port = echoing.premises["road-0"].hub.tcp.rpartition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"X"
        assert echoing.runner.call(log.lines) == [
            "road-0/hub/wan: wrong check sequence (3 times)",
            "road-0/hub/wan-tcp: connected",
        ]
        assert echoing.runner.call(log.lines) == []


def test_every_port_that_a_client_can_reach_has_commands(echoing: Any, tmp_path: Path) -> None:
    found = [command for port in echoing.rig.ports.values() for command in commands(port)]
    assert f"smets1 read pty:{tmp_path}/hub0 list" in found
    assert any(command.startswith("pydlms read tcp://127.0.0.1:") for command in found)


@pytest.mark.parametrize("stepped", [True, False])
def test_the_headline_says_how_the_clock_runs(stepped: bool, tmp_path: Path) -> None:
    file = rig_of({"clock": {} if stepped else {"rate": 60}})
    rig = RunningRig(file, folder=tmp_path, mode=ClockMode.STEPPED if stepped else None)
    try:
        assert ("stands still" if stepped else "60 times real time") in Status(rig.rig).headline()
    finally:
        rig.runner.close()


def test_who_is_associated_with_what_is_shown(premises: Any) -> None:
    rig = premises.rig
    status = Status(rig.rig)

    def clients() -> dict[str, str]:
        return {row.name: row.client for row in rig.runner.call(status.rows)}

    with premises.hub.client("data_collection", port="wan-tcp"), premises.electricity.client(port="local-tcp"):
        assert clients() == {
            "home/hub/wan": "",
            "home/hub/wan-tcp": "client 32 at 1",
            "home/electricity/optical": "",
            "home/electricity/local-tcp": "client 16 at 1",
        }
        frames = {row.name: (row.frames_in, row.frames_out) for row in rig.runner.call(status.rows)}
        assert min(frames["home/hub/wan-tcp"]) > 0
