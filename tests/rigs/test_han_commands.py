"""``smets1 han``, ``join`` and ``replace-gas`` on a running rig, with a gas meter that is replaced by SRV 8.11."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.hub import Hub
from rigs.cli import main
from rigs.control.client import ControlClient
from rigs.control.server import ControlServer, parse_address
from rigs.running import RunningRig

TABLES: dict[str, object] = {
    "premises": [
        {"name": "home", "hub": {"ports": {"wan-tcp": "tcp:0"}}},
        {"name": "meters-only", "hub": None},
    ]
}


class Bench:
    """A rig with its control API, and the commands in its folder."""

    def __init__(
        self, rig: RunningRig, folder: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch
    ) -> None:
        self.rig = rig
        self.server = ControlServer(rig.rig, parse_address("0"), folder)
        rig.runner.run(self.server.start())
        self.client = ControlClient(folder)
        self._folder = str(folder)
        self._capsys = capsys
        self._patch = patch

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Run ``smets1 ARGUMENTS``; the exit code and what it printed."""
        self._patch.setattr(sys, "argv", ["smets1", *arguments, "--folder", self._folder])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code or 0
        assert isinstance(code, int)
        printed = self._capsys.readouterr()
        return code, printed.out + printed.err

    def han(self) -> Any:
        code, printed = self("han", "--json")
        assert code == 0
        return json.loads(printed)

    def on_hub(self, act: Callable[[Hub], object]) -> None:
        """Do something with the hub itself, in the rig's thread."""
        hub = self.rig.rig.premises["home"].hub
        assert hub is not None
        self.rig.runner.call(lambda: act(hub))


@pytest.fixture
def bench(
    smets1_rig: Callable[..., RunningRig],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bench]:
    made = Bench(smets1_rig(TABLES), tmp_path, capsys, monkeypatch)
    yield made
    made.rig.runner.run(made.server.stop())


def test_the_table_names_who_is_there(bench: Bench) -> None:
    state = bench.han()
    assert [entry["device"] for entry in state["log"]] == ["home/electricity", "home/gas"]
    assert all(entry["joined"] and entry["reporting"] and entry["rssi"] < 0 for entry in state["log"])
    assert state["mirrored"] == state["log"][1]["eui64"]
    assert state["open_seconds"] == 0
    code, printed = bench("han")
    assert code == 0
    assert "joining is closed; 2 of 16 entries" in printed
    assert "home/gas (mirrored)" in printed


def test_a_gas_meter_is_replaced(bench: Bench) -> None:
    old = bench.han()["mirrored"]
    code, printed = bench("replace-gas", "home", "--json")
    assert code == 0
    new = json.loads(printed)
    assert new["keys"]["data_collection"]["secret"]
    code, printed = bench("join", "home/gas")
    assert (code, printed.strip()) == (1, "home/gas: the permit-join window is closed")
    _, printed = bench("han")
    assert "not there (mirrored)" in printed
    assert f"home/gas-2 {new['eui64']} is not on the HAN" in printed
    assert new["link_key"] in printed

    def update(hub: Hub) -> None:
        assert hub.han.unregister(bytes.fromhex(old))
        assert hub.han.register(bytes.fromhex(new["eui64"]), bytes.fromhex(new["link_key"]), 3)
        hub.han.permit(True)

    bench.on_hub(update)
    assert bench.han()["open_seconds"] == 90
    assert bench("join", "home/gas") == (0, "home/gas: on the HAN\n")
    bench.client.post("clock", "advance", seconds=1800)
    state = bench.han()
    assert state["mirrored"] == new["eui64"]
    assert [device["on"] for device in state["devices"]] == [True, True]


def test_what_cannot_be_done_is_said_in_a_line(bench: Bench) -> None:
    code, printed = bench("han", "nowhere")
    assert code != 0 and "nowhere: no such premises" in printed
    code, printed = bench("han", "meters-only")
    assert code != 0 and "meters-only/hub: no such device" in printed
    code, printed = bench("join", "home/hub")
    assert code != 0 and "home/hub: has no such button" in printed
