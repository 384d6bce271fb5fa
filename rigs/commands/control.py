"""``smets1 status``, ``power``, ``load``, ``clock`` and ``events``: a running rig and what is done to it."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rigs.commands.output import console
from rigs.config import DEVICE_KINDS
from rigs.control.client import ControlClient, ControlError
from rigs.driver import SECOND
from rigs.system_errors import reason

if TYPE_CHECKING:
    from rich.console import Console

LOOK_PERIOD = 1.0
"""Seconds between looks at what is watched."""
MOST = 100
"""Devices that the status shows."""
MOST_CSV = 60_000
"""Octets of a CSV load."""
ALL = ("on", "off")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?[smhd])+|[0-9]+(?:\.[0-9]+)?")
_PART = re.compile(r"([0-9.]+)([smhd]?)")
_TRAFFIC = ("octets in", "octets out", "frames received", "frames sent")


def span(text: str, option: str) -> float:
    """Seconds of ``90``, ``1h30m`` and the like."""
    if not _SPAN.fullmatch(text):
        raise typer.BadParameter(f"{text}: write seconds, or a time such as 1h30m", param_hint=option)
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


# -- status -----------------------------------------------------------------------------------------------------------


def show_status(folder: Path, device: str, *, as_json: bool, watch: bool) -> None:
    """Print the rig, or one of its devices, with its ports; ``watch``: until Ctrl-C."""
    client, out = ControlClient(folder), console()
    place = ("devices", *client.device(device), "status") if device else ("status",)

    def look() -> Any:
        return client.get(*place) if device else client.get(*place, most=MOST)

    def draw(state: Any) -> RenderableType:
        return Group(*_devices([state])) if device else _rig(state)

    if as_json or not (watch and out.is_terminal):
        with suppress(KeyboardInterrupt):
            _print_status(look(), draw, out, as_json)
            while watch:
                time.sleep(LOOK_PERIOD)
                _print_status(look(), draw, out, as_json)
        return
    with suppress(KeyboardInterrupt), Live(console=out, auto_refresh=False) as live:
        while True:
            live.update(draw(look()), refresh=True)
            time.sleep(LOOK_PERIOD)


def _print_status(state: Any, draw: Any, out: Console, as_json: bool) -> None:
    if as_json:
        print(json.dumps(state), flush=True)
    else:
        out.print(draw(state), soft_wrap=True)


def _rig(state: Any) -> Group:
    counted = f"{state['device_count']} devices, {state['port_count']} ports"
    faults = f", {state['faults']} faults in force" if state["faults"] else ""
    parts: list[RenderableType] = [Text(f"{state['rig']}: {_pace(state)}; {counted}{faults}")]
    parts += _devices(state["devices"])
    left = state["device_count"] - len(state["devices"])
    if left:
        parts.append(Text(f"and {left} more devices"))
    return Group(*parts)


def _devices(found: list[Any]) -> list[RenderableType]:
    devices = Table(box=None)
    for heading in ("device", "profile", "power", "supply", "display", "alarms"):
        devices.add_column(heading, overflow="fold")
    ports = Table(box=None)
    for heading in ("port", "where", "clients", "octets in/out", "frames in/out", "refused or lost"):
        ports.add_column(heading, overflow="fold")
    for entry in found:
        device = entry["device"]
        devices.add_row(
            Text(f"{device['premises']}/{device['kind']}"),
            Text(device["profile"]),
            device["power"],
            device["supply"] or "-",
            Text(device["display"] or "-"),
            ", ".join(device["alarms"]) or "-",
        )
        for port in entry["ports"]:
            ports.add_row(*_port(port))
    return [devices, ports] if ports.row_count else [devices]


def _port(port: Any) -> list[Text]:
    counters = port["counters"]
    octets_in, octets_out, frames_in, frames_out = (counters.get(name, 0) for name in _TRAFFIC)
    refused = ", ".join(f"{name} {count}" for name, count in counters.items() if name not in _TRAFFIC)
    clients = ", ".join(port["clients"]) or (f"{port['connected']} connected" if port["connected"] else "-")
    cells = [port["name"], port["address"], clients, f"{octets_in}/{octets_out}", f"{frames_in}/{frames_out}"]
    return [Text(cell) for cell in [*cells, refused or "-"]]


# -- power, load ------------------------------------------------------------------------------------------------------


def switch_power(folder: Path, target: str, action: str, lasting: str) -> None:
    """Show the power of a device, cut it, give it back, or put a new battery in; of a premises, all on the mains."""
    client = ControlClient(folder)
    content: dict[str, object] = {"seconds": span(lasting, "--for")} if lasting else {}
    if lasting and action != "off":
        raise typer.BadParameter("a cut lasts so long: give it with off", param_hint="--for")
    place = _place(client, target)
    if len(place) == 1:
        if action not in ALL:
            raise typer.BadParameter("of a premises: on or off", param_hint="ACTION")
        states = client.post("premises", *place, "power", on=action == "on", **content)
    elif action == "show":
        states = [client.get("devices", *place, "power")]
    elif action == "new-battery":
        states = [client.post("devices", *place, "battery")]
    elif action in ALL:
        states = [client.post("devices", *place, "power", on=action == "on", **content)]
    else:
        raise typer.BadParameter(f"{action}: show, on, off or new-battery", param_hint="ACTION")
    for state in states:
        print(_power(state))


def _place(client: ControlClient, target: str) -> tuple[str, ...]:
    """Premises and kind, or a premises alone."""
    if "/" not in target and target not in DEVICE_KINDS:
        return (target,)
    return client.device(target)


def _power(state: Any) -> str:
    text = f"{state['device']}: {state['power']}"
    if state["ready_at"] is not None:
        text += f" until {_time(state['ready_at'])}"
    if state["returns_at"] is not None:
        text += f" until {_time(state['returns_at'])}"
    text += f"; {state['boots']} starts, {state['failures']} power failures"
    if state["battery_days"] is not None:
        text += f"; battery {state['battery_millivolts']} mV, {state['battery_days']} days left"
    return text


def draw_load(folder: Path, device: str, value: float | None, household: float | None, csv: Path | None) -> None:
    """Show what is drawn through a meter, or draw something else from now on."""
    if sum(item is not None for item in (value, household, csv)) > 1:
        raise typer.BadParameter("one of VALUE, --household and --csv", param_hint="--household")
    client = ControlClient(folder)
    place = ("devices", *client.device(device), "load")
    if value is not None:
        state = client.post(*place, kind="constant", value=value)
    elif household is not None:
        state = client.post(*place, kind="household", scale=household)
    elif csv is not None:
        state = client.post(*place, kind="csv", csv=_text(csv))
    else:
        state = client.get(*place)
    flowing = "" if state["flowing"] else "; nothing flows"
    print(f"{state['device']}: {state['kind']}, now {state['rate']:g} {state['unit']}{flowing}")


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            octets = file.read(MOST_CSV + 1)
        if len(octets) > MOST_CSV:
            raise ControlError(f"{path}: more than {MOST_CSV} octets; name it in the rig file instead")
        return octets.decode()
    except UnicodeDecodeError:
        raise ControlError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise ControlError(f"{path}: {reason(error)}") from None


# -- clock, events ----------------------------------------------------------------------------------------------------


def move_clock(folder: Path, advance: str, rate: float | None) -> None:
    """Show the rig's clock, after it was advanced or its rate changed."""
    client = ControlClient(folder)
    state = client.get("clock")
    if rate is not None:
        state = client.post("clock", "rate", rate=rate)
    if advance:
        state = client.post("clock", "advance", seconds=span(advance, "--advance"))
    print(_pace(state))


