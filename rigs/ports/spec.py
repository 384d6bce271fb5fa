"""Ports as text: what ``pty:./meter`` and its relatives mean, and the one error a port can give a person.

========================  =======================================================================================
``pty:./path``            a pseudo terminal behind the symbolic link ``./path``, kept across restarts
``serial:/dev/ttyUSB0``   a serial adaptor, by device file
``serial:usb:A50285BI``   a serial adaptor, by its USB serial number (it may move between sockets)
``tcp:4059``              COSEM wrapper (IEC 62056-47) on TCP; ``tcp:0.0.0.0:4059`` to be seen from outside
``tcp+hdlc:4061``         the octets of a serial line on a plain TCP connection
``udp:4059``              COSEM wrapper on UDP
``rfc2217:4062``          a serial line with its settings (RFC 2217), as ``rfc2217://`` of pyserial speaks
``unix:./path``           COSEM wrapper on the Unix socket ``./path``
``unix+hdlc:./path``      the octets of a serial line on a Unix socket
========================  =======================================================================================

A network port listens on the loopback interface unless a host is given. Port number 0 asks the system for a free one.
"""

from __future__ import annotations

import errno
import re
import socket
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class PortError(Exception):
    """A port that cannot be opened or has gone. The text is one line: what, where, and what to do."""

    def __init__(self, port: str, problem: str, advice: str = "") -> None:
        self.port = port
        self.problem = problem
        self.advice = advice
        super().__init__(f"{port}: {problem}" + (f"; {advice}" if advice else ""))


class PortKind(Enum):
    """How octets come and go."""

    PTY = "pty"
    SERIAL = "serial"
    TCP = "tcp"
    TCP_HDLC = "tcp+hdlc"
    UDP = "udp"
    RFC2217 = "rfc2217"
    UNIX = "unix"
    UNIX_HDLC = "unix+hdlc"


PATHS = frozenset((PortKind.PTY, PortKind.SERIAL, PortKind.UNIX, PortKind.UNIX_HDLC))
"""Kinds that have a path, not host and port."""
LINE_NEEDED = "octets of a line; use pty, serial, tcp+hdlc, unix+hdlc or rfc2217"
LOOPBACK = "127.0.0.1"
LONGEST_SOCKET = 107
"""Octets of a Unix socket's path, by the system."""
FORMS = (
    "pty:./path, serial:/dev/..., serial:usb:NUMBER, tcp:[host:]port, tcp+hdlc:..., udp:..., rfc2217:..., unix:./path"
    " or unix+hdlc:./path"
)


@dataclass(frozen=True, slots=True)
class PortSpec:
    """A parsed port: ``path`` of pty, serial, unix, ``usb`` of serial by number, ``host`` and ``port`` of networks."""

    kind: PortKind
    path: str = ""
    usb: str = ""
    host: str = ""
    port: int = 0
    bus: str = ""
    """Name of the bus whose port this is, if it is that of one."""

    def __str__(self) -> str:
        match self.kind:
            case PortKind.PTY | PortKind.UNIX | PortKind.UNIX_HDLC:
                return f"{self.kind.value}:{self.path}"
            case PortKind.SERIAL:
                return f"serial:usb:{self.usb}" if self.usb else f"serial:{self.path}"
            case _:
                return f"{self.kind.value}:{network_address(self.host, self.port)}"

    @property
    def wrapped(self) -> bool:
        """Whether the port carries wrapper PDUs rather than the octets of a line."""
        return self.kind in (PortKind.TCP, PortKind.UDP, PortKind.UNIX)


