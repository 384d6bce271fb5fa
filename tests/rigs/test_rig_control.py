"""What is done to a running rig and seen of it: status, power, load, clock, events and metrics, by way of HTTP, of a
WebSocket client that is not ours, of Prometheus's parser, and of the pytest plugin's verbs that do the same."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import websocket
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from prometheus_client.samples import Sample

from protocols import wrapper
from rigs.config import rig_of
from rigs.control.client import ControlClient, ControlError
from rigs.control.desk import DeskError
from rigs.control.server import ControlServer, parse_address
from rigs.driver import SECOND, ClockMode
from rigs.events import EventLog
from rigs.running import RunningRig

TABLES: dict[str, object] = {
    "premises": [
        {
            "name": "home",
            "hub": {"ports": {"wan-tcp": "tcp:0"}},
            "electricity": {"prepayment": {"balance_pence": 500}, "load": {"kind": "constant", "value": 0}},
            "gas": {"load": {"kind": "constant", "value": 0}},
            "display": {},
        }
    ]
}
METER, GAS, HUB = (("devices", "home", kind) for kind in ("electricity", "gas", "hub"))


class Control:
    """A rig that runs with its control API."""

    def __init__(self, rig: RunningRig, folder: Path) -> None:
        self.rig = rig
        self.home = rig.premises["home"]
        self.server = ControlServer(rig.rig, parse_address("0"), folder)
        rig.runner.run(self.server.start())
        self.client = ControlClient(folder)
        self.token = self.server.place.token
        self.address = urlsplit(self.server.place.url).netloc

    def refused(self, *path: str, **content: object) -> str:
        with pytest.raises(ControlError) as caught:
            self.client.post(*path, **content)
        return str(caught.value)

    def follow(self, query: str = "", token: str | None = None) -> websocket.WebSocket:
        login = [f"Authorization: Bearer {self.token if token is None else token}"]
        return websocket.create_connection(f"ws://{self.address}/events/stream{query}", timeout=10, header=login)

    def scrape(self, accept: str = "") -> tuple[str, str]:
        """Media type and text of the metrics."""
        connection = http.client.HTTPConnection(self.address, timeout=10)
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {self.token}", "Accept": accept})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        assert answer.status == 200, text
        return answer.getheader("Content-Type") or "", text

    def stop(self) -> None:
        if not self.rig.runner.closed:
            self.rig.runner.run(self.server.stop())


@pytest.fixture
def control(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> Iterator[Control]:
    made = Control(smets1_rig(TABLES), tmp_path)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    """The same for all tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("control")
    with RunningRig(rig_of(TABLES), folder=folder, mode=ClockMode.STEPPED) as rig:
        made = Control(rig, folder)
        yield made
        made.stop()


def read_once(control: Control) -> None:
    """A client at the hub that nobody knows: one association, one unknown server."""
    apdu = bytes.fromhex("601da109060760857405080101be10040e01000000065f1f0400001e1dffff")
    host, _, port = control.home.hub.tcp.rpartition(":")
    import socket

    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(wrapper.encode(16, 1, apdu))
        assert client.recv(4096)
        client.sendall(wrapper.encode(16, 99, apdu))
        client.sendall(wrapper.encode(16, 1, bytes.fromhex("c001c100080000010000ff0200")))
        assert client.recv(4096)


# -- status ----------------------------------------------------------------------------------------------------------


