"""``smets1 proxy``: record what a head-end and a meter say, damage it on the way, play either side back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rigs.proxy.settings import Settings

app = typer.Typer(help="Record, damage and replay what a head-end and a meter say.", no_args_is_help=True)

HeadEndPort = Annotated[str, typer.Argument(metavar="PORT", help="Where head-ends come: pty:./meter, tcp:4059, ...")]
MeterPort = Annotated[str, typer.Argument(metavar="METER", help="Where the meter is, such as serial:/dev/ttyUSB0")]
RecordingFile = Annotated[Path, typer.Argument(metavar="FILE", help="A recording")]
Baud = Annotated[int, typer.Option(metavar="N", min=300, max=115200, help="Rate that a line begins with")]
Framing = Annotated[str, typer.Option(metavar="8N1", help="Character format that a line begins with")]
Pace = Annotated[bool, typer.Option("--pace", help="Take the time that it took")]


@app.command()
def record(
    port: HeadEndPort,
    meter: MeterPort,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The recording to write")] = None,
    capture: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a capture too (pcapng)")] = None,
    drop: Annotated[float, typer.Option(metavar="P", min=0, max=1, help="Share of messages lost")] = 0.0,
    duplicate: Annotated[float, typer.Option(metavar="P", min=0, max=1, help="Share of messages sent twice")] = 0.0,
    delay: Annotated[
        str, typer.Option(metavar="MS", help="50, uniform:10..200, normal:100,20 or exponential:50", show_default=False)
    ] = "",
    bit_errors: Annotated[float, typer.Option(metavar="P", min=0, max=1, help="Share of bits wrong")] = 0.0,
    lost_octets: Annotated[float, typer.Option(metavar="P", min=0, max=1, help="Share of octets lost")] = 0.0,
    wrong_fcs: Annotated[float, typer.Option(metavar="P", min=0, max=1, help="Share of checks wrong")] = 0.0,
    wrong: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WAY=P",
            help="Share wrong in a way: fcs, hcs, bcc, nr, ns, length, version, address, truncated; may be repeated",
            show_default=False,
        ),
    ] = None,
    towards: Annotated[str, typer.Option(metavar="SIDE", help="Damage what goes to: meter, head-end or both")] = "both",
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the damage")] = 0,
    baud: Baud = 9600,
    framing: Framing = "8N1",
) -> None:
    """Stand between head-ends and a meter until Ctrl-C, and record what they say."""
    import asyncio
    from contextlib import ExitStack

    from rigs.capture import Capture
    from rigs.ports.spec import PortError, parse_port
    from rigs.proxy import Damage, Proxy, ProxyOptions, Recorder, damage_of, parse_delay, parse_wrong

    if towards not in ("meter", "head-end", "both"):
        raise PortError(f"--towards {towards}", "no side", "write meter, head-end or both")
    damage = damage_of(
        drop=drop,
        duplicate=duplicate,
        bit_errors=bit_errors,
        lost=lost_octets,
        wrong_fcs=wrong_fcs,
        wrong=parse_wrong(wrong or ()),
        delay=parse_delay(delay) if delay else None,
    )
    options = ProxyOptions(
        to_meter=damage if towards != "head-end" else Damage(),
        to_head_end=damage if towards != "meter" else Damage(),
        seed=seed,
        settings=_settings(baud, framing),
    )
    Proxy(port, meter, options)  # ports that do not go together are said before a file is made
    with ExitStack() as files:
        recorder = None
        if file is not None:
            recorder = Recorder(file, wrapped=parse_port(port).wrapped, about=f"from {port} to {meter}, seed {seed}")
            files.callback(recorder.close)
        tap = None if capture is None else files.enter_context(Capture(capture))
        proxy = Proxy(port, meter, options, recorder=recorder, tap=tap, told=print)

        async def run() -> None:
            async with proxy:
                await _until_stopped(f"{proxy.address} leads to {meter}; Ctrl-C ends it")

        asyncio.run(run())
    print(_counted(proxy.counters))


@app.command()
def replay(
    file: RecordingFile,
    port: Annotated[str, typer.Argument(metavar="PORT", help="Where the side that is played goes")],
    head_end: Annotated[bool, typer.Option("--head-end", help="Play the head-end to a meter at PORT")] = False,
    pace: Pace = False,
    timeout: Annotated[float, typer.Option(metavar="S", min=0.1, help="Seconds an answer may take")] = 5.0,
    baud: Baud = 9600,
    framing: Framing = "8N1",
) -> None:
    """Answer head-ends at PORT as the recorded meter did, or play the head-end to a meter.

    With --head-end the exit code is 1 where a request got no answer.
    """
    import asyncio

    from rigs.proxy import HeadEndReplay, MeterReplay, Recording

    recording, settings = Recording.read(file), _settings(baud, framing)
    if head_end:
        player = HeadEndReplay(recording, port, pace=pace, timeout=timeout, settings=settings)
        outcome = asyncio.run(player.run(print))
        print(
            f"{outcome.sent} requests: {outcome.same} answered as recorded, {outcome.different} otherwise,"
            f" {outcome.unanswered} not at all"
        )
        raise typer.Exit(int(outcome.unanswered > 0))
    meter = MeterReplay(recording, port, pace=pace, settings=settings, told=print)

    async def run() -> None:
        async with meter:
            await _until_stopped(f"{meter.address} answers as {file} does; Ctrl-C ends it")

    asyncio.run(run())
    print(_counted(meter.counters))


def _settings(baud: int, framing: str) -> Settings:
    from emulator.uart import character
    from rigs.ports.spec import PortError
    from rigs.proxy.settings import Settings

    try:
        character(framing)
    except ValueError as error:
        raise PortError(f"--framing {framing}", str(error)) from None
    return Settings(baud, framing)


async def _until_stopped(greeting: str) -> None:
    """Wait for Ctrl-C or a polite end."""
    import asyncio
    import signal

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    print(greeting, flush=True)
    await stop.wait()


def _counted(counters: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counters.items()) or "nothing came"
