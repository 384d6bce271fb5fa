"""The proxy between real ports: our client, a running meter, and what is recorded of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import termios
import tty
from collections.abc import Callable
from pathlib import Path

import pytest

from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.client import Attribute, ClientSettings
from protocols.dlms.enums import Mechanism
from protocols.hdlc import Frame, Parameters, decode, encode
from rigs.capture import Capture, CaptureError
from rigs.client import ClientError, ClientOptions, DlmsClient, read_out
from rigs.ports import PortError
from rigs.proxy import (
    Damage,
    HeadEndReplay,
    MeterReplay,
    Proxy,
    ProxyOptions,
    Recorder,
    Recording,
    damage_of,
    parse_delay,
    parse_wrong,
)
from rigs.proxy.recording import HEADING
from rigs.proxy.settings import Settings
from rigs.running import RunningDevice, RunningRig

SERIAL = Attribute(1, obis.parse("0-0:96.1.0"), 2)
CLOCK = Attribute(8, obis.parse("0-0:1.0.0"), 2)
LIST = Attribute(15, obis.parse("0-0:40.0.0"), 2)
PYSERIAL = r"ignore:set(Daemon|Name)\(\) is deprecated:DeprecationWarning:serial\.rfc2217"


@pytest.fixture
def meter(smets1_rig: Callable[..., RunningRig]) -> Callable[..., RunningDevice]:
    """A running meter with the ports it is given, at an instant that stands still."""

    def start(**ports: str) -> RunningDevice:
        dwelling = {"name": "home", "hub": None, "gas": None, "electricity": {"ports": ports}}
        clock = {"start": "2026-03-01T00:00:00Z", "mode": "stepped"}
        return smets1_rig({"clock": clock, "premises": [dwelling]}).premises["home"].electricity

    return start


def address(proxy: Proxy | MeterReplay, kind: str) -> str:
    return f"{kind}:{proxy.address}"


async def read(port: str, options: ClientOptions | None = None) -> list[bytes]:
    """A few values, one of them in blocks or segments."""
    async with DlmsClient.open(port, options) as client:
        return [await client.get(attribute) for attribute in (SERIAL, CLOCK, LIST)]


def recorder(folder: Path, wrapped: bool) -> Recorder:
    return Recorder(folder / "line.rec", wrapped=wrapped)


@pytest.mark.filterwarnings(PYSERIAL)
@pytest.mark.parametrize(
    ("place", "meter_port", "head_end", "client"),
    [
        ("local-tcp=tcp:0", "tcp:{}", "tcp:0", "tcp:{}"),
        ("local-udp=udp:0", "udp:{}", "udp:0", "udp:{}"),
        ("local-udp=udp:0", "udp:{}", "tcp:0", "tcp:{}"),
        ("local-tcp=tcp:0", "tcp:{}", "udp:0", "udp:{}"),
        ("optical=tcp+hdlc:0", "tcp+hdlc:{}", "pty:head-end", "pty:{}"),
        ("optical=pty:optical", "pty:{}", "tcp+hdlc:0", "tcp+hdlc:{}"),
        ("optical=rfc2217:0", "rfc2217:{}", "pty:head-end", "pty:{}"),
        ("optical=pty:optical", "pty:{}", "rfc2217:0", "rfc2217:{}"),
    ],
)
def test_every_port(
    meter: Callable[..., RunningDevice], tmp_path: Path, place: str, meter_port: str, head_end: str, client: str
) -> None:
    name, port = place.split("=")
    (where,) = meter(**{name: port}).ports.values()
    to_meter = meter_port.format(where)
    kept = recorder(tmp_path, head_end.partition(":")[0] in ("tcp", "udp"))

    async def main() -> tuple[list[bytes], list[bytes], dict[str, int]]:
        direct = await read(to_meter)
        async with Proxy(head_end, to_meter, recorder=kept, folder=tmp_path) as proxy:
            through = await read(client.format(proxy.address))
            await asyncio.sleep(0.3)  # pyserial's client takes its time to leave, and RFC 2217 has one client
            assert through == await read(client.format(proxy.address))
        return direct, through, dict(proxy.counters)

    direct, through, counters = asyncio.run(main())
    kept.close()
    assert direct == through
    entries = Recording.read(kept.path).entries
    for inbound, counter in ((True, "octets to the meter"), (False, "octets from the meter")):
        assert sum(len(entry.octets) for entry in entries if entry.inbound is inbound) == counters[counter] > 100
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)


@pytest.mark.filterwarnings(PYSERIAL)
@pytest.mark.parametrize(("head_end", "client"), [("pty:head-end", "pty:{}"), ("rfc2217:0", "rfc2217:{}")])
@pytest.mark.parametrize(("place", "meter_port"), [("pty:optical", "pty:{}"), ("rfc2217:0", "rfc2217:{}")])
def test_a_sign_on_takes_the_rate_along(
    meter: Callable[..., RunningDevice], tmp_path: Path, head_end: str, client: str, place: str, meter_port: str
) -> None:
    (where,) = meter(optical=place).ports.values()
    kept = recorder(tmp_path, False)

    async def main() -> list[bytes]:
        options = ProxyOptions(settings=Settings(300, "7E1"))
        async with Proxy(head_end, meter_port.format(where), options, recorder=kept, folder=tmp_path) as proxy:
            return await read(f"optical:{client.format(proxy.address)}")

    assert len(asyncio.run(main())) == 3
    kept.close()
    settings = [line.split("! ")[1] for line in kept.path.read_text().splitlines() if " Bd " in line]
    assert "9600 Bd 8N1" in settings


def test_the_same_seed_does_the_same_damage(meter: Callable[..., RunningDevice], tmp_path: Path) -> None:
    (where,) = meter(optical="tcp+hdlc:0").ports.values()
    damage = damage_of(drop=0.06, duplicate=0.06, bit_errors=0.0002, wrong_fcs=0.06, wrong={"hcs": 0.1})

    async def main(name: str, seed: int) -> tuple[list[bytes], list[str]]:
        kept = Recorder(tmp_path / name, wrapped=False)
        options = ProxyOptions(damage, damage, seed)
        impatient = ClientOptions(timeout=1.5, retries=9)
        async with Proxy("tcp+hdlc:0", f"tcp+hdlc:{where}", options, recorder=kept) as proxy:
            values = await read(address(proxy, "tcp+hdlc"), impatient)
        kept.close()
        lines = (tmp_path / name).read_text().splitlines()
        return values, [line.split("! ")[1] for line in lines if " octets: " in line]

    first, second, other = (asyncio.run(main(name, seed)) for name, seed in (("a", 7), ("b", 7), ("c", 8)))
    assert first[0] == second[0] == other[0]  # HDLC repairs it all
    assert first[1] == second[1]
    assert first[1] != other[1]
    for words in ("dropped", "FCS is wrong", "HCS is wrong", "sent twice", "bits wrong"):
        assert any(words in remark for remark in first[1] + other[1]), words


def test_delay_keeps_the_order(meter: Callable[..., RunningDevice]) -> None:
    (where,) = meter(**{"local-tcp": "tcp:0"}).ports.values()

    async def main() -> float:
        options = ProxyOptions(to_head_end=Damage(delay=parse_delay("uniform:40..80")))
        async with Proxy("tcp:0", f"tcp:{where}", options) as proxy:
            begun = asyncio.get_running_loop().time()
            await read(address(proxy, "tcp"))
            return asyncio.get_running_loop().time() - begun

    assert asyncio.run(main()) > 4 * 0.04


def test_a_line_has_one_head_end(meter: Callable[..., RunningDevice]) -> None:
    (where,) = meter(optical="pty:optical").ports.values()
    told: list[str] = []

    async def main() -> None:
        async with Proxy("tcp+hdlc:0", f"pty:{where}", told=told.append) as proxy:
            async with DlmsClient.open(address(proxy, "tcp+hdlc")):
                with pytest.raises(ClientError):
                    await read(address(proxy, "tcp+hdlc"), ClientOptions(timeout=1))
            await read(address(proxy, "tcp+hdlc"))

    asyncio.run(main())
    assert any("turned away" in text for text in told)


def test_a_meter_that_is_not_there(tmp_path: Path) -> None:
    told: list[str] = []

    async def main() -> None:
        async with Proxy("tcp:0", "tcp:127.0.0.1:9", told=told.append) as proxy:
            with pytest.raises(ClientError):
                await read(address(proxy, "tcp"), ClientOptions(timeout=2))
            with pytest.raises(PortError, match="in use"):
                await Proxy(f"tcp:{proxy.address}", "tcp:127.0.0.1:9").open()

    asyncio.run(main())
    assert any("nobody listens there" in text for text in told)


def test_capture_beside_it(meter: Callable[..., RunningDevice], tmp_path: Path) -> None:
    (where,) = meter(optical="tcp+hdlc:0").ports.values()

    async def main() -> int:
        with Capture(tmp_path / "line.pcapng") as capture:
            async with Proxy("tcp+hdlc:0", f"tcp+hdlc:{where}", tap=capture) as proxy:
                await read(address(proxy, "tcp+hdlc"))
            return capture.packets

    assert asyncio.run(main()) > 10
    assert (tmp_path / "line.pcapng").stat().st_size > 1000


@pytest.mark.parametrize(
    ("head_end", "meter_port", "text"),
    [
        ("tcp:0", "tcp+hdlc:4061", "neither is"),
        ("pty:x", "optical:pty:./meter", "without optical:"),
        ("tcp:0", "tcp:0", "no place to connect"),
        ("fax:1", "tcp:4059", "not a port"),
    ],
)
def test_ports_that_do_not_go_together(head_end: str, meter_port: str, text: str) -> None:
    with pytest.raises(PortError, match=text) as error:
        Proxy(head_end, meter_port)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "ten", "-1", "uniform:9..1", "uniform:1", "normal:5", "exponential:", "1e9"])
def test_wrong_delays(text: str) -> None:
    with pytest.raises(PortError, match="uniform:10"):
        parse_delay(text)


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan")])
@pytest.mark.parametrize("name", ["drop", "lost", "wrong_fcs"])
def test_wrong_shares(name: str, share: float) -> None:
    with pytest.raises(PortError, match="must be a share from 0 to 1") as error:
        damage_of(**{name: share})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "nr", "nr=2x", "frs=0.1", "nr=-1", "NR=1", "nr=0.1=2", "x" * 1000])
def test_no_ways_to_be_wrong(text: str) -> None:
    with pytest.raises(PortError, match="fcs, hcs, bcc, nr, ns") as error:
        parse_wrong([text])
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250


# -- replay -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(meter: Callable[..., RunningDevice], tmp_path: Path) -> Callable[..., tuple[Recording, list[bytes], str]]:
    """Reads a meter through a proxy; the recording, the values, and the meter's port."""

    def run(kind: str, options: ClientOptions | None = None) -> tuple[Recording, list[bytes], str]:
        name = "local-tcp" if kind == "tcp" else "optical"
        (where,) = meter(**{name: f"{kind}:0"}).ports.values()
        kept = recorder(tmp_path, kind == "tcp")

        async def main() -> list[bytes]:
            async with Proxy(f"{kind}:0", f"{kind}:{where}", recorder=kept) as proxy:
                return await read(address(proxy, kind), options)

        values = asyncio.run(main())
        kept.close()
        return Recording.read(kept.path), values, f"{kind}:{where}"

    return run