def test_the_status_has_every_device_and_port_with_its_counters(control: Control) -> None:
    read_once(control)
    found = control.client.get("status")
    assert (found["mode"], found["device_count"], found["port_count"]) == ("stepped", 4, 1)
    assert found["now"] == control.rig.clock.ns
    assert [entry["device"]["kind"] for entry in found["devices"]] == ["hub", "electricity", "gas", "display"]
    hub, meter = found["devices"][:2]
    (port,) = hub["ports"]
    assert (port["name"], port["address"], port["lines"]) == ("home/hub/wan-tcp", control.home.hub.tcp, 1)
    assert port["counters"]["frames received"] == 3
    assert port["counters"]["frames sent"] == 2
    assert port["counters"]["unknown servers"] == 1
    assert (meter["device"]["display"], meter["ports"]) == ("Credit 5.00 GBP", [])
    assert control.client.get(*HUB, "status") == hub
    some = control.client.get("status", first=1, most=2)
    assert [entry["device"]["kind"] for entry in some["devices"]] == ["electricity", "gas"]
    assert control.home.hub.status.ports[0].counters == port["counters"]
    assert len(control.rig.status.devices) == 4


# -- power -----------------------------------------------------------------------------------------------------------


def test_power_is_cut_and_given_back(control: Control) -> None:
    client = control.client
    assert client.post(*METER, "power", on=False)["power"] == "off"
    assert client.get(*METER)["power"] == "off"
    client.post("clock", "advance", seconds=3600)
    state = client.post(*METER, "power", on=True)
    assert (state["power"], state["boots"], state["failures"]) == ("starting", 2, 1)
    assert state["ready_at"] > control.rig.clock.ns
    client.post("clock", "advance", seconds=60)
    assert client.get(*METER, "power")["power"] == "on"
    assert control.home.electricity.power_on().failures == 1, "it has power: nothing to do"


def test_a_cut_of_some_length_ends_on_the_rig_s_clock(control: Control) -> None:
    client, begun = control.client, control.rig.clock.ns
    state = client.post(*METER, "power", on=False, seconds=90.5)
    assert state["returns_at"] == begun + 90_500_000_000
    client.post("clock", "advance", seconds=90)
    assert control.home.electricity.power.power == "off"
    client.post("clock", "advance", seconds=0.5)
    state = client.get(*METER, "power")
    assert (state["power"], state["returns_at"], state["boots"]) == ("starting", None, 2)
    # The last word goes: a cut that was to end does not when another without an end came after it.
    client.post(*METER, "power", on=False, seconds=10)
    control.home.electricity.power_off()
    client.post("clock", "advance", seconds=100)
    assert client.get(*METER, "power")["power"] == "off"
    client.post(*METER, "power", on=True)
    client.post(*METER, "power", on=False, seconds=10)
    client.post(*METER, "power", on=True)
    client.post("clock", "advance", seconds=60)
    assert client.get(*METER, "power")["boots"] == 4


def test_a_power_cut_takes_all_on_the_mains_and_not_the_gas_meter(control: Control) -> None:
    states = control.client.post("premises", "home", "power", on=False, seconds=60)
    assert [(state["device"], state["power"]) for state in states] == [
        ("home/hub", "off"),
        ("home/electricity", "off"),
        ("home/display", "off"),
    ]
    assert control.client.get(*GAS, "power")["power"] == "on"
    assert {state.power for state in control.home.power_on()} == {"starting"}
    assert [state.failures for state in control.home.power_off()] == [2, 2, 2]


def test_a_gas_meter_s_power_is_its_battery(control: Control) -> None:
    client = control.client
    before = client.get(*GAS, "power")
    assert before["battery_days"] < 3650
    client.post(*GAS, "power", on=False)
    assert control.refused(*GAS, "battery") == "home/gas: its battery is out; switch its power on first"
    client.post(*GAS, "power", on=True)
    client.post("clock", "advance", seconds=60)
    after = client.post(*GAS, "battery")
    assert (after["battery_days"], after["battery_millivolts"]) == (3650, 3650)
    assert before["battery_millivolts"] < 3650
    assert control.home.gas.replace_battery().battery_days == 3650


# -- load ------------------------------------------------------------------------------------------------------------


def used(control: Control, hours: float = 1) -> float:
    """Wh that the electricity meter counts in that time, imported less exported."""
    meter = control.home.electricity

    def count() -> int:
        metering = meter.device.metering  # type: ignore[attr-defined]
        meter.device.settle()
        now = meter.device.time
        return metering.imported(now) - metering.exported(now)

    before = meter.call(count)
    control.client.post("clock", "advance", seconds=hours * 3600)
    return (meter.call(count) - before) / (3600 * SECOND * 1_000_000)


