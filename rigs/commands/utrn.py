"""``smets1 utrn``: the S1SP's service that issues top-up tokens, and what its operators and requesters do with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from rigs.services.s1sp.client import UtrnClient
    from rigs.services.s1sp.config import ServiceFile

CONFIG = Path("s1sp.toml")
TOKEN_VARIABLE = "SMETS1_UTRN_TOKEN"

app = typer.Typer(help="Issue top-up tokens (UTRNs), explain them, run the service.", no_args_is_help=True)

Config = Annotated[Path, typer.Option(metavar="S1SP.TOML", help="The service's file")]
Servers = Annotated[list[str] | None, typer.Option("--server", metavar="URL", help="A site; twice for both")]
TokenFile = Annotated[Path | None, typer.Option(metavar="FILE", help=f"Bearer token; or set {TOKEN_VARIABLE}")]
Json = Annotated[bool, typer.Option("--json", help="Write JSON")]
Digits = Annotated[list[str], typer.Argument(metavar="DIGITS", help="20 digits; blanks and dashes do no harm")]


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", file_okay=False, help="Where to")] = Path("s1sp"),
    requester: Annotated[str, typer.Option(metavar="NAME", help="Who may ask for tokens")] = "supplier",
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65_000, help="First of its TCP ports")] = 7401,
) -> None:
    """Write a service that is ready to start."""
    from rigs.config import ConfigError
    from rigs.services.s1sp.config import RANKS, init_service
    from rigs.services.s1sp.records import RecordError, name_of

    try:
        name_of("requester", requester)
    except RecordError as error:
        raise ConfigError(f"--requester: {error}") from None
    path = init_service(folder, requester, port=port)
    print(f"{path} written. Start each of its members:")
    for member in RANKS:
        print(f"  smets1 utrn site {member} --config {path}")


@app.command()
def site(
    name: Annotated[str, typer.Argument(metavar="NAME", help="primary, secondary or witness")],
    config: Config = CONFIG,
    new_store: Annotated[
        bool, typer.Option("--new-store", help="Begin with an empty store where there is none")
    ] = False,
) -> None:
    """Run a site, or the witness, until Ctrl-C.

    A member whose store is lost has forgotten what it acknowledged. Start it with --new-store only while `smets1 utrn
    status` shows the two others heard, one of them leading, and nothing behind: they fill it. Never two at a time.
    """
    import asyncio

    from rigs.services.s1sp.config import load_service
    from rigs.services.s1sp.process import log_to_stderr, serve

    log_to_stderr()
    file = load_service(config)
    asyncio.run(
        serve(file, name, ready=lambda where: print(f"{where}. Ctrl-C stops.", flush=True), new_store=new_store)
    )


@app.command()
def enrol(
    site: Annotated[
        list[Path], typer.Option(metavar="FOLDER", file_okay=False, help="A site's folder; may be repeated")
    ],
    rig: Annotated[
        Path | None, typer.Argument(metavar="RIG.TOML", help="Rig file; without it the built-in rig")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", min=0, help="Seed of all chance, not the file's")] = None,
    first_counter: Annotated[int, typer.Option(metavar="N", min=0, help="The meters' first counter")] = 1,
    config: Config = CONFIG,
    server: Servers = None,
    token_file: TokenFile = None,
    keys_only: Annotated[bool, typer.Option("--keys-only", help="Write keys; enrol them another time")] = False,
) -> None:
    """Put the keys of a rig's prepayment meters into sites' folders, and have the meters enrolled."""
    from rigs.config import ConfigError, load_rig, make_rig
    from rigs.services.s1sp.enrolling import prepayment_meters
    from rigs.services.s1sp.keystore import KeyStore

    file = load_rig(rig)
    if seed is not None:
        file = make_rig(file.config.model_copy(update={"seed": seed}), rig)
    meters = list(prepayment_meters(file))
    if not meters:
        raise ConfigError(f"{file.name}: none of its meters takes tokens; choose firmware with prepayment")
    for folder in site:
        if not folder.is_dir():
            raise ConfigError(f"--site {folder}: no such folder; it is the one that the service's file names")
        KeyStore(folder).write(
            {one.meter: one.key for one in meters}, {one.meter: one.dlms for one in meters if one.dlms is not None}
        )
    client = None if keys_only else _client(config, server, token_file)
    for one in meters:
        if client is not None:
            client.post("/meters", {"meter": one.meter, "first_counter": first_counter})
        print(f"{one.meter} {one.name}")
    if keys_only:
        print("Keys written. The meters are enrolled by the same command without --keys-only.")


@app.command(context_settings={"ignore_unknown_options": True})  # or -5 would be an option, and not said to be no value
def issue(
    meter: Annotated[str, typer.Argument(metavar="METER", help="EUI-64, 16 hexadecimal digits")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Pence, such as 2000; or £20 or £20.50")],
    transaction: Annotated[str, typer.Option(metavar="ID", help="Your id; the same id has the same token")] = "",
    config: Config = CONFIG,
    server: Servers = None,
    token_file: TokenFile = None,
    keys: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Compute it here, with these keys")] = None,
    counter: Annotated[int | None, typer.Option(metavar="N", min=0, help="With --keys: its counter")] = None,
    as_json: Json = False,
) -> None:
    """Have a token issued.

    Sites are asked in turn with the same transaction id. With --keys no service is asked: see to it that you use each
    counter of a meter once.
    """
    import uuid

    from rigs.client.options import ClientError

    pence = parse_value(value)
    if keys is not None:
        if counter is None or server:
            raise ClientError("--keys needs --counter, and no --server")
        _computed(keys, meter, counter, pence)
        return
    if counter is not None:
        raise ClientError("--counter: the service chooses it; it is for --keys")
    wanted = transaction or str(uuid.uuid4())
    client = _client(config, server, token_file)
    try:
        answer = client.post("/utrn", {"transaction": wanted, "meter": meter, "pence": pence})
    except ClientError as error:
        raise ClientError(f"transaction {wanted}: {error}") from error
    _show(answer, ("shown", "utrn", "counter", "transaction", "site", "repeated"), as_json)


@app.command()
def deliver(
    transaction: Annotated[str, typer.Argument(metavar="ID", help="The transaction whose token it is")],
    port: Annotated[str, typer.Argument(metavar="PORT", help="The hub's WAN port, such as tcp:127.0.0.1:4059")],
    config: Config = CONFIG,
    server: Servers = None,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Deliver a token over the air; where that fails, show it to the customer.

    The exit code is 1 unless it is accepted, taken by the hub, or already credited.
    """
    from rigs.services.s1sp.delivery import Fate

    answer = _client(config, server, token_file, 60).post("/deliveries", {"transaction": transaction, "port": port})
    _show(answer, ("fate", "text", "shown"), as_json)
    if cast("dict[str, object]", answer)["fate"] not in (Fate.ACCEPTED.value, Fate.TAKEN.value, Fate.ALREADY.value):
        raise typer.Exit(1)


