"""The client on real ports: every transport against a running rig, and every way in which the far end can fail it."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from protocols import obis, wrapper
from protocols.dlms import axdr
from protocols.dlms.client import (
    PROPOSED,
    AssociationRejected,
    Attribute,
    ClientSecurity,
    ClientSettings,
    ExceptionAnswer,
    NoAnswer,
    by_entry,
    client_counters,
)
from protocols.dlms.enums import Conformance, Mechanism
from protocols.dlms.notification import DataNotification
from protocols.dlms.security import Keys
from protocols.errors import FrameError
from protocols.hdlc import Parameters
from rigs.client import ClientError, ClientOptions, DlmsClient, parse_client_port, read_out
from rigs.ports import PortError, PortKind
from rigs.running import RunningDevice, RunningPremises, RunningRig

NAME = Attribute(1, obis.parse("0-0:42.0.0"), 2)
CLOCK = Attribute(8, obis.parse("0-0:1.0.0"), 2)
PROFILE = Attribute(7, obis.parse("1-0:99.1.0"), 2)
PUBLIC_AARE = bytes.fromhex("6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F040060FEDF04000007")
PATIENCE = 0.3
"""Seconds for answers that do not come."""

PYSERIAL = r"ignore:set(Daemon|Name)\(\) is deprecated:DeprecationWarning:serial\.rfc2217"


@pytest.mark.parametrize(
    ("text", "kind", "optical"),
    [
        ("tcp:4059", PortKind.TCP, False),
        ("udp:127.0.0.1:4059", PortKind.UDP, False),
        ("tcp+hdlc:[::1]:4061", PortKind.TCP_HDLC, False),
        ("pty:./home-hub", PortKind.PTY, False),
        ("./home-hub", PortKind.PTY, False),
        ("~/rig/home-hub", PortKind.PTY, False),
        ("/dev/ttyUSB0", PortKind.SERIAL, False),
        ("optical:./home-electricity", PortKind.PTY, True),
        ("optical:home-electricity", PortKind.PTY, True),
        ("optical:rig/home:1", PortKind.PTY, True),
        ("optical:/tmp/home-electricity", PortKind.PTY, True),
        ("optical:/dev/ttyUSB0", PortKind.SERIAL, True),
        ("optical:pty:home-electricity", PortKind.PTY, True),
        ("optical:serial:/dev/ttyUSB0", PortKind.SERIAL, True),
        ("optical:tcp+hdlc:meter.example:4061", PortKind.TCP_HDLC, True),
        ("optical:serial:usb:A50285BI", PortKind.SERIAL, True),
        ("optical:rfc2217:4062", PortKind.RFC2217, True),
    ],
)
def test_ports(text: str, kind: PortKind, optical: bool) -> None:
    port = parse_client_port(text)
    assert (port.spec.kind, port.optical) == (kind, optical)
    assert parse_client_port(str(port)) == port


@pytest.mark.parametrize(
    "text", ["", "tcp:", "tcp:0", "optical:tcp:4059", "optical:", "optical:htp:4059", "dev/ttyUSB0", "tcp:a:b:c"]
)
def test_wrong_ports(text: str) -> None:
    with pytest.raises(PortError) as error:
        parse_client_port(text)
    assert "\n" not in str(error.value)


# -- against a running rig -------------------------------------------------------------------------------------------


@pytest.fixture
def home(smets1_rig: Callable[..., RunningRig]) -> RunningPremises:
    """Premises with a port of every kind."""
    ports = {
        "optical": "pty:electricity",
        "local-tcp": "tcp:0",
        "local-udp": "udp:0",
    }
    wan = {"wan": "tcp+hdlc:0", "wan-tcp": "tcp:0", "wan-udp": "udp:0"}
    table = {"name": "home", "electricity": {"ports": ports}, "hub": {"ports": wan}, "gas": {}}
    return smets1_rig({"premises": [table]}).premises["home"]


def run(port: str, options: ClientOptions, use: Callable[[DlmsClient], Awaitable[None]]) -> None:
    async def main() -> None:
        async with DlmsClient.open(port, options) as meter:
            await use(meter)

    asyncio.run(main())


def logical_device_name(device: RunningDevice) -> bytes:
    return axdr.octets((device.device.firmware.flag_id + device.device.identity.serial)[:16].encode())


@pytest.mark.parametrize(
    ("kind", "name", "port"),
    [
        ("electricity", "local-tcp", "tcp:{}"),
        ("electricity", "local-udp", "udp:{}"),
        ("electricity", "optical", "optical:{}"),
        ("electricity", "optical", "optical:pty:{}"),
        ("electricity", "optical", "pty:{}"),
        ("hub", "wan", "tcp+hdlc:{}"),
        ("hub", "wan-tcp", "tcp:{}"),
        ("hub", "wan-udp", "udp:{}"),
    ],
)
def test_every_transport(home: RunningPremises, kind: str, name: str, port: str) -> None:
    device: RunningDevice = getattr(home, kind)
    proposal = Parameters(512, 512, 7, 7)

    async def use(meter: DlmsClient) -> None:
        assert await meter.get(NAME) == logical_device_name(device)
        outcomes = await asyncio.gather(*(meter.get(NAME) for _ in range(5)))
        assert set(outcomes) == {logical_device_name(device)}

    run(port.format(device.ports[name]), ClientOptions(hdlc=proposal, timeout=20), use)


@pytest.mark.parametrize("window", [0, 1, 8])
@pytest.mark.parametrize("sizes", [(128, 1), (512, 7)])
def test_long_values_over_an_optical_head_that_echoes(
    smets1_rig: Callable[..., RunningRig], window: int, sizes: tuple[int, int]
) -> None:
    """Sign-on, then HDLC frames and blocks of either kind, while the client hears all that it sends."""
    table = {"name": "home", "electricity": {"ports": {"optical": "pty:electricity"}}, "hub": {}}
    device = smets1_rig({"premises": [table]}, line={"echo": True}).premises["home"].electricity
    keys = device.keys("data_collection")
    # With both kinds negotiated the meter takes the blocks of GET: leave it no choice.
    conformance = PROPOSED & ~Conformance.BLOCK_GET if window else PROPOSED
    settings = ClientSettings(
        Mechanism(keys.mechanism), keys.secret, conformance=conformance, block_window=window, max_receive_pdu=400
    )
    size, frames = sizes
    options = ClientOptions(client=keys.client, settings=settings, hdlc=Parameters(size, size, frames, frames))

    async def use(meter: DlmsClient) -> None:
        rows = axdr.decode_all(await meter.get(PROFILE, by_entry(1, 200))).value
        assert isinstance(rows, tuple)
        assert len(rows) == 200

    run(f"optical:{device.port}", options, use)


@pytest.mark.filterwarnings(PYSERIAL)
@pytest.mark.parametrize("optical", [False, True])
def test_a_line_behind_rfc2217(smets1_rig: Callable[..., RunningRig], optical: bool) -> None:
    """The one transport besides an adaptor that carries rate and parity, and so the whole sign-on, truthfully."""
    table = {"name": "home", "electricity": {"ports": {"optical": "rfc2217:0"}}, "hub": {"ports": {"wan": "rfc2217:0"}}}
    home = smets1_rig({"premises": [table]}).premises["home"]
    device = home.electricity if optical else home.hub

    async def use(meter: DlmsClient) -> None:
        assert await meter.get(NAME) == logical_device_name(device)

    port = f"rfc2217:{device.ports['optical' if optical else 'wan']}"
    run(f"optical:{port}" if optical else port, ClientOptions(timeout=20), use)


def test_readout_of_the_optical_port(home: RunningPremises) -> None:
    content = asyncio.run(read_out(f"optical:{home.electricity.port}"))
    values = {item.address: item.value for item in content}
    assert values["0-0:96.1.0"] == home.electricity.device.identity.serial


def ciphered(device: RunningDevice, association: str, *, sent: int = 0, recover: bool = False) -> ClientOptions:
    keys = device.keys(association)
    security = ClientSecurity(b"HILTEST1", Keys(keys.encryption, keys.authentication), counters=client_counters(sent))
    settings = ClientSettings(
        Mechanism(keys.mechanism), security=security, recover_counter=recover, max_receive_pdu=256
    )
    return ClientOptions(client=keys.client, settings=settings)


def test_a_ciphered_profile_in_blocks_with_progress(home: RunningPremises) -> None:
    home.clock.advance(hours=30)
    seen: list[tuple[int, int]] = []

    async def use(meter: DlmsClient) -> None:
        encoded = await meter.get(PROFILE, progress=lambda octets, blocks: seen.append((octets, blocks)))
        rows = axdr.decode_all(encoded).value
        assert isinstance(rows, tuple)
        assert len(rows) >= 59
        picked = axdr.decode_all(await meter.get(PROFILE, by_entry(2, 4))).value
        assert picked == rows[1:4]
        assert seen == sorted(seen)
        assert len(seen) > 5
        assert seen[-1][0] == len(encoded)

    run(f"tcp:{home.electricity.tcp}", ciphered(home.electricity, "management"), use)


def test_the_counter_is_found_in_three_ways(home: RunningPremises) -> None:
    device = home.electricity
    port = f"tcp:{device.tcp}"

    async def use(meter: DlmsClient) -> None:
        assert await meter.get(NAME) == logical_device_name(device)

    run(port, ciphered(device, "management", sent=500), use)
    with pytest.raises(ClientError, match=r"invocation counter error \(last counter \d+\)") as error:
        run(port, ciphered(device, "management"), use)
    assert isinstance(error.value.__cause__, ExceptionAnswer)
    run(port, ciphered(device, "management", recover=True), use)
    run(port, replace(ciphered(device, "management"), frame_counter=obis.parse("0-0:43.1.4")), use)


def test_a_counter_refused_on_an_open_association_is_recovered(home: RunningPremises) -> None:
    async def use(meter: DlmsClient) -> None:
        await meter.get(NAME)
        security = meter.options.settings.security
        assert security is not None
        security.counters.sent = 0
        assert await meter.get(NAME) == logical_device_name(home.electricity)

    run(f"tcp:{home.electricity.tcp}", ciphered(home.electricity, "management", sent=10, recover=True), use)


def test_a_client_that_is_not_known_is_refused(home: RunningPremises) -> None:
    with pytest.raises(ClientError) as error:
        run(f"tcp:{home.electricity.tcp}", ClientOptions(client=99), lambda meter: meter.get(NAME))
    assert isinstance(error.value.__cause__, AssociationRejected)


@pytest.mark.parametrize("port", ["local-tcp", "optical"])
def test_a_meter_without_power_does_not_answer(home: RunningPremises, port: str) -> None:
    home.electricity.power_off()
    where = f"optical:{home.electricity.port}" if port == "optical" else f"tcp:{home.electricity.tcp}"
    with pytest.raises((ClientError, PortError)) as error:
        run(where, ClientOptions(timeout=PATIENCE), lambda meter: meter.get(NAME))
    assert "\n" not in str(error.value)


# -- against servers that fail ---------------------------------------------------------------------------------------

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(behaviour: Behaviour) -> AsyncIterator[str]:
    """A TCP server of the test's own; the port of a client."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behaviour(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"tcp:{server.sockets[0].getsockname()[1]}"


