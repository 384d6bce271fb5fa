"""The bench panel through pymodbus's client, by TCP and by RTU on a pseudo terminal, and the devices' own word."""

from __future__ import annotations

import os
import select
import socket
import termios
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import serial
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.device import Cover
from emulator.load import MICRO
from emulator.metering import IMPORT
from emulator.supply import Cause, Way
from emulator.time import SECOND
from rigs.client import ClientError
from rigs.config import ConfigError, rig_of
from rigs.panel.bench import Refusal, RefusedError
from rigs.panel.forms import Form, Table
from rigs.panel.layout import MOST_PREMISES, place_of
from rigs.panel.modbus import FUNCTIONS, ModbusStack, RtuStack, TcpStack
from rigs.panel.points import POINTS, Fitted, points_of
from rigs.running import RunningRig
from tests.rigs.panel.conftest import BY_BOTH, PREMISES, Registers

ELECTRICITY, GAS, HUB, DISPLAY = "home/electricity", "home/gas", "home/hub", "home/display"


def emulated(running: RunningRig, kind: str = "electricity") -> Any:
    return getattr(running.premises["home"], kind).device


# --- switches


@pytest.mark.parametrize(
    ("device", "coil"), [(HUB, "mains"), (ELECTRICITY, "mains"), (GAS, "battery"), (DISPLAY, "mains")]
)
def test_power(bench: RunningRig, panel: Registers, device: str, coil: str) -> None:
    meter = emulated(bench, device.partition("/")[2])
    assert (panel[device, coil], panel[device, "power_led"]) == (1, 1)
    panel[device, coil] = 0
    assert (panel[device, coil], panel[device, "power_led"], meter.mains) == (0, 0, False)
    panel[device, coil] = 1
    assert (panel[device, coil], panel[device, "power_led"], meter.mains) == (1, 0, True)
    bench.clock.advance(minutes=2)
    assert panel[device, "power_led"] == 1


def test_tamper_switches(bench: RunningRig, panel: Registers) -> None:
    meter = emulated(bench)
    panel[ELECTRICITY, "terminal_cover"] = 1
    assert (panel[ELECTRICITY, "terminal_cover"], panel[ELECTRICITY, "cover"]) == (1, 0)
    assert meter.open_covers == {Cover.TERMINAL}
    panel[ELECTRICITY, "terminal_cover"] = 0
    panel[GAS, "cover"] = 1
    assert not meter.open_covers
    assert emulated(bench, "gas").open_covers == {Cover.METER}
    assert panel[GAS, "alarm_register"] == emulated(bench, "gas").alarms
    assert panel[GAS, "alarm"] == (emulated(bench, "gas").alarms != 0)


@BY_BOTH
def test_buttons_act_when_they_go_down(bench: RunningRig, panel: Registers) -> None:
    for key in ("key_1", "key_1", "key_2"):  # held down the second time: nothing happens
        panel[ELECTRICITY, key] = 1
    assert panel[ELECTRICITY, "display"] == "12" == bench.premises["home"].electricity.display
    panel[ELECTRICITY, "key_1"] = 0
    panel[ELECTRICITY, "key_1"] = 1
    assert panel[ELECTRICITY, "display"] == "121"
    assert (panel[ELECTRICITY, "key_1"], panel[ELECTRICITY, "key_3"]) == (1, 0)


def test_the_supply_is_armed_and_its_button_closes_it(bench: RunningRig, panel: Registers) -> None:
    meter = bench.premises["home"].electricity
    switch = emulated(bench).switch
    assert (panel[ELECTRICITY, "supply"], panel[ELECTRICITY, "power"]) == (1, 900)
    meter.call(lambda: switch.disconnect(Way.REMOTE))
    assert (panel[ELECTRICITY, "supply"], panel[ELECTRICITY, "power"], panel[ELECTRICITY, "load"]) == (0, 0, 900)
    panel[ELECTRICITY, "supply_button"] = 1
    assert panel[ELECTRICITY, "supply"] == 0  # not armed
    panel[ELECTRICITY, "supply_button"] = 0
    meter.call(lambda: switch.release(Cause.SUPPLIER))
    panel[ELECTRICITY, "supply_button"] = 1
    assert (panel[ELECTRICITY, "supply"], panel[ELECTRICITY, "power"]) == (1, 900)