def test_a_load_is_drawn_from_the_moment_it_is_set(control: Control) -> None:
    client = control.client
    assert client.get(*METER, "load") == {
        "device": "home/electricity",
        "kind": "constant",
        "rate": 0,
        "unit": "W",
        "flowing": True,
    }
    assert client.post(*METER, "load", kind="constant", value=1500.5)["rate"] == 1500.5
    assert used(control) == 1500.5
    assert client.post(*METER, "load", kind="constant", value=-400)["rate"] == -400
    assert used(control) == -400
    household = client.post(*METER, "load", kind="household", scale=2)
    assert household["kind"] == "household"
    once = control.home.electricity.load(household=1)
    assert household["rate"] == pytest.approx(2 * once.rate, rel=0.01)
    csv = "2026-01-01T00:00:00Z,100\n2026-01-01T02:30:00Z,300\n"
    assert client.post(*METER, "load", kind="csv", csv=csv)["kind"] == "csv"
    assert used(control) == 0.5 * 100 + 0.5 * 300
    assert client.post(*GAS, "load", kind="household")["kind"] == "household"
    assert client.post(*GAS, "load", kind="constant", value=1.5)["rate"] == 1.5
    assert control.home.gas.load().unit == "m3/h"
    client.post(*METER, "power", on=False)
    assert client.get(*METER, "load")["flowing"] is False


# -- clock -----------------------------------------------------------------------------------------------------------


def test_the_rate_of_a_clock_that_runs_is_changed(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> None:
    control = Control(smets1_rig(TABLES, mode=ClockMode.REAL), tmp_path)
    client = control.client
    assert client.post("clock", "rate", rate=600)["mode"] == "accelerated"
    begun = client.get("clock")["now"]
    time.sleep(0.05)
    passed = client.get("clock")["now"] - begun
    assert passed >= 0.05 * 600 * SECOND
    control.rig.clock.rate = 1
    assert (client.get("clock")["mode"], control.rig.clock.rate) == ("real", 1)
    machine, begun = time.monotonic(), client.get("clock")["now"]
    assert 0 <= client.get("clock")["now"] - begun <= (time.monotonic() - machine) * SECOND
    assert control.refused("clock", "rate", rate=0) == "clock: rate: 0: 0.001 to 1000000"
    control.stop()


# -- what is not done ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ((*METER, "power"), {"on": True, "seconds": 5}, "seconds: how long a cut lasts; leave it out to switch on"),
        ((*METER, "power"), {"on": False, "seconds": 0}, "seconds: 0: more than 0, at most 31622400"),
        ((*METER, "power"), {"on": "off"}, "on: Input should be a valid boolean"),
        ((*METER, "power"), {}, "on: Field required"),
        (("premises", "nowhere", "power"), {"on": True}, "nowhere: no such premises; there are home"),
        ((*HUB, "battery"), {}, "home/hub: has no battery; gas meters have"),
        ((*HUB, "load"), {"kind": "household"}, "home/hub: draws no load; electricity and gas meters do"),
        ((*METER, "load"), {"kind": "constant"}, "body: a constant load needs a value"),
        ((*METER, "load"), {"kind": "csv"}, "body: a csv load needs the text in csv"),
        ((*METER, "load"), {"kind": "constant", "value": 1e7}, "value: 1e+07: -1000000 to 1000000 W"),
        ((*GAS, "load"), {"kind": "constant", "value": -1}, "home/gas: value: -1: 0 to 1000 m3/h"),
        ((*GAS, "load"), {"kind": "household", "scale": 0}, "home/gas: scale: 0: more than 0, at most 1000"),
        ((*GAS, "load"), {"kind": "csv", "csv": "x"}, "home/gas: csv: a load of steps needs at least one step"),
        (
            (*GAS, "load"),
            {"kind": "csv", "csv": "2026-01-01,1\n2025-01-01,1"},
            "csv: line 2: '2025-01-01,1': not later",
        ),
        ((*GAS, "load"), {"kind": "csv", "csv": "2026-01-01,-1"}, "csv: a rate is not within 0 to 1000 m3/h"),
        ((*METER, "load"), {"kind": "csv", "csv": "2026-01-01,1e300"}, "csv: a rate is not within -1000000 to 1000000"),
        ((*METER, "load"), {"kind": "csv", "csv": "1" * 60_001}, "csv: String should have at most 60000 characters"),
        (("clock", "rate"), {"rate": 2}, "clock: it is stepped and has no rate"),
    ],
)
def test_what_cannot_be_done_is_one_line(shared: Control, path: tuple[str, ...], content: Any, words: str) -> None:
    before = shared.client.get("status")
    text = shared.refused(*path, **content)
    assert words in text
    assert "\n" not in text
    assert shared.client.get("status") == before