LOW = ClientOptions(client=32, settings=ClientSettings(Mechanism.LLS, b"12345678"))
WIDE = ClientOptions(hdlc=Parameters(512, 512, 3, 3))


@pytest.mark.parametrize(("kind", "options"), [("tcp", None), ("tcp+hdlc", None), ("tcp+hdlc", WIDE)])
def test_the_meter_is_played(
    recorded: Callable[..., tuple[Recording, list[bytes], str]], kind: str, options: ClientOptions | None
) -> None:
    recording, values, _ = recorded(kind, options)
    told: list[str] = []

    async def main() -> dict[str, int]:
        async with MeterReplay(recording, f"{kind}:0", told=told.append) as replay:
            assert await read(address(replay, kind), options) == values
            # In another order, with other invoke-ids and N(S), and more than once.
            async with DlmsClient.open(address(replay, kind), options) as client:
                assert await client.get(CLOCK) == values[1]
                assert await client.get(SERIAL) == values[0]
                assert await client.get(CLOCK) == values[1]
                with pytest.raises(ClientError):
                    await _impatient(client)
            return dict(replay.counters)

    counters = asyncio.run(main())
    assert counters["answered"] > 8
    assert counters["not in the recording"] >= 1
    assert any("not in the recording" in text for text in told)


async def _impatient(client: DlmsClient) -> bytes:
    try:
        async with asyncio.timeout(0.3):
            return await client.get(Attribute(1, obis.parse("0-0:96.77.0"), 2))
    except TimeoutError:
        raise ClientError("no answer") from None


