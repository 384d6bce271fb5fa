"""``smets1 fault`` and the control API's faults on a running rig; what a trace tells of them; a rig that is stopped."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from emulator.faults.catalogue import CATALOGUE
from emulator.hub import Hub
from protocols import pcapng
from rigs.blocking import BlockingClient
from rigs.capture import Capture
from rigs.captured import blocks, explanations
from rigs.cli import main
from rigs.client import ClientError
from rigs.commands.why import told
from rigs.config import ConfigError, rig_of
from rigs.control.client import ControlClient, ControlError
from rigs.control.server import ControlServer, parse_address
from rigs.driver import ClockMode
from rigs.running import RunningRig
from rigs.trace import Trace

TABLES: dict[str, object] = {
    "premises": [
        {"name": "home", "hub": {"ports": {"wan-tcp": "tcp:0", "radio": "tcp+hdlc:0"}}},
        {"name": "meters-only", "hub": None, "gas": None, "electricity": {"ports": {"optical": "pty:optical"}}},
    ]
}


class Bench:
    """A rig with its control API, and the commands in its folder."""

    def __init__(
        self, rig: RunningRig, folder: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch
    ) -> None:
        self.rig = rig
        self.client = ControlClient(folder)
        self._folder = str(folder)
        self._capsys = capsys
        self._patch = patch

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Run ``smets1 fault ARGUMENTS``; the exit code and what it printed."""
        folder = [] if arguments[0] in ("list", "conditions") else ["--folder", self._folder]
        self._patch.setattr(sys, "argv", ["smets1", "fault", *arguments, *folder])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code or 0
        assert isinstance(code, int)
        printed = self._capsys.readouterr()
        return code, printed.out + printed.err

    def on(self) -> list[str]:
        """Devices that communicate, as the control API has it."""
        return [each["device"] for each in self.client.get("premises", "home", "han")["devices"] if each["on"]]


