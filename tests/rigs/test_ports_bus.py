"""Several devices on one line: each answers for its own address, and those that answer at once damage each other."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import termios
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from protocols.hdlc.frame import POLL, SNRM, Frame, encode, encode_address
from protocols.hdlc.reader import FrameReader
from rigs.client import ClientError, ClientOptions
from rigs.config import ConfigError
from rigs.running import RunningRig

pytestmark = pytest.mark.filterwarnings("ignore:set:DeprecationWarning:serial")

METERS = 3
BUS = "bus:street"


def street(port: str = "pty:street", meters: int = METERS, **bus: Any) -> dict[str, object]:
    return {
        "bus": {"street": {"port": port, **bus}},
        "premises": [
            {
                "name": "no",
                "count": meters,
                "hub": None,
                "gas": None,
                "electricity": {"ports": {"optical": "bus:street"}},
            }
        ],
    }


def snrm(lower: int) -> bytes:
    return encode(Frame(encode_address(1, lower, 4), encode_address(16), SNRM | POLL, b""))


@contextlib.contextmanager
def terminal(path: Path, baud: int = termios.B9600) -> Iterator[int]:
    client = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(client)
    settings = termios.tcgetattr(client)
    settings[4] = settings[5] = baud
    termios.tcsetattr(client, termios.TCSANOW, settings)
    try:
        yield client
    finally:
        os.close(client)


def heard(client: int, wait: float = 0.2) -> bytes:
    """All that comes until it is quiet for ``wait`` seconds."""
    data = b""
    while select.select([client], [], [], wait)[0]:
        data += os.read(client, 4096)
    return data


def frames(data: bytes) -> list[Frame]:
    """The right frames in what was heard."""
    return FrameReader(lambda reason, sentence: None).receive(data)


def meter(rig: RunningRig, number: int) -> Any:
    return rig.premises[f"no-{number}"].electricity


@pytest.fixture
def rig(smets1_rig: Callable[..., RunningRig]) -> RunningRig:
    return smets1_rig(street())


def test_each_meter_answers_for_its_address(rig: RunningRig, tmp_path: Path) -> None:
    """Over one terminal, one after another and with links open at the same time."""
    assert {meter(rig, number).ports["optical"] for number in range(METERS)} == {str(tmp_path / "street")}
    with terminal(tmp_path / "street") as client:
        for lower in (16, 18, 17):
            os.write(client, snrm(lower))
            (answer,) = frames(heard(client))
            assert answer.source == encode_address(1, lower, 4)
        os.write(client, snrm(19))
        assert heard(client) == b""


def test_clients_read_two_meters_by_hdlc_address(rig: RunningRig) -> None:
    names = []
    for number in (0, 2):
        with meter(rig, number).client(port="optical") as client:
            names.append(client.get(1, "0-0:42.0.0").value)
    assert len(set(names)) == 2


def test_sign_on_reaches_the_meter_with_that_address(rig: RunningRig, tmp_path: Path) -> None:
    port = f"optical:pty:{tmp_path}/street"
    found = []
    for number in (1, 2):
        options = ClientOptions(meter_address=str(16 + number), physical=16 + number)
        found.append(rig.runner.run(read_name(port, options)))
    assert len(set(found)) == 2
    with pytest.raises(ClientError, match="no answer"):
        rig.runner.run(read_name(port, ClientOptions(meter_address="99", timeout=0.5, retries=0)))


async def read_name(port: str, options: ClientOptions) -> bytes:
    from protocols import obis
    from protocols.dlms.client import Attribute
    from rigs.client import DlmsClient

    async with DlmsClient.open(port, options) as client:
        return await client.get(Attribute(1, obis.parse("0-0:42.0.0"), 2))


def test_answers_of_the_same_instant_collide(rig: RunningRig, tmp_path: Path) -> None:
    """A sign-on to nobody in particular is answered by all, and nobody can read it."""
    with terminal(tmp_path / "street", termios.B300) as client:
        os.write(client, b"/?17!\r\n")
        right = heard(client)
        assert right.startswith(b"/")
        rig.clock.advance(minutes=5)
        os.write(client, b"/?!\r\n")
        wrong = heard(client)
    assert wrong.count(b"/") < METERS or wrong[: len(right)] != right
    for number in range(METERS):
        assert meter(rig, number).statistics["optical"]["collisions"] > 0
    assert any("no-1/electricity/optical spoke at the same time" in text for text in meter(rig, 0).explained)


def test_two_with_one_address_collide(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> None:
    tables = street()
    tables["premises"] = [
        {
            "name": f"no-{number}",
            "hub": None,
            "gas": None,
            "electricity": {"ports": {"optical": "bus:street"}, "address": {"hdlc": hdlc}},
        }
        for number, hdlc in enumerate((40, 40, 41))
    ]
    rig = smets1_rig(tables)
    with terminal(tmp_path / "street") as client:
        os.write(client, snrm(40))
        assert frames(heard(client)) == []  # both have answered
        os.write(client, snrm(41))
        assert len(frames(heard(client))) == 1
    assert meter(rig, 2).statistics["optical"].get("collisions", 0) == 0


def test_with_times_of_a_line_only_what_overlaps_is_damaged(
    smets1_rig: Callable[..., RunningRig], tmp_path: Path
) -> None:
    """One speaks 30 ms later than the other: the first octets of the one are whole, and the last of the other."""
    tables = street(meters=2, line={"pacing": True, "turnaround": True})
    rig = smets1_rig(tables)
    with terminal(tmp_path / "street") as client:
        os.write(client, snrm(16))
        first = 3 * heard(client)
        os.write(client, snrm(17))
        second = 3 * heard(client)
        assert len(first) == len(second) > 100

        def both() -> None:
            ports = rig.rig.ports
            one, two = (ports[f"no-{number}/electricity/optical"].lines[0].stack for number in (0, 1))
            one.transmit(first)
            rig.rig.driver.loop.call_later(0.03, two.transmit, second)

        rig.runner.call(both)
        said = heard(client)
    assert said.startswith(first[:25])
    assert said.endswith(second[-25:])
    assert first not in said
    assert second not in said
    assert len(said) == len(first) + len(second)


def test_the_others_hear_an_answer_and_take_no_part(rig: RunningRig, tmp_path: Path) -> None:
    with terminal(tmp_path / "street") as client:
        os.write(client, snrm(17))
        assert heard(client)
    # They count what passes by, and have nothing to explain: the request was answered.
    assert meter(rig, 0).statistics["optical"]["frames received"] >= 2
    assert [meter(rig, number).explained for number in range(METERS)] == [[], [], []]


def test_a_request_that_nobody_takes_is_explained_by_all(rig: RunningRig, tmp_path: Path) -> None:
    with terminal(tmp_path / "street") as client:
        os.write(client, snrm(99))
        assert heard(client) == b""
    for number in range(METERS):
        assert f"lower 99 is not here; this is {16 + number}" in meter(rig, number).explained[-1]
    meter(rig, 1).power_off()
    with terminal(tmp_path / "street") as client:
        os.write(client, snrm(17))
        assert heard(client) == b""
    assert "has no power" in meter(rig, 1).explained[-1]


@pytest.mark.parametrize("pacing", [False, True])
def test_the_client_hears_itself_once(smets1_rig: Callable[..., RunningRig], tmp_path: Path, pacing: bool) -> None:
    smets1_rig(street(line={"echo": True, "pacing": pacing}))
    with terminal(tmp_path / "street") as client:
        os.write(client, snrm(17))
        said = heard(client)
    assert said.startswith(snrm(17))
    (answer,) = frames(said[len(snrm(17)) :])
    assert answer.source == encode_address(1, 17, 4)


def test_pyserial_reads_one_behind_rfc2217_after_another_signed_on(smets1_rig: Callable[..., RunningRig]) -> None:
    rig = smets1_rig(street("rfc2217:0", 2))
    with serial.serial_for_url(
        f"rfc2217://{meter(rig, 0).ports['optical']}", timeout=1, baudrate=300, bytesize=7, parity="E"
    ) as client:
        client.write(b"/?16!\r\n")
        assert client.readline().startswith(b"/")
        client.write(b"\x06050\r\n")
        assert client.read(1)


def test_a_bus_on_an_adaptor(smets1_rig: Callable[..., RunningRig]) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    rig = smets1_rig(street(f"serial:{os.ttyname(slave)}", 2))
    end = time.monotonic() + 3
    said = b""
    while b"/" not in said and time.monotonic() < end:
        os.write(master, b"/?17!\r\n")
        said = heard(master)
    assert said.startswith(b"/")
    os.write(master, b"\x06252\r\n")
    assert heard(master, 1.0) == b"\x06252\r\n"  # once sixteen characters at 300 Bd have left
    port: Any = rig.rig.ports["no-0/electricity/optical"]
    assert port.bus.port._uart.baudrate == 9600
    for descriptor in (master, slave):
        os.close(descriptor)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bus": {}}, r"bus:street: no such bus; there are none; write \[bus.NAME\]"),
        ({"bus": {"street": {"port": "tcp:0"}}}, "octets of a line"),
        ({"bus": {"street": {"port": "pty"}}}, "bus.street.port: pty: not a port"),
        ({"bus": {"street": {"port": "pty:a"}, "road": {"port": "pty:./a"}}}, "already the port of bus street"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(
    smets1_rig: Callable[..., RunningRig], change: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        smets1_rig({**street(), **change})


def test_addresses_are_as_the_file_says(smets1_rig: Callable[..., RunningRig]) -> None:
    for address, words in (({"hdlc": 15}, "16"), ({"sign_on": "a!"}, "other than"), ({"hdlc": 16_382}, "16381")):
        with pytest.raises(ConfigError, match=words):
            smets1_rig({"premises": [{"electricity": {"address": address}}]})


def test_commands_to_copy_name_the_addresses(rig: RunningRig, tmp_path: Path) -> None:
    from rigs.hints import commands

    (command,) = commands(rig.rig.ports["no-1/electricity/optical"])
    assert command == f"smets1 read optical:{tmp_path}/street --physical 17 --meter-address 17 list"
