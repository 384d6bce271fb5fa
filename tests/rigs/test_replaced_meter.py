"""A gas meter that is replaced in a rig with a store: both meters, and what the hub makes of them, outlive the rig."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from emulator.gas import GasMeter
from emulator.hub import Hub
from rigs.config import ConfigError, rig_of
from rigs.control.client import ControlClient, ControlError
from rigs.control.server import ControlServer, parse_address
from rigs.driver import ClockMode
from rigs.running import RunningRig

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0
TABLES: dict[str, Any] = {
    "premises": [{"name": "home", "hub": {"ports": {"wan-tcp": "tcp:0"}}}],
    "storage": {"file": "state.sqlite"},
}
HALF_HOUR = 1800


class House:
    """One run of the rig."""

    def __init__(self, rig: RunningRig) -> None:
        self.rig = rig

    def call(self, act: Any) -> Any:
        return self.rig.runner.call(act)

    @property
    def hub(self) -> Hub:
        hub = self.rig.rig.premises["home"].hub
        assert hub is not None
        return hub

    @property
    def gas(self) -> GasMeter:
        gas = self.rig.rig.premises["home"].gas
        assert gas is not None
        return gas

    def wait(self, seconds: int) -> None:
        self.rig.clock.advance(seconds=seconds)

    def replace(self) -> GasMeter:
        return self.call(lambda: self.rig.rig.replace_gas_meter("home"))

    def update_log(self, old: GasMeter) -> None:
        """Service request 8.11, and the button at the new meter."""

        def update() -> None:
            member = self.hub.han.member(self.gas)
            self.hub.han.unregister(old.identity.eui64)
            self.hub.han.register(self.gas.identity.eui64, member.first_key, 3)
            self.hub.han.permit(True)
            assert member.join() is None
            self.hub.commit()

        self.call(update)

    def state(self) -> dict[str, object]:
        """What a restart must not change."""

        def look() -> dict[str, object]:
            mirror = self.hub.mirror
            return {
                "there": self.gas.identity,
                "count": self.rig.rig.premises["home"].gas_meters,
                "mirrored": None if mirror is None else mirror.gas.identity,
                "shown": None if mirror is None else mirror.gas.metering.imported(mirror.gas.time),
                "filled": self.hub.filled,
                "log": [(entry.eui64, entry.key, entry.joined) for entry in self.hub.han.log],
                "on": [member.on for member in self.hub.han.members],
                "link key": self.hub.han.member(self.gas).link_key,
                "installed": self.gas.installed_at,
                "served": sorted(self.hub.served),
            }

        return self.call(look)


@contextmanager
def house(folder: Path) -> Iterator[House]:
    with RunningRig(rig_of(TABLES), folder=folder, mode=ClockMode.STEPPED) as rig:
        yield House(rig)


def test_a_new_meter_and_the_ghost_of_the_old_one_outlive_the_rig(tmp_path: Path) -> None:
    with house(tmp_path) as first:
        first.wait(HALF_HOUR)
        old = first.gas
        new = first.replace()
        first.wait(2 * HALF_HOUR)
        before = first.state()
        assert before["mirrored"] == old.identity and before["there"] == new.identity
        assert new.identity.device_id == "home/gas-2"
    with house(tmp_path) as again:
        assert again.state() == before
        again.wait(4 * HALF_HOUR)
        assert again.state()["shown"] == before["shown"], "nobody hears the old meter"


def test_a_meter_that_joined_is_there_as_it_was(tmp_path: Path) -> None:
    with house(tmp_path) as first:
        old = first.gas
        first.replace()
        first.update_log(old)
        waiting = first.state()
        assert waiting["filled"] is False
    with house(tmp_path) as second:
        assert second.state() == waiting
        second.wait(2 * HALF_HOUR)
        joined = second.state()
        assert joined["filled"] is True and joined["mirrored"] == joined["there"]
        shown = joined.pop("shown")
    with house(tmp_path) as third:
        state = third.state()
        assert state.pop("shown") == shown
        assert state == joined
        third.wait(2 * HALF_HOUR)
        assert third.state()["shown"] > shown  # type: ignore[operator]


def test_one_after_another(tmp_path: Path) -> None:
    with house(tmp_path) as first:
        old = first.gas
        first.replace()
        first.replace()
        state = first.state()
        assert (state["count"], first.gas.identity.device_id) == (3, "home/gas-3")
    with house(tmp_path) as second:
        assert second.state() == state
        second.update_log(old)
        second.wait(2 * HALF_HOUR)
        third_meter = second.gas
        second.replace()
        state = second.state()
        assert state["mirrored"] == third_meter.identity
    with house(tmp_path) as third:
        assert third.state() == state
        third.update_log(third_meter)
        third.wait(2 * HALF_HOUR)
        assert third.state()["count"] == 4


def test_the_stored_meter_of_another_rig_is_refused(tmp_path: Path) -> None:
    with house(tmp_path) as first:
        first.replace()
    other = {**TABLES, "premises": [{"name": "home", "hub": {}, "gas": {"profile": "gas-bk-g4e"}}]}
    with (
        pytest.raises(ConfigError, match=r"its home/hub|its home/gas|the store of another rig"),
        RunningRig(rig_of(other), folder=tmp_path, mode=ClockMode.STEPPED),
    ):
        pass


def test_the_command_works_on_a_rig_with_a_store(tmp_path: Path) -> None:
    with house(tmp_path) as first:
        server = ControlServer(first.rig.rig, parse_address("0"), tmp_path)
        first.rig.runner.run(server.start())
        made = ControlClient(tmp_path).post("premises", "home", "replace-gas")
        assert made["eui64"] == first.gas.identity.eui64.hex().upper()
        first.rig.runner.run(server.stop())
    with house(tmp_path) as again:
        assert again.gas.identity.eui64.hex().upper() == made["eui64"]


def test_it_survives_kill_9(tmp_path: Path) -> None:
    (tmp_path / "rig.toml").write_text(
        "[clock]\nmode = 'stepped'\n[storage]\nfile = 'state.sqlite'\n[[premises]]\nname = 'home'\n"
    )
    control, made = tmp_path / "smets1-control.json", []
    for _ in range(2):
        control.unlink(missing_ok=True)  # what a killed rig has left
        process = subprocess.Popen(
            [sys.executable, "-m", "rigs", "up", "rig.toml"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
        )
        try:
            give_up = time.monotonic() + PATIENCE
            while not control.exists():
                assert process.poll() is None and time.monotonic() < give_up, "smets1 up does not answer"
                time.sleep(0.02)
            client = ControlClient(tmp_path)
            if not made:
                made.append(client.post("premises", "home", "replace-gas"))
            devices = client.get("premises", "home", "han")["devices"]
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)
        assert [device["eui64"] for device in devices if device["device"] == "home/gas-2"] == [made[0]["eui64"]]
        assert [device["link_key"] for device in devices if device["device"] == "home/gas-2"] == [made[0]["link_key"]]


def test_a_meter_that_cannot_be_kept_is_told_of(tmp_path: Path) -> None:
    with house(tmp_path) as first:
        server = ControlServer(first.rig.rig, parse_address("0"), tmp_path)
        first.rig.runner.run(server.start())
        storage = first.rig.rig._storage
        assert storage is not None
        first.call(lambda: storage._database.execute("PRAGMA query_only = ON"))
        with pytest.raises(ControlError, match=r"home/gas: replaced, but it cannot be kept: .*readonly"):
            ControlClient(tmp_path).post("premises", "home", "replace-gas")
        assert first.gas.identity.device_id == "home/gas-2"
        first.rig.runner.run(server.stop())
    with house(tmp_path) as again:
        assert again.gas.identity.device_id == "home/gas"


@pytest.mark.parametrize(
    ("kind", "words"),
    [("electricity", "home/gas: no such device"), ("hub", "home/hub: no such device")],
)
def test_premises_without_a_place_for_one(tmp_path: Path, kind: str, words: str) -> None:
    premises: dict[str, Any] = {"name": "home", **({"gas": None} if kind == "electricity" else {"hub": None})}
    with RunningRig(rig_of({"premises": [premises]}), folder=tmp_path, mode=ClockMode.STEPPED) as rig:
        server = ControlServer(rig.rig, parse_address("0"), tmp_path)
        rig.runner.run(server.start())
        with pytest.raises(ControlError, match=words):
            ControlClient(tmp_path).post("premises", "home", "replace-gas")
        rig.runner.run(server.stop())