@contextmanager
def controlled(folder: Path) -> Iterator[RunningRig]:
    """A rig that runs in a folder, with its control API."""
    with RunningRig(rig_of(TABLES), folder=folder, mode=ClockMode.STEPPED) as rig:
        server = ControlServer(rig.rig, parse_address("0"), folder)
        rig.runner.run(server.start())
        yield rig
        rig.runner.run(server.stop())


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with controlled(tmp_path) as rig:
        yield Bench(rig, tmp_path, capsys, monkeypatch)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningRig, Path]]:
    """The same rig for all tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("faults")
    with controlled(folder) as rig:
        yield rig, folder


@pytest.fixture
def shared(
    running: tuple[RunningRig, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Bench:
    return Bench(*running, capsys, monkeypatch)


def test_a_fault_begins_and_ends(bench: Bench) -> None:
    code, printed = bench("start", "radio-off", "home/gas")
    assert code == 0
    assert printed.splitlines()[0] == "F1 radio-off at home/gas: in force since 2026-01-01 00:00:00"
    assert (
        "To blame: the device: ESME, GSME, PPMID or IHD (home/gas): the device runs, its radio does not.\n" in printed
    )
    assert bench.on() == ["home/electricity"]
    assert bench("show")[1] == "F1 radio-off at home/gas: in force since 2026-01-01 00:00:00\n"
    code, printed = bench("end", "F1")
    assert (code, printed.splitlines()[0]) == (0, "F1 radio-off at home/gas: over since 2026-01-01 00:00:00")
    bench.client.post("clock", "advance", seconds=3700)
    assert bench.on() == ["home/electricity", "home/gas"]
    assert [text for name, text in bench.rig.explained if name == "home/hub/han"][:2] == [
        "fault F1: radio-off at home/gas begins",
        "fault F1: radio-off at home/gas ends",
    ]


def test_a_fault_of_later_that_lasts_a_while(bench: Bench) -> None:
    code, printed = bench(
        "start", "interference", "home/hub", "level=0", "channels=11-26", "--after", "60", "--for", "30"
    )
    assert code == 0
    assert "F1 interference at home/hub channels=11-26 level=0: waits until 2026-01-01 00:01:00" in printed
    bench.client.post("clock", "advance", seconds=60)
    assert bench.on() == []
    assert "since 2026-01-01 00:01:00 until 2026-01-01 00:01:30" in bench("show", "F1")[1]
    bench.client.post("clock", "advance", seconds=30)
    assert json.loads(bench("show", "F1", "--json")[1])["state"] == "ended"
    code, printed = bench("start", "radio-off", "gas", "--at", "2026-01-01T00:05")
    assert (code, printed.splitlines()[0]) == (0, "F2 radio-off at home/gas: waits until 2026-01-01 00:05:00")
    assert bench("end", "all") == (0, "F2 radio-off at home/gas: over since 2026-01-01 00:01:30\n")
    assert bench("end", "all") == (0, "no faults\n")


def test_the_catalogue(shared: Bench) -> None:
    code, printed = shared("list")
    assert code == 0 and all(name in printed for name in CATALOGUE)
    listed = json.loads(shared("list", "--json")[1])
    assert shared.client.get("faults", "catalogue") == listed
    assert [fault["name"] for fault in listed] == list(CATALOGUE)
    code, printed = shared("show", "wrong-certificate")
    assert code == 0
    assert (
        "  certificate=another's  What is wrong with it: another's, unknown-issuer, forged or without-its-key"
        in printed
    )


def test_what_the_api_says(bench: Bench) -> None:
    fault = bench.client.post("faults", fault="frame-counter-reset", device="home/gas", parameters={"seen": 500})
    assert {key: fault[key] for key in ("id", "fault", "device", "parameters", "state", "blamed", "ends_at")} == {
        "id": "F1",
        "fault": "frame-counter-reset",
        "device": "home/gas",
        "parameters": {"seen": 500},
        "state": "active",
        "blamed": "home/gas",
        "ends_at": None,
    }
    assert bench.client.get("faults") == [fault] == [bench.client.get("faults", "F1")]
    now = bench.client.get("clock")["now"]
    late = bench.client.post("faults", fault="mirror-refused", device="home/hub", at=now + 10**9, seconds=2.5)
    assert (late["state"], late["begins_at"], late["ends_at"]) == ("waiting", now + 10**9, now + 3_500_000_000)
    assert bench.client.post("faults", "F1", "end")["state"] == "ended"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("start", "nothing", "home/gas"), "nothing: no such fault; the catalogue has "),
        (("start", "radio-off", "away/gas"), "away/gas: no such premises"),
        (("start", "radio-off", "home/ihd"), "home/ihd: no such device; there are hub, electricity, gas"),
        (("start", "mirror-refused", "home/gas"), "home/gas: mirror-refused is a fault of: hub"),
        (("start", "interference", "home/hub", "level=99"), "interference: level: 99: must be -100 to 10 dBm"),
        (
            ("start", "interference", "home/hub", "depth=9"),
            "interference: depth: no such parameter; there are channels",
        ),
        (("start", "interference", "home/hub", "level"), "level: write NAME=VALUE"),
        (("start", "radio-off", "home/gas", "--at", "noon"), "noon: write a time such as"),
        (("start", "radio-off", "home/gas", "--at", "2020-01-01"), "radio-off: at: must be within 366 days from now"),
        (("start", "radio-off", "home/gas", "--at", "2026-02-01", "--after", "1"), "at and after_seconds: give one"),
        (("start", "radio-off", "home/gas", "--for", "1e12"), "radio-off: duration: must be more than 0"),
        (("start", "ncp-asserts", "home/hub"), "home/hub: no host is at a radio port"),
        (("start", "radio-off", "meters-only/electricity"), "meters-only: has no hub, and so no HAN"),
        (("end", "F9"), "F9: no such injection of a fault"),
        (("show", "F9"), "F9: no such injection of a fault"),
    ],
)
def test_what_cannot_be_is_one_line(shared: Bench, arguments: tuple[str, ...], words: str) -> None:
    code, printed = shared(*arguments)
    assert code != 0
    assert words in " ".join(printed.split())
    assert shared.client.get("faults") == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"fault": "radio-off"}, "device: Field required"),
        ({"fault": "radio-off", "device": "home/gas", "parameters": {"x": 1.5}}, "parameters.x"),
        ({"fault": "radio-off", "device": "home/gas", "parameters": {"x": "y" * 300}}, "parameters.x"),
        ({"fault": "radio-off", "device": "home/gas", "seconds": 0}, "seconds: Input should be greater than 0"),
        ({"fault": "radio-off", "device": "home/gas", "at": "now"}, "at: Input should be a valid integer"),
        ({"fault": "x" * 101, "device": "home/gas"}, "fault: String should have at most 100"),
    ],
)
def test_a_body_that_makes_no_sense(shared: Bench, content: dict[str, Any], words: str) -> None:
    with pytest.raises(ControlError, match=words):
        shared.client.post("faults", **content)


def test_a_trace_tells_of_faults(tmp_path: Path) -> None:
    lines: list[str] = []
    made = RunningRig(rig_of(TABLES), folder=tmp_path, mode=ClockMode.STEPPED)
    made.rig.air.append(Trace(lines.append).air)
    with made as rig:
        rig.runner.call(lambda: rig.rig.faults.start("duplicate-eui64", "home/electricity", {"period": 30}))
        rig.clock.advance(seconds=40)
    begins, ends = (line for line in lines if "fault F1" in line)
    assert (
        begins
        == "00:00:00.000000 home/hub/han: fault F1: duplicate-eui64 at home/electricity period=30 lead=1000 begins"
    )
    assert ends.endswith("duplicate-eui64 at home/electricity period=30 lead=1000 ends")
    assert sum("Device_annce" in line or "announce" in line for line in lines) >= 2


def test_a_rig_that_is_stopped_keeps_no_fault(tmp_path: Path) -> None:
    def run() -> RunningRig:
        file = rig_of(TABLES)
        return RunningRig(file, folder=tmp_path, mode=ClockMode.STEPPED, storage=tmp_path / "state.db")

    def hub(rig: RunningRig) -> Hub:
        found = rig.rig.premises["home"].hub
        assert found is not None
        return found

    with run() as rig:
        before = rig.runner.call(lambda: hub(rig).han.log.image())
        for name, device in (("stale-link-key", "gas"), ("truncated-device-log", "hub"), ("ncp-stuck", "hub")):
            rig.runner.call(lambda name=name, device=device: rig.rig.faults.start(name, f"home/{device}"))
        rig.clock.advance(hours=1)
        assert rig.runner.call(lambda: hub(rig).han.log.image()) != before
    with run() as rig:
        assert rig.runner.call(lambda: list(rig.rig.faults)) == []
        found = rig.runner.call(lambda: hub(rig).han.log.image())
        assert list(found["entries"]) == list(before["entries"])  # type: ignore[call-overload]
        rig.clock.advance(hours=2)
        assert rig.runner.call(lambda: [member.on for member in hub(rig).han.members]) == [True, True]


def test_a_client_of_the_hub_sees_it(bench: Bench) -> None:
    """The WAN goes on while a device is off the HAN: the device's server SAP has gone."""
    electricity = bench.rig.premises["home"].electricity

    def read() -> object:
        client: BlockingClient
        with electricity.client("public", port="hub/wan-tcp", timeout=1) as client:
            return client.get(1, "0-0:42.0.0")

    name = read()
    bench("start", "stale-link-key", "home/electricity")
    with pytest.raises(ClientError):
        read()
    bench("end", "F1")
    bench.client.post("clock", "advance", seconds=3700)
    assert read() == name


