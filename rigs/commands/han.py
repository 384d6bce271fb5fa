"""``smets1 han``, ``join`` and ``replace-gas``: the HAN of a running rig."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from rigs.commands.output import console
from rigs.control.client import ControlClient
from rigs.driver import SECOND

NOT_THERE = "-"


def show_han(folder: Path, premises: str, as_json: bool) -> None:
    """Print the device log of a premises' hub, and the devices that are there without being in it."""
    state = ControlClient(folder).get("premises", premises, "han")
    if as_json:
        print(json.dumps(state, indent=2))
        return
    out = console()
    window = f"open for {state['open_seconds']} s" if state["open_seconds"] else "closed"
    network = f"PAN {state['pan_id']:04X}, channel {state['channel']}, network key {state['key_sequence']}"
    entries = f"{len(state['log'])} of {state['capacity']} entries"
    waiting = f"{state['pending']} commands wait for the gas meter"
    out.print(f"{network}; joining is {window}; {entries}; {waiting}", soft_wrap=True)
    table = Table("EUI-64", "device", "joined", "heard", "RSSI", "LQI", "hops", "failures", box=None)
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
    out.print(table)
    for device in state["devices"]:
        if not device["on"]:
            why = device["refused"] or "it has not tried yet"
            out.print(
                f"{device['device']} {device['eui64']} is not on the HAN: {why}; install code {device['install_code']},"
                f" link key {device['link_key']}",
                soft_wrap=True,
            )


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