async def request(reader: asyncio.StreamReader) -> bytes:
    """The next APDU of a client."""
    header = await reader.readexactly(wrapper.HEADER)
    return await reader.readexactly(int.from_bytes(header[6:8], "big"))


def answer(writer: asyncio.StreamWriter, apdu: bytes) -> None:
    writer.write(wrapper.encode(1, 16, apdu))


async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request(reader)
    answer(writer, PUBLIC_AARE)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1000):
        pass


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await accept(reader, writer)
    await request(reader)


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request(reader)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await silent(reader, writer)


async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await accept(reader, writer)
    await request(reader)
    answer(writer, bytes.fromhex("C401C100"))
    await silent(reader, writer)


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        (silent, "association: no answer for 0.3 s"),
        (closing, "get 1/0-0:42.0.0.255:2: the connection was closed"),
        (garbage, "association: wrapper version 4854"),
        (nonsense, "get 1/0-0:42.0.0.255:2: .*cut off"),
    ],
)
def test_servers_that_fail(behaviour: Behaviour, text: str) -> None:
    async def main() -> None:
        async with serving(behaviour) as port:
            with pytest.raises(ClientError, match=text):
                async with DlmsClient.open(port, ClientOptions(timeout=PATIENCE)) as meter:
                    assert await meter.get(NAME) == b""

    asyncio.run(main())