def test_the_line_to_the_radio_processor_is_unplugged(bench: Bench) -> None:
    host, _, port = bench.rig.ports_of("home/hub")["radio"].address.rpartition(":")
    reset = bytes.fromhex("1AC038BC7E")

    def connect() -> socket.socket:
        return socket.create_connection((host, int(port)), timeout=10)

    with connect() as line:
        line.sendall(reset)
        assert line.recv(100)[:1] == b"\xc1"
        bench("start", "ncp-unplugged", "home/hub")
        assert line.recv(100) == b""
    with connect() as line:
        assert line.recv(100) == b""
    bench("end", "F1")
    with connect() as line:
        line.sendall(reset)
        assert line.recv(100)[:1] == b"\xc1"


# --- when faults begin


def test_a_fault_that_waits_for_a_frame(bench: Bench) -> None:
    code, printed = bench(
        "start", "radio-off", "home/electricity", "--when", "request 2", "--for", "60", "--times", "2"
    )
    assert code == 0
    first = printed.splitlines()[0]
    assert first == (
        "F1 radio-off at home/electricity: waits for the 2nd request that comes to it; 0 times so far of 2"
    )
    waiting = bench.client.get("faults", "F1")
    assert (waiting["state"], waiting["begins_at"], waiting["when"]) == ("waiting", None, "request 2")
    meter = bench.rig.premises["home"].electricity
    with meter.client("public", port="hub/wan-tcp") as client, pytest.raises(ClientError):
        client.get(1, "0-0:42.0.0")  # the AARQ was the first; the meter's radio is off before it hears of this
    active = bench.client.get("faults", "F1")
    assert (active["state"], active["occurrences"], active["waits_for"]) == ("active", 1, None)
    assert bench("show", "F1")[1].splitlines()[0].endswith("; when request 2; 1 times so far of 2")
    bench.client.post("clock", "advance", seconds=3700)
    again = bench.client.get("faults", "F1")
    assert (again["state"], again["occurrences"], again["times"]) == ("waiting", 1, 2)
    bench("end", "F1")
    assert bench.client.get("faults", "F1")["state"] == "ended"


