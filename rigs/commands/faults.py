"""``smets1 fault list``, ``show``, ``start`` and ``end``: faults of a running rig."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="List faults, inject them into a running rig, end them.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the rig runs: its smets1-control.json is there")]
Json = Annotated[bool, typer.Option("--json", help="Write JSON")]


@app.command("list")
def list_faults(
    as_json: Json = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Write all there is to know of them")] = False,
) -> None:
    """List the faults that there are to inject."""
    from rich.table import Table

    from rigs.commands.output import console
    from rigs.control.faults import catalogue

    faults = catalogue()
    if as_json:
        print(json.dumps([asdict(fault) for fault in faults], indent=2))
        return
    if as_markdown:
        from rigs.commands.fault_reference import reference

        print(reference(faults), end="")
        return
    table = Table(box=None)
    table.add_column("fault", no_wrap=True)
    for heading in ("layer", "of", "what is wrong"):
        table.add_column(heading)
    for fault in faults:
        table.add_row(fault.name, fault.layer, ", ".join(fault.kinds), fault.text)
    console().print(table)


@app.command()
def conditions(as_json: Json = False) -> None:
    """List the conditions that a fault can wait for: smets1 fault start --when."""
    from rigs.control.faults import conditions as known

    found = [asdict(condition) for condition in known()]
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for condition in found:
        print(f"{condition['form']}: {condition['text']} (of: {', '.join(condition['kinds'])})")


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="FAULT|ID", help="A fault, or an injection such as F1", show_default=False)
    ] = "",
    as_json: Json = False,
    folder: Folder = Path(),
) -> None:
    """Show what a fault is, or what was injected."""
    from rigs.control.client import ControlClient
    from rigs.control.faults import CATALOGUE, describe

    if name in CATALOGUE:
        _print(asdict(describe(CATALOGUE[name])), as_json, _described)
    elif name:
        _print(ControlClient(folder).get("faults", name), as_json, _told)
    else:
        _print(ControlClient(folder).get("faults"), as_json, _all)


@app.command()
def start(
    fault: Annotated[str, typer.Argument(metavar="FAULT", help="Its name: smets1 fault list")],
    device: Annotated[str, typer.Argument(metavar="PREMISES/KIND", help="Such as home/gas")],
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE", help="Such as level=-40", show_default=False)
    ] = None,
    after: Annotated[
        float | None, typer.Option(metavar="S", min=0, help="Begin after so many seconds", show_default=False)
    ] = None,
    at: Annotated[
        str, typer.Option(metavar="TIME", help="Begin at, UTC, such as 2026-03-01T12:30", show_default=False)
    ] = "",
    seconds: Annotated[
        float | None, typer.Option("--for", metavar="S", min=0, help="End after so long", show_default=False)
    ] = None,
    when: Annotated[
        str, typer.Option(metavar="CONDITION", help="Wait for it, such as 'frame 5': smets1 fault conditions")
    ] = "",
    every: Annotated[
        float | None, typer.Option(metavar="S", min=0, help="Begin anew after so long", show_default=False)
    ] = None,
    between: Annotated[
        str, typer.Option(metavar="HH:MM-HH:MM", help="At these times of day only, by the device's clock")
    ] = "",
    times: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Begin no more often", show_default=False)
    ] = None,
    probability: Annotated[
        float | None, typer.Option(metavar="P", min=0, max=1, help="Of each beginning", show_default=False)
    ] = None,
    as_json: Json = False,
    folder: Folder = Path(),
) -> None:
    """Inject a fault into a device."""
    from rigs.control.client import ControlClient

    values: dict[str, str] = {}
    for parameter in parameters or []:
        name, equals, value = parameter.partition("=")
        if not equals:
            raise typer.BadParameter(f"{parameter}: write NAME=VALUE, such as level=-40")
        values[name] = value
    client = ControlClient(folder)
    content: dict[str, object] = {"fault": fault, "device": "/".join(client.device(device)), "parameters": values}
    given = {
        "after_seconds": after,
        "at": _instant(at) if at else None,
        "seconds": seconds,
        "when": when or None,
        "every_seconds": every,
        "between": between or None,
        "times": times,
        "probability": probability,
    }
    content |= {name: value for name, value in given.items() if value is not None}
    _print(client.post("faults", **content), as_json, _told)


@app.command()
def end(
    injection: Annotated[str, typer.Argument(metavar="ID|all", help="What start has printed, such as F1")],
    as_json: Json = False,
    folder: Folder = Path(),
) -> None:
    """End an injected fault, or take back one that waits."""
    from rigs.control.client import ControlClient

    client = ControlClient(folder)
    ids = [injection]
    if injection == "all":
        ids = [each["id"] for each in reversed(client.get("faults")) if each["state"] in ("waiting", "active")]
    ended = [client.post("faults", each, "end") for each in ids]
    if injection == "all":
        _print(ended, as_json, _all)
    else:
        _print(ended[0], as_json, _told)


def _instant(text: str) -> int:
    """ns of UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text}: write a time such as 2026-03-01T12:30", param_hint="--at") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return round(moment.timestamp()) * 1_000_000_000


