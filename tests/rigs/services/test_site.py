"""A running service as requesters and operators see it: answers, refusals, audit; and that no secret is anywhere."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from rigs.config import ConfigError
from rigs.services.s1sp import messages, records
from rigs.services.s1sp.config import init_service, load_service
from rigs.services.s1sp.keystore import KeyStore
from rigs.services.s1sp.node import Node
from rigs.services.s1sp.process import serve
from rigs.services.s1sp.store import STORE, Store

from ..spellings import spellings

METER, OTHER, ABSENT = "00DB123456789001", "00DB123456789002", "00DB1234567890FF"


def wanted(transaction: str, pence: int = 2000, meter: str = METER) -> dict[str, object]:
    return {"transaction": transaction, "meter": meter, "pence": pence}


def run(make, folder: Path, play: Callable[..., Awaitable[None]]) -> None:
    async def played() -> None:
        async with make(folder) as cluster:
            await play(cluster)

    asyncio.run(played())


def test_a_transaction_has_one_token_from_either_site(cluster, tmp_path: Path) -> None:
    async def play(made) -> None:
        first = await made.insist("primary", "POST", "/utrn", wanted("a"))
        assert (first["counter"], first["pence"], first["repeated"]) == (1, 2000, False)
        assert len(first["utrn"]) == 20
        for site in ("secondary", "primary"):
            again = await made.insist(site, "POST", "/utrn", wanted("a"))
            assert (again["utrn"], again["repeated"], again["site"]) == (first["utrn"], True, site)
            found = await made.insist(site, "GET", "/utrn/a")
            assert found["utrn"] == first["utrn"]
        second = await made.insist("secondary", "POST", "/utrn", wanted("b"))
        assert (second["counter"], second["repeated"]) == (2, False)
        assert second["utrn"] != first["utrn"]
        other = await made.insist("primary", "POST", "/utrn", wanted("c", meter=OTHER))
        assert other["counter"] == 1, "each meter has counters of its own"
        meter = await made.insist("primary", "GET", f"/meters/{METER}")
        assert (meter["issued"], meter["latest"]) == (2, 2)

    run(cluster, tmp_path, play)


def test_many_at_once_have_a_counter_each(cluster, tmp_path: Path) -> None:
    async def play(made) -> None:
        sites = ("primary", "secondary")
        asked = [made.insist(sites[n % 2], "POST", "/utrn", wanted(f"t{n % 20}", 100 + n % 20)) for n in range(60)]
        answers = await asyncio.gather(*asked)
        tokens = {answer["transaction"]: answer["utrn"] for answer in answers}
        assert {answer["utrn"] for answer in answers} == set(tokens.values())
        assert sorted({answer["counter"] for answer in answers}) == list(range(1, 21))

    run(cluster, tmp_path, play)


def test_refusals_say_in_one_line_what_is_wrong(cluster, tmp_path: Path) -> None:
    async def play(made) -> None:
        await made.insist("primary", "POST", "/utrn", wanted("a"))
        cases = [
            (409, "transaction a: is there already, with pence 2000, not 2100", wanted("a", 2100)),
            (409, f"transaction a: is there already, with meter {METER}, not {OTHER}", wanted("a", 2000, OTHER)),
            (503, f"meter {ABSENT}: primary has no key of it; run there: smets1 utrn enrol", wanted("b", 5, ABSENT)),
            (422, "8193 pence: a token cannot carry 8193 pence", wanted("b", 8193)),
            (400, "meter 12: not", {**wanted("b"), "meter": "12"}),
            (400, "pence: ", wanted("b", 0)),
            (400, "pence: ", {**wanted("b"), "pence": "12"}),
            (400, "transaction 'a b'", wanted("a b")),
            (400, "extra: ", {**wanted("b"), "extra": 1}),
        ]
        for status, text, content in cases:
            answer = await made.ask("primary", "POST", "/utrn", content)
            assert answer.status == status, (answer, content)
            error = answer.content["error"]
            assert "\n" not in error
            assert error.startswith(text) or text.startswith("meter 12"), error
        unknown = await made.answer("primary", "GET", "/utrn/nothing")
        assert (unknown.status, unknown.content["error"][:30]) == (404, "transaction nothing: has no to")
        assert (await made.answer("primary", "GET", f"/meters/{ABSENT}")).status == 404
        assert (await made.ask("primary", "GET", "/nowhere")).status == 404
        odd = await made.answer("primary", "GET", "/utrn/a%0Ab")
        assert (odd.status, "\n" in odd.content["error"]) == (404, False)
        large = await made.ask("primary", "POST", "/decode", {"digits": "1" * 70_000})
        assert large.status == 413
        for token in ("", "x", made.token + "x", made.token[:-1]):
            refused = await made.ask("primary", "GET", "/status", token=token)
            assert refused.status == 401
        # None of them has used a counter.
        assert (await made.insist("primary", "POST", "/utrn", wanted("b")))["counter"] == 2

    run(cluster, tmp_path, play)


def test_a_site_alone_issues_nothing_new_and_says_why(cluster, tmp_path: Path) -> None:
    async def play(made) -> None:
        first = await made.insist("primary", "POST", "/utrn", wanted("a"))
        for pipe in made.around("primary"):
            pipe.hold()
        cut_off = await made.ask("primary", "POST", "/utrn", wanted("b"))
        assert cut_off.status == 503
        assert "ask again with the same transaction id" in cut_off.content["error"]
        other = await made.insist("secondary", "POST", "/utrn", wanted("b"))
        assert other["counter"] == 2
        known = await made.ask("primary", "POST", "/utrn", wanted("a"))
        assert (known.status, known.content["utrn"]) == (200, first["utrn"]), "what is committed is known alone too"
        later = await made.ask("primary", "POST", "/utrn", wanted("c"))
        assert later.status == 503
        assert later.content["error"].startswith("only this site (primary) can be reached")
        made.heal()
        assert (await made.insist("primary", "POST", "/utrn", wanted("b")))["utrn"] == other["utrn"]
        await made.led_by("primary")
        made.kill("secondary")
        assert (await made.insist("primary", "POST", "/utrn", wanted("c")))["counter"] == 3
        made.kill("witness")
        alone = await made.ask("primary", "POST", "/utrn", wanted("d"))
        assert alone.status == 503

    run(cluster, tmp_path, play)


def test_the_primary_leads_again_when_it_is_back(cluster, tmp_path: Path) -> None:
    async def play(made) -> None:
        await made.led_by("primary")
        made.kill("primary")
        await made.led_by("secondary")
        issued = await made.insist("secondary", "POST", "/utrn", wanted("a"))
        made.start("primary")
        await made.led_by("primary")
        assert (await made.insist("primary", "GET", "/utrn/a"))["utrn"] == issued["utrn"]
        assert (await made.insist("primary", "POST", "/utrn", wanted("b")))["counter"] == 2

    run(cluster, tmp_path, play)


def test_sites_with_different_keys_of_a_meter_never_give_two_tokens(cluster, tmp_path: Path) -> None:
    async def play(made) -> None:
        await made.insist("primary", "POST", "/utrn", wanted("a"))
        await made.insist("secondary", "GET", "/utrn/a")
        store = KeyStore(made.file.folder("secondary"))
        key = store.key(OTHER)
        assert key is not None
        store.write({METER: key}, {})
        for method, path, content in (("POST", "/utrn", wanted("a")), ("GET", "/utrn/a", None)):
            answer = await made.ask("secondary", method, path, content)
            assert answer.status == 503
            assert "is not the one that it was enrolled with" in answer.content["error"]
        enrolled = await made.answer("secondary", "POST", "/meters", {"meter": METER})
        assert enrolled.status == 409

    run(cluster, tmp_path, play)


def test_every_step_is_in_the_audit_with_its_time_site_and_term(cluster, tmp_path: Path) -> None:
    async def play(made) -> None:
        await made.led_by("primary")
        for number in count():  # one that is answered at the first time of asking
            name = f"a{number}"
            first = await made.ask("primary", "POST", "/utrn", wanted(name))
            if first.status == 200:
                break
        issued = first.content
        assert (await made.ask("primary", "POST", "/utrn", wanted(name, 3000))).status == 409
        rows = await made.insist("primary", "GET", f"/audit?transaction={name}")
        steps = [row["step"] for row in rows]
        assert steps == ["requested", "reserved", "committed", "computed", "answered", "requested", "refused"]
        assert {row["site"] for row in rows} == {"primary"}
        assert all(row["term"] >= 1 and row["time"].startswith("20") and row["meter"] == METER for row in rows)
        told = json.dumps(rows)
        assert issued["utrn"] not in told
        assert "*" * 16 + issued["utrn"][-4:] in told
        await made.insist("secondary", "GET", f"/utrn/{name}")
        while "committed" not in [
            row["step"] for row in await made.insist("secondary", "GET", f"/audit?transaction={name}")
        ]:
            await asyncio.sleep(0.02)

    run(cluster, tmp_path, play)


def test_explain_says_what_is_wrong_field_by_field(cluster, tmp_path: Path) -> None:
    async def play(made) -> None:
        utrn = (await made.insist("primary", "POST", "/utrn", wanted("a")))["utrn"]

        async def explained(digits: str, meter: str = METER, **limits: int) -> dict[str, tuple[str, bool | None]]:
            found = await made.insist("primary", "POST", "/explain", {"digits": digits, "meter": meter, **limits})
            return {one["name"]: (one["text"], one["fits"]) for one in found}

        good = await explained(f"{utrn[:4]} {utrn[4:]}")
        assert good["verdict"][1] is True
        assert good["origin"] == ("transaction a of supplier, 2000 pence", True)
        wrong_meter = await explained(utrn, OTHER)
        assert wrong_meter["MAC"] == (
            f"does not match this meter: the token is for meter {METER}, counter 1",
            False,
        )
        check = str((int(utrn[-1]) + 1) % 10)
        assert (await explained(utrn[:-1] + check))["check digit"] == (f"{check}, but {utrn[-1]} would fit", False)
        assert (await explained(utrn, token_limit=1999))["limit"] == ("2000 pence of at most 1999 in one token", False)
        assert (await explained("123"))["digits"][1] is False
        for number in range(3):
            await made.insist("primary", "POST", "/utrn", wanted(f"later{number}"))
        assert (await explained(utrn, history=3))["counter"][1] is False
        assert (await explained(utrn, history=4))["counter"][1] is None

    run(cluster, tmp_path, play)


async def ended(reader: asyncio.StreamReader) -> None:
    """The far end closes and says nothing more; what it has not read by then makes the end of TCP a reset."""
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 30) == b""


def test_strangers_on_the_link_change_nothing(cluster, tmp_path: Path) -> None:
    async def play(made) -> None:
        await made.insist("primary", "POST", "/utrn", wanted("a"))
        host, port = made.pipes["secondary", "primary"].target
        vote = messages.encode(messages.Vote(1 << 40, 1 << 40, 1 << 40, True))
        for first in (b"secondary", b"mallory", b"\xff" * 64):
            reader, writer = await asyncio.open_connection(host, port)
            await reader.readexactly(21)
            for message in (first, vote):
                writer.write((32 + len(message)).to_bytes(4, "big") + secrets.token_bytes(32) + message)
            await ended(reader)
            writer.close()
        for octets in (b"\xff\xff\xff\xff", b"\0\0\0\x01x", b"GET / HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_connection(host, port)
            await reader.readexactly(21)
            writer.write(octets)
            await ended(reader)
            writer.close()
        # The members may have held elections of their own, but none of the strangers' term.
        assert (await made.insist("primary", "GET", "/status"))["term"] < 1 << 20
        await made.insist("primary", "POST", "/utrn", wanted("b"))

    run(cluster, tmp_path, play)


def test_no_secret_is_in_answers_logs_stores_audit_or_on_the_link(cluster, tmp_path: Path) -> None:
    said: list[str] = []

    async def play(made) -> None:
        async def ask(site: str, method: str, path: str, content: object = None) -> None:
            said.append(json.dumps((await made.ask(site, method, path, content)).content))

        await made.insist("primary", "POST", "/utrn", wanted("t"))
        utrn = (await made.insist("secondary", "POST", "/utrn", wanted("s")))["utrn"]
        for site in ("primary", "secondary"):
            for content in (wanted("t"), wanted("t", 5), wanted("u", 8193), wanted("v", 5, ABSENT), {"pence": 1}):
                await ask(site, "POST", "/utrn", content)
            await ask(site, "POST", "/explain", {"digits": utrn, "meter": METER})
            await ask(site, "POST", "/explain", {"digits": utrn, "meter": OTHER})
            await ask(site, "POST", "/explain", {"digits": utrn[:-1], "meter": ABSENT})
            await ask(site, "POST", "/deliveries", {"transaction": "t", "port": "tcp:127.0.0.1:9"})
            for path in ("/audit", "/status", f"/meters/{METER}", "/openapi.json"):
                await ask(site, "GET", path)
        # A key store that cannot be used: errors must not quote it.
        path = made.file.folder("secondary") / "token-keys.json"
        content = json.loads(path.read_text())
        content[METER]["secret"] = "zz" + content[METER]["secret"]
        path.write_text(json.dumps(content))
        await ask("secondary", "POST", "/utrn", wanted("t"))
        assert "secret is not hexadecimal" in said[-1]
        content[METER]["secret"] = content[METER]["secret"][2:] + "00"
        path.write_text(json.dumps(content))
        await ask("secondary", "POST", "/utrn", wanted("t"))
        assert "is not the one that it was enrolled with" in said[-1]
        for name in ("primary", "secondary", "witness"):
            made.kill(name)
        await made.gone()

        places = {"answers": "\n".join(said).encode(), "logs": made.logs().encode()}
        for pair, pipe in made.pipes.items():
            places[f"link {pair}"] = bytes(pipe.seen)
            assert pipe.seen
        for name in ("primary", "secondary", "witness"):
            for file in made.file.folder(name).glob(f"{STORE}*"):
                places[str(file)] = file.read_bytes()
            dump = "\n".join(sqlite3.connect(made.file.folder(name) / STORE).iterdump())
            places[f"dump of {name}"] = dump.encode()
        assert all(name in places["dump of witness"].decode() for name in ("t", METER)), (
            "the search finds what is there"
        )
        keys = [KeyStore(made.file.folder("primary")).key(meter) for meter in (METER, OTHER)]
        hidden = [key.secret for key in keys if key is not None]
        hidden += [made.file.cluster_key(), made.token.encode(), base64.urlsafe_b64decode(made.token + "=")]
        for where, octets in places.items():
            for form in spellings(hidden):
                assert form not in octets, f"{form!r} is in {where}"
            # A UTRN is worth its value: the log, the link, the audit and the program's log do not have it.
            if where != "answers":
                assert utrn.encode() not in octets, f"a UTRN is in {where}"

    run(cluster, tmp_path, play)


def test_a_member_whose_store_cannot_be_written_stops_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spawner
) -> None:
    file = load_service(init_service(tmp_path, port=spawner.ports()))
    opened = Node.open

    async def open_with_something_to_write(node: Node) -> None:
        await opened(node)
        node.note("something")

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Node, "open", open_with_something_to_write)
    monkeypatch.setattr(Store, "save", full)
    for name in ("primary", "witness"):
        with pytest.raises(ConfigError, match=f"cannot be written, so {name} stops: database or disk is full"):
            asyncio.run(serve(file, name, ready=lambda _: None))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"kind":"x"}', '{"kind":"opening"}', '{"kind":"opening","site":5}', "[" * 5000, '{"kind":[]}'],
)
def test_records_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(records.RecordError):
        records.decode(text)
