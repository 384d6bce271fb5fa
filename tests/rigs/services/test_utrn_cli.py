"""``smets1 utrn``: from an empty folder to a token, and the one line that a person gets when something is wrong."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rigs.cli import main
from rigs.client.options import ClientError
from rigs.commands.utrn import parse_value
from rigs.services.s1sp.client import UtrnClient
from rigs.services.s1sp.delivery import Fate

RIG = 'seed = 7\n[[premises]]\nname = "home"\n[premises.electricity]\n[premises.gas]\n'


@pytest.fixture
def smets1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the command in this process: output, error and exit code."""

    def run(*arguments: str) -> tuple[str, str, int]:
        monkeypatch.setattr(sys, "argv", ["smets1", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return out, err, int(ended.value.code or 0)

    return run


def good(ran: tuple[str, str, int]) -> str:
    out, err, code = ran
    assert (err, code) == ("", 0)
    return out


def bad(ran: tuple[str, str, int]) -> str:
    out, err, code = ran
    assert (out, code) == ("", 1)
    assert err.startswith("smets1: ") and err.count("\n") == 1, err
    return err.removeprefix("smets1: ").rstrip()


def test_from_a_rig_to_a_token(cluster, tmp_path: Path, smets1) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text(RIG)

    async def played() -> None:
        async with cluster(tmp_path / "s1sp", enrolled=False) as made:
            config = ("--config", str(made.file.path))
            sites = [word for name in ("primary", "secondary") for word in ("--site", str(made.file.folder(name)))]
            await made.led_by("primary")

            async def command(*arguments: str) -> tuple[str, str, int]:
                return await asyncio.to_thread(smets1, "utrn", *arguments)

            enrolled = good(await command("enrol", str(rig), *sites, *config)).splitlines()
            meters = {name: meter for meter, name in (line.split() for line in enrolled)}
            assert set(meters) == {"home/electricity", "home/gas"}
            meter = meters["home/electricity"]
            issued = json.loads(good(await command("issue", meter, "£20", "--transaction", "a", "--json", *config)))
            assert (issued["counter"], issued["pence"]) == (1, 2000)
            shown = good(await command("issue", meter, "2000p", "--transaction", "a", *config))
            assert issued["shown"] in shown and "True" in shown
            offline = ("issue", meter, "2000", "--keys", str(made.file.folder("primary")), "--counter", "1")
            assert good(await command(*offline)).strip() == issued["utrn"]
            assert "REFUSED" not in good(await command("decode", issued["shown"]))
            explained = good(await command("explain", issued["utrn"], "--meter", meters["home/gas"], *config))
            assert f"the token is for meter {meter}, counter 1" in explained
            assert "primary" in good(await command("status", *config))
            assert "answered" in good(await command("audit", "a", *config))
            unknown = bad(await command("audit", "unknown", *config))
            assert unknown.startswith("transaction unknown: no step of it; ") and unknown.count("knows of none") == 2
            groups = issued["shown"].split()
            assert "REFUSED" not in good(await command("decode", *groups))
            assert "permitting" in good(await command("explain", *groups, "--meter", meter, *config))
            for value in ("0", "£0", "£8191.01"):
                for way in (config, offline[3:]):
                    assert "pence, 1 to 819100" in bad(await command("issue", meter, value, *way))
            for value in ("-5", "-2000", "£-1"):
                assert bad(await command("issue", meter, value, *config)).startswith(f"{value}: write pence, such as")
            out, err, code = await command("deliver", "a", "tcp:127.0.0.1:9", *config)
            assert (err, code) == ("", 1)
            assert f"fate         {Fate.UNREACHED.value}" in out and issued["shown"] in out
            refused = bad(await command("issue", meter, "£21", "--transaction", "a", *config))
            assert refused.endswith("transaction a: is there already, with pence 2000, not 2100")
            made.kill("primary")
            second = json.loads(good(await command("issue", meter, "5", "--transaction", "b", "--json", *config)))
            assert (second["counter"], second["site"]) == (2, "secondary")

    asyncio.run(played())


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, smets1) -> None:
    assert "written" in good(smets1("utrn", "init", str(tmp_path / "s")))
    config = tmp_path / "s" / "s1sp.toml"
    assert bad(smets1("utrn", "init", str(tmp_path / "s"))) == f"{config}: is there already; name another folder"
    assert bad(smets1("utrn", "site", "tertiary", "--config", str(config))).startswith("tertiary: no member;")
    assert (
        bad(smets1("utrn", "status", "--config", str(tmp_path / "no")))
        == f"{tmp_path / 'no'}: no such file or directory"
    )
    (tmp_path / "s" / "witness" / "utrn.db").unlink()
    assert "witness/utrn.db: not there; " in bad(smets1("utrn", "site", "witness", "--config", str(config)))
    (tmp_path / "s" / "secondary" / "utrn.db").rename(tmp_path / "s" / "witness" / "utrn.db")
    lent = bad(smets1("utrn", "site", "witness", "--config", str(config)))
    assert "is the store of secondary, version 1; witness needs one of its own" in lent
    (tmp_path / "s" / "cluster.key").chmod(0o644)
    open_key = bad(smets1("utrn", "site", "primary", "--config", str(config)))
    assert "others may read it; run: chmod 600" in open_key
    (tmp_path / "s" / "supplier.token").unlink()
    assert bad(smets1("utrn", "status", "--config", str(config))).startswith("--token-file: 0 tokens beside")
    content = config.read_text()
    for old, new, text in (
        ("127.0.0.1:7401", "here", "members.primary.link: here: host:port, such as 127.0.0.1:7401"),
        ("[members.witness]", "[members.other]", "members.witness: missing"),
        ("[requesters]", "[requesters]\nx = 'short'", "requesters: x: SHA-256 of a bearer token"),
    ):
        config.write_text(content.replace(old, new))
        assert text in bad(smets1("utrn", "site", "primary", "--config", str(config)))
    assert bad(smets1("utrn", "issue", "00", "1", "--server", "nowhere")).startswith("--token-file: 0 tokens")


@pytest.mark.parametrize(
    ("text", "pence"), [("2000", 2000), ("2000p", 2000), ("£20", 2000), ("£20.50", 2050), (" £0.01 ", 1)]
)
def test_values(text: str, pence: int) -> None:
    assert parse_value(text) == pence


@pytest.mark.parametrize("text", ["0", "£0", "£0.00", "819101"])
def test_values_that_no_token_has(text: str) -> None:
    with pytest.raises(ClientError, match="expected pence, 1 to 819100"):
        parse_value(text)


@pytest.mark.parametrize("text", ["", "£", "20.5", "£20.5", "-1", "£-1", "1e3", "٢٠", "£20.500"])
def test_values_that_are_none(text: str) -> None:
    with pytest.raises(ClientError, match="write pence"):
        parse_value(text)


@pytest.mark.parametrize("fate", Fate)
def test_the_exit_code_says_whether_a_token_was_delivered(
    tmp_path: Path, smets1, monkeypatch: pytest.MonkeyPatch, fate: Fate
) -> None:
    good(smets1("utrn", "init", str(tmp_path / "s")))
    answer = {"fate": fate.value, "text": "", "shown": "7394 ..."}
    monkeypatch.setattr(UtrnClient, "post", lambda *_: answer)
    config = ("--config", str(tmp_path / "s" / "s1sp.toml"))
    for option in ((), ("--json",)):
        out, err, code = smets1("utrn", "deliver", "a", "tcp:h:1", *option, *config)
        assert (err, code) == ("", 0 if fate in (Fate.ACCEPTED, Fate.TAKEN, Fate.ALREADY) else 1)
        assert fate.value in out


def test_members_run_until_they_are_told_to_stop(tmp_path: Path, smets1, spawner) -> None:
    folder = tmp_path / "s1sp"
    good(smets1("utrn", "init", str(folder), "--port", str(spawner.ports())))
    config = str(folder / "s1sp.toml")
    command = (sys.executable, "-m", "rigs", "utrn", "site")
    started = [
        subprocess.Popen(
            [*command, name, "--config", config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for name in ("primary", "witness")
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline().endswith("Ctrl-C stops.\n")
        twice = bad(smets1("utrn", "site", "witness", "--config", config))
        assert "not usable as the store of witness: database is locked" in twice
        for process, number in zip(started, (signal.SIGINT, signal.SIGTERM), strict=True):
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
            assert (process.returncode, out) == (0, ""), err
            assert "Traceback" not in err
    finally:
        for process in started:
            process.kill()
            process.communicate()


def test_what_is_no_utrn_service_is_told_from_one() -> None:
    """Something else has the port: it answers well, but a page for people."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")

        thread = threading.Thread(target=answer)
        thread.start()
        client = UtrnClient([f"http://127.0.0.1:{listener.getsockname()[1]}"], "token", timeout=5)
        with pytest.raises(ClientError, match="what answers there is no UTRN service"):
            client.post("/utrn", {})
        assert [said for _, said in client.each("/status")] == ["what answers there is no UTRN service"]
        thread.join(10)
