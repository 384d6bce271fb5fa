from __future__ import annotations

import resource
import socket
from pathlib import Path

import pytest

from rigs.config import ConfigError, load_rig, rig_of
from rigs.driver import ClockMode
from rigs.ports import PortError
from rigs.rig import Rig, allow_open_files
from rigs.running import RunningRig


@pytest.mark.parametrize(
    ("premises", "words"),
    [
        ("hub.profile = 'hub-9000'", "home.hub.profile: .*hub-9000.*no such profile; known: .*hub-base"),
        ("hub.profile = 'gas-base'", "home.hub.profile: gas-base: is a profile of kind gas, not hub"),
        ("hub.profile = 'mine.toml'", "home.hub.profile: .*/mine.toml: identity.make"),
        ("hub.ports.optical = 'pty:x'", "home.hub.ports.optical: this device has no such port; allowed are .*wan"),
        ("hub.ports.wan = 'tcp:0'", "home.hub.ports.wan: tcp:127.0.0.1:0: octets of a line"),
        ("hub.ports.wan-tcp = 'pty:x'", "home.hub.ports.wan-tcp: pty:x: carries wrapper PDUs; use tcp"),
        ("hub.ports.wan-udp = 'tcp:0'", "home.hub.ports.wan-udp: .*use udp"),
        ("gas.ports.wan = 'pty:x'", "home.gas.ports.wan: .*none: it is reached through the hub"),
        (
            "hub.keys.'no.secret' = '00'",
            "home.hub.keys.no.secret: hub-base has no such key; allowed are master, public",
        ),
        ("hub.keys.master = '0011'", "home.hub.keys.master: 2 octets; this key has 16 or 32"),
        ("hub.keys.'management.encryption' = '0011'", "management.encryption: 2 octets; this key has 16"),
        ("electricity.load = { kind = 'csv', file = 'bad.csv' }", "home.electricity.load.file: .*bad.csv"),
    ],
)
def test_what_is_wrong_is_found_before_anything_is_open(tmp_path: Path, premises: str, words: str) -> None:
    (tmp_path / "rig.toml").write_text(f"[[premises]]\n{premises}\n")
    (tmp_path / "bad.csv").write_text("when,what\nnever,nothing\n")
    (tmp_path / "mine.toml").write_text(
        'extends = "hub-base"\n[identity]\nmake = 5\n[provenance]\nidentity = "assumed"\n'
    )
    with pytest.raises(ConfigError, match=words) as caught:
        RunningRig(load_rig(tmp_path / "rig.toml"), folder=tmp_path, mode=ClockMode.STEPPED).start()
    assert str(caught.value).startswith(f"{tmp_path}/rig.toml: ")
    assert "\n" not in str(caught.value)


def test_a_port_that_cannot_be_opened_undoes_the_others(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports = {"wan": "pty:hub", "wan-tcp": f"tcp:{other.getsockname()[1]}"}
        rig = RunningRig(rig_of({"premises": [{"hub": {"ports": ports}}]}), folder=tmp_path)
        with pytest.raises(PortError, match="the port is in use"):
            rig.start()
    assert not (tmp_path / "hub").is_symlink()
    assert rig.runner.closed


def test_keys_of_a_rig_file_are_the_keys_of_the_device(tmp_path: Path) -> None:
    key = "000102030405060708090A0B0C0D0E0F"
    keys = {"management.encryption": key, "data_collection.secret": "text:Password"}
    rig = RunningRig(rig_of({"premises": [{"electricity": {"keys": keys}}]}), folder=tmp_path, mode=ClockMode.STEPPED)
    with rig:
        meter = rig.premises["home"].electricity
        assert meter.keys("management").encryption == bytes.fromhex(key)
        assert meter.keys("data_collection").secret == b"Password"


@pytest.mark.parametrize(
    ("clock", "mode", "rate", "runs"),
    [
        ({}, None, None, (ClockMode.REAL, 1)),
        ({"rate": 60}, None, None, (ClockMode.ACCELERATED, 60)),
        ({"rate": 60}, None, 1, (ClockMode.REAL, 1)),
        ({}, None, 5, (ClockMode.ACCELERATED, 5)),
        ({"rate": 60}, ClockMode.STEPPED, None, (ClockMode.STEPPED, 1)),
        ({"mode": "stepped"}, None, None, (ClockMode.STEPPED, 1)),
    ],
)
def test_the_command_line_goes_before_the_file(
    clock: dict[str, object], mode: ClockMode | None, rate: float | None, runs: tuple[ClockMode, float]
) -> None:
    rig = Rig(rig_of({"clock": clock}), mode=mode, rate=rate)
    assert (rig.driver.mode, rig.driver.rate) == runs


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        allow_open_files(1)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 256
        allow_open_files(100)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 528
        allow_open_files(1 << 40)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