def test_the_optical_head_comes_off(bench: RunningRig, panel: Registers) -> None:
    meter = bench.premises["home"].electricity

    def read() -> Any:
        with meter.client("public", timeout=0.5) as client:
            return client.get(1, "0-0:42.0.0")

    assert read()
    panel[ELECTRICITY, "head"] = 0
    with pytest.raises(ClientError):
        read()
    assert panel[ELECTRICITY, "head"] == 0
    assert meter.statistics["optical"]["lost in"] > 0
    panel[ELECTRICITY, "head"] = 1
    bench.clock.advance(minutes=5)  # whatever was under way has timed out
    assert read()


def test_a_head_that_is_off_is_off_for_every_client(
    smets1_rig: Callable[..., RunningRig], connect: Callable[..., Registers]
) -> None:
    meter = {"ports": {"optical": "tcp+hdlc:0"}}
    running = smets1_rig({"premises": [{"name": "home", "electricity": meter}], "panel": {"tcp": "tcp:0"}})
    panel = connect(running)
    panel[ELECTRICITY, "head"] = 0
    port = running.rig.ports["home/electricity/optical"]
    host, _, number = port.address.rpartition(":")
    with socket.create_connection((host, int(number)), timeout=5) as client:
        client.sendall(b"/?!\r\n\r\n\r")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        running.runner.call(lambda: port.lines[0].stack.transmit(b"unasked"))
        with pytest.raises(TimeoutError):
            client.recv(1)
    assert (port.statistics()["lost in"], port.statistics()["lost out"]) == (8, 7)


# --- the air


def test_antenna_and_attenuator(bench: RunningRig, panel: Registers) -> None:
    han = emulated(bench, "hub").han
    radio = han.member(emulated(bench)).radio
    assert (panel[ELECTRICITY, "antenna"], panel[ELECTRICITY, "on_han"]) == (1, 1)
    before = han.medium.link(radio, han.node.radio).rssi
    panel[ELECTRICITY, "attenuation"] = 10
    assert han.medium.link(radio, han.node.radio).rssi == before - 10
    panel[ELECTRICITY, "attenuation"] = 5
    assert (radio.loss, panel[ELECTRICITY, "attenuation"]) == (5, 5)
    panel[ELECTRICITY, "antenna"] = 0
    assert (radio.loss, panel[ELECTRICITY, "antenna"], panel[ELECTRICITY, "attenuation"]) == (65, 0, 5)
    panel[ELECTRICITY, "antenna"] = 1
    panel[ELECTRICITY, "attenuation"] = 0
    assert radio.loss == 0
    assert han.medium.link(radio, han.node.radio).rssi == before


# --- gauges and counters


@BY_BOTH
def test_load_energy_and_pulses_are_those_of_the_meter(bench: RunningRig, panel: Registers) -> None:
    meter = emulated(bench)
    panel[ELECTRICITY, "load"] = 3600
    counted, energy = panel[ELECTRICITY, "pulses"], panel[ELECTRICITY, "energy_import"]
    bench.clock.advance(hours=1)
    assert panel[ELECTRICITY, "pulses"] - counted == 3600 == panel[ELECTRICITY, "energy_import"] - energy
    assert panel[ELECTRICITY, "energy_import"] == meter.metering.total(IMPORT, meter.time)
    with bench.premises["home"].electricity.client("management") as client:
        assert client.get(3, "1-0:1.8.0").value == panel[ELECTRICITY, "energy_import"]


def test_generation_is_a_negative_load(bench: RunningRig, panel: Registers) -> None:
    panel[ELECTRICITY, "load"] = -2000
    exported, imported = panel[ELECTRICITY, "energy_export"], panel[ELECTRICITY, "energy_import"]
    bench.clock.advance(minutes=30)
    assert (panel[ELECTRICITY, "load"], panel[ELECTRICITY, "power"]) == (-2000, -2000)
    assert panel[ELECTRICITY, "energy_export"] - exported == 1000
    assert panel[ELECTRICITY, "energy_import"] == imported