def test_a_fault_that_comes_again_and_again(bench: Bench) -> None:
    options = ("--every", "600", "--for", "60", "--between", "00:00-01:00", "--probability", "0.5")
    printed = bench("start", "radio-off", "home/gas", *options)[1]
    line = printed.splitlines()[0]
    assert "; every 600 s; between 00:00-01:00; with probability 0.5; " in line
    bench.client.post("clock", "advance", seconds=7200)
    told = bench.client.get("faults", "F1")
    assert told["occurrences"] + told["passed"] == 13 and 0 < told["occurrences"] < 6
    assert (told["every_seconds"], told["between"], told["probability"]) == (600, "00:00-01:00", 0.5)
    assert [event.name for event in bench.rig.events(fault="F1")].count("active") == told["occurrences"]


def test_the_conditions(shared: Bench) -> None:
    code, printed = shared("conditions")
    assert code == 0 and "frame N: the Nth frame, 1 to 1000000, that comes to the device (of: hub, elec" in printed
    assert json.loads(shared("conditions", "--json")[1]) == shared.client.get("faults", "conditions")
    assert [each.form for each in shared.rig.fault_conditions()][:2] == ["frame N", "request N"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--when", "frame 0"), "radio-off: when: frame 0: must be frame N"),
        (("--when", "noon"), "radio-off: when: noon: no such condition; there are frame N; request N"),
        (("--when", "read 1-0:99.9.9"), "home/electricity: it has no object 1-0:99.9.9.255 to wait for"),
        (("--every", "60", "--for", "60"), "radio-off: every: must be longer than it lasts"),
        (("--between", "5-6"), "radio-off: between: 5-6: must be two times of day"),
        (("--times", "3"), "radio-off: times: say what it repeats on"),
        (("--probability", "0"), "radio-off: probability: 0: must be above 0"),
    ],
)
def test_times_that_make_no_sense_are_one_line(shared: Bench, arguments: tuple[str, ...], words: str) -> None:
    code, printed = shared("start", "radio-off", "home/electricity", *arguments)
    assert code != 0 and words in " ".join(printed.split())
    assert shared.client.get("faults") == []


def test_faults_of_the_rig_file(tmp_path: Path) -> None:
    gas = {"fault": "radio-off", "device": "home/gas", "after": "1h", "lasts": "10m", "every": "1h", "times": 2}
    past = {"fault": "radio-off", "device": "home/hub", "at": "2025-12-31T00:00:00Z"}
    later = {"fault": "antenna-off", "device": "home/gas", "at": "2025-12-31T00:30:00Z", "every": "1h", "lasts": "1m"}
    tables = {
        "faults": [gas, past, later],
        "premises": [{"name": "home", "faults": [{"fault": "radio-off", "device": "electricity"}]}],
    }
    warnings: list[str] = []
    made = RunningRig(rig_of(tables), folder=tmp_path, mode=ClockMode.STEPPED)
    made.rig.warn = warnings.append
    with made as rig:
        assert [(each.id, each.device, each.state) for each in rig.faults] == [
            ("F1", "home/gas", "waiting"),
            ("F2", "home/gas", "waiting"),
            ("F3", "home/electricity", "active"),
        ]
        rig.clock.advance(minutes=30)
        assert [each.occurrences for each in rig.faults] == [0, 1, 1]
        rig.clock.advance(hours=3)
        assert [(each.occurrences, each.state) for each in rig.faults] == [(2, "ended"), (4, "active"), (1, "active")]
    assert warnings == ["built-in rig: faults.1: radio-off at home/hub: its time is past; nothing was injected"]
    cannot = {"faults": [{"fault": "ncp-asserts", "device": "home/hub"}], "premises": [{"name": "home"}]}
    with pytest.raises(ConfigError, match=r"faults\.0: home/hub: no host is at a radio port"):
        RunningRig(rig_of(cannot), folder=tmp_path, mode=ClockMode.STEPPED).start()


