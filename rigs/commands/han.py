"""``smets1 han``, ``join`` and ``replace-gas``: the HAN of a running rig."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from rigs.air import dissector_option
from rigs.commands.output import console
from rigs.control.client import ControlClient
from rigs.driver import SECOND

NOT_THERE = "-"
LOOK_PERIOD = 1.0
"""Seconds between looks at a HAN that is watched."""
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))


def show_han(folder: Path, premises: str, *, as_json: bool, watch: bool = False) -> None:
    """Print the device log of a premises' hub, who is there and how the air carries; ``watch``: until Ctrl-C.

    What is watched is drawn anew on a terminal, and printed when it has changed where there is none.
    """
    client = ControlClient(folder)

    def look() -> Any:
        return client.get("premises", premises, "han")

    out = console()
    state = look()
    if not watch:
        _print(state, out, as_json)
    elif as_json or not out.is_terminal:
        with suppress(KeyboardInterrupt):
            before: Any = None
            while True:
                if {**state, "now": None} != before:
                    _print(state, out, as_json)
                    before = {**state, "now": None}
                time.sleep(LOOK_PERIOD)
                state = look()
    else:
        with suppress(KeyboardInterrupt), Live(console=out, auto_refresh=False) as live:
            while True:
                live.update(_view(state), refresh=True)
                time.sleep(LOOK_PERIOD)
                state = look()


def show_keys(folder: Path, premises: str) -> None:
    """Print the options by which tshark decrypts the air of a premises, for every key that is in use.

    A shell takes them as they are: ``eval tshark -r FILE.pcapng $(smets1 han --keys)``.
    """
    state = ControlClient(folder).get("premises", premises, "han")
    for label, key in _keys(state):
        print(dissector_option(label, bytes.fromhex(key)))


def _keys(state: Any) -> Iterator[tuple[str, str]]:
    yield f"network key {state['key_sequence']} of {state['hub']}", state["network_key"]
    for device in state["devices"]:
        yield f"install code of {device['device']}", device["link_key"]
        if device["present_link_key"] not in (None, device["link_key"]):
            yield f"link key of {device['device']}", device["present_link_key"]


def _print(state: Any, out: Console, as_json: bool) -> None:
    if as_json:
        print(json.dumps(state, indent=2), flush=True)
    else:
        out.print(_view(state), soft_wrap=True)


def _view(state: Any) -> Group:
    """All that there is to see of a HAN."""
    parts: list[RenderableType] = [Text(_headline(state)), Text(_keyline(state)), _log(state), _members(state)]
    if state["formed"]:
        parts.append(_topology(state))
    for device in state["devices"]:
        if not device["on"]:
            why = device["refused"] or "it has not tried yet"
            codes = f"install code {device['install_code']}, link key {device['link_key']}"
            parts.append(Text(f"{device['device']} {device['eui64']} is not on the HAN: {why}; {codes}"))
    if state["dropped"]:
        counted = ", ".join(f"{reason} {count}" for reason, count in state["dropped"].items())
        parts.append(Text(f"frames dropped: {counted}"))
    return Group(*parts)


def _headline(state: Any) -> str:
    window = f"open for {state['open_seconds']} s" if state["open_seconds"] else "closed"
    network = f"PAN {state['pan_id']:04X} ({state['extended_pan_id']}), channel {state['channel']}"
    if not state["formed"]:
        network = "no network"
    entries = f"{len(state['log'])} of {state['capacity']} entries"
    waiting = f"{state['pending']} commands wait for the gas meter"
    return f"{network}; joining is {window}; {entries}; {waiting}"


def _keyline(state: Any) -> str:
    age = _age(state["now"], state["keyed_at"])
    return (
        f"network key {state['key_sequence']}, {age} old; the hub's frame counters {state['counter']},"
        f" {state['link_counter']} of link keys"
    )


def _log(state: Any) -> Table:
    """The device log."""
    table = Table(box=None)
    for heading, whole in (("EUI-64", True), ("device", False), ("joined", False), ("heard", True)):
        table.add_column(heading, no_wrap=whole)
    for heading in ("RSSI", "LQI", "hops", "failures"):
        table.add_column(heading)
    for entry in state["log"]:
        mirrored = " (mirrored)" if entry["eui64"] == state["mirrored"] else ""
        table.add_row(
            entry["eui64"],
            (entry["device"] or "not there") + mirrored,
            "yes" if entry["reporting"] else "silent" if entry["joined"] else "not yet",
            _instant(entry["heard"]),
            _number(entry["rssi"], " dBm"),
            _number(entry["lqi"]),
            str(entry["hops"]),
            str(entry["failures"]),
        )
    return table


def _members(state: Any) -> Table:
    """What those on the HAN know, and what waits for them."""
    table = Table("device", "frames wait", "link key", "network key", "frame counters", box=None)
    for device in state["devices"]:
        if device["on"]:
            table.add_row(
                device["device"],
                str(device["waiting"]),
                f"{_age(state['now'], device['keyed_at'])} old",
                "the present" if device["knows_network_key"] else "another",
                f"{device['counter']}, {device['link_counter']} of link keys",
            )
    return table


def _topology(state: Any) -> Tree:
    """Who speaks through whom, with the level of each link as the parent hears it."""
    on = [device for device in state["devices"] if device["on"]]
    tree = Tree(Text(f"{state['hub']} 0000, coordinator"))
    branches = {state["hub"]: tree}
    while True:  # a parent is drawn before its children
        drawn = [device for device in on if device["device"] not in branches and device["parent"] in branches]
        if not drawn:
            return tree
        for device in drawn:
            branches[device["device"]] = branches[device["parent"]].add(Text(_node(state["now"], device)))


def _node(now: int, device: Any) -> str:
    said = [f"{device['device']} {device['address']:04X}", "sleepy" if device["sleepy"] else "router"]
    said.append(f"{device['rssi']} dBm, LQI {device['lqi']}")
    if device["polls_at"] is not None:
        said.append(f"polls in {_age(device['polls_at'], now)}")
    return ", ".join(said)


def _age(later: int, earlier: int) -> str:
    """``2 h``: the time between two instants in its largest unit."""
    seconds = (later - earlier) // SECOND
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def join_han(folder: Path, device: str) -> int:
    """Let a device look for its network and print what came of it; the exit code."""
    client = ControlClient(folder)
    refused = client.post("devices", *client.device(device), "join")["refused"]
    print(f"{device}: {refused or 'on the HAN'}")
    return 1 if refused else 0


def replace_gas(folder: Path, premises: str, as_json: bool) -> None:
    """Replace a gas meter and print who the new one is."""
    meter = ControlClient(folder).post("premises", premises, "replace-gas")
    if as_json:
        print(json.dumps(meter, indent=2))
        return
    print(f"{meter['device']}: serial {meter['serial']}, EUI-64 {meter['eui64']}")
    print(f"install code {meter['install_code']}, link key {meter['link_key']}")
    print("It joins once the hub's device log has it: class 104 at 0-0:30.3.0, service request 8.11.")


def _instant(utc: int | None) -> str:
    return NOT_THERE if utc is None else f"{datetime.fromtimestamp(utc // SECOND, UTC):%Y-%m-%d %H:%M:%S}"


def _number(value: Any, unit: str = "") -> str:
    return NOT_THERE if value is None else f"{value}{unit}"