def test_the_led_flashes_each_watt_hour(bench: RunningRig, panel: Registers) -> None:
    panel[ELECTRICITY, "load"] = 3600  # one a second
    flashes = edges = lit = 0
    pulses = panel[ELECTRICITY, "pulses"]
    for _ in range(310):
        bench.clock.advance(nanoseconds=10_000_000)
        before, lit = lit, panel[ELECTRICITY, "pulse_led"]
        flashes += lit
        edges += lit > before
    assert edges == panel[ELECTRICITY, "pulses"] - pulses == 3
    assert flashes == 12  # 40 ms each
    panel[ELECTRICITY, "load"] = 0
    bench.clock.advance(seconds=1)
    assert panel[ELECTRICITY, "pulse_led"] == 0


def test_voltage_is_held_and_let_go(bench: RunningRig, panel: Registers) -> None:
    own = panel[ELECTRICITY, "voltage"]
    assert own == emulated(bench).voltage // 100
    panel[ELECTRICITY, "voltage"] = 1999
    assert panel[ELECTRICITY, "voltage"] == 1999
    assert emulated(bench).under_voltage_count == 1
    panel[ELECTRICITY, "voltage"] = 0xFFFF
    assert panel[ELECTRICITY, "voltage"] == own


def test_gas(bench: RunningRig, panel: Registers) -> None:
    gas = emulated(bench, "gas")
    assert (panel[GAS, "valve"], panel[GAS, "gas_flow"], panel[GAS, "flow"]) == (1, 500, 500)
    own = panel[GAS, "temperature"]
    panel[GAS, "temperature"] = -125
    assert (panel[GAS, "temperature"], gas.temperature) == (-125, -125)
    panel[GAS, "temperature"] = -0x8000
    assert panel[GAS, "temperature"] == own
    volume, energy = panel[GAS, "volume"], panel[GAS, "energy"]
    panel[GAS, "gas_flow"] = 2000
    bench.clock.advance(hours=10)
    assert panel[GAS, "volume"] == gas.metering.total(IMPORT, gas.time)
    assert panel[GAS, "volume"] - volume == pytest.approx(20_000, abs=1000)  # as of the last wake-up
    assert panel[GAS, "energy"] == gas.energy > energy
    assert panel[GAS, "battery_voltage"] == gas.battery_voltage


@BY_BOTH
def test_displays_are_seen(bench: RunningRig, panel: Registers) -> None:
    bench.clock.advance(hours=1)
    home = bench.premises["home"]
    assert panel[ELECTRICITY, "display"] == home.electricity.display != ""
    assert panel[DISPLAY, "display"] == home.display.display != ""
    panel[DISPLAY, "key_scroll"] = 1
    assert panel[DISPLAY, "display"] == home.display.display
    panel[DISPLAY, "mains"] = 0
    assert panel[DISPLAY, "display"] == ""


def test_a_request_sees_one_instant(smets1_rig: Callable[..., RunningRig], connect: Callable[..., Registers]) -> None:
    load = {"load": {"kind": "constant", "value": 90_000}}
    dwelling = {"name": "home", "hub": None, "gas": None, "electricity": load}
    fast = smets1_rig({"premises": [dwelling], "panel": {"tcp": "tcp:0"}, "clock": {"rate": 10_000}})
    panel = connect(fast)
    seen: set[int] = set()
    for _ in range(20):
        address = panel.published[ELECTRICITY, "energy_import"].address
        words = panel.client.read_input_registers(address, count=6).registers  # imported, exported, pulses
        imported, exported, pulses = (Form.U32.unpack(words[at : at + 2]) for at in (0, 2, 4))
        assert imported + exported == pulses
        assert panel[ELECTRICITY, "pulses"] > pulses  # 250 Wh in a millisecond
        seen.add(pulses)
    assert len(seen) == 20


# --- refusals


def refused(answer: Any) -> int:
    assert answer.isError()
    return answer.exception_code


