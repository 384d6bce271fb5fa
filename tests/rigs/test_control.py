"""The control API over real HTTP, the file that leads to it, and the pytest plugin's verbs that do the same."""

from __future__ import annotations

import http.client
import json
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from emulator.meter import Meter
from protocols.tokens.scheme import Outcome
from rigs.config import rig_of
from rigs.control import desk
from rigs.control.client import ControlClient, ControlError
from rigs.control.desk import BadInputError, DeskError
from rigs.control.place import NAME, Claim, Place
from rigs.control.server import ControlServer, parse_address
from rigs.driver import ClockMode
from rigs.ports import PortError
from rigs.running import RunningDevice, RunningRig
from rigs.serving import MAX_BODY

PREPAID = {"prepayment": {"balance_pence": 500}, "load": {"kind": "constant", "value": 0}}
TABLES: dict[str, object] = {
    "premises": [{"name": "home", "hub": {"ports": {"wan-tcp": "tcp:0"}}, "electricity": PREPAID, "gas": PREPAID}]
}
HOME = ("devices", "home")


def issue(device: RunningDevice, counter: int, pence: int) -> str:
    """A token for a meter, made with its own secret."""
    meter = device.device
    assert isinstance(meter, Meter)
    assert meter.account is not None
    tokens = meter.account.settings.tokens
    scheme = tokens.scheme(meter.token_secret(tokens), meter.token_originator(tokens), meter.identity.eui64)
    return scheme.issue(counter, pence)


class Answer(NamedTuple):
    status: int
    content: Any
    headers: dict[str, str]