def network_address(host: str, port: int | str) -> str:
    """``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def plain_path(path: Path) -> str:
    """A path for clients to open; a relative one begins with a dot, so that none of them takes it for a name."""
    return str(path) if path.is_absolute() else f"./{path}"


def plain_name(text: str) -> str:
    """What a port is called, without what only clients say (``optical:``) and however its path is written."""
    text = text.removeprefix("optical:")
    kind, colon, rest = text.partition(":")
    if not colon:
        return plain_path(Path(kind))
    return f"{kind}:{plain_path(Path(rest))}" if kind in _PATH_WORDS else text


_PATH_WORDS = frozenset(kind.value for kind in PATHS)
_NETWORK = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\s\[\]]+):)?(?P<port>[0-9]{1,5})")


def parse_port(text: str) -> PortSpec:
    """The port that ``text`` names; raises :class:`PortError` naming what is allowed."""
    name, colon, rest = text.partition(":")
    try:
        kind = PortKind(name)
    except ValueError:
        kind = None
    if kind is None or not colon or not rest:
        raise PortError(text or "(empty)", "not a port", f"write {FORMS}")
    if "\0" in rest or "\n" in rest:
        raise PortError(repr(text), "a port is one line of text")
    if kind in (PortKind.PTY, PortKind.UNIX, PortKind.UNIX_HDLC):
        return PortSpec(kind, path=rest)
    if kind is PortKind.SERIAL:
        if not rest.startswith("usb:"):
            return PortSpec(kind, path=rest)
        if not rest[4:]:
            raise PortError(text, "no USB serial number", "write serial:usb:NUMBER as `smets1 ports` lists it")
        return PortSpec(kind, usb=rest[4:])
    match = _NETWORK.fullmatch(rest)
    if match is None:
        raise PortError(text, "not a network port", f"write {name}:PORT or {name}:HOST:PORT")
    port = int(match["port"])
    if port > 0xFFFF:
        raise PortError(text, f"port number {port} is too high", "use 0..65535")
    return PortSpec(kind, host=(match["host"] or LOOPBACK).strip("[]"), port=port)


def describe_os_error(spec: PortSpec, error: OSError) -> PortError:
    """A :class:`PortError` for what the system said about a port, with the advice that fits."""
    port = str(spec)
    network = spec.kind not in PATHS
    match error.errno:
        case errno.EADDRINUSE:
            return PortError(port, "the port is in use", "stop the other program or choose another number (0: any)")
        case errno.EADDRNOTAVAIL:
            return PortError(port, "this machine does not have that address", "use 127.0.0.1, 0.0.0.0 or its own")
        case errno.ECONNREFUSED:
            return PortError(port, "nobody listens there", "is the rig running? `smets1 up`")
        case errno.ECONNRESET | errno.EPIPE:
            return PortError(port, "the far end closed the connection", "is it this kind of port?")
        case errno.EACCES | errno.EPERM if network:
            return PortError(port, "no permission", "use a port number from 1024 up")
        case errno.EACCES | errno.EPERM if spec.kind is PortKind.SERIAL:
            return PortError(port, "no permission", "join the group that owns the device (often dialout)")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return PortError(port, "no permission to write there", "choose another folder")
        case errno.EBUSY | errno.EAGAIN:
            return PortError(port, "the device is in use by another program", "close that program")
        case errno.EMFILE | errno.ENFILE:
            return PortError(port, "too many open files", "raise the limit (ulimit -n) or use fewer ports")
        case errno.ENOENT if spec.kind is not PortKind.SERIAL:
            return PortError(port, "no such port", "is the rig running, and in this folder?")
        case errno.ENOENT:
            return PortError(port, "no such device", "is the adaptor plugged in?")
        case errno.ENXIO | errno.ENODEV | errno.EIO:
            return PortError(port, "the device has gone", "plug it in and start again")
        case errno.ENOTTY | errno.EINVAL | errno.EISDIR if not network:
            return PortError(port, "not a serial device", "name a serial port such as /dev/ttyUSB0")
        case _ if network and isinstance(error, socket.gaierror):
            return PortError(port, f"unknown host {spec.host}", "check its name or write an address")
        case _:
            return PortError(port, error.strerror or str(error))
