"""Serial adaptors of this machine, and which programs have them open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_BY_ID = Path("/dev/serial/by-id")


@dataclass(frozen=True, slots=True)
class Adaptor:
    """One serial device. ``usb`` is its USB serial number, ``by_id`` the link that the system names after what it is;
    each is empty where there is none."""

    device: str
    usb: str
    description: str
    by_id: str = ""

    @property
    def spec(self) -> str:
        """How a rig file names it so that it is found whichever socket it is in."""
        return f"serial:usb:{self.usb}" if self.usb else f"serial:{self.by_id or self.device}"

    @property
    def permitted(self) -> bool:
        """Whether this user may open it."""
        return os.access(self.device, os.R_OK | os.W_OK)


def adaptors() -> list[Adaptor]:
    """Those plugged in now, by device name."""
    from serial.tools import list_ports

    links = _by_id()
    found = (
        Adaptor(port.device, port.serial_number or "", port.description or "", links.get(port.device, ""))
        for port in list_ports.comports()
    )
    return sorted(found, key=lambda adaptor: adaptor.device)


def _by_id() -> dict[str, str]:
    """The links named after adaptors, by the device file that each leads to."""
    try:
        return {os.path.realpath(link): str(link) for link in sorted(_BY_ID.iterdir())}
    except OSError:
        return {}  # the system makes the folder with the first adaptor


def users(device: str) -> list[str]:
    """Programs that have a device open, as ``name (process id)``, as far as this user may see them."""
    wanted = os.path.realpath(device)
    return sorted({f"{_name(process)} ({process.name})" for process in _processes() if wanted in _open_files(process)})


def _processes() -> Iterator[Path]:
    return (path for path in _PROC.iterdir() if path.name.isdigit())


def _open_files(process: Path) -> set[str]:
    found: set[str] = set()
    try:
        for descriptor in (process / "fd").iterdir():
            try:
                found.add(str(descriptor.readlink()))
            except OSError:
                continue  # closed meanwhile
    except OSError:
        return found  # another user's, or it has ended
    return found


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "process"