class Control:
    """A rig that runs with its control API, and plain HTTP to it."""

    def __init__(self, rig: RunningRig, folder: Path) -> None:
        self.rig = rig
        self.folder = folder
        self.server = ControlServer(rig.rig, parse_address("0"), folder)
        rig.runner.run(self.server.start())
        self.place = self.server.place
        self.client = ControlClient(folder)

    def stop(self) -> None:
        if not self.rig.runner.closed:
            self.rig.runner.run(self.server.stop())

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """One request; logged in unless ``headers`` say otherwise."""
        address = urlsplit(self.place.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
        login = {"Authorization": f"Bearer {self.place.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, body, login if headers is None else headers)
            answer = connection.getresponse()
            return Answer(answer.status, json.loads(answer.read()), {k.lower(): v for k, v in answer.getheaders()})
        finally:
            connection.close()

    def detail(self, status: int, method: str, path: str, body: bytes | None = None) -> str:
        """The one line of a request that is not done."""
        answer = self.ask(method, path, body)
        assert answer.status == status, answer
        assert list(answer.content) == ["detail"]
        text = answer.content["detail"]
        assert isinstance(text, str)
        assert "\n" not in text
        return text


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    """The same for all tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("control")
    with RunningRig(rig_of(TABLES), folder=folder, mode=ClockMode.STEPPED) as rig:
        made = Control(rig, folder)
        yield made
        made.stop()


@pytest.fixture
def control(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> Iterator[Control]:
    """A prepaid home on a stepped clock."""
    made = Control(smets1_rig(TABLES), tmp_path)
    yield made
    made.stop()


# -- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/devices", "/openapi.json", "/nothing", "/devices/home/electricity/keys", "/clock"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_nobody_gets_in_without_the_token(shared: Control, method: str, path: str) -> None:
    token = shared.place.token
    for header in (None, "", "Bearer", "Bearer ", f"Basic {token}", f"Bearer {token}x", f"Bearer {token[:-1]}", token):
        headers = {} if header is None else {"Authorization": header}
        answer = shared.ask(method, path, b'{"keys": "1"}' if method == "POST" else None, headers)
        assert answer.status == 401
        assert "Authorization: Bearer TOKEN" in answer.content["detail"]
        assert answer.headers["www-authenticate"] == "Bearer"
    assert shared.rig.premises["home"].electricity.display == "Credit 5.00 GBP"


def test_it_is_loopback_and_the_file_is_its_owner_s_alone(control: Control) -> None:
    assert urlsplit(control.place.url).hostname == "127.0.0.1"
    file = control.folder / NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {"url": control.place.url, "token": control.place.token}
    assert len(control.place.token) >= 43
    control.stop()
    assert not file.exists()
    with pytest.raises(ControlError, match="no rig runs in this folder"):
        ControlClient(control.folder)


def test_the_description_is_openapi_and_names_every_verb(shared: Control) -> None:
    found = shared.client.get("openapi.json")
    assert found["openapi"].startswith("3.")
    device = "/devices/{premises}/{kind}"
    assert {(path, method) for path, methods in found["paths"].items() for method in methods} == {
        ("/devices", "get"),
        (device, "get"),
        (f"{device}/keys", "post"),
        (f"{device}/token", "post"),
        (f"{device}/button", "post"),
        (f"{device}/emergency", "post"),
        (f"{device}/tap", "post"),
        (f"{device}/join", "post"),
        ("/premises/{premises}/han", "get"),
        ("/premises/{premises}/replace-gas", "post"),
        ("/faults", "get"),
        ("/faults", "post"),
        ("/faults/catalogue", "get"),
        ("/faults/conditions", "get"),
        ("/faults/{id}", "get"),
        ("/faults/{id}/end", "post"),
        ("/clock", "get"),
        ("/clock/advance", "post"),
        ("/clock/rate", "post"),
        ("/status", "get"),
        ("/ports", "get"),
        (f"{device}/status", "get"),
        (f"{device}/power", "get"),
        (f"{device}/power", "post"),
        (f"{device}/battery", "post"),
        (f"{device}/load", "get"),
        (f"{device}/load", "post"),
        ("/premises/{premises}/power", "post"),
        ("/events", "get"),
        ("/metrics", "get"),
        ("/why", "get"),
    }
    for methods in found["paths"].values():
        for operation in methods.values():
            assert operation["security"], "each operation says that it needs the token"
            assert operation["description"]
            assert {"401", "404", "409", "413", "422"} <= set(operation["responses"])
    assert shared.ask("GET", "/docs").status == 404


# -- verbs -----------------------------------------------------------------------------------------------------------


def test_devices_are_listed_and_shown(control: Control) -> None:
    client = control.client
    assert [(entry["premises"], entry["kind"]) for entry in client.get("devices")] == [
        ("home", "hub"),
        ("home", "electricity"),
        ("home", "gas"),
    ]
    assert [entry["kind"] for entry in control.ask("GET", "/devices?first=1&most=1").content] == ["electricity"]
    meter = client.get(*HOME, "electricity")
    assert meter["display"] == "Credit 5.00 GBP"
    assert (meter["balance"], meter["mode"], meter["supply"], meter["power"]) == (500_000, "prepayment", "on", "on")
    assert meter["serial"] == control.rig.premises["home"].electricity.device.identity.serial
    hub = client.get(*HOME, "hub")
    assert (hub["power"], hub["display"], hub["balance"], hub["supply"]) == ("on", None, None, None)
    assert client.get(*HOME, "gas")["display"] == ""
    control.rig.premises["home"].electricity.power_off()
    meter = client.get(*HOME, "electricity")
    assert (meter["power"], meter["display"]) == ("off", "")


def test_keys_are_pressed_and_tokens_entered(control: Control) -> None:
    client, meter = control.client, control.rig.premises["home"].electricity
    assert client.post(*HOME, "electricity", "keys", keys="7394 3")["display"] == "7394 3"
    assert client.post(*HOME, "electricity", "keys", keys="<<")["display"] == "739"
    token = issue(meter, 1, 10_00)
    answer = client.post(*HOME, "electricity", "token", digits=token)
    assert answer == {
        "outcome": "accepted",
        "text": Outcome.ACCEPTED.value,
        "balance": 1_500_000,
        "display": "Accepted 10.00 GBP",
    }
    answer = client.post(*HOME, "electricity", "token", digits=f"{token[:4]} {token[4:]}", way="display")
    assert (answer["outcome"], answer["balance"]) == ("duplicate", 1_500_000)
    assert meter.call(lambda: meter.device.account.tokens.delivery.name) == "LOCAL"  # type: ignore[attr-defined]
    answer = client.post(*HOME, "gas", "token", digits=issue(control.rig.premises["home"].gas, 1, 3_00))
    assert (answer["outcome"], answer["balance"]) == ("accepted", 800_000)


def test_buttons_and_the_clock_bring_a_supply_back(control: Control) -> None:
    client, meter = control.client, control.rig.premises["home"].electricity
    meter.load(watts=10_000)
    control.rig.premises["home"].gas.load(cubic_metres_per_hour=0)
    before = client.get("clock")
    assert (before["mode"], before["now"]) == ("stepped", control.rig.clock.ns)
    after = client.post("clock", "advance", seconds=7200)
    assert after["now"] - before["now"] == 7200 * 10**9
    assert client.post("clock", "advance", seconds=3600.5)["now"] - after["now"] == 3600_500_000_000
    for _ in range(10):
        state = client.get(*HOME, "electricity")
        if state["supply"] == "off":
            break
        client.post("clock", "advance", seconds=3600)
    assert state["supply"] == "off"
    assert client.post(*HOME, "electricity", "button") == {"supply": "off", "display": "Supply off"}
    answer = client.post(*HOME, "electricity", "emergency")
    assert answer["activated"] is True
    assert answer["display"].startswith("Emergency credit ")
    assert client.get(*HOME, "electricity")["supply"] == "armed"
    assert client.post(*HOME, "electricity", "button") == {"supply": "on", "display": "Supply on"}
    assert client.post(*HOME, "electricity", "emergency")["activated"] is True


def test_a_valve_stays_shut_while_a_tap_is_open(control: Control) -> None:
    client, gas = control.client, control.rig.premises["home"].gas
    gas.load(cubic_metres_per_hour=6)
    for _ in range(40):
        client.post("clock", "advance", seconds=1800)
        if client.get(*HOME, "gas")["supply"] == "off":
            break
    gas.load(cubic_metres_per_hour=0)
    assert client.post(*HOME, "gas", "token", digits=issue(gas, 1, 20_00))["outcome"] == "accepted"
    assert gas.state.supply == "armed"
    assert client.post(*HOME, "gas", "tap", litres_per_hour=400) == {"litres_per_hour": 400}

    def pressed(seconds: int) -> list[str | None]:
        states = [client.post(*HOME, "gas", "button")["supply"]]
        client.post("clock", "advance", seconds=seconds)
        return [*states, gas.state.supply]

    assert pressed(60) == ["on", "armed"]
    assert "valve_test_failed" in gas.state.alarms
    gas.open_tap(litres_per_hour=0)
    assert pressed(60) == ["on", "on"]


# -- what is not done ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "method", "path", "body", "words"),
    [
        (404, "GET", "/devices/nowhere/gas", None, "nowhere: no such premises; there are home"),
        (404, "GET", "/devices/home/ihd", None, "home/ihd: no such device; there are hub, electricity, gas"),
        (404, "GET", "/nothing", None, "GET /nothing: not found; /openapi.json says what there is"),
        (405, "DELETE", "/devices", None, "DELETE /devices: method not allowed"),
        (409, "POST", "/devices/home/hub/keys", b'{"keys": "1"}', "home/hub: has no keypad or display"),
        (409, "POST", "/devices/home/hub/button", None, "home/hub: has no supply"),
        (409, "POST", "/devices/home/hub/emergency", None, "home/hub: has no account"),
        (409, "POST", "/devices/home/hub/token", b'{"digits": "1"}', "home/hub: has no keypad"),
        (422, "POST", "/devices/home/gas/keys", b'{"keys": "12x"}', "home/gas: keys: 'x': not a key; keys are digits"),
        (422, "POST", "/devices/home/gas/keys", b'{"keys": ""}', "keys: String should have at least 1"),
        (422, "POST", "/devices/home/gas/keys", b'{"keys": 12}', "keys: Input should be a valid string"),
        (422, "POST", "/devices/home/gas/keys", b'{"keys": "1", "k": 1}', "k: Extra inputs are not permitted"),
        (422, "POST", "/devices/home/gas/keys", b"{}", "keys: Field required"),
        (422, "POST", "/devices/home/gas/keys", b'{"keys": ', "JSON decode error"),
        (400, "POST", "/devices/home/gas/keys", b"[" * 60_000, "error parsing the body"),
        (422, "POST", "/devices/home/gas/keys", None, "body: Field required"),
        (422, "POST", "/devices/home/gas/token", b'{"digits": "12#"}', "home/gas: digits: a token is typed with"),
        (422, "POST", "/devices/home/gas/token", b'{"digits": "1", "way": "post"}', "way: Input should be 'keypad'"),
        (409, "POST", "/devices/home/hub/tap", b'{"litres_per_hour": 1}', "home/hub: has no tap behind it; gas meters"),
        (409, "POST", "/devices/home/electricity/tap", b'{"litres_per_hour": 1}', "home/electricity: has no tap"),
        (422, "POST", "/devices/home/gas/tap", b'{"litres_per_hour": -1}', "litres_per_hour: Input should be greater"),
        (422, "POST", "/devices/home/gas/tap", b'{"litres_per_hour": 100001}', "litres_per_hour: Input should be less"),
        (422, "POST", "/clock/advance", b'{"seconds": -1}', "seconds: Input should be greater than or equal to 0"),
        (422, "POST", "/clock/advance", b'{"seconds": 1e300}', "clock: seconds: 1e+300: 0 to 31622400"),
        (422, "POST", "/clock/advance", b'{"seconds": NaN}', "seconds: Input should be a finite number"),
        (422, "GET", "/devices?most=0", None, "most: Input should be greater than or equal to 1"),
        (413, "POST", "/devices/home/gas/keys", b" " * (MAX_BODY + 1), f"at most {MAX_BODY} octets"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    shared: Control, status: int, method: str, path: str, body: bytes | None, words: str
) -> None:
    before = shared.client.get("clock")
    assert words in shared.detail(status, method, path, body)
    assert shared.client.get("clock") == before


def test_a_body_that_is_not_called_json_is_told_so(shared: Control) -> None:
    login = {"Authorization": f"Bearer {shared.place.token}"}
    for kind in (None, "application/x-www-form-urlencoded", "text/plain; charset=utf-8"):
        headers = login if kind is None else {**login, "Content-Type": kind}
        answer = shared.ask("POST", "/devices/home/gas/keys", b'{"keys": "1"}', headers)
        assert answer.status == 422
        name = (kind or "none").partition(";")[0]
        assert answer.content == {"detail": f"body: its Content-Type is {name}; send application/json"}


def test_a_fault_of_ours_is_told_and_logged_and_the_rig_goes_on(
    shared: Control, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(device: object) -> None:
        raise ZeroDivisionError("in the works")

    with monkeypatch.context() as patch:
        patch.setattr(desk, "look", fails)
        text = shared.detail(500, "GET", "/devices/home/electricity")
    assert text == "GET /devices/home/electricity: a fault of the emulator (ZeroDivisionError); its log says more"
    assert shared.client.get(*HOME, "electricity")["power"] == "on"
    patience = time.monotonic() + 10
    while "in the works" not in caplog.text:  # it is logged once the answer has been sent
        assert time.monotonic() < patience
        time.sleep(0.01)
    assert shared.place.token not in caplog.text


def test_a_meter_without_power_takes_no_token(control: Control) -> None:
    meter = control.rig.premises["home"].electricity
    meter.power_off()
    for way in ("keypad", "display"):
        body = json.dumps({"digits": "1" * 20, "way": way}).encode()
        text = control.detail(409, "POST", "/devices/home/electricity/token", body)
        assert text == "home/electricity: has no power or is starting; nothing was entered"
    assert control.client.post(*HOME, "electricity", "keys", keys="12#")["display"] == ""


@pytest.mark.parametrize(
    "octets",
    [
        b"\x00\xff" * 500,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000,
        b"POST /clock/advance HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
        b"GET /clock HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"GET /clock HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ],
)
def test_what_is_no_good_request_is_answered_or_dropped(shared: Control, octets: bytes) -> None:
    address = urlsplit(shared.place.url)
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=10) as connection:
        try:
            connection.sendall(octets)
            said = connection.recv(65536)
        except ConnectionError:
            said = b""
    assert said == b"" or said.startswith(b"HTTP/1.1 4")
    assert shared.client.get("clock")["mode"] == "stepped"


def test_a_clock_that_runs_by_itself_is_not_advanced(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> None:
    control = Control(smets1_rig(TABLES, mode=ClockMode.REAL), tmp_path)
    text = control.detail(409, "POST", "/clock/advance", b'{"seconds": 1}')
    assert text == "clock: it runs by itself (real); start the rig with --stepped to advance it"
    first = control.client.get("clock")["now"]
    assert control.client.get("clock")["now"] > first
    control.stop()


def test_what_a_request_sets_in_motion_goes_on_by_itself(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> None:
    """At a rate of 3,600 a kilowatt-hour is used in a third of a second; nobody needs to look for the meter to cut."""
    control = Control(smets1_rig(TABLES, mode=ClockMode.ACCELERATED, rate=36_000), tmp_path)
    meter = control.rig.premises["home"].electricity
    meter.load(watts=200_000)
    recorded = threading.Event()
    meter.call(
        lambda: meter.device.observers.append(lambda event: recorded.set() if event == "supply_disabled" else None)
    )
    assert recorded.wait(10)
    assert control.client.get(*HOME, "electricity")["supply"] == "off"
    control.stop()


# -- the file --------------------------------------------------------------------------------------------------------


def test_two_rigs_do_not_share_a_folder(control: Control, smets1_rig: Callable[..., RunningRig]) -> None:
    other = smets1_rig({"premises": [{"gas": None, "electricity": None}]})
    server = ControlServer(other.rig, parse_address("0"), control.folder)
    with pytest.raises(PortError, match="another rig runs in this folder; start this one in another folder"):
        other.runner.run(server.start())
    other.runner.run(server.stop())
    assert ControlClient(control.folder).get("clock")


def test_a_port_that_is_taken_is_one_line(shared: Control, tmp_path: Path) -> None:
    port = urlsplit(shared.place.url).port
    (tmp_path / "other").mkdir()
    server = ControlServer(shared.rig.rig, parse_address(str(port)), tmp_path / "other")
    with pytest.raises(PortError, match=f"--control 127.0.0.1:{port}: the port is in use"):
        shared.rig.runner.run(server.start())
    assert not list((tmp_path / "other").iterdir())
    server = ControlServer(shared.rig.rig, parse_address("0"), tmp_path / "missing")
    with pytest.raises(PortError, match=f"{NAME}: no such file or directory"):
        shared.rig.runner.run(server.start())


@pytest.mark.parametrize("text", ["", "x", "host:", "127.0.0.1:99999", "a:b:1", "1 2"])
def test_an_address_that_is_none_is_one_line(text: str) -> None:
    with pytest.raises(PortError, match=r"--control .*; write PORT, HOST:PORT or off"):
        parse_address(text)


def test_a_file_that_was_left_behind_is_told_and_replaced(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        gone = probe.getsockname()[1]
    file = tmp_path / NAME
    file.write_text(json.dumps({"url": f"http://127.0.0.1:{gone}", "token": "old"}))
    with pytest.raises(ControlError, match="left by a rig that has ended; start it again: smets1 up"):
        ControlClient(tmp_path).get("clock")
    file.chmod(0o644)
    claim = Claim(tmp_path, Place("http://127.0.0.1:1", "new"))
    assert json.loads(file.read_text())["token"] == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(PortError, match="another rig"):
        Claim(tmp_path, Place("http://127.0.0.1:2", "third"))
    claim.release()
    claim.release()
    assert not file.exists()


@pytest.mark.parametrize("content", ["mine", "{}", '{"url": 1, "token": ""}', "[" * 5000, "\0"])
def test_a_file_of_someone_else_s_is_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / NAME
    file.write_text(content)
    with pytest.raises(PortError, match="something that no rig has written is there already"):
        Claim(tmp_path, Place("http://127.0.0.1:1", "token"))
    assert file.read_text() == content
    with pytest.raises(ControlError, match="not a file that a rig has written"):
        ControlClient(tmp_path)


def test_a_link_or_a_folder_in_its_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("")
    (tmp_path / NAME).symlink_to(target)
    with pytest.raises(PortError, match=NAME):
        Claim(tmp_path, Place("http://127.0.0.1:1", "token"))
    assert target.read_text() == ""
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).mkdir()
    with pytest.raises(PortError, match=NAME):
        Claim(tmp_path, Place("http://127.0.0.1:1", "token"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:99999999", "not a rig's address"),
        ("nonsense", "127.0.0.1"),
        ("http://[", "not a rig's address"),
    ],
)
def test_a_file_that_leads_nowhere_is_one_line(tmp_path: Path, url: str, words: str) -> None:
    (tmp_path / NAME).write_text(json.dumps({"url": url, "token": "t"}))
    with pytest.raises(ControlError) as told:
        ControlClient(tmp_path).get("clock")
    assert "\n" not in str(told.value)
    if url != "nonsense":
        assert words in str(told.value)


def test_a_program_that_is_no_rig_is_told_from_one(tmp_path: Path) -> None:
    """Something else has the port by now: it answers nonsense, nothing, or that the token is wrong."""
    said = [b"220 mail\r\n", b"", b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n{"]
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for octets in said:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(octets)

        thread = threading.Thread(target=answer)
        thread.start()
        place = {"url": f"http://127.0.0.1:{listener.getsockname()[1]}", "token": "t"}
        (tmp_path / NAME).write_text(json.dumps(place))
        client = ControlClient(tmp_path)
        for words in ("is the rig still running", "is the rig still running", "another rig answers", "is no rig"):
            with pytest.raises(ControlError, match=words):
                client.get("clock")
        thread.join(10)


# -- leaving nothing behind ------------------------------------------------------------------------------------------


def test_nothing_is_left_of_it(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> None:
    """A client that keeps its connection open does not hold the end up, and no file stays open."""
    rig = smets1_rig({"premises": [{"gas": None, "electricity": None}]})
    held: list[int] = []
    for _ in range(3):
        control = Control(rig, tmp_path)
        address = urlsplit(control.place.url)
        with socket.create_connection((str(address.hostname), address.port or 0), timeout=5) as idle:
            idle.sendall(b"GET /clock HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(100).startswith(b"HTTP/1.1 401")
            begun = time.monotonic()
            control.stop()
            assert time.monotonic() - begun < 3
        rig.runner.call(lambda: None)
        held.append(len(list(Path("/proc/self/fd").iterdir())))
    assert held[0] == held[1] == held[2]
    assert not rig.runner.errors


# -- the plugin's verbs ----------------------------------------------------------------------------------------------


def test_a_test_does_the_same_without_http(smets1_rig: Callable[..., RunningRig]) -> None:
    rig = smets1_rig(TABLES)
    home = rig.premises["home"]
    meter = home.electricity
    assert (meter.display, meter.balance) == ("Credit 5.00 GBP", 500_000)
    assert meter.press("7394") == "7394"
    assert meter.top_up(issue(meter, 1, 2_00)) is Outcome.ACCEPTED
    assert meter.top_up(issue(meter, 1, 2_00), at_display=True) is Outcome.DUPLICATE
    assert meter.top_up(issue(meter, 2, 1_00), at_display=True) is Outcome.ACCEPTED
    assert meter.balance == 800_000
    rig.clock.advance(seconds=60)
    assert meter.display == "Credit 8.00 GBP"
    assert meter.press_button() == "on"
    assert meter.activate_emergency_credit() is False
    meter.load(watts=20_000)
    rig.clock.advance(hours=12)
    assert meter.state.supply == "off"
    assert {"low_credit", "credit_exhausted"} <= set(meter.state.alarms)
    assert meter.activate_emergency_credit() is True
    assert meter.press_button() == "on"
    assert home.gas.display == ""
    assert home.gas.press(">").startswith("Emergency credit")
    with pytest.raises(BadInputError, match="home/electricity: keys: 'x': not a key"):
        meter.press("12x")
    with pytest.raises(DeskError, match="home/hub: has no keypad or display"):
        _ = home.hub.display
    with pytest.raises(DeskError, match="home/hub: has no account"):
        _ = home.hub.balance
    meter.power_off()
    with pytest.raises(DeskError, match="has no power"):
        meter.top_up("1" * 20)
