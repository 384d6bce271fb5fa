"""Recordings: what went over a line and when, as text that people read and :mod:`rigs.proxy.replay` plays.

The first line is ``smets1-hil recording 1 CARRIES``, where CARRIES is ``wrapper`` for wrapper messages and ``line`` for
the octets of a serial line. Every other line is one of

==========================  ========================================================================================
``# text``                  a comment
``0.012345 1 > 7EA00A...``  octets from the head-end towards the meter, in hexadecimal: seconds since the beginning,
                            the number of the line or connection from 1, direction
``0.031200 1 < 7EA02B...``  octets from the meter
``0.031200 1 ! text``       what happened: the line is there or gone, its settings, what damage was done
==========================  ========================================================================================

Octets stand there as they came to the proxy, before any damage.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from protocols.sniffer import Message, Sniffer
from rigs.capture import CaptureError
from rigs.system_errors import reason

HEADING = "smets1-hil recording 1"
MAX_FILE = 256 << 20
"""Octets of a recording that is read."""
MAX_LINES = 4096
"""Lines or connections of a recording that is read."""
FULL = 1 << 30
"""Octets of text after which a recorder writes no more."""
_ENTRY = re.compile(r"([0-9]{1,9}\.[0-9]{1,9}) ([0-9]{1,6}) ([<>!]) (.+)")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")


class Entry(NamedTuple):
    """Octets that came: seconds since the beginning, number of the line, whether towards the meter."""

    at: float
    line: int
    inbound: bool
    octets: bytes


class Recorder:
    """Writes a recording; raises CaptureError when the file cannot be created or no more can be written.

    ``full`` is whether it has reached :data:`FULL` and keeps no more.
    """

    def __init__(self, path: Path, *, wrapped: bool, about: str = "") -> None:
        self.path = path
        self.full = False
        self.entries = 0
        self._size = 0
        try:
            self._file: TextIO = path.open("x", encoding="ascii", errors="backslashreplace", buffering=1)
        except FileExistsError:
            raise CaptureError(f"{path}: is there already; name another file") from None
        except OSError as error:
            raise CaptureError(f"{path}: cannot write the recording: {reason(error)}") from None
        self._write(f"{HEADING} {'wrapper' if wrapped else 'line'}")
        if about:
            self._write(f"# {about}")

    def octets(self, at: float, line: int, inbound: bool, data: bytes) -> None:
        """Octets came at ``at`` seconds since the beginning."""
        self.entries += 1
        self._write(f"{at:.6f} {line} {'>' if inbound else '<'} {data.hex().upper()}")

    def remark(self, at: float, line: int, text: str) -> None:
        """Something happened."""
        self._write(f"{at:.6f} {line} ! {' '.join(text.split())}")

    def close(self) -> None:
        """Finish the file. Closing twice does no harm."""
        self._file.close()

    def _write(self, line: str) -> None:
        if self.full or self._file.closed:
            return
        self._size += len(line) + 1
        try:
            if self._size > FULL:
                self.full = True
                line = f"# the recording ends here: it has {FULL} octets"
            self._file.write(f"{line}\n")
        except OSError as error:
            self.full = True
            raise CaptureError(f"{self.path}: the recording ends here: {reason(error)}") from None


class Recording:
    """A recording that was read: ``entries`` in order, and whether they are of wrapper messages."""

    def __init__(self, wrapped: bool, entries: list[Entry]) -> None:
        self.wrapped = wrapped
        self.entries = entries

    @classmethod
    def read(cls, path: Path) -> Recording:
        """The recording in a file; raises CaptureError that names file and line."""
        try:
            if path.stat().st_size > MAX_FILE:
                raise CaptureError(f"{path}: longer than {MAX_FILE >> 20} MiB; cut it into several recordings")
            text = path.read_text(encoding="ascii")
        except OSError as error:
            raise CaptureError(f"{path}: {reason(error)}") from None
        except UnicodeDecodeError:
            raise CaptureError(f"{path}: no recording: its first line is not {HEADING!r}") from None
        heading, *lines = text.splitlines() or [""]
        carries = heading.removeprefix(HEADING).strip()
        if not heading.startswith(HEADING) or carries not in ("line", "wrapper"):
            raise CaptureError(f"{path}: no recording: its first line is not {HEADING!r} with line or wrapper")
        entries = [entry for number, line in enumerate(lines, 2) if (entry := _entry(path, number, line)) is not None]
        if len({entry.line for entry in entries}) > MAX_LINES:
            raise CaptureError(f"{path}: more than {MAX_LINES} lines or connections")
        return cls(carries == "wrapper", entries)

    def messages(self) -> Iterator[tuple[Entry, Message]]:
        """Its messages one by one, each with the entry that completed it; lines and connections one after another."""
        lines: defaultdict[int, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            lines[entry.line].append(entry)
        for entries in lines.values():
            sniffer = Sniffer(wrapped=self.wrapped)
            for entry in entries:
                for message in sniffer.see(entry.inbound, entry.octets):
                    yield entry, message
            for message in sniffer.flush():
                yield entries[-1], message


def _entry(path: Path, number: int, line: str) -> Entry | None:
    """The entry of a line; None for a comment or a remark."""
    if not line.strip() or line.startswith("#"):
        return None
    found = _ENTRY.fullmatch(line)
    if found is None or (found[3] != "!" and not _HEX.fullmatch(found[4])):
        shown = line if len(line) < 60 else f"{line[:57]}..."
        advice = "write SECONDS LINE > or < HEXADECIMAL, or # and a comment"
        raise CaptureError(f"{path}: line {number}: {shown!r}: {advice}")
    if found[3] == "!":
        return None
    return Entry(float(found[1]), int(found[2]), found[3] == ">", bytes.fromhex(found[4]))
