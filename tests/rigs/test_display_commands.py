"""A display of the HAN in a running rig: pytest's own hand on it, the control API, the commands, the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator.display import Display
from rigs.control.client import ControlError
from rigs.control.desk import DeskError
from rigs.running import RunningDevice, RunningPremises, RunningRig

from .test_control import issue
from .test_han_commands import Bench

HOME: dict[str, object] = {
    "name": "home",
    "hub": {"ports": {"wan-tcp": "tcp:0"}},
    "electricity": {"load": {"kind": "constant", "value": 500}, "prepayment": {"balance_pence": 500}},
    "display": {},
}
TABLES: dict[str, object] = {"premises": [HOME, {"name": "shed", "hub": None, "gas": None}]}


@pytest.fixture
def bench(
    smets1_rig: Callable[..., RunningRig],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bench]:
    made = Bench(smets1_rig(TABLES), tmp_path, capsys, monkeypatch)
    made.rig.clock.advance(seconds=30)
    yield made
    if not made.rig.runner.closed:
        made.rig.runner.run(made.server.stop())


def home(rig: RunningRig) -> RunningPremises:
    return rig.premises["home"]


def meter(rig: RunningRig) -> RunningDevice:
    return home(rig).electricity


def test_a_test_has_its_own_hand_on_a_display(bench: Bench) -> None:
    rig = bench.rig
    display = home(rig).display
    assert isinstance(display.device, Display)
    assert display.display.startswith("500 W\nElectricity ")
    before = meter(rig).balance
    assert display.press(issue(meter(rig), 1, 10_00) + "#") == "Please wait"
    rig.clock.advance(seconds=2)
    assert display.display.startswith("Accepted 10.00 GBP")
    assert meter(rig).balance - before > 990_000
    display.power_off()
    assert (display.display, display.state.power) == ("", "off")
    with pytest.raises(LookupError, match="premises shed have no display"):
        _ = rig.premises["shed"].display
    with pytest.raises(DeskError, match="home/display: has no account; electricity and gas meters have"):
        _ = display.balance
    with pytest.raises(KeyError, match="public: no such association"):
        display.client()


def test_the_control_api_shows_a_display_and_presses_its_keys(bench: Bench) -> None:
    client = bench.client
    assert ("home", "display", "display-base") in [tuple(entry.values()) for entry in client.get("devices")]
    state = client.get("devices", "home", "display")
    assert state["display"].startswith("500 W\n") and state["power"] == "on"
    assert (state["supply"], state["balance"], state["mode"]) == (None, None, None)
    answer = client.post("devices", "home", "display", "keys", keys=">>")
    assert answer["display"] == "Supply on"
    assert client.post("devices", "home", "display", "join") == {"refused": None}
    with pytest.raises(ControlError, match="home/display: the meter's answer to a token takes its time"):
        client.post("devices", "home", "display", "token", digits="1234")
    with pytest.raises(ControlError, match="home/display: has no supply; electricity and gas meters have"):
        client.post("devices", "home", "display", "button")


def test_the_commands_name_a_display_like_any_device(bench: Bench) -> None:
    code, printed = bench("display", "display")
    assert code == 0 and printed.startswith("500 W\nElectricity ")
    assert bench("press", "home/display", ">>") == (0, "Supply on\n")
    log = bench.han()["log"]
    (entry,) = [entry for entry in log if entry["device"] == "home/display"]
    assert entry["joined"] and entry["reporting"]


def test_a_display_keeps_its_place_on_the_network_in_the_store(
    smets1_rig: Callable[..., RunningRig], tmp_path: Path
) -> None:
    tables = {"premises": [HOME], "storage": {"file": str(tmp_path / "rig.sqlite")}}
    rig = smets1_rig(tables)
    rig.clock.advance(seconds=30)
    eui64 = home(rig).display.device.identity.eui64
    rig.stop()
    again = smets1_rig(tables)
    assert home(again).display.device.identity.eui64 == eui64
    assert home(again).display.display == "- W\nElectricity - kWh"
    again.clock.advance(seconds=60)
    assert home(again).display.display.startswith("500 W\n")