# --- their ids


def test_ids_of_faults_in_traces_events_and_explanations(tmp_path: Path) -> None:
    lines: list[str] = []
    made = RunningRig(rig_of(TABLES), folder=tmp_path, mode=ClockMode.STEPPED)
    Trace(lines.append).attach(made.rig, air=False)
    with made as rig:
        fault = rig.start_fault("oversleeping-meter", "home/gas")
        meter = rig.premises["meters-only"].electricity
        rig.start_fault("radio-off", "home/electricity", when="request 1")
        with rig.premises["home"].hub.client("public", port="wan-tcp") as client:
            client.get(1, "0-0:42.0.0")
        with meter.client("public") as client:
            client.get(1, "0-0:42.0.0")
        host, _, port = rig.premises["home"].hub.tcp.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5) as line:
            line.sendall(bytes.fromhex("0002001000010001 00".replace(" ", "")))
            assert line.recv(100) == b""
        (refusal,) = rig.events(source="port")
        assert (refusal.fault, refusal.port) == (fault.id, "home/hub/wan-tcp")
        (why,) = rig.runner.call(lambda: rig.rig.history.entries(["home/hub/wan-tcp"]))
        assert why.faults == (f"fault {fault.id}: oversleeping-meter at home/gas",)
        assert "in force: fault F1: oversleeping-meter at home/gas" in told({**asdict(why), "layer": "link"})
    spoken = [line.split(" ", 1)[1] for line in lines]
    assert all(line.startswith("home/hub/wan-tcp [F1] ") for line in spoken if "home/hub/wan-tcp" in line)
    assert not any("[" in line for line in spoken if line.startswith("meters-only"))
    assert "home/gas: fault F1: oversleeping-meter at home/gas" in "\n".join(spoken)
    assert "home/electricity: fault F2: radio-off at home/electricity waits for the next request" in "\n".join(spoken)


def test_ids_of_faults_in_a_capture(tmp_path: Path) -> None:
    with Capture(tmp_path / "faults.pcapng") as capture:
        made = RunningRig(rig_of(TABLES), folder=tmp_path, mode=ClockMode.STEPPED)
        capture.attach(made.rig)
        with made as rig:
            meter = rig.premises["meters-only"].electricity
            with meter.client("public") as client:
                client.get(1, "0-0:42.0.0")
            rig.start_fault("dropped-messages", "meters-only/electricity", {"per_cent": 100})
            with pytest.raises(ClientError), meter.client("public", timeout=0.3) as client:
                client.get(1, "0-0:42.0.0")
            rig.start_fault("antenna-off", "home/gas", decibels=1)
            rig.clock.advance(hours=1)
    packets: dict[str, list[tuple[str, ...]]] = {}
    names: list[str] = []
    with capture.path.open("rb") as file:
        for kind, body in blocks(capture.path, file):
            if kind == pcapng.INTERFACE_BLOCK:
                names.append(pcapng.read_interface(body)[0])
            elif kind == pcapng.PACKET_BLOCK and (seen := pcapng.read_packet(body)) is not None:
                packets.setdefault(names[seen.interface], []).append(seen.comments)
    line = packets["meters-only/electricity/optical"]
    assert any(
        comment.startswith("fault F1: dropped-messages") and comment.endswith("begins") for comment in sum(line, ())
    )
    lost = [
        comments for comments in line if any("fault F1" in each and each.startswith("why: line") for each in comments)
    ]
    assert lost and all("in force: fault F1: dropped-messages at meters-only/electricity" in each for each in lost)
    air = packets["home/hub/han"]
    assert "fault F2: antenna-off at home/gas decibels=1 begins" in air[0]
    assert all("in force: fault F2: antenna-off at home/gas" in comments for comments in air)
    told_of = [entry for entry in explanations(capture.path) if entry["port"] == "meters-only/electricity/optical"]
    assert told_of and told_of[-1]["faults"] == ["fault F1: dropped-messages at meters-only/electricity"]
