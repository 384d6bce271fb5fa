"""Running premises, as a test of someone else's would use them."""

from __future__ import annotations

import gc
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from protocols import wrapper
from protocols.dlms import axdr
from protocols.dlms.client import by_entry
from rigs.config import ConfigError
from rigs.running import RunningPremises, RunningRig

AARQ_PUBLIC = bytes.fromhex("601da109060760857405080101be10040e01000000065f1f0400001e1dffff")
GET_CLOCK = bytes.fromhex("c001c100080000010000ff0200")


def exchange(address: str, *apdus: bytes) -> list[bytes]:
    """What a public client gets for its APDUs over the wrapper."""
    host, _, port = address.rpartition(":")
    answers: list[bytes] = []
    with socket.create_connection((host, int(port)), timeout=5) as client:
        for apdu in apdus:
            client.sendall(wrapper.encode(16, 1, apdu))
            reader = wrapper.WrapperReader()
            got: list[tuple[int, int, bytes]] = []
            while not got:
                data = client.recv(65536)
                assert data, "connection closed"
                got = reader.receive(data)
            answers += [apdu for _, _, apdu in got]
    return answers


def test_premises_have_ports_of_their_own(premises: RunningPremises) -> None:
    assert Path(premises.electricity.port).resolve().is_char_device()
    assert Path(premises.hub.port).resolve().is_char_device()
    assert set(premises.electricity.ports) == {"optical", "local-tcp"}
    for device in (premises.electricity, premises.hub):
        opened, clock = exchange(device.tcp, AARQ_PUBLIC, GET_CLOCK)
        assert opened[0] == 0x61
        assert clock[:4] == bytes.fromhex("c401c100")
    with pytest.raises(LookupError, match="no TCP port; its ports: none"):
        _ = premises.gas.tcp


def test_the_clock_moves_when_told_only(premises: RunningPremises) -> None:
    begun = premises.clock.now
    assert begun == datetime(2026, 1, 1, tzinfo=UTC)
    first = exchange(premises.hub.tcp, AARQ_PUBLIC, GET_CLOCK)[1]
    assert exchange(premises.hub.tcp, AARQ_PUBLIC, GET_CLOCK)[1] == first
    assert premises.clock.advance(hours=1, seconds=0.5) == begun + timedelta(hours=1, seconds=0.5)
    assert exchange(premises.hub.tcp, AARQ_PUBLIC, GET_CLOCK)[1] != first
    assert premises.clock.advance_to(datetime(2026, 1, 2, tzinfo=UTC)) == datetime(2026, 1, 2, tzinfo=UTC)
    with pytest.raises(ValueError, match="does not go back"):
        premises.clock.advance(seconds=-1)


@pytest.mark.parametrize("association", ["public", "data_collection", "management"])
def test_a_client_reads_with_the_keys_of_the_device(premises: RunningPremises, association: str) -> None:
    for device in (premises.electricity, premises.hub):
        with device.client(association) as meter:
            assert meter.get(1, "0-0:96.1.0").value == device.device.identity.serial.encode()
    keys = premises.electricity.keys(association)
    assert keys.client in (16, 32, 64)
    assert len(keys.encryption) == 16
    with pytest.raises(KeyError, match="no such association; this device has public"):
        premises.electricity.keys("nobody")


def test_devices_are_reached_through_the_hub(premises: RunningPremises) -> None:
    for device, port in ((premises.gas, None), (premises.electricity, "hub/wan-tcp"), (premises.gas, "hub/wan-tcp")):
        with device.client("public", port=port) as meter:
            assert meter.get(1, "0-0:96.1.0").value == device.device.identity.serial.encode()
    with pytest.raises(LookupError, match="no port 'usb'; there are optical, local-tcp"):
        premises.electricity.client(port="usb")


def test_a_load_set_at_run_time_is_what_is_counted(premises: RunningPremises) -> None:
    def energy() -> int:
        with premises.electricity.client("data_collection", port="local-tcp") as meter:
            value = meter.get(3, "1-0:1.8.0").value
        assert isinstance(value, int)
        return value

    premises.electricity.load(watts=3000)
    before = energy()
    premises.clock.advance(hours=2)
    assert energy() - before == 6000
    premises.electricity.load(watts=0)
    premises.clock.advance(days=1)
    assert energy() - before == 6000
    premises.gas.load(cubic_metres_per_hour=1.5)
    with pytest.raises(ValueError, match="watts"):
        premises.electricity.load(cubic_metres_per_hour=1)