@pytest.mark.parametrize("kind", ["tcp", "tcp+hdlc"])
def test_the_head_end_is_played(recorded: Callable[..., tuple[Recording, list[bytes], str]], kind: str) -> None:
    recording, _, port = recorded(kind)
    told: list[str] = []
    outcome = asyncio.run(HeadEndReplay(recording, port).run(told.append))
    assert told == []
    assert outcome.sent == outcome.same >= 5
    assert outcome.different == outcome.unanswered == 0


def test_a_meter_that_says_something_else(recorded: Callable[..., tuple[Recording, list[bytes], str]]) -> None:
    """The head-end of one meter is played to the recording of another."""
    recording, values, _ = recorded("tcp")
    serial = values[0]
    other = bytes(reversed(axdr.decode_all(serial).value))  # type: ignore[arg-type]
    changed = [entry._replace(octets=entry.octets.replace(serial, axdr.octets(other))) for entry in recording.entries]
    told: list[str] = []

    async def main() -> None:
        async with MeterReplay(Recording(True, changed), "tcp:0") as replay:
            outcome = await HeadEndReplay(recording, address(replay, "tcp")).run(told.append)
            assert (outcome.different, outcome.unanswered) == (1, 0)

    asyncio.run(main())
    assert len(told) == 1
    assert "answered otherwise" in told[0]


