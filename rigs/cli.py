"""The command ``smets1``. Each command imports what it needs when it runs, so that help comes at once."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rigs.commands import faults, proxy, utrn
from rigs.system_errors import reason

if TYPE_CHECKING:
    from rigs.config import RigFile

ERRORS = (
    ("rigs.config", "ConfigError"),
    ("rigs.ports.spec", "PortError"),
    ("firmware_profiles.files", "ProfileError"),
    ("rigs.capture", "CaptureError"),
    ("rigs.client.options", "ClientError"),
    ("rigs.control.client", "ControlError"),
)
"""What a person can put right, by module and class."""


class LogFormat(Enum):
    """How `smets1 up` prints what goes on."""

    TEXT = "text"
    JSON = "json"


app = typer.Typer(
    help="Emulates GB SMETS1 smart meters and hubs on serial lines and TCP, for real clients to read.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
profiles_app = typer.Typer(help="List, show and check makes and firmware.", no_args_is_help=True)
app.add_typer(profiles_app, name="profiles")
app.add_typer(utrn.app, name="utrn")
app.add_typer(proxy.app, name="proxy")
app.add_typer(faults.app, name="fault")

RigArgument = Annotated[Path | None, typer.Argument(metavar="RIG.TOML", help="Rig file; without it the built-in rig")]
Seed = Annotated[int | None, typer.Option(metavar="N", min=0, help="Seed of all chance, not the file's")]
Rate = Annotated[float | None, typer.Option(metavar="X", help="Rig seconds in a second, such as 60")]
Stepped = Annotated[bool, typer.Option("--stepped", help="The clock stands still")]
Pacing = Annotated[bool | None, typer.Option("--pacing/--no-pacing", help="Octets take their time")]
Echo = Annotated[bool | None, typer.Option("--echo/--no-echo", help="Clients hear their own octets")]
Turnaround = Annotated[
    bool | None, typer.Option("--turnaround/--no-turnaround", help="Devices wait before they answer")
]
Control = Annotated[str | None, typer.Option(metavar="[HOST:]PORT|off", help="Where the control API listens")]
Device = Annotated[str, typer.Argument(metavar="PREMISES/KIND", help="Such as home/electricity")]
Folder = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the rig runs: its smets1-control.json is there")]
Baud = Annotated[bool | None, typer.Option("--baud/--no-baud", help="Garbage at a wrong rate")]
Air = Annotated[bool, typer.Option("--air/--no-air", help="Capture and trace HANs too")]


@app.command()
def up(
    rig: RigArgument = None,
    rate: Rate = None,
    stepped: Stepped = False,
    seed: Seed = None,
    capture: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every line's frames (pcapng)")] = None,
    storage: Annotated[Path | None, typer.Option(metavar="FILE", help="Devices keep their state there")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Print every message, decoded")] = False,
    trace_hex: Annotated[bool, typer.Option("--trace-hex", help="Print every frame, in hexadecimal")] = False,
    pacing: Pacing = None,
    echo: Echo = None,
    turnaround: Turnaround = None,
    baud: Baud = None,
    air: Air = True,
    control: Control = None,
    log: Annotated[LogFormat, typer.Option(help="What is printed: text, or a JSON object a line")] = LogFormat.TEXT,
) -> None:
    """Start a rig and run it until Ctrl-C."""
    from rigs.commands.up import UpOptions, run

    line = {"pacing": pacing, "echo": echo, "turnaround": turnaround, "baud": baud}
    options = UpOptions(
        rate=_rate(rate, stepped),
        stepped=stepped,
        capture=capture,
        air=air,
        storage=storage,
        trace=trace or trace_hex,
        trace_hex=trace_hex,
        line={name: value for name, value in line.items() if value is not None},
        seed=seed,
        control=control,
        log_json=log is LogFormat.JSON,
    )
    raise typer.Exit(run(_rig_file(rig, seed), options))


@app.command()
def capture(
    file: Annotated[Path, typer.Argument(metavar="FILE.PCAPNG", help="The capture to write")],
    rig: RigArgument = None,
    rate: Rate = None,
    seed: Seed = None,
    air: Air = True,
) -> None:
    """Start a rig and capture its lines and HANs.

    The same as `smets1 up --capture FILE`.
    """
    from rigs.commands.up import UpOptions, run

    options = UpOptions(rate=_rate(rate, False), capture=file, air=air, seed=seed)
    raise typer.Exit(run(_rig_file(rig, seed), options))


@app.command()
def read(
    port: Annotated[
        str, typer.Argument(metavar="PORT", help="Such as tcp:127.0.0.1:4059 or optical:./home-electricity")
    ],
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="list or [CLASS/]NAME[:ATTRIBUTE]: 1-0:1.8.0, 7/1-0:99.1.0")
    ] = "list",
    client: Annotated[int, typer.Option(metavar="SAP", min=0, max=0xFFFF, help="Client SAP")] = 16,
    server: Annotated[int, typer.Option(metavar="SAP", min=0, max=0xFFFF, help="Server SAP: the logical device")] = 1,
    auth: Annotated[
        str, typer.Option(metavar="NAME", help="none lls hls md5 sha1 gmac sha256 ecdsa", show_default=False)
    ] = "none",
    password: Annotated[str, typer.Option(metavar="TEXT", help="LLS password or HLS secret; hex:... for octets")] = "",
    key: Annotated[str, typer.Option(metavar="HEX", help="Encryption key; asks for ciphering")] = "",
    auth_key: Annotated[str, typer.Option(metavar="HEX", help="Authentication key")] = "",
    system_title: Annotated[str, typer.Option(metavar="HEX", help="Our own")] = "48494C0000000001",
    suite: Annotated[int, typer.Option(metavar="N", min=0, max=2, help="Security suite")] = 0,
    protection: Annotated[str, typer.Option(metavar="WORD", help="authenticated, encrypted or both")] = "both",
    envelope: Annotated[
        str, typer.Option(metavar="WORD", help="glo, general-glo or general-ciphering", show_default=False)
    ] = "glo",
    dedicated: Annotated[bool, typer.Option("--dedicated", help="Use a dedicated key")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Keys for authentication only: no ciphering")] = False,
    counter: Annotated[int, typer.Option(metavar="N", min=0, help="Last invocation counter used")] = 0,
    counter_object: Annotated[str, typer.Option(metavar="NAME", help="Read it there first, such as 0-0:43.1.4")] = "",
    signing_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Our private key for ecdsa (PEM)")] = None,
    meter_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its public key for ecdsa (PEM)")] = None,
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="Profile from, such as 2026-03-01T12:30")] = "",
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="Profile up to")] = "",
    entries: Annotated[str, typer.Option(metavar="ROWS", help="Profile by row numbers, such as 1-48")] = "",
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write JSON")] = False,
    timeout: Annotated[float, typer.Option(metavar="S", min=0.1, help="Seconds an answer may take")] = 10.0,
    physical: Annotated[int | None, typer.Option(metavar="N", help="HDLC lower address")] = None,
    address_octets: Annotated[int | None, typer.Option(metavar="N", help="HDLC server address: 1, 2 or 4")] = None,
    frame_size: Annotated[int, typer.Option(metavar="N", help="HDLC octets in a frame, proposed")] = 128,
    window: Annotated[int, typer.Option(metavar="N", help="HDLC window, proposed")] = 1,
    baud: Annotated[int, typer.Option(metavar="N", help="Rate of a line without sign-on")] = 9600,
    meter_address: Annotated[str, typer.Option(metavar="TEXT", help="Device address in the sign-on")] = "",
    block_window: Annotated[int, typer.Option(metavar="N", min=0, max=63, help="General block transfer window")] = 0,
    max_pdu: Annotated[int, typer.Option(metavar="N", help="Longest APDU taken, octets")] = 0xFFFF,
) -> None:
    """Read a meter: object list, object, profile."""
    import asyncio

    from rigs.commands.output import console
    from rigs.read_options import Output, ReadOptions
    from rigs.reader import run_read

    if csv and json:
        raise typer.BadParameter("one of --csv and --json", param_hint="--json")
    options = ReadOptions(
        what=what,
        client=client,
        server=server,
        auth=auth,
        password=password,
        key=key,
        auth_key=auth_key,
        system_title=system_title,
        suite=suite,
        protection=protection,
        envelope=envelope,
        dedicated=dedicated,
        plain=plain,
        counter=counter,
        counter_object=counter_object,
        signing_key=signing_key,
        meter_key=meter_key,
        since=since,
        until=until,
        entries=entries,
        output=Output.CSV if csv else Output.JSON if json else Output.TABLE,
        timeout=timeout,
        physical=physical,
        address_octets=address_octets,
        frame_size=frame_size,
        window=window,
        baud=baud,
        meter_address=meter_address,
        block_window=block_window,
        max_pdu=max_pdu,
    )
    raise typer.Exit(asyncio.run(run_read(port, options, console())))


@app.command()
def display(
    device: Device,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until Ctrl-C")] = False,
    folder: Folder = Path(),
) -> None:
    """Show what a meter or a display shows."""
    from rigs.commands.meters import show_display

    show_display(folder, device, watch)


@app.command()
def press(
    device: Device,
    keys: Annotated[
        str,
        typer.Argument(
            metavar="KEYS",
            help="Digits, < back-space, c clear, # enter, > scroll, s supply button, e emergency credit",
        ),
    ],
    folder: Folder = Path(),
) -> None:
    """Press keys of a meter or a display and show what it shows."""
    from rigs.commands.meters import press_keys

    press_keys(folder, device, keys)


@app.command("top-up")
def top_up(
    device: Device,
    digits: Annotated[list[str], typer.Argument(metavar="DIGITS", help="The 20 digits of a token, in groups or not")],
    at_display: Annotated[
        bool, typer.Option("--display", help="At the in-home display, not the meter's keypad")
    ] = False,
    folder: Folder = Path(),
) -> None:
    """Enter a token; the exit code is 1 unless it is accepted."""
    from rigs.commands.meters import enter_token

    raise typer.Exit(enter_token(folder, device, " ".join(digits), at_display))


@app.command()
def han(
    premises: Annotated[str, typer.Argument(metavar="PREMISES", help="Whose HAN")] = "home",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until Ctrl-C")] = False,
    keys: Annotated[bool, typer.Option("--keys", help="Show tshark's options to decrypt the air")] = False,
    folder: Folder = Path(),
) -> None:
    """Show a hub's device log, who is there, and through whom."""
    from rigs.commands.han import show_han, show_keys

    if keys:
        show_keys(folder, premises)
    else:
        show_han(folder, premises, as_json=as_json, watch=watch)