def test_without_power_it_is_silent(smets1_rig: Callable[..., RunningRig]) -> None:
    tables = {"premises": [{"electricity": {"ports": {"optical": "pty:meter"}}, "hub": {}}]}
    premises = smets1_rig(tables, line={"baud": False}).premises["home"]
    meter = os.open(premises.electricity.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        os.write(meter, b"/?!\r\n")
        assert select.select([meter], [], [], 5)[0]
        assert os.read(meter, 100)[:1] == b"/"
        premises.electricity.power_off()
        os.write(meter, b"/?!\r\n")
        premises.clock.advance(seconds=1)
        assert not select.select([meter], [], [], 0.05)[0]
        premises.electricity.power_on()
        premises.clock.advance(minutes=5)
        with premises.electricity.client() as client:
            assert client.get(1, "0-0:42.0.0").value
    finally:
        os.close(meter)


def test_why_a_request_was_refused_can_be_asked(premises: RunningPremises) -> None:
    host, _, port = premises.hub.tcp.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(100) == b""
    assert any("connection dropped" in text for text in premises.hub.explained)
    assert premises.hub.statistics["wan-tcp"]["octets in"] == 18


def talked(premises: RunningPremises, requests: list[bytes]) -> bytes:
    """All that the optical port says to requests ten minutes apart; whole, however the system may cut it."""
    written = heard = 0
    said = b""

    def counted(name: str) -> int:
        return premises.electricity.statistics["optical"].get(name, 0)

    meter = os.open(premises.electricity.port, os.O_RDWR | os.O_NOCTTY)
    try:
        for request in requests:
            written += os.write(meter, request)
            while heard < written:
                heard = counted("octets in")
            premises.clock.advance(minutes=10)
            while len(said) < counted("octets out"):
                said += os.read(meter, 4096)
    finally:
        os.close(meter)
    return said


def script(premises: RunningPremises) -> list[bytes]:
    """Everything a small conversation brings back, octet for octet: sign-on, HDLC, wrapper, a challenge."""
    said = [talked(premises, [b"/?!\r\n", b"\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e"])]
    for device in (premises.hub, premises.electricity):
        for association in ("public", "data_collection"):
            keys = device.keys(association)
            said += [keys.encryption, keys.secret, keys.system_title]
            with device.client(association, port="hub/wan-tcp") as client:
                said.append(client.get_encoded(8, "0-0:1.0.0"))
                said.append(client.get_encoded(15, "0-0:40.0.0"))
        premises.clock.advance(hours=5)
    said += exchange(premises.hub.tcp, AARQ_HLS)
    with premises.electricity.client("data_collection", port="local-tcp") as client:
        said.append(client.get_encoded(3, "1-0:1.8.0"))
        said.append(client.get_encoded(7, "1-0:99.1.0", selection=by_entry(1, 48)))
    said.append(str(premises.electricity.statistics).encode())
    return said


AARQ_HLS = bytes.fromhex(
    "6036a1090607608574050801018a0207808b0760857405080205ac0a80083132333435363738be10040e01000000065f1f0400001e1dffff"
)


def test_the_same_rig_hears_the_same_and_says_the_same(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> None:
    def run(seed: int, folder: str) -> list[bytes]:
        (tmp_path / folder).mkdir()
        tables = {
            "seed": seed,
            "premises": [
                {
                    "name": "twin",
                    "hub": {"ports": {"wan": f"pty:{folder}/hub", "wan-tcp": "tcp:0"}},
                    "electricity": {"ports": {"optical": f"pty:{folder}/meter", "local-tcp": "tcp:0"}},
                }
            ],
        }
        rig = smets1_rig(tables, line={"baud": False})
        said = script(rig.premises["twin"])
        rig.stop()
        return said

    first, second, other = run(5, "a"), run(5, "b"), run(6, "c")
    assert first == second
    assert len(first) == len(other)
    assert first != other


def test_a_rig_file_of_the_test_s_own(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(
        '[[premises]]\nname = "two"\ncount = 2\ngas = {}\n[premises.hub.ports]\nwan-tcp = "tcp:0"\n'
        '[premises.electricity.ports]\noptical = "pty:e{n}"\n'
    )
    rig = smets1_rig(tmp_path / "two.toml", line={"echo": True})
    assert list(rig.premises) == ["two-0", "two-1"]
    meters = [rig.premises[name].electricity for name in rig.premises]
    assert len({meter.system_title for meter in meters}) == 2
    meter = os.open(meters[1].port, os.O_RDWR | os.O_NOCTTY)
    os.write(meter, b"/")
    assert select.select([meter], [], [], 2)[0]
    assert os.read(meter, 10) == b"/"
    os.close(meter)
    with pytest.raises(ConfigError, match="no such file"):
        smets1_rig(tmp_path / "none.toml")


def test_a_real_clock_runs_by_itself(smets1_rig: Callable[..., RunningRig]) -> None:
    rig = smets1_rig({"clock": {"rate": 3600}, "premises": [{"hub": {"ports": {"wan-tcp": "tcp:0"}}}]})
    first = rig.clock.now
    second = rig.clock.now
    assert second > first
    with pytest.raises(RuntimeError, match="runs by itself"):
        rig.clock.advance(hours=1)


def test_the_plugin_loads_nothing_until_it_is_used() -> None:
    heavy = "('emulator', 'pydantic', 'cryptography', 'rich')"
    code = f"import sys, rigs.pytest_plugin; print([name for name in sys.modules if name.startswith({heavy})])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "[]\n"


def test_encoded_values_are_written(premises: RunningPremises) -> None:
    with premises.electricity.client("management", port="local-tcp") as meter:
        zone = meter.get(8, "0-0:1.0.0", 3)
        meter.set(8, "0-0:1.0.0", 3, axdr.i16(60))
        assert meter.get(8, "0-0:1.0.0", 3).value == 60
        assert zone.value == 0


@pytest.mark.filterwarnings("error")
def test_nothing_is_left_of_rigs_that_were_stopped(smets1_rig: Callable[..., RunningRig]) -> None:
    """Neither threads nor open files, also where a client connects at the last moment."""

    def held() -> tuple[int, int]:
        gc.collect()
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    before = held()
    for _ in range(10):
        rig = smets1_rig({"premises": [{"hub": {"ports": {"wan": "pty:hub", "wan-tcp": "tcp:0"}}}]})
        host, _, port = rig.premises["home"].hub.tcp.rpartition(":")
        socket.create_connection((host, int(port))).close()
        rig.stop()
    assert held() == before