def test_the_plugin_s_verbs_refuse_the_same(shared: Control) -> None:
    with pytest.raises(DeskError, match="draws no load"):
        shared.home.hub.load()
    with pytest.raises(ValueError, match="give an electricity meter watts"):
        shared.home.gas.load(watts=5)
    with pytest.raises(ValueError, match="give an electricity meter watts"):
        shared.home.electricity.load(watts=5, household=1)
    with pytest.raises(DeskError, match="it is stepped"):
        shared.rig.clock.rate = 5
    assert shared.rig.clock.rate == 0


# -- events ----------------------------------------------------------------------------------------------------------


def test_events_tell_what_was_done_and_what_came_of_it(control: Control) -> None:
    control.client.post(*METER, "power", on=False, seconds=60)
    control.client.post("clock", "advance", seconds=120)
    injection = control.client.post("faults", fault="device-without-entry", device="home/gas")["id"]
    control.client.post("faults", injection, "end")
    read_once(control)
    answer = control.client.get("events")
    told = [(event["source"], event["name"], event["device"], event["fault"]) for event in answer["events"]]
    assert told[:4] == [
        ("control", "power", "home/electricity", None),
        ("device", "power_down", "home/electricity", None),
        ("control", "clock", None, None),
        ("device", "power_up", "home/electricity", None),
    ]
    assert ("fault", "active", "home/gas", injection) in told
    assert ("fault", "ended", "home/gas", injection) in told
    assert sum("device-without-entry" in event["text"] for event in answer["events"]) == 2, "each is told once"
    (refused,) = [event for event in answer["events"] if event["port"] == "home/hub/wan-tcp"]
    assert (refused["source"], refused["device"]) == ("port", "home/hub")
    assert "99" in refused["text"]
    assert [event["number"] for event in answer["events"]] == list(range(1, answer["last"] + 1))
    instants = [event["at"] for event in answer["events"][:4]]
    assert [at - instants[0] for at in instants] == [0, 0, 0, 60 * SECOND]

    def numbers(**query: str | int) -> list[int]:
        return [event["number"] for event in control.client.get("events", **query)["events"]]

    assert numbers(device="home/electricity") == [1, 2, 4]
    assert numbers(device="home", source="control") == [1]
    assert numbers(after=2, most=2) == [3, 4]
    assert numbers(latest="true", most=1) == [answer["last"]]
    assert len(numbers(fault=injection)) == 2
    assert control.rig.events(2, source="device")[0].number == 4