def test_hdlc_that_is_not_answered() -> None:
    async def main() -> None:
        async with serving(silent) as port:
            hdlc = port.replace("tcp:", "tcp+hdlc:")
            with pytest.raises(ClientError, match="no HDLC link: no answer in 3 attempts"):
                async with DlmsClient.open(hdlc, ClientOptions(timeout=PATIENCE)):
                    pass

    asyncio.run(main())


def test_a_request_given_up_does_not_spoil_the_next() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        await request(reader)
        second = await request(reader)
        answer(writer, bytes.fromhex("C401C1001101"))  # to the first
        answer(writer, bytes.fromhex("C401") + second[2:3] + bytes.fromhex("001102"))
        await silent(reader, writer)

    async def main() -> None:
        async with serving(slow) as port, DlmsClient.open(port, ClientOptions(timeout=PATIENCE)) as meter:
            given_up = asyncio.create_task(meter.get(NAME))
            await asyncio.sleep(0.05)
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up
            assert await meter.get(CLOCK) == axdr.u8(2)
            assert meter.machine.counters["late"] == 1
            with pytest.raises(ClientError, match="no answer") as error:
                await meter.get(CLOCK)
            assert isinstance(error.value.__cause__, NoAnswer)

    asyncio.run(main())


def test_notifications_are_kept_up_to_a_bound() -> None:
    async def pushing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        await request(reader)
        for number in range(1100):
            answer(writer, DataNotification(number, axdr.u16(number)).encode())
        answer(writer, bytes.fromhex("C401C1001101"))
        await silent(reader, writer)

    async def main() -> None:
        async with serving(pushing) as port, DlmsClient.open(port, ClientOptions(timeout=PATIENCE)) as meter:
            assert await meter.get(NAME) == axdr.u8(1)
            first = await meter.notification()
            assert first == DataNotification(76, axdr.u16(76))

    asyncio.run(main())


