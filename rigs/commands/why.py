"""``smets1 why``: why a port of a running rig, or of a capture, gave no answer, or an odd one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rigs.control.client import ControlClient

LOOK_PERIOD = 0.3
"""Seconds between looks at a rig that is followed."""
_SECOND = 1_000_000_000


def show_why(folder: Path, port: str, *, follow: bool, as_json: bool) -> None:
    """Print what was dropped or refused at a port, or at all; ``follow``: and what is from now on, until Ctrl-C."""
    client = ControlClient(folder)
    after = _show(client.get("why", port=port), as_json, port, silent=follow)
    with suppress(KeyboardInterrupt):
        while follow:
            time.sleep(LOOK_PERIOD)
            after = _show(client.get("why", port=port, after=after), as_json, port, after=after, silent=True)


def show_captured(file: Path, port: str, *, as_json: bool) -> None:
    """Print what a capture (``smets1 up --capture FILE``) tells of it; raises CaptureError."""
    from rigs.captured import explanations

    entries = [entry for entry in explanations(file) if not port or _is_of(port, str(entry["port"]))]
    _show(entries, as_json, port)


def _is_of(wanted: str, port: str) -> bool:
    return port == wanted or port.startswith(f"{wanted.rstrip('/')}/")


def _show(
    entries: Iterable[Mapping[str, Any]], as_json: bool, port: str, *, after: int = 0, silent: bool = False
) -> int:
    """Print them, and ``silent`` or not, that there are none; the number of the last."""
    last = after
    for entry in entries:
        last = int(entry["number"])
        print(json.dumps(dict(entry)) if as_json else told(entry), flush=True)
    if last == 0 and not (silent or as_json):
        print(f"{port or 'this rig'}: nothing was dropped or refused")
    return last


def told(entry: Mapping[str, Any]) -> str:
    """An explanation for people: when, where and which layer; below it what came, why, and what was answered."""
    seconds, nanoseconds = divmod(int(entry["time"]), _SECOND)
    when = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{nanoseconds // 1_000_000:03}"
    times = f" ({entry['times']} times)" if entry["times"] > 1 else ""
    lines = [f"{when} {entry['port']} {entry['layer']}: {entry['why']}{times}"]
    if entry["came"]:
        lines.append(f"    asked:    {entry['came']}")
    if entry["answer"]:
        lines.append(f"    answered: {entry['answer']}")
    lines += [f"    in force: {fault}" for fault in entry["faults"]]
    return "\n".join(lines)
