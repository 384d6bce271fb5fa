"""Stacks: what a port does with octets, whoever sends them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.firmware import BAUD_RATES
from emulator.lines import Lines
from emulator.optical import OpticalStack
from emulator.ports import Stack, Transport, WrapperStack
from emulator.premises import Premises
from emulator.time import HOUR, SECOND, Clock
from firmware_profiles.loader import load, names
from protocols import obis, wrapper
from protocols.dlms import axdr
from protocols.dlms.client import AssociationRejected, Refused
from protocols.errors import ProtocolError
from protocols.hdlc import Frame, Parameters, encode, encode_address
from protocols.hdlc.frame import POLL, UI
from protocols.iec62056_21 import BAUD_CODES, bcc

from .conftest import START, DeviceSpec, Talker, settings_of

Home = Callable[..., Premises]
PUBLIC_AARQ = bytes.fromhex("601DA109060760857405080101BE10040E01000000065F1F0400001E1DFFFF")
GET_NAME = bytes.fromhex("C001C1000100002A0000FF0200")


def wan(premises: Premises, port: str) -> Stack:
    assert premises.hub is not None
    return premises.hub.stacks[port]()


TCP = "0-0:25.0.0"


def optical(premises: Premises) -> OpticalStack:
    assert premises.electricity is not None
    stack = premises.electricity.stacks["optical"]()
    assert isinstance(stack, OpticalStack)
    return stack


def message(apdu: bytes, client: int = 16, server: int = 1) -> bytes:
    return wrapper.encode(client, server, apdu)


# -- wrapper --------------------------------------------------------------------------------------------------------


def test_a_message_may_come_in_any_slices(home: Home) -> None:
    premises = home()
    octets = message(PUBLIC_AARQ) + message(GET_NAME) + message(GET_NAME)
    whole = wan(premises, "wan-tcp").receive(octets, START)
    single = wan(premises, "wan-tcp")
    assert b"".join(single.receive(octets[at : at + 1], START) for at in range(len(octets))) == whole
    assert whole.count(premises.hub.identity.serial.encode()) == 2  # type: ignore[union-attr]


def test_the_short_way_gives_what_the_long_one_does(home: Home) -> None:
    stack = wan(home(), "wan-tcp")
    first = stack.receive(message(PUBLIC_AARQ), START)
    assert first[8:10] == b"\x61\x29"
    long_way = stack.receive(message(GET_NAME)[:3], START) + stack.receive(message(GET_NAME)[3:], START)
    assert stack.receive(message(GET_NAME), START) == long_way
    assert stack.counters["frames received"] == 3
    assert stack.counters["frames sent"] == 3


def test_several_pairs_of_saps_share_a_connection(home: Home) -> None:
    premises = home()
    stack = wan(premises, "wan-tcp")
    devices = {1: premises.hub, 16: premises.electricity, 17: premises.gas}
    for server in devices:
        stack.receive(message(PUBLIC_AARQ, server=server), START)
    for server, device in devices.items():
        answer = stack.receive(message(GET_NAME, server=server), START)
        assert device is not None
        assert answer.endswith(device.identity.serial.encode())
        assert answer[2:6] == bytes((0, server, 0, 16))
    assert len(list(stack.associations)) == 3


def test_a_server_sap_that_is_not_there_gets_no_answer(home: Home) -> None:
    stack = wan(home(), "wan-tcp")
    said: list[str] = []
    stack.explain = said.append
    assert stack.receive(message(PUBLIC_AARQ, server=5), START) == b""
    assert said == ["server SAP 5 is not here: no answer; here are 1, 16, 17"]
    assert stack.counters["frames discarded"] == 1
    assert stack.receive(message(PUBLIC_AARQ), START)
    assert not stack.drop


def test_a_client_without_an_association_is_rejected_and_forgotten(home: Home) -> None:
    stack = wan(home(), "wan-tcp")
    for client in range(200, 300):
        answer = stack.receive(message(PUBLIC_AARQ, client=client), START)
        assert answer[8:9] == b"\x61"
        assert bytes.fromhex("A203020101") in answer
    assert list(stack.associations) == []
    with pytest.raises(AssociationRejected):
        Talker(wan(home("other"), "wan-tcp"), sap=99).open()


@pytest.mark.parametrize(
    "octets", ["0002001000010001 00", "0001001000010000", "FFFFFFFFFFFFFFFFFFFF"], ids=["version", "empty", "noise"]
)
def test_a_wrong_header_ends_a_connection_and_costs_a_datagram(home: Home, octets: str) -> None:
    premises = home()
    connection, peer = wan(premises, "wan-tcp"), wan(premises, "wan-udp")
    data = bytes.fromhex(octets)
    assert connection.receive(data, START) == b""
    assert connection.drop
    assert peer.receive(data, START) == b""
    assert not peer.drop
    assert peer.receive(message(PUBLIC_AARQ), START)
    assert peer.counters["frames discarded"] == connection.counters["frames discarded"] == 1
    connection.closed()
    assert not connection.drop
    assert connection.receive(message(PUBLIC_AARQ), START)


def test_messages_before_a_wrong_header_are_answered(home: Home) -> None:
    stack = wan(home(), "wan-tcp")
    answer = stack.receive(message(PUBLIC_AARQ) + bytes(8), START)
    assert answer[8:9] == b"\x61"
    assert stack.drop


def test_a_connection_too_many_is_dropped(home: Home) -> None:
    premises = home(hub=DeviceSpec(profile="hub-lima"))
    assert premises.hub is not None
    stacks = [wan(premises, "wan-tcp") for _ in range(5)]
    for stack in stacks:
        stack.closed()
    for stack in stacks:
        stack.opened(START)
    assert [stack.drop for stack in stacks] == [False] * 4 + [True]
    stacks[4].closed()
    stacks[0].closed()
    stacks[4].opened(START)
    assert not stacks[4].drop
    assert Talker(stacks[1], settings_of(premises.hub, "management"), sap=64).open().value(41, TCP, 5) == 4


def test_a_silent_connection_is_dropped_after_the_time_in_the_set_up(home: Home, clock: Clock) -> None:
    premises = home(hub=DeviceSpec(profile="hub-lima"))
    assert premises.hub is not None
    stack = wan(premises, "wan-tcp")
    stack.opened(START)
    assert stack.next_timeout() == START + 300 * SECOND
    clock.advance_to(START + 10 * SECOND)
    manager = Talker(stack, settings_of(premises.hub, "management"), sap=64).open()
    assert stack.next_timeout() == START + 310 * SECOND
    clock.advance_to(START + 200 * SECOND)
    manager.set(41, TCP, 6, axdr.u16(60))
    stack.timeout(clock.now + 299 * SECOND)
    assert not stack.drop  # what is set holds for connections to come
    stack.timeout(clock.now + 300 * SECOND)
    assert stack.drop
    stack.closed()
    stack.opened(clock.now)
    Talker(stack, settings_of(premises.hub, "public")).open()
    assert stack.next_timeout() == clock.now + 60 * SECOND


def test_a_connection_on_which_nothing_ever_comes_is_dropped(home: Home) -> None:
    stack = wan(home(hub=DeviceSpec(profile="hub-lima")), "wan-tcp")
    stack.opened(START)
    stack.timeout(START + 300 * SECOND - 1)
    assert not stack.drop
    stack.timeout(START + 300 * SECOND)
    assert stack.drop
    assert stack.next_timeout() is None
    assert stack.counters["inactivity"] == 1


def test_a_connection_of_the_base_may_be_silent(home: Home) -> None:
    stack = wan(home(), "wan-tcp")
    stack.opened(START)
    stack.receive(message(PUBLIC_AARQ), START)
    assert stack.next_timeout() is None


def test_two_clients_at_once_do_not_disturb_each_other(home: Home) -> None:
    premises = home()
    first, second = (Talker(wan(premises, "wan-tcp"), server=16).open() for _ in range(2))
    third = Talker(optical(premises)).open()
    for talker in (first, second, third, first):
        assert talker.value(1, "0-0:96.1.0") == premises.electricity.identity.serial.encode()  # type: ignore[union-attr]
    first.stack.closed()
    assert second.value(1, "0-0:96.1.0") == third.value(1, "0-0:96.1.0")


def test_counters_of_ciphered_clients_go_on_over_all_connections(home: Home) -> None:
    premises = home()
    hub = premises.hub
    assert hub is not None
    first = Talker(wan(premises, "wan-tcp"), settings_of(hub, "management"), sap=64).open()
    used = hub.security(hub.firmware.model.by_name["management"]).counters.received
    assert used > 0
    stale = settings_of(hub, "management", recover_counter=False)
    assert stale.security is not None
    stale.security.counters.sent = 0
    with pytest.raises(ProtocolError):
        Talker(wan(premises, "wan-tcp"), stale, sap=64).open()
    first.value(3, "0-0:96.8.0")
    Talker(wan(premises, "wan-tcp"), settings_of(hub, "management"), sap=64).open()
    assert hub.event_codes["fraud"] == hub.firmware.logs["fraud"].codes["replayed"]


def test_a_client_that_vanishes_leaves_nothing_behind(home: Home) -> None:
    stack = wan(home(), "wan-tcp")
    stack.receive(message(PUBLIC_AARQ), START)
    stack.receive(message(GET_NAME)[:9], START)
    stack.closed()
    assert list(stack.associations) == []
    stack.opened(START)
    assert stack.receive(message(GET_NAME), START)[8:9] == b"\xd8"
    assert stack.receive(message(PUBLIC_AARQ), START)[8:9] == b"\x61"


# -- power ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", ["wan", "wan-tcp", "wan-udp"])
def test_a_hub_without_power_or_starting_is_silent(home: Home, clock: Clock, port: str) -> None:
    premises = home()
    hub = premises.hub
    assert hub is not None
    talker = Talker(wan(premises, port)).open()
    request = message(GET_NAME) if talker.station is None else bytes.fromhex("7EA0070321930F017E")
    hub.power_off()
    assert list(talker.stack.associations) == []
    assert talker.stack.silent
    assert talker.stack.receive(request, clock.now) == b""
    clock.advance_to(clock.now + HOUR)
    hub.power_on()
    assert talker.stack.receive(request, clock.now) == b""
    clock.advance_to(hub.ready_at - 1)
    assert talker.stack.receive(request, clock.now) == b""
    clock.advance_to(hub.ready_at)
    Talker(talker.stack).open()


def test_a_meter_without_power_behind_the_hub_does_not_answer(home: Home, clock: Clock) -> None:
    premises = home()
    assert premises.electricity is not None
    stack = wan(premises, "wan-tcp")
    stack.receive(message(PUBLIC_AARQ, server=16), START)
    premises.electricity.power_off()
    assert stack.receive(message(GET_NAME, server=16), START) == b""
    assert stack.receive(message(PUBLIC_AARQ), START)
    premises.electricity.power_on()
    clock.advance_to(premises.electricity.ready_at)
    assert stack.receive(message(PUBLIC_AARQ, server=16), clock.now)


# -- HDLC -----------------------------------------------------------------------------------------------------------


def test_several_logical_devices_answer_behind_one_line(home: Home) -> None:
    premises = home()
    stack = wan(premises, "wan")
    talkers = [Talker(stack, server=server).open() for server in (1, 16, 17)]
    names = [talker.value(1, "0-0:96.1.0") for talker in talkers]
    assert names == [device.identity.serial.encode() for device in premises.devices()]


def test_a_logical_device_that_is_not_there_is_not_connected_to(home: Home) -> None:
    stack = wan(home(gas=None), "wan")
    talker = Talker(stack, server=17)
    talker.connect()
    assert talker.station is not None and not talker.station.connected
    assert stack.counters["frames discarded"] == 1
    assert any("17" in text for text in talker.said)
    Talker(stack, server=16).open()


def test_setting_up_the_link_anew_ends_the_association(home: Home) -> None:
    talker = Talker(wan(home(), "wan")).open()
    talker.value(1, "0-0:42.0.0")
    again = Talker(talker.stack)
    again.connect()
    assert [association.state_code for association in talker.stack.associations] == [0]


def test_a_silent_client_loses_link_and_association(home: Home, clock: Clock) -> None:
    premises = home()
    talker = Talker(wan(premises, "wan")).open()
    due = talker.stack.next_timeout()
    assert due == START + 120 * SECOND
    clock.advance_to(due)
    talker.stack.timeout(due)
    assert list(talker.stack.associations) == []
    assert premises.hub is not None
    assert premises.hub.event_codes["communication"] == 91


@pytest.mark.parametrize("profile", [name for name in names() if name.startswith(("hub", "electricity"))])
def test_the_set_up_objects_say_what_the_port_does(home: Home, profile: str) -> None:
    """Classes 19 and 23 against the link that a client gets and the identification that it hears."""
    firmware = load(profile)
    premises = home(**{firmware.kind: DeviceSpec(profile=profile)})
    device = premises.hub if firmware.kind == "hub" else premises.electricity
    assert device is not None
    stack = device.stacks["wan" if firmware.kind == "hub" else "optical"]()
    hello = stack.receive(SIGN_ON, START) if isinstance(stack, OpticalStack) else b""
    stack.forget()
    most = Parameters(2030, 2030, 7, 7)
    talker = Talker(stack, settings_of(device, "management"), sap=64, proposal=most).open()
    assert talker.station is not None
    link = talker.station.parameters
    speed, transmit, receive, longest_sent, longest_taken, _, silence, address = (
        talker.value(23, "0-0:22.0.0", index) for index in range(2, 10)
    )
    assert (link.window_receive, link.window_transmit) == (transmit, receive)
    assert (link.max_info_receive, link.max_info_transmit) == (longest_sent, longest_taken)
    assert isinstance(speed, int) and isinstance(silence, int)
    settings = firmware.local or firmware.wan
    assert settings is not None and settings.physical_address == address
    assert stack.baud == BAUD_RATES[speed]
    assert stack.next_timeout() == START + silence * SECOND
    if hello:
        assert hello[4:5] == str(talker.value(19, "0-0:20.0.0", 4)).encode()
        assert hello[3:4].islower() == (talker.value(19, "0-0:20.0.0", 5) == 0)


def test_limits_set_in_the_hdlc_setup_hold_from_the_next_start(home: Home, clock: Clock) -> None:
    premises = home()
    hub = premises.hub
    assert hub is not None
    talker = Talker(wan(premises, "wan"), settings_of(hub, "management"), sap=64, proposal=Parameters(512, 512, 7, 7))
    talker.open()
    for index, data in ((3, axdr.u8(3)), (4, axdr.u8(5)), (5, axdr.u16(400)), (6, axdr.u16(64)), (8, axdr.u16(30))):
        talker.set(23, "0-0:22.0.0", index, data)
    talker.set(23, "0-0:22.0.0", 2, axdr.enum_(6))
    assert talker.station is not None
    assert talker.station.parameters == Parameters()
    assert talker.stack.baud == 9600
    hub.reboot()
    clock.advance_to(hub.ready_at)
    again = Talker(talker.stack, proposal=Parameters(512, 512, 7, 7))
    again.connect()
    assert again.station is not None
    assert again.station.parameters == Parameters(64, 400, 5, 3)
    assert again.stack.baud == 19200
    assert again.stack.bauds == {19200}
    assert again.stack.next_timeout() == clock.now + 30 * SECOND


def test_an_unconfirmed_request_is_acted_on_and_not_answered(home: Home) -> None:
    """A SET in a UI frame to all logical devices: done where the client has an association, and only there."""
    premises = home(electricity=DeviceSpec(profile="electricity-bench"))
    assert premises.electricity is not None
    stack = optical(premises)
    text = axdr.octets(b"to all")
    request = bytes.fromhex("C10101") + b"\x00\x01" + obis.parse("0-0:96.13.0") + b"\x02\x00" + text
    frame = encode(Frame(b"\xff", encode_address(21), UI | POLL, b"\xe6\xe6\x00" + request))
    assert stack.receive(frame, START) == b""
    assert list(stack.associations) == []
    talker = Talker(stack, settings_of(premises.electricity, "lls"), sap=21).open()
    assert talker.value(1, "0-0:96.13.0") == b""
    assert stack.receive(frame, START) == b""
    assert talker.value(1, "0-0:96.13.0") == b"to all"


def test_frames_are_counted_for_the_hub(home: Home) -> None:
    premises = home()
    hub = premises.hub
    assert hub is not None
    lines = [wan(premises, "wan"), wan(premises, "wan-tcp")]
    for stack in lines:
        Talker(stack).open()
    lines[1].receive(message(PUBLIC_AARQ, server=9), START)
    talker = Talker(wan(premises, "wan-tcp"), settings_of(hub, "data_collection"), sap=32).open()
    received, sent, discarded = (talker.value(1, f"0-0:96.15.{number}") for number in (1, 2, 3))
    assert (received, sent, discarded) == (5, 5, 1)
    lines[1].closed()
    del lines[1]
    assert talker.value(1, "0-0:96.15.3") == 1
    assert talker.value(1, "0-0:96.15.1") == 9
    assert [stack.transport for stack in Lines.of(hub)] == [Transport.HDLC, Transport.TCP]


# -- optical --------------------------------------------------------------------------------------------------------

SIGN_ON = b"/?!\r\n"


def test_mode_e_leads_into_hdlc_and_the_end_of_the_link_back(home: Home) -> None:
    premises = home()
    stack = optical(premises)
    assert (stack.baud, stack.character) == (300, "7E1")
    assert stack.receive(SIGN_ON, START) == b"/GEN5\\2SSWG-E1\r\n"
    assert (stack.send_baud, stack.send_character, stack.turnaround) == (300, "7E1", 200_000_000)
    assert {300, 9600} <= set(stack.bauds)
    assert stack.receive(b"\x06252\r\n", START) == b"\x06252\r\n"
    assert (stack.send_baud, stack.send_character) == (9600, "7E1")
    assert (stack.baud, stack.character, stack.characters) == (9600, "8N1", {"8N1"})
    talker = Talker(stack).open()
    assert talker.value(1, "0-0:96.1.0") == premises.electricity.identity.serial.encode()  # type: ignore[union-attr]
    talker.disconnect()
    assert (stack.send_baud, stack.send_character) == (9600, "8N1")
    assert (stack.baud, stack.character) == (300, "7E1")
    assert stack.receive(SIGN_ON, START).startswith(b"/GEN5")


def test_hdlc_without_sign_on_where_the_profile_has_it(home: Home) -> None:
    stack = optical(home())
    assert stack.characters == {"7E1", "8N1"}
    assert stack.bauds == {300, 9600}
    Talker(stack).open().value(1, "0-0:42.0.0")
    assert (stack.baud, stack.send_baud, stack.send_character) == (9600, 9600, "8N1")


def test_hdlc_that_nobody_connects_to_goes_back_to_sign_on(home: Home, clock: Clock) -> None:
    stack = optical(home())
    stack.receive(SIGN_ON + b"\x06232\r\n"[:0], START)
    stack.receive(b"\x06232\r\n", START)
    assert (stack.baud, stack.character) == (BAUD_CODES["3"], "8N1")
    due = stack.next_timeout()
    assert due == START + 120 * SECOND
    clock.advance_to(due)
    stack.timeout(due)
    assert (stack.baud, stack.character) == (300, "7E1")
    assert stack.next_timeout() is None


def test_an_optical_link_that_falls_silent_goes_back_to_sign_on(home: Home, clock: Clock) -> None:
    stack = optical(home())
    Talker(stack).open()
    due = stack.next_timeout()
    assert due is not None
    clock.advance_to(due)
    stack.timeout(due)
    assert (stack.baud, stack.character) == (300, "7E1")


def test_a_client_that_leaves_the_optical_port_leaves_it_at_sign_on(home: Home) -> None:
    stack = optical(home())
    Talker(stack).open()
    stack.closed()
    assert (stack.baud, stack.character) == (300, "7E1")
    assert stack.receive(SIGN_ON, START).startswith(b"/GEN5")


def programming(stack: OpticalStack) -> None:
    stack.receive(SIGN_ON, START)
    assert stack.receive(b"\x06051\r\n", START).startswith(b"\x01P0\x02(")


def command(text: bytes) -> bytes:
    body = b"\x01" + text + b"\x03"
    return body + bytes((bcc(body[1:]),))


def test_the_readout_is_what_the_objects_hold(home: Home) -> None:
    premises = home(electricity=DeviceSpec(serial="ABC123"))
    stack = optical(premises)
    stack.receive(SIGN_ON, START)
    said = stack.receive(b"\x06050\r\n", START).decode("ascii")
    lines = said[1:].split("\r\n")
    assert lines[0] == "0-0:96.1.0(ABC123)"
    assert "0-0:1.0.0(2026-01-01 00:00:00)" in lines
    talker = Talker(wan(premises, "wan-tcp"), settings_of(premises.electricity, "data_collection"), sap=32, server=16)  # type: ignore[arg-type]
    energy = talker.open().value(3, "1-0:1.8.0")
    assert isinstance(energy, int) and energy > 1_000_000
    assert f"1-0:1.8.0({energy / 1000:.3f}*kWh)" in lines
    voltage = talker.value(3, "1-0:32.7.0")
    assert isinstance(voltage, int)
    assert f"1-0:32.7.0({voltage / 10:.1f}*V)" in lines
    assert any(line.startswith("1-0:1.6.0(") and line.endswith("*kW)") for line in lines)


def test_programming_mode_reads_and_with_a_password_writes(home: Home) -> None:
    premises = home()
    stack = optical(premises)
    programming(stack)
    assert b"*kWh)" in stack.receive(command(b"R1\x021-0:1.8.0()"), START)
    assert b"(ERR" in stack.receive(command(b"R1\x021-0:99.99.99()"), START)
    assert b"(ERR" in stack.receive(command(b"W1\x020-0:96.13.0(hello)"), START)
    assert b"(ERR" in stack.receive(command(b"P1\x02(12345678)"), START)
    assert premises.electricity is not None
    assert premises.electricity.event_codes["fraud"] == 46
    assert stack.receive(command(b"P1\x02(00000000)"), START) == b"\x06"
    assert stack.receive(command(b"W1\x020-0:96.13.0(hello)"), START) == b"\x06"
    assert b"(hello)" in stack.receive(command(b"R1\x020-0:96.13.0()"), START)
    assert b"(ERR" in stack.receive(command(b"W1\x021-0:1.8.0(0)"), START)
    assert b"(ERR" in stack.receive(command(b"W1\x020-0:1.0.0(soon)"), START)
    assert stack.receive(command(b"W1\x020-0:1.0.0(2026-02-03 04:05:06)"), START) == b"\x06"
    assert b"(2026-02-03 04:05:06)" in stack.receive(command(b"R1\x020-0:1.0.0()"), START)
    assert b"(ERR" in stack.receive(command(b"E2\x02x()"), START)
    talker = Talker(wan(premises, "wan-tcp"), settings_of(premises.electricity, "extended"), sap=48, server=16).open()
    assert talker.value(1, "0-0:96.13.0") == b"hello"


def test_the_local_port_set_up_keeps_the_port_in_hdlc(home: Home) -> None:
    premises = home()
    electricity = premises.electricity
    assert electricity is not None
    setup = b"\x00\x13" + obis.parse("0-0:20.0.0")
    talker = Talker(wan(premises, "wan-tcp"), settings_of(electricity, "management"), sap=64, server=16).open()
    assert [talker.value(19, "0-0:20.0.0", index) for index in range(2, 6)] == [0, 0, 5, 1]
    talker.set(19, "0-0:20.0.0", 2, axdr.enum_(1))
    assert electricity.values[setup + b"\x02"] == axdr.enum_(1)
    stack = optical(premises)
    assert (stack.baud, stack.character) == (9600, "8N1")
    assert stack.receive(SIGN_ON, START) == b""
    Talker(stack).open().disconnect()
    assert (stack.baud, stack.character) == (9600, "8N1")


def test_a_device_address_is_heeded_at_sign_on(home: Home) -> None:
    premises = home()
    assert premises.electricity is not None
    setup = b"\x00\x13" + obis.parse("0-0:20.0.0")
    premises.electricity.values[setup + b"\x06"] = axdr.octets(b"4711")
    stack = optical(premises)
    assert stack.receive(b"/?4712!\r\n", START) == b""
    assert stack.receive(b"/?4711!\r\n", START).startswith(b"/GEN5")


def test_the_local_port_set_up_holds_from_the_next_start(home: Home, clock: Clock) -> None:
    premises = home()
    electricity = premises.electricity
    assert electricity is not None
    stack = optical(premises)
    talker = Talker(wan(premises, "wan-tcp"), settings_of(electricity, "management"), sap=64, server=16).open()
    for index, data in ((3, axdr.enum_(1)), (4, axdr.enum_(3)), (5, axdr.enum_(0)), (6, axdr.octets(b"(!" * 40))):
        talker.set(19, "0-0:20.0.0", index, data)
    assert stack.receive(SIGN_ON, START) == b"/GEN5\\2SSWG-E1\r\n"
    electricity.reboot()
    clock.advance_to(electricity.ready_at)
    assert stack.baud == 600
    assert stack.receive(SIGN_ON, clock.now) == b"/GEn3\\2SSWG-E1\r\n"
    assert (stack.send_baud, stack.turnaround) == (600, 20_000_000)


def test_noise_that_looks_like_hdlc_does_not_keep_sign_on_out(home: Home) -> None:
    stack = optical(home())
    assert stack.receive(b"\x7e\x7e\xa0", START) == b""
    assert (stack.baud, stack.bauds, stack.characters) == (9600, {300, 9600}, {"7E1", "8N1"})
    assert stack.receive(bytes((0xAF, 0x3F, 0x21, 0x8D, 0x0A)), START).startswith(b"/GEN5")
    stack.receive(b"/?!\r\n", START)
    stack.closed()
    stack.receive(b"\x7e", START)
    Talker(stack).open()
    assert (stack.bauds, stack.characters) == ({9600}, {"8N1"})


# -- anything at all --------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    port=st.sampled_from(["wan", "wan-tcp", "wan-udp", "optical"]),
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from(
                [
                    message(PUBLIC_AARQ),
                    message(GET_NAME),
                    bytes.fromhex("7EA0070321930F017E"),
                    SIGN_ON,
                    b"\x06252\r\n",
                    b"\x06051\r\n",
                    command(b"R1\x021-0:1.8.0()"),
                ]
            ),
        ),
        max_size=12,
    ),
)
def test_nothing_that_arrives_raises_and_the_next_client_is_served(port: str, pieces: list[bytes]) -> None:
    premises = FUZZED
    stack = optical(premises) if port == "optical" else wan(premises, port)
    for data in pieces:
        assert isinstance(stack.receive(data, START), bytes)
    due = stack.next_timeout()
    assert due is None or due > START
    stack.closed()
    stack.opened(START)
    Talker(stack).open().value(1, "0-0:42.0.0")


def _fuzzed() -> Premises:
    from emulator.premises import build_premises
    from firmware_profiles.loader import load

    from .conftest import Spec

    return build_premises("fuzz", Spec(), Clock(START), 1, load)


FUZZED = _fuzzed()


def test_a_right_that_is_missing_is_refused_on_every_link(home: Home) -> None:
    premises = home()
    for stack in (wan(premises, "wan"), wan(premises, "wan-tcp"), optical(premises)):
        talker = Talker(stack, server=16 if stack.device is premises.hub else 1).open()
        with pytest.raises(Refused):
            talker.value(3, "1-0:1.8.0")


def test_wrapper_stacks_are_cheap(home: Home) -> None:
    """One more connection keeps nothing but itself; closed ones are forgotten by the hub's lines."""
    premises = home()
    assert premises.hub is not None
    for _ in range(50):
        stack = wan(premises, "wan-tcp")
        assert isinstance(stack, WrapperStack)
        stack.receive(message(PUBLIC_AARQ), START)
        stack.closed()
        del stack
    assert list(Lines.of(premises.hub)) == []
    assert premises.hub.frames("frames received") == 50