def test_a_sign_on_is_played(meter: Callable[..., RunningDevice], tmp_path: Path) -> None:
    """What was said before HDLC is matched by its text, and the rates are those that it names."""
    (where,) = meter(optical="pty:optical").ports.values()
    kept = recorder(tmp_path, False)
    start = Settings(300, "7E1")

    async def main() -> None:
        options = ProxyOptions(settings=start)
        async with Proxy("pty:head-end", f"pty:{where}", options, recorder=kept, folder=tmp_path) as proxy:
            values = await read(f"optical:pty:{proxy.address}")
            answers = await read_out(f"pty:{proxy.address}")
        kept.close()
        recording = Recording.read(kept.path)
        async with MeterReplay(recording, "pty:played", settings=start, folder=tmp_path) as replay:
            assert await read(f"optical:pty:{replay.address}") == values
            assert await read_out(f"pty:{replay.address}") == answers
        outcome = await HeadEndReplay(recording, f"pty:{where}", settings=start).run()
        assert outcome.sent == outcome.same > 10

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no recording"),
        ("pcapng\n", "no recording"),
        (f"{HEADING} fax\n", "no recording"),
        (f"{HEADING} line\n0.1 1 > 7E7\n", "line 2"),
        (f"{HEADING} line\n\n# fine\n0.1 1 ? 7E\n", "line 4"),
        (f"{HEADING} line\nnow 1 > 7E\n", "line 2"),
        (f"{HEADING} line\n0.1 1 < 7E\n", "no octets of a head-end"),
    ],
)
def test_wrong_recordings(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "wrong.rec"
    file.write_text(text)
    with pytest.raises(CaptureError, match=problem) as error:
        MeterReplay(Recording.read(file), "tcp+hdlc:0")
    assert "\n" not in str(error.value)


def test_files_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no such file"):
        Recording.read(tmp_path / "absent.rec")
    (tmp_path / "there.rec").write_text("mine")
    with pytest.raises(CaptureError, match="is there already"):
        Recorder(tmp_path / "there.rec", wrapped=False)
    assert (tmp_path / "there.rec").read_text() == "mine"
    with pytest.raises(PortError, match="wrapper messages"):
        MeterReplay(Recording(True, []), "pty:line")


@pytest.mark.slow
def test_the_command(meter: Callable[..., RunningDevice], tmp_path: Path) -> None:
    """Record, end by Ctrl-C, play both sides."""
    (where,) = meter(optical="tcp+hdlc:0").ports.values()
    file = tmp_path / "line.rec"

    def smets1(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "rigs", "proxy", *arguments]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)

    with smets1("record", "tcp+hdlc:0", f"tcp+hdlc:{where}", str(file), "--delay", "1") as process:
        assert process.stdout is not None
        proxied = process.stdout.readline().split()[0]
        values = asyncio.run(read(f"tcp+hdlc:{proxied}"))
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (0, "")
        assert "1 lines" in said
    with smets1("replay", str(file), "tcp+hdlc:0") as process:
        assert process.stdout is not None
        played = process.stdout.readline().split()[0]
        assert asyncio.run(read(f"tcp+hdlc:{played}")) == values
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    with smets1("replay", str(file), f"tcp+hdlc:{where}", "--head-end") as process:
        said, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
        assert "0 not at all" in said
    with smets1("record", "tcp:0", f"tcp+hdlc:{where}", str(tmp_path / "none.rec")) as process:
        said, errors = process.communicate(timeout=30)
        assert process.returncode == 1
        assert errors.startswith("smets1: tcp:0: does not go with")
        assert len(errors.splitlines()) == 1
    assert not (tmp_path / "none.rec").exists()