@BY_BOTH
def test_bad_addresses_and_values_are_refused_and_change_nothing(bench: RunningRig, panel: Registers) -> None:
    client: Any = panel.client
    meter, gas = emulated(bench), emulated(bench, "gas")
    load = panel.published[ELECTRICITY, "load"].address
    assert refused(client.read_coils(127)) == 2
    assert refused(client.read_coils(512)) == 2  # there are no second premises
    assert refused(client.read_holding_registers(load, count=5)) == 2
    assert refused(client.read_input_registers(0xFFFF, count=2)) == 2
    assert refused(client.write_coil(127, True)) == 2
    assert refused(client.write_registers(load, [0, 500, 2300, 0, 0])) == 2
    assert refused(client.write_registers(load, [0x7FFF, 0])) == 3
    assert refused(client.write_register(panel.published[ELECTRICITY, "attenuation"].address, 121)) == 3
    # the voltage would do, the attenuation would not: neither is set
    voltage = panel[ELECTRICITY, "voltage"]
    assert refused(client.write_registers(panel.published[ELECTRICITY, "voltage"].address, [2222, 500])) == 3
    assert panel[ELECTRICITY, "voltage"] == voltage
    assert meter.metering.load.rate(meter.time) == 900 * MICRO
    assert refused(client.write_registers(panel.published[GAS, "temperature"].address, [1001])) == 3
    assert gas.temperature == panel[GAS, "temperature"]


def test_what_cannot_be_a_request_is_refused(bench: RunningRig, panel: Registers) -> None:
    del panel
    host, _, port = bench.panel["tcp"].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        wanted: list[bytes] = []
        sent: list[bytes] = []
        for number, (request, code) in enumerate(
            [
                ("01 0000 0000", 3),  # none
                ("01 0000 07D1", 3),  # more than 2,000
                ("03 0000 007E", 3),  # more than 125
                ("05 0000 1234", 3),  # neither on nor off
                ("0F 0000 0001 02 0100", 3),  # the wrong count of octets
                ("10 0005 0001 03 0000 00", 3),
                ("06 00", 3),  # cut short
                ("17 0000 0001 0000 0001 02 0000", 1),
                ("2B 0E 01 00", 1),
                ("08 0001 0000", 1),
                ("00", 1),
                ("91 00", 1),
            ]
        ):
            pdu = bytes.fromhex(request)
            sent.append(number.to_bytes(2, "big") + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + b"\x01" + pdu)
            wanted.append(number.to_bytes(2, "big") + bytes((0, 0, 0, 3, 1, pdu[0] | 0x80, code)))
        client.sendall(b"".join(sent))  # all at once: none is forgotten
        got = b""
        while len(got) < len(b"".join(wanted)):
            got += client.recv(4096)
        assert got == b"".join(wanted)
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(10) == b""


def test_units(bench: RunningRig, connect: Callable[..., Registers]) -> None:
    tcp, rtu = connect(bench, "tcp").client, connect(bench, "rtu").client
    for unit in (0, 1, 0xFF):
        assert tcp.read_coils(0, device_id=unit).bits[0]
    assert refused(tcp.read_coils(0, device_id=2)) == 2
    line: Any = rtu
    assert line.read_coils(0, device_id=1).bits[0]
    line.comm_params.timeout_connect = 0.3
    with pytest.raises(Exception, match="No response"):
        line.read_coils(0, device_id=2)


def test_noise_on_the_line(bench: RunningRig) -> None:
    ask, answer = bytes.fromhex("010100000001fdca"), bytes.fromhex("010101019048")
    with serial.Serial(str(Path(bench.panel["rtu"]).resolve()), 19_200) as line:

        def said(octets: bytes, wait: float = 0.2) -> bytes:
            line.write(octets)
            line.timeout = wait
            return line.read(300)

        assert said(ask) == answer
        assert said(ask[:3]) == b""
        assert said(ask[3:]) == answer  # in two pieces
        assert said(ask[:-1] + b"\0") == b""  # a wrong CRC
        assert said(ask) == answer
        for noise in (ask[:5], b"\x01\x0f\0", bytes(range(90, 250)), bytes(700)):
            assert said(noise) == b""
            bench.clock.advance(seconds=1)  # the silence after which a frame begins
            assert said(ask) == answer
        assert said(bytes.fromhex("01630000f1c6")) == bytes.fromhex("01e301a8f0"), "an unknown function"


