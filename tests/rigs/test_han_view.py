"""What ``smets1 han`` shows of the air: who speaks through whom, keys and their ages, counters, dropped frames."""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from emulator.han.message import Message
from emulator.hub import Hub
from rigs.cli import main
from rigs.commands import han
from rigs.control.server import ControlServer, parse_address
from rigs.running import RunningRig

TABLES: dict[str, object] = {"premises": [{"name": "home", "hub": {"ports": {"wan-tcp": "tcp:0"}}}]}


class View:
    """A rig with its control API, and ``smets1 han`` in its folder."""

    def __init__(
        self, rig: RunningRig, folder: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch
    ) -> None:
        self.rig = rig
        self.server = ControlServer(rig.rig, parse_address("0"), folder)
        rig.runner.run(self.server.start())
        self._folder = str(folder)
        self._capsys = capsys
        self._patch = patch

    def __call__(self, *arguments: str) -> str:
        """What ``smets1 han ARGUMENTS`` prints."""
        self._patch.setattr(sys, "argv", ["smets1", "han", *arguments, "--folder", self._folder])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = self._capsys.readouterr()
        assert not ended.value.code, printed.err
        return printed.out

    def state(self) -> Any:
        return json.loads(self("--json"))

    def on_hub(self, act: Callable[[Hub], object]) -> None:
        """Do something with the hub itself, in the rig's thread."""
        hub = self.rig.rig.premises["home"].hub
        assert hub is not None
        self.rig.runner.call(lambda: act(hub))


@pytest.fixture
def view(
    smets1_rig: Callable[..., RunningRig],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[View]:
    made = View(smets1_rig(TABLES), tmp_path, capsys, monkeypatch)
    yield made
    made.rig.runner.run(made.server.stop())


def change_link_key(hub: Hub) -> None:
    """Of the electricity meter."""
    assert hub.han.update_link_key(hub.han.members[0].device.identity.eui64)


def test_who_speaks_through_whom_is_drawn(view: View) -> None:
    state = view.state()
    electricity, gas = state["devices"]
    assert (electricity["parent"], gas["parent"]) == ("home/hub", "home/hub")
    assert (electricity["sleepy"], gas["sleepy"]) == (False, True)
    assert gas["polls_at"] > state["now"] and electricity["polls_at"] is None
    lines = view().splitlines()
    at = lines.index("home/hub 0000, coordinator")
    assert lines[at + 1].startswith(f"├── home/electricity {electricity['address']:04X}, router, ")
    assert f"{electricity['rssi']} dBm, LQI {electricity['lqi']}" in lines[at + 1]
    assert lines[at + 2].startswith(f"└── home/gas {gas['address']:04X}, sleepy, ")
    assert "polls in " in lines[at + 2]


def test_a_device_behind_a_router_is_drawn_below_it(view: View) -> None:
    def wall(hub: Hub) -> None:
        gas = next(member for member in hub.han.members if member.device.firmware.kind == "gas")
        hub.han.medium.attenuate(hub.han.node.radio, gas.radio, 200)

    view.on_hub(wall)
    gas = view.state()["devices"][1]
    assert (gas["parent"], gas["hops"]) == ("home/electricity", 1)
    assert "    └── home/gas " in view()


def test_one_that_nobody_hears_is_not_drawn(view: View) -> None:
    def shield(hub: Hub) -> None:
        gas = next(member for member in hub.han.members if member.device.firmware.kind == "gas")
        for radio in hub.han.medium.radios:
            hub.han.medium.attenuate(radio, gas.radio, 200)

    view.on_hub(shield)
    gas = view.state()["devices"][1]
    assert (gas["on"], gas["parent"], gas["rssi"], gas["address"]) == (False, None, None, None)
    printed = view()
    assert "── home/gas" not in printed and f"home/gas {gas['eui64']} is not on the HAN" in printed


def test_keys_have_ages_and_counters_count(view: View) -> None:
    view.on_hub(lambda hub: hub.han.update_network_key())
    view.on_hub(change_link_key)
    state = view.state()
    electricity, gas = state["devices"]
    assert (state["key_sequence"], state["keyed_at"]) == (1, state["now"])
    assert electricity["keyed_at"] == state["now"] > gas["keyed_at"]
    assert electricity["present_link_key"] != electricity["link_key"]
    assert gas["present_link_key"] == gas["link_key"]
    assert (electricity["knows_network_key"], gas["knows_network_key"]) == (True, False)
    assert state["counter"] > 0 and state["link_counter"] > 0
    printed = view()
    counters = f"{state['counter']}, {state['link_counter']} of link keys"
    assert f"network key 1, 0 s old; the hub's frame counters {counters}" in printed
    assert "home/electricity  0            0 s old   the present" in printed


def test_keys_are_shown_as_options_of_the_dissector(view: View) -> None:
    view.on_hub(change_link_key)
    state = view.state()
    options = view("--keys").splitlines()
    electricity, gas = state["devices"]
    wanted = [
        ("network key 0 of home/hub", state["network_key"]),
        ("install code of home/electricity", electricity["link_key"]),
        ("link key of home/electricity", electricity["present_link_key"]),
        ("install code of home/gas", gas["link_key"]),
    ]
    assert options == [
        f"""-o 'uat:zigbee_pc_keys:"{bytes.fromhex(key).hex(":").upper()}","Normal","{label}"'"""
        for label, key in wanted
    ]
    words = shlex.split(" ".join(options))
    assert len(words) == 8 and words[::2] == ["-o"] * 4


def test_dropped_frames_are_counted_by_reason(view: View) -> None:
    for octets in (b"\1\2\3", b"\1\2\3", b"\1" * 20):
        view.on_hub(lambda hub, octets=octets: hub.han.air.inject(octets))  # type: ignore[misc]
    assert view.state()["dropped"] == {"check sequence": 1, "length": 2}
    assert "frames dropped: check sequence 1, length 2" in view()


def test_what_waits_for_a_sleeping_device_is_counted(view: View) -> None:
    message = Message(0x0109, 0x0702, 1, 1, b"\x00\x07\x00\x00\x00")
    view.on_hub(lambda hub: hub.han.send(hub.han.members[1].address, message))
    assert [device["waiting"] for device in view.state()["devices"]] == [0, 1]


def test_no_network_has_no_topology(view: View) -> None:
    view.on_hub(lambda hub: hub.han.disband())
    assert view.state()["formed"] is False
    printed = view()
    assert printed.startswith("no network; ") and "coordinator" not in printed


@pytest.mark.parametrize("terminal", [False, True])
def test_watching_shows_what_has_changed(view: View, monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            view.on_hub(lambda hub: hub.han.air.inject(b"\1\2\3"))
        if len(slept) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(han.time, "sleep", sleep)
    written = io.StringIO()
    monkeypatch.setattr(han, "console", lambda: Console(file=written, force_terminal=terminal, width=160))
    view("--watch")
    assert slept == [han.LOOK_PERIOD] * 4
    drawn = written.getvalue().count("home/hub 0000, coordinator")
    assert drawn >= 4 if terminal else drawn == 2
    assert "frames dropped: length 1" in written.getvalue()
