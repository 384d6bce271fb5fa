"""The log of a running rig for programs: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rigs.driver import utc_ns

if TYPE_CHECKING:
    from rigs.events import RigEvent
    from rigs.rig import Rig

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class JsonLog:
    """Writes the events of a rig, and what else is worth a line.

    A line has ``time`` (the rig's clock) and ``written`` (the machine's), ISO 8601 in UTC; ``rig``, the name of its
    file; ``source`` and ``event``; ``text`` for people; and where they apply ``device``, ``port``, ``fault`` (id of
    an injection) and ``number`` (of an event, as the control API counts them).
    """

    def __init__(self, rig: Rig, write: Callable[[str], None]) -> None:
        """``write`` takes a line without its end."""
        self._rig = rig
        self._write = write

    def event(self, event: RigEvent) -> None:
        """An event has happened; a listener of :class:`rigs.events.EventLog`."""
        self._line(event.at, event.source, event.name, event.text, event.device, event.port, event.fault, event.number)

    def say(self, source: str, name: str, text: str, *, port: str | None = None) -> None:
        """Something that is no event of the rig's: what a trace tells, or that the rig has started."""
        device = None if port is None else port.rpartition("/")[0]
        self._line(self._rig.clock.now, source, name, text, device, port)

    def _line(
        self,
        at: int,
        source: str,
        event: str,
        text: str,
        device: str | None = None,
        port: str | None = None,
        fault: str | None = None,
        number: int | None = None,
    ) -> None:
        content = {
            "time": _iso(at),
            "written": _iso(utc_ns()),
            "rig": self._rig.file.name,
            "source": source,
            "event": event,
            "device": device,
            "port": port,
            "fault": fault,
            "number": number,
            "text": text,
        }
        self._write(json.dumps({name: value for name, value in content.items() if value is not None}))


def _iso(utc: int) -> str:
    return (_EPOCH + timedelta(microseconds=utc // 1000)).isoformat(timespec="microseconds")