@pytest.mark.parametrize("framing", ["8N1", "8E1"])
def test_rtu_on_an_adaptor(smets1_rig: Callable[..., RunningRig], framing: str) -> None:
    """A pseudo terminal stands for the adaptor; the test is at the other end of its cable."""
    far, near = os.openpty()
    tty.setraw(near)
    try:
        table = {"rtu": f"serial:{os.ttyname(near)}", "baud": 9600, "framing": framing}
        running = smets1_rig({"premises": [PREMISES], "panel": table})
        os.write(far, bytes.fromhex("010100000001fdca"))
        answer = b""
        while len(answer) < 6 and select.select([far], [], [], 5)[0]:
            answer += os.read(far, 100)
        assert answer == bytes.fromhex("010101019048")
        assert running.panel == {"rtu": os.ttyname(near)}
        assert termios.tcgetattr(far)[5] == termios.B9600
    finally:
        os.close(far)
        os.close(near)


# --- the map


@BY_BOTH
def test_the_published_map_is_what_is_served(bench: RunningRig, panel: Registers) -> None:
    there = {(entry.table, at) for entry in panel.published.values() for at in _addresses(entry)}
    assert len(there) == sum(entry.registers for entry in panel.published.values()), "two points at one address"
    running = bench.rig.panel
    assert running is not None

    def served(table: Table, address: int) -> bool:
        try:
            running.bench.read(1, table, address, 1)
        except RefusedError as error:
            assert error.why is Refusal.ADDRESS
            return False
        return True

    found = bench.runner.call(
        lambda: {(table.value, address) for table in Table for address in range(1024) if served(table, address)}
    )
    assert found == there
    assert {name for _, name in panel.published} == {point.name for point in POINTS}
    for key in panel.published:
        panel.raw(*key)


def _addresses(entry: Any) -> range:
    return range(entry.address, entry.address + entry.registers)


def test_the_layout_is_a_formula() -> None:
    assert place_of(0, "hub") == (1, 0)
    assert place_of(3, "gas") == (1, 3 * 512 + 256)
    assert place_of(127, "display") == (1, 65_536 - 128)
    assert place_of(128, "electricity") == (2, 128)
    assert place_of(MOST_PREMISES - 1, "hub")[0] == 247


