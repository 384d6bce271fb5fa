"""Ports: how octets reach a device's protocol stacks from outside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rigs.ports.line import Line
from rigs.ports.port import Attachment, Port
from rigs.ports.spec import PortError, PortKind, PortSpec, parse_port
from rigs.ports.wire import LineOptions, Tap

if TYPE_CHECKING:
    from rigs.driver import Driver

__all__ = [
    "Attachment",
    "Line",
    "LineOptions",
    "Port",
    "PortError",
    "PortKind",
    "PortSpec",
    "Tap",
    "make_port",
    "parse_port",
]


def make_port(spec: PortSpec, attachment: Attachment, driver: Driver, folder: Path = Path()) -> Port:
    """A port that is not open yet. Relative paths of pty ports and sockets are below ``folder``."""
    match spec.kind:
        case PortKind.PTY:
            from rigs.ports.pty import PtyPort

            return PtyPort(spec, attachment, driver, folder)
        case PortKind.SERIAL:
            from rigs.ports.serial_adaptor import SerialPort

            return SerialPort(spec, attachment, driver)
        case PortKind.UNIX | PortKind.UNIX_HDLC:
            from rigs.ports.unix import UnixPort

            return UnixPort(spec, attachment, driver, folder)
        case PortKind.RFC2217:
            from rigs.ports.rfc2217 import Rfc2217Port

            return Rfc2217Port(spec, attachment, driver)
        case _:
            from rigs.ports.tcp import network_port

            return network_port(spec, attachment, driver)
