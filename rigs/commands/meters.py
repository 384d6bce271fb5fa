"""``smets1 display``, ``press`` and ``top-up``: what a customer does at a meter of a running rig."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from emulator.prepayment import money
from rigs.control.client import ControlClient

LOOK_PERIOD = 0.5
"""Seconds between looks at a display that is watched."""
OFF = "(the display is off)"


def show_display(folder: Path, device: str, watch: bool) -> None:
    """Print what the display shows; ``watch``: and each change until Ctrl-C."""
    client = ControlClient(folder)
    place = ("devices", *client.device(device))
    shown = _text(client.get(*place), device)
    print(shown, flush=True)
    with suppress(KeyboardInterrupt):
        while watch:
            time.sleep(LOOK_PERIOD)
            before, shown = shown, _text(client.get(*place), device)
            if shown != before:
                print(shown, flush=True)


def press_keys(folder: Path, device: str, keys: str) -> None:
    """Press keys and print what the display shows after the last one."""
    client = ControlClient(folder)
    print(client.post("devices", *client.device(device), "keys", keys=keys)["display"] or OFF)


def enter_token(folder: Path, device: str, digits: str, at_display: bool) -> int:
    """Enter a token and print what became of it; the exit code.

    The meter's own display shows nothing of a token that an in-home display has sent.
    """
    client = ControlClient(folder)
    way = "display" if at_display else "keypad"
    answer = client.post("devices", *client.device(device), "token", digits=digits, way=way)
    shown = "" if at_display else f"; the display shows: {answer['display'] or OFF}"
    print(f"{answer['text']}; balance {money.text(answer['balance'])} GBP{shown}")
    return 0 if answer["outcome"] == "accepted" else 1


def _text(state: dict[str, str | None], device: str) -> str:
    shown = state["display"]
    return f"{device}: it has no display" if shown is None else shown or OFF