def test_many_premises(smets1_rig: Callable[..., RunningRig], connect: Callable[..., Registers]) -> None:
    street = {"name": "street", "count": 130, "gas": None, "hub": None}
    panel = connect(smets1_rig({"premises": [street], "panel": {"tcp": "tcp:0"}}))
    assert panel.published["street-129/electricity", "mains"].unit == 2
    panel["street-129/electricity", "mains"] = 0
    assert [panel[f"street-{number}/electricity", "mains"] for number in (1, 127, 128, 129)] == [1, 1, 1, 0]
    assert ("street-1/electricity", "antenna") not in panel.published  # without a hub there is no HAN


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"panel": {}}, "panel: a panel needs tcp, rtu or both"),
        ({"panel": {"tcp": "udp:5020"}}, "panel.tcp: udp:5020: not a port for this; write tcp:PORT or tcp:HOST:PORT"),
        ({"panel": {"rtu": "tcp:5020"}}, "panel.rtu: tcp:5020: not a port for this; write pty:./path"),
        ({"panel": {"rtu": "pty:"}}, "panel.rtu: pty:: not a port; write pty:./path"),
        ({"panel": {"tcp": "tcp:4059"}}, "panel.tcp: tcp:127.0.0.1:4059: already the port of home/hub/wan-tcp"),
        ({"panel": {"rtu": "pty:./home-hub"}}, "panel.rtu: pty:./home-hub: already the port of home/hub/wan"),
        ({"relay_board": {"port": "tcp:h:1", "coils": {"home/water": 0}}}, "no such device; there are home/hub"),
        ({"relay_board": {"port": "tcp:h:1", "coils": {}}}, "relay_board.coils"),
        ({"relay_board": {"port": "tcp:h:1", "coils": {"a/b": 1, "a/c": 1}}}, "each device needs a coil of its own"),
    ],
)
def test_what_is_wrong_in_the_rig_file_is_said(tables: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as told:
        rig_of(tables)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_what_is_done_is_an_event(bench: RunningRig, panel: Registers) -> None:
    panel[ELECTRICITY, "load"] = 1200
    events = bench.runner.call(lambda: list(bench.rig.events.since(0)))
    assert [(event.source, event.device, event.text) for event in events if event.name == "panel"] == [
        ("control", ELECTRICITY, "bench panel: load 1200 W")
    ]


def test_a_replaced_gas_meter_takes_the_place(bench: RunningRig, panel: Registers) -> None:
    panel[GAS, "attenuation"] = 20
    bench.runner.call(lambda: bench.rig.replace_gas_meter("home"))
    assert (panel[GAS, "attenuation"], panel[GAS, "on_han"], panel[GAS, "volume"]) == (0, 0, 0)


# --- whatever comes


def _request() -> st.SearchStrategy[bytes]:
    """Requests of every shape, most of them nearly right."""
    word = st.one_of(st.integers(0, 700), st.integers(0, 0xFFFF)).map(lambda value: value.to_bytes(2, "big"))
    function = st.one_of(st.sampled_from(sorted(FUNCTIONS)), st.integers(0, 255)).map(lambda code: bytes((code,)))
    return st.builds(lambda code, words, rest: code + b"".join(words) + rest, function, st.lists(word), st.binary())


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=st.lists(_request().map(lambda pdu: pdu[:253]), min_size=1, max_size=8), cut=st.integers(1, 400))
def test_every_request_is_answered_or_refused(bench: RunningRig, requests: list[bytes], cut: int) -> None:
    panel, config = bench.rig.panel, bench.rig.file.config.panel
    assert panel is not None and config is not None
    stack = TcpStack(panel.bench, config)
    octets = b"".join(
        number.to_bytes(2, "big") + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + b"\x01" + pdu
        for number, pdu in enumerate(requests)
    )
    pieces = [octets[at : at + cut] for at in range(0, len(octets), cut)]
    answers = bench.runner.call(lambda: b"".join(stack.receive(piece, 0) for piece in pieces))
    for number, pdu in enumerate(requests):
        assert answers[:4] == number.to_bytes(2, "big") + b"\0\0"
        end = 6 + int.from_bytes(answers[4:6], "big")
        function, what = answers[7], answers[8:end]
        assert function == pdu[0] or (function == pdu[0] | 0x80 and what in (b"\1", b"\2", b"\3"))
        answers = answers[end:]
    assert not answers and not stack.drop


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.lists(st.binary(max_size=300), max_size=8))
def test_octets_of_any_kind_do_no_harm(bench: RunningRig, octets: list[bytes]) -> None:
    panel, config = bench.rig.panel, bench.rig.file.config.panel
    assert panel is not None and config is not None

    def given_to(kind: type[ModbusStack]) -> bytes:
        stack = kind(panel.bench, config)
        now = 0
        for piece in octets:
            now += SECOND
            stack.receive(piece, now)
        stack.closed()
        request = "010100000001fdca" if kind is RtuStack else "000000000006010100000001"
        return stack.receive(bytes.fromhex(request), now + SECOND)

    assert bench.runner.call(lambda: given_to(RtuStack)) in _EITHER_RTU
    assert bench.runner.call(lambda: given_to(TcpStack)) in _EITHER_TCP


_EITHER_RTU = (bytes.fromhex("010101019048"), bytes.fromhex("010101005188"))
_EITHER_TCP = (bytes.fromhex("00000000000401010101"), bytes.fromhex("00000000000401010100"))
"""The hub's mains on, or off: whatever came before may have switched them."""


def test_a_firmware_without_prepayment_has_the_supply_button_only() -> None:
    names = {point.name for point in points_of(Fitted("electricity", front=False, head=False, han=False))}
    assert "supply_button" in names
    assert not names & {"display", "key_1", "key_supply", "head", "antenna", "attenuation", "on_han"}
