"""``smets1 ports``: the serial adaptors here, who uses them, and what rig files and a running rig use them for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.table import Table

from rigs.adaptors import Adaptor, adaptors, users
from rigs.commands.output import console
from rigs.config import RigFile
from rigs.control.client import ControlClient, ControlError
from rigs.control.place import NAME
from rigs.ports.serial_adaptor import find_adaptor
from rigs.ports.spec import PortError, PortKind, PortSpec

MOST = 1000
"""Ports of a running rig that are shown."""


def run(files: list[RigFile], folder: Path = Path()) -> None:
    """Print the table of adaptors, one for each rig file, and one for the rig that runs in ``folder``, if one does."""
    out = console()
    here = adaptors()
    running: list[dict[str, Any]] = []
    if (folder / NAME).exists():
        try:
            running = ControlClient(folder).get("ports", most=MOST)
        except ControlError as error:
            out.print(str(error), soft_wrap=True)
    uses = _uses(files, running)
    if here:
        table = Table(title="Serial adaptors", title_justify="left")
        for heading in ("Device", "In a rig file", "What it is", "Used for", "Now"):
            table.add_column(heading, overflow="fold")
        for adaptor in here:
            used = ", ".join(uses.get(os.path.realpath(adaptor.device), ()))
            table.add_row(adaptor.device, adaptor.spec, adaptor.description, used, _state(adaptor))
        out.print(table)
    else:
        out.print("No serial adaptor is plugged in.")
    for file in files:
        table = Table("Port", "Where", "Now", title=f"Ports of {file.name}", title_justify="left")
        for name, spec, answers_to in _ports(file):
            table.add_row(name, _where(str(spec), spec.bus, answers_to), _now(spec))
        out.print(table)
    if running:
        table = Table("Port", "Where", "Now", title="Ports of the rig that runs here", title_justify="left")
        for port in running:
            table.add_row(port["name"], _where(_opened(port), port["bus"]), _there(port))
        out.print(table)


def _ports(file: RigFile) -> Iterator[tuple[str, PortSpec, str]]:
    """Each port of a rig file, and what the device answers to where it is on a bus."""
    for premises in file.specs:
        for device in premises.devices():
            for name, spec in device.ports.items():
                address = device.address
                on_bus = f", HDLC {address.hdlc}, sign-on {address.sign_on}" if spec.bus else ""
                yield f"{premises.name}/{device.kind}/{name}", spec, on_bus


def _where(port: str, bus: str, answers_to: str = "") -> str:
    return f"{port} (bus {bus}{answers_to})" if bus else port


def _opened(port: dict[str, Any]) -> str:
    """As a rig file names it, and what the system made of that where it is something else."""
    spec, address = str(port["spec"]), str(port["address"])
    return spec if spec.endswith(address) else f"{spec} ({address})"


def _there(port: dict[str, Any]) -> str:
    """Who is at the far end."""
    if port["clients"]:
        return ", ".join(port["clients"])
    return f"{port['connected']} connected" if port["connected"] else ""


def _uses(files: list[RigFile], running: list[dict[str, Any]]) -> dict[str, list[str]]:
    """By device file, what ports of rig files and of the running rig are on it."""
    found: dict[str, dict[str, None]] = {}

    def note(device: str, use: str) -> None:
        found.setdefault(os.path.realpath(device), {})[use] = None

    for file in files:
        for name, spec, _ in _ports(file):
            if spec.kind is PortKind.SERIAL:
                try:
                    note(find_adaptor(spec), f"{name} of {file.name}")
                except PortError:
                    continue  # the table of that file says so
    for port in running:
        if str(port["spec"]).startswith(f"{PortKind.SERIAL.value}:"):
            note(str(port["address"]), f"{port['name']} of the rig that runs here")
    return {device: list(uses) for device, uses in found.items()}


def _state(adaptor: Adaptor) -> str:
    busy = users(adaptor.device)
    if busy:
        return f"used by {', '.join(busy)}"
    return "free" if adaptor.permitted else "no permission; join the group that owns it (often dialout)"


def _now(spec: PortSpec) -> str:
    if spec.kind is not PortKind.SERIAL:
        return ""
    try:
        device = find_adaptor(spec)
    except PortError as error:
        return error.problem
    known = next((adaptor for adaptor in adaptors() if adaptor.device == device), Adaptor(device, "", ""))
    return f"{device}: {_state(known)}"
