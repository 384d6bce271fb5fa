from __future__ import annotations

import os
import pty
from types import SimpleNamespace

import pytest

from rigs.adaptors import Adaptor, adaptors, users
from rigs.commands import ports
from rigs.config import parse_rig


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