@app.command()
def join(device: Device, folder: Folder = Path()) -> None:
    """Let a device look for its HAN now; the exit code is 1 unless it is on it."""
    from rigs.commands.han import join_han

    raise typer.Exit(join_han(folder, device))


@app.command("replace-gas")
def replace_gas(
    premises: Annotated[str, typer.Argument(metavar="PREMISES", help="Where")] = "home",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, with the keys of its associations")] = False,
    folder: Folder = Path(),
) -> None:
    """Put a new gas meter in the old one's place."""
    from rigs.commands.han import replace_gas as run

    run(folder, premises, as_json)


@app.command()
def status(
    device: Annotated[
        str, typer.Argument(metavar="PREMISES/KIND", help="One device; without it all", show_default=False)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until Ctrl-C")] = False,
    folder: Folder = Path(),
) -> None:
    """Show a running rig: devices, ports, counters."""
    from rigs.commands.control import show_status

    show_status(folder, device, as_json=as_json, watch=watch)


@app.command()
def power(
    target: Annotated[
        str, typer.Argument(metavar="PREMISES[/KIND]", help="A device, or all of a premises on the mains")
    ],
    action: Annotated[str, typer.Argument(metavar="ACTION", help="show, on, off or new-battery")] = "show",
    lasting: Annotated[
        str, typer.Option("--for", metavar="TIME", help="off: on again after it, such as 90 or 1h30m")
    ] = "",
    folder: Folder = Path(),
) -> None:
    """Cut the power of a device or premises, or give it back; a gas meter's is its battery."""
    from rigs.commands.control import switch_power

    switch_power(folder, target, action, lasting)


@app.command(context_settings={"ignore_unknown_options": True})
def load(
    device: Device,
    value: Annotated[
        float | None, typer.Argument(metavar="VALUE", help="W, below 0 for what is exported; of a gas meter m3/h")
    ] = None,
    household: Annotated[
        float | None, typer.Option(metavar="SCALE", help="A dwelling so much larger than the seed's")
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Lines of time,rate")] = None,
    folder: Folder = Path(),
) -> None:
    """Show what is drawn through a meter, or draw something else from now on."""
    from rigs.commands.control import draw_load

    draw_load(folder, device, value, household, csv)


@app.command()
def clock(
    advance: Annotated[str, typer.Option(metavar="TIME", help="Move a stepped clock on, such as 90 or 1h30m")] = "",
    rate: Annotated[float | None, typer.Option(metavar="X", help="Rig seconds in a second from now on")] = None,
    folder: Folder = Path(),
) -> None:
    """Show a running rig's clock, advance it, or change its rate."""
    from rigs.commands.control import move_clock

    move_clock(folder, advance, rate)


@app.command()
def events(
    device: Annotated[str, typer.Argument(metavar="PREMISES[/KIND]", help="Of these only", show_default=False)] = "",
    source: Annotated[str, typer.Option(metavar="WORD", help="device, port, fault, control or rig")] = "",
    fault: Annotated[str, typer.Option(metavar="ID", help="Of this injection only, such as F1")] = "",
    last: Annotated[int, typer.Option(metavar="N", min=0, max=1000, help="How many of those there have been")] = 20,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what happens until Ctrl-C")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write a JSON object a line")] = False,
    folder: Folder = Path(),
) -> None:
    """Show what has happened in a running rig."""
    from rigs.commands.control import show_events

    given: dict[str, str | int] = {"device": device, "source": source, "fault": fault}
    query = {name: value for name, value in given.items() if value}
    show_events(folder, query, last=last, follow=follow, as_json=as_json)