def test_an_adaptor_takes_the_rate_that_is_said(meter: Callable[..., RunningDevice], tmp_path: Path) -> None:
    """The head-end's end is a UART of the proxy's own, which shows nothing: the option select sets both ends."""
    (where,) = meter(optical="pty:optical").ports.values()
    far, near = os.openpty()
    tty.setraw(near)
    os.set_blocking(far, False)
    rates: list[int] = []

    async def heard(end: bytes) -> bytes:
        data = b""
        async with asyncio.timeout(5):
            while not data.endswith(end):
                await asyncio.sleep(0.01)
                with contextlib.suppress(BlockingIOError):
                    data += os.read(far, 4096)
        return data

    async def main() -> None:
        options = ProxyOptions(settings=Settings(300, "7E1"))
        async with Proxy(f"serial:{os.ttyname(near)}", f"pty:{where}", options, folder=tmp_path):
            rates.append(termios.tcgetattr(near)[5])
            os.write(far, b"/?!\r\n")
            assert (await heard(b"\r\n")).startswith(b"/GEN5")
            os.write(far, b"\x06252\r\n")
            assert await heard(b"\r\n") == b"\x06252\r\n"
            await asyncio.sleep(0.5)
            rates.append(termios.tcgetattr(near)[5])
            os.write(far, encode(Frame(b"\x02\x21", b"\x21", 0x93)))
            assert decode(await heard(b"\x7e")).control == 0x73
            os.write(far, encode(Frame(b"\x02\x21", b"\x21", 0x53)))
            await heard(b"\x7e")
            await asyncio.sleep(0.1)
            rates.append(termios.tcgetattr(near)[5])

    try:
        asyncio.run(main())
    finally:
        os.close(far)
        os.close(near)
    assert rates == [termios.B300, termios.B9600, termios.B300]