def show_events(folder: Path, query: dict[str, str | int], *, last: int, follow: bool, as_json: bool) -> None:
    """Print the latest events, and with ``follow`` what happens from then on until Ctrl-C or the rig's end."""
    client = ControlClient(folder)
    device = str(query.get("device", ""))
    if device in DEVICE_KINDS:
        query["device"] = "/".join(client.device(device))
    answer = client.get("events", most=last, latest="true", **query) if last else client.get("events", most=1)
    events: list[Any] = answer["events"] if last else []
    with suppress(KeyboardInterrupt):
        for event in events:
            print(json.dumps(event) if as_json else event_line(event), flush=True)
        if follow:
            for event in client.follow(after=answer["last"], **query):
                print(json.dumps(event) if as_json else event_line(event), flush=True)


def event_line(event: Any) -> str:
    """An event for people."""
    where = event["port"] or event["device"] or "the rig"
    return f"{_time(event['at'])} {where} {event['source']}: {event['text']}"


def _pace(state: Any) -> str:
    pace = {"real": "real time", "stepped": "stands still"}.get(state["mode"], f"{state['rate']:g} times real time")
    return f"{_time(state['now'])} UTC, {pace}"


def _time(utc: int) -> str:
    return f"{datetime.fromtimestamp(utc // SECOND, UTC):%Y-%m-%d %H:%M:%S}"