@app.command()
def why(
    port: Annotated[
        str,
        typer.Argument(metavar="PORT", help="home/hub/wan, home/hub or an address; without it all", show_default=False),
    ] = "",
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what happens until Ctrl-C")] = False,
    capture: Annotated[
        Path | None, typer.Option(metavar="FILE.PCAPNG", help="Of this capture, not of a running rig")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write a JSON object a line")] = False,
    folder: Folder = Path(),
) -> None:
    """Tell why requests got no answer, or an odd one."""
    from rigs.commands.why import show_captured, show_why

    if capture is not None and follow:
        raise typer.BadParameter("a capture does not go on", param_hint="--follow")
    if capture is not None:
        show_captured(capture, port, as_json=as_json)
    else:
        show_why(folder, port, follow=follow, as_json=as_json)


@app.command()
def panel(
    rig: RigArgument = None,
    premises: Annotated[str, typer.Argument(metavar="PREMISES", help="Which premises", show_default=False)] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON")] = False,
) -> None:
    """Show the Modbus register map of the bench panel."""
    from rigs.commands.panel import show_panel

    show_panel(_rig_file(rig, None), premises, as_json=as_json)


@app.command()
def keys(
    rig: Annotated[
        str, typer.Argument(metavar="RIG.TOML", help="Rig file; without it the built-in rig", show_default=False)
    ] = "",
    device: Annotated[
        str, typer.Argument(metavar="DEVICE", help="home/electricity, electricity or home", show_default=False)
    ] = "",
    seed: Seed = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON")] = False,
    pem: Annotated[
        Path | None, typer.Option(metavar="FOLDER", file_okay=False, exists=True, help="Write key files for ecdsa here")
    ] = None,
) -> None:
    """Show secrets and keys, and commands that use them.

    They are those that a rig starts with. One argument that does not end in .toml is a device of the built-in rig.
    """
    from rigs.commands.keys import run

    if rig and not device and not rig.endswith(".toml") and not Path(rig).is_file():
        rig, device = "", rig
    run(_rig_file(Path(rig) if rig else None, seed), device, as_json=json, folder=pem)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="RIG.TOML", help="The file to write")] = Path("rig.toml"),
) -> None:
    """Write a rig file to start from, with comments."""
    from rigs.template import TEMPLATE

    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(TEMPLATE)
    except FileExistsError:
        fail(f"{file}: is there already; name another file")
    except OSError as error:
        fail(f"{file}: {reason(error)}")
    print(f"{file} written. Start it with: smets1 up {file}")


