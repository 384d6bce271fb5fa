"""``smets1 why``: each request that gets no answer, or an odd one, is explained by the layer that dropped it."""

from __future__ import annotations

import json
import os
import select
import socket
import termios
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from emulator.telling import Layer
from emulator.time import Clock
from protocols import pcapng, wrapper
from protocols.dlms.security import Counters
from protocols.hdlc.frame import Frame, encode, encode_address
from rigs.capture import Capture, CaptureError
from rigs.captured import explanations
from rigs.cli import app
from rigs.client import ClientError
from rigs.control.server import ControlServer, parse_address
from rigs.explanations import NO_ANSWER, PER_PORT, PORTS, History
from rigs.ports import parse_port
from rigs.running import RunningRig

TABLES: dict[str, object] = {
    "premises": [
        {
            "name": "home",
            "hub": {"ports": {"wan": "pty:hub", "wan-tcp": "tcp:0"}},
            "electricity": {"ports": {"optical": "pty:meter"}},
            "gas": {},
        }
    ]
}
WAN, WAN_TCP, OPTICAL = "home/hub/wan", "home/hub/wan-tcp", "home/electricity/optical"
SNRM = 0x93


class Desk:
    """A rig with its control API, and the command line that asks it why."""

    def __init__(self, rig: RunningRig, folder: Path) -> None:
        self.rig = rig
        self.folder = folder
        self.control = ControlServer(rig.rig, parse_address("0"), folder)
        rig.runner.run(self.control.start())

    def stop(self) -> None:
        if not self.rig.runner.closed:
            self.rig.runner.run(self.control.stop())

    def command(self, *words: str) -> str:
        result = CliRunner().invoke(app, ["why", *words, "--folder", str(self.folder)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.stdout

    def why(self, port: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.command(port, "--json").splitlines()]

    def last(self, port: str) -> dict[str, Any]:
        """The latest explanation, which may be a moment in coming."""
        end = time.monotonic() + 5
        while not (found := self.why(port)):
            assert time.monotonic() < end
            time.sleep(0.01)
        return found[-1]


@pytest.fixture
def desk(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> Iterator[Desk]:
    made = Desk(smets1_rig(TABLES), tmp_path)
    yield made
    made.stop()


def frame(control: int, lower: int, upper: int = 1) -> bytes:
    return encode(Frame(encode_address(upper, lower, 4), encode_address(16), control, b""))


def say(path: Path, data: bytes, baud: int = termios.B9600, wait: float = 0.15) -> bytes:
    """What is answered on a terminal within ``wait`` seconds."""
    client = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(client)
        settings = termios.tcgetattr(client)
        settings[4] = settings[5] = baud
        termios.tcsetattr(client, termios.TCSANOW, settings)
        os.write(client, data)
        return os.read(client, 1000) if select.select([client], [], [], wait)[0] else b""
    finally:
        os.close(client)


def ask(rig: RunningRig, *messages: bytes) -> bytes:
    host, _, number = rig.premises["home"].hub.ports["wan-tcp"].rpartition(":")
    with socket.create_connection((host, int(number)), timeout=0.3) as client:
        for message in messages:
            client.sendall(message)
        try:
            return client.recv(1000)
        except TimeoutError:
            return b""


def test_nothing_refused_is_nothing_to_tell(desk: Desk) -> None:
    assert desk.command("home/hub") == "home/hub: nothing was dropped or refused\n"
    assert desk.command() == "this rig: nothing was dropped or refused\n"


def test_a_wrong_address_is_of_the_link_layer(desk: Desk) -> None:
    assert say(desk.folder / "hub", frame(SNRM, 99)) == b""
    entry = desk.last(WAN)
    assert (entry["layer"], entry["answer"]) == ("link", NO_ANSWER)
    assert "lower 99 is not here; this is 16" in entry["why"]
    assert entry["came"] == "16>1/99 SNRM P/F=1"


def test_a_wrong_check_sequence_is_of_the_link_layer(desk: Desk) -> None:
    broken = bytearray(frame(SNRM, 16))
    broken[-2] ^= 1
    assert say(desk.folder / "hub", bytes(broken)) == b""
    entry = desk.last(WAN)
    assert (entry["layer"], entry["answer"]) == ("link", NO_ANSWER)
    assert "FCS" in entry["why"]
    assert bytes(broken[:8]).hex(" ") in entry["came"]


def test_octet_by_octet_the_message_is_put_together(desk: Desk) -> None:
    client = os.open(desk.folder / "hub", os.O_RDWR | os.O_NOCTTY)
    tty.setraw(client)
    held_up = 1.0
    while held_up > 0.01:  # by other work of the machine, so that the device gave the frame up: it is sent again
        held_up, before = 0.0, time.monotonic()
        for octet in frame(SNRM, 99):
            os.write(client, bytes((octet,)))
            time.sleep(0.002)
            held_up, before = max(held_up, time.monotonic() - before), time.monotonic()
    assert desk.last(WAN)["came"] == "16>1/99 SNRM P/F=1"
    os.close(client)


def test_a_wrong_rate_is_of_the_line(desk: Desk) -> None:
    say(desk.folder / "hub", frame(SNRM, 16), termios.B2400)
    desk.last(WAN)
    entry = desk.why(WAN)[0]
    assert entry["layer"] == "line"
    assert "the client is set to 2400 Bd, the device to 9600 Bd" in entry["why"]
    assert entry["came"] == "16>1/16 SNRM P/F=1"  # what was sent, not what was heard of it


def test_an_unknown_sap_gets_no_answer(desk: Desk) -> None:
    assert ask(desk.rig, wrapper.encode(16, 77, b"\xc0\x01\xc1\x00")) == b""
    entry = desk.last(WAN_TCP)
    assert "server SAP 77 is not here" in entry["why"]
    assert entry["came"].startswith("16>77")
    assert entry["answer"] == NO_ANSWER


def test_a_replayed_counter_is_of_the_security_layer(desk: Desk) -> None:
    meter = desk.rig.premises["home"].hub
    with meter.client("management", port="wan-tcp") as client:
        client.get(1, "0-0:42.0.0")
    with (
        pytest.raises(ClientError, match="invocation counter"),
        meter.client("management", port="wan-tcp", counters=Counters(sent=0), recover_counter=False),
    ):
        pass
    entry = desk.last(WAN_TCP)
    assert entry["layer"] == "security"
    assert "counter" in entry["why"]
    assert entry["came"].startswith("64>1 | AARQ")
    assert entry["answer"]
    assert entry["answer"] != NO_ANSWER


def test_a_refusal_is_of_the_application(desk: Desk) -> None:
    hub = desk.rig.premises["home"].hub
    with hub.client(port="wan-tcp") as client, pytest.raises(ClientError):
        client.get(3, "1-0:99.99.9")
    entry = desk.last(WAN_TCP)
    assert (entry["layer"], entry["times"]) == ("application", 1)
    assert "1-0:99.99.9" in entry["came"]
    assert entry["answer"].startswith("1>16 | GET response Register 1-0:99.99.9.255 value: object undefined")


def test_a_device_that_is_off_or_starting_says_so(desk: Desk) -> None:
    hub, electricity = desk.rig.premises["home"].hub, desk.rig.premises["home"].electricity
    electricity.power_off()
    assert say(desk.folder / "meter", b"/?!\r\n", termios.B300) == b""
    entry = desk.last(OPTICAL)
    assert (entry["layer"], entry["why"]) == ("device", "not heard: home/electricity has no power")
    assert (entry["came"], entry["answer"]) == ("/?!<CR><LF>", NO_ANSWER)
    electricity.power_on()
    say(desk.folder / "meter", b"/?!\r\n", termios.B300)
    assert "is still starting" in desk.why(OPTICAL)[-1]["why"]
    electricity.power_off()
    with pytest.raises(ClientError), electricity.client(port="hub/wan-tcp", timeout=0.3):
        pass
    assert "home/electricity, behind this hub, has no power" in desk.last(WAN_TCP)["why"]
    hub.power_off()
    assert ask(desk.rig, wrapper.encode(16, 1, b"\xc0")) == b""
    assert desk.why(WAN_TCP)[-1]["layer"] == "device"


def test_a_sign_on_to_another_address_is_of_the_sign_on(desk: Desk) -> None:
    assert say(desk.folder / "meter", b"/?NOBODY!\r\n", termios.B300) == b""
    entry = desk.last(OPTICAL)
    assert entry["layer"] == "sign-on"
    assert "NOBODY" in entry["why"]


def test_the_han_is_a_layer_too(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> None:
    rig = smets1_rig(TABLES)
    made = Desk(rig, tmp_path)
    hub = rig.rig.premises["home"].hub
    assert hub is not None
    rig.runner.call(lambda: hub.han.air.tell("home/gas drops a frame: too weak"))
    entry = made.last("home/hub/han")
    assert (entry["port"], entry["layer"], entry["came"]) == ("home/hub/han", "HAN", "")
    assert "too weak" in made.command("home")
    made.stop()


def test_a_client_too_many_is_of_the_port(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> None:
    made = Desk(smets1_rig({"premises": [{"hub": {"ports": {"wan": "rfc2217:0"}}}]}), tmp_path)
    host, _, number = made.rig.premises["home"].hub.ports["wan"].rpartition(":")
    with socket.create_connection((host, int(number))), socket.create_connection((host, int(number))) as second:
        assert second.recv(1) == b""
    entry = made.last(WAN)
    assert (entry["layer"], entry["came"]) == ("port", "")
    assert "another client is connected" in entry["why"]
    made.stop()


def test_the_same_again_is_counted(desk: Desk) -> None:
    for _ in range(3):
        say(desk.folder / "hub", frame(SNRM, 99), wait=0.02)
    end = time.monotonic() + 5
    while desk.last(WAN)["times"] < 3:
        assert time.monotonic() < end
    (entry,) = desk.why(WAN)
    assert entry["number"] == 3
    assert "(3 times)" in desk.command(WAN)


def test_a_port_is_found_by_name_device_spec_and_address(desk: Desk) -> None:
    say(desk.folder / "hub", frame(SNRM, 99))
    desk.last(WAN)
    told = desk.command(WAN)
    assert "link: frame discarded" in told
    assert "    asked:    16>1/99 SNRM P/F=1\n    answered: no answer\n" in told
    for name in ("home", "home/hub", "pty:hub", "pty:./hub", str(desk.folder / "hub"), f"optical:{desk.folder}/hub"):
        assert desk.command(name) == told
    with pytest.raises(Exception, match="home/gas/nothing: no such port in this rig; there are home/hub/wan"):
        desk.command("home/gas/nothing")


def test_it_is_followed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    say(desk.folder / "hub", frame(SNRM, 98))
    desk.last(WAN)
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            say(desk.folder / "hub", frame(SNRM, 99))
        if len(looks) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("rigs.commands.why.time.sleep", sleep)
    told = desk.command(WAN, "--follow")
    assert told.count("lower 98") == told.count("lower 99") == 1


def test_what_is_kept_is_bounded() -> None:
    history = History(Clock(7))
    for number in range(PER_PORT + 5):
        history.note("a", Layer.LINE, f"{number}")
    assert [entry.why for entry in history.entries(["a"])] == [f"{number}" for number in range(5, PER_PORT + 5)]
    for number in range(PORTS + 3):
        history.note(f"b{number}", Layer.LINK, "no")
    assert len(list(history)) == PORTS
    assert not history.entries(["a"])
    assert len(history.entries(most=3)) == 3


def test_a_capture_tells_it_afterwards(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> None:
    from rigs.config import rig_of
    from rigs.driver import ClockMode

    file = tmp_path / "line.pcapng"
    with Capture(file) as capture:
        rig = RunningRig(rig_of(TABLES), folder=tmp_path, mode=ClockMode.STEPPED)
        rig.rig.taps.append(capture)
        rig.rig.reasons.append(capture.explained)
        with rig:
            assert say(tmp_path / "hub", frame(SNRM, 99)) == b""
            hub = rig.premises["home"].hub
            with hub.client(port="wan-tcp") as client, pytest.raises(ClientError):
                client.get(3, "1-0:99.99.9")
            rig.clock.advance(minutes=30)
    address, refused = (entry for entry in explanations(file) if entry["came"])
    assert (address["port"], address["layer"], address["answer"]) == (WAN, "link", NO_ANSWER)
    assert "lower 99 is not here" in str(address["why"])
    assert "SNRM" in str(address["came"])
    assert (refused["port"], refused["layer"]) == (WAN_TCP, "application")
    assert "GET response" in str(refused["answer"])
    told = CliRunner().invoke(app, ["why", WAN, "--capture", str(file)]).stdout
    assert "lower 99" in told
    assert "99.99" not in told


@given(data=st.data())
def test_any_damage_to_a_capture_is_one_line_or_fewer_entries(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("damaged") / "x.pcapng"
    with Capture(file) as capture:
        tap = capture("a/hub/wan", parse_port("pty:x"))
        for control in (SNRM, 0x10):
            tap(control, True, frame(control, 99))
            capture.explained("a/hub/wan", Layer.LINK, "not here")
    whole = file.read_bytes()
    assert len(explanations(file)) == 2
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for index in data.draw(st.lists(st.integers(0, max(0, len(damaged) - 1)), max_size=4)):
        damaged[index : index + 1] = data.draw(st.binary(min_size=1, max_size=1))
    file.write_bytes(damaged)
    try:
        assert len(explanations(file)) <= 2
    except CaptureError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("octets", [b"", b"no capture at all", pcapng.section("x")[:-4] + b"\xff\xff\xff\xff" * 9])
def test_what_is_no_capture_is_one_line(tmp_path: Path, octets: bytes) -> None:
    file = tmp_path / "x.pcapng"
    file.write_bytes(octets)
    with pytest.raises(CaptureError, match="not a pcapng capture") as caught:
        explanations(file)
    assert "\n" not in str(caught.value)
    with pytest.raises(CaptureError, match="no such file"):
        explanations(tmp_path / "none.pcapng")
