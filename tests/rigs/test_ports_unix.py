"""Unix sockets as ports: who may have the path, what is left behind, and ``smets1 read`` over them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rigs.cli import app
from rigs.config import ConfigError
from rigs.ports import PortError
from rigs.ports.tcp import CONNECTIONS
from rigs.running import RunningRig


def dial(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(2)
    client.connect(str(path))
    return client


def test_each_connection_has_its_stack(bench: Any, tmp_path: Path) -> None:
    rig = bench("unix:./meter")
    assert rig.port.address == str(tmp_path / "meter")
    with dial(tmp_path / "meter") as one, dial(tmp_path / "meter") as two:
        one.sendall(b"one")
        two.sendall(b"two")
        assert (one.recv(10), two.recv(10)) == (b"ONE", b"TWO")
    rig.call(rig.port.close)
    assert not (tmp_path / "meter").exists()
    rig.call(rig.port.close)


def test_one_connection_too_many_is_refused(bench: Any, tmp_path: Path) -> None:
    rig = bench("unix+hdlc:meter")
    clients = [dial(tmp_path / "meter") for _ in range(CONNECTIONS)]
    clients[-1].sendall(b"in")
    assert clients[-1].recv(10) == b"IN"
    with dial(tmp_path / "meter") as extra:
        assert extra.recv(1) == b""
    assert rig.port.statistics()["connections refused"] == 1
    for client in clients:
        client.close()


def test_what_a_killed_rig_left_is_replaced_and_nothing_else(bench: Any, tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(tmp_path / "meter"))
    left.close()
    bench("unix:meter")
    with pytest.raises(PortError, match="another rig has this port"):
        bench("unix:./meter")
    with dial(tmp_path / "meter") as client:
        client.sendall(b"still")
        assert client.recv(10) == b"STILL"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(PortError, match="no socket"):
        bench("unix:file")
    assert (tmp_path / "file").read_text() == "mine"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(tmp_path / "other"))
        other.listen()
        with pytest.raises(PortError, match="another program listens"):
            bench("unix:other")
    assert (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("text", "words"), [("unix:" + "x" * 120, "at most 107 octets"), ("unix:none/meter", "there is no folder")]
)
def test_errors_are_one_line(bench: Any, text: str, words: str) -> None:
    with pytest.raises(PortError, match=words) as caught:
        bench(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["unix", "unix+hdlc"])
def test_smets1_read_reads_over_it(smets1_rig: Callable[..., RunningRig], tmp_path: Path, kind: str) -> None:
    port = "wan-tcp" if kind == "unix" else "wan"
    rig = smets1_rig({"premises": [{"hub": {"ports": {port: f"{kind}:hub"}}}]})
    result = CliRunner().invoke(app, ["read", f"{kind}:{tmp_path}/hub", "1/0-0:42.0.0", "--json"])
    assert result.exit_code == 0, result.stdout
    assert "value" in json.dumps(json.loads(result.stdout))
    with rig.premises["home"].hub.client(port=port) as client:
        assert client.get(1, "0-0:42.0.0").value
    gone = CliRunner().invoke(app, ["read", f"{kind}:{tmp_path}/none", "list"])
    assert isinstance(gone.exception, PortError)
    assert "no such port; is the rig running" in str(gone.exception)


def test_a_wrapped_port_takes_tcp_or_a_socket(smets1_rig: Callable[..., RunningRig]) -> None:
    with pytest.raises(ConfigError, match=r"use tcp:PORT or unix:\./path"):
        smets1_rig({"premises": [{"hub": {"ports": {"wan-tcp": "unix+hdlc:hub"}}}]})
    with pytest.raises(ConfigError, match="octets of a line"):
        smets1_rig({"premises": [{"hub": {"ports": {"wan": "unix:hub"}}}]})
    with pytest.raises(ConfigError, match="already the port of home/hub/wan"):
        smets1_rig({"premises": [{"hub": {"ports": {"wan": "unix+hdlc:x", "wan-tcp": "unix+hdlc:./x"}}}]})