def _print(content: Any, as_json: bool, tell: Any) -> None:
    if as_json:
        print(json.dumps(content, indent=2))
    else:
        tell(content)


def _described(fault: Any) -> None:
    momentary = "; over as soon as it has begun" if fault["momentary"] else ""
    print(f"{fault['name']}: {fault['text']}{momentary}.")
    print(f"Into: {', '.join(fault['kinds'])}.")
    for parameter in fault["parameters"]:
        default = "of chance" if parameter["default"] is None else parameter["default"]
        print(f"  {parameter['name']}={default}  {parameter['text']}: {parameter['range']}")
    _ground(fault)


def _ground(fault: Any) -> None:
    """What is seen, who is to blame, how it ends."""
    for symptom in fault["symptoms"]:
        print(f"Seen: {symptom}.")
    blamed = f" ({fault['blamed']})" if fault.get("blamed") else ""
    print(f"To blame: {fault['culprit']}{blamed}: {fault['truth']}.")
    print(f"After it: {fault['ends']}.")


def _told(injection: Any) -> None:
    print(_line(injection))
    _ground(injection)


def _all(injections: Any) -> None:
    for injection in injections:
        print(_line(injection))
    if not injections:
        print("no faults")


def _line(injection: Any) -> str:
    parameters = "".join(f" {name}={value}" for name, value in injection["parameters"].items())
    match injection["state"]:
        case "waiting":
            begins = injection["begins_at"]
            state = f"waits for {injection['waits_for']}" if begins is None else f"waits until {_time(begins)}"
        case "active":
            until = injection["ends_at"]
            state = f"in force since {_time(injection['begins_at'])}" + (f" until {_time(until)}" if until else "")
        case "failed":
            state = f"could not begin: {injection['failure']}"
        case _:
            state = f"over since {_time(injection['ended_at'])}"
    what = f"{injection['id']} {injection['fault']} at {injection['device']}{parameters}: {state}"
    return what + "".join(f"; {part}" for part in _occasions(injection))


def _occasions(injection: Any) -> Iterator[str]:
    """What there is to say of one that does not just begin once at its time."""
    if injection["when"] and injection["state"] != "waiting":
        yield f"when {injection['when']}"
    if injection["every_seconds"]:
        yield f"every {injection['every_seconds']:g} s"
    if injection["between"]:
        yield f"between {injection['between']}"
    if injection["probability"] < 1:
        yield f"with probability {injection['probability']:g}"
    times = injection["times"]
    if times != 1:
        yield f"{injection['occurrences']} times so far" + (f" of {times}" if times else "")
    if injection["passed"]:
        yield f"passed over {injection['passed']} times"
    if injection["failure"] and injection["state"] != "failed":
        yield f"could not begin last time: {injection['failure']}"


def _time(utc: int) -> str:
    return f"{datetime.fromtimestamp(utc // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}"