@app.command()
def run(
    scenarios: Annotated[
        list[Path] | None, typer.Argument(metavar="SCENARIO.TOML", help="Scenarios, played one after another")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE.XML", help="Write the result as JUnit XML")] = None,
    seed: Seed = None,
    as_schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of scenarios instead")] = False,
) -> None:
    """Play scenarios in stepped time; the exit code is 1 when a step failed."""
    if as_schema:
        import json

        from rigs.scenario.schema import schema as scenario_schema

        print(json.dumps(scenario_schema(), indent=2))
        return
    if not scenarios:
        raise typer.BadParameter("at least one scenario", param_hint="SCENARIO.TOML")
    from rigs.commands.run import run as play

    raise typer.Exit(play(scenarios, junit, seed))


@app.command()
def schema() -> None:
    """Print the JSON Schema of rig files."""
    import json

    from rigs.config import schema as rig_schema

    print(json.dumps(rig_schema(), indent=2))


@app.command()
def ports(
    rigs: Annotated[list[Path] | None, typer.Argument(metavar="RIG.TOML", help="Rig files whose ports to show")] = None,
    folder: Folder = Path(),
) -> None:
    """List serial adaptors, and the ports of rig files and of the rig that runs here."""
    from rigs.commands.ports import run

    run([_rig_file(path, None) for path in rigs or []], folder)


@profiles_app.command("list")
def profiles_list() -> None:
    """List the profiles that come with this package."""
    from rigs.commands.profiles import list_profiles

    list_profiles()


@profiles_app.command("show")
def profiles_show(
    name: Annotated[str, typer.Argument(help="A profile's name, or a .toml file")],
    origin: Annotated[bool, typer.Option("--provenance/--no-provenance", help="Say where each value is from")] = True,
) -> None:
    """Show a profile with everything it extends laid under it."""
    from rigs.commands.profiles import show_profile

    show_profile(name, origin)


@profiles_app.command("check")
def profiles_check(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME|FILE", help="Without: all")] = None,
) -> None:
    """Check profiles; the exit code is 1 when one has a fault."""
    from rigs.commands.profiles import check_profiles

    raise typer.Exit(check_profiles(names or []))


def _rate(rate: float | None, stepped: bool) -> float | None:
    if rate is None:
        return None
    if stepped:
        raise typer.BadParameter("a stepped clock has no rate", param_hint="--rate")
    if not 0 < rate <= 1_000_000:
        raise typer.BadParameter("more than 0, at most 1000000", param_hint="--rate")
    return rate


def _rig_file(path: Path | None, seed: int | None) -> RigFile:
    from rigs.config import load_rig, make_rig

    file = load_rig(path)
    if seed is None:
        return file
    return make_rig(file.config.model_copy(update={"seed": seed}), path)


@profiles_app.command("learn")
def profiles_learn(
    port: Annotated[str, typer.Argument(metavar="PORT", help="Such as optical:/dev/ttyUSB0 or tcp:meter.example:4059")],
    file: Annotated[Path, typer.Argument(metavar="PROFILE.TOML", help="The profile to write")],
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Clients with their keys, as `smets1 keys DEVICE --json` writes")
    ] = None,
    kind: Annotated[str, typer.Option(metavar="KIND", help="electricity, gas or hub, not as found")] = "",
    base: Annotated[str, typer.Option(metavar="NAME", help="Profile for what cannot be read", show_default=False)] = "",
    client: Annotated[int, typer.Option(metavar="SAP", min=1, max=127, help="Public client SAP, without --keys")] = 16,
    server: Annotated[int, typer.Option(metavar="SAP", min=1, max=0x3FFF, help="Server SAP: the logical device")] = 1,
    timeout: Annotated[float, typer.Option(metavar="S", min=0.1, help="Seconds an answer may take")] = 10.0,
    physical: Annotated[int | None, typer.Option(metavar="N", help="HDLC lower address")] = None,
    address_octets: Annotated[int | None, typer.Option(metavar="N", help="HDLC server address: 1, 2 or 4")] = None,
    baud: Annotated[int, typer.Option(metavar="N", help="Rate of a line without sign-on")] = 9600,
    meter_address: Annotated[str, typer.Option(metavar="TEXT", help="Device address in the sign-on")] = "",
) -> None:
    """Read a device and write the profile of one that behaves alike."""
    from rigs.commands.profiles import LearnOptions, learn_profile
    from rigs.read_options import ReadOptions

    common = ReadOptions(
        client=client,
        server=server,
        timeout=timeout,
        physical=physical,
        address_octets=address_octets,
        baud=baud,
        meter_address=meter_address,
    )
    learn_profile(port, file, LearnOptions(keys, kind, base, common))


def fail(text: str) -> None:
    """Say what is wrong in one line and end with exit code 1."""
    print(f"smets1: {' '.join(text.split())}", file=sys.stderr)
    raise typer.Exit(1)


def main() -> None:
    """Run the command; what a person can put right is one line on stderr and exit code 1."""
    try:
        app()
    except BrokenPipeError:
        # The reader of our output has gone (`smets1 schema | head`): nothing is left to say, not even on exit.
        sys.stdout = None
        sys.exit(1)
    except Exception as error:
        if not _for_people(error):
            raise
        print(f"smets1: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)


def _for_people(error: Exception) -> bool:
    """Whether an error is one that a person can put right. Its module is loaded, or it could not have been raised."""
    kinds = (getattr(sys.modules.get(module), name, None) for module, name in ERRORS)
    return any(isinstance(error, kind) for kind in kinds if kind is not None)