def test_octets_of_another_client_are_not_ours() -> None:
    async def confused(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(wrapper.encode(1, 17, PUBLIC_AARE))
        await silent(reader, writer)

    async def main() -> None:
        async with serving(confused) as port:
            with pytest.raises(ClientError, match="no answer"):
                async with DlmsClient.open(port, ClientOptions(timeout=PATIENCE)):
                    pass

    asyncio.run(main())


def test_ports_that_cannot_be_opened(tmp_path: os.PathLike[str]) -> None:
    async def main(port: str) -> None:
        async with DlmsClient.open(port, ClientOptions(timeout=PATIENCE)):
            pass

    for port in (
        "tcp:1",
        "tcp+hdlc:1",
        "rfc2217:1",
        f"pty:{tmp_path}/none",
        f"optical:{tmp_path}/none",
        "/etc/hostname",
    ):
        with pytest.raises(PortError) as error:
            asyncio.run(main(port))
        assert "\n" not in str(error.value)


@pytest.mark.filterwarnings(PYSERIAL)
def test_a_port_that_hangs_up_on_rfc2217() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def main() -> None:
        async with serving(hang_up) as port:
            with pytest.raises(
                PortError, match=r"the far end closed the connection;|does not seem to support [a-z0-9 ]*$"
            ):
                async with DlmsClient.open(port.replace("tcp:", "rfc2217:"), ClientOptions(timeout=10)):
                    pass

    asyncio.run(main())


def test_a_line_that_goes_away() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)

    async def main() -> None:
        opening = asyncio.create_task(use())
        await asyncio.sleep(0.1)
        os.close(slave)
        os.close(master)
        with pytest.raises(ClientError, match=r"gone|no HDLC link"):
            await opening

    async def use() -> None:
        async with DlmsClient.open(f"serial:{path}", ClientOptions(timeout=5)):
            pass

    asyncio.run(main())


def test_the_error_behind_is_kept() -> None:
    async def main() -> None:
        async with serving(garbage) as port:
            with pytest.raises(ClientError) as error:
                async with DlmsClient.open(port, ClientOptions(timeout=5)):
                    pass
            assert isinstance(error.value.__cause__, FrameError)

    asyncio.run(main())
