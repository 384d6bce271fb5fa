"""Tokens over the air: through a running rig's hub to its meters, by the keys that ``smets1 utrn enrol`` works out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from protocols.tokens.scheme import Outcome
from protocols.tokens.symmetric import SymmetricTokens
from rigs.config import rig_of
from rigs.running import RunningRig
from rigs.services.s1sp.delivery import Fate, check_port, deliver
from rigs.services.s1sp.enrolling import Enrollable, prepayment_meters
from rigs.services.s1sp.keystore import KeyStore
from rigs.services.s1sp.ledger import Refusal

RIG: dict[str, object] = {
    "seed": 5,
    "premises": [
        {
            "name": "home",
            "hub": {"ports": {"wan-tcp": "tcp:0"}},
            "electricity": {"prepayment": {}},
            "gas": {"prepayment": {}},
        }
    ],
}


def meters() -> dict[str, Enrollable]:
    return {one.name: one for one in prepayment_meters(rig_of(RIG))}


def token(one: Enrollable, counter: int, pence: int) -> str:
    return SymmetricTokens(one.key.secret, one.key.originator, bytes.fromhex(one.meter)).issue(counter, pence)


def test_a_token_goes_through_the_hub_and_credits_once(smets1_rig: Callable[..., RunningRig]) -> None:
    home = smets1_rig(RIG).premises["home"]
    port, one = f"tcp:{home.hub.tcp}", meters()["home/electricity"]
    assert one.dlms is not None
    utrn = token(one, 1, 500)
    first = asyncio.run(deliver(port, one.dlms, utrn, 30))
    assert (first.fate, first.result) == (Fate.ACCEPTED, 0), first
    assert asyncio.run(deliver(port, one.dlms, utrn, 30)).fate is Fate.ALREADY
    assert home.electricity.balance == 1000_000 + 500_000


def test_a_sleeping_gas_meter_takes_it_when_it_wakes(smets1_rig: Callable[..., RunningRig]) -> None:
    home = smets1_rig(RIG).premises["home"]
    port, one = f"tcp:{home.hub.tcp}", meters()["home/gas"]
    assert one.dlms is not None
    utrn = token(one, 1, 500)
    assert asyncio.run(deliver(port, one.dlms, utrn, 30)).fate is Fate.TAKEN
    assert home.gas.balance == 1000_000
    home.clock.advance(hours=1)
    assert asyncio.run(deliver(port, one.dlms, utrn, 30)).fate is Fate.ALREADY
    assert 1000_000 < home.gas.balance <= 1000_000 + 500_000


def test_a_token_that_was_typed_in_before_is_told_as_credited(smets1_rig: Callable[..., RunningRig]) -> None:
    home = smets1_rig(RIG).premises["home"]
    port, one = f"tcp:{home.hub.tcp}", meters()["home/electricity"]
    assert one.dlms is not None
    first, second = token(one, 1, 500), token(one, 2, 100)
    assert home.electricity.top_up(first) is Outcome.ACCEPTED
    assert asyncio.run(deliver(port, one.dlms, first, 30)).fate is Fate.ALREADY
    assert home.electricity.top_up(second) is Outcome.ACCEPTED
    # Behind another token the make's own code for duplicates tells it.
    assert asyncio.run(deliver(port, one.dlms, first, 30)).fate is Fate.ALREADY
    # A make whose code for duplicates stands for other refusals too tells less, and the answer says so.
    vague = replace(one.dlms, codes={**one.dlms.codes, "3/6": ["DUPLICATE", "TOO_OLD"]})
    late = asyncio.run(deliver(port, vague, first, 30))
    assert late.fate is Fate.REFUSED
    assert late.text.startswith("duplicate or too old")
    assert home.electricity.balance == 1000_000 + 600_000


def test_a_site_keeps_its_keys_in_files_of_its_own(tmp_path: Path) -> None:
    one = meters()["home/electricity"]
    assert one.dlms is not None
    KeyStore(tmp_path).write({one.meter: one.key}, {one.meter: one.dlms})
    again = KeyStore(tmp_path)
    assert (again.key(one.meter), again.dlms(one.meter)) == (one.key, one.dlms)
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600, 0o600]


def test_where_nobody_answers_the_customer_is_shown_the_token() -> None:
    one = meters()["home/electricity"]
    assert one.dlms is not None
    found = asyncio.run(deliver("tcp:127.0.0.1:9", one.dlms, token(one, 1, 5), 0.5))
    assert (found.fate, found.result) == (Fate.UNREACHED, None)


@pytest.mark.parametrize("port", ["pty:./x", "/dev/ttyUSB0", "optical:./x", "rfc2217:h:1", "x", "tcp:127.0.0.1:0"])
def test_a_requester_reaches_hubs_only(port: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_port(port)
    assert refused.value.status == 400


def test_a_site_delivers_and_knows_of_it_afterwards(
    smets1_rig: Callable[..., RunningRig], cluster, tmp_path: Path
) -> None:
    home = smets1_rig(RIG).premises["home"]
    port, one = f"tcp:{home.hub.tcp}", meters()["home/electricity"]
    assert one.dlms is not None

    async def play() -> None:
        async with cluster(tmp_path / "s1sp", enrolled=False) as made:
            for site in ("primary", "secondary"):
                KeyStore(made.file.folder(site)).write({one.meter: one.key}, {one.meter: one.dlms})
            await made.insist("primary", "POST", "/meters", {"meter": one.meter})
            wanted = {"transaction": "a", "meter": one.meter, "pence": 500}
            utrn = (await made.insist("primary", "POST", "/utrn", wanted))["utrn"]
            assert home.electricity.top_up(utrn) is Outcome.ACCEPTED, "the customer was quicker"
            way = {"transaction": "a", "port": port}
            sent = await made.insist("primary", "POST", "/deliveries", way)
            assert (sent["fate"], sent["utrn"]) == ("already credited", utrn)
            await made.insist("primary", "POST", "/utrn", {**wanted, "transaction": "b"})
            sent = await made.insist("secondary", "POST", "/deliveries", {**way, "transaction": "b"})
            assert (sent["fate"], sent["result"]) == ("accepted", 0)
            # Another token comes in between: the site's own audit tells that this one was taken.
            other = (await made.insist("primary", "POST", "/utrn", {**wanted, "transaction": "c"}))["utrn"]
            assert home.electricity.top_up(other) is Outcome.ACCEPTED
            sent = await made.insist("secondary", "POST", "/deliveries", {**way, "transaction": "b"})
            assert sent["fate"] == "already credited"
            rows = await made.insist("secondary", "GET", "/audit?transaction=b")
            steps = [row["step"] for row in rows if row["step"].startswith(("sent", "deliver"))]
            assert steps[:2] == ["sent to meter", "delivery: accepted"]
            told = await made.insist("primary", "POST", "/explain", {"digits": utrn, "meter": one.meter})
            found = {finding["name"]: finding for finding in told}
            assert found["delivery"]["text"] == "already credited; now it is a duplicate"
            assert found["verdict"]["fits"] is False
            assert home.electricity.balance == 1000_000 + 1500_000

    asyncio.run(play())