@app.command()
def decode(digits: Digits, as_json: Json = False) -> None:
    """Show what digits hold, without any key."""
    from dataclasses import asdict

    from rigs.services.s1sp import explain as explaining

    _show_findings([asdict(one) for one in explaining.describe(explaining.plain("".join(digits)))], as_json)


@app.command()
def explain(
    digits: Digits,
    meter: Annotated[str, typer.Option(metavar="ID", help="The meter that is to take it")],
    token_limit: Annotated[int | None, typer.Option(metavar="PENCE", min=0, help="Its limit of one token")] = None,
    history: Annotated[int | None, typer.Option(metavar="N", min=1, help="Counters that its history holds")] = None,
    config: Config = CONFIG,
    server: Servers = None,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Say check by check why a meter would take or refuse digits."""
    wanted = {"digits": "".join(digits), "meter": meter, "token_limit": token_limit, "history": history}
    answer = _client(config, server, token_file).post("/explain", wanted)
    _show_findings(cast("list[dict[str, object]]", answer), as_json)


@app.command()
def status(
    config: Config = CONFIG, server: Servers = None, token_file: TokenFile = None, as_json: Json = False
) -> None:
    """Show who leads, who is heard, who is behind."""
    from rich.table import Table
    from rich.text import Text

    from rigs.commands.output import console

    shown = _client(config, server, token_file, 3).each("/status")
    if as_json:
        _print_json(dict(shown))
        return
    table = Table()
    for heading in ("Site", "Role", "Term", "Leader", "Committed", "Meters", "Others"):
        table.add_column(heading)
    for where, found in shown:
        if not isinstance(found, dict):
            table.add_row(*(Text(cell) for cell in (where, "-", "", "", "", "", str(found))))
            continue
        values = cast("dict[str, object]", found)
        others = "\n".join(
            _other(name, cast("dict[str, object]", known))
            for name, known in cast("dict[str, object]", values["members"]).items()
        )
        cells = [str(values[name]) for name in ("site", "role", "term", "leader", "committed", "meters")]
        table.add_row(*(Text(cell) for cell in (*cells, others)))
    console().print(table)


@app.command()
def audit(
    transaction: Annotated[str, typer.Argument(metavar="[ID]", help="One transaction only", show_default=False)] = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="Steps of each site")] = 200,
    config: Config = CONFIG,
    server: Servers = None,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Show what each site did, step by step."""
    from urllib.parse import quote

    from rich.table import Table
    from rich.text import Text

    from rigs.client.options import ClientError
    from rigs.commands.output import console

    client = _client(config, server, token_file)
    shown = client.each(f"/audit?transaction={quote(transaction, safe='')}&limit={limit}")
    if transaction and not any(isinstance(found, list) and found for _, found in shown):
        told = (f"{where}: {'knows of none' if isinstance(found, list) else found}" for where, found in shown)
        raise ClientError(f"transaction {transaction}: no step of it; {'; '.join(told)}")
    if as_json:
        _print_json(dict(shown))
        return
    table = Table()
    for heading in ("Time", "Site", "Term", "Transaction", "Meter", "Step", "Detail"):
        table.add_column(heading, overflow="fold")
    for where, found in shown:
        if not isinstance(found, list):
            table.add_row("", Text(where), "", "", "", "", Text(str(found)))
            continue
        for row in cast("list[dict[str, object]]", found):
            names = ("time", "site", "term", "transaction", "meter", "step", "detail")
            table.add_row(*(Text(str(row[name])) for name in names))
    console().print(table)


def parse_value(text: str) -> int:
    """Pence of ``2000``, ``2000p``, ``£20`` or ``£20.50``, that a token may be worth; raises ClientError."""
    import re

    from rigs.client.options import ClientError
    from rigs.services.s1sp.records import RecordError, pence_of

    found = re.fullmatch(r"(?:£(?P<pounds>[0-9]{1,7})(?:\.(?P<rest>[0-9]{2}))?|(?P<pence>[0-9]{1,9})p?)", text.strip())
    if found is None:
        raise ClientError(f"{text}: write pence, such as 2000, or pounds, such as £20 or £20.50")
    pence = int(found["pence"]) if found["pence"] else int(found["pounds"]) * 100 + int(found["rest"] or 0)
    try:
        return pence_of(pence)
    except RecordError as error:
        raise ClientError(str(error)) from None


# -- the service ----------------------------------------------------------------------------------------------------


def _client(config: Path, servers: list[str] | None, token_file: Path | None, timeout: float = 15.0) -> UtrnClient:
    import os

    from rigs.services.s1sp.client import UtrnClient
    from rigs.services.s1sp.config import load_service, read_secret

    file = load_service(config) if not servers or config.is_file() else None
    if not servers:
        assert file is not None
        addresses = (file.member(name).http for name in ("primary", "secondary"))
        servers = [f"http://{where}" for where in addresses if where is not None]
    if token_file is not None:
        token = read_secret(token_file)
    else:
        token = os.environ.get(TOKEN_VARIABLE) or read_secret(_token_file(file))
    return UtrnClient(servers, token.strip(), timeout)


def _token_file(file: ServiceFile | None) -> Path:
    """The token of a requester beside the service's file, where there is one only."""
    from rigs.client.options import ClientError

    found = (
        []
        if file is None
        else [path for name in file.config.requesters if (path := file.path.parent / f"{name}.token").is_file()]
    )
    if len(found) != 1:
        raise ClientError(
            f"--token-file: {len(found)} tokens beside the service's file; name one, or set {TOKEN_VARIABLE}"
        )
    return found[0]


def _computed(folder: Path, meter: str, counter: int, pence: int) -> None:
    from protocols.errors import ProtocolError
    from rigs.client.options import ClientError
    from rigs.services.s1sp.keystore import KeyStore
    from rigs.services.s1sp.records import meter_of

    try:
        meter = meter_of(meter)
        scheme = KeyStore(folder).scheme(meter)
        if scheme is None:
            raise ClientError(f"{folder}: no key of meter {meter}; run: smets1 utrn enrol")
        print(scheme.issue(counter, pence))
    except ProtocolError as error:
        raise ClientError(str(error)) from error


# -- what is printed ------------------------------------------------------------------------------------------------


def _print_json(content: object) -> None:
    import json

    print(json.dumps(content, indent=2))


def _show(answer: object, names: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        _print_json(answer)
        return
    values = cast("dict[str, object]", answer)
    for name in names:
        print(f"{name:<12} {values[name]}")


def _show_findings(found: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        _print_json(found)
        return
    marks = {True: "fits", False: "REFUSED", None: ""}
    for one in found:
        print(f"{one['name']!s:<12} {marks[cast('bool | None', one['fits'])]:<8} {one['text']}")


def _other(name: str, known: dict[str, object]) -> str:
    heard = {True: "heard", False: "NOT heard", None: "not known here"}[cast("bool | None", known["heard"])]
    behind = known["behind"]
    return f"{name}: {heard}" + (f", {behind} records behind" if behind else "")
