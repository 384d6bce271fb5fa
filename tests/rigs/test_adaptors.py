from __future__ import annotations

import os
import pty
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from rigs.adaptors import Adaptor, adaptors, users
from rigs.commands import ports
from rigs.config import parse_rig
from rigs.control.place import NAME
from rigs.control.server import ControlServer, parse_address
from rigs.ports.serial_adaptor import find_adaptor
from rigs.ports.spec import parse_port
from rigs.running import RunningRig


def test_who_has_a_device_open_is_told() -> None:
    master, slave = pty.openpty()
    device = os.ttyname(slave)
    mine = f"({os.getpid()})"
    assert any(mine in user for user in users(device))
    os.close(slave)
    assert not any(mine in user for user in users(device))
    os.close(master)


def test_adaptors_are_named_so_that_they_are_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged = [
        SimpleNamespace(device="/dev/ttyUSB1", serial_number="A50285BI", description="FT232R USB UART"),
        SimpleNamespace(device="/dev/ttyS0", serial_number=None, description="n/a"),
    ]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: plugged)
    first, second = adaptors()
    assert (first.spec, second.spec) == ("serial:/dev/ttyS0", "serial:usb:A50285BI")
    assert not Adaptor("/dev/no-such", "", "").permitted


def test_an_adaptor_without_a_number_is_named_by_its_link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    device, link = tmp_path / "ttyUSB3", tmp_path / "by-id" / "usb-Prolific-if00"
    device.touch()
    link.parent.mkdir()
    link.symlink_to(device)
    plugged = [SimpleNamespace(device=str(device), serial_number=None, description="PL2303")]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: plugged)
    monkeypatch.setattr("rigs.adaptors._BY_ID", link.parent)
    (adaptor,) = adaptors()
    assert adaptor.spec == f"serial:{link}"
    assert find_adaptor(parse_port(adaptor.spec)) == str(link)


def test_the_ports_of_a_running_rig_are_shown(
    smets1_rig: Callable[..., RunningRig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    master, slave = pty.openpty()
    device = os.ttyname(slave)
    plugged = [SimpleNamespace(device=device, serial_number="A50285BI", description="FT232R")]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: plugged)
    street = {"optical": "bus:street"}
    rig = smets1_rig(
        {
            "bus": {"street": {"port": "serial:usb:A50285BI"}},
            "premises": [
                {"name": "a", "hub": {"ports": {"wan-tcp": "tcp:0"}}, "electricity": {"ports": street}, "gas": None},
                {"name": "b", "hub": None, "electricity": {"ports": street}, "gas": None},
            ],
        }
    )
    control = ControlServer(rig.rig, parse_address("0"), tmp_path)
    rig.runner.run(control.start())
    with rig.premises["a"].hub.client(port="wan-tcp"):
        ports.run([rig.rig.file], tmp_path)
    said = " ".join(capsys.readouterr().out.split())
    for used in ("a/electricity/optical", "b/electricity/optical"):
        assert f"{used} of the rig" in said
    assert "serial:usb:A50285BI (bus street, HDLC 17, sign-on 17)" in said
    assert f"serial:usb:A50285BI ({device}) (bus street)" in said
    assert "client 16 at 1" in said
    left = (tmp_path / NAME).read_text()
    rig.runner.run(control.stop())
    (tmp_path / NAME).write_text(left)
    ports.run([], tmp_path)
    assert "left by a rig that has ended" in " ".join(capsys.readouterr().out.split())
    os.close(master)
    os.close(slave)


def test_the_table_says_what_an_adaptor_is_used_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    master, slave = pty.openpty()
    device = os.ttyname(slave)
    plugged = [SimpleNamespace(device=device, serial_number="A50285BI", description="FT232R")]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: plugged)
    ports.run([parse_rig("[[premises]]\nhub.ports = { wan = 'serial:usb:A50285BI' }\n")])
    said = capsys.readouterr().out
    assert said.count(f"({os.getpid()})") == 2  # as an adaptor, and as the port of the rig
    assert "home/hub/wan" in said
    os.close(slave)
    ports.run([])
    assert "free" in capsys.readouterr().out
    os.close(master)
    monkeypatch.setattr("serial.tools.list_ports.comports", list)
    ports.run([])
    assert "No serial adaptor is plugged in." in capsys.readouterr().out