def test_a_client_that_is_not_ours_follows_the_events(control: Control) -> None:
    control.client.post(*METER, "power", on=False)
    socket, narrow, late = control.follow("?after=0"), control.follow("?device=home/gas"), control.follow()
    first = [json.loads(socket.recv()) for _ in range(2)]
    assert first == control.client.get("events")["events"]
    control.client.post(*GAS, "battery")
    told = [json.loads(socket.recv()) for _ in range(2)]
    assert [event["name"] for event in told] == ["battery", "battery_replaced"]
    assert [json.loads(narrow.recv()) for _ in range(2)] == told
    assert [json.loads(late.recv()) for _ in range(2)] == told
    socket.send("nobody listens to what is said")
    narrow.close()
    control.client.post("clock", "advance", seconds=1)
    assert json.loads(socket.recv())["name"] == "clock"
    control.stop()
    with pytest.raises(websocket.WebSocketException):
        for _ in range(5):
            socket.recv()
    listeners = control.rig.runner.call(lambda: list(control.rig.rig.events.listeners))
    assert listeners == []


@pytest.mark.parametrize(
    ("query", "token", "status", "words"),
    [
        ("", "", 401, "not logged in"),
        ("", "wrong", 401, "Authorization: Bearer TOKEN"),
        ("?after=x", None, 422, "after: Input should be a valid integer"),
        ("?source=nobody", None, 422, "source: Input should be 'device', 'port', 'fault', 'control' or 'rig'"),
        ("?port=home", None, 422, "port: Extra inputs are not permitted"),
    ],
)
def test_a_handshake_is_refused_in_one_line(
    shared: Control, query: str, token: str | None, status: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        shared.follow(query, token)
    assert caught.value.status_code == status
    assert words in json.loads(caught.value.resp_body or "")["detail"]
    shared.client.get("clock")
    assert caplog.text == ""


def test_who_is_late_is_told_what_is_gone(control: Control) -> None:
    def flood() -> None:
        rig = control.rig.rig
        rig.events = EventLog(rig.clock, kept=300)
        for number in range(1, 501):
            rig.events.explained("home/hub/wan-tcp", f"number {number}")

    control.rig.runner.call(flood)
    answer = control.client.get("events", most=1)
    assert (answer["first"], answer["last"], answer["events"][0]["text"]) == (201, 500, "number 201")
    with pytest.raises(ControlError, match="most: Input should be less than or equal to 1000"):
        control.client.get("events", most=1001)
    socket = control.follow("?after=0")
    told = json.loads(socket.recv())
    assert (told["name"], told["number"]) == ("missed", 200)
    assert told["text"].startswith("200 events were passed over")
    assert [json.loads(socket.recv())["number"] for _ in range(300)] == list(range(201, 501))
    socket.close()


def test_a_log_keeps_the_latest_events() -> None:
    class Clock:
        now = 5

    log = EventLog(Clock(), kept=3)  # type: ignore[arg-type]
    assert (log.first, log.last, log.since(0)) == (1, 0, [])
    for number in range(5):
        log.explained("home/hub/wan", str(number))
    assert (log.first, log.last) == (3, 5)
    assert [event.text for event in log.since(0)] == ["2", "3", "4"]
    assert [event.text for event in log.since(3)] == ["3", "4"]
    assert [event.text for event in log.since(2, 1)] == ["2"]
    assert log.since(5) == log.since(99) == []


# -- metrics ---------------------------------------------------------------------------------------------------------


def samples(families: Any) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for family in families:
        assert family.documentation
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


@pytest.mark.parametrize(
    "accept", ["", "text/plain;version=1.0.0", "application/openmetrics-text;version=1.0.0", "x;y"]
)
def test_prometheus_s_parser_reads_what_was_counted(control: Control, accept: str) -> None:
    read_once(control)
    control.client.post(*METER, "token", digits="1" * 20)
    control.client.post("faults", fault="device-without-entry", device="home/gas")
    control.client.post(*METER, "power", on=False)
    media_type, text = control.scrape(accept)
    wanted = "application/openmetrics-text" if "openmetrics" in accept else "text/plain"
    assert media_type.startswith(wanted)
    found = samples(openmetrics(text) if "openmetrics" in accept else prometheus(text))

    def value(name: str, **labels: str) -> float:
        (sample,) = [sample for sample in found[name] if labels.items() <= sample.labels.items()]
        return sample.value

    port = {"device": "home/hub", "port": "wan-tcp"}
    assert value("smets1_port_frames_total", **port, direction="in") == 3
    assert value("smets1_port_frames_total", **port, direction="out") == 2
    assert value("smets1_port_octets_total", **port, direction="in") > 90
    assert value("smets1_port_errors_total", **port, kind="unknown servers") == 1
    assert value("smets1_answer_seconds_count", **port) == 2
    assert value("smets1_answer_seconds_bucket", **port, le="+Inf") == 2
    buckets = [sample.value for sample in found["smets1_answer_seconds_bucket"]]
    assert buckets == sorted(buckets)
    assert 0 < value("smets1_answer_seconds_sum", **port) < 10
    assert value("smets1_device_up", device="home/electricity") == 0
    assert value("smets1_device_up", device="home/gas") == 1
    assert value("smets1_device_events_total", device="home/electricity", event="power_down") == 1
    assert sum(sample.value for sample in found["smets1_tokens_total"]) == 1
    assert value("smets1_faults", device="home/gas", fault="device-without-entry", layer="han", state="active") == 1
    assert value("smets1_fault_injections_total", fault="device-without-entry") == 1
    assert value("smets1_han_formed", premises="home") == 1
    assert (
        value("smets1_han_devices", premises="home", on="yes") + value("smets1_han_devices", premises="home", on="no")
        == 3
    )
    assert value("smets1_clock_rate") == 0
    assert value("smets1_clock_seconds") == control.rig.clock.ns / SECOND
    if not accept:
        assert samples(prometheus(control.rig.metrics)).keys() == found.keys()


# -- the same verbs --------------------------------------------------------------------------------------------------


def test_the_plugin_has_every_verb_of_the_api(control: Control) -> None:
    """Each path of the description, and what says the same in a test."""
    device, premises, rig = "/devices/{premises}/{kind}", "/premises/{premises}", control.rig
    equals: dict[str, tuple[object, str]] = {
        "/devices": (rig, "premises"),
        device: (control.home.gas, "state"),
        f"{device}/keys": (control.home.gas, "press"),
        f"{device}/token": (control.home.gas, "top_up"),
        f"{device}/button": (control.home.gas, "press_button"),
        f"{device}/emergency": (control.home.gas, "activate_emergency_credit"),
        f"{device}/tap": (control.home.gas, "open_tap"),
        f"{device}/join": (control.home.gas, "join"),
        f"{device}/status": (control.home.gas, "status"),
        f"{device}/power": (control.home.gas, "power_off"),
        f"{device}/battery": (control.home.gas, "replace_battery"),
        f"{device}/load": (control.home.gas, "load"),
        f"{premises}/han": (control.home, "han"),
        f"{premises}/power": (control.home, "power_off"),
        f"{premises}/replace-gas": (control.home, "replace_gas"),
        "/faults": (rig, "start_fault"),
        "/faults/catalogue": (rig, "fault_catalogue"),
        "/faults/conditions": (rig, "fault_conditions"),
        "/faults/{id}": (rig, "faults"),
        "/faults/{id}/end": (rig, "end_fault"),
        "/ports": (control.home.hub, "ports"),
        "/status": (rig, "status"),
        "/events": (rig, "events"),
        "/metrics": (rig, "metrics"),
        "/why": (rig, "explained"),
        "/clock": (rig.clock, "ns"),
        "/clock/advance": (rig.clock, "advance"),
        "/clock/rate": (rig.clock, "rate"),
    }
    assert equals.keys() == control.client.get("openapi.json")["paths"].keys()
    for owner, name in equals.values():
        assert hasattr(owner, name), name
    old = control.home.gas.device.identity.serial
    new = control.home.replace_gas()
    assert new.serial == control.home.gas.device.identity.serial != old
    assert control.home.gas.join() is not None, "the hub has not heard of it"
    assert len(control.home.han.devices) == 3
