"""The file that says where a running rig is controlled, and with which token: ``smets1-control.json``.

It lies in the folder in which the rig makes its links, and only its owner may read it. The rig holds a lock on it while
it runs, so that a file left by one that was killed is known as such, and replaced.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rigs.ports import PortError
from rigs.system_errors import reason

NAME = "smets1-control.json"
_MOST = 4096  # octets of such a file
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rig is controlled: ``http://host:port``, and the token it asks for."""

    url: str
    token: str


class ControlFileError(Exception):
    """A file that does not say where a rig is; the text is one line."""


def read_place(folder: Path) -> Place:
    """What the rig that runs in ``folder`` has written; raises ControlFileError."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            octets = file.read(_MOST + 1)
    except FileNotFoundError:
        advice = "start one there (`smets1 up`) or name its folder with --folder"
        raise ControlFileError(f"{path}: no rig runs in this folder; {advice}") from None
    except OSError as error:
        raise ControlFileError(f"{path}: {reason(error)}") from None
    place = _parsed(octets)
    if place is None:
        raise ControlFileError(f"{path}: not a file that a rig has written; remove it and start the rig again")
    return place


def _parsed(octets: bytes) -> Place | None:
    try:
        content = json.loads(octets) if len(octets) <= _MOST else None
    except ValueError:
        return None
    match content:
        case {"url": str(url), "token": str(token)} if token and token.isascii() and token.isprintable():
            return Place(url, token)
        case _:
            return None


class Claim:
    """A rig's file in a folder, held until :meth:`release`."""

    def __init__(self, folder: Path, place: Place) -> None:
        """Write it; raises PortError where another rig has it, or where it cannot be written."""
        self.path = folder / NAME
        try:
            self._clear()
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise self._taken() from None
        except OSError as error:
            problem = reason(error)
            raise PortError(str(self.path), problem, "start the rig in another folder, or with --control off") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(self._descriptor, 0o600)
            os.write(self._descriptor, json.dumps({"url": place.url, "token": place.token}).encode() + b"\n")
        except OSError as error:
            self.release()
            raise PortError(str(self.path), reason(error)) from None

    def _clear(self) -> None:
        """Take away what a rig that was killed has left."""
        for _ in range(_TRIES):
            try:
                left = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                return
            try:
                found = os.fstat(left)
                octets = os.read(left, _MOST + 1) if stat.S_ISREG(found.st_mode) else b"-"
                if octets and _parsed(octets) is None:
                    problem = "something that no rig has written is there already"
                    raise PortError(str(self.path), problem, "remove it or start the rig in another folder")
                try:
                    fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise self._taken() from None
                # Whoever holds the lock of the file that has the name may take the name away.
                with suppress(FileNotFoundError):
                    if self.path.stat(follow_symlinks=False).st_ino == found.st_ino:
                        self.path.unlink()
                        return
            finally:
                os.close(left)

    def _taken(self) -> PortError:
        advice = "start this one in another folder, or with --control off"
        return PortError(str(self.path), "another rig runs in this folder", advice)

    def release(self) -> None:
        """Take the file away."""
        if self._descriptor < 0:
            return
        with suppress(OSError):
            if self.path.stat(follow_symlinks=False).st_ino == os.fstat(self._descriptor).st_ino:
                self.path.unlink()
        os.close(self._descriptor)
        self._descriptor = -1
