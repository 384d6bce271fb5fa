"""The EZSP processor of a real hub on a stepped clock, asked by a host of our own."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.electricity import ElectricityMeter
from emulator.han.message import Arrival, Message
from emulator.hub import Hub
from emulator.nvm import NvmFault, Saved
from emulator.premises import Premises
from emulator.radio.coordinator import Changed, Joined, Joining, Left, Received
from emulator.radio.ezsp import EzspStack
from emulator.radio.ezsp_memory import RadioMemory
from emulator.radio.ezsp_processor import CALLBACKS
from emulator.time import MINUTE, SECOND
from protocols.zigbee import zdo
from protocols.zigbee.ash import ResetCode
from protocols.zigbee.ezsp import configuration, keys, messaging, networking
from protocols.zigbee.ezsp.commands import COMMANDS
from protocols.zigbee.ezsp.enums import (
    Aps,
    Config,
    DeviceUpdate,
    EzspStatus,
    JoinDecision,
    KeyStatus,
    KeyType,
    NetworkStatus,
    Policy,
    Status,
    Value,
)
from protocols.zigbee.ezsp.frame import INVALID_COMMAND, Frame

from .host import NETWORK, SECURITY, Host

Home = Callable[..., Premises]
ANYBODY = b"\xff" * 8
STRANGER = bytes.fromhex("00124B00AABBCCDD")
CONTEXT = {"index": 0, "derived": 0, "eui": bytes(8), "network": 0, "flags": 0, "algorithm": 0}
APS = {"profile": 0, "cluster": 0, "source_endpoint": 0, "destination_endpoint": 0, "options": 0x40, "group": 0}
APS |= {"sequence": 0}


@pytest.fixture
def hub(home: Home) -> Hub:
    found = home().hub
    assert found is not None
    return found


@pytest.fixture
def host(hub: Hub) -> Host:
    """A host that has the network of the hub up."""
    made = Host(radio(hub))
    made.start()
    return made


def radio(hub: Hub) -> EzspStack:
    stack = hub.stacks["radio"]()
    assert isinstance(stack, EzspStack)
    return stack


def invalid(host: Host, command: int, parameters: bytes = b"") -> EzspStatus:
    """The reason why a command is invalid."""
    answer = host.raw(Frame(200, 0, command, parameters))
    assert answer.id == INVALID_COMMAND
    return EzspStatus(answer.parameters[0])


# --- start


def test_nothing_but_version_is_understood_before_it_is_agreed(hub: Hub) -> None:
    host = Host(radio(hub))
    host.reset(version=8)
    assert invalid(host, configuration.NOP.id) is EzspStatus.VERSION_NOT_SET
    host.ask(configuration.VERSION, desired=13)
    assert host.ask(configuration.NOP) == {}
    assert host.starts == [ResetCode.SOFTWARE]


def test_the_network_of_the_hub_is_resumed(hub: Hub, host: Host) -> None:
    assert host.of("stackStatusHandler") == [{"status": Status.NETWORK_UP}]
    assert host.status(networking.NETWORK_STATE) == NetworkStatus.JOINED
    found = host.ask(networking.GET_PARAMETERS)
    assert (found["status"], found["kind"]) == (Status.SUCCESS, 1)
    assert (found["parameters"]["pan"], found["parameters"]["channel"]) == (hub.han.pan_id, hub.han.channel)
    assert host.ask(networking.GET_EUI64) == {"eui": hub.identity.eui64}
    network = host.ask(keys.EXPORT_KEY, context={**CONTEXT, "kind": KeyType.NETWORK})
    assert network == {"key": hub.han.network_key, "status": KeyStatus.OK}
    assert host.status(networking.NETWORK_INIT, options=0) == Status.INVALID_CALL


def test_a_network_is_formed_left_and_not_there_any_more(hub: Hub, host: Host) -> None:
    assert host.status(keys.SET_INITIAL_STATE, state=SECURITY) == Status.INVALID_CALL
    assert host.status(networking.LEAVE_NETWORK) == Status.SUCCESS
    host.run()
    assert host.of("stackStatusHandler")[-1] == {"status": Status.NETWORK_DOWN}
    assert host.status(networking.NETWORK_INIT, options=0) == Status.NOT_JOINED
    assert host.status(networking.FORM_NETWORK, parameters=NETWORK) == Status.SECURITY_STATE_NOT_SET
    counter = {"id": Value.NWK_FRAME_COUNTER, "value": (0x12345).to_bytes(4, "little")}
    assert host.status(configuration.SET_VALUE, **counter) == EzspStatus.SUCCESS
    assert host.status(keys.SET_INITIAL_STATE, state=SECURITY) == Status.SUCCESS
    bad = {**NETWORK, "channel": 27}
    assert host.status(networking.FORM_NETWORK, parameters=bad) == Status.INVALID_CHANNEL
    assert host.status(networking.FORM_NETWORK, parameters={**NETWORK, "pan": 0xFFFF}) == Status.BAD_ARGUMENT
    assert host.status(networking.FORM_NETWORK, parameters=NETWORK) == Status.SUCCESS
    host.run()
    assert host.of("stackStatusHandler")[-1] == {"status": Status.NETWORK_UP}
    assert (hub.han.pan_id, hub.han.channel, hub.han.network_key) == (0x1A62, 20, SECURITY["network_key"])
    info = host.ask(keys.NETWORK_KEY_INFO)
    assert (info["set"], info["sequence"]) == (True, 3)
    assert info["frame_counter"] >= 0x12345
    link = host.ask(keys.EXPORT_KEY, context={**CONTEXT, "kind": KeyType.TRUST_CENTRE_LINK})
    assert link == {"key": SECURITY["preconfigured_key"], "status": KeyStatus.OK}
    state = host.ask(keys.GET_CURRENT_STATE)
    assert state == {"status": 0, "state": {"options": 0x94, "trust_centre": hub.identity.eui64}}
    assert host.ask(networking.GET_PARAMETERS)["parameters"] == NETWORK
    host.start()
    assert host.ask(networking.GET_PARAMETERS)["parameters"] == NETWORK


# --- what outlives a reset, and what does not


def test_settings_end_with_a_reset_and_tokens_do_not(hub: Hub, host: Host) -> None:
    size = {"id": Config.KEY_TABLE_SIZE, "value": 40}
    assert host.status(configuration.SET_CONFIGURATION, **size) == EzspStatus.INVALID_CALL  # the network is up
    host.reset()
    assert host.status(configuration.SET_CONFIGURATION, **size) == EzspStatus.SUCCESS
    assert host.status(configuration.SET_CONFIGURATION, **{**size, "value": 256}) == EzspStatus.OUT_OF_MEMORY
    assert host.status(configuration.SET_CONFIGURATION, id=0xEE, value=1) == EzspStatus.INVALID_ID
    assert host.ask(configuration.GET_CONFIGURATION, id=Config.KEY_TABLE_SIZE)["value"] == 40
    assert host.status(configuration.SET_TOKEN, id=2, value=b"ABCDEFGH") == Status.SUCCESS
    assert host.status(configuration.SET_TOKEN, id=8, value=b"ABCDEFGH") == Status.INDEX_OUT_OF_RANGE
    host.status(configuration.SET_VALUE, id=Value.EXTENDED_SECURITY_BITMASK, value=b"\x40\x01")
    assert host.status(configuration.SET_MFG_TOKEN, id=0, value=b"\x01\x02") == Status.SUCCESS
    assert host.status(configuration.SET_MFG_TOKEN, id=0, value=b"\x03\x04") == Status.WRITE_INHIBITED
    assert host.status(configuration.SET_MFG_TOKEN, id=12, value=bytes(8)) == Status.WRITE_INHIBITED
    host.reset()
    assert host.ask(configuration.GET_CONFIGURATION, id=Config.KEY_TABLE_SIZE)["value"] == 16
    assert host.ask(configuration.GET_TOKEN, id=2)["value"] == b"ABCDEFGH"
    assert host.ask(configuration.GET_VALUE, id=Value.EXTENDED_SECURITY_BITMASK)["value"] == b"\x40\x01"
    assert host.ask(configuration.GET_MFG_TOKEN, id=0)["value"] == b"\x01\x02"
    assert host.ask(configuration.GET_MFG_TOKEN, id=1)["value"].rstrip(b"\0") == b"smets1-hil"
    assert host.ask(configuration.GET_VALUE, id=Value.VERSION_INFO)["value"] == bytes((0, 0, 7, 4, 4, 0, 0xAA))


def test_the_memory_comes_back_from_its_image(hub: Hub, host: Host) -> None:
    host.status(configuration.SET_TOKEN, id=2, value=b"ABCDEFGH")
    host.status(networking.SET_BINDING, index=3, value=BINDING)
    image = json.loads(json.dumps(hub.kept["radio"].image()))
    again = hub.kept["radio"]
    assert isinstance(again, RadioMemory)
    host.status(networking.CLEAR_BINDINGS)
    host.status(configuration.SET_TOKEN, id=2, value=bytes(8))
    again.restore(Saved("radio", image))
    assert host.ask(networking.GET_BINDING, index=3) == {"status": 0, "value": BINDING}
    assert host.ask(configuration.GET_TOKEN, id=2)["value"] == b"ABCDEFGH"
    for name, value in (("tokens", ["00"] * 8), ("tokens", ["x"] * 8), ("bindings", {"x": "00"})):
        with pytest.raises(NvmFault, match="radio"):
            again.restore(Saved("radio", {**image, name: value}))


BINDING = {"kind": 1, "local": 1, "cluster": 0x0702, "remote": 2, "partner": STRANGER, "network": 0}


# --- joining


def test_a_device_joins_with_the_key_of_its_install_code(home: Home, esme: Callable[..., ElectricityMeter]) -> None:
    hub = home(electricity=None).hub
    assert hub is not None
    host = Host(radio(hub))
    host.start()
    meter = esme()
    eui64, member = meter.identity.eui64, hub.han.place(meter)
    assert host.status(networking.PERMIT_JOINING, duration=60) == Status.SUCCESS
    host.run()
    assert host.of("stackStatusHandler")[-1] == {"status": Status.NETWORK_OPENED}
    member.join()
    refused = host.wait("trustCenterJoinHandler")
    assert (refused["eui"], refused["status"], refused["decision"]) == (eui64, DeviceUpdate.UNSECURED_JOIN, 2)
    assert host.status(keys.IMPORT_TRANSIENT_KEY, eui=ANYBODY, key=b"ZigBeeAlliance09", flags=0) == KeyStatus.OK
    assert host.status(keys.IMPORT_TRANSIENT_KEY, eui=eui64, key=member.first_key, flags=0) == KeyStatus.OK
    found = host.ask(keys.EXPORT_TRANSIENT_KEY, eui=eui64)
    assert (found["key"], found["about"]["lifetime"]) == (member.first_key, 300)
    assert host.ask(keys.FIND_KEY, eui=eui64, link_key=True) == {"index": 0xFF}
    member.join()
    joined = host.wait("trustCenterJoinHandler")
    assert (joined["eui"], joined["decision"], joined["parent"]) == (eui64, JoinDecision.USE_PRECONFIGURED_KEY, 0)
    announce = next(each for each in host.of("incomingMessageHandler") if each["aps"]["cluster"] == 0x0013)
    assert zdo.decode(0x0013, announce["contents"]).values["eui"] == eui64
    assert host.ask(networking.LOOK_UP_ADDRESS, eui=eui64) == {"address": joined["address"]}
    assert host.ask(networking.LOOK_UP_EUI, address=joined["address"]) == {"status": 0, "eui": eui64}
    assert host.ask(keys.EXPORT_LINK_KEY, eui=eui64)["key"] == hub.han.log.entries[eui64].key
    host.run(61 * SECOND)
    assert host.of("stackStatusHandler")[-1] == {"status": Status.NETWORK_CLOSED}
    host.run(5 * MINUTE)  # the transient key has gone; the device stays
    assert host.status(keys.EXPORT_TRANSIENT_KEY, eui=eui64) == KeyStatus.NOT_FOUND
    assert member.on
    assert host.status(networking.REMOVE_DEVICE, address=joined["address"], parent=eui64, eui=eui64) == 0
    left = host.of("trustCenterJoinHandler")[-1]
    assert (left["eui"], left["status"]) == (eui64, DeviceUpdate.LEFT)
    assert not member.on


def test_a_key_for_a_while_is_forgotten_when_nobody_joined_with_it(hub: Hub, host: Host) -> None:
    for forget in (
        lambda: host.run(301 * SECOND),
        lambda: host.ask(keys.CLEAR_TRANSIENT_KEYS),
        host.start,
    ):
        assert host.status(keys.IMPORT_TRANSIENT_KEY, eui=STRANGER, key=bytes(16), flags=0) == KeyStatus.OK
        assert STRANGER in hub.han.log.entries
        forget()
        assert STRANGER not in hub.han.log.entries
    assert len(hub.han.log.entries) == 2


def test_the_policy_closes_the_window_and_opens_it_again(hub: Hub, host: Host) -> None:
    host.status(networking.PERMIT_JOINING, duration=60)
    host.run(10 * SECOND)
    assert hub.coordinator.open_for == 50
    host.status(configuration.SET_POLICY, id=Policy.TRUST_CENTER, decision=0x02)
    assert hub.coordinator.open_for == 0
    host.status(configuration.SET_POLICY, id=Policy.TRUST_CENTER, decision=0x03)
    assert hub.coordinator.open_for == 50
    host.status(networking.PERMIT_JOINING, duration=0)
    assert hub.coordinator.open_for == 0
    assert host.status(configuration.SET_POLICY, id=0x77, decision=0) == EzspStatus.INVALID_ID


def test_a_child_that_sleeps_is_told_of_before_it_joins(hub: Hub, host: Host) -> None:
    child = next(each for each in hub.coordinator.neighbours() if each.sleepy)
    tell = hub.coordinator.listener
    assert tell is not None
    tell(Joined(child.address, child.eui64, 0, Joining.ASSOCIATION, admitted=True, sleepy=True))
    tell(Joined(child.address, child.eui64, 0, Joining.TRUST_CENTRE_REJOIN, admitted=False, sleepy=True))
    tell(Joined(child.address, child.eui64, 0x1234, Joining.REJOIN, admitted=True, sleepy=True))
    tell(Left(child.address, child.eui64))
    tell(Changed(up=False))
    host.run()
    assert [name for name, _ in host.told[1:]] == ["childJoinHandler"] + ["trustCenterJoinHandler"] * 4 + [
        "stackStatusHandler"
    ]
    assert [(each["status"], each["decision"]) for each in host.of("trustCenterJoinHandler")] == [
        (DeviceUpdate.UNSECURED_JOIN, JoinDecision.USE_PRECONFIGURED_KEY),
        (DeviceUpdate.UNSECURED_REJOIN, JoinDecision.DENY),
        (DeviceUpdate.SECURED_REJOIN, JoinDecision.NO_ACTION),
        (DeviceUpdate.LEFT, JoinDecision.NO_ACTION),
    ]
    assert host.of("childJoinHandler")[0]["index"] == 0
    found = host.ask(networking.GET_CHILD, index=0)
    assert (found["status"], found["child"]["eui"], found["child"]["kind"]) == (0, child.eui64, 4)
    assert host.status(networking.GET_CHILD, index=1) == Status.NOT_JOINED
    assert host.ask(networking.NEIGHBOUR_COUNT) == {"count": 1}
    assert host.ask(networking.PARENT_AND_CHILDREN)["children"] == 1


# --- keys


def test_the_key_table_has_the_keys_of_the_device_log(hub: Hub, host: Host) -> None:
    log = {entry.eui64: entry.key for entry in hub.han.log}
    found = [host.ask(keys.EXPORT_LINK_KEY_AT, index=index) for index in range(17)]
    assert {each["eui"]: each["key"] for each in found if each["status"] == 0} == log
    assert [each["status"] for each in found[2:]] == [KeyStatus.NOT_FOUND] * 14 + [KeyStatus.INVALID_INDEX]
    assert host.status(keys.IMPORT_LINK_KEY, index=5, eui=STRANGER, key=b"K" * 16) == KeyStatus.OK
    assert host.ask(keys.FIND_KEY, eui=STRANGER, link_key=True) == {"index": 5}
    context = {**CONTEXT, "kind": KeyType.APPLICATION_LINK, "eui": STRANGER, "flags": 2}
    assert host.ask(keys.EXPORT_KEY, context=context) == {"key": b"K" * 16, "status": KeyStatus.OK}
    assert host.ask(keys.KEY_INFO, context=context)["about"]["known"] == 0x08
    assert host.status(keys.EXPORT_KEY, context={**CONTEXT, "kind": 9}) == KeyStatus.INVALID_TYPE
    assert host.status(keys.ERASE_KEY, index=5) == Status.SUCCESS
    assert STRANGER not in hub.han.log.entries
    assert host.status(keys.IMPORT_LINK_KEY, index=16, eui=STRANGER, key=bytes(16)) == KeyStatus.INVALID_INDEX
    assert host.status(keys.IMPORT_LINK_KEY, index=1, eui=ANYBODY, key=bytes(16)) == KeyStatus.INVALID_PARAMETER


def test_a_full_device_log_takes_no_more_keys(hub: Hub, host: Host) -> None:
    euis = [bytes((0xAA, number)) + bytes(6) for number in range(20)]
    statuses = [host.status(keys.IMPORT_TRANSIENT_KEY, eui=eui, key=bytes(16), flags=0) for eui in euis]
    assert statuses == [KeyStatus.OK] * 14 + [KeyStatus.FULL] * 6


def test_the_network_key_is_changed(hub: Hub, host: Host) -> None:
    assert host.status(keys.BROADCAST_KEY_SWITCH) == Status.INVALID_CALL
    assert host.status(keys.BROADCAST_NEXT_KEY, key=b"N" * 16) == Status.SUCCESS
    assert host.ask(keys.NETWORK_KEY_INFO)["alternate_set"]
    assert host.status(keys.BROADCAST_KEY_SWITCH) == Status.SUCCESS
    host.run()
    assert hub.han.network_key == b"N" * 16
    assert host.of("switchNetworkKeyHandler") == [{"sequence": 1}]
    host.status(keys.BROADCAST_NEXT_KEY, key=bytes(16))
    host.status(keys.BROADCAST_KEY_SWITCH)
    assert hub.han.network_key not in (b"N" * 16, bytes(16))


# --- messages


def test_the_coordinator_answers_questions_about_itself(hub: Hub, host: Host) -> None:
    host.reset()
    lists = {"inputs": [0x0702], "outputs": [0x000A], "input_count": 1, "output_count": 1}
    endpoint = {"endpoint": 1, "profile": 0x0109, "device": 0x0500, "version": 0, **lists}
    assert host.status(configuration.ADD_ENDPOINT, **endpoint) == EzspStatus.SUCCESS
    assert host.status(configuration.ADD_ENDPOINT, **endpoint) == EzspStatus.INVALID_VALUE
    assert host.ask(configuration.GET_EXTENDED_VALUE, id=0, characteristics=1) == {"status": 0, "value": b"\x01\x00"}
    missing = host.ask(configuration.GET_EXTENDED_VALUE, id=0, characteristics=2)
    assert missing == {"status": EzspStatus.INVALID_VALUE, "value": b"\x00\x00"}
    host.status(networking.NETWORK_INIT, options=0)
    assert host.status(configuration.ADD_ENDPOINT, **{**endpoint, "endpoint": 2}) == EzspStatus.INVALID_CALL
    contents = zdo.encode(zdo.Cluster.ACTIVE_ENDPOINTS, 9, address=0)
    aps = {**APS, "cluster": zdo.Cluster.ACTIVE_ENDPOINTS}
    sent = host.ask(messaging.SEND_UNICAST, kind=0, destination=0, aps=aps, tag=77, contents=contents)
    assert sent["status"] == Status.SUCCESS
    confirmation = host.of("messageSentHandler")[0]
    assert (confirmation["tag"], confirmation["status"], confirmation["contents"]) == (77, 0, b"")
    assert confirmation["aps"] == {**aps, "sequence": sent["sequence"]}
    answer = host.of("incomingMessageHandler")[0]
    assert (answer["sender"], answer["aps"]["cluster"]) == (0, 0x8005)
    assert zdo.decode(0x8005, answer["contents"]).values["endpoints"] == [1]


def test_callbacks_carry_the_sequence_number_answered_last(hub: Hub, host: Host) -> None:
    for duration in (10, 0) * 5:
        told = len(host.callback_sequences)
        host.status(networking.PERMIT_JOINING, duration=duration)
        assert set(host.callback_sequences[told:]) == {host.sequence}
    host.status(networking.PERMIT_JOINING, duration=10)
    host.ask(configuration.GET_EXTENDED_VALUE, id=0, characteristics=2)
    host.run(20 * SECOND)  # it closes by itself
    assert host.callback_sequences[-2:] == [host.sequence - 1, host.sequence]


def test_what_cannot_be_sent_is_refused(hub: Hub, host: Host) -> None:
    def send(contents: bytes = b"\0", kind: int = 0, destination: int = 0) -> int:
        values = {"kind": kind, "destination": destination, "aps": APS, "tag": 1, "contents": contents}
        return host.status(messaging.SEND_UNICAST, **values)

    assert send(bytes(83)) == Status.MESSAGE_TOO_LONG
    assert send(destination=0xFFFD) == Status.BAD_ARGUMENT
    assert send(kind=2) == Status.INVALID_BINDING_INDEX
    assert send(kind=9) == Status.INVALID_BINDING_INDEX
    broadcast = {"aps": APS, "radius": 0, "tag": 2, "contents": b"\0"}
    assert host.status(messaging.SEND_BROADCAST, destination=0x1234, **broadcast) == Status.BAD_ARGUMENT
    assert host.status(messaging.SEND_BROADCAST, destination=0xFFFD, **broadcast) == Status.SUCCESS
    multicast = {"aps": APS, "hops": 0, "outside": 0, "tag": 3, "contents": b"\0"}
    assert host.status(messaging.SEND_MULTICAST, **multicast) == Status.SUCCESS
    host.run()
    assert [(each["kind"], each["tag"]) for each in host.of("messageSentHandler")] == [(6, 2), (3, 3)]
    host.status(configuration.SET_CONFIGURATION, id=Config.APS_UNICAST_MESSAGE_COUNT, value=1)
    assert [send(destination=0x7777), send(destination=0x7777)] == [Status.SUCCESS, Status.MAX_MESSAGE_LIMIT_REACHED]
    failed = host.wait("messageSentHandler")
    assert (failed["destination"], failed["status"]) == (0x7777, Status.DELIVERY_FAILED)
    host.reset()
    assert send() == Status.NETWORK_DOWN
    assert host.status(messaging.SEND_BROADCAST, destination=0xFFFD, **broadcast) == Status.NETWORK_DOWN


def test_a_long_message_comes_in_parts_with_their_number(hub: Hub, host: Host) -> None:
    tell, octets = hub.coordinator.listener, bytes(range(200))
    assert tell is not None
    message = Message(0x0109, 0x0702, 1, 2, octets, secured=True)
    tell(Received(Arrival(0x1234, STRANGER, message, rssi=-40, lqi=200)))
    host.run()
    parts = host.of("incomingMessageHandler")
    assert b"".join(part["contents"] for part in parts) == octets
    assert [part["aps"]["group"] for part in parts] == [0x0300, 0x0301, 0x0302]
    assert {part["aps"]["options"] for part in parts} == {Aps.FRAGMENT | Aps.ENCRYPTION | Aps.RETRY | 0x0100}
    assert len({part["aps"]["sequence"] for part in parts}) == 1
    assert (parts[0]["sender"], parts[0]["rssi"], parts[0]["lqi"]) == (0x1234, -40, 200)
    acknowledgement = {**parts[0]["aps"], "group": 0xFF00}
    assert host.status(messaging.SEND_REPLY, address=0x1234, aps=acknowledgement, contents=b"") == Status.SUCCESS


def test_questions_to_the_coordinator_are_for_a_host_that_wants_them(hub: Hub, host: Host) -> None:
    tell = hub.coordinator.listener
    assert tell is not None

    def clusters() -> list[int]:
        return [each["aps"]["cluster"] for each in host.of("incomingMessageHandler")]

    def told() -> None:
        for cluster in (zdo.Cluster.ACTIVE_ENDPOINTS, zdo.Cluster.DEVICE_ANNOUNCE, 0x8005):
            tell(Received(Arrival(0x1234, STRANGER, Message(0, cluster, 0, 0, bytes(12)))))
        host.run()

    told()
    assert clusters() == [0x0013, 0x8005]
    flags = {"id": Config.APPLICATION_ZDO_FLAGS, "value": 3}
    assert host.status(configuration.SET_CONFIGURATION, **flags) == EzspStatus.SUCCESS
    told()
    assert clusters() == [0x0013, 0x8005, 0x0005, 0x0013, 0x8005]


def test_destinations_by_index(hub: Hub, host: Host) -> None:
    meter = next(each for each in hub.coordinator.neighbours() if not each.sleepy)
    entry = {"index": 1, "eui": meter.eui64, "address": meter.address, "extended": True}
    assert host.status(networking.REPLACE_ADDRESS, **entry) == Status.SUCCESS
    assert host.status(networking.REPLACE_ADDRESS, **{**entry, "index": 200}) == 0x6A
    assert host.ask(networking.GET_ADDRESS_ID, index=1) == {"address": meter.address}
    assert host.ask(networking.GET_EXTENDED_TIMEOUT, eui=meter.eui64) == {"extended": True}
    host.status(networking.SET_BINDING, index=0, value={**BINDING, "partner": meter.eui64})
    contents = zdo.encode(zdo.Cluster.NODE_DESCRIPTOR, 1, address=meter.address)
    for kind, index in ((1, 1), (2, 0)):
        values = {"aps": {**APS, "cluster": 2}, "tag": kind, "contents": contents}
        assert host.status(messaging.SEND_UNICAST, kind=kind, destination=index, **values) == Status.SUCCESS
        sent = host.wait("messageSentHandler")
        assert (sent["kind"], sent["destination"], sent["status"]) == (kind, index, Status.SUCCESS)
    assert len(host.of("incomingMessageHandler")) == 2


# --- scans


def test_an_energy_scan_takes_its_time(hub: Hub, host: Host) -> None:
    assert host.status(networking.START_SCAN, kind=0, channels=0, duration=2) == Status.BAD_ARGUMENT
    assert host.status(networking.START_SCAN, kind=0, channels=0x1800, duration=2) == Status.SUCCESS
    assert host.status(networking.START_SCAN, kind=0, channels=0x1800, duration=2) == Status.INVALID_CALL
    begin = host.clock.now
    host.wait("scanCompleteHandler")
    assert [each["channel"] for each in host.of("energyScanResultHandler")] == [11, 12]
    assert host.clock.now - begin >= 2 * 5 * 15_360_000
    host.status(networking.START_SCAN, kind=1, channels=0x1800, duration=14)
    assert host.status(networking.STOP_SCAN) == Status.SUCCESS
    host.run()
    assert len(host.of("scanCompleteHandler")) == 2


# --- what is wrong


def test_every_declared_command_does_something(hub: Hub, host: Host) -> None:
    missing = []
    for command in COMMANDS.values():
        if command.answer is not None and command not in (configuration.RESET_NODE, networking.LEAVE_NETWORK):
            answer = host.raw(Frame(60, 0, command.id, bytes(60)))
            if answer.id == INVALID_COMMAND:
                missing.append(command.name)
        host.ask(configuration.VERSION, desired=13)
    assert missing == []


def test_commands_that_do_not_exist_or_are_cut_short(hub: Hub, host: Host) -> None:
    assert invalid(host, 0x0102) is EzspStatus.INVALID_FRAME_ID  # getTokenData
    assert invalid(host, networking.STACK_STATUS.id) is EzspStatus.INVALID_FRAME_ID
    assert invalid(host, networking.PERMIT_JOINING.id) is EzspStatus.INVALID_VALUE
    assert invalid(host, messaging.SEND_UNICAST.id, bytes(14)) is EzspStatus.INVALID_VALUE
    host.octets(b"\x01\x00\x03\x00\x00")
    assert host.said[-1].startswith("an EZSP frame of form 3")
    assert host.ask(configuration.ECHO, value=b"still here") == {"value": b"still here"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(commands=st.lists(st.tuples(st.sampled_from(sorted(COMMANDS)), st.binary(max_size=60)), max_size=12))
def test_any_commands_are_answered(home: Home, commands: list[tuple[int, bytes]]) -> None:
    hub = home().hub
    assert hub is not None
    host = Host(radio(hub))
    host.start()
    for command, parameters in commands:
        answer = host.raw(Frame(100, 0, command, parameters))
        assert answer.id in (command, INVALID_COMMAND)
        host.run(SECOND // 10)
        if command == configuration.VERSION.id:
            host.ask(configuration.VERSION, desired=13)
        if command == configuration.RESET_NODE.id:
            assert host.failed.pop() == ResetCode.SOFTWARE
            host.reset()
    assert not host.failed


def test_callbacks_that_nobody_takes_are_lost_and_the_next_answer_says_so(hub: Hub, host: Host) -> None:
    tell = hub.coordinator.listener
    assert tell is not None
    for _ in range(CALLBACKS + 5):
        tell(Changed(up=True))
    answer = host.raw(Frame(50, 0, configuration.NOP.id, b""))
    assert answer.control == 0x81
    assert host.raw(Frame(51, 0, configuration.NOP.id, b"")).control == 0x80
    host.run()
    assert len(host.of("stackStatusHandler")) == 1 + CALLBACKS


# --- faults, and hosts that come and go


def test_a_start_that_nobody_asked_for(hub: Hub, host: Host) -> None:
    host.stack.restart(ResetCode.WATCHDOG)
    assert host.failed == [ResetCode.WATCHDOG]
    assert not hub.coordinator.up
    host.start()
    assert hub.coordinator.up


def test_a_failure_lasts_until_the_reset(hub: Hub, host: Host) -> None:
    host.stack.fail(ResetCode.ASSERT)
    assert host.failed == [ResetCode.ASSERT]
    assert not hub.coordinator.up
    host.start()
    assert host.ask(networking.NETWORK_STATE) == {"status": 2}


def test_a_stuck_processor_says_nothing(hub: Hub, host: Host) -> None:
    host.stack.stuck = True
    host.ash.send(Frame(9, 0, configuration.NOP.id, b"").encode(), host.clock.now)
    assert host.stack.receive(host.ash.output(), host.clock.now) == b""
    assert host.stack.next_timeout() is None
    host.stack.stuck = False
    host.start()


def test_a_node_that_is_reset_says_that_it_has_started(hub: Hub, host: Host) -> None:
    host.ask(configuration.RESET_NODE)
    host.run(SECOND)
    assert host.failed == [ResetCode.SOFTWARE]


def test_power_goes_and_comes(hub: Hub, host: Host) -> None:
    hub.power_off()
    host.run(SECOND)
    assert host.stack.receive(bytes.fromhex("1AC038BC7E"), host.clock.now) == b""
    hub.power_on()
    host.run(2 * MINUTE)
    assert host.failed == [ResetCode.POWER_ON]
    host.start()
    hub.reboot()
    host.run(2 * MINUTE)
    assert host.failed == [ResetCode.POWER_ON] * 2


def test_the_host_that_reset_it_last_has_the_processor(hub: Hub, host: Host) -> None:
    other = Host(radio(hub))
    other.start()
    assert host.failed == [ResetCode.EXTERNAL]
    assert hub.coordinator.up
    host.stack.closed()
    assert hub.coordinator.up
    other.stack.closed()
    assert not hub.coordinator.up
    assert hub.coordinator.listener is None
    assert hub.coordinator.endpoints == {}
